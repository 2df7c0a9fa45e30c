use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::model::Family;
use crate::model::iptables::{Words, save};

/// A login from 192.0.2.2:50022 to port 22 of 192.0.2.1, by eth0.
fn login(tracking: &[Tracking]) -> Flow {
    Flow {
        holders: Vec::new(),
        peer: "192.0.2.2:50022".parse().unwrap(),
        here: "192.0.2.1:22".parse().unwrap(),
        interface: Some("eth0".into()),
        tracking: tracking.to_vec(),
    }
}

const TRACKED: &[Tracking] = &[Tracking::Established];
const UNSEEN: &[Tracking] = &[Tracking::New, Tracking::Established];

fn ruleset(text: &str) -> Ruleset {
    let mut set = Ruleset::empty(Family::V4);
    save::read(&mut set, text, &|_| false).unwrap();
    set
}

/// Makes a filter table of lines like `INPUT -j DROP`; `INPUT DROP` sets a policy, and a chain that is not built in is made.
fn filter(lines: &str) -> Ruleset {
    table("filter", lines)
}

fn table(table: &str, lines: &str) -> Ruleset {
    let (mut chains, mut rules) = (BTreeSet::new(), String::new());
    let mut policies = String::new();
    for line in lines.split("; ").filter(|line| !line.is_empty()) {
        let (chain, rest) = line.split_once(' ').unwrap();
        match rest.starts_with(['-', '!']) {
            true => rules += &format!("-A {line}\n"),
            false => policies += &format!(":{chain} {rest} [0:0]\n"),
        }
        chains.insert(chain);
    }
    let made: Vec<String> =
        chains.iter().filter(|chain| chain.chars().all(char::is_lowercase)).map(|chain| format!(":{chain} - [0:0]\n")).collect();
    ruleset(&format!("*{table}\n{policies}{}{rules}COMMIT\n", made.concat()))
}

