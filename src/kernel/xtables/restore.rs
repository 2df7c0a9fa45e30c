//! Patches as the text of iptables-restore(8), and its complaints as refusals of entries.

use std::fmt::Write;

use super::Refusal;
use super::programs::Said;
use crate::model::Family;
use crate::model::iptables::{Added, ChainName, Counters, Patch, Rule, Table, TablePatch, Words};

/// The text of a restore, with what each of its lines is about.
#[derive(Debug)]
pub(super) struct Script {
    family: Family,
    text: String,
    lines: Vec<Line>,
    commits: u32,
}

/// What a line is about.
#[derive(Clone, Debug)]
enum Line {
    Table(Table),
    Chain(Table, ChainName),
    Rule(Table, ChainName, Option<u64>),
    Commit(Table),
}

impl Script {
    /// Begins an empty text.
    pub(super) fn new(family: Family) -> Self {
        Self { family, text: String::new(), lines: Vec::new(), commits: 0 }
    }

    /// Gives the family.
    pub(super) fn family(&self) -> Family {
        self.family
    }

    /// Gives the text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Counts the tables that are committed, each by itself.
    pub(super) fn commits(&self) -> u32 {
        self.commits
    }

    /// Writes everything that a patch adds: chains, policies, rules. nf_tables takes nothing more by this way.
    pub(super) fn additions(patch: &Patch) -> Self {
        let mut script = Self::new(patch.family);
        for table in patch.tables.iter().filter(|table| adds(table)) {
            script.open(table.table);
            script.add(table);
            script.commit(table.table);
        }
        script
    }

    /// Writes a whole patch: what it adds, then what it takes out, by number.
    pub(super) fn whole(patch: &Patch) -> Self {
        let mut script = Self::new(patch.family);
        for table in patch.tables.iter().filter(|table| adds(table) || takes(table)) {
            script.open(table.table);
            for (from, to) in &table.renamed {
                script.chain(table.table, from, format_args!("-E {from} {to}"));
            }
            script.add(table);
            script.take(table);
            script.commit(table.table);
        }
        script
    }

    /// Begins a table.
    pub(super) fn open(&mut self, table: Table) {
        self.line(Line::Table(table), format_args!("*{table}"));
    }

    /// Ends a table, and has it written.
    pub(super) fn commit(&mut self, table: Table) {
        self.commits += 1;
        self.line(Line::Commit(table), format_args!("COMMIT"));
    }

    /// Makes a user-defined chain. `:CHAIN -` would empty one that is there already, even with --noflush.
    pub(super) fn new_chain(&mut self, table: Table, chain: &ChainName) {
        self.chain(table, chain, format_args!("-N {chain}"));
    }

    /// Appends words to a chain; a complaint about them is told by their number.
    pub(super) fn append(&mut self, table: Table, chain: &ChainName, words: &str, id: u64) {
        self.line(Line::Rule(table, chain.clone(), Some(id)), format_args!("-A {chain} {words}"));
    }

    fn add(&mut self, patch: &TablePatch) {
        let table = patch.table;
        for chain in &patch.new_chains {
            self.new_chain(table, chain);
        }
        for (chain, _, policy) in &patch.policies {
            self.chain(table, chain, format_args!("-P {chain} {policy}"));
        }
        for chain in &patch.chains {
            for added in &chain.added {
                self.rule(table, &chain.chain, added);
            }
        }
    }

    fn rule(&mut self, table: Table, chain: &ChainName, added: &Added) {
        self.lines.push(Line::Rule(table, chain.clone(), Some(added.id)));
        if added.last {
            self.put(format_args!("-A {chain}"));
        } else {
            self.put(format_args!("-I {chain} {}", added.at + 1));
        }
        self.put(format_args!(" {}", written(&added.rule)));
        self.text.push('\n');
    }

    fn take(&mut self, patch: &TablePatch) {
        let table = patch.table;
        for chain in &patch.chains {
            // From the highest number down, so that none of them moves before its turn.
            for removed in chain.removed.iter().rev() {
                let line = Line::Rule(table, chain.chain.clone(), None);
                self.line(line, format_args!("-D {} {}", chain.chain, removed.at + 1));
            }
        }
        for (chain, _) in &patch.gone_chains {
            self.chain(table, chain, format_args!("-F {chain}"));
        }
        for (chain, _) in &patch.gone_chains {
            self.chain(table, chain, format_args!("-X {chain}"));
        }
    }

