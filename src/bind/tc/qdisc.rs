//! The qdiscs of a device.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, NativeCallContext};

use super::handle::{self, Device};
use crate::bind::call::{self, Answer};
use crate::model::named::Edit;
use crate::model::tc::{Object, State};
use crate::model::{self, Fault, Kind};
use crate::transaction::{Query, Reading};

fn make(ctx: &NativeCallContext, device: &Device, verb: &str, place: &str, qdisc: &Dynamic) -> Answer<()> {
    let command = device.qdisc(ctx, verb, place, qdisc)?;
    let edit = handle::of_qdisc(ctx, command)?;
    handle::change(ctx, vec![edit])
}

fn found(ctx: &NativeCallContext, device: &Device, place: &str) -> Answer<Option<Dynamic>> {
    let place = Device::place(ctx, place)?;
    Ok(device.find(ctx, place)?.map(|qdisc| handle::shown(&device.name, place, &qdisc)))
}

fn gone(ctx: &NativeCallContext, device: &Device, place: &str, edit: fn(model::Object) -> Edit) -> Answer<()> {
    let place = Device::place(ctx, place)?;
    device.is_there(ctx)?;
    handle::change(ctx, vec![edit(model::Object::Tc(Object::Qdisc(device.name.clone(), place)))])
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A network device, with what queues on it.
    pub type Device = crate::bind::tc::handle::Device;

    /// Lists the qdiscs of the device that somebody set, as maps: place, kind, handle and options.
    ///
    /// What the kernel puts on a device by itself has the handle 0 and is not in the list.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.ensure("root", "tbf rate 1mbit burst 4kb latency 400ms");
    /// lo.qdiscs()[0].rate == rate("1mbit")
    /// ```
    ///
    /// # Source
    /// tc(8), qdisc show
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn qdiscs(ctx: NativeCallContext, device: &mut Device) -> Answer<Array> {
        let shown = |(object, state): &(Object, State)| match (object, state) {
            (Object::Qdisc(name, place), State::Qdisc(qdisc)) => Some(handle::shown(name, *place, qdisc)),
            _ => None,
        };
        Ok(device.all(&ctx)?.iter().filter_map(shown).collect())
    }

    /// Gives the qdisc at a place of the device as a map: kind, handle, and its options with their types.
    ///
    /// - `place`: `"root"`, `"ingress"`, or a class: `"1:10"`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: nobody set a qdisc there. `input`: there is no such place.
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.ensure("root", "tbf rate 1mbit burst 4kb latency 400ms");
    /// lo.get("root").kind == "tbf"
    /// ```
    ///
    /// # Source
    /// tc(8), qdisc show
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn get(ctx: NativeCallContext, device: &mut Device, place: &str) -> Answer<Dynamic> {
        if let Some(found) = found(&ctx, device, place)? {
            return Ok(found);
        }
        Err(call::fault(&ctx, Fault::new(Kind::NotFound, format!("read the qdisc at {place} of {}", device.name), "nobody set one there")))
    }

    /// Gives the qdisc at a place of the device as a map, or `()` where nobody set one.
    ///
    /// - `place`: `"root"`, `"ingress"`, or a class: `"1:10"`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such place.
    ///
    /// # Example
    /// ```rhai
    /// tc::device("lo").find("root") == ()
    /// ```
    ///
    /// # Source
    /// tc(8), qdisc show
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn find(ctx: NativeCallContext, device: &mut Device, place: &str) -> Answer<Dynamic> {
        Ok(found(&ctx, device, place)?.unwrap_or(Dynamic::UNIT))
    }

    /// Puts a qdisc to a place of the device where nobody set one.
    ///
    /// - `place`: `"root"`, `"ingress"`, or a class: `"1:10"`
    /// - `qdisc`: its kind and options in the words of tc(8) (`"netem delay 100ms loss 1%"`), or as a map
    ///   (`#{ kind: "netem", delay: "100ms", jitter: "10ms", loss: "1%" }`)
    ///
    /// # Changes
    /// The qdisc is there; undo takes it away.
    ///
    /// # Fails
    /// `exists`: somebody set one there. `input`: the words are not those of tc(8). `unsupported`: this kernel does not have the kind.
    ///
    /// # Example
    /// ```rhai
    /// tc::device("lo").add("root", #{ kind: "tbf", rate: "1mbit", burst: "32kbit", latency: "400ms" });
    /// ```
    ///
    /// # Source
    /// tc(8), qdisc add
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn add(ctx: NativeCallContext, device: &mut Device, place: &str, qdisc: Dynamic) -> Answer<()> {
        make(&ctx, device, "add", place, &qdisc)
    }

    /// Makes sure that a qdisc is at a place of the device, whatever is there now.
    ///
    /// Where another recipe has set it so, this one relies on it: it stays until both are lifted.
    ///
    /// - `place`: `"root"`, `"ingress"`, or a class: `"1:10"`
    /// - `qdisc`: its kind and options in the words of tc(8), or as a map
    ///
    /// # Changes
    /// The qdisc, if it is another one; undo puts back what was there, with its options, classes and filters.
    ///
    /// # Fails
    /// `input`: the words are not those of tc(8). `unsupported`: this kernel does not have the kind. `refused`: what is there could not be put back.
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.ensure("root", "tbf rate 1mbit burst 32kbit latency 400ms");
    /// lo.ensure("root", lo.get("root"));
    /// ```
    ///
    /// # Source
    /// tc(8), qdisc replace
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn ensure(ctx: NativeCallContext, device: &mut Device, place: &str, qdisc: Dynamic) -> Answer<()> {
        make(&ctx, device, "replace", place, &qdisc)
    }

    /// Takes away the qdisc at a place of the device, with all that is in it. What the kernel puts there by itself follows.
    ///
    /// - `place`: `"root"`, `"ingress"`, or a class: `"1:10"`
    ///
    /// # Changes
    /// The qdisc is gone; undo puts it back, with its options, classes and filters.
    ///
    /// # Fails
    /// `not-found`: nobody set one there. `refused`: it could not be put back.
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.add("root", "tbf rate 1mbit burst 32kbit latency 400ms");
    /// lo.del("root");
    /// ```
    ///
    /// # Source
    /// tc(8), qdisc del
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn del(ctx: NativeCallContext, device: &mut Device, place: &str) -> Answer<()> {
        gone(&ctx, device, place, Edit::Del)
    }

    /// Sees to it that nobody's qdisc is at a place of the device.
    ///
    /// - `place`: `"root"`, `"ingress"`, or a class: `"1:10"`
    ///
    /// # Changes
    /// The qdisc is gone, if one was there; undo puts it back, with its options, classes and filters.
    ///
    /// # Fails
    /// `refused`: it could not be put back.
    ///
    /// # Example
    /// ```rhai
    /// tc::device("lo").absent("ingress");
    /// ```
    ///
    /// # Source
    /// tc(8), qdisc del
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn absent(ctx: NativeCallContext, device: &mut Device, place: &str) -> Answer<()> {
        gone(&ctx, device, place, Edit::Absent)
    }

    /// Lists what was counted of each qdisc, each class and each filter of the device, also of what the kernel put there by itself: bytes, packets, drops and more.
    ///
    /// A filter counts what it has found, and what its actions have dropped; one without actions counts nothing.
    ///
    /// What was queued before is written first. A plan cannot know what would be counted.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// tc::device("lo").statistics().all(|one| one.drops == 0)
    /// ```
    ///
    /// # Source
    /// tc(8), -s qdisc show, -s filter show
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn statistics(ctx: NativeCallContext, device: &mut Device) -> Answer<Array> {
        device.is_there(&ctx)?;
        match call::door(&ctx)?.read(Query::Queues(device.name.clone())).map_err(|f| call::fault(&ctx, f))? {
            Reading::Queues(counted) => Ok(counted.iter().map(|(object, counted)| handle::counted(object, counted)).collect()),
            _ => Ok(Array::new()),
        }
    }

    /// Gives the words of tc(8) for the qdisc at a place of the device; an empty text where nobody set one.
    ///
    /// - `place`: `"root"`, `"ingress"`, or a class: `"1:10"`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.add("root", "handle 1: tbf rate 1mbit burst 4kb latency 400ms");
    /// lo.words("root") == "handle 1: tbf rate 1Mbit burst 4Kb lat 400ms"
    /// ```
    ///
    /// # Source
    /// tc(8), qdisc show
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn words(ctx: NativeCallContext, device: &mut Device, place: &str) -> Answer<ImmutableString> {
        let place = Device::place(&ctx, place)?;
        Ok(device.find(&ctx, place)?.map(|qdisc| qdisc.to_string()).unwrap_or_default().into())
    }
}
