//! Reading the files that a user names, whatever they turn out to be.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use crate::model::{Fault, Kind};

/// Reads a regular file of at most `max` bytes; refuses directories, devices, pipes and sockets without waiting for them.
pub fn read_bounded(path: &Path, max: usize) -> Result<Vec<u8>, Fault> {
    let tried = || format!("read {}", path.display());
    // Without O_NONBLOCK the open of a pipe waits for its writer.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path).map_err(|e| io_fault(tried(), &e))?;
    let kind = file.metadata().map_err(|e| io_fault(tried(), &e))?.file_type();
    if !kind.is_file() {
        let what = match kind {
            k if k.is_dir() => "a directory",
            k if k.is_fifo() => "a pipe",
            k if k.is_char_device() || k.is_block_device() => "a device",
            _ => "no regular file",
        };
        return Err(Fault::input(tried(), format!("it is {what}")));
    }
    bounded(file, max, tried)
}

/// Reads at most `max` bytes from standard input, to its end.
pub fn read_stdin(max: usize) -> Result<Vec<u8>, Fault> {
    bounded(io::stdin().lock(), max, || "read standard input".to_owned())
}

/// Writes a file, making it or taking the place of what it held.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    std::fs::write(path, bytes).map_err(|e| io_fault(format!("write {}", path.display()), &e))
}

/// Writes a file for a script.
pub fn put(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    create(path)?.write_all(bytes).map_err(|e| io_fault(format!("write {}", path.display()), &e))
}

/// Writes a file that others read, too, as far as the user's umask lets them where it is new. It follows no link, and writes nothing but a regular file.
pub fn report(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    create_with(path, 0o644)?.write_all(bytes).map_err(|e| io_fault(format!("write {}", path.display()), &e))
}

/// Opens a file for a script to write, for its user alone to read where it is new; what it held is gone. It follows no link, and opens nothing but a regular file.
pub fn create(path: &Path) -> Result<File, Fault> {
    create_with(path, 0o600)
}

fn create_with(path: &Path, mode: u32) -> Result<File, Fault> {
    let tried = || format!("write {}", path.display());
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(mode).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path).map_err(|e| match e.raw_os_error() {
        Some(libc::ELOOP) => Fault::input(tried(), "it is a symbolic link"),
        _ => io_fault(tried(), &e),
    })?;
    if !file.metadata().map_err(|e| io_fault(tried(), &e))?.file_type().is_file() {
        return Err(Fault::input(tried(), "it is no regular file"));
    }
    file.set_len(0).map(|()| file).map_err(|e| io_fault(tried(), &e))
}

/// Writes a file that is new, for its user alone to read.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    open.and_then(|mut file| file.write_all(bytes)).map_err(|e| io_fault(format!("write {}", path.display()), &e))
}

/// Adds to a file that [`write_new`] has made.
pub fn append(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let open = OpenOptions::new().append(true).open(path);
    open.and_then(|mut file| file.write_all(bytes)).map_err(|e| io_fault(format!("write {}", path.display()), &e))
}

/// A file to which lines are added, whoever else adds to it.
pub struct Log {
    file: File,
    name: String,
}

impl Log {
    /// Opens a regular file, or makes one for its user alone to read.
    pub fn open(path: &Path) -> Result<Self, Fault> {
        let name = path.display().to_string();
        let tried = || format!("write {name}");
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
        let file = options.open(path).map_err(|e| io_fault(tried(), &e))?;
        if !file.metadata().map_err(|e| io_fault(tried(), &e))?.file_type().is_file() {
            return Err(Fault::input(tried(), "it is no regular file"));
        }
        Ok(Self { file, name })
    }

    /// Adds a line, at once and as a whole.
    pub fn add(&mut self, line: &str) -> Result<(), Fault> {
        self.file.write_all(line.as_bytes()).map_err(|e| io_fault(format!("write {}", self.name), &e))
    }
}

