//! Commands of tc(8) as they are, and devices.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, NativeCallContext};

use super::handle::{self, Device};
use crate::bind::call::{self, Answer};
use crate::model::tc::command::{OfClass, OfQdisc};

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A network device, with what queues on it.
    pub type Device = super::Device;

    /// Does what `tc qdisc` would do: makes, changes, replaces or takes away a qdisc.
    ///
    /// - `words`: what stands behind `tc qdisc`: `"add dev eth0 root netem delay 100ms loss 1%"`; or an array of such texts
    ///
    /// A `distribution` of netem is `normal`, `pareto`, `paretonormal`, `uniform`, or a file `NAME.dist` in the folder of tc(8) or in `$TC_LIB_DIR`.
    ///
    /// fyke reads the words itself. `add` is for a place where nothing is, `change` for a qdisc of the same kind, `replace` for whatever is there, `del` takes
    /// away what is there with all that is in it.
    ///
    /// # Changes
    /// The qdisc; undo puts back what was there before, with its options, classes and filters, or leaves what the kernel puts there by itself.
    ///
    /// # Fails
    /// `input`: the words are not those of tc(8). `exists`: the place is taken. `not-found`: there is no such device, qdisc or class. `unsupported`: this kernel
    /// does not have the kind. `refused`: it could not be put back.
    ///
    /// # Example
    /// ```rhai
    /// tc::qdisc("add dev lo root tbf rate 1mbit burst 32kbit latency 400ms");
    /// tc::qdisc("change dev lo root tbf rate 2mbit burst 32kbit latency 400ms");
    /// tc::qdisc("del dev lo root");
    /// ```
    ///
    /// # Source
    /// tc(8)
    #[rhai_fn(return_raw, volatile)]
    pub fn qdisc(ctx: NativeCallContext, words: Dynamic) -> Answer<()> {
        for line in handle::lines(&ctx, &words)? {
            let command = OfQdisc::read(&line).map_err(|f| call::fault(&ctx, f))?;
            let edit = handle::of_qdisc(&ctx, command)?;
            handle::change(&ctx, vec![edit])?;
        }
        Ok(())
    }

    /// Does what `tc class` would do: makes, changes, replaces or takes away a class.
    ///
    /// - `words`: what stands behind `tc class`: `"add dev eth0 parent 1: classid 1:10 htb rate 1mbit"`; or an array of such texts
    ///
    /// # Changes
    /// The class; undo puts back what was there before.
    ///
    /// # Fails
    /// `input`: the words are not those of tc(8). `exists`: the class is there. `not-found`: there is no such device, class or parent. `busy`: a filter puts packets
    /// into the class.
    ///
    /// # Example
    /// ```rhai
    /// tc::qdisc("add dev lo root handle 1: htb default 10");
    /// tc::class("add dev lo parent 1: classid 1:10 htb rate 1mbit ceil 2mbit");
    /// ```
    ///
    /// # Source
    /// tc(8), tc-htb(8)
    #[rhai_fn(return_raw, volatile)]
    pub fn class(ctx: NativeCallContext, words: Dynamic) -> Answer<()> {
        let mut edits = Vec::new();
        for line in handle::lines(&ctx, &words)? {
            let command = OfClass::read(&line).map_err(|f| call::fault(&ctx, f))?;
            edits.push(handle::of_class(&ctx, command)?);
        }
        handle::change(&ctx, edits)
    }

    /// Gives a device that is there.
    ///
    /// - `name`: its name, up to 15 bytes
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such device. `input`: no device can have this name.
    ///
    /// # Example
    /// ```rhai
    /// tc::device("lo").find("root") == ()
    /// ```
    ///
    /// # Source
    /// tc(8)
    #[rhai_fn(return_raw, volatile)]
    pub fn device(ctx: NativeCallContext, name: &str) -> Answer<Device> {
        let device = Device::named(&ctx, name)?;
        device.is_there(&ctx).map(|()| device)
    }

    /// Lists the devices that are there, by their names.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// tc::devices().contains("lo")
    /// ```
    ///
    /// # Source
    /// if_nameindex(3)
    #[rhai_fn(return_raw, volatile)]
    pub fn devices(ctx: NativeCallContext) -> Answer<Array> {
        Ok(handle::devices(&ctx)?.iter().map(|device| device.as_str().into()).collect())
    }

    /// Gives the name of the device.
    ///
    /// # Example
    /// ```rhai
    /// tc::device("lo").name == "lo"
    /// ```
    #[rhai_fn(get = "name", global, pure)]
    pub fn name(device: &mut Device) -> ImmutableString {
        device.name.as_str().into()
    }
}
