//! What a rule in the tool's own words may not hold: what belongs to fyke, and what would not mean what it says.

use std::borrow::Cow;
use std::net::IpAddr;

use super::Words;
use crate::model::net::{InterfaceMatch, Ports, Prefix};
use crate::model::{Family, Fault};

/// Short options of iptables(8) that are fyke's: verbs, table, lock, listing, the program that loads modules.
const SHORT: &str = "ADCIRLSFZNXPEtwWMcvnxhV46";

/// The long ones.
const LONG: &[&str] = &[
    "append",
    "delete",
    "check",
    "insert",
    "replace",
    "list",
    "list-rules",
    "flush",
    "zero",
    "new-chain",
    "delete-chain",
    "rename-chain",
    "policy",
    "table",
    "wait",
    "wait-interval",
    "modprobe",
    "set-counters",
    "verbose",
    "numeric",
    "exact",
    "line-numbers",
    "help",
    "version",
    "ipv4",
    "ipv6",
    "noflush",
    "counters",
    "test",
];

/// Long options of extensions that look like the beginning of one of those: `recent --set`, `policy --pol`.
const NOT_OURS: &[&str] = &["set", "pol"];

/// Options whose value is no range, whatever it looks like.
const NO_RANGES: &[&str] = &[
    "--comment",
    "--goto",
    "--hex-string",
    "--in-interface",
    "--jump",
    "--log-prefix",
    "--name",
    "--nflog-prefix",
    "--out-interface",
    "--string",
    "--timestart",
    "--timestop",
];

/// The options with addresses and interfaces, which getopt_long(3) takes abbreviated as well.
const CHECKED: &[&str] = &["--source", "--src", "--destination", "--dst", "--in-interface", "--out-interface"];

/// Checks a rule in the tool's own words, and tells its family if its addresses have one.
pub fn check(words: &Words) -> Result<Option<Family>, Fault> {
    let split: Vec<Cow<'_, str>> = words.iter().collect();
    let refuse = |why: String| Fault::input(format!("use the rule `{}`", words.as_str().escape_debug()), why);
    if split.len() > Words::MAX_WORDS {
        return Err(refuse(format!("it has {} words, and {} are the most", split.len(), Words::MAX_WORDS)));
    }
    let mut family = None;
    let mut option = "";
    for word in &split {
        if let Some(bad) = word.chars().find(|c| c.is_control()) {
            return Err(refuse(format!("it holds the control character {bad:?}"))
                .hint("iptables-save writes it out as it is, and a restore would read it as the end of the rule"));
        }
        if word.len() > Words::MAX_WORD {
            return Err(refuse(format!("a word has {} bytes, and {} are the most", word.len(), Words::MAX_WORD)));
        }
        if let Some(name) = ours(word) {
            return Err(refuse(format!("{name} is fyke's own"))
                .hint("verbs are functions, the table is `iptables::table(..)`, the lock is taken by fyke"));
        }
        let (of, text) = attached(word).unwrap_or((option, word));
        let of = CHECKED.iter().find(|full| of.len() > 2 && full.starts_with(of)).copied().unwrap_or(of);
        if text != "!"
            && let Some(found) = value(of, text).map_err(|fault| Fault { tried: refuse(String::new()).tried, ..fault })?
            && family.replace(found).is_some_and(|other| other != found)
        {
            return Err(refuse("it holds addresses of both families".into()));
        }
        option = word;
    }
    Ok(family)
}

/// Splits a word that holds an option and its value: `--source=192.0.2.1`, `-s192.0.2.1`.
fn attached(word: &str) -> Option<(&str, &str)> {
    match word.as_bytes() {
        [b'-', b'-', ..] => word.split_once('='),
        [b'-', b's' | b'd' | b'i' | b'o', _, ..] if word.is_char_boundary(2) => Some(word.split_at(2)),
        _ => None,
    }
}

/// Checks the value of an option, and tells its family if it is an address. Only `why` of the fault counts.
fn value(option: &str, text: &str) -> Result<Option<Family>, Fault> {
    let refuse = |why: String| Err(Fault::input("", why));
    let located = |fault: Fault| Fault { why: format!("{}: {}", fault.tried, fault.why), ..fault };
    match option {
        "-s" | "--source" | "--src" | "-d" | "--destination" | "--dst" => {
            return text.parse::<Prefix>().map(|prefix| Some(prefix.family())).map_err(located);
        }
        "-i" | "--in-interface" | "-o" | "--out-interface" => drop(text.parse::<InterfaceMatch>().map_err(located)?),
        "--dport" | "--sport" | "--destination-port" | "--source-port" | "--dports" | "--sports" | "--ports" => {
            let digits = |part: &&str| part.split(':').count() == 2 && part.bytes().all(|b| b.is_ascii_digit() || b == b':');
            for part in text.split(',').filter(digits).filter(|part| !part.starts_with(':') && !part.ends_with(':')) {
                part.parse::<Ports>().map_err(located)?;
            }
        }
        "--comment" if text.len() > 255 => return refuse(format!("the comment has {} bytes, and 255 are the most", text.len())),
        "--log-prefix" if text.len() > 29 => return refuse(format!("the log prefix has {} bytes, and 29 are the most", text.len())),
        _ if option.starts_with("--") && !NO_RANGES.contains(&option) && is_inverted(text) => {
            return refuse(format!("the range {text} is the wrong way round"));
        }
        _ => {}
    }
    Ok(None)
}

