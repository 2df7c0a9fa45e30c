//! What goes with what, and what comes back: a host in memory, and any history of it.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proptest::sample::select;

use super::{follow, go_with};
use crate::model::change::{Object as Any, State as AnyState};
use crate::model::link::route::{Hop, Route};
use crate::model::link::{Dev, Link, Object, Setting, State, Value, address, neighbour, parameters};
use crate::model::named::{Edit, Inventory, apply, revert, revert_again, wish};
use crate::model::prefix::Prefix;
use crate::model::{Family, Origin};

pub(in crate::model::link) fn eth(index: u32) -> Dev {
    Dev::new(index, format!("eth{index}").parse().unwrap())
}

pub(in crate::model::link) fn put(inventory: &mut Inventory, object: Object, state: State) {
    inventory.insert(Any::Link(object), AnyState::Link(state));
}

/// Two links with addresses, neighbours and routes, one of them a veth with its other end, a VLAN on it, and a bridge with a port.
pub(in crate::model::link) fn host() -> Inventory {
    let mut host = Inventory::new();
    let link = |kind: &str, parent: Option<u32>, peer: Option<u32>| {
        State::Link(Link { kind: kind.into(), parent: parent.map(eth), peer: peer.map(eth), ..Link::default() }.into())
    };
    for (index, state) in [
        (1, link("veth", None, Some(2))),
        (2, link("veth", None, Some(1))),
        (3, link("vlan", Some(1), None)),
        (4, link("bridge", None, None)),
        (5, link("ifb", None, None)),
    ] {
        put(&mut host, Object::Link(eth(index)), state);
        for setting in Setting::ALL {
            put(&mut host, Object::Setting(eth(index), setting), State::Setting(setting.initial(&eth(index).name)));
        }
        put(&mut host, Object::Setting(eth(index), Setting::Mtu), State::Setting(Value::Number(1500)));
        put(&mut host, Object::Setting(eth(index), Setting::Up), State::Setting(Value::Flag(index != 5)));
        let master = if index == 2 { Some(eth(4)) } else { None };
        put(&mut host, Object::Setting(eth(index), Setting::Master), State::Setting(Value::Link(master)));
    }
    for (index, words) in [(1, "192.0.2.1/24"), (1, "192.0.2.2/24"), (1, "2001:db8::1/64"), (3, "198.51.100.1/24"), (4, "203.0.113.1/24")] {
        let wanted: address::Wanted = words.parse().unwrap();
        let secondary = words == "192.0.2.2/24";
        put(
            &mut host,
            Object::Address(address::Key { dev: eth(index), host: wanted.host }),
            State::Address(address::About { secondary, ..wanted.about }),
        );
    }
    for words in [
        "10.0.0.0/8 via 192.0.2.9 dev eth1",
        "10.1.0.0/16 nexthop via 192.0.2.9 dev eth1 nexthop via 203.0.113.9 dev eth4",
        "10.2.0.0/16 via 203.0.113.9 dev eth4 src 192.0.2.2",
        "2001:db8:7::/48 via 2001:db8::9 dev eth1",
        "2001:db8:8::/48 dev eth4 src 2001:db8::1",
        "10.3.0.0/16 dev eth3 table 100",
        "blackhole 10.4.0.0/16",
        "192.0.2.0/24 dev eth1 proto kernel",
    ] {
        let mut route: Route = words.parse().unwrap();
        route.resolve(&|name| (1..=5).map(eth).find(|dev| dev.name == *name)).unwrap();
        put(&mut host, Object::Route(route.key), State::Route(route.way.into()));
    }
    for (key, value) in [
        ("net.ipv4.conf.default.rp_filter", "0"),
        ("net.ipv4.conf.eth1.rp_filter", "2"),
        ("net.ipv4.neigh.eth2.gc_stale_time", "77"),
        ("net.ipv6.conf.eth1.accept_ra", "0"),
        ("net.ipv6.conf.eth3.forwarding", "1"),
        ("net.ipv6.conf.eth4.hop_limit", "7"),
    ] {
        host.insert(Any::Sysctl(key.parse().unwrap()), AnyState::Value(value.parse().unwrap()));
    }
    let neighbour: neighbour::Wanted = "192.0.2.9 lladdr 02:00:5e:10:00:09".parse().unwrap();
    put(&mut host, Object::Neighbour(neighbour::Key { dev: eth(1), address: neighbour.address }), State::Neighbour(neighbour.about));
    host
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let up = (1..6u32, any::<bool>()).prop_map(|(index, up)| (Object::Setting(eth(index), Setting::Up), State::Setting(Value::Flag(up))));
    let mtu = (1..6u32, select(vec![1000, 1400, 1500]))
        .prop_map(|(index, mtu)| (Object::Setting(eth(index), Setting::Mtu), State::Setting(Value::Number(mtu))));
    let route = select(vec!["10.0.0.0/8 via 203.0.113.7 dev eth4", "10.7.0.0/16 dev eth3", "10.8.0.0/16 via 192.0.2.9 dev eth1 metric 5"])
        .prop_map(|words| {
            let mut route: Route = words.parse().unwrap();
            route.resolve(&|name| (1..=5).map(eth).find(|dev| dev.name == *name)).unwrap();
            (Object::Route(route.key), State::Route(route.way.into()))
        });
    let put = prop_oneof![up, mtu, route].prop_map(|(object, state)| Edit::Ensure(Any::Link(object), AnyState::Link(state)));
    let can_go = |object: &Any| !matches!(object, Any::Link(Object::Setting(..)) | Any::Sysctl(_));
    let gone = select(host().into_keys().filter(can_go).collect::<Vec<_>>());
    prop_oneof![put, gone.prop_map(Edit::Absent)]
}

