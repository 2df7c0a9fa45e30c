//! What the journal knows of the network namespaces of a run, and of the machine.

use std::collections::{HashMap, HashSet};

use super::{CONCERNS, Journal, json, sealed};
use crate::kernel::store::Value;
use crate::model::Fault;
use crate::model::iptables::RunId;
use crate::model::netns::Site;
use crate::transaction::record::{Batch, RunRecord};

/// Which runs have changed what belongs to the machine: they concern every network namespace.
const OF_THE_MACHINE: &str = "boot = ?1 AND EXISTS (SELECT 1 FROM batches WHERE batches.run = runs.id AND batches.machine)";

impl Journal {
    /// Finds out in which other network namespaces runs have changed something.
    pub(super) fn locate(&self, records: &mut [RunRecord]) -> Result<(), Fault> {
        let (which, values) = match records {
            [] => return Ok(()),
            [one] => ("WHERE runs.id = ?1", vec![one.id.as_str().into()]),
            _ => ("", Vec::new()),
        };
        // On either side of the home, so that the index finds them: a run can have very many batches at home.
        let beside = |side: char| {
            format!(
                "SELECT run, batches.namespace, batches.home, MIN(batches.rowid) FROM runs \
                 JOIN batches ON batches.run = runs.id AND batches.namespace {side} runs.namespace {which} GROUP BY run, batches.namespace"
            )
        };
        let sql = format!("{} UNION ALL {} ORDER BY 4", beside('<'), beside('>'));
        let mut found: HashMap<String, Vec<Site>> = HashMap::new();
        for row in self.store.read(&sql, values)? {
            let site = Site::new(row[1].integer().cast_unsigned(), row[2].text());
            found.entry(row[0].text().to_owned()).or_default().push(site);
        }
        let of_the_machine: HashSet<String> = self
            .store
            .read("SELECT DISTINCT run FROM batches WHERE machine", Vec::new())?
            .iter()
            .map(|row| row[0].text().to_owned())
            .collect();
        for record in records {
            record.elsewhere = found.remove(record.id.as_str()).unwrap_or_default();
            record.machine = of_the_machine.contains(record.id.as_str());
        }
        Ok(())
    }

    /// Gives what a run did that is seen in a network namespace, and was not lifted.
    pub(in crate::transaction) fn standing_at(&self, run: &RunId, namespace: u64) -> Result<Vec<Batch>, Fault> {
        Ok(self.standing(run)?.into_iter().filter(|batch| batch.is_seen_in(namespace)).collect())
    }

    /// Gives the scripts whose changes of the machine may be in force, the oldest first, wherever they are at home.
    pub fn in_force_on_the_machine(&self, boot: &str) -> Result<Vec<RunRecord>, Fault> {
        let which = format!("WHERE kind = 'run' AND state IN ('running', 'done', 'stuck') AND {OF_THE_MACHINE} ORDER BY rowid");
        self.select(&which, vec![boot.into()])
    }

    /// Gives the runs that have begun and not ended, the oldest first: those of a network namespace, and those that have changed the machine.
    pub fn unfinished(&self, boot: &str, namespace: u64) -> Result<Vec<RunRecord>, Fault> {
        let values = vec![boot.into(), namespace.cast_signed().into()];
        self.select(&format!("WHERE (({CONCERNS}) OR ({OF_THE_MACHINE})) AND state = 'running' ORDER BY rowid"), values)
    }

    /// Writes down that a namespace that some runs have made is another one from now on, because it was made once more.
    pub(in crate::transaction) fn renew(&mut self, runs: &[&RunId], old: u64, new: u64) -> Result<(), Fault> {
        let mut statements = Vec::new();
        for run in runs {
            for mut batch in self.batches(run)? {
                batch.changes.iter_mut().for_each(|change| change.renew(old, new));
                let namespace = if batch.site.namespace == old { new } else { batch.site.namespace };
                let body = sealed(&json(&batch.changes)?);
                let of = |value: Value| vec![value, run.as_str().into(), batch.number.into()];
                statements.push(("UPDATE bodies SET changes = ? WHERE run = ? AND batch = ?", of(body.into())));
                statements.push(("UPDATE batches SET namespace = ? WHERE run = ? AND number = ?", of(namespace.cast_signed().into())));
            }
        }
        self.store.write(statements)
    }
}
