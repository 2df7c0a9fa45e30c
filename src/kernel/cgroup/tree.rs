//! Groups as folders: found beneath the root of their hierarchy, and never through a link.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::mounts;
use crate::kernel::{files, processes};
use crate::model::cgroup::{Group, Hierarchy, Process};
use crate::model::{Fault, Kind};

/// The most that is read of a file: a million processes are some 8 MB.
const MAX: u64 = 16 << 20;
/// What the kernel adds to the path of a group that is gone while something is still in it.
const DELETED: &str = " (deleted)";

/// Opens a group, if it is there.
pub(super) fn open(group: &Group) -> Result<Option<OwnedFd>, Fault> {
    let root = mounts::find(group.hierarchy())?.open()?;
    let path = if group.is_root() { "." } else { group.path().trim_start_matches('/') };
    let how = OpenHow::new().flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).resolve(
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS | ResolveFlag::RESOLVE_NO_XDEV,
    );
    match openat2(&root, Path::new(path), how) {
        Ok(folder) => Ok(Some(folder)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(error) => Err(fault(format!("open the cgroup {group}"), error)),
    }
}

/// Opens a group that has to be there.
pub(super) fn open_there(group: &Group, tried: &str) -> Result<OwnedFd, Fault> {
    open(group)?.ok_or_else(|| fault(tried.to_owned(), Errno::ENOENT))
}

/// Opens a file of a group to write to it.
pub(super) fn to_write(folder: &OwnedFd, file: &str) -> nix::Result<File> {
    openat(folder, file, OFlag::O_WRONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW, Mode::empty()).map(File::from)
}

/// Writes a file of a group.
pub(super) fn write(folder: &OwnedFd, file: &str, text: &str) -> io::Result<()> {
    to_write(folder, file)?.write_all(text.as_bytes())
}

/// Reads a file of a group; nothing where it has none, or where its group is gone.
pub(super) fn read(folder: &OwnedFd, file: &str) -> io::Result<Option<String>> {
    let mut text = String::new();
    let opened = openat(folder, file, OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW, Mode::empty()).map(File::from);
    match opened.map_err(io::Error::from).and_then(|file| file.take(MAX).read_to_string(&mut text)) {
        Ok(_) => Ok(Some(text)),
        // A group of threads has no list of processes (cgroups(7)).
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lists the processes that are in a group. Those of other pid namespaces have none here.
pub(super) fn members(folder: &OwnedFd) -> io::Result<Vec<Process>> {
    let text = read(folder, "cgroup.procs")?.unwrap_or_default();
    let numbers = text.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 0);
    numbers.filter_map(|pid| processes::identity(pid).transpose()).collect()
}

/// Lists the groups that are in a group, by their names.
pub(super) fn groups(folder: &OwnedFd) -> Vec<String> {
    let names = files::names(Path::new(&format!("/proc/self/fd/{}", folder.as_raw_fd())), "");
    names.iter().filter_map(|name| name.strip_suffix('/')).map(str::to_owned).collect()
}

/// Makes a group.
pub(super) fn make(group: &Group) -> Result<(), Fault> {
    let tried = format!("make the cgroup {group}");
    let above = group.parent().ok_or_else(|| fault(tried.clone(), Errno::EEXIST))?;
    let folder = open_there(&above, &tried)?;
    mkdirat(&folder, group.name(), Mode::from_bits_truncate(0o755)).map_err(|error| fault(tried, error))
}

/// Takes a group away; its folder is its parent's to give up.
pub(super) fn remove(group: &Group) -> nix::Result<()> {
    let above = group.parent().ok_or(Errno::EBUSY)?;
    let folder = open(&above).map_err(|_| Errno::EIO)?.ok_or(Errno::ENOENT)?;
    unlinkat(&folder, group.name(), UnlinkatFlags::RemoveDir)
}

/// Finds the group of a hierarchy in which a process is.
pub(super) fn place(pid: i32, hierarchy: &Hierarchy) -> io::Result<Option<Group>> {
    let text = match fs::read_to_string(format!("/proc/{pid}/cgroup")) {
        Ok(text) => text,
        Err(error) if processes::is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let (Some(path), Ok(mount)) = (placed(&text, hierarchy), mounts::find(hierarchy)) else { return Ok(None) };
    let path = if mount.root == "/" {
        Some(path)
    } else {
        path.strip_prefix(&*mount.root).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let shown = |path: &str| Group::listed(hierarchy.clone(), if path.is_empty() { "/" } else { path });
    Ok(path.map(|path| shown(path.strip_suffix(DELETED).unwrap_or(path))))
}

/// Reads /proc/PID/cgroup: the number of a hierarchy, its controllers, the path.
fn placed<'a>(text: &'a str, hierarchy: &Hierarchy) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (number, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let is_meant = match hierarchy.is_unified() {
            true => number == "0" && controllers.is_empty(),
            false => controllers.split(',').any(|controller| controller == hierarchy.controller()),
        };
        is_meant.then_some(path)
    })
}

/// Says what the error numbers of this file system mean.
pub(super) fn fault(tried: String, error: Errno) -> Fault {
    let make = |kind, why: &str| Fault::new(kind, tried.clone(), why);
    match error {
        Errno::ENOENT | Errno::ENODEV => make(Kind::NotFound, "there is no such cgroup").hint("`cgroup::ensure_group(path)` makes one"),
        Errno::EEXIST => make(Kind::Exists, "it is there already"),
        Errno::EBUSY => make(Kind::Busy, "processes or groups are in it"),
        Errno::EACCES | Errno::EPERM => make(Kind::Permission, "permission denied")
            .hint("it takes root of the machine, or a part of the tree that was delegated (cgroups(7))"),
        Errno::EROFS => make(Kind::Permission, "the tree of cgroups is mounted read-only here, as in a container"),
        Errno::EXDEV | Errno::ELOOP => make(Kind::Input, "the path leads out of the hierarchy, or over a link"),
        Errno::EAGAIN | Errno::ENOSPC => {
            make(Kind::Limit, "the hierarchy allows no more groups (cgroup.max.descendants, cgroup.max.depth)")
        }
        other => make(Kind::System, other.desc()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_process_is_read() {
        let text = "9:name=systemd:/a\n8:net_cls,net_prio:/b:c\n0::/user.slice/x\n";
        let path = |hierarchy: &str| placed(text, &hierarchy.parse().unwrap());
        assert_eq!((path("unified"), path("net_prio")), (Some("/user.slice/x"), Some("/b:c")));
        assert_eq!((path("name=systemd"), path("memory")), (Some("/a"), None));
    }

    #[test]
    fn a_group_is_found_beneath_its_root_only() {
        let Ok(root) = mounts::find(&Hierarchy::unified()) else { return println!("skipped: no cgroup2 is mounted here") };
        assert!(root.open().is_ok());
        let group = |path: &str| open(&Group::listed(Hierarchy::unified(), path));
        assert!(group("/").unwrap().is_some());
        assert!(group("/no-such-group").unwrap().is_none());
        for outside in ["/..", "/../..", "/x/../../.."] {
            assert!(!matches!(group(outside), Ok(Some(_))), "{outside}");
        }
    }
}
