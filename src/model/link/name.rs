//! What links are called, and by what they are known.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Fault, Kind};

/// The name of a link, as the kernel takes it: 1 to 15 bytes without blanks, `/` and `:`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(Arc<str>);

impl Name {
    /// The most bytes of a name: IFNAMSIZ is 16 with the final NUL.
    pub const MAX: usize = 15;

    /// Takes a name as the kernel tells it.
    pub fn listed(name: &str) -> Self {
        Self(name.into())
    }

    /// Gives the name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Fault;

    fn from_str(name: &str) -> Result<Self, Fault> {
        let refuse = |why: String| Err(Fault::input(format!("use {name:?} as the name of a link"), why));
        match name {
            "" => refuse("it is empty".into()),
            "." | ".." => refuse("the kernel has no such names".into()),
            _ if name.len() > Self::MAX => refuse(format!("it has {} bytes, and {} is the most", name.len(), Self::MAX)),
            _ if name.starts_with('-') => refuse("ip(8) would take it for an option".into()),
            _ => match name.chars().find(|c| c.is_whitespace() || c.is_control() || "/:%\"'\\".contains(*c)) {
                Some('%') => refuse("'%' stands for a number that the kernel chooses, and a plan has to know it".into()),
                Some(odd) => refuse(format!("it has {odd:?}, and the kernel has no such names")),
                None => Ok(Self(name.into())),
            },
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A link by its index, which stays when its name changes, and which no other link gets that takes its name. One that was only read from words has the
/// index 0, and is known by its name until it is [resolved](Dev::resolved).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Dev {
    /// The index.
    pub index: u32,
    /// The name that it had when it was met.
    pub name: Name,
}

/// The devices that modules of the kernel put into every network namespace when they are loaded, whoever made that happen.
pub const OF_MODULES: [&str; 9] = ["tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0"];

impl Dev {
    /// Tells whether every network namespace has one of its own: the loopback, and what modules put there.
    pub fn comes_by_itself(&self) -> bool {
        self.name.as_str() == "lo" || OF_MODULES.contains(&self.name.as_str())
    }

    /// Makes one of a link that was read.
    pub fn new(index: u32, name: Name) -> Self {
        Self { index, name }
    }

    /// Makes one of a name alone.
    pub fn named(name: Name) -> Self {
        Self { index: 0, name }
    }

    /// Gives the link that has this name now.
    pub fn resolved(&self, find: &dyn Fn(&Name) -> Option<Dev>) -> Result<Self, Fault> {
        if self.index != 0 {
            return Ok(self.clone());
        }
        find(&self.name).ok_or_else(|| Fault::new(Kind::NotFound, format!("use the link {}", self.name), "there is no such link"))
    }

    fn key(&self) -> (u32, &str) {
        (self.index, if self.index == 0 { self.name.as_str() } else { "" })
    }
}

impl PartialEq for Dev {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Dev {}

impl PartialOrd for Dev {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Dev {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Hash for Dev {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for Dev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl From<Dev> for String {
    fn from(dev: Dev) -> Self {
        format!("{} {}", dev.index, dev.name)
    }
}

impl TryFrom<String> for Dev {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        let refuse = || Fault::input(format!("read {text:?}"), "it is no index with a name");
        let (index, name) = text.split_once(' ').ok_or_else(refuse)?;
        Ok(Self { index: index.parse().map_err(|_| refuse())?, name: Name::listed(name) })
    }
}

/// The address of a link on its wire: six bytes on Ethernet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mac(Arc<[u8]>);

impl Mac {
    /// The most bytes of one, MAX_ADDR_LEN.
    const MAX: usize = 32;

    /// Takes the bytes as the kernel tells them.
    pub fn of(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Gives the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<String> = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        f.write_str(&bytes.join(":"))
    }
}

impl FromStr for Mac {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let byte = |digits: &str| {
            let plain = (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
            u8::from_str_radix(digits, 16).ok().filter(|_| plain)
        };
        let bytes: Option<Vec<u8>> = text.split(':').map(byte).collect();
        match bytes {
            Some(bytes) if (2..=Self::MAX).contains(&bytes.len()) => Ok(Self(bytes.into())),
            _ => {
                Err(Fault::input(format!("use {text:?} as the address of a link"), "it is not bytes with colons, as in 02:00:5e:10:00:01"))
            }
        }
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl TryFrom<String> for Mac {
    type Error = Fault;

    fn try_from(text: String) -> Result<Self, Fault> {
        if text.is_empty() { Ok(Self::of(&[])) } else { text.parse() }
    }
}
