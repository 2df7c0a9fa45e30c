//! The engine: what the language may use up, and what it may not do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use rhai::packages::{Package, StandardPackage};
use rhai::{Dynamic, Engine, Module, OptimizationLevel};

use super::value::escaped;
use crate::bind::session::Sink;
use crate::bind::{self, Session};
use crate::model::{Fault, Kind};

/// How deep expressions may nest at the top level and in functions; set, because Rhai's own figures differ between debug and release.
pub(super) const EXPR_DEPTHS: (usize, usize) = (64, 32);

/// What a script may use up. Time is bounded by the deadline, memory by the process.
///
/// The sizes of single values are not bounded by default: to keep such a bound, Rhai walks the whole array after each change of it, and ten
/// thousand times `push` take a hundred times as long. A program without a guardian bounds them with [`Limits::alone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Steps of the interpreter.
    pub operations: u64,
    /// Calls inside of calls.
    pub call_levels: usize,
    /// Bytes of a string; 0 for no bound.
    pub string: usize,
    /// Elements of an array with all that is in it, and bytes of a blob; 0 for no bound.
    pub array: usize,
    /// Entries of a map with all that is in it; 0 for no bound.
    pub map: usize,
    /// Imported modules.
    pub modules: usize,
    /// Variables at a time.
    pub variables: usize,
    /// Functions of a source.
    pub functions: usize,
    /// Bytes that a script may print.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            operations: 500_000_000,
            call_levels: 64,
            string: 0,
            array: 0,
            map: 0,
            modules: 256,
            variables: 10_000,
            functions: 5_000,
            output: 16 << 20,
        }
    }
}

impl Limits {
    /// Makes limits for a program where nothing but the interpreter bounds the memory.
    pub fn alone() -> Self {
        Self { string: 16 << 20, array: 1_000_000, map: 100_000, ..Self::default() }
    }
}

/// Asks whether the script must stop; the fault says why. The script cannot catch it.
pub type Ask = dyn Fn() -> Option<Fault> + Send + Sync;

/// Watches a run: signals, the deadline, the amount of output.
#[derive(Clone)]
pub(super) struct Watch {
    pub(super) stop: Arc<Ask>,
    pub(super) deadline: Option<Instant>,
    pub(super) flooded: Arc<AtomicBool>,
}

impl Watch {
    /// Tells whether the script must stop now.
    pub(super) fn stopped(&self) -> Option<Fault> {
        let limit = |why| Some(Fault::new(Kind::Limit, "run the script", why));
        if self.flooded.load(Ordering::Relaxed) {
            return limit("it printed more than it may");
        }
        let late = || self.deadline.is_some_and(|d| Instant::now() >= d);
        (self.stop)().or_else(|| if late() { limit("the deadline is over") } else { None })
    }
}

/// What holds a run.
pub(super) struct Frame {
    pub(super) limits: Limits,
    pub(super) watch: Watch,
    pub(super) output: Output,
}

/// Where a script's `print` goes.
#[derive(Clone)]
pub struct Output {
    /// Takes one line, without its end.
    pub sink: Arc<Sink>,
    /// Whether control characters and marks that reorder text are shown escaped, as a terminal needs it.
    pub escape: bool,
}

/// How an engine finds a function that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Functions {
    /// It goes through all that there are, the first time that one is called; until then they cost nothing.
    Sought,
    /// It has them in a table. To fill it takes a millisecond or two, but a function that is called back, as by `filter`, remembers nothing of the call
    /// before, and would seek all that it calls again.
    Indexed,
}

impl Functions {
    /// Chooses for a text: one that may hold a closure, or import one that does, is to have a table.
    pub(super) fn suit(text: &str) -> Self {
        if ["|", "Fn(", "import"].iter().any(|sign| text.contains(sign)) { Self::Indexed } else { Self::Sought }
    }

    fn of(self, mut module: Module) -> Module {
        if self == Self::Indexed {
            module.register_lazy_functions();
            module.build_index();
        }
        module
    }
}

/// Makes an engine that knows the language and the rooms, but no run.
pub(super) fn language(limits: &Limits, functions: Functions) -> Engine {
    let mut engine = Engine::new_raw();
    match functions {
        Functions::Sought => StandardPackage::new_lazy(),
        Functions::Indexed => StandardPackage::new(),
    }
    .register_into_engine(&mut engine);
    register(&mut engine, functions);
    // Nothing is folded or removed: the tree that `check` walks is the tree that runs, and an optimizer has removed statements before
    // (rhai #1126).
    engine.set_optimization_level(OptimizationLevel::None);
    engine.set_strict_variables(true).set_fail_on_invalid_map_property(true);
    engine.disable_symbol("eval");
    set_limits(&mut engine, limits);
    engine
}

/// Builds the engine of a run.
pub(super) fn build(frame: &Frame, session: Session, functions: Functions) -> Engine {
    let Frame { limits, watch, output } = frame;
    let mut engine = language(limits, functions);
    engine.set_default_tag(Dynamic::from(session.clone()));
    let watching = watch.clone();
    // The clock is asked every 64 steps: it costs as much as a step. They are counted here, because Rhai counts anew in every callback of a
    // native function, and a `filter` over many elements would never get to 64.
    let counted = AtomicUsize::new(0);
    engine.on_progress(move |_| {
        let due = counted.fetch_add(1, Ordering::Relaxed).is_multiple_of(64);
        if due { watching.stopped().map(Dynamic::from) } else { None }
    });
    let print = printer(output.clone(), limits.output, watch.flooded.clone());
    let debug = print.clone();
    engine.on_print(move |text| print(text));
    engine.on_debug(move |text, _, at| match session.position(at) {
        Some(at) => debug(&format!("{at}: {text}")),
        None => debug(text),
    });
    engine
}

/// Registers the rooms and the functions without a room.
pub(super) fn register(engine: &mut Engine, functions: Functions) {
    for module in bind::globals() {
        engine.register_global_module(functions.of(module).into());
    }
    for room in bind::ROOMS {
        engine.register_static_module(room.name, functions.of((room.module)()).into());
    }
}

fn set_limits(engine: &mut Engine, limits: &Limits) {
    engine.set_max_operations(limits.operations).set_max_call_levels(limits.call_levels);
    engine.set_max_string_size(limits.string).set_max_array_size(limits.array).set_max_map_size(limits.map);
    engine.set_max_modules(limits.modules).set_max_variables(limits.variables).set_max_functions(limits.functions);
    engine.set_max_expr_depths(EXPR_DEPTHS.0, EXPR_DEPTHS.1);
    engine.set_max_strings_interned(1024);
}

fn printer(output: Output, most: usize, flooded: Arc<AtomicBool>) -> impl Fn(&str) + Clone + Send + Sync {
    let printed = Arc::new(AtomicUsize::new(0));
    move |text: &str| {
        if printed.fetch_add(text.len() + 1, Ordering::Relaxed) >= most {
            return flooded.store(true, Ordering::Relaxed);
        }
        if output.escape { (output.sink)(&escaped(text)) } else { (output.sink)(text) }
    }
}
