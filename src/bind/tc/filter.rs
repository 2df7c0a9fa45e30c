//! The filters of a device.

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, NativeCallContext};

use super::given;
use super::handle::{self, Device};
use crate::bind::call::{self, Answer};
use crate::model::named::{Edit, Scope};
use crate::model::near::did_you_mean;
use crate::model::tc::action::Action;
use crate::model::tc::filter::{self, Command, Key, Verb};
use crate::model::tc::{self, Filter, Object, State, protocol};
use crate::model::{Fault, Kind, Object as AnyObject, link};

/// Keys of a map that stand before the kind of a filter.
const BEFORE: &[&str] = &["protocol", "pref", "prio", "chain", "handle"];
/// Keys that have to stand before others.
const FIRST: &[&str] = &["num_of_vlans", "vlan_ethtype", "cvlan_ethtype", "ppp_proto", "ip_proto", "keys"];
/// Keys that only tell where a filter is, or of what it is made.
const TOLD: &[&str] = &["dev", "place", "kind", "options", "actions"];

/// Reads what was given as the words of a filter, from its protocol on: a text, or a map.
fn words(ctx: &NativeCallContext, value: &Dynamic) -> Answer<String> {
    let Some(map) = value.read_lock::<Map>() else { return given::word(ctx, value) };
    let of = |key: &str| map.get(key).filter(|value| !value.is_unit()).map(|value| given::word(ctx, value)).transpose();
    let Some(kind) = of("kind")? else {
        let fault = Fault::input("use a map as words of tc(8)", "the key `kind` is missing");
        return Err(call::fault(ctx, fault.hint("#{ kind: \"flower\", dst_ip: \"192.0.2.1\", action: \"drop\" }")));
    };
    let mut line = String::new();
    for key in BEFORE {
        line.extend(of(key)?.map(|value| format!("{key} {value} ")));
    }
    line.push_str(&kind);
    if let Some(options) = of("options")? {
        return Ok(format!("{line} {options}"));
    }
    let others = map.keys().map(|key| key.as_str()).filter(|key| ![FIRST, BEFORE, TOLD, &["action"]].iter().any(|keys| keys.contains(key)));
    for key in FIRST.iter().copied().chain(others) {
        line.push_str(&option(ctx, key, map.get(key))?);
    }
    line.push_str(&option(ctx, "action", map.get("action"))?);
    Ok(line)
}

/// Writes a key with its value; with each of several.
fn option(ctx: &NativeCallContext, key: &str, value: Option<&Dynamic>) -> Answer<String> {
    let Some(value) = value.filter(|value| !value.is_unit()) else { return Ok(String::new()) };
    if let Some(list) = value.read_lock::<Array>() {
        return list.iter().map(|one| option(ctx, key, Some(one))).collect();
    }
    match value.as_bool() {
        Ok(true) => Ok(format!(" {key}")),
        Ok(false) => Ok(String::new()),
        // An expression of matches is one word.
        Err(_) if key == "match" && given::word(ctx, value)?.contains('(') => Ok(format!(" {key} '{}'", given::word(ctx, value)?)),
        Err(_) => Ok(format!(" {key} {}", given::word(ctx, value)?)),
    }
}

/// Reads a place of a device, and what a filter there is to be, as a command of tc(8).
fn command(ctx: &NativeCallContext, device: &Device, verb: &str, place: &str, filter: &Dynamic) -> Answer<Command> {
    let place = match place {
        "root" | "ingress" | "egress" => place.to_owned(),
        class => format!("parent {class}"),
    };
    let words = words(ctx, filter)?;
    format!("{verb} dev {} {place} {words}", device.name).parse().map_err(|f| call::fault(ctx, f))
}

fn inventory(ctx: &NativeCallContext, device: &Device) -> Answer<crate::model::Inventory> {
    device.is_there(ctx)?;
    handle::read(ctx, Scope::Tc(tc::Scope::Device(device.name.clone())))
}

/// Fails where packets are to be sent to a device that is not there, and that the script does not make either.
pub(super) fn reach(ctx: &NativeCallContext, actions: &[Action]) -> Answer<()> {
    let asked: Vec<&str> = actions.iter().filter_map(Action::device).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let links = handle::read(ctx, Scope::Link(link::Scope::Links))?;
    let name = |object: &AnyObject| match object {
        AnyObject::Link(link::Object::Link(dev)) => Some(dev.to_string()),
        _ => None,
    };
    let names: Vec<String> = links.keys().filter_map(name).collect();
    match asked.into_iter().find(|asked| !names.iter().any(|name| name == asked)) {
        Some(missing) => {
            let fault = Fault::new(Kind::NotFound, format!("send packets to the device {missing}"), "there is no such device");
            let hint = did_you_mean(missing, names.iter().map(String::as_str));
            Err(call::fault(ctx, hint.into_iter().fold(fault, Fault::hint)))
        }
        None => Ok(()),
    }
}

