//! What can stand where somebody types: names, the methods of the value at hand, keys, and the names of live things in strings.

use std::collections::BTreeMap;
use std::iter;

use rhai::{Array, Dynamic, Map, is_valid_identifier};

use super::Host;
use super::lex::{self, KEYWORDS, Kind, Piece};
use super::live::{self, Named};
use super::reflect::{self, FunctionDoc};
use crate::bind::ROOMS;
use crate::bind::iptables::handle;
use crate::bind::sockets;
use crate::model::Family;
use crate::model::iptables::{Table, spec};

/// Functions of the language that one calls without a value before a dot; its others are offered as methods.
const LANGUAGE: &[&str] = &["debug", "parse_float", "parse_int", "print", "range", "type_of"];

/// Something that can stand at the cursor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// What is shown in a list.
    pub shown: String,
    /// What takes the place of the word at the cursor.
    pub text: String,
}

/// What can stand at the cursor, and where the word begins whose place it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The first byte of the word.
    pub start: usize,
    /// The candidates, in the order of their names.
    pub candidates: Vec<Candidate>,
}

/// A text up to the cursor.
struct Before<'a> {
    text: &'a str,
    pieces: Vec<Piece>,
}

impl<'a> Before<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, pieces: lex::pieces(text) }
    }

    fn word(&self, at: usize) -> &'a str {
        self.pieces.get(at).map_or("", |piece| &self.text[piece.range.clone()])
    }

    fn kind(&self, at: usize) -> Option<Kind> {
        self.pieces.get(at).map(|piece| piece.kind)
    }

    /// Finds the bracket that the closing one at an index belongs to.
    fn opening(&self, close: usize) -> Option<usize> {
        let mut depth = 0;
        (0..=close).rev().find(|at| {
            depth += i32::from(self.kind(*at) == Some(Kind::Close)) - i32::from(self.kind(*at) == Some(Kind::Open));
            depth == 0
        })
    }

    /// Finds the innermost bracket that is open behind so many pieces, and counts the commas behind it.
    fn innermost(&self, end: usize) -> Option<(usize, usize)> {
        let (mut depth, mut commas) = (0, 0);
        for at in (0..end).rev() {
            match self.pieces[at].kind {
                Kind::Close => depth += 1,
                Kind::Open if depth == 0 => return Some((at, commas)),
                Kind::Open => depth -= 1,
                Kind::Sign if depth == 0 && self.word(at) == "," => commas += 1,
                _ => {}
            }
        }
        None
    }

    /// Finds the last table that is written out before a piece: `iptables::table("nat")`.
    fn table_written(&self, end: usize) -> Option<(&'static [Family], Table)> {
        (3..end.saturating_sub(1)).rev().find_map(|open| {
            let families: &[Family] = match (self.word(open - 3), self.word(open - 2), self.word(open - 1), self.word(open)) {
                ("ip6tables", "::", "table", "(") => &[Family::V6],
                ("iptables", "::", "table", "(") => &[Family::V4],
                ("iptables", "::", "both", "(") => &Family::BOTH,
                _ => return None,
            };
            Some((families, self.word(open + 1).trim_matches(['"', '`']).parse().ok()?))
        })
    }
}

impl Host {
    /// Finds what can stand at the end of a text.
    pub fn complete(&self, text: &str) -> Completion {
        let before = Before::new(text);
        let last = before.pieces.len().wrapping_sub(1);
        match before.pieces.last() {
            Some(piece) if piece.kind == Kind::Text && !piece.closed => return self.in_string(&before, last),
            Some(piece) if piece.kind == Kind::Comment && (!piece.closed || piece.range.end == text.len()) => return Completion::default(),
            _ => {}
        }
        let typed = before.pieces.last().filter(|piece| piece.kind == Kind::Word && piece.range.end == text.len());
        let (start, end) = typed.map_or((text.len(), before.pieces.len()), |piece| (piece.range.start, last));
        let word = &text[start..];
        let found = match end.checked_sub(1).map(|at| before.word(at)) {
            Some("::") => self.of_module(before.word(end.wrapping_sub(2))),
            Some("." | "?.") => self.members(&before, end - 1),
            Some("#{" | ",") if is_in(Named::Rule, &before, end) => keys(spec::KEYS),
            Some("#{" | ",") if is_in(Named::SocketFilter, &before, end) => keys(sockets::KEYS),
            _ => self.globals(),
        };
        let candidates = found.into_iter().filter(|(name, _)| name.starts_with(word));
        Completion { start, candidates: candidates.map(|(shown, text)| Candidate { shown, text }).collect() }
    }

