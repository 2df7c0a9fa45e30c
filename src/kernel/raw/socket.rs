//! A socket of Linux.

use std::collections::HashMap;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::net::if_::if_indextoname;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::address::Sockaddr;
use super::capture::Capture;
use super::message::{self, Heard};
use super::options::{self, SO_MEMINFO};
use super::ring::Ring;
use super::{Step, Wire, refusal, stream};
use crate::kernel::errno;
use crate::kernel::process::{enough, signals};
use crate::model::packet::checksum;
use crate::model::raw::{Batch, Direction, Limits, MOST, Opt, Outgoing, Received, Report, Seen, Sent, Setting, Spec, Template, Way};
use crate::model::{Family, Fault};

/// The most bytes of a received packet: what network cards and the kernel put together can be larger than any that was sent.
const LARGEST: usize = 256 << 10;
/// A port to connect to, discard: nothing is sent there.
const PORT: u16 = 9;
/// As many errors of earlier packets are taken for such in a row.
const OLD_ERRORS: u32 = 3;
/// Where the drops stand in what SO_MEMINFO gives, SK_MEMINFO_DROPS.
const DROPS: usize = 8;

/// The names of links that were asked for already, by their indexes.
pub(super) type Names = HashMap<u32, Option<Arc<str>>>;

/// Gives the name of a link.
pub(super) fn name(names: &mut Names, index: u32) -> Option<Arc<str>> {
    let name = || if_indextoname(index).ok()?.into_string().ok().map(Arc::from);
    if index == 0 { None } else { names.entry(index).or_insert_with(name).clone() }
}

/// A socket, in the network namespace in which it was opened.
pub struct Socket {
    fd: OwnedFd,
    way: Way,
    local: Option<IpAddr>,
    /// The link that it is bound to; 0 for all.
    link: u32,
    /// What PACKET_STATISTICS has told so far: it forgets what it has told.
    dropped: u64,
    /// What is asked from which address packets go: it is in the same namespace.
    probe: Option<UdpSocket>,
    /// The memory that is shared with the kernel, where frames are captured.
    pub(super) ring: Option<Ring>,
    pub(super) capture: Option<Capture>,
    pub(super) names: Names,
    /// When packets left, by their numbers, once that is asked for.
    stamps: Option<Vec<(u32, Duration)>>,
    /// Reports that came with them.
    reports: Vec<Report>,
    buffer: Vec<u8>,
}

impl Socket {
    pub(super) fn new(fd: OwnedFd, spec: &Spec, link: u32, (probe, ring): (Option<UdpSocket>, Option<Ring>)) -> Self {
        let (way, local) = (spec.way.clone(), spec.local);
        let (stamps, reports) = (None, Vec::new());
        Self { fd, way, local, link, dropped: 0, probe, ring, capture: None, names: HashMap::new(), stamps, reports, buffer: Vec::new() }
    }

    /// Waits until there is something to receive; false when the time is over.
    pub(super) fn wait(&self, patience: Duration) -> Result<bool, Fault> {
        wait(&[self.fd.as_fd()], patience, &|| format!("receive from the {}", self.way))
    }

    /// Tells what kind of socket it is.
    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    /// Takes what is there, without waiting.
    fn take(&mut self, most: usize) -> Result<Batch, Fault> {
        let mut batch = Batch { packets: Vec::new(), reports: std::mem::take(&mut self.reports) };
        self.take_reports(&mut batch);
        while batch.packets.len() < most {
            match message::receive(self.fd.as_fd(), &mut self.buffer, 0) {
                Ok(heard) => {
                    let received = self.received(&heard);
                    batch.packets.push(received);
                }
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                // An error that the network has reported is told once beside the queue in which it stands in full.
                Err(_) if self.take_reports(&mut batch) => {}
                Err(Errno::ENETDOWN) if self.way.is_of_links() => {
                    return Err(refusal::gone(&self.way));
                }
                Err(error) if batch.is_empty() => return Err(errno::fault(format!("receive from the {}", self.way), error)),
                Err(_) => break,
            }
        }
        Ok(batch)
    }

