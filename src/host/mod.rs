//! The Rhai host: opens in a mode, builds the engine, runs scripts.

pub mod book;
pub mod cases;
pub mod check;
mod comments;
mod complete;
mod confine;
pub mod declare;
pub mod definitions;
pub mod embedded;
pub mod engine;
pub mod fault;
mod guard;
mod input;
pub mod lex;
mod live;
pub mod package;
pub mod params;
pub mod recipe;
pub mod reflect;
mod resolve;
pub mod rows;
mod spelling;
pub mod value;
pub mod write;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLockReadGuard};
use std::time::{Duration, Instant};

use rhai::{AST, Dynamic, Engine, Scope};

use crate::bind::Session;
use crate::bind::session::{Call, Confirm, Hooks, Mark, Pause, Sink};
use crate::kernel::process::{enough, signals};
use crate::model::source::Sources;
use crate::model::{Fault, Kind, Origin};
use crate::transaction::Door;

pub use cases::{Case, Way};
pub use check::{Finding, Severity};
pub use complete::{Candidate, Completion};
pub use declare::Param;
pub use engine::{Ask, Limits, Output};
pub use input::{Given, wants_more};
pub use live::paths;
pub use params::Arguments;
pub use recipe::{Header, Interface, Recipe, Risk};
pub use resolve::Library;
pub use value::Value;

use engine::{Frame, Functions, Watch};
use input::Inputs;

/// What a host is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The script runs, and `sleep` waits.
    Run,
    /// The script runs against a shadow, and nothing waits.
    Plan,
}

/// Everything that a host needs from outside.
pub struct Setup {
    /// What it is opened for.
    pub mode: Mode,
    /// What a script may use up.
    pub limits: Limits,
    /// The door to the kernel.
    pub door: Door,
    /// Asks whether the script must stop.
    pub stop: Arc<Ask>,
    /// When the time is over, where no guardian watches the clock.
    pub deadline: Option<Instant>,
    /// Is told the line, in the counting of the run, and the column of every native call that asks for its origin.
    pub mark: Box<Mark>,
    /// Where `print` goes.
    pub output: Output,
    /// Where `log` goes.
    pub log: Box<Sink>,
    /// Where it is shown how far something has come.
    pub progress: Box<Sink>,
    /// How `sleep` waits in a run; it must end early when the script must stop.
    pub pause: Option<Box<Pause>>,
    /// How a run asks whoever sits there, if anybody does.
    pub confirm: Option<Box<Confirm>>,
}

impl Setup {
    /// Makes a setup with default limits that heeds signals, has no deadline, and whose output goes nowhere.
    pub fn new(mode: Mode, door: Door) -> Self {
        let output = Output { sink: Arc::new(|_| {}), escape: false };
        Self {
            mode,
            limits: Limits::default(),
            door,
            stop: Arc::new(|| enough::pending().map(|stop| stop.fault("run the script"))),
            deadline: None,
            mark: Box::new(|_, _| {}),
            output,
            log: Box::new(|_| {}),
            progress: Box::new(|_| {}),
            pause: None,
            confirm: None,
        }
    }
}

/// An interpreter for one run.
pub struct Host {
    engine: Engine,
    functions: Functions,
    frame: Frame,
    session: Session,
    library: Arc<Library>,
    scope: Scope<'static>,
    inputs: Inputs,
}

impl Host {
    /// Opens a host.
    pub fn open(setup: Setup) -> Self {
        let library = Arc::new(Library::default());
        let watch = Watch { stop: setup.stop, deadline: setup.deadline, flooded: Arc::new(AtomicBool::new(false)) };
        let pause = match (setup.mode, setup.pause) {
            (Mode::Run, Some(pause)) => pause,
            (Mode::Run, None) => waiting(watch.clone()),
            (Mode::Plan, _) => Box::new(|_| Ok(())),
        };
        let confirm = match (setup.mode, setup.confirm) {
            (Mode::Run, Some(confirm)) => confirm,
            (Mode::Run, None) => Box::new(|question: &str| Err(nobody_to_ask(question))),
            (Mode::Plan, _) => Box::new(|question: &str| Err(Fault::new(Kind::Unknown, asking(question), "a plan asks nobody"))),
        };
        let hooks = Hooks { pause, confirm, log: setup.log, progress: setup.progress, mark: setup.mark };
        let session = Session::new(setup.door, library.sources.clone(), library.parties.clone(), hooks);
        let frame = Frame { limits: setup.limits, watch, output: setup.output };
        let (functions, scope, inputs) = (Functions::Sought, Scope::new(), Inputs::default());
        Self { engine: engine(&frame, &session, &library, functions), functions, frame, session, library, scope, inputs }
    }

