//! How near the ephemeral ports are to their end.

use rhai::plugin::*;
use rhai::{Array, Dynamic, Map, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::model::Fault;
use crate::model::address::Address;
use crate::model::near::did_you_mean;
use crate::model::ports::{Advice, Destination, Measure, Report, report as measured};
use crate::model::sockets::{Filter, Proto};
use crate::transaction::{Query, Reading};

/// The share of a destination, in percent, from which on something should be done.
const THRESHOLD: i64 = 80;

fn measure(ctx: &NativeCallContext, threshold: i64) -> Answer<Report> {
    let filter = Filter { protos: vec![Proto::Tcp, Proto::Udp], ..Filter::default() };
    let sockets = match call::door(ctx)?.read(Query::Sockets(filter)).map_err(|f| call::fault(ctx, f))? {
        Reading::Sockets(sockets) => sockets,
        _ => Vec::new(),
    };
    Ok(measured(&Measure {
        range: super::range(ctx)?,
        reserved: super::reserved::present(ctx)?,
        unprivileged: super::number(ctx, "ip_unprivileged_port_start")?.and_then(|port| u16::try_from(port).ok()).unwrap_or(1024),
        reuse: super::number(ctx, "tcp_tw_reuse")?,
        threshold: threshold as usize,
        sockets: &sockets,
    }))
}

fn entries<const N: usize>(of: [(&str, Dynamic); N]) -> Dynamic {
    Dynamic::from_map(of.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>())
}

fn count(number: usize) -> Dynamic {
    (number as i64).into()
}

fn destination(of: &Destination) -> Dynamic {
    entries([
        ("proto", of.proto.name().into()),
        ("from", Dynamic::from(Address(of.from))),
        ("to", Dynamic::from(Address(of.to))),
        ("port", i64::from(of.port).into()),
        ("used", count(of.used)),
        ("time_wait", count(of.time_wait)),
        ("percent", count(of.percent)),
    ])
}

fn advice(of: &Advice) -> Dynamic {
    let text = |text: &str| Dynamic::from(text.to_owned());
    entries([("parameter", text(&of.parameter)), ("now", text(&of.now)), ("value", text(&of.value)), ("why", text(&of.why))])
}

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Tells how many of the ephemeral ports are in use, for what, and what can be done.
    ///
    /// It is a map: `usable` ports (the range without what is reserved), `reserved` ones in the range, `used` ones; `states`, an array of
    /// `#{ proto, state, sockets }`; the share of TIME-WAIT (`time_wait`) in percent of the connections of TCP; `destinations`, the most used first,
    /// each with `proto`, `from`, `to`, `port`, `used`, `time_wait` and `percent`; the percentage of the `worst` of them; and `advice`, an array of
    /// `#{ parameter, now, value, why }` for `sysctl::ensure`, in the order in which they should be set.
    ///
    /// A port is in use towards one destination, and free towards all others: the four of both addresses and both ports must not be there twice.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `unsupported`: the kernel has no sock_diag(7), or no IPv4.
    ///
    /// # Example
    /// ```rhai
    /// let report = ports::report();
    /// report.worst <= 100 && report.used <= report.usable
    /// ```
    ///
    /// # Source
    /// ip(7), ip_local_port_range; Linux Documentation/networking/ip-sysctl.rst
    #[rhai_fn(return_raw, volatile)]
    pub fn report(ctx: NativeCallContext) -> Answer<Map> {
        report_with(ctx, Map::new())
    }

    /// Tells the same, with options.
    ///
    /// - `options`: `threshold`, the percentage of a destination from which on there is advice, in place of 80
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// As without options. `input`: an option is unknown or no percentage.
    ///
    /// # Example
    /// ```rhai
    /// for each in ports::report(#{ threshold: 0 }).advice {
    ///     sysctl::ensure(each.parameter, each.value);
    /// }
    /// ```
    ///
    /// # Source
    /// ip(7), ip_local_port_range; Linux Documentation/networking/ip-sysctl.rst
    #[rhai_fn(name = "report", return_raw, volatile)]
    pub fn report_with(ctx: NativeCallContext, options: Map) -> Answer<Map> {
        let threshold = threshold(&options).map_err(|f| call::fault(&ctx, f))?;
        let report = measure(&ctx, threshold)?;
        let state = |((proto, state), sockets): (&(Proto, _), &usize)| {
            let state: &crate::model::sockets::State = state;
            entries([("proto", proto.name().into()), ("state", state.name().into()), ("sockets", count(*sockets))])
        };
        let map: [(&str, Dynamic); 8] = [
            ("usable", count(report.usable)),
            ("reserved", count(report.reserved)),
            ("used", count(report.used)),
            ("states", report.states.iter().map(state).collect::<Array>().into()),
            ("time_wait", count(report.time_wait)),
            ("destinations", report.destinations.iter().map(destination).collect::<Array>().into()),
            ("worst", count(report.worst)),
            ("advice", report.advice.iter().map(advice).collect::<Array>().into()),
        ];
        Ok(map.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }
}

fn threshold(options: &Map) -> Result<i64, Fault> {
    if let Some(odd) = options.keys().find(|key| *key != "threshold") {
        let hint = did_you_mean(odd, ["threshold"]).unwrap_or_else(|| "the only option is threshold".to_owned());
        return Err(Fault::input(format!("use the option `{odd}`"), "there is no such option").hint(hint));
    }
    match options.get("threshold").map(|value| (value.as_int(), value)) {
        None => Ok(THRESHOLD),
        Some((Ok(percent), _)) if (0..=100).contains(&percent) => Ok(percent),
        Some((_, odd)) => Err(Fault::input(format!("use {odd} as `threshold`"), "it must be a number from 0 to 100, in percent")),
    }
}
