//! A command of tc(8) about filters: `filter add dev eth0 ingress protocol ip prio 1 u32 match ip src 192.0.2.1 action drop`.

use std::str::FromStr;

use super::kinds::{self, common};
use super::{Filter, flower, u32};
use crate::model::tc::action::Action;
use crate::model::tc::argv::{self, Argv};
use crate::model::tc::attribute::Attributes;
use crate::model::tc::{Device, Handle, protocol};
use crate::model::{Fault, Kind};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Makes a filter that is not there.
    Add,
    /// Makes a filter that is there into another one.
    Change,
    /// Sees to it that a filter is there.
    Replace,
    /// Takes away filters that are there.
    Delete,
}

/// The verbs, in the order in which tc(8) tries them: the beginning of a word is enough.
pub(in crate::model::tc) const VERBS: &[(&str, Verb)] =
    &[("add", Verb::Add), ("change", Verb::Change), ("replace", Verb::Replace), ("delete", Verb::Delete)];

/// Where a filter is, as far as somebody says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The device.
    pub device: Device,
    /// The qdisc or the class that asks it; the root qdisc if nobody says it.
    pub parent: Option<Handle>,
    /// The chain.
    pub chain: Option<u32>,
    /// The priority.
    pub prio: Option<u16>,
    /// The protocol.
    pub protocol: Option<u16>,
}

/// A command about a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What is to be done.
    pub verb: Verb,
    /// Where.
    pub place: Place,
    /// The handle; 0 if nobody says it.
    pub handle: u32,
    /// What the filter is, with its kind; nothing where all of a place are meant.
    pub filter: Option<Filter>,
}

/// What is read of a filter so far.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub(super) options: Attributes,
    pub(super) actions: Vec<Action>,
    pub(super) handle: u32,
    /// The handle as it is written, where its kind reads it in its own way.
    pub(super) handle_words: Option<String>,
    pub(super) order: u32,
    /// Whether anything is said behind the kind.
    pub(super) kind_has_words: bool,
    pub(super) protocol: u16,
    pub(super) parent: Handle,
    pub(super) hw_tc: Option<u16>,
    pub(super) selector: u32::Selector,
    pub(super) seen: flower::Seen,
}

impl FromStr for Command {
    type Err = Fault;

    /// Reads a line of tc(8); `tc` and `filter` may stand before it.
    fn from_str(line: &str) -> Result<Self, Fault> {
        let mut argv = Argv::read(line)?;
        let _ = argv.take("tc");
        let _ = argv.take("filter");
        let verb = VERBS.iter().find(|(name, _)| argv.begins(name)).map(|(_, verb)| *verb);
        argv.next_word()?;
        let verb = verb.ok_or_else(|| argv.odd("nothing that is done to filters").hint("add, change, replace or del"))?;
        let (place, handle, kind) = place(&mut argv, verb)?;
        match kind {
            None if handle.is_some() => Err(argv.refuse("a kind of filter is missing: what a handle means, its kind says")),
            None if verb != Verb::Delete => {
                Err(argv.refuse("a kind of filter is missing").hint(kinds::names().collect::<Vec<_>>().join(", ")))
            }
            None => Ok(Self { verb, place, handle: 0, filter: None }),
            Some(kind) => {
                let (handle, filter) = read(&mut argv, &kind, &place, handle)?;
                Ok(Self { verb, place, handle, filter: Some(filter) })
            }
        }
    }
}

impl Command {
    /// Reads a filter without its place: `flower dst_ip 192.0.2.1 action drop`.
    pub fn of(verb: Verb, place: Place, line: &str) -> Result<Self, Fault> {
        let mut argv = Argv::read(line)?;
        let handle = if argv.take("handle") { Some(argv.next_word()?) } else { None };
        let kind = argv.next_word()?;
        let (handle, filter) = read(&mut argv, &kind, &place, handle)?;
        Ok(Self { verb, place, handle, filter: Some(filter) })
    }

    /// Gives the protocol that the kernel is told.
    pub fn told_protocol(&self) -> u16 {
        self.place.protocol.unwrap_or(match self.verb {
            Verb::Add | Verb::Replace => protocol::ALL,
            Verb::Change | Verb::Delete => 0,
        })
    }
}

type Placed = (Place, Option<String>, Option<String>);

