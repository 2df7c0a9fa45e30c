//! The lists of the `recent` match of the network namespace in which fyke runs: /proc/net/xt_recent, see iptables-extensions(8).

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;

use nix::time::{ClockId, clock_getres, clock_gettime};

use super::recent::{Edit, Recent, Source};
use crate::model::{Fault, Kind};

/// The lists of the network namespace of the calling thread; /proc/net itself is the namespace of the process.
const LISTS: &str = "/proc/thread-self/net/xt_recent";
/// The longest name that the match takes (XT_RECENT_NAME_LEN with its NUL).
const NAME: usize = 199;

/// The lists of the `recent` match.
#[derive(Clone, Copy, Debug, Default)]
pub struct XtRecent;

impl Recent for XtRecent {
    fn lists(&mut self) -> Result<Vec<String>, Fault> {
        let entries = match fs::read_dir(LISTS) {
            Ok(entries) => entries,
            // Without the module nothing is remembered.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Fault::new(Kind::System, "list the recent lists", error.to_string())),
        };
        let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }

    fn read(&mut self, list: &str) -> Result<Vec<Source>, Fault> {
        let tried = || format!("read the recent list {list:?}");
        let text = fs::read_to_string(path(list)?).map_err(|error| self.fault(tried(), list, &error))?;
        let clock = Clock::read();
        let damaged = |line: &str| Fault::new(Kind::System, tried(), format!("the line {line:?} is not understood"));
        text.lines().map(|line| source(line, clock).ok_or_else(|| damaged(line))).collect()
    }

    fn edit(&mut self, list: &str, edit: &Edit) -> Result<(), Fault> {
        let (tried, order) = match edit {
            Edit::Add(address) => (format!("add {address} to the recent list {list:?}"), format!("+{address}\n")),
            Edit::Remove(address) => (format!("remove {address} from the recent list {list:?}"), format!("-{address}\n")),
            Edit::Clear => (format!("clear the recent list {list:?}"), "/\n".to_owned()),
        };
        // In one write and without O_CREAT: a list is made by a rule, not by a file.
        let mut file = File::options().write(true).open(path(list)?).map_err(|error| self.fault(tried.clone(), list, &error))?;
        file.write_all(order.as_bytes()).map_err(|error| self.fault(tried, list, &error))
    }
}

impl XtRecent {
    fn fault(&mut self, tried: String, list: &str, error: &std::io::Error) -> Fault {
        let kind = match error.kind() {
            ErrorKind::NotFound => {
                let fault = Fault::new(Kind::NotFound, tried, format!("no rule with `-m recent --name {list}` is there"));
                let names = self.lists().unwrap_or_default();
                return if names.is_empty() { fault } else { fault.hint(format!("the lists are {}", names.join(", "))) };
            }
            ErrorKind::PermissionDenied => Kind::Permission,
            _ => Kind::System,
        };
        Fault::new(kind, tried, error.to_string())
    }
}

/// Gives the file of a list, and nothing but a file in the folder of the lists.
fn path(list: &str) -> Result<String, Fault> {
    let refuse = |why: String| Err(Fault::input(format!("use {list:?} as the name of a recent list"), why));
    match list {
        "" => refuse("it is empty".into()),
        "." | ".." => refuse("that is a folder".into()),
        _ if list.len() > NAME => refuse(format!("it has {} bytes, and {NAME} is the most", list.len())),
        _ if list.contains('/') => refuse("a '/' cannot stand in it".into()),
        _ if list.contains(char::is_control) => refuse("a control character cannot stand in it".into()),
        _ => Ok(format!("{LISTS}/{list}")),
    }
}

/// Reads `src=192.0.2.2 ttl: 64 last_seen: 4294920139 oldest_pkt: 3 4294920139, 4294920140`. The times are a ring, in no order.
fn source(line: &str, clock: Clock) -> Option<Source> {
    let (address, rest) = line.strip_prefix("src=")?.split_once(" ttl: ")?;
    let (ttl, rest) = rest.split_once(" last_seen: ")?;
    let (_, rest) = rest.split_once(" oldest_pkt: ")?;
    let stamps = rest.split_once(' ').map_or("", |(_, stamps)| stamps);
    let mut stamps = stamps.split(", ").map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
    stamps.sort_unstable_by(|a, b| b.cmp(a));
    let address: IpAddr = address.parse().ok()?;
    Some(Source { address, ttl: ttl.parse().ok()?, seen: stamps.into_iter().map(|stamp| clock.since(stamp)).collect() })
}

