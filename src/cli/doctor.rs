//! `fyke doctor`: what this kernel and this user can do, and the cure for what is missing.

mod cgroups;
mod journal;
mod packets;
mod sockets;

use serde_json::json;

use super::args::Options;
use super::place::Place;
use super::show::{Screen, fields, pad};
use crate::kernel::link::kinds;
use crate::kernel::process::{self, Limits, Page};
use crate::kernel::xtables::backend::{self, Choice, Report};
use crate::kernel::xtables::live::Reader;
use crate::kernel::xtables::{Ask, Backend, Source, Verdict};
use crate::kernel::{identity, sandbox, tc as queues};
use crate::model::iptables::{ChainName, ChainRef, Table, Words};
use crate::model::{Family, Fault, Kind, tc};

/// What recipes lean on, by the name of the module that a kernel may lack.
const MATCHES: &[(&str, &str)] = &[
    ("recent", "-m recent --set"),
    ("limit", "-m limit --limit 6/min"),
    ("hashlimit", "-m hashlimit --hashlimit-upto 10/sec --hashlimit-name fyke"),
    ("connlimit", "-m connlimit --connlimit-above 10"),
    ("conntrack", "-m conntrack --ctstate NEW"),
    ("comment", "-m comment --comment fyke"),
    ("LOG", "-j LOG"),
    ("cgroup", "-m cgroup --cgroup 1"),
];

/// The kinds of qdiscs that recipes lean on.
const QUEUES: &[&str] = &["tbf", "htb", "netem", "fq_codel", "ingress"];

/// One line of the diagnosis.
struct Line {
    /// The room, or `host` for what all rooms need.
    room: &'static str,
    what: String,
    found: Result<String, Fault>,
}

/// Prints a line for everything that was looked at.
pub(crate) fn run(screen: &Screen, options: &Options) -> Result<u8, Fault> {
    let place = Place::enter(options)?;
    look(screen, options, &place, host(&place, true))
}

/// Prints the same from within a place, where no sandbox is tried: that takes a process with one thread.
pub(crate) fn run_in(screen: &Screen, options: &Options, place: &Place) -> Result<u8, Fault> {
    look(screen, options, place, host(place, false))
}

fn look(screen: &Screen, options: &Options, place: &Place, mut lines: Vec<Line>) -> Result<u8, Fault> {
    lines.extend(journal::lines(place));
    lines.extend(cgroups::lines());
    lines.extend(backends());
    lines.extend(abilities());
    lines.extend(matches(options));
    lines.extend(sockets::lines());
    lines.extend(links());
    lines.extend(packets::lines());
    lines.extend(queues());
    if screen.json {
        let document = lines.iter().map(|line| {
            json!({ "room": line.room, "what": line.what, "ok": line.found.is_ok(), "found": line.found.as_ref().ok(), "fault": line.found.as_ref().err() })
        });
        return screen.document(&document.collect::<Vec<_>>()).map(|()| 0);
    }
    let paint = screen.paint;
    let row = |line: &Line| {
        let mark = if line.found.is_ok() { "ok" } else { "missing" };
        let text = match &line.found {
            Ok(found) => found.clone(),
            Err(fault) => format!("{}{}", fault.why, fault.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default()),
        };
        (format!("{}{}{}", pad(mark, 8), pad(line.room, 10), line.what), paint.text(&text).into_owned())
    };
    let rows: Vec<_> = lines.iter().map(row).collect();
    let head = |head: &str| match head.strip_prefix("ok") {
        Some(rest) => paint.green("ok") + rest,
        None => head.replacen("missing", &paint.red("missing"), 1),
    };
    screen.print(&fields(rows.iter().map(|(head, text)| (&**head, &**text)), head, screen.bound()))?;
    Ok(0)
}

fn host(place: &Place, sandbox: bool) -> Vec<Line> {
    let line = |what: &str, found| Line { room: "host", what: what.to_owned(), found };
    let rights = match identity::has_net_admin() {
        true => Ok(format!("CAP_NET_ADMIN, as {}", identity::user().name)),
        false => Err(super::plan::no_net_admin("change the network")),
    };
    let journal = place.state_to_write().map(|folder| folder.display().to_string());
    let mut lines = vec![line("rights", rights), line("journal", journal)];
    if sandbox {
        lines.push(line("sandbox", sandbox_is_possible()));
    }
    lines
}

