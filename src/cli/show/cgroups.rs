//! Changes of control groups, as commands of a shell.

use super::changes::shell;
use crate::kernel::cgroup::mounts;
use crate::model::Change;
use crate::model::cgroup::{Group, Object, State};

/// Writes the command that would do the same; a program of the kernel's machine has to be written and loaded first.
pub(super) fn command(change: &Change, object: &Object) -> Option<String> {
    if change.is_claim() {
        return None;
    }
    let after = change.after.as_ref().and_then(crate::model::State::of_cgroups);
    let line = match (object, after) {
        (Object::Group(group), Some(_)) => format!("mkdir {}", shell(&folder(group))),
        (Object::Group(group), None) => format!("rmdir {}", shell(&folder(group))),
        (Object::Place(process, _), Some(State::In(group))) => {
            format!("echo {} > {}", process.pid, shell(&format!("{}/cgroup.procs", folder(group))))
        }
        (Object::ClassId(group), Some(State::ClassId(class))) => {
            format!("echo {class} > {}", shell(&format!("{}/net_cls.classid", folder(group))))
        }
        (Object::Program(program), after) => {
            let verb = if after.is_some() { "attach" } else { "detach" };
            let multi = if after.is_some() { " multi" } else { "" };
            let (group, name) = (shell(&folder(&program.group)), program.filter.name());
            format!("bpftool cgroup {verb} {group} cgroup_inet_{} name {name}{multi} # drops {}", program.direction, program.filter)
        }
        _ => return None,
    };
    Some(line + "\n")
}

/// Gives the folder of a group; where its hierarchy is not mounted, the one where it is on most machines.
fn folder(group: &Group) -> String {
    let mount = mounts::find(group.hierarchy()).map(|mount| mount.point.display().to_string());
    let root = mount.unwrap_or_else(|_| "/sys/fs/cgroup".to_owned());
    format!("{root}{}", group.path().trim_end_matches('/'))
}
