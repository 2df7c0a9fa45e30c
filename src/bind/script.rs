//! Time, log and the end of a script.

use std::time::{SystemTime, UNIX_EPOCH};

use rhai::plugin::*;
use rhai::{Dynamic, NativeCallContext};

use super::call::{self, Answer};
use crate::model::Fault;
use crate::model::duration::Span;

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// A span of time.
    pub type Duration = Span;

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
        wait(&ctx, duration, duration.parse())
    }

    /// Waits for a duration that was calculated.
    ///
    /// - `duration`: as `duration(..)` makes it
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// sleep(duration("1ms") * 2);
    /// ```
    ///
    /// # Source
    /// nanosleep(2)
    #[rhai_fn(name = "sleep", return_raw, volatile)]
    pub fn sleep_duration(ctx: NativeCallContext, duration: Duration) -> Answer<()> {
        wait(&ctx, &duration.to_string(), Ok(duration))
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
        wait(&ctx, &seconds.to_string(), Span::from_seconds(seconds as f64))
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
        wait(&ctx, &seconds.to_string(), Span::from_seconds(seconds))
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

    /// Gives what `--json` shows as the value of the run, in the place of the value that the script ends with; people see the latter, and what was printed.
    ///
    /// - `value`: any value; the last call counts
    ///
    /// So a recipe can print as the tool of the field does, end with a code of its own, and give its figures to other programs all the same.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// print("3 of 4 answered");
    /// result(#{ asked: 4, answered: 3 });
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn result(ctx: NativeCallContext, value: Dynamic) -> Answer<()> {
        call::session(&ctx)?.call().result = Some(value);
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

/// Writes what is queued, then waits.
fn wait(ctx: &NativeCallContext, shown: &str, span: Result<Span, Fault>) -> Answer<()> {
    let session = call::session(ctx)?;
    let span = span.map_err(|fault| Fault { tried: format!("sleep for {shown}"), ..fault });
    let door = call::door(ctx)?;
    let waited = span.and_then(|span| door.commit().and_then(|()| session.pause(span.0)));
    waited.map_err(|f| call::fault(ctx, f))
}
