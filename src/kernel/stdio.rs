//! The three standard streams: how wide the terminal is, and whether they were there at all.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{FlushArg, tcflush};
use nix::unistd::read;

use super::errno;
use super::process::signals;
use crate::model::Fault;

static CLOSED: AtomicBool = AtomicBool::new(false);

/// Tells whether standard output was closed when the program was started.
///
/// The runtime of Rust opens `/dev/null` in place of a closed stream before `main`, and what is printed would be lost without a word.
pub fn output_was_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Gives the columns of the terminal that standard output is, if it is one.
pub fn columns() -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one winsize, and `size` is one.
    let got = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (got == 0 && size.ws_col > 0).then_some(usize::from(size.ws_col))
}

/// Forgets what was typed at the terminal and nobody has read yet.
pub fn forget_input() -> Result<(), Fault> {
    tcflush(io::stdin(), FlushArg::TCIFLUSH).map_err(|error| errno::fault("empty the terminal", error))
}

/// Standard input, line by line. A request to stop ends the wait for the next one.
#[derive(Debug, Default)]
pub struct Lines {
    bytes: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// The most bytes that a line may have.
    const LONGEST: usize = 1 << 20;

    /// Gives the next line without its end; nothing after the last.
    pub fn next_line(&mut self) -> Result<Option<String>, Fault> {
        let tried = "read standard input";
        loop {
            signals::check(tried)?;
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let rest = self.bytes.split_off(end + 1);
                return text(std::mem::replace(&mut self.bytes, rest)).map(Some);
            }
            if self.ended {
                return if self.bytes.is_empty() { Ok(None) } else { text(std::mem::take(&mut self.bytes)).map(Some) };
            }
            if self.bytes.len() > Self::LONGEST {
                return Err(Fault::input(tried, format!("a line has more than {} bytes", Self::LONGEST)));
            }
            self.read_more().map_err(|error| errno::fault(tried, error))?;
        }
    }

    fn read_more(&mut self) -> nix::Result<()> {
        let stdin = io::stdin();
        let mut sources = vec![PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        sources.extend(signals::wake().map(|wake| PollFd::new(wake, PollFlags::POLLIN)));
        let ready = match poll(&mut sources, PollTimeout::NONE) {
            Err(Errno::EINTR) => false,
            outcome => outcome.map(|_| sources[0].any() == Some(true))?,
        };
        if ready {
            let mut chunk = [0; 1 << 16];
            let length = read(&stdin, &mut chunk)?;
            self.ended = length == 0;
            self.bytes.extend_from_slice(&chunk[..length]);
        }
        Ok(())
    }
}

fn text(bytes: Vec<u8>) -> Result<String, Fault> {
    let text = String::from_utf8(bytes).map_err(|_| Fault::input("read standard input", "it is not UTF-8"))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

extern "C" fn look() {
    // SAFETY: F_GETFD only asks whether the descriptor is open.
    CLOSED.store(unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } == -1, Ordering::Relaxed);
}

// SAFETY: the C runtime calls the functions of this section, once, before Rust's own start; `look` needs nothing that is made later.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = look;
