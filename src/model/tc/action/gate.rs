//! The action `gate`: packets pass at some times and not at others.

use std::fmt::Write as _;

use super::Verdict;
use super::generic::Generic;
use crate::model::Fault;
use crate::model::tc::argv::{self, Argv};
use crate::model::tc::attribute::Attributes;

const PARAMETERS: u16 = 2;
const PRIORITY: u16 = 4;
const ENTRIES: u16 = 5;
const BASE: u16 = 6;
const CYCLE: u16 = 7;
const EXTRA: u16 = 8;
const FLAGS: u16 = 9;
const CLOCK: u16 = 10;
const TIMES: [(&str, u16); 3] = [("base-time", BASE), ("cycle-time", CYCLE), ("cycle-time-ext", EXTRA)];
const CLOCKS: &[(&str, u32)] = &[("REALTIME", 0), ("MONOTONIC", 1), ("BOOTTIME", 7), ("TAI", 11)];
const TAI: u32 = 11;

/// What has to be marked as holding attributes.
pub(super) const NESTED: &[u16] = &[ENTRIES, entry::ONE];

/// An entry of the schedule.
mod entry {
    pub(super) const ONE: u16 = 1;
    pub(super) const INDEX: u16 = 1;
    pub(super) const OPEN: u16 = 2;
    pub(super) const INTERVAL: u16 = 3;
    pub(super) const IPV: u16 = 4;
    pub(super) const OCTETS: u16 = 5;
}

pub(super) fn read(argv: &mut Argv) -> Result<Attributes, Fault> {
    let (mut options, mut entries, mut index) = (Attributes::default(), Attributes::default(), 0);
    loop {
        match () {
            () if argv.take_short(&["index"]) => index = argv.u32(10)?,
            () if argv.take_short(&["priority"]) => options.set(PRIORITY, argv.integer()?.to_ne_bytes()),
            () if TIMES.iter().any(|(name, _)| argv.begins(name)) => {
                let kind = TIMES.iter().find(|(name, _)| argv.begins(name)).map_or(BASE, |(_, kind)| *kind);
                argv.next_word()?;
                options.set(kind, nanoseconds(argv)?.to_ne_bytes());
            }
            () if argv.take_short(&["clockid"]) => {
                let word = argv.next_word()?.to_ascii_uppercase();
                let name = word.trim_start_matches("CLOCK_");
                let known = CLOCKS.iter().find(|(clock, _)| *clock == name);
                options.set(CLOCK, known.ok_or_else(|| argv.odd("no clock: TAI, REALTIME, BOOTTIME, MONOTONIC"))?.1.to_ne_bytes());
            }
            () if argv.take_short(&["flags"]) => options.set(FLAGS, argv.u32(0)?.to_ne_bytes()),
            () if argv.take_short(&["sched-entry"]) => entries.put_nest(entry::ONE, &read_entry(argv)?),
            () => break,
        }
    }
    let verdict = Verdict::read_or(argv, Verdict::PIPE)?.0;
    if entries.is_empty() && index == 0 {
        return Err(argv.refuse("`gate` needs an entry: gate sched-entry open 1ms sched-entry close 1ms"));
    }
    options.put(PARAMETERS, Generic { index, verdict }.bytes(&[]));
    options.put_nest(ENTRIES, &entries);
    Ok(options)
}

/// Reads a time, in nanoseconds if there is no unit.
fn nanoseconds(argv: &mut Argv) -> Result<i64, Fault> {
    let word = argv.next_word()?;
    let (digits, unit) = word.split_at(word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len()));
    let length = match unit {
        "" | "ns" | "nsec" | "nsecs" => 1,
        "us" | "usec" | "usecs" => 1_000,
        "ms" | "msec" | "msecs" => 1_000_000,
        "s" | "sec" | "secs" => 1_000_000_000,
        _ => 0,
    };
    let time = argv::number(digits, 10).and_then(|n| n.checked_mul(length)).and_then(|n| i64::try_from(n).ok());
    time.filter(|_| length > 0).ok_or_else(|| argv.odd("no time: 100us, 2ms, 1s"))
}

