//! One world, one recipe, and the two states between which nothing may lie.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Instant;

use nix::mount::{MntFlags, umount2};

use super::rooms::{QUEUED, Room};
use super::tracer::{self, Deed, Entry, Point, Trace};
use crate::kernel::shown::{links, queues};
use crate::kernel::tree::{groups, unified};
use crate::kernel::world::{Backend, World, chains, destroy_sets, plain, sets, sysctls, tool};
use crate::program::Said;

/// The tables that are swept with nothing in them. The others of legacy iptables stay unregistered.
const EMPTY: &str = "\
*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT
*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT
*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT
";

/// What other programs have as sets.
const SETS: &str = "\
create foreign hash:net comment
add foreign 10.0.0.0/8 comment \"a rest\"
add foreign 192.0.2.0/24
create other hash:net comment
add other 198.51.100.0/24
create spare hash:ip timeout 0
add spare 192.0.2.9
";

/// Ports that other programs have reserved.
const RESERVED: (&str, &str) = ("/proc/sys/net/ipv4/ip_local_reserved_ports", "7000-7002");

/// What other programs have as links, with what is on them. What the kernel would choose at random is chosen here.
const LINKS: &str = "\
link add left0 index 71 address 02:00:5e:10:00:71 type veth peer name right0 index 72 address 02:00:5e:10:00:72
link add spare0 index 73 address 02:00:5e:10:00:73 type veth peer name spare1 index 74 address 02:00:5e:10:00:74
link set left0 up
link set right0 up
link set spare0 up
addr add 203.0.113.1/24 dev left0
addr add 2001:db8:5::1/64 dev left0 nodad
addr add 198.18.0.1/24 dev spare0
route add 10.5.0.0/16 via 203.0.113.2
route add 10.6.0.0/16 via 203.0.113.2 metric 5
route add 2001:db8:6::/64 via 2001:db8:5::2
route add 10.7.0.0/16 via 198.18.0.2
neigh add 203.0.113.2 lladdr 02:00:5e:10:00:02 dev left0
rule add from 198.18.0.0/24 lookup 100
";

/// Parameters of links that other programs have set.
const OF_LINKS: [(&str, &str); 3] = [
    ("/proc/sys/net/ipv4/conf/left0/rp_filter", "2"),
    ("/proc/sys/net/ipv6/conf/spare1/accept_ra", "0"),
    ("/proc/sys/net/ipv4/neigh/spare0/gc_stale_time", "77"),
];

/// The links of others and of the recipes, and what is left of these without a link.
const LINKS_GONE: &str = "\
link del left0
link del right0
link del spare0
link del ours0
link del br7
rule del from 198.18.0.0/24
rule del from 203.0.113.0/24
rule del to 10.9.0.0/16
route del blackhole 10.9.0.0/16
";

/// A state, as text: equal texts are equal states.
pub(crate) type State = String;

/// A recipe in a world.
pub(crate) struct Stage<'a> {
    world: &'a World,
    /// The recipe.
    pub(crate) room: &'a Room,
    run: Vec<String>,
    /// The state before the recipe.
    pub(crate) before: State,
    /// The state after it, when nothing disturbs it.
    pub(crate) after: State,
}

/// Tells in which control group the parent of the test is, which recipes move about.
fn place_of_parent() -> String {
    let text = fs::read_to_string(format!("/proc/{}/cgroup", std::os::unix::process::parent_id())).unwrap();
    text.lines().find(|line| line.starts_with("0::")).unwrap_or_default().to_owned()
}

impl<'a> Stage<'a> {
    /// Sets what others had set before, and looks once at what the recipe makes of it.
    ///
    /// Gives nothing, and says why, where programs cannot be traced.
    pub(crate) fn new(world: &'a World, room: &'a Room) -> Option<Self> {
        if let Some(why) = tracer::why_not(world) {
            println!("skipped: {why}");
            return None;
        }
        let own = || room.own().split(' ').map(str::to_owned).collect();
        let recipe: Vec<String> = room.text().map_or_else(own, |text| vec![world.recipe(room.name, text)]);
        let run = [vec!["run".to_owned()], recipe].concat();
        let mut stage = Self { world, room, run, before: String::new(), after: String::new() };
        forget();
        stage.wipe();
        stage.set();
        stage.before = stage.state();
        let said = world.fyke(&stage.run());
        assert_eq!(said.code, Some(room.code), "{said:?}");
        stage.after = stage.state();
        stage.reset();
        Some(stage)
    }

