//! Numbers as tc(8) reads and writes them, and the units in which the kernel counts.
//!
//! What is printed reads back as exactly the same, and is what tc(8) prints as long as that is exact.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The ticks of a microsecond: the scheduler counts in units of 64 nanoseconds.
const TICKS: f64 = 15.625;
/// The longest span of time, in nanoseconds: the kernel once counted microseconds in 32 bits.
pub const LONGEST: i64 = u32::MAX as i64 * 1000;

const RATES: &[(&str, f64)] = &[
    ("bit", 1.0),
    ("kibit", 1024.0),
    ("kbit", 1e3),
    ("mibit", 1048576.0),
    ("mbit", 1e6),
    ("gibit", 1073741824.0),
    ("gbit", 1e9),
    ("tibit", 1099511627776.0),
    ("tbit", 1e12),
    ("bps", 8.0),
    ("kibps", 8192.0),
    ("kbps", 8e3),
    ("mibps", 8388608.0),
    ("mbps", 8e6),
    ("gibps", 8589934592.0),
    ("gbps", 8e9),
    ("tibps", 8796093022208.0),
    ("tbps", 8e12),
    ("", 1.0),
];

const SIZES: &[(&str, f64)] = &[
    ("", 1.0),
    ("b", 1.0),
    ("k", 1024.0),
    ("kb", 1024.0),
    ("m", 1048576.0),
    ("mb", 1048576.0),
    ("g", 1073741824.0),
    ("gb", 1073741824.0),
    ("kbit", 128.0),
    ("mbit", 131072.0),
    ("gbit", 134217728.0),
];

const TIMES: &[(&str, f64)] = &[
    ("s", 1e9),
    ("sec", 1e9),
    ("secs", 1e9),
    ("ms", 1e6),
    ("msec", 1e6),
    ("msecs", 1e6),
    ("us", 1e3),
    ("usec", 1e3),
    ("usecs", 1e3),
    ("ns", 1.0),
    ("nsec", 1.0),
    ("nsecs", 1.0),
];

/// Splits a text into its number and its unit. A number has no sign here and no exponent.
fn split(text: &str) -> Result<(f64, &str), String> {
    let (number, unit) = text.split_at(text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len()));
    let fine = number.len() <= 24 && number.starts_with(|c: char| c.is_ascii_digit()) && !number.ends_with('.');
    match number.parse::<f64>().ok().filter(|_| fine) {
        Some(number) => Ok((number, unit)),
        None if text.starts_with('-') => Err("it is negative".to_owned()),
        None => Err("it does not begin with a number".to_owned()),
    }
}

fn scaled(text: &str, units: &[(&str, f64)], form: &str) -> Result<f64, String> {
    let (number, unit) = split(text)?;
    let known = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    known.map(|(_, length)| number * length).ok_or_else(|| format!("{unit:?} is no unit here: write {form}"))
}

/// Reads a rate, and gives it in bytes per second. A number alone counts bits.
pub fn rate(text: &str) -> Result<u64, String> {
    let bits = scaled(text, RATES, "1mbit, 512kbit, or 100kbps for bytes")?;
    if bits > 9e18 { Err("it is more than 9000000 tbit".to_owned()) } else { Ok((bits / 8.0) as u64) }
}

/// Reads a size, and gives it in bytes. A number alone counts bytes.
pub fn size(text: &str) -> Result<u64, String> {
    let bytes = scaled(text, SIZES, "1500b, 32kb, or 256kbit")?;
    if bytes > 9e18 { Err("it is too large".to_owned()) } else { Ok(bytes as u64) }
}

/// Reads a span of time, and gives it in nanoseconds. A number alone counts units of that many.
pub fn time(text: &str, alone: i64) -> Result<i64, String> {
    let nanos = match split(text)? {
        (number, "") => number * alone as f64,
        _ => scaled(text, TIMES, "100ms, 1.5s, or 20us")?,
    };
    if nanos > LONGEST as f64 { Err("it is longer than 4294.967295s".to_owned()) } else { Ok(nanos.round() as i64) }
}

/// Reads a percentage, and gives it as a part of 2^32 - 1.
pub fn percent(text: &str) -> Result<u32, String> {
    let (number, unit) = split(text)?;
    match unit {
        "" | "%" if number <= 100.0 => Ok((number / 100.0 * f64::from(u32::MAX)).round_ties_even() as u32),
        "" | "%" => Err("it is more than 100%".to_owned()),
        _ => Err(format!("{unit:?} stands behind it: write 1% or 0.5%")),
    }
}

/// Reads a whole number: decimal, or hexadecimal behind `0x`.
pub fn number(text: &str) -> Option<u64> {
    let plain = |digits: &str| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok().filter(|_| plain(hex)),
        None => text.parse().ok().filter(|_| plain(text)),
    }
}

/// Gives how many ticks some bytes take at a rate in bytes per second; nothing where they are more than the kernel counts.
pub fn ticks(rate: u64, bytes: u64) -> Option<u32> {
    let ticks = (1e6 * (bytes as f64 / rate as f64) * TICKS).ceil();
    (ticks < f64::from(u32::MAX)).then_some(ticks as u32)
}

