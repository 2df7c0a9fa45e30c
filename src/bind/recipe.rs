//! What a recipe says about itself: its parameters and its instance.

use rhai::plugin::*;
use rhai::{Dynamic, ImmutableString, Map, NativeCallContext};

use super::call::{self, Answer};

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Declares a parameter of the recipe and gives its value: what the command line says, else the default.
    ///
    /// - `name`: lower case letters, digits and `_`; `log_prefix` is given as `--log-prefix`
    /// - `value`: the default, written out: a number, a string, `true` or `false`, or an array of these; it decides the type
    /// - `text`: one line for `--help`
    ///
    /// Booleans are given as `--name` and `--no-name`, arrays as `--name a,b` or by repeating the flag. The declaration is read without running
    /// the recipe, so all arguments are literals.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// let port = param("port", 22, "TCP port to protect");
    /// port + 1
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn param(ctx: NativeCallContext, name: ImmutableString, value: Dynamic, text: ImmutableString) -> Answer<Dynamic> {
        param_with(ctx, name, value, text, Map::new())
    }

    /// Declares a parameter with options.
    ///
    /// - `options`: `key: true` makes the value a part of the recipe's instance, so that two values are two instances side by side;
    ///   `required: true` wants it to be given and not empty, and its default only says of which type it is;
    ///   `rest: true` lets an array take the words behind `--` as they are;
    ///   `min` and `max` bound a number (or the length of an array), `choices` lists all values that are allowed
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// let port = param("port", 22, "TCP port to protect", #{ key: true, min: 1, max: 65535 });
    /// port + 1
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(name = "param", return_raw, volatile)]
    pub fn param_with(
        ctx: NativeCallContext,
        name: ImmutableString,
        value: Dynamic,
        _text: ImmutableString,
        _options: Map,
    ) -> Answer<Dynamic> {
        let session = call::session(&ctx)?;
        let given = session.call().given.get(name.as_str()).cloned();
        Ok(given.unwrap_or(value))
    }

    /// Gives the instance of the recipe: the values of its key parameters, joined with dots; empty without any.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// let chain = `LOGDROP-${instance()}`;
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn instance(ctx: NativeCallContext) -> Answer<ImmutableString> {
        Ok(call::session(&ctx)?.call().instance.as_str().into())
    }

    /// Writes everything that is queued, now; inside of a `try` a refusal can be caught.
    ///
    /// Without it changes are written at the end of the script, before a `sleep`, and before something that cannot be lifted.
    ///
    /// # Changes
    /// What was queued.
    ///
    /// # Fails
    /// `refused`: the kernel or a tool refused a change; the position is that of the call that queued it.
    ///
    /// # Example
    /// ```rhai
    /// commit();
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn commit(ctx: NativeCallContext) -> Answer<()> {
        call::door(&ctx)?.commit().map_err(|f| call::fault(&ctx, f))
    }
}
