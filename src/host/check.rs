//! What can be told about a recipe without running it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::PoisonError;

use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, Ident, Position, Scope, Stmt};

use super::engine::{self, Functions, Limits};
use super::recipe::{Header, Recipe, Risk};
use super::reflect::{self, FunctionDoc};
use super::resolve::{Key, Library};
use super::{declare, fault, spelling};
use crate::bind::ROOMS;
use crate::model::near::did_you_mean;
use crate::model::{Fault, Origin};

/// Calls that Rhai answers itself.
const BUILT_IN: [&str; 11] =
    ["print", "debug", "type_of", "call", "curry", "is_shared", "is_def_var", "is_def_fn", "Fn", "to_string", "to_debug"];

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The recipe would fail, or does not say what it does.
    Error,
    /// It may be meant so.
    Warning,
}

/// Something that is wrong with a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub fault: Fault,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is run, and says in its header what it does.
    Recipe,
    /// Others import it.
    Module,
    /// It has tests in it, which may import all of their project.
    Test,
}

/// Checks a recipe and everything that it imports. Touches nothing and runs nothing.
///
/// The second value has the sources, to show the lines of the findings.
pub fn check(recipe: &Recipe) -> (Vec<Finding>, Library) {
    check_as(recipe, Role::Recipe)
}

/// Checks a file and everything that it imports.
pub fn check_as(file: &Recipe, role: Role) -> (Vec<Finding>, Library) {
    let (findings, _, library) = look(file, role);
    (findings, library)
}

/// Names the rooms that a recipe uses, itself or in what it imports.
pub fn rooms(recipe: &Recipe) -> BTreeSet<&'static str> {
    look(recipe, Role::Recipe).1
}

fn look(recipe: &Recipe, role: Role) -> (Vec<Finding>, BTreeSet<&'static str>, Library) {
    let engine = engine::language(&Limits::default(), Functions::Sought);
    let library = Library::default();
    let mut checker = Checker { engine: &engine, library: &library, known: reflect::known(&engine), ..Checker::new(&engine, &library) };
    checker.recipe(recipe, role);
    let Checker { mut findings, used, .. } = checker;
    findings.sort_by_key(|f| (f.severity, f.fault.origin.as_ref().map(|o| (o.at.file.clone(), o.at.line, o.at.column))));
    (findings, used, library)
}

/// The names and numbers of parameters of a module's functions.
type Exports = Vec<(String, usize)>;

struct Checker<'a> {
    engine: &'a Engine,
    library: &'a Library,
    known: Vec<FunctionDoc>,
    modules: HashMap<Key, Exports>,
    used: BTreeSet<&'static str>,
    findings: Vec<Finding>,
}

/// One source while it is checked.
#[derive(Default)]
struct Unit {
    functions: Exports,
    imports: BTreeMap<String, Exports>,
    /// Names that a map has in this source: a method of such a name may be a function in a map.
    properties: BTreeSet<String>,
}

impl<'a> Checker<'a> {
    fn new(engine: &'a Engine, library: &'a Library) -> Self {
        Self { engine, library, known: Vec::new(), modules: HashMap::new(), used: BTreeSet::new(), findings: Vec::new() }
    }

    fn error(&mut self, fault: Fault) {
        self.findings.push(Finding { severity: Severity::Error, fault });
    }

    fn warn(&mut self, fault: Fault) {
        self.findings.push(Finding { severity: Severity::Warning, fault });
    }

    fn origin(&self, at: Position) -> Option<Origin> {
        fault::in_run(&self.library.sources.read().unwrap_or_else(PoisonError::into_inner), at)
    }

