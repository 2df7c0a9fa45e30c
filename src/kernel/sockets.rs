//! The sockets of a network namespace: to look at, and to destroy.

use std::io;

use nix::errno::Errno;

use super::netlink::sockets::Diag;
use super::{errno, holders, proc_net};
use crate::model::sockets::{Filter, Holders, Proto, Socket};
use crate::model::{Fault, Kind};

/// The sockets of one network namespace.
pub trait Sockets: Send {
    /// Lists those that a filter means.
    fn list(&mut self, filter: &Filter) -> Result<Vec<Socket>, Fault>;

    /// Reads one again, with what the protocol keeps about it; none where it is gone.
    fn details(&mut self, socket: &Socket) -> Result<Option<Socket>, Fault>;

    /// Finds who holds which.
    fn holders(&mut self) -> Result<Holders, Fault>;

    /// Destroys some, and tells how many were still there.
    fn destroy(&mut self, sockets: &[Socket]) -> Result<usize, Fault>;
}

/// The network namespace of the calling thread.
#[derive(Default)]
pub struct Here(Option<Diag>);

impl Here {
    fn diag(&mut self) -> io::Result<&mut Diag> {
        match &mut self.0 {
            Some(diag) => Ok(diag),
            closed => Ok(closed.insert(Diag::open()?)),
        }
    }

    fn of(&mut self, proto: Proto, filter: &Filter) -> io::Result<Vec<Socket>> {
        self.diag()?.list(proto, filter).inspect_err(|_| {
            // What comes of the old question must not be taken for an answer to the next one.
            self.0 = None;
        })
    }
}

impl Sockets for Here {
    fn list(&mut self, filter: &Filter) -> Result<Vec<Socket>, Fault> {
        let mut found = Vec::new();
        for proto in filter.protos() {
            match self.of(proto, filter) {
                Ok(mut sockets) => found.append(&mut sockets),
                Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) && proto.is_inet() => {
                    found.extend(proc_net::sockets(proto).into_iter().filter(|socket| filter.matches(socket)));
                }
                // A kernel that does not know such sockets has none.
                Err(error) if error.raw_os_error() == Some(Errno::ENOENT as i32) && filter.protos.is_empty() => {}
                Err(error) => return Err(refused(format!("list the {proto} sockets"), error)),
            }
        }
        if let Some(pid) = filter.pid {
            if !holders::is_there(pid) {
                return Err(Fault::new(Kind::NotFound, format!("list the sockets of the process {pid}"), "there is no such process"));
            }
            let held: Vec<u64> = holders::of_process(pid).into_iter().map(|(_, inode)| inode).collect();
            found.retain(|socket| held.contains(&socket.inode));
        }
        Ok(found)
    }

    fn details(&mut self, socket: &Socket) -> Result<Option<Socket>, Fault> {
        self.diag().and_then(|diag| diag.details(socket)).map_err(|error| refused(format!("read the socket {socket}"), error))
    }

    fn holders(&mut self) -> Result<Holders, Fault> {
        Ok(holders::all())
    }

    fn destroy(&mut self, sockets: &[Socket]) -> Result<usize, Fault> {
        let mut destroyed = 0;
        for socket in sockets {
            let done = self.diag().and_then(|diag| diag.destroy(socket));
            destroyed += usize::from(done.map_err(|error| refused(format!("destroy the socket {socket}"), error))?);
        }
        Ok(destroyed)
    }
}

fn refused(tried: String, error: io::Error) -> Fault {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM) => Fault::new(Kind::Permission, tried, "it takes CAP_NET_ADMIN")
            .hint("run it as root; `fyke --sandbox` gives a network to try it in"),
        Some(Errno::EOPNOTSUPP) => Fault::new(
            Kind::Unsupported,
            tried,
            "the kernel does not destroy such sockets (CONFIG_INET_DIAG_DESTROY; TCP, UDP and raw only)",
        ),
        Some(Errno::ENOENT) => Fault::new(Kind::Unsupported, tried, "the kernel has no sock_diag(7) for them"),
        _ => errno::fault(tried, error),
    }
}
