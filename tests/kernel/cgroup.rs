//! Control groups: what is made and who is moved comes back, whatever others do meanwhile; and processes, found by what is known of them.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, Command};

use super::tree::{groups, unified};
use super::world::{World, in_a_world, tool, until};

in_a_world! {
    a_group_is_made_and_taken_away
    a_process_comes_back_with_its_children
    who_has_ended_is_skipped
    what_others_put_into_a_group_keeps_it
    a_process_that_somebody_moved_is_left
    a_drop_stays_as_long_as_somebody_relies_on_it
    runs_of_two_namespaces_see_each_other
    what_is_not_blocked_is_not_proved
    a_group_of_others_is_not_taken_over
    a_sandbox_changes_no_groups
    processes_are_found
    programs_are_read_as_the_kernel_has_them
}

/// Tells whether the world has control groups of its own, and says so if not.
pub(super) fn has_groups() -> bool {
    let has = !groups().is_empty();
    if !has {
        println!("skipped: no part of the tree of control groups can be had here");
    }
    has
}

/// A process that sleeps, until it is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("10000").spawn().unwrap())
    }

    /// Starts a shell that starts two processes more.
    fn family() -> Self {
        let it = Self(Command::new("sh").args(["-c", "sleep 10000 & sleep 10000 & wait"]).spawn().unwrap());
        until("the children run", || it.children().len() == 2);
        it
    }

    fn children(&self) -> Vec<u32> {
        let pid = self.0.id();
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        for pid in self.children() {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::Signal::SIGKILL);
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tells in which group of the unified hierarchy a process is.
pub(super) fn place(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    text.lines().find_map(|line| line.strip_prefix("0::")).unwrap().to_owned()
}

/// Moves a process as another program would.
fn put(pid: u32, group: &str) {
    fs::write(unified().unwrap().join(group).join("cgroup.procs"), pid.to_string()).unwrap();
}

fn make(group: &str) {
    fs::create_dir(unified().unwrap().join(group)).unwrap();
}

fn remove(group: &str) {
    fs::remove_dir(unified().unwrap().join(group)).unwrap();
}

fn a_group_is_made_and_taken_away(world: &World) {
    if !has_groups() {
        return;
    }
    let before = world.state();
    let recipe =
        world.recipe("groups", "let a = cgroup::ensure_group(\"/a\");\ncgroup::new_group(\"/a/b\").ensure_drop();\nprint(a.list());");
    let plan = world.fyke_well(&["plan", &recipe]);
    assert!(
        plan.out.contains("+ cgroup /a/b\n") && plan.out.contains("egress program fyke_") && plan.out.contains("[\"/a/b\"]"),
        "{plan:?}"
    );
    assert_eq!(world.state(), before);
    let commands = world.fyke_well(&["plan", "--commands", &recipe]).out;
    assert!(commands.contains(&format!("mkdir {}/a/b\n", unified().unwrap().display())), "{commands}");
    world.fyke_well(&["run", &recipe]);
    assert_eq!(groups().keys().collect::<Vec<_>>(), ["/", "/a", "/a/b"]);
    assert_eq!(groups()["/a/b"].len(), 2);
    let wrong = |text: &str| world.fyke(&["eval", text]).err;
    assert!(wrong("cgroup::new_group(\"/a\")").contains("error[exists]"));
    assert!(wrong("cgroup::new_group(\"/x/y\")").contains("there is no cgroup /x"));
    assert!(wrong("cgroup::delete_group(\"/a\")").contains("another one is in it"));
    assert!(wrong("cgroup::group(\"/a/c\")").contains("there is no such group"));
    world.undo();
    assert_eq!(world.state(), before);
    world.fyke_well(&["redo"]);
    assert_eq!(groups()["/a/b"].len(), 2);
    world.undo();
}

fn a_process_comes_back_with_its_children(world: &World) {
    if !has_groups() {
        return;
    }
    let family = Sleeper::family();
    make("home");
    put(family.pid(), "home");
    let before = world.state();
    let text = format!("cgroup::new_group(\"/a\").add(process::get({}));", family.pid());
    world.fyke_well(&["run", &world.recipe("move", &text)]);
    assert_eq!((place(family.pid()), place(family.children()[0])), ("/a".into(), "/".into()));
    world.undo();
    assert_eq!((place(family.pid()), world.state()), ("/home".into(), before));
    // With all below it, and with those that came to be since; what somebody put there goes to the group above.
    let text = format!("cgroup::new_group(\"/a\").add(process::get({}).tree());", family.pid());
    world.fyke_well(&["run", &world.recipe("move", &text)]);
    let children = family.children();
    assert!(children.iter().all(|pid| place(*pid) == "/a"));
    let late = Sleeper::start();
    put(late.pid(), "a");
    world.undo();
    assert_eq!((place(family.pid()), place(children[0]), place(late.pid())), ("/home".into(), "/".into(), "/".into()));
    drop((family, late));
    remove("home");
}

fn who_has_ended_is_skipped(world: &World) {
    if !has_groups() {
        return;
    }
    let sleeper = Sleeper::start();
    let text = format!("cgroup::new_group(\"/a\").add({});", sleeper.pid());
    world.fyke_well(&["run", &world.recipe("move", &text)]);
    let pid = sleeper.pid();
    drop(sleeper);
    let said = world.fyke_well(&["undo", "last"]);
    assert!(said.out.contains(&format!("cgroup of process {pid}")) && said.out.contains("it has ended"), "{said:?}");
    let said = world.fyke(&["eval", &format!("cgroup::group(\"/\").add({pid})")]);
    assert!(said.code == Some(2) && said.err.contains("there is no such process"), "{said:?}");
}

fn what_others_put_into_a_group_keeps_it(world: &World) {
    if !has_groups() {
        return;
    }
    let sleeper = Sleeper::start();
    let text = format!("let a = cgroup::new_group(\"/a\"); a.ensure_drop(); a.add({});", sleeper.pid());
    world.fyke_well(&["run", &world.recipe("move", &text)]);
    make("a/theirs");
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.out.contains("somebody else put a group into it"), "{said:?}");
    assert_eq!((place(sleeper.pid()), groups()["/a"].len()), ("/".into(), 0), "the rest is done");
    remove("a/theirs");
    world.fyke_well(&["undo", "last"]);
    assert!(!groups().contains_key("/a"));
}

