#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::model::ipset::Definition;
use crate::model::{Kind, Origin};

fn object(key: &str) -> Object {
    Object::Sysctl(key.parse().unwrap())
}

fn value(text: &str) -> State {
    State::Value(sysctl::Value::of(text))
}

fn host(pairs: &[(&str, &str)]) -> Inventory {
    pairs.iter().map(|(key, text)| (object(key), value(text))).collect()
}

/// Does what the kernel does: what leads is written first, and others follow.
fn kernel(present: &Inventory, changes: &[Change]) -> Inventory {
    let mut after = present.clone();
    let leads = |change: &&Change| matches!(&change.object, Object::Sysctl(key) if key.leads());
    for change in changes.iter().filter(leads).chain(changes.iter().filter(|change| !leads(change))) {
        Edit::Ensure(change.object.clone(), change.after.clone().unwrap()).apply(&mut after).unwrap();
    }
    after
}

const FORWARD: &str = "net.ipv4.ip_forward";

#[test]
fn what_follows_is_known_and_comes_back() {
    let pairs = [("ip_forward", "0"), ("conf.eth0.forwarding", "0"), ("conf.eth1.forwarding", "1"), ("conf.all.accept_redirects", "0")];
    let before: Inventory = pairs.iter().map(|(key, text)| (object(&format!("net.ipv4.{key}")), value(text))).collect();
    let wish = wish(&before, &[(Edit::Ensure(object(FORWARD), value("1")), Origin::at("x", 1, 1))]).unwrap();
    let after = kernel(&before, &wish.changes);
    assert_eq!(wish.changes.iter().filter(|change| change.is_visible()).count(), 2);
    let (back, drift) = revert(&after, &wish.changes, false);
    assert_eq!((kernel(&after, &back), drift), (before.clone(), Vec::new()));
    // Cut short at any point, it is done again; and twice is once.
    for cut in 0..=back.len() {
        let mut order = back.clone();
        order.sort_by_key(|change| !matches!(&change.object, Object::Sysctl(key) if key.leads()));
        let between = kernel(&after, &order[..cut]);
        let (rest, drift) = revert(&between, &wish.changes, false);
        assert_eq!((kernel(&between, &rest), drift.iter().any(|drift| drift.left)), (before.clone(), false), "{cut}");
    }
    // What was added meanwhile stays as it is.
    let mut later = after.clone();
    later.insert(object("net.ipv4.conf.eth2.forwarding"), value("1"));
    let lifted = kernel(&later, &revert(&later, &wish.changes, false).0);
    assert_eq!(lifted.get(&object("net.ipv4.conf.eth2.forwarding")), Some(&value("1")));
}

#[test]
fn what_somebody_else_set_is_left_unless_forced() {
    let wish =
        wish(&host(&[("net.ipv4.tcp_rmem", "1")]), &[(Edit::Set(object("net.ipv4.tcp_rmem"), value("2")), Origin::at("x", 1, 1))]).unwrap();
    let now = host(&[("net.ipv4.tcp_rmem", "3")]);
    let (back, drift) = revert(&now, &wish.changes, false);
    assert_eq!((back.len(), drift[0].left, drift[0].why.as_str()), (0, true, "somebody set it to 3"));
    assert_eq!(kernel(&now, &revert(&now, &wish.changes, true).0), host(&[("net.ipv4.tcp_rmem", "1")]));
    let (back, drift) = revert(&Inventory::new(), &wish.changes, false);
    assert_eq!((back.len(), drift[0].left), (0, false));
}

#[test]
fn changed_twice_is_changed_once_and_what_is_so_already_is_claimed() {
    let before = host(&[(FORWARD, "1"), ("net.ipv4.tcp_ecn", "2")]);
    let edit = |key: &str, text: &str| (Edit::Set(object(key), value(text)), Origin::at("x", 1, 1));
    let found = wish(&before, &[edit("net.ipv4.tcp_ecn", "0"), edit(FORWARD, "1"), edit("net.ipv4.tcp_ecn", "1")]).unwrap();
    assert_eq!((found.changes.len(), found.claims.len()), (1, 1));
    assert_eq!((&found.changes[0].before, &found.changes[0].after), (&Some(value("2")), &Some(value("1"))));
    let missing = wish(&before, &[edit("net.ipv4.no_such", "1")]).unwrap_err();
    assert_eq!((missing.kind, missing.origin.is_some()), (Kind::NotFound, true));
}

fn set(name: &str) -> Object {
    Object::Set(name.parse().unwrap())
}

fn hash() -> State {
    State::Set("hash:ip".parse().unwrap())
}

fn seeded(seed: u32) -> State {
    let mut definition: Definition = "hash:ip timeout 0".parse().unwrap();
    definition.tuning.initval = Some(seed);
    State::Set(definition)
}

/// An element of a set, with the time that it stays.
fn member(name: &str, text: &str) -> (Object, State) {
    let definition: Definition = "hash:ip timeout 0".parse().unwrap();
    let member = definition.members(text).unwrap().remove(0);
    (Object::Member(name.parse().unwrap(), member.element), State::Entry(member.entry))
}

