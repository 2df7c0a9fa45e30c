//! The ephemeral range.

use rhai::plugin::*;
use rhai::{Dynamic, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::bind::types;
use crate::model::named::Edit;
use crate::model::ports::{PortSet, range_key};
use crate::model::sysctl::Value;
use crate::model::{Fault, Object, State};

/// Queues another range, if it is one that the kernel takes.
fn change(ctx: &NativeCallContext, range: &Dynamic, edit: fn(Object, State) -> Edit) -> Answer<()> {
    let (wanted, lowest) = (types::ports::set(range).map_err(|f| call::fault(ctx, f))?, super::number(ctx, "ip_unprivileged_port_start")?);
    let value = value(&wanted, lowest).map_err(|f| call::fault(ctx, f))?;
    super::range(ctx)?;
    call::door(ctx)?.change(edit(Object::Sysctl(range_key()), State::Value(value)), call::origin(ctx)).map_err(|f| call::fault(ctx, f))
}

fn value(wanted: &PortSet, lowest: Option<i64>) -> Result<Value, Fault> {
    let tried = format!("use {} as the ephemeral range", wanted.in_short());
    match (&wanted.ranges()[..], lowest) {
        ([range], Some(lowest)) if i64::from(range.first) < lowest => {
            Err(Fault::input(tried, format!("ports below {lowest} are privileged, and the kernel hands none out"))
                .hint("net.ipv4.ip_unprivileged_port_start says where they end"))
        }
        ([range], _) => Ok(Value::of(&format!("{} {}", range.first, range.last))),
        ([], _) => Err(Fault::input("use no port as the ephemeral range", "no connection could get one")),
        (several, _) => Err(Fault::input(tried, format!("these are {} ranges, and it is one", several.len()))
            .hint("what lies between can be reserved: `ports::ensure_reserved(..)`")),
    }
}

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Gives the ephemeral range: the ports of which the kernel chooses one for a connection that does not ask for any.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `unsupported`: the kernel has no IPv4.
    ///
    /// # Example
    /// ```rhai
    /// let range = ports::range();
    /// print(`${range.first} to ${range.last}: ${range.len} ports`);
    /// ```
    ///
    /// # Source
    /// ip(7), ip_local_port_range
    #[rhai_fn(name = "range", return_raw, volatile)]
    pub fn range(ctx: NativeCallContext) -> Answer<PortSet> {
        super::super::range(&ctx)
    }

    /// Sets the ephemeral range of this network namespace, for both families.
    ///
    /// - `range`: one range: `"20000-60999"`, `20000..=60999`, or a set of ports that is one; connections take turns best where one end is odd and
    ///   the other is even
    ///
    /// Connections that are there keep their ports.
    ///
    /// # Changes
    /// The parameter net.ipv4.ip_local_port_range; undo gives it the value that it had.
    ///
    /// # Fails
    /// `input`: it is no range, or begins with a privileged port.
    ///
    /// # Example
    /// ```rhai
    /// ports::set_range("20000-60999");
    /// ports::range().first == 20000
    /// ```
    ///
    /// # Source
    /// ip(7), ip_local_port_range
    #[rhai_fn(return_raw, volatile)]
    pub fn set_range(ctx: NativeCallContext, range: Dynamic) -> Answer<()> {
        change(&ctx, &range, Edit::Set)
    }

    /// Sees to it that the ephemeral range is this one.
    ///
    /// Where another recipe has set it so, this one relies on it: it stays until both are lifted.
    ///
    /// - `range`: one range: `"20000-60999"`, `20000..=60999`, or a set of ports that is one
    ///
    /// # Changes
    /// The parameter net.ipv4.ip_local_port_range, if it has another value; undo gives it the value that it had.
    ///
    /// # Fails
    /// `input`: it is no range, or begins with a privileged port.
    ///
    /// # Example
    /// ```rhai
    /// ports::ensure_range(20000..=60999);
    /// ```
    ///
    /// # Source
    /// ip(7), ip_local_port_range
    #[rhai_fn(return_raw, volatile)]
    pub fn ensure_range(ctx: NativeCallContext, range: Dynamic) -> Answer<()> {
        change(&ctx, &range, Edit::Ensure)
    }
}
