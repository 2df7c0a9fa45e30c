//! The lists of sources that the `recent` match remembers.

use std::net::IpAddr;

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::bind::types;
use crate::kernel::recent::{Edit, Source};
use crate::model::address::Address;
use crate::model::iptables::spec;
use crate::transaction::{Act, Query, Reading};

/// A list of remembered sources.
#[derive(Clone, Debug)]
pub struct Recent {
    name: ImmutableString,
}

fn entry(source: &Source) -> Dynamic {
    let mut map = Map::new();
    map.insert("source".into(), source.address.to_string().into());
    map.insert("ttl".into(), i64::from(source.ttl).into());
    map.insert("packets".into(), (source.seen.len() as i64).into());
    map.insert("last_seen".into(), source.seen.first().map_or(Dynamic::UNIT, |seconds| Dynamic::from(*seconds)));
    Dynamic::from_map(map)
}

fn act(ctx: &NativeCallContext, list: &Recent, edit: Edit) -> Answer<()> {
    let act = Act::Recent(list.name.to_string(), edit);
    call::door(ctx)?.act(act, call::origin(ctx)).map_err(|f| call::fault(ctx, f))
}

fn address(ctx: &NativeCallContext, address: &Dynamic) -> Answer<IpAddr> {
    let address = types::text_for("an address", address).and_then(|text| text.parse::<Address>());
    address.map(|address| address.0).map_err(|f| call::fault(ctx, f))
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A list of remembered sources.
    pub type Recent = super::Recent;

    /// Gives the list of remembered sources of a name.
    ///
    /// - `name`: the name given to the `recent` match; a rule must use it for the list to be there
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: a list cannot have this name.
    ///
    /// # Example
    /// ```rhai
    /// let ssh = iptables::recent("SSH");
    /// ```
    ///
    /// # Source
    /// iptables-extensions(8), recent
    #[rhai_fn(return_raw, volatile)]
    pub fn recent(ctx: NativeCallContext, name: &str) -> Answer<Recent> {
        let name = spec::list_name(name).map_err(|f| call::fault(&ctx, f))?;
        Ok(Recent { name: name.into() })
    }

    /// Lists the names of all lists of remembered sources.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// iptables::recent_lists()
    /// ```
    ///
    /// # Source
    /// iptables-extensions(8), recent
    #[rhai_fn(return_raw, volatile)]
    pub fn recent_lists(ctx: NativeCallContext) -> Answer<Array> {
        match call::door(&ctx)?.read(Query::RecentLists).map_err(|f| call::fault(&ctx, f))? {
            Reading::RecentLists(names) => Ok(names.into_iter().map(Dynamic::from).collect()),
            _ => Ok(Array::new()),
        }
    }

    /// Lists the remembered sources: address, TTL, remembered packets, and seconds since the last one.
    ///
    /// # Changes
    /// What is queued is written first.
    ///
    /// # Fails
    /// `not-found`: no rule uses a list of this name.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append(#{ recent: #{ set: true, name: "SEEN" } });
    /// commit();
    /// iptables::recent("SEEN").list()
    /// ```
    ///
    /// # Source
    /// iptables-extensions(8), recent
    #[rhai_fn(global, return_raw, volatile)]
    pub fn list(ctx: NativeCallContext, recent: &mut Recent) -> Answer<Array> {
        match call::door(&ctx)?.read(Query::Recent(recent.name.to_string())).map_err(|f| call::fault(&ctx, f))? {
            Reading::Recent(sources) => Ok(sources.iter().map(entry).collect()),
            _ => Ok(Array::new()),
        }
    }

    /// Remembers a source as if a packet of it had been seen now.
    ///
    /// - `address`: an IPv4 or IPv6 address
    ///
    /// # Changes
    /// The list. That cannot be lifted: packets change it, too.
    ///
    /// # Fails
    /// `not-found`: no rule uses a list of this name. `input`: it is no address.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append(#{ recent: #{ set: true, name: "SEEN" } });
    /// iptables::recent("SEEN").add("192.0.2.1");
    /// ```
    ///
    /// # Source
    /// iptables-extensions(8), recent: `echo +addr`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn add(ctx: NativeCallContext, recent: &mut Recent, address: Dynamic) -> Answer<()> {
        act(&ctx, recent, Edit::Add(super::address(&ctx, &address)?))
    }

    /// Forgets a source.
    ///
    /// - `address`: an IPv4 or IPv6 address
    ///
    /// # Changes
    /// The list. That cannot be lifted: packets change it, too.
    ///
    /// # Fails
    /// `not-found`: no rule uses a list of this name. `input`: it is no address.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append(#{ recent: #{ set: true, name: "SEEN" } });
    /// iptables::recent("SEEN").remove("192.0.2.1");
    /// ```
    ///
    /// # Source
    /// iptables-extensions(8), recent: `echo -addr`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn remove(ctx: NativeCallContext, recent: &mut Recent, address: Dynamic) -> Answer<()> {
        act(&ctx, recent, Edit::Remove(super::address(&ctx, &address)?))
    }

    /// Forgets all sources.
    ///
    /// # Changes
    /// The list. That cannot be lifted: packets change it, too.
    ///
    /// # Fails
    /// `not-found`: no rule uses a list of this name.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append(#{ recent: #{ set: true, name: "SEEN" } });
    /// iptables::recent("SEEN").clear();
    /// ```
    ///
    /// # Source
    /// iptables-extensions(8), recent: `echo /`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn clear(ctx: NativeCallContext, recent: &mut Recent) -> Answer<()> {
        act(&ctx, recent, Edit::Clear)
    }

    /// Prints the list's name as one line.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn to_string(recent: &mut Recent) -> ImmutableString {
        format!("recent list {}", recent.name).into()
    }
}
