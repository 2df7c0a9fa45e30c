//! `fyke check` over a whole package.

use super::no_sandbox;
use crate::packages::yard::{NUMBER, Yard, flat, number};

const MANIFEST: &str = "name = \"team\"\nversion = \"0.1.0\"\ndescription = \"Things.\"\nlicense = \"MIT\"\n";

fn package(manifest: &str, files: &[(&str, &str)]) -> Yard {
    let yard = Yard::new();
    yard.write("team/fyke.toml", format!("{MANIFEST}{manifest}"));
    files.iter().for_each(|(file, text)| yard.write(&format!("team/{file}"), text));
    yard
}

const GOOD: &[(&str, &str)] = &[
    ("numbers.rhai", "/// Gives a number.\nfn number() { 7 }\n"),
    ("show.rhai", "//! Show a number.\n//! risk: reads\nimport \"numbers\" as numbers;\nprint(numbers::number());\n"),
    ("own/part.rhai", "fn part(x) { x }\n"),
    ("tests/numbers_test.rhai", "import \"team/numbers\" as numbers;\nfn test_a() { test::assert_eq(numbers::number(), 7); }\n"),
];

#[test]
fn a_good_package_is_good_in_all_its_files() {
    let yard = package("modules = [\"numbers\"]\nrecipes = [\"show\"]\n", GOOD);
    yard.write("team/vendor/x/bad.rhai", "fn (\n");
    let said = yard.well("team", &["check"]);
    let wanted = "fyke.toml: good\nnumbers.rhai: good\nown/part.rhai: good\nshow.rhai: good\ntests/numbers_test.rhai: good\nteam 0.1.0: 5 files, all good\n";
    assert_eq!((said.out.as_str(), said.err.as_str()), (wanted, ""));
    assert_eq!(yard.well("team/tests", &["check"]).out.lines().last(), Some("team 0.1.0: 5 files, all good"));
    assert!(yard.well(".", &["check", "team"]).out.starts_with("team/fyke.toml: good\n"));
    // Another folder is no package, and is told as it was before.
    yard.refused("team", &["check", "own"], 2, "it is a directory");
    yard.refused("home", &["check"], 2, "cannot find a project around");
}

/// What is wrong with a package, and how that is told; the exit status goes before it.
#[test]
fn what_is_wrong_is_told_with_its_place() {
    let good = GOOD[..3].to_vec();
    let with = |file: &'static str, text: &'static str| [good.as_slice(), &[(file, text)]].concat();
    for (manifest, files, code, why) in [
        ("modules = [\"none\"]\n", good.clone(), 2, "it gives \"none\" to others, and there is no none.rhai --> fyke.toml:1:1"),
        (
            "modules = [\"a\"]\n",
            with("a.rhai", "//! A.\nfn b() {}\n"),
            0,
            "cannot explain b to others: it has no description --> a.rhai:2:8",
        ),
        ("modules = [\"a\"]\n", with("a.rhai", "///\nfn b() {}\n"), 0, "cannot explain b to others: it has no description"),
        ("", with("a.rhai", "fn b() { slep(1) }\n"), 2, "cannot call slep: there is no such function"),
        ("", with("x_test.rhai", "fn test_a() {\n  let = 1\n}\n"), 2, "expecting name of a variable --> x_test.rhai:2:7"),
        ("", with("x_test.rhai", "fn test_a(x) { x }\n"), 0, "cannot run test_a as a test: it has parameters"),
        ("", with("x_test.rhai", "import \"nowhere\" as n;\nfn test_a() { n::f() }\n"), 2, "cannot import \"nowhere\""),
        ("recipes = [\"own/part\"]\n", good.clone(), 0, "its header lacks a sentence"),
        (
            "",
            with("r.rhai", "//! R.\n//! risk: changes\niptables::table(\"filter\");\n"),
            2,
            "it uses the room `iptables` and does not say so",
        ),
        ("[dependencies]\nx = { path = \"../x\" }\n", good.clone(), 2, "fyke.lock"),
    ] {
        let said = package(manifest, &files).fyke("team", &["check"]);
        assert_eq!(said.code, Some(code), "{manifest}{why}: {said:?}");
        assert!(flat(&said.err).contains(why), "{why}: {}", said.err);
        assert!(said.out.lines().last().unwrap().starts_with("team 0.1.0: "), "{}", said.out);
    }
    let yard = package("modules = 7\n", &[]);
    yard.refused("team", &["check"], 2, "fyke.toml:5");
    let bare = Yard::new();
    bare.write("team/fyke.toml", "name = \"team\"\nversion = \"0.1.0\"\nmodules = [\"numbers\"]\n");
    bare.write("team/numbers.rhai", number(1));
    assert!(flat(&bare.well("team", &["check"]).err).contains("cannot publish team 0.1.0: its manifest has no `license`"));
}

#[test]
fn what_several_files_import_is_told_once() {
    let uses = "//! Use it.\n//! risk: reads\nimport \"a\" as a;\na::b();\n";
    let yard = package("", &[("a.rhai", "fn b() { nonsense() }\n"), ("one.rhai", uses), ("two.rhai", uses)]);
    let said = yard.fyke("team", &["check"]);
    assert_eq!((said.code, said.err.matches("cannot call nonsense").count()), (Some(2), 1), "{said:?}");
    assert_eq!(said.out.lines().last(), Some("team 0.1.0: 1 of 4 files are not good"));
}

#[test]
fn what_a_package_needs_has_to_be_what_the_lock_says() {
    let yard = Yard::new();
    yard.release("teamlib", "1.0.0", NUMBER, &[("numbers.rhai", &number(1))]);
    yard.project("project");
    yard.write("project/print.rhai", crate::packages::yard::printer("teamlib"));
    yard.well("project", &["add", "../teamlib.git"]);
    yard.well("project", &["vendor"]);
    let said = yard.well("project", &["check"]);
    assert_eq!(said.out, "fyke.toml: good\nprint.rhai: good\nproject 0.1.0: 2 files, all good\n");
    yard.write("project/vendor/teamlib/numbers.rhai", number(2));
    let said = yard.fyke("project", &["check"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.out.contains("fyke.toml: not good\n"), "{}", said.out);
    assert!(flat(&said.err).contains("vendor/teamlib has the content sha256:"), "{}", said.err);
}

#[test]
fn a_package_is_tested_with_what_it_declares_and_no_other_with_it() {
    if no_sandbox() {
        return;
    }
    let yard = Yard::new();
    let head = "version = \"0.1.0\"\n";
    yard.write("team/fyke.toml", format!("name = \"team\"\n{head}modules = [\"close\"]\n[permissions]\nallow = []\n"));
    yard.write(
        "team/close.rhai",
        "//! Closes.\n\n/// Closes.\nfn all() { iptables::table(\"filter\").chain(\"INPUT\").append(\"-j DROP\"); }\n",
    );
    yard.write("team/close_test.rhai", "import \"close\" as close;\nfn test_a() { close::all(); }\n");
    yard.write("team/other/fyke.toml", format!("name = \"other\"\n{head}[permissions]\nallow = [\"exec: *\"]\n"));
    yard.write("team/other/other_test.rhai", "fn test_b() { throw 1; }\n");
    let said = yard.fyke("team", &["test"]);
    assert!(said.code == Some(1) && said.out.contains("no permission `iptables: filter/INPUT`"), "{said:?}");
    assert!(!said.out.contains("test_b"), "{said:?}");
    assert!(yard.fyke("team", &["test", "other"]).out.contains("test_b"));
}
