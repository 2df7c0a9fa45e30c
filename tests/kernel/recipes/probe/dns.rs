//! Names: `dns-query`, and the hosts that the other recipes are given by name.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use fyke::model::packet::{Draft, First, Packet, Stack, Value, named};

use super::{ENDS, Place, Way, data, run};
use crate::kernel::world::{World, in_a_world, tool};
use crate::program::Said;

in_a_world! {
    a_name_is_looked_up
    an_answer_that_was_cut_comes_by_tcp
    what_a_server_says_by_tcp_is_not_believed
    asking_by_tcp_is_bounded_and_planned
    names_of_hosts_are_found
}

/// Answers questions of DNS as they are asked, from a table of one zone.
pub(super) fn serve_names(place: &Place) {
    let socket = place.within(|| UdpSocket::bind("[::]:53".parse::<SocketAddr>().unwrap()).unwrap());
    spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
            if let Some(answer) = answer(&buffer[..length], false) {
                let _ = socket.send_to(&answer, peer);
            }
        }
    });
    let listener = place.within(|| TcpListener::bind("[::]:53".parse::<SocketAddr>().unwrap()).unwrap());
    spawn(move || listener.incoming().flatten().for_each(|stream| drop(spawn(|| serve_one(stream)))));
}

/// Answers one question over a connection: in two pieces, or as its name has it.
fn serve_one(mut stream: TcpStream) -> std::io::Result<()> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut question)?;
    let mut answer = answer(&question, true).unwrap();
    let name: String = question[13..].iter().take_while(|byte| byte.is_ascii_alphabetic()).map(|byte| char::from(*byte)).collect();
    let length = |bytes: usize| u16::try_from(bytes).unwrap().to_be_bytes();
    match name.as_str() {
        "hang" => sleep(Duration::from_secs(20)),
        "mute" => {}
        "half" => stream.write_all(&[0])?,
        "few" => stream.write_all(&[&length(3)[..], &answer].concat())?,
        "lie" => stream.write_all(&[&length(60_000)[..], &answer].concat())?,
        "wait" => {
            stream.write_all(&[&length(60_000)[..], &answer].concat())?;
            sleep(Duration::from_secs(20));
        }
        "drip" => {
            for byte in [&length(60_000)[..], &vec![0; 60_000]].concat() {
                stream.write_all(&[byte])?;
                sleep(Duration::from_millis(20));
            }
        }
        "other" => {
            answer[1] ^= 1;
            stream.write_all(&[&length(answer.len())[..], &answer].concat())?;
        }
        _ => {
            stream.write_all(&length(answer.len())[..1])?;
            sleep(Duration::from_millis(20));
            stream.write_all(&[&length(answer.len())[1..], &answer].concat())?;
        }
    }
    Ok(())
}

/// The names whose answers are cut when they come by UDP; what comes by TCP is that of `serve_one`.
const CUT: [&str; 9] = ["cut", "hang", "mute", "half", "few", "lie", "wait", "drip", "other"];
/// As many addresses has the name `cut`.
const MANY: u8 = 200;

/// Makes an answer; none for names to which the server is silent.
fn answer(question: &[u8], by_tcp: bool) -> Option<Vec<u8>> {
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
    let is_long = CUT.iter().any(|cut| name == format!("{cut}.test."));
    let address =
        |last: u8| Value::map([("name", Value::text(&name)), ("type", Value::text("A")), ("data", Value::text(format!("10.1.1.{last}")))]);
    let records = if is_long && by_tcp { (0..MANY).map(address).collect() } else { records };
    let flags = if is_long && !by_tcp { "tc,rd,ra" } else { "aa,rd,ra" };
    let fields = [
        ("id", Value::Number(u16::from_be_bytes([question[0], question[1]]).into())),
        ("response", Value::Number(1)),
        ("flags", Value::text(flags)),
        ("rcode", Value::Number(if is_long { 0 } else { code })),
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
            &format!("{:<32}IN      A", ";www.test."),
            &format!("{:<24}300     IN      A       10.9.2.2", "www.test."),
            ";; Query time: T msec",
            &format!(";; SERVER: {server}#53 (UDP)"),
        ] {
            assert!(said.lines().any(|said| said == line), "{line}: {said}");
        }
        let said = run(world, 65, &["dns-query", "--name", "nobody.test", "--server", server]);
        assert!(said.out.contains("status: NXDOMAIN"), "{said:?}");
    }
    let silent = ["--timeout", "200ms", "--retries", "1"];
    let said = run(world, 64, &[&["dns-query", "--name", "silent.test", "--server", ENDS[0]], &silent[..]].concat());
    assert!(said.err.contains("no answer of 10.9.2.2: it was silent"), "{said:?}");
    let said = run(world, 64, &["dns-query", "--name", "www.test", "--server", "10.9.1.2"]);
    assert!(said.err.contains("no answer of 10.9.1.2: 10.9.1.2 says port-unreachable"), "{said:?}");
    let value = data(world, 0, &["dns-query", "--name", "www.test", "--server", ENDS[0]]);
    assert_eq!((&value["status"], &value["answers"][0]["data"]), (&"NOERROR".into(), &"10.9.2.2".into()), "{value}");
}