    /// Writes what is left of the signature of the function whose arguments are being typed.
    pub fn hint(&self, text: &str) -> Option<String> {
        let before = Before::new(text);
        let (open, given) = before.innermost(before.pieces.len()).filter(|(open, _)| before.word(*open) == "(")?;
        let name = open.checked_sub(1).filter(|at| before.kind(*at) == Some(Kind::Word))?;
        if before.pieces.last().is_some_and(|piece| piece.kind == Kind::Text && !piece.closed) {
            return None;
        }
        let fresh = before.pieces.len() == open + 1 || before.word(before.pieces.len() - 1) == ",";
        let (params, returns) = self.signature(&before, name)?;
        let rest: Vec<String> = params.into_iter().skip(if fresh { given } else { given + 1 }).collect();
        let comma = if fresh || rest.is_empty() { "" } else { ", " };
        let blank = if text.ends_with(',') { " " } else { "" };
        Some(format!("{blank}{comma}{}){}", rest.join(", "), if returns.is_empty() { String::new() } else { format!(" -> {returns}") }))
    }

    /// Finds the parameters of a function that is called, and the type of what it gives.
    fn signature(&self, before: &Before, name: usize) -> Option<(Vec<String>, String)> {
        let function = before.word(name);
        let sign = name.checked_sub(1).map(|at| before.word(at)).unwrap_or_default();
        let typed = |params: &[(String, String)]| {
            params.iter().map(|(name, of)| if of.is_empty() { name.clone() } else { format!("{name}: {of}") }).collect()
        };
        let found = |f: &&FunctionDoc| f.name == function && !f.property;
        match sign {
            "::" => {
                let room = before.word(name.wrapping_sub(2));
                self.words().iter().filter(found).find(|f| f.room == room && !f.method).map(|f| (typed(&f.params), f.returns.clone()))
            }
            "." | "?." => {
                let of = self.type_before(before, name - 1)?;
                let method = self.words().iter().filter(found).filter(|f| self.is_member(f, &of)).max_by_key(|f| f.params.len())?;
                Some((typed(&method.params[1..]), method.returns.clone()))
            }
            _ => match self.functions_of_inputs().find(|(name, _)| name == function) {
                Some((_, params)) => Some((params, String::new())),
                None => self.words().iter().filter(found).find(|f| f.bare).map(|f| (typed(&f.params), f.returns.clone())),
            },
        }
    }

    /// Finds the methods of a name that a type has, those of the language among them; else its property.
    pub fn methods_of(&self, of: &str, name: &str) -> Vec<&FunctionDoc> {
        let (properties, methods): (Vec<_>, Vec<_>) =
            self.words().iter().filter(|f| f.name == name && self.is_member(f, of)).partition(|f| f.property);
        if methods.is_empty() { properties } else { methods }
    }

    /// Lists the methods and properties that fyke gives to a type, and the properties that the language does.
    pub fn members_of(&self, of: &str) -> Vec<&FunctionDoc> {
        self.words().iter().filter(|f| (f.method || f.property) && self.is_member(f, of)).collect()
    }

    /// Lists the functions of a room or of an imported module.
    pub fn functions_of(&self, module: &str) -> Vec<&FunctionDoc> {
        self.words().iter().filter(|f| f.room == module && !f.method && !f.property).collect()
    }

    /// Tells whether a function is a method or a property of a type.
    fn is_member(&self, function: &FunctionDoc, of: &str) -> bool {
        // How a value prints is no method that anybody looks for.
        const OTHERS: &[&str] = &["to_string", "to_debug", "print", "debug", "get_fn_metadata_list"];
        // All functions of the language can be called like methods; of those of fyke it says which.
        let of_language = || function.room.is_empty() && !self.own().contains(function);
        function.params.first().is_some_and(|(_, first)| first == of)
            && !OTHERS.contains(&function.name.as_str())
            && (function.method || function.property || of_language())
    }

