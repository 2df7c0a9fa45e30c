//! A cpio archive in the format that the kernel unpacks as its first file system ("newc", Documentation/driver-api/early-userspace).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What stands behind a path.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(super) enum Entry {
    /// A folder.
    Folder,
    /// A link to another path.
    Link(PathBuf),
    /// A copy of a file of this machine.
    Copy(PathBuf),
    /// A program of this machine, without its symbols.
    Stripped(PathBuf),
    /// A program of these words.
    Script(&'static str),
}

/// A file system to be.
#[derive(Debug, Default)]
pub(super) struct Archive {
    entries: BTreeMap<PathBuf, Entry>,
}

impl Archive {
    /// Adds an entry, and the folders that it lies in.
    pub(super) fn add(&mut self, path: impl Into<PathBuf>, entry: Entry) {
        let path = path.into();
        for folder in path.ancestors().skip(1).filter(|folder| folder.parent().is_some()) {
            self.entries.entry(folder.to_owned()).or_insert(Entry::Folder);
        }
        self.entries.insert(path, entry);
    }

    /// Gives all entries.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Path, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_path(), entry))
    }

    /// Writes the archive; `read` gives the bytes of an entry.
    pub(super) fn write(&self, read: impl Fn(&Entry) -> Vec<u8>) -> Vec<u8> {
        let mut archive = Vec::new();
        for (number, (path, entry)) in self.entries.iter().enumerate() {
            let mode = match entry {
                Entry::Folder => 0o040_755,
                Entry::Link(_) => 0o120_777,
                _ => 0o100_755,
            };
            let name = path.strip_prefix("/").unwrap().to_str().unwrap();
            append(&mut archive, number + 1, mode, name, &read(entry));
        }
        append(&mut archive, 0, 0, "TRAILER!!!", &[]);
        archive
    }
}

/// Appends a header of hexadecimal fields, the name with a zero, and the bytes, each padded to four.
fn append(archive: &mut Vec<u8>, inode: usize, mode: usize, name: &str, bytes: &[u8]) {
    let mut fields = [0; 13];
    (fields[0], fields[1], fields[4], fields[6], fields[11]) = (inode, mode, 1, bytes.len(), name.len() + 1);
    let header: String = fields.iter().map(|field| format!("{field:08x}")).collect();
    for part in [format!("070701{header}{name}\0").as_bytes(), bytes] {
        archive.extend_from_slice(part);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
}

#[test]
fn an_archive_has_the_folders_of_its_files() {
    let mut archive = Archive::default();
    archive.add("/etc/deep/file", Entry::Script("words"));
    archive.add("/bin", Entry::Link("usr/bin".into()));
    let bytes = archive.write(|entry| match entry {
        Entry::Script(words) => words.as_bytes().to_vec(),
        Entry::Link(to) => to.to_str().unwrap().into(),
        _ => Vec::new(),
    });
    let text = String::from_utf8(bytes).unwrap();
    let names: Vec<&str> = text.split("070701").skip(1).map(|entry| entry[104..].trim_end_matches('\0')).collect();
    assert_eq!(names, ["bin\0\0\0usr/bin", "etc", "etc/deep", "etc/deep/file\0words", "TRAILER!!!"]);
}
