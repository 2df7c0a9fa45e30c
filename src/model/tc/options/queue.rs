//! Options of plain queues: pfifo and bfifo, prio, sfq.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::red::{self, Red};
use crate::model::Fault;
use crate::model::tc::units::Size;
use crate::model::tc::words::Words;

/// How much a plain queue holds: packets, or bytes of a bfifo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fifo {
    /// The most.
    pub limit: u32,
}

impl Fifo {
    /// Reads the words behind the kind; nothing where none are there.
    pub fn read(words: &mut Words<'_>) -> Result<Option<Self>, Fault> {
        let mut fifo = None;
        while words.peek().is_some() {
            match words.peek() {
                Some("limit") => {
                    words.take("limit");
                    // The kernel shows packets with a p behind them.
                    let value = words.value("limit")?;
                    let number = value.strip_suffix('p').unwrap_or(value);
                    let limit = crate::model::tc::units::size(number).ok().and_then(|limit| u32::try_from(limit).ok());
                    fifo = Some(Self { limit: limit.ok_or_else(|| words.refuse("limit", value, "it is a number of packets or bytes"))? });
                }
                _ => return Err(words.unknown(&["limit"])),
            }
        }
        match fifo {
            Some(Self { limit: 0 }) => Err(words.refuse("limit", "0", "it would hold nothing, and drop all")),
            fifo => Ok(fifo),
        }
    }
}

impl fmt::Display for Fifo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " limit {}", self.limit)
    }
}

/// Bands, of which the first goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prio {
    /// How many there are.
    pub bands: u32,
    /// The band of each priority of a packet.
    pub map: [u8; 16],
}

impl Default for Prio {
    fn default() -> Self {
        Self { bands: 3, map: [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1] }
    }
}

impl Prio {
    /// Reads the words behind `prio`.
    pub fn read(words: &mut Words<'_>) -> Result<Self, Fault> {
        let mut prio = Self::default();
        while let Some(word) = words.peek() {
            match word {
                "bands" => {
                    words.value(word)?;
                    prio.bands = words.number("bands")?;
                }
                "priomap" => {
                    words.value(word)?;
                    for at in 0..16 {
                        let Some(band) = words.digits() else { break };
                        prio.map[at] = words.as_number("a band", band)?;
                    }
                    if let Some(more) = words.digits() {
                        return Err(words.refuse("a band", more, "there are 16 priorities"));
                    }
                }
                _ => return Err(words.unknown(&["bands", "priomap"])),
            }
        }
        if !(2..=16).contains(&prio.bands) {
            return Err(words.refuse("bands", &prio.bands.to_string(), "there are 2 to 16 of them"));
        }
        match prio.map.iter().find(|band| u32::from(**band) >= prio.bands) {
            Some(band) => Err(words.refuse("a band", &band.to_string(), format!("there are {} of them, from 0", prio.bands))),
            None => Ok(prio),
        }
    }
}

impl fmt::Display for Prio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " bands {} priomap", self.bands)?;
        self.map.iter().try_for_each(|band| write!(f, " {band}"))
    }
}

/// The words of sfq besides those of its early detection.
const SFQ: &[&str] = &["limit", "perturb", "quantum", "divisor", "flows", "depth", "headdrop"];

/// A fair queue of flows. A number of 0 is what the kernel chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sfq {
    /// The bytes that a flow sends at a time.
    pub quantum: u32,
    /// The seconds after which flows are told apart anew.
    pub perturb: i32,
    /// The packets that wait at most.
    pub limit: u32,
    /// The size of the table of flows.
    pub divisor: u32,
    /// How many flows there are at most.
    pub flows: u32,
    /// The packets of a flow that wait at most.
    pub depth: u32,
    /// Whether the oldest packet is dropped, and not the newest.
    pub headdrop: bool,
    /// The early detection, if there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub red: Option<Red>,
}

