//! Links: listed, found, made, set and taken away.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map, NativeCallContext};

use super::given::{self, Form};
use super::handle::{self, Link, Links};
use super::{address, far, neighbour, shown};
use crate::bind::call::{self, Answer};
use crate::model::link::setting::Wanted;
use crate::model::link::{Dev, Object, Scope, Setting, State, Value, device};
use crate::model::named::Edit;
use crate::model::{Fault, Kind, Object as Any, State as AnyState};

/// What stands before the type of a link that is made.
const BEFORE_TYPE: &[&str] =
    &["link", "mtu", "address", "txqueuelen", "alias", "master", "up", "down", "arp", "multicast", "allmulticast", "promisc"];
const NEW: Form = Form { what: "a link", bare: &["name"], kind: Some(("type", BEFORE_TYPE)), is_of_links: true };
const SETTINGS: Form = Form { what: "settings of a link", bare: &[], kind: None, is_of_links: true };

/// Makes a link with what it is set to at once.
fn make(ctx: &NativeCallContext, given: &Dynamic, strict: bool) -> Answer<Link> {
    let fail = |fault: Fault| call::fault(ctx, fault);
    let line = given::line(ctx, given, &NEW)?;
    let device::Wanted { name, mut link, settings, peer_netns } = line.words.parse().map_err(fail)?;
    let links = Links::read(ctx)?;
    let dev = links.find(&name).unwrap_or_else(|| links.fresh(&name));
    let is_there = links.find(&name).is_some();
    if is_there && strict {
        let fault = Fault::new(Kind::Exists, format!("make the link {name}"), "there is one of this name already");
        return Err(fail(fault.hint("`ensure` does not mind if it is of the same kind")));
    }
    if let Some(parent) = &mut link.parent {
        *parent = links.get(ctx, &parent.name)?;
    }
    let site = peer_netns.map(|word| far::elsewhere(ctx, &word)).transpose()?.flatten();
    if let Some(site) = site {
        far::end(ctx, &dev, &mut link, &site, is_there)?;
    } else if let Some(peer) = &mut link.peer {
        *peer = links.find(&peer.name).filter(|_| is_there).unwrap_or_else(|| links.fresh(&peer.name));
    }
    let edit = if strict { Edit::Add } else { Edit::Ensure };
    let mut edits = vec![edit(Any::Link(Object::Link(dev.clone())), AnyState::Link(State::Link(Box::new(link))))];
    edits.extend(set(ctx, &dev, settings, &links)?);
    handle::change(ctx, edits)?;
    Ok(Link { dev })
}

/// Makes edits of settings: what is set down is so first, what is set up is so last.
fn set(ctx: &NativeCallContext, dev: &Dev, mut settings: Vec<(Setting, Value)>, links: &Links) -> Answer<Vec<Edit>> {
    for (_, value) in &mut settings {
        if let Value::Link(Some(master)) = value {
            *master = links.get(ctx, &master.name)?;
        }
    }
    settings.sort_by_key(|(setting, value)| (*value != Value::Flag(false) || *setting != Setting::Up, *setting));
    let edit = |(setting, value)| Edit::Set(Any::Link(Object::Setting(dev.clone(), setting)), AnyState::Link(State::Setting(value)));
    Ok(settings.into_iter().map(edit).collect())
}

fn change(ctx: &NativeCallContext, link: &Link, Wanted { settings, netns }: Wanted) -> Answer<()> {
    if let Some(site) = netns.map(|word| far::elsewhere(ctx, &word)).transpose()?.flatten() {
        return far::leave(ctx, link, &site, settings.into_iter().next());
    }
    let edits = set(ctx, &link.dev, settings, &Links::read(ctx)?)?;
    handle::change(ctx, edits)
}

