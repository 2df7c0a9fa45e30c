//! The ephemeral range and the reserved ports, by the ports that connections get.

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};

use super::world::{World, in_a_world};

in_a_world! {
    connections_get_ports_of_the_range
    reserved_ports_are_left_alone
    two_recipes_reserve_side_by_side
    what_others_reserve_stays
    what_is_in_use_is_named_with_who_has_it
    thousands_of_single_ports_are_reserved
    a_parameter_is_the_same_thing
    what_the_kernel_would_refuse_is_refused_at_once
}

const RANGE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
pub(super) const RESERVED: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

fn read(path: &str) -> String {
    // In one piece: the kernel gives nothing more to a second read.
    let mut bytes = vec![0; 1 << 20];
    let len = std::io::Read::read(&mut fs::File::open(path).unwrap(), &mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..len]).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Opens connections to a listener until the ports are used up, or so many, and gives them with their ports.
pub(super) fn connections(to: SocketAddr, most: usize) -> (Vec<TcpStream>, BTreeSet<u16>) {
    let open: Vec<TcpStream> = (0..most).map_while(|_| TcpStream::connect(to).ok()).collect();
    let ports = open.iter().map(|one| one.local_addr().unwrap().port()).collect();
    (open, ports)
}

fn connections_get_ports_of_the_range(world: &World) {
    let before = world.state();
    let listener = TcpListener::bind("127.0.0.1:80").unwrap();
    let recipe = world.recipe("range", "ports::ensure_range(20000..=20007); print(ports::range().len);");
    let plan = world.fyke_well(&["plan", &recipe]);
    assert!(plan.out.contains("~ net.ipv4.ip_local_port_range: 32768 60999 becomes 20000 20007") && plan.out.contains("8\n"), "{plan:?}");
    assert_eq!(world.state(), before);
    world.fyke_well(&["run", &recipe]);
    assert_eq!(world.fyke_well(&["run", &recipe]).err, "nothing changed\n");
    let (open, ports) = connections(listener.local_addr().unwrap(), 20);
    assert_eq!((open.len(), ports), (8, (20000..=20007).collect()));
    // The same ports are free towards another destination.
    let other = TcpListener::bind("127.0.0.1:81").unwrap();
    assert_eq!(connections(other.local_addr().unwrap(), 20).0.len(), 8);
    world.undo();
    assert_eq!((read(RANGE), world.state()), ("32768 60999".to_owned(), before));
}

fn reserved_ports_are_left_alone(world: &World) {
    let before = world.state();
    let listener = TcpListener::bind("127.0.0.1:80").unwrap();
    let recipe = world.recipe("few", "ports::set_range(\"20000-20007\"); ports::add_reserved([20001, 20003..=20006]); ports::reserved()");
    let plan = world.fyke_well(&["plan", &recipe]);
    assert!(plan.out.contains("reserved ports\n  + 20001,20003-20006\n"), "{plan:?}");
    assert!(world.fyke_well(&["plan", "--commands", &recipe]).out.contains("ip_local_reserved_ports=\"${now:+$now,}20001,20003-20006\""));
    assert_eq!(world.state(), before);
    let said = world.fyke_well(&["run", &recipe]);
    assert_eq!((said.out.as_str(), read(RESERVED)), ("20001,20003-20006\n", "20001,20003-20006".to_owned()));
    assert_eq!(connections(listener.local_addr().unwrap(), 20).1, [20000, 20002, 20007].into());
    world.undo();
    assert_eq!(world.state(), before);
    world.fyke_well(&["redo"]);
    assert_eq!(read(RESERVED), "20001,20003-20006");
    // Who asks for one of them by its number gets it.
    drop(TcpListener::bind("127.0.0.1:20004").unwrap());
    let strict = world.fyke(&["eval", "ports::add_reserved(\"20004-20009\")"]);
    assert!(strict.code == Some(1) && strict.err.contains("20004-20006 is reserved already"), "{strict:?}");
    let strict = world.fyke(&["eval", "ports::del_reserved(\"20006-20007\")"]);
    assert!(strict.code != Some(0) && strict.err.contains("20007 is not reserved"), "{strict:?}");
    world.fyke_well(&["eval", "ports::del_reserved(20004); ports::absent_reserved(\"20005-20100\")"]);
    assert_eq!(read(RESERVED), "20001,20003");
    world.undo();
    assert_eq!(read(RESERVED), "20001,20003-20006");
    world.undo();
    assert_eq!(world.state(), before);
}

fn two_recipes_reserve_side_by_side(world: &World) {
    let before = world.state();
    world.fyke_well(&["run", &world.recipe("web", "ports::ensure_reserved(\"8080-8084\");")]);
    world.fyke_well(&["run", &world.recipe("db", "ports::ensure_reserved([8084, 9000]);")]);
    assert_eq!(read(RESERVED), "8080-8084,9000");
    // The one that both rely on stays until both are lifted.
    let said = world.fyke_well(&["undo", "--recipe", "web"]);
    assert!(said.out.contains("= the reserved port 8084 stays: run ") && !said.out.contains("drift"), "{said:?}");
    assert_eq!(read(RESERVED), "8084,9000");
    let said = world.fyke_well(&["status"]);
    assert!(said.out.contains("db") && !said.out.contains("drift"), "{said:?}");
    world.fyke_well(&["undo", "--recipe", "db"]);
    assert_eq!(world.state(), before);
}