    fn chain(&mut self, table: Table, chain: &ChainName, text: std::fmt::Arguments<'_>) {
        self.line(Line::Chain(table, chain.clone()), text);
    }

    fn line(&mut self, line: Line, text: std::fmt::Arguments<'_>) {
        self.lines.push(line);
        self.put(text);
        self.text.push('\n');
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing into a String cannot fail.
        let _ = self.text.write_fmt(text);
    }

    /// Finds the number of the entry that a complaint is about, as far as the complaint tells.
    pub(super) fn blamed(&self, said: &Said) -> Option<u64> {
        match self.named(said)? {
            Line::Rule(_, _, id) => *id,
            _ => None,
        }
    }

    /// Finds the line that a complaint is about.
    fn named(&self, said: &Said) -> Option<&Line> {
        let missing = said.complaint.split_once("Chain '").and_then(|(_, rest)| rest.split_once("' does not exist"));
        if let Some((chain, _)) = missing {
            // iptables-nft looks for the targets of jumps at the end, and then names a line of its own counting.
            let jumps = |line: &str| line.contains(chain) && Words::listed(line).target().as_deref() == Some(chain);
            let (_, line) = self.text.lines().zip(&self.lines).find(|(text, _)| jumps(text))?;
            return Some(line);
        }
        self.lines.get(said.line()?.checked_sub(1)?)
    }

    /// Makes a refusal of a complaint.
    pub(super) fn refusal(&self, said: &Said) -> Refusal {
        let named = self.named(said);
        let family = self.family;
        let tried = match named {
            Some(Line::Rule(table, chain, Some(_))) => format!("add a rule to {table}/{chain} ({family})"),
            Some(Line::Rule(table, chain, None)) => format!("delete a rule of {table}/{chain} ({family})"),
            Some(Line::Chain(table, chain)) => format!("change the chain {table}/{chain} ({family})"),
            Some(Line::Table(table) | Line::Commit(table)) => format!("change the table {table} ({family})"),
            None => format!("change the {family} tables"),
        };
        Refusal { fault: said.fault(tried), entry: self.blamed(said).map(|id| (family, id)), written: None }
    }

    /// Gives the tables that are written.
    pub(super) fn tables(&self) -> Vec<Table> {
        tables(&self.lines)
    }

    /// Gives the tables that were written before the one in which a complaint arose.
    pub(super) fn committed_before(&self, said: &Said) -> Vec<Table> {
        let upto = said.line().map_or(0, |line| line.saturating_sub(1)).min(self.lines.len());
        tables(&self.lines[..upto])
    }

    /// Gives the tables that may have been written in spite of a complaint: the one whose commit it names, for legacy iptables sets the
    /// counters after the rules; or any, if it names no line ("Could not open socket to kernel").
    pub(super) fn in_doubt(&self, said: &Said) -> Vec<Table> {
        let named = said.line().and_then(|line| line.checked_sub(1)).map(|at| at..at + 1);
        tables(named.map_or(&self.lines[..], |line| self.lines.get(line).unwrap_or_default()))
    }
}

/// Finds the tables that some lines commit.
fn tables(lines: &[Line]) -> Vec<Table> {
    lines.iter().filter_map(|line| if let Line::Commit(table) = line { Some(*table) } else { None }).collect()
}

/// Adds to a refusal what was written before it arose, and what may have been.
pub(super) fn tell_written(refusal: &mut Refusal, written: &[(Family, Table)], in_doubt: &[(Family, Table)]) {
    refusal.written = Some([written, in_doubt].concat());
    if !written.is_empty() {
        let names: Vec<String> = written.iter().map(|(family, table)| format!("{table} ({family})")).collect();
        refusal.fault.why.push_str(&format!("; {} had been written before", names.join(", ")));
    }
}

/// Gives a rule as iptables-restore takes it: its counters, its words, its tag.
fn written(rule: &Rule) -> String {
    match rule.counters.filter(|counters| *counters != Counters::default()) {
        Some(Counters { packets, bytes }) => format!("-c {packets} {bytes} {}", rule.line()),
        None => rule.line(),
    }
}

fn adds(patch: &TablePatch) -> bool {
    !(patch.new_chains.is_empty() && patch.policies.is_empty() && patch.chains.iter().all(|chain| chain.added.is_empty()))
}

