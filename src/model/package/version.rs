//! Versions of packages, and the least version that will do.

use std::fmt;
use std::str::FromStr;

use crate::model::Fault;

/// A version by the rules of <https://semver.org>, without build metadata: two versions that differ in nothing else could not be told apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(semver::Version);

impl Version {
    /// Gives the version of this fyke.
    pub fn of_fyke() -> Self {
        env!("CARGO_PKG_VERSION").parse().unwrap_or(Self(semver::Version::new(0, 0, 0)))
    }

    /// Gives the numbers that two versions have in common if one can stand for the other: the major one, and the minor one too while that is 0.
    pub fn line(&self) -> (u64, u64) {
        if self.0.major == 0 { (0, self.0.minor) } else { (self.0.major, 0) }
    }

    /// Tells whether it comes before a release, as `1.0.0-rc.1` does.
    pub fn is_preview(&self) -> bool {
        !self.0.pre.is_empty()
    }

    /// Reads the version that a tag stands for: `v1.2.3` or `1.2.3`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        tag.strip_prefix('v').unwrap_or(tag).parse().ok()
    }
}

impl FromStr for Version {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let refused = |why: String| Fault::input(format!("read {text:?} as a version"), why).hint("a version is three numbers: 1.2.0");
        let version = semver::Version::parse(text).map_err(|error| refused(error.to_string()))?;
        match version.build.is_empty() {
            true => Ok(Self(version)),
            false => Err(refused("it has build metadata, by which versions cannot be told apart".to_owned())),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

/// The least version that will do; a later one of the same line will do as well.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Least(pub Version);

impl Least {
    /// Tells whether a version will do.
    pub fn admits(&self, version: &Version) -> bool {
        *version >= self.0 && version.line() == self.0.line()
    }
}

impl FromStr for Least {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        if text.starts_with(['^', '~', '=', '<', '>', '*']) || text.contains([',', '*']) {
            let why = "it has an operator, and what is asked for is the least version that will do";
            return Err(Fault::input(format!("read {text:?} as the least version"), why)
                .hint("\"1.2\" takes 1.2.0 or what else of 1.x somebody needs; `rev` or `tag` takes one and no other"));
        }
        let full = match text.matches('.').count() {
            0 => format!("{text}.0.0"),
            1 if !text.contains('-') => format!("{text}.0"),
            _ => text.to_owned(),
        };
        full.parse().map(Self).map_err(|fault: Fault| Fault { tried: format!("read {text:?} as the least version"), ..fault })
    }
}

impl fmt::Display for Least {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_strict() {
        for bad in ["", "1", "1.0", "1.0.0+", "-1", "1.0.0+x", "01.0.0", "v1.0.0", "1.0.0 ", "1.0.0.0", "1.x.0"] {
            assert!(bad.parse::<Version>().is_err(), "{bad}");
        }
        let version = |text: &str| text.parse::<Version>().unwrap();
        assert!(version("1.0.0-rc.1") < version("1.0.0") && version("1.9.0") < version("1.10.0"));
        assert_eq!(Version::of_tag("v1.2.3"), Some(version("1.2.3")));
        assert_eq!(Version::of_tag("release-1"), None);
    }

    #[test]
    fn the_least_admits_its_line() {
        let admits = |least: &str, version: &str| least.parse::<Least>().unwrap().admits(&version.parse().unwrap());
        assert!(admits("1.2", "1.2.0") && admits("1.2", "1.10.3") && admits("1", "1.0.0") && admits("0.3.1", "0.3.2"));
        assert!(!admits("1.2", "1.1.9") && !admits("1.2", "2.0.0") && !admits("0.3", "0.4.0"));
        for bad in ["^1.2", "~1", "=1.0.0", ">=1", "*", "1.*", "1, <2", "", "x"] {
            assert!(bad.parse::<Least>().is_err(), "{bad}");
        }
    }
}
