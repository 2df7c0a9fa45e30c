//! The room `test`: what a test says that has to be so.

use rhai::plugin::*;
use rhai::{Array, Dynamic, EvalAltResult, FnPtr, Map, Module, NativeCallContext};

use super::call::{self, Answer};
use super::types;
use crate::model::{Fault, Kind};

/// How deep values are compared and shown.
const DEEPEST: usize = 64;
/// The most characters of a value that a fault shows.
const MOST: usize = 2000;

/// Makes the room.
pub fn module() -> Module {
    Module::from_manifest(exported_manifest!(functions))
}

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// States that something is so; what is not so ends the test as failed.
    ///
    /// - `condition`: `true` or `false`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `script`: it is not so.
    ///
    /// # Example
    /// ```rhai
    /// test::assert(iptables::table("filter").chain("INPUT").list().is_empty());
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn assert(ctx: NativeCallContext, condition: bool) -> Answer<()> {
        holds(&ctx, condition, || "it is false".to_owned())
    }

    /// States that something is so, and says why it should be.
    ///
    /// - `condition`: `true` or `false`
    /// - `message`: what the fault says where it is not so
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `script`: it is not so.
    ///
    /// # Example
    /// ```rhai
    /// let port = 22;
    /// test::assert(port > 0 && port < 65536, "there is such a port");
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(name = "assert", return_raw, volatile)]
    pub fn assert_with(ctx: NativeCallContext, condition: bool, message: &str) -> Answer<()> {
        holds(&ctx, condition, || message.to_owned())
    }

    /// States that two values are equal, and shows both where they are not.
    ///
    /// - `actual`: what there is
    /// - `expected`: what there should be; arrays and maps are compared with all that is in them
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `script`: they are not equal.
    ///
    /// # Example
    /// ```rhai
    /// test::assert_eq([1, 2].map(|n| n * 2), [2, 4]);
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn assert_eq(ctx: NativeCallContext, actual: Dynamic, expected: Dynamic) -> Answer<()> {
        let why = || format!("it is {}, and {} was expected", shown(&ctx, &actual), shown(&ctx, &expected));
        holds(&ctx, equal(&ctx, &actual, &expected, 0)?, why)
    }

    /// States that two values are equal, and says what they are.
    ///
    /// - `actual`: what there is
    /// - `expected`: what there should be
    /// - `message`: what the values are: `"rules in INPUT"`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `script`: they are not equal.
    ///
    /// # Example
    /// ```rhai
    /// test::assert_eq(iptables::table("filter").chain("INPUT").list().len(), 0, "rules in INPUT");
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(name = "assert_eq", return_raw, volatile)]
    pub fn assert_eq_with(ctx: NativeCallContext, actual: Dynamic, expected: Dynamic, message: &str) -> Answer<()> {
        let why = || format!("{message}: it is {}, and {} was expected", shown(&ctx, &actual), shown(&ctx, &expected));
        holds(&ctx, equal(&ctx, &actual, &expected, 0)?, why)
    }

    /// States that two values are not equal.
    ///
    /// - `actual`: what there is
    /// - `unexpected`: what there should not be
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `script`: they are equal.
    ///
    /// # Example
    /// ```rhai
    /// test::assert_ne(netns::ensure("blue").cookie, netns::ensure("green").cookie);
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn assert_ne(ctx: NativeCallContext, actual: Dynamic, unexpected: Dynamic) -> Answer<()> {
        let differ = !equal(&ctx, &actual, &unexpected, 0)?;
        holds(&ctx, differ, || format!("it is {}, and anything else was expected", shown(&ctx, &actual)))
    }

    /// States that a function fails, and gives what it fails with: a map as `catch` has it, or the value that was thrown.
    ///
    /// - `work`: the function
    /// - `text`: what its message has to have in it; `""` for any
    ///
    /// What is queued is written before, and what the function queues at its end, so that a refusal of the kernel counts as well. What the function
    /// has changed before it failed stays until the end of the test.
    ///
    /// # Changes
    /// Nothing. What the function changes, it changes.
    ///
    /// # Fails
    /// `script`: it does not fail, or with another message.
    ///
    /// # Example
    /// ```rhai
    /// let fault = test::assert_fails(|| iptables::table("fliter"), "fliter");
    /// test::assert_eq(fault.kind, "input");
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn assert_fails(ctx: NativeCallContext, work: FnPtr, text: &str) -> Answer<Dynamic> {
        let door = call::door(&ctx)?;
        call::answer(&ctx, door.commit())?;
        let done = work.call_within_context::<Dynamic>(&ctx, ()).and_then(|_| call::answer(&ctx, door.commit()));
        let Err(error) = done else {
            let wanted = if text.is_empty() { String::new() } else { format!("; {text:?} was expected") };
            return Err(failed(&ctx, format!("it did not fail{wanted}")));
        };
        let thrown = thrown(*error)?;
        let message = thrown.read_lock::<Map>().and_then(|map| map.get("message").map(ToString::to_string));
        let message = message.unwrap_or_else(|| thrown.to_string());
        holds(&ctx, message.contains(text), || format!("it failed with {message:?}, and {text:?} was expected")).map(|()| thrown)
    }

    /// Ends a test that cannot be made here; it is counted apart, with its reason. In a recipe it ends the run as something that is not possible here.
    ///
    /// - `reason`: what is missing
    ///
    /// # Changes
    /// Nothing. What was changed before is lifted.
    ///
    /// # Fails
    /// `skipped`, always; a script cannot catch it.
    ///
    /// # Example
    /// ```rhai
    /// if link::find("lo") == () {
    ///     test::skip("there is no loopback");
    /// }
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn skip(ctx: NativeCallContext, reason: &str) -> Answer<()> {
        let fault = Fault::new(Kind::Skipped, "go on here", reason).at(call::origin(&ctx));
        Err(Box::new(EvalAltResult::ErrorTerminated(Dynamic::from(fault), ctx.call_position())))
    }
}

