//! Changes of sets: as lines, set by set, and as commands of ipset(8).

use super::Paint;
use super::changes::shell;
use crate::host::value::escaped;
use crate::model::ipset::{Entry, SetName};
use crate::model::named::Told;
use crate::model::{Change, Object, State};

/// As many elements of one sign as are told of each set; the others are counted.
pub(super) const TOLD: usize = 20;

/// Writes the changes of sets, those of one set together.
pub(super) fn diff(changes: &[&Change], paint: Paint) -> String {
    let mut text = String::new();
    for name in names(changes) {
        let is_mine = |object: &Object| matches!(object, Object::Set(set) | Object::Member(set, _) if set == name);
        let mine = || changes.iter().copied().filter(|change| is_mine(&change.object));
        let made =
            mine().filter(|change| matches!(change.object, Object::Set(_))).filter_map(|change| heading(name, change, paint)).next_back();
        text.push_str(&made.unwrap_or_else(|| format!("    set {}\n", escaped(name.as_str()))));
        text.push_str(&elements(mine(), paint));
    }
    for change in changes {
        if let Object::SetPair(one, other) = &change.object {
            let (one, other) = (escaped(one.as_str()), escaped(other.as_str()));
            text.push_str(&(paint.yellow(&format!("  ~ sets {one} and {other} exchange their names")) + "\n"));
        }
    }
    text
}

/// Lists the sets that are made, taken away or filled, in the order of the changes.
fn names<'a>(changes: &[&'a Change]) -> Vec<&'a SetName> {
    let mut found: Vec<&SetName> = Vec::new();
    for change in changes {
        if let Object::Set(name) | Object::Member(name, _) = &change.object
            // Most are of the same set as the one before.
            && found.last() != Some(&name)
            && !found.contains(&name)
        {
            found.push(name);
        }
    }
    found
}

fn heading(name: &SetName, change: &Change, paint: Paint) -> Option<String> {
    let line = |sign: char, state: &State| format!("  {sign} set {} {}", escaped(name.as_str()), escaped(&Told(state).to_string()));
    match (&change.before, &change.after) {
        (None, Some(after)) => Some(paint.green(&line('+', after)) + "\n"),
        (Some(before), None) => Some(paint.red(&line('-', before)) + "\n"),
        _ => None,
    }
}

/// Writes the elements of one set, and counts what is too much to read.
fn elements<'a>(changes: impl Iterator<Item = &'a Change>, paint: Paint) -> String {
    let (mut text, mut seen) = (String::new(), [0; 4]);
    let painted = |sign: usize, line: &str| match sign {
        0 => paint.green(&format!("      + {line}")),
        1 => paint.red(&format!("      - {line}")),
        2 => paint.yellow(&format!("      ~ {line}")),
        _ => format!("      = {line}"),
    };
    for change in changes {
        let Object::Member(_, element) = &change.object else { continue };
        let told = |state: &State| escaped(&format!("{element}{}", Told(state))).to_string();
        let (sign, line) = match (&change.before, &change.after) {
            _ if change.is_claim() => (3, format!("{element}: another recipe has seen to it")),
            (None, Some(after)) => (0, told(after)),
            (Some(before), None) => (1, told(before)),
            (Some(before), Some(after)) => (2, format!("{}: becomes{}", told(before), escaped(&Told(after).to_string()))),
            (None, None) => continue,
        };
        seen[sign] += 1;
        if seen[sign] <= TOLD {
            text.push_str(&(painted(sign, &line) + "\n"));
        }
    }
    for (sign, seen) in seen.into_iter().enumerate().filter(|(_, seen)| *seen > TOLD) {
        text.push_str(&(painted(sign, &format!("{} more", grouped(seen - TOLD))) + "\n"));
    }
    text
}

/// Writes a number with commas between thousands.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups.map(|group| String::from_utf8_lossy(group)).collect::<Vec<_>>().join(",")
}

/// Writes the command of ipset(8) that would do the same.
pub(super) fn command(change: &Change) -> Option<String> {
    let set = |name: &SetName| shell(name.as_str());
    let line = match (&change.object, &change.before, &change.after) {
        _ if change.is_claim() => return None,
        (Object::Set(name), _, Some(state)) => format!("create {} {}", set(name), Told(state)),
        (Object::Set(name), _, None) => format!("destroy {}", set(name)),
        (Object::Member(name, element), before, Some(State::Entry(entry))) => {
            let again = if before.is_some() { "-exist " } else { "" };
            format!("{again}add {} {}{}", set(name), shell(&element.to_string()), words(entry))
        }
        (Object::Member(name, element), _, None) => format!("del {} {}", set(name), shell(&element.to_string())),
        (Object::SetPair(one, other), ..) => format!("swap {} {}", set(one), set(other)),
        _ => return None,
    };
    Some(format!("ipset {line}\n"))
}

/// Writes what is kept about an element for a shell.
fn words(entry: &Entry) -> String {
    let comment = entry.comment.as_ref().map(|comment| format!(" comment {}", shell(comment)));
    Entry { comment: None, ..entry.clone() }.to_string() + &comment.unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::ipset::Definition;

    fn changes(members: usize) -> Vec<Change> {
        let definition: Definition = "hash:ip comment".parse().unwrap();
        let name = || "blocked".parse::<SetName>().unwrap();
        let mut changes = vec![Change::new(Object::Set(name()), None, Some(State::Set(definition.clone())))];
        for number in 1..=members {
            let member = definition.members(&format!("10.0.{}.{} comment \"it's\"", number >> 8, number & 255)).unwrap().remove(0);
            changes.push(Change::new(Object::Member(name(), member.element), None, Some(State::Entry(member.entry))));
        }
        changes
    }

    #[test]
    fn a_set_is_told_with_its_elements() {
        let mut all = changes(2);
        all.push(Change::new(Object::SetPair("a".parse().unwrap(), "b".parse().unwrap()), None, None));
        let wanted = "  + set blocked hash:ip family inet comment\n      + 10.0.0.1 comment \"it's\"\n      + 10.0.0.2 comment \"it's\"\n";
        let all: Vec<&Change> = all.iter().collect();
        assert_eq!(diff(&all, Paint::none()), format!("{wanted}  ~ sets a and b exchange their names\n"));
        let commands: String = all.iter().take(2).filter_map(|change| command(change)).collect();
        assert_eq!(commands, "ipset create blocked hash:ip family inet comment\nipset add blocked 10.0.0.1 comment 'it'\\''s'\n");
    }

    #[test]
    fn many_elements_are_counted() {
        let all = changes(9_999);
        let told = diff(&all.iter().collect::<Vec<_>>(), Paint::none());
        assert_eq!((told.lines().count(), told.lines().last()), (22, Some("      + 9,979 more")));
        assert_eq!((grouped(5), grouped(100), grouped(1_234_567)), ("5".into(), "100".into(), "1,234,567".into()));
    }
}
