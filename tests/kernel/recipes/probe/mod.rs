//! `ping`, `traceroute`, `arp-scan`, `syn-probe` and `dns-query`, on a way of their own.
//!
//! ```text
//!   the server: fyke works here        near                                      far                                 end
//!   near 10.9.0.1/28 fd09::1/64  ◄─►  10.9.0.2   ◄─►  10.9.1.1 .. 10.9.1.2  ◄─►  10.9.2.1 .. 10.9.2.2
//!                                     fd09::2         fd09:1::1 .. ::2           fd09:2::1 .. ::2
//! ```

mod dns;
mod exchange;

use std::fs::File;
use std::process::Command;

use serde_json::Value as Json;

use super::super::world::{World, in_a_world, tool};
use super::{Place, is_refused};
use crate::program::Said;

in_a_world! {
    a_host_is_pinged
    what_keeps_a_ping_from_its_host_is_said
    a_user_pings_without_a_capability
    the_way_to_a_host_is_shown
    what_ends_a_way_is_marked
    the_neighbours_are_listed
    ports_are_open_closed_or_filtered
    a_plan_asks_nobody
    what_is_wrong_is_refused
}

const HERE: &str = "\
link add near type veth peer name here netns near
addr add 10.9.0.1/28 dev near
addr add fd09::1/64 dev near nodad
addr add fe80::1/64 dev near nodad
link set near up addrgenmode none
route add 10.9.0.0/16 via 10.9.0.2
route add fd09::/16 via fd09::2
";

const NEAR: &str = "\
link set lo up
link add far type veth peer name near netns far
link set here up addrgenmode none
link set far up addrgenmode none
addr add 10.9.0.2/28 dev here
addr add 10.9.0.3/28 dev here
addr add 10.9.1.1/24 dev far
addr add fd09::2/64 dev here nodad
addr add fd09:1::1/64 dev far nodad
addr add fe80::2/64 dev here nodad
addr add fe80::2/64 dev far nodad
route add 10.9.2.0/24 via 10.9.1.2
route add fd09:2::/64 via fd09:1::2
route add 10.9.7.0/24 via 10.9.1.2
route add 10.9.8.0/24 via 10.9.1.2
route add blackhole 10.9.9.0/24
";

const FAR: &str = "\
link set lo up
link add end type veth peer name far netns end
link set near up addrgenmode none
link set end up addrgenmode none
addr add 10.9.1.2/24 dev near
addr add 10.9.2.1/24 dev end
addr add fd09:1::2/64 dev near nodad
addr add fd09:2::1/64 dev end nodad
addr add fe80::3/64 dev near nodad
addr add fe80::3/64 dev end nodad
route add default via 10.9.1.1
route add default via fd09:1::1
";

const END: &str = "\
link set lo up
link set far up addrgenmode none
addr add 10.9.2.2/24 dev far
addr add fd09:2::2/64 dev far nodad
addr add fe80::4/64 dev far nodad
route add default via 10.9.2.1
route add default via fd09:2::1
";

const ENDS: [&str; 2] = ["10.9.2.2", "fd09:2::2"];

/// The hosts of the way, gone with it.
struct Way {
    near: Place,
    end: Place,
}

impl Way {
    fn new() -> Self {
        for name in ["near", "far", "end"] {
            tool("ip", &["netns", "add", name], "");
            let forward =
                ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"];
            tool("ip", &[&["netns", "exec", name, "sysctl", "-qw"][..], &forward].concat(), "");
        }
        tool("ip", &["-batch", "-"], HERE);
        for (name, wires) in [("near", NEAR), ("far", FAR), ("end", END)] {
            tool("ip", &["-n", name, "-batch", "-"], wires);
        }
        let place = |name: &str| Place(File::open(format!("/run/netns/{name}")).unwrap());
        let way = Self { near: place("near"), end: place("end") };
        // Not by routes: of their errors the kernel sends a few a second only.
        for (net, with) in [("10.9.7.0/24", "icmp-host-unreachable"), ("10.9.8.0/24", "icmp-admin-prohibited")] {
            way.rule("near", &format!("iptables -A FORWARD -d {net} -j REJECT --reject-with {with}"));
        }
        way
    }

    /// Adds a rule at a host of the way.
    fn rule(&self, name: &str, line: &str) {
        let words: Vec<&str> = ["netns", "exec", name].into_iter().chain(line.split_whitespace()).collect();
        tool("ip", &words, "");
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        tool("ip", &["link", "del", "near"], "");
        ["near", "far", "end"].iter().for_each(|name| drop(tool("ip", &["netns", "del", name], "")));
    }
}

