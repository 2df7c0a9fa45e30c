//! Rules: which table a packet asks.

use rhai::plugin::*;
use rhai::{Array, Dynamic, NativeCallContext};

use super::given::{Form, Line};
use super::handle::{self, All, List};
use super::shown;
use crate::bind::call::Answer;
use crate::model::Fault;
use crate::model::link::rule::Wanted;
use crate::model::link::{Object, Rule, Scope, State};
use crate::model::named::Edit;

/// The rules of both families.
#[derive(Clone, Debug)]
pub struct Rules;

fn rules<'a>(all: &'a All<'_>) -> impl Iterator<Item = &'a Rule> {
    let of = |object: &'a Object| if let Object::Rule(rule) = object { Some(&**rule) } else { None };
    all.iter().map(|(object, _)| object).chain(all.earlier).filter_map(of)
}

impl List for Rules {
    fn scope(&self) -> Scope {
        Scope::Rules
    }

    fn form(&self) -> &'static Form {
        &Form { what: "a rule", bare: &[], kind: None, is_of_links: false }
    }

    fn holds(&self, object: &Object) -> bool {
        matches!(object, Object::Rule(_))
    }

    fn wanted(&self, line: &Line, all: &All<'_>) -> Result<(Object, State), Fault> {
        let mut wanted = Wanted::parse(&line.words, line.family)?;
        let family = wanted.rule.family;
        let same = rules(all).find(|rule| rule.family == family && wanted.means(rule));
        let rule = match same {
            Some(same) => same.clone(),
            None => {
                if !wanted.has_priority {
                    wanted.rule.priority = Rule::next_priority(rules(all).filter(|rule| rule.family == family));
                }
                wanted.rule
            }
        };
        Ok((Object::Rule(Box::new(rule)), State::Rule))
    }

    fn meant(&self, line: &Line, all: &All<'_>) -> Result<Vec<Object>, Fault> {
        let wanted = Wanted::parse(&line.words, line.family)?;
        Ok(rules(all)
            .filter(|rule| rule.family == wanted.rule.family && wanted.means(rule))
            .map(|rule| Object::Rule(Box::new(rule.clone())))
            .collect())
    }

    fn shown(&self, object: &Object, _: &State) -> Dynamic {
        match object {
            Object::Rule(rule) => Dynamic::from_map(shown::rule(rule)),
            _ => Dynamic::UNIT,
        }
    }
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// The rules of both families.
    pub type Rules = crate::bind::link::rule::Rules;

    /// Gives the rules of both families.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// Never.
    ///
    /// # Example
    /// ```rhai
    /// link::rules().add("from 192.0.2.0/24 lookup 100");
    /// ```
    ///
    /// # Source
    /// ip-rule(8)
    #[rhai_fn(name = "rules")]
    pub fn all_rules() -> Rules {
        Rules
    }

    /// Lists the rules of both families as maps: `priority`, `family`, what they ask, and `lookup`, `goto`, `blackhole` or the like.
    ///
    /// Each map can be given to `add` and the like.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `system`: the kernel does not answer, or they are changed faster than they can be read.
    ///
    /// # Example
    /// ```rhai
    /// link::rules().add("priority 1000 from 192.0.2.0/24 lookup 100");
    /// link::rules().list().filter(|rule| rule.priority == 1000)[0].lookup == 100
    /// ```
    ///
    /// # Source
    /// ip-rule(8), show
    #[rhai_fn(name = "list", global, return_raw, volatile)]
    pub fn list_all(ctx: NativeCallContext, rules: Rules) -> Answer<Array> {
        handle::list(&ctx, &rules)
    }

    /// Finds the first rule that some words mean, as a map; `()` if there is none.
    ///
    /// - `words`: as much of a rule as is known, in the words of ip(8), or a map
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the words are not understood.
    ///
    /// # Example
    /// ```rhai
    /// link::rules().add("from 192.0.2.0/24 lookup 100");
    /// link::rules().find("from 192.0.2.0/24").lookup == 100
    /// ```
    ///
    /// # Source
    /// ip-rule(8), show
    #[rhai_fn(name = "find", global, return_raw, volatile)]
    pub fn find_one(ctx: NativeCallContext, rules: Rules, words: Dynamic) -> Answer<Dynamic> {
        handle::find(&ctx, &rules, &words)
    }

    /// Adds rules that are not there.
    ///
    /// - `words`: what `ip rule add` takes (`"from 192.0.2.0/24 lookup 100"`), or a map (`#{ fwmark: "0x1", lookup: 100, priority: 1000 }`), or an array of these; `-6` before the words, or `family: "ipv6"`, where they do not tell the family
    ///
    /// # Changes
    /// The rules; undo takes them away. Where no priority is given it is the one that the kernel would take.
    ///
    /// # Fails
    /// `exists`: there is an equal one. `input`: the words are not understood.
    ///
    /// # Example
    /// ```rhai
    /// link::rules().add(["fwmark 0x1/0xff lookup 100", "-6 from all iif lo blackhole", #{ to: "10.0.0.0/8", prohibit: true }]);
    /// ```
    ///
    /// # Source
    /// ip-rule(8), add
    #[rhai_fn(name = "add", global, return_raw, volatile)]
    pub fn add_some(ctx: NativeCallContext, rules: Rules, words: Dynamic) -> Answer<()> {
        handle::put(&ctx, &rules, &words, Edit::Add)
    }

    /// Sees to it that rules are there and are as the words say.
    ///
    /// Where another recipe has seen to it, this one relies on it: it stays until both are lifted.
    ///
    /// - `words`: what `ip rule add` takes (`"from 192.0.2.0/24 lookup 100"`), or a map (`#{ fwmark: "0x1", lookup: 100, priority: 1000 }`), or an array of these; `-6` before the words, or `family: "ipv6"`, where they do not tell the family
    ///
    /// # Changes
    /// The rules that are not there, whatever their priority if none is given; undo takes them away.
    ///
    /// # Fails
    /// `input`: the words are not understood.
    ///
    /// # Example
    /// ```rhai
    /// link::rules().ensure("from 192.0.2.0/24 lookup 100");
    /// link::rules().ensure("from 192.0.2.0/24 lookup 100");
    /// ```
    ///
    /// # Source
    /// ip-rule(8), replace
    #[rhai_fn(name = "ensure", global, return_raw, volatile)]
    pub fn ensure_some(ctx: NativeCallContext, rules: Rules, words: Dynamic) -> Answer<()> {
        handle::put(&ctx, &rules, &words, Edit::Ensure)
    }

    /// Takes away rules that are there.
    ///
    /// - `words`: as much of each as tells it from the others, or a map, or an array of these
    ///
    /// # Changes
    /// The rules; undo puts them back.
    ///
    /// # Fails
    /// `not-found`: there is no such rule. `refused`: several are meant, or the kernel has made it by itself.
    ///
    /// # Example
    /// ```rhai
    /// link::rules().add("from 192.0.2.0/24 lookup 100");
    /// link::rules().del("from 192.0.2.0/24");
    /// ```
    ///
    /// # Source
    /// ip-rule(8), delete
    #[rhai_fn(name = "del", global, return_raw, volatile)]
    pub fn del_some(ctx: NativeCallContext, rules: Rules, words: Dynamic) -> Answer<()> {
        handle::take(&ctx, &rules, &words, true)
    }

    /// Sees to it that rules are not there: all that the words mean.
    ///
    /// - `words`: as much of each as is known, or a map, or an array of these
    ///
    /// # Changes
    /// The rules; undo puts them back.
    ///
    /// # Fails
    /// `refused`: the kernel has made it by itself.
    ///
    /// # Example
    /// ```rhai
    /// link::rules().absent("from 192.0.2.0/24 lookup 100");
    /// ```
    ///
    /// # Source
    /// ip-rule(8), delete
    #[rhai_fn(name = "absent", global, return_raw, volatile)]
    pub fn absent_some(ctx: NativeCallContext, rules: Rules, words: Dynamic) -> Answer<()> {
        handle::take(&ctx, &rules, &words, false)
    }
}
