//! Permissions: whatever changes something asks first, a refusal touches nothing, and another spelling is no other object.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use super::world::{World, in_a_world, ip, tool};
use crate::program::{Said, binary};
use crate::terminal::{ENTER, Terminal};

in_a_world! {
    what_is_denied_is_not_touched
    another_spelling_is_no_other_object
    a_recipe_is_held_to_what_the_line_allows
    uses_are_written_down
    somebody_at_a_terminal_is_asked
    inputs_that_follow_one_another_ask_like_all_code
}

/// What the rows of the table are about.
fn furnish(world: &World) {
    world.iptables("iptables -N MINE");
    world.iptables("iptables -A MINE -j DROP");
    world.iptables("iptables -A INPUT -p udp --dport 9 -j MINE");
    for line in ["create mine hash:ip", "create other hash:ip", "add mine 192.0.2.9"] {
        tool("ipset", &line.split(' ').collect::<Vec<_>>(), "");
    }
    for line in [
        "netns add lab",
        "link add br0 type bridge",
        "neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev eth1",
        "route add 233.252.0.0/24 via 192.0.2.2",
        "rule add from 203.0.113.9 lookup main priority 98",
    ] {
        ip(line);
    }
    tool("tc", &"qdisc add dev eth1 root handle 1: htb".split(' ').collect::<Vec<_>>(), "");
    tool("tc", &"class add dev eth1 parent 1: classid 1:5 htb rate 1mbit".split(' ').collect::<Vec<_>>(), "");
    tool(
        "tc",
        &"filter add dev eth1 parent 1: protocol ip pref 9 u32 match ip dst 192.0.2.9 flowid 1:5".split(' ').collect::<Vec<_>>(),
        "",
    );
    fs::write("/proc/sys/net/ipv4/ip_local_reserved_ports", "9007").unwrap();
    fs::write("/run/fyke-mark", "secret").unwrap();
}

/// Takes away what [`furnish`] has made.
fn clear(world: &World) {
    world.wipe();
    super::world::destroy_sets(&["mine", "other"]);
    for line in ["netns del lab", "link del br0", "neigh del 198.51.100.9 dev eth1", "route del 233.252.0.0/24", "rule del priority 98"] {
        ip(line);
    }
    tool("tc", &["qdisc", "del", "dev", "eth1", "root"], "");
    fs::write("/proc/sys/net/ipv4/ip_local_reserved_ports", "\n").unwrap();
    fs::remove_file("/run/fyke-mark").unwrap();
}

/// The system calls that a trace is of.
const CALLS: &str = "trace=%file,execve,sendto,sendmsg,setsockopt,mount,umount2,setns,unshare,bpf,socket";

/// Finds the first call of a trace that changes something, or that opens what is no business of a refusal. To look into a
/// namespace (for its cookie), and to try something in a scratch one, touches nothing.
fn touch(trace: &str) -> Option<&str> {
    let is_touch = |line: &&str| {
        let line = line.split_once(' ').map_or(*line, |(_, call)| call.trim_start());
        let changes = [
            "type=RTM_NEW",
            "type=RTM_DEL",
            "type=RTM_SET",
            "IPSET_CMD_CREATE",
            "IPSET_CMD_ADD",
            "IPSET_CMD_DEL",
            "IPSET_CMD_DESTROY",
            "IPSET_CMD_FLUSH",
            "IPSET_CMD_SWAP",
            "IPSET_CMD_RENAME",
            "NFT_MSG_NEW",
            "NFT_MSG_DEL",
            "SOCK_DESTROY",
            "IPT_SO_SET",
            "IP6T_SO_SET",
            "BPF_PROG_LOAD",
            "BPF_LINK_CREATE",
        ];
        let opens_to_write = (line.starts_with("openat(") && ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| line.contains(flag)))
            || ["mkdir", "rmdir", "unlink", "rename", "mount(", "umount"].iter().any(|call| line.starts_with(call));
        changes.iter().any(|change| line.contains(change))
            || opens_to_write && ["\"/proc/sys", "\"/sys", "/netns", "fyke-mark"].iter().any(|path| line.contains(path))
            || line.contains("fyke-mark") && !line.starts_with("execve(")
            || line.starts_with("execve(") && line.contains("/true\"")
    };
    trace.lines().find(is_touch)
}

