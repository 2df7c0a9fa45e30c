//! The guard against locking oneself out: what a change could do to the connection by which its user is logged in.
//!
//! A room that can cut connections says what its changes could do to one (its [`Risk`]s), in one function like [`rules`]; what follows from
//! that is decided here, for all rooms alike. What lifts something after an error or a crash is not asked: it must not stop.

mod cgroups;
mod reach;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use super::named::inventory;
use super::record::Batch;
use super::select::{Here, Task};
use super::sites;
use crate::kernel::Kernel;
use crate::kernel::recent::Recent;
use crate::kernel::xt_recent::XtRecent;
use crate::model::ipset::SetName;
use crate::model::iptables::{Cut, Memory, Patch, Revert, Ruleset, Trusting, walk};
use crate::model::link;
use crate::model::named::{Scope, apply, contents, revert};
use crate::model::sockets::{End, Proto, Socket};
use crate::model::tc::{self, effect};
use crate::model::{Change, Family, Fault, Flow, Inventory, Kind, Object, Origin, State};

/// What a user can do who means it.
const RUN: &str = "`--confirm 60s` lifts it again unless you confirm it; `--allow-lockout` does it as it is";
const UNDO: &str = "`--allow-lockout` does it as it is";
const ACT: &str = "name the others more closely; `--allow-lockout` destroys it all the same";

/// What to do about a change that could cut the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stance {
    /// It is refused.
    Refuse,
    /// It is told: a plan changes nothing.
    Tell,
    /// It is none of our business: the user said so, or it will be lifted if nobody confirms it.
    Allow,
}

/// What a change could do to a connection.
struct Risk {
    /// What, as a sentence.
    what: String,
    /// Whether that is certain.
    sure: bool,
    /// The script position that asked for it.
    origin: Option<Origin>,
}

/// Stands between a login and the changes that could cut it.
pub struct Guard {
    stance: Stance,
    /// What to do about packets to public addresses.
    public: Stance,
    find: Arc<Mutex<dyn FnMut() -> Vec<Flow> + Send>>,
    /// The connections of the login, as they were found last.
    flows: Option<Vec<Flow>>,
    told: Vec<Fault>,
}

impl Guard {
    /// Makes a guard of the login that `find` finds; it is looked for at the first change.
    pub fn new(stance: Stance, find: impl FnMut() -> Vec<Flow> + Send + 'static) -> Self {
        Self { stance, public: Stance::Refuse, find: Arc::new(Mutex::new(find)), flows: None, told: Vec::new() }
    }

    /// Makes a guard of the same login in another network namespace, where other connections count.
    pub(super) fn elsewhere(&self) -> Self {
        Self { stance: self.stance, public: self.public, find: self.find.clone(), flows: None, told: Vec::new() }
    }

    /// Makes a guard that lets everything pass.
    pub fn asleep() -> Self {
        Self::new(Stance::Allow, Vec::new).public(Stance::Allow)
    }

    /// Looks for the login, and tells whether there is one to be guarded. What tracking knows of it may be different at every write; where
    /// there was none once, there will be none.
    pub(super) fn wake(&mut self) -> bool {
        if self.stance != Stance::Allow && !self.is_idle() {
            self.flows = Some((self.find.lock().unwrap_or_else(PoisonError::into_inner))());
        }
        self.flows.is_some() && !self.is_idle()
    }

    fn is_idle(&self) -> bool {
        self.flows.as_ref().is_some_and(Vec::is_empty)
    }

    /// Tells once what would be refused to a run.
    pub(super) fn tell(&mut self, fault: Fault) {
        if self.told.iter().all(|told| told.why != fault.why) {
            self.told.push(fault);
        }
    }

    /// Gives what was told instead of refused.
    pub(super) fn told(&mut self) -> Vec<Fault> {
        std::mem::take(&mut self.told)
    }

    /// Decides about patches of rules before they are written.
    pub(super) fn rules(&mut self, present: &[Ruleset], patches: &[Patch], changes: &[Change], sets: &Inventory) -> Result<(), Fault> {
        if changes.is_empty() || self.flows.is_none() || self.is_idle() {
            return Ok(());
        }
        for (before, patch) in present.iter().zip(patches).filter(|(_, patch)| !patch.is_empty()) {
            let mut after = before.clone();
            patch.apply(&mut after);
            self.judge("write these changes", RUN, |flow| {
                rules(flow, View { rules: before, sets }, View { rules: &after, sets }, changes)
            })?;
        }
        Ok(())
    }

