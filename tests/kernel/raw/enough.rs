//! A Ctrl-C ends `ping`, `capture` and `packet-generator` as it ends ping(8) and tcpdump(8): with a summary. What was changed is lifted all the same.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::kernel::running::Running;
use crate::kernel::world::{World, in_a_world, tool};
use crate::program::Said;
use crate::terminal::Terminal;

in_a_world! {
    a_ping_sums_up
    a_capture_sums_up_and_its_file_is_whole
    a_generator_sums_up
    what_was_changed_is_lifted
    a_second_one_ends_it_at_once
    any_other_request_ends_it_without_a_word
    a_terminal_ends_it_with_its_key
}

/// Traffic, until it is dropped.
struct Pings(Child);

impl Pings {
    fn begin() -> Self {
        Self(Command::new("ping").args(["-i", "0.02", "192.0.2.2"]).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Pings {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a program is at work, and interrupts it as somebody at a terminal does: both processes are told.
fn interrupted(running: Running, after: u64) -> Said {
    std::thread::sleep(Duration::from_millis(after));
    let (guardian, runner) = (running.guardian(), running.runner());
    let asked = Instant::now();
    kill(runner, Signal::SIGINT).unwrap();
    kill(guardian, Signal::SIGINT).unwrap();
    let said = running.end();
    assert!(asked.elapsed() < Duration::from_millis(1500), "{:?}: {said:?}", asked.elapsed());
    said
}

/// Gives the number before a word.
fn number(text: &str, word: &str) -> usize {
    let before = text.split(word).next().unwrap().trim_end();
    before.rsplit(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse().unwrap_or_else(|_| panic!("no {word}: {text}"))
}

fn a_ping_sums_up(world: &World) {
    let ping = ["run", "--allow-public", "ping", "--host", "192.0.2.2", "--count", "100", "--interval", "100ms"];
    let said = interrupted(world.start(&ping, "PING 192.0.2.2 (192.0.2.2) 56(84) bytes of data."), 450);
    assert_eq!(said.code, Some(130), "{said:?}");
    let lines = said.out.matches("64 bytes from 192.0.2.2: icmp_seq=").count();
    let (sent, received) = (number(&said.out, " packets transmitted, "), number(&said.out, " received"));
    assert!((3..20).contains(&sent) && received == lines && sent - received < 2, "{said:?}");
    assert!(said.out.contains("--- 192.0.2.2 ping statistics ---") && said.out.contains("rtt min/avg/max/mdev = "), "{said:?}");
    assert!(said.err.contains(&format!("! exchanged {sent} of 100 packets of icmp with 192.0.2.2, which cannot be lifted")), "{said:?}");
    assert!(!said.err.contains("error"), "{said:?}");
    // Nobody answers: what was lost is told as well.
    let lost = ["run", "--allow-public", "ping", "--host", "192.0.2.250", "--count", "9", "--interval", "100ms", "--timeout", "20s"];
    let said = interrupted(world.start(&lost, "PING 192.0.2.250 (192.0.2.250) 56(84) bytes of data."), 450);
    assert!(said.code == Some(130) && said.out.contains(" 0 received") && said.out.contains(", 100% packet loss"), "{said:?}");
}

fn a_capture_sums_up_and_its_file_is_whole(world: &World) {
    let path = world.folder.path().join("enough.pcap").display().to_string();
    let _pings = Pings::begin();
    let start = |more: &[&str]| {
        let words = [&["run", "capture", "--interface", "eth0", "--proto", "icmp", "--time", "60s"], more].concat();
        Running::of(world.command(&words))
    };
    let said = interrupted(start(&["--file", &path]), 1200);
    assert_eq!(said.code, Some(130), "{said:?}");
    let first = said.out.lines().next().unwrap();
    let packets: usize = first.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(packets > 10 && said.out.contains("dropped   0 by the kernel"), "{said:?}");
    assert!(said.out.contains(&format!("file      {path}")) && said.out.contains('█'), "{said:?}");
    let read = tool("tshark", &["-r", &path, "-T", "fields", "-e", "icmp.type"], "");
    assert_eq!(read.lines().count(), packets, "every packet that was counted is in the file, and whole");
    // Packets that are printed by a function of the script while the signal comes.
    let said = interrupted(start(&[]), 1200);
    let printed = said.out.lines().filter(|line| line.contains("icmp echo-re")).count();
    assert!(said.code == Some(130) && printed > 10 && said.out.contains(&format!("packets   {printed} in ")), "{said:?}");
}

fn a_generator_sums_up(world: &World) {
    let words = ["run", "--allow-public", "packet-generator", "--to", "192.0.2.2", "--count", "1000000", "--rate", "2000", "--time", "60s"];
    let said = interrupted(Running::of(world.command(&words)), 1000);
    let sent = number(&said.out, " packets, ");
    assert!(said.code == Some(130) && sent > 10 && sent < 10_000, "{said:?}");
    assert!(said.err.contains(&format!("! sent {sent} packets of udp to 192.0.2.2")), "{said:?}");
}

/// A run that has changed something when it is interrupted, and goes on with what is given.
fn changed(world: &World, more: &str) -> Running {
    let recipe = world.recipe(
        "changed",
        &format!(
            "//! Changes.\n//! needs: iptables, raw\n//! risk: changes\nlet filter = iptables::table(\"filter\");
             filter.chain(\"INPUT\").append(\"-p tcp --dport 9 -j DROP\"); commit(); print(\"there\");
             let seen = raw::capture(\"eth0\", #{{ time: \"60s\" }}); print(`summed up: ${{seen.interrupted}}`);\n{more}"
        ),
    );
    world.start(&["run", &recipe], "there")
}

fn what_was_changed_is_lifted(world: &World) {
    let before = world.state();
    for (more, why) in [
        ("", "cannot keep what was changed: interrupted"),
        ("filter.chain(\"INPUT\").append(\"-p tcp --dport 10 -j DROP\");", "cannot keep what was changed: interrupted"),
        ("filter.chain(\"INPUT\").append(\"-p tcp --dport 10 -j DROP\"); commit(); print(\"never\");", "cannot begin anything more"),
        ("sys::run([\"true\"]); print(\"never\");", "cannot begin anything more"),
        ("raw::open(\"ipv4\", \"raw\").send(packet::ipv4(#{ dst: \"127.0.0.1\" })); print(\"never\");", "cannot send anything more"),
        ("throw \"too little came\";", "too little came"),
        ("exit(70);", "cannot keep what was changed: interrupted"),
    ] {
        let said = interrupted(changed(world, more), 300);
        assert_eq!((said.code, said.out.as_str()), (Some(130), "summed up: true\n"), "{more}: {said:?}");
        assert!(said.err.contains(why), "{more}: {said:?}");
        assert_eq!(world.state(), before, "{more}");
    }
    world.wipe();
}

fn a_second_one_ends_it_at_once(world: &World) {
    let before = world.state();
    let running = changed(world, "print(\"on and on\"); loop { let it = 1 + 1; }");
    let guardian = running.guardian();
    std::thread::sleep(Duration::from_millis(300));
    let begun = Instant::now();
    kill(guardian, Signal::SIGINT).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    kill(guardian, Signal::SIGINT).unwrap();
    let said = running.end();
    assert!(begun.elapsed() < Duration::from_millis(1500), "not only when the grace is over: {:?}", begun.elapsed());
    assert_eq!((said.code, said.out.as_str()), (Some(130), "summed up: true\non and on\n"), "{said:?}");
    assert_eq!(world.state(), before);
    // Without one, its grace has an end.
    let running = changed(world, "loop { let it = 1 + 1; }");
    std::thread::sleep(Duration::from_millis(300));
    kill(running.guardian(), Signal::SIGINT).unwrap();
    let said = running.end();
    assert!(said.code == Some(130) && said.err.contains("it did not stop within 2s, and was killed"), "{said:?}");
    assert_eq!(world.state(), before);
    world.wipe();
}

fn any_other_request_ends_it_without_a_word(world: &World) {
    let before = world.state();
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let running = changed(world, "");
        std::thread::sleep(Duration::from_millis(300));
        kill(running.guardian(), signal).unwrap();
        let said = running.end();
        assert_eq!((said.code, said.out.as_str()), (Some(code), ""), "{said:?}");
        assert_eq!(world.state(), before);
    }
    world.wipe();
}

fn a_terminal_ends_it_with_its_key(world: &World) {
    let ping = ["run", "--allow-public", "ping", "--host", "192.0.2.2", "--count", "100", "--interval", "200ms"];
    let mut terminal = Terminal::open((24, 100), &world.command(&ping));
    terminal.until_it("pings", |shown| shown.contains("icmp_seq=3"));
    terminal.press("\x03");
    assert_eq!(terminal.code(), Some(130));
    terminal.until_it("sums up", |shown| shown.contains("ping statistics") && shown.contains(" 0% packet loss"));
}
