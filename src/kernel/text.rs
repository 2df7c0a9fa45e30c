//! Text from outside that a script reads: files and variables of the environment.

use crate::model::Fault;

/// The most that a file may have that a script reads, in bytes.
pub const MOST: usize = 16 << 20;

/// Takes the bytes of a file as text.
pub fn of(path: &str, bytes: Vec<u8>) -> Result<String, Fault> {
    String::from_utf8(bytes).map_err(|odd| {
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
        let of = |bytes: &[u8]| super::of("x", bytes.to_vec());
        assert_eq!(of("größe\n".as_bytes()).unwrap(), "größe\n");
        assert_eq!(of(b"one\ntwo\nb\xe9\n").unwrap_err().why, "line 3 is not UTF-8");
        assert_eq!(of(b"\xff").unwrap_err().why, "line 1 is not UTF-8");
    }

    #[test]
    fn variables_are_found_by_their_names() {
        assert!(variable("PATH").unwrap().is_some());
        assert_eq!(variable("FYKE_HAS_NO_SUCH_VARIABLE").unwrap(), None);
        assert!(variable("").is_err() && variable("A=B").is_err() && variable("A\0").is_err());
    }
}
