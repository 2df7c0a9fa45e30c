//! What a source must not say: a script cannot replace what the host gives it.

use std::collections::HashSet;

use rhai::{AST, ASTNode, Expr, Position, Stmt};

use super::reflect::Callable;
use crate::bind;
use crate::model::{Fault, Origin};

/// Functions of the language that a script must not replace, either.
const LANGUAGE: [&str; 8] = ["print", "debug", "type_of", "call", "curry", "is_shared", "to_string", "to_debug"];

/// Finds the first thing that a source must not say: a function or import that would replace one of the host, a shift of nonsense.
///
/// A script function goes before a native one: in a source that uses a room, `fn append(rule)` would catch every `chain.append(rule)`. Without
/// such a call it is a name like any other.
pub(super) fn replaced<'a>(ast: &AST, known: &dyn Fn() -> &'a [Callable], at: &dyn Fn(Position) -> Option<Origin>) -> Option<Fault> {
    let seen = Seen::in_source(ast);
    if let Some((alias, pos)) = seen.aliases.iter().find(|(alias, _)| is_room(alias)) {
        let fault = Fault::input(format!("import as `{alias}`"), "a room of fyke has this name");
        return Some(Fault { origin: at(*pos), ..fault.hint("give it another name: import .. as other;") });
    }
    if let Some((by, pos)) = seen.shifts.first() {
        return Some(Fault { origin: at(*pos), ..Fault::input(format!("shift by {by}"), "an integer has 64 bits") });
    }
    let defined: Vec<_> = ast.iter_functions().filter(|f| !f.name.starts_with("anon$")).collect();
    if defined.is_empty() {
        return None;
    }
    let own = |name: &str| LANGUAGE.contains(&name) || is_room(name) || known().iter().any(|k| k.bare && k.name == name);
    // A room is used by its name, or by one of its functions that stand alone.
    let uses_room = seen.uses_room || known().iter().any(|k| k.bare && !k.room.is_empty() && seen.calls.contains(&k.name));
    let caught = |name: &str, params: usize| {
        uses_room && seen.methods.contains(&(name.to_owned(), params)) && known().iter().any(|k| k.method && k.name == name)
    };
    let function = defined.iter().find(|f| own(f.name) || caught(f.name, f.params.len()))?;
    let fault = Fault::input(format!("define the function `{}`", function.name), "fyke has a function or a room of this name");
    Some(Fault { origin: function_position(ast, function.name).and_then(at), ..fault.hint("give it another name") })
}

fn is_room(name: &str) -> bool {
    bind::ROOMS.iter().any(|room| room.name == name)
}

/// What a source says that matters here.
#[derive(Default)]
struct Seen {
    aliases: Vec<(String, Position)>,
    /// Methods that are called, with the number of their arguments.
    methods: HashSet<(String, usize)>,
    uses_room: bool,
    /// Functions that are called without a module's name.
    calls: HashSet<String>,
    /// Shifts that leave nothing of an integer: Rhai calculates them to a value.
    shifts: Vec<(i64, Position)>,
}

impl Seen {
    fn in_source(ast: &AST) -> Self {
        let mut seen = Self::default();
        ast.walk(&mut |path: &[ASTNode]| {
            match path.last() {
                Some(ASTNode::Stmt(Stmt::Import(import, _))) => seen.aliases.push((import.1.name.to_string(), import.1.pos)),
                Some(ASTNode::Expr(Expr::MethodCall(call, _))) => drop(seen.methods.insert((call.name.to_string(), call.args.len()))),
                Some(ASTNode::Expr(Expr::FnCall(call, _)) | ASTNode::Stmt(Stmt::FnCall(call, _))) => {
                    if call.namespace.is_empty() {
                        seen.calls.insert(call.name.to_string());
                    }
                    seen.uses_room |= call.namespace.path.first().is_some_and(|root| is_room(&root.name));
                    if let ("<<" | ">>", [_, Expr::IntegerConstant(by, pos)]) = (call.name.as_str(), call.args.as_slice())
                        && !(0..64).contains(by)
                    {
                        seen.shifts.push((*by, *pos));
                    }
                }
                _ => {}
            }
            true
        });
        seen
    }
}

/// Finds the body of a function: Rhai keeps no position of its name.
fn function_position(ast: &AST, name: &str) -> Option<Position> {
    ast.shared_lib().iter_script_fn_info().find(|(_, _, found, _, _)| *found == name).map(|(_, _, _, _, f)| f.body.start_position())
}