fn all(ctx: &NativeCallContext) -> Answer<Vec<(Dev, Map)>> {
    let found = handle::read(ctx, Scope::Links)?;
    let settings = |dev: &Dev| -> Vec<(Setting, Value)> {
        let of = |(object, state): &(Object, State)| match (object, state) {
            (Object::Setting(other, setting), State::Setting(value)) if other == dev => Some((*setting, value.clone())),
            _ => None,
        };
        let first = found.partition_point(|(object, _)| *object < Object::Setting(dev.clone(), Setting::Name));
        found[first..].iter().map_while(of).collect()
    };
    let has_far_end = |(_, state): &(Object, State)| matches!(state, State::Link(link) if link.kind == "veth" && link.reaches_out);
    let ends = if found.iter().any(has_far_end) { far::all(ctx, Scope::Ends)? } else { Vec::new() };
    let link = |(object, state): &(Object, State)| match (object, state) {
        (Object::Link(dev), State::Link(link)) => {
            let far = ends.iter().find(|far| far.end_of() == Some(dev));
            Some((dev.clone(), shown::link(dev.index, link, far, &settings(dev))))
        }
        _ => None,
    };
    Ok(found.iter().filter_map(link).collect())
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A link.
    pub type Link = crate::bind::link::handle::Link;
    /// The addresses of a link.
    pub type Addresses = address::Addresses;
    /// The neighbours on a link.
    pub type Neighbours = neighbour::Neighbours;

    /// Lists the links as maps: `name`, `index`, `type`, `up`, `mtu`, `address`, `master` and the like.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `system`: the kernel does not answer.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 type bridge");
    /// link::list().filter(|one| one.name == "br0")[0].type == "bridge"
    /// ```
    ///
    /// # Source
    /// ip-link(8), show
    #[rhai_fn(return_raw, volatile)]
    pub fn list(ctx: NativeCallContext) -> Answer<Array> {
        Ok(all(&ctx)?.into_iter().map(|(_, map)| Dynamic::from_map(map)).collect())
    }

    /// Gives a link that is there, or that this script makes.
    ///
    /// - `name`: at most 15 bytes
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such link. `input`: a link cannot have this name.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 type bridge");
    /// link::get("br0").name == "br0"
    /// ```
    ///
    /// # Source
    /// ip-link(8), show
    #[rhai_fn(return_raw, volatile)]
    pub fn get(ctx: NativeCallContext, name: &str) -> Answer<Link> {
        let name = handle::name(&ctx, &name.into())?;
        Ok(Link { dev: Links::read(&ctx)?.get(&ctx, &name)? })
    }

    /// Gives a link, or `()` where there is none of this name.
    ///
    /// - `name`: at most 15 bytes
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: a link cannot have this name.
    ///
    /// # Example
    /// ```rhai
    /// link::find("nosuch0") == ()
    /// ```
    ///
    /// # Source
    /// ip-link(8), show
    #[rhai_fn(return_raw, volatile)]
    pub fn find(ctx: NativeCallContext, name: &str) -> Answer<Dynamic> {
        let name = handle::name(&ctx, &name.into())?;
        Ok(Links::read(&ctx)?.find(&name).map_or(Dynamic::UNIT, |dev| Dynamic::from(Link { dev })))
    }

    /// Makes a link that is not there: a bridge, dummy, ifb, ipvlan, macvlan, tap, tun, veth, vlan, vxlan or wireguard.
    ///
    /// - `words`: what `ip link add` takes (`"veth0 type veth peer name veth1"`, `"link eth0 name eth0.7 type vlan id 7"`), or a map
    ///   (`#{ name: "veth0", kind: "veth", peer: "veth1" }`)
    ///
    /// The other end of a veth can be put into another network namespace at once: `"a type veth peer name b netns lab"`, or
    /// `#{ name: "a", kind: "veth", peer: #{ name: "b", netns: "lab" } }`, by its name, a path or the number of a process. A link of fyke's has a high index, by which it is known again.
    ///
    /// # Changes
    /// The link is made, of a veth both ends; undo takes it away with all that this recipe has put on it, unless somebody else has put something on it, too.
    ///
    /// # Fails
    /// `exists`: there is one of this name. `input`: there is no such type or option. `unsupported`: this kernel has no links of the type.
    ///
    /// # Example
    /// ```rhai
    /// let lan = link::add("br0 type bridge stp_state 0");
    /// link::add(#{ name: "veth0", "type": "veth", peer: "veth1", master: "br0", up: true });
    /// lan.up();
    /// ```
    ///
    /// # Source
    /// ip-link(8), add
    #[rhai_fn(return_raw, volatile)]
    pub fn add(ctx: NativeCallContext, words: Dynamic) -> Answer<Link> {
        make(&ctx, &words, true)
    }

    /// Makes sure that there is a link of this name, kind and options, and sets it as the words say.
    ///
    /// Where another recipe has made it, this one relies on it: the link stays until both are lifted.
    ///
    /// - `words`: what `ip link add` takes, or a map
    ///
    /// # Changes
    /// The link is made, unless it is there; undo takes it away, unless somebody else has put something on it.
    ///
    /// # Fails
    /// `exists`: there is one of this name, of another kind or with other options. `input`: there is no such type or option.
    ///
    /// # Example
    /// ```rhai
    /// link::ensure("br0 up type bridge");
    /// link::ensure("br0 up type bridge").is_up
    /// ```
    ///
    /// # Source
    /// ip-link(8), add
    #[rhai_fn(return_raw, volatile)]
    pub fn ensure(ctx: NativeCallContext, words: Dynamic) -> Answer<Link> {
        make(&ctx, &words, false)
    }

    /// Takes away a link with all that is on it: its addresses, routes and neighbours, the other end of a veth, the VLANs on it.
    ///
    /// - `link`: the link or its name
    ///
    /// # Changes
    /// The link and all that goes with it; undo makes it anew, with its index and its other names, and puts back what was on it and the kernel
    /// parameters that it had to itself. The MTU of IPv6 is that of the link again.
    ///
    /// # Fails
    /// `not-found`: there is no such link. `refused`: it is hardware, or its other end is in another namespace.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 type bridge");
    /// link::del("br0");
    /// ```
    ///
    /// # Source
    /// ip-link(8), delete
    #[rhai_fn(return_raw, volatile)]
    pub fn del(ctx: NativeCallContext, link: Dynamic) -> Answer<()> {
        let name = handle::name(&ctx, &link)?;
        let dev = Links::read(&ctx)?.get(&ctx, &name)?;
        handle::change(&ctx, vec![Edit::Del(Any::Link(Object::Link(dev)))])
    }

    /// Sees to it that a link is not there, nor what was on it.
    ///
    /// - `link`: the link or its name
    ///
    /// # Changes
    /// The link and all that goes with it, if it was there; undo makes it anew, with its index and its other names, and puts back what was on it and the kernel
    /// parameters that it had to itself. The MTU of IPv6 is that of the link again.
    ///
    /// # Fails
    /// `refused`: it is hardware, or its other end is in another namespace.
    ///
    /// # Example
    /// ```rhai
    /// link::absent("br0");
    /// ```
    ///
    /// # Source
    /// ip-link(8), delete
    #[rhai_fn(return_raw, volatile)]
    pub fn absent(ctx: NativeCallContext, link: Dynamic) -> Answer<()> {
        let name = handle::name(&ctx, &link)?;
        let edits = Links::read(&ctx)?.find(&name).map(|dev| Edit::Absent(Any::Link(Object::Link(dev))));
        handle::change(&ctx, edits.into_iter().collect())
    }

    /// Sets a link: up or down, its name, MTU, address, master and the like.
    ///
    /// - `words`: what `ip link set dev NAME` takes behind the name (`"mtu 1400 up"`, `"nomaster"`), or a map (`#{ mtu: 1400, up: true }`)
    ///
    /// `netns` moves it to another network namespace, by its name, a path or the number of a process; only `name` is set together with it. The link
    /// is down there, without addresses, and is found by `link::get` within `netns::enter`.
    ///
    /// # Changes
    /// What is set; undo gives it the value that it had. A link that is set down loses its routes and its addresses of IPv6: they come back with it.
    /// One that is moved loses all that is on it and its kernel parameters; undo brings it back with all of that, unless somebody has put something on it there.
    ///
    /// # Fails
    /// `not-found`: there is no such link, no such master, or no such namespace. `exists`: the new name is taken, also in the namespace that it is
    /// moved to. `refused`: the kernel does not take the value, or does not move links of the kind: a bridge.
    ///
    /// # Example
    /// ```rhai
    /// let lan = link::add("br0 type bridge");
    /// lan.set("mtu 1400 up");
    /// lan.set(#{ alias: "the-lan", txqueuelen: 500 });
    /// lan.mtu == 1400
    /// ```
    ///
    /// # Source
    /// ip-link(8), set
    #[rhai_fn(global, return_raw, volatile)]
    pub fn set(ctx: NativeCallContext, link: Link, words: Dynamic) -> Answer<()> {
        let line = given::line(&ctx, &words, &SETTINGS)?;
        let settings = Setting::read_all(&line.words).map_err(|f| call::fault(&ctx, f))?;
        super::change(&ctx, &link, settings)
    }

    /// Sets a link up.
    ///
    /// # Changes
    /// The link is up; undo sets it down again, if it was.
    ///
    /// # Fails
    /// `not-found`: there is no such link any more.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 type bridge").up();
    /// ```
    ///
    /// # Source
    /// ip-link(8), set
    #[rhai_fn(global, return_raw, volatile)]
    pub fn up(ctx: NativeCallContext, link: Link) -> Answer<()> {
        super::change(&ctx, &link, Wanted::of(Setting::Up, Value::Flag(true)))
    }

    /// Sets a link down.
    ///
    /// # Changes
    /// The link is down, and its routes and addresses of IPv6 are gone; undo sets it up again and puts back what it has lost.
    ///
    /// # Fails
    /// `not-found`: there is no such link any more.
    ///
    /// # Example
    /// ```rhai
    /// let lan = link::add("br0 type bridge");
    /// lan.up();
    /// lan.down();
    /// ```
    ///
    /// # Source
    /// ip-link(8), set
    #[rhai_fn(global, return_raw, volatile)]
    pub fn down(ctx: NativeCallContext, link: Link) -> Answer<()> {
        super::change(&ctx, &link, Wanted::of(Setting::Up, Value::Flag(false)))
    }

    /// Gives the name of the link.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 type bridge").name == "br0"
    /// ```
    #[rhai_fn(get = "name", global, pure, return_raw)]
    pub fn name(ctx: NativeCallContext, link: &mut Link) -> Answer<ImmutableString> {
        Ok(link.setting(&ctx, Setting::Name)?.to_string().into())
    }

    /// Gives the index of the link.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 type bridge").index > 0
    /// ```
    #[rhai_fn(get = "index", global, pure)]
    pub fn index(link: &mut Link) -> i64 {
        link.dev.index.into()
    }

    /// Tells whether the link is set up.
    ///
    /// # Example
    /// ```rhai
    /// !link::add("br0 type bridge").is_up
    /// ```
    #[rhai_fn(get = "is_up", global, pure, return_raw)]
    pub fn is_up(ctx: NativeCallContext, link: &mut Link) -> Answer<bool> {
        Ok(link.setting(&ctx, Setting::Up)? == Value::Flag(true))
    }

    /// Gives the greatest packet that the link takes, in bytes.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 mtu 1400 type bridge").mtu == 1400
    /// ```
    #[rhai_fn(get = "mtu", global, pure, return_raw)]
    pub fn mtu(ctx: NativeCallContext, link: &mut Link) -> Answer<Dynamic> {
        Ok(shown::of_setting(&link.setting(&ctx, Setting::Mtu)?).unwrap_or(Dynamic::UNIT))
    }

    /// Gives the address that the link has on its wire, or `()`.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 address 02:00:5e:10:00:01 type bridge").address == "02:00:5e:10:00:01"
    /// ```
    #[rhai_fn(get = "address", global, pure, return_raw)]
    pub fn address_of(ctx: NativeCallContext, link: &mut Link) -> Answer<Dynamic> {
        Ok(shown::of_setting(&link.setting(&ctx, Setting::Address)?).unwrap_or(Dynamic::UNIT))
    }

    /// Gives the name of the bridge that the link is a port of, or the like; `()` if it is none.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 type bridge");
    /// link::add("veth0 master br0 type veth peer name veth1").master == "br0"
    /// ```
    #[rhai_fn(get = "master", global, pure, return_raw)]
    pub fn master(ctx: NativeCallContext, link: &mut Link) -> Answer<Dynamic> {
        Ok(shown::of_setting(&link.setting(&ctx, Setting::Master)?).unwrap_or(Dynamic::UNIT))
    }

    /// Gives what is known of the link as a map, as `link::list()` has it.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such link any more.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 type bridge").to_map().type == "bridge"
    /// ```
    ///
    /// # Source
    /// ip-link(8), show
    #[rhai_fn(global, return_raw, volatile)]
    pub fn to_map(ctx: NativeCallContext, link: Link) -> Answer<Map> {
        let found = all(&ctx)?.into_iter().find(|(dev, _)| *dev == link.dev).map(|(_, map)| map);
        found.map_or_else(|| link.setting(&ctx, Setting::Name).map(|_| Map::new()), Ok)
    }

    /// Gives the addresses of the link.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// Never.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 type bridge").addresses().add("192.0.2.1/24");
    /// ```
    ///
    /// # Source
    /// ip-address(8)
    #[rhai_fn(global)]
    pub fn addresses(link: Link) -> Addresses {
        Addresses { dev: link.dev }
    }

    /// Gives the neighbours on the link.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// Never.
    ///
    /// # Example
    /// ```rhai
    /// let lan = link::add("br0 up type bridge");
    /// lan.neighbours().add("192.0.2.7 lladdr 02:00:5e:10:00:07");
    /// ```
    ///
    /// # Source
    /// ip-neighbour(8)
    #[rhai_fn(global)]
    pub fn neighbours(link: Link) -> Neighbours {
        Neighbours { dev: Some(link.dev) }
    }
}
