//! What the virtual machine boots: Debian's kernel, and a file system of the tools that are installed here, the program, and its tests.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};

use super::archive::{Archive, Entry};
use crate::bad_inputs::shared;
use crate::program::{Said, binary};

/// The emulator.
pub(super) const QEMU: &str = "qemu-system-x86_64";

/// The programs of the guest besides those of busybox. What they are links to, and their libraries, come along.
const PROGRAMS: &[&str] =
    &["bash", "sh", "ip", "tc", "ss", "bridge", "nft", "ipset", "ping", "unshare", "nsenter", "flock", "grep", "mount", "umount"];

/// What tools load or read when they run, as far as it is here.
const FOLDERS: &[&str] =
    &["/etc/iproute2", "/usr/share/iproute2", "/usr/lib/x86_64-linux-gnu/tc", "/usr/lib/tc", "/usr/lib/x86_64-linux-gnu/xtables"];
const FILES: &[&str] = &["/etc/protocols", "/etc/services", "/etc/ethertypes"];

/// The beginnings of the paths of the modules that the guest has, besides what these need.
const MODULES: &[&str] =
    &["kernel/net/", "kernel/drivers/net/", "kernel/drivers/virtio/", "kernel/drivers/block/virtio", "kernel/drivers/char/virtio"];

/// Modules of hardware that the guest has not.
const NO_MODULES: &[&str] =
    &["kernel/drivers/net/ethernet/", "kernel/drivers/net/hyperv/", "kernel/drivers/net/xen", "kernel/drivers/net/wwan/"];

/// Places of the file system that everything else is mounted on.
const EMPTY: &[&str] = &["/proc", "/sys", "/dev", "/run", "/tmp", "/root", "/disk", "/var/lib/fyke"];

/// The suite of the kernel, among what is shared.
pub(super) const SUITE: &str = "suites/tc-testing/tc-tests";
/// Where the guest has it.
pub(super) const SUITE_IN_THE_GUEST: &str = "/suite";

/// A kernel with its first file system.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) kernel: PathBuf,
    pub(super) files: PathBuf,
}

impl Image {
    /// Puts the image together, if its sources are other ones than the last time; or says why there can be none.
    pub(super) fn prepare() -> Result<Self, String> {
        let folder = folder();
        let kernel = folder.join("kernel/vmlinuz");
        if !kernel.exists() {
            return Err("there is no kernel for the virtual machine: `make needs-vm` fetches it".into());
        }
        for program in [QEMU, "busybox", "kmod"].iter().chain(PROGRAMS) {
            find(program).ok_or_else(|| format!("{program} is not installed"))?;
        }
        // One test puts it together, the others wait.
        let lock = File::create(folder.join("lock")).map_err(|error| error.to_string())?;
        let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error.to_string())?;
        let archive = archive(&folder.join("kernel"));
        let files = folder.join(format!("files-{:016x}", stamp(&archive)));
        if !files.exists() {
            let older = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
            older.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("files-"))).for_each(|path| {
                let _ = fs::remove_file(path);
            });
            let unfinished = folder.join("unfinished");
            fs::write(&unfinished, archive.write(bytes)).unwrap();
            fs::rename(unfinished, &files).unwrap();
        }
        Ok(Self { kernel, files })
    }
}

/// Gives the folder of everything about the virtual machine.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("vm")
}

/// Finds a program, also where an ordinary user does not look.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.exists())
}

/// Lists what the guest has.
fn archive(kernel: &Path) -> Archive {
    let mut archive = Archive::default();
    for (link, to) in [("/bin", "usr/bin"), ("/sbin", "usr/sbin"), ("/lib", "usr/lib"), ("/lib64", "usr/lib64")] {
        archive.add(link, Entry::Link(to.into()));
    }
    EMPTY.iter().for_each(|path| archive.add(path, Entry::Folder));
    archive.add("/init", Entry::Script(include_str!("init")));
    programs(&mut archive);
    modules(&mut archive, kernel);
    FILES.iter().filter(|path| Path::new(path).exists()).for_each(|path| archive.add(*path, Entry::Copy(path.into())));
    FOLDERS.iter().for_each(|folder| copies(&mut archive, Path::new(folder), Path::new(folder)));
    if let Some(suite) = shared(SUITE) {
        copies(&mut archive, &suite, Path::new(SUITE_IN_THE_GUEST));
    }
    archive
}

