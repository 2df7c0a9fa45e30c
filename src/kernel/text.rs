//! Text from outside that a script reads: files and variables of the environment.

use std::path::Path;

use super::files;
use crate::model::Fault;

/// The most that a file may have that a script reads, in bytes.
pub const MOST: usize = 16 << 20;

/// Reads a file as text.
pub fn file(path: &str) -> Result<String, Fault> {
    let text = String::from_utf8(files::read_bounded(Path::new(path), MOST)?);
    text.map_err(|odd| {
        let fine = &odd.as_bytes()[..odd.utf8_error().valid_up_to()];
        let line = fine.iter().filter(|byte| **byte == b'\n').count() + 1;
        Fault::input(format!("read {path}"), format!("line {line} is not UTF-8"))
    })
}

/// Gives a variable of the environment, if it is set.
pub fn variable(name: &str) -> Result<Option<String>, Fault> {
    let refuse = |why: &str| Err(Fault::input(format!("read the variable {name:?}"), why));
    if name.is_empty() || name.contains(['=', '\0']) {
        return refuse("no variable has such a name");
    }
    match std::env::var_os(name).map(std::ffi::OsString::into_string) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(_)) => refuse("its value is not UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_refused_with_its_line() {
        let path = std::env::temp_dir().join(format!("fyke-text-{}", std::process::id()));
        let of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            file(path.to_str().unwrap())
        };
        assert_eq!(of("größe\n".as_bytes()).unwrap(), "größe\n");
        assert_eq!(of(b"one\ntwo\nb\xe9\n").unwrap_err().why, "line 3 is not UTF-8");
        assert_eq!(of(b"\xff").unwrap_err().why, "line 1 is not UTF-8");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file("/nowhere\0").unwrap_err().why, "it is no file name");
    }

    #[test]
    fn variables_are_found_by_their_names() {
        assert!(variable("PATH").unwrap().is_some());
        assert_eq!(variable("FYKE_HAS_NO_SUCH_VARIABLE").unwrap(), None);
        assert!(variable("").is_err() && variable("A=B").is_err() && variable("A\0").is_err());
    }
}
