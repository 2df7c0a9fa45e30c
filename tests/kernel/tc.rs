//! Traffic control: what is set, what it does to packets, and what comes back.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::scope;
use std::time::{Duration, Instant};

use super::shown::queues;
use super::world::{World, in_a_world, tc, tool};

in_a_world! {
    a_qdisc_is_set_and_lifted
    what_a_root_gave_way_for_comes_back_with_all_that_was_in_it
    a_class_is_changed_in_place_and_taken_away_with_its_leaf
    what_fyke_reads_is_what_tc_shows
    what_is_read_can_be_set
    what_somebody_did_since_is_left
    a_device_that_was_made_anew_is_another_one
    a_link_that_is_taken_away_comes_back_with_its_queues
    what_is_planned_can_have_queues
    two_recipes_share_a_qdisc
    what_a_run_has_made_anew_is_not_what_it_took_away
    a_plan_says_what_would_be
    a_kind_that_the_kernel_lacks_is_said_before_anything_is_touched
    a_refusal_carries_the_words_of_the_kernel
    what_stands_on_another_run_is_told
    a_failing_run_leaves_nothing
    a_token_bucket_slows_packets_down
    a_burst_has_room_for_what_is_added_to_a_packet
    classes_share_a_rate
    a_thousand_classes_are_one_batch
}

const BUCKET: &str = "tc::device(\"eth0\").ensure(\"root\", \"tbf rate 1mbit burst 32kbit latency 400ms\");";

fn shows(text: &str) -> bool {
    queues().iter().any(|line| line.contains(text))
}

fn a_qdisc_is_set_and_lifted(world: &World) {
    let before = world.state();
    let said = world.run("bucket", BUCKET);
    assert!(said.code == Some(0) && said.err.contains("1 change; lift with"), "{said:?}");
    assert!(shows("qdisc tbf 8001: dev eth0 root rate 1Mbit burst 4Kb/1 mpu 0b lat 400ms"), "{:?}", queues());
    let again = world.run("bucket", BUCKET);
    assert!(again.err.contains("nothing changed"), "{again:?}");
    world.undo();
    assert_eq!(world.state(), before);
    world.fyke_well(&["redo"]);
    assert!(shows("qdisc tbf 8001: dev eth0 root"));
    world.undo();
    // Every verb of tc(8), in its words.
    let text = "tc::qdisc([\"add dev eth0 root handle 5: pfifo limit 7\", \"change dev eth0 root pfifo limit 8\", \"replace dev eth0 root tbf rate 1mbit burst 5kb limit 9kb\",
         \"link dev eth0 root handle 6: bfifo limit 9kb\", \"del dev eth0 root\", \"tc qdisc add dev eth0 ingress\", \"add dev eth1 clsact\", \"del dev eth1 clsact\"]);";
    let said = world.run("verbs", text);
    assert!(said.code == Some(0) && shows("qdisc ingress ffff: dev eth0") && !shows("tbf") && !shows("clsact"), "{said:?} {:?}", queues());
    world.undo();
    assert_eq!(world.state(), before);
}

/// Classes, a class in a class, and a qdisc in a class, as somebody has set them.
fn classful() {
    tc("qdisc add dev eth0 root handle 1: htb default 20 r2q 5");
    tc("class add dev eth0 parent 1: classid 1:1 htb rate 10mbit burst 15k");
    tc("class add dev eth0 parent 1:1 classid 1:10 htb rate 5mbit ceil 10mbit prio 1 quantum 3000");
    tc("class add dev eth0 parent 1:1 classid 1:20 htb rate 1.5mbit ceil 10mbit prio 2 cburst 3k");
    tc("qdisc add dev eth0 parent 1:10 handle 10: tbf rate 4mbit burst 5kb latency 70ms peakrate 8mbit minburst 1540");
    tc("qdisc add dev eth0 parent 1:20 handle 20: pfifo limit 77");
    tc("qdisc add dev eth0 parent 10:1 handle 100: bfifo limit 9000");
    tc("qdisc add dev eth0 ingress");
}

