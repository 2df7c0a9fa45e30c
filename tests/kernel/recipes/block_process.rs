//! `block-process` and `unblock-process`, by what a program with sockets of all kinds still reaches, and what reaches it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::spawn;

use super::super::cgroup::{has_groups, place};
use super::super::tree::groups;
use super::super::world::{Running, World, in_a_world, tool};
use super::{FAR, Net, PUBLIC, Place, is_refused};

in_a_world! {
    a_program_drops_all_and_everything_goes_on_afterwards
    the_other_family_is_blocked_too
    a_process_is_found_by_name_port_and_group
    a_class_id_drops_what_leaves
    a_path_drops_what_leaves_by_new_sockets
    what_a_path_cannot_cover_is_refused
    what_starts_meanwhile_comes_back_too
    what_is_not_acceptable_is_refused
}

const ALL: &str = "tcp=1 new-tcp=1 udp=1 new-udp=1 hears=1 child=1";
const NOTHING: &str = "tcp=0 new-tcp=0 udp=0 new-udp=0 hears=0 child=0";

/// Answers whatever comes, over TCP on port 80 and with datagrams on port 90.
fn answer(place: &Place) {
    let any = |port| SocketAddr::new("::".parse().unwrap(), port);
    let (tcp, udp) = place.within(|| (TcpListener::bind(any(80)).unwrap(), UdpSocket::bind(any(90)).unwrap()));
    spawn(move || {
        for mut stream in tcp.incoming().flatten() {
            spawn(move || {
                let mut word = [0; 9];
                while stream.read(&mut word).is_ok_and(|length| length > 0) && stream.write_all(b"me").is_ok() {}
            });
        }
    });
    spawn(move || {
        while let Ok((_, peer)) = udp.recv_from(&mut [0; 9]) {
            let _ = udp.send_to(b"me", peer);
        }
    });
}

/// The program that is blocked.
struct Victim<'a> {
    child: Child,
    asked: ChildStdin,
    said: BufReader<ChildStdout>,
    from: &'a Place,
    own: &'static str,
}

