//! The guard against locking oneself out, with a real connection: what is refused would cut it, and what is allowed does not.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fyke::model::iptables::{Memory, Ruleset, save, walk};
use fyke::model::{Family, Flow, Tracking};

use super::world::{Backend, LONG, World, destroy_sets, on_both, tool};
use crate::program::Said;

on_both! {
    what_cuts_the_login_is_refused
    the_other_family_is_guarded
    what_does_not_touch_the_login_is_done
    a_rule_in_front_decides
    a_set_that_rules_ask_is_looked_into
    a_login_that_is_tracked_may_be_limited
    sudo_does_not_hide_the_login
    a_login_that_is_over_is_not_guarded
    an_undo_that_cuts_is_refused
    a_refusal_lifts_what_was_written_before
    the_way_of_the_login_is_guarded
    a_plan_tells
    what_is_foretold_happens
    queues_that_cut_the_login_are_refused
}

/// Two hundred milliseconds are the least after which TCP sends something once more; on the wires of these tests a packet takes none.
const PATIENCE: Duration = Duration::from_millis(400);

/// A kernel that keeps nothing of any address.
struct Nothing;

impl Memory for Nothing {
    fn hits(&self, _: &str, _: IpAddr) -> Option<usize> {
        Some(0)
    }

    fn holds(&self, _: &str, _: IpAddr) -> Option<bool> {
        Some(false)
    }
}

/// Somebody from the client, logged in at a server that says everything back.
struct Login {
    far: TcpStream,
    shell: Child,
    /// What sshd tells its children.
    connection: String,
}

impl Login {
    /// Logs in; `near` is given the server's end, which the test, and so every program that it starts, would hold otherwise.
    fn open(world: &World, from: &str, port: u16, near: &mut Option<TcpStream>) -> Self {
        let listener = world.listen(port);
        let far = world.connect(from, port);
        let (end, peer) = listener.accept().unwrap();
        let (peer_ip, here) = (peer.ip().to_canonical(), end.local_addr().unwrap());
        let connection = format!("{peer_ip} {} {} {}", peer.port(), here.ip().to_canonical(), here.port());
        let stdio = || Stdio::from(OwnedFd::from(end.try_clone().unwrap()));
        let shell = Command::new("cat").stdin(stdio()).stdout(stdio()).spawn().unwrap();
        *near = Some(end);
        Self { far, shell, connection }
    }

    /// Logs in at port 22.
    fn ssh(world: &World, from: &str) -> Self {
        Self::open(world, from, 22, &mut None)
    }

    /// Runs the program as the shell of this login would.
    fn fyke(&self, world: &World, words: &[&str]) -> Said {
        world.command(words).env("SSH_CONNECTION", &self.connection).output().unwrap().into()
    }

    fn eval(&self, world: &World, flags: &[&str], script: &str) -> Said {
        let script = format!("let v4 = iptables::table(\"filter\"); let v6 = ip6tables::table(\"filter\");\n{script}");
        self.fyke(world, &[&["eval"], flags, &[&script]].concat())
    }

    /// Types a letter and tells whether it comes back within a time.
    fn answers(&mut self, within: Duration) -> bool {
        self.far.write_all(b"x").unwrap();
        self.hears(within)
    }

