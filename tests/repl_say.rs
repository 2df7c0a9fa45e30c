//! What the prompt says: values, answers as JSON, help, and the recipes that it saves.

use std::process::Command;

use serde_json::Value;

use crate::program::{Folder, Said, command, fyke, fyke_with};
use crate::terminal::{ENTER, TAB, Terminal};

const PROMPT: &str = "fyke sandbox> ";
const INPUT: &str = "let input = iptables::table(\"filter\").chain(\"INPUT\")\n";

/// Gives statements to a prompt at the end of a pipe, with flags before its name.
fn piped(flags: &[&str], text: &str) -> Said {
    let words: Vec<&str> = ["--sandbox"].iter().chain(flags).chain(&["repl"]).copied().collect();
    fyke_with(text.as_bytes(), &words)
}

/// Opens a prompt in a terminal of so many columns.
fn prompt(folder: &Folder, columns: u16) -> Terminal {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fyke"));
    command.args(["--sandbox", "--color", "never", "repl"]).current_dir(folder.path());
    command.env("XDG_STATE_HOME", folder.path().join("state"));
    let terminal = Terminal::open((60, columns), &command);
    terminal.until(PROMPT);
    terminal
}

/// Saves a session, checks the recipe, and gives its folder, its text, and the rules that the session and the recipe made.
fn saved(statements: &str) -> (String, String, String) {
    let folder = Folder::new();
    let file = folder.path().join("made.rhai");
    let list = "iptables::table(\"filter\").chain(\"INPUT\").list().map(|rule| rule.to_string())";
    let said = piped(&[], &format!("{statements}\n:save {}\nprint({list})\n", file.display()));
    assert_eq!(said.code, Some(0), "{said:?}");
    let checked = fyke(["check".as_ref(), file.as_os_str()]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""), "{text}");
    folder.file("run.rhai", format!("{text}\nprint({list});"));
    let run = fyke(["--sandbox".as_ref(), "run".as_ref(), folder.path().join("run.rhai").as_os_str()]);
    assert_eq!(run.code, Some(0), "{run:?}\n{text}");
    let last = |out: &str| out.lines().last().unwrap_or_default().to_owned();
    (text, last(&said.out), last(&run.out))
}

#[test]
fn a_saved_recipe_makes_the_rules_of_the_session() {
    let sessions = [
        "fn open(port) { iptables::table(\"filter\").chain(\"INPUT\").append(`-p tcp --dport ${port} -j DROP`) }\n\
         fn open(port) { iptables::table(\"filter\").chain(\"INPUT\").append(`-p tcp --dport ${port} -j ACCEPT`) }\nopen(22)\nopen(80)",
        "fn tail() { \" -j DROP\" }\nfn open(port) { `-p tcp --dport ${port}` + tail() }\nlet i = iptables::table(\"filter\").chain(\"INPUT\")\n\
         i.append(open(22))\nfn tail() { \" -j ACCEPT\" }\ni.append(open(80))",
        "let t = iptables::table(\"filter\")\nlet c = t.new_chain(\"X\")\n:undo\nc = t.chain(\"INPUT\")\nc.append(\"-p tcp -j ACCEPT\")",
        "let t = iptables::table(\"filter\")\nlet c = t.chain(\"INPUT\"); c.append(\"-j DROP\")\n:undo\nc.append(\"-p udp -j ACCEPT\")",
        ":plan on\nfn set(c) { c.append(\"-p udp -j DROP\") } let i = iptables::table(\"filter\").chain(\"INPUT\"); set(i)\n:plan off\nset(i)",
        "let port = 22\nlet words = `-p tcp --dport ${port} -j DROP`\nlet port = 80\n\
         iptables::table(\"filter\").chain(\"INPUT\").append(words + \"\") // so",
    ];
    for session in sessions {
        let (text, session, recipe) = saved(session);
        assert!(session.contains("-A INPUT") && session == recipe, "{session}\n{recipe}\n{text}");
    }
}

#[test]
fn a_file_can_be_loaded_twice_and_saved() {
    let folder = Folder::new();
    let file =
        folder.file("two.rhai", "//! Old.\n//! risk: reads\nfn rule(port) { `-p tcp --dport ${port} -j DROP` }\nlet numbers = [22, 80];\n");
    let (text, session, recipe) = saved(&format!("{INPUT}:load {file}\n:load {file}\nfor port in numbers {{ input.append(rule(port)) }}"));
    assert_eq!((text.matches("fn rule").count(), session), (1, recipe), "{text}");
}

