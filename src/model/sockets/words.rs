//! The words of ss(8): `state established dst 192.0.2.0/24 and ( sport = :22 or sport = :2222 )`.

use std::str::FromStr;

use super::{Expr, Filter, Side, States};
use crate::model::net::{InterfaceMatch, Ports};
use crate::model::{Fault, prefix::Prefix};

/// How deep brackets may be nested.
const DEEPEST: usize = 100;

impl FromStr for Filter {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let words = split(text);
        let mut reader = Reader { text, words: &words, at: 0, depth: 0 };
        let mut filter = Self::default();
        reader.states(&mut filter)?;
        if reader.peek().is_some() {
            let expr = reader.any()?;
            match reader.peek() {
                None => filter.all.push(expr),
                Some(odd) => return Err(reader.refuse(format!("{odd:?} does not fit there"))),
            }
        }
        Ok(filter)
    }
}

/// Takes a text apart into words; brackets and signs of comparison are words of their own.
fn split(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let is_sign = |c: char| "=<>!&|".contains(c);
    for part in text.split_whitespace() {
        let mut word = String::new();
        for c in part.chars() {
            let glued = match word.chars().last() {
                None => true,
                Some(last) => !"()".contains(c) && !"()".contains(last) && is_sign(c) == is_sign(last),
            };
            if !glued {
                words.push(std::mem::take(&mut word));
            }
            word.push(c);
        }
        words.push(word);
    }
    words
}

struct Reader<'a> {
    text: &'a str,
    words: &'a [String],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Result<&'a str, Fault> {
        let word = self.peek().ok_or_else(|| self.refuse("it ends too early".to_owned()))?;
        self.at += 1;
        Ok(word)
    }

    fn take(&mut self, words: &[&str]) -> bool {
        let found = self.peek().is_some_and(|word| words.contains(&word));
        self.at += usize::from(found);
        found
    }

    fn refuse(&self, why: String) -> Fault {
        let fault = Fault::input(format!("use {:?} as a filter of sockets", self.text), why);
        fault.hint("the words of ss(8): state listening; sport = :22; dport ge :1024; dst 192.0.2.0/24; src [2001:db8::1]:443; fwmark = 1; and, or, not")
    }

    /// Reads `state` and `exclude`, which stand before the conditions.
    fn states(&mut self, filter: &mut Filter) -> Result<(), Fault> {
        let (mut named, mut excluded): (Option<States>, _) = (None, States::ALL);
        loop {
            if self.take(&["state"]) {
                let states: States = self.next()?.parse()?;
                named = Some(named.map_or(states, |earlier| earlier.or(states)));
            } else if self.take(&["exclude", "excl"]) {
                excluded = excluded.and(self.next()?.parse::<States>()?.complement());
            } else {
                filter.states = named.unwrap_or(States::ALL).and(excluded);
                return Ok(());
            }
        }
    }

    fn any(&mut self) -> Result<Expr, Fault> {
        let mut parts = vec![self.all()?];
        while self.take(&["or", "|", "||"]) {
            parts.push(self.all()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Expr::Or(parts) })
    }

    fn all(&mut self) -> Result<Expr, Fault> {
        let mut parts = vec![self.one()?];
        // Conditions that stand side by side are all meant.
        while self.take(&["and", "&", "&&"]) || self.peek().is_some_and(|word| !["or", "|", "||", ")"].contains(&word)) {
            parts.push(self.one()?);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Expr::And(parts) })
    }

    fn one(&mut self) -> Result<Expr, Fault> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.refuse(format!("it nests deeper than {DEEPEST}")));
        }
        let word = self.next()?;
        let expr = match word {
            "not" | "!" => Expr::Not(Box::new(self.one()?)),
            "(" => {
                let inner = self.any()?;
                if !self.take(&[")"]) {
                    return Err(self.refuse("a bracket is not closed".to_owned()));
                }
                inner
            }
            "sport" => self.port(Side::Local)?,
            "dport" => self.port(Side::Peer)?,
            "src" => self.host(Side::Local)?,
            "dst" => self.host(Side::Peer)?,
            "dev" => self.interface()?,
            "fwmark" => self.mark()?,
            odd => return Err(self.refuse(format!("{odd:?} begins no condition"))),
        };
        self.depth -= 1;
        Ok(expr)
    }

    /// Reads a sign of comparison; where none stands, equal is meant.
    fn sign(&mut self) -> Result<&'static str, Fault> {
        const SIGNS: &[(&str, &[&str])] = &[
            ("=", &["=", "==", "eq"]),
            ("!=", &["!=", "ne", "neq"]),
            (">=", &[">=", "ge", "geq"]),
            ("<=", &["<=", "le", "leq"]),
            (">", &[">", "gt"]),
            ("<", &["<", "lt"]),
        ];
        let Some(word) = self.peek() else { return Ok("=") };
        let found = SIGNS.iter().find(|(_, words)| words.contains(&word));
        if found.is_none() && word.chars().all(|c| "=<>!&|".contains(c)) {
            return Err(self.refuse(format!("{word:?} compares nothing")));
        }
        self.at += usize::from(found.is_some());
        Ok(found.map_or("=", |(sign, _)| *sign))
    }

    fn equal(&mut self, of: &str) -> Result<bool, Fault> {
        match self.sign()? {
            "=" => Ok(true),
            "!=" => Ok(false),
            odd => Err(self.refuse(format!("{of} is equal or not, it is not {odd} another"))),
        }
    }

    fn port(&mut self, side: Side) -> Result<Expr, Fault> {
        let (sign, word) = (self.sign()?, self.next()?);
        let ports = Ports::either(word.strip_prefix(':').unwrap_or(word))?;
        let range = |first: Option<u16>, last: Option<u16>| match (first, last) {
            (Some(first), Some(last)) => Ok(Expr::Port(side, Ports { first, last })),
            _ => Err(self.refuse(format!("no port is {sign} {ports}"))),
        };
        match sign {
            "!=" => Ok(Expr::Not(Box::new(Expr::Port(side, ports)))),
            "=" => Ok(Expr::Port(side, ports)),
            ">=" => range(Some(ports.first), Some(u16::MAX)),
            "<=" => range(Some(0), Some(ports.last)),
            ">" => range(ports.last.checked_add(1), Some(u16::MAX)),
            _ => range(Some(0), ports.first.checked_sub(1)),
        }
    }

    fn host(&mut self, side: Side) -> Result<Expr, Fault> {
        let equal = self.equal("an address")?;
        let expr = host(side, self.next()?)?;
        Ok(if equal { expr } else { Expr::Not(Box::new(expr)) })
    }

    fn interface(&mut self) -> Result<Expr, Fault> {
        let equal = self.equal("an interface")?;
        let name = self.next()?.parse::<InterfaceMatch>()?;
        let expr = Expr::Interface(name.to_string());
        Ok(if equal { expr } else { Expr::Not(Box::new(expr)) })
    }

    fn mark(&mut self) -> Result<Expr, Fault> {
        let equal = self.equal("a mark")?;
        let expr = mark(self.next()?)?;
        Ok(if equal { expr } else { Expr::Not(Box::new(expr)) })
    }
}

