//! Sockets that are opened.

use rhai::plugin::*;
use rhai::{Dynamic, Map, NativeCallContext};

use super::{given, handle};
use crate::bind::call::{self, Answer};
use crate::model::Fault;
use crate::model::raw::{Spec, Way};

fn open(ctx: &NativeCallContext, spec: Result<Spec, Fault>) -> Answer<handle::Socket> {
    let door = call::door(ctx)?;
    spec.and_then(|spec| handle::Socket::open(door, &spec)).map_err(|fault| call::fault(ctx, fault))
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A socket for packets.
    pub type Socket = handle::Socket;

    /// Opens a raw socket: it sends and receives packets of one protocol of IP. It takes CAP_NET_RAW.
    ///
    /// - `family`: `"ipv4"` or `"ipv6"`
    /// - `protocol`: `"icmp"`, `"icmpv6"`, `"tcp"`, `"udp"` or another name, or a number from 0 to 255; `"raw"` (255) for sending whole IP packets of any protocol
    ///
    /// The script gives what stands on the IP header, and the kernel writes that header. A received packet has its IP header; over IPv6 the kernel does not
    /// deliver it, and it is made of what the kernel tells: the addresses, the hop limit, the traffic class. There are no ports: the socket sees
    /// all packets of its protocol that come to this host, also those of other programs.
    ///
    /// # Changes
    /// Nothing. The socket is closed when no value holds it any more.
    ///
    /// # Fails
    /// `permission`: it takes CAP_NET_RAW. `input`: there is no such family or protocol.
    ///
    /// # Example
    /// ```rhai
    /// let socket = raw::open("ipv4", "icmp");
    /// socket.send(packet::icmp(#{ type: "echo-request", id: 7, seq: 1 }), "127.0.0.1");
    /// let reply = socket.recv("1s");
    /// ```
    ///
    /// # Source
    /// raw(7)
    #[rhai_fn(return_raw, volatile)]
    pub fn open(ctx: NativeCallContext, family: &str, protocol: Dynamic) -> Answer<Socket> {
        open_with(ctx, family, protocol, Map::new())
    }

    /// Opens a raw socket, with options.
    ///
    /// - `options`: a map. `header: true`: the script gives whole IP packets. The kernel then writes the total length and the checksum of an IPv4 header,
    ///   and the identification and the source where they are 0; of IPv6 it writes nothing. With the protocol RAW it is always so.
    ///   `interface`: only packets of this link. `source`: an own address; only packets to it are received, and packets are sent from it.
    ///   `filter`: a map, which packets are received: `host`, `src`, `dst`, `net`, `port`, `sport`, `dport`, `proto`, `family`, `not`; the kernel drops the others.
    ///   And the options that are also properties: `ttl`, `tos`, `mark`, `broadcast`, `receive_buffer`, `send_buffer`, `mtu_discover`
    ///
    /// No packet is received that came before the filter was there.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `permission`: it takes CAP_NET_RAW. `input`: there is no such option, or it cannot have this value. `not-found`: there is no such link.
    ///
    /// # Example
    /// ```rhai
    /// let socket = raw::open("ipv4", "raw", #{ ttl: 3 });
    /// socket.send(packet::ipv4(#{ dst: "127.0.0.1" }) / packet::udp(#{ dport: 9 }));
    /// ```
    ///
    /// # Source
    /// raw(7), ip(7), socket(7)
    #[rhai_fn(name = "open", return_raw, volatile)]
    pub fn open_with(ctx: NativeCallContext, family: &str, protocol: Dynamic, options: Map) -> Answer<Socket> {
        let way = given::family(family).and_then(|family| Ok(Way::Raw { family, protocol: given::protocol_of(&protocol)?, header: false }));
        super::open(&ctx, way.and_then(|way| given::spec(way, &options)))
    }

    /// Opens a packet socket: it sends and receives whole frames of a link, whatever is in them. It takes CAP_NET_RAW.
    ///
    /// - `interface`: the name of the link
    ///
    /// # Changes
    /// Nothing. The socket is closed when no value holds it any more.
    ///
    /// # Fails
    /// `permission`: it takes CAP_NET_RAW. `not-found`: there is no such link.
    ///
    /// # Example
    /// ```rhai
    /// let socket = raw::packet("lo");
    /// socket.send(packet::ethernet(#{}) / packet::ipv4(#{ src: "127.0.0.1", dst: "127.0.0.1" }) / packet::udp(#{ dport: 9 }));
    /// let frame = socket.recv("1s");
    /// ```
    ///
    /// # Source
    /// packet(7)
    #[rhai_fn(return_raw, volatile)]
    pub fn packet(ctx: NativeCallContext, interface: &str) -> Answer<Socket> {
        packet_with(ctx, interface, Map::new())
    }

    /// Opens a packet socket, with options.
    ///
    /// - `options`: a map. `filter`: which frames are received, as for `raw::open`, and `vlan`: true, or the number of a tag. `cooked: true`: the kernel takes the
    ///   head of the link off, and puts one on. `promiscuous: true`: frames to other hosts are received, too, as long as the socket is open.
    ///   And `mark`, `receive_buffer`, `send_buffer`
    ///
    /// No frame is received that came before the filter was there. The kernel takes the tags of virtual networks off; they are put back where they were.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `permission`: it takes CAP_NET_RAW. `not-found`: there is no such link. `input`: there is no such option, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// let socket = raw::packet("lo", #{ filter: #{ proto: "udp", port: 9 } });
    /// socket.drops == 0
    /// ```
    ///
    /// # Source
    /// packet(7), pcap-filter(7)
    #[rhai_fn(name = "packet", return_raw, volatile)]
    pub fn packet_with(ctx: NativeCallContext, interface: &str, options: Map) -> Answer<Socket> {
        let way = interface.parse().map(|link| Way::Packet { link, cooked: false, promiscuous: false });
        super::open(&ctx, way.and_then(|way| given::spec(way, &options)))
    }

    /// Opens a ping socket, which sends echo requests and receives the replies to them.
    ///
    /// It takes no capability where `net.ipv4.ping_group_range` has the group of the user.
    ///
    /// - `family`: `"ipv4"` or `"ipv6"`
    ///
    /// The kernel chooses the identification of the requests, and gives the socket the replies that have it. A received packet has an IP header that is
    /// made of what the kernel tells. What ICMP says about requests that did not arrive is in `errors`.
    ///
    /// # Changes
    /// Nothing. The socket is closed when no value holds it any more.
    ///
    /// # Fails
    /// `permission`: the user is in no group that may ping.
    ///
    /// # Example
    /// ```rhai
    /// let socket = raw::ping("ipv4");
    /// socket.send(packet::icmp(#{ type: "echo-request", seq: 1 }) / "hello", "127.0.0.1");
    /// socket.recv("1s").icmp.type == 0
    /// ```
    ///
    /// # Source
    /// icmp(7), `ping_group_range`
    #[rhai_fn(return_raw, volatile)]
    pub fn ping(ctx: NativeCallContext, family: &str) -> Answer<Socket> {
        ping_with(ctx, family, Map::new())
    }

    /// Opens a ping socket, with options.
    ///
    /// - `options`: a map with `interface`, `source`, `filter`, `ttl`, `tos`, `mark`, `broadcast`, `receive_buffer`, `send_buffer`, `mtu_discover`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `permission`: the user is in no group that may ping. `input`: there is no such option, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// raw::ping("ipv4", #{ ttl: 1 }).ttl == 1
    /// ```
    ///
    /// # Source
    /// icmp(7), ip(7)
    #[rhai_fn(name = "ping", return_raw, volatile)]
    pub fn ping_with(ctx: NativeCallContext, family: &str, options: Map) -> Answer<Socket> {
        let way = given::family(family).map(|family| Way::Ping { family });
        super::open(&ctx, way.and_then(|way| given::spec(way, &options)))
    }
}