    /// Gets ready for texts that need functions to be found so.
    fn find_by(&mut self, functions: Functions) {
        if (self.functions, functions) == (Functions::Sought, Functions::Indexed) {
            self.functions = functions;
            self.engine = engine(&self.frame, &self.session, &self.library, functions);
        }
    }

    /// Runs a recipe with the arguments after its name. The caller finishes or rolls back the door.
    pub fn run(&mut self, recipe: &Recipe, words: &[String]) -> Result<Value, Fault> {
        self.library.begin(recipe)?;
        self.find_by(Functions::suit(&recipe.text));
        let ast = self.library.compile(&self.engine, &Scope::new(), &recipe.file, &recipe.text)?;
        let mut declared = declare::declared(&ast, &|at| self.origin(at));
        if !declared.faults.is_empty() {
            return Err(declared.faults.swap_remove(0));
        }
        let interface = Interface { header: recipe.header()?, params: declared.params };
        let arguments = params::parse(&recipe.name, &interface, words)?;
        let owner = recipe.owner(&arguments.instance);
        let given = arguments.given.iter().map(|(name, value)| (name.clone(), value.to_dynamic())).collect();
        *self.session.call() = Call { recipe: owner.recipe.to_string(), instance: owner.instance.to_string(), given, ..Call::default() };
        self.session.door().set_owner(owner);
        let mut scope = Scope::new();
        self.session.door().gate().declare(self.library.bound(recipe, &ast)?);
        let result = self.evaluate(&mut scope, &ast, &format!("run {}", recipe.name));
        // What the script left behind is dropped before its result is looked at: nested values take time.
        drop(scope);
        self.session.door().set_modules(self.library.imported());
        result
    }

    /// Evaluates a text. Variables stay for the next one.
    pub fn eval(&mut self, text: &str) -> Result<Value, Fault> {
        let recipe = Recipe::inline("<eval>", text);
        self.library.begin(&recipe)?;
        self.find_by(Functions::suit(text));
        let ast = self.library.compile(&self.engine, &self.scope, &recipe.file, &recipe.text)?;
        let mut scope = std::mem::take(&mut self.scope);
        let result = self.evaluate(&mut scope, &ast, "evaluate the expression");
        self.scope = scope;
        result
    }

    fn evaluate(&self, scope: &mut Scope, ast: &AST, tried: &str) -> Result<Value, Fault> {
        let result = self.engine.eval_ast_with_scope::<Dynamic>(scope, ast);
        let value = result.map_err(|e| fault::of_running(*e, tried, &self.engine, &self.library))?;
        Value::take(&self.engine, &value)
    }

    fn origin(&self, at: rhai::Position) -> Origin {
        fault::in_run(&self.sources(), at).unwrap_or_else(|| Origin::at("(native)", 1, 1))
    }

    /// Gives the code of the script's own `exit(n)`, if it ended so.
    pub fn exit_code(&self) -> Option<u8> {
        self.session.call().exit
    }

    /// Takes what the script's own `result(value)` gave.
    pub fn result(&self) -> Result<Option<Value>, Fault> {
        let given = self.session.call().result.take();
        given.map(|given| Value::take(&self.engine, &given)).transpose()
    }

    /// Gives the recipe that ran last, with its instance.
    pub fn call(&self) -> Call {
        self.session.call().clone()
    }

    /// Gives the sources of the run, to show the line of a fault.
    pub fn sources(&self) -> RwLockReadGuard<'_, Sources> {
        self.library.sources.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the engine of a run, which imports from a library.
fn engine(frame: &Frame, session: &Session, library: &Arc<Library>, functions: Functions) -> Engine {
    let mut engine = engine::build(frame, session.clone(), functions);
    engine.set_module_resolver(resolve::Resolver(library.clone()));
    engine
}

/// Makes the fault of a question where nobody sits at a terminal.
pub fn nobody_to_ask(question: &str) -> Fault {
    Fault::input(asking(question), "standard input is no terminal")
        .hint("give the recipe a parameter for the answer: if !yes && !sys::confirm(..) { exit(); }")
}

fn asking(question: &str) -> String {
    format!("ask {question:?}")
}

/// Waits in short steps, so that signals and the deadline end the wait.
fn waiting(watch: Watch) -> Box<Pause> {
    const STEP: Duration = Duration::from_millis(20);
    Box::new(move |duration| {
        let end = Instant::now() + duration;
        loop {
            if let Some(stop) = watch.stopped() {
                return Err(Fault { tried: "sleep on".to_owned(), ..stop });
            }
            match end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                Some(left) => signals::sleep(left.min(STEP)).map_err(|stop| stop.fault("sleep on"))?,
                None => return Ok(()),
            }
        }
    })
}

#[cfg(test)]
mod tests;
