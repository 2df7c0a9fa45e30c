//! `fyke import`: what the recipe sets is what the original sets, and all of it is lifted again.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bad_inputs::shared;
use crate::program::{self, Folder, Said, fyke, fyke_with};

use super::world::{Backend, World, destroy_sets, on_both, plain, sets, tool, without_tag};

on_both! {
    an_imported_script_sets_what_the_script_sets
    a_rule_that_is_asked_for_is_put_in_where_it_is_missing
    sets_of_a_script_are_those_of_the_recipe
    an_exact_import_lets_the_rest_give_way
    odd_words_come_through
    many_rules_are_imported
    firewalls_of_ferm_are_imported
    dumps_of_firewalls_are_imported
}

/// A script with all that is read; `TABLES` stands for the program.
const SCRIPT: &str = r#"#!/bin/sh
# The rules of a small router.

IPT="TABLES -w"
WAN=eth1     # the uplink
SSH_PORT=2222
NETS="192.0.2.0/24 198.51.100.0/24"

$IPT -P INPUT DROP
$IPT -N LOGDROP
$IPT -A LOGDROP -m limit --limit 5/min -j LOG --log-prefix "it's \"dropped\": "
$IPT -A LOGDROP -j DROP
# Twins stay twins.
$IPT -A LOGDROP -j DROP
$IPT -A INPUT -i lo -j ACCEPT # always
for net in $NETS; do
    $IPT -A INPUT -i "$WAN" -s $net -p tcp \
        --dport ${SSH_PORT} -j ACCEPT
done
$IPT -A INPUT -p tcp -m multiport --dports 80,443,8000:8080 -j ACCEPT
$IPT -A INPUT -s 192.0.2.7,192.0.2.8 -d 192.0.2.1,192.0.2.9 -j LOGDROP
$IPT -I INPUT -s 192.0.2.66,192.0.2.67 -j LOGDROP
$IPT -I INPUT 2 -s 192.0.2.68 -j LOGDROP
$IPT -A INPUT -p icmp -j ACCEPT
$IPT -D INPUT -p icmp -j ACCEPT
$IPT -C INPUT -p udp -j DROP 2>/dev/null || $IPT -A INPUT -p udp -j DROP
$IPT -t nat -A POSTROUTING -o $WAN -j MASQUERADE
TABLES6 -A INPUT -s 2001:db8::/32 -p tcp --dport $SSH_PORT -j ACCEPT
TABLES-restore -n <<END
*mangle
:MARKS - [0:0]
-A PREROUTING -i $WAN -j MARKS
-A MARKS -m mark --mark 0x1 -j RETURN
COMMIT
END
"#;

fn command(program: &str, backend: Backend) -> String {
    program.replacen("tables", &format!("tables-{}", backend.name()), 1)
}

/// Gives all rules of the backend, without tags, counters and tables where nothing is set.
fn rules(world: &World) -> String {
    let of = |program: &str| {
        let save = tool(&command(program, world.backend), &[], "");
        plain(&save.lines().map(without_tag).collect::<Vec<_>>().join("\n"))
    };
    format!("{}\n---\n{}", of("iptables-save"), of("ip6tables-save"))
}

/// Takes everything out of all tables.
fn clear(world: &World) {
    const EMPTY: &str = "*filter\nCOMMIT\n*nat\nCOMMIT\n*mangle\nCOMMIT\n*raw\nCOMMIT\n*security\nCOMMIT\n";
    match world.backend {
        Backend::Nft => drop(tool("nft", &["flush", "ruleset"], "")),
        Backend::Legacy => {
            for program in ["iptables", "ip6tables"] {
                for chain in ["INPUT", "FORWARD", "OUTPUT"] {
                    world.iptables(&format!("{program} -P {chain} ACCEPT"));
                }
                tool(&command(&format!("{program}-restore"), Backend::Legacy), &[], EMPTY);
            }
        }
    }
}

fn script(world: &World) -> String {
    let (four, six) = (command("iptables", world.backend), command("ip6tables", world.backend));
    world.folder.file("firewall.sh", SCRIPT.replace("TABLES6", &six).replace("TABLES", &four))
}

fn import(world: &World, words: &[&str]) -> (String, Said) {
    let said = fyke([&["import"], words].concat());
    (world.recipe("imported", &said.out), said)
}

