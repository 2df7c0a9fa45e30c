//! `slow-interface`, `limit-bandwidth`, `network-profile`: on a kernel that has netem by what they do, on another by what they would do.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread::scope;
use std::time::{Duration, Instant};

use fyke::host::embedded::RECIPES;
use fyke::host::{Host, Mode, Recipe, Setup};
use fyke::model::named::Told;
use fyke::transaction::Door;
use nix::sys::signal::{Signal, kill};

use super::super::confirm::{is_lifted_at, watchers};
use super::super::shown::queues;
use super::super::world::{World, in_a_world, tool, until};
use super::{is_refused, runs};

in_a_world! {
    a_limit_holds_until_it_is_lifted
    a_limit_for_a_time_goes_also_when_its_watcher_is_killed
    what_arrives_is_limited_by_way_of_another_device
    each_host_has_a_rate_of_its_own
    a_slow_interface_is_slow
    a_profile_is_what_it_says
    what_is_not_acceptable_is_refused
}

/// Gives the bytes per second that pass from the server to the client.
fn throughput(world: &World) -> f64 {
    throughput_to(world, "192.0.2.2")
}

/// Gives the bytes per second that pass from the server to an address of the client.
fn throughput_to(world: &World, client: &str) -> f64 {
    const WHILE: Duration = Duration::from_millis(1200);
    let listener = TcpListener::bind("192.0.2.1:7007").unwrap();
    scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            let begun = Instant::now();
            while begun.elapsed() < WHILE && stream.write_all(&[0; 4096]).is_ok() {}
        });
        let mut stream = world.connect(client, 7007);
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let (mut buffer, mut got, begun) = (vec![0; 1 << 16], 0, Instant::now());
        while begun.elapsed() < WHILE {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(more) => got += more,
            }
        }
        got as f64 / begun.elapsed().as_secs_f64()
    })
}

fn has_netem() -> bool {
    let netem = |verb: &str| Command::new("tc").args(["qdisc", verb, "dev", "eth1", "root", "netem"]).output().unwrap().status.success();
    netem("add") && netem("del")
}

fn a_limit_holds_until_it_is_lifted(world: &World) {
    let before = world.state();
    let free = throughput(world);
    runs(world, &["limit-bandwidth", "--interface", "eth0", "--rate", "8mbit"]);
    let slow = throughput(world);
    assert!((400_000.0..1_300_000.0).contains(&slow) && free > 5.0 * slow, "{free} {slow}");
    // Another rate takes its place; both are lifted, the later one first.
    runs(world, &["limit-bandwidth", "--interface", "eth0", "--rate", "16mbit"]);
    assert!(queues().iter().any(|line| line.contains("rate 16Mbit")));
    world.undo();
    assert!(queues().iter().any(|line| line.contains("rate 8Mbit")));
    world.undo();
    assert_eq!(world.state(), before);
}

fn a_limit_for_a_time_goes_also_when_its_watcher_is_killed(world: &World) {
    let before = world.state();
    let words = ["--json", "run", "--for", "5s", "limit-bandwidth", "--interface", "eth0", "--rate", "8mbit"];
    let document: serde_json::Value = serde_json::from_str(&world.fyke_well(&words).out).unwrap();
    is_lifted_at(world, &before, document["until"]["deadline"].as_i64().unwrap());
    // Without its watcher the next invocation lifts it.
    world.fyke_well(&words);
    let with = world.state();
    until("the watcher", || !watchers().is_empty());
    watchers().into_iter().for_each(|watcher| kill(watcher, Signal::SIGKILL).unwrap());
    assert_eq!(world.state(), with);
    std::thread::sleep(Duration::from_secs(6));
    world.fyke_well(&["recover"]);
    until("the lifting", || world.state() == before);
}

/// Gives the bytes per second that pass from the client to the server.
fn arriving(world: &World) -> f64 {
    const WHILE: Duration = Duration::from_millis(1200);
    let listener = TcpListener::bind("192.0.2.1:7009").unwrap();
    scope(|scope| {
        let receiver = scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let (mut buffer, mut got, begun) = (vec![0; 1 << 16], 0, Instant::now());
            while begun.elapsed() < WHILE {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(more) => got += more,
                }
            }
            got as f64 / begun.elapsed().as_secs_f64()
        });
        let mut stream = world.connect("192.0.2.2", 7009);
        stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        let begun = Instant::now();
        while begun.elapsed() < WHILE && stream.write_all(&[0; 4096]).is_ok() {}
        drop(stream);
        receiver.join().unwrap()
    })
}