    /// Decides about changes of named objects before they are written.
    pub(super) fn named(&mut self, kernel: &mut dyn Kernel, changes: &[Change]) -> Result<(), Fault> {
        self.judge("write these changes", RUN, |flow| named(flow, changes))?;
        self.cgroups(kernel, "write these changes", RUN, changes)?;
        self.routing(kernel, "write these changes", RUN, changes)?;
        if self.is_idle() || !changes.iter().any(is_of_sets) {
            return Ok(());
        }
        for family in self.families() {
            // Without tables of rules, nothing asks a set.
            let Ok(present) = kernel.xtables().and_then(|tables| tables.read(family)) else { continue };
            let before = sets(kernel, walk::sets(&present), changes);
            let mut after = before.clone();
            apply(&mut after, changes);
            let (before, after) = (View { rules: &present, sets: &before }, View { rules: &present, sets: &after });
            self.judge("write these changes", RUN, |flow| rules(flow, before, after, changes))?;
        }
        Ok(())
    }

    /// Decides about sockets before they are destroyed.
    pub(super) fn sockets(&mut self, doomed: &[Socket], origin: &Origin) -> Result<(), Fault> {
        self.wake();
        self.judge("destroy these sockets", ACT, |flow| {
            let is_it = |socket: &Socket| {
                let at = |end: &End| Some(SocketAddr::new(end.address()?.to_canonical(), end.port()?));
                socket.proto == Proto::Tcp && at(&socket.local) == Some(flow.here) && at(&socket.peer) == Some(flow.peer)
            };
            let risk = |_: &Socket| Risk { what: "its socket is one of them".to_owned(), sure: true, origin: Some(origin.clone()) };
            doomed.iter().filter(|socket| is_it(socket)).map(risk).collect()
        })
    }

    /// Decides about changes that could lead the packets of a login elsewhere, or nowhere.
    fn routing(&mut self, kernel: &mut dyn Kernel, tried: &str, hint: &str, changes: &[Change]) -> Result<(), Fault> {
        let is_routing = |change: &Change| matches!(change.object, Object::Link(_)) && !change.is_claim();
        if self.flows.is_none() || self.is_idle() || !changes.iter().any(is_routing) {
            return Ok(());
        }
        let mut before = Inventory::new();
        for scope in [link::Scope::Links, link::Scope::Routes(None), link::Scope::Rules] {
            before.extend(kernel.named().read(&Scope::Link(scope))?);
        }
        let mut after = before.clone();
        apply(&mut after, changes);
        self.judge(tried, hint, |flow| links(flow, changes).into_iter().chain(ways(flow, changes, &before, &after)).collect())
    }

    fn families(&self) -> BTreeSet<Family> {
        self.flows.iter().flatten().map(Flow::family).collect()
    }

    /// Decides about putting batches back before that is begun: what lifts a run, or sets it again.
    pub fn put_back(&mut self, kernel: &mut dyn Kernel, here: &Here<'_>, task: &Task) -> Result<(), Fault> {
        if self.stance == Stance::Allow {
            return Ok(());
        }
        let (Task::Lift(run) | Task::Redo(run)) = task;
        // A run that was nowhere else does nothing to a login that is not here.
        if run.context.namespace == here.namespace && run.elsewhere.is_empty() && !self.wake() {
            return Ok(());
        }
        let (tried, runs) = match task {
            Task::Lift(run) => (format!("undo run {}", run.id), vec![run.id.clone()]),
            Task::Redo(run) => (format!("set run {} again", run.id), here.journal.liftings(&run.id)?),
        };
        let mut open: Vec<Batch> = Vec::new();
        for run in &runs {
            open.extend(here.journal.standing(run)?.into_iter().rev());
        }
        while let Some(site) = open.first().map(|first| first.site.clone()) {
            let (mine, others): (Vec<Batch>, Vec<Batch>) = open.into_iter().partition(|batch| batch.site == site);
            open = others;
            let Some(first) = mine.iter().find(|batch| !batch.is_named()).or(mine.first()) else { break };
            // What is gone with its namespace cuts nothing any more.
            sites::at(kernel, here, first, |kernel| self.elsewhere().put_back_here(kernel, &tried, &mine))?;
        }
        Ok(())
    }

