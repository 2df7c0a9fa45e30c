//! A question of DNS over a connection of TCP: before each message stands its length (RFC 1035, 4.2.2; RFC 7766, 8).
//!
//! A [`Query`] has no socket: whoever drives it sends what goes out, and hands over what comes in, never more than [`Query::wanted`].

use std::net::IpAddr;
use std::time::Duration;

use crate::model::Fault;
use crate::model::link::Name;
use crate::model::packet::{First, Packet, Value, named};

/// The port of servers.
pub const PORT: u16 = 53;

/// The length before a message.
const PREFIX: usize = 2;
/// The header of a message: no answer is shorter.
const HEADER: usize = 12;
/// The bit of the header that answers have.
const RESPONSE: u8 = 0x80;

/// A question, and what has come of its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Who is asked.
    pub server: IpAddr,
    /// Its port.
    pub port: u16,
    /// The link that is used, if it is not for the routes to say.
    pub link: Option<Name>,
    /// How long all of it may take: the connection, the question and the answer.
    pub timeout: Duration,
    question: Packet,
    came: Vec<u8>,
}

impl Query {
    /// Makes one of a message that begins with the header of DNS.
    pub fn new(server: IpAddr, question: Packet, timeout: Duration) -> Result<Self, Fault> {
        let odd = |why: &str| Err(Fault::input(format!("ask {server} by TCP"), why));
        if !matches!(question.first, First::Layer(layer) if layer.name == "dns") {
            return odd("what is asked is a message of DNS alone: packet::dns(#{ questions: [..] })");
        }
        if question.bytes.len() > usize::from(u16::MAX) || question.bytes.len() < HEADER {
            return odd("a message has 12 to 65535 bytes");
        }
        Ok(Self { server, port: PORT, link: None, timeout, question, came: Vec::new() })
    }

    /// Tells what is asked, in a few words.
    pub fn line(&self) -> String {
        let line = self.question.line();
        line.strip_suffix(", 0 bytes").unwrap_or(&line).to_owned()
    }

    /// Gives the bytes that go out: the message with its length before it, in one piece, as RFC 7766 wants it.
    pub fn outgoing(&self) -> Vec<u8> {
        let length = u16::try_from(self.question.bytes.len()).unwrap_or(u16::MAX);
        [&length.to_be_bytes()[..], &self.question.bytes].concat()
    }

    /// Tells how many bytes of the answer are still to come, as far as that is known: first the length, then as many as that says.
    pub fn wanted(&self) -> usize {
        self.announced().map_or(PREFIX, |length| PREFIX + length).saturating_sub(self.came.len())
    }

    /// Takes bytes that came; fails where they cannot be the beginning of an answer.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.came.extend_from_slice(bytes);
        match self.announced() {
            Some(length) if length < HEADER => Err(format!("it announces an answer of {length} bytes, and the header alone has {HEADER}")),
            _ => Ok(()),
        }
    }

    fn announced(&self) -> Option<usize> {
        self.came.first_chunk().map(|length: &[u8; PREFIX]| usize::from(u16::from_be_bytes(*length)))
    }

    /// Tells how far the answer has come, where it comes no further; nothing where none has begun.
    pub fn cut_short(&self) -> Option<String> {
        match self.announced() {
            None if self.came.is_empty() => None,
            None => Some("not even the length of an answer came whole".to_owned()),
            Some(length) => Some(format!("{} of the {length} bytes came that it announced", self.came.len() - PREFIX)),
        }
    }

    /// Gives the answer once it is whole; fails where it is none to this question.
    pub fn answer(&self) -> Result<Packet, String> {
        let bytes = self.came.get(PREFIX..).unwrap_or_default();
        let id = |bytes: &[u8]| bytes.first_chunk::<2>().copied();
        if id(bytes) != id(&self.question.bytes) {
            return Err("what came has the id of another question".to_owned());
        }
        if bytes.get(2).is_none_or(|flags| flags & RESPONSE == 0) {
            return Err("what came is a question itself".to_owned());
        }
        let answer = Packet::new(bytes, self.question.first);
        match (asked(&self.question), asked(&answer)) {
            // A server that did not understand may leave the question out.
            (wanted, Some(given)) if wanted.as_ref() != Some(&given) => Err(format!("what came answers another question: {given}")),
            _ => Ok(answer),
        }
    }
}

