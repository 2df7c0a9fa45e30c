//! The command line from outside: words, streams, exit codes.

use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Folder, command, fyke, fyke_with, is_root, shell};

#[test]
fn a_misuse_exits_with_2_and_says_so_on_standard_error_only() {
    let misuses: &[&[&str]] = &[
        &[],
        &["nonsense"],
        &["--nonsense"],
        &["run"],
        &["run", "--nonsense", "ssh-rate-limit"],
        &["--timeout", "run", "ssh-rate-limit"],
        &["--timeout", "-5s", "run", "ssh-rate-limit"],
        &["--timeout=5 minutes", "eval", "1"],
        &["--netns", "run"],
        &["--backend", "none", "run", "ssh-rate-limit"],
        &["run", "--confirm", "4s", "ssh-rate-limit"],
        &["run", "--confirm", "25h", "ssh-rate-limit"],
        &["run", "--confirm", "0", "ssh-rate-limit"],
        &["run", "--for", "soon", "ssh-rate-limit"],
        &["run", "--for", "60s", "--confirm", "60s", "ssh-rate-limit"],
        &["plan", "--confirm", "60s", "ssh-rate-limit"],
        &["eval", "--for", "-5s", "1"],
        &["confirm", "a", "b"],
        &["list", "cat"],
        &["eval", "1", "2"],
        &["eval"],
        &["undo"],
        &["undo", "a", "--all"],
        &["redo", "a", "b"],
        &["completions", "csh"],
        &["--", "--json"],
    ];
    for words in misuses {
        let said = fyke(*words);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{words:?}: {said:?}");
        assert!(said.err.contains("Usage:"), "{words:?}: {said:?}");
    }
}

#[test]
fn the_flags_of_a_recipe_are_its_own() {
    let folder = Folder::new();
    let recipe = folder.file("own.rhai", "//! Prints.\n//! risk: reads\nprint(param(\"json\", \"none\", \"a word\"));\n");
    assert_eq!(fyke(["run", &recipe, "--json", "--help-me"]).out, "--help-me\n");
    assert_eq!(fyke(["run", "--", &recipe, "--json=x"]).out, "x\n");
    let help = fyke(["run", &recipe, "--help"]);
    assert!(help.code == Some(0) && help.out.contains("--json TEXT"), "{help:?}");
    assert!(help.out.contains(&format!("Usage: fyke run {recipe} [PARAMETER...]")), "{help:?}");
    let said = fyke(["run", &recipe, "--jsn", "x"]);
    assert_eq!((said.code, said.out.as_str()), (Some(2), ""));
    assert!(said.err.contains("did you mean `--json`?"), "{said:?}");
}

#[test]
fn what_is_no_recipe_is_refused_at_once() {
    let folder = Folder::new();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let large = folder.file("large.rhai", vec![b' '; 9 << 20]);
    let bytes = folder.file("bytes.rhai", b"let a = \"\xff\";");
    let nul = folder.file("nul.rhai", b"let a = 1;\0");
    let began = Instant::now();
    let cases = [
        ("./missing.rhai", "there is no such file"),
        ("missing", "there is no built-in recipe"),
        ("/", "it is a directory"),
        ("/dev/zero", "it is a device"),
        (pipe.to_str().unwrap(), "it is a pipe"),
        (&large, "more than"),
        (&bytes, "byte offset 9"),
        (&nul, "byte offset 10"),
    ];
    for verb in ["run", "check", "cat"] {
        for (path, why) in cases {
            let said = fyke([verb, path]);
            assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{verb} {path}: {said:?}");
            assert!(said.err.contains(why), "{verb} {path}: {said:?}");
        }
    }
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(fyke_with(&vec![b' '; 9 << 20], &["run", "-"]).code, Some(2));
}

#[test]
fn a_recipe_that_does_nothing_is_one() {
    let folder = Folder::new();
    for text in ["", "// only a comment", "\u{feff}1;", "#!/usr/bin/env fyke\r\n1;\r\n"] {
        let said = fyke(["run", &folder.file("nothing.rhai", text)]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), "nothing changed\n"), "{text:?}: {said:?}");
        assert_eq!(fyke_with(text.as_bytes(), &["run", "-"]).code, Some(0), "{text:?}");
    }
}

#[test]
fn odd_words_are_carried_or_refused_but_never_mistaken() {
    let folder = Folder::new();
    let echo = folder.file("echo.rhai", "let text = param(\"text\", \"\", \"a text\");\nprint(text);\n");
    assert_eq!(fyke(["run", &echo, "--text", "one; $(id) `id` | sh"]).out, "one; $(id) `id` | sh\n");
    let control = fyke(["run", &echo, "--text", "two\nlines"]);
    assert_eq!((control.code, control.out.as_str()), (Some(2), ""), "{control:?}");
    let not_utf8 = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for words in [[echo.as_ref(), "--text".as_ref(), not_utf8], [not_utf8, "a".as_ref(), "b".as_ref()]] {
        let said = fyke(std::iter::once("run".as_ref()).chain(words));
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{said:?}");
        assert!(said.err.contains("it is not UTF-8"), "{said:?}");
    }
    let long = "x".repeat(100_000);
    assert_eq!(fyke(["run", &echo, "--text", &long]).out.len(), long.len() + 1);
    folder.file("-x", "print(7);");
    let said = command(["run", "--", "-x"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "7\n");
}

#[test]
fn lost_output_is_no_success_and_no_panic() {
    for (script, wanted) in [
        ("$FYKE list >/dev/full", 1),
        ("$FYKE list >&-", 1),
        ("$FYKE --version >/dev/full", 1),
        ("$FYKE eval '1' >&-", 1),
        ("$FYKE eval 'print(1)' >/dev/full", 1),
        ("$FYKE --json eval '1' >/dev/full", 1),
        ("{ sleep 0.2; $FYKE eval 'for i in 0..50000 { print(i); }'; echo $? >&2; } | true", 0),
        ("$FYKE list <&- 2>&-", 0),
        ("$FYKE nonsense 2>&-", 2),
        ("$FYKE eval 'throw 1' 2>/dev/full", 1),
        ("$FYKE eval '1' <&- >&- 2>&-", 1),
    ] {
        let said = shell(script);
        assert_eq!(said.code, Some(wanted), "{script}: {said:?}");
        assert!(!said.err.contains("panicked"), "{script}: {said:?}");
    }
    let said = shell("{ sleep 0.2; $FYKE eval 'for i in 0..50000 { print(i); }'; echo code $? >&2; } | true");
    assert_eq!(said.err, "code 141\n");
}

#[test]
fn a_bare_environment_is_enough() {
    let bare = "cd \"$(mktemp -d)\" && rmdir \"$PWD\" && exec env -i TERM=dumb LANG=C $FYKE";
    for (words, out) in [("eval 6*7", "42\n"), ("eval '\"größe\"'", "größe\n")] {
        let said = shell(&format!("{bare} {words}"));
        assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), out, ""), "{words}");
    }
}

