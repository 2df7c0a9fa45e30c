//! The prompt, at a terminal and at the end of a pipe.

mod leave;

use std::process::{Command, Stdio};

use crate::program::{Folder, fyke, fyke_with, is_root};
use crate::terminal::{CTRL_C, CTRL_D, ENTER, TAB, Terminal};

const PROMPT: &str = "fyke sandbox> ";

/// A command in a folder of its own, where the history of the prompt lies, too.
fn at_home(folder: &Folder, mut command: Command) -> Command {
    command.current_dir(folder.path()).env("XDG_STATE_HOME", folder.path().join("state"));
    command
}

fn sandbox(folder: &Folder) -> Terminal {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fyke"));
    command.args(["--sandbox", "--color", "never", "repl"]);
    let terminal = Terminal::open((100, 100), &at_home(folder, command));
    terminal.until(PROMPT);
    terminal
}

/// Runs a script in a fresh network namespace; `$FYKE` is the program.
fn inside(folder: &Folder, script: &str) -> Terminal {
    let mut command = Command::new("unshare");
    command.args(if is_root() { &[][..] } else { &["--map-root-user"] }).args(["--net", "--mount", "bash", "-c"]);
    command.arg(format!("PATH=$PATH:/usr/sbin:/sbin; mount -t tmpfs run /run; {script}")).env("FYKE", env!("CARGO_BIN_EXE_fyke"));
    Terminal::open((100, 100), &at_home(folder, command))
}

#[test]
fn a_value_shows_itself_and_stays() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    assert_eq!(terminal.type_line("let x = 20; let name = \"日本\";", PROMPT), "");
    assert_eq!(terminal.type_line("x + 1", PROMPT), "21");
    assert_eq!(terminal.type_line("[#{ name: name, n: 1 }, #{ name: \"b\", n: 22 }]", PROMPT), "n  name\n 1  日本\n22  b");
    assert_eq!(terminal.type_line(":type name", PROMPT), "string");
    assert_eq!(terminal.type_line(":type duration(\"5s\")", PROMPT), "Duration");
    assert_eq!(terminal.type_line("import \"std:firewall\" as wall", PROMPT), "");
    assert!(terminal.type_line("?wall", PROMPT).contains("wall"), "{}", terminal.shown());
    assert_eq!(terminal.type_line(":json", PROMPT), "");
    assert_eq!(terminal.type_line("#{ a: [x, ()] }", PROMPT), "{\"a\":[20,null]}");
    terminal.press(CTRL_D);
    assert_eq!(terminal.code(), Some(0));
}

#[test]
fn tab_completes_and_a_hint_says_what_is_missing() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    terminal.press(&format!("iptab{TAB}"));
    terminal.until("fyke sandbox> iptables::");
    terminal.press(&format!("tab{TAB}"));
    terminal.until("fyke sandbox> iptables::table(name: string) -> Table");
    terminal.press(&format!("\"fil{TAB}"));
    terminal.until("fyke sandbox> iptables::table(\"filter");
    terminal.press(&format!("\").chain(\"INP{TAB}"));
    terminal.until("chain(\"INPUT");
    terminal.press(&format!("\").appe{TAB}"));
    terminal.until("append(rules: any)");
    terminal.press(&format!("#{{ dpor{TAB}22, in_interface: \"et{TAB}"));
    terminal.until("#{ dport: 22, in_interface: \"eth0");
    terminal.press(&format!("\", proto: \"tcp\" }}){ENTER}"));
    terminal.until("fyke sandbox +1>");
}

#[test]
fn chains_of_the_table_and_parameters_are_completed() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    assert_eq!(terminal.type_line("let n = iptables::table(\"nat\");", PROMPT), "");
    terminal.press(&format!("n.chain(\"PRE{TAB}"));
    terminal.until("n.chain(\"PREROUTING");
    terminal.press(&format!("\").policy{ENTER}"));
    terminal.until("ACCEPT\nfyke sandbox>");
    terminal.press(&format!("sysctl::get(\"net.ipv4.ip_forw{TAB}"));
    terminal.until("sysctl::get(\"net.ipv4.ip_forward");
}

