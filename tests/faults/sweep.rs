//! One world, one recipe, and the two states between which nothing may lie.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::time::Instant;

use super::rooms::Room;
use super::tracer::{self, Call, Deed, Entry, Point, Trace};
use crate::kernel::world::{Backend, World, chains, plain, tool};

/// The tables that are swept with nothing in them. The others of legacy iptables stay unregistered.
const EMPTY: &str = "\
*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT
*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT
*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\nCOMMIT
";

/// A state, as text: equal texts are equal states.
pub(crate) type State = String;

/// A recipe in a world.
pub(crate) struct Stage<'a> {
    world: &'a World,
    room: &'a Room,
    run: Vec<String>,
    /// The state before the recipe.
    pub(crate) before: State,
    /// The state after it, when nothing disturbs it.
    pub(crate) after: State,
}

impl<'a> Stage<'a> {
    /// Sets what others had set before, and looks once at what the recipe makes of it.
    pub(crate) fn new(world: &'a World, room: &'a Room) -> Self {
        let recipe = room.text().map_or_else(|| room.own().to_owned(), |text| world.recipe(room.name, text));
        let run = vec!["run".to_owned(), recipe];
        let mut stage = Self { world, room, run, before: String::new(), after: String::new() };
        let _ = fs::remove_dir_all("/run/fyke");
        stage.wipe();
        stage.set();
        stage.before = stage.state();
        let said = world.fyke(&stage.run());
        assert_eq!(said.code, Some(room.code), "{said:?}");
        stage.after = stage.state();
        stage.reset();
        stage
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
    pub(crate) fn fyke(&self, words: &[&str]) -> crate::program::Said {
        self.world.fyke(words)
    }

    /// Takes out everything, whoever set it.
    pub(crate) fn wipe(&self) {
        if self.world.backend == Backend::Nft {
            return self.world.wipe();
        }
        for program in ["iptables", "ip6tables"] {
            tool(&format!("{program}-legacy-restore"), &[], EMPTY);
        }
    }

    fn set(&self) {
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
            assert_eq!(self.state(), self.before);
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
        without_run(&state.join("\n"))
    }
}

/// Takes the id of the run out of the tags: `fyke:name#id.1` becomes `fyke:name#1`.
fn without_run(text: &str) -> String {
    let mut parts = text.split("\"fyke:");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (tag, rest) = part.split_once('"').unwrap();
        let (owner, number) = tag.rsplit_once('#').map_or((tag, ""), |(owner, id)| (owner, id.rsplit('.').next().unwrap()));
        out.push_str(&format!("\"fyke:{owner}#{number}\"{rest}"));
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
        assert!(self.tried > 0 && self.unmet * 10 <= self.tried, "{self}");
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

/// Takes a sample that is spread evenly, the same each time; or all.
pub(crate) fn some<T>(all: Vec<T>, most: usize) -> Vec<T> {
    let (len, most) = (all.len(), if full() { all.len() } else { most });
    // The middle of each of as many equal parts.
    let is_in = |at: usize| len <= most || (at * most + most / 2) % len < most;
    all.into_iter().enumerate().filter(|(at, _)| is_in(*at)).map(|(_, one)| one).collect()
}

/// Gives the places of calls.
pub(crate) fn points(calls: &[Call]) -> Vec<Point> {
    calls.iter().map(|call| call.point).collect()
}
