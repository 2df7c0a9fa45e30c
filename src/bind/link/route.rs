//! Routes.

use std::sync::Arc;

use rhai::plugin::*;
use rhai::{Array, Dynamic, NativeCallContext};

use super::given::{Form, Line};
use super::handle::{self, All, List};
use super::shown;
use crate::bind::call::{self, Answer};
use crate::model::Fault;
use crate::model::link::names::TABLES;
use crate::model::link::route::{Key, MAIN};
use crate::model::link::{Object, Route, Scope, State};
use crate::model::named::Edit;

/// The routes of a table.
#[derive(Clone, Debug)]
pub struct Routes {
    table: u32,
}

impl Routes {
    /// Gives a route the links that it names, and this table if its words name none.
    fn complete(&self, mut route: Route, all: &All<'_>) -> Result<Route, Fault> {
        route.resolve(&|name| all.dev(name))?;
        match route.given.table {
            true if self.table != MAIN && route.key.table != self.table => {
                Err(Fault::input(format!("use {route} here"), format!("these are the routes of table {}", self.table)))
            }
            true => Ok(route),
            false if self.table != MAIN => Ok(Route { key: Key { table: self.table, ..route.key }, ..route }),
            false => Ok(route),
        }
    }
}

impl List for Routes {
    fn scope(&self) -> Scope {
        Scope::Routes(None)
    }

