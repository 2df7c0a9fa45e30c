//! `fyke list`: the built-in recipes.

use serde_json::json;

use super::args::List;
use super::show::{Screen, Table};
use crate::host::Recipe;
use crate::model::Fault;

/// Prints a line for each recipe: what it does, what it needs, and what it can do to the machine.
pub(crate) fn run(screen: &Screen, options: &List) -> Result<u8, Fault> {
    if options.names {
        return Recipe::built_in().try_for_each(|recipe| screen.print_line(&recipe.name)).map(|()| 0);
    }
    let mut table = Table::new(["recipe", "what it does", "needs", "risk"]);
    let mut document = Vec::new();
    for recipe in Recipe::built_in() {
        let header = recipe.header()?;
        let risk = header.risk.map(|risk| risk.to_string()).unwrap_or_default();
        document.push(json!({ "recipe": recipe.name, "summary": header.summary, "needs": header.needs, "risk": risk }));
        table.row([recipe.name, header.summary, header.needs.join(", "), risk]);
    }
    if screen.json {
        screen.document(&document)?;
    } else {
        screen.print(&table.text(screen.paint, screen.bound()))?;
    }
    Ok(0)
}
