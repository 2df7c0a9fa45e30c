//! What the registered functions say about themselves: for help, completion, "did you mean", and the reference. Nothing here runs unless
//! somebody asks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use rhai::packages::{Package, StandardPackage};
use rhai::{Engine, FnAccess, FnNamespace, FuncInfo, is_valid_identifier};

use super::comments::Comments;
use super::declare;
use super::embedded::STDLIB;
use super::engine::{self, Functions};
use super::fault;
use crate::bind::ROOMS;
use crate::model::Fault;
use crate::model::fence::{Fences, Line};

/// What the functions without a room are.
pub(super) const EVERYWHERE: &str = "What every script can call.";

/// A function that scripts can call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionDoc {
    /// The room, or what is imported of a module, `std:NAME` or `PACKAGE/NAME`; empty for functions without one.
    pub room: String,
    /// The name.
    pub name: String,
    /// The parameters with their types, the receiver of a method among them.
    pub params: Vec<(String, String)>,
    /// The type of what it gives; empty for nothing.
    pub returns: String,
    /// Whether it is called without the room's name, and on no value.
    pub bare: bool,
    /// Whether it is a method, called on its first parameter.
    pub method: bool,
    /// Whether it is a property, read without parentheses.
    pub property: bool,
    /// The doc comment, as markdown.
    pub doc: String,
}

impl FunctionDoc {
    /// Gives the name with its room.
    pub fn qualified(&self) -> String {
        if self.bare { self.name.clone() } else { format!("{}::{}", alias(&self.room), self.name) }
    }

    /// Gives the signature as one writes the call, in the types of scripts.
    pub fn signature(&self) -> String {
        let typed = |(name, of): &(String, String)| if of.is_empty() { name.clone() } else { format!("{name}: {of}") };
        let (head, rest) = match self.params.split_first() {
            Some(((receiver, _), rest)) if self.method || self.property => (format!("{receiver}.{}", self.name), rest),
            _ => (self.qualified(), self.params.as_slice()),
        };
        let params = if self.property { String::new() } else { format!("({})", rest.iter().map(typed).collect::<Vec<_>>().join(", ")) };
        let returns = if self.returns.is_empty() { String::new() } else { format!(" -> {}", self.returns) };
        format!("{head}{params}{returns}")
    }

    /// Gives the first line of the doc.
    pub fn summary(&self) -> &str {
        self.doc.lines().next().unwrap_or_default()
    }

    /// Gives the example: the first block of rhai in the doc.
    pub fn example(&self) -> Option<String> {
        let mut fences = Fences::default();
        let mut lines =
            self.doc.lines().map(|line| fences.line(line)).skip_while(|line| !matches!(line, Line::Opens(info) if info.is("rhai")));
        lines.next()?;
        Some(lines.map_while(|line| if let Line::Code(code) = line { Some(format!("{code}\n")) } else { None }).collect())
    }
}

/// Gives the name that stands before `::` for a room or a module: of `std:nat` it is `nat`, of `teamlib/ssh-guard` it is `ssh_guard`.
pub fn alias(room: &str) -> String {
    room.rsplit([':', '/']).next().unwrap_or(room).replace('-', "_")
}

/// Lists the functions of fyke: those without a room, those of the rooms, those of the standard library.
pub fn functions() -> Vec<FunctionDoc> {
    let mut engine = Engine::new_raw();
    engine::register(&mut engine, Functions::Sought);
    let mut all = own(&engine);
    all.extend(STDLIB.iter().flat_map(|(name, text)| {
        let room = format!("std:{name}");
        of_script(&room, &room, text).unwrap_or_default()
    }));
    // How a value prints is no function that anybody looks up.
    all.retain(|f| f.name != "to_string" && f.name != "to_debug");
    all.sort_by_key(|f| (f.room.clone(), f.method, f.name.clone(), f.params.len(), f.params.clone()));
    all
}

/// Finds the functions of a name, with or without its room: `iptables::table`, `table`, `append`.
pub fn find(name: &str) -> Vec<FunctionDoc> {
    functions().into_iter().filter(|f| f.name == name || f.qualified() == name).collect()
}

/// Lists the functions of the language's own library.
pub fn language() -> Vec<FunctionDoc> {
    let mut engine = Engine::new_raw();
    StandardPackage::new().register_into_engine(&mut engine);
    let mut all = known(&engine);
    all.sort_by_key(|f| (f.name.clone(), f.params.len(), f.params.clone()));
    all.dedup_by_key(|f| f.signature());
    // Many a function can be read like a property, too, and says the same of itself.
    let called: BTreeSet<String> = all.iter().filter(|f| !f.property).map(|f| f.name.clone()).collect();
    all.retain(|f| (!f.property || !called.contains(&f.name)) && !f.doc.contains("# Deprecated"));
    all
}

