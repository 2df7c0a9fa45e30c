//! What the journal adds to a run: the same changes are written to a journal once more, without the kernel.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use fyke::transaction::select::Here;
use fyke::transaction::{Batch, Journal, RunKind, RunRecord, RunState, Shelf};

use super::measure::{clock, median};
use super::{FYKE, Outcome, machine};

const TURNS: usize = 9;

/// Measures the journal's share of a large run and of a small one.
pub(crate) fn share(scratch: &Path) -> Outcome<String> {
    let append = scratch.join("append.rhai").display().to_string();
    let mut text = "| | the journal | the rest of the run | share | goal |\n|---|--:|--:|--:|--:|\n".to_owned();
    for (name, words, goal) in
        [("10,000 rules appended one by one", &["run", &append][..], "5 %"), ("`ssh-rate-limit`", &["run", "ssh-rate-limit"], "2 ms")]
    {
        let (mut whole, mut journal) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            machine::clear("nft")?;
            whole.push(clock(Command::new(FYKE).args(["--backend", "nft"]).args(words))?);
            journal.push(write_again(scratch)?);
        }
        let (journal, whole) = (median(journal), median(whole));
        let (rest, percent) = (whole - journal, journal / (whole - journal) * 100.0);
        text += &format!("| {name} | {:.2} ms | {:.1} ms | {percent:.1} % | {goal} |\n", journal * 1e3, rest * 1e3);
    }
    Ok(text)
}

/// Writes what the last run has journaled to a fresh journal, and gives the seconds that it took.
fn write_again(scratch: &Path) -> Outcome<f64> {
    let fault = |fault: fyke::model::Fault| fault.to_string();
    let journal = Journal::open(&Shelf::File("/run/fyke/journal".into())).map_err(fault)?;
    let last = journal.all_runs().map_err(fault)?.pop().ok_or("the journal is empty")?;
    let here = Here { journal: &journal, boot: &last.context.boot, namespace: last.context.namespace };
    let run: RunRecord = here.in_force().map_err(fault)?.swap_remove(0);
    let batches: Vec<Batch> = journal.batches(&run.id).map_err(fault)?;
    let path = scratch.join("journal-again");
    let begun = Instant::now();
    let mut fresh = Journal::open(&Shelf::File(path.clone())).map_err(fault)?;
    fresh.begin(&run.id, RunKind::Run, None, &run.context, run.started, None).map_err(fault)?;
    for batch in &batches {
        fresh.intend(&run.id, batch.number, (&batch.site, &batch.backend), batch.of, &batch.changes).map_err(fault)?;
        fresh.done(&run.id, batch.number, batch.left).map_err(fault)?;
    }
    fresh.set_state(&run.id, RunState::Done).map_err(fault)?;
    drop(fresh);
    let taken = begun.elapsed().as_secs_f64();
    std::fs::remove_file(path)?;
    Ok(taken)
}
