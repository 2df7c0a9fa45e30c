//! What scripts give when they open a socket.

use rhai::{Dynamic, Map};

use crate::bind::packet::given;
use crate::bind::{options, types};
use crate::model::near::did_you_mean;
use crate::model::packet::Value;
use crate::model::packet::filter::Filter;
use crate::model::quantity::Quantity;
use crate::model::raw::{Opt, RAW, Setting, Spec, Way, protocol};
use crate::model::size::Size;
use crate::model::{Family, Fault};

/// The options that are about the opening alone, with the kinds of sockets that have them.
const OPENING: [&str; 6] = ["header", "interface", "source", "filter", "cooked", "promiscuous"];

/// Reads a family.
pub(super) fn family(name: &str) -> Result<Family, Fault> {
    name.parse()
}

/// Reads a protocol: a name or a number.
pub(super) fn protocol_of(value: &Dynamic) -> Result<u8, Fault> {
    match value.as_int() {
        Ok(number) => {
            u8::try_from(number).map_err(|_| Fault::input(format!("use {number} as a protocol of IP"), "it is a number from 0 to 255"))
        }
        Err(_) => protocol(&types::text_for("a protocol of IP", value)?),
    }
}

/// Reads the filter.
pub(super) fn filter(value: &Dynamic) -> Result<Filter, Fault> {
    match given::value(value)? {
        Value::Map(entries) => Filter::read(&entries),
        _ => Err(Fault::input("filter packets", format!("the filter is of type {}, and a map is wanted", value.type_name()))
            .hint("as in #{ host: \"192.0.2.2\", proto: \"tcp\", port: 80 }")),
    }
}

/// Reads a value of an option.
pub(super) fn setting(option: Opt, value: &Dynamic) -> Result<Setting, Fault> {
    let number = value.as_int().or_else(|_| value.as_bool().map(i64::from));
    let number = match number {
        Ok(number) => number,
        Err(_) => {
            let text = types::text_for(&format!("the option `{}`", option.name()), value)?;
            match option {
                Opt::ReceiveBuffer | Opt::SendBuffer => i64::try_from(Size::read(&text)?.count()).unwrap_or(i64::MAX),
                _ => option.word(&text)?,
            }
        }
    };
    Setting::new(option, number)
}

/// Reads the options of a socket.
pub(super) fn spec(mut way: Way, options: &Map) -> Result<Spec, Fault> {
    let given = |name: &str| options::given(options, name);
    let mut spec = Spec::new(way.clone());
    for key in options.keys().filter(|key| !OPENING.contains(&key.as_str())) {
        let option = Opt::named(key).map_err(|fault| {
            let names = || OPENING.into_iter().chain(Opt::ALL.map(Opt::name));
            fault.hint(did_you_mean(key, names()).unwrap_or_else(|| format!("the options are {}", names().collect::<Vec<_>>().join(", "))))
        })?;
        option.fits(&way)?;
        if let Some(value) = given(key) {
            spec.settings.push(setting(option, value)?);
        }
    }
    let of_frames = way.is_of_links();
    for name in if of_frames { &["header", "interface", "source"][..] } else { &["cooked", "promiscuous"] } {
        if given(name).is_some() {
            return Err(Fault::input(format!("use the option `{name}` of a {way}"), "such sockets do not have it"));
        }
    }
    match &mut way {
        Way::Raw { header, protocol, .. } => {
            let wanted = given("header").map(|value| options::flag("header", value)).transpose()?;
            if wanted == Some(false) && *protocol == RAW {
                return Err(Fault::input("use `header: false`", "a socket of the protocol RAW always sends whole IP packets"));
            }
            *header = wanted.unwrap_or(*protocol == RAW);
        }
        Way::Packet { cooked, promiscuous, .. } => {
            *cooked = given("cooked").map_or(Ok(false), |value| options::flag("cooked", value))?;
            *promiscuous = given("promiscuous").map_or(Ok(false), |value| options::flag("promiscuous", value))?;
        }
        Way::Every if given("promiscuous").map_or(Ok(false), |value| options::flag("promiscuous", value))? => {
            return Err(Fault::input("capture frames to other hosts", "a link has to be asked for them, and no link is named"));
        }
        Way::Every => {}
        Way::Ping { .. } if given("header").is_some() => {
            return Err(Fault::input("use the option `header` of a ping socket", "the kernel always writes the header of its packets"));
        }
        Way::Ping { .. } => {}
    }
    spec.link = given("interface").map(|name| types::text_for("`interface`", name)?.parse()).transpose()?;
    spec.local = given("source").map(|value| address("`source`", value)).transpose()?;
    if let (Some(local), Some(family)) = (spec.local, way.family())
        && local.is_ipv4() != (family == Family::V4)
    {
        return Err(Fault::input(format!("send from {local}"), format!("the socket is of {family}")));
    }
    spec.filter = given("filter").map_or_else(|| Ok(Filter::default()), filter)?;
    spec.way = way;
    Ok(spec)
}

/// Reads an address of a host.
pub(super) fn address(what: &str, value: &Dynamic) -> Result<std::net::IpAddr, Fault> {
    if let Some(address) = value.read_lock::<crate::model::address::Address>() {
        return Ok(address.0);
    }
    let address: crate::model::address::Address = types::text_for(what, value)?.parse()?;
    Ok(address.0)
}
