//! A set of ports, one bit for each: all that is done with sets takes the same short time, however many holes they have.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;

use crate::model::Fault;
use crate::model::net::Ports;

const WORDS: usize = (u16::MAX as usize + 1) / 64;

/// A set of ports from 1 to 65535. A copy shares the bits until one of the two is changed.
#[derive(Clone, PartialEq, Eq)]
pub struct PortSet(Arc<[u64; WORDS]>);

impl PortSet {
    /// Gives the set of no port.
    pub fn new() -> Self {
        Self(Arc::new([0; WORDS]))
    }

    /// Adds a range; nobody can have port 0.
    pub fn insert(&mut self, ports: Ports) -> Result<(), Fault> {
        if ports.first == 0 {
            let fault = Fault::input(format!("use {ports} in a set of ports"), "port 0 stands for any port, and nobody can have it");
            return Err(fault.hint("ports are counted from 1"));
        }
        self.fill(ports.first..=ports.last);
        Ok(())
    }

    fn fill(&mut self, ports: RangeInclusive<u16>) {
        let words = Arc::make_mut(&mut self.0);
        let (first, last) = (usize::from(*ports.start()), usize::from(*ports.end()));
        for (at, word) in words.iter_mut().enumerate().take(last / 64 + 1).skip(first / 64) {
            let (low, high) = (first.saturating_sub(at * 64), (last - at * 64).min(63));
            *word |= (u64::MAX << low) & (u64::MAX >> (63 - high));
        }
    }

    /// Takes one port out.
    pub fn remove(&mut self, port: u16) {
        Arc::make_mut(&mut self.0)[usize::from(port / 64)] &= !(1 << (port % 64));
    }

    fn with(&self, other: &Self, each: impl Fn(u64, u64) -> u64) -> Self {
        let mut made = self.clone();
        Arc::make_mut(&mut made.0).iter_mut().zip(other.0.iter()).for_each(|(word, other)| *word = each(*word, *other));
        made
    }

    /// Gives what is in one of two sets.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        self.with(other, |one, other| one | other)
    }

    /// Gives what is in both sets.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.with(other, |one, other| one & other)
    }

    /// Gives what is in this one and not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.with(other, |one, other| one & !other)
    }

    /// Tells whether a port is in it.
    pub fn contains(&self, port: u16) -> bool {
        self.0[usize::from(port / 64)] >> (port % 64) & 1 == 1
    }

    /// Tells how many ports are in it.
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Tells whether no port is in it.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Gives the ports, from the lowest on.
    pub fn ports(&self) -> impl Iterator<Item = u16> {
        self.ranges().into_iter().flat_map(|range| range.first..=range.last)
    }

    /// Gives the ranges that it consists of, with a hole between any two.
    pub fn ranges(&self) -> Vec<Ports> {
        let (mut found, mut begun): (Vec<Ports>, Option<u16>) = (Vec::new(), None);
        for (at, word) in self.0.iter().enumerate() {
            if (*word == 0 && begun.is_none()) || (*word == u64::MAX && begun.is_some()) {
                continue;
            }
            for bit in 0..64 {
                let port = (at * 64 + bit) as u16;
                match (word >> bit & 1 == 1, begun) {
                    (true, None) => begun = Some(port),
                    (false, Some(first)) => {
                        found.push(Ports { first, last: port - 1 });
                        begun = None;
                    }
                    _ => {}
                }
            }
        }
        found.extend(begun.map(|first| Ports { first, last: u16::MAX }));
        found
    }

    /// Tells it in a few words: the first ranges, and how many more there are.
    pub fn in_short(&self) -> String {
        const TOLD: usize = 10;
        let ranges = self.ranges();
        let told = ranges.iter().take(TOLD).map(written).collect::<Vec<_>>().join(",");
        match ranges.len().saturating_sub(TOLD) {
            0 => told,
            more => format!("{told} and {more} more"),
        }
    }
}

impl Default for PortSet {
    fn default() -> Self {
        Self::new()
    }
}

impl Extend<u16> for PortSet {
    fn extend<I: IntoIterator<Item = u16>>(&mut self, ports: I) {
        let words = Arc::make_mut(&mut self.0);
        ports.into_iter().for_each(|port| words[usize::from(port / 64)] |= 1 << (port % 64));
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        let mut set = Self::new();
        set.extend(ports);
        set
    }
}