/// Tries it, in a process that ends with it.
fn sandbox_is_possible() -> Result<String, Fault> {
    let tried = |_: &Page| u8::from(sandbox::enter().is_err());
    match process::guarded(&Limits::default(), tried, |_, ending| ending.exit_code())? {
        0 => Ok("possible, with --sandbox".to_owned()),
        _ => {
            Err(Fault::new(Kind::Permission, "make a sandbox", "namespaces are forbidden here")
                .hint("`fyke --sandbox doctor` says by what"))
        }
    }
}

fn backends() -> Vec<Line> {
    let chosen = Choice::make(None);
    let line = |report: Report| {
        let name = match report.backend {
            Backend::Nft => "nft",
            Backend::Legacy => "legacy",
        };
        let used = chosen.as_ref().is_ok_and(|choice| choice.backend == report.backend);
        let found = report.version.and_then(|version| {
            let holds = if report.holds_rules? { "holds rules" } else { "holds no rules" };
            Ok(format!("{version}, {holds}{}", if used { ", is used" } else { "" }))
        });
        Line { room: "iptables", what: format!("backend {name}"), found }
    };
    let mut lines: Vec<Line> = backend::reports().into_iter().map(line).collect();
    if let Ok(Err(fault)) = chosen.map(Choice::may_write) {
        lines.push(Line { room: "iptables", what: "choice".to_owned(), found: Err(fault) });
    }
    lines
}

fn abilities() -> Vec<Line> {
    let line = |family: Family| {
        let found = backend::ability(family).map(|ability| {
            let can = |able: bool| if able { "yes" } else { "no" };
            format!("checks for a rule: {}, waits for its lock: {}", can(ability.check), can(ability.wait))
        });
        Line { room: "iptables", what: family.command().to_owned(), found }
    };
    Family::BOTH.into_iter().map(line).collect()
}

/// Asks the oracle, in a namespace of its own, for each match and target that recipes lean on.
fn matches(options: &Options) -> Vec<Line> {
    let asks: Vec<Ask> = MATCHES.iter().map(|(_, words)| ask(words)).collect();
    let verdicts = Reader::open(super::place::backend(options)).and_then(|mut reader| reader.canonical(&asks, &[]));
    let line = |(name, verdict): (&str, Result<Verdict, Fault>)| {
        let found = verdict.and_then(|verdict| match verdict {
            Verdict::Canonical(words) => Ok(words.to_string()),
            Verdict::Refused(why) | Verdict::Unknown(why) => {
                Err(Fault::input(format!("use {name}"), why).hint(format!("load the kernel module: modprobe xt_{name}")))
            }
        });
        Line { room: "iptables", what: name.to_owned(), found }
    };
    match verdicts {
        Ok(verdicts) => MATCHES.iter().map(|(name, _)| *name).zip(verdicts.into_iter().map(Ok)).map(line).collect(),
        Err(fault) => vec![line(("matches", Err(fault)))],
    }
}

/// Tries each kind of link, in a namespace made for it.
fn links() -> Vec<Line> {
    let line = |(kind, found): (&str, Result<(), Fault>)| Line {
        room: "link",
        what: kind.to_owned(),
        found: found.map(|()| "is there".to_owned()),
    };
    kinds::all().into_iter().map(line).collect()
}

/// Asks the kernel, in a namespace made for it, for the kinds of qdiscs that recipes lean on.
fn queues() -> Vec<Line> {
    let line = |name: &&str| {
        let kind = tc::Kind::listed(name);
        let why = "a network namespace to try it in cannot be made here";
        let found = match queues::has(&kind) {
            Some(true) => Ok("is there".to_owned()),
            Some(false) => Err(queues::lacks(&kind)),
            None => Err(Fault::new(Kind::Permission, format!("try the qdisc {kind}"), why)),
        };
        Line { room: "tc", what: (*name).to_owned(), found }
    };
    QUEUES.iter().map(line).collect()
}

fn ask(words: &str) -> Ask {
    let chain = ChainName::listed("INPUT");
    Ask { chain: ChainRef::new(Family::V4, Table::Filter, chain), words: Words::listed(words) }
}