/// Reads the place of a filter, its handle, and its kind.
fn place(argv: &mut Argv, verb: Verb) -> Result<Placed, Fault> {
    let (mut device, mut parent, mut chain, mut prio, mut proto, mut handle, mut kind) = (None, None, None, None, None, None, None);
    let once = |is_set: bool, argv: &Argv| if is_set { Err(argv.odd("there twice")) } else { Ok(()) };
    while !argv.is_end() && kind.is_none() {
        match () {
            () if argv.take("dev") => {
                once(device.is_some(), argv)?;
                device = Some(argv.next_word()?.parse()?);
            }
            () if argv.begins("block") => {
                let why = "the blocks of filters that several devices share are not known to fyke";
                return Err(Fault::new(Kind::Unsupported, argv.refuse("").tried, why).hint("give each device its filters"));
            }
            () if argv.is("root") || argv.is("ingress") || argv.is("egress") || argv.is("parent") => {
                let word = argv.next_word()?;
                once(parent.is_some(), argv)?;
                parent = Some(match word.as_str() {
                    "root" => None,
                    "ingress" => Some(Handle::CLSACT_INGRESS),
                    "egress" => Some(Handle::CLSACT_EGRESS),
                    _ => {
                        let word = argv.next_word()?;
                        Some(Handle::of_class(&word).map_err(|fault| argv.refuse(fault.why))?)
                    }
                });
            }
            () if argv.take("handle") => {
                once(handle.is_some(), argv)?;
                handle = Some(argv.next_word()?);
            }
            () if argv.take_short(&["preference", "priority"]) => {
                once(prio.is_some(), argv)?;
                prio = Some(argv.u16(0)?);
            }
            () if argv.take_short(&["protocol"]) => {
                once(proto.is_some(), argv)?;
                let word = argv.next_word()?;
                proto = Some(protocol::read(&word).ok_or_else(|| argv.odd("no protocol: ip, ipv6, arp, all, 802.1Q, or a number"))?);
            }
            () if argv.take_short(&["chain"]) => {
                once(chain.is_some(), argv)?;
                // What the kernel can jump to.
                chain = Some(argv.number(0, 0x0fff_ffff)?);
            }
            () if argv.begins("estimator") => {
                let why = "the kernel does not tell of the estimator of a filter, so it could not be put back";
                return Err(Fault::new(Kind::Unsupported, argv.refuse("").tried, why));
            }
            () => kind = Some(argv.next_word()?),
        }
    }
    let device: Device = device.ok_or_else(|| argv.refuse("a device is missing: dev eth0"))?;
    let prio = prio.filter(|prio| *prio > 0);
    if verb == Verb::Add && proto == Some(0) {
        return Err(argv.refuse("0 is no protocol"));
    }
    Ok((Place { device, parent: parent.flatten(), chain, prio, protocol: proto }, handle, kind))
}

/// Reads what a filter is, behind its kind.
fn read(argv: &mut Argv, kind: &str, place: &Place, handle: Option<String>) -> Result<(u32, Filter), Fault> {
    let known = || kinds::names().collect::<Vec<_>>();
    let Some(grammar) = kinds::find(kind) else {
        let hint = crate::model::near::did_you_mean(kind, known());
        return Err(argv
            .odd("no kind of filter that fyke can read")
            .hint(hint.unwrap_or_else(|| format!("one of {}", known().join(", ")))));
    };
    let mut draft = Draft {
        kind_has_words: !argv.is_end(),
        protocol: place.protocol.unwrap_or(protocol::ALL),
        parent: place.parent.unwrap_or_default(),
        ..Draft::default()
    };
    match handle {
        Some(text) if ["u32", "fw"].contains(&kind) => draft.handle_words = Some(text),
        Some(text) => {
            let number = argv::number(&text, 0).and_then(|n| u32::try_from(n).ok());
            draft.handle = number.ok_or_else(|| argv.refuse(format!("the handle {text:?} is no number of 32 bits")))?;
        }
        None => {}
    }
    while !argv.is_end() {
        if !(grammar.word)(argv, &mut draft)? && !common(argv, grammar, &mut draft)? {
            argv.next_word()?;
            return Err(argv.odd(&format!("no word of {kind}")));
        }
    }
    (grammar.end)(argv, &mut draft)?;
    Ok((draft.handle, Filter::new(kind, draft.protocol, draft.options, draft.actions)))
}
