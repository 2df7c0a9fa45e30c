//! Code of packages: it runs with the rights of its package, whoever calls it.
//!
//! Rhai does not say which functions a native call is inside of, and what it says of closures is wrong. So each function of a package is wrapped when the
//! package is loaded: what was its body becomes the one argument of an expression of ours, which enters the package at the gate, evaluates the body, and
//! leaves again, however the body ends. Whatever runs meanwhile (natives, the standard library, a closure of the recipe that is called back) runs
//! inside of the package. Code without bounds of its own is not wrapped, and costs nothing.

use std::collections::HashSet;
use std::sync::Arc;

use rhai::{
    AST, ASTNode, CustomExpr, Dynamic, Engine, EvalAltResult, EvalContext, Expr, Expression, FnCallExpr, Module, Position, ScriptFuncDef,
    ScriptFuncPayload, Stmt, StmtBlock,
};

use crate::bind::call;
use crate::model::{Fault, Kind};
use crate::transaction::{Gate, Party};

/// The name of our expression. No token of the language is this word, so no script can write it.
const INSIDE: &str = "inside$";

/// Lets an engine evaluate the functions of packages.
pub(super) fn register(engine: &mut Engine, gate: Gate) {
    let inside = move |context: &mut EvalContext, body: &[Expression], party: &Dynamic| -> Result<Dynamic, Box<EvalAltResult>> {
        let lost = || call::error(Fault::new(Kind::System, "enter a package", "its function was wrapped wrongly"), Position::NONE);
        let party = party.read_lock::<Arc<Party>>().map(|party| party.clone()).ok_or_else(lost)?;
        let body = body.first().ok_or_else(lost)?;
        let _inside = gate.enter(&party);
        context.eval_expression_tree(body)
    };
    // It fails only without a parser.
    let _ = engine.register_custom_syntax_handler(INSIDE, false, inside);
}

/// Wraps all functions of a source of a package, closures too. What runs when the source is imported is the importer's to wrap.
pub(super) fn wrap(mut ast: AST, party: &Arc<Party>) -> AST {
    let mut wrapped = Module::new();
    for function in ast.iter_fn_def() {
        wrapped.set_script_fn(inside(function, party));
    }
    ast.combine(AST::new([], wrapped));
    ast
}

fn inside(function: &ScriptFuncDef, party: &Arc<Party>) -> ScriptFuncDef {
    let ScriptFuncPayload::Statements(body) = &function.body;
    let (start, end) = (body.position(), body.end_position());
    let wrapper = CustomExpr {
        inputs: [Expr::Stmt(Box::new(body.clone()))].into_iter().collect(),
        tokens: [INSIDE.into()].into_iter().collect(),
        state: Dynamic::from(party.clone()),
        scope_may_be_changed: false,
        self_terminated: true,
    };
    let statement = Stmt::Expr(Box::new(Expr::Custom(Box::new(wrapper), start)));
    ScriptFuncDef { body: ScriptFuncPayload::Statements(StmtBlock::new([statement], start, end)), ..function.clone() }
}

/// Finds the first thing that code of a package must not say, because it could be done by somebody else later: a function that is known by its name
/// alone is whatever has that name where it is called, and arguments that were bound to a function of others are not the others'.
pub(super) fn forbidden(ast: &AST) -> Option<(Fault, Position)> {
    let refuse = |tried: String, why: &str, hint: &str| Fault::input(tried, why).hint(hint);
    let own: HashSet<&str> = ast.iter_functions().map(|function| function.name).collect();
    let mut found = None;
    ast.walk(&mut |path: &[ASTNode]| {
        let odd = match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at))) if call.name == "Fn" => {
                let hint = "a closure knows what it calls: |value| name(value)";
                Some((refuse("use `Fn(..)` in a package".into(), "a name alone is no function of the package", hint), *at))
            }
            Some(
                ASTNode::Expr(Expr::FnCall(call, at) | Expr::MethodCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at)),
            ) if call.name == "curry" && !is_closure_of_its_own(call) => {
                let hint = "a closure captures what it needs: |value| name(mine, value)";
                Some((refuse("use `curry` in a package".into(), "the function may be somebody else's", hint), *at))
            }
            Some(ASTNode::Expr(Expr::Variable(name, None, at))) if name.0.is_none() && name.2.is_empty() && own.contains(name.1.as_str()) => {
                let hint = format!("a closure knows what it calls: || {}(..)", name.1);
                Some((refuse(format!("use the function `{}` as a value in a package", name.1), "a name alone is no function of the package", &hint), *at))
            }
            _ => None,
        };
        found = odd;
        found.is_none()
    });
    found.or_else(|| {
        let function = ast.iter_fn_def().find(|function| function.this_type.is_some())?;
        let fault = refuse(
            format!("define the method `{}` in a package", function.name),
            "all code of the run would call it",
            "give the value as the first parameter of a function",
        );
        let ScriptFuncPayload::Statements(body) = &function.body;
        Some((fault, body.position()))
    })
}

/// Tells whether it is how the language itself lets a closure capture variables.
fn is_closure_of_its_own(call: &FnCallExpr) -> bool {
    matches!(call.args.first(), Some(Expr::DynamicConstant(value, _)) if value.is_fnptr())
}
