//! Inputs that follow one another: what one of them defines or imports is there for the next.

use std::path::Path;
use std::sync::{OnceLock, PoisonError};

use rhai::{AST, ASTNode, Dynamic, Expr, Position, Scope, Stmt};

use super::engine::Functions;
use super::lex::{self, Kind as Piece};
use super::reflect::FunctionDoc;
use super::value::Value;
use super::{Host, declare, fault, guard, reflect};
use crate::model::{Drift, Fault, Report};
use crate::transaction::Door;

/// What the inputs so far have left, beside their variables.
#[derive(Default)]
pub(super) struct Inputs {
    /// How many there were.
    count: usize,
    /// The name of the last one, if nothing of it can run again: its lines are free for the next.
    passing: Option<String>,
    /// The functions.
    functions: AST,
    /// The names of the imported modules.
    pub(super) aliases: Vec<String>,
    /// What can be called, once somebody has asked, and what of it is fyke's own.
    pub(super) words: OnceLock<Vec<FunctionDoc>>,
    pub(super) own: OnceLock<Vec<FunctionDoc>>,
}

/// What an input gave.
#[derive(Clone, Debug)]
pub struct Given {
    /// The value.
    pub value: Value,
    /// Its type, as scripts know it.
    pub of: String,
    /// What it changed.
    pub report: Report,
    /// The code of its own `exit(n)`, if it ended so.
    pub exit: Option<u8>,
}

impl Host {
    /// Evaluates what somebody typed, as a transaction of its own. Variables, functions and imports stay for the next input; of one that fails
    /// nothing stays, here and in the kernel.
    pub fn input(&mut self, text: &str) -> Result<Given, Fault> {
        let door = self.session.door();
        let mark = door.mark();
        let (own, ast) = self.understand(text)?;
        let before = self.scope.len();
        let mut scope = std::mem::take(&mut self.scope);
        let given = self.give(&mut scope, &ast);
        match given {
            Ok(_) => self.keep(&own, &ast),
            Err(_) => drop(scope.rewind(before)),
        }
        // A name that is defined again would be kept for good, and there is a bound on names.
        self.scope = if shadows(&scope, before) { scope.clone_visible() } else { scope };
        given.map_err(|fault| lifted(fault, door.withdraw(mark)))
    }

    /// Compiles an input: by itself, and with the functions of those before it.
    fn understand(&mut self, text: &str) -> Result<(AST, AST), Fault> {
        self.inputs.count += 1;
        let name = format!("<input {}>", self.inputs.count);
        if let Some(passing) = self.inputs.passing.replace(name.clone()) {
            self.library.sources.write().unwrap_or_else(PoisonError::into_inner).forget(&passing);
        }
        self.library.begin_in(Path::new("."), &name)?;
        // What is imported here is registered in the engine, which has to be the last one by then.
        self.find_by(Functions::Indexed);
        self.session.call().exit = None;
        self.session.call().result = None;
        let own = self.library.compile(&self.engine, &self.scope, &name, text)?;
        if own.has_functions() {
            self.inputs.passing = None;
        }
        let ast = self.inputs.functions.merge(&own);
        // A function that nothing called like a method so far may now catch the calls of one.
        let known = || self.library.known.get_or_init(|| reflect::names(&self.engine)).as_slice();
        let replaced = guard::replaced(&ast, &known, &|at| fault::in_run(&self.sources(), at));
        replaced.map_or(Ok((own, ast)), Err)
    }

    fn give(&self, scope: &mut Scope, ast: &AST) -> Result<Given, Fault> {
        let result = self.engine.eval_ast_with_scope::<Dynamic>(scope, ast);
        let value = result.map_err(|error| fault::of_running(*error, "evaluate the input", &self.engine, &self.library))?;
        let (of, value) = (reflect::script_type(value.type_name()), Value::take(&self.engine, &value)?);
        Ok(Given { value, of, report: self.session.door().step()?, exit: self.exit_code() })
    }

    /// Keeps what an input has defined and imported.
    fn keep(&mut self, own: &AST, ast: &AST) {
        for (path, alias, at) in imports(own) {
            let mut global = self.engine.new_global_runtime_state();
            if let Ok(module) = self.library.load(&self.engine, &mut global, &path, at) {
                self.engine.register_static_module(&alias, module);
                self.inputs.aliases.retain(|known| *known != alias);
                self.inputs.aliases.push(alias);
                self.inputs.words = OnceLock::new();
            }
        }
        self.inputs.functions = ast.clone_functions_only();
    }

    /// Leaves the variables to the end of the process: to let go of a deep one takes more stack than there is.
    pub fn abandon(&mut self) {
        std::mem::forget(std::mem::take(&mut self.scope));
    }

    /// Takes another door, and gives the one before.
    pub fn use_door(&self, door: Door) -> Door {
        self.session.use_door(door)
    }

    /// Names the type of a variable, if there is one of this name.
    pub fn type_of(&self, variable: &str) -> Option<String> {
        self.scope.get(variable).map(|value| reflect::script_type(value.type_name()))
    }

    /// Lists the signatures of the functions that the inputs have defined.
    pub fn defined(&self) -> Vec<String> {
        let functions = self.inputs.functions.iter_functions().filter(|f| !f.name.starts_with("anon$"));
        functions.map(|f| format!("{}({})", f.name, f.params.join(", "))).collect()
    }

    pub(super) fn functions_of_inputs(&self) -> impl Iterator<Item = (String, Vec<String>)> {
        let functions = self.inputs.functions.iter_functions().filter(|f| !f.name.starts_with("anon$"));
        functions.map(|f| (f.name.to_owned(), f.params.iter().map(|p| (*p).to_owned()).collect()))
    }
}

