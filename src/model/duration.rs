//! Durations, as the tools write them.

use std::time::Duration;

use super::Fault;
use super::quantity::{Quantity, written};

/// A span of time, to the microsecond: `"500ms"`, `"1s"`, `"2min"`, `"1h30m"`, `"1d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// The longest span: a year. A longer one is a mistake.
    pub const MAX: Duration = Duration::from_secs(366 * 24 * 3600);

    /// Reads a number of seconds, fractions allowed.
    pub fn from_seconds(seconds: f64) -> Result<Self, Fault> {
        let refuse = |why: &str| Err(Fault::input(format!("read {seconds} as a duration"), why));
        match seconds {
            n if n.is_nan() => refuse("it is not a number"),
            n if n < 0.0 => refuse("it is negative"),
            n if n > Self::MAX.as_secs_f64() => refuse("it is longer than a year"),
            n => Ok(Self::made((n * 1e6).round() as u64)),
        }
    }
}

impl Quantity for Span {
    const NOUN: &'static str = "duration";
    const OF: &'static str = "time";
    const FORM: &'static str = "numbers with units: 500ms, 90s, 2min, 1h30m, 1d";
    const UNITS: &'static [(&'static str, u64)] = &[
        ("us", 1),
        ("usec", 1),
        ("usecs", 1),
        ("ms", 1_000),
        ("msec", 1_000),
        ("msecs", 1_000),
        ("s", 1_000_000),
        ("sec", 1_000_000),
        ("secs", 1_000_000),
        ("m", 60_000_000),
        ("min", 60_000_000),
        ("h", 3_600_000_000),
        ("d", 86_400_000_000),
    ];
    const SHOWN: &'static [(&'static str, u64)] =
        &[("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1), ("s", 1_000_000)];
    const MOST: (u64, &'static str) = (Self::MAX.as_secs() * 1_000_000, "longer than a year");
    const JOINED: bool = true;

    fn count(self) -> u64 {
        self.0.as_micros() as u64
    }

    fn made(count: u64) -> Self {
        Self(Duration::from_micros(count))
    }
}

written!(Span);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_duration_reads_back(micros in 0..=Span::MOST.0) {
            let span = Span::made(micros);
            prop_assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }
    }

    #[test]
    fn a_duration_reads_back_as_it_was_written() {
        for text in ["500ms", "1s", "91s", "2min", "1h", "1d", "7us", "0s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("1h30m".parse::<Span>().unwrap(), Span(Duration::from_secs(5400)));
        assert_eq!("1.5min".parse::<Span>().unwrap(), Span(Duration::from_secs(90)));
        assert_eq!("60s".parse::<Span>().unwrap().to_string(), "1min");
        assert_eq!("0.1s".parse::<Span>().unwrap().to_string(), "100ms");
        assert_eq!("366d".parse::<Span>().unwrap(), Span(Span::MAX));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "-5s",
            "5 minutes",
            "1h-1m",
            "nan",
            "NaNs",
            "1e400s",
            "s",
            ".s",
            ".5s",
            "1.s",
            "1.2.3s",
            "5",
            "1 s",
            "400d",
            "9223372036854775808ms",
            "infs",
            "0.1us",
            "99999999999999999999s",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_counted_with() {
        let span = |text: &str| text.parse::<Span>().unwrap();
        assert_eq!(span("1h").plus(span("30min")).unwrap(), span("1h30m"));
        assert_eq!(span("1h").minus(span("30min")).unwrap(), span("30min"));
        assert_eq!(span("1s").times(0.25).unwrap(), span("250ms"));
        assert_eq!(span("1s").over(3.0).unwrap(), span("333333us"));
        assert_eq!(span("1h").ratio(span("1min")).unwrap(), 60.0);
        assert!(span("59min") < span("1h"));
        let fault = span("1s").minus(span("2s")).unwrap_err();
        assert_eq!(fault.to_string(), "cannot take 2s from 1s: a duration is never negative");
        assert_eq!(span("300d").plus(span("300d")).unwrap_err().why, "it is longer than a year");
        for factor in [f64::NAN, f64::INFINITY, -1.0] {
            assert!(span("1s").times(factor).is_err(), "{factor}");
        }
        assert!(span("1s").over(0.0).is_err() && span("1s").ratio(span("0s")).is_err() && span("0s").over(0.0).is_err());
    }
}
