//! The present ruleset with the queued changes on top: what a script reads between two flushes, and what a plan shows.
//!
//! Appends, inserts and everything about chains are done at once. What needs the canonical form of a rule (`ensure`, `absent`) waits, so
//! that ten thousand of them ask the oracle once.

mod ensure;
mod oracle;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use self::ensure::Index;
use crate::kernel::xtables::{Ask, Source, Verdict};
use crate::model::iptables::{ChainName, ChainRef, Edit, Entry, Intent, Owner, Patch, Rule, Ruleset, RunId, Table, Tag, Words};
use crate::model::{Change, Family, Fault, Kind, Object, Origin};

/// Entries that are not in the kernel yet are numbered from here.
const FRESH: u64 = 1 << 40;

/// An intent with the script position that queued it.
#[derive(Clone)]
struct Queued {
    intent: Intent,
    origin: Origin,
    /// Whether its refusal has been told to the script: it is not done, and not told again.
    refused: bool,
}

/// The present rulesets and what a run has queued since they were read.
pub(super) struct Overlay {
    owner: Owner,
    run: RunId,
    /// The rulesets as they were read.
    base: BTreeMap<Family, Ruleset>,
    /// The rulesets with all applied intents.
    wanted: BTreeMap<Family, Ruleset>,
    /// Everything queued since the last flush, to be done again on a fresher base.
    queue: Vec<Queued>,
    /// The first intent of the queue that still waits.
    waiting: usize,
    /// What the oracle has said.
    memo: HashMap<Ask, Verdict>,
    /// Numbers of entries whose words are not canonical yet.
    raw: HashSet<u64>,
    /// The intent that put an entry in or took it out.
    by: HashMap<u64, usize>,
    /// The intent that changed a chain or a policy last.
    by_chain: HashMap<ChainRef, usize>,
    renamed: Vec<(Family, Table, ChainName, ChainName)>,
    next_id: u64,
    /// The number of the next tag, and the one that the next flush began with.
    next_tag: u32,
    first_tag: u32,
    /// Tags of earlier runs that `ensure` found in this one, by chain: the owner's other rules there are out of date.
    ensured: BTreeMap<ChainRef, HashSet<Tag>>,
    /// The chains in which `ensure` has looked for rules; a change that is not an addition forgets them.
    index: HashMap<ChainRef, Index>,
    /// Whether the script has ended, and what is out of date goes.
    retiring: bool,
}

impl Overlay {
    pub(in crate::transaction) fn new(owner: Owner, run: RunId) -> Self {
        Self {
            owner,
            run,
            base: BTreeMap::new(),
            wanted: BTreeMap::new(),
            queue: Vec::new(),
            waiting: 0,
            memo: HashMap::new(),
            raw: HashSet::new(),
            by: HashMap::new(),
            by_chain: HashMap::new(),
            renamed: Vec::new(),
            next_id: FRESH,
            next_tag: 1,
            first_tag: 1,
            ensured: BTreeMap::new(),
            index: HashMap::new(),
            retiring: false,
        }
    }

    /// Numbers new rules after those of another overlay of the same run.
    pub(in crate::transaction) fn number_after(&mut self, other: &Self) {
        if self.queue.is_empty() {
            self.next_tag = self.next_tag.max(other.next_tag);
            self.first_tag = self.next_tag;
        }
    }

    /// Tells whether a flush would have nothing to do.
    pub(in crate::transaction) fn is_clean(&self) -> bool {
        self.queue.is_empty() && (!self.retiring || self.ensured.is_empty())
    }

    /// Gives the families that have been read.
    pub(in crate::transaction) fn families(&self) -> Vec<Family> {
        self.base.keys().copied().collect()
    }

    /// Reads a family, if that has not been done.
    pub(in crate::transaction) fn load(&mut self, family: Family, kernel: &mut dyn Source) -> Result<(), Fault> {
        if !self.base.contains_key(&family) {
            let set = kernel.read(family)?;
            self.wanted.insert(family, set.clone());
            self.base.insert(family, set);
        }
        Ok(())
    }

    /// Gives a ruleset with everything that is queued.
    pub(in crate::transaction) fn ruleset(&mut self, family: Family, kernel: &mut dyn Source) -> Result<&Ruleset, Fault> {
        self.load(family, kernel)?;
        self.settle(kernel)?;
        self.set(family).map(|set| &*set)
    }

