//! Links in other network namespaces: seen from here, and brought back.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use super::refusal;
use crate::kernel::errno;
use crate::kernel::netlink::rtnl::link::{self, Destination, Found};
use crate::kernel::netlink::rtnl::{Order, Rtnl};
use crate::kernel::netns::{self, Netns};
use crate::model::link::{Dev, Far, Object, Setting, State, There, Tie, Value};
use crate::model::named::Inventory;
use crate::model::netns::Site;
use crate::model::{Change, Family, Fault, Kind, Object as Any, State as AnyState};

/// Opens a socket in another namespace; it stays there when the thread comes back.
fn open(netns: &Netns) -> Result<Rtnl, Fault> {
    let _visit = netns.visit()?;
    Rtnl::open().map_err(|error| errno::fault("talk to the kernel about links", error))
}

/// Gives the namespace in which a link is, or is to be.
pub(super) fn place(far: &Far, change: &Change) -> Result<Arc<Netns>, Fault> {
    netns::seek(&far.site).ok_or_else(|| Fault::new(Kind::NotFound, refusal::tried(change), format!("the {} is gone", far.site)))
}

/// Reads the links of another namespace; none where it is gone.
pub(super) fn read(site: &Site) -> Result<Inventory, Fault> {
    let Some(netns) = netns::seek(site) else { return Ok(Inventory::new()) };
    let fail = |error: io::Error| errno::fault(format!("list the links of the {site}"), error);
    let mut rtnl = open(&netns)?;
    let links = rtnl.links().map_err(fail)?;
    let burdens = burdens(&mut rtnl, &links).map_err(fail)?;
    let there = |found: Found| {
        let burden = burdens.get(&found.dev.index).copied().unwrap_or(0);
        let mac = found.settings.iter().find_map(|setting| match setting {
            (Setting::Address, Value::Mac(mac)) if !mac.bytes().is_empty() => Some(mac.clone()),
            _ => None,
        });
        let there = There { name: found.dev.name.clone(), mac, burden };
        entry(Far { site: site.clone(), dev: found.dev, tie: Tie::None }, there)
    };
    Ok(links.into_iter().map(there).collect())
}

fn entry(far: Far, there: There) -> (Any, AnyState) {
    (Any::Link(Object::Far(Box::new(far))), AnyState::Link(State::Far(there)))
}

/// Counts what somebody has set on each link. Where none is up, there are no neighbours and routes.
fn burdens(rtnl: &mut Rtnl, links: &[Found]) -> io::Result<BTreeMap<u32, usize>> {
    let mut found: BTreeMap<u32, usize> = BTreeMap::new();
    let mut count = |index: u32| *found.entry(index).or_default() += 1;
    rtnl.addresses()?.into_iter().filter(|(.., about)| !about.automatic).for_each(|(index, ..)| count(index));
    let is_up = |link: &Found| link.settings.contains(&(Setting::Up, Value::Flag(true)));
    if links.iter().any(is_up) {
        rtnl.neighbours()?.into_iter().filter(|(.., about)| about.is_permanent()).for_each(|(index, ..)| count(index));
        for family in Family::BOTH {
            let routes = rtnl.steady_routes(family, None)?.into_iter().filter(|(_, way)| !way.is_automatic());
            routes.flat_map(|(_, way)| way.devs().map(|dev| dev.index).collect::<Vec<_>>()).for_each(&mut count);
        }
    }
    Ok(found)
}

/// Finds the far ends of the veths among some links of this namespace.
pub(super) fn ends(rtnl: &mut Rtnl, links: &[Found]) -> Result<Inventory, Fault> {
    let fail = |error: io::Error| errno::fault("find the other ends of links", error);
    let mut wanted: BTreeMap<u32, Vec<(u32, Dev)>> = BTreeMap::new();
    for link in links {
        if let Some((index, nsid)) = link.far_end() {
            wanted.entry(nsid).or_default().push((index, link.dev.clone()));
        }
    }
    let mut found = Inventory::new();
    let mut places = netns::all();
    while !wanted.is_empty()
        && let Some((home, netns)) = places.next()
    {
        let Some(ends) = rtnl.nsid(netns.as_fd()).map_err(fail)?.and_then(|nsid| wanted.remove(&nsid)) else { continue };
        let site = Site::new(netns.cookie()?, home);
        let there: BTreeMap<u32, Dev> = open(&netns)?.links().map_err(fail)?.into_iter().map(|one| (one.dev.index, one.dev)).collect();
        for (index, here) in ends {
            if let Some(dev) = there.get(&index) {
                let far = Far { site: site.clone(), dev: dev.clone(), tie: Tie::End(here) };
                found.extend([entry(far, There::bare(dev.name.clone()))]);
            }
        }
    }
    Ok(found)
}

/// Moves a link back to this namespace, with the index and the name that it had.
pub(super) fn bring_back(far: &Far, dev: &Dev, change: &Change) -> Result<(), Fault> {
    let (there, here) = (place(far, change)?, Netns::current()?);
    let order: Order = link::leave(far.dev.index, Destination { dev, netns: here.as_fd(), mac: None });
    match open(&there)?.order(&[&order]) {
        Ok(None) => Ok(()),
        Ok(Some(stopped)) => Err(refusal::fault(change, &stopped.refused)),
        Err(error) => Err(errno::fault(refusal::tried(change), error)),
    }
}
