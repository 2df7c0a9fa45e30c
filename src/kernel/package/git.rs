//! git(1), as far as packages need it: which tags and branches a repository has, and the files of one commit.
//!
//! Nothing of the machine's configuration counts, no hook runs, no attribute changes a file, nothing is checked out: the files are read out of the
//! objects themselves. Every address is one word behind `--`, and was checked by [`Url`](crate::model::package::Url).

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use super::cache::Room;
use super::inherited;
use crate::kernel::tool::{Output, Request, Tool};
use crate::model::package::content::{MOST_BYTES, MOST_FILES, is_part, too_much};
use crate::model::package::{Member, Revision, SIGNATURE};
use crate::model::{Fault, Kind};

const TIMEOUT: Duration = Duration::from_secs(120);
/// The most bytes of a list of references or files.
const MOST_OF_LIST: usize = 16 << 20;

/// What is fixed for every call; see git-config(1) and git(1).
const CONFIG: &[&str] = &[
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.askPass=",
    "credential.helper=",
    "protocol.ext.allow=never",
    "http.followRedirects=false",
    "fetch.fsckObjects=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
];
const ENVIRONMENT: &[(&str, &str)] = &[
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
];

/// The program git, found.
#[derive(Clone, Debug)]
pub struct Git {
    tool: Tool,
}

impl Git {
    /// Finds git.
    pub fn find() -> Result<Self, Fault> {
        let tool = Tool::find("git").map_err(|fault| fault.hint("packages from git repositories need git(1): install it"))?;
        Ok(Self { tool })
    }

    /// Lists the tags and branches of a repository with their commits: `refs/tags/v1.0.0`.
    pub fn refs(&self, repository: &str) -> Result<BTreeMap<String, Revision>, Fault> {
        let tried = || format!("ask {repository} for its versions");
        let words = ["ls-remote", "--quiet", "--", repository, "refs/tags/*", "refs/heads/*"];
        let output = self.run(&tried(), None, &words, &[], MOST_OF_LIST)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (mut refs, mut peeled) = (BTreeMap::new(), BTreeMap::new());
        for (hash, name) in text.lines().filter_map(|line| line.split_once('\t')) {
            let revision: Revision = hash.parse().map_err(|fault: Fault| Fault { tried: tried(), ..fault })?;
            // What an annotated tag stands for follows it in a line of its own.
            match name.strip_suffix("^{}") {
                Some(name) => drop(peeled.insert(name.to_owned(), revision)),
                None => drop(refs.insert(name.to_owned(), revision)),
            }
        }
        refs.append(&mut peeled);
        Ok(refs)
    }

