//! Namespaces by their cookies: found again wherever they are, and kept alive as long as this process needs them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::names::aside;
use super::{NAMED, Netns, OWN};
use crate::kernel::files;
use crate::model::Fault;
use crate::model::netns::{Name, Site, Word};

/// The namespaces that this process has found or made: neither a lost name nor the end of a process takes them away.
static HELD: Mutex<BTreeMap<u64, Arc<Netns>>> = Mutex::new(BTreeMap::new());

fn held() -> MutexGuard<'static, BTreeMap<u64, Arc<Netns>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps a namespace alive, and gives its cookie.
pub fn hold(netns: Netns) -> Result<u64, Fault> {
    let cookie = netns.cookie()?;
    held().insert(cookie, Arc::new(netns));
    Ok(cookie)
}

/// Lets go of a namespace.
pub fn release(cookie: u64) {
    held().remove(&cookie);
}

/// Tells whether this process keeps a namespace alive.
pub fn is_held(cookie: u64) -> bool {
    held().contains_key(&cookie)
}

/// Finds the namespace that somebody means, and keeps it alive.
pub fn find(word: &Word) -> Result<Site, Fault> {
    let home = match word {
        Word::Path(path) => files::absolute(Path::new(path)),
        other => other.to_string(),
    };
    hold(Netns::of(word)?).map(|cookie| Site::new(cookie, home))
}

/// Finds a namespace by its cookie, where it was, or else wherever it is by now; none where it is gone.
pub fn seek(site: &Site) -> Option<Arc<Netns>> {
    if let Some(netns) = held().get(&site.namespace) {
        return Some(netns.clone());
    }
    let mut seen = BTreeSet::new();
    let likely = [home(&site.home), aside(site.namespace).ok(), Some(OWN.into())].into_iter().flatten();
    let found = likely.chain(named()).chain(of_processes()).find_map(|path| is_it(&path, site.namespace, &mut seen))?;
    let netns = Arc::new(found);
    held().insert(site.namespace, netns.clone());
    Some(netns)
}

/// Opens a file if it is that of the namespace; those of a namespace that was looked at already are not opened again.
fn is_it(path: &Path, cookie: u64, seen: &mut BTreeSet<(u64, u64)>) -> Option<Netns> {
    let netns = Netns::at(path).ok()?;
    let is_new = netns.file_number().is_some_and(|number| seen.insert(number));
    (is_new && netns.cookie().is_ok_and(|found| found == cookie)).then_some(netns)
}

/// Gives the file of a namespace by what the journal has as its home.
fn home(home: &str) -> Option<PathBuf> {
    match home {
        "host" => Some("/proc/1/ns/net".into()),
        _ if home.contains('/') => Some(home.into()),
        _ => match home.strip_prefix("pid:") {
            Some(pid) => Some(format!("/proc/{}/ns/net", pid.parse::<u32>().ok()?).into()),
            None => Some(Path::new(NAMED).join(home.parse::<Name>().ok()?.as_str())),
        },
    }
}

/// Gives the namespaces that have a name, and those in which processes are, each with how it is found.
pub fn all() -> impl Iterator<Item = (String, Netns)> {
    let of_names = named().filter_map(|path| Some((path.file_name()?.to_str()?.parse::<Name>().ok()?, path)));
    let names = of_names.map(|(name, path)| (Site::named(0, &name).home, path));
    names
        .chain(of_processes().map(|path| (path.display().to_string(), path)))
        .filter_map(|(home, path)| Some((home, Netns::at(&path).ok()?)))
}

fn named() -> impl Iterator<Item = PathBuf> {
    fs::read_dir(NAMED).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// Gives the files of the namespaces in which processes are, one for each namespace.
fn of_processes() -> impl Iterator<Item = PathBuf> {
    let mut seen = BTreeSet::new();
    processes().filter(move |(_, number)| seen.insert(*number)).map(|(pid, _)| PathBuf::from(format!("/proc/{pid}/ns/net")))
}

/// Lists the processes, each with what tells its namespace apart from others, as far as this user may see.
pub(super) fn processes() -> impl Iterator<Item = (u32, (u64, u64))> {
    use std::os::unix::fs::MetadataExt;
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| fs::metadata(format!("/proc/{pid}/ns/net")).ok().map(|about| (pid, (about.dev(), about.ino()))))
}
