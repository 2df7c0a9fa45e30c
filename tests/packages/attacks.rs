//! What an attacker tries, between the publisher of a package and those who use it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use super::yard::{NUMBER, Yard, flat, number, printer};
use crate::program::is_root;

/// One package, published once and used by a project.
fn used() -> Yard {
    let yard = Yard::new();
    yard.release("teamlib", "1.0.0", NUMBER, &[("numbers.rhai", &number(1))]);
    yard.project("project");
    yard.write("project/print.rhai", printer("teamlib"));
    yard.well("project", &["add", "../teamlib.git"]);
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "1\n");
    yard
}

#[test]
fn a_tag_that_was_moved_is_noticed() {
    let yard = used();
    yard.write("teamlib/numbers.rhai", number(66));
    yard.git("teamlib", &["commit", "--quiet", "--all", "--message", "another 1.0.0"]);
    yard.git("teamlib", &["push", "--quiet", "--force", "origin", "main", "HEAD:refs/tags/v1.0.0"]);
    yard.well("project", &["fetch"]);
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "1\n");
    // Anew, it is still the commit of the lock.
    fs::remove_dir_all(yard.path("home/.cache")).unwrap();
    yard.well("project", &["fetch", "--locked"]);
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "1\n");
    let before = yard.files("project");
    yard.refused("project", &["update"], 5, "its tag was");
    yard.refused("project", &["add", "../teamlib.git"], 5, "and has been moved to");
    assert_eq!(yard.files("project"), before);
    // And where the commit is gone for good, nothing takes its place.
    fs::remove_dir_all(yard.path("home/.cache")).unwrap();
    yard.git("teamlib.git", &["reflog", "expire", "--expire=now", "--all"]);
    yard.git("teamlib", &["push", "--quiet", "--force", "origin", "HEAD:main"]);
    let lock = yard.read("project/fyke.lock");
    let commit = lock.lines().find_map(|line| line.strip_prefix("revision = ")).unwrap().trim_matches('"').to_owned();
    yard.write("project/fyke.lock", lock.replace(&commit, &"0".repeat(39)).replace("revision = \"0", "revision = \"00"));
    let said = yard.fyke("project", &["fetch"]);
    assert!(said.code == Some(1) && said.err.contains("cannot get 000000000000 of "), "{said:?}");
}

#[test]
fn a_lock_that_was_edited_by_hand_opens_nothing() {
    let yard = used();
    yard.release("teamlib", "1.1.0", NUMBER, &[("numbers.rhai", &number(66))]);
    let other = yard.git("teamlib", &["rev-parse", "HEAD"]);
    let lock = yard.read("project/fyke.lock");
    let value = |key: &str| lock.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim_matches('"').to_owned();
    let edit = |from: &str, to: &str| {
        assert!(lock.contains(from));
        yard.write("project/fyke.lock", lock.replace(from, to));
    };
    // Another commit: what it holds is not the content.
    edit(&value("revision = "), other.trim());
    fs::remove_dir_all(yard.path("home/.cache")).unwrap();
    let said = yard.refused("project", &["fetch"], 6, "gives the content sha256:");
    assert!(flat(&said.err).contains(&value("content = ")), "{said:?}");
    // Another content: there is none.
    yard.write("project/fyke.lock", &lock);
    yard.well("project", &["fetch"]);
    edit(&value("content = "), &format!("sha256:{}", "0".repeat(64)));
    yard.refused("project", &["run", "print.rhai"], 2, "it is not on this machine");
    // Another version, other rights, other needs, an odd line.
    edit("version = \"1.0.0\"", "version = \"1.0.9\"");
    yard.refused("project", &["run", "print.rhai"], 6, "its own name is teamlib 1.0.0, and fyke.lock says teamlib 1.0.9");
    edit("content = ", "allow = [\"raw\"]\ncontent = ");
    yard.refused("project", &["run", "print.rhai"], 6, "its list of permissions is");
    edit("form = 1", "form = 1\nfrom = 2");
    yard.refused("project", &["run", "print.rhai"], 2, "there is no key `from` here");
    yard.write("project/fyke.lock", &lock);
    yard.well("project", &["run", "print.rhai"]);
}

