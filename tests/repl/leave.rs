//! The ends of a session: somebody leaves, the terminal is gone, the interpreter dies.

use std::process::Command;

use super::{PROMPT, inside, sandbox};
use crate::program::Folder;
use crate::terminal::{CTRL_C, CTRL_D, ENTER};

#[test]
fn an_interpreter_that_dies_takes_nothing_along() {
    let folder = Folder::new();
    let mut terminal = inside(&folder, "$FYKE --color never repl; echo code $?; iptables-save | grep -c dport");
    terminal.until("fyke>");
    terminal.type_line("let input = iptables::table(\"filter\").chain(\"INPUT\") // mine", "fyke> ");
    terminal.type_line("input.append(\"-p tcp --dport 22 -j ACCEPT\")", "fyke +1> ");
    terminal.type_line("input.append(\"-j DROP\")", "fyke +2> ");
    terminal.type_line(":undo", "fyke +1> ");
    terminal.type_line("let deep = (); for i in 0..1000000 { let one = deep; deep = || one; }", "fyke +1> ");
    // To let go of it takes more stack than there is.
    terminal.press(&format!("deep = (){ENTER}"));
    let shown = terminal.until("\n0");
    assert!(shown.contains("it nested too deep for its stack") && shown.contains("\ncode 8\n0"), "{shown}");
    assert!(shown.contains("all that was in force is lifted; what was typed is kept"), "{shown}");
    let kept = shown.lines().find_map(|line| line.split(":load ").nth(1)).unwrap_or_else(|| panic!("{shown}"));
    let text = std::fs::read_to_string(kept).unwrap();
    let begin =
        "let input = iptables::table(\"filter\").chain(\"INPUT\"); // mine\ninput.append(\"-p tcp --dport 22 -j ACCEPT\");\nlet deep";
    assert!(text.starts_with(begin) && !text.contains("deep = ()\n"), "{text}");
}

#[test]
fn files_of_sessions_that_ended_long_ago_go() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path().join("state/fyke")).unwrap();
    let kept = |number: u32| folder.path().join(format!("state/fyke/repl-{number}.rhai"));
    // No process has a number as high as these; the first has been there for longer than the others.
    let ended: Vec<_> = (0..21).map(|n| kept(5_000_000 + n)).collect();
    let (running, other) = (kept(std::process::id()), folder.path().join("state/fyke/repl-mine.rhai"));
    ended.iter().chain([&running, &other]).for_each(|path| std::fs::write(path, "1;\n").unwrap());
    let long_ago = |path, hours| {
        let file = std::fs::File::options().append(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_hours(hours)).unwrap();
    };
    [&running, &other, &ended[7]].into_iter().for_each(|path| long_ago(path, 31 * 24));
    long_ago(&ended[0], 29 * 24);
    let there = || ended.iter().filter(|path| path.exists()).count();
    sandbox(&folder);
    assert_eq!((there(), ended[7].exists(), running.exists(), other.exists()), (20, false, true, true));
    std::fs::write(&ended[7], "1;\n").unwrap();
    sandbox(&folder);
    assert_eq!((there(), ended[0].exists()), (20, false));
}

#[test]
fn what_is_too_deep_to_let_go_of_is_no_reason_not_to_leave() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    terminal.type_line("let deep = (); for i in 0..1000000 { let one = deep; deep = || one; }", PROMPT);
    terminal.press(&format!(":quit{ENTER}"));
    assert_eq!(terminal.code(), Some(0), "{}", terminal.shown());
}

#[test]
fn who_leaves_is_asked() {
    let folder = Folder::new();
    for (answer, left) in [("keep", "code 0\n1"), ("lift", "code 0\n0")] {
        let mut terminal = inside(&folder, "$FYKE --color never repl; echo code $?; iptables-save | grep -c dport");
        terminal.until("fyke>");
        terminal.type_line("iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 22 -j ACCEPT\")", "fyke +1> ");
        terminal.press(CTRL_D);
        terminal.until("1 statement is in force: keep or lift?");
        terminal.press(CTRL_C);
        terminal.until("fyke +1>");
        terminal.press(&format!(":q{ENTER}"));
        terminal.until("1 statement is in force: keep or lift?");
        terminal.press(&format!("perhaps{ENTER}"));
        terminal.until_it("asks again", |shown| shown.contains("say keep or lift") && shown.ends_with("lift?"));
        terminal.press(&format!("{answer}{ENTER}"));
        let shown = terminal.until(left);
        assert_eq!(shown.contains("lift with: fyke undo"), answer == "keep", "{shown}");
        assert_eq!(shown.contains("\nlifted: all\n"), answer == "lift", "{shown}");
    }
}

