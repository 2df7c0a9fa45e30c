//! The namespaces that have names, as other programs find them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Gives the namespaces that have names, each with its inode, and those that fyke keeps aside.
pub(crate) fn namespaces() -> Vec<String> {
    let number = |path: &Path| match fs::metadata(path).unwrap() {
        half if half.mode() & 0o777 == 0 => "half made".to_owned(),
        about => about.ino().to_string(),
    };
    let files = |folder: &str| fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let mut found = [files("/run/netns"), files("/run/fyke/netns")].concat();
    found.sort();
    found.iter().map(|path| format!("{} {}", path.display(), number(path))).collect()
}