    fn own(&self) -> &[FunctionDoc] {
        self.inputs.own.get_or_init(|| reflect::own(&self.engine))
    }

    fn words(&self) -> &[FunctionDoc] {
        self.inputs.words.get_or_init(|| reflect::known(&self.engine))
    }

    /// Lists the names that stand alone.
    fn globals(&self) -> BTreeMap<String, String> {
        let plain = |name: &str| (name.to_owned(), name.to_owned());
        let mut found: BTreeMap<String, String> = KEYWORDS.iter().map(|word| plain(word)).collect();
        found.extend(self.own().iter().filter(|f| f.bare && !f.property).map(|f| call(f, 0)));
        found.extend(LANGUAGE.iter().map(|name| ((*name).to_owned(), open(name, false))));
        found.extend(
            ROOMS
                .iter()
                .map(|room| room.name)
                .chain(self.inputs.aliases.iter().map(String::as_str))
                .map(|name| (name.to_owned(), format!("{name}::"))),
        );
        found.extend(self.functions_of_inputs().map(|(name, params)| (name.clone(), open(&name, params.is_empty()))));
        found.extend(self.scope.iter_raw().map(|(name, ..)| plain(name)));
        found
    }

    fn of_module(&self, module: &str) -> BTreeMap<String, String> {
        self.functions_of(module).into_iter().map(|f| call(f, 0)).collect()
    }

    /// Lists what can stand behind the dot at an index.
    fn members(&self, before: &Before, dot: usize) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        self.look_at(before, dot, &mut |value| {
            let map = value.read_lock::<Map>();
            let keys = map.iter().flat_map(|map| map.keys()).filter(|key| is_valid_identifier(key));
            found.extend(keys.map(|key| (key.to_string(), key.to_string())));
        });
        if let Some(of) = self.type_before(before, dot) {
            for function in self.words().iter().filter(|f| self.is_member(f, &of)) {
                found.extend([if function.property { (function.name.clone(), function.name.clone()) } else { call(function, 1) }]);
            }
        }
        found
    }

    /// Looks at the value in front of the dot at an index, if it is that of a variable or lies in one: `x`, `x.a.b`, `x["a"][0]`.
    fn look_at(&self, before: &Before, dot: usize, look: &mut dyn FnMut(&Dynamic)) {
        let mut path = Vec::new();
        let mut end = dot;
        while let Some(at) = end.checked_sub(1) {
            match (before.kind(at), at.checked_sub(1).map(|at| before.word(at))) {
                (Some(Kind::Word), Some("." | "?.")) => {
                    path.push(before.word(at));
                    end = at - 1;
                }
                (Some(Kind::Word), Some("::")) => return,
                (Some(Kind::Word), _) => {
                    path.reverse();
                    return self.scope.get(before.word(at)).into_iter().for_each(|value| within(value, &path, look));
                }
                // An index that is written out.
                (Some(Kind::Close), Some(index)) if at >= 3 && before.word(at - 2) == "[" => {
                    path.push(index);
                    end = at - 2;
                }
                _ => return,
            }
        }
    }

    /// Finds the type of the value in front of the dot at an index: of a variable, of a literal, or of what a call gives.
    fn type_before(&self, before: &Before, dot: usize) -> Option<String> {
        let mut of = None;
        self.look_at(before, dot, &mut |value| of = Some(reflect::script_type(value.type_name())));
        of.or_else(|| self.type_by_words(before, dot))
    }

    fn type_by_words(&self, before: &Before, dot: usize) -> Option<String> {
        let at = dot.checked_sub(1)?;
        let literal = |name: &str| Some(name.to_owned());
        match before.kind(at)? {
            Kind::Text => literal("string"),
            Kind::Number => literal(if before.word(at).contains('.') { "float" } else { "int" }),
            Kind::Close => {
                let open = before.opening(at)?;
                match (before.word(open), open.checked_sub(1).and_then(|at| before.kind(at))) {
                    ("#{", _) => literal("map"),
                    ("[", None | Some(Kind::Open | Kind::Sign)) => literal("array"),
                    ("(", Some(Kind::Word)) => self.signature(before, open - 1).map(|(_, returns)| returns),
                    _ => None,
                }
            }
            Kind::Word if at > 0 && matches!(before.word(at - 1), "." | "?.") => {
                let of = self.type_before(before, at - 1)?;
                self.words().iter().find(|f| f.property && f.name == before.word(at) && self.is_member(f, &of)).map(|f| f.returns.clone())
            }
            _ => None,
        }
    }

    /// Finds the table of the value whose method is called with what is at an index.
    fn table_at_hand(&self, before: &Before, at: usize) -> Option<(&'static [Family], Table)> {
        let mut calls = iter::successors(before.innermost(at), |(open, _)| before.innermost(*open));
        calls.find_map(|(open, _)| {
            let mut dot = open.checked_sub(2)?;
            // The first of several calls is that of the value.
            while before.kind(dot.checked_sub(1)?) == Some(Kind::Close) && before.word(dot) == "." {
                dot = before.opening(dot - 1)?.checked_sub(2)?;
            }
            let mut table = None;
            if before.word(dot) == "." {
                self.look_at(before, dot, &mut |value| table = handle::Table::at_hand(value));
            }
            table
        })
    }

    fn in_string(&self, before: &Before, at: usize) -> Completion {
        let inside = before.pieces[at].range.start + 1;
        let typed = &before.text[inside..];
        let named = live::named(before.text, &before.pieces[..at]);
        let table = self.table_at_hand(before, at).or_else(|| before.table_written(at)).unwrap_or((&[Family::V4], Table::Filter));
        let (named, start) = match (named, typed.rfind(' ')) {
            (Named::Rule, blank) => {
                let start = blank.map_or(0, |blank| blank + 1);
                (live::in_rule(&typed[..start]), inside + start)
            }
            (Named::Queue, blank) => {
                let start = blank.map_or(0, |blank| blank + 1);
                (live::in_command(&typed[..start]), inside + start)
            }
            (named, _) => (named, inside),
        };
        let names = self.names(named, table, &before.text[start..]);
        Completion { start, candidates: names.into_iter().map(|name| Candidate { shown: name.clone(), text: name }).collect() }
    }
}

