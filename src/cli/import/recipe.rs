//! The text of an imported recipe: parameters, sets, tables, chains with their rules, and policies at the end.

use std::fmt::Write;

use crate::host::Risk;
use crate::host::write::{Part, comment, header, literal, template};
use crate::model::Family;
use crate::model::ipset::SetName;
use crate::model::iptables::import::{Chain, Import, Param, Piece, Rule, Sets, Tabled, pieces};
use crate::model::iptables::{Policy, Table};

/// Writes the recipe; an exact one lets what is in the tables give way, as the original does.
pub(super) fn text(import: &Import, name: &str, exact: bool) -> String {
    let mut rooms: Vec<&str> =
        Family::BOTH.into_iter().filter(|family| import.tables.keys().any(|(of, _)| of == family)).map(Family::command).collect();
    rooms.extend(Some("ipset").filter(|_| import.sets != Sets::default()));
    let mut writer = Writer { import, exact, out: header(&format!("Sets the rules of {name}."), &rooms, Risk::Disrupts) };
    writer.head();
    writer.params();
    writer.handles();
    writer.flushes();
    writer.flushes_sets();
    writer.sets();
    writer.makes();
    for (at, tabled) in &import.tables {
        tabled.chains.iter().for_each(|chain| writer.chain(*at, chain));
        writer.gone(*at, tabled);
    }
    writer.gone_sets();
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
        if self.import.tables.is_empty() {
            return;
        }
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
        let is_same = |one: &Rule, other: &Rule| one.is_needed == other.is_needed;
        // What goes first is put there from behind, as the original does it.
        let parts = head.chunk_by(is_same).rev().map(|part| (part, true)).chain(tail.chunk_by(is_same).map(|part| (part, false)));
        let mut parts = parts.peekable();
        while let Some((rules, first)) = parts.next() {
            self.line("");
            let after: &[String] = if parts.peek().is_none() { &chain.notes } else { &[] };
            match rules[0].is_needed {
                true => self.needed(&of, rules, first, after),
                false => self.rules(&format!("{of}.{}", if first { "ensure_first" } else { "ensure" }), rules, after),
            }
        }
        if chain.rules.is_empty() && !chain.notes.is_empty() {
            self.line("");
            self.line(&comment(&format!("{}:", chain.name)));
            self.notes("", &chain.notes);
        }
    }

    fn rules(&mut self, call: &str, rules: &[Rule], after: &[String]) {
        self.line(&format!("{call}(["));
        self.list(rules.iter(), after);
        self.line("]);");
    }

    fn list<'r>(&mut self, rules: impl Iterator<Item = &'r Rule>, after: &[String]) {
        for rule in rules {
            self.notes("    ", &rule.notes);
            let text = self.template(&rule.line(&self.import.params));
            self.line(&format!("    {text},"));
        }
        self.notes("    ", after);
    }

    /// Puts in rules one by one, each only where none like it is.
    fn needed(&mut self, of: &str, rules: &[Rule], first: bool, after: &[String]) {
        self.line("// Where such a rule is, it stays in its place.");
        if let ([rule], false) = (rules, first) {
            let text = self.template(&rule.line(&self.import.params));
            self.notes("", &rule.notes);
            self.line(&format!("{of}.ensure({text});"));
            return self.notes("", after);
        }
        self.line("for rule in [");
        match first {
            true => self.list(rules.iter().rev(), after),
            false => self.list(rules.iter(), after),
        }
        match first {
            true => self.line(&format!("] {{\n    if {of}.check(rule) {{ {of}.ensure(rule); }} else {{ {of}.ensure_first(rule); }}\n}}")),
            false => self.line(&format!("] {{\n    {of}.ensure(rule);\n}}")),
        }
    }

    fn template(&self, line: &[Piece]) -> String {
        let params = &self.import.params;
        let part = |piece| match piece {
            &Piece::Param(number) => Part::Variable(params.get(number).map_or("", |param: &Param| param.name.as_str())),
            Piece::Text(text) => Part::Text(text),
        };
        template(&line.iter().map(part).collect::<Vec<_>>())
    }

    /// Takes away, or empties, the sets that the original does.
    fn flushes_sets(&mut self) {
        let Sets { all, gone, is_destroyed, is_flushed } = &self.import.sets;
        if !self.exact {
            return;
        }
        if *is_destroyed || *is_flushed {
            self.line("\n// What is in all sets gives way, as it does in the original.");
            self.line("for set in ipset::list() {\n    ipset::set(set.name).flush();\n}");
        }
        if *is_destroyed {
            self.line("for set in ipset::list() {\n    ipset::absent_set(set.name);\n}");
        }
        let is_made_anew = |name: &&SetName| all.iter().any(|set| set.name == **name);
        for name in gone.iter().filter(is_made_anew).filter(|_| !is_destroyed) {
            self.line(&format!("\nipset::absent_set({});", literal(name.as_str())));
        }
    }

    /// Makes all sets, then puts in what belongs there: a list may hold those that are made after it.
    fn sets(&mut self) {
        for set in &self.import.sets.all {
            let Some(made) = &set.made else { continue };
            let definition = self.template(&pieces(&made.words, &self.import.params));
            self.line("");
            self.notes("", &made.notes);
            self.line(&format!("ipset::ensure_set({}, {definition});", literal(set.name.as_str())));
        }
        for set in &self.import.sets.all {
            let of = format!("ipset::set({})", literal(set.name.as_str()));
            let is_flushed = set.is_flushed && (self.exact || set.made.is_some());
            let is_only = is_flushed && set.steps.first().is_some_and(|step| step.puts);
            if is_flushed && !is_only {
                self.line(&format!("\n{of}.flush();"));
            }
            for (at, step) in set.steps.iter().enumerate() {
                let verb = match step.puts {
                    true if is_only && at == 0 => "ensure_only",
                    true => "ensure",
                    false => "absent",
                };
                self.line(&format!("\n{of}.{verb}(["));
                for element in &step.elements {
                    self.notes("    ", &element.notes);
                    let text = self.template(&pieces(&element.words, &self.import.params));
                    self.line(&format!("    {text},"));
                }
                self.line("]);");
            }
        }
    }

    fn gone_sets(&mut self) {
        let Sets { all, gone, .. } = &self.import.sets;
        for name in gone.iter().filter(|name| !all.iter().any(|set| set.name == **name)) {
            self.line(&format!("\nipset::absent_set({});", literal(name.as_str())));
        }
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