impl<'a> Victim<'a> {
    /// Starts it with connections to the host outside; `at` chooses the family.
    fn start(from: &'a Place, at: usize) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernel/recipes/victim.pl");
        let mut command = Command::new("perl");
        let mut child = command.args([script, FAR[at], PUBLIC[at]]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (asked, said) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut victim = Self { child, asked, said, from, own: PUBLIC[at] };
        assert_eq!(victim.line(), "ready");
        victim
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Sends it a datagram, and lets it try all that it has.
    fn tries(&mut self) -> String {
        let own = SocketAddr::new(self.own.parse().unwrap(), 7003);
        self.from.within(|| {
            let any = if own.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            UdpSocket::bind(any).unwrap().send_to(b"hear", own).unwrap();
        });
        std::thread::sleep(std::time::Duration::from_millis(20));
        writeln!(self.asked, "try").unwrap();
        self.line()
    }

    /// Tells whether somebody outside can connect to it.
    fn is_reached(&self) -> bool {
        self.from.connect(None, self.own, 7002).is_some()
    }

    fn pid(&self) -> String {
        self.child.id().to_string()
    }
}

impl Drop for Victim<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn a_program_drops_all_and_everything_goes_on_afterwards(world: &World) {
    if !has_groups() {
        return;
    }
    let net = Net::new();
    answer(&net.outside);
    let mut victim = Victim::start(&net.outside, 0);
    let before = world.state();
    assert_eq!((victim.tries().as_str(), victim.is_reached()), (ALL, true));
    let pid = victim.pid();
    let words = ["block-process", "--pid", pid.as_str()];
    let plan = world.fyke_well(&[&["plan"], &words[..]].concat());
    assert!(plan.out.contains(&format!("cgroup of process {pid}: / becomes /fyke-block-{pid}")), "{plan:?}");
    assert_eq!((world.state(), victim.tries().as_str()), (before, ALL), "a plan changes nothing");
    let before = world.state();
    let said = world.fyke_well(&[&["run"], &words[..]].concat());
    assert!(
        said.out.starts_with(&format!("blocked by bpf: {pid} victim-{pid}\ncovered: ")) && said.out.contains("not covered: unix sockets"),
        "{said:?}"
    );
    assert_eq!((victim.tries().as_str(), victim.is_reached()), (NOTHING, false));
    assert_eq!(world.fyke_well(&[&["run"], &words[..]].concat()).err, "nothing changed\n");
    // Others are not concerned.
    let mut other = Command::new("bash").args(["-c", &format!("exec 3<>/dev/tcp/{}/80", FAR[0])]).spawn().unwrap();
    assert!(other.wait().unwrap().success());
    world.fyke_well(&["run", "unblock-process", "--pid", &pid]);
    assert_eq!((place(victim.child.id()), world.state()), ("/".to_owned(), before));
    assert_eq!((victim.tries().as_str(), victim.is_reached()), (ALL, true));
    // Undo of the undo, and by the other words.
    world.fyke_well(&["redo"]);
    assert_eq!(victim.tries(), NOTHING);
    world.fyke_well(&["undo", "--recipe", "block-process"]);
    assert_eq!(victim.tries(), ALL);
    let said = world.fyke(&["run", "unblock-process", "--pid", &pid]);
    assert!(said.code == Some(2) && said.err.contains("nothing of it is in force here"), "{said:?}");
}

fn the_other_family_is_blocked_too(world: &World) {
    if !has_groups() {
        return;
    }
    let net = Net::new();
    answer(&net.outside);
    let mut victim = Victim::start(&net.outside, 1);
    assert_eq!((victim.tries().as_str(), victim.is_reached()), (ALL, true));
    world.fyke_well(&["run", "block-process", "--pid", &victim.pid()]);
    assert_eq!((victim.tries().as_str(), victim.is_reached()), (NOTHING, false));
    world.undo();
    assert_eq!((victim.tries().as_str(), victim.is_reached()), (ALL, true));
}

fn a_process_is_found_by_name_port_and_group(world: &World) {
    if !has_groups() {
        return;
    }
    let net = Net::new();
    answer(&net.outside);
    let mut victim = Victim::start(&net.outside, 0);
    world.fyke_well(&["run", "block-process", "--port", "7002"]);
    assert_eq!(victim.tries(), NOTHING);
    world.fyke_well(&["run", "unblock-process"]);
    assert_eq!(victim.tries(), ALL);
    // By its group, without being moved; sockets that it had before it came into the group are covered as well.
    world.fyke_well(&["eval", &format!("cgroup::new_group(\"/theirs\").add({})", victim.pid())]);
    world.fyke_well(&["run", "block-process", "--cgroup", "/theirs"]);
    assert_eq!((victim.tries().as_str(), place(victim.child.id())), (NOTHING, "/theirs".to_owned()));
    assert_eq!(world.fyke_well(&["run", "block-process", "--cgroup", "/theirs"]).err, "nothing changed\n");
    world.fyke_well(&["run", "unblock-process", "--cgroup", "/theirs"]);
    assert_eq!(victim.tries(), ALL);
    world.undo();
    // By the name that only it has: a process may call itself as it likes.
    let name = format!("victim-{}", victim.pid());
    world.fyke_well(&["run", "block-process", "--name", &name]);
    assert_eq!(victim.tries(), NOTHING);
    world.fyke_well(&["run", "unblock-process", "--name", &name]);
    assert_eq!(victim.tries(), ALL);
}

/// Mounts the hierarchy of net_cls for this world. It is the machine's own, so what is in it has names that nobody else has.
fn with_net_cls(work: impl FnOnce(&std::path::Path)) {
    let point = std::path::Path::new("/run/net_cls");
    fs::create_dir(point).unwrap();
    let mount = Command::new("mount").args(["-t", "cgroup", "-o", "net_cls", "none", "/run/net_cls"]).output().unwrap();
    if !mount.status.success() {
        return println!("skipped: net_cls cannot be mounted here: {}", String::from_utf8_lossy(&mount.stderr).trim_end());
    }
    work(point);
    tool("umount", &["/run/net_cls"], "");
}

fn a_class_id_drops_what_leaves(world: &World) {
    if !has_groups() {
        return;
    }
    with_net_cls(|point| {
        let net = Net::new();
        answer(&net.outside);
        let mut victim = Victim::start(&net.outside, 0);
        let before = world.state();
        let pid = victim.pid();
        let said = world.fyke_well(&["run", "block-process", "--pid", &pid, "--how", "classid"]);
        assert!(said.out.contains("blocked by classid: ") && said.out.contains("not covered: what comes in"), "{said:?}");
        // Sockets that were open are covered: the kernel marks them when their process is moved.
        assert_eq!(victim.tries(), NOTHING.replace("hears=0", "hears=1"));
        let group = point.join(format!("fyke-block-{pid}"));
        let class: u32 = fs::read_to_string(group.join("net_cls.classid")).unwrap().trim().parse().unwrap();
        assert_eq!(class >> 16, 0xf1ce);
        assert_eq!(world.fyke_well(&["run", "block-process", "--pid", &pid, "--how", "classid"]).err, "nothing changed\n");
        world.fyke_well(&["run", "unblock-process", "--pid", &pid]);
        assert_eq!((victim.tries().as_str(), group.exists(), world.state()), (ALL, false, before));
    });
}

fn a_path_drops_what_leaves_by_new_sockets(world: &World) {
    if !has_groups() {
        return;
    }
    let net = Net::new();
    answer(&net.outside);
    // One that has nothing but a connection.
    let script = format!(
        "exec 3<>/dev/tcp/{0}/80; echo ready; while read line; do (echo who >&3 && read -t 1 -N 2 answer <&3) 2>/dev/null && echo old || echo cut; \
         timeout 1 bash -c 'exec 4<>/dev/tcp/{0}/80' 2>/dev/null && echo new || echo kept; done",
        FAR[0]
    );
    let mut command = Command::new("bash");
    let mut child = command.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut asked, mut said) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
    assert_eq!(said.next().unwrap().unwrap(), "ready");
    let mut tries = || {
        writeln!(asked, "try").unwrap();
        [said.next().unwrap().unwrap(), said.next().unwrap().unwrap()]
    };
    assert_eq!(tries(), ["old", "new"]);
    let before = world.state();
    let pid = child.id().to_string();
    let told = world.fyke_well(&["run", "block-process", "--pid", &pid, "--how", "path"]);
    assert!(told.out.contains("blocked by path: ") && told.out.contains("open TCP connections are ended"), "{told:?}");
    assert!(told.err.contains("destroyed the socket tcp") && told.err.contains(", which cannot be lifted"), "{told:?}");
    assert_eq!(tries(), ["cut", "kept"]);
    assert!(!world.rules("iptables", "OUTPUT").is_empty() && !world.rules("ip6tables", "OUTPUT").is_empty());
    world.fyke_well(&["run", "unblock-process", "--pid", &pid]);
    assert_eq!(tries(), ["cut", "new"], "what was destroyed does not come back");
    assert_eq!(world.state(), before);
    drop(asked);
    child.wait().unwrap();
}

fn what_a_path_cannot_cover_is_refused(world: &World) {
    if !has_groups() {
        return;
    }
    let net = Net::new();
    answer(&net.outside);
    let mut victim = Victim::start(&net.outside, 0);
    let before = world.state();
    let said = world.fyke(&["run", "block-process", "--pid", &victim.pid(), "--how", "path"]);
    assert!(said.code == Some(1) && said.err.contains("has a socket that a rule by path does not know (udp "), "{said:?}");
    assert_eq!((world.state(), victim.tries().as_str()), (before, ALL), "it is rolled back, and nothing was destroyed");
    // A packet socket passes by all groups.
    let sniffer = "use Socket; socket(my $s, 17, SOCK_RAW, 0) or die $!; $| = 1; print \"ready\\n\"; sleep 10000";
    let mut child = Command::new("perl").args(["-e", sniffer]).stdout(Stdio::piped()).spawn().unwrap();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let before = world.state();
    let said = world.fyke(&["run", "block-process", "--pid", &child.id().to_string()]);
    assert!(said.code == Some(1) && said.err.contains("has a packet socket (descriptor "), "{said:?}");
    assert_eq!(world.state(), before);
    // In another network the rules of this one say nothing, and a program does.
    let mut far = Command::new("ip").args(["netns", "exec", "outside", "sleep", "10000"]).spawn().unwrap();
    super::super::world::until("it is there", || {
        fs::read_to_string(format!("/proc/{}/comm", far.id())).is_ok_and(|name| name == "sleep\n")
    });
    let pid = far.id().to_string();
    let said = world.fyke(&["run", "block-process", "--pid", &pid, "--how", "path"]);
    assert!(said.code == Some(2) && said.err.contains("is in another network"), "{said:?}");
    world.fyke_well(&["run", "block-process", "--pid", &pid]);
    world.undo();
    for child in [&mut child, &mut far] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

fn what_starts_meanwhile_comes_back_too(world: &World) {
    if !has_groups() {
        return;
    }
    // It starts others without end, until it is killed with the test.
    let mut command = Command::new("bash");
    command.args(["-c", "while true; do sleep 0.02 & sleep 0.01; done"]);
    let busy = Running::of(command);
    let pid = busy.guardian().to_string();
    for _ in 0..5 {
        world.fyke_well(&["run", "block-process", "--pid", &pid]);
        assert_eq!(place(busy.guardian().as_raw() as u32), format!("/fyke-block-{pid}"));
        let said = world.fyke(&["run", "unblock-process", "--pid", &pid]);
        assert_eq!((said.code, place(busy.guardian().as_raw() as u32).as_str(), groups().len()), (Some(0), "/", 1), "{said:?}");
    }
}

fn what_is_not_acceptable_is_refused(world: &World) {
    is_refused(world, &["block-process"], "one of --pid, --name, --port and --cgroup says who is meant");
    is_refused(world, &["block-process", "--pid", "1", "--name", "x"], "one of --pid, --name, --port and --cgroup says who is meant");
    is_refused(world, &["block-process", "--pid", "x"], "--pid x: it is no number");
    is_refused(world, &["block-process", "--pid", "0"], "cannot use 0 as the number of a process");
    is_refused(world, &["block-process", "--pid", "-1"], "cannot use -1 as the number of a process");
    is_refused(world, &["block-process", "--pid", "4194305"], "no process has a number above 4194304");
    is_refused(world, &["block-process", "--pid", "1"], "process 1 is the first of all");
    is_refused(world, &["block-process", "--pid", "4194304"], "there is no such process, or it has ended");
    is_refused(world, &["block-process", "--port", "70000"], "a port is a number from 1 to 65535");
    is_refused(world, &["block-process", "--name", "a/b"], "it is a plain name, without folders");
    is_refused(world, &["block-process", "--cgroup", "../.."], "as the path of a cgroup");
    is_refused(world, &["block-process", "--pid", "1", "--how", "magic"], "it is one of");
    if has_groups() {
        is_refused(world, &["block-process", "--pid", &std::process::id().to_string()], "it is fyke itself");
    }
}