fn an_imported_script_sets_what_the_script_sets(world: &World) {
    let script = script(world);
    let said = program::shell(&format!("sh -e {script}"));
    assert_eq!(said.code, Some(0), "{said:?}");
    let wanted = rules(world);
    clear(world);
    let (recipe, said) = import(world, &[&script]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.err, "19 rules in 4 tables, 4 parameters; kept as comments: 0 lines for iptables and ipset, 0 other lines\n");
    let checked = world.fyke_well(&["check", &recipe]);
    assert_eq!(checked.err, "");
    world.fyke_well(&["run", &recipe]);
    assert_eq!(rules(world), wanted);
    // Once more changes nothing, and with another port just those rules.
    let again = world.fyke_well(&["run", &recipe]);
    assert!(again.err.contains("nothing changed"), "{again:?}");
    world.fyke_well(&["run", &recipe, "--ssh-port", "2223"]);
    assert_eq!(rules(world), wanted.replace("--dport 2222 ", "--dport 2223 "));
    world.fyke_well(&["undo", "--all"]);
}

/// A list lets go of the sets in it first.
fn destroy_all_sets() {
    tool("ipset", &["flush"], "");
    destroy_sets(&[]);
}

/// Does what a script does on what is there before, by a shell and by its import, and compares what comes of it; then all is lifted.
fn does_the_same(world: &World, before: &str, script: &str, words: &[&str]) -> String {
    let (four, six) = (command("iptables", world.backend), command("ip6tables", world.backend));
    let by_shell = |script: &str| {
        let script = script.replace("TABLES6", &six).replace("TABLES", &four);
        let said = program::shell(&script);
        assert_eq!(said.code, Some(0), "{script}: {said:?}");
    };
    let state = || format!("{}\n---\n{}", rules(world), sets().join("\n"));
    by_shell(&format!("set -e\n{before}"));
    let begun = state();
    by_shell(script);
    let wanted = state();
    clear(world);
    destroy_all_sets();
    by_shell(&format!("set -e\n{before}"));
    let file = world.folder.file("firewall.sh", script.replace("TABLES6", &six).replace("TABLES", &four));
    let (recipe, said) = import(world, &[&[file.as_str()], words].concat());
    assert_eq!(said.code, Some(0), "{script}: {said:?}");
    world.fyke_well(&["run", &recipe]);
    assert_eq!(state(), wanted, "{before}{script}\n{}", said.out);
    let again = world.fyke_well(&["run", &recipe]);
    assert!(again.err.contains("nothing changed") || words.contains(&"--exact"), "{script}: {again:?}");
    assert_eq!(state(), wanted, "{before}{script}");
    world.fyke_well(&["undo", "--all"]);
    assert_eq!(state(), begun, "{before}{script}");
    clear(world);
    destroy_all_sets();
    said.out
}

fn a_rule_that_is_asked_for_is_put_in_where_it_is_missing(world: &World) {
    const RULE: &str = "INPUT -p udp --dport 53 -j DROP";
    let other = "TABLES -A INPUT -s 192.0.2.9 -j ACCEPT\n";
    let befores = ["", other, &format!("TABLES -A {RULE}\n{other}"), &format!("{other}TABLES -A {RULE}\n")];
    let scripts = [
        format!("TABLES -A INPUT -i lo -j ACCEPT\nTABLES -C {RULE} 2>/dev/null || TABLES -A {RULE}\nTABLES -A INPUT -j RETURN\n"),
        format!("TABLES -A INPUT -i lo -j ACCEPT\nif ! TABLES -C {RULE} >/dev/null 2>&1; then\n  echo new\n  TABLES -A {RULE}\nfi\n"),
        format!("TABLES -C {RULE} 2>/dev/null || TABLES -I {RULE}\n"),
        format!("if TABLES -C {RULE} 2>/dev/null; then TABLES -D {RULE}; fi\nTABLES -A INPUT -i lo -j ACCEPT\n"),
    ];
    for script in &scripts {
        for before in befores {
            does_the_same(world, before, script, &[]);
        }
    }
    let rule = |number| format!("INPUT -s 2001:db8::{number} -j DROP");
    let many: String = (1..5).map(|n| format!("TABLES6 -C {0} 2>/dev/null || TABLES6 -I {0}\n", rule(n))).collect();
    let recipe = does_the_same(world, &format!("TABLES6 -A INPUT -i lo\nTABLES6 -A {}\n", rule(3)), &many, &[]);
    assert!(recipe.contains("ensure_first(rule)"), "{recipe}");
}

