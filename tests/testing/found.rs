//! Which tests are found, and which are run.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::{for_everybody, no_sandbox, test, with_tests};
use crate::packages::yard::{Yard, flat};
use crate::program::{Folder, Said, is_root};

/// Makes a project in which tests lie in several places.
fn scattered() -> Yard {
    let yard = Yard::new();
    yard.write("project/fyke.toml", "name = \"project\"\nversion = \"0.1.0\"\nmodules = [\"numbers\"]\n");
    yard.write("project/numbers.rhai", "/// Gives a number.\nfn number() { 7 }\n");
    yard.write("project/a_test.rhai", "fn test_b() {}\nfn test_a() {}\nfn helper() {}\n");
    let own = "import \"../../numbers\" as near;\nimport \"project/numbers\" as own;\nfn test_c() { test::assert_eq(near::number(), own::number()); }\n";
    yard.write("project/tests/deep/c_test.rhai", own);
    for place in ["vendor/x", ".hidden", "target", "dist", "tests/.git"] {
        yard.write(&format!("project/{place}/x_test.rhai"), "fn test_not_run() { throw 1 }\n");
    }
    yard.write("project/other.rhai", "fn test_named() {}\n");
    symlink(".", yard.path("project/tests/loop")).unwrap();
    yard
}

#[test]
fn tests_are_found_in_the_whole_project_but_for_what_is_not_its_own() {
    let yard = scattered();
    let all = "a_test.rhai::test_b\na_test.rhai::test_a\ntests/deep/c_test.rhai::test_c\n";
    assert_eq!(test(&yard, &["--list"]).out, all);
    assert_eq!(test(&yard, &["--list", "."]).out, all);
    assert_eq!(test(&yard, &["--list", "tests", "tests/deep/c_test.rhai"]).out, "tests/deep/c_test.rhai::test_c\n");
    assert_eq!(test(&yard, &["--list", "--filter", "a_test.rhai::test_a"]).out, "a_test.rhai::test_a\n");
    // What is named counts, whatever it is called.
    assert_eq!(test(&yard, &["--list", "other.rhai"]).out, "other.rhai::test_named\n");
    let from_inside = yard.well("project/tests", &["test", "--list"]).out;
    assert!(from_inside.contains("a_test.rhai::test_b\n") && from_inside.ends_with("deep/c_test.rhai::test_c\n"), "{from_inside}");
    let list = yard.well("project", &["--json", "test", "--list", "tests"]).out;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&list).unwrap()["tests"][0], "tests/deep/c_test.rhai::test_c");
    if !no_sandbox() {
        let said = test(&yard, &[]);
        assert_eq!((said.code, said.out.ends_with("\n3 passed\n")), (Some(0), true), "{said:?}");
    }
}

#[test]
fn where_there_is_no_test_that_is_said() {
    let yard = with_tests("fn helper() {}\n");
    yard.refused("project", &["test"], 2, "cannot find a test: no function is called test_... in some_test.rhai");
    yard.refused("home", &["test"], 2, "cannot find a test: there is no file whose name ends in _test.rhai");
    yard.refused("project", &["test", "nowhere"], 2, "cannot find tests in nowhere: there is no such file or folder");
    yard.refused("project", &["test", "--doc"], 2, "cannot find an example: no doc comment has a block of rhai");
    yard.refused("project", &["--netns", "x", "test"], 2, "each has a sandbox of its own");
    yard.refused("project", &["test", "-j", "0"], 2, "Usage:");
    let yard = with_tests("fn test_a() {}\n");
    yard.refused("project", &["test", "--filter", "zzz"], 2, "cannot find a test with \"zzz\" in its name: none of 1 has it");
    yard.refused("project", &["test", "--junit", "/nowhere/x.xml"], 2, "cannot write /nowhere/x.xml: there is no such file");
}

#[test]
fn what_looks_like_a_test_and_is_none_is_told() {
    let yard = with_tests("fn test_a() {}\nfn test_b(x) { x }\nprivate fn test_c() {}\nfn int.test_d() { this }\n");
    let said = yard.well("project", &["test", "--list"]);
    assert_eq!(said.out, "some_test.rhai::test_a\n");
    assert!(
        flat(&said.err).contains("cannot run test_b as a test: it has parameters, and a test has none --> some_test.rhai:2:"),
        "{said:?}"
    );
    assert!(flat(&said.err).contains("cannot run test_c as a test: it is private"), "{said:?}");
    assert!(flat(&said.err).contains("cannot run test_d as a test: it is called on a value, its `this`"), "{said:?}");
    if !no_sandbox() {
        let said = test(&yard, &[]);
        assert_eq!((said.code, said.out.as_str()), (Some(0), "pass  some_test.rhai::test_a\n\n1 passed\n"), "{said:?}");
    }
}

