//! Processes, found by what is known of them; and one that is started without a network.

use rhai::plugin::*;
use rhai::{Array, Dynamic, NativeCallContext};

use super::handle::{self, Process};
use crate::bind::call::{self, Answer};
use crate::bind::types;
use crate::model::command::Command;
use crate::model::{Fault, Kind};
use crate::transaction::Around;

fn listed(found: Vec<Process>) -> Array {
    found.into_iter().map(Dynamic::from).collect()
}

#[allow(missing_docs, unreachable_pub)]
#[export_module(manifest)]
pub mod functions {
    /// Lists the processes, by their numbers.
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Example
    /// ```rhai
    /// process::list().len() > 1
    /// ```
    ///
    /// # Source
    /// proc(5)
    #[rhai_fn(return_raw, volatile)]
    pub fn list(ctx: NativeCallContext) -> Answer<Array> {
        handle::found(&ctx, Around::Processes).map(listed)
    }

    /// Gives the process that has a number now. The value stands for this process, not for one that gets the number later.
    ///
    /// - `pid`: from 1 to 4194304
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `not-found`: there is no such process, or it has ended. `input`: no process can have this number.
    ///
    /// # Example
    /// ```rhai
    /// process::get(1).pid == 1
    /// ```
    ///
    /// # Source
    /// proc_pid_stat(5)
    #[rhai_fn(return_raw, volatile)]
    pub fn get(ctx: NativeCallContext, pid: i64) -> Answer<Process> {
        Process::numbered(&ctx, pid)
    }

    /// Gives the process that has a number now, or `()` where none has it.
    ///
    /// - `pid`: from 1 to 4194304
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: no process can have this number.
    ///
    /// # Example
    /// ```rhai
    /// process::find(4194304) == ()
    /// ```
    ///
    /// # Source
    /// proc_pid_stat(5)
    #[rhai_fn(return_raw, volatile)]
    pub fn find(ctx: NativeCallContext, pid: i64) -> Answer<Dynamic> {
        Ok(Process::find(&ctx, pid)?.map_or(Dynamic::UNIT, Dynamic::from))
    }

    /// Lists the processes of a name: that of the program, or that by which it was started.
    ///
    /// - `name`: without folders, as `ps -o comm` or the first word of `ps -o args` shows it
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is empty, or has a slash.
    ///
    /// # Example
    /// ```rhai
    /// process::by_name("no-such-program").is_empty()
    /// ```
    ///
    /// # Source
    /// proc_pid_comm(5), proc_pid_cmdline(5)
    #[rhai_fn(return_raw, volatile)]
    pub fn by_name(ctx: NativeCallContext, name: &str) -> Answer<Array> {
        if name.is_empty() || name.contains(['/', '\0']) {
            let fault = Fault::input(format!("use {name:?} as the name of a process"), "it is a plain name, without folders");
            return Err(call::fault(&ctx, fault));
        }
        let program = |it: &Process| it.facts.words.first().and_then(|word| word.rsplit('/').next()).map(str::to_owned);
        let mut found = handle::found(&ctx, Around::Processes)?;
        found.retain(|it| it.facts.name == name || program(it).as_deref() == Some(name));
        Ok(listed(found))
    }

    /// Lists the processes that listen on a TCP port of this network, or wait at a UDP port.
    ///
    /// - `port`: from 1 to 65535
    ///
    /// # Changes
    /// Nothing.
    ///
    /// # Fails
    /// `input`: it is no port.
    ///
    /// # Example
    /// ```rhai
    /// process::by_port(1).is_empty()
    /// ```
    ///
    /// # Source
    /// sock_diag(7), proc_pid_fd(5)
    #[rhai_fn(return_raw, volatile)]
    pub fn by_port(ctx: NativeCallContext, port: i64) -> Answer<Array> {
        let refuse = || Fault::input(format!("use {port} as a port"), "a port is a number from 1 to 65535");
        let port = u16::try_from(port).ok().filter(|port| *port > 0).ok_or_else(|| call::fault(&ctx, refuse()))?;
        let waiting: Vec<u64> = handle::waiting(&ctx, port)?.into_iter().map(|socket| socket.inode).filter(|inode| *inode != 0).collect();
        handle::found(&ctx, Around::Holding(waiting)).map(listed)
    }

    /// Starts a program in a network without interfaces, and waits for its end. Gives its exit status; 128 and the number of the signal that killed it.
    ///
    /// - `words`: the program, then its arguments, each an element of its own; there is no shell. A plain name is looked up in the folders of the
    ///   system, whatever PATH says; else the path begins at the root
    ///
    /// It is there from its first instruction on, and so is all that it starts: there is only a loopback, which is down. It reads and writes what fyke does,
    /// in the same environment, folder and terminal. Unix sockets that lie in a folder can still be reached. Ctrl-C goes to the program; the deadline of fyke
    /// ends it, `fyke --timeout 0` sets none. A plan ends here.
    ///
    /// # Changes
    /// What the program changes, which cannot be lifted. What is queued is written first.
    ///
    /// # Fails
    /// `unsupported`, `not-found`: there is no such program. `permission`: it takes CAP_SYS_ADMIN. `unknown`: in a plan.
    ///
    /// # Example
    /// ```rhai
    /// process::run_isolated(["cat", "/proc/net/route"]) == 0
    /// ```
    ///
    /// # Source
    /// unshare(1), network_namespaces(7)
    #[rhai_fn(return_raw, volatile)]
    pub fn run_isolated(ctx: NativeCallContext, words: Array) -> Answer<i64> {
        let words =
            words.iter().map(|word| word.as_int().map_or_else(|_| types::text_for("a word of a program", word), |it| Ok(it.to_string())));
        let mut command = words.collect::<Result<_, _>>().and_then(Command::new).map_err(|f| call::fault(&ctx, f))?;
        command.isolated = true;
        let ran = call::door(&ctx)?.run(&command, call::origin(&ctx)).map_err(|fault| match fault.kind {
            Kind::NotFound | Kind::Unsupported => fault.hint("the program stands first, as a name or a path from the root on"),
            _ => fault,
        });
        ran.map(|ran| ran.status).map_err(|f| call::fault(&ctx, f))
    }
}