    fn recipe(&mut self, recipe: &Recipe, role: Role) {
        let begun = if role == Role::Test { self.library.begin_in_project(recipe) } else { self.library.begin(recipe) };
        if let Err(fault) = begun {
            return self.error(fault);
        }
        let Some(ast) = self.source(&recipe.file, &recipe.text) else {
            return;
        };
        let declared = declare::declared(&ast, &|at| self.origin(at).unwrap_or_else(|| Origin::at(&recipe.file, 1, 1)));
        declared.faults.into_iter().for_each(|f| self.error(f));
        match recipe.header() {
            _ if role != Role::Recipe => {}
            Ok(header) => self.header(recipe, &header),
            Err(fault) => self.error(fault.at(Origin::at(&recipe.file, 1, 1))),
        }
    }

    fn header(&mut self, recipe: &Recipe, header: &Header) {
        let head = || Origin::at(&recipe.file, 1, 1);
        if let Some(lack) = header.lacks() {
            self.warn(lack.at(head()));
        }
        let tried = format!("trust the header of {}", recipe.name);
        for need in &header.needs {
            if !ROOMS.iter().any(|room| room.name == need) {
                let fault = Fault::input(&tried, format!("it needs `{need}`, and there is no such room")).at(head());
                let hint = did_you_mean(need, ROOMS.iter().map(|r| r.name));
                self.error(Fault { hint, ..fault });
            } else if !self.used.contains(need.as_str()) {
                self.warn(Fault::input(&tried, format!("it needs `{need}` and does not use it")).at(head()));
            }
        }
        // A recipe that only reads needs no leave to change anything.
        let undeclared = self.used.iter().filter(|room| !header.needs.iter().any(|n| n == *room) && header.risk != Some(Risk::Reads));
        for room in undeclared.copied().collect::<Vec<_>>() {
            let fault = Fault::input(&tried, format!("it uses the room `{room}` and does not say so")).at(head());
            self.error(fault.hint(format!("write `//! needs: {room}` at its head")));
        }
    }

    /// Checks one source and everything that it imports.
    fn source(&mut self, name: &str, text: &str) -> Option<AST> {
        spelling::findings(name, text).into_iter().for_each(|f| self.warn(f));
        let ast = match self.library.compile(self.engine, &Scope::new(), name, text) {
            Ok(ast) => ast,
            Err(fault) => {
                self.error(fault);
                return None;
            }
        };
        let mut unit = Unit { functions: exports(&ast), ..Unit::default() };
        self.imports(&ast, &mut unit);
        self.calls(&ast, &unit);
        Some(ast)
    }