fn a_process_that_somebody_moved_is_left(world: &World) {
    if !has_groups() {
        return;
    }
    let sleeper = Sleeper::start();
    make("theirs");
    let text = format!("let a = cgroup::new_group(\"/a\"); a.ensure_drop(); a.add({});", sleeper.pid());
    world.fyke_well(&["run", &world.recipe("move", &text)]);
    put(sleeper.pid(), "theirs");
    assert!(world.fyke_well(&["status"]).out.contains("drift"));
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(3) && said.out.contains("somebody set it to /theirs"), "{said:?}");
    assert_eq!((place(sleeper.pid()), groups().contains_key("/a")), ("/theirs".into(), false));
    world.fyke_well(&["undo", "--force", "last"]);
    assert_eq!(place(sleeper.pid()), "/");
    // A group that somebody has taken away is gone already.
    world.fyke_well(&["run", &world.recipe("move", &text)]);
    put(sleeper.pid(), "");
    remove("a");
    let said = world.fyke_well(&["undo", "last"]);
    assert!(said.out.contains("somebody took it away"), "{said:?}");
    remove("theirs");
}

fn a_drop_stays_as_long_as_somebody_relies_on_it(world: &World) {
    if !has_groups() {
        return;
    }
    make("shared");
    let text = "cgroup::group(\"/shared\").ensure_drop();";
    world.fyke_well(&["run", &world.recipe("first", text)]);
    let said = world.fyke_well(&["run", &world.recipe("second", text)]);
    assert!(said.err.contains("relies on what another recipe has set"), "{said:?}");
    let said = world.fyke_well(&["undo", "--recipe", "first"]);
    assert!(said.out.contains("stays: run ") && groups()["/shared"].len() == 2, "{said:?}");
    world.fyke_well(&["undo", "--recipe", "second"]);
    assert!(groups()["/shared"].is_empty());
    remove("shared");
}

