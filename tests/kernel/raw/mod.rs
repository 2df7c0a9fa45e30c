//! The room `raw`: what is sent arrives as it was made, what comes is seen, and nothing is lost in silence.

mod capture;
mod enough;
mod recipes;
mod stream;

use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::scope;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};

use super::world::{World, in_a_world, ip, tool};
use crate::program::{Said, shell};

in_a_world! {
    what_is_sent_arrives
    the_kernel_fills_in_what_is_said
    what_is_received_has_its_header
    nothing_slips_in
    what_is_dropped_is_counted
    options_are_in_the_packets
    errors_are_told_to_who_pings
    what_cannot_be_sent_is_refused
    public_addresses_take_a_word
    a_plan_sends_nothing
    the_journal_has_one_entry_for_many
    ordinary_users_ping_and_are_told_what_is_missing
    sockets_belong_to_their_namespace
}

/// Gives the value of a script whose packets may go to the addresses of the world.
pub(super) fn value(world: &World, script: &str) -> Value {
    let said = world.fyke_well(&["--json", "eval", "--allow-public", script]);
    let mut document: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    document["value"].take()
}

/// Runs a script whose packets may go to the addresses of the world.
pub(super) fn eval(world: &World, script: &str) -> Said {
    world.fyke(&["eval", "--allow-public", script])
}

/// Does work in the namespace of the client.
pub(super) fn at_the_client<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let client = std::fs::File::open("/run/netns/client").unwrap();
    let enter = || {
        setns(client.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
        work()
    };
    scope(|scope| scope.spawn(enter).join().unwrap())
}

