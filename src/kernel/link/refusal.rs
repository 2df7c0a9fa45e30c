//! What the kernel's refusals mean.

use nix::errno::Errno;

use crate::kernel::netlink::message::Refused;
use crate::model::link::{Object, Route, Setting, State};
use crate::model::{Change, Fault, Kind, Object as Any, State as AnyState};

/// Says what a change tries, as the end of "cannot ...".
pub(super) fn tried(change: &Change) -> String {
    let Any::Link(object) = &change.object else { return format!("change the {}", change.object) };
    match (object, &change.after) {
        (Object::Far(far), Some(_)) => match far.moved() {
            Some(dev) => format!("move the link {dev} to the {}", far.site),
            None => format!("make the link {far}"),
        },
        (Object::Far(far), None) => format!("bring the link {far} back"),
        (Object::Link(dev), Some(AnyState::Link(State::Link(link)))) => format!("make the link {dev} ({})", link.kind),
        (Object::Setting(dev, Setting::Up), Some(AnyState::Link(State::Setting(value)))) => {
            format!("set the link {dev} {}", Setting::Up.command(value))
        }
        (Object::Setting(dev, setting), Some(AnyState::Link(State::Setting(value)))) => {
            format!("set the {} of the link {dev} to {value}", setting.word())
        }
        (Object::Route(key), Some(AnyState::Link(State::Route(way)))) => {
            format!("{} the route {}", if change.before.is_some() { "change" } else { "add" }, Route::of(key.clone(), (**way).clone()))
        }
        (object, Some(_)) => format!("{} the {object}", if change.before.is_some() { "change" } else { "add" }),
        (object, None) => format!("take away the {object}"),
    }
}

/// Tells whether a change may be refused for a while: an address of IPv6 is no `src` as long as others are asked whether they have it (RFC 4862, section 5.4).
pub(super) fn may_have_to_wait(change: &Change) -> bool {
    matches!(&change.after, Some(AnyState::Link(State::Route(way))) if way.src.is_some_and(|src| src.is_ipv6()))
}

/// Tells whether the kernel says that it has no links of such a type.
pub(super) fn is_unknown_kind(refused: &Refused) -> bool {
    // __rtnl_newlink() of net/core/rtnetlink.c; kernels before 4.17 have no words.
    refused.errno == libc::EOPNOTSUPP && refused.words.as_ref().is_none_or(|words| words.contains("Unknown device type"))
}

/// Says that a type of links is not there, and what has it.
pub(super) fn unknown(tried: String, kind: &str, refused: &Refused) -> Fault {
    let words = refused.words.as_deref().unwrap_or("Unknown device type").trim_end_matches('.');
    let module = match kind {
        "vlan" => "8021q",
        "tap" => "tun",
        kind => kind,
    };
    Fault::new(Kind::Unsupported, tried, format!("{words}: this kernel has no {kind}")).hint(format!(
        "`modprobe {module}` loads it where the module is there; Debian has it in the package of a full kernel (linux-image-amd64), Fedora in kernel-modules-core"
    ))
}

/// Makes a fault of a change that was refused, with the kernel's own words.
pub(super) fn fault(change: &Change, refused: &Refused) -> Fault {
    if let (Any::Link(Object::Link(_)), Some(AnyState::Link(State::Link(link)))) = (&change.object, &change.after)
        && is_unknown_kind(refused)
    {
        return unknown(tried(change), &link.kind, refused);
    }
    let errno = Errno::from_raw(refused.errno);
    let is_link = matches!(change.object, Any::Link(Object::Link(_)));
    let kind = match errno {
        Errno::EPERM | Errno::EACCES => Kind::Permission,
        Errno::EEXIST => Kind::Exists,
        Errno::EOPNOTSUPP if is_link && change.after.is_some() => Kind::Unsupported,
        Errno::ENODEV | Errno::ENOENT | Errno::ESRCH => Kind::NotFound,
        Errno::ENOMEM | Errno::ENOBUFS => Kind::Limit,
        _ => Kind::Refused,
    };
    let why = match &refused.words {
        Some(words) => format!("{} ({})", words.trim_end_matches('.'), errno.desc()),
        None => errno.desc().to_owned(),
    };
    let fault = Fault::new(kind, tried(change), why);
    match (&change.object, errno) {
        (Any::Link(Object::Route(_)), Errno::ENETUNREACH | Errno::EHOSTUNREACH) => {
            fault.hint("the neighbour has to be on a network of an address here; `onlink` says that it is on the link all the same")
        }
        (Any::Link(Object::Far(_)), Errno::EINVAL) => {
            fault.hint("some links belong to the namespace in which they were made: a bridge, a bond, the loopback")
        }
        (Any::Link(Object::Far(_)), Errno::EBUSY) => fault.hint("another link has its index by now"),
        (Any::Link(Object::Route(_)), Errno::ENETDOWN) => fault.hint("set the link up first"),
        (Any::Link(Object::Setting(_, Setting::Name)), Errno::EBUSY) => {
            fault.hint("kernels before 6.2 rename a link only while it is down")
        }
        _ => fault,
    }
}
