//! iptables on the older x_tables, through `iptables-legacy-save` and `iptables-legacy-restore` under the lock of x_tables.

use std::fs;
use std::io::ErrorKind;

use super::lock::XtablesLock;
use super::programs::{Call, Programs};
use super::restore::{Script, tell_written};
use super::scratch::Oracle;
use super::{Ask, Backend, Plan, Refusal, Verdict};
use crate::model::iptables::{ChainName, ChainRef, Patch, Ruleset, Table, Tag, save};
use crate::model::{Family, Fault, Kind};

/// The tables of legacy iptables, of one network namespace.
pub(super) struct Legacy {
    programs: Programs,
}

impl Legacy {
    /// Makes ready for the network namespace of the calling thread.
    pub(super) fn new() -> Self {
        Self { programs: Programs::new(Backend::Legacy) }
    }

    /// Reads all tables of families, or `only` some of them, side by side, with counters.
    ///
    /// Rules are taken out by their places, for which each of a table has to be readable: here is no view of a table with opaque rules.
    pub(super) fn read(
        &self,
        families: &[Family],
        only: Option<&[(Family, Table)]>,
        known: &dyn Fn(&Tag) -> bool,
    ) -> Result<Vec<Ruleset>, Fault> {
        let mut used: Vec<(Family, Option<Table>)> = Vec::new();
        for family in families {
            // Listing a table that is not registered would register it for good. Without a table, iptables-legacy-save lists those that are.
            let there = registered(*family)?;
            match only {
                Some(only) => {
                    used.extend(there.into_iter().filter(|table| only.contains(&(*family, *table))).map(|table| (*family, Some(table))))
                }
                None if there.is_empty() => {}
                None => used.push((*family, None)),
            }
        }
        let calls: Vec<Call<'_>> = used.iter().map(|(family, table)| Call::save(*family, *table)).collect();
        let mut drafts: Vec<save::Draft<'_>> = used.iter().map(|(family, _)| save::Draft::new(*family, known)).collect();
        let said = self.programs.listen(&calls, None, &mut |at, text| drafts[at].go_on(text))?;
        let mut rulesets: Vec<Ruleset> = families.iter().map(|family| Ruleset::empty(*family)).collect();
        for (((family, table), draft), said) in used.iter().zip(drafts).zip(said) {
            if !said.well() {
                return Err(said.fault(format!("read the {family} tables")));
            }
            let mut read = draft.end(said.listing(*family)?)?;
            if let Some(ruleset) = rulesets.iter_mut().find(|ruleset| ruleset.family == *family) {
                match table {
                    Some(table) => ruleset.tables.extend(read.tables.remove_entry(table)),
                    None => *ruleset = read,
                }
            }
        }
        if only.is_some() {
            // Each table was numbered for itself.
            rulesets.iter_mut().for_each(Ruleset::number);
        }
        Ok(rulesets)
    }

    /// Does what `plan` finds, under the lock.
    pub(super) fn update(
        &self,
        families: &[Family],
        only: Option<&[(Family, Table)]>,
        known: &dyn Fn(&Tag) -> bool,
        plan: &mut Plan<'_>,
        oracle: &mut Oracle,
    ) -> Result<(), Refusal> {
        let _lock = XtablesLock::take()?;
        let present = self.read(families, only, known)?;
        let patches = plan(&present)?;
        let scripts: Vec<Script> = patches.iter().map(Script::whole).filter(|script| script.commits() > 0).collect();
        let calls: Vec<Call<'_>> = scripts.iter().map(|script| Call::restore(script.family(), script.text())).collect();
        let said = self.programs.run(&calls, None)?;
        let (mut failed, mut written, mut in_doubt) = (None, Vec::new(), Vec::new());
        for (at, (script, said)) in scripts.iter().zip(&said).enumerate() {
            let of = |tables: Vec<Table>| tables.into_iter().map(|table| (script.family(), table));
            written.extend(of(if said.well() { script.tables() } else { script.committed_before(said) }));
            if !said.well() {
                in_doubt.extend(of(script.in_doubt(said)));
                failed.get_or_insert(at);
            }
        }
        let Some(at) = failed else { return Ok(()) };
        let mut refusal = scripts[at].refusal(&said[at]);
        if refusal.entry.is_none() && refusal.fault.kind == Kind::Refused {
            let family = scripts[at].family();
            if let Some(patch) = patches.iter().find(|patch| patch.family == family) {
                let present = present.iter().find(|set| set.family == family);
                refusal = culprit(patch, present, &written, oracle)?.unwrap_or(refusal);
            }
        }
        tell_written(&mut refusal, &written, &in_doubt);
        Err(refusal)
    }
}

/// Finds the rule that is at fault where the complaint names nothing but the COMMIT line: the oracle tries each.
fn culprit(patch: &Patch, present: Option<&Ruleset>, written: &[(Family, Table)], oracle: &mut Oracle) -> Result<Option<Refusal>, Fault> {
    for table in patch.tables.iter().filter(|table| !written.contains(&(patch.family, table.table))) {
        let point = |chain: &ChainName| ChainRef::new(patch.family, table.table, chain.clone());
        let added: Vec<_> = table.chains.iter().flat_map(|chain| chain.added.iter().map(|added| (&chain.chain, added))).collect();
        let asks: Vec<Ask> = added.iter().map(|(chain, added)| Ask { chain: point(chain), words: added.rule.words.clone() }).collect();
        let there = present.and_then(|present| present.table(table.table)).into_iter().flat_map(|state| state.chains.keys());
        let named = table.renamed.iter().map(|(_, to)| to);
        let chains: Vec<ChainRef> = there.chain(&table.new_chains).chain(named).map(point).collect();
        for ((chain, added), verdict) in added.iter().zip(oracle.canonical(&asks, &chains)?) {
            if let Verdict::Refused(why) | Verdict::Unknown(why) = verdict {
                let fault = Fault::new(Kind::Refused, format!("add a rule to {}", point(chain)), why);
                return Ok(Some(Refusal { fault, entry: Some((patch.family, added.id)), written: None }));
            }
        }
    }
    Ok(None)
}

/// Gives the tables that the kernel has for a family. To read this list registers none.
fn registered(family: Family) -> Result<Vec<Table>, Fault> {
    let path = match family {
        // /proc/net is the namespace of the process; that of the thread is what counts.
        Family::V4 => "/proc/thread-self/net/ip_tables_names",
        Family::V6 => "/proc/thread-self/net/ip6_tables_names",
    };
    match fs::read_to_string(path) {
        Ok(names) => Ok(Table::ALL.into_iter().filter(|table| names.lines().any(|name| name == table.name())).collect()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            Err(Fault::new(Kind::Permission, format!("read {path}"), error.to_string())
                .hint("run as root, or with `--sandbox` in a throw-away namespace"))
        }
        Err(error) => Err(Fault::new(Kind::System, format!("read {path}"), error.to_string())),
    }
}

/// Tells whether legacy iptables holds rules, user-defined chains or dropping policies.
pub(super) fn in_use() -> Result<bool, Fault> {
    // Most hosts have no table registered, and then no process is started.
    match Legacy::new().read(&Family::BOTH, None, &|_| false) {
        Ok(rulesets) => Ok(rulesets.iter().any(|ruleset| !ruleset.same(&Ruleset::empty(ruleset.family)))),
        // In a user namespace whose /proc is another's, the list of tables cannot be read: nor can legacy be what is meant there.
        Err(fault) if fault.kind == Kind::Permission => Ok(false),
        Err(fault) => Err(fault),
    }
}