fn read_entry(argv: &mut Argv) -> Result<Attributes, Fault> {
    let open = match argv.next_word()?.to_ascii_lowercase().as_str() {
        "open" => true,
        "close" => false,
        _ => return Err(argv.odd("neither open nor close")),
    };
    let interval = u32::try_from(nanoseconds(argv)?).map_err(|_| argv.odd("longer than 4 seconds"))?;
    let (mut ipv, mut octets) = (-1, -1);
    let is_number = |argv: &Argv| argv.peek().is_some_and(|word| argv::number(word.trim_start_matches('-'), 0).is_some());
    if is_number(argv) {
        ipv = argv.integer()?;
        if is_number(argv) {
            octets = argv.integer()?;
        } else if argv.peek().is_some_and(|word| argv.as_size(word).is_ok()) {
            octets = i32::try_from(argv.size()?).map_err(|_| argv.odd("more than 2 gigabytes"))?;
        }
    }
    let mut attributes = Attributes::default();
    if open {
        attributes.put(entry::OPEN, []);
    }
    attributes.put(entry::INTERVAL, interval.to_ne_bytes());
    attributes.put(entry::IPV, if open { ipv } else { -1 }.to_ne_bytes());
    attributes.put(entry::OCTETS, if open { octets } else { -1 }.to_ne_bytes());
    Ok(attributes)
}

/// What place an entry has, the order says.
pub(super) fn settle(options: &mut Attributes) {
    let entries = options.nest(ENTRIES).unwrap_or_default();
    let one = |(_, bytes): (u16, &[u8])| {
        let mut one = Attributes::read(bytes);
        one.drop(&[entry::INDEX]);
        one.sort();
        (entry::ONE, one.bytes())
    };
    options.set(ENTRIES, entries.iter().map(one).collect::<Attributes>().bytes());
    options.edit(PARAMETERS, |bytes| {
        if let Some(counts) = bytes.get_mut(12..20) {
            counts.fill(0);
        }
    });
}

/// The kernel tells everything, and adds up the intervals if no cycle is given.
pub(super) fn fill(options: &mut Attributes) {
    let entries = options.nest(ENTRIES).unwrap_or_default();
    let total: i64 = entries.iter().filter_map(|(_, bytes)| Attributes::read(bytes).u32(entry::INTERVAL)).map(i64::from).sum();
    let defaults = [
        (PRIORITY, (-1i32).to_ne_bytes().to_vec()),
        (BASE, 0i64.to_ne_bytes().to_vec()),
        (CYCLE, total.to_ne_bytes().to_vec()),
        (EXTRA, 0i64.to_ne_bytes().to_vec()),
        (FLAGS, 0u32.to_ne_bytes().to_vec()),
        (CLOCK, TAI.to_ne_bytes().to_vec()),
    ];
    for (kind, usual) in defaults {
        if !options.has(kind) || kind == CYCLE && options.u64(CYCLE) == Some(0) {
            options.set(kind, usual);
        }
    }
}

pub(super) fn show(options: &Attributes) -> String {
    let mut line = "gate".to_owned();
    if let Some(priority) = options.u32(PRIORITY).map(u32::cast_signed).filter(|priority| *priority != -1) {
        let _ = write!(line, " priority {priority}");
    }
    for (name, kind) in TIMES {
        if let Some(time) = options.u64(kind).filter(|time| *time > 0) {
            let _ = write!(line, " {name} {time}ns");
        }
    }
    if let Some((name, _)) = CLOCKS.iter().find(|(_, clock)| *clock != TAI && options.u32(CLOCK) == Some(*clock)) {
        let _ = write!(line, " clockid {name}");
    }
    if let Some(flags) = options.u32(FLAGS).filter(|flags| *flags > 0) {
        let _ = write!(line, " flags {flags:#x}");
    }
    let generic = options.get(PARAMETERS).map(Generic::told).unwrap_or_default();
    if generic.index > 0 {
        let _ = write!(line, " index {}", generic.index);
    }
    for (_, bytes) in options.nest(ENTRIES).unwrap_or_default().iter() {
        let one = Attributes::read(bytes);
        let signed = |kind| one.u32(kind).map_or(-1, u32::cast_signed);
        let state = if one.has(entry::OPEN) { "open" } else { "close" };
        let _ = write!(
            line,
            " sched-entry {state} {}ns {} {}",
            one.u32(entry::INTERVAL).unwrap_or(0),
            signed(entry::IPV),
            signed(entry::OCTETS)
        );
    }
    line + &format!(" {}", Verdict(generic.verdict))
}
