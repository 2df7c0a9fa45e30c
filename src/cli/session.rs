//! One script from its start to its end: two processes, a host, a door, and what is said about it afterwards.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::args::{Options, Reach};
use super::ended::remember;
use super::place::Place;
use super::show::{Lines, Screen};
use super::trace::{self, Patience};
use super::{exit_code, notice, watch};
use crate::bind::session::Pause;
use crate::host::{self, Case, Host, Mode, Output, Recipe, Value};
use crate::kernel::files;
use crate::kernel::lock::RunLock;
use crate::kernel::process::watcher::Leash;
use crate::kernel::process::{self, Ending, Limits, Page, Stop, enough, signals};
use crate::model::iptables::{Owner, RunId};
use crate::model::source::Sources;
use crate::model::{Drift, Fault, Kind, Origin, Report};
use crate::transaction::undo::Desk;
use crate::transaction::{Bound, Context, Door, Gate, Journal, RunState, Source, Stance, Term, Until};

/// The stack of the interpreter: scripts may nest calls and expressions as deep as the host's limits say, in a debug build too.
pub(crate) const STACK: usize = 64 << 20;

/// What is run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Script<'a> {
    /// A recipe, with the words after its name.
    Recipe(&'a Recipe, &'a [String]),
    /// The text of a one-liner.
    Text(&'a str),
    /// What somebody types, by a word that no other session has.
    Prompt(&'a str),
    /// A test, or an example.
    Case(&'a Case),
}

/// What came of a script that ended well.
pub(crate) struct Outcome {
    /// Its value.
    pub(crate) value: Value,
    /// What it gave for machines in the place of its value, if it did.
    pub(crate) data: Option<Value>,
    /// What it changed.
    pub(crate) report: Report,
    /// In a plan: what could not be known, and where the plan ends for it.
    pub(crate) unknown: Option<Fault>,
    /// The code of the script's own `exit(n)`.
    pub(crate) exit: Option<u8>,
    /// For how long its changes were to be in force, if not for good.
    pub(crate) bound: Option<Bound>,
    /// Until when they are, if there are any.
    pub(crate) until: Option<Until>,
    /// Whether they are gone with the run, as all in a sandbox is.
    pub(crate) passing: bool,
}

/// What the script's thread leaves behind.
struct Ended {
    result: Result<Value, Fault>,
    data: Option<Value>,
    exit: Option<u8>,
    sources: Sources,
}

/// One run of a script.
pub(crate) struct Session<'a> {
    screen: &'a Screen,
    options: &'a Options,
    mode: Mode,
    script: Script<'a>,
    /// What to do about a change that could cut the login.
    stance: Stance,
    /// What to do about packets to public addresses.
    public: Stance,
    place: Place,
    /// The runner's lock, from its first change on.
    lock: Arc<Mutex<Option<RunLock>>>,
    bound: Option<Bound>,
    /// What the run has of its watcher, if it is not to stay.
    leash: Option<Arc<Leash>>,
    /// What the script may do.
    gate: Gate,
    /// The words of the command line that say so.
    said: Vec<String>,
    /// Who is told of faults, if that is not whoever sits before the screen.
    told: Option<&'a Told<'a>>,
}

/// Takes a fault with its exit code, and gives source lines for it.
pub(crate) type Told<'a> = dyn Fn(&Fault, u8, Lines) + Sync + 'a;

impl<'a> Session<'a> {
    /// Goes to the place where the script is to run.
    pub(crate) fn open(screen: &'a Screen, options: &'a Options, mode: Mode, script: Script<'a>, stance: Stance) -> Result<Self, Fault> {
        let place = Place::enter(options)?;
        match mode {
            Mode::Run => notice::heed(screen, options, &place)?,
            Mode::Plan => notice::tell(screen, &place),
        }
        // What is sent in a sandbox stays there.
        let public = match mode {
            _ if options.sandbox => Stance::Allow,
            Mode::Run => Stance::Refuse,
            Mode::Plan => Stance::Tell,
        };
        Ok(Self {
            screen,
            options,
            mode,
            script,
            stance,
            public,
            place,
            lock: Arc::default(),
            bound: None,
            leash: None,
            gate: Gate::open(),
            said: Vec::new(),
            told: None,
        })
    }

    /// Sets who is told of faults.
    pub(crate) fn telling(mut self, told: &'a Told<'a>) -> Self {
        self.told = Some(told);
        self
    }

    fn tell_fault(&self, fault: &Fault, code: u8, lines: Lines) {
        match self.told {
            Some(told) => told(fault, code, lines),
            None => self.screen.fault(fault, code, lines),
        }
    }

    /// Sets how far packets of the script may go.
    pub(crate) fn reach(mut self, reach: Reach) -> Self {
        if reach.allow_public {
            self.public = Stance::Allow;
        }
        self
    }

    /// Sets what the script may do.
    pub(crate) fn gated(mut self, gate: Gate) -> Self {
        self.gate = gate;
        self
    }

    /// Remembers with which words that was said, for whoever runs the recipe again.
    pub(crate) fn said_with(mut self, words: Vec<String>) -> Self {
        self.said = words;
        self
    }

    /// Sets for how long the changes are to be in force, and starts who lifts them then: before anything of the run exists that could die.
    pub(crate) fn bound(mut self, bound: Option<Bound>) -> Result<Self, Fault> {
        if bound.is_some() && self.options.sandbox {
            return Err(Fault::input("lift the run later", "a sandbox is gone with its run").hint("leave --confirm or --for out"));
        }
        self.leash = bound.map(|_| watch::start(self.options, &self.place).map(Arc::new)).transpose()?;
        self.bound = bound;
        if bound.is_some_and(|bound| bound.term == Term::Confirm) {
            // Who is locked out cannot confirm, and so is not locked out for long.
            self.stance = Stance::Allow;
        }
        Ok(self)
    }

    /// Runs the script under a guardian. `tell` says what came of it, when it ended well, and gives the exit code.
    pub(crate) fn run(&self, tell: impl FnOnce(&Outcome) -> Result<u8, Fault>) -> Result<u8, Fault> {
        let limits = Limits { deadline: self.options.timeout().0, ..Limits::default() };
        process::guarded(&limits, |page| self.runner(page, tell), |page, ending| self.guardian(&limits, page, ending))
    }

    /// The work of the runner: the script, then the end of its changes, then the news.
    fn runner(&self, page: &'static Page, tell: impl FnOnce(&Outcome) -> Result<u8, Fault>) -> u8 {
        let door = self.door(page, self.mode);
        let lost = Arc::new(Mutex::new(None));
        if matches!(self.script, Script::Recipe(..) | Script::Text(_)) {
            enough::let_sum_up();
        }
        let ended = process::with_big_stack(STACK, || self.script(page, door.clone(), &lost));
        let ended = ended.unwrap_or_else(|fault| Ended { result: Err(fault), data: None, exit: None, sources: Sources::default() });
        let (value, unknown) = match ended.result {
            Ok(value) => (value, None),
            Err(fault) if self.mode == Mode::Plan && fault.kind == Kind::Unknown => (Value::Unit, Some(fault)),
            Err(fault) => return self.fail(page, &door, fault, &ended.sources),
        };
        let report = match door.finish() {
            Ok(report) => report,
            Err(fault) => return self.fail(page, &door, fault, &ended.sources),
        };
        self.settle(page);
        if self.mode == Mode::Run {
            remember(self.screen, &self.place, &report);
        }
        let (bound, until, passing) = (self.bound, door.until(), self.options.sandbox);
        let outcome = Outcome {
            value,
            data: ended.data,
            report,
            unknown,
            exit: if enough::is_heard() { Some(Stop::Interrupt.exit_code()) } else { ended.exit },
            bound,
            until,
            passing,
        };
        let lost = lost.lock().unwrap_or_else(PoisonError::into_inner).take();
        match tell(&outcome).and_then(|code| lost.map_or(Ok(code), Err)) {
            Ok(code) => code,
            // The changes are in force: only the news of them did not get through.
            Err(fault) => {
                let code = exit_code(&fault, true);
                self.tell_fault(&fault, code, &|_| None);
                code
            }
        }
    }

    /// Opens a door. The guardian hears of the first change that goes through it.
    pub(crate) fn door(&self, page: &'static Page, mode: Mode) -> Door {
        let (held, place, leash) = (self.lock.clone(), self.place.clone(), self.leash.clone());
        let begun = move |run: &RunId| -> Result<(), Fault> {
            let taken = RunLock::take(&place.state_to_write()?, run.as_str(), Duration::ZERO)?;
            *held.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
            // Nothing is changed before somebody watches.
            leash.as_ref().map_or(Ok(()), |leash| leash.arm(run.as_str()))?;
            page.begin(run.as_str())
        };
        let guard = Place::guard(self.stance).public(self.public);
        let door = self.place.door(self.options, mode, self.context(), Box::new(begun), guard, self.gate.clone());
        self.bound.into_iter().for_each(|bound| door.bind(bound));
        door
    }

    /// Gives the place where the script runs.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Runs the script, on the thread that has the stack for it.
    fn script(&self, page: &'static Page, door: Door, lost: &Arc<Mutex<Option<Fault>>>) -> Ended {
        let mut setup = host::Setup::new(self.mode, door);
        setup.pause =
            (self.mode == Mode::Run).then(|| -> Box<Pause> { Box::new(|time| signals::sleep(time).map_err(|stop| stop.fault("sleep"))) });
        let (screen, lost) = (self.screen.clone(), lost.clone());
        let print = move |line: &str| {
            if let Err(fault) = screen.print_of_script(line) {
                lost.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
            }
        };
        setup.output = Output { sink: Arc::new(print), escape: self.screen.escapes() };
        let asking = self.screen.clone();
        setup.confirm = Some(Box::new(move |question| asking.ask(question)));
        let screen = self.screen.clone();
        setup.mark = Box::new(|line, column| page.set_position(line, column));
        setup.log = Box::new(move |line| screen.log(line));
        let screen = self.screen.clone();
        setup.progress = Box::new(move |line| screen.progress(line));
        let mut host = Host::open(setup);
        let result = match self.script {
            Script::Recipe(recipe, words) => host.run(recipe, words),
            Script::Text(text) | Script::Prompt(text) => host.eval(text),
            Script::Case(case) => host.case(case).map(|()| Value::Unit),
        };
        let (result, data) = match result.and_then(|value| Ok((value, host.result()?))) {
            Ok((value, data)) => (Ok(value), data),
            Err(fault) => (Err(fault), None),
        };
        Ended { result, data, exit: host.exit_code(), sources: host.sources().clone() }
    }

    /// Lifts what a failed script changed, and says what failed.
    fn fail(&self, page: &Page, door: &Door, fault: Fault, sources: &Sources) -> u8 {
        let begun = page.open_run().is_some();
        page.roll_back();
        let lifted = if begun { door.rollback() } else { Ok(Report::default()) };
        if lifted.is_err() {
            let run = page.open_run().and_then(|run| run.parse().ok());
            self.lock().zip(run).into_iter().for_each(|(lock, run)| trace::settle(&self.place, lock, &run, false));
        }
        self.settle(page);
        lifted.iter().for_each(|report| remember(self.screen, &self.place, report));
        let mut code = match signals::pending() {
            Some(stop) if fault.kind == Kind::Interrupted => stop.exit_code(),
            // What a script makes of a call that was ended early is no failure of its own.
            _ if enough::is_heard() => Stop::Interrupt.exit_code(),
            _ => exit_code(&fault, begun),
        };
        let later: Vec<Fault> = match lifted {
            Ok(report) => report.left().map(Drift::fault).collect(),
            Err(later) => vec![later],
        };
        if !later.is_empty() {
            code = Kind::Incomplete.exit_code();
        }
        self.tell_fault(&fault.followed_by(later), code, &|at| sources.line(at).map(str::to_owned));
        code
    }

    /// Ends the run for everybody else: its guardian, and whoever waits for its lock.
    pub(crate) fn settle(&self, page: &Page) {
        page.settle();
        self.lock().into_iter().for_each(RunLock::remove);
        if let Some(leash) = &self.leash {
            leash.settle();
        }
    }

    /// Takes the lock of the run out of its place.
    fn lock(&self) -> Option<RunLock> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The work of the guardian when the runner has ended: nothing, if it ended in order; else what the runner can no longer do.
    pub(crate) fn guardian(&self, limits: &Limits, page: &Page, ending: &Ending) -> u8 {
        let fault = ending.fault(limits);
        let lifted = page.open_run().map_or(Ok(()), |run| self.lift(&run));
        let code = if lifted.is_ok() { ending.exit_code() } else { Kind::Incomplete.exit_code() };
        let fault = match (fault, lifted) {
            (Some(fault), lifted) => fault.followed_by(lifted.err()),
            (None, Err(fault)) => fault,
            (None, Ok(())) => return code,
        };
        let sources = self.sources();
        let at = page.position().and_then(|(line, column)| sources.position(line, column));
        let fault = match at {
            Some(at) => fault.at(Origin { at, frames: [].into() }),
            None => fault,
        };
        self.tell_fault(&fault, code, &|at| sources.line(at).map(str::to_owned));
        code
    }

    /// Lifts the run of a dead runner from the journal, once nothing that it started can write any more.
    fn lift(&self, run: &str) -> Result<(), Fault> {
        let (run, context) = (run.parse()?, self.context());
        let report = trace::at_work(&self.place, &run, Patience::BOUND, || {
            if trace::find(&self.place, &run)?.is_none() {
                // It died between the word to its guardian and its first line in the journal.
                return Ok(Report::default());
            }
            let (mut kernel, mut journal) = (Place::live(self.options), Journal::open(&self.place.shelf())?);
            let (kernel, journal) = (kernel.as_mut(), &mut journal);
            Desk { kernel, journal, context: &context, now: super::place::now(), force: false }.lift(&run, RunState::RolledBack)
        })?;
        remember(self.screen, &self.place, &report);
        let left: Vec<Fault> = report.left().map(Drift::fault).collect();
        match left.is_empty() {
            true => Ok(()),
            false => {
                Err(Fault::new(Kind::Incomplete, format!("lift all of run {run}"), "some of it is not as the run left it")
                    .followed_by(left))
            }
        }
    }

    /// Gives the sources as far as they are known without the runner: the recipe itself, which is always the first.
    fn sources(&self) -> Sources {
        let mut sources = Sources::default();
        let (name, text) = match self.script {
            Script::Recipe(recipe, _) => (recipe.file.as_str(), recipe.text.as_str()),
            Script::Text(text) => ("<eval>", text),
            Script::Case(case) => (case.recipe.file.as_str(), case.recipe.text.as_str()),
            // What was typed only the runner knew.
            Script::Prompt(_) => return sources,
        };
        // One that is too long was refused before it could run.
        let _ = sources.add(name, text);
        sources
    }

    /// Tells who runs what; whose changes these are, is known better when the recipe's key parameters are.
    fn context(&self) -> Context {
        let (owner, source) = match self.script {
            Script::Recipe(recipe, words) => of_recipe(recipe, "", words),
            Script::Case(case) => of_recipe(&case.recipe, &case.name, &[]),
            Script::Text(text) => {
                let line = Recipe::inline("<eval>", text);
                (line.owner(""), Source { hash: line.hash, ..Source::default() })
            }
            Script::Prompt(id) => (Recipe::inline("<repl>", id).owner(""), Source::default()),
        };
        self.place.context(owner, Source { options: self.said.clone(), ..source })
    }
}

/// Tells whose changes those of a recipe are, and where it is from.
fn of_recipe(recipe: &Recipe, instance: &str, words: &[String]) -> (Owner, Source) {
    let built_in = || if recipe.file.starts_with('<') { String::new() } else { recipe.file.clone() };
    let file = recipe.path.as_deref().map_or_else(built_in, files::absolute);
    (recipe.owner(instance), Source { file, hash: recipe.hash.clone(), words: words.to_vec(), ..Source::default() })
}

/// Does work that is no script under a guardian, so that an interrupt or the death of a terminal cannot tear it.
pub(crate) fn guarded(screen: &Screen, work: impl FnOnce() -> Result<u8, Fault>) -> Result<u8, Fault> {
    let limits = Limits::default();
    let tell = |fault: &Fault, code: u8| {
        screen.fault(fault, code, &|_| None);
        code
    };
    let runner = |page: &Page| {
        // Asked to end, it gets the time that a rollback gets: it is one.
        page.roll_back();
        let code = work().unwrap_or_else(|fault| tell(&fault, exit_code(&fault, false)));
        page.settle();
        code
    };
    let after = |_: &Page, ending: &Ending| ending.fault(&limits).map_or(ending.exit_code(), |fault| tell(&fault, ending.exit_code()));
    process::guarded(&limits, runner, after)
}
