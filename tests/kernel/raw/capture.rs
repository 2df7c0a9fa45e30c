//! Captures: nothing is missed, what is written others can read, and what was too much is counted.

use std::process::Command;

use serde_json::json;

use super::{eval, value};
use crate::kernel::world::{World, in_a_world, tool};

in_a_world! {
    what_comes_is_captured_and_counted
    a_file_is_read_by_others
    tags_are_put_back
    all_links_are_captured_at_once
    what_is_too_fast_is_counted
    a_function_sees_them_all_and_ends_it
    nothing_is_captured_where_nothing_may_be
}

/// Waits until somebody captures.
pub(super) const BEGUN: &str =
    "while sockets::list(#{ proto: \"packet\", interface: \"eth0\" }).is_empty() { sleep(\"10ms\"); } sleep(\"50ms\");";

/// Sends datagrams from the client while a capture runs: `capture` is an expression in which that is a statement at its beginning.
const SENDER: &str = "let sender = netns::enter(\"client\", || raw::open(\"ipv4\", \"raw\"));
    let packet = packet::ipv4(#{ src: \"192.0.2.2\", dst: \"192.0.2.1\" }) / packet::udp(#{ sport: 40, dport: 9 }) / blob(100, 1);";

/// Runs a capture here, and when it has begun a stream at the client.
fn captured(world: &World, options: &str, count: u32, rate: u32, asked: &str) -> serde_json::Value {
    let sending =
        format!("{BEGUN} {SENDER} sender.send_many(packet, #{{ count: {count}, rate: {rate}, vary: #{{ \"udp.sport\": \"counter\" }} }});");
    let sender = world.recipe("sender", &sending);
    let mut sender = world.command(&["run", "--allow-public", &sender]).spawn().unwrap();
    let found = value(world, &format!("let seen = raw::capture(\"eth0\", {options}); {asked}"));
    assert!(sender.wait().unwrap().success());
    found
}

fn what_comes_is_captured_and_counted(world: &World) {
    let filter = "filter: #{ proto: \"udp\", dport: 9, src: \"192.0.2.2\" }";
    let asked = "let talk = seen.talks[0]; [seen.packets, seen.bytes, seen.dropped, seen.limited, seen.talks.len, talk.proto, talk.src.to_string(), talk.dst.to_string(),
        talk.packets, talk.bytes, seen.parts.reduce(|sum, part| sum + part, 0)]";
    let found = captured(world, &format!("#{{ {filter}, count: 700, time: \"10s\" }}"), 700, 20_000, asked);
    assert_eq!(found, json!([700, 700 * 142, 0, 0, 1, "udp", "192.0.2.2", "192.0.2.1", 700, 700 * 142, 700]));
    // The first limit that is reached ends it.
    assert_eq!(captured(world, &format!("#{{ {filter}, count: 10, time: \"10s\" }}"), 50, 1000, "seen.packets"), 10);
    let found =
        value(world, "let seen = raw::capture(\"eth0\", #{ filter: #{ port: 9 }, time: \"150ms\" }); [seen.packets, seen.time.seconds]");
    assert!(found[0] == 0 && (0.15..1.0).contains(&found[1].as_f64().unwrap()), "{found}");
}

