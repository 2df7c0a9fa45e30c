//! `sockets`, `who-listens`, `ephemeral-ports` and `port-exhaustion`.

use std::fs;
use std::net::{TcpListener, TcpStream};

use super::super::ports::{RESERVED, connections};
use super::super::world::{World, in_a_world};
use super::{is_refused, runs};

in_a_world! {
    sockets_are_a_table
    who_listens_is_named_and_warned_of
    the_range_is_shown_and_set
    a_port_in_use_is_reserved_if_it_is_said
    ports_that_run_out_are_told_and_widened
    what_is_served_in_the_range_is_advised_to_be_reserved
    what_is_not_acceptable_is_refused
}

/// Gives what a recipe prints, as lines of words.
fn table(world: &World, words: &[&str]) -> Vec<String> {
    let said = world.fyke_well(&[&["run"], words].concat());
    said.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn sockets_are_a_table(world: &World) {
    let _listener = TcpListener::bind("192.0.2.1:80").unwrap();
    let far = world.connect("192.0.2.2", 80);
    let own = std::process::id();
    let lines = table(world, &["sockets", "--processes", "--port", "80", "--state", "listening"]);
    assert_eq!(lines[0], "proto state recv_q send_q local peer uid inode processes");
    assert!(lines.len() == 2 && lines[1].starts_with("tcp listening 1 128 192.0.2.1:80 0.0.0.0:*"), "{lines:?}");
    assert!(lines[1].contains(&format!("pid: {own}, fd: ")), "{lines:?}");
    let by = |words: &[&str]| table(world, &[&["sockets"], words].concat()).len().saturating_sub(1);
    assert_eq!(
        (by(&["--peer", "192.0.2.2"]), by(&["--peer", "192.0.2.9"]), by(&["--filter", "sport = :80 and dport gt :1024"])),
        (1, 0, 1)
    );
    assert_eq!((by(&["--proto", "udp"]), by(&["--proto", "tcp"]) >= 2, by(&["--port", "81-90"])), (0, true, 0));
    let json = world.fyke_well(&["--json", "run", "sockets", "--state", "established", "--extended"]);
    assert!(json.out.contains("\"congestion\"") && json.out.contains("\"snd_cwnd\""), "{json:?}");
    drop(far);
}

fn who_listens_is_named_and_warned_of(world: &World) {
    let (all, own) = (world.listen(80), TcpListener::bind("127.0.0.1:81").unwrap());
    let one = std::net::UdpSocket::bind("192.0.2.1:53").unwrap();
    let said = world.fyke_well(&["run", "who-listens"]);
    let rows: Vec<Vec<&str>> = said.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..6], ["address", "pid", "port", "process", "proto", "reached"]);
    let of = |port: &str| rows.iter().find(|row| row[2] == port).unwrap().join(" ");
    assert!(of("53").contains("udp by that address") && of("80").starts_with("* ") && of("80").contains("tcp from everywhere"), "{said:?}");
    assert!(of("81").starts_with("127.0.0.1 ") && of("81").contains("tcp from this host"), "{said:?}");
    assert!(said.err.contains("warning: from everywhere, unless a firewall is in the way: tcp 80 ("), "{said:?}");
    let narrow = world.fyke_well(&["run", "who-listens", "--proto", "udp"]);
    assert!(narrow.out.lines().count() == 2 && !narrow.err.contains("warning"), "{narrow:?}");
    let open = world.fyke_well(&["run", "who-listens", "--anywhere"]);
    assert!(open.out.lines().count() == 2 && open.out.contains(" 80 "), "{open:?}");
    drop((all, own, one));
}

fn the_range_is_shown_and_set(world: &World) {
    let before = world.state();
    assert_eq!(table(world, &["ephemeral-ports"]), ["range 32768-60999", "reserved", "usable 28232"]);
    runs(world, &["ephemeral-ports", "--first", "20000", "--last", "20009", "--reserve", "20003,20005-20006"]);
    assert_eq!(table(world, &["ephemeral-ports"]), ["range 20000-20009", "reserved 20003,20005-20006", "usable 7"]);
    let listener = TcpListener::bind("127.0.0.1:80").unwrap();
    assert_eq!(connections(listener.local_addr().unwrap(), 20).0.len(), 7);
    world.undo();
    assert_eq!(world.state(), before);
}