    fn imports(&mut self, ast: &AST, unit: &mut Unit) {
        let mut imports = Vec::new();
        ast.walk(&mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Import(import, _))) => imports.push(import.clone()),
                Some(ASTNode::Expr(Expr::Map(map, _))) => unit.properties.extend(map.0.iter().map(|(key, _)| key.name.to_string())),
                Some(ASTNode::Expr(Expr::Property(property, _))) => drop(unit.properties.insert(property.2.to_string())),
                _ => {}
            }
            true
        });
        for import in imports {
            let (path, alias) = &*import;
            let at = path.position();
            match path {
                Expr::StringConstant(word, _) => match self.module(word, at) {
                    Ok(exports) => drop(unit.imports.insert(alias.name.to_string(), exports)),
                    Err(fault) => {
                        let origin = self.origin(at);
                        self.error(if fault.origin.is_none() { Fault { origin, ..fault } } else { fault });
                    }
                },
                _ => {
                    let fault = Fault::input("check an import", "its path is no literal string");
                    self.warn(Fault { origin: self.origin(at), ..fault });
                }
            }
        }
    }

    fn module(&mut self, word: &str, at: Position) -> Result<Exports, Fault> {
        let (key, name) = self.library.find(word, at)?;
        if let Some(exports) = self.modules.get(&key) {
            return Ok(exports.clone());
        }
        self.library.enter(&key, &name)?;
        let read = self.library.read(&key, &name);
        let exports = read.map(|text| self.source(&name, &text).map_or_else(Vec::new, |ast| exports(&ast)));
        self.library.leave();
        self.modules.insert(key, exports.clone()?);
        exports
    }

    fn calls(&mut self, ast: &AST, unit: &Unit) {
        ast.walk(&mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at))) => {
                    self.call(call, *at, unit);
                }
                Some(ASTNode::Expr(Expr::MethodCall(call, at))) => self.method(call, *at, unit),
                Some(ASTNode::Expr(Expr::Variable(variable, _, _))) if !variable.2.is_empty() => self.room(&variable.2.path),
                Some(ASTNode::Stmt(Stmt::Var(variable, _, at))) => self.variable(&variable.0, *at),
                _ => {}
            }
            true
        });
    }

    /// Notes that a room is used.
    fn room(&mut self, namespace: &[Ident]) {
        let root = namespace.first().and_then(|root| ROOMS.iter().find(|room| room.name == root.name.as_str()));
        self.used.extend(root.map(|room| room.name));
    }

    fn variable(&mut self, name: &Ident, at: Position) {
        if ROOMS.iter().any(|room| room.name == name.name.as_str()) {
            let fault = Fault::input(format!("tell `{0}` from `{0}::`", name.name), "a variable has the name of a room");
            self.warn(Fault { origin: self.origin(at), ..fault });
        }
    }

    fn call(&mut self, call: &FnCallExpr, at: Position, unit: &Unit) {
        if call.is_operator_call() || !call.name.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return;
        }
        let (name, arity) = (call.name.as_str(), call.args.len());
        let namespace: Vec<_> = call.namespace.path.iter().map(|part| part.name.to_string()).collect();
        self.room(&call.namespace.path);
        let found: Exports = match namespace.first() {
            None if BUILT_IN.contains(&name) => return,
            None => unit.functions.iter().cloned().chain(self.native(|f| f.bare || f.method)).collect(),
            Some(alias) if namespace.len() == 1 && unit.imports.contains_key(alias) => unit.imports[alias].clone(),
            Some(root) if ROOMS.iter().any(|room| room.name == root) => {
                let room = namespace.join("::");
                self.native(|f| f.room == room).collect()
            }
            // A module inside of a module, or one that could not be read: its own finding says so.
            Some(_) => return,
        };
        let shown = namespace.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join("::");
        self.judge(&shown, name, &found, &[arity], at);
    }

    fn method(&mut self, call: &FnCallExpr, at: Position, unit: &Unit) {
        let (name, arity) = (call.name.as_str(), call.args.len());
        if BUILT_IN.contains(&name) || unit.properties.contains(name) {
            return;
        }
        // A native function counts its receiver, a function of the script does not.
        let native = self.native(|f| f.bare || f.method).map(|(name, params)| (name, params.wrapping_sub(1)));
        let found: Exports = unit.functions.iter().cloned().chain(native).collect();
        self.judge(&format!(".{name}"), name, &found, &[arity], at);
    }

    fn native(&self, which: impl Fn(&FunctionDoc) -> bool) -> impl Iterator<Item = (String, usize)> {
        self.known.iter().filter(move |f| which(f)).map(|f| (f.name.clone(), f.params.len()))
    }

    fn judge(&mut self, shown: &str, name: &str, found: &Exports, arities: &[usize], at: Position) {
        let mut takes: Vec<usize> = found.iter().filter(|(n, _)| n == name).map(|(_, params)| *params).collect();
        if takes.iter().any(|params| arities.contains(params)) {
            return;
        }
        takes.sort_unstable();
        takes.dedup();
        let (why, hint) = match takes.as_slice() {
            [] => ("there is no such function".to_owned(), did_you_mean(name, found.iter().map(|(n, _)| n.as_str()))),
            [most @ .., last] => {
                let most: String = most.iter().map(|n| format!("{n} or ")).collect();
                (format!("it takes {most}{last} argument{}, not {}", if *last == 1 { "" } else { "s" }, arities[0]), None)
            }
        };
        let fault = Fault::input(format!("call {shown}"), why);
        self.error(Fault { origin: self.origin(at), hint, ..fault });
    }
}