    fn form(&self) -> &'static Form {
        &Form { what: "a route", bare: &["type", "to"], kind: None, is_of_links: false }
    }

    fn holds(&self, object: &Object) -> bool {
        matches!(object, Object::Route(key) if key.table == self.table)
    }

    fn wanted(&self, line: &Line, all: &All<'_>) -> Result<(Object, State), Fault> {
        let Route { key, way, .. } = Route::parse(&line.words, line.family).and_then(|route| self.complete(route, all))?;
        Ok((Object::Route(key), State::Route(Arc::new(way))))
    }

    fn meant(&self, line: &Line, all: &All<'_>) -> Result<Vec<Object>, Fault> {
        let route = Route::parse_part(&line.words, line.family).and_then(|route| self.complete(route, all))?;
        // Those to one place stand together.
        let first = Key { metric: 0, tos: 0, from: None, twin: 0, ..route.key.clone() };
        let near = all.from(Object::Route(first)).map_while(|(object, state)| match (object, state) {
            (Object::Route(key), State::Route(way)) if key.table == route.key.table && key.to == route.key.to => Some((key, way)),
            _ => None,
        });
        Ok(near.filter(|(key, way)| route.means(key, way)).map(|(key, _)| Object::Route(key.clone())).collect())
    }

    fn shown(&self, object: &Object, state: &State) -> Dynamic {
        match (object, state) {
            (Object::Route(key), State::Route(way)) => Dynamic::from_map(shown::route(key, way)),
            _ => Dynamic::UNIT,
        }
    }
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// The routes of a table.
    pub type Routes = crate::bind::link::route::Routes;

    /// Gives the routes of the table `main`, of both families.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// Never.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 up type bridge").addresses().add("192.0.2.1/24");
    /// link::routes().add("10.0.0.0/8 via 192.0.2.254 dev br0");
    /// ```
    ///
    /// # Source
    /// ip-route(8)
    pub fn routes() -> Routes {
        Routes { table: MAIN }
    }

    /// Gives the routes of a table, of both families.
    ///
    /// - `table`: its number, or `"main"`, `"local"` or `"default"`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such table.
    ///
    /// # Example
    /// ```rhai
    /// link::routes(100).add("blackhole 10.0.0.0/8");
    /// ```
    ///
    /// # Source
    /// ip-route(8)
    #[rhai_fn(name = "routes", return_raw)]
    pub fn of_table(ctx: NativeCallContext, table: Dynamic) -> Answer<Routes> {
        let named = table
            .as_immutable_string_ref()
            .ok()
            .and_then(|name| TABLES.iter().find(|(known, _)| *known == name.as_str()).map(|(_, table)| *table));
        let number = table.as_int().ok().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
        let refuse = || {
            Fault::input(
                format!("use {table} as a table of routes"),
                "it is neither a number from 1 to 4294967295 nor main, local or default",
            )
        };
        named.or(number).map(|table| Routes { table }).ok_or_else(|| call::fault(&ctx, refuse()))
    }

    /// Lists the routes of the table as maps: `to`, `via`, `dev`, `metric`, `table`, `proto` and the like, or `nexthops` for several ways.
    ///
    /// Each map can be given to `add` and the like, but for those that the kernel has made by itself.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `system`: the kernel does not answer, or they are changed faster than they can be read.
    ///
    /// # Example
    /// ```rhai
    /// link::routes(100).add("blackhole 10.0.0.0/8");
    /// link::routes(100).list()[0].to == "10.0.0.0/8"
    /// ```
    ///
    /// # Source
    /// ip-route(8), show
    #[rhai_fn(name = "list", global, return_raw, volatile)]
    pub fn list_all(ctx: NativeCallContext, routes: Routes) -> Answer<Array> {
        handle::list(&ctx, &routes)
    }

    /// Finds the first route that some words mean, as a map; `()` if there is none.
    ///
    /// - `words`: as much of a route as is known, in the words of ip(8), or a map
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: the words are not understood.
    ///
    /// # Example
    /// ```rhai
    /// link::routes(100).add("blackhole 10.0.0.0/8");
    /// link::routes(100).find("10.0.0.0/8").type == "blackhole"
    /// ```
    ///
    /// # Source
    /// ip-route(8), show
    #[rhai_fn(name = "find", global, return_raw, volatile)]
    pub fn find_one(ctx: NativeCallContext, routes: Routes, words: Dynamic) -> Answer<Dynamic> {
        handle::find(&ctx, &routes, &words)
    }

    /// Adds routes that are not there.
    ///
    /// - `words`: what `ip route add` takes (`"10.0.0.0/8 via 192.0.2.254 dev eth0 metric 100"`), or a map (`#{ to: "10.0.0.0/8", via: "192.0.2.254", dev: "eth0" }`), or an array of these, which is one step
    ///
    /// # Changes
    /// The routes; undo takes them away.
    ///
    /// # Fails
    /// `exists`: there is one to the same place with the same metric. `input`: the words are not understood. `not-found`: there is no such link. `refused`: the neighbour cannot be reached.
    ///
    /// # Example
    /// ```rhai
    /// link::add("br0 up type bridge").addresses().add("192.0.2.1/24");
    /// link::routes().add(["default via 192.0.2.254", #{ to: "10.0.0.0/8", via: "192.0.2.253", dev: "br0", metric: 100 }]);
    /// ```
    ///
    /// # Source
    /// ip-route(8), add
    #[rhai_fn(name = "add", global, return_raw, volatile)]
    pub fn add_some(ctx: NativeCallContext, routes: Routes, words: Dynamic) -> Answer<()> {
        handle::put(&ctx, &routes, &words, Edit::Add)
    }

    /// Sees to it that routes are there and are as the words say.
    ///
    /// Where another recipe has seen to it, this one relies on it: it stays until both are lifted.
    ///
    /// - `words`: what `ip route add` takes (`"10.0.0.0/8 via 192.0.2.254 dev eth0 metric 100"`), or a map (`#{ to: "10.0.0.0/8", via: "192.0.2.254", dev: "eth0" }`), or an array of these, which is one step
    ///
    /// # Changes
    /// The routes that are not there or lead elsewhere; undo puts back what was there.
    ///
    /// # Fails
    /// `input`: the words are not understood. `not-found`: there is no such link. `refused`: the neighbour cannot be reached.
    ///
    /// # Example
    /// ```rhai
    /// link::routes(100).ensure("unreachable 10.0.0.0/8");
    /// link::routes(100).ensure("prohibit 10.0.0.0/8");
    /// ```
    ///
    /// # Source
    /// ip-route(8), replace
    #[rhai_fn(name = "ensure", global, return_raw, volatile)]
    pub fn ensure_some(ctx: NativeCallContext, routes: Routes, words: Dynamic) -> Answer<()> {
        handle::put(&ctx, &routes, &words, Edit::Ensure)
    }

    /// Takes away routes that are there.
    ///
    /// - `words`: as much of each as tells it from the others, or a map, or an array of these
    ///
    /// # Changes
    /// The routes; undo puts them back.
    ///
    /// # Fails
    /// `not-found`: there is no such route. `refused`: several are meant, or the kernel has made it by itself.
    ///
    /// # Example
    /// ```rhai
    /// link::routes(100).add("blackhole 10.0.0.0/8");
    /// link::routes(100).del("10.0.0.0/8");
    /// ```
    ///
    /// # Source
    /// ip-route(8), delete
    #[rhai_fn(name = "del", global, return_raw, volatile)]
    pub fn del_some(ctx: NativeCallContext, routes: Routes, words: Dynamic) -> Answer<()> {
        handle::take(&ctx, &routes, &words, true)
    }

    /// Sees to it that routes are not there: all that the words mean.
    ///
    /// - `words`: as much of each as is known, or a map, or an array of these
    ///
    /// # Changes
    /// The routes; undo puts them back.
    ///
    /// # Fails
    /// `refused`: the kernel has made it by itself.
    ///
    /// # Example
    /// ```rhai
    /// link::routes(100).absent("10.0.0.0/8");
    /// ```
    ///
    /// # Source
    /// ip-route(8), delete
    #[rhai_fn(name = "absent", global, return_raw, volatile)]
    pub fn absent_some(ctx: NativeCallContext, routes: Routes, words: Dynamic) -> Answer<()> {
        handle::take(&ctx, &routes, &words, false)
    }
}
