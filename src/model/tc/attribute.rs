//! Attributes of netlink as values: a type and its bytes, which may hold attributes themselves.
//!
//! What the kernel is told of a filter or an action, and what it tells, is kept in this form. So what fyke does not know of it (a kind of a module
//! that nobody has heard of, an attribute of a kernel that comes later) is put back as it was, to the byte.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::model::hex::{hex, unhex};

/// Attributes in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attributes(Vec<(u16, Vec<u8>)>);

/// The bits of a type that are no flags.
const TYPE: u16 = 0x3fff;
/// Set on the type of an attribute that holds attributes.
const NESTED: u16 = 0x8000;

impl Attributes {
    /// Takes bytes apart. What is cut off or damaged ends the walk.
    pub fn read(bytes: &[u8]) -> Self {
        Self(Self::read_marked(bytes).0.into_iter().map(|(kind, value)| (kind & TYPE, value)).collect())
    }

    fn read_marked(bytes: &[u8]) -> Self {
        let (mut found, mut rest) = (Self::default(), bytes);
        while let Some(&[low, high, kind_low, kind_high]) = rest.first_chunk() {
            let len = usize::from(u16::from_ne_bytes([low, high]));
            let Some(value) = rest.get(4..len) else { break };
            found.put(u16::from_ne_bytes([kind_low, kind_high]), value);
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
        found
    }

    /// Gives them as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, value) in &self.0 {
            bytes.extend(((value.len() + 4) as u16).to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    /// Adds an attribute at the end.
    pub fn put(&mut self, kind: u16, value: impl AsRef<[u8]>) {
        self.0.push((kind, value.as_ref().to_vec()));
    }

    /// Adds a text with its final NUL.
    pub fn put_text(&mut self, kind: u16, text: &str) {
        self.put(kind, [text.as_bytes(), &[0]].concat());
    }

    /// Adds an attribute that holds attributes.
    pub fn put_nest(&mut self, kind: u16, inside: &Attributes) {
        self.put(kind, inside.bytes());
    }

    /// Gives an attribute another value, and adds it where it is missing.
    pub fn set(&mut self, kind: u16, value: impl AsRef<[u8]>) {
        match self.0.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, old)) => *old = value.as_ref().to_vec(),
            None => self.put(kind, value),
        }
    }

    /// Gives the value of the first attribute of a type.
    pub fn get(&self, kind: u16) -> Option<&[u8]> {
        self.0.iter().find(|(other, _)| *other == kind).map(|(_, value)| &value[..])
    }

    /// Tells whether there is an attribute of a type.
    pub fn has(&self, kind: u16) -> bool {
        self.get(kind).is_some()
    }

    /// Gives a number of 8 bits.
    pub fn u8(&self, kind: u16) -> Option<u8> {
        self.get(kind)?.first().copied()
    }

    /// Gives a number of 16 bits.
    pub fn u16(&self, kind: u16) -> Option<u16> {
        self.get(kind)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
    }

    /// Gives a number of 32 bits.
    pub fn u32(&self, kind: u16) -> Option<u32> {
        self.get(kind)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
    }

    /// Gives a number of 64 bits.
    pub fn u64(&self, kind: u16) -> Option<u64> {
        self.get(kind)?.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
    }

    /// Gives a text up to its NUL.
    pub fn text(&self, kind: u16) -> Option<&str> {
        let value = self.get(kind)?;
        std::str::from_utf8(value.split(|byte| *byte == 0).next()?).ok()
    }

    /// Gives the attributes in an attribute.
    pub fn nest(&self, kind: u16) -> Option<Attributes> {
        self.get(kind).map(Self::read)
    }

    /// Takes out attributes of some types.
    pub fn drop(&mut self, kinds: &[u16]) {
        self.0.retain(|(kind, _)| !kinds.contains(kind));
    }

    /// Changes the value of an attribute, if it is there.
    pub fn edit(&mut self, kind: u16, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some((_, value)) = self.0.iter_mut().find(|(other, _)| *other == kind) {
            change(value);
        }
    }

    /// Gives the attributes one after the other.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &[u8])> {
        self.0.iter().map(|(kind, value)| (*kind, &value[..]))
    }

    /// Marks what holds attributes as such, along a path of types: where the kernel is strict, it wants that.
    pub fn mark(&mut self, path: &[u16]) {
        self.along(path, &|kind| *kind |= NESTED);
    }

    /// Takes such marks away.
    pub fn unmark(&mut self, path: &[u16]) {
        self.along(path, &|kind| *kind &= TYPE);
    }

    fn along(&mut self, path: &[u16], change: &dyn Fn(&mut u16)) {
        let Some((first, rest)) = path.split_first() else { return };
        for (kind, value) in self.0.iter_mut().filter(|(kind, _)| *kind & TYPE == *first) {
            change(kind);
            if !rest.is_empty() {
                let mut inside = Self::read_marked(value);
                inside.along(rest, change);
                *value = inside.bytes();
            }
        }
    }

    /// Puts them in the order of their types; those of one type keep theirs.
    pub fn sort(&mut self) {
        self.0.sort_by_key(|(kind, _)| *kind);
    }

    /// Tells whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(u16, Vec<u8>)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (u16, Vec<u8>)>>(attributes: I) -> Self {
        Self(attributes.into_iter().collect())
    }
}

/// In the journal they are a line of hexadecimal digits.
impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex(&self.bytes()))
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = unhex(&text).ok_or_else(|| de::Error::custom("pairs of hexadecimal digits are expected"))?;
        Ok(Self::read(&bytes))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(list in proptest::collection::vec((0u16..TYPE, proptest::collection::vec(any::<u8>(), 0..40)), 0..8)) {
            let attributes: Attributes = list.into_iter().collect();
            prop_assert_eq!(Attributes::read(&attributes.bytes()), attributes.clone());
            let line = serde_json::to_string(&attributes).unwrap();
            prop_assert_eq!(serde_json::from_str::<Attributes>(&line).unwrap(), attributes);
        }

        #[test]
        fn no_bytes_are_too_odd_to_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            Attributes::read(&bytes);
        }
    }
}
