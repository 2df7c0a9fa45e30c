//! Where packages come from and where they are kept: git(1), curl(1), folders, and a cache by the hash of what is in it.

pub mod cache;
pub mod curl;
pub mod folder;
pub mod git;

use std::ffi::OsString;

/// What the tools that fetch may know of the user's environment: the way to a proxy, the keys of ssh.
const INHERITED: &[&str] =
    &["HOME", "SSH_AUTH_SOCK", "http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"];

fn inherited() -> impl Iterator<Item = (&'static str, OsString)> {
    INHERITED.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)))
}
