//! The three standard streams: how wide the terminal is, and whether they were there at all.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

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

extern "C" fn look() {
    // SAFETY: F_GETFD only asks whether the descriptor is open.
    CLOSED.store(unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) } == -1, Ordering::Relaxed);
}

// SAFETY: the C runtime calls the functions of this section, once, before Rust's own start; `look` needs nothing that is made later.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = look;
