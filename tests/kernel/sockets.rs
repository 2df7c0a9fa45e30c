//! Sockets: what ss(8) lists is what fyke lists, states of real connections, and their end.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

use super::world::{World, in_a_world, tool, until};
use crate::program;

in_a_world! {
    what_ss_lists_of_tcp_is_listed
    what_ss_lists_of_udp_and_raw_is_listed
    what_ss_lists_of_files_is_listed
    what_ss_finds_is_found
    who_holds_a_socket_is_named
    a_connection_goes_through_its_states
    what_the_protocol_keeps_is_told
    a_destroyed_connection_ends_at_both_sides
    a_plan_destroys_nothing
    another_namespace_has_sockets_of_its_own
    without_rights_nothing_is_destroyed
}

/// Evaluates an expression, and gives its value.
fn value(world: &World, script: &str) -> Value {
    let said = world.fyke_well(&["--json", "eval", script]);
    let mut document: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    document["value"].take()
}

/// Lists sockets as rows of these fields, sorted.
fn ours(world: &World, filter: &str, fields: &[&str]) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let row = |socket: &Value| fields.iter().map(|field| text(&socket[*field])).collect::<Vec<_>>().join(" ");
    value(world, &format!("sockets::list({filter})")).as_array().unwrap().iter().map(row).collect()
}

/// Asks ss(8), and gives its rows with the states as its own filters call them, sorted.
fn theirs(words: &[&str]) -> BTreeSet<String> {
    let state = |word: &str| match word {
        "ESTAB" => "established".to_owned(),
        "LISTEN" => "listening".to_owned(),
        "UNCONN" => "unconnected".to_owned(),
        other => other.to_lowercase(),
    };
    let row = |line: &str| {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let at = usize::from(words[0].starts_with("u_"));
        let mut words = words;
        words[at] = state(&words[at]);
        words.join(" ")
    };
    tool("ss", &[&["-H", "-n", "-a"], words].concat(), "").lines().map(row).collect()
}

const COLUMNS: &[&str] = &["state", "recv_q", "send_q", "local", "peer"];

/// Makes a connection from the client that the server closes first, so that it waits here for late packets.
fn close_first(world: &World, listener: &TcpListener) {
    let far = world.connect("192.0.2.2", listener.local_addr().unwrap().port());
    drop(listener.accept().unwrap());
    drop(far);
    until("the connection waits", || !theirs(&["-t", "state", "time-wait"]).is_empty());
}

fn what_ss_lists_of_tcp_is_listed(world: &World) {
    let (both, four, six) = (world.listen(80), TcpListener::bind("192.0.2.1:81").unwrap(), TcpListener::bind("[2001:db8::1]:82").unwrap());
    let v6only = Socket::new(Domain::IPV6, Type::STREAM, None).unwrap();
    v6only.set_only_v6(true).unwrap();
    v6only.bind(&"[::]:83".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    v6only.listen(7).unwrap();
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bound.bind_device(Some(b"eth1")).unwrap();
    bound.bind(&"0.0.0.0:84".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    bound.listen(9).unwrap();
    let mut open = vec![world.connect("192.0.2.2", 80), world.connect("2001:db8::2", 80), world.connect("2001:db8::2", 82)];
    open.push(world.connect("192.0.2.3", 81));
    let _accepted = four.accept().unwrap();
    // One that nobody has accepted, one with bytes that nobody has read, one that waits for late packets.
    open[0].write_all(b"hello").unwrap();
    let (_near, _) = both.accept().unwrap();
    close_first(world, &four);
    let listed = ours(world, "#{ proto: \"tcp\" }", COLUMNS);
    assert!(listed.len() >= 9, "{listed:#?}");
    assert_eq!(listed, theirs(&["-t"]));
    assert!(listed.contains("listening 0 9 0.0.0.0%eth1:84 0.0.0.0:*") && listed.contains("listening 1 128 *:80 *:*"), "{listed:#?}");
    drop((open, six));
}

fn what_ss_lists_of_udp_and_raw_is_listed(world: &World) {
    let (near, far) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("[::]:7000").unwrap());
    near.connect("127.0.0.1:7000").unwrap();
    near.send(b"unread").unwrap();
    let listed = ours(world, "#{ proto: \"udp\" }", COLUMNS);
    assert_eq!((listed.len(), &listed), (2, &theirs(&["-u"])));
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
    let six = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
    let packet = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(3u16.to_be())))).unwrap();
    // ss knows names of the protocols, which stand in the place of ports, and takes sockets of IPv6 for sockets of both where the kernel does not say.
    let listed = ours(world, "#{ proto: \"raw\" }", COLUMNS);
    let numbers =
        |line: &String| line.replace("*:ipv6-icmp *:*", "[::]:58 [::]:*").replace(":icmp", ":1").replace("*:58 *:*", "[::]:58 [::]:*");
    assert_eq!((listed.len(), listed), (2, theirs(&["-w"]).iter().map(numbers).collect()));
    let frames = value(world, "sockets::list(#{ proto: \"packet\" }).map(|socket| socket.inode)");
    assert!(frames.as_array().unwrap().contains(&Value::from(inode(&packet))), "{frames}");
    drop((far, raw, six));
}

