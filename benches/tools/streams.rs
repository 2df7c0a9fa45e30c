//! Packets that are sent and captured, against a loop in C, hping3, scapy and tcpdump, over the same wire.

use std::fmt::Write;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::measure::{Medians, clock, quiet, take_turns};
use crate::{FYKE, Outcome, Row, machine, script, table};

/// As many packets are sent in a turn.
const PACKETS: u32 = 200_000;
/// Scapy takes longer for each.
const OF_SCAPY: u32 = 2_000;
/// The rates at which is captured, in packets a second, and for how long.
const RATES: [u32; 3] = [10_000, 100_000, 1_000_000];
const SECONDS: u32 = 2;

/// Sends datagrams in batches of 64 by sendmmsg(2) and prints how many seconds that took: whole IP packets through a raw socket, or frames.
const LOOP: &str = r#"
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#define BATCH 64

int main(int argc, char **argv) {
    int frames = argc > 3, count = atoi(argv[1]), head = frames ? 14 : 0, length = head + 46;
    static unsigned char packets[BATCH][64];
    struct mmsghdr heads[BATCH] = {0};
    struct iovec parts[BATCH];
    struct sockaddr_in to = {.sin_family = AF_INET};
    struct sockaddr_ll link = {.sll_family = AF_PACKET};
    inet_pton(AF_INET, argv[2], &to.sin_addr);
    if (frames) link.sll_ifindex = if_nametoindex(argv[3]);
    int fd = frames ? socket(AF_PACKET, SOCK_RAW, 0) : socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    if (fd < 0) { perror("socket"); return 1; }
    for (int i = 0; i < BATCH; i++) {
        unsigned char *ip = packets[i] + head;
        if (frames) { memset(packets[i], 0xff, 6); packets[i][6] = 2; packets[i][12] = 8; }
        ip[0] = 0x45; ip[3] = 46; ip[8] = 64; ip[9] = 17; ip[12] = 10; ip[15] = 1;
        memcpy(ip + 16, &to.sin_addr, 4);
        ip[20] = 4; ip[23] = 9; ip[25] = 26;
        // Without its checksum the other end would drop it before all others have to look at it.
        unsigned sum = 0;
        for (int at = 0; at < 20; at += 2) sum += ip[at] << 8 | ip[at + 1];
        sum = (sum & 0xffff) + (sum >> 16);
        sum = ~((sum & 0xffff) + (sum >> 16));
        ip[10] = sum >> 8; ip[11] = sum;
        parts[i] = (struct iovec){packets[i], length};
        heads[i].msg_hdr.msg_iov = &parts[i];
        heads[i].msg_hdr.msg_iovlen = 1;
        heads[i].msg_hdr.msg_name = frames ? (void *)&link : (void *)&to;
        heads[i].msg_hdr.msg_namelen = frames ? sizeof link : sizeof to;
    }
    struct timespec begun, ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    for (int sent = 0; sent < count;) {
        int now = count - sent < BATCH ? count - sent : BATCH;
        // What varies in each: the source port.
        for (int i = 0; i < now; i++) { packets[i][head + 20] = (sent + i) >> 8; packets[i][head + 21] = sent + i; }
        now = sendmmsg(fd, heads, now, 0);
        if (now < 0) { perror("sendmmsg"); return 1; }
        sent += now;
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("%f\n", ended.tv_sec - begun.tv_sec + (ended.tv_nsec - begun.tv_nsec) / 1e9);
}
"#;

/// Measures sending and capturing over a wire between two namespaces.
pub(crate) fn all(scratch: &Path) -> Outcome<String> {
    quiet("ip link add wire0 type veth peer name wire1")?;
    for line in ["link set wire0 up", "link set wire1 up", "addr add 10.99.0.1/24 dev wire0", "link set lo up"] {
        quiet(&format!("ip {line}"))?;
    }
    // Nobody at the other end asks or answers: the neighbour is known, and what comes is for nobody.
    quiet("ip neigh add 10.99.0.2 lladdr 02:00:00:00:00:02 dev wire0")?;
    let text = sending(scratch)? + "\n" + &capturing(scratch)?;
    quiet("ip link del wire0")?;
    Ok(text)
}

/// Writes a script that sends packets and prints how many seconds it took, without the start.
fn stream(count: u32, frames: bool) -> String {
    let socket = if frames { "raw::packet(\"wire0\")" } else { "raw::open(\"ipv4\", \"raw\")" };
    let head = if frames { "packet::ethernet(#{ src: \"02:00:00:00:00:01\" }) / " } else { "" };
    format!(
        "let packet = {head}packet::ipv4(#{{ src: \"10.0.0.1\", dst: \"10.99.0.2\" }}) / packet::udp(#{{ sport: 1024, dport: 9 }}) / blob(18);\n\
         let sent = {socket}.send_many(packet, #{{ count: {count}, rate: 1000000000, time: \"1min\", vary: #{{ \"udp.sport\": 0..=65535 }} }});\n\
         if sent.packets != {count} {{ throw `only ${{sent.packets}} were sent`; }}\nprint(sent.time.seconds);\n"
    )
}

/// Runs a command that prints a number of seconds.
fn seconds(command: &mut Command) -> Outcome<f64> {
    let output = command.stderr(Stdio::piped()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    last.trim().parse().map_err(|_| format!("{command:?}: {text}{}", String::from_utf8_lossy(&output.stderr)).into())
}

fn sending(scratch: &Path) -> Outcome<String> {
    let (source, program) = (script(scratch, "loop.c", LOOP)?, scratch.join("loop").display().to_string());
    clock(Command::new("cc").args(["-O2", "-o", &program, &source]))?;
    let mut rows = Vec::new();
    let count = PACKETS.to_string();
    for (name, frames) in [("through a raw socket", false), ("as frames through a packet socket", true)] {
        let recipe = script(scratch, "stream.rhai", &stream(PACKETS, frames))?;
        let ours = || seconds(Command::new(FYKE).args(["run", &recipe]));
        let mut words = vec![count.as_str(), "10.99.0.2"];
        words.extend(frames.then_some("wire0"));
        let times = take_turns(name, 9, ours, || seconds(Command::new(&program).args(&words)))?;
        // At least 0.95 of the packets in a second are at most so much of the time.
        rows.push(Row {
            name: format!("200,000 datagrams {name}, a port of which varies, against sendmmsg in C"),
            times,
            goal: Some(1.0 / 0.95),
        });
    }
    let recipe = script(scratch, "stream.rhai", &stream(PACKETS, false))?;
    let ours = || seconds(Command::new(FYKE).args(["run", &recipe]));
    let mut notes = String::new();
    match take_turns("hping3", 5, ours, hping) {
        Ok(times) => {
            rows.push(Row { name: "the same through a raw socket, against `hping3 --udp --flood`".into(), times, goal: Some(1.0) })
        }
        Err(why) => writeln!(notes, "\nAgainst hping3: skipped ({why}).")?,
    }
    match machine::python("scapy.all") {
        Ok(python) => {
            // The neighbour is known to it, too: it would ask before each packet, and nobody answers.
            let scapy = "import sys,time\nfrom scapy.all import IP,UDP,Raw,send,conf\nconf.verb=0\n\
                conf.netcache.arp_cache['10.99.0.2']='02:00:00:00:00:02'\n\
                p=[IP(src='10.0.0.1',dst='10.99.0.2')/UDP(sport=s,dport=9)/Raw(b'0'*18) for s in range(int(sys.argv[1]))]\n\
                t=time.monotonic()\nsend(p)\nprint(time.monotonic()-t)\n";
            let few = OF_SCAPY.to_string();
            let theirs = || Ok(seconds(Command::new(&python).args(["-c", scapy, &few]))? * f64::from(PACKETS / OF_SCAPY));
            let Medians { ours, theirs } = take_turns("scapy", 5, ours, theirs)?;
            let name = "the same, against scapy's `send` (of 2,000, times 100)";
            rows.push(Row { name: name.into(), times: Medians { ours, theirs }, goal: Some(0.02) });
        }
        Err(why) => writeln!(notes, "\nAgainst scapy's `send`: skipped ({why}).")?,
    }
    Ok(table(&rows) + &notes)
}

/// Gives the time in which hping3 sends as many packets: it says nothing of that itself, so the link is asked how many it has sent in a second.
fn hping() -> Outcome<f64> {
    // /sys is that of another namespace. The tenth number is that of the packets that were sent, proc_net(5).
    let sent = || -> Outcome<f64> {
        let links = fs::read_to_string("/proc/thread-self/net/dev")?;
        let numbers = links.lines().find_map(|line| line.trim().strip_prefix("wire0:")).ok_or("wire0 is gone")?;
        Ok(numbers.split_whitespace().nth(9).ok_or("it has no counters")?.parse()?)
    };
    let mut flood = Command::new("hping3");
    flood.args(["--udp", "--flood", "-n", "-q", "-p", "9", "-d", "18", "-I", "wire0", "10.99.0.2"]);
    // It forks: the group is ended as a whole.
    let mut child =
        flood.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().map_err(|error| format!("hping3: {error}"))?;
    sleep(Duration::from_millis(300));
    let (begun, before) = (Instant::now(), sent());
    sleep(Duration::from_secs(1));
    let after = sent();
    let took = begun.elapsed().as_secs_f64();
    killpg(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGKILL)?;
    child.wait()?;
    let rate = (after? - before?) / took;
    if rate > 0.0 { Ok(f64::from(PACKETS) / rate) } else { Err("hping3 sent nothing".into()) }
}

/// Captures what fyke sends at a rate, into a file, and counts what was dropped: by fyke, and by tcpdump.
fn capturing(scratch: &Path) -> Outcome<String> {
    let file = scratch.join("capture.pcap").display().to_string();
    let mut text =
        String::from("| packets in a second | captured by fyke | dropped | captured by `tcpdump -w` | dropped |\n|--:|--:|--:|--:|--:|\n");
    for rate in RATES {
        let send = format!(
            "let packet = packet::ethernet(#{{}}) / packet::ipv4(#{{ src: \"10.0.0.1\", dst: \"10.99.0.2\" }}) / packet::udp(#{{ dport: 9 }}) / blob(500);\n\
             print(raw::packet(\"wire0\").send_many(packet, #{{ count: 1000000000, rate: {rate}, time: \"{SECONDS}s\" }}).packets);\n"
        );
        let sender = script(scratch, "send.rhai", &send)?;
        let mut cells = Vec::new();
        for by_tcpdump in [false, true] {
            eprintln!("capture at {rate} packets a second, {}", if by_tcpdump { "tcpdump" } else { "fyke" });
            let seconds = SECONDS + 2;
            let mut capture = if by_tcpdump {
                let mut tcpdump = Command::new("timeout");
                tcpdump.args(["-s", "INT", &seconds.to_string(), "tcpdump", "-i", "wire1", "-n", "-w", &file, "udp dst port 9"]);
                tcpdump
            } else {
                let capture = format!(
                    "let seen = raw::capture(\"wire1\", #{{ filter: #{{ proto: \"udp\", dport: 9 }}, file: \"{file}\", count: 1000000000, rate: 1000000000, time: \"{seconds}s\" }});\n\
                     print(`${{seen.packets}} ${{seen.dropped}}`);\n"
                );
                let mut fyke = Command::new(FYKE);
                fyke.args(["run", &script(scratch, "capture.rhai", &capture)?]);
                fyke
            };
            let child = capture.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
            sleep(Duration::from_millis(700));
            clock(Command::new(FYKE).args(["run", &sender]))?;
            let output = child.wait_with_output()?;
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            cells.push(if by_tcpdump { of_tcpdump(&said) } else { of_fyke(&said) }.ok_or(said)?);
            fs::remove_file(&file)?;
        }
        let [(ours, our_drops), (theirs, their_drops)] = cells[..] else { return Err("a capture is missing".into()) };
        writeln!(text, "| {rate} | {ours} | {our_drops} | {theirs} | {their_drops} |")?;
    }
    text += "\nDatagrams of 542 bytes, sent for two seconds as fast as is said, or as this machine can; the goal is that fyke drops no more than tcpdump.\n";
    Ok(text)
}

fn of_fyke(said: &str) -> Option<(u64, u64)> {
    let (packets, dropped) = said.lines().next()?.split_once(' ')?;
    Some((packets.parse().ok()?, dropped.parse().ok()?))
}

fn of_tcpdump(said: &str) -> Option<(u64, u64)> {
    let count = |words: &str| said.lines().find(|line| line.ends_with(words))?.split(' ').next()?.parse().ok();
    Some((count("packets captured")?, count("packets dropped by kernel")?))
}
