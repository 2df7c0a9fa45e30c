//! What the kernel's refusals mean here, and what to do about them.

use std::io;
use std::net::IpAddr;

use nix::errno::Errno;

use crate::kernel::errno;
use crate::model::raw::Way;
use crate::model::{Fault, Kind};

/// Makes the fault of a socket that was not opened.
pub(super) fn of_opening(way: &Way, error: io::Error) -> Fault {
    let tried = format!("open a {way}");
    let number = error.raw_os_error().map(Errno::from_raw);
    match (way, number) {
        (Way::Ping { .. }, Some(Errno::EACCES | Errno::EPERM)) => {
            Fault::new(Kind::Permission, tried, "no group of this user is in net.ipv4.ping_group_range")
                .hint("sysctl -w net.ipv4.ping_group_range=\"0 2147483647\" lets everybody ping; with CAP_NET_RAW, raw::open(.., \"icmp\") does without")
        }
        (_, Some(Errno::EPERM | Errno::EACCES)) => Fault::new(Kind::Permission, tried, "it takes CAP_NET_RAW")
            .hint("run fyke as root (sudo fyke run ...), or in a network of your own: fyke --sandbox run ..."),
        (_, Some(Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT)) => {
            Fault::new(Kind::Unsupported, tried, "this kernel has no such sockets")
        }
        _ => errno::fault(tried, error),
    }
}

/// Makes the fault of a link that cannot be used.
pub(super) fn of_link(name: &str, error: Errno) -> Fault {
    let tried = format!("use the link {name}");
    match error {
        Errno::ENODEV | Errno::ENXIO => Fault::new(Kind::NotFound, tried, "there is no such link here"),
        _ => errno::fault(tried, error),
    }
}

/// Makes the fault of a packet that was not sent.
pub(super) fn of_sending(way: &Way, what: &str, bytes: usize, error: Errno) -> Fault {
    let tried = format!("send {what} through the {way}");
    let refused = |why: String| Fault::new(Kind::Refused, tried.clone(), why);
    match error {
        Errno::EMSGSIZE => refused(format!("it has {bytes} bytes, more than the link or the path takes (EMSGSIZE)"))
            .hint("make it shorter, or let the kernel cut it: the option `mtu_discover: \"dont\"`; a whole IP packet is never cut"),
        Errno::ENETDOWN => refused("the link is down".into()).hint("link::get(..).up = true"),
        Errno::ENETUNREACH => refused("there is no route to it".into()),
        Errno::EHOSTUNREACH => refused("nobody answers for it on its link, or a route says that it cannot be reached".into()),
        Errno::EACCES => {
            refused("it is a broadcast address, and the socket was not told that this is meant".into()).hint("the option `broadcast: true`")
        }
        Errno::EPERM => refused("a rule of this host drops it".into()).hint("look at the chain OUTPUT: fyke run show-firewall"),
        Errno::ENOBUFS | Errno::EAGAIN | Errno::ENOMEM => {
            Fault::new(Kind::Busy, tried, format!("the queue of the link or the memory for sockets is full ({error})"))
                .hint("send more slowly, or with a larger `send_buffer`")
        }
        Errno::EINVAL => refused("the kernel takes no such packet (EINVAL)".into())
            .hint("a packet with its own header begins with a whole IP header; a frame has at least 14 bytes"),
        _ => errno::fault(tried, error),
    }
}

/// Makes the fault of a host to which no packet finds its way.
pub(super) fn of_route(to: IpAddr, error: Errno) -> Fault {
    let tried = format!("find the way to {to}");
    match error {
        Errno::ENETUNREACH => {
            Fault::new(Kind::Refused, tried, "there is no route to it").hint("fyke run ... in another namespace, or link::routes().list()")
        }
        Errno::EHOSTUNREACH | Errno::EACCES => Fault::new(Kind::Refused, tried, "a route says that it cannot be reached"),
        Errno::EINVAL if to.is_ipv6() => Fault::new(Kind::Input, tried, "a link-local address says nothing without a link")
            .hint("the option `interface` says which link is meant"),
        _ => errno::fault(tried, error),
    }
}

/// Makes the fault of a server to which there is no connection.
pub(super) fn of_connecting(to: IpAddr, error: Errno) -> Fault {
    let refused = |why: &str| Fault::new(Kind::Refused, format!("connect to {to}"), why.to_owned());
    match error {
        Errno::ECONNREFUSED => refused("nobody listens there by TCP (ECONNREFUSED)"),
        Errno::ENETUNREACH => refused("there is no route to it"),
        Errno::EHOSTUNREACH => refused("nobody answers for it on its link, or somebody on the way says that it cannot be reached"),
        Errno::EPERM | Errno::EACCES => refused("a rule or a route of this host forbids it"),
        _ => errno::fault(format!("connect to {to}"), error),
    }
}

/// Makes the fault of a packet of which the kernel took a part only.
pub(super) fn cut_short(way: &Way, what: &str, sent: usize, bytes: usize) -> Fault {
    Fault::new(Kind::System, format!("send {what} through the {way}"), format!("the kernel took {sent} of its {bytes} bytes"))
}

/// Makes the fault of a capture that nobody has begun.
pub(super) fn no_capture() -> Fault {
    Fault::input("capture frames", "the socket was opened for something else")
}

/// Makes the fault of a link that went down, or away, while its frames were received.
pub(super) fn gone(way: &Way) -> Fault {
    Fault::new(Kind::Refused, format!("receive from the {way}"), "the link has gone down")
}
