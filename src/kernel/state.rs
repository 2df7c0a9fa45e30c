//! Where fyke keeps what it has to remember until the next boot.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, geteuid};

use super::errno;
use crate::model::{Fault, Kind};

const OF_ROOT: &str = "/run/fyke";

/// Tells where the state directory is, whether it is there or not: /run/fyke for root, in the runtime directory of the session for anybody
/// else.
pub fn state_dir() -> Result<PathBuf, Fault> {
    let user = geteuid();
    if user.is_root() {
        return Ok(OF_ROOT.into());
    }
    let session = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let candidates = session.into_iter().chain([PathBuf::from(format!("/run/user/{user}"))]);
    match candidates.into_iter().find(|path| open(path).is_ok_and(|folder| check(&folder, user, 0o077).is_ok())) {
        Some(runtime) => Ok(runtime.join("fyke")),
        None => Err(Fault::new(
            Kind::Permission,
            "keep a journal",
            format!("neither XDG_RUNTIME_DIR nor /run/user/{user} is a folder that belongs to you alone"),
        )
        .hint("without a journal nothing is changed; try --sandbox")),
    }
}

/// Makes the state directory if need be, and gives it.
pub fn make(folder: &Path) -> Result<PathBuf, Fault> {
    private_folder(folder, geteuid())
}

/// Tells whether runs may have left something to do: whoever works has a lock there, whoever watches has a bell, and both take them away when
/// they have come to an end. It is asked at every start, and to open a database takes a hundred system calls.
pub fn has_traces(folder: &Path) -> bool {
    let is_trace = |name: &str| name.ends_with(".bell") || (name.ends_with(".lock") && !name.starts_with("writing-"));
    fs::read_dir(folder).is_ok_and(|mut files| files.any(|file| file.is_ok_and(|file| file.file_name().to_str().is_some_and(is_trace))))
}

/// Tells where a user's programs remember things (XDG Base Directory Specification).
pub fn of_user() -> Result<PathBuf, Fault> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let none = || Fault::new(Kind::NotFound, "remember something", "neither XDG_STATE_HOME nor HOME names a folder");
    Ok(state.ok_or_else(none)?.join("fyke"))
}

/// Gives that folder, made if need be and for nobody else to read.
pub fn make_of_user() -> Result<PathBuf, Fault> {
    let folder = of_user()?;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| errno::fault(format!("make {}", folder.display()), error))?;
    private_folder(&folder, geteuid())
}

/// Makes a folder that only its user can write to, or finds that it is one. A symbolic link in its place is refused.
pub fn private_folder(path: &Path, user: Uid) -> Result<PathBuf, Fault> {
    let tried = || format!("keep a journal in {}", path.display());
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(errno::fault(tried(), error)),
        _ => {}
    }
    let folder = open(path).map_err(|error| errno::fault(tried(), error))?;
    check(&folder, user, 0o022).map_err(|why| Fault::new(Kind::Permission, tried(), why).hint("see who made it, and remove it"))?;
    Ok(path.to_owned())
}

/// Opens a folder, and nothing else: not what a symbolic link points to.
fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_DIRECTORY).open(path)
}

fn check(folder: &File, user: Uid, forbidden: u32) -> Result<(), String> {
    let about = folder.metadata().map_err(|error| error.to_string())?;
    if about.uid() != user.as_raw() {
        return Err(format!("it belongs to user {}", about.uid()));
    }
    if about.mode() & forbidden != 0 {
        return Err(format!("others may write to it (mode {:o})", about.mode() & 0o7777));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn whoever_works_or_watches_leaves_a_trace() {
        let folder = std::env::temp_dir().join(format!("fyke-traces-{}", std::process::id()));
        assert!(!has_traces(&folder));
        fs::create_dir(&folder).unwrap();
        for (name, is_trace) in
            [("journal", false), ("journal-wal", false), ("writing-7.lock", false), ("k3.lock", true), ("k3.bell", true)]
        {
            let path = folder.join(name);
            fs::write(&path, "").unwrap();
            assert_eq!(has_traces(&folder), is_trace, "{name}");
            fs::remove_file(path).unwrap();
        }
        fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn only_a_private_folder_will_do() {
        let base = std::env::temp_dir().join(format!("fyke-state-{}", std::process::id()));
        fs::create_dir(&base).unwrap();
        let (path, user) = (base.join("fyke"), geteuid());
        let why = |user| private_folder(&path, user).map_err(|fault| (fault.kind, fault.why));
        let refused = |text: &str| Err((Kind::Permission, text.to_owned()));
        assert_eq!(why(user), Ok(path.clone()));
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o700);
        assert_eq!(why(user), Ok(path.clone()));
        assert_eq!(why(Uid::from_raw(4711)), refused(&format!("it belongs to user {user}")));
        fs::set_permissions(&path, Permissions::from_mode(0o720)).unwrap();
        assert_eq!(why(user), refused("others may write to it (mode 720)"));
        fs::remove_dir(&path).unwrap();
        symlink("/tmp", &path).unwrap();
        assert_eq!(why(user), Err((Kind::System, "Not a directory".into())));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert_eq!(why(user), Err((Kind::System, "Not a directory".into())));
        fs::remove_dir_all(&base).unwrap();
    }
}
