//! The options of sockets, by the names that scripts have them by (socket(7), ip(7), ipv6(7)).

use std::fmt;

use super::Way;
use crate::model::Fault;
use crate::model::near::did_you_mean;

/// An option of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opt {
    /// How many hops a packet may go: `IP_TTL`, or `IPV6_UNICAST_HOPS` with `IPV6_MULTICAST_HOPS`.
    Ttl,
    /// The type of service: `IP_TOS`, `IPV6_TCLASS`.
    Tos,
    /// The mark that rules and routes ask for: `SO_MARK`.
    Mark,
    /// Whether broadcast addresses may be sent to: `SO_BROADCAST`.
    Broadcast,
    /// How many bytes may wait to be received: `SO_RCVBUF`.
    ReceiveBuffer,
    /// How many bytes may wait to be sent: `SO_SNDBUF`.
    SendBuffer,
    /// What is done about the MTU of the path: `IP_MTU_DISCOVER`, `IPV6_MTU_DISCOVER`.
    MtuDiscover,
}

/// The words for what is done about the MTU of a path, by their numbers (ip(7)).
pub const DISCOVER: [&str; 6] = ["dont", "want", "do", "probe", "interface", "omit"];

impl Opt {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Ttl, Self::Tos, Self::Mark, Self::Broadcast, Self::ReceiveBuffer, Self::SendBuffer, Self::MtuDiscover];

    /// Gives the name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ttl => "ttl",
            Self::Tos => "tos",
            Self::Mark => "mark",
            Self::Broadcast => "broadcast",
            Self::ReceiveBuffer => "receive_buffer",
            Self::SendBuffer => "send_buffer",
            Self::MtuDiscover => "mtu_discover",
        }
    }

    /// Finds the option of a name.
    pub fn named(name: &str) -> Result<Self, Fault> {
        Self::ALL.into_iter().find(|option| option.name() == name).ok_or_else(|| {
            let fault = Fault::input(format!("use the option `{name}` of a socket"), "there is no such option");
            let names = || Self::ALL.into_iter().map(Self::name);
            fault.hint(did_you_mean(name, names()).unwrap_or_else(|| format!("the options are {}", names().collect::<Vec<_>>().join(", "))))
        })
    }

    /// Gives the least and the most.
    fn bounds(self) -> (i64, i64) {
        match self {
            Self::Ttl => (1, 255),
            Self::Tos => (0, 255),
            Self::Mark => (0, u32::MAX as i64),
            Self::Broadcast => (0, 1),
            Self::ReceiveBuffer | Self::SendBuffer => (256, 1 << 30),
            Self::MtuDiscover => (0, DISCOVER.len() as i64 - 1),
        }
    }

    /// Reads the word for a value.
    pub fn word(self, word: &str) -> Result<i64, Fault> {
        let known = (self == Self::MtuDiscover).then(|| DISCOVER.iter().position(|known| *known == word)).flatten();
        let number = || match word.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(hex, 16).ok(),
            None => word.parse().ok(),
        };
        known.map(|at| at as i64).or_else(number).ok_or_else(|| {
            let wanted = match self {
                Self::MtuDiscover => format!("it is one of {}", DISCOVER.join(", ")),
                _ => "it is no number".to_owned(),
            };
            Fault::input(format!("set the option `{}` to {word:?}", self.name()), wanted)
        })
    }

    /// Tells whether sockets of a kind have it.
    fn is_of(self, way: &Way) -> bool {
        match self {
            Self::Mark | Self::ReceiveBuffer | Self::SendBuffer => true,
            Self::Ttl | Self::Tos | Self::Broadcast | Self::MtuDiscover => !way.is_of_links(),
        }
    }

    /// Refuses an option that sockets of this kind do not have.
    pub fn fits(self, way: &Way) -> Result<(), Fault> {
        if self.is_of(way) {
            return Ok(());
        }
        let why = "the frames that it sends say that themselves";
        Err(Fault::input(format!("use the option `{}` of the {way}", self.name()), why))
    }
}

/// An option with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The option.
    pub option: Opt,
    /// The value.
    pub value: i64,
}

impl Setting {
    /// Makes one, if the option can have the value.
    pub fn new(option: Opt, value: i64) -> Result<Self, Fault> {
        let (least, most) = option.bounds();
        if (least..=most).contains(&value) {
            return Ok(Self { option, value });
        }
        let why = format!("it is a number from {least} to {most}");
        Err(Fault::input(format!("set the option `{}` to {value}", option.name()), why))
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.option.name(), self.value)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::Family;

    #[test]
    fn options_are_named_and_bounded() {
        for option in Opt::ALL {
            assert_eq!(Opt::named(option.name()).unwrap(), option);
            let (least, most) = option.bounds();
            assert!(Setting::new(option, least).is_ok() && Setting::new(option, most).is_ok());
            assert!(Setting::new(option, least - 1).is_err() && Setting::new(option, most + 1).is_err());
        }
        assert_eq!(Opt::named("tll").unwrap_err().hint.unwrap(), "did you mean `ttl`?");
        assert_eq!((Opt::MtuDiscover.word("do").unwrap(), Opt::Mark.word("0x10").unwrap()), (2, 16));
        assert!(Opt::MtuDiscover.word("always").unwrap_err().why.starts_with("it is one of dont, want, do"));
        let frames = Way::Packet { link: "eth0".parse().unwrap(), cooked: false, promiscuous: false };
        assert!(Opt::Ttl.fits(&frames).is_err() && Opt::Ttl.fits(&Way::Ping { family: Family::V4 }).is_ok());
    }
}
