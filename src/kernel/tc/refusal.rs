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
    if let Some(fault) = change.and_then(|change| of_filter(change, refused)) {
        return fault;
    }
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

/// Makes a fault of a refusal of a change of a filter or an action.
fn of_filter(change: &Change, refused: &Refused) -> Option<Fault> {
    let filter = |state: &Option<model::State>| match state {
        Some(model::State::Tc(State::Filter(filter))) => Some(filter.kind.clone()),
        _ => None,
    };
    let kind = filter(&change.after)
        .or_else(|| filter(&change.before))
        .or_else(|| super::filter::of_action(change).map(|action| action.kind.clone()))?;
    let tried =
        if change.after.is_some() { format!("set the {} ({kind})", change.object) } else { format!("take away the {}", change.object) };
    // tcf_proto_lookup_ops() of net/sched/cls_api.c, tc_action_load_ops() of act_api.c.
    let lacks = |words: &str| refused.words.as_ref().is_some_and(|said| said.contains(words));
    let what = match () {
        () if lacks("TC classifier not found") => format!("filters of kind {kind}, or the module cls_{kind}"),
        () if lacks("Failed to load TC action module") => "one of these actions: its module act_… is not there".to_owned(),
        () if lacks("Failed to load qdisc") => "what it needs".to_owned(),
        () if matches!(change.object, model::Object::Action(_)) && change.after.is_none() && refused.errno == libc::EPERM => {
            return Some(Fault::new(model::Kind::Busy, tried, "a filter uses it").hint("take that filter away first"));
        }
        () => return Some(said(&tried, refused)),
    };
    let words = refused.words.as_deref().unwrap_or_default();
    let fault = Fault::new(model::Kind::Unsupported, tried, format!("{words}: this kernel lacks {what}"));
    Some(fault.hint("Debian has the modules in the package of a full kernel (linux-image-amd64), Fedora in kernel-modules-extra"))
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
    let of_module = || {
        format!(
            "`modprobe {module}` loads it where the module is there; Debian has it in the package of a full kernel (linux-image-amd64), Fedora in kernel-modules-extra"
        )
    };
    Fault::new(model::Kind::Unsupported, tried, why).hint(kind.hint().unwrap_or_else(of_module))
}
