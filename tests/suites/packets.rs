//! Packets that others wrote: the captures of tcpdump's suite, each packet of them and each beginning of it; and what docs/conformance.md says of packets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fyke::model::packet::{Check, Packet, Stack, answer, capture};
use serde_json::Value as Json;

use super::findings::folder;
use crate::bad_inputs::shared;

/// Reads all that there is to read of a packet, and counts what is wrong with it.
fn read_all(packet: &Packet) -> usize {
    let found = packet.layers();
    for (at, layer) in found.layers.iter().enumerate() {
        layer.fields(&packet.bytes);
        found.checksum(at, &packet.bytes);
    }
    let _ = (answer::request(packet), answer::reply(packet));
    found.defects(&packet.bytes).len()
}

/// The captures of tcpdump's suite, in their order.
pub(super) fn captures() -> Option<Vec<PathBuf>> {
    let names = std::fs::read_dir(shared("suites/tcpdump")?).unwrap().map(|entry| entry.unwrap().path());
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "pcap" || ending == "pcapng");
    let mut names: Vec<PathBuf> = names.filter(is_capture).collect();
    names.sort();
    Some(names)
}

/// Keeps figures for docs/conformance.md, if everything was tried.
pub(super) fn keep(part: &str, figures: &BTreeMap<&'static str, usize>, by: &str) {
    if super::all() {
        std::fs::create_dir_all(folder()).unwrap();
        let found = serde_json::json!({ "by": by, "figures": figures });
        std::fs::write(folder().join(format!("packets-{part}.json")), found.to_string()).unwrap();
    }
}

/// What begins the section of docs/conformance.md.
pub(super) const TITLE: &str = "\n## Packets\n";

const SCAPY: &str = "
What scapy's own tests build and take apart, by its names for layers and fields: bytes and fields must be equal.

";
const TCPDUMP: &str = "
The captures of tcpdump's suite, many of which are broken on purpose: every packet, and every beginning of every packet, is read to its last field, and must
give no more than a defect with a name. Files are also cut off at fifty places each.

";
const TSHARK: &str = "
The same captures beside `tshark -T json`, packet by packet: addresses, ports, flags, lengths, checksums, names, in all layers that both find. tshark
knows tunnels and DNS over TCP, which are payload here.

";
const BUILT: &str = "
What is built here, of every layer on every other that it can stand on, must be neither malformed nor wrong in its checksums for tshark; one packet that
lies in both is among them, and must be seen.

";
const FUZZED: &str = "
`make fuzz` tries inputs that a fuzzer makes up from what the program does with them (libFuzzer, without sanitizers: there is no `unsafe` in the model). What
must hold is in `fuzz/invariants.rs`; what was interesting is kept in `tests/corpus`, which `make test` tries again. In the last run:

";

/// What of scapy's vectors is not compared: each names the layer for which there is no place here.
const LEFT_OUT: &str = "\nLeft out are a vector of DHCP, which is no layer here, and one that has no layer at all.\n";

const FILTERED: &str = "
Filters of every kind beside tcpdump, over the captures of its suite with Ethernet or bare IP: the classic BPF that fyke makes of a filter must let through as
many packets of a file as `tcpdump -r FILE EXPRESSION` shows for the words in which fyke tells it.

";

/// Writes the section of docs/conformance.md from what the last run of everything has shown. What `make fuzz` has shown is kept from the page before where it
/// was not run since: that is another command, and takes longer.
pub(super) fn section(before: &str) -> String {
    let mut text = TITLE.to_owned();
    for (parts, said, more) in [
        (&[("dissect", "taken apart"), ("build", "built")][..], SCAPY, LEFT_OUT),
        (&[("tcpdump", "")], TCPDUMP, ""),
        (&[("tshark", "")], TSHARK, ""),
        (&[("built", "")], BUILT, ""),
        (&[("filter", "")], FILTERED, ""),
    ] {
        let mut rows = String::new();
        let mut by = String::new();
        for (part, what) in parts {
            let Ok(found) = std::fs::read(folder().join(format!("packets-{part}.json"))) else { continue };
            let found: Json = serde_json::from_slice(&found).unwrap();
            let what = if what.is_empty() { String::new() } else { format!("{what}: ") };
            let figures = found["figures"].as_object().unwrap();
            figures.iter().for_each(|(name, figure)| rows.push_str(&format!("| {what}{name} | {figure} |\n")));
            by = found["by"].as_str().unwrap().to_owned();
        }
        if !rows.is_empty() {
            let by = if by.is_empty() { String::new() } else { format!("\nThe last run had {by}.\n") };
            text.push_str(&format!("{said}| | |\n|---|--:|\n{rows}{more}{by}"));
        }
    }
    let rows: String = [("packet", "packets"), ("capture", "files"), ("draft", "wishes for a packet")].iter().filter_map(fuzzed).collect();
    text + &if rows.is_empty() {
        fuzzed_before(before).to_owned()
    } else {
        format!("{FUZZED}| inputs | tried | crashes |\n|---|--:|--:|\n{rows}")
    }
}

