//! Kernel parameters, through `/proc/sys/net`: it shows those of the network namespace of whoever reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::files;
use crate::model::named::Inventory;
use crate::model::sysctl::{Key, Value};
use crate::model::{Fault, Kind, Object, State};

const ROOT: &str = "/proc/sys";
/// The bytes of a value that are read at first, and the most: every other port in `ip_local_reserved_ports` takes 190 KiB.
const PIECES: [usize; 2] = [4 << 10, 256 << 10];

/// Reads a parameter, or all below a folder; those that cannot be read are left out of a folder.
pub fn read(key: &Key) -> Result<Inventory, Fault> {
    let (path, mut found) = (path(key), Inventory::new());
    match fs::symlink_metadata(&path) {
        Ok(kind) if kind.is_dir() => walk(&path, &mut key.parts().collect(), &mut found),
        Ok(_) => drop(found.insert(Object::Sysctl(key.clone()), State::Value(value(&path).map_err(|error| unreadable(key, &error))?))),
        Err(_) => {}
    }
    Ok(found)
}

/// Lists the names below a folder of parameters, as parts of keys; those of folders end in a dot. No value is read.
pub fn names(folder: &Key) -> Vec<String> {
    let part = |name: String| match name.strip_suffix('/') {
        Some(folder) => format!("{}.", folder.replace('.', "/")),
        None => name.replace('.', "/"),
    };
    files::names(&path(folder), "").into_iter().map(part).collect()
}

/// Writes a parameter that has another value, and looks whether the kernel has taken it as it was given.
pub fn write(key: &Key, wanted: &Value) -> Result<(), Fault> {
    let (tried, path) = (format!("set the parameter {key} to {wanted}"), path(key));
    // To write what is there already has effects all the same: a route that goes, an address that is made.
    if value(&path).is_ok_and(|now| now == *wanted) {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).custom_flags(libc::O_NOFOLLOW).open(&path);
    file.and_then(|mut file| file.write_all(format!("{wanted}\n").as_bytes())).map_err(|error| refused(&tried, &error))?;
    match value(&path).map_err(|error| unreadable(key, &error))? {
        same if same == *wanted => Ok(()),
        other => Err(Fault::new(Kind::Refused, tried, format!("the kernel made {other} of it"))),
    }
}

fn path(key: &Key) -> PathBuf {
    key.parts().fold(PathBuf::from(ROOT), |path, part| path.join(part))
}

fn value(path: &Path) -> io::Result<Value> {
    let mut bytes = Vec::new();
    for piece in PIECES {
        // Always from the start, and in one read: of numbers and of ports the kernel gives nothing more to a second one.
        bytes.resize(piece, 0);
        let len = File::open(path)?.read(&mut bytes)?;
        bytes.truncate(len);
        if len < piece {
            break;
        }
    }
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    Ok(Value::of(&text))
}

fn walk(folder: &Path, parts: &mut Vec<String>, found: &mut Inventory) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else { continue };
        parts.push(name);
        match kind.is_dir() {
            true => walk(&entry.path(), parts, found),
            // Some can only be written, some have no value yet.
            false => {
                if let Ok(value) = value(&entry.path()) {
                    found.insert(Object::Sysctl(Key::of_parts(parts.iter().map(String::as_str))), State::Value(value));
                }
            }
        }
        parts.pop();
    }
}

fn unreadable(key: &Key, error: &io::Error) -> Fault {
    Fault::new(Kind::Refused, format!("read the parameter {key}"), why(error))
        .hint("what cannot be read cannot be put back, so it is not set either")
}

fn refused(tried: &str, error: &io::Error) -> Fault {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => Kind::NotFound,
        io::ErrorKind::PermissionDenied => Kind::Permission,
        _ => Kind::Refused,
    };
    Fault::new(kind, tried, why(error))
}

fn why(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EINVAL) => "the kernel does not take this value".to_owned(),
        Some(libc::EACCES | libc::EPERM) => "permission denied".to_owned(),
        Some(libc::EROFS) => "/proc/sys is mounted read-only here, as in a container".to_owned(),
        Some(libc::ENOENT) => "there is no such parameter".to_owned(),
        _ => error.to_string(),
    }
}
