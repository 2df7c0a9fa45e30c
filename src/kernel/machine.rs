//! A machine: the network namespaces that a run works in, each with a kernel of its own. One of them is home, and the run is in one at a time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::live::{Live, Present};
use super::named::Named;
use super::netns::{self, Netns, Visit};
use super::raw::{Desk, Wire};
use super::recent::Recent;
use super::shadow::{Shadow, Shared};
use super::sockets::Sockets;
use super::xtables::{Backend, Xtables};
use super::{Kernel, alone};
use crate::model::cgroup;
use crate::model::command::{Command, Ran};
use crate::model::link::{Name, far};
use crate::model::netns::{Site, Word};
use crate::model::packet::exchange::Outcome;
use crate::model::raw::{Query, Spec, exchange};
use crate::model::{Change, Fault};

/// How a machine gets at its namespaces.
trait Ways: Send {
    /// Makes the kernel of a namespace.
    fn kernel(&mut self, cookie: u64) -> Box<dyn Kernel>;

    /// Goes to a namespace.
    fn visit(&mut self, site: &Site) -> Result<Way, Fault>;

    /// Makes a namespace, and gives its cookie.
    fn make(&mut self) -> Result<u64, Fault>;

    /// Finds the namespace that somebody means.
    fn find(&mut self, word: &Word) -> Result<Site, Fault>;

    /// Tells whether a namespace may be wanted again.
    fn is_wanted(&self, cookie: u64) -> bool;
}

/// What has become of going to a namespace.
enum Way {
    /// It is gone.
    Gone,
    /// It is there, and the calling thread is in it.
    Open(Visit),
    /// It is there, in memory.
    Near,
}

/// A machine with several network namespaces.
pub struct Machine {
    home: Box<dyn Kernel>,
    others: BTreeMap<u64, Box<dyn Kernel>>,
    at: Option<u64>,
    visit: Option<Visit>,
    ways: Box<dyn Ways>,
    /// The cookie of home, where its kernel is in memory, and does not see what is done elsewhere.
    in_memory: Option<u64>,
}

impl Machine {
    /// Makes a machine of Linux, at home in the namespace of the calling thread.
    pub fn live(backend: Option<Backend>) -> Self {
        let kernel = move || -> Box<dyn Kernel> { Box::new(Live::new(backend)) };
        Self::new(kernel(), OnLinux(Box::new(kernel)), None)
    }

    /// Makes a machine of Linux that can only be read, with a shadow over each of its namespaces. Those that a plan makes are there only for it:
    /// what is in a fresh one, only the kernel knows.
    pub fn planned(backend: Option<Backend>) -> Self {
        let kernel = move || -> Box<dyn Kernel> { Box::new(Shadow::over(Box::new(Present::new(backend)))) };
        Self::new(kernel(), OnLinux(Box::new(kernel)), netns::cookie().ok())
    }

    /// Makes a machine in memory, of which another program has the same namespaces.
    pub fn in_memory(home: Box<dyn Kernel>, places: &Places) -> Self {
        Self::new(home, places.clone(), Some(0))
    }

    fn new(home: Box<dyn Kernel>, ways: impl Ways + 'static, in_memory: Option<u64>) -> Self {
        Self { home, others: BTreeMap::new(), at: None, visit: None, ways: Box::new(ways), in_memory }
    }

    fn here(&mut self) -> &mut dyn Kernel {
        match self.at.and_then(|at| self.others.get_mut(&at)) {
            Some(there) => there.as_mut(),
            None => self.home.as_mut(),
        }
    }
}

impl Kernel for Machine {
    fn xtables(&mut self) -> Result<&mut dyn Xtables, Fault> {
        self.here().xtables()
    }

    fn return_to(&mut self, backend: Backend) -> Result<(), Fault> {
        self.here().return_to(backend)
    }

    fn named(&mut self) -> &mut dyn Named {
        self.here().named()
    }

    fn recent(&mut self) -> &mut dyn Recent {
        self.here().recent()
    }

    fn sockets(&mut self) -> &mut dyn Sockets {
        self.here().sockets()
    }

    fn write_file(&mut self, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        self.here().write_file(path, bytes)
    }

    fn go_to(&mut self, site: &Site) -> Result<bool, Fault> {
        self.come_back();
        self.visit = match self.ways.visit(site)? {
            Way::Gone => return Ok(false),
            Way::Open(visit) => Some(visit),
            Way::Near => None,
        };
        self.others.entry(site.namespace).or_insert_with(|| self.ways.kernel(site.namespace));
        self.at = Some(site.namespace);
        Ok(true)
    }

