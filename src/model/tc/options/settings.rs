//! Options that are single numbers, one an attribute: fq_codel, fq, cake.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::Fault;
use crate::model::tc::units::{Rate, Size, Time, number};
use crate::model::tc::words::Words;

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As a whole number.
    Number,
    /// As a number of packets.
    Packets,
    /// As a number of which the kernel has the binary logarithm.
    Power,
    /// As a span of time, in microseconds.
    Micros,
    /// As a span of time, in microseconds, which the kernel keeps in units of 1024 nanoseconds (include/net/codel.h).
    Codel,
    /// As a span of time, in microseconds, which the kernel keeps in ticks of its clock.
    Jiffies,
    /// As a span of time, in nanoseconds.
    Nanos,
    /// As a size.
    Size,
    /// As a rate, in bytes per second.
    Rate,
    /// As a number that may be negative.
    Signed,
    /// As a word alone, which stands for this number.
    Is(u64),
}

// A word, the attribute that it sets, how many bytes that has, and how its number is written.
type Word = (&'static str, u16, u8, Way);

use Way::{Codel, Is, Jiffies, Micros, Nanos, Number, Packets, Power, Signed};

const FQ_CODEL: &[Word] = &[
    ("limit", 2, 4, Packets),
    ("flows", 5, 4, Number),
    ("quantum", 6, 4, Number),
    ("target", 1, 4, Codel),
    ("ce_threshold", 7, 4, Codel),
    ("interval", 3, 4, Codel),
    ("memory_limit", 9, 4, Way::Size),
    ("ecn", 4, 4, Is(1)),
    ("noecn", 4, 4, Is(0)),
    ("drop_batch", 8, 4, Number),
];

const FQ: &[Word] = &[
    ("limit", 1, 4, Packets),
    ("flow_limit", 2, 4, Packets),
    ("buckets", 8, 4, Power),
    ("orphan_mask", 10, 4, Number),
    ("quantum", 3, 4, Number),
    ("initial_quantum", 4, 4, Number),
    ("pacing", 5, 4, Is(1)),
    ("nopacing", 5, 4, Is(0)),
    ("maxrate", 7, 4, Way::Rate),
    ("low_rate_threshold", 11, 4, Way::Rate),
    ("refill_delay", 9, 4, Jiffies),
    ("ce_threshold", 12, 4, Micros),
    ("timer_slack", 13, 4, Nanos),
    ("horizon", 14, 4, Micros),
    ("horizon_drop", 15, 1, Is(1)),
    ("horizon_cap", 15, 1, Is(0)),
];

const CAKE: &[Word] = &[
    ("bandwidth", 2, 8, Way::Rate),
    ("unlimited", 2, 8, Is(0)),
    ("autorate-ingress", 9, 4, Is(1)),
    ("besteffort", 3, 4, Is(3)),
    ("precedence", 3, 4, Is(4)),
    ("diffserv3", 3, 4, Is(0)),
    ("diffserv4", 3, 4, Is(1)),
    ("diffserv8", 3, 4, Is(2)),
    ("flowblind", 5, 4, Is(0)),
    ("srchost", 5, 4, Is(1)),
    ("dsthost", 5, 4, Is(2)),
    ("hosts", 5, 4, Is(3)),
    ("flows", 5, 4, Is(4)),
    ("dual-srchost", 5, 4, Is(5)),
    ("dual-dsthost", 5, 4, Is(6)),
    ("triple-isolate", 5, 4, Is(7)),
    ("nat", 11, 4, Is(1)),
    ("nonat", 11, 4, Is(0)),
    ("wash", 13, 4, Is(1)),
    ("nowash", 13, 4, Is(0)),
    ("ingress", 15, 4, Is(1)),
    ("egress", 15, 4, Is(0)),
    ("no-ack-filter", 16, 4, Is(0)),
    ("ack-filter", 16, 4, Is(1)),
    ("ack-filter-aggressive", 16, 4, Is(2)),
    ("split-gso", 17, 4, Is(1)),
    ("no-split-gso", 17, 4, Is(0)),
    ("rtt", 7, 4, Micros),
    ("noatm", 4, 4, Is(0)),
    ("atm", 4, 4, Is(1)),
    ("ptm", 4, 4, Is(2)),
    ("overhead", 6, 4, Signed),
    ("mpu", 14, 4, Number),
    ("memlimit", 10, 4, Way::Size),
    ("fwmark", 18, 4, Number),
];

/// Attributes of cake that its words set besides those of the table.
const CAKE_RTT: u16 = 7;
const CAKE_TARGET: u16 = 8;
const CAKE_OVERHEAD: u16 = 6;
const CAKE_AUTORATE: u16 = 9;
const CAKE_RAW: u16 = 12;
const CAKE_ATM: u16 = 4;
const CAKE_MPU: u16 = 14;

/// Words of cake that stand for a round trip and the delay that is aimed at, in microseconds.
const ROUND_TRIPS: &[(&str, u64, u64)] = &[
    ("datacentre", 100, 5),
    ("lan", 1_000, 50),
    ("metro", 10_000, 500),
    ("regional", 30_000, 1_500),
    ("internet", 100_000, 5_000),
    ("oceanic", 300_000, 15_000),
    ("satellite", 1_000_000, 50_000),
    ("interplanetary", 1_000_000_000, 50_000_000),
];

/// Words of cake that add to the overhead, with the kind of cells and the least size that they set.
const OVERHEADS: &[(&str, i32, Option<u64>, Option<u64>)] = &[
    ("ipoa-vcmux", 8, Some(1), None),
    ("ipoa-llcsnap", 16, Some(1), None),
    ("bridged-vcmux", 24, Some(1), None),
    ("bridged-llcsnap", 32, Some(1), None),
    ("pppoa-vcmux", 10, Some(1), None),
    ("pppoa-llc", 14, Some(1), None),
    ("pppoe-vcmux", 32, Some(1), None),
    ("pppoe-llcsnap", 40, Some(1), None),
    ("pppoe-ptm", 30, Some(2), None),
    ("bridged-ptm", 22, Some(2), None),
    ("ethernet", 38, None, Some(84)),
    ("ether-vlan", 4, None, None),
    ("docsis", 18, Some(0), Some(64)),
];

/// Gives the words of a kind; nothing where its options are no single numbers.
pub(super) fn table(kind: &str) -> Option<&'static [Word]> {
    match kind {
        "fq_codel" => Some(FQ_CODEL),
        "fq" => Some(FQ),
        "cake" => Some(CAKE),
        _ => None,
    }
}

