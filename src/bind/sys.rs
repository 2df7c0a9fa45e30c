//! Time, log and the end of a script.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rhai::plugin::*;
use rhai::{Dynamic, NativeCallContext};

use super::call::{self, Answer};
use crate::model::Fault;

/// The longest sleep, in seconds: a year. A longer one is a mistake.
const LONGEST: f64 = 366.0 * 24.0 * 3600.0;

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Waits for a duration.
    ///
    /// - `duration`: a number with a unit: `"500ms"`, `"1s"`, `"2min"`, `"1h"`, `"1d"`
    ///
    /// What was queued before is written first. A plan does not wait. Ctrl-C and the deadline end the wait.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the duration is negative, not a number, or longer than a year, or has no known unit.
    ///
    /// # Example
    /// ```rhai
    /// sleep("1ms");
    /// ```
    ///
    /// # Source
    /// nanosleep(2)
    #[rhai_fn(return_raw, volatile)]
    pub fn sleep(ctx: NativeCallContext, duration: &str) -> Answer<()> {
        wait(&ctx, duration, parse(duration.trim()).ok_or("a duration is a number with ms, s, min, h or d"))
    }

    /// Waits for a number of seconds.
    ///
    /// - `seconds`: a whole number
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the duration is negative, not a number, or longer than a year.
    ///
    /// # Example
    /// ```rhai
    /// sleep(0);
    /// ```
    ///
    /// # Source
    /// nanosleep(2)
    #[rhai_fn(name = "sleep", return_raw, volatile)]
    pub fn sleep_whole(ctx: NativeCallContext, seconds: i64) -> Answer<()> {
        wait(&ctx, &seconds.to_string(), Ok(seconds as f64))
    }

    /// Waits for a number of seconds.
    ///
    /// - `seconds`: a number, fractions allowed
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the duration is negative, not a number, or longer than a year.
    ///
    /// # Example
    /// ```rhai
    /// sleep(0.001);
    /// ```
    ///
    /// # Source
    /// nanosleep(2)
    #[rhai_fn(name = "sleep", return_raw, volatile)]
    pub fn sleep_fraction(ctx: NativeCallContext, seconds: f64) -> Answer<()> {
        wait(&ctx, &seconds.to_string(), Ok(seconds))
    }

    /// Gives the time of the wall clock in seconds since 1970, with fractions.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// let began = now();
    /// now() - began >= 0.0
    /// ```
    ///
    /// # Source
    /// clock_gettime(2)
    #[rhai_fn(volatile)]
    pub fn now() -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
    }

    /// Writes a line to the log of the run, which goes to standard error.
    ///
    /// - `message`: any value
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// log("port 22 is protected");
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn log(ctx: NativeCallContext, message: Dynamic) -> Answer<()> {
        call::session(&ctx)?.log(&message.to_string());
        Ok(())
    }

    /// Ends the script; its changes stay.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// if now() > 0.0 { exit(); }
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn exit(ctx: NativeCallContext) -> Answer<()> {
        exit_with(ctx, 0.into())
    }

    /// Ends the script with an exit code for the shell.
    ///
    /// - `code`: 0, or 64 to 113; the other codes are fyke's own
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: another code.
    ///
    /// # Example
    /// ```rhai
    /// exit(64);
    /// ```
    ///
    /// # Source
    /// exit(3)
    #[rhai_fn(name = "exit", return_raw, volatile)]
    pub fn exit_with(ctx: NativeCallContext, code: Dynamic) -> Answer<()> {
        let code = match code.as_int().map(u8::try_from) {
            Ok(Ok(code @ (0 | 64..=113))) => code,
            _ => {
                let fault = Fault::input(format!("exit with {code}"), "a script may exit with 0 and with 64 to 113");
                return Err(call::fault(&ctx, fault));
            }
        };
        call::session(&ctx)?.call().exit = Some(code);
        Err(Box::new(rhai::EvalAltResult::Exit(Dynamic::UNIT, ctx.call_position())))
    }
}

/// Waits for a number of seconds, if it is one.
fn wait(ctx: &NativeCallContext, shown: &str, seconds: Result<f64, &'static str>) -> Answer<()> {
    let duration = seconds.and_then(bounded).map_err(|why| call::fault(ctx, Fault::input(format!("sleep for {shown}"), why)))?;
    let session = call::session(ctx)?;
    session.door().commit().and_then(|()| session.pause(duration)).map_err(|f| call::fault(ctx, f))
}

fn bounded(seconds: f64) -> Result<Duration, &'static str> {
    match seconds {
        n if n.is_nan() => Err("it is not a number"),
        n if n < 0.0 => Err("it is negative"),
        n if n > LONGEST => Err("it is longer than a year"),
        n => Ok(Duration::from_secs_f64(n)),
    }
}

/// Reads a number with a unit as seconds.
fn parse(text: &str) -> Option<f64> {
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" | "sec" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Some(number.trim().parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(parse("1s"), Some(1.0));
        assert_eq!(parse("250 ms"), Some(0.25));
        assert_eq!(parse("1.5min"), Some(90.0));
        for bad in ["1 parsec", "", "nan", "inf", "s"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(bounded(0.5), Ok(Duration::from_millis(500)));
        assert_eq!(bounded(-0.5), Err("it is negative"));
        assert_eq!(bounded(f64::NAN), Err("it is not a number"));
        assert_eq!(bounded(f64::INFINITY), Err("it is longer than a year"));
    }
}
