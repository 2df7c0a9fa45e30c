//! A link as such: its kind, what it was made with, and what it stands on.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::kind::{KINDS, Options, options};
use super::setting::{Setting, Value};
use super::words::{Line, Words};
use super::{Dev, Far, Mac, Name, Raw};
use crate::model::Fault;
use crate::model::near::did_you_mean;

/// What a link is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The kind; empty for a piece of hardware and for the loopback, which nobody makes.
    pub kind: String,
    /// The link that it stands on: of a VLAN, a macvlan, an ipvlan, and of a vxlan if it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Dev>,
    /// The other end of a veth, where that is in this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Dev>,
    /// The other end of a veth, where it is to be made in another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub far: Option<Far>,
    /// Whether what it stands on, or its other end, is in another namespace.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reaches_out: bool,
    /// What was chosen.
    #[serde(default, skip_serializing_if = "Options::is_empty")]
    pub options: Options,
    /// The names that it has besides its own, which is a setting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub altnames: Vec<String>,
    /// All that the kernel told of its kind, for it to be made again as it was.
    #[serde(default, skip_serializing_if = "Raw::is_empty")]
    pub data: Raw,
}

impl Link {
    /// Tells whether somebody outside of its namespace would miss it: its other end or what it stands on is elsewhere, or it is a piece of hardware.
    pub fn leads_out_from(&self, dev: &Dev) -> bool {
        self.reaches_out || self.kind.is_empty() && !dev.comes_by_itself()
    }

    /// Tells whether another one is the same, as far as both are known.
    pub fn agrees(&self, other: &Self) -> bool {
        let same = |one: &Option<Dev>, other: &Option<Dev>| one.is_none() || other.is_none() || one == other;
        self.kind == other.kind
            && same(&self.parent, &other.parent)
            && same(&self.peer, &other.peer)
            && self.options.agrees(&other.options)
            && other.options.agrees(&self.options)
    }

    /// Tells whether links of this kind can be made.
    pub fn can_be_made(&self) -> bool {
        !(self.kind.is_empty() || self.kind == "veth" && self.reaches_out && self.far.is_none())
    }

    /// Gives the links that it names: what it stands on, and its other end.
    pub fn devs(&mut self) -> impl Iterator<Item = &mut Dev> {
        self.parent.iter_mut().chain(self.peer.iter_mut())
    }

    /// Writes what stands behind `type`.
    fn write(&self, line: &mut Line) {
        line.word(if self.kind.is_empty() { "device" } else { &self.kind });
        self.options.write(&self.kind, line);
        line.pair("peer", self.peer.as_ref());
        line.pair("peer", self.far.as_ref().map(|far| &far.dev)).pair("netns", self.far.as_ref().map(|far| &far.site.home));
        if self.kind == "vxlan" {
            line.pair("dev", self.parent.as_ref());
        } else if let Some(parent) = &self.parent {
            line.pair("on", Some(parent));
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line::default();
        self.write(&mut line);
        f.write_str(line.text())
    }
}

/// A link that is to be made: after `ip link add`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: Name,
    /// What it is.
    pub link: Link,
    /// What it is set to at once, in order.
    pub settings: Vec<(Setting, Value)>,
    /// The network namespace that the other end of a veth is put in: a name, a path or the number of a process.
    pub peer_netns: Option<String>,
}