fn an_answer_that_was_cut_comes_by_tcp(world: &World) {
    let way = Way::new();
    serve_names(&way.end);
    for server in ENDS {
        let asked = |name: &str, more: &[&str]| run(world, 0, &[&["dns-query", "--name", name, "--server", server], more].concat());
        let said = asked("cut.test", &[]);
        assert!(said.out.starts_with(";; Truncated, retrying in TCP mode.\n;; ->>HEADER<<-"), "{said:?}");
        let is_there = |line: &str| said.out.lines().any(|said| said == line);
        assert!(is_there(&format!(";; SERVER: {server}#53 (TCP)")), "{said:?}");
        assert!(is_there(";; flags: qr aa rd ra; QUERY: 1, ANSWER: 200, AUTHORITY: 0, ADDITIONAL: 0"), "{said:?}");
        assert_eq!(said.out.matches("10.1.1.").count(), usize::from(MANY));
        assert!(!said.err.contains("the answer was cut"), "{said:?}");
        let acts = [format!("! exchanged a packet of dns with {server}"), format!("! asked {server} by TCP: dns query cut.test.")];
        assert!(acts.iter().all(|act| said.err.contains(act)), "{said:?}");
        let short = asked("www.test", &["--tcp", "--short"]);
        assert_eq!(short.out, "10.9.2.2\n");
        assert!(!short.err.contains("exchanged"), "asked by TCP only: {short:?}");
        let said = asked("www.test", &["--tcp"]);
        assert!(!said.out.contains("Truncated") && said.out.contains("#53 (TCP)"), "{said:?}");
    }
    let value = data(world, 0, &["dns-query", "--name", "cut.test", "--server", ENDS[0]]);
    assert_eq!(
        (&value["tcp"], &value["cut"], value["answers"].as_array().unwrap().len()),
        (&true.into(), &false.into(), usize::from(MANY))
    );
    // A host whose name has more addresses than UDP takes.
    of_etc(world, "resolv.conf", "nameserver 10.9.2.2\n");
    let said = world.fyke(&["eval", "import \"std:probe\" as probe; probe::address_of(\"cut.test\", \"ipv4\")"]);
    assert_eq!((said.code, said.out.trim()), (Some(0), "10.1.1.0"), "{said:?}");
    tool("umount", &["/etc/resolv.conf"], "");
}