    /// Decides about the batches of one network namespace.
    fn put_back_here(&mut self, kernel: &mut dyn Kernel, tried: &str, open: &[Batch]) -> Result<(), Fault> {
        if !self.wake() {
            return Ok(());
        }
        let all = || open.iter().flat_map(|batch| &batch.changes);
        let back: Vec<Change> =
            all().map(|change| Change::new(change.object.clone(), change.after.clone(), change.before.clone())).collect();
        self.judge(tried, UNDO, |flow| named(flow, &back))?;
        self.cgroups(kernel, tried, UNDO, &back)?;
        self.routing(kernel, tried, UNDO, &back)?;
        let is_about = |family: Family, change: &Change| is_of_sets(change) || change.object.table().is_some_and(|(of, _)| of == family);
        let concerns = |family: &Family| all().any(|change| is_about(*family, change));
        for family in Family::BOTH.into_iter().filter(concerns) {
            let read = kernel.xtables()?.read(family).map(|before| {
                let mut after = before.clone();
                open.iter().for_each(|batch| drop(Revert::batch(&mut after, &batch.changes, &mut Trusting)));
                (before, after)
            });
            let touched: Vec<Change> = all().filter(|change| is_of_sets(change)).cloned().collect();
            let asked = read.iter().flat_map(|(before, after)| walk::sets(before).into_iter().chain(walk::sets(after))).collect();
            let sets_before = sets(kernel, asked, &touched);
            let mut sets_after = sets_before.clone();
            for batch in open.iter().filter(|batch| batch.is_named()) {
                let lifted = revert(&sets_after, &batch.changes, false).0;
                apply(&mut sets_after, &lifted);
            }
            self.judge(tried, UNDO, |flow| match &read {
                Ok((before, after)) => {
                    rules(flow, View { rules: before, sets: &sets_before }, View { rules: after, sets: &sets_after }, &[])
                }
                Err(fault) if flow.family() == family => vec![Risk { what: fault.to_string(), sure: false, origin: None }],
                Err(_) => Vec::new(),
            })?;
        }
        Ok(())
    }

    /// Refuses, or tells of, the worst of the risks to the login.
    fn judge(&mut self, tried: &str, hint: &str, risks: impl Fn(&Flow) -> Vec<Risk>) -> Result<(), Fault> {
        for flow in self.flows.iter().flatten() {
            let mut risks = risks(flow);
            risks.sort_by_key(|risk| !risk.sure);
            let others = match risks.len() {
                0 => continue,
                1 => String::new(),
                several => format!(" (and {} more)", several - 1),
            };
            let risk = risks.swap_remove(0);
            let fault = Fault::new(Kind::Lockout, tried, format!("it could cut the login from {flow}: {}{others}", risk.what)).hint(hint);
            let fault = risk.origin.into_iter().fold(fault, Fault::at);
            match self.stance {
                Stance::Refuse => return Err(fault),
                Stance::Tell => self.told.push(fault),
                Stance::Allow => {}
            }
        }
        Ok(())
    }
}

/// Finds what new states of named objects do to a connection.
fn named(flow: &Flow, changes: &[Change]) -> Vec<Risk> {
    let risk = |change: &Change| match (&change.object, &change.after) {
        (Object::Sysctl(key), Some(State::Value(value))) if !change.is_claim() && key.switches_off(flow.family(), value) => {
            Some(Risk { what: format!("{key} becomes {value}"), sure: key.leads(), origin: change.origin.clone() })
        }
        _ => None,
    };
    changes.iter().filter_map(risk).chain(queues(flow, changes)).collect()
}

/// Finds what queues do to a connection that leaves by their device.
fn queues(flow: &Flow, changes: &[Change]) -> Vec<Risk> {
    let risk = |change: &Change| match (&change.object, &change.after) {
        (Object::Tc(object), Some(State::Tc(state))) if !change.is_claim() => {
            let device = object.device().as_str();
            // Where it is not certain by which device the connection goes, it may be this one.
            let is_its = flow.interface.as_deref().is_none_or(|interface| interface == device);
            let (what, sure) = effect::cuts(state).filter(|_| is_its)?;
            let sure = sure && flow.interface.is_some() && matches!(object, tc::Object::Qdisc(_, tc::Handle::ROOT));
            Some(Risk { what: format!("the {object}: {what}"), sure, origin: change.origin.clone() })
        }
        _ => None,
    };
    changes.iter().filter_map(risk).collect()
}

