//! `fyke new`: a package to begin with.

use std::path::Path;

use serde_json::json;

use super::args::New;
use super::show::Screen;
use super::word;
use crate::host::cases::TESTS;
use crate::kernel::files;
use crate::kernel::package::folder;
use crate::model::package::{MANIFEST, Name, Version};
use crate::model::{Fault, Kind};

/// Writes a manifest, and what it names, into a folder; nothing that is there is touched.
pub(crate) fn run(screen: &Screen, words: &New) -> Result<u8, Fault> {
    let path = Path::new(word(&words.folder)?);
    let tried = || format!("make a package in {}", path.display());
    if files::exists(&path.join(MANIFEST)) {
        return Err(Fault::new(Kind::Exists, tried(), format!("there is a {MANIFEST} already")));
    }
    let real = files::real(path);
    let given = words.name.clone().or_else(|| Some(real.file_name()?.to_str()?.to_owned())).unwrap_or_default();
    let name = given
        .parse::<Name>()
        .map_err(|fault| if words.name.is_none() { fault.hint("`--name` gives it another name than its folder has") } else { fault })?;
    let is_new = !files::exists(path);
    if is_new {
        folder::make(path)?;
    }
    let real = files::canonical(path)?;
    let module = name.as_str().replace('-', "_");
    let mut made = vec![(MANIFEST.to_owned(), manifest(&name, is_new.then_some(&module)))];
    if is_new {
        made.push((format!("{module}.rhai"), MODULE.replace("NAME", name.as_str()).replace("MODULE", &module)));
        made.push(("show.rhai".to_owned(), RECIPE.replace("NAME", name.as_str()).replace("MODULE", &module)));
        made.push((format!("{module}{TESTS}"), TEST.replace("MODULE", &module)));
    }
    for (file, text) in &made {
        folder::replace(&real.join(file), text.as_bytes())?;
    }
    let files: Vec<String> = made.iter().map(|(file, _)| path.join(file).display().to_string()).collect();
    if screen.json {
        return screen.document(&json!({ "name": name.as_str(), "files": files, "exit": 0 })).map(|()| 0);
    }
    files.iter().try_for_each(|file| screen.print_line(file))?;
    Ok(0)
}

fn manifest(name: &Name, module: Option<&String>) -> String {
    let list = |name: Option<&str>| name.map_or_else(String::new, |name| format!("\"{name}\""));
    format!(
        "name = \"{name}\"\nversion = \"0.1.0\"\ndescription = \"\"\nlicense = \"\"\nauthors = []\nfyke = \"{}\"\n\n# What others may import and run, \
         by file names without .rhai.\nmodules = [{}]\nrecipes = [{}]\n\n# What it may touch, for example \"iptables: filter/INPUT\".\n[permissions]\nallow = [{}]\n\n\
         # What it needs: `fyke add` writes it here.\n[dependencies]\n",
        Version::of_fyke(),
        list(module.map(String::as_str)),
        list(module.map(|_| "show")),
        list(module.map(|_| "iptables: filter/INPUT")),
    )
}

const MODULE: &str = r#"//! What NAME offers to others: import "NAME/MODULE" as MODULE;

/// Gives the number of rules in a chain of the filter table.
///
/// - `chain`: the name of the chain
///
/// # Example
/// ```rhai
/// import "NAME/MODULE" as MODULE;
/// MODULE::rules("INPUT") == 0
/// ```
fn rules(chain) {
    iptables::table("filter").chain(chain).list().len()
}
"#;

const RECIPE: &str = r#"//! Show how many rules a chain has.
//! needs: iptables
//! risk: reads

import "MODULE" as lib;

let chain = param("chain", "INPUT", "chain of the filter table");

print(`${chain} has ${lib::rules(chain)} rules`);
"#;

const TEST: &str = r#"import "MODULE" as lib;

fn test_a_rule_is_counted() {
    iptables::table("filter").chain("INPUT").append("-p tcp --dport 23 -j DROP");
    test::assert_eq(lib::rules("INPUT"), 1);
}
"#;
