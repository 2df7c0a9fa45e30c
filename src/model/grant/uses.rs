//! What is touched by what a script asks for: the objects themselves, however they were named.

use std::net::IpAddr;

use super::{Pattern, Permission, Power, Scope};
use crate::model::cgroup::{self, Group};
use crate::model::intent::Intent;
use crate::model::iptables::{self, ChainName, Words};
use crate::model::link::{self, Dev, Far, Name, Value};
use crate::model::named::Edit;
use crate::model::net::Prefix;
use crate::model::netns::Site;
use crate::model::{Fault, Object, State, netns, sysctl};

/// What is touched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Uses {
    /// All of this has to be allowed, and none of it denied.
    pub needs: Vec<Permission>,
    /// None of this may be denied: it changes along with what is needed.
    pub touches: Vec<Permission>,
}

/// What only the present can tell about links.
pub trait Present {
    /// Gives the name that a link has now: a handle keeps the one that it had.
    fn name_of(&mut self, dev: &Dev) -> Result<Name, Fault>;

    /// Gives the other end of a veth, which goes when one end goes.
    fn other_end(&mut self, dev: &Dev) -> Result<OtherEnd, Fault>;

    /// Gives what it takes to work in a network namespace.
    fn site(&mut self, site: &Site) -> Result<Uses, Fault>;
}

/// Where the other end of a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OtherEnd {
    /// It has none.
    None,
    /// Here.
    Here(Dev),
    /// In another network namespace.
    Elsewhere,
}

impl Uses {
    /// Makes the use of one thing.
    pub fn of(permission: Permission) -> Self {
        Self { needs: vec![permission], touches: Vec::new() }
    }

    /// Finds what is touched when something is asked for.
    pub fn of_intent(intent: &Intent, present: &mut dyn Present) -> Result<Self, Fault> {
        let mut uses = Self::default();
        match intent {
            Intent::Rules(intent) => uses.rules(intent),
            Intent::Named(edits) => edits.iter().try_for_each(|edit| uses.edit(edit, present))?,
        }
        Ok(uses)
    }

    fn needs(&mut self, power: Power, scope: Scope) {
        let permission = Permission::new(power, scope);
        // Ten thousand elements of a set are one use of it.
        if self.needs.last() != Some(&permission) {
            self.needs.push(permission);
        }
    }

    fn needs_name(&mut self, power: Power, name: &str) {
        self.needs(power, Scope::Name(Pattern::exact(name)));
    }

    fn rules(&mut self, intent: &iptables::Intent) {
        use iptables::Edit as E;
        let power = Power::of_family(intent.family);
        let chain = |name: &ChainName| Scope::Chain(intent.table, Pattern::exact(name.as_str()));
        self.needs(power, chain(intent.edit.chain()));
        match &intent.edit {
            E::RenameChain(_, to) => self.needs(power, chain(to)),
            // The jumps to it go as well, and they are in whatever chain.
            E::AbsentChain(_) => self.needs(power, Scope::Chain(intent.table, Pattern::any())),
            E::Append(_, words) | E::Insert(_, _, words) | E::Replace(_, _, words) => self.words(words),
            E::Delete(_, words) | E::Absent(_, words) => self.words(words),
            E::Ensure(_, rules, _) => rules.iter().for_each(|words| self.words(words)),
            E::NewChain(_) | E::EnsureChain(_) | E::DeleteChain(_) | E::SetPolicy(..) | E::Flush(_) | E::DeleteAt(..) => {}
        }
    }

    /// A rule can name a file that the tool opens: `-m bpf --object-pinned`, which getopt_long(3) takes abbreviated.
    fn words(&mut self, words: &Words) {
        if words.iter().any(|word| word.starts_with("--obj")) {
            self.needs(Power::Read, Scope::All);
        }
    }

    fn edit(&mut self, edit: &Edit, present: &mut dyn Present) -> Result<(), Fault> {
        match edit {
            Edit::Add(object, state) | Edit::Set(object, state) | Edit::Ensure(object, state) => {
                self.object(object, present)?;
                self.state(state, present)
            }
            Edit::Del(object) | Edit::Absent(object) => {
                self.object(object, present)?;
                let Object::Link(link::Object::Link(dev)) = object else { return Ok(()) };
                match present.other_end(dev)? {
                    OtherEnd::None => {}
                    OtherEnd::Here(other) => self.link(&other, present)?,
                    // Which namespace that is, is not told here: all links of all namespaces may be meant.
                    OtherEnd::Elsewhere => [Power::Link, Power::Netns].into_iter().for_each(|power| self.needs(power, Scope::All)),
                }
                Ok(())
            }
            Edit::Keep(object, _) => self.object(object, present),
            Edit::Swap(one, other) => {
                [one, other].into_iter().for_each(|set| self.needs_name(Power::Ipset, set.as_str()));
                Ok(())
            }
        }
    }