#[test]
fn files_and_commands_are_completed() {
    let folder = Folder::new();
    folder.file("module.rhai", "fn seven() { 7 }");
    let mut terminal = sandbox(&folder);
    terminal.press(&format!("import \"mod{TAB}"));
    terminal.until("import \"module");
    terminal.press(&format!("\" as m{ENTER}"));
    terminal.until("as m\nfyke sandbox>");
    terminal.press(&format!("m::sev{TAB}"));
    terminal.until("m::seven()");
    terminal.press(ENTER);
    terminal.until("7\nfyke sandbox>");
    // The file has changed, and is imported anew.
    folder.file("module.rhai", "fn seven() { 8 }");
    terminal.type_line("import \"module\" as m", PROMPT);
    assert_eq!(terminal.type_line("m::seven()", PROMPT), "8");
    terminal.press(&format!(":cha{TAB}"));
    terminal.until(":changes");
    terminal.press(CTRL_C);
    terminal.until(":changes\nfyke sandbox>");
    terminal.press(&format!(":load mod{TAB}"));
    terminal.until(":load module.rhai");
    terminal.press(CTRL_C);
    terminal.until("rhai\nfyke sandbox>");
    terminal.press(&format!("?ssh-{TAB}"));
    terminal.until("?ssh-rate-limit");
}

#[test]
fn an_input_of_several_lines_is_one() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    terminal.press(&format!("fn twice(a) {{{ENTER}  a * 2{ENTER}}}{ENTER}"));
    terminal.until("}\nfyke sandbox>");
    assert_eq!(terminal.type_line("twice(21)", PROMPT), "42");
    // The whole of it comes back from the history.
    terminal.press("\x1b[A\x1b[A");
    terminal.until("fyke sandbox> fn twice(a) {\n  a * 2\n}");
    terminal.press(CTRL_C);
    terminal.until("}\nfyke sandbox>");
    terminal.press(&format!("let x ={ENTER}"));
    terminal.press(&format!("5{ENTER}"));
    terminal.until("5\nfyke sandbox>");
}

#[test]
fn ctrl_c_ends_the_statement_and_not_the_session() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    terminal.type_line("let input = iptables::table(\"filter\").chain(\"INPUT\")", PROMPT);
    for endless in ["input.append(\"-j DROP\"); commit(); loop {}", "input.append(\"-j DROP\"); sleep(\"1h\")"] {
        terminal.press(&format!("{endless}{ENTER}"));
        // Its changes are there before it is interrupted.
        std::thread::sleep(std::time::Duration::from_millis(1000));
        terminal.press(CTRL_C);
        terminal.until_it("is interrupted", |shown| shown.contains("interrupted") && shown.ends_with(PROMPT.trim_end()));
        assert_eq!(terminal.type_line("input.list().len()", PROMPT), "0");
    }
}

#[test]
fn a_statement_that_fails_is_lifted_alone() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    terminal.type_line("let input = iptables::table(\"filter\").chain(\"INPUT\")", PROMPT);
    assert!(terminal.type_line("input.append(\"-p tcp -j ACCEPT\")", "fyke sandbox +1> ").ends_with("+ 1  -p tcp -j ACCEPT"));
    let said = terminal.type_line("input.append(\"-p udp -j ACCEPT\"); commit(); input.append(\"--dprot 1\")", "fyke sandbox +1> ");
    assert!(said.contains("unknown option \"--dprot\"") && said.contains("<input 3>:1:51"), "{said}");
    assert_eq!(terminal.type_line("input.list().len()", "fyke sandbox +1> "), "1");
    assert!(terminal.type_line(":changes", "fyke sandbox +1> ").ends_with("+ 1  -p tcp -j ACCEPT"));
    assert!(terminal.type_line(":undo", PROMPT).contains("lifted: input.append(\"-p tcp -j ACCEPT\")"));
    assert_eq!(terminal.type_line("input.list().len()", PROMPT), "0");
    let said = terminal.type_line(":undo", PROMPT);
    assert!(said.contains("nothing of this session is in force"), "{said}");
    for mark in 1..4 {
        terminal.type_line(&format!("input.append(\"-m mark --mark {mark}\")"), &format!("fyke sandbox +{mark}> "));
    }
    terminal.type_line(":undo all", PROMPT);
    assert_eq!(terminal.type_line("input.list().len()", PROMPT), "0");
}

