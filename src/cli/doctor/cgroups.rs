//! What this machine can do with control groups.

use super::Line;
use crate::kernel::cgroup;
use crate::model::cgroup::Way;
use crate::model::{Fault, Kind};

/// Tells of the version, and of each way to keep processes from the network.
pub(super) fn lines() -> Vec<Line> {
    let line = |what: &str, found| Line { room: "cgroup", what: what.to_owned(), found };
    let way = |way: Way, has: &str| line(way.name(), cgroup::lacks(way).map_or_else(|| Ok(has.to_owned()), Err));
    vec![
        line("version", version()),
        way(Way::Bpf, "programs can be attached to groups"),
        way(Way::ClassId, "net_cls is mounted"),
        way(Way::Path, "rules can ask for groups of the unified hierarchy"),
    ]
}

fn version() -> Result<String, Fault> {
    let mounted = cgroup::mounts::all();
    let place = |version: u8| mounted.iter().find(|mount| mount.version == version).map(|mount| mount.point.display().to_string());
    match (cgroup::version(), place(2)) {
        ("none", _) => Err(Fault::new(Kind::Unsupported, "use control groups", "none are mounted").hint("mount -t cgroup2 none DIRECTORY")),
        (version, Some(place)) => Ok(format!("{version}, the unified hierarchy is at {place}")),
        (version, None) => Ok(version.to_owned()),
    }
}
