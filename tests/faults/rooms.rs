//! What is swept: a recipe for each room that changes something, with what others had set before.

use std::collections::BTreeSet;

use fyke::host::reflect;

/// A recipe, and what it finds.
pub(crate) struct Room {
    /// Its name in reports.
    pub(crate) name: &'static str,
    /// The rooms of bindings whose changing functions it has to call, all of them together with the other entries.
    covers: &'static [&'static str],
    /// The text of the recipe, or the name of one that fyke brings along, with its arguments.
    recipe: &'static str,
    /// The exit code of a run that nothing disturbs.
    pub(crate) code: i32,
    /// What other programs have set before, as iptables-restore takes it, for both families.
    pub(crate) before: &'static str,
}

impl Room {
    /// Gives the text of the recipe if it is no recipe of fyke's own.
    pub(crate) fn text(&self) -> Option<&'static str> {
        self.recipe.contains('\n').then_some(self.recipe)
    }

    /// Gives the name of the recipe and its arguments, if fyke brings it along.
    pub(crate) fn own(&self) -> &'static str {
        self.recipe
    }
}

/// Everything that is swept.
pub(crate) const ROOMS: &[Room] = &[
    Room { name: "iptables", covers: &["iptables"], recipe: TABLES, code: 0, before: FOREIGN },
    Room { name: "sysctl", covers: &["sysctl"], recipe: PARAMETERS, code: 0, before: FOREIGN },
    Room { name: "ipset", covers: &["ipset"], recipe: SETS, code: 0, before: FOREIGN },
    Room { name: "ports", covers: &["ports"], recipe: PORTS, code: 0, before: FOREIGN },
    Room { name: "ssh-rate-limit", covers: &[], recipe: "ssh-rate-limit", code: 0, before: FOREIGN },
    Room { name: "nat-masquerade", covers: &[], recipe: "nat-masquerade --uplink eth1", code: 0, before: FOREIGN },
    Room { name: "port-forward", covers: &[], recipe: "port-forward --port 80 --to 192.0.2.2", code: 0, before: FOREIGN },
    Room { name: "throws", covers: &[], recipe: THROWS, code: 1, before: FOREIGN },
];

/// Finds an entry.
pub(crate) fn room(name: &str) -> &'static Room {
    ROOMS.iter().find(|room| room.name == name).unwrap()
}

const FOREIGN: &str = "\
*filter
:OLD - [0:0]
:GONE - [0:0]
:SPENT - [0:0]
-A INPUT -p tcp -m tcp --dport 1 -j ACCEPT
-A INPUT -p tcp -m tcp --dport 2 -j OLD
-A INPUT -p tcp -m tcp --dport 3 -j ACCEPT
-A OUTPUT -p udp -m udp --dport 4 -j DROP
-A OUTPUT -p udp -m udp --dport 5 -j ACCEPT
-A OLD -j RETURN
-A SPENT -p tcp -j ACCEPT
-A SPENT -p udp -j ACCEPT
COMMIT
";

/// Calls every function that changes a table, in two batches, on three tables of both families.
const TABLES: &str = r#"
let filter = iptables::both("filter");
let input = filter.chain("INPUT");
filter.new_chain("NEW").append(["-p tcp --dport 7 -j DROP", "-j RETURN"]);
filter.rename_chain("OLD", "RENAMED");
filter.delete_chain("GONE");
filter.chain("SPENT").flush();
input.insert(2, "-p tcp --dport 7 -j NEW");
input.insert("-p udp --dport 6 -j ACCEPT");
input.delete("-p tcp -m tcp --dport 3 -j ACCEPT");
filter.chain("OUTPUT").replace(1, "-p udp --dport 4 -j ACCEPT");
filter.chain("OUTPUT").delete_at(2);
filter.chain("FORWARD").set_policy("DROP");
commit();
let kept = filter.ensure_chain("KEPT");
kept.ensure(["-p tcp --dport 8 -j ACCEPT", "-j DROP"]);
input.ensure_first("-p tcp --dport 9 -j KEPT");
filter.absent_chain("SPENT");
input.absent("-p tcp -m tcp --dport 1 -j ACCEPT");
iptables::both("mangle").chain("POSTROUTING").append("-p tcp --dport 7 -j MARK --set-mark 7");
iptables::both("nat").chain("PREROUTING").append("-p tcp --dport 7 -j ACCEPT");
"#;

