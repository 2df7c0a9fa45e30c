//! Changes of network namespaces: as lines, as commands, and as JSON; and what is done inside of them.

use super::Paint;
use super::changes::shell;
use crate::host::value::escaped;
use crate::model::netns::{Name, Object as OfNetns, Site, State as Found};
use crate::model::{Change, Object, State};

/// Writes the changes of namespaces, one a line.
pub(super) fn diff(changes: &[&Change], paint: Paint) -> String {
    changes.iter().filter_map(|change| Some(line(change, paint)? + "\n")).collect()
}

fn line(change: &Change, paint: Paint) -> Option<String> {
    let Object::Netns(OfNetns::Name(name)) = &change.object else { return None };
    let name = escaped(name.as_str());
    let is_half = |state: &Option<State>| matches!(state, Some(State::Netns(Found::Half)));
    let held = change.before.as_ref().and_then(State::held).map_or(String::new(), |held| format!(" ({held})"));
    match (&change.before, &change.after) {
        (Some(_), Some(_)) if change.is_claim() => Some(format!("  = {name} is there already")),
        (Some(_), Some(_)) if is_half(&change.before) => Some(paint.green(&format!("  + {name}, which was left half made"))),
        (Some(_), Some(_)) => Some(paint.yellow(&format!("  ~ {name} is as it was found, half made"))),
        (None, Some(_)) => Some(paint.green(&format!("  + {name}"))),
        (Some(_), None) => Some(paint.red(&format!("  - {name}{held}"))),
        (None, None) => None,
    }
}

/// Writes the command that would do the same.
pub(super) fn command(change: &Change) -> Option<String> {
    let Object::Netns(OfNetns::Name(name)) = &change.object else { return None };
    let verb = if change.is_claim() {
        return None;
    } else if change.after.is_some() {
        "add"
    } else {
        "delete"
    };
    Some(format!("ip netns {verb} {}\n", shell(name.as_str())))
}

/// Gives the words that do what stands behind them in a namespace.
pub(super) fn inside(home: &str) -> String {
    match home {
        Site::ANONYMOUS => "nsenter --net=NAMESPACE ".to_owned(),
        path if path.contains('/') => format!("nsenter --net={} ", shell(path)),
        home => match home.strip_prefix("pid:") {
            Some(pid) => format!("nsenter --net --target {} ", shell(pid)),
            None if home == "host" => "nsenter --net --target 1 ".to_owned(),
            None => format!("ip netns exec {} ", shell(home)),
        },
    }
}

/// Gives the name of a namespace for a program.
pub(super) fn name(object: &OfNetns) -> String {
    match object {
        OfNetns::Name(name) => Name::as_str(name).to_owned(),
        OfNetns::Aside(cookie) => cookie.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli::show::changes;
    use crate::model::{Origin, sysctl};

    fn netns(before: Option<Found>, after: Option<Found>) -> Change {
        let state = |state: Option<Found>| state.map(State::Netns);
        let change = Change::new(Object::Netns(OfNetns::Name("blue".parse().unwrap())), state(before), state(after));
        Change { origin: Some(Origin::at("x", 1, 1)), ..change }
    }

    #[test]
    fn namespaces_and_what_is_in_them_are_told_apart() {
        let made = || Some(Found::empty(7));
        let held = Some(Found::Made { cookie: 7, processes: 2 });
        let set = |netns: Option<&str>| {
            let value = |text: &str| Some(State::Value(sysctl::Value::of(text)));
            let change = Change::new(Object::Sysctl("net.ipv4.tcp_ecn".parse().unwrap()), value("2"), value("1"));
            Change { netns: netns.map(Into::into), ..change }
        };
        let changes =
            [netns(None, made()), netns(held, None), netns(made(), made()), netns(Some(Found::Half), made()), set(None), set(Some("blue"))];
        let wanted = "\
network namespaces
  + blue
  - blue (2 processes are in it)
  = blue is there already
  + blue, which was left half made
kernel parameters
  ~ net.ipv4.tcp_ecn: 2 becomes 1
in the network namespace blue
kernel parameters
  ~ net.ipv4.tcp_ecn: 2 becomes 1
";
        assert_eq!(changes::diff(&changes, Paint::none()), wanted);
        let wanted = "\
ip netns add blue
ip netns delete blue
ip netns add blue
sysctl -w net.ipv4.tcp_ecn=1
ip netns exec blue sysctl -w net.ipv4.tcp_ecn=1
";
        assert_eq!(changes::commands(&changes, None), wanted);
        let json = changes::json(&changes);
        assert_eq!((&json[0]["object"], &json[0]["name"], &json[0]["netns"]), (&"netns".into(), &"blue".into(), &serde_json::Value::Null));
        assert_eq!(json.as_array().unwrap().last().unwrap()["netns"], "blue");
        assert_eq!((inside("pid:7").as_str(), inside("/a b").as_str()), ("nsenter --net --target 7 ", "nsenter --net='/a b' "));
    }
}
