//! The tables of the network namespace in which fyke runs.

use std::collections::HashSet;

use super::backend::Choice;
use super::legacy::Legacy;
use super::lock::XtablesLock;
use super::nft::Nft;
use super::programs::{Call, Programs};
use super::scratch::Oracle;
use super::{Ask, Backend, Plan, Refusal, Source, Verdict, Xtables, families};
use crate::model::iptables::{ChainRef, Ruleset, RunId, Table, Tag};
use crate::model::{Family, Fault};

/// The tables of a backend.
enum Tables {
    Nft(Nft),
    Legacy(Legacy),
}

/// The tables to read, with the oracle. It has no way to write to the host.
pub struct Reader {
    choice: Choice,
    tables: Tables,
    oracle: Oracle,
    known: HashSet<RunId>,
}

/// The tables to read and to write.
pub struct Live(Reader);

impl Reader {
    /// Opens the tables of the network namespace of the calling thread.
    pub fn open(backend: Option<Backend>) -> Result<Self, Fault> {
        let choice = Choice::make(backend)?;
        let tables = match choice.backend {
            Backend::Nft => Tables::Nft(Nft::open()?),
            Backend::Legacy => Tables::Legacy(Legacy::new()),
        };
        Ok(Self { choice, tables, oracle: Oracle::new(Programs::new(choice.backend)), known: HashSet::new() })
    }

    /// Tells which backend is used, and whether that is certain enough to write.
    pub fn choice(&self) -> Choice {
        self.choice
    }
}

impl Live {
    /// Opens the tables of the network namespace of the calling thread.
    pub fn open(backend: Option<Backend>) -> Result<Self, Fault> {
        Reader::open(backend).map(Self)
    }

    /// Tells which backend is used, and whether that is certain enough to write.
    pub fn choice(&self) -> Choice {
        self.0.choice
    }
}

impl Source for Reader {
    fn know(&mut self, runs: &HashSet<RunId>) {
        if self.known != *runs {
            self.known.clone_from(runs);
            if let Tables::Nft(nft) = &mut self.tables {
                nft.forget();
            }
        }
    }

    fn read(&mut self, family: Family) -> Result<Ruleset, Fault> {
        let known = |tag: &Tag| self.known.contains(&tag.run);
        match &mut self.tables {
            Tables::Nft(nft) => nft.read(family, &known),
            Tables::Legacy(legacy) => Ok(legacy.read(&[family], None, &known)?.pop().unwrap_or_else(|| Ruleset::empty(family))),
        }
    }

    fn canonical(&mut self, asks: &[Ask], chains: &[ChainRef]) -> Result<Vec<Verdict>, Fault> {
        self.oracle.canonical(asks, chains)
    }

    fn generation(&mut self) -> Result<Option<u64>, Fault> {
        match &mut self.tables {
            Tables::Nft(nft) => nft.generation().map(|generation| Some(generation.into())),
            Tables::Legacy(_) => Ok(None),
        }
    }

    fn backend(&self) -> Option<Backend> {
        Some(self.choice.backend)
    }
}

impl Source for Live {
    fn know(&mut self, runs: &HashSet<RunId>) {
        self.0.know(runs);
    }

    fn read(&mut self, family: Family) -> Result<Ruleset, Fault> {
        self.0.read(family)
    }

    fn canonical(&mut self, asks: &[Ask], chains: &[ChainRef]) -> Result<Vec<Verdict>, Fault> {
        self.0.canonical(asks, chains)
    }

    fn generation(&mut self) -> Result<Option<u64>, Fault> {
        self.0.generation()
    }

    fn backend(&self) -> Option<Backend> {
        self.0.backend()
    }
}

impl Xtables for Live {
    fn update(&mut self, families: &[Family], plan: &mut Plan<'_>) -> Result<(), Refusal> {
        let Reader { choice, tables, oracle, known } = &mut self.0;
        choice.may_write()?;
        let known = |tag: &Tag| known.contains(&tag.run);
        match tables {
            Tables::Nft(nft) => nft.update(families, None, &known, plan),
            Tables::Legacy(legacy) => legacy.update(families, None, &known, plan, oracle),
        }
    }

    fn lift(&mut self, only: &[(Family, Table)], worded: &[(Family, Table)], plan: &mut Plan<'_>) -> Result<(), Refusal> {
        let Reader { choice, tables, oracle, known } = &mut self.0;
        choice.may_write()?;
        let known = |tag: &Tag| known.contains(&tag.run);
        let families = families(only);
        match tables {
            Tables::Nft(nft) => nft.update(&families, Some(worded), &known, plan),
            Tables::Legacy(legacy) => legacy.update(&families, Some(only), &known, plan, oracle),
        }
    }

    fn left(&self) -> Option<u64> {
        match &self.0.tables {
            Tables::Nft(nft) => nft.left.map(u64::from),
            Tables::Legacy(_) => None,
        }
    }

    fn zero(&mut self, chain: &ChainRef, place: Option<usize>) -> Result<(), Fault> {
        self.0.choice.may_write()?;
        // nf_tables has a built-in chain from its first use on only, and what is not there has counted nothing.
        if place.is_none() && !self.read(chain.family)?.get(chain.table, &chain.chain)?.registered {
            return Ok(());
        }
        let _lock = (self.0.choice.backend == Backend::Legacy).then(XtablesLock::take).transpose()?;
        let mut args = vec!["-t".to_owned(), chain.table.to_string(), "-Z".to_owned(), chain.chain.to_string()];
        args.extend(place.map(|place| place.to_string()));
        let said = Programs::new(self.0.choice.backend).run_one(&Call::command(chain.family, args), None)?;
        if said.well() { Ok(()) } else { Err(said.fault(format!("zero the counters of {chain}"))) }
    }
}
