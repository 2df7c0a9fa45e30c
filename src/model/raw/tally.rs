//! What is counted of a stream of packets.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use super::protocol_name;
use crate::model::packet::First;
use crate::model::packet::numbers::ETHERTYPE_NAMES;

/// As many talks are told apart; packets of others are counted together.
const TALKS: usize = 10_000;
/// In as many parts the time of a capture is counted.
pub const PARTS: usize = 60;

/// What was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// How many packets.
    pub packets: u64,
    /// How many bytes.
    pub bytes: u64,
    /// How many packets found no room in the queue of the link.
    pub refused: u64,
    /// How long it took.
    pub time: Duration,
    /// Whether a Ctrl-C ended it.
    pub interrupted: bool,
}

/// Who talks to whom, in what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Talk {
    /// The protocol: the number that IP has for it, or else the type of Ethernet.
    protocol: Result<u8, u16>,
    /// Who sends.
    pub src: Option<IpAddr>,
    /// Who is sent to.
    pub dst: Option<IpAddr>,
}

impl Talk {
    /// Reads the ends and the protocol of a packet: no more than that is looked at, for this is done with every packet of a capture.
    pub fn of(bytes: &[u8], first: First) -> Self {
        let half = |at: usize| bytes.get(at..at + 2).map(|half| u16::from_be_bytes([half[0], half[1]]));
        let (ethertype, network) = match first {
            First::Ethernet => match half(12) {
                Some(0x8100 | 0x88a8) => (half(16), 18),
                ethertype => (ethertype, 14),
            },
            _ => (bytes.first().map(|byte| if byte >> 4 == 6 { 0x86dd } else { 0x0800 }), 0),
        };
        Self::over(ethertype.unwrap_or(0), bytes.get(network..).unwrap_or_default())
    }

    /// Reads the same where the type of Ethernet is known and its header is not there.
    pub fn over(ethertype: u16, rest: &[u8]) -> Self {
        let v4 = |at: usize| rest.get(at..)?.first_chunk::<4>().map(|octets| IpAddr::from(*octets));
        let v6 = |at: usize| rest.get(at..)?.first_chunk::<16>().map(|octets| IpAddr::from(*octets));
        match ethertype {
            0x0800 => Self { protocol: rest.get(9).copied().ok_or(ethertype), src: v4(12), dst: v4(16) },
            0x86dd => Self { protocol: rest.get(6).copied().ok_or(ethertype), src: v6(8), dst: v6(24) },
            0x0806 => Self { protocol: Err(ethertype), src: v4(14), dst: v4(24) },
            _ => Self { protocol: Err(ethertype), src: None, dst: None },
        }
    }

    /// Gives the name of the protocol.
    pub fn protocol(&self) -> String {
        match self.protocol {
            Ok(number) => protocol_name(number),
            Err(length) if length < 1536 => "llc".to_owned(),
            Err(ethertype) => {
                let known = ETHERTYPE_NAMES.iter().find(|(known, _)| *known == u64::from(ethertype));
                known.map_or_else(|| format!("{ethertype:#06x}"), |(_, name)| (*name).to_owned())
            }
        }
    }
}

/// What was captured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// How many packets.
    pub packets: u64,
    /// How many bytes they had on the wire.
    pub bytes: u64,
    /// How many more came than the rate allows.
    pub limited: u64,
    /// How many the kernel has dropped for want of room.
    pub dropped: u64,
    /// How long it took.
    pub time: Duration,
    /// How many packets came in each part of the time.
    pub parts: Vec<u64>,
    /// How many packets and bytes of each talk there were.
    pub talks: HashMap<Talk, (u64, u64)>,
    /// Those of all other talks.
    pub others: (u64, u64),
}

impl Tally {
    /// Counts a packet that came in a part of the time.
    pub fn add(&mut self, talk: Talk, length: u64, part: usize) {
        self.packets += 1;
        self.bytes += length;
        if self.parts.len() <= part {
            self.parts.resize(part + 1, 0);
        }
        self.parts[part] += 1;
        let full = self.talks.len() >= TALKS;
        let counts = match self.talks.get_mut(&talk) {
            Some(counts) => counts,
            None if full => &mut self.others,
            None => self.talks.entry(talk).or_default(),
        };
        *counts = (counts.0 + 1, counts.1 + length);
    }

    /// Gives the talks, the one of most packets first.
    pub fn loudest(&self) -> Vec<(Talk, (u64, u64))> {
        let mut talks: Vec<_> = self.talks.iter().map(|(talk, counts)| (*talk, *counts)).collect();
        talks.sort_by_key(|(talk, (packets, bytes))| (std::cmp::Reverse((*packets, *bytes)), talk.src, talk.dst, talk.protocol.ok()));
        talks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn talks_are_read_from_their_headers() {
        let mut frame = vec![0; 12];
        frame.extend([8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        let talk = Talk::of(&frame, First::Ethernet);
        assert_eq!(
            (talk.protocol(), talk.src, talk.dst),
            ("udp".into(), Some(IpAddr::from([10, 0, 0, 1])), Some(IpAddr::from([10, 0, 0, 2])))
        );
        assert_eq!(Talk::of(&frame[14..], First::Ip), talk);
        frame.splice(12..12, [0x81, 0, 0, 5]);
        assert_eq!(Talk::of(&frame, First::Ethernet), talk);
        for length in 0..frame.len() {
            Talk::of(&frame[..length], First::Ethernet);
        }
        assert_eq!((Talk::of(&[0; 14], First::Ethernet).protocol(), Talk::of(&[], First::Ip).protocol()), ("llc".into(), "llc".into()));
    }

    #[test]
    fn talks_are_bounded_and_sorted() {
        let mut tally = Tally::default();
        let talk = |n: u32| Talk { protocol: Ok(17), src: Some(IpAddr::V4(n.into())), dst: None };
        (0..11_000).for_each(|n| tally.add(talk(n), 100, 3));
        tally.add(talk(77), 50, 0);
        assert_eq!((tally.packets, tally.talks.len(), tally.others), (11_001, TALKS, (1000, 100_000)));
        assert_eq!((tally.loudest()[0], &tally.parts[..]), ((talk(77), (2, 150)), &[1, 0, 0, 11_000][..]));
    }
}
