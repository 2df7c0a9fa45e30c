//! A question of DNS over a connection.

use rhai::plugin::*;
use rhai::{Dynamic, Map, NativeCallContext};

use super::{given, row};
use crate::bind::call::{self, Answer};
use crate::bind::packet::handle::Packet;
use crate::bind::{options, types};
use crate::model::Fault;
use crate::model::packet::exchange::{self, Terms, fill};
use crate::model::raw::Query;

const OPTIONS: [&str; 3] = ["timeout", "port", "interface"];

/// Reads who is asked, what, and how; the id of the question is made up if it has none.
fn query_of(server: &Dynamic, question: &Packet, options: &Map) -> Result<(Query, Packet), Fault> {
    options::known(options, &OPTIONS).map_err(|fault| Fault { tried: format!("{} of a question over TCP", fault.tried), ..fault })?;
    let given = |name: &str| options::given(options, name);
    let server = given::address("a server", server)?;
    let question = match question.draft() {
        Some(stack) => Packet::drafted(fill(stack.clone(), |to| Ok((to, 0)))?),
        None => question.clone(),
    };
    let mut terms = Terms::default();
    if let Some(timeout) = given("timeout") {
        terms.timeout = types::quantity::span("`timeout`", timeout)?.0;
    }
    let mut query = Query::new(server, question.whole()?.clone(), terms.checked()?.timeout)?;
    if let Some(port) = given("port") {
        let number = port.as_int().ok().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        query.port = number.ok_or_else(|| Fault::input(format!("use {port} as `port`"), "it is a number from 1 to 65535"))?;
    }
    let link = given("interface").map(|name| types::text_for("`interface`", name)).transpose()?;
    query.link = link.filter(|name| !name.is_empty()).map(|name| name.parse()).transpose()?;
    Ok((query, question))
}

fn query(ctx: &NativeCallContext, server: &Dynamic, question: &Packet, options: &Map) -> Answer<row::Row> {
    let fault = |fault: Fault| call::fault(ctx, fault);
    let (mut query, question) = query_of(server, question, options).map_err(fault)?;
    let outcome = call::door(ctx)?.query(&mut query, &call::origin(ctx)).map_err(fault)?;
    let whole = question.whole().map_err(fault)?.clone();
    Ok(row::Row::of(question, &exchange::Row::lone(whole, outcome)))
}

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Asks a server of DNS over a connection of TCP, and gives a row as `raw::exchange` does.
    ///
    /// - `server`: an address
    /// - `question`: a message of DNS alone: `packet::dns(#{ .. })`; an id that is left out is made up
    ///
    /// This is how an answer is had that is too long for UDP: there its flags have `tc`. It is a connection of the kernel, for which no capability is needed; one
    /// question goes through it. The answer has no layers below `dns`.
    ///
    /// `kind` is `"reply"`; `"silent"` if nothing came in time; `"unsent"` if there is no connection; `"broken"` if what came is no answer to this question, or
    /// not the whole of one. Of the last two, `error` has why. The `rtt` is counted from when there is a connection.
    ///
    /// # Changes
    /// Nothing here; asking is an act, which cannot be lifted. What is queued is written first. A plan lists the act and ends there.
    ///
    /// # Fails
    /// `input`: the packet is no message of DNS. `permission`: the server has a public address. `unknown`: in a plan.
    ///
    /// # Example
    /// ```rhai
    /// let question = packet::dns(#{ questions: [#{ name: "example.org.", type: "A" }] });
    /// raw::query_tcp("127.0.0.1", question).kind == "unsent"
    /// ```
    ///
    /// # Source
    /// RFC 1035, 4.2.2; RFC 7766
    #[rhai_fn(return_raw, volatile)]
    pub fn query_tcp(ctx: NativeCallContext, server: Dynamic, question: Packet) -> Answer<row::Row> {
        super::query(&ctx, &server, &question, &Map::new())
    }

    /// Asks a server of DNS over a connection of TCP, with options.
    ///
    /// - `options`: a map. `timeout`: how long the connection, the question and the answer may take together, up to an hour; by default 1s. `port`: that of the
    ///   server, by default 53. `interface`: the link that is used; a link-local server needs it
    ///
    /// # Changes
    /// Nothing here; asking is an act, which cannot be lifted.
    ///
    /// # Fails
    /// As without options. `input`: an option is unknown or of the wrong type. `not-found`: there is no such link.
    ///
    /// # Example
    /// ```rhai
    /// let question = packet::dns(#{ questions: [#{ name: "example.org.", type: "A" }] });
    /// raw::query_tcp("::1", question, #{ port: 5353, timeout: "200ms" }).error
    /// ```
    ///
    /// # Source
    /// As without options.
    #[rhai_fn(name = "query_tcp", return_raw, volatile)]
    pub fn query_tcp_with(ctx: NativeCallContext, server: Dynamic, question: Packet, options: Map) -> Answer<row::Row> {
        super::query(&ctx, &server, &question, &options)
    }
}
