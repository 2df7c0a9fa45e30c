//! `ping`, `traceroute`, `arp-scan`, `syn-probe` and `dns-query`, on a way of their own.
//!
//! ```text
//!   the server: fyke works here        near                                      far                                 end
//!   near 10.9.0.1/28 fd09::1/64  ◄─►  10.9.0.2   ◄─►  10.9.1.1 .. 10.9.1.2  ◄─►  10.9.2.1 .. 10.9.2.2
//!                                     fd09::2         fd09:1::1 .. ::2           fd09:2::1 .. ::2
//! ```

use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::Command;
use std::thread::spawn;

use fyke::model::packet::{Draft, First, Packet, Stack, Value, named};
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
    a_name_is_looked_up
    names_of_hosts_are_found
    a_connection_goes_on_while_resets_are_held
    whoever_answers_a_datagram_is_not_refused
    rows_tell_what_came_of_each_request
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
route add unreachable 10.9.7.0/24
route add prohibit 10.9.8.0/24
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
        Self { near: place("near"), end: place("end") }
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
    for (to, bytes) in ENDS.into_iter().zip(["56(84)", "56"]) {
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
        assert!(said.err.contains("! exchanged 3 packets: ") && said.err.contains("cannot be lifted"), "{said:?}");
    }
    let value = data(world, 0, &["ping", "--host", ENDS[0], "--count", "2", "--interval", "1ms", "--size", "0"]);
    let times = ["min", "avg", "max"].map(|name| value[name].as_f64().unwrap());
    assert!(0.0 < times[0] && times[0] <= times[1] && times[1] <= times[2] && times[2] < 2000.0, "{value}");
    assert_eq!((&value["transmitted"], &value["received"], value["rows"].as_array().unwrap().len()), (&2.into(), &2.into(), 2));
    // What the link delays is in the time that the kernel tells, on this side of it as well.
    tool("tc", &["qdisc", "add", "dev", "near", "root", "tbf", "rate", "80kbit", "burst", "1540", "latency", "10s"], "");
    let value = data(world, 0, &["ping", "--host", "10.9.0.2", "--count", "4", "--interval", "1ms", "--size", "958", "--timeout", "10s"]);
    tool("tc", &["qdisc", "del", "dev", "near", "root"], "");
    assert!(value["max"].as_f64().unwrap() > 150.0, "a kilobyte takes a tenth of a second: {value}");
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
    let refused = ordinary(&["ping", "--host", ENDS[0], "--count", "1"]);
    assert_eq!(refused.code, Some(5), "{refused:?}");
    for word in ["CAP_NET_RAW", "net.ipv4.ping_group_range", "sudo fyke run"] {
        assert!(refused.err.contains(word), "{word}: {refused:?}");
    }
    let path = "/proc/sys/net/ipv4/ping_group_range";
    let before = std::fs::read_to_string(path).unwrap();
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
    assert_eq!(hops("10.9.7.1", 64, &[]), [" 1  10.9.0.2  T ms !H  T ms !H"]);
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
    assert_eq!(
        said.out.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>(),
        ["address   mac                note   rtt".to_owned(), format!("10.9.0.2  {mac}        T"), format!("10.9.0.3  {mac}        T")],
        "{said:?}"
    );
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

/// Answers questions of DNS as they are asked, from a table of one zone.
fn serve_names(place: &Place) {
    let socket = place.within(|| UdpSocket::bind("[::]:53".parse::<SocketAddr>().unwrap()).unwrap());
    spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            if let Some(answer) = answer(&buffer[..length]) {
                let _ = socket.send_to(&answer, peer);
            }
        }
    });
}

