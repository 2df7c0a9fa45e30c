//! Filters beside tcpdump: each runs over the packets of tcpdump's own suite in a small interpreter of classic BPF, and lets through what `tcpdump -r FILE
//! EXPRESSION` shows.

use std::path::Path;
use std::process::Command;

use fyke::model::packet::filter::{Begin, Filter, Ins};
use fyke::model::packet::{First, Value, capture};

use super::packets;
use crate::bad_inputs::shared;

/// As many files are looked at where not all cases are wanted.
const SAMPLE: usize = 60;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn list(values: &[&str]) -> Value {
    Value::List(values.iter().map(|value| text(value)).collect())
}

/// Filters of every kind, with addresses and ports that are in the captures.
fn filters() -> Vec<Vec<(&'static str, Value)>> {
    vec![
        vec![("family", text("ipv4"))],
        vec![("family", text("ipv6"))],
        vec![("proto", text("arp"))],
        vec![("proto", text("tcp"))],
        vec![("proto", text("udp"))],
        vec![("proto", text("icmp"))],
        vec![("proto", text("icmpv6"))],
        vec![("proto", text("ospf"))],
        vec![("proto", Value::Number(132))],
        vec![("proto", list(&["tcp", "icmp", "arp"]))],
        vec![("port", Value::Number(53))],
        vec![("port", text("1-1024"))],
        vec![("sport", text("20-180,500"))],
        vec![("dport", list(&["179", "646", "80"]))],
        vec![("proto", text("udp")), ("dport", text("1024-65535"))],
        vec![("net", text("10.0.0.0/8"))],
        vec![("net", text("192.168.0.0/16")), ("proto", text("tcp"))],
        vec![("src", text("127.0.0.1"))],
        vec![("dst", text("224.0.0.0/4"))],
        vec![("net", text("fe80::/10"))],
        vec![("src", text("2000::/3"))],
        vec![("dst", text("ff02::/16"))],
        vec![("dst", text("ff02::1"))],
        vec![("host", list(&["127.0.0.1", "::1", "10.0.0.0/12"])), ("port", text("1-60000"))],
        vec![("host", text("0.0.0.0/0"))],
        vec![("not", Value::Map(vec![("proto".into(), text("tcp"))]))],
        vec![("not", Value::Map(vec![("port".into(), text("1-1024")), ("proto".into(), text("udp"))])), ("family", text("ipv4"))],
        vec![("vlan", Value::Number(1))],
        vec![("vlan", Value::Number(100)), ("family", text("ipv4"))],
    ]
}

/// Runs a program over a packet, as the kernel does (net/core/filter.c): what lies behind the end lets nothing through. What the kernel knows beside the
/// bytes is nothing here.
fn run(program: &[Ins], packet: &[u8]) -> u32 {
    let (mut a, mut x, mut at) = (0u32, 0u32, 0usize);
    let load = |size: u16, at: u32| -> Option<u32> {
        if at >= 0xffff_f000 {
            return Some(0);
        }
        let wide = match size {
            0x10 => 1,
            0x08 => 2,
            _ => 4,
        };
        let bytes = packet.get(at as usize..at as usize + wide)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    };
    loop {
        let ins = program[at];
        at += 1;
        let condition = |holds: bool| usize::from(if holds { ins.jt } else { ins.jf });
        match ins.code {
            0x06 => return ins.k,
            0x05 => at += ins.k as usize,
            0x15 => at += condition(a == ins.k),
            0x25 => at += condition(a > ins.k),
            0x35 => at += condition(a >= ins.k),
            0x45 => at += condition(a & ins.k != 0),
            0x54 => a &= ins.k,
            0xb1 => match load(0x10, ins.k) {
                Some(byte) => x = (byte & 15) * 4,
                None => return 0,
            },
            0x20 | 0x28 | 0x30 | 0x40 | 0x48 | 0x50 => {
                let behind = if ins.code & 0x40 != 0 { x } else { 0 };
                match load(ins.code & 0x18, ins.k.wrapping_add(behind)) {
                    Some(number) => a = number,
                    None => return 0,
                }
            }
            odd => panic!("{odd:#x} is no instruction that is used"),
        }
    }
}

/// Asks tcpdump which packets of a file an expression means; nothing where it cannot say.
fn by_tcpdump(file: &Path, expression: &str) -> Option<usize> {
    // Without names and without more of the packet than its first words, which nobody reads.
    let said = Command::new("tcpdump").args(["-nn", "-q", "--count", "-r"]).arg(file).arg(expression).output().unwrap();
    let out = String::from_utf8_lossy(&said.stdout).into_owned();
    let count = out.lines().chain(std::str::from_utf8(&said.stderr).unwrap_or("").lines()).find_map(|line| {
        let (count, rest) = line.split_once(' ')?;
        rest.starts_with("packet").then(|| count.parse().ok())?
    });
    count.filter(|_| said.status.success())
}

/// What tcpdump says of its version.
fn version() -> String {
    let said = Command::new("tcpdump").arg("--version").output().unwrap();
    let text = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    text.lines().take(2).collect::<Vec<_>>().join(", ")
}

#[test]
fn filters_mean_what_tcpdump_means() {
    let Some(folder) = shared("suites/tcpdump") else { return };
    if Command::new("tcpdump").arg("--version").output().is_err() {
        println!("skipped: tcpdump is not installed");
        return;
    }
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "pcap"));
    files.sort();
    let (mut compared, mut verdicts, mut meant, mut looked_at, mut wrong) = (0, 0, 0, 0, Vec::new());
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        // Where the type of the link already says which version of IP it is, tcpdump does not look at it.
        let link = bytes.get(20..24).map_or(0, |link| u32::from_le_bytes([link[0], link[1], link[2], link[3]]));
        let Some(read) = capture::read(&bytes).ok().filter(|_| [1, 1 << 24, 101, 101 << 24].contains(&link)) else { continue };
        let Some(first) = read.packets.first().map(|packet| packet.packet.first).filter(|_| read.damage.is_none()) else { continue };
        if !super::all() && looked_at == SAMPLE {
            break;
        }
        looked_at += 1;
        for entries in filters() {
            let filter = Filter::read(&entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect::<Vec<_>>()).unwrap();
            let begin = if first == First::Ethernet { Begin::Frame } else { Begin::Ip };
            let Ok(program) = filter.program(begin) else { continue };
            let through = read.packets.iter().filter(|packet| run(&program, &packet.packet.bytes) != 0).count();
            let expression = filter.to_string();
            let Some(theirs) = by_tcpdump(&file, &expression) else { continue };
            compared += 1;
            verdicts += read.packets.len();
            meant += through;
            if through != theirs {
                wrong.push(format!("{}: {expression}: {through} here, {theirs} by tcpdump", file.display()));
            }
        }
    }
    println!("{compared} filters over {looked_at} files, {verdicts} verdicts, {meant} packets let through");
    let figures =
        [("files", looked_at), ("filters", filters().len()), ("filters over files", compared), ("those with another count", wrong.len())];
    let more = [("verdicts over packets", verdicts), ("packets that are let through", meant)];
    packets::keep("filter", &figures.into_iter().chain(more).collect(), &version());
    assert!(compared > 100 && meant > 100, "{compared} {meant}");
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
}
