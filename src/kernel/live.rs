//! A network namespace of Linux.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::named::{self, Named};
use super::recent::Recent;
use super::shadow::Below;
use super::sockets::{self, Sockets};
use super::xt_recent::XtRecent;
use super::xtables::live::{Live as Tables, Reader};
use super::xtables::{Backend, Source, Xtables};
use super::{Kernel, cgroup, files, program, raw};
use crate::model::Fault;
use crate::model::cgroup::{Group, Way};
use crate::model::command::{Command, Ran};
use crate::model::link::Name;
use crate::model::packet::exchange::Outcome;
use crate::model::raw::{Query, Spec, exchange};

/// Linux, to read and to write. What it needs of it is opened at the first use.
pub struct Live {
    /// The backend that the user asks for.
    asked: Option<Backend>,
    /// The backend of an earlier run.
    backend: Option<Backend>,
    tables: Option<Tables>,
    named: named::Here,
    recent: XtRecent,
    sockets: sockets::Here,
}

impl Live {
    /// Makes a kernel of the namespace of the calling thread.
    pub fn new(backend: Option<Backend>) -> Self {
        Self { asked: backend, backend, tables: None, named: named::Here::default(), recent: XtRecent, sockets: sockets::Here::default() }
    }
}

impl Kernel for Live {
    fn xtables(&mut self) -> Result<&mut dyn Xtables, Fault> {
        match &mut self.tables {
            Some(tables) => Ok(tables),
            closed => Ok(closed.insert(Tables::open(self.backend)?)),
        }
    }

    fn return_to(&mut self, backend: Backend) -> Result<(), Fault> {
        if self.asked.is_some_and(|asked| asked != backend) {
            let name = backend.name();
            return Err(Fault::input("lift the run", format!("its rules are in the backend {name}, and another one was asked for"))
                .hint(format!("leave `--backend` away, or say `--backend {name}`")));
        }
        self.backend = Some(backend);
        self.tables.take_if(|tables| tables.choice().ambiguous || tables.choice().backend != backend);
        Ok(())
    }

    fn named(&mut self) -> &mut dyn Named {
        &mut self.named
    }

    fn recent(&mut self) -> &mut dyn Recent {
        &mut self.recent
    }

    fn probe(&mut self, group: &Group, way: Way) -> Result<(), Fault> {
        cgroup::probe::run(group, way)
    }

    fn write_file(&mut self, path: &str, bytes: &[u8]) -> Result<(), Fault> {
        files::put(Path::new(path), bytes)
    }

    fn sockets(&mut self) -> &mut dyn Sockets {
        &mut self.sockets
    }

    fn raw(&mut self, spec: &Spec) -> Result<Box<dyn raw::Wire>, Fault> {
        raw::open(spec).map(|socket| -> Box<dyn raw::Wire> { Box::new(socket) })
    }

    fn desk(&mut self, chosen: &exchange::Sockets) -> Result<Box<dyn raw::Desk>, Fault> {
        raw::Desks::new(chosen).map(|desk| -> Box<dyn raw::Desk> { Box::new(desk) })
    }

    fn query(&mut self, query: &mut Query) -> Result<Outcome, Fault> {
        raw::query(query)
    }

    fn own_end(&mut self, to: IpAddr, link: Option<&Name>) -> Result<SocketAddr, Fault> {
        raw::own_end(to, link)
    }

    fn run(&mut self, command: &Command) -> Result<Ran, Fault> {
        program::run(command)
    }
}

/// Linux, to read only: what a plan lies over.
pub struct Present {
    backend: Option<Backend>,
    tables: Option<Reader>,
    named: named::Here,
    recent: XtRecent,
    sockets: sockets::Here,
}

impl Present {
    /// Makes a kernel of the namespace of the calling thread that can only be read.
    pub fn new(backend: Option<Backend>) -> Self {
        Self { backend, tables: None, named: named::Here::default(), recent: XtRecent, sockets: sockets::Here::default() }
    }
}

impl Below for Present {
    fn xtables(&mut self) -> Result<&mut dyn Source, Fault> {
        match &mut self.tables {
            Some(tables) => Ok(tables),
            closed => Ok(closed.insert(Reader::open(self.backend)?)),
        }
    }

    fn named(&mut self) -> &mut dyn named::Source {
        &mut self.named
    }

    fn recent(&mut self) -> &mut dyn Recent {
        &mut self.recent
    }

    fn sockets(&mut self) -> &mut dyn Sockets {
        &mut self.sockets
    }

    fn refuses(&mut self, way: &crate::model::raw::Way) -> Option<Fault> {
        raw::may_open(way).err()
    }
}
