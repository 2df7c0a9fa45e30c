//! Tables: where everything about iptables begins.

use rhai::plugin::*;
use rhai::{Array, Dynamic, ImmutableString, NativeCallContext};

use super::handle::{Chain, Table};
use crate::bind::call::{self, Answer};
use crate::model::iptables::{ChainName, Edit, Words};
use crate::model::{Family, Fault};
use crate::transaction::{Query, Reading};

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod functions {
    /// A table of one family, or of both.
    pub type Table = crate::bind::iptables::handle::Table;

    /// Gives a table of IPv4.
    ///
    /// - `name`: `"filter"`, `"nat"`, `"mangle"`, `"raw"` or `"security"`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such table.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("filter").list_chains()
    /// ```
    ///
    /// # Source
    /// iptables(8), TABLES
    #[rhai_fn(return_raw, volatile)]
    pub fn table(ctx: NativeCallContext, name: &str) -> Answer<Table> {
        Table::named(&ctx, &[Family::V4], name)
    }

    /// Gives a table of IPv4 and IPv6 at once: every change is made in both.
    ///
    /// - `name`: `"filter"`, `"nat"`, `"mangle"`, `"raw"` or `"security"`
    ///
    /// A rule with addresses goes to the family of its addresses only.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such table.
    ///
    /// # Example
    /// ```rhai
    /// iptables::both("filter").chain("INPUT").append(#{ source: "192.0.2.0/24", jump: "DROP" });
    /// ```
    ///
    /// # Source
    /// iptables(8), TABLES
    #[rhai_fn(return_raw, volatile)]
    pub fn both(ctx: NativeCallContext, name: &str) -> Answer<Table> {
        Table::named(&ctx, &Family::BOTH, name)
    }

    /// Joins words to a rule, each staying one word whatever is in it.
    ///
    /// - `words`: an array of strings
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: an element is not a string.
    ///
    /// # Example
    /// ```rhai
    /// let rule = iptables::words(["-m", "comment", "--comment", "two words", "-j", "ACCEPT"]);
    /// iptables::table("filter").chain("INPUT").append(rule);
    /// ```
    ///
    /// # Source
    /// iptables-restore(8)
    #[rhai_fn(return_raw)]
    pub fn words(ctx: NativeCallContext, words: Array) -> Answer<ImmutableString> {
        let word = |word: &Dynamic| {
            let odd = || Fault::input("join words to a rule", format!("an element is of type {}, not a string", word.type_name()));
            word.as_immutable_string_ref().map(|text| text.to_string()).map_err(|_| odd())
        };
        let words: Result<Vec<String>, Fault> = words.iter().map(word).collect();
        Ok(Words::join(words.map_err(|f| call::fault(&ctx, f))?).as_str().into())
    }

    /// Makes the name of a chain for this instance of the recipe: two protected ports have two chains.
    ///
    /// - `base`: letters, digits and `_.:-~@%`
    ///
    /// A name that would have more than 28 bytes is cut and ends in a hash.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: a chain cannot have this name.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("filter").ensure_chain(iptables::chain_name("LOGDROP"));
    /// ```
    ///
    /// # Source
    /// fyke
    #[rhai_fn(return_raw, volatile)]
    pub fn chain_name(ctx: NativeCallContext, base: &str) -> Answer<ImmutableString> {
        let instance = call::session(&ctx)?.call().instance.clone();
        let name = ChainName::of_instance(base, &instance).map_err(|f| call::fault(&ctx, f))?;
        Ok(name.as_str().into())
    }

    /// Gives the name of the table.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("nat").name == "nat"
    /// ```
    #[rhai_fn(get = "name", global, pure)]
    pub fn name(table: &mut Table) -> ImmutableString {
        table.table.name().into()
    }

    /// Gives the family of the table: `"ipv4"`, `"ipv6"`, or `"both"`.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("nat").family == "ipv4"
    /// ```
    #[rhai_fn(get = "family", global, pure)]
    pub fn family(table: &mut Table) -> ImmutableString {
        match table.families {
            [family] => family.name().into(),
            _ => "both".into(),
        }
    }

    /// Gives a chain of the table, whether it is there or not.
    ///
    /// - `name`: a built-in chain (`"INPUT"`) or a user-defined one, at most 28 bytes
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: a chain cannot have this name.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("filter").chain("INPUT").list()
    /// ```
    ///
    /// # Source
    /// iptables(8), TABLES
    #[rhai_fn(global, return_raw, volatile)]
    pub fn chain(ctx: NativeCallContext, table: Table, name: &str) -> Answer<Chain> {
        let chain = name.parse().map_err(|f| call::fault(&ctx, f))?;
        Ok(Chain { table, chain })
    }

    /// Makes a user-defined chain that is not there.
    ///
    /// - `name`: letters, digits and `_.:-~@%`, at most 28 bytes
    ///
    /// # Changes
    /// The chain is made.
    ///
    /// # Fails
    /// `exists`: the chain is there already. `input`: a chain cannot have this name.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("filter").new_chain("LOGDROP").append("-j DROP");
    /// ```
    ///
    /// # Source
    /// iptables(8), `--new-chain`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn new_chain(ctx: NativeCallContext, table: Table, name: &str) -> Answer<Chain> {
        table.change_chain(&ctx, name, Edit::NewChain)?;
        chain(ctx, table, name)
    }

    /// Makes a chain of this recipe, or takes it as it is if this recipe (with the same key parameters) made it before.
    ///
    /// - `name`: letters, digits and `_.:-~@%`, at most 28 bytes; `iptables::chain_name("LOGDROP")` gives a name of this instance
    ///
    /// # Changes
    /// The chain is made, unless it is there.
    ///
    /// # Fails
    /// `exists`: somebody else made a chain of this name. `input`: a chain cannot have this name.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("filter").ensure_chain("LOGDROP").ensure(["-j LOG", "-j DROP"]);
    /// ```
    ///
    /// # Source
    /// iptables(8), `--new-chain`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn ensure_chain(ctx: NativeCallContext, table: Table, name: &str) -> Answer<Chain> {
        table.change_chain(&ctx, name, Edit::EnsureChain)?;
        chain(ctx, table, name)
    }

    /// Takes away a user-defined chain that is empty and that no rule jumps to.
    ///
    /// - `name`: the chain
    ///
    /// # Changes
    /// The chain is gone.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `refused`: it has rules, or a rule jumps to it. `input`: it is a built-in chain.
    ///
    /// # Example
    /// ```rhai
    /// let filter = iptables::table("filter");
    /// filter.new_chain("MINE");
    /// filter.delete_chain("MINE");
    /// ```
    ///
    /// # Source
    /// iptables(8), `--delete-chain`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn delete_chain(ctx: NativeCallContext, table: Table, name: &str) -> Answer<()> {
        table.change_chain(&ctx, name, Edit::DeleteChain)
    }

    /// Sees to it that a user-defined chain is not there, nor its rules, nor any jump to it in its table.
    ///
    /// - `name`: the chain
    ///
    /// # Changes
    /// The chain, its rules and the rules that jump to it are gone, if they were there.
    ///
    /// # Fails
    /// `input`: it is a built-in chain.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("filter").absent_chain("MINE");
    /// ```
    ///
    /// # Source
    /// iptables(8), `--delete-chain`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn absent_chain(ctx: NativeCallContext, table: Table, name: &str) -> Answer<()> {
        table.change_chain(&ctx, name, Edit::AbsentChain)
    }

    /// Gives a user-defined chain another name; jumps to it follow.
    ///
    /// - `from`: the chain
    /// - `to`: its new name
    ///
    /// # Changes
    /// The chain has the new name.
    ///
    /// # Fails
    /// `not-found`: there is no such chain. `exists`: the new name is taken. `input`: it is a built-in chain.
    ///
    /// # Example
    /// ```rhai
    /// let filter = iptables::table("filter");
    /// filter.new_chain("MINE");
    /// filter.rename_chain("MINE", "YOURS");
    /// ```
    ///
    /// # Source
    /// iptables(8), `--rename-chain`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn rename_chain(ctx: NativeCallContext, table: Table, from: &str, to: &str) -> Answer<Chain> {
        let new: ChainName = to.parse().map_err(|f| call::fault(&ctx, f))?;
        let old: ChainName = from.parse().map_err(|f| call::fault(&ctx, f))?;
        table.change(&ctx, |_| Ok(Some(Edit::RenameChain(old.clone(), new.clone()))))?;
        chain(ctx, table, to)
    }

    /// Lists the names of the chains, those of both families once.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// "INPUT" in iptables::table("filter").list_chains()
    /// ```
    ///
    /// # Source
    /// iptables(8), `--list`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn list_chains(ctx: NativeCallContext, table: Table) -> Answer<Array> {
        let door = call::door(&ctx)?;
        let mut names: Vec<ChainName> = Vec::new();
        for family in table.families {
            if let Reading::Chains(more) = door.read(Query::Chains(*family, table.table)).map_err(|f| call::fault(&ctx, f))? {
                names.extend(more.into_iter().filter(|name| !names.contains(name)).collect::<Vec<_>>());
            }
        }
        Ok(names.into_iter().map(|name| Dynamic::from(name.to_string())).collect())
    }

    /// Lists the rules of all chains of the table.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// iptables::table("filter").list()
    /// ```
    ///
    /// # Source
    /// iptables(8), `--list-rules`
    #[rhai_fn(global, return_raw, volatile)]
    pub fn list(ctx: NativeCallContext, table: Table) -> Answer<Array> {
        let door = call::door(&ctx)?;
        let mut rules = Array::new();
        for family in table.families {
            let of_family = Table { families: std::slice::from_ref(family), ..table.clone() };
            if let Reading::Chains(names) = door.read(Query::Chains(*family, table.table)).map_err(|f| call::fault(&ctx, f))? {
                for chain in names {
                    rules.extend(Chain { table: of_family.clone(), chain }.rules(&ctx)?.into_iter().map(Dynamic::from));
                }
            }
        }
        Ok(rules)
    }

    /// Prints the table as one line.
    #[rhai_fn(name = "to_string", name = "to_debug", global, pure)]
    pub fn to_string(table: &mut Table) -> ImmutableString {
        let family = family(table);
        format!("table {} ({family})", table.table).into()
    }
}

#[allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // what the macro makes of a `&mut` receiver unwraps
#[export_module(manifest)]
pub mod ipv6 {
    /// Gives a table of IPv6.
    ///
    /// - `name`: `"filter"`, `"nat"`, `"mangle"`, `"raw"` or `"security"`
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: there is no such table.
    ///
    /// # Example
    /// ```rhai
    /// ip6tables::table("filter").chain("INPUT").append(#{ source: "2001:db8::/32", jump: "DROP" });
    /// ```
    ///
    /// # Source
    /// ip6tables(8), TABLES
    #[rhai_fn(return_raw, volatile)]
    pub fn table(ctx: NativeCallContext, name: &str) -> Answer<Table> {
        Table::named(&ctx, &[Family::V6], name)
    }
}
