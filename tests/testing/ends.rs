//! How tests end, and what is said of them.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{for_everybody, no_sandbox, test, with_tests};
use crate::packages::yard::flat;
use crate::program::{Folder, Said, command, is_root};

#[test]
fn what_passes_fails_and_is_skipped_is_told_in_the_order_of_the_file() {
    if no_sandbox() {
        return;
    }
    let yard = with_tests(
        r#"const PORT = 23;

fn close(port) {
    iptables::table("filter").chain("INPUT").append(`-p tcp --dport ${port} -j DROP`);
}

fn test_it_closes() {
    close(global::PORT);
    test::assert_eq(iptables::table("filter").chain("INPUT").list().len(), 1);
    print("not shown");
}

fn test_each_has_a_sandbox_of_its_own() {
    print("two rules?");
    close(80);
    test::assert_eq(iptables::table("filter").chain("INPUT").list().len(), 2, "in INPUT");
}

fn test_of_another_machine() {
    close(80);
    try { test::skip("there is no \x1b[2J card"); } catch { }
}

fn test_it_is_called_from_elsewhere() {
    throw "no";
}
"#,
    );
    let said = test(&yard, &[]);
    let wanted = r#"pass  some_test.rhai::test_it_closes
FAIL  some_test.rhai::test_each_has_a_sandbox_of_its_own
skip  some_test.rhai::test_of_another_machine: there is no \u{1b}[2J card
FAIL  some_test.rhai::test_it_is_called_from_elsewhere

some_test.rhai::test_each_has_a_sandbox_of_its_own
error[script]: cannot confirm what the test states: in INPUT: it is 1, and 2 was expected
  --> some_test.rhai:16:11
   |
16 |     test::assert_eq(iptables::table("filter").chain("INPUT").list().len(), 2, "in INPUT");
   |           ^^^^^^^^^
it printed:
  two rules?

some_test.rhai::test_it_is_called_from_elsewhere
error[script]: cannot run test_it_is_called_from_elsewhere: no
  --> some_test.rhai:25:5
   |
25 |     throw "no";
   |     ^^^^^

1 passed, 2 failed, 1 skipped
"#;
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(1), wanted, ""));
    let said = test(&yard, &["--filter", "closes"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "pass  some_test.rhai::test_it_closes\n\n1 passed\n"));
}

#[test]
fn a_skip_alone_is_no_failure() {
    if no_sandbox() {
        return;
    }
    let said = test(&with_tests("fn test_a() { test::skip(\"no card\"); }"), &[]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "skip  some_test.rhai::test_a: no card\n\n0 passed, 1 skipped\n"));
}

#[test]
fn what_is_wrong_with_a_whole_file_is_told_once() {
    if no_sandbox() {
        return;
    }
    let said = test(&with_tests("let x = y;\nfn test_a() {}\nfn test_b() {}\n"), &[]);
    let wanted = "FAIL  some_test.rhai::test_a
FAIL  some_test.rhai::test_b

some_test.rhai::test_a
error[input]: cannot read some_test.rhai: the variable `y` is not defined
 --> some_test.rhai:1:9
  |
1 | let x = y;
  |         ^

some_test.rhai::test_b
the same as above

0 passed, 2 failed
";
    assert_eq!((said.code, said.out.as_str()), (Some(1), wanted), "{}", said.out);
}

/// Tests with the end of what is said of their failure.
const FAILURES: &[(&str, &str)] = &[
    ("exit(64);", "cannot run test_a: it ended itself with the code 64"),
    ("nonsense();", "there is no function nonsense()"),
    ("test::assert(1 > 2);", "cannot confirm what the test states: it is false"),
    ("test::assert(false, \"why\");", "cannot confirm what the test states: why"),
    ("test::assert_ne(1, 1.0);", "it is 1, and anything else was expected"),
    ("test::assert_eq(#{ a: [\"x\", ()] }, #{ a: [\"x\", 'y'] });", "it is #{a: [\"x\", ()]}, and #{a: [\"x\", \"y\"]} was expected"),
    ("test::assert_eq(prefix(\"10.0.0.0/8\"), prefix(\"10.0.0.0/9\"));", "it is 10.0.0.0/8, and 10.0.0.0/9 was expected"),
    ("test::assert_fails(|| 1, \"x\");", "it did not fail; \"x\" was expected"),
    ("test::assert_fails(|| { throw \"y\" }, \"x\");", "it failed with \"y\", and \"x\" was expected"),
    // Refused when it is written: after the function, and still inside of it for the test.
    ("iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dprot 1\");", "--dprot"),
    ("loop {}", "the deadline is over"),
    ("f(); } fn f() { f()", "its calls nest too deep"),
    ("sleep(\"1m\");", "cannot sleep: the deadline is over"),
];

#[test]
fn a_failure_says_why() {
    if no_sandbox() {
        return;
    }
    for (body, why) in FAILURES {
        let said = test(&with_tests(&format!("fn test_a() {{ {body} }}")), &["--timeout", "1s"]);
        assert_eq!(said.code, Some(1), "{body}: {said:?}");
        assert!(flat(&said.out).contains(why), "{body}: {}", said.out);
        assert!(said.out.ends_with("\n0 passed, 1 failed\n"), "{body}: {}", said.out);
    }
}