#[test]
fn what_somebody_else_changed_is_said() {
    let folder = Folder::new();
    let mut terminal = inside(&folder, "sleep 1000 & echo at $!; exec $FYKE --color never repl");
    let shown = terminal.until("fyke>");
    let at = shown.lines().find_map(|line| line.strip_prefix("at ")).unwrap().to_owned();
    terminal.type_line("let filter = iptables::table(\"filter\")", "fyke> ");
    terminal.type_line("filter.new_chain(\"A\").append(\"-j DROP\")", "fyke +1> ");
    terminal.type_line("filter.new_chain(\"B\").append(\"-j DROP\")", "fyke +2> ");
    let theirs = |words: &str| {
        let words: Vec<&str> = ["-t", &at, "-n", "-U", "--preserve-credentials"].into_iter().chain(words.split(' ')).collect();
        let words =
            if is_root() { words.into_iter().filter(|word| !["-U", "--preserve-credentials"].contains(word)).collect() } else { words };
        assert!(Command::new("nsenter").args(words).status().unwrap().success());
    };
    // A rule of theirs in a chain of ours: the chain stays for it.
    theirs("iptables -A A -j ACCEPT");
    theirs("iptables -F B");
    let said = terminal.type_line(":undo all", "fyke +1> ");
    assert!(said.contains("! drift") && said.contains("somebody else changed some of it"), "{said}");
    assert!(terminal.type_line(":changes", "fyke +1> ").contains("chain A"), "{}", terminal.shown());
    theirs("iptables -F A");
    terminal.type_line(":undo", "fyke> ");
    assert_eq!(terminal.type_line("filter.list_chains()", "fyke> "), "FORWARD\nINPUT\nOUTPUT");
    Command::new("kill").arg(&at).status().unwrap();
}

#[test]
fn a_plan_changes_nothing() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    let planning = "fyke sandbox plan> ";
    terminal.type_line(":plan on", planning);
    terminal.type_line("let input = iptables::table(\"filter\").chain(\"INPUT\")", planning);
    let said = terminal.type_line("input.append(\"-p tcp -j ACCEPT\"); sleep(\"1h\");", planning);
    assert!(said.ends_with("+ 1  -p tcp -j ACCEPT\n1 to add"), "{said}");
    assert_eq!(terminal.type_line("input.list().len()", planning), "1");
    terminal.type_line(":plan off", PROMPT);
    assert_eq!(terminal.type_line("input.list().len()", PROMPT), "0");
}

#[test]
fn a_session_is_saved_as_a_recipe() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    terminal.type_line("let port = 2222", PROMPT);
    terminal.type_line("let input = iptables::table(\"filter\").chain(\"INPUT\")", PROMPT);
    terminal.type_line("input.ensure(#{ proto: \"udp\", jump: \"DROP\" })", "fyke sandbox +1> ");
    terminal.type_line(":undo", PROMPT);
    terminal.type_line("input.ensure(#{ proto: \"tcp\", dport: port, jump: \"DROP\" })", "fyke sandbox +1> ");
    terminal.type_line("nonsense", "fyke sandbox +1> ");
    assert_eq!(terminal.type_line(":save mine", "fyke sandbox +1> "), "saved; it runs with: fyke run ./mine.rhai");
    let said = terminal.type_line(":save mine", "fyke sandbox +1> ");
    assert!(said.contains("to take its place: :save! mine.rhai"), "{said}");
    let recipe = folder.path().join("mine.rhai");
    let said = fyke([std::ffi::OsStr::new("check"), recipe.as_os_str()]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
    let words = ["--sandbox", "plan", recipe.to_str().unwrap(), "--port", "7"];
    assert!(fyke(words).out.contains("+ 1  -p tcp -m tcp --dport 7 -j DROP"), "{:?}", fyke(words));
    let text = std::fs::read_to_string(recipe).unwrap();
    assert!(text.contains("// undone: input.ensure(#{ proto: \"udp\"") && !text.contains("nonsense"), "{text}");
}

#[test]
fn questions_and_commands_are_answered() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    for question in ["?table", "help(table)", ":help iptables::table"] {
        assert!(terminal.type_line(question, PROMPT).contains("iptables::table(name: string) -> Table"), "{}", terminal.shown());
        terminal.press("\x0c");
        terminal.until_it("is empty", |shown| shown == PROMPT.trim_end());
    }
    assert!(terminal.type_line(":help", PROMPT).contains(":undo [all]"));
    assert!(terminal.type_line(":chnages", PROMPT).contains("did you mean `:changes`?"));
    assert!(terminal.type_line(":recipes", PROMPT).contains("ssh-rate-limit"));
    assert!(terminal.type_line(":time 1 + 1", PROMPT).starts_with("2\n"));
    let file = folder.file("more.rhai", "let loaded = 5;\nloaded * 2");
    assert_eq!(terminal.type_line(&format!(":load {file}"), PROMPT), "10");
    assert_eq!(terminal.type_line("loaded", PROMPT), "5");
    assert!(terminal.type_line("?loaded", PROMPT).starts_with("loaded: int"));
    terminal.press(&format!("exit(64){ENTER}"));
    assert_eq!(terminal.code(), Some(64));
}

