//! Folders with packages in them: read as they are, and written anew.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::kernel::{errno, files, identity};
use crate::model::package::content::{MOST_BYTES, MOST_FILES, is_part, too_much};
use crate::model::package::{Content, MANIFEST, Member, SIGNATURE};
use crate::model::{Fault, Kind};

/// Reads the files of a package from its folder. A link, a device or a pipe among them is refused.
pub fn read(folder: &Path) -> Result<Vec<Member>, Fault> {
    let tried = format!("read the package in {}", folder.display());
    let (mut members, mut total, mut folders) = (Vec::new(), 0, vec![PathBuf::new()]);
    while let Some(below) = folders.pop() {
        let failed = |error: std::io::Error| errno::fault(&tried, error);
        for entry in fs::read_dir(folder.join(&below)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = below.join(entry.file_name());
            let text = path.to_string_lossy();
            if !is_part(&text) && text != SIGNATURE {
                continue;
            }
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                folders.push(path);
            } else if !kind.is_file() {
                let what = if kind.is_symlink() { "a symbolic link" } else { "no plain file" };
                return Err(Fault::input(&tried, format!("{text:?} is {what}, and a package has plain files only")));
            } else {
                let bytes = read_file(&folder.join(&path))?;
                total += bytes.len();
                members.push(Member { path: path.as_os_str().as_bytes().to_vec(), bytes });
            }
            if members.len() > MOST_FILES || total > MOST_BYTES || folders.len() > MOST_FILES {
                return Err(too_much(&tried, total <= MOST_BYTES));
            }
        }
    }
    Ok(members)
}

/// Reads a file that is no link.
pub fn read_file(path: &Path) -> Result<Vec<u8>, Fault> {
    if path.symlink_metadata().is_ok_and(|about| about.is_symlink()) {
        return Err(Fault::input(format!("read {}", path.display()), "it is a symbolic link"));
    }
    files::read_bounded(path, MOST_BYTES)
}

/// Writes a package into a folder that is new, or that has an earlier form of it in it and gives way.
pub fn write(folder: &Path, content: &Content) -> Result<(), Fault> {
    let tried = || format!("write the package into {}", folder.display());
    let failed = |error: std::io::Error| errno::fault(tried(), error);
    let above = folder.parent().unwrap_or(folder);
    DirBuilder::new().recursive(true).mode(0o755).create(above).map_err(failed)?;
    match folder.symlink_metadata() {
        Ok(about) if !about.is_dir() => return Err(Fault::new(Kind::Exists, tried(), "there is something else than a folder")),
        Ok(_) if !folder.join(MANIFEST).is_file() && fs::read_dir(folder).map_err(failed)?.next().is_some() => {
            return Err(Fault::new(Kind::Exists, tried(), "there is a folder that is no package").hint("see whose it is, and move it away"));
        }
        _ => {}
    }
    let new = above.join(format!(".{}.{}", folder.file_name().unwrap_or_default().to_string_lossy(), std::process::id()));
    let written = fill(&new, content).and_then(|()| {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::rename(&new, folder)
    });
    written.map_err(|error| {
        let _ = fs::remove_dir_all(&new);
        failed(error)
    })
}

fn fill(folder: &Path, content: &Content) -> std::io::Result<()> {
    fs::create_dir(folder)?;
    for (path, bytes) in content.kept() {
        // The content has no path that leads out, and no two that meet.
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?.write_all(bytes)?;
    }
    Ok(())
}

/// Takes a folder with a package in it away.
pub fn remove(folder: &Path) -> Result<(), Fault> {
    if !folder.join(MANIFEST).is_file() {
        return Ok(());
    }
    fs::remove_dir_all(folder).map_err(|error| errno::fault(format!("remove {}", folder.display()), error))
}

/// Lists the packages in a folder by the names of their folders.
pub fn packages(folder: &Path) -> Vec<String> {
    let names = files::names(folder, "").into_iter().filter_map(|name| name.strip_suffix('/').map(str::to_owned));
    names.filter(|name| folder.join(name).join(MANIFEST).is_file()).collect()
}

/// Tells whether something is a folder.
pub fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

/// Gives the folder that this process works in.
pub fn present() -> Result<PathBuf, Fault> {
    std::env::current_dir().map_err(|error| errno::fault("find the present folder", error))
}

/// Finds the nearest folder, from this one upwards, that has a manifest in it.
pub fn above(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|folder| files::exists(&folder.join(MANIFEST))).map(Path::to_path_buf)
}

/// Refuses the file of a project that somebody else could have put there, above a folder where many may write.
pub fn is_of_user(path: &Path) -> Result<(), Fault> {
    let tried = || format!("use {}", path.display());
    let look = |path: &Path| path.symlink_metadata().map_err(|error| errno::fault(tried(), error));
    let (about, folder) = (look(path)?, look(path.parent().unwrap_or(path))?);
    let why = match () {
        // In a folder like /tmp nobody can take away what is somebody else's.
        () if folder.mode() & 0o1002 == 0o002 => {
            format!("everybody may put another in its place (its folder has the mode {:o})", folder.mode() & 0o7777)
        }
        () if about.is_symlink() => "it is a symbolic link".to_owned(),
        () if !is_trusted(about.uid()) => format!("it belongs to user {}", about.uid()),
        () if about.mode() & 0o002 != 0 => format!("everybody may write to it (mode {:o})", about.mode() & 0o7777),
        () => return Ok(()),
    };
    Err(Fault::new(Kind::Permission, tried(), why).hint("it says what packages may do, and so it has to be yours or root's"))
}

fn is_trusted(uid: u32) -> bool {
    let own = geteuid().as_raw();
    // Who works with sudo in a folder of his own is still himself.
    let behind = || own == 0 && std::env::var("SUDO_UID").is_ok_and(|text| text.parse() == Ok(uid));
    // In a user namespace all others are one.
    uid == own || uid == 0 || behind() || (!identity::is_root_of_the_host() && uid == 65534)
}

/// Puts a file in its place, whole or not at all.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Fault> {
    let failed = |error: std::io::Error| errno::fault(format!("write {}", path.display()), error);
    let new = path.with_extension(format!("{}.new", std::process::id()));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new).and_then(|mut file| file.write_all(bytes));
    written.and_then(|()| fs::rename(&new, path)).map_err(|error| {
        let _ = fs::remove_file(&new);
        failed(error)
    })
}

/// Makes a folder and those above it.
pub fn make(path: &Path) -> Result<(), Fault> {
    DirBuilder::new().recursive(true).mode(0o755).create(path).map_err(|error| errno::fault(format!("make {}", path.display()), error))
}
