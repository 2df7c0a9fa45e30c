//! The parameters that a recipe declares, read from its syntax tree without running it.

use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, OptimizationLevel, Position, Stmt};

use super::engine::EXPR_DEPTHS;
use super::value::Value;
use crate::model::near::did_you_mean;
use crate::model::{Fault, Origin};

/// The options that a declaration may have.
const OPTIONS: [&str; 6] = ["key", "required", "rest", "min", "max", "choices"];

/// A declared parameter: `param("port", 22, "TCP port to protect", #{ key: true })`.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// The name as the script has it.
    pub name: String,
    /// The default, which decides the type.
    pub default: Value,
    /// One line of help.
    pub doc: String,
    /// Whether its value is a part of the instance.
    pub key: bool,
    /// Whether it must be given: its default only says of which type it is.
    pub required: bool,
    /// Whether it takes the words behind `--`, as they are.
    pub rest: bool,
    /// The least number, or length of an array.
    pub min: Option<f64>,
    /// The greatest number, or length of an array.
    pub max: Option<f64>,
    /// All values that are allowed, if they are few.
    pub choices: Vec<Value>,
    /// Where it is declared.
    pub declared: Origin,
}

impl Param {
    /// Gives the flag on the command line, without the dashes: `log_prefix` is given as `--log-prefix`.
    pub fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// Checks a value against bounds and choices.
    pub fn accepts(&self, value: &Value) -> Result<(), String> {
        let (number, what) = match value {
            Value::Int(i) => (*i as f64, ""),
            Value::Float(f) => (*f, ""),
            Value::List(list) => (list.len() as f64, " values"),
            _ => (0.0, ""),
        };
        if let Some(min) = self.min.filter(|min| number < *min) {
            return Err(format!("{min}{what} is the least"));
        }
        if let Some(max) = self.max.filter(|max| number > *max) {
            return Err(format!("{max}{what} is the most"));
        }
        let one = |v: &Value| self.choices.is_empty() || self.choices.contains(v);
        let fits = if let Value::List(list) = value { list.iter().all(one) } else { one(value) };
        match fits {
            true => Ok(()),
            false => Err(format!("it is one of {}", self.choices.iter().map(Value::quoted).collect::<Vec<_>>().join(", "))),
        }
    }
}

/// What was found: the good declarations, and what is wrong with the others.
#[derive(Debug, Default)]
pub struct Declared {
    /// The parameters in the order of the source.
    pub params: Vec<Param>,
    /// The faults.
    pub faults: Vec<Fault>,
}

/// Makes an engine that only parses: it knows no function and no module.
pub fn parser() -> Engine {
    let mut engine = Engine::new_raw();
    engine.set_max_expr_depths(EXPR_DEPTHS.0, EXPR_DEPTHS.1).set_optimization_level(OptimizationLevel::None);
    engine
}

/// Collects the calls of `param` in a source.
pub fn declared(ast: &AST, at: &dyn Fn(Position) -> Origin) -> Declared {
    let mut found = Declared::default();
    ast.walk(&mut |path: &[ASTNode]| {
        if let Some(ASTNode::Expr(Expr::FnCall(call, pos)) | ASTNode::Stmt(Stmt::FnCall(call, pos))) = path.last()
            && call.name == "param"
            && !call.is_qualified()
        {
            let origin = at(*pos);
            match declaration(call, &origin).and_then(|param| duplicate(&found.params, param)) {
                Ok(Some(param)) => found.params.push(param),
                Ok(None) => {}
                Err(fault) => found.faults.push(fault.at(origin)),
            }
        }
        true
    });
    // Functions are walked after the statements, whatever the order in the file.
    found.params.sort_by_key(|p| (p.declared.at.line, p.declared.at.column));
    found
}

fn duplicate(known: &[Param], param: Param) -> Result<Option<Param>, Fault> {
    match known.iter().find(|p| p.flag() == param.flag()) {
        None => Ok(Some(param)),
        Some(first) if first.name == param.name && first.default == param.default => Ok(None),
        Some(first) => Err(Fault::input(
            format!("declare the parameter `{}`", param.name),
            format!("it is declared otherwise at {}", first.declared.at),
        )),
    }
}

