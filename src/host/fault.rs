//! Errors of the interpreter become faults: in plain words, at the right file and line, with the calls that led there.

use std::sync::PoisonError;

use rhai::{Dynamic, Engine, EvalAltResult, LexError, ParseError, ParseErrorType};

use super::Library;
use super::reflect;
use super::value::Value;
use crate::bind::call;
use crate::model::near::did_you_mean;
use crate::model::source::Sources;
use crate::model::{Fault, Frame, Kind, Origin, Position};

/// Turns a position in a single file into an origin.
pub(super) fn in_file(file: &str, at: rhai::Position) -> Origin {
    let number = |n: Option<usize>| n.and_then(|n| u32::try_from(n).ok()).unwrap_or(1).max(1);
    Origin::at(file, number(at.line()), number(at.position()))
}

/// Turns a position of the run into an origin.
pub(super) fn in_run(sources: &Sources, at: rhai::Position) -> Option<Origin> {
    let number = |n: Option<usize>| n.and_then(|n| u32::try_from(n).ok());
    let at = sources.position(number(at.line())?, number(at.position()).unwrap_or(1))?;
    Some(Origin { at, frames: [].into() })
}

/// Turns a syntax error of a single file into a fault.
pub(super) fn of_parsing(file: &str, text: &str, error: &ParseError) -> Fault {
    syntax(error.err_type(), text, file).at(in_file(file, error.position()))
}

/// Turns a syntax error of a source of the run into a fault.
pub(super) fn of_compiling(sources: &Sources, file: &str, error: &ParseError) -> Fault {
    let text = sources.named(file).map_or("", |s| &s.text);
    // An error at the very end has no position: it is shown at the last line.
    let at = in_run(sources, error.position()).unwrap_or_else(|| {
        let last = text.lines().count().max(1);
        Origin::at(
            file,
            u32::try_from(last).unwrap_or(1),
            text.lines().last().map_or(1, |l| u32::try_from(l.chars().count() + 1).unwrap_or(1)),
        )
    });
    syntax(error.err_type(), text, file).at(at)
}

/// Turns an error of a run into a fault. `tried` is the end of "cannot ...".
pub(super) fn of_running(error: EvalAltResult, tried: &str, engine: &Engine, library: &Library) -> Fault {
    let sources = library.sources.read().unwrap_or_else(PoisonError::into_inner);
    let place = |at| in_run(&sources, at).map(|o| o.at);
    let mut frames: Vec<Frame> = Vec::new();
    let mut error = error;
    let error = loop {
        let (function, inner, at) = match error {
            EvalAltResult::ErrorInFunctionCall(name, _, inner, at) => (shown(&name), inner, at),
            EvalAltResult::ErrorInModule(name, inner, at) => (format!("import {name:?}"), inner, at),
            other => break other,
        };
        if let Some(called_at) = place(at) {
            frames.push(Frame { function, called_at });
        }
        error = *inner;
    };
    frames.reverse();
    let at = place(error.position()).or_else(|| frames.first().map(|f| f.called_at.clone()));
    let fault = described(error, tried, engine, &sources, at.as_ref());
    match (fault.origin.as_ref(), at) {
        // A fault of a native function: the calls around it are known only now.
        (Some(origin), Some(at)) if origin.at == at => Fault { origin: Some(Origin { at, frames: frames.into() }), ..fault },
        // Thrown again elsewhere, or queued elsewhere: its own position is the right one.
        (Some(_), _) => fault,
        (None, Some(at)) => fault.at(Origin { at, frames: frames.into() }),
        (None, None) => fault,
    }
}

fn shown(function: &str) -> String {
    if function.starts_with("anon$") { "closure".to_owned() } else { function.to_owned() }
}

