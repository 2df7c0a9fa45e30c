//! Programs.

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::bind::{options, types};
use crate::model::Fault;
use crate::model::command::{Command, Ran};

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Runs a program and waits for its end. Gives a map: its exit `status`, its `output`, and its `errors`.
    ///
    /// - `words`: the program, then its arguments, each an element of its own; there is no shell. A plain name is looked up in the folders of the
    ///   system, whatever PATH says; else the path begins at the root
    ///
    /// It gets an environment of its own (PATH and LC_ALL=C) and nothing to read. Bytes that are not UTF-8 become U+FFFD. The words are
    /// journaled: no secrets in them. Ctrl-C and the deadline kill it. A plan ends here: only the program can tell what it does.
    ///
    /// # Changes
    /// What the program changes, which cannot be lifted. What is queued is written first.
    ///
    /// # Fails
    /// `refused`: it ended with another status than 0; the fault has what it wrote to its standard error. `unsupported`, `not-found`: there is no
    /// such program. `limit`: it took more than 30 seconds, or wrote more than 16 MiB. `unknown`: in a plan.
    ///
    /// # Example
    /// ```rhai
    /// sys::run(["echo", "it's", "$HOME"]).output == "it's $HOME\n"
    /// ```
    ///
    /// # Source
    /// execve(2)
    #[rhai_fn(return_raw, volatile)]
    pub fn run(ctx: NativeCallContext, words: Array) -> Answer<Map> {
        run_with(ctx, words, Map::new())
    }

    /// Runs a program, with options.
    ///
    /// - `options`: `timeout` after which it is killed, a duration or seconds, in place of 30 seconds; `input` for it to read; with `check: false` any status is fine,
    ///   and that of a program which was killed is 128 and the number of the signal
    ///
    /// # Changes
    /// What the program changes, which cannot be lifted. What is queued is written first.
    ///
    /// # Fails
    /// As without options. `input`: an option is unknown or of the wrong type.
    ///
    /// # Example
    /// ```rhai
    /// let sorted = sys::run(["sort"], #{ input: "b\na\n", timeout: "5s" });
    /// sorted.output == "a\nb\n" && sys::run(["false"], #{ check: false }).status == 1
    /// ```
    ///
    /// # Source
    /// execve(2)
    #[rhai_fn(name = "run", return_raw, volatile)]
    pub fn run_with(ctx: NativeCallContext, words: Array, options: Map) -> Answer<Map> {
        let door = call::door(&ctx)?;
        let ran = command(&words, &options).and_then(|command| door.run(&command, call::origin(&ctx)));
        let ran = ran.map_err(|f| call::fault(&ctx, f))?;
        Ok(shown(ran))
    }
}

/// Gives what came of a program to a script.
pub(in crate::bind) fn shown(ran: Ran) -> Map {
    let entries: [(&str, Dynamic); 3] = [("status", ran.status.into()), ("output", ran.output.into()), ("errors", ran.errors.into())];
    entries.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// Reads a command as a script gives it.
pub(in crate::bind) fn command(words: &[Dynamic], options: &Map) -> Result<Command, Fault> {
    options::known(options, &["timeout", "input", "check"])?;
    let given = |name| options::given(options, name);
    let words = words
        .iter()
        .map(|word| word.as_int().map_or_else(|_| types::text_for("a word of a program", word), |number| Ok(number.to_string())));
    let mut command = Command::new(words.collect::<Result<_, _>>()?)?;
    if let Some(timeout) = given("timeout") {
        command.timeout = types::quantity::span("`timeout`", timeout)?.0;
    }
    if let Some(input) = given("input") {
        command.input = types::text_for("`input`", input)?;
    }
    if let Some(check) = given("check") {
        command.check = options::flag("check", check)?;
    }
    Ok(command)
}