fn runs_of_two_namespaces_see_each_other(world: &World) {
    if !has_groups() {
        return;
    }
    let there = |words: &[&str]| world.fyke(&[&["--netns", "client"], words].concat());
    let before = world.state();
    make("shared");
    let drops = |group: &str| format!("cgroup::group(\"/{group}\").ensure_drop();");
    world.fyke_well(&["run", &world.recipe("first", &drops("shared"))]);
    let said = there(&["run", &world.recipe("second", &drops("shared"))]);
    assert!(said.code == Some(0) && said.err.contains("relies on what another recipe has set"), "{said:?}");
    let said = world.fyke_well(&["undo", "--recipe", "first"]);
    assert!(said.out.contains("stays: run ") && groups()["/shared"].len() == 2, "{said:?}");
    let said = there(&["undo", "--recipe", "second"]);
    assert!(said.code == Some(0) && groups()["/shared"].is_empty(), "{said:?}");
    remove("shared");
    // One from there builds on one from here.
    world.fyke_well(&["run", &world.recipe("maker", "cgroup::ensure_group(\"/a\");")]);
    let said = there(&["run", &world.recipe("maker", "cgroup::ensure_group(\"/a\").ensure_drop();")]);
    assert_eq!(said.code, Some(0), "a group of the same recipe: {said:?}");
    let said = world.fyke(&["undo", "last"]);
    assert!(said.code == Some(1) && said.err.contains("came later and builds on it"), "{said:?}");
    assert_eq!(there(&["undo", "last"]).code, Some(0));
    world.undo();
    // One is at work here, and then it is killed.
    let recipe = world.recipe("long", "cgroup::new_group(\"/b\"); commit(); print(\"made\"); sleep(\"60s\");");
    let running = world.start(&["run", &recipe], "made");
    let takes_away = world.recipe("takes", "cgroup::delete_group(\"/b\");");
    let said = there(&["run", &takes_away]);
    assert!(said.code == Some(4) && said.err.contains("(long) has changed it and is still at work"), "{said:?}");
    for pid in [running.guardian(), running.runner()] {
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    drop(running);
    let said = there(&["run", &takes_away]);
    assert!(said.code == Some(4) && said.err.contains("`fyke recover` in the network namespace "), "{said:?}");
    world.fyke_well(&["recover"]);
    assert_eq!(world.state(), before);
}

fn what_is_not_blocked_is_not_proved(world: &World) {
    if !has_groups() {
        return;
    }
    let before = world.state();
    let said = world.fyke(&["eval", "cgroup::new_group(\"/a\").prove_blocked(\"bpf\")"]);
    assert!(said.code == Some(1) && said.err.contains("an IPv4 datagram of a process in it still leaves"), "{said:?}");
    assert_eq!(world.state(), before, "a run that fails is lifted");
    let rule = "let a = cgroup::new_group(\"/a\"); commit();
        iptables::table(\"filter\").chain(\"OUTPUT\").append(\"-m cgroup --path a -j DROP\"); a.prove_blocked(\"path\")";
    let said = world.fyke(&["eval", rule]);
    assert!(said.code == Some(1) && said.err.contains("an IPv6 datagram of a process in it still leaves"), "{said:?}");
    world.fyke_well(&["eval", "let a = cgroup::new_group(\"/a\"); a.ensure_drop(); a.prove_blocked(\"bpf\")"]);
    tool("ip", &["link", "set", "lo", "down"], "");
    let said = world.fyke(&["eval", "cgroup::group(\"/a\").prove_blocked(\"path\")"]);
    assert!(said.code == Some(1) && said.err.contains("so nothing is proved"), "{said:?}");
    world.fyke_well(&["eval", "cgroup::group(\"/a\").prove_blocked(\"bpf\")"]);
    tool("ip", &["link", "set", "lo", "up"], "");
    world.undo();
    assert_eq!(world.state(), before);
}

fn a_group_of_others_is_not_taken_over(world: &World) {
    if !has_groups() {
        return;
    }
    make("theirs");
    let before = world.state();
    let said = world.fyke(&["eval", "cgroup::ensure_group(\"/theirs\")"]);
    assert!(said.code == Some(1) && said.err.contains("somebody else made one of that name"), "{said:?}");
    let said = world.fyke(&["eval", "cgroup::group(\"/theirs\").ensure_class_id(1)"]);
    assert!(said.code == Some(7) && said.err.contains("only groups of net_cls have one"), "{said:?}");
    assert_eq!(world.state(), before);
    // A run that goes away with it brings it back.
    world.fyke_well(&["eval", "cgroup::delete_group(\"/theirs\")"]);
    assert!(!groups().contains_key("/theirs"));
    world.undo();
    assert_eq!(world.state(), before);
    remove("theirs");
}

fn a_sandbox_changes_no_groups(world: &World) {
    let before = world.state();
    let said = world.fyke(&["--sandbox", "eval", "cgroup::new_group(\"/a\")"]);
    if has_groups() {
        assert!(said.code == Some(7) && said.err.contains("a sandbox shares the control groups of the machine"), "{said:?}");
    }
    assert_eq!(world.state(), before);
}

fn processes_are_found(world: &World) {
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("[::1]:0").unwrap());
    let own = std::process::id();
    let eval = |text: &str| world.fyke_well(&["eval", text]).out;
    for port in [tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port()] {
        assert_eq!(eval(&format!("process::by_port({port})[0].pid")), format!("{own}\n"));
    }
    let sleeper = Sleeper::start();
    let found = format!("process::by_name(\"sleep\").some(|it| it.pid == {})", sleeper.pid());
    assert_eq!(eval(&found), "true\n");
    let told = eval(&format!("let it = process::get({}); `${{it}}, ${{it.command}}, ${{it.parent}}, ${{it.is_here()}}`", sleeper.pid()));
    assert_eq!(told, format!("{} sleep, sleep 10000, {own}, true\n", sleeper.pid()));
    assert_eq!(eval(&format!("process::get({own}).tree().some(|it| it.pid == {})", sleeper.pid())), "true\n");
    let ports = eval(&format!("process::get({own}).sockets().filter(|it| it.protocol == \"tcp\").map(|it| it.here)"));
    assert!(ports.contains(&tcp.local_addr().unwrap().to_string()), "{ports}");
}

fn programs_are_read_as_the_kernel_has_them(world: &World) {
    if !has_groups() {
        return;
    }
    world.fyke_well(&["eval", "let a = cgroup::new_group(\"/a\"); a.ensure_drop(); a.ensure_drop_of([5, 4, 5])"]);
    let said = world.fyke_well(&["eval", "let a = cgroup::group(\"/a\"); [a.is_dropped(), a.programs().len(), a.programs()[0].name]"]).out;
    let all = groups()["/a"].clone();
    assert!(all.len() == 4 && all.iter().all(|program| program.contains(" fyke_")), "{all:?}");
    assert!(said.contains("true") && said.contains('4') && said.contains("fyke_"), "{said}");
    // Attached twice by the same recipe is attached once.
    let said = world.fyke_well(&["eval", "cgroup::group(\"/a\").ensure_drop_of([4, 5])"]);
    assert!(groups()["/a"].len() == 4, "{said:?}");
    world.fyke_well(&["undo", "--all"]);
}