    /// Gives the words that run the recipe.
    pub(crate) fn run(&self) -> Vec<&str> {
        self.run.iter().map(String::as_str).collect()
    }

    /// Runs fyke, and does one thing at one of its calls.
    pub(crate) fn trace(&self, words: &[&str], deed: Option<(Point, Deed)>) -> Trace {
        tracer::trace(&self.world.folder, self.world.command(words), deed)
    }

    /// Runs fyke, and shows all of its calls.
    pub(crate) fn watch(&self, words: &[&str], see: &mut dyn FnMut(&Entry)) -> Trace {
        tracer::watch(&self.world.folder, self.world.command(words), None, see)
    }

    /// Runs fyke undisturbed.
    pub(crate) fn fyke(&self, words: &[&str]) -> Said {
        self.world.fyke(words)
    }

    /// Takes out everything, whoever set it.
    pub(crate) fn wipe(&self) {
        self.wipe_rules();
        destroy_sets(&[]);
        self.wipe_groups();
        fs::write(RESERVED.0, "\n").unwrap();
        for name in names().iter().filter(|name| *name != "client") {
            let path = format!("/run/netns/{name}");
            let _ = umount2(path.as_str(), MntFlags::MNT_DETACH);
            fs::remove_file(path).unwrap();
        }
        for place in [["eth0", "root"], ["eth0", "ingress"], ["eth1", "root"], ["eth1", "clsact"]] {
            // Where nothing is, nothing is taken away.
            let _ = Command::new("tc").args(["qdisc", "del", "dev"]).args(place).output().unwrap();
        }
        wipe_actions();
        // What is not there need not be taken away.
        let gone = self.world.folder.file("gone", LINKS_GONE);
        let _ = std::process::Command::new("ip").args(["-force", "-batch", &gone]).output().unwrap();
    }

    fn wipe_rules(&self) {
        if self.world.backend == Backend::Nft {
            return self.world.wipe();
        }
        for program in ["iptables", "ip6tables"] {
            tool(&format!("{program}-legacy-restore"), &[], EMPTY);
        }
    }

    /// Puts the parent of the test back, and takes out the groups; their programs go with them.
    fn wipe_groups(&self) {
        let Some(root) = unified().filter(|_| !groups().is_empty()) else { return };
        fs::write(root.join("cgroup.procs"), std::os::unix::process::parent_id().to_string()).unwrap();
        for group in groups().keys().rev().filter(|group| *group != "/") {
            fs::remove_dir(root.join(&group[1..])).unwrap();
        }
    }

    fn set(&self) {
        if let Some(root) = unified().filter(|_| !groups().is_empty()) {
            ["foreign", "other"].iter().for_each(|name| fs::create_dir(root.join(name)).unwrap());
        }
        tool("ipset", &["restore"], SETS);
        fs::write(RESERVED.0, RESERVED.1).unwrap();
        // What only one room is about costs all the others time.
        if ["netns", "moves"].contains(&self.room.name) {
            for name in ["foreign", "spare"] {
                tool("ip", &["netns", "add", name], "");
            }
            let program = format!("iptables-{}", self.world.backend.name());
            tool("ip", &["netns", "exec", "foreign", &program, "-A", "INPUT", "-p", "tcp", "--dport", "6", "-j", "DROP"], "");
            fs::File::create("/run/netns/half").unwrap().set_permissions(fs::Permissions::from_mode(0o0)).unwrap();
        }
        tool("tc", &["-batch", "-"], QUEUED);
        tool("ip", &["-batch", "-"], LINKS);
        for (path, value) in OF_LINKS {
            fs::write(path, value).unwrap();
        }
        for program in ["iptables", "ip6tables"] {
            tool(&format!("{program}-{}-restore", self.world.backend.name()), &[], self.room.before);
        }
    }

    /// Puts the world back to where the recipe has not been run.
    pub(crate) fn reset(&self) {
        forget();
        if self.state() != self.before {
            self.wipe();
            self.set();
            // What others follow comes first.
            let lines = || self.before.lines().filter_map(|line| line.split_once(" = ").filter(|(path, _)| path.starts_with("/proc/sys/")));
            let leads = |path: &str| path.ends_with("ip_forward") || path.contains("/all/");
            let ordered = lines().filter(|(path, _)| leads(path)).chain(lines().filter(|(path, _)| !leads(path)));
            ordered
                .filter(|(path, value)| fs::read_to_string(path).is_ok_and(|now| now.trim_end() != *value))
                .for_each(|(path, value)| fs::write(path, value).unwrap());
            assert_eq!(self.state(), self.before);
        }
    }

