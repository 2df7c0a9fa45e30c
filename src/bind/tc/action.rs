//! Actions that filters can share.

use rhai::plugin::*;
use rhai::{Array, Dynamic, NativeCallContext};

use super::{filter, handle};
use crate::bind::call::{self, Answer};
use crate::model::named::Scope;
use crate::model::tc::action::Command;
use crate::model::{Inventory, State};

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// Does what `tc actions` would do: makes, changes or takes away actions that filters can share by their numbers.
    ///
    /// - `words`: what stands behind `tc actions`: `"add action police rate 1mbit burst 10k index 1"`; or an array of such texts
    ///
    /// # Changes
    /// The actions; undo puts back what was there before. One that a filter still uses stays, and is reported.
    ///
    /// # Fails
    /// `input`: the words are not those of tc(8). `exists`: there is one of this number. `not-found`: there is none. `unsupported`: this kernel does not have the kind.
    ///
    /// # Example
    /// ```rhai
    /// tc::actions("add action mirred egress redirect dev lo index 7");
    /// tc::list_actions("mirred")[0].index == 7
    /// ```
    ///
    /// # Source
    /// tc-actions(8)
    #[rhai_fn(return_raw, volatile)]
    pub fn actions(ctx: NativeCallContext, words: Dynamic) -> Answer<()> {
        for line in handle::lines(&ctx, &words)? {
            let command: Command = line.parse().map_err(|f| call::fault(&ctx, f))?;
            if let Command::Set(_, actions) = &command {
                filter::reach(&ctx, actions)?;
            }
            let mut there = Inventory::new();
            for kind in command.kinds() {
                there.append(&mut handle::read(&ctx, Scope::Actions(kind.into()))?);
            }
            handle::change(&ctx, command.edits(&there))?;
        }
        Ok(())
    }

    /// Lists the actions of a kind, those of filters among them, as maps: kind, index, and their words.
    ///
    /// - `kind`: `"police"`, `"mirred"`, `"gact"` and the like
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// tc::list_actions("mirred").len() == 0
    /// ```
    ///
    /// # Source
    /// tc-actions(8), list
    #[rhai_fn(return_raw, volatile)]
    pub fn list_actions(ctx: NativeCallContext, kind: &str) -> Answer<Array> {
        let shown = |state: &State| match state {
            State::Action(action) => Some(filter::shown_action(action)),
            _ => None,
        };
        Ok(handle::read(&ctx, Scope::Actions(kind.into()))?.values().filter_map(shown).collect())
    }
}