/// Removes a file, if it is there.
pub fn remove(path: &Path) {
    let _ = std::fs::remove_file(path);
}

/// Tells how long ago a file was written to, if it is one and that is known.
pub fn age(path: &Path) -> Option<Duration> {
    let about = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
    // What comes from the future has no age.
    Some(about.modified().ok()?.elapsed().unwrap_or_default())
}

/// Lists the names in a folder that begin so; folders end in a slash. What cannot be read has no names.
pub fn names(folder: &Path, start: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let name = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok().filter(|name| name.starts_with(start))?;
        Some(if entry.path().is_dir() { format!("{name}/") } else { name })
    };
    let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
    names.sort();
    names
}

/// What lies below a folder.
#[derive(Debug, Default)]
pub struct Below {
    /// The files, in the order of their paths, and all that is neither that nor a folder.
    pub files: Vec<PathBuf>,
    /// The folders, and the links to folders.
    pub folders: Vec<PathBuf>,
    /// The folders that cannot be looked into, and why.
    pub shut: Vec<(PathBuf, Fault)>,
}

/// Finds what lies below a folder, without folders whose names are left out. No link to a folder is followed.
pub fn below(folder: &Path, is_left_out: &dyn Fn(&str) -> bool) -> Below {
    let (mut found, mut folders) = (Below::default(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        match std::fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => {
                let is_in = |entry: &std::fs::DirEntry| !is_left_out(&entry.file_name().to_string_lossy());
                for entry in entries {
                    let (path, is_folder) = (entry.path(), entry.file_type().is_ok_and(|kind| kind.is_dir()));
                    match is_folder {
                        true if is_in(&entry) => folders.push(path),
                        true => {}
                        false if path.is_dir() => found.folders.push(path),
                        false => found.files.push(path),
                    }
                }
            }
            Err(error) => found.shut.push((folder.clone(), io_fault(format!("list {}", folder.display()), &error))),
        }
        found.folders.push(folder);
    }
    found.files.sort();
    found.folders.sort();
    found.shut.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// Finds the real path of a file: absolute, without links and dots.
pub fn canonical(path: &Path) -> Result<PathBuf, Fault> {
    path.canonicalize().map_err(|e| io_fault(format!("read {}", path.display()), &e))
}

/// Gives a path from the root on by its words alone, without dots and empty parts: nothing is looked at.
pub fn spelled(path: &Path) -> Result<PathBuf, Fault> {
    let whole = std::path::absolute(path).map_err(|e| io_fault(format!("use {}", path.display()), &e))?;
    Ok(whole.components().fold(PathBuf::new(), |mut path, part| {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            part => path.push(part),
        }
        path
    }))
}

/// Gives the real path of what may not be there yet: as far as it is there, links are followed.
pub fn real(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), ..) => real,
        (Err(_), Some(folder), Some(name)) => real(folder).join(name),
        _ => path.to_owned(),
    }
}

/// A file, or the folder of one, that was found and is held: what it is cannot change any more. It was not opened, neither to read nor to write.
pub struct Found {
    held: OwnedFd,
    real: PathBuf,
    /// The name of a file in the folder that is held.
    name: Option<OsString>,
}

impl Found {
    /// Finds a file, behind all links.
    pub fn file(path: &str) -> Result<Self, Fault> {
        let tried = || format!("read {path}");
        let (held, real) = hold(Path::new(path), OFlag::empty()).map_err(|e| io_fault(tried(), &e))?;
        Ok(Self { held, real, name: None })
    }

    /// Finds the place of a file that is to be written, which may not be there yet.
    pub fn place(path: &str) -> Result<Self, Fault> {
        let tried = || format!("write {path}");
        let whole = std::path::absolute(path).map_err(|e| io_fault(tried(), &e))?;
        let (Some(folder), Some(name), false) = (whole.parent(), whole.file_name(), path.ends_with('/')) else {
            return Err(Fault::input(tried(), "it is no file name"));
        };
        let (held, real) = hold(folder, OFlag::O_DIRECTORY).map_err(|e| io_fault(tried(), &e))?;
        Ok(Self { held, real: real.join(name), name: Some(name.to_owned()) })
    }