    fn hears(&mut self, within: Duration) -> bool {
        self.far.set_read_timeout(Some(within)).unwrap();
        match self.far.read(&mut [0]) {
            Ok(1) => true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => false,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn lives(&mut self) {
        assert!(self.answers(LONG), "{} is cut", self.connection);
    }

    /// Sees to it that the run is refused and the login lives, and that without the guard the login is cut until the run is undone.
    #[track_caller]
    fn is_guarded(&mut self, world: &World, script: &str) {
        let before = world.state();
        let said = self.eval(world, &[], script);
        assert!(said.code == Some(5) && said.err.contains("error[lockout]"), "{script}: {said:?}");
        assert!(said.err.contains("<eval>:2:") && said.err.contains("--allow-lockout"), "{script}: {said:?}");
        assert_eq!(world.state(), before, "{script}");
        self.lives();
        let said = self.eval(world, &["--allow-lockout"], script);
        assert_eq!(said.code, Some(0), "{script}: {said:?}");
        assert!(!self.answers(PATIENCE), "{script} does not cut the login");
        let said = self.fyke(world, &["undo", "last"]);
        assert_eq!(said.code, Some(0), "{script}: {said:?}");
        assert!(self.hears(LONG), "{script}: it stays cut");
        assert_eq!(world.state(), before, "{script}");
    }

    /// Sees to it that the run is done and the login lives, also when it is undone.
    #[track_caller]
    fn is_untouched(&mut self, world: &World, script: &str) {
        let before = world.state();
        let said = self.eval(world, &[], script);
        assert_eq!(said.code, Some(0), "{script}: {said:?}");
        assert_ne!(world.state(), before, "{script}");
        self.lives();
        let said = self.fyke(world, &["undo", "last"]);
        assert_eq!(said.code, Some(0), "{script}: {said:?}");
        self.lives();
        assert_eq!(world.state(), before, "{script}");
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

const DROP: &str = "v4.chain(\"INPUT\").append(\"-p tcp --dport 22 -j DROP\");";

fn what_cuts_the_login_is_refused(world: &World) {
    let mut login = Login::ssh(world, "192.0.2.2");
    for script in [
        DROP,
        "v4.chain(\"INPUT\").set_policy(\"DROP\");",
        "v4.chain(\"INPUT\").ensure(#{ source: \"192.0.2.0/24\", jump: \"REJECT\", reject_with: \"icmp-admin-prohibited\" });",
        "v4.chain(\"OUTPUT\").append(\"-p tcp --sport ssh -j DROP\");",
        "v4.chain(\"OUTPUT\").set_policy(\"DROP\");",
        "iptables::table(\"mangle\").chain(\"PREROUTING\").insert(1, \"-i eth0 ! -p udp -j DROP\");",
        "let last = v4.new_chain(\"LAST\"); last.append(\"-p tcp -m multiport --dports 20:25,80 -j DROP\"); v4.chain(\"INPUT\").append(\"-g LAST\");",
    ] {
        login.is_guarded(world, script);
    }
    // Nobody else's login is cut by it, and so nobody else is asked.
    let mut other = Login::open(world, "198.51.100.2", 2222, &mut None);
    other.is_untouched(world, DROP);
}

fn the_other_family_is_guarded(world: &World) {
    let mut login = Login::ssh(world, "2001:db8::2");
    login.is_guarded(
        world,
        "v6.chain(\"INPUT\").append(\"-s 2001:db8::/64 -p tcp --syn -j ACCEPT\"); v6.chain(\"INPUT\").set_policy(\"DROP\");",
    );
    login.is_untouched(world, DROP);
    Login::ssh(world, "192.0.2.2").is_untouched(world, &DROP.replace("v4", "v6"));
}

fn what_does_not_touch_the_login_is_done(world: &World) {
    let mut login = Login::ssh(world, "192.0.2.2");
    for script in [
        "v4.chain(\"INPUT\").append(\"-p tcp --dport 80 -j DROP\");",
        "v4.chain(\"INPUT\").append(\"-p udp -j DROP\");",
        "v4.chain(\"INPUT\").append(\"-i eth1 -j DROP\");",
        "v4.chain(\"INPUT\").append(\"-p tcp --dport 22 --syn -j DROP\");",
        "v4.chain(\"INPUT\").append(\"-s 192.0.2.3 -j DROP\");",
        "v4.chain(\"FORWARD\").set_policy(\"DROP\");",
        "v4.chain(\"INPUT\").append(\"-m limit --limit 1/hour -j LOG\");",
    ] {
        login.is_untouched(world, script);
    }
}

fn a_set_that_rules_ask_is_looked_into(world: &World) {
    tool("ipset", &["create", "blocked", "hash:net"], "");
    let mut login = Login::ssh(world, "192.0.2.2");
    let block = "v4.chain(\"INPUT\").append(\"-m set --match-set blocked src -j DROP\");";
    login.is_untouched(world, block);
    login.is_guarded(world, &format!("ipset::ensure_set(\"own\", \"hash:ip\").ensure(\"192.0.2.2\"); {}", block.replace("blocked", "own")));
    // Somebody who is let in is not cut when both are lifted.
    let friends = "ipset::ensure_set(\"friends\", \"hash:ip\").ensure(\"192.0.2.2\");
        v4.chain(\"INPUT\").append([\"-m set --match-set friends src -j ACCEPT\", \"-p tcp --dport 22 -j DROP\"]);";
    login.is_untouched(world, friends);
    world.iptables("iptables -A INPUT -m set --match-set blocked src -j DROP");
    login.is_guarded(world, "ipset::set(\"blocked\").ensure(\"192.0.2.0/24\");");
    login.is_untouched(world, "ipset::set(\"blocked\").ensure([\"203.0.113.0/24\", \"192.0.2.3\"]);");
    login.is_untouched(world, "ipset::set(\"blocked\").ensure([\"192.0.2.0/24\", \"192.0.2.2 nomatch\"]);");
    login.is_guarded(world, "ipset::new_set(\"fresh\", \"hash:net\").add(\"192.0.2.2\"); ipset::swap(\"fresh\", \"blocked\");");
    world.wipe();
    destroy_sets(&["blocked"]);
}

fn a_rule_in_front_decides(world: &World) {
    let mut login = Login::ssh(world, "192.0.2.2");
    for accept in ["-p tcp --dport 22 -j ACCEPT", "-s 192.0.2.2 -j ACCEPT", "-i eth0 -j ACCEPT", "! -i eth1 -j ACCEPT"] {
        login.is_untouched(world, &format!("v4.chain(\"INPUT\").append(\"{accept}\"); v4.chain(\"INPUT\").set_policy(\"DROP\");"));
    }
    for accept in ["-p tcp --dport 2222 -j ACCEPT", "-s 192.0.2.3 -j ACCEPT", "-i eth1 -j ACCEPT"] {
        login.is_guarded(world, &format!("v4.chain(\"INPUT\").append(\"{accept}\"); v4.chain(\"INPUT\").set_policy(\"DROP\");"));
    }
    // Somebody else's rule counts as much, and to take it away cuts.
    world.iptables("iptables -A INPUT -p tcp --dport 22 -j ACCEPT");
    login.is_untouched(world, "v4.chain(\"INPUT\").set_policy(\"DROP\");");
    world.iptables("iptables -P INPUT DROP");
    login.is_guarded(world, "v4.chain(\"INPUT\").flush();");
    // What nobody can decide is somebody else's as long as nothing becomes worse.
    world.iptables("iptables -I INPUT -m mark --mark 1 -j DROP");
    login.is_untouched(world, "v4.chain(\"INPUT\").append(\"-p tcp --dport 80 -j ACCEPT\");");
    world.wipe();
}

fn a_login_that_is_tracked_may_be_limited(world: &World) {
    let mut login = Login::ssh(world, "192.0.2.2");
    // Tracking begins in the middle of the connection and takes it for a new one, which the list does not know yet.
    let said = login.fyke(world, &["run", "ssh-rate-limit", "--hits", "1"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    login.lives();
    assert_eq!(login.fyke(world, &["undo", "last"]).code, Some(0));
    let mut fresh = Login::open(world, "192.0.2.2", 2222, &mut None);
    fresh.is_guarded(world, "v4.chain(\"INPUT\").append(\"-m state --state NEW -j DROP\");");
    let mut fresh = Login::open(world, "192.0.2.2", 2223, &mut None);
    let established =
        "v4.chain(\"INPUT\").append(\"-m conntrack --ctstate ESTABLISHED -j ACCEPT\"); v4.chain(\"INPUT\").set_policy(\"DROP\");";
    fresh.is_guarded(world, established);
    // Once both sides were heard, it is an established one.
    world.iptables("iptables -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
    login.lives();
    login.is_untouched(world, "v4.chain(\"INPUT\").set_policy(\"DROP\");");
    login.is_untouched(world, "v4.chain(\"INPUT\").insert(1, \"-m state --state NEW -j DROP\");");
    login.is_guarded(
        world,
        "iptables::table(\"raw\").chain(\"PREROUTING\").append(\"-j CT --notrack\"); v4.chain(\"INPUT\").set_policy(\"DROP\");",
    );
    world.wipe();
}

fn sudo_does_not_hide_the_login(world: &World) {
    let mut near = None;
    let mut login = Login::open(world, "192.0.2.2", 22, &mut near);
    let bare =
        |words: &[&str]| -> Said { world.command(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output().unwrap().into() };
    let script = "iptables::table(\"filter\").chain(\"INPUT\").set_policy(\"DROP\")";
    let before = world.state();
    let said = bare(&["eval", script]);
    assert!(said.code == Some(5) && said.err.contains("the login from 192.0.2.2:"), "{said:?}");
    assert_eq!(world.state(), before);
    login.lives();
    // In another network namespace the same change cuts nobody.
    assert_eq!(bare(&["--netns", "client", "eval", "iptables::table(\"filter\").chain(\"FORWARD\").set_policy(\"DROP\")"]).code, Some(0));
    assert_eq!(bare(&["--netns", "client", "undo", "last"]).code, Some(0));
    // Nobody above holds the connection any more.
    drop(near);
    let said = bare(&["eval", script]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!login.answers(PATIENCE));
    assert_eq!(bare(&["undo", "last"]).code, Some(0));
    assert!(login.hears(LONG));
}

fn a_login_that_is_over_is_not_guarded(world: &World) {
    let over = Login::ssh(world, "192.0.2.2").connection.clone();
    let eval = |connection: &str, script: &str| -> Said {
        world.command(&["eval", script]).env("SSH_CONNECTION", connection).output().unwrap().into()
    };
    let script = "iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 22 -j DROP\")";
    for odd in [over.as_str(), "", "192.0.2.2 1 192.0.2.1", "\u{1b}[31m 1 2 3", "127.0.0.1 5 127.0.0.1 22"] {
        let said = eval(odd, script);
        assert_eq!(said.code, Some(0), "{odd}: {said:?}");
        world.undo();
    }
    // Who has come back by another connection is guarded: terminals outlive logins.
    let mut back = Login::ssh(world, "192.0.2.3");
    assert_eq!(eval(&over, script).code, Some(5));
    back.lives();
}

fn an_undo_that_cuts_is_refused(world: &World) {
    let mut login = Login::ssh(world, "192.0.2.2");
    assert_eq!(login.eval(world, &[], "v4.chain(\"INPUT\").append(\"-p tcp --dport 22 -j ACCEPT\");").code, Some(0));
    world.iptables("iptables -P INPUT DROP");
    let before = world.state();
    let said = login.fyke(world, &["undo", "last"]);
    assert!(said.code == Some(5) && said.err.contains("policy of filter/INPUT (IPv4)"), "{said:?}");
    assert_eq!(world.state(), before);
    login.lives();
    let said = login.fyke(world, &["undo", "--allow-lockout", "last"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!login.answers(PATIENCE));
    world.iptables("iptables -P INPUT ACCEPT");
    assert!(login.hears(LONG));
    world.wipe();
    if world.backend == Backend::Nft {
        // Among rules that iptables cannot word nobody can tell.
        assert_eq!(login.eval(world, &[], "v4.chain(\"INPUT\").append(\"-p tcp --dport 80 -j DROP\");").code, Some(0));
        tool("nft", &["add", "rule", "ip", "filter", "INPUT", "tcp", "dport", "{ 1, 2 }", "drop"], "");
        let said = login.fyke(world, &["undo", "last"]);
        assert!(said.code == Some(5) && said.err.contains("cannot word"), "{said:?}");
        assert_eq!(login.fyke(world, &["undo", "--allow-lockout", "last"]).code, Some(0));
        world.wipe();
    }
}

fn a_refusal_lifts_what_was_written_before(world: &World) {
    let mut login = Login::ssh(world, "192.0.2.2");
    let before = world.state();
    let first = "v4.chain(\"INPUT\").append(\"-p tcp --dport 80 -j DROP\"); commit();\n";
    let said = login.eval(world, &[], &format!("{first}{DROP} commit(); print(\"not reached\");"));
    assert!(said.code == Some(5) && said.out.is_empty() && said.err.contains("<eval>:3:"), "{said:?}");
    assert_eq!(world.state(), before);
    login.lives();
    // A script may take the refusal for an answer.
    let said = login.eval(world, &[], &format!("{first}try {{ {DROP} commit(); }} catch (fault) {{ print(fault.kind); }}"));
    assert_eq!((said.code, said.out.as_str()), (Some(0), "lockout\n"), "{said:?}");
    assert_eq!(world.rules("iptables", "INPUT"), ["-A INPUT -p tcp -m tcp --dport 80 -j DROP"]);
    login.lives();
    world.undo();
}

fn a_plan_tells(world: &World) {
    let login = Login::ssh(world, "192.0.2.2");
    let path = world.recipe("cut", &DROP.replace("v4", "iptables::table(\"filter\")"));
    let said = login.fyke(world, &["plan", &path]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("a run would be refused: it could cut the login from 192.0.2.2:"), "{said:?}");
    let said = login.fyke(world, &["--json", "plan", &path]);
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(document["lockouts"][0]["kind"], "lockout", "{said:?}");
    assert_eq!(document["lockouts"][0]["origin"]["at"]["line"], 1, "{said:?}");
    let said = world.fyke(&["plan", &path]);
    assert!(said.code == Some(0) && !said.err.contains("refused"), "{said:?}");
}

/// What a rule of the random rulesets is about; all of it can be decided.
const MATCHES: &[&str] = &[
    "",
    "-p tcp",
    "-p udp",
    "-s 192.0.2.2/32",
    "! -s 192.0.2.0/28",
    "-d 192.0.2.1/32",
    "-d 192.0.2.2/32",
    "-i eth0",
    "-i eth1",
    "! -i lo",
    "-i et+",
    "-p tcp --dport 22",
    "-p tcp --sport 22",
    "-p tcp ! --dport 22",
    "-p tcp -m multiport --dports 80,20:30",
    "-p tcp -m multiport ! --ports 22",
    "-p tcp --syn",
    "-p tcp ! --syn",
    "-p tcp --tcp-flags ALL NONE",
    "-p tcp --tcp-flags SYN,ACK ACK",
    "-m conntrack --ctstate RELATED,ESTABLISHED",
    "-m conntrack ! --ctstate NEW,INVALID",
    "-m state --state NEW",
    "-m iprange --src-range 192.0.2.2-192.0.2.3",
    "-m addrtype --src-type LOCAL",
    "-m addrtype --dst-type LOCAL",
    "-m recent --rcheck --name nobody --rsource",
    "-m recent ! --rcheck --name nobody --rsource",
    "-m comment --comment \"-p udp\"",
];

/// Numbers that look random, the same at every run.
struct Dice(u64);

impl Dice {
    fn roll<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        of[(self.0 >> 20) as usize % of.len()]
    }

    fn ruleset(&mut self) -> String {
        let policies = ["INPUT", "OUTPUT"].map(|chain| format!(":{chain} {} [0:0]\n", self.roll(&["ACCEPT", "ACCEPT", "DROP"])));
        let mut rules = String::new();
        for (chain, count, targets) in [
            ("INPUT", 4, &["ACCEPT", "DROP", "RETURN", "LOG", "A", "B"][..]),
            ("OUTPUT", 2, &["ACCEPT", "DROP", "A", "B"]),
            ("A", 3, &["ACCEPT", "DROP", "RETURN", "B"]),
            ("B", 2, &["ACCEPT", "DROP", "RETURN"]),
        ] {
            for _ in 0..count {
                let (mut about, target) = (self.roll(MATCHES), self.roll(targets));
                // The hooks of outgoing packets take no interface by which they came.
                if chain != "INPUT" && about.contains("-i ") {
                    about = "-p tcp";
                }
                let jump = if target.len() == 1 { self.roll(&["-j", "-j", "-g"]) } else { "-j" };
                rules += &format!("-A {chain} {about} {jump} {target}\n");
            }
        }
        format!("*filter\n{}:FORWARD ACCEPT [0:0]\n:A - [0:0]\n:B - [0:0]\n{rules}COMMIT\n", policies.concat())
    }
}

/// Random rulesets: where the walk sees no cut the login lives, and where it sees one for sure it does not.
fn what_is_foretold_happens(world: &World) {
    const RULESETS: usize = 40;
    let mut login = Login::ssh(world, "192.0.2.2");
    let tracking = vec![Tracking::Established];
    let (peer, here) = (login.far.local_addr().unwrap(), login.far.peer_addr().unwrap());
    let flow = Flow { peer, here, interface: Some("eth0".into()), tracking, holders: Vec::new() };
    // As long as a rule asks for it, tracking knows the connection.
    world.iptables("iptables -t mangle -A FORWARD -m conntrack --ctstate NEW");
    login.lives();
    let (restore, list) = (format!("iptables-{}-restore", world.backend.name()), format!("iptables-{}-save", world.backend.name()));
    let (mut dice, mut lived, mut died) = (Dice(0x6679_6b65), 0, 0);
    for _ in 0..RULESETS {
        tool(&restore, &[], &dice.ruleset());
        let text = tool(&list, &["-t", "filter"], "");
        let mut set = Ruleset::empty(Family::V4);
        save::read(&mut set, &text, &|_| false).unwrap();
        let cuts = walk::cuts(&set, &flow, &Nothing);
        if cuts.is_empty() {
            assert!(login.answers(LONG), "cut, and nothing foretold it:\n{text}");
            lived += 1;
        } else if cuts.iter().any(walk::Cut::is_sure) {
            assert!(!login.answers(Duration::from_millis(150)), "not cut, though {}:\n{text}", cuts[0]);
            died += 1;
        }
        tool(&restore, &[], "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n");
        assert!(cuts.is_empty() || login.hears(LONG), "it stays cut:\n{text}");
    }
    assert!(lived > RULESETS / 8 && died > RULESETS / 8, "{lived} lived, {died} died");
    world.iptables("iptables -t mangle -F");
    world.wipe();
}

/// A link, an address, a route or a rule without which the packets of the login find no way.
fn the_way_of_the_login_is_guarded(world: &World) {
    let mut login = Login::ssh(world, "192.0.2.2");
    for script in [
        "link::get(\"eth0\").down();",
        "link::get(\"eth0\").addresses().del(\"192.0.2.1\");",
        "link::routes().add(\"blackhole 192.0.2.2\");",
        "link::rules().add(\"to 192.0.2.0/24 unreachable\");",
        "link::routes(100).add(\"prohibit default\"); link::rules().add(\"from 192.0.2.1 lookup 100\");",
    ] {
        login.is_guarded(world, script);
    }
    // What is about others is none of the login's business.
    for script in [
        "link::get(\"eth1\").down();",
        "link::routes().add(\"blackhole 203.0.113.0/24\");",
        "link::rules().add(\"to 198.51.100.0/24 unreachable\");",
        "link::rules().add(\"from 192.0.2.1 lookup 100\");",
        "link::get(\"eth0\").addresses().add(\"192.0.2.77/24\"); link::get(\"eth0\").set(\"mtu 1400\");",
    ] {
        let said = login.eval(world, &[], script);
        assert_eq!(said.code, Some(0), "{script}: {said:?}");
        login.lives();
        assert_eq!(login.fyke(world, &["undo", "last"]).code, Some(0), "{script}");
        login.lives();
    }
    // A plan tells, and an undo is refused that takes the address away by which its user has come.
    let said = login.fyke(world, &["plan", &world.recipe("down", "link::get(\"eth0\").down();")]);
    assert!(said.err.contains("the link eth0 is set down") || said.out.contains("the link eth0 is set down"), "{said:?}");
}

fn queues_that_cut_the_login_are_refused(world: &World) {
    let mut login = Login::ssh(world, "192.0.2.2");
    // No packet fits into the bucket.
    login.is_guarded(world, "tc::device(\"eth0\").ensure(\"root\", \"tbf rate 1mbit burst 40 limit 100\");");
    // Another interface, and a rate with which one can work.
    for script in [
        "tc::device(\"eth1\").ensure(\"root\", \"tbf rate 1mbit burst 40 limit 100\");",
        "tc::device(\"eth0\").ensure(\"root\", \"tbf rate 1mbit burst 32kbit latency 50ms\");",
    ] {
        let before = world.state();
        let said = login.eval(world, &[], script);
        assert_eq!(said.code, Some(0), "{script}: {said:?}");
        login.lives();
        assert_eq!(login.fyke(world, &["undo", "last"]).code, Some(0));
        assert_eq!(world.state(), before);
    }
}
