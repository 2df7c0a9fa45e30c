//! Network namespaces: made, taken away, found again, and worked in; each change goes where it was made, and comes back from there.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use super::world::{World, in_a_world, ip, on_both, tool, until};

in_a_world! {
    a_namespace_is_as_ip_netns_makes_it
    packets_pass_and_are_dropped_where_the_rule_is
    a_namespace_that_lost_its_name_gets_it_back_as_it_was
    who_is_inside_is_not_turned_out
    what_a_killed_tool_left_half_made_is_finished_or_taken_away
    what_is_gone_with_its_namespace_is_told
    a_namespace_of_the_same_name_is_another_one
    an_error_inside_comes_back_and_is_lifted_everywhere
    namespaces_are_found_by_path_and_by_process
    one_without_a_name_is_gone_with_the_script
    a_program_sees_the_files_of_its_namespace
    a_run_is_seen_and_lifted_from_every_namespace_that_it_changed
    what_was_set_in_a_new_namespace_is_set_again_in_a_newer_one
    a_killed_run_is_lifted_in_every_namespace
    who_does_not_confirm_loses_it_in_every_namespace
    a_plan_makes_nothing_and_knows_what_would_be_there
    two_recipes_share_a_namespace
}

on_both! {
    rules_in_two_namespaces
}

const RULE: &str = "iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 80 -j DROP\");";

/// Gives what iptables lists inside of a namespace, without the tags.
fn rules_in(world: &World, name: &str) -> Vec<String> {
    let program = format!("iptables-{}", world.backend.name());
    let listed = tool("ip", &["netns", "exec", name, &program, "-S"], "");
    listed.lines().filter(|line| line.starts_with("-A")).map(super::world::without_tag).collect()
}

pub(crate) fn inode(name: &str) -> u64 {
    fs::metadata(format!("/run/netns/{name}")).unwrap().ino()
}

/// A process that is in a namespace of its own.
pub(crate) struct Inside(Child);

impl Inside {
    /// Starts one by these words, and waits until it is there.
    pub(crate) fn start(words: &[&str]) -> Self {
        let child = Command::new(words[0]).args(&words[1..]).args(["sleep", "1000"]).stdout(Stdio::null()).spawn().unwrap();
        let comm = format!("/proc/{}/comm", child.id());
        until("the process sleeps", || fs::read_to_string(&comm).is_ok_and(|name| name == "sleep\n"));
        Self(child)
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn a_namespace_is_as_ip_netns_makes_it(world: &World) {
    let before = world.state();
    let script = "netns::ensure(\"blue\"); print(netns::list().map(|n| n.name));";
    let said = world.run("blue", script);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "[\"blue\", \"client\"]\n"), "{said:?}");
    let names = ip("netns list");
    assert_eq!(names.lines().map(|line| line.split(' ').next().unwrap()).collect::<Vec<_>>(), ["blue", "client"]);
    let mode = |name: &str| fs::metadata(format!("/run/netns/{name}")).unwrap().permissions().mode();
    assert_eq!(mode("blue"), mode("client"));
    assert!(tool("ip", &["-n", "blue", "-br", "link"], "").starts_with("lo "));
    let again = world.run("blue", script);
    assert!(again.code == Some(0) && again.err.contains("nothing changed"), "{again:?}");
    let strict = world.run("strict", "netns::add(\"blue\");");
    assert!(strict.code == Some(1) && strict.err.contains("cannot make the network namespace blue: it is there already"), "{strict:?}");
    let typo = world.run("typo", "netns::get(\"bleu\");");
    assert!(typo.code == Some(2) && typo.err.contains("did you mean `blue`?"), "{typo:?}");
    world.undo();
    assert_eq!(world.state(), before);
    // One that ip(8) has made is there, and stays.
    assert_eq!(world.fyke_well(&["eval", "netns::ensure(\"client\"); netns::find(\"blue\") == ()"]).out, "true\n");
    assert_eq!(world.state(), before);
}