/// Says of each place whether it cuts for sure: `!-j DROP`, or perhaps: `?INPUT` for the policy of INPUT.
fn said(cuts: &[Cut]) -> Vec<String> {
    let all = cuts.iter().map(|cut| {
        let what = cut.rule.as_ref().map_or_else(|| cut.at.chain.to_string(), |rule| rule.words.to_string());
        format!("{}{what}", if cut.is_sure() { '!' } else { '?' })
    });
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

/// What a kernel keeps: of no address in a list, and of one in a set.
fn nobody(_: &str, _: IpAddr) -> Option<usize> {
    Some(0)
}

impl<F: Fn(&str, IpAddr) -> Option<usize>> Memory for F {
    fn hits(&self, list: &str, address: IpAddr) -> Option<usize> {
        self(list, address)
    }

    fn holds(&self, set: &str, address: IpAddr) -> Option<bool> {
        let peer: IpAddr = "192.0.2.2".parse().unwrap();
        match set {
            "peers" => Some(address == peer),
            "others" => Some(address != peer),
            _ => None,
        }
    }
}

#[test]
fn a_set_is_looked_into() {
    check("INPUT -m set --match-set peers src -j DROP", TRACKED, &["!-m set --match-set peers src -j DROP"]);
    check("INPUT -m set --match-set peers dst -j DROP", TRACKED, &[]);
    check("INPUT -m set ! --match-set others src -j DROP", TRACKED, &["!-m set ! --match-set others src -j DROP"]);
    check("INPUT -m set --match-set others src -j DROP", TRACKED, &[]);
    check("INPUT -m set --match-set peers src -j ACCEPT; INPUT -j DROP", TRACKED, &[]);
    check("OUTPUT -m set --match-set peers dst -j DROP", TRACKED, &["!-m set --match-set peers dst -j DROP"]);
    for rule in ["-m set --match-set unknown src -j DROP", "-m set --match-set peers src,dst -j DROP"] {
        check(&format!("INPUT {rule}"), TRACKED, &[&format!("?{rule}")]);
    }
    let names: Vec<String> =
        sets(&filter("INPUT -m set ! --match-set a src -j DROP; INPUT -m set --match-set b dst")).iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a", "b"]);
}

#[track_caller]
fn check(rules: &str, tracking: &[Tracking], expected: &[&str]) {
    assert_eq!(said(&cuts(&filter(rules), &login(tracking), &nobody)), expected, "{rules}");
}

#[test]
fn what_is_about_the_login_cuts_it() {
    for rule in [
        "-j DROP",
        "-j REJECT --reject-with icmp-port-unreachable",
        "-p tcp -j DROP",
        "-p tcp -m tcp --dport 22 -j DROP",
        "-p tcp -m tcp --dport 20:30 -j DROP",
        "-p tcp -m tcp ! --dport 23 -j DROP",
        "-p tcp -m multiport --dports 80,20:22,443 -j DROP",
        "-p tcp -m multiport ! --dports 80,443 -j DROP",
        "-p tcp -m multiport --ports 50022 -j DROP",
        "-s 192.0.2.0/24 -j DROP",
        "! -s 198.51.100.0/24 -j DROP",
        "-d 192.0.2.1/32 -i eth0 -j DROP",
        "-i et+ -j DROP",
        "! -i lo -j DROP",
        "! -o eth0 -j DROP",
        "-m state --state ESTABLISHED -j DROP",
        "-m conntrack --ctstate RELATED,ESTABLISHED -j DROP",
        "-m conntrack ! --ctstate NEW -j DROP",
        "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN -j DROP",
        "-p tcp -m tcp --tcp-flags ACK ACK -j DROP",
        "-m comment --comment \"-p udp\" -j DROP",
        "-m comment --comment \"-j\" -j DROP",
        "-m iprange --src-range 192.0.2.1-192.0.2.9 -j DROP",
        "-m addrtype --dst-type LOCAL -j DROP",
    ] {
        check(&format!("INPUT {rule}"), TRACKED, &[&format!("!{rule}")]);
    }
    check("INPUT DROP", TRACKED, &["!INPUT"]);
    check("OUTPUT DROP", TRACKED, &["!OUTPUT"]);
    check("OUTPUT -p tcp -m tcp --sport 22 -j DROP; OUTPUT -o eth0 -j DROP", TRACKED, &["!-p tcp -m tcp --sport 22 -j DROP"]);
}

#[test]
fn what_is_about_others_does_not() {
    for rule in [
        "-p udp -j DROP",
        "! -p tcp -j DROP",
        "-p icmp -j DROP",
        "-p tcp -m tcp --dport 80 -j DROP",
        "-p tcp -m tcp --sport 1024:2048 -j DROP",
        "-p tcp -m multiport --dports 80,443 -j DROP",
        "-s 198.51.100.0/24 -j DROP",
        "! -s 192.0.2.2/32 -j DROP",
        "-d 192.0.2.255/32 -j DROP",
        "-i eth1 -j DROP",
        "-i lo -j DROP",
        "-o eth0 -j DROP",
        "-m state --state INVALID -j DROP",
        "-m conntrack --ctstate NEW,UNTRACKED -j DROP",
        "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP",
        "-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE -j DROP",
        "-p tcp -m tcp --tcp-flags FIN,SYN FIN,SYN -j DROP",
        "-p tcp -m tcp --tcp-flags RST RST -j DROP",
        "-p tcp -m tcp --tcp-flags ACK SYN -j DROP",
        "-m iprange --src-range 192.0.2.3-192.0.2.9 -j DROP",
        "-m addrtype --dst-type BROADCAST,MULTICAST -j DROP",
        "-j LOG --log-prefix \"-j DROP\"",
        "-m recent --update --seconds 60 --hitcount 3 --name SSH --mask 255.255.255.255 --rsource -j DROP",
        "-m limit --limit 3/min -j LOG",
        "-m string --string \"-p udp\" --algo bm --to 65535 -p udp -j DROP",
    ] {
        check(&format!("INPUT {rule}"), TRACKED, &[]);
    }
    check("FORWARD DROP; FORWARD -j DROP; INPUT -i eth0", TRACKED, &[]);
}

#[test]
fn what_nobody_can_tell_may_cut() {
    for rule in [
        "-m limit --limit 3/min -j DROP",
        "-m set --match-set bad src -j DROP",
        "-m mark --mark 0x1 -j DROP",
        "-m nonsense --dport 80 -j DROP",
        "-m mac --mac-source 00:00:5e:00:53:01 -j REJECT",
        "-p tcp -m tcp --tcp-flags PSH PSH -j DROP",
        "-p tcp -m tcp --tcp-option 8 -j DROP",
        "-m string --string \"-j\" --algo bm --to 65535 -j DROP",
        "-j NFQUEUE --queue-num 1",
        "-j TARPIT",
    ] {
        check(&format!("INPUT {rule}"), TRACKED, &[&format!("?{rule}")]);
    }
}

#[test]
fn a_rule_before_decides() {
    for before in [
        "INPUT -p tcp -m tcp --dport 22 -j ACCEPT",
        "INPUT -s 192.0.2.2/32 -j ACCEPT",
        "INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "in -j ACCEPT; INPUT -j in",
        "in -p tcp -g ok; in -j DROP; ok -j ACCEPT; INPUT -j in",
    ] {
        check(&format!("INPUT DROP; {before}; INPUT -j DROP"), TRACKED, &[]);
    }
    for (before, expected) in [
        ("INPUT -p tcp -m tcp --dport 80 -j ACCEPT", "!-j DROP"),
        ("INPUT -j RETURN", "!INPUT"),
        ("in -j RETURN; in -j ACCEPT; INPUT -j in", "!-j DROP"),
        ("in -p udp -j ACCEPT; INPUT -g in", "!INPUT"),
        ("INPUT -m set --match-set good src -j ACCEPT", "?-j DROP"),
        ("in -m set --match-set bad src -j RETURN; in -j ACCEPT; INPUT -j in", "?-j DROP"),
        ("INPUT -m limit --limit 1/s -j in; in -j ACCEPT", "?-j DROP"),
        ("INPUT -m limit --limit 1/s -j in; in -j LOG", "!-j DROP"),
        ("INPUT -m limit --limit 1/s -j LOG", "!-j DROP"),
    ] {
        check(&format!("INPUT DROP; {before}; INPUT -j DROP"), TRACKED, &[expected]);
    }
}

#[test]
fn a_login_that_is_not_tracked_comes_as_a_new_one() {
    check("INPUT -m state --state NEW -j DROP", TRACKED, &[]);
    check("INPUT -m state --state NEW -j DROP", UNSEEN, &["!-m state --state NEW -j DROP"]);
    check("INPUT DROP; INPUT -m state --state ESTABLISHED -j ACCEPT", UNSEEN, &["!INPUT"]);
    check("INPUT DROP; INPUT -m state --state ESTABLISHED -j ACCEPT; INPUT -p tcp -m tcp --dport 22 -j ACCEPT", UNSEEN, &[]);
    check("INPUT -m conntrack --ctstate INVALID -j DROP", UNSEEN, &[]);
    check("INPUT -m conntrack --ctstate INVALID -j DROP", &[Tracking::Invalid], &["!-m conntrack --ctstate INVALID -j DROP"]);
    let nat = table("nat", "PREROUTING -p tcp -m tcp --dport 22 -j DNAT --to-destination 192.0.2.9");
    assert_eq!(said(&cuts(&nat, &login(TRACKED), &nobody)), [""; 0]);
    assert_eq!(cuts(&nat, &login(UNSEEN), &nobody).len(), 1);
}

#[test]
fn a_packet_can_be_taken_out_of_tracking() {
    let both = |raw: &str| {
        let mut set = filter("INPUT DROP; INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT");
        set.tables.extend(table("raw", raw).tables.remove_entry(&Table::Raw));
        said(&cuts(&set, &login(TRACKED), &nobody))
    };
    assert_eq!(both("PREROUTING -p tcp -j CT --notrack"), ["!INPUT"]);
    assert_eq!(both("PREROUTING -m limit --limit 1/s -j NOTRACK"), ["?INPUT"]);
    assert_eq!(both("PREROUTING -j CT --zone 1"), ["?INPUT"]);
    assert_eq!(both("PREROUTING -p tcp -m tcp --dport 21 -j CT --helper ftp"), [""; 0]);
    // Tracking comes after this table.
    assert_eq!(both("PREROUTING -m conntrack --ctstate ESTABLISHED -j DROP"), [""; 0]);
    assert_eq!(both("PREROUTING -m conntrack ! --ctstate NEW -j DROP").len(), 1);
}

#[test]
fn lists_of_sources_are_looked_up() {
    const LIMIT: &str = "limit -m recent --update --seconds 240 --hitcount 3 --name S --mask 255.255.255.255 --rsource -j DROP; \
                         limit -m recent --set --name S --mask 255.255.255.255 --rsource; INPUT -m state --state NEW -j limit";
    let rule = "?-m recent --update --seconds 240 --hitcount 3 --name S --mask 255.255.255.255 --rsource -j DROP";
    let asked = |set: &str, hits: Option<usize>| said(&cuts(&filter(set), &login(UNSEEN), &|_: &str, _: IpAddr| hits));
    assert_eq!(asked(LIMIT, Some(0)), [""; 0]);
    assert_eq!(asked(LIMIT, Some(2)), [""; 0]);
    assert_eq!(asked(LIMIT, Some(3)), [rule]);
    assert_eq!(asked(LIMIT, None), [rule]);
    let first = LIMIT.split("; ").collect::<Vec<_>>();
    let set_first = [first[1], first[0], first[2]].join("; ");
    assert_eq!((asked(&set_first, Some(1)), asked(&set_first, Some(2))), (vec![], vec![rule.to_owned()]));
    assert_eq!(asked("INPUT -m recent --rcheck --name S --rsource -j DROP", Some(1)), ["!-m recent --rcheck --name S --rsource -j DROP"]);
    assert_eq!(
        asked("INPUT -m recent ! --rcheck --name S --rsource -j DROP", Some(0)),
        ["!-m recent ! --rcheck --name S --rsource -j DROP"]
    );
    let masked = |_: &str, address: IpAddr| Some(usize::from(address == IpAddr::from([192, 0, 0, 0])));
    let by_net = filter("INPUT -m recent --rcheck --name S --mask 255.0.0.0 --rsource -j DROP");
    assert_eq!(cuts(&by_net, &login(TRACKED), &masked).len(), 1);
}

#[test]
fn what_was_there_before_is_known() {
    let worse = |before: &str, after: &str| {
        let before = cuts(&filter(before), &login(TRACKED), &nobody);
        cuts(&filter(after), &login(TRACKED), &nobody).iter().filter(|cut| !cut.is_known(&before)).count()
    };
    let odd = "INPUT -m set --match-set bad src -j DROP";
    for (before, after, new) in [
        (odd, odd, 0),
        ("", odd, 1),
        (odd, &format!("{odd}; INPUT -p tcp -m tcp --dport 80 -j DROP"), 0),
        (odd, &format!("INPUT -m limit --limit 1/s -j ACCEPT; {odd}"), 0),
        // The drop was perhaps not met; without what stood before it, it is.
        (&format!("INPUT -m limit --limit 1/s -j ACCEPT; {odd}"), odd, 1),
        ("INPUT DROP; INPUT -m set --match-set good src -j ACCEPT", "INPUT DROP", 1),
        ("INPUT DROP; INPUT -m set --match-set good src -j ACCEPT; INPUT -m time -j ACCEPT", "INPUT DROP; INPUT -m time -j ACCEPT", 1),
        ("INPUT DROP", "INPUT DROP; INPUT -j LOG", 0),
        ("INPUT DROP", "INPUT DROP; OUTPUT DROP", 1),
    ] {
        assert_eq!(worse(before, after), new, "{before} => {after}");
    }
}

#[test]
fn an_interface_that_is_not_certain_may_be_any() {
    let mut flow = login(TRACKED);
    flow.interface = None;
    let asked = |rule: &str| said(&cuts(&filter(rule), &flow, &nobody));
    assert_eq!(asked("INPUT -i eth1 -j DROP"), ["?-i eth1 -j DROP"]);
    assert_eq!(asked("INPUT -i lo -j DROP"), [""; 0]);
    assert_eq!(asked("OUTPUT -i lo -j DROP"), [""; 0]);
    assert_eq!(asked("INPUT ! -i lo -j DROP"), ["!! -i lo -j DROP"]);
}

#[test]
fn the_other_family_has_its_own_addresses() {
    let flow = Flow { peer: "[2001:db8::2]:50022".parse().unwrap(), here: "[2001:db8::1]:22".parse().unwrap(), ..login(TRACKED) };
    let mut set = Ruleset::empty(Family::V6);
    save::read(&mut set, "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -s 2001:db8::/64 -j DROP\n-A INPUT -j DROP\nCOMMIT\n", &|_| false)
        .unwrap();
    assert_eq!(said(&cuts(&set, &flow, &nobody)), ["!-s 2001:db8::/64 -j DROP"]);
    assert!(cuts(&set, &flow, &nobody)[0].to_string().contains("drops what comes from there"));
}

#[test]
fn what_never_ends_is_bounded() {
    check("INPUT -j a; a -j b; b -j a", TRACKED, &["?-j b"]);
    let wide: Vec<String> = (0..40).flat_map(|n| vec![format!("{0} -m limit --limit 1/s -j {1}", name(n), name(n + 1)); 2]).collect();
    let began = std::time::Instant::now();
    let set = filter(&format!("INPUT -j {}; {}; {} -j LOG", name(0), wide.join("; "), name(40)));
    assert!(!cuts(&set, &login(TRACKED), &nobody).is_empty());
    assert!(began.elapsed().as_secs() < 60);
}

fn name(number: u8) -> String {
    format!("{}{}", char::from(b'a' + number / 26), char::from(b'a' + number % 26))
}

proptest! {
    #[test]
    fn no_words_are_too_odd_to_be_followed(words in proptest::collection::vec("(-[a-z]|--[a-z-]{1,9}|!|-j|-g|-m|--comment|--tcp-flags|[A-Z0-9,.:/ ]{0,9})", 0..9)) {
        let set = filter(&format!("INPUT -j LOG; INPUT -m {}", Words::join(&words)));
        cuts(&set, &login(UNSEEN), &nobody).iter().for_each(|cut| drop(cut.to_string()));
    }
}
