//! `fyke trust`: whose signatures count.

use std::path::Path;

use serde_json::json;

use super::args::Key;
use super::show::{Screen, Table};
use crate::host::package::Project;
use crate::kernel::files;
use crate::kernel::package::folder;
use crate::model::package::edit::Edit;
use crate::model::package::{MANIFEST, Manifest, PublicKey};
use crate::model::{Fault, Kind};

/// The most bytes of a file with a key in it.
const MOST: usize = 4096;

/// Lists the keys, or changes who is trusted.
pub(crate) fn run(screen: &Screen, words: &Key) -> Result<u8, Fault> {
    let project = Project::present()?;
    let mut edit = Edit::of(MANIFEST, &project.text)?;
    if let (Some(name), Some(key)) = (&words.name, &words.key) {
        let text = if files::exists(Path::new(key)) {
            String::from_utf8_lossy(&files::read_bounded(Path::new(key), MOST)?).into_owned()
        } else {
            key.clone()
        };
        is_name(name)?;
        let key: PublicKey = text.parse()?;
        if let Some(had) = project.manifest.trust.keys.get(name).filter(|had| **had != key) {
            let why = format!("the key {} has this name, and this one is {}", had.id(), key.id());
            return Err(
                Fault::new(Kind::Exists, format!("trust {name}"), why).hint(format!("`fyke trust --remove {name}` forgets it first"))
            );
        }
        edit.trust(name, &key);
    }
    if let Some(name) = &words.remove
        && !edit.distrust(name)
    {
        return Err(Fault::new(Kind::NotFound, format!("forget the key {name}"), "there is none of this name"));
    }
    words.require.into_iter().for_each(|required| edit.require(required));
    let text = edit.to_string();
    let manifest = Manifest::parse(MANIFEST, &text)?;
    if text != project.text {
        folder::replace(&project.manifest_file(), text.as_bytes())?;
    }
    let system = project.policies()?.first().filter(|system| **system != project.manifest.trust);
    let mut table = Table::new(["name", "id", "key", "from"]);
    let mut documents = Vec::new();
    for policy in system.into_iter().chain([&manifest.trust]) {
        for (name, key) in &policy.keys {
            table.row([name.clone(), key.id(), key.to_string(), policy.file.clone()]);
            documents.push(json!({ "name": name, "id": key.id(), "key": key.to_string(), "file": policy.file }));
        }
    }
    let required = manifest.trust.required || system.is_some_and(|system| system.required);
    if screen.json {
        return screen.document(&json!({ "keys": documents, "required": required, "exit": 0 })).map(|()| 0);
    }
    if !documents.is_empty() {
        screen.print(&table.text(screen.paint, screen.bound()))?;
    }
    screen.note(if required {
        "every package must be signed by one of these keys"
    } else {
        "packages may be unsigned; `fyke trust --require yes` refuses those"
    });
    Ok(0)
}

/// A name is a key of the manifest, and is told to people.
fn is_name(name: &str) -> Result<(), Fault> {
    let is_plain = !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if is_plain { Ok(()) } else { Err(Fault::input(format!("call a key {name:?}"), "a name is made of letters, digits, - and _")) }
}
