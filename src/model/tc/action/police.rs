//! The action `police`: what comes faster than a rate, or in larger bursts.

use std::fmt::Write as _;

use super::Verdict;
use super::generic::word;
use super::kinds::put;
use crate::model::Fault;
use crate::model::quantity::Quantity;
use crate::model::rate::Rate;
use crate::model::size::Size;
use crate::model::tc::argv::Argv;
use crate::model::tc::attribute::Attributes;

/// The attribute with the rates and the burst (struct tc_police).
pub(super) const TBF: u16 = 1;
const RATE_TABLE: u16 = 2;
const PEAK_TABLE: u16 = 3;
const AVRATE: u16 = 4;
/// What becomes of a packet that is not too fast.
pub(super) const RESULT: u16 = 5;
const RATE64: u16 = 8;
const PEAK64: u16 = 9;
const PACKETS: u16 = 10;
const PACKETS_BURST: u16 = 11;

/// The places in struct tc_police.
mod at {
    pub(super) const INDEX: usize = 0;
    pub(super) const ACTION: usize = 4;
    pub(super) const BURST: usize = 12;
    pub(super) const MTU: usize = 16;
    pub(super) const RATE: usize = 20;
    pub(super) const PEAK: usize = 32;
    pub(super) const COUNTS: std::ops::Range<usize> = 44..56;
    pub(super) const LEN: usize = 56;
}

/// A packet is as large as this if nobody says how large one can be.
const USUAL_MTU: u32 = 2047;

/// What the words say.
#[derive(Default)]
struct Given {
    index: u32,
    exceed: Option<Verdict>,
    conform: Option<Verdict>,
    rate: u64,
    peak: u64,
    avrate: u64,
    burst: u32,
    mtu: u32,
    mpu: u32,
    overhead: u16,
    atm: bool,
    packets: u64,
    packets_burst: u64,
}

/// Reads the words behind `police`.
pub fn read(argv: &mut Argv) -> Result<Attributes, Fault> {
    let mut given = Given::default();
    let mut words = 0;
    while word_of(argv, &mut given)? {
        words += 1;
    }
    if words == 0 {
        return Err(argv.refuse("`police` needs a rate: police rate 1mbit burst 10k"));
    }
    check(argv, &given)?;
    Ok(told(&given))
}

fn word_of(argv: &mut Argv, given: &mut Given) -> Result<bool, Fault> {
    let once = |set: bool, argv: &Argv| if set { Err(argv.odd("there twice")) } else { Ok(()) };
    match () {
        () if argv.take_short(&["index"]) => given.index = argv.u32(10)?,
        () if argv.take_short(&["burst"]) || argv.take("buffer") || argv.take("maxburst") => {
            once(given.burst > 0, argv)?;
            given.burst = size_and_cell(argv)?;
        }
        () if argv.take("mtu") || argv.take("minburst") => {
            once(given.mtu > 0, argv)?;
            given.mtu = size_and_cell(argv)?;
        }
        () if argv.take("mpu") => given.mpu = argv.size()?,
        () if argv.take("rate") => {
            once(given.rate > 0, argv)?;
            given.rate = argv.rate()?;
        }
        () if argv.take("avrate") => given.avrate = argv.rate()?,
        () if argv.take_short(&["peakrate"]) => given.peak = argv.rate()?,
        () if argv.take("conform-exceed") => {
            (given.exceed, given.conform) = verdicts(argv)?;
        }
        () if argv.take_short(&["overhead"]) => given.overhead = argv.u16(10)?,
        () if argv.take_short(&["linklayer"]) => {
            given.atm = argv.begins("atm") || argv.begins("adsl");
            if !given.atm && !argv.begins("ethernet") {
                return Err(argv.refuse("a link layer is ethernet, atm or adsl"));
            }
            argv.next_word()?;
        }
        () if argv.take_short(&["pkts_rate"]) => given.packets = argv.u64(10)?,
        () if argv.take_short(&["pkts_burst"]) => given.packets_burst = argv.u64(10)?,
        () if !argv.begins("jump") && !argv.begins("trap") && Verdict::begins(argv) => given.exceed = Some(Verdict::read(argv)?),
        () => return Ok(false),
    }
    Ok(true)
}

/// Reads a size; tc(8) takes the length of a cell of a table behind it that the kernel no longer looks at.
fn size_and_cell(argv: &mut Argv) -> Result<u32, Fault> {
    let word = argv.next_word()?;
    let (size, cell) = word.split_once('/').unwrap_or((&word, "1"));
    let is_cell = cell.parse::<u32>().is_ok_and(u32::is_power_of_two);
    if is_cell { argv.as_size(size) } else { Err(argv.odd("no size: the cell behind it is a power of two")) }
}

