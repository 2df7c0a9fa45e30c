//! `fyke cat`: the text of a recipe.

use super::args::Recipe as Options;
use super::show::Screen;
use super::word;
use crate::host::Recipe;
use crate::model::Fault;

/// Prints a recipe as it is.
pub(crate) fn run(screen: &Screen, options: &Options) -> Result<u8, Fault> {
    let recipe = Recipe::find(word(&options.recipe)?)?;
    screen.print_text(&recipe.text)?;
    Ok(0)
}
