//! Links that are moved to other network namespaces, and veths whose other end is there: packets, the way back, and what others have done meanwhile.

use std::process::{Child, Command, Stdio};

use super::link::FOREIGN;
use super::world::{World, in_a_world, ip, links, tool, until};

in_a_world! {
    a_moved_link_carries_packets_and_comes_back
    a_link_comes_back_with_all_that_the_move_took
    a_namespace_is_named_found_by_a_path_or_by_a_process
    a_veth_is_made_with_its_other_end_elsewhere
    what_is_listed_can_be_made_again
    what_others_put_on_a_link_elsewhere_stays
    what_is_gone_with_its_namespace_stays_gone
    a_later_run_stands_on_a_link_that_was_put_there
    a_link_goes_from_one_namespace_to_the_next_and_home
    what_cannot_be_moved_is_said
    a_plan_knows_what_is_elsewhere
}

const PAIR: &str = "link add left0 type veth peer name right0\naddr add 203.0.113.1/24 dev left0\nlink set left0 up\nlink set right0 up\n";

/// Moves one end, and gives it an address there.
const MOVE: &str = "\
link::get(\"right0\").set(\"netns lab\");
netns::enter(\"lab\", || {
    let end = link::get(\"right0\");
    end.up();
    end.addresses().add(\"203.0.113.2/24\");
});
";

fn answers(address: &str) -> bool {
    Command::new("ping").args(["-q", "-c", "1", "-W", "1", address]).stdout(Stdio::null()).status().unwrap().success()
}

/// Gives what ip(8) lists of the links of a namespace and of what is on them.
fn links_in(name: &str) -> String {
    tool("ip", &["-n", name, "-br", "address"], "") + &tool("ip", &["-n", name, "route"], "")
}

fn a_moved_link_carries_packets_and_comes_back(world: &World) {
    ip("netns add lab");
    tool("ip", &["-batch", "-"], PAIR);
    let (before, there) = (world.state(), links_in("lab"));
    let said = world.fyke_well(&["plan", &world.recipe("move", MOVE)]);
    assert!(said.out.contains("  ~ right0 netns lab\n") && !said.out.contains("- right0"), "{said:?}");
    assert_eq!((world.state(), links_in("lab")), (before.clone(), there.clone()));
    assert!(!answers("203.0.113.2"));
    world.does("move", MOVE);
    until("the moved end answers", || answers("203.0.113.2"));
    assert!(!links().iter().any(|line| line.contains("\"ifname\":\"right0\"")));
    let (after, moved) = (world.state(), links_in("lab"));
    assert!(!world.fyke_well(&["status"]).out.contains("drift"));
    world.undo();
    assert_eq!((world.state(), links_in("lab")), (before.clone(), there.clone()));
    assert!(!answers("203.0.113.2"));
    world.fyke_well(&["redo"]);
    until("it answers again", || answers("203.0.113.2"));
    assert_eq!((world.state(), links_in("lab")), (after, moved));
    world.undo();
    assert_eq!((world.state(), links_in("lab")), (before.clone(), there.clone()));
    // A script that fails behind it leaves nothing.
    let said = world.run("throws", &format!("{MOVE}throw \"as asked\";"));
    assert!(said.code == Some(1) && said.err.contains("as asked"), "{said:?}");
    assert_eq!((world.state(), links_in("lab")), (before, there));
    ip("link del left0");
    ip("netns del lab");
}

fn a_link_comes_back_with_all_that_the_move_took(world: &World) {
    ip("netns add lab");
    tool("ip", &["-batch", "-"], FOREIGN);
    ip("link add br7 type bridge");
    ip("link set right0 master br7");
    tool("tc", &["qdisc", "add", "dev", "left0", "root", "handle", "1:", "pfifo", "limit", "7"], "");
    let before = world.state();
    for name in ["left0", "right0"] {
        // It gets another name there, and another index where its own is taken.
        ip("-n lab link add taken index 77 type veth peer name other");
        let script = format!("link::get(\"{name}\").set(#{{ netns: \"lab\", name: \"moved0\" }});");
        world.does("move", &script);
        assert!(links_in("lab").contains("moved0") && !ip("link").contains(&format!(" {name}")));
        assert!(!ip("-n lab -o link show moved0").starts_with("77:"));
        world.undo();
        assert_eq!(world.state(), before, "{name}");
        ip("-n lab link del taken");
        // What it was set to there is set back, too.
        world.does("move", &script);
        ip("-n lab link set moved0 name again0 mtu 1399");
        world.undo();
        assert_eq!(world.state(), before, "{name}");
    }
    tool("ip", &["-batch", "-"], "link del left0\nlink del br7\nroute del 172.16.0.0/12\n");
    ip("netns del lab");
}

/// A process in a namespace of its own.
fn inside() -> Child {
    let child = Command::new("unshare").args(["--net", "sleep", "1000"]).stdout(Stdio::null()).spawn().unwrap();
    let comm = format!("/proc/{}/comm", child.id());
    until("the process sleeps", || std::fs::read_to_string(&comm).is_ok_and(|name| name == "sleep\n"));
    child
}

fn a_namespace_is_named_found_by_a_path_or_by_a_process(world: &World) {
    ip("netns add lab");
    tool("ip", &["-batch", "-"], PAIR);
    let mut process = inside();
    let pid = process.id().to_string();
    let before = world.state();
    let there = |words: &[&str]| tool(words[0], &[&words[1..], &["ip", "link"]].concat(), "").contains("right0");
    let (named, inside): (&[&str], &[&str]) = (&["ip", "netns", "exec", "lab"], &["nsenter", "--net", "--target", &pid]);
    let words = [
        ("\"netns lab\"".to_owned(), named),
        ("#{ netns: netns::get(\"lab\") }".to_owned(), named),
        ("\"netns /run/netns/lab\"".to_owned(), named),
        (format!("#{{ netns: {pid} }}"), inside),
        (format!("\"netns /proc/{pid}/ns/net\""), inside),
        ("#{ netns: netns::of_pid(PID) }".replace("PID", &pid), inside),
    ];
    for (words, way) in words {
        world.does("move", &format!("link::get(\"right0\").set({words});"));
        assert!(there(way), "{words}");
        world.undo();
        assert_eq!(world.state(), before, "{words}");
    }
    // Where it is already, there is nothing to do.
    let said = world.run("here", "link::get(\"right0\").set(\"netns /proc/self/ns/net\");");
    assert!(said.code == Some(0) && said.err.contains("nothing changed"), "{said:?}");
    process.kill().unwrap();
    process.wait().unwrap();
    ip("link del left0");
    ip("netns del lab");
}

const WIRE: &str = "\
netns::ensure(\"lab\");
link::ensure(#{ name: \"a0\", kind: \"veth\", up: true, peer: #{ name: \"b0\", netns: \"lab\" } }).addresses().ensure(\"203.0.113.1/24\");
netns::enter(\"lab\", || {
    let end = link::get(\"b0\");
    end.set(\"up\");
    end.addresses().ensure(\"203.0.113.2/24\");
});
";

fn a_veth_is_made_with_its_other_end_elsewhere(world: &World) {
    let before = world.state();
    let said = world.fyke_well(&["plan", "--commands", &world.recipe("wire", WIRE)]);
    assert!(said.out.contains("ip link add name a0 type veth peer name b0 netns lab\n"), "{said:?}");
    assert_eq!(world.state(), before);
    world.does("wire", WIRE);
    until("the far end answers", || answers("203.0.113.2"));
    let after = (world.state(), links_in("lab"));
    let again = world.run("wire", WIRE);
    assert!(again.code == Some(0) && again.err.contains("nothing changed"), "{again:?}");
    world.fyke_well(&["undo", "last"]);
    assert_eq!(world.state(), before);
    world.fyke_well(&["redo"]);
    until("the far end answers again", || answers("203.0.113.2"));
    assert_eq!(links_in("lab"), after.1);
    world.undo();
    assert_eq!(world.state(), before);
    // In one that is there, in the words of ip(8), and under the same name.
    ip("netns add lab");
    let there = (world.state(), links_in("lab"));
    world.does("words", "link::add(\"a0 mtu 1400 up type veth peer name a0 netns lab\");");
    assert!(ip("link show a0").contains("mtu 1400") && links_in("lab").contains("a0@"));
    world.undo();
    assert_eq!((world.state(), links_in("lab")), there);
    // Two recipes rely on it: it goes with the second.
    let script = "link::ensure(\"a0 type veth peer name b0 netns lab\");";
    world.does("first", script);
    let said = world.run("second", script);
    assert!(said.code == Some(0) && said.err.contains("relies on what another recipe has set"), "{said:?}");
    world.fyke_well(&["undo", "--recipe", "first"]);
    assert!(links_in("lab").contains("b0@"));
    let said = world.run("other", "link::ensure(\"a0 type veth peer name c0 netns lab\");");
    assert!(said.code == Some(1) && said.err.contains("its other end is not c0 in the network namespace lab"), "{said:?}");
    world.fyke_well(&["undo", "--recipe", "second"]);
    assert_eq!((world.state(), links_in("lab")), there);
    ip("netns del lab");
}

fn what_is_listed_can_be_made_again(world: &World) {
    ip("netns add lab");
    let before = world.state();
    world.does("wire", "link::add(\"a0 type veth peer name b0 netns lab\");");
    let plain = |lines: Vec<String>| {
        lines
            .into_iter()
            .filter(|line| line.contains("\"a0\""))
            .map(|line| line.split("\"ifname\"").nth(1).unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let peer = "let one = link::list().filter(|one| one.name == \"a0\")[0]; print(one.peer.name + \" in \" + one.peer.netns);";
    assert_eq!(world.fyke_well(&["eval", peer]).out, "b0 in lab\n");
    let map = world.fyke_well(&["eval", "let map = link::get(\"a0\").to_map(); map.remove(\"index\"); print(map.to_json());"]).out;
    let first = links().into_iter().filter(|line| line.contains("\"a0\"")).count();
    world.undo();
    assert_eq!(world.state(), before);
    world.does("again", &format!("link::add(parse_json(`{}`));", map.trim()));
    assert!(first == 1 && plain(links()).len() == 1 && links_in("lab").contains("b0@"), "{map}");
    assert_eq!(world.fyke_well(&["eval", peer]).out, "b0 in lab\n");
    world.undo();
    assert_eq!(world.state(), before);
    ip("netns del lab");
}

fn what_others_put_on_a_link_elsewhere_stays(world: &World) {
    ip("netns add lab");
    tool("ip", &["-batch", "-"], PAIR);
    let before = world.state();
    for (script, name) in
        [("link::get(\"right0\").set(\"netns lab\");", "right0"), ("link::add(\"a0 type veth peer name b0 netns lab\");", "b0")]
    {
        world.does("put", script);
        ip(&format!("-n lab addr add 203.0.113.9/24 dev {name}"));
        let said = world.fyke(&["undo", "last"]);
        let told = format!("link {name} in the network namespace lab: somebody else put something on it there");
        assert!(said.code == Some(3) && said.out.contains(&told), "{said:?}");
        assert_eq!(said.out.matches("drift").count(), 1 + usize::from(name == "b0"), "{said:?}");
        assert!(links_in("lab").contains("203.0.113.9"));
        ip(&format!("-n lab addr del 203.0.113.9/24 dev {name}"));
        world.fyke_well(&["undo", "last"]);
        assert_eq!(world.state(), before);
        world.does("put", script);
        ip(&format!("-n lab addr add 203.0.113.9/24 dev {name}"));
        world.fyke_well(&["undo", "--force", "last"]);
        assert_eq!(world.state(), before);
    }
    ip("link del left0");
    ip("netns del lab");
}

fn what_is_gone_with_its_namespace_stays_gone(world: &World) {
    ip("netns add lab");
    tool("ip", &["-batch", "-"], PAIR);
    world.does("move", MOVE);
    ip("netns del lab");
    until("the wire is gone", || !ip("link").contains("left0"));
    let said = world.undo();
    assert!(said.out.contains("link right0 in the network namespace lab: somebody took it away"), "{said:?}");
    assert!(!ip("link").contains("right0"));
    // One that lost its name only is found all the same.
    ip("netns add lab");
    tool("ip", &["-batch", "-"], PAIR);
    let before = links();
    world.does("move", MOVE);
    world.does("aside", "netns::del(\"lab\");");
    world.fyke_well(&["undo", "--recipe", "move", "--force"]);
    assert_eq!(links(), before);
    world.undo();
    ip("link del left0");
    ip("netns del lab");
}

fn a_later_run_stands_on_a_link_that_was_put_there(world: &World) {
    ip("netns add lab");
    let before = world.state();
    world.does("wire", "link::add(\"a0 type veth peer name b0 netns lab\");");
    world.does("later", "netns::enter(\"lab\", || link::get(\"b0\").addresses().add(\"203.0.113.2/24\"));");
    let said = world.fyke(&["undo", "--recipe", "wire"]);
    assert!(said.code == Some(1) && said.err.contains("came later and builds on it: address 203.0.113.2/24 of the link b0"), "{said:?}");
    world.fyke_well(&["undo", "--all"]);
    assert_eq!(world.state(), before);
    ip("netns del lab");
}

const TOUR: &str = "\
netns::add(\"one\");
netns::add(\"two\");
link::add(\"left0 type veth peer name right0\");
link::get(\"right0\").set(\"netns one\");
netns::enter(\"one\", || link::get(\"right0\").set(\"netns two name far0\"));
netns::enter(\"two\", || link::get(\"far0\").up());
";

fn a_link_goes_from_one_namespace_to_the_next_and_home(world: &World) {
    let before = world.state();
    world.does("tour", TOUR);
    assert!(links_in("two").contains("far0@") && !links_in("one").contains("right0"));
    let with = world.state();
    let back = format!("netns::enter(\"two\", || link::get(\"far0\").set(\"netns {} name home0\"));", std::process::id());
    world.does("back", &back);
    assert!(ip("link").contains("home0@left0"));
    world.undo();
    assert_eq!(world.state(), with);
    world.undo();
    assert_eq!(world.state(), before);
    world.fyke_well(&["redo"]);
    assert!(links_in("two").contains("far0@"));
    world.undo();
    assert_eq!(world.state(), before);
}

fn what_cannot_be_moved_is_said(world: &World) {
    ip("netns add lab");
    ip("-n lab link add right0 type veth peer name other0");
    tool("ip", &["-batch", "-"], PAIR);
    tool(
        "ip",
        &["-batch", "-"],
        "link add br7 type bridge\nlink set br7 up\naddr add 203.0.113.77/24 dev br7\nroute add 10.0.0.0/8 via 203.0.113.78\n",
    );
    let before = world.state();
    let cases = [
        ("link::get(\"right0\").set(\"netns nolab\");", "cannot use the network namespace nolab: there is no such namespace"),
        ("link::get(\"right0\").set(\"netns lav\");", "did you mean `lab`?"),
        ("link::get(\"right0\").set(\"netns /run/netns/nolab\");", "No such file or directory"),
        ("link::get(\"right0\").set(\"netns /dev/null\");", "it is no namespace"),
        ("link::get(\"right0\").set(\"netns 4194304\");", "there is no such process"),
        ("link::get(\"right0\").set(\"netns\");", "nothing follows \"netns\""),
        ("link::get(\"right0\").set(\"netns ..\");", "that is a folder"),
        ("link::get(\"right0\").set(\"netns lab up\");", "only `name` is set together with `netns`, not up"),
        (
            "link::get(\"right0\").set(\"netns lab\");",
            "cannot call a link right0: there is one of this name already in the network namespace lab",
        ),
        ("link::add(\"a0 type veth peer name right0 netns lab\");", "there is one of this name already in the network namespace lab"),
        ("link::add(\"a0 type veth peer name b0 netns nolab\");", "there is no such namespace"),
        ("link::add(#{ name: \"a0\", kind: \"veth\", peer: #{ name: \"b0\", mtu: 1400, netns: \"lab\" } });", "it has a key \"mtu\""),
        ("link::add(\"a0 netns lab type bridge\");", "a link is made in the namespace of the script"),
        // What the kernel refuses has lost nothing.
        ("link::get(\"br7\").set(\"netns lab\");", "cannot move the link br7 to the network namespace lab: "),
        ("link::get(\"lo\").set(\"netns lab name low\");", "cannot move the link lo to the network namespace lab: "),
    ];
    for (script, why) in cases {
        let said = world.run("wrong", script);
        let told = said.err.contains(why) && said.err.contains("wrong.rhai:1:");
        assert!([Some(1), Some(2)].contains(&said.code) && told, "{script}: {said:?}");
        assert_eq!(world.state(), before, "{script}");
    }
    // The kernel says why in words of its own, as it does to ip(8).
    let said = world.run("wrong", "link::get(\"br7\").set(\"netns lab\");");
    let theirs = Command::new("ip").args(["link", "set", "br7", "netns", "lab"]).output().unwrap();
    let theirs = String::from_utf8_lossy(&theirs.stderr).into_owned();
    let words =
        theirs.lines().next().unwrap().trim_start_matches("Error: ").trim_start_matches("RTNETLINK answers: ").trim_end_matches('.');
    assert!(said.err.contains(words) && said.err.contains("a bridge, a bond, the loopback"), "{words}: {said:?}");
    tool("ip", &["-batch", "-"], "link del left0\nlink del br7\n");
    ip("netns del lab");
}

fn a_plan_knows_what_is_elsewhere(world: &World) {
    ip("netns add lab");
    tool("ip", &["-batch", "-"], PAIR);
    let before = world.state();
    let script = format!(
        "{MOVE}{WIRE}print(link::find(\"right0\"));
netns::enter(\"lab\", || {{ print(link::get(\"right0\").is_up); print(link::get(\"b0\").name); link::get(\"right0\").set(\"netns PID name home0\"); print(link::find(\"right0\")); }});
print(link::get(\"home0\").is_up);"
    );
    let script = script.replace("PID", &std::process::id().to_string());
    for verb in ["plan", "run"] {
        let said = world.fyke_well(&[verb, &world.recipe("known", &script)]);
        assert!(
            format!("{}{}", said.out, said.err).contains("\ntrue\nb0\n\nfalse\n") || said.out.contains("true\nb0\n\nfalse\n"),
            "{verb}: {said:?}"
        );
    }
    world.undo();
    assert_eq!(world.state(), before);
    ip("link del left0");
    ip("netns del lab");
}