/// Looks at what lies in a value, by keys and indexes as they are typed.
fn within(value: &Dynamic, path: &[&str], look: &mut dyn FnMut(&Dynamic)) {
    let Some((key, rest)) = path.split_first() else { return look(value) };
    let inside = |value: &Dynamic, look: &mut dyn FnMut(&Dynamic)| within(value, rest, look);
    if let Some(map) = value.read_lock::<Map>() {
        map.get(key.trim_matches('"')).into_iter().for_each(|value| inside(value, look));
    } else if let Some(list) = value.read_lock::<Array>() {
        key.parse::<usize>().ok().and_then(|at| list.get(at)).into_iter().for_each(|value| inside(value, look));
    }
}

/// Tells whether the word behind so many pieces is a key of a map that is given as a rule, or the like.
fn is_in(place: Named, before: &Before, end: usize) -> bool {
    let open = before.innermost(end).map(|(open, _)| open).filter(|open| before.word(*open) == "#{");
    open.is_some_and(|open| live::named(before.text, &before.pieces[..open]) == place)
}

/// Writes the call of a function as far as it can be known; `own` of its parameters stand before it.
fn call(function: &FunctionDoc, own: usize) -> (String, String) {
    (function.name.clone(), open(&function.name, function.params.len() == own))
}

fn open(name: &str, whole: bool) -> String {
    format!("{name}({}", if whole { ")" } else { "" })
}