fn packets_pass_and_are_dropped_where_the_rule_is(world: &World) {
    let before = world.state();
    let _listener = world.listen(80);
    world.passes("192.0.2.2", 80);
    let rule = "iptables::table(\"filter\").chain(\"OUTPUT\").append(\"-p tcp --dport 80 -j DROP\");";
    let said = world.run("elsewhere", &format!("netns::enter(\"client\", || {{ {rule} }});"));
    assert_eq!(said.code, Some(0), "{said:?}");
    world.is_dropped("192.0.2.2", 80);
    assert!(world.rules("iptables", "OUTPUT").is_empty());
    world.undo();
    world.passes("192.0.2.2", 80);
    assert!(rules_in(world, "client").is_empty());
    // Between two namespaces that fyke has made.
    let makes = "for name in [\"red\", \"blue\"] { netns::add(name); }";
    let said = world.run("makes", makes);
    assert_eq!(said.code, Some(0), "{said:?}");
    ip("link add wire netns red type veth peer name wire netns blue");
    for (name, address) in [("red", "203.0.113.1/30"), ("blue", "203.0.113.2/30")] {
        ip(&format!("-n {name} link set wire up"));
        ip(&format!("-n {name} addr add {address} dev wire"));
    }
    let ping = "let ping = netns::get(\"red\").exec(\"ping\", [\"-c1\", \"-W1\", \"203.0.113.2\"], #{ check: false }).status; print(ping);";
    assert_eq!(world.fyke_well(&["eval", ping]).out, "0\n");
    let said = world.run(
        "drop",
        &format!("{ping} netns::enter(\"blue\", || iptables::table(\"filter\").chain(\"INPUT\").append(\"-p icmp -j DROP\")); {ping}"),
    );
    assert_eq!((said.code, said.out.as_str()), (Some(0), "0\n1\n"), "{said:?}");
    assert!(said.err.contains("! ran `ping -c1 -W1 203.0.113.2` in the network namespace red, which cannot be lifted"), "{said:?}");
    world.undo();
    assert_eq!(world.fyke_well(&["eval", ping]).out, "0\n");
    // The wire is somebody else's, and leads from one to the other.
    let left = world.fyke(&["undo", "last"]);
    assert!(left.code == Some(3) && left.out.contains("the link wire, which leads out of it, would be gone with it"), "{left:?}");
    assert_eq!(world.fyke_well(&["eval", ping]).out, "0\n");
    ip("-n red link del wire");
    world.undo();
    assert_eq!(world.state(), before);
}

