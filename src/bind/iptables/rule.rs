//! A rule as a value: what a listing gives, and what can be given back.

use std::sync::Arc;

use rhai::plugin::*;
use rhai::{Dynamic, ImmutableString, Map, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::bind::field::Fields;
use crate::model::iptables::{ChainRef, Counters, Rule as RuleState};
use crate::model::{Fault, Kind};
use crate::transaction::{Query, Reading};

/// A rule in its chain.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(super) at: ChainRef,
    pub(super) place: usize,
    pub(super) rule: Arc<RuleState>,
}

impl Rule {
    /// Gives what there is to say of the rule; the counters are nothing where only packets could tell them.
    pub(in crate::bind) fn fields(&self) -> Fields {
        let number =
            |of: fn(Counters) -> u64| self.rule.counters.map_or(Dynamic::UNIT, |counters| Dynamic::from(count(of(counters)))).into();
        vec![
            ("family", self.at.family.name().into()),
            ("chain", self.at.chain.to_string().into()),
            ("place", count(self.place as u64).into()),
            ("packets", number(|counters| counters.packets)),
            ("bytes", number(|counters| counters.bytes)),
            ("rule", self.rule.words.to_string().into()),
            ("recipe", self.rule.tag.as_ref().map_or(Dynamic::UNIT.into(), |tag| tag.owner.to_string().into())),
        ]
    }

    /// Gives what the rule has counted. A rule that is only queued is written first; in a plan nobody knows.
    fn counters(&self, ctx: &NativeCallContext) -> Answer<Counters> {
        if let Some(counters) = self.rule.counters {
            return Ok(counters);
        }
        let Reading::Chain(chain) = call::door(ctx)?.read(Query::Counted(self.at.clone())).map_err(|f| call::fault(ctx, f))? else {
            return Ok(Counters::default());
        };
        let same = |rule: &RuleState| match &self.rule.tag {
            Some(tag) => rule.tag.as_ref() == Some(tag),
            None => rule.words == self.rule.words,
        };
        let found = chain.rules.iter().find(|entry| same(&entry.rule));
        let tried = format!("read the counters of a rule of {}", self.at);
        let fault = match found.map(|entry| entry.rule.counters) {
            Some(Some(counters)) => return Ok(counters),
            Some(None) => Fault::new(Kind::Unknown, tried, "only packets can tell, and a plan sends none"),
            None => Fault::new(Kind::NotFound, tried, "the rule is gone"),
        };
        Err(call::fault(ctx, fault))
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A rule in its chain.
    pub type Rule = super::Rule;

    /// Gives the rule in the tool's own words, as the kernel has them.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append("-p tcp --dport ssh -j DROP");
    /// input.list()[0].words == "-p tcp -m tcp --dport 22 -j DROP"
    /// ```
    #[rhai_fn(get = "words", global, pure)]
    pub fn words(rule: &mut Rule) -> ImmutableString {
        rule.rule.words.as_str().into()
    }

    /// Gives the chain or target that the rule jumps to, `()` without one.
    #[rhai_fn(get = "target", global, pure)]
    pub fn target(rule: &mut Rule) -> Dynamic {
        rule.rule.words.target().map_or(Dynamic::UNIT, Dynamic::from)
    }

    /// Gives the place of the rule in its chain, from 1.
    #[rhai_fn(get = "place", global, pure)]
    pub fn place(rule: &mut Rule) -> i64 {
        count(rule.place as u64)
    }

    /// Gives the name of the rule's chain.
    #[rhai_fn(get = "chain", global, pure)]
    pub fn chain(rule: &mut Rule) -> ImmutableString {
        rule.at.chain.as_str().into()
    }

    /// Gives the family of the rule: `"ipv4"` or `"ipv6"`.
    #[rhai_fn(get = "family", global, pure)]
    pub fn family(rule: &mut Rule) -> ImmutableString {
        rule.at.family.name().into()
    }

    /// Gives the recipe that set the rule, with its instance; `()` for a rule that is not fyke's.
    #[rhai_fn(get = "recipe", global, pure)]
    pub fn recipe(rule: &mut Rule) -> Dynamic {
        rule.rule.tag.as_ref().map_or(Dynamic::UNIT, |tag| Dynamic::from(tag.owner.to_string()))
    }

    /// Gives the run that set the rule; `()` for a rule that is not fyke's.
    #[rhai_fn(get = "run", global, pure)]
    pub fn run(rule: &mut Rule) -> Dynamic {
        rule.rule.tag.as_ref().map_or(Dynamic::UNIT, |tag| Dynamic::from(tag.run.to_string()))
    }

    /// Gives how many packets the rule has matched.
    ///
    /// # Changes
    /// What is queued is written first.
    ///
    /// # Fails
    /// `unknown`: in a plan, for a rule that is only planned; the plan ends here.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append("-p tcp --dport 22");
    /// input.list()[0].packets == 0
    /// ```
    ///
    /// # Source
    /// iptables(8), `--verbose`
    #[rhai_fn(get = "packets", global, return_raw, volatile)]
    pub fn packets(ctx: NativeCallContext, rule: &mut Rule) -> Answer<i64> {
        Ok(count(rule.counters(&ctx)?.packets))
    }

    /// Gives how many bytes the packets had that the rule has matched.
    ///
    /// # Changes
    /// What is queued is written first.
    ///
    /// # Fails
    /// `unknown`: in a plan, for a rule that is only planned; the plan ends here.
    ///
    /// # Source
    /// iptables(8), `--verbose`
    #[rhai_fn(get = "bytes", global, return_raw, volatile)]
    pub fn bytes(ctx: NativeCallContext, rule: &mut Rule) -> Answer<i64> {
        Ok(count(rule.counters(&ctx)?.bytes))
    }

    /// Gives the rule as a map; the counters are `()` where only packets could tell them.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// let input = iptables::table("filter").chain("INPUT");
    /// input.append("-j ACCEPT");
    /// input.list()[0].to_map()
    /// ```
    ///
    /// # Source
    /// iptables(8), `--list-rules`
    #[rhai_fn(global, pure)]
    pub fn to_map(rule: &mut Rule) -> Map {
        rule.fields().into_iter().map(|(name, value)| (name.into(), value.value())).collect()
    }

    /// Prints the rule as one line of iptables-save(8).
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn to_string(rule: &mut Rule) -> ImmutableString {
        format!("-A {} {}", rule.at.chain, rule.rule.words).into()
    }
}
