//! What changes of control groups could do to the processes that hold the login.

use std::collections::BTreeSet;

use super::{Guard, Risk};
use crate::kernel::{Kernel, processes};
use crate::model::named::Scope;
use crate::model::{Change, Fault, Object, State, cgroup};

impl Guard {
    /// Decides about what a batch does to the processes that hold the login.
    pub(super) fn cgroups(&mut self, kernel: &mut dyn Kernel, tried: &str, hint: &str, changes: &[Change]) -> Result<(), Fault> {
        if self.is_idle() || !changes.iter().any(|change| matches!(change.object, Object::Cgroup(_))) {
            return Ok(());
        }
        let holders: BTreeSet<i32> = self.flows.iter().flatten().flat_map(|flow| flow.holders.iter().copied()).collect();
        let places: Vec<(i32, cgroup::Group)> = holders.into_iter().filter_map(|pid| Some((pid, place(kernel, pid)?))).collect();
        self.judge(tried, hint, |flow| {
            let mine = |pid: &i32| flow.holders.contains(pid);
            changes.iter().filter_map(|change| of_cgroups(change, &mine, &places)).collect()
        })
    }
}

/// Finds the group of the unified hierarchy in which a process is.
fn place(kernel: &mut dyn Kernel, pid: i32) -> Option<cgroup::Group> {
    let process = processes::identity(pid).ok()??;
    let scope = cgroup::Scope::Place(process, cgroup::Hierarchy::unified());
    let found = kernel.named().read(&Scope::Cgroup(scope)).ok()?;
    found.values().find_map(|state| match state.of_cgroups() {
        Some(cgroup::State::In(group)) => Some(group.clone()),
        _ => None,
    })
}

/// Finds what a change of groups does to a connection that some processes hold: they go elsewhere, where packets may be dropped; or what is dropped is theirs.
fn of_cgroups(change: &Change, mine: &dyn Fn(&i32) -> bool, places: &[(i32, cgroup::Group)]) -> Option<Risk> {
    let Object::Cgroup(object) = &change.object else { return None };
    let what = match (object, change.after.as_ref().and_then(State::of_cgroups)?) {
        _ if change.is_claim() => return None,
        (cgroup::Object::Place(process, _), cgroup::State::In(group)) if mine(&process.pid) => {
            format!("{process}, which holds it, is moved into the cgroup {group}")
        }
        (cgroup::Object::Program(program), _) if program.filter == cgroup::Filter::All => {
            let (pid, _) = places.iter().find(|(pid, place)| mine(pid) && program.group.holds(place))?;
            format!("process {pid}, which holds it, is in the cgroup {}, whose packets are dropped", program.group)
        }
        _ => return None,
    };
    Some(Risk { what, sure: false, origin: change.origin.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_the_login_is_not_blocked() {
        let group = |path: &str| path.parse::<cgroup::Group>().unwrap();
        let place = |pid, path: &str| {
            let object = Object::Cgroup(cgroup::Object::Place(cgroup::Process { pid, start: 1 }, cgroup::Hierarchy::unified()));
            Change::new(object, None, Some(State::Cgroup(cgroup::State::In(group(path)))))
        };
        let drop_all = |path: &str| {
            let program = cgroup::Program { group: group(path), direction: cgroup::Direction::Egress, filter: cgroup::Filter::All };
            Change::new(Object::Cgroup(cgroup::Object::Program(program)), None, Some(State::Cgroup(cgroup::State::Attached)))
        };
        let places = [(4711, group("/user/ssh"))];
        let is_risky = |change: &Change| of_cgroups(change, &|pid| [4711].contains(pid), &places).is_some();
        assert!(is_risky(&place(4711, "/x")) && is_risky(&drop_all("/user")) && is_risky(&drop_all("/")));
        assert!(!is_risky(&place(5, "/x")) && !is_risky(&drop_all("/user/other")));
    }
}
