//! What the pages for people show is what happens.

use std::path::Path;

use crate::program::{Folder, fyke};

fn page(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Gives the blocks of a language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    text.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap_or(rest).to_owned()).collect()
}

#[test]
fn the_recipes_of_the_readme_are_good() {
    let folder = Folder::new();
    let recipes = blocks(&page("README.md"), "rhai");
    assert!(!recipes.is_empty());
    for text in recipes {
        let recipe = folder.file("readme.rhai", text);
        let said = fyke(["check", &recipe]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{said:?}");
        let said = fyke(["--sandbox", "run", &recipe]);
        assert_eq!(said.code, Some(0), "{said:?}");
    }
}

#[test]
fn the_plan_of_the_readme_is_the_plan() {
    let consoles = blocks(&page("README.md"), "console");
    let shown = consoles.iter().find_map(|text| text.strip_prefix("$ sudo fyke plan ssh-rate-limit --port 2222\n")).unwrap();
    let (begin, end) = shown.split_once("  ...\n").unwrap();
    let plan = fyke(["--sandbox", "plan", "ssh-rate-limit", "--port", "2222"]);
    assert!(plan.out.starts_with(begin) && plan.out.ends_with(end), "{}", plan.out);
}

#[test]
fn the_fault_of_the_readme_is_the_fault() {
    let consoles = blocks(&page("README.md"), "console");
    let shown = consoles.iter().find_map(|text| text.strip_prefix("$ sudo fyke run ./mine.rhai\n")).unwrap();
    let folder = Folder::new();
    folder.file("mine.rhai", "//! Tries.\n//! needs: iptables\n//! risk: disrupts\nlet filter = iptables::table(\"filter\");\nfilter.chain(\"INPUT\").append(\"-p tcp --dprot 22 -j DROP\");\n");
    let said = crate::program::command(["--sandbox", "run", "./mine.rhai"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stderr), shown);
}

#[test]
fn every_verb_is_in_the_readme_and_has_its_help() {
    let help = fyke(["help"]).out;
    let verbs: Vec<&str> =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).map_while(|line| line.split_whitespace().next()).collect();
    assert!(verbs.len() > 10, "{verbs:?}");
    let readme = page("README.md");
    for verb in verbs {
        assert!(readme.contains(&format!("`{verb}")), "{verb} is not in the README");
        assert!(fyke(["help", verb]).out.contains("Examples:"), "fyke help {verb}");
    }
}

#[test]
fn what_proves_a_guarantee_is_a_test() {
    let tests: Vec<String> = ["src", "tests"].iter().flat_map(|folder| sources(folder)).collect();
    let guarantees = page("docs/guarantees.md");
    let named: Vec<&str> = guarantees.split('`').skip(1).step_by(2).filter(|word| word.contains("::") && !word.ends_with("::")).collect();
    assert!(named.len() > 30, "{named:?}");
    for name in named {
        let function = name.rsplit("::").next().unwrap();
        // A sweep is declared by a line of a table.
        let is_test = |text: &String| [format!("fn {function}("), format!("    {function}: \"")].iter().any(|line| text.contains(line));
        assert!(tests.iter().any(is_test), "there is no test {name}");
    }
}

/// Gives the texts of the Rust files in a folder, and in those in it.
fn sources(folder: &str) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => texts.extend(sources(entry.to_str().unwrap())),
            false => texts.push(std::fs::read_to_string(&entry).unwrap_or_default()),
        }
    }
    texts
}
