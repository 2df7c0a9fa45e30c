//! What a script looks at and no change is about: processes and their sockets, and what this machine can do with control groups.

use super::{Door, Transaction};
use crate::kernel::cgroup::{self, mounts::Mount};
use crate::kernel::processes::{self, Facts, Socket};
use crate::model::cgroup::{Group, Process, Way};
use crate::model::grant::{Permission, Power, Scope, Uses};
use crate::model::{Fault, Origin};

/// Something to look at.
#[derive(Clone, Debug, PartialEq)]
pub enum Around {
    /// All processes.
    Processes,
    /// The process that has a number, if one has it.
    Process(i32),
    /// A process, and those below it.
    Tree(Process),
    /// The processes that hold one of some sockets, by the inodes of these.
    Holding(Vec<u64>),
    /// The sockets that a process holds.
    Sockets(Process),
    /// Whether a process is in this network namespace.
    IsHere(Process),
    /// Which versions of control groups are in use.
    Version,
    /// The hierarchies that are mounted.
    Hierarchies,
    /// What is lacking for a way to block a group.
    Lacks(Way),
    /// The programs at a group: number, name, way of the packets.
    Programs(Group),
}

/// What was seen.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Processes.
    Processes(Vec<Facts>),
    /// Sockets.
    Sockets(Vec<Socket>),
    /// Whether it is so.
    Is(bool),
    /// A word.
    Word(&'static str),
    /// Hierarchies, with the controllers of each.
    Hierarchies(Vec<(Mount, Vec<String>)>),
    /// What is lacking, if something is.
    Lack(Option<Fault>),
    /// Programs.
    Programs(Vec<(u32, String, &'static str)>),
}

impl Around {
    /// Looks.
    pub(super) fn look(&self) -> Result<Seen, Fault> {
        Ok(match self {
            Around::Processes => Seen::Processes(processes::all()),
            Around::Process(pid) => Seen::Processes(processes::find(*pid).into_iter().collect()),
            Around::Tree(process) => {
                Seen::Processes(processes::tree(process).iter().filter_map(|process| processes::find(process.pid)).collect())
            }
            Around::Holding(sockets) => Seen::Processes(processes::holding(sockets)),
            Around::Sockets(process) => Seen::Sockets(processes::sockets(process)?),
            Around::IsHere(process) => Seen::Is(processes::is_in_this_network(process.pid)),
            Around::Version => Seen::Word(cgroup::version()),
            Around::Hierarchies => {
                let of = |mount: Mount| (if mount.version == 2 { cgroup::controllers() } else { mount.controllers.clone() }, mount);
                Seen::Hierarchies(cgroup::mounts::all().into_iter().map(of).map(|(controllers, mount)| (mount, controllers)).collect())
            }
            Around::Lacks(way) => Seen::Lack(cgroup::lacks(*way)),
            Around::Programs(group) => Seen::Programs(cgroup::programs(group)?),
        })
    }
}

impl Door {
    /// Tries whether the processes of a group are kept from the network, after everything that is queued is written. A plan has nothing to try.
    pub fn probe(&self, group: &Group, way: Way, origin: &Origin) -> Result<(), Fault> {
        self.lock().there(|it| it.probe(group, way, origin)).map_err(|fault| fault.at(origin.clone()))
    }
}

impl Transaction {
    fn probe(&mut self, group: &Group, way: Way, origin: &Origin) -> Result<(), Fault> {
        self.permit(Some(origin), |_| Ok(Uses::of(Permission::new(Power::Cgroup, Scope::Group(group.clone())))))?;
        self.flush()?;
        self.kernel.probe(group, way)
    }
}
