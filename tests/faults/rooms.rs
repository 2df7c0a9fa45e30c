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
    Room { name: "cgroup", covers: &["cgroup"], recipe: GROUPS, code: 0, before: FOREIGN },
    Room { name: "ports", covers: &["ports"], recipe: PORTS, code: 0, before: FOREIGN },
    Room { name: "netns", covers: &["netns"], recipe: NAMESPACES, code: 0, before: FOREIGN },
    Room { name: "tc", covers: &["tc"], recipe: QUEUES, code: 0, before: FOREIGN },
    Room { name: "filters", covers: &["tc"], recipe: FILTERS, code: 0, before: FOREIGN },
    Room { name: "link", covers: &["link"], recipe: LINKS, code: 0, before: FOREIGN },
    Room { name: "moves", covers: &["link"], recipe: MOVES, code: 0, before: FOREIGN },
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

/// Makes and takes away groups, moves the parent of the test into one and attaches programs, before a rule and after it.
const GROUPS: &str = r#"
let blocked = cgroup::ensure_group("/blocked");
blocked.ensure_drop();
blocked.add(cgroup::group("/").processes().filter(|it| it.name == "sh"));
iptables::table("filter").chain("OUTPUT").append("-m cgroup --path blocked -j DROP");
cgroup::group("/other").ensure_drop_of([4711, 4712]);
cgroup::new_group("/blocked/inner").ensure_drop();
cgroup::delete_group("/foreign");
cgroup::absent_group("/none");
commit();
cgroup::group("/blocked/inner").absent_drop();
if cgroup::lacks("classid") == () {
    cgroup::new_group("net_cls:/blocked").ensure_class_id("10:1");
}
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

/// Makes namespaces, takes them away and works in them: one of its own, and one of others that it then takes away.
const NAMESPACES: &str = r#"
let blue = netns::add("blue");
blue.run(|| {
    link::add("one type veth peer name two");
    sysctl::set("net.ipv4.ip_forward", 1);
    iptables::table("filter").chain("INPUT").append("-p tcp --dport 7 -j DROP");
});
netns::enter("foreign", || iptables::table("filter").chain("INPUT").append("-p tcp --dport 8 -j DROP"));
netns::ensure("half");
iptables::table("filter").chain("INPUT").append("-p tcp --dport 9 -j DROP");
netns::del("foreign");
netns::absent("spare");
"#;

/// What other programs have queueing, as `tc -batch` takes it.
pub(crate) const QUEUED: &str = "\
qdisc add dev eth0 root handle 1: htb default 20
class add dev eth0 parent 1: classid 1:1 htb rate 10mbit
class add dev eth0 parent 1:1 classid 1:10 htb rate 5mbit
class add dev eth0 parent 1:1 classid 1:20 htb rate 5mbit ceil 10mbit
qdisc add dev eth0 parent 1:10 handle 10: pfifo limit 7
qdisc add dev eth0 ingress
qdisc add dev eth1 root handle 1: tbf rate 1mbit burst 5kb limit 9kb
filter add dev eth0 parent 1: protocol ip prio 5 handle 2: u32 divisor 4
filter add dev eth0 parent 1: protocol ip prio 5 u32 ht 2:1: match ip src 10.0.0.1 flowid 1:20
filter add dev eth0 parent 1: protocol ip prio 5 u32 match ip dst 10.0.0.0/24 hashkey mask 0x00000003 at 12 link 2:
filter add dev eth0 ingress protocol ip prio 3 u32 match ip src 10.0.0.7 action mirred egress redirect dev eth1
";

/// Puts queues in the place of others, changes classes, and takes both away.
const QUEUES: &str = r#"
let eth0 = tc::device("eth0");
eth0.ensure_class("1:20", "parent 1:1 htb rate 3mbit");
eth0.add_class("1:30", "parent 1:1 htb rate 1mbit");
eth0.add("1:30", "handle 30: bfifo limit 9kb");
eth0.del_class("1:10");
iptables::table("filter").chain("INPUT").append("-p tcp --dport 7 -j DROP");
eth0.ensure("root", "tbf rate 8mbit burst 16kb limit 99kb");
eth0.del("ingress");
tc::qdisc(["replace dev eth1 root handle 1: htb", "add dev eth1 clsact"]);
tc::class("add dev eth1 classid 1:1 htb rate 1mbit");
commit();
eth0.absent("root");
tc::device("eth1").absent_class("1:1");
"#;

/// Makes, changes and takes away filters, its own and those of others, with an action that is shared.
const FILTERS: &str = r#"
let eth0 = tc::device("eth0");
eth0.add_filter("1:", "protocol ip pref 5 u32 ht 2:2: match ip src 10.0.0.2 flowid 1:20");
tc::actions("add action mirred egress redirect dev eth1 index 9");
eth0.ensure_filter("ingress", "protocol ip pref 7 u32 match ip src 10.0.0.9 action mirred index 9");
iptables::table("filter").chain("INPUT").append("-p tcp --dport 7 -j DROP");
eth0.del_filter("1:", "pref 5 handle 2:1:800 u32");
tc::filter("replace dev eth0 ingress protocol ip pref 3 handle ::800 u32 match ip src 10.0.0.8 action mirred egress mirror dev eth1");
commit();
eth0.absent_filter("ingress", "pref 7");
eth0.absent_filter("1:", "");
"#;

/// Makes, sets and takes away links, addresses, neighbours, routes and rules, its own and those of others, in two batches.
const LINKS: &str = r#"
let ours = link::add("ours0 mtu 1400 address 02:00:5e:10:00:75 type veth peer name theirs0");
link::get("theirs0").set("up address 02:00:5e:10:00:76");
ours.up();
ours.addresses().add("192.0.2.77/32");
link::get("left0").set(#{ mtu: 1350, alias: "taken" });
link::routes().add(["10.8.0.0/16 via 203.0.113.2", "blackhole 10.9.0.0/16", "2001:db8:8::/64 via 2001:db8:5::2"]);
link::routes().absent("10.6.0.0/16");
link::rules().add("to 10.9.0.0/16 prohibit");
commit();
link::ensure("br7 up address 02:00:5e:10:00:77 type bridge");
link::get("left0").down();
link::rules().ensure("from 203.0.113.0/24 lookup 100");
link::rules().del("from 198.18.0.0/24 lookup 100");
ours.neighbours().ensure("192.0.2.78 lladdr 02:00:5e:10:00:78");
link::del("spare1");
link::absent("spare0");
"#;

/// Moves links of others to a namespace of its own and to one of others, sets them there, and puts the other end of one of its own there.
const MOVES: &str = r#"
netns::add("blue");
link::add("ours0 up address 02:00:5e:10:00:75 type veth peer name theirs0 netns blue").addresses().add("192.0.2.77/32");
link::get("left0").set("netns foreign name moved0");
netns::enter("foreign", || {
    let moved = link::get("moved0");
    moved.set("up mtu 1300");
    moved.addresses().add("203.0.113.7/24");
});
iptables::table("filter").chain("INPUT").append("-p tcp --dport 7 -j DROP");
link::get("spare1").set("netns blue");
netns::enter("blue", || link::get("theirs0").up());
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
