//! The gate of a run, as the command line wants it: who is asked, and where uses are written down.

use serde_json::Value;

use super::args::Rights;
use super::show::Screen;
use crate::kernel::files;
use crate::model::Fault;
use crate::model::grant::Permission;
use crate::transaction::{Ask, Audit, Gate, Reply};

/// Makes the gate. With `ask` whoever sits at the terminal is asked for what is lacking; where nobody sits, it is refused as without.
pub(crate) fn gate(screen: &Screen, rights: &Rights, ask: bool) -> Result<Gate, Fault> {
    let ask = (ask && screen.can_ask()).then(|| asking(screen.clone()));
    let audit = rights.audit.as_ref().map(|path| -> Result<Box<Audit>, Fault> {
        let mut log = files::Log::open(path)?;
        Ok(Box::new(move |line: &Value| log.add(&format!("{line}\n"))))
    });
    Ok(Gate::new(rights.grants(), ask, audit.transpose()?))
}

fn asking(screen: Screen) -> Box<Ask> {
    Box::new(move |name: &str, permission: &Permission| {
        let question = format!("{name} wants to {}, and has no permission `{permission}`. Allow it?", permission.tried());
        Ok(match screen.choose(&question, "y/N/always")?.as_str() {
            "y" | "yes" => Reply::Yes,
            "a" | "always" => Reply::Always,
            _ => Reply::No,
        })
    })
}
