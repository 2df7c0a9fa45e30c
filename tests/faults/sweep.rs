//! One world, one recipe, and the two states between which nothing may lie.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::time::Instant;

use super::rooms::Room;
use super::tracer::{self, Deed, Entry, Point, Trace};
use crate::kernel::world::{Backend, World, chains, destroy_sets, plain, sets, sysctls, tool};
use crate::program::Said;

/// The tables that are swept with nothing in them. The others of legacy iptables stay unregistered.
const EMPTY: &str = "\
*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT
*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT
*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT
";

/// What other programs have as sets.
const SETS: &str = "\
create foreign hash:net comment
add foreign 10.0.0.0/8 comment \"a rest\"
add foreign 192.0.2.0/24
create other hash:net comment
add other 198.51.100.0/24
create spare hash:ip timeout 0
add spare 192.0.2.9
";

/// Ports that other programs have reserved.
const RESERVED: (&str, &str) = ("/proc/sys/net/ipv4/ip_local_reserved_ports", "7000-7002");

/// A state, as text: equal texts are equal states.
pub(crate) type State = String;

/// A recipe in a world.
pub(crate) struct Stage<'a> {
    world: &'a World,
    /// The recipe.
    pub(crate) room: &'a Room,
    run: Vec<String>,
    /// The state before the recipe.
    pub(crate) before: State,
    /// The state after it, when nothing disturbs it.
    pub(crate) after: State,
}

impl<'a> Stage<'a> {
    /// Sets what others had set before, and looks once at what the recipe makes of it.
    ///
    /// Gives nothing, and says why, where programs cannot be traced.
    pub(crate) fn new(world: &'a World, room: &'a Room) -> Option<Self> {
        if let Some(why) = tracer::why_not(world) {
            println!("skipped: {why}");
            return None;
        }
        let own = || room.own().split(' ').map(str::to_owned).collect();
        let recipe: Vec<String> = room.text().map_or_else(own, |text| vec![world.recipe(room.name, text)]);
        let run = [vec!["run".to_owned()], recipe].concat();
        let mut stage = Self { world, room, run, before: String::new(), after: String::new() };
        let _ = fs::remove_dir_all("/run/fyke");
        stage.wipe();
        stage.set();
        stage.before = stage.state();
        let said = world.fyke(&stage.run());
        assert_eq!(said.code, Some(room.code), "{said:?}");
        stage.after = stage.state();
        stage.reset();
        Some(stage)
    }

    /// Gives the words that run the recipe.
    pub(crate) fn run(&self) -> Vec<&str> {
        self.run.iter().map(String::as_str).collect()
    }

    /// Runs fyke, and does one thing at one of its calls.
    pub(crate) fn trace(&self, words: &[&str], deed: Option<(Point, Deed)>) -> Trace {
        tracer::trace(&self.world.folder, self.world.command(words), deed)
    }

    /// Runs fyke, and shows all of its calls.
    pub(crate) fn watch(&self, words: &[&str], see: &mut dyn FnMut(&Entry)) -> Trace {
        tracer::watch(&self.world.folder, self.world.command(words), None, see)
    }

    /// Runs fyke undisturbed.
    pub(crate) fn fyke(&self, words: &[&str]) -> Said {
        self.world.fyke(words)
    }

    /// Takes out everything, whoever set it.
    pub(crate) fn wipe(&self) {
        self.wipe_rules();
        destroy_sets(&[]);
        fs::write(RESERVED.0, "\n").unwrap();
    }

    fn wipe_rules(&self) {
        if self.world.backend == Backend::Nft {
            return self.world.wipe();
        }
        for program in ["iptables", "ip6tables"] {
            tool(&format!("{program}-legacy-restore"), &[], EMPTY);
        }
    }

    fn set(&self) {
        tool("ipset", &["restore"], SETS);
        fs::write(RESERVED.0, RESERVED.1).unwrap();
        for program in ["iptables", "ip6tables"] {
            tool(&format!("{program}-{}-restore", self.world.backend.name()), &[], self.room.before);
        }
    }

    /// Puts the world back to where the recipe has not been run.
    pub(crate) fn reset(&self) {
        let _ = fs::remove_dir_all("/run/fyke");
        if self.state() != self.before {
            self.wipe();
            self.set();
            // What others follow comes first.
            let lines = || self.before.lines().filter_map(|line| line.split_once(" = ").filter(|(path, _)| path.starts_with("/proc/sys/")));
            let leads = |path: &str| path.ends_with("ip_forward") || path.contains("/all/");
            let ordered = lines().filter(|(path, _)| leads(path)).chain(lines().filter(|(path, _)| !leads(path)));
            ordered
                .filter(|(path, value)| fs::read_to_string(path).is_ok_and(|now| now.trim_end() != *value))
                .for_each(|(path, value)| fs::write(path, value).unwrap());
            assert_eq!(self.state(), self.before);
        }
    }

