//! Links that only a whole kernel has: packets in a VLAN, which goes down with the link it stands on.

use std::fs;
use std::path::Path;

use super::features::does;
use super::{Tests, tests};
use crate::kernel::shown::links;
use crate::kernel::world::{World, until};
use crate::program::shell;

pub(super) const TESTS: Tests = tests! {
    a_vlan_carries_packets_and_goes_down_with_its_link
    a_vlan_and_an_ipvlan_get_the_mtu_of_their_link
};

const VLAN: &str = "\
link::add(\"link eth0 name eth0.7 up type vlan id 7\").addresses().add(\"203.0.113.1/24\");
link::routes().add(\"10.0.0.0/8 via 203.0.113.2\");
";

fn a_vlan_carries_packets_and_goes_down_with_its_link(world: &World) {
    for line in ["link add link eth0 name eth0.7 type vlan id 7", "addr add 203.0.113.2/24 dev eth0.7", "link set eth0.7 up"] {
        does(&format!("ip -n client {line}"));
    }
    let answers = || shell("ping -q -c 1 -W 1 203.0.113.2").code == Some(0);
    assert!(!answers());
    world.fyke_well(&["run", &world.recipe("vlan", VLAN)]);
    until("the VLAN answers", answers);
    let with = links();
    let said = world.fyke_well(&["plan", &world.recipe("down", "link::get(\"eth0\").down();")]);
    assert!(said.out.contains("eth0.7 up becomes down") && said.out.contains("- 10.0.0.0/8 via 203.0.113.2"), "{said:?}");
    world.fyke_well(&["run", &world.recipe("down", "link::get(\"eth0\").down();")]);
    assert!(!answers() && !does("ip link show eth0.7").contains(",UP"));
    world.undo();
    until("the VLAN answers again", answers);
    assert_eq!(links(), with);
    world.undo();
    assert!(!answers());
    does("ip -n client link del eth0.7");
}

fn a_vlan_and_an_ipvlan_get_the_mtu_of_their_link(world: &World) {
    for line in ["eth1 name eth1.7 type vlan id 7", "eth1.7 name eth1.7.8 type vlan id 8", "eth1 name ipv0 type ipvlan mode l3"] {
        does(&format!("ip link add link {line}"));
    }
    let folder = Path::new("/proc/sys/net/ipv6/conf/eth1.7.8");
    fs::write(folder.join("accept_ra"), "0").unwrap();
    let accepts = || fs::read_to_string(folder.join("accept_ra")).unwrap();
    let before = (links(), accepts());
    world.fyke_well(&["run", &world.recipe("small", "link::get(\"eth1\").set(\"mtu 1400\");")]);
    for name in ["eth1.7", "eth1.7.8", "ipv0"] {
        assert!(does(&format!("ip link show {name}")).contains("mtu 1400"), "{name}");
    }
    world.undo();
    assert_eq!((links(), accepts()), before);
    // What stands on a link goes with it, and with less than 1280 bytes nothing of IPv6 is left.
    for change in ["link::get(\"eth1\").set(\"mtu 1200\");", "link::del(\"eth1.7\");"] {
        world.fyke_well(&["run", &world.recipe("other", change)]);
        assert!(!folder.exists(), "{change}");
        world.undo();
        assert_eq!((links(), accepts()), before, "{change}");
    }
    does("ip link del eth1.7");
    does("ip link del ipv0");
}