/// Adds the files of a folder and of those below it.
fn copies(archive: &mut Archive, from: &Path, to: &Path) {
    for entry in fs::read_dir(from).into_iter().flatten().map(|entry| entry.unwrap()) {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copies(archive, &path, &to);
        } else {
            archive.add(to, Entry::Copy(path));
        }
    }
}

/// Adds the programs, under their own names and under those of what they are links to, and all libraries.
fn programs(archive: &mut Archive) {
    let of_iptables =
        ["", "-nft", "-legacy"].into_iter().flat_map(|backend| ["", "-save", "-restore"].map(|verb| format!("{backend}{verb}")));
    let tables: Vec<String> = of_iptables.flat_map(|end| [format!("iptables{end}"), format!("ip6tables{end}")]).collect();
    let names = ["busybox", "kmod"].iter().chain(PROGRAMS).copied().chain(tables.iter().map(String::as_str));
    let mut found = BTreeSet::new();
    for path in names.filter_map(find) {
        let program = path.canonicalize().unwrap();
        let link = path.parent().unwrap().canonicalize().unwrap().join(path.file_name().unwrap());
        if link != program {
            archive.add(link, Entry::Link(program.clone()));
        }
        archive.add(&program, Entry::Copy(program.clone()));
        found.insert(program);
    }
    for link in ["modprobe", "depmod", "insmod", "rmmod", "lsmod"] {
        archive.add(format!("/usr/sbin/{link}"), Entry::Link("/usr/bin/kmod".into()));
    }
    for (name, program) in [("fyke", PathBuf::from(binary())), ("fyke-tests", std::env::current_exe().unwrap())] {
        archive.add(format!("/usr/bin/{name}"), Entry::Stripped(program.clone()));
        found.insert(program);
    }
    let said: Said = Command::new("ldd").args(found).output().unwrap().into();
    for library in said.out.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':')).map(Path::new) {
        let path = library.parent().unwrap().canonicalize().unwrap().join(library.file_name().unwrap());
        archive.add(path, Entry::Copy(library.to_owned()));
    }
}

/// Adds the modules that the guest can use, with those that they need, and the lists by which they are found.
fn modules(archive: &mut Archive, kernel: &Path) {
    let release = fs::read_dir(kernel.join("lib/modules")).unwrap().next().unwrap().unwrap().path();
    let guest = Path::new("/usr/lib/modules").join(release.file_name().unwrap());
    let needs = fs::read_to_string(release.join("modules.dep")).unwrap();
    let begins = |line: &str, with: &[&str]| with.iter().any(|path| line.starts_with(path));
    let wanted = needs.lines().filter(|line| begins(line, MODULES) && !begins(line, NO_MODULES));
    for module in wanted.flat_map(|line| line.split([':', ' '])).filter(|module| !module.is_empty()) {
        archive.add(guest.join(module), Entry::Copy(release.join(module)));
    }
    for list in fs::read_dir(&release).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        archive.add(guest.join(list.file_name().unwrap()), Entry::Copy(list));
    }
}

/// Gives a number that is another one when something of the image is.
fn stamp(archive: &Archive) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (path, entry) in archive.entries() {
        (path, entry).hash(&mut hasher);
        if let Entry::Copy(file) | Entry::Stripped(file) = entry {
            let about = fs::metadata(file).unwrap();
            (about.size(), about.mtime(), about.mtime_nsec()).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Reads what the archive holds of an entry.
fn bytes(entry: &Entry) -> Vec<u8> {
    match entry {
        Entry::Folder => Vec::new(),
        Entry::Link(to) => to.to_str().unwrap().into(),
        Entry::Copy(file) => fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display())),
        Entry::Stripped(file) => stripped(file),
        Entry::Script(words) => words.as_bytes().to_vec(),
    }
}

/// Gives a program without its symbols; as it is where there is no strip(1).
fn stripped(program: &Path) -> Vec<u8> {
    let to = folder().join("stripped");
    let done = Command::new("strip").arg("-o").arg(&to).arg(program).status().is_ok_and(|status| status.success());
    let bytes = fs::read(if done { &to } else { program }).unwrap();
    let _ = fs::remove_file(to);
    bytes
}
