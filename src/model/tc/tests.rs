#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::select;

use super::command::{OfClass, OfQdisc, Place, Verb};
use super::*;
use crate::model::change::{self, Change};
use crate::model::named::{self, Edit, apply, revert, wish};
use crate::model::{Origin, named::Inventory};

fn device() -> Device {
    "eth0".parse().unwrap()
}

/// A device on which nothing is yet.
fn fresh() -> Inventory {
    Inventory::from([(change::Object::Tc(Object::Device(device())), change::State::Tc(State::Link(7)))])
}

fn qdisc(line: &str) -> (change::Object, change::State) {
    let OfQdisc { place: Place::At(place), qdisc, .. } = OfQdisc::read(&format!("add dev eth0 {line}")).unwrap() else { panic!("{line}") };
    (change::Object::Tc(Object::Qdisc(device(), place)), change::State::Tc(State::Qdisc(Box::new(qdisc.unwrap()))))
}

fn class(line: &str) -> (change::Object, change::State) {
    let OfClass { class, state, .. } = OfClass::read(&format!("add dev eth0 {line} htb rate 1mbit")).unwrap();
    (change::Object::Tc(Object::Class(device(), class)), change::State::Tc(State::Class(Box::new(state.unwrap()))))
}

fn at(number: u32) -> Origin {
    Origin::at("x", number, 1)
}

fn told(inventory: &Inventory) -> Vec<String> {
    inventory.iter().skip(1).map(|(object, state)| format!("{object}: {}", named::Told(state))).collect()
}

/// Does edits in one batch, and gives its changes.
fn make(now: &mut Inventory, edits: &[Edit]) -> Vec<Change> {
    let edits: Vec<_> = edits.iter().map(|edit| (edit.clone(), at(1))).collect();
    let changes = wish(now, &edits).unwrap().changes;
    apply(now, &changes);
    changes
}

fn classful() -> Inventory {
    let mut now = fresh();
    let lines =
        ["root handle 1: htb", "parent 1:10 handle 10: tbf rate 1mbit burst 5kb limit 9kb", "parent 10:1 handle 100: pfifo limit 5"];
    let (root, leaf, inner) = (qdisc(lines[0]), qdisc(lines[1]), qdisc(lines[2]));
    let all = [root, class("classid 1:1"), class("parent 1:1 classid 1:10"), class("classid 1:2"), leaf, inner];
    make(&mut now, &all.map(|(object, state)| Edit::Add(object, state)));
    now
}

#[test]
fn what_is_in_a_root_goes_before_it_and_comes_back_after_it() {
    let before = classful();
    let mut now = before.clone();
    let (root, bucket) = qdisc("root tbf rate 1mbit burst 5kb limit 9kb");
    let changes = make(&mut now, &[Edit::Ensure(root, bucket)]);
    let order: Vec<String> = changes.iter().map(|change| change.object.to_string()).collect();
    assert_eq!(
        order,
        [
            "qdisc of class 10:1 of eth0",
            "qdisc of class 1:10 of eth0",
            "class 1:10 of eth0",
            "class 1:1 of eth0",
            "class 1:2 of eth0",
            "root qdisc of eth0"
        ]
    );
    assert_eq!(told(&now), ["root qdisc of eth0: handle 8001: tbf rate 1Mbit burst 5Kb lat 32.768ms"]);
    let (back, drift) = revert(&now, &changes, false);
    apply(&mut now, &back);
    assert_eq!((now, drift), (before, Vec::new()));
}

#[test]
fn what_somebody_else_put_in_stays() {
    let mut now = fresh();
    let (root, htb) = qdisc("root handle 1: htb");
    let changes = make(&mut now, &[Edit::Add(root, htb)]);
    let theirs = class("classid 1:5");
    make(&mut now, &[Edit::Add(theirs.0.clone(), theirs.1)]);
    let (back, drift) = revert(&now, &changes, false);
    assert_eq!((back.len(), drift[0].why.as_str(), drift[0].left), (0, "somebody else put something into it, 1 in all", true));
    let (back, _) = revert(&now, &changes, true);
    apply(&mut now, &back);
    assert_eq!(now, fresh());
}

