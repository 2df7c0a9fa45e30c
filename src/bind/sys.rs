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
    /// Waits.
    ///
    /// - `duration`: a string with a unit (`"500ms"`, `"1s"`, `"2min"`, `"1h"`), or a number of seconds
    ///
    /// What was queued before is written first. A plan does not wait. Ctrl-C and the deadline end the wait.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the duration is negative, not a number, longer than a year, or has no known unit.
    ///
    /// # Example
    /// ```rhai
    /// sleep("1ms");
    /// ```
    ///
    /// # Source
    /// nanosleep(2)
    #[rhai_fn(return_raw, volatile)]
    pub fn sleep(ctx: NativeCallContext, duration: Dynamic) -> Answer<()> {
        let waited = seconds(&duration).and_then(|d| call::session(&ctx).map(|s| s.pause(d)).unwrap_or(Ok(())));
        waited.map_err(|f| call::fault(&ctx, f))
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
        exit_with(ctx, 0)
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
    pub fn exit_with(ctx: NativeCallContext, code: i64) -> Answer<()> {
        let code = match u8::try_from(code) {
            Ok(code @ (0 | 64..=113)) => code,
            _ => {
                let fault = Fault::input(format!("exit with {code}"), "a script may exit with 0 and with 64 to 113");
                return Err(call::fault(&ctx, fault));
            }
        };
        call::session(&ctx)?.call().exit = Some(code);
        Err(Box::new(rhai::EvalAltResult::Exit(Dynamic::UNIT, ctx.call_position())))
    }
}

/// Reads a duration: a number of seconds, or a number with a unit.
fn seconds(value: &Dynamic) -> Result<Duration, Fault> {
    let refuse = |why: &str| Err(Fault::input(format!("sleep for {value}"), why));
    let number = if let Ok(whole) = value.as_int() {
        whole as f64
    } else if let Ok(number) = value.as_float() {
        number
    } else if let Ok(text) = value.as_immutable_string_ref() {
        match parse(text.trim()) {
            Some(number) => number,
            None => return refuse("a duration is a number with ms, s, min, h or d"),
        }
    } else {
        return refuse("a duration is a number of seconds or a string with a unit");
    };
    match number {
        n if n.is_nan() => refuse("it is not a number"),
        n if n < 0.0 => refuse("it is negative"),
        n if n > LONGEST => refuse("it is longer than a year"),
        n => Ok(Duration::from_secs_f64(n)),
    }
}

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
        let ok = |v: Dynamic| seconds(&v).unwrap().as_secs_f64();
        assert_eq!(ok("1s".into()), 1.0);
        assert_eq!(ok("250ms".into()), 0.25);
        assert_eq!(ok("1.5min".into()), 90.0);
        assert_eq!(ok(2.into()), 2.0);
        assert_eq!(ok(0.5.into()), 0.5);
        for bad in ["-1s", "1 parsec", "", "nan", "inf"] {
            assert!(seconds(&bad.into()).is_err(), "{bad}");
        }
        assert_eq!(seconds(&f64::NAN.into()).unwrap_err().why, "it is not a number");
        assert_eq!(seconds(&(-1).into()).unwrap_err().to_string(), "cannot sleep for -1: it is negative");
        assert!(seconds(&true.into()).is_err());
    }
}
