//! Changes of chains: rules go in and come out.

use rhai::plugin::*;
use rhai::{Dynamic, NativeCallContext};

use super::handle::Chain;
use crate::bind::call::{self, Answer};
use crate::model::iptables::Edit;
use crate::model::iptables::intent::Position;

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// Puts rules at the end of the chain.
    ///
    /// - `rules`: the tool's own words (`"-p tcp --dport 22 -j DROP"`), a map (`#{ proto: "tcp", dport: 22, jump: "DROP" }`), or a rule that was listed; or an array of these
    ///
    /// # Changes
    /// The rules are there once more, whether they were there or not; `ensure` is repeatable.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `input`: the rule is not acceptable. `refused`: the kernel refuses it, at the latest when it is written.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append("-p tcp --dport 22 -j DROP");
    /// input.append(#{ proto: "udp", dport: 53..=54, jump: "ACCEPT" });
    /// ```
    ///
    /// # Source
    /// iptables(8), `--append`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn append(ctx: NativeCallContext, chain: Chain, rules: Dynamic) -> Answer<()> {
        chain.each(&ctx, &rules, Edit::Append)
    }

    /// Puts a rule at a place of the chain.
    ///
    /// - `place`: from 1, which is the first; at most one more than there are rules
    /// - `rule`: the tool's own words (`"-p tcp --dport 22 -j DROP"`), a map (`#{ proto: "tcp", dport: 22, jump: "DROP" }`), or a rule that was listed
    ///
    /// # Changes
    /// The rule is there, and the rules from that place on move by one.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `input`: there is no such place, or the rule is not acceptable. `refused`: the kernel refuses it, at the latest when it is written.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.insert(1, "-i lo -j ACCEPT");
    /// ```
    ///
    /// # Source
    /// iptables(8), `--insert`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn insert(ctx: NativeCallContext, chain: Chain, place: i64, rule: Dynamic) -> Answer<()> {
        let place = chain.place(&ctx, place)?;
        chain.each(&ctx, &rule, |chain, words| Edit::Insert(chain, place, words))
    }

    /// Puts a rule at the head of the chain.
    ///
    /// - `rule`: the tool's own words (`"-p tcp --dport 22 -j DROP"`), a map (`#{ proto: "tcp", dport: 22, jump: "DROP" }`), or a rule that was listed
    ///
    /// # Changes
    /// The rule is there, and all others move by one.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `input`: the rule is not acceptable. `refused`: the kernel refuses it, at the latest when it is written.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.insert("-i lo -j ACCEPT");
    /// ```
    ///
    /// # Source
    /// iptables(8), `--insert`
    #[rhai_fn(name = "insert", global, return_raw, volatile)]
    pub fn insert_first(ctx: NativeCallContext, chain: Chain, rule: Dynamic) -> Answer<()> {
        insert(ctx, chain, 1, rule)
    }

    /// Puts a rule in the place of another.
    ///
    /// - `place`: from 1
    /// - `rule`: the tool's own words (`"-p tcp --dport 22 -j DROP"`), a map (`#{ proto: "tcp", dport: 22, jump: "DROP" }`), or a rule that was listed
    ///
    /// # Changes
    /// The new rule is there, with counters of zero, and the old one is gone; at no time are both missing.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `input`: there is no such place, or the rule is not acceptable. `refused`: the kernel refuses it, at the latest when it is written.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append("-p tcp --dport 22 -j ACCEPT");
    /// input.replace(1, "-p tcp --dport 22 -j DROP");
    /// ```
    ///
    /// # Source
    /// iptables(8), `--replace`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn replace(ctx: NativeCallContext, chain: Chain, place: i64, rule: Dynamic) -> Answer<()> {
        let place = chain.place(&ctx, place)?;
        chain.each(&ctx, &rule, |chain, words| Edit::Replace(chain, place, words))
    }

    /// Takes out the one rule that equals this one.
    ///
    /// - `rule`: the tool's own words (`"-p tcp --dport 22 -j DROP"`), a map (`#{ proto: "tcp", dport: 22, jump: "DROP" }`), or a rule that was listed
    ///
    /// # Changes
    /// The rule is gone.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `not-found`: no rule equals it. `refused`: several do.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append("-p tcp --dport ssh -j DROP");
    /// input.delete("-p tcp --dport 22 -j DROP");
    /// ```
    ///
    /// # Source
    /// iptables(8), `--delete`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn delete(ctx: NativeCallContext, chain: Chain, rule: Dynamic) -> Answer<()> {
        chain.each(&ctx, &rule, Edit::Delete)
    }

    /// Takes out the rule at a place.
    ///
    /// - `place`: from 1
    ///
    /// # Changes
    /// The rule is gone, and those behind it move by one.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `input`: there is no such place.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append("-j ACCEPT");
    /// input.delete_at(1);
    /// ```
    ///
    /// # Source
    /// iptables(8), `--delete`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn delete_at(ctx: NativeCallContext, chain: Chain, place: i64) -> Answer<()> {
        let place = chain.place(&ctx, place)?;
        chain.table.change(&ctx, |_| Ok(Some(Edit::DeleteAt(chain.chain.clone(), place))))
    }

    /// Sees to it that the chain has these rules; a second run changes nothing.
    ///
    /// - `rules`: the tool's own words (`"-p tcp --dport 22 -j DROP"`), a map (`#{ proto: "tcp", dport: 22, jump: "DROP" }`), or a rule that was listed; or an array of these
    ///
    /// They end in the order of the list. A rule that is there already, whoever set it, is taken as it is; a missing one is put behind
    /// the one before it in the list, else in front of the one behind it, else at the end.
    /// Other rules that earlier runs of this recipe (with the same key parameters) left in the chain go when the run ends: they are out of date.
    ///
    /// # Changes
    /// The rules are there.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `input`: the rule is not acceptable. `refused`: the kernel refuses it, at the latest when it is written.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.ensure(["-i lo -j ACCEPT", "-p tcp --dport 22 -j ACCEPT"]);
    /// ```
    ///
    /// # Source
    /// iptables(8), `--check`, `--append`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn ensure(ctx: NativeCallContext, chain: Chain, rules: Dynamic) -> Answer<()> {
        chain.ensure(&ctx, &rules, Position::Last)
    }

    /// Sees to it that the chain has these rules before all others; a second run changes nothing.
    ///
    /// - `rules`: the tool's own words (`"-p tcp --dport 22 -j DROP"`), a map (`#{ proto: "tcp", dport: 22, jump: "DROP" }`), or a rule that was listed; or an array of these
    ///
    /// Before them may stand rules of other runs of fyke: two recipes that both want to be first do not push each other away.
    ///
    /// # Changes
    /// The rules are there, at the head of the chain.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `input`: the rule is not acceptable. `refused`: the kernel refuses it, at the latest when it is written.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.ensure_first("-i lo -j ACCEPT");
    /// ```
    ///
    /// # Source
    /// iptables(8), `--check`, `--insert`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn ensure_first(ctx: NativeCallContext, chain: Chain, rules: Dynamic) -> Answer<()> {
        chain.ensure(&ctx, &rules, Position::First)
    }

    /// Sees to it that no rule of the chain equals any of these; a second run changes nothing.
    ///
    /// - `rules`: the tool's own words (`"-p tcp --dport 22 -j DROP"`), a map (`#{ proto: "tcp", dport: 22, jump: "DROP" }`), or a rule that was listed; or an array of these
    ///
    /// # Changes
    /// All rules that equal one of them are gone.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `input`: the rule is not acceptable. `refused`: the kernel refuses it, at the latest when it is written.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.absent("-p tcp --dport 23 -j ACCEPT");
    /// ```
    ///
    /// # Source
    /// iptables(8), `--check`, `--delete`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn absent(ctx: NativeCallContext, chain: Chain, rules: Dynamic) -> Answer<()> {
        chain.each(&ctx, &rules, Edit::Absent)
    }

    /// Takes all rules out of the chain, whoever set them.
    ///
    /// # Changes
    /// The chain is empty; an undo puts the rules back with their counters.
    ///
    /// # Fails
    /// `not-found`: there is no such chain.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("filter").chain("INPUT").flush();
    /// ```
    ///
    /// # Source
    /// iptables(8), `--flush`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn flush(ctx: NativeCallContext, chain: Chain) -> Answer<()> {
        chain.table.change(&ctx, |_| Ok(Some(Edit::Flush(chain.chain.clone()))))
    }

    /// Sets the counters of the chain and of its rules to zero.
    ///
    /// # Changes
    /// The counters. That cannot be lifted: packets change them, too. What is queued is written first.
    ///
    /// # Fails
    /// `not-found`: there is no such chain.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("filter").chain("INPUT").zero();
    /// ```
    ///
    /// # Source
    /// iptables(8), `--zero`
    #[rhai_fn(name = "zero", global, return_raw, volatile)]
    pub fn zero_all(ctx: NativeCallContext, chain: Chain) -> Answer<()> {
        chain.zero(&ctx, None)
    }

    /// Sets the counters of one rule to zero.
    ///
    /// - `place`: from 1
    ///
    /// # Changes
    /// The counters. That cannot be lifted: packets change them, too. What is queued is written first.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `input`: there is no such place.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append("-j ACCEPT");
    /// input.zero(1);
    /// ```
    ///
    /// # Source
    /// iptables(8), `--zero`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn zero(ctx: NativeCallContext, chain: Chain, place: i64) -> Answer<()> {
        let place = chain.place(&ctx, place)?;
        chain.zero(&ctx, Some(place))
    }

    /// Sets what happens to a packet at the end of a built-in chain.
    ///
    /// - `policy`: `"ACCEPT"` or `"DROP"`
    ///
    /// # Changes
    /// The policy.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `input`: it is a user-defined chain, or no policy.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("filter").chain("FORWARD").set_policy("DROP");
    /// ```
    ///
    /// # Source
    /// iptables(8), `--policy`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn set_policy(ctx: NativeCallContext, chain: Chain, policy: &str) -> Answer<()> {
        let policy = policy.parse().map_err(|f| call::fault(&ctx, f))?;
        chain.table.change(&ctx, |_| Ok(Some(Edit::SetPolicy(chain.chain.clone(), policy))))
    }
}
