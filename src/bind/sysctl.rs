//! The room `sysctl`: kernel parameters of the network, after sysctl(8).

use rhai::plugin::*;
use rhai::{Dynamic, Map, NativeCallContext};

use super::call::{self, Answer};
use super::ports::reserved;
use crate::model::named::{Edit, Scope};
use crate::model::near::did_you_mean;
use crate::model::sysctl::{Key, Value};
use crate::model::{Fault, Kind, Object, State};
use crate::transaction::{Query, Reading};

/// Makes the room.
pub fn module() -> rhai::Module {
    rhai::Module::from_manifest(exported_manifest!(functions))
}

/// Reads a parameter or all below it, by their keys.
fn read(ctx: &NativeCallContext, key: &Key) -> Answer<Vec<(Key, Value)>> {
    let Reading::Named(found) = call::door(ctx)?.read(Query::Named(Scope::Sysctl(key.clone()))).map_err(|f| call::fault(ctx, f))? else {
        return Ok(Vec::new());
    };
    let pair = |(object, state)| match (object, state) {
        (Object::Sysctl(key), State::Value(value)) => Some((key, value)),
        _ => None,
    };
    Ok(found.into_iter().filter_map(pair).collect())
}

fn one(ctx: &NativeCallContext, key: &Key) -> Answer<Option<Value>> {
    if reserved::is_theirs(key) {
        return Ok(Some(Value::of(&reserved::shown(ctx)?)));
    }
    Ok(read(ctx, key)?.into_iter().find(|(found, _)| found == key).map(|(_, value)| value))
}

fn key(ctx: &NativeCallContext, text: &str) -> Answer<Key> {
    text.parse().map_err(|f| call::fault(ctx, f))
}

/// Numbers are numbers to a script, all else is text.
fn shown(value: &Value) -> Dynamic {
    value.as_str().parse::<i64>().map_or_else(|_| value.as_str().into(), Dynamic::from)
}

fn given(ctx: &NativeCallContext, value: &Dynamic) -> Answer<Value> {
    let text = match value.as_bool() {
        Ok(flag) => u8::from(flag).to_string(),
        Err(_) if value.is_int() || value.is_string() => value.to_string(),
        Err(kind) => {
            let fault = Fault::input("use this as the value of a kernel parameter", format!("it is of the type {kind}"));
            return Err(call::fault(ctx, fault.hint("a number, true, false or a text")));
        }
    };
    text.parse().map_err(|f| call::fault(ctx, f))
}

fn missing(ctx: &NativeCallContext, key: &Key) -> Box<EvalAltResult> {
    let fault = Fault::new(Kind::NotFound, format!("read the parameter {key}"), "there is no such parameter");
    let near = key.parent().and_then(|folder| read(ctx, &folder).ok()).unwrap_or_default();
    let hint = did_you_mean(key.as_str(), near.iter().map(|(key, _)| key.as_str()));
    call::fault(ctx, hint.into_iter().fold(fault, Fault::hint))
}

