//! Options of netem: delay, loss and the other troubles of a network, see tc-netem(8).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Fault;
use crate::model::tc::distribution::{COMPUTED, UNIFORM};
use crate::model::tc::units::{Percent, Rate, Size, Time};
use crate::model::tc::words::Words;

/// The packets that netem holds at most when nobody says how many.
const LIMIT: u32 = 1000;

/// How packets are lost. Each part is one of 2^32 - 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// Not at all.
    #[default]
    None,
    /// Each by itself, or as the one before, to a degree.
    Random(u32, u32),
    /// By a model of four states: `p13`, `p31`, `p32`, `p23`, `p14`.
    State([u32; 5]),
    /// By the model of Gilbert and Elliott: `p`, `r`, `h` and `1-k`.
    Gemodel([u32; 4]),
}

/// When packets are sent in slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The least time between two slots, in nanoseconds.
    pub least: i64,
    /// The most.
    pub most: i64,
    /// How many packets go in a slot; 0 for any number.
    pub packets: i32,
    /// How many bytes go in a slot; 0 for any number.
    pub bytes: i32,
    /// The mean time between two slots, where it is distributed.
    pub delay: i64,
    /// How far it is spread.
    pub jitter: i64,
    /// How it is distributed; the kernel does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Box<str>>,
}

impl Slot {
    fn may_have_a_distribution(&self) -> bool {
        self.jitter > 0 && self.distribution.is_none()
    }
}

/// A rate at which packets leave, and what is added to each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Bytes per second.
    pub rate: u64,
    /// Bytes that each packet has more than Linux sees.
    pub overhead: i32,
    /// The size of a cell.
    pub cell: u32,
    /// Bytes that each cell has more.
    pub cell_overhead: i32,
}

/// The troubles of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Netem {
    /// The packets that are held at most.
    pub limit: u32,
    /// The delay, in nanoseconds.
    pub delay: i64,
    /// How far it is spread.
    pub jitter: i64,
    /// How much a delay depends on the one before.
    pub correlation: u32,
    /// How it is distributed; the kernel does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Box<str>>,
    /// How packets are lost.
    pub loss: Loss,
    /// Whether those that would be lost are marked instead (RFC 3168).
    pub ecn: bool,
    /// How many are sent twice, and how much that depends on the one before.
    pub duplicate: (u32, u32),
    /// How many get a wrong bit.
    pub corrupt: (u32, u32),
    /// How many overtake the others.
    pub reorder: (u32, u32),
    /// Each how manieth may overtake.
    pub gap: u32,
    /// The rate.
    pub pace: Pace,
    /// The slots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
    /// What its random numbers begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Default for Netem {
    fn default() -> Self {
        Self {
            limit: LIMIT,
            delay: 0,
            jitter: 0,
            correlation: 0,
            distribution: None,
            loss: Loss::None,
            ecn: false,
            duplicate: (0, 0),
            corrupt: (0, 0),
            reorder: (0, 0),
            gap: 0,
            pace: Pace::default(),
            slot: None,
            seed: None,
        }
    }
}

/// The words of netem.
const WORDS: &[&str] = &["limit", "delay", "loss", "seed", "ecn", "reorder", "corrupt", "gap", "duplicate", "distribution", "rate", "slot"];

impl Netem {
    /// Reads the words behind `netem`.
    pub fn read(words: &mut Words<'_>) -> Result<Self, Fault> {
        let mut netem = Self::default();
        while words.peek().is_some() {
            netem.word(words)?;
        }
        netem.fits(words)
    }

    // tc(8) takes the first word that begins so: the order is its.
    fn word(&mut self, words: &mut Words<'_>) -> Result<(), Fault> {
        if words.take("limit") {
            self.limit = words.size("limit")?;
        } else if words.take("latency") || words.take("delay") {
            self.delay = words.nanos("delay")?;
            if let Some(jitter) = words.digits() {
                self.jitter = words.as_nanos("jitter", jitter)?;
                self.correlation = maybe(words, "correlation")?;
            }
        } else if words.take("loss") || words.take("drop") {
            self.loss = loss(words)?;
        } else if words.take("seed") {
            self.seed = Some(words.number("seed")?);
        } else if words.take("ecn") {
            self.ecn = true;
        } else if words.take("reorder") {
            self.reorder = part(words, "reorder")?;
        } else if words.take("corrupt") {
            self.corrupt = part(words, "corrupt")?;
        } else if words.take("gap") {
            self.gap = words.number("gap")?;
        } else if words.take("duplicate") {
            self.duplicate = part(words, "duplicate")?;
        } else if words.take("distribution") {
            self.distribution = Some(distribution(words)?);
        } else if words.take("rate") {
            self.pace = pace(words)?;
        } else if words.take("slot") {
            self.slot = Some(slot(words)?);
        } else {
            return Err(words.unknown(WORDS));
        }
        Ok(())
    }