    /// Tells whether the kernel has a chain, whatever is queued.
    pub(in crate::transaction) fn is_in_kernel(&mut self, at: &ChainRef, kernel: &mut dyn Source) -> Result<bool, Fault> {
        self.load(at.family, kernel)?;
        Ok(self.base.get(&at.family).is_some_and(|set| set.find(at.table, &at.chain).is_some()))
    }

    /// Queues an intent. Strict checks are made now; what the oracle must tell is found out later.
    pub(in crate::transaction) fn queue(&mut self, intent: Intent, origin: Origin, kernel: &mut dyn Source) -> Result<(), Fault> {
        self.load(intent.family, kernel)?;
        let waits = match &intent.edit {
            Edit::Ensure(chain, ..) | Edit::Absent(chain, _) => {
                self.set(intent.family)?.get(intent.table, chain)?;
                true
            }
            Edit::Append(chain, _) if self.waiting < self.queue.len() => {
                self.set(intent.family)?.get(intent.table, chain)?;
                true
            }
            Edit::Delete(..) => {
                self.settle(kernel)?;
                self.learn(&[&intent], kernel)?;
                false
            }
            Edit::NewChain(_) | Edit::EnsureChain(_) | Edit::SetPolicy(..) | Edit::Append(..) => false,
            _ => {
                self.settle(kernel)?;
                false
            }
        };
        self.queue.push(Queued { intent, origin, refused: false });
        if !waits {
            let at = self.queue.len() - 1;
            if let Err(fault) = self.apply(at) {
                self.queue.pop();
                return Err(fault);
            }
            if self.waiting == at {
                self.waiting = self.queue.len();
            }
        }
        Ok(())
    }

    /// Does everything that waits, in order.
    pub(in crate::transaction) fn settle(&mut self, kernel: &mut dyn Source) -> Result<(), Fault> {
        if self.waiting == self.queue.len() {
            return Ok(());
        }
        let waiting: Vec<Intent> = self.queue[self.waiting..].iter().map(|queued| queued.intent.clone()).collect();
        self.learn(&waiting.iter().collect::<Vec<_>>(), kernel)?;
        while self.waiting < self.queue.len() {
            let at = self.waiting;
            self.waiting += 1;
            // What was done at once stands in the queue behind what waited; it is not done twice.
            if matches!(self.queue[at].intent.edit, Edit::Ensure(..) | Edit::Absent(..) | Edit::Append(..)) {
                self.apply(at).map_err(|fault| self.refuse(at, fault))?;
            }
        }
        Ok(())
    }

    /// Takes an intent out of what is to be done, and gives its fault its position.
    fn refuse(&mut self, at: usize, fault: Fault) -> Fault {
        self.queue[at].refused = true;
        fault.at(self.queue[at].origin.clone())
    }

    fn set(&mut self, family: Family) -> Result<&mut Ruleset, Fault> {
        self.wanted
            .get_mut(&family)
            .ok_or_else(|| Fault::new(Kind::System, format!("use the tables of {family}"), "they have not been read"))
    }

