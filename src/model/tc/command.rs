//! Commands of tc(8) about qdiscs and classes: `add dev eth0 root netem delay 100ms`.

use super::units::Sizes;
use super::words::Words;
use super::{Class, Device, Handle, Kind, Object, Options, Qdisc, State};
use crate::model::Fault;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It is made, where there is none.
    Add,
    /// It gets other options, where it is there.
    Change,
    /// It is made, or takes the place of what is there.
    Replace,
    /// It takes the place of what is there.
    Link,
    /// It is taken away.
    Del,
}

impl Verb {
    const ALL: [(&str, Self); 6] = [
        ("add", Self::Add),
        ("change", Self::Change),
        ("replace", Self::Replace),
        ("link", Self::Link),
        ("delete", Self::Del),
        ("del", Self::Del),
    ];

    /// Takes the verb with which a command begins.
    pub fn take(words: &mut Words<'_>) -> Result<Self, Fault> {
        let verb = words.peek().and_then(|word| Self::ALL.into_iter().find(|(name, _)| *name == word));
        let (name, verb) = verb.ok_or_else(|| words.unknown(&Self::ALL.map(|(name, _)| name)))?;
        words.value(name).map(|_| verb)
    }
}

/// Which qdisc is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The one at a place: of the root, of ingress, or of a class.
    At(Handle),
    /// The one that has a handle, wherever it is.
    With(Handle),
}

/// A command about a qdisc.
#[derive(Clone, Debug, PartialEq)]
pub struct OfQdisc {
    /// What is to be done.
    pub verb: Verb,
    /// On which device.
    pub device: Device,
    /// Which qdisc is meant.
    pub place: Place,
    /// The handle that was said; [`Handle::NONE`] if none was.
    pub handle: Handle,
    /// What it is to be, if that was said.
    pub qdisc: Option<Qdisc>,
}

/// A command about a class.
#[derive(Clone, Debug, PartialEq)]
pub struct OfClass {
    /// What is to be done.
    pub verb: Verb,
    /// On which device.
    pub device: Device,
    /// Which class is meant.
    pub class: Handle,
    /// What it is to be, if that was said.
    pub state: Option<Class>,
}

/// Where a command is about, as far as it has been read.
#[derive(Default)]
struct Where {
    device: Option<Device>,
    parent: Option<Handle>,
    handle: Option<Handle>,
}

