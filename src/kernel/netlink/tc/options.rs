//! Options of qdiscs and classes as the kernel has them: what stands in TCA_OPTIONS.

use super::tables;
use crate::kernel::netlink::message::{Messages, attributes};
use crate::model::Fault;
use crate::model::tc::units::LinkLayer;
use crate::model::tc::{
    Burst, Fifo, Framing, Htb, HtbClass, Kind, Loss, Netem, Options, Pace, Prio, Red, Settings, Sfq, Slot, Tbf, are_settings,
};

/// The version of htb that is spoken here.
const HTB_VERSION: u32 = 3;

/// Writes options; nothing where none are to be written. `before` is what is there and is changed: what it has and they have not is reset.
pub fn encode(options: &Options, before: Option<&Options>) -> Result<Option<Vec<u8>>, Fault> {
    Ok(Some(match options {
        Options::None => return Ok(None),
        Options::Netem(netem) => write_netem(netem, before.and_then(Options::netem))?,
        Options::Tbf(tbf) => write_tbf(tbf),
        Options::Htb(htb) => write_htb(htb),
        Options::HtbClass(class) => write_class(class),
        Options::Prio(prio) => [&prio.bands.to_ne_bytes()[..], &prio.map].concat(),
        Options::Sfq(sfq) => write_sfq(sfq),
        Options::Fifo(fifo) => fifo.limit.to_ne_bytes().to_vec(),
        Options::Settings(settings) => {
            write_settings(settings, if let Some(Options::Settings(before)) = before { Some(before) } else { None })
        }
        Options::Opaque(bytes) => bytes.clone(),
    }))
}

/// Reads options. What is not understood is kept as it is.
pub fn decode(kind: &Kind, of_class: bool, bytes: Option<&[u8]>) -> Options {
    let Some(bytes) = bytes else { return Options::None };
    let read = match (kind.as_str(), of_class) {
        ("netem", false) => read_netem(bytes).map(|netem| Options::Netem(Box::new(netem))),
        ("tbf", false) => read_tbf(bytes).map(Options::Tbf),
        ("htb", false) => read_htb(bytes).map(Options::Htb),
        ("htb", true) => read_class(bytes).map(Options::HtbClass),
        ("prio" | "pfifo_fast", false) => read_prio(bytes).map(Options::Prio),
        ("sfq", false) => read_sfq(bytes).map(Options::Sfq),
        ("pfifo" | "bfifo" | "pfifo_head_drop", false) => word(bytes, 0).map(|limit| Options::Fifo(Fifo { limit })),
        ("ingress" | "clsact" | "mq" | "noqueue", false) => Some(Options::None),
        (name, false) if are_settings(name) => Some(Options::Settings(read_settings(name, bytes))),
        _ => None,
    };
    read.unwrap_or_else(|| Options::Opaque(bytes.to_vec()))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
}

fn words<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let mut found = [0; N];
    for (at, part) in found.iter_mut().enumerate() {
        *part = word(bytes, at * 4)?;
    }
    Some(found)
}

fn concat(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Writes a `struct tc_ratespec`. Kernels since 3.11 compute what a table once told, if the layer of the link is named.
fn write_rate(bytes: &mut Vec<u8>, rate: u64, framing: &Framing) {
    bytes.extend([0, framing.linklayer.number()]);
    bytes.extend(framing.overhead.to_ne_bytes());
    bytes.extend((-1i16).to_ne_bytes());
    bytes.extend(framing.mpu.to_ne_bytes());
    bytes.extend(u32::try_from(rate).unwrap_or(u32::MAX).to_ne_bytes());
}

fn read_rate(bytes: &[u8]) -> Option<(u32, Framing)> {
    let half = |at: usize| bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes));
    let framing = Framing { overhead: half(2)?, mpu: half(6)?, linklayer: LinkLayer::of(*bytes.get(1)?) };
    Some((word(bytes, 8)?, framing))
}

/// Writes the whole of a rate that has no room in 32 bits.
fn write_long(m: &mut Messages, kind: u16, rate: u64) {
    if u32::try_from(rate).is_err() {
        m.attribute(kind, &rate.to_ne_bytes());
    }
}

fn find(bytes: &[u8], of: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(kind, _)| *kind == of).map(|(_, value)| value)
}

fn whole(bytes: &[u8], kind: u16, rate: u32) -> u64 {
    find(bytes, kind).and_then(|value| long(value, 0)).unwrap_or(rate.into())
}