fn rows() -> Vec<[String; 3]> {
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernel/permissions/denied.tsv")).unwrap();
    let row = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
    table.lines().filter(|line| !line.starts_with('#')).map(row).collect()
}

/// Gives the functions that change something, as the reference has them.
fn changing() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let mut found = BTreeSet::new();
    for page in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        // What is written in the language changes something through what is listed here.
        if page.file_name().unwrap().to_str().unwrap().starts_with("std-") {
            continue;
        }
        let text = fs::read_to_string(page).unwrap();
        for section in text.split("\n## `").skip(1) {
            let signature = section.split(['`', '\n']).next().unwrap().split(" -> ").next().unwrap();
            let changes = section.split_once("### Changes\n").map_or("Nothing.", |(_, rest)| rest);
            if !changes.starts_with("Nothing") {
                found.insert(signature.to_owned());
            }
        }
    }
    found
}

/// These only write what was queued before, and that was asked for when it was queued.
const FLUSHES: &[&str] = &["commit()", "rule.bytes", "rule.packets", "recent.list()"];

fn what_is_denied_is_not_touched(world: &World) {
    let rows = rows();
    let seen: BTreeSet<&str> = rows.iter().map(|[signature, ..]| signature.as_str()).collect();
    let missing: Vec<String> = changing().into_iter().filter(|it| !seen.contains(it.as_str()) && !FLUSHES.contains(&it.as_str())).collect();
    assert!(missing.is_empty(), "no row of denied.tsv is about {missing:?}");
    furnish(world);
    let listener = world.listen(7007);
    let before = world.state();
    let log = world.folder.path().join("trace");
    let (mut pairs, mut skipped) = (0, BTreeSet::new());
    for [signature, permission, statement] in &rows {
        let statement = &statement.replace("PID", &std::process::id().to_string());
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-s", "4096", "-e", CALLS, "-o"]).arg(&log).arg(binary());
        command.args(["--backend", "nft", "--color", "never", "eval", "--deny", permission, statement]).stdin(Stdio::null());
        let said: Said = command.output().unwrap().into();
        // A group that cannot be opened here has no handle.
        if said.code != Some(5) && statement.contains("cgroup::group(") && said.err.contains("cgroup") {
            skipped.insert(signature);
            continue;
        }
        assert!(said.code == Some(5) && said.err.contains("is denied to the recipe"), "{statement} without {permission}: {said:?}");
        let trace = fs::read_to_string(&log).unwrap();
        assert!(trace.contains("execve("), "{trace}");
        assert_eq!(touch(&trace), None, "{statement} without {permission}");
        assert_eq!(world.state(), before, "{statement} without {permission}");
        pairs += 1;
    }
    for signature in &skipped {
        println!("skipped: {signature}: this machine has no control groups that a test may use");
    }
    println!("{pairs} pairs of statement and permission, 0 leaks");
    drop(listener);
    clear(world);
}

