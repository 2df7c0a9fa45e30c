//! Frames that are captured: counted, told apart, and written to a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ring::Frame;
use super::socket::tagged;
use super::{Socket, refusal};
use crate::kernel::process::enough;
use crate::kernel::{errno, files};
use crate::model::Fault;
use crate::model::packet::First;
use crate::model::packet::capture::{head, mark};
use crate::model::raw::tally::PARTS;
use crate::model::raw::{Direction, Limits, Received, Seen, Talk, Tally};

/// How long a step takes when little comes.
const STEP: Duration = Duration::from_millis(100);
/// The bytes that are written at once.
const BUFFER: usize = 1 << 20;

/// A capture that goes on.
pub(super) struct Capture {
    limits: Limits,
    begun: Instant,
    tally: Tally,
    file: Option<(BufWriter<File>, String)>,
    /// The second that is counted for the rate, and how many came in it.
    second: (u64, u64),
}

/// What has come in a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// The packets, if they were wanted.
    pub packets: Vec<Received>,
    /// All that was counted so far.
    pub tally: Tally,
    /// Whether it is over: a limit is reached, or a Ctrl-C says that it is enough.
    pub over: bool,
    /// Whether that was a Ctrl-C.
    pub interrupted: bool,
}

impl Capture {
    /// Begins a capture, into a file if one is named: what that held before is gone.
    pub(super) fn begin(limits: Limits, file: Option<&str>) -> Result<Self, Fault> {
        let open = |path: &str| {
            let mut writer = BufWriter::with_capacity(BUFFER, files::create(Path::new(path))?);
            let begun = writer.write_all(&head(First::Ethernet)?);
            begun.map_err(|error| errno::fault(format!("write {path}"), error)).map(|()| (writer, path.to_owned()))
        };
        let file = file.map(open).transpose()?;
        Ok(Self { limits, begun: Instant::now(), tally: Tally::default(), file, second: (0, 0) })
    }

    /// Takes the time, and tells whether a limit is reached.
    fn ended(&mut self) -> bool {
        self.tally.time = self.begun.elapsed().min(self.limits.time);
        self.tally.packets >= self.limits.count || self.tally.time >= self.limits.time
    }

    /// Takes a frame, and gives it as a packet if that is wanted; none of what is beyond the rate.
    fn take(&mut self, frame: &Frame<'_>, wanted: bool, link: Option<&Arc<str>>) -> Result<Option<Received>, Fault> {
        let elapsed = self.begun.elapsed();
        if self.second.0 != elapsed.as_secs() {
            self.second = (elapsed.as_secs(), 0);
        }
        self.second.1 += 1;
        if self.second.1 > self.limits.rate {
            self.tally.limited += 1;
            return Ok(None);
        }
        let length = frame.length + frame.tag.map_or(0, |_| 4);
        let part = elapsed.as_nanos() * PARTS as u128 / self.limits.time.as_nanos().max(1);
        self.tally.add(Talk::of(frame.bytes, First::Ethernet), length as u64, (part as usize).min(PARTS - 1));
        if let Some((writer, path)) = &mut self.file {
            let kept = frame.bytes.len() + frame.tag.map_or(0, |_| 4);
            let written = writer.write_all(&mark(frame.at, kept, length)).and_then(|()| match frame.tag {
                None => writer.write_all(frame.bytes),
                tag => writer.write_all(&tagged(frame.bytes, tag)),
            });
            written.map_err(|error| errno::fault(format!("write {path}"), error))?;
        }
        let seen = || Seen { at: frame.at, length, link: link.cloned(), direction: Some(Direction::of(frame.kind)) };
        Ok(wanted.then(|| Received { bytes: tagged(frame.bytes, frame.tag), seen: seen() }))
    }

    fn flush(&mut self) -> Result<(), Fault> {
        let Some((writer, path)) = &mut self.file else { return Ok(()) };
        writer.flush().map_err(|error| errno::fault(format!("write {path}"), error))
    }
}

impl Socket {
    /// Goes on with a capture until so many packets were taken, a limit is reached, or some time is over; the packets are given if any are wanted.
    pub(super) fn capture_on(&mut self, want: usize) -> Result<Step, Fault> {
        let Some(mut capture) = self.capture.take() else {
            return Err(refusal::no_capture());
        };
        let stepped = self.step(&mut capture, want);
        self.capture = Some(capture);
        stepped
    }

    fn step(&mut self, capture: &mut Capture, want: usize) -> Result<Step, Fault> {
        let (begun, link) = (Instant::now(), self.own_link());
        let mut step = Step::default();
        while begun.elapsed() < STEP && !step.over {
            // Where frames never cease, nothing is waited for.
            step.interrupted = enough::take("capture on")?;
            if step.interrupted {
                capture.ended();
                step.over = true;
                break;
            }
            // The clock is asked once for some frames.
            let mut some = 256;
            while let Some(frame) = self.ring.as_mut().filter(|_| some > 0).and_then(super::ring::Ring::next) {
                step.packets.extend(capture.take(&frame, want > 0, link.as_ref())?);
                some -= 1;
                if capture.tally.packets >= capture.limits.count || want > 0 && step.packets.len() >= want {
                    break;
                }
            }
            step.over = capture.ended();
            if want > 0 && step.packets.len() >= want {
                break;
            }
            if some > 0 && !step.over {
                let left = capture.limits.time.saturating_sub(capture.begun.elapsed());
                self.wait(left.min(STEP.saturating_sub(begun.elapsed())))?;
            }
        }
        if step.over {
            capture.flush()?;
            capture.tally.dropped = self.count_drops()?;
        }
        step.tally = capture.tally.clone();
        Ok(step)
    }
}
