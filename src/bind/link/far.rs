//! Links that are moved to other network namespaces, and veths whose other end is put there at once.

use rhai::NativeCallContext;

use super::handle::{self, Link};
use crate::bind::call::{self, Answer};
use crate::bind::netns::Netns;
use crate::model::link::{Dev, Far, Link as OfLink, Name, Object, Scope, Setting, State, There, Tie, Value};
use crate::model::named::Edit;
use crate::model::netns::Site;
use crate::model::{Fault, Kind, Object as Any, State as AnyState};
use crate::transaction::{Query, Reading};

/// Finds the namespace that a word of ip(8) means: a name, a path, or else the number of a process; none where the script is there.
pub(super) fn elsewhere(ctx: &NativeCallContext, word: &str) -> Answer<Option<Site>> {
    let site = Netns::of_word(ctx, word)?;
    match call::door(ctx)?.read(Query::Here).map_err(|f| call::fault(ctx, f))? {
        Reading::Site(here) if here.namespace == site.namespace => Ok(None),
        _ => Ok(Some(site)),
    }
}

/// Lists the links of another namespace.
pub(super) fn all(ctx: &NativeCallContext, scope: Scope) -> Answer<Vec<Far>> {
    let far = |(object, _)| if let Object::Far(far) = object { Some(*far) } else { None };
    Ok(handle::read(ctx, scope)?.into_iter().filter_map(far).collect())
}

fn fresh(name: &Name, there: &[Far]) -> Dev {
    handle::fresh(name, &|index| there.iter().any(|far| far.dev.index == index))
}

/// Puts the other end of a veth into another namespace. Of one that is there already, it has to be there.
pub(super) fn end(ctx: &NativeCallContext, dev: &Dev, link: &mut OfLink, site: &Site, is_there: bool) -> Answer<()> {
    let Some(peer) = link.peer.take() else { return Ok(()) };
    link.reaches_out = true;
    link.far = Some(match is_there {
        false => {
            let there = all(ctx, Scope::Far(site.clone()))?;
            if there.iter().any(|far| far.dev.name == peer.name) {
                let why = format!("there is one of this name already in the {site}");
                return Err(call::fault(ctx, Fault::new(Kind::Exists, format!("call a link {}", peer.name), why)));
            }
            Far { site: site.clone(), dev: fresh(&peer.name, &there), tie: Tie::End(dev.clone()) }
        }
        true => {
            let is_it = |far: &Far| far.end_of() == Some(dev) && far.site.namespace == site.namespace && far.dev.name == peer.name;
            let why = format!("it is there, and its other end is not {} in the {site}", peer.name);
            let fault = || Fault::new(Kind::Exists, format!("make the link {dev}"), why);
            all(ctx, Scope::Ends)?.into_iter().find(is_it).ok_or_else(|| call::fault(ctx, fault()))?
        }
    });
    Ok(())
}

/// Moves a link to another namespace, under its name or another one. It keeps its index if no link there has it.
pub(super) fn leave(ctx: &NativeCallContext, link: &Link, site: &Site, named: Option<(Setting, Value)>) -> Answer<()> {
    let name = match named {
        Some((_, value)) => value,
        None => link.setting(ctx, Setting::Name)?,
    };
    let Value::Name(name) = name else { return Ok(()) };
    let there = all(ctx, Scope::Far(site.clone()))?;
    let is_taken = there.iter().any(|far| far.dev.index == link.dev.index);
    let dev = if is_taken { fresh(&name, &there) } else { Dev::new(link.dev.index, name.clone()) };
    let far = Far { site: site.clone(), dev, tie: Tie::Moved(link.dev.clone()) };
    handle::change(ctx, vec![Edit::Add(Any::Link(Object::Far(Box::new(far))), AnyState::Link(State::Far(There::bare(name))))])
}