fn sets_of_a_script_are_those_of_the_recipe(world: &World) {
    let script = r#"
SET=blocked
ipset create $SET hash:net comment -exist
ipset flush $SET
for net in 192.0.2.0/24 198.51.100.0/25; do
    ipset add $SET $net comment "a net"
done
ipset add $SET 203.0.113.7
ipset del $SET 203.0.113.7
ipset list six >/dev/null 2>&1 || ipset create six hash:ip family inet6
ipset restore -! <<END
create ports bitmap:port range 1-1000
add ports 22-25
create all list:set
END
ipset add all six 2>/dev/null
TABLES -C INPUT -m set --match-set $SET src -j DROP 2>/dev/null || TABLES -I INPUT -m set --match-set $SET src -j DROP
TABLES -A INPUT -p tcp -m set --match-set ports dst -j ACCEPT
TABLES6 -A INPUT -m set --match-set all src -j DROP
"#;
    let recipe = does_the_same(world, "", script, &[]);
    assert!(recipe.contains("//! needs: iptables, ip6tables, ipset\n") && recipe.contains("ensure_only(["), "{recipe}");
    // What others have in their sets stays, or goes with --exact, as in the original.
    let theirs = "ipset create theirs hash:ip\nipset add theirs 192.0.2.1\nipset create old hash:ip\n";
    does_the_same(world, theirs, "ipset add theirs 192.0.2.2\nipset del theirs 192.0.2.1 -exist\nipset destroy old\n", &[]);
    does_the_same(world, theirs, "ipset flush theirs\nipset add theirs 192.0.2.2\n", &["--exact"]);
    does_the_same(world, theirs, "ipset flush\nipset destroy\nipset create mine hash:ip\nipset add mine 192.0.2.3\n", &["--exact"]);
    let swap = "ipset create mine hash:ip -exist\nipset create new hash:ip\nipset add new 192.0.2.4\nipset swap new mine\nipset destroy new\n\
                TABLES -A OUTPUT -m set --match-set mine dst -j DROP\n";
    does_the_same(world, "", swap, &[]);
    // What `ipset save` wrote.
    let restore =
        "create saved hash:net,port counters comment\nadd saved 192.0.2.0/24,tcp:80 comment \"a b\"\ncreate all list:set\nadd all saved\n";
    tool("ipset", &["restore"], restore);
    let (wanted, saved) = (sets(), tool("ipset", &["save"], ""));
    destroy_all_sets();
    let (recipe, said) = import(world, &[&world.folder.file("saved", &saved)]);
    assert_eq!(said.err, "0 rules in 0 tables, 2 sets, 0 parameters; kept as comments: 0 lines for iptables and ipset, 0 other lines\n");
    world.fyke_well(&["run", &recipe]);
    assert_eq!(sets(), wanted);
    world.fyke_well(&["undo", "last"]);
    assert!(sets().is_empty());
}

fn an_exact_import_lets_the_rest_give_way(world: &World) {
    let save = world.folder.file(
        "rules.v4",
        "*filter\n:INPUT DROP [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:MINE - [0:0]\n-A INPUT -j MINE\n-A MINE -p tcp -j ACCEPT\nCOMMIT\n",
    );
    let theirs = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:MINE - [0:0]\n:THEIRS - [0:0]\n-A INPUT -j THEIRS\n\
                  -A THEIRS -j DROP\n-A MINE -p udp -j DROP\nCOMMIT\n";
    let restore = |text: &str| drop(tool(&command("iptables-restore", world.backend), &[], text));
    restore(&fs::read_to_string(&save).unwrap());
    let wanted = rules(world);
    clear(world);
    restore(theirs);
    let before = rules(world);
    let (recipe, _) = import(world, &["--exact", &save]);
    for _ in 0..2 {
        world.fyke_well(&["run", &recipe]);
        assert_eq!(rules(world), wanted);
    }
    world.fyke_well(&["undo", "--all"]);
    assert_eq!(rules(world), before);
    let (recipe, said) = import(world, &[&save]);
    assert!(said.err.contains("unless imported with --exact"), "{said:?}");
    // The chain of that name is somebody else's.
    assert_eq!(world.fyke(&["run", &recipe]).code, Some(1));
    assert_eq!(rules(world), before);
    world.iptables("iptables -F MINE");
    world.iptables("iptables -X MINE");
    let before = rules(world);
    world.fyke_well(&["run", &recipe]);
    let now = rules(world);
    assert!(now.contains("-A INPUT -j THEIRS\n-A INPUT -j MINE") && now.contains(":FORWARD DROP"), "{now}");
    world.fyke_well(&["undo", "last"]);
    assert_eq!(rules(world), before);
    clear(world);
}