#[test]
fn colours_and_tricks_stay_away_from_what_is_no_terminal() {
    let said = fyke(["eval", "print(\"\\x1b[2J\"); nonsense()"]);
    assert_eq!((said.code, said.out.as_str()), (Some(1), "\x1b[2J\n"));
    assert!(!said.err.contains('\x1b'), "{said:?}");
    let painted = fyke(["--color=always", "eval", "nonsense()"]);
    assert!(painted.err.contains("\x1b["), "{painted:?}");
    let terminal = |words: &str| shell(&format!("TERM=xterm script -qec \"$FYKE {words}\" /dev/null"));
    let said = terminal("eval 'print(\\\"\\\\x1b[2J\\\")'");
    assert!(said.out.contains("\\u{1b}[2J") && !said.out.contains("\x1b[2J"), "{said:?}");
    // Our own colours are not taken for tricks.
    let said = terminal("eval '[#{ a: \\\"\\\\x1b[2J\\\" }]'");
    assert!(said.out.contains("\x1b[1ma\x1b[0m") && said.out.contains("\\u{1b}[2J") && !said.out.contains("\x1b[2J"), "{said:?}");
    assert!(terminal("list").out.contains("\x1b[1mrecipe"), "{said:?}");
    assert!(!shell("NO_COLOR=1 TERM=xterm script -qec \"$FYKE eval nonsense\" /dev/null").out.contains("\x1b["));
}

#[test]
fn json_is_one_document_for_a_value_and_for_a_fault() {
    let said = fyke(["--json", "eval", "print(1); #{ a: [1, \"x\", ()] }"]);
    let value: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.err.as_str(), value["value"].to_string()), ("1\n", "{\"a\":[1,\"x\",null]}".to_owned()));
    for (words, code, kind) in [
        (&["--json", "eval", "throw 1"][..], 1, "script"),
        (&["--json", "run", "nonsense"], 2, "input"),
        (&["--json", "--sandbox", "undo", "../x"], 2, "input"),
        (&["--json", "--timeout", "100ms", "eval", "loop {}"], 8, "limit"),
    ] {
        let said = fyke(words);
        let fault: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
        assert_eq!((said.code, &fault["fault"]["kind"], &fault["exit"]), (Some(code), &Value::from(kind), &Value::from(code)), "{said:?}");
    }
}

#[test]
fn a_script_ends_with_its_own_code_or_with_ours() {
    for (script, code) in [("exit(0)", 0), ("exit(64)", 64), ("exit(113)", 113), ("exit(1)", 2), ("throw 1", 1), ("let x = ;", 2)] {
        assert_eq!(fyke(["eval", script]).code, Some(code), "{script}");
    }
}

#[test]
fn who_reads_the_first_lines_only_has_what_it_wanted() {
    for words in [["cat", "ssh-rate-limit"], ["eval", "let a = []; a.pad(100000, 7); a"], ["eval", "for i in 0..20000 { print(i); }"]] {
        let mut child = command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let said = child.wait_with_output().unwrap();
        assert_eq!((said.status.code(), String::from_utf8_lossy(&said.stderr).as_ref()), (Some(141), ""), "{words:?}");
    }
}

#[test]
fn a_signal_ends_a_run_with_its_code() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let mut child = command(["eval", "print(1); loop {}"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
        // Ctrl-C goes to both processes; a terminal's other signals, and those of a service manager, to the one that was started.
        let runners = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
        let whom = if signal == "INT" { runners.trim().to_owned() } else { child.id().to_string() };
        assert!(Command::new("kill").args(["-s", signal, &whom]).status().unwrap().success());
        let said = child.wait_with_output().unwrap();
        assert_eq!(said.status.code(), Some(code), "{signal}: {}", String::from_utf8_lossy(&said.stderr));
    }
}

#[test]
fn borrowed_rights_are_refused() {
    if !is_root() {
        println!("skipped: only root can make a set-user-id program");
        return;
    }
    let folder = Folder::new();
    let copy = folder.path().join("fyke");
    std::fs::copy(env!("CARGO_BIN_EXE_fyke"), &copy).unwrap();
    assert!(Command::new("chmod").args(["u+s,a+rx"]).args([&copy, folder.path()]).status().unwrap().success());
    let said =
        Command::new("setpriv").args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy).args(["eval", "1"]).output().unwrap();
    assert_eq!(said.status.code(), Some(5), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(String::from_utf8_lossy(&said.stderr).contains("set-user-id"));
}
