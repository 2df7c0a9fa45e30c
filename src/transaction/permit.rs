//! What every way through the door asks the gate for.

use std::path::Path;

use super::{Act, Caller, Door, Gate, Query, Text, Transaction};
use crate::kernel::program;
use crate::model::command::Command;
use crate::model::grant::{OtherEnd, Pattern, Permission, Power, Present, Scope, Uses};
use crate::model::iptables::ChainName;
use crate::model::link::{self, Dev, Name, Setting, Value};
use crate::model::named::Scope as Named;
use crate::model::netns::{self, Site, Word};
use crate::model::sockets::Socket;
use crate::model::{Fault, Intent, Object, Origin, State};

impl Door {
    /// Gives the gate in front of the door.
    pub fn gate(&self) -> Gate {
        self.lock().gate.clone()
    }

    /// Gives the same door to whoever calls.
    pub fn called_by(self, caller: Caller) -> Self {
        Self(self.0, caller)
    }

    /// Gives this door as whoever has come through the other one may use it.
    pub fn as_used_by(&self, other: &Door) -> Self {
        Self(self.0.clone(), other.1.clone())
    }
}

impl Present for Transaction {
    fn name_of(&mut self, dev: &Dev) -> Result<Name, Fault> {
        if dev.index == 0 {
            return Ok(dev.name.clone());
        }
        let setting = Object::Link(link::Object::Setting(dev.clone(), Setting::Name));
        match self.named.state(&setting, self.kernel.named())? {
            Some(State::Link(link::State::Setting(Value::Name(name)))) => Ok(name),
            _ => Ok(dev.name.clone()),
        }
    }

    fn other_end(&mut self, dev: &Dev) -> Result<OtherEnd, Fault> {
        let links = self.named.read(&Named::Link(link::Scope::Links), self.kernel.named())?;
        let is_it = |object: &Object| matches!(object, Object::Link(link::Object::Link(other)) if other == dev || other.name == dev.name);
        Ok(links.iter().find(|(object, _)| is_it(object)).map_or(OtherEnd::None, |(_, state)| match state {
            State::Link(link::State::Link(link)) => match &link.peer {
                Some(peer) => OtherEnd::Here(peer.clone()),
                None if link.kind == "veth" && link.reaches_out => OtherEnd::Elsewhere,
                None => OtherEnd::None,
            },
            _ => OtherEnd::None,
        }))
    }

    fn site(&mut self, site: &Site) -> Result<Uses, Fault> {
        self.site_uses(site)
    }
}

impl Transaction {
    /// Tells whether nothing has to be asked.
    pub(super) fn is_open(&self) -> bool {
        self.gate.is_open(&self.caller.packages)
    }

    /// Refuses what is not permitted to all code that takes part. What keeps no place of its own, as a read, is asked for where the call stands.
    pub(super) fn pass(&self, uses: &Uses, origin: Option<&Origin>) -> Result<(), Fault> {
        self.gate.pass(&self.caller.packages, uses, origin.or(self.caller.at.as_ref()))
    }

    /// Refuses what is not permitted, if anything has to be asked at all.
    pub(super) fn permit(&mut self, origin: Option<&Origin>, uses: impl FnOnce(&mut Self) -> Result<Uses, Fault>) -> Result<(), Fault> {
        if self.is_open() {
            return Ok(());
        }
        let uses = uses(self)?;
        self.pass(&uses, origin)
    }

    pub(super) fn permit_change(&mut self, intent: &Intent, origin: &Origin) -> Result<(), Fault> {
        self.permit(Some(origin), |it| Uses::of_intent(intent, it))
    }

    /// Looking at the network takes no permission; reading files and the environment does, and so does opening whatever a path names.
    pub(super) fn permit_read(&mut self, query: &Query) -> Result<(), Fault> {
        match query {
            Query::Text(Text::Variable(name)) => self.permit(None, |_| Ok(Uses::of(named(Power::Env, name)))),
            // A file is asked for where it is opened.
            Query::Text(Text::File(_)) => Ok(()),
            Query::Site(Word::Path(_) | Word::Pid(_)) => self.permit(None, |_| Ok(Uses::of(Permission::all(Power::Netns)))),
            Query::Here | Query::Site(Word::Name(_)) => Ok(()),
            Query::Chain(_)
            | Query::Find(..)
            | Query::Chains(..)
            | Query::Counted(_)
            | Query::RecentLists
            | Query::Recent(_)
            | Query::Named(_)
            | Query::State(_)
            | Query::Queues(_)
            | Query::Around(_)
            | Query::Sockets(_)
            | Query::Socket(_)
            | Query::Holders => Ok(()),
        }
    }

