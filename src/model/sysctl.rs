//! Kernel parameters: their keys and values, after sysctl(8).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::grant::{Pattern, Scope};
use super::{Family, Fault};

/// The key of a kernel parameter under `net.`, as sysctl(8) writes it: parts behind dots, and a slash for a dot within a part
/// (`net.ipv4.conf.eth0/100.forwarding` belongs to the interface `eth0.100`).
///
/// `FromStr` is the strict border for keys that a script gives; it takes both ways of sysctl(8), with dots and with slashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Arc<str>);

impl Key {
    /// Makes a key of the names of folders and of the file below `/proc/sys`.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let parts: Vec<String> = parts.into_iter().map(|part| part.replace('.', "/")).collect();
        Self(parts.join(".").into())
    }

    /// Gives the names of the folders and of the file below `/proc/sys`.
    pub fn parts(&self) -> impl Iterator<Item = String> {
        self.0.split('.').map(|part| part.replace('/', "."))
    }

    /// Names the link of which it is a parameter; `all` and `default` are none, but stand where links do.
    pub fn link(&self) -> Option<String> {
        let mut parts = self.parts();
        let folder = [parts.next()?, parts.next()?, parts.next()?];
        let is_of_links = folder[0] == "net" && ["ipv4", "ipv6"].contains(&&*folder[1]) && ["conf", "neigh"].contains(&&*folder[2]);
        parts.next().filter(|_| is_of_links && parts.next().is_some())
    }

    /// Gives the folders of the parameters that a link has of its own, for a family.
    pub fn folders_of_link(name: &str, family: Family) -> [Self; 2] {
        let family = if family == Family::V4 { "ipv4" } else { "ipv6" };
        ["conf", "neigh"].map(|folder| Self::of_parts(["net", family, folder, name]))
    }

    /// Gives the last part.
    pub fn last(&self) -> &str {
        self.0.rsplit_once('.').map_or(&*self.0, |(_, last)| last)
    }

    /// Gives the parameter of another link that is the same as this one of a link.
    pub fn of_another_link(&self, name: &str) -> Self {
        let parts: Vec<String> = self.parts().enumerate().map(|(at, part)| if at == 3 { name.to_owned() } else { part }).collect();
        Self::of_parts(parts.iter().map(String::as_str))
    }

    /// Tells whether it is about neighbours.
    pub fn is_of_neighbours(&self) -> bool {
        self.parts().nth(2).is_some_and(|part| part == "neigh")
    }

    /// Gives the key as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether a key is this one, or one below it.
    pub fn covers(&self, key: &Key) -> bool {
        key.0.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// Gives what stands before all that is below this one, and behind all else that stands before that.
    pub fn least_inside(&self) -> Self {
        Self(format!("{self}.").into())
    }

    /// Gives the key of which this one is a part.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('.').map(|(parent, _)| Self(parent.into()))
    }

    /// Gives the folder in which the kernel changes other parameters when this one is changed, and their last part.
    ///
    /// Linux Documentation/networking/ip-sysctl.rst: `ip_forward` is `conf/all/forwarding`, and both set it for all interfaces.
    fn lead(&self) -> Option<(&'static str, &'static str)> {
        match &*self.0 {
            "net.ipv4.ip_forward" | "net.ipv4.conf.all.forwarding" => Some(("net.ipv4.conf", "forwarding")),
            "net.ipv6.conf.all.forwarding" => Some(("net.ipv6.conf", "forwarding")),
            "net.ipv6.conf.all.disable_ipv6" => Some(("net.ipv6.conf", "disable_ipv6")),
            "net.ipv6.conf.all.ignore_routes_with_linkdown" => Some(("net.ipv6.conf", "ignore_routes_with_linkdown")),
            "net.ipv6.conf.all.disable_policy" => Some(("net.ipv6.conf", "disable_policy")),
            "net.ipv4.conf.all.ignore_routes_with_linkdown" => Some(("net.ipv4.conf", "ignore_routes_with_linkdown")),
            _ => None,
        }
    }

    /// Gives the parameters that this one changes as well, or that are another name of it.
    pub fn shadows(&self) -> Vec<Scope> {
        let Some((folder, last)) = self.lead() else { return Vec::new() };
        let inside = |name: &str| {
            let parts = folder.split('.').map(Pattern::exact);
            Scope::Key(parts.chain([Pattern::any(), Pattern::exact(name)]).collect(), false)
        };
        let mut all = vec![inside(last)];
        if folder == "net.ipv4.conf" && last == "forwarding" {
            all.push(inside("accept_redirects"));
            all.push(Scope::of_key(&Self("net.ipv4.ip_forward".into())));
        }
        all
    }

    /// Tells whether a value switches a family off, on all interfaces or on one.
    pub fn switches_off(&self, family: Family, value: &Value) -> bool {
        family == Family::V6 && self.switch_of_ipv6().is_some() && !value.is_off()
    }

    /// Names the link of which this parameter switches IPv6 on and off; `all` is every link.
    pub fn disables_ipv6_of(&self) -> Option<String> {
        self.switch_of_ipv6().filter(|link| *link != "default").map(|link| link.replace('/', "."))
    }

    /// Gives the part of a switch of IPv6 that says of what it is.
    fn switch_of_ipv6(&self) -> Option<&str> {
        self.0.strip_prefix("net.ipv6.conf.")?.strip_suffix(".disable_ipv6")
    }

    /// Tells whether the kernel changes other parameters when this one is changed: it is written before them.
    pub fn leads(&self) -> bool {
        self.lead().is_some()
    }

    /// Gives what is to be read in order to know all that a change of this key changes.
    pub fn scope(&self) -> Vec<Self> {
        let folder = self.lead().map(|(folder, _)| Self(folder.into()));
        [Some(self.clone()), folder].into_iter().flatten().collect()
    }

    /// Gives what the kernel makes of another parameter when this one becomes `value`.
    pub fn makes(&self, value: &Value, other: &Key) -> Option<Value> {
        let (folder, last) = self.lead()?;
        let part = other.0.strip_prefix(folder)?.strip_prefix('.')?;
        if other == self {
            return None;
        }
        match (part.split_once('.')?, &*self.0) {
            // inet_forward_change() of net/ipv4/devinet.c: a router takes no redirects.
            (("all", "accept_redirects"), "net.ipv4.ip_forward" | "net.ipv4.conf.all.forwarding") => {
                Some(Value::of(if value.is_off() { "1" } else { "0" }))
            }
            ((_, name), _) if name == last => Some(value.clone()),
            _ => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Key {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |why: &str| Fault::input(format!("use {text:?} as a kernel parameter"), why);
        // sysctl(8): after a first slash all is taken as it is, after a first dot the two change their roles.
        let key = match text.find(['.', '/']).map(|at| text.as_bytes()[at]) {
            Some(b'/') => Self::of_parts(text.split('/')),
            _ => Self(text.into()),
        };
        let parts: Vec<String> = key.parts().collect();
        if let Some(odd) = text.chars().find(|c| c.is_control() || c.is_whitespace()) {
            return Err(fault(&format!("it has the character {odd:?}")));
        }
        if parts.iter().any(|part| part.is_empty() || part == "." || part == "..") {
            return Err(fault("a part of it is empty, or leads out of /proc/sys"));
        }
        match &parts[..] {
            [net, _, ..] if net == "net" => Ok(key),
            [net] if net == "net" => Err(fault("`net` alone is a folder")),
            _ => {
                Err(fault("only parameters under `net.` belong to a network namespace")
                    .hint("write the whole key, as in net.ipv4.ip_forward"))
            }
        }
    }
}

/// The value of a kernel parameter: words with one blank between them, numbers in decimal, as the kernel shows them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Value(Arc<str>);

impl Value {
    /// The most bytes that are written to a parameter.
    const MAX: usize = 1024;

    /// Takes a value as the kernel shows it, or as the program has made it.
    pub fn of(text: &str) -> Self {
        let words: Vec<String> = text.split_whitespace().map(decimal).collect();
        Self(words.join(" ").into())
    }

    /// Gives the value as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_off(&self) -> bool {
        &*self.0 == "0"
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Value {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let fault = |why: String| Err(Fault::input(format!("use {text:?} as the value of a kernel parameter"), why));
        if text.len() > Self::MAX {
            return fault(format!("it has more than {} bytes", Self::MAX));
        }
        if let Some(odd) = text.chars().find(|c| c.is_control() && *c != '\t') {
            return fault(format!("it has the character {odd:?}"));
        }
        match Self::of(text) {
            empty if empty.0.is_empty() => fault("it is empty".to_owned()),
            value => Ok(value),
        }
    }
}

/// Writes a number as the kernel shows it, whatever way it was given in: strtoul(3) with base 0 is what the kernel reads it by.
fn decimal(word: &str) -> String {
    let (minus, digits) = word.strip_prefix('-').map_or(("", word), |digits| ("-", digits));
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None if digits.len() > 1 && digits.starts_with('0') => u64::from_str_radix(&digits[1..], 8).ok(),
        None => None,
    };
    number.map_or_else(|| word.to_owned(), |number| format!("{minus}{number}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    #[test]
    fn keys_are_read_in_both_ways_of_sysctl() {
        let vlan = key("net/ipv4/conf/eth0.100/forwarding");
        assert_eq!((vlan.as_str(), &vlan), ("net.ipv4.conf.eth0/100.forwarding", &key("net.ipv4.conf.eth0/100.forwarding")));
        assert_eq!(vlan.parts().collect::<Vec<_>>(), ["net", "ipv4", "conf", "eth0.100", "forwarding"]);
        assert_eq!(Key::of_parts(["net", "ipv4", "conf", "eth0.100", "forwarding"]), vlan);
        assert!(key("net.ipv4.conf").covers(&vlan) && !key("net.ipv4.con").covers(&vlan) && vlan.covers(&vlan));
    }

    #[test]
    fn keys_that_lead_elsewhere_are_refused() {
        for odd in
            ["", "net", "kernel.hostname", "net..x", "net.ipv4.", "net//x", "net/../kernel", "net.//.x", "net.a\nb", "net.a b", "/net/x"]
        {
            assert!(odd.parse::<Key>().is_err(), "{odd:?}");
        }
        assert_eq!("kernel.hostname".parse::<Key>().unwrap_err().why, "only parameters under `net.` belong to a network namespace");
    }

    #[test]
    fn values_are_as_the_kernel_shows_them() {
        for (given, shown) in [("32768\t60999", "32768 60999"), (" 1 ", "1"), ("0x10 010 -0x1", "16 8 -1"), ("cubic 0xz", "cubic 0xz")] {
            assert_eq!(given.parse::<Value>().unwrap().as_str(), shown);
        }
        for odd in ["", "  ", "1\n2", "a\0", &"1".repeat(1025)] {
            assert!(odd.parse::<Value>().is_err(), "{odd:?}");
        }
    }

    #[test]
    fn forwarding_is_set_for_all_interfaces() {
        let (lead, on) = (key("net.ipv4.ip_forward"), Value::of("1"));
        let made = |other: &str| lead.makes(&on, &key(other)).map(|value| value.to_string());
        assert_eq!(made("net.ipv4.conf.eth0.forwarding").as_deref(), Some("1"));
        assert_eq!(made("net.ipv4.conf.all.accept_redirects").as_deref(), Some("0"));
        assert_eq!(
            (made("net.ipv4.conf.eth0.accept_redirects"), made("net.ipv4.ip_forward"), made("net.ipv6.conf.eth0.forwarding")),
            Default::default()
        );
        assert_eq!(lead.scope(), [lead.clone(), key("net.ipv4.conf")]);
        assert!(!key("net.ipv4.conf.eth0.forwarding").leads());
    }
}