fn odd_words_come_through(world: &World) {
    let words =
        ["`${port}`", "${", "$HOME", "a\\\\b", "it's", "say \\\"x\\\"", "//", "/* */", "\u{202e}abc", "日本", "#{a}", "\\\\", "{}%n"];
    let rule = |word: &&str| format!("-A INPUT -i eth0 -p tcp -m tcp --dport 80 -m comment --comment \"{word}\" -j ACCEPT\n");
    let save = format!("*filter\n:INPUT ACCEPT [0:0]\n{}COMMIT\n", words.iter().map(rule).collect::<String>());
    tool(&command("iptables-restore", world.backend), &[], &save);
    let wanted = rules(world);
    clear(world);
    let (recipe, said) = import(world, &[&world.folder.file("odd", &save)]);
    assert_eq!(said.code, Some(0), "{said:?}");
    world.fyke_well(&["run", &recipe]);
    assert_eq!(rules(world), wanted);
    world.fyke_well(&["undo", "last"]);
}

fn many_rules_are_imported(world: &World) {
    let many = if all() { 50_000 } else { 5_000 };
    let remark = "x".repeat(if all() { 20 } else { 200 });
    let rule = |n: usize| {
        let [_, a, b, c] = (n as u32).to_be_bytes();
        format!(
            "-A MANY -s 10.{a}.{b}.{c}/32 -p tcp -m tcp --dport {} -m comment --comment \"rule {n} of many {remark}\" -j DROP\n",
            n % 60_000 + 1
        )
    };
    let save = format!("*filter\n:MANY - [0:0]\n-A INPUT -j MANY\n{}COMMIT\n", (0..many).map(rule).collect::<String>());
    tool(&command("iptables-restore", world.backend), &[], &save);
    let wanted = rules(world);
    clear(world);
    let before = rules(world);
    let recipe = world.folder.path().join("many.rhai");
    let recipe = recipe.to_str().unwrap();
    let said = fyke(["import", &world.folder.file("many", &save), "-o", recipe]);
    assert!(said.code == Some(0) && fs::metadata(recipe).unwrap().len() > 1 << 20, "{said:?}");
    world.fyke_well(&["run", recipe]);
    assert!(rules(world) == wanted, "not all of {many} rules are the same");
    world.fyke_well(&["undo", "last"]);
    assert_eq!(rules(world), before);
    clear(world);
}

#[derive(Default, Debug)]
struct Counts {
    files: usize,
    rules: usize,
    /// Lines that the installed tool itself refuses.
    refused: usize,
    /// Lines that the tool takes, and that the recipe has as comments.
    kept: Vec<String>,
}

/// Tells whether all cases are wanted, and not a sample.
fn all() -> bool {
    std::env::var_os("FYKE_SUITES").is_some_and(|which| which == "full")
}

/// Imports a text that the tool takes, and compares with what the tool makes of all that was read; nothing is set before and after.
fn compare(world: &World, name: &Path, text: &str, by_tool: fn(&World, &str), counts: &mut Counts) {
    let (recipe, said) = import(world, &["--json", &world.folder.file("original", text)]);
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    fs::write(&recipe, document["recipe"].as_str().unwrap()).unwrap();
    let kept: Vec<usize> = document["kept"].as_array().unwrap().iter().map(|kept| kept["line"].as_u64().unwrap() as usize).collect();
    let (left_out, read): (Vec<_>, Vec<_>) = (1..).zip(text.lines()).partition(|(line, _)| kept.contains(line));
    by_tool(world, &read.iter().map(|(_, line)| format!("{line}\n")).collect::<String>());
    let wanted = rules(world);
    clear(world);
    world.fyke_well(&["run", &recipe]);
    assert_eq!(rules(world), wanted, "{}", name.display());
    world.fyke_well(&["undo", "last"]);
    assert_eq!(rules(world), "\n---\n", "{}", name.display());
    clear(world);
    counts.files += 1;
    counts.rules += document["rules"].as_u64().unwrap() as usize;
    counts.kept.extend(left_out.into_iter().map(|(_, line)| line.to_owned()));
}

fn say(what: &str, Counts { files, rules, refused, kept }: &Counts) {
    println!(
        "{what}: {files} texts with {rules} rules set as by the tool; {refused} lines that the tool refuses; kept as comments: {kept:?}"
    );
    assert!(*files > 0 && kept.len() * 20 <= *rules, "too many are comments");
}

