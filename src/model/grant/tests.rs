use super::*;

fn permission(text: &str) -> Permission {
    text.parse().unwrap_or_else(|fault: Fault| panic!("{text}: {fault}"))
}

#[test]
fn a_permission_prints_as_it_is_read() {
    for text in [
        "iptables",
        "iptables: filter/INPUT",
        "iptables: nat/*",
        "ip6tables: filter/fyke-*",
        "ipset: blocked-*",
        "tc: eth0",
        "link: veth-*",
        "route: 10.0.0.0/8",
        "route: 2001:db8::/32",
        "rule",
        "netns: lab-*",
        "sysctl: net.ipv4.*",
        "sysctl: net.ipv4.conf.eth0/100.rp_filter",
        "sysctl: net.ipv4.conf.*.rp_filter",
        "ports: 8000-8999",
        "ports: 22",
        "cgroup: /lab",
        "process",
        "sockets",
        "sockets: 10.0.0.0/8",
        "raw",
        "exec: curl",
        "exec: /opt/tool/run",
        "read: /etc/hosts",
        "write: /",
        "env: HOME",
    ] {
        assert_eq!(permission(text).to_string(), text);
    }
    for (odd, plain) in [
        ("iptables:*", "iptables"),
        (" iptables :filter", "iptables: filter/*"),
        ("sysctl: net/ipv4/conf/eth0.100/rp_filter", "sysctl: net.ipv4.conf.eth0/100.rp_filter"),
        ("read: //etc/./hosts/", "read: /etc/hosts"),
        ("ports: 5-5", "ports: 5"),
        ("route: 10.0.0.0/255.0.0.0", "route: 10.0.0.0/8"),
    ] {
        assert_eq!(permission(odd).to_string(), plain);
    }
}

#[test]
fn what_is_no_permission_is_refused() {
    for (text, why) in [
        ("", "there is no such permission"),
        ("iptable: filter", "there is no such permission"),
        ("iptables:", "nothing stands behind the colon"),
        ("iptables: filtre", "filtre"),
        ("iptables: filter/a*b", "only at the end"),
        ("raw: eth0", "nothing stands behind it"),
        ("sysctl: kernel.*", "only parameters under `net.`"),
        ("sysctl: net..ipv4", "a name is empty"),
        ("sysctl: net/../kernel/panic", "leads out"),
        ("read: etc", "does not begin with a slash"),
        ("read: /etc/../root", "`..`"),
        ("read: /etc/*", "no `*`"),
        ("exec: cur*", "one name"),
        ("exec: ./curl", "does not begin with a slash"),
        ("route: 10.0.0.1/8", "bits are set"),
        ("route: ::ffff:10.0.0.0/104", "IPv4-mapped"),
        ("ports: 9-8", "the wrong way round"),
        ("tc: eth0\n", ""),
        ("tc: eth 0", "' '"),
    ] {
        match text.parse::<Permission>() {
            Err(fault) => assert!(fault.to_string().contains(why), "{text}: {fault}"),
            // A line that ends in a blank is the line.
            Ok(permission) => assert_eq!((text, permission.to_string().as_str()), ("tc: eth0\n", "tc: eth0")),
        }
    }
}

