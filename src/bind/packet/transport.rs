//! What IP carries, and DNS: one function for each.

use rhai::plugin::*;
use rhai::{Map, NativeCallContext};

use super::{handle, layer};
use crate::bind::call::Answer;

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A packet, or some layers of one.
    pub type Packet = handle::Packet;

    /// Makes a message about IPv4.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `type`: a name of iptables(8) or a number (echo-request).
    /// `code`: a number, or a name of iptables(8) as `"port-unreachable"` (0).
    /// `id`, `seq` of an echo; of a timestamp `originate`, `receive` and `transmit` too; of a mask `mask`.
    /// `mtu`, `gateway`, `pointer`, `length`, `unused` of an error. What an error quotes stands on it, as a packet or as bytes.
    /// `count`, `entry_size`, `lifetime` of a router.
    /// `checksum` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// let quoted = packet::ipv4(#{ src: "192.0.2.1", dst: "192.0.2.2", ttl: 1 }) / packet::udp(#{ dport: 33434 });
    /// let error = packet::ipv4(#{ dst: "192.0.2.1" }) / packet::icmp(#{ type: "time-exceeded" }) / quoted;
    /// error.icmp.name_of("code") == "ttl-zero-during-transit"
    /// ```
    ///
    /// # Source
    /// RFC 792, RFC 950, RFC 1256
    #[rhai_fn(return_raw)]
    pub fn icmp(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "icmp", &fields)
    }

    /// Makes a message about IPv6.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `type`: a name of ip6tables(8) or a number (echo-request).
    /// `code`: a number, or a name of ip6tables(8) as `"no-route"` (0).
    /// `id`, `seq` of an echo.
    /// `target`, `flags` of `"router,solicited,override"`, `reserved`, `options` of a neighbour.
    /// `hop_limit`, `flags` of `"managed,other"`, `lifetime`, `reachable_time`, `retransmit_timer`, `options` of a router.
    /// `group`, `max_response_delay` of a listener.
    /// `mtu`, `pointer` of an error.
    ///
    /// The options are `#{ kind: "source-link-address", address: ".." }`, `"target-link-address"` alike, `#{ kind: "mtu", value: 1500 }`,
    /// `#{ kind: "prefix", prefix: "2001:db8::", length: 64 }` with `flags`, `valid` and `preferred`, `#{ kind: "route", prefix: "..", length: 48 }` with
    /// `preference` and `lifetime`, `#{ kind: "dns-servers", servers: [..] }`, `#{ kind: "dns-search", domains: [..] }`, `"redirected-header"` and
    /// `"nonce"` with `data`, or a number with `data`.
    ///
    /// `checksum` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::icmpv6(#{ type: "neighbour-solicitation", target: "2001:db8::2", options: [#{ kind: "source-link-address", address: "02:00:00:00:00:01" }] })
    /// ```
    ///
    /// # Source
    /// RFC 4443, RFC 4861, RFC 4191, RFC 8106, RFC 2710
    #[rhai_fn(return_raw)]
    pub fn icmpv6(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "icmpv6", &fields)
    }

    /// Makes a segment of TCP.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `sport`, `dport`: 0 to 65535.
    /// `seq`, `ack`: 32 bits (0).
    /// `flags`: of `"FIN,SYN,RST,PSH,ACK,URG,ECE,CWR,AE"`, as a text or an array; read they are in this order, as `"SYN,ACK"` (SYN).
    /// `window` (8192).
    /// `urgent_pointer`, `reserved` (0).
    /// `options`: an array of `"end"`, `"nop"`, `"sack-permitted"`, and of `#{ kind: "mss", value: 1460 }`, `#{ kind: "window-scale", value: 7 }`,
    /// `#{ kind: "timestamps", value: 1, echo: 0 }`, `#{ kind: "sack", edges: [1, 2] }`, `#{ kind: "user-timeout", value: 9 }`, or of any kind with `data`, as in
    /// `#{ kind: "fast-open", data: blob(8) }`; with `option_length` where the length is to be a wrong one.
    /// `data_offset`, `checksum` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::tcp(#{ sport: 40000, dport: 80, flags: "SYN", options: [#{ kind: "mss", value: 1460 }] })
    /// ```
    ///
    /// # Source
    /// RFC 9293
    #[rhai_fn(return_raw)]
    pub fn tcp(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "tcp", &fields)
    }

    /// Makes a datagram.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `sport`, `dport`: 0 to 65535.
    /// `length`, `checksum` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// packet::udp(#{ sport: 40000, dport: 9 })
    /// ```
    ///
    /// # Source
    /// RFC 768
    #[rhai_fn(return_raw)]
    pub fn udp(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "udp", &fields)
    }

    /// Makes a question to the domain name system, or an answer.
    ///
    /// - `fields`: a map; what is not in it has the value in brackets here. What is given is written as it is given, also where it is wrong
    ///
    /// `id` (0).
    /// `flags`: of `"rd,ra,aa,tc,ad,cd"` (rd).
    /// `response`: 0 or 1.
    /// `opcode`, `rcode`.
    /// `questions`: names, or maps with `name`, `type` (A) and `class` (IN).
    /// `answers`, `authorities`, `additionals`: maps with `name`, `type` (A), `class` (IN), `ttl` (0) and `data`, which is an address, a name, an array of
    /// texts, or a map: `#{ preference: 10, exchange: ".." }` of MX, `#{ priority: 0, weight: 0, port: 80, target: ".." }` of SRV; bytes where the type is
    /// not known here.
    /// `compress`: whether names point to earlier ones (0).
    /// `question_count`, `answer_count`, `authority_count`, `additional_count` (computed).
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such field, or it cannot have this value.
    ///
    /// # Example
    /// ```rhai
    /// let answer = #{ name: "www.example.org", ttl: 60, data: "192.0.2.80" };
    /// let message = packet::dns(#{ id: 7, response: 1, questions: "www.example.org", answers: [answer], compress: true });
    /// message.dns.answers[0].data == address("192.0.2.80")
    /// ```
    ///
    /// # Source
    /// RFC 1035, RFC 3596, RFC 2782, RFC 6891
    #[rhai_fn(return_raw)]
    pub fn dns(ctx: NativeCallContext, fields: Map) -> Answer<Packet> {
        layer(&ctx, "dns", &fields)
    }
}