/// Reads `drop/pass`, or `drop`; blanks may stand around the stroke.
fn verdicts(argv: &mut Argv) -> Result<(Option<Verdict>, Option<Verdict>), Fault> {
    let word = argv.peek().unwrap_or_default().to_owned();
    if let Some((exceed, conform)) = word.split_once('/') {
        argv.next_word()?;
        let one = |text: &str| match text.parse::<i32>() {
            Ok(code) => Ok(Verdict(code)),
            Err(_) => Argv::read(text).and_then(|mut word| Verdict::read(&mut word)).map_err(|_| argv.odd("no pair of verdicts")),
        };
        return Ok((Some(one(exceed)?), Some(one(conform)?)));
    }
    let exceed = Verdict::read(argv)?;
    Ok((Some(exceed), if argv.take("/") { Some(Verdict::read(argv)?) } else { None }))
}

fn check(argv: &Argv, given: &Given) -> Result<(), Fault> {
    let why = match given {
        Given { rate: 1.., avrate: 1.., .. } => "`rate` and `avrate` exclude each other",
        Given { rate: 0, avrate: 0, index: 0, mtu: 0, packets: 0, .. } => "`rate`, `avrate`, `mtu` or `pkts_rate` is missing",
        Given { rate: 1.., burst: 0, .. } => "`rate` needs a `burst`",
        Given { packets: 1.., packets_burst: 0, .. } => "`pkts_rate` needs a `pkts_burst`",
        Given { packets: 1.., rate: 1.., .. } => "`rate` and `pkts_rate` exclude each other",
        Given { peak: 1.., rate: 0, .. } => "`peakrate` needs a `rate`",
        Given { peak: 1.., mtu: 0, .. } => "`peakrate` needs an `mtu`",
        Given { avrate, .. } if *avrate > u32::MAX.into() => "`avrate` is too high",
        _ => return Ok(()),
    };
    Err(argv.refuse(why))
}

fn told(given: &Given) -> Attributes {
    let mut bytes = vec![0; at::LEN];
    put(&mut bytes, at::INDEX, given.index);
    put(&mut bytes, at::ACTION, given.exceed.unwrap_or(Verdict::RECLASSIFY).0.cast_unsigned());
    put(&mut bytes, at::MTU, given.mtu);
    for (place, rate) in [(at::RATE, given.rate), (at::PEAK, given.peak)] {
        if rate > 0 {
            bytes[place + 1] = if given.atm { 2 } else { 1 };
            bytes[place + 2..place + 4].copy_from_slice(&given.overhead.to_ne_bytes());
            bytes[place + 6..place + 8].copy_from_slice(&(given.mpu as u16).to_ne_bytes());
            put(&mut bytes, place + 8, u32::try_from(rate).unwrap_or(u32::MAX));
        }
    }
    if given.rate > 0 {
        put(&mut bytes, at::BURST, ticks(given.rate, given.burst.into()));
    }
    let mut options = Attributes::default();
    options.put(TBF, bytes);
    for (kind, rate) in [(RATE64, given.rate), (PEAK64, given.peak)] {
        if rate > u32::MAX.into() {
            options.put(kind, rate.to_ne_bytes());
        }
    }
    if given.avrate > 0 {
        options.put(AVRATE, (given.avrate as u32).to_ne_bytes());
    }
    // The verdict 0 is not told.
    if let Some(conform) = given.conform.filter(|conform| conform.0 != 0) {
        options.put(RESULT, conform.0.to_ne_bytes());
    }
    if given.packets > 0 {
        options.put(PACKETS, given.packets.to_ne_bytes());
        options.put(PACKETS_BURST, u64::from(ticks(given.packets, given.packets_burst)).to_ne_bytes());
    }
    options
}

/// How long so much takes at a rate, in the ticks of the kernel, of which 15.625 are a microsecond.
fn ticks(rate: u64, amount: u64) -> u32 {
    let micros = (1e6 * (amount as f64 / rate as f64)) as u32;
    (f64::from(micros) * 15.625) as u32
}

/// How much comes at a rate in some ticks: the least of what takes that long.
fn amount(rate: u64, time: u32) -> u64 {
    let guess = (rate as f64 * f64::from((f64::from(time) / 15.625) as u32) / 1e6) as u64;
    (guess..guess.saturating_add(rate / 250_000 + 2)).find(|amount| ticks(rate, *amount) >= time).unwrap_or(guess)
}

