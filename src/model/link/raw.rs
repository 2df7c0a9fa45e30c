//! Bytes of the kernel's that fyke keeps without looking into them, so that what they say comes back with the rest.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::Fault;
use crate::model::hex::hex;

/// Bytes, written in hexadecimal.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Raw(Arc<[u8]>);

impl Raw {
    /// Takes bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Gives the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Raw> for String {
    fn from(raw: Raw) -> Self {
        hex(&raw.0)
    }
}

impl TryFrom<String> for Raw {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        bytes.map(|bytes| Self(bytes.into())).ok_or_else(|| Fault::input(format!("read {text:?}"), "it is no hexadecimal number"))
    }
}