fn declaration(call: &FnCallExpr, at: &Origin) -> Result<Param, Fault> {
    let literal = |i: usize| call.args.get(i).and_then(|e| e.get_literal_value(None)).and_then(|v| Value::literal(&v));
    let Some(Value::Text(name)) = literal(0) else {
        return Err(Fault::input("declare a parameter", "its name is no literal string")
            .hint("a declaration is read without running the recipe: param(\"port\", 22, \"TCP port\")"));
    };
    let refuse = |why: String| Fault::input(format!("declare the parameter `{name}`"), why);
    let first = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !first || name.contains(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')) {
        return Err(refuse("a name is made of lower case letters, digits and `_`, and begins with a letter".to_owned()));
    }
    if name == "help" {
        return Err(refuse("--help is fyke's own".to_owned()));
    }
    if !(3..=4).contains(&call.args.len()) {
        return Err(refuse(format!("param takes a name, a default, a text and maybe options, not {} arguments", call.args.len())));
    }
    let default = literal(1).filter(allowed).ok_or_else(|| {
        refuse("its default is no literal".to_owned())
            .hint("write a number, a string, true, false or an array of these; compute from it below")
    })?;
    let Some(Value::Text(doc)) = literal(2) else {
        return Err(refuse("its text is no literal string".to_owned()));
    };
    let mut param = Param {
        name: name.clone().into_owned(),
        default,
        doc: doc.into_owned(),
        key: false,
        required: false,
        rest: false,
        min: None,
        max: None,
        choices: Vec::new(),
        declared: at.clone(),
    };
    match (call.args.get(3), literal(3)) {
        (None, _) => {}
        (_, Some(Value::Map(options))) => options.into_iter().try_for_each(|(k, v)| option(&mut param, &k, v))?,
        _ => return Err(refuse("its options are no literal map".to_owned()).hint("write #{ key: true, min: 1, max: 65535 }")),
    }
    match param.accepts(&param.default) {
        Err(why) if !param.required => Err(refuse(format!("its default is refused: {why}"))),
        _ => Ok(param),
    }
}

fn allowed(default: &Value) -> bool {
    match default {
        Value::List(list) => list.iter().all(|v| !matches!(v, Value::List(_) | Value::Map(_) | Value::Unit)),
        other => !matches!(other, Value::Map(_) | Value::Unit),
    }
}

fn option(param: &mut Param, name: &str, value: Value) -> Result<(), Fault> {
    match (name, value) {
        ("key", Value::Bool(key)) => param.key = key,
        ("required", Value::Bool(required)) => param.required = required,
        ("rest", Value::Bool(rest)) if matches!(param.default, Value::List(_)) => param.rest = rest,
        ("min", Value::Int(i)) => param.min = Some(i as f64),
        ("min", Value::Float(f)) => param.min = Some(f),
        ("max", Value::Int(i)) => param.max = Some(i as f64),
        ("max", Value::Float(f)) => param.max = Some(f),
        ("choices", Value::List(choices)) => param.choices = choices,
        (known, value) if OPTIONS.contains(&known) => {
            let why = format!("its option `{known}` cannot be {}", value.quoted());
            return Err(Fault::input(format!("declare the parameter `{}`", param.name), why));
        }
        (unknown, _) => {
            let fault = Fault::input(format!("declare the parameter `{}`", param.name), format!("there is no option `{unknown}`"));
            let hint = did_you_mean(unknown, OPTIONS).unwrap_or_else(|| format!("the options are {}", OPTIONS.join(", ")));
            return Err(fault.hint(hint));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::recipe::Recipe;
    use super::*;

    fn params(text: &str) -> Vec<Param> {
        Recipe::inline("x", text).interface().unwrap().params
    }

    fn refused(text: &str) -> String {
        let fault = Recipe::inline("x", text).interface().unwrap_err();
        format!("{}: {}", fault.origin.unwrap().at, fault.why)
    }

    #[test]
    fn declarations_are_read_from_the_tree() {
        let text = r#"//! x
            let port = param("port", 22, "TCP port", #{ key: true, min: 1, max: 65535 });
            let odds = [param("log_prefix", "FYKE ", "prefix"), -1];
            fn late() { param("hosts", ["a", "b"], "hosts") }
            if param("verbose", false, "talk") { late(); }
            let low = param("low", -2.5, "a number");
        "#;
        let params = params(text);
        let names: Vec<_> = params.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["port", "log_prefix", "hosts", "verbose", "low"]);
        assert_eq!((params[0].key, params[0].min, params[0].max), (true, Some(1.0), Some(65535.0)));
        assert_eq!(params[0].default, Value::Int(22));
        assert_eq!(params[1].flag(), "log-prefix");
        assert_eq!(params[4].default, Value::Float(-2.5));
        assert_eq!(params[0].declared.at.to_string(), "x:2:24");
    }

    #[test]
    fn bad_declarations_are_refused() {
        assert_eq!(refused("let a = 1; param(\"x\", a, \"\")"), "x:1:12: its default is no literal");
        assert_eq!(
            refused("param(\"X\", 1, \"\")"),
            "x:1:1: a name is made of lower case letters, digits and `_`, and begins with a letter"
        );
        assert_eq!(refused("param(\"help\", 1, \"\")"), "x:1:1: --help is fyke's own");
        assert_eq!(refused("param(\"x\", 1)"), "x:1:1: param takes a name, a default, a text and maybe options, not 2 arguments");
        assert_eq!(refused("param(\"x\", 1, \"\", #{ kye: true })"), "x:1:1: there is no option `kye`");
        assert_eq!(refused("param(\"x\", 0, \"\", #{ min: 1 })"), "x:1:1: its default is refused: 1 is the least");
        assert_eq!(refused("param(\"x\", 0, \"\"); param(\"x\", 1, \"\")"), "x:1:20: it is declared otherwise at x:1:1");
        assert_eq!(refused("param(\"x\", (), \"\")"), "x:1:1: its default is no literal");
    }
}