    /// Judges a state: whether all was done, or else nothing.
    pub(crate) fn judge(&self) -> Result<bool, String> {
        match self.state() {
            state if state == self.before => Ok(false),
            state if state == self.after => Ok(true),
            state => {
                let (before, after) = (difference(&self.before, &state), difference(&self.after, &state));
                let (near, how) = if before.len() < after.len() { ("before", before) } else { ("after", after) };
                Err(format!("neither; what is other than {near}: {how}"))
            }
        }
    }

    /// Gives the present state of the backend.
    pub(crate) fn state(&self) -> State {
        let backend = self.world.backend.name();
        let mut state: Vec<String> =
            ["iptables", "ip6tables"].map(|program| plain(&tool(&format!("{program}-{backend}-save"), &[], ""))).into();
        if self.world.backend == Backend::Nft {
            state.extend(chains(&tool("nft", &["-s", "list", "ruleset"], "")));
        }
        let lists = fs::read_dir("/proc/thread-self/net/xt_recent").into_iter().flatten();
        state.extend(lists.map(|list| list.unwrap().file_name().into_string().unwrap()).collect::<BTreeSet<_>>());
        state.extend(sysctls().into_iter().map(|(path, value)| format!("{path} = {value}")));
        state.extend(sets());
        state.extend(groups().into_iter().map(|(group, programs)| format!("{group}: {programs:?}")));
        state.push(place_of_parent());
        state.extend(names().iter().filter(|name| *name != "client").map(|name| inside(name, backend)));
        state.extend(files("/run/fyke/netns").iter().map(|_| "one is kept aside".to_owned()));
        state.extend(queues());
        state.extend(links());
        without_indices(&without_run(&state.join("\n")))
    }
}

/// Forgets all that fyke remembers: its journal, and the namespaces that it keeps aside.
fn forget() {
    for name in files("/run/fyke/netns") {
        let _ = umount2(format!("/run/fyke/netns/{name}").as_str(), MntFlags::MNT_DETACH);
    }
    let _ = fs::remove_dir_all("/run/fyke");
}

fn files(folder: &str) -> Vec<String> {
    let mut found: Vec<String> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    found.sort();
    found
}

fn names() -> Vec<String> {
    files("/run/netns")
}

/// Gives what is in a namespace: its rules, a parameter, and its links with their addresses; or that it is none.
fn inside(name: &str, backend: &str) -> String {
    let run = |words: &[&str]| Command::new("ip").args(["netns", "exec", name]).args(words).output().unwrap();
    let rules = run(&[&format!("iptables-{backend}-save")]);
    let forward = run(&["cat", "/proc/sys/net/ipv4/ip_forward"]);
    let links = run(&["ip", "-j", "address"]);
    let links: Vec<serde_json::Value> = serde_json::from_slice(&links.stdout).unwrap_or_default();
    let addresses = |link: &serde_json::Value| {
        let all = link["addr_info"].as_array().cloned().unwrap_or_default();
        all.iter().filter(|one| one["scope"] == "global").map(|one| one["local"].to_string()).collect::<String>()
    };
    let up = |link: &serde_json::Value| link["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == "UP"));
    let links = links
        .iter()
        .map(|link| format!("{} mtu {} up {} {}\n", link["ifname"], link["mtu"], up(link), addresses(link)))
        .collect::<String>();
    match rules.status.success() {
        true => {
            let (rules, forward) = (String::from_utf8_lossy(&rules.stdout), String::from_utf8_lossy(&forward.stdout));
            format!("namespace {name}: {}{forward}{links}", plain(&rules))
        }
        false => format!("namespace {name}: none"),
    }
}

impl fmt::Display for Stage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.room.name, self.world.backend.name())
    }
}

/// Says which lines of a state are gone, and which are new; or only moved.
fn difference(before: &str, now: &str) -> String {
    let lines = |mark: char, of: &str, other: &str| -> Vec<String> {
        let missing = |line: &&str| other.lines().filter(|it| it == line).count() < of.lines().filter(|it| it == line).count();
        of.lines().filter(missing).map(|line| format!("{mark} {line}")).collect()
    };
    let changed = [lines('-', before, now), lines('+', now, before)].concat();
    if changed.is_empty() { format!("the same lines in another order:\n{now}") } else { format!("\n{}", changed.join("\n")) }
}

