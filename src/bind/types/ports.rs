//! Sets of ports.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, NativeCallContext};

use crate::bind::call::{Answer, answer};
use crate::model::Fault;
use crate::model::net::Ports;
use crate::model::ports::PortSet as PortSetValue;

/// Reads what a script gives as ports, as ranges: a number, a range, a text with commas, a set, or an array of all that.
pub(in crate::bind) fn ranges(value: &Dynamic) -> Result<Vec<Ports>, Fault> {
    if let Some(list) = value.read_lock::<Array>() {
        return list.iter().map(ranges).collect::<Result<Vec<_>, _>>().map(|parts| parts.concat());
    }
    if let Some(set) = value.read_lock::<PortSetValue>() {
        return Ok(set.ranges());
    }
    let range = |first: i64, last: i64| Ok(vec![Ports::new(first, last)?]);
    if let Some(given) = value.read_lock::<std::ops::RangeInclusive<i64>>() {
        return range(*given.start(), *given.end());
    }
    if let Some(given) = value.read_lock::<std::ops::Range<i64>>() {
        return range(given.start, given.end.saturating_sub(1));
    }
    if let Ok(port) = value.as_int() {
        return range(port, port);
    }
    match value.as_immutable_string_ref() {
        Ok(text) if text.contains(',') => {
            let of_all =
                |part: &str, fault: Fault| Fault::input(format!("use {:?} as ports", text.as_str()), format!("{part:?}: {}", fault.why));
            text.split(',').map(|part| Ports::either(part).map_err(|fault| of_all(part, fault))).collect()
        }
        Ok(text) => Ports::either(&text).map(|ports| vec![ports]),
        Err(_) => Err(Fault::input("use a value as ports", format!("it is of type {}", value.type_name()))
            .hint("a number, a range (8000..=8010), a text (\"22,8000-8010\"), a set of ports, or an array of them")),
    }
}

/// Reads what a script gives as ports, as a set; nobody can have port 0.
pub(in crate::bind) fn set(value: &Dynamic) -> Result<PortSetValue, Fault> {
    if let Some(set) = value.read_lock::<PortSetValue>() {
        return Ok(set.clone());
    }
    let mut set = PortSetValue::new();
    ranges(value)?.into_iter().try_for_each(|ports| set.insert(ports))?;
    Ok(set)
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A set of ports.
    pub type PortSet = PortSetValue;

    /// Makes a set of ports.
    ///
    /// - `ports`: a port from 1 to 65535, a range (`8000..=8010`), a text (`"22,8000-8010"`), or an array of these; `[]` is the empty set
    ///
    /// Sets are added (`+`), subtracted (`-`) and intersected (`&`), also with anything that could be made one. However many holes a set has, that
    /// takes the same few microseconds. Printed, it has ranges.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is no port, or port 0, or a range the wrong way round.
    ///
    /// # Example
    /// ```rhai
    /// let free = port_set("1024-65535") - [3306, 5432] - "8000-8010";
    /// 3306 in free == false && free.len == 64512 - 13
    /// ```
    ///
    /// # Source
    /// RFC 6335
    #[rhai_fn(global, return_raw)]
    pub fn port_set(ctx: NativeCallContext, ports: Dynamic) -> Answer<PortSet> {
        answer(&ctx, set(&ports))
    }

    /// Tells how many ports are in the set.
    #[rhai_fn(get = "len", global, pure)]
    pub fn len(ports: &mut PortSet) -> i64 {
        ports.len() as i64
    }

    /// Gives the lowest port of the set; `()` of an empty one.
    #[rhai_fn(get = "first", global, pure)]
    pub fn first(ports: &mut PortSet) -> Dynamic {
        ports.ranges().first().map_or(Dynamic::UNIT, |range| i64::from(range.first).into())
    }

    /// Gives the highest port of the set; `()` of an empty one.
    #[rhai_fn(get = "last", global, pure)]
    pub fn last(ports: &mut PortSet) -> Dynamic {
        ports.ranges().last().map_or(Dynamic::UNIT, |range| i64::from(range.last).into())
    }

    /// Tells whether no port is in the set.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// (port_set("22") - 22).is_empty()
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(global, pure)]
    pub fn is_empty(ports: &mut PortSet) -> bool {
        ports.is_empty()
    }

    /// Tells whether ports are in the set, all of them; the operator `in` asks the same.
    ///
    /// - `other`: a port, a range, a text, a set or an array of these
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is no port.
    ///
    /// # Example
    /// ```rhai
    /// let web = port_set([80, 443, 8000..=8010]);
    /// web.contains("8000-8005") && 443 in web && !web.contains(22)
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(global, return_raw, pure)]
    pub fn contains(ctx: NativeCallContext, ports: &mut PortSet, other: Dynamic) -> Answer<bool> {
        answer(&ctx, set(&other).map(|other| other.without(ports).is_empty()))
    }

    /// Lists the ranges that the set consists of, each as a range of the language.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// port_set("22,80-90").ranges().len == 2
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(global, pure)]
    pub fn ranges(ports: &mut PortSet) -> Array {
        ports.ranges().iter().map(|range| Dynamic::from(i64::from(range.first)..=i64::from(range.last))).collect()
    }

    /// Lists the ports of the set, from the lowest on.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// port_set("22,80-82").to_array() == [22, 80, 81, 82]
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(global, pure)]
    pub fn to_array(ports: &mut PortSet) -> Array {
        ports.ports().map(|port| i64::from(port).into()).collect()
    }

    /// Gives the ports of both.
    #[rhai_fn(name = "+", global, return_raw)]
    pub fn plus(ctx: NativeCallContext, one: PortSet, other: Dynamic) -> Answer<PortSet> {
        answer(&ctx, set(&other).map(|other| one.or(&other)))
    }

    /// Gives the ports of the first that are not in the second.
    #[rhai_fn(name = "-", global, return_raw)]
    pub fn minus(ctx: NativeCallContext, one: PortSet, other: Dynamic) -> Answer<PortSet> {
        answer(&ctx, set(&other).map(|other| one.without(&other)))
    }

    /// Gives the ports that are in both.
    #[rhai_fn(name = "&", global, return_raw)]
    pub fn common(ctx: NativeCallContext, one: PortSet, other: Dynamic) -> Answer<PortSet> {
        answer(&ctx, set(&other).map(|other| one.and(&other)))
    }

    /// Tells whether both have the same ports.
    #[rhai_fn(name = "==", global)]
    pub fn same(one: PortSet, other: Dynamic) -> bool {
        set(&other).is_ok_and(|other| one == other)
    }

    /// Tells whether they have different ports.
    #[rhai_fn(name = "!=", global)]
    pub fn differs(one: PortSet, other: Dynamic) -> bool {
        !same(one, other)
    }

    /// Prints the set as the kernel does: ports and ranges between commas.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn to_string(ports: &mut PortSet) -> ImmutableString {
        ports.to_string().into()
    }
}