    pub(super) fn permit_act(&mut self, act: &Act, origin: &Origin) -> Result<(), Fault> {
        let chain = |name: &ChainName| Pattern::exact(name.as_str());
        self.permit(Some(origin), |_| {
            Ok(Uses::of(match act {
                Act::Zero(at, _) => Permission::new(Power::of_family(at.family), Scope::Chain(at.table, chain(&at.chain))),
                Act::Recent(list, _) => named(Power::Recent, list),
                Act::Destroy(name) => named(Power::Netns, name.as_str()),
            }))
        })
    }

    pub(super) fn permit_destroy(&mut self, sockets: &[Socket], origin: &Origin) -> Result<(), Fault> {
        self.permit(Some(origin), |_| {
            let needs = sockets.iter().flat_map(|socket| Uses::of_peer(socket.peer.address()).needs).collect();
            Ok(Uses { needs, touches: Vec::new() })
        })
    }

    pub(super) fn permit_enter(&mut self, site: &Site) -> Result<(), Fault> {
        if self.is_open() || site.namespace == self.ledger.context.namespace && self.ledger.is_home() {
            return Ok(());
        }
        let uses = self.site_uses(site)?;
        self.pass(&uses, None)
    }

    /// A namespace is used by each of the names that it has: one that is permitted opens it, one that is denied shuts it. One without a name is anybody's.
    fn site_uses(&mut self, site: &Site) -> Result<Uses, Fault> {
        let names = self.at_home(|it| it.named.read(&Named::Netns(netns::Scope::Names), it.kernel.named()))?;
        let mut all: Vec<Permission> = names
            .iter()
            .filter_map(|(object, state)| match (object, state) {
                (Object::Netns(netns::Object::Name(name)), State::Netns(netns::State::Made { cookie, .. }))
                    if *cookie == site.namespace =>
                {
                    Some(named(Power::Netns, name.as_str()))
                }
                _ => None,
            })
            .collect();
        let open = all.iter().position(|name| self.gate.would_pass(&self.caller.packages, name)).unwrap_or(0);
        let first = if all.is_empty() { Permission::all(Power::Netns) } else { all.remove(open) };
        Ok(Uses { needs: vec![first], touches: all })
    }

    /// Whoever has a socket for packets asks at each use of it: it may have been given to somebody else.
    pub(super) fn permit_raw(&mut self, origin: Option<&Origin>) -> Result<(), Fault> {
        self.permit(origin, |_| Ok(Uses::of(Permission::all(Power::Raw))))
    }

    pub(super) fn permit_run(&mut self, command: &Command, origin: &Origin) -> Result<(), Fault> {
        self.permit(Some(origin), |_| Ok(Uses::of(Permission::new(Power::Exec, Scope::Program(program::called(command.program()))))))?;
        // Only what may be called is looked for. A link is another name of the program that it leads to.
        self.permit(Some(origin), |_| {
            let real = program::real(command.program()).map(|path| Permission::new(Power::Exec, Scope::Program(path)));
            Ok(Uses { needs: Vec::new(), touches: real.into_iter().collect() })
        })
    }
}

/// Makes the permission over one thing with a name.
fn named(power: Power, name: &str) -> Permission {
    Permission::new(power, Scope::Name(Pattern::exact(name)))
}

/// Makes the use of a file, by a path that is absolute and plain; what lies elsewhere than it seems is asked for by where it lies, too.
pub(super) fn file(power: Power, path: &Path) -> Result<Uses, Fault> {
    let Some(scope) = Scope::of_path(path) else {
        return Err(Fault::input(format!("{} {}", power.word(), path.display()), "it is no path from the root on in UTF-8"));
    };
    let mut uses = Uses::of(Permission::new(power, scope));
    let text = path.to_string_lossy();
    // Some files are other objects by another name.
    if let Some(key) = text.strip_prefix("/proc/sys/").and_then(|key| key.parse().ok()) {
        uses.touches.push(Permission::new(Power::Sysctl, Scope::of_key(&key)));
    }
    match power {
        Power::Write if text.starts_with("/sys/fs/cgroup/") => uses.touches.push(Permission::all(Power::Cgroup)),
        Power::Read if text.starts_with("/proc/") && text.ends_with("/environ") => uses.touches.push(Permission::all(Power::Env)),
        _ => {}
    }
    Ok(uses)
}