proptest! {
    /// Whatever goes with what, the journal has it, and all of it comes back.
    #[test]
    fn whatever_goes_comes_back(edits in proptest::collection::vec(any_edit(), 1..6)) {
        let before = host();
        let mut kept = Vec::new();
        let mut wanted = before.clone();
        for edit in edits {
            let mut next = wanted.clone();
            if !is_unreachable(&next, &edit) && !edit.needs_a_batch(&kept, &wanted) && edit.apply(&mut next).is_ok() {
                wanted = next;
                kept.push((edit, Origin::at("x", 1, 1)));
            }
        }
        let wish = wish(&before, &kept).unwrap();
        let mut after = before.clone();
        apply(&mut after, &wish.changes);
        prop_assert_eq!(links(&after), links(&wanted));
        let (back, drift) = revert(&after, &wish.changes, false);
        prop_assert_eq!(drift, vec![]);
        let mut lifted = after.clone();
        apply(&mut lifted, &back);
        prop_assert_eq!(links(&lifted), links(&before));
        // One that is cut short is finished by another.
        for done in 0..back.len() {
            let mut between = after.clone();
            apply(&mut between, &back[..done]);
            let (rest, drift) = revert_again(&between, &wish.changes, false);
            prop_assert!(drift.iter().all(|drift| !drift.left), "{:?} after {} of {:?}", drift, done, back);
            apply(&mut between, &rest);
            prop_assert_eq!(links(&between), links(&before));
        }
        // The lifting is lifted again.
        let (again, drift) = revert(&lifted, &back, false);
        prop_assert_eq!(drift, vec![]);
        apply(&mut lifted, &again);
        prop_assert_eq!(links(&lifted), links(&after));
    }
}

/// Tells whether an edit makes a route over a neighbour that no address of its link is near: the kernel takes none.
fn is_unreachable(inventory: &Inventory, edit: &Edit) -> bool {
    let Edit::Ensure(_, AnyState::Link(State::Route(way))) = edit else { return false };
    let is_near = |hop: &Hop| {
        inventory.keys().any(|object| match object {
            Any::Link(Object::Address(key)) => {
                hop.dev.as_ref() == Some(&key.dev) && hop.via.is_none_or(|via| Prefix::new(key.host.address, key.host.length).contains(via))
            }
            _ => false,
        })
    };
    !way.hops.iter().all(|hop| hop.via.is_none() || is_near(hop))
}

