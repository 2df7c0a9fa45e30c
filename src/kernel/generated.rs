//! Folders of files that fyke has made and may make anew: a site, definitions for editors.
//!
//! Such a folder is known by a file that lists what fyke has put into it. Nothing else in it is ever replaced or removed, and no link in it is followed.
//! Who writes into it holds flock(2) on the folder itself: no file is needed for that, and nothing of it outlives the process.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use super::errno;
use crate::model::{Fault, Kind};

/// The file by which such a folder is known.
pub const MARKER: &str = ".fyke-doc";

const HEAD: &str = "Made by `fyke doc`, which replaces and removes these files when it is run again:\n";
/// Where a file is written before it takes its place.
const NEW: &str = ".fyke-doc.new";
/// The most bytes that a marker can have.
const MOST: u64 = 1 << 20;
/// How long others may write into the folder: far longer than the largest site takes.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(5);

/// Writes files into a folder: a new one, an empty one, or one that this has written before. What it has written before and is no longer meant is gone.
///
/// The names are those of files, without slashes.
pub fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), Fault> {
    write_within(folder, files, PATIENCE)
}

fn write_within(folder: &Path, files: &[(String, Vec<u8>)], patience: Duration) -> Result<(), Fault> {
    let tried = || format!("write into {}", folder.display());
    let failed = |error: io::Error| errno::fault(tried(), error);
    let there = Held::open(folder).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP | libc::ENOTDIR) => Fault::new(Kind::Exists, tried(), "there is something else than a folder"),
        _ => failed(error),
    })?;
    let new: BTreeSet<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    if let Some(odd) = new.iter().find(|name| !is_name(name)) {
        return Err(Fault::input(tried(), format!("{odd:?} is no name of a file")));
    }
    let is_mine = there.lock(patience).map_err(failed)?;
    if !is_mine {
        let why = "another program holds it, most likely another `fyke doc` that has not ended";
        return Err(Fault::new(Kind::Busy, tried(), why).hint("try again when that has ended, or name another folder"));
    }
    let before = there.made_before(&new, &tried)?;
    // Known by the marker before it is there: whatever interrupts this, it can be done again.
    let all = before.iter().map(String::as_str).chain(new.iter().copied()).collect();
    there.put(MARKER, marker(&all).as_bytes()).map_err(failed)?;
    for (name, bytes) in files {
        there.put(name, bytes).map_err(failed)?;
    }
    for gone in before.iter().filter(|name| !new.contains(name.as_str())) {
        there.remove(gone).map_err(failed)?;
    }
    there.put(MARKER, marker(&new).as_bytes()).map_err(failed)
}

fn marker(names: &BTreeSet<&str>) -> String {
    names.iter().fold(HEAD.to_owned(), |text, name| text + name + "\n")
}

/// Tells whether something is the name of a file in the folder itself.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']) && name != MARKER && name != NEW
}

/// A folder that is held open, so that it stays the same one.
struct Held(File);

impl Held {
    /// Opens a folder, which is made if it is not there; a link in its place is not followed.
    fn open(folder: &Path) -> io::Result<Self> {
        match DirBuilder::new().recursive(true).mode(0o755).create(folder) {
            // What there is instead is told by the opening.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // With a slash at the end, the link would be followed all the same.
        let folder: PathBuf = folder.components().collect();
        OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_NOFOLLOW).open(folder).map(Self)
    }

    /// Keeps others out until the folder is closed; gives up where they stay too long.
    fn lock(&self, patience: Duration) -> io::Result<bool> {
        let begun = Instant::now();
        loop {
            match self.0.try_lock() {
                Ok(()) => return Ok(true),
                Err(TryLockError::WouldBlock) if begun.elapsed() >= patience => return Ok(false),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
                // NFS has locks for what can be opened to write alone, and others have none: there, one at a time is the user's business.
                Err(TryLockError::Error(error)) => match error.raw_os_error() {
                    Some(libc::EBADF | libc::EOPNOTSUPP | libc::ENOLCK | libc::ENOSYS) => return Ok(true),
                    _ => return Err(error),
                },
            }
        }
    }