#[test]
fn a_cache_that_was_edited_by_hand_is_not_believed() {
    let yard = used();
    let kept: Vec<_> = yard.files("home/.cache").into_keys().collect();
    let bytes = fs::read(&kept[0]).unwrap();
    let text = String::from_utf8_lossy(&bytes).replace("number() { 1 }", "number() { 6 }");
    fs::write(&kept[0], text.as_bytes()).unwrap();
    let said = yard.refused("project", &["run", "print.rhai"], 6, "has the content sha256:");
    assert!(said.out.is_empty(), "{said:?}");
    for damage in [&b""[..], &bytes[..700], b"no archive at all", &[bytes.clone(), b"x".to_vec()].concat()] {
        fs::write(&kept[0], damage).unwrap();
        let said = yard.fyke("project", &["run", "print.rhai"]);
        assert!(said.code == Some(2) && said.out.is_empty() && said.err.contains("cannot take the package teamlib 1.0.0"), "{said:?}");
    }
    // A link out of it, and a pipe, are no archives, and nobody waits for them.
    fs::remove_file(&kept[0]).unwrap();
    symlink("/etc/passwd", &kept[0]).unwrap();
    assert_eq!(yard.fyke("project", &["run", "print.rhai"]).code, Some(2));
    fs::remove_file(&kept[0]).unwrap();
    nix::unistd::mkfifo(&kept[0], nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(yard.fyke("project", &["run", "print.rhai"]).code, Some(2));
    fs::remove_file(&kept[0]).unwrap();
    yard.well("project", &["fetch"]);
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "1\n");
    // Nothing is kept where others can write.
    let folder = yard.path("home/.cache/fyke");
    fs::remove_file(&kept[0]).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    yard.refused("project", &["fetch"], 5, "others may write to it");
    fs::remove_dir_all(&folder).unwrap();
    symlink("/tmp", &folder).unwrap();
    let said = yard.fyke("project", &["fetch"]);
    assert!(said.code == Some(1) && said.err.contains("Not a directory"), "{said:?}");
}

/// What is compiled is what was hashed: the file is read once.
#[test]
fn a_file_that_is_swapped_all_the_time_runs_as_it_should_or_not_at_all() {
    let yard = used();
    let path = yard.files("home/.cache").into_keys().next().unwrap();
    let good = fs::read(&path).unwrap();
    let evil = String::from_utf8_lossy(&good).replace("number() { 1 }", "number() { 6 }").into_bytes();
    let (done, mut ran, mut refused) = (AtomicBool::new(false), 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let new = path.with_extension("swap");
            for bytes in [&evil, &good].into_iter().cycle().take_while(|_| !done.load(Ordering::Relaxed)) {
                fs::write(&new, bytes).unwrap();
                fs::rename(&new, &path).unwrap();
            }
        });
        for _ in 0..40 {
            let said = yard.fyke("project", &["run", "print.rhai"]);
            match (said.code, said.out.as_str()) {
                (Some(0), "1\n") => ran += 1,
                (Some(6), "") => refused += 1,
                _ => {
                    done.store(true, Ordering::Relaxed);
                    panic!("{said:?}");
                }
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("{ran} ran, {refused} were refused");
    assert!(ran > 0 && refused > 0, "the swap was never met");
}

#[test]
fn hooks_filters_and_settings_of_a_repository_do_nothing() {
    let yard = Yard::new();
    let marker = yard.path("was-here");
    let hook = format!("#!/bin/sh\ntouch {}\n", marker.display());
    yard.release(
        "teamlib",
        "1.0.0",
        NUMBER,
        &[("numbers.rhai", &number(1)), (".gitattributes", "* filter=evil diff=evil export-subst ident\n")],
    );
    for name in [
        "post-checkout",
        "post-merge",
        "pre-upload",
        "post-upload-pack",
        "reference-transaction",
        "post-index-change",
        "fsmonitor-watchman",
    ] {
        for hooks in ["teamlib.git/hooks", "home/.config/git/hooks", "project/.git/hooks"] {
            yard.write(&format!("{hooks}/{name}"), &hook);
            fs::set_permissions(yard.path(&format!("{hooks}/{name}")), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    let program = yard.path("teamlib.git/hooks/post-checkout").display().to_string();
    for (key, value) in [
        ("core.fsmonitor", &program),
        ("uploadpack.packObjectsHook", &program),
        ("filter.evil.smudge", &program),
        ("core.sshCommand", &program),
    ] {
        yard.git("teamlib.git", &["config", key, value]);
        yard.git(".", &["config", "--global", key, value]);
    }
    yard.git(".", &["config", "--global", "core.hooksPath", &yard.path("teamlib.git/hooks").display().to_string()]);
    yard.git(".", &["config", "--global", "url.file:///elsewhere.insteadOf", "../"]);
    yard.project("project");
    yard.write("project/print.rhai", printer("teamlib"));
    yard.well("project", &["add", "../teamlib.git"]);
    fs::remove_dir_all(yard.path("home/.cache")).unwrap();
    yard.well("project", &["fetch"]);
    yard.well("project", &["update"]);
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "1\n");
    assert!(!marker.exists(), "something of the repository, or of the user's settings, was started");
}

#[test]
fn addresses_are_no_options_and_no_programs() {
    let yard = Yard::new();
    let marker = yard.path("was-here").display().to_string();
    yard.project("project");
    let before = yard.files(".");
    for address in [
        format!("--upload-pack=touch {marker}"),
        format!("ext::sh -c touch% {marker}"),
        "ext::id".to_owned(),
        "fd::7".to_owned(),
        format!("ssh://-oProxyCommand=touch%20{marker}/x"),
        format!("-oProxyCommand=touch{marker}:x"),
        "git@-oProxyCommand=id:x".to_owned(),
        "https://user:secret@example.org/x".to_owned(),
        "gopher://example.org/x".to_owned(),
        "https://example.org/a\nb".to_owned(),
    ] {
        let said = yard.fyke("project", &["add", "--tag", "v1", "--", &address]);
        assert!(said.code == Some(2) && said.err.contains("cannot get a package from"), "{address}: {said:?}");
        let manifest = yard.read("project/fyke.toml");
        yard.write("project/fyke.toml", format!("{manifest}x = {{ git = {address:?}, tag = \"v1\" }}\n"));
        let said = yard.fyke("project", &["fetch"]);
        assert!(said.code == Some(2) && said.err.contains("fyke.toml:"), "{address}: {said:?}");
        yard.write("project/fyke.toml", manifest);
    }
    for tag in ["--upload-pack=x", "-x", "a..b", "v1 v2", "refs/heads/../x", "@{u}", "v1^{}"] {
        let said = yard.fyke("project", &["add", &format!("--tag={tag}"), "../x.git"]);
        assert!(said.code == Some(2) && said.err.contains("git has no such names"), "{tag}: {said:?}");
    }
    assert_eq!(yard.files("."), before);
}

/// Answers every request with the same bytes, and then with `more` without an end.
fn server(answer: &str, more: Option<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = answer.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
            while more.is_some_and(|byte| stream.write_all(&[byte; 65536]).is_ok()) {}
        }
    });
    format!("http://{address}")
}

