//! Maps of options, as scripts give them.

use rhai::{Dynamic, Map};

use crate::model::Fault;
use crate::model::near::did_you_mean;

/// Refuses an option that there is not.
pub(super) fn known(options: &Map, names: &[&str]) -> Result<(), Fault> {
    match options.keys().find(|key| !names.contains(&key.as_str())) {
        None => Ok(()),
        Some(odd) => {
            let hint = did_you_mean(odd, names.iter().copied()).unwrap_or_else(|| format!("the options are {}", names.join(", ")));
            Err(Fault::input(format!("use the option `{odd}`"), "there is no such option").hint(hint))
        }
    }
}

/// Gives an option; one that is `()` is not given.
pub(super) fn given<'a>(options: &'a Map, name: &str) -> Option<&'a Dynamic> {
    options.get(name).filter(|value| !value.is_unit())
}

/// Reads an option that is true or false.
pub(super) fn flag(name: &str, value: &Dynamic) -> Result<bool, Fault> {
    value.as_bool().map_err(|found| Fault::input(format!("use `{name}`"), format!("it is of type {found}, not true or false")))
}
