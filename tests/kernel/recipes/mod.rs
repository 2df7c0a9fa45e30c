//! The shelf of recipes, by its packets.
//!
//! ```text
//!   inside (the world's client)        the server: fyke works here              outside
//!   192.0.2.2, .3    2001:db8::2, ::3  ◄─► eth0      eth2 203.0.113.1, .9  ◄─►  203.0.113.2
//!   default route to the server                      2001:db8:2::1, ::9         2001:db8:2::2, knows no way to the inside
//! ```

mod allow_only;
mod block_address;
mod block_process;
mod limit_connections;
mod log_drops;
mod nat_masquerade;
mod port_forward;
mod probe;
mod redirect_port;
mod run_isolated;
mod shaping;
mod show_firewall;
mod snat;
mod sockets;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::thread::{scope, spawn};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Socket, Type};

use super::world::{World, tool};
use crate::program;

/// How long an answer is waited for: less than the second after which TCP would send its SYN once more.
const PATIENCE: Duration = Duration::from_millis(700);

/// The server asks for the neighbours of what it forwards from a link-local address, and those that it has itself are not used for a second.
const WIRES: &str = "\
link add eth2 type veth peer name eth2 netns outside
link set eth2 up
addr add 203.0.113.1/24 dev eth2
addr add 203.0.113.9/24 dev eth2
addr add 2001:db8:2::1/64 dev eth2 nodad
addr add 2001:db8:2::9/64 dev eth2 nodad preferred_lft 0
addr add fe80::1/64 dev eth2 nodad
addr add fe80::1/64 dev eth0 nodad
";

const OUTSIDE: &str = "\
link set lo up
link set eth2 up
addr add 203.0.113.2/24 dev eth2
addr add 2001:db8:2::2/64 dev eth2 nodad
";

const INSIDE: &str = "\
route add default via 192.0.2.1
route add default via 2001:db8::1
";

/// The addresses of the server on the side of the uplink, and those of the host outside.
pub(super) const PUBLIC: [&str; 2] = ["203.0.113.1", "2001:db8:2::1"];
pub(super) const FAR: [&str; 2] = ["203.0.113.2", "2001:db8:2::2"];

/// The three hosts. The wire to the outside is gone with it.
pub(super) struct Net {
    /// The host of the test.
    pub(super) here: Place,
    /// The host behind it.
    pub(super) inside: Place,
    /// The host at the other end of the uplink.
    pub(super) outside: Place,
}

impl Net {
    /// Adds the outside to a world.
    pub(super) fn new() -> Self {
        tool("ip", &["netns", "add", "outside"], "");
        tool("ip", &["-batch", "-"], WIRES);
        tool("ip", &["-n", "outside", "-batch", "-"], OUTSIDE);
        tool("ip", &["-n", "client", "-batch", "-"], INSIDE);
        let place = |path: &str| Place(File::open(path).unwrap());
        Self { here: place("/proc/thread-self/ns/net"), inside: place("/run/netns/client"), outside: place("/run/netns/outside") }
    }

    /// Lets the outside know the way to the inside, as a neighbour may who is up to something.
    pub(super) fn show_the_way_in(&self) {
        tool("ip", &["-n", "outside", "route", "add", "192.0.2.0/24", "via", PUBLIC[0]], "");
        tool("ip", &["-n", "outside", "route", "add", "2001:db8::/64", "via", PUBLIC[1]], "");
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        tool("ip", &["link", "del", "eth2"], "");
        tool("ip", &["netns", "del", "outside"], "");
    }
}

/// A network namespace with a host in it.
pub(super) struct Place(File);

impl Place {
    fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            setns(self.0.as_fd(), CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        scope(|scope| scope.spawn(enter).join().unwrap())
    }

    /// Serves a port in both families as long as the test lasts: each client is told the name of the service, and the address that it came from.
    /// A connection stays until the client closes it.
    pub(super) fn serve(&self, name: &'static str, port: u16) {
        let listener = self.within(|| TcpListener::bind(SocketAddr::new("::".parse().unwrap(), port)).unwrap());
        spawn(move || {
            for mut stream in listener.incoming().flatten() {
                spawn(move || {
                    let peer = stream.peer_addr().map(|peer| peer.ip().to_canonical().to_string()).unwrap_or_default();
                    let _ = write!(stream, "{name} sees {peer}");
                    let _ = stream.read_to_end(&mut Vec::new());
                });
            }
        });
    }

