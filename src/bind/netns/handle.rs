//! What a script holds of a network namespace: its cookie, and how it is found.

use rhai::{Map, NativeCallContext};

use crate::bind::call::{self, Answer};
use crate::bind::options;
use crate::model::named::{Edit, Scope};
use crate::model::near::did_you_mean;
use crate::model::netns::{Name, Object as OfNetns, Scope as Names, Site, State as Found, Word};
use crate::model::{Fault, Kind, Object, State};
use crate::transaction::{Query, Reading};

/// A network namespace.
#[derive(Clone, Debug)]
pub struct Netns {
    pub(super) site: Site,
}

impl Netns {
    /// Finds the namespace that a word of ip(8) means: a name or a path, or else the number of a process.
    pub(in crate::bind) fn of_word(ctx: &NativeCallContext, text: &str) -> Answer<Site> {
        let found = match (Self::find(ctx, word(ctx, text)?), text.parse()) {
            (Err(_), Ok(pid)) => Self::find(ctx, Word::Pid(pid)),
            (found, _) => found,
        };
        found.map(|netns| netns.site)
    }

    /// Gives a word by which it is found again.
    pub(in crate::bind) fn word(&self) -> String {
        let home = &self.site.home;
        home.strip_prefix("pid:").unwrap_or(home).to_owned()
    }

    /// Finds the namespace that a script means.
    pub(super) fn find(ctx: &NativeCallContext, word: Word) -> Answer<Self> {
        let named = matches!(word, Word::Name(_));
        match call::door(ctx)?.read(Query::Site(word.clone())) {
            Ok(Reading::Site(site)) => Ok(Self { site }),
            Ok(other) => Err(call::fault(ctx, Fault::new(Kind::System, format!("find {word}"), format!("{other:?} is no namespace")))),
            Err(fault) if named && fault.kind == Kind::NotFound => {
                let names: Vec<String> = names(ctx).unwrap_or_default().into_iter().map(|(name, _)| name.to_string()).collect();
                let hint = did_you_mean(&word.to_string(), names.iter().map(String::as_str));
                Err(call::fault(ctx, fault.hint(hint.unwrap_or_else(|| "`netns::ensure(name)` makes one".into()))))
            }
            Err(fault) => Err(call::fault(ctx, fault)),
        }
    }
}

impl Netns {
    /// Gives its name for ip-netns(8), if it was found by one.
    pub(super) fn name(&self) -> Option<Name> {
        let home = self.site.home.as_str();
        let name = home.strip_prefix("/run/netns/").or((home != Site::ANONYMOUS && !home.starts_with("pid:")).then_some(home));
        name.and_then(|name| name.parse().ok())
    }
}

/// Reads a name.
pub(super) fn name(ctx: &NativeCallContext, name: &str) -> Answer<Name> {
    name.parse().map_err(|f| call::fault(ctx, f))
}

/// Reads a name or a path.
pub(super) fn word(ctx: &NativeCallContext, word: &str) -> Answer<Word> {
    word.parse().map_err(|f| call::fault(ctx, f))
}

/// Gives the namespace of a name as an object.
pub(super) fn object(name: &Name) -> Object {
    Object::Netns(OfNetns::Name(name.clone()))
}

/// Reads what there is of a name.
pub(super) fn state(ctx: &NativeCallContext, name: &Name) -> Answer<Option<Found>> {
    match call::door(ctx)?.read(Query::State(object(name))).map_err(|f| call::fault(ctx, f))? {
        Reading::State(Some(State::Netns(state))) => Ok(Some(state)),
        _ => Ok(None),
    }
}

/// Lists the names, each with what there is of it.
pub(super) fn names(ctx: &NativeCallContext) -> Answer<Vec<(Name, Found)>> {
    let Reading::Named(found) = call::door(ctx)?.read(Query::Named(Scope::Netns(Names::Names))).map_err(|f| call::fault(ctx, f))? else {
        return Ok(Vec::new());
    };
    let named = |(object, state)| match (object, state) {
        (Object::Netns(OfNetns::Name(name)), State::Netns(state)) => Some((name, state)),
        _ => None,
    };
    Ok(found.into_iter().filter_map(named).collect())
}

/// Queues edits, all of them or none.
pub(super) fn change(ctx: &NativeCallContext, edits: Vec<Edit>) -> Answer<()> {
    call::door(ctx)?.change(edits, call::origin(ctx)).map_err(|f| call::fault(ctx, f))
}

/// Makes a namespace, and gives it a name.
pub(super) fn make(ctx: &NativeCallContext, name: &Name) -> Answer<Netns> {
    let cookie = call::door(ctx)?.make_namespace().map_err(|f| call::fault(ctx, f))?;
    change(ctx, vec![Edit::Add(object(name), State::Netns(Found::empty(cookie)))])?;
    Ok(Netns { site: Site::named(cookie, name) })
}

/// Reads whether a namespace is to go although somebody is in it.
pub(super) fn forced(options: &Map) -> Result<bool, Fault> {
    options::known(options, &["force"])?;
    options::given(options, "force").map_or(Ok(false), |force| options::flag("force", force))
}

/// Refuses to take a namespace away from those who are in it.
pub(super) fn is_free(name: &Name, state: &Found, force: bool) -> Result<(), Fault> {
    match state.held().filter(|_| !force) {
        None => Ok(()),
        Some(held) => {
            let fault = Fault::new(Kind::Refused, format!("take away the network namespace {name}"), held);
            Err(fault.hint(format!("end them (`ip netns pids {name}` lists them), or say `#{{ force: true }}`: they stay in it")))
        }
    }
}