impl Where {
    /// Takes a word about the place; tells whether there was one.
    fn word(&mut self, words: &mut Words<'_>, handle: &str) -> Result<bool, Fault> {
        let Some(word) = words.peek() else { return Ok(false) };
        let twice =
            |said: bool| if said { Err(words.wrong(format!("{word:?} stands there twice, or beside another place"))) } else { Ok(()) };
        match word {
            "dev" => {
                twice(self.device.is_some())?;
                words.value(word)?;
                self.device = Some(words.value("dev")?.parse()?);
            }
            "root" => {
                twice(self.parent.is_some())?;
                words.value(word)?;
                self.parent = Some(Handle::ROOT);
            }
            "parent" => {
                twice(self.parent.is_some())?;
                words.value(word)?;
                self.parent = Some(Handle::of_class(words.value("parent")?)?).filter(|parent| *parent != Handle::NONE);
            }
            _ if word == handle => {
                twice(self.handle.is_some())?;
                words.value(word)?;
                let value = words.value(handle)?;
                let read = if handle == "handle" { Handle::of_qdisc(value) } else { Handle::of_class(value) };
                self.handle = Some(read?).filter(|handle| *handle != Handle::NONE);
            }
            "estimator" => return Err(words.wrong("fyke keeps no rate estimators")),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn device(&mut self, words: &Words<'_>) -> Result<Device, Fault> {
        self.device.take().ok_or_else(|| words.wrong("the device is missing: dev eth0"))
    }
}

/// Takes `tc qdisc` off the front of a line: who copies a whole command means the same.
fn command<'a>(line: &'a str, noun: &'a str) -> Words<'a> {
    let mut words = Words::of(line, noun);
    for word in ["tc", noun.strip_prefix("tc ").unwrap_or(noun)] {
        if words.peek() == Some(word) {
            words.take(word);
        }
    }
    words
}

impl OfQdisc {
    /// Reads a command as it stands behind `tc qdisc`.
    pub fn read(line: &str) -> Result<Self, Fault> {
        let mut words = command(line, "tc qdisc");
        let verb = Verb::take(&mut words)?;
        let (mut at, mut qdisc, mut sizes, mut blocks) = (Where::default(), None, None, (None, None));
        while let Some(word) = words.peek() {
            if at.word(&mut words, "handle")? {
                continue;
            }
            match word {
                "stab" => {
                    words.value(word)?;
                    sizes = Some(read_sizes(&mut words)?);
                }
                "ingress_block" | "egress_block" => {
                    words.value(word)?;
                    let block = if word == "ingress_block" { &mut blocks.0 } else { &mut blocks.1 };
                    *block = Some(words.number(word)?).filter(|block| *block != 0);
                }
                _ => {
                    qdisc = Some(read_qdisc(&mut words, &mut at)?);
                    break;
                }
            }
        }
        let device = at.device(&words)?;
        let handle = at.handle.unwrap_or(Handle::NONE);
        let is_ingress = at.parent == Some(Handle::INGRESS);
        let place = match (at.parent, at.handle) {
            (Some(parent), _) => Place::At(parent),
            (None, Some(handle)) if verb != Verb::Add => Place::With(handle),
            _ => return Err(words.wrong("the place is missing").hint("root, ingress, clsact, or parent 1:10")),
        };
        let qdisc = qdisc.map(|qdisc| Qdisc { handle: if is_ingress { Handle::OF_INGRESS } else { handle }, sizes, blocks, ..qdisc });
        match qdisc {
            None if verb != Verb::Del => Err(words.wrong("the kind is missing").hint(format!("one of {}", super::kind::KNOWN.join(", ")))),
            qdisc => Ok(Self { verb, device, place, handle, qdisc }),
        }
    }
}

/// Reads the kind and its options. Where `ingress` or `clsact` stand first, they are the place, too.
fn read_qdisc(words: &mut Words<'_>, at: &mut Where) -> Result<Qdisc, Fault> {
    let kind: Kind = words.value("kind")?.parse()?;
    qdisc_of(kind, words, &mut at.parent)
}

/// Reads the options of a kind.
pub fn qdisc_of(kind: Kind, words: &mut Words<'_>, parent: &mut Option<Handle>) -> Result<Qdisc, Fault> {
    if kind.is_ingress() {
        // What tc(8) lists stands behind, and says nothing.
        while words.peek().is_some_and(|word| word.starts_with("----")) {
            words.value("kind")?;
        }
        if parent.is_some_and(|parent| parent != Handle::INGRESS) {
            return Err(words.wrong(format!("{kind} has a place of its own, and no other")));
        }
        *parent = Some(Handle::INGRESS);
    }
    words.go_on_with(noun(&kind));
    Ok(Qdisc::new(kind.clone(), Options::of_qdisc(&kind, words)?))
}

/// Gives the name of a kind for faults, which are read longer than the words live.
fn noun(kind: &Kind) -> &'static str {
    super::kind::KNOWN.iter().find(|known| **known == kind.as_str()).copied().unwrap_or("a qdisc")
}

/// Reads what stands behind `stab`.
fn read_sizes(words: &mut Words<'_>) -> Result<Sizes, Fault> {
    let mut sizes = Sizes { linklayer: 1, ..Sizes::default() };
    loop {
        match words.peek() {
            Some("overhead") => {
                words.value("overhead")?;
                let value = words.value("overhead")?;
                sizes.overhead = value.parse().map_err(|_| words.refuse("overhead", value, "it is a number of bytes"))?;
            }
            Some("mpu") => {
                words.value("mpu")?;
                sizes.mpu = words.number("mpu")?;
            }
            Some("mtu") => {
                words.value("mtu")?;
                sizes.mtu = words.number("mtu")?;
            }
            Some("tsize") => {
                words.value("tsize")?;
                sizes.tsize = words.number("tsize")?;
                if sizes.tsize > 4096 {
                    return Err(words.refuse("tsize", &sizes.tsize.to_string(), "a table has 4096 entries at most"));
                }
            }
            Some("linklayer") => {
                words.value("linklayer")?;
                let name = words.value("linklayer")?;
                let layer = super::units::LinkLayer::named(name);
                sizes.linklayer = layer.ok_or_else(|| words.refuse("linklayer", name, "it is ethernet, atm or adsl"))?.number().into();
            }
            _ => return Ok(sizes.table().0),
        }
    }
}

impl OfClass {
    /// Reads a command as it stands behind `tc class`.
    pub fn read(line: &str) -> Result<Self, Fault> {
        let mut words = command(line, "tc class");
        let verb = Verb::take(&mut words)?;
        let (mut at, mut options) = (Where::default(), None);
        while words.peek().is_some() {
            if at.word(&mut words, "classid")? {
                continue;
            }
            if words.peek() == Some("handle") {
                return Err(words.wrong("a class has no handle").hint("classid 1:10"));
            }
            let kind: Kind = words.value("kind")?.parse()?;
            words.go_on_with(if kind.as_str() == "htb" { "a class of htb" } else { "a class" });
            options = Some((Options::of_class(&kind, &mut words)?, kind));
            break;
        }
        let device = at.device(&words)?;
        let class = match at.handle {
            Some(class) if class.minor() == 0 || class == Handle::ROOT => {
                return Err(words.refuse("classid", &class.to_string(), "its second number is that of the class, and not 0"));
            }
            Some(class) => class,
            None => return Err(words.wrong("the class is missing: classid 1:10")),
        };
        if class.major() == 0 {
            return Err(words.refuse("classid", &class.to_string(), "its first number is that of the qdisc, and not 0"));
        }
        let parent = at.parent.unwrap_or(Handle::ROOT);
        match options {
            None if verb != Verb::Del => Err(words.wrong("the kind is missing: htb")),
            options => Ok(Self { verb, device, class, state: options.map(|(options, kind)| Class::new(parent, kind, options)) }),
        }
    }
}

/// Writes the command that makes a change.
pub fn written(object: &Object, before: Option<&State>, after: Option<&State>) -> Option<String> {
    let noun = match object {
        Object::Class(..) => "class",
        Object::Filter(..) => "filter",
        _ => "qdisc",
    };
    let place = match object {
        Object::Device(_) => return None,
        Object::Qdisc(device, Handle::ROOT) => format!("dev {device} root"),
        Object::Qdisc(device, Handle::INGRESS) if after.is_some() => format!("dev {device}"),
        Object::Qdisc(device, Handle::INGRESS) => {
            let Some(State::Qdisc(qdisc)) = before else { return None };
            return Some(format!("tc qdisc del dev {device} {}", qdisc.kind));
        }
        Object::Qdisc(device, parent) => format!("dev {device} parent {parent}"),
        Object::Class(device, class) => format!("dev {device} classid {class}"),
        Object::Filter(device, key) => return super::filter::written(device, key, before, after),
    };
    Some(match (before, after) {
        (_, None) => format!("tc {noun} del {place}"),
        (None, Some(after)) => format!("tc {noun} add {place} {after}"),
        (Some(before), Some(after)) if before.is_made_anew_for(after) => format!("tc {noun} replace {place} {after}"),
        (Some(_), Some(after)) => format!("tc {noun} change {place} {after}"),
    })
}