    /// Serves a port of an address with datagrams.
    pub(super) fn serve_datagrams(&self, name: &'static str, at: &str, port: u16) {
        let socket = self.within(|| UdpSocket::bind(SocketAddr::new(at.parse().unwrap(), port)).unwrap());
        spawn(move || {
            while let Ok((_, peer)) = socket.recv_from(&mut [0; 9]) {
                let _ = socket.send_to(format!("{name} sees {}", peer.ip()).as_bytes(), peer);
            }
        });
    }

    /// Asks with a datagram, and gives what the service says; nothing if nobody answers.
    pub(super) fn ask_by_datagram(&self, to: &str, port: u16) -> Option<String> {
        let to: IpAddr = to.parse().unwrap();
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = self.within(|| UdpSocket::bind(any).unwrap());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect((to, port)).unwrap();
        socket.send(b"who").unwrap();
        let mut answer = [0; 99];
        socket.recv(&mut answer).ok().map(|length| String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    /// Connects from an address, or from whichever is the host's, and gives what the service says; nothing if nobody answers.
    pub(super) fn ask_from(&self, from: Option<&str>, to: &str, port: u16) -> Option<String> {
        let mut text = String::new();
        let mut stream = self.connect(from, to, port)?;
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read_to_string(&mut text).unwrap();
        Some(text)
    }

    /// Connects, and gives what the service says; nothing if nobody answers.
    pub(super) fn ask(&self, to: &str, port: u16) -> Option<String> {
        self.ask_from(None, to, port)
    }

    /// Opens a connection; nothing if nobody answers, or with a reset.
    pub(super) fn connect(&self, from: Option<&str>, to: &str, port: u16) -> Option<TcpStream> {
        let to = SocketAddr::new(to.parse().unwrap(), port);
        self.within(|| {
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
            if let Some(from) = from {
                socket.bind(&SocketAddr::new(from.parse::<IpAddr>().unwrap(), 0).into()).unwrap();
            }
            socket.connect_timeout(&to.into(), PATIENCE).ok().map(|()| socket.into())
        })
    }
}

/// A header that names the wrong rooms, or a name that is not defined, is found without running a recipe.
#[test]
fn every_recipe_passes_its_check() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let mut wrong = Vec::new();
    for recipe in std::fs::read_dir(scripts).unwrap().map(|entry| entry.unwrap().path().display().to_string()) {
        let said = program::fyke(["check", &recipe]);
        if said.code != Some(0) || !said.out.ends_with("good\n") {
            wrong.push(said);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Sees to it that arguments are refused with these words before anything is touched or journaled.
#[track_caller]
pub(super) fn is_refused(world: &World, words: &[&str], why: &str) {
    let before = world.state();
    let journaled = Path::new("/run/fyke").exists();
    let said = world.fyke(&[&["run"], words].concat());
    assert!(said.code == Some(2) && said.err.contains(why), "{words:?}: {said:?}");
    assert_eq!(world.state(), before, "{words:?}");
    assert_eq!(Path::new("/run/fyke").exists(), journaled, "{words:?} was journaled");
}

/// Runs a recipe twice: the plan says what the first run does, and the second changes nothing.
#[track_caller]
pub(super) fn runs(world: &World, words: &[&str]) {
    let before = world.state();
    assert_eq!(world.fyke(&[&["plan", "--exit-code"], words].concat()).code, Some(6), "{words:?}");
    assert_eq!(world.state(), before, "the plan of {words:?}");
    let said = world.fyke_well(&[&["run"], words].concat());
    assert!(said.err.contains("lift with: fyke undo "), "{said:?}");
    let after = world.state();
    assert_eq!(world.fyke_well(&[&["run"], words].concat()).err, "nothing changed\n");
    assert_eq!(world.state(), after, "the second run of {words:?}");
}
