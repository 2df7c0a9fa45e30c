//! What the journal keeps, forgets, and decides once.
#![allow(clippy::unwrap_used)]

use std::sync::Barrier;
use std::thread::scope;
use std::time::Duration;

use super::*;
use crate::model::Family;
use crate::model::iptables::{ChainName, ChainRef, Table};
use crate::transaction::record::Bound;

/// Writes a run that is lifted: with its undo, and what it changed.
fn lifted(journal: &mut Journal, number: u64, namespace: u64, changes: &[Change]) -> RunId {
    let (run, undo) = (RunId::from_bits(2 * number), RunId::from_bits(2 * number + 1));
    let context = Context { namespace, ..Context::default() };
    journal.begin(&run, RunKind::Run, None, &context, 0, None).unwrap();
    journal.intend(&run, 1, (&context.site(), ""), None, changes).unwrap();
    journal.begin(&undo, RunKind::Undo, Some(&run), &context, 0, None).unwrap();
    journal.intend(&undo, 1, (&context.site(), ""), Some(1), &[]).unwrap();
    journal.lifted(&run, 1, &[]).unwrap();
    journal.set_state(&run, RunState::Lifted).unwrap();
    journal.set_state(&undo, RunState::Done).unwrap();
    run
}

#[test]
fn what_is_long_over_is_forgotten_but_for_what_it_registered() {
    let mut journal = Journal::open(&Shelf::Memory).unwrap();
    let at = |name| ChainRef::new(Family::V4, Table::Filter, ChainName::listed(name));
    let made = |object| Change::new(object, None, Some(State::Present));
    let (input, table) = (made(Object::BaseChain(at("INPUT"))), made(Object::Table(Family::V4, Table::Filter)));
    let chain = made(Object::Chain(at("MINE")));
    for number in 0..100 {
        lifted(&mut journal, number, 1 + number % 2, &[table.clone(), input.clone(), chain.clone()]);
    }
    let open = RunId::from_bits(1 << 20);
    journal.begin(&open, RunKind::Run, None, &Context { namespace: 1, ..Context::default() }, 0, None).unwrap();
    journal.intend(&open, 1, (&Site::new(1, ""), ""), None, std::slice::from_ref(&chain)).unwrap();
    let older = lifted(&mut journal, 200, 1, &[]);
    let before = (journal.registrations("", 1).unwrap(), journal.registrations("", 2).unwrap());
    assert_eq!((before.0.len(), journal.all_runs().unwrap().len()), (2, 203));
    journal.forget(100).unwrap();
    assert_eq!(journal.all_runs().unwrap().len(), 203, "a few more are not worth the search");
    for number in 101..150 {
        lifted(&mut journal, number, 1, &[]);
    }
    journal.forget(10).unwrap();
    // Ten runs with their undos, the open one, and the last that registered something in each of the two namespaces.
    let left: Vec<RunId> = journal.all_runs().unwrap().into_iter().map(|run| run.id).collect();
    assert_eq!(left.len(), 10 * 2 + 1 + 2, "{left:?}");
    assert!(left.contains(&open) && !left.contains(&older));
    assert_eq!((journal.registrations("", 1).unwrap(), journal.registrations("", 2).unwrap()), before);
    assert_eq!(journal.maker(&chain.object, "", 1).unwrap(), Some(Owner::default()));
    let emptied = journal.batches(&RunId::from_bits(2 * 99)).unwrap();
    assert_eq!((emptied.len(), emptied[0].changes.len()), (1, 0));
    journal.forget(10).unwrap();
    assert_eq!(journal.all_runs().unwrap().len(), left.len());
}

#[test]
fn a_flipped_bit_is_found() {
    let whole = sealed("[]");
    assert_eq!(unsealed(&whole), Ok(Vec::new()));
    for at in 0..whole.len() {
        let mut bytes = whole.clone().into_bytes();
        bytes[at] ^= 1;
        assert!(unsealed(&String::from_utf8(bytes).unwrap()).is_err(), "{at}");
    }
    assert!(unsealed("").is_err());
}

/// A confirmation and a deadline at the same moment, over and over: each time one of them is told that it did it.
#[test]
fn a_term_has_one_end() {
    let folder = std::env::temp_dir().join(format!("fyke-term-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let (shelf, runs) = (Shelf::File(folder.join("journal")), 0..500u64);
    let id = |run: u64| RunId::from_bits(run.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut journal = Journal::open(&shelf).unwrap();
    let until = Bound { term: Term::Confirm, span: Duration::from_secs(60) }.from(1_000);
    assert_eq!(until.deadline, 61_000);
    for run in runs.clone() {
        journal.begin(&id(run), RunKind::Run, None, &Context::default(), 0, Some(&until)).unwrap();
        journal.close(&id(run), &[], Some(62_000)).unwrap();
    }
    let together = Barrier::new(2);
    let end = |state: TermState| {
        let mut journal = Journal::open(&shelf).unwrap();
        let won = runs.clone().map(|run| {
            together.wait();
            journal.end_term(&id(run), state).unwrap()
        });
        won.collect::<Vec<bool>>()
    };
    let (confirmed, over) = scope(|scope| {
        let late = scope.spawn(|| end(TermState::Over));
        (end(TermState::Confirmed), late.join().unwrap())
    });
    for run in runs {
        let (won, lost) = (confirmed[run as usize], over[run as usize]);
        let record = journal.run(&id(run)).unwrap();
        assert_ne!(won, lost, "run {run}");
        let state = if won { TermState::Confirmed } else { TermState::Over };
        assert_eq!(record.until, Some(Until { deadline: 62_000, state, ..until }));
        assert_eq!((record.is_overdue(i64::MAX), record.is_armed()), (lost, false));
        assert!(!journal.end_term(&id(run), TermState::Confirmed).unwrap(), "nobody wins twice");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
