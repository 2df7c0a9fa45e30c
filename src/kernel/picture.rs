//! Takes a picture of the present network namespace and of those that have names: of all that is compared when nothing is to be left.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::named::{Here, Source as _};
use super::netlink::nftables::Nftables;
use super::netns::{NAMED, Netns};
use super::xtables::live::Reader;
use super::xtables::{Backend, Source as _, socket_fault};
use super::{files, netns};
use crate::model::iptables::Ruleset;
use crate::model::named::Scope;
use crate::model::picture::{Picture, Scene};
use crate::model::{Family, Fault, Inventory, Kind, Object, link, sysctl, tc};

/// Takes a picture.
pub fn take() -> Result<Picture, Fault> {
    let (own, mut picture) = (netns::cookie()?, Picture::default());
    let mut first = scene()?;
    first.objects.append(&mut Here::default().read(&Scope::Netns(crate::model::netns::Scope::Names))?);
    picture.scenes.insert(None, first);
    for name in files::names(std::path::Path::new(NAMED), "") {
        // What is no namespace, or only half made, is an object of the first scene.
        let Ok(netns) = Netns::open(&name) else { continue };
        let _visit = netns.visit()?;
        if netns::cookie()? != own {
            picture.scenes.insert(Some(Arc::from(name.as_str())), scene()?);
        }
    }
    Ok(picture)
}

/// Looks at the namespace of the calling thread.
fn scene() -> Result<Scene, Fault> {
    let mut rules = Vec::new();
    for backend in [Backend::Nft, Backend::Legacy] {
        for family in Family::BOTH {
            let read = Reader::open(Some(backend)).and_then(|mut tables| tables.read(family));
            let read = match read {
                // In a user namespace whose /proc is another's nobody can have legacy tables.
                Err(fault) if fault.kind == Kind::Permission && backend == Backend::Legacy => None,
                read => where_there_is(read)?,
            };
            // What is compared stands in the same place in each picture.
            rules.push(read.unwrap_or_else(|| Ruleset::empty(family)));
        }
    }
    let others = Nftables::open().and_then(|mut socket| socket.others()).map_err(|error| socket_fault("list what is in nf_tables", &error));
    let others = where_there_is(others)?.unwrap_or_default();
    Ok(Scene { objects: objects()?, rules, others })
}

fn objects() -> Result<Inventory, Fault> {
    let mut here = Here::default();
    let links = [link::Scope::Links, link::Scope::Addresses, link::Scope::Neighbours, link::Scope::Routes(None), link::Scope::Rules];
    let mut scopes: BTreeSet<Scope> = links.into_iter().map(Scope::Link).collect();
    scopes.insert(Scope::Sysctl(sysctl::Key::of_parts(["net"])));
    let mut found = here.read_all(&scopes)?;
    let sets = where_there_is(here.read(&Scope::Sets))?.unwrap_or_default();
    let mut more: BTreeSet<Scope> =
        sets.keys().filter_map(|set| if let Object::Set(set) = set { Some(Scope::Set(set.clone())) } else { None }).collect();
    let devices = where_there_is(here.read(&Scope::Tc(tc::Scope::Devices)))?.unwrap_or_default();
    more.extend(devices.keys().filter_map(|device| match device {
        Object::Tc(tc::Object::Device(device)) => Some(Scope::Tc(tc::Scope::Device(device.clone()))),
        _ => None,
    }));
    found.append(&mut here.read_all(&more)?);
    Ok(found)
}

/// Takes what this kernel, or this host, does not have for nothing.
fn where_there_is<T>(read: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match read {
        Err(fault) if fault.kind == Kind::Unsupported => Ok(None),
        read => read.map(Some),
    }
}