#[test]
fn redirects_are_not_followed_and_endless_data_is_cut() {
    let yard = used();
    let elsewhere = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", None);
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: {elsewhere}/other\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let redirecting = server(&answer, None);
    let manifest = yard.read("project/fyke.toml");
    let hash = format!("content = \"sha256:{}\"", "0".repeat(64));
    yard.write("project/fyke.toml", format!("{manifest}x = {{ archive = \"{redirecting}/x.tar.gz\", {hash} }}\n"));
    let said = yard.refused("project", &["fetch"], 1, "and a redirect is not followed");
    assert!(flat(&said.err).contains(&format!("{elsewhere}/other")), "{said:?}");
    yard.write("project/fyke.toml", format!("{manifest}x = {{ git = \"{redirecting}/x.git\", tag = \"v1\" }}\n"));
    let said = yard.fyke("project", &["fetch"]);
    assert!(said.code == Some(1) && said.err.contains("cannot ask "), "{said:?}");
    // Over plain HTTP nobody knows who answers.
    yard.write("project/fyke.toml", format!("{manifest}x = {{ archive = \"{elsewhere}/x.tar.gz\" }}\n"));
    yard.refused("project", &["fetch"], 2, "an archive comes over http, where anybody on the way can change it");
    let endless = server("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", Some(b'x'));
    yard.write("project/fyke.toml", format!("{manifest}x = {{ archive = \"{endless}/x.tar.gz\", {hash} }}\n"));
    let said = yard.fyke("project", &["fetch"]);
    assert!(matches!(said.code, Some(1 | 8)) && said.err.contains("cannot get http://127.0.0.1"), "{said:?}");
    // The right archive over the same way is taken.
    let archive = fs::read(yard.files("home/.cache").into_keys().next().unwrap()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/teamlib.tar", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", archive.len());
            let _ = stream.write_all(&[head.as_bytes(), &archive].concat());
        }
    });
    let lock = yard.read("project/fyke.lock");
    let content = lock.lines().find(|line| line.starts_with("content = ")).unwrap().to_owned();
    yard.project("other");
    yard.write("other/print.rhai", printer("teamlib"));
    yard.write("other/fyke.toml", format!("{}teamlib = {{ archive = \"{url}\", {content} }}\n", yard.read("other/fyke.toml")));
    yard.well("other", &["fetch"]);
    assert_eq!(yard.well("other", &["run", "print.rhai"]).out, "1\n");
}