fn what_others_reserve_stays(world: &World) {
    fs::write(RESERVED, "7000-7002\n").unwrap();
    world.fyke_well(&["run", &world.recipe("web", "ports::ensure_reserved(\"7002-7004\");")]);
    fs::write(RESERVED, "7000-7003,7777\n").unwrap();
    // Somebody has set one of ours free, and reserved another one.
    let status = world.fyke(&["status"]);
    assert!(status.out.contains("drift") && status.out.contains("reserved port 7004"), "{status:?}");
    world.fyke(&["undo", "last"]);
    assert_eq!(read(RESERVED), "7000-7002,7777");
    fs::write(RESERVED, "\n").unwrap();
}

fn what_is_in_use_is_named_with_who_has_it(world: &World) {
    let before = world.state();
    let listener = TcpListener::bind("127.0.0.1:8080").unwrap();
    let _idle = TcpListener::bind("127.0.0.1:8081").unwrap();
    let near = TcpStream::connect("127.0.0.1:8080").unwrap();
    let own = std::process::id();
    for script in
        ["ports::ensure_reserved(\"8079-8090\")", "ports::add_reserved(8080..=8081)", "ports::ensure_reserved(8080, #{ in_use: false })"]
    {
        let said = world.fyke(&["eval", script]);
        assert!(said.code == Some(1) && said.err.contains("tcp listening 127.0.0.1:8080 by "), "{said:?}");
        assert!(said.err.contains(&format!("(pid {own}, fd ")) && said.err.contains("in_use: true"), "{said:?}");
        assert_eq!(read(RESERVED), "", "{script}");
        assert_eq!(world.state(), before, "{script}");
    }
    let plan = world.fyke(&["plan", &world.recipe("web", "ports::ensure_reserved(8081);")]);
    assert!(plan.code == Some(1) && plan.err.contains("tcp listening 127.0.0.1:8081 by "), "{plan:?}");
    let held = world.fyke_well(&["eval", "ports::holders(\"8000-8100\").len"]);
    assert_eq!(held.out, "3\n", "two listen, and one of the two ends of the connection has the port as its own");
    world.fyke_well(&["eval", "ports::ensure_reserved(8080..=8081, #{ in_use: true })"]);
    // What is reserved already is in nobody's way, whoever has it.
    assert_eq!(world.fyke_well(&["run", &world.recipe("again", "ports::ensure_reserved(8080);")]).code, Some(0));
    world.fyke_well(&["undo", "--all"]);
    assert_eq!(world.state(), before);
    drop((listener, near));
}

fn thousands_of_single_ports_are_reserved(world: &World) {
    let recipe = world.recipe("odd", "let odd = port_set(\"20001-40001\"); let n = 20000; while n <= 40000 { odd -= n; n += 2; } ports::add_reserved(odd); ports::reserved() == odd");
    let said = world.fyke_well(&["run", &recipe]);
    assert!(said.out == "true\n" && said.err.starts_with("10001 changes"), "{said:?}");
    let all: Vec<String> = (20001..=40001).step_by(2).map(|port| port.to_string()).collect();
    assert_eq!(read(RESERVED), all.join(","));
    assert_eq!(world.fyke_well(&["eval", "sysctl::get(\"net.ipv4.ip_local_reserved_ports\")"]).out.trim_end(), all.join(","));
    assert_eq!(
        world.fyke_well(&["eval", "sysctl::list(\"net.ipv4\")[\"net.ipv4.ip_local_reserved_ports\"]"]).out.trim_end(),
        all.join(",")
    );
    world.undo();
    assert_eq!(read(RESERVED), "");
}

fn a_parameter_is_the_same_thing(world: &World) {
    let before = world.state();
    fs::write(RESERVED, "7000-7001\n").unwrap();
    let text = "sysctl::set(\"net.ipv4.ip_local_reserved_ports\", \"7001,9000\"); print(ports::reserved());
                ports::ensure_reserved(9001); sysctl::get(\"net.ipv4.ip_local_reserved_ports\")";
    let said = world.run("both", text);
    assert_eq!((said.code, said.out.as_str(), read(RESERVED)), (Some(0), "7001,9000\n7001,9000-9001\n", "7001,9000-9001".to_owned()));
    world.undo();
    assert_eq!(read(RESERVED), "7000-7001");
    world.run("none", "sysctl::ensure(\"net.ipv4.ip_local_reserved_ports\", \"\");");
    assert_eq!(read(RESERVED), "");
    world.undo();
    assert_eq!(read(RESERVED), "7000-7001");
    fs::write(RESERVED, "\n").unwrap();
    assert_eq!(world.state(), before);
}

fn what_the_kernel_would_refuse_is_refused_at_once(world: &World) {
    let before = world.state();
    let lowest = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    for (script, why) in [
        ("ports::set_range(\"1000-2000\")", "ports below 1024 are privileged"),
        ("sysctl::set(\"net.ipv4.tcp_ecn\", 0); ports::ensure_range(\"2000-3000,4000-5000\")", "these are 2 ranges"),
        ("ports::set_range([])", "no connection could get one"),
    ] {
        let said = world.fyke(&["eval", script]);
        assert!(said.code == Some(2) && said.err.contains(why), "{script}: {said:?}");
        assert_eq!(world.state(), before, "{script}");
    }
    fs::write(lowest, "500").unwrap();
    world.fyke_well(&["eval", "ports::set_range(\"1000-2000\")"]);
    assert_eq!(read(RANGE), "1000 2000");
    world.undo();
    fs::write(lowest, "1024").unwrap();
    assert_eq!(world.state(), before);
}
