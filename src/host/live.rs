//! The names of what is there: chains, sets, kernel parameters, interfaces, modules and files, for whoever types a string.

use std::collections::BTreeSet;
use std::path::Path;

use super::Host;
use super::embedded::STDLIB;
use super::lex::{Kind, Piece};
use crate::kernel::{cgroup, files, link, processes, sysctl};
use crate::model::cgroup::Group;
use crate::model::iptables::Table;
use crate::model::named::Scope;
use crate::model::sysctl::Key;
use crate::model::{Family, Object, netns, tc};
use crate::transaction::{Query, Reading};

/// Targets that every iptables has, by table where they are bound to one.
const TARGETS: &[&str] = &["ACCEPT", "DROP", "REJECT", "LOG", "RETURN", "MARK", "DNAT", "SNAT", "MASQUERADE", "REDIRECT"];
const PROTOCOLS: &[&str] = &["tcp", "udp", "icmp", "icmpv6", "all"];
const STATES: &[&str] = &["NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED"];
const SOCKETS: &[&str] = &["tcp", "udp", "raw", "unix", "packet"];
const SOCKET_STATES: &[&str] = &[
    "established",
    "syn-sent",
    "syn-recv",
    "fin-wait-1",
    "fin-wait-2",
    "time-wait",
    "unconnected",
    "close-wait",
    "last-ack",
    "listening",
    "closing",
    "all",
    "connected",
    "synchronized",
    "bucket",
    "big",
];
const POLICIES: &[&str] = &["ACCEPT", "DROP"];
const TABLES: &[&str] = &["filter", "nat", "mangle", "raw", "security"];
/// What the words of a rule begin with most often.
const OPTIONS: &[&str] = &["-p", "-s", "-d", "-i", "-o", "-m", "-j", "--dport", "--sport", "--ctstate", "--limit"];

/// What a command of tc(8) begins with, and how it tells a place.
const VERBS: &[&str] = &["add", "change", "replace", "del"];
const PLACES: &[&str] = &["dev", "root", "parent", "handle", "classid"];

/// What a string is about to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Table,
    Chain,
    Target,
    Interface,
    Protocol,
    State,
    /// What a socket speaks.
    Socket,
    /// The state of a socket.
    SocketState,
    /// Which sockets are meant.
    SocketFilter,
    Policy,
    List,
    Set,
    /// A network namespace, by its name.
    Netns,
    /// A kernel parameter, by its key.
    Parameter,
    /// A folder of kernel parameters, by its key.
    Folder,
    Module,
    /// A file, by its path.
    File,
    /// A control group, by its path.
    Cgroup,
    /// A process, by its name.
    Process,
    /// The words of a rule, of which the last is about to be typed.
    Rule,
    /// The words of a command of tc(8), of which the last is about to be typed.
    Queue,
    Nothing,
}

/// Tells what a string stands for, by the pieces in front of it.
pub(super) fn named(text: &str, before: &[Piece]) -> Named {
    let word = |at: usize| before.get(at).filter(|piece| piece.kind == Kind::Word).map_or("", |piece| &text[piece.range.clone()]);
    match before.split_last() {
        Some((last, _)) if last.kind == Kind::Word && &text[last.range.clone()] == "import" => return Named::Module,
        Some((colon, keys)) if &text[colon.range.clone()] == ":" => {
            return of_key(room_around(text, keys), word(keys.len().wrapping_sub(1)));
        }
        _ => {}
    }
    let (mut depth, mut first) = (0, true);
    for (at, piece) in before.iter().enumerate().rev() {
        match piece.kind {
            Kind::Close => depth += 1,
            Kind::Open if depth > 0 => depth -= 1,
            // An array in a call holds what the call takes.
            Kind::Open if text[piece.range.clone()] == *"[" => {}
            Kind::Open if text[piece.range.clone()] == *"(" => {
                let of_room = at >= 3 && &text[before[at - 2].range.clone()] == "::";
                return of_call(if of_room { word(at - 3) } else { "" }, word(at.wrapping_sub(1)), first);
            }
            Kind::Open => return Named::Nothing,
            Kind::Sign if depth == 0 && text[piece.range.clone()] == *"," => first = false,
            _ => {}
        }
    }
    Named::Nothing
}

