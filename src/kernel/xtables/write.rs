//! Writing to nf_tables: renames, then what iptables-nft-restore adds, then removals.
//!
//! Additions go through iptables-nft-restore, because only iptables can translate its own words; it takes no generation, so that a foreign
//! change can come between reading and writing. Such a change is noticed afterwards by the generation, which every commit raises by one; then
//! the places are looked at, and what came to stand in a wrong one is taken back and done again. Removals are ours alone: by handle, in
//! batches that the kernel refuses when anybody else was faster.

use std::collections::BTreeMap;
use std::time::Instant;

use nix::errno::Errno;

use super::Refusal;
use super::nft::{Nft, PATIENCE, busy, socket_fault};
use super::places;
use super::programs::Call;
use super::restore::{Script, tell_written};
use crate::kernel::netlink::nftables::{Commit, Listing, Order, Ordered};
use crate::model::iptables::{ChainName, Patch, Table};
use crate::model::{Family, Fault, Kind};

/// How many orders go into one batch. The kernel finds a rule by walking from the beginning of its chain, over all that the same batch has
/// deleted before: ten thousand at once take four times as long as in five batches.
const CHUNK: usize = 2000;

/// What each family was when the patches were made.
type Before = BTreeMap<Family, Listing>;

/// What became of an attempt to write.
pub(super) enum Attempt {
    /// All is written.
    Done,
    /// Nothing is written, because somebody else was faster, which may have led to a refusal.
    Moved(Option<Refusal>),
}

/// A restore that was refused, and how many of its tables had been committed by then.
struct Failed {
    refusal: Refusal,
    commits: u32,
}

impl Nft {
    /// Tries to write what patches change, seen from the listings for which they were made.
    pub(super) fn write(&mut self, patches: &[Patch], mut before: Before) -> Result<Attempt, Refusal> {
        let Some(mut generation) = before.values().next().map(|listing| listing.generation) else { return Ok(Attempt::Done) };
        let renames = renames(patches, &before);
        if !renames.is_empty() {
            // In a batch of their own: iptables-nft looks up the chains by their new names.
            match self.commit(generation, &renames)? {
                Commit::Done => generation = generation.wrapping_add(1),
                Commit::Moved => return Ok(Attempt::Moved(None)),
                Commit::Refused(at, refused) => return Err(refuse(&renames[at], &refused.error()).into()),
            }
            patches.iter().for_each(|patch| rename(patch, &mut before));
        }
        let scripts: Vec<Script> = patches.iter().map(Script::additions).filter(|script| script.commits() > 0).collect();
        if !scripts.is_empty() {
            // What has no tag cannot be put right afterwards, so that at least it is not written when others were seen writing.
            let tagged = patches.iter().all(places::tagged);
            if !tagged && renames.is_empty() && self.generation()? != generation {
                return Ok(Attempt::Moved(None));
            }
            let restored = self.restore(&scripts)?;
            let commits = restored.as_ref().map_or_else(|failed| failed.commits, |()| scripts.iter().map(Script::commits).sum());
            generation = generation.wrapping_add(commits);
            let alone = self.generation()? == generation;
            match restored {
                Ok(()) if alone => {}
                Ok(()) => match self.settle(patches, &before, true)? {
                    Some(settled) => generation = settled,
                    None => return Ok(Attempt::Moved(None)),
                },
                Err(failed) if !alone && tagged && outrun(&failed.refusal.fault) => {
                    self.settle(patches, &before, false)?;
                    return Ok(Attempt::Moved(Some(failed.refusal)));
                }
                Err(mut failed) => {
                    // The renames were a batch of their own, and are done.
                    failed.refusal.written.iter_mut().for_each(|written| written.extend(patches.iter().flat_map(renamed)));
                    return Err(failed.refusal);
                }
            }
        }
        self.left = Some(self.remove(patches, &before, generation)?);
        Ok(Attempt::Done)
    }