/// Finds what a change does to the link or the address of a connection. Where the link is not known, it may be any.
fn links(flow: &Flow, changes: &[Change]) -> Vec<Risk> {
    use link::{Object as Of, Setting, State as In, Value};
    let is_its = |dev: &link::Dev| flow.interface.as_deref().is_none_or(|name| name == dev.name.as_str());
    let risk = |change: &Change| {
        let Object::Link(object) = &change.object else { return None };
        let what = match (object, &change.after) {
            (Of::Link(dev), None) if is_its(dev) => format!("the link {dev} goes"),
            (Of::Setting(dev, Setting::Up), Some(State::Link(In::Setting(Value::Flag(false))))) if is_its(dev) => {
                format!("the link {dev} is set down")
            }
            (Of::Setting(dev, Setting::Master), Some(State::Link(In::Setting(Value::Link(Some(master)))))) if is_its(dev) => {
                format!("the link {dev} becomes a port of {master}")
            }
            (Of::Address(key), None) if key.host.address == flow.here.ip().to_canonical() => format!("the address {} goes", key.host),
            _ => return None,
        };
        Some(Risk { what, sure: flow.interface.is_some(), origin: change.origin.clone() })
    };
    changes.iter().filter(|change| !change.is_claim()).filter_map(risk).collect()
}

/// Finds whether packets to the far end of a connection could go another way than before, or no way.
fn ways(flow: &Flow, changes: &[Change], before: &Inventory, after: &Inventory) -> Vec<Risk> {
    let (here, peer) = (flow.here.ip().to_canonical(), flow.peer.ip().to_canonical());
    let known = link::path::ends(before, here, peer);
    if known.iter().all(Option::is_none) {
        // What is cut already, any way is good for.
        return Vec::new();
    }
    let new: Vec<_> = link::path::ends(after, here, peer).into_iter().filter(|end| !known.contains(end)).collect();
    let told = |end: &Option<Vec<link::route::Hop>>| match end {
        None => format!("nothing leads to {peer} any more"),
        Some(hops) => {
            let devs: Vec<String> = hops.iter().filter_map(|hop| hop.dev.as_ref()).map(|dev| format!("by {dev}")).collect();
            format!("packets to {peer} go another way: {}", devs.join(" or "))
        }
    };
    let is_about = |change: &&Change| {
        matches!(&change.object, Object::Link(link::Object::Route(_) | link::Object::Rule(_))) && change.origin.is_some()
    };
    let origin = changes.iter().find(is_about).and_then(|change| change.origin.clone());
    new.iter().map(|end| Risk { what: told(end), sure: end.is_none(), origin: origin.clone() }).collect()
}

/// Finds what new rules could do to a connection. What could cut it before is left out: it is somebody else's, or was allowed.
fn rules(flow: &Flow, before: View<'_>, after: View<'_>, changes: &[Change]) -> Vec<Risk> {
    if flow.family() != after.rules.family {
        return Vec::new();
    }
    let known = walk::cuts(before.rules, flow, &before);
    let mut found: Vec<(String, Risk)> = Vec::new();
    for cut in walk::cuts(after.rules, flow, &after).into_iter().filter(|cut| !cut.is_known(&known)) {
        let place = format!("{} {:?}", cut.at, cut.rule);
        let risk = Risk { what: cut.to_string(), sure: cut.is_sure(), origin: origin(&cut, changes) };
        // The same place may be met on the way in and on the way out, by a first packet and by a later one.
        match found.iter_mut().find(|(other, _)| *other == place) {
            Some((_, other)) if risk.sure && !other.sure => *other = risk,
            Some(_) => {}
            None => found.push((place, risk)),
        }
    }
    found.into_iter().map(|(_, risk)| risk).collect()
}

/// Finds the script position of the change that made a cut: of the rule or the policy itself, else of what was changed in front of it.
fn origin(cut: &Cut, changes: &[Change]) -> Option<Origin> {
    let itself = |change: &&Change| match (&change.object, &change.after, &cut.rule) {
        (Object::Rule(at), Some(State::Rule(rule, _)), Some(cutting)) => *at == cut.at && *rule == **cutting,
        (Object::Policy(at), _, None) => *at == cut.at,
        _ => false,
    };
    let near = |change: &&Change| change.object.table() == Some((cut.at.family, cut.at.table));
    let asked = || changes.iter().filter(|change| change.origin.is_some());
    let change = asked().find(itself).or_else(|| asked().find(near)).or_else(|| asked().next())?;
    change.origin.clone()
}

/// Tells whether a change is about what is in a set.
fn is_of_sets(change: &Change) -> bool {
    matches!(change.object, Object::Set(_) | Object::Member(..) | Object::SetPair(..)) && !change.is_claim()
}

/// Reads the sets that rules ask, and those that are changed. One that cannot be read leaves its rules undecided.
pub(super) fn sets(kernel: &mut dyn Kernel, asked: BTreeSet<SetName>, changes: &[Change]) -> Inventory {
    if asked.is_empty() {
        return Inventory::new();
    }
    let changed = changes.iter().map(|change| change.object.clone());
    inventory(asked.into_iter().map(Object::Set).chain(changed), kernel.named()).unwrap_or_default()
}