/// Rights on the command line, a statement, and whether it passes.
fn spellings(folder: &str) -> Vec<(Vec<String>, String, bool)> {
    let rows = [
        // Paths.
        ("--allow|read: DIR/in", "sys::text(\"DIR/in/file\")", true),
        ("--allow|read: DIR/in", "sys::text(\"DIR//in/./file\")", true),
        ("--allow|read: DIR/in", "sys::text(\"DIR/in/../in/file\")", true),
        ("--allow|read: DIR/in", "sys::text(\"DIR/in/../out/file\")", false),
        ("--allow|read: DIR/in", "sys::text(\"DIR/in/escape\")", false),
        ("--allow|read: DIR/in", "sys::text(\"DIR/in/folder/file\")", false),
        ("--allow|read: DIR/in", "sys::text(\"DIR/in/folder/../in/file\")", true),
        ("--allow|read: DIR/in", "sys::text(\"DIR/inside/file\")", false),
        ("--allow|read: DIR/in", "sys::text(\"/proc/self/root/DIR/in/file\")", false),
        ("--allow|read: DIR/alias", "sys::text(\"DIR/alias/file\")", true),
        ("--allow|read: DIR/alias", "sys::text(\"DIR/in/file\")", true),
        ("--deny|read: DIR/out", "sys::text(\"DIR/in/file\")", true),
        ("--deny|read: DIR/out", "sys::text(\"DIR/out/file\")", false),
        ("--deny|read: DIR/out", "sys::text(\"DIR/in/escape\")", false),
        ("--deny|read: DIR/out", "sys::text(\"DIR/in/folder/file\")", false),
        ("--deny|read: DIR/out", "sys::text(\"DIR//out/./file\")", false),
        ("--deny|read: DIR/out", "sys::text(\"DIR/in/../out/file\")", false),
        ("--deny|read: DIR/alias", "sys::text(\"DIR/in/file\")", false),
        ("--deny|read: DIR/out|--allow|read: DIR", "sys::text(\"DIR/out/file\")", false),
        ("--allow|read: DIR|--deny|read: DIR/out", "sys::text(\"DIR/out/file\")", false),
        ("--deny|env", "sys::text(\"/proc/self/environ\")", false),
        ("--allow|write: DIR/in", "packet::write(\"DIR/in/new\", [])", true),
        ("--allow|write: DIR/in", "packet::write(\"DIR/out/new\", [])", false),
        ("--allow|write: DIR/in", "packet::write(\"DIR/in/folder/new\", [])", false),
        ("--allow|write: DIR/in", "packet::write(\"DIR/in/../out/new\", [])", false),
        ("--deny|write: DIR/out", "packet::write(\"DIR/in/folder/new\", [])", false),
        ("--deny|sysctl: net.ipv4.ip_forward", "packet::write(\"/proc/sys/net/ipv4/ip_forward\", [])", false),
        // Programs.
        ("--allow|exec: true", "sys::run([\"true\"])", true),
        ("--allow|exec: true", "sys::run([\"/usr/bin/true\"])", true),
        ("--allow|exec: true", "sys::run([\"//usr/./bin/true\"])", true),
        ("--allow|exec: /usr/bin/true", "sys::run([\"true\"])", true),
        ("--allow|exec: true", "sys::run([\"DIR/true\"])", false),
        ("--allow|exec: true", "sys::run([\"DIR/link\"])", false),
        ("--allow|exec: true", "sys::run([\"/usr/bin/../bin/sh\", \"-c\", \"true\"])", false),
        ("--deny|exec: true", "sys::run([\"/usr/bin/true\"])", false),
        ("--deny|exec: true", "sys::run([\"DIR/link\"])", false),
        ("--deny|exec: DIR/link", "sys::run([\"true\"])", false),
        ("--deny|exec: true|--allow|exec", "sys::run([\"true\"])", false),
        // Kernel parameters.
        ("--allow|sysctl: net.ipv4.*", "sysctl::set(\"net/ipv4/ip_forward\", 0)", true),
        ("--allow|sysctl: net/ipv4/conf/eth0/forwarding", "sysctl::set(\"net.ipv4.conf.eth0.forwarding\", 0)", true),
        ("--deny|sysctl: net/ipv4/ip_forward", "sysctl::set(\"net.ipv4.ip_forward\", 0)", false),
        ("--deny|sysctl: net.ipv4.ip_forward", "sysctl::set(\"net.ipv4.conf.all.forwarding\", 0)", false),
        ("--deny|sysctl: net.ipv4.conf.eth1.forwarding", "sysctl::set(\"net/ipv4/ip_forward\", 0)", false),
        ("--deny|ports: 9000", "sysctl::set(\"net.ipv4.ip_local_reserved_ports\", \"9000\")", false),
        // Prefixes.
        ("--allow|route: 203.0.113.0/24", "link::routes().ensure(\"203.0.113.128/25 via 192.0.2.2\")", true),
        ("--allow|route: 203.0.113.0/255.255.255.0", "link::routes().ensure(\"203.0.113.7 via 192.0.2.2\")", true),
        ("--allow|route: 203.0.113.128/25", "link::routes().ensure(\"203.0.113.0/24 via 192.0.2.2\")", false),
        ("--deny|route: 203.0.113.128/25", "link::routes().ensure(\"203.0.113.0/24 via 192.0.2.2\")", false),
        ("--deny|route: 203.0.113.128/25", "link::routes().ensure(\"default via 192.0.2.2\")", false),
        ("--deny|route: 203.0.113.128/25", "link::routes().ensure(\"203.0.113.0/25 via 192.0.2.2\")", true),
        ("--deny|sockets: 192.0.2.0/24", "sockets::destroy(#{ proto: \"tcp\", port: 7008, peer_address: \"192.0.2.2\" })", false),
        ("--allow|sockets: 192.0.2.0/24", "sockets::destroy(#{ proto: \"tcp\", port: 7008, state: \"listening\" })", false),
        // Devices.
        ("--allow|tc: eth1", "tc::qdisc(\"add dev eth1 ingress\")", true),
        ("--deny|tc: eth1", "tc::qdisc(\"add dev eth1 ingress\")", false),
        ("--deny|link: eth1", "link::get(\"eth1\").set(\"mtu 1400\")", false),
        ("--deny|link: other1", "let it = link::get(\"eth1\"); it.set(\"name other1\")", false),
        ("--deny|link: moved1", "let it = link::get(\"eth1\"); it.down(); it.set(\"name moved1\"); it.set(\"mtu 1400\")", false),
        ("--deny|iptables: filter/IN*", "iptables::table(\"filter\").chain(\"INPUT\").append(\"-j ACCEPT\")", false),
        ("--deny|iptables: filter/IN*", "iptables::table(\"filter\").chain(\"OUTPUT\").append(\"-j ACCEPT\")", true),
        ("--allow|iptables|--deny|iptables: filter/INPUT", "iptables::both(\"filter\").chain(\"INPUT\").append(\"-j ACCEPT\")", false),
        // Namespaces: by name, by path, by a link to it, by another name of it, by a process.
        ("--allow|netns: lab", "netns::enter(\"lab\", || 1)", true),
        ("--allow|netns: la*", "netns::enter(netns::get(\"lab\"), || 1)", true),
        ("--allow|netns: lab", "netns::enter(\"client\", || 1)", false),
        ("--deny|netns: lab", "netns::enter(\"lab\", || 1)", false),
        ("--deny|netns: lab", "netns::enter(\"/run/netns/lab\", || 1)", false),
        ("--deny|netns: lab", "netns::enter(\"/var/run/../run/netns/lab\", || 1)", false),
        ("--deny|netns: lab", "netns::enter(\"DIR/lab\", || 1)", false),
        ("--deny|netns: lab", "netns::enter(\"second\", || 1)", false),
        ("--deny|netns: lab", "netns::get(\"second\").run(|| 1)", false),
    ];
    let put = |text: &str| text.replace("DIR", folder);
    rows.iter().map(|(flags, statement, passes)| (put(flags).split('|').map(str::to_owned).collect(), put(statement), *passes)).collect()
}

