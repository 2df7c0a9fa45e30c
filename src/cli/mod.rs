//! The command line: one file a verb.
//!
//! A verb gives its exit code, or the fault that kept it from its work. Only [`show`] prints.

mod add;
mod args;
mod cat;
mod check;
mod completions;
mod confirm;
mod doc;
mod doctor;
mod ended;
mod eval;
mod fetch;
mod help;
mod history;
mod import;
mod list;
mod man;
mod new;
mod notice;
mod packages;
mod permission;
mod persist;
mod place;
mod plan;
mod publish;
mod recover;
mod redo;
mod remove;
mod repl;
mod run;
mod session;
mod show;
mod status;
mod term;
mod test;
mod trace;
mod tree;
mod trust;
mod undo;
mod update;
mod vendor;
mod watch;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::Parser;

use args::{Line, Verb, When};
use show::Screen;

use crate::host::Recipe;
pub use crate::kernel::process::Capped;
use crate::kernel::process::share_one_heap;
use crate::kernel::{identity, tool};
use crate::model::{Fault, Kind};

/// What a shell says of a program that SIGPIPE has ended.
const BROKEN_PIPE: u8 = 128 + 13;

/// Reads the arguments, runs the verb, gives the exit code.
pub fn main() -> ExitCode {
    share_one_heap();
    tool::fix_search_path();
    let line = match Line::try_parse() {
        Ok(line) => line,
        Err(error) => return show::usage(&error, When::Auto),
    };
    let screen = Screen::new(&line.options);
    let code = dispatch(&screen, &line).unwrap_or_else(|fault| {
        let code = exit_code(&fault, false);
        screen.fault(&fault, code, &show::line_of_file);
        code
    });
    code.into()
}

fn dispatch(screen: &Screen, line: &Line) -> Result<u8, Fault> {
    identity::refuse_borrowed_rights()?;
    let options = &line.options;
    match &line.verb {
        Verb::Run(start) => run::run(screen, options, start),
        Verb::Plan(plan) => plan::run(screen, options, plan),
        Verb::Eval(eval) => eval::run(screen, options, eval),
        Verb::Repl(prompt) => repl::run(screen, options, prompt),
        Verb::Check(recipes) => check::run(screen, recipes),
        Verb::Test(words) => test::run(screen, options, words),
        Verb::List(list) => list::run(screen, list),
        Verb::Cat(recipe) => cat::run(screen, recipe),
        Verb::Import(words) => import::run(screen, words),
        Verb::Help(topic) => help::run(screen, topic),
        Verb::Doc(words) => doc::run(screen, words),
        Verb::New(words) => new::run(screen, words),
        Verb::Add(words) => add::run(screen, words),
        Verb::Remove(words) => remove::run(screen, words),
        Verb::Update(words) => update::run(screen, words),
        Verb::Fetch(words) => fetch::run(screen, words),
        Verb::Vendor => vendor::run(screen),
        Verb::Tree => tree::run(screen),
        Verb::Publish(words) => publish::run(screen, words),
        Verb::Trust(words) => trust::run(screen, words),
        Verb::Completions(completions) => completions::run(screen, completions),
        Verb::Man(folder) => man::run(&folder.folder),
        Verb::History(history) => history::run(screen, options, history),
        Verb::Status(words) => status::run(screen, options, words),
        Verb::Undo(words) => undo::run(screen, options, words),
        Verb::Confirm(words) => confirm::run(screen, options, words),
        Verb::Redo(words) => redo::run(screen, options, words),
        Verb::Persist(words) => persist::run(screen, options, words),
        Verb::Recover => recover::run(screen, options),
        Verb::Doctor => doctor::run(screen, options),
    }
}

/// Gives the exit code of a fault. Bad input before which nothing was begun is told apart from a run that failed and was rolled back.
fn exit_code(fault: &Fault, begun: bool) -> u8 {
    match fault.kind {
        _ if show::nobody_reads(fault) => BROKEN_PIPE,
        Kind::Input | Kind::NotFound if !begun => 2,
        kind => kind.exit_code(),
    }
}

/// Takes a word of the command line as text.
fn word(word: &OsStr) -> Result<&str, Fault> {
    word.to_str().ok_or_else(|| Fault::input(format!("take the argument {word:?}"), "it is not UTF-8"))
}

/// Finds the recipe that the first word names, and takes the rest as its own words.
fn recipe_of(words: &[OsString]) -> Result<(Recipe, Vec<String>), Fault> {
    let words: Vec<&str> = words.iter().map(|own| word(own)).collect::<Result<_, _>>()?;
    let (recipe, own) = words.split_first().ok_or_else(|| Fault::input("run a recipe", "none is named"))?;
    Ok((Recipe::find(recipe)?, own.iter().map(|own| (*own).to_owned()).collect()))
}

/// Tells whether a recipe is asked for its help; the one word that no recipe may have for itself.
fn wants_help(words: &[String]) -> bool {
    words.iter().any(|word| word == "--help")
}