/// Settings by the numbers of their attributes. One that is not there is as the kernel chooses it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The kind that they are of.
    pub kind: Box<str>,
    /// Those that are single numbers, with how many bytes they have.
    pub numbers: BTreeMap<u16, (u8, u64)>,
    /// Those that are not understood, as they were read.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<u16, Vec<u8>>,
}

impl Settings {
    /// Reads the words behind a kind.
    pub fn read(kind: &str, words: &mut Words<'_>) -> Result<Self, Fault> {
        let mut settings = Self { kind: kind.into(), ..Self::default() };
        while words.peek().is_some() {
            let special = match kind {
                "cake" => settings.cake(words)?,
                "fq_codel" => settings.selector(words)?,
                _ => false,
            };
            if !special {
                settings.word(words)?;
            }
        }
        Ok(settings)
    }

    fn set(&mut self, attribute: u16, number: u64) {
        let width = table(&self.kind).into_iter().flatten().find(|(_, of, ..)| *of == attribute).map_or(4, |(_, _, width, _)| *width);
        self.numbers.insert(attribute, (width, number));
    }

    fn get(&self, attribute: u16) -> Option<u64> {
        self.numbers.get(&attribute).map(|(_, number)| *number)
    }

    fn word(&mut self, words: &mut Words<'_>) -> Result<(), Fault> {
        let all = table(&self.kind).unwrap_or_default();
        let Some((word, attribute, width, way)) = all.iter().find(|(word, ..)| Some(*word) == words.peek()) else {
            return Err(words.unknown(&all.iter().map(|(word, ..)| *word).collect::<Vec<_>>()));
        };
        words.value(word)?;
        let number = read(words, word, *way)?;
        if *width == 4 && u32::try_from(number).is_err() && *way != Signed {
            return Err(words.wrong(format!("{word} is too large")));
        }
        self.set(*attribute, number);
        Ok(())
    }

