//! A small world for each test: two network namespaces with wires between them, and a /run of their own.
//!
//! ```text
//!   the server: fyke and iptables work here        the client (ip netns exec client ...)
//!   eth0  192.0.2.1/24     2001:db8::1/64     ◄─►  eth0  192.0.2.2, .3       2001:db8::2, ::3, 2001:db8:0:1::2
//!   eth1  198.51.100.1/24  2001:db8:1::1/64   ◄─►  eth1  198.51.100.2        2001:db8:1::2
//! ```
//!
//! The test runs once more in a process of its own that `unshare` gave the namespaces, as root or as an ordinary user. They are gone with it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use fyke::model::iptables::Table;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Socket, Type};

pub(crate) use super::running::Running;
pub(crate) use super::shown::{links, sets, sysctls};
use super::shown::{namespaces, queues};
use super::tree::{Tree, groups};
use crate::program::{self, Folder, Said, is_root};

/// What tells the second process what it is for, and whether root of the machine started it.
const INSIDE: &str = "FYKE_TEST_WORLD";

/// How long a dropped connection is waited for: less than the second after which TCP would send its SYN once more.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long anything else is waited for.
pub(crate) const LONG: Duration = Duration::from_secs(20);

const WIRES: &str = "\
link set lo up
link add eth0 type veth peer name eth0 netns client
link add eth1 type veth peer name eth1 netns client
link set eth0 up
link set eth1 up
addr add 192.0.2.1/24 dev eth0
addr add 2001:db8::1/64 dev eth0 nodad
addr add 198.51.100.1/24 dev eth1
addr add 2001:db8:1::1/64 dev eth1 nodad
route add 2001:db8:0:1::/64 dev eth0
";

const FAR_WIRES: &str = "\
link set lo up
link set eth0 up
link set eth1 up
addr add 192.0.2.2/24 dev eth0
addr add 192.0.2.3/24 dev eth0
addr add 2001:db8::2/64 dev eth0 nodad
addr add 2001:db8::3/64 dev eth0 nodad
addr add 2001:db8:0:1::2/64 dev eth0 nodad
addr add 198.51.100.2/24 dev eth1
addr add 2001:db8:1::2/64 dev eth1 nodad
";

/// The implementation of iptables that a test is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Nft,
    Legacy,
}

impl Backend {
    /// Gives the name that the programs have it by.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Backend::Nft => "nft",
            Backend::Legacy => "legacy",
        }
    }
}

/// Declares a test for each backend: functions that take the world.
macro_rules! on_both {
    ($($name:ident)*) => {
        mod nft {
            $(#[test]
            fn $name() {
                $crate::kernel::world::run(concat!(module_path!(), "::", stringify!($name)), $crate::kernel::world::Backend::Nft, super::$name);
            })*
        }
        mod legacy {
            $(#[test]
            fn $name() {
                $crate::kernel::world::run(concat!(module_path!(), "::", stringify!($name)), $crate::kernel::world::Backend::Legacy, super::$name);
            })*
        }
    };
}
pub(crate) use on_both;

/// Declares a test for one backend: functions that take the world, and to which the backend is all the same.
macro_rules! in_a_world {
    ($($name:ident)*) => {
        mod world {
            $(#[test]
            fn $name() {
                $crate::kernel::world::run(concat!(module_path!(), "::", stringify!($name)), $crate::kernel::world::Backend::Nft, super::$name);
            })*
        }
    };
}
pub(crate) use in_a_world;

/// Runs a test in a world of its own; `name` is its path.
pub(crate) fn run(name: &str, backend: Backend, test: fn(&World)) {
    if std::env::var_os(INSIDE).is_some() {
        let world = World::make(backend);
        let before = world.state();
        test(&world);
        // The rule of all these tests: whatever they did, they have lifted it.
        assert_eq!(world.state(), before);
        return;
    }
    let mut words = vec!["--net", "--mount"];
    if !is_root() {
        // One after the other: the files of /proc/net belong to root of the user namespace only if it has its users by then.
        words.splice(0..0, ["--user", "--map-root-user", "unshare"]);
    }
    let probe = Command::new("unshare").args(&words).arg("true").output().unwrap();
    if !probe.status.success() {
        println!("skipped: no namespace can be made here: {}", String::from_utf8_lossy(&probe.stderr).trim_end());
        return;
    }
    let tree = Tree::make();
    let mut unshare = tree.as_ref().map_or_else(|| Command::new("unshare"), Tree::command);
    unshare.args(&words).args(tree.as_ref().map(|_| "--cgroup"));
    let (_, path) = name.split_once("::").unwrap();
    let test = unshare
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", path, "--nocapture", "--test-threads=1"])
        .env(INSIDE, if is_root() { "root" } else { "user" });
    // Only this way what it says is shown where the test runner wants it.
    let said: Said = test.output().unwrap().into();
    print!("{}{}", said.out, said.err);
    assert!(said.code == Some(0) && said.out.contains("1 passed"), "{name} failed in its world");
}