    /// Refuses what does not go together.
    fn fits(mut self, words: &Words<'_>) -> Result<Self, Fault> {
        if self.limit == 0 {
            return Err(words.refuse("limit", "0", "it would hold no packet, and drop all"));
        }
        match (self.reorder.0, self.delay, self.gap) {
            (0, _, 0) => {}
            (0, ..) => return Err(words.wrong("there is a gap, and nothing is reordered")),
            (_, 0, _) => return Err(words.wrong("packets cannot be reordered without a delay")),
            (.., gap) => self.gap = gap.max(1),
        }
        if self.ecn && self.loss == Loss::None {
            return Err(words.wrong("ecn marks what would be lost, and nothing is lost"));
        }
        if self.distribution.is_some() && (self.delay == 0 || self.jitter == 0) {
            return Err(words.wrong("a distribution needs a delay and a jitter"));
        }
        Ok(self)
    }

    /// Tells whether another one is the same, as far as the kernel tells it and somebody has chosen it.
    pub fn agrees(&self, other: &Self) -> bool {
        let told = |netem: &Self| {
            let slot = netem.slot.clone().map(|slot| Slot { distribution: None, ..slot });
            Self { distribution: None, seed: None, slot, ..netem.clone() }
        };
        let known = |one: &Option<Box<str>>, other: &Option<Box<str>>| one.is_none() || other.is_none() || one == other;
        let seeds = self.seed.is_none() || other.seed.is_none() || self.seed == other.seed;
        seeds && known(&self.distribution, &other.distribution) && told(self) == told(other)
    }

    /// Gives the distributions of which tables are needed.
    pub fn distributions(&self) -> impl Iterator<Item = &str> {
        self.distribution.as_deref().into_iter().chain(self.slot.as_ref().and_then(|slot| slot.distribution.as_deref()))
    }

    /// Tells whether the delay may be distributed in a way that is not known here.
    pub fn may_have_a_distribution(&self) -> bool {
        self.jitter > 0 && self.distribution.is_none() || self.slot.as_ref().is_some_and(Slot::may_have_a_distribution)
    }

    /// Tells whether the way in which the delay is distributed, which is not known here, gets lost when another one follows, or none.
    pub fn forgets(&self, next: Option<&Self>) -> bool {
        let is_lost = |unknown: bool, next: Option<&str>| unknown && next.is_some();
        let slot = |netem: &Self| netem.slot.as_ref().is_some_and(Slot::may_have_a_distribution);
        match next.filter(|next| self.can_become(next)) {
            None => self.may_have_a_distribution(),
            Some(next) => {
                is_lost(self.jitter > 0 && self.distribution.is_none(), next.distribution.as_deref())
                    || is_lost(slot(self), next.slot.as_ref().and_then(|slot| slot.distribution.as_deref()))
            }
        }
    }

    /// Completes what was read with what the kernel does not tell, from what is known to have been set in the place of another one. Where nobody chose a
    /// distribution, it is even, or as unknown as it was before.
    pub fn recall(&mut self, known: &Self, before: Option<&Self>) {
        let before = before.filter(|before| before.can_become(known));
        let even = |of: &Option<Box<str>>, stays: bool| of.clone().or_else(|| (!stays).then(|| UNIFORM.into()));
        if self.jitter > 0 {
            let stays = before.is_some_and(|before| before.jitter > 0 && before.distribution.is_none());
            self.distribution = even(&known.distribution, stays);
        }
        if let (Some(slot), Some(known)) = (&mut self.slot, &known.slot)
            && slot.jitter > 0
        {
            let stays = before.and_then(|before| before.slot.as_ref()).is_some_and(Slot::may_have_a_distribution);
            slot.distribution = even(&known.distribution, stays);
        }
    }

