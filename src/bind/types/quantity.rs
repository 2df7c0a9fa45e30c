//! Durations, rates and sizes.

use rhai::plugin::*;
use rhai::{Dynamic, NativeCallContext};

use super::text_for;
use crate::bind::call::{Answer, answer};
use crate::model::Fault;
use crate::model::duration::Span;
use crate::model::quantity::Quantity;
use crate::model::rate::Rate as RateValue;
use crate::model::size::Size as SizeValue;

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A span of time.
    pub type Duration = Span;
    /// Bits per second.
    pub type Rate = RateValue;
    /// Bytes.
    pub type Size = SizeValue;

    /// Makes a duration, to the microsecond.
    ///
    /// - `value`: numbers with units, `"500ms"`, `"90s"`, `"2min"`, `"1h30m"`, `"1d"`; or a number of seconds
    ///
    /// Durations are added, subtracted, compared (also with their text), and multiplied or divided by a number; a duration by a duration is a number. Rooms take them
    /// wherever they take the text.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is negative, finer than a microsecond, longer than a year, or has no known unit.
    ///
    /// # Example
    /// ```rhai
    /// duration("1h") + duration("30min") == duration("1h30m") && duration("1s") / 4 == duration(0.25)
    /// ```
    ///
    /// # Source
    /// tc(8), TIMES
    #[rhai_fn(global, return_raw)]
    pub fn duration(ctx: NativeCallContext, value: Dynamic) -> Answer<Duration> {
        answer(&ctx, span("a duration", &value))
    }

    /// Makes a rate.
    ///
    /// - `value`: a number with a unit of tc(8), `"512kbit"`, `"1.5mbit"`, `"10gbit"`; `"100kbps"` is in bytes, `"1mibit"` in multiples of 1024; or
    ///   a number of bits per second
    ///
    /// A rate times a duration is a size.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is negative, finer than a bit per second, or has no known unit.
    ///
    /// # Example
    /// ```rhai
    /// rate("1mbit") * duration("100ms") == size("12500b") && rate("1mbit") * 2 > rate("1500kbit")
    /// ```
    ///
    /// # Source
    /// tc(8), RATES
    #[rhai_fn(global, return_raw)]
    pub fn rate(ctx: NativeCallContext, value: Dynamic) -> Answer<Rate> {
        answer(&ctx, counted("a rate", &value))
    }

    /// Makes a size, an amount of data.
    ///
    /// - `value`: a number with a unit of tc(8), `"1500b"`, `"32kb"`, `"10mb"`; a kilobyte has 1024 bytes, `"256kbit"` is in bits; or a number of
    ///   bytes
    ///
    /// A size by a rate is a duration, rounded up to a microsecond; a size by a duration is a rate.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is negative, finer than a byte, or has no known unit.
    ///
    /// # Example
    /// ```rhai
    /// size("32kb") / rate("1mbit") == duration("262144us") && size("1mb").bytes == 1048576
    /// ```
    ///
    /// # Source
    /// tc(8), SIZES
    #[rhai_fn(global, return_raw)]
    pub fn size(ctx: NativeCallContext, value: Dynamic) -> Answer<Size> {
        answer(&ctx, counted("a size", &value))
    }

    /// Gives the duration in seconds, with fractions.
    #[rhai_fn(get = "seconds", global, pure)]
    pub fn seconds(duration: &mut Duration) -> f64 {
        duration.0.as_secs_f64()
    }

    /// Gives the rate in bits per second.
    #[rhai_fn(get = "bits", global, pure)]
    pub fn bits(rate: &mut Rate) -> i64 {
        i64::try_from(rate.count()).unwrap_or(i64::MAX)
    }

    /// Gives the size in bytes.
    #[rhai_fn(get = "bytes", global, pure)]
    pub fn bytes(size: &mut Size) -> i64 {
        i64::try_from(size.count()).unwrap_or(i64::MAX)
    }
}

/// Reads a text, or takes a number of seconds.
pub(in crate::bind) fn span(what: &str, value: &Dynamic) -> Result<Span, Fault> {
    let seconds = value.as_float().or_else(|_| value.as_int().map(|seconds| seconds as f64));
    seconds.map_or_else(|_| text_for(what, value)?.parse(), Span::from_seconds)
}

/// Reads a text, or takes a number for the smallest unit.
fn counted<Q: Quantity>(what: &str, value: &Dynamic) -> Result<Q, Fault> {
    let Ok(number) = value.as_int() else { return Q::read(&text_for(what, value)?) };
    let tried = || format!("use {number} as {what}");
    match u128::try_from(number) {
        Ok(count) => Q::of(count, tried),
        Err(_) => Err(Fault::input(tried(), "it is negative")),
    }
}
