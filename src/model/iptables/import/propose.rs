//! Parameters for the ports and interfaces that stand in the rules.

use std::collections::HashMap;

use super::{Import, Param, Piece, Rule, Word, names};
use crate::model::Family;
use crate::model::iptables::Table;

/// The most parameters of each kind: more would hide the rules.
const MOST: usize = 12;

/// Options with one port.
const PORT: &[&str] = &["--dport", "--sport", "--destination-port", "--source-port", "--to-ports", "--to-port"];

/// Options with a list of ports.
const PORTS: &[&str] = &["--dports", "--sports", "--ports", "--destination-ports", "--source-ports"];

/// Options with an interface.
const INTERFACE: &[&str] = &["-i", "--in-interface", "-o", "--out-interface"];

/// Makes parameters of the values that stand most often in the rules, and puts these in their places.
pub(super) fn propose(import: &mut Import) {
    count(import);
    tell_ports(import);
    let (ports, interfaces) = (most(import, port_values), most(import, interface_values));
    let sides = sides(import, &interfaces);
    // A value that the script has a variable for is that of the variable.
    let given: Vec<&str> = import.params.iter().filter(|param| param.uses > 0).map(|param| param.value.as_str()).collect();
    let of_ports = ports.iter().filter(|port| !given.contains(&port.as_str())).map(|port| {
        let name = port.parse().map_or_else(|_| format!("port_{port}"), names::of_port);
        Param { doc: name.replace('_', " "), name, value: port.clone(), is_port: true, uses: 1 }
    });
    let of_interfaces = interfaces.iter().filter(|interface| !given.contains(&interface.as_str())).map(|interface| {
        let (name, doc) = match interface {
            _ if sides.0.as_ref() == Some(interface) => ("wan".to_owned(), "interface to the outside"),
            _ if sides.1.as_ref() == Some(interface) => ("lan".to_owned(), "interface to the inside"),
            _ if interfaces.len() == 1 => ("interface".to_owned(), "interface"),
            _ => (names::of_interface(interface), "interface"),
        };
        Param { name, value: interface.clone(), doc: doc.to_owned(), is_port: false, uses: 1 }
    });
    let proposed: Vec<Param> = of_ports.chain(of_interfaces).collect();
    import.params.extend(proposed);
    put_in(import);
    count(import);
    name(import);
}

/// Puts the parameters in the places of their values.
fn put_in(import: &mut Import) {
    let params = import.params.clone();
    let number =
        |is_port: bool, value: &str| params.iter().position(|param| param.uses > 0 && param.is_port == is_port && param.value == value);
    each_rule(import, |rule| {
        for at in 1..rule.words.len() {
            let Some(option) = literal(&rule.words[at - 1]).map(str::to_owned) else { continue };
            let word = &mut rule.words[at];
            if INTERFACE.contains(&option.as_str()) {
                replace(word, None, |text| number(false, text));
            } else if PORT.contains(&option.as_str()) {
                replace(word, None, |text| number(true, text));
            } else if PORTS.contains(&option.as_str()) {
                replace(word, Some(','), |text| number(true, text));
            }
        }
    });
}

fn each_rule(import: &mut Import, mut of: impl FnMut(&mut Rule)) {
    let chains = import.tables.values_mut().flat_map(|table| &mut table.chains);
    chains.flat_map(|chain| chain.rules.iter_mut().chain(&mut chain.gone)).for_each(&mut of);
}

/// Gives the parameters in words, one by one.
fn numbers<'a>(words: impl Iterator<Item = &'a Word>) -> impl Iterator<Item = usize> {
    words.flat_map(|word| &word.0).filter_map(|piece| if let Piece::Param(number) = piece { Some(*number) } else { None })
}

/// Gives a word that is text without a parameter.
fn literal(word: &Word) -> Option<&str> {
    match word.0.as_slice() {
        [Piece::Text(text)] => Some(text),
        _ => None,
    }
}

fn replace(word: &mut Word, separator: Option<char>, param: impl Fn(&str) -> Option<usize>) {
    let Some(text) = literal(word).map(str::to_owned) else { return };
    let mut pieces = Vec::new();
    let parts: Vec<&str> = separator.map_or_else(|| vec![text.as_str()], |separator| text.split(separator).collect());
    for (turn, part) in parts.into_iter().enumerate() {
        if turn > 0 {
            super::push(&mut pieces, ",");
        }
        match param(part) {
            Some(number) => pieces.push(Piece::Param(number)),
            None => super::push(&mut pieces, part),
        }
    }
    *word = Word(pieces);
}

