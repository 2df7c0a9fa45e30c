//! Frames that are captured: counted, told apart, and written to a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ring::Frame;
use super::socket::name;
use super::{Socket, refusal};
use crate::kernel::process::enough;
use crate::kernel::{errno, files};
use crate::model::Fault;
use crate::model::packet::First;
use crate::model::packet::capture::{head, mark};
use crate::model::packet::protocols::cooked::SLL2_HEAD;
use crate::model::raw::tally::PARTS;
use crate::model::raw::{Direction, Limits, Received, Seen, Talk, Tally};

/// How long a step takes when little comes.
const STEP: Duration = Duration::from_millis(100);
/// The bytes that are written at once.
const BUFFER: usize = 1 << 20;

/// A capture that goes on.
pub(super) struct Capture {
    limits: Limits,
    /// What each packet begins with.
    first: First,
    begun: Instant,
    tally: Tally,
    file: Option<(BufWriter<File>, String)>,
    /// The second that is counted for the rate, and how many came in it.
    second: (u64, u64),
}

/// The most that is put before a packet, or into it: a cooked head with a tag behind it.
const HEAD: usize = SLL2_HEAD + 4;

/// Gives what a file has of a frame: with the tag that the kernel has taken off; and before a packet of all links, which has lost the head of its own, a cooked one.
fn pieces<'a>(frame: &Frame<'a>, first: First, room: &'a mut [u8; HEAD]) -> [&'a [u8]; 3] {
    let tag = frame.tag.map(|(kind, tag)| (kind.to_be_bytes(), tag.to_be_bytes()));
    match (first, tag) {
        (First::Ethernet, None) => [frame.bytes, &[], &[]],
        (First::Ethernet, Some((kind, tag))) => match frame.bytes.split_at_checked(12) {
            Some((addresses, rest)) => {
                room[..4].copy_from_slice(&[kind[0], kind[1], tag[0], tag[1]]);
                [addresses, &room[..4], rest]
            }
            None => [frame.bytes, &[], &[]],
        },
        (_, tag) => {
            room[..SLL2_HEAD].copy_from_slice(&frame.by.head());
            let Some((kind, tag)) = tag else { return [&room[..SLL2_HEAD], frame.bytes, &[]] };
            let inner = frame.by.ethertype.to_be_bytes();
            room[..2].copy_from_slice(&kind);
            room[SLL2_HEAD..].copy_from_slice(&[tag[0], tag[1], inner[0], inner[1]]);
            [&room[..], frame.bytes, &[]]
        }
    }
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
    pub(super) fn begin(limits: Limits, first: First, file: Option<&str>) -> Result<Self, Fault> {
        let open = |path: &str| {
            let mut writer = BufWriter::with_capacity(BUFFER, files::create(Path::new(path))?);
            let begun = writer.write_all(&head(first)?);
            begun.map_err(|error| errno::fault(format!("write {path}"), error)).map(|()| (writer, path.to_owned()))
        };
        let file = file.map(open).transpose()?;
        Ok(Self { limits, first, begun: Instant::now(), tally: Tally::default(), file, second: (0, 0) })
    }

    /// Takes the time, and tells whether a limit is reached.
    fn ended(&mut self) -> bool {
        self.tally.time = self.begun.elapsed().min(self.limits.time);
        self.tally.packets >= self.limits.count || self.tally.time >= self.limits.time
    }

    /// Takes a frame, and gives it as a packet if that is wanted; none of what is beyond the rate.
    fn take(&mut self, frame: &Frame<'_>, wanted: bool, link: impl FnOnce(u32) -> Option<Arc<str>>) -> Result<Option<Received>, Fault> {
        let elapsed = self.begun.elapsed();
        if self.second.0 != elapsed.as_secs() {
            self.second = (elapsed.as_secs(), 0);
        }
        self.second.1 += 1;
        if self.second.1 > self.limits.rate {
            self.tally.limited += 1;
            return Ok(None);
        }
        let mut room = [0; HEAD];
        let pieces = pieces(frame, self.first, &mut room);
        let kept = pieces.iter().map(|piece| piece.len()).sum::<usize>();
        let length = frame.length + kept - frame.bytes.len();
        let talk = match self.first {
            First::Ethernet => Talk::of(frame.bytes, First::Ethernet),
            _ => Talk::over(frame.by.ethertype, frame.bytes),
        };
        let part = elapsed.as_nanos() * PARTS as u128 / self.limits.time.as_nanos().max(1);
        self.tally.add(talk, length as u64, (part as usize).min(PARTS - 1));
        if let Some((writer, path)) = &mut self.file {
            let mut written = writer.write_all(&mark(frame.at, kept, length));
            for piece in pieces {
                written = written.and_then(|()| writer.write_all(piece));
            }
            written.map_err(|error| errno::fault(format!("write {path}"), error))?;
        }
        let seen = || Seen { at: frame.at, length, link: link(frame.by.index), direction: Some(Direction::of(frame.by.kind)) };
        Ok(wanted.then(|| Received { bytes: pieces.concat(), seen: seen() }))
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
        let begun = Instant::now();
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
            let (ring, names) = (&mut self.ring, &mut self.names);
            while let Some(frame) = ring.as_mut().filter(|_| some > 0).and_then(super::ring::Ring::next) {
                some -= 1;
                if frame.by.is_echo() {
                    continue;
                }
                step.packets.extend(capture.take(&frame, want > 0, |index| name(names, index))?);
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