#[test]
fn what_looks_at_what_is_undone_is_not_in_the_recipe() {
    let folder = Folder::new();
    let chain = "let t = iptables::table(\"filter\"); let c = t.new_chain(\"X\"); let n = c.list().len();";
    let file = folder.file("b.rhai", chain);
    let sessions = [
        ("let s = ipset::new_set(\"a\", \"hash:ip\")\nlet n = s.count\n:undo\nlet k = 1".to_owned(), 1),
        ("let t = iptables::table(\"filter\")\nlet c = t.new_chain(\"X\")\nfor r in c.list() { print(r) }\n:undo".to_owned(), 1),
        (format!(":load {file}\n:undo\n:load {file}"), 0),
        (format!(":plan on\n:load {file}\n:plan off\nlet m = n + 1"), 1),
    ];
    for (session, out) in sessions {
        let (text, session, recipe) = saved(&session);
        assert_eq!((text.matches("// left out: ").count(), session), (out, recipe), "{text}");
    }
}

#[test]
fn what_was_saved_without_an_ending_is_loaded_so() {
    let folder = Folder::new();
    let guard = folder.path().join("guard").display().to_string();
    let said = piped(&[], &format!("let a = [7]\n:save {guard}\na = 1\n:load {guard}\na[0]\n"));
    assert_eq!((said.code, said.out.as_str()), (Some(0), "7\n"), "{said:?}");
    let said = piped(&[], &format!(":load {guard}-not"));
    assert!(said.code != Some(0) && said.err.contains("guard-not"), "{said:?}");
}

#[test]
fn with_json_each_answer_is_a_value_on_a_line() {
    let folder = Folder::new();
    let (one, two) = (folder.path().join("one.rhai"), folder.file("two.rhai", "let loaded = 1;"));
    let statements = [
        INPUT.trim_end(),
        "input.append(\"-j DROP\")",
        "input.list()",
        "[]",
        "\"a\\nb\"",
        ":changes",
        ":type input",
        ":type 1 + 1",
        ":time 1 + 1",
        "?input",
        "?iptables",
        "?iptables::table",
        "?len",
        "?ssh-rate-limit",
        "?undo",
        "help",
        ":recipes",
        ":doctor",
        ":plan on",
        "input.append(\"-j ACCEPT\")",
        ":plan off",
        ":undo",
        ":json",
        "fn f(a) { a }",
        "?f",
    ];
    let text = format!("{}\n:load {two}\n:save {}\n:changes\n:table\n", statements.join("\n"), one.display());
    let said = piped(&["--json"], &text);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    let answers: Vec<Value> =
        said.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))).collect();
    assert_eq!(answers.len(), statements.len() + 4, "{}", said.out);
    let of = |statement: &str| &answers[statements.iter().position(|one| *one == statement).unwrap()];
    assert_eq!(of(":changes")[0]["changes"][0]["after"]["rule"], "-j DROP");
    assert_eq!((&of(":type input")["type"], &of(":type 1 + 1")["type"]), (&"Chain".into(), &"int".into()));
    assert!(of(":time 1 + 1")["given"] == 2 && of(":time 1 + 1")["seconds"].is_f64(), "{}", of(":time 1 + 1"));
    assert_eq!(of("input.append(\"-j ACCEPT\")")["planned"][0]["after"]["rule"], "-j ACCEPT");
    assert_eq!((&of(":plan on")["plan"], &of(":undo")["lifted"]), (&true.into(), &"input.append(\"-j DROP\")".into()));
    assert_eq!((of("[]"), &of("?f")["signature"]), (&Value::Array(vec![]), &"f(a)".into()));
    assert_eq!(answers.last().unwrap()["json"], false);
    for wrong in [":history", ":undo", "?nothing-like-it", "nonsense", ":save /"] {
        let said = piped(&["--json"], wrong);
        assert!(said.code != Some(0) && said.out.lines().count() == 1 && said.err.is_empty(), "{said:?}");
        assert!(serde_json::from_str::<Value>(&said.out).unwrap()["fault"]["why"].is_string());
    }
}

