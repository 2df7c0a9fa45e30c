//! Imports: `std:NAME` from the binary, modules of the packages that the project needs, files from the recipe's own folder tree, nothing else.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard};

use rhai::{AST, Engine, EvalAltResult, GlobalRuntimeState, Module, ModuleResolver, Position, Scope, Shared};

use super::embedded::{Embedded, STDLIB};
use super::package::{Imports, Unit, shown};
use super::recipe::{Recipe, hash};
use super::reflect::Callable;
use super::{confine, fault, guard};
use crate::bind::call;
use crate::bind::session::Parties;
use crate::kernel::files;
use crate::model::grant::Grants;
use crate::model::near::did_you_mean;
use crate::model::source::{MAX_BYTES, Source, Sources, decode};
use crate::model::{Fault, Kind};
use crate::transaction::{Module as ModuleFile, Party, Place};

/// How many imports may nest.
const DEEPEST: usize = 32;

type SharedModule = Shared<Module>;

/// All sources of a run, and the modules that were made of them.
#[derive(Debug, Default)]
pub struct Library {
    pub(super) sources: Arc<RwLock<Sources>>,
    pub(super) known: OnceLock<Vec<Callable>>,
    pub(super) parties: Arc<Parties>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The recipe's own folder, as it was named and as it really is; nothing for a recipe that is no file.
    root: Option<(PathBuf, PathBuf)>,
    /// Where the sources lie that are files, by name.
    files: HashMap<String, PathBuf>,
    /// The modules that are ready.
    modules: HashMap<Key, SharedModule>,
    /// What is being loaded just now, outermost first, each with its name.
    loading: Vec<(Key, String)>,
    /// The packages.
    packages: Imports,
    /// The source that may import modules of the project by the name of that, as users of it do.
    as_user: Option<String>,
    /// Whether the manifest and the lock of the project are among what was read.
    is_pinned: bool,
    /// The files whose text was read, also if it was no good: a script may catch that and go on.
    read: Vec<ModuleFile>,
}

/// What makes a module the same module.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Std(String),
    File(PathBuf),
    Package(Unit),
}

impl Library {
    /// Gives the sources, to show the lines of faults.
    pub fn sources(&self) -> RwLockReadGuard<'_, Sources> {
        self.sources.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins with a recipe: imports are looked up beside it.
    pub(super) fn begin(&self, recipe: &Recipe) -> Result<(), Fault> {
        let mut state = self.state();
        state.loading.clear();
        state.root = None;
        state.as_user = None;
        state.packages.begin(None);
        state.is_pinned = false;
        if let Some(unit) = &recipe.package {
            state.packages.note(&recipe.file, unit.clone());
            state.loading.push((Key::Package(unit.clone()), recipe.file.clone()));
            pinned(&mut state)?;
        }
        if let Some(path) = &recipe.path {
            // A recipe that is checked before it is written is not there yet.
            let real = files::canonical(path).or_else(|fault| match (path.parent(), path.file_name()) {
                (Some(folder), Some(name)) => {
                    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                    files::canonical(folder).map(|folder| folder.join(name))
                }
                _ => Err(fault),
            })?;
            let folder = |p: &Path| p.parent().map(Path::to_path_buf).unwrap_or_default();
            state.packages.begin(Some(&folder(&real)));
            state.root = Some((folder(path), folder(&real)));
            state.files.insert(recipe.file.clone(), real.clone());
            state.loading.push((Key::File(real), recipe.file.clone()));
        }
        Ok(())
    }

    /// Begins with a test of a project: imports are looked up in all of it, and its modules also by its name.
    pub(super) fn begin_in_project(&self, recipe: &Recipe) -> Result<(), Fault> {
        self.begin(recipe)?;
        let mut state = self.state();
        if let Some(project) = state.packages.project()?.filter(|_| recipe.path.is_some()) {
            state.root = Some((shown(&project.folder).into(), project.folder.clone()));
            state.as_user = Some(recipe.file.clone());
        }
        Ok(())
    }

    /// Begins with an input of somebody who types: imports are looked up from a folder, and read afresh.
    pub(super) fn begin_in(&self, folder: &Path, name: &str) -> Result<(), Fault> {
        let real = files::canonical(folder)?;
        let mut state = self.state();
        state.loading.clear();
        state.modules.retain(|key, _| matches!(key, Key::Std(_)));
        state.files.insert(name.to_owned(), real.join(name));
        state.packages.begin(Some(&real));
        state.is_pinned = false;
        state.root = Some((folder.to_owned(), real));
        Ok(())
    }

    /// Adds a text to the run and compiles it; it sees the variables of the scope.
    pub(super) fn compile(&self, engine: &Engine, scope: &Scope, name: &str, text: &str) -> Result<AST, Fault> {
        let source: Source = self.sources.write().unwrap_or_else(PoisonError::into_inner).add(name, text)?;
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        let mut ast = engine.compile_with_scope(scope, source.padded()).map_err(|e| fault::of_compiling(&sources, name, &e))?;
        ast.set_source(name);
        let known = || self.known.get_or_init(|| super::reflect::names(engine)).as_slice();
        match guard::replaced(&ast, &known, &|at| fault::in_run(&sources, at)) {
            Some(fault) => Err(fault),
            None => Ok(ast),
        }
    }

