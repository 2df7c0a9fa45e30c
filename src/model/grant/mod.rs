//! Permissions: what code may touch, one line for each, as manifests, projects and the command line write them.
//!
//! A permission is a power and the objects that it is over: `iptables: filter/INPUT`, `tc: eth0`, `read: /etc/hosts`, `raw`. What a script touches is
//! told in the same words, with the narrowest scope; so one comparison answers all questions: whether a grant [covers](Permission::covers) a use,
//! whether a denial [touches](Permission::overlaps) it, and what a package asks for that an earlier version did not.

mod pattern;
mod rights;
mod scope;
#[cfg(test)]
mod tests;
mod uses;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::near::did_you_mean;
use super::{Family, Fault};

pub use pattern::Pattern;
pub use rights::{Grants, Rights};
pub use scope::Scope;
pub use uses::{OtherEnd, Present, Uses};

/// What can be done to objects of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Power {
    /// Changes rules and chains of IPv4: `iptables: filter/INPUT`, `iptables: nat`.
    Iptables,
    /// The same for IPv6.
    Ip6tables,
    /// Changes sets: `ipset: blocked-*`.
    Ipset,
    /// Changes the lists of sources that the `recent` match keeps: `recent: ssh-*`.
    Recent,
    /// Changes what queues on a device, its classes and filters: `tc: eth0`.
    Tc,
    /// Changes links with their settings, addresses and neighbours: `link: veth-*`.
    Link,
    /// Changes routes to destinations: `route: 10.0.0.0/8`.
    Route,
    /// Changes the rules of routing.
    Rule,
    /// Makes, takes away and enters network namespaces: `netns: lab-*`.
    Netns,
    /// Changes kernel parameters: `sysctl: net.ipv4.*`.
    Sysctl,
    /// Changes which ports the kernel leaves alone: `ports: 8000-8999`.
    Ports,
    /// Changes control groups, and what is in them: `cgroup: /lab`.
    Cgroup,
    /// Moves processes from one control group to another.
    Process,
    /// Destroys sockets, all or those to some peers: `sockets: 10.0.0.0/8`.
    Sockets,
    /// Sends and receives raw packets.
    Raw,
    /// Runs programs: `exec: curl`.
    Exec,
    /// Reads files: `read: /etc/hosts`, `read: /srv/lists`.
    Read,
    /// Writes files: `write: /srv/lists`.
    Write,
    /// Reads variables of the environment: `env: HOME`.
    Env,
}

impl Power {
    /// All powers, in the order of the reference.
    pub const ALL: [Power; 19] = [
        Power::Iptables,
        Power::Ip6tables,
        Power::Ipset,
        Power::Recent,
        Power::Tc,
        Power::Link,
        Power::Route,
        Power::Rule,
        Power::Netns,
        Power::Sysctl,
        Power::Ports,
        Power::Cgroup,
        Power::Process,
        Power::Sockets,
        Power::Raw,
        Power::Exec,
        Power::Read,
        Power::Write,
        Power::Env,
    ];

    /// Gives the word before the colon.
    pub fn word(self) -> &'static str {
        match self {
            Power::Iptables => "iptables",
            Power::Ip6tables => "ip6tables",
            Power::Ipset => "ipset",
            Power::Recent => "recent",
            Power::Tc => "tc",
            Power::Link => "link",
            Power::Route => "route",
            Power::Rule => "rule",
            Power::Netns => "netns",
            Power::Sysctl => "sysctl",
            Power::Ports => "ports",
            Power::Cgroup => "cgroup",
            Power::Process => "process",
            Power::Sockets => "sockets",
            Power::Raw => "raw",
            Power::Exec => "exec",
            Power::Read => "read",
            Power::Write => "write",
            Power::Env => "env",
        }
    }

    /// Says what it is to do, for who is asked to grant it.
    pub fn told(self) -> &'static str {
        match self {
            Power::Iptables => "change rules and chains (IPv4)",
            Power::Ip6tables => "change rules and chains (IPv6)",
            Power::Ipset => "change sets",
            Power::Recent => "change lists of remembered sources",
            Power::Tc => "change queues, classes and filters",
            Power::Link => "change links, their addresses and neighbours",
            Power::Route => "change routes",
            Power::Rule => "change the rules of routing",
            Power::Netns => "make, take away and enter network namespaces",
            Power::Sysctl => "change kernel parameters",
            Power::Ports => "change which ports are reserved",
            Power::Cgroup => "change control groups",
            Power::Process => "move processes between control groups",
            Power::Sockets => "destroy sockets",
            Power::Raw => "send and receive raw packets",
            Power::Exec => "run programs",
            Power::Read => "read files",
            Power::Write => "write files",
            Power::Env => "read the environment",
        }
    }

    /// Gives the power over the rules of a family.
    pub fn of_family(family: Family) -> Self {
        match family {
            Family::V4 => Power::Iptables,
            Family::V6 => Power::Ip6tables,
        }
    }
}