    /// Reads a word of cake that sets more than one number; tells whether there was one.
    fn cake(&mut self, words: &mut Words<'_>) -> Result<bool, Fault> {
        let word = words.peek().unwrap_or_default();
        if let Some((_, rtt, target)) = ROUND_TRIPS.iter().find(|(name, ..)| *name == word) {
            self.set(CAKE_RTT, *rtt);
            self.set(CAKE_TARGET, *target);
        } else if let Some((_, more, atm, mpu)) = OVERHEADS.iter().find(|(name, ..)| *name == word) {
            let overhead = self.get(CAKE_OVERHEAD).unwrap_or(0) as u32 as i32 + more;
            self.set(CAKE_OVERHEAD, u64::from(overhead as u32));
            atm.iter().for_each(|atm| self.set(CAKE_ATM, *atm));
            mpu.iter().for_each(|mpu| self.set(CAKE_MPU, *mpu));
        } else {
            match word {
                "rtt" => {
                    words.value(word)?;
                    let rtt = words.micros("rtt")?;
                    self.set(CAKE_RTT, rtt.into());
                    self.set(CAKE_TARGET, (rtt / 20).max(1).into());
                    return Ok(true);
                }
                "bandwidth" | "unlimited" => {
                    self.set(CAKE_AUTORATE, 0);
                    return Ok(false);
                }
                "raw" => {
                    self.set(CAKE_ATM, 0);
                    self.set(CAKE_OVERHEAD, 0);
                    self.set(CAKE_RAW, 0);
                }
                "conservative" => {
                    self.set(CAKE_ATM, 1);
                    self.set(CAKE_OVERHEAD, 48);
                }
                "diffserv" => self.set(3, 1),
                "via-ethernet" => {}
                _ => return Ok(false),
            }
        }
        words.value(word)?;
        Ok(true)
    }

    /// Reads the two numbers of `ce_threshold_selector`; tells whether it was there.
    fn selector(&mut self, words: &mut Words<'_>) -> Result<bool, Fault> {
        if words.peek() != Some("ce_threshold_selector") {
            return Ok(false);
        }
        words.value("selector")?;
        let value = words.value("ce_threshold_selector")?;
        let byte = |text: &str| number(text).and_then(|number| u8::try_from(number).ok());
        let parts = value.split_once('/').and_then(|(value, mask)| Some((byte(value)?, byte(mask)?)));
        let (selector, mask) = parts.ok_or_else(|| words.refuse("ce_threshold_selector", value, "it is a value and a mask: 0x1/0x3"))?;
        self.numbers.insert(11, (1, mask.into()));
        self.numbers.insert(10, (1, selector.into()));
        Ok(true)
    }

    /// Gives the number that somebody has said when the kernel tells this one: it rounds some down to units of its own.
    pub fn said(kind: &str, attribute: u16, told: u64) -> u64 {
        match way(kind, attribute) {
            Some(Codel) => (told.saturating_mul(1000).div_ceil(1024)).saturating_mul(1024).div_ceil(1000),
            _ => told,
        }
    }

    /// Tells whether two numbers are the same to the kernel.
    fn same(&self, attribute: u16, one: u64, other: u64) -> bool {
        let ticks = |hertz: u64, micros: u64| (micros.saturating_mul(hertz)).div_ceil(1_000_000);
        let told = |hertz: u64, micros: u64| ticks(hertz, micros) * 1_000_000 / hertz;
        match way(&self.kind, attribute) {
            Some(Codel) => one.saturating_mul(1000) >> 10 == other.saturating_mul(1000) >> 10,
            // How long a tick is, each kernel was built with: one number is what it makes of the other.
            Some(Jiffies) => one == other || HERTZ.iter().any(|hertz| told(*hertz, one) == other || told(*hertz, other) == one),
            _ => one == other,
        }
    }

    /// Tells whether others are the same, as far as somebody has chosen them.
    pub fn agrees(&self, other: &Self) -> bool {
        let same = |(attribute, number): (&u16, &(u8, u64))| {
            other.numbers.get(attribute).is_none_or(|(_, other)| self.same(*attribute, *other, number.1))
        };
        let others = self.others.is_empty() || other.others.is_empty() || self.others == other.others;
        self.kind == other.kind && others && self.numbers.iter().all(same)
    }
}