    /// Gives the files of a commit of a repository, read in a room of its own.
    pub fn files(&self, repository: &str, revision: &Revision, room: &Room) -> Result<Vec<Member>, Fault> {
        let tried = format!("get {} of {repository}", revision.short());
        let folder = room.path();
        let format = if revision.is_sha256() { "--object-format=sha256" } else { "--object-format=sha1" };
        let init = [
            OsStr::new("init"),
            "--quiet".as_ref(),
            "--bare".as_ref(),
            "--template=".as_ref(),
            format.as_ref(),
            "--".as_ref(),
            folder.as_os_str(),
        ];
        self.run(&tried, None, &init, &[], MOST_OF_LIST)?;
        let fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"];
        let one = format!("{revision}:refs/heads/fyke");
        let alone: Vec<&str> = fetch.into_iter().chain(["--depth=1", "--", repository, &one]).collect();
        if self.run(&tried, Some(folder), &alone, &[], MOST_OF_LIST).is_err() {
            // Not every server gives a commit by its hash alone.
            let all = ["--", repository, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
            let all: Vec<&str> = fetch.into_iter().chain(all).collect();
            self.run(&tried, Some(folder), &all, &[], MOST_OF_LIST)?;
        }
        self.read(&tried, folder, revision)
    }

    /// Gives the files of a commit of a repository of the user's own.
    pub fn own_files(&self, folder: &Path, revision: &Revision) -> Result<Vec<Member>, Fault> {
        self.read(&format!("read {} of {}", revision.short(), folder.display()), folder, revision)
    }

    /// Gives the commit that a folder's repository is at; none if the folder is not the top of one.
    pub fn head(&self, folder: &Path) -> Option<Revision> {
        let output = self.run("find the commit", Some(folder), &["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], &[], 4096).ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    }

    /// Gives the commit that a tag of the user's own repository stands for.
    pub fn tagged(&self, folder: &Path, tag: &str) -> Option<Revision> {
        let name = format!("refs/tags/{tag}^{{commit}}");
        let output = self.run("find the tag", Some(folder), &["rev-parse", "--verify", "--quiet", &name], &[], 4096).ok()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().ok()
    }

    /// Makes a tag in the user's own repository.
    pub fn tag(&self, folder: &Path, tag: &str, revision: &Revision) -> Result<(), Fault> {
        let tried = format!("make the tag {tag}");
        self.run(&tried, Some(folder), &["update-ref", &format!("refs/tags/{tag}"), revision.as_str(), ""], &[], 4096).map(drop)
    }

    /// Reads the files of a commit out of its objects.
    fn read(&self, tried: &str, folder: &Path, revision: &Revision) -> Result<Vec<Member>, Fault> {
        let words = ["ls-tree", "-r", "-l", "-z", "--full-tree", revision.as_str()];
        let listing = self.run(tried, Some(folder), &words, &[], MOST_OF_LIST)?.stdout;
        let mut wanted = Vec::new();
        let mut total = 0;
        for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            let odd = || Fault::new(Kind::System, tried, "git listed something that is no file");
            let tab = line.iter().position(|byte| *byte == b'\t').ok_or_else(odd)?;
            let (about, path) = (String::from_utf8_lossy(&line[..tab]).into_owned(), line[tab + 1..].to_vec());
            let text = String::from_utf8_lossy(&path);
            if !is_part(&text) && text != SIGNATURE {
                continue;
            }
            let [mode, _, object, size] = about.split_whitespace().collect::<Vec<_>>()[..] else { return Err(odd()) };
            let what = match mode {
                "100644" | "100755" | "100664" => None,
                "120000" => Some("a symbolic link"),
                "160000" => Some("another repository (a submodule)"),
                _ => Some("no file"),
            };
            if let Some(what) = what {
                return Err(Fault::input(tried, format!("{text:?} is {what}, and a package has plain files only")));
            }
            total += size.parse::<usize>().map_err(|_| odd())?;
            wanted.push((object.to_owned(), path));
            if wanted.len() > MOST_FILES || total > MOST_BYTES {
                return Err(too_much(tried, wanted.len() > MOST_FILES));
            }
        }
        let objects: String = wanted.iter().map(|(object, _)| format!("{object}\n")).collect();
        let room = total + 128 * wanted.len() + 4096;
        let batch = self.run(tried, Some(folder), &["cat-file", "--batch"], objects.as_bytes(), room)?.stdout;
        blobs(&batch, wanted).ok_or_else(|| Fault::new(Kind::System, tried, "git did not give the files that it listed"))
    }

    fn run<S: AsRef<OsStr>>(&self, tried: &str, folder: Option<&Path>, words: &[S], input: &[u8], most: usize) -> Result<Output, Fault> {
        let mut request = Request::new(&self.tool).timeout(TIMEOUT).output(most).interruptible().stdin(input);
        request = ENVIRONMENT.iter().fold(request, |request, (name, value)| request.env(name, value));
        request = inherited().fold(request, |request, (name, value)| request.env(name, value));
        request = CONFIG.iter().fold(request, |request, setting| request.arg("-c").arg(setting));
        if let Some(folder) = folder {
            // No repository above it is meant, and none that somebody else has put there.
            request = request.arg("-C").arg(folder);
            request = request.env("GIT_CEILING_DIRECTORIES", folder.parent().unwrap_or(folder));
        }
        let output = request.args(words.iter().map(AsRef::as_ref)).run().map_err(|fault| Fault { tried: tried.to_owned(), ..fault })?;
        if output.success() { Ok(output) } else { Err(refusal(tried, &output)) }
    }
}

/// Takes apart what `git cat-file --batch` prints: for each object a line, its bytes, and the end of a line.
fn blobs(mut batch: &[u8], wanted: Vec<(String, Vec<u8>)>) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    for (object, path) in wanted {
        let end = batch.iter().position(|byte| *byte == b'\n')?;
        let head = std::str::from_utf8(&batch[..end]).ok()?;
        let size: usize = head.strip_prefix(&object)?.strip_prefix(" blob ")?.parse().ok()?;
        let bytes = batch.get(end + 1..end + 1 + size)?.to_vec();
        batch = batch.get(end + 2 + size..)?;
        members.push(Member { path, bytes });
    }
    Some(members)
}

/// Says in git's words why something did not work, and what to do about the usual reasons.
fn refusal(tried: &str, output: &Output) -> Fault {
    let complaint = output.complaint();
    let line =
        complaint.lines().find_map(|line| line.trim().strip_prefix("fatal: ")).unwrap_or(complaint.lines().next().unwrap_or_default());
    let fault = Fault::new(Kind::Refused, tried, line);
    match () {
        () if complaint.contains("redirect") => {
            fault.hint("a redirect is not followed: give the address that it leads to, if that is meant")
        }
        () if complaint.contains("could not read Username") || complaint.contains("terminal prompts disabled") => {
            fault.hint("nobody is asked for a password: use ssh, or put a token into ~/.netrc")
        }
        () if complaint.contains("dubious ownership") => fault.hint("the repository belongs to somebody else"),
        () => fault,
    }
}
