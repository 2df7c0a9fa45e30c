//! The names of namespaces, as ip-netns(8) keeps them: files in a folder, on each of which a namespace is mounted. And those that were taken
//! out of the way, which fyke keeps beside its journal: a namespace that loses its name is not lost, and gets it back as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::statfs;

use super::seek::processes;
use super::{NAMED, NSFS_MAGIC, Netns, release, seek};
use crate::kernel::{errno, process, state};
use crate::model::netns::{Name, Object, Scope, Site, State};
use crate::model::{Fault, Inventory, Kind, change};

const NOTHING: Option<&Path> = None;

/// Gives the file of a namespace that is kept aside.
pub(super) fn aside(cookie: u64) -> Result<PathBuf, Fault> {
    Ok(state::state_dir()?.join("netns").join(cookie.to_string()))
}

fn path(name: &Name) -> PathBuf {
    Path::new(NAMED).join(name.as_str())
}

/// Reads what there is. What is in the folder and was made by nobody who makes namespaces is left out.
pub fn read(scope: &Scope) -> Result<Inventory, Fault> {
    let objects: Vec<Object> = match scope {
        Scope::Aside(cookie) => vec![Object::Aside(*cookie)],
        Scope::Names => {
            let files = fs::read_dir(NAMED).into_iter().flatten().flatten();
            files.filter_map(|file| Some(Object::Name(file.file_name().to_str()?.parse().ok()?))).collect()
        }
    };
    let mut inside: Option<BTreeMap<(u64, u64), usize>> = None;
    let mut found = Inventory::new();
    for object in objects {
        let state = match &object {
            Object::Name(name) => look(&path(name))?,
            // Without a state directory, nothing was ever put there.
            Object::Aside(cookie) => aside(*cookie).ok().map_or(Ok(None), |path| look(&path))?.filter(|state| *state != Found::Half),
        };
        let state = match state {
            None => continue,
            Some(Found::Half) => State::Half,
            Some(Found::Made(netns)) => {
                // Who is in one that is kept aside stays in it, wherever it goes.
                let counted = matches!(object, Object::Name(_)).then(|| inside.get_or_insert_with(population));
                let processes = counted.and_then(|inside| inside.get(&netns.file_number()?).copied()).unwrap_or(0);
                State::Made { cookie: netns.cookie()?, processes }
            }
        };
        found.insert(change::Object::Netns(object), change::State::Netns(state));
    }
    Ok(found)
}

/// What a file is.
enum Found {
    Made(Netns),
    Half,
}

impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        matches!((self, other), (Found::Half, Found::Half))
    }
}

fn look(path: &Path) -> Result<Option<Found>, Fault> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(errno::fault(format!("look at {}", path.display()), error)),
        Ok(about) => match Netns::at(path) {
            Ok(netns) => Ok(Some(Found::Made(netns))),
            // The file that is made for a mount is empty, and nobody's to read.
            // One that cannot be opened is there all the same.
            Err(fault) if fault.kind != Kind::Input && statfs(path).is_ok_and(|about| about.filesystem_type() == NSFS_MAGIC) => Err(fault),
            Err(_) if about.is_file() && about.len() == 0 && about.permissions().mode() & 0o777 == 0 => Ok(Some(Found::Half)),
            Err(_) => Ok(None),
        },
    }
}

/// Counts the processes of each namespace, but for those of this run: what it is about to do, it does not do to others.
fn population() -> BTreeMap<(u64, u64), usize> {
    let program = |pid: u32| fs::read_link(format!("/proc/{pid}/exe")).ok();
    let own = program(std::process::id());
    let run: BTreeSet<u32> =
        process::ancestry().into_iter().map(i32::cast_unsigned).take_while(|pid| own.is_some() && program(*pid) == own).collect();
    let mut found = BTreeMap::new();
    processes().filter(|(pid, _)| !run.contains(pid)).for_each(|(_, number)| *found.entry(number).or_default() += 1);
    found
}

