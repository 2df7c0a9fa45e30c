//! Requests that are on the way, and what came of each.
//!
//! An [`Exchange`] has no clock and no socket: whoever drives it says what time it is, sends what is due, and hands over what came in. Times are counted
//! from its beginning, by a clock that nobody sets; those at which packets left and came are the kernel's own, since 1970.

mod fill;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

pub use fill::fill;
pub use terms::Terms;

use super::answer::{self, Key, Reply, Request};
use super::{First, Packet};
use crate::model::Fault;

/// The most requests of one exchange.
pub const MOST: usize = 1 << 20;

/// As many further answers to one request are kept; the others are counted.
const KEPT: usize = 16;

/// An answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// What it is, and from whom.
    pub reply: Reply,
    /// The packet; none where only a report of the kernel tells about it.
    pub packet: Option<Packet>,
    /// When it came, since 1970.
    pub at: Duration,
    /// How long after the request was sent for the last time.
    pub rtt: Duration,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Outcome {
    /// It is not known yet.
    #[default]
    Open,
    /// It was answered.
    Answered(Box<Answered>),
    /// Nobody answered in time.
    Silent,
    /// It could not be sent.
    Unsent(Fault),
    /// What came is no answer, or not the whole of it.
    Broken(Fault),
}

/// A request, and what came of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The packet.
    pub packet: Packet,
    /// What became of it.
    pub outcome: Outcome,
    /// How often it was sent.
    pub tries: u32,
    /// How many further answers to it came.
    pub duplicates: usize,
    /// The further answers, as far as they are kept.
    pub others: Vec<Answered>,
    request: Request,
    /// When it was sent for the last time, since the beginning.
    sent: Duration,
    /// The same by the clock of the day, since 1970.
    left: Duration,
}

impl Row {
    /// Makes one of a request that is not on the way with others, and was sent once.
    pub fn lone(packet: Packet, outcome: Outcome) -> Self {
        let tries = u32::from(!matches!(outcome, Outcome::Open | Outcome::Unsent(_)));
        let request = Request { keys: Vec::new(), local: None };
        Self { packet, outcome, tries, duplicates: 0, others: Vec::new(), request, sent: Duration::ZERO, left: Duration::ZERO }
    }
}

/// How many packets there were of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were sent, each as often as it was.
    pub sent: usize,
    /// Requests that were answered.
    pub answered: usize,
    /// Answers to what was answered already.
    pub duplicates: usize,
    /// Answers to what had been given up.
    pub late: usize,
    /// Packets that the kernel could not keep until they were read.
    pub dropped: u64,
}

/// What a packet turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// The answer to a request.
    Answer(usize),
    /// Another one.
    Duplicate(usize),
    /// An answer to what was given up.
    Late(usize),
    /// Nothing of ours.
    Stray,
}

/// Requests that are on the way.
#[derive(Debug)]
pub struct Exchange {
    /// All requests, in the order in which they were given.
    pub rows: Vec<Row>,
    /// How many packets there were.
    pub counts: Counts,
    terms: Terms,
    known: HashMap<Key, Vec<usize>>,
    /// Those that are to be sent, the next one first.
    queue: VecDeque<usize>,
    /// Those that were sent, with the time at which each is given up; as all wait equally long, the earliest is the first.
    waiting: VecDeque<(Duration, usize)>,
    /// When the next one may be sent.
    free: Duration,
}

impl Exchange {
    /// Makes an exchange of which nothing was sent yet. Every packet must be one that is answered by some other.
    pub fn new(packets: Vec<Packet>, terms: Terms) -> Result<Self, Fault> {
        if packets.len() > MOST {
            let why = format!("there are {} of them, and {MOST} is the most", packets.len());
            return Err(Fault::input("exchange packets", why).hint("exchange them in several parts"));
        }
        let mut known: HashMap<Key, Vec<usize>> = HashMap::new();
        let mut rows = Vec::with_capacity(packets.len());
        for (at, packet) in packets.into_iter().enumerate() {
            let request = answer::request(&packet).ok_or_else(|| unanswerable(at, &packet))?;
            request.keys.iter().for_each(|key| known.entry(key.clone()).or_default().push(at));
            let (sent, left) = Default::default();
            rows.push(Row { packet, outcome: Outcome::Open, tries: 0, duplicates: 0, others: Vec::new(), request, sent, left });
        }
        let queue = (0..rows.len()).collect();
        Ok(Self { rows, counts: Counts::default(), terms, known, queue, waiting: VecDeque::new(), free: Duration::ZERO })
    }