impl FromStr for Wanted {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let mut words = Words::new("a link", text);
        let (mut name, mut link, mut settings, mut peer_netns) = (None, Link::default(), Vec::new(), None);
        while let Some(word) = words.next() {
            match word {
                "name" if name.is_none() => name = Some(words.value(word)?),
                "dev" if name.is_none() => name = Some(words.value(word)?),
                "link" => link.parent = Some(Dev::named(words.value(word)?)),
                "type" => {
                    words.after(word)?.clone_into(&mut link.kind);
                    peer_netns = of_kind(&mut link, &mut words)?;
                }
                _ if Setting::is_word(word) => settings.push(Setting::read(word, &mut words)?),
                _ if name.is_none() => name = Some(word.parse()?),
                "netns" => {
                    return Err(words
                        .fault("a link is made in the namespace of the script")
                        .hint("`netns::enter(name, || link::add(..))`"));
                }
                _ => return Err(words.odd(word).hint("what belongs to the kind stands behind `type`")),
            }
        }
        let name: Name = name.ok_or_else(|| words.fault("it has no name"))?;
        if link.kind.is_empty() {
            return Err(words.fault("it has no type").hint("as in `br0 type bridge`"));
        }
        let needs_parent = ["vlan", "macvlan", "ipvlan"].contains(&link.kind.as_str());
        match (&*link.kind, &link.parent) {
            (kind, None) if needs_parent => {
                Err(words.fault(format!("a {kind} stands on a link")).hint(format!("`link eth0 {name} type {kind}`")))
            }
            (kind, Some(_)) if !needs_parent && kind != "vxlan" => Err(words.fault(format!("a {kind} stands on no link"))),
            ("vlan", _) if link.options.iter().all(|(name, _)| name != "id") => Err(words.fault("a vlan has an `id`")),
            ("vxlan", _) if link.options.iter().all(|(name, value)| name != "id" && (name, value) != ("external", "on")) => {
                Err(words.fault("a vxlan has an `id`"))
            }
            ("veth", _) if link.peer.is_none() => {
                Err(words.fault("both ends need a name, for a plan to know them").hint(format!("`{name} type veth peer name {name}p`")))
            }
            _ if peer_netns.is_none() && link.peer.as_ref().is_some_and(|peer| peer.name == name) => {
                Err(words.fault("both ends have the same name"))
            }
            _ => Ok(Self { name, link, settings, peer_netns }),
        }
    }
}

/// Reads what belongs to a kind, and gives the namespace of the other end, if one is named.
fn of_kind(link: &mut Link, words: &mut Words<'_>) -> Result<Option<String>, Fault> {
    let mut netns = None;
    if options(&link.kind).is_none() {
        let kinds = || KINDS.iter().map(|(kind, _)| *kind);
        let fault = words.fault(format!("fyke makes no links of the type {:?}", link.kind));
        let all = format!("the types are {}", kinds().collect::<Vec<_>>().join(", "));
        return Err(fault.hint(did_you_mean(&link.kind, kinds()).unwrap_or(all)));
    }
    while let Some(word) = words.next() {
        match (word, link.kind.as_str()) {
            ("peer", "veth") => {
                if words.peek() == Some("name") {
                    words.next();
                }
                link.peer = Some(Dev::named(words.value(word)?));
                if words.peek() == Some("netns") {
                    words.next();
                    netns = Some(words.netns("netns")?);
                }
            }
            ("dev", "vxlan") => link.parent = Some(Dev::named(words.value(word)?)),
            ("mode", "tun" | "tap") => words.after(word)?.clone_into(&mut link.kind),
            (_, kind) => link.options.take(kind, word, words)?,
        }
    }
    Ok(netns)
}

impl fmt::Display for Wanted {
    /// Writes what stands behind `ip link add`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = Line::default();
        let on = self.link.parent.as_ref().filter(|_| self.link.kind != "vxlan");
        line.pair("link", on).pair("name", Some(&self.name));
        for (setting, value) in &self.settings {
            line.word(setting.command(value));
        }
        line.word("type").word(&self.link.kind);
        self.link.options.write(&self.link.kind, &mut line);
        line.pair("peer name", self.link.peer.as_ref().or(self.link.far.as_ref().map(|far| &far.dev)));
        line.pair("netns", self.peer_netns.as_ref());
        line.pair("dev", self.link.parent.as_ref().filter(|_| self.link.kind == "vxlan"));
        f.write_str(line.text())
    }
}

/// Reads a hardware address that was given or is unknown.
pub(super) fn mac(words: &mut Words<'_>, key: &str) -> Result<Mac, Fault> {
    words.value(key)
}
