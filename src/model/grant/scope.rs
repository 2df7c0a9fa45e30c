//! What a permission is over.

use std::fmt;
use std::path::{Component, Path};
use std::sync::Arc;

use super::{Pattern, Power};
use crate::model::Fault;
use crate::model::cgroup::Group;
use crate::model::iptables::Table;
use crate::model::net::Ports;
use crate::model::prefix::Prefix;
use crate::model::sysctl::Key;

/// Objects of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All.
    All,
    /// Chains of a table.
    Chain(Table, Pattern),
    /// Those with a name.
    Name(Pattern),
    /// Kernel parameters: the parts of the key, and whether all below are meant.
    Key(Vec<Pattern>, bool),
    /// Destinations or peers.
    Prefix(Prefix),
    /// Ports.
    Ports(u16, u16),
    /// A control group, and those below it.
    Group(Group),
    /// A file, or all below a folder: an absolute path without `.`, `..` and empty parts.
    Path(Arc<str>),
    /// A program: its name where it is found by that, else its path.
    Program(Arc<str>),
}

impl Scope {
    /// Reads what stands behind the colon of a permission.
    pub fn read(power: Power, text: &str) -> Result<Self, Fault> {
        let refuse = |why: String| Fault::input(format!("use {text:?} as what a permission is over"), why);
        if text.is_empty() {
            return Err(refuse("nothing stands behind the colon".into()).hint(format!("`{}` alone means all", power.word())));
        }
        match power {
            Power::Iptables | Power::Ip6tables => chain(text),
            Power::Ipset | Power::Recent | Power::Tc | Power::Link | Power::Netns | Power::Env => Pattern::read(text).map(Scope::Name),
            Power::Sysctl => key(text),
            Power::Route | Power::Sockets => Prefix::exact(text).map(Scope::Prefix),
            Power::Ports => Ports::either(text).map(|ports| Scope::Ports(ports.first, ports.last)),
            Power::Cgroup => text.parse().map(Scope::Group),
            Power::Read | Power::Write => path(text).map(Scope::Path),
            Power::Exec if text.contains('/') => path(text).map(Scope::Program),
            Power::Exec => match Pattern::read(text)?.name() {
                Some(name) if !name.starts_with('-') && name != "." && name != ".." => Ok(Scope::Program(name.into())),
                _ => Err(refuse("a program is one name, or an absolute path".into())),
            },
            Power::Rule | Power::Process | Power::Raw => {
                Err(refuse(format!("`{}` is one permission, and nothing stands behind it", power.word())))
            }
        }
    }

    /// Makes the scope of one kernel parameter.
    pub fn of_key(key: &Key) -> Self {
        Scope::Key(key.as_str().split('.').map(Pattern::exact).collect(), false)
    }

    /// Makes the scope of a file that is named by an absolute path; none where it is no such path.
    pub fn of_path(path: &Path) -> Option<Self> {
        let text = path.to_str()?;
        let is_plain = path.is_absolute() && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        is_plain.then(|| Scope::Path(joined(text)))
    }

    /// Tells whether all objects of another one are in it.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Scope::All, _) => true,
            (Scope::Chain(table, chain), Scope::Chain(of, other)) => table == of && chain.covers(other),
            (Scope::Name(pattern), Scope::Name(other)) => pattern.covers(other),
            (Scope::Key(parts, below), Scope::Key(others, all)) => {
                // What is below has one part more at least.
                let fits = match (below, all) {
                    (true, true) => others.len() >= parts.len(),
                    (true, false) => others.len() > parts.len(),
                    (false, all) => !all && others.len() == parts.len(),
                };
                fits && parts.iter().zip(others).all(|(part, other)| part.covers(other))
            }
            (Scope::Prefix(prefix), Scope::Prefix(other)) => prefix.family() == other.family() && prefix.covers(other),
            (Scope::Ports(first, last), Scope::Ports(low, high)) => first <= low && high <= last,
            (Scope::Group(group), Scope::Group(other)) => group.holds(other),
            (Scope::Path(path), Scope::Path(other)) => is_beneath(other, path),
            (Scope::Program(program), Scope::Program(other)) => program == other,
            _ => false,
        }
    }

    /// Tells whether some object is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Scope::Chain(table, chain), Scope::Chain(of, other)) => table == of && chain.overlaps(other),
            (Scope::Name(pattern), Scope::Name(other)) => pattern.overlaps(other),
            (Scope::Key(parts, below), Scope::Key(others, all)) => {
                let fits = match (below, all) {
                    (true, true) => true,
                    (true, false) => others.len() > parts.len(),
                    (false, true) => parts.len() > others.len(),
                    (false, false) => parts.len() == others.len(),
                };
                fits && parts.iter().zip(others).all(|(part, other)| part.overlaps(other))
            }
            (Scope::Ports(first, last), Scope::Ports(low, high)) => first <= high && low <= last,
            (one, other) => one.covers(other) || other.covers(one),
        }
    }
}

