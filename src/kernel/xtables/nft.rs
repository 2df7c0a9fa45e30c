//! iptables on nf_tables: words through `iptables-nft-save` and `iptables-nft-restore`, identity and removal through nfnetlink.
//!
//! Additions go through iptables-nft-restore, because only iptables can translate its own words; it takes no generation, so that a foreign
//! change can come between reading and writing. Such a change is noticed afterwards by the generation, which every commit raises by one; then
//! the places are looked at, and what came to stand in a wrong one is taken back and done again. Removals are ours alone: by handle, in one
//! batch that the kernel refuses when anybody else was faster.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::places;
use super::programs::{Call, Programs};
use super::restore::{Script, tell_written};
use super::view::{self, View, own_chains};
use super::{Backend, Plan, Refusal};
use crate::kernel::netlink::nftables::{Commit, Listing, Nftables, Order, Ordered};
use crate::model::iptables::{ChainName, Patch, Ruleset, Table, Tag};
use crate::model::{Family, Fault, Kind};

/// How long something is begun anew because others were faster, as long as the lock of the legacy tables is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many orders go into one batch. The kernel finds a rule by walking from the beginning of its chain, over all that the same batch has
/// deleted before: ten thousand at once take four times as long as in five batches.
const CHUNK: usize = 2000;

/// The tables of iptables in nf_tables, of one network namespace.
pub(super) struct Nft {
    socket: Nftables,
    programs: Programs,
    /// What was read last. It is as good as new as long as the generation is the same, counters aside.
    seen: BTreeMap<Family, View>,
}

/// What became of an attempt to write.
enum Attempt {
    Done,
    /// Nothing was done, because somebody else was faster.
    Moved,
}

/// Names the five tables.
pub(super) fn names() -> [&'static str; 5] {
    Table::ALL.map(Table::name)
}

/// Makes a fault of an error of the socket.
pub(super) fn socket_fault(tried: impl Into<String>, error: &std::io::Error) -> Fault {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM | Errno::EACCES) => Fault::new(Kind::Permission, tried, "the kernel asks for CAP_NET_ADMIN")
            .hint("run as root, or with `--sandbox` in a throw-away namespace"),
        Some(Errno::EPROTONOSUPPORT | Errno::EINVAL | Errno::EOPNOTSUPP) => {
            Fault::new(Kind::Unsupported, tried, format!("this kernel has no nf_tables ({error})")).hint("use `--backend legacy`")
        }
        _ => Fault::new(Kind::System, tried, error.to_string()),
    }
}

fn busy(tried: impl Into<String>) -> Fault {
    Fault::new(Kind::Busy, tried, format!("other programs kept changing nf_tables for {} s", PATIENCE.as_secs()))
        .hint("`nft monitor` shows who does; try again when it is quiet")
}

impl Nft {
    /// Opens nf_tables in the network namespace of the calling thread.
    pub(super) fn open() -> Result<Self, Fault> {
        let socket = Nftables::open().map_err(|error| socket_fault("open nf_tables", &error))?;
        Ok(Self { socket, programs: Programs::new(Backend::Nft), seen: BTreeMap::new() })
    }

    fn generation(&mut self) -> Result<u32, Fault> {
        self.socket.generation().map_err(|error| socket_fault("read the generation of nf_tables", &error))
    }

    fn list(&mut self, family: Family) -> Result<Listing, Fault> {
        let tried = format!("list nf_tables ({family})");
        let listing = self.socket.list(family, &names(), true).map_err(|error| socket_fault(tried.clone(), &error))?;
        listing.ok_or_else(|| busy(tried))
    }

    /// Reads all tables of a family, with fresh counters.
    pub(super) fn read(&mut self, family: Family, known: &dyn Fn(&Tag) -> bool) -> Result<Ruleset, Fault> {
        let view = self.look(family, known)?;
        let ruleset = view.ruleset.clone();
        self.seen.insert(family, view);
        Ok(ruleset)
    }

    /// Forgets what was read.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }

    fn look(&mut self, family: Family, known: &dyn Fn(&Tag) -> bool) -> Result<View, Fault> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let listing = self.list(family)?;
            // An empty host is not worth a process.
            let said = if view::has_rules(&listing) { Some(self.programs.run_one(&Call::save(family), None)?) } else { None };
            if self.generation()? == listing.generation {
                return View::new(family, listing, said.as_ref(), known);
            }
        }
        Err(busy(format!("read the {family} tables")))
    }

    /// Gives the families as they are at one moment, from memory where nothing was changed since.
    fn views(&mut self, families: &[Family], known: &dyn Fn(&Tag) -> bool) -> Result<Vec<View>, Fault> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let generation = self.generation()?;
            let mut views = Vec::new();
            for family in families {
                views.push(match self.seen.remove(family).filter(|view| view.listing.generation == generation) {
                    Some(view) => view,
                    None => self.look(*family, known)?,
                });
            }
            if views.iter().all(|view| view.listing.generation == generation) {
                return Ok(views);
            }
            self.seen.extend(views.into_iter().map(|view| (view.ruleset.family, view)));
        }
        Err(busy("read the tables"))
    }

    /// Does what `plan` finds: renames, then what iptables-nft-restore adds, then removals.
    pub(super) fn update(&mut self, families: &[Family], known: &dyn Fn(&Tag) -> bool, plan: &mut Plan<'_>) -> Result<(), Refusal> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let views = self.views(families, known)?;
            let (rulesets, listings): (Vec<_>, Vec<_>) = views.into_iter().map(|view| (view.ruleset, view.listing)).unzip();
            let patches = plan(&rulesets)?;
            let before = families.iter().copied().zip(listings).collect();
            if let Attempt::Done = self.write(&patches, before)? {
                return Ok(());
            }
        }
        Err(busy("write the tables").into())
    }

    fn write(&mut self, patches: &[Patch], mut before: BTreeMap<Family, Listing>) -> Result<Attempt, Refusal> {
        let Some(mut generation) = before.values().next().map(|listing| listing.generation) else { return Ok(Attempt::Done) };
        let renames = renames(patches, &before);
        if !renames.is_empty() {
            // In a batch of their own: nf_tables refuses a batch that renames a chain and makes another.
            match self.commit(generation, &renames)? {
                Commit::Done => generation = generation.wrapping_add(1),
                Commit::Moved => return Ok(Attempt::Moved),
                Commit::Refused(at, refused) => return Err(refuse(&renames[at], &refused.error()).into()),
            }
            patches.iter().for_each(|patch| rename(patch, &mut before));
        }
        let scripts: Vec<Script> = patches.iter().map(Script::additions).filter(|script| script.commits() > 0).collect();
        if !scripts.is_empty() {
            // What has no tag cannot be put right afterwards, so that at least it is not written when others were seen writing.
            if !patches.iter().all(places::tagged) && self.generation()? != generation {
                return Ok(Attempt::Moved);
            }
            self.restore(&scripts)?;
            generation = generation.wrapping_add(scripts.iter().map(Script::commits).sum());
            if self.generation()? != generation {
                generation = match self.settle(patches, &before)? {
                    Some(generation) => generation,
                    None => return Ok(Attempt::Moved),
                };
            }
        }
        self.remove(patches, &before, generation)?;
        Ok(Attempt::Done)
    }

    fn restore(&self, scripts: &[Script]) -> Result<(), Refusal> {
        let calls: Vec<Call<'_>> = scripts.iter().map(|script| Call::restore(script.family(), script.text())).collect();
        let said = self.programs.run(&calls, None)?;
        let (mut refusal, mut written) = (None, Vec::new());
        for (script, said) in scripts.iter().zip(&said) {
            let tables = if said.well() { script.tables() } else { script.committed_before(said) };
            written.extend(tables.into_iter().map(|table| (script.family(), table)));
            if !said.well() {
                refusal.get_or_insert_with(|| script.refusal(said));
            }
        }
        match refusal {
            None => Ok(()),
            Some(mut refusal) => {
                tell_written(&mut refusal, &written);
                Err(refusal)
            }
        }
    }

    /// Looks at the places of what was added while others changed something too. Gives the generation in which all stands where it should;
    /// or takes all of it back.
    fn settle(&mut self, patches: &[Patch], before: &BTreeMap<Family, Listing>) -> Result<Option<u32>, Fault> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let mut now = BTreeMap::new();
            for patch in patches {
                now.insert(patch.family, self.list(patch.family)?);
            }
            let Some(generation) = now.values().next().map(|listing| listing.generation) else { return Ok(None) };
            if now.values().any(|listing| listing.generation != generation) {
                continue;
            }
            // Rules without a tag (an undo puts other people's rules back) cannot be told from what others add, so they stay where they are.
            let right = |patch: &Patch| places::right(patch, &before[&patch.family], &now[&patch.family]);
            if !patches.iter().all(places::tagged) || patches.iter().all(right) {
                return Ok(Some(generation));
            }
            let orders: Vec<_> =
                patches.iter().flat_map(|patch| places::withdrawal(patch, &before[&patch.family], &now[&patch.family])).collect();
            match self.commit(generation, &orders)? {
                Commit::Done => return Ok(None),
                Commit::Moved => {}
                Commit::Refused(at, refused) => return Err(refuse(&orders[at], &refused.error())),
            }
        }
        Err(busy("put the rules into their places"))
    }

    /// Takes out what the patches take out. What is gone already is fine.
    fn remove(&mut self, patches: &[Patch], before: &BTreeMap<Family, Listing>, mut generation: u32) -> Result<(), Refusal> {
        let mut fresh: BTreeMap<Family, Listing> = BTreeMap::new();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let now = |family: &Family| fresh.get(family).unwrap_or(&before[family]);
            let orders: Vec<Ordered> =
                patches.iter().flat_map(|patch| places::removals(patch, &before[&patch.family], now(&patch.family))).collect();
            if orders.is_empty() {
                return Ok(());
            }
            match self.commit_in_chunks(generation, &orders)? {
                Attempt::Done => return Ok(()),
                Attempt::Moved => {
                    // The generation of the oldest listing: if they differ, the next attempt fails, and all are read anew.
                    generation = self.generation()?;
                    for patch in patches {
                        fresh.insert(patch.family, self.list(patch.family)?);
                    }
                }
            }
        }
        Err(busy("take rules out of the tables").into())
    }

    /// Gives orders in a few batches where one would take long. What has been done stays done when others come in between.
    fn commit_in_chunks(&mut self, mut generation: u32, orders: &[Ordered]) -> Result<Attempt, Fault> {
        for chunk in orders.chunks(CHUNK) {
            match self.commit(generation, chunk)? {
                Commit::Done => generation = generation.wrapping_add(1),
                Commit::Moved => return Ok(Attempt::Moved),
                Commit::Refused(at, refused) => return Err(refuse(&chunk[at], &refused.error())),
            }
        }
        Ok(Attempt::Done)
    }

    fn commit(&mut self, generation: u32, orders: &[Ordered]) -> Result<Commit, Fault> {
        self.socket.commit(generation, orders).map_err(|error| socket_fault("change nf_tables", &error))
    }
}

