//! The tutorial and the guide, played line by line: what they show is what happens. `FYKE_BLESS=1` writes what happens into them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Folder, is_root};
use crate::terminal::{ENTER, Terminal};

/// A terminal so high that nothing leaves it.
const SIZE: (u16, u16) = (300, 100);

/// The command that opens the network of the guide.
const NETWORK: &str = "docs/guide/network.sh";

/// Stands between what two commands printed.
const BETWEEN: char = '\u{1e}';

/// What the page and a run of it have in common. Ids are made anew each time, and how many parameters change with forwarding depends on the
/// interfaces that the modules of a kernel add to every network; of rules the counts of what is lifted remain. How long tests take is another each time.
fn common(text: &str) -> String {
    let timeless = |line: &str| match line.rsplit_once(" in ") {
        Some((before, time)) if before.contains(" passed") && time.ends_with(" s") => format!("{before} in N s"),
        _ => line.to_owned(),
    };
    let text: String = text.split('\n').map(timeless).collect::<Vec<_>>().join("\n");
    let digits = |c: char| c.is_ascii_digit();
    let counts: Vec<&str> = text.split(" change").collect();
    let (last, before) = counts.split_last().unwrap();
    let text: String = before.iter().map(|part| format!("{}N change", part.trim_end_matches(digits))).chain([(*last).to_owned()]).collect();
    ["fyke undo ", "lifted ", "#"].iter().fold(text, |text, mark| {
        let mut parts = text.split(mark);
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |plain, part| {
            let (id, rest) = part.split_at(part.find(|c: char| !c.is_ascii_lowercase() && !digits(c)).unwrap_or(part.len()));
            format!("{plain}{mark}{}{rest}", if id.len() == 8 { "RUN" } else { id })
        })
    })
}

/// Tells what of a line was typed at the prompt, if it has one.
fn typed(line: &str) -> Option<&str> {
    let (prompt, typed) = line.split_once("> ")?;
    (prompt.starts_with("fyke sandbox") && prompt.len() < 30).then_some(typed)
}

/// Types what a block says, and gives what the screen shows of it.
fn play(terminal: &mut Terminal, block: &str) -> String {
    let before = terminal.until_it("shows a prompt", |shown| shown.ends_with('>'));
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let mut lines = block.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(first) = typed(line) else { continue };
        let mut input = first.to_owned();
        let before = terminal.shown();
        terminal.press(first);
        while fyke::host::wants_more(&input)
            && let Some(more) = lines.next()
        {
            terminal.until_it("shows what was typed", |shown| shown.ends_with(input.lines().last().unwrap_or_default().trim_end()));
            terminal.press(&format!("{ENTER}{more}"));
            input = format!("{input}\n{more}");
        }
        terminal.until_it("shows what was typed", |shown| shown != before && shown.ends_with(input.lines().last().unwrap_or_default()));
        terminal.press(ENTER);
        if first == ":quit" {
            terminal.code();
            return format!("{}\n", &terminal.shown()[begin..]);
        }
        terminal.until_it("has an answer", |shown| shown.ends_with('>') && shown[before.len()..].contains('\n'));
    }
    let shown = terminal.shown();
    let end = shown.rfind('\n').unwrap_or(begin);
    // The first block shows the greeting, the others begin at their prompt.
    let begin = if block.trim().is_empty() || before.lines().count() <= 3 && typed(block).is_none() { 0 } else { begin };
    format!("{}\n", &shown[begin.min(end)..end])
}

/// Gives the commands of a block; a line that begins with `> ` goes on with the command before it.
fn commands(block: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in block.lines() {
        match (line.strip_prefix("$ "), line.strip_prefix("> "), commands.last_mut()) {
            (Some(first), ..) => {
                commands.push(first.to_owned());
                is_open = true;
            }
            (None, Some(more), Some(command)) if is_open => *command = format!("{command}\n{more}"),
            _ => is_open = false,
        }
    }
    commands
}