#[test]
fn who_leaves_by_exit_is_asked_too() {
    let folder = Folder::new();
    let file = folder.file("leave.rhai", "exit(71)");
    for (leave, answer, left) in
        [("exit(70)", "keep", "code 70\n1"), ("exit(0)", "lift", "code 0\n0"), (&format!(":load {file}"), "lift", "code 71\n0")]
    {
        let mut terminal = inside(&folder, "$FYKE --color never repl; echo code $?; iptables-save | grep -c dport");
        terminal.until("fyke>");
        terminal.type_line("iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 22 -j ACCEPT\")", "fyke +1> ");
        terminal.type_line(leave, "1 statement is in force: keep or lift?");
        terminal.press(CTRL_C);
        terminal.until("fyke +1>");
        assert_eq!(terminal.type_line("6 * 7", "fyke +1>"), "42");
        terminal.type_line(leave, "1 statement is in force: keep or lift?");
        terminal.press(&format!("{answer}{ENTER}"));
        terminal.until(left);
    }
}

#[test]
fn what_is_typed_ahead_answers_no_question() {
    let folder = Folder::new();
    let mut terminal = inside(&folder, "$FYKE --color never repl; echo code $?; iptables-save | grep -c dport");
    terminal.until("fyke>");
    terminal.type_line("iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 22 -j ACCEPT\")", "fyke +1> ");
    terminal.press(&format!("sleep(\"1s\"); exit(0){ENTER}keep{ENTER}"));
    std::thread::sleep(std::time::Duration::from_millis(300));
    terminal.press(&format!("keep{ENTER}"));
    terminal.until("1 statement is in force: keep or lift?");
    std::thread::sleep(std::time::Duration::from_millis(300));
    terminal.press(&format!("lift{ENTER}"));
    terminal.until("code 0\n0");
}

#[test]
fn a_terminal_that_is_closed_lifts() {
    let folder = Folder::new();
    let late = "until [ -e over ]; do sleep 0.1; done; iptables-save | grep -c dport > count; mv count left";
    for ignored in ["", "trap '' HUP; "] {
        let script = format!("setsid bash -c '{late}' > /dev/null 2>&1 & {ignored}$FYKE --color never repl; echo code $? > over");
        let mut terminal = inside(&folder, &format!("trap : HUP; {script}"));
        terminal.until("fyke>");
        terminal.type_line("iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 22 -j ACCEPT\")", "fyke +1> ");
        terminal.lose();
        let left = folder.path().join("left");
        terminal.until_it("looks at what is left", |_| left.exists());
        let code = std::fs::read_to_string(folder.path().join("over")).unwrap();
        assert_eq!((std::fs::read_to_string(&left).unwrap().as_str(), code.as_str()), ("0\n", "code 129\n"), "{ignored}");
        ["left", "over"].iter().for_each(|name| std::fs::remove_file(folder.path().join(name)).unwrap());
    }
    let files = std::fs::read_dir(folder.path().join("state/fyke")).unwrap().map(|file| file.unwrap().path());
    let kept: Vec<String> = files.filter(|path| path.extension().is_some()).map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert_eq!(kept, ["iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 22 -j ACCEPT\");\n"; 2]);
}

#[test]
fn a_terminal_that_is_lost_lifts() {
    let folder = Folder::new();
    for (signal, code) in [("HUP", 129), ("TERM", 143)] {
        let script = "bash -c 'echo pid $$; exec $FYKE --color never repl'; echo code $?; iptables-save | grep -c dport";
        let mut terminal = inside(&folder, script);
        let shown = terminal.until("fyke>");
        let pid = shown.lines().find_map(|line| line.strip_prefix("pid ")).unwrap().to_owned();
        terminal.type_line("iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 22 -j ACCEPT\")", "fyke +1> ");
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
        let shown = terminal.until(&format!("code {code}\n0"));
        assert!(shown.contains("all that was in force is lifted; what was typed is kept; to do it again: :load /"), "{shown}");
    }
}