/// Takes id and number out of the tags: `fyke:name#id.1` becomes `fyke:name`. Equal rules of both families may be numbered in any order.
fn without_run(text: &str) -> String {
    let mut parts = text.split("\"fyke:");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (tag, rest) = part.split_once('"').unwrap();
        let owner = tag.rsplit_once('#').map_or(tag, |(owner, _)| owner);
        out.push_str(&format!("\"fyke:{owner}\"{rest}"));
    }
    out
}

/// Takes out the indices that fyke has chosen at random: those from 2^20 on.
fn without_indices(text: &str) -> String {
    let digits = |c: char| c.is_ascii_digit();
    let plain = |part: &str| {
        let (number, rest) = part.split_at(part.find(|c| !digits(c)).unwrap_or(part.len()));
        if number.parse::<u32>().is_ok_and(|index| index >= 1 << 20) { format!("ours{rest}") } else { part.to_owned() }
    };
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let without = |line: String, mark: &str| match line.split_once(mark) {
            Some((before, after)) => format!("{before}{mark}{}", plain(after)),
            None => line,
        };
        lines.push(["\"ifindex\":", "\"link_index\":", "address of "].iter().fold(line.to_owned(), |line, mark| without(line, mark)));
    }
    lines.sort();
    lines.join("\n")
}

/// What came of many disturbances.
pub(crate) struct Tally {
    what: String,
    began: Instant,
    tried: usize,
    before: usize,
    after: usize,
    unmet: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// Begins to count.
    pub(crate) fn of(what: String) -> Self {
        Self { what, began: Instant::now(), tried: 0, before: 0, after: 0, unmet: 0, wrong: Vec::new() }
    }

    /// Counts one.
    pub(crate) fn count(&mut self, trace: &Trace, verdict: Result<bool, String>) {
        let Some(hit) = trace.hit else {
            self.unmet += 1;
            return;
        };
        self.tried += 1;
        match verdict {
            _ if trace.hung => self.wrong.push(format!("{hit}: it hung: {:?}", trace.said)),
            Ok(false) => self.before += 1,
            Ok(true) => self.after += 1,
            Err(why) => self.wrong.push(format!("{hit}: {why}")),
        }
    }

    /// Says what came of it, and fails if anything was wrong.
    pub(crate) fn close(self) {
        println!("{self}");
        assert!(self.wrong.is_empty(), "{}:\n{}", self.what, self.wrong.join("\n"));
        // Two runs differ by a few calls: locks that are waited for, threads that meet. A few calls say nothing of that.
        let met = self.tried > 0 && (self.tried < 20 || self.unmet * 5 <= self.tried);
        assert!(met, "{self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { what, tried, before, after, unmet, wrong, began } = self;
        let each = began.elapsed().as_millis() / (*tried).max(1) as u128;
        write!(f, "{what}: {tried}: before {before}, after {after}, neither {}; {each} ms each", wrong.len())?;
        if *unmet > 0 { write!(f, " ({unmet} calls were not made again)") } else { Ok(()) }
    }
}

/// Tells whether all is swept, and not a sample.
pub(crate) fn full() -> bool {
    std::env::var_os("FYKE_FAULTS").is_some_and(|word| word == "full")
}

/// Takes a sample, or all when all is to be swept; `FYKE_FAULTS=5` takes a sample that is five times as large.
pub(crate) fn some<T: Copy>(all: Vec<T>, most: usize) -> Vec<T> {
    let times = std::env::var("FYKE_FAULTS").ok().and_then(|word| word.parse().ok()).unwrap_or(1);
    if full() { all } else { sample(all, most * times) }
}

/// Takes a sample that is spread evenly from the first to the last, and the same each time.
pub(crate) fn sample<T: Copy>(all: Vec<T>, most: usize) -> Vec<T> {
    let last = all.len().saturating_sub(1);
    if last < most { all } else { (0..most).map(|number| all[number * last / (most - 1)]).collect() }
}

/// Takes away the actions; the kernel lets go of those that filters have used a little later than of the filters.
fn wipe_actions() {
    let tc = |verb: &str| Command::new("tc").args(["actions", verb, "action", "mirred"]).output().unwrap().stdout;
    for _ in 0..200 {
        if !String::from_utf8_lossy(&tc("ls")).contains("index") {
            return;
        }
        tc("flush");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("somebody uses an action still");
}