fn unclassful() {
    tc("qdisc del dev eth0 root");
    tc("qdisc del dev eth0 ingress");
}

fn what_a_root_gave_way_for_comes_back_with_all_that_was_in_it(world: &World) {
    classful();
    let before = world.state();
    for text in [
        BUCKET,
        "tc::qdisc(\"del dev eth0 root\");",
        "tc::device(\"eth0\").absent(\"root\"); tc::device(\"eth0\").absent(\"ingress\");",
        "tc::qdisc(\"replace dev eth0 root handle 1: htb default 10\");",
    ] {
        let said = world.run("over", text);
        assert!(said.code == Some(0) && !shows("class htb 1:10"), "{text}: {said:?}");
        let after = world.state();
        let said = world.fyke_well(&["status"]);
        assert!(!said.out.contains("drift"), "{said:?}");
        world.undo();
        assert_eq!(world.state(), before, "{text}");
        world.fyke_well(&["redo"]);
        assert_eq!(world.state(), after, "{text}");
        world.undo();
        assert_eq!(world.state(), before, "{text}");
    }
    // One that goes and comes again, with a class of the same number.
    let text = "let eth0 = tc::device(\"eth0\"); eth0.ensure(\"root\", \"handle 1: htb default 10\"); eth0.ensure_class(\"1:10\", \"htb rate 1mbit\");";
    assert_eq!(world.run("again", text).code, Some(0));
    assert!(shows("class htb 1:10 root") && !shows("1:20"), "{:?}", queues());
    world.undo();
    assert_eq!(world.state(), before);
    unclassful();
}