    /// Takes the queue of errors, if the socket has one, and tells whether anything was in it.
    fn take_reports(&mut self, batch: &mut Batch) -> bool {
        let before = batch.reports.len();
        if matches!(self.way, Way::Ping { .. }) || self.stamps.is_some() {
            while let Ok(heard) = message::receive(self.fd.as_fd(), &mut self.buffer, libc::MSG_ERRQUEUE) {
                match (heard.beside.stamp(), &mut self.stamps) {
                    (Some(stamp), stamps) => stamps.iter_mut().for_each(|stamps| stamps.push(stamp)),
                    (None, _) => batch.reports.extend(report(&heard, &self.buffer[..heard.kept])),
                }
            }
        }
        batch.reports.len() > before
    }

    /// Asks the kernel to tell when packets left: the moment at which each is handed to the queue of the link, so that what it waits there counts.
    /// They are numbered from 0 on.
    pub(super) fn stamp(&mut self) -> nix::Result<()> {
        let wanted = libc::SOF_TIMESTAMPING_TX_SCHED
            | libc::SOF_TIMESTAMPING_SOFTWARE
            | libc::SOF_TIMESTAMPING_OPT_ID
            | libc::SOF_TIMESTAMPING_OPT_TSONLY;
        options::set(&self.fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPING, &wanted)?;
        self.stamps = Some(Vec::new());
        Ok(())
    }

