//! Reserved ports.

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::bind::{sockets, types};
use crate::model::named::{Edit, Scope};
use crate::model::near::did_you_mean;
use crate::model::ports::{PortSet, reserved_key};
use crate::model::sysctl::Key;
use crate::model::{Fault, Kind, Object, State};
use crate::transaction::{Query, Reading};

/// As many sockets are named that hold what is to be reserved.
const NAMED: usize = 10;

pub(super) fn present(ctx: &NativeCallContext) -> Answer<PortSet> {
    let reading = call::door(ctx)?.read(Query::Named(Scope::ReservedPorts)).map_err(|f| call::fault(ctx, f))?;
    let Reading::Named(found) = reading else { return Ok(PortSet::new()) };
    Ok(found.keys().filter_map(|object| if let Object::ReservedPort(port) = object { Some(*port) } else { None }).collect())
}

fn given(ctx: &NativeCallContext, ports: &Dynamic) -> Answer<PortSet> {
    types::ports::set(ports).map_err(|f| call::fault(ctx, f))
}

fn change(ctx: &NativeCallContext, edits: Vec<Edit>) -> Answer<()> {
    call::door(ctx)?.change(edits, call::origin(ctx)).map_err(|f| call::fault(ctx, f))
}

fn ensure(port: u16) -> Edit {
    Edit::Ensure(Object::ReservedPort(port), State::Present)
}

fn absent(port: u16) -> Edit {
    Edit::Absent(Object::ReservedPort(port))
}

/// Tells whether a parameter is that of the reserved ports, which are objects of their own.
pub(in crate::bind) fn is_theirs(key: &Key) -> bool {
    *key == reserved_key()
}

/// Gives the reserved ports as the parameter has them.
pub(in crate::bind) fn shown(ctx: &NativeCallContext) -> Answer<String> {
    Ok(present(ctx)?.to_string())
}

/// Reads what somebody gives as the value of the parameter; nothing reserves nothing.
pub(in crate::bind) fn given_as_value(ctx: &NativeCallContext, value: &Dynamic) -> Answer<PortSet> {
    let is_nothing = value.as_immutable_string_ref().is_ok_and(|text| text.trim().is_empty());
    if is_nothing { Ok(PortSet::new()) } else { given(ctx, value) }
}

/// Sees to it that just these ports are reserved, as who writes the parameter means it.
pub(in crate::bind) fn exactly(ctx: &NativeCallContext, wanted: &PortSet) -> Answer<()> {
    let superfluous = present(ctx)?.without(wanted);
    change(ctx, superfluous.ports().map(absent).chain(wanted.ports().map(ensure)).collect())
}

/// Refuses to reserve ports that somebody has, and says who.
fn nobody_has(ctx: &NativeCallContext, ports: &PortSet, options: &Map) -> Answer<()> {
    let allowed = options.get("in_use").is_some_and(|value| value.as_bool().unwrap_or(false));
    if allowed || ports.is_empty() {
        return Ok(());
    }
    let held = sockets::list::on_ports(ctx, ports)?;
    if held.is_empty() {
        return Ok(());
    }
    let more = held.len().saturating_sub(NAMED);
    let named = held.into_iter().take(NAMED).collect::<Vec<_>>().join("; ");
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let fault = Fault::new(Kind::Refused, format!("reserve {}", ports.in_short()), format!("in use: {named}{more}"));
    Err(call::fault(
        ctx,
        fault.hint("with #{ in_use: true } they are reserved all the same: who has a port keeps it, and nobody else gets it by chance"),
    ))
}