fn change(ctx: &NativeCallContext, key: Key, value: &Dynamic, edit: fn(Object, State) -> Edit) -> Answer<()> {
    if reserved::is_theirs(&key) {
        return reserved::exactly(ctx, &reserved::given_as_value(ctx, value)?);
    }
    let value = given(ctx, value)?;
    if one(ctx, &key)?.is_none() {
        return Err(missing(ctx, &key));
    }
    let edit = edit(Object::Sysctl(key), State::Value(value));
    call::door(ctx)?.change(edit, call::origin(ctx)).map_err(|f| call::fault(ctx, f))
}

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Gives the value of a kernel parameter: a number where it is one, else a text.
    ///
    /// - `key`: the parameter, with dots or slashes; it begins with `net.`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the key is not one of the network. `not-found`: there is no such parameter. `refused`: it cannot be read.
    ///
    /// # Example
    /// ```rhai
    /// sysctl::get("net.ipv4.ip_forward")
    /// ```
    ///
    /// # Source
    /// sysctl(8), Linux Documentation/networking/ip-sysctl.rst
    #[rhai_fn(return_raw, volatile)]
    pub fn get(ctx: NativeCallContext, key: &str) -> Answer<Dynamic> {
        let key = super::key(&ctx, key)?;
        match one(&ctx, &key)? {
            Some(value) => Ok(shown(&value)),
            None => Err(missing(&ctx, &key)),
        }
    }

    /// Gives the value of a kernel parameter, or `()` where there is none of this key.
    ///
    /// - `key`: the parameter, with dots or slashes; it begins with `net.`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the key is not one of the network. `refused`: it cannot be read.
    ///
    /// # Example
    /// ```rhai
    /// sysctl::find("net.ipv6.conf.all.forwarding")
    /// ```
    ///
    /// # Source
    /// sysctl(8), Linux Documentation/networking/ip-sysctl.rst
    #[rhai_fn(return_raw, volatile)]
    pub fn find(ctx: NativeCallContext, key: &str) -> Answer<Dynamic> {
        let key = super::key(&ctx, key)?;
        Ok(one(&ctx, &key)?.map_or(Dynamic::UNIT, |value| shown(&value)))
    }

    /// Lists the kernel parameters below a key, as a map of their values. Those that cannot be read are left out.
    ///
    /// - `key`: a folder of parameters, with dots or slashes; it begins with `net.`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the key is not one of the network.
    ///
    /// # Example
    /// ```rhai
    /// sysctl::list("net.ipv4.conf.all")
    /// ```
    ///
    /// # Source
    /// sysctl(8), Linux Documentation/networking/ip-sysctl.rst
    #[rhai_fn(return_raw, volatile)]
    pub fn list(ctx: NativeCallContext, key: &str) -> Answer<Map> {
        let key = super::key(&ctx, key)?;
        Ok(read(&ctx, &key)?.iter().map(|(key, value)| (key.as_str().into(), shown(value))).collect())
    }

    /// Sets a kernel parameter.
    ///
    /// What the kernel sets with it is known to the plan and comes back, too: `net.ipv4.ip_forward` is set for every interface.
    ///
    /// - `key`: the parameter, with dots or slashes; it begins with `net.`
    /// - `value`: a number, a text, or `true` and `false` for 1 and 0
    ///
    /// # Changes
    /// The parameter, in this network namespace; undo gives it the value that it had.
    ///
    /// # Fails
    /// `input`: the key is not one of the network, or the value has a line break. `not-found`: there is no such parameter. `refused`: the kernel
    /// does not take the value.
    ///
    /// # Example
    /// ```rhai
    /// sysctl::set("net.ipv4.ip_forward", true);
    /// ```
    ///
    /// # Source
    /// sysctl(8), Linux Documentation/networking/ip-sysctl.rst
    #[rhai_fn(return_raw, volatile)]
    pub fn set(ctx: NativeCallContext, key: &str, value: Dynamic) -> Answer<()> {
        let key = super::key(&ctx, key)?;
        change(&ctx, key, &value, Edit::Set)
    }

    /// Makes sure that a kernel parameter has a value.
    ///
    /// Where another recipe has set it so, this one relies on it: the value stays until both are lifted.
    ///
    /// - `key`: the parameter, with dots or slashes; it begins with `net.`
    /// - `value`: a number, a text, or `true` and `false` for 1 and 0
    ///
    /// # Changes
    /// The parameter, in this network namespace, if it has another value; undo gives it the value that it had.
    ///
    /// # Fails
    /// `input`: the key is not one of the network, or the value has a line break. `not-found`: there is no such parameter. `refused`: the kernel
    /// does not take the value.
    ///
    /// # Example
    /// ```rhai
    /// sysctl::ensure("net.ipv4.ip_forward", 1);
    /// ```
    ///
    /// # Source
    /// sysctl(8), Linux Documentation/networking/ip-sysctl.rst
    #[rhai_fn(return_raw, volatile)]
    pub fn ensure(ctx: NativeCallContext, key: &str, value: Dynamic) -> Answer<()> {
        let key = super::key(&ctx, key)?;
        change(&ctx, key, &value, Edit::Ensure)
    }
}
