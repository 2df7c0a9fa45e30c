//! Sockets, as sock_diag(7) shows them: towards the program a file with an inode, towards the protocol a state with addresses and queues.

mod filter;
mod state;
#[cfg(test)]
pub(crate) mod tests;
mod words;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use super::Fault;
use super::near::did_you_mean;

pub use filter::{Expr, Filter, Side};
pub use state::{State, States};

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proto {
    /// TCP, of both families.
    Tcp,
    /// UDP, of both families.
    Udp,
    /// Raw IP, of both families; see raw(7).
    Raw,
    /// Sockets of files, see unix(7).
    Unix,
    /// Frames of interfaces, see packet(7).
    Packet,
}

impl Proto {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 5] = [Proto::Tcp, Proto::Udp, Proto::Raw, Proto::Unix, Proto::Packet];

    /// Gives the name.
    pub fn name(self) -> &'static str {
        match self {
            Proto::Tcp => "tcp",
            Proto::Udp => "udp",
            Proto::Raw => "raw",
            Proto::Unix => "unix",
            Proto::Packet => "packet",
        }
    }

    /// Tells whether its ends are addresses of IP.
    pub fn is_inet(self) -> bool {
        matches!(self, Proto::Tcp | Proto::Udp | Proto::Raw)
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Proto {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        let names = || Self::ALL.into_iter().map(Self::name);
        Self::ALL.into_iter().find(|proto| proto.name() == text).ok_or_else(|| {
            let fault = Fault::input(format!("look for sockets of {text:?}"), "there is no such protocol here");
            fault.hint(did_you_mean(text, names()).unwrap_or_else(|| format!("one of {}", names().collect::<Vec<_>>().join(", "))))
        })
    }
}

/// One end of a socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// An address of IP with a port; 0 is none. Of a raw socket the port of the own end is the protocol.
    Inet(IpAddr, u16),
    /// Every address of both families, with a port.
    Both(u16),
    /// The name of a socket of files: a path, or `@` and a name without one; empty where it has none.
    Name(Arc<str>),
}

impl End {
    /// Gives the address; that of every address of both families is the unspecified one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            End::Inet(address, _) => Some(*address),
            End::Both(_) => Some(IpAddr::from([0; 16])),
            End::Name(_) => None,
        }
    }

    /// Gives the port.
    pub fn port(&self) -> Option<u16> {
        match self {
            End::Inet(_, port) | End::Both(port) => Some(*port),
            End::Name(_) => None,
        }
    }
}

/// Prints as ss(8) does: `192.0.2.1:22`, `[::1]:22`, `*:22` for both families, `0.0.0.0:*` without a port.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl End {
    /// Writes it as ss(8) does. There are a hundred thousand of them in a list, so addresses of IPv4 and ports are written digit by digit.
    fn text(&self) -> String {
        let mut text = String::with_capacity("255.255.255.255:65535".len());
        let port = match self {
            End::Name(name) if name.is_empty() => return "*".to_owned(),
            End::Name(name) => return name.to_string(),
            End::Inet(IpAddr::V4(address), port) => {
                for (at, octet) in address.octets().into_iter().enumerate() {
                    text.push_str(if at == 0 { "" } else { "." });
                    push(&mut text, octet.into());
                }
                port
            }
            End::Inet(address, port) => {
                text = format!("[{address}]");
                port
            }
            End::Both(port) => {
                text.push('*');
                port
            }
        };
        text.push(':');
        if *port == 0 {
            text.push('*')
        } else {
            push(&mut text, *port)
        }
        text
    }
}

/// Adds a number to a text.
fn push(text: &mut String, number: u16) {
    if number > 9 {
        push(text, number / 10);
    }
    text.push(char::from(b'0' + (number % 10) as u8));
}

/// How the kernel knows a socket again: what it gave in a listing, and takes in a question about this one or an order to destroy it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    /// `struct inet_diag_sockid` with the family: ports, addresses, interface and cookie.
    Inet(u8, [u8; 48]),
    /// The inode and the cookie of a socket without addresses.
    Plain(u32, [u8; 8]),
}

/// What a socket waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// Which of its timers runs: `on` (to send again), `keepalive`, `timewait`, `persist` (the window is shut).
    pub name: &'static str,
    /// After how many milliseconds it is over.
    pub left: u32,
    /// How often it was over already without an answer.
    pub tries: u8,
}