fn known(ctx: &NativeCallContext, options: &Map) -> Answer<()> {
    match options.iter().find(|(key, value)| *key != "in_use" || !value.is_bool()) {
        None => Ok(()),
        Some((key, _)) if key == "in_use" => Err(call::fault(ctx, Fault::input("use `in_use`", "it is not true or false"))),
        Some((odd, _)) => {
            let hint = did_you_mean(odd, ["in_use"]).unwrap_or_else(|| "the only option is in_use".to_owned());
            Err(call::fault(ctx, Fault::input(format!("use the option `{odd}`"), "there is no such option").hint(hint)))
        }
    }
}

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Gives the reserved ports: those that are not given to whoever does not ask for any. Who asks for one of them by its number gets it.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `unsupported`: the kernel has no such parameter.
    ///
    /// # Example
    /// ```rhai
    /// let free = ports::range() - ports::reserved();
    /// print(free.len);
    /// ```
    ///
    /// # Source
    /// Linux Documentation/networking/ip-sysctl.rst, ip_local_reserved_ports
    #[rhai_fn(return_raw, volatile)]
    pub fn reserved(ctx: NativeCallContext) -> Answer<PortSet> {
        present(&ctx)
    }

    /// Reserves ports that are not reserved.
    ///
    /// - `ports`: a port, a range, a text (`"8080,9000-9010"`), a set or an array of these
    ///
    /// # Changes
    /// The reserved ports, those of others stay; undo sets these free again.
    ///
    /// # Fails
    /// `exists`: one of them is reserved already. `refused`: somebody has one of them; the fault names the socket and its processes. `input`: it is
    /// no port.
    ///
    /// # Example
    /// ```rhai
    /// ports::add_reserved("9000-9010");
    /// 9005 in ports::reserved()
    /// ```
    ///
    /// # Source
    /// Linux Documentation/networking/ip-sysctl.rst, ip_local_reserved_ports
    #[rhai_fn(return_raw, volatile)]
    pub fn add_reserved(ctx: NativeCallContext, ports: Dynamic) -> Answer<()> {
        let wanted = given(&ctx, &ports)?;
        let twice = wanted.and(&present(&ctx)?);
        if !twice.is_empty() {
            let why = format!("{} is reserved already", twice.in_short());
            let fault = Fault::new(Kind::Exists, format!("reserve {}", wanted.in_short()), why);
            return Err(call::fault(&ctx, fault.hint("`ensure_reserved` does not mind")));
        }
        nobody_has(&ctx, &wanted, &Map::new())?;
        change(&ctx, wanted.ports().map(|port| Edit::Add(Object::ReservedPort(port), State::Present)).collect())
    }

    /// Sets ports free that are reserved.
    ///
    /// - `ports`: a port, a range, a text (`"8080,9000-9010"`), a set or an array of these
    ///
    /// # Changes
    /// The reserved ports; undo reserves these again.
    ///
    /// # Fails
    /// `not-found`: one of them is not reserved. `input`: it is no port.
    ///
    /// # Example
    /// ```rhai
    /// ports::add_reserved("9000-9010");
    /// ports::del_reserved(9005);
    /// 9005 in ports::reserved() == false
    /// ```
    ///
    /// # Source
    /// Linux Documentation/networking/ip-sysctl.rst, ip_local_reserved_ports
    #[rhai_fn(return_raw, volatile)]
    pub fn del_reserved(ctx: NativeCallContext, ports: Dynamic) -> Answer<()> {
        let wanted = given(&ctx, &ports)?;
        let missing = wanted.without(&present(&ctx)?);
        if !missing.is_empty() {
            let why = format!("{} is not reserved", missing.in_short());
            let fault = Fault::new(Kind::NotFound, format!("set {} free", wanted.in_short()), why);
            return Err(call::fault(&ctx, fault.hint("`absent_reserved` does not mind")));
        }
        change(&ctx, wanted.ports().map(|port| Edit::Del(Object::ReservedPort(port))).collect())
    }

    /// Sees to it that ports are reserved.
    ///
    /// Where another recipe has reserved one of them, this one relies on it: it stays until both are lifted.
    ///
    /// - `ports`: a port, a range, a text (`"8080,9000-9010"`), a set or an array of these
    ///
    /// # Changes
    /// The reserved ports, those of others stay; undo sets free what was not reserved before.
    ///
    /// # Fails
    /// `refused`: somebody has one of them that is not reserved yet; the fault names the socket and its processes. `input`: it is no port.
    ///
    /// # Example
    /// ```rhai
    /// ports::ensure_reserved([9000..=9010, 9100]);
    /// ```
    ///
    /// # Source
    /// Linux Documentation/networking/ip-sysctl.rst, ip_local_reserved_ports
    #[rhai_fn(return_raw, volatile)]
    pub fn ensure_reserved(ctx: NativeCallContext, ports: Dynamic) -> Answer<()> {
        ensure_reserved_with(ctx, ports, Map::new())
    }

    /// Sees to it that ports are reserved, with options.
    ///
    /// - `options`: with `in_use: true` also those that somebody has; who has a port keeps it
    ///
    /// # Changes
    /// The reserved ports, those of others stay; undo sets free what was not reserved before.
    ///
    /// # Fails
    /// As without options. `input`: an option is unknown.
    ///
    /// # Example
    /// ```rhai
    /// ports::ensure_reserved("8080", #{ in_use: true });
    /// ```
    ///
    /// # Source
    /// Linux Documentation/networking/ip-sysctl.rst, ip_local_reserved_ports
    #[rhai_fn(name = "ensure_reserved", return_raw, volatile)]
    pub fn ensure_reserved_with(ctx: NativeCallContext, ports: Dynamic, options: Map) -> Answer<()> {
        known(&ctx, &options)?;
        let wanted = given(&ctx, &ports)?;
        nobody_has(&ctx, &wanted.without(&present(&ctx)?), &options)?;
        change(&ctx, wanted.ports().map(ensure).collect())
    }

    /// Sees to it that ports are not reserved.
    ///
    /// - `ports`: a port, a range, a text (`"8080,9000-9010"`), a set or an array of these
    ///
    /// # Changes
    /// The reserved ports; undo reserves again what was reserved.
    ///
    /// # Fails
    /// `input`: it is no port.
    ///
    /// # Example
    /// ```rhai
    /// ports::absent_reserved("9000-9010");
    /// ```
    ///
    /// # Source
    /// Linux Documentation/networking/ip-sysctl.rst, ip_local_reserved_ports
    #[rhai_fn(return_raw, volatile)]
    pub fn absent_reserved(ctx: NativeCallContext, ports: Dynamic) -> Answer<()> {
        let wanted = given(&ctx, &ports)?;
        change(&ctx, wanted.ports().map(absent).collect())
    }

    /// Lists who has ports: the sockets of TCP and UDP with one of them as their own, with the processes that hold them.
    ///
    /// - `ports`: a port, a range, a text (`"8080,9000-9010"`), a set or an array of these
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is no port.
    ///
    /// # Example
    /// ```rhai
    /// ports::holders("1-1023")
    /// ```
    ///
    /// # Source
    /// ss(8)
    #[rhai_fn(return_raw, volatile)]
    pub fn holders(ctx: NativeCallContext, ports: Dynamic) -> Answer<Array> {
        sockets::list::with_ports(&ctx, &given(&ctx, &ports)?)
    }
}