fn a_class_is_changed_in_place_and_taken_away_with_its_leaf(world: &World) {
    classful();
    let before = world.state();
    let text = "let eth0 = tc::device(\"eth0\"); eth0.ensure_class(\"1:20\", \"parent 1:1 htb rate 3mbit ceil 10mbit\"); eth0.del_class(\"1:10\");
         eth0.ensure(\"1:20\", \"handle 20: pfifo limit 5\"); eth0.add_class(\"1:30\", #{ kind: \"htb\", parent: \"1:1\", rate: \"1mbit\" });";
    let said = world.run("classes", text);
    assert!(said.code == Some(0) && shows("class htb 1:20 parent 1:1 leaf 20: prio 0"), "{said:?} {:?}", queues());
    assert!(!shows("class htb 1:10 ") && !shows("tbf 10:") && shows("pfifo 20: dev eth0 parent 1:20 limit 5p") && shows("class htb 1:30"));
    world.undo();
    assert_eq!(world.state(), before);
    let said = world.run("parent", "tc::device(\"eth0\").del_class(\"1:1\");");
    assert!(said.code == Some(0) && !shows("class htb"), "{said:?}");
    world.undo();
    assert_eq!(world.state(), before);
    unclassful();
}

fn what_fyke_reads_is_what_tc_shows(world: &World) {
    classful();
    let text = "for q in tc::device(\"eth0\").qdiscs() { print(`${q.place} ${tc::device(\"eth0\").words(q.place)}`); } for c in tc::device(\"eth0\").classes() { print(c); }";
    let said = world.fyke_well(&["eval", text]);
    let theirs = tc("qdisc show dev eth0");
    for line in said.out.lines().filter(|line| !line.starts_with('#')) {
        let (place, words) = line.split_once(' ').unwrap();
        let Some((handle, words)) = words.strip_prefix("handle ").and_then(|rest| rest.split_once(' ')) else { continue };
        let (kind, options) = words.split_once(' ').unwrap();
        let place = if place == "root" { "root".to_owned() } else { format!("parent {place}") };
        let shown = theirs
            .lines()
            .find(|line| line.starts_with(&format!("qdisc {kind} {handle} {place}")))
            .unwrap_or_else(|| panic!("{line}: {theirs}"));
        // What tc(8) rounds, fyke says to the byte; the rest is the same.
        for option in ["rate", "burst", "peakrate", "lat", "limit", "r2q", "default"] {
            let value = |text: &str| {
                text.split(' ').skip_while(|word| *word != option).nth(1).map(|value| value.trim_end_matches(['p', 'b']).to_owned())
            };
            if let (Some(ours), Some(theirs)) = (value(options), value(shown)) {
                assert_eq!(ours.to_lowercase(), theirs.to_lowercase(), "{option}: {line}: {shown}");
            }
        }
    }
    assert_eq!(said.out.lines().count(), 8, "{said:?}");
    assert!(
        said.out.contains("\"rate\": 1500kbit") && said.out.contains("\"parent\": \"1:1\"") && said.out.contains("\"quantum\": 3000"),
        "{said:?}"
    );
    unclassful();
}

fn what_is_read_can_be_set(world: &World) {
    classful();
    let before = world.state();
    let text = "let eth0 = tc::device(\"eth0\"); for q in eth0.qdiscs() { eth0.ensure(q.place, q); } for c in eth0.classes() { eth0.ensure_class(c.classid, c); }";
    let said = world.run("same", text);
    assert!(said.code == Some(0) && said.err.contains("nothing changed"), "{said:?}");
    assert_eq!(world.state(), before);
    unclassful();
}

fn what_somebody_did_since_is_left(world: &World) {
    let before = world.state();
    let lifted = |code: i32, words: &str| {
        let said = world.fyke(&["undo", "last"]);
        assert!(said.code == Some(code) && said.out.contains(words), "{said:?}");
    };
    // Taken away.
    world.run("bucket", BUCKET);
    tc("qdisc del dev eth0 root");
    lifted(0, "somebody took it away");
    assert_eq!(world.state(), before);
    // Changed, and replaced.
    for theirs in
        ["qdisc change dev eth0 root tbf rate 2mbit burst 32kbit latency 400ms", "qdisc replace dev eth0 root handle 7: pfifo limit 3"]
    {
        world.run("bucket", BUCKET);
        tc(theirs);
        let now = queues();
        lifted(3, "somebody set it to handle");
        assert_eq!(queues(), now);
        world.fyke_well(&["undo", "--force", "last"]);
        assert_eq!(world.state(), before);
    }
    // Something of theirs in what is ours.
    world.run(
        "classes",
        "tc::qdisc(\"add dev eth0 root handle 1: htb\"); tc::class(\"add dev eth0 parent 1: classid 1:1 htb rate 1mbit\");",
    );
    tc("class add dev eth0 parent 1: classid 1:2 htb rate 1mbit");
    lifted(3, "somebody else put something into it, 1 in all");
    assert!(shows("class htb 1:2 ") && !shows("class htb 1:1 "), "{:?}", queues());
    tc("class del dev eth0 classid 1:2");
    lifted(0, "");
    assert_eq!(world.state(), before);
    // The same again, by somebody else: it is what was set.
    world.run("bucket", BUCKET);
    tc("qdisc del dev eth0 root");
    tc("qdisc add dev eth0 root handle 8001: tbf rate 1mbit burst 32kbit latency 400ms");
    world.undo();
    assert_eq!(world.state(), before);
}

fn a_device_that_was_made_anew_is_another_one(world: &World) {
    let make = || tool("ip", &["link", "add", "one", "type", "veth", "peer", "two"], "");
    make();
    tc("qdisc add dev one root handle 3: pfifo limit 9");
    let said = world.run("one", "tc::device(\"one\").del(\"root\"); tc::device(\"two\").add(\"root\", \"pfifo limit 5\");");
    assert_eq!(said.code, Some(0), "{said:?}");
    tool("ip", &["link", "del", "one"], "");
    make();
    tc("qdisc add dev two root handle 8001: pfifo limit 5");
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.out.contains("what it was in is gone") && said.out.contains("somebody set it to"), "{said:?}");
    assert!(shows("pfifo 8001: dev two") && !shows("pfifo 3:"), "{:?}", queues());
    tool("ip", &["link", "del", "one"], "");
    let said = world.fyke(&["undo", "--force", "last"]);
    assert!(said.out.contains("what it was in is gone"), "{said:?}");
}

