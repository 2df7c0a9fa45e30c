//! `fyke eval`: one line of script.

use super::args::{Eval, Options};
use super::session::{Script, Session};
use super::show::Screen;
use super::{permission, run, word};
use crate::host::{Mode, Recipe};
use crate::model::Fault;

/// Runs a few statements and prints their value; what they change is journaled, as with a recipe.
pub(crate) fn run(screen: &Screen, options: &Options, eval: &Eval) -> Result<u8, Fault> {
    let text = match word(&eval.script)? {
        "-" => Recipe::find("-")?.text,
        text => text.to_owned(),
    };
    Session::open(screen, options, Mode::Run, Script::Text(&text), eval.safety.stance())?
        .reach(eval.reach)
        .gated(permission::gate(screen, &eval.rights, false)?)
        .bound(eval.stay.bound())?
        .run(|outcome| run::tell(screen, outcome, false))
}
