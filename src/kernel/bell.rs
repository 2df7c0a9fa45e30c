//! The bell of a watcher: who confirms or lifts a run rings it, and the watcher need not wait for a deadline that nobody waits for any more.
//!
//! It is a named pipe in the state directory. As long as its watcher lives, it can be opened for writing; afterwards open(2) fails with ENXIO.
//! So a bell is also the proof that a watcher lives, which a process number never is.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::mkfifo;

use super::errno;
use crate::model::Fault;

/// A bell that hangs as long as its watcher lives.
#[derive(Debug)]
pub struct Bell {
    path: PathBuf,
    pipe: File,
    timer: TimerFd,
}

impl Bell {
    /// Hangs up the bell of a run.
    pub fn hang(state: &Path, run: &str) -> Result<Self, Fault> {
        let path = path(state, run);
        let tried = || format!("watch the run {run}");
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).map_err(|error| errno::fault(tried(), error))?;
        // Open for writing, too: otherwise it would be at its end whenever nobody rings.
        let pipe = options().read(true).open(&path).map_err(|error| errno::fault(tried(), error))?;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK);
        Ok(Self { path, pipe, timer: timer.map_err(|error| errno::fault(tried(), error))? })
    }

    /// Waits until somebody rings, at the longest until a time in milliseconds of CLOCK_BOOTTIME.
    pub fn wait(&mut self, deadline: i64) -> Result<(), Fault> {
        let fail = |error: Errno| errno::fault("wait for a deadline", error);
        // A time of zero would disarm the timer.
        let deadline = Duration::from_millis(u64::try_from(deadline).unwrap_or(0).max(1));
        let once = Expiration::OneShot(TimeSpec::from_duration(deadline));
        self.timer.set(once, TimerSetTimeFlags::TFD_TIMER_ABSTIME).map_err(fail)?;
        let mut sources = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN), PollFd::new(self.timer.as_fd(), PollFlags::POLLIN)];
        while let Err(error) = poll(&mut sources, PollTimeout::NONE) {
            if error != Errno::EINTR {
                return Err(fail(error));
            }
        }
        // However often it was rung, it was heard.
        let _ = (&self.pipe).read(&mut [0; 64]);
        Ok(())
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        // Of a watcher that fails it is the trace by which the next invocation finds its run.
        if !std::thread::panicking() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Rings the bell of a run, if it has one; takes it away if its watcher is dead.
pub fn ring(state: &Path, run: &str) {
    let path = path(state, run);
    match options().open(&path) {
        // A pipe that is full has been rung often enough.
        Ok(mut pipe) => drop(pipe.write(b"!")),
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => drop(fs::remove_file(&path)),
        Err(_) => {}
    }
}

/// Tells whether a run has a watcher that lives.
pub fn is_heard(state: &Path, run: &str) -> bool {
    options().open(path(state, run)).is_ok()
}

fn path(state: &Path, run: &str) -> PathBuf {
    state.join(format!("{run}.bell"))
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW);
    options
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::kernel::clock::boottime;

    #[test]
    fn a_bell_wakes_its_watcher_and_proves_that_it_lives() {
        let folder = std::env::temp_dir().join(format!("fyke-bell-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        assert!(!is_heard(&folder, "r1"));
        ring(&folder, "r1");
        let mut bell = Bell::hang(&folder, "r1").unwrap();
        assert!(is_heard(&folder, "r1") && Bell::hang(&folder, "r1").is_err());
        let before = boottime();
        bell.wait(before + 100).unwrap();
        assert!((100..5_000).contains(&(boottime() - before)), "it waits for its time: {}", boottime() - before);
        let (before, state) = (boottime(), folder.clone());
        let ringer = std::thread::spawn(move || ring(&state, "r1"));
        bell.wait(before + 60_000).unwrap();
        assert!(boottime() - before < 30_000, "it was not heard");
        ringer.join().unwrap();
        // One that is heard is not heard twice.
        let before = boottime();
        bell.wait(before + 50).unwrap();
        assert!(boottime() - before >= 50);
        let path = bell.path.clone();
        drop(bell);
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        assert!(!is_heard(&folder, "r1"));
        ring(&folder, "r1");
        assert!(!path.exists(), "nobody hears it any more");
        fs::remove_dir(&folder).unwrap();
    }
}
