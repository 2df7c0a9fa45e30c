//! Packages: what they say of themselves, what they need, which versions are taken, and how it is known that they are what they were.

pub mod archive;
pub mod content;
pub mod edit;
pub mod gzip;
pub mod lock;
pub mod manifest;
pub mod name;
pub mod reader;
pub mod select;
pub mod signature;
pub mod source;
pub mod version;

#[cfg(test)]
mod tests;

pub use content::{Content, Hash, Member};
pub use lock::{Entry, Lock};
pub use manifest::{Dependency, Manifest};
pub use name::Name;
pub use signature::{Policy, PublicKey};
pub use source::{At, Place, Revision, Source, Url};
pub use version::{Least, Version};

/// The file in which a package, or a project that uses packages, says what it is and needs.
pub const MANIFEST: &str = "fyke.toml";
/// The file that says what was taken for each package.
pub const LOCK: &str = "fyke.lock";
/// The signature of a package, beside its manifest.
pub const SIGNATURE: &str = "fyke.minisig";
/// The folder of a project that holds the packages themselves.
pub const VENDOR: &str = "vendor";
/// The folder into which a package is published.
pub const DIST: &str = "dist";