#[test]
fn a_table_fits_the_terminal_as_it_is() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    terminal.type_line("let rows = [#{ name: \"one\", text: \"a rather long sentence about the first of them\" }]", PROMPT);
    assert!(terminal.type_line("rows", PROMPT).ends_with("about the first of them"));
    terminal.resize(60, 40);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let said = terminal.type_line("rows", PROMPT);
    assert!(said.ends_with('…') && said.lines().all(|line| line.chars().count() <= 40), "{said}");
}

#[test]
fn what_is_typed_ahead_is_done_in_turn() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    terminal.press(&format!("sleep(\"300ms\"){ENTER}let x = [1,{ENTER}  2]{ENTER}x.len() + 40{ENTER}"));
    terminal.until("42\nfyke sandbox>");
    // What comes while a statement runs is held by the terminal, not by the editor.
    terminal.press(&format!("sleep(\"1s\"){ENTER}"));
    std::thread::sleep(std::time::Duration::from_millis(300));
    terminal.press(&format!("x.len() + 50{ENTER}x.len() + 60{ENTER}"));
    terminal.until("62\nfyke sandbox>");
    assert!(terminal.shown().contains("\n52\n"), "{}", terminal.shown());
}

#[test]
fn an_interrupt_is_for_what_is_typed_ahead_too() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    terminal.press(&format!("let x = 1; sleep(\"1h\"){ENTER}x = 2{ENTER}"));
    std::thread::sleep(std::time::Duration::from_millis(1000));
    terminal.press(&format!("x = 3{ENTER}"));
    std::thread::sleep(std::time::Duration::from_millis(500));
    terminal.press(CTRL_C);
    terminal.until_it("is interrupted", |shown| shown.contains("interrupted") && shown.ends_with(PROMPT.trim_end()));
    assert!(terminal.type_line("x", PROMPT).contains("the variable `x` is not defined"), "{}", terminal.shown());
    terminal.press("\x1b[A\x1b[A");
    terminal.until("fyke sandbox> let x = 1; sleep(\"1h\")");
}

#[test]
fn what_is_pasted_is_one_input() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    let rules =
        "let input = iptables::table(\"filter\").chain(\"INPUT\");\rinput.append(\"-p tcp -j DROP\");\rinput.append(\"-j DROP\");\r";
    terminal.press(&format!("\x1b[200~{rules}40 + 2\x1b[201~"));
    terminal.until("input.append(\"-j DROP\");\n40 + 2");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(terminal.shown().ends_with("40 + 2"), "{}", terminal.shown());
    terminal.press(ENTER);
    terminal.until("42\nfyke sandbox +1>");
    terminal.type_line(":undo", PROMPT);
    assert_eq!(terminal.type_line("input.list().len()", PROMPT), "0");
    terminal.press("\x1b[A\x1b[A\x1b[A");
    terminal.until("input.append(\"-j DROP\");\n40 + 2");
    terminal.press(CTRL_C);
    terminal.until("40 + 2\nfyke sandbox>");
    terminal.press("\x1b[200~let a = 1\rlet b = 2\x1b[201~");
    terminal.until("let b = 2");
    terminal.press(ENTER);
    terminal.until_it("says what is missing", |shown| shown.contains("a statement ends in `;` where another one follows"));
}

#[test]
fn what_is_loaded_goes_by_its_file() {
    let folder = Folder::new();
    folder.file("some.rhai", "//! Drops all.\nlet x = 1;\niptables::table(\"filter\").chain(\"INPUT\").append(\"-j DROP\");");
    let mut terminal = sandbox(&folder);
    terminal.type_line(":load some.rhai", "fyke sandbox +1> ");
    assert!(terminal.type_line(":changes", "fyke sandbox +1> ").starts_with(":load some.rhai\n"), "{}", terminal.shown());
    assert!(terminal.type_line(":undo", PROMPT).ends_with("lifted: :load some.rhai"), "{}", terminal.shown());
}

#[test]
fn keys_that_end_something_end_no_more_than_that() {
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    for prompts in 2..4 {
        terminal.press(CTRL_C);
        terminal.until(&"\nfyke sandbox>".repeat(prompts));
    }
    // At the end of an input that is not whole, Ctrl-D does nothing.
    terminal.press(&format!("let x = [1,{ENTER}{CTRL_D}{CTRL_D}2]{ENTER}"));
    terminal.until("2]\nfyke sandbox>");
    assert_eq!(terminal.type_line("x.len()", PROMPT), "2");
    // A terminal that gets narrower takes nothing of the line along.
    terminal.press("let word = \"one two three");
    terminal.until("two three");
    terminal.resize(60, 30);
    std::thread::sleep(std::time::Duration::from_millis(300));
    terminal.press(&format!(" four\"{ENTER}"));
    terminal.until("four\"\nfyke sandbox>");
    assert_eq!(terminal.type_line("word", PROMPT), "one two three four");
}