    fn object(&mut self, object: &Object, present: &mut dyn Present) -> Result<(), Fault> {
        match object {
            Object::Table(family, table) => self.needs(Power::of_family(*family), Scope::Chain(*table, Pattern::any())),
            Object::BaseChain(at) | Object::Chain(at) | Object::ChainName(at) | Object::Policy(at) | Object::Rule(at) => {
                self.needs(Power::of_family(at.family), Scope::Chain(at.table, Pattern::exact(at.chain.as_str())));
            }
            Object::Sysctl(key) => self.parameter(key),
            Object::Set(set) | Object::Member(set, _) => self.needs_name(Power::Ipset, set.as_str()),
            Object::SetPair(one, other) => [one, other].into_iter().for_each(|set| self.needs_name(Power::Ipset, set.as_str())),
            Object::Cgroup(object) => self.cgroup(object),
            Object::ReservedPort(port) => self.needs(Power::Ports, Scope::Ports(*port, *port)),
            Object::Netns(netns::Object::Name(name)) => self.needs_name(Power::Netns, name.as_str()),
            Object::Netns(netns::Object::Aside(_)) => self.needs(Power::Netns, Scope::All),
            Object::Link(object) => self.link_object(object, present)?,
            Object::Tc(object) => self.needs_name(Power::Tc, object.device().as_str()),
            // Filters of several devices can share one.
            Object::Action(_) => self.needs(Power::Tc, Scope::All),
        }
        Ok(())
    }

    fn parameter(&mut self, key: &sysctl::Key) {
        self.needs(Power::Sysctl, Scope::of_key(key));
        self.touches.extend(key.shadows().into_iter().map(|scope| Permission::new(Power::Sysctl, scope)));
        if key.as_str() == "net.ipv4.ip_local_reserved_ports" {
            self.touches.push(Permission::all(Power::Ports));
        }
    }

    fn cgroup(&mut self, object: &cgroup::Object) {
        match object {
            cgroup::Object::Group(group) | cgroup::Object::ClassId(group) => self.group(group),
            cgroup::Object::Program(program) => self.group(&program.group),
            cgroup::Object::Place(..) => self.needs(Power::Process, Scope::All),
        }
    }

    fn group(&mut self, group: &Group) {
        self.needs(Power::Cgroup, Scope::Group(group.clone()));
    }

    fn link(&mut self, dev: &Dev, present: &mut dyn Present) -> Result<(), Fault> {
        let name = present.name_of(dev)?;
        self.needs_name(Power::Link, name.as_str());
        Ok(())
    }

    /// A link in another namespace is one there, and what it is tied to is one here.
    fn far(&mut self, far: &Far, present: &mut dyn Present) -> Result<(), Fault> {
        let mut there = present.site(&far.site)?;
        self.needs.append(&mut there.needs);
        self.touches.append(&mut there.touches);
        self.needs_name(Power::Link, far.dev.name.as_str());
        far.moved().or(far.end_of()).map_or(Ok(()), |dev| self.link(dev, present))
    }

    fn link_object(&mut self, object: &link::Object, present: &mut dyn Present) -> Result<(), Fault> {
        match object {
            link::Object::Link(dev) | link::Object::Setting(dev, _) => self.link(dev, present)?,
            link::Object::Address(key) => {
                self.link(&key.dev, present)?;
                // The kernel makes the route to the network of an address by itself.
                self.touches.push(Permission::new(Power::Route, Scope::Prefix(key.host.network())));
            }
            link::Object::Neighbour(key) => self.link(&key.dev, present)?,
            link::Object::Route(key) => self.needs(Power::Route, Scope::Prefix(key.to)),
            link::Object::Rule(_) => self.needs(Power::Rule, Scope::All),
            link::Object::Far(far) => self.far(far, present)?,
        }
        Ok(())
    }

    /// Adds what is named by the state that an object is to get. All that a link can be set to stands here, so that nothing new is forgotten.
    fn state(&mut self, state: &State, present: &mut dyn Present) -> Result<(), Fault> {
        match state {
            State::Cgroup(cgroup::State::In(group)) => self.group(group),
            State::Link(link::State::Link(link)) => {
                link.parent.iter().chain(&link.peer).try_for_each(|dev| self.link(dev, present))?;
                link.far.iter().try_for_each(|far| self.far(far, present))?;
            }
            State::Link(link::State::Setting(value)) => match value {
                Value::Name(name) => self.needs_name(Power::Link, name.as_str()),
                Value::Link(Some(master)) => self.link(master, present)?,
                Value::Flag(_) | Value::Number(_) | Value::Text(_) | Value::Mac(_) | Value::Link(None) | Value::Unknown => {}
            },
            State::Link(link::State::Far(there)) => self.needs_name(Power::Link, there.name.as_str()),
            State::Link(link::State::Address(_) | link::State::Neighbour(_) | link::State::Route(_) | link::State::Rule) => {}
            State::Cgroup(_) | State::Present | State::Policy(_) | State::Name(_) | State::Rule(..) | State::Value(_) => {}
            State::Set(_) | State::Entry(_) | State::Pair(..) | State::Netns(_) | State::Tc(_) | State::Action(_) => {}
        }
        Ok(())
    }

    /// Makes the use of a socket that is destroyed, by the address of its other end. One without has all for its other end.
    pub fn of_peer(peer: Option<IpAddr>) -> Self {
        // A socket of both families shows the addresses of IPv4 as mapped ones.
        let peer = peer.map(|address| address.to_canonical()).filter(|address| !address.is_unspecified());
        let scope = peer.map_or(Scope::All, |address| Scope::Prefix(Prefix::new(address, Prefix::bits(address))));
        Self::of(Permission::new(Power::Sockets, scope))
    }
}
