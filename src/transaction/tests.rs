//! Random histories against a kernel in memory: changes by us and by others, lifted at every prefix, states compared.

use std::collections::HashSet;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::kernel::shadow::{Shadow, Shared};
use crate::model::Object;
use crate::model::iptables::intent::Position;
use crate::model::iptables::{Edit, Entry, Intent, Owner, Policy, Rule, Ruleset, Words};

/// A kernel in memory that the test can look into and change behind the door's back.
#[derive(Clone)]
struct World(Shared);

const FAMILY: Family = Family::V4;
const TABLE: Table = Table::Filter;

impl World {
    /// A host with rules of its own, some of them equal to one another.
    fn with_rules(input: &[u32], forward: &[u32]) -> Self {
        let mut shadow = Shadow::over_nothing();
        let set = shadow.ruleset(FAMILY).unwrap();
        for (chain, marks) in [("INPUT", input), ("FORWARD", forward)] {
            let chain = set.get_mut(TABLE, &ChainName::listed(chain)).unwrap();
            chain.registered = !marks.is_empty();
            chain.rules = marks.iter().map(|mark| foreign(*mark)).collect();
        }
        let registered = !(input.is_empty() && forward.is_empty());
        set.tables.get_mut(&TABLE).unwrap().registered = registered;
        Self(Shared::new(shadow))
    }

    fn now(&self) -> Ruleset {
        self.0.lock().ruleset(FAMILY).unwrap().clone()
    }

    fn open(&self, journal: &Shelf, random: u64, recipe: &str) -> Door {
        let owner = Owner::new(recipe, "");
        let context = Context { owner, pid: 1, boot: "boot".into(), namespace: 1, ..Context::default() };
        let (kernel, past) = (Box::new(self.0.clone()), journal.clone());
        Door::open(Setup {
            kernel,
            journal: journal.clone(),
            past,
            context,
            random,
            now: || 0,
            begun: Box::new(|_| Ok(())),
            guard: Guard::asleep(),
            gate: crate::transaction::Gate::open(),
        })
    }
}

fn words(mark: u32) -> Words {
    Words::listed(&format!("-m mark --mark {mark:#x} -j ACCEPT"))
}

fn foreign(mark: u32) -> Entry {
    Entry { id: 0, rule: Arc::new(Rule { words: words(mark), tag: None, counters: Some(Default::default()) }) }
}

/// A step of a history.
#[derive(Clone, Debug)]
enum Step {
    Ours(Edit),
    Commit,
    /// Somebody else puts a rule of a mark in at a share of a chain.
    TheyInsert(ChainName, f64, u32),
    /// Somebody else takes out one of their own rules.
    TheyDelete(ChainName, f64),
}

fn chain() -> impl Strategy<Value = ChainName> {
    select(&["INPUT", "INPUT", "FORWARD", "A", "B"][..]).prop_map(ChainName::listed)
}