fn what_arrives_is_limited_by_way_of_another_device(world: &World) {
    let before = world.state();
    let free = arriving(world);
    runs(world, &["limit-bandwidth", "--interface", "eth0", "--rate", "8mbit", "--direction", "in"]);
    let slow = arriving(world);
    assert!((300_000.0..1_400_000.0).contains(&slow) && free > 5.0 * slow, "{free} {slow}");
    // What leaves is another instance, and both are lifted by themselves.
    runs(world, &["limit-bandwidth", "--interface", "eth0", "--rate", "16mbit"]);
    world.undo();
    world.undo();
    assert_eq!(world.state(), before);
}

fn each_host_has_a_rate_of_its_own(world: &World) {
    let before = world.state();
    runs(world, &["per-host-limit", "--interface", "eth0", "--host", "192.0.2.2,2001:db8::2", "--rate", "8mbit"]);
    let (limited, free) = (throughput_to(world, "192.0.2.2"), throughput_to(world, "192.0.2.3"));
    assert!((300_000.0..1_400_000.0).contains(&limited) && free > 5.0 * limited, "{limited} {free}");
    let first = world.state();
    runs(world, &["per-host-limit", "--interface", "eth0", "--host", "192.0.2.3", "--rate", "8mbit"]);
    let (free, limited) = (throughput_to(world, "192.0.2.2"), throughput_to(world, "192.0.2.3"));
    assert!(free > 5.0 * limited, "{limited} {free}");
    world.undo();
    assert_eq!(world.state(), first);
    world.undo();
    assert_eq!(world.state(), before);
    // A host of a net that is limited, too, is not in its rate.
    runs(world, &["per-host-limit", "--interface", "eth0", "--host", "192.0.2.0/24,192.0.2.2", "--rate", "8mbit"]);
    throughput_to(world, "192.0.2.2");
    let classes = tool("tc", &["-s", "class", "show", "dev", "eth0"], "");
    let counted = |handle: &str| -> u64 {
        let class = classes.split("class htb ").find(|class| class.starts_with(&format!("{handle} "))).unwrap();
        class.split_once("Sent ").unwrap().1.split(' ').next().unwrap().parse().unwrap()
    };
    assert!(counted("1:1") > 100_000 && counted("1:2") < 10_000, "{classes:?}");
    world.undo();
    assert_eq!(world.state(), before);
}

/// Measures the least of some round trips of a byte, in milliseconds.
fn round_trip(world: &World) -> f64 {
    let listener = TcpListener::bind("192.0.2.1:7008").unwrap();
    scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let mut byte = [0];
            while stream.read_exact(&mut byte).is_ok() && stream.write_all(&byte).is_ok() {}
        });
        let mut stream = world.connect("192.0.2.2", 7008);
        stream.set_nodelay(true).unwrap();
        let once = |_| {
            let begun = Instant::now();
            stream.write_all(b"x").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            begun.elapsed().as_secs_f64() * 1e3
        };
        (0..5).map(once).fold(f64::MAX, f64::min)
    })
}

fn a_slow_interface_is_slow(world: &World) {
    let before = world.state();
    let recipe = ["slow-interface", "--interface", "eth0", "--delay", "60ms"];
    if !has_netem() {
        println!("this kernel has no netem");
        let said = world.fyke(&[&["run"], &recipe[..]].concat());
        assert!(said.code == Some(7) && said.err.contains("this kernel has no netem"), "{said:?}");
        assert_eq!(world.state(), before);
        return;
    }
    let free = round_trip(world);
    runs(world, &recipe);
    let slow = round_trip(world);
    assert!((60.0..90.0).contains(&(slow - free)), "{free} {slow}");
    // With a jitter and its distribution, which the kernel does not tell: one takes the place of the other, and comes back.
    runs(world, &["slow-interface", "--interface", "eth0", "--delay", "80ms", "--jitter", "5ms"]);
    runs(world, &["slow-interface", "--interface", "eth0", "--delay", "20ms", "--loss", "1%"]);
    world.undo();
    assert!(queues().iter().any(|line| line.contains("delay 80ms 5ms")), "{:?}", queues());
    world.undo();
    world.undo();
    assert_eq!(world.state(), before);
}

