//! A terminal for the program: what is typed goes in, what the screen shows comes out.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::pty::{Winsize, openpty};

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The keys that have no letter.
pub(crate) const TAB: &str = "\t";
pub(crate) const ENTER: &str = "\r";
pub(crate) const CTRL_C: &str = "\x03";
pub(crate) const CTRL_D: &str = "\x04";

/// A terminal with a program at work in it.
pub(crate) struct Terminal {
    /// Nothing once it is lost.
    keys: Option<File>,
    line: OwnedFd,
    screen: Arc<Mutex<vt100::Parser>>,
    lost: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
    child: Child,
}

impl Terminal {
    /// Opens a terminal of so many rows and columns, and starts a command in it.
    pub(crate) fn open((rows, columns): (u16, u16), command: &Command) -> Self {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(&size, None).unwrap();
        // A terminal is closed when nobody holds its other end any more.
        fcntl(&pair.master, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        let end = || Stdio::from(pair.slave.try_clone().unwrap());
        // The terminal becomes the controlling one: its keys send signals, and its end does.
        let mut child = Command::new("setsid");
        child.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        child.env("TERM", "xterm").env_remove("COLUMNS").env_remove("NO_COLOR");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => child.env(name, value),
                None => child.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            child.current_dir(folder);
        }
        let child = child.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let lost = Arc::new(AtomicBool::new(false));
        let (mut shown, shared, over) = (File::from(pair.master.try_clone().unwrap()), screen.clone(), lost.clone());
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while !over.load(Ordering::Relaxed) {
                if poll(&mut [PollFd::new(shown.as_fd(), PollFlags::POLLIN)], 50u8).unwrap() > 0 {
                    let Ok(length @ 1..) = shown.read(&mut bytes) else { break };
                    shared.lock().unwrap().process(&bytes[..length]);
                }
            }
        });
        Self { keys: Some(File::from(pair.master)), line: pair.slave, screen, lost, reader: Some(reader), child }
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Loses the terminal, as when a window is closed or a connection breaks.
    pub(crate) fn lose(&mut self) {
        self.lost.store(true, Ordering::Relaxed);
        self.reader.take().unwrap().join().unwrap();
        self.keys = None;
    }

    /// Gives what the screen shows, without blanks at the ends of lines.
    pub(crate) fn shown(&self) -> String {
        let contents = self.screen.lock().unwrap().screen().contents();
        contents.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>().trim_end().to_owned()
    }

    /// Waits until the screen ends with a text, and gives what it shows.
    pub(crate) fn until(&self, end: &str) -> String {
        self.until_it(&format!("ends with {end:?}"), |shown| shown.ends_with(end.trim_end()))
    }

    /// Waits until the screen is as it should be.
    pub(crate) fn until_it(&self, is: &str, wanted: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let shown = self.shown();
            if wanted(&shown) {
                return shown;
            }
            assert!(begun.elapsed() < PATIENCE, "nothing {is}:\n{shown}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Types a line and waits until another can be typed. Gives what was shown in answer.
    pub(crate) fn type_line(&mut self, line: &str, prompt: &str) -> String {
        let before = self.shown();
        self.press(line);
        // Only what is on the screen was read: a key that comes while a statement runs would be echoed by the terminal itself.
        let is_typed = |shown: &str| shown != before && shown.lines().last().is_some_and(|last| last.ends_with(line.trim_end()));
        let typed = self.until_it("shows what was typed", is_typed);
        self.press(ENTER);
        let shown =
            self.until_it(&format!("comes to {prompt:?} again"), |shown| shown.len() > typed.len() && shown.ends_with(prompt.trim_end()));
        shown[typed.len()..].trim_end_matches(prompt.trim_end()).trim().to_owned()
    }

    /// Makes the terminal wider or narrower.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(rows, columns);
        let (rows, columns) = (rows.to_string(), columns.to_string());
        let line = Stdio::from(self.line.try_clone().unwrap());
        assert!(Command::new("stty").args(["rows", &rows, "cols", &columns]).stdin(line).status().unwrap().success());
    }

    /// Waits until the program has ended, and gives its exit code.
    pub(crate) fn code(&mut self) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end:\n{}", self.shown());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
