//! Sets: made, found, taken away, and their names exchanged.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, Map, NativeCallContext};

use super::given;
use super::handle::{self, Set};
use crate::bind::call::{self, Answer};
use crate::model::ipset::{Definition, SetName};
use crate::model::named::Edit;
use crate::model::{Object, State};

fn make(ctx: &NativeCallContext, name: &str, definition: &Dynamic, edit: fn(Object, State) -> Edit) -> Answer<Set> {
    let set = Set::named(ctx, name)?;
    let definition: Definition = given::line(ctx, definition, "type")?.parse().map_err(|f| call::fault(ctx, f))?;
    handle::change(ctx, vec![edit(set.object(), State::Set(definition))])?;
    Ok(set)
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A set of addresses, networks or ports.
    pub type Set = crate::bind::ipset::handle::Set;

    /// Lists the sets: the name of each, its type, and its definition.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `unsupported`: this kernel has no sets.
    ///
    /// # Example
    /// ```rhai
    /// ipset::ensure_set("blocked", "hash:net");
    /// ipset::list()[0].name == "blocked"
    /// ```
    ///
    /// # Source
    /// ipset(8), list
    #[rhai_fn(return_raw, volatile)]
    pub fn list(ctx: NativeCallContext) -> Answer<Array> {
        let set = |(name, definition): (SetName, Definition)| {
            let pairs =
                [("name", name.to_string()), ("type", definition.kind.to_string()), ("definition", definition.in_short().to_string())];
            Dynamic::from_map(pairs.into_iter().map(|(key, text)| (key.into(), text.into())).collect::<Map>())
        };
        Ok(handle::sets(&ctx)?.into_iter().map(set).collect())
    }

    /// Gives a set that is there, or that this script makes.
    ///
    /// - `name`: at most 31 bytes
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such set. `input`: a set cannot have this name.
    ///
    /// # Example
    /// ```rhai
    /// ipset::ensure_set("blocked", "hash:net");
    /// ipset::set("blocked").ensure("192.0.2.0/24");
    /// ```
    ///
    /// # Source
    /// ipset(8)
    #[rhai_fn(return_raw, volatile)]
    pub fn set(ctx: NativeCallContext, name: &str) -> Answer<Set> {
        let set = Set::named(&ctx, name)?;
        set.definition(&ctx).map(|_| set)
    }

    /// Gives a set, or `()` where there is none of this name.
    ///
    /// - `name`: at most 31 bytes
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: a set cannot have this name.
    ///
    /// # Example
    /// ```rhai
    /// ipset::find("blocked") == ()
    /// ```
    ///
    /// # Source
    /// ipset(8)
    #[rhai_fn(return_raw, volatile)]
    pub fn find(ctx: NativeCallContext, name: &str) -> Answer<Dynamic> {
        let set = Set::named(&ctx, name)?;
        Ok(set.find(&ctx)?.map_or(Dynamic::UNIT, |_| Dynamic::from(set)))
    }

    /// Makes the name of a set for this instance of the recipe: two protected ports have two sets.
    ///
    /// - `base`: the name, without blanks, commas, quotes and backslashes
    ///
    /// A name that would have more than 31 bytes is cut and ends in a hash.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: a set cannot have this name.
    ///
    /// # Example
    /// ```rhai
    /// ipset::ensure_set(ipset::set_name("blocked"), "hash:net");
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn set_name(ctx: NativeCallContext, base: &str) -> Answer<ImmutableString> {
        let instance = call::session(&ctx)?.call().instance.clone();
        let name = SetName::of_instance(base, &instance).map_err(|f| call::fault(&ctx, f))?;
        Ok(name.as_str().into())
    }

    /// Makes a set that is not there.
    ///
    /// - `name`: at most 31 bytes
    /// - `definition`: what `ipset create` takes behind the name (`"hash:net family inet6 timeout 600"`), or a map
    ///   (`#{ "type": "hash:net", family: "inet6", timeout: 600 }`)
    ///
    /// # Changes
    /// The set is made; undo takes it away, unless somebody else put elements into it.
    ///
    /// # Fails
    /// `exists`: the set is there already. `input`: there is no such type or option. `unsupported`: this kernel has no sets of the type.
    ///
    /// # Example
    /// ```rhai
    /// ipset::new_set("blocked", "hash:ip timeout 600").add("192.0.2.1");
    /// ```
    ///
    /// # Source
    /// ipset(8), create
    #[rhai_fn(return_raw, volatile)]
    pub fn new_set(ctx: NativeCallContext, name: &str, definition: Dynamic) -> Answer<Set> {
        make(&ctx, name, &definition, Edit::Add)
    }

    /// Makes a set of this recipe, or takes it as it is if this recipe (with the same key parameters) made it before.
    ///
    /// - `name`: at most 31 bytes; `ipset::set_name("blocked")` gives a name of this instance
    /// - `definition`: what `ipset create` takes behind the name (`"hash:net family inet6 timeout 600"`), or a map
    ///   (`#{ "type": "hash:net", family: "inet6", timeout: 600 }`)
    ///
    /// # Changes
    /// The set is made, unless it is there; undo takes it away, unless somebody else put elements into it.
    ///
    /// # Fails
    /// `exists`: somebody else made a set of this name, or it is of another definition. `input`: there is no such type or option.
    ///
    /// # Example
    /// ```rhai
    /// let blocked = ipset::ensure_set("blocked", "hash:net");
    /// blocked.ensure(["192.0.2.0/24", "198.51.100.7"]);
    /// iptables::table("filter").chain("INPUT").ensure(#{ match_set: "blocked src", jump: "DROP" });
    /// ```
    ///
    /// # Source
    /// ipset(8), create
    #[rhai_fn(return_raw, volatile)]
    pub fn ensure_set(ctx: NativeCallContext, name: &str, definition: Dynamic) -> Answer<Set> {
        make(&ctx, name, &definition, Edit::Ensure)
    }

    /// Takes away a set with all that is in it.
    ///
    /// - `name`: the set; no rule and no list may name it
    ///
    /// # Changes
    /// The set is gone; undo makes it again and puts back what was in it.
    ///
    /// # Fails
    /// `not-found`: there is no such set. `busy`: a rule or a list names it.
    ///
    /// # Example
    /// ```rhai
    /// ipset::new_set("blocked", "hash:net");
    /// ipset::delete_set("blocked");
    /// ```
    ///
    /// # Source
    /// ipset(8), destroy
    #[rhai_fn(return_raw, volatile)]
    pub fn delete_set(ctx: NativeCallContext, name: &str) -> Answer<()> {
        let object = Set::named(&ctx, name)?.object();
        handle::change(&ctx, vec![Edit::Del(object)])
    }

    /// Sees to it that a set is not there, nor what was in it.
    ///
    /// - `name`: the set; no rule and no list may name it
    ///
    /// # Changes
    /// The set is gone, if it was there; undo makes it again and puts back what was in it.
    ///
    /// # Fails
    /// `busy`: a rule or a list names it.
    ///
    /// # Example
    /// ```rhai
    /// ipset::absent_set("blocked");
    /// ```
    ///
    /// # Source
    /// ipset(8), destroy
    #[rhai_fn(return_raw, volatile)]
    pub fn absent_set(ctx: NativeCallContext, name: &str) -> Answer<()> {
        let object = Set::named(&ctx, name)?.object();
        handle::change(&ctx, vec![Edit::Absent(object)])
    }

    /// Gives two sets of a type each other's name, at once for all rules that name them.
    ///
    /// - `one`: a set
    /// - `other`: another one, of the same type and family
    ///
    /// # Changes
    /// The names of both sets.
    ///
    /// # Fails
    /// `not-found`: one of them is not there. `refused`: they are of different types.
    ///
    /// # Example
    /// ```rhai
    /// ipset::new_set("blocked", "hash:net");
    /// ipset::new_set("fresh", "hash:net").add("192.0.2.0/24");
    /// ipset::swap("blocked", "fresh");
    /// ipset::set("blocked").count == 1
    /// ```
    ///
    /// # Source
    /// ipset(8), swap
    #[rhai_fn(return_raw, volatile)]
    pub fn swap(ctx: NativeCallContext, one: &str, other: &str) -> Answer<()> {
        let (one, other) = (Set::named(&ctx, one)?.name, Set::named(&ctx, other)?.name);
        handle::change(&ctx, vec![Edit::Swap(one, other)])
    }
}
