//! Neighbours on links.

use rhai::plugin::*;
use rhai::{Array, Dynamic, NativeCallContext};

use super::given::{Form, Line};
use super::handle::{self, All, List};
use super::shown;
use crate::bind::call::Answer;
use crate::model::link::{Dev, Object, Scope, State, neighbour};
use crate::model::named::Edit;
use crate::model::{Fault, Kind};

/// The neighbours on a link, or on all links.
#[derive(Clone, Debug)]
pub struct Neighbours {
    pub(super) dev: Option<Dev>,
}

impl Neighbours {
    /// Finds the link that is meant.
    fn dev(&self, wanted: &neighbour::Wanted, all: &All<'_>) -> Result<Option<Dev>, Fault> {
        let refuse = |kind: Kind, why: String| Err(Fault::new(kind, format!("use the neighbour {wanted}"), why));
        match (&self.dev, &wanted.dev) {
            (Some(dev), None) => Ok(Some(dev.clone())),
            (None, None) => Ok(None),
            (mine, Some(name)) => match all.dev(name) {
                None => refuse(Kind::NotFound, format!("there is no link {name}")),
                Some(dev) if mine.as_ref().is_some_and(|mine| *mine != dev) => refuse(Kind::Input, "it is on another link".into()),
                dev => Ok(dev),
            },
        }
    }
}

impl List for Neighbours {
    fn scope(&self) -> Scope {
        Scope::Neighbourhood
    }