/// A packet can be as large as the table is long, if nobody says how large.
pub(super) fn fill(options: &mut Attributes) {
    options.edit(TBF, |bytes| {
        if bytes.len() >= at::LEN && word(bytes, at::MTU) == 0 {
            let mtu = if word(bytes, at::RATE + 8) > 0 { 255 << cell_log(0) } else { u32::MAX };
            put(bytes, at::MTU, mtu);
        }
    });
}

/// Takes out what the kernel does not tell.
pub(super) fn settle(options: &mut Attributes) {
    options.drop(&[RATE_TABLE, PEAK_TABLE]);
    options.edit(TBF, |bytes| {
        if bytes.len() < at::LEN {
            return;
        }
        bytes[at::COUNTS].fill(0);
        // How fine the table was.
        for place in [at::RATE, at::PEAK] {
            bytes[place] = 0;
            bytes[place + 4..place + 6].fill(0);
        }
    });
}

fn cell_log(mtu: u32) -> u32 {
    let mtu = if mtu == 0 { USUAL_MTU } else { mtu };
    (0..32).find(|log| mtu >> log <= 255).unwrap_or(0)
}

/// Puts in the tables that the kernel wants beside the rates.
pub(super) fn complete(options: &mut Attributes) {
    let Some(mut bytes) = options.get(TBF).map(<[u8]>::to_vec).filter(|bytes| bytes.len() >= at::LEN) else { return };
    let cell = cell_log(word(&bytes, at::MTU));
    for (place, table, wide) in [(at::RATE, RATE_TABLE, RATE64), (at::PEAK, PEAK_TABLE, PEAK64)] {
        let rate = options.u64(wide).unwrap_or_else(|| word(&bytes, place + 8).into());
        if rate > 0 {
            let (mpu, atm) = (u32::from(u16::from_ne_bytes([bytes[place + 6], bytes[place + 7]])), bytes[place + 1] & 15 == 2);
            bytes[place] = cell as u8;
            bytes[place + 4..place + 6].copy_from_slice(&(-1i16).to_ne_bytes());
            let size = |row: u32| ((row + 1) << cell).max(mpu);
            let carried = |size: u32| if atm { size.div_ceil(48) * 53 } else { size };
            let rows: Vec<u8> = (0..256).flat_map(|row| ticks(rate, carried(size(row)).into()).to_ne_bytes()).collect();
            options.set(table, rows);
        }
    }
    options.set(TBF, bytes);
}

/// Shows the words.
pub fn show(options: &Attributes) -> String {
    let bytes = options.get(TBF).unwrap_or_default();
    let mut line = "police".to_owned();
    let rate = |wide: u16, place: usize| options.u64(wide).unwrap_or_else(|| word(bytes, place + 8).into());
    let shown = |bytes: u64| Rate::made(bytes.saturating_mul(8)).to_string();
    let (speed, peak) = (rate(RATE64, at::RATE), rate(PEAK64, at::PEAK));
    if speed > 0 {
        let _ = write!(line, " rate {} burst {}", shown(speed), Size::made(amount(speed, word(bytes, at::BURST))));
    }
    if word(bytes, at::MTU) > 0 {
        let _ = write!(line, " mtu {}", Size::made(word(bytes, at::MTU).into()));
    }
    if peak > 0 {
        let _ = write!(line, " peakrate {}", shown(peak));
    }
    let half = |place: usize| bytes.get(place..place + 2).map_or(0, |two| u16::from_ne_bytes([two[0], two[1]]));
    for (name, value) in [("overhead", half(at::RATE + 2)), ("mpu", half(at::RATE + 6))] {
        if value > 0 {
            let _ = write!(line, " {name} {value}");
        }
    }
    if bytes.get(at::RATE + 1).is_some_and(|layer| layer & 15 == 2) {
        line.push_str(" linklayer atm");
    }
    if let Some(rate) = options.u32(AVRATE) {
        let _ = write!(line, " avrate {}", shown(rate.into()));
    }
    if let (Some(rate), Some(burst)) = (options.u64(PACKETS), options.u64(PACKETS_BURST)) {
        let _ = write!(line, " pkts_rate {rate} pkts_burst {}", amount(rate, burst as u32));
    }
    let exceed = Verdict(word(bytes, at::ACTION).cast_signed());
    match options.u32(RESULT) {
        Some(conform) => drop(write!(line, " conform-exceed {exceed} / {}", Verdict(conform.cast_signed()))),
        None => drop(write!(line, " conform-exceed {exceed}")),
    }
    if word(bytes, at::INDEX) > 0 {
        let _ = write!(line, " index {}", word(bytes, at::INDEX));
    }
    line
}
