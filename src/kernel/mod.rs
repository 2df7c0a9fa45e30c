//! Linux, and its shadow: the only layer that is `unsafe`, opens files and starts programs.

pub mod archive;
pub mod bell;
pub mod cgroup;
pub mod clock;
pub mod errno;
pub mod files;
pub mod generated;
pub mod holders;
pub mod identity;
pub mod ipset;
pub mod link;
pub mod live;
pub mod lock;
pub mod login;
pub mod machine;
pub mod named;
pub mod netlink;
pub mod netns;
pub mod news;
pub mod package;
pub mod picture;
pub mod proc_net;
pub mod process;
pub mod processes;
pub mod program;
pub mod raw;
pub mod recent;
pub mod reserved_ports;
pub mod sandbox;
pub mod shadow;
pub mod sockets;
pub mod state;
pub mod stdio;
pub mod store;
pub mod sysctl;
pub mod tc;
pub mod text;
pub mod tool;
pub mod trust;
pub mod xt_recent;
pub mod xtables;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use self::xtables::Backend;
use crate::model::cgroup::{Group, Way};
use crate::model::command::{Command, Ran};
use crate::model::link::Name;
use crate::model::netns::{Site, Word};
use crate::model::packet::exchange::Outcome;
use crate::model::raw::{Query, Spec, exchange};
use crate::model::{Change, Fault, Kind};

/// One network namespace with all that recipes are about. `live` writes to Linux, `shadow` to memory.
pub trait Kernel: Send {
    /// The tables of rules.
    fn xtables(&mut self) -> Result<&mut dyn xtables::Xtables, Fault>;

    /// Goes back to the backend of an earlier run, whose rules are to be lifted there and nowhere else.
    fn return_to(&mut self, _: Backend) -> Result<(), Fault> {
        Ok(())
    }

    /// The objects that are known by a name of their own.
    fn named(&mut self) -> &mut dyn named::Named;

    /// The lists of remembered sources of the `recent` match.
    fn recent(&mut self) -> &mut dyn recent::Recent;

    /// Tries whether the processes of a group are kept from the network, and fails where they are not. In memory nothing is to be tried.
    fn probe(&mut self, _: &Group, _: Way) -> Result<(), Fault> {
        Ok(())
    }

    /// Writes a file. A kernel in memory leaves it at that.
    fn write_file(&mut self, _: &str, _: &[u8]) -> Result<(), Fault> {
        Ok(())
    }

    /// Opens a socket for packets. That of a kernel in memory sends nothing.
    fn raw(&mut self, spec: &Spec) -> Result<Box<dyn raw::Wire>, Fault> {
        Ok(Box::new(raw::Paper::new(spec)))
    }

    /// Tells why a run could not open a socket of this kind, as far as who plans can know. A kernel that opens sockets says so when it does.
    fn would_refuse(&mut self, _: &crate::model::raw::Way) -> Option<Fault> {
        None
    }

    /// Opens the sockets of an exchange. Those of a kernel in memory send nothing.
    fn desk(&mut self, _: &exchange::Sockets) -> Result<Box<dyn raw::Desk>, Fault> {
        Ok(Box::new(raw::Blank))
    }

    /// Asks a server of DNS over a connection. A kernel in memory has nobody to ask.
    fn query(&mut self, query: &mut Query) -> Result<Outcome, Fault> {
        Err(Fault::new(Kind::Unknown, format!("ask {} by TCP", query.server), "a plan sends nothing, and so nothing answers"))
    }

    /// Gives the own end of packets to a host: the address that the routes choose, and a port that is free. A kernel in memory leaves both open.
    fn own_end(&mut self, to: IpAddr, _: Option<&Name>) -> Result<SocketAddr, Fault> {
        let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        Ok((any, 0).into())
    }

    /// The sockets.
    fn sockets(&mut self) -> &mut dyn sockets::Sockets;

    /// Works in another network namespace from here on, until it comes back; tells whether that one is still there. The calling thread may be in
    /// it meanwhile, and must not do anything else.
    fn go_to(&mut self, site: &Site) -> Result<bool, Fault> {
        Err(alone(&format!("go to the {site}")))
    }

    /// Works at home again, where it has begun.
    fn come_back(&mut self) {}

    /// Takes note of what changes here have made of other namespaces, where the kernel does not know it by itself: a kernel in memory.
    fn echo(&mut self, _: &[Change]) {}

    /// Makes a network namespace without a name, and gives its cookie. It is gone with this process, unless it gets a name or a process before.
    fn make_namespace(&mut self) -> Result<u64, Fault> {
        Err(alone("make a network namespace"))
    }

    /// Finds the network namespace that somebody means, by a path or by a process.
    fn find_namespace(&mut self, word: &Word) -> Result<Site, Fault> {
        Err(alone(&format!("open the network namespace {word}")))
    }

    /// Runs a program. A kernel in memory has none.
    fn run(&mut self, command: &Command) -> Result<Ran, Fault> {
        Err(Fault::new(Kind::Unknown, format!("run `{command}`"), "a plan runs no programs, and only the program can tell what it does"))
    }
}

fn alone(tried: &str) -> Fault {
    Fault::new(Kind::Unsupported, tried, "this kernel has one network namespace only")
}
