//! `fyke plan`: what a recipe would change.

use serde_json::json;

use super::args::{Options, Plan, Safety};
use super::session::{Outcome, Script, Session};
use super::show::{Screen, changes};
use super::{permission, place, recipe_of, wants_help};
use crate::host::Mode;
use crate::host::value::escaped;
use crate::kernel::identity;
use crate::kernel::xtables::backend::Choice;
use crate::model::{Fault, Kind};
use crate::transaction::Stance;

/// Runs a recipe against a shadow of the kernel, and shows what it would change there.
pub(crate) fn run(screen: &Screen, options: &Options, plan: &Plan) -> Result<u8, Fault> {
    let (recipe, words) = recipe_of(&plan.recipe.words)?;
    if wants_help(&words) {
        return super::help::recipe(screen, &recipe);
    }
    if let Some(undo) = super::undo::of_recipe(&recipe, &words, Safety { allow_lockout: false })? {
        return super::undo::plan(screen, options, &undo);
    }
    let session = Session::open(screen, options, Mode::Plan, Script::Recipe(&recipe, &words), Stance::Tell)?.gated(permission::gate(
        screen,
        &plan.rights,
        false,
    )?);
    if takes_net_admin(&recipe.header()?.needs) && !identity::has_net_admin() {
        return Err(no_net_admin(&format!("plan {}", recipe.name)));
    }
    session.run(|outcome| {
        let code = tell(screen, options, plan, outcome)?;
        if let Err(fault) = may_write(options, outcome) {
            screen.note(&refused(&fault));
        }
        Ok(code)
    })
}

/// Says that a run of what was planned would be refused.
fn refused(fault: &Fault) -> String {
    escaped(&format!("a run would be refused: {}; {}", fault.why, fault.hint.as_deref().unwrap_or_default()))
}

/// Tells whether a recipe that changes these rooms reads what only an administrator may read. One that only sends and receives packets is refused where it cannot.
fn takes_net_admin(needs: &[String]) -> bool {
    needs.is_empty() || needs.iter().any(|room| !["raw", "packet", "sys"].contains(&room.as_str()))
}

/// Makes the fault of somebody who may not even read rules. `tried` is the end of "cannot ...".
pub(crate) fn no_net_admin(tried: &str) -> Fault {
    Fault::new(Kind::Permission, tried, "reading and writing the rules of this network namespace takes CAP_NET_ADMIN")
        .hint("run fyke as root, or in a network of your own: fyke --sandbox ...")
}

/// Asks what a plan need not: whether it is certain which backend a run would write to.
fn may_write(options: &Options, outcome: &Outcome) -> Result<(), Fault> {
    if outcome.report.changes.is_empty() { Ok(()) } else { Choice::make(place::backend(options))?.may_write() }
}

fn tell(screen: &Screen, options: &Options, plan: &Plan, outcome: &Outcome) -> Result<u8, Fault> {
    let found = &outcome.report.changes;
    let code = if plan.exit_code && changes::visible(found) > 0 { Kind::Drift.exit_code() } else { 0 };
    let until = outcome.unknown.as_ref().and_then(|fault| fault.origin.as_ref()).map(|origin| origin.at.to_string());
    if screen.json {
        let mut document = json!({
            "complete": outcome.unknown.is_none(), "known_until": until, "changes": changes::json(found), "acts": outcome.report.acts,
            "lockouts": outcome.report.lockouts, "notes": changes::told(found), "exit": code,
        });
        if plan.commands {
            document["commands"] = changes::commands(found, place::backend(options)).lines().collect();
        }
        return screen.document(&document).map(|()| code);
    }
    if plan.commands {
        screen.print(&changes::commands(found, place::backend(options)))?;
    } else {
        screen.print(&changes::diff(found, screen.paint))?;
        outcome.report.acts.iter().try_for_each(|act| screen.print_line(&format!("! {act}, which cannot be lifted")))?;
        screen.print(&format!("{}\n", changes::planned(found)))?;
    }
    changes::told(found).iter().for_each(|note| screen.note(note));
    outcome.report.lockouts.iter().for_each(|fault| screen.note(&refused(fault)));
    if let Some(fault) = &outcome.unknown {
        screen.note(&format!("the plan is known up to {}: {}", until.unwrap_or_else(|| "here".to_owned()), fault.why));
    }
    Ok(code)
}
