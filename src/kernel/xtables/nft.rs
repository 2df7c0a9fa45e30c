//! iptables on nf_tables: words through `iptables-nft-save` and `iptables-nft-restore`, identity and removal through nfnetlink.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::programs::{Call, Programs, Said};
use super::view::{self, View, own_chains};
use super::write::Attempt;
use super::{Backend, Plan, Refusal};
use crate::kernel::errno;
use crate::kernel::netlink::nftables::{Listing, Nftables};
use crate::model::iptables::{Ruleset, Table, Tag};
use crate::model::{Family, Fault, Kind};

/// How long something is begun anew because others were faster, as long as the lock of the legacy tables is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The tables of iptables in nf_tables, of one network namespace.
pub(super) struct Nft {
    pub(super) socket: Nftables,
    pub(super) programs: Programs,
    /// What was read last. It is as good as new as long as the generation is the same, counters aside.
    seen: BTreeMap<Family, View>,
    /// The generation that the last write has left.
    pub(super) left: Option<u32>,
}

/// The tables of which the words are wanted, as far as they are to be had; or all, without fail.
type Only<'a> = Option<&'a [(Family, Table)]>;

/// Names the five tables.
pub(super) fn names() -> [&'static str; 5] {
    Table::ALL.map(Table::name)
}

/// Makes a fault of an error of the socket.
pub(in crate::kernel) fn socket_fault(tried: impl Into<String>, error: &std::io::Error) -> Fault {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM | Errno::EACCES) => Fault::new(Kind::Permission, tried, "the kernel asks for CAP_NET_ADMIN")
            .hint("run as root, or with `--sandbox` in a throw-away namespace"),
        Some(Errno::EPROTONOSUPPORT | Errno::EINVAL | Errno::EOPNOTSUPP) => {
            Fault::new(Kind::Unsupported, tried, format!("this kernel has no nf_tables ({error})")).hint("use `--backend legacy`")
        }
        _ => Fault::new(Kind::System, tried, error.to_string()),
    }
}

pub(super) fn busy(tried: impl Into<String>) -> Fault {
    Fault::new(Kind::Busy, tried, format!("other programs kept changing nf_tables for {} s", PATIENCE.as_secs()))
        .hint("`nft monitor` shows who does; try again when it is quiet")
}

impl Nft {
    /// Opens nf_tables in the network namespace of the calling thread.
    pub(super) fn open() -> Result<Self, Fault> {
        let socket = Nftables::open().map_err(|error| socket_fault("open nf_tables", &error))?;
        Ok(Self { socket, programs: Programs::new(Backend::Nft), seen: BTreeMap::new(), left: None })
    }

    pub(super) fn generation(&mut self) -> Result<u32, Fault> {
        self.socket.generation().map_err(|error| socket_fault("read the generation of nf_tables", &error))
    }

    /// Lists a family.
    pub(super) fn list(&mut self, family: Family) -> Result<Listing, Fault> {
        self.list_with(family, true)
    }

    fn list_with(&mut self, family: Family, rules: bool) -> Result<Listing, Fault> {
        let tried = format!("list nf_tables ({family})");
        let listing = self.socket.list(family, &names(), rules).map_err(|error| socket_fault(tried.clone(), &error))?;
        listing.ok_or_else(|| busy(tried))
    }

    /// Reads all tables of a family, with fresh counters.
    pub(super) fn read(&mut self, family: Family, known: &dyn Fn(&Tag) -> bool) -> Result<Ruleset, Fault> {
        let views = self.look(&[family], None, known)?;
        let rulesets = views.iter().map(|view| view.ruleset.clone()).next();
        self.seen.extend(views.into_iter().map(|view| (family, view)));
        Ok(rulesets.unwrap_or_else(|| Ruleset::empty(family)))
    }

    /// Forgets what was read.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }

