//! Files that root will run or read at boot: who may write to them, and how one is put in its place.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::errno;
use crate::model::{Fault, Kind};

/// Refuses a file that somebody else than root may write to, or replace because a folder above it is his. The path has no links in it.
pub fn only_root_writes(path: &Path) -> Result<(), Fault> {
    let tried = || format!("let root run {} at boot", path.display());
    for part in path.ancestors() {
        let about = part.symlink_metadata().map_err(|error| errno::fault(tried(), error))?;
        let why = match () {
            () if about.uid() != 0 => format!("{} belongs to user {}", part.display(), about.uid()),
            () if about.mode() & 0o022 != 0 => {
                format!("others than root may write to {} (mode {:o})", part.display(), about.mode() & 0o7777)
            }
            () => continue,
        };
        return Err(Fault::new(Kind::Permission, tried(), why).hint("put it where only root can write, /etc/fyke for example"));
    }
    Ok(())
}

/// Puts a file that everybody may read in its place, whole or not at all. An earlier one is replaced only if it begins with `mark`.
pub fn install(path: &Path, text: &str, mark: &str) -> Result<(), Fault> {
    let tried = || format!("write {}", path.display());
    let failed = |error: std::io::Error| errno::fault(tried(), error);
    let ours = is_ours(path, mark).map_err(failed)?;
    let foreign = || {
        Err(Fault::new(Kind::Exists, tried(), "there is one already, and it is not of this recipe and instance")
            .hint("see whose it is, and remove it"))
    };
    if ours == Some(false) {
        return foreign();
    }
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW).open(&new).map_err(failed)?;
    let written =
        file.write_all(text.as_bytes()).and_then(|()| file.set_permissions(Permissions::from_mode(0o644))).and_then(|()| file.sync_all());
    // A link, unlike a new name, does not take the place of what somebody has put there in the meantime.
    let placed = written.and_then(|()| if ours.is_some() { fs::rename(&new, path) } else { fs::hard_link(&new, path) });
    let _ = fs::remove_file(&new);
    match placed {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => foreign(),
        other => other.map_err(failed),
    }
}

/// Tells whether there is a file that begins with a mark; none where there is no file.
fn is_ours(path: &Path, mark: &str) -> std::io::Result<Option<bool>> {
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        // ELOOP: a symbolic link, wherever it leads.
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => return Ok(Some(false)),
        other => other?,
    };
    let mut head = Vec::new();
    let read = file.take(mark.len() as u64).read_to_end(&mut head);
    Ok(Some(read.is_ok() && head == mark.as_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_what_root_alone_may_write_is_trusted() {
        let folder = std::env::temp_dir().join(format!("fyke-trust-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let fault = only_root_writes(&folder.join("x")).unwrap_err();
        assert_eq!(fault.kind, Kind::NotFound);
        // The folder of all is above it.
        assert_eq!(only_root_writes(&folder).unwrap_err().kind, Kind::Permission);
        fs::remove_dir(&folder).unwrap();
        if nix::unistd::geteuid().is_root() {
            assert_eq!(only_root_writes(Path::new("/etc/passwd")), Ok(()));
        }
    }

    #[test]
    fn a_file_of_somebody_else_is_not_replaced() {
        let folder = std::env::temp_dir().join(format!("fyke-install-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let path = folder.join("x.service");
        install(&path, "mark one", "mark").unwrap();
        install(&path, "mark two", "mark").unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), path.metadata().unwrap().mode() & 0o777), ("mark two", 0o644));
        assert_eq!(install(&path, "x", "other").unwrap_err().kind, Kind::Exists);
        fs::remove_file(&path).unwrap();
        symlink("/dev/null", &path).unwrap();
        assert_eq!(install(&path, "mark", "").unwrap_err().kind, Kind::Exists);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(&folder).unwrap();
    }
}
