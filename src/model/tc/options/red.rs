//! The early detection of sfq (RED): packets are dropped, or marked, before a flow has too many, see tc-sfq(8) and tc-red(8).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Fault;
use crate::model::tc::words::Words;

/// The words of it.
pub(super) const WORDS: &[&str] = &["redflowlimit", "min", "max", "burst", "avpkt", "probability", "ecn", "harddrop"];

/// The size of a packet on average, in bytes, where nobody says it.
const PACKET: f64 = 1000.0;
/// How many packets are dropped at the upper threshold, where nobody says it.
const PROBABILITY: f64 = 0.02;

/// When packets of a flow are dropped before its queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Red {
    /// The bytes that a flow has at most, as somebody has said them. The kernel neither tells nor uses them.
    pub limit: u32,
    /// The average of bytes above which packets are dropped at all.
    pub min: u32,
    /// The average of bytes at which as many are dropped as `probability` says.
    pub max: u32,
    /// The binary logarithm of how slowly the average follows.
    pub weight: u8,
    /// The binary logarithm of what the probability is scaled with.
    pub slope: u8,
    /// The binary logarithm of the units of time.
    pub cell: u8,
    /// Whether packets are marked (RFC 3168) where they would be dropped.
    pub ecn: bool,
    /// Whether packets are dropped above `max`, and not only marked.
    pub harddrop: bool,
    /// How many packets are dropped at `max`, in parts of 2^32.
    pub probability: u32,
}

/// What was said of it so far.
#[derive(Debug, Default)]
pub(super) struct Said {
    limit: u32,
    min: u32,
    max: u32,
    burst: u32,
    packet: Option<u32>,
    probability: Option<f64>,
    ecn: bool,
    harddrop: bool,
    is_said: bool,
}

impl Said {
    /// Reads what stands behind a word of it.
    pub(super) fn read(&mut self, word: &str, words: &mut Words<'_>) -> Result<(), Fault> {
        match word {
            "redflowlimit" => self.limit = words.number(word)?,
            "min" => self.min = words.number(word)?,
            "max" => self.max = words.number(word)?,
            "burst" => self.burst = words.number(word)?,
            "avpkt" => self.packet = Some(words.size(word)?),
            "probability" => {
                let value = words.value(word)?;
                let number = value.parse::<f64>().ok().filter(|number| *number > 0.0 && *number < 1.0);
                self.probability = Some(number.ok_or_else(|| words.refuse(word, value, "it is a number between 0 and 1"))?);
            }
            "ecn" => self.ecn = true,
            _ => self.harddrop = true,
        }
        self.is_said = true;
        Ok(())
    }

    /// Completes it as tc(8) does, after Sally Floyd's recommendations.
    pub(super) fn end(self, words: &Words<'_>) -> Result<Option<Red>, Fault> {
        if !self.is_said {
            return Ok(None);
        }
        let or = |said: u32, instead: u32| if said == 0 { instead } else { said };
        let max = or(self.max, self.limit / 4);
        let min = or(self.min, max / 3);
        let packet = self.packet.map_or(PACKET, f64::from);
        match () {
            () if self.limit == 0 => return Err(words.wrong("redflowlimit is missing: the bytes that a flow has at most")),
            () if packet == 0.0 => return Err(words.refuse("avpkt", "0", "it is the size of a packet")),
            () if max > self.limit => return Err(words.wrong("max is larger than redflowlimit")),
            () if min >= max => return Err(words.wrong("min is not smaller than max")),
            () => {}
        }
        let burst = or(self.burst, ((2.0 * f64::from(min) + f64::from(max)) / (3.0 * packet)) as u32);
        let least = 1 + (f64::from(min) / packet) as u32;
        let weight = weight(min, burst, packet).ok_or_else(|| words.wrong(format!("a burst of {burst} is too small: {least} would do")))?;
        let part = self.probability.unwrap_or(PROBABILITY);
        let probability = (part * 4_294_967_296.0) as u32;
        let Self { limit, ecn, harddrop, .. } = self;
        Ok(Some(Red { limit, min, max, weight, slope: slope(max - min, part), cell: 0, ecn, harddrop, probability }))
    }
}

/// How slowly an average follows that lets a burst of packets pass: `tc_red_eval_ewma` of iproute2.
fn weight(min: u32, burst: u32, packet: f64) -> Option<u8> {
    let room = f64::from(burst) + 1.0 - f64::from(min) / packet;
    if room < 1.0 {
        return None;
    }
    (1..32).find(|weight| {
        let part = 0.5f64.powi(i32::from(*weight));
        room <= (1.0 - (1.0 - part).powf(f64::from(burst))) / part
    })
}

/// `tc_red_eval_P` of iproute2.
fn slope(width: u32, part: f64) -> u8 {
    let mut part = part / f64::from(width);
    for slope in 0..32 {
        if part > 1.0 {
            return slope;
        }
        part *= 2.0;
    }
    32
}

impl Red {
    /// Tells whether another one is the same, as far as the kernel tells it.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let parts = self.probability == other.probability || self.probability == 0 || other.probability == 0;
        parts && Self { limit: 0, probability: 0, ..*self } == Self { limit: 0, probability: 0, ..*other }
    }

    /// Finds a burst, and a size of packets, that lead to the weight.
    fn burst(&self) -> Option<(u32, u32)> {
        let packet = (self.min / 2).clamp(1, PACKET as u32);
        // Too small a burst has no weight, and too large a one none that the kernel knows.
        let without = |burst: u32| if u64::from(burst) * u64::from(packet) < self.min.into() { 0 } else { 32 };
        let of = |burst: u32| weight(self.min, burst, packet.into()).unwrap_or(without(burst));
        let (mut low, mut high) = (1, 1 << 24);
        while low < high {
            let middle = low + (high - low) / 2;
            if of(middle) < self.weight { low = middle + 1 } else { high = middle }
        }
        (of(low) == self.weight).then_some((low, packet))
    }
}

impl fmt::Display for Red {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = if self.limit == 0 { self.max.saturating_mul(4) } else { self.limit };
        write!(f, " redflowlimit {limit} min {} max {}", self.min, self.max)?;
        if let Some((burst, packet)) = self.burst() {
            write!(f, " burst {burst} avpkt {packet}")?;
        }
        let part = f64::from(self.probability) / 4_294_967_296.0;
        let reads_back = |text: &String| text.parse::<f64>().is_ok_and(|part| (part * 4_294_967_296.0) as u32 == self.probability);
        let shortest = (1..=12).map(|places| format!("{part:.places$}")).find(reads_back);
        if self.probability != 0 {
            write!(f, " probability {}", shortest.unwrap_or_else(|| part.to_string()))?;
        }
        let word = |is: bool, word: &'static str| if is { word } else { "" };
        write!(f, "{}{}", word(self.ecn, " ecn"), word(self.harddrop, " harddrop"))
    }
}