/// Makes an answer; none for names to which the server is silent.
fn answer(question: &[u8]) -> Option<Vec<u8>> {
    let packet = Packet::new(question, First::Layer(named("dns").unwrap()));
    let found = packet.layers();
    let asked = found.layers[0].read(question, "questions").unwrap();
    let Value::List(list) = &asked else { panic!("{asked}") };
    let (name, kind) = (list[0].part("name").unwrap().to_string().to_lowercase(), list[0].part("type").unwrap().to_string());
    let data = match (name.as_str(), kind.as_str()) {
        ("silent.test.", _) => return None,
        ("www.test.", "A") => Value::text("10.9.2.2"),
        ("www.test.", "AAAA") => Value::text("fd09:2::2"),
        ("www.test.", "MX") => Value::map([("preference", Value::Number(10)), ("exchange", Value::text("mail.test."))]),
        ("www.test.", "TXT") => Value::List(vec![Value::text("v=1"), Value::text("a b")]),
        ("www.test.", "NS") => Value::text("ns.test."),
        ("alias.test.", "CNAME") | ("2.2.9.10.in-addr.arpa.", "PTR") => Value::text("www.test."),
        (long, "PTR") if long.ends_with(".0.0.9.0.d.f.ip6.arpa.") => Value::text("six.test."),
        _ => Value::Number(0),
    };
    let (code, records) = match data {
        Value::Number(_) => (if name == "www.test." { 0 } else { 3 }, Vec::new()),
        data => {
            (0, vec![Value::map([("name", Value::text(&name)), ("type", Value::text(&kind)), ("ttl", Value::Number(300)), ("data", data)])])
        }
    };
    let cut = if name == "cut.test." { "tc,rd,ra" } else { "aa,rd,ra" };
    let fields = [
        ("id", Value::Number(u16::from_be_bytes([question[0], question[1]]).into())),
        ("response", Value::Number(1)),
        ("flags", Value::text(cut)),
        ("rcode", Value::Number(if name == "cut.test." { 0 } else { code })),
        ("questions", asked.clone()),
        ("answers", Value::List(records)),
    ];
    let given = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let stack = Stack { layers: vec![Draft::new(named("dns").unwrap(), given).unwrap()], payload: Vec::new() };
    Some(stack.build().unwrap().bytes.to_vec())
}

fn a_name_is_looked_up(world: &World) {
    let way = Way::new();
    serve_names(&way.end);
    for server in ENDS {
        let short =
            |name: &str, kind: &str| run(world, 0, &["dns-query", "--name", name, "--type", kind, "--server", server, "--short"]).out;
        assert_eq!((short("www.test", "A"), short("www.test", "AAAA")), ("10.9.2.2\n".into(), "fd09:2::2\n".into()));
        assert_eq!((short("WWW.test.", "MX"), short("www.test", "NS")), ("10 mail.test.\n".into(), "ns.test.\n".into()));
        assert_eq!((short("www.test", "TXT"), short("alias.test", "CNAME")), ("\"v=1\" \"a b\"\n".into(), "www.test.\n".into()));
        assert_eq!((short("10.9.2.2", "PTR"), short("fd09::7", "PTR")), ("www.test.\n".into(), "six.test.\n".into()));
        assert_eq!(short("www.test", "SOA"), "", "there is the name, but no such record");
        let said = run(world, 0, &["dns-query", "--name", "www.test", "--server", server]).out;
        for line in [
            ";; flags: qr aa rd ra; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 0",
            ";www.test.                       IN      A",
            "www.test.               300     IN      A       10.9.2.2",
            ";; Query time: T msec",
            &format!(";; SERVER: {server}#53 (UDP)"),
        ] {
            assert!(said.lines().any(|said| said == line), "{line}: {said}");
        }
        let said = run(world, 65, &["dns-query", "--name", "nobody.test", "--server", server]);
        assert!(said.out.contains("status: NXDOMAIN"), "{said:?}");
        let said = run(world, 0, &["dns-query", "--name", "cut.test", "--server", server]);
        assert!(said.err.contains("the answer was cut: all of it comes by TCP only"), "{said:?}");
    }
    let silent = ["--timeout", "200ms", "--retries", "1"];
    let said = run(world, 64, &[&["dns-query", "--name", "silent.test", "--server", ENDS[0]], &silent[..]].concat());
    assert!(said.err.contains("no answer of 10.9.2.2: it was silent"), "{said:?}");
    let said = run(world, 64, &["dns-query", "--name", "www.test", "--server", "10.9.1.2"]);
    assert!(said.err.contains("no answer of 10.9.1.2: 10.9.1.2 says port-unreachable"), "{said:?}");
    let value = data(world, 0, &["dns-query", "--name", "www.test", "--server", ENDS[0]]);
    assert_eq!((&value["status"], &value["answers"][0]["data"]), (&"NOERROR".into(), &"10.9.2.2".into()), "{value}");
}

