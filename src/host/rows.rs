//! Things of one kind in a list: the names of their fields once, and what each says in one piece. There may be a hundred thousand of them.

use rhai::Dynamic;
use serde::{Serialize, Serializer};

use super::value::Value;
use crate::bind;
use crate::model::Fault;

/// Things that all have the same fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    names: Vec<&'static str>,
    cells: Vec<Value>,
}

impl Rows {
    /// Takes over a list; nothing if what is in it has no fields, or not all of it the same ones.
    pub(super) fn take(list: &[Dynamic], mut cell: impl FnMut(bind::field::Field) -> Result<Value, Fault>) -> Result<Option<Self>, Fault> {
        let Some(first) = list.first().and_then(bind::fields).filter(|fields| !fields.is_empty()) else { return Ok(None) };
        let names: Vec<&'static str> = first.iter().map(|(name, _)| *name).collect();
        let mut cells = Vec::with_capacity(names.len() * list.len());
        for thing in list {
            match bind::fields(thing) {
                Some(fields) if fields.iter().map(|(name, _)| name).eq(&names) => {
                    for (_, field) in fields {
                        cells.push(cell(field)?);
                    }
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(Self { names, cells }))
    }

    /// Gives the names of the fields.
    pub fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// Gives what each thing says, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = &[Value]> {
        self.cells.chunks_exact(self.names.len())
    }

    /// Gives each thing as a map.
    pub(super) fn maps(&self) -> impl Iterator<Item = Value> {
        self.iter().map(|row| Value::Map(self.names.iter().map(|name| (*name).into()).zip(row.iter().cloned()).collect()))
    }
}

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|cells| Row { names: &self.names, cells }))
    }
}

struct Row<'a> {
    names: &'a [&'static str],
    cells: &'a [Value],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.names.iter().zip(self.cells))
    }
}