fn holds(ctx: &NativeCallContext, is_so: bool, why: impl FnOnce() -> String) -> Answer<()> {
    if is_so { Ok(()) } else { Err(failed(ctx, why())) }
}

fn failed(ctx: &NativeCallContext, why: String) -> Box<EvalAltResult> {
    call::fault(ctx, Fault::new(Kind::Script, "confirm what the test states", why))
}

/// Gives what a script would catch; what it could not is passed on.
fn thrown(error: EvalAltResult) -> Answer<Dynamic> {
    match error {
        EvalAltResult::ErrorRuntime(value, _) => Ok(value),
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => thrown(*inner),
        other if other.is_catchable() => {
            let mut other = other;
            other.clear_position();
            Ok(other.to_string().into())
        }
        other => Err(Box::new(other)),
    }
}

/// Tells whether two values are equal: what `==` of scripts says, also inside of arrays and maps, where that looks at the language's own values only.
fn equal(ctx: &NativeCallContext, one: &Dynamic, other: &Dynamic, depth: usize) -> Answer<bool> {
    if depth > DEEPEST {
        return Err(call::fault(ctx, Fault::new(Kind::Limit, "compare two values", format!("they nest deeper than {DEEPEST}"))));
    }
    if let (Some(one), Some(other)) = (one.read_lock::<Array>(), other.read_lock::<Array>()) {
        for (a, b) in one.iter().zip(other.iter()) {
            if !equal(ctx, a, b, depth + 1)? {
                return Ok(false);
            }
        }
        return Ok(one.len() == other.len());
    }
    if let (Some(one), Some(other)) = (one.read_lock::<Map>(), other.read_lock::<Map>()) {
        for ((key, a), (other_key, b)) in one.iter().zip(other.iter()) {
            if key != other_key || !equal(ctx, a, b, depth + 1)? {
                return Ok(false);
            }
        }
        return Ok(one.len() == other.len());
    }
    let number = |value: &Dynamic| value.as_float().ok().or_else(|| value.as_int().ok().map(|int| int as f64));
    Ok(match (one, other) {
        (a, b) if a.is_unit() || b.is_unit() => a.is_unit() && b.is_unit(),
        (a, b) if a.is_bool() && b.is_bool() => a.as_bool() == b.as_bool(),
        (a, b) if a.is_int() && b.is_int() => a.as_int() == b.as_int(),
        (a, b) if number(a).is_some() && number(b).is_some() => number(a) == number(b),
        (a, b) if a.is_char() && b.is_char() => a.as_char() == b.as_char(),
        (a, b) if a.is_string() && b.is_string() => a.to_string() == b.to_string(),
        (a, b) => {
            let (mut a, mut b) = (a.clone(), b.clone());
            let same = ctx.call_native_fn_raw("==", true, &mut [&mut a, &mut b]);
            same.is_ok_and(|same| same.as_bool() == Ok(true)) || a.type_name() == b.type_name() && printed(ctx, &a) == printed(ctx, &b)
        }
    })
}

/// Shows a value as a script writes it, cut where it is too long to be read.
fn shown(ctx: &NativeCallContext, value: &Dynamic) -> String {
    let mut text = quoted(ctx, value, 0);
    if let Some((cut, _)) = text.char_indices().nth(MOST) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

fn quoted(ctx: &NativeCallContext, value: &Dynamic, depth: usize) -> String {
    if depth > DEEPEST {
        return "…".to_owned();
    }
    if let Some(list) = value.read_lock::<Array>() {
        return format!("[{}]", list.iter().map(|value| quoted(ctx, value, depth + 1)).collect::<Vec<_>>().join(", "));
    }
    if let Some(map) = value.read_lock::<Map>() {
        let entries = map.iter().map(|(key, value)| format!("{key}: {}", quoted(ctx, value, depth + 1)));
        return format!("#{{{}}}", entries.collect::<Vec<_>>().join(", "));
    }
    match value {
        value if value.is_unit() => "()".to_owned(),
        value if value.is_string() || value.is_char() => format!("{:?}", value.to_string()),
        value => printed(ctx, value),
    }
}

/// Gives what a value prints.
fn printed(ctx: &NativeCallContext, value: &Dynamic) -> String {
    let own = || ctx.call_native_fn_raw("to_string", true, &mut [&mut value.clone()]).ok().map(|text| text.to_string());
    types::text(value).or_else(own).unwrap_or_else(|| value.to_string())
}
