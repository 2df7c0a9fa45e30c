//! nf_tables over netlink (nfnetlink): what identifies tables, chains and rules, and deletions that carry the generation in which they were looked up.
//!
//! The layouts are those of `linux/netfilter/nfnetlink.h` and `linux/netfilter/nf_tables.h`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use nix::errno::Errno;

use super::message::{Messages, Refused, attributes, be32, be64, flag, text};
use super::{Dump, Socket};
use crate::model::Family;

/// `NFNL_SUBSYS_NFTABLES`, the high byte of a message's type.
const NFTABLES: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

/// `enum nf_tables_msg_types`.
mod message {
    pub(super) const GETTABLE: u16 = 1;
    pub(super) const DELTABLE: u16 = 2;
    pub(super) const NEWCHAIN: u16 = 3;
    pub(super) const GETCHAIN: u16 = 4;
    pub(super) const DELCHAIN: u16 = 5;
    pub(super) const GETRULE: u16 = 7;
    pub(super) const DELRULE: u16 = 8;
    pub(super) const GETSET: u16 = 10;
    pub(super) const GETGEN: u16 = 16;
}

/// `enum nft_table_attributes` and its like.
mod attribute {
    pub(super) const BATCH_GENID: u16 = 1;
    pub(super) const GEN_ID: u16 = 1;
    pub(super) const TABLE_NAME: u16 = 1;
    pub(super) const TABLE_HANDLE: u16 = 4;
    pub(super) const CHAIN_TABLE: u16 = 1;
    pub(super) const CHAIN_HANDLE: u16 = 2;
    pub(super) const CHAIN_NAME: u16 = 3;
    pub(super) const CHAIN_HOOK: u16 = 4;
    pub(super) const CHAIN_POLICY: u16 = 5;
    pub(super) const CHAIN_USE: u16 = 6;
    pub(super) const RULE_TABLE: u16 = 1;
    pub(super) const RULE_CHAIN: u16 = 2;
    pub(super) const RULE_HANDLE: u16 = 3;
    pub(super) const RULE_EXPRESSIONS: u16 = 4;
    pub(super) const EXPR_NAME: u16 = 1;
    pub(super) const EXPR_DATA: u16 = 2;
    pub(super) const MATCH_NAME: u16 = 1;
    pub(super) const MATCH_INFO: u16 = 3;
    pub(super) const IMMEDIATE_DATA: u16 = 2;
    pub(super) const DATA_VERDICT: u16 = 2;
    pub(super) const VERDICT_CHAIN: u16 = 2;
}

/// The number of a family in nf_tables (`NFPROTO_IPV4`, `NFPROTO_IPV6`).
fn number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

/// A rule: the number that stays its own, and the comment that iptables put on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The number, unique within the table and never used again.
    pub handle: u64,
    /// The text of its last `comment` match.
    pub comment: Option<Box<str>>,
    /// The chain to which it jumps or goes.
    pub jump: Option<Box<str>>,
    /// Whether it looks something up in a set of nf_tables.
    pub looks_up: bool,
}

/// A chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The number that stays its own.
    pub handle: u64,
    /// Whether a hook of the kernel calls it.
    pub base: bool,
    /// Whether its policy drops.
    pub drops: bool,
    /// How many rules it has, and how many jump to it.
    pub uses: u32,
    /// The rules in order.
    pub rules: Vec<Rule>,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// The number that stays its own, also when a table of the same name follows it.
    pub handle: u64,
    /// The chains by name.
    pub chains: BTreeMap<String, Chain>,
}

/// Some tables of one family at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The generation of all rulesets of the namespace; every commit of anybody adds one.
    pub generation: u32,
    /// The tables by name.
    pub tables: BTreeMap<String, Table>,
}

impl Listing {
    /// Gives a chain, if it is there.
    pub fn chain(&self, table: &str, chain: &str) -> Option<&Chain> {
        self.tables.get(table)?.chains.get(chain)
    }
}

/// One order of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Gives a chain, known by its number, another name.
    RenameChain(u64, String),
    /// Lets the policy of a built-in chain drop, or not.
    SetPolicy(String, bool),
    /// Deletes a rule, known by its chain and its number.
    DeleteRule(String, u64),
    /// Deletes all rules of a chain.
    EmptyChain(String),
    /// Deletes a chain that has neither rules nor jumps to it.
    DeleteChain(String),
    /// Deletes a table without chains.
    DeleteTable,
}

