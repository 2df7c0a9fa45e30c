//! `raw::exchange` itself: rows, faults, and what the kernel says to answers that it did not ask for.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread::spawn;

use super::dns::serve_names;
use super::{ENDS, Way, run};
use crate::kernel::world::{World, in_a_world, tool};

in_a_world! {
    a_connection_goes_on_while_resets_are_held
    whoever_answers_a_datagram_is_not_refused
    rows_tell_what_came_of_each_request
    neighbours_are_asked_for_by_frames
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
        assert!(said.try_recv().is_err(), "it was never open");
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
        (
            "raw::exchange([packet::ipv4(#{ dst: \"10.9.2.2\" }) / packet::icmp(#{})], #{ interface: \"near9\" })",
            2,
            "there is no such link here",
        ),
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

fn neighbours_are_asked_for_by_frames(world: &World) {
    let _way = Way::new();
    let mac = tool("ip", &["netns", "exec", "near", "cat", "/sys/class/net/here/address"], "");
    let script = "\
let mac = link::get(\"near\").address;
let frame = packet::ethernet(#{ dst: \"33:33:ff:00:00:02\", src: mac });
let solicited = packet::ipv6(#{ src: \"fd09::1\", dst: \"ff02::1:ff00:2\", hop_limit: 255 });
let own = #{ kind: \"source-link-address\", address: mac };
let ask = |target| frame / solicited / packet::icmpv6(#{ type: \"neighbour-solicitation\", target: target, options: [own] });
let rows = raw::exchange([ask.call(\"fd09::2\"), ask.call(\"fd09::9:2\")], #{ interface: \"near\", timeout: \"200ms\" });
print(`${rows.map(|row| row.kind)} ${rows[0].answer.ethernet.src} ${rows[0].answer.icmpv6.target}`);
";
    let said = world.run("neighbours", script);
    assert_eq!((said.code, said.out), (Some(0), format!("[\"reply\", \"silent\"] {} fd09::2\n", mac.trim())), "{}", said.err);
}