#[test]
fn a_permission_covers_what_is_in_it_and_touches_what_it_shares() {
    // What is granted, what is done; whether it is covered, whether a denial of the first would stand against the second.
    for (one, other, covers, overlaps) in [
        ("iptables", "iptables: filter/INPUT", true, true),
        ("iptables: filter/INPUT", "iptables", false, true),
        ("iptables: filter", "iptables: filter/INPUT", true, true),
        ("iptables: filter", "iptables: nat/INPUT", false, false),
        ("iptables: filter/INPUT", "ip6tables: filter/INPUT", false, false),
        ("iptables: filter/INPUT", "iptables: filter/INPUT2", false, false),
        ("iptables: filter/IN*", "iptables: filter/INPUT", true, true),
        ("iptables: filter/INPUT", "iptables: filter/IN*", false, true),
        ("tc: eth*", "tc: eth0", true, true),
        ("tc: eth*", "link: eth0", false, false),
        ("tc: eth0", "tc: eth0.100", false, false),
        ("route: 10.0.0.0/8", "route: 10.1.0.0/16", true, true),
        ("route: 10.1.0.0/16", "route: 10.0.0.0/8", false, true),
        ("route: 10.0.0.0/8", "route: 11.0.0.0/8", false, false),
        ("route: 0.0.0.0/0", "route: 2001:db8::/32", false, false),
        ("sysctl: net.ipv4.*", "sysctl: net.ipv4.conf.eth0.rp_filter", true, true),
        ("sysctl: net.ipv4.*", "sysctl: net.ipv6.conf.all.forwarding", false, false),
        ("sysctl: net.ipv4.*", "sysctl: net.ipv4", false, false),
        ("sysctl: net.ipv4.*", "sysctl: net.ipv4.conf.*", true, true),
        ("sysctl: net.ipv4.conf.*", "sysctl: net.ipv4.*", false, true),
        ("sysctl: net.ipv4.conf.*.rp_filter", "sysctl: net.ipv4.conf.eth0.rp_filter", true, true),
        ("sysctl: net.ipv4.conf.*.rp_filter", "sysctl: net.ipv4.conf.eth0.forwarding", false, false),
        ("sysctl: net.ipv4.tcp_*", "sysctl: net.ipv4.tcp_syncookies", true, true),
        ("sysctl: net.ipv4.tcp_*", "sysctl: net.ipv4.ip_forward", false, false),
        ("sysctl: net.ipv4.conf.eth0.*", "sysctl: net.ipv4.conf.eth0/100.mtu", false, false),
        ("ports: 1-1024", "ports: 22", true, true),
        ("ports: 22", "ports: 1-1024", false, true),
        ("cgroup: /lab", "cgroup: /lab/a", true, true),
        ("cgroup: /lab", "cgroup: /lab2", false, false),
        ("cgroup: /lab", "cgroup: net_cls:/lab", false, false),
        ("read: /etc", "read: /etc/hosts", true, true),
        ("read: /etc", "read: /etcetera", false, false),
        ("read: /etc", "write: /etc/hosts", false, false),
        ("read: /", "read: /etc/hosts", true, true),
        ("read: /etc/hosts", "read: /etc", false, true),
        ("exec: curl", "exec: curl", true, true),
        ("exec: curl", "exec: /tmp/curl", false, false),
        ("exec", "exec: /tmp/curl", true, true),
        ("env: LC_*", "env: LC_ALL", true, true),
    ] {
        let (first, second) = (permission(one), permission(other));
        assert_eq!((first.covers(&second), first.overlaps(&second)), (covers, overlaps), "{one} and {other}");
        assert_eq!(second.overlaps(&first), overlaps, "{other} and {one}");
        assert!(first.covers(&first) && first.overlaps(&first), "{one}");
    }
}

#[test]
fn a_denial_wins_in_any_order() {
    let asked = permission("iptables: filter/INPUT");
    let (allow, deny) = ([permission("iptables: filter/INPUT")], [permission("iptables: filter/IN*")]);
    assert!(Rights::all().permit(&asked) && Rights::all().is_all());
    assert!(!Rights::of(Grants::default()).permit(&asked));
    assert!(Rights::of(Grants::default()).allow(allow.clone()).permit(&asked));
    assert!(!Rights::all().allow(allow.clone()).deny(deny.clone()).permit(&asked));
    assert!(!Rights::all().deny(deny.clone()).allow(allow.clone()).permit(&asked));
    assert!(!Rights::all().deny(deny).permit(&asked));
    assert!(!Rights::all().allow(allow).permit(&permission("iptables: filter/OUTPUT")));
    assert!(Rights::all().allow([]).is_all());
}

#[test]
fn what_is_new_is_told() {
    let grants = |text: &str| serde_json::from_str::<Grants>(text).unwrap();
    let before = grants(r#"{"allow": ["iptables: filter", "raw"], "deny": ["iptables: filter/INPUT"]}"#);
    let now = grants(r#"{"allow": ["iptables: filter/OUTPUT", "iptables: nat", "raw"], "deny": ["iptables: filter/INPUT"]}"#);
    assert_eq!(now.beyond(&before), [&permission("iptables: nat")]);
    assert_eq!(before.beyond(&before), Vec::<&Permission>::new());
    assert_eq!(grants(r#"{"allow": ["iptables: filter"]}"#).beyond(&before), [&permission("iptables: filter")]);
    assert!(serde_json::from_str::<Grants>(r#"{"alow": []}"#).is_err());
    assert!(serde_json::from_str::<Grants>(r#"{"allow": ["rae"]}"#).unwrap_err().to_string().contains("did you mean `raw`"));
}
