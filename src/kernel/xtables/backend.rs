//! Which of the two implementations is the one to use.

use std::fs;

use super::programs::{Call, Programs};
use super::{Backend, legacy, nft};
use crate::kernel::netlink::nftables::Nftables;
use crate::kernel::tool::Tool;
use crate::model::{Family, Fault, Kind};

/// The backend that is used, and whether the other one holds rules as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The backend.
    pub backend: Backend,
    /// Whether both hold rules and nobody said which one is meant: then nothing may be written.
    pub ambiguous: bool,
}

impl Choice {
    /// Takes the backend that was asked for, else the one that holds rules, else what `iptables` is.
    pub fn make(asked: Option<Backend>) -> Result<Self, Fault> {
        let certain = |backend| Ok(Self { backend, ambiguous: false });
        if let Some(backend) = asked {
            return certain(backend);
        }
        match (holds_nft()?, legacy::in_use()?) {
            (true, false) => certain(Backend::Nft),
            (false, true) => certain(Backend::Legacy),
            (false, false) => certain(Self::installed()?),
            (true, true) => Ok(Self { backend: Self::installed()?, ambiguous: true }),
        }
    }

    /// Tells which backend `iptables` is on this host, by where its link leads.
    pub fn installed() -> Result<Backend, Fault> {
        let program = Tool::find("iptables").map_err(|fault| fault.hint("on Debian it is in the package `iptables`"))?;
        let target = fs::canonicalize(program.path())
            .map_err(|error| Fault::new(Kind::System, "find out which backend iptables uses", error.to_string()))?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        Ok(if name.contains("nft") { Backend::Nft } else { Backend::Legacy })
    }

    /// Refuses to write where nobody said which backend is meant.
    pub fn may_write(self) -> Result<(), Fault> {
        if !self.ambiguous {
            return Ok(());
        }
        Err(Fault::input("choose where to write rules", "both backends of iptables, nf_tables and legacy, hold rules")
            .hint("say which one is meant: `--backend nft` or `--backend legacy`; `fyke doctor` shows both"))
    }
}

/// What a host has of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The backend.
    pub backend: Backend,
    /// What its program says of itself, `iptables v1.8.9 (nf_tables)`; a fault where it is not installed.
    pub version: Result<String, Fault>,
    /// Whether rules, user-defined chains or dropping policies are there.
    pub holds_rules: Result<bool, Fault>,
}

/// Looks at both backends, for a diagnosis.
pub fn reports() -> [Report; 2] {
    let report = |backend| {
        let said = Programs::new(backend).run_one(&Call::command(Family::V4, vec!["-V".into()]), None);
        let holds_rules = match backend {
            Backend::Nft => holds_nft(),
            Backend::Legacy => legacy::in_use(),
        };
        Report { backend, version: said.map(|said| said.output.trim().to_owned()), holds_rules }
    };
    [report(Backend::Nft), report(Backend::Legacy)]
}

/// What the installed `iptables` or `ip6tables` can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ability {
    /// It can look for a rule (`-C`), since 1.4.11.
    pub check: bool,
    /// It can wait for its lock (`-w`), since 1.4.20.
    pub wait: bool,
}

/// Finds out what the installed program of a family can do, for a diagnosis.
pub fn ability(family: Family) -> Result<Ability, Fault> {
    let tried = format!("ask {} for its version", family.command());
    let found = iptables::new(family == Family::V6).map_err(|error| Fault::new(Kind::Unsupported, tried, error.to_string()))?;
    Ok(Ability { check: found.has_check, wait: found.has_wait })
}

/// Tells whether nf_tables holds rules of iptables. A kernel without nf_tables holds none.
fn holds_nft() -> Result<bool, Fault> {
    let held = Nftables::open().and_then(|mut socket| nft::in_use(&mut socket));
    match held.map_err(|error| nft::socket_fault("look for rules in nf_tables", &error)) {
        Err(fault) if fault.kind == Kind::Unsupported => Ok(false),
        other => other,
    }
}
