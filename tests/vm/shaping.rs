//! Shaped traffic, measured: round trips against delays, throughput against rates, losses against their share.

use std::fs;
use std::io::{Read, Write};
use std::ops::RangeInclusive;
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use super::features::does;
use super::{Tests, tests};
use crate::kernel::world::World;
use crate::program::shell;

pub(super) const TESTS: Tests = tests! {
    what_tc_sets_is_measured
    a_slow_interface_delays_as_long_as_it_says
    a_limit_is_as_low_as_it_says
    a_profile_behaves_like_its_network
    a_slow_interface_is_fast_again_after_its_time
    what_is_no_longer_said_of_a_delay_is_no_longer_so
    a_distribution_that_only_the_kernel_knows_stays_or_is_told_of
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
        // The first packets wait for the neighbours to find each other.
        shell("ip netns exec client ping -c 5 -W 2 192.0.2.1");
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

/// First the ruler is tried, with the tool.
fn what_tc_sets_is_measured(world: &World) {
    Pings::send(10).take(0.0..=5.0);
    does("tc qdisc add dev eth0 root netem delay 100ms");
    Pings::send(10).take(100.0..=110.0);
    does("tc qdisc change dev eth0 root netem loss 30%");
    // Five times the deviation of 400 throws.
    let lost = Pings::send(400).lost();
    assert!((0.185..=0.415).contains(&lost), "{lost}");
    does("tc qdisc del dev eth0 root");
    assert!(rate(world, 1_000_000) > 50e6);
    does("tc qdisc add dev eth0 root tbf rate 8mbit burst 16kb latency 100ms");
    is_about(rate(world, 1_000_000), 8e6);
    does("tc qdisc del dev eth0 root");
}

/// Sees to it that a measured rate is the one that was set. Headers take their share, and a bucket is full at first.
#[track_caller]
fn is_about(rate: f64, wanted: f64) {
    assert!((wanted * 0.85..=wanted * 1.05).contains(&rate), "{rate}, not {wanted}");
}

/// Runs a recipe for eth0.
#[track_caller]
fn shapes(world: &World, words: &str) {
    let (recipe, words) = words.split_once(' ').unwrap();
    let words: Vec<&str> = ["run", recipe, "--interface", "eth0"].into_iter().chain(words.split(' ')).collect();
    world.fyke_well(&words);
}

fn a_slow_interface_delays_as_long_as_it_says(world: &World) {
    shapes(world, "slow-interface --delay 100ms");
    Pings::send(10).take(100.0..=110.0);
    shapes(world, "slow-interface --delay 100ms --jitter 20ms --distribution uniform");
    let jitter = Pings::send(50);
    jitter.take(79.0..=130.0);
    let (least, most) = (jitter.trips.iter().copied().fold(f64::MAX, f64::min), jitter.trips.iter().copied().fold(0.0, f64::max));
    assert!(most - least > 15.0, "{jitter:?}");
    shapes(world, "slow-interface --delay 0ms --loss 30%");
    let lost = Pings::send(400).lost();
    assert!((0.185..=0.415).contains(&lost), "{lost}");
    (0..3).for_each(|_| drop(world.undo()));
    let pings = Pings::send(20);
    pings.take(0.0..=5.0);
}

fn a_limit_is_as_low_as_it_says(world: &World) {
    for (words, wanted) in [
        ("limit-bandwidth --rate 8mbit", 8e6),
        ("limit-bandwidth --rate 2mbit --latency 100ms", 2e6),
        ("slow-interface --delay 1ms --rate 4mbit", 4e6),
    ] {
        shapes(world, words);
        is_about(rate(world, 1_000_000), wanted);
        world.undo();
    }
    assert!(rate(world, 1_000_000) > 50e6);
}

fn a_profile_behaves_like_its_network(world: &World) {
    shapes(world, "network-profile --profile 3g");
    let pings = Pings::send(100);
    let mean = pings.trips.iter().sum::<f64>() / pings.trips.len() as f64;
    assert!((65.0..=90.0).contains(&mean) && pings.lost() < 0.1, "{pings:?}");
    shapes(world, "network-profile --profile lossy-wifi");
    let lost = Pings::send(400).lost();
    assert!((0.01..=0.12).contains(&lost), "{lost}");
    (0..2).for_each(|_| drop(world.undo()));
    Pings::send(10).take(0.0..=5.0);
}

fn a_slow_interface_is_fast_again_after_its_time(world: &World) {
    let slow = ["run", "--for", "60s", "slow-interface", "--interface", "eth0", "--delay", "200ms"];
    world.fyke_well(&slow);
    sleep(Duration::from_secs(55));
    Pings::send(3).take(200.0..=210.0);
    sleep(Duration::from_secs(8));
    Pings::send(10).take(0.0..=5.0);
    // A runner that is killed while it holds the interface slow: the guardian lifts it.
    let text = "tc::device(\"eth0\").add(\"root\", \"netem delay 200ms\"); commit(); print(\"slow\"); sleep(\"1h\");";
    let running = world.start(&["run", &world.recipe("held", text)], "slow");
    Pings::send(3).take(200.0..=210.0);
    kill(running.runner(), Signal::SIGKILL).unwrap();
    running.end();
    Pings::send(10).take(0.0..=5.0);
}

/// The kernel keeps of a netem what a change does not speak of: rates, correlations, what is corrupted. fyke says all of it.
fn what_is_no_longer_said_of_a_delay_is_no_longer_so(world: &World) {
    let shown = || does("tc -d qdisc show dev eth0");
    let set = |words: &str| world.run("set", &format!("tc::device(\"eth0\").ensure(\"root\", \"netem {words}\");"));
    does("tc qdisc add dev eth0 root handle 7: netem limit 1000 delay 10ms");
    let plain = shown();
    let full = "limit 1000 delay 20ms 5ms 25% loss 5% 25% duplicate 1% 25% corrupt 1% 25% reorder 5% 50% gap 3 rate 1mbit ecn";
    assert_eq!(set(full).code, Some(0));
    let all_of_it = shown();
    for word in ["loss 5% 25%", "duplicate 1% 25%", "reorder 5% 50%", "corrupt 1% 25%", "rate 1Mbit"] {
        assert!(all_of_it.contains(word), "{all_of_it}");
    }
    assert_eq!(set("limit 1000 delay 10ms").code, Some(0));
    assert_eq!(shown(), plain);
    world.undo();
    assert_eq!(shown(), all_of_it);
    world.undo();
    assert_eq!(shown(), plain);
    does("tc qdisc del dev eth0 root");
}

/// How a delay is distributed the kernel does not tell: what is measured does. Half of the round trips of a pareto are below the mean by far.
fn a_distribution_that_only_the_kernel_knows_stays_or_is_told_of(world: &World) {
    let set = |words: &str| world.run("set", &format!("tc::device(\"eth0\").ensure(\"root\", \"netem {words}\");"));
    let low = |delay: f64| {
        let pings = Pings::send(200);
        pings.trips.iter().filter(|trip| **trip < delay - 15.0).count()
    };
    // Of a jitter of 20 ms an even spread goes down to 20 ms below the mean, and a pareto not so far.
    does("tc qdisc add dev eth0 root handle 7: netem delay 60ms 20ms distribution pareto limit 20000");
    let shown = does("tc -d qdisc show dev eth0");
    let pareto = low(60.0);
    let said = set("delay 80ms 20ms limit 20000");
    assert!(said.code == Some(0) && !said.err.contains("does not tell"), "{said:?}");
    let stays = low(80.0);
    world.undo();
    assert_eq!(does("tc -d qdisc show dev eth0"), shown);
    let back = low(60.0);
    let said = set("delay 5ms limit 20000 loss 1%");
    assert_eq!(said.code, Some(0), "{said:?}");
    world.undo();
    let back_again = low(60.0);
    let said = set("delay 60ms 20ms limit 20000 distribution uniform loss 0.001%");
    assert!(
        said.code == Some(0) && said.err.contains("the kernel does not tell how the delay of the netem on eth0 is distributed"),
        "{said:?}"
    );
    let said = world.undo();
    assert!(said.out.contains("nobody knows: it is spread evenly now"), "{said:?}");
    assert_eq!(does("tc -d qdisc show dev eth0"), shown);
    let even = low(60.0);
    assert!([pareto, stays, back, back_again].iter().all(|low| *low < even / 2), "{pareto} {stays} {back} {back_again} {even}");
    does("tc qdisc del dev eth0 root");
    // Files of tc(8), and those that somebody has made.
    fs::write("/tmp/late.dist", "# all of it late\n32767 32767 32767 32767\n").unwrap();
    let late = "delay 50ms 10ms distribution late";
    let said = set(late);
    assert!(said.code == Some(2) && said.err.contains("there is no such distribution") && said.err.contains("experimental"), "{said:?}");
    let recipe = world.recipe("late", &format!("tc::device(\"eth0\").ensure(\"root\", \"netem {late}\");"));
    let said = world.command(&["run", &recipe]).env("TC_LIB_DIR", "/tmp").output().unwrap();
    assert!(said.status.success(), "{said:?}");
    // 32767 of 8192 parts of the jitter: four times as far.
    Pings::send(10).take(89.0..=95.0);
    world.undo();
    assert_eq!(set("delay 50ms 10ms distribution experimental").code, Some(0));
    world.undo();
}
