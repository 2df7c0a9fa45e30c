//! Options of those that hold a rate: tbf, htb and its classes, see tc-tbf(8) and tc-htb(8).
//!
//! The kernel counts bursts in ticks of the time that they take, so these are kept: what is put back is what was there.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Fault;
use crate::model::tc::transmission::Transmission;
use crate::model::tc::units::{LinkLayer, Rate, Size, Time, bytes, number, size, ticks};
use crate::model::tc::words::Words;

/// What a packet has more than Linux sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Framing {
    /// Bytes that each packet has more.
    pub overhead: u16,
    /// The least size that a packet counts for.
    pub mpu: u16,
    /// The layer below.
    pub linklayer: LinkLayer,
}

impl Framing {
    fn word(&mut self, words: &mut Words<'_>) -> Result<bool, Fault> {
        if words.take("mpu") {
            self.mpu = words.size("mpu")?;
        } else if words.take("overhead") {
            self.overhead = words.number("overhead")?;
        } else if words.take("linklayer") {
            let name = words.value("linklayer")?;
            self.linklayer = LinkLayer::named(name).ok_or_else(|| words.refuse("linklayer", name, "it is ethernet, atm or adsl"))?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.overhead != 0 {
            write!(f, " overhead {}", self.overhead)?;
        }
        if self.mpu != 0 {
            // A class of htb takes no unit here.
            write!(f, " mpu {}", self.mpu)?;
        }
        if self.linklayer == LinkLayer::Ethernet { Ok(()) } else { write!(f, " linklayer {}", self.linklayer) }
    }
}

/// Reads a burst, `15k` or `15k/8` with the size of a cell, which kernels have no use for any more.
fn burst(words: &mut Words<'_>, name: &str) -> Result<u64, Fault> {
    let value = words.value(name)?;
    let (bytes, cell) = value.split_once('/').map_or((value, None), |(bytes, cell)| (bytes, Some(cell)));
    if cell.is_some_and(|cell| number(cell).is_none_or(|cell| !cell.is_power_of_two() || cell > 1 << 31)) {
        return Err(words.refuse(name, value, "the size of a cell behind the slash is a power of 2"));
    }
    match size(bytes).map_err(|why| words.refuse(name, value, why))? {
        0 => Err(words.refuse(name, value, "no packet would pass")),
        bytes => Ok(bytes),
    }
}

fn in_ticks(words: &Words<'_>, name: &str, rate: u64, bytes: u64) -> Result<u32, Fault> {
    ticks(rate, bytes).ok_or_else(|| words.wrong(format!("the {name} is too large: {}", longer(rate, bytes))))
}

fn longer(rate: u64, bytes: u64) -> String {
    format!("{} take longer at {} than the kernel counts", Size(bytes), Rate(rate))
}

/// Tells whether two bursts take as long, but for less than a byte: programs round in many ways.
fn as_long(rate: u64, one: u32, other: u32) -> bool {
    one.abs_diff(other) <= ticks(rate, 1).unwrap_or(u32::MAX).max(16)
}

/// A burst of a token bucket: the kernel tells how long it takes, with what is added to each packet, and not of how many bytes it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// How many ticks it takes at its rate.
    pub ticks: u32,
    /// How many bytes it was said to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<u32>,
}

impl Burst {
    fn read(words: &Words<'_>, name: &str, rate: u64, bytes: u64, framing: Framing) -> Result<Self, Fault> {
        let said = u32::try_from(bytes).ok();
        let ticks = said.and_then(|bytes| Transmission::at(rate, framing).ticks(bytes));
        match ticks {
            Some(ticks) => Ok(Self { ticks, said }),
            None => Err(words.wrong(format!("the {name} is too large: {}", longer(rate, bytes)))),
        }
    }

    /// Gives the bytes that may leave at once. As far as it is not clear how many those are, they are the most, so that every packet passes that did.
    pub fn bytes(&self, rate: u64, framing: Framing) -> Option<u32> {
        self.said.or_else(|| Transmission::at(rate, framing).bytes(self.ticks))
    }

    /// Tells whether another one takes as long, but for less than a byte: programs round in many ways.
    fn agrees(&self, other: &Self, rate: u64) -> bool {
        as_long(rate, self.ticks, other.ticks)
    }
}

