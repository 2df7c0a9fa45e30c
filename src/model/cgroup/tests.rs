use super::*;
use crate::model::change::{Change, Object as Whole, State as WholeState};
use crate::model::named::{Edit, Inventory, apply, revert, wish};
use crate::model::{Kind, Origin};

fn group(path: &str) -> Group {
    path.parse().unwrap()
}

fn there(path: &str) -> (Whole, WholeState) {
    (Whole::Cgroup(Object::Group(group(path))), WholeState::Cgroup(State::Present))
}

fn place(pid: i32) -> Whole {
    Whole::Cgroup(Object::Place(Process { pid, start: 7 }, Hierarchy::unified()))
}

fn inside(path: &str) -> WholeState {
    WholeState::Cgroup(State::In(group(path)))
}

fn drop_all(path: &str) -> (Whole, WholeState) {
    let program = Program { group: group(path), direction: Direction::Egress, filter: Filter::All };
    (Whole::Cgroup(Object::Program(program)), WholeState::Cgroup(State::Attached))
}

fn changes(present: &Inventory, edits: Vec<Edit>) -> Vec<Change> {
    let edits: Vec<_> = edits.into_iter().map(|edit| (edit, Origin::at("x", 1, 1))).collect();
    wish(present, &edits).unwrap().changes
}

fn block() -> Vec<Edit> {
    let ((made, present), (program, attached)) = (there("/a/block"), drop_all("/a/block"));
    vec![Edit::Ensure(made, present), Edit::Ensure(program, attached), Edit::Ensure(place(5), inside("/a/block"))]
}

fn present() -> Inventory {
    [there("/"), there("/a"), (place(5), inside("/a"))].into()
}

#[test]
fn paths_are_strict() {
    for (given, shown) in
        [("/", "/"), ("/a/b", "/a/b"), ("a", "/a"), ("net_cls:/x", "net_cls:/x"), ("/a:/b", "/a:/b"), ("net_cls:/", "net_cls:/")]
    {
        assert_eq!(given.parse::<Group>().unwrap().to_string(), shown);
    }
    let long = format!("/{}", "a".repeat(256));
    for odd in [
        "",
        "..",
        "/..",
        "../..",
        "/a/../b",
        "/a/./b",
        "/a//b",
        "/a/",
        "/a\0",
        "/a\nb",
        "/sys/fs/cgroup/x",
        "odd name:/x",
        &long,
        &"/a".repeat(2048),
    ] {
        assert_eq!(odd.parse::<Group>().unwrap_err().kind, Kind::Input, "{odd}");
    }
}

#[test]
fn a_path_knows_what_is_above_and_below() {
    let (root, a, b) = (group("/"), group("/a"), group("/a/b"));
    assert_eq!((root.parent(), a.parent(), b.parent()), (None, Some(root.clone()), Some(a.clone())));
    assert_eq!((root.child("a"), a.child("b"), b.name()), (a.clone(), b.clone(), "b"));
    assert!(root.holds(&b) && a.holds(&b) && a.holds(&a) && !a.holds(&group("/ab")) && !b.holds(&a) && !a.holds(&group("net_cls:/a/b")));
}

#[test]
fn class_ids_are_strict() {
    for (given, number) in [("0", 0), ("1048577", 0x10_0001), ("0x100001", 0x10_0001), ("10:1", 0x10_0001), ("ffff:ffff", u32::MAX)] {
        assert_eq!(given.parse::<ClassId>().unwrap(), ClassId(number), "{given}");
        assert_eq!(ClassId(number).to_string().parse::<ClassId>().unwrap(), ClassId(number));
    }
    for odd in ["", "-5", "1e9", "18446744073709551616", "4294967296", "max ", "max", "+1", "10000:1", ":", "0x", "0x+1", "1:"] {
        assert!(odd.parse::<ClassId>().is_err(), "{odd}");
    }
}

#[test]
fn numbers_of_processes_are_strict() {
    assert_eq!((Process::number(1).unwrap(), Process::number(1 << 22).unwrap()), (1, 1 << 22));
    for odd in [0, -1, (1 << 22) + 1, i64::MAX, i64::MIN] {
        assert!(Process::number(odd).is_err(), "{odd}");
    }
}

#[test]
fn a_blocked_process_goes_back_with_those_that_it_has_started() {
    let mut now = present();
    let done = changes(&now, block());
    assert_eq!(done.len(), 3);
    apply(&mut now, &done);
    // A child, and one that somebody else put there.
    now.insert(place(6), inside("/a/block"));
    let (made, drift) = revert(&now, &done, false);
    apply(&mut now, &made);
    let mut wanted = present();
    wanted.insert(place(6), inside("/a"));
    assert_eq!((now, drift), (wanted, Vec::new()));
    assert!(matches!(&made.last().unwrap().object, Whole::Cgroup(Object::Group(_))), "the group goes last: {made:?}");
}

#[test]
fn what_others_did_meanwhile_is_told_and_left() {
    let mut now = present();
    let done = changes(&now, block());
    apply(&mut now, &done);
    // Somebody moved the process, and detached the program.
    now.insert(place(5), inside("/"));
    now.remove(&drop_all("/a/block").0);
    let (made, drift) = revert(&now, &done, false);
    let told: Vec<(String, bool)> = drift.iter().map(|drift| (drift.why.clone(), drift.left)).collect();
    assert_eq!(told, [("somebody set it to /".to_owned(), true), ("somebody took it away".to_owned(), false)]);
    assert_eq!(made.len(), 1, "the group still goes: {made:?}");
    // One that has ended is nobody's to move.
    now.remove(&place(5));
    let (_, drift) = revert(&now, &done, false);
    assert!(drift.iter().all(|drift| !drift.left), "{drift:?}");
    // A group that somebody made in it keeps it there, unless it is to go by force.
    now.extend([there("/a/block/theirs")]);
    let (made, drift) = revert(&now, &done, false);
    assert!(made.is_empty() && drift.iter().any(|drift| drift.left && drift.why.contains("a group")), "{made:?} {drift:?}");
    assert_eq!(revert(&now, &done, true).0.len(), 2);
}

#[test]
fn a_group_with_somebody_in_it_is_not_taken_away() {
    let mut now = present();
    let refused = |now: &mut Inventory, path: &str| Edit::Del(there(path).0).apply(now).unwrap_err();
    assert_eq!(refused(&mut now, "/a").why, "a process is in it");
    assert_eq!(refused(&mut now, "/").why, "another one is in it");
    now.insert(place(5), inside("/"));
    assert!(Edit::Del(there("/a").0).apply(&mut now).is_ok());
    assert_eq!(Edit::Add(there("/b/c").0, there("/b/c").1).apply(&mut now).unwrap_err().why, "there is no cgroup /b");
}