/// Reads `filter/INPUT`, `filter/fyke-*`, `filter/*`, `filter`.
fn chain(text: &str) -> Result<Scope, Fault> {
    let (table, chain) = text.split_once('/').unwrap_or((text, "*"));
    Ok(Scope::Chain(table.parse()?, Pattern::read(chain)?))
}

/// Reads `net.ipv4.ip_forward`, `net.ipv4.tcp_*`, `net.ipv4.conf.*.rp_filter`; a `*` that is the whole last part stands for all below.
fn key(text: &str) -> Result<Scope, Fault> {
    let refuse = |why: &str| Fault::input(format!("use {text:?} as kernel parameters"), why);
    // sysctl(8): after a first slash all is taken as it is, after a first dot the two change their roles.
    let key = match text.find(['.', '/']).map(|at| text.as_bytes()[at]) {
        Some(b'/') => text.split('/').map(|part| part.replace('.', "/")).collect::<Vec<_>>().join("."),
        _ => text.to_owned(),
    };
    let (key, below) = key.strip_suffix(".*").map_or((&*key, false), |key| (key, true));
    let parts = key.split('.').map(Pattern::read).collect::<Result<Vec<_>, _>>()?;
    if parts.iter().any(|part| matches!(part.name(), Some("/" | "//"))) {
        return Err(refuse("a part of it leads out of /proc/sys"));
    }
    if parts.first().and_then(Pattern::name) != Some("net") {
        let fault = refuse("only parameters under `net.` belong to a network namespace");
        return Err(fault.hint("write the whole key, as in net.ipv4.*"));
    }
    Ok(Scope::Key(parts, below))
}

/// Reads an absolute path. Two ways to write one path are one path here; where links lead is for the kernel to say.
fn path(text: &str) -> Result<Arc<str>, Fault> {
    let refuse = |why: &str| Fault::input(format!("use {text:?} as a path"), why);
    if !text.starts_with('/') {
        return Err(
            refuse("it does not begin with a slash").hint("write the whole path: what it would be beside may be elsewhere tomorrow")
        );
    }
    if text.contains('\0') {
        return Err(refuse("it has a NUL byte in it"));
    }
    if text.split('/').any(|part| part == "..") {
        return Err(refuse("it has `..` in it, which is not where it seems to be behind a link").hint("write where it leads"));
    }
    if text.contains('*') {
        return Err(refuse("a path has no `*`").hint("the path of a folder stands for all that is below it"));
    }
    Ok(joined(text))
}

/// Takes empty parts and `.` out of a path.
fn joined(text: &str) -> Arc<str> {
    let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    format!("/{}", parts.join("/")).into()
}

fn is_beneath(path: &str, folder: &str) -> bool {
    folder == "/" || path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::All => f.write_str("*"),
            Scope::Chain(table, chain) => write!(f, "{table}/{chain}"),
            Scope::Name(pattern) => write!(f, "{pattern}"),
            Scope::Key(parts, below) => {
                let parts: Vec<String> = parts.iter().map(ToString::to_string).collect();
                write!(f, "{}{}", parts.join("."), if *below { ".*" } else { "" })
            }
            Scope::Prefix(prefix) => write!(f, "{prefix}"),
            Scope::Ports(first, last) if first == last => write!(f, "{first}"),
            Scope::Ports(first, last) => write!(f, "{first}-{last}"),
            Scope::Group(group) => write!(f, "{group}"),
            Scope::Path(path) | Scope::Program(path) => f.write_str(path),
        }
    }
}
