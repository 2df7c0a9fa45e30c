//! A folder in which teams work: their packages, the repositories that they publish in, and a cache of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Folder, Said, command};

/// A place for some teams, gone with the test.
pub(crate) struct Yard {
    folder: Folder,
}

impl Yard {
    /// Makes an empty one.
    pub(crate) fn new() -> Self {
        let yard = Self { folder: Folder::new() };
        fs::create_dir(yard.path("home")).unwrap();
        let config = "[user]\n\tname = A Team\n\temail = team@example.org\n[init]\n\tdefaultBranch = main\n";
        fs::write(yard.path("home/.gitconfig"), config).unwrap();
        yard
    }

    /// Gives a path in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Reads a file.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Lets a command work in a folder of it, as a user who is at home here.
    pub(crate) fn settle(&self, mut command: Command, at: &str) -> Command {
        command.current_dir(self.path(at)).env("HOME", self.path("home")).env_remove("XDG_CACHE_HOME").env_remove("SUDO_UID");
        // The same commits have the same hashes.
        command.env("GIT_AUTHOR_DATE", "2026-01-01T00:00:00Z").env("GIT_COMMITTER_DATE", "2026-01-01T00:00:00Z");
        command
    }

    /// Runs the program in a folder of it.
    pub(crate) fn fyke(&self, at: &str, words: &[&str]) -> Said {
        self.settle(command(words), at).output().unwrap().into()
    }

    /// Runs the program, which must end well.
    #[track_caller]
    pub(crate) fn well(&self, at: &str, words: &[&str]) -> Said {
        let said = self.fyke(at, words);
        assert_eq!(said.code, Some(0), "{words:?}: {said:?}");
        said
    }

    /// Runs the program, which must refuse, in these words.
    #[track_caller]
    pub(crate) fn refused(&self, at: &str, words: &[&str], code: i32, why: &str) -> Said {
        let said = self.fyke(at, words);
        assert_eq!(said.code, Some(code), "{words:?}: {said:?}");
        assert!(flat(&said.err).contains(why), "{words:?} does not say {why:?}: {}", said.err);
        said
    }

    /// Runs git.
    #[track_caller]
    pub(crate) fn git(&self, at: &str, words: &[&str]) -> String {
        let output = self.settle(Command::new("git"), at).args(words).env("GIT_CONFIG_NOSYSTEM", "1").output().unwrap();
        assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Makes a project.
    pub(crate) fn project(&self, name: &str) {
        self.write(&format!("{name}/fyke.toml"), format!("name = \"{name}\"\nversion = \"0.1.0\"\n\n[dependencies]\n"));
    }

    /// Publishes a version of a package through a bare repository, `NAME.git`.
    pub(crate) fn release(&self, name: &str, version: &str, rest: &str, files: &[(&str, &str)]) {
        if !self.path(&format!("{name}.git")).exists() {
            self.git(".", &["init", "--quiet", "--bare", &format!("{name}.git")]);
            self.git(".", &["init", "--quiet", name]);
            self.git(name, &["remote", "add", "origin", &format!("../{name}.git")]);
        }
        self.write(&format!("{name}/fyke.toml"), format!("name = \"{name}\"\nversion = \"{version}\"\n{rest}"));
        files.iter().for_each(|(file, text)| self.write(&format!("{name}/{file}"), text));
        self.git(name, &["add", "--all"]);
        self.git(name, &["commit", "--quiet", "--allow-empty", "--message", version]);
        let tag = format!("v{version}");
        self.git(name, &["tag", &tag]);
        self.git(name, &["push", "--quiet", "origin", "main", &tag]);
    }

    /// Gives the files below a folder, without what git keeps for itself.
    pub(crate) fn files(&self, at: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        gather(&self.path(at), &mut all);
        all
    }
}

fn gather(folder: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap()) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            gather(&path, all);
        } else if kind.is_file() {
            all.insert(path.clone(), fs::read(&path).unwrap());
        } else {
            all.insert(path, b"something else".to_vec());
        }
    }
}

/// Takes the line ends out of a fault that was fitted to a width.
pub(crate) fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A module that gives a number.
pub(crate) fn number(n: i64) -> String {
    format!("/// Gives a number.\nfn number() {{ {n} }}\n")
}

/// What a manifest says of that module.
pub(crate) const NUMBER: &str = "modules = [\"numbers\"]\n";

/// A recipe that prints that number of a package.
pub(crate) fn printer(package: &str) -> String {
    format!("//! Prints.\n//! risk: reads\nimport \"{package}/numbers\" as numbers;\nprint(numbers::number());\n")
}
