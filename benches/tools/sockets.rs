//! Lists of sockets, against ss(8).

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::measure::{clock, quiet, take_turns};
use crate::{FYKE, Outcome, Row, table};

const SOCKETS: usize = 18_000;

/// Measures a list of many connections, with who holds them and without.
pub(crate) fn all(_: &Path) -> Outcome<String> {
    quiet("ip link set lo up")?;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut open = Vec::with_capacity(SOCKETS);
    while open.len() < SOCKETS {
        let near = TcpStream::connect(listener.local_addr()?)?;
        open.extend([near, listener.accept()?.0]);
    }
    let turns = |name: &str, ours: &[&str], theirs: &str| {
        let fyke = || clock(Command::new(FYKE).args(["run", "sockets", "--proto", "tcp"]).args(ours));
        take_turns(name, 15, fyke, || clock(Command::new("ss").arg(theirs)))
    };
    let rows = [
        Row {
            name: "18,000 connections with the processes that hold them, against `ss -tanp`".into(),
            times: turns("sockets with processes", &["--processes"], "-tanp")?,
            goal: Some(0.5),
        },
        Row { name: "the same without processes, against `ss -tan`".into(), times: turns("sockets", &[], "-tan")?, goal: Some(1.0) },
    ];
    Ok(table(&rows))
}
