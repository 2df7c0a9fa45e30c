//! The checksum of the internet protocols (RFC 1071), with the pseudo header of those that have one.

use std::net::IpAddr;

use super::bits;
use super::dissect::Dissection;
use super::protocol::Protocol;
use super::protocols::ipv6;

/// What became of a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It is right.
    Good,
    /// There is none: UDP over IPv4 may do without.
    Absent,
    /// It should be another one.
    Wrong {
        /// What it should be.
        wanted: u16,
    },
    /// It cannot be told: not all of the bytes are there.
    Unknown,
}

/// A sum of words of 16 bits, as it grows.
#[derive(Clone, Copy, Default)]
pub struct Sum(u64);

impl Sum {
    /// Adds bytes; they begin at an even place.
    pub fn over(mut self, bytes: &[u8]) -> Self {
        let mut words = bytes.chunks_exact(2);
        for word in &mut words {
            self.0 += u64::from(u16::from_be_bytes([word[0], word[1]]));
        }
        if let [last] = words.remainder() {
            self.0 += u64::from(*last) << 8;
        }
        self
    }

    /// Adds the pseudo header of a protocol over IP (RFC 9293, 3.1; RFC 8200, 8.1).
    pub fn pseudo(self, src: IpAddr, dst: IpAddr, protocol: u8, length: usize) -> Self {
        let length = (length as u32).to_be_bytes();
        let of = |sum: Self, address: IpAddr| match address {
            IpAddr::V4(v4) => sum.over(&v4.octets()),
            IpAddr::V6(v6) => sum.over(&v6.octets()),
        };
        of(of(self, src), dst).over(&length).over(&[0, protocol])
    }

    /// Gives the checksum.
    pub fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }
}

/// Where a protocol has its checksum, the number by which IP knows it, and whether the pseudo header counts.
pub fn place(name: &str) -> Option<(usize, u8, bool)> {
    match name {
        "ipv4" => Some((10, 0, false)),
        "icmp" => Some((2, 1, false)),
        "icmpv6" => Some((2, 58, true)),
        "tcp" => Some((16, 6, true)),
        "udp" => Some((6, 17, true)),
        "mobility" => Some((4, 135, true)),
        "hip" => Some((4, 139, true)),
        _ => None,
    }
}

/// Sums up with the place of the checksum itself as zero.
pub fn compute(start: Sum, bytes: &[u8], at: usize) -> u16 {
    let (head, tail) = (&bytes[..at.min(bytes.len())], bytes.get(at + 2..).unwrap_or_default());
    start.over(head).over(tail).finish()
}

/// Finds the addresses of the pseudo header among the headers below, the nearest of which is the last. A packet that is still on the way of a routing
/// header counts as one to the end of that way (RFC 8200, 8.1).
pub(super) fn ends<'a>(below: impl DoubleEndedIterator<Item = (&'static Protocol, &'a [u8])>) -> Option<(IpAddr, IpAddr)> {
    let mut stop = None;
    for (protocol, header) in below.rev() {
        let address = |name: &str| protocol.read(header, name)?.address();
        match protocol.name {
            "routing" => stop = ipv6::last_stop(header).or(stop),
            "ipv4" | "ipv6" => return Some((address("src")?, stop.or_else(|| address("dst"))?)),
            _ => {}
        }
    }
    None
}

/// Looks at the checksum of a layer.
pub(super) fn check(found: &Dissection, at: usize, bytes: &[u8]) -> Option<Check> {
    let layer = &found.layers[at];
    let (place, number, pseudo) = place(layer.protocol.name)?;
    let covered = match layer.protocol.name {
        "ipv4" => &bytes[layer.header.clone()],
        _ => &bytes[layer.header.start..layer.end],
    };
    let is = u16::try_from(bits::read(covered, place * 8, 16)?).ok()?;
    let below = &found.layers[..at];
    let network = below.iter().rfind(|layer| ["ipv4", "ipv6"].contains(&layer.protocol.name));
    let is_cut = |defect: &super::Defect| {
        defect.flaw == super::Flaw::Truncated && found.layers[..=at].iter().any(|layer| layer.protocol.name == defect.layer)
    };
    let is_cut = found.is_quoted(at) || found.is_part(at, bytes) || found.defects.iter().any(is_cut);
    if layer.protocol.name != "ipv4" && is_cut {
        return Some(Check::Unknown);
    }
    let headers = below.iter().map(|layer| (layer.protocol, &bytes[layer.header.clone()]));
    let start = match (pseudo, ends(headers)) {
        (true, Some((src, dst))) => Sum::default().pseudo(src, dst, number, covered.len()),
        (true, None) => return Some(Check::Unknown),
        (false, _) => Sum::default(),
    };
    let over_v4 = network.is_some_and(|network| network.protocol.name == "ipv4");
    if number == 17 && is == 0 && over_v4 {
        return Some(Check::Absent);
    }
    let wanted = match compute(start, covered, place) {
        // One that comes out as zero is sent as all ones, for zero means that there is none.
        0 if number == 17 => 0xffff,
        sum => sum,
    };
    Some(if is == wanted { Check::Good } else { Check::Wrong { wanted } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_rfc_1071() {
        assert_eq!(Sum::default().over(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]).finish(), !0xddf2);
        assert_eq!(Sum::default().over(&[1]).finish(), !0x0100);
        assert_eq!(compute(Sum::default(), &[0, 1, 9, 9], 2), !1);
    }
}