fn edit() -> impl Strategy<Value = Edit> {
    let name = || select(&["a", "b"][..]);
    let element = || select(&["10.0.0.1", "10.0.0.2", "10.0.0.3 timeout 60"][..]);
    prop_oneof![
        2 => (name(), any::<u32>()).prop_map(|(name, seed)| Edit::Ensure(set(name), seeded(seed))),
        1 => (name(), any::<u32>()).prop_map(|(name, seed)| Edit::Add(set(name), seeded(seed))),
        1 => name().prop_map(|name| Edit::Absent(set(name))),
        4 => (name(), element()).prop_map(|(name, text)| { let (object, state) = member(name, text); Edit::Ensure(object, state) }),
        2 => (name(), element()).prop_map(|(name, text)| Edit::Absent(member(name, text).0)),
        1 => (name(), element()).prop_map(|(name, text)| Edit::Keep(set(name), vec![member(name, text).0])),
        1 => Just(Edit::Swap("a".parse().unwrap(), "b".parse().unwrap())),
    ]
}

proptest! {
    /// What edits come to is the same, whether some objects were learned of between them, one was refused, or the last were taken back.
    #[test]
    fn a_draft_is_what_its_edits_are(before in proptest::collection::vec(edit(), 0..6), edits in proptest::collection::vec(edit(), 1..12), late in 0_usize..6, kept in 0_usize..12) {
        let mut start = Inventory::new();
        before.iter().for_each(|edit| drop(edit.apply(&mut start)));
        let later: Inventory = start.clone().into_iter().take(late).collect();
        let mut draft = Draft::default();
        draft.learn(start.clone().into_iter().skip(late).collect());
        let mut later = Some(later);
        for (at, edit) in edits.into_iter().enumerate() {
            if at == late {
                later.take().into_iter().for_each(|later| draft.learn(later));
            }
            if draft.add(edit, Origin::at("x", 1, 1)).is_err() {
                draft.rewind(draft.edits().len());
            }
        }
        later.into_iter().for_each(|later| draft.learn(later));
        let said = |wish: Result<Wish, Fault>| wish.map(|wish| (wish.changes, wish.claims));
        prop_assert_eq!(said(draft.wish()), said(wish(&start, draft.edits())));
        let first: Vec<_> = draft.edits().iter().take(kept).cloned().collect();
        draft.rewind(kept);
        prop_assert_eq!(draft.edits(), &first[..]);
        prop_assert_eq!(said(draft.wish()), said(wish(&start, &first)));
    }
}

/// Equal but for what nobody has chosen.
fn same(one: &Inventory, other: &Inventory) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.0 == other.0 && one.1.agrees(other.1))
}

proptest! {
    /// Whatever is done to sets, in batches: cut short at any change, it is put back; cut short while it is put back, it is put back again.
    #[test]
    fn a_history_of_sets_is_put_back(before in proptest::collection::vec(edit(), 0..6), edits in proptest::collection::vec(edit(), 1..12), cut in 0.0..1.0, again in 0.0..1.0) {
        let mut start = Inventory::new();
        before.iter().for_each(|edit| drop(edit.apply(&mut start)));
        let (mut now, mut batches, mut queue): (_, Vec<Vec<Change>>, Vec<(Edit, Origin)>) = (start.clone(), Vec::new(), Vec::new());
        let mut wanted = now.clone();
        let mut flush = |queue: &mut Vec<(Edit, Origin)>, now: &mut Inventory| {
            let changes = wish(now, queue).unwrap().changes;
            apply(now, &changes);
            batches.push(changes);
            queue.clear();
        };
        for edit in edits {
            if edit.needs_a_batch(&queue, &wanted) {
                flush(&mut queue, &mut now);
            }
            if edit.apply(&mut wanted).is_ok() {
                queue.push((edit, Origin::at("x", 1, 1)));
            }
        }
        // The last batch is cut short.
        let last = wish(&now, &queue).unwrap().changes;
        apply(&mut now, &last[..(last.len() as f64 * cut) as usize]);
        batches.push(last);
        for batch in batches.iter().rev() {
            let (back, _) = revert(&now, batch, false);
            let half = (back.len() as f64 * again) as usize;
            apply(&mut now, &back[..half]);
            let (rest, drift) = revert(&now, batch, false);
            prop_assert!(drift.iter().all(|drift| !drift.left), "{batch:?} {drift:?}");
            apply(&mut now, &rest);
        }
        prop_assert!(same(&now, &start), "{now:?} {start:?}");
    }
}