    /// Does one intent of the queue to the wanted ruleset.
    fn apply(&mut self, at: usize) -> Result<(), Fault> {
        if self.queue[at].refused {
            return Ok(());
        }
        let Intent { family, table, edit } = self.queue[at].intent.clone();
        let chain = edit.chain().clone();
        if !matches!(edit, Edit::Append(..) | Edit::Ensure(..)) {
            self.index.clear();
        }
        let here = ChainRef::new(family, table, chain.clone());
        match edit {
            Edit::NewChain(_) => self.set(family)?.new_chain(table, &chain)?,
            Edit::EnsureChain(_) => {
                if self.set(family)?.find(table, &chain).is_none() {
                    self.set(family)?.new_chain(table, &chain)?;
                }
            }
            Edit::DeleteChain(_) => self.set(family)?.delete_chain(table, &chain)?,
            Edit::AbsentChain(_) => self.absent_chain(&here, at)?,
            Edit::RenameChain(_, to) => {
                self.set(family)?.rename_chain(table, &chain, &to)?;
                self.by_chain.insert(ChainRef::new(family, table, to.clone()), at);
                self.renamed.push((family, table, chain.clone(), to));
            }
            Edit::SetPolicy(_, policy) => drop(self.set(family)?.set_policy(table, &chain, policy)?),
            Edit::Flush(_) => {
                let rules = std::mem::take(&mut self.set(family)?.get_mut(table, &chain)?.rules);
                self.by.extend(rules.iter().map(|entry| (entry.id, at)));
            }
            Edit::Append(_, words) => {
                let end = self.set(family)?.get(table, &chain)?.rules.len();
                self.put(&here, end, words, true, at)?;
            }
            Edit::Insert(_, place, words) => {
                let rules = self.set(family)?.get(table, &chain)?.rules.len();
                // iptables(8): a rule can be inserted one behind the last, too.
                self.place(&here, place, rules + 1)?;
                self.put(&here, place - 1, words, true, at)?;
            }
            Edit::Replace(_, place, words) => {
                let rules = self.set(family)?.get(table, &chain)?.rules.len();
                self.place(&here, place, rules)?;
                self.put(&here, place - 1, words, true, at)?;
                self.take(&here, place, at)?;
            }
            Edit::DeleteAt(_, place) => {
                let rules = self.set(family)?.get(table, &chain)?.rules.len();
                self.place(&here, place, rules)?;
                self.take(&here, place - 1, at)?;
            }
            Edit::Delete(_, words) => self.delete(&here, &words, at)?,
            Edit::Ensure(_, rules, position) => self.ensure(&here, &rules, position, at)?,
            Edit::Absent(_, words) => {
                let words = self.canonical(&here, &words)?;
                let rules = &mut self.set(family)?.get_mut(table, &chain)?.rules;
                let gone: Vec<u64> = rules.iter().filter(|entry| entry.rule.words == words).map(|entry| entry.id).collect();
                rules.retain(|entry| entry.rule.words != words);
                self.by.extend(gone.into_iter().map(|id| (id, at)));
            }
        }
        self.by_chain.insert(here, at);
        Ok(())
    }

    fn place(&self, at: &ChainRef, place: usize, most: usize) -> Result<(), Fault> {
        if (1..=most).contains(&place) {
            return Ok(());
        }
        let why = if most == 0 { "the chain has no rules".to_owned() } else { format!("the places there are 1 to {most}") };
        Err(Fault::input(format!("use place {place} of {at}"), why))
    }

    /// Puts a new rule of this run in, at an index from 0.
    fn put(&mut self, at: &ChainRef, index: usize, words: Words, raw: bool, by: usize) -> Result<u64, Fault> {
        let id = self.next_id;
        let tag = Tag { owner: self.owner.clone(), run: self.run.clone(), number: self.next_tag };
        let rule = Arc::new(Rule { words, tag: Some(tag), counters: None });
        let entry = Entry { id, rule };
        let rules = &mut self.set(at.family)?.get_mut(at.table, &at.chain)?.rules;
        let last = index == rules.len();
        rules.insert(index, entry.clone());
        match self.index.get_mut(at) {
            Some(known) if last || !known.has(&entry.rule.words) => known.add(entry),
            _ => drop(self.index.remove(at)),
        }
        self.next_id += 1;
        self.next_tag += 1;
        self.by.insert(id, by);
        if raw {
            self.raw.insert(id);
        }
        Ok(id)
    }

    fn take(&mut self, at: &ChainRef, index: usize, by: usize) -> Result<(), Fault> {
        let entry = self.set(at.family)?.get_mut(at.table, &at.chain)?.rules.remove(index);
        self.by.insert(entry.id, by);
        self.index.remove(at);
        Ok(())
    }

    fn delete(&mut self, at: &ChainRef, words: &Words, by: usize) -> Result<(), Fault> {
        let canonical = self.canonical(at, words)?;
        let rules = &self.set(at.family)?.get(at.table, &at.chain)?.rules;
        let equal: Vec<usize> = (0..rules.len()).filter(|index| rules[*index].rule.words == canonical).collect();
        let tried = format!("delete the rule `{words}` from {at}");
        match equal[..] {
            [index] => self.take(at, index, by),
            [] => Err(Fault::new(Kind::NotFound, tried, "no rule there equals it")
                .hint("`list` shows the rules as the kernel has them; `absent` does not mind")),
            _ => {
                let places: Vec<String> = equal.iter().map(|index| (index + 1).to_string()).collect();
                Err(Fault::new(Kind::Refused, tried, format!("the rules {} equal it", places.join(", ")))
                    .hint("`delete_at` takes one of them, `absent` all"))
            }
        }
    }

