//! `capture`, `packet-generator` and `mtu-probe`.

use std::process::Command;
use std::time::Duration;

use super::capture::BEGUN;
use super::{at_the_client, listener};
use crate::kernel::world::{World, in_a_world, ip, tool};
use crate::program::Said;
use crate::terminal::Terminal;

in_a_world! {
    capture_shows_and_sums_up
    packet_generator_sends_what_is_said
    mtu_probe_finds_the_narrow_place
    a_plan_says_which_capability_is_missing
    what_is_not_acceptable_is_refused
}

fn capture_shows_and_sums_up(world: &World) {
    let path = world.folder.path().join("recipe.pcap").display().to_string();
    let ping = "let ping = raw::ping(\"ipv4\");
        for turn in 0..20 { ping.send(packet::icmp(#{ type: \"echo-request\", seq: turn }) / \"hello\", \"192.0.2.2\"); sleep(\"5ms\"); }";
    let ping = world.recipe("ping", &format!("{BEGUN}{ping}"));
    let run = |words: &[&str]| {
        let mut pinging = world.command(&["run", "--allow-public", &ping]).spawn().unwrap();
        let said = world.fyke_well(&[&["run", "capture", "--interface", "eth0", "--proto", "icmp", "--count", "40"], words].concat());
        assert!(pinging.wait().unwrap().success());
        said
    };
    let said = run(&[]);
    let packets =
        |way: &str, kind: &str| said.out.lines().filter(|line| line.contains(&format!(" {way} 192.0.2.")) && line.contains(kind)).count();
    assert_eq!((packets(">", "echo-request"), packets("<", "echo-reply")), (20, 20), "{said:?}");
    assert!(said.out.contains("packets   40 in ") && said.out.contains("dropped   0 by the kernel"), "{said:?}");
    assert!(said.out.lines().any(|line| line.contains('|') && line.contains('█')), "a chart: {said:?}");
    let talks = said
        .out
        .lines()
        .filter(|line| line.contains("icmp") && line.contains("192.0.2.1") && line.split_whitespace().any(|word| word == "20"))
        .count();
    assert_eq!(talks, 2, "{said:?}");
    assert!(said.err.contains("nothing changed"), "{said:?}");

    let said = run(&["--file", &path, "--src", "192.0.2.2,203.0.113.0/24", "--count", "20"]);
    assert!(!said.out.contains("echo-reply") && said.out.contains(&format!("file      {path}")), "{said:?}");
    assert!(said.err.contains(&format!("! wrote {path:?}, which cannot be lifted")), "{said:?}");
    let back = world.fyke_well(&["eval", &format!("packet::read(\"{path}\").filter(|packet| packet.icmp.type == 0).len")]);
    assert_eq!(back.out, "20\n");
    assert!(run(&["--tree"]).out.contains("payload, 5 bytes"));
    // Whoever sits there sees how far it has come, and nothing of that remains.
    let mut terminal =
        Terminal::open((24, 100), &world.command(&["run", "capture", "--interface", "eth1", "--time", "1500ms", "--port", "4711"]));
    terminal.until_it("tells how far it has come", |shown| shown.contains("0 packets of at most 1000, "));
    assert_eq!(terminal.code(), Some(0));
    let end = terminal.until_it("has a summary", |shown| shown.contains("packets   0 in 1500ms"));
    assert!(!end.contains("of at most"), "{end}");
    let said = world.fyke_well(&["run", "capture", "--interface", "eth1", "--time", "100ms", "--port", "4711", "--quiet"]);
    assert!(said.out.contains("packets   0 in 100ms"), "{said:?}");
    let said = world.fyke_well(&["--json", "run", "capture", "--interface", "eth1", "--time", "50ms", "--vlan", "7", "--without", "22"]);
    assert!(said.out.contains("\"value\": []"), "{said:?}");
}

fn a_plan_says_which_capability_is_missing(world: &World) {
    let plan = |words: &[&str], as_whom: &[&str]| -> Said {
        let fyke = world.command(&[&["plan"], words].concat());
        let mut command = Command::new("setpriv");
        command.args(as_whom).arg(fyke.get_program()).args(fyke.get_args());
        let said: Said = command.envs(fyke.get_envs().filter_map(|(name, value)| Some((name, value?)))).output().unwrap().into();
        assert_eq!(said.code, Some(0), "a plan is a plan: {said:?}");
        said
    };
    let (without, nobody) = (["--bounding-set=-net_raw", "--inh-caps=-net_raw"], ["--bounding-set=-all", "--inh-caps=-all"]);
    let path = "/proc/sys/net/ipv4/ping_group_range";
    let before = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, "1 0").unwrap();
    let ping = ["ping", "--host", "127.0.0.1"];
    for (words, what) in [
        (&["capture", "--interface", "eth0"][..], "cannot open a packet socket on eth0: it takes CAP_NET_RAW; run fyke as root"),
        (&["packet-generator", "--to", "127.0.0.1"], "cannot open a raw socket of RAW over IPv4: it takes CAP_NET_RAW; run fyke as root"),
        (&["traceroute", "--host", "127.0.0.1"], "cannot open a raw socket of icmp over IPv4: it takes CAP_NET_RAW; run fyke as root"),
        (&["dns-query", "--name", "x", "--server", "127.0.0.1"], "it takes CAP_NET_RAW; run fyke as root"),
        (&ping, "it takes CAP_NET_RAW, or a ping socket, and no group of this user is in net.ipv4.ping_group_range; run fyke as root"),
    ] {
        let said = plan(words, &without);
        assert!(said.err.contains("a run would be refused: cannot open a") && said.err.contains(what), "{words:?}: {said:?}");
        assert!(!plan(words, &[]).err.contains("refused"), "{words:?}: root has it");
    }
    // Who has nothing at all may plan what only sends and receives.
    assert!(plan(&ping, &nobody).err.contains("it takes CAP_NET_RAW, or a ping socket"));
    assert!(!plan(&["dns-query", "--name", "x", "--server", "127.0.0.1", "--tcp"], &nobody).err.contains("refused"));
    std::fs::write(path, "0 0").unwrap();
    let said = plan(&ping, &without);
    assert!(!said.err.contains("refused") && said.out.contains("! exchanged 4 packets of icmp"), "a ping socket does it: {said:?}");
    std::fs::write(path, before).unwrap();
}

fn packet_generator_sends_what_is_said(world: &World) {
    let far = listener("192.0.2.2:9");
    let said = world.fyke_well(&[
        "run",
        "--allow-public",
        "packet-generator",
        "--to",
        "192.0.2.2",
        "--count",
        "50",
        "--rate",
        "5000",
        "--vary",
        "udp.sport=100-104",
    ]);
    assert!(said.out.contains("sent      50 packets"), "{said:?}");
    let mut ports = std::collections::BTreeMap::<u16, usize>::new();
    for _ in 0..50 {
        let mut bytes = [0; 100];
        let (length, from) = far.recv_from(&mut bytes).unwrap();
        assert_eq!(length, 18);
        *ports.entry(from.port()).or_default() += 1;
    }
    assert_eq!(ports.into_iter().collect::<Vec<_>>(), (100..105).map(|port| (port, 10)).collect::<Vec<_>>());
    // Frames, which no route leads.
    let mac = tool("ip", &["-n", "client", "-br", "link", "show", "eth0"], "").split_whitespace().nth(2).unwrap().to_owned();
    let frames = ["--interface", "eth0", "--mac", &mac, "--count", "5", "--size", "7"];
    world.fyke_well(&[&["run", "--allow-public", "packet-generator", "--to", "192.0.2.2"][..], &frames].concat());
    let (length, from) = far.recv_from(&mut [0; 100]).unwrap();
    assert_eq!((length, from.to_string()), (7, "192.0.2.1:40000".to_owned()));
    for (proto, to, what) in
        [("tcp", "192.0.2.2", "tcp"), ("icmp", "192.0.2.2", "icmp"), ("icmp", "2001:db8::2", "icmpv6"), ("tcp", "2001:db8::2", "tcp")]
    {
        let said = world.fyke_well(&["run", "--allow-public", "packet-generator", "--to", to, "--proto", proto, "--count", "3"]);
        assert!(said.err.contains(&format!("! sent 3 packets of {what} to {to}")), "{said:?}");
    }
    let said = world.fyke(&["run", "packet-generator", "--to", "192.0.2.2"]);
    assert!(said.code == Some(5) && said.err.contains("--allow-public"), "{said:?}");
    let said = world.fyke_well(&["plan", "packet-generator", "--to", "192.0.2.2", "--count", "7"]);
    assert!(said.out.contains("! sent up to 7 packets of udp to 192.0.2.2"), "{said:?}");
}

/// A host behind a router, and a wire between them that takes less than the others.
fn mtu_probe_finds_the_narrow_place(world: &World) {
    tool("ip", &["netns", "add", "beyond"], "");
    let wires = "link add eth9 type veth peer name eth9 netns beyond\nlink set eth9 up mtu 1400\naddr add 10.9.0.1/24 dev eth9\naddr add fd00:9::1/64 dev eth9 nodad\n";
    tool("ip", &["-n", "client", "-batch", "-"], wires);
    let far = "link set lo up\nlink set eth9 up mtu 1400\naddr add 10.9.0.2/24 dev eth9\naddr add fd00:9::2/64 dev eth9 nodad\nroute add default via 10.9.0.1\nroute add default via fd00:9::1\n";
    tool("ip", &["-n", "beyond", "-batch", "-"], far);
    ip("route add 10.9.0.0/24 via 192.0.2.2");
    ip("route add fd00:9::/64 via 2001:db8::2");
    at_the_client(|| {
        for path in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            std::fs::write(format!("/proc/sys/net/{path}"), "1").unwrap();
        }
    });
    std::thread::sleep(Duration::from_millis(100));
    // The router has several addresses of IPv6, and speaks from any of them.
    for (to, router) in [("10.9.0.2", "192.0.2.2"), ("fd00:9::2", "2001:db8:")] {
        let said = world.fyke_well(&["run", "mtu-probe", "--to", to, "--timeout", "2s"]);
        assert!(said.out.starts_with(&format!("{to}: 1400 bytes, told by {router}")), "{said:?}");
        assert_eq!(said.out.lines().filter(|line| line.starts_with("too big") || line.starts_with("fits")).count(), 2, "{said:?}");
        let said = world.fyke_well(&["run", "mtu-probe", "--to", to, "--max", "1300"]);
        assert!(said.out.starts_with(&format!("{to}: 1300 bytes, the largest that was tried\n")), "{said:?}");
    }
    // A router that says nothing: the place is found all the same.
    tool(
        "ip",
        &["netns", "exec", "client", "iptables-nft", "-A", "OUTPUT", "-p", "icmp", "--icmp-type", "fragmentation-needed", "-j", "DROP"],
        "",
    );
    let said = world.fyke_well(&["run", "mtu-probe", "--to", "10.9.0.2", "--timeout", "100ms", "--tries", "1", "--min", "1390"]);
    assert!(said.out.starts_with("10.9.0.2: 1400 bytes\n") && said.out.contains("silence"), "{said:?}");
    let said = world.fyke_well(&["run", "mtu-probe", "--to", "10.9.0.99", "--timeout", "100ms", "--tries", "1"]);
    assert!(said.out.starts_with("10.9.0.99: no answer"), "{said:?}");
    ip("route del 10.9.0.0/24");
    ip("route del fd00:9::/64");
    tool("ip", &["netns", "del", "beyond"], "");
}

fn what_is_not_acceptable_is_refused(world: &World) {
    for (words, why) in [
        (&["capture"][..], "--interface"),
        (&["capture", "--interface", "eth0", "--port", "70000"], "a port is a number from 0 to 65535"),
        (&["capture", "--interface", "eth0", "--host", "192.0.2.300"], "neither four decimal numbers"),
        (&["capture", "--interface", "eth0", "--count", "0"], "1"),
        (&["packet-generator", "--to", "nowhere"], "neither four decimal numbers"),
        (&["packet-generator", "--to", "127.0.0.1", "--vary", "sport"], "is no field that varies"),
        (&["packet-generator", "--to", "127.0.0.1", "--interface", "lo"], "--mac"),
        (&["mtu-probe", "--to", "127.0.0.1", "--min", "900", "--max", "800"], "there is no size from"),
    ] {
        let said = world.fyke(&[&["run"], words].concat());
        assert!([Some(1), Some(2)].contains(&said.code) && said.err.contains(why), "{words:?}: {said:?}");
        assert!(!std::path::Path::new("/run/fyke/journal").exists(), "{words:?} was journaled");
    }
}
