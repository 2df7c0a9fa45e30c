//! A script cannot replace what the host gives it.

use rhai::{AST, ASTNode, Position, Stmt};

use super::reflect::FunctionDoc;
use crate::bind;
use crate::model::{Fault, Origin};

/// Functions of the language that a script must not replace, either.
const LANGUAGE: [&str; 8] = ["print", "debug", "type_of", "call", "curry", "is_shared", "to_string", "to_debug"];

/// Finds the first function or import of a source that would replace a function or a room of the host.
///
/// A script function goes before a native one: `fn append(rule)` would catch every `chain.append(rule)`, so methods are looked at by the number
/// of their parameters with and without the receiver.
pub(super) fn replaced<'a>(ast: &AST, known: &dyn Fn() -> &'a [FunctionDoc], at: &dyn Fn(Position) -> Option<Origin>) -> Option<Fault> {
    let mut found = None;
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Stmt(Stmt::Import(import, _))) = path.last()
            && bind::ROOMS.iter().any(|room| room.name == import.1.name.as_str())
        {
            let fault = Fault::input(format!("import as `{}`", import.1.name), "a room of fyke has this name");
            found = Some(Fault { origin: at(import.1.pos), ..fault.hint("give it another name: import .. as other;") });
        }
        found.is_none()
    });
    if found.is_some() || !ast.has_functions() {
        return found;
    }
    let taken = |name: &str, params: usize| {
        LANGUAGE.contains(&name)
            || bind::ROOMS.iter().any(|room| room.name == name)
            || known().iter().any(|k| {
                k.name == name && (k.room.is_empty() || k.method) && (!k.method || k.params.len() == params || k.params.len() == params + 1)
            })
    };
    let defined = ast.iter_functions().filter(|f| !f.name.starts_with("anon$")).find(|f| taken(f.name, f.params.len()))?;
    let fault = Fault::input(format!("define the function `{}`", defined.name), "fyke has a function or a room of this name");
    Some(Fault { origin: function_position(ast, defined.name).and_then(at), ..fault.hint("give it another name") })
}

/// Finds the body of a function: Rhai keeps no position of its name.
fn function_position(ast: &AST, name: &str) -> Option<Position> {
    ast.shared_lib().iter_script_fn_info().find(|(_, _, found, _, _)| *found == name).map(|(_, _, _, _, f)| f.body.start_position())
}
