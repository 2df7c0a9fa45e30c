//! Signatures of packages, as minisign(1) makes them, and what a project or a system demands of them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::content::Content;
use super::reader::Reader;
use crate::model::{Fault, Kind};

/// The public key of a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    text: String,
    key: minisign_verify::PublicKey,
}

impl PublicKey {
    /// Gives the id by which minisign calls it.
    pub fn id(&self) -> String {
        // Two bytes of the algorithm, eight of the id; `FromStr` has seen that they are there.
        decode(&self.text).and_then(|bytes| id(&bytes)).unwrap_or_default()
    }
}

impl FromStr for PublicKey {
    type Err = Fault;

    /// Reads the line of a key, or the file that minisign writes: a comment and that line.
    fn from_str(text: &str) -> Result<Self, Fault> {
        let line = text.trim().lines().next_back().unwrap_or_default().trim();
        let wrong = |why: &str| Fault::input("read a public key", why).hint("it is the last line of minisign.pub, and begins with RW");
        let key = minisign_verify::PublicKey::from_base64(line).map_err(|_| wrong("it is no public key of minisign"))?;
        decode(line)
            .filter(|bytes| bytes.starts_with(b"Ed"))
            .as_deref()
            .and_then(id)
            .ok_or_else(|| wrong("it is no public key of minisign"))?;
        Ok(Self { text: line.to_owned(), key })
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

/// Who may sign, and whether everything must be signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whether a package without a signature by one of the keys is refused.
    pub required: bool,
    /// The keys, by the names that they are given here.
    pub keys: BTreeMap<String, PublicKey>,
    /// Where this stands.
    pub file: String,
}

impl Policy {
    /// Reads the table `[trust]` of a file.
    pub fn read(file: &str, table: Option<Reader<'_>>) -> Result<Self, Fault> {
        let mut policy = Self { file: file.to_owned(), ..Self::default() };
        let Some(table) = table else { return Ok(policy) };
        policy.required = table.truth("required")?.unwrap_or(false);
        if let Some(keys) = table.table("keys")? {
            for name in keys.keys() {
                let words = keys.texts_of(&name)?;
                let key = words.first().ok_or_else(|| keys.fault_at(&name, format!("`{name}` is no key")))?;
                let key = key.parse::<PublicKey>().map_err(|fault| fault.at(keys.origin(&name)))?;
                policy.keys.insert(name, key);
            }
        }
        if policy.required && policy.keys.is_empty() {
            let fault = table.fault_at("required", "signatures are required, and there is no key that could have made one");
            return Err(fault.hint("`fyke trust NAME KEY` adds the key of a team"));
        }
        table.finish()?;
        Ok(policy)
    }

    /// Names the keys for a fault.
    fn named(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|(name, key)| format!("{} ({name})", key.id())).collect();
        if keys.is_empty() { "no key".to_owned() } else { keys.join(", ") }
    }
}

/// Who has signed a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The id of the key.
    pub id: String,
    /// The name that the key has here, if it is one of the known ones.
    pub name: Option<String>,
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.id),
            None => write!(f, "an unknown key ({})", self.id),
        }
    }
}

/// Finds out who has signed a package; a signature that is not right is refused, and so is what does not meet one of the policies.
pub fn check(what: &str, content: &Content, policies: &[Policy]) -> Result<Option<Signer>, Fault> {
    let refused = |why: String| Fault::new(Kind::Permission, format!("trust {what}"), why);
    let demanded = policies.iter().find(|policy| policy.required);
    let Some(bytes) = content.signature() else {
        return match demanded {
            Some(policy) => Err(refused(format!("it is not signed, and {} wants a signature by {}", policy.file, policy.named()))),
            None => Ok(None),
        };
    };
    let (signature, id) = signature(bytes).map_err(|why| refused(format!("its signature {why}")))?;
    let known = policies.iter().flat_map(|policy| &policy.keys).find(|(_, key)| key.id() == id);
    let verified = known.map(|(name, key)| {
        let valid = key.key.verify(content.listing().as_bytes(), &signature, false);
        valid.map_err(|_| refused(format!("it has a signature by {id} ({name}) that is not one of this content")))
    });
    verified.transpose()?;
    // A key of the project is none of the system: what each demands, it demands of its own keys, and the system's are good for both.
    for (at, policy) in policies.iter().enumerate().filter(|(_, policy)| policy.required) {
        if !policies[..=at].iter().any(|policy| policy.keys.values().any(|key| key.id() == id)) {
            return Err(refused(format!("it is signed by the key {id}, and {} wants one by {}", policy.file, policy.named()))
                .hint("ask the team for its key, by another way than this package, and add it with `fyke trust`"));
        }
    }
    Ok(Some(Signer { id, name: known.map(|(name, _)| name.clone()) }))
}

/// Reads a signature, with the id of its key.
fn signature(bytes: &[u8]) -> Result<(minisign_verify::Signature, String), String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is no text")?;
    if text.lines().count() != 4 || text.len() > 4096 {
        return Err("has not the four lines that minisign writes".to_owned());
    }
    let line = text.lines().nth(1).unwrap_or_default();
    let raw = decode(line).filter(|bytes| bytes.len() == 74).ok_or("is none of minisign")?;
    if raw.starts_with(b"Ed") {
        return Err("is of the old kind, made without hashing first".to_owned());
    }
    let id = id(&raw).ok_or("is none of minisign")?;
    let signature = minisign_verify::Signature::decode(text).map_err(|_| "is none of minisign")?;
    Ok((signature, id))
}

/// Gives the id that stands behind the two letters of the algorithm, as minisign prints it.
fn id(bytes: &[u8]) -> Option<String> {
    let id: [u8; 8] = bytes.get(2..10)?.try_into().ok()?;
    Some(format!("{:016X}", u64::from_le_bytes(id)))
}

/// Decodes base64, RFC 4648.
fn decode(text: &str) -> Option<Vec<u8>> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits = text.trim_end_matches('=');
    let mut bytes = Vec::new();
    for four in digits.as_bytes().chunks(4) {
        let bits = four.iter().try_fold(0_u32, |bits, byte| Some(bits << 6 | u32::from(value(*byte)?)))? << (6 * (4 - four.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        assert_eq!(decode("TWFu").unwrap(), b"Man");
        assert_eq!(decode("TWE=").unwrap(), b"Ma");
        assert_eq!(decode("TQ==").unwrap(), b"M");
        assert_eq!(decode("T?=="), None);
    }
}
