//! The flags that keep a run within bounds: of time, and of what it may cut.

use std::time::Duration;

use clap::Args;

use crate::model::Fault;
use crate::model::duration::Span;
use crate::transaction::{Bound, Stance, Term};

/// A bound of time; none is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeout(pub(crate) Option<Duration>);

impl Timeout {
    /// Of a script.
    pub(crate) const OF_SCRIPTS: Self = Self(Some(Duration::from_secs(600)));
    /// Of a test.
    pub(crate) const OF_TESTS: Self = Self(Some(Duration::from_secs(60)));
}

/// What keeps users from locking themselves out.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Safety {
    /// Go on even if that could cut the connection by which you are logged in
    #[arg(long)]
    pub(crate) allow_lockout: bool,
}

/// How far packets of a script may go.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Reach {
    /// Send packets to public addresses, too: not only to loopback, private and link-local ones
    #[arg(long)]
    pub(crate) allow_public: bool,
}

impl Reach {
    /// Gives the words that say the same.
    pub(crate) fn words(self) -> Vec<String> {
        if self.allow_public { vec!["--allow-public".to_owned()] } else { Vec::new() }
    }
}

impl Safety {
    /// Tells what to do about a change that could cut the login.
    pub(crate) fn stance(self) -> Stance {
        if self.allow_lockout { Stance::Allow } else { Stance::Refuse }
    }
}

/// For how long what is run is in force.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Stay {
    /// Lift it after this time (5s to 24h), whatever happens, unless `fyke confirm` comes before
    #[arg(long, value_name = "DURATION", value_parser = term, conflicts_with = "lease")]
    pub(crate) confirm: Option<Duration>,
    /// Lift it after this time (5s to 24h): it is wanted for so long only
    #[arg(long = "for", id = "lease", value_name = "DURATION", value_parser = term)]
    pub(crate) lease: Option<Duration>,
}

impl Stay {
    /// Gives the bound of the time, if there is one.
    pub(crate) fn bound(self) -> Option<Bound> {
        let bound = |term| move |span| Bound { term, span };
        self.confirm.map(bound(Term::Confirm)).or(self.lease.map(bound(Term::Lease)))
    }
}

/// Reads a bound of time: `90s`, `10m`, `1h30m`, `500ms`, or `0` for none.
pub(super) fn timeout(text: &str) -> Result<Timeout, String> {
    if text == "0" {
        return Ok(Timeout(None));
    }
    let span: Span = text.parse().map_err(|fault: Fault| format!("{}; 0 is no limit", fault.why))?;
    if span.0.is_zero() { Err("it would be over at once; 0 is no limit".to_owned()) } else { Ok(Timeout(Some(span.0))) }
}

/// Reads the time after which a run is lifted: long enough to confirm it, and short enough that somebody remembers it.
fn term(text: &str) -> Result<Duration, String> {
    const BOUNDS: std::ops::RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(24 * 3600);
    let span: Span = text.parse().map_err(|fault: Fault| fault.why)?;
    if BOUNDS.contains(&span.0) { Ok(span.0) } else { Err("it has to be between 5s and 24h".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_strictly() {
        let ms = |text| timeout(text).unwrap().0.map(|d| d.as_millis());
        assert_eq!((ms("0"), ms("90s"), ms("1h30m"), ms("1s500ms")), (None, Some(90_000), Some(5_400_000), Some(1_500)));
        for bad in ["", "-5s", "5", "5 minutes", "1h-1m", "NaN", "9223372036854775807m", "1e400s", "0s", "10000h", "s", "٣s"] {
            assert!(timeout(bad).is_err(), "{bad}");
        }
    }
}
