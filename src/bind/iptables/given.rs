//! What a script gives as a rule, turned into words of each family.

use rhai::{Array, Dynamic, Map};

use super::rule::Rule;
use crate::bind::types;
use crate::model::iptables::{Words, border, spec};
use crate::model::{Family, Fault};

/// A rule as a script gives it.
pub(super) enum Given {
    /// The tool's own words, checked, with the family of their addresses.
    Words(Words, Option<Family>),
    /// A map, with the family of its addresses.
    Map(spec::Map, Option<Family>),
}

impl Given {
    /// Reads a rule: words, a map, or a rule that was listed.
    pub(super) fn read(value: &Dynamic) -> Result<Self, Fault> {
        if let Ok(text) = value.as_immutable_string_ref() {
            let words = Words::parse(&text)?;
            let family = border::check(&words)?;
            return Ok(Self::Words(words, family));
        }
        if let Some(map) = value.read_lock::<Map>() {
            let spec::Value::Map(map) = plain(&Dynamic::from_map(map.clone())) else { return Err(odd(value)) };
            let family = spec::family(&map)?;
            return Ok(Self::Map(map, family));
        }
        match value.read_lock::<Rule>() {
            Some(rule) => Ok(Self::Words(rule.rule.words.clone(), Some(rule.at.family))),
            None => Err(odd(value)),
        }
    }

    /// Reads one rule or an array of them.
    pub(super) fn read_all(value: &Dynamic) -> Result<Vec<Self>, Fault> {
        match value.read_lock::<Array>() {
            Some(list) => list.iter().map(Self::read).collect(),
            None => Ok(vec![Self::read(value)?]),
        }
    }

    /// Gives the words for a family; none where the rule's addresses are of the other one and the table is for both.
    pub(super) fn words(&self, family: Family, both: bool) -> Result<Option<Words>, Fault> {
        let (Self::Words(_, own) | Self::Map(_, own)) = self;
        match (self, own.filter(|own| *own != family)) {
            (_, Some(_)) if both => Ok(None),
            (Self::Map(map, _), _) => spec::words(map, family).map(Some),
            (Self::Words(words, _), Some(own)) => {
                let fault = Fault::input(format!("use the rule `{words}`"), format!("it is for {own}, and the table is {family}"));
                Err(fault.hint(format!("`{}::table(..)` is for {own}, `iptables::both(..)` for both", own.command())))
            }
            (Self::Words(words, _), None) => Ok(Some(words.clone())),
        }
    }
}

fn odd(value: &Dynamic) -> Fault {
    Fault::input("use a value as a rule", format!("it is of type {}", value.type_name()))
        .hint("a rule is the tool's own words (\"-p tcp --dport 22 -j DROP\"), a map (#{ proto: \"tcp\", dport: 22, jump: \"DROP\" }), or a rule that was listed")
}

/// Takes a value of a script over into the model.
fn plain(value: &Dynamic) -> spec::Value {
    if let Some(list) = value.read_lock::<Array>() {
        return spec::Value::List(list.iter().map(plain).collect());
    }
    if let Some(map) = value.read_lock::<Map>() {
        return spec::Value::Map(map.iter().map(|(key, value)| (key.to_string(), plain(value))).collect());
    }
    if let Some(range) = value.read_lock::<std::ops::Range<i64>>() {
        return spec::Value::Range(range.start, range.end.saturating_sub(1));
    }
    if let Some(range) = value.read_lock::<std::ops::RangeInclusive<i64>>() {
        return spec::Value::Range(*range.start(), *range.end());
    }
    match value {
        v if v.is_unit() => spec::Value::Nothing,
        v if v.is_bool() => spec::Value::Bool(v.as_bool().unwrap_or_default()),
        v if v.is_int() => spec::Value::Int(v.as_int().unwrap_or_default()),
        v => types::text(v).map_or_else(|| spec::Value::Other(v.type_name().to_owned()), spec::Value::Text),
    }
}