fn rules_in_two_namespaces(world: &World) {
    let before = world.state();
    let said = world.run("both", &format!("{RULE} netns::enter(\"client\", || {{ {RULE} {RULE} }}); {RULE}"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!((world.rules("iptables", "INPUT").len(), rules_in(world, "client").len()), (2, 2));
    let said = world.fyke_well(&["status"]);
    assert!(said.out.contains("both, also in client") && !said.out.contains("drift"), "{said:?}");
    world.undo();
    assert_eq!((world.state(), rules_in(world, "client").len()), (before.clone(), 0));
    world.fyke_well(&["redo"]);
    assert_eq!((world.rules("iptables", "INPUT").len(), rules_in(world, "client").len()), (2, 2));
    world.undo();
    assert_eq!((world.state(), rules_in(world, "client").len()), (before, 0));
}

fn a_namespace_that_lost_its_name_gets_it_back_as_it_was(world: &World) {
    ip("netns exec client iptables-nft -A INPUT -p tcp --dport 7 -j DROP");
    let (before, inode_before) = (world.state(), inode("client"));
    let _listener = world.listen(80);
    let said = world.run("gone", "netns::del(\"client\");");
    assert!(said.code == Some(0) && said.err.contains("1 change; lift with"), "{said:?}");
    assert!(!ip("netns list").contains("client"));
    let again = world.run("again", "netns::absent(\"client\"); netns::del(\"client\")");
    assert!(
        again.code == Some(2) && again.err.contains("cannot take away the network namespace client: there is no such thing"),
        "{again:?}"
    );
    world.undo();
    assert_eq!((world.state(), inode("client")), (before.clone(), inode_before));
    assert_eq!(rules_in(world, "client"), ["-A INPUT -p tcp -m tcp --dport 7 -j DROP"]);
    world.passes("192.0.2.2", 80);
    // Taken away, and made anew by the same run; then both back.
    let said = world.run("anew", &format!("netns::del(\"client\"); netns::add(\"client\").run(|| {{ {RULE} }});"));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(rules_in(world, "client"), ["-A INPUT -p tcp -m tcp --dport 80 -j DROP"]);
    world.undo();
    assert_eq!((world.state(), inode("client")), (before.clone(), inode_before));
    // What is taken away for good does not come back, and says so.
    ip("netns add spare");
    let said = world.run("destroy", "netns::destroy(\"spare\");");
    assert!(
        said.code == Some(0)
            && said.err.contains("! took away the network namespace spare, with all that was in it, which cannot be lifted"),
        "{said:?}"
    );
    assert_eq!(world.fyke(&["undo", "last"]).code, Some(2), "nothing that could be lifted is in force");
    ip("netns exec client iptables-nft -F INPUT");
    assert_eq!(world.state(), before);
}

fn who_is_inside_is_not_turned_out(world: &World) {
    let before = world.state();
    let made = world.run("made", "netns::add(\"blue\");");
    assert_eq!(made.code, Some(0), "{made:?}");
    let (one, two) = (Inside::start(&["ip", "netns", "exec", "blue"]), Inside::start(&["ip", "netns", "exec", "blue"]));
    for script in ["netns::del(\"blue\");", "netns::absent(\"blue\");", "netns::destroy(\"blue\");"] {
        for verb in ["run", "plan"] {
            let said = world.fyke(&[verb, &world.recipe("del", script)]);
            assert!(
                said.code != Some(0) && said.err.contains("cannot take away the network namespace blue: 2 processes are in it"),
                "{said:?}"
            );
        }
    }
    let said = world.fyke_well(&["plan", &world.recipe("force", "netns::del(\"blue\", #{ force: true });")]);
    assert!(said.out.contains("- blue (2 processes are in it)"), "{said:?}");
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.out.contains("! drift: network namespace blue: 2 processes are in it"), "{said:?}");
    drop(two);
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.out.contains("a process is in it"), "{said:?}");
    world.fyke_well(&["undo", "--force", "last"]);
    drop(one);
    assert_eq!(world.state(), before);
}

fn what_a_killed_tool_left_half_made_is_finished_or_taken_away(world: &World) {
    let half =
        |name: &str| fs::File::create(format!("/run/netns/{name}")).unwrap().set_permissions(PermissionsExt::from_mode(0o0)).unwrap();
    half("half");
    let before = world.state();
    assert_eq!(world.fyke_well(&["eval", "[netns::find(\"half\") == (), netns::list().len()]"]).out, "true\n1\n");
    for verb in ["add", "ensure"] {
        let plan = world.fyke_well(&["plan", &world.recipe("finish", &format!("netns::{verb}(\"half\");"))]);
        assert!(plan.out.contains("+ half, which was left half made"), "{plan:?}");
        let said = world.run("finish", &format!("netns::{verb}(\"half\").run(|| {{ {RULE} }});"));
        assert_eq!(said.code, Some(0), "{verb}: {said:?}");
        assert_eq!(rules_in(world, "half").len(), 1);
        world.undo();
        assert_eq!(world.state(), before, "{verb}");
    }
    world.fyke_well(&["run", &world.recipe("away", "netns::del(\"half\");")]);
    assert!(!ip("netns list").contains("half"));
    world.undo();
    assert_eq!(world.state(), before);
    fs::remove_file("/run/netns/half").unwrap();
    // What is no namespace and was not to become one is nobody's to take away.
    fs::write("/run/netns/notes", "mine").unwrap();
    let said = world.run("notes", "netns::add(\"notes\");");
    assert!(said.code == Some(1) && said.err.contains("something of that name is in /run/netns"), "{said:?}");
    assert_eq!(fs::read_to_string("/run/netns/notes").unwrap(), "mine");
    fs::remove_file("/run/netns/notes").unwrap();
}

