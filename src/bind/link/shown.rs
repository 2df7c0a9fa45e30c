//! What a script sees of an object: a map that can be given back.

use rhai::{Dynamic, Map};

use crate::model::Family;
use crate::model::address::Address;
use crate::model::link::names::{PROTOCOLS, SCOPES, TABLES, shown};
use crate::model::link::route::{Fate, Hop, Key, MEASURES, Way};
use crate::model::link::rule::Action;
use crate::model::link::{Far, Link, Rule, Setting, Value, address, neighbour};

/// A map that is being filled.
#[derive(Default)]
pub(super) struct Fields(Map);

impl Fields {
    /// Adds a text, if there is one.
    pub(super) fn text(&mut self, key: &str, text: Option<impl ToString>) -> &mut Self {
        self.value(key, text.map(|text| text.to_string().into()))
    }

    /// Adds a number, if there is one.
    pub(super) fn number(&mut self, key: &str, number: Option<impl Into<i64>>) -> &mut Self {
        self.value(key, number.map(|number| Dynamic::from_int(number.into())))
    }

    /// Adds a flag, if it is set.
    pub(super) fn flag(&mut self, key: &str, flag: bool) -> &mut Self {
        self.value(key, flag.then_some(true.into()))
    }

    /// Adds a value, if there is one.
    pub(super) fn value(&mut self, key: &str, value: Option<Dynamic>) -> &mut Self {
        if let Some(value) = value {
            self.0.insert(key.into(), value);
        }
        self
    }

    /// Gives the map.
    pub(super) fn map(&mut self) -> Map {
        std::mem::take(&mut self.0)
    }
}

/// Gives a number where one has no name.
fn named(names: &[(&str, u32)], number: u32) -> Dynamic {
    let text = shown(names, number);
    text.parse::<i64>().map_or_else(|_| text.into(), Dynamic::from_int)
}

/// Gives a link.
pub(super) fn link(index: u32, link: &Link, far: Option<&Far>, settings: &[(Setting, Value)]) -> Map {
    let mut fields = Fields::default();
    fields.number("index", Some(index)).text("type", Some(&link.kind).filter(|kind| !kind.is_empty()));
    fields.text("link", link.parent.as_ref()).text("peer", link.peer.as_ref());
    fields.value(
        "peer",
        far.map(|far| Dynamic::from_map(Fields::default().text("name", Some(&far.dev)).text("netns", Some(&far.site.home)).map())),
    );
    for (name, value) in link.options.iter() {
        fields.value(name, Some(option(value)));
    }
    for (setting, value) in settings {
        fields.value(setting.word(), of_setting(value));
    }
    fields.map()
}

fn option(value: &str) -> Dynamic {
    match value {
        "on" => true.into(),
        "off" => false.into(),
        _ => value.parse::<i64>().map_or_else(|_| value.to_owned().into(), Dynamic::from_int),
    }
}

/// Gives what a link is set to; nothing where nothing is, or nobody knows.
pub(super) fn of_setting(value: &Value) -> Option<Dynamic> {
    match value {
        Value::Flag(flag) => Some((*flag).into()),
        Value::Number(number) => Some(i64::from(*number).into()),
        Value::Text(text) => Some(text.clone()).filter(|text| !text.is_empty()).map(Dynamic::from),
        Value::Mac(mac) => Some(mac.to_string()).filter(|text| !text.is_empty()).map(Dynamic::from),
        Value::Name(name) => Some(name.to_string().into()),
        Value::Link(dev) => dev.as_ref().map(|dev| dev.to_string().into()),
        Value::Unknown => None,
    }
}

/// Gives an address of a link.
pub(super) fn address(key: &address::Key, about: &address::About) -> Map {
    let mut fields = Fields::default();
    fields.text("address", Some(key.host)).text("dev", Some(&key.dev)).text("peer", about.peer).text("broadcast", about.broadcast);
    let usual = address::About::of(&key.host);
    fields.value("scope", (about.scope != usual.scope).then(|| named(SCOPES, about.scope.into())));
    fields.text("label", about.label.as_ref()).number("metric", about.metric);
    fields.number("valid_lft", Some(about.valid).filter(|seconds| *seconds != address::FOREVER));
    fields.number("preferred_lft", Some(about.preferred).filter(|seconds| *seconds != address::FOREVER));
    for (flag, word, _) in address::Flag::ALL {
        fields.flag(word, about.flags.contains(&flag));
    }
    fields.map()
}

