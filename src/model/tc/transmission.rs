//! How long packets take at a rate, to the nanosecond as the kernel computes it (`psched_ratecfg_precompute` of net/sched/sch_generic.c).

use super::Framing;
use super::units::LinkLayer;

/// The binary logarithm of the nanoseconds of a tick, in which the kernel tells a time.
const TICK: u32 = 6;

/// A rate, with what is added to each packet.
#[derive(Clone, Copy, Debug)]
pub struct Transmission {
    framing: Framing,
    /// The kernel has no division where packets pass: a size is multiplied, and shifted.
    multiplier: u32,
    shift: u8,
}

impl Transmission {
    /// Takes a rate in bytes per second.
    pub fn at(rate: u64, framing: Framing) -> Self {
        let (mut factor, mut multiplier, mut shift) = (1_000_000_000u64, 1, 0);
        while let Some(scaled) = factor.checked_div(rate) {
            multiplier = scaled as u32;
            if multiplier >> 31 != 0 || factor >> 63 != 0 {
                break;
            }
            factor <<= 1;
            shift += 1;
        }
        Self { framing, multiplier, shift }
    }

    /// Gives the nanoseconds that some bytes take.
    fn nanos(&self, bytes: u32) -> u128 {
        let Framing { overhead, mpu, linklayer } = self.framing;
        let size = (u128::from(bytes) + u128::from(overhead)).max(mpu.into());
        let size = if linklayer == LinkLayer::Atm { size.div_ceil(48) * 53 } else { size };
        (size * u128::from(self.multiplier)) >> self.shift
    }

    /// Gives the ticks that some bytes take; nothing where they are more than the kernel counts.
    pub fn ticks(&self, bytes: u32) -> Option<u32> {
        u32::try_from(self.nanos(bytes) >> TICK).ok()
    }

    /// Gives the most bytes that take so long; nothing where no number of them takes exactly that.
    pub fn bytes(&self, ticks: u32) -> Option<u32> {
        let (mut low, mut high) = (0, u32::MAX);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if self.nanos(middle) >> TICK <= u128::from(ticks) { low = middle } else { high = middle - 1 }
        }
        (self.ticks(low) == Some(ticks)).then_some(low)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What Linux 6.1 told of `tc qdisc add ... tbf rate 20000 burst 1500 limit 1000`, with and without more words.
    #[test]
    fn times_are_those_of_the_kernel() {
        let framed = |overhead, mpu, linklayer| Transmission::at(2_500, Framing { overhead, mpu, linklayer });
        let plain = framed(0, 0, LinkLayer::Ethernet);
        assert_eq!((plain.ticks(1500), plain.bytes(9_375_000)), (Some(9_375_000), Some(1500)));
        assert_eq!(framed(300, 0, LinkLayer::Ethernet).ticks(1500), plain.ticks(1800));
        assert_eq!(framed(0, 0, LinkLayer::Atm).ticks(1500), plain.ticks(1696));
        assert_eq!(framed(0, 2000, LinkLayer::Ethernet).ticks(1500), plain.ticks(2000));
        // A tick at 10 gigabits is 80 bytes long, and 19 of them would be 1520 bytes, if the kernel did not round down.
        assert_eq!(Transmission::at(1_250_000_000, Framing::default()).bytes(18), Some(1520));
        // Cells are whole: what is less than one more takes no longer.
        assert_eq!(framed(0, 0, LinkLayer::Atm).bytes(plain.ticks(1696).unwrap()), Some(1536));
        assert_eq!((framed(0, 0, LinkLayer::Atm).bytes(9_375_000), Transmission::at(1, Framing::default()).ticks(500)), (None, None));
    }

    proptest! {
        #[test]
        fn what_takes_so_long_is_found(rate in 1..20_000_000_000u64, bytes: u32, overhead: u16, mpu: u16, atm: bool) {
            let linklayer = if atm { LinkLayer::Atm } else { LinkLayer::Ethernet };
            let transmission = Transmission::at(rate, Framing { overhead, mpu, linklayer });
            if let Some(ticks) = transmission.ticks(bytes) {
                let most = transmission.bytes(ticks).unwrap();
                prop_assert!(most >= bytes && transmission.ticks(most) == Some(ticks));
                prop_assert!(most == u32::MAX || transmission.ticks(most + 1) != Some(ticks));
            }
        }
    }
}