    fn absent_chain(&mut self, at: &ChainRef, by: usize) -> Result<(), Fault> {
        if self.set(at.family)?.find(at.table, &at.chain).is_none() {
            return Ok(());
        }
        if at.chain.is_builtin(at.table) {
            return self.set(at.family)?.delete_chain(at.table, &at.chain);
        }
        while let Some((from, place)) = self.set(at.family)?.jump_to(at.table, &at.chain) {
            self.take(&from, place - 1, by)?;
        }
        self.set(at.family)?.get_mut(at.table, &at.chain)?.rules.clear();
        self.set(at.family)?.delete_chain(at.table, &at.chain)
    }

    /// Finds the patches from the present rulesets to the wanted ones, and the changes for the journal. If the present is not what was
    /// read, everything queued is done again on it.
    pub(in crate::transaction) fn patches(&mut self, present: &[Ruleset]) -> Result<(Vec<Patch>, Vec<Change>), Fault> {
        if present.iter().any(|set| self.base.get(&set.family).is_none_or(|base| !unchanged(base, set))) {
            self.rebase(present)?;
        }
        let mut changes = Vec::new();
        let mut patches = Vec::new();
        for set in present {
            let renamed: Vec<_> =
                self.renamed.iter().filter(|(family, ..)| *family == set.family).map(|(_, t, a, b)| (*t, a.clone(), b.clone())).collect();
            let patch = Patch::between(set, &self.wanted[&set.family], &renamed);
            changes.extend(patch.changes(set).into_iter().map(|(change, id)| self.with_origin(change, id)));
            patches.push(patch);
        }
        Ok((patches, changes))
    }

    fn with_origin(&self, mut change: Change, id: Option<u64>) -> Change {
        let by_chain = || self.by_chain.get(change.object.chain().filter(|_| !matches!(change.object, Object::BaseChain(_)))?);
        let by = id.and_then(|id| self.by.get(&id)).or_else(by_chain);
        change.origin = by.and_then(|by| self.queue.get(*by)).map(|queued| queued.origin.clone());
        change
    }

    /// Gives the script position that put an entry in.
    pub(in crate::transaction) fn origin_of(&self, id: u64) -> Option<Origin> {
        self.by.get(&id).and_then(|by| self.queue.get(*by)).map(|queued| queued.origin.clone())
    }

    /// Does everything queued again on fresher rulesets.
    fn rebase(&mut self, present: &[Ruleset]) -> Result<(), Fault> {
        for set in present {
            self.base.insert(set.family, set.clone());
        }
        self.wanted.clone_from(&self.base);
        self.forget_applied();
        self.next_tag = self.first_tag;
        for at in 0..self.queue.len() {
            self.apply(at).map_err(|fault| fault.at(self.queue[at].origin.clone()).hint("another program changed the rules meanwhile"))?;
        }
        self.waiting = self.queue.len();
        if self.retiring {
            self.take_out_of_date();
        }
        Ok(())
    }

    fn forget_applied(&mut self) {
        self.index.clear();
        self.raw.clear();
        self.by.clear();
        self.by_chain.clear();
        self.renamed.clear();
        self.next_id = FRESH;
    }

    /// Forgets the queue after a flush; the next read asks the kernel.
    pub(in crate::transaction) fn flushed(&mut self) {
        self.forget_applied();
        self.queue.clear();
        self.waiting = 0;
        self.first_tag = self.next_tag;
        self.base.clear();
        self.wanted.clear();
    }
}

/// Tells whether a ruleset is still the one that was read, number for number.
fn unchanged(base: &Ruleset, present: &Ruleset) -> bool {
    let ids =
        |set: &Ruleset| set.tables.values().flat_map(|t| t.chains.values()).flat_map(|c| c.rules.iter().map(|e| e.id)).collect::<Vec<_>>();
    base.same(present) && ids(base) == ids(present)
}