/// `struct tc_tbf_qopt` in TCA_TBF_PARMS, whole rates, and bursts in bytes: out of the ticks alone the kernel would compute smaller packets.
fn write_tbf(tbf: &Tbf) -> Vec<u8> {
    let (peak, mtu) = tbf.peak.unwrap_or((0, Burst { ticks: 0, said: None }));
    let mut parms = Vec::new();
    write_rate(&mut parms, tbf.rate, &tbf.framing);
    match peak {
        0 => parms.extend([0; 12]),
        peak => write_rate(&mut parms, peak, &tbf.framing),
    }
    parms.extend(concat(&[tbf.limit, tbf.burst.ticks, mtu.ticks]));
    let mut m = Messages::new();
    m.attribute(1, &parms);
    tbf.burst.bytes(tbf.rate, tbf.framing).iter().for_each(|bytes| m.attribute(6, &bytes.to_ne_bytes()));
    tbf.peak.and_then(|(peak, mtu)| mtu.bytes(peak, tbf.framing)).iter().for_each(|bytes| m.attribute(7, &bytes.to_ne_bytes()));
    write_long(&mut m, 4, tbf.rate);
    write_long(&mut m, 5, peak);
    m.bytes().to_vec()
}

fn read_tbf(bytes: &[u8]) -> Option<Tbf> {
    let parms = find(bytes, 1)?;
    let (rate, framing) = read_rate(parms)?;
    let (peak, _) = read_rate(parms.get(12..)?)?;
    let [limit, burst, mtu] = words(parms.get(24..)?)?;
    let said = |kind: u16| find(bytes, kind).and_then(|value| word(value, 0));
    let peak = (peak != 0).then(|| (whole(bytes, 5, peak), Burst { ticks: mtu, said: said(7) }));
    Some(Tbf { rate: whole(bytes, 4, rate), burst: Burst { ticks: burst, said: said(6) }, limit, peak, framing })
}

/// `struct tc_htb_glob` in TCA_HTB_INIT.
fn write_htb(htb: &Htb) -> Vec<u8> {
    let mut m = Messages::new();
    m.attribute(2, &concat(&[HTB_VERSION, htb.r2q, htb.default, 0, 0]));
    htb.direct_qlen.iter().for_each(|length| m.attribute(5, &length.to_ne_bytes()));
    if htb.offload {
        m.attribute(9, &[]);
    }
    m.bytes().to_vec()
}

fn read_htb(bytes: &[u8]) -> Option<Htb> {
    let [_, r2q, default, ..] = words::<5>(find(bytes, 2)?)?;
    let direct_qlen = find(bytes, 5).and_then(|value| word(value, 0));
    Some(Htb { r2q, default, direct_qlen, offload: find(bytes, 9).is_some() })
}

/// `struct tc_htb_opt` in TCA_HTB_PARMS, and whole rates.
fn write_class(class: &HtbClass) -> Vec<u8> {
    let mut m = Messages::new();
    write_long(&mut m, 6, class.rate);
    write_long(&mut m, 7, class.ceil);
    let mut parms = Vec::new();
    write_rate(&mut parms, class.rate, &class.framing);
    write_rate(&mut parms, class.ceil, &class.framing);
    parms.extend(concat(&[class.burst, class.cburst, class.quantum.unwrap_or(0), 0, class.prio]));
    m.attribute(1, &parms);
    m.bytes().to_vec()
}

fn read_class(bytes: &[u8]) -> Option<HtbClass> {
    let parms = find(bytes, 1)?;
    let (rate, framing) = read_rate(parms)?;
    let (ceil, _) = read_rate(parms.get(12..)?)?;
    let [burst, cburst, quantum, _, prio] = words(parms.get(24..)?)?;
    let (rate, ceil) = (whole(bytes, 6, rate), whole(bytes, 7, ceil));
    Some(HtbClass { rate, ceil, burst, cburst, prio, quantum: Some(quantum).filter(|quantum| *quantum != 0), framing })
}

fn read_prio(bytes: &[u8]) -> Option<Prio> {
    Some(Prio { bands: word(bytes, 0)?, map: *bytes.get(4..)?.first_chunk()? })
}

/// `struct tc_sfq_qopt_v1`, without what it counts.
fn write_sfq(sfq: &Sfq) -> Vec<u8> {
    let head = [sfq.quantum, sfq.perturb.cast_unsigned(), sfq.said_limit(), sfq.divisor, sfq.flows, sfq.depth, sfq.headdrop.into()];
    let Red { limit, min, max, weight, slope, cell, ecn, harddrop, probability } = sfq.red.unwrap_or_default();
    let flags = u8::from(ecn) | u8::from(harddrop) << 1;
    [concat(&head), concat(&[limit, min, max]), vec![weight, slope, cell, flags], concat(&[probability]), vec![0; 24]].concat()
}

