//! Shaped traffic, measured: round trips against delays, throughput against rates, losses against their share.

use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::thread::scope;
use std::time::Instant;

use super::features::does;
use super::{Tests, tests};
use crate::kernel::world::World;
use crate::program::shell;

pub(super) const TESTS: Tests = tests! {
    a_delay_is_as_long_as_it_says
    a_share_of_the_packets_is_lost
    a_rate_is_as_low_as_it_says
};

/// What a ping of the client saw.
#[derive(Debug)]
struct Pings {
    sent: usize,
    /// The round trips that came back, in milliseconds.
    trips: Vec<f64>,
}

impl Pings {
    /// Lets the client ping the server, a packet each hundredth of a second.
    fn send(count: usize) -> Self {
        // An exit code of 1 says that some were lost.
        let said = shell(&format!("ip netns exec client ping -n -c {count} -i 0.01 -W 2 192.0.2.1"));
        let trip = |line: &str| line.split_once(" time=")?.1.split(' ').next()?.parse().ok();
        Self { sent: count, trips: said.out.lines().filter_map(trip).collect() }
    }

    /// Sees to it that all came back, each after so many milliseconds.
    #[track_caller]
    fn take(&self, milliseconds: RangeInclusive<f64>) {
        assert_eq!(self.trips.len(), self.sent, "{self:?}");
        assert!(self.trips.iter().all(|trip| milliseconds.contains(trip)), "{self:?}");
    }

    /// Gives the share of those that did not come back.
    fn lost(&self) -> f64 {
        1.0 - self.trips.len() as f64 / self.sent as f64
    }
}

/// Gives the rate in bits a second at which the client gets so many bytes from the server.
fn rate(world: &World, bytes: usize) -> f64 {
    let server = world.listen(7);
    let mut client = world.connect("192.0.2.2", 7);
    scope(|scope| {
        scope.spawn(|| server.accept().unwrap().0.write_all(&vec![7; bytes]).unwrap());
        let begun = Instant::now();
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        assert_eq!(got.len(), bytes);
        bytes as f64 * 8.0 / begun.elapsed().as_secs_f64()
    })
}

fn a_delay_is_as_long_as_it_says(_: &World) {
    Pings::send(10).take(0.0..=5.0);
    does("tc qdisc add dev eth0 root netem delay 100ms");
    Pings::send(10).take(100.0..=110.0);
    does("tc qdisc change dev eth0 root netem delay 100ms 50ms");
    let jitter = Pings::send(50);
    jitter.take(50.0..=160.0);
    let (least, most) = (jitter.trips.iter().copied().fold(f64::MAX, f64::min), jitter.trips.iter().copied().fold(0.0, f64::max));
    assert!(most - least > 30.0, "{jitter:?}");
    does("tc qdisc del dev eth0 root");
    Pings::send(10).take(0.0..=5.0);
}

fn a_share_of_the_packets_is_lost(_: &World) {
    assert!(Pings::send(100).lost() < 0.001);
    does("tc qdisc add dev eth0 root netem loss 30%");
    let lost = Pings::send(400).lost();
    // Five times the deviation of 400 throws.
    assert!((0.185..=0.415).contains(&lost), "{lost}");
    does("tc qdisc del dev eth0 root");
    assert!(Pings::send(100).lost() < 0.001);
}

fn a_rate_is_as_low_as_it_says(world: &World) {
    assert!(rate(world, 1_000_000) > 50e6);
    for (words, wanted) in
        [("tbf rate 8mbit burst 16kb latency 100ms", 8e6), ("tbf rate 2mbit burst 16kb latency 100ms", 2e6), ("netem rate 4mbit", 4e6)]
    {
        does(&format!("tc qdisc add dev eth0 root {words}"));
        let rate = rate(world, 1_000_000);
        // Headers take their share, and the bucket is full at first.
        assert!((wanted * 0.85..=wanted * 1.05).contains(&rate), "{words}: {rate}");
        does("tc qdisc del dev eth0 root");
    }
}
