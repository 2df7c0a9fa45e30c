//! The flags that say what a script may do.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::model::Fault;
use crate::model::grant::{Grants, Permission};

/// What a script may do.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Rights {
    /// Allow this to the recipe, and nothing but what is allowed so; beside what its project declares, if that declares anything
    #[arg(long, value_name = "PERMISSION", value_parser = permission, help_heading = "Permissions")]
    pub(crate) allow: Vec<Permission>,
    /// Deny this to all code, wherever it is allowed
    #[arg(long, value_name = "PERMISSION", value_parser = permission, help_heading = "Permissions")]
    pub(crate) deny: Vec<Permission>,
    /// Add every use of a permission to this file, granted or refused, one JSON document a line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Permissions")]
    pub(crate) audit: Option<PathBuf>,
}

impl Rights {
    /// Gives what is allowed and denied.
    pub(crate) fn grants(&self) -> Grants {
        Grants { allow: self.allow.clone(), deny: self.deny.clone() }
    }

    /// Gives the words that say the same.
    pub(crate) fn words(&self) -> Vec<String> {
        let said = [("--allow", &self.allow), ("--deny", &self.deny)];
        said.into_iter().flat_map(|(flag, of)| of.iter().flat_map(move |one| [flag.to_owned(), one.to_string()])).collect()
    }
}

fn permission(text: &str) -> Result<Permission, String> {
    text.parse().map_err(|fault: Fault| match fault.hint {
        Some(hint) => format!("{}; {hint}", fault.why),
        None => fault.why,
    })
}