/// What it has of the early detection; there is none without a threshold.
fn read_red(bytes: &[u8]) -> Option<Red> {
    let [limit, min, max] = words(bytes)?;
    let [weight, slope, cell, flags] = *bytes.get(12..)?.first_chunk()?;
    let probability = word(bytes, 16)?;
    (min != 0).then_some(Red { limit, min, max, weight, slope, cell, ecn: flags & 1 != 0, harddrop: flags & 2 != 0, probability })
}

fn read_sfq(bytes: &[u8]) -> Option<Sfq> {
    let [quantum, perturb, limit, divisor, flows] = words(bytes)?;
    let [depth, headdrop] = bytes.get(20..).and_then(words).unwrap_or_default();
    let red = bytes.get(28..).and_then(read_red);
    Some(Sfq { quantum, perturb: perturb.cast_signed(), limit, divisor, flows, depth, headdrop: headdrop != 0, red })
}

/// Writes settings: of one that is there only those that differ, for some can be set but once.
fn write_settings(settings: &Settings, before: Option<&Settings>) -> Vec<u8> {
    let mut m = Messages::new();
    for (kind, (width, number)) in &settings.numbers {
        if before.is_none_or(|before| before.numbers.get(kind).is_none_or(|(_, before)| before != number)) {
            m.attribute(*kind, &number.to_ne_bytes()[..usize::from(*width).min(8)]);
        }
    }
    for (kind, value) in settings.others.iter().filter(|(kind, value)| before.is_none_or(|before| before.others.get(kind) != Some(value))) {
        m.attribute(*kind, value);
    }
    m.bytes().to_vec()
}

fn read_settings(kind: &str, bytes: &[u8]) -> Settings {
    let mut settings = Settings { kind: kind.into(), ..Settings::default() };
    for (attribute, value) in attributes(bytes) {
        // The default rate of fq is obsolete, and only padding is empty.
        match value.len() {
            0 => {}
            4 if kind == "fq" && attribute == 6 => {}
            width @ (1 | 4 | 8) => {
                let mut number = [0; 8];
                number[..width].copy_from_slice(value);
                let said = Settings::said(kind, attribute, u64::from_ne_bytes(number));
                settings.numbers.insert(attribute, (width as u8, said));
            }
            _ => drop(settings.others.insert(attribute, value.to_vec())),
        }
    }
    settings
}

/// `struct tc_netem_qopt`, and attributes behind it.
fn write_netem(netem: &Netem, before: Option<&Netem>) -> Result<Vec<u8>, Fault> {
    let none = Netem::default();
    let before = before.unwrap_or(&none);
    let (loss, loss_correlation) = if let Loss::Random(part, correlation) = netem.loss { (part, correlation) } else { (0, 0) };
    let mut m = Messages::new();
    m.raw(&concat(&[0, netem.limit, loss, netem.gap, netem.duplicate.0, 0]));
    let is_told = |is: bool, was: bool| is || was;
    if is_told(netem.delay != 0, before.delay != 0) {
        m.attribute(10, &netem.delay.to_ne_bytes());
    }
    if is_told(netem.jitter != 0, before.jitter != 0) {
        m.attribute(11, &netem.jitter.to_ne_bytes());
    }
    let correlations = |netem: &Netem| {
        let loss = if let Loss::Random(_, correlation) = netem.loss { correlation } else { 0 };
        [netem.correlation, loss, netem.duplicate.1]
    };
    if is_told(correlations(netem) != [0; 3], correlations(before) != [0; 3]) {
        m.attribute(1, &concat(&[netem.correlation, loss_correlation, netem.duplicate.1]));
    }
    if is_told(netem.reorder != (0, 0), before.reorder != (0, 0)) {
        m.attribute(3, &concat(&[netem.reorder.0, netem.reorder.1]));
    }
    if is_told(netem.ecn, before.ecn) {
        m.attribute(7, &u32::from(netem.ecn).to_ne_bytes());
    }
    if is_told(netem.corrupt != (0, 0), before.corrupt != (0, 0)) {
        m.attribute(4, &concat(&[netem.corrupt.0, netem.corrupt.1]));
    }
    netem.slot.iter().for_each(|slot| m.attribute(12, &write_slot(slot)));
    match netem.loss {
        Loss::State([p13, p31, p32, p23, p14]) => m.nest(5, |m| m.attribute(1, &concat(&[p13, p31, p32, p14, p23]))),
        Loss::Gemodel(parts) => m.nest(5, |m| m.attribute(2, &concat(&parts))),
        Loss::None | Loss::Random(..) => {}
    }
    if is_told(netem.pace.rate != 0, before.pace.rate != 0) {
        write_pace(&mut m, &netem.pace);
    }
    netem.seed.iter().for_each(|seed| m.attribute(14, &seed.to_ne_bytes()));
    write_table(&mut m, 2, netem.distribution.as_deref())?;
    write_table(&mut m, 13, netem.slot.as_ref().and_then(|slot| slot.distribution.as_deref()))?;
    Ok(m.bytes().to_vec())
}