/// Opens a socket of the client that receives datagrams.
pub(super) fn listener(at: &str) -> UdpSocket {
    let socket = at_the_client(|| UdpSocket::bind(at).unwrap());
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn heard(socket: &UdpSocket) -> (String, String) {
    let mut bytes = [0; 4000];
    let (length, from) = socket.recv_from(&mut bytes).unwrap();
    (String::from_utf8_lossy(&bytes[..length]).into_owned(), from.to_string())
}

fn what_is_sent_arrives(world: &World) {
    let (v4, v6) = (listener("192.0.2.2:9"), listener("[2001:db8::2]:9"));
    // The kernel takes a datagram with a wrong checksum for none at all: each of these has the right one.
    for (family, to, from, socket) in [("ipv4", "192.0.2.2", "192.0.2.1:4000", &v4), ("ipv6", "2001:db8::2", "[2001:db8::1]:4000", &v6)] {
        let datagram = "packet::udp(#{ sport: 4000, dport: 9 })";
        let below = format!("raw::open(\"{family}\", \"udp\").send({datagram} / \"below\", \"{to}\")");
        let whole = format!("raw::open(\"{family}\", \"raw\").send(packet::{family}(#{{ dst: \"{to}\" }}) / {datagram} / \"whole\")");
        let header = format!(
            "raw::open(\"{family}\", 17, #{{ header: true }}).send(packet::{family}(#{{ dst: \"{to}\" }}) / {datagram} / \"header\")"
        );
        let bytes = format!(
            "raw::open(\"{family}\", \"raw\").send((packet::{family}(#{{ src: \"{}\", dst: \"{to}\" }}) / {datagram} / \"bytes\").bytes, \"{to}\")",
            from.trim_start_matches('[').rsplit_once(':').unwrap().0.trim_end_matches(']')
        );
        for (script, text) in [(below, "below"), (whole, "whole"), (header, "header"), (bytes, "bytes")] {
            let said = eval(world, &script);
            assert_eq!(said.code, Some(0), "{script}: {said:?}");
            assert_eq!(heard(socket), (text.to_owned(), from.to_owned()), "{script}");
        }
    }
    // Frames, with and without a head of their own.
    let mac = tool("ip", &["-n", "client", "-br", "link", "show", "eth0"], "").split_whitespace().nth(2).unwrap().to_owned();
    let inside = "packet::ipv4(#{ src: \"192.0.2.1\", dst: \"192.0.2.2\" }) / packet::udp(#{ sport: 4000, dport: 9 })";
    let frame = format!("raw::packet(\"eth0\").send(packet::ethernet(#{{ dst: \"{mac}\" }}) / {inside} / \"frame\")");
    let cooked = format!("raw::packet(\"eth0\", #{{ cooked: true }}).send({inside} / \"cooked\", \"{mac}\")");
    for (script, text) in [(frame, "frame"), (cooked, "cooked")] {
        let said = eval(world, &script);
        assert_eq!(said.code, Some(0), "{script}: {said:?}");
        assert_eq!(heard(&v4), (text.to_owned(), "192.0.2.1:4000".to_owned()), "{script}");
    }
}

/// What `raw::open` says about the fields that the kernel writes (raw(7)).
fn the_kernel_fills_in_what_is_said(world: &World) {
    let seen = |family: &str, fields: &str, asked: &str| {
        value(
            world,
            &format!(
                "let wire = raw::packet(\"eth0\", #{{ filter: #{{ dport: 9 }} }});
                 raw::open(\"{family}\", \"raw\").send(packet::{family}({fields}) / packet::udp(#{{ dport: 9 }}) / \"x\");
                 let it = wire.recv(\"5s\").{family}; {asked}"
            ),
        )
    };
    let v4 = "[it.total_length, it.id, it.src.to_string(), it.checksum_ok, it.ttl]";
    // Wrong on purpose, and right on the wire.
    let filled = seen("ipv4", "#{ dst: \"192.0.2.2\", src: \"0.0.0.0\", id: 0, total_length: 9999, checksum: 1, ttl: 7 }", v4);
    assert_eq!((&filled[0], &filled[2], &filled[3], &filled[4]), (&json!(29), &json!("192.0.2.1"), &json!(true), &json!(7)), "{filled}");
    assert_ne!(filled[1], 0, "{filled}");
    // What is not zero stays.
    assert_eq!(seen("ipv4", "#{ dst: \"192.0.2.2\", src: \"203.0.113.9\", id: 77 }", v4), json!([29, 77, "203.0.113.9", true, 64]));
    let v6 = "[it.payload_length, it.src.to_string(), it.hop_limit, it.flow_label]";
    let given = "#{ dst: \"2001:db8::2\", src: \"2001:db8::99\", hop_limit: 3, flow_label: 5, payload_length: 4 }";
    assert_eq!(seen("ipv6", given, v6), json!([4, "2001:db8::99", 3, 5]));
    // Without a header of its own, the options of the socket are in the one that the kernel writes.
    let below = "let wire = raw::packet(\"eth0\", #{ filter: #{ dport: 9 } });
        raw::open(\"ipv4\", \"udp\", #{ ttl: 5, tos: 16, source: \"192.0.2.1\" }).send(packet::udp(#{ dport: 9 }), \"192.0.2.2\");
        let it = wire.recv(\"5s\").ipv4; [it.ttl, it.tos, it.protocol, it.total_length, it.checksum_ok]";
    assert_eq!(value(world, below), json!([5, 16, 17, 28, true]));
}

fn what_is_received_has_its_header(world: &World) {
    let ask = |family: &str, protocol: &str, to: &str, asked: &str| {
        let request = format!("packet::{protocol}(#{{ type: \"echo-request\", id: 77, seq: 3 }}) / \"hello\"");
        let own = format!("raw::open(\"{family}\", \"{protocol}\", #{{ filter: #{{ src: \"{to}\" }} }})");
        let ping = format!("raw::ping(\"{family}\")");
        [own, ping].map(|socket| {
            value(
                world,
                &format!(
                    "let socket = {socket}; socket.send({request}, \"{to}\");
                     let reply = (); while reply == () || !(reply.{protocol}.type in [0, 129]) {{ reply = socket.recv(\"5s\"); }}
                     let ip = reply.{family}; {asked}"
                ),
            )
        })
    };
    let told = "[ip.src.to_string(), ip.dst.to_string(), reply.interface, reply.defects.len, reply.payload.as_string(), reply.time > 1.0e9";
    for answer in ask(
        "ipv4",
        "icmp",
        "192.0.2.2",
        &format!("{told}, ip.ttl, ip.total_length, ip.checksum_ok, reply.icmp.checksum_ok, reply.icmp.seq]"),
    ) {
        assert_eq!(answer, json!(["192.0.2.2", "192.0.2.1", "eth0", 0, "hello", true, 64, 33, true, true, 3]));
    }
    // Its header was not delivered: it is made of what the kernel tells, and fits the checksum.
    for answer in ask(
        "ipv6",
        "icmpv6",
        "2001:db8::2",
        &format!("{told}, ip.hop_limit, ip.payload_length, ip.next_header, reply.icmpv6.checksum_ok, reply.icmpv6.seq]"),
    ) {
        assert_eq!(answer, json!(["2001:db8::2", "2001:db8::1", "eth0", 0, "hello", true, 64, 13, 58, true, 3]));
    }
    let said = eval(world, "raw::open(\"ipv4\", \"raw\").recv(\"1h\")");
    assert!(said.code == Some(2) && said.err.contains("the protocol RAW is for sending only"), "{said:?}");
    assert_eq!(value(world, "raw::open(\"ipv4\", \"icmp\").recv(\"20ms\")"), Value::Null);
}

/// Packets that are not meant come all the time, also between the steps in which a socket is opened.
fn nothing_slips_in(world: &World) {
    let over = AtomicBool::new(false);
    let near = UdpSocket::bind("192.0.2.1:9").unwrap();
    scope(|scope| {
        let flood = || {
            at_the_client(|| {
                let socket = UdpSocket::bind("192.0.2.2:0").unwrap();
                while !over.load(Ordering::Relaxed) {
                    let _ = socket.send_to(b"noise", "192.0.2.1:9");
                }
            });
        };
        scope.spawn(flood);
        let script = |open: &str| {
            format!(
                "let strangers = 0; for turn in 0..200 {{ let socket = {open}; for many in 0..20 {{ if socket.recv(0) != () {{ strangers += 1; }} }} }} strangers"
            )
        };
        for open in [
            "raw::packet(\"eth0\", #{ filter: #{ port: 10 } })",
            "raw::open(\"ipv4\", \"udp\", #{ filter: #{ port: 10 } })",
            "raw::open(\"ipv4\", \"udp\", #{ interface: \"lo\" })",
        ] {
            assert_eq!(value(world, &script(open)), 0, "{open}");
        }
        // And they do come.
        let came = value(world, "let socket = raw::open(\"ipv4\", \"udp\"); sleep(\"50ms\"); socket.recv(\"5s\").udp.dport");
        assert_eq!(came, 9);
        over.store(true, Ordering::Relaxed);
    });
    drop(near);
}

fn what_is_dropped_is_counted(world: &World) {
    for (open, one) in [
        ("raw::packet(\"lo\", #{ receive_buffer: 5000, filter: #{ dport: 9 } })", 2),
        ("raw::open(\"ipv4\", \"udp\", #{ receive_buffer: 5000 })", 1),
    ] {
        let script = format!(
            "let socket = {open};
             let packet = packet::ipv4(#{{ src: \"127.0.0.1\", dst: \"127.0.0.1\" }}) / packet::udp(#{{ dport: 9 }}) / blob(500, 1);
             raw::open(\"ipv4\", \"raw\").send_many(packet, #{{ count: 300, rate: 1000000 }});
             sleep(\"20ms\");
             let received = 0; while socket.recv(0) != () {{ received += 1; }}
             [received, socket.drops, socket.drops]"
        );
        let counts: Vec<i64> = value(world, &script).as_array().unwrap().iter().map(|count| count.as_i64().unwrap()).collect();
        // On the loopback a packet socket sees each packet as it goes and as it comes.
        assert!(counts[0] > 0 && counts[0] < 300 && counts[0] + counts[1] == 300 * one && counts[1] == counts[2], "{open}: {counts:?}");
    }
}

fn options_are_in_the_packets(world: &World) {
    let options = "let socket = raw::open(\"ipv4\", \"icmp\", #{ ttl: 9, mtu_discover: \"probe\", broadcast: true });
        socket.tos = 8; socket.mark = 0x70; socket.receive_buffer = \"64kb\"; let before = socket.mtu_discover; socket.mtu_discover = \"want\";
        [socket.ttl, socket.tos, socket.mark, socket.broadcast, socket.receive_buffer, before, socket.mtu_discover]";
    assert_eq!(value(world, options), json!([9, 8, 0x70, true, 65536, "probe", "want"]));
    // A mark is what rules ask for.
    let before = world.state();
    world.run("mark", "iptables::table(\"filter\").chain(\"OUTPUT\").append(\"-m mark --mark 7 -j DROP\");");
    let marked = |mark: u8| {
        let packet = "packet::icmp(#{ type: \"echo-request\" })";
        eval(world, &format!("raw::open(\"ipv4\", \"icmp\", #{{ mark: {mark} }}).send({packet}, \"192.0.2.2\")"))
    };
    assert_eq!(marked(8).code, Some(0));
    let said = marked(7);
    assert!(said.code == Some(1) && said.err.contains("a rule of this host drops it"), "{said:?}");
    world.fyke_well(&["undo", "--recipe", "mark"]);
    assert_eq!(world.state(), before);
    // What is too long is cut, or not sent.
    let long = |how: &str| {
        let datagram = "packet::udp(#{ dport: 9 }) / blob(3000, 1)";
        eval(world, &format!("raw::open(\"ipv4\", \"udp\", #{{ mtu_discover: \"{how}\" }}).send({datagram}, \"192.0.2.2\")"))
    };
    let far = listener("192.0.2.2:9");
    assert_eq!(long("dont").code, Some(0));
    assert_eq!(heard(&far).0.len(), 3000);
    let said = long("do");
    assert!(said.code == Some(1) && said.err.contains("it has 3008 bytes, more than the link or the path takes (EMSGSIZE)"), "{said:?}");
    // Two links, one of them asked for.
    let on = "let socket = raw::open(\"ipv4\", \"icmp\", #{ interface: \"eth1\", filter: #{ src: \"198.51.100.2\" } });
        socket.send(packet::icmp(#{ type: \"echo-request\", id: 1, seq: 1 }), \"198.51.100.2\"); socket.recv(\"5s\").interface";
    assert_eq!(value(world, on), "eth1");
}

fn errors_are_told_to_who_pings(world: &World) {
    ip("route add 203.0.113.0/24 via 192.0.2.2");
    at_the_client(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").unwrap());
    // The client has no way to there, and says so; a packet that may go one hop only ends at it.
    let told = |options: &str, to: &str| {
        value(
            world,
            &format!(
                "let socket = raw::ping(\"ipv4\"); socket.send(packet::icmp(#{{ type: \"echo-request\", seq: 5 }}) / \"x\", \"{to}\", {options});
                 let found = []; for turn in 0..100 {{ found = socket.errors; if found.len > 0 {{ break; }} sleep(\"20ms\"); }}
                 [found.len, found[0].type, found[0].code, `${{found[0].by}}`, `${{found[0].to}}`, found[0].packet.icmp.seq]"
            ),
        )
    };
    assert_eq!(told("#{}", "203.0.113.9"), json!([1, "destination-unreachable", 0, "192.0.2.2", "203.0.113.9", 5]));
    tool("ip", &["-n", "client", "route", "add", "203.0.113.0/24", "via", "198.51.100.1"], "");
    assert_eq!(told("#{ ttl: 1 }", "203.0.113.9"), json!([1, "time-exceeded", 0, "192.0.2.2", "203.0.113.9", 5]));
    // An error of the packet before does not stop the next one.
    let next = "let socket = raw::ping(\"ipv4\"); let ping = packet::icmp(#{ type: \"echo-request\" });
        socket.send(ping, \"203.0.113.9\", #{ ttl: 1 }); sleep(\"100ms\"); socket.send(ping, \"192.0.2.2\"); socket.recv(\"5s\").icmp.type";
    assert_eq!(value(world, next), 0);
    ip("route del 203.0.113.0/24");
}

fn what_cannot_be_sent_is_refused(world: &World) {
    let refused = |script: &str, code: i32, why: &str| {
        let said = eval(world, script);
        assert!(said.code == Some(code) && said.err.contains(why), "{script}: {said:?}");
    };
    let raw = |packet: &str| format!("raw::open(\"ipv4\", \"raw\").send({packet}, \"192.0.2.2\")");
    refused(&raw("blob(0)"), 1, "the kernel takes no such packet (EINVAL)");
    refused(&raw("blob(65536, 0x45)"), 1, "it has 65536 bytes, more than the link or the path takes (EMSGSIZE)");
    refused(&raw("blob(100000, 0x45)"), 1, "it has 100000 bytes");
    refused(&raw("packet::ipv4(#{ dst: \"192.0.2.2\" }) / blob(1490)"), 1, "it has 1510 bytes, more than the link");
    refused("raw::packet(\"eth0\").send(blob(10))", 1, "EINVAL");
    refused("raw::packet(\"eth0\").send(blob(2000))", 1, "it has 2000 bytes");
    refused("raw::open(\"ipv4\", \"icmp\").send(packet::icmp(#{}), \"192.0.2.255\")", 1, "the option `broadcast: true`");
    refused("raw::open(\"ipv4\", \"icmp\").send(packet::icmp(#{}), \"203.0.113.1\")", 1, "there is no route to it");
    refused("raw::open(\"ipv4\", \"icmp\").send(packet::icmp(#{}))", 2, "it has to be told where to");
    refused("raw::open(\"ipv4\", \"icmp\").send(packet::icmp(#{}), \"2001:db8::2\")", 2, "2001:db8::2 is of the other family");
    refused("raw::open(\"ipv4\", \"icmp\").send(packet::ipv4(#{}), \"192.0.2.2\")", 2, "the kernel writes the IP header");
    refused(
        "raw::open(\"ipv4\", \"raw\").send(packet::icmp(#{}), \"192.0.2.2\")",
        2,
        "the packet begins with icmp, and the socket sends whole IP packets",
    );
    refused("raw::packet(\"eth0\").send(packet::ipv4(#{}))", 2, "the packet begins with an IP header, and a frame with ethernet");
    refused("raw::packet(\"eth7\")", 2, "there is no link eth7 here");
    refused("let s = raw::ping(\"ipv4\"); s.close(); s.close(); s.send(packet::icmp(#{}), \"192.0.2.2\")", 2, "it is closed");
    ip("link set eth1 down");
    refused("raw::packet(\"eth1\").send(packet::ethernet(#{}) / packet::arp(#{}))", 1, "the link is down");
    ip("link set eth1 up");
    ip("addr add 2001:db8:1::1/64 dev eth1 nodad");
}

fn public_addresses_take_a_word(world: &World) {
    let far = listener("192.0.2.2:9");
    let datagram = "packet::udp(#{ sport: 4000, dport: 9 }) / \"x\"";
    let inside = format!("packet::ipv4(#{{ src: \"192.0.2.1\", dst: \"192.0.2.2\" }}) / {datagram}");
    for script in [
        format!("raw::open(\"ipv4\", \"udp\").send({datagram}, \"192.0.2.2\")"),
        format!("raw::open(\"ipv4\", \"raw\").send({inside})"),
        // What the kernel is told is near, what stands in the packet is not.
        format!("raw::open(\"ipv4\", \"raw\").send({inside}, \"127.0.0.1\")"),
        format!("raw::open(\"ipv4\", \"raw\").send(({inside}).bytes, \"127.0.0.1\")"),
        format!("raw::packet(\"eth0\").send(packet::ethernet(#{{}}) / packet::vlan(#{{ id: 5 }}) / {inside})"),
        format!("raw::packet(\"eth0\", #{{ cooked: true }}).send({inside}, \"ff:ff:ff:ff:ff:ff\")"),
        format!("raw::open(\"ipv4\", \"raw\").send_many({inside}, #{{ count: 1 }})"),
        // A near host is asked to pass it on.
        format!(
            "raw::open(\"ipv4\", \"raw\").send(packet::ipv4(#{{ dst: \"127.0.0.1\", options: [#{{ kind: \"loose-source-route\", route: [\"192.0.2.2\"] }}] }}) / {datagram})"
        ),
        "raw::open(\"ipv6\", 43).send(packet::routing(#{ addresses: [\"2001:db8::2\"] }) / \"x\", \"::1\")".to_owned(),
        "raw::ping(\"ipv4\").send(packet::icmp(#{ type: \"echo-request\" }), \"192.0.2.2\")".to_owned(),
        format!(
            "raw::open(\"ipv4\", \"raw\").send_many(packet::ipv4(#{{ dst: \"127.0.0.1\" }}) / {datagram}, #{{ vary: #{{ \"ipv4.dst\": [\"127.0.0.1\", \"192.0.2.2\"] }} }})"
        ),
        format!(
            "raw::open(\"ipv4\", \"raw\").send_many(packet::ipv4(#{{ dst: \"127.0.0.1\" }}) / {datagram}, #{{ vary: #{{ \"ipv4.dst\": \"random\" }} }})"
        ),
    ] {
        let said = world.fyke(&["eval", &script]);
        let is_bounded = said.err.contains("more than 65536") && said.code == Some(2);
        assert!(said.code == Some(5) && said.err.contains("--allow-public") || is_bounded, "{script}: {said:?}");
    }
    far.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(far.recv(&mut [0; 9]).is_err(), "none of them was sent");
    for near in ["127.0.0.1", "127.9.9.9"] {
        let said = world.fyke(&["eval", &format!("raw::open(\"ipv4\", \"udp\").send({datagram}, \"{near}\")")]);
        assert_eq!(said.code, Some(0), "{said:?}");
    }
    let recipe = world.recipe("far", &format!("raw::open(\"ipv4\", \"udp\").send({datagram}, \"192.0.2.2\");"));
    let said = world.fyke_well(&["plan", &recipe]);
    assert!(said.err.contains("a run would be refused: ") && said.err.contains("--allow-public"), "{said:?}");
    world.fyke_well(&["run", "--allow-public", &recipe]);
    assert_eq!(heard(&far).0, "x");
}

fn a_plan_sends_nothing(world: &World) {
    let far = listener("192.0.2.2:9");
    let text = "let socket = raw::open(\"ipv4\", \"udp\", #{ ttl: 3 });
        for turn in 0..3 { socket.send(packet::udp(#{ dport: 9 }) / \"x\", \"192.0.2.2\"); }
        raw::packet(\"eth0\").send(packet::ethernet(#{}) / packet::arp(#{ dst: \"192.0.2.9\" }));
        print(socket.ttl);
        link::add(\"later type veth peer name later2\");
        raw::packet(\"later\");
        socket.recv(\"1h\");
        print(\"never\");";
    let said = world.fyke_well(&["plan", &world.recipe("planned", text)]);
    assert!(
        said.out.contains("! sent 3 packets of udp to 192.0.2.2 through a raw socket of udp over IPv4, which cannot be lifted"),
        "{said:?}"
    );
    assert!(said.out.contains("! sent a packet of arp to ff:ff:ff:ff:ff:ff through a packet socket on eth0"), "{said:?}");
    assert!(said.out.contains("3\n") && !said.out.contains("never"), "{said:?}");
    assert!(said.err.contains("the plan is known up to ") && said.err.contains("planned.rhai:7:16: a plan sends nothing"), "{said:?}");
    for (script, what) in [
        (
            "raw::open(\"ipv4\", \"raw\").send_many(packet::ipv4(#{ dst: \"192.0.2.2\" }) / packet::udp(#{ dport: 9 }), #{ count: 7 });",
            "sent up to 7 packets of udp to 192.0.2.2",
        ),
        ("raw::capture(\"eth0\", #{ file: \"/run/planned.pcap\" });", "wrote \"/run/planned.pcap\""),
    ] {
        let said = world.fyke_well(&["plan", &world.recipe("planned", script)]);
        assert!(said.out.contains(what) && said.err.contains("known up to"), "{said:?}");
    }
    assert!(!std::path::Path::new("/run/planned.pcap").exists());
    let said = world.fyke_well(&["plan", &world.recipe("raw", "raw::open(\"ipv4\", \"icmp\").ttl")]);
    assert!(said.err.contains("known up to"), "{said:?}");
    let said = world.fyke(&["plan", &world.recipe("raw", "raw::open(\"ipv4\", \"raw\").recv()")]);
    assert!(said.code == Some(2) && said.err.contains("for sending only"), "{said:?}");
    far.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(far.recv(&mut [0; 9]).is_err(), "nothing was sent");
    assert!(!std::path::Path::new("/run/fyke/journal").exists(), "a plan is not journaled");
}

fn the_journal_has_one_entry_for_many(world: &World) {
    let script = "let socket = raw::open(\"ipv4\", \"icmp\");
        for turn in 0..500 { socket.send(packet::icmp(#{ type: \"echo-request\", seq: turn }), \"127.0.0.1\"); }
        for last in 1..60 { socket.send(packet::icmp(#{ type: \"echo-request\" }), `127.0.0.${last}`); }
        let packet = packet::ipv4(#{ src: \"127.0.0.1\", dst: \"127.0.0.1\" }) / packet::udp(#{ dport: 9 });
        raw::open(\"ipv4\", \"raw\").send_many(packet, #{ count: 400, rate: 100000 });";
    let said = world.run("many", script);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("! sent 501 packets of icmp to 127.0.0.1 through a raw socket of icmp over IPv4"), "{said:?}");
    assert!(said.err.contains("! sent 39 packets of other kinds, or to other addresses, through a raw socket"), "{said:?}");
    assert!(said.err.contains("! sent 400 packets of udp to 127.0.0.1"), "{said:?}");
    let history = world.fyke_well(&["history", "last"]).out;
    let of = |words: &str| history.matches(words).count();
    assert_eq!(
        (of("sent packets of icmp to 127.0.0.1 "), of("sent packets of icmp"), of("sent up to 400 packets of udp")),
        (1, 20, 1),
        "{history}"
    );
    assert_eq!(of("other kinds"), 1, "{history}");
}

fn ordinary_users_ping_and_are_told_what_is_missing(_: &World) {
    let weak = |script: &str| shell(&format!("exec setpriv --bounding-set -net_raw \"$FYKE\" eval --allow-public '{script}'"));
    let said = weak("raw::open(\"ipv4\", \"icmp\")");
    assert!(said.code == Some(5) && said.err.contains("cannot open a raw socket of icmp over IPv4: it takes CAP_NET_RAW"), "{said:?}");
    assert!(said.err.contains("sudo fyke run") && said.err.contains("fyke --sandbox run"), "{said:?}");
    for open in ["raw::packet(\"eth0\")", "raw::capture(\"eth0\", #{})", "raw::open(\"ipv6\", \"raw\")"] {
        assert_eq!(weak(open).code, Some(5), "{open}");
    }
    let ping = "let s = raw::ping(\"ipv4\"); s.send(packet::icmp(#{ type: \"echo-request\" }), \"192.0.2.2\"); s.recv(\"5s\").ipv4.src";
    let said = weak(ping);
    assert!(said.code == Some(0) && said.out == "192.0.2.2\n", "{said:?}");
    std::fs::write("/proc/sys/net/ipv4/ping_group_range", "1 0").unwrap();
    let said = weak(ping);
    std::fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0").unwrap();
    assert!(said.code == Some(5) && said.err.contains("no group of this user is in net.ipv4.ping_group_range"), "{said:?}");
}

fn sockets_belong_to_their_namespace(world: &World) {
    // Opened there, used here: it sends from there, and receives what comes there.
    let script = "let there = netns::enter(\"client\", || raw::open(\"ipv4\", \"icmp\", #{ filter: #{ src: \"192.0.2.1\" } }));
        there.send(packet::icmp(#{ type: \"echo-request\", id: 5, seq: 6 }), \"192.0.2.1\");
        let reply = there.recv(\"5s\"); [reply.ipv4.src.to_string(), reply.ipv4.dst.to_string(), reply.icmp.seq]";
    assert_eq!(value(world, script), json!(["192.0.2.1", "192.0.2.2", 6]));
}
