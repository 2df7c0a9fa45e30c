//! The kernel parameters that a link has of its own. A new link gets those of `default`: what differs from them is lost with the link, or when it
//! goes to another namespace, and comes back with it.

use super::effects::IPV6_MTU;
use super::{Dev, Object, Setting, State, Value};
use crate::model::Family;
use crate::model::change::{Object as Any, State as AnyState};
use crate::model::named::{Inventory, Scope};
use crate::model::sysctl::Key;

/// Says less exactly what another one says: `base_reachable_time` in seconds what `base_reachable_time_ms` says in milliseconds.
const ROUGH: [&str; 3] = ["base_reachable_time", "retrans_time", "unres_qlen"];
/// What the kernel sets to -1 where a link has nothing of the kind.
const OF_BROADCAST: [&str; 2] = ["accept_dad", "use_tempaddr"];
/// What nobody sets for good: a routing daemon has `mc_forwarding` set as long as it runs, and the MTU of IPv6 is that of the link whenever its carrier
/// comes (addrconf_notify() of net/ipv6/addrconf.c).
const PASSING: [&str; 2] = ["mc_forwarding", "mtu"];

/// Gives what has to be read in order to know what is lost with a link: its own, and what a new one would get.
pub(super) fn scopes(dev: &Dev, families: &[Family]) -> Vec<Scope> {
    let of = |name: &'static str| families.iter().flat_map(move |family| Key::folders_of_link(name, *family));
    // Only the first network namespace shows the defaults of neighbours; elsewhere the loopback has what every link gets.
    let models = of("default").chain(of("lo").filter(Key::is_of_neighbours));
    folders(dev, families).chain(models).map(Scope::Sysctl).collect()
}

/// Gives those that a new link would not get.
pub(super) fn own(dev: &Dev, families: &[Family], inventory: &Inventory) -> Vec<Any> {
    let mut found = Vec::new();
    for folder in folders(dev, families) {
        let differs = |(key, value): &(&Key, &AnyState)| {
            let of = |name: &str| inventory.get(&Any::Sysctl(key.of_another_link(name)));
            let model = of("default").or_else(|| of("lo").filter(|_| key.is_of_neighbours()));
            model != Some(*value) && !is_chosen_by_the_kernel(key, value)
        };
        found.extend(inside(&folder, inventory).filter(differs).map(|(key, _)| Any::Sysctl(key.clone())));
    }
    found
}

/// Takes out of what there is what an object loses when it gets a state, or goes.
pub fn forget(object: &Object, state: Option<&State>, inventory: &mut Inventory) {
    let Some((dev, families)) = lost(object, state) else { return };
    for folder in folders(dev, families) {
        let gone: Vec<Any> = inside(&folder, inventory).map(|(key, _)| Any::Sysctl(key.clone())).collect();
        gone.iter().for_each(|object| drop(inventory.remove(object)));
    }
}

/// Tells whether some are lost when an object gets a state, or goes.
pub fn are_lost(object: &Object, state: Option<&State>) -> bool {
    lost(object, state).is_some()
}

/// Gives the link, and the families, of which all are lost when an object gets a state, or goes.
fn lost<'a>(object: &'a Object, state: Option<&State>) -> Option<(&'a Dev, &'static [Family])> {
    match (object, state) {
        (Object::Link(dev), None) => Some((dev, &Family::BOTH)),
        (Object::Setting(dev, Setting::Mtu), Some(State::Setting(Value::Number(mtu)))) if *mtu < IPV6_MTU => Some((dev, &[Family::V6])),
        _ => None,
    }
}

/// Tells whether there may be new ones, under the names of others, when an object gets a state.
pub fn are_new(object: &Object, state: &State) -> bool {
    match (object, state) {
        (Object::Link(_) | Object::Setting(_, Setting::Name), _) => true,
        (Object::Setting(_, Setting::Mtu), State::Setting(Value::Number(mtu))) => *mtu >= IPV6_MTU,
        _ => false,
    }
}

fn folders(dev: &Dev, families: &[Family]) -> impl Iterator<Item = Key> {
    families.iter().flat_map(|family| Key::folders_of_link(dev.name.as_str(), *family))
}

/// Gives what there is in a folder, where it stands together.
fn inside<'a>(folder: &Key, inventory: &'a Inventory) -> impl Iterator<Item = (&'a Key, &'a AnyState)> {
    let found = inventory.range(Any::Sysctl(folder.least_inside())..);
    found.map_while(move |(object, state)| if let Any::Sysctl(key) = object { folder.covers(key).then_some((key, state)) } else { None })
}

fn is_chosen_by_the_kernel(key: &Key, value: &AnyState) -> bool {
    let AnyState::Value(value) = value else { return true };
    match key.last() {
        last if PASSING.contains(&last) => true,
        last if OF_BROADCAST.contains(&last) => value.as_str() == "-1",
        last if ROUGH.contains(&last) => key.is_of_neighbours(),
        _ => false,
    }
}