/// Reads ports and ranges between commas, a range as the kernel writes it (`8000-8010`) or as iptables(8) does (`8000:8010`).
impl FromStr for PortSet {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let mut set = Self::new();
        for part in text.split(',') {
            let refuse = |fault: Fault| {
                Fault::input(format!("use {text:?} as a set of ports"), format!("{part:?}: {}", fault.why))
                    .hint("ports from 1 to 65535 and ranges of them, between commas: 22,8000-8010")
            };
            Ports::either(part).and_then(|ports| set.insert(ports)).map_err(refuse)?;
        }
        Ok(set)
    }
}

fn written(ports: &Ports) -> String {
    if ports.first == ports.last { ports.first.to_string() } else { format!("{}-{}", ports.first, ports.last) }
}

/// Prints as the kernel does: `22,8000-8010`.
impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.ranges().iter().map(written).collect::<Vec<_>>().join(","))
    }
}

impl fmt::Debug for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> PortSet {
        text.parse().unwrap()
    }

    fn any_ranges() -> impl Strategy<Value = Vec<(u16, u16)>> {
        proptest::collection::vec((1u16.., 0u16..500).prop_map(|(first, more)| (first, first.saturating_add(more))), 0..20)
    }

    fn both(ranges: &[(u16, u16)]) -> (PortSet, BTreeSet<u16>) {
        let (mut ours, mut theirs) = (PortSet::new(), BTreeSet::new());
        for (first, last) in ranges {
            ours.insert(Ports { first: *first, last: *last }).unwrap();
            theirs.extend(*first..=*last);
        }
        (ours, theirs)
    }

    proptest! {
        #[test]
        fn it_does_what_a_set_of_numbers_does(one in any_ranges(), other in any_ranges(), port: u16) {
            let ((a, x), (b, y)) = (both(&one), both(&other));
            prop_assert!(a.ports().eq(x.iter().copied()) && a.len() == x.len() && a.is_empty() == x.is_empty());
            prop_assert!(a.or(&b).ports().eq(x.union(&y).copied()));
            prop_assert!(a.and(&b).ports().eq(x.intersection(&y).copied()));
            prop_assert!(a.without(&b).ports().eq(x.difference(&y).copied()));
            prop_assert_eq!(a.contains(port), x.contains(&port));
            prop_assert_eq!(x.iter().copied().collect::<PortSet>(), a);
        }

        #[test]
        fn what_is_printed_reads_back(ranges in any_ranges()) {
            let (set, _) = both(&ranges);
            prop_assert!(set.is_empty() || set.to_string().parse::<PortSet>().unwrap() == set);
        }
    }

    #[test]
    fn sets_are_strict() {
        for (text, shown) in [("22", "22"), ("1-65535", "1-65535"), ("22,80-90,85:100", "22,80-100"), ("3,1,2", "1-3"), ("64,63", "63-64")]
        {
            assert_eq!(set(text).to_string(), shown);
        }
        for text in [
            "", ":", "-", "5:", ":5", "5-", "-5", "1-2-3", "1:2-3", "1,,2", ",", "22,", "0", "0-5", "65536", "22-21", "4:3", " 22", "22 ",
            "0x16", "1.5", "22;id", "٢٢", "ssh", "000022",
        ] {
            assert!(text.parse::<PortSet>().is_err(), "{text}");
        }
        let fault = "22,0".parse::<PortSet>().unwrap_err();
        assert_eq!(fault.to_string(), "cannot use \"22,0\" as a set of ports: \"0\": port 0 stands for any port, and nobody can have it");
        assert_eq!("9-8".parse::<PortSet>().unwrap_err().why, "\"9-8\": the range is the wrong way round");
    }

    #[test]
    fn many_holes_take_no_longer() {
        let begun = Instant::now();
        let mut left = set("1-65535");
        for port in (2..=60_000).step_by(2) {
            left.remove(port);
        }
        let mut all = PortSet::new();
        for port in 1..=u16::MAX {
            all.insert(Ports { first: port, last: port }).unwrap();
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_millis(50), "{took:?}");
        assert_eq!((left.len(), left.ranges().len(), all.to_string()), (65_535 - 30_000, 30_001, "1-65535".to_owned()));
        assert!(left.in_short().ends_with("17,19 and 29991 more"), "{}", left.in_short());
    }
}
