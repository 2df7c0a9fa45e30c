//! Sockets that are destroyed: an act that answers.

use super::{Door, Transaction};
use crate::model::sockets::Socket;
use crate::model::{Fault, Kind, Origin};

/// As many sockets are named in the journal; the others are counted.
const NAMED: usize = 20;

impl Door {
    /// Destroys sockets, after everything that is queued is written, and tells how many were still there. In a plan none is.
    pub fn destroy(&self, sockets: &[Socket], origin: Origin) -> Result<usize, Fault> {
        self.lock().there(|it| it.destroy(sockets, &origin))
    }
}

impl Transaction {
    fn destroy(&mut self, sockets: &[Socket], origin: &Origin) -> Result<usize, Fault> {
        self.permit_destroy(sockets, origin)?;
        self.flush()?;
        if sockets.is_empty() {
            return Ok(0);
        }
        if let Some(other) = sockets.iter().find(|socket| !socket.proto.is_inet()) {
            let why = "the kernel destroys sockets of TCP, UDP and raw only";
            return Err(Fault::new(Kind::Unsupported, format!("destroy the socket {other}"), why).at(origin.clone()));
        }
        self.guard.sockets(sockets, origin)?;
        let what = self.named_here(told(sockets));
        self.ledger.act(&what, origin)?;
        let outcome = self.kernel.sockets().destroy(sockets);
        // Also one that fails may have destroyed some.
        self.acts.push(what);
        outcome
    }
}

fn told(sockets: &[Socket]) -> String {
    let named = sockets.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let more = match sockets.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let many = if sockets.len() == 1 { "the socket".to_owned() } else { format!("{} sockets:", sockets.len()) };
    format!("destroyed {many} {named}{more}")
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use super::*;
    use crate::model::sockets::{End, Id, Proto, State};
    use crate::model::{Flow, Tracking};
    use crate::transaction::{Guard, Stance};

    fn socket(peer: u16) -> Socket {
        let end = |last: u8, port: u16| End::Inet(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), port);
        Socket {
            proto: Proto::Tcp,
            kind: None,
            state: State::Established,
            local: end(1, 22),
            peer: end(2, peer),
            interface: None,
            recv_q: 0,
            send_q: 0,
            uid: 0,
            inode: 0,
            peer_inode: None,
            mark: None,
            cgroup: None,
            timer: None,
            details: None,
            id: Id::Inet(2, [0; 48]),
        }
    }

    #[test]
    fn what_is_destroyed_is_named() {
        assert_eq!(told(&[socket(5000)]), "destroyed the socket tcp established 192.0.2.1:22 to 192.0.2.2:5000");
        let many: Vec<Socket> = (1..=30).map(socket).collect();
        let told = told(&many);
        assert!(
            told.starts_with("destroyed 30 sockets: tcp established 192.0.2.1:22 to 192.0.2.2:1, ") && told.ends_with(" and 10 more"),
            "{told}"
        );
    }

    #[test]
    fn the_login_is_not_destroyed_unasked() {
        let at = |last: u8, port: u16| SocketAddr::from(([192, 0, 2, last], port));
        let flow = Flow { peer: at(2, 5000), here: at(1, 22), interface: None, tracking: vec![Tracking::Established], holders: Vec::new() };
        let judge = |stance: Stance, sockets: &[Socket]| {
            let flow = flow.clone();
            let mut guard = Guard::new(stance, move || vec![flow.clone()]);
            let outcome = guard.sockets(sockets, &Origin::at("x", 1, 1));
            (outcome.map_err(|fault| fault.kind), guard.told().len())
        };
        let (login, other) = (socket(5000), socket(5001));
        assert_eq!(judge(Stance::Refuse, &[other.clone(), login.clone()]), (Err(Kind::Lockout), 0));
        assert_eq!(judge(Stance::Tell, std::slice::from_ref(&login)), (Ok(()), 1));
        assert_eq!((judge(Stance::Allow, &[login]), judge(Stance::Refuse, &[other])), ((Ok(()), 0), (Ok(()), 0)));
    }
}