    fn restore(&self, scripts: &[Script]) -> Result<Result<(), Failed>, Fault> {
        let calls: Vec<Call<'_>> = scripts.iter().map(|script| Call::restore(script.family(), script.text())).collect();
        let said = self.programs.run(&calls, None)?;
        let (mut refusal, mut written, mut in_doubt) = (None, Vec::new(), Vec::new());
        for (script, said) in scripts.iter().zip(&said) {
            let of = |tables: Vec<Table>| tables.into_iter().map(|table| (script.family(), table));
            written.extend(of(if said.well() { script.tables() } else { script.committed_before(said) }));
            if !said.well() {
                in_doubt.extend(of(script.in_doubt(said)));
                refusal.get_or_insert_with(|| script.refusal(said));
            }
        }
        let Some(mut refusal) = refusal else { return Ok(Ok(())) };
        tell_written(&mut refusal, &written, &in_doubt);
        Ok(Err(Failed { refusal, commits: written.len() as u32 }))
    }

    /// Looks at the places of what was added while others changed something too. Gives the generation in which all stands where it should;
    /// or, if it does not or is not to be kept, takes all of it back.
    pub(super) fn settle(&mut self, patches: &[Patch], before: &Before, keep: bool) -> Result<Option<u32>, Fault> {
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
            if keep && (!patches.iter().all(places::tagged) || patches.iter().all(right)) {
                return Ok(Some(generation));
            }
            let orders: Vec<_> =
                patches.iter().flat_map(|patch| places::withdrawal(patch, &before[&patch.family], &now[&patch.family])).collect();
            if orders.is_empty() {
                return Ok(None);
            }
            match self.commit(generation, &orders)? {
                Commit::Done => return Ok(None),
                Commit::Moved => {}
                Commit::Refused(at, refused) => return Err(refuse(&orders[at], &refused.error())),
            }
        }
        Err(busy("put the rules into their places"))
    }

    /// Takes out what the patches take out, and gives the generation that is left. What is gone already is fine.
    fn remove(&mut self, patches: &[Patch], before: &Before, mut generation: u32) -> Result<u32, Refusal> {
        let mut fresh: BTreeMap<Family, Listing> = BTreeMap::new();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let now = |family: &Family| fresh.get(family).unwrap_or(&before[family]);
            let orders: Vec<Ordered> =
                patches.iter().flat_map(|patch| places::removals(patch, &before[&patch.family], now(&patch.family))).collect();
            if orders.is_empty() {
                return Ok(generation);
            }
            match self.commit_in_chunks(generation, &orders)? {
                Some(left) => return Ok(left),
                None => {
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

    /// Gives orders in a few batches where one would take long, and gives the generation that is left. What has been done stays done when others come
    /// in between; then it gives nothing.
    fn commit_in_chunks(&mut self, mut generation: u32, orders: &[Ordered]) -> Result<Option<u32>, Fault> {
        for chunk in orders.chunks(CHUNK) {
            match self.commit(generation, chunk)? {
                Commit::Done => generation = generation.wrapping_add(1),
                Commit::Moved => return Ok(None),
                Commit::Refused(at, refused) => return Err(refuse(&chunk[at], &refused.error())),
            }
        }
        Ok(Some(generation))
    }

    fn commit(&mut self, generation: u32, orders: &[Ordered]) -> Result<Commit, Fault> {
        self.socket.commit(generation, orders).map_err(|error| socket_fault("change nf_tables", &error))
    }
}

/// Gives the tables in which a patch renames chains.
fn renamed(patch: &Patch) -> impl Iterator<Item = (Family, Table)> {
    patch.tables.iter().filter(|table| !table.renamed.is_empty()).map(|table| (patch.family, table.table))
}

fn renames(patches: &[Patch], before: &Before) -> Vec<Ordered> {
    let tables = patches.iter().flat_map(|patch| patch.tables.iter().map(|table| (patch.family, table)));
    let chains = tables.flat_map(|(family, table)| table.renamed.iter().map(move |names| (family, table.table, names)));
    let order = |(family, table, (from, to)): (Family, Table, &(ChainName, ChainName))| {
        let handle = before.get(&family)?.chain(table.name(), from.as_str())?.handle;
        Some(Ordered { family, table: table.name(), order: Order::RenameChain(handle, to.to_string()) })
    };
    chains.filter_map(order).collect()
}

/// Renames chains in the listings as the kernel did.
pub(super) fn rename(patch: &Patch, listings: &mut Before) {
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

/// Tells whether a refusal can be the work of somebody who was faster: the rule before which another was to stand is gone, or a chain is there.
fn outrun(fault: &Fault) -> bool {
    ["No such file or directory", "Index of insertion too big", "already exists"].iter().any(|words| fault.why.contains(words))
}
