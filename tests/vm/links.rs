//! Links that only a whole kernel has: packets in a VLAN, which goes down with the link it stands on.

use super::features::does;
use super::{Tests, tests};
use crate::kernel::shown::links;
use crate::kernel::world::{World, until};
use crate::program::shell;

pub(super) const TESTS: Tests = tests! {
    a_vlan_carries_packets_and_goes_down_with_its_link
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