fn what_is_gone_with_its_namespace_is_told(world: &World) {
    let before = world.state();
    ip("netns add blue");
    let said = world.run("inside", &format!("{RULE} netns::enter(\"blue\", || {{ {RULE} {RULE} }});"));
    assert_eq!(said.code, Some(0), "{said:?}");
    ip("netns del blue");
    let said = world.fyke(&["status", "--exit-code"]);
    assert!(said.code == Some(6) && said.out.contains("it is gone with the network namespace blue, and 1 more of this run"), "{said:?}");
    let said = world.undo();
    assert!(said.out.contains("drift: rule in filter/INPUT (IPv4): it is gone with the network namespace blue"), "{said:?}");
    assert!(world.fyke(&["status"]).err.contains("nothing is in force here"));
    assert_eq!(world.state(), before);
}

fn a_namespace_of_the_same_name_is_another_one(world: &World) {
    let before = world.state();
    ip("netns add blue");
    assert_eq!(world.run("inside", &format!("netns::enter(\"blue\", || {{ {RULE} }});")).code, Some(0));
    let made = world.run("made", "netns::add(\"red\");");
    assert_eq!(made.code, Some(0), "{made:?}");
    for name in ["blue", "red"] {
        ip(&format!("netns del {name}"));
        ip(&format!("netns add {name}"));
    }
    ip("netns exec blue iptables-nft -A INPUT -p tcp --dport 80 -j DROP");
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(0) && said.out.contains("network namespace red: another namespace has this name by now"), "{said:?}");
    let said = world.fyke_well(&["undo", "--recipe", "inside"]);
    assert!(said.out.contains("gone with the network namespace blue"), "{said:?}");
    assert_eq!(rules_in(world, "blue").len(), 1, "a rule of somebody else in another namespace");
    assert!(ip("netns list").contains("red"));
    for name in ["blue", "red"] {
        ip(&format!("netns del {name}"));
    }
    assert_eq!(world.fyke(&["undo", "last"]).code, Some(2), "both are lifted");
    assert_eq!(world.state(), before);
}

fn an_error_inside_comes_back_and_is_lifted_everywhere(world: &World) {
    let before = world.state();
    let inside = format!("netns::add(\"blue\").run(|| {{ {RULE} netns::enter(\"client\", || {{ {RULE}\n throw \"as asked\"; }}); }});");
    let said = world.run("throws", &format!("{RULE}\n{inside}"));
    assert!(said.code == Some(1) && said.err.contains("as asked") && said.err.contains("throws.rhai:3:2"), "{said:?}");
    assert_eq!((world.state(), rules_in(world, "client").len()), (before.clone(), 0));
    // One that is caught is about what it is about: what was done before stays, and the rest is done at home.
    let caught = format!(
        "try {{ netns::enter(\"client\", || {{ {RULE} netns::enter(\"client\", || {{ throw 1; }}); }}); }} catch {{ print(\"caught\"); }}
iptables::table(\"filter\").chain(\"FORWARD\").append(\"-j ACCEPT\");"
    );
    let said = world.run("caught", &caught);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "caught\n"), "{said:?}");
    assert_eq!((rules_in(world, "client").len(), world.rules("iptables", "FORWARD").len()), (1, 1));
    assert!(world.rules("iptables", "INPUT").is_empty());
    world.undo();
    // A refused rule is told where it stands, and what exit leaves is what was done.
    let said =
        world.run("refused", "netns::enter(\"client\", || {\n  iptables::table(\"filter\").chain(\"INPUT\").append(\"-j NOWHERE\");\n});");
    assert!(said.code == Some(1) && said.err.contains("refused.rhai:2:") && said.err.contains("NOWHERE"), "{said:?}");
    let said = world.run("exits", &format!("netns::enter(\"client\", || {{ {RULE} exit(64); }});"));
    assert_eq!((said.code, rules_in(world, "client").len()), (Some(64), 1), "{said:?}");
    world.undo();
    assert_eq!((world.state(), rules_in(world, "client").len()), (before, 0));
}

