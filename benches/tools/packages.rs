//! The start of a recipe whose project has many packages, against one without any.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::measure::{clock, take_turns};
use crate::{FYKE, Outcome, script};

/// How many packages the project has.
const MANY: usize = 50;
/// How many lines each of their modules has.
const LINES: usize = 20;
/// The most that they may add to the start, in milliseconds.
const GOAL: f64 = 10.0;

/// Measures a recipe that imports a module of every package against one that imports the same modules as plain files, and one that imports nothing
/// against the same without a project.
pub(crate) fn all(scratch: &Path) -> Outcome<String> {
    let (project, alone) = (scratch.join("packages"), scratch.join("no-packages"));
    [&project, &alone].into_iter().try_for_each(fs::create_dir_all)?;
    let mut needs = "name = \"bench\"\nversion = \"1.0.0\"\n[dependencies]\n".to_owned();
    let (mut imports, mut files, mut sum) = (String::new(), String::new(), String::new());
    for number in 0..MANY {
        let folder = scratch.join(format!("package-{number}"));
        fs::create_dir_all(&folder)?;
        let manifest = format!(
            "name = \"p{number}\"\nversion = \"1.0.0\"\nmodules = [\"one\"]\n[permissions]\nallow = [\"iptables: filter/INPUT\"]\n"
        );
        fs::write(folder.join("fyke.toml"), manifest)?;
        for module in ["one", "two", "three"] {
            let lines: String = (0..LINES).map(|line| format!("/// Gives a number.\nfn {module}_{line}() {{ {line} }}\n")).collect();
            fs::write(folder.join(format!("{module}.rhai")), lines)?;
        }
        let archive = project.join(format!("p{number}.tar"));
        clock(Command::new("tar").arg("-C").arg(&folder).arg("-cf").arg(archive).args([
            "fyke.toml",
            "one.rhai",
            "two.rhai",
            "three.rhai",
        ]))?;
        needs += &format!("p{number} = {{ archive = \"./p{number}.tar\" }}\n");
        imports += &format!("import \"p{number}/one\" as p{number};\n");
        files += &format!("import \"p{number}\" as p{number};\n");
        fs::copy(folder.join("one.rhai"), alone.join(format!("p{number}.rhai")))?;
        sum += &format!("p{number}::one_{}();\n", number % LINES);
    }
    fs::write(project.join("fyke.toml"), needs)?;
    let fyke = |words: &[&str]| clock(Command::new(FYKE).args(words).current_dir(&project).env("XDG_CACHE_HOME", scratch.join("cache")));
    fyke(&["fetch"])?;
    let (ours, theirs) = (script(&project, "all.rhai", &format!("{imports}{sum}"))?, script(&alone, "all.rhai", &format!("{files}{sum}"))?);
    let imported = take_turns("50 packages, all imported", 31, || fyke(&["run", &ours]), || fyke(&["run", &theirs]))?;
    let (ours, theirs) = (script(&project, "none.rhai", "1\n")?, script(&alone, "none.rhai", "1\n")?);
    let idle = take_turns("50 packages, none imported", 31, || fyke(&["run", &ours]), || fyke(&["run", &theirs]))?;
    let mut text = "| | with packages | without | more | goal |\n|---|--:|--:|--:|--:|\n".to_owned();
    for (name, times) in [("a module of each imported, or the same modules as plain files", imported), ("nothing imported", idle)] {
        let more = (times.ours - times.theirs) * 1e3;
        let missed = if more <= GOAL { "" } else { " (missed)" };
        let (ours, theirs) = (times.ours * 1e3, times.theirs * 1e3);
        text += &format!("| {MANY} packages, {name} | {ours:.1} ms | {theirs:.1} ms | {more:.1} ms | {GOAL} ms{missed} |\n");
    }
    text += "\nEvery package that is imported is read, hashed and compared with the lock at every start.\n";
    Ok(text)
}