/// Gives how many bytes pass at a rate in some ticks: the fewest that take so long.
pub fn bytes(rate: u64, time: u32) -> u64 {
    let bytes = (rate as f64 * (f64::from(time) / TICKS) / 1e6) as u64;
    [bytes, bytes + 1].into_iter().find(|bytes| ticks(rate, *bytes) == Some(time)).unwrap_or(bytes)
}

/// A rate in bytes per second, printed as tc(8) does: `1Mbit`.
pub struct Rate(pub u64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from(self.0) * 8;
        let unit = [("T", 1_000_000_000_000), ("G", 1_000_000_000), ("M", 1_000_000), ("K", 1_000)];
        match unit.into_iter().find(|(_, length)| bits > 0 && bits.is_multiple_of(*length)) {
            Some((unit, length)) => write!(f, "{}{unit}bit", bits / length),
            None => write!(f, "{bits}bit"),
        }
    }
}

/// A number of bytes, printed as tc(8) does: `32Kb`.
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0b"),
            bytes if bytes.is_multiple_of(1 << 20) => write!(f, "{}Mb", bytes >> 20),
            bytes if bytes.is_multiple_of(1 << 10) => write!(f, "{}Kb", bytes >> 10),
            bytes => write!(f, "{bytes}b"),
        }
    }
}

/// Nanoseconds, printed as tc(8) does: `1.5ms`.
pub struct Time(pub i64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)];
        match units.into_iter().find(|(_, length)| self.0 >= *length) {
            Some((unit, length)) => {
                let places = length.ilog10() as usize;
                let part = format!("{:0places$}", self.0 % length);
                let part = part.trim_end_matches('0');
                write!(f, "{}{}{part}{unit}", self.0 / length, if part.is_empty() { "" } else { "." })
            }
            None => write!(f, "{}ns", self.0),
        }
    }
}

/// A part of 2^32 - 1, printed in percent with as many digits as it takes.
pub struct Percent(pub u32);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = 100.0 * f64::from(self.0) / f64::from(u32::MAX);
        for places in 0..=10 {
            let text = format!("{per:.places$}");
            if percent(&text) == Ok(self.0) {
                return write!(f, "{text}%");
            }
        }
        write!(f, "{per:.12}%")
    }
}

/// What a link adds to a packet below the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinkLayer {
    /// Nothing that is not in the packet.
    #[default]
    Ethernet,
    /// Cells of 53 bytes, of which 48 are the packet's.
    Atm,
}

impl LinkLayer {
    /// Reads the number that the kernel has for it.
    pub fn of(number: u8) -> Self {
        if number & 0xf == 2 { Self::Atm } else { Self::Ethernet }
    }

    /// Gives the number that the kernel has for it.
    pub fn number(self) -> u8 {
        if self == Self::Atm { 2 } else { 1 }
    }

    /// Reads its name, as tc(8) has it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "ethernet" => Some(Self::Ethernet),
            "atm" | "adsl" => Some(Self::Atm),
            _ => None,
        }
    }
}

impl fmt::Display for LinkLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Atm { "atm" } else { "ethernet" })
    }
}

/// Gives the table of transmission times that kernels before 3.8 wanted, and `police` still does: that of packets of 1, 2, 3 and more cells, and the
/// binary logarithm of the size of a cell.
pub fn rate_table(rate: u64, mpu: u32, mtu: u32, layer: LinkLayer, cell_log: Option<u8>) -> ([u32; 256], u8) {
    let mtu = if mtu == 0 { 2047 } else { mtu };
    let log = cell_log.unwrap_or_else(|| (0..32).find(|log| mtu >> log <= 255).unwrap_or(31));
    let mut table = [0; 256];
    for (at, time) in table.iter_mut().enumerate() {
        let size = (((at + 1) as u64) << log).max(mpu.into());
        let size = if layer == LinkLayer::Atm { size.div_ceil(48) * 53 } else { size };
        *time = ticks(rate, size).unwrap_or(u32::MAX);
    }
    (table, log)
}

/// A table of sizes (tc-stab(8)), as the kernel has it: what a packet counts for. The table itself follows from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// The binary logarithm of the size of a cell of the table.
    pub cell_log: u8,
    /// The binary logarithm of what the entries are multiplied with.
    pub size_log: u8,
    /// What is added to a size before it is looked up.
    pub cell_align: i16,
    /// What is added to every packet.
    pub overhead: i32,
    /// The layer of the link, by its number.
    pub linklayer: u32,
    /// The least size.
    pub mpu: u32,
    /// The largest packet in the table.
    pub mtu: u32,
    /// How many entries the table has.
    pub tsize: u32,
}