fn another_spelling_is_no_other_object(world: &World) {
    let dir = world.folder.path();
    for folder in ["in", "out", "inside"] {
        fs::create_dir(dir.join(folder)).unwrap();
        fs::write(dir.join(folder).join("file"), "text").unwrap();
    }
    symlink(dir.join("out/file"), dir.join("in/escape")).unwrap();
    symlink(dir.join("out"), dir.join("in/folder")).unwrap();
    symlink(dir.join("in"), dir.join("alias")).unwrap();
    symlink("/usr/bin/true", dir.join("link")).unwrap();
    fs::copy("/usr/bin/true", dir.join("true")).unwrap();
    ip("netns add lab");
    fs::write("/run/netns/second", "").unwrap();
    tool("mount", &["--bind", "/run/netns/lab", "/run/netns/second"], "");
    symlink("/run/netns/lab", dir.join("lab")).unwrap();
    let listener = world.listen(7008);
    let client = world.connect("192.0.2.2", 7008);
    let before = world.state();
    let rows = spellings(dir.to_str().unwrap());
    for (flags, statement, passes) in &rows {
        let mut words = vec!["eval"];
        words.extend(flags.iter().map(String::as_str));
        words.push(statement);
        let said = world.fyke(&words);
        let wanted = if *passes { Some(0) } else { Some(5) };
        assert_eq!(said.code, wanted, "{flags:?} {statement}: {said:?}");
        if !passes {
            assert!(said.err.contains("permission") || said.err.contains("is denied to"), "{flags:?} {statement}: {said:?}");
        }
        world.fyke(&["undo", "--all"]);
        let _ = fs::remove_file(dir.join("in/new"));
        assert!(!dir.join("out/new").exists(), "{flags:?} {statement}");
        assert_eq!(world.state(), before, "{flags:?} {statement}");
    }
    println!("{} spellings, 0 bypasses", rows.len());
    drop((listener, client));
    tool("umount", &["/run/netns/second"], "");
    fs::remove_file("/run/netns/second").unwrap();
    ip("netns del lab");
}