/// How many ticks the clock of a kernel may have in a second.
const HERTZ: [u64; 4] = [100, 250, 300, 1000];

fn way(kind: &str, attribute: u16) -> Option<Way> {
    table(kind)?.iter().find(|(_, of, ..)| *of == attribute).map(|(.., way)| *way)
}

fn read(words: &mut Words<'_>, word: &str, way: Way) -> Result<u64, Fault> {
    match way {
        Number => words.number(word),
        Packets => {
            let value = words.value(word)?;
            words.as_number(word, value.strip_suffix('p').unwrap_or(value))
        }
        Power => {
            let number: u32 = words.number(word)?;
            Ok(u64::from(32 - number.saturating_sub(1).leading_zeros()))
        }
        Micros | Codel | Jiffies => words.micros(word).map(u64::from),
        Nanos => words.nanos(word).map(i64::unsigned_abs),
        Way::Size => words.size(word),
        Way::Rate => words.rate(word),
        Signed => {
            let value = words.value(word)?;
            let number = value.parse::<i32>().ok().filter(|number| (-64..=256).contains(number));
            number.map(|number| u64::from(number as u32)).ok_or_else(|| words.refuse(word, value, "it is a number from -64 to 256"))
        }
        Is(number) => Ok(number),
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (word, attribute, _, way) in table(&self.kind).unwrap_or_default() {
            let Some(number) = self.get(*attribute) else { continue };
            match way {
                Is(is) if *is != number => {}
                Is(_) => write!(f, " {word}")?,
                Way::Rate if number == 0 => {}
                Number => write!(f, " {word} {number}")?,
                // As tc(8) shows it, with a p, it does not take it.
                Packets => write!(f, " {word} {number}")?,
                Power => write!(f, " {word} {}", 1u64.checked_shl(number as u32).unwrap_or(0))?,
                Micros | Codel | Jiffies => write!(f, " {word} {}", Time(number as i64 * 1000))?,
                Nanos => write!(f, " {word} {}", Time(number as i64))?,
                Way::Size => write!(f, " {word} {}", Size(number))?,
                Way::Rate => write!(f, " {word} {}", Rate(number))?,
                Signed => write!(f, " {word} {}", number as u32 as i32)?,
            }
        }
        if let (Some(selector), Some(mask), "fq_codel") = (self.get(10), self.get(11), &*self.kind) {
            write!(f, " ce_threshold_selector {selector:#x}/{mask:#x}")?;
        }
        if self.kind.as_ref() == "cake" && self.get(CAKE_RAW).is_some() { f.write_str(" raw") } else { Ok(()) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn codel(told: u64) -> Settings {
        let told = Settings::said("fq_codel", 1, told);
        Settings { kind: "fq_codel".into(), numbers: [(1, (4, told))].into(), others: BTreeMap::new() }
    }

    /// What Linux 6.1 tells of a target of 2 ms is 1999 microseconds, and of that, set again, it would tell 1998.
    #[test]
    fn what_the_kernel_rounds_down_is_what_was_said() {
        let said = Settings::read("fq_codel", &mut Words::of("target 2ms", "fq_codel")).unwrap();
        let back = codel(1999);
        assert!(back == said && said.agrees(&back) && back.to_string() == " target 2ms", "{back:?}");
        assert!(!said.agrees(&codel(1998)));
        let fq = |words: &str| Settings::read("fq", &mut Words::of(words, "fq")).unwrap();
        assert!(fq("refill_delay 10ms").agrees(&fq("refill_delay 12ms")) && !fq("refill_delay 10ms").agrees(&fq("refill_delay 16ms")));
    }

    proptest! {
        /// include/net/codel.h: MS2TIME and codel_time_to_us, and what net/sched/sch_fq_codel.c makes of a number.
        #[test]
        fn what_is_set_again_stays(said in 0..4_000_000_000u64) {
            let told = |micros: u64| (((micros * 1000) >> 10) << 10) / 1000;
            let back = Settings::said("fq_codel", 1, told(said));
            prop_assert_eq!(told(back), told(said));
            prop_assert!(back <= said && codel(told(said)).same(1, said, back));
        }
    }
}