#[test]
fn what_is_so_passes() {
    if no_sandbox() {
        return;
    }
    for body in [
        "exit();",
        "test::assert(true);",
        "test::assert_eq([1, #{ b: \"x\", a: 2.0 }], [1.0, #{ a: 2, b: \"x\" }]);",
        "test::assert_eq(address(\"192.0.2.1\"), address(\"192.0.2.1\"));",
        "test::assert_ne(\"a\", 1);",
        "test::assert_eq(test::assert_fails(|| { throw #{ a: 1 } }, \"\"), #{ a: 1 });",
        "test::assert_eq(test::assert_fails(|| iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dprot 1\"), \"--dprot\").kind, \"refused\");",
        "test::assert_fails(|| nonsense(), \"nonsense\");",
        "test::assert_fails(|| test::assert(false), \"it is false\");",
    ] {
        let said = test(&with_tests(&format!("fn test_a() {{ {body} }}")), &[]);
        assert_eq!((said.code, said.out.as_str()), (Some(0), "pass  some_test.rhai::test_a\n\n1 passed\n"), "{body}: {said:?}");
    }
}

#[test]
fn outside_of_tests_a_skip_is_something_that_is_not_possible() {
    let yard = with_tests("//! Skips.\n//! risk: reads\ntest::skip(\"no card\");\n");
    let said = yard.fyke("project", &["run", "some_test.rhai"]);
    assert_eq!(said.code, Some(7), "{said:?}");
    assert!(said.err.starts_with("error[skipped]: cannot go on here: no card\n --> some_test.rhai:3:7\n"), "{said:?}");
}

#[test]
fn tests_are_run_side_by_side_and_one_by_one() {
    if no_sandbox() {
        return;
    }
    // Each waits for the other's file. Files are no part of a sandbox.
    let folder = Folder::new();
    let meets = |own: &str, other: &str| {
        format!(
            "fn test_{own}() {{ sys::run([\"touch\", \"{0}/{own}\"]); while sys::run([\"test\", \"-e\", \"{0}/{other}\"], #{{ check: false }}).status != 0 {{ sleep(\"10ms\"); }} }}\n",
            folder.path().display()
        )
    };
    let yard = with_tests(&(meets("a", "b") + &meets("b", "a")));
    let said = test(&yard, &["-j", "2", "--timeout", "30s"]);
    assert_eq!((said.code, said.out.ends_with("\n2 passed\n")), (Some(0), true), "{said:?}");
    let yard = with_tests("fn test_a() { throw 1 }\nfn test_b() {}\nfn test_c() {}\n");
    let said = test(&yard, &["-j", "1", "--fail-fast"]);
    assert_eq!((said.code, said.out.ends_with("\n0 passed, 1 failed, 2 not run\n")), (Some(1), true), "{said:?}");
}

/// Starts tests of which one says when it has begun, and sends a signal.
fn interrupted(signal: Signal) -> Said {
    let folder = Folder::new();
    let begun = folder.path().join("begun");
    let yard = with_tests(&format!(
        "fn test_quick() {{}}\nfn test_slow() {{ iptables::table(\"filter\").chain(\"INPUT\").append(\"-j DROP\"); sys::run([\"touch\", \"{}\"]); sleep(\"2m\"); }}\nfn test_c() {{}}\n",
        begun.display()
    ));
    let mut child = yard.settle(command(["test", "-j", "1"]), "project").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !begun.exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(10));
    }
    kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
    let (mut out, mut err) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    Said { code: child.wait().unwrap().code(), out: super::timeless(&out), err }
}

#[test]
fn who_interrupts_ends_all_of_them() {
    if no_sandbox() {
        return;
    }
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)] {
        let said = interrupted(signal);
        let wanted = "pass  some_test.rhai::test_quick\n\n1 passed, 2 not run\n";
        assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(code), wanted, ""), "{signal}");
    }
}

#[test]
fn code_has_the_permissions_that_its_project_declares() {
    if no_sandbox() {
        return;
    }
    let yard = with_tests(
        "fn test_may() { iptables::table(\"filter\").chain(\"INPUT\").append(\"-j DROP\"); }\n\
         fn test_may_not() { iptables::table(\"nat\").chain(\"POSTROUTING\").append(\"-j MASQUERADE\"); }\n",
    );
    yard.write("project/fyke.toml", "name = \"project\"\nversion = \"0.1.0\"\n[permissions]\nallow = [\"iptables: filter/INPUT\"]\n");
    let said = test(&yard, &[]);
    assert!(said.code == Some(1) && said.out.contains("pass  some_test.rhai::test_may\n"), "{said:?}");
    let why =
        "cannot change the chain nat/POSTROUTING (IPv4): the recipe has no permission `iptables: nat/POSTROUTING` --> some_test.rhai:2:";
    assert!(flat(&said.out).contains(why), "{}", said.out);
    assert!(flat(&said.out).contains("add \"iptables: nat/POSTROUTING\" to `allow` of [permissions] in fyke.toml"), "{}", said.out);
    assert_eq!(test(&yard, &["--allow", "iptables: nat"]).code, Some(0));
    let said = test(&yard, &["--deny", "iptables: filter", "--filter", "test_may"]);
    assert!(said.out.contains("FAIL  some_test.rhai::test_may\n"), "{said:?}");
}

#[test]
fn an_ordinary_user_may_test() {
    if !is_root() {
        return println!("skipped: all other tests are made as an ordinary user already");
    }
    let folder = Folder::new();
    folder.file(
        "some_test.rhai",
        "fn test_a() { iptables::table(\"filter\").chain(\"INPUT\").append(\"-j DROP\"); link::ensure(\"br7 type bridge\"); }\n",
    );
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(for_everybody(&folder)).arg("test").current_dir(folder.path());
    let said: Said = command.env("HOME", folder.path()).stdin(Stdio::null()).output().unwrap().into();
    if said.out.contains("user namespaces") {
        return println!("skipped: {}", said.out);
    }
    assert_eq!((said.code, super::timeless(&said.out).as_str()), (Some(0), "pass  some_test.rhai::test_a\n\n1 passed\n"), "{said:?}");
}
