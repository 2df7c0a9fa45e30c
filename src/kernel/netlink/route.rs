//! Links, addresses and routes over rtnetlink(7), with a blocking face.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_route::address::AddressHeaderFlags;
use netlink_packet_route::link::{InfoData, InfoVeth};
use nix::net::if_::if_nametoindex;
use rtnetlink::sys::AsyncSocket as _;
use rtnetlink::{Error, Handle, LinkUnspec, LinkVeth, RouteMessageBuilder, new_connection};
use tokio::runtime::{Builder, Runtime};

use crate::kernel::errno;
use crate::model::{Fault, Kind};

/// The netlink header that precedes the attributes of an extended acknowledgement, when the request itself is not repeated.
const NLMSG_HEADER: usize = 16;
const NLMSGERR_ATTR_MSG: u16 = 1;
const NLA_TYPE_MASK: u16 = 0x3fff;

/// A connection to the network namespace that its thread was in when it was made; it stays there.
pub struct Connection {
    runtime: Runtime,
    handle: Handle,
}

impl Connection {
    /// Connects to the network namespace of the calling thread. No thread is started.
    pub fn open() -> Result<Connection, Fault> {
        let fail = |error| errno::fault("talk to the kernel over rtnetlink", error);
        let runtime = Builder::new_current_thread().enable_io().build().map_err(fail)?;
        let (mut connection, handle, _) = {
            let _entered = runtime.enter();
            new_connection().map_err(fail)?
        };
        let socket = connection.socket_mut().socket_mut();
        // The kernel's own words about what it refuses, not only a number.
        socket.set_ext_ack(true).map_err(fail)?;
        socket.set_cap_ack(true).map_err(fail)?;
        runtime.spawn(connection);
        Ok(Connection { runtime, handle })
    }

    /// Makes a veth pair: one end here, the other one in another namespace.
    pub fn add_veth(&self, name: &str, peer: &str, peer_netns: BorrowedFd<'_>) -> Result<(), Fault> {
        let other_end = LinkUnspec::new_with_name(peer).setns_by_fd(peer_netns.as_raw_fd()).build();
        let link = LinkVeth::new(name, peer).set_info_data(InfoData::Veth(InfoVeth::Peer(other_end))).build();
        self.wait(format!("add the link {name}"), self.handle.link().add(link).execute())
    }

    /// Sets a link up.
    pub fn set_up(&self, name: &str) -> Result<(), Fault> {
        let link = LinkUnspec::new_with_name(name).up().build();
        self.wait(format!("set the link {name} up"), self.handle.link().set(link).execute())
    }

    /// Adds an address to a link. It is usable at once, as nobody is asked whether it is in use (RFC 4862, section 5.4).
    pub fn add_address(&self, name: &str, address: IpAddr, prefix: u8) -> Result<(), Fault> {
        let tried = format!("add {address}/{prefix} to {name}");
        let index = if_nametoindex(name).map_err(|error| errno::fault(tried.clone(), error))?;
        let mut request = self.handle.address().add(index, address, prefix);
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
        self.wait(tried, request.execute())
    }

    /// Adds a default route over a neighbour.
    pub fn add_default_route(&self, gateway: IpAddr) -> Result<(), Fault> {
        let route = match gateway {
            IpAddr::V4(gateway) => RouteMessageBuilder::<Ipv4Addr>::new().gateway(gateway).build(),
            IpAddr::V6(gateway) => RouteMessageBuilder::<Ipv6Addr>::new().gateway(gateway).build(),
        };
        self.wait(format!("add a default route over {gateway}"), self.handle.route().add(route).execute())
    }

    fn wait(&self, tried: String, request: impl Future<Output = Result<(), Error>>) -> Result<(), Fault> {
        self.runtime.block_on(request).map_err(|error| refused(tried, error))
    }
}

fn refused(tried: String, error: Error) -> Fault {
    let Error::NetlinkError(message) = error else {
        return Fault::new(Kind::System, tried, error.to_string());
    };
    let fault = errno::fault(tried, message.to_io());
    match kernel_words(message.header.get(NLMSG_HEADER..).unwrap_or_default()) {
        Some(words) => Fault { why: format!("{words} ({})", fault.why), ..fault },
        None => fault,
    }
}

/// Finds the text among the attributes of an extended acknowledgement (length, type, value, padded to four bytes).
fn kernel_words(mut attributes: &[u8]) -> Option<String> {
    while let [l0, l1, t0, t1, rest @ ..] = attributes {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1])).checked_sub(4)?;
        let value = rest.get(..length)?;
        if u16::from_ne_bytes([*t0, *t1]) & NLA_TYPE_MASK == NLMSGERR_ATTR_MSG {
            return Some(String::from_utf8_lossy(value).trim_end_matches('\0').to_owned());
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::netns::Netns;

    #[test]
    fn the_kernels_words_are_found_behind_other_attributes() {
        // NLMSGERR_ATTR_OFFS (2) = 20, then NLMSGERR_ATTR_MSG (1) = "no", as the kernel pads them.
        let attributes = [[8u16, 2], [20, 0], [7, 1]].map(|pair| pair.map(u16::to_ne_bytes)).as_flattened().as_flattened().to_vec();
        assert_eq!(kernel_words(&[&attributes[..], b"no\0\0"].concat()).as_deref(), Some("no"));
        assert_eq!(kernel_words(&attributes), None);
        assert_eq!(kernel_words(&[3, 0, 1, 0]), None);
        assert_eq!(kernel_words(&[]), None);
    }

    #[test]
    fn a_refusal_carries_the_kernels_words() -> Result<(), Fault> {
        let Ok(netns) = Netns::create() else {
            println!("skipped: no network namespace may be made here (not root)");
            return Ok(());
        };
        let (unreachable, missing) = netns.run(|| {
            let route = Connection::open()?;
            route.set_up("lo")?;
            let unreachable = route.add_default_route(IpAddr::from([192, 0, 2, 1])).err();
            Ok((unreachable, route.set_up("nothing0").err()))
        })?;
        let text = |fault: Option<Fault>| fault.map(|fault| fault.to_string()).unwrap_or_default();
        assert_eq!(text(unreachable), "cannot add a default route over 192.0.2.1: Nexthop has invalid gateway (Network is unreachable)");
        assert_eq!(text(missing), "cannot set the link nothing0 up: No such device");
        Ok(())
    }
}