    fn come_back(&mut self) {
        (self.visit, self.at) = (None, None);
        // A socket keeps its namespace alive, also one that has been taken away.
        self.others.retain(|cookie, _| self.ways.is_wanted(*cookie));
    }

    fn echo(&mut self, changes: &[Change]) {
        let Some(home) = self.in_memory else { return };
        for (site, change) in far::echo(changes) {
            let there = match site.namespace {
                at if at == home => &mut self.home,
                at => self.others.entry(at).or_insert_with(|| self.ways.kernel(at)),
            };
            there.echo(&[change]);
        }
    }

    fn make_namespace(&mut self) -> Result<u64, Fault> {
        self.ways.make()
    }

    fn find_namespace(&mut self, word: &Word) -> Result<Site, Fault> {
        self.ways.find(word)
    }

    fn raw(&mut self, spec: &Spec) -> Result<Box<dyn Wire>, Fault> {
        self.here().raw(spec)
    }

    fn would_refuse(&mut self, way: &crate::model::raw::Way) -> Option<Fault> {
        self.here().would_refuse(way)
    }

    fn desk(&mut self, chosen: &exchange::Sockets) -> Result<Box<dyn Desk>, Fault> {
        self.here().desk(chosen)
    }

    fn query(&mut self, query: &mut Query) -> Result<Outcome, Fault> {
        self.here().query(query)
    }

    fn own_end(&mut self, to: IpAddr, link: Option<&Name>) -> Result<SocketAddr, Fault> {
        self.here().own_end(to, link)
    }

    fn run(&mut self, command: &Command) -> Result<Ran, Fault> {
        self.here().run(command)
    }

    fn probe(&mut self, group: &cgroup::Group, way: cgroup::Way) -> Result<(), Fault> {
        self.here().probe(group, way)
    }
}

/// The namespaces of Linux.
struct OnLinux(Box<dyn Fn() -> Box<dyn Kernel> + Send>);

impl Ways for OnLinux {
    fn kernel(&mut self, _: u64) -> Box<dyn Kernel> {
        (self.0)()
    }

    fn visit(&mut self, site: &Site) -> Result<Way, Fault> {
        netns::seek(site).map_or(Ok(Way::Gone), |netns| netns.visit().map(Way::Open))
    }

    fn make(&mut self) -> Result<u64, Fault> {
        Netns::create().and_then(netns::hold)
    }

    fn find(&mut self, word: &Word) -> Result<Site, Fault> {
        netns::find(word)
    }

    fn is_wanted(&self, cookie: u64) -> bool {
        netns::is_held(cookie)
    }
}

/// Namespaces in memory, by their cookies.
#[derive(Clone, Default)]
pub struct Places(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    kernels: BTreeMap<u64, Shared>,
    /// How many were ever made: no cookie is used twice.
    made: u64,
}

impl Places {
    /// The cookies begin behind this one; those below are left for homes.
    const BEFORE: u64 = 1 << 16;

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the kernel of a namespace, to look at or to change as another program would.
    pub fn get(&self, cookie: u64) -> Option<Shared> {
        self.lock().kernels.get(&cookie).cloned()
    }

    /// Takes a namespace away, with all that is in it.
    pub fn remove(&self, cookie: u64) {
        self.lock().kernels.remove(&cookie);
    }
}

impl Ways for Places {
    fn kernel(&mut self, cookie: u64) -> Box<dyn Kernel> {
        Box::new(self.get(cookie).unwrap_or_default())
    }

    fn visit(&mut self, site: &Site) -> Result<Way, Fault> {
        Ok(if self.lock().kernels.contains_key(&site.namespace) { Way::Near } else { Way::Gone })
    }

    fn make(&mut self) -> Result<u64, Fault> {
        let mut memory = self.lock();
        memory.made += 1;
        let cookie = Self::BEFORE + memory.made;
        memory.kernels.insert(cookie, Shared::default());
        Ok(cookie)
    }

    fn find(&mut self, word: &Word) -> Result<Site, Fault> {
        Err(alone(&format!("open the network namespace {word}")))
    }

    fn is_wanted(&self, cookie: u64) -> bool {
        self.lock().kernels.contains_key(&cookie)
    }
}