/// Runs commands in one shell, which another program may start, and gives each with what it printed.
fn run(program: &[&str], folder: &Path, commands: &[String]) -> Vec<String> {
    let path = Path::new(env!("CARGO_BIN_EXE_fyke")).parent().unwrap();
    let script: String = commands.iter().map(|command| format!("printf '{BETWEEN}'\n{{\n{command}\n}} </dev/null\n")).collect();
    let script = format!("exec 2>&1\n{script}");
    let words: Vec<&str> = program.iter().copied().chain(["bash", "-c", &script]).collect();
    let mut shell = Command::new(words[0]);
    shell.args(&words[1..]).current_dir(folder).env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", path.display())).env("LC_ALL", "C");
    let output = shell.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let printed: Vec<&str> = text.split(BETWEEN).skip(1).collect();
    assert_eq!(printed.len(), commands.len(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let said = |(command, printed): (&String, &str)| format!("$ {}\n{printed}", command.replace('\n', "\n> "));
    commands.iter().zip(printed).map(said).collect()
}

/// Takes a page apart, puts what happens in the place of its blocks, and compares; `happens` takes the language of a block and the block.
fn compare(file: &Path, mut happens: impl FnMut(&str, &str) -> String) {
    let page = std::fs::read_to_string(file).unwrap();
    let (mut played, mut rest) = (String::new(), page.as_str());
    while let Some((text, block)) = rest.split_once("\n```") {
        let (language, block) = block.split_once('\n').unwrap();
        let (block, after) = block.split_once("```").unwrap();
        played.push_str(&format!("{text}\n```{language}\n{}```", happens(language, block)));
        rest = after;
    }
    played.push_str(rest);
    let (wanted, happened) = (common(&page), common(&played));
    if std::env::var_os("FYKE_BLESS").is_some() && wanted != happened {
        std::fs::write(file, &played).unwrap();
        return;
    }
    for (wanted, happened) in wanted.lines().zip(happened.lines()) {
        assert_eq!(wanted, happened, "{}; FYKE_BLESS=1 writes it anew", file.display());
    }
    assert_eq!(wanted, happened);
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

#[test]
fn every_line_of_the_tutorial_is_true() {
    let folder = Folder::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fyke"));
    command.args(["--sandbox", "--color", "never", "repl"]).current_dir(folder.path()).env("XDG_STATE_HOME", folder.path().join("state"));
    let mut terminal = Terminal::open(SIZE, &command);
    compare(&docs().join("tutorial.md"), |language, block| match language {
        "fyke" => play(&mut terminal, block),
        // The session that the page begins is the one in the terminal.
        "console" if block == "$ fyke --sandbox repl\n" => block.to_owned(),
        "console" => run(&[], folder.path(), &commands(block)).concat(),
        other => panic!("what is a block of {other:?}?"),
    });
}

/// Plays a page of the guide: its commands run one after the other in one shell of the guide's network.
fn play_the_page(name: &str) {
    if name == "blocking-a-process.md" && !is_root() {
        return println!("skipped: an ordinary user may not change the control groups of the machine");
    }
    let file = docs().join("guide").join(name);
    let page = std::fs::read_to_string(&file).unwrap();
    let shown: Vec<&str> = page.split("\n```console\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let is_opening = |block: &str| block == format!("$ {NETWORK}\n");
    let asked: Vec<String> = shown.iter().filter(|block| !is_opening(block)).flat_map(|block| commands(block)).collect();
    let folder = Folder::new();
    let network = Path::new(env!("CARGO_MANIFEST_DIR")).join(NETWORK);
    let mut said = run(&[network.to_str().unwrap()], folder.path(), &asked).into_iter();
    compare(&file, |language, block| match language {
        "console" if is_opening(block) => block.to_owned(),
        "console" => said.by_ref().take(commands(block).len()).collect(),
        "text" => block.to_owned(),
        other => panic!("what is a block of {other:?}?"),
    });
}

macro_rules! pages {
    ($($name:ident: $file:literal)*) => {
        $(#[test]
        fn $name() {
            play_the_page($file);
        })*

        #[test]
        fn every_page_of_the_guide_is_played() {
            let files = std::fs::read_dir(docs().join("guide")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut pages: Vec<String> = files.filter(|name| name.ends_with(".md")).collect();
            pages.sort();
            assert_eq!(pages, [$($file),*]);
        }
    };
}

pages! {
    the_guide_is_true: "README.md"
    what_the_guide_says_of_asking_the_network_is_true: "asking-the-network.md"
    what_the_guide_says_of_processes_is_true: "blocking-a-process.md"
    what_the_guide_says_of_documentation_is_true: "documentation.md"
    what_the_guide_says_of_ephemeral_ports_is_true: "ephemeral-ports.md"
    what_the_guide_says_of_iptables_is_true: "iptables.md"
    what_the_guide_says_of_limits_is_true: "limiting-connections.md"
    what_the_guide_says_of_links_and_routes_is_true: "links-and-routes.md"
    what_the_guide_says_of_namespaces_is_true: "namespaces.md"
    what_the_guide_says_of_nat_is_true: "nat.md"
    what_the_guide_says_of_packets_is_true: "packets.md"
    what_the_guide_says_of_permissions_is_true: "permissions.md"
    what_the_guide_says_of_raw_sockets_is_true: "raw-sockets.md"
    what_the_guide_says_of_sockets_is_true: "sockets.md"
    what_the_guide_says_of_testing_is_true: "testing.md"
    what_the_guide_says_of_queues_is_true: "traffic-control.md"
}
