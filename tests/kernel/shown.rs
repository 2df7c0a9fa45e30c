//! What there is in a world, as other programs show it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::world::tool;

/// Gives what ip(8) lists of links, addresses, neighbours, routes and rules, each as a line of its own, sorted: without what the kernel makes and
/// changes by itself.
pub(crate) fn links() -> Vec<String> {
    let list =
        |words: &[&str]| -> Vec<Value> { serde_json::from_str(&tool("ip", &[&["-j", "-d"], words].concat(), "")).unwrap_or_default() };
    let mut lines = Vec::new();
    let mut add = |what: &str, value: &Value| lines.push(format!("{what} {value}"));
    for mut link in list(&["address"]) {
        let addresses = link.as_object_mut().unwrap().remove("addr_info").unwrap_or_default();
        add("link", &plain_link(&link));
        for mut address in addresses.as_array().cloned().unwrap_or_default() {
            let of_kernel = address["scope"] == "link" && address["family"] == "inet6";
            ["tentative", "dadfailed", "protocol"].into_iter().for_each(|volatile| drop(address.as_object_mut().unwrap().remove(volatile)));
            if !of_kernel {
                add(&format!("address of {}", link["ifindex"]), &address);
            }
        }
    }
    for family in ["-4", "-6"] {
        for mut route in list(&[family, "route", "show", "table", "all"]) {
            route.as_object_mut().unwrap().remove("flags");
            if !["kernel", "ra"].iter().any(|proto| route["protocol"] == **proto) {
                add("route", &route);
            }
        }
        list(&[family, "rule"]).iter().for_each(|rule| add("rule", rule));
    }
    list(&["neighbour", "show", "nud", "permanent"]).iter().for_each(|neighbour| add("neighbour", neighbour));
    lines.sort();
    lines
}

/// Gives what tc(8) shows of all devices, without what it counts and without how many there are that use it.
pub(crate) fn queues() -> Vec<String> {
    let plain = |line: &str| {
        let (mut words, mut kept) = (line.split_whitespace(), Vec::new());
        while let Some(word) = words.next() {
            match ["refcnt", "direct_packets_stat"].contains(&word) {
                true => drop(words.next()),
                false => kept.push(word),
            }
        }
        kept.join(" ")
    };
    let mut lines: Vec<String> = tool("tc", &["-d", "qdisc", "show"], "").lines().map(plain).collect();
    let devices: Vec<String> = lines.iter().filter_map(|line| Some(line.split_once(" dev ")?.1.split(' ').next()?.to_owned())).collect();
    // Only where somebody has set a qdisc, something can be in it.
    let set = |device: &&String| lines.iter().any(|line| line.contains(&format!(" dev {device} ")) && !line.contains(" 0: dev "));
    let mut more = Vec::new();
    for device in devices.iter().filter(set).collect::<BTreeSet<_>>() {
        let classes = tool("tc", &["-d", "class", "show", "dev", device], "");
        more.extend(classes.lines().map(|line| format!("{device}: {}", plain(line))));
        let of_classes = classes.lines().filter_map(|line| line.split_whitespace().nth(2).map(str::to_owned));
        let on_it = lines.iter().filter(|line| line.contains(&format!(" dev {device} ")));
        let of_qdiscs = on_it.filter_map(|line| line.split_whitespace().nth(2).filter(|handle| *handle != "0:").map(str::to_owned));
        let parents = of_qdiscs.chain(of_classes).chain(["ffff:fff2", "ffff:fff3"].map(str::to_owned));
        more.extend(parents.collect::<BTreeSet<_>>().iter().flat_map(|parent| filters(device, parent)));
    }
    lines.extend(more);
    // What no filter uses any more may still be there for a moment; what was made on its own is.
    let shared = tool("tc", &["actions", "list", "action", "mirred"], "");
    let pairs = shared.lines().filter(|line| line.contains("action order")).zip(shared.lines().filter(|line| line.contains("index ")));
    let alone = pairs.filter(|(_, index)| index.contains("bind 0"));
    lines.extend(alone.map(|(what, index)| format!("{} {}", what.split_once(": ").unwrap().1.trim(), index.trim())));
    lines.sort();
    lines
}

