//! What is to come back with the next boot: the unit of a run, and its rules without fyke.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};

use super::world::{Attached, World, on_both, plain, tool, without_tag};
use crate::program::Said;

on_both! {
    a_unit_runs_the_same_recipe
    what_cannot_come_back_is_refused
    what_is_imported_is_judged_as_well
    printed_rules_restore_to_the_same
}

const NOTHING: Option<&str> = None;
const PROGRAM: &str = "/run/program";
const UNITS: &str = "/etc/systemd/system";

const RECIPE: &str = "\
let port = param(\"port\", 1, \"a port\", #{ key: true });
let words = param(\"words\", \"\", \"a comment\");
iptables::table(\"filter\").chain(\"INPUT\").ensure(#{ proto: \"tcp\", dport: port, comment: words, jump: \"DROP\" });
";

/// Gives the namespace a name, and the program and its recipes a place where only root can write.
fn settle(world: &World) -> Attached {
    let name = world.attach("server");
    fs::write(PROGRAM, "").unwrap();
    mount(Some(env!("CARGO_BIN_EXE_fyke")), PROGRAM, NOTHING, MsFlags::MS_BIND, NOTHING).unwrap();
    fs::create_dir("/run/recipes").unwrap();
    fs::write("/run/recipes/one.rhai", RECIPE).unwrap();
    if world.is_root {
        fs::create_dir_all(UNITS).unwrap();
        mount(Some("tmpfs"), UNITS, Some("tmpfs"), MsFlags::empty(), Some("mode=0755")).unwrap();
    }
    name
}

fn fyke(world: &World, words: &[&str]) -> Said {
    let mut command = Command::new(PROGRAM);
    command.args(["--backend", world.backend.name(), "--color", "never"]).args(words).output().unwrap().into()
}

fn a_unit_runs_the_same_recipe(world: &World) {
    if !world.is_root {
        println!("skipped: to root of a user namespace, the folders of the machine belong to nobody");
        return;
    }
    let _name = settle(world);
    let before = world.state();
    let odd = "it's 100% $HOME \"; \\";
    let said = fyke(world, &["run", "--deny", "exec: curl", "--allow-public", "/run/recipes/one.rhai", "--port", "22", "--words", odd]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let after = world.rules("iptables", "INPUT");
    let printed = fyke(world, &["persist", "last"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let start = format!(
        "ExecStart=/run/program --netns server --backend {} run --deny \"exec: curl\" --allow-public /run/recipes/one.rhai --port 22 --words \"it's 100%% $$HOME \\\"; \\\\\"",
        world.backend.name()
    );
    for line in [&*start, "ExecStop=/run/program --netns server undo --recipe one/22", "RequiresMountsFor=/run/recipes/one.rhai"] {
        assert!(printed.out.lines().any(|have| have == line), "{line}: {printed:?}");
    }
    assert_eq!(fs::read_dir(UNITS).unwrap().count(), 0);
    let path = format!("{UNITS}/fyke-one-22.service");
    for _ in 0..2 {
        let said = fyke(world, &["persist", "--install", "last"]);
        assert!(said.code == Some(0) && said.out.trim_end() == path, "{said:?}");
        assert!(said.err.contains("systemctl daemon-reload && systemctl enable --now fyke-one-22.service"), "{said:?}");
    }
    assert_eq!((fs::read_to_string(&path).unwrap(), fs::read_dir(UNITS).unwrap().count()), (printed.out, 1));
    verify(&path);
    // What the unit does at a boot, the words taken apart by systemd's rules: here by hand.
    world.undo();
    assert_eq!(world.state(), before);
    let said = fyke(world, &["--netns", "server", "run", "/run/recipes/one.rhai", "--port", "22", "--words", odd]);
    assert_eq!((said.code, world.rules("iptables", "INPUT")), (Some(0), after), "{said:?}");
    fs::write(&path, "[Unit]\nDescription=mine\n").unwrap();
    let said = fyke(world, &["persist", "--install", "last"]);
    assert!(said.code == Some(1) && said.err.contains("error[exists]"), "{said:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "[Unit]\nDescription=mine\n");
    assert_eq!(fyke(world, &["--netns", "server", "undo", "--recipe", "one/22"]).code, Some(0));
    assert_eq!(world.state(), before);
}

/// Lets systemd read a unit, where there is one.
fn verify(path: &str) {
    match Command::new("systemd-analyze").args(["verify", "--man=no", path]).output() {
        Ok(output) => {
            let said: Said = output.into();
            let ours: Vec<&str> = said.err.lines().filter(|line| line.contains("fyke-one-22")).collect();
            assert!(ours.is_empty() && said.code == Some(0), "{said:?}");
        }
        Err(error) => println!("skipped: systemd-analyze: {error}"),
    }
}

fn what_cannot_come_back_is_refused(world: &World) {
    let said = world.fyke(&["persist", "last"]);
    assert!(said.code == Some(2) && said.err.contains("nothing is in force here"), "{said:?}");
    world.run("nameless", "iptables::table(\"filter\").chain(\"INPUT\").append(\"-j DROP\");");
    let said = world.fyke(&["persist", "last"]);
    assert!(said.code == Some(2) && said.err.contains("a network namespace without a name"), "{said:?}");
    let run = world.undo().out.split([' ', ':']).nth(1).unwrap().to_owned();
    let said = world.fyke(&["persist", &run]);
    assert!(said.code == Some(2) && said.err.contains("it is lifted"), "{said:?}");
    let _name = settle(world);
    let refused = |code: i32, why: &str| {
        let said = fyke(world, &["persist", "last"]);
        assert!(said.code == Some(code) && said.err.contains(why), "{why}: {said:?}");
        world.undo();
    };
    fyke(world, &["eval", "iptables::table(\"filter\").chain(\"INPUT\").append(\"-j DROP\")"]);
    refused(2, "it was no recipe");
    fyke(world, &["run", "/run/recipes/one.rhai"]);
    fs::write("/run/recipes/one.rhai", format!("{RECIPE}\n")).unwrap();
    refused(2, "has changed since");
    // In the folder of all, and then in one of its own that others may write to.
    fyke(world, &["run", &world.recipe("two", RECIPE)]);
    refused(5, if world.is_root { "others than root may write to /tmp" } else { "belongs to user" });
    fyke(world, &["run", "/run/recipes/one.rhai"]);
    fs::set_permissions("/run/recipes", Permissions::from_mode(0o775)).unwrap();
    refused(5, "others than root may write to /run/recipes (mode 775)");
}

fn what_is_imported_is_judged_as_well(world: &World) {
    let _name = settle(world);
    let (recipe, lib) = ("/run/recipes/importer.rhai", "/run/recipes/lib/ours.rhai");
    let deeper = "/run/recipes/lib/deeper.rhai";
    // One import after the first change, one by what was imported, one that this run does not reach.
    let text = "\
let filter = iptables::table(\"filter\");
filter.chain(\"INPUT\").append(\"-j DROP\");
commit();
import \"lib/ours\" as ours;
if filter.chain(\"INPUT\").list().len() > 1000 { import \"lib/rare\" as rare; }
";
    fs::create_dir("/run/recipes/lib").unwrap();
    let rare = "/run/recipes/lib/rare.rhai";
    for (file, text) in [(recipe, text), (lib, "import \"deeper\" as deeper;"), (deeper, "export const X = 1;"), (rare, "")] {
        fs::write(file, text).unwrap();
    }
    let persist = || fyke(world, &["persist", "last"]);
    let run = || assert_eq!(fyke(world, &["run", recipe]).code, Some(0));
    let refused = |code: i32, why: &str| {
        let said = persist();
        assert!(said.code == Some(code) && said.err.contains(why), "{why}: {said:?}");
    };
    run();
    for file in [lib, deeper] {
        let text = fs::read_to_string(file).unwrap();
        fs::write(file, format!("{text}\n")).unwrap();
        refused(2, &format!("{file} has changed since"));
        fs::write(file, text).unwrap();
    }
    if world.is_root {
        assert_eq!(persist().code, Some(0));
        for file in [lib, deeper, rare, "/run/recipes/lib"] {
            let mode = fs::metadata(file).unwrap().permissions();
            fs::set_permissions(file, Permissions::from_mode(0o777)).unwrap();
            refused(5, &format!("others than root may write to {file} (mode 777)"));
            fs::set_permissions(file, mode).unwrap();
        }
        assert_eq!(persist().code, Some(0));
    }
    fs::remove_file(deeper).unwrap();
    refused(2, &format!("cannot read {deeper}: there is no such file"));
    world.undo();
}

fn printed_rules_restore_to_the_same(world: &World) {
    let before = world.state();
    let recipe = "\
for filter in [iptables::table(\"filter\"), ip6tables::table(\"filter\")] {
    let mine = filter.new_chain(\"MINE\");
    mine.append([#{ proto: \"tcp\", dport: 5, comment: \"it's \\\"so\\\" \\\\\", jump: \"DROP\" }, \"-j RETURN\", \"\"]);
    let input = filter.chain(\"INPUT\");
    input.append([\"-p tcp -m multiport --dports 1,2 -j MINE\", \"-m limit --limit 6/min -j LOG --log-prefix 'a b '\"]);
    filter.chain(\"FORWARD\").set_policy(\"DROP\");
}
iptables::table(\"nat\").chain(\"POSTROUTING\").append(\"-o eth0 -j MASQUERADE\");";
    let said = world.run("ours", recipe);
    assert_eq!(said.code, Some(0), "{said:?}");
    for family in ["iptables", "ip6tables"] {
        let text = world.fyke_well(&["persist", "--print", &format!("{family}-save"), "last"]).out;
        assert!(text.starts_with('#') && text.contains(&format!("{family}-restore --noflush")) && !text.contains("fyke:"), "{text}");
        let program = format!("{family}-{}", world.backend.name());
        let script = format!("{program}-restore --noflush && {program}-save");
        let restored = tool("unshare", &["--net", "sh", "-c", &script], &text);
        let there: Vec<String> = world.iptables(&format!("{family}-save")).lines().map(without_tag).collect();
        assert_eq!(plain(&restored), plain(&there.join("\n")));
        assert!(plain(&restored).contains("-A MINE"), "{restored}");
    }
    world.undo();
    assert_eq!(world.state(), before);
    let said = world.fyke(&["persist", "--print", "iptables-save", "last"]);
    assert_eq!(said.code, Some(2), "{said:?}");
}
