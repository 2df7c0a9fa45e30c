//! What `fyke doc` writes and where: the same bytes each time, nothing of anybody else's.

use std::process::Stdio;

use serde_json::Value;

use super::Docs;
use crate::packages::yard::{Yard, flat};
use crate::program::command;

#[test]
fn the_same_gives_the_same_bytes() {
    let docs = Docs::new();
    let before = docs.files();
    docs.yard.well("firewall", &["doc"]);
    assert!(docs.files() == before);
    docs.yard.well("firewall", &["doc", "--out", "../elsewhere"]);
    let there: Vec<Vec<u8>> = docs.yard.files("elsewhere").into_values().collect();
    let here: Vec<Vec<u8>> = before.into_iter().map(|(_, text)| text.into_bytes()).collect();
    assert!(there == here);
}

#[test]
fn only_what_fyke_wrote_gives_way() {
    let docs = Docs::new();
    docs.yard.write("firewall/dist/doc/notes.txt", "mine");
    docs.yard.well("firewall", &["remove", "hostile"]);
    docs.yard.well("firewall", &["doc"]);
    let names: Vec<String> = docs.files().into_iter().map(|(name, _)| name).collect();
    assert!(!names.iter().any(|name| name.contains("hostile")), "{names:?}");
    assert!(names.contains(&"notes.txt".to_owned()) && names.contains(&"package.teamlib.html".to_owned()), "{names:?}");
    let before = docs.yard.files("teamlib");
    docs.yard.refused("firewall", &["doc", "--out", "../teamlib"], 1, "\"close-port.rhai\" is in it, which fyke has not made");
    docs.yard.refused("firewall", &["doc", "--out", "../teamlib/limits.rhai"], 1, "there is something else than a folder");
    let said = docs.yard.refused("firewall", &["--json", "doc", "--out", "x"], 2, "");
    assert!(said.out.contains("with --json no files are written"), "{said:?}");
    docs.yard.refused("firewall", &["doc", "--out", "x", "--definitions", "y"], 2, "cannot be used with");
    assert!(docs.yard.files("teamlib") == before);
}

#[test]
fn a_package_that_is_not_here_is_left_out_and_one_that_was_changed_is_refused() {
    let yard = Yard::new();
    yard.release("teamlib", "1.0.0", "modules = [\"numbers\"]\n", &[("numbers.rhai", &crate::packages::yard::number(1))]);
    yard.project("firewall");
    yard.well("firewall", &["add", "../teamlib.git"]);
    yard.well("firewall", &["doc"]);
    assert!(yard.path("firewall/dist/doc/package.teamlib.numbers.html").exists());
    std::fs::rename(yard.path("home/.cache"), yard.path("home/away")).unwrap();
    let said = yard.well("firewall", &["doc"]);
    assert!(said.err.contains("left out: teamlib: it is not on this machine (`fyke fetch` gets what the lock names)"), "{said:?}");
    assert!(!yard.path("firewall/dist/doc/package.teamlib.numbers.html").exists());
    assert!(yard.read("firewall/dist/doc/index.html").contains("and so left out: teamlib."));
    let document: Value = serde_json::from_str(&yard.well("firewall", &["--json", "doc"]).out).unwrap();
    assert_eq!(document["left_out"][0]["package"], "teamlib");
    yard.write("firewall/vendor/teamlib/fyke.toml", yard.read("teamlib/fyke.toml"));
    yard.write("firewall/vendor/teamlib/numbers.rhai", "/// Lies.\nfn number() { 2 }\n");
    let before = yard.files("firewall/dist");
    yard.refused("firewall", &["doc"], 6, "somebody has changed it");
    assert!(yard.files("firewall/dist") == before);
}

#[test]
fn the_document_says_the_same() {
    let docs = Docs::new();
    let said = docs.yard.well("firewall", &["--json", "doc"]);
    let document: Value = serde_json::from_str(&said.out).unwrap();
    let chapter = |name: &str, kind: &str| {
        let all = document["chapters"].as_array().unwrap();
        all.iter().find(|chapter| chapter["name"] == name && chapter["kind"] == kind).unwrap_or_else(|| panic!("{name}")).clone()
    };
    let close = &chapter("limits", "module")["functions"][0];
    assert_eq!(close["signature"], "limits::close(port)");
    assert_eq!(close["parameters"][0]["doc"], "the port, 1 to 65535");
    assert_eq!((&close["changes"], &close["example"]), (&"A rule of filter/INPUT.".into(), &"close(23);\n".into()));
    let iptables = chapter("iptables", "room");
    let append = iptables["functions"].as_array().unwrap().iter().find(|function| function["name"] == "append").unwrap();
    assert_eq!((&append["on"], append["parameters"].as_array().unwrap().len()), (&"Chain".into(), 1));
    for part in ["description", "changes", "fails", "example", "source"] {
        assert!(append[part].as_str().is_some_and(|text| !text.is_empty()), "{part}: {append}");
    }
    assert_eq!(chapter("nat", "std")["import"], "std:nat");
    assert_eq!(document["packages"][1]["locked"]["source"], "../teamlib");
    let recipes = document["recipes"].as_array().unwrap();
    let recipe = recipes.iter().find(|recipe| recipe["recipe"] == "teamlib/close-port").unwrap();
    assert_eq!((&recipe["package"], &recipe["parameters"][0]["default"]), (&"teamlib".into(), &23.into()));
    let listed = fyke::host::embedded::RECIPES.len() + 2;
    assert_eq!((recipes.len(), &document["project"]), (listed, &"firewall 0.1.0".into()));
}

