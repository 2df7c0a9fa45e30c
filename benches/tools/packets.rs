//! Packets built and taken apart in a script, against scapy, and against a program in Rust that does the same with the model of fyke.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use fyke::model::packet::{Draft, First, Packet, Stack, Value, named};

use crate::measure::{clock, median};
use crate::{FYKE, Outcome, machine};

/// How many packets a turn has; scapy and a script get fewer, so that all turns take about as long.
const IN_RUST: usize = 200_000;
const IN_SCRIPTS: usize = 20_000;
const TURNS: usize = 7;

/// A task: its name, and how it is written in the three languages.
struct Task {
    name: &'static str,
    rust: fn(usize),
    /// What is done once, and what is done for each packet, whose number is `i`.
    script: [&'static str; 2],
    scapy: [&'static str; 2],
}

const TASKS: [Task; 3] = [
    Task {
        name: "a SYN over IPv4, built from seven fields",
        rust: |count| (0..count).for_each(|i| drop(std::hint::black_box(syn(i)))),
        script: [
            "",
            "(packet::ipv4(#{ src: \"192.0.2.1\", dst: \"192.0.2.2\", id: 7 }) / packet::tcp(#{ sport: i % 65536, dport: 80, seq: i, flags: \"SYN\" })).bytes;",
        ],
        scapy: ["", "bytes(IP(src='192.0.2.1', dst='192.0.2.2', id=7)/TCP(sport=i%65536, dport=80, seq=i, flags='S'))"],
    },
    Task {
        name: "a question of DNS in a frame, built",
        rust: |count| (0..count).for_each(|i| drop(std::hint::black_box(question(i)))),
        script: [
            "",
            "(packet::ethernet(#{ dst: \"02:00:00:00:00:02\", src: \"02:00:00:00:00:01\" }) / packet::ipv4(#{ src: \"192.0.2.1\", dst: \"192.0.2.2\" }) / packet::udp(#{ sport: 40000 }) / packet::dns(#{ id: i % 65536, questions: \"www.example.org\" })).bytes;",
        ],
        scapy: [
            "",
            "bytes(Ether(dst='02:00:00:00:00:02', src='02:00:00:00:00:01')/IP(src='192.0.2.1', dst='192.0.2.2')/UDP(sport=40000)/DNS(id=i%65536, qd=DNSQR(qname='www.example.org')))",
        ],
    },
    Task {
        name: "a SYN in a frame, taken apart, and four of its fields read",
        rust: |count| {
            let bytes = frame();
            (0..count).for_each(|_| drop(std::hint::black_box(read(&bytes))));
        },
        script: [
            "let bytes = (packet::ethernet(#{}) / packet::ipv4(#{ src: \"192.0.2.1\", dst: \"192.0.2.2\" }) / packet::tcp(#{ dport: 80 })).bytes;",
            "let one = packet::parse(bytes, \"ethernet\"); let ip = one.ipv4; let tcp = one.tcp; ip.src; ip.ttl; tcp.dport; tcp.flags;",
        ],
        scapy: [
            "b=bytes(Ether(dst='02:00:00:00:00:02', src='02:00:00:00:00:01')/IP(src='192.0.2.1', dst='192.0.2.2')/TCP(dport=80))",
            "one=Ether(b); ip=one[IP]; tcp=one[TCP]; (ip.src, ip.ttl, tcp.dport, tcp.flags)",
        ],
    },
];

/// A layer, as a program gives it. What is wrong with it would be seen by the tests.
fn layer(name: &str, fields: &[(&str, Value)]) -> Option<Draft> {
    Draft::new(named(name).ok()?, fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()).ok()
}

fn n(number: usize) -> Value {
    Value::Number(number as u64)
}

fn ipv4() -> Option<Draft> {
    layer("ipv4", &[("src", Value::text("192.0.2.1")), ("dst", Value::text("192.0.2.2")), ("id", n(7))])
}

fn syn(i: usize) -> Option<Packet> {
    let tcp = layer("tcp", &[("sport", n(i % 65_536)), ("dport", n(80)), ("seq", n(i)), ("flags", Value::text("SYN"))])?;
    Stack { layers: vec![ipv4()?, tcp], payload: Vec::new() }.build().ok()
}

fn question(i: usize) -> Option<Packet> {
    let ethernet = layer("ethernet", &[("dst", Value::text("02:00:00:00:00:02")), ("src", Value::text("02:00:00:00:00:01"))])?;
    let dns = layer("dns", &[("id", n(i % 65_536)), ("questions", Value::text("www.example.org"))])?;
    Stack { layers: vec![ethernet, ipv4()?, layer("udp", &[("sport", n(40_000))])?, dns], payload: Vec::new() }.build().ok()
}

fn frame() -> Vec<u8> {
    let layers = [layer("ethernet", &[]), ipv4(), layer("tcp", &[("dport", n(80))])];
    let stack = Stack { layers: layers.into_iter().flatten().collect(), payload: Vec::new() };
    stack.build().map(|packet| packet.bytes.to_vec()).unwrap_or_default()
}

fn read(bytes: &[u8]) -> Option<[Value; 4]> {
    let packet = Packet::new(bytes, First::Ethernet);
    let found = packet.layers();
    let (ip, tcp) = (found.layer("ipv4")?, found.layer("tcp")?);
    let of = |layer: &fyke::model::packet::Layer, name: &str| layer.read(&packet.bytes, name);
    Some([of(ip, "src")?, of(ip, "ttl")?, of(tcp, "dport")?, of(tcp, "flags")?])
}

/// Measures the seconds for a packet, each language in its turn.
pub(crate) fn all(_: &Path) -> Outcome<String> {
    let python = machine::python("scapy.all");
    let mut text = "| packets per second | a script of fyke | scapy | fyke to scapy | Rust, the same model | Rust to fyke |\n|---|--:|--:|--:|--:|--:|\n".to_owned();
    for task in &TASKS {
        eprintln!("{}: {TURNS} turns", task.name);
        let (mut script, mut scapy, mut rust) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let begun = Instant::now();
            (task.rust)(IN_RUST);
            rust.push(begun.elapsed().as_secs_f64() / IN_RUST as f64);
            script.push((fyke(task, IN_SCRIPTS)? - fyke(task, 1)?) / (IN_SCRIPTS - 1) as f64);
            if let Ok(python) = &python {
                scapy.push(in_python(python, task)?);
            }
        }
        let [script, scapy, rust] = [script, scapy, rust].map(median);
        let rate = |seconds: f64| if seconds.is_nan() { "-".to_owned() } else { format!("{:.0}", 1.0 / seconds) };
        let ratio = if scapy.is_nan() { "-".to_owned() } else { format!("{:.1}", scapy / script) };
        text += &format!("| {} | {} | {} | {ratio} | {} | {:.1} |\n", task.name, rate(script), rate(scapy), rate(rust), script / rust);
    }
    if let Err(why) = python {
        text += &format!("\nscapy: {why}\n");
    }
    Ok(text)
}

/// Times a script with so many packets, from the start of the program to its end.
fn fyke(task: &Task, count: usize) -> Outcome<f64> {
    let [once, each] = task.script;
    clock(Command::new(FYKE).args(["eval", &format!("{once} for i in 0..{count} {{ {each} }}")]))
}

/// Times the same in scapy, which tells its own time: what it needs to start does not count.
fn in_python(python: &str, task: &Task) -> Outcome<f64> {
    let [once, each] = task.scapy;
    let count = IN_SCRIPTS / 10;
    let script = format!(
        "import time\nfrom scapy.all import *\n{once}\nt=time.perf_counter()\nfor i in range({count}):\n    {each}\nprint((time.perf_counter()-t)/{count})"
    );
    let output = Command::new(python).args(["-c", &script]).output()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().parse();
    said.map_err(|_| format!("scapy failed: {}", String::from_utf8_lossy(&output.stderr)).into())
}