/// Finds in a page what it says of the fuzzers: the last part of its section.
fn fuzzed_before(page: &str) -> &str {
    let begin = FUZZED.lines().nth(1).and_then(|line| page.find(&format!("\n{line}\n")));
    let rest = begin.map_or("", |begin| &page[begin..]);
    rest.split_once("\n## ").map_or(rest, |(part, _)| part)
}

#[test]
fn what_the_fuzzers_have_shown_stays_on_the_page() {
    let page = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/conformance.md")).unwrap();
    let kept = fuzzed_before(&page);
    assert!(kept.starts_with(FUZZED) && kept.ends_with("|\n") && kept.matches("\n| ").count() == 4, "{kept}");
    let section = section(&page);
    assert!(section.starts_with(TITLE) && section.contains(FUZZED) && section.ends_with("|\n"), "{section}");
    assert_eq!(fuzzed_before("a page without it"), "");
}

/// Reads how many inputs the last run of a fuzzer had.
fn fuzzed((target, name): &(&str, &str)) -> Option<String> {
    let log = std::fs::read_to_string(folder().join(format!("fuzz-{target}.log"))).ok()?;
    let count = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?.trim();
    let crashes = log.lines().filter(|line| line.starts_with("artifact_prefix=") || line.contains("Test unit written to")).count();
    Some(format!("| {name} | {count} | {crashes} |\n"))
}

/// Edits nothing of a packet: where it is a good one, it must stay as it is but for padding.
fn edit_nothing(packet: &Packet) -> bool {
    let found = packet.layers();
    let is_good = |at: usize| matches!(found.checksum(at, &packet.bytes), None | Some(Check::Good));
    let stack = Stack::read(packet);
    if stack.layers.is_empty() || !found.defects(&packet.bytes).is_empty() || !(0..stack.layers.len()).all(is_good) {
        return false;
    }
    let edited = stack.edited(0, &[]).unwrap().build().unwrap();
    assert_eq!(edited.bytes[..], packet.bytes[..found.padding.start], "{}", packet.tree());
    true
}

#[test]
fn captures_of_tcpdump_are_read_to_the_last_prefix() {
    let Some(names) = captures() else { return };
    let mut figures: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut add = |name: &'static str, more: usize| *figures.entry(name).or_default() += more;
    // All of them take a while in a debug build; which of them it are, is the same on every day.
    let step = if super::all() { 1 } else { 16 };
    for path in names.into_iter().step_by(step) {
        let content = std::fs::read(&path).unwrap();
        add("files", 1);
        // Also a file that is cut anywhere is read as far as it goes.
        for cut in (0..content.len()).step_by(content.len() / 50 + 1) {
            let _ = capture::read(&content[..cut]);
        }
        let Ok(file) = capture::read(&content) else { continue };
        add("files that are cut off, or of links that are not known here", usize::from(file.damage.is_some()));
        for captured in file.packets {
            let whole = captured.packet;
            let defects = read_all(&whole);
            add("packets", 1);
            add("packets with a defect that is named", usize::from(defects > 0));
            add("packets that stay as they are when nothing of them is edited", usize::from(edit_nothing(&whole)));
            assert!(!whole.tree().is_empty() && !whole.line().contains('\u{1b}'));
            for end in 0..whole.bytes.len() {
                let defects = read_all(&Packet::new(&whole.bytes[..end], whole.first));
                add("prefixes of packets", 1);
                add("prefixes with a defect that is named", usize::from(defects > 0));
            }
        }
    }
    println!("tcpdump: {figures:?}, no panic");
    assert!(figures["packets"] > 0);
    keep("tcpdump", &figures, "");
}
