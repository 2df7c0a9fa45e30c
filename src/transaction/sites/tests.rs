//! Runs in several network namespaces of a machine in memory: each change goes where it was made, and comes back from there.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::kernel::machine::{Machine, Places};
use crate::kernel::shadow::{Shadow, Shared};
use crate::model::iptables::intent::Position;
use crate::model::iptables::{ChainName, Edit as OfRules, Intent, Owner, RunId, Table, Words};
use crate::model::named::Edit;
use crate::model::netns::Scope as Names;
use crate::model::{Family, Origin, Report};
use crate::transaction::status::status;
use crate::transaction::undo::Desk;
use crate::transaction::{Journal, Query, Reading, RunState, Setup, Shelf};

const HOME: u64 = 1;

/// A machine that the test can look into, with its journal.
struct World {
    home: Shared,
    places: Places,
    folder: PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl World {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let folder = std::env::temp_dir().join(format!("fyke-sites-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir(&folder).unwrap();
        Self { home: Shared::new(Shadow::over_nothing()), places: Places::default(), folder }
    }

    fn shelf(&self) -> Shelf {
        Shelf::File(self.folder.join("journal"))
    }

    fn machine(&self) -> Machine {
        Machine::in_memory(Box::new(self.home.clone()), &self.places)
    }

    fn context(recipe: &str) -> crate::transaction::Context {
        let (owner, boot, home) = (Owner::new(recipe, ""), "boot".to_owned(), "host".to_owned());
        crate::transaction::Context { owner, pid: 1, boot, namespace: HOME, home, ..Default::default() }
    }

    fn open(&self, recipe: &str, random: u64) -> Door {
        Door::open(Setup {
            kernel: Box::new(self.machine()),
            journal: self.shelf(),
            past: self.shelf(),
            context: Self::context(recipe),
            random,
            now: || 0,
            begun: Box::new(|_| Ok(())),
            guard: Guard::asleep(),
            gate: crate::transaction::Gate::open(),
        })
    }

    /// Works on the journal as somebody who is at home in a namespace.
    fn desk<T>(&self, namespace: u64, work: impl FnOnce(&mut Desk<'_>) -> T) -> T {
        let (mut kernel, mut journal) = (self.machine(), Journal::open(&self.shelf()).unwrap());
        let context = Self::context("undo").at(namespace);
        work(&mut Desk { kernel: &mut kernel, journal: &mut journal, context: &context, now: 0, force: false })
    }

    fn undo(&self, run: &RunId) -> Report {
        self.desk(HOME, |desk| desk.lift(run, RunState::Lifted)).unwrap()
    }

    /// Gives the words of the rules in INPUT of a namespace.
    fn rules(&self, namespace: u64) -> Vec<String> {
        let kernel = if namespace == HOME { self.home.clone() } else { self.places.get(namespace).unwrap() };
        let mut shadow = kernel.lock();
        let set = shadow.ruleset(Family::V4).unwrap();
        set.find(Table::Filter, &ChainName::listed("INPUT"))
            .unwrap()
            .rules
            .iter()
            .map(|entry| entry.rule.words.as_str().to_owned())
            .collect()
    }

    /// Gives the cookies of the namespaces that have names.
    fn names(&self) -> Vec<(String, u64)> {
        let door = self.open("looks", 99);
        let Reading::Named(found) = door.read(Query::Named(crate::model::named::Scope::Netns(Names::Names))).unwrap() else { panic!() };
        let pair = |(object, state)| match (object, state) {
            (Object::Netns(OfNetns::Name(name)), State::Netns(state)) => Some((name.to_string(), state.cookie().unwrap())),
            _ => None,
        };
        found.into_iter().filter_map(pair).collect()
    }
}

fn origin() -> Origin {
    Origin::at("x", 1, 1)
}

fn rule(words: &str) -> Intent {
    Intent { family: Family::V4, table: Table::Filter, edit: OfRules::Append(ChainName::listed("INPUT"), Words::listed(words)) }
}

fn ensured(words: &str) -> Intent {
    let edit = OfRules::Ensure(ChainName::listed("INPUT"), vec![Words::listed(words)], Position::Last);
    Intent { family: Family::V4, table: Table::Filter, edit }
}

/// Makes a namespace of a name.
fn add(door: &Door, name: &str) -> Site {
    let cookie = door.make_namespace().unwrap();
    let object = Object::Netns(OfNetns::Name(name.parse().unwrap()));
    door.change(Edit::Add(object, State::Netns(Found::empty(cookie))), origin()).unwrap();
    Site::new(cookie, name)
}

/// Does a change in a namespace.
fn inside(door: &Door, site: &Site, intent: Intent) {
    door.enter(site).unwrap();
    door.change(intent, origin()).unwrap();
    door.leave(true).unwrap();
}

#[test]
fn every_change_goes_to_its_namespace_and_back() {
    let world = World::new();
    let door = world.open("mine", 1);
    let blue = add(&door, "blue");
    door.change(rule("-j ACCEPT"), origin()).unwrap();
    inside(&door, &blue, rule("-j DROP"));
    door.change(rule("-j RETURN"), origin()).unwrap();
    let report = door.finish().unwrap();
    let places: Vec<Option<&str>> =
        report.changes.iter().filter(|change| change.is_visible()).map(|change| change.netns.as_deref()).collect();
    assert_eq!(places, [None, None, Some("blue"), None]);
    assert_eq!(
        (world.rules(HOME), world.rules(blue.namespace)),
        (vec!["-j ACCEPT".into(), "-j RETURN".into()], vec!["-j DROP".to_owned()])
    );
    // A look finds all of it as it was left.
    let journal = Journal::open(&world.shelf()).unwrap();
    let found = status(&mut world.machine(), &Here { journal: &journal, boot: "boot", namespace: HOME }).unwrap();
    assert_eq!((found.len(), found[0].drift.len()), (1, 0));
    assert_eq!(found[0].run.elsewhere, std::slice::from_ref(&blue));
    assert_eq!(journal.runs("boot", blue.namespace).unwrap().len(), 1);
    let run = report.run.unwrap();
    let lifted = world.undo(&run);
    assert!(lifted.drift.is_empty(), "{:?}", lifted.drift);
    assert_eq!((world.rules(HOME), world.names()), (Vec::new(), Vec::new()));
    assert_eq!(world.rules(blue.namespace), Vec::<String>::new());
}

#[test]
fn what_is_set_again_is_set_in_the_namespace_that_is_made_again() {
    let world = World::new();
    let door = world.open("mine", 1);
    let blue = add(&door, "blue");
    inside(&door, &blue, rule("-j DROP"));
    let run = door.finish().unwrap().run.unwrap();
    for _ in 0..2 {
        let before = world.names()[0].1;
        world.undo(&run);
        // Nobody keeps one alive that has lost its name.
        world.places.remove(before);
        let record = world.desk(HOME, |desk| desk.journal.run(&run)).unwrap();
        let report = world.desk(HOME, |desk| desk.redo(&record)).unwrap();
        assert!(report.drift.is_empty(), "{:?}", report.drift);
        let [(name, cookie)] = &world.names()[..] else { panic!() };
        assert!(name == "blue" && *cookie != before);
        assert_eq!(world.rules(*cookie), ["-j DROP"]);
    }
}

#[test]
fn what_is_gone_with_its_namespace_is_no_failure_and_another_one_is_not_touched() {
    let world = World::new();
    let maker = world.open("maker", 1);
    let blue = add(&maker, "blue");
    maker.finish().unwrap();
    let door = world.open("mine", 2);
    inside(&door, &blue, rule("-j DROP"));
    inside(&door, &blue, rule("-j LOG"));
    let run = door.finish().unwrap().run.unwrap();
    // Somebody takes the namespace away, and makes another one of that name.
    let mut other = world.machine();
    let cookie = other.make_namespace().unwrap();
    world.places.get(cookie).unwrap().lock().ruleset(Family::V4).unwrap();
    world.places.remove(blue.namespace);
    let journal = Journal::open(&world.shelf()).unwrap();
    let found = status(&mut world.machine(), &Here { journal: &journal, boot: "boot", namespace: HOME }).unwrap();
    let told: Vec<String> = found[0].drift.iter().map(|drift| format!("{}: {}", drift.object, drift.why)).collect();
    assert_eq!(told[0], "rule in filter/INPUT (IPv4): it is gone with the network namespace blue");
    let lifted = world.undo(&run);
    assert!(lifted.is_clean() && lifted.drift.len() == 2, "{:?}", lifted.drift);
    assert_eq!(world.desk(HOME, |desk| desk.journal.run(&run)).unwrap().state, RunState::Lifted);
}

#[test]
fn runs_meet_in_the_namespaces_that_they_change() {
    let world = World::new();
    let first = world.open("mine", 1);
    let blue = add(&first, "blue");
    inside(&first, &blue, ensured("-j DROP"));
    let first = first.finish().unwrap().run.unwrap();
    // The same recipe finds its own rule there, though it is at home elsewhere.
    let again = world.open("mine", 2);
    inside(&again, &blue, ensured("-j DROP"));
    assert!(again.finish().unwrap().changes.is_empty());
    // Another one builds on what the first has made.
    let second = world.open("other", 3);
    inside(&second, &blue, rule("-j LOG"));
    let second = second.finish().unwrap().run.unwrap();
    let journal = Journal::open(&world.shelf()).unwrap();
    let here = Here { journal: &journal, boot: "boot", namespace: HOME };
    let fault = here.nothing_stands_on(&journal.run(&first).unwrap(), &[]).unwrap_err();
    assert!(fault.why.contains(&format!("run {second} (other) came later and builds on it")), "{fault}");
    here.nothing_stands_on(&journal.run(&first).unwrap(), std::slice::from_ref(&second)).unwrap();
    world.undo(&second);
    world.undo(&first);
    assert_eq!(world.names(), Vec::new());
}

#[test]
fn who_relies_on_a_namespace_lifts_it_last() {
    let world = World::new();
    let first = world.open("first", 1);
    add(&first, "blue");
    let first = first.finish().unwrap().run.unwrap();
    let [(_, cookie)] = world.names()[..] else { panic!() };
    let second = world.open("second", 2);
    let object = Object::Netns(OfNetns::Name("blue".parse().unwrap()));
    second.change(Edit::Ensure(object, State::Netns(Found::empty(cookie))), origin()).unwrap();
    let second = second.finish().unwrap().run.unwrap();
    let report = world.undo(&first);
    assert_eq!(report.stays, [format!("the network namespace blue stays: run {second} relies on it, and lifts it with the rest")]);
    assert_eq!(world.names(), [("blue".to_owned(), cookie)]);
    world.undo(&second);
    assert_eq!(world.names(), Vec::new());
}

#[test]
fn a_namespace_that_lost_its_name_gets_it_back() {
    let world = World::new();
    let maker = world.open("maker", 1);
    let blue = add(&maker, "blue");
    inside(&maker, &blue, rule("-j DROP"));
    maker.finish().unwrap();
    let door = world.open("mine", 2);
    let (name, aside) = (OfNetns::Name("blue".parse().unwrap()), OfNetns::Aside(blue.namespace));
    let edits =
        vec![Edit::Ensure(Object::Netns(aside.clone()), State::Netns(Found::empty(blue.namespace))), Edit::Del(Object::Netns(name))];
    door.change(edits, origin()).unwrap();
    let report = door.finish().unwrap();
    assert_eq!(report.changes.iter().filter(|change| change.is_visible()).count(), 1);
    assert_eq!(world.names(), Vec::new());
    let lifted = world.undo(&report.run.unwrap());
    assert!(lifted.drift.is_empty(), "{:?}", lifted.drift);
    assert_eq!(world.names(), [("blue".to_owned(), blue.namespace)]);
    assert_eq!(world.rules(blue.namespace), ["-j DROP"]);
    let left = world.home.lock().named_objects();
    assert!(!left.contains(&Object::Netns(aside)), "{left:?}");
}

#[test]
fn namespaces_nest_and_an_error_forgets_only_what_it_was_about() {
    let world = World::new();
    let door = world.open("mine", 1);
    let (blue, red) = (add(&door, "blue"), add(&door, "red"));
    door.enter(&blue).unwrap();
    door.change(rule("-j DROP"), origin()).unwrap();
    door.enter(&red).unwrap();
    door.change(rule("-j LOG"), origin()).unwrap();
    // One that goes to where it is already comes back to where it was, too.
    door.enter(&red).unwrap();
    door.leave(true).unwrap();
    door.change(rule("-j RETURN"), origin()).unwrap();
    // What belongs to the machine is made at home, wherever the script is.
    let green = add(&door, "green");
    door.leave(false).unwrap();
    door.change(rule("-j ACCEPT"), origin()).unwrap();
    door.leave(true).unwrap();
    let report = door.finish().unwrap();
    assert_eq!(world.rules(blue.namespace), ["-j DROP", "-j ACCEPT"]);
    assert_eq!(world.rules(red.namespace), ["-j LOG", "-j RETURN"], "what was queued was written before the name was made");
    assert_eq!(world.names().len(), 3);
    let made = report.changes.iter().find(|change| change.object.to_string() == "network namespace green").unwrap();
    assert_eq!(made.netns, None);
    assert_eq!(world.rules(HOME), Vec::<String>::new());
    assert!(door.enter(&Site::new(4711, "nowhere")).unwrap_err().to_string().contains("cannot work in the network namespace nowhere"));
    let _ = green;
}

#[test]
fn a_failing_run_is_lifted_in_every_namespace() {
    let world = World::new();
    let maker = world.open("maker", 1);
    let blue = add(&maker, "blue");
    maker.finish().unwrap();
    let door = world.open("mine", 2);
    door.change(rule("-j ACCEPT"), origin()).unwrap();
    door.enter(&blue).unwrap();
    door.change(rule("-j DROP"), origin()).unwrap();
    door.commit().unwrap();
    door.change(rule("-j LOG"), origin()).unwrap();
    // The script ends in there, and never comes back.
    let report = door.rollback().unwrap();
    assert!(report.drift.is_empty(), "{:?}", report.drift);
    assert_eq!((world.rules(HOME), world.rules(blue.namespace)), (Vec::new(), Vec::new()));
}
