//! Linux itself. Each part is opened when it is first asked for: a script that touches no network pays for none.

use std::collections::HashSet;

use super::Kernel;
use super::recent::Recent;
use super::shadow::Below;
use super::xt_recent::XtRecent;
use super::xtables::live::{Live as LiveTables, Reader};
use super::xtables::{Ask, Backend, Plan, Refusal, Source, Verdict, Xtables};
use crate::model::iptables::{ChainRef, Ruleset, RunId};
use crate::model::{Family, Fault};

/// The network namespace of the calling thread, to read and to write.
pub struct Live {
    tables: Lazy<LiveTables>,
    recent: XtRecent,
}

/// The network namespace of the calling thread, to read: what a plan lies over.
pub struct Present {
    tables: Lazy<Reader>,
    recent: XtRecent,
}

impl Live {
    /// Makes a handle. `backend` is the implementation of iptables that is asked for.
    pub fn new(backend: Option<Backend>) -> Self {
        Self { tables: Lazy::new(backend, LiveTables::open), recent: XtRecent }
    }
}

impl Present {
    /// Makes a handle. `backend` is the implementation of iptables that is asked for.
    pub fn new(backend: Option<Backend>) -> Self {
        Self { tables: Lazy::new(backend, Reader::open), recent: XtRecent }
    }
}

impl Kernel for Live {
    fn xtables(&mut self) -> &mut dyn Xtables {
        &mut self.tables
    }

    fn recent(&mut self) -> &mut dyn Recent {
        &mut self.recent
    }
}

impl Below for Present {
    fn xtables(&mut self) -> &mut dyn Source {
        &mut self.tables
    }

    fn recent(&mut self) -> &mut dyn Recent {
        &mut self.recent
    }
}

/// Tables that are not open yet.
struct Lazy<T> {
    backend: Option<Backend>,
    open: fn(Option<Backend>) -> Result<T, Fault>,
    tables: Option<T>,
    known: HashSet<RunId>,
}

impl<T: Source> Lazy<T> {
    fn new(backend: Option<Backend>, open: fn(Option<Backend>) -> Result<T, Fault>) -> Self {
        Self { backend, open, tables: None, known: HashSet::new() }
    }

    fn get(&mut self) -> Result<&mut T, Fault> {
        match &mut self.tables {
            Some(tables) => Ok(tables),
            closed => {
                let mut tables = (self.open)(self.backend)?;
                tables.know(&self.known);
                Ok(closed.insert(tables))
            }
        }
    }
}

impl<T: Source> Source for Lazy<T> {
    fn know(&mut self, runs: &HashSet<RunId>) {
        self.known.clone_from(runs);
        if let Some(tables) = &mut self.tables {
            tables.know(runs);
        }
    }

    fn read(&mut self, family: Family) -> Result<Ruleset, Fault> {
        self.get()?.read(family)
    }

    fn canonical(&mut self, asks: &[Ask], chains: &[ChainRef]) -> Result<Vec<Verdict>, Fault> {
        self.get()?.canonical(asks, chains)
    }

    fn judges(&self) -> bool {
        self.tables.as_ref().is_none_or(Source::judges)
    }
}

impl<T: Xtables> Xtables for Lazy<T> {
    fn update(&mut self, families: &[Family], plan: &mut Plan<'_>) -> Result<(), Refusal> {
        self.get()?.update(families, plan)
    }

    fn zero(&mut self, chain: &ChainRef, place: Option<usize>) -> Result<(), Fault> {
        self.get()?.zero(chain, place)
    }
}
