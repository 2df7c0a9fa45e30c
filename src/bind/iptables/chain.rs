//! Chains: the rules in their order.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, NativeCallContext};

use super::given::Given;
use super::rule::Rule;
use super::table::Table;
use crate::bind::call::{self, Answer};
use crate::model::iptables::intent::Position;
use crate::model::iptables::{Chain as ChainState, ChainName, ChainRef, Edit, Words};
use crate::model::{Fault, Kind};
use crate::transaction::{Act, Query, Reading};

/// One chain of one family, or of both at once.
#[derive(Clone, Debug)]
pub struct Chain {
    pub(super) table: Table,
    pub(super) chain: ChainName,
}

impl Chain {
    /// Points at the chain in each family.
    fn refs(&self) -> impl Iterator<Item = ChainRef> {
        self.table.families.iter().map(|family| ChainRef::new(*family, self.table.table, self.chain.clone()))
    }

    fn read(ctx: &NativeCallContext, at: ChainRef) -> Answer<ChainState> {
        match call::door(ctx)?.read(Query::Chain(at)).map_err(|f| call::fault(ctx, f))? {
            Reading::Chain(chain) => Ok(chain),
            _ => Ok(ChainState::default()),
        }
    }

    /// Lists the rules.
    pub(super) fn rules(&self, ctx: &NativeCallContext) -> Answer<Vec<Rule>> {
        let mut rules = Vec::new();
        for at in self.refs() {
            let chain = Self::read(ctx, at.clone())?;
            rules.extend(chain.rules.into_iter().zip(1..).map(|(entry, place)| Rule { at: at.clone(), place, rule: entry.rule }));
        }
        Ok(rules)
    }

    /// Queues an edit for each rule that was given.
    pub(super) fn each(&self, ctx: &NativeCallContext, rules: &Dynamic, edit: impl Fn(ChainName, Words) -> Edit) -> Answer<()> {
        for rule in Given::read_all(rules).map_err(|f| call::fault(ctx, f))? {
            self.table.change(ctx, |family| Ok(rule.words(family, self.is_both())?.map(|words| edit(self.chain.clone(), words))))?;
        }
        Ok(())
    }

    /// Queues one edit for all rules that were given.
    pub(super) fn ensure(&self, ctx: &NativeCallContext, rules: &Dynamic, position: Position) -> Answer<()> {
        let rules = Given::read_all(rules).map_err(|f| call::fault(ctx, f))?;
        self.table.change(ctx, |family| {
            let words =
                rules.iter().filter_map(|rule| rule.words(family, self.is_both()).transpose()).collect::<Result<Vec<_>, Fault>>()?;
            Ok(Some(Edit::Ensure(self.chain.clone(), words, position)))
        })
    }

    fn is_both(&self) -> bool {
        self.table.families.len() > 1
    }

    pub(super) fn place(&self, ctx: &NativeCallContext, place: i64) -> Answer<usize> {
        let fault = || Fault::input(format!("use place {place} of {}", self.chain), "places are counted from 1");
        usize::try_from(place).ok().filter(|place| *place > 0).ok_or_else(|| call::fault(ctx, fault()))
    }

    pub(super) fn zero(&self, ctx: &NativeCallContext, place: Option<usize>) -> Answer<()> {
        let door = call::door(ctx)?;
        let zero = |at| door.act(Act::Zero(at, place), call::origin(ctx));
        self.refs().try_for_each(zero).map_err(|f| call::fault(ctx, f))
    }
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A chain of one family, or of both.
    pub type Chain = super::Chain;

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