/// Collects the functions of fyke that an engine has.
pub(super) fn own(engine: &Engine) -> Vec<FunctionDoc> {
    engine.collect_fn_metadata(None, |info| function(&info), false)
}

/// Collects all functions that an engine has, those of the language among them.
pub(super) fn known(engine: &Engine) -> Vec<FunctionDoc> {
    engine.collect_fn_metadata(None, |info| function(&info), true)
}

/// What a function is called, and how: all that there is to know of most of them.
#[derive(Clone, Debug)]
pub(super) struct Callable {
    pub(super) room: String,
    pub(super) name: String,
    pub(super) bare: bool,
    pub(super) method: bool,
    property: bool,
}

/// Names the functions of fyke that an engine has. To read what is said of them takes longer than most scripts.
pub(super) fn names(engine: &Engine) -> Vec<Callable> {
    engine.collect_fn_metadata(None, |info| callable(&info), false)
}

fn callable(info: &FuncInfo) -> Option<Callable> {
    let meta = info.metadata;
    if meta.access == FnAccess::Private {
        return None;
    }
    let room = info.namespace.to_string();
    let name = meta.name.as_str();
    let property = name.strip_prefix("get$");
    // Operators, setters and indexers are no functions that one calls.
    if !is_valid_identifier(property.unwrap_or(name)) {
        return None;
    }
    let everywhere = !room.is_empty() && meta.namespace == FnNamespace::Global;
    // What a room gives to everywhere is called on one of its values, unless it makes them. The types of the language are in lower case.
    let receives = meta.params_info.first().is_some_and(|first| parameter(first).1.starts_with(char::is_uppercase));
    Some(Callable {
        bare: room.is_empty() || everywhere && !receives,
        method: everywhere && receives,
        property: property.is_some(),
        name: property.unwrap_or(name).to_owned(),
        room,
    })
}

fn function(info: &FuncInfo) -> Option<FunctionDoc> {
    let Callable { room, name, bare, method, property } = callable(info)?;
    let meta = info.metadata;
    let mut params: Vec<_> = meta.params_info.iter().map(|info| parameter(info)).collect();
    params.resize(meta.num_params, ("_".to_owned(), "any".to_owned()));
    let returns = Some(script_type(&meta.return_type)).filter(|returns| returns != "()").unwrap_or_default();
    Some(FunctionDoc { room, name, params, returns, bare, method, property, doc: markdown(meta.comments.iter().map(AsRef::as_ref)) })
}

/// Takes a parameter apart: its name, and its type as scripts know it.
fn parameter(info: &str) -> (String, String) {
    match info.split_once(':') {
        Some((name, of)) => (name.trim().trim_start_matches('_').to_owned(), script_type(of)),
        None => ("_".to_owned(), script_type(info)),
    }
}

/// Lists the functions that a module gives, in the order of their names; `room` is what is imported, and `file` what its file is called.
pub(super) fn of_script(room: &str, file: &str, text: &str) -> Result<Vec<FunctionDoc>, Fault> {
    let ast = declare::parser().compile(text).map_err(|error| fault::of_parsing(file, text, &error))?;
    let public = ast.iter_functions().filter(|f| f.access == FnAccess::Public && !f.name.starts_with("anon$"));
    let function = |f: rhai::ScriptFnMetadata| FunctionDoc {
        room: room.to_owned(),
        name: f.name.to_owned(),
        params: f.params.iter().map(|p| ((*p).to_owned(), String::new())).collect(),
        returns: String::new(),
        bare: false,
        method: false,
        property: false,
        doc: markdown(f.comments.iter().copied()),
    };
    let mut all: Vec<_> = public.map(function).collect();
    all.sort_by_key(|f| (f.name.clone(), f.params.len()));
    Ok(all)
}

/// Takes the marks off doc comments.
pub(super) fn markdown<'a>(comments: impl Iterator<Item = &'a str>) -> String {
    let mut marks = Comments::default();
    let lines = comments.flat_map(str::lines).map(|line| marks.text(line).map_or(line, |(_, text)| text).trim_end());
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// Names a Rust type as scripts know it.
pub(super) fn script_type(rust: &str) -> String {
    let rust = rust.trim().trim_start_matches('&').trim_start_matches("mut ").trim();
    let inside = |outer: &str| rust.strip_prefix(outer)?.trim().strip_prefix('<')?.strip_suffix('>');
    if let Some(answer) = inside("Answer").or_else(|| inside("RhaiResultOf")) {
        return script_type(answer);
    }
    if let Some(result) = inside("Result") {
        return script_type(first_argument(result));
    }
    // The path of a type says nothing to a script.
    let bare = if rust.contains('<') { rust } else { rust.rsplit("::").next().unwrap_or(rust) };
    match bare {
        "str" | "String" | "ImmutableString" | "str | ImmutableString | String" => "string",
        "i64" | "INT" | "i32" | "u8" | "u32" | "usize" => "int",
        "f64" | "FLOAT" => "float",
        "Dynamic" | "RhaiResult" | "?" | "_" => "any",
        "Array" | "Vec<Dynamic>" => "array",
        "Map" => "map",
        "Blob" | "Vec<u8>" => "blob",
        "FnPtr" | "Fn" => "function",
        // Named by the room `types`; what the compiler calls it is no name for scripts.
        "Span" => "Duration",
        other => other,
    }
    .to_owned()
}

/// Takes the first of several type arguments.
fn first_argument(arguments: &str) -> &str {
    let mut depth = 0_i32;
    let end = arguments.find(|c: char| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        c == ',' && depth == 0
    });
    end.map_or(arguments, |end| &arguments[..end])
}

