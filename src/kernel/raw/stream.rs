//! Many packets at once: sendmmsg(2), with a few bytes of each written anew.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::address::Sockaddr;
use crate::kernel::process::enough;
use crate::model::Fault;
use crate::model::raw::{Limits, Sent, Template};

/// As many packets are given to the kernel at once.
const BATCH: usize = 64;
/// How often it is told how far it has come.
const NEWS: Duration = Duration::from_millis(250);
/// The longest sleep until the next packets are due, so that a request to stop is heard soon.
const NAP: Duration = Duration::from_millis(20);

/// Packets that are to be sent together, with all that sendmmsg(2) wants to be told.
struct Slots {
    packets: Vec<Vec<u8>>,
    addresses: Vec<Sockaddr>,
    heads: Vec<libc::mmsghdr>,
    parts: Vec<libc::iovec>,
}

impl Slots {
    fn new(template: &Template, to: Option<Sockaddr>) -> Self {
        // SAFETY: all zero is a valid value of these plain structs.
        let (head, part) = unsafe { (std::mem::zeroed::<libc::mmsghdr>(), std::mem::zeroed::<libc::iovec>()) };
        let addresses = to.map_or_else(Vec::new, |to| vec![to; BATCH]);
        let mut made = Self { packets: vec![template.bytes.clone(); BATCH], addresses, heads: vec![head; BATCH], parts: vec![part; BATCH] };
        for at in 0..BATCH {
            // The vectors stay as long as they are: what the heads point to does not move, also when all of this does.
            made.parts[at] = libc::iovec { iov_base: made.packets[at].as_mut_ptr().cast(), iov_len: made.packets[at].len() };
            let head = &mut made.heads[at].msg_hdr;
            (head.msg_iov, head.msg_iovlen) = (&raw mut made.parts[at], 1);
            if let Some(to) = made.addresses.get_mut(at) {
                (head.msg_name, head.msg_namelen) = ((&raw mut to.storage).cast(), to.length);
            }
        }
        made
    }

    /// Writes the packets of some numbers.
    fn fill(&mut self, template: &mut Template, first: u64, count: usize) {
        for (at, number) in (0..count).zip(first..) {
            template.write(&mut self.packets[at], number);
            if let (Some(address), Some(to)) = (self.addresses.get_mut(at), template.destination(&self.packets[at])) {
                address.redirect(to);
            }
        }
    }

    /// Sends the first of them, and gives how many the kernel took.
    fn send(&mut self, socket: BorrowedFd<'_>, count: usize) -> nix::Result<usize> {
        let count = count.min(BATCH) as libc::c_uint;
        // SAFETY: so many heads are there, and what they point to is owned by this value and as long as they say.
        let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), self.heads.as_mut_ptr(), count, libc::MSG_NOSIGNAL as _) };
        Errno::result(sent).map(|sent| sent.cast_unsigned() as usize)
    }

    /// Gives the first of so many packets of which the kernel took a part only.
    fn cut_short(&self, count: usize) -> Option<usize> {
        self.heads[..count].iter().map(|head| head.msg_len as usize).find(|length| *length != self.packets[0].len())
    }
}

/// Sends packets until a limit is reached. `refused` makes the fault of one that the kernel does not take at all.
pub(super) fn stream(
    socket: BorrowedFd<'_>,
    template: &mut Template,
    to: Option<Sockaddr>,
    limits: &Limits,
    refused: &dyn Fn(Errno) -> Fault,
    news: &mut dyn FnMut(&Sent),
) -> Result<Sent, Fault> {
    let (mut slots, mut sent, mut told) = (Slots::new(template, to), Sent::default(), Duration::ZERO);
    let length = template.bytes.len() as u64;
    let begun = Instant::now();
    loop {
        sent.interrupted = enough::take("send on")?;
        sent.time = begun.elapsed();
        let done = sent.packets + sent.refused;
        if sent.interrupted || done >= limits.count || sent.time >= limits.time {
            return Ok(sent);
        }
        if sent.time - told >= NEWS {
            told = sent.time;
            news(&sent);
        }
        let due = usize::try_from(limits.due(sent.time) - done.min(limits.due(sent.time))).unwrap_or(BATCH).min(BATCH);
        if due == 0 {
            let until = limits.when(done).min(limits.time).saturating_sub(sent.time);
            std::thread::sleep(until.min(NAP));
            continue;
        }
        slots.fill(template, done, due);
        match slots.send(socket, due) {
            Ok(taken) => {
                if let Some(part) = slots.cut_short(taken) {
                    return Err(Fault::new(
                        crate::model::Kind::System,
                        "send on",
                        format!("the kernel took {part} of the {length} bytes of a packet"),
                    ));
                }
                sent.packets += taken as u64;
                sent.bytes += taken as u64 * length;
            }
            Err(Errno::EINTR) => {}
            // The queue of the link is full: that packet is lost, and is counted as such.
            Err(Errno::ENOBUFS | Errno::EAGAIN) => sent.refused += 1,
            Err(error) => return Err(refused(error)),
        }
    }
}
