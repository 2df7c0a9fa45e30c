//! The recipe's own arguments: everything after its name.

use std::collections::BTreeMap;

use super::declare::Param;
use super::recipe::Interface;
use super::value::Value;
use crate::model::Fault;
use crate::model::near::did_you_mean;

/// The values of a recipe's parameters for one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arguments {
    /// What the command line gave; the other parameters have their defaults.
    pub given: BTreeMap<String, Value>,
    /// The values of the key parameters, joined with dots; empty without any.
    pub instance: String,
    /// Whether `--help` was asked for.
    pub help: bool,
}

/// Reads the arguments against the declarations.
pub fn parse(recipe: &str, interface: &Interface, words: &[String]) -> Result<Arguments, Fault> {
    let mut arguments = Arguments::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word == "--" {
            store(&mut arguments.given, rest(recipe, interface)?, Value::List(words.by_ref().cloned().map(Value::text).collect()));
            break;
        }
        let Some(flag) = word.strip_prefix("--").filter(|f| !f.is_empty()) else {
            let hint = format!("`fyke run {recipe} --help` shows its parameters");
            return Err(Fault::input(format!("take {word:?}"), "a parameter is given as --name VALUE").hint(hint));
        };
        if flag == "help" {
            arguments.help = true;
            continue;
        }
        let (flag, inline) = flag.split_once('=').map_or((flag, None), |(f, v)| (f, Some(v)));
        let (param, no) = find(recipe, &interface.params, flag)?;
        let value = match (&param.default, inline) {
            (Value::Bool(_), None) => Value::Bool(!no),
            (_, Some(text)) if !no => scalar_or_list(param, text)?,
            (_, Some(text)) => return Err(refuse(param, text, "--no- takes no value")),
            (_, None) => match words.next() {
                Some(text) => scalar_or_list(param, text)?,
                None => return Err(Fault::input(format!("set --{}", param.flag()), "its value is missing")),
            },
        };
        store(&mut arguments.given, param, value);
    }
    for param in &interface.params {
        if let Some(value) = arguments.given.get(&param.name) {
            param.accepts(value).map_err(|why| refuse(param, &value.to_string(), &why))?;
        }
    }
    if let Some(param) = interface.params.iter().find(|p| p.required && is_missing(arguments.given.get(&p.name))) {
        let word = if param.rest { "--".to_owned() } else { format!("--{}", param.flag()) };
        let why = if param.rest { "nothing stands behind `--`".to_owned() } else { format!("{word} is missing") };
        return Err(Fault::input(format!("run {recipe}"), why).hint(format!("{word}: {}", param.doc)));
    }
    arguments.instance = instance(&interface.params, &arguments.given);
    Ok(arguments)
}

/// Finds the parameter that takes what stands behind `--`.
fn rest<'a>(recipe: &str, interface: &'a Interface) -> Result<&'a Param, Fault> {
    let fault = || Fault::input("take \"--\"", format!("{recipe} takes no words behind it"));
    interface.params.iter().find(|param| param.rest).ok_or_else(|| fault().hint(format!("`fyke run {recipe} --help` shows its parameters")))
}

/// An empty value is none.
fn is_missing(value: Option<&Value>) -> bool {
    match value {
        None => true,
        Some(Value::Text(text)) => text.is_empty(),
        Some(Value::List(list)) => list.is_empty(),
        Some(_) => false,
    }
}

fn store(given: &mut BTreeMap<String, Value>, param: &Param, value: Value) {
    match (given.get_mut(&param.name), value) {
        (Some(Value::List(list)), Value::List(more)) => list.extend(more),
        (_, value) => drop(given.insert(param.name.clone(), value)),
    }
}

/// Finds the parameter of a flag, and whether the flag is its `--no-` form.
fn find<'a>(recipe: &str, params: &'a [Param], flag: &str) -> Result<(&'a Param, bool), Fault> {
    let name = flag.replace('_', "-");
    let named = |name: &str| params.iter().find(|p| p.flag() == name);
    if let Some(param) = named(&name) {
        return Ok((param, false));
    }
    if let Some(param) = name.strip_prefix("no-").and_then(named).filter(|p| matches!(p.default, Value::Bool(_))) {
        return Ok((param, true));
    }
    let flags: Vec<String> = params.iter().map(|p| format!("--{}", p.flag())).collect();
    let hint = did_you_mean(&format!("--{name}"), flags.iter().map(String::as_str)).unwrap_or_else(|| match flags.as_slice() {
        [] => "it has no parameters".to_owned(),
        _ => format!("its parameters are {}", flags.join(", ")),
    });
    Err(Fault::input(format!("take --{flag}"), format!("{recipe} has no such parameter")).hint(hint))
}

fn scalar_or_list(param: &Param, text: &str) -> Result<Value, Fault> {
    let Value::List(defaults) = &param.default else {
        return scalar(param, &param.default, text);
    };
    // An empty default says nothing about its elements: they are strings, as on a command line.
    let like = defaults.first().cloned().unwrap_or(Value::text(""));
    let words = text.split(',').map(str::trim).filter(|w| !w.is_empty());
    words.map(|w| scalar(param, &like, w)).collect::<Result<_, _>>().map(Value::List)
}

