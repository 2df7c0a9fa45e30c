//! Addresses of links.

use rhai::plugin::*;
use rhai::{Array, Dynamic, NativeCallContext};

use super::given::{Form, Line};
use super::handle::{self, All, List};
use super::shown;
use crate::bind::call::Answer;
use crate::model::Fault;
use crate::model::link::{Dev, Object, Scope, State, address};
use crate::model::named::Edit;

/// The addresses of a link.
#[derive(Clone, Debug)]
pub struct Addresses {
    pub(super) dev: Dev,
}

impl List for Addresses {
    fn scope(&self) -> Scope {
        Scope::Addresses
    }

    fn form(&self) -> &'static Form {
        &Form { what: "an address", bare: &["address"], kind: None, is_of_links: false }
    }

    fn holds(&self, object: &Object) -> bool {
        matches!(object, Object::Address(key) if key.dev == self.dev)
    }

    fn wanted(&self, line: &Line, all: &All<'_>) -> Result<(Object, State), Fault> {
        let wanted: address::Wanted = line.words.parse()?;
        self.is_here(&wanted, all)?;
        Ok((Object::Address(address::Key { dev: self.dev.clone(), host: wanted.host }), State::Address(wanted.about)))
    }

    fn meant(&self, line: &Line, all: &All<'_>) -> Result<Vec<Object>, Fault> {
        let wanted: address::Wanted = line.words.parse()?;
        self.is_here(&wanted, all)?;
        // An address without a length means it whatever its length.
        let has_length = line.words.split_whitespace().any(|word| word.contains('/'));
        let is_meant = |object: &Object| match object {
            Object::Address(key) => {
                key.dev == self.dev && key.host.address == wanted.host.address && (!has_length || key.host == wanted.host)
            }
            _ => false,
        };
        Ok(all.iter().map(|(object, _)| object).filter(|object| is_meant(object)).cloned().collect())
    }

    fn shown(&self, object: &Object, state: &State) -> Dynamic {
        match (object, state) {
            (Object::Address(key), State::Address(about)) => Dynamic::from_map(shown::address(key, about)),
            _ => Dynamic::UNIT,
        }
    }
}

impl Addresses {
    /// Refuses words that name another link.
    fn is_here(&self, wanted: &address::Wanted, all: &All<'_>) -> Result<(), Fault> {
        match &wanted.dev {
            Some(name) if all.dev(name).as_ref() != Some(&self.dev) => {
                Err(Fault::input(format!("use {wanted} here"), format!("these are the addresses of the link {}", self.dev)))
            }
            _ => Ok(()),
        }
    }
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// The addresses of a link.
    pub type Addresses = crate::bind::link::address::Addresses;

    /// Lists the addresses of the link as maps: `address` with its length, and where there are `peer`, `broadcast`, `scope`, `label`, `valid_lft` and the like.
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
    /// let lan = link::add("br0 up type bridge");
    /// lan.addresses().add("192.0.2.1/24");
    /// lan.addresses().list()[0].address == "192.0.2.1/24"
    /// ```
    ///
    /// # Source
    /// ip-address(8), show
    #[rhai_fn(name = "list", global, return_raw, volatile)]
    pub fn list_all(ctx: NativeCallContext, addresses: Addresses) -> Answer<Array> {
        handle::list(&ctx, &addresses)
    }

    /// Finds the first address that some words mean, as a map; `()` if there is none.
    ///
    /// - `words`: as much of an address as is known, in the words of ip(8), or a map
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
    /// lan.addresses().add("192.0.2.1/24");
    /// lan.addresses().find("192.0.2.1").address == "192.0.2.1/24"
    /// ```
    ///
    /// # Source
    /// ip-address(8), show
    #[rhai_fn(name = "find", global, return_raw, volatile)]
    pub fn find_one(ctx: NativeCallContext, addresses: Addresses, words: Dynamic) -> Answer<Dynamic> {
        handle::find(&ctx, &addresses, &words)
    }