fn names_of_hosts_are_found(world: &World) {
    let way = Way::new();
    serve_names(&way.end);
    let of = |name: &str, text: &str| {
        let path = world.folder.file(name, text);
        tool("mount", &["--bind", &path, &format!("/etc/{name}")], "");
    };
    of("hosts", "10.9.0.2 near near.test # the first one\nfd09::2 near\n");
    of("resolv.conf", "search test\nnameserver 10.9.2.2\n");
    let reached = |name: &str, family: &str| {
        let said = run(world, 0, &["ping", "--host", name, "--family", family, "--count", "1"]).out;
        said.lines().next().unwrap().split(['(', ')']).nth(1).unwrap().to_owned()
    };
    assert_eq!(
        (reached("near", "any"), reached("near", "ipv6"), reached("near.test", "ipv4")),
        ("10.9.0.2".into(), "fd09::2".into(), "10.9.0.2".into())
    );
    assert_eq!((reached("www.test", "any"), reached("www.test", "ipv6")), ("10.9.2.2".into(), "fd09:2::2".into()));
    let said = world.fyke(&["run", "ping", "--host", "nobody.test"]);
    assert!(
        said.code == Some(1) && said.err.contains("nobody.test: it has no address that /etc/hosts or a server of /etc/resolv.conf knows"),
        "{said:?}"
    );
    assert!(run(world, 0, &["dns-query", "--name", "www.test"]).out.contains(";; SERVER: 10.9.2.2#53 (UDP)"));
    ["hosts", "resolv.conf"].iter().for_each(|name| drop(tool("umount", &[&format!("/etc/{name}")], "")));
}

