//! What a test leaves: all that fyke changed is lifted, and what a program did is named.

use super::{no_sandbox, test, with_tests};
use crate::program::shell;

/// Programs that leave something, with the lines that name it.
const LEFT: &[(&[&str], &[&str])] = &[
    (&["iptables -A INPUT -j DROP"], &["filter (IPv4)", "chain INPUT", "+ 1  -j DROP"]),
    (&["iptables-legacy -P FORWARD DROP"], &["filter (IPv4)", "policy ACCEPT becomes DROP"]),
    (&["ip6tables-nft -t mangle -N mine"], &["mangle (IPv6)", "+ chain mine"]),
    (&["nft add table inet mine", "nft add chain inet mine c"], &["+ chain inet mine c with 0 rules", "+ table inet mine"]),
    (&["ipset create mine hash:ip", "ipset add mine 192.0.2.9"], &["+ set mine hash:ip family inet", "+ 192.0.2.9"]),
    (&["ip link add mine type veth peer name other"], &["+ mine type veth peer other", "+ other type veth peer mine"]),
    (&["ip link set eth0 mtu 1400"], &["~ eth0 mtu 1500 becomes mtu 1400"]),
    (&["ip address add 198.51.100.7/24 dev eth0"], &["+ 198.51.100.7/24 dev eth0"]),
    (
        &["ip address del 192.0.2.1/24 dev eth0"],
        &["- 192.0.2.1/24 brd 192.0.2.255 dev eth0", "- default via 192.0.2.2 dev eth0 proto static"],
    ),
    (&["ip route add 198.51.100.0/24 via 192.0.2.2"], &["+ 198.51.100.0/24 via 192.0.2.2 dev eth0"]),
    (&["ip rule add from 10.0.0.0/8 table 7 priority 9"], &["+ priority 9 from 10.0.0.0/8 lookup 7"]),
    (&["ip neighbour add 192.0.2.77 lladdr 02:00:00:00:00:01 dev eth0"], &["+ 192.0.2.77 dev eth0 lladdr 02:00:00:00:00:01 nud permanent"]),
    (&["sysctl -w net.ipv4.ip_default_ttl=65"], &["~ net.ipv4.ip_default_ttl: 64 becomes 65"]),
    (&["ip netns add mine"], &["network namespaces", "+ mine"]),
    (&["ip netns exec peer ip address add 198.51.100.7/24 dev eth0"], &["in the network namespace peer", "+ 198.51.100.7/24 dev eth0"]),
    (&["tc qdisc add dev eth0 root handle 1: tbf rate 1mbit burst 10kb latency 50ms"], &["+ root qdisc of eth0 handle 1: tbf"]),
];

#[test]
fn what_a_program_leaves_is_named() {
    if no_sandbox() {
        return;
    }
    // All at a time: most of the time is patience with the kernel.
    let run = |line: &str| format!("sys::run([{}]);", line.split(' ').map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", "));
    let body = |lines: &[&str]| lines.iter().map(|line| run(line)).collect::<String>();
    let text: String = (0..).zip(LEFT).map(|(at, (lines, _))| format!("fn test_{at}() {{ {} }}\n", body(lines))).collect();
    let said = test(&with_tests(&text), &["-j", "8"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let parts: Vec<&str> = said.out.split("\nsome_test.rhai::test_").skip(1).collect();
    assert_eq!(parts.len(), LEFT.len(), "{}", said.out);
    for ((lines, wanted), part) in LEFT.iter().zip(parts) {
        if part.contains("qdisc kind is unknown") {
            println!("skipped: this kernel has no tbf");
            continue;
        }
        assert!(
            part.contains("error[incomplete]: cannot leave the network as it was: this is left when all is lifted\n"),
            "{lines:?}: {part}"
        );
        for line in *wanted {
            assert!(part.contains(line), "{lines:?}: no {line:?} in {part}");
        }
    }
}

#[test]
fn all_that_fyke_changes_is_lifted() {
    if no_sandbox() {
        return;
    }
    let yard = with_tests(
        r#"fn everything() {
    iptables::table("filter").chain("INPUT").append("-p tcp --dport 22 -m recent --name mine --set -j ACCEPT");
    ip6tables::table("nat").chain("POSTROUTING").append("-j MASQUERADE");
    iptables::table("filter").ensure_chain("mine").append("-j DROP");
    sysctl::set("net.ipv4.ip_forward", 1);
    ipset::ensure_set("mine", "hash:ip").add("192.0.2.9");
    iptables::table("filter").chain("INPUT").append("-m set --match-set mine src -j DROP");
    link::ensure("br7 type bridge");
    ports::ensure_reserved("8000-8003");
    netns::ensure("mine");
    netns::enter("peer", || iptables::table("filter").chain("INPUT").append("-j DROP"));
}
fn test_that_passes() { everything(); }
fn test_that_fails() { everything(); sys::run(["true"]); throw "on purpose"; }
"#,
    );
    for backend in ["nft", "legacy"] {
        let said = test(&yard, &["--backend", backend]);
        assert_eq!(said.code, Some(1), "{backend}: {said:?}");
        assert!(said.out.contains("pass  some_test.rhai::test_that_passes\n"), "{backend}: {}", said.out);
        assert!(said.out.contains("on purpose") && !said.out.contains("left"), "{backend}: {}", said.out);
    }
}

#[test]
fn nothing_reaches_the_machine() {
    if no_sandbox() {
        return;
    }
    let before = shell("ip -o link; ip -o address; ip route; ip rule; ls /run/netns 2>/dev/null").out;
    let yard = with_tests(
        "fn test_a() { sys::run([\"ip\", \"link\", \"set\", \"lo\", \"down\"]); sys::run([\"ip\", \"netns\", \"add\", \"mine\"]); }\n",
    );
    assert_eq!(test(&yard, &[]).code, Some(1));
    let plain = |text: &str| text.lines().filter(|line| !line.contains("valid_lft")).map(str::to_owned).collect::<Vec<_>>();
    let after = shell("ip -o link; ip -o address; ip route; ip rule; ls /run/netns 2>/dev/null").out;
    assert_eq!(plain(&after).iter().any(|line| line == "mine"), plain(&before).iter().any(|line| line == "mine"));
    let loopback = |text: &str| text.lines().find(|line| line.contains(" lo:")).map(str::to_owned);
    assert_eq!(loopback(&after), loopback(&before));
}

#[test]
fn a_program_that_still_runs_is_named_and_ended() {
    if no_sandbox() {
        return;
    }
    let yard = with_tests("fn test_a() { sys::run([\"sh\", \"-c\", \"sleep 4711 >/dev/null 2>&1 &\"]); }\n");
    let said = test(&yard, &[]);
    assert!(said.code == Some(1) && said.out.contains("a program that still ran: sleep"), "{said:?}");
    assert_eq!(shell("pgrep -f 'sleep 471[1]'").out, "");
}