/// Queues what a command asks for.
fn run(ctx: &NativeCallContext, command: &Command) -> Answer<()> {
    let device = Device::named(ctx, command.place.device.as_str())?;
    if let Some(filter) = command.filter.as_ref().filter(|_| command.verb != Verb::Delete) {
        reach(ctx, &filter.actions)?;
    }
    let edits: Vec<Edit> = command.edits(&inventory(ctx, &device)?).map_err(|f| call::fault(ctx, f))?;
    handle::change(ctx, edits)
}

/// Gives an action as a map.
pub(super) fn shown_action(action: &Action) -> Dynamic {
    let words = action.to_string();
    let mut map = Map::from([("kind".into(), action.kind.as_str().into()), ("words".into(), words.into())]);
    if action.index() > 0 {
        map.insert("index".into(), i64::from(action.index()).into());
    }
    Dynamic::from_map(map)
}

/// Gives a filter as a map, which can be given to `ensure_filter` and the like.
fn shown(device: &tc::Device, key: &Key, filter: &Filter) -> Dynamic {
    let place = filter::place(key.parent);
    let options = filter.words(key);
    let options = options.strip_prefix(&filter.kind).unwrap_or_default().trim_start().to_owned();
    let mut map = Map::from([
        ("dev".into(), device.as_str().into()),
        ("place".into(), place.into()),
        ("protocol".into(), protocol::name(key.protocol).into()),
        ("pref".into(), i64::from(key.prio).into()),
        ("handle".into(), key.handle_words(filter).into()),
        ("kind".into(), filter.kind.as_str().into()),
        ("options".into(), options.into()),
        ("actions".into(), filter.actions.iter().map(shown_action).collect::<Array>().into()),
    ]);
    if key.chain > 0 {
        map.insert("chain".into(), i64::from(key.chain).into());
    }
    if let Some(class) = filter.class() {
        map.insert("classid".into(), class.to_string().into());
    }
    Dynamic::from_map(map)
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A network device, with what queues on it.
    pub type Device = crate::bind::tc::handle::Device;

    /// Does what `tc filter` would do: makes, changes, replaces or takes away filters.
    ///
    /// - `words`: what stands behind `tc filter`: `"add dev eth0 ingress protocol ip prio 1 u32 match ip src 192.0.2.1 action drop"`; or an array of such texts
    ///
    /// fyke reads the words itself. A priority and a handle that nobody chooses it chooses as the kernel would. `del` takes away all filters that are as it says.
    ///
    /// # Changes
    /// The filters; undo takes out those that were made, and puts back those that were taken away, with their priorities, handles and actions.
    ///
    /// # Fails
    /// `input`: the words are not those of tc(8). `exists`: there is one of this priority and handle. `not-found`: there is no such device, qdisc, class or filter.
    /// `unsupported`: this kernel does not have the kind. `refused`: it could not be put back.
    ///
    /// # Example
    /// ```rhai
    /// tc::qdisc("add dev lo root handle 1: htb default 10");
    /// tc::class("add dev lo parent 1: classid 1:10 htb rate 1mbit");
    /// tc::filter("add dev lo parent 1: protocol ip prio 1 u32 match ip dst 192.0.2.1 flowid 1:10");
    /// ```
    ///
    /// # Source
    /// tc(8), tc-u32(8), tc-flower(8), tc-matchall(8), tc-fw(8), tc-basic(8), tc-actions(8)
    #[rhai_fn(return_raw, volatile)]
    pub fn filter(ctx: NativeCallContext, words: Dynamic) -> Answer<()> {
        for line in handle::lines(&ctx, &words)? {
            let command: Command = line.parse().map_err(|f| call::fault(&ctx, f))?;
            run(&ctx, &command)?;
        }
        Ok(())
    }

    /// Lists the filters of the device as maps: place, protocol, pref, handle, kind, options and actions.
    ///
    /// Each map can be given to `ensure_filter`.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.add("ingress", "clsact");
    /// lo.add_filter("ingress", "protocol ip pref 1 u32 match ip src 192.0.2.1 action mirred egress redirect dev lo");
    /// lo.filters()[0].pref == 1
    /// ```
    ///
    /// # Source
    /// tc(8), filter show
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn filters(ctx: NativeCallContext, device: &mut Device) -> Answer<Array> {
        let shown = |(object, state): &(Object, State)| match (object, state) {
            (Object::Filter(name, key), State::Filter(filter)) => Some(shown(name, key, filter)),
            _ => None,
        };
        Ok(device.all(&ctx)?.iter().filter_map(shown).collect())
    }

    /// Makes a filter that is not there.
    ///
    /// - `place`: `"ingress"`, `"egress"`, `"root"`, or the qdisc or class that asks it: `"1:"`
    /// - `filter`: what stands behind the place in the words of tc(8) (`"protocol ip pref 1 flower dst_ip 192.0.2.1 action drop"`), or a map
    ///   (`#{ protocol: "ip", pref: 1, kind: "flower", dst_ip: "192.0.2.1", action: "drop" }`)
    ///
    /// # Changes
    /// The filter is made; undo takes it away.
    ///
    /// # Fails
    /// `exists`: there is one of this priority and handle. `input`: the words are not those of tc(8). `not-found`: there is no such qdisc or class.
    /// `unsupported`: this kernel does not have the kind, or an action.
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.add("root", "handle 1: htb default 10");
    /// lo.add_class("1:10", "htb rate 1mbit");
    /// lo.add_filter("1:", #{ protocol: "ip", kind: "u32", "match": ["ip dst 192.0.2.1", "ip dport 80 0xffff"], classid: "1:10" });
    /// ```
    ///
    /// # Source
    /// tc(8), filter add
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn add_filter(ctx: NativeCallContext, device: &mut Device, place: &str, filter: Dynamic) -> Answer<()> {
        let command = command(&ctx, device, "add", place, &filter)?;
        run(&ctx, &command)
    }

    /// Makes sure that a filter is there, and is so.
    ///
    /// Where nobody says its priority or its handle, one that is so already is enough.
    ///
    /// - `place`: `"ingress"`, `"egress"`, `"root"`, or the qdisc or class that asks it: `"1:"`
    /// - `filter`: what stands behind the place in the words of tc(8), or a map
    ///
    /// # Changes
    /// The filter, if it is not so; undo puts back what was there.
    ///
    /// # Fails
    /// `input`: the words are not those of tc(8). `not-found`: there is no such qdisc or class. `unsupported`: this kernel does not have the kind, or an action.
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.ensure("root", "handle 1: htb default 10");
    /// lo.ensure_class("1:10", "htb rate 1mbit");
    /// lo.ensure_filter("1:", "protocol ip u32 match ip dst 192.0.2.1 flowid 1:10");
    /// lo.ensure_filter("1:", lo.filters()[0]);
    /// lo.filters().len() == 1
    /// ```
    ///
    /// # Source
    /// tc(8), filter replace
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn ensure_filter(ctx: NativeCallContext, device: &mut Device, place: &str, filter: Dynamic) -> Answer<()> {
        let command = command(&ctx, device, "replace", place, &filter)?;
        run(&ctx, &command)
    }

    /// Takes away filters that are there.
    ///
    /// - `place`: `"ingress"`, `"egress"`, `"root"`, or the qdisc or class that asks them: `"1:"`
    /// - `which`: which of them, in the words of tc(8): `"pref 1"`, `"protocol ip pref 1 handle 800::800 u32"`; all, if it is empty
    ///
    /// # Changes
    /// The filters are gone; undo puts them back, with their priorities, handles and actions.
    ///
    /// # Fails
    /// `not-found`: there are none such. `input`: the words are not those of tc(8).
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.add("root", "handle 1: htb default 10");
    /// lo.add_filter("1:", "protocol ip pref 1 u32 match ip dst 192.0.2.1 flowid 1:10");
    /// lo.del_filter("1:", "pref 1");
    /// ```
    ///
    /// # Source
    /// tc(8), filter del
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn del_filter(ctx: NativeCallContext, device: &mut Device, place: &str, which: &str) -> Answer<()> {
        let command = command(&ctx, device, "del", place, &which.into())?;
        run(&ctx, &command)
    }

    /// Sees to it that filters are not there.
    ///
    /// - `place`: `"ingress"`, `"egress"`, `"root"`, or the qdisc or class that asks them: `"1:"`
    /// - `which`: which of them, in the words of tc(8); all, if it is empty
    ///
    /// # Changes
    /// The filters are gone, if they were there; undo puts them back, with their priorities, handles and actions.
    ///
    /// # Fails
    /// `input`: the words are not those of tc(8).
    ///
    /// # Example
    /// ```rhai
    /// tc::device("lo").absent_filter("ingress", "pref 1");
    /// ```
    ///
    /// # Source
    /// tc(8), filter del
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn absent_filter(ctx: NativeCallContext, device: &mut Device, place: &str, which: &str) -> Answer<()> {
        let command = command(&ctx, device, "del", place, &which.into())?;
        let edits = command.absent(&inventory(&ctx, device)?).map_err(|f| call::fault(&ctx, f))?;
        handle::change(&ctx, edits)
    }
}
