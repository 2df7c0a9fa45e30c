use proptest::prelude::*;

use super::*;
use crate::model::net::Ports;

/// A socket that is connected so.
pub(crate) fn socket(proto: Proto, state: State, local: End, peer: End) -> Socket {
    Socket {
        proto,
        kind: None,
        state,
        local,
        peer,
        interface: None,
        recv_q: 0,
        send_q: 0,
        uid: 0,
        inode: 0,
        peer_inode: None,
        mark: None,
        cgroup: None,
        timer: None,
        details: None,
        id: Id::Plain(0, [0; 8]),
    }
}

fn end(text: &str) -> End {
    let address: std::net::SocketAddr = text.parse().unwrap();
    End::Inet(address.ip(), address.port())
}

fn tcp(local: &str, peer: &str) -> Socket {
    socket(Proto::Tcp, State::Established, end(local), end(peer))
}

fn filter(words: &str) -> Filter {
    words.parse().unwrap_or_else(|fault: Fault| panic!("{words}: {fault}"))
}

#[test]
fn the_words_of_ss_are_understood() {
    let ssh = tcp("192.0.2.1:22", "192.0.2.7:50022");
    for words in [
        "",
        "sport = :22",
        "sport=:22",
        "sport 22",
        "sport eq :22 and dport gt :1024",
        "sport = :20-25",
        "( sport = :22 or sport = :2222 ) dst 192.0.2.0/24",
        "not dport = :22",
        "! ( dport = :22 | dport = :23 )",
        "dport >= :50022 && dport <= :50022 & sport < :23",
        "dport != :1",
        "src 192.0.2.1:22 dst = 192.0.2.7",
        "dst != 198.51.100.0/24",
        "dst *:50022",
        "src :22",
        "state established",
        "state connected exclude time-wait sport = :22",
        "state listening state estab",
        "exclude listening",
    ] {
        assert!(filter(words).matches(&ssh), "{words}");
    }
    for words in [
        "sport = :23",
        "dport = :22",
        "state time-wait",
        "exclude established",
        "dst 198.51.100.0/24",
        "not sport = :22",
        "dst [::1]",
        "fwmark = 1",
        "dev lo",
    ] {
        assert!(!filter(words).matches(&ssh), "{words}");
    }
    let six = tcp("[2001:db8::1]:443", "[::ffff:192.0.2.9]:5000");
    assert!(filter("src [2001:db8::1]:443 dst 192.0.2.0/24").matches(&six) && filter("src [2001:db8::]/32").matches(&six));
    assert!(filter("src 2001:db8::1").matches(&six) && !filter("src [2001:db8::1]:44").matches(&six));
}

#[test]
fn what_is_no_filter_is_refused() {
    for words in [
        "sport",
        "sport =",
        "sport => :22",
        "sport = :ssh",
        "sport = :22-21",
        "sport = :65536",
        "sport > :65535",
        "sport < :0",
        "state",
        "state listning",
        "and",
        "sport = :22 and",
        "sport = :22 or",
        "( sport = :22",
        "sport = :22 )",
        "()",
        "not",
        "dst 192.0.2.1/33",
        "dst 1.2.3",
        "dst > 192.0.2.1",
        "dst host.example",
        "dst [::1",
        "src ::ffff:192.0.2.1",
        "fwmark 0x1ffffffff",
        "fwmark > 1",
        "dev a/b",
        "sport = :22 state listening",
        "uid = 1",
        "; rm -rf /",
    ] {
        assert!(words.parse::<Filter>().is_err(), "{words}");
    }
    assert!("( ".repeat(100_000).parse::<Filter>().is_err() && "not ".repeat(100_000).parse::<Filter>().is_err());
    let fault = "sport => :22".parse::<Filter>().unwrap_err();
    assert_eq!(fault.to_string(), "cannot use \"sport => :22\" as a filter of sockets: \"=>\" compares nothing");
    assert_eq!("state listning".parse::<Filter>().unwrap_err().hint.unwrap(), "did you mean `listening`?");
}

