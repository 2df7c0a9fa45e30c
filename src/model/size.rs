//! Amounts of data, in the units of tc(8).

use super::Fault;
use super::duration::Span;
use super::quantity::{Quantity, written};
use super::rate::Rate;

/// Bytes: `"1500b"`, `"32kb"`, `"10mb"`, `"256kbit"`. A kilobyte has 1024 of them, as in tc(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// Gives the time that it takes at a rate, rounded up.
    pub fn at(self, rate: Rate) -> Result<Span, Fault> {
        let tried = || format!("divide {self} by {rate}");
        match rate.count() {
            0 => Err(Fault::input(tried(), "at that rate it never ends")),
            bits => Span::of((u128::from(self.0) * 8_000_000).div_ceil(u128::from(bits)), tried),
        }
    }

    /// Gives the rate at which it takes a time, rounded to a bit.
    pub fn per(self, span: Span) -> Result<Rate, Fault> {
        let tried = || format!("divide {self} by {span}");
        match span.count() {
            0 => Err(Fault::input(tried(), "that is no number")),
            micros => Rate::of(u128::from(self.0) * 8_000_000 / u128::from(micros), tried),
        }
    }
}

impl Quantity for Size {
    const NOUN: &'static str = "size";
    const OF: &'static str = "size";
    const FORM: &'static str = "a number with a unit of tc(8): 1500b, 32kb, 10mb, 1gb; 256kbit is in bits";
    const UNITS: &'static [(&'static str, u64)] = &[
        ("b", 1),
        ("k", 1 << 10),
        ("kb", 1 << 10),
        ("kbit", 1 << 7),
        ("m", 1 << 20),
        ("mb", 1 << 20),
        ("mbit", 1 << 17),
        ("g", 1 << 30),
        ("gb", 1 << 30),
        ("gbit", 1 << 27),
    ];
    const SHOWN: &'static [(&'static str, u64)] = &[("gb", 1 << 30), ("mb", 1 << 20), ("kb", 1 << 10), ("b", 1)];
    const MOST: (u64, &'static str) = (i64::MAX as u64, "more than 8589934591gb");

    fn count(self) -> u64 {
        self.0
    }

    fn made(count: u64) -> Self {
        Self(count)
    }
}

written!(Size);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_size_reads_back(bytes in 0..=Size::MOST.0, shift in 0u32..40) {
            let size = Size(bytes >> shift << shift);
            prop_assert_eq!(size.to_string().parse::<Size>().unwrap(), size);
        }
    }

    #[test]
    fn units_are_those_of_tc() {
        for (text, bytes, shown) in [
            ("1500b", 1500, "1500b"),
            ("32kb", 32_768, "32kb"),
            ("32K", 32_768, "32kb"),
            ("1.5mb", 1_572_864, "1536kb"),
            ("256kbit", 32_768, "32kb"),
            ("1gb", 1 << 30, "1gb"),
            ("0b", 0, "0b"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.count(), size.to_string().as_str()), (bytes, shown), "{text}");
        }
        for text in ["", "32", "32 kb", "-1kb", "1tb", "32kib", "0.1b", "1mb1kb", "9000000000gb"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