fn files(folder: &Path, is_one: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries
        .flat_map(|path| if path.is_dir() { files(&path, is_one) } else { Some(path).into_iter().filter(|path| is_one(path)).collect() })
        .collect();
    found.sort();
    found
}

fn firewalls_of_ferm_are_imported(world: &World) {
    let Some(folder) = shared("suites/ferm") else { return };
    let mut counts = Counts::default();
    let step = if all() { 1 } else { 8 };
    for path in files(&folder, &|path| path.extension().is_some_and(|extension| extension == "result")).iter().step_by(step) {
        let text = fs::read_to_string(path).unwrap();
        let mine: Vec<&str> = text.lines().filter(|line| line.starts_with("iptables") || line.starts_with("ip6tables")).collect();
        let script: String = mine.iter().map(|line| format!("{} 2>/dev/null; echo $?\n", command(line, world.backend))).collect();
        let codes = program::shell(&script).out;
        let taken: Vec<&str> = mine.iter().zip(codes.lines()).filter(|(_, code)| *code == "0").map(|(line, _)| *line).collect();
        counts.refused += mine.len() - taken.len();
        clear(world);
        if !taken.is_empty() {
            let by_tool = |world: &World, text: &str| {
                let script: String = text.lines().map(|line| format!("{}\n", command(line, world.backend))).collect();
                assert_eq!(program::shell(&format!("set -e\n{script}")).code, Some(0));
            };
            compare(world, path, &taken.join("\n"), by_tool, &mut counts);
        }
    }
    say("ferm", &counts);
}

fn dumps_of_firewalls_are_imported(world: &World) {
    let Some(folder) = shared("suites/iptables-save") else { return };
    let mut counts = Counts::default();
    let most = if all() { u64::MAX } else { 2_500 };
    let is_dump = |path: &Path| !path.ends_with("SOURCE.txt") && path.metadata().unwrap().len() < most;
    for path in files(&folder, &is_dump) {
        // Hardware addresses were made unreadable where these were published.
        let mut text = fs::read_to_string(&path).unwrap().replace("XX:XX:XX:XX:XX:XX", "00:00:5e:00:53:01");
        while let Some(line) = refused_line(world, &text) {
            counts.refused += 1;
            text = text.lines().enumerate().filter(|(at, _)| at + 1 != line).map(|(_, line)| format!("{line}\n")).collect();
        }
        clear(world);
        compare(world, &path, &text, |world, text| assert_eq!(refused_line(world, text), None), &mut counts);
    }
    say("iptables-save", &counts);
}

/// Lets the tool restore a text, and gives the number of the line that it refuses.
fn refused_line(world: &World, text: &str) -> Option<usize> {
    let file = world.folder.file("dump", text);
    let said = program::shell(&format!("{} < {file}", command("iptables-restore", world.backend)));
    if said.code == Some(0) {
        return None;
    }
    let number = said.err.split(|c: char| !c.is_ascii_digit()).rfind(|digits| !digits.is_empty()).and_then(|digits| digits.parse().ok());
    Some(number.filter(|line| *line <= text.lines().count()).unwrap_or_else(|| panic!("{said:?}")))
}

#[test]
fn an_import_says_what_it_is_about() {
    let folder = Folder::new();
    let said = fyke_with(b"echo hello\n", &["import"]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    assert!(said.err.contains("cannot import standard input: there are no rules in it"), "{said:?}");
    let output = folder.path().join("new.rhai");
    let words = ["import", "--name", "the lab", "-o", output.to_str().unwrap()];
    let said = fyke_with(b"iptables -A INPUT -s a.example -j DROP\niptables -A INPUT -j DROP\n", &words);
    assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{said:?}");
    assert_eq!(
        fs::read_to_string(&output).unwrap(),
        "//! Sets the rules of the lab.\n//! needs: iptables\n//! risk: disrupts\n\nlet filter = iptables::table(\"filter\");\n\n\
         filter.chain(\"INPUT\").ensure([\n    \"-j DROP\",\n]);\n\n// Not imported:\n// line 1 (use \"a.example\" as an address or prefix: \
         it is neither four decimal numbers nor an IPv6 address): iptables -A INPUT -s a.example -j DROP\n"
    );
    let said = fyke_with(b"iptables -A INPUT -j DROP\n", &words);
    assert!(said.code == Some(1) && said.err.contains("there is such a file already"), "{said:?}");
}
