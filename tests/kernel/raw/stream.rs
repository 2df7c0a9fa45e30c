//! Streams: many packets of a kind, counted where they arrive, and looked at by tshark.

use std::process::Command;

use serde_json::{Value, json};

use super::{eval, value};
use crate::kernel::world::{World, in_a_world, tool};

in_a_world! {
    all_of_them_arrive_and_vary
    a_rate_is_kept
    limits_end_a_stream
    streams_are_good_for_tshark
    what_cannot_vary_is_refused
}

/// What is sent and what is seen of it at the other side: a script that gives `sent` and `seen`, in which `asked` looks at the packets.
fn both(world: &World, send: &str, asked: &str) -> Value {
    let script = format!(
        "let wire = netns::enter(\"client\", || raw::packet(\"eth0\", #{{ filter: #{{ dport: 9 }}, receive_buffer: \"8mb\" }}));
         let sent = {send};
         let packets = []; loop {{ let packet = wire.recv(\"300ms\"); if packet == () {{ break; }} packets.push(packet); }}
         let wrong = packets.filter(|packet| !packet.defects.is_empty() || packet.udp.checksum_ok != true);
         #{{ sent: sent.packets, refused: sent.refused, seen: packets.len, wrong: wrong.len, drops: wire.drops, asked: {asked} }}"
    );
    value(world, &script)
}

fn all_of_them_arrive_and_vary(world: &World) {
    let packet = "packet::ipv4(#{ dst: \"192.0.2.2\" }) / packet::udp(#{ sport: 1000, dport: 9 }) / \"hello\"";
    let raw = format!(
        "raw::open(\"ipv4\", \"raw\").send_many({packet}, #{{ count: 500, rate: 100000, seed: 7,
         vary: #{{ \"udp.sport\": \"counter\", \"ipv4.ttl\": [7, 9], \"ipv4.src\": #{{ from: \"10.0.0.1\", to: \"10.0.0.5\", random: true }} }} }})"
    );
    let asked = "{
        let hops = 0; let sources = #{}; let ports = #{};
        for packet in packets { hops += packet.ipv4.ttl; sources[`${packet.ipv4.src}`] = true; ports[`${packet.udp.sport}`] = true; }
        [packets[0].udp.sport, packets[499].udp.sport, hops, sources.len(), ports.len()]
    }";
    let found = both(world, &raw, asked);
    assert_eq!(found, json!({ "sent": 500, "refused": 0, "seen": 500, "wrong": 0, "drops": 0, "asked": [1000, 1499, 4000, 5, 500] }));

    let six = "raw::open(\"ipv6\", \"udp\").send_many(packet::udp(#{ sport: 5, dport: 9 }) / \"x\", #{ to: \"2001:db8::2\", count: 300, rate: 50000,
        vary: #{ \"udp.sport\": 100..=102 } })";
    let found = both(world, six, "packets.map(|it| it.udp.sport).filter(|port| port == 101).len");
    assert_eq!(found, json!({ "sent": 300, "refused": 0, "seen": 300, "wrong": 0, "drops": 0, "asked": 100 }));

    let frame = "raw::packet(\"eth0\").send_many(packet::ethernet(#{}) / packet::ipv4(#{ src: \"192.0.2.1\", dst: \"192.0.2.2\" }) / packet::udp(#{ dport: 9 }),
         #{ count: 400, rate: 1000000, vary: #{ \"ethernet.src\": #{ from: \"02:00:00:00:00:01\", to: \"02:00:00:00:00:04\" }, \"ipv4.id\": \"random\" } })";
    let found = both(world, frame, "{ let all = #{}; for packet in packets { all[`${packet.ethernet.src}`] = true; } all.len() }");
    assert_eq!(found, json!({ "sent": 400, "refused": 0, "seen": 400, "wrong": 0, "drops": 0, "asked": 4 }));
}

fn a_rate_is_kept(world: &World) {
    let send = "raw::open(\"ipv4\", \"raw\").send_many(packet::ipv4(#{ dst: \"127.0.0.1\" }) / packet::udp(#{ dport: 9 }), #{ count: 200, rate: 400 })";
    let found = value(world, &format!("let sent = {send}; [sent.packets, sent.time.seconds, sent.rate]"));
    let seconds = found[1].as_f64().unwrap();
    // The last of 200 is due after 199 parts of 400 of a second, and is never sent earlier.
    assert!(found[0] == 200 && (0.497..1.5).contains(&seconds), "{found}");
    assert!(found[2].as_f64().unwrap() < 403.0, "{found}");
}

fn limits_end_a_stream(world: &World) {
    let packet = "packet::ipv4(#{ dst: \"127.0.0.1\" }) / packet::udp(#{ dport: 9 })";
    let send = |options: &str| {
        value(world, &format!("let sent = raw::open(\"ipv4\", \"raw\").send_many({packet}, {options}); [sent.packets, sent.time.seconds]"))
    };
    // Nothing was said: a thousand, as fast as a thousand in a second.
    let found = send("#{}");
    assert!(found[0] == 1000 && found[1].as_f64().unwrap() >= 0.999, "{found}");
    let found = send("#{ count: 1000000, rate: 1000000000, time: \"200ms\" }");
    assert!(found[0].as_i64().unwrap() < 1_000_000 && (0.2..1.0).contains(&found[1].as_f64().unwrap()), "{found}");
    let endless = format!("raw::open(\"ipv4\", \"raw\").send_many({packet}, #{{ count: 1000000000, rate: 100, time: \"1h\" }})");
    let said = world.fyke(&["--timeout", "300ms", "eval", &endless]);
    assert!(said.code == Some(8) && said.err.contains("the deadline is over"), "{said:?}");
}

/// What is built and varied is taken apart by somebody else, who finds nothing wrong.
fn streams_are_good_for_tshark(world: &World) {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: tshark is not installed");
        return;
    }
    let path = world.folder.path().join("stream.pcap").display().to_string();
    let mut counted = 0;
    for (family, above, vary) in [
        (
            "ipv4",
            "packet::tcp(#{ dport: 80, flags: \"SYN\", options: [#{ kind: \"mss\", value: 1460 }] })",
            "\"tcp.seq\": \"random\", \"ipv4.id\": \"counter\"",
        ),
        ("ipv4", "packet::icmp(#{ type: \"echo-request\" })", "\"icmp.seq\": \"counter\", \"ipv4.ttl\": 1..=64"),
        (
            "ipv6",
            "packet::udp(#{ dport: 9 })",
            "\"udp.sport\": \"random\", \"ipv6.flow_label\": \"random\", \"ipv6.dst\": [\"fd00::2\", \"fd00::3\"]",
        ),
        (
            "ipv6",
            "packet::icmpv6(#{ type: \"echo-request\" })",
            "\"icmpv6.id\": \"random\", \"ipv6.src\": #{ from: \"fd00::1\", to: \"fd00::ffff\" }",
        ),
    ] {
        let (src, dst) = if family == "ipv4" { ("10.0.0.1", "10.0.0.2") } else { ("fd00::1", "fd00::2") };
        // Frames to nobody on a link on which nothing is routed: what is captured is what was sent.
        let script = format!(
            "let wire = raw::packet(\"eth1\", #{{ filter: #{{ host: \"{dst}\" }}, receive_buffer: \"8mb\" }}); let out = raw::packet(\"eth1\");
             out.send_many(packet::ethernet(#{{ dst: \"02:00:00:00:00:99\" }}) / packet::{family}(#{{ src: \"{src}\", dst: \"{dst}\" }}) / {above} / \"payload\",
                 #{{ count: 100, rate: 100000, vary: #{{ {vary} }} }});
             let all = []; loop {{ let packet = wire.recv(\"100ms\"); if packet == () {{ break; }} all.push(packet); }}
             packet::write(\"{path}\", all); all.len"
        );
        counted += value(world, &script).as_i64().unwrap();
        // A port that came at random is no promise of what the payload is: one in 650 belongs to something that finds it broken.
        let words = ["-r", &path, "-d", "udp.port==0-65535,data", "-T", "fields"];
        let checks = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"];
        let bad = "_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0 || tcp.checksum.status == 0 || icmp.checksum.status == 0 || icmpv6.checksum.status == 0";
        let wrong = tool("tshark", &[&words[..], &checks, &["-e", "frame.number", "-Y", bad]].concat(), "");
        assert_eq!(wrong, "", "{above}");
    }
    assert!(counted >= 350, "{counted}");
}

fn what_cannot_vary_is_refused(world: &World) {
    let send = |options: &str| {
        let packet = "packet::ipv4(#{ dst: \"127.0.0.1\" }) / packet::udp(#{ dport: 9 })";
        eval(world, &format!("raw::open(\"ipv4\", \"raw\").send_many({packet}, #{{ {options} }})"))
    };
    for (options, why) in [
        ("cuont: 1", "did you mean `count`?"),
        ("count: 0", "it is a number from 1 to"),
        ("rate: -1", "it is a number from 1 to"),
        ("time: \"0s\"", "it is between 1us and 24h"),
        ("count: 1.5", "a whole number is wanted"),
        ("vary: \"udp.sport\"", "a map is wanted"),
        ("vary: #{ sport: \"random\" }", "a field has its layer before it"),
        ("vary: #{ \"udp.sprot\": \"random\" }", "did you mean `sport`?"),
        ("vary: #{ \"udp.sport\": [70000] }", "is no value of it"),
        ("to: \"2001:db8::1\"", "is of the other family"),
    ] {
        let said = send(options);
        assert!(said.code == Some(2) && said.err.contains(why), "{options}: {said:?}");
    }
}
