//! The kinds of filters: how each is read and shown, and where it has what all have.

use super::{Draft, Filter, Key, basic, flow, flower, u32};
use crate::model::Fault;
use crate::model::tc::action::{Action, police};
use crate::model::tc::argv::Argv;
use crate::model::tc::attribute::Attributes;
use crate::model::tc::{Device, Handle};

/// What is to be known of a kind of filter.
pub(super) struct Grammar {
    pub(super) name: &'static str,
    /// The attribute with the class to which packets go.
    pub(super) class: Option<u16>,
    /// The attribute with the actions.
    pub(super) actions: u16,
    /// The attribute with a policer that is no action.
    pub(super) police: Option<u16>,
    /// The attribute with a tree of matches.
    pub(super) matches: Option<u16>,
    /// The attribute with the device at which packets come in.
    pub(super) indev: Option<u16>,
    /// The attribute that says whether hardware is to do it.
    pub(super) flags: Option<u16>,
    /// The attributes that run on by themselves.
    pub(super) runs: &'static [u16],
    /// The paths of attributes that have to be marked as holding attributes.
    pub(super) nested: &'static [&'static [u16]],
    /// Reads a word of its own, or tells that it is none.
    pub(super) word: fn(&mut Argv, &mut Draft) -> Result<bool, Fault>,
    /// Completes what was read, or refuses it.
    pub(super) end: fn(&Argv, &mut Draft) -> Result<(), Fault>,
    /// Shows the words of its own.
    pub(super) show: fn(&Filter, &Key) -> String,
}

/// Attributes that no kind has.
const NOTHING: Grammar = Grammar {
    name: "",
    class: None,
    actions: 0,
    police: None,
    matches: None,
    indev: None,
    flags: None,
    runs: &[],
    nested: &[],
    word: |_, _| Ok(false),
    end: |_, _| Ok(()),
    show: |_, _| String::new(),
};

const GRAMMARS: &[Grammar] = &[
    Grammar {
        name: "u32",
        class: Some(1),
        actions: 7,
        police: Some(6),
        indev: Some(8),
        flags: Some(u32::FLAGS),
        runs: &[9, 12],
        word: u32::word,
        end: u32::end,
        show: u32::show,
        ..NOTHING
    },
    Grammar {
        name: "flower",
        class: Some(1),
        actions: 3,
        indev: Some(2),
        flags: Some(flower::FLAGS),
        runs: &[86],
        nested: flower::NESTED,
        word: flower::word,
        end: flower::end,
        show: flower::show,
        ..NOTHING
    },
    Grammar { name: "matchall", class: Some(1), actions: 2, flags: Some(3), runs: &[4, 5], ..NOTHING },
    Grammar { name: "fw", class: Some(1), actions: 4, police: Some(2), indev: Some(3), end: basic::end_fw, ..NOTHING },
    Grammar { name: "basic", class: Some(1), actions: 3, police: Some(4), matches: Some(2), runs: &[5, 6], ..NOTHING },
    Grammar { name: "cgroup", actions: 1, police: Some(2), matches: Some(3), ..NOTHING },
    Grammar {
        name: "route",
        class: Some(1),
        actions: 6,
        police: Some(5),
        word: basic::word_route,
        end: basic::end_route,
        show: basic::show_route,
        ..NOTHING
    },
    Grammar {
        name: "flow",
        actions: 9,
        police: Some(10),
        matches: Some(11),
        word: flow::word,
        end: flow::end,
        show: flow::show,
        ..NOTHING
    },
    Grammar {
        name: "bpf",
        class: Some(3),
        actions: 1,
        police: Some(2),
        flags: Some(9),
        runs: &[10, 11],
        word: basic::word_bpf,
        end: basic::end_bpf,
        show: basic::show_bpf,
        ..NOTHING
    },
];

/// Finds what is to be known of a kind.
pub(super) fn find(kind: &str) -> Option<&'static Grammar> {
    GRAMMARS.iter().find(|grammar| grammar.name == kind)
}

/// Gives the names of the kinds whose words can be read.
pub fn names() -> impl Iterator<Item = &'static str> {
    GRAMMARS.iter().map(|grammar| grammar.name)
}

const SKIP: &[(&str, u32)] = &[("skip_hw", 1), ("skip_sw", 2)];

/// Reads the words that several kinds have, or tells that none is at hand.
pub(super) fn common(argv: &mut Argv, grammar: &Grammar, draft: &mut Draft) -> Result<bool, Fault> {
    if let Some(kind) = grammar.class.filter(|_| argv.begins("classid") || argv.is("flowid")) {
        argv.next_word()?;
        let word = argv.next_word()?;
        let class = Handle::of_class(&word).map_err(|fault| argv.refuse(fault.why))?;
        draft.options.set(kind, class.bits().to_ne_bytes());
        return Ok(true);
    }
    if argv.take_short(&["action"]) {
        draft.actions.extend(Action::list(argv)?);
        return Ok(true);
    }
    if let Some(kind) = grammar.police.filter(|_| argv.take_short(&["police"])) {
        draft.options.put_nest(kind, &Action::new("police", police::read(argv)?).options);
        return Ok(true);
    }
    if let Some(kind) = grammar.matches.filter(|_| argv.take_short(&["match"])) {
        draft.options.put_nest(kind, &super::ematch::read(argv)?);
        return Ok(true);
    }
    if let Some(kind) = grammar.indev.filter(|_| argv.take("indev")) {
        let device: Device = argv.next_word()?.parse()?;
        draft.options.put_text(kind, device.as_str());
        return Ok(true);
    }
    if let (Some(kind), Some((_, bit))) = (grammar.flags, SKIP.iter().find(|(word, _)| argv.is(word))) {
        argv.next_word()?;
        let flags = draft.options.u32(kind).unwrap_or(0) | bit;
        draft.options.set(kind, flags.to_ne_bytes());
        return if flags & 3 == 3 { Err(argv.refuse("`skip_hw` and `skip_sw` exclude each other")) } else { Ok(true) };
    }
    Ok(false)
}

/// Shows the words that several kinds have, but for the actions.
pub(super) fn common_shown(grammar: &Grammar, options: &Attributes) -> String {
    let mut line = String::new();
    // tc(8) takes it in front of the class only.
    if let Some(tree) = grammar.matches.and_then(|kind| options.nest(kind)) {
        line.push_str(&format!(" match '{}'", super::ematch::shown(&tree)));
    }
    if let Some(class) = grammar.class.and_then(|kind| options.u32(kind)) {
        line.push_str(&format!(" classid {}", Handle::of(class)));
    }
    if let Some(device) = grammar.indev.and_then(|kind| options.text(kind)) {
        line.push_str(&format!(" indev {device}"));
    }
    if let Some(flags) = grammar.flags.and_then(|kind| options.u32(kind)) {
        SKIP.iter().filter(|(_, bit)| flags & bit != 0).for_each(|(word, _)| line.push_str(&format!(" {word}")));
    }
    if let Some(inside) = grammar.police.and_then(|kind| options.nest(kind)) {
        line.push_str(&format!(" {}", police::show(&inside)));
    }
    line
}