fn described(error: EvalAltResult, tried: &str, engine: &Engine, sources: &Sources, at: Option<&Position>) -> Fault {
    use EvalAltResult as E;
    let script = |why: String| Fault::new(Kind::Script, tried, why);
    let limit = |why: &str| Fault::new(Kind::Limit, tried, why);
    let text = || at.and_then(|a| sources.named(&a.file)).map_or("", |s| &*s.text);
    match error {
        E::ErrorRuntime(value, _) => thrown(&value, tried, engine),
        E::ErrorTerminated(token, _) => match token.try_cast::<Fault>() {
            // Only a native function knows where it was called and what it tried.
            Some(fault) if fault.origin.is_some() => fault,
            Some(fault) => Fault { tried: tried.to_owned(), ..fault },
            None => limit("it was stopped"),
        },
        E::ErrorParsing(kind, _) => syntax(&kind, text(), tried.strip_prefix("run ").unwrap_or(tried)),
        E::ErrorFunctionNotFound(signature, _) => unknown_function(&signature, tried, engine, text()),
        E::ErrorVariableNotFound(name, _) => undefined(script(format!("the variable `{name}` is not defined")), &name, text()),
        E::ErrorModuleNotFound(name, _) => script(format!("there is no module `{name}`")).hint("import it: import \"std:NAME\" as name;"),
        E::ErrorPropertyNotFound(name, _) => {
            script(format!("the map has no `{name}`")).hint(format!("test with `\"{name}\" in map`, or read with map.get(\"{name}\")"))
        }
        E::ErrorTooManyOperations(_) => limit("it took more steps than a script may").hint("is there a loop without an end?"),
        E::ErrorStackOverflow(_) => limit("its calls nest too deep").hint("is there a recursion without an end?"),
        E::ErrorTooManyModules(_) => limit("it imports too many modules"),
        E::ErrorTooManyVariables(_) => limit("it has too many variables at a time"),
        E::ErrorDataTooLarge(what, _) => limit(&format!("{} grew larger than a script may make it", container(&what))),
        E::ErrorMismatchOutputType(wanted, got, _) | E::ErrorMismatchDataType(wanted, got, _) => {
            script(format!("a value is {} where {} is wanted", reflect::script_type(&got), reflect::script_type(&wanted)))
        }
        E::ErrorDataRace(..) => script("a function uses the variable on which it is called".to_owned())
            .hint("`let inside = value;` is another one; a namespace is entered with `netns::enter(value, || ..)`, too"),
        E::ErrorSystem(_, cause) => Fault::new(Kind::System, tried, cause.to_string()),
        other => {
            let mut other = other;
            other.clear_position();
            script(lower_first(&other.to_string()))
        }
    }
}

/// What a recipe can say by the `kind` of a map that it throws: that what it was given is not acceptable, that something is not there, that this machine
/// cannot do it, or that it would not be right to.
const THROWN: &[Kind] = &[Kind::Input, Kind::NotFound, Kind::Unsupported, Kind::Refused];

/// A thrown value: a fault that was caught and thrown again is itself, a map with `message` tells its own kind of story.
fn thrown(value: &Dynamic, tried: &str, engine: &Engine) -> Fault {
    if let Some(fault) = call::fault_in(value) {
        return fault;
    }
    let value = Value::take(engine, value).unwrap_or_else(|f| Value::text(f.to_string()));
    match &value {
        Value::Text(text) => Fault::new(Kind::Script, tried, text.clone().into_owned()),
        Value::Map(map) if map.iter().any(|(key, _)| key == "message") => {
            let text = |key: &str| map.iter().find(|(name, _)| name == key).map(|(_, value)| value.to_string()).filter(|t| !t.is_empty());
            let told = text("kind");
            let kind = THROWN.iter().copied().find(|kind| Some(kind.name()) == told.as_deref()).unwrap_or(Kind::Script);
            let fault = Fault::new(kind, tried, text("message").unwrap_or_default());
            Fault { hint: text("hint"), ..fault }
        }
        other => Fault::new(Kind::Script, tried, format!("it threw {}", other.quoted())),
    }
}

