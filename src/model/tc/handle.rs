//! Handles: the numbers by which qdiscs and classes are known.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Fault;

/// A handle: a major number that a qdisc and its classes share, and a minor number, which is 0 for the qdisc itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Handle(u32);

impl Handle {
    /// No handle: the kernel chooses one.
    pub const NONE: Self = Self(0);
    /// The place of the qdisc through which everything leaves a device.
    pub const ROOT: Self = Self(0xffff_ffff);
    /// The place of the qdisc at which everything arrives: ingress, or clsact.
    pub const INGRESS: Self = Self(0xffff_fff1);
    /// Where the filters of clsact for arriving packets are.
    pub const CLSACT_INGRESS: Self = Self(0xffff_fff2);
    /// Where the filters of clsact for leaving packets are.
    pub const CLSACT_EGRESS: Self = Self(0xffff_fff3);
    /// The handle that the qdisc at [`Handle::INGRESS`] always has.
    pub const OF_INGRESS: Self = Self(0xffff_0000);
    /// The first of those that are given to a qdisc for which nobody chose one.
    pub const FIRST_FREE: u16 = 0x8001;

    /// Makes a handle of both its numbers.
    pub fn new(major: u16, minor: u16) -> Self {
        Self(u32::from(major) << 16 | u32::from(minor))
    }

    /// Makes a handle of the number that the kernel has for it.
    pub fn of(bits: u32) -> Self {
        Self(bits)
    }

    /// Gives the number that the kernel has for it.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Gives the number of the qdisc.
    pub fn major(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Gives the number of the class.
    pub fn minor(self) -> u16 {
        self.0 as u16
    }

    /// Gives the handle of the qdisc that it belongs to.
    pub fn qdisc(self) -> Self {
        Self(self.0 & 0xffff_0000)
    }

    /// Reads the handle of a qdisc as tc(8) does: `1:`, or `1`, in hexadecimal.
    pub fn of_qdisc(text: &str) -> Result<Self, Fault> {
        let fault = |why: &str| refuse(text, "the handle of a qdisc", why, "a handle is a hexadecimal number before a colon: 1: or 8001:");
        match text.split_once(':') {
            Some((_, minor)) if !minor.is_empty() => Err(fault("a number behind the colon is that of a class")),
            Some((major, _)) => hex(major).map(|major| Self::new(major, 0)).ok_or_else(|| fault(LARGE)),
            None if text == "none" => Ok(Self::NONE),
            None => hex(text).map(|major| Self::new(major, 0)).ok_or_else(|| fault(LARGE)),
        }
    }

    /// Reads the handle of a class or of a qdisc as tc(8) does: `1:10`, `1:`, `:10`, `root`, in hexadecimal.
    pub fn of_class(text: &str) -> Result<Self, Fault> {
        let fault = || refuse(text, "the handle of a class", LARGE, "two hexadecimal numbers with a colon between: 1:10");
        match text.split_once(':') {
            _ if text == "root" => Ok(Self::ROOT),
            _ if text == "none" => Ok(Self::NONE),
            Some((major, minor)) => {
                let part = |text: &str| if text.is_empty() { Some(0) } else { hex(text) };
                Ok(Self::new(part(major).ok_or_else(fault)?, part(minor).ok_or_else(fault)?))
            }
            // Without a colon tc(8) takes the whole number.
            None => plain(text, 8).then(|| u32::from_str_radix(text, 16).ok()).flatten().map(Self).ok_or_else(fault),
        }
    }
}

const LARGE: &str = "each of its numbers has up to four hexadecimal digits";

fn refuse(text: &str, what: &str, why: &str, form: &str) -> Fault {
    Fault::input(format!("use {text:?} as {what}"), why).hint(form)
}

fn plain(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

fn hex(text: &str) -> Option<u16> {
    plain(text, 4).then(|| u16::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.major(), self.minor()) {
            (Self::ROOT, ..) => f.write_str("root"),
            (Self::NONE, ..) => f.write_str("none"),
            (_, 0, minor) => write!(f, ":{minor:x}"),
            (_, major, 0) => write!(f, "{major:x}:"),
            (_, major, minor) => write!(f, "{major:x}:{minor:x}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_handle_reads_back(bits: u32) {
            prop_assert_eq!(Handle::of_class(&Handle::of(bits).to_string()).unwrap(), Handle::of(bits));
        }
    }

    #[test]
    fn handles_are_hexadecimal() {
        assert_eq!(Handle::of_qdisc("1:").unwrap(), Handle::new(1, 0));
        assert_eq!(Handle::of_qdisc("8001").unwrap(), Handle::new(0x8001, 0));
        assert_eq!(Handle::of_class("1:10").unwrap(), Handle::new(1, 16));
        assert_eq!((Handle::of_class(":3").unwrap(), Handle::of_class("1:").unwrap()), (Handle::new(0, 3), Handle::new(1, 0)));
        assert_eq!(Handle::of_class("10010").unwrap(), Handle::new(1, 16));
    }

    #[test]
    fn what_is_no_handle_is_refused() {
        for text in ["", ":", "1:1", "10000:", "g:", "-1:", "1 :", "+1:", "0x1:", "1:2:3"] {
            assert!(Handle::of_qdisc(text).is_err(), "{text:?}");
        }
        for text in ["", "1:10000", "10000:1", "1:g", "100000000", "1:-1", "1: 1", "1:2:3"] {
            assert!(Handle::of_class(text).is_err(), "{text:?}");
        }
        let fault = Handle::of_qdisc("10000:").unwrap_err();
        assert_eq!(
            fault.to_string(),
            "cannot use \"10000:\" as the handle of a qdisc: each of its numbers has up to four hexadecimal digits"
        );
    }
}