/// Finds the room of the call in whose map or array the end of some pieces lies; none where it is no function of a room.
fn room_around<'a>(text: &'a str, before: &[Piece]) -> &'a str {
    let word = |at: usize| before.get(at).map_or("", |piece| &text[piece.range.clone()]);
    let mut depth = 0;
    for (at, piece) in before.iter().enumerate().rev() {
        match piece.kind {
            Kind::Close => depth += 1,
            Kind::Open if depth > 0 => depth -= 1,
            Kind::Open if word(at) == "(" => return if at >= 3 && word(at - 2) == "::" { word(at - 3) } else { "" },
            _ => {}
        }
    }
    ""
}

fn of_key(room: &str, key: &str) -> Named {
    match key {
        "proto" if room == "sockets" => Named::Socket,
        "state" if room == "sockets" => Named::SocketState,
        "interface" if room == "sockets" => Named::Interface,
        "jump" => Named::Target,
        "in_interface" | "out_interface" | "dev" | "iif" | "oif" | "master" | "link" => Named::Interface,
        "proto" => Named::Protocol,
        "state" => Named::State,
        "match_set" => Named::Set,
        "words" => Named::Rule,
        _ => Named::Nothing,
    }
}

fn of_call(room: &str, function: &str, first: bool) -> Named {
    match (room, function) {
        ("sysctl", "get" | "find" | "set" | "ensure") if first => Named::Parameter,
        ("sysctl", "list") => Named::Folder,
        ("tc", "device") if first => Named::Interface,
        ("tc", "qdisc" | "class") if first => Named::Queue,
        ("ipset", "swap") => Named::Set,
        ("ipset", "set" | "find" | "delete_set" | "absent_set") if first => Named::Set,
        ("sockets", "list" | "find" | "get" | "destroy") if first => Named::SocketFilter,
        ("netns", "get" | "find" | "ensure" | "del" | "absent" | "destroy" | "enter") if first => Named::Netns,
        ("link", "get" | "find" | "del" | "absent") => Named::Interface,
        ("cgroup", "group" | "find" | "new_group" | "ensure_group" | "delete_group" | "absent_group") => Named::Cgroup,
        ("process", "by_name") => Named::Process,
        ("sysctl" | "ipset" | "netns" | "link" | "tc" | "sockets" | "ports" | "cgroup" | "process", _) => Named::Nothing,
        _ => of_function(function),
    }
}

fn of_function(function: &str) -> Named {
    match function {
        "table" | "both" => Named::Table,
        "chain" | "ensure_chain" | "delete_chain" | "absent_chain" | "rename_chain" => Named::Chain,
        "set_policy" => Named::Policy,
        "recent" => Named::List,
        "lines" | "text" => Named::File,
        "append" | "insert" | "insert_first" | "replace" | "delete" | "ensure" | "ensure_first" | "absent" | "check" | "find" => {
            Named::Rule
        }
        _ => Named::Nothing,
    }
}

/// Tells what the last of the words of a rule stands for, by the word in front of it.
pub(super) fn in_rule(words: &str) -> Named {
    match words.split_whitespace().next_back() {
        Some("-j" | "--jump" | "-g" | "--goto") => Named::Target,
        Some("-i" | "-o" | "--in-interface" | "--out-interface") => Named::Interface,
        Some("-p" | "--protocol") => Named::Protocol,
        Some("--ctstate" | "--state") => Named::State,
        Some("--match-set" | "--add-set" | "--del-set") => Named::Set,
        _ => Named::Rule,
    }
}

/// Tells what the last of the words of a command of tc(8) stands for, by the word in front of it.
pub(super) fn in_command(words: &str) -> Named {
    match words.split_whitespace().next_back() {
        Some("dev") => Named::Interface,
        _ => Named::Queue,
    }
}

/// Lists the kinds of qdiscs.
fn kinds() -> Vec<String> {
    tc::KINDS.iter().map(|kind| (*kind).to_owned()).collect()
}