    /// Takes the numbers of packets that have left, with their times since 1970.
    pub(super) fn take_stamps(&mut self) -> Vec<(u32, Duration)> {
        self.buffer.resize(LARGEST, 0);
        let mut batch = Batch::default();
        self.take_reports(&mut batch);
        self.reports.append(&mut batch.reports);
        self.stamps.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Makes a packet of what was heard, with the header that the kernel does not deliver.
    fn received(&mut self, heard: &Heard) -> Received {
        let (link, kind) = heard.from.to_link().map_or((heard.beside.link, None), |(link, kind)| (Some(link), Some(kind)));
        let bytes = &self.buffer[..heard.kept];
        let (bytes, added) = match &self.way {
            Way::Packet { cooked: false, .. } => (tagged(bytes, heard.beside.tag), heard.beside.tag.map_or(0, |_| 4)),
            // Packets of all links are captured, and received in no other way.
            Way::Packet { .. } | Way::Every | Way::Raw { family: Family::V4, .. } => (bytes.to_vec(), 0),
            Way::Raw { family: Family::V6, protocol, .. } => (with_header(bytes, heard, *protocol), 40),
            Way::Ping { family: Family::V6 } => (with_header(bytes, heard, 58), 40),
            Way::Ping { family: Family::V4 } => (with_header(bytes, heard, 1), 20),
        };
        let at = heard.beside.at.unwrap_or_else(now);
        let seen = Seen {
            at,
            length: heard.length + added,
            link: link.and_then(|link| name(&mut self.names, link)),
            direction: kind.map(Direction::of),
        };
        Received { bytes, seen }
    }

    /// Gives the address that a packet is given to.
    fn address(&self, packet: &Outgoing) -> Option<Sockaddr> {
        match &self.way {
            Way::Packet { cooked: false, .. } => Some(Sockaddr::link(self.link, 0, [0; 6])),
            Way::Packet { .. } => {
                let (ethertype, to) = packet.frame?;
                Some(Sockaddr::link(self.link, ethertype, to))
            }
            Way::Every => None,
            Way::Raw { .. } | Way::Ping { .. } => packet.to.map(|to| Sockaddr::ip(to, self.link)),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Waits until there is something to receive from one of some sockets; false when the time is over. A request to stop ends the wait.
pub(super) fn wait(sockets: &[BorrowedFd<'_>], patience: Duration, tried: &dyn Fn() -> String) -> Result<bool, Fault> {
    wait_for(sockets, PollFlags::POLLIN, patience, tried)
}

/// The same for whatever may be waited for. A Ctrl-C that ends a call ends the wait as if the time were over; the call asks for it then.
pub(super) fn wait_for(
    sockets: &[BorrowedFd<'_>],
    events: PollFlags,
    patience: Duration,
    tried: &dyn Fn() -> String,
) -> Result<bool, Fault> {
    let begun = Instant::now();
    loop {
        if enough::is_awaited() {
            return Ok(false);
        }
        signals::check(&tried())?;
        let left = patience.saturating_sub(begun.elapsed());
        let milliseconds = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        let timeout = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        let sources = sockets.iter().map(|fd| PollFd::new(*fd, events));
        let mut fds: Vec<PollFd<'_>> = sources.chain(signals::wake().map(|fd| PollFd::new(fd, PollFlags::POLLIN))).collect();
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(errno::fault(tried(), error)),
        }
        if fds[..sockets.len()].iter().any(|fd| fd.any() == Some(true)) {
            return Ok(true);
        }
        if begun.elapsed() >= patience {
            return Ok(false);
        }
    }
}

impl Wire for Socket {
    fn send(&mut self, packet: &Outgoing) -> Result<Duration, Fault> {
        let (bytes, to) = (&packet.bytes, self.address(packet));
        let refused = |error| refusal::of_sending(&self.way, &packet.what, bytes.len(), error);
        if bytes.len() > MOST {
            return Err(refused(Errno::EMSGSIZE));
        }
        let ttl = packet.ttl.map(|ttl| (self.way.family() == Some(Family::V6), ttl));
        let (is_ping, mut old) = (matches!(self.way, Way::Ping { .. }), OLD_ERRORS);
        loop {
            let at = now();
            match message::send(self.fd.as_fd(), bytes, to.as_ref(), ttl) {
                Ok(sent) if sent == bytes.len() => return Ok(at),
                Ok(sent) => return Err(refusal::cut_short(&self.way, &packet.what, sent, bytes.len())),
                Err(Errno::EINTR) if enough::is_awaited() => {}
                Err(Errno::EINTR) => signals::check(&format!("send {}", packet.what))?,
                // What earlier packets have brought about is told at the next call, whatever that is about, and is then forgotten; the queue of
                // errors has it in full.
                Err(Errno::EHOSTUNREACH | Errno::ENETUNREACH | Errno::ECONNREFUSED | Errno::EPROTO | Errno::EMSGSIZE)
                    if is_ping && old > 0 =>
                {
                    old -= 1
                }
                Err(error) => return Err(refused(error)),
            }
        }
    }

    fn receive(&mut self, most: usize, patience: Duration) -> Result<Batch, Fault> {
        self.way.may_receive()?;
        self.buffer.resize(LARGEST, 0);
        let begun = Instant::now();
        loop {
            let batch = self.take(most)?;
            if !batch.is_empty() || !self.wait(patience.saturating_sub(begun.elapsed()))? {
                return Ok(batch);
            }
        }
    }

    fn set(&mut self, setting: Setting) -> Result<(), Fault> {
        setting.option.fits(&self.way)?;
        let tried = || format!("set {setting} of the {}", self.way);
        options::write(&self.fd, setting.option, self.way.family(), setting.value).map_err(|error| errno::fault(tried(), error))
    }

    fn get(&mut self, option: Opt) -> Result<i64, Fault> {
        option.fits(&self.way)?;
        let tried = || format!("read `{}` of the {}", option.name(), self.way);
        options::read(&self.fd, option, self.way.family()).map_err(|error| errno::fault(tried(), error))
    }

    fn drops(&mut self) -> Result<u64, Fault> {
        self.count_drops()
    }

    fn stream(&mut self, packet: &Outgoing, mut template: Template, limits: &Limits, news: &mut dyn FnMut(&Sent)) -> Result<Sent, Fault> {
        let (to, length) = (self.address(packet), template.bytes.len());
        let refused = |error| refusal::of_sending(&self.way, &packet.what, length, error);
        if length > MOST || length == 0 {
            return Err(refused(if length == 0 { Errno::EINVAL } else { Errno::EMSGSIZE }));
        }
        stream::stream(self.fd.as_fd(), &mut template, to, limits, &refused, news)
    }

    fn begin_capture(&mut self, limits: &Limits, file: Option<&str>) -> Result<(), Fault> {
        self.capture = Some(Capture::begin(*limits, self.way.first(), file)?);
        Ok(())
    }

    fn capture(&mut self, want: usize) -> Result<Step, Fault> {
        self.capture_on(want)
    }

    fn source(&mut self, to: IpAddr) -> Result<IpAddr, Fault> {
        if let Some(local) = self.local {
            return Ok(local);
        }
        let Some(probe) = &self.probe else { return Err(Fault::input("choose a source", format!("a {} sends whole frames", self.way))) };
        probe.connect((to, PORT)).and_then(|()| probe.local_addr()).map(|own| own.ip()).map_err(|error| {
            let number = error.raw_os_error().map_or(Errno::EINVAL, Errno::from_raw);
            refusal::of_sending(&self.way, &format!("a packet to {to}"), 0, number)
        })
    }
}

impl Socket {
    /// Counts what the kernel has dropped for want of room.
    pub(super) fn count_drops(&mut self) -> Result<u64, Fault> {
        let tried = || format!("count the drops of the {}", self.way);
        if self.way.is_of_links() {
            let counts: [u32; 2] =
                options::get(&self.fd, libc::SOL_PACKET, libc::PACKET_STATISTICS).map_err(|error| errno::fault(tried(), error))?;
            self.dropped += u64::from(counts[1]);
            return Ok(self.dropped);
        }
        let memory: [u32; 9] = options::get(&self.fd, libc::SOL_SOCKET, SO_MEMINFO).map_err(|error| errno::fault(tried(), error))?;
        Ok(memory[DROPS].into())
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Puts the tag back that the kernel has taken off a frame.
pub(super) fn tagged(frame: &[u8], tag: Option<(u16, u16)>) -> Vec<u8> {
    match (tag, frame.split_at_checked(12)) {
        (Some((kind, tag)), Some((addresses, rest))) => [addresses, &kind.to_be_bytes(), &tag.to_be_bytes(), rest].concat(),
        _ => frame.to_vec(),
    }
}

/// Puts an IP header before a packet that is delivered without, made of what is known about it. The identification of IPv4, its flags and its options,
/// the flow label of IPv6 and its extension headers are not known.
fn with_header(bytes: &[u8], heard: &Heard, protocol: u8) -> Vec<u8> {
    let (ttl, tos) = (heard.beside.ttl.unwrap_or(0), heard.beside.tos.unwrap_or(0));
    let header = match (heard.from.to_ip(), heard.beside.to) {
        (Some(IpAddr::V4(from)), to) => {
            let to = if let Some(IpAddr::V4(to)) = to { to.octets() } else { [0; 4] };
            let length = u16::try_from(heard.length + 20).unwrap_or(0).to_be_bytes();
            let mut header = [&[0x45, tos, length[0], length[1], 0, 0, 0, 0, ttl, protocol, 0, 0][..], &from.octets(), &to].concat();
            let sum = checksum::compute(checksum::Sum::default(), &header, 10).to_be_bytes();
            header[10..12].copy_from_slice(&sum);
            header
        }
        (from, to) => {
            let octets = |address: Option<IpAddr>| if let Some(IpAddr::V6(v6)) = address { v6.octets() } else { [0; 16] };
            let length = u16::try_from(heard.length).unwrap_or(0).to_be_bytes();
            let head = [0x60 | tos >> 4, tos << 4, 0, 0, length[0], length[1], protocol, ttl];
            [&head[..], &octets(from), &octets(to)].concat()
        }
    };
    [&header[..], bytes].concat()
}

/// Makes a report of an entry of the queue of errors.
fn report(heard: &Heard, bytes: &[u8]) -> Option<Report> {
    let (error, by) = heard.beside.error?;
    Some(Report {
        at: heard.beside.at.unwrap_or_else(now),
        kind: error.ee_type,
        code: error.ee_code,
        errno: error.ee_errno.cast_signed(),
        info: error.ee_info,
        by: by.filter(|_| error.ee_origin != libc::SO_EE_ORIGIN_LOCAL),
        to: heard.from.to_ip(),
        bytes: bytes.to_vec(),
    })
}