    /// Looks at families side by side, as they are at one moment. With `only`, what cannot be worded is opaque instead of a fault.
    fn look(&mut self, families: &[Family], only: Only<'_>, known: &dyn Fn(&Tag) -> bool) -> Result<Vec<View>, Fault> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let generation = self.generation()?;
            // An empty host is not worth a process.
            let heads = families.iter().map(|family| self.list_with(*family, false)).collect::<Result<Vec<_>, _>>()?;
            let used: Vec<Family> = families.iter().zip(&heads).filter(|(_, head)| view::has_rules(head)).map(|(f, _)| *f).collect();
            let worded: Vec<(Family, Option<Table>)> = match only {
                None => used.iter().map(|family| (*family, None)).collect(),
                Some(only) => only.iter().filter(|(family, _)| used.contains(family)).map(|(f, table)| (*f, Some(*table))).collect(),
            };
            let calls: Vec<Call<'_>> = worded.iter().map(|(family, table)| Call::save(*family, *table)).collect();
            let programs = self.programs;
            let mut listings = || families.iter().map(|family| self.list(*family)).collect::<Result<Vec<_>, _>>();
            let (listings, said) = match worded.is_empty() {
                true if used.is_empty() => (heads, Vec::new()),
                true => (listings()?, Vec::new()),
                // Words and numbers of many rules take equally long: they are read at the same time.
                false => thread::scope(|scope| {
                    let thread = thread::Builder::new().spawn_scoped(scope, listings);
                    let listings = thread.map_err(|error| errno::fault("list nf_tables", error))?;
                    let said = programs.run(&calls, None)?;
                    let panicked = |_| Err(Fault::new(Kind::System, "list nf_tables", "its thread panicked"));
                    Ok::<_, Fault>((listings.join().unwrap_or_else(panicked)?, said))
                })?,
            };
            let said: BTreeMap<(Family, Option<Table>), Said> = worded.into_iter().zip(said).collect();
            if self.generation()? == generation {
                let pairs = families.iter().zip(listings);
                let view = |(family, listing): (&Family, Listing)| match only {
                    None => View::new(*family, listing, said.get(&(*family, None)), known),
                    Some(_) => Ok(View::lenient(*family, listing, &|table| said.get(&(*family, Some(table))), known)),
                };
                return pairs.map(view).collect();
            }
        }
        Err(busy("read the tables"))
    }

    /// Gives the families as they are at one moment, from memory where nothing was changed since.
    fn views(&mut self, families: &[Family], only: Only<'_>, known: &dyn Fn(&Tag) -> bool) -> Result<Vec<View>, Fault> {
        let generation = self.generation()?;
        let seen: Vec<View> = families.iter().filter_map(|family| self.seen.remove(family)).collect();
        if seen.len() == families.len() && seen.iter().all(|view| view.listing.generation == generation) {
            return Ok(seen);
        }
        self.look(families, only, known)
    }

    /// Does what `plan` finds.
    pub(super) fn update(
        &mut self,
        families: &[Family],
        only: Only<'_>,
        known: &dyn Fn(&Tag) -> bool,
        plan: &mut Plan<'_>,
    ) -> Result<(), Refusal> {
        let (begun, mut last) = (Instant::now(), None);
        while begun.elapsed() < PATIENCE {
            let views = self.views(families, only, known)?;
            let (rulesets, listings): (Vec<_>, Vec<_>) = views.into_iter().map(|view| (view.ruleset, view.listing)).unzip();
            let patches = plan(&rulesets)?;
            let before = families.iter().copied().zip(listings).collect();
            match self.write(&patches, before)? {
                Attempt::Done => return Ok(()),
                Attempt::Moved(refusal) => last = refusal.or(last),
            }
        }
        Err(last.unwrap_or_else(|| busy("write the tables").into()))
    }
}

/// Tells whether nf_tables holds rules, user-defined chains or dropping policies of iptables.
pub(super) fn in_use(socket: &mut Nftables) -> std::io::Result<bool> {
    for family in Family::BOTH {
        let listing = socket.list(family, &names(), false)?.unwrap_or_default();
        let mut chains = Table::ALL.into_iter().flat_map(|table| own_chains(&listing, table));
        if chains.any(|(_, chain)| !chain.base || chain.drops || chain.uses > 0) {
            return Ok(true);
        }
    }
    Ok(false)
}
