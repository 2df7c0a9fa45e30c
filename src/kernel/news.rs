//! News for people who do not wait for them any more: a line in the log of the machine, and one on the terminal of whoever began it.

use std::fs::{self, OpenOptions};
use std::io::{Write, stderr, stdin, stdout};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::unistd::ttyname;

use super::clock;

/// LOG_DAEMON and LOG_NOTICE of syslog(3).
const PRIORITY: u32 = 3 << 3 | 5;

/// Writes a line to the log of the machine; where there is none, nothing.
pub fn log(text: &str) {
    send(Path::new("/dev/log"), text);
}

fn send(socket: &Path, text: &str) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time = clock::stamp(i64::try_from(now).unwrap_or(0));
    let Ok(log) = UnixDatagram::unbound() else { return };
    // A log that does not read must not keep anybody from his work.
    let _ = log.set_nonblocking(true);
    let _ = log.send_to(format!("<{PRIORITY}>{time} fyke[{}]: {text}", std::process::id()).as_bytes(), socket);
}

/// A terminal, known by its path, its device and its user.
#[derive(Clone, Debug)]
pub struct Terminal {
    path: PathBuf,
    device: u64,
    user: u32,
}

impl Terminal {
    /// Gives the terminal that one of the standard streams of this process is.
    pub fn of_this_process() -> Option<Self> {
        let path = ttyname(stderr()).or_else(|_| ttyname(stdout())).or_else(|_| ttyname(stdin())).ok()?;
        let about = fs::metadata(&path).ok()?;
        Some(Self { path, device: about.rdev(), user: about.uid() })
    }

    /// Writes a line to the terminal, if it is still there and still its user's.
    pub fn say(&self, text: &str) {
        let mut options = OpenOptions::new();
        // One that is stopped (Ctrl-S) is not waited for, and none becomes the terminal of this process.
        options.write(true).custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_NOFOLLOW);
        let Ok(mut terminal) = options.open(&self.path) else { return };
        let the_same = |about: fs::Metadata| about.file_type().is_char_device() && (about.rdev(), about.uid()) == (self.device, self.user);
        if terminal.metadata().is_ok_and(the_same) {
            // It may be in raw mode, with a line half written.
            let _ = terminal.write_all(format!("\r\nfyke: {text}\r\n").as_bytes());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;

    #[test]
    fn a_log_gets_a_line_as_syslog_writes_it() {
        let path = std::env::temp_dir().join(format!("fyke-log-{}", std::process::id()));
        send(&path, "nobody listens");
        let log = UnixDatagram::bind(&path).unwrap();
        send(&path, "run k3 was lifted");
        let mut line = [0; 200];
        let length = log.recv(&mut line).unwrap();
        let line = String::from_utf8_lossy(&line[..length]).into_owned();
        assert!(line.starts_with("<29>") && line.ends_with(&format!(" fyke[{}]: run k3 was lifted", std::process::id())), "{line}");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn only_the_same_terminal_of_the_same_user_is_written_to() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let path = ttyname(&pty.slave).unwrap();
        let about = fs::metadata(&path).unwrap();
        let terminal = Terminal { path, device: about.rdev(), user: about.uid() };
        Terminal { user: about.uid() + 1, ..terminal.clone() }.say("somebody else's");
        Terminal { device: about.rdev() + 1, ..terminal.clone() }.say("another one");
        Terminal { path: "/dev/null".into(), ..terminal.clone() }.say("nowhere");
        terminal.say("lifted");
        let mut text = [0; 100];
        let length = File::from(pty.master).read(&mut text).unwrap();
        assert_eq!(String::from_utf8_lossy(&text[..length]).replace('\r', ""), "\nfyke: lifted\n");
    }
}
