//! `fyke fetch`: all packages that the lock names, onto this machine.

use serde_json::json;

use super::args::Fetch;
use super::packages::{ask, difference, json};
use super::show::Screen;
use crate::host::package::Project;
use crate::host::package::fetch::{Fetcher, Fresh, fetch};
use crate::model::Fault;

/// Gets what is missing, and checks the rest; writes the lock where it may.
pub(crate) fn run(screen: &Screen, words: &Fetch) -> Result<u8, Fault> {
    let project = Project::present()?;
    let before = project.lock_if_there()?;
    let fits = before.is_some_and(|lock| lock.misfit(&project.manifest).is_none());
    let lock = match before {
        Some(lock) if fits => lock.clone(),
        _ if words.locked || words.frozen => return project.lock().map(|_| 0),
        before => {
            let news = |line: &str| screen.note(line);
            let lock = Fetcher::new(&project, Fresh::New, &news)?.resolve(&project.manifest)?;
            // With a lock, what is in it was seen; what comes in beside it is shown first.
            let asked = ask(screen, before, &lock, &project, false)?;
            if before.is_some() {
                asked.or_stop("bring fyke.lock up to date").map_err(|fault| fault.hint("`fyke update --grant` shows and grants it"))?;
            }
            project.write(&project.text, &lock)?;
            asked.remind(screen);
            difference(before, &lock).iter().for_each(|line| screen.note(line));
            lock
        }
    };
    let got = fetch(&project, &lock, words.frozen, &|line| screen.note(line))?;
    if screen.json {
        let packages: Vec<_> = lock.packages.values().map(json).collect();
        return screen.document(&json!({ "fetched": got, "packages": packages, "exit": 0 })).map(|()| 0);
    }
    let all = lock.packages.len();
    screen.print(&format!("{all} package{}, {got} fetched, all as fyke.lock says\n", if all == 1 { "" } else { "s" }))?;
    Ok(0)
}