fn scalar(param: &Param, like: &Value, text: &str) -> Result<Value, Fault> {
    let wrong = |what: &str| refuse(param, text, what);
    Ok(match like {
        Value::Int(_) => Value::Int(text.parse().map_err(|_| wrong("it is no integer"))?),
        Value::Float(_) => Value::Float(text.parse().ok().filter(|f: &f64| f.is_finite()).ok_or_else(|| wrong("it is no number"))?),
        Value::Bool(_) => match text {
            "true" | "yes" | "on" => Value::Bool(true),
            "false" | "no" | "off" => Value::Bool(false),
            _ => return Err(wrong("it is neither true nor false")),
        },
        _ if text.contains(|c: char| c.is_control()) => return Err(wrong("it has control characters")),
        _ => Value::text(text),
    })
}

fn refuse(param: &Param, text: &str, why: &str) -> Fault {
    Fault::input(format!("set --{} to {text:?}", param.flag()), why).hint(format!("--{}: {}", param.flag(), param.doc))
}

fn instance(params: &[Param], given: &BTreeMap<String, Value>) -> String {
    let values = params.iter().filter(|p| p.key).map(|p| given.get(&p.name).unwrap_or(&p.default));
    let words = values.map(|v| match v {
        Value::List(list) => list.iter().map(Value::to_string).collect::<Vec<_>>().join("."),
        other => other.to_string(),
    });
    words.filter(|w| !w.is_empty()).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::super::recipe::Recipe;
    use super::*;

    const TEXT: &str = r#"
        param("port", 22, "TCP port", #{ key: true, min: 1, max: 65535 });
        param("interface", "", "only this interface", #{ key: true });
        param("log_prefix", "FYKE ", "prefix");
        param("log", true, "log at all");
        param("except", [], "prefixes");
        param("ports", [1, 2], "more ports", #{ max: 3 });
        param("rate", 1.5, "a rate");
        param("policy", "DROP", "policy", #{ choices: ["DROP", "ACCEPT"] });
    "#;

    fn given(words: &str) -> Result<Arguments, Fault> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        parse("x", &Recipe::inline("x", TEXT).interface().unwrap(), &words)
    }

    #[test]
    fn values_have_the_type_of_their_default() {
        let it =
            given("--port=2222 --interface eth0 --log_prefix= --no-log --except 10.0.0.0/8,::1 --except a --rate 2 --ports 5").unwrap();
        assert_eq!(it.instance, "2222.eth0");
        assert_eq!(it.given["port"], Value::Int(2222));
        assert_eq!(it.given["log_prefix"], Value::text(""));
        assert_eq!(it.given["log"], Value::Bool(false));
        assert_eq!(it.given["rate"], Value::Float(2.0));
        assert_eq!(it.given["except"].quoted(), "[\"10.0.0.0/8\", \"::1\", \"a\"]");
        assert_eq!(it.given["ports"].quoted(), "[5]");
        assert_eq!(given("").unwrap().instance, "22");
        assert!(given("--help").unwrap().help);
        assert_eq!(given("--log=no").unwrap().given["log"], Value::Bool(false));
        assert_eq!(given("--interface a/b").unwrap().instance, "22.a/b");
    }

    #[test]
    fn words_behind_two_dashes_are_taken_as_they_are() {
        let text = "param(\"command\", [], \"a program\", #{ rest: true, required: true }); param(\"quiet\", false, \"no words\");";
        let interface = Recipe::inline("x", text).interface().unwrap();
        let given = |words: &[&str]| parse("x", &interface, &words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let it = given(&["--quiet", "--", "a,b", "--help", "--", ""]).unwrap();
        assert_eq!((it.given["command"].quoted(), it.help), (r#"["a,b", "--help", "--", ""]"#.into(), false));
        assert_eq!(given(&["--"]).unwrap_err().why, "nothing stands behind `--`");
        let plain = Recipe::inline("x", "param(\"a\", 1, \"a\")").interface().unwrap();
        assert_eq!(parse("x", &plain, &["--".into()]).unwrap_err().why, "x takes no words behind it");
    }

    #[test]
    fn bad_arguments_are_refused() {
        let why = |words: &str| {
            let f = given(words).unwrap_err();
            format!("{f} ({})", f.hint.clone().unwrap_or_default())
        };
        assert_eq!(why("--prot 22"), "cannot take --prot: x has no such parameter (did you mean `--port`?)");
        assert_eq!(why("--port"), "cannot set --port: its value is missing ()");
        assert_eq!(why("--port 22x"), "cannot set --port to \"22x\": it is no integer (--port: TCP port)");
        assert_eq!(why("--port 0"), "cannot set --port to \"0\": 1 is the least (--port: TCP port)");
        assert_eq!(why("--port 70000"), "cannot set --port to \"70000\": 65535 is the most (--port: TCP port)");
        assert_eq!(why("--no-port"), why("--no-port"));
        assert_eq!(why("--ports 1,2,3,4"), "cannot set --ports to \"[1, 2, 3, 4]\": 3 values is the most (--ports: more ports)");
        assert_eq!(why("22"), "cannot take \"22\": a parameter is given as --name VALUE (`fyke run x --help` shows its parameters)");
        assert_eq!(why("--policy QUEUE"), "cannot set --policy to \"QUEUE\": it is one of \"DROP\", \"ACCEPT\" (--policy: policy)");
        assert_eq!(why("--rate inf"), "cannot set --rate to \"inf\": it is no number (--rate: a rate)");
        assert_eq!(
            parse("x", &Recipe::inline("x", "param(\"to\", 0, \"where to\", #{ required: true, min: 1 })").interface().unwrap(), &[])
                .unwrap_err()
                .to_string(),
            "cannot run x: --to is missing"
        );
        assert_eq!(why("--no-log=1"), "cannot set --log to \"1\": --no- takes no value (--log: log at all)");
    }
}