/// Makes a change: a namespace gets a name or loses it. One that has lost its last name is gone with the last process in it.
pub fn write(object: &Object, before: Option<&State>, after: Option<&State>) -> Result<(), Fault> {
    match (object, before, after) {
        (Object::Name(name), before, Some(State::Made { cookie, .. })) => {
            let tried = format!("make the {object}");
            let netns = seek(&Site::new(*cookie, name.as_str())).ok_or_else(|| Fault::new(Kind::NotFound, &*tried, "it is gone"))?;
            make_folder().map_err(|error| errno::fault(&*tried, error))?;
            attach(&netns, &path(name), before.is_some()).map_err(|error| refused(tried, error))
        }
        (Object::Name(name), None, Some(State::Half)) => {
            let half = OpenOptions::new().write(true).create_new(true).mode(0o000).custom_flags(libc::O_NOFOLLOW).open(path(name));
            half.map(drop).map_err(|error| refused(format!("put back the {object}"), error))
        }
        (Object::Name(name), before, after) => {
            let tried = format!("take away the {object}");
            is_still(&path(name), before, &tried)?;
            detach(&path(name), after.is_some()).map_err(|error| refused(tried, error))?;
            before.and_then(State::cookie).into_iter().for_each(release);
            Ok(())
        }
        (Object::Aside(cookie), _, Some(_)) => {
            let tried = format!("keep the {object}");
            let netns = seek(&Site::new(*cookie, Site::ANONYMOUS)).ok_or_else(|| Fault::new(Kind::NotFound, &*tried, "it is gone"))?;
            let path = aside(*cookie)?;
            path.parent().map_or(Ok(()), private)?;
            attach(&netns, &path, true).map_err(|error| refused(tried, error))
        }
        (Object::Aside(cookie), _, None) => {
            detach(&aside(*cookie)?, false).map_err(|error| refused(format!("let go of the {object}"), error))
        }
    }
}

/// Refuses to take a name from a namespace that somebody has given it since it was looked at.
fn is_still(path: &Path, before: Option<&State>, tried: &str) -> Result<(), Fault> {
    let now = match look(path)? {
        Some(Found::Made(netns)) => Some(netns.cookie()?),
        _ => None,
    };
    match now == before.and_then(State::cookie) {
        true => Ok(()),
        false => Err(Fault::new(Kind::Drift, tried, "another one has this name by now")),
    }
}

/// Makes the folder for namespaces that are kept aside, for nobody else to look into.
fn private(folder: &Path) -> Result<(), Fault> {
    state::make(&state::state_dir()?)?;
    state::make(folder).map(drop)
}

/// Makes the folder of the names, and sees to it that what is mounted there is seen in every mount namespace, as ip-netns(8) does it.
fn make_folder() -> std::io::Result<()> {
    match DirBuilder::new().mode(0o755).create(NAMED) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        // Whatever the umask: others may look, too.
        Ok(()) => fs::set_permissions(NAMED, Permissions::from_mode(0o755))?,
        Err(_) => {}
    }
    // Two that do this at the same time would mount the folder twice on itself.
    let folder = File::open(NAMED)?;
    folder.lock()?;
    let share = || mount(NOTHING, NAMED, NOTHING, MsFlags::MS_SHARED | MsFlags::MS_REC, NOTHING);
    match share() {
        Err(Errno::EINVAL) => {
            mount(Some(NAMED), NAMED, NOTHING, MsFlags::MS_BIND | MsFlags::MS_REC, NOTHING)?;
            Ok(share()?)
        }
        done => Ok(done?),
    }
}

/// Mounts a namespace on a file, which is made for it or, where that is fine, is there.
fn attach(netns: &Netns, path: &Path, may_be_there: bool) -> std::io::Result<()> {
    let made = OpenOptions::new().read(true).write(true).create_new(true).mode(0o000).custom_flags(libc::O_NOFOLLOW).open(path);
    match made {
        Err(error) if !(may_be_there && error.kind() == ErrorKind::AlreadyExists) => return Err(error),
        _ => {}
    }
    // Whoever finds it there already has mounted the same one and was killed.
    if may_be_there && matches!(Netns::at(path), Ok(there) if there.file_number() == netns.file_number()) {
        return Ok(());
    }
    let source = format!("/proc/self/fd/{}", netns.as_fd().as_raw_fd());
    let mounted = mount(Some(source.as_str()), path, NOTHING, MsFlags::MS_BIND, NOTHING);
    if mounted.is_err() && !may_be_there {
        let _ = fs::remove_file(path);
    }
    Ok(mounted?)
}

/// Takes the namespace off a file, and the file away unless it is to stay.
fn detach(path: &Path, stays: bool) -> std::io::Result<()> {
    match umount2(path, MntFlags::MNT_DETACH) {
        // Nothing is mounted there, or not even the file is there.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
        Err(error) => return Err(error.into()),
    }
    if stays {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn refused(tried: String, error: std::io::Error) -> Fault {
    match error.kind() {
        ErrorKind::AlreadyExists => Fault::new(Kind::Exists, tried, format!("something of that name is in {NAMED}")),
        _ => errno::fault(tried, error),
    }
}
