//! The states of a socket, and sets of them.

use std::fmt;
use std::str::FromStr;

use crate::model::Fault;
use crate::model::near::did_you_mean;

/// The state of a socket, by the kernel's numbers for TCP; sockets of other protocols have some of these as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Both sides may send.
    Established = 1,
    /// The first packet is sent.
    SynSent,
    /// The first packet of the other side was answered.
    SynRecv,
    /// This side has closed, and the other has not acknowledged it.
    FinWait1,
    /// This side has closed.
    FinWait2,
    /// Both have closed; late packets are waited for.
    TimeWait,
    /// There is no connection.
    Closed,
    /// The other side has closed.
    CloseWait,
    /// Both have closed, and the last acknowledgement is waited for.
    LastAck,
    /// It waits for connections.
    Listening,
    /// Both have closed at the same time.
    Closing,
    /// The first packet of the other side was answered; the kernel's own name for it in its tables.
    NewSynRecv,
}

impl State {
    /// All, in the order of their numbers.
    const ALL: [Self; 12] = [
        State::Established,
        State::SynSent,
        State::SynRecv,
        State::FinWait1,
        State::FinWait2,
        State::TimeWait,
        State::Closed,
        State::CloseWait,
        State::LastAck,
        State::Listening,
        State::Closing,
        State::NewSynRecv,
    ];

    /// Reads the kernel's number; one that is new to us is none.
    pub fn of(number: u8) -> Option<Self> {
        match Self::ALL.get(usize::from(number).checked_sub(1)?)? {
            State::NewSynRecv => Some(State::SynRecv),
            state => Some(*state),
        }
    }

    /// Gives the name as filters of ss(8) have it.
    pub fn name(self) -> &'static str {
        match self {
            State::Established => "established",
            State::SynSent => "syn-sent",
            State::SynRecv | State::NewSynRecv => "syn-recv",
            State::FinWait1 => "fin-wait-1",
            State::FinWait2 => "fin-wait-2",
            State::TimeWait => "time-wait",
            State::Closed => "unconnected",
            State::CloseWait => "close-wait",
            State::LastAck => "last-ack",
            State::Listening => "listening",
            State::Closing => "closing",
        }
    }

    /// Tells whether there is, or was, somebody at the other end.
    pub fn has_a_peer(self) -> bool {
        !matches!(self, State::Closed | State::Listening)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct States(u32);

impl States {
    /// Every state.
    pub const ALL: Self = Self(u32::MAX);

    /// What ss(8) has names for, beside the states themselves; its own words of columns are understood, too.
    const GROUPS: &'static [(&'static str, Self)] = &[
        ("all", Self::ALL),
        ("connected", Self(!(1 << State::Closed as u8 | 1 << State::Listening as u8))),
        ("synchronized", Self(!(1 << State::Closed as u8 | 1 << State::Listening as u8 | 1 << State::SynSent as u8))),
        ("bucket", Self(1 << State::SynRecv as u8 | 1 << State::TimeWait as u8)),
        ("big", Self(!(1 << State::SynRecv as u8 | 1 << State::TimeWait as u8))),
        ("estab", Self(1 << State::Established as u8)),
        ("listen", Self(1 << State::Listening as u8)),
        ("unconn", Self(1 << State::Closed as u8)),
        ("closed", Self(1 << State::Closed as u8)),
    ];

    /// Gives the set of one.
    pub fn only(state: State) -> Self {
        Self(1 << state as u8)
    }

    /// Gives what is in one of two sets.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Gives what is in both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Gives what is not in it.
    #[must_use]
    pub fn complement(self) -> Self {
        Self(!self.0)
    }

    /// Tells whether a state is in it.
    pub fn holds(self, state: State) -> bool {
        self.0 & 1 << state as u8 != 0
    }

    /// Gives the bits as the kernel takes them.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for States {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let lower = text.to_ascii_lowercase();
        let of_state = State::ALL.into_iter().find(|state| state.name() == lower).map(Self::only);
        let of_group = || Self::GROUPS.iter().find(|(name, _)| *name == lower).map(|(_, states)| *states);
        of_state.or_else(of_group).ok_or_else(|| {
            let names = || State::ALL.into_iter().map(State::name).chain(Self::GROUPS.iter().map(|(name, _)| *name));
            let fault = Fault::input(format!("look for sockets in the state {text:?}"), "there is no such state");
            let all =
                "established, syn-sent, syn-recv, fin-wait-1, fin-wait-2, time-wait, unconnected, close-wait, last-ack, listening, closing";
            fault.hint(
                did_you_mean(&lower, names()).unwrap_or_else(|| format!("one of {all}; or all, connected, synchronized, bucket, big")),
            )
        })
    }
}
