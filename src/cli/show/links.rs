//! Changes of links and what belongs to them, of routes and rules: as lines, and as commands of ip(8).

use std::collections::HashSet;

use super::Paint;
use super::changes::shell;
use super::sets::{TOLD, grouped};
use crate::host::value::escaped;
use crate::model::link::far::moved;
use crate::model::link::names::{TABLES, shown};
use crate::model::link::{Dev, Far, Object, Route, State, Value, address, device, neighbour, route};
use crate::model::{Change, Object as Any, State as AnyState};

/// Writes the changes, those of one kind together and as many of each as can be read.
pub(super) fn diff(changes: &[&Change], paint: Paint) -> String {
    let heading = |object: &Object| match object {
        Object::Link(_) | Object::Setting(..) | Object::Far(_) => "links",
        Object::Address(_) | Object::Neighbour(_) => "addresses and neighbours",
        Object::Route(_) => "routes",
        Object::Rule(_) => "rules of routing",
    };
    let part = |part: &str| {
        let mine = changes.iter().filter(|change| matches!(&change.object, Any::Link(object) if heading(object) == part));
        let body = lines(mine.copied(), paint);
        if body.is_empty() { body } else { paint.bold(part) + "\n" + &body }
    };
    ["links", "addresses and neighbours", "routes", "rules of routing"].into_iter().map(part).collect()
}

fn lines<'a>(changes: impl Iterator<Item = &'a Change>, paint: Paint) -> String {
    let changes: Vec<&Change> = changes.collect();
    // A link that moves is told of once, and not as one that goes or comes.
    let moving: HashSet<&Dev> = changes.iter().filter_map(|change| moved(change)?.moved()).collect();
    let is_told = |change: &&Change| !matches!(&change.object, Any::Link(Object::Link(dev)) if moving.contains(dev));
    let (mut text, mut seen) = (String::new(), [0; 4]);
    let painted = |sign: usize, line: &str| match sign {
        0 => paint.green(&format!("  + {line}")),
        1 => paint.red(&format!("  - {line}")),
        2 => paint.yellow(&format!("  ~ {line}")),
        _ => format!("  = {line}"),
    };
    for (sign, line) in changes.into_iter().filter(is_told).filter_map(line) {
        seen[sign] += 1;
        if seen[sign] <= TOLD {
            text.push_str(&(painted(sign, &escaped(&line)) + "\n"));
        }
    }
    for (sign, seen) in seen.into_iter().enumerate().filter(|(_, seen)| *seen > TOLD) {
        text.push_str(&(painted(sign, &format!("{} more", grouped(seen - TOLD))) + "\n"));
    }
    text
}

/// Gives the sign of a change (added, taken away, changed, relied on) and its line.
fn line(change: &Change) -> Option<(usize, String)> {
    let Any::Link(object) = &change.object else { return None };
    match (state(&change.before), state(&change.after)) {
        (Some(_), Some(_)) if change.is_claim() && change.origin.is_none() => None,
        (Some(state), Some(_)) if change.is_claim() => Some((3, format!("{} already", words(object, state)))),
        (before, _) if let Object::Far(far) = object => far.moved().map(|dev| (2, move_of(dev, far, before.is_some()))),
        (Some(_), None) if object.is_quiet(false) => None,
        (None, Some(after)) => Some((0, words(object, after))),
        (Some(before), None) => Some((1, words(object, before))),
        (Some(before), Some(after)) => Some((2, format!("{} becomes {}", words(object, before), becomes(object, after)))),
        (None, None) => None,
    }
}

/// Tells of a link that is moved away, or comes back.
fn move_of(dev: &Dev, far: &Far, back: bool) -> String {
    let home = &far.site.home;
    match (back, dev.name == far.dev.name) {
        (false, true) => format!("{dev} netns {home}"),
        (false, false) => format!("{dev} netns {home} name {}", far.dev),
        (true, _) => format!("{dev} comes back from netns {home}"),
    }
}

fn becomes(object: &Object, state: &State) -> String {
    match (object, state) {
        (Object::Setting(_, setting), State::Setting(value)) => setting.command(value),
        (object, state) => words(object, state),
    }
}

/// Writes an object with its state in the words of ip(8).
fn words(object: &Object, state: &State) -> String {
    match (object, state) {
        (Object::Link(dev), State::Link(link)) => format!("{dev} type {link}"),
        (Object::Setting(dev, setting), State::Setting(value)) => format!("{dev} {}", setting.command(value)),
        (Object::Address(key), State::Address(about)) => addressed(key, about),
        (Object::Neighbour(key), State::Neighbour(about)) => known(key, about),
        (Object::Route(key), State::Route(way)) => in_table(key, way),
        (Object::Rule(rule), _) => rule.to_string(),
        (object, _) => object.to_string(),
    }
}