fn a_link_that_is_taken_away_comes_back_with_its_queues(world: &World) {
    let before = world.state();
    tool("ip", &["link", "add", "one", "type", "ifb"], "");
    tc("qdisc add dev one root handle 1: htb default 1");
    tc("class add dev one classid 1:1 htb rate 1mbit");
    tc("qdisc add dev one parent 1:1 handle 10: pfifo limit 7");
    tc("qdisc add dev one ingress");
    let with = world.state();
    let said = world.run("gone", "link::del(\"one\");");
    assert!(said.code == Some(0) && !shows("dev one"), "{said:?}");
    world.undo();
    assert_eq!(world.state(), with);
    tool("ip", &["link", "del", "one"], "");
    assert_eq!(world.state(), before);
}

fn what_is_planned_can_have_queues(world: &World) {
    let before = world.state();
    let text = "link::add(\"one type ifb\"); let one = tc::device(\"one\"); one.add(\"root\", \"handle 1: htb\"); one.add_class(\"1:1\", \"htb rate 1mbit\");";
    let said = world.fyke_well(&["plan", &world.recipe("new", text)]);
    assert!(said.out.contains("+ class 1:1 of one"), "{said:?}");
    assert_eq!(world.state(), before);
    let said = world.run("new", text);
    assert!(said.code == Some(0) && shows("qdisc htb 1: dev one root"), "{said:?}");
    world.undo();
    assert_eq!(world.state(), before);
    let said = world.run("steps", &text.replacen("; let", "; commit(); let", 1));
    assert!(said.code == Some(0) && shows("qdisc htb 1: dev one root"), "{said:?}");
    world.undo();
    assert_eq!(world.state(), before);
}

fn two_recipes_share_a_qdisc(world: &World) {
    let before = world.state();
    let shared = "tc::device(\"eth0\").ensure(\"ingress\", \"clsact\");";
    world.fyke_well(&["run", &world.recipe("first", shared)]);
    world.fyke_well(&["run", &world.recipe("second", shared)]);
    let said = world.fyke_well(&["undo", "--recipe", "first"]);
    assert!(said.out.contains("= the ingress qdisc of eth0 stays") && shows("clsact"), "{said:?}");
    world.fyke_well(&["undo", "--recipe", "second"]);
    assert_eq!(world.state(), before);
}

fn a_plan_says_what_would_be(world: &World) {
    classful();
    let before = world.state();
    let text = format!(
        "{BUCKET} let eth0 = tc::device(\"eth0\"); print(eth0.get(\"root\").rate); print(eth0.classes().len()); eth0.add(\"1:99\", \"pfifo\");"
    );
    let said = world.fyke(&["plan", &world.recipe("bucket", &text)]);
    assert!(said.code == Some(2) && said.err.contains("there is no qdisc 1: on eth0"), "{said:?}");
    let said = world.fyke_well(&["plan", &world.recipe("bucket", BUCKET)]);
    for line in [
        "traffic control\n",
        "  - class 1:10 of eth0 parent 1:1 htb prio 1 quantum 3000 rate 5Mbit",
        "  ~ root qdisc of eth0: handle 1: htb r2q 5 default 0x20 direct_qlen 1000 becomes handle 8001: tbf rate 1Mbit burst 4Kb lat 400ms",
    ] {
        assert!(said.out.contains(line), "{line}: {said:?}");
    }
    let said = world.fyke_well(&["plan", "--commands", &world.recipe("bucket", BUCKET)]);
    assert_eq!(said.out.lines().last(), Some("tc qdisc replace dev eth0 root handle 8001: tbf rate 1Mbit burst 4Kb lat 400ms"), "{said:?}");
    let said = world.fyke_well(&["plan", "--json", &world.recipe("bucket", BUCKET)]);
    assert!(said.out.contains("\"object\":\"qdisc\"") || said.out.contains("\"object\": \"qdisc\""), "{said:?}");
    assert_eq!(world.state(), before);
    unclassful();
}

