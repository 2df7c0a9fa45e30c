//! `fyke list`: the built-in recipes, and those of the packages of the project.

use serde_json::json;

use super::args::List;
use super::show::{Screen, Table};
use crate::host::Recipe;
use crate::host::package::recipes;
use crate::model::Fault;

/// Prints a line for each recipe: what it does, what it needs, and what it can do to the machine.
pub(crate) fn run(screen: &Screen, options: &List) -> Result<u8, Fault> {
    // What is the matter with a package is told when it is used.
    let all = || Recipe::built_in().chain(recipes().unwrap_or_default());
    if options.names {
        return all().try_for_each(|recipe| screen.print_line(recipe.word())).map(|()| 0);
    }
    let mut table = Table::new(["recipe", "what it does", "needs", "risk"]);
    let mut document = Vec::new();
    for recipe in all() {
        let header = recipe.header().unwrap_or_default();
        let risk = header.risk.map(|risk| risk.to_string()).unwrap_or_default();
        document.push(json!({ "recipe": recipe.word(), "summary": header.summary, "needs": header.needs, "risk": risk }));
        table.row([recipe.word().to_owned(), header.summary, header.needs.join(", "), risk]);
    }
    if screen.json {
        screen.document(&document)?;
    } else {
        screen.print(&table.text(screen.paint, screen.bound()))?;
    }
    Ok(0)
}