fn what_a_server_says_by_tcp_is_not_believed(world: &World) {
    let way = Way::new();
    serve_names(&way.end);
    let timeout = Duration::from_millis(600);
    let asked = |name: &str, code: i32, more: &[&str]| {
        let begun = Instant::now();
        let name = format!("{name}.test");
        let said = run(world, code, &[&["dns-query", "--name", &name, "--server", ENDS[0], "--timeout", "600ms"], more].concat());
        assert!(begun.elapsed() < timeout * 6, "{name}: {:?}", begun.elapsed());
        said
    };
    for (name, why) in [
        ("hang", "it was silent"),
        ("mute", "the server closed the connection without an answer"),
        ("half", "the server closed the connection; not even the length of an answer came whole"),
        ("few", "it announces an answer of 3 bytes, and the header alone has 12"),
        ("lie", "of the 60000 bytes came that it announced"),
        ("wait", "the time was over; "),
        ("drip", "the time was over; "),
        ("other", "what came has the id of another question"),
    ] {
        let said = asked(name, 64, &["--tcp"]);
        assert!(said.err.contains("no answer of 10.9.2.2: ") && said.err.contains(why), "{name}: {said:?}");
        // What came by UDP is shown as far as it goes.
        let said = asked(name, 0, &[]);
        let why = why.replace("it was silent", "the server was silent");
        assert!(said.out.contains("flags: qr tc rd ra") && said.out.contains("(UDP)"), "{name}: {said:?}");
        assert!(
            said.err.contains("the answer was cut, and TCP does not give the whole of it: ") && said.err.contains(&why),
            "{name}: {said:?}"
        );
    }
    let nobody = run(world, 64, &["dns-query", "--name", "www.test", "--server", "10.9.1.2", "--tcp"]);
    assert!(nobody.err.contains("no answer of 10.9.1.2: nobody listens there by TCP (ECONNREFUSED)"), "{nobody:?}");
    let begun = Instant::now();
    let silent = run(world, 64, &["dns-query", "--name", "www.test", "--server", "10.9.9.1", "--tcp", "--timeout", "400ms"]);
    assert!(silent.err.contains("no answer of 10.9.9.1: it was silent") && begun.elapsed() < Duration::from_secs(3), "{silent:?}");
}

fn asking_by_tcp_is_bounded_and_planned(world: &World) {
    let way = Way::new();
    serve_names(&way.end);
    let far = world.fyke(&["run", "dns-query", "--name", "www.test", "--server", "192.0.2.1", "--tcp"]);
    assert!(far.code == Some(5) && far.err.contains("--allow-public"), "{far:?}");
    let plan = world.fyke(&["plan", "dns-query", "--name", "www.test", "--server", ENDS[0], "--tcp"]);
    assert!(plan.out.contains("asked 10.9.2.2 by TCP: dns query www.test. type A class IN, which cannot be lifted"), "{plan:?}");
    assert!(plan.err.contains("a plan sends nothing"), "{plan:?}");
    // It takes no capability.
    let fyke = world.command(&["run", "dns-query", "--name", "www.test", "--server", ENDS[0], "--tcp", "--short"]);
    let mut ordinary = Command::new("setpriv");
    ordinary.args(["--bounding-set=-net_raw", "--inh-caps=-net_raw"]).arg(fyke.get_program()).args(fyke.get_args());
    let said: Said = ordinary.envs(fyke.get_envs().filter_map(|(name, value)| Some((name, value?)))).output().unwrap().into();
    assert_eq!((said.code, said.out.as_str()), (Some(0), "10.9.2.2\n"), "{said:?}");
    // A server on the link itself, and another port: the question is refused where nobody listens.
    let evaluated = |script: &str| {
        let said = world.fyke(&["eval", script]);
        (said.code, said.out.trim().to_owned(), said.err)
    };
    let question = "packet::dns(#{ questions: [#{ name: \"www.test.\", type: \"A\" }] })";
    let asked = evaluated(&format!("raw::query_tcp(\"fe80::2\", {question}, #{{ interface: \"near\", port: 5 }}).error"));
    assert!(asked.0 == Some(0) && asked.1.contains("nobody listens"), "{asked:?}");
    for (script, why) in [
        (format!("raw::query_tcp(\"10.9.2.2\", {question}, #{{ port: 0 }})"), "it is a number from 1 to 65535"),
        (format!("raw::query_tcp(\"10.9.2.2\", {question}, #{{ interface: \"nosuch\" }})"), "there is no such link"),
        (format!("raw::query_tcp(\"10.9.2.2\", {question}, #{{ timeot: \"1s\" }})"), "timeout"),
        ("raw::query_tcp(\"10.9.2.2\", packet::icmp(#{}))".to_owned(), "what is asked is a message of DNS alone"),
    ] {
        let (code, _, err) = evaluated(&script);
        assert!(code != Some(0) && err.contains(why), "{script}: {code:?} {err}");
    }
}

/// Puts a file in the place of one in /etc, until it is unmounted.
fn of_etc(world: &World, name: &str, text: &str) {
    let path = world.folder.file(name, text);
    tool("mount", &["--bind", &path, &format!("/etc/{name}")], "");
}

fn names_of_hosts_are_found(world: &World) {
    let way = Way::new();
    serve_names(&way.end);
    let of = |name: &str, text: &str| of_etc(world, name, text);
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