#[test]
fn an_older_version_is_not_offered_as_the_newest() {
    let yard = Yard::new();
    yard.release("teamlib", "1.0.0", NUMBER, &[("numbers.rhai", &number(1))]);
    yard.release("teamlib", "1.1.0", NUMBER, &[("numbers.rhai", &number(2))]);
    yard.project("project");
    yard.write("project/print.rhai", printer("teamlib"));
    yard.well("project", &["add", "../teamlib.git"]);
    yard.git("teamlib.git", &["tag", "--delete", "v1.1.0"]);
    let before = yard.files("project");
    yard.refused("project", &["update"], 6, "which now has 1.0.0 as its latest release and no 1.1.0");
    assert_eq!(yard.files("project"), before);
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "2\n");
    // A tag that says more than the package does.
    yard.git("teamlib.git", &["tag", "v1.5.0", "v1.0.0"]);
    yard.git("teamlib.git", &["tag", "v1.1.0", "main"]);
    yard.refused("project", &["update"], 2, "what is tagged as 1.5.0 calls itself teamlib 1.0.0");
    assert_eq!(yard.files("project"), before);
}

#[test]
fn a_name_is_one_package_and_a_package_from_elsewhere_points_to_no_path() {
    let yard = used();
    // Somebody else's package of the same name.
    yard.git(".", &["init", "--quiet", "--bare", "evil.git"]);
    yard.git("teamlib", &["push", "--quiet", "../evil.git", "main", "v1.0.0"]);
    let place = yard.path("evil.git").display().to_string();
    yard.release(
        "helper",
        "1.0.0",
        &format!("{NUMBER}[dependencies]\nteamlib = {{ git = \"{place}\", version = \"1.0\" }}\n"),
        &[("numbers.rhai", &number(1))],
    );
    let before = yard.files("project");
    yard.write("other/fyke.toml", "name = \"other\"\nversion = \"1.0.0\"\n");
    yard.release(
        "second",
        "1.0.0",
        &format!("{NUMBER}[dependencies]\nteamlib = {{ git = \"{}\", version = \"1.0\" }}\n", yard.path("teamlib.git").display()),
        &[("numbers.rhai", &number(1))],
    );
    yard.well("other", &["add", "../second.git"]);
    yard.refused("other", &["add", "../helper.git"], 2, "two packages have this name");
    // A name in the manifest that is not the package's own.
    yard.write("project/fyke.toml", yard.read("project/fyke.toml").replace("teamlib = {", "timelib = {"));
    yard.refused("project", &["fetch"], 2, "it calls itself teamlib");
    yard.write("project/fyke.toml", &before[&yard.path("project/fyke.toml")]);
    // A path where a package should be.
    for (needs, why) in [
        ("teamlib = { path = \"../teamlib\" }", "a place on this machine"),
        ("teamlib = { path = \"/etc\" }", "a place on this machine"),
        ("teamlib = { git = \"../teamlib.git\", version = \"1.0\" }", "a place on this machine"),
        ("std = { path = \"x\" }", "the standard library has this name"),
    ] {
        let name = format!("odd-{}", needs.len());
        yard.release(&name, "1.0.0", &format!("{NUMBER}[dependencies]\n{needs}\n"), &[("numbers.rhai", &number(1))]);
        yard.refused("project", &["add", &format!("../{name}.git")], 2, why);
    }
    assert_eq!(yard.files("project"), before);
}