fn renames(patches: &[Patch], before: &BTreeMap<Family, Listing>) -> Vec<Ordered> {
    let tables = patches.iter().flat_map(|patch| patch.tables.iter().map(|table| (patch.family, table)));
    let chains = tables.flat_map(|(family, table)| table.renamed.iter().map(move |names| (family, table.table, names)));
    let order = |(family, table, (from, to)): (Family, Table, &(ChainName, ChainName))| {
        let handle = before.get(&family)?.chain(table.name(), from.as_str())?.handle;
        Some(Ordered { family, table: table.name(), order: Order::RenameChain(handle, to.to_string()) })
    };
    chains.filter_map(order).collect()
}

/// Renames chains in the listings as the kernel did.
fn rename(patch: &Patch, listings: &mut BTreeMap<Family, Listing>) {
    for table in &patch.tables {
        let chains = listings.get_mut(&patch.family).and_then(|listing| listing.tables.get_mut(table.table.name()));
        let Some(chains) = chains.map(|table| &mut table.chains) else { continue };
        for (from, to) in &table.renamed {
            if let Some(chain) = chains.remove(from.as_str()) {
                chains.insert(to.to_string(), chain);
            }
        }
    }
}

/// Makes a fault of an order that the kernel refused.
fn refuse(ordered: &Ordered, error: &std::io::Error) -> Fault {
    let (table, family) = (ordered.table, ordered.family);
    let tried = match &ordered.order {
        Order::RenameChain(_, to) => format!("rename a chain of {table} ({family}) to {to}"),
        Order::SetPolicy(chain, _) => format!("set the policy of {table}/{chain} ({family})"),
        Order::DeleteRule(chain, _) => format!("delete a rule of {table}/{chain} ({family})"),
        Order::EmptyChain(chain) => format!("empty the chain {table}/{chain} ({family})"),
        Order::DeleteChain(chain) => format!("delete the chain {table}/{chain} ({family})"),
        Order::DeleteTable => format!("delete the table {table} ({family})"),
    };
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EBUSY) => Fault::new(Kind::Refused, tried, "a rule of somebody else jumps to it, or stands in it"),
        Some(Errno::EEXIST) => Fault::new(Kind::Exists, tried, "there is a chain of that name already"),
        _ => socket_fault(tried, error),
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
