//! What the kernel's refusals mean.

use nix::errno::Errno;

use crate::kernel::netlink::message::Refused;
use crate::model::tc::{Kind, State};
use crate::model::{self, Change, Fault};

/// Makes a fault of a refusal of a change.
pub(super) fn of(change: Option<&Change>, refused: &Refused) -> Fault {
    let kind = change.and_then(|change| match &change.after {
        Some(model::State::Tc(State::Qdisc(qdisc))) => Some(&qdisc.kind),
        Some(model::State::Tc(State::Class(class))) => Some(&class.kind),
        _ => None,
    });
    let tried = change.map_or_else(
        || "change the qdiscs".to_owned(),
        |change| match (&change.before, &change.after, kind) {
            (_, Some(_), Some(kind)) => format!("set the {} ({kind})", change.object),
            _ => format!("take away the {}", change.object),
        },
    );
    match kind {
        Some(kind) if is_unknown_kind(refused) => unknown(&tried, kind),
        _ => said(&tried, refused),
    }
}

fn said(tried: &str, refused: &Refused) -> Fault {
    let errno = Errno::from_raw(refused.errno);
    let kind = match errno {
        Errno::EPERM | Errno::EACCES => model::Kind::Permission,
        Errno::ENOENT | Errno::ENODEV => model::Kind::NotFound,
        Errno::EEXIST => model::Kind::Exists,
        Errno::EBUSY => model::Kind::Busy,
        _ => model::Kind::Refused,
    };
    let why = match &refused.words {
        Some(words) => format!("{} ({})", words.trim_end_matches('.'), errno.desc()),
        None => errno.desc().to_owned(),
    };
    let fault = Fault::new(kind, tried, why);
    match errno {
        Errno::EBUSY => fault.hint("a filter still puts packets into it, or something is in it"),
        _ => fault,
    }
}

/// Tells whether the kernel says that it has no qdisc of such a name.
pub(super) fn is_unknown_kind(refused: &Refused) -> bool {
    // qdisc_create() of net/sched/sch_api.c; kernels before 4.16 have no words.
    match &refused.words {
        Some(words) => words.contains("qdisc kind is unknown"),
        None => Errno::from_raw(refused.errno) == Errno::ENOENT,
    }
}

/// Says that a kind is not there, and what has it.
pub(super) fn unknown(tried: &str, kind: &Kind) -> Fault {
    let why = format!("Specified qdisc kind is unknown: this kernel has no {kind}");
    let module = kind.module();
    Fault::new(model::Kind::Unsupported, tried, why).hint(format!(
        "`modprobe {module}` loads it where the module is there; Debian has it in the package of a full kernel (linux-image-amd64), Fedora in kernel-modules-extra"
    ))
}