fn keys(of: &[&str]) -> BTreeMap<String, String> {
    of.iter().map(|key| ((*key).to_owned(), format!("{key}: "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Mode, Setup};
    use crate::transaction::Door;

    fn host(text: &str) -> Host {
        let mut host = Host::open(Setup::new(Mode::Run, Door::over_nothing()));
        host.input(text).unwrap();
        host
    }

    fn offered(host: &Host, text: &str) -> Vec<String> {
        let found = host.complete(text);
        found.candidates.into_iter().map(|candidate| format!("{}{}", &text[..found.start], candidate.text)).collect()
    }

    #[test]
    fn names_are_completed() {
        let host = host("let port = 22; fn protect(port) { port } import \"std:firewall\" as wall;");
        assert_eq!(offered(&host, "1 + po"), ["1 + port", "1 + port_set(", "1 + ports::"]);
        assert_eq!(offered(&host, "prote"), ["protect("]);
        assert_eq!(offered(&host, "iptab"), ["iptables::"]);
        assert_eq!(offered(&host, "iptables::ta"), ["iptables::table("]);
        assert_eq!(offered(&host, "// po"), Vec::<String>::new());
    }

    #[test]
    fn the_value_at_hand_offers_what_it_has() {
        let mut host =
            host("let filter = iptables::table(\"filter\"); let input = filter.chain(\"INPUT\"); let m = #{ port: 1, proto: 2 };");
        for chain in ["input", "filter.chain(\"INPUT\")", "iptables::table(\"filter\").chain(\"INPUT\")"] {
            assert_eq!(offered(&host, &format!("{chain}.appe")), [format!("{chain}.append(")]);
        }
        assert_eq!(offered(&host, "filter.list_c"), ["filter.list_chains()"]);
        assert_eq!(offered(&host, "m.p"), ["m.port", "m.proto"]);
        host.input("let x = #{ a: #{ bee: #{ inner: 1, \"no name\": 2 }, text: \"t\", rows: [#{ deep: 1 }], of: filter } };").unwrap();
        assert_eq!(offered(&host, "x.a.b"), ["x.a.bee"]);
        assert_eq!(offered(&host, "f(x.a.bee.in"), ["f(x.a.bee.inner"]);
        assert!(!offered(&host, "x.a.bee.n").contains(&"x.a.bee.no name".to_owned()));
        assert_eq!(offered(&host, "x[\"a\"].rows[0].de"), ["x[\"a\"].rows[0].deep"]);
        assert!(offered(&host, "x.a.text.to_up").contains(&"x.a.text.to_upper()".to_owned()));
        assert_eq!(offered(&host, "x.a.of.list_c"), ["x.a.of.list_chains()"]);
        assert!(offered(&host, "x.a.rows.pu").contains(&"x.a.rows.push(".to_owned()));
        assert_eq!(offered(&host, "x.none.b"), Vec::<String>::new());
        assert!(offered(&host, "[1].pu").contains(&"[1].push(".to_owned()));
        assert_eq!(offered(&host, "\"a\".sle"), Vec::<String>::new());
        assert!(offered(&host, "\"a\".to_up").contains(&"\"a\".to_upper()".to_owned()));
        assert_eq!(offered(&host, "nothing.ap"), Vec::<String>::new());
    }

    #[test]
    fn strings_name_what_is_there() {
        let host = host("iptables::table(\"filter\").new_chain(\"LOGDROP\"); let c = iptables::table(\"filter\").chain(\"INPUT\");");
        assert_eq!(offered(&host, "iptables::table(\"fi"), ["iptables::table(\"filter"]);
        assert_eq!(offered(&host, "iptables::table(\"filter\").chain(\"LO"), ["iptables::table(\"filter\").chain(\"LOGDROP"]);
        assert_eq!(offered(&host, "c.append(\"-p tcp -j LOGD"), ["c.append(\"-p tcp -j LOGDROP"]);
        assert_eq!(offered(&host, "c.append(#{ proto: \"tc"), ["c.append(#{ proto: \"tcp"]);
        assert_eq!(offered(&host, "c.append(#{ dpo"), ["c.append(#{ dport: "]);
        assert_eq!(offered(&host, "c.append(#{ proto: \"tcp\", dpo"), ["c.append(#{ proto: \"tcp\", dport: "]);
        assert_eq!(offered(&host, "sockets::list(#{ sta"), ["sockets::list(#{ state: "]);
        assert_eq!(offered(&host, "sockets::list(#{ state: \"list"), ["sockets::list(#{ state: \"listening"]);
        assert!(
            offered(&host, "let s = sockets::get(\"\"); ports::ensure_r")
                .contains(&"let s = sockets::get(\"\"); ports::ensure_range(".to_owned())
        );
        assert!(offered(&host, "sockets::get(\"\").pee").contains(&"sockets::get(\"\").peer_address".to_owned()));
    }

    #[test]
    fn chains_are_those_of_the_table_at_hand() {
        let mut host = host(
            "let n = iptables::table(\"nat\"); let six = ip6tables::table(\"filter\"); let two = iptables::both(\"filter\");
             n.new_chain(\"X_NAT\"); six.new_chain(\"X_SIX\"); iptables::table(\"filter\").new_chain(\"X_FOUR\");",
        );
        host.input("let pre = n.chain(\"PREROUTING\");").unwrap();
        let names = |text: &str| host.complete(text).candidates.into_iter().map(|found| found.text).collect::<Vec<_>>();
        assert_eq!(names("n.chain(\"X_"), ["X_NAT"]);
        assert_eq!(names("iptables::table(\"filter\"); n.chain(\"X_"), ["X_NAT"]);
        assert_eq!(names("six.chain(\"X_"), ["X_SIX"]);
        assert_eq!(names("ip6tables::table(\"filter\").chain(\"X_"), ["X_SIX"]);
        assert_eq!(names("two.chain(\"X_"), ["X_FOUR", "X_SIX"]);
        assert_eq!(names("iptables::both(\"filter\").chain(\"X_"), ["X_FOUR", "X_SIX"]);
        assert_eq!(names("let t = iptables::table(\"nat\"); t.chain(\"X_"), ["X_NAT"]);
        assert_eq!(names("pre.append(#{ jump: \"X_"), ["X_NAT"]);
        assert_eq!(names("n.chain(\"OUTPUT\").append(\"-j X_"), ["X_NAT"]);
        assert_eq!(names("ip6tables::table(\"filter\").chain(\"INPUT\").append(\"-j X_"), ["X_SIX"]);
        assert_eq!(names("nothing.chain(\"X_"), ["X_FOUR"]);
    }

    #[test]
    fn parameters_and_sets_are_named() {
        let host = host("ipset::new_set(\"office\", \"hash:net\"); let c = iptables::table(\"filter\").chain(\"INPUT\");");
        assert!(offered(&host, "sysctl::get(\"net.ipv4.ip_f").contains(&"sysctl::get(\"net.ipv4.ip_forward".to_owned()));
        assert_eq!(offered(&host, "sysctl::list(\"net.ipv4.con"), ["sysctl::list(\"net.ipv4.conf"]);
        for start in ["ipset::set(\"", "ipset::swap(\"a\", \"", "c.append(\"-m set --match-set ", "c.append(#{ match_set: \""] {
            assert_eq!(offered(&host, &format!("{start}of")), [format!("{start}office")]);
        }
    }

    #[test]
    fn a_duration_offers_what_durations_have() {
        let host = host("let d = duration(\"5s\");");
        let (of_value, of_call) = (offered(&host, "d."), offered(&host, "duration(\"5s\")."));
        assert!(of_value.contains(&"d.seconds".to_owned()), "{of_value:?}");
        assert_eq!(of_value.len(), of_call.len());
    }

    #[test]
    fn a_hint_is_what_is_left_of_the_signature() {
        let host = host("let c = iptables::table(\"filter\").chain(\"INPUT\"); fn f(a, b) { a + b }");
        assert_eq!(host.hint("iptables::table(").as_deref(), Some("name: string) -> Table"));
        assert_eq!(host.hint("c.insert(").as_deref(), Some("place: int, rule: any)"));
        assert_eq!(host.hint("c.insert(1").as_deref(), Some(", rule: any)"));
        assert_eq!(host.hint("c.insert(1,").as_deref(), Some(" rule: any)"));
        assert_eq!(host.hint("f(1, ").as_deref(), Some("b)"));
        assert_eq!((host.hint("f(1, 2)"), host.hint("(1"), host.hint("f(\"a")), (None, None, None));
    }
}
