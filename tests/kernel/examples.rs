//! Every example of the reference, and every command of the pages, runs on a real kernel and can be lifted.

use std::path::Path;

use fyke::host::reflect;

use super::world::{Backend, World, on_both, run};
use crate::program;

on_both! {
    examples_of_the_reference_run
}

fn examples_of_the_reference_run(world: &World) {
    let before = world.state();
    let mut wrong = Vec::new();
    for function in reflect::functions() {
        let Some(example) = function.example() else {
            println!("{} has no example", function.signature());
            continue;
        };
        // Each is a recipe of its own, so that what it leaves is lifted before the next.
        let said = world.fyke(&["--timeout", "5s", "run", &world.recipe("example", &example)]);
        // A script may end with a code of its own.
        let lists_of_root = !world.is_root && said.err.contains("the recent list");
        // Who has no part of the tree of control groups of their own may not change it.
        let groups_of_root = !world.is_root && said.err.contains("cgroup") && said.err.contains("error[permission]");
        if !matches!(said.code, Some(0 | 64..=113)) && !lists_of_root && !groups_of_root {
            wrong.push(format!("{}: {}", function.signature(), said.err));
        }
        // An example that ends with a comparison states what is so.
        if said.out.ends_with("false\n") {
            wrong.push(format!("{}: its example is not so", function.signature()));
        }
        if said.err.contains("lift with") {
            world.undo();
        }
        assert_eq!(world.state(), before, "{}", function.signature());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn commands_of_the_pages_run() {
    run(concat!(module_path!(), "::commands_of_the_pages_run"), Backend::Nft, commands_of_the_pages);
}

fn commands_of_the_pages(world: &World) {
    let before = world.state();
    world.recipe("mine", "iptables::table(\"filter\").chain(\"INPUT\").append(\"-p tcp --dport 23 -j DROP\");");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    for page in ["README.md", "CONTRIBUTING.md", "docs/architecture.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let shown = text.lines().filter_map(|line| line.strip_prefix("$ ")).map(|line| line.strip_prefix("sudo ").unwrap_or(line));
        for line in shown.filter(|line| line.starts_with("fyke ")) {
            let line = line.replacen("fyke ", "\"$FYKE\" ", 1);
            let said = program::shell(&format!("cd {} && {line}", world.folder.path().display()));
            assert_eq!(said.code, Some(0), "{page}: {line}: {said:?}");
            count += 1;
        }
    }
    assert!(count > 5, "the pages show {count} commands");
    while world.fyke(&["undo", "last"]).code == Some(0) {}
    assert_eq!(world.state(), before);
}
