//! The text of an imported recipe: parameters, tables, chains with their rules, and policies at the end.

use std::fmt::Write;

use crate::host::Risk;
use crate::host::write::{Part, comment, header, literal, template};
use crate::model::Family;
use crate::model::iptables::import::{Chain, Import, Param, Piece, Rule, Tabled};
use crate::model::iptables::{Policy, Table};

/// Writes the recipe; an exact one lets what is in the tables give way, as the original does.
pub(super) fn text(import: &Import, name: &str, exact: bool) -> String {
    let rooms: Vec<&str> =
        Family::BOTH.into_iter().filter(|family| import.tables.keys().any(|(of, _)| of == family)).map(Family::command).collect();
    let mut writer = Writer { import, exact, out: header(&format!("Sets the rules of {name}."), &rooms, Risk::Disrupts) };
    writer.head();
    writer.params();
    writer.handles();
    writer.flushes();
    writer.makes();
    for (at, tabled) in &import.tables {
        tabled.chains.iter().for_each(|chain| writer.chain(*at, chain));
        writer.gone(*at, tabled);
    }
    writer.policies();
    writer.rest();
    writer.out
}

/// Names the variable of a table.
fn handle((family, table): (Family, Table)) -> String {
    format!("{table}{}", if family == Family::V6 { "6" } else { "" })
}

struct Writer<'a> {
    import: &'a Import,
    exact: bool,
    out: String,
}

impl<'a> Writer<'a> {
    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn notes(&mut self, indent: &str, notes: &[String]) {
        notes.iter().for_each(|note| self.line(format!("{indent}{}", comment(note)).trim_end()));
    }

    fn head(&mut self) {
        if !self.import.head.is_empty() {
            self.line("");
            self.notes("", &self.import.head);
        }
    }

    fn params(&mut self) {
        let used: Vec<&Param> = self.import.params.iter().filter(|param| param.uses > 0).collect();
        if used.is_empty() {
            return;
        }
        self.line("");
        let width = used.iter().map(|param| param.name.len()).max().unwrap_or(0);
        for Param { name, value, doc, is_port, .. } in used {
            let (value, bounds) = if *is_port { (value.clone(), ", #{ min: 1, max: 65535 }") } else { (literal(value), "") };
            self.line(&format!("let {name:width$} = param({}, {value}, {}{bounds});", literal(name), literal(doc)));
        }
    }

    fn handles(&mut self) {
        self.line("");
        let handles: Vec<String> = self.import.tables.keys().map(|at| handle(*at)).collect();
        let width = handles.iter().map(String::len).max().unwrap_or(0);
        for ((family, table), handle) in self.import.tables.keys().zip(handles) {
            self.line(&format!("let {handle:width$} = {}::table({});", family.command(), literal(table.name())));
        }
    }

    /// Takes out what the original takes out.
    fn flushes(&mut self) {
        if !self.exact {
            return;
        }
        let whole: Vec<String> = self.import.tables.iter().filter(|(_, tabled)| tabled.is_flushed).map(|(at, _)| handle(*at)).collect();
        if !whole.is_empty() {
            self.line("\n// What is in these tables gives way, as it does in the original.");
            let _ = write!(
                self.out,
                "for table in [{}] {{\n    for name in table.list_chains() {{\n        \
                 if table.chain(name).policy == () {{ table.absent_chain(name); }} else {{ table.chain(name).flush(); }}\n    }}\n}}\n",
                whole.join(", ")
            );
        }
        for (at, tabled) in self.import.tables.iter().filter(|(_, tabled)| !tabled.is_flushed) {
            for chain in tabled.chains.iter().filter(|chain| chain.is_flushed && !chain.is_made) {
                self.line(&format!("\n{}.chain({}).flush();", handle(*at), literal(chain.name.as_str())));
            }
        }
    }

    /// Makes all chains before any rule jumps to one.
    fn makes(&mut self) {
        for (at, tabled) in &self.import.tables {
            let made: Vec<String> = tabled.chains.iter().filter(|chain| chain.is_made).map(|chain| literal(chain.name.as_str())).collect();
            // After all has given way no such chain is there, whoever made it; `ensure_chain` leaves other people's chains alone.
            let verb = if self.exact && tabled.is_flushed { "new_chain" } else { "ensure_chain" };
            match made.as_slice() {
                [] => {}
                [one] => self.line(&format!("\n{}.{verb}({one});", handle(*at))),
                many => self.line(&format!("\nfor name in [{}] {{\n    {}.{verb}(name);\n}}", many.join(", "), handle(*at))),
            }
        }
    }

    fn chain(&mut self, at: (Family, Table), chain: &Chain) {
        let of = format!("{}.chain({})", handle(at), literal(chain.name.as_str()));
        if !chain.gone.is_empty() {
            self.line("");
            self.rules(&format!("{of}.absent"), &chain.gone, &[]);
        }
        let (head, tail) = chain.rules.split_at(chain.head);
        if !head.is_empty() {
            self.line("");
            self.rules(&format!("{of}.ensure_first"), head, if tail.is_empty() { &chain.notes } else { &[] });
        }
        if !tail.is_empty() {
            self.line("");
            self.rules(&format!("{of}.ensure"), tail, &chain.notes);
        } else if head.is_empty() && !chain.notes.is_empty() {
            self.line("");
            self.line(&comment(&format!("{}:", chain.name)));
            self.notes("", &chain.notes);
        }
    }

    fn rules(&mut self, call: &str, rules: &[Rule], after: &[String]) {
        self.line(&format!("{call}(["));
        for rule in rules {
            self.notes("    ", &rule.notes);
            let text = self.rule(rule);
            self.line(&format!("    {text},"));
        }
        self.notes("    ", after);
        self.line("]);");
    }

    fn rule(&self, rule: &Rule) -> String {
        let params = &self.import.params;
        let line = rule.line(params);
        let part = |piece| match piece {
            &Piece::Param(number) => Part::Variable(params.get(number).map_or("", |param: &Param| param.name.as_str())),
            Piece::Text(text) => Part::Text(text),
        };
        template(&line.iter().map(part).collect::<Vec<_>>())
    }

    fn gone(&mut self, at: (Family, Table), tabled: &Tabled) {
        for name in &tabled.gone {
            self.line(&format!("\n{}.absent_chain({});", handle(at), literal(name.as_str())));
        }
    }

    fn policies(&mut self) {
        let mut lines = Vec::new();
        for (at, tabled) in &self.import.tables {
            for chain in &tabled.chains {
                if let Some((policy, on_purpose)) = chain.policy
                    && (on_purpose || policy == Policy::Drop || self.exact)
                {
                    let name = literal(chain.name.as_str());
                    lines.push(format!("{}.chain({name}).set_policy({});", handle(*at), literal(policy.name())));
                }
            }
        }
        if !lines.is_empty() {
            self.line("\n// The policies come last, when what may pass is known.");
            lines.iter().for_each(|line| self.line(line));
        }
    }

    /// Writes what is no part of the rules.
    fn rest(&mut self) {
        let mut why = "";
        for kept in self.import.kept.iter().filter(|kept| !kept.is_noted) {
            if why.is_empty() {
                self.line("\n// Not imported:");
            }
            // Of several lines with one reason, the first says it.
            let reason = if kept.why == why { String::new() } else { format!(" ({})", kept.why) };
            why = &kept.why;
            self.line(&comment(&format!("line {}{reason}: {}", kept.line, kept.text)));
        }
        if !self.import.notes.is_empty() {
            self.line("");
            self.notes("", &self.import.notes);
        }
    }
}
