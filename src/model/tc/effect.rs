//! What a qdisc does to packets, as far as that can be told without any.

use super::units::{Rate, Time};
use super::{Loss, Netem, Object, Options, State};

/// The bytes of a full packet with its header.
const PACKET: u64 = 1514;
/// A rate, in bytes per second, with which nobody can work.
const CRAWL: u64 = 1000;
/// A loss of which a connection does not get up again soon.
const HEAVY: u32 = u32::MAX / 10 * 3;
/// The rate up to which a queue should not be the bottleneck, in bytes per second.
const GIGABIT: u64 = 125_000_000;

/// Says what a state does to a connection over its device that could end it, and whether that is certain.
pub fn cuts(state: &State) -> Option<(String, bool)> {
    let options = match state {
        State::Qdisc(qdisc) => &qdisc.options,
        State::Class(class) => &class.options,
        State::Filter(filter) => {
            let swallows = filter.finds_everything() && filter.lets_nothing_pass();
            return swallows.then(|| ("it finds every packet, and lets none pass".to_owned(), true));
        }
        State::Link(_) => return None,
    };
    let slow = |rate: u64| (rate < CRAWL).then(|| (format!("it lets {} pass", Rate(rate)), false));
    match options {
        Options::Netem(netem) => match netem.loss {
            Loss::Random(u32::MAX, _) if !netem.ecn => Some(("it loses every packet".to_owned(), true)),
            Loss::Random(part, _) if part >= HEAVY => Some((format!("it loses {:.0}% of the packets", percent(part)), false)),
            Loss::State([p13, p31, ..]) if p13 > p31 => Some(("it loses most of the packets".to_owned(), false)),
            Loss::Gemodel([p, r, ..]) if p > r => Some(("it loses most of the packets".to_owned(), false)),
            _ if netem.corrupt.0 >= HEAVY => {
                Some((format!("it damages {:.0}% of the packets", percent(netem.corrupt.0)), netem.corrupt.0 == u32::MAX))
            }
            _ if netem.delay + netem.jitter > 10_000_000_000 => Some((format!("it delays packets by {}", Time(netem.delay)), false)),
            _ if netem.pace.rate != 0 => slow(netem.pace.rate),
            _ => None,
        },
        Options::Tbf(tbf) => match tbf.bytes() {
            burst if burst < 60 => Some((format!("its burst of {burst} bytes lets no packet pass"), true)),
            burst if burst < PACKET => Some((format!("its burst of {burst} bytes lets no larger packet pass"), false)),
            _ => slow(tbf.rate),
        },
        Options::HtbClass(class) => slow(class.ceil),
        Options::Settings(settings) if &*settings.kind == "cake" => {
            settings.numbers.get(&2).and_then(|(_, rate)| Some(*rate).filter(|rate| *rate != 0)).and_then(slow)
        }
        _ => None,
    }
}

fn percent(part: u32) -> f64 {
    100.0 * f64::from(part) / f64::from(u32::MAX)
}

/// Says what a change does that whoever asks for it may not expect.
pub fn remarks(object: &Object, before: Option<&State>, after: Option<&State>) -> Vec<String> {
    let forgotten = is_forgotten(before, after).then(|| {
        let device = object.device();
        format!(
            "the kernel does not tell how the delay of the netem on {device} is distributed: undo spreads it evenly; where it has a distribution, \
             `ensure` it as it is, with that, in a run before this one, and undo knows"
        )
    });
    after.and_then(|after| small_limit(object, after)).into_iter().chain(forgotten).collect()
}

/// Says what is not known of a state into which an object is put back.
pub fn doubt(object: &Object, before: Option<&State>, after: Option<&State>) -> Option<String> {
    let stays = is_changed_in_place(before, after);
    let is_unknown = after.and_then(State::netem).is_some_and(Netem::may_have_a_distribution) && !stays;
    is_unknown.then(|| format!("how the delay of the netem on {} was distributed, nobody knows: it is spread evenly now", object.device()))
}

/// Tells whether a change loses how a delay is distributed, which only the kernel knows.
fn is_forgotten(before: Option<&State>, after: Option<&State>) -> bool {
    let next = after.and_then(State::netem).filter(|_| is_changed_in_place(before, after));
    before.and_then(State::netem).is_some_and(|netem| netem.forgets(next))
}

