//! A group: its hierarchy, and its path in it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::Fault;

/// A hierarchy of groups: the unified one of version 2, or that of a controller of version 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hierarchy(Arc<str>);

impl Hierarchy {
    /// The hierarchy of version 2.
    pub fn unified() -> Self {
        Self("".into())
    }

    /// The hierarchy of the controller that marks packets with a class id.
    pub fn net_cls() -> Self {
        Self("net_cls".into())
    }

    /// Tells whether it is that of version 2.
    pub fn is_unified(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives the controller of version 1 by which it is known; nothing for version 2.
    pub fn controller(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Hierarchy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_unified() { "unified" } else { &self.0 })
    }
}

impl FromStr for Hierarchy {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.=".contains(c);
        match text {
            "unified" => Ok(Self::unified()),
            _ if !text.is_empty() && text.len() <= 64 && text.chars().all(is_plain) => Ok(Self(text.into())),
            _ => Err(Fault::input(format!("use {text:?} as a hierarchy of cgroups"), "it is no name of a controller")
                .hint("\"unified\" is that of version 2; version 1 has one for each controller, like \"net_cls\"")),
        }
    }
}

/// A group: `/user.slice/x` in the unified hierarchy, `net_cls:/x` in one of version 1. The path counts from the root of the hierarchy, as
/// /proc/PID/cgroup shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group {
    hierarchy: Hierarchy,
    path: Arc<str>,
}

impl Group {
    /// The most bytes of a path, and of a part of it.
    const MAX: (usize, usize) = (4095, 255);

    /// Takes a path as the kernel shows it.
    pub fn listed(hierarchy: Hierarchy, path: &str) -> Self {
        Self { hierarchy, path: path.into() }
    }

    /// Gives the root of a hierarchy.
    pub fn root(hierarchy: Hierarchy) -> Self {
        Self::listed(hierarchy, "/")
    }

    /// Gives the hierarchy.
    pub fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    /// Gives the path from the root of the hierarchy on; it begins with a slash.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Gives the last part of the path; nothing for the root.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Tells whether it is the root of its hierarchy.
    pub fn is_root(&self) -> bool {
        &*self.path == "/"
    }

    /// Gives the group in which it is.
    pub fn parent(&self) -> Option<Self> {
        let (parent, _) = self.path.rsplit_once('/').filter(|_| !self.is_root())?;
        Some(Self::listed(self.hierarchy.clone(), if parent.is_empty() { "/" } else { parent }))
    }

    /// Gives a group that is in this one.
    pub fn child(&self, name: &str) -> Self {
        let above = if self.is_root() { "" } else { &self.path };
        Self::listed(self.hierarchy.clone(), &format!("{above}/{name}"))
    }

    /// Tells whether a group is this one, or is below it.
    pub fn holds(&self, other: &Group) -> bool {
        let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
        self.hierarchy == other.hierarchy && (self.is_root() || other.path.strip_prefix(&*self.path).is_some_and(below))
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.hierarchy.is_unified() {
            write!(f, "{}:", self.hierarchy)?;
        }
        f.write_str(&self.path)
    }
}

impl FromStr for Group {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |why: String| Fault::input(format!("use {text:?} as the path of a cgroup"), why);
        if text.len() > Self::MAX.0 {
            let start: String = text.chars().take(20).collect();
            return Err(Fault::input(
                format!("use \"{start}…\" as the path of a cgroup"),
                format!("it has more than {} bytes", Self::MAX.0),
            ));
        }
        if let Some(odd) = text.chars().find(|c| c.is_control()) {
            return Err(fault(format!("it has the character {odd:?}")));
        }
        let (hierarchy, path) = match text.split_once(":/") {
            Some((hierarchy, path)) if !hierarchy.contains('/') => (hierarchy.parse()?, path),
            _ => (Hierarchy::unified(), text.strip_prefix('/').unwrap_or(text)),
        };
        if text.starts_with("/sys/fs/cgroup/") || text == "/sys/fs/cgroup" {
            return Err(fault("it is the path of a folder".to_owned())
                .hint("the path counts from the root of the hierarchy, as in /proc/self/cgroup"));
        }
        if path.is_empty() && !text.is_empty() {
            return Ok(Self::root(hierarchy));
        }
        let odd = |part: &str| match part {
            "" => Some("a part of it is empty".to_owned()),
            "." | ".." => Some("it leads out of the hierarchy, or nowhere".to_owned()),
            _ if part.len() > Self::MAX.1 => Some(format!("a part of it has more than {} bytes", Self::MAX.1)),
            _ => None,
        };
        match path.split('/').find_map(odd) {
            Some(why) => Err(fault(why)),
            None => Ok(Self::listed(hierarchy, &format!("/{path}"))),
        }
    }
}