fn unknown_function(signature: &str, tried: &str, engine: &Engine, text: &str) -> Fault {
    let (name, types) = signature.split_once('(').unwrap_or((signature, ""));
    let name = name.trim();
    let types: Vec<_> = types.trim_end_matches(')').split(',').map(|t| reflect::script_type(t.trim())).filter(|t| !t.is_empty()).collect();
    let known = reflect::known(engine);
    let bare = name.rsplit("::").next().unwrap_or(name);
    let mut same: Vec<_> = known.iter().filter(|k| k.qualified() == name || (k.name == name && k.bare)).collect();
    // Those first that begin with what was given.
    same.sort_by_cached_key(|k| (k.params.first().map(|(_, of)| of) != types.first(), k.signature()));
    let why = format!("there is no function {name}({})", types.join(", "));
    let fault = Fault::new(Kind::Script, tried, why);
    if !same.is_empty() {
        let takes: Vec<_> = same.iter().take(4).map(|k| k.signature()).collect();
        return fault.hint(format!("there is {}", takes.join(", ")));
    }
    let names = words_after(text, &["fn"]);
    let all = known.iter().map(|k| if name.contains("::") { k.qualified() } else { k.name.clone() }).collect::<Vec<_>>();
    match did_you_mean(name, all.iter().map(String::as_str).chain(names.iter().copied())) {
        Some(hint) => fault.hint(hint),
        None => match known.iter().find(|k| k.name == bare && !k.bare) {
            Some(other) => fault.hint(format!("did you mean `{}`?", other.qualified())),
            None => fault,
        },
    }
}

fn undefined(fault: Fault, name: &str, text: &str) -> Fault {
    let names = words_after(text, &["let", "const", "for", "catch"]);
    if names.contains(&name) {
        let hint =
            format!("a function sees no variable from outside: give `{name}` as a parameter, or make it a constant and say global::{name}");
        return fault.hint(hint);
    }
    match did_you_mean(name, names) {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

/// Finds the names that a text defines, without parsing it: it may be the text that does not parse.
fn words_after<'a>(text: &'a str, keywords: &[&str]) -> Vec<&'a str> {
    let words: Vec<_> = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty()).collect();
    words.windows(2).filter(|pair| keywords.contains(&pair[0])).map(|pair| pair[1]).collect()
}

fn syntax(kind: &ParseErrorType, text: &str, name: &str) -> Fault {
    use ParseErrorType as P;
    let input = |why: String| Fault::input(format!("read {name}"), why);
    match kind {
        P::VariableUndefined(variable) => undefined(input(format!("the variable `{variable}` is not defined")), variable, text),
        P::ModuleUndefined(module) => {
            let fault = input(format!("there is no room or module `{module}`"));
            let rooms = crate::bind::ROOMS.iter().map(|r| r.name).chain(words_after(text, &["as"]));
            let hint = did_you_mean(module, rooms);
            fault.hint(hint.unwrap_or_else(|| format!("import it: import \"std:{module}\" as {module};")))
        }
        P::BadInput(LexError::ImproperSymbol(word, _)) if word == "eval" => input("`eval` is not available in recipes".to_owned()),
        P::MissingToken(token, _) if token == ";" => {
            input(lower_first(&kind.to_string())).hint("a statement ends in `;` where another one follows")
        }
        P::ExprTooDeep => input("an expression is too complex".to_owned()).hint("take it apart with `let`"),
        P::LiteralTooLarge(what, most) => input(format!("{} is larger than {most}", container(what))),
        P::BadInput(LexError::UnexpectedInput(found)) => input(unexpected(found)),
        P::BadInput(LexError::UnterminatedString) => input("a string is not closed".to_owned()),
        other => input(lower_first(&other.to_string())),
    }
}

/// Names what is too large; Rhai says "Length of string" or "Size of array/BLOB".
fn container(what: &str) -> &'static str {
    match what {
        w if w.contains("tring") => "a string",
        w if w.contains("map") => "a map",
        _ => "an array",
    }
}

fn unexpected(found: &str) -> String {
    match found.chars().next() {
        Some(c) if !c.is_ascii() => {
            format!("the character {:?} (U+{:04X}) cannot stand here; names are ASCII letters, digits and `_`", c, c as u32)
        }
        _ => format!("unexpected `{found}`"),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), text.chars().nth(1)) {
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}
