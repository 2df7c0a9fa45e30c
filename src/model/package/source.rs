//! Where a package comes from: a git repository, a folder, an archive.

use std::fmt;
use std::str::FromStr;

use super::content::Hash;
use super::version::Least;
use crate::model::Fault;

/// What may stand before `://`.
const SCHEMES: &[&str] = &["https", "http", "ssh", "git", "file"];

/// The address of a git repository or of an archive. It can be given to git(1) or curl(1) as one word: it is no option and names no helper.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Url(String);

impl Url {
    /// Gives the address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the scheme, if it has one: a path and `user@host:path` have none.
    pub fn scheme(&self) -> Option<&str> {
        self.0.split_once("://").map(|(scheme, _)| scheme)
    }

    /// Tells whether it is a path of this machine.
    pub fn is_path(&self) -> bool {
        // `host:path` is for ssh, unless a slash stands before the colon (git-clone(1)).
        let colon = self.0.find(':').unwrap_or(usize::MAX);
        self.scheme().is_none() && self.0.find('/').is_some_and(|slash| slash < colon) || colon == usize::MAX
    }
}

impl FromStr for Url {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let refused = |why: String| Fault::input(format!("get a package from {text:?}"), why);
        let odd = |c: char| c.is_control() || c.is_whitespace() || !c.is_ascii();
        if text.is_empty() {
            return Err(refused("it is empty".to_owned()));
        }
        if text.starts_with('-') {
            return Err(refused("it begins with a dash, as an option does".to_owned()));
        }
        if let Some(c) = text.chars().find(|c| odd(*c)) {
            return Err(refused(format!("it has {c:?} in it")).hint("write other characters as %XX"));
        }
        // `ext::sh -c ..` is a program that git would start; see gitremote-helpers(7).
        if let Some((helper, _)) = text.split_once("::") {
            return Err(refused(format!("git would start the helper {helper:?} for it")));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            if !SCHEMES.contains(&scheme) {
                return Err(refused(format!("{scheme:?} is none of {}", SCHEMES.join(", "))));
            }
            // ssh(1) takes a host that begins with a dash for an option.
            let host = rest.split('/').next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default();
            if host.starts_with('-') || (host.is_empty() && scheme != "file") {
                return Err(refused("its host is no name of a host".to_owned()));
            }
            if rest.split('/').next().unwrap_or_default().split_once('@').is_some_and(|(user, _)| user.contains(':')) {
                return Err(refused("it holds a password".to_owned()).hint("a key for ssh, or a token of git's own, stays out of files"));
            }
        } else if let Some((host, _)) = text.split_once(':').filter(|(host, _)| !host.contains('/'))
            && host.rsplit('@').next().is_none_or(|host| host.is_empty() || host.starts_with('-'))
        {
            return Err(refused("its host is no name of a host".to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The name of a commit: its whole hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(String);

impl Revision {
    /// Gives it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives the beginning that people read.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }

    /// Tells whether the repository names its commits by SHA-256.
    pub fn is_sha256(&self) -> bool {
        self.0.len() == 64
    }
}

impl FromStr for Revision {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let is_hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match (text.len(), is_hex) {
            (40 | 64, true) => Ok(Self(text.to_owned())),
            _ => Err(Fault::input(format!("take {text:?} for a revision"), "it is not the whole hash of a commit")
                .hint("`git rev-parse NAME` gives it")),
        }
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The name of a tag or branch, as git-check-ref-format(1) has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ref(String);

impl Ref {
    /// Gives it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Ref {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/+@".contains(c);
        let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !part.ends_with(".lock");
        let fine = text.len() <= 200 && text.chars().all(is_plain) && text.split('/').all(is_part) && !text.starts_with('-');
        match fine && !text.contains("..") && text != "@" && !text.contains("@{") {
            true => Ok(Self(text.to_owned())),
            false => Err(Fault::input(format!("take {text:?} for a tag or branch"), "git has no such names")),
        }
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What of a git repository is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// The commit that is tagged with a version: this one, or a later one that somebody else needs.
    Version(Least),
    /// The commit that a tag names.
    Tag(Ref),
    /// The latest commit of a branch.
    Branch(Ref),
    /// One commit.
    Revision(Revision),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Version(least) => write!(f, "{least}"),
            At::Tag(tag) => write!(f, "tag {tag}"),
            At::Branch(branch) => write!(f, "branch {branch}"),
            At::Revision(revision) => write!(f, "revision {}", revision.short()),
        }
    }
}

/// Where a package lies, whatever version of it is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In a git repository.
    Git(Url),
    /// In a folder; seen from the project, or from the root.
    Path(String),
    /// In an archive: an address, or a file seen as a folder is.
    Archive(Url),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Git(url) | Place::Archive(url) => url.fmt(f),
            Place::Path(path) => f.pad(path),
        }
    }
}

