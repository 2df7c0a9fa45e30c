//! What the parameters of all actions begin with: a number, and a verdict.

use super::Verdict;
use crate::model::Fault;
use crate::model::tc::argv::Argv;

/// How long the beginning is: index, capabilities, verdict, and two counts of users.
pub(super) const LEN: usize = 20;

/// The beginning of the parameters of an action (tc_gen).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Generic {
    pub(super) index: u32,
    pub(super) verdict: i32,
}

impl Generic {
    /// Reads the end of most actions: a verdict, and an index.
    pub(super) fn read(argv: &mut Argv, usual: Verdict) -> Result<Self, Fault> {
        let verdict = Verdict::read_or(argv, usual)?.0;
        let index = if argv.take_short(&["index"]) { argv.u32(10)? } else { 0 };
        Ok(Self { index, verdict })
    }

    /// Gives the bytes, with what an action has behind them.
    pub(super) fn bytes(self, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; LEN];
        bytes[..4].copy_from_slice(&self.index.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.verdict.to_ne_bytes());
        bytes.extend(rest);
        bytes
    }

    /// Takes bytes apart.
    pub(super) fn told(bytes: &[u8]) -> Self {
        Self { index: word(bytes, 0), verdict: word(bytes, 8).cast_signed() }
    }

    /// Shows the end of most actions.
    pub(super) fn shown(self) -> String {
        let index = if self.index > 0 { format!(" index {}", self.index) } else { String::new() };
        format!(" {}{index}", Verdict(self.verdict))
    }
}

/// Reads a number of 32 bits at a place.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}
