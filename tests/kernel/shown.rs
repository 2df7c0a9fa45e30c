//! What there is in a world, as other programs show it.

use std::collections::BTreeSet;
use std::fs;

use super::world::tool;

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
    }
    lines.extend(more);
    lines.sort();
    lines
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