#[test]
fn what_was_in_a_qdisc_does_not_come_back_to_another_one() {
    let mut now = classful();
    let (root, htb) = qdisc("root handle 1: htb");
    let gone = [Object::Qdisc(device(), Handle::new(1, 0x10)), Object::Class(device(), Handle::new(1, 2))];
    let changes = make(&mut now, &gone.map(|object| Edit::Del(change::Object::Tc(object))));
    // Somebody takes the handle for a qdisc of another kind, with a class of the same number.
    make(&mut now, &[Edit::Del(root.clone())]);
    let (other, drr) = qdisc("root handle 1: drr");
    let theirs = Class::new(Handle::new(1, 0), Kind::listed("drr"), Options::None);
    let class = change::Object::Tc(Object::Class(device(), Handle::new(1, 0x10)));
    make(&mut now, &[Edit::Add(other, drr), Edit::Add(class, change::State::Tc(State::Class(Box::new(theirs))))]);
    let (back, drift) = revert(&now, &changes, false);
    assert_eq!((back.len(), drift.iter().all(|drift| drift.left && drift.why == "what it was in is gone")), (0, true), "{drift:?}");
    // To the one that it was in it does.
    make(&mut now, &[Edit::Del(root.clone()), Edit::Add(root, htb)]);
    let (back, drift) = revert(&now, &changes, false);
    let told: Vec<String> = back.iter().map(|change| change.object.to_string()).collect();
    assert_eq!((told, drift.len()), (vec!["class 1:2 of eth0".to_owned()], 2));
}

#[test]
fn what_is_changed_once_more_stays_in_front_of_what_is_in_it() {
    let mut now = fresh();
    let lines = ["root handle 1: pfifo limit 5", "root handle 1: pfifo limit 7"].map(qdisc);
    let (root, htb) = qdisc("root handle 1: htb");
    let (first, second) = (class("classid 1:1"), class("parent 1:1 classid 1:2"));
    let all = [(root.clone(), htb.clone()), first.clone(), second, first, (root, htb)];
    let edits: Vec<Edit> = all.into_iter().map(|(object, state)| Edit::Ensure(object, state)).collect();
    let order: Vec<String> = make(&mut now, &edits).iter().map(|change| change.object.to_string()).collect();
    assert_eq!(order, ["root qdisc of eth0", "class 1:1 of eth0", "class 1:2 of eth0"]);
    // Taken away and made again at once, it is changed.
    let mut now = fresh();
    make(&mut now, &[Edit::Add(lines[0].0.clone(), lines[0].1.clone())]);
    let changes = make(&mut now, &[Edit::Del(lines[0].0.clone()), Edit::Add(lines[1].0.clone(), lines[1].1.clone())]);
    assert_eq!((changes.len(), changes[0].before.is_some(), changes[0].after.is_some()), (1, true, true));
}

#[test]
fn handles_are_chosen_that_are_free() {
    let mut now = classful();
    let leaf = qdisc("parent 1:2 pfifo limit 5");
    make(&mut now, &[Edit::Add(leaf.0, leaf.1)]);
    let second = qdisc("parent 1:2 pfifo limit 7");
    make(&mut now, &[Edit::Set(second.0.clone(), second.1)]);
    assert!(told(&now).contains(&"qdisc of class 1:2 of eth0: handle 8001: pfifo limit 7".to_owned()), "{:?}", told(&now));
    // One of another kind is another one, and beside the first for a moment.
    let bucket = qdisc("parent 1:2 tbf rate 1mbit burst 5kb limit 9kb");
    make(&mut now, &[Edit::Set(bucket.0, bucket.1)]);
    assert!(told(&now).iter().any(|line| line.contains("class 1:2 of eth0: handle 8002: tbf")), "{:?}", told(&now));
    let why = |(object, state)| Edit::Add(object, state).apply(&mut now.clone()).unwrap_err().to_string();
    assert_eq!(why(qdisc("parent 1:9 pfifo")), "cannot set the qdisc of class 1:9 of eth0: there is no class 1:9 on eth0");
    assert_eq!(why(qdisc("parent 7:9 pfifo")), "cannot set the qdisc of class 7:9 of eth0: there is no qdisc 7: on eth0");
    assert_eq!(
        why(qdisc("parent 1:1 handle 10: pfifo")),
        "cannot set the qdisc of class 1:1 of eth0: the qdisc of class 1:10 of eth0 has the handle 10: already"
    );
}