/// Gives a neighbour.
pub(super) fn neighbour(key: &neighbour::Key, about: &neighbour::About) -> Map {
    let mut fields = Fields::default();
    fields.text("address", Some(key.address)).text("dev", Some(&key.dev)).text("lladdr", about.lladdr.as_ref());
    fields.text("nud", Some(shown(neighbour::STATES, about.state.into()))).flag("router", about.router);
    fields.map()
}

/// Gives a route.
pub(super) fn route(key: &Key, way: &Way) -> Map {
    let mut fields = Fields::default();
    fields.text("to", Some(key.to)).text("from", key.from).value("table", Some(named(TABLES, key.table)));
    fields.number("metric", Some(key.metric).filter(|metric| *metric > 0)).number("tos", Some(key.tos).filter(|tos| *tos > 0));
    fields.text("type", Some(way.fate.word()).filter(|_| way.fate != Fate::Unicast));
    fields
        .value("proto", Some(named(PROTOCOLS, way.proto.into())))
        .value("scope", (way.scope > 0).then(|| named(SCOPES, way.scope.into())));
    fields.text("src", way.src).text("congctl", way.congctl.as_ref());
    for (number, value) in &way.measures {
        if let Some((name, _)) = MEASURES.iter().find(|(_, of)| of == number) {
            let locked = way.locked >> number & 1 == 1;
            fields.value(name, Some(if locked { format!("lock {value}").into() } else { i64::from(*value).into() }));
        }
    }
    match &way.hops[..] {
        [one] => hop(&mut fields, one, key.to.family()),
        [] => {}
        hops => {
            let all: Vec<Dynamic> = hops.iter().map(|hop| several(hop, key.to.family())).collect();
            fields.value("nexthops", Some(all.into()));
        }
    }
    fields.map()
}

fn hop(fields: &mut Fields, hop: &Hop, family: Family) {
    let via = hop.via.map(|via| match Address(via).family() {
        of if of == family => via.to_string(),
        Family::V4 => format!("inet {via}"),
        Family::V6 => format!("inet6 {via}"),
    });
    fields.text("via", via).text("dev", hop.dev.as_ref()).flag("onlink", hop.onlink);
}

fn several(of: &Hop, family: Family) -> Dynamic {
    let mut fields = Fields::default();
    hop(&mut fields, of, family);
    fields.number("weight", Some(of.weight));
    Dynamic::from_map(fields.map())
}

/// Gives a rule.
pub(super) fn rule(rule: &Rule) -> Map {
    let mut fields = Fields::default();
    fields.number("priority", Some(rule.priority)).flag("not", rule.not).text("family", Some(rule.family.name()));
    fields.text("from", rule.from).text("to", rule.to).text("iif", rule.iif.as_ref()).text("oif", rule.oif.as_ref());
    fields.number("tos", rule.tos).text("fwmark", rule.fwmark.map(|(mark, mask)| format!("{mark:#x}/{mask:#x}")));
    fields.number("ipproto", rule.ipproto);
    let range = |(first, last): (u16, u16)| format!("{first}-{last}");
    fields.text("sport", rule.sport.map(range)).text("dport", rule.dport.map(range));
    fields.text("uidrange", rule.uidrange.map(|(first, last)| format!("{first}-{last}")));
    fields.number("suppress_prefixlength", rule.suppress).value("proto", (rule.proto != 0).then(|| named(PROTOCOLS, rule.proto.into())));
    match rule.action {
        Action::Lookup(table) => fields.value("lookup", Some(named(TABLES, table))),
        Action::Goto(to) => fields.number("goto", Some(to)),
        Action::Nop => fields.flag("nop", true),
        Action::Blackhole => fields.flag("blackhole", true),
        Action::Unreachable => fields.flag("unreachable", true),
        Action::Prohibit => fields.flag("prohibit", true),
    };
    fields.map()
}