/// All that iptables and nft know of a world, as text without counters. Equal texts are equal states.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    nft: Vec<String>,
    rules: Vec<(&'static str, String)>,
    recent: Vec<String>,
    sysctls: BTreeMap<String, String>,
    sets: Vec<String>,
    groups: BTreeMap<String, Vec<String>>,
    namespaces: Vec<String>,
    links: Vec<String>,
    queues: Vec<String>,
}

impl State {
    /// Tells whether nothing is set at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.nft.is_empty() && self.recent.is_empty() && self.sets.is_empty() && self.rules.iter().all(|(_, rules)| rules.is_empty())
    }
}

/// The namespaces of one test.
pub(crate) struct World {
    /// The implementation of iptables that the test is about.
    pub(crate) backend: Backend,
    /// A folder for recipes.
    pub(crate) folder: Folder,
    /// Whether the test runs as root of the machine, and not of a user namespace only.
    pub(crate) is_root: bool,
    client: File,
}

impl World {
    fn make(backend: Backend) -> Self {
        const NOTHING: Option<&str> = None;
        mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING).unwrap();
        mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=0755")).unwrap();
        // What the machine remembers of its own runs is none of the tests' business.
        let _ = mount(Some("tmpfs"), "/var/lib/fyke", Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=0700"));
        Tree::enter();
        // What user namespaces are mounted with belongs to the machine; /proc/net and the recent lists follow the process.
        tool("ip", &["netns", "add", "client"], "");
        tool("ip", &["-batch", "-"], WIRES);
        // As most distributions have it: a fresh namespace lets nobody ping.
        fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0").unwrap();
        tool("ip", &["-n", "client", "-batch", "-"], FAR_WIRES);
        let client = File::open("/run/netns/client").unwrap();
        Self { backend, folder: Folder::new(), is_root: std::env::var(INSIDE).is_ok_and(|who| who == "root"), client }
    }

    /// Runs the program on the backend of the test.
    pub(crate) fn fyke(&self, words: &[&str]) -> Said {
        self.command(words).output().unwrap().into()
    }

    /// Runs the program, which must exit with 0.
    pub(crate) fn fyke_well(&self, words: &[&str]) -> Said {
        let said = self.fyke(words);
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        said
    }