#[test]
fn ends_are_printed_as_ss_prints_them() {
    let shown = |end: End| end.to_string();
    assert_eq!(
        [shown(end("192.0.2.1:22")), shown(end("[::1]:0")), shown(End::Both(80)), shown(End::Both(0))],
        ["192.0.2.1:22", "[::1]:*", "*:80", "*:*"]
    );
    assert_eq!((shown(End::Name("/run/x".into())), shown(End::Name("".into()))), ("/run/x".into(), "*".into()));
    let mut bound = tcp("[fe80::1]:22", "[fe80::2]:50022");
    bound.interface = Some("eth0".into());
    assert_eq!((bound.end(Side::Local), bound.end(Side::Peer)), ("[fe80::1]%eth0:22".into(), "[fe80::2]%eth0:50022".into()));
    let listens = socket(Proto::Tcp, State::Listening, end("0.0.0.0:22"), end("0.0.0.0:0"));
    assert_eq!(
        (listens.to_string(), bound.to_string()),
        ("tcp listening 0.0.0.0:22".into(), "tcp established [fe80::1]%eth0:22 to [fe80::2]%eth0:50022".into())
    );
}

#[test]
fn names_of_files_have_patterns() {
    let of = |name: &str| socket(Proto::Unix, State::Listening, End::Name(name.into()), End::Name("".into()));
    for (pattern, name) in [("/run/x", "/run/x"), ("/run/*", "/run/x"), ("/*/x", "/run/x"), ("@a*b*c", "@a-b-c"), ("/run/*", "/run/")] {
        assert!(filter(&format!("src {pattern}")).matches(&of(name)), "{pattern} {name}");
    }
    for (pattern, name) in [("/run/x", "/run/xy"), ("/run/*", "/ru"), ("/*/x", "/run/y"), ("@a*b*c", "@a-c")] {
        assert!(!filter(&format!("src {pattern}")).matches(&of(name)), "{pattern} {name}");
    }
    let protos = |words: &str| filter(words).protos();
    assert_eq!((protos("src /run/x"), protos("sport = :1").len(), protos("").len()), (vec![Proto::Unix], 3, 5));
}

#[test]
fn every_state_is_known_by_its_name() {
    for number in 0..=255u8 {
        let Some(state) = State::of(number) else {
            assert!(number == 0 || number > 12);
            continue;
        };
        let named: States = state.name().parse().unwrap();
        assert!(named.holds(state), "{state}");
    }
    let of = |name: &str| name.parse::<States>().unwrap();
    assert!(of("LISTEN").holds(State::Listening) && of("ESTAB").holds(State::Established) && of("TIME-WAIT").holds(State::TimeWait));
    assert!(!of("connected").holds(State::Listening) && of("bucket").holds(State::TimeWait) && !of("big").holds(State::TimeWait));
    assert!("listens".parse::<States>().is_err() && "".parse::<States>().is_err());
}

fn any_expr() -> impl Strategy<Value = Expr> {
    let side = || any::<bool>().prop_map(|local| if local { Side::Local } else { Side::Peer });
    let ports = (0u16..9, 0u16..9).prop_map(|(one, other)| Ports { first: one.min(other), last: one.max(other) });
    let prefix = (0u8..4, 30u8..=32).prop_map(|(last, length)| crate::model::prefix::Prefix::new(IpAddr::from([192, 0, 2, last]), length));
    let leaf = prop_oneof![
        (side(), ports).prop_map(|(side, ports)| Expr::Port(side, ports)),
        (side(), prefix).prop_map(|(side, prefix)| Expr::Address(side, prefix)),
        (0u32..4, 0u32..4).prop_map(|(mark, mask)| Expr::Mark(mark & mask, mask)),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Expr::And),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(Expr::Or),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

/// Conditions and sockets to compare what the kernel's program decides with what the model does.
pub(crate) fn any_case() -> impl Strategy<Value = (Vec<Expr>, Socket)> {
    let end = || (0u8..4, 0u16..9).prop_map(|(last, port)| End::Inet(IpAddr::from([192, 0, 2, last]), port));
    (proptest::collection::vec(any_expr(), 0..4), end(), end(), 0u32..4)
        .prop_map(|(all, local, peer, mark)| (all, Socket { mark: Some(mark), ..socket(Proto::Tcp, State::Established, local, peer) }))
}

proptest! {
    #[test]
    fn no_words_are_too_odd(words in "[a-z:=<>!&|()/@.*0-9\\[\\] -]{0,60}") {
        let _ = words.parse::<Filter>();
    }
}
