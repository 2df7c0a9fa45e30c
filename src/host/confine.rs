//! What code of a package must not say, so that it runs with the rights of its package whoever calls it.
//!
//! The engine keeps a stack of the modules that it is inside of ([`Session::door_of`](crate::bind::Session::door_of)); code of a package is reached only
//! through functions that are on it. A function that is known by its name alone is not: it is whatever has the name where it is called.

use std::collections::HashSet;

use rhai::{AST, ASTNode, Expr, FnCallExpr, Position, Stmt};

use crate::model::Fault;

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
            Some(ASTNode::Expr(Expr::FnCall(call, at) | Expr::MethodCall(call, at)) | ASTNode::Stmt(Stmt::FnCall(call, at)))
                if call.name == "curry" && !is_closure_of_its_own(call) =>
            {
                let hint = "a closure captures what it needs: |value| name(mine, value)";
                Some((refuse("use `curry` in a package".into(), "the function may be somebody else's", hint), *at))
            }
            Some(ASTNode::Expr(Expr::Variable(name, None, at)))
                if name.0.is_none() && name.2.is_empty() && own.contains(name.1.as_str()) =>
            {
                let hint = format!("a closure knows what it calls: || {}(..)", name.1);
                Some((
                    refuse(
                        format!("use the function `{}` as a value in a package", name.1),
                        "a name alone is no function of the package",
                        &hint,
                    ),
                    *at,
                ))
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
        Some((fault, function.body.start_position()))
    })
}

/// Tells whether it is how the language itself lets a closure capture variables.
fn is_closure_of_its_own(call: &FnCallExpr) -> bool {
    matches!(call.args.first(), Some(Expr::DynamicConstant(value, _)) if value.is_fnptr())
}

#[cfg(test)]
mod tests;