fn what_ss_lists_of_files_is_listed(world: &World) {
    let path = world.folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let (near, _waits) = (UnixStream::connect(&path).unwrap(), UnixStream::connect(&path).unwrap());
    let accepted = listener.accept().unwrap();
    let pair = UnixDatagram::pair().unwrap();
    let sequence = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    let listed = ours(world, "#{ proto: \"unix\" }", &["kind", "state", "recv_q", "send_q", "local", "inode"]);
    let kind = |word: &str| match word {
        "u_str" => "stream",
        "u_dgr" => "dgram",
        _ => "seqpacket",
    };
    let row = |line: &String| {
        let words: Vec<&str> = line.split(' ').collect();
        [&[kind(words[0])], &words[1..6]].concat().join(" ")
    };
    assert_eq!(listed, theirs(&["-x"]).iter().map(row).collect());
    assert!(listed.len() >= 8, "{listed:#?}");
    // ss tells the far end by its inode only.
    let peers =
        value(world, &format!("sockets::list(#{{ proto: \"unix\", peer: {:?} }}).map(|socket| socket.inode)", path.display().to_string()));
    assert_eq!(peers, serde_json::json!([inode(&near)]));
    let found = value(world, &format!("sockets::get(#{{ local: {:?}, state: \"listening\" }}).recv_q", path.display().to_string()));
    assert_eq!(found, 1, "one waits to be accepted");
    drop((near, accepted, pair, sequence));
}

fn what_ss_finds_is_found(world: &World) {
    let listeners: Vec<TcpListener> = (90..100).map(|port| world.listen(port)).collect();
    let open: Vec<TcpStream> = (90..95).flat_map(|port| [world.connect("192.0.2.2", port), world.connect("2001:db8::3", port)]).collect();
    for words in [
        "state listening sport = :92",
        "sport >= :93 sport <= :95",
        "( sport = :91 or sport = :94 ) and dst 192.0.2.0/24",
        "not sport = :90 dst [2001:db8::3]",
        "state established src [2001:db8::1]",
        "dst 192.0.2.2 or sport gt :98",
        "dport ge :1024 and not dst 192.0.2.0/25",
        "state connected sport neq :90",
    ] {
        // Who asks for one state is not told it by ss.
        let listed = ours(world, &format!("\"{words}\""), &COLUMNS[1..]);
        let by_ss = theirs(&[&["-t"], &words.split(' ').collect::<Vec<_>>()[..]].concat());
        let by_ss: BTreeSet<String> = by_ss.iter().map(|row| row.trim_start_matches(char::is_alphabetic).trim_start().to_owned()).collect();
        assert_eq!(listed, by_ss, "{words}");
        assert!(!listed.is_empty(), "{words}");
    }
    for (map, words) in [
        ("#{ proto: \"tcp\", state: \"listening\", port: 93..=95 }", "state listening sport >= :93 sport <= :95"),
        (
            "#{ proto: \"tcp\", peer_address: [\"192.0.2.0/24\", \"198.51.100.0/24\"], port: \"90,94\" }",
            "( sport = :90 or sport = :94 ) dst 192.0.2.0/24",
        ),
        ("#{ peer: \"[2001:db8::3]\", filter: \"sport = :91\" }", "dst [2001:db8::3] sport = :91"),
        ("#{ proto: \"tcp\", port: port_set(\"90-99\") - (91..=99), state: [\"listening\", \"established\"] }", "sport = :90"),
    ] {
        let by_ss = theirs(&[&["-t"], &words.split(' ').collect::<Vec<_>>()[..]].concat());
        let by_ss: BTreeSet<String> = by_ss.iter().map(|row| row.trim_start_matches(char::is_alphabetic).trim_start().to_owned()).collect();
        assert_eq!(ours(world, map, &COLUMNS[1..]), by_ss, "{map}");
    }
    drop((listeners, open));
}

