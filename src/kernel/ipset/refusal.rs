//! What the error numbers of ipset mean, in the words of ipset(8).

use nix::errno::Errno;

use crate::kernel::errno;
use crate::model::ipset::{Method, SetType, Step};
use crate::model::{Fault, Kind};

/// `enum ipset_errno`.
mod number {
    pub(super) const PROTOCOL: i32 = 4097;
    pub(super) const FIND_TYPE: i32 = 4098;
    pub(super) const MAX_SETS: i32 = 4099;
    pub(super) const BUSY: i32 = 4100;
    pub(super) const EXIST_SETNAME2: i32 = 4101;
    pub(super) const TYPE_MISMATCH: i32 = 4102;
    pub(super) const EXIST: i32 = 4103;
    pub(super) const INVALID_CIDR: i32 = 4104;
    pub(super) const INVALID_NETMASK: i32 = 4105;
    pub(super) const INVALID_FAMILY: i32 = 4106;
    pub(super) const TIMEOUT: i32 = 4107;
    pub(super) const REFERENCED: i32 = 4108;
    pub(super) const IPADDR_IPV4: i32 = 4109;
    pub(super) const IPADDR_IPV6: i32 = 4110;
    pub(super) const COUNTER: i32 = 4111;
    pub(super) const COMMENT: i32 = 4112;
    pub(super) const INVALID_MARKMASK: i32 = 4113;
    pub(super) const SKBINFO: i32 = 4114;
    /// From here on the numbers mean something else for each method.
    pub(super) const TYPE_SPECIFIC: i32 = 4352;
}

/// Tells whether a refusal may be over in a moment.
pub(super) fn may_pass(step: Option<&Step>, errno: i32) -> bool {
    matches!(step, Some(Step::Destroy(_))) && [number::BUSY, number::REFERENCED].contains(&errno)
}

/// Makes a fault of a type that the kernel does not have.
pub(super) fn unknown_type(tried: &str, kind: SetType) -> Fault {
    let module = kind.name().replace(':', "_").replace(',', "");
    let why = format!("this kernel has no sets of the type {kind}");
    Fault::new(Kind::Unsupported, tried, why).hint(format!("the module is ip_set_{module}: see modprobe(8)"))
}

/// Makes a fault of a step that the kernel refused. `kind` is the name of the type of the set, where it is known.
pub(super) fn fault(step: &Step, kind: &str, errno: i32) -> Fault {
    let tried = step.to_string();
    let say = |kind: Kind, why: &str| Fault::new(kind, tried.clone(), why);
    if errno >= number::TYPE_SPECIFIC {
        return say(Kind::Refused, &specific(kind, errno - number::TYPE_SPECIFIC));
    }
    match errno {
        number::EXIST => match step {
            Step::Remove(..) => say(Kind::NotFound, "it is not in the set"),
            _ => say(Kind::Exists, "it is already in the set"),
        },
        number::PROTOCOL => say(Kind::Refused, "the kernel does not understand the message"),
        number::FIND_TYPE => say(Kind::Unsupported, "this kernel has no sets of that type"),
        number::MAX_SETS => say(Kind::Limit, "the number of sets has reached the maximum"),
        number::BUSY => say(Kind::Busy, "it is in use by a kernel component").hint("rules or lists of sets name it: take them out first"),
        number::REFERENCED => say(Kind::Busy, "it is in use by another system").hint("rules or lists of sets name it: take them out first"),
        number::EXIST_SETNAME2 if matches!(step, Step::Swap(..)) => say(Kind::NotFound, "the second set is not there"),
        number::EXIST_SETNAME2 => say(Kind::Exists, "a set of the new name is there already"),
        number::TYPE_MISMATCH => say(Kind::Refused, "the types of the sets do not match"),
        number::INVALID_CIDR => say(Kind::Refused, "the length of the network is not valid"),
        number::INVALID_NETMASK => say(Kind::Refused, "the netmask or bitmask is not valid"),
        number::INVALID_FAMILY => say(Kind::Refused, "the family is not supported by this type"),
        number::TIMEOUT => say(Kind::Refused, "the set was made without timeouts").hint("create it with `timeout 0`"),
        number::IPADDR_IPV4 => say(Kind::Refused, "an IPv4 address is expected"),
        number::IPADDR_IPV6 => say(Kind::Refused, "an IPv6 address is expected"),
        number::COUNTER => say(Kind::Refused, "the set was made without counters"),
        number::COMMENT => say(Kind::Refused, "the set was made without comments"),
        number::INVALID_MARKMASK => say(Kind::Refused, "the mask of the mark is not valid"),
        number::SKBINFO => say(Kind::Refused, "the set was made without skbinfo"),
        _ => system(step, errno),
    }
}

/// The numbers of errno(3), which mean more here than they say.
fn system(step: &Step, number: i32) -> Fault {
    let tried = step.to_string();
    let say = |kind: Kind, why: &str| Fault::new(kind, tried.clone(), why);
    match (Errno::from_raw(number), step) {
        (Errno::EEXIST, Step::Create(..)) => say(Kind::Exists, "a set of this name is there already"),
        (Errno::EEXIST, Step::Rename(_, to)) => say(Kind::Exists, &format!("a set {to} is there already")),
        (Errno::EEXIST, Step::Remove(..)) => say(Kind::NotFound, "it is not in the set"),
        (Errno::ENOENT, _) => say(Kind::NotFound, "there is no set of this name").hint("see `ipset list -n`"),
        (Errno::ENOMEM, _) => say(Kind::Limit, "the kernel has no memory for it"),
        (Errno::ERANGE, _) => say(Kind::Refused, "it stands for too many elements"),
        _ => {
            let fault = errno::fault(tried, std::io::Error::from_raw_os_error(number));
            Fault { kind: if fault.kind == Kind::System { Kind::Refused } else { fault.kind }, ..fault }
        }
    }
}

/// The numbers that each method has for itself, counted from 0.
fn specific(kind: &str, number: i32) -> String {
    let method = kind.parse::<SetType>().map(SetType::method);
    let words = match (method, number) {
        (Ok(Method::Bitmap), 0) => "it is out of the range of the set",
        (Ok(Method::Bitmap), 1) => "the range is larger than a bitmap can be",
        (Ok(Method::Hash), 0) => "the hash is full: it holds as many elements as its `maxelem` allows",
        (Ok(Method::Hash), 1) => "zero cannot be stored in a hash",
        (Ok(Method::Hash), 2) => "the protocol is not valid",
        (Ok(Method::Hash), 3) => "the protocol is missing",
        (Ok(Method::Hash), 4) => "ranges are not supported here",
        (Ok(Method::Hash), 5) => "the range is not valid",
        (Ok(Method::List), 0) => "the set that it names is not there",
        (Ok(Method::List), 1) => "a list of sets cannot hold a list of sets",
        (Ok(Method::List), 2) => "no set is named before or after which it is to stand",
        (Ok(Method::List), 3) => "the set beside which it is to stand is not there",
        (Ok(Method::List), 4) => "the list is full",
        (Ok(Method::List), 5) => "the set beside which it is to stand is not in the list",
        _ => return format!("the kernel answers with the error {}", number::TYPE_SPECIFIC + number),
    };
    words.to_owned()
}
