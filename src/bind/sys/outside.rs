//! What a script learns from outside: files, the environment, the date, and whoever sits at the terminal.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::bind::{options, types};
use crate::model::{Fault, date};
use crate::transaction::{Query, Reading, Text};

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Reads the lines of a text file.
    ///
    /// - `path`: the file; a relative one counts from where fyke was started
    ///
    /// Pipes, devices and folders are refused, nothing is waited for. 16 MiB are the most.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`, `permission`: it cannot be opened. `input`: it is no regular file, too large, or a line of it is not UTF-8.
    ///
    /// # Example
    /// ```rhai
    /// sys::lines("/proc/self/status")[0].starts_with("Name:")
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn lines(ctx: NativeCallContext, path: &str) -> Answer<Array> {
        lines_with(ctx, path, Map::new())
    }

    /// Reads the lines of a text file that say something.
    ///
    /// - `options`: with `comment: "#"`, what stands behind this mark is left out, then blanks at both ends, then empty lines
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// As without options. `input`: an option is unknown, or the mark is empty.
    ///
    /// # Example
    /// ```rhai
    /// let hosts = sys::lines("/etc/hosts", #{ comment: "#" });
    /// hosts.all(|line| !line.is_empty() && !line.starts_with("#"))
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(name = "lines", return_raw, volatile)]
    pub fn lines_with(ctx: NativeCallContext, path: &str, options: Map) -> Answer<Array> {
        let mark = mark(&options).map_err(|f| call::fault(&ctx, f))?;
        let text = read(&ctx, Text::File(path.to_owned()))?.unwrap_or_default();
        let Some(mark) = mark else { return Ok(text.lines().map(|line| line.to_owned().into()).collect()) };
        let said = text.lines().map(|line| line.split(mark.as_str()).next().unwrap_or_default().trim());
        Ok(said.filter(|line| !line.is_empty()).map(|line| line.to_owned().into()).collect())
    }

    /// Reads a text file, as a whole.
    ///
    /// - `path`: the file; a relative one counts from where fyke was started
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`, `permission`: it cannot be opened. `input`: it is no regular file, has more than 16 MiB, or a line of it is not UTF-8.
    ///
    /// # Example
    /// ```rhai
    /// sys::text("/proc/sys/kernel/ostype") == "Linux\n"
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn text(ctx: NativeCallContext, path: &str) -> Answer<ImmutableString> {
        Ok(read(&ctx, Text::File(path.to_owned()))?.unwrap_or_default().into())
    }

    /// Gives a variable of the environment; `()` where it is not set.
    ///
    /// - `name`: the name
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: no variable can have the name, or its value is not UTF-8.
    ///
    /// # Example
    /// ```rhai
    /// let home = sys::env("HOME") ?? "/";
    /// home.starts_with("/")
    /// ```
    ///
    /// # Source
    /// environ(7)
    #[rhai_fn(return_raw, volatile)]
    pub fn env(ctx: NativeCallContext, name: &str) -> Answer<Dynamic> {
        Ok(read(&ctx, Text::Variable(name.to_owned()))?.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Writes the present date and time, in UTC.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// sys::date().ends_with("Z")
    /// ```
    ///
    /// # Source
    /// RFC 3339
    #[rhai_fn(volatile)]
    pub fn date() -> ImmutableString {
        date_of(crate::bind::script::functions::now())
    }

    /// Writes a time as date and time, in UTC.
    ///
    /// - `seconds`: since 1970, as `now()` gives them
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// sys::date(0.0) == "1970-01-01T00:00:00Z"
    /// ```
    ///
    /// # Source
    /// RFC 3339
    #[rhai_fn(name = "date")]
    pub fn date_of(seconds: f64) -> ImmutableString {
        date::rfc3339(seconds.floor() as i64).into()
    }

    /// Asks whoever sits at the terminal a question, and tells whether the answer is yes; only `y` and `yes` are.
    ///
    /// - `question`: one line
    ///
    /// What is queued is not written before; `commit()` does that. A plan ends here.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: standard input is no terminal. `unknown`: in a plan.
    ///
    /// # Example
    /// ```rhai
    /// let yes = param("yes", true, "do not ask");
    /// if !yes && !sys::confirm("Drop all the others?") { exit(); }
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn confirm(ctx: NativeCallContext, question: &str) -> Answer<bool> {
        call::session(&ctx)?.confirm(question).map_err(|f| call::fault(&ctx, f))
    }
}

fn read(ctx: &NativeCallContext, text: Text) -> Answer<Option<String>> {
    match call::door(ctx)?.read(Query::Text(text)).map_err(|f| call::fault(ctx, f))? {
        Reading::Text(text) => Ok(text),
        _ => Ok(None),
    }
}

/// Gives the mark behind which comments stand.
fn mark(options: &Map) -> Result<Option<String>, Fault> {
    options::known(options, &["comment"])?;
    let Some(mark) = options::given(options, "comment") else { return Ok(None) };
    match types::text_for("the mark of comments", mark)? {
        empty if empty.is_empty() => Err(Fault::input("use \"\" as the mark of comments", "it is empty")),
        mark => Ok(Some(mark)),
    }
}