fn inode(socket: &impl AsRawFd) -> u64 {
    let link = std::fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
    link.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

fn who_holds_a_socket_is_named(world: &World) {
    let (listener, own) = (world.listen(80), std::process::id());
    let other = listener.try_clone().unwrap();
    let listed = value(world, "sockets::list(#{ port: 80, processes: true })");
    let [socket] = &listed.as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!(socket["inode"], inode(&listener));
    let mut fds: Vec<i64> = socket["processes"].as_array().unwrap().iter().map(|holder| holder["fd"].as_i64().unwrap()).collect();
    fds.sort_unstable();
    assert_eq!(fds, [i64::from(listener.as_raw_fd()), i64::from(other.as_raw_fd())]);
    let by_ss = tool("ss", &["-H", "-tlnp"], "");
    for holder in socket["processes"].as_array().unwrap() {
        let told = format!("({:?},pid={own},fd={})", holder["name"].as_str().unwrap(), holder["fd"]);
        assert!(holder["pid"] == own && by_ss.contains(&told), "{told}: {by_ss}");
    }
    // Who asks later is told the same, and who asks for a process finds its sockets.
    assert_eq!(value(world, "sockets::get(#{ port: 80 }).processes.map(|holder| holder.pid)"), serde_json::json!([own, own]));
    let name = socket["processes"][0]["name"].as_str().unwrap();
    for by in [format!("pid: {own}"), format!("process: {name:?}"), format!("uid: {}", socket["uid"])] {
        assert_eq!(value(world, &format!("sockets::list(#{{ port: 80, {by} }}).len")), 1, "{by}");
    }
    assert_eq!(value(world, "sockets::list(#{ port: 80, process: \"nobody\" })"), serde_json::json!([]));
    assert_eq!(
        value(world, &format!("sockets::list(#{{ proto: \"tcp\", pid: {} }})", std::os::unix::process::parent_id())),
        serde_json::json!([])
    );
}

fn a_connection_goes_through_its_states(world: &World) {
    let count = |filter: &str| value(world, &format!("sockets::list({filter}).len")).as_i64().unwrap();
    let listener = world.listen(80);
    assert_eq!((count("\"state listening sport = :80\""), count("\"state connected sport = :80\"")), (1, 0));
    let far = world.connect("192.0.2.2", 80);
    let (near, _) = listener.accept().unwrap();
    assert_eq!(count("#{ state: \"established\", port: 80, peer_address: \"192.0.2.2\" }"), 1);
    drop(far);
    until("the far end has closed", || count("#{ state: \"close-wait\", port: 80 }") == 1);
    drop(near);
    until("the near end has closed", || count("#{ state: \"connected\", port: 80 }") == 0);
    close_first(world, &listener);
    let timer = value(world, "sockets::get(#{ state: \"time-wait\", port: 80 }).timer");
    assert!(timer["name"] == "timewait" && timer["left"].as_str().unwrap().ends_with('s'), "{timer}");
    assert_eq!(value(world, "sockets::get(#{ state: \"time-wait\", port: 80 }).inode"), 0, "no program has it any more");
    // What has a port and does nothing is seen as well.
    let idle = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    idle.bind(&"0.0.0.0:4711".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    let state = value(
        world,
        "let idle = sockets::find(#{ proto: \"tcp\", port: 4711, state: \"unconnected\" }); if idle == () { () } else { idle.state }",
    );
    assert!(state == "unconnected" || state.is_null(), "{state}: a kernel before 6.8 does not list it");
}

fn what_the_protocol_keeps_is_told(world: &World) {
    let listener = world.listen(80);
    let mut far = world.connect("192.0.2.2", 80);
    let (near, _) = listener.accept().unwrap();
    near.set_nodelay(true).unwrap();
    socket2::SockRef::from(&near).set_mark(7).unwrap();
    far.write_all(&[0; 5000]).unwrap();
    let facts = "let s = sockets::get(#{ state: \"established\", port: 80 }); while s.recv_q < 5000 { s = sockets::get(#{ state: \"established\", port: 80 }); }
         #{ recv_q: s.recv_q, mark: s.mark, rmem: s.memory.rmem_alloc, rcvbuf: s.memory.rcvbuf, rtt: s.info.rtt, received: s.info.bytes_received,
            congestion: s.congestion, cgroup: s.cgroup_id, uid: s.uid }";
    let facts = value(world, facts);
    assert_eq!((&facts["recv_q"], &facts["received"], &facts["mark"]), (&Value::from(5000), &Value::from(5000), &Value::from(7)));
    assert!(
        facts["rmem"].as_i64() > Some(5000) && facts["rcvbuf"].as_i64() > facts["rmem"].as_i64() && facts["rtt"].as_i64() > Some(0),
        "{facts}"
    );
    let by_ss = tool("ss", &["-H", "-tniem", "state", "established", "sport", "=", ":80"], "");
    assert!(
        by_ss.contains(facts["congestion"].as_str().unwrap()) && by_ss.contains(&format!("rb{},", facts["rcvbuf"])),
        "{facts}: {by_ss}"
    );
    assert!(by_ss.contains("fwmark:0x7"), "{by_ss}");
    for filter in ["\"fwmark = 7\"", "\"fwmark = 0x3/0x3 sport = :80\"", "#{ mark: 7 }", "#{ mark: \"0x6/0xe\" }"] {
        assert_eq!(value(world, &format!("sockets::list({filter}).map(|s| s.inode)")), serde_json::json!([inode(&near)]), "{filter}");
    }
    let listed = value(world, "sockets::list(#{ state: \"established\", port: 80, extended: true })");
    assert!(listed[0]["info"]["rtt"].is_number() && listed[0]["memory"]["drops"] == 0 && listed[0]["mark"] == "0x7", "{listed}");
    // One that has gone meanwhile says so.
    let gone = world.fyke(&[
        "eval",
        "--allow-lockout",
        "let all = sockets::list(#{ state: \"established\", port: 80 }); sockets::destroy(all); all[0].info",
    ]);
    assert!(gone.code != Some(0) && gone.err.contains("it is gone"), "{gone:?}");
}

fn a_destroyed_connection_ends_at_both_sides(world: &World) {
    let before = world.state();
    let listener = world.listen(80);
    let (mut far, mut other) = (world.connect("192.0.2.2", 80), world.connect("192.0.2.3", 80));
    let ((mut near, _), (mut kept, _)) = (listener.accept().unwrap(), listener.accept().unwrap());
    let script = "sockets::destroy(#{ proto: \"tcp\", port: 80, peer_address: \"192.0.2.2\" })";
    // The test holds both ends, as sshd does with a login.
    let said = world.fyke(&["eval", script]);
    assert!(said.code == Some(5) && said.err.contains("it could cut the login from 192.0.2.2:"), "{said:?}");
    let said = world.fyke_well(&["eval", "--allow-lockout", script]);
    assert_eq!(said.out, "1\n");
    assert!(said.err.contains("! destroyed the socket tcp established [::ffff:192.0.2.1]:80 to [::ffff:192.0.2.2]:"), "{said:?}");
    assert!(said.err.contains("which cannot be lifted"), "{said:?}");
    assert_eq!(near.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionAborted);
    assert_eq!(far.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    // The others live on, and so does who listens.
    other.write_all(b"x").unwrap();
    assert_eq!(kept.read(&mut [0; 9]).unwrap(), 1);
    world.passes("192.0.2.2", 80);
    let history = world.fyke_well(&["history"]);
    assert!(history.out.contains("eval"), "{history:?}");
    // A socket that was listed, those of UDP, and nothing at all.
    let datagrams = UdpSocket::bind("127.0.0.1:7000").unwrap();
    let all = "let n = sockets::destroy(sockets::list(\"state established sport = :80 dst 192.0.2.3\")); n + sockets::destroy(sockets::get(#{ proto: \"udp\" }))";
    assert_eq!(world.fyke_well(&["eval", "--allow-lockout", all]).out, "2\n");
    assert_eq!(datagrams.recv(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionAborted);
    assert_eq!(value(world, "sockets::destroy(#{ port: 4711 })"), 0);
    let path = world.folder.path().join("socket");
    let _files = UnixListener::bind(&path).unwrap();
    let said = world.fyke(&["eval", "sockets::destroy(#{ proto: \"unix\", state: \"listening\" })"]);
    assert!(said.code == Some(7) && said.err.contains("TCP, UDP and raw only"), "{said:?}");
    assert_eq!(world.state(), before);
}

fn a_plan_destroys_nothing(world: &World) {
    let listener = world.listen(80);
    let mut far = world.connect("192.0.2.2", 80);
    let (mut near, _) = listener.accept().unwrap();
    let recipe = world.recipe("end", "print(sockets::destroy(#{ proto: \"tcp\", state: \"established\", port: 80 }));");
    let said = world.fyke_well(&["plan", &recipe]);
    assert!(said.out.contains("destroyed the socket tcp established") && said.out.contains("1\n"), "{said:?}");
    far.write_all(b"x").unwrap();
    assert_eq!(near.read(&mut [0; 9]).unwrap(), 1);
}

fn without_rights_nothing_is_destroyed(world: &World) {
    let listener = world.listen(80);
    let mut far = world.connect("192.0.2.2", 80);
    let (mut near, _) = listener.accept().unwrap();
    let weak = |script: &str| program::shell(&format!("setpriv --bounding-set -net_admin \"$FYKE\" eval --allow-lockout '{script}'"));
    let said = weak("sockets::destroy(#{ port: 80, state: \"established\" })");
    assert!(said.code == Some(5) && said.err.contains("CAP_NET_ADMIN"), "{said:?}");
    let said = weak("sockets::list(#{ mark: 7 })");
    assert!(said.code == Some(5) && said.err.contains("CAP_NET_ADMIN"), "{said:?}");
    assert_eq!(weak("sockets::list(#{ port: 80, state: \"established\" }).len").out, "1\n");
    far.write_all(b"x").unwrap();
    assert_eq!(near.read(&mut [0; 9]).unwrap(), 1);
}

fn another_namespace_has_sockets_of_its_own(world: &World) {
    let listener = world.listen(80);
    let mut far = world.connect("192.0.2.2", 80);
    let (mut near, _) = listener.accept().unwrap();
    let there = |script: &str| format!("netns::enter(\"client\", || {{ {script} }})");
    let count =
        "let there = sockets::list(\"state established dst 192.0.2.1:80\").len; there * 10 + sockets::list(\"state listening\").len";
    assert_eq!((value(world, &there(count)), value(world, count)), (Value::from(10), Value::from(1)));
    // What was listed there is none of the sockets here.
    let script = "let all = netns::enter(\"client\", || sockets::list(\"dst 192.0.2.1:80\")); sockets::destroy(all)";
    assert_eq!(value(world, script), 0);
    let said = world.fyke_well(&["eval", "--allow-lockout", &there("sockets::destroy(\"dst 192.0.2.1:80\")")]);
    assert!(said.out == "1\n" && said.err.contains("destroyed the socket tcp established 192.0.2.2:"), "{said:?}");
    assert_eq!(far.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionAborted);
    assert_eq!(near.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}
