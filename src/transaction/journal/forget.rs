//! What is long over, and is forgotten.

use super::{Journal, sealed};
use crate::model::Fault;

impl Journal {
    /// Forgets what was lifted or rolled back long ago, but for the last `keep` runs: their undos, their changes, and themselves.
    ///
    /// What made nf_tables register a table or a chain stays, once for each, as a run without changes: see [`Journal::registrations`].
    pub fn forget(&mut self, keep: usize) -> Result<(), Fault> {
        // Some at a time, because to look for them costs more than to leave them.
        const SOME: usize = 64;
        let closed = "SELECT id FROM runs WHERE kind = 'run' AND state IN ('lifted', 'rolled-back') \
                      AND NOT EXISTS (SELECT 1 FROM runs AS other WHERE other.parent = runs.id AND other.state = 'running') \
                      ORDER BY rowid DESC LIMIT";
        if self.store.read(&format!("{closed} 1 OFFSET {}", keep + SOME), Vec::new())?.is_empty() {
            return Ok(());
        }
        let old = format!("SELECT id FROM runs WHERE id IN ({closed} -1 OFFSET {keep}) OR parent IN ({closed} -1 OFFSET {keep})");
        let later = "SELECT 1 FROM made AS other JOIN runs AS theirs ON theirs.id = other.run JOIN runs AS mine ON mine.id = made.run \
                     JOIN batches AS there ON there.run = other.run AND there.number = other.batch \
                     JOIN batches AS here ON here.run = made.run AND here.number = made.batch \
                     WHERE other.object = made.object AND other.rowid > made.rowid \
                     AND theirs.boot = mine.boot AND there.namespace = here.namespace";
        let statements = [
            format!("DELETE FROM acts WHERE run IN ({old})"),
            format!("DELETE FROM made WHERE run IN ({old}) AND object NOT LIKE '{{\"table\":%' AND object NOT LIKE '{{\"base-chain\":%'"),
            format!("DELETE FROM made WHERE run IN ({old}) AND EXISTS ({later})"),
            format!("UPDATE bodies SET changes = '{}' WHERE run IN ({old})", sealed("[]")),
            format!(
                "DELETE FROM batches WHERE run IN ({old}) \
                 AND NOT EXISTS (SELECT 1 FROM made WHERE made.run = batches.run AND made.batch = batches.number)"
            ),
            format!("DELETE FROM runs WHERE id IN ({old}) AND NOT EXISTS (SELECT 1 FROM batches WHERE batches.run = runs.id)"),
        ];
        self.store.write(statements.iter().map(|sql| (sql.as_str(), Vec::new())))
    }
}