    /// Adds addresses that are not there.
    ///
    /// - `words`: what `ip address add` takes (`"192.0.2.1/24 brd +"`), or a map (`#{ address: "192.0.2.1/24", label: "lan" }`), or an array of these
    ///
    /// # Changes
    /// The addresses; undo takes them away.
    ///
    /// # Fails
    /// `exists`: one is there already. `input`: the words are not understood. `not-found`: the link is gone.
    ///
    /// # Example
    /// ```rhai
    /// let lan = link::add("br0 up type bridge");
    /// lan.addresses().add(["192.0.2.1/24 brd +", #{ address: "2001:db8::1/64", nodad: true }]);
    /// ```
    ///
    /// # Source
    /// ip-address(8), add
    #[rhai_fn(name = "add", global, return_raw, volatile)]
    pub fn add_some(ctx: NativeCallContext, addresses: Addresses, words: Dynamic) -> Answer<()> {
        handle::put(&ctx, &addresses, &words, Edit::Add)
    }

    /// Sees to it that addresses are there and are as the words say.
    ///
    /// Where another recipe has seen to it, this one relies on it: it stays until both are lifted.
    ///
    /// - `words`: what `ip address add` takes (`"192.0.2.1/24 brd +"`), or a map (`#{ address: "192.0.2.1/24", label: "lan" }`), or an array of these
    ///
    /// # Changes
    /// The addresses that are not there; undo takes them away.
    ///
    /// # Fails
    /// `exists`: one is there, with another peer, broadcast, scope or label. `input`: the words are not understood.
    ///
    /// # Example
    /// ```rhai
    /// let lan = link::add("br0 up type bridge");
    /// lan.addresses().ensure("192.0.2.1/24");
    /// lan.addresses().ensure("192.0.2.1/24");
    /// ```
    ///
    /// # Source
    /// ip-address(8), replace
    #[rhai_fn(name = "ensure", global, return_raw, volatile)]
    pub fn ensure_some(ctx: NativeCallContext, addresses: Addresses, words: Dynamic) -> Answer<()> {
        handle::put(&ctx, &addresses, &words, Edit::Ensure)
    }

    /// Takes away addresses that are there.
    ///
    /// - `words`: as much of each as tells it from the others, or a map, or an array of these
    ///
    /// # Changes
    /// The addresses, and what the kernel takes with them: without its last address of IPv4 a link has no routes of IPv4. Undo puts all of it back.
    ///
    /// # Fails
    /// `not-found`: there is no such address. `refused`: several are meant, or the kernel has made it by itself.
    ///
    /// # Example
    /// ```rhai
    /// let lan = link::add("br0 up type bridge");
    /// lan.addresses().add("192.0.2.1/24");
    /// lan.addresses().del("192.0.2.1");
    /// ```
    ///
    /// # Source
    /// ip-address(8), delete
    #[rhai_fn(name = "del", global, return_raw, volatile)]
    pub fn del_some(ctx: NativeCallContext, addresses: Addresses, words: Dynamic) -> Answer<()> {
        handle::take(&ctx, &addresses, &words, true)
    }

    /// Sees to it that addresses are not there: all that the words mean.
    ///
    /// - `words`: as much of each as is known, or a map, or an array of these
    ///
    /// # Changes
    /// The addresses, and what the kernel takes with them: without its last address of IPv4 a link has no routes of IPv4. Undo puts all of it back.
    ///
    /// # Fails
    /// `refused`: the kernel has made it by itself.
    ///
    /// # Example
    /// ```rhai
    /// let lan = link::add("br0 up type bridge");
    /// lan.addresses().absent(["192.0.2.1/24", "2001:db8::1/64"]);
    /// ```
    ///
    /// # Source
    /// ip-address(8), delete
    #[rhai_fn(name = "absent", global, return_raw, volatile)]
    pub fn absent_some(ctx: NativeCallContext, addresses: Addresses, words: Dynamic) -> Answer<()> {
        handle::take(&ctx, &addresses, &words, false)
    }
}