/// Tells whether a range of numbers or addresses is the wrong way round (`5:4`, `192.0.2.9-192.0.2.1`): the tool takes most of them, and no
/// packet ever matches.
fn is_inverted(word: &str) -> bool {
    let numbers = |(first, last): (&str, &str)| Some(first.parse::<u64>().ok()? > last.parse::<u64>().ok()?);
    let addresses = |(first, last): (&str, &str)| Some(first.parse::<IpAddr>().ok()? > last.parse::<IpAddr>().ok()?);
    word.split(',').any(|part| {
        let dashed = part.split_once('-');
        dashed.and_then(addresses).or_else(|| dashed.or_else(|| part.split_once(':')).and_then(numbers)).unwrap_or(false)
    })
}

/// Tells which of fyke's own options a word is, if any; getopt_long(3) takes abbreviations and clusters.
fn ours(word: &str) -> Option<&str> {
    if let Some(long) = word.strip_prefix("--") {
        let name = long.split('=').next().unwrap_or(long);
        let ours =
            LONG.contains(&name) || (name.len() >= 2 && !NOT_OURS.contains(&name) && LONG.iter().any(|option| option.starts_with(name)));
        return (ours && !name.is_empty()).then_some(word);
    }
    let first = word.strip_prefix('-')?.chars().next()?;
    let number = word[1..].bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (SHORT.contains(first) && !number).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(line: &str) -> Result<Option<Family>, Fault> {
        check(&Words::parse(line).unwrap())
    }

    #[test]
    fn ordinary_rules_pass() {
        for line in [
            "-p tcp --dport ssh -j DROP",
            "-m recent --set --name x",
            "-m policy --dir in --pol ipsec",
            "-p tcp -m multiport --dports 1:5,22",
            "! -i lo -m mark ! --mark 0x1/0xff",
            "-m length --length 5:",
            "-j TTL --ttl-set 1",
            "-m statistic --mode nth --every 3",
            "-m u32 --u32 0>>22&0x3C@4=1",
            "-j ACCEPT -m comment --comment '-5'",
            "-m time --timestart 22:00 --timestop 06:00 --datestart 2026-12-01",
            "-m comment --comment 5:4 -j 9-8",
            "-m iprange --src-range 192.0.2.1-192.0.2.9",
        ] {
            assert_eq!(verdict(line), Ok(None), "{line}");
        }
        assert_eq!(verdict("-s 1.2.3.4/8"), Ok(Some(Family::V4)));
        assert_eq!(verdict("! -d 2001:db8::/32"), Ok(Some(Family::V6)));
    }

    #[test]
    fn what_is_ours_or_dangerous_does_not() {
        for line in [
            "-t nat",
            "-tnat",
            "-A INPUT",
            "-D INPUT 1",
            "-F",
            "-w",
            "-w5",
            "-M /bin/sh",
            "--modprobe=/bin/sh",
            "--modprobe /bin/sh",
            "--modp x",
            "--set-counters 1 1",
            "-c 1 1",
            "--table nat",
            "--tab nat",
            "--wait",
            "-m comment --comment \"a\nb\"",
            "-j LOG --log-prefix \"a\u{1b}[2J\"",
            "-s host.example",
            "-s 1.2.3",
            "-s 1.2.3.4,1.2.3.5",
            "-s 1.2.3.4 -d ::1",
            "-i a/b",
            "-i eth0+x",
            "-o a234567890123456",
            "-p tcp --dport 22:21",
            "-p tcp -m multiport --dports 1,4:3",
            "-s '1.2.3.4 -j ACCEPT'",
            "-m length --length 5:4",
            "-m length --length=5:4",
            "-shost.example -j DROP",
            "--source=host.example",
            "--sourc host.example",
            "-ia/b",
            "--in-int a/b",
            "-m owner --uid-owner 5-4",
            "-m iprange ! --src-range 192.0.2.9-192.0.2.1",
            "-m iprange --dst-range 2001:db8::9-2001:db8::1",
            "-p tcp -j REDIRECT --to-ports 5-4",
        ] {
            assert!(verdict(line).is_err(), "{line}");
        }
        assert!(verdict(&format!("-m comment --comment {}", "x".repeat(256))).is_err());
        assert!(verdict(&format!("-j LOG --log-prefix {}", "x".repeat(30))).is_err());
    }
}
