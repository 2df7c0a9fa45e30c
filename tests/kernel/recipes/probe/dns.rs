//! Names: `dns-query`, and the hosts that the other recipes are given by name.

use std::net::{SocketAddr, UdpSocket};
use std::thread::spawn;

use fyke::model::packet::{Draft, First, Packet, Stack, Value, named};

use super::{ENDS, Place, Way, data, run};
use crate::kernel::world::{World, in_a_world, tool};

in_a_world! {
    a_name_is_looked_up
    names_of_hosts_are_found
}

/// Answers questions of DNS as they are asked, from a table of one zone.
pub(super) fn serve_names(place: &Place) {
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
            &format!("{:<32}IN      A", ";www.test."),
            &format!("{:<24}300     IN      A       10.9.2.2", "www.test."),
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