fn a_port_in_use_is_reserved_if_it_is_said(world: &World) {
    let _listener = TcpListener::bind("127.0.0.1:8080").unwrap();
    let said = world.fyke(&["run", "ephemeral-ports", "--first", "20000", "--reserve", "8080-8081"]);
    assert!(said.code == Some(1) && said.err.contains("in use: tcp listening 127.0.0.1:8080 by "), "{said:?}");
    assert_eq!((fs::read_to_string(RESERVED).unwrap().trim(), table(world, &["ephemeral-ports"])[0].as_str()), ("", "range 32768-60999"));
    runs(world, &["ephemeral-ports", "--reserve", "8080-8081", "--held"]);
    world.undo();
}

fn ports_that_run_out_are_told_and_widened(world: &World) {
    let before = world.state();
    world.fyke_well(&["run", "ephemeral-ports", "--first", "20000", "--last", "20009"]);
    let listener = TcpListener::bind("127.0.0.1:80").unwrap();
    let to = listener.local_addr().unwrap();
    let (open, _) = connections(to, 20);
    assert_eq!((open.len(), TcpStream::connect(to).unwrap_err().kind()), (10, std::io::ErrorKind::AddrNotAvailable));
    let said = world.fyke_well(&["run", "port-exhaustion"]);
    for words in
        ["range       20000-20009: 10 ports", "100 % of the ports are in use towards one destination", "100  tcp 127.0.0.1 to 127.0.0.1:80"]
    {
        assert!(said.out.contains(words), "{words}: {said:?}");
    }
    assert!(
        said.out.contains("net.ipv4.ip_local_port_range: 20000 20009 becomes 1024 65535") && said.err == "nothing changed\n",
        "{said:?}"
    );
    assert_eq!(world.fyke(&["run", "port-exhaustion", "--fail", "90"]).code, Some(64));
    let plan = world.fyke_well(&["plan", "port-exhaustion", "--fix"]);
    assert!(plan.out.contains("~ net.ipv4.ip_local_port_range: 20000 20009 becomes 1024 65535"), "{plan:?}");
    assert!(TcpStream::connect(to).is_err());
    world.fyke_well(&["run", "port-exhaustion", "--fix"]);
    let (more, ports) = connections(to, 20);
    assert!(more.len() == 20 && !ports.contains(&80), "{ports:?}");
    assert_eq!(world.fyke_well(&["run", "port-exhaustion", "--fail", "90"]).code, Some(0));
    world.undo();
    world.undo();
    assert_eq!(world.state(), before);
}

fn what_is_served_in_the_range_is_advised_to_be_reserved(world: &World) {
    let before = world.state();
    let _service = TcpListener::bind("127.0.0.1:40000").unwrap();
    let said = world.fyke_well(&["run", "port-exhaustion"]);
    assert!(said.out.contains("net.ipv4.ip_local_reserved_ports: nothing becomes 40000"), "{said:?}");
    world.fyke_well(&["run", "port-exhaustion", "--fix"]);
    assert_eq!(fs::read_to_string(RESERVED).unwrap().trim(), "40000");
    let said = world.fyke_well(&["run", "port-exhaustion"]);
    assert!(!said.out.contains("advice"), "{said:?}");
    world.undo();
    assert_eq!(world.state(), before);
}

fn what_is_not_acceptable_is_refused(world: &World) {
    is_refused(world, &["sockets", "--proto", "sctp"], "it is one of \"ip\", \"all\"");
    is_refused(world, &["sockets", "--state", "open"], "there is no such state");
    is_refused(world, &["sockets", "--port", "22-21"], "the wrong way round");
    is_refused(world, &["sockets", "--filter", "sport => :22"], "compares nothing");
    is_refused(world, &["who-listens", "--port", "0x16"], "a port is a number");
    is_refused(world, &["ephemeral-ports", "--first", "70000"], "65535");
    is_refused(world, &["ephemeral-ports", "--first", "40000", "--last", "30000"], "the wrong way round");
    is_refused(world, &["ephemeral-ports", "--first", "80"], "privileged");
    is_refused(world, &["ephemeral-ports", "--reserve", "1,,2"], "a port is a number");
    is_refused(world, &["port-exhaustion", "--threshold", "101"], "100");
}
