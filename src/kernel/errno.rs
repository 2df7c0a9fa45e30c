//! What the kernel's error numbers mean as faults.

use std::io;

use nix::errno::Errno;

use crate::model::{Fault, Kind};

/// Makes a fault of a failed system call. `tried` is the end of "cannot ...".
pub fn fault(tried: impl Into<String>, error: impl Into<io::Error>) -> Fault {
    let error = error.into();
    let Some(number) = error.raw_os_error() else {
        return Fault::new(Kind::System, tried, error.to_string());
    };
    let errno = Errno::from_raw(number);
    let kind = match errno {
        Errno::EPERM | Errno::EACCES => Kind::Permission,
        Errno::ENOENT => Kind::NotFound,
        _ => Kind::System,
    };
    Fault::new(kind, tried, errno.desc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_follows_the_number() {
        let fault = fault("open the door", Errno::EACCES);
        assert_eq!(fault.kind, Kind::Permission);
        assert_eq!(fault.to_string(), "cannot open the door: Permission denied");
        assert_eq!(super::fault("x", io::Error::other("odd")).why, "odd");
    }
}