fn a_file_is_read_by_others(world: &World) {
    let path = world.folder.path().join("capture.pcap").display().to_string();
    let options = format!("#{{ filter: #{{ dport: 9 }}, count: 300, file: \"{path}\", snaplen: 60 }}");
    assert_eq!(captured(world, &options, 300, 20_000, "[seen.packets, seen.bytes]"), json!([300, 300 * 142]));
    let back = value(
        world,
        &format!(
            "let all = packet::read(\"{path}\"); [all.len, all[0].length, all[0].bytes.len, all[0].udp.sport, all[299].udp.sport, packet::check_file(\"{path}\")]"
        ),
    );
    assert_eq!(back, json!([300, 142, 60, 40, 339, null]));
    if Command::new("tcpdump").arg("--version").output().is_err() {
        println!("skipped in part: tcpdump is not installed");
        return;
    }
    let listed = tool("tcpdump", &["-nn", "-r", &path, "src host 192.0.2.2 and udp dst port 9"], "");
    // Some of the ports have a protocol of their own for tcpdump.
    assert_eq!(listed.lines().filter(|line| line.contains("IP 192.0.2.2.") && line.contains("> 192.0.2.1.9: ")).count(), 300);
    // What cannot be written to is refused before anything is captured.
    for bad in ["/", "/nowhere/x.pcap", "/dev/null"] {
        let said = eval(world, &format!("raw::capture(\"eth0\", #{{ file: \"{bad}\" }})"));
        assert!(said.code != Some(0) && said.err.contains("cannot write"), "{bad}: {said:?}");
    }
}

