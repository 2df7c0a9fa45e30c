//! Changes a manifest in its text, so that comments and the order of lines stay as somebody wrote them.

use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value};

use super::name::Name;
use super::signature::PublicKey;
use super::source::{At, Source};
use crate::model::Fault;
use crate::model::grant::Permission;

/// The text of a manifest while it is changed.
#[derive(Clone, Debug)]
pub struct Edit {
    document: DocumentMut,
}

impl Edit {
    /// Begins with a text that was read before.
    pub fn of(file: &str, text: &str) -> Result<Self, Fault> {
        let document = text.parse::<DocumentMut>().map_err(|error| Fault::input(format!("read {file}"), error.message().trim()))?;
        Ok(Self { document })
    }

    /// Says what a package is needed from.
    pub fn depend(&mut self, name: &Name, source: &Source) {
        let mut table = InlineTable::new();
        let mut put = |key: &str, value: String| drop(table.insert(key, value.into()));
        match source {
            Source::Git { url, at } => {
                put("git", url.to_string());
                match at {
                    At::Version(least) => put("version", least.to_string()),
                    At::Tag(tag) => put("tag", tag.to_string()),
                    At::Branch(branch) => put("branch", branch.to_string()),
                    At::Revision(revision) => put("rev", revision.to_string()),
                }
            }
            Source::Path(path) => put("path", path.clone()),
            Source::Archive { url, content } => {
                put("archive", url.to_string());
                content.iter().for_each(|content| put("content", content.to_string()));
            }
        }
        if let Some(dependencies) = self.table("dependencies") {
            dependencies.insert(name.as_str(), Item::Value(Value::InlineTable(table)));
        }
    }

    /// Says that a package is needed no longer, and takes back what was granted to it.
    pub fn forget(&mut self, name: &Name) {
        for table in ["dependencies", "grants"] {
            if let Some(table) = self.document.get_mut(table).and_then(Item::as_table_like_mut) {
                table.remove(name.as_str());
            }
        }
    }

    /// Grants something to a package, beside what it is granted already.
    pub fn grant(&mut self, name: &Name, permissions: &[Permission]) {
        let Some(grants) = self.table("grants") else { return };
        grants.set_implicit(true);
        let own = grants.entry(name.as_str()).or_insert_with(|| Item::Table(Table::new()));
        let Some(own) = own.as_table_like_mut() else { return };
        let allow = own.entry("allow").or_insert_with(|| Item::Value(Value::Array(Array::new())));
        let Some(allow) = allow.as_array_mut() else { return };
        for permission in permissions.iter().map(ToString::to_string) {
            if !allow.iter().any(|value| value.as_str() == Some(&permission)) {
                allow.push(permission);
            }
        }
    }

    /// Adds the key of a team.
    pub fn trust(&mut self, name: &str, key: &PublicKey) {
        let Some(trust) = self.table("trust") else { return };
        let keys = trust.entry("keys").or_insert_with(|| Item::Table(Table::new()));
        if let Some(keys) = keys.as_table_like_mut() {
            keys.insert(name, Item::Value(key.to_string().into()));
        }
    }

    /// Takes the key of a team out; tells whether it was there.
    pub fn distrust(&mut self, name: &str) -> bool {
        let keys = self.document.get_mut("trust").and_then(|trust| trust.get_mut("keys")).and_then(Item::as_table_like_mut);
        keys.is_some_and(|keys| keys.remove(name).is_some())
    }

    /// Says whether every package must be signed.
    pub fn require(&mut self, required: bool) {
        if let Some(trust) = self.table("trust") {
            trust.insert("required", Item::Value(required.into()));
        }
    }

    /// Gives a table of the file, made if need be.
    fn table(&mut self, key: &str) -> Option<&mut Table> {
        let item = self.document.entry(key).or_insert_with(|| Item::Table(Table::new()));
        // What somebody wrote in one line becomes a table of several.
        if let Item::Value(Value::InlineTable(inline)) = item {
            *item = Item::Table(std::mem::take(inline).into_table());
        }
        item.as_table_mut()
    }
}

impl std::fmt::Display for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.document.fmt(f)
    }
}