/// Runs a recipe and gives what it says, its times left out.
fn run(world: &World, code: i32, words: &[&str]) -> Said {
    let said = world.fyke(&[&["run"], words].concat());
    assert_eq!(said.code, Some(code), "{words:?}: {said:?}");
    Said { out: said.out.lines().map(|line| format!("{}\n", timeless(line))).collect(), ..said }
}

/// Puts a `T` in the place of every number with a fraction, and of a span of time.
fn timeless(line: &str) -> String {
    let is_time = |word: &str| {
        let digits = word.trim_end_matches(['u', 'm', 's']);
        !digits.is_empty() && (digits.contains('.') || digits.len() < word.len()) && digits.parse::<f64>().is_ok()
    };
    let word = |word: &str| match word.split_once('=') {
        Some((name, value)) if is_time(value) => format!("{name}=T"),
        _ if is_time(word) => "T".to_owned(),
        _ if word.split('/').all(is_time) => "T".to_owned(),
        _ => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Runs a recipe and gives its value.
fn data(world: &World, code: i32, words: &[&str]) -> Json {
    let said = world.fyke(&[&["--json", "run"], words].concat());
    assert_eq!(said.code, Some(code), "{words:?}: {said:?}");
    serde_json::from_str::<Json>(&said.out).unwrap()["value"].clone()
}

fn a_host_is_pinged(world: &World) {
    let _way = Way::new();
    for (to, (bytes, name)) in ENDS.into_iter().zip([("56(84)", "icmp"), ("56", "icmpv6")]) {
        let said = run(world, 0, &["ping", "--host", to, "--count", "3", "--interval", "20ms"]);
        let reply = |seq: u8| format!("64 bytes from {to}: icmp_seq={seq} ttl=62 time=T ms\n");
        let wanted = format!(
            "PING {to} ({to}) {bytes} bytes of data.\n{}{}{}\n--- {to} ping statistics ---\n\
             3 packets transmitted, 3 received, 0% packet loss, time T\nrtt min/avg/max/mdev = T ms\n",
            reply(1),
            reply(2),
            reply(3)
        );
        assert_eq!(said.out, wanted);
        assert!(said.err.contains(&format!("! exchanged 3 packets of {name} with {to}, which cannot be lifted")), "{said:?}");
    }
    let value = data(world, 0, &["ping", "--host", ENDS[0], "--count", "2", "--interval", "1ms", "--size", "0"]);
    let times = ["min", "avg", "max"].map(|name| value[name].as_f64().unwrap());
    assert!(0.0 < times[0] && times[0] <= times[1] && times[1] <= times[2] && times[2] < 2000.0, "{value}");
    assert_eq!((&value["transmitted"], &value["received"], value["rows"].as_array().unwrap().len()), (&2.into(), &2.into(), 2));
    // What the link delays is in the time that the kernel tells, on this side of it as well.
    tool("tc", &["qdisc", "add", "dev", "near", "root", "tbf", "rate", "80kbit", "burst", "1540", "latency", "10s"], "");
    let value = data(world, 0, &["ping", "--host", "10.9.0.2", "--count", "4", "--interval", "1ms", "--size", "958", "--timeout", "10s"]);
    tool("tc", &["qdisc", "del", "dev", "near", "root"], "");
    assert!(value["max"].as_f64().unwrap() > 80.0, "a kilobyte takes a tenth of a second: {value}");
}

fn what_keeps_a_ping_from_its_host_is_said(world: &World) {
    let way = Way::new();
    let once =
        |to: &str, more: &[&str]| run(world, 64, &[&["ping", "--host", to, "--count", "1", "--timeout", "300ms"], more].concat()).out;
    let line = |out: String| out.lines().nth(1).unwrap().to_owned();
    assert_eq!(line(once(ENDS[0], &["--ttl", "1"])), "From 10.9.0.2 icmp_seq=1 Time to live exceeded");
    assert_eq!(line(once(ENDS[1], &["--ttl", "2"])), "From fd09:1::2 icmp_seq=1 Time to live exceeded");
    assert_eq!(line(once("10.9.7.1", &[])), "From 10.9.0.2 icmp_seq=1 Destination Host Unreachable");
    assert_eq!(line(once("10.9.8.1", &[])), "From 10.9.0.2 icmp_seq=1 Packet filtered");
    let silent = once("10.9.9.1", &[]);
    assert!(silent.contains("1 packets transmitted, 0 received, 100% packet loss"), "{silent}");
    way.rule("end", "iptables -A INPUT -p icmp -j REJECT --reject-with icmp-port-unreachable");
    let said = once(ENDS[0], &[]);
    assert_eq!(line(said.clone()), "From 10.9.2.2 icmp_seq=1 Destination Port Unreachable");
    assert!(said.contains("0 received, +1 errors, 100% packet loss"), "{said}");
    world.iptables("iptables -A OUTPUT -d 10.9.0.3 -j DROP");
    assert!(line(once("10.9.0.3", &[])).contains("a rule of this host drops it"));
    world.iptables("iptables -D OUTPUT -d 10.9.0.3 -j DROP");
    world.wipe();
}

fn a_user_pings_without_a_capability(world: &World) {
    let _way = Way::new();
    let ordinary = |words: &[&str]| -> Said {
        let fyke = world.command(&[&["run"], words].concat());
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-net_raw", "--inh-caps=-net_raw"]).arg(fyke.get_program()).args(fyke.get_args());
        command.envs(fyke.get_envs().filter_map(|(name, value)| Some((name, value?)))).output().unwrap().into()
    };
    let path = "/proc/sys/net/ipv4/ping_group_range";
    let before = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, "1 0").unwrap();
    let refused = ordinary(&["ping", "--host", ENDS[0], "--count", "1"]);
    assert_eq!(refused.code, Some(5), "{refused:?}");
    for word in ["CAP_NET_RAW", "net.ipv4.ping_group_range", "sudo fyke run"] {
        assert!(refused.err.contains(word), "{word}: {refused:?}");
    }
    std::fs::write(path, "0 0").unwrap();
    for (to, gate) in ENDS.into_iter().zip(["10.9.0.2", "fd09::2"]) {
        let said = ordinary(&["ping", "--host", to, "--count", "2", "--interval", "10ms"]);
        assert!(said.code == Some(0) && said.out.contains("2 packets transmitted, 2 received, 0% packet loss"), "{said:?}");
        assert!(said.out.contains("64 bytes from ") && said.out.contains(" ttl=62 "), "{said:?}");
        let said = ordinary(&["ping", "--host", to, "--count", "1", "--ttl", "1"]);
        assert!(said.code == Some(64) && said.out.contains(&format!("From {gate} icmp_seq=1 Time to live exceeded")), "{said:?}");
        let said = ordinary(&["traceroute", "--host", to, "--method", "icmp", "--queries", "1"]);
        assert!(said.code == Some(0) && said.out.lines().count() == 4 && said.out.contains(&format!("1  {gate}  ")), "{said:?}");
    }
    let said = ordinary(&["traceroute", "--host", ENDS[0]]);
    assert!(said.code == Some(5) && said.err.contains("CAP_NET_RAW"), "{said:?}");
    std::fs::write(path, before).unwrap();
}

fn the_way_to_a_host_is_shown(world: &World) {
    let _way = Way::new();
    let ways = [["10.9.0.2", "10.9.1.2", "10.9.2.2"], ["fd09::2", "fd09:1::2", "fd09:2::2"]];
    for (way, header) in ways.into_iter().zip([20, 40]) {
        for (method, bytes) in [("udp", 40), ("icmp", 40), ("tcp", 20)] {
            let said = run(world, 0, &["traceroute", "--host", way[2], "--method", method]);
            let hops: String = way.iter().zip(1..).map(|(from, hop)| format!(" {hop}  {from}  T ms  T ms  T ms\n")).collect();
            let head = format!("traceroute to {} ({}), 30 hops max, {} byte packets\n", way[2], way[2], header + bytes);
            assert_eq!(said.out, head + &hops, "{method}: {said:?}");
        }
    }
    let value = data(world, 0, &["traceroute", "--host", ENDS[0], "--queries", "1", "--first", "2"]);
    assert_eq!((&value["reached"], value["way"].as_array().unwrap().len(), &value["way"][0]["hop"]), (&true.into(), 2, &2.into()));
}

fn what_ends_a_way_is_marked(world: &World) {
    let way = Way::new();
    let hops = |to: &str, code: i32, more: &[&str]| {
        let said = run(world, code, &[&["traceroute", "--host", to, "--queries", "2", "--timeout", "300ms", "--hops", "6"], more].concat());
        said.out.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(hops("10.9.7.1", 64, &[]), [" 1  10.9.0.2  T ms  T ms", " 2  10.9.0.2  T ms !H  T ms !H"]);
    let silence = (2..=6).map(|hop| format!(" {hop} * *"));
    // What is dropped on the way is dropped by a router that has let the first ones die before it looked for a route.
    assert_eq!(hops("10.9.9.1", 64, &[]), [" 1 * *".to_owned()].into_iter().chain(silence).collect::<Vec<_>>());
    way.rule("far", "iptables -A FORWARD -d 10.9.2.2 -p udp -j REJECT --reject-with icmp-net-unreachable");
    assert_eq!(hops(ENDS[0], 64, &[])[1..], [" 2  10.9.1.2  T ms  T ms", " 3  10.9.1.2  T ms !N  T ms !N"]);
    way.rule("far", "iptables -A FORWARD -d 10.9.2.2 -p tcp -j REJECT --reject-with icmp-admin-prohibited");
    assert_eq!(hops(ENDS[0], 64, &["--method", "tcp"])[1..], [" 2  10.9.1.2  T ms  T ms", " 3  10.9.1.2  T ms !X  T ms !X"]);
    way.rule("far", "iptables -A OUTPUT -p icmp -j DROP");
    assert_eq!(hops(ENDS[0], 0, &["--method", "icmp"])[1..], [" 2 * *", " 3  10.9.2.2  T ms  T ms"]);
}

fn the_neighbours_are_listed(world: &World) {
    let way = Way::new();
    let mac = tool("ip", &["netns", "exec", "near", "cat", "/sys/class/net/here/address"], "");
    let said = run(world, 0, &["arp-scan", "--interface", "near", "--retries", "0"]);
    let mac = mac.trim();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let wanted = ["address mac note rtt".to_owned(), format!("10.9.0.2 {mac} T"), format!("10.9.0.3 {mac} T")];
    assert_eq!(said.out.lines().map(words).collect::<Vec<_>>(), wanted, "{said:?}");
    assert!(said.err.contains("near, 10.9.0.0/28: 2 of 13 addresses answered in "), "{said:?}");
    // A second host that answers for the same address.
    tool("ip", &["netns", "add", "liar"], "");
    tool("ip", &["-batch", "-"], "link add bridge type bridge\nlink add liar type veth peer name here netns liar\n");
    tool(
        "ip",
        &["-batch", "-"],
        "addr flush dev near\nlink set near master bridge\nlink set liar master bridge\nlink set bridge up addrgenmode none\nlink set liar up\naddr add 10.9.0.1/28 dev bridge\n",
    );
    tool("ip", &["-n", "liar", "-batch", "-"], "addr add 10.9.0.3/28 dev here\nlink set here address 02:00:00:00:00:66 up\n");
    let value = data(world, 0, &["arp-scan", "--interface", "bridge", "--network", "10.9.0.2/31", "--retries", "3"]);
    let of = |address: &str| value.as_array().unwrap().iter().filter(|it| it["address"] == address).count();
    assert_eq!((of("10.9.0.2"), of("10.9.0.3")), (1, 2), "{value}");
    assert!(value.to_string().contains("02:00:00:00:00:66") && value.to_string().contains("answers for it, too"), "{value}");
    tool("ip", &["link", "del", "liar"], "");
    tool("ip", &["link", "del", "bridge"], "");
    tool("ip", &["netns", "del", "liar"], "");
    drop(way);
}

fn ports_are_open_closed_or_filtered(world: &World) {
    let way = Way::new();
    way.end.serve("end", 80);
    for program in ["iptables", "ip6tables"] {
        way.rule("end", &format!("{program} -A INPUT -p tcp --dport 23 -j DROP"));
        way.rule("end", &format!("{program} -A INPUT -p tcp --dport 24 -j REJECT"));
        way.rule("end", &format!("{program} -A INPUT -p tcp --tcp-flags RST RST"));
    }
    for (to, program) in ENDS.into_iter().zip(["iptables", "ip6tables"]) {
        let said = run(world, 0, &["syn-probe", "--host", to, "--ports", "22-24,80", "--timeout", "300ms"]);
        let lines: Vec<Vec<&str>> = said.out.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1][..2], ["22", "reset"], "{said:?}");
        assert_eq!(
            (lines[1].last(), lines[2].last(), lines[3].last(), lines[4].last()),
            (Some(&"closed"), Some(&"filtered"), Some(&"filtered"), Some(&"open"))
        );
        assert_eq!((lines[2][1], lines[3][1], lines[4][1]), ("silent", "port-unreachable", "syn-ack"));
        assert!(said.err.contains("4 ports asked, 1 open, 1 closed, 2 filtered"), "{said:?}");
        // The reset of this kernel has closed the half-open connection there.
        let counted = tool("ip", &["netns", "exec", "end", program, "-L", "INPUT", "-v", "-x", "-n"], "");
        let resets = counted.lines().last().unwrap().split_whitespace().next().unwrap();
        assert_eq!(resets, "1", "{counted}");
        assert_eq!(tool("ip", &["netns", "exec", "end", "ss", "-Htn", "state", "syn-recv"], ""), "");
    }
    let value = data(world, 0, &["syn-probe", "--host", ENDS[0], "--ports", "1-100", "--open", "--timeout", "300ms", "--retries", "0"]);
    assert_eq!((value.as_array().unwrap().len(), &value[0]["port"]), (1, &80.into()), "{value}");
}

