//! What is remembered when the journal is gone with the boot.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;

use nix::mount::{MsFlags, mount};

use super::world::{Backend, World, run};

const HISTORY: &str = "/var/lib/fyke/history";
const NOTHING: Option<&str> = None;

#[test]
fn runs_are_remembered_beyond_the_boot() {
    run(concat!(module_path!(), "::runs_are_remembered_beyond_the_boot"), Backend::Nft, |world| {
        mount(Some("tmpfs"), "/var/lib", Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
        let text = "iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 1 -j DROP\");";
        // In a namespace without a name, nothing is.
        world.run("one", text);
        world.undo();
        assert!(!fs::exists(HISTORY).unwrap());
        let _name = world.attach("server");
        world.fyke_well(&["eval", "1"]);
        world.fyke_well(&["plan", &world.recipe("one", text)]);
        world.fyke(&["--sandbox", "run", &world.recipe("one", text)]);
        assert!(!fs::exists(HISTORY).unwrap());
        let said = world.run("two", text);
        let id = said.err.rsplit(' ').next().unwrap().trim_end().to_owned();
        let about = fs::metadata(HISTORY).unwrap();
        assert_eq!((about.mode() & 0o777, fs::metadata("/var/lib/fyke").unwrap().mode() & 0o777), (0o600, 0o700));
        world.undo();
        assert_eq!(world.run("three", &format!("{text} throw 1;")).code, Some(1), "the queue of a script that fails is not written");
        assert_eq!(world.run("four", &format!("{text} commit(); throw 1;")).code, Some(1));
        // A run, its undo, and what was rolled back with its rollback.
        assert_eq!(lines().len(), 1 + 2 + 2);
        assert_eq!(rows(world).len(), 6, "the journal's own are not told twice: {:?}", rows(world));
        reboot();
        let rows = rows(world);
        assert_eq!(rows.len(), 4, "{rows:?}");
        assert!(rows.iter().all(|row| row.contains("gone with the reboot")), "{rows:?}");
        assert!(rows[0].contains(&id) && rows[1].contains(&format!("undo of {id}")), "{rows:?}");
        let shown = world.fyke_well(&["history", &id]).out;
        assert!(shown.contains("gone with the reboot") && shown.contains("+ 1  -p tcp --dport 1 -j DROP"), "{shown}");
        let json: serde_json::Value = serde_json::from_str(&world.fyke_well(&["--json", "history", &id]).out).unwrap();
        assert_eq!((&json["changes"], &json["all_changes"][0]["object"]), (&1.into(), &"rule".into()));
        for words in [&["undo", &id][..], &["redo", &id], &["persist", &id]] {
            let said = world.fyke(words);
            assert_eq!(said.code, Some(2), "{words:?}: {said:?}");
        }
        // A line that was torn is nobody's loss but its own.
        OpenOptions::new().append(true).open(HISTORY).unwrap().write_all(b"{\"id\":\"torn").unwrap();
        world.run("five", text);
        assert_eq!((lines().len(), rows_of(world, "five")), (7, 1));
        world.undo();
        cannot_be_written(world, text);
    });
}

/// That there is no place to remember it does not fail a run.
fn cannot_be_written(world: &World, text: &str) {
    mount(NOTHING, "/var/lib", NOTHING, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, NOTHING).unwrap();
    let before = lines().len();
    let path = world.recipe("six", text);
    let said = world.fyke_well(&["-v", "run", &path]);
    assert!(said.err.contains("not remembered beyond the boot"), "{said:?}");
    let said = world.undo();
    assert!(!said.err.contains("remembered"), "{said:?}");
    assert_eq!(lines().len(), before);
}

fn lines() -> Vec<String> {
    fs::read_to_string(HISTORY).unwrap().lines().map(str::to_owned).collect()
}

fn rows(world: &World) -> Vec<String> {
    world.fyke_well(&["history"]).out.lines().skip(1).map(str::to_owned).collect()
}

fn rows_of(world: &World, name: &str) -> usize {
    rows(world).iter().filter(|row| row.contains(name)).count()
}

/// Does what a reboot does: the journal is gone, and the boot has another id.
fn reboot() {
    fs::remove_dir_all("/run/fyke").unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let older = fs::read_to_string(HISTORY).unwrap().replace(boot.trim(), "00000000-0000-0000-0000-000000000000");
    fs::write(HISTORY, older).unwrap();
}