impl FromStr for Power {
    type Err = Fault;

    fn from_str(word: &str) -> Result<Self, Fault> {
        Self::ALL.into_iter().find(|power| power.word() == word).ok_or_else(|| {
            let fault = Fault::input(format!("use {word:?} as a permission"), "there is no such permission");
            let words = Self::ALL.map(Self::word);
            fault.hint(did_you_mean(word, words.iter().copied()).unwrap_or_else(|| format!("the words are {}", words.join(", "))))
        })
    }
}

/// One permission: a power, and what it is over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Permission {
    /// What can be done.
    pub power: Power,
    /// To what.
    pub scope: Scope,
}

impl Permission {
    /// Makes a permission.
    pub fn new(power: Power, scope: Scope) -> Self {
        Self { power, scope }
    }

    /// Makes the permission over all objects of a kind.
    pub fn all(power: Power) -> Self {
        Self { power, scope: Scope::All }
    }

    /// Tells whether whoever has this one needs no other one to have that.
    pub fn covers(&self, other: &Self) -> bool {
        self.power == other.power && self.scope.covers(&other.scope)
    }

    /// Tells whether some object is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.power == other.power && self.scope.overlaps(&other.scope)
    }
}

impl Permission {
    /// Says what is done with one that has a narrow scope, as the end of "cannot ...".
    pub fn tried(&self) -> String {
        let scope = match &self.scope {
            Scope::All => return self.power.told().to_owned(),
            scope => scope,
        };
        match self.power {
            Power::Iptables => format!("change the chain {scope} (IPv4)"),
            Power::Ip6tables => format!("change the chain {scope} (IPv6)"),
            Power::Ipset => format!("change the set {scope}"),
            Power::Recent => format!("change the recent list {scope}"),
            Power::Tc => format!("change what queues on {scope}"),
            Power::Link => format!("change the link {scope}"),
            Power::Route => format!("change routes to {scope}"),
            Power::Netns => format!("use the network namespace {scope}"),
            Power::Sysctl => format!("set {scope}"),
            Power::Ports => format!("reserve the port {scope}"),
            Power::Cgroup => format!("change the cgroup {scope}"),
            Power::Sockets => format!("destroy a socket to {scope}"),
            Power::Exec => format!("run {scope}"),
            Power::Read => format!("read {scope}"),
            Power::Write => format!("write {scope}"),
            Power::Env => format!("read the variable {scope}"),
            Power::Rule | Power::Process | Power::Raw => self.power.told().to_owned(),
        }
    }
}

impl FromStr for Permission {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let (word, scope) = text.split_once(':').map_or((text, None), |(word, scope)| (word, Some(scope.trim())));
        let power: Power = word.trim().parse()?;
        let scope = match scope {
            None | Some("*") => Scope::All,
            Some(scope) => Scope::read(power, scope).map_err(|fault| Fault { tried: format!("use {text:?} as a permission"), ..fault })?,
        };
        Ok(Self { power, scope })
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Scope::All => f.write_str(self.power.word()),
            scope => write!(f, "{}: {scope}", self.power.word()),
        }
    }
}

impl TryFrom<String> for Permission {
    // What reads a manifest shows one text.
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map_err(|fault: Fault| match &fault.hint {
            Some(hint) => format!("{fault}; {hint}"),
            None => fault.to_string(),
        })
    }
}

impl From<Permission> for String {
    fn from(permission: Permission) -> Self {
        permission.to_string()
    }
}
