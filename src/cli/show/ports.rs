//! Changes of reserved ports: as ranges, whoever asked for them one by one, and as commands of sysctl(8).

use super::Paint;
use crate::model::ports::{PortSet, reserved_key};
use crate::model::{Change, Object};

/// Gathers the ports of the changes that are such.
fn gather<'a>(changes: impl Iterator<Item = &'a Change>, is_such: impl Fn(&Change) -> bool) -> PortSet {
    let port = |change: &Change| if let Object::ReservedPort(port) = change.object { Some(port) } else { None };
    changes.filter(|change| is_such(change)).filter_map(port).collect()
}

fn is_reserved(change: &Change) -> bool {
    change.before.is_none() && change.after.is_some()
}

fn is_set_free(change: &Change) -> bool {
    change.before.is_some() && change.after.is_none()
}

/// Writes the changes of reserved ports, each kind on one line.
pub(super) fn diff(changes: &[&Change], paint: Paint) -> String {
    let line = |is_such: fn(&Change) -> bool, write: &dyn Fn(String) -> String| {
        let ports = gather(changes.iter().copied(), is_such);
        if ports.is_empty() { String::new() } else { write(ports.in_short()) + "\n" }
    };
    line(is_reserved, &|ports| paint.green(&format!("  + {ports}")))
        + &line(is_set_free, &|ports| paint.red(&format!("  - {ports}")))
        + &line(Change::is_claim, &|ports| format!("  = {ports}: another recipe has reserved them"))
}

/// Writes the commands that would do the same. sysctl(8) sets all of them at once, so they begin with those that there are.
pub(super) fn commands(changes: &[Change]) -> String {
    let (key, mut text) = (reserved_key(), String::new());
    let (reserved, free) = (gather(changes.iter(), is_reserved), gather(changes.iter(), is_set_free));
    if !free.is_empty() {
        text.push_str(&format!("# {free}: to be left out of the value of {key}, which takes no single port away\n"));
    }
    if !reserved.is_empty() {
        text.push_str(&format!("now=$(sysctl -n {key}); sysctl -w {key}=\"${{now:+$now,}}{reserved}\"\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::State;

    #[test]
    fn ports_are_told_as_ranges() {
        let there = || Some(State::Present);
        let of = |ports: std::ops::RangeInclusive<u16>, before: Option<State>, after: Option<State>| {
            ports.map(move |port| Change::new(Object::ReservedPort(port), before.clone(), after.clone())).collect::<Vec<_>>()
        };
        let changes =
            [of(8000..=8010, None, there()), of(9000..=9000, None, there()), of(22..=23, there(), None), of(7..=7, there(), there())]
                .concat();
        let wanted = "  + 8000-8010,9000\n  - 22-23\n  = 7: another recipe has reserved them\n";
        assert_eq!(diff(&changes.iter().collect::<Vec<_>>(), Paint::none()), wanted);
        let key = "net.ipv4.ip_local_reserved_ports";
        let commands = commands(&changes);
        assert!(commands.starts_with("# 22-23: to be left out of the value of net.ipv4.ip_local_reserved_ports"), "{commands}");
        assert!(commands.ends_with(&format!("now=$(sysctl -n {key}); sysctl -w {key}=\"${{now:+$now,}}8000-8010,9000\"\n")), "{commands}");
    }
}
