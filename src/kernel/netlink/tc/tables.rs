//! The tables of netem's distributions: those that fyke computes, and those that are files of tc(8), see tc-netem(8).

use std::path::{Path, PathBuf};

use crate::kernel::files;
use crate::model::near::did_you_mean;
use crate::model::tc::distribution::{self, COMPUTED};
use crate::model::{Fault, Kind};

/// Where distributions put the files of iproute2 (`LIBDIR`/tc), besides the folders of an architecture: `/usr/lib/x86_64-linux-gnu/tc`.
const FOLDERS: &[&str] = &["/usr/lib64/tc", "/usr/lib/tc", "/lib/tc", "/usr/share/tc"];

/// The most bytes of a file: 16384 numbers, and words about them.
const MOST: usize = 1 << 20;

/// Gives the table of a distribution; it is empty where the kernel needs none.
pub fn find(name: &str) -> Result<Vec<i16>, Fault> {
    if COMPUTED.contains(&name) {
        return Ok(distribution::table(name).unwrap_or_default());
    }
    let file = format!("{name}.dist");
    let folders = folders();
    let Some(path) = folders.iter().map(|folder| folder.join(&file)).find(|path| path.exists()) else {
        return Err(missing(name, &folders));
    };
    let tried = || format!("use {name:?} as distribution of netem: read {}", path.display());
    let bytes = files::read_bounded(&path, MOST).map_err(|fault| Fault { tried: tried(), ..fault })?;
    distribution::read(&String::from_utf8_lossy(&bytes)).map_err(|why| Fault::input(tried(), why))
}

/// Gives the folders in which tc(8) may have its files: the one of its environment, or those that there are.
fn folders() -> Vec<PathBuf> {
    if let Some(folder) = std::env::var_os("TC_LIB_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute()) {
        return vec![folder];
    }
    let within = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let of_architectures =
        within.filter(|entry| entry.file_name().to_string_lossy().contains("-linux-")).map(|entry| entry.path().join("tc"));
    let mut all: Vec<PathBuf> = of_architectures.chain(FOLDERS.iter().map(PathBuf::from)).filter(|folder| folder.is_dir()).collect();
    all.sort();
    all
}

fn missing(name: &str, folders: &[PathBuf]) -> Fault {
    let name_of = |path: &Path| path.file_name()?.to_str()?.strip_suffix(".dist").map(str::to_owned);
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let mut known: Vec<String> =
        COMPUTED.iter().map(|name| (*name).to_owned()).chain(files.filter_map(|file| name_of(&file.path()))).collect();
    known.sort();
    known.dedup();
    let fault = Fault::new(Kind::Input, format!("use {name:?} as distribution of netem"), "there is no such distribution");
    match did_you_mean(name, known.iter().map(String::as_str)) {
        Some(hint) => fault.hint(hint),
        None => fault.hint(format!("those here are {}; others are files of tc(8), in its folder or in $TC_LIB_DIR", known.join(", "))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_no_table_of_is_refused() {
        assert_eq!((find("normal").unwrap().len(), find("uniform").unwrap().len()), (4096, 0));
        let fault = find("nrmal").unwrap_err();
        assert_eq!((fault.kind, fault.why.as_str()), (Kind::Input, "there is no such distribution"));
        assert_eq!(fault.hint.as_deref(), Some("did you mean `normal`?"));
        assert!(find("quux").unwrap_err().hint.unwrap().starts_with("those here are "));
    }

    #[test]
    fn a_file_of_iproute2_is_read() {
        match find("experimental") {
            Ok(table) => assert_eq!((table.len(), table.is_sorted()), (4096, true)),
            Err(_) => println!("skipped: iproute2 has no file of an experimental distribution here"),
        }
    }
}
