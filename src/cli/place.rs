//! Where a run happens and who it is: the network namespace, the journal, the kernel.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::args::{self, Options};
use super::{show, word};
use crate::host::Mode;
use crate::kernel::machine::Machine;
use crate::kernel::netns::{self, Netns};
use crate::kernel::xtables::Backend;
use crate::kernel::{Kernel, files, identity, login, sandbox, state};
use crate::model::Fault;
use crate::model::iptables::{Owner, RunId};
use crate::transaction::select::Here;
use crate::transaction::{Begun, Context, Door, Gate, Guard, Journal, Setup, Shelf, Source, Stance};

/// The namespace that this process is in, and what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The state directory; without one nothing is changed, and this says why.
    pub(crate) state: Result<PathBuf, Fault>,
    /// The id of this boot.
    pub(crate) boot: String,
    /// The cookie of the network namespace.
    pub(crate) namespace: u64,
    /// How it is found again.
    pub(crate) home: String,
}

impl Place {
    /// Goes where the options say. To be called once, before any thread exists and before anything else is opened.
    pub(crate) fn enter(options: &Options) -> Result<Self, Fault> {
        if options.sandbox {
            sandbox::enter()?;
        }
        let mut home = None;
        if let Some(name) = options.netns.as_deref().map(word).transpose()? {
            Netns::open(name)?.enter()?;
            home = name.contains('/').then(|| files::absolute(Path::new(name)));
        }
        let home = home.unwrap_or_else(netns::home);
        Ok(Self { state: state::state_dir(), boot: netns::boot_id()?, namespace: netns::cookie()?, home })
    }

    /// Gives the state directory for somebody who is going to write, made if need be.
    pub(crate) fn state_to_write(&self) -> Result<PathBuf, Fault> {
        state::make(self.state.as_ref().map_err(Fault::clone)?)
    }

    /// Gives the shelf that the journal is kept on.
    pub(crate) fn shelf(&self) -> Shelf {
        match &self.state {
            Ok(folder) => Shelf::File(folder.join("journal")),
            Err(fault) => Shelf::Refused(fault.clone()),
        }
    }

    /// Opens the journal for somebody who is going to write, making its folder if need be.
    pub(crate) fn journal_to_write(&self) -> Result<Journal, Fault> {
        self.state_to_write()?;
        Journal::open(&self.shelf())
    }

    /// Gives the runs of this boot that concern this namespace.
    pub(crate) fn here<'a>(&'a self, journal: &'a Journal) -> Here<'a> {
        Here { journal, boot: &self.boot, namespace: self.namespace }
    }

    /// Gives the machine, at home in this namespace, to read and to write.
    pub(crate) fn live(options: &Options) -> Box<dyn Kernel> {
        Box::new(Machine::live(backend(options)))
    }

    /// Gives the guard of the login by which this program was started.
    pub(crate) fn guard(stance: Stance) -> Guard {
        Guard::new(stance, login::finder())
    }

    /// Opens the door: on the live kernel for a run, on a shadow of it for a plan, whose journal is forgotten at the end.
    pub(crate) fn door(&self, options: &Options, mode: Mode, context: Context, mut begun: Begun, guard: Guard, gate: Gate) -> Door {
        let (kernel, journal): (Box<dyn Kernel>, _) = match mode {
            Mode::Run => (Self::live(options), self.shelf()),
            Mode::Plan => (Box::new(Machine::planned(backend(options))), Shelf::Memory),
        };
        let begun = move |run: &RunId| if mode == Mode::Run { begun(run) } else { Ok(()) };
        Door::open(Setup {
            kernel,
            journal,
            past: self.shelf(),
            context,
            // The hasher's keys come from the kernel's random numbers.
            random: RandomState::new().hash_one(std::process::id()),
            now,
            begun: Box::new(begun),
            guard,
            gate,
        })
    }

    /// Tells who runs what, for the head of a run in the journal.
    pub(crate) fn context(&self, owner: Owner, source: Source) -> Context {
        let who = identity::user();
        let user = who.behind.map_or_else(|| who.name.clone(), |behind| format!("{} ({behind})", who.name));
        let command: Vec<String> = identity::command_line().iter().map(|word| show::shell(word)).collect();
        Context {
            owner,
            source,
            user,
            command: command.join(" "),
            pid: std::process::id(),
            boot: self.boot.clone(),
            namespace: self.namespace,
            home: self.home.clone(),
            backend: String::new(),
        }
    }
}

/// Gives the implementation of iptables that the options ask for.
pub(crate) fn backend(options: &Options) -> Option<Backend> {
    options.backend.map(|backend| match backend {
        args::Backend::Nft => Backend::Nft,
        args::Backend::Legacy => Backend::Legacy,
    })
}

/// Gives the time of the wall clock, in seconds since 1970.
pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs().try_into().unwrap_or(i64::MAX))
}