    /// Judges a state: whether all was done, or else nothing.
    pub(crate) fn judge(&self) -> Result<bool, String> {
        match self.state() {
            state if state == self.before => Ok(false),
            state if state == self.after => Ok(true),
            state => {
                let (before, after) = (difference(&self.before, &state), difference(&self.after, &state));
                let (near, how) = if before.len() < after.len() { ("before", before) } else { ("after", after) };
                Err(format!("neither; what is other than {near}: {how}"))
            }
        }
    }

    /// Gives the present state of the backend.
    pub(crate) fn state(&self) -> State {
        let backend = self.world.backend.name();
        let mut state: Vec<String> =
            ["iptables", "ip6tables"].map(|program| plain(&tool(&format!("{program}-{backend}-save"), &[], ""))).into();
        if self.world.backend == Backend::Nft {
            state.extend(chains(&tool("nft", &["-s", "list", "ruleset"], "")));
        }
        let lists = fs::read_dir("/proc/thread-self/net/xt_recent").into_iter().flatten();
        state.extend(lists.map(|list| list.unwrap().file_name().into_string().unwrap()).collect::<BTreeSet<_>>());
        state.extend(sysctls().into_iter().map(|(path, value)| format!("{path} = {value}")));
        state.extend(sets());
        without_run(&state.join("\n"))
    }
}

impl fmt::Display for Stage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.room.name, self.world.backend.name())
    }
}

/// Says which lines of a state are gone, and which are new; or only moved.
fn difference(before: &str, now: &str) -> String {
    let lines = |mark: char, of: &str, other: &str| -> Vec<String> {
        let missing = |line: &&str| other.lines().filter(|it| it == line).count() < of.lines().filter(|it| it == line).count();
        of.lines().filter(missing).map(|line| format!("{mark} {line}")).collect()
    };
    let changed = [lines('-', before, now), lines('+', now, before)].concat();
    if changed.is_empty() { format!("the same lines in another order:\n{now}") } else { format!("\n{}", changed.join("\n")) }
}

/// Takes id and number out of the tags: `fyke:name#id.1` becomes `fyke:name`. Equal rules of both families may be numbered in any order.
fn without_run(text: &str) -> String {
    let mut parts = text.split("\"fyke:");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (tag, rest) = part.split_once('"').unwrap();
        let owner = tag.rsplit_once('#').map_or(tag, |(owner, _)| owner);
        out.push_str(&format!("\"fyke:{owner}\"{rest}"));
    }
    out
}

/// What came of many disturbances.
pub(crate) struct Tally {
    what: String,
    began: Instant,
    tried: usize,
    before: usize,
    after: usize,
    unmet: usize,
    wrong: Vec<String>,
}

impl Tally {
    /// Begins to count.
    pub(crate) fn of(what: String) -> Self {
        Self { what, began: Instant::now(), tried: 0, before: 0, after: 0, unmet: 0, wrong: Vec::new() }
    }

    /// Counts one.
    pub(crate) fn count(&mut self, trace: &Trace, verdict: Result<bool, String>) {
        let Some(hit) = trace.hit else {
            self.unmet += 1;
            return;
        };
        self.tried += 1;
        match verdict {
            _ if trace.hung => self.wrong.push(format!("{hit}: it hung: {:?}", trace.said)),
            Ok(false) => self.before += 1,
            Ok(true) => self.after += 1,
            Err(why) => self.wrong.push(format!("{hit}: {why}")),
        }
    }

    /// Says what came of it, and fails if anything was wrong.
    pub(crate) fn close(self) {
        println!("{self}");
        assert!(self.wrong.is_empty(), "{}:\n{}", self.what, self.wrong.join("\n"));
        // Two runs differ by a few calls: locks that are waited for, threads that meet. A few calls say nothing of that.
        let met = self.tried > 0 && (self.tried < 20 || self.unmet * 5 <= self.tried);
        assert!(met, "{self}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { what, tried, before, after, unmet, wrong, began } = self;
        let each = began.elapsed().as_millis() / (*tried).max(1) as u128;
        write!(f, "{what}: {tried}: before {before}, after {after}, neither {}; {each} ms each", wrong.len())?;
        if *unmet > 0 { write!(f, " ({unmet} calls were not made again)") } else { Ok(()) }
    }
}

/// Tells whether all is swept, and not a sample.
pub(crate) fn full() -> bool {
    std::env::var_os("FYKE_FAULTS").is_some_and(|word| word == "full")
}

/// Takes a sample, or all when all is to be swept; `FYKE_FAULTS=5` takes a sample that is five times as large.
pub(crate) fn some<T: Copy>(all: Vec<T>, most: usize) -> Vec<T> {
    let times = std::env::var("FYKE_FAULTS").ok().and_then(|word| word.parse().ok()).unwrap_or(1);
    if full() { all } else { sample(all, most * times) }
}

/// Takes a sample that is spread evenly from the first to the last, and the same each time.
pub(crate) fn sample<T: Copy>(all: Vec<T>, most: usize) -> Vec<T> {
    let last = all.len().saturating_sub(1);
    if last < most { all } else { (0..most).map(|number| all[number * last / (most - 1)]).collect() }
}
