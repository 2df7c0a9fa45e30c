//! What is told of a value of fyke's own: its fields, in the order in which people want to read them.

use rhai::Dynamic;

use crate::bind::iptables::rule::Rule;
use crate::bind::raw::row::Row;
use crate::bind::raw::talk::Talk;
use crate::bind::sockets::socket::{Holder, Socket};

/// The fields of a thing, by their names.
pub type Fields = Vec<(&'static str, Field)>;

/// What a field says. A list may have a hundred thousand of them: what is a text anyway does not become a value of the interpreter first.
pub enum Field {
    /// One of a few words.
    Word(&'static str),
    /// A text.
    Text(String),
    /// Anything else.
    Value(Dynamic),
}

impl Field {
    /// Gives it as a value of the interpreter.
    pub fn value(self) -> Dynamic {
        match self {
            Field::Word(word) => word.into(),
            Field::Text(text) => text.into(),
            Field::Value(value) => value,
        }
    }
}

/// Gives the fields of a value of fyke's own; nothing for other values.
pub fn fields(value: &Dynamic) -> Option<Fields> {
    (value.read_lock::<Rule>().map(|rule| rule.fields()))
        .or_else(|| value.read_lock::<Socket>().map(|socket| socket.fields()))
        .or_else(|| value.read_lock::<Holder>().map(|holder| holder.fields()))
        .or_else(|| value.read_lock::<Talk>().map(|talk| talk.fields()))
        .or_else(|| value.read_lock::<Row>().map(|row| row.fields()))
}

impl From<&'static str> for Field {
    fn from(word: &'static str) -> Self {
        Field::Word(word)
    }
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        Field::Text(text)
    }
}

impl From<i64> for Field {
    fn from(number: i64) -> Self {
        Field::Value(number.into())
    }
}

impl From<Dynamic> for Field {
    fn from(value: Dynamic) -> Self {
        Field::Value(value)
    }
}