fn a_kind_that_the_kernel_lacks_is_said_before_anything_is_touched(world: &World) {
    // One that no kernel has; and those of this kernel, whichever they are.
    let before = world.state();
    for kind in ["nothing", "netem", "cake", "fq_codel", "sfq"] {
        let known = std::process::Command::new("tc").args(["qdisc", "add", "dev", "eth1", "root", kind]).output().unwrap();
        if known.status.success() {
            tc("qdisc del dev eth1 root");
            continue;
        }
        let text = format!(
            "iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 7 -j DROP\"); tc::device(\"eth0\").ensure(\"root\", \"{kind}\");"
        );
        for verb in ["plan", "run"] {
            let said = world.fyke(&[verb, &world.recipe("lacks", &text)]);
            assert!(said.code == Some(7) && said.err.contains("Specified qdisc kind is unknown"), "{said:?}");
            // What no kernel has is another name, and not a module that is missing.
            let hint = if kind == "nothing" { "there are netem, tbf".to_owned() } else { format!("modprobe sch_{kind}") };
            assert!(said.err.contains(&hint) && said.err.contains("lacks.rhai:1:"), "{said:?}");
            assert_eq!(world.state(), before);
        }
    }
}

fn a_refusal_carries_the_words_of_the_kernel(world: &World) {
    let before = world.state();
    let said = world.run(
        "deep",
        "tc::qdisc(\"add dev eth0 root handle 1: pfifo limit 5\");\ncommit();\ntc::qdisc(\"add dev eth0 parent 1:1 handle 2: pfifo\");",
    );
    assert!(
        said.code == Some(1) && said.err.contains("cannot set the qdisc of class 1:1 of eth0 (pfifo)") && said.err.contains("deep.rhai:3:"),
        "{said:?}"
    );
    assert_eq!(world.state(), before);
    let said = world.run("nowhere", "tc::device(\"eth7\");");
    assert!(said.err.contains("there is no such device") && said.err.contains("did you mean `eth"), "{said:?}");
}

fn what_stands_on_another_run_is_told(world: &World) {
    let before = world.state();
    world.fyke_well(&["run", &world.recipe("below", "tc::device(\"eth0\").add(\"root\", \"handle 1: htb\");")]);
    world.fyke_well(&["run", &world.recipe("above", "tc::device(\"eth0\").add_class(\"1:1\", \"htb rate 1mbit\");")]);
    let said = world.fyke(&["undo", "--recipe", "below"]);
    assert!(said.code == Some(1) && said.err.contains("came later and builds on it: class 1:1 of eth0"), "{said:?}");
    world.fyke_well(&["undo", "--all"]);
    assert_eq!(world.state(), before);
}

fn a_failing_run_leaves_nothing(world: &World) {
    classful();
    let before = world.state();
    assert_eq!(world.run("fails", &format!("{BUCKET} commit(); throw \"no\";")).code, Some(1));
    assert_eq!(world.state(), before);
    unclassful();
}

/// Sends for a while from the server to the client, and gives the bytes that came in a second.
fn throughput(world: &World) -> f64 {
    const WHILE: Duration = Duration::from_millis(1500);
    let listener = TcpListener::bind("192.0.2.1:7007").unwrap();
    scope(|scope| {
        let sender = scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            let begun = Instant::now();
            while begun.elapsed() < WHILE && stream.write_all(&[0; 4096]).is_ok() {}
        });
        let mut stream = world.connect("192.0.2.2", 7007);
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let (mut buffer, mut got, begun) = (vec![0; 1 << 16], 0, Instant::now());
        // What the sender has in its buffers comes after it has stopped.
        while begun.elapsed() < WHILE {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(more) => got += more,
            }
        }
        let rate = got as f64 / begun.elapsed().as_secs_f64();
        drop(stream);
        sender.join().unwrap();
        rate
    })
}