/// An order with the table to which it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The family.
    pub family: Family,
    /// The table.
    pub table: &'static str,
    /// The order.
    pub order: Order,
}

/// How a batch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commit {
    /// All of it was done.
    Done,
    /// Nothing was done, because the rulesets are of another generation by now.
    Moved,
    /// Nothing was done, because the kernel refused the order of this number.
    Refused(usize, Refused),
}

/// nf_tables of one network namespace.
pub struct Nftables {
    socket: Socket,
}

impl Nftables {
    /// Opens a socket in the network namespace of the calling thread.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::open(libc::NETLINK_NETFILTER)?;
        // The kernel answers at once; should it ever not, a fault is better than silence.
        socket.set_timeout(Duration::from_secs(30))?;
        Ok(Self { socket })
    }

    /// Gives the number of the present generation.
    pub fn generation(&mut self) -> io::Result<u32> {
        let sequence = self.socket.next_sequence();
        let mut messages = Messages::new();
        ask(&mut messages, message::GETGEN, flag::REQUEST, sequence, 0, |_| {});
        let body = self.socket.ask(messages.bytes(), sequence)?;
        let generation = entry(&body).find(|(kind, _)| *kind == attribute::GEN_ID).map(|(_, value)| be32(value));
        generation.ok_or_else(|| io::Error::other("nf_tables has no generation"))
    }

    /// Lists the tables of these names with their chains, and, if wanted, with their rules; none where others kept changing them.
    pub fn list(&mut self, family: Family, names: &[&str], rules: bool) -> io::Result<Option<Listing>> {
        const TRIES: usize = 16;
        for _ in 0..TRIES {
            let mut listing = Listing { generation: self.generation()?, tables: BTreeMap::new() };
            let whole = self.dump(family, names, rules, &mut listing)?;
            if whole == Dump::Whole && self.generation()? == listing.generation {
                return Ok(Some(listing));
            }
        }
        Ok(None)
    }

    fn dump(&mut self, family: Family, names: &[&str], rules: bool, listing: &mut Listing) -> io::Result<Dump> {
        let tables = &mut listing.tables;
        let mut end = self.dump_one(message::GETTABLE, family, None, &mut |body| {
            let mut table = Table::default();
            let mut name = String::new();
            for (kind, value) in entry(body) {
                match kind {
                    attribute::TABLE_NAME => name = text(value).to_owned(),
                    attribute::TABLE_HANDLE => table.handle = be64(value),
                    _ => {}
                }
            }
            if names.contains(&name.as_str()) {
                tables.insert(name, table);
            }
        })?;
        if tables.is_empty() {
            return Ok(end);
        }
        if self.dump_one(message::GETCHAIN, family, None, &mut |body| add_chain(tables, body))? == Dump::Torn {
            end = Dump::Torn;
        }
        for (name, table) in tables.iter_mut().filter(|_| rules) {
            if self.dump_one(message::GETRULE, family, Some(name), &mut |body| add_rule(table, body))? == Dump::Torn {
                end = Dump::Torn;
            }
        }
        Ok(end)
    }

    fn dump_one(&mut self, kind: u16, family: Family, table: Option<&str>, each: &mut dyn FnMut(&[u8])) -> io::Result<Dump> {
        let sequence = self.socket.next_sequence();
        let mut messages = Messages::new();
        ask(&mut messages, kind, flag::REQUEST | flag::DUMP, sequence, number(family), |m| {
            if let Some(table) = table {
                m.text(attribute::RULE_TABLE, table);
            }
        });
        self.socket.dump(messages.bytes(), sequence, &mut |_, body| each(body))
    }

    /// Names what is in nf_tables of all families besides the tables of iptables: tables, sets, and chains with the number of their rules.
    pub fn others(&mut self) -> io::Result<BTreeSet<String>> {
        let (mut found, mut chains) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
        self.dump_all(message::GETTABLE, &mut |names| {
            found.insert(format!("table {}", names[..2].join(" ")));
        })?;
        self.dump_all(message::GETSET, &mut |names| {
            found.insert(format!("set {}", names.join(" ")));
        })?;
        self.dump_all(message::GETCHAIN, &mut |names| {
            chains.insert(names.join(" "), 0);
        })?;
        self.dump_all(message::GETRULE, &mut |names| *chains.entry(names.join(" ")).or_default() += 1)?;
        found.extend(chains.into_iter().map(|(chain, rules)| format!("chain {chain} with {rules} rules")));
        Ok(found)
    }

    /// Lists something of all families, but for what iptables has: each as its family, its table, and its chain or its own name.
    fn dump_all(&mut self, kind: u16, each: &mut dyn FnMut(Vec<String>)) -> io::Result<()> {
        let own = if kind == message::GETCHAIN { attribute::CHAIN_NAME } else { attribute::RULE_CHAIN };
        let sequence = self.socket.next_sequence();
        let mut messages = Messages::new();
        ask(&mut messages, kind, flag::REQUEST | flag::DUMP, sequence, 0, |_| {});
        let dump = self.socket.dump(messages.bytes(), sequence, &mut |_, body| {
            let of = |wanted| entry(body).find(|(kind, _)| *kind == wanted).map(|(_, value)| text(value).to_owned());
            let (family, table) = (body.first().copied().unwrap_or(0), of(attribute::TABLE_NAME).unwrap_or_default());
            let of_iptables = Family::BOTH.map(number).contains(&family) && OF_IPTABLES.contains(&table.as_str());
            if !of_iptables {
                each(vec![family_name(family), table, of(own).unwrap_or_default()]);
            }
        });
        dump.map(drop)
    }

    /// Does all of the orders, or none of them, if the rulesets are still of this generation.
    pub fn commit(&mut self, generation: u32, orders: &[Ordered]) -> io::Result<Commit> {
        let begin = self.socket.next_sequence();
        let mut messages = Messages::new();
        batch(&mut messages, BATCH_BEGIN, begin, |m| m.attribute(attribute::BATCH_GENID, &generation.to_be_bytes()));
        for (at, ordered) in orders.iter().enumerate() {
            let sequence = self.socket.next_sequence();
            // One answer for the whole is enough: errors are answered without being asked for.
            let ack = if at + 1 == orders.len() { flag::ACK } else { 0 };
            order(&mut messages, ordered, ack, sequence);
        }
        let last = begin.wrapping_add(orders.len() as u32);
        let end = self.socket.next_sequence();
        batch(&mut messages, BATCH_END, end, |_| {});
        self.socket.send(messages.bytes())?;
        self.outcome(begin, last)
    }

    /// Reads the answers to a batch. The first error is the cause, and the answer to the last order ends them.
    fn outcome(&mut self, begin: u32, last: u32) -> io::Result<Commit> {
        let (mut commit, mut ended) = (Commit::Done, false);
        while !ended {
            self.socket.receive(&mut |answer| {
                let number = answer.sequence.wrapping_sub(begin);
                let Some(status) = answer.status().filter(|_| number <= last.wrapping_sub(begin)) else { return Ok(()) };
                match status {
                    Err(refused) if [Errno::ERESTART as i32, Errno::EAGAIN as i32].contains(&refused.errno) => {
                        (commit, ended) = (Commit::Moved, true);
                    }
                    Err(refused) if number == 0 => return Err(refused.error()),
                    Err(refused) if commit == Commit::Done => commit = Commit::Refused(number as usize - 1, refused),
                    _ => {}
                }
                ended |= answer.sequence == last;
                Ok(())
            })?;
        }
        Ok(commit)
    }
}

