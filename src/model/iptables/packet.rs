//! Whether a rule's matches are about the next packet of a connection, as far as its words tell.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use super::Words;
use crate::model::Tracking;
use crate::model::net::{Ports, Prefix};

/// What can be said of something of which not everything is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// It is not so.
    No,
    /// It may be so.
    Maybe,
    /// It is so.
    Yes,
}

impl Answer {
    fn inverted_if(self, inverted: bool) -> Self {
        match self {
            Answer::No if inverted => Answer::Yes,
            Answer::Yes if inverted => Answer::No,
            same => same,
        }
    }
}

impl From<bool> for Answer {
    fn from(yes: bool) -> Self {
        if yes { Answer::Yes } else { Answer::No }
    }
}

/// The next packet of an established TCP connection on its way through the tables.
#[derive(Clone, Debug)]
pub struct Packet<'a> {
    /// Where it comes from.
    pub source: SocketAddr,
    /// Where it goes to.
    pub destination: SocketAddr,
    /// Whether it comes in; else it goes out.
    pub inbound: bool,
    /// The interface by which it comes or goes, where that is certain.
    pub interface: Option<&'a str>,
    /// What connection tracking says of it.
    pub tracking: Tracking,
}

/// What the kernel keeps of addresses beside its rules.
pub trait Memory {
    /// Counts the packets of an address that a list of the `recent` match holds; none where that cannot be told.
    fn hits(&self, list: &str, address: IpAddr) -> Option<usize>;

    /// Tells whether a set holds an address; none where that cannot be told.
    fn holds(&self, set: &str, address: IpAddr) -> Option<bool>;
}

/// One option of a rule with its values, and the match that it belongs to.
struct Given<'w> {
    module: &'w str,
    inverted: bool,
    option: &'w str,
    values: &'w [Cow<'w, str>],
}

impl Given<'_> {
    fn value(&self) -> &str {
        self.values.first().map_or("", |value| value)
    }
}

/// A rule, taken apart as far as a packet needs it.
pub struct Parts<'w> {
    words: Vec<Cow<'w, str>>,
    /// Where the target stands, behind its `-j` or `-g`.
    target: Option<usize>,
}

impl<'w> Parts<'w> {
    /// Takes a rule apart.
    pub fn of(words: &'w Words) -> Self {
        let words: Vec<Cow<'_, str>> = words.iter().collect();
        let jumps = |at: &usize| JUMPS.contains(&&*words[*at]) && !(*at > 0 && TEXTS.contains(&&*words[at - 1]));
        let target = (0..words.len()).find(jumps).map(|at| at + 1);
        Self { words, target }
    }

    /// Gives the target or chain that it jumps or goes to.
    pub fn target(&self) -> Option<&str> {
        self.words.get(self.target?).map(|word| &**word)
    }

    /// Tells whether it goes to a chain, and so does not come back.
    pub fn goes(&self) -> bool {
        self.target.is_some_and(|at| self.words[at - 1] == "-g" || self.words[at - 1] == "--goto")
    }

    /// Gives the options of the target.
    pub fn target_options(&self) -> &[Cow<'w, str>] {
        self.target.and_then(|at| self.words.get(at + 1..)).unwrap_or_default()
    }

    /// Tells whether the rule is about a packet. `remembered` are the lists of the `recent` match into which rules before it have put the
    /// source; it is added to.
    pub fn matches(&self, packet: &Packet<'_>, memory: &dyn Memory, remembered: &mut Vec<String>) -> Answer {
        let given = self.given();
        let mut answer = Answer::Yes;
        let mut rest = &given[..];
        while let Some((first, others)) = rest.split_first() {
            let said = if first.module == "recent" && first.option != "-m" {
                let own = rest.iter().take_while(|given| given.module == "recent" && given.option != "-m").count();
                let said = recent(&rest[..own], packet, memory, remembered);
                rest = &rest[own..];
                said
            } else {
                rest = others;
                option(first, packet, memory).inverted_if(first.inverted)
            };
            // What comes after a match that fails is not looked at: a `recent` there remembers nothing.
            answer = answer.min(said);
            if answer == Answer::No {
                break;
            }
        }
        answer
    }