/// A token bucket: packets leave at a rate, and at most a burst at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tbf {
    /// The rate, in bytes per second.
    pub rate: u64,
    /// The burst at the rate.
    pub burst: Burst,
    /// The bytes that wait at most.
    pub limit: u32,
    /// The rate within a burst, in bytes per second, and the burst at that rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<(u64, Burst)>,
    /// What packets have more.
    #[serde(flatten)]
    pub framing: Framing,
}

/// The words of tbf.
const TBF: &[&str] = &["limit", "latency", "burst", "buffer", "mtu", "mpu", "rate", "peakrate", "overhead", "linklayer"];

/// What was said of a token bucket so far.
#[derive(Default)]
struct Bucket {
    rate: Option<u64>,
    burst: Option<u64>,
    peak: Option<u64>,
    mtu: Option<u64>,
    limit: Option<u32>,
    latency: Option<u32>,
    framing: Framing,
}

impl Bucket {
    fn word(&mut self, words: &mut Words<'_>) -> Result<(), Fault> {
        let word = words.peek().unwrap_or_default();
        let twice = |said: bool| if said { Err(words.wrong(format!("{word:?} stands there twice"))) } else { Ok(()) };
        if "limit".starts_with(word) {
            twice(self.limit.is_some())?;
            words.take("limit");
            self.limit = Some(words.size("limit")?);
        } else if "latency".starts_with(word) {
            twice(self.latency.is_some())?;
            words.take("latency");
            self.latency = Some(words.micros("latency")?);
        } else if "burst".starts_with(word) || word == "buffer" || word == "maxburst" {
            twice(self.burst.is_some())?;
            words.value("burst")?;
            self.burst = Some(burst(words, "burst")?);
        } else if word == "mtu" || word == "minburst" {
            twice(self.mtu.is_some())?;
            words.value("mtu")?;
            self.mtu = Some(burst(words, "mtu")?);
        } else if word == "rate" {
            twice(self.rate.is_some())?;
            words.take("rate");
            self.rate = Some(words.rate("rate")?);
        } else if "peakrate".starts_with(word) {
            twice(self.peak.is_some())?;
            words.take("peakrate");
            self.peak = Some(words.rate("peakrate")?);
        } else if !self.framing.word(words)? {
            return Err(words.unknown(TBF));
        }
        Ok(())
    }

    /// Gives the bytes that wait at most: those of the limit, or those that come in the latency.
    fn limit(&self, words: &Words<'_>, rate: u64, burst: u64) -> Result<u32, Fault> {
        let room = |latency: u32, rate: u64, burst: u64| rate as f64 * f64::from(latency) / 1e6 + burst as f64;
        let bytes = match (self.limit, self.latency) {
            (Some(_), Some(_)) => return Err(words.wrong("limit and latency say the same thing: one of them is enough")),
            (Some(0), _) | (_, Some(0)) => return Err(words.wrong("with nothing to wait in, nothing is sent later")),
            (Some(limit), None) => return Ok(limit),
            (None, Some(latency)) => {
                let all = room(latency, rate, burst);
                self.peak.map_or(all, |peak| all.min(room(latency, peak, self.mtu.unwrap_or(0))))
            }
            (None, None) => return Err(words.wrong("limit or latency is missing: how much may wait").hint("latency 50ms is a good start")),
        };
        if bytes > f64::from(u32::MAX) { Err(words.wrong("more than 4294967295 bytes would wait")) } else { Ok(bytes as u32) }
    }
}

impl Tbf {
    /// Reads the words behind `tbf`.
    pub fn read(words: &mut Words<'_>) -> Result<Self, Fault> {
        let mut bucket = Bucket::default();
        while words.peek().is_some() {
            bucket.word(words)?;
        }
        let rate = bucket.rate.ok_or_else(|| words.wrong("the rate is missing"))?;
        let burst = bucket.burst.ok_or_else(|| words.wrong("the burst is missing").hint("burst 32kbit is enough for 10mbit"))?;
        let limit = bucket.limit(words, rate, burst)?;
        let peak = match (bucket.peak, bucket.mtu) {
            (None, _) => None,
            (Some(_), None) => return Err(words.wrong("a peakrate needs an mtu, the burst at that rate")),
            (Some(peak), Some(mtu)) => Some((peak, Burst::read(words, "mtu", peak, mtu, bucket.framing)?)),
        };
        let burst = Burst::read(words, "burst", rate, burst, bucket.framing)?;
        Ok(Self { rate, burst, limit, peak, framing: bucket.framing })
    }