fn exports(ast: &AST) -> Exports {
    ast.iter_functions().map(|f| (f.name.to_owned(), f.params.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let (findings, _) = check(&Recipe::inline("x", text));
        let told = |f: &Finding| {
            let at = f.fault.origin.as_ref().map_or_else(String::new, |o| format!("{}:{}", o.at.line, o.at.column));
            format!("{:?} {at} {}{}", f.severity, f.fault, f.fault.hint.as_ref().map_or_else(String::new, |h| format!(" ({h})")))
        };
        findings.iter().map(told).collect()
    }

    const HEAD: &str = "//! Does something.\n//! risk: reads\n";

    fn only(text: &str) -> Vec<String> {
        found(&format!("{HEAD}{text}"))
    }

    #[test]
    fn good_recipes_have_no_findings() {
        assert_eq!(only(""), Vec::<String>::new());
        let text = "let port = param(\"port\", 22, \"TCP port\");\nfn twice(x) { x * 2 }\nlet m = #{ act: |x| x + 1 };\nm.act(1);\n[1, \
                    2].map(|x| twice(x)).len();\nlet f = |x| x; f.call(1); print(`${port}`); 5.twice2();\nfn twice2() { this * 2 }\nsleep(1); \
                    \"a,b\".split(\",\"); let a = [3]; a.sort(); a[0] += 1; if a.contains(4) { exit(); } \"x\".to_upper(); a.push(1);";
        assert_eq!(only(text), Vec::<String>::new());
    }

    #[test]
    fn calls_are_looked_up() {
        assert_eq!(only("slep(1);"), ["Error 3:1 cannot call slep: there is no such function (did you mean `sleep`?)"]);
        assert_eq!(only("sleep(1, 2);"), ["Error 3:1 cannot call sleep: it takes 1 argument, not 2"]);
        assert_eq!(only("let a = [1]; a.pusch(2);"), ["Error 3:16 cannot call .pusch: there is no such function (did you mean `push`?)"]);
        assert_eq!(only("fn f(a) { g(a) }"), ["Error 3:11 cannot call g: there is no such function"]);
        assert_eq!(only("fn f(a) { a }\nf();"), ["Error 4:1 cannot call f: it takes 1 argument, not 0"]);
    }

    #[test]
    fn headers_and_parameters_are_judged() {
        assert_eq!(
            found("1"),
            ["Warning 1:1 cannot know what the recipe does: its header lacks a sentence (`//! Drop a source that ...`)"]
        );
        assert_eq!(
            found("//! X.\n//! risk: changes\n//! needs: iptabels\n"),
            ["Error 1:1 cannot trust the header of x: it needs `iptabels`, and there is no such room (did you mean `iptables`?)"]
        );
        assert_eq!(
            found("//! X.\n//! risk: some\n"),
            ["Error 1:1 cannot read the header of x: \"some\" is none of reads, changes, disrupts"]
        );
        assert_eq!(only("param(\"a\", 1 + 1, \"\");").len(), 1);
        assert_eq!(only("let x = ;"), ["Error 3:9 cannot read x: unexpected `;`"]);
        assert_eq!(only("import \"std:none\" as n; n::f();").len(), 1);
    }

    #[test]
    fn spellings_that_deceive_are_shown() {
        assert_eq!(
            only("let x = \"\u{430}dmin\";"),
            ["Warning 3:10 cannot tell \"\u{430}dmin\" from its look-alike: it mixes Latin letters with '\u{430}' (U+0430)"]
        );
        assert_eq!(only("// \u{202e}x"), ["Warning 3:4 cannot show the line as it is: U+202E changes the order of its characters"]);
        assert_eq!(only("let x = \"\u{430}\u{431}\u{432} größe 10\u{3bc}s\";"), Vec::<String>::new());
    }
}
