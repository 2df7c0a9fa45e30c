//! Durations, as the tools write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Fault;

/// A span of time: `"500ms"`, `"1s"`, `"2min"`, `"1h30m"`, `"1d"`.
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
            n => Ok(Self(Duration::from_secs_f64(n))),
        }
    }
}

/// The units, the smallest first, with their length in seconds.
const UNITS: &[(&str, f64)] =
    &[("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("sec", 1.0), ("m", 60.0), ("min", 60.0), ("h", 3600.0), ("d", 86_400.0)];

impl FromStr for Span {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let refuse = |why: &str| {
            Fault::input(format!("read {text:?} as a duration"), why).hint("write numbers with units: 500ms, 90s, 2min, 1h30m, 1d")
        };
        let (mut rest, mut seconds) = (text, 0.0);
        if rest.is_empty() {
            return Err(refuse("it is empty"));
        }
        while !rest.is_empty() {
            let (number, behind) = rest.split_at(rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len()));
            let (unit, behind) = behind.split_at(behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len()));
            let number: f64 = number.parse().ok().filter(|_| !number.starts_with('.')).ok_or_else(|| refuse("a number is missing"))?;
            let (_, length) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(|| match unit {
                "" => refuse("a unit is missing"),
                _ => refuse(&format!("{unit:?} is no unit of time")),
            })?;
            seconds += number * length;
            rest = behind;
        }
        Self::from_seconds(seconds).map_err(|fault| refuse(&fault.why))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        let (unit, length) = [("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)]
            .into_iter()
            .find(|(_, length)| micros > 0 && micros.is_multiple_of(*length))
            .unwrap_or(("s", 1_000_000));
        write!(f, "{}{unit}", micros / length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_back_as_it_was_written() {
        for text in ["500ms", "1s", "91s", "2min", "1h", "1d", "7us", "0s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!("1h30m".parse::<Span>().unwrap(), Span(Duration::from_secs(5400)));
        assert_eq!("1.5min".parse::<Span>().unwrap(), Span(Duration::from_secs(90)));
        assert_eq!("60s".parse::<Span>().unwrap().to_string(), "1min");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "-5s", "5 minutes", "1h-1m", "nan", "NaNs", "1e400s", "s", ".s", "5", "1 s", "400d", "9223372036854775808ms", "infs"]
        {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }
}
