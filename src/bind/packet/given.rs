//! Values of a script as values of fields, and back.

use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};

use rhai::{Array, Blob, Dynamic, Map};

use crate::bind::types;
use crate::model::Fault;
use crate::model::address::Address;
use crate::model::packet::Value;

/// What is tried with a value, as long as nobody knows the name of the field.
const TRIED: &str = "use this value in a packet";

/// Reads a value that a script gives.
pub(in crate::bind) fn value(given: &Dynamic) -> Result<Value, Fault> {
    let odd = |why: String| Err(Fault::input(TRIED, why));
    if let Ok(number) = given.as_int() {
        return u64::try_from(number).map_or_else(|_| odd(format!("{number} is less than zero")), |number| Ok(Value::Number(number)));
    }
    if let Ok(flag) = given.as_bool() {
        return Ok(Value::Number(flag.into()));
    }
    if let Some(bytes) = given.read_lock::<Blob>() {
        return Ok(Value::Bytes(bytes.clone()));
    }
    if let Some(list) = given.read_lock::<Array>() {
        return list.iter().map(value).collect::<Result<_, _>>().map(Value::List);
    }
    if let Some(map) = given.read_lock::<Map>() {
        return fields(&map).map(Value::Map);
    }
    // A range of ports, both ends included or not.
    if let Some(range) = given.read_lock::<RangeInclusive<i64>>() {
        return Ok(Value::Text(format!("{}-{}", range.start(), range.end())));
    }
    if let Some(range) = given.read_lock::<Range<i64>>() {
        return Ok(Value::Text(format!("{}-{}", range.start, range.end.saturating_sub(1))));
    }
    if let Some(address) = given.read_lock::<Address>() {
        return Ok(Value::Address(address.0));
    }
    types::text(given).map_or_else(|| odd(format!("it is of type {}", given.type_name())), |text| Ok(Value::Text(text)))
}

/// Reads the fields of a map.
pub(super) fn fields(map: &Map) -> Result<Vec<(String, Value)>, Fault> {
    map.iter().map(|(name, given)| Ok((name.to_string(), named(name, given)?))).collect()
}

/// Reads the fields of a map in which `()` stands for what is to be computed.
pub(super) fn changes(map: &Map) -> Result<Vec<(String, Option<Value>)>, Fault> {
    let change = |name: &str, given: &Dynamic| (!given.is_unit()).then(|| named(name, given)).transpose();
    map.iter().map(|(name, given)| Ok((name.to_string(), change(name, given)?))).collect()
}

/// Reads the value of a field, and names the field where it is none.
fn named(name: &str, given: &Dynamic) -> Result<Value, Fault> {
    value(given).map_err(|fault| if fault.tried == TRIED { Fault { tried: format!("use this value as `{name}`"), ..fault } } else { fault })
}

/// Gives a value to a script.
pub(super) fn shown(value: &Value) -> Dynamic {
    match value {
        Value::Number(number) => i64::try_from(*number).unwrap_or(i64::MAX).into(),
        Value::Address(address) => address_of(*address),
        Value::Mac(mac) => mac.to_string().into(),
        Value::Text(text) => text.clone().into(),
        Value::Bytes(bytes) => Dynamic::from_blob(bytes.clone()),
        Value::List(list) => Dynamic::from_array(list.iter().map(shown).collect()),
        Value::Map(parts) => Dynamic::from_map(parts.iter().map(|(name, value)| (name.as_str().into(), shown(value))).collect()),
    }
}

fn address_of(address: IpAddr) -> Dynamic {
    Dynamic::from(Address(address))
}