/// The names that tables have of which iptables knows.
const OF_IPTABLES: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];

/// Names a family as nft(8) does, by its number (`linux/netfilter.h`).
fn family_name(number: u8) -> String {
    let names = [(1, "inet"), (2, "ip"), (3, "arp"), (5, "netdev"), (7, "bridge"), (10, "ip6")];
    names.iter().find(|(of, _)| *of == number).map_or_else(|| number.to_string(), |(_, name)| (*name).to_owned())
}

/// Writes a question or an order to nf_tables.
fn ask(messages: &mut Messages, kind: u16, flags: u16, sequence: u32, family: u8, body: impl FnOnce(&mut Messages)) {
    messages.message(NFTABLES << 8 | kind, flags, sequence, |m| {
        m.raw(&[family, 0, 0, 0]);
        body(m);
    });
}

/// Writes the beginning or the end of a batch.
fn batch(messages: &mut Messages, kind: u16, sequence: u32, body: impl FnOnce(&mut Messages)) {
    messages.message(kind, flag::REQUEST, sequence, |m| {
        let subsystem = NFTABLES.to_be_bytes();
        m.raw(&[0, 0, subsystem[0], subsystem[1]]);
        body(m);
    });
}

fn order(messages: &mut Messages, ordered: &Ordered, ack: u16, sequence: u32) {
    let (kind, flags) = match ordered.order {
        Order::RenameChain(..) | Order::SetPolicy(..) => (message::NEWCHAIN, 0),
        Order::DeleteRule(..) | Order::EmptyChain(_) => (message::DELRULE, 0),
        Order::DeleteChain(_) => (message::DELCHAIN, flag::NONREC),
        Order::DeleteTable => (message::DELTABLE, flag::NONREC),
    };
    ask(messages, kind, flag::REQUEST | flags | ack, sequence, number(ordered.family), |m| {
        // The name of the table is attribute 1 of tables, chains and rules alike.
        m.text(attribute::TABLE_NAME, ordered.table);
        match &ordered.order {
            Order::RenameChain(handle, to) => {
                m.attribute(attribute::CHAIN_HANDLE, &handle.to_be_bytes());
                m.text(attribute::CHAIN_NAME, to);
            }
            Order::SetPolicy(chain, drops) => {
                m.text(attribute::CHAIN_NAME, chain);
                m.attribute(attribute::CHAIN_POLICY, &u32::from(!drops).to_be_bytes());
            }
            Order::DeleteRule(chain, handle) => {
                m.text(attribute::RULE_CHAIN, chain);
                m.attribute(attribute::RULE_HANDLE, &handle.to_be_bytes());
            }
            Order::EmptyChain(chain) => m.text(attribute::RULE_CHAIN, chain),
            Order::DeleteChain(chain) => m.text(attribute::CHAIN_NAME, chain),
            Order::DeleteTable => {}
        }
    });
}

