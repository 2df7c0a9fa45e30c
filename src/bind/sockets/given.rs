//! Which sockets a script means: the words of ss(8), or a map.

use rhai::{Array, Dynamic, Map};

use crate::bind::{options, types};
use crate::model::Fault;
use crate::model::near::did_you_mean;
use crate::model::net::InterfaceMatch;
use crate::model::sockets::{Expr, Filter, Side, States};

/// The keys of a map.
pub const KEYS: &[&str] = &[
    "proto",
    "state",
    "port",
    "peer_port",
    "address",
    "peer_address",
    "local",
    "peer",
    "interface",
    "mark",
    "uid",
    "pid",
    "process",
    "filter",
    "processes",
    "extended",
];

/// What is asked for.
#[derive(Default)]
pub(super) struct Given {
    /// Which sockets are meant.
    pub(super) filter: Filter,
    /// The name of the process that holds them.
    pub(super) process: Option<String>,
    /// Whether it is to be found out who holds them.
    pub(super) processes: bool,
}

impl Given {
    /// Reads words or a map.
    pub(super) fn read(value: &Dynamic) -> Result<Self, Fault> {
        if let Ok(words) = value.as_immutable_string_ref() {
            return Ok(Self { filter: words.parse()?, ..Self::default() });
        }
        match value.read_lock::<Map>() {
            Some(map) => Self::of_map(&map),
            None => Err(Fault::input("use a value as a filter of sockets", format!("it is of type {}", value.type_name()))
                .hint("a map (#{ proto: \"tcp\", state: \"listening\" }), or the words of ss(8) (\"sport = :22\")")),
        }
    }

    fn of_map(map: &Map) -> Result<Self, Fault> {
        let mut given = Self::default();
        // The words first: what else is said is said beside them.
        if let Some(words) = options::given(map, "filter") {
            given.filter = text("filter", words)?.parse()?;
        }
        for (key, value) in map.iter().filter(|(_, value)| !value.is_unit()) {
            given.one(key, value)?;
        }
        Ok(given)
    }

    fn one(&mut self, key: &str, value: &Dynamic) -> Result<(), Fault> {
        let filter = &mut self.filter;
        match key {
            "proto" => filter.protos = each(value, &|value| text(key, value)?.parse())?,
            "state" => {
                let states: Vec<States> = each(value, &|value| text(key, value)?.parse())?;
                let named = states.into_iter().reduce(States::or);
                filter.states = named.map_or(filter.states, |named| filter.states.and(named));
            }
            "port" => filter.all.push(ports(Side::Local, value)?),
            "peer_port" => filter.all.push(ports(Side::Peer, value)?),
            "address" => filter.all.push(prefixes(Side::Local, value)?),
            "peer_address" => filter.all.push(prefixes(Side::Peer, value)?),
            "local" => filter.all.push(any(each(value, &|value| Expr::host(Side::Local, &text(key, value)?))?)),
            "peer" => filter.all.push(any(each(value, &|value| Expr::host(Side::Peer, &text(key, value)?))?)),
            "interface" => {
                let name: InterfaceMatch = text(key, value)?.parse()?;
                filter.all.push(Expr::Interface(name.to_string()));
            }
            "mark" => filter.all.push(Expr::mark(&number_or_text(key, value)?)?),
            "uid" => filter.uid = Some(bounded(key, value, 0, u32::MAX.into())? as u32),
            "pid" => filter.pid = Some(bounded(key, value, 1, i32::MAX.into())? as i32),
            "process" => self.process = Some(text(key, value)?),
            "processes" => self.processes = options::flag(key, value)?,
            "extended" => filter.extended = options::flag(key, value)?,
            "filter" => {}
            odd => {
                let hint = did_you_mean(odd, KEYS.iter().copied()).unwrap_or_else(|| format!("the keys are {}", KEYS.join(", ")));
                return Err(Fault::input(format!("use the key `{odd}` in a filter of sockets"), "there is no such key").hint(hint));
            }
        }
        Ok(())
    }
}

fn text(key: &str, value: &Dynamic) -> Result<String, Fault> {
    types::text_for(&format!("`{key}`"), value)
}

fn number_or_text(key: &str, value: &Dynamic) -> Result<String, Fault> {
    value.as_int().map_or_else(|_| text(key, value), |number| Ok(number.to_string()))
}

fn bounded(key: &str, value: &Dynamic, least: i64, most: i64) -> Result<i64, Fault> {
    match value.as_int() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(number) => Err(Fault::input(format!("use {number} as `{key}`"), format!("it must be from {least} to {most}"))),
        Err(found) => Err(Fault::input(format!("use `{key}`"), format!("it is of type {found}, not a number"))),
    }
}

/// Reads one value or an array of them.
fn each<T>(value: &Dynamic, read: &dyn Fn(&Dynamic) -> Result<T, Fault>) -> Result<Vec<T>, Fault> {
    match value.read_lock::<Array>() {
        Some(list) => list.iter().map(read).collect(),
        None => Ok(vec![read(value)?]),
    }
}

fn any(mut of: Vec<Expr>) -> Expr {
    if of.len() == 1 { of.swap_remove(0) } else { Expr::Or(of) }
}

fn ports(side: Side, value: &Dynamic) -> Result<Expr, Fault> {
    Ok(any(types::ports::ranges(value)?.into_iter().map(|range| Expr::Port(side, range)).collect()))
}

fn prefixes(side: Side, value: &Dynamic) -> Result<Expr, Fault> {
    let key = if side == Side::Local { "address" } else { "peer_address" };
    Ok(any(each(value, &|value| Ok(Expr::Address(side, text(key, value)?.parse()?)))?))
}
