//! The classes of a device.

use rhai::plugin::*;
use rhai::{Array, Dynamic, NativeCallContext};

use super::handle::{self, Device};
use crate::bind::call::{self, Answer};
use crate::model::named::Edit;
use crate::model::tc::command::OfClass;
use crate::model::tc::{Handle, Object, State};
use crate::model::{self, Fault, Kind};

fn make(ctx: &NativeCallContext, device: &Device, verb: &str, class: &str, given: &Dynamic) -> Answer<()> {
    let command = device.class(ctx, verb, class, given)?;
    let edit = handle::of_class(ctx, command)?;
    handle::change(ctx, vec![edit])
}

fn classid(ctx: &NativeCallContext, device: &Device, class: &str) -> Answer<Handle> {
    let command = OfClass::read(&format!("del dev {} classid {class}", device.name)).map_err(|f| call::fault(ctx, f))?;
    Ok(command.class)
}

fn found(ctx: &NativeCallContext, device: &Device, class: &str) -> Answer<Option<Dynamic>> {
    let handle = classid(ctx, device, class)?;
    Ok(device.find_class(ctx, handle)?.map(|class| handle::shown_class(&device.name, handle, &class)))
}

fn gone(ctx: &NativeCallContext, device: &Device, class: &str, edit: fn(model::Object) -> Edit) -> Answer<()> {
    let class = classid(ctx, device, class)?;
    device.is_there(ctx)?;
    handle::change(ctx, vec![edit(model::Object::Tc(Object::Class(device.name.clone(), class)))])
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A network device, with what queues on it.
    pub type Device = crate::bind::tc::handle::Device;

    /// Lists the classes of the device that somebody made, as maps: classid, parent, kind and options.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.add("root", "handle 1: htb");
    /// lo.add_class("1:10", "htb rate 1mbit");
    /// lo.classes()[0].classid == "1:10"
    /// ```
    ///
    /// # Source
    /// tc(8), class show
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn classes(ctx: NativeCallContext, device: &mut Device) -> Answer<Array> {
        let shown = |(object, state): &(Object, State)| match (object, state) {
            (Object::Class(name, handle), State::Class(class)) => Some(handle::shown_class(name, *handle, class)),
            _ => None,
        };
        Ok(device.all(&ctx)?.iter().filter_map(shown).collect())
    }

    /// Gives a class of the device as a map: parent, kind, and its options with their types.
    ///
    /// - `class`: `"1:10"`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: nobody made such a class. `input`: no class has such a number.
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.add("root", "handle 1: htb");
    /// lo.add_class("1:10", "htb rate 1mbit");
    /// lo.get_class("1:10").ceil == rate("1mbit")
    /// ```
    ///
    /// # Source
    /// tc(8), class show
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn get_class(ctx: NativeCallContext, device: &mut Device, class: &str) -> Answer<Dynamic> {
        if let Some(found) = found(&ctx, device, class)? {
            return Ok(found);
        }
        Err(call::fault(&ctx, Fault::new(Kind::NotFound, format!("read the class {class} of {}", device.name), "nobody made such a class")))
    }

    /// Gives a class of the device as a map, or `()` where nobody made it.
    ///
    /// - `class`: `"1:10"`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: no class has such a number.
    ///
    /// # Example
    /// ```rhai
    /// tc::device("lo").find_class("1:10") == ()
    /// ```
    ///
    /// # Source
    /// tc(8), class show
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn find_class(ctx: NativeCallContext, device: &mut Device, class: &str) -> Answer<Dynamic> {
        Ok(found(&ctx, device, class)?.unwrap_or(Dynamic::UNIT))
    }

    /// Makes a class that is not there.
    ///
    /// - `class`: `"1:10"`: the number of the qdisc, and one of its own, both hexadecimal
    /// - `options`: its kind and options in the words of tc(8) (`"htb rate 1mbit ceil 2mbit"`), or as a map
    ///   (`#{ kind: "htb", rate: "1mbit", ceil: "2mbit", parent: "1:1" }`)
    ///
    /// # Changes
    /// The class is made; undo takes it away, unless somebody else put something into it.
    ///
    /// # Fails
    /// `exists`: the class is there. `input`: the words are not those of tc(8). `not-found`: there is no such qdisc or parent.
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.add("root", "handle 1: htb default 10");
    /// lo.add_class("1:1", "htb rate 2mbit");
    /// lo.add_class("1:10", #{ kind: "htb", parent: "1:1", rate: "1mbit", ceil: "2mbit" });
    /// ```
    ///
    /// # Source
    /// tc(8), class add
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn add_class(ctx: NativeCallContext, device: &mut Device, class: &str, options: Dynamic) -> Answer<()> {
        make(&ctx, device, "add", class, &options)
    }

    /// Makes sure that a class is there and has these options.
    ///
    /// - `class`: `"1:10"`: the number of the qdisc, and one of its own, both hexadecimal
    /// - `options`: its kind and options in the words of tc(8), or as a map
    ///
    /// # Changes
    /// The class, if it is not so; undo puts back what was there.
    ///
    /// # Fails
    /// `input`: the words are not those of tc(8). `not-found`: there is no such qdisc or parent.
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.ensure("root", "handle 1: htb default 10");
    /// lo.ensure_class("1:10", "htb rate 1mbit");
    /// ```
    ///
    /// # Source
    /// tc(8), class replace
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn ensure_class(ctx: NativeCallContext, device: &mut Device, class: &str, options: Dynamic) -> Answer<()> {
        make(&ctx, device, "replace", class, &options)
    }

    /// Takes away a class, with all that is in it.
    ///
    /// - `class`: `"1:10"`
    ///
    /// # Changes
    /// The class is gone; undo makes it again, with what was in it.
    ///
    /// # Fails
    /// `not-found`: nobody made such a class. `busy`: a filter puts packets into it.
    ///
    /// # Example
    /// ```rhai
    /// let lo = tc::device("lo");
    /// lo.add("root", "handle 1: htb");
    /// lo.add_class("1:10", "htb rate 1mbit");
    /// lo.del_class("1:10");
    /// ```
    ///
    /// # Source
    /// tc(8), class del
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn del_class(ctx: NativeCallContext, device: &mut Device, class: &str) -> Answer<()> {
        gone(&ctx, device, class, Edit::Del)
    }

    /// Sees to it that a class is not there, nor what was in it.
    ///
    /// - `class`: `"1:10"`
    ///
    /// # Changes
    /// The class is gone, if it was there; undo makes it again, with what was in it.
    ///
    /// # Fails
    /// `busy`: a filter puts packets into it.
    ///
    /// # Example
    /// ```rhai
    /// tc::device("lo").absent_class("1:10");
    /// ```
    ///
    /// # Source
    /// tc(8), class del
    #[rhai_fn(global, pure, return_raw, volatile)]
    pub fn absent_class(ctx: NativeCallContext, device: &mut Device, class: &str) -> Answer<()> {
        gone(&ctx, device, class, Edit::Absent)
    }
}