impl Sfq {
    /// Reads the words behind `sfq`; nothing where none are there.
    pub fn read(words: &mut Words<'_>) -> Result<Option<Self>, Fault> {
        let (mut sfq, mut red, mut said) = (Self::default(), red::Said::default(), false);
        while let Some(word) = words.peek() {
            let number = |words: &mut Words<'_>| words.number::<u32>(word);
            words.value(word)?;
            match word {
                "quantum" => sfq.quantum = words.size("quantum")?,
                "perturb" => {
                    let value = words.value("perturb")?;
                    sfq.perturb = words.as_number("perturb", value.strip_suffix("sec").unwrap_or(value))?;
                }
                "limit" => {
                    let value = words.value("limit")?;
                    sfq.limit = words.as_number("limit", value.strip_suffix('p').unwrap_or(value))?;
                    if sfq.limit < 2 {
                        return Err(words.refuse("limit", value, "at least 2 packets wait"));
                    }
                }
                "divisor" => sfq.divisor = number(words)?,
                "flows" => sfq.flows = number(words)?,
                "depth" => sfq.depth = number(words)?,
                "headdrop" => sfq.headdrop = true,
                word if red::WORDS.contains(&word) => red.read(word, words)?,
                _ => {
                    words.back();
                    return Err(words.unknown(&[SFQ, red::WORDS].concat()));
                }
            }
            said = true;
        }
        if sfq.limit != 0 {
            // So the kernel does: a limit that is said is one of flows, too.
            sfq.flows = sfq.flows.min(sfq.limit);
        }
        sfq.red = red.end(words)?;
        Ok(said.then_some(sfq))
    }

    /// Tells whether another one is the same, as far as somebody has chosen it.
    pub fn agrees(&self, other: &Self) -> bool {
        let same = |one: u32, other: u32| one == other || one == 0 || other == 0;
        same(self.quantum, other.quantum)
            && same(self.limit, other.limit)
            && same(self.divisor, other.divisor)
            && same(self.flows, other.flows)
            && same(self.depth, other.depth)
            && (self.perturb, self.headdrop) == (other.perturb, other.headdrop)
            && match (&self.red, &other.red) {
                (Some(one), Some(other)) => one.agrees(other),
                (one, other) => one == other,
            }
    }

    /// Tells whether the kernel can make another one of it in place: the early detection is not taken away.
    pub fn can_become(&self, next: &Self) -> bool {
        let limits = next.said_limit() == next.limit || self.limit == next.limit;
        limits && (self.red.is_none() || next.red.is_some())
    }

    /// Gives the limit as somebody has said it. Where there may be more flows than packets, nobody did: the kernel would have taken it for both.
    pub fn said_limit(&self) -> u32 {
        if self.flows > self.limit { 0 } else { self.limit }
    }
}

impl fmt::Display for Sfq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |name: &str, value: u32| if value == 0 { String::new() } else { format!(" {name} {value}") };
        write!(f, "{}", part("limit", self.said_limit()))?;
        if self.quantum != 0 {
            write!(f, " quantum {}", Size(self.quantum.into()))?;
        }
        write!(f, "{}{}", part("depth", self.depth), if self.headdrop { " headdrop" } else { "" })?;
        write!(f, "{}{}", part("flows", self.flows), part("divisor", self.divisor))?;
        if self.perturb != 0 {
            write!(f, " perturb {}", self.perturb)?;
        }
        self.red.map_or(Ok(()), |red| write!(f, "{red}"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sfq(line: &str) -> Sfq {
        Sfq::read(&mut Words::of(line, "sfq")).unwrap().unwrap()
    }

    /// What Linux 6.1 has where nobody says anything are 127 packets and 128 flows; a limit of 127 that is said makes it 127 flows.
    #[test]
    fn a_limit_that_nobody_said_is_not_said() {
        let untouched = Sfq { limit: 127, flows: 128, ..Sfq::default() };
        assert_eq!((untouched.to_string().as_str(), untouched.said_limit()), (" flows 128", 0));
        assert!(!sfq("limit 100").can_become(&untouched) && untouched.can_become(&sfq("limit 100")));
        assert_eq!((sfq("limit 9 flows 20").flows, sfq("limit 9 flows 20").said_limit()), (9, 9));
        assert!(Sfq { flows: 9, ..sfq("limit 9") }.agrees(&sfq("limit 9")));
    }

    #[test]
    fn early_detection_is_that_of_tc() {
        let red = sfq("redflowlimit 100000 min 8000 max 60000 burst 60 avpkt 500").red.unwrap();
        assert_eq!((red.weight, red.slope, red.probability), (7, 0x16, 0x051e_b851));
        assert_eq!(red.to_string(), " redflowlimit 100000 min 8000 max 60000 burst 33 avpkt 1000 probability 0.02");
        for (line, why) in [
            ("min 8000", "redflowlimit is missing"),
            ("redflowlimit 1000 max 2000", "max is larger"),
            ("redflowlimit 9000 min 80 max 70", "min is not smaller"),
            ("redflowlimit 9000 min 8000 max 9000 burst 1", "a burst of 1 is too small: 9 would do"),
            ("redflowlimit 9000 probability 1.5", "a number between 0 and 1"),
        ] {
            let fault = Sfq::read(&mut Words::of(line, "sfq")).unwrap_err();
            assert!(fault.why.contains(why), "{line}: {}", fault.why);
        }
    }
}