/// Gives the first question of a message. Names are the same in small letters and in large ones.
fn asked(message: &Packet) -> Option<String> {
    let found = message.layers();
    match found.layer("dns")?.read(&message.bytes, "questions")? {
        Value::List(list) => list.first().map(|question| question.to_string().to_lowercase()),
        _ => None,
    }
}

/// Makes a packet of a message of DNS.
pub fn message(bytes: &[u8]) -> Result<Packet, Fault> {
    named("dns").map(|dns| Packet::new(bytes, First::Layer(dns)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// "a.test." of type A, id 7.
    const QUESTION: &[u8] = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x01a\x04test\0\0\x01\0\x01";

    fn query() -> Query {
        Query::new("10.0.0.1".parse().unwrap(), message(QUESTION).unwrap(), Duration::from_secs(1)).unwrap()
    }

    /// Gives bytes to a query as they are wanted, and tells what it makes of them.
    fn given(bytes: &[u8]) -> Result<Packet, String> {
        let (mut query, mut rest) = (query(), bytes);
        while query.wanted() > 0 {
            let (piece, behind) = rest.split_at(query.wanted().min(rest.len()).min(5));
            if piece.is_empty() {
                return Err(query.cut_short().unwrap_or_else(|| "silent".to_owned()));
            }
            query.take(piece)?;
            rest = behind;
        }
        query.answer()
    }

    fn answer(change: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut message = QUESTION.to_vec();
        message[2] |= RESPONSE;
        change(&mut message);
        [&(message.len() as u16).to_be_bytes()[..], &message].concat()
    }

    #[test]
    fn a_question_goes_out_behind_its_length() {
        assert_eq!(query().outgoing(), [&[0, 24][..], QUESTION].concat());
        assert_eq!(query().wanted(), 2);
        let bare = Packet::new(QUESTION, First::Ip);
        assert!(Query::new("10.0.0.1".parse().unwrap(), bare, Duration::from_secs(1)).is_err());
    }

    #[test]
    fn an_answer_is_taken_and_nothing_behind_it() {
        let more = [answer(|_| {}), b"the next one".to_vec()].concat();
        assert_eq!(given(&more).unwrap().bytes.len(), QUESTION.len());
        assert!(given(&answer(|message| message[13] = b'A')).is_ok(), "letters are the same, large or small");
        let without = answer(|message| {
            message[5] = 0;
            message.truncate(HEADER);
        });
        assert!(given(&without).is_ok(), "a server that did not understand leaves the question out");
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let why = |bytes: &[u8]| given(bytes).unwrap_err();
        assert_eq!(why(&[]), "silent");
        assert_eq!(why(&[0]), "not even the length of an answer came whole");
        assert_eq!(why(&[0, 11, 0]), "it announces an answer of 11 bytes, and the header alone has 12");
        assert_eq!(why(&[0, 0]), "it announces an answer of 0 bytes, and the header alone has 12");
        assert_eq!(why(&[0xff, 0xff, 0, 7]), "2 of the 65535 bytes came that it announced");
        assert_eq!(why(&answer(|message| message[1] = 8)), "what came has the id of another question");
        assert_eq!(why(&answer(|message| message[2] = 1)), "what came is a question itself");
        assert!(why(&answer(|message| message[13] = b'b')).starts_with("what came answers another question: "));
        for length in 0..QUESTION.len() {
            let cut = answer(|message| message.truncate(length));
            assert!(length >= HEADER || given(&cut).is_err(), "{length}");
        }
    }
}