#[test]
fn the_history_is_private_and_leaves_out_what_begins_with_a_blank() {
    use std::os::unix::fs::MetadataExt;
    let folder = Folder::new();
    let mut terminal = sandbox(&folder);
    terminal.type_line("let a = 1", PROMPT);
    terminal.type_line(" let secret = 2", PROMPT);
    terminal.press(&format!(":quit{ENTER}"));
    assert_eq!(terminal.code(), Some(0));
    let history = folder.path().join("state/fyke/prompt-history");
    let text = std::fs::read_to_string(&history).unwrap();
    assert!(text.contains("let a = 1") && !text.contains("secret"), "{text}");
    assert_eq!(history.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path().join("state/fyke")).unwrap().count(), 1);
}

#[test]
fn a_pipe_gives_statements() {
    let said = fyke_with(b"1+1\n", &["repl"]);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (Some(0), "2\n", ""));
    let said = fyke_with(b"let x = 2;\n\nfn f(a) {\n  a * 3\n}\nf(x)", &["repl"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "6\n"), "{said:?}");
    let said = fyke_with(b"[1, \"a\"]\n()\n", &["--json", "repl"]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), "[1,\"a\"]\nnull\n"));
    let said = fyke_with(b"1\nx\n2\n", &["--json", "repl"]);
    assert_eq!((said.code, said.out.lines().count()), (Some(2), 2), "{said:?}");
    assert!(said.out.ends_with("\"exit\":2}\n") && said.err.is_empty(), "{said:?}");
    for (text, code) in [("throw \"no\"", 1), ("fn f(", 2), ("exit(70)\n1", 70), ("print(1)\n:quit\n2", 0), (":nothing", 2)] {
        let said = fyke_with(text.as_bytes(), &["repl"]);
        assert_eq!((said.code, said.out.contains('2')), (Some(code), false), "{text}: {said:?}");
    }
}

#[test]
fn what_a_pipe_has_changed_stays_unless_it_fails() {
    let rule = "iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 22 -j ACCEPT\")";
    for (more, left) in [
        ("", "code 0\n1"),
        ("\nexit(70)\n:undo", "code 70\n1"),
        ("\nthrow 1", "code 1\n0"),
        ("\n:quit lift", "code 0\n0"),
        ("\n:undo", "code 0\n0"),
    ] {
        let folder = Folder::new();
        let file = folder.file("statements", format!("{rule}{more}\n"));
        let script = format!("$FYKE --color never repl < {file}; echo code $?; iptables-save | grep -c dport");
        inside(&folder, &script).until(left);
    }
}

#[test]
fn what_is_kept_is_a_run_like_any_other() {
    let rule = |port| format!("input.append(\"-p tcp --dport {port} -j ACCEPT\")\n");
    let text = format!("let input = iptables::table(\"filter\").chain(\"INPUT\")\n{}{}:undo\n{}", rule(1), rule(2), rule(3));
    for backend in ["nft", "legacy"] {
        let folder = Folder::new();
        let file = folder.file("statements", &text);
        let dump = format!("iptables-{backend}-save | grep -o 'dport .' | tr '\\n' ' '");
        let script = format!(
            "$FYKE --backend {backend} repl < {file}; {dump}; echo kept; $FYKE undo last; {dump}; echo undone; $FYKE redo; {dump}; echo redone; \
             $FYKE undo last; $FYKE --json status; {dump}; echo over"
        );
        let shown = inside(&folder, &script).until("\nover");
        for line in ["dport 1 dport 3 kept", "\nundone", "dport 1 dport 3 redone"] {
            assert!(shown.contains(line), "{backend}: {line}:\n{shown}");
        }
        assert!(shown.contains("\"drift\": false") && !shown.contains("! drift"), "{backend}:\n{shown}");
    }
}

#[test]
fn a_pipe_that_gives_nothing_can_be_interrupted() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_fyke"));
    let mut child = child.args(["--sandbox", "repl"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1000));
    let _open = child.stdin.take();
    let begun = std::time::Instant::now();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // It heeds the request by itself: who does not is killed after two seconds.
    assert!(begun.elapsed() < std::time::Duration::from_millis(1500), "{:?}", begun.elapsed());
}
