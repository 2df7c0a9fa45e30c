//! The packages that were fetched, each a file by the hash of its content: shared by all projects of a user, trusted by none of them.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::unistd::{User, geteuid};

use crate::kernel::{errno, files, state};
use crate::model::package::Hash;
use crate::model::{Fault, Kind};

/// The most bytes of a package as it is kept.
const MOST: usize = 64 << 20;
/// When a room is one that was left behind.
const OLD: Duration = Duration::from_secs(3600);

/// The cache of this user.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// Finds the cache, whether it is there or not: `$XDG_CACHE_HOME/fyke`, else `.cache/fyke` in the user's home.
    pub fn locate() -> Result<Self, Fault> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        // A service of root has no HOME.
        let home = || absolute("HOME").or_else(|| User::from_uid(geteuid()).ok().flatten().map(|user| user.dir));
        let folder = absolute("XDG_CACHE_HOME").or_else(|| Some(home()?.join(".cache")));
        let none = || Fault::new(Kind::NotFound, "keep packages", "neither XDG_CACHE_HOME nor HOME names a folder");
        Ok(Self { folder: folder.ok_or_else(none)?.join("fyke") })
    }

    /// Gives the file that a package is kept in.
    pub fn path(&self, hash: &Hash) -> PathBuf {
        self.folder.join("packages").join(format!("{}.tar", hash.hex()))
    }

    /// Reads the archive that is kept under a hash. Whether that is what is in it, its reader has to find out.
    pub fn read(&self, hash: &Hash) -> Result<Option<Vec<u8>>, Fault> {
        match files::read_bounded(&self.path(hash), MOST) {
            Err(fault) if fault.kind == Kind::NotFound => Ok(None),
            read => read.map(Some),
        }
    }

    /// Keeps an archive, for this user alone to read.
    pub fn keep(&self, hash: &Hash, bytes: &[u8]) -> Result<(), Fault> {
        let path = self.path(hash);
        if files::read_bounded(&path, MOST).is_ok_and(|kept| kept == bytes) {
            return Ok(());
        }
        self.folder("packages")?;
        let new = path.with_extension(unique());
        files::write_new(&new, bytes)?;
        fs::rename(&new, &path).map_err(|error| errno::fault(format!("keep {}", path.display()), error))
    }

    /// Makes a room to work in.
    pub fn room(&self) -> Result<Room, Fault> {
        let above = self.folder("work")?;
        for name in files::names(&above, "") {
            let path = above.join(name.trim_end_matches('/'));
            let age = path.symlink_metadata().and_then(|about| about.modified()).ok().and_then(|time| time.elapsed().ok());
            if age.is_some_and(|age| age > OLD) {
                let _ = fs::remove_dir_all(path);
            }
        }
        let path = above.join(unique());
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map(|()| Room { path: path.clone() }).map_err(|error| errno::fault(format!("make {}", path.display()), error))
    }

    /// Makes a folder of the cache, in which nobody else can write.
    fn folder(&self, name: &str) -> Result<PathBuf, Fault> {
        let tried = || format!("keep packages in {}", self.folder.display());
        let above = self.folder.parent().unwrap_or(&self.folder);
        DirBuilder::new().recursive(true).mode(0o700).create(above).map_err(|error| errno::fault(tried(), error))?;
        let private = |path: &Path| state::private_folder(path, geteuid()).map_err(|fault| Fault { tried: tried(), ..fault });
        private(&self.folder)?;
        private(&self.folder.join(name))
    }
}

fn unique() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// A folder that is gone with its user.
#[derive(Debug)]
pub struct Room {
    path: PathBuf,
}

impl Room {
    /// Gives the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}