#[test]
fn a_package_that_asks_for_more_is_stopped_until_that_is_granted() {
    let yard = Yard::new();
    let asks = |permissions: &str| format!("{NUMBER}[permissions]\nallow = [{permissions}]\n");
    yard.release("teamlib", "1.0.0", &asks("\"iptables: filter/INPUT\""), &[("numbers.rhai", &number(1))]);
    yard.project("project");
    yard.write("project/print.rhai", printer("teamlib"));
    let said = yard.well("project", &["add", "../teamlib.git"]);
    assert!(said.err.contains("teamlib asks for:") && said.err.contains("[grants.teamlib]"), "{said:?}");
    assert!(!yard.read("project/fyke.toml").contains("grants"));
    yard.well("project", &["add", "--grant", "../teamlib.git"]);
    yard.release("teamlib", "1.1.0", &asks("\"iptables: filter/INPUT\", \"exec: curl\""), &[("numbers.rhai", &number(2))]);
    let before = yard.files("project");
    let said = yard.refused("project", &["update"], 5, "what is new asks for more than was granted: teamlib: \"exec: curl\"");
    assert!(said.err.contains("teamlib asks for more than before:") && !said.err.contains("filter/INPUT"), "{said:?}");
    assert_eq!(yard.files("project"), before);
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "1\n");
    yard.well("project", &["update", "--grant"]);
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "2\n");
    let manifest = yard.read("project/fyke.toml");
    assert!(manifest.contains("[grants.teamlib]") && manifest.contains("\"exec: curl\""), "{manifest}");
    // Less is no question, and a permission that nobody knows is none.
    yard.release("teamlib", "1.2.0", &asks(""), &[]);
    yard.well("project", &["update"]);
    yard.release("teamlib", "1.3.0", &asks("\"netwrok\""), &[]);
    yard.refused("project", &["update"], 2, "there is no such permission");
}

#[test]
fn a_package_is_made_of_plain_files_wherever_it_comes_from() {
    let yard = Yard::new();
    yard.project("project");
    let before = yard.files("project");
    yard.release("linked", "1.0.0", NUMBER, &[("numbers.rhai", &number(1))]);
    symlink("/etc/passwd", yard.path("linked/words.rhai")).unwrap();
    yard.release("linked", "1.1.0", NUMBER, &[]);
    yard.refused("project", &["add", "../linked.git"], 2, "is a symbolic link");
    yard.refused("project", &["add", "../linked"], 2, "is a symbolic link");
    // The manifest itself, out of a folder that is named and out of the project.
    yard.write("borrowed/real.toml", "name = \"borrowed\"\nversion = \"1.0.0\"\n");
    symlink("real.toml", yard.path("borrowed/fyke.toml")).unwrap();
    yard.refused("project", &["add", "../borrowed"], 2, "is a symbolic link");
    yard.refused("borrowed", &["tree"], 5, "it is a symbolic link");
    // Another repository inside of it.
    yard.git("linked", &["rm", "--quiet", "words.rhai"]);
    yard.git(".", &["-c", "protocol.file.allow=always", "-C", "linked", "submodule", "--quiet", "add", "../linked.git", "inner"]);
    yard.release("linked", "1.2.0", NUMBER, &[]);
    yard.refused("project", &["add", "../linked.git"], 2, "is another repository (a submodule)");
    // Too much of it.
    let many: Vec<(String, String)> = (0..2100).map(|n| (format!("many/f{n}"), String::new())).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    yard.release("large", "1.0.0", NUMBER, &many);
    yard.refused("project", &["add", "../large.git"], 2, "it has more than 2000 files");
    yard.release("huge", "1.0.0", NUMBER, &[("huge.bin", &"x".repeat(17 << 20))]);
    yard.refused("project", &["add", "../huge.git"], 2, "its files have more than 16 MiB together");
    yard.refused("project", &["add", "../huge"], 2, "it has more than 16777216 bytes");
    assert_eq!(yard.files("project"), before);
}

#[test]
fn a_manifest_that_others_can_write_says_nothing() {
    let yard = used();
    let manifest = yard.path("project/fyke.toml");
    fs::set_permissions(&manifest, fs::Permissions::from_mode(0o666)).unwrap();
    yard.refused("project", &["run", "print.rhai"], 5, "everybody may write to it");
    fs::set_permissions(&manifest, fs::Permissions::from_mode(0o644)).unwrap();
    let lock = yard.path("project/fyke.lock");
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o666)).unwrap();
    yard.refused("project", &["run", "print.rhai"], 5, "everybody may write to it");
    fs::set_permissions(&lock, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(yard.path("project"), fs::Permissions::from_mode(0o777)).unwrap();
    yard.refused("project", &["run", "print.rhai"], 5, "everybody may put another in its place");
    fs::set_permissions(yard.path("project"), fs::Permissions::from_mode(0o755)).unwrap();
    if is_root() {
        let status = Command::new("chown").arg("4711").arg(&manifest).status().unwrap();
        assert!(status.success());
        yard.refused("project", &["run", "print.rhai"], 5, "it belongs to user 4711");
    } else {
        println!("skipped: only root can give a file to somebody else");
    }
}