fn namespaces_are_found_by_path_and_by_process(world: &World) {
    let before = world.state();
    let process = Inside::start(&["unshare", "--net"]);
    let pid = process.pid();
    let listed = || tool("nsenter", &["--net", "--target", &pid, "iptables-nft", "-S", "INPUT"], "");
    let empty = listed();
    for word in [format!("netns::of_pid({pid})"), format!("netns::get(\"/proc/{pid}/ns/net\")")] {
        let said = world.run("found", &format!("let it = {word}; it.run(|| {{ {RULE} }}); print(it.name);"));
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(listed().contains("--dport 80"));
        world.undo();
        assert_eq!(listed(), empty, "{word}");
    }
    // A process that is gone has taken its namespace along, whoever has its number next.
    assert_eq!(world.run("found", &format!("netns::of_pid({pid}).run(|| {{ {RULE} }});")).code, Some(0));
    drop(process);
    let said = world.undo();
    assert!(said.out.contains(&format!("gone with the network namespace pid:{pid}")), "{said:?}");
    let said = world.run("nobody", &format!("netns::of_pid({pid})"));
    assert!(said.code == Some(2) && said.err.contains("there is no such process"), "{said:?}");
    // The host's own is where the script is at home.
    assert_eq!(world.run("own", &format!("netns::get(\"/proc/self/ns/net\").run(|| {{ {RULE} }});")).code, Some(0));
    assert_eq!(world.rules("iptables", "INPUT").len(), 1);
    world.undo();
    assert_eq!(world.state(), before);
}

fn one_without_a_name_is_gone_with_the_script(world: &World) {
    let before = world.state();
    let script = format!(
        "let it = netns::anonymous(); it.run(|| {{ {RULE} sysctl::set(\"net.ipv4.ip_forward\", 1); }}); print(it.exec(\"iptables-nft\", [\"-S\", \"INPUT\"]).output);"
    );
    let said = world.run("anonymous", &script);
    assert!(said.code == Some(0) && said.out.contains("--dport 80"), "{said:?}");
    let said = world.undo();
    assert!(said.out.contains("gone with the network namespace anonymous"), "{said:?}");
    assert_eq!(world.state(), before);
}