fn a_profile_is_what_it_says(world: &World) {
    if !has_netem() {
        println!("skipped: this kernel has no netem");
        return;
    }
    let before = world.state();
    let free = round_trip(world);
    runs(world, &["network-profile", "--interface", "eth0", "--profile", "satellite"]);
    let slow = round_trip(world);
    assert!((250.0..400.0).contains(&(slow - free)), "{free} {slow}");
    world.undo();
    assert_eq!(world.state(), before);
}

fn what_is_not_acceptable_is_refused(world: &World) {
    is_refused(world, &["limit-bandwidth", "--interface", "eth0"], "--rate");
    is_refused(world, &["limit-bandwidth", "--interface", "eth0", "--rate", "0bit"], "rate");
    is_refused(world, &["limit-bandwidth", "--interface", "eth9", "--rate", "1mbit"], "there is no such device");
    is_refused(world, &["limit-bandwidth", "--interface", "eth0", "--rate", "1mbit", "--direction", "up"], "there is no direction");
    is_refused(world, &["per-host-limit", "--interface", "eth0", "--rate", "1mbit"], "--host is missing");
    is_refused(world, &["per-host-limit", "--interface", "eth0", "--rate", "1mbit", "--host", "192.0.2.256"], "192.0.2.256");
    is_refused(world, &["slow-interface", "--interface", "eth0", "--loss", "101%"], "it is more than 100%");
    is_refused(world, &["slow-interface", "--interface", "eth0", "--delay", "-1ms"], "-1ms");
    is_refused(world, &["network-profile", "--interface", "eth0", "--profile", "5gg"], "there is no profile \"5gg\"; those are");
}

/// Runs a recipe of the shelf in a kernel in memory, which has every kind, and gives what is at the root then.
fn in_memory(name: &str, words: &[&str]) -> String {
    assert!(RECIPES.iter().any(|(known, _)| *known == name));
    let door = Door::over_nothing();
    let mut host = Host::open(Setup::new(Mode::Run, door.clone()));
    let words: Vec<String> = ["--interface", "lo"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    host.run(&Recipe::find(name).unwrap(), &words).unwrap_or_else(|fault| panic!("{name} {words:?}: {fault}"));
    let changes = door.finish().unwrap().changes;
    assert_eq!(changes.len(), 1, "{changes:?}");
    Told(changes[0].after.as_ref().unwrap()).to_string()
}

#[test]
fn what_the_recipes_ask_for() {
    assert_eq!(in_memory("slow-interface", &[]), "handle 8001: netem limit 9256 delay 100ms");
    let jitter = ["--delay", "30ms", "--jitter", "5ms", "--loss", "0.5%", "--rate", "10mbit"];
    assert_eq!(
        in_memory("slow-interface", &jitter),
        "handle 8001: netem limit 1041 delay 30ms 5ms distribution normal loss 0.5% rate 10Mbit"
    );
    assert_eq!(in_memory("slow-interface", &["--delay", "0ms", "--loss", "3%"]), "handle 8001: netem limit 1000 loss 3%");
    assert_eq!(in_memory("limit-bandwidth", &["--rate", "1mbit"]), "handle 8001: tbf rate 1Mbit burst 4Kb lat 50ms");
    assert_eq!(
        in_memory("limit-bandwidth", &["--rate", "100mbit", "--latency", "1s"]),
        "handle 8001: tbf rate 100Mbit burst 125000b lat 1s"
    );
    for profile in ["2g", "edge", "3g", "4g", "5g", "dsl", "cable", "wifi", "lossy-wifi", "satellite", "leo"] {
        let said = in_memory("network-profile", &["--profile", profile]);
        assert!(
            said.contains("netem limit ") && said.contains(" distribution normal loss ") && said.contains(" rate "),
            "{profile}: {said}"
        );
    }
    let satellite = "handle 8001: netem limit 661 delay 300ms 10ms distribution normal loss 0.5% rate 20Mbit";
    assert_eq!(in_memory("network-profile", &["--profile", "satellite"]), satellite);
}
