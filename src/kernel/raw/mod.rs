//! Sockets for packets (raw(7), packet(7), icmp(7)): what a script makes is sent as it is, and what comes is seen before anything is made of it.
//!
//! A wire is one such socket. That of Linux is a [`Socket`]; that of a plan is a [`Paper`], which sends nothing and cannot know what would come.

mod address;
mod capture;
mod desk;
mod message;
mod open;
mod options;
mod paper;
mod query;
mod refusal;
mod ring;
mod socket;
mod stream;

use std::net::IpAddr;
use std::time::Duration;

pub use capture::Step;
pub use desk::{Blank, Desk, Desks, own_end};
pub use open::{may_open, open};
pub use paper::Paper;
pub use query::query;
pub use socket::Socket;

use crate::model::Fault;
use crate::model::raw::{Batch, Limits, Opt, Outgoing, Sent, Setting, Template};

/// A socket for packets. It belongs to the network namespace in which it was opened, wherever the run is at work.
pub trait Wire: Send {
    /// Sends a packet, and tells when, since 1970.
    fn send(&mut self, packet: &Outgoing) -> Result<Duration, Fault>;

    /// Waits until something comes, and gives it with what else is there, up to so many packets; nothing when the time is over. A request to stop
    /// ends the wait.
    fn receive(&mut self, most: usize, patience: Duration) -> Result<Batch, Fault>;

    /// Sets an option.
    fn set(&mut self, setting: Setting) -> Result<(), Fault>;

    /// Reads an option.
    fn get(&mut self, option: Opt) -> Result<i64, Fault>;

    /// Gives how many packets the kernel has dropped since the socket was opened, because nobody fetched those before them.
    fn drops(&mut self) -> Result<u64, Fault>;

    /// Gives the address from which packets to another one are sent.
    fn source(&mut self, to: IpAddr) -> Result<IpAddr, Fault>;

    /// Sends packets like one, each with some fields of its own, until a limit is reached.
    fn stream(&mut self, packet: &Outgoing, template: Template, limits: &Limits, news: &mut dyn FnMut(&Sent)) -> Result<Sent, Fault>;

    /// Begins to capture, into a file if one is named.
    fn begin_capture(&mut self, limits: &Limits, file: Option<&str>) -> Result<(), Fault>;

    /// Goes on capturing for a short time, or until there are as many packets as are wanted; none are given where none are wanted.
    fn capture(&mut self, want: usize) -> Result<Step, Fault>;
}