    /// Gives the real path.
    pub fn real(&self) -> &Path {
        &self.real
    }

    /// Gives a path by which this process opens what was found, and nothing else (proc_pid_fd(5)).
    pub fn handle(&self) -> PathBuf {
        let folder = PathBuf::from(format!("/proc/self/fd/{}", self.held.as_raw_fd()));
        self.name.as_ref().map_or(folder.clone(), |name| folder.join(name))
    }
}

fn hold(path: &Path, flags: OFlag) -> io::Result<(OwnedFd, PathBuf)> {
    let held = nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_CLOEXEC | flags, Mode::empty())?;
    let real = std::fs::read_link(format!("/proc/self/fd/{}", held.as_raw_fd()))?;
    Ok((held, real))
}

/// Gives a path from the root on, as far as that is known.
pub fn absolute(path: &Path) -> String {
    path.canonicalize()
        .or_else(|_| std::path::absolute(path))
        .map_or_else(|_| path.display().to_string(), |path| path.display().to_string())
}

/// Tells whether a path exists, whatever it is.
pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn bounded(from: impl Read, max: usize, tried: impl Fn() -> String) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    from.take(max as u64 + 1).read_to_end(&mut bytes).map_err(|e| io_fault(tried(), &e))?;
    if bytes.len() > max {
        return Err(Fault::input(tried(), format!("it has more than {max} bytes")));
    }
    Ok(bytes)
}

fn io_fault(tried: String, error: &io::Error) -> Fault {
    let (kind, why) = match error.kind() {
        io::ErrorKind::NotFound => (Kind::NotFound, "there is no such file".to_owned()),
        io::ErrorKind::PermissionDenied => (Kind::Permission, "permission denied".to_owned()),
        io::ErrorKind::InvalidInput => (Kind::Input, "it is no file name".to_owned()),
        io::ErrorKind::AlreadyExists => (Kind::Exists, "there is such a file already".to_owned()),
        io::ErrorKind::NotADirectory => (Kind::NotFound, "a part of its path is no directory".to_owned()),
        _ => (Kind::System, error.to_string()),
    };
    Fault::new(kind, tried, why)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn scripts_write_to_regular_files_only() {
        let path = std::env::temp_dir().join(format!("fyke-put-{}", std::process::id()));
        put(&path, b"longer").unwrap();
        put(&path, b"abc").unwrap();
        assert_eq!((std::fs::read(&path).unwrap(), path.metadata().unwrap().permissions().mode() & 0o777), (b"abc".to_vec(), 0o600));
        let link = path.with_extension("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(put(&link, b"x").unwrap_err().why, "it is a symbolic link");
        assert_eq!(report(&link, b"x").unwrap_err().why, "it is a symbolic link");
        assert_eq!(put(Path::new("/dev/null"), b"x").unwrap_err().why, "it is no regular file");
        [path, link].iter().for_each(|path| std::fs::remove_file(path).unwrap());
    }

    #[test]
    fn only_regular_files_are_read() {
        let why = |path: &str| read_bounded(Path::new(path), 100).unwrap_err().why;
        assert_eq!(why("/nowhere/at/all"), "there is no such file");
        assert_eq!(why("/"), "it is a directory");
        assert_eq!(why("/dev/zero"), "it is a device");
        let dir = std::env::temp_dir().join(format!("fyke-files-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let pipe = dir.join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(why(pipe.to_str().unwrap()), "it is a pipe");
        let file = dir.join("file");
        std::fs::write(&file, [b'x'; 101]).unwrap();
        assert_eq!(why(file.to_str().unwrap()), "it has more than 100 bytes");
        assert_eq!(read_bounded(&file, 101).unwrap().len(), 101);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