impl Sizes {
    /// Gives the table, with its own scale and that of the sizes settled.
    pub fn table(mut self) -> (Self, Vec<u16>) {
        if self.linklayer <= 1 && self.mpu == 0 {
            return (Self { mtu: 0, tsize: 0, cell_log: 0, cell_align: 0, ..self }, Vec::new());
        }
        self.mtu = if self.mtu == 0 { 2047 } else { self.mtu };
        self.tsize = if self.tsize == 0 { 512 } else { self.tsize };
        self.cell_log = (0..32).find(|log| self.mtu >> log < self.tsize).unwrap_or(31);
        self.cell_align = -1;
        let atm = self.linklayer == 2;
        let size = |at: u32| {
            let size = (u64::from(at + 1) << self.cell_log).max(self.mpu.into());
            if atm { size.div_ceil(48) * 53 } else { size }
        };
        while self.size_log < 31 && size(self.tsize - 1) >> self.size_log > u16::MAX.into() {
            self.size_log += 1;
        }
        (self, (0..self.tsize).map(|at| (size(at) >> self.size_log) as u16).collect())
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layer = if self.linklayer == 2 { "atm" } else { "ethernet" };
        write!(f, "linklayer {layer} overhead {}", self.overhead)?;
        let part = |name: &str, value: u32| if value == 0 { String::new() } else { format!(" {name} {value}") };
        write!(f, "{}{}{}", part("mpu", self.mpu), part("mtu", self.mtu), part("tsize", self.tsize))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_printed_reads_back(rate_of in 0..1_000_000_000_000u64, size_of in 0..1u64 << 40, nanos in 0..LONGEST, part: u32) {
            prop_assert_eq!(rate(&Rate(rate_of).to_string()), Ok(rate_of));
            prop_assert_eq!(size(&Size(size_of).to_string()), Ok(size_of));
            prop_assert_eq!(time(&Time(nanos).to_string(), 1), Ok(nanos));
            prop_assert_eq!(percent(&Percent(part).to_string()), Ok(part));
        }

        #[test]
        fn a_burst_of_whole_bytes_reads_back(rate in 1..10_000_000_000u64, size in 1..100_000u64) {
            if let Some(time) = ticks(rate, size) {
                prop_assert_eq!(ticks(rate, bytes(rate, time)), Some(time));
            }
        }
    }

    #[test]
    fn numbers_are_those_of_tc() {
        assert_eq!([rate("1mbit"), rate("100kbps"), rate("1mibit"), rate("20000")], [Ok(125_000), Ok(100_000), Ok(131_072), Ok(2_500)]);
        assert_eq!([size("15k"), size("32kbit"), size("1500b"), size("0.5kb")], [Ok(15_360), Ok(4_096), Ok(1_500), Ok(512)]);
        assert_eq!(
            [time("100ms", 1), time("10", 1), time("10", 1000), time("0.1ms", 1)],
            [Ok(100_000_000), Ok(10), Ok(10_000), Ok(100_000)]
        );
        assert_eq!([percent("1%"), percent("100"), percent("0%")], [Ok(42_949_673), Ok(u32::MAX), Ok(0)]);
        assert_eq!((ticks(125_000, 15_360), ticks(125_000, 1_600)), (Some(1_920_000), Some(200_000)));
        let shown = [
            Rate(125_000).to_string(),
            Rate(187_500).to_string(),
            Size(15_360).to_string(),
            Time(1_500_000).to_string(),
            Percent(42_949_673).to_string(),
        ];
        assert_eq!(shown, ["1Mbit", "1500Kbit", "15Kb", "1.5ms", "1%"]);
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for odd in [
            "",
            "nonsense",
            "-1mbit",
            "1e400bit",
            "infbit",
            "nan",
            "1mb",
            "1 mbit",
            ".5mbit",
            "1.mbit",
            "1..2mbit",
            "0x10bit",
            "9999999999tbit",
        ] {
            assert!(rate(odd).is_err(), "{odd:?}");
        }
        for odd in ["", "-5s", "5 minutes", "1h-1m", "NaN", "9223372036854775808ms", "1e400s", "4294967296us", "1min"] {
            assert!(time(odd, 1).is_err(), "{odd:?}");
        }
        assert_eq!(percent("101%"), Err("it is more than 100%".to_owned()));
        assert_eq!(percent("-1%"), Err("it is negative".to_owned()));
        assert_eq!(time("4294967296us", 1), Err("it is longer than 4294.967295s".to_owned()));
        for odd in ["100.0001%", "%", "1%%", "1 %"] {
            assert!(percent(odd).is_err(), "{odd:?}");
        }
        assert_eq!(
            [number("0x10"), number("10"), number("-1"), number("+1"), number("0x"), number("a")],
            [Some(16), Some(10), None, None, None, None]
        );
    }

    #[test]
    fn a_rate_table_is_that_of_tc() {
        // tc class add ... htb rate 1mbit: cells of 8 bytes, 64 microseconds each.
        let (table, log) = rate_table(125_000, 0, 1600, LinkLayer::Ethernet, None);
        assert_eq!((log, table[0], table[1], table[255]), (3, 1_000, 2_000, 256_000));
        assert_eq!(rate_table(125_000, 0, 1600, LinkLayer::Atm, None).0[5], 6_625);
    }
}