fn tags_are_put_back(world: &World) {
    let frame = "packet::ethernet(#{ dst: \"ff:ff:ff:ff:ff:ff\" }) / packet::vlan(#{ id: 42, priority: 3 })
        / packet::ipv4(#{ src: \"192.0.2.2\", dst: \"192.0.2.1\" }) / packet::udp(#{ dport: 9 }) / \"tagged\"";
    let script = format!(
        "let here = raw::packet(\"eth0\", #{{ filter: #{{ vlan: 42, dport: 9 }} }}); let any = raw::packet(\"eth0\", #{{ filter: #{{ vlan: true }} }});
         let other = raw::packet(\"eth0\", #{{ filter: #{{ vlan: 43 }} }});
         let there = netns::enter(\"client\", || raw::packet(\"eth0\")); there.send({frame});
         let came = here.recv(\"5s\"); let same = any.recv(\"5s\");
         [came.layers, came.vlan.id, came.vlan.priority, came.udp.checksum_ok, came.payload.as_string(), same.bytes == came.bytes, other.recv(\"50ms\"), came.direction]"
    );
    let layers = json!(["ethernet", "vlan", "ipv4", "udp"]);
    assert_eq!(value(world, &script), json!([layers, 42, 3, true, "tagged", true, null, "broadcast"]));
    let path = world.folder.path().join("tags.pcap").display().to_string();
    let script = format!(
        "let there = netns::enter(\"client\", || raw::packet(\"eth0\"));
         there.send({frame});
         let seen = raw::capture(\"eth0\", #{{ filter: #{{ vlan: 42 }}, count: 1, file: \"{path}\" }}, |packets| {{ }});
         seen.packets"
    );
    // One that was sent before the capture is not in it: this one is sent meanwhile.
    let sender = world.recipe("tag", &format!("{BEGUN} netns::enter(\"client\", || raw::packet(\"eth0\").send({frame}));"));
    let mut sender = world.command(&["run", "--allow-public", &sender]).spawn().unwrap();
    assert_eq!(value(world, &script), 1);
    assert!(sender.wait().unwrap().success());
    assert_eq!(value(world, &format!("packet::read(\"{path}\")[0].vlan.id")), 42);
}

fn all_links_are_captured_at_once(world: &World) {
    let path = world.folder.path().join("any.pcap").display().to_string();
    let sending = "while sockets::list(#{ proto: \"packet\" }).is_empty() { sleep(\"10ms\"); } sleep(\"500ms\");
        let datagram = |src, dst| packet::ipv4(#{ src: src, dst: dst }) / packet::udp(#{ sport: 40, dport: 9 }) / \"x\";
        let head = packet::ethernet(#{ dst: \"ff:ff:ff:ff:ff:ff\" });
        netns::enter(\"client\", || {
            let socket = raw::open(\"ipv4\", \"raw\");
            for turn in 0..20 { socket.send(datagram.call(\"192.0.2.2\", \"192.0.2.1\")); }
            raw::packet(\"eth1\").send(head / datagram.call(\"198.51.100.2\", \"198.51.100.1\"));
            raw::packet(\"eth0\").send(head / packet::vlan(#{ id: 42 }) / datagram.call(\"192.0.2.2\", \"192.0.2.1\"));
            raw::packet(\"eth0\").send(head / packet::arp(#{ op: \"request\", src: \"192.0.2.2\", dst: \"192.0.2.99\" }));
        });
        let own = raw::open(\"ipv4\", \"raw\");
        for turn in 0..5 { own.send(datagram.call(\"127.0.0.1\", \"127.0.0.1\")); }";
    let start = || world.command(&["run", "--allow-public", &world.recipe("all", sending)]).spawn().unwrap();
    let mut sender = start();
    let capturing = format!(
        "let all = []; let seen = raw::capture(\"any\", #{{ time: \"2500ms\", file: \"{path}\" }}, |packets| {{ all += packets; }});
         let told = |name, wanted| all.filter(|it| it.interface == name && it.layers == wanted && it.direction != \"outgoing\").len;
         let udp = [\"sll2\", \"ipv4\", \"udp\"];
         let odd = all.filter(|it| it.interface != () && it.sll2.interface != link::get(it.interface).index).len;
         let talk = seen.talks.find(|it| it.proto == \"udp\" && it.src == address(\"192.0.2.2\"));
         let arp = seen.talks.find(|it| it.proto == \"arp\" && it.dst == address(\"192.0.2.99\"));
         [seen.packets == all.len, told.call(\"eth0\", udp), told.call(\"eth1\", udp), told.call(\"lo\", udp), told.call(\"eth0\", [\"sll2\", \"vlan\", \"ipv4\", \"udp\"]),
          all.filter(|it| \"arp\" in it && it.arp.dst == address(\"192.0.2.99\")).len, odd, talk.packets, arp.packets, all.all(|it| it.defects.is_empty())]"
    );
    assert_eq!(value(world, &capturing), json!([true, 20, 1, 5, 1, 1, 0, 21, 1, true]), "the one with a tag is of the same talk");
    assert!(sender.wait().unwrap().success());
    let fields =
        ["-e", "sll.ifindex", "-e", "vlan.id", "-e", "udp.dstport", "-e", "arp.dst.proto_ipv4", "-e", "icmp.type", "-e", "_ws.malformed"];
    let read = tool("tshark", &[&["-r", &path, "-T", "fields"][..], &fields].concat(), "");
    // An error quotes the datagram that it is about.
    let is = |wanted: &str| read.lines().filter(|line| *line == wanted).count();
    let [eth0, eth1, lo] = ["eth0", "eth1", "lo"].map(|name| value(world, &format!("link::get(\"{name}\").index")));
    let counts = [
        is(&format!("{eth0}\t\t9\t\t\t")),
        is(&format!("{eth1}\t\t9\t\t\t")),
        is(&format!("{lo}\t\t9\t\t\t")),
        is(&format!("{eth0}\t42\t9\t\t\t")),
        is(&format!("{eth0}\t\t\t192.0.2.99\t\t")),
    ];
    assert_eq!(counts, [20, 1, 5, 1, 1], "{read}");
    assert!(read.lines().all(|line| line.ends_with('\t')), "nothing is malformed: {read}");
    // The recipe tells the interface of each, and a filter holds for all of them.
    let mut sender = start();
    let said = world.fyke_well(&["run", "capture", "--interface", "any", "--port", "9", "--proto", "udp", "--time", "2500ms"]);
    assert!(sender.wait().unwrap().success());
    let told =
        |name: &str| said.out.lines().filter(|line| line.contains(&format!(" {name} < ")) && line.ends_with("udp 40 > 9, 1 bytes")).count();
    assert_eq!([told("eth0"), told("eth1"), told("lo")], [21, 1, 5], "the tag is not asked for, so it does not matter: {said:?}");
    let refused = eval(world, "raw::capture(\"any\", #{ promiscuous: true })");
    assert!(refused.err.contains("a link has to be asked for them, and no link is named"), "{refused:?}");
    let refused = eval(world, "raw::packet(\"any\")");
    assert!(refused.err.contains("there is no link any here"), "{refused:?}");
}

fn what_is_too_fast_is_counted(world: &World) {
    let options = "#{ filter: #{ dport: 9, src: \"192.0.2.2\" }, count: 100000, rate: 100, time: \"1500ms\" }";
    let found = captured(world, options, 1000, 5000, "[seen.packets, seen.limited, seen.dropped]");
    let counts: Vec<i64> = found.as_array().unwrap().iter().map(|count| count.as_i64().unwrap()).collect();
    assert!(counts[0] <= 200 && counts[0] > 0 && counts[0] + counts[1] + counts[2] == 1000, "{counts:?}");
    // A function that takes its time: what the kernel has no room for is counted, too.
    let slow = "#{ filter: #{ dport: 9, src: \"192.0.2.2\" }, count: 1000, time: \"5s\" }, |packets| { sleep(\"20ms\"); }";
    let found = captured(world, slow, 1000, 100_000, "[seen.packets, seen.dropped]");
    assert_eq!(found[0].as_i64().unwrap() + found[1].as_i64().unwrap(), 1000, "{found}");
}

fn a_function_sees_them_all_and_ends_it(world: &World) {
    let options = "#{ filter: #{ dport: 9, src: \"192.0.2.2\" }, count: 500, time: \"10s\" }, |packets| { for packet in packets { ports.push(packet.udp.sport); } }";
    let asked = "[seen.packets, ports.len, ports[0], ports[499]]";
    let run = |rate: u32| {
        let options = format!("#{{ count: 500, rate: {rate}, vary: #{{ \"udp.sport\": \"counter\" }} }}");
        let sender = world.recipe("sender", &format!("{BEGUN} {SENDER} sender.send_many(packet, {options});"));
        world.command(&["run", "--allow-public", &sender]).spawn().unwrap()
    };
    let mut first = run(20_000);
    assert_eq!(value(world, &format!("let ports = []; let seen = raw::capture(\"eth0\", {options}); {asked}")), json!([500, 500, 40, 539]));
    assert!(first.wait().unwrap().success());
    // Slowly enough that it can end in the middle.
    let mut second = run(1000);
    let enough = "let seen = raw::capture(\"eth0\", #{ filter: #{ dport: 9 }, time: \"10s\" }, |packets| false); seen.packets > 0 && seen.packets < 500";
    assert_eq!(value(world, enough), true);
    assert!(second.wait().unwrap().success());
    let said = eval(world, "raw::capture(\"lo\", #{ time: \"2s\" }, |packets| { throw \"enough\"; }); 1");
    // Nothing came to it: the function was never called.
    assert_eq!(said.code, Some(0), "{said:?}");
}

fn nothing_is_captured_where_nothing_may_be(world: &World) {
    for (script, why) in [
        ("raw::capture(\"eth7\", #{})", "there is no link eth7 here"),
        ("raw::capture(\"eth0\", #{ snaplen: 5 })", "`snaplen` is a number from 14 to 262144"),
        ("raw::capture(\"eth0\", #{ filter: \"tcp\" })", "a map is wanted"),
        ("raw::capture(\"eth0\", #{ filter: #{ protoo: \"tcp\" } })", "did you mean `proto`?"),
        ("raw::capture(\"eth0\", #{ filter: #{ host: \"example.org\" } })", "names are not looked up"),
        ("raw::capture(\"eth0\", #{ cooked: true })", "there is no such option"),
        ("raw::capture(\"a/b\", #{})", "as the name of a link"),
    ] {
        let said = eval(world, script);
        assert!(said.code != Some(0) && said.err.contains(why), "{script}: {said:?}");
    }
}