    /// Learns the distributions that somebody says another one has, which is the same.
    pub fn learn(&mut self, said: &Self) {
        self.distribution = said.distribution.clone().or_else(|| self.distribution.take());
        if let (Some(slot), Some(said)) = (&mut self.slot, &said.slot) {
            slot.distribution = said.distribution.clone().or_else(|| slot.distribution.take());
        }
    }

    /// Tells whether the kernel can make another one of it in place: a table stays until there is another one, and slots are not taken away. One that is
    /// not known stays where nobody asks for another, as tc(8) leaves it.
    pub fn can_become(&self, next: &Self) -> bool {
        let in_place = |is_spread: bool, now: Option<&str>, next: Option<&str>| match (now, next) {
            _ if !is_spread => true,
            (_, Some(next)) if next != UNIFORM => true,
            (Some(now), _) => now == UNIFORM,
            (None, next) => next.is_none(),
        };
        let slots = match (&self.slot, &next.slot) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(now), Some(next)) => in_place(now.jitter > 0, now.distribution.as_deref(), next.distribution.as_deref()),
        };
        slots && in_place(self.jitter > 0, self.distribution.as_deref(), next.distribution.as_deref())
    }

    /// Gives how many packets of a size wait at once when a rate comes in: what `limit` has to hold.
    pub fn waiting(&self, bytes_per_second: u64, packet: u64) -> u64 {
        let nanos = (self.delay + self.jitter).max(0) as u128;
        (u128::from(bytes_per_second) * nanos / 1_000_000_000 / u128::from(packet.max(1))) as u64
    }
}

fn maybe(words: &mut Words<'_>, name: &str) -> Result<u32, Fault> {
    words.digits().map_or(Ok(0), |value| words.as_percent(name, value))
}

fn part(words: &mut Words<'_>, name: &str) -> Result<(u32, u32), Fault> {
    Ok((words.percent(name)?, maybe(words, "correlation")?))
}

fn loss(words: &mut Words<'_>) -> Result<Loss, Fault> {
    if words.peek() == Some("state") {
        let _ = words.value("loss");
        let first = words.percent("p13")?;
        let mut parts = [first, u32::MAX - first, 0, u32::MAX, 0];
        for (at, name) in ["p31", "p32", "p23", "p14"].into_iter().enumerate() {
            let Some(value) = words.digits() else { break };
            parts[at + 1] = words.as_percent(name, value)?;
        }
        return Ok(Loss::State(parts));
    }
    if words.peek() == Some("gemodel") {
        let _ = words.value("loss");
        let first = words.percent("p")?;
        // The word is `1-h`, and the kernel has h; where the word is missing, tc(8) leaves h as 0.
        let mut parts = [first, u32::MAX - first, 0, 0];
        for (at, name) in ["r", "1-h", "1-k"].into_iter().enumerate() {
            let Some(value) = words.digits() else { break };
            let value = words.as_percent(name, value)?;
            parts[at + 1] = if name == "1-h" { u32::MAX - value } else { value };
        }
        return Ok(Loss::Gemodel(parts));
    }
    if words.peek() == Some("random") {
        let _ = words.value("loss");
    }
    let (part, correlation) = part(words, "loss")?;
    Ok(if part == 0 { Loss::None } else { Loss::Random(part, correlation) })
}

/// Reads the name of a distribution, which may be that of a file. Whether there is one, whoever looks for it finds out.
fn distribution(words: &mut Words<'_>) -> Result<Box<str>, Fault> {
    let name = words.value("distribution")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match (1..=64).contains(&name.len()) && name.chars().all(plain) {
        true => Ok(name.into()),
        false => Err(words
            .refuse("distribution", name, "it is a name of letters, digits, - and _")
            .hint(format!("those without a file are {}", COMPUTED.join(", ")))),
    }
}

fn pace(words: &mut Words<'_>) -> Result<Pace, Fault> {
    let mut pace = Pace { rate: words.rate("rate")?, ..Pace::default() };
    let number =
        |words: &Words<'_>, name: &str, value: &str| value.parse::<i32>().map_err(|_| words.refuse(name, value, "it is a number of bytes"));
    if let Some(value) = words.signed() {
        pace.overhead = number(words, "packet overhead", value)?;
        if let Some(value) = words.digits() {
            pace.cell = words.as_number("cell size", value)?;
            if let Some(value) = words.signed() {
                pace.cell_overhead = number(words, "cell overhead", value)?;
            }
        }
    }
    Ok(pace)
}