    fn form(&self) -> &'static Form {
        &Form { what: "a neighbour", bare: &["address"], kind: None, is_of_links: false }
    }

    fn holds(&self, object: &Object) -> bool {
        matches!(object, Object::Neighbour(key) if self.dev.as_ref().is_none_or(|dev| key.dev == *dev))
    }

    fn wanted(&self, line: &Line, all: &All<'_>) -> Result<(Object, State), Fault> {
        let wanted: neighbour::Wanted = line.words.parse()?;
        let refuse = |why: &str| Fault::input(format!("add the neighbour {wanted}"), why);
        if wanted.about.lladdr.is_none() {
            return Err(refuse("its address on the wire is missing").hint("`lladdr 02:00:5e:10:00:01`"));
        }
        let dev = self.dev(&wanted, all)?.ok_or_else(|| refuse("its link is missing").hint("`dev eth0`"))?;
        Ok((Object::Neighbour(neighbour::Key { dev, address: wanted.address }), State::Neighbour(wanted.about)))
    }

    fn meant(&self, line: &Line, all: &All<'_>) -> Result<Vec<Object>, Fault> {
        let wanted: neighbour::Wanted = line.words.parse()?;
        let dev = self.dev(&wanted, all)?;
        let is_meant = |object: &Object| match object {
            Object::Neighbour(key) => key.address == wanted.address && dev.as_ref().is_none_or(|dev| key.dev == *dev),
            _ => false,
        };
        Ok(all.iter().map(|(object, _)| object).filter(|object| is_meant(object)).cloned().collect())
    }

    fn shown(&self, object: &Object, state: &State) -> Dynamic {
        match (object, state) {
            (Object::Neighbour(key), State::Neighbour(about)) => Dynamic::from_map(shown::neighbour(key, about)),
            _ => Dynamic::UNIT,
        }
    }
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// The neighbours on a link, or on all links.
    pub type Neighbours = crate::bind::link::neighbour::Neighbours;

    /// Gives the neighbours on all links.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// Never.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 up type bridge");
    /// link::neighbours().add("192.0.2.7 lladdr 02:00:5e:10:00:07 dev br0");
    /// ```
    ///
    /// # Source
    /// ip-neighbour(8)
    #[rhai_fn(name = "neighbours")]
    pub fn of_all() -> Neighbours {
        Neighbours { dev: None }
    }

    /// Lists the neighbours as maps: `address`, `dev`, `lladdr`, and `nud`, the state.
    ///
    /// Each map can be given to `add` and the like, if it is `permanent`.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `system`: the kernel does not answer, or they are changed faster than they can be read.
    ///
    /// # Example
    /// ```rhai
    /// let lan = link::add("br0 up type bridge");
    /// lan.neighbours().add("192.0.2.7 lladdr 02:00:5e:10:00:07");
    /// lan.neighbours().list()[0].nud == "permanent"
    /// ```
    ///
    /// # Source
    /// ip-neighbour(8), show
    #[rhai_fn(name = "list", global, return_raw, volatile)]
    pub fn list_all(ctx: NativeCallContext, neighbours: Neighbours) -> Answer<Array> {
        handle::list(&ctx, &neighbours)
    }

    /// Finds the first neighbour that some words mean, as a map; `()` if there is none.
    ///
    /// - `words`: as much of a neighbour as is known, in the words of ip(8), or a map
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the words are not understood.
    ///
    /// # Example
    /// ```rhai
    /// let lan = link::add("br0 up type bridge");
    /// lan.neighbours().add("192.0.2.7 lladdr 02:00:5e:10:00:07");
    /// lan.neighbours().find("192.0.2.7").lladdr == "02:00:5e:10:00:07"
    /// ```
    ///
    /// # Source
    /// ip-neighbour(8), show
    #[rhai_fn(name = "find", global, return_raw, volatile)]
    pub fn find_one(ctx: NativeCallContext, neighbours: Neighbours, words: Dynamic) -> Answer<Dynamic> {
        handle::find(&ctx, &neighbours, &words)
    }

    /// Adds permanent neighbours that are not there.
    ///
    /// - `words`: what `ip neighbour add` takes (`"192.0.2.7 lladdr 02:00:5e:10:00:07 dev eth0"`), or a map (`#{ address: "192.0.2.7", lladdr: "02:00:5e:10:00:07", dev: "eth0" }`), or an array of these
    ///
    /// # Changes
    /// The neighbours, also in the place of what the kernel has learned; undo takes them away.
    ///
    /// # Fails
    /// `exists`: a permanent one is there already. `input`: the words are not understood. `not-found`: there is no such link.
    ///
    /// # Example
    /// ```rhai
    /// let lan = link::add("br0 up type bridge");
    /// lan.neighbours().add(["192.0.2.7 lladdr 02:00:5e:10:00:07", "2001:db8::7 lladdr 02:00:5e:10:00:07"]);
    /// ```
    ///
    /// # Source
    /// ip-neighbour(8), add
    #[rhai_fn(name = "add", global, return_raw, volatile)]
    pub fn add_some(ctx: NativeCallContext, neighbours: Neighbours, words: Dynamic) -> Answer<()> {
        handle::put(&ctx, &neighbours, &words, Edit::Add)
    }

    /// Sees to it that permanent neighbours are there and are as the words say.
    ///
    /// Where another recipe has seen to it, this one relies on it: it stays until both are lifted.
    ///
    /// - `words`: what `ip neighbour add` takes (`"192.0.2.7 lladdr 02:00:5e:10:00:07 dev eth0"`), or a map (`#{ address: "192.0.2.7", lladdr: "02:00:5e:10:00:07", dev: "eth0" }`), or an array of these
    ///
    /// # Changes
    /// The neighbours that are not there or are others; undo puts back those that were there.
    ///
    /// # Fails
    /// `input`: the words are not understood. `not-found`: there is no such link.
    ///
    /// # Example
    /// ```rhai
    /// let lan = link::add("br0 up type bridge");
    /// lan.neighbours().ensure("192.0.2.7 lladdr 02:00:5e:10:00:07");
    /// lan.neighbours().ensure("192.0.2.7 lladdr 02:00:5e:10:00:08");
    /// ```
    ///
    /// # Source
    /// ip-neighbour(8), replace
    #[rhai_fn(name = "ensure", global, return_raw, volatile)]
    pub fn ensure_some(ctx: NativeCallContext, neighbours: Neighbours, words: Dynamic) -> Answer<()> {
        handle::put(&ctx, &neighbours, &words, Edit::Ensure)
    }

    /// Takes away permanent neighbours that are there.
    ///
    /// - `words`: as much of each as tells it from the others, or a map, or an array of these
    ///
    /// # Changes
    /// The neighbours; undo puts them back.
    ///
    /// # Fails
    /// `not-found`: there is no such neighbour. `refused`: several are meant, or the kernel has made it by itself.
    ///
    /// # Example
    /// ```rhai
    /// let lan = link::add("br0 up type bridge");
    /// lan.neighbours().add("192.0.2.7 lladdr 02:00:5e:10:00:07");
    /// lan.neighbours().del("192.0.2.7");
    /// ```
    ///
    /// # Source
    /// ip-neighbour(8), delete
    #[rhai_fn(name = "del", global, return_raw, volatile)]
    pub fn del_some(ctx: NativeCallContext, neighbours: Neighbours, words: Dynamic) -> Answer<()> {
        handle::take(&ctx, &neighbours, &words, true)
    }

    /// Sees to it that permanent neighbours are not there: all that the words mean.
    ///
    /// - `words`: as much of each as is known, or a map, or an array of these
    ///
    /// # Changes
    /// The neighbours; undo puts them back.
    ///
    /// # Fails
    /// `refused`: the kernel has made it by itself.
    ///
    /// # Example
    /// ```rhai
    /// link::neighbours().absent("192.0.2.7");
    /// ```
    ///
    /// # Source
    /// ip-neighbour(8), delete
    #[rhai_fn(name = "absent", global, return_raw, volatile)]
    pub fn absent_some(ctx: NativeCallContext, neighbours: Neighbours, words: Dynamic) -> Answer<()> {
        handle::take(&ctx, &neighbours, &words, false)
    }
}