fn a_program_sees_the_files_of_its_namespace(world: &World) {
    let before = world.state();
    let own = world.folder.path().join("etc");
    // Not the machine's own /etc.
    fs::create_dir_all(own.join("netns/blue")).unwrap();
    for name in ["hosts", "passwd", "nsswitch.conf", "protocols", "services"] {
        let _ = fs::copy(format!("/etc/{name}"), own.join(name));
    }
    fs::write(own.join("resolv.conf"), "nameserver 192.0.2.1\n").unwrap();
    fs::write(own.join("netns/blue/resolv.conf"), "nameserver 192.0.2.99\n").unwrap();
    tool("mount", &["--bind", own.to_str().unwrap(), "/etc"], "");
    let script = "let blue = netns::ensure(\"blue\");
print(blue.exec(\"cat\", [\"/etc/resolv.conf\"]).output);
print(sys::run([\"cat\", \"/etc/resolv.conf\"]).output);
print(blue.exec(\"ls\", [\"/sys/class/net\"]).output);
print(netns::get(\"client\").exec(\"cat\", [\"/etc/resolv.conf\"]).output);";
    let said = world.run("files", script);
    let seen: Vec<&str> = said.out.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!((said.code, seen[0], seen[1]), (Some(0), "nameserver 192.0.2.99", "nameserver 192.0.2.1"), "{said:?}");
    if world.is_root {
        assert_eq!(seen[2..], ["lo", "nameserver 192.0.2.1"], "{said:?}");
    }
    world.undo();
    // A file that has nothing to stand for would not be seen.
    fs::write(own.join("netns/blue/odd.conf"), "").unwrap();
    let said = world.run("odd", "netns::ensure(\"blue\").exec(\"true\", []);");
    assert!(said.code == Some(1) && said.err.contains("would stand in the place of /etc/odd.conf, which is not there"), "{said:?}");
    tool("umount", &["/etc"], "");
    assert_eq!(world.state(), before);
}

fn a_run_is_seen_and_lifted_from_every_namespace_that_it_changed(world: &World) {
    // What is remembered of a run in a namespace that has a name is none of the machine's business.
    tool("mount", &["-t", "tmpfs", "tmpfs", "/var/lib"], "");
    let before = world.state();
    ip("netns add other");
    let said = world.run("far", &format!("{RULE} netns::enter(\"client\", || {{ {RULE} }});"));
    assert_eq!(said.code, Some(0), "{said:?}");
    let said = world.fyke_well(&["--netns", "client", "status"]);
    assert!(said.out.contains("far, also in pid:") && said.out.contains("in force"), "{said:?}");
    assert!(world.fyke_well(&["--netns", "client", "history"]).out.contains("  done"));
    assert!(world.fyke_well(&["--netns", "other", "history"]).out.contains("done, in another namespace"));
    assert!(world.fyke_well(&["--netns", "other", "status"]).err.contains("nothing is in force here"));
    let shown = world.fyke_well(&["history", "last"]);
    assert!(shown.out.contains("in the network namespace client\nfilter (IPv4)"), "{shown:?}");
    let said = world.fyke_well(&["--netns", "client", "undo", "last"]);
    assert!(!said.out.contains("drift"), "{said:?}");
    assert!(rules_in(world, "client").is_empty() && world.rules("iptables", "INPUT").is_empty());
    ip("netns del other");
    tool("umount", &["/var/lib"], "");
    assert_eq!(world.state(), before);
}

fn what_was_set_in_a_new_namespace_is_set_again_in_a_newer_one(world: &World) {
    let before = world.state();
    let said = world.run("makes", &format!("netns::add(\"blue\").run(|| {{ {RULE} }}); {RULE}"));
    assert_eq!(said.code, Some(0), "{said:?}");
    for _ in 0..2 {
        world.undo();
        assert_eq!(world.state(), before);
        let said = world.fyke_well(&["redo"]);
        assert!(!said.out.contains("drift"), "{said:?}");
        assert_eq!((rules_in(world, "blue").len(), world.rules("iptables", "INPUT").len()), (1, 1));
        assert!(!world.fyke_well(&["status"]).out.contains("drift"));
    }
    world.undo();
    assert_eq!(world.state(), before);
}

fn a_killed_run_is_lifted_in_every_namespace(world: &World) {
    let before = world.state();
    let script = format!(
        "{RULE} netns::add(\"blue\").run(|| {{ {RULE} netns::enter(\"client\", || {{ {RULE} commit(); print(\"there\"); sleep(1000); }}); }});"
    );
    let path = world.recipe("held", &script);
    for both in [false, true] {
        let running = world.start(&["run", &path], "there");
        assert_eq!(rules_in(world, "client").len(), 1);
        let runner = running.runner();
        if both {
            kill(running.guardian(), Signal::SIGKILL).unwrap();
        }
        let _ = kill(runner, Signal::SIGKILL);
        let said = running.end();
        if both {
            until("the runner is dead", || world.fyke(&["recover"]).code == Some(0) && world.state() == before);
        } else {
            assert!(said.err.contains("killed"), "{said:?}");
        }
        assert_eq!((world.state(), rules_in(world, "client").len()), (before.clone(), 0));
    }
}

fn who_does_not_confirm_loses_it_in_every_namespace(world: &World) {
    let before = world.state();
    let path =
        world.recipe("armed", &format!("{RULE} netns::add(\"blue\").run(|| {{ {RULE} }}); netns::enter(\"client\", || {{ {RULE} }});"));
    let said = world.fyke_well(&["run", "--confirm", "5s", &path]);
    assert_eq!((rules_in(world, "client").len(), rules_in(world, "blue").len()), (1, 1), "{said:?}");
    std::thread::sleep(Duration::from_secs(5));
    until("all is lifted", || world.state() == before && rules_in(world, "client").is_empty());
}

fn a_plan_makes_nothing_and_knows_what_would_be_there(world: &World) {
    let before = world.state();
    let script = "let blue = netns::add(\"blue\");
blue.run(|| {
    iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp -m tcp --dport 22 -j DROP\");
    sysctl::set(\"net.ipv4.tcp_ecn\", 1);
    print(iptables::table(\"filter\").chain(\"INPUT\").list().len());
});
netns::enter(\"client\", || iptables::table(\"filter\").chain(\"INPUT\").append(\"-j ACCEPT\"));
print(netns::list().map(|n| n.name));
netns::absent(\"client\");
";
    let path = world.recipe("planned", script);
    let plan = world.fyke_well(&["--json", "plan", &path]);
    let planned: serde_json::Value =
        serde_json::from_str(plan.out.lines().last().unwrap()).unwrap_or_else(|_| serde_json::from_str(&plan.out).unwrap());
    assert_eq!((world.state(), rules_in(world, "client").len()), (before.clone(), 0), "{plan:?}");
    let said = world.fyke_well(&["--json", "run", &path]);
    let run: serde_json::Value =
        serde_json::from_str(said.out.lines().last().unwrap()).unwrap_or_else(|_| serde_json::from_str(&said.out).unwrap());
    let told = |document: &serde_json::Value| -> Vec<String> {
        let told = |change: &serde_json::Value| {
            let rule = change["after"]["rule"].as_str().map(super::world::without_tag);
            format!("{} {} {:?} {}", change["object"], change["name"], rule, change["netns"])
        };
        document["changes"].as_array().unwrap().iter().map(told).collect()
    };
    assert_eq!(told(&planned), told(&run));
    assert!(told(&run).iter().any(|line| line.contains("--dport 22") && line.contains("blue")), "{:?}", told(&run));
    world.undo();
    assert_eq!((world.state(), rules_in(world, "client").len()), (before, 0));
}

fn two_recipes_share_a_namespace(world: &World) {
    let before = world.state();
    for name in ["first", "second"] {
        assert_eq!(world.run(name, "netns::ensure(\"blue\");").code, Some(0));
    }
    let said = world.fyke_well(&["undo", "--recipe", "first"]);
    assert!(said.out.contains("= the network namespace blue stays: run "), "{said:?}");
    world.fyke_well(&["undo", "--recipe", "second"]);
    assert_eq!(world.state(), before);
    // Who only works in it stands on who has made it.
    assert_eq!(world.run("first", "netns::ensure(\"blue\");").code, Some(0));
    assert_eq!(world.run("second", &format!("netns::enter(\"blue\", || {{ {RULE} }});")).code, Some(0));
    let said = world.fyke(&["undo", "--recipe", "first"]);
    assert!(said.code == Some(1) && said.err.contains("came later and builds on it"), "{said:?}");
    world.fyke_well(&["undo", "--all"]);
    assert_eq!(world.state(), before);
}