fn slot(words: &mut Words<'_>) -> Result<Slot, Fault> {
    let mut slot = Slot::default();
    if let Some(value) = words.digits() {
        slot.least = words.as_nanos("slot", value)?;
        slot.most = words.digits().map_or(Ok(slot.least), |value| words.as_nanos("slot", value))?;
        if slot.most < slot.least {
            return Err(words.wrong("the longest time between two slots is shorter than the shortest"));
        }
    } else if words.take("distribution") {
        slot.distribution = Some(distribution(words)?);
        slot.delay = words.nanos("slot delay")?;
        slot.jitter = words.nanos("slot jitter")?;
        if slot.jitter == 0 {
            return Err(words.wrong("a distribution of slots needs a jitter"));
        }
    } else {
        return Err(words.unknown(&["distribution"]));
    }
    if words.take("packets") {
        slot.packets = words.number("packets")?;
    }
    if words.take("bytes") {
        slot.bytes = words.size("bytes")?;
    }
    Ok(slot)
}

impl fmt::Display for Netem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let correlated = |(part, correlation): (u32, u32)| match correlation {
            0 => Percent(part).to_string(),
            _ => format!("{} {}", Percent(part), Percent(correlation)),
        };
        write!(f, " limit {}", self.limit)?;
        if self.delay != 0 || self.jitter != 0 {
            write!(f, " delay {}", Time(self.delay))?;
            if self.jitter != 0 {
                write!(f, " {}", Time(self.jitter))?;
                if self.correlation != 0 {
                    write!(f, " {}", Percent(self.correlation))?;
                }
            }
        }
        if let Some(name) = &self.distribution {
            write!(f, " distribution {name}")?;
        }
        write!(f, "{}", self.loss)?;
        if self.ecn {
            f.write_str(" ecn")?;
        }
        for (name, part) in [("duplicate", self.duplicate), ("reorder", self.reorder), ("corrupt", self.corrupt)] {
            if part != (0, 0) {
                write!(f, " {name} {}", correlated(part))?;
            }
        }
        if self.pace.rate != 0 {
            write!(f, "{}", self.pace)?;
        }
        if let Some(slot) = &self.slot {
            write!(f, "{slot}")?;
        }
        if self.gap != 0 {
            write!(f, " gap {}", self.gap)?;
        }
        self.seed.map_or(Ok(()), |seed| write!(f, " seed {seed}"))
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = |parts: &[u32]| parts.iter().map(|part| format!(" {}", Percent(*part))).collect::<String>();
        match self {
            Loss::None => Ok(()),
            Loss::Random(part, 0) => write!(f, " loss {}", Percent(*part)),
            Loss::Random(part, correlation) => write!(f, " loss {} {}", Percent(*part), Percent(*correlation)),
            Loss::State(parts) => write!(f, " loss state{}", all(parts)),
            // As tc(8) leaves it where the words are missing: h is 0, and cannot be written, but with nothing behind it.
            Loss::Gemodel([p, r, 0, 0]) => write!(f, " loss gemodel{}", all(&[*p, *r])),
            Loss::Gemodel([p, r, h, k]) => write!(f, " loss gemodel{}", all(&[*p, *r, u32::MAX - h, *k])),
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " rate {}", Rate(self.rate))?;
        match (self.overhead, self.cell, self.cell_overhead) {
            (0, 0, 0) => Ok(()),
            (overhead, 0, 0) => write!(f, " {overhead}"),
            (overhead, cell, 0) => write!(f, " {overhead} {cell}"),
            (overhead, cell, more) => write!(f, " {overhead} {cell} {more}"),
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.jitter, &self.distribution) {
            (0, _) => write!(f, " slot {} {}", Time(self.least), Time(self.most))?,
            (_, name) => {
                let name = name.as_deref().unwrap_or(UNIFORM);
                write!(f, " slot distribution {name} {} {}", Time(self.delay), Time(self.jitter))?;
            }
        }
        if self.packets != 0 {
            write!(f, " packets {}", self.packets)?;
        }
        if self.bytes != 0 {
            write!(f, " bytes {}", Size(self.bytes.unsigned_abs().into()))?;
        }
        Ok(())
    }
}