    /// Finds what an import at a position means: what makes it unique, its name, and its text.
    pub(super) fn find(&self, path: &str, at: Position) -> Result<(Key, String), Fault> {
        if let Some(name) = path.strip_prefix("std:") {
            return Ok((Key::Std(name.to_owned()), path.to_owned()));
        }
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        let importer = fault::in_run(&sources, at).map_or_else(String::new, |o| o.at.file.to_string());
        let mut state = self.state();
        let tried = || format!("import {path:?}");
        if let Some(unit) = state.packages.find(&importer, path)? {
            let from = state.root.as_ref().zip(state.files.get(&importer));
            let beside = from.map(|((_, root), from)| from.parent().unwrap_or(root).join(path));
            if beside.is_some_and(|file| files::exists(&file) || files::exists(&file.with_extension("rhai"))) {
                let fault = Fault::input(tried(), "there is a package and a file of this name");
                return Err(fault.hint(format!("the file is \"./{path}\"")));
            }
            let name = state.packages.shown(&unit)?;
            return Ok((Key::Package(unit), name));
        }
        if state.as_user.as_ref() == Some(&importer)
            && let Some(file) = state.packages.own_module(path)?
        {
            let real = files::canonical(&file).map_err(|fault| Fault { tried: tried(), ..fault })?;
            return Ok((Key::File(real), shown(&file)));
        }
        let Some(((named, root), from)) = state.root.as_ref().zip(state.files.get(&importer)) else {
            return Err(Fault::input(tried(), format!("{importer} lies in no folder"))
                .hint("only std: modules and packages of the project can be imported here"));
        };
        let at_home = root.display().to_string();
        let outside = || Fault::input(tried(), format!("it is outside of the recipe's folder {at_home}"));
        if path.is_empty() || path.contains('\0') {
            return Err(Fault::input(tried(), "it is no file name"));
        }
        let file = if path.ends_with(".rhai") { path.to_owned() } else { format!("{path}.rhai") };
        let asked = plain(&from.parent().unwrap_or(root).join(file));
        if !asked.starts_with(root) {
            return Err(outside());
        }
        let (named, root, importing) = (named.clone(), root.clone(), from.clone());
        let real = files::canonical(&asked).map_err(|f| {
            let hint = Some(f.kind).filter(|kind| *kind == Kind::NotFound).and_then(|_| state.packages.hint(path));
            Fault { tried: tried(), hint, ..f }
        })?;
        let beneath = real.strip_prefix(&root).map_err(|_| outside())?;
        // What a package imports would run with its rights first, and be kept for all others as it was then.
        if let Some(folder) = state.packages.nested(&importing)?.filter(|folder| !real.starts_with(folder)) {
            return Err(Fault::input(tried(), format!("it is outside of the package {}", folder.display())));
        }
        let name = named.join(beneath).display().to_string();
        Ok((Key::File(real), name))
    }

    /// Reads the text of a module.
    pub(super) fn read(&self, key: &Key, name: &str) -> Result<String, Fault> {
        match key {
            Key::Std(module) => standard(STDLIB, module),
            Key::Package(unit) => {
                let mut state = self.state();
                let text = state.packages.text(unit)?;
                state.packages.note(name, unit.clone());
                pinned(&mut state).map(|()| text)
            }
            Key::File(path) => {
                self.state().files.insert(name.to_owned(), path.clone());
                let text = decode(name, &files::read_bounded(path, MAX_BYTES)?)?;
                let module = ModuleFile { file: path.display().to_string(), hash: hash(&text) };
                let read = &mut self.state().read;
                if !read.contains(&module) {
                    read.push(module);
                }
                Ok(text)
            }
        }
    }

    /// Gives the files that were imported, in the order in which they were read.
    pub fn imported(&self) -> Vec<ModuleFile> {
        self.state().read.clone()
    }

    /// Marks a module as being loaded, unless it is so already: then the imports form a cycle.
    pub(super) fn enter(&self, key: &Key, name: &str) -> Result<(), Fault> {
        let mut state = self.state();
        if let Some(first) = state.loading.iter().position(|(k, _)| k == key) {
            let mut chain: Vec<_> = state.loading[first..].iter().map(|(_, n)| n.as_str()).collect();
            chain.push(name);
            return Err(Fault::input(format!("import {name:?}"), format!("the imports form a cycle: {}", chain.join(" -> "))));
        }
        if state.loading.len() >= DEEPEST {
            return Err(Fault::new(Kind::Limit, format!("import {name:?}"), format!("more than {DEEPEST} imports nest")));
        }
        state.loading.push((key.clone(), name.to_owned()));
        Ok(())
    }

    /// Takes the mark away again.
    pub(super) fn leave(&self) {
        self.state().loading.pop();
    }

