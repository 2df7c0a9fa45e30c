//! A virtual machine. It does what it is told, a line at a time, and says what came of it.
//!
//! Its clock counts instructions (`-icount`): where nothing happens the time jumps to what happens next, so a second of sleep takes no time here,
//! and a delay is as long as the guest says however busy this machine is.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::spawn;
use std::time::Duration;

use super::image::{Image, QEMU, folder};
use crate::program::Said;
use crate::suites::all;

/// How long an answer is waited for on a busy machine, and where whole suites are tried.
const PATIENCE: Duration = Duration::from_secs(600);
const LONG_PATIENCE: Duration = Duration::from_secs(3600);

/// How many lines of the console are shown when the guest is gone.
const TAIL: usize = 40;

/// `panic=-1`: a kernel that panics ends the emulator, and so is noticed at once.
const KERNEL_WORDS: &str = "console=ttyS0 quiet panic=-1 oops=panic mitigations=off net.ifnames=0";

/// A virtual machine that runs.
pub(super) struct Machine {
    qemu: Child,
    words: ChildStdin,
    answers: Receiver<Said>,
    console: PathBuf,
}

impl Machine {
    /// Boots an image, with a disk as /dev/vda, and waits until it listens.
    pub(super) fn boot(image: &Image, disk: Option<&Path>) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let console = folder().join(format!("console-{}-{number}", std::process::id()));
        let complaints = File::create(&console).unwrap();
        // It dies with the test, however that ends.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", QEMU, "-nodefaults", "-no-reboot", "-display", "none", "-accel", "tcg", "-m", "512"]);
        // A random number instruction, or else the first key waits for the noise of a machine that has none.
        command.args(["-cpu", "qemu64,+rdrand,+ssse3,+sse4.1,+sse4.2,+popcnt", "-icount", "shift=1,sleep=off"]);
        command.arg("-kernel").arg(&image.kernel).arg("-initrd").arg(&image.files).args(["-append", KERNEL_WORDS]);
        command.arg("-chardev").arg(format!("file,id=console,path={},append=on", console.display())).args(["-serial", "chardev:console"]);
        command.args(["-device", "virtio-serial-pci", "-chardev", "stdio,id=port,signal=off", "-device", "virtserialport,chardev=port"]);
        if let Some(disk) = disk {
            command.arg("-drive").arg(format!("file={},format=raw,if=virtio,cache=unsafe", disk.display()));
        }
        let mut qemu = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(complaints).spawn().unwrap();
        let (words, said) = (qemu.stdin.take().unwrap(), qemu.stdout.take().unwrap());
        let (sender, answers) = channel();
        spawn(move || listen(said, &sender));
        let machine = Self { qemu, words, answers, console };
        machine.answer("the boot");
        machine
    }

    /// Lets the guest's shell do a line, and gives what came of it; its streams are one.
    #[track_caller]
    pub(super) fn shell(&mut self, line: &str) -> Said {
        assert!(!line.contains('\n'), "{line:?} is more than a line");
        if writeln!(self.words, "{line}").is_err() {
            self.is_gone(line);
        }
        self.answer(line)
    }

    /// Lets the guest's shell do a line that must end with 0, and gives what it said.
    #[track_caller]
    pub(super) fn well(&mut self, line: &str) -> String {
        let said = self.shell(line);
        assert_eq!(said.code, Some(0), "{line}: {}", said.out);
        said.out
    }

    #[track_caller]
    fn answer(&self, to: &str) -> Said {
        let patience = if all() { LONG_PATIENCE } else { PATIENCE };
        self.answers.recv_timeout(patience).unwrap_or_else(|_| self.is_gone(to))
    }

    #[track_caller]
    fn is_gone(&self, at: &str) -> ! {
        let console = fs::read(&self.console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        let lines: Vec<&str> = console.lines().collect();
        panic!(
            "the virtual machine is gone or hangs at {at:?}; its console ends with:\n{}",
            lines[lines.len().saturating_sub(TAIL)..].join("\n")
        );
    }

    /// Ends the machine as a power cut does.
    pub(super) fn cut_the_power(self) {}
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        let _ = fs::remove_file(&self.console);
    }
}

/// Takes the answers apart: a line with code and length, and as many bytes.
fn listen(said: ChildStdout, answers: &Sender<Said>) {
    let mut said = BufReader::new(said);
    loop {
        let mut head = String::new();
        if said.read_line(&mut head).is_err() {
            return;
        }
        let mut numbers = head.trim_end().strip_prefix("said ").unwrap_or_default().split(' ').map(str::parse::<usize>);
        let (Some(Ok(code)), Some(Ok(length))) = (numbers.next(), numbers.next()) else { return };
        let mut text = vec![0; length];
        if said.read_exact(&mut text).is_err() {
            return;
        }
        let out = String::from_utf8_lossy(&text).into_owned();
        let _ = answers.send(Said { code: i32::try_from(code).ok(), out, err: String::new() });
    }
}
