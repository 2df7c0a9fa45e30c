//! What the guest is there for: everything that the rooms speak of can be made in it, and the program finds it.

use super::{Tests, tests};
use crate::kernel::world::{World, tool};

pub(super) const TESTS: Tests = tests! {
    the_kernel_has_everything
    version_one_of_cgroups_classifies_packets
    the_doctor_finds_nothing_missing
};

/// What is made, and how it is unmade.
const MADE: &[(&[&str], &str)] = &[
    (
        &[
            "ip link add probe type dummy",
            "ip link add probe type ifb",
            "ip link add probe type bridge",
            "ip link add probe type wireguard",
            "ip link add probe link eth0 type vlan id 7",
            "ip link add probe link eth0 type macvlan",
            "ip link add probe link eth0 type ipvlan",
            "ip link add probe type vxlan id 7 dstport 4789",
            "ip link add probe type bond",
            "ip link add probe type vrf table 7",
            "ip tuntap add probe mode tun",
        ],
        "ip link del probe",
    ),
    (
        &[
            "tc qdisc add dev eth0 root netem delay 1ms",
            "tc qdisc add dev eth0 root tbf rate 1mbit burst 10kb latency 50ms",
            "tc qdisc add dev eth0 root htb default 1",
            "tc qdisc add dev eth0 root fq_codel",
            "tc qdisc add dev eth0 root prio",
            "tc qdisc add dev eth0 root sfq",
            "tc qdisc add dev eth0 root fq",
            "tc qdisc add dev eth0 root cake",
            "tc qdisc add dev eth0 root pfifo",
            "tc qdisc add dev eth0 root bfifo",
        ],
        "tc qdisc del dev eth0 root",
    ),
    (
        &[
            "tc filter add dev eth0 ingress matchall action police rate 1mbit burst 10k",
            "tc filter add dev eth0 ingress protocol ip u32 match u32 0 0 action mirred egress redirect dev eth1",
            "tc filter add dev eth0 ingress protocol ip flower ip_proto tcp action drop",
            "tc filter add dev eth0 ingress handle 7 fw action pass",
            "tc filter add dev eth0 ingress basic match meta(priority eq 7) action drop",
            "tc filter add dev eth0 egress handle 1 cgroup action drop",
        ],
        "tc filter del dev eth0 ingress",
    ),
];

/// Runs a line of words between blanks, which must succeed.
#[track_caller]
pub(super) fn does(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    tool(words[0], &words[1..], "")
}

fn the_kernel_has_everything(_: &World) {
    does("tc qdisc add dev eth0 clsact");
    for (lines, unmake) in MADE {
        for line in *lines {
            does(line);
            let unmake = if line.contains(" egress handle") { unmake.replace("ingress", "egress") } else { (*unmake).to_owned() };
            does(&unmake);
        }
    }
    does("tc qdisc del dev eth0 clsact");
    // The first vrf of a namespace brings rules that stay without it.
    does("ip rule del pref 1000");
    does("ip -6 rule del pref 1000");
}

fn version_one_of_cgroups_classifies_packets(world: &World) {
    let group = "/sys/fs/cgroup/net_cls/blocked";
    std::fs::create_dir(group).unwrap();
    std::fs::write(format!("{group}/net_cls.classid"), "0x100001").unwrap();
    world.iptables("iptables -A OUTPUT -m cgroup --cgroup 0x100001 -j REJECT");
    does("ping -q -c 1 -W 1 192.0.2.2");
    let blocked = crate::program::shell(&format!("echo $$ >{group}/cgroup.procs && ping -q -c 1 -W 1 192.0.2.2"));
    assert!(blocked.code == Some(1) && blocked.out.contains("100% packet loss"), "{blocked:?}");
    world.wipe();
    std::fs::remove_dir(group).unwrap();
}

fn the_doctor_finds_nothing_missing(world: &World) {
    let said = world.fyke_well(&["doctor"]);
    let missing: Vec<&str> = said.out.lines().filter(|line| !line.starts_with("ok ")).collect();
    assert!(missing.is_empty() && said.out.lines().count() > 10, "{said:?}");
}