fn a_recipe_is_held_to_what_the_line_allows(world: &World) {
    let before = world.state();
    let path = world.recipe(
        "two",
        "let filter = iptables::table(\"filter\");\nfilter.chain(\"INPUT\").append(\"-p tcp --dport 7 -j DROP\");\nfilter.chain(\"OUTPUT\").append(\"-j ACCEPT\");\n",
    );
    let said = world.fyke(&["run", "--allow", "iptables: filter/INPUT", &path]);
    assert_eq!(said.code, Some(5), "{said:?}");
    for told in ["cannot change the chain filter/OUTPUT (IPv4)", "two.rhai:3:", "say --allow 'iptables: filter/OUTPUT'"] {
        assert!(said.err.contains(told), "{told}: {said:?}");
    }
    assert_eq!(world.state(), before, "what was done before the refusal is lifted");
    let said = world.fyke(&["plan", "--deny", "iptables: filter/OUTPUT", &path]);
    assert!(said.code == Some(5) && said.err.contains("leave --deny 'iptables: filter/OUTPUT' out"), "{said:?}");
    world.fyke_well(&["run", "--allow", "iptables: filter/INPUT", "--allow", "iptables: filter/OUTPUT", &path]);
    world.undo();
    let said = world.fyke(&["run", "--allow", "iptable", &path]);
    assert!(said.code == Some(2) && said.err.contains("did you mean `iptables`?"), "{said:?}");
    assert_eq!(world.state(), before);
}

fn uses_are_written_down(world: &World) {
    let before = world.state();
    let audit = world.folder.path().join("audit").display().to_string();
    let path = world.recipe(
        "audited",
        "iptables::table(\"filter\").chain(\"INPUT\").append(\"-j ACCEPT\");\nsys::env(\"HOME\");\nsys::run([\"true\"]);\n",
    );
    let said = world.fyke(&["run", "--audit", &audit, "--deny", "exec", &path]);
    assert_eq!(said.code, Some(5), "{said:?}");
    let text = fs::read_to_string(&audit).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = lines.iter().map(|line| (line["permission"].as_str().unwrap(), line["granted"].as_bool().unwrap())).collect();
    assert_eq!(seen, [("iptables: filter/INPUT", true), ("env: HOME", true), ("exec: true", false)], "{text}");
    let at = |line: usize, place: &str| lines[line]["at"].as_str().is_some_and(|at| at.ends_with(place));
    assert!(at(0, "audited.rhai:1:42") && at(1, "audited.rhai:2:6") && at(2, "audited.rhai:3:6"), "{text}");
    assert_eq!(lines[2]["refused"]["denied"], "exec", "{text}");
    assert_eq!(world.state(), before);
    let said = world.fyke(&["run", "--audit", "/nowhere/at/all", &path]);
    assert!(said.code == Some(2) || said.code == Some(1), "{said:?}");
    assert_eq!(world.state(), before);
}