fn ours() -> impl Strategy<Value = Edit> {
    let mark = || (0u32..6).prop_map(words);
    let rules = proptest::collection::vec(mark(), 0..4);
    prop_oneof![
        4 => (chain(), mark()).prop_map(|(chain, rule)| Edit::Append(chain, rule)),
        2 => (chain(), 1usize..5, mark()).prop_map(|(chain, at, rule)| Edit::Insert(chain, at, rule)),
        1 => (chain(), 1usize..5, mark()).prop_map(|(chain, at, rule)| Edit::Replace(chain, at, rule)),
        1 => (chain(), 1usize..5).prop_map(|(chain, at)| Edit::DeleteAt(chain, at)),
        1 => (chain(), mark()).prop_map(|(chain, rule)| Edit::Delete(chain, rule)),
        1 => (chain(), mark()).prop_map(|(chain, rule)| Edit::Absent(chain, rule)),
        3 => (chain(), rules, select(&[Position::First, Position::Last][..])).prop_map(|(chain, rules, at)| Edit::Ensure(chain, rules, at)),
        2 => chain().prop_map(Edit::NewChain),
        1 => chain().prop_map(Edit::EnsureChain),
        1 => chain().prop_map(Edit::DeleteChain),
        1 => chain().prop_map(Edit::AbsentChain),
        1 => (chain(), chain()).prop_map(|(from, to)| Edit::RenameChain(from, to)),
        1 => (chain(), select(&[Policy::Accept, Policy::Drop][..])).prop_map(|(chain, policy)| Edit::SetPolicy(chain, policy)),
        1 => chain().prop_map(Edit::Flush),
        1 => (chain(), select(&["A", "B"][..])).prop_map(|(chain, to)| Edit::Append(chain, Words::listed(&format!("-j {to}")))),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![6 => ours().prop_map(Step::Ours), 1 => Just(Step::Commit)]
}

fn their_step() -> impl Strategy<Value = Step> {
    let built_in = || select(&["INPUT", "FORWARD"][..]).prop_map(ChainName::listed);
    prop_oneof![
        8 => step(),
        2 => (built_in(), 0.0..=1.0, 100u32..200).prop_map(|(chain, at, mark)| Step::TheyInsert(chain, at, mark)),
        1 => (built_in(), 0.0..1.0).prop_map(|(chain, at)| Step::TheyDelete(chain, at)),
    ]
}

/// Takes a step; what the strict verbs refuse is refused, and the history goes on.
fn take(world: &World, door: &Door, step: &Step) {
    match step {
        // A kernel has no jumps to chains that are not there.
        Step::Ours(Edit::Append(_, rule)) if dangling(door, rule) => {}
        Step::Ours(edit) => drop(door.change(Intent { family: FAMILY, table: TABLE, edit: edit.clone() }, Origin::at("test", 1, 1))),
        Step::Commit => drop(door.commit()),
        Step::TheyInsert(chain, at, mark) => {
            let mut shadow = world.0.lock();
            let rules = &mut shadow.ruleset(FAMILY).unwrap().get_mut(TABLE, chain).unwrap().rules;
            rules.insert((rules.len() as f64 * at) as usize, foreign(*mark));
        }
        Step::TheyDelete(chain, at) => {
            let mut shadow = world.0.lock();
            let rules = &mut shadow.ruleset(FAMILY).unwrap().get_mut(TABLE, chain).unwrap().rules;
            let theirs: Vec<usize> = (0..rules.len()).filter(|i| rules[*i].rule.tag.is_none()).collect();
            if let Some(index) = theirs.get((theirs.len() as f64 * at) as usize) {
                rules.remove(*index);
            }
        }
    }
}

fn dangling(door: &Door, rule: &Words) -> bool {
    let Ok(Reading::Chains(chains)) = door.read(Query::Chains(FAMILY, TABLE)) else { return true };
    rule.target().is_some_and(|target| target.len() == 1 && !chains.iter().any(|chain| chain.as_str() == target))
}

/// The words of the rules in a chain that are not ours.
fn theirs(set: &Ruleset, chain: &str) -> Vec<String> {
    let rules = &set.find(TABLE, &ChainName::listed(chain)).unwrap().rules;
    rules.iter().filter(|entry| entry.rule.tag.is_none()).map(|entry| entry.rule.words.to_string()).collect()
}

/// The tags of all rules, in chain order.
fn tags(set: &Ruleset) -> Vec<Option<String>> {
    let rules = set.tables.values().flat_map(|t| t.chains.values()).flat_map(|c| &c.rules);
    rules.map(|entry| entry.rule.tag.as_ref().map(ToString::to_string)).collect()
}

/// Keeps of one list what stands in the other, each as often as in both.
fn common(list: &[String], of: &[String]) -> Vec<String> {
    let mut left = of.to_vec();
    let mut take = |word: &&String| left.iter().position(|other| other == *word).map(|at| left.swap_remove(at)).is_some();
    list.iter().filter(|word| take(word)).cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Alone on a host: whatever a script did, at whatever point it fails, the host is as it was, registration of tables included.
    #[test]
    fn a_rollback_at_every_prefix_gives_back_the_state_before(
        input in proptest::collection::vec(0u32..4, 0..5),
        forward in proptest::collection::vec(0u32..4, 0..3),
        steps in proptest::collection::vec(step(), 0..14),
    ) {
        for prefix in 0..=steps.len() {
            let world = World::with_rules(&input, &forward);
            let before = world.now();
            let door = world.open(&Shelf::Memory, 1, "mine");
            steps[..prefix].iter().for_each(|step| take(&world, &door, step));
            let _ = door.commit();
            let report = door.rollback().unwrap();
            prop_assert_eq!(&report.drift, &vec![], "prefix {}", prefix);
            let after = world.now();
            prop_assert!(after.same(&before), "prefix {}: {:#?}\n---\n{:#?}", prefix, before, after);
            let registered = |set: &Ruleset| set.tables.values().map(|t| (t.registered, t.chains.values().map(|c| c.registered).collect::<Vec<_>>())).collect::<Vec<_>>();
            prop_assert_eq!(registered(&before), registered(&after));
        }
    }

    /// Undo, redo, undo: each gives back the state before it, tags included.
    #[test]
    fn undo_and_redo_go_there_and_back(
        input in proptest::collection::vec(0u32..4, 0..5),
        forward in proptest::collection::vec(0u32..4, 0..3),
        steps in proptest::collection::vec(step(), 0..14),
    ) {
        let world = World::with_rules(&input, &forward);
        let before = world.now();
        let folder = tempdir();
        let shelf = Shelf::File(folder.join("journal.db"));
        let door = world.open(&shelf, 1, "mine");
        steps.iter().for_each(|step| take(&world, &door, step));
        let _ = door.commit();
        let Some(run) = door.finish().unwrap().run else { return Ok(()) };
        let set = world.now();
        let mut journal = Journal::open(&shelf).unwrap();
        let context = Context { boot: "boot".into(), namespace: 1, ..Context::default() };
        for round in 0..2 {
            let mut desk = Desk { kernel: &mut world.0.clone(), journal: &mut journal, context: &context, now: 0, force: false };
            let report = desk.lift(&run, RunState::Lifted).unwrap();
            prop_assert_eq!(&report.drift, &vec![], "undo {}", round);
            prop_assert!(world.now().same(&before), "undo {}: {:#?}\n---\n{:#?}", round, before, world.now());
            let mut desk = Desk { kernel: &mut world.0.clone(), journal: &mut journal, context: &context, now: 0, force: false };
            let record = desk.journal.run(&run).unwrap();
            prop_assert_eq!(record.state, RunState::Lifted);
            let report = desk.redo(&record).unwrap();
            prop_assert_eq!(&report.drift, &vec![], "redo {}", round);
            prop_assert!(world.now().same(&set), "redo {}: {:#?}\n---\n{:#?}", round, set, world.now());
            prop_assert_eq!(tags(&world.now()), tags(&set), "redo {}", round);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// Inputs at a prompt are withdrawn one by one, the last first; what is left is a run that is undone and set again without them.
    #[test]
    fn inputs_are_withdrawn_one_by_one(
        input in proptest::collection::vec(0u32..4, 0..5),
        forward in proptest::collection::vec(0u32..4, 0..3),
        inputs in proptest::collection::vec(proptest::collection::vec(step(), 0..4), 1..6),
        kept in 0usize..4,
    ) {
        let world = World::with_rules(&input, &forward);
        let start = world.now();
        let folder = tempdir();
        let shelf = Shelf::File(folder.join("journal.db"));
        let door = world.open(&shelf, 1, "mine");
        let mut before = Vec::new();
        for steps in &inputs {
            let mark = door.mark();
            before.push((mark, world.now()));
            steps.iter().for_each(|step| take(&world, &door, step));
            if door.step().is_err() {
                door.withdraw(mark).unwrap();
                prop_assert!(world.now().same(&before[before.len() - 1].1), "a refused input left something");
            }
        }
        for (mark, state) in before.drain(kept.min(inputs.len())..).rev() {
            let report = door.withdraw(mark).unwrap();
            prop_assert_eq!(&report.drift, &vec![]);
            prop_assert!(world.now().same(&state), "{:#?}\n---\n{:#?}", world.now(), state);
        }
        let set = world.now();
        if let Some(run) = door.finish().unwrap().run {
            let mut journal = Journal::open(&shelf).unwrap();
            let context = Context { boot: "boot".into(), namespace: 1, ..Context::default() };
            let mut kernel = world.0.clone();
            let mut desk = Desk { kernel: &mut kernel, journal: &mut journal, context: &context, now: 0, force: false };
            prop_assert_eq!(&desk.lift(&run, RunState::Lifted).unwrap().drift, &vec![]);
            prop_assert!(world.now().same(&start));
            let record = desk.journal.run(&run).unwrap();
            prop_assert_eq!(&desk.redo(&record).unwrap().drift, &vec![]);
            prop_assert!(world.now().same(&set), "{:#?}\n---\n{:#?}", world.now(), set);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// With others about: none of our rules stays, no rule of theirs is lost or doubled, and theirs keep their order among themselves.
    #[test]
    fn what_others_do_meanwhile_survives_the_rollback(
        input in proptest::collection::vec(0u32..40, 0..6),
        steps in proptest::collection::vec(their_step(), 0..14),
    ) {
        let world = World::with_rules(&input, &[]);
        // The same host without us. They work on what they see: their edits are replayed on it by words.
        let mut without: Vec<String> = theirs(&world.now(), "INPUT");
        let start = without.clone();
        let door = world.open(&Shelf::Memory, 1, "mine");
        for step in &steps {
            let before = theirs(&world.now(), "INPUT");
            take(&world, &door, step);
            let after = theirs(&world.now(), "INPUT");
            match step {
                Step::TheyInsert(chain, _, mark) if chain.as_str() == "INPUT" => without.push(words(*mark).to_string()),
                Step::TheyDelete(..) => for gone in before.iter().filter(|word| common(&before, &after).iter().filter(|w| w == word).count() < before.iter().filter(|w| w == word).count()).take(1) {
                    let at = without.iter().position(|word| word == gone).unwrap();
                    without.remove(at);
                },
                _ => {}
            }
        }
        let _ = door.commit();
        let meanwhile = theirs(&world.now(), "INPUT");
        let report = door.rollback().unwrap();
        let after = world.now();
        let all = after.tables.values().flat_map(|t| t.chains.values()).flat_map(|c| &c.rules);
        prop_assert!(all.clone().all(|entry| entry.rule.tag.is_none()), "a rule of ours stays");
        let now = theirs(&after, "INPUT");
        // One that they put in where ours had taken out its like counts as put back, and that is told.
        let lost = report.drift.iter().filter(|drift| matches!(drift.object, Object::Rule(_))).count();
        let (mut sorted, mut expected) = (now.clone(), without.clone());
        sorted.sort();
        expected.sort();
        if lost == 0 {
            prop_assert_eq!(&sorted, &expected);
        } else {
            prop_assert_eq!(common(&sorted, &expected).len(), sorted.len());
            prop_assert!(sorted.len() + lost >= expected.len());
        }
        let unique = |list: &[String]| list.iter().filter(|w| list.iter().filter(|v| v == w).count() == 1).cloned().collect::<Vec<_>>();
        prop_assert_eq!(common(&unique(&meanwhile), &unique(&now)), common(&unique(&now), &unique(&meanwhile)), "theirs changed their order");
        prop_assert_eq!(common(&unique(&start), &unique(&now)), common(&unique(&now), &unique(&start)), "the first ones changed their order");
    }

    /// After an `ensure` the rules of its list stand in the order of the list, whatever was there.
    #[test]
    fn ensured_rules_stand_in_the_order_of_their_list(
        input in proptest::collection::vec(0u32..5, 0..5),
        first in proptest::collection::vec(0u32..5, 0..4),
        second in proptest::collection::vec(0u32..5, 1..4),
        position in select(&[Position::First, Position::Last][..]),
    ) {
        let world = World::with_rules(&input, &[]);
        let folder = tempdir();
        let journal = Shelf::File(folder.join("journal.db"));
        for (random, marks) in [(1, &first), (2, &second)] {
            let door = world.open(&journal, random, "mine");
            let edit = Edit::Ensure(ChainName::listed("INPUT"), marks.iter().copied().map(words).collect(), position);
            take(&world, &door, &Step::Ours(edit));
            door.finish().unwrap();
        }
        let now: Vec<String> = world.now().find(TABLE, &ChainName::listed("INPUT")).unwrap().rules.iter().map(|e| e.rule.words.to_string()).collect();
        let mut rest = now.iter();
        prop_assert!(second.iter().all(|mark| rest.any(|word| *word == words(*mark).to_string())), "{:?} not in {:?}", second, now);
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// A plan and a run end in the same state, and a second run of the same `ensure`s changes nothing.
    #[test]
    fn ensure_twice_is_ensure_once(
        input in proptest::collection::vec(0u32..6, 0..5),
        lists in proptest::collection::vec((select(&["INPUT", "FORWARD"][..]), proptest::collection::vec(0u32..6, 1..4), any::<bool>()), 1..3),
    ) {
        let world = World::with_rules(&input, &[]);
        let folder = tempdir();
        let journal = Shelf::File(folder.join("journal.db"));
        let ensure = |random: u64| {
            let door = world.open(&journal, random, "mine");
            for (chain, marks, first) in &lists {
                let position = if *first { Position::First } else { Position::Last };
                let edit = Edit::Ensure(ChainName::listed(chain), marks.iter().copied().map(words).collect(), position);
                take(&world, &door, &Step::Ours(edit));
            }
            door.finish().unwrap()
        };
        ensure(1);
        let once = world.now();
        let second = ensure(2);
        // Two lists that both want to be first in one chain take turns; one list a chain is what the promise is about.
        let chains: HashSet<_> = lists.iter().map(|(chain, ..)| chain).collect();
        if chains.len() == lists.len() {
            prop_assert_eq!(second.changes, vec![]);
            prop_assert!(world.now().same(&once));
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

fn tempdir() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let folder = std::env::temp_dir().join(format!("fyke-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
    std::fs::create_dir(&folder).unwrap();
    folder
}

/// A run that has written once still knows the rules of the runs before it.
#[test]
fn earlier_runs_are_known_after_a_commit() {
    let world = World::with_rules(&[], &[]);
    let folder = tempdir();
    let journal = Shelf::File(folder.join("journal.db"));
    let ensure = |mark| Step::Ours(Edit::Ensure(ChainName::listed("INPUT"), vec![words(mark)], Position::Last));
    let first = world.open(&journal, 1, "mine");
    take(&world, &first, &ensure(1));
    first.finish().unwrap();
    let second = world.open(&journal, 2, "mine");
    take(&world, &second, &Step::Ours(Edit::Append(ChainName::listed("FORWARD"), words(2))));
    take(&world, &second, &Step::Commit);
    take(&world, &second, &ensure(1));
    assert_eq!(second.finish().unwrap().changes.len(), 2, "a base chain and a rule were new; the ensured rule was there");
    std::fs::remove_dir_all(folder).unwrap();
}
