//! What a script holds of iptables: a table, a chain of it. Neither knows whether it is there; the door does.

use rhai::{Dynamic, NativeCallContext};

use super::given::Given;
use super::rule::Rule;
use crate::bind::call::{self, Answer};
use crate::model::iptables::intent::Position;
use crate::model::iptables::{Chain as ChainState, ChainName, ChainRef, Edit, Intent, Table as TableName, Words};
use crate::model::{Family, Fault};
use crate::transaction::{Act, Query, Reading};

/// One table of one family, or of both at once.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) families: &'static [Family],
    pub(super) table: TableName,
}

impl Table {
    /// Gives the families and the name of the table that a value is, or of which it is a chain.
    pub fn at_hand(value: &Dynamic) -> Option<(&'static [Family], TableName)> {
        let of = |table: &Self| (table.families, table.table);
        value.read_lock::<Self>().map(|table| of(&table)).or_else(|| value.read_lock::<Chain>().map(|chain| of(&chain.table)))
    }

    pub(super) fn named(ctx: &NativeCallContext, families: &'static [Family], name: &str) -> Answer<Self> {
        let table = name.parse().map_err(|f| call::fault(ctx, f))?;
        Ok(Self { families, table })
    }

    /// Queues an edit of this table, once a family.
    pub(super) fn change(&self, ctx: &NativeCallContext, edit: impl Fn(Family) -> Result<Option<Edit>, Fault>) -> Answer<()> {
        let door = call::door(ctx)?;
        for family in self.families {
            let intent = |edit| Intent { family: *family, table: self.table, edit };
            let queue = |edit: Option<Edit>| edit.map_or(Ok(()), |edit| door.change(intent(edit), call::origin(ctx)));
            edit(*family).and_then(queue).map_err(|f| call::fault(ctx, f))?;
        }
        Ok(())
    }

    /// Queues an edit that names a chain.
    pub(super) fn change_chain(&self, ctx: &NativeCallContext, name: &str, edit: fn(ChainName) -> Edit) -> Answer<()> {
        let name: ChainName = name.parse().map_err(|f| call::fault(ctx, f))?;
        self.change(ctx, |_| Ok(Some(edit(name.clone()))))
    }
}

/// One chain of one family, or of both at once.
#[derive(Clone, Debug)]
pub struct Chain {
    pub(super) table: Table,
    pub(super) chain: ChainName,
}

impl Chain {
    /// Points at the chain in each family.
    pub(super) fn refs(&self) -> impl Iterator<Item = ChainRef> {
        self.table.families.iter().map(|family| ChainRef::new(*family, self.table.table, self.chain.clone()))
    }

    pub(super) fn read(ctx: &NativeCallContext, at: ChainRef) -> Answer<ChainState> {
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

    pub(super) fn is_both(&self) -> bool {
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