#[test]
fn a_distribution_that_nobody_knows_stays_as_long_as_it_can() {
    let mut host = fresh();
    let (root, theirs) = qdisc("root handle 1: netem delay 100ms 10ms");
    let (_, bucket) = qdisc("root tbf rate 1mbit burst 5kb limit 9kb");
    make(&mut host, &[Edit::Add(root.clone(), theirs)]);
    let wished = |host: &Inventory, wanted: &change::State| {
        let changes = wish(host, &[(Edit::Ensure(root.clone(), wanted.clone()), at(3))]).unwrap().changes;
        let [change] = &changes[..] else { panic!("{changes:?}") };
        change.clone()
    };
    let notes = |change: &Change| {
        (named::remarks(change).len(), named::doubt(&Change::new(root.clone(), change.after.clone(), change.before.clone())).is_some())
    };
    // Where nobody asks for another, it stays where it is, there and back.
    let slower = qdisc("root netem limit 20000 delay 200ms 10ms").1;
    let change = wished(&host, &slower);
    assert_eq!(notes(&change), (0, false));
    let mut then = host.clone();
    apply(&mut then, std::slice::from_ref(&change));
    then.get_mut(&root).unwrap().recall(&change);
    assert!(then[&root].is_told_in_part(), "{then:?}");
    // Else it is lost, and that is said, there and back.
    for lost in
        [&bucket, &qdisc("root netem limit 20000 delay 100ms 10ms distribution normal").1, &qdisc("root handle 2: netem delay 5ms").1]
    {
        let change = wished(&host, lost);
        let said = named::remarks(&change);
        assert!(said.len() == 1 && said[0].contains("does not tell how the delay of the netem on eth0 is distributed"), "{said:?}");
        assert_eq!(notes(&change), (1, true));
    }
    // What somebody says of it is learned, and so is what a run has set.
    let known = qdisc("root handle 1: netem delay 100ms 10ms distribution pareto").1;
    let wish = wish(&host, &[(Edit::Ensure(root.clone(), known.clone()), at(3))]).unwrap();
    let ([claim], []) = (&wish.claims[..], &wish.changes[..]) else { panic!("{wish:?}") };
    for set in [claim.clone(), Change::new(root.clone(), None, Some(known))] {
        let mut host = host.clone();
        host.get_mut(&root).unwrap().recall(&set);
        let change = wished(&host, &bucket);
        assert!(change.before.as_ref().is_some_and(|before| named::Told(before).to_string().ends_with("distribution pareto")));
        assert_eq!(notes(&change), (0, false));
    }
}

fn edit() -> impl Strategy<Value = Edit> {
    let qdiscs = vec![
        "root handle 1: htb",
        "root handle 1: htb default 7",
        "root handle 2: htb",
        "root pfifo limit 5",
        "root tbf rate 1mbit burst 5kb limit 9kb",
        "parent 1:1 handle 10: pfifo limit 7",
        "parent 1:1 pfifo limit 8",
        "parent 1:2 handle 20: tbf rate 1mbit burst 5kb limit 9kb",
        "parent 2:1 handle 10: pfifo limit 9",
        "parent 20:1 pfifo limit 3",
        "ingress",
        "clsact",
    ];
    let classes =
        vec!["classid 1:1", "classid 1:2", "parent 1:1 classid 1:2", "parent 1:1 classid 1:3", "classid 2:1", "parent 2:1 classid 2:2"];
    let any = prop_oneof![select(qdiscs).prop_map(qdisc), select(classes).prop_map(class)];
    (any, 0..6u8).prop_map(|((object, state), verb)| match verb {
        0 => Edit::Add(object, state),
        1 => Edit::Set(object, state),
        2..=3 => Edit::Ensure(object, state),
        4 => Edit::Del(object),
        _ => Edit::Absent(object),
    })
}

