//! The hierarchies of this machine: where they are mounted, and whether that is what it seems.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{FsType, fstatfs};

use crate::kernel::errno;
use crate::model::cgroup::Hierarchy;
use crate::model::{Fault, Kind};

/// Of `linux/magic.h`.
const CGROUP: FsType = FsType(0x27_e0eb);
const CGROUP2: FsType = FsType(0x6367_7270);

/// What stands among the options of a mount of version 1 and is no controller, see cgroups(7).
const OPTIONS: &[&str] = &["rw", "ro", "none", "all", "xattr", "noprefix", "clone_children", "cpuset_v2_mode"];

/// A hierarchy that is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// 1 or 2.
    pub version: u8,
    /// The controllers of version 1 that it has; none for version 2, which tells them in a file.
    pub controllers: Vec<String>,
    /// Where it is.
    pub point: PathBuf,
    /// The group that is shown there as the root: another one than `/` in a container without a namespace of its own.
    pub root: String,
}

impl Mount {
    fn is(&self, hierarchy: &Hierarchy) -> bool {
        match hierarchy.is_unified() {
            true => self.version == 2,
            false => self.version == 1 && self.controllers.iter().any(|controller| controller == hierarchy.controller()),
        }
    }

    /// Opens the root, which has to be of the file system that it is said to be: in a plain folder, a write would make plain files and succeed.
    pub(super) fn open(&self) -> Result<OwnedFd, Fault> {
        let tried = || format!("open the hierarchy of cgroups at {}", self.point.display());
        let root = File::open(&self.point).map_err(|error| errno::fault(tried(), error))?;
        let kind = fstatfs(&root).map_err(|error| errno::fault(tried(), error))?.filesystem_type();
        match kind == if self.version == 2 { CGROUP2 } else { CGROUP } {
            true => Ok(root.into()),
            false => Err(Fault::new(Kind::System, tried(), "it is no file system of cgroups")),
        }
    }
}

/// Lists what is mounted, in the order in which it was.
pub fn all() -> Vec<Mount> {
    read(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())
}

fn read(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

/// Reads a line of proc_pid_mountinfo(5).
fn mount(line: &str) -> Option<Mount> {
    let (front, back) = line.split_once(" - ")?;
    let mut back = back.split(' ');
    let version = match back.next()? {
        "cgroup" => 1,
        "cgroup2" => 2,
        _ => return None,
    };
    let options = back.nth(1)?.split(',');
    let is_controller = |option: &&str| !OPTIONS.contains(option) && !option.starts_with("release_agent=");
    let controllers = if version == 1 { options.filter(is_controller).map(str::to_owned).collect() } else { Vec::new() };
    let fields: Vec<&str> = front.split(' ').collect();
    Some(Mount { version, controllers, root: plain(fields.get(3)?), point: plain(fields.get(4)?).into() })
}

/// Reads a path in which blanks and the like are written as `\040`.
fn plain(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Finds a hierarchy. What was mounted last lies above, and what shows the root of all is the best.
pub fn find(hierarchy: &Hierarchy) -> Result<Mount, Fault> {
    let mut found: Vec<Mount> = all().into_iter().rev().filter(|mount| mount.is(hierarchy) && !mount.root.starts_with("/..")).collect();
    found.sort_by_key(|mount| mount.root != "/");
    found.into_iter().next().ok_or_else(|| missing(hierarchy))
}

fn missing(hierarchy: &Hierarchy) -> Fault {
    let tried = format!("use the {hierarchy} hierarchy of cgroups");
    let known = fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let controller = hierarchy.controller();
    let is_known = known.lines().any(|line| line.split_whitespace().next() == Some(controller));
    match hierarchy.is_unified() {
        true => Fault::new(Kind::Unsupported, tried, "it is not mounted").hint("mount -t cgroup2 none DIRECTORY"),
        false if is_known => {
            Fault::new(Kind::Unsupported, tried, "it is not mounted").hint(format!("mount -t cgroup -o {controller} none DIRECTORY"))
        }
        false => Fault::new(Kind::Unsupported, tried, format!("this kernel has no controller {controller}")),
    }
}

/// Tells whether a path leads into a hierarchy.
pub(super) fn is_of_cgroups(path: &Path) -> bool {
    File::open(path).ok().and_then(|file| fstatfs(&file).ok()).is_some_and(|about| [CGROUP, CGROUP2].contains(&about.filesystem_type()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_are_read_from_the_list_of_mounts() {
        let text = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
36 31 0:33 / /sys/fs/cgroup/net_cls,net_prio rw,relatime shared:9 - cgroup cgroup rw,net_cls,net_prio
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,release_agent=/lib/x,name=systemd
41 31 0:38 /docker/x /mnt/a\\040b rw,relatime - cgroup2 cgroup2 rw,nsdelegate
";
        let found = read(text);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].controllers, ["net_cls", "net_prio"]);
        assert_eq!((found[1].version, &found[1].controllers[..]), (1, &["name=systemd".to_owned()][..]));
        assert_eq!((found[2].version, found[2].root.as_str(), found[2].point.to_str()), (2, "/docker/x", Some("/mnt/a b")));
        assert!(found[0].is(&Hierarchy::net_cls()) && found[2].is(&Hierarchy::unified()) && !found[2].is(&Hierarchy::net_cls()));
    }

    #[test]
    fn a_plain_folder_is_no_hierarchy() {
        let plain = Mount { version: 2, controllers: Vec::new(), point: std::env::temp_dir(), root: "/".into() };
        assert_eq!(plain.open().unwrap_err().why, "it is no file system of cgroups");
        assert!(!is_of_cgroups(&plain.point));
    }
}