fn takes(patch: &TablePatch) -> bool {
    !(patch.renamed.is_empty() && patch.gone_chains.is_empty() && patch.chains.iter().all(|chain| chain.removed.is_empty()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::iptables::{Entry, Policy, Ruleset};

    fn name(chain: &str) -> ChainName {
        ChainName::listed(chain)
    }

    /// Appends a rule, and gives its number.
    fn push(set: &mut Ruleset, chain: &str, words: &str) -> u64 {
        let rules = &mut set.get_mut(Table::Filter, &name(chain)).unwrap().rules;
        let id = 100 + rules.len() as u64;
        rules.push(Entry { id, rule: Rule::new(Words::listed(words)).into() });
        id
    }

    fn patch() -> Patch {
        let mut present = Ruleset::empty(Family::V4);
        for chain in ["OLD", "GONE"] {
            present.new_chain(Table::Filter, &name(chain)).unwrap();
        }
        for words in ["-j OLD", "-j ACCEPT", "-j DROP"] {
            push(&mut present, "INPUT", words);
        }
        let mut wanted = present.clone();
        wanted.rename_chain(Table::Filter, &name("OLD"), &name("NEW")).unwrap();
        wanted.delete_chain(Table::Filter, &name("GONE")).unwrap();
        wanted.set_policy(Table::Filter, &name("OUTPUT"), Policy::Drop).unwrap();
        wanted.new_chain(Table::Filter, &name("FRESH")).unwrap();
        let rules = &mut wanted.get_mut(Table::Filter, &name("INPUT")).unwrap().rules;
        rules.remove(1);
        let counters = Some(Counters { packets: 1, bytes: 60 });
        rules.insert(1, Entry { id: 7, rule: Rule { words: Words::listed("-j FRESH"), tag: None, counters }.into() });
        rules.push(Entry { id: 8, rule: Rule::new(Words::listed("-j NONE")).into() });
        Patch::between(&present, &wanted, &[(Table::Filter, name("OLD"), name("NEW"))])
    }

    #[test]
    fn a_whole_patch_adds_before_it_takes_out() {
        let text = "*filter\n-E OLD NEW\n-N FRESH\n-P OUTPUT DROP\n-I INPUT 2 -c 1 60 -j FRESH\n-A INPUT -j NONE\n-D INPUT 3\n-F GONE\n-X GONE\nCOMMIT\n";
        assert_eq!(Script::whole(&patch()).text(), text);
        let text = "*filter\n-N FRESH\n-P OUTPUT DROP\n-I INPUT 2 -c 1 60 -j FRESH\n-A INPUT -j NONE\nCOMMIT\n";
        assert_eq!(Script::additions(&patch()).text(), text);
    }

    #[test]
    fn what_may_have_been_written_is_told_from_what_was() {
        let mut script = Script::whole(&patch());
        script.open(Table::Nat);
        script.commit(Table::Nat);
        let tables = |complaint: &str| {
            let said = Said { status: 1, output: String::new(), complaint: complaint.into() };
            (script.committed_before(&said), script.in_doubt(&said))
        };
        assert_eq!(tables("iptables-restore: line 5 failed\n"), (vec![], vec![]));
        assert_eq!(tables("iptables-restore: line 10 failed\n"), (vec![], vec![Table::Filter]));
        assert_eq!(tables("iptables-restore: line 11 failed\n"), (vec![Table::Filter], vec![]));
        assert_eq!(tables("Could not open socket to kernel\n"), (vec![], vec![Table::Filter, Table::Nat]));
    }

    #[test]
    fn a_complaint_is_told_of_the_rule_that_it_names() {
        let script = Script::whole(&patch());
        let refusal = |complaint: &str| script.refusal(&Said { status: 1, output: String::new(), complaint: complaint.into() });
        let cases = [
            ("iptables-restore: line 5 failed\n", Some(7), "add a rule to filter/INPUT (IPv4)"),
            ("iptables-restore: line 7 failed\n", None, "delete a rule of filter/INPUT (IPv4)"),
            ("iptables-restore: line 9 failed\n", None, "change the chain filter/GONE (IPv4)"),
            ("iptables-restore: line 10 failed\n", None, "change the table filter (IPv4)"),
            (
                "iptables-nft-restore v1.8.9 (nf_tables): Chain 'NONE' does not exist\nError occurred at line: 12\n",
                Some(8),
                "add a rule to filter/INPUT (IPv4)",
            ),
            ("what\n", None, "change the IPv4 tables"),
        ];
        for (complaint, id, tried) in cases {
            let refusal = refusal(complaint);
            assert_eq!((refusal.entry.map(|(_, id)| id), refusal.fault.tried.as_str()), (id, tried), "{complaint}");
        }
    }
}
