//! What becomes of a packet after an action.

use std::fmt;

use crate::model::Fault;
use crate::model::tc::argv::Argv;

/// What becomes of a packet, as the kernel numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict(pub i32);

/// In the order in which tc(8) tries them: the beginning of a word is enough.
const NAMES: &[(&str, i32)] = &[
    ("continue", -1),
    ("drop", 2),
    ("shot", 2),
    ("pass", 0),
    ("ok", 0),
    ("reclassify", 1),
    ("pipe", 3),
    ("goto", Verdict::GOTO),
    ("jump", Verdict::JUMP),
    ("trap", 8),
];

impl Verdict {
    /// The packet goes on.
    pub const OK: Self = Self(0);
    /// The filters begin anew.
    pub const RECLASSIFY: Self = Self(1);
    /// The packet is thrown away.
    pub const DROP: Self = Self(2);
    /// The next action has its turn.
    pub const PIPE: Self = Self(3);
    /// The action has taken the packet.
    pub const STOLEN: Self = Self(4);
    const JUMP: i32 = 1 << 28;
    const GOTO: i32 = 2 << 28;
    const VALUE: u32 = 0x0fff_ffff;

    /// Tells whether the packet goes to a chain of filters.
    pub fn goes_to_chain(self) -> bool {
        self.0 & !Self::VALUE.cast_signed() == Self::GOTO
    }

    /// Tells whether the word at hand is a verdict.
    pub fn begins(argv: &Argv) -> bool {
        NAMES.iter().any(|(name, _)| argv.begins(name))
    }

    /// Reads a verdict, if one is at hand.
    pub fn take(argv: &mut Argv) -> Result<Option<Self>, Fault> {
        let Some((_, code)) = NAMES.iter().find(|(name, _)| argv.begins(name)) else { return Ok(None) };
        argv.next_word()?;
        let value = match *code {
            Self::GOTO if !argv.take_short(&["chain"]) => return Err(argv.refuse("`goto` goes to a chain: goto chain 1")),
            Self::GOTO | Self::JUMP => argv.number::<u32>(10, Self::VALUE.into())?,
            _ => 0,
        };
        Ok(Some(Self(code | value.cast_signed())))
    }

    /// Reads a verdict.
    pub fn read(argv: &mut Argv) -> Result<Self, Fault> {
        match Self::take(argv)? {
            Some(verdict) => Ok(verdict),
            None => {
                argv.next_word()?;
                Err(argv.odd("no verdict").hint("pass, drop, pipe, continue, reclassify, trap, jump COUNT, goto chain INDEX"))
            }
        }
    }

    /// Reads a verdict, if one is at hand, or takes the usual one.
    pub fn read_or(argv: &mut Argv, usual: Self) -> Result<Self, Fault> {
        Ok(Self::take(argv)?.unwrap_or(usual))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0.cast_unsigned() & Self::VALUE;
        match self.0 {
            -1 => f.write_str("continue"),
            0 => f.write_str("pass"),
            1 => f.write_str("reclassify"),
            2 => f.write_str("drop"),
            3 => f.write_str("pipe"),
            4 => f.write_str("stolen"),
            8 => f.write_str("trap"),
            code if code & !(Self::VALUE.cast_signed()) == Self::GOTO => write!(f, "goto chain {value}"),
            code if code & !(Self::VALUE.cast_signed()) == Self::JUMP => write!(f, "jump {value}"),
            code => write!(f, "{code}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_are_those_of_tc() {
        let read = |line: &str| Verdict::read(&mut Argv::read(line).unwrap());
        for (line, shown) in [
            ("drop", "drop"),
            ("shot", "drop"),
            ("ok", "pass"),
            ("p", "pass"),
            ("pi", "pipe"),
            ("goto chain 42", "goto chain 42"),
            ("jump 3", "jump 3"),
            ("trap", "trap"),
        ] {
            assert_eq!(read(line).unwrap().to_string(), shown, "{line}");
        }
        for line in ["", "foo", "goto 42", "jump", "jump 268435456", "stolen"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