    /// Gives the names of the files that an earlier writing has left, unless the folder, or a file of one of the new names in it, is somebody else's.
    fn made_before(&self, new: &BTreeSet<&str>, tried: &dyn Fn() -> String) -> Result<Vec<String>, Fault> {
        let failed = |error: io::Error| errno::fault(tried(), error);
        let refused = |why: String| Fault::new(Kind::Exists, tried(), why).hint("name a folder that is new or empty");
        let not_ours = |name: &str| refused(format!("{name:?} is in it, which fyke has not made"));
        let there = self.names().map_err(failed)?;
        if !there.iter().any(|name| name == MARKER) {
            return there.iter().find(|name| *name != NEW).map_or(Ok(Vec::new()), |other| Err(not_ours(other)));
        }
        let before = self.marked().map_err(failed)?.ok_or_else(|| refused(format!("its {MARKER} is not as fyke wrote it for you")))?;
        match there.iter().find(|name| new.contains(name.as_str()) && !before.contains(name)) {
            Some(other) => Err(not_ours(other)),
            None => Ok(before),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(format!("/proc/self/fd/{}", self.0.as_raw_fd()))?;
        let mut names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    /// Gives what the marker lists; nothing if it is not one that this user's fyke wrote.
    fn marked(&self) -> io::Result<Option<Vec<String>>> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let file: File = match openat(&self.0, MARKER, flags, Mode::empty()) {
            Ok(file) => file.into(),
            Err(Errno::ELOOP) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let about = file.metadata()?;
        if !about.is_file() || about.uid() != geteuid().as_raw() || about.len() > MOST {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        let names = text.strip_prefix(HEAD).map(|names| names.lines().map(str::to_owned).collect::<Vec<_>>());
        Ok(names.filter(|names| names.iter().all(|name| is_name(name))))
    }

    /// Puts a file in its place, whole or not at all.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // One that an interrupted writing has left.
        self.remove(NEW)?;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file: File = openat(&self.0, NEW, flags, Mode::from_bits_truncate(0o644))?.into();
        file.write_all(bytes)?;
        Ok(renameat(&self.0, NEW, &self.0, name)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match unlinkat(&self.0, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::*;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("fyke-generated-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn write(&self, folder: &str, files: &[(&str, &str)]) -> Result<(), Fault> {
            let files: Vec<_> = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
            write(&self.0.join(folder), &files)
        }

        fn names(&self, folder: &str) -> Vec<String> {
            let entries = fs::read_dir(self.0.join(folder)).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_was_made_is_made_anew_and_nothing_else_is_touched() {
        let place = Place::new("anew");
        place.write("a/b", &[("x", "1"), ("y", "1")]).unwrap();
        fs::write(place.0.join("a/b/mine"), "mine").unwrap();
        place.write("a/b", &[("x", "2"), ("z", "2")]).unwrap();
        assert_eq!(place.names("a/b"), [MARKER, "mine", "x", "z"]);
        assert_eq!(fs::read_to_string(place.0.join("a/b/x")).unwrap(), "2");
        assert_eq!(place.write("a/b", &[("mine", "2")]).unwrap_err().why, "\"mine\" is in it, which fyke has not made");
        assert_eq!(fs::read_to_string(place.0.join("a/b/mine")).unwrap(), "mine");
        // Half of a writing, as an interrupted one leaves it.
        fs::write(place.0.join("a/b").join(NEW), "half").unwrap();
        place.write("a/b", &[("x", "3")]).unwrap();
        assert_eq!(place.names("a/b"), [MARKER, "mine", "x"]);
    }

    #[test]
    fn the_folder_of_somebody_else_is_refused() {
        let place = Place::new("else");
        fs::create_dir(place.0.join("full")).unwrap();
        fs::write(place.0.join("full/notes"), "").unwrap();
        assert_eq!(place.write("full", &[("x", "1")]).unwrap_err().why, "\"notes\" is in it, which fyke has not made");
        for marker in ["", "mine", &format!("{HEAD}../notes\n"), &format!("{HEAD}\n")] {
            fs::write(place.0.join("full").join(MARKER), marker).unwrap();
            let why = place.write("full", &[("x", "1")]).unwrap_err().why;
            assert_eq!(why, ".fyke-doc is not as fyke wrote it for you".replace(".fyke", "its .fyke"));
        }
        fs::remove_file(place.0.join("full").join(MARKER)).unwrap();
        symlink("notes", place.0.join("full").join(MARKER)).unwrap();
        assert!(place.write("full", &[("x", "1")]).is_err());
        assert_eq!(place.names("full"), [MARKER, "notes"]);
        fs::write(place.0.join("file"), "").unwrap();
        assert_eq!(place.write("file", &[("x", "1")]).unwrap_err().kind, Kind::Exists);
        assert_eq!(place.write("new", &[("../x", "1")]).unwrap_err().why, "\"../x\" is no name of a file");
    }

    #[test]
    fn several_write_at_the_same_moment_and_none_fails() {
        let place = Place::new("several");
        let names: Vec<String> = (0..40).map(|number| format!("page-{number}")).collect();
        let files: Vec<_> = names.iter().map(|name| (name.as_str(), "text")).collect();
        for round in ["new", "new", "a/b"] {
            std::thread::scope(|scope| {
                let writers: Vec<_> = (0..6).map(|_| scope.spawn(|| place.write(round, &files))).collect();
                writers.into_iter().for_each(|writer| writer.join().unwrap().unwrap());
            });
            assert_eq!(place.names(round).len(), files.len() + 1);
        }
    }

    #[test]
    fn who_does_not_let_go_is_told_and_who_is_gone_blocks_nobody() {
        let place = Place::new("held");
        place.write("out", &[("x", "1")]).unwrap();
        let held = File::open(place.0.join("out")).unwrap();
        held.lock().unwrap();
        let fault = write_within(&place.0.join("out"), &[("x".to_owned(), Vec::new())], Duration::from_millis(20)).unwrap_err();
        assert_eq!((fault.kind, fault.why.split(',').next()), (Kind::Busy, Some("another program holds it")));
        assert_eq!(fs::read_to_string(place.0.join("out/x")).unwrap(), "1");
        drop(held);
        place.write("out", &[("x", "2")]).unwrap();
        assert_eq!(place.names("out"), [MARKER, "x"]);
    }

    #[test]
    fn no_link_is_followed() {
        let place = Place::new("links");
        fs::create_dir(place.0.join("there")).unwrap();
        symlink("there", place.0.join("link")).unwrap();
        assert_eq!(place.write("link", &[("x", "1")]).unwrap_err().why, "there is something else than a folder");
        place.write("out", &[("x", "1")]).unwrap();
        fs::write(place.0.join("victim"), "as it was").unwrap();
        for name in ["x", NEW] {
            let _ = fs::remove_file(place.0.join("out").join(name));
            symlink("../victim", place.0.join("out").join(name)).unwrap();
        }
        place.write("out", &[("x", "2")]).unwrap();
        assert_eq!(fs::read_to_string(place.0.join("victim")).unwrap(), "as it was");
        assert!(!place.0.join("out/x").is_symlink());
        assert!(place.names("there").is_empty());
    }
}