#[test]
fn tables_fit_terminals_of_all_widths() {
    let folder = Folder::new();
    let mut terminal = prompt(&folder, 200);
    terminal.type_line("let input = iptables::table(\"filter\").chain(\"INPUT\")", PROMPT);
    let prompt = "fyke sandbox +1> ";
    terminal.type_line("input.append(\"-p tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT\")", prompt);
    let wide = terminal.type_line("input.list()", prompt);
    assert!(wide.lines().count() == 2 && wide.contains("--ctstate NEW -j ACCEPT"), "{wide}");
    for (columns, lines) in [(80, 2), (40, 10)] {
        terminal.press("\x0c");
        terminal.resize(60, columns);
        terminal.until_it("is empty", |shown| shown == prompt.trim_end());
        let said = terminal.type_line("input.list()", prompt);
        // A line that is too long would be two on the screen.
        assert!(said.lines().count() <= lines && said.lines().all(|line| line.chars().count() <= columns.into()), "{columns}:\n{said}");
        assert!(said.lines().all(|line| line.starts_with(['f', 'i', 'c', 'p', 'b', 'r', ' '])), "{columns}:\n{said}");
    }
    // What the doctor says is longer than most terminals are high.
    terminal.resize(200, 40);
    for list in [":help", ":doctor"] {
        terminal.press("\x0c");
        terminal.until_it("is empty", |shown| shown == prompt.trim_end());
        let said = terminal.type_line(list, prompt);
        // A line that is too long would begin anew in the middle of a word.
        assert!(said.lines().all(|line| line.starts_with([' ', ':']) || line.starts_with("ok ") || line.starts_with("missing ")), "{said}");
    }
    assert!(terminal.type_line(":recipes", prompt).lines().all(|line| line.chars().count() <= 40), "{}", terminal.shown());
}

#[test]
fn maps_in_maps_are_completed() {
    let folder = Folder::new();
    let mut terminal = prompt(&folder, 100);
    terminal.type_line("let x = #{ link: #{ name: \"eth0\", state: \"up\" } }", PROMPT);
    terminal.press(&format!("x.li{TAB}.na{TAB}"));
    terminal.until("fyke sandbox> x.link.name");
    terminal.press(&format!(".to_up{TAB}{ENTER}"));
    terminal.until("ETH0\nfyke sandbox>");
}

#[test]
fn the_functions_of_the_language_are_explained() {
    let said = piped(&[], "?len\n?to_upper\nlet x = [1]\n?x.push\n");
    assert!(said.out.contains("len(array: array) -> int\n  Number of elements in the array."), "{said:?}");
    assert!(said.out.contains("Convert the string to all upper-case") && said.out.contains("push(array: array"), "{said:?}");
    let said = piped(&[], "let m = [1]\n?m.len()\n?len()\n?:undo\n:help :load\n");
    assert_eq!((said.code, said.out.matches("len(array: array) -> int\n").count()), (Some(0), 2), "{said:?}");
    assert!(said.out.contains(":undo [all]  lifts") && said.out.contains(":load FILE  does"), "{said:?}");
    for (wrong, hint) in [("undo", "begins with a colon: `:undo`"), (":changes now", "given as `:changes`"), ("?for", "rhai.rs/book")] {
        let said = piped(&[], wrong);
        assert!(said.err.contains(hint), "{said:?}");
    }
    let said = piped(&[], "?to_uper");
    assert!(said.err.contains("did you mean `to_upper`?"), "{said:?}");
}

#[test]
fn what_is_empty_shows_itself() {
    let said = piped(&[], "[]\n#{}\n\"\"\n()\n[[], #{}]\n#{ a: [] }\n");
    assert_eq!(said.out, "[]\n#{}\n\"\"\n[]\n#{}\na  []\n");
}

#[test]
fn a_pipe_shows_what_a_plan_would_change() {
    let said = piped(&[], &format!("{INPUT}:plan on\ninput.append(\"-p tcp -j DROP\")\n"));
    assert!(said.err.contains("    chain INPUT\n      + 1  -p tcp -j DROP\n1 to add\n"), "{said:?}");
    let said = piped(&[], &format!("{INPUT}input.append(\"-p tcp -j DROP\")\n"));
    assert_eq!((said.err.as_str(), said.out.as_str()), ("", ""));
}

#[test]
fn the_help_of_the_prompt_is_true() {
    let help = fyke(["repl", "--help"]).out;
    let one_line = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for promise in ["at the prompt one a statement, each on a line", "a statement of the prompt or a test after this time"] {
        assert!(one_line.contains(promise), "{help}");
    }
    let said = command(["--sandbox", "--timeout", "300ms", "eval", "1"]).output().unwrap();
    assert!(said.status.success());
    // Each statement has the whole time, and one that takes longer is ended.
    let said = piped(&["--timeout", "700ms"], "sleep(\"400ms\")\nsleep(\"400ms\")\nprint(\"both\")\nsleep(\"2s\")\nprint(\"not this\")");
    assert_eq!((said.code, said.out.as_str()), (Some(8), "both\n"), "{said:?}");
}
