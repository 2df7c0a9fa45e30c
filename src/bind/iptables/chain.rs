//! Chains: the rules in their order.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, NativeCallContext};

use super::given::Given;
use super::rule::Rule;
use crate::bind::call::{self, Answer};
use crate::model::{Fault, Kind};
use crate::transaction::{Query, Reading};

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A chain of one family, or of both.
    pub type Chain = crate::bind::iptables::handle::Chain;

    /// Tells whether a rule of the chain equals this one.
    ///
    /// - `rule`: the tool's own words (`"-p tcp --dport 22 -j DROP"`), a map (`#{ proto: "tcp", dport: 22, jump: "DROP" }`), or a rule that was listed
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such chain.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append("-p tcp --dport ssh -j DROP");
    /// input.check("-p tcp -m tcp --dport 22 -j DROP")
    /// ```
    ///
    /// # Source
    /// iptables(8), `--check`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn check(ctx: NativeCallContext, chain: Chain, rule: Dynamic) -> Answer<bool> {
        Ok(!find(ctx, chain, rule)?.is_unit())
    }

    /// Finds the first rule of the chain that equals this one, `()` if there is none.
    ///
    /// - `rule`: the tool's own words (`"-p tcp --dport 22 -j DROP"`), a map (`#{ proto: "tcp", dport: 22, jump: "DROP" }`), or a rule that was listed
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such chain.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append("-p tcp --dport 22 -j DROP");
    /// input.find(#{ proto: "tcp", dport: 22, jump: "DROP" }).place == 1
    /// ```
    ///
    /// # Source
    /// iptables(8), `--check`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn find(ctx: NativeCallContext, chain: Chain, rule: Dynamic) -> Answer<Dynamic> {
        let door = call::door(&ctx)?;
        let given = Given::read(&rule).map_err(|f| call::fault(&ctx, f))?;
        for at in chain.refs() {
            let Some(words) = given.words(at.family, chain.is_both()).map_err(|f| call::fault(&ctx, f))? else { continue };
            if let Reading::Place(Some((place, rule))) = door.read(Query::Find(at.clone(), words)).map_err(|f| call::fault(&ctx, f))? {
                return Ok(Dynamic::from(Rule { at, place, rule }));
            }
        }
        Ok(Dynamic::UNIT)
    }

    /// Gives the rule at a place.
    ///
    /// - `place`: from 1
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `not-found`: there is no rule at that place.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append("-j ACCEPT");
    /// input.get(1).words == "-j ACCEPT"
    /// ```
    ///
    /// # Source
    /// iptables(8), `--list-rules`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn get(ctx: NativeCallContext, chain: Chain, place: i64) -> Answer<Rule> {
        let wanted = chain.place(&ctx, place)?;
        let found = chain.rules(&ctx)?.into_iter().find(|rule| rule.place == wanted);
        found.ok_or_else(|| {
            call::fault(&ctx, Fault::new(Kind::NotFound, format!("get rule {place} of {}", chain.chain), "there is none at that place"))
        })
    }

    /// Lists the rules in their order, with their counters.
    ///
    /// What is queued is there, too. A listed rule can be given to `append` and the like.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such chain.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append("-j ACCEPT");
    /// input.list().len() == 1
    /// ```
    ///
    /// # Source
    /// iptables(8), `--list-rules`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn list(ctx: NativeCallContext, chain: Chain) -> Answer<Array> {
        Ok(chain.rules(&ctx)?.into_iter().map(Dynamic::from).collect())
    }

    /// Gives the policy of a built-in chain, `"ACCEPT"` or `"DROP"`; `()` for a user-defined one.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such chain.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("filter").chain("INPUT").policy == "ACCEPT"
    /// ```
    ///
    /// # Source
    /// iptables(8), `--policy`
    #[rhai_fn(get = "policy", global, return_raw, volatile)]
    pub fn policy(ctx: NativeCallContext, chain: &mut Chain) -> Answer<Dynamic> {
        let mut found = Dynamic::UNIT;
        for at in chain.refs() {
            if let Some(policy) = Chain::read(&ctx, at)?.policy {
                found = policy.name().into();
            }
        }
        Ok(found)
    }

    /// Gives the name of the chain.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("filter").chain("INPUT").name == "INPUT"
    /// ```
    ///
    /// # Source
    /// iptables(8), TABLES
    #[rhai_fn(get = "name", global, pure)]
    pub fn name(chain: &mut Chain) -> ImmutableString {
        chain.chain.as_str().into()
    }

    /// Prints the chain as one line.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn to_string(chain: &mut Chain) -> ImmutableString {
        format!("chain {}/{}", chain.table.table, chain.chain).into()
    }
}
