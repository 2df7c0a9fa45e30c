//! What others have in namespaces that a run has made or taken away: their namespaces of the same names, their links, and their processes.

use super::netns::{Inside, inode};
use super::world::{World, in_a_world, ip, tool};

in_a_world! {
    what_is_kept_aside_stays_there_while_somebody_has_its_name
    a_name_that_another_namespace_has_is_left_to_it
    what_leads_out_of_a_namespace_is_not_taken_along
    the_parameters_of_a_link_go_with_it
}

fn what_is_kept_aside_stays_there_while_somebody_has_its_name(world: &World) {
    let before = world.state();
    ip("netns add blue");
    ip("-n blue link add kept type veth peer name other");
    let (first, said) = (inode("blue"), world.run("del", "netns::del(\"blue\");"));
    assert_eq!(said.code, Some(0), "{said:?}");
    ip("netns add blue");
    for force in [&["undo", "last"][..], &["undo", "--force", "last"]] {
        let left = world.fyke(force);
        let why = "another namespace has this name by now";
        assert!(left.code == Some(3) && left.out.contains(why) && left.out.contains("it has no name that it could go back to"), "{left:?}");
    }
    ip("netns del blue");
    world.undo();
    assert_eq!(inode("blue"), first);
    assert!(tool("ip", &["-n", "blue", "-br", "link"], "").contains("kept"));
    ip("netns del blue");
    assert_eq!(world.state(), before);
}

fn a_name_that_another_namespace_has_is_left_to_it(world: &World) {
    let before = world.state();
    let said = world.run("add", "netns::add(\"blue\").run(|| link::add(\"a type veth peer name b\"));");
    assert_eq!(said.code, Some(0), "{said:?}");
    world.undo();
    ip("netns add blue");
    let theirs = inode("blue");
    let refused = world.fyke(&["redo", "last"]);
    assert!(refused.code != Some(0) && refused.err.contains("another namespace has this name by now"), "{refused:?}");
    // It is lifted still, and to lift it once more takes nothing away.
    assert!(world.fyke_well(&["status"]).out.is_empty());
    assert_ne!(world.fyke(&["undo", "--force", "last"]).code, Some(0));
    assert_eq!(inode("blue"), theirs);
    ip("netns del blue");
    world.fyke_well(&["redo", "last"]);
    assert!(tool("ip", &["-n", "blue", "-br", "link"], "").contains("a@b"));
    world.undo();
    assert_eq!(world.state(), before);
}

fn what_leads_out_of_a_namespace_is_not_taken_along(world: &World) {
    let before = world.state();
    let makes = "let one = netns::add(\"one\"); one.run(|| link::add(\"in0 type veth peer name in1\")); netns::add(\"two\");
        link::add(\"up1 up type veth peer name eth0 netns one\");";
    let said = world.run("makes", makes);
    assert_eq!(said.code, Some(0), "{said:?}");
    // Somebody has an address on our link, and a link of his own in the namespace.
    ip("addr add 203.0.113.9/24 dev up1");
    ip("link add theirs type veth peer name inside netns one");
    for _ in 0..2 {
        let left = world.fyke(&["undo", "last"]);
        assert_eq!(left.code, Some(3), "{left:?}");
        assert!(left.out.contains("the link") && left.out.contains("which leads out of it, would be gone with it"), "{left:?}");
        assert!(ip("addr show dev up1").contains("203.0.113.9") && ip("link show dev theirs").contains("theirs"));
        assert!(!ip("netns list").contains("two") && !tool("ip", &["-n", "one", "link"], "").contains("in0"));
    }
    ip("addr del 203.0.113.9/24 dev up1");
    ip("link del theirs");
    world.undo();
    assert_eq!(world.state(), before);
}

fn the_parameters_of_a_link_go_with_it(world: &World) {
    let before = world.state();
    let script = "netns::add(\"blue\").run(|| { sysctl::set(\"net.ipv4.ip_forward\", 1); link::add(\"k0 type veth peer name k1\"); });
        netns::enter(\"blue\", || { sysctl::set(\"net.ipv4.ip_forward\", 0); link::add(\"k2 type veth peer name k3\"); });";
    let said = world.run("both", script);
    assert_eq!(said.code, Some(0), "{said:?}");
    // Something is in it, so that it is lifted piece by piece.
    let inside = Inside::start(&["ip", "netns", "exec", "blue"]);
    let left = world.fyke(&["undo", "last"]);
    assert!(left.code == Some(3) && left.out.contains("a process is in it"), "{left:?}");
    assert!(!left.out.contains("somebody took it away") && !left.out.contains("somebody put it back"), "{left:?}");
    drop(inside);
    world.undo();
    assert_eq!(world.state(), before);
}