    /// Gives the bytes that may leave at once.
    pub fn bytes(&self) -> u64 {
        self.bytes_of(self.rate, self.burst)
    }

    /// Where no number of bytes takes exactly so long, those without what is added to each packet are near.
    fn bytes_of(&self, rate: u64, burst: Burst) -> u64 {
        burst.bytes(rate, self.framing).map_or_else(|| bytes(rate, burst.ticks), u64::from)
    }

    /// Tells whether another one is the same, to the byte.
    pub fn agrees(&self, other: &Self) -> bool {
        let peaks = match (self.peak, other.peak) {
            (Some((rate, one)), Some((same, other))) => rate == same && one.agrees(&other, rate),
            (one, other) => one == other,
        };
        let rest = |of: &Self| (of.rate, of.limit, of.framing);
        peaks && rest(self) == rest(other) && self.burst.agrees(&other.burst, self.rate)
    }

    /// Gives how long a packet waits at most, as `lat` of tc(8); nothing where that does not say exactly how many bytes wait.
    fn latency(&self) -> Option<Time> {
        if self.peak.is_some() {
            return None;
        }
        let burst = self.bytes();
        let micros = 1e6 * (f64::from(self.limit) - burst as f64) / self.rate as f64;
        let gives = |micros: u32| (self.rate as f64 * f64::from(micros) / 1e6 + burst as f64) as u32 == self.limit;
        [micros.round(), micros.floor(), micros.ceil()]
            .into_iter()
            .filter(|micros| *micros >= 1.0 && *micros < f64::from(u32::MAX))
            .map(|micros| micros as u32)
            .find(|micros| gives(*micros))
            .map(|micros| Time(i64::from(micros) * 1000))
    }
}

impl fmt::Display for Tbf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " rate {} burst {}", Rate(self.rate), Size(self.bytes()))?;
        if let Some((peak, mtu)) = self.peak {
            write!(f, " peakrate {} minburst {}", Rate(peak), Size(self.bytes_of(peak, mtu)))?;
        }
        match self.latency() {
            Some(latency) => write!(f, " lat {latency}")?,
            None => write!(f, " limit {}", Size(self.limit.into()))?,
        }
        write!(f, "{}", self.framing)
    }
}

/// The qdisc of classes that share a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Htb {
    /// What a rate is divided by for the quantum of a class.
    pub r2q: u32,
    /// The class of packets that no filter puts into one, by its minor number; 0 for none.
    pub default: u32,
    /// How many packets wait that are in no class; nothing for as many as the device says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_qlen: Option<u32>,
    /// Whether the card does it.
    #[serde(default)]
    pub offload: bool,
}

impl Htb {
    /// Reads the words behind `htb`.
    pub fn read(words: &mut Words<'_>) -> Result<Self, Fault> {
        let mut htb = Self { r2q: 10, default: 0, direct_qlen: None, offload: false };
        while words.peek().is_some() {
            if words.take("r2q") {
                htb.r2q = words.number("r2q")?;
            } else if words.take("default") {
                let value = words.value("default")?;
                let digits = value.strip_prefix("0x").unwrap_or(value);
                let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                let minor = u16::from_str_radix(digits, 16).ok().filter(|_| plain);
                htb.default = minor.ok_or_else(|| words.refuse("default", value, "it is the hexadecimal minor number of a class"))?.into();
            } else if words.take("debug") {
                words.value("debug")?;
            } else if words.take("direct_qlen") {
                htb.direct_qlen = Some(words.number("direct_qlen")?);
            } else if words.take("offload") {
                htb.offload = true;
            } else {
                return Err(words.unknown(&["r2q", "default", "direct_qlen", "offload"]));
            }
        }
        if htb.r2q == 0 { Err(words.refuse("r2q", "0", "a rate is divided by it")) } else { Ok(htb) }
    }

    /// Tells whether another one is the same, as far as somebody has chosen it.
    pub fn agrees(&self, other: &Self) -> bool {
        let same = self.direct_qlen.is_none() || other.direct_qlen.is_none() || self.direct_qlen == other.direct_qlen;
        same && (self.r2q, self.default, self.offload) == (other.r2q, other.default, other.offload)
    }
}