fn a_plan_asks_nobody(world: &World) {
    let way = Way::new();
    way.rule("near", "iptables -A INPUT -s 10.9.0.1");
    for words in [
        &["ping", "--host", "10.9.0.2"][..],
        &["traceroute", "--host", "10.9.0.2"],
        &["arp-scan", "--interface", "near"],
        &["syn-probe", "--host", "10.9.0.2"],
        &["dns-query", "--name", "www.test", "--server", "10.9.0.2"],
    ] {
        let said = world.fyke_well(&[&["plan"], words].concat());
        assert!(said.out.contains("! exchanged "), "{said:?}");
        assert!(
            said.err.contains("the plan is known up to ") && said.err.contains("a plan sends nothing, and so nothing answers"),
            "{said:?}"
        );
    }
    let counted = tool("ip", &["netns", "exec", "near", "iptables", "-L", "INPUT", "-v", "-x", "-n"], "");
    assert_eq!(counted.lines().last().unwrap().split_whitespace().next(), Some("0"), "{counted}");
    way.near.within(|| ());
}

fn what_is_wrong_is_refused(world: &World) {
    let way = Way::new();
    for (words, why) in [
        (&["ping"][..], "--host is missing"),
        (&["ping", "--host", "10.9.2.2", "--family", "ipv6"], "10.9.2.2 is an address of ipv4, and one of ipv6 is wanted"),
        (&["ping", "--host", "10.9.2.2", "--count", "0"], "--count"),
        (&["ping", "--host", "10.9.2.2", "--ttl", "256"], "--ttl"),
        (&["ping", "--host", "10.9.2.2", "--interval", "soon"], "interval"),
        (&["ping", "--host", "10.9.2.2", "--interface", "no such"], "no such"),
        (&["traceroute", "--host", "10.9.2.2", "--method", "sctp"], "it is one of \"udp\", \"icmp\", \"tcp\""),
        (&["traceroute", "--host", "10.9.2.2", "--first", "9", "--hops", "8"], "is behind the last hop"),
        (&["traceroute", "--host", "10.9.2.2", "--port", "65500"], "each request has a port of its own"),
        (&["syn-probe", "--host", "10.9.2.2", "--ports", "80-22"], "a range is written first-last"),
        (&["syn-probe", "--host", "10.9.2.2", "--ports", "http"], "a port is a number from 1 to 65535"),
        (&["syn-probe", "--host", "10.9.2.2", "--rate", "fast"], "rate of packets"),
        (&["arp-scan", "--interface", "near", "--network", "10.9.2.0/24"], "is not within 10.9.0.0/28"),
        (&["arp-scan"], "--interface says which of these is meant"),
        (&["dns-query", "--name", "a..b", "--server", "10.9.2.2"], "a label of it is empty"),
        (&["dns-query", "--name", "www.test", "--server", "ns.test"], "ns.test"),
        (&["dns-query", "--name", "www.test", "--type", "ANYTHING"], "it is one of \"A\""),
    ] {
        is_refused(world, words, why);
    }
    let public = world.fyke(&["run", "ping", "--host", "198.51.100.77"]);
    assert!(public.code == Some(5) && public.err.contains("--allow-public"), "{public:?}");
    drop(way);
}
