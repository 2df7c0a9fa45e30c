//! Changes of objects that are known by a name of their own: as lines, as commands, and as JSON.

use serde_json::{Value, json};

use super::changes::shell;
use super::{Paint, cgroups, links, netns, ports, sets};
use crate::host::value::escaped;
use crate::model::named::Told;
use crate::model::{Change, Object, State, tc};

/// Writes the changes, those of one kind together: `+` is made, `-` is taken away, `~` gets another state, `=` is relied on.
pub(super) fn diff(changes: &[Change], paint: Paint) -> String {
    let is_parameter = |change: &&Change| matches!(change.object, Object::Sysctl(_));
    let (parameters, others): (Vec<&Change>, _) = changes.iter().filter(|change| change.object.is_named()).partition(is_parameter);
    let (namespaces, others): (Vec<&Change>, _) = others.into_iter().partition(|change| matches!(change.object, Object::Netns(_)));
    let parameters = parameters.into_iter().filter_map(|change| Some(line(change, paint)? + "\n")).collect();
    let queues: String = others
        .iter()
        .filter(|change| matches!(change.object, Object::Tc(_) | Object::Action(_)))
        .filter_map(|change| Some(line(change, paint)? + "\n"))
        .collect();
    let part = |heading: &str, body: String| if body.is_empty() { body } else { paint.bold(heading) + "\n" + &body };
    let groups = changes.iter().filter(|change| matches!(change.object, Object::Cgroup(_)));
    let groups = groups.filter_map(|change| Some(line(change, paint)? + "\n")).collect();
    part("network namespaces", netns::diff(&namespaces, paint))
        + &links::diff(&others, paint)
        + &part("kernel parameters", parameters)
        + &part("reserved ports", ports::diff(&others, paint))
        + &part("sets", sets::diff(&others, paint))
        + &part("traffic control", queues)
        + &part("control groups", groups)
}

fn line(change: &Change, paint: Paint) -> Option<String> {
    let (name, told) = (escaped(&name(&change.object)).to_string(), |state: &State| escaped(&Told(state).to_string()).to_string());
    match (&change.before, &change.after) {
        // What follows another one by itself is not told.
        (Some(_), Some(_)) if change.is_claim() && change.origin.is_none() => None,
        (Some(state), Some(_)) if change.is_claim() => Some(format!("  = {name} is {} already", told(state))),
        (Some(before), Some(after)) => Some(paint.yellow(&format!("  ~ {name}: {} becomes {}", told(before), told(after)))),
        (None, Some(after)) => Some(paint.green(format!("  + {name} {}", told(after)).trim_end())),
        (Some(before), None) => Some(paint.red(format!("  - {name} {}", told(before)).trim_end())),
        (None, None) => None,
    }
}

fn name(object: &Object) -> String {
    match object {
        Object::Sysctl(key) => key.to_string(),
        Object::Set(set) => set.to_string(),
        Object::Member(_, element) => element.to_string(),
        Object::SetPair(one, other) => format!("{one} {other}"),
        Object::ReservedPort(port) => port.to_string(),
        Object::Netns(object) => netns::name(object),
        Object::Tc(object) => object.to_string(),
        Object::Action(key) => key.to_string(),
        other => other.to_string(),
    }
}

/// Writes the command that would do the same.
pub(super) fn command(change: &Change, told: &mut links::Told) -> Option<String> {
    match (&change.object, &change.after) {
        (Object::Link(_), _) => links::command(change, told),
        (Object::Sysctl(key), Some(State::Value(value))) if !change.is_claim() => {
            Some(format!("sysctl -w {}\n", shell(&format!("{key}={value}"))))
        }
        (Object::Sysctl(_), _) => None,
        (Object::Cgroup(object), _) => cgroups::command(change, object),
        (Object::Netns(_), _) => netns::command(change),
        (Object::Tc(_) | Object::Action(_), _) if change.is_claim() => None,
        (Object::Action(key), _) => tc::action::written(key, of_action(&change.before), of_action(&change.after)).map(|line| line + "\n"),
        (Object::Tc(object), _) => tc::command::written(object, of_tc(&change.before), of_tc(&change.after)).map(|line| line + "\n"),
        _ => sets::command(change),
    }
}

fn of_action(state: &Option<State>) -> Option<&tc::action::Action> {
    if let Some(State::Action(action)) = state { Some(action) } else { None }
}

fn of_tc(state: &Option<State>) -> Option<&tc::State> {
    if let Some(State::Tc(state)) = state { Some(state) } else { None }
}

/// Gives a change for a program.
pub(super) fn json(change: &Change) -> Value {
    let object = match change.object {
        Object::Sysctl(_) => "sysctl",
        Object::Set(_) => "set",
        Object::Member(..) => "element",
        Object::SetPair(..) => "set-names",
        Object::Cgroup(ref object) => object.kind(),
        Object::ReservedPort(_) => "reserved-port",
        Object::Netns(_) => "netns",
        Object::Link(ref object) => object.noun(),
        Object::Tc(tc::Object::Class(..)) => "class",
        Object::Tc(tc::Object::Filter(..)) => "filter",
        Object::Action(_) => "action",
        Object::Tc(_) => "qdisc",
        _ => "object",
    };
    let state = |state: &Option<State>| state.as_ref().map(|state| Told(state).to_string().trim_start().to_owned());
    let mut entry = json!({
        "object": object, "name": name(&change.object), "before": state(&change.before), "after": state(&change.after),
        "origin": change.origin.as_ref().map(|origin| origin.at.to_string()),
    });
    if let Object::Member(set, _) = &change.object {
        entry["set"] = json!(set.as_str());
    }
    entry
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::{Origin, sysctl};

    #[test]
    fn parameters_are_told_in_every_form() {
        let change = |key: &str, before: &str, after: &str| {
            let state = |text: &str| Some(State::Value(sysctl::Value::of(text)));
            let change = Change::new(Object::Sysctl(key.parse().unwrap()), state(before), state(after));
            Change { origin: Some(Origin::at("x", 1, 1)), ..change }
        };
        let changes = [change("net.ipv4.ip_forward", "0", "1"), change("net.ipv4.ip_local_port_range", "1 2", "1 2")];
        let wanted = "\
kernel parameters
  ~ net.ipv4.ip_forward: 0 becomes 1
  = net.ipv4.ip_local_port_range is 1 2 already
";
        assert_eq!(diff(&changes, Paint::none()), wanted);
        assert_eq!(
            changes.iter().filter_map(|change| command(change, &mut links::Told::default())).collect::<String>(),
            "sysctl -w net.ipv4.ip_forward=1\n"
        );
        assert_eq!((&json(&changes[0])["name"], &json(&changes[0])["after"]), (&json!("net.ipv4.ip_forward"), &json!("1")));
    }
}
