//! `fyke help`: a recipe, a verb, a room or a function, explained.

use serde_json::{Value, json};

use super::args::{self, Topic};
use super::show::{self, Screen};
use crate::host::Recipe;
use crate::host::book::{Given, Unread, functions_of_packages};
use crate::host::lex::KEYWORDS;
use crate::host::reflect::{self, FunctionDoc};
use crate::model::{Fault, Position, nearest};

/// Prints what there is to know about a topic; without one, the help of the whole program.
pub(crate) fn run(screen: &Screen, options: &Topic) -> Result<u8, Fault> {
    let Some(topic) = options.topic.as_deref() else {
        return told(screen, &args::command().render_long_help().to_string());
    };
    if topic.ends_with(".rhai") || topic.starts_with(['.', '/']) {
        return recipe(screen, &Recipe::find(topic)?);
    }
    if topic.contains('/') {
        return of_package(screen, topic);
    }
    if let Some(found) = Recipe::built_in().find(|recipe| recipe.name == topic) {
        return recipe(screen, &found);
    }
    let mut functions = reflect::functions();
    let (own, given) = (functions.len(), functions_of_packages());
    functions.extend(given.functions);
    let mut named: Vec<&FunctionDoc> =
        functions.iter().filter(|function| function.name == topic || function.qualified() == topic).collect();
    let is_below = |room: &str| room.strip_prefix(topic).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let of_room: Vec<&FunctionDoc> = functions.iter().filter(|function| is_below(&function.room)).collect();
    let is_of_fyke = |function: &&FunctionDoc| functions[..own].iter().any(|other| std::ptr::eq(other, *function));
    let verb = args::command().find_subcommand(topic).map(|verb| verb.clone().bin_name(format!("fyke {topic}")).render_long_help());
    // What fyke itself explains needs none of the project's files.
    if verb.is_none() && !named.iter().chain(&of_room).any(is_of_fyke) {
        tell_unread(screen, &given.unread);
    }
    // A verb can have the name of a method: then both are meant.
    if let Some(verb) = verb.as_ref().filter(|_| !screen.json) {
        screen.print(&format!("{verb}{}", if named.is_empty() { "" } else { "\n" }))?;
    }
    match () {
        () if !named.is_empty() => {
            // So can a property and a function of the language.
            let language = reflect::language();
            named.extend(language.iter().filter(|function| function.name == topic));
            explain(screen, &named, show::function)
        }
        () if !of_room.is_empty() => explain(screen, &of_room, line),
        () => match verb {
            Some(_) if !screen.json => Ok(0),
            Some(verb) => told(screen, &verb.to_string()),
            None => of_language(screen, topic, functions),
        },
    }
}

/// Explains a module of a package, `teamlib/limits`, one of its functions, `teamlib/limits::close`, or a recipe, `teamlib/close-port`.
fn of_package(screen: &Screen, topic: &str) -> Result<u8, Fault> {
    let Given { functions, unread } = functions_of_packages();
    tell_unread(screen, &unread);
    let named: Vec<&FunctionDoc> =
        functions.iter().filter(|function| topic.strip_prefix(&function.room) == Some(&format!("::{}", function.name))).collect();
    let of_module: Vec<&FunctionDoc> = functions.iter().filter(|function| function.room == topic).collect();
    match () {
        () if !named.is_empty() => explain(screen, &named, show::function),
        () if !of_module.is_empty() => explain(screen, &of_module, line),
        () => recipe(screen, &Recipe::find(topic)?),
    }
}

/// Says which modules could not be looked into.
fn tell_unread(screen: &Screen, unread: &[Unread]) {
    for Unread { fault, text } in unread {
        let line = |at: &Position| text.lines().nth((at.line as usize).saturating_sub(1)).map(str::to_owned);
        screen.finding(fault, false, &|at| line(at).or_else(|| show::line_of_file(at)));
    }
}

/// Prints the help of a verb, or of the whole program.
fn told(screen: &Screen, text: &str) -> Result<u8, Fault> {
    if screen.json { screen.document(&json!({ "help": text })) } else { screen.print(text) }.map(|()| 0)
}

/// Explains a function that the language itself has.
fn of_language(screen: &Screen, topic: &str, mut functions: Vec<FunctionDoc>) -> Result<u8, Fault> {
    let language = reflect::language();
    let named: Vec<&FunctionDoc> = language.iter().filter(|function| function.name == topic).collect();
    if !named.is_empty() {
        return explain(screen, &named, show::function);
    }
    functions.extend(language);
    Err(unknown(topic, &functions))
}

/// Writes signature and summary of a function.
pub(crate) fn line(function: &FunctionDoc, paint: show::Paint, width: usize) -> String {
    let summary = show::markdown(&paint.text(function.summary()), paint, width.saturating_sub(4));
    let indented: String = summary.lines().map(|line| format!("    {line}\n")).collect();
    format!("{}\n{indented}", paint.bold(&function.signature()))
}

/// Prints the help of a recipe, with its parameters.
pub(crate) fn recipe(screen: &Screen, recipe: &Recipe) -> Result<u8, Fault> {
    let interface = recipe.interface()?;
    if screen.json {
        screen.document(&show::recipe::json(&recipe.name, &interface))?;
    } else {
        screen.print(&show::recipe::recipe(&recipe.name, recipe.word(), &interface, screen.paint, screen.width()))?;
    }
    Ok(0)
}

/// Prints what there is to know about functions.
pub(crate) fn explain(
    screen: &Screen,
    functions: &[&FunctionDoc],
    text: impl Fn(&FunctionDoc, show::Paint, usize) -> String,
) -> Result<u8, Fault> {
    if screen.json {
        return screen.document(&functions.iter().map(|function| document(function)).collect::<Vec<_>>()).map(|()| 0);
    }
    let texts: Vec<String> = functions.iter().map(|function| text(function, screen.paint, screen.width())).collect();
    screen.print(&texts.concat()).map(|()| 0)
}

/// Gives what there is to know about a function, for a program.
pub(super) fn document(function: &FunctionDoc) -> Value {
    json!({ "name": function.qualified(), "signature": function.signature(), "method": function.method, "doc": function.doc })
}

fn unknown(topic: &str, functions: &[FunctionDoc]) -> Fault {
    let recipes: Vec<String> = Recipe::built_in().map(|recipe| recipe.name).collect();
    let names = functions.iter().flat_map(|function| [function.name.clone(), function.qualified(), function.room.clone()]);
    let names: Vec<String> = recipes.into_iter().chain(names).filter(|name| !name.is_empty()).collect();
    let hint = match KEYWORDS.contains(&topic) {
        true => Some("it is a word of the language: https://rhai.rs/book/".to_owned()),
        false => nearest(topic, names.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`?")),
    };
    Fault::input(format!("explain {topic:?}"), "there is no recipe, room, function or verb of this name")
        .hint(hint.unwrap_or_else(|| "`fyke list` shows the recipes, `fyke help` the verbs".to_owned()))
}