    /// Gives whose rights the code of a module has; none for the recipe's own, and for the standard library, which has those of its callers.
    fn party(&self, key: &Key) -> Result<Option<Arc<Party>>, Fault> {
        let mut state = self.state();
        match key {
            Key::Std(_) => Ok(None),
            Key::Package(unit) => state.packages.party(&unit.package).map(Some),
            Key::File(path) => state.packages.party_around(path),
        }
    }

    /// Notes whose code a source is before it runs, unless it says what that must not.
    fn confine(&self, name: &str, ast: &AST, party: Arc<Party>) -> Result<(), Fault> {
        if let Some((fault, at)) = confine::forbidden(ast) {
            return Err(Fault { origin: fault::in_run(&self.sources(), at), ..fault });
        }
        self.parties.note(name, party);
        Ok(())
    }

    /// Notes whose code a recipe is, if it is one of a package, and gives what its project declares, if it is one of its own.
    pub(super) fn bound(&self, recipe: &Recipe, ast: &AST) -> Result<Option<(Grants, Place)>, Fault> {
        match &recipe.package {
            Some(unit) => {
                let party = self.state().packages.party(&unit.package)?;
                self.confine(&recipe.file, ast, party).map(|()| None)
            }
            None if recipe.path.is_none() => Ok(None),
            None => self.state().packages.own(),
        }
    }

    /// Gives what binds a test: what binds a recipe, and of a package what it has where others use it.
    pub(super) fn bound_as_tested(&self, recipe: &Recipe, ast: &AST) -> Result<Option<(Grants, Place)>, Fault> {
        match self.bound(recipe, ast)? {
            None if recipe.path.is_some() => self.state().packages.given_to_others(),
            bound => Ok(bound),
        }
    }

    pub(super) fn load(
        &self,
        engine: &Engine,
        global: &mut GlobalRuntimeState,
        path: &str,
        at: Position,
    ) -> Result<SharedModule, Box<EvalAltResult>> {
        let sources = || self.sources.read().unwrap_or_else(PoisonError::into_inner);
        let raise = |f: Fault| call::error(if f.origin.is_none() { Fault { origin: fault::in_run(&sources(), at), ..f } } else { f }, at);
        let (key, name) = self.find(path, at).map_err(raise)?;
        if let Some(module) = self.state().modules.get(&key) {
            return Ok(module.clone());
        }
        self.enter(&key, &name).map_err(raise)?;
        let party = self.party(&key).map_err(raise)?;
        let module = (self.read(&key, &name).and_then(|text| self.compile(engine, &Scope::new(), &name, &text)))
            .and_then(|ast| party.map_or(Ok(()), |party| self.confine(&name, &ast, party)).map(|()| ast))
            .map_err(raise)
            .and_then(|ast| {
                // Its own scope: a module sees nothing of its importer.
                Module::eval_ast_as_new_raw(engine, &mut Scope::new(), global, &ast)
                    .map_err(|e| Box::new(EvalAltResult::ErrorInModule(path.to_owned(), e, at)))
            });
        self.leave();
        let module: SharedModule = module?.into();
        self.state().modules.insert(key, module.clone());
        Ok(module)
    }
}

/// Notes the manifest and the lock of the project as files that the run read: they say what every file of every package is.
fn pinned(state: &mut State) -> Result<(), Fault> {
    if state.is_pinned {
        return Ok(());
    }
    let Some(project) = state.packages.project()? else { return Ok(()) };
    state.is_pinned = true;
    for path in [project.manifest_file(), project.lock_file()] {
        let text = decode(&shown(&path), &files::read_bounded(&path, MAX_BYTES)?)?;
        let module = ModuleFile { file: path.display().to_string(), hash: hash(&text) };
        if !state.read.contains(&module) {
            state.read.push(module);
        }
    }
    Ok(())
}

fn standard(library: &[Embedded], module: &str) -> Result<String, Fault> {
    if let Some((_, text)) = library.iter().find(|(name, _)| *name == module) {
        return Ok((*text).to_owned());
    }
    let fault = Fault::new(Kind::NotFound, format!("import \"std:{module}\""), "the standard library has no such module");
    Err(match did_you_mean(module, library.iter().map(|(name, _)| *name)) {
        Some(hint) => fault.hint(hint),
        None => fault,
    })
}

/// Takes `.` and `..` out of an absolute path by its words alone.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, part| {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            part => path.push(part),
        }
        path
    })
}

/// The library as the engine wants it.
pub(super) struct Resolver(pub(super) Arc<Library>);

impl ModuleResolver for Resolver {
    fn resolve_raw(
        &self,
        engine: &Engine,
        global: &mut GlobalRuntimeState,
        _: &mut Scope,
        path: &str,
        at: Position,
    ) -> Result<SharedModule, Box<EvalAltResult>> {
        self.0.load(engine, global, path, at)
    }

    fn resolve(&self, engine: &Engine, _: Option<&str>, path: &str, at: Position) -> Result<SharedModule, Box<EvalAltResult>> {
        self.0.load(engine, &mut engine.new_global_runtime_state(), path, at)
    }
}