/// Leaves out the devices on which packets queue: there is one wherever there is a link.
fn links(inventory: &Inventory) -> Inventory {
    inventory.iter().filter(|(object, _)| !matches!(object, Any::Tc(_))).map(|(object, state)| (object.clone(), state.clone())).collect()
}

#[test]
fn a_link_has_those_parameters_to_itself_that_no_new_one_would_get() {
    let mut host = Inventory::new();
    for (key, value) in [
        ("net.ipv4.conf.default.rp_filter", "0"),
        ("net.ipv4.conf.eth1.rp_filter", "2"),
        ("net.ipv4.conf.eth1-x.rp_filter", "1"),
        ("net.ipv4.conf.eth10.rp_filter", "1"),
        ("net.ipv4.conf.default.arp_ignore", "1"),
        ("net.ipv4.conf.eth1.arp_ignore", "1"),
        ("net.ipv4.neigh.lo.gc_stale_time", "60"),
        ("net.ipv4.neigh.eth1.gc_stale_time", "60"),
        ("net.ipv4.neigh.lo.locktime", "100"),
        ("net.ipv4.neigh.eth1.locktime", "50"),
        ("net.ipv4.neigh.eth1.unres_qlen", "99"),
        ("net.ipv6.conf.lo.accept_ra", "0"),
        ("net.ipv6.conf.eth1.accept_ra", "0"),
        ("net.ipv6.conf.eth1.mtu", "1400"),
        ("net.ipv6.conf.eth1.use_tempaddr", "-1"),
    ] {
        host.insert(Any::Sysctl(key.parse().unwrap()), AnyState::Value(value.parse().unwrap()));
    }
    let own = |families: &[Family]| parameters::own(&eth(1), families, &host).iter().map(Any::to_string).collect::<Vec<_>>();
    let all = ["net.ipv4.conf.eth1.rp_filter", "net.ipv4.neigh.eth1.locktime", "net.ipv6.conf.eth1.accept_ra"];
    assert_eq!(own(&Family::BOTH), all.map(|key| format!("parameter {key}")));
    assert_eq!(own(&[Family::V6]), [format!("parameter {}", all[2])]);
    parameters::forget(&Object::Link(eth(1)), None, &mut host);
    assert!(host.keys().all(|object| !object.to_string().contains("eth1.")) && host.len() == 7, "{host:?}");
}

#[test]
fn what_goes_with_a_link_stands_before_it() {
    let all: Vec<String> = go_with(&Object::Link(eth(1)), &host()).iter().map(|(object, _)| object.to_string()).collect();
    let at = |name: &str| all.iter().position(|object| object == name).unwrap_or_else(|| panic!("{name} is not in {all:?}"));
    let order = [
        "neighbour 192.0.2.9 of the link eth1",
        "route to 10.0.0.0/8",
        "address 192.0.2.2/24 of the link eth1",
        "address 192.0.2.1/24 of the link eth1",
        "state of the link eth1",
        "mtu of the link eth1",
        "link eth3",
        "link eth2",
    ];
    assert!(order.map(at).is_sorted(), "{all:?}");
    for gone in [
        "route to 10.1.0.0/16",
        "route to 10.2.0.0/16",
        "route to 2001:db8:8::/48 with metric 1024",
        "route to 10.3.0.0/16 in table 100",
        "address 198.51.100.1/24 of the link eth3",
    ] {
        at(gone);
    }
    assert!(
        !all.iter().any(|object| object.contains("192.0.2.0/24") || object.contains("10.4.0.0/16") || object.contains("eth4")),
        "{all:?}"
    );
    // Down is less than gone: a route with a way that is left stays.
    let down = follow(&Object::Setting(eth(1), Setting::Up), &State::Setting(Value::Flag(false)), &host());
    let down: Vec<String> = down.iter().map(|(object, _)| object.to_string()).collect();
    assert!(
        down.contains(&"route to 10.0.0.0/8".to_owned()) && down.contains(&"address 2001:db8::1/64 of the link eth1".to_owned()),
        "{down:?}"
    );
    assert!(!down.iter().any(|object| object.contains("10.1.0.0/16") || object.contains("address 192.0.2.1")), "{down:?}");
    assert!(down.contains(&"state of the link eth3".to_owned()), "{down:?}");
}
