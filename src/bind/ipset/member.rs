//! What is in a set.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, NativeCallContext};

use super::handle::{self, Set};
use crate::bind::call::{self, Answer};
use crate::model::ipset::{Element, Entry};
use crate::model::named::Edit;
use crate::model::{Fault, Kind, Object, State};

/// Reads the elements that one value without options stands for.
fn elements(ctx: &NativeCallContext, set: &Set, element: &Dynamic) -> Answer<Vec<Element>> {
    Ok(set.given(ctx, element)?.into_iter().map(|member| member.element).collect())
}

/// Finds what is kept about an element, as it stands in the set.
fn entry(ctx: &NativeCallContext, set: &Set, element: &Dynamic) -> Answer<Option<(Element, Entry)>> {
    let Some(element) = elements(ctx, set, element)?.into_iter().next() else { return Ok(None) };
    match handle::state(ctx, Object::Member(set.name.clone(), element.clone()))? {
        Some(State::Entry(entry)) => Ok(Some((element, entry))),
        _ => Ok(None),
    }
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// Gives the name of the set.
    ///
    /// # Example
    /// ```rhai
    /// ipset::ensure_set("blocked", "hash:net").name == "blocked"
    /// ```
    #[rhai_fn(get = "name", global, pure)]
    pub fn name(set: &mut Set) -> ImmutableString {
        set.name.as_str().into()
    }

    /// Gives how the set was made, as `ipset create` takes it behind the name.
    ///
    /// # Example
    /// ```rhai
    /// ipset::ensure_set("blocked", "hash:net").definition == "hash:net family inet"
    /// ```
    #[rhai_fn(get = "definition", global, pure, return_raw)]
    pub fn definition(ctx: NativeCallContext, set: &mut Set) -> Answer<ImmutableString> {
        Ok(set.definition(&ctx)?.in_short().to_string().into())
    }

    /// Gives the type of the set.
    ///
    /// # Example
    /// ```rhai
    /// ipset::ensure_set("blocked", "hash:net").type == "hash:net"
    /// ```
    #[rhai_fn(get = "type", global, pure, return_raw)]
    pub fn kind(ctx: NativeCallContext, set: &mut Set) -> Answer<ImmutableString> {
        Ok(set.definition(&ctx)?.kind.name().into())
    }

    /// Tells how many elements are in the set.
    ///
    /// # Example
    /// ```rhai
    /// let blocked = ipset::ensure_set("blocked", "hash:ip");
    /// blocked.ensure("192.0.2.0/30");
    /// blocked.count == 4
    /// ```
    #[rhai_fn(get = "count", global, pure, return_raw)]
    pub fn count(ctx: NativeCallContext, set: &mut Set) -> Answer<i64> {
        Ok(set.members(&ctx)?.len() as i64)
    }

    /// Lists the elements of the set as texts, without what is kept about them.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such set.
    ///
    /// # Example
    /// ```rhai
    /// let blocked = ipset::ensure_set("blocked", "hash:net comment");
    /// blocked.ensure("192.0.2.0/24 comment \"a test\"");
    /// blocked.list() == ["192.0.2.0/24"]
    /// ```
    ///
    /// # Source
    /// ipset(8), list
    #[rhai_fn(global, return_raw, volatile)]
    pub fn list(ctx: NativeCallContext, set: Set) -> Answer<Array> {
        Ok(set.members(&ctx)?.iter().map(|(element, _)| element.to_string().into()).collect())
    }

    /// Lists the elements of the set as maps, with what is kept about them: `element`, and where there is one `timeout`, `comment`, `packets`,
    /// `bytes`, `nomatch`.
    ///
    /// Each can be given to `add` and the like.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such set.
    ///
    /// # Example
    /// ```rhai
    /// let blocked = ipset::ensure_set("blocked", "hash:net comment");
    /// blocked.ensure("192.0.2.0/24 comment \"a test\"");
    /// blocked.entries()[0].comment == "a test"
    /// ```
    ///
    /// # Source
    /// ipset(8), list
    #[rhai_fn(global, return_raw, volatile)]
    pub fn entries(ctx: NativeCallContext, set: Set) -> Answer<Array> {
        Ok(set.members(&ctx)?.iter().map(|(element, entry)| handle::shown(element, entry)).collect())
    }

    /// Finds an element as it stands in the set, as a map with what is kept about it; `()` if it is not there.
    ///
    /// - `element`: an element in the words of ipset(8)
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such set. `input`: the set cannot hold that.
    ///
    /// # Example
    /// ```rhai
    /// let blocked = ipset::ensure_set("blocked", "hash:ip timeout 0");
    /// blocked.ensure("192.0.2.1 timeout 60");
    /// blocked.find("192.0.2.1").timeout == 60 && blocked.find("192.0.2.2") == ()
    /// ```
    ///
    /// # Source
    /// ipset(8), list
    #[rhai_fn(global, return_raw, volatile)]
    pub fn find(ctx: NativeCallContext, set: Set, element: Dynamic) -> Answer<Dynamic> {
        Ok(entry(&ctx, &set, &element)?.map_or(Dynamic::UNIT, |(element, entry)| handle::shown(&element, &entry)))
    }

    /// Gives an element as it stands in the set, as a map with what is kept about it.
    ///
    /// - `element`: an element in the words of ipset(8)
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such set, or it has no such element. `input`: the set cannot hold that.
    ///
    /// # Example
    /// ```rhai
    /// let blocked = ipset::ensure_set("blocked", "hash:net comment");
    /// blocked.ensure("192.0.2.0/24 comment \"a test\"");
    /// blocked.get("192.0.2.0/24").comment == "a test"
    /// ```
    ///
    /// # Source
    /// ipset(8), list
    #[rhai_fn(global, return_raw, volatile)]
    pub fn get(ctx: NativeCallContext, set: Set, element: Dynamic) -> Answer<Dynamic> {
        match entry(&ctx, &set, &element)? {
            Some((element, entry)) => Ok(handle::shown(&element, &entry)),
            None => {
                let fault = Fault::new(Kind::NotFound, format!("get {element} of the set {}", set.name), "it is not in the set");
                Err(call::fault(&ctx, fault))
            }
        }
    }

    /// Tells whether a packet of this address, network or port would be found in the set: an address is also looked for in networks.
    ///
    /// - `element`: an element in the words of ipset(8); of a range, all has to be in the set
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such set. `input`: the set cannot hold that.
    ///
    /// # Example
    /// ```rhai
    /// let blocked = ipset::ensure_set("blocked", "hash:net");
    /// blocked.ensure(["192.0.2.0/24", "192.0.2.7 nomatch"]);
    /// blocked.contains("192.0.2.1") && !blocked.contains("192.0.2.7")
    /// ```
    ///
    /// # Source
    /// ipset(8), test
    #[rhai_fn(global, return_raw, volatile)]
    pub fn contains(ctx: NativeCallContext, set: Set, element: Dynamic) -> Answer<bool> {
        let (wanted, members) = (elements(&ctx, &set, &element)?, set.members(&ctx)?);
        let pairs = || members.iter().map(|(element, entry)| (element, entry));
        Ok(wanted.iter().all(|element| element.is_held(pairs())))
    }

    /// Puts elements into the set that are not in it.
    ///
    /// - `elements`: one or an array, each in the words of ipset(8) (`"192.0.2.1 timeout 60"`) or a map (`#{ element: "192.0.2.1", timeout: 60 }`); a
    ///   range or a network in a set of addresses is each of its addresses
    ///
    /// # Changes
    /// What is in the set; undo takes the elements out.
    ///
    /// # Fails
    /// `exists`: one of them is in the set already; then none is put in. `not-found`: there is no such set. `input`: the set cannot hold that.
    ///
    /// # Example
    /// ```rhai
    /// ipset::new_set("blocked", "hash:ip").add(["192.0.2.1", "192.0.2.8-192.0.2.11"]);
    /// ```
    ///
    /// # Source
    /// ipset(8), add
    #[rhai_fn(global, return_raw, volatile)]
    pub fn add(ctx: NativeCallContext, set: Set, elements: Dynamic) -> Answer<()> {
        set.each(&ctx, &elements, Edit::Add)
    }

    /// Sees to it that elements are in the set, with what is to be kept about them.
    ///
    /// An element that is there stays as it is, also with the time that is left to it; another comment or mark is set.
    ///
    /// - `elements`: one or an array, each in the words of ipset(8) (`"192.0.2.1 timeout 60"`) or a map (`#{ element: "192.0.2.1", timeout: 60 }`); a
    ///   range or a network in a set of addresses is each of its addresses
    ///
    /// # Changes
    /// What is in the set; undo takes out what was not in it.
    ///
    /// # Fails
    /// `not-found`: there is no such set. `input`: the set cannot hold that. `refused`: there would be more elements than the set holds.
    ///
    /// # Example
    /// ```rhai
    /// let blocked = ipset::ensure_set("blocked", "hash:net");
    /// blocked.ensure(["192.0.2.0/24", "198.51.100.7"]);
    /// ```
    ///
    /// # Source
    /// ipset(8), add
    #[rhai_fn(global, return_raw, volatile)]
    pub fn ensure(ctx: NativeCallContext, set: Set, elements: Dynamic) -> Answer<()> {
        set.each(&ctx, &elements, Edit::Ensure)
    }

    /// Sees to it that these elements are in the set, and no others.
    ///
    /// - `elements`: an array, each element in the words of ipset(8) or a map
    ///
    /// # Changes
    /// What is in the set; undo takes out what was not in it, and puts back what was.
    ///
    /// # Fails
    /// `not-found`: there is no such set. `input`: the set cannot hold that. `refused`: there would be more elements than the set holds.
    ///
    /// # Example
    /// ```rhai
    /// let blocked = ipset::ensure_set("blocked", "hash:net");
    /// blocked.ensure(["192.0.2.0/24", "198.51.100.7"]);
    /// blocked.ensure_only(["198.51.100.7"]);
    /// blocked.list() == ["198.51.100.7"]
    /// ```
    ///
    /// # Source
    /// ipset(8), add and del
    #[rhai_fn(global, return_raw, volatile)]
    pub fn ensure_only(ctx: NativeCallContext, set: Set, elements: Array) -> Answer<()> {
        let wanted: Vec<_> = set.given(&ctx, &Dynamic::from_array(elements))?.into_iter().map(|member| set.member(member)).collect();
        let kept = wanted.iter().map(|(object, _)| object.clone()).collect();
        let edits = wanted.into_iter().map(|(object, entry)| Edit::Ensure(object, entry));
        handle::change(&ctx, std::iter::once(Edit::Keep(set.object(), kept)).chain(edits).collect())
    }

    /// Takes elements out of the set that are in it.
    ///
    /// - `elements`: one or an array, each in the words of ipset(8)
    ///
    /// # Changes
    /// What is in the set; undo puts the elements back, with what was kept about them. In a list of sets they come back at its end.
    ///
    /// # Fails
    /// `not-found`: one of them is not in the set, or there is no such set; then none is taken out. `input`: the set cannot hold that.
    ///
    /// # Example
    /// ```rhai
    /// let blocked = ipset::new_set("blocked", "hash:ip");
    /// blocked.add("192.0.2.1");
    /// blocked.del("192.0.2.1");
    /// ```
    ///
    /// # Source
    /// ipset(8), del
    #[rhai_fn(global, return_raw, volatile)]
    pub fn del(ctx: NativeCallContext, set: Set, elements: Dynamic) -> Answer<()> {
        set.each(&ctx, &elements, |object, _| Edit::Del(object))
    }

    /// Sees to it that elements are not in the set.
    ///
    /// - `elements`: one or an array, each in the words of ipset(8)
    ///
    /// # Changes
    /// What is in the set; undo puts back what was in it. In a list of sets it comes back at its end.
    ///
    /// # Fails
    /// `not-found`: there is no such set. `input`: the set cannot hold that.
    ///
    /// # Example
    /// ```rhai
    /// ipset::ensure_set("blocked", "hash:ip").absent(["192.0.2.1", "192.0.2.2"]);
    /// ```
    ///
    /// # Source
    /// ipset(8), del
    #[rhai_fn(global, return_raw, volatile)]
    pub fn absent(ctx: NativeCallContext, set: Set, elements: Dynamic) -> Answer<()> {
        set.each(&ctx, &elements, |object, _| Edit::Absent(object))
    }

    /// Takes everything out of the set.
    ///
    /// # Changes
    /// What is in the set; undo puts it back. In a list of sets it comes back in the order of the names.
    ///
    /// # Fails
    /// `not-found`: there is no such set.
    ///
    /// # Example
    /// ```rhai
    /// ipset::ensure_set("blocked", "hash:ip").flush();
    /// ```
    ///
    /// # Source
    /// ipset(8), flush
    #[rhai_fn(global, return_raw, volatile)]
    pub fn flush(ctx: NativeCallContext, set: Set) -> Answer<()> {
        set.definition(&ctx)?;
        handle::change(&ctx, vec![Edit::Keep(set.object(), Vec::new())])
    }

    /// Prints the set's name as one line.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn to_string(set: &mut Set) -> ImmutableString {
        format!("set {}", set.name).into()
    }
}
