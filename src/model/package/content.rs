//! What is in a package: files by their paths, and the one hash that stands for all of them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::{self, Write};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::{DIST, LOCK, MANIFEST, SIGNATURE, VENDOR};
use crate::model::hex::hex;
use crate::model::{Fault, Kind};

/// The most bytes of all files of a package together.
pub const MOST_BYTES: usize = 16 << 20;
/// The most files of a package.
pub const MOST_FILES: usize = 2_000;
/// The most bytes of a path in a package: what a header of tar(5) has room for, wherever the slashes are.
const LONGEST: usize = 200;
/// The most bytes of one name in it.
const LONGEST_PART: usize = 56;
/// The most folders that nest.
const DEEPEST: usize = 16;
/// The most bytes of a manifest or a signature.
const MOST_OF_MANIFEST: usize = 256 << 10;

/// The SHA-256 of the listing of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Hashes bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Gives it in hexadecimal.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// Gives the beginning that people read.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl FromStr for Hash {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let wrong = || Fault::input(format!("read {text:?} as the hash of a package"), "it is not sha256: and 64 digits of hexadecimal");
        let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.bytes().all(|b| b"0123456789abcdef".contains(&b)));
        let hex = hex.ok_or_else(wrong)?;
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

/// One file as it came, before it is known to be acceptable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its path, as bytes: nobody has promised that it is text.
    pub path: Vec<u8>,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The files of a package. Modes, owners and times are no part of it: what is written anywhere is written as the user's own plain file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    files: BTreeMap<String, Vec<u8>>,
    signature: Option<Vec<u8>>,
}

impl Content {
    /// Takes the files of a package, if all of them are acceptable; `what` is the package as faults name it.
    ///
    /// What begins with a dot, `vendor`, `dist`, `fyke.lock` and the signature are no part of the content.
    pub fn take(what: &str, members: impl IntoIterator<Item = Member>) -> Result<Self, Fault> {
        let tried = || format!("take the package {what}");
        let (mut files, mut signature, mut total) = (BTreeMap::new(), None, 0_usize);
        let mut spellings = Spellings::default();
        for (count, Member { path, bytes }) in members.into_iter().enumerate() {
            let path = check_path(&path).map_err(|why| Fault::input(tried(), why))?;
            total = total.saturating_add(bytes.len());
            if count >= MOST_FILES || total > MOST_BYTES {
                return Err(too_much(&tried(), count >= MOST_FILES));
            }
            spellings.add(path).map_err(|why| Fault::input(tried(), why))?;
            if (path == MANIFEST || path == SIGNATURE) && bytes.len() > MOST_OF_MANIFEST {
                return Err(Fault::input(tried(), format!("its {path} has {} bytes, and {MOST_OF_MANIFEST} are the most", bytes.len())));
            }
            match path {
                SIGNATURE => signature = Some(bytes),
                _ if is_part(path) => drop(files.insert(path.to_owned(), bytes)),
                _ => {}
            }
        }
        if !files.contains_key(MANIFEST) {
            return Err(Fault::input(tried(), format!("there is no {MANIFEST} at its top")).hint("is it a package of fyke?"));
        }
        Ok(Self { files, signature })
    }

    /// Gives a file as bytes.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// Gives all files with their paths, in the order of their bytes.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// Gives the signature that came with it, as it came.
    pub fn signature(&self) -> Option<&[u8]> {
        self.signature.as_deref()
    }

    /// Gives the files and the signature, as they are kept and published.
    pub fn kept(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files().chain(self.signature().map(|bytes| (SIGNATURE, bytes)))
    }

    /// Writes a line for each file, as sha256sum(1) does: what is signed, and what `sha256sum -c` checks.
    pub fn listing(&self) -> String {
        self.files.iter().fold(String::new(), |mut text, (path, bytes)| {
            let _ = writeln!(text, "{}  {path}", Hash::of(bytes).hex());
            text
        })
    }

    /// Gives the hash that stands for all of it.
    pub fn hash(&self) -> Hash {
        Hash::of(self.listing().as_bytes())
    }
}

/// Tells whether a path belongs to the content of a package.
pub fn is_part(path: &str) -> bool {
    let hidden = path.split('/').any(|part| part.starts_with('.'));
    let first = path.split('/').next().unwrap_or_default();
    !hidden && ![VENDOR, DIST].contains(&first) && path != LOCK && path != SIGNATURE
}

/// Makes the fault of a package that is too large.
pub fn too_much(tried: &str, files: bool) -> Fault {
    let why = match files {
        true => format!("it has more than {MOST_FILES} files"),
        false => format!("its files have more than {} MiB together", MOST_BYTES >> 20),
    };
    Fault::new(Kind::Input, tried, why)
}

/// Checks a path: relative, plain, and of characters that look and sort the same everywhere.
fn check_path(path: &[u8]) -> Result<&str, String> {
    let shown = || escaped(path);
    let text = std::str::from_utf8(path).map_err(|_| format!("the name {} is not UTF-8", shown()))?;
    let refused = |why: &str| Err(format!("the name {} {why}", shown()));
    if text.len() > LONGEST {
        return Err(format!("the name {}… has {} bytes, and {LONGEST} are the most", escaped(&path[..40]), text.len()));
    }
    match text {
        "" => return refused("is empty"),
        _ if text.starts_with('/') => return refused("is an absolute path"),
        _ if text.bytes().any(|b| b == b'\\') => return refused("has a backslash in it"),
        _ if !text.bytes().all(|b| (b' '..=b'~').contains(&b)) => return refused("is not made of printable ASCII"),
        _ if text.split('/').count() > DEEPEST => return refused("lies too deep"),
        _ => {}
    }
    for part in text.split('/') {
        match part {
            ".." => return refused("leads out of the package"),
            "" | "." => return refused("is not the plain form of a path"),
            _ if part.len() > LONGEST_PART => return refused("has a part that is too long"),
            _ if part.trim() != part || part.ends_with('.') => return refused("has a part with a blank or a dot at its end"),
            _ => {}
        }
    }
    Ok(text)
}

fn escaped(bytes: &[u8]) -> String {
    format!("\"{}\"", String::from_utf8_lossy(bytes).escape_debug())
}

/// Sees to it that no two names are one on a system that does not tell capitals apart, and that no file is a folder as well.
#[derive(Default)]
struct Spellings(HashMap<String, (String, bool)>);

impl Spellings {
    fn add(&mut self, path: &str) -> Result<(), String> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            let (part, is_file) = (&path[..end], end == path.len());
            match self.0.get(&part.to_ascii_lowercase()) {
                None => drop(self.0.insert(part.to_ascii_lowercase(), (part.to_owned(), is_file))),
                Some((other, _)) if other != part => return Err(format!("{part:?} and {other:?} differ in capitals only")),
                Some((_, true)) if is_file => return Err(format!("{part:?} is in it twice")),
                Some((_, was_file)) if *was_file != is_file => return Err(format!("{part:?} is a file and a folder")),
                Some(_) => {}
            }
        }
        Ok(())
    }
}