/// What the protocol keeps about a socket: read for those that are asked about, it is much.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Details {
    /// The memory of `struct sock` in bytes, by the names of ss(8) (`SK_MEMINFO_RMEM_ALLOC` is `receive`).
    pub memory: Vec<(&'static str, u64)>,
    /// The name of the congestion control.
    pub congestion: Option<String>,
    /// What `struct tcp_info` tells, by the names of its fields.
    pub info: Vec<(&'static str, u64)>,
}

/// A socket.
#[derive(Clone, Debug, PartialEq)]
pub struct Socket {
    /// What it speaks.
    pub proto: Proto,
    /// Of a socket of files its type: `stream`, `dgram`, `seqpacket`; of a packet socket `raw` or `dgram`.
    pub kind: Option<&'static str>,
    /// The state.
    pub state: State,
    /// The own end.
    pub local: End,
    /// The far end.
    pub peer: End,
    /// The interface that it is bound to, or that its address is valid on.
    pub interface: Option<Arc<str>>,
    /// Bytes that came and were not read; of one that listens the connections that wait to be accepted.
    pub recv_q: u32,
    /// Bytes that were sent and are not acknowledged; of one that listens the most connections that may wait.
    pub send_q: u32,
    /// Whose it is.
    pub uid: u32,
    /// The inode of its file (`struct socket`); 0 where no program has it any more.
    pub inode: u64,
    /// Of a socket of files, the inode of the one at the other end.
    pub peer_inode: Option<u64>,
    /// The mark of its packets, where the reader may see it.
    pub mark: Option<u32>,
    /// The id of the cgroup that it was made in.
    pub cgroup: Option<u64>,
    /// What it waits for.
    pub timer: Option<Timer>,
    /// What the protocol keeps about it, where it was asked for.
    pub details: Option<Box<Details>>,
    /// How the kernel knows it.
    pub id: Id,
}

impl Socket {
    /// Tells whether another one is the same socket, read at another time: the kernel never gives a cookie twice.
    pub fn is(&self, other: &Self) -> bool {
        let cookie = |id: &Id| match id {
            Id::Inet(_, id) => (0, id.last_chunk::<8>().copied()),
            Id::Plain(inode, cookie) => (*inode, Some(*cookie)),
        };
        self.proto == other.proto && cookie(&self.id) == cookie(&other.id)
    }

    /// Gives the address family, by the kernel's number; none of a socket without addresses.
    pub fn family(&self) -> Option<u8> {
        if let Id::Inet(family, _) = self.id { Some(family) } else { None }
    }

    /// Gives an end as ss(8) prints it, with the interface where the address needs one.
    pub fn end(&self, side: Side) -> String {
        let end = if side == Side::Local { &self.local } else { &self.peer };
        let bound = |address: IpAddr| match side {
            Side::Local => true,
            Side::Peer => matches!(address, IpAddr::V6(address) if address.is_unicast_link_local()),
        };
        match (&self.interface, end.address()) {
            (Some(interface), Some(address)) if bound(address) => {
                let text = end.text();
                let (address, port) = text.rsplit_once(':').unwrap_or((&text, ""));
                format!("{address}%{interface}:{port}")
            }
            _ => end.text(),
        }
    }
}

/// Tells it in a line, as the journal has it.
impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.proto, self.state, self.end(Side::Local))?;
        if self.state.has_a_peer() { write!(f, " to {}", self.end(Side::Peer)) } else { Ok(()) }
    }
}

/// A process that has the file of a socket open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: i32,
    /// Its descriptor.
    pub fd: i32,
    /// The name of the process, see proc_pid_comm(5).
    pub name: Arc<str>,
    /// The path of its cgroup; that of the hierarchy of systemd where there are several.
    pub cgroup: Arc<str>,
}

impl Holder {
    /// Gives the unit of systemd that the process belongs to: the last part of its cgroup that is named like one.
    pub fn unit(&self) -> Option<&str> {
        let is_unit = |part: &&str| [".service", ".scope", ".socket"].iter().any(|kind| part.ends_with(kind));
        self.cgroup.split('/').rfind(is_unit)
    }
}

/// Prints as ss(8) does, without its brackets.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (pid {}, fd {})", self.name, self.pid, self.fd)
    }
}

/// Who holds which socket, by the inodes of the sockets.
pub type Holders = HashMap<u64, Vec<Holder>>;