/// Reads an end: `192.0.2.0/24`, `192.0.2.1:22`, `[2001:db8::1]:22`, `:22`, `*:22`, a path, or `@` and a name.
pub(super) fn host(side: Side, word: &str) -> Result<Expr, Fault> {
    if word.starts_with(['/', '@']) || word.starts_with("unix:") {
        return Ok(Expr::Name(side, word.trim_start_matches("unix:").to_owned()));
    }
    let (address, port) = match word.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, rest)) if rest.starts_with('/') => return host(side, &format!("{address}{rest}")),
        Some((address, rest)) => (address, Some(rest.strip_prefix(':').unwrap_or(rest))),
        None => match word.split_once(':') {
            Some((address, port)) if !port.contains(':') => (address, Some(port)),
            _ => (word, None),
        },
    };
    let mut parts = Vec::new();
    if !address.is_empty() && address != "*" {
        parts.push(Expr::Address(side, address.parse::<Prefix>()?));
    }
    if let Some(port) = port.filter(|port| *port != "*") {
        parts.push(Expr::Port(side, Ports::either(port)?));
    }
    Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Expr::And(parts) })
}

/// Reads a mark, with a mask or without.
pub(super) fn mark(word: &str) -> Result<Expr, Fault> {
    let number = |digits: &str| match digits.strip_prefix("0x") {
        Some(hex) if !hex.starts_with('+') => u32::from_str_radix(hex, 16).ok(),
        _ => digits.parse().ok().filter(|_: &u32| !digits.starts_with('+')),
    };
    let (value, mask) = word.split_once('/').map_or((word, None), |(value, mask)| (value, Some(mask)));
    match (number(value), mask.map_or(Some(u32::MAX), number)) {
        (Some(value), Some(mask)) => Ok(Expr::Mark(value & mask, mask)),
        _ => Err(Fault::input(format!("use {word:?} as a mark"), "a mark is a number of 32 bits, with a mask or without: 0x1/0xff")),
    }
}

impl Expr {
    /// Reads an end of sockets as ss(8) has it behind `src` and `dst`.
    pub fn host(side: Side, word: &str) -> Result<Self, Fault> {
        host(side, word)
    }

    /// Reads a mark, with a mask or without.
    pub fn mark(word: &str) -> Result<Self, Fault> {
        mark(word)
    }
}