#[test]
fn help_knows_what_packages_give() {
    let docs = Docs::new();
    let help = |topic: &str| docs.yard.well("firewall", &["help", topic]).out;
    let whole = "limits::close(port)\n  Closes a TCP port.\n\n  - `port`: the port, 1 to 65535\n";
    for topic in ["teamlib/limits::close", "limits::close", "close"] {
        assert!(help(topic).contains(whole), "{topic}: {}", help(topic));
    }
    for topic in ["teamlib/limits", "teamlib"] {
        assert_eq!(help(topic), "limits::close(port)\n    Closes a TCP port.\n");
    }
    assert!(help("teamlib/close-port").contains("Usage: fyke run teamlib/close-port"));
    docs.yard.refused("firewall", &["help", "teamlib/closeport"], 2, "did you mean `close-port`?");
    docs.yard.refused("firewall", &["help", "limits::clsoe"], 2, "there is no recipe, room, function or verb of this name");
}

#[test]
fn a_project_shows_what_it_gives_itself() {
    let docs = Docs::new();
    let said = docs.yard.well("teamlib", &["doc", "--out", "../own"]);
    assert_eq!(said.out, format!("{}\n", "../own/index.html"));
    let page = docs.yard.read("own/package.teamlib.html");
    assert!(page.contains("This is the project itself.") && page.contains("package.teamlib.limits.html"), "{page}");
    docs.yard.write("teamlib/limits.rhai", "/// Closes.\nfn close( {\n");
    let said = docs.yard.refused("teamlib", &["doc", "--out", "../own"], 2, "");
    assert!(said.err.contains(" --> limits.rhai:2:11\n  |\n2 | fn close( {"), "{said:?}");
}

#[test]
fn several_write_one_new_folder_at_the_same_moment() {
    let yard = Yard::new();
    yard.project("project");
    for round in 0..4 {
        let folder = format!("site-{round}");
        let start =
            || yard.settle(command(["doc", "--out", &folder]), "project").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let started = [start(), start(), start()];
        for child in started {
            let said = child.wait_with_output().unwrap();
            assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        }
        let names: Vec<_> =
            std::fs::read_dir(yard.path("project").join(&folder)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(names.iter().any(|name| name == "index.html") && !names.iter().any(|name| name == ".fyke-doc.new"), "{names:?}");
    }
}

#[test]
fn help_goes_on_without_the_module_that_cannot_be_read() {
    let yard = Yard::new();
    yard.write("project/fyke.toml", "name = \"team\"\nversion = \"0.1.0\"\nmodules = [\"bad\", \"gone\", \"good\"]\n");
    yard.write("project/bad.rhai", "/// Gives one.\nfn one() {\n    let = 1;\n}\n");
    yard.write("project/good.rhai", "/// Gives two.\nfn two() { 2 }\n");
    for topic in ["team/good::two", "good::two", "two", "team/good", "team"] {
        let said = yard.well("project", &["help", topic]);
        assert!(said.out.contains("good::two()") && said.out.contains("Gives two."), "{topic}: {said:?}");
        assert!(said.err.contains(" --> bad.rhai:3:9\n  |\n3 |     let = 1;"), "{topic}: {said:?}");
        assert!(flat(&said.err).contains("gone.rhai: there is no such file"), "{topic}: {said:?}");
    }
    let said = yard.refused("project", &["help", "team/bad::one"], 2, "bad.rhai:3:9");
    assert!(said.out.is_empty(), "{said:?}");
    yard.write("project/fyke.toml", "nam = \"team\"\n");
    let said = yard.refused("project", &["help", "two"], 2, "cannot read fyke.toml: it has no `name`");
    assert!(said.err.contains("1 | nam = "), "{said:?}");
    // What fyke itself has is explained as everywhere.
    for topic in ["iptables::table", "run", "tc"] {
        assert_eq!(yard.well("project", &["help", topic]).err, "", "{topic}");
    }
}
