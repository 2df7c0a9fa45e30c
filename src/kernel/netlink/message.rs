//! Netlink messages as bytes: writing them, and taking answers and attributes apart.

use std::io;

/// `NLM_F_REQUEST` and its like, see netlink(7).
pub mod flag {
    /// A question or an order.
    pub const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
    /// The kernel is to answer when it is done.
    pub const ACK: u16 = libc::NLM_F_ACK as u16;
    /// A whole list is asked for.
    pub const DUMP: u16 = libc::NLM_F_DUMP as u16;
    /// Only what is empty may be deleted.
    pub const NONREC: u16 = libc::NLM_F_NONREC as u16;
    /// The list was changed while it was given.
    pub const DUMP_INTR: u16 = 0x10;
}

/// The header of a message: length, type, flags, sequence number, port.
const HEADER: usize = 16;
/// Set on the type of an attribute that holds attributes.
const NESTED: u16 = 0x8000;
/// Set on the type of an attribute in network byte order.
const TYPE: u16 = 0x3fff;

/// Rounds up to the alignment of netlink.
fn align(len: usize) -> usize {
    len.div_ceil(4) * 4
}

/// Messages that are being written, one after the other.
#[derive(Debug, Default)]
pub struct Messages {
    bytes: Vec<u8>,
}

impl Messages {
    /// Begins with nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds a message; `body` writes what follows the header.
    pub fn message(&mut self, kind: u16, flags: u16, sequence: u32, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 4]);
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(flags.to_ne_bytes());
        self.bytes.extend(sequence.to_ne_bytes());
        self.bytes.extend([0; 4]);
        body(self);
        let len = (self.bytes.len() - start) as u32;
        self.bytes[start..start + 4].copy_from_slice(&len.to_ne_bytes());
    }

    /// Adds bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// Adds an attribute.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.bytes.extend(((value.len() + 4) as u16).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend(value);
        self.bytes.resize(align(self.bytes.len()), 0);
    }

    /// Adds an attribute that holds a text with the final NUL that the kernel wants.
    pub fn text(&mut self, kind: u16, text: &str) {
        let mut value = Vec::with_capacity(text.len() + 1);
        value.extend(text.as_bytes());
        value.push(0);
        self.attribute(kind, &value);
    }

    /// Adds an attribute that holds attributes.
    pub fn nest(&mut self, kind: u16, body: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend([0; 2]);
        self.bytes.extend((kind | NESTED).to_ne_bytes());
        body(self);
        let len = (self.bytes.len() - start) as u16;
        self.bytes[start..start + 2].copy_from_slice(&len.to_ne_bytes());
    }
}

/// A message of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The type of the message.
    pub kind: u16,
    /// The sequence number of the question.
    pub sequence: u32,
    /// Whether the list that it belongs to was changed meanwhile.
    pub torn: bool,
    /// What follows the header.
    pub body: &'a [u8],
    flags: u16,
}

/// An error that the kernel answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The number, as in errno(3).
    pub errno: i32,
    /// The kernel's own words (NLMSGERR_ATTR_MSG), where it has any.
    pub words: Option<String>,
}

impl Refused {
    /// Gives it as an error of the system; the kernel's words are dropped.
    pub fn error(&self) -> io::Error {
        io::Error::from_raw_os_error(self.errno)
    }
}

impl Answer<'_> {
    /// Tells whether the message ends an answer, and how; none where it is an entry of a list.
    pub fn status(&self) -> Option<Result<(), Refused>> {
        let ends = [libc::NLMSG_ERROR, libc::NLMSG_DONE].contains(&libc::c_int::from(self.kind));
        let number = ends.then(|| self.body.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes)))?;
        if number == 0 { Some(Ok(())) } else { Some(Err(Refused { errno: -number, words: self.words() })) }
    }

    /// Gives the body of the question that an error repeats, where it repeats more than the header (no NLM_F_CAPPED).
    pub fn echo(&self) -> Option<&[u8]> {
        const CAPPED: u16 = 0x100;
        self.body.get(4 + HEADER..).filter(|_| self.flags & CAPPED == 0)
    }

    /// Finds the kernel's words: they follow the header of the question, which alone is echoed (NETLINK_CAP_ACK).
    fn words(&self) -> Option<String> {
        const HAS_TLVS: u16 = 0x200;
        const MESSAGE: u16 = 1;
        let tlvs = self.body.get(4 + HEADER..).filter(|_| self.flags & HAS_TLVS != 0)?;
        attributes(tlvs).find(|(kind, _)| *kind == MESSAGE).map(|(_, value)| text(value).to_owned())
    }
}

/// Takes a datagram apart into its messages. What is cut off or damaged ends the walk.
pub fn answers(bytes: &[u8]) -> impl Iterator<Item = Answer<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let header = rest.first_chunk::<HEADER>()?;
        let len = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let body = rest.get(HEADER..len)?;
        let flags = u16::from_ne_bytes([header[6], header[7]]);
        let answer = Answer {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            sequence: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            torn: flags & flag::DUMP_INTR != 0,
            body,
            flags,
        };
        rest = rest.get(align(len)..).unwrap_or_default();
        Some(answer)
    })
}

/// Takes attributes apart into type and value. What is cut off or damaged ends the walk.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let header = rest.first_chunk::<4>()?;
        let len = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & TYPE;
        let value = rest.get(4..len)?;
        rest = rest.get(align(len)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Reads a text up to its NUL.
pub fn text(value: &[u8]) -> &str {
    let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
    std::str::from_utf8(&value[..end]).unwrap_or_default()
}

/// Reads a number of 32 bits in network byte order.
pub fn be32(value: &[u8]) -> u32 {
    value.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

/// Reads a number of 64 bits in network byte order.
pub fn be64(value: &[u8]) -> u64 {
    value.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut messages = Messages::new();
        messages.message(0x0a10, flag::REQUEST, 7, |m| {
            m.raw(&[2, 0, 0, 0]);
            m.text(1, "filter");
            m.nest(4, |m| m.attribute(2, &5u32.to_be_bytes()));
        });
        messages.message(3, 0, 8, |_| {});
        let read: Vec<_> = answers(messages.bytes()).collect();
        assert_eq!(read.iter().map(|a| (a.kind, a.sequence)).collect::<Vec<_>>(), [(0x0a10, 7), (3, 8)]);
        let parts: Vec<_> = attributes(&read[0].body[4..]).collect();
        assert_eq!((parts[0].0, text(parts[0].1)), (1, "filter"));
        assert_eq!((parts[1].0, attributes(parts[1].1).map(|(k, v)| (k, be32(v))).collect::<Vec<_>>()), (4, vec![(2, 5)]));
    }

    #[test]
    fn an_error_carries_the_words_of_the_kernel() {
        // NLMSG_ERROR, flags CAPPED | ACK_TLVS, -EBUSY, the header of the question, then NLMSGERR_ATTR_MSG "no".
        let mut messages = Messages::new();
        messages.message(2, 0x300, 9, |m| {
            m.raw(&(-16i32).to_ne_bytes());
            m.raw(&[0; HEADER]);
            m.text(1, "no");
        });
        let answer = answers(messages.bytes()).next().unwrap();
        assert_eq!(answer.status(), Some(Err(Refused { errno: 16, words: Some("no".into()) })));
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd_to_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for answer in answers(&bytes) {
                let _ = answer.status();
                attributes(answer.body).for_each(drop);
            }
        }
    }
}