impl fmt::Display for Htb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " r2q {}", self.r2q)?;
        if self.default != 0 {
            write!(f, " default {:#x}", self.default)?;
        }
        if let Some(length) = self.direct_qlen {
            write!(f, " direct_qlen {length}")?;
        }
        if self.offload { f.write_str(" offload") } else { Ok(()) }
    }
}

/// A class that has a rate for sure, and may borrow up to a ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HtbClass {
    /// The rate that it has, in bytes per second.
    pub rate: u64,
    /// The rate up to which it may borrow.
    pub ceil: u64,
    /// The burst at the rate, in ticks.
    pub burst: u32,
    /// The burst at the ceiling, in ticks.
    pub cburst: u32,
    /// Which classes may borrow first; the lowest number does.
    pub prio: u32,
    /// The bytes that are sent at a time; nothing for what the kernel computes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantum: Option<u32>,
    /// What packets have more.
    #[serde(flatten)]
    pub framing: Framing,
}

/// The words of a class of htb.
const CLASS: &[&str] = &["prio", "mtu", "mpu", "overhead", "linklayer", "quantum", "burst", "cburst", "ceil", "rate"];

impl HtbClass {
    /// Reads the words behind `htb`.
    pub fn read(words: &mut Words<'_>) -> Result<Self, Fault> {
        let (mut rate, mut ceil, mut burst_of, mut cburst, mut mtu) = (None, None, None, None, 1600u32);
        let (mut prio, mut quantum, mut framing) = (0, None, Framing::default());
        while let Some(word) = words.peek() {
            if words.take("prio") {
                prio = words.number("prio")?;
            } else if words.take("mtu") {
                mtu = words.number("mtu")?;
            } else if words.take("quantum") {
                quantum = Some(words.number("quantum")?).filter(|quantum| *quantum != 0);
            } else if "burst".starts_with(word) || word == "buffer" || word == "maxburst" {
                words.value("burst")?;
                burst_of = Some(burst(words, "burst")?);
            } else if "cburst".starts_with(word) || word == "cbuffer" || word == "cmaxburst" {
                words.value("cburst")?;
                cburst = Some(burst(words, "cburst")?);
            } else if word == "ceil" || word == "rate" {
                words.value(word)?;
                let of = if word == "ceil" { &mut ceil } else { &mut rate };
                if of.is_some() {
                    return Err(words.wrong(format!("{word:?} stands there twice")));
                }
                *of = Some(words.rate(word)?);
            } else if !framing.word(words)? {
                return Err(words.unknown(CLASS));
            }
        }
        let rate = rate.ok_or_else(|| words.wrong("the rate is missing"))?;
        let ceil = ceil.unwrap_or(rate);
        // A burst holds what comes in a tick of the clock, and a packet.
        let least = |rate: u64| rate / 1_000_000_000 + u64::from(mtu);
        let burst = in_ticks(words, "burst", rate, burst_of.unwrap_or_else(|| least(rate)))?;
        let cburst = in_ticks(words, "cburst", ceil, cburst.unwrap_or_else(|| least(ceil)))?;
        match prio {
            0..=7 => Ok(Self { rate, ceil, burst, cburst, prio, quantum, framing }),
            _ => Err(words.refuse("prio", &prio.to_string(), "it is a number from 0 to 7")),
        }
    }

    /// Tells whether another one is the same, as far as somebody has chosen it.
    pub fn agrees(&self, other: &Self) -> bool {
        let same = self.quantum.is_none() || other.quantum.is_none() || self.quantum == other.quantum;
        let rest = |of: &Self| Self { quantum: None, burst: 0, cburst: 0, ..*of };
        let bursts = as_long(self.rate, self.burst, other.burst) && as_long(self.ceil, self.cburst, other.cburst);
        same && bursts && rest(self) == rest(other)
    }
}

impl fmt::Display for HtbClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " prio {}", self.prio)?;
        if let Some(quantum) = self.quantum {
            write!(f, " quantum {quantum}")?;
        }
        write!(f, " rate {} ceil {}", Rate(self.rate), Rate(self.ceil))?;
        let (burst, cburst) = (bytes(self.rate, self.burst), bytes(self.ceil, self.cburst));
        write!(f, " burst {} cburst {}{}", Size(burst), Size(cburst), self.framing)
    }
}
