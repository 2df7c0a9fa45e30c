//! How much, how long and how fast: bounds that a stream of packets always has.

use std::time::Duration;

use crate::model::Fault;

/// The bounds of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many packets.
    pub count: u64,
    /// For how long.
    pub time: Duration,
    /// How many packets in a second.
    pub rate: u64,
}

impl Limits {
    /// The bounds of what is sent, where nothing else is said: nobody is flooded by a slip.
    pub const SEND: Self = Self { count: 1000, time: Duration::from_secs(10), rate: 1000 };
    /// The bounds of what is captured, where nothing else is said.
    pub const CAPTURE: Self = Self { count: 10_000, time: Duration::from_secs(10), rate: 1_000_000 };

    /// The most of each.
    const COUNT: u64 = 1_000_000_000_000;
    const TIME: Duration = Duration::from_secs(24 * 3600);
    const RATE: u64 = 1_000_000_000;

    /// Sets how many packets.
    pub fn count(&mut self, count: i64) -> Result<(), Fault> {
        self.count = number("count", count, Self::COUNT)?;
        Ok(())
    }

    /// Sets how many packets in a second.
    pub fn rate(&mut self, rate: i64) -> Result<(), Fault> {
        self.rate = number("rate", rate, Self::RATE)?;
        Ok(())
    }

    /// Sets for how long.
    pub fn time(&mut self, time: Duration) -> Result<(), Fault> {
        if time.is_zero() || time > Self::TIME {
            return Err(Fault::input("use this `time` as a limit", "it is between 1us and 24h"));
        }
        self.time = time;
        Ok(())
    }

    /// Gives how many packets may have been sent after a time.
    pub fn due(&self, after: Duration) -> u64 {
        let by_rate = after.as_nanos().saturating_mul(self.rate.into()) / 1_000_000_000;
        u64::try_from(by_rate).unwrap_or(u64::MAX).saturating_add(1).min(self.count)
    }

    /// Gives when so many packets may have been sent, counted from the beginning.
    pub fn when(&self, packets: u64) -> Duration {
        Duration::from_nanos(u64::try_from(u128::from(packets) * 1_000_000_000 / u128::from(self.rate)).unwrap_or(u64::MAX))
    }
}

fn number(name: &str, value: i64, most: u64) -> Result<u64, Fault> {
    let found = u64::try_from(value).ok().filter(|value| (1..=most).contains(value));
    found.ok_or_else(|| Fault::input(format!("use {value} as the limit `{name}`"), format!("it is a number from 1 to {most}")))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_due_by_the_rate() {
        let limits = Limits { count: 100, time: Duration::from_secs(1), rate: 1000 };
        assert_eq!((limits.due(Duration::ZERO), limits.due(Duration::from_millis(10)), limits.due(Duration::from_secs(9))), (1, 11, 100));
        assert_eq!(limits.when(10), Duration::from_millis(10));
        for packets in 1..100 {
            assert!(limits.due(limits.when(packets)) > packets || limits.count == packets, "{packets}");
        }
    }

    #[test]
    fn there_is_always_a_bound() {
        let mut limits = Limits::SEND;
        for odd in [0, -1, i64::MAX] {
            assert!(limits.count(odd).is_err() && limits.rate(odd).is_err());
        }
        assert!(limits.time(Duration::ZERO).is_err() && limits.time(Duration::from_secs(90_000)).is_err());
        assert_eq!(limits, Limits::SEND);
    }
}