fn somebody_at_a_terminal_is_asked(world: &World) {
    let before = world.state();
    let path = world.recipe(
        "asking",
        "let chain = iptables::table(\"filter\").chain(\"INPUT\");\nchain.append(\"-p tcp --dport 7 -j DROP\");\nchain.append(\"-p tcp --dport 8 -j DROP\");\nprint(\"done\");\n",
    );
    let words = ["run", "--ask", "--allow", "raw", path.as_str()];
    let said = world.fyke(&words);
    assert!(
        said.code == Some(5) && said.err.contains("say --allow 'iptables: filter/INPUT'"),
        "without a terminal it is a fault: {said:?}"
    );
    for (answers, code) in [(&["y", "n"][..], 5), (&["always"][..], 0), (&["y", "y"][..], 0), (&[""][..], 5)] {
        let mut command = Command::new(binary());
        command.args(["--backend", "nft", "--color", "never"]).args(words).current_dir(world.folder.path());
        let mut terminal = Terminal::open((24, 200), &command);
        for (at, answer) in answers.iter().enumerate() {
            let asked = if at == 0 { "--dport 7" } else { "--dport 8" };
            terminal.until_it(&format!("asks for {asked}"), |shown| shown.matches("[y/N/always]").count() > at);
            terminal.press(answer);
            terminal.press(ENTER);
        }
        let said = terminal.code();
        assert_eq!(said, Some(code), "{answers:?}: {}", terminal.shown());
        if code == 0 {
            world.undo();
        }
        assert_eq!(world.state(), before, "{answers:?}");
    }
}

fn inputs_that_follow_one_another_ask_like_all_code(world: &World) {
    let before = world.state();
    let lib = world.folder.path().join("lib");
    fs::create_dir(&lib).unwrap();
    fs::write(lib.join("fyke.toml"), "name = \"lib\"\nversion = \"1.0.0\"\n[permissions]\nallow = [\"iptables: filter/INPUT\"]\n").unwrap();
    let text = "fn give_to(handle) { handle.append(\"-j ACCEPT\") }\nfn invoke(f) { f.call() }\n";
    fs::write(lib.join("lib.rhai"), text).unwrap();
    let prelude = "import \"lib/lib\" as lib;\nlet filter = iptables::table(\"filter\");\nfn own(filter) { filter.chain(\"OUTPUT\").append(\"-j ACCEPT\") }\n";
    for (statement, passes) in [
        ("lib::give_to(filter.chain(\"OUTPUT\"))", false),
        ("lib::invoke(|| filter.chain(\"OUTPUT\").append(\"-j ACCEPT\"))", false),
        ("lib::invoke(|| own(filter))", false),
        ("lib::give_to(filter.chain(\"INPUT\"))", true),
        ("own(filter)", true),
    ] {
        let mut child = world
            .command(&["repl"])
            .current_dir(world.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{prelude}{statement}\n").as_bytes()).unwrap();
        let said: Said = child.wait_with_output().unwrap().into();
        assert_eq!(said.code, Some(if passes { 0 } else { 5 }), "{statement}: {said:?}");
        assert!(passes || said.err.contains("the package lib has no permission"), "{statement}: {said:?}");
        world.fyke(&["undo", "--all"]);
        assert_eq!(world.state(), before, "{statement}");
    }
    let mut child =
        world.command(&["repl", "--deny", "iptables"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"iptables::table(\"filter\").chain(\"INPUT\").append(\"-j ACCEPT\")\n")
        .unwrap();
    let said: Said = child.wait_with_output().unwrap().into();
    assert!(said.code == Some(5) && said.err.contains("is denied to the recipe"), "{said:?}");
}
