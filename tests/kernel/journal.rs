//! The journal where something is wrong with it: no room, no right to write, damage, another version, another boot.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::Path;

use nix::mount::{MsFlags, mount, umount};
use rusqlite::Connection;

use super::world::{State, World, on_both};
use crate::program::Said;

on_both! {
    without_room_nothing_is_begun_or_all_is_lifted
    what_cannot_be_written_to_changes_nothing
    what_is_no_journal_of_ours_is_refused
    a_damaged_journal_lifts_all_or_nothing
    what_ran_before_the_boot_is_no_work
}

const STATE: &str = "/run/fyke";
const JOURNAL: &str = "/run/fyke/journal";
const WAL: &str = "/run/fyke/journal-wal";
const NOTHING: Option<&str> = None;

/// Two flushes with some text in them, a chain, a policy, and a rule of somebody else that is taken out.
const RECIPE: &str = "\
let filter = iptables::table(\"filter\");
filter.new_chain(\"OURS\").append([\"-p tcp --dport 1 -j DROP\", \"-p tcp --dport 2 -j DROP\"]);
filter.chain(\"INPUT\").append(\"-j OURS\");
commit();
let input = filter.chain(\"INPUT\");
input.delete_at(1);
for port in 100..140 { input.append(#{ proto: \"tcp\", dport: port, comment: \"some words that take up room in the journal\", jump: \"DROP\" }); }
filter.chain(\"FORWARD\").set_policy(\"DROP\");
";

fn tmpfs(options: &str) {
    let _ = fs::create_dir(STATE);
    mount(Some("tmpfs"), STATE, Some("tmpfs"), MsFlags::empty(), Some(options)).unwrap();
}

fn remount(flags: MsFlags, options: &str) {
    mount(NOTHING, STATE, NOTHING, MsFlags::MS_REMOUNT | flags, Some(options)).unwrap();
}

/// Sees to it that a fault was told as one: no panic, no signal, a code of ours, and words.
#[track_caller]
fn is_clear(said: &Said) {
    assert!(said.code.is_some_and(|code| (1..=8).contains(&code)), "{said:?}");
    assert!(said.err.contains("error[") && !said.err.contains("panicked"), "{said:?}");
}

fn without_room_nothing_is_begun_or_all_is_lifted(world: &World) {
    world.iptables("iptables -A INPUT -p tcp --dport 10 -j ACCEPT");
    let (path, before) = (world.recipe("ours", RECIPE), world.state());
    let (mut refused, mut lifted, mut left) = (0, 0, 0);
    for size in (4..).step_by(4) {
        tmpfs(&format!("mode=0700,size={size}k"));
        let said = world.fyke(&["run", &path]);
        if said.code != Some(0) {
            is_clear(&said);
            match world.state() == before {
                true if Path::new(WAL).metadata().is_ok_and(|wal| wal.size() > 30_000) => lifted += 1,
                true => refused += 1,
                // The rollback had no room, either: that is said, and with room it is done.
                false => {
                    assert!(said.code == Some(3), "{size} kB: {said:?}");
                    remount(MsFlags::empty(), "size=10m");
                    world.fyke_well(&["recover"]);
                    left += 1;
                }
            }
        } else {
            remount(MsFlags::empty(), "size=10m");
            world.undo();
        }
        assert_eq!(world.state(), before, "{size} kB");
        umount(STATE).unwrap();
        if said.code == Some(0) {
            break;
        }
        assert!(size < 1000, "{said:?}");
    }
    println!("refused {refused}, rolled back {lifted}, rolled back later {left}");
    assert!(refused > 0 && lifted + left > 0);
    world.wipe();
}

fn what_cannot_be_written_to_changes_nothing(world: &World) {
    world.iptables("iptables -A INPUT -p tcp --dport 10 -j ACCEPT");
    let (path, before) = (world.recipe("ours", RECIPE), world.state());
    tmpfs("mode=0700");
    remount(MsFlags::MS_RDONLY, "");
    is_clear(&world.fyke(&["run", &path]));
    assert_eq!(world.state(), before);
    remount(MsFlags::empty(), "");
    world.fyke_well(&["run", &path]);
    let after = world.state();
    remount(MsFlags::MS_RDONLY, "");
    for words in [&["undo", "last"][..], &["recover"], &["undo", "--all"], &["run", &path]] {
        is_clear(&world.fyke(words));
        assert_eq!(world.state(), after, "{words:?}");
    }
    world.fyke_well(&["doctor"]);
    remount(MsFlags::empty(), "");
    world.undo();
    assert_eq!(world.state(), before);
    umount(STATE).unwrap();
    world.wipe();
}

/// The files of a journal, kept to be put back.
struct Kept(Vec<(String, Vec<u8>)>);

impl Kept {
    fn take() -> Self {
        let file = |name: &str| Some((name.to_owned(), fs::read(name).ok()?));
        Self([JOURNAL, WAL].into_iter().filter_map(file).collect())
    }

    fn put(&self) {
        for name in [JOURNAL, WAL, "/run/fyke/journal-shm"] {
            let _ = fs::remove_file(name);
        }
        self.0.iter().for_each(|(name, bytes)| fs::write(name, bytes).unwrap());
    }
}

fn what_is_no_journal_of_ours_is_refused(world: &World) {
    world.iptables("iptables -A INPUT -p tcp --dport 10 -j ACCEPT");
    let (path, before) = (world.recipe("ours", RECIPE), world.state());
    world.fyke_well(&["run", &path]);
    let after = world.state();
    checkpoint();
    let kept = Kept::take();
    let somebody = if world.is_root { Some(4711) } else { None };
    let spoil: &[(&str, &dyn Fn(), &str)] = &[
        ("another version", &|| Connection::open(JOURNAL).unwrap().pragma_update(None, "user_version", 99).unwrap(), "another version"),
        ("a folder", &|| fs::remove_file(JOURNAL).and_then(|()| fs::create_dir(JOURNAL)).unwrap(), "no regular file"),
        (
            "a link",
            &|| fs::rename(JOURNAL, "/run/fyke/other").and_then(|()| symlink("/run/fyke/other", JOURNAL)).unwrap(),
            "no regular file",
        ),
        ("no database", &|| fs::write(JOURNAL, "#!/bin/sh\n".repeat(1000)).unwrap(), "not a database"),
        ("another owner", &|| chown(JOURNAL, somebody, None).unwrap(), "belongs to user 4711"),
    ];
    for (what, spoil, why) in spoil {
        if *what == "another owner" && somebody.is_none() {
            println!("skipped: only root can give a file away");
            continue;
        }
        spoil();
        for words in [&["undo", "last"][..], &["undo", "--all"], &["recover"], &["run", &path], &["history"]] {
            let said = world.fyke(words);
            is_clear(&said);
            assert!(said.err.contains(why), "{what}: {words:?}: {said:?}");
            assert_eq!(world.state(), after, "{what}: {words:?}");
        }
        let said = world.fyke_well(&["doctor"]);
        assert!(
            said.out.lines().any(|line| line.contains("journal") && line.contains("missing") && line.contains(why)),
            "{what}: {said:?}"
        );
        let _ = fs::remove_dir(JOURNAL);
        kept.put();
    }
    world.undo();
    assert_eq!(world.state(), before);
    world.wipe();
}

fn checkpoint() {
    Connection::open(JOURNAL).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
}

/// Numbers that are the same in every run of the test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

fn a_damaged_journal_lifts_all_or_nothing(world: &World) {
    const TRIES: usize = 48;
    world.iptables("iptables -A INPUT -p tcp --dport 10 -j ACCEPT");
    let (path, before) = (world.recipe("ours", RECIPE), world.state());
    let mut dice = Dice(0x5eed);
    let set = |whole: bool| -> (Kept, State) {
        let _ = fs::remove_dir_all(STATE);
        world.fyke_well(&["run", &path]);
        if whole {
            checkpoint();
        }
        (Kept::take(), world.state())
    };
    let (mut lifted, mut untouched) = (0, 0);
    for whole in [true, false] {
        let (mut kept, mut after) = set(whole);
        for number in 0..TRIES {
            kept.put();
            let (name, bytes) = &kept.0[if whole { 0 } else { dice.below(kept.0.len()) }];
            let mut bytes = bytes.clone();
            let at = dice.below(bytes.len().max(1));
            let what = match number % 4 {
                0 => {
                    bytes.truncate(at);
                    format!("{name} cut at {at}")
                }
                _ if bytes.is_empty() => continue,
                _ => {
                    // Most of a page is free: of what is flipped, some is to be text of the journal.
                    let text = (0..200).map(|_| dice.below(bytes.len())).find(|at| bytes[*at].is_ascii_graphic()).unwrap_or(at);
                    let bit = dice.below(8);
                    bytes[text] ^= 1 << bit;
                    format!("{name} with bit {bit} of {text} flipped")
                }
            };
            fs::write(name, bytes).unwrap();
            let said = world.fyke(&["undo", "last"]);
            let now = world.state();
            assert!(said.code.is_some_and(|code| code <= 8) && !said.err.contains("panicked"), "{what}: {said:?}");
            assert!(now == before || now == after, "{what}: half lifted: {said:?}\n{now:#?}");
            if now == before {
                lifted += 1;
                (kept, after) = set(whole);
            } else {
                // What is not lifted is not called lifted.
                assert!(said.code != Some(0) || said.out.contains("drift"), "{what}: {said:?}");
                untouched += 1;
            }
            if number % 8 == 0 && now != before {
                let said = world.fyke(&["doctor"]);
                assert!(said.code == Some(0) && !said.err.contains("panicked"), "{what}: {said:?}");
            }
        }
        kept.put();
        world.undo();
        assert_eq!(world.state(), before);
    }
    println!("lifted {lifted}, untouched {untouched}, half lifted 0");
    assert!(lifted > 0 && untouched > 0);
    world.wipe();
}

fn what_ran_before_the_boot_is_no_work(world: &World) {
    let before = world.state();
    let said = world.run("old", "iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 1 -j DROP\");");
    let id = said.err.rsplit(' ').next().unwrap().trim_end().to_owned();
    let after = world.state();
    let forge = |state: &str, boot: &str| {
        let journal = Connection::open(JOURNAL).unwrap();
        journal.execute("UPDATE runs SET state = ?, boot = ?", [state, boot]).unwrap();
    };
    let boot: String = Connection::open(JOURNAL).unwrap().query_row("SELECT boot FROM runs", [], |row| row.get(0)).unwrap();
    for state in ["running", "done", "stuck"] {
        forge(state, "00000000-0000-0000-0000-000000000000");
        for (words, code) in [
            (&["undo", "last"][..], 2),
            (&["undo", &id], 2),
            (&["undo", "--force", &id], 2),
            (&["undo", "--all"], 0),
            (&["undo", "--recipe", "old"], 2),
            (&["redo", &id], 2),
            (&["recover"], 0),
        ] {
            let said = world.fyke(words);
            assert_eq!(said.code, Some(code), "{words:?}: {said:?}");
            assert_eq!(world.state(), after, "{words:?}");
        }
        assert!(world.fyke_well(&["history"]).out.contains("gone with the reboot"));
    }
    forge("done", &boot);
    world.undo();
    assert_eq!(world.state(), before);
}