fn port_values(option: &str, text: &str) -> Vec<String> {
    let is_port = |text: &&str| text.parse::<u16>().is_ok_and(|port| port > 0 && port.to_string() == *text);
    match option {
        _ if PORT.contains(&option) => Some(text).into_iter().filter(is_port).map(str::to_owned).collect(),
        _ if PORTS.contains(&option) => text.split(',').filter(is_port).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn interface_values(option: &str, text: &str) -> Vec<String> {
    let is_one = INTERFACE.contains(&option) && text != "lo" && text != "+";
    is_one.then(|| text.to_owned()).into_iter().collect()
}

/// Gives the values that occur most often, in the order of the text.
fn most(import: &Import, values: fn(&str, &str) -> Vec<String>) -> Vec<String> {
    let (mut counts, mut known): (Vec<(String, usize)>, HashMap<String, usize>) = (Vec::new(), HashMap::new());
    for rule in import.tables.values().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules) {
        for pair in rule.words.windows(2) {
            let (Some(option), Some(text)) = (literal(&pair[0]), literal(&pair[1])) else { continue };
            for value in values(option, text) {
                let at = *known.entry(value.clone()).or_insert(counts.len());
                match counts.get_mut(at) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((value, 1)),
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(counts[*at].1));
    order.truncate(MOST);
    order.sort_unstable();
    order.into_iter().map(|at| counts[at].0.clone()).collect()
}

/// Tells the interface to the outside, which is the one behind which addresses are hidden, and of two the other.
fn sides(import: &Import, interfaces: &[String]) -> (Option<String>, Option<String>) {
    let mut outside = Vec::new();
    let tables = Family::BOTH.into_iter().filter_map(|family| import.tables.get(&(family, Table::Nat)));
    for rule in tables.flat_map(|table| &table.chains).flat_map(|chain| &chain.rules) {
        let words: Vec<&str> = rule.words.iter().map(|word| literal(word).unwrap_or_default()).collect();
        let hides = words.windows(2).any(|pair| pair[0] == "-j" && ["MASQUERADE", "SNAT"].contains(&pair[1]));
        let out = words.windows(2).position(|pair| ["-o", "--out-interface"].contains(&pair[0]));
        let is_not = |at: usize| at > 0 && words[at - 1] == "!";
        outside.extend(out.filter(|at| hides && !is_not(*at)).map(|at| words[at + 1]).filter(|name| !name.is_empty()));
    }
    outside.dedup();
    let wan = match outside.as_slice() {
        [one] => interfaces.iter().find(|interface| interface == one).cloned(),
        _ => None,
    };
    let other = interfaces.iter().find(|interface| wan.is_some() && wan.as_ref() != Some(*interface));
    let lan = if interfaces.len() == 2 { other.cloned() } else { None };
    (wan, lan)
}

/// Sees to it that a number is taken for a port only if it stands for nothing else.
fn tell_ports(import: &mut Import) {
    let mut others: Vec<usize> = numbers(import.sets.words()).collect();
    each_rule(import, |rule| {
        for pair in rule.words.windows(2) {
            let is_port = literal(&pair[0]).is_some_and(|option| PORT.contains(&option) || PORTS.contains(&option));
            others.extend(numbers(pair[1..].iter()).filter(|_| !is_port));
        }
    });
    others.into_iter().for_each(|number| import.params[number].is_port = false);
}

fn count(import: &mut Import) {
    let mut uses = vec![0; import.params.len()];
    numbers(import.sets.words()).for_each(|number| uses[number] += 1);
    each_rule(import, |rule| numbers(rule.words.iter()).for_each(|number| uses[number] += 1));
    import.params.iter_mut().zip(uses).for_each(|(param, uses)| param.uses = uses);
}

/// Gives each parameter that is used a name of its own.
fn name(import: &mut Import) {
    let mut taken = Vec::new();
    for param in import.params.iter_mut().filter(|param| param.uses > 0) {
        param.name = names::unique(std::mem::take(&mut param.name), &taken);
        taken.push(param.name.clone());
    }
}