    /// Lists the options before the target.
    fn given(&self) -> Vec<Given<'_>> {
        let end = self.target.map_or(self.words.len(), |at| at - 1);
        let (mut given, mut module, mut inverted, mut at) = (Vec::new(), "", false, 0);
        while at < end {
            let word = &*self.words[at];
            at += 1;
            if word == "!" {
                inverted = true;
                continue;
            }
            // A text may begin like an option; of all others the values end where an option begins.
            let text = usize::from(TEXTS.contains(&word) && at < end);
            let more = self.words[at + text..end].iter().take_while(|value| !value.starts_with("--") && !is_short(value) && *value != "!");
            let values = &self.words[at..at + text + more.count()];
            if word == "-m" || word == "--match" {
                module = values.first().map_or("", |name| name);
            }
            given.push(Given { module, inverted, option: word, values });
            (at, inverted) = (at + values.len(), false);
        }
        given
    }
}

/// The options after which a rule's target stands.
const JUMPS: [&str; 4] = ["-j", "-g", "--jump", "--goto"];

/// Options whose value is any text.
const TEXTS: [&str; 3] = ["--comment", "--string", "--hex-string"];

fn is_short(word: &str) -> bool {
    word.len() == 2 && word.starts_with('-') && !word.ends_with(|c: char| c.is_ascii_digit())
}

/// Tells whether one option is about a packet, its `!` aside.
fn option(given: &Given<'_>, packet: &Packet<'_>, memory: &dyn Memory) -> Answer {
    let value = given.value();
    match (given.module, given.option) {
        (_, "-s" | "--source" | "--src") => address(value, packet.source.ip()),
        (_, "-d" | "--destination" | "--dst") => address(value, packet.destination.ip()),
        (_, "-i" | "--in-interface") => interface(value, packet, packet.inbound),
        (_, "-o" | "--out-interface") => interface(value, packet, !packet.inbound),
        (_, "-p" | "--protocol" | "--proto") => ["tcp", "TCP", "6", "all", "0"].contains(&value).into(),
        // To name a match is no condition; one that is not known here is.
        (module, "-m" | "--match") => {
            if KNOWN.contains(&module) {
                Answer::Yes
            } else {
                Answer::Maybe
            }
        }
        ("comment", "--comment") => Answer::Yes,
        ("" | "tcp", "--dport" | "--destination-port") => ports(given, &[packet.destination.port()]),
        ("" | "tcp", "--sport" | "--source-port") => ports(given, &[packet.source.port()]),
        ("multiport", "--dports" | "--destination-ports") => ports(given, &[packet.destination.port()]),
        ("multiport", "--sports" | "--source-ports") => ports(given, &[packet.source.port()]),
        ("multiport", "--ports") => ports(given, &[packet.source.port(), packet.destination.port()]),
        ("" | "tcp", "--syn") => Answer::No,
        ("" | "tcp", "--tcp-flags") => flags(value, given.values.get(1).map_or("", |flags| flags)),
        ("state", "--state") | ("conntrack", "--ctstate") => tracking(value, packet.tracking),
        ("iprange", "--src-range") => range(value, packet.source.ip()),
        ("iprange", "--dst-range") => range(value, packet.destination.ip()),
        ("set", "--match-set") => in_set(given, packet, memory),
        ("addrtype", "--src-type") => kind(value, !packet.inbound),
        ("addrtype", "--dst-type") => kind(value, packet.inbound),
        _ => Answer::Maybe,
    }
}

/// Matches that are no condition of their own: only their options are.
const KNOWN: [&str; 9] = ["set", "tcp", "multiport", "state", "conntrack", "comment", "recent", "iprange", "addrtype"];

fn address(prefix: &str, address: IpAddr) -> Answer {
    let Ok(prefix) = prefix.parse::<Prefix>() else { return Answer::Maybe };
    prefix.contains(address).into()
}

/// Looks at the name of an interface as the kernel does: a packet that is not on its way in has no interface by which it came in.
fn interface(name: &str, packet: &Packet<'_>, its: bool) -> Answer {
    let known = if its { packet.interface } else { Some("") };
    match (known, name.strip_suffix('+')) {
        (_, Some("")) => Answer::Yes,
        (Some(known), Some(begin)) => known.starts_with(begin).into(),
        (Some(known), None) => (known == name).into(),
        // A login from far away does not come by the loopback interface.
        (None, None) if name == "lo" => Answer::No,
        (None, _) => Answer::Maybe,
    }
}

fn ports(given: &Given<'_>, ports: &[u16]) -> Answer {
    let ranges: Result<Vec<Ports>, _> = given.value().split(',').map(str::parse).collect();
    // What is no number is the name of a service, and where the end of a range is left away it is meant to be open.
    let Ok(ranges) = ranges else { return Answer::Maybe };
    ports.iter().any(|port| ranges.iter().any(|range| (range.first..=range.last).contains(port))).into()
}