    /// Tells which request is to be sent now, if one is; whoever asks sends it at once, and tells by [`Exchange::left`] when it left.
    pub fn due(&mut self, now: Duration) -> Option<usize> {
        if now < self.free {
            return None;
        }
        self.forget_answered();
        let at = self.queue.pop_front()?;
        // Who comes late is not allowed to make up for more than a moment of it: a rate is a promise to those on the way.
        self.free = self.free.max(now.saturating_sub(terms::SLACK)) + self.terms.interval;
        let row = &mut self.rows[at];
        (row.sent, row.tries) = (now, row.tries + 1);
        self.counts.sent += 1;
        self.waiting.push_back((now + self.terms.timeout, at));
        Some(at)
    }

    /// Notes when a request left, since 1970: before it is sent, and again if the kernel knows better.
    pub fn left(&mut self, at: usize, when: Duration) {
        self.rows[at].left = when;
    }

    /// Notes that a request could not be sent.
    pub fn unsent(&mut self, at: usize, fault: Fault) {
        self.counts.sent -= 1;
        self.rows[at].tries -= 1;
        self.rows[at].outcome = Outcome::Unsent(fault);
    }

    /// Gives up those that have waited long enough, or puts them at the end of the queue once more; tells which were given up.
    pub fn expire(&mut self, now: Duration) -> Vec<usize> {
        let mut given_up = Vec::new();
        while let Some((_, at)) = self.waiting.pop_front_if(|(until, _)| *until <= now) {
            let row = &mut self.rows[at];
            match row.outcome {
                Outcome::Open if row.tries < self.terms.tries => self.queue.push_back(at),
                Outcome::Open => {
                    row.outcome = Outcome::Silent;
                    given_up.push(at);
                }
                _ => {}
            }
        }
        given_up
    }

    /// Takes a packet that came in.
    pub fn received(&mut self, packet: Packet, at: Duration, now: Duration) -> Came {
        answer::reply(&packet).map_or(Came::Stray, |reply| self.take(reply, Some(packet), at, now))
    }

    /// Takes an answer, with the packet that it is if there is one.
    pub fn take(&mut self, reply: Reply, packet: Option<Packet>, at: Duration, now: Duration) -> Came {
        let known = reply.keys.iter().filter_map(|key| self.known.get(key)).flatten().copied();
        let fitting: Vec<usize> = known.filter(|at| self.rows[*at].tries > 0 && self.rows[*at].request.fits(&reply)).collect();
        // Of several requests that look the same, the one is meant that has waited longest, and where none waits, the last one.
        let sent = |at: &usize| self.rows[*at].sent;
        let open = fitting.iter().copied().filter(|at| self.is_open(*at)).min_by_key(sent);
        let Some(index) = open.or_else(|| fitting.iter().copied().max_by_key(sent)) else { return Came::Stray };
        let row = &mut self.rows[index];
        // A clock that was set in between tells nothing; that of the machine does.
        let most = now.saturating_sub(row.sent);
        let rtt = at.checked_sub(row.left).filter(|rtt| *rtt <= most + terms::SLACK).unwrap_or(most);
        let answered = Answered { reply, packet, at, rtt };
        match row.outcome {
            Outcome::Open => {
                row.outcome = Outcome::Answered(Box::new(answered));
                self.counts.answered += 1;
                Came::Answer(index)
            }
            Outcome::Answered(_) => {
                self.counts.duplicates += 1;
                row.duplicates += 1;
                if row.others.len() < KEPT {
                    row.others.push(answered);
                }
                Came::Duplicate(index)
            }
            Outcome::Silent | Outcome::Unsent(_) | Outcome::Broken(_) => {
                self.counts.late += 1;
                Came::Late(index)
            }
        }
    }

    /// Takes those out of the lists that wait for nothing any more.
    fn forget_answered(&mut self) {
        let rows = &self.rows;
        let is_over = |at: usize| rows[at].outcome != Outcome::Open;
        while self.waiting.pop_front_if(|(_, at)| is_over(*at)).is_some() {}
        while self.queue.pop_front_if(|at| is_over(*at)).is_some() {}
    }

    fn is_open(&self, at: usize) -> bool {
        self.rows[at].outcome == Outcome::Open
    }

    /// Tells when something is to be done next, if nothing comes in; none where all is over.
    pub fn wake(&mut self) -> Option<Duration> {
        self.forget_answered();
        let send = (!self.queue.is_empty()).then_some(self.free);
        let give_up = self.waiting.front().map(|(until, _)| *until);
        send.into_iter().chain(give_up).min()
    }
}

fn unanswerable(at: usize, packet: &Packet) -> Fault {
    let tried = format!("exchange the packet {at}: {}", packet.line());
    if let First::Layer(_) = packet.first {
        return Fault::input(tried, "it has no IP header").hint("put it on one: packet::ipv4(#{ dst: .. }) / ..");
    }
    Fault::input(tried, "no answer to it is known here")
        .hint("what is answered: echo requests, segments of TCP, datagrams, ARP requests, neighbour solicitations, and any IP packet by an ICMP error")
}