/// Writes the reference: file names and markdown, one page a room.
pub fn reference() -> Vec<(String, String)> {
    let mut pages: BTreeMap<String, Vec<FunctionDoc>> = BTreeMap::new();
    for function in functions() {
        pages.entry(function.room.clone()).or_default().push(function);
    }
    let mut index = "# Reference\n\nGenerated from the doc comments (`make docs`). What it is all about says the [guide](../guide/README.md).\n\n| page | about |\n|---|---|\n".to_owned();
    let mut files = Vec::new();
    for (room, functions) in &pages {
        let file = if room.is_empty() { "functions.md".to_owned() } else { format!("{}.md", room.replace(':', "-")) };
        let about = about(room);
        let title = if room.is_empty() { "Functions without a room" } else { room };
        let _ = writeln!(index, "| [{title}]({file}) | {about} |");
        let mut page = format!("# {title}\n\n{about}\n");
        for function in functions {
            // Headings of the doc comment come below that of the function.
            let doc = function.doc.replace("\n# ", "\n### ");
            let _ = write!(page, "\n## `{}`\n\n{doc}\n", function.signature());
        }
        files.push((file, page));
    }
    files.insert(0, ("README.md".to_owned(), index));
    files
}

fn about(room: &str) -> String {
    if room.is_empty() {
        return EVERYWHERE.to_owned();
    }
    if let Some((_, text)) = STDLIB.iter().find(|(name, _)| room.strip_prefix("std:") == Some(name)) {
        return text.parse::<super::Header>().map(|h| h.summary).unwrap_or_default();
    }
    ROOMS.iter().find(|r| r.name == room).map_or_else(String::new, |r| r.summary.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_in_the_types_of_scripts() {
        assert_eq!(script_type("&mut Map"), "map");
        assert_eq!(script_type("Result<Array, Box<EvalAltResult>>"), "array");
        assert_eq!(script_type("Answer<ImmutableString>"), "string");
        assert_eq!(script_type("fyke::bind::iptables::Chain"), "Chain");
        let sleeps: Vec<_> = find("sleep").iter().map(FunctionDoc::signature).collect();
        assert_eq!(sleeps.len(), 4);
        assert!(sleeps.contains(&"sleep(duration: string)".to_owned()), "{sleeps:?}");
        assert_eq!(find("now")[0].signature(), "now() -> float");
        assert_eq!(find("instance")[0].signature(), "instance() -> string");
        assert_eq!(find("size")[0].signature(), "size(value: any) -> Size");
        assert_eq!(find("hosts")[0].signature(), "prefix.hosts() -> array");
    }

    #[test]
    fn the_language_explains_itself() {
        let language = language();
        let of_arrays = language.iter().find(|f| f.signature() == "len(array: array) -> int").unwrap();
        assert_eq!(of_arrays.summary(), "Number of elements in the array.");
        assert!(language.iter().any(|f| f.name == "to_upper") && !language.iter().any(|f| f.property && f.name == "len"));
    }

    #[test]
    fn every_function_is_documented() {
        let mut lacking = Vec::new();
        for f in functions() {
            let mut lacks = |what: &str| lacking.push(format!("{}: {what}", f.signature()));
            let verb = f.summary().split(' ').next().unwrap_or_default();
            if !(verb.ends_with('s') && f.summary().ends_with(['.', ':'])) {
                lacks("its first line is no sentence");
            }
            if !f.property && f.example().is_none_or(|e| e.trim().is_empty()) {
                lacks("no example");
            }
            let native = !f.property && !f.room.starts_with("std:");
            for section in ["# Changes", "# Source"] {
                if native && !f.doc.contains(section) {
                    lacks(section);
                }
            }
        }
        assert_eq!(lacking, Vec::<String>::new());
    }

    #[test]
    fn the_reference_has_a_page_for_each_room() {
        let pages = reference();
        assert_eq!(pages[0].0, "README.md");
        assert!(pages[1].1.contains("## `param(name: string, value: any, text: string) -> any`"), "{}", pages[1].1);
    }
}