/// Looks at the flags of a packet that carries data or acknowledges it: it has ACK, may have PSH, and no other.
fn flags(mask: &str, set: &str) -> Answer {
    let (mask, set) = (flag_names(mask), flag_names(set));
    let looked = mask.iter().map(|flag| match *flag {
        "ACK" => Answer::from(set.contains(flag)),
        "PSH" => Answer::Maybe,
        _ => Answer::from(!set.contains(flag)),
    });
    // A flag that is wanted and not looked at is never seen.
    let seen = set.iter().all(|flag| mask.contains(flag));
    looked.min().unwrap_or(Answer::Yes).min(seen.into())
}

fn flag_names(list: &str) -> Vec<&str> {
    let names = list.split(',').flat_map(|name| match name {
        "ALL" => vec!["FIN", "SYN", "RST", "PSH", "ACK", "URG"],
        "NONE" => vec![],
        one => vec![one],
    });
    names.collect()
}

fn tracking(states: &str, tracking: Tracking) -> Answer {
    let name = match tracking {
        Tracking::New => "NEW",
        Tracking::Established => "ESTABLISHED",
        Tracking::Invalid => "INVALID",
        Tracking::Untracked => "UNTRACKED",
        Tracking::Unknown => return Answer::Maybe,
    };
    let states: Vec<&str> = states.split(',').collect();
    match states.contains(&name) {
        true => Answer::Yes,
        // `conntrack` has SNAT and DNAT among the states.
        false if states.iter().any(|state| state.ends_with("NAT")) => Answer::Maybe,
        false => Answer::No,
    }
}

fn range(range: &str, address: IpAddr) -> Answer {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    match (first.parse::<IpAddr>(), last.parse::<IpAddr>()) {
        (Ok(first), Ok(last)) => (first <= address && address <= last).into(),
        _ => Answer::Maybe,
    }
}

/// Looks at the type of an address; `own` tells whether it is this host's.
fn kind(types: &str, own: bool) -> Answer {
    let says = |kind: &str| match kind {
        "LOCAL" => Answer::from(own),
        "UNICAST" => Answer::from(!own),
        "BROADCAST" | "MULTICAST" | "ANYCAST" | "BLACKHOLE" | "UNREACHABLE" | "PROHIBIT" | "UNSPEC" => Answer::No,
        _ => Answer::Maybe,
    };
    types.split(',').map(says).max().unwrap_or(Answer::Maybe)
}

/// Looks into a set that is asked for one of the addresses.
fn in_set(given: &Given<'_>, packet: &Packet<'_>, memory: &dyn Memory) -> Answer {
    let address = match given.values.get(1).map(|side| &**side) {
        Some("src") => packet.source.ip(),
        Some("dst") => packet.destination.ip(),
        _ => return Answer::Maybe,
    };
    memory.holds(given.value(), address).map_or(Answer::Maybe, Answer::from)
}

/// Looks into a list of remembered sources, and remembers what `--set` puts there.
fn recent(own: &[Given<'_>], packet: &Packet<'_>, memory: &dyn Memory, remembered: &mut Vec<String>) -> Answer {
    let find = |option: &str| own.iter().find(|given| given.option == option);
    let name = find("--name").map_or("DEFAULT", |given| given.value());
    let side = if find("--rdest").is_some() { packet.destination.ip() } else { packet.source.ip() };
    let address = find("--mask").map_or(Some(side), |mask| masked(side, mask.value().parse().ok()?));
    let fresh = remembered.iter().filter(|list| *list == name).count();
    let known = address.and_then(|address| memory.hits(name, address)).map(|hits| hits + fresh);
    if let Some(set) = find("--set") {
        remembered.push(name.to_owned());
        return Answer::Yes.inverted_if(set.inverted);
    }
    let Some(order) = ["--rcheck", "--update", "--remove"].into_iter().find_map(find) else { return Answer::Maybe };
    let wanted = find("--hitcount").map_or(1, |hits| hits.value().parse().unwrap_or(1));
    let timed = find("--seconds").is_some() || find("--rttl").is_some();
    let said = match known {
        Some(hits) if hits < wanted => Answer::No,
        Some(_) if !timed => Answer::Yes,
        _ => Answer::Maybe,
    };
    said.inverted_if(order.inverted)
}

fn masked(address: IpAddr, mask: IpAddr) -> Option<IpAddr> {
    match (address, mask) {
        (IpAddr::V4(address), IpAddr::V4(mask)) => Some((address & mask).into()),
        (IpAddr::V6(address), IpAddr::V6(mask)) => Some((address & mask).into()),
        _ => None,
    }
}