proptest! {
    /// Whatever is done, in batches: cut short at any change, it is put back; cut short while it is put back, it is put back again.
    #[test]
    fn a_history_is_put_back(before in proptest::collection::vec(edit(), 0..8), edits in proptest::collection::vec(edit(), 1..10), cut in 0.0..1.0, again in 0.0..1.0) {
        let mut start = fresh();
        before.iter().for_each(|edit| drop(edit.apply(&mut start)));
        let (mut now, mut batches, mut queue): (_, Vec<Vec<Change>>, Vec<(Edit, Origin)>) = (start.clone(), Vec::new(), Vec::new());
        let (mut wanted, mut others_go) = (now.clone(), false);
        for edit in edits {
            if others_go || edit.needs_a_batch(&queue, &wanted) {
                let changes = wish(&now, &queue).unwrap().changes;
                apply(&mut now, &changes);
                batches.push(changes);
                queue.clear();
                others_go = false;
            }
            if let Ok(touched) = edit.apply(&mut wanted) {
                others_go |= touched.len() > 1;
                queue.push((edit, at(1)));
            }
        }
        let last = wish(&now, &queue).unwrap().changes;
        apply(&mut now, &last[..(last.len() as f64 * cut) as usize]);
        batches.push(last);
        for batch in batches.iter().rev() {
            let (back, _) = revert(&now, batch, false);
            apply(&mut now, &back[..(back.len() as f64 * again) as usize]);
            let (rest, drift) = revert(&now, batch, false);
            prop_assert!(drift.iter().all(|drift| !drift.left), "{:?} {:?}", batch, drift);
            apply(&mut now, &rest);
        }
        prop_assert_eq!(told(&now), told(&start));
    }

    /// Whatever there is, what is in an object is named once, and nothing of it is in itself.
    #[test]
    fn contents_are_told_once(edits in proptest::collection::vec(edit(), 0..20)) {
        let mut now = fresh();
        edits.iter().for_each(|edit| drop(edit.apply(&mut now)));
        for object in now.keys() {
            let inside: Vec<_> = named::contents(&now, object).map(|(inside, _)| inside.clone()).collect();
            let once: std::collections::BTreeSet<_> = inside.iter().collect();
            prop_assert!(once.len() == inside.len() && !once.contains(object), "{:?}: {:?}", object, inside);
        }
    }
}

#[test]
fn commands_are_written_as_they_are_read() {
    let written = |object: &change::Object, before: Option<&change::State>, after: Option<&change::State>| {
        let of = |state: Option<&change::State>| if let Some(change::State::Tc(state)) = state { Some(state.clone()) } else { None };
        let change::Object::Tc(object) = object else { panic!() };
        command::written(object, of(before).as_ref(), of(after).as_ref()).unwrap()
    };
    let (root, htb) = qdisc("root handle 1: htb default 10");
    let (_, bucket) = qdisc("root handle 2: tbf rate 1mbit burst 5kb limit 9kb");
    assert_eq!(written(&root, None, Some(&htb)), "tc qdisc add dev eth0 root handle 1: htb r2q 10 default 0x10");
    assert_eq!(written(&root, Some(&htb), Some(&bucket)), "tc qdisc replace dev eth0 root handle 2: tbf rate 1Mbit burst 5Kb lat 32.768ms");
    assert_eq!(written(&root, Some(&htb), None), "tc qdisc del dev eth0 root");
    let (place, clsact) = qdisc("clsact");
    assert_eq!(
        (written(&place, None, Some(&clsact)), written(&place, Some(&clsact), None)),
        ("tc qdisc add dev eth0 clsact".into(), "tc qdisc del dev eth0 clsact".into())
    );
    let (object, state) = class("parent 1:1 classid 1:10");
    let line = written(&object, None, Some(&state));
    assert_eq!(line, "tc class add dev eth0 classid 1:10 parent 1:1 htb prio 0 rate 1Mbit ceil 1Mbit burst 1600b cburst 1600b");
    assert_eq!(OfClass::read(&line).unwrap().verb, Verb::Add);
}