fn addressed(key: &address::Key, about: &address::About) -> String {
    address::Wanted { host: key.host, about: about.clone(), dev: Some(key.dev.name.clone()) }.to_string()
}

fn known(key: &neighbour::Key, about: &neighbour::About) -> String {
    neighbour::Wanted { address: key.address, dev: Some(key.dev.name.clone()), about: about.clone() }.to_string()
}

fn in_table(key: &route::Key, way: &route::Way) -> String {
    let route = Route::of(key.clone(), way.clone()).to_string();
    match key.table {
        route::MAIN => route,
        _ if route.contains(" table ") => route,
        table => format!("{route} table {}", shown(TABLES, table)),
    }
}

/// What was told of links: both ends of a veth come and go at once.
#[derive(Default)]
pub(super) struct Told(HashSet<Dev>);

/// Writes the command of ip(8) that would do the same.
pub(super) fn command(change: &Change, told: &mut Told) -> Option<String> {
    let Any::Link(object) = &change.object else { return None };
    if change.is_claim() {
        return None;
    }
    let (before, after) = (state(&change.before), state(&change.after));
    let line = match (object, before, after) {
        (Object::Far(far), _, _) => {
            let dev = far.moved()?;
            told.0.insert(dev.clone());
            after?;
            format!("link set dev {} {}", quoted(&dev.name), placed(far, dev))
        }
        (Object::Link(dev), _, Some(State::Link(link))) => {
            told.0.extend(link.peer.clone());
            if told.0.contains(dev) {
                return None;
            }
            let peer_netns = link.far.as_ref().map(netns_of);
            let wanted = device::Wanted { name: dev.name.clone(), link: (**link).clone(), settings: Vec::new(), peer_netns };
            format!("link add {wanted}")
        }
        (Object::Link(dev), Some(State::Link(link)), None) => {
            told.0.extend(link.peer.clone().filter(|_| !told.0.contains(dev)));
            if told.0.contains(dev) {
                return None;
            }
            format!("link del {}", quoted(&dev.name))
        }
        (Object::Setting(dev, setting), _, Some(State::Setting(value))) if *value != Value::Unknown => {
            format!("link set dev {} {}", quoted(&dev.name), setting.command(value))
        }
        (Object::Address(key), before, after) => changed("addr", before, after, &|state| match state {
            State::Address(about) => addressed(key, about),
            _ => String::new(),
        })?,
        (Object::Neighbour(key), before, after) => changed("neigh", before, after, &|state| match state {
            State::Neighbour(about) => known(key, about),
            _ => String::new(),
        })?,
        (Object::Route(key), before, after) => {
            let family = if key.to.network().0.is_ipv6() { "-6 route" } else { "route" };
            changed(family, before, after, &|state| words(object, state))?
        }
        (Object::Rule(rule), before, after) => {
            let family = if rule.family == crate::model::Family::V6 { "-6 rule" } else { "rule" };
            changed(family, before, after, &|state| words(object, state))?
        }
        _ => return None,
    };
    Some(format!("ip {line}\n"))
}

fn changed(what: &str, before: Option<&State>, after: Option<&State>, words: &dyn Fn(&State) -> String) -> Option<String> {
    match (before, after) {
        (None, Some(after)) => Some(format!("{what} add {}", words(after))),
        (Some(_), Some(after)) => Some(format!("{what} replace {}", words(after))),
        (Some(before), None) => Some(format!("{what} del {}", words(before))),
        (None, None) => None,
    }
}

/// Gives the word of ip(8) for the namespace of a link.
fn netns_of(far: &Far) -> String {
    let home = &far.site.home;
    shell(home.strip_prefix("pid:").unwrap_or(home))
}

/// Writes where a link is moved.
fn placed(far: &Far, dev: &Dev) -> String {
    let name = if dev.name == far.dev.name { String::new() } else { format!(" name {}", quoted(&far.dev.name)) };
    format!("netns {}{name}", netns_of(far))
}

fn quoted(name: &crate::model::link::Name) -> String {
    shell(name.as_str())
}

fn state(state: &Option<AnyState>) -> Option<&State> {
    match state {
        Some(AnyState::Link(state)) => Some(state),
        _ => None,
    }
}
