//! Rates of data, in the units of tc(8).

use super::Fault;
use super::duration::Span;
use super::quantity::{Quantity, written};
use super::size::Size;

/// Bits per second: `"1mbit"`, `"2.5gbit"`, `"100kbps"` (kilobytes per second), `"64kibit"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u64);

impl Rate {
    /// Gives what comes together in a time, in whole bytes.
    pub fn during(self, span: Span) -> Result<Size, Fault> {
        let bytes = u128::from(self.0) * u128::from(span.count()) / 8_000_000;
        Size::of(bytes, || format!("multiply {self} by {span}"))
    }
}

impl Quantity for Rate {
    const NOUN: &'static str = "rate";
    const OF: &'static str = "rate";
    const FORM: &'static str = "a number with a unit of tc(8): 512kbit, 1mbit, 2.5gbit; 100kbps is in bytes, 1mibit in 1024s";
    const UNITS: &'static [(&'static str, u64)] = &[
        ("bit", 1),
        ("kbit", 1_000),
        ("mbit", 1_000_000),
        ("gbit", 1_000_000_000),
        ("tbit", 1_000_000_000_000),
        ("kibit", 1 << 10),
        ("mibit", 1 << 20),
        ("gibit", 1 << 30),
        ("tibit", 1 << 40),
        ("bps", 8),
        ("kbps", 8_000),
        ("mbps", 8_000_000),
        ("gbps", 8_000_000_000),
        ("tbps", 8_000_000_000_000),
        ("kibps", 8 << 10),
        ("mibps", 8 << 20),
        ("gibps", 8 << 30),
        ("tibps", 8 << 40),
    ];
    const SHOWN: &'static [(&'static str, u64)] =
        &[("tbit", 1_000_000_000_000), ("gbit", 1_000_000_000), ("mbit", 1_000_000), ("kbit", 1_000), ("bit", 1)];
    const MOST: (u64, &'static str) = (i64::MAX as u64, "more than 9223372 tbit");

    fn count(self) -> u64 {
        self.0
    }

    fn made(count: u64) -> Self {
        Self(count)
    }
}

written!(Rate);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    proptest! {
        #[test]
        fn every_rate_reads_back(bits in 0..=Rate::MOST.0, zeros in 0u32..13) {
            let rate = Rate(bits / 10u64.pow(zeros) * 10u64.pow(zeros));
            prop_assert_eq!(rate.to_string().parse::<Rate>().unwrap(), rate);
        }
    }

    #[test]
    fn units_are_those_of_tc() {
        for (text, bits, shown) in [
            ("1mbit", 1_000_000, "1mbit"),
            ("1.5Mbit", 1_500_000, "1500kbit"),
            ("0.1kbit", 100, "100bit"),
            ("1kibit", 1024, "1024bit"),
            ("1mbps", 8_000_000, "8mbit"),
            ("1KiBps", 8192, "8192bit"),
            ("10Gbit", 10_000_000_000, "10gbit"),
            ("0bit", 0, "0bit"),
        ] {
            assert_eq!((rate(text).count(), rate(text).to_string().as_str()), (bits, shown), "{text}");
        }
        assert!(rate("1mibit") > rate("1mbit") && rate("1kbps") == rate("8kbit"));
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for (text, why) in [
            ("", "it is empty"),
            ("1000", "a unit is missing"),
            ("1 mbit", "a unit is missing"),
            ("-1mbit", "a number is missing, or too long"),
            ("1e6bit", "\"e\" is no unit of rate"),
            ("0.5bit", "it is finer than 1bit"),
            ("10mb", "\"mb\" is no unit of rate"),
            ("1mbit1kbit", "\"1kbit\" stands behind it"),
            ("9999999tbit", "it is more than 9223372 tbit"),
            ("50%", "a unit is missing"),
        ] {
            assert_eq!(text.parse::<Rate>().unwrap_err().why, why, "{text}");
        }
    }

    #[test]
    fn a_rate_and_a_time_are_a_size() {
        let (span, size) = (|text: &str| text.parse::<Span>().unwrap(), |text: &str| text.parse::<Size>().unwrap());
        assert_eq!(rate("1mbit").during(span("100ms")).unwrap(), size("12500b"));
        assert_eq!(size("12500b").at(rate("1mbit")).unwrap(), span("100ms"));
        assert_eq!(size("12500b").per(span("100ms")).unwrap(), rate("1mbit"));
        assert!(size("1b").at(rate("0bit")).is_err() && size("1b").per(span("0s")).is_err());
        assert!(rate("9000000tbit").during(span("366d")).is_err());
    }
}