#[test]
fn a_file_that_is_no_script_is_a_failure_with_its_place() {
    let yard = with_tests("fn test_a() {\n    let = 1;\n}\n");
    yard.write("project/bytes_test.rhai", b"fn test_b() { \"\xff\" }");
    yard.write("project/good_test.rhai", "fn test_c() {}\n");
    let said = test(&yard, &["--list"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), "good_test.rhai::test_c\n"));
    if no_sandbox() {
        return;
    }
    let said = test(&yard, &[]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.starts_with("FAIL  bytes_test.rhai\nFAIL  some_test.rhai\npass  good_test.rhai::test_c\n"), "{}", said.out);
    assert!(said.out.contains(" --> some_test.rhai:2:9\n  |\n2 |     let = 1;\n"), "{}", said.out);
    assert!(said.out.contains("byte offset 15"), "{}", said.out);
    assert!(said.out.ends_with("\n1 passed, 2 failed\n"), "{}", said.out);
}

#[test]
fn a_hostile_name_is_a_name() {
    let yard = with_tests("fn test_a() { throw 1 }\n");
    let name = "\u{1b}[2J<&\"'>\n\u{202e}_test.rhai";
    std::fs::rename(yard.path("project/some_test.rhai"), yard.path("project").join(name)).unwrap();
    if !no_sandbox() {
        let said = test(&yard, &["--junit", "report.xml"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.out.starts_with("FAIL  \\u{1b}[2J<&\"'>\\n\\u{202e}_test.rhai::test_a\n"), "{:?}", said.out);
        assert!(!said.out.contains(['\u{1b}', '\u{202e}']), "{:?}", said.out);
        let report = yard.read("project/report.xml");
        assert!(report.contains("name=\"\\u{1b}[2J&lt;&amp;&quot;'&gt;&#10;\u{202e}_test.rhai\""), "{report}");
    }
}

#[test]
fn what_cannot_be_read_is_a_failure_and_the_rest_goes_on() {
    let yard = with_tests("fn test_a() {}\n");
    std::fs::write(yard.path("project").join(OsStr::from_bytes(b"\xff_test.rhai")), "fn test_x() {}").unwrap();
    yard.write("project/folder_test.rhai/b_test.rhai", "fn test_b() {}\n");
    symlink("nowhere", yard.path("project/broken_test.rhai")).unwrap();
    symlink(".", yard.path("project/loop_test.rhai")).unwrap();
    mkfifo(&yard.path("project/pipe_test.rhai"), Mode::S_IRWXU).unwrap();
    let said = test(&yard, &["--list"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), "folder_test.rhai/b_test.rhai::test_b\nsome_test.rhai::test_a\n"), "{said:?}");
    let told = flat(&said.err);
    for fault in [
        "cannot read broken_test.rhai: there is no such file",
        "folder_test.rhai: it is a directory",
        "loop_test.rhai: it is a directory",
        "cannot read pipe_test.rhai: it is a pipe",
        "\u{fffd}_test.rhai: its name is not UTF-8",
    ] {
        assert!(told.contains(fault), "{fault}: {told}");
    }
    let listed = test(&yard, &["--json", "--list"]).out;
    assert_eq!(serde_json::from_str::<serde_json::Value>(&listed).unwrap()["faults"].as_array().unwrap().len(), 5, "{listed}");
    if !no_sandbox() {
        let said = test(&yard, &["--filter", "test_a"]);
        assert!(
            said.code == Some(1) && said.out.ends_with("\n1 passed, 5 failed\n"),
            "what cannot be read has no names to choose by: {said:?}"
        );
    }
    // The same is told of a whole package.
    yard.write("project/fyke.toml", "name = \"project\"\nversion = \"0.1.0\"\n");
    let said = yard.fyke("project", &["check"]);
    let told = flat(&said.err);
    for fault in ["its name is not UTF-8", "folder_test.rhai: it is a directory", "cannot read broken_test.rhai: there is no such file"] {
        assert!(said.code == Some(2) && told.contains(fault), "{fault}: {said:?}");
    }
    assert!(said.out.contains("\nsome_test.rhai: good\n") && said.out.ends_with("project 0.1.0: 5 of 8 files are not good\n"), "{said:?}");
}

#[test]
fn a_folder_that_is_shut_is_a_failure_and_the_rest_goes_on() {
    if !is_root() {
        return println!("skipped: without root nobody else can be asked to look");
    }
    let folder = Folder::new();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(folder.path().join("shut")).unwrap();
    std::fs::set_permissions(folder.path().join("shut"), Permissions::from_mode(0o700)).unwrap();
    std::fs::write(folder.path().join("own_test.rhai"), "fn test_own() {}\n").unwrap();
    std::fs::set_permissions(folder.path().join("own_test.rhai"), Permissions::from_mode(0o600)).unwrap();
    std::fs::write(folder.path().join("some_test.rhai"), "fn test_a() {}\n").unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(for_everybody(&folder)).args(["test", "--list"]);
    let said: Said = command.current_dir(folder.path()).env("HOME", folder.path()).stdin(Stdio::null()).output().unwrap().into();
    assert_eq!((said.code, said.out.as_str()), (Some(1), "some_test.rhai::test_a\n"), "{said:?}");
    let told = flat(&said.err);
    assert!(told.contains("cannot read own_test.rhai: permission denied") && told.contains("shut: permission denied"), "{told}");
}