#[test]
fn a_set_that_somebody_else_uses_stays_unless_forced() {
    let edits = [Edit::Ensure(set("a"), seeded(1))].map(|edit| (edit, Origin::at("x", 1, 1)));
    let changes = wish(&Inventory::new(), &edits).unwrap().changes;
    let mut now = Inventory::new();
    apply(&mut now, &changes);
    now.extend([member("a", "10.0.0.3 timeout 60"), member("a", "10.0.0.9")]);
    let full = now.clone();
    let (lifting, drift) = revert(&now, &changes, false);
    assert_eq!((lifting.len(), drift[0].left, drift[0].why.as_str()), (0, true, "somebody else put an element into it, 1 in all"));
    let (lifting, drift) = revert(&now, &changes, true);
    apply(&mut now, &lifting);
    assert_eq!((now.len(), drift), (0, Vec::new()));
    let (again, _) = revert(&now, &lifting, false);
    apply(&mut now, &again);
    assert_eq!(now, full);
}

#[test]
fn what_was_changed_in_a_set_keeps_the_set() {
    let (object, state) = member("a", "10.0.0.1 timeout 0");
    let edits = [Edit::Ensure(set("a"), seeded(1)), Edit::Ensure(object.clone(), state)].map(|edit| (edit, Origin::at("x", 1, 1)));
    let changes = wish(&Inventory::new(), &edits).unwrap().changes;
    let mut now = Inventory::new();
    apply(&mut now, &changes);
    let mut other = member("a", "10.0.0.1 timeout 0").1;
    if let State::Entry(entry) = &mut other {
        entry.comment = Some("mine now".into());
    }
    now.insert(object, other);
    let (lifting, drift) = revert(&now, &changes, false);
    assert_eq!((lifting.len(), drift.len()), (0, 2), "{drift:?}");
    assert!(drift[1].why.contains("which somebody changed, is in it"), "{drift:?}");
    let (lifting, _) = revert(&now, &changes, true);
    apply(&mut now, &lifting);
    assert_eq!(now.len(), 0);
}

#[test]
fn strict_verbs_say_what_is_in_the_way() {
    let mut host = Inventory::from([(set("a"), hash())]);
    let mut why = |edit: Edit| edit.apply(&mut host).unwrap_err().to_string();
    assert_eq!(why(Edit::Add(set("a"), hash())), "cannot make the set a: it is there already");
    assert_eq!(why(Edit::Del(set("b"))), "cannot take away the set b: there is no such thing");
    let (object, state) = member("b", "10.0.0.1");
    assert_eq!(why(Edit::Ensure(object, state)), "cannot put in the element 10.0.0.1 of set b: there is no set b");
    assert_eq!(why(Edit::Swap("a".parse().unwrap(), "b".parse().unwrap())), "cannot swap the sets a and b: there is no such thing");
    let other = State::Set("hash:net".parse().unwrap());
    assert!(why(Edit::Ensure(set("a"), other)).contains("it is there, and is another one: hash:ip"));
}

/// Makes an inventory of one set, and gives what makes an element of it.
fn one_set(definition: &str) -> (Inventory, impl Fn(&str) -> (Object, State)) {
    let definition: Definition = definition.parse().unwrap();
    let host = Inventory::from([(set("a"), State::Set(definition.clone()))]);
    let member = move |text: &str| {
        let member = definition.members(text).unwrap().remove(0);
        (Object::Member("a".parse().unwrap(), member.element), State::Entry(member.entry))
    };
    (host, member)
}

#[test]
fn a_bitmap_has_one_place_for_an_address() {
    let (mut host, member) = one_set("bitmap:ip,mac range 10.0.0.0/24");
    let (old, new) = (member("10.0.0.1,02:00:00:00:00:01"), member("10.0.0.1,02:00:00:00:00:02"));
    host.insert(old.0.clone(), old.1.clone());
    let before = host.clone();
    let changes = wish(&host, &[(Edit::Ensure(new.0.clone(), new.1), Origin::at("x", 1, 1))]).unwrap().changes;
    apply(&mut host, &changes);
    assert_eq!((host.contains_key(&old.0), host.contains_key(&new.0)), (false, true));
    let (back, drift) = revert(&host, &changes, false);
    apply(&mut host, &back);
    assert_eq!((host, drift), (before, Vec::new()));
}

#[test]
fn a_hash_holds_no_more_than_it_was_made_for() {
    let (host, member) = one_set("hash:ip maxelem 2");
    let edits: Vec<_> =
        ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(member).map(|(object, state)| (Edit::Ensure(object, state), Origin::at("x", 1, 1))).into();
    assert_eq!(wish(&host, &edits[..2]).unwrap().changes.len(), 2);
    let full = wish(&host, &edits).unwrap_err();
    assert_eq!((full.kind, full.why.as_str()), (Kind::Refused, "it would have 3 elements, and it holds 2 at most"));
}

#[test]
fn what_is_in_a_set_goes_before_it() {
    let (mut host, member) = one_set("hash:ip");
    let (object, state) = member("10.0.0.1");
    host.insert(object.clone(), state);
    let made = host[&set("a")].clone();
    let edits = [Edit::Ensure(set("a"), made), Edit::Absent(set("a"))].map(|edit| (edit, Origin::at("x", 1, 1)));
    let gone: Vec<Object> = wish(&host, &edits).unwrap().changes.into_iter().map(|change| change.object).collect();
    assert_eq!(gone, [object, set("a")]);
}