/// The kernel is told the burst in bytes, as tc(8) tells it: out of the time alone it would take smaller packets only.
fn a_burst_has_room_for_what_is_added_to_a_packet(world: &World) {
    let before = world.state();
    for (words, shown) in [
        ("overhead 300", "rate 20Kbit burst 1800b/1 mpu 0b limit 1000b overhead 300"),
        ("linklayer atm", "rate 20Kbit burst 1696b/1 mpu 0b limit 1000b linklayer atm"),
        ("peakrate 30kbit mtu 1540", "rate 20Kbit burst 1500b/1 mpu 0b peakrate 30Kbit"),
    ] {
        let words = format!("tbf rate 20kbit burst 1500 limit 1000 {words}");
        let said = world
            .run("bucket", &format!("tc::device(\"eth0\").ensure(\"root\", \"{words}\"); print(tc::device(\"eth0\").words(\"root\"));"));
        assert!(said.code == Some(0) && said.out.contains("rate 20Kbit burst 1500b"), "{said:?}");
        assert!(shows(shown), "{shown}: {:?}", queues());
        let after = world.state();
        // What tc sets in the same words is the same, and comes back.
        tc("qdisc del dev eth0 root");
        tc(&format!("qdisc add dev eth0 root handle 8001: {words}"));
        assert_eq!(world.state(), after, "{words}");
        assert!(world.run("bucket", "tc::qdisc(\"replace dev eth0 root handle 1: pfifo\");").code == Some(0));
        world.undo();
        assert_eq!(world.state(), after, "{words}");
        world.undo();
        assert_eq!(world.state(), before, "{words}");
    }
}

fn a_token_bucket_slows_packets_down(world: &World) {
    let free = throughput(world);
    world.run("bucket", "tc::device(\"eth0\").ensure(\"root\", \"tbf rate 8mbit burst 32kb latency 100ms\");");
    let slow = throughput(world);
    world.undo();
    let again = throughput(world);
    // Eight megabits are a million bytes; the first burst comes at once.
    assert!((500_000.0..1_300_000.0).contains(&slow), "{free} {slow} {again}");
    assert!(free > 10.0 * slow && again > 10.0 * slow, "{free} {slow} {again}");
}

fn classes_share_a_rate(world: &World) {
    let text = "let eth0 = tc::device(\"eth0\"); eth0.add(\"root\", \"handle 1: htb default 10\"); eth0.add_class(\"1:1\", \"htb rate 16mbit burst 32kb\");
         eth0.add_class(\"1:10\", #{ kind: \"htb\", parent: \"1:1\", rate: rate(\"8mbit\"), burst: \"32kb\", cburst: \"32kb\" });";
    assert_eq!(world.run("classes", text).code, Some(0));
    let slow = throughput(world);
    world.undo();
    assert!((500_000.0..1_300_000.0).contains(&slow), "{slow}");
}

fn a_thousand_classes_are_one_batch(world: &World) {
    let before = world.state();
    let text = "let eth0 = tc::device(\"eth0\"); eth0.add(\"root\", \"handle 1: htb\");
         let all = []; for n in 1..=1000 { all.push(`add dev eth0 parent 1: classid 1:${n} htb rate 1mbit`); } tc::class(all);";
    let said = world.run("many", text);
    assert!(said.code == Some(0) && said.err.contains("1001 changes"), "{said:?}");
    assert_eq!(tc("class show dev eth0").lines().count(), 1000);
    world.undo();
    assert_eq!(world.state(), before);
}

fn what_a_run_has_made_anew_is_not_what_it_took_away(world: &World) {
    let anew = |class: &str| {
        format!(
            "let eth0 = tc::device(\"eth0\"); eth0.absent(\"root\"); eth0.ensure(\"root\", \"handle 1: htb\"); eth0.ensure_class(\"{class}\", \"htb rate 1mbit\");"
        )
    };
    let mut states = vec![world.state()];
    for (number, class) in ["1:1", "1:2", "1:3"].into_iter().enumerate() {
        world.fyke_well(&["run", &world.recipe(&format!("run{number}"), &anew(class))]);
        states.push(world.state());
    }
    for _ in 0..3 {
        assert_eq!(Some(&world.state()), states.pop().as_ref());
        world.undo();
    }
    assert_eq!(Some(&world.state()), states.pop().as_ref());
}