impl Host {
    /// Lists the names that a string can have that begins so, in some families of a table.
    pub(super) fn names(&self, named: Named, table: (&[Family], Table), start: &str) -> Vec<String> {
        let all: Vec<String> = match named {
            Named::Table => owned(TABLES),
            Named::Chain => self.chains(table),
            Named::Target => [owned(TARGETS), self.chains(table).into_iter().filter(|chain| !is_builtin(chain)).collect()].concat(),
            Named::Interface => link::names(),
            Named::Protocol => owned(PROTOCOLS),
            Named::State => owned(STATES),
            Named::Socket => owned(SOCKETS),
            Named::SocketState => owned(SOCKET_STATES),
            Named::Policy => owned(POLICIES),
            Named::List => match self.session.door().read(Query::RecentLists) {
                Ok(Reading::RecentLists(lists)) => lists,
                _ => Vec::new(),
            },
            Named::Set => self.sets(),
            Named::Netns => self.namespaces(),
            Named::Parameter => parameters(start),
            Named::Folder => parameters(start).iter().filter_map(|key| key.strip_suffix('.')).map(str::to_owned).collect(),
            Named::Module => modules(start),
            Named::File => paths(start),
            Named::Cgroup => groups(start),
            Named::Process => process_names(),
            Named::Rule => owned(OPTIONS),
            Named::Queue => owned(VERBS).into_iter().chain(owned(PLACES)).chain(kinds()).collect(),
            Named::SocketFilter | Named::Nothing => Vec::new(),
        };
        all.into_iter().filter(|name| name.starts_with(start)).collect()
    }

    fn chains(&self, (families, table): (&[Family], Table)) -> Vec<String> {
        let door = self.session.door();
        let mut found = BTreeSet::new();
        for family in families {
            // Whoever may not read them is told so by the statement itself.
            if let Ok(Reading::Chains(chains)) = door.read(Query::Chains(*family, table)) {
                found.extend(chains.iter().map(|chain| chain.as_str().to_owned()));
            }
        }
        // What was read for a look is not kept for the statement. Nothing is queued while somebody types.
        let _ = door.step();
        found.into_iter().collect()
    }

    fn sets(&self) -> Vec<String> {
        let Ok(Reading::Named(found)) = self.session.door().read(Query::Named(Scope::Sets)) else { return Vec::new() };
        let name = |object: &Object| if let Object::Set(name) = object { Some(name.to_string()) } else { None };
        found.keys().filter_map(name).collect()
    }

