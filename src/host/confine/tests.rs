//! Code of a package, reached in every way that the language has, against a kernel in memory.

use std::sync::{Arc, Mutex};

use crate::host::tests::{Folder, told};
use crate::host::{Host, Mode, Output, Recipe, Setup, Value};
use crate::model::{Fault, Kind};
use crate::transaction::Door;

/// A package that may change filter/INPUT, with functions that try more.
const LIB: &str = r#"
import "deep" as deep;
fn at(name) { iptables::table("filter").chain(name) }
fn input() { at("INPUT").append("-j DROP") }
fn output() { at("OUTPUT").append("-j DROP") }
fn give_to(handle) { handle.append("-j DROP") }
fn invoke(f) { f.call() }
fn call_with(f, value) { f.call(value) }
fn call_as(f, value) { value.call(f) }
fn each(f) { [1].map(f) }
fn filtered(f) { [1].filter(|it| { f.call(); true }) }
fn deeper() { deep::output() }
fn deeper_with(f) { deep::invoke(f) }
fn own_closure() { let name = "OUTPUT"; let f = || at(name).append("-j DROP"); f.call() }
fn own_map() { let map = #{ work: |name| at(name).append("-j DROP") }; map.work("OUTPUT") }
fn own_this() { let handle = at("OUTPUT"); handle.call(|| this.append("-j DROP")) }
fn caught() { try { output(); } catch { } input() }
fn thrown(f) { try { f.call(); } catch(e) { throw e; } }
fn made() { || output() }
fn late() { import "deep" as other; other::output() }
fn in_std() { import "std:nat" as nat; nat::share("ipv4", "eth0", "", [], #{ jump: "MASQUERADE" }) }
private fn hidden() { output() }
fn not_hidden() { hidden() }
fn file() { sys::text("/etc/hosts") }
fn variable() { sys::env("HOME") }
fn program() { sys::run(["true"]) }
fn elsewhere() { netns::ensure("lab") }
fn opened() { raw::open("ipv4", "icmp") }
fn sends(socket) { socket.send(blob(8), "192.0.2.1") }
fn hears(socket) { socket.recv("1ms") }
fn sets(socket) { socket.ttl = 5; }
"#;

const DEEP: &str = r#"
fn output() { iptables::table("filter").chain("OUTPUT").append("-j DROP") }
fn invoke(f) { f.call() }
"#;

const MANIFEST: &str = "name = \"lib\"\nversion = \"1.0.0\"\nmodules = [\"lib\"]\n\n[permissions]\nallow = [\"iptables: filter/INPUT\"]\n";

/// What a recipe has at hand.
const MAIN: &str = r#"//! Tries.
//! needs: iptables
//! risk: changes
import "lib/lib" as lib;
import "lib/lib" as other;
import "between" as between;
const OUTPUT = iptables::table("filter").chain("OUTPUT");
fn own() { iptables::table("filter").chain("OUTPUT").append("-j DROP") }
fn own_with(handle) { handle.append("-j DROP") }
let output = iptables::table("filter").chain("OUTPUT");
"#;

/// A module of the recipe between it and the package.
const BETWEEN: &str =
    "import \"lib/lib\" as lib;\nfn output() { lib::output() }\nfn invoke(f) { f.call() }\nfn through(f) { lib::invoke(f) }\n";

fn folder(name: &str, main: &str) -> Folder {
    let main = format!("{MAIN}{main}");
    let files =
        [("lib/fyke.toml", MANIFEST), ("lib/lib.rhai", LIB), ("lib/deep.rhai", DEEP), ("between.rhai", BETWEEN), ("main.rhai", &main)];
    Folder::new(name, &files)
}

/// Runs a recipe, and gives what came of it, what it printed, and how many changes there are at the end.
fn run(folder: &Folder) -> (Result<Value, Fault>, String, usize) {
    let door = Door::over_nothing();
    let printed = Arc::new(Mutex::new(String::new()));
    let lines = printed.clone();
    let output = Output { sink: Arc::new(move |line| lines.lock().unwrap().push_str(line)), escape: false };
    let mut host = Host::open(Setup { output, ..Setup::new(Mode::Run, door.clone()) });
    let outcome = host.run(&Recipe::read(&format!("{}/main.rhai", folder.0.display())).unwrap(), &[]);
    let changes = door.finish().unwrap().changes.iter().filter(|change| change.is_visible()).count();
    let printed = printed.lock().unwrap().clone();
    (outcome, printed, changes)
}

#[test]
fn no_way_leads_around_the_rights_of_a_package() {
    for (at, attack) in [
        "lib::output()",
        "other::output()",
        "between::output()",
        "lib::give_to(output)",
        "lib::invoke(|| output.append(\"-j DROP\"))",
        "lib::invoke(|| own())",
        "lib::invoke(Fn(\"own\"))",
        "lib::invoke(own)",
        "lib::invoke(Fn(\"own_with\").curry(output))",
        "lib::invoke(|| lib::invoke(|| own()))",
        "lib::call_with(|handle| handle.append(\"-j DROP\"), output)",
        "lib::call_with(own_with, output)",
        "lib::call_as(|| this.append(\"-j DROP\"), output)",
        "lib::each(|it| own())",
        "lib::filtered(|| own())",
        "lib::invoke(|| between::invoke(|| own()))",
        "between::through(|| own())",
        "[1].map(|it| lib::output())",
        "let work = || lib::output(); work.call()",
        "let map = #{ work: || lib::output() }; map.work()",
        "lib::deeper()",
        "lib::deeper_with(|| own())",
        "lib::own_closure()",
        "lib::own_map()",
        "lib::own_this()",
        "lib::thrown(|| own())",
        "lib::invoke(|| netns::enter(\"/proc/self/ns/net\", || own()))",
        "lib::late()",
        "lib::in_std()",
        "lib::not_hidden()",
        "lib::file()",
        "lib::variable()",
        "lib::program()",
        "lib::elsewhere()",
        "lib::opened()",
        "lib::sends(raw::open(\"ipv4\", \"icmp\"))",
        "lib::hears(raw::open(\"ipv4\", \"icmp\"))",
        "lib::sets(raw::open(\"ipv4\", \"icmp\"))",
        "let socket = raw::open(\"ipv4\", \"icmp\"); lib::invoke(|| socket.send(blob(8), \"192.0.2.1\"))",
    ]
    .into_iter()
    .enumerate()
    {
        let (outcome, printed, changes) = run(&folder(&format!("attack-{at}"), &format!("{attack};\nprint(\"got through\");\n")));
        let fault = outcome.expect_err(attack);
        assert_eq!((fault.kind, changes, printed.as_str()), (Kind::Permission, 0, ""), "{attack}: {fault}");
        assert!(fault.why.starts_with("the package lib has no permission"), "{attack}: {fault}");
    }
}

#[test]
fn a_package_may_do_what_it_may_and_the_recipe_what_it_may() {
    for (at, (main, expected)) in [
        ("lib::input()", 1),
        ("lib::invoke(|| lib::input())", 1),
        ("own()", 1),
        ("between::invoke(|| own())", 1),
        ("try { lib::output(); } catch { } own()", 1),
        ("lib::caught()", 1),
        ("let socket = raw::open(\"ipv4\", \"icmp\"); lib::input(); socket.ttl = 5;", 1),
        ("try { lib::invoke(|| { throw \"x\" }); } catch { } own(); lib::input()", 2),
        ("let chain = lib::at(\"OUTPUT\"); chain.append(\"-j DROP\")", 1),
        ("let found = lib::invoke(|| output); found.append(\"-j DROP\")", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let (outcome, _, changes) = run(&folder(&format!("fair-{at}"), main));
        outcome.unwrap_or_else(|fault| panic!("{main}: {fault}"));
        assert_eq!(changes, expected, "{main}");
    }
}

#[test]
fn a_closure_of_a_package_is_not_known_outside_of_it() {
    let (outcome, printed, changes) = run(&folder("made", "let made = lib::made();\nmade.call();\nprint(\"got through\")"));
    let fault = outcome.unwrap_err();
    assert_eq!((fault.kind, changes, printed.as_str()), (Kind::Script, 0, ""), "{fault}");
    assert!(fault.why.starts_with("there is no function anon$"), "{fault}");
}

#[test]
fn what_runs_when_a_package_is_imported_runs_with_its_rights() {
    let folder = folder("import", "");
    std::fs::write(folder.0.join("lib/lib.rhai"), "iptables::table(\"filter\").chain(\"OUTPUT\").append(\"-j DROP\");\n").unwrap();
    let (outcome, _, changes) = run(&folder);
    let fault = outcome.unwrap_err();
    assert_eq!((fault.kind, changes), (Kind::Permission, 0), "{fault}");
    assert_eq!(
        told(&fault).replace(&format!("{}/", folder.0.display()), ""),
        "lib/lib.rhai:1:43: cannot change the chain filter/OUTPUT (IPv4): the package lib has no permission `iptables: filter/OUTPUT` (add \
         \"iptables: filter/OUTPUT\" to `allow` of [permissions] in lib/fyke.toml) <- import \"lib/lib\" at main.rhai:4:8"
    );
}

#[test]
fn a_project_grants_less_than_a_package_asks_for_and_never_more() {
    for (grants, passes) in [
        ("", false),
        ("[grants.lib]\nallow = [\"iptables: filter/INPUT\"]\n", true),
        ("[grants.lib]\nallow = [\"iptables\"]\n", true),
        ("[grants.lib]\nallow = [\"iptables\"]\ndeny = [\"iptables: filter/IN*\"]\n", false),
        ("[grants.other]\nallow = [\"iptables\"]\n", false),
        ("[grants.lib]\nallow = [\"iptables: filter/INPUT\"]\n[permissions]\nallow = [\"iptables: nat\"]\n", false),
    ] {
        let folder = folder("granted", "lib::input();\n");
        std::fs::write(folder.0.join("fyke.toml"), format!("name = \"project\"\nversion = \"1.0.0\"\n{grants}")).unwrap();
        let (outcome, _, changes) = run(&folder);
        assert_eq!((outcome.is_ok(), changes), (passes, usize::from(passes)), "{grants}: {outcome:?}");
        std::fs::write(folder.0.join("main.rhai"), format!("{MAIN}lib::output();\n")).unwrap();
        assert_eq!(run(&folder).0.unwrap_err().kind, Kind::Permission, "{grants}");
    }
}

#[test]
fn a_package_takes_no_function_by_its_name_alone() {
    for (text, told_so) in [
        ("fn f() { Fn(\"own\") }", "lib/lib.rhai:1:10: cannot use `Fn(..)` in a package: a name alone is no function of the package"),
        ("fn f() { let name = \"own\"; call(Fn(name), 1) }", "lib/lib.rhai:1:33: cannot use `Fn(..)`"),
        ("let x = Fn(\"own\");", "lib/lib.rhai:1:9: cannot use `Fn(..)`"),
        ("fn f(g) { g.curry(1) }", "lib/lib.rhai:1:13: cannot use `curry` in a package: the function may be somebody else's"),
        ("fn f(g) { curry(g, 1) }", "lib/lib.rhai:1:11: cannot use `curry`"),
        ("fn own() { } fn f() { own }", "lib/lib.rhai:1:23: cannot use the function `own` as a value in a package"),
        ("fn own() { } fn f() { let g = own; g.call() }", "lib/lib.rhai:1:31: cannot use the function `own` as a value"),
        ("fn own() { } fn f() { || own }", "cannot use the function `own` as a value"),
        ("fn own() { } fn f() { #{ a: own } }", "lib/lib.rhai:1:29: cannot use the function `own` as a value"),
        ("fn int.f() { this }", "cannot define the method `f` in a package: all code of the run would call it"),
    ] {
        let folder = folder("named", "");
        std::fs::write(folder.0.join("lib/lib.rhai"), text).unwrap();
        let fault = run(&folder).0.expect_err(text);
        assert_eq!(fault.kind, Kind::Input, "{text}: {fault}");
        let told = told(&fault).replace(&format!("{}/", folder.0.display()), "");
        assert!(told.contains(told_so), "{text}: {told}");
    }
    for text in ["fn f() { let own = 1; let g = || own; g.call() }", "fn own() { } fn f() { own(); let g = |own| own; g.call(1) }"] {
        let folder = folder("closures", "");
        std::fs::write(folder.0.join("lib/lib.rhai"), text).unwrap();
        run(&folder).0.unwrap_or_else(|fault| panic!("{text}: {fault}"));
    }
}

#[test]
fn a_package_imports_nothing_of_the_recipe() {
    let folder = folder("outside", "");
    std::fs::write(folder.0.join("lib/lib.rhai"), "import \"../between\" as between;\n").unwrap();
    let fault = run(&folder).0.unwrap_err();
    assert!(fault.why.starts_with("it is outside of the package"), "{fault}");
}