/// Rules, with what is in the sets that they ask.
#[derive(Clone, Copy)]
struct View<'a> {
    rules: &'a Ruleset,
    sets: &'a Inventory,
}

impl Memory for View<'_> {
    fn hits(&self, list: &str, address: IpAddr) -> Option<usize> {
        match XtRecent.read(list) {
            Ok(sources) => Some(sources.iter().find(|source| source.address == address).map_or(0, |source| source.seen.len())),
            // A list that is not there yet begins empty.
            Err(fault) if fault.kind == Kind::NotFound => Some(0),
            Err(_) => None,
        }
    }

    fn holds(&self, set: &str, address: IpAddr) -> Option<bool> {
        let set = Object::Set(set.parse().ok()?);
        let State::Set(definition) = self.sets.get(&set)? else { return None };
        if !definition.is_of_addresses() {
            return None;
        }
        // An address that the set cannot hold is not in it.
        let Some(wanted) = definition.elements(&address.to_string()).ok()?.pop() else { return Some(false) };
        let members = contents(self.sets, &set).filter_map(|(object, state)| match (object, state) {
            (Object::Member(_, element), State::Entry(entry)) => Some((element, entry)),
            _ => None,
        });
        Some(wanted.is_held(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::shadow::{Shadow, Shared};
    use crate::model::Tracking;
    use crate::model::iptables::{ChainName, Edit, Intent, Policy, Table, Words};
    use crate::transaction::{Context, Door, Setup, Shelf};

    fn flow() -> Flow {
        let (peer, here) = ("192.0.2.2:50022".parse().unwrap(), "192.0.2.1:22".parse().unwrap());
        Flow { peer, here, interface: None, tracking: vec![Tracking::Established], holders: vec![4711] }
    }

    /// Does one change to an empty IPv4 filter table, in front of a guard.
    fn with(stance: Stance, family: Family, edit: Edit) -> (Result<(), Fault>, Vec<Fault>, Ruleset) {
        let kernel = Shared::new(Shadow::over_nothing());
        let context = Context { pid: 1, namespace: 1, ..Context::default() };
        let door = Door::open(Setup {
            kernel: Box::new(kernel.clone()),
            journal: Shelf::Memory,
            past: Shelf::Memory,
            context,
            random: 1,
            now: || 0,
            begun: Box::new(|_| Ok(())),
            guard: Guard::new(stance, || vec![flow()]),
            gate: crate::transaction::Gate::open(),
        });
        door.change(Intent { family, table: Table::Filter, edit }, Origin::at("x", 3, 1)).unwrap();
        let done = door.commit();
        let told = door.finish().map(|report| report.lockouts).unwrap_or_default();
        let set = kernel.lock().ruleset(family).unwrap().clone();
        (done, told, set)
    }

    fn policy() -> Edit {
        Edit::SetPolicy(ChainName::listed("INPUT"), Policy::Drop)
    }

    #[test]
    fn what_could_cut_the_login_is_not_written() {
        for edit in [policy(), Edit::Append(ChainName::listed("OUTPUT"), Words::listed("-p tcp -j DROP"))] {
            let (done, _, set) = with(Stance::Refuse, Family::V4, edit);
            let fault = done.unwrap_err();
            assert_eq!((fault.kind, fault.kind.exit_code(), fault.origin.unwrap().at.line), (Kind::Lockout, 5, 3));
            assert!(set.same(&Ruleset::empty(Family::V4)));
        }
    }

    #[test]
    fn a_plan_is_told_and_who_asked_for_it_is_left_alone() {
        let (done, told, set) = with(Stance::Tell, Family::V4, policy());
        assert_eq!((done, told.len(), told[0].kind), (Ok(()), 1, Kind::Lockout));
        assert!(!set.same(&Ruleset::empty(Family::V4)));
        let (done, told, _) = with(Stance::Allow, Family::V4, policy());
        assert_eq!((done, told.len()), (Ok(()), 0));
    }

    #[test]
    fn a_login_is_looked_for_until_there_is_none() {
        let mut found = vec![vec![flow()], vec![], vec![flow()], vec![flow()]];
        let mut guard = Guard::new(Stance::Refuse, move || found.pop().unwrap());
        assert_eq!([guard.wake(), guard.wake(), guard.wake(), guard.wake()], [true, true, false, false]);
        assert!(!Guard::new(Stance::Allow, || panic!("nobody asked")).wake());
    }

    #[test]
    fn the_other_family_is_no_matter() {
        let (done, told, _) = with(Stance::Refuse, Family::V6, policy());
        assert_eq!((done, told.len()), (Ok(()), 0));
    }
}