/// Adds to the fault of an input what of its changes could not be lifted.
fn lifted(fault: Fault, lifting: Result<Report, Fault>) -> Fault {
    match lifting {
        Ok(report) => {
            let acts = report.acts.iter().map(|act| format!("it {act}, which cannot be lifted")).collect::<Vec<_>>().join("; ");
            let hint = fault.hint.clone().or_else(|| Some(acts).filter(|acts| !acts.is_empty()));
            Fault { hint, ..fault }.followed_by(report.drift.iter().filter(|drift| drift.left).map(Drift::fault))
        }
        Err(later) => fault.followed_by([later]),
    }
}

fn shadows(scope: &Scope, before: usize) -> bool {
    scope.len() > before && {
        let names: Vec<&str> = scope.iter_raw().map(|(name, ..)| name).collect();
        names[before..].iter().any(|name| names.iter().filter(|other| other == &name).count() > 1)
    }
}

/// Finds the imports of an input that are not in a block: path and name of each.
fn imports(ast: &AST) -> Vec<(String, String, Position)> {
    let mut found = Vec::new();
    ast.walk(&mut |path: &[ASTNode]| {
        if let [ASTNode::Stmt(Stmt::Import(import, _))] = path
            && let (Expr::StringConstant(path, at), alias) = &**import
            && !alias.name.is_empty()
        {
            found.push((path.to_string(), alias.name.to_string(), *at));
        }
        true
    });
    found
}

/// Tells whether an input is not at its end: a bracket is open, or the language wants more. A blank line ends it all the same, unless it lies in
/// brackets.
pub fn wants_more(text: &str) -> bool {
    let pieces = lex::pieces(text);
    let depth: i32 = pieces.iter().map(|piece| i32::from(piece.kind == Piece::Open) - i32::from(piece.kind == Piece::Close)).sum();
    let unclosed =
        pieces.last().is_some_and(|last| !last.closed && (last.kind == Piece::Comment || text[last.range.clone()].starts_with('`')));
    if depth > 0 || unclosed {
        return true;
    }
    let blank = text.ends_with('\n') || text.trim().is_empty();
    !blank && declare::parser().compile(text).is_err_and(|error| is_at_end(text, error.position()))
}

/// Tells whether a position lies behind everything that a text says.
fn is_at_end(text: &str, at: Position) -> bool {
    let said = text.trim_end();
    let (line, column) = (said.lines().count(), said.lines().last().map_or(0, |last| last.chars().count()));
    at.is_none() || at.line().is_some_and(|l| l > line || (l == line && at.position().is_some_and(|c| c > column)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Mode, Setup};

    fn host() -> Host {
        Host::open(Setup::new(Mode::Run, Door::over_nothing()))
    }

    fn said(host: &mut Host, text: &str) -> String {
        host.input(text).map_or_else(|fault| fault.to_string(), |given| given.value.quoted())
    }

    #[test]
    fn what_is_defined_stays() {
        let mut host = host();
        assert_eq!(said(&mut host, "let x = 20; fn twice(a) { a * 2 }"), "()");
        assert_eq!(said(&mut host, "let add = |a| a + x; twice(x)"), "40");
        assert_eq!(said(&mut host, "fn twice(a) { a + a + 1 }"), "()");
        assert_eq!(said(&mut host, "let x = 1; add.call(twice(x))"), "23");
        assert_eq!((host.type_of("x").as_deref(), host.type_of("y")), (Some("int"), None));
        assert_eq!(host.defined(), ["twice(a)"]);
        assert_eq!(host.scope.len(), 2);
    }

    #[test]
    fn what_fails_defines_nothing_and_harms_nothing() {
        let mut host = host();
        said(&mut host, "let x = 1;");
        assert_eq!(said(&mut host, "let y = 2; fn f() { 1 } throw \"no\""), "cannot evaluate the input: no");
        assert_eq!(said(&mut host, "y"), "cannot read <input 3>: the variable `y` is not defined");
        assert_eq!(said(&mut host, "f()"), "cannot evaluate the input: there is no function f()");
        assert_eq!(said(&mut host, "x"), "1");
    }

    #[test]
    fn lines_do_not_run_out() {
        let mut host = host();
        let long = "\n".repeat(30_000);
        for _ in 0..5 {
            assert_eq!(said(&mut host, &format!("{long}1")), "1");
        }
        assert_eq!(said(&mut host, "fn f() { throw 1 }"), "()");
        said(&mut host, "2");
        assert_eq!(host.input("f()").unwrap_err().origin.unwrap().at.to_string(), "<input 6>:1:10");
    }

    #[test]
    fn faults_of_earlier_inputs_have_their_place() {
        let mut host = host();
        said(&mut host, "fn f() {\n  throw \"no\"\n}");
        let origin = host.input("f()").unwrap_err().origin.unwrap();
        assert_eq!(origin.at.to_string(), "<input 1>:2:3");
        assert_eq!(origin.frames[0].called_at.to_string(), "<input 2>:1:1");
        assert_eq!(host.sources().line(&origin.at), Some("  throw \"no\""));
    }

    #[test]
    fn an_input_goes_on_until_it_is_whole() {
        for more in ["fn f(a) {", "fn f(a) {\n a+1", "[1,\n\n", "`a\nb", "/* x", "let x =", "1 +", "if true", "f(\"(\", #{ a: 1"] {
            assert!(wants_more(more), "{more}");
        }
        for whole in ["", "1", "let x = 1", "fn f() { }", "x)", "\"abc", "1 // (", "let x =\n", "'['", "`(`"] {
            assert!(!wants_more(whole), "{whole}");
        }
    }
}
