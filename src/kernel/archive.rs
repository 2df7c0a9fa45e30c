//! What is remembered beyond the next boot: a file of lines, one a run, that grows at its end and is cut in two before it grows too long.
//!
//! Nothing is ever done because of what stands in it. A line that a power cut tore is skipped, and the next one begins on a line of its own.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use super::{errno, state};
use crate::model::Fault;

const OF_ROOT: &str = "/var/lib/fyke";

/// The most bytes of the file; there is one earlier file of that length.
const MAX: u64 = 1 << 20;

/// Tells where it is, whether it is there or not: with the state of the system for root, with that of the user for anybody else.
pub fn folder() -> Result<PathBuf, Fault> {
    if geteuid().is_root() {
        return Ok(OF_ROOT.into());
    }
    state::of_user()
}

/// Adds a line, in one write.
pub fn append(folder: &Path, line: &str) -> Result<(), Fault> {
    let path = folder.join("history");
    let failed = |error: std::io::Error| errno::fault(format!("write to {}", path.display()), error);
    if let Some(above) = folder.parent().filter(|_| !geteuid().is_root()) {
        DirBuilder::new().recursive(true).mode(0o700).create(above).map_err(failed)?;
    }
    state::private_folder(folder, geteuid())?;
    let mut file = open(&path).map_err(failed)?;
    if file.metadata().map_err(failed)?.len() + line.len() as u64 > MAX {
        turn_over(&file, &path).map_err(failed)?;
        file = open(&path).map_err(failed)?;
    }
    let torn = is_torn(&file).map_err(failed)?;
    file.write_all(format!("{}{line}\n", if torn { "\n" } else { "" }).as_bytes()).map_err(failed)
}

/// Gives the lines, the oldest first; none where there is no file.
pub fn lines(folder: &Path) -> Vec<String> {
    let read = |name: &str| {
        let mut bytes = Vec::new();
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(folder.join(name));
        let _ = file.and_then(|file| file.take(2 * MAX).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    [read("history.1"), read("history")].concat()
}

fn open(path: &Path) -> std::io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other("it is no regular file")) }
}

/// Makes the file the earlier one; of several who want to do so at once, one does.
fn turn_over(file: &File, path: &Path) -> std::io::Result<()> {
    file.lock()?;
    let number = |about: &fs::Metadata| (about.dev(), about.ino());
    let is_still_there = path.symlink_metadata().is_ok_and(|named| file.metadata().is_ok_and(|open| number(&open) == number(&named)));
    if is_still_there { fs::rename(path, path.with_extension("1")) } else { Ok(()) }
}

/// Tells whether the last line has no end.
fn is_torn(file: &File) -> std::io::Result<bool> {
    let mut last = [b'\n'];
    if let Some(at) = file.metadata()?.len().checked_sub(1) {
        file.read_exact_at(&mut last, at)?;
    }
    Ok(last != [b'\n'])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn lines_are_added_and_the_oldest_are_forgotten() {
        let folder = std::env::temp_dir().join(format!("fyke-archive-{}", std::process::id()));
        assert_eq!(lines(&folder), Vec::<String>::new());
        append(&folder, "one").unwrap();
        let path = folder.join("history");
        assert_eq!((folder.metadata().unwrap().mode() & 0o777, path.metadata().unwrap().mode() & 0o777), (0o700, 0o600));
        fs::write(&path, "one\ntor").unwrap();
        append(&folder, "two").unwrap();
        assert_eq!(lines(&folder), ["one", "tor", "two"]);
        for name in ["a", "b", "c"] {
            append(&folder, &name.repeat(MAX as usize / 2)).unwrap();
        }
        let kept: Vec<String> = lines(&folder).into_iter().map(|line| line[..1].to_owned()).collect();
        assert_eq!(kept, ["b", "c"]);
        fs::remove_file(&path).unwrap();
        symlink("/dev/null", &path).unwrap();
        assert!(append(&folder, "x").is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
