//! What the binary carries: the built-in recipes and the standard library. A new file in `scripts/` or `stdlib/` is one line here.

/// A built-in text with its name.
pub type Embedded = (&'static str, &'static str);

/// The recipes of `scripts/`, by name.
pub const RECIPES: &[Embedded] = &[("ssh-rate-limit", include_str!("../../scripts/ssh-rate-limit.rhai"))];

/// The modules of `stdlib/`, imported as `std:NAME`.
pub const STDLIB: &[Embedded] = &[("firewall", include_str!("../../stdlib/firewall.rhai"))];
