//! `?name`: the same words as `fyke help`, and what a variable offers.

use serde_json::json;

use super::Talk;
use crate::cli::args::Topic;
use crate::cli::help;
use crate::host::reflect;
use crate::model::Fault;

impl Talk<'_> {
    /// Explains a name: a variable by what its type offers, anything else as `fyke help` does.
    pub(super) fn explain(&self, name: &str) -> Result<(), Fault> {
        // What Tab has completed may be a call.
        let name = name.split('(').next().unwrap_or_default().trim_end();
        match name.strip_prefix(':').map(super::commands::command).transpose()? {
            Some(command) => return self.commands(Some(command)),
            None if name.is_empty() => return self.commands(None),
            None => {}
        }
        let host = self.host.borrow();
        if let Some(of) = host.type_of(name) {
            let screen = &self.screen;
            let mut members = host.members_of(&of);
            members.sort_by_key(|member| (member.property, member.name.clone(), member.params.len()));
            if screen.json {
                let members: Vec<_> = members.into_iter().map(help::document).collect();
                return screen.document(&json!({ "name": name, "type": of, "members": members }));
            }
            screen.print_line(&format!("{name}: {of}"))?;
            return if members.is_empty() { Ok(()) } else { help::explain(screen, &members, help::line).map(drop) };
        }
        if let Some(signature) = host.defined().iter().find(|signature| signature.split('(').next() == Some(name)) {
            return match self.screen.json {
                true => self.screen.document(&json!({ "name": name, "signature": signature })),
                false => self.screen.print_line(&format!("{signature}, defined in this session")),
            };
        }
        // A method is asked for with the value that it is called on, or without.
        let method = name.rsplit('.').next().unwrap_or(name);
        let of = name.rsplit_once('.').and_then(|(value, _)| host.type_of(value));
        let own: Vec<_> = of.map(|of| host.methods_of(&of, method)).unwrap_or_default();
        if !own.is_empty() {
            return help::explain(&self.screen, &own, crate::cli::show::function).map(drop);
        }
        let mut module = host.functions_of(name);
        module.sort_by_key(|function| (function.name.clone(), function.params.len()));
        if !module.is_empty() && reflect::find(name).is_empty() {
            return help::explain(&self.screen, &module, help::line).map(drop);
        }
        help::run(&self.screen, &Topic { topic: Some(method.to_owned()) }).map(drop)
    }
}