/// Gives what tc(8) shows of the filters that a qdisc or a class asks, one a line, without the numbers that the kernel chooses: of the first table of a
/// priority, and of actions.
fn filters(device: &str, parent: &str) -> Vec<String> {
    let shown = tool("tc", &["-d", "filter", "show", "dev", device, "parent", parent], "");
    let plain = |word: &str| match word.trim_end_matches(':').split(':').next().and_then(|table| u32::from_str_radix(table, 16).ok()) {
        Some(0x800..) if word.len() >= 3 && word.starts_with('8') => format!("first{}", &word[3..]),
        _ => word.to_owned(),
    };
    let mut found: Vec<String> = Vec::new();
    for line in shown.lines() {
        let line_words: Vec<&str> = line.split_whitespace().collect();
        let is_number = |at: usize| at > 0 && line_words[at - 1] == "index";
        let words = line_words.iter().enumerate().map(|(at, word)| if is_number(at) { "some".to_owned() } else { plain(word) });
        // Which is told from the second look on.
        let words = words.collect::<Vec<_>>().join(" ").replace("used_hw_stats disabled", "");
        let words = words.trim();
        match found.last_mut() {
            _ if words.is_empty() => {}
            Some(last) if !line.starts_with("filter ") => last.push_str(&format!(" {words}")),
            _ => found.push(format!("{device} {parent}: {words}")),
        }
    }
    found
}

/// Gives the namespaces that have names, each with its inode, and those that fyke keeps aside.
pub(crate) fn namespaces() -> Vec<String> {
    use std::os::unix::fs::MetadataExt;
    let number = |path: &std::path::Path| match fs::metadata(path).unwrap() {
        half if half.mode() & 0o777 == 0 => "half made".to_owned(),
        about => about.ino().to_string(),
    };
    let files = |folder: &str| fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let mut found = [files("/run/netns"), files("/run/fyke/netns")].concat();
    found.sort();
    found.iter().map(|path| format!("{} {}", path.display(), number(path))).collect()
}

/// Gives what `ipset save` writes, sorted, without what changes by itself: seeds and sizes of hashes, and the time that is left.
pub(crate) fn sets() -> Vec<String> {
    let moving = |word: &str, of: &str| match word {
        "initval" | "hashsize" | "bucketsize" => true,
        "timeout" | "packets" | "bytes" => of == "add",
        _ => false,
    };
    let plain = |line: &str| {
        let (mut words, mut kept) = (line.split(' '), Vec::new());
        while let Some(word) = words.next() {
            match moving(word, kept.first().copied().unwrap_or_default()) {
                true => drop(words.next()),
                false => kept.push(word),
            }
        }
        kept.join(" ")
    };
    let mut lines: Vec<String> = tool("ipset", &["save"], "").lines().map(plain).collect();
    lines.sort();
    lines
}

/// Gives the parameters of this namespace that do not change by themselves, by their paths.
pub(crate) fn sysctls() -> BTreeMap<String, String> {
    let folders = |version: &str| [format!("/proc/sys/net/{version}"), format!("/proc/sys/net/{version}/conf/*")];
    let globs = ["ipv4", "ipv6"].into_iter().flat_map(folders);
    let interfaces = |folder: String| match folder.strip_suffix("/*") {
        Some(parent) => fs::read_dir(parent).into_iter().flatten().map(|entry| entry.unwrap().path()).collect(),
        None => vec![folder.into()],
    };
    let files = globs.flat_map(interfaces).flat_map(|folder| fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()));
    let value = |path: std::path::PathBuf| Some((path.to_str()?.to_owned(), fs::read_to_string(&path).ok()?.trim_end().to_owned()));
    files.filter_map(value).collect()
}

/// Leaves of a link what somebody can set.
fn plain_link(link: &Value) -> Value {
    let mut plain = serde_json::Map::new();
    for key in ["ifindex", "ifname", "link", "link_index", "mtu", "master", "txqlen", "address", "ifalias", "promiscuity"] {
        link.get(key).into_iter().for_each(|value| drop(plain.insert(key.to_owned(), value.clone())));
    }
    let chosen = ["UP", "NOARP", "PROMISC", "MULTICAST", "ALLMULTI"];
    let flags = link["flags"].as_array().into_iter().flatten().filter(|flag| chosen.iter().any(|chosen| **flag == **chosen));
    plain.insert("flags".into(), flags.cloned().collect());
    let moving = |key: &str| ["timer", "_id", "topology", "root", "fdb_n"].iter().any(|part| key.contains(part));
    let mut info = link["linkinfo"].clone();
    if let Some(data) = info.get_mut("info_data").and_then(Value::as_object_mut) {
        data.retain(|key, _| !moving(key) || key == "id");
    }
    info.as_object_mut().into_iter().for_each(|info| drop(info.remove("info_slave_data")));
    plain.insert("linkinfo".into(), info);
    Value::Object(plain)
}
