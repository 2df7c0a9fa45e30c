//! What the registered functions say about themselves; nothing here runs unless somebody asks.

use rhai::{Engine, FnAccess, FnNamespace, FuncInfo};

/// A function that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The room; empty for functions without one.
    pub room: String,
    /// The name.
    pub name: String,
    /// How many parameters it has, the receiver of a method among them.
    pub arity: usize,
    /// Whether it can be called without its room, as methods are.
    pub method: bool,
    /// The signature in the types of scripts.
    pub signature: String,
    /// The doc comment, as markdown.
    pub doc: String,
}

impl Known {
    /// Gives the name with its room.
    pub fn qualified(&self) -> String {
        if self.room.is_empty() { self.name.clone() } else { format!("{}::{}", self.room, self.name) }
    }
}

/// Collects the functions of fyke itself.
pub(super) fn own(engine: &Engine) -> Vec<Known> {
    engine.collect_fn_metadata(None, |info| known_of(&info), false)
}

/// Collects all functions, those of the language among them.
pub(super) fn known(engine: &Engine) -> Vec<Known> {
    engine.collect_fn_metadata(None, |info| known_of(&info), true)
}

fn known_of(info: &FuncInfo) -> Option<Known> {
    let meta = info.metadata;
    if meta.access == FnAccess::Private {
        return None;
    }
    let room = info.namespace.to_string();
    Some(Known {
        arity: meta.num_params,
        method: !room.is_empty() && meta.namespace == FnNamespace::Global,
        signature: signature(&meta.name, meta.params_info.iter().map(AsRef::as_ref), &meta.return_type),
        doc: String::new(),
        name: meta.name.to_string(),
        room,
    })
}

fn signature<'a>(name: &str, params: impl Iterator<Item = &'a str>, returns: &str) -> String {
    let params: Vec<String> = params
        .map(|p| match p.split_once(':') {
            Some((name, of)) => format!("{}: {}", name.trim().trim_start_matches('_'), script_type(of.trim())),
            None => script_type(p),
        })
        .collect();
    let returns = match script_type(returns) {
        r if r == "()" || r.is_empty() => String::new(),
        r => format!(" -> {r}"),
    };
    format!("{name}({}){returns}", params.join(", "))
}

/// Names a Rust type as scripts know it.
pub(super) fn script_type(rust: &str) -> String {
    let rust = rust.trim().trim_start_matches('&').trim_start_matches("mut ").trim();
    let inside = |outer: &str| rust.strip_prefix(outer)?.trim().strip_prefix('<')?.strip_suffix('>');
    if let Some(answer) = inside("Answer").or_else(|| inside("RhaiResultOf")) {
        return script_type(answer);
    }
    if let Some(result) = inside("Result") {
        return script_type(split_type(result));
    }
    // The path of a type says nothing to a script, but the angle brackets of a generic one do.
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
        other => other,
    }
    .to_owned()
}

/// Takes the first of two type arguments.
fn split_type(arguments: &str) -> &str {
    let mut depth = 0_i32;
    let end = arguments.find(|c: char| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        c == ',' && depth == 0
    });
    end.map_or(arguments, |end| &arguments[..end])
}
