//! The part of the tree of control groups that a world has to itself.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount, umount};

use super::world::LONG;

/// A part of the tree of control groups that is a test's own: inside of the world it is the root. It is gone with the test.
pub(super) struct Tree(PathBuf);

impl Tree {
    /// Makes it, if that may be done here.
    pub(super) fn make() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("fyke-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let tree = unified()?.join(name);
        fs::create_dir(&tree).is_ok().then_some(Self(tree))
    }

    /// Gives a command that starts the program `unshare` in it.
    ///
    /// The shell that does so stays there as long as the test lasts: a process to be moved about, and no child of the test.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ > \"$TREE/cgroup.procs\" && unshare \"$@\"; exit $?", "sh"]).env("TREE", &self.0);
        command
    }

    /// Lets the world see its own part only: the groups above are none of the tests' business.
    pub(super) fn enter() {
        if std::env::var_os("TREE").is_some() {
            let point = unified().unwrap();
            umount(&point).unwrap();
            mount(Some("none"), &point, Some("cgroup2"), MsFlags::empty(), None::<&str>).unwrap();
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let begun = Instant::now();
        while remove_groups(&self.0).is_err() {
            assert!(begun.elapsed() < LONG, "the groups in {} stay in use", self.0.display());
            sleep(Duration::from_millis(5));
        }
    }
}

/// Takes away a group with those in it.
fn remove_groups(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        remove_groups(&entry.path())?;
    }
    fs::remove_dir(folder)
}

/// Finds where the unified hierarchy of control groups is mounted.
pub(crate) fn unified() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let point = |line: &str| line.split_once(" - cgroup2 ").map(|(front, _)| PathBuf::from(front.split(' ').nth(4).unwrap()));
    mounts.lines().rev().find_map(point)
}

/// Lists the control groups of the world, each with the programs that are attached to it.
pub(crate) fn groups() -> BTreeMap<String, Vec<String>> {
    fn walk(group: &str, root: &Path, found: &mut BTreeMap<String, Vec<String>>) {
        let Ok(entries) = fs::read_dir(root.join(group.trim_start_matches('/'))) else { return };
        let programs = fyke::kernel::cgroup::programs(&group.parse().unwrap()).unwrap_or_default();
        found.insert(group.to_owned(), programs.into_iter().map(|(_, name, direction)| format!("{direction} {name}")).collect());
        for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            walk(&format!("{}/{}", group.trim_end_matches('/'), entry.file_name().to_str().unwrap()), root, found);
        }
    }
    let mut found = BTreeMap::new();
    if std::env::var_os("TREE").is_some() {
        unified().into_iter().for_each(|root| walk("/", &root, &mut found));
    }
    found
}
