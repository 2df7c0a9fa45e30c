//! The kinds of links that the kernel has.

use super::{refusal, tun};
use crate::kernel::errno;
use crate::kernel::netlink::rtnl::{Order, Rtnl, link};
use crate::kernel::netns::Netns;
use crate::model::link::kind::KINDS;
use crate::model::link::{Dev, Link, Name};
use crate::model::{Fault, Kind};

/// Tries every kind of link that fyke makes, in a network namespace that is made for it and goes again, and says of each what is lacking.
pub fn all() -> Vec<(&'static str, Result<(), Fault>)> {
    let kinds = || KINDS.iter().map(|(kind, _)| *kind);
    let tried = |kind: &str| format!("make a link of the type {kind}");
    match Netns::create().and_then(|netns| netns.run(|| Ok(kinds().map(|kind| (kind, has(kind, &tried(kind)))).collect()))) {
        Ok(found) => found,
        Err(_) => {
            let why = "a network namespace to try it in cannot be made here";
            kinds().map(|kind| (kind, Err(Fault::new(Kind::Permission, tried(kind), why)))).collect()
        }
    }
}

fn has(kind: &str, tried: &str) -> Result<(), Fault> {
    // None is in the way of another one, and all go with their namespace.
    let (dev, link) = (Dev::named(Name::listed(kind)), Link { kind: kind.to_owned(), ..Link::default() });
    if ["tun", "tap"].contains(&kind) {
        let index = (1 << 20) + u32::from(kind == "tun");
        return tun::make(&Dev { index, ..dev }, &link).map_err(|fault| Fault { tried: tried.to_owned(), ..fault });
    }
    let make: Order = link::add(&dev, &link, None, &|_| None);
    let fail = |error| errno::fault(tried, error);
    let mut rtnl = Rtnl::open().map_err(fail)?;
    match rtnl.order(&[&make]).map_err(fail)? {
        Some(stopped) if refusal::is_unknown_kind(&stopped.refused) => Err(refusal::unknown(tried.to_owned(), kind, &stopped.refused)),
        // Any other refusal, as that it stands on no link, comes from the kind itself.
        _ => Ok(()),
    }
}
