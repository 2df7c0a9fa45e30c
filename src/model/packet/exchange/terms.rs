//! How requests are sent, and how long is waited for their answers.

use std::time::Duration;

use crate::model::Fault;

/// The longest that anything of an exchange waits.
const LONGEST: Duration = Duration::from_secs(3600);

/// So much lateness is made up for: a scheduler is not punctual.
pub(super) const SLACK: Duration = Duration::from_millis(5);

/// How requests are sent, and how long is waited for their answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long each request waits for its answer.
    pub timeout: Duration,
    /// The time between two requests.
    pub interval: Duration,
    /// How often each is sent at most.
    pub tries: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(1), interval: Duration::from_millis(1), tries: 1 }
    }
}

impl Terms {
    /// Checks that all of it can be waited for.
    pub fn checked(self) -> Result<Self, Fault> {
        let refuse = |what: &str, why: &str| Err(Fault::input(format!("use this {what} for an exchange"), why));
        match self {
            Self { timeout, .. } if timeout.is_zero() || timeout > LONGEST => refuse("timeout", "it is a time up to an hour, and not 0"),
            Self { interval, .. } if interval > LONGEST => refuse("rate", "it is one packet an hour at least"),
            Self { tries: 0 | 101.., .. } => refuse("number of retries", "it is a number from 0 to 99"),
            terms => Ok(terms),
        }
    }

    /// Reads a rate of packets: a number, and what it is counted by.
    pub fn interval_of(rate: &str) -> Result<Duration, Fault> {
        let refuse = |why: &str| Fault::input(format!("use {rate:?} as a rate of packets"), why);
        let (number, per) = rate.trim().split_once('/').unwrap_or((rate.trim(), "s"));
        let seconds = match per.trim() {
            "s" | "sec" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3600,
            _ => return Err(refuse("packets are counted by the second, minute or hour, as in \"100/s\"")),
        };
        let number: u32 = number.trim().parse().map_err(|_| refuse("it is written as a whole number, as in \"100/s\""))?;
        match number {
            0 => Err(refuse("at that rate nothing is ever sent")),
            number => Ok(Duration::from_secs(seconds) / number),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let interval = |text: &str| Terms::interval_of(text).unwrap();
        assert_eq!(
            (interval("100/s"), interval("100"), interval("1000/second")),
            (Duration::from_millis(10), Duration::from_millis(10), Duration::from_millis(1))
        );
        assert_eq!((interval("6/min"), interval("1 / hour")), (Duration::from_secs(10), Duration::from_secs(3600)));
        for odd in ["", "0/s", "-1/s", "1.5/s", "100/d", "/s", "100/", "99999999999/s"] {
            assert!(Terms::interval_of(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn what_would_never_end_is_refused() {
        let terms = Terms::default();
        assert!(terms.checked().is_ok());
        assert!(Terms { timeout: Duration::ZERO, ..terms }.checked().is_err());
        assert!(Terms { timeout: LONGEST * 2, ..terms }.checked().is_err());
        assert!(Terms { tries: 0, ..terms }.checked().is_err() && Terms { tries: 101, ..terms }.checked().is_err());
    }
}
