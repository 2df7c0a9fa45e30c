//! Minimal version selection, as Go modules have it (<https://research.swtch.com/vgo-mvs>): of each package the least version that all who need it
//! can use, which is the greatest of those that they ask for. There is nothing to solve, and nothing newer comes in by itself.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::manifest::Dependency;
use super::name::Name;
use super::source::Source;
use super::version::Version;
use crate::model::{Fault, Kind};

/// The most packages and versions of packages that are looked at.
const MOST: usize = 1_000;

/// What is at a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The version of the package there.
    pub version: Version,
    /// What it needs.
    pub dependencies: Vec<Dependency>,
}

/// Looks at a source; is asked at most once for each.
pub type Look<'a> = dyn FnMut(&Name, &Source) -> Result<Found, Fault> + 'a;

/// What is taken for a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Where it comes from; where versions were asked for, the one that is taken.
    pub source: Source,
    /// Its version.
    pub version: Version,
    /// What it needs.
    pub dependencies: Vec<Name>,
    /// Who needs it, and what exactly.
    pub why: Vec<String>,
}

/// Somebody needs a package.
#[derive(Clone, Debug)]
struct Ask {
    /// Who: `the project`, or a package with its version.
    by: String,
    /// Whether that is the project itself, which has the last word about where a package comes from.
    is_project: bool,
    source: Source,
}

impl Ask {
    fn reason(&self) -> String {
        match &self.source {
            Source::Git { at, .. } => format!("{} needs {at}", self.by),
            other => format!("{} needs what is in {other}", self.by),
        }
    }
}

/// Takes a version of each package that a project needs, directly or not.
pub fn select(needs: &[Dependency], look: &mut Look<'_>) -> Result<BTreeMap<Name, Taken>, Fault> {
    let graph = Graph::explore(needs, look)?;
    let mut chosen = BTreeMap::new();
    for (name, asks) in &graph.asks {
        chosen.insert(name.clone(), graph.choose(name, asks)?);
    }
    // What only versions needed that were not taken is not needed.
    let mut taken = BTreeMap::new();
    let mut next: Vec<Name> = needs.iter().map(|need| need.name.clone()).collect();
    while let Some(name) = next.pop() {
        if let Some(choice) = chosen.remove(&name) {
            next.extend(choice.dependencies.iter().cloned());
            taken.insert(name, choice);
        }
    }
    match cycle(&taken) {
        Some(names) => Err(Fault::input("choose the packages", format!("they need each other in a circle: {}", names.join(" -> ")))),
        None => Ok(taken),
    }
}

struct Graph {
    asks: BTreeMap<Name, Vec<Ask>>,
    found: HashMap<(Name, Source), Found>,
}

impl Graph {
    fn explore(needs: &[Dependency], look: &mut Look<'_>) -> Result<Self, Fault> {
        let mut graph = Self { asks: BTreeMap::new(), found: HashMap::new() };
        let ask = |need: &Dependency, by: &str, is_project| {
            (need.name.clone(), Ask { by: by.to_owned(), is_project, source: need.source.clone() }, need.origin.clone())
        };
        let mut next: std::collections::VecDeque<_> = needs.iter().map(|need| ask(need, "the project", true)).collect();
        while let Some((name, mut wanted, origin)) = next.pop_front() {
            let known = graph.asks.entry(name.clone()).or_default();
            // Where the project names a place or one commit, nothing else is looked at: it may be there because the other is no longer.
            if let Some(own) =
                known.iter().find(|ask| ask.is_project && (ask.source.least().is_none() || ask.source.place() != wanted.source.place()))
            {
                wanted = Ask { source: rebased(&wanted.source, &own.source), ..wanted };
            }
            known.push(wanted.clone());
            let key = (name.clone(), wanted.source.clone());
            if graph.found.contains_key(&key) {
                continue;
            }
            if graph.found.len() >= MOST {
                return Err(Fault::new(
                    Kind::Limit,
                    "choose the packages",
                    format!("more than {MOST} versions would have to be looked at"),
                ));
            }
            let found = look(&name, &wanted.source).map_err(|fault| {
                let hint = fault.hint.clone().or_else(|| (!wanted.is_project).then(|| format!("{} needs it", wanted.by)));
                Fault { hint, ..fault }.at(origin)
            })?;
            let by = format!("{name} {}", found.version);
            next.extend(found.dependencies.iter().map(|need| ask(need, &by, false)));
            graph.found.insert(key, found);
        }
        Ok(graph)
    }