fn write_slot(slot: &Slot) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend([slot.least, slot.most].iter().flat_map(|nanos| nanos.to_ne_bytes()));
    bytes.extend([slot.packets, slot.bytes].iter().flat_map(|number| number.to_ne_bytes()));
    bytes.extend([slot.delay, slot.jitter].iter().flat_map(|nanos| nanos.to_ne_bytes()));
    bytes
}

fn write_pace(m: &mut Messages, pace: &Pace) {
    write_long(m, 8, pace.rate);
    let rate = u32::try_from(pace.rate).unwrap_or(u32::MAX);
    m.attribute(6, &concat(&[rate, pace.overhead.cast_unsigned(), pace.cell, pace.cell_overhead.cast_unsigned()]));
}

fn write_table(m: &mut Messages, kind: u16, name: Option<&str>) -> Result<(), Fault> {
    let table = name.map(tables::find).transpose()?.unwrap_or_default();
    if !table.is_empty() {
        m.attribute(kind, &table.iter().flat_map(|entry| entry.to_ne_bytes()).collect::<Vec<u8>>());
    }
    Ok(())
}

fn read_netem(bytes: &[u8]) -> Option<Netem> {
    /// The kernel counts in ticks of 64 nanoseconds where it does not tell the nanoseconds themselves.
    const TICK: i64 = 64;
    let [latency, limit, loss, gap, duplicate, jitter] = words(bytes)?;
    let rest = bytes.get(24..)?;
    let nanos = |kind: u16, ticks: u32| find(rest, kind).and_then(|value| long(value, 0)).map_or(i64::from(ticks) * TICK, u64::cast_signed);
    let pair = |kind: u16| find(rest, kind).and_then(words).map_or((0, 0), |[part, correlation]| (part, correlation));
    let [correlation, loss_correlation, duplicate_correlation] = find(rest, 1).and_then(words).unwrap_or_default();
    Some(Netem {
        limit,
        delay: nanos(10, latency),
        jitter: nanos(11, jitter),
        correlation,
        distribution: None,
        loss: read_loss(rest, loss, loss_correlation),
        ecn: find(rest, 7).and_then(|value| word(value, 0)).is_some_and(|ecn| ecn != 0),
        duplicate: (duplicate, duplicate_correlation),
        corrupt: pair(4),
        reorder: pair(3),
        gap,
        pace: read_pace(rest).unwrap_or_default(),
        slot: find(rest, 12).and_then(read_slot),
        // The kernel chooses one where nobody does, and tells it in any case.
        seed: None,
    })
}

fn read_loss(rest: &[u8], part: u32, correlation: u32) -> Loss {
    let model = find(rest, 5).unwrap_or_default();
    if let Some([p13, p31, p32, p14, p23]) = find(model, 1).and_then(words) {
        return Loss::State([p13, p31, p32, p23, p14]);
    }
    match find(model, 2).and_then(words) {
        Some(parts) => Loss::Gemodel(parts),
        None if part == 0 => Loss::None,
        None => Loss::Random(part, correlation),
    }
}

fn read_slot(value: &[u8]) -> Option<Slot> {
    let nanos = |at: usize| long(value, at).map(u64::cast_signed);
    // Any number is written as the largest, which is as much as none.
    let number = |at: usize| word(value, at).map(u32::cast_signed).map(|number| if number == i32::MAX { 0 } else { number });
    let (least, most, delay, jitter) = (nanos(0)?, nanos(8)?, nanos(24)?, nanos(32)?);
    let slot = Slot { least, most, packets: number(16)?, bytes: number(20)?, delay, jitter, distribution: None };
    (slot.least != 0 || slot.most != 0 || slot.jitter != 0).then_some(slot)
}

fn read_pace(rest: &[u8]) -> Option<Pace> {
    let [rate, overhead, cell, cell_overhead] = words(find(rest, 6)?)?;
    Some(Pace { rate: whole(rest, 8, rate), overhead: overhead.cast_signed(), cell, cell_overhead: cell_overhead.cast_signed() })
}