    fn namespaces(&self) -> Vec<String> {
        let Ok(Reading::Named(found)) = self.session.door().read(Query::Named(Scope::Netns(netns::Scope::Names))) else {
            return Vec::new();
        };
        let name = |object: &Object| if let Object::Netns(netns::Object::Name(name)) = object { Some(name.to_string()) } else { None };
        found.keys().filter_map(name).collect()
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn is_builtin(chain: &str) -> bool {
    ["INPUT", "OUTPUT", "FORWARD", "PREROUTING", "POSTROUTING"].contains(&chain)
}

/// Lists the kernel parameters that begin so, and the folders of more of them, which end in a dot.
///
/// The door would read the values, too; there can be thousands, and a look at the names is quick.
fn parameters(start: &str) -> Vec<String> {
    let Some((folder, _)) = start.rsplit_once('.') else { return owned(&["net."]) };
    let key = if folder == "net" { Some(Key::of_parts([folder])) } else { folder.parse::<Key>().ok() };
    key.iter().flat_map(sysctl::names).map(|name| format!("{folder}.{name}")).collect()
}

/// Lists the groups that begin so, in the folder that is typed.
fn groups(start: &str) -> Vec<String> {
    let Some((folder, _)) = start.rsplit_once('/') else { return owned(&["/"]) };
    let above = if folder.is_empty() || folder.ends_with(':') { format!("{folder}/") } else { folder.to_owned() };
    let group = above.parse::<Group>().ok();
    group.iter().flat_map(|group| cgroup::names(group).into_iter().map(|name| format!("{folder}/{name}"))).collect()
}

fn process_names() -> Vec<String> {
    let mut names: Vec<String> = processes::names().into_iter().map(|(_, name)| name).collect();
    names.sort();
    names.dedup();
    names
}

/// Lists what can be imported: modules of the standard library, folders, and files without their extension.
fn modules(start: &str) -> Vec<String> {
    let standard = STDLIB.iter().map(|(name, _)| format!("std:{name}"));
    let files = paths(start)
        .into_iter()
        .filter_map(|path| if path.ends_with('/') { Some(path) } else { path.strip_suffix(".rhai").map(str::to_owned) });
    standard.chain(files).collect()
}

/// Lists the paths that begin so.
pub fn paths(start: &str) -> Vec<String> {
    let (folder, name) = start.rfind('/').map_or(("", start), |at| start.split_at(at + 1));
    let hidden = |path: &String| path.starts_with('.') && !name.starts_with('.');
    let found = files::names(Path::new(if folder.is_empty() { "." } else { folder }), name);
    found.into_iter().filter(|path| !hidden(path)).map(|path| format!("{folder}{path}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::lex;

    fn of(text: &str) -> Named {
        let pieces = lex::pieces(text);
        named(text, &pieces[..pieces.len() - 1])
    }

    #[test]
    fn a_string_knows_what_it_names() {
        assert_eq!(of("iptables::table(\"f"), Named::Table);
        assert_eq!(of("t.chain(\""), Named::Chain);
        assert_eq!(of("import \"st"), Named::Module);
        assert_eq!(of("sys::lines(\"/etc/ho"), Named::File);
        assert_eq!(of("c.append(#{ proto: \"tcp\", jump: \"D"), Named::Target);
        assert_eq!(of("c.append([f(1), \"-p"), Named::Rule);
        assert_eq!(of("c.append(#{ x: [\""), Named::Nothing);
        assert_eq!(of("let x = \""), Named::Nothing);
        assert_eq!(of("sysctl::get(\"net"), Named::Parameter);
        assert_eq!(of("sysctl::set(\"net.a\", \"1"), Named::Nothing);
        assert_eq!(of("c.find(\"-p"), Named::Rule);
        assert_eq!(of("ipset::find(\""), Named::Set);
        assert_eq!(of("ipset::swap(\"a\", \""), Named::Set);
        assert_eq!(of("ipset::new_set(\"a\", \""), Named::Nothing);
        assert_eq!(of("netns::enter(\"b"), Named::Netns);
        assert_eq!(of("netns::add(\"b"), Named::Nothing);
        assert_eq!([of("link::get(\""), of("link::del(\"e"), of("r.add(#{ dev: \"")], [Named::Interface; 3]);
        assert_eq!(of("link::add(\""), Named::Nothing);
        assert_eq!(of("c.ensure(#{ match_set: \""), Named::Set);
        assert_eq!(of("sockets::list(#{ proto: \"tcp\", state: \""), Named::SocketState);
        assert_eq!(of("sockets::list(#{ proto: [\"tcp\", \""), Named::Nothing);
        assert_eq!((of("sockets::get(#{ proto: \""), of("c.append(#{ proto: \"")), (Named::Socket, Named::Protocol));
        assert_eq!((of("sockets::find(\""), of("f(sockets::list(), #{ state: \"")), (Named::SocketFilter, Named::State));
        assert_eq!(in_rule("-m set ! --match-set "), Named::Set);
        assert_eq!(
            (of("cgroup::group(\"/us"), of("process::by_name(\"cu"), of("process::get(\"")),
            (Named::Cgroup, Named::Process, Named::Nothing)
        );
        assert_eq!(
            (of("tc::device(\""), of("tc::qdisc(\"add dev eth"), of("tc::class([\"")),
            (Named::Interface, Named::Queue, Named::Queue)
        );
        assert_eq!((in_command("add dev "), in_command("add dev eth0 ")), (Named::Interface, Named::Queue));
        assert_eq!(of(":"), Named::Nothing);
        assert_eq!((in_rule("-p tcp -j "), in_rule("-p tcp "), in_rule("-i ")), (Named::Target, Named::Rule, Named::Interface));
    }

    #[test]
    fn parameters_are_found_part_by_part() {
        assert_eq!(parameters("n"), ["net."]);
        assert!(parameters("net.i").contains(&"net.ipv4.".to_owned()));
        assert!(parameters("net.ipv4.ip_f").contains(&"net.ipv4.ip_forward".to_owned()));
        assert!(parameters("net.ipv4.conf.lo.").contains(&"net.ipv4.conf.lo.forwarding".to_owned()));
        assert_eq!((parameters("kernel.h"), parameters("net.//.x")), (Vec::new(), Vec::new()));
    }
}
