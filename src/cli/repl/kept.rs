//! What was typed, for the case that the process does not live to the end of the session.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::save::ended;
use super::steps::{Step, Steps};
use crate::cli::show::Screen;
use crate::kernel::{files, state};

/// How many files of earlier sessions are kept.
const MOST: usize = 20;

/// How long a file of an earlier session is kept.
const LONGEST: Duration = Duration::from_hours(30 * 24);

/// A file with the statements that were done so far; nobody but the user reads it.
#[derive(Debug, Default)]
pub(super) struct Kept(Option<PathBuf>);

impl Kept {
    /// Gives the file of this session, and removes those that nobody will go on from. Where there is no place for it, nothing is kept.
    pub(super) fn new() -> Self {
        let Ok(folder) = state::make_of_user() else { return Self::default() };
        prune(&folder);
        let pid = std::process::id();
        let first = folder.join(format!("repl-{pid}.rhai"));
        // An earlier process of this number may have left one.
        let later = (2..=MOST).map(|n| folder.join(format!("repl-{pid}-{n}.rhai")));
        Self(std::iter::once(first).chain(later).find(|path| !files::exists(path)))
    }

    /// Keeps the last statement that was done. That it cannot be kept is no reason not to go on.
    pub(super) fn add(&self, steps: &Steps) {
        let (Some(path), Some(step)) = (&self.0, steps.all().last().filter(|step| step.counts())) else { return };
        let text = line(step);
        let _ = if files::exists(path) { files::append(path, text.as_bytes()) } else { files::write_new(path, text.as_bytes()) };
    }

    /// Keeps those that are still to be done again, when some were lifted.
    pub(super) fn again(&self, steps: &Steps) {
        if let Some(path) = self.0.as_deref().filter(|path| files::exists(path)) {
            let text: String = steps.all().iter().filter(|step| step.counts()).map(line).collect();
            let _ = files::write(path, text.as_bytes());
        }
    }

    /// Removes the file: somebody leaves, and has no need of it.
    pub(super) fn remove(&self) {
        self.0.as_deref().into_iter().for_each(files::remove);
    }

    /// Tells whether the file is there.
    pub(super) fn is_left(&self) -> bool {
        self.0.as_deref().is_some_and(files::exists)
    }

    /// Says what became of a session that nobody has left.
    pub(super) fn tell(&self, screen: &Screen, lifted: bool) {
        let lifted = lifted.then(|| "all that was in force is lifted".to_owned());
        let path = self.0.as_ref().filter(|path| files::exists(path));
        let kept = path.map(|path| format!("what was typed is kept; to do it again: :load {}", path.display()));
        let news: Vec<String> = lifted.into_iter().chain(kept).collect();
        if !news.is_empty() {
            screen.note(&news.join("; "));
        }
    }
}

fn line(step: &Step) -> String {
    format!("{}\n", ended(&step.text))
}

/// Removes files of sessions that ended long ago.
fn prune(folder: &Path) {
    let names = files::names(folder, "repl-").into_iter();
    let ended = names.filter(|name| process_of(name).is_some_and(|pid| !files::exists(&Path::new("/proc").join(pid))));
    let ages = ended.filter_map(|name| files::age(&folder.join(&name)).map(|age| (age, name))).collect();
    stale(ages).iter().for_each(|name| files::remove(&folder.join(name)));
}

/// Tells which process a file is of; nothing if it is none of ours.
fn process_of(name: &str) -> Option<&str> {
    let numbers = name.strip_prefix("repl-")?.strip_suffix(".rhai")?;
    let (pid, n) = numbers.split_once('-').unwrap_or((numbers, "2"));
    [pid, n].iter().all(|number| number.parse::<u32>().is_ok()).then_some(pid)
}

/// Picks the files that are too old, or too many.
fn stale(mut files: Vec<(Duration, String)>) -> Vec<String> {
    files.sort();
    let old = |(at, (age, name)): (usize, (Duration, String))| (at >= MOST || age > LONGEST).then_some(name);
    files.into_iter().enumerate().filter_map(old).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_and_old_goes() {
        assert_eq!((process_of("repl-12.rhai"), process_of("repl-12-3.rhai")), (Some("12"), Some("12")));
        for other in ["repl-.rhai", "repl-12", "repl-mine.rhai", "repl-1-2-3.rhai", "repl-12-.rhai", "prompt-history"] {
            assert_eq!(process_of(other), None, "{other}");
        }
        let hours = |hours: u64| (Duration::from_hours(hours), hours.to_string());
        assert_eq!(stale(vec![hours(721), hours(719), hours(1)]), ["721"]);
        assert_eq!(stale((0..22).rev().map(hours).collect()), ["20", "21"]);
    }
}