/// A script opens a connection of its own, says hello in it, and ends it.
const HELLO: &str = "\
import \"std:probe\" as probe;
let held = param(\"held\", true, \"whether resets are held\");
let end = #{ dst: param(\"to\", \"\", \"other end\"), dport: 80, sport: 45000 };
let network = if end.dst.contains(\":\") { packet::ipv6(#{ dst: end.dst }) } else { packet::ipv4(#{ dst: end.dst }) };
let segment = |fields| network / packet::tcp(fields + #{ sport: end.sport, dport: end.dport });
let talk = || {
    let opened = raw::exchange([segment.call(#{ seq: 1000, flags: \"SYN\" })])[0];
    sleep(\"50ms\");
    let theirs = opened.answer.tcp.seq + 1;
    let heard = raw::exchange([segment.call(#{ seq: 1001, ack: theirs, flags: \"PSH,ACK\" }) / \"hello\"])[0];
    let over = raw::exchange([segment.call(#{ seq: 1006, ack: theirs, flags: \"RST,ACK\" })], #{ timeout: \"10ms\" })[0];
    if param(\"fail\", false, \"whether it fails\") { throw \"it failed\"; }
    `${opened.kind} ${heard.kind} ${over.kind}`
};
if held { probe::without_resets(end, talk) } else { talk.call() }
";

fn a_connection_goes_on_while_resets_are_held(world: &World) {
    let way = Way::new();
    let listener = way.end.within(|| TcpListener::bind("[::]:80".parse::<SocketAddr>().unwrap()).unwrap());
    let (say, said) = std::sync::mpsc::channel();
    spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut text = [0; 5];
            let heard = stream.read_exact(&mut text).map(|()| String::from_utf8_lossy(&text).into_owned());
            say.send(heard.map_err(|error| error.kind())).unwrap();
        }
    });
    let recipe = world.recipe("hello", HELLO);
    for (to, program) in ENDS.into_iter().zip(["iptables", "ip6tables"]) {
        let run = world.fyke_well(&["run", &recipe, "--to", to]);
        assert_eq!(run.out, "syn-ack ack silent\n", "{run:?}");
        assert_eq!(said.recv().unwrap(), Ok("hello".to_owned()));
        assert_eq!(world.rules(program, "OUTPUT"), Vec::<String>::new(), "the rule is lifted");
        let history = world.fyke_well(&["history", "last"]).out;
        assert!(history.contains("--tcp-flags RST,ACK RST -j DROP") && history.contains("exchanged a packet"), "{history}");
        let run = world.fyke(&["run", &recipe, "--to", to, "--fail"]);
        assert!(run.code == Some(1) && run.err.contains("it failed"), "{run:?}");
        assert_eq!((said.recv().unwrap(), world.rules(program, "OUTPUT")), (Ok("hello".to_owned()), Vec::new()));
        // Without it, the kernel ends the connection before anything is said in it.
        let run = world.fyke_well(&["run", &recipe, "--to", to, "--no-held"]);
        assert_eq!(run.out, "syn-ack reset silent\n", "{run:?}");
        assert!(said.recv().unwrap().is_err());
    }
    world.wipe();
}

fn whoever_answers_a_datagram_is_not_refused(world: &World) {
    let way = Way::new();
    serve_names(&way.end);
    way.rule("end", "iptables -A INPUT -p icmp");
    run(world, 0, &["dns-query", "--name", "www.test", "--server", ENDS[0]]);
    let counted = tool("ip", &["netns", "exec", "end", "iptables", "-L", "INPUT", "-v", "-x", "-n"], "");
    assert_eq!(counted.lines().last().unwrap().split_whitespace().next(), Some("0"), "this kernel says that nobody is there: {counted}");
    let taken = UdpSocket::bind("0.0.0.0:45001").unwrap();
    let asks = "raw::exchange([packet::ipv4(#{ dst: \"10.9.2.2\" }) / packet::udp(#{ sport: 45001, dport: 53 }) / packet::dns(#{ questions: \"www.test\" })])";
    let said = world.run("taken", asks);
    assert!(said.code == Some(4) && said.err.contains("cannot keep the own UDP port 45001: another socket has it"), "{said:?}");
    drop(taken);
    assert!(world.run("free", asks).out.contains("reply"));
}

fn rows_tell_what_came_of_each_request(world: &World) {
    let _way = Way::new();
    let rows = "\
let to = |dst| packet::ipv4(#{ dst: dst });
let seen = [];
let rows = raw::exchange([
    to.call(\"10.9.2.2\") / packet::udp(#{ dport: 9 }),
    to.call(\"10.9.2.2\") / packet::icmp(#{ seq: 7 }) / \"hello\",
    to.call(\"10.9.9.1\") / packet::icmp(#{ seq: 8 })
], #{ timeout: \"200ms\", rate: \"200/s\", retries: 2 }, |row| seen.push(row.kind));
";
    let wanted = "\
print(`${seen.len()} ${rows.map(|row| row.kind)} ${rows.map(|row| row.tries)} ${rows[2].answer == () && rows[2].rtt == ()}`);
print(`${rows[0].answer.icmp.type} ${rows[0].from} ${rows[1].answer.payload.as_string()} ${rows[1].request.ipv4.src} ${rows[1].request.icmp.id > 0}`);
print(rows[1].rtt > \"0s\" && rows[1].rtt < \"1s\");
print(raw::source(\"10.9.2.2\"));
";
    let said = world.run("rows", &format!("{rows}{wanted}"));
    let printed = "3 [\"port-unreachable\", \"reply\", \"silent\"] [1, 1, 3] true\n3 10.9.2.2 hello 10.9.0.1 true\ntrue\n10.9.0.1\n";
    assert_eq!((said.code, said.out.as_str()), (Some(0), printed), "{said:?}");
    for (script, code, why) in [
        ("raw::exchange([7])", 2, "element 0 is of type i64, and a packet is wanted"),
        ("raw::exchange([packet::icmp(#{})])", 2, "it has no IP header"),
        (
            "raw::exchange([packet::ipv4(#{ dst: \"10.9.2.2\" }) / packet::icmp(#{ type: \"echo-reply\" })])",
            2,
            "no answer to it is known here",
        ),
        ("raw::exchange([], #{ timeuot: 1 })", 2, "did you mean `timeout`?"),
        ("raw::exchange([], #{ timeout: 0 })", 2, "it is a time up to an hour, and not 0"),
        ("raw::exchange([], #{ rate: \"0/s\" })", 2, "at that rate nothing is ever sent"),
        ("raw::exchange([], #{ rate: 1, interval: 1 })", 2, "one of them is enough"),
        ("raw::exchange([], #{ retries: -1 })", 2, "it is a number from 0 to 99"),
        ("raw::exchange([packet::ethernet(#{}) / packet::arp(#{ dst: \"10.9.0.2\" })])", 2, "the option `interface` says on which link"),
        ("raw::exchange([packet::ipv4(#{ dst: \"10.9.2.2\" }) / packet::icmp(#{})], #{ interface: \"near9\" })", 1, "near9"),
        (
            "raw::exchange([packet::ipv6(#{ dst: \"fe80::2\" }) / packet::icmpv6(#{})])",
            2,
            "a link-local address says nothing without a link",
        ),
        ("raw::source(\"fd99::1\")", 1, "there is no route to it"),
    ] {
        let said = world.run("wrong", script);
        assert!(said.code == Some(code) && said.err.contains(why), "{script}: {said:?}");
    }
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