    /// Gives a command that runs the program on the backend of the test.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        program::command(["--backend", self.backend.name(), "--color", "never"].iter().chain(words))
    }

    /// Starts the program and waits until its script prints this line.
    #[track_caller]
    pub(crate) fn start(&self, words: &[&str], line: &str) -> Running {
        Running::until_it_says(self.command(words), line)
    }

    /// Writes a recipe into the folder of the test and gives its path.
    pub(crate) fn recipe(&self, name: &str, text: &str) -> String {
        self.folder.file(&format!("{name}.rhai"), text)
    }

    /// Runs a recipe of this text.
    pub(crate) fn run(&self, name: &str, text: &str) -> Said {
        self.fyke(&["run", &self.recipe(name, text)])
    }

    /// Runs a recipe that must do its work.
    #[track_caller]
    pub(crate) fn does(&self, name: &str, text: &str) {
        let said = self.run(name, text);
        assert_eq!(said.code, Some(0), "{said:?}");
    }

    /// Undoes the last run that is in force.
    pub(crate) fn undo(&self) -> Said {
        self.fyke_well(&["undo", "last"])
    }

    /// Runs a command of iptables as another program would: `iptables -A INPUT ...`, words between blanks.
    pub(crate) fn iptables(&self, line: &str) -> String {
        let (program, line) = line.split_once(' ').unwrap_or((line, ""));
        let program = program.replacen("tables", &format!("tables-{}", self.backend.name()), 1);
        tool(&program, &line.split_whitespace().collect::<Vec<_>>(), "")
    }

    /// Takes out everything of this backend, whoever set it.
    pub(crate) fn wipe(&self) {
        if self.backend == Backend::Nft {
            tool("nft", &["flush", "ruleset"], "");
            return;
        }
        for (program, names) in [("iptables", "ip_tables_names"), ("ip6tables", "ip6_tables_names")] {
            let names = fs::read_to_string(format!("/proc/thread-self/net/{names}")).unwrap_or_default();
            for table in Table::ALL.iter().filter(|table| names.lines().any(|name| name == table.name())) {
                let accept: String = table.builtin_chains().iter().map(|chain| format!(":{chain} ACCEPT\n")).collect();
                tool(&format!("{program}-legacy-restore"), &[], &format!("*{table}\n{accept}COMMIT\n"));
            }
        }
    }

    /// Gives the rules of a chain of the filter table as iptables lists them.
    pub(crate) fn rules(&self, program: &str, chain: &str) -> Vec<String> {
        self.iptables(&format!("{program} -S {chain}")).lines().filter(|line| line.starts_with("-A")).map(without_tag).collect()
    }

    /// Gives the state of all tables of both backends and both families.
    pub(crate) fn state(&self) -> State {
        let mut rules = Vec::new();
        for program in ["iptables-nft-save", "ip6tables-nft-save", "iptables-legacy-save", "ip6tables-legacy-save"] {
            rules.push((program, plain(&tool(program, &[], ""))));
        }
        let mut recent: Vec<String> = fs::read_dir("/proc/thread-self/net/xt_recent")
            .map(|lists| lists.map(|list| list.unwrap().file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        recent.sort();
        State {
            nft: chains(&tool("nft", &["-s", "list", "ruleset"], "")),
            rules,
            recent,
            sysctls: sysctls(),
            sets: sets(),
            groups: groups(),
            namespaces: namespaces(),
            links: links(),
            queues: queues(),
        }
    }

    /// Gives the namespace in which fyke works a name, until what is given back is dropped.
    pub(crate) fn attach(&self, name: &'static str) -> Attached {
        tool("ip", &["netns", "attach", name, &std::process::id().to_string()], "");
        Attached(name)
    }

    /// Listens on a port, in both families.
    pub(crate) fn listen(&self, port: u16) -> TcpListener {
        TcpListener::bind(SocketAddr::new("::".parse().unwrap(), port)).unwrap()
    }

    /// Connects from an address of the client.
    fn reach(&self, from: IpAddr, to: SocketAddr, patience: Duration) -> std::io::Result<TcpStream> {
        let connect = || {
            setns(self.client.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
            socket.connect_timeout(&to.into(), patience).map(|()| socket.into())
        };
        scope(|scope| scope.spawn(connect).join().unwrap())
    }

    /// Connects from an address of the client to a port of the server on the same wire.
    pub(crate) fn connect(&self, from: &str, port: u16) -> TcpStream {
        let (from, to) = ends(from, port);
        self.reach(from, to, LONG).unwrap()
    }

    /// Tells whether a connection takes no longer than the given time.
    pub(crate) fn connects(&self, from: IpAddr, to: SocketAddr, patience: Duration) -> bool {
        match self.reach(from, to, patience) {
            Ok(_) => true,
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => false,
            Err(error) => panic!("{from} to {to}: {error}"),
        }
    }

    /// Sees to it that a connection from an address of the client passes, at its first packet.
    #[track_caller]
    pub(crate) fn passes(&self, from: &str, port: u16) {
        let (from, to) = ends(from, port);
        assert!(self.connects(from, to, Duration::from_millis(900)), "{from} to {to} is dropped");
    }

    /// Sees to it that a connection from an address of the client is dropped.
    #[track_caller]
    pub(crate) fn is_dropped(&self, from: &str, port: u16) {
        let (from, to) = ends(from, port);
        assert!(!self.connects(from, to, PATIENCE), "{from} to {to} passes");
    }
}

/// The name of a namespace that goes before the namespace does.
#[must_use]
pub(crate) struct Attached(&'static str);

impl Drop for Attached {
    fn drop(&mut self) {
        // What is left of it, the comparison of states finds.
        let _ = Command::new("ip").args(["netns", "del", self.0]).status();
    }
}

/// Gives an address of the client, and that of the server on the same wire.
fn ends(from: &str, port: u16) -> (IpAddr, SocketAddr) {
    let to = match from {
        _ if from.starts_with("192.0.2.") => "192.0.2.1",
        _ if from.starts_with("198.51.100.") => "198.51.100.1",
        _ if from.starts_with("2001:db8:1::") => "2001:db8:1::1",
        _ => "2001:db8::1",
    };
    (from.parse().unwrap(), SocketAddr::new(to.parse().unwrap(), port))
}

/// Runs a tool that must succeed.
#[track_caller]
pub(crate) fn tool(program: &str, words: &[&str], input: &str) -> String {
    let mut command = Command::new(program);
    command.args(words).stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
    if let Some(mut stdin) = child.stdin.take() {
        std::io::Write::write_all(&mut stdin, input.as_bytes()).unwrap();
    }
    let said: Said = child.wait_with_output().unwrap().into();
    assert_eq!(said.code, Some(0), "{program} {words:?}: {}", said.err);
    said.out
}

/// Destroys sets, all if none is named. nf_tables lets go of them a while after its rules have gone.
pub(crate) fn destroy_sets(names: &[&str]) {
    let names = if names.is_empty() { vec![""] } else { names.to_vec() };
    let destroy = |name: &str| Command::new("ipset").arg("destroy").args(Some(name).filter(|name| !name.is_empty())).output().unwrap();
    let begun = Instant::now();
    for name in names {
        while !destroy(name).status.success() {
            assert!(begun.elapsed() < LONG, "the set {name} stays in use");
            sleep(Duration::from_millis(5));
        }
    }
}

/// Takes what changes by itself, and what stays after a first use, out of the text of iptables-save: comments, counters of chains, and tables
/// in which nothing was ever set.
pub(crate) fn plain(save: &str) -> String {
    let mut tables: Vec<Vec<String>> = Vec::new();
    for line in save.lines().filter(|line| !line.starts_with('#')) {
        if line.starts_with('*') {
            tables.push(Vec::new());
        }
        let line = if line.starts_with(':') { line.split(" [").next().unwrap() } else { line };
        tables.last_mut().unwrap().push(line.to_owned());
    }
    tables.retain(|lines| lines.iter().any(|line| line.starts_with('-') || (line.starts_with(':') && !line.ends_with(" ACCEPT"))));
    tables.sort();
    tables.concat().join("\n")
}

/// Splits the text of nft into tables and chains, sorted: they stand there in the order in which they were made.
pub(crate) fn chains(ruleset: &str) -> Vec<String> {
    let (mut found, mut table) = (Vec::new(), "");
    for line in ruleset.lines() {
        match line {
            _ if line.starts_with("table ") => {
                table = line;
                found.push(line.to_owned());
            }
            _ if line.starts_with("\tchain ") => found.push(format!("{table}{line}")),
            "" | "\t}" | "}" => {}
            // Of a target of x_tables nft shows its own word or nothing, as it happens; iptables-save shows it always.
            _ => found.last_mut().unwrap().push_str(line.strip_suffix("masquerade").unwrap_or(line)),
        }
    }
    found.sort();
    found
}

/// Takes the tag of fyke off a rule.
pub(crate) fn without_tag(line: &str) -> String {
    let Some((before, rest)) = line.split_once(" -m comment --comment \"fyke:") else { return line.to_owned() };
    let (_, after) = rest.split_once('"').unwrap();
    format!("{before}{after}")
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < LONG, "{what} did not happen");
        sleep(Duration::from_millis(5));
    }
}

/// Runs tc(8) as another program would.
pub(crate) fn tc(line: &str) -> String {
    tool("tc", &line.split_whitespace().collect::<Vec<_>>(), "")
}

/// Runs ip(8) as another program would.
pub(crate) fn ip(line: &str) -> String {
    tool("ip", &line.split_whitespace().collect::<Vec<_>>(), "")
}
