//! A power cut ends what runs have set, and the journal's word of it: after the boot nothing is undone blindly.

use std::fs::File;
use std::path::PathBuf;

use serde_json::Value;

use super::image::{Image, folder};
use super::machine::Machine;

/// A chain with a rule; it is in the middle of its work for as long as one likes.
const HALF: &str = "iptables::table(\"filter\").new_chain(\"HALF\").append(\"-j DROP\"); commit(); print(\"half\"); sleep(\"1h\");";

/// What the disk keeps: what fyke remembers beyond a boot, and, as nobody should, the journal and the rules with their tags.
const KEEP: &str = "cp -a /run/fyke /disk/run && iptables-save >/disk/rules && ip6tables-save >/disk/rules6 && sync";
const MOUNT: &str = "mount /dev/vda /disk && mkdir -p /disk/lib && mount --bind /disk/lib /var/lib/fyke";
const PUT_BACK: &str = "cp -a /disk/run /run/fyke && iptables-restore </disk/rules && ip6tables-restore </disk/rules6";

/// What is so after the boot, and has to stay so.
const STATE: &str = "iptables-save | grep -v '^#'; ip6tables-save | grep -v '^#'; nft -s list ruleset; ip addr";

/// The verbs that could undo something, with the codes that they end with: there is nothing to do, or no such run.
const VERBS: &[(&str, i32)] = &[
    ("status", 0),
    ("recover", 0),
    ("undo last", 2),
    ("undo --all", 0),
    ("undo $DONE", 2),
    ("undo $TERM", 2),
    ("undo $HALF", 2),
    ("confirm", 2),
    ("confirm $TERM", 2),
    ("redo $DONE", 2),
    ("eval 1+1", 0),
];

#[test]
fn what_ran_before_a_power_cut_is_no_work() {
    let image = match Image::prepare() {
        Ok(image) => image,
        Err(why) => return println!("skipped: {why}"),
    };
    let disk = Disk::new();

    let mut machine = Machine::boot(&image, Some(&disk.0));
    machine.well("mke2fs /dev/vda");
    machine.well(MOUNT);
    machine.well("iptables -A INPUT -p tcp --dport 7 -j DROP");
    machine.well("fyke run ssh-rate-limit");
    machine.well("fyke run --confirm 1h ssh-rate-limit --port 2222");
    machine.well(&format!("fyke eval '{HALF}' >/half & until grep -q half /half; do usleep 100000; done"));
    let runs = Runs::of(&machine.well("fyke --json history"));
    machine.well(KEEP);
    machine.cut_the_power();

    let mut machine = Machine::boot(&image, Some(&disk.0));
    machine.well(MOUNT);
    machine.well(PUT_BACK);
    let before = machine.well(STATE);
    assert!(before.contains("SSH-LIMIT-2222") && before.contains("HALF") && before.contains("dport 7 "), "{before}");
    for (verb, code) in VERBS {
        let said = machine.shell(&format!("fyke {}", runs.name(verb)));
        assert_eq!(said.code, Some(*code), "{verb}: {}", said.out);
        assert_eq!(machine.well(STATE), before, "{verb}");
    }
    let history = machine.well("fyke history");
    assert_eq!(history.matches("gone with the reboot").count(), 3, "{history}");
}

/// A disk that is gone with the test.
struct Disk(PathBuf);

impl Disk {
    fn new() -> Self {
        let path = folder().join(format!("disk-{}", std::process::id()));
        File::create(&path).unwrap().set_len(16 << 20).unwrap();
        Self(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The ids of the three runs.
struct Runs {
    done: String,
    term: String,
    half: String,
}

impl Runs {
    /// Finds them in the history.
    fn of(history: &str) -> Self {
        let history: Vec<Value> = serde_json::from_str(history).unwrap();
        let id = |is: &dyn Fn(&Value) -> bool| history.iter().find(|run| is(run)).unwrap()["id"].as_str().unwrap().to_owned();
        Self {
            done: id(&|run| run["state"] == "done" && run["until"].is_null()),
            term: id(&|run| run["state"] == "done" && !run["until"].is_null()),
            half: id(&|run| run["state"] == "running"),
        }
    }

    /// Puts the ids in the places of their names.
    fn name(&self, words: &str) -> String {
        words.replace("$DONE", &self.done).replace("$TERM", &self.term).replace("$HALF", &self.half)
    }
}