fn is_changed_in_place(before: Option<&State>, after: Option<&State>) -> bool {
    matches!((before, after), (Some(before), Some(after)) if !before.is_made_anew_for(after))
}

/// Says where a netem holds too few packets for its delay.
fn small_limit(object: &Object, state: &State) -> Option<String> {
    let netem = state.netem()?;
    let nanos = u64::try_from(netem.delay).ok().filter(|nanos| *nanos > 0)?;
    let (limit, device) = (u64::from(netem.limit), object.device());
    let rate = Some(netem.pace.rate).filter(|rate| *rate != 0);
    let wanted = netem.waiting(rate.unwrap_or(GIGABIT), PACKET);
    if wanted <= limit {
        return None;
    }
    // Packets that come while as many are on their way as are held are dropped.
    let most = u128::from(limit * PACKET) * 1_000_000_000 / u128::from(nanos);
    let most = Rate((most / 125_000 * 125_000) as u64);
    let at = rate.map_or_else(|| "a gigabit".to_owned(), |rate| Rate(rate).to_string());
    Some(format!(
        "netem on {device} holds {limit} packets, and with a delay of {} drops what comes faster than about {most}: at {at} it takes `limit {wanted}`",
        Time(netem.delay)
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::tc::Handle;
    use crate::model::tc::command::{OfClass, OfQdisc};

    fn state(line: &str) -> State {
        match line.strip_prefix("class ") {
            Some(line) => State::Class(Box::new(OfClass::read(&format!("add dev eth0 classid 1:1 {line}")).unwrap().state.unwrap())),
            None => State::Qdisc(Box::new(OfQdisc::read(&format!("add dev eth0 root {line}")).unwrap().qdisc.unwrap())),
        }
    }

    #[test]
    fn what_ends_a_connection_is_told() {
        let cuts = |line: &str| super::cuts(&state(line)).map(|(what, sure)| format!("{what}{}", if sure { "!" } else { "" }));
        for (line, wanted) in [
            ("netem loss 100%", Some("it loses every packet!")),
            ("netem loss 50%", Some("it loses 50% of the packets")),
            ("netem loss 100% ecn", Some("it loses 100% of the packets")),
            ("netem corrupt 100%", Some("it damages 100% of the packets!")),
            ("netem delay 20s", Some("it delays packets by 20s")),
            ("netem rate 100bit", Some("it lets 96bit pass")),
            ("netem loss gemodel 90% 5%", Some("it loses most of the packets")),
            ("netem delay 100ms loss 5%", None),
            ("tbf rate 1mbit burst 40 limit 100", Some("its burst of 40 bytes lets no packet pass!")),
            ("tbf rate 1mbit burst 1000 limit 100", Some("its burst of 1000 bytes lets no larger packet pass")),
            ("tbf rate 2kbit burst 2000 limit 100", Some("it lets 2Kbit pass")),
            ("tbf rate 1mbit burst 32kbit latency 50ms", None),
            ("class htb rate 1kbit", Some("it lets 1Kbit pass")),
            ("class htb rate 1kbit ceil 1mbit", None),
            ("cake bandwidth 1kbit", Some("it lets 1Kbit pass")),
            ("pfifo", None),
        ] {
            assert_eq!(cuts(line).as_deref(), wanted, "{line}");
        }
    }

    #[test]
    fn a_limit_that_is_too_small_for_a_delay_is_told() {
        let object = Object::Qdisc("eth0".parse().unwrap(), Handle::ROOT);
        let remark = |line: &str| super::small_limit(&object, &state(line));
        let told = "netem on eth0 holds 1000 packets, and with a delay of 100ms drops what comes faster than about 121Mbit: at a gigabit it takes `limit 8256`";
        assert_eq!(remark("netem delay 100ms").as_deref(), Some(told));
        assert_eq!(remark("netem delay 100ms rate 10mbit"), None);
        assert_eq!(remark("netem delay 100ms limit 9000"), None);
        assert!(remark("netem delay 1s rate 100mbit").unwrap().ends_with("faster than about 12Mbit: at 100Mbit it takes `limit 8256`"));
        assert_eq!((remark("netem loss 1%"), remark("netem delay 10ms")), (None, None));
    }
}