    fn choose(&self, name: &Name, asks: &[Ask]) -> Result<Taken, Fault> {
        let reasons = || asks.iter().map(Ask::reason).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>();
        let refused = |why: &str| Fault::input(format!("choose a version of {name}"), format!("{why}: {}", reasons().join("; ")));
        let places: BTreeSet<_> = asks.iter().map(|ask| ask.source.place()).collect();
        if places.len() > 1 {
            let places: Vec<String> = asks.iter().map(|ask| format!("{} from {}", ask.by, ask.source.place())).collect();
            let fault = Fault::input(format!("choose a version of {name}"), format!("two packages have this name: {}", places.join("; ")));
            return Err(fault.hint(format!("name {name} in the project, from the place that is right for both")));
        }
        let pinned: BTreeSet<&Source> = asks.iter().map(|ask| &ask.source).filter(|source| source.least().is_none()).collect();
        let own = asks.iter().find(|ask| ask.is_project && ask.source.least().is_none()).map(|ask| &ask.source);
        if pinned.len() > 1 && own.is_none() {
            return Err(refused("not both can be had").hint(format!("name {name} in the project, as it is to be")));
        }
        let least: Vec<_> = asks.iter().filter_map(|ask| ask.source.least()).collect();
        if least.windows(2).any(|two| two[0].0.line() != two[1].0.line()) {
            return Err(refused("these versions cannot stand for each other")
                .hint("a new first number says that something has changed for its users; those who need the older one have to be brought up to date"));
        }
        let source = own.or(pinned.first().copied()).or_else(|| asks.iter().map(|ask| &ask.source).max_by_key(|source| source.least()));
        let found = source.and_then(|source| self.found.get(&(name.clone(), source.clone())).map(|found| (source, found)));
        let (source, found) = found.ok_or_else(|| refused("nothing was found"))?;
        if let Some(least) = least.iter().find(|least| !least.admits(&found.version)) {
            return Err(refused(&format!("{source} is version {}, and {least} is needed", found.version)));
        }
        let dependencies = found.dependencies.iter().map(|need| need.name.clone()).collect();
        Ok(Taken { source: source.clone(), version: found.version.clone(), dependencies, why: reasons() })
    }
}

/// Gives what a need becomes where the project has said where the package comes from: versions stay needs, all else is the project's.
fn rebased(wanted: &Source, own: &Source) -> Source {
    match (wanted, own) {
        (Source::Git { at, .. }, Source::Git { url, at: own }) if wanted.least().is_some() && own_is_version(own) => {
            Source::Git { url: url.clone(), at: at.clone() }
        }
        _ => own.clone(),
    }
}

fn own_is_version(at: &super::At) -> bool {
    matches!(at, super::At::Version(_))
}

/// Finds packages that need each other in a circle.
fn cycle(taken: &BTreeMap<Name, Taken>) -> Option<Vec<String>> {
    fn walk<'a>(
        name: &'a Name,
        taken: &'a BTreeMap<Name, Taken>,
        done: &mut BTreeSet<&'a Name>,
        path: &mut Vec<&'a Name>,
    ) -> Option<Vec<String>> {
        if let Some(at) = path.iter().position(|other| *other == name) {
            return Some(path[at..].iter().chain([&name]).map(ToString::to_string).collect());
        }
        if !done.insert(name) {
            return None;
        }
        path.push(name);
        let found = taken.get(name).into_iter().flat_map(|choice| &choice.dependencies).find_map(|next| walk(next, taken, done, path));
        path.pop();
        found
    }
    let mut done = BTreeSet::new();
    taken.keys().find_map(|name| walk(name, taken, &mut done, &mut Vec::new()))
}