/// The clock of the kernel's ticks, in which the match remembers.
#[derive(Clone, Copy, Debug)]
struct Clock {
    now: f64,
    hertz: f64,
}

impl Clock {
    /// Reads the clock. Root is told the number of ticks; for others it is worked out from the time since boot, right to about a second,
    /// because the ticks begin when the boot is under way.
    fn read() -> Self {
        let seconds = |time: nix::Result<nix::sys::time::TimeSpec>| time.map_or(0.0, |time| std::time::Duration::from(time).as_secs_f64());
        // A coarse clock moves with the ticks, so that its resolution is their distance.
        let resolution = seconds(clock_getres(ClockId::CLOCK_MONOTONIC_COARSE));
        let hertz = if resolution > 0.0 { (1.0 / resolution).round() } else { 100.0 };
        // The kernel lets its ticks begin 300 s before the 32nd bit overflows (INITIAL_JIFFIES), so that such overflows are met early.
        let since_boot = || 4_294_967_296.0 + (seconds(clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)) - 300.0) * hertz;
        Self { now: Self::ticks().unwrap_or_else(since_boot), hertz }
    }

    /// Finds the number of ticks in /proc/timer_list.
    fn ticks() -> Option<f64> {
        const HEAD: u64 = 1 << 20;
        let mut text = String::new();
        File::open("/proc/timer_list").ok()?.take(HEAD).read_to_string(&mut text).ok()?;
        text.lines().find_map(|line| line.strip_prefix("jiffies: ")?.trim().parse().ok())
    }

    /// Tells how many seconds ago a tick was.
    fn since(self, tick: u64) -> f64 {
        ((self.now - tick as f64) / self.hertz).max(0.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::*;
    use crate::kernel::netns::Netns;

    #[test]
    fn a_line_of_the_list_is_read() {
        let clock = Clock { now: 1000.0, hertz: 100.0 };
        let read = source("src=192.0.2.2 ttl: 64 last_seen: 900 oldest_pkt: 1 900, 700, 800", clock).unwrap();
        assert_eq!(read, Source { address: "192.0.2.2".parse().unwrap(), ttl: 64, seen: vec![1.0, 2.0, 3.0] });
        let six = source("src=fe80:0000:0000:0000:0000:0000:0000:0001 ttl: 0 last_seen: 1100 oldest_pkt: 1 1100", clock).unwrap();
        assert_eq!((six.address, six.seen), ("fe80::1".parse().unwrap(), vec![0.0]));
        assert!(source("src=192.0.2.2 ttl: x", clock).is_none());
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        for name in ["", ".", "..", "../ip_tables_names", "a/b", "a\nb", &"x".repeat(200)] {
            assert_eq!(XtRecent.read(name).unwrap_err().kind, Kind::Input, "{name:?}");
        }
    }

    #[test]
    fn sources_are_added_read_removed_and_cleared() {
        let Ok(netns) = Netns::create() else {
            println!("skipped: no network namespace may be made here (not root)");
            return;
        };
        let work = || {
            let rule = ["-A", "INPUT", "-m", "recent", "--name", "seen", "--set"];
            assert!(Command::new("iptables-nft").args(rule).status().unwrap().success());
            let [first, second] = ["192.0.2.1", "2001:db8::1"].map(|address| address.parse().unwrap());
            XtRecent.edit("seen", &Edit::Add(first))?;
            std::thread::sleep(Duration::from_millis(300));
            XtRecent.edit("seen", &Edit::Add(first))?;
            XtRecent.edit("seen", &Edit::Add(second))?;
            assert_eq!((XtRecent.lists()?, XtRecent.read("seen")?.len()), (vec!["seen".into()], 2));
            let read = XtRecent.read("seen")?.into_iter().find(|source| source.address == first).unwrap();
            // Exact where /proc/timer_list can be read, right to about a second elsewhere.
            let [last, before] = read.seen[..] else { panic!("{read:?}") };
            assert!(last < 1.5 && (0.25..0.6).contains(&(before - last)), "{read:?}");
            XtRecent.edit("seen", &Edit::Remove(first))?;
            assert_eq!(XtRecent.read("seen")?.iter().map(|source| source.address).collect::<Vec<_>>(), [second]);
            XtRecent.edit("seen", &Edit::Clear)?;
            assert_eq!(XtRecent.read("seen")?, []);
            let missing = XtRecent.read("sen").unwrap_err();
            assert_eq!((missing.kind, missing.hint.as_deref()), (Kind::NotFound, Some("the lists are seen")));
            Ok(())
        };
        netns.run(work).unwrap();
    }
}
