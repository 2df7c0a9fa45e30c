//! The class id of net_cls: the number of a class of tc(8), by which iptables(8) and filters know the packets of a group.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::Fault;

/// A class id: `10:1` as tc(8) writes it is 0x00100001; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClassId(pub u32);

impl fmt::Display for ClassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl FromStr for ClassId {
    type Err = Fault;

    /// Reads a number, decimal or hexadecimal behind `0x`, or the handle of tc(8).
    fn from_str(text: &str) -> Result<Self, Fault> {
        let hex = |digits: &str, most: usize| {
            let plain = (1..=most).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            u32::from_str_radix(digits, 16).ok().filter(|_| plain)
        };
        let number = match (text.split_once(':'), text.strip_prefix("0x")) {
            (Some((major, minor)), _) => hex(major, 4).zip(hex(minor, 4)).map(|(major, minor)| major << 16 | minor),
            (None, Some(digits)) => hex(digits, 8),
            (None, None) => text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit())),
        };
        let fault = || Fault::input(format!("use {text:?} as a class id"), "it is no number of 32 bits");
        number.map(Self).ok_or_else(|| fault().hint("as a number (1048577, 0x100001), or as tc(8) writes a class (10:1)"))
    }
}