/// Sets parameters that others follow and one that nothing follows, before rules and after them.
const PARAMETERS: &str = r#"
sysctl::ensure("net.ipv4.ip_forward", 1);
sysctl::set("net.ipv4.conf.lo.accept_local", true);
iptables::table("filter").chain("FORWARD").append("-p tcp --dport 7 -j DROP");
sysctl::ensure("net.ipv6.conf.all.forwarding", 1);
sysctl::set("net.ipv4.ip_local_port_range", "20000 30000");
"#;

/// Makes, fills, empties, exchanges and takes away sets, its own and those of others, and names one in a rule.
const SETS: &str = r#"
let blocked = ipset::ensure_set("blocked", "hash:ip timeout 600");
blocked.ensure(["192.0.2.7", "192.0.2.8-192.0.2.11"]);
let foreign = ipset::set("foreign");
foreign.add("203.0.113.0/24 comment \"of ours\"");
foreign.del("192.0.2.0/24");
foreign.ensure("10.0.0.0/8 comment \"another\"");
iptables::table("filter").chain("INPUT").append("-m set --match-set blocked src -j DROP");
ipset::swap("foreign", "other");
ipset::set("foreign").absent(["198.51.100.0/24", "198.51.101.0/24"]);
ipset::new_set("fresh", "hash:net").ensure_only(["192.0.2.0/24"]);
ipset::set("other").flush();
ipset::delete_set("spare");
ipset::absent_set("other");
"#;

/// Sets the ephemeral range, reserves ports, its own and beside those of others, and sets some free, in two batches.
const PORTS: &str = r#"
ports::set_range("20000-30000");
ports::add_reserved("9000-9003");
ports::del_reserved(7000);
commit();
ports::ensure_range("20000-29999");
ports::ensure_reserved([9003, 9100]);
ports::absent_reserved([7001, 9000]);
"#;

/// Changes something twice, with a program between, and fails: what is disturbed is the rollback.
const THROWS: &str = r#"
let filter = iptables::both("filter");
filter.new_chain("HELD").append("-j RETURN");
filter.chain("INPUT").insert(2, "-p tcp --dport 7 -j HELD");
filter.chain("FORWARD").set_policy("DROP");
filter.chain("OUTPUT").delete_at(1);
sys::run(["true"]);
filter.chain("INPUT").append("-p udp --dport 7 -j DROP");
filter.chain("SPENT").flush();
commit();
throw "as asked";
"#;

/// Compares the list with what the functions say that they change.
#[test]
fn every_function_that_changes_something_is_swept() {
    // What cannot be lifted is no matter of before and after.
    let harmless = |text: &str| {
        ["Nothing.", "What is queued", "What was queued"].iter().any(|words| text.starts_with(words)) || text.contains("cannot be lifted")
    };
    let mut lacking = BTreeSet::new();
    // A module of the standard library changes nothing but through a room.
    let native = |room: &str| !room.is_empty() && !room.starts_with("std:");
    for function in reflect::functions().iter().filter(|function| native(&function.room)) {
        let changes = function.doc.split_once("# Changes\n").map_or("Nothing.", |(_, rest)| rest);
        let called = |room: &&Room| room.covers.contains(&function.room.as_str()) && room.recipe.contains(&format!("{}(", function.name));
        if !harmless(changes.lines().next().unwrap()) && !ROOMS.iter().any(|room| called(&room)) {
            lacking.insert(format!("{}: no recipe of tests/faults/rooms.rs calls it", function.qualified()));
        }
    }
    assert_eq!(lacking, BTreeSet::new());
}