/// Where a package comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// From a git repository.
    Git {
        /// Its address.
        url: Url,
        /// What of it is meant.
        at: At,
    },
    /// From a folder, as it is.
    Path(String),
    /// From an archive, with the hash of its content where somebody has vouched for it.
    Archive {
        /// Its address.
        url: Url,
        /// The hash of what must be in it.
        content: Option<Hash>,
    },
}

impl Source {
    /// Gives the place that it lies in.
    pub fn place(&self) -> Place {
        match self {
            Source::Git { url, .. } => Place::Git(url.clone()),
            Source::Path(path) => Place::Path(path.clone()),
            Source::Archive { url, .. } => Place::Archive(url.clone()),
        }
    }

    /// Gives the least version that will do, where a version is asked for.
    pub fn least(&self) -> Option<&Least> {
        match self {
            Source::Git { at: At::Version(least), .. } => Some(least),
            _ => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Git { url, at } => write!(f, "{url}, {at}"),
            other => write!(f, "{}", other.place()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_words_and_no_orders() {
        for good in [
            "https://example.org/a.git",
            "ssh://git@example.org:22/a",
            "git@example.org:team/a.git",
            "file:///srv/a.git",
            "/srv/a.git",
            "../a.git",
            "./a:b.tar.gz",
            "git://example.org/a",
        ] {
            assert_eq!(good.parse::<Url>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "--upload-pack=touch x",
            "-u",
            "ext::sh -c id",
            "ext::sh",
            "fd::17",
            "https://-oProxyCommand=id/x",
            "ssh://-oProxyCommand=id/x",
            "-oProxyCommand=id:x",
            "git@-oProxyCommand=id:x",
            "ftp://example.org/x",
            "https:///x",
            "a b",
            "a\nb",
            "https://u:secret@example.org/x",
            "https://\u{435}xample.org/x",
        ] {
            assert!(bad.parse::<Url>().is_err(), "{bad:?}");
        }
        let is_path = |text: &str| text.parse::<Url>().unwrap().is_path();
        assert!(is_path("/srv/a") && is_path("../a") && is_path("./a:b") && is_path("a.tar"));
        assert!(!is_path("git@example.org:a") && !is_path("https://example.org/a") && !is_path("file:///srv/a"));
    }

    #[test]
    fn names_of_refs_cannot_be_options_or_ranges() {
        for good in ["main", "v1.0.0", "release/1.x", "a@b"] {
            assert!(good.parse::<Ref>().is_ok(), "{good}");
        }
        for bad in ["", "-x", "a..b", "a b", "a~1", "a^", "a:b", "/a", "a/", "a//b", ".a", "a.lock", "@{1}", "@", "a?", "*"] {
            assert!(bad.parse::<Ref>().is_err(), "{bad}");
        }
        assert!("abc".parse::<Revision>().is_err() && "A".repeat(40).parse::<Revision>().is_err());
        assert_eq!("a".repeat(40).parse::<Revision>().unwrap().short(), "aaaaaaaaaaaa");
    }
}