/// Takes the attributes of an entry, which follow four bytes of header.
fn entry(body: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    attributes(body.get(4..).unwrap_or_default())
}

fn add_chain(tables: &mut BTreeMap<String, Table>, body: &[u8]) {
    let (mut table, mut name, mut chain) = ("", "", Chain::default());
    for (kind, value) in entry(body) {
        match kind {
            attribute::CHAIN_TABLE => table = text(value),
            attribute::CHAIN_NAME => name = text(value),
            attribute::CHAIN_HANDLE => chain.handle = be64(value),
            attribute::CHAIN_HOOK => chain.base = true,
            attribute::CHAIN_POLICY => chain.drops = be32(value) == 0,
            attribute::CHAIN_USE => chain.uses = be32(value),
            _ => {}
        }
    }
    if let Some(table) = tables.get_mut(table) {
        table.chains.insert(name.to_owned(), chain);
    }
}

fn add_rule(table: &mut Table, body: &[u8]) {
    let (mut chain, mut rule) = ("", Rule { handle: 0, comment: None, jump: None, looks_up: false });
    for (kind, value) in entry(body) {
        match kind {
            attribute::RULE_CHAIN => chain = text(value),
            attribute::RULE_HANDLE => rule.handle = be64(value),
            attribute::RULE_EXPRESSIONS => {
                for (_, expression) in attributes(value) {
                    match part(expression, attribute::EXPR_NAME).map(text) {
                        Some("match") => rule.comment = comment(expression).or(rule.comment),
                        Some("immediate") => rule.jump = jump(expression).or(rule.jump),
                        Some("lookup") => rule.looks_up = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if let Some(chain) = table.chains.get_mut(chain) {
        chain.rules.push(rule);
    }
}

/// Finds an attribute among others.
fn part(bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
}

/// Gives the chain to which an immediate verdict leads.
fn jump(expression: &[u8]) -> Option<Box<str>> {
    let data = part(part(expression, attribute::EXPR_DATA)?, attribute::IMMEDIATE_DATA)?;
    Some(text(part(part(data, attribute::DATA_VERDICT)?, attribute::VERDICT_CHAIN)?).into())
}

/// Gives the text of a match of xtables if it is a comment.
fn comment(expression: &[u8]) -> Option<Box<str>> {
    let data = part(expression, attribute::EXPR_DATA)?;
    let info = part(data, attribute::MATCH_INFO).filter(|_| part(data, attribute::MATCH_NAME).map(text) == Some("comment"))?;
    Some(text(info).into())
}