#[test]
fn examples_are_run_as_users_of_the_module_would() {
    if no_sandbox() {
        return;
    }
    let yard = Yard::new();
    yard.write("project/fyke.toml", "name = \"team\"\nversion = \"0.1.0\"\nmodules = [\"numbers\"]\n");
    let module = "//! Numbers.\nimport \"own/base\" as base;\n\n/// Doubles.\n///\n/// ```rhai\n/// import \"team/numbers\" as numbers;\n/// numbers::two(2) == 4\n/// ```\nfn two(x) { x * base::two() }\n\n/// Gives one.\n/// ```rhai\n/// import \"team/numbers\" as numbers;\n/// numbers::one() == 2\n/// ```\n/// ```rhai\n/// import \"team/own/base\" as base;\n/// ```\nfn one() { 1 }\n";
    yard.write("project/numbers.rhai", module);
    yard.write("project/own/base.rhai", "fn two() { 2 }\n");
    let said = test(&yard, &["--doc"]);
    let wanted = r#"pass  numbers.rhai::two (example)
FAIL  numbers.rhai::one 1 (example)
FAIL  numbers.rhai::one 2 (example)

numbers.rhai::one 1 (example)
error[script]: cannot confirm the example: it ends with a comparison that is false
  --> numbers.rhai (example):14:5
   |
14 |     import "team/numbers" as numbers;
   |     ^^^^^^

numbers.rhai::one 2 (example)
error[not-found]: cannot import "team/own/base": there is no such file
  --> numbers.rhai (example):18:12
   |
18 |     import "team/own/base" as base;
   |            ^
   |
   = help: only users import it by this name; here it is a file: import "./own/base"

1 passed, 2 failed
"#;
    assert_eq!((said.code, said.out.as_str()), (Some(1), wanted), "{}", said.out);
    // Only an example may do that: of the package itself nobody would find it.
    yard.write("project/recipe.rhai", "//! X.\n//! risk: reads\nimport \"team/numbers\" as numbers;\n");
    yard.refused("project", &["check", "recipe.rhai"], 2, "cannot import \"team/numbers\"");
}

#[test]
fn a_block_says_whether_its_example_is_run() {
    if no_sandbox() {
        return;
    }
    let yard = Yard::new();
    yard.write("project/fyke.toml", "name = \"team\"\nversion = \"0.1.0\"\nmodules = [\"m\"]\n");
    let drop = "iptables::table(\"filter\").chain(\"INPUT\").append(\"-j DROP\");";
    let blocks = [
        ("left_out", "~~~rhai,ignore", "throw 1;", "~~~"),
        ("only_read", "```rhai no_run", "import \"team/m\" as m; m::fails(); sleep(3600);", "```"),
        ("read_wrong", "```rhai,no_run", "import \"team/m\" as m; m::nothing();", "```"),
        ("throws", "````rhai,should_fail", &format!("{drop} import \"team/m\" as m; m::fails();"), "`````"),
        ("refused", "```rhai,should_fail", "iptables::table(\"filter\").chain(\"NONE\").append(\"-j DROP\");", "```"),
        ("ends_well", "```rhai,should_fail", drop, "```"),
        ("is_none", "```rhai,should_fail", "let = 1;", "```"),
        ("typed_wrong", "```rhai,norun", "1", "```"),
    ];
    let text =
        blocks.map(|(name, begin, code, end)| format!("/// X.\n///\n/// {begin}\n/// {code}\n/// {end}\nfn {name}() {{ 1 }}\n")).concat();
    yard.write("project/m.rhai", format!("//! M.\n{text}\n/// X.\nfn fails() {{ throw \"as it should\" }}\n"));
    let said = test(&yard, &["--doc", "--allow", "iptables"]);
    let lines: Vec<&str> = said.out.lines().take(8).collect();
    assert_eq!(
        lines,
        [
            "skip  m.rhai::left_out (example): its block says `ignore`",
            "pass  m.rhai::only_read (example)",
            "FAIL  m.rhai::read_wrong (example)",
            "pass  m.rhai::throws (example)",
            "pass  m.rhai::refused (example)",
            "FAIL  m.rhai::ends_well (example)",
            "FAIL  m.rhai::is_none (example)",
            "pass  m.rhai::typed_wrong (example)",
        ],
        "{said:?}"
    );
    for told in
        ["there is no such function", "it ended well, and its block says `should_fail`", "m.rhai (example):35:5", "m.rhai (example):41:9"]
    {
        assert!(flat(&said.out).contains(told), "{told}: {}", said.out);
    }
    assert!(flat(&said.err).contains("cannot heed \"norun\" behind `rhai`") && said.err.contains("did you mean `no_run`?"), "{said:?}");
    assert!(yard.fyke("project", &["check"]).err.contains("cannot heed \"norun\""));
    yard.well("project", &["doc"]);
    assert!(yard.read("project/dist/doc/package.team.m.html").contains("<span class=\"k\">throw</span>"));
}
