#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};

use super::select::{Found, select};
use super::*;
use crate::model::grant::Permission;
use crate::model::{Fault, Kind, Origin};

/// The content that the two signatures below are of.
const MANIFEST_TEXT: &str = "name = \"teamlib\"\nversion = \"1.0.0\"\nmodules = [\"limits\"]\n";
const MODULE_TEXT: &str = "fn most() { 3 }\n";

const KEY: &str = "RWTCqGiHeGNPqY35VG/Ky1qjSiVW/tA1OMz71MM8RjvKDyiXnsi12fz5";
const SIGNED: &str = "untrusted comment: signature of a team
RUTCqGiHeGNPqUhneDTwjn0uNTsVzcBalvE0af8VNDwXxhOC6/MC+IP/89RjP4xCll/xuhcl2SkisHk6R7GafAKKZ6Pp5cDrZws=
trusted comment: timestamp:0
na6sT2zr8DymIpyzrMvrthwxpM837hOr9nLMjrQyMB1NrGFN42XMVbjExHTGU6eKGQHOzl9800zpkmcys5FQBg==
";
const OTHER_KEY: &str = "RWRqgOdy9iWZa813g16RBqijc056oTHMSSjZA++ksgFN8nJuuLUY00dR";
const OTHER_SIGNED: &str = "untrusted comment: signature of a team
RURqgOdy9iWZa/gsIIdb2p94NBAJNGJGJsHsW5hTIHRQkVerTKZb2YmVrggG+DeRHQ0Ij/g3Nk0FHqlKPqI6zfuMag5SchtyuQY=
trusted comment: timestamp:0
V8lfqKMTc+GuJ9oGk6yNSiSMaDBMMj+KNulqHJc7wforIAtHW2wcvIRHNb2yM4WSBwJMAb7zRvixU28K0K69Cg==
";

fn content(files: &[(&str, &str)]) -> Result<Content, Fault> {
    let member = |(path, text): &(&str, &str)| Member { path: path.as_bytes().to_vec(), bytes: text.as_bytes().to_vec() };
    Content::take("x", files.iter().map(member))
}

fn teamlib(signature: Option<&str>) -> Content {
    let mut files = vec![(MANIFEST, MANIFEST_TEXT), ("limits.rhai", MODULE_TEXT)];
    files.extend(signature.map(|text| (SIGNATURE, text)));
    content(&files).unwrap()
}

fn told(fault: &Fault) -> String {
    let at = fault.origin.as_ref().map_or_else(String::new, |origin| format!(" at {}", origin.at));
    format!("{}{at}{}", fault.why, fault.hint.as_ref().map_or_else(String::new, |hint| format!(" ({hint})")))
}

fn refused(text: &str) -> String {
    told(&Manifest::parse("fyke.toml", text).unwrap_err())
}

const HEAD: &str = "name = \"x\"\nversion = \"1.0.0\"\n";

#[test]
fn a_manifest_is_read() {
    let text = "name = \"teamlib\"\nversion = \"1.2.0\"\ndescription = \"Limits.\"\nlicense = \"MIT\"\nauthors = [\"A\"]\nfyke = \"0.1\"\n\
                modules = [\"limits\", \"deep/er\"]\nrecipes = [\"ssh-guard\"]\n[permissions]\nallow = [\"iptables: filter/INPUT\", \"raw\"]\n\
                [dependencies]\na = { git = \"https://example.org/a\", version = \"1.2\" }\nb = { git = \"git@example.org:b\", tag = \"v1\" }\n\
                c = { path = \"../c d\" }\nd = { archive = \"d.tar.gz\" }\n[dependencies.e]\ngit = \"https://example.org/e\"\nbranch = \"main\"\n\
                [grants.a]\nallow = [\"raw\"]\n";
    let manifest = Manifest::parse("fyke.toml", text).unwrap();
    assert_eq!(manifest.title(), "teamlib 1.2.0");
    assert_eq!(manifest.permissions.allow.iter().map(ToString::to_string).collect::<Vec<_>>(), ["iptables: filter/INPUT", "raw"]);
    let sources: Vec<String> = manifest.dependencies.values().map(|need| need.source.to_string()).collect();
    assert_eq!(
        sources,
        ["https://example.org/a, 1.2.0", "git@example.org:b, tag v1", "../c d", "d.tar.gz", "https://example.org/e, branch main"]
    );
    assert_eq!(manifest.dependencies.values().next().unwrap().origin, Origin::at("fyke.toml", 12, 1));
    assert_eq!(manifest.grants.len(), 1);
}

#[test]
fn a_manifest_that_is_not_right_says_where() {
    assert_eq!(refused("name = \"x\"\nversoin = \"1.0.0\"\n"), "it has no `version` at fyke.toml:1:1");
    assert_eq!(refused(&format!("{HEAD}licence = \"MIT\"\n")), "there is no key `licence` here at fyke.toml:3:1 (did you mean `license`?)");
    assert_eq!(refused("name = \"x\"\nname = \"y\"\n"), "duplicate key at fyke.toml:2:1");
    assert_eq!(refused("name = \"A\"\nversion = \"1.0.0\"\n"), "a name is made of lower-case letters, digits and dashes at fyke.toml:1:8");
    assert!(refused("name = \"x\"\nversion = \"1.0\"\n").contains("at fyke.toml:2:11"));
    assert_eq!(refused("name = 1\n"), "`name` is no string at fyke.toml:1:8");
    assert_eq!(
        refused(&format!("{HEAD}modules = [\"../x\"]\n")).split(" (").next().unwrap(),
        "\"../x\" is no path without its `.rhai` at fyke.toml:3:11"
    );
    for (permissions, why) in [
        ("allow = [\"netwrok: x\"]", "there is no such permission"),
        ("allow = [\"*\"]", "there is no such permission"),
        ("alow = [\"raw\"]", "there is no key `alow` here"),
        ("allow = \"raw\"", "`allow` is no list of strings"),
    ] {
        let told = refused(&format!("{HEAD}[permissions]\n{permissions}\n"));
        assert!(told.starts_with(why) && told.contains("fyke.toml:4:"), "{permissions}: {told}");
    }
    for (needs, why) in [
        ("x = { path = \"..\" }", "x needs itself"),
        ("a = { git = \"--upload-pack=id\", version = \"1\" }", "it begins with a dash"),
        ("a = { git = \"ext::sh -c id\", tag = \"v1\" }", "it has ' ' in it"),
        ("a = { git = \"ext::sh\", tag = \"v1\" }", "git would start the helper"),
        ("a = { git = \"https://e.org/a\" }", "it does not say what of the repository is meant"),
        ("a = { git = \"https://e.org/a\", tag = \"v1\", branch = \"b\" }", "it names more than one of"),
        ("a = { git = \"https://e.org/a\", tag = \"-x\" }", "git has no such names"),
        ("a = { git = \"https://e.org/a\", rev = \"abc\" }", "it is not the whole hash"),
        ("a = { git = \"https://e.org/a\", path = \"a\", version = \"1\" }", "it names none, or more than one"),
        ("a = { path = \"https://e.org/a\" }", "it is no path of a folder"),
        ("a = { path = \"../a\", version = \"1.0\" }", "`version, tag, branch or rev` goes with"),
        ("a = { archive = \"http://e.org/a.tgz\" }", "an archive comes over http"),
        ("a = { gti = \"https://e.org/a\" }", "there is no key `gti` here"),
        ("a = \"1.0\"", "`a` is no table"),
        ("std = { path = \"a\" }", "the standard library has this name"),
        ("\"../a\" = { path = \"a\" }", "a name is made of"),
    ] {
        let told = refused(&format!("{HEAD}[dependencies]\n{needs}\n"));
        assert!(told.starts_with(why) && told.contains(" at fyke.toml:"), "{needs}: {told}");
    }
    let fault = Manifest::parse("fyke.toml", &format!("{HEAD}fyke = \"77.0\"\n")).unwrap_err();
    assert_eq!(fault.kind, Kind::Unsupported);
}

#[test]
fn names_in_a_package_are_plain() {
    let why = |path: &str| content(&[(MANIFEST, ""), (path, "")]).unwrap_err().why;
    for bad in ["../x", "a/../../x", "/abs", "..\\x", "a\nb", "\u{202e}x", "a//b", "", ".", "a/./b", "a /b", "a.", "\u{e9}"] {
        assert!(why(bad).starts_with("the name"), "{bad:?}: {}", why(bad));
    }
    assert_eq!(why(&"a".repeat(5000)).split('…').nth(1).unwrap(), " has 5000 bytes, and 200 are the most");
    assert!(why(&format!("{}x", "d/".repeat(1000))).contains("200 are the most"));
    assert!(why(&format!("{}x", "d/".repeat(20))).contains("lies too deep"));
    let two = |a: &str, b: &str| content(&[(MANIFEST, ""), (a, ""), (b, "")]).unwrap_err().why;
    assert_eq!(two("a", "a"), "\"a\" is in it twice");
    assert_eq!(two("main.rhai", "MAIN.RHAI"), "\"MAIN.RHAI\" and \"main.rhai\" differ in capitals only");
    assert_eq!(two("A/x", "a/y"), "\"a\" and \"A\" differ in capitals only");
    assert_eq!(two("a", "a/b"), "\"a\" is a file and a folder");
    assert_eq!(content(&[("x", "")]).unwrap_err().why, "there is no fyke.toml at its top");
    let kept =
        content(&[(MANIFEST, "m"), (".git/config", "x"), ("vendor/a/b", "x"), ("dist/x", "x"), (LOCK, "x"), ("a/vendor/b", "x")]).unwrap();
    assert_eq!(kept.files().map(|(path, _)| path).collect::<Vec<_>>(), ["a/vendor/b", MANIFEST]);
    assert!(content(&[(MANIFEST, &"#".repeat(10 << 20))]).unwrap_err().why.contains("its fyke.toml has"));
}

#[test]
fn an_archive_gives_back_what_went_in_and_is_always_the_same() {
    let long = format!("{}/{}/x.rhai", "a".repeat(50), ["b".repeat(50), "c".repeat(50)].join("/"));
    let content = content(&[(MANIFEST, MANIFEST_TEXT), ("a/b.rhai", "1"), (&long, "2"), (SIGNATURE, "s")]).unwrap();
    let tar = archive::write(&content);
    assert_eq!(archive::read("x", &tar).unwrap(), content);
    let packed = gzip::pack("x", &tar).unwrap();
    assert_eq!(archive::read("x", &packed).unwrap(), content);
    assert_eq!(gzip::pack("x", &tar).unwrap(), packed);
    // Cut anywhere, or with anything behind it, it is none.
    for cut in (0..tar.len()).step_by(97) {
        assert!(archive::read("x", &tar[..cut]).is_err(), "{cut}");
    }
    for cut in (0..packed.len()).step_by(7) {
        assert!(archive::read("x", &packed[..cut]).is_err(), "{cut}");
    }
    assert_eq!(archive::read("x", &[tar.clone(), tar.clone()].concat()).unwrap_err().why, "there is something behind its end");
    assert_eq!(archive::read("x", &[packed.clone(), packed].concat()).unwrap_err().why, "there is something behind its end");
    // No byte of a header can be changed without notice; what is changed in a file changes the hash.
    for at in (0..512).filter(|at| tar[*at] != b'9') {
        let mut other = tar.clone();
        other[at] = b'9';
        assert!(archive::read("x", &other).is_err(), "{at}");
    }
}

#[test]
fn the_hash_is_of_the_listing() {
    let content = teamlib(None);
    let listing = "07f45f5d312d7c5164117c11d8e3f626807f04d76125dea755fe6be798d4adf8  fyke.toml\n\
                   539f96aa71cd25ccb167e408fabc328aa1b78041fe872682e75d50b526da9aaa  limits.rhai\n";
    assert_eq!(content.listing(), listing);
    assert_eq!(content.hash(), Hash::of(listing.as_bytes()));
    assert_eq!(content.hash(), teamlib(Some(SIGNED)).hash());
    let text = content.hash().to_string();
    assert_eq!(text.parse::<Hash>().unwrap(), content.hash());
    for bad in ["", "sha256:", &text[..70], &text.to_uppercase(), &text.replace("sha256", "sha512"), &format!("{text}0")] {
        assert!(bad.parse::<Hash>().is_err(), "{bad}");
    }
}

fn policy(required: bool, keys: &[(&str, &str)]) -> Policy {
    let keys = keys.iter().map(|(name, key)| ((*name).to_owned(), key.parse().unwrap())).collect();
    Policy { required, keys, file: "fyke.toml".to_owned() }
}

#[test]
fn a_signature_is_right_or_refused() {
    let (team, other) = (policy(true, &[("team", KEY)]), policy(false, &[("other", OTHER_KEY)]));
    let check = |signature: Option<&str>, policies: &[Policy]| signature::check("teamlib 1.0.0", &teamlib(signature), policies);
    let signer = check(Some(SIGNED), std::slice::from_ref(&team)).unwrap().unwrap();
    assert_eq!((signer.name.as_deref(), signer.id.as_str()), (Some("team"), "A94F63788768A8C2"));
    assert_eq!(KEY.parse::<PublicKey>().unwrap().id(), signer.id);
    assert_eq!(check(None, std::slice::from_ref(&other)), Ok(None));
    assert!(check(Some(SIGNED), std::slice::from_ref(&other)).unwrap().unwrap().name.is_none());
    let why = |signature: Option<&str>| check(signature, std::slice::from_ref(&team)).unwrap_err();
    assert_eq!(why(None).why, "it is not signed, and fyke.toml wants a signature by A94F63788768A8C2 (team)");
    // Both keys are named.
    let other_id = OTHER_KEY.parse::<PublicKey>().unwrap().id();
    let fault = why(Some(OTHER_SIGNED));
    assert_eq!(fault.why, format!("it is signed by the key {other_id}, and fyke.toml wants one by A94F63788768A8C2 (team)"));
    assert_eq!(fault.kind, Kind::Permission);
    // Each kind of a signature that is not right.
    let swapped: Vec<&str> = SIGNED.lines().take(3).chain(OTHER_SIGNED.lines().skip(3)).collect();
    for (signature, told) in [
        (SIGNED.replace("timestamp:0", "timestamp:1"), "not one of this content"),
        (SIGNED.replace("RUTC", "RWTC"), "of the old kind"),
        (SIGNED.replace("qUhn", "qUhm"), "not one of this content"),
        (swapped.join("\n"), "not one of this content"),
        (SIGNED.lines().take(3).collect::<Vec<_>>().join("\n"), "has not the four lines"),
        (format!("{SIGNED}extra\n"), "has not the four lines"),
        (SIGNED.replace("cDrZws=", ""), "is none of minisign"),
        (String::new(), "has not the four lines"),
    ] {
        let fault = why(Some(&signature));
        assert!(fault.why.contains(told), "{signature}: {}", fault.why);
    }
    // Over other content it is no signature, also where none is required.
    let mut files = vec![(MANIFEST, MANIFEST_TEXT), ("limits.rhai", "fn most() { 4 }\n"), (SIGNATURE, SIGNED)];
    let lax = policy(false, &[("team", KEY)]);
    assert!(signature::check("x", &content(&files).unwrap(), std::slice::from_ref(&lax)).is_err());
    files[1] = ("limits.rhai", MODULE_TEXT);
    assert!(signature::check("x", &content(&files).unwrap(), &[lax]).is_ok());
    // What the system demands, the project cannot give itself.
    let system = Policy { file: "/etc/fyke/fyke.toml".to_owned(), ..policy(true, &[("other", OTHER_KEY)]) };
    assert!(check(Some(SIGNED), &[system.clone(), team.clone()]).unwrap_err().why.contains("/etc/fyke/fyke.toml wants one"));
    assert!(check(Some(OTHER_SIGNED), &[system, team]).is_ok());
    for bad in ["", "RW", KEY.trim_end_matches('5'), "minisign", &KEY.replace("RW", "RU")] {
        assert!(bad.parse::<PublicKey>().is_err(), "{bad}");
    }
}

fn need(name: &str, least: &str) -> Dependency {
    let url = format!("https://example.org/{name}").parse().unwrap();
    let source = Source::Git { url, at: At::Version(least.parse().unwrap()) };
    Dependency { name: name.parse().unwrap(), source, origin: Origin::at("fyke.toml", 1, 1) }
}

fn pinned(name: &str, tag: &str) -> Dependency {
    let url = format!("https://example.org/{name}").parse().unwrap();
    Dependency { source: Source::Git { url, at: At::Tag(tag.parse().unwrap()) }, ..need(name, "1") }
}

/// What each version of each package needs; a pinned one is known by its tag.
type World<'a> = HashMap<(&'a str, &'a str), Vec<Dependency>>;

fn choose(needs: &[Dependency], world: &World<'_>) -> Result<BTreeMap<String, String>, Fault> {
    let taken = select(needs, &mut |name, source| {
        let version = match source {
            Source::Git { at: At::Version(least), .. } => least.to_string(),
            Source::Git { at: At::Tag(tag), .. } => tag.to_string(),
            _ => "1.0.0".to_owned(),
        };
        let found = world.get(&(name.as_str(), version.as_str()));
        let dependencies = found.cloned().ok_or_else(|| Fault::new(Kind::NotFound, format!("get {name} {version}"), "there is none"))?;
        Ok(Found { version: version.parse()?, dependencies })
    })?;
    Ok(taken.into_iter().map(|(name, taken)| (name.to_string(), taken.version.to_string())).collect())
}

fn versions(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
}

#[test]
fn the_greatest_of_the_least_is_taken_and_nothing_newer() {
    // The example of https://research.swtch.com/vgo-mvs.
    let world: World<'_> = HashMap::from([
        (("b", "1.1.0"), vec![need("d", "1.1")]),
        (("b", "1.2.0"), vec![need("d", "1.3")]),
        (("c", "1.1.0"), vec![]),
        (("c", "1.2.0"), vec![need("d", "1.4")]),
        (("c", "1.3.0"), vec![need("f", "1.1")]),
        (("d", "1.1.0"), vec![need("e", "1.1")]),
        (("d", "1.3.0"), vec![need("e", "1.2")]),
        (("d", "1.4.0"), vec![need("e", "1.2")]),
        (("e", "1.1.0"), vec![]),
        (("e", "1.2.0"), vec![]),
        (("e", "1.3.0"), vec![]),
        (("f", "1.1.0"), vec![]),
    ]);
    let taken = choose(&[need("b", "1.2"), need("c", "1.2")], &world).unwrap();
    assert_eq!(taken, versions(&[("b", "1.2.0"), ("c", "1.2.0"), ("d", "1.4.0"), ("e", "1.2.0")]));
    // What a version that was not taken needed is not needed.
    assert_eq!(choose(&[need("c", "1.3")], &world).unwrap(), versions(&[("c", "1.3.0"), ("f", "1.1.0")]));
    assert!(choose(&[need("g", "1.0")], &world).unwrap_err().origin.is_some());
}

#[test]
fn what_cannot_be_chosen_is_explained() {
    let world: World<'_> = HashMap::from([
        (("a", "1.0.0"), vec![need("c", "1.0")]),
        (("b", "1.0.0"), vec![need("c", "2.0")]),
        (("c", "1.0.0"), vec![]),
        (("c", "2.0.0"), vec![]),
        (("l", "1.0.0"), vec![need("m", "1.0")]),
        (("m", "1.0.0"), vec![need("n", "1.0")]),
        (("n", "1.0.0"), vec![need("m", "1.0")]),
        (("p", "1.0.0"), vec![pinned("c", "1.0.0")]),
        (("q", "1.0.0"), vec![pinned("c", "1.1.0")]),
        (("r", "1.0.0"), vec![need("c", "1.2")]),
        (("c", "1.1.0"), vec![]),
        (("c", "1.2.0"), vec![]),
    ]);
    let why = |needs: &[Dependency]| choose(needs, &world).unwrap_err().to_string();
    assert_eq!(
        why(&[need("a", "1.0"), need("b", "1.0")]),
        "cannot choose a version of c: these versions cannot stand for each other: a 1.0.0 needs 1.0.0; b 1.0.0 needs 2.0.0"
    );
    assert_eq!(why(&[need("l", "1.0")]), "cannot choose the packages: they need each other in a circle: m -> n -> m");
    assert_eq!(
        why(&[need("p", "1.0"), need("q", "1.0")]),
        "cannot choose a version of c: not both can be had: p 1.0.0 needs tag 1.0.0; q 1.0.0 needs tag 1.1.0"
    );
    assert!(why(&[need("p", "1.0"), need("r", "1.0")]).contains("tag 1.0.0 is version 1.0.0, and 1.2.0 is needed"));
    // The project has the last word.
    assert_eq!(choose(&[need("p", "1.0"), need("q", "1.0"), pinned("c", "1.1.0")], &world).unwrap()["c"], "1.1.0");
    // The same name from another place.
    let mut elsewhere = need("c", "1.0");
    elsewhere.source = Source::Path("../c".to_owned());
    let mixed: World<'_> =
        HashMap::from([(("a", "1.0.0"), vec![elsewhere]), (("b", "1.0.0"), vec![need("c", "1.0")]), (("c", "1.0.0"), vec![])]);
    let fault = choose(&[need("a", "1.0"), need("b", "1.0")], &mixed).unwrap_err();
    assert_eq!(fault.why, "two packages have this name: a 1.0.0 from ../c; b 1.0.0 from https://example.org/c");
}

#[test]
fn versions_without_an_end_are_not_looked_at_for_ever() {
    let mut looked = 0;
    let fault = select(&[need("a", "1.0.0")], &mut |_, source| {
        looked += 1;
        let least = source.least().unwrap().0.to_string();
        Ok(Found { version: least.parse()?, dependencies: vec![need("a", &format!("1.0.{looked}"))] })
    });
    assert_eq!(fault.unwrap_err().kind, Kind::Limit);
}

fn locked(name: &str, version: &str, needs: &[&str]) -> Entry {
    let least = Least(version.parse().unwrap());
    Entry {
        name: name.parse().unwrap(),
        version: version.parse().unwrap(),
        source: Source::Git { url: format!("https://example.org/{name}").parse().unwrap(), at: At::Version(least) },
        revision: Some("a".repeat(40).parse().unwrap()),
        content: Hash::of(version.as_bytes()),
        signed: None,
        permissions: Default::default(),
        dependencies: needs.iter().map(|need| need.parse().unwrap()).collect(),
        why: vec![format!("the project needs {version}")],
    }
}

fn lock(entries: Vec<Entry>) -> Lock {
    Lock { packages: entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect() }
}

#[test]
fn a_lock_reads_back_as_it_was_written() {
    let mut entries =
        vec![locked("a", "1.0.0", &["b", "c"]), locked("b", "0.2.1", &[]), locked("c", "1.0.0-rc.1", &[]), locked("d", "1.0.0", &[])];
    entries[0].permissions.allow = vec!["iptables: filter/INPUT".parse::<Permission>().unwrap()];
    entries[0].signed = Some("A94F63788768A8C2".to_owned());
    entries[1].source = Source::Path("../b \"c\"".to_owned());
    entries[1].revision = None;
    entries[2].source = Source::Archive { url: "https://example.org/c.tar.gz".parse().unwrap(), content: None };
    entries[2].revision = None;
    entries[3].source = Source::Git { url: "git@example.org:d".parse().unwrap(), at: At::Branch("main".parse().unwrap()) };
    let lock = lock(entries);
    let text = lock.to_string();
    assert_eq!(Lock::parse("fyke.lock", &text).unwrap(), lock, "{text}");
    assert_eq!(Lock::parse("fyke.lock", &Lock::default().to_string()).unwrap(), Lock::default());
    for (from, to) in [
        ("form = 1", "form = 2"),
        ("form = 1", "from = 1"),
        ("[[package]]", "[[pakage]]"),
        ("revision = ", "revison = "),
        ("sha256:", "sha1:"),
        ("name = \"b\"", "name = \"a\""),
        ("dependencies = [\"b\", \"c\"]", "dependencies = [\"b\", \"z\"]"),
        ("version = \"0.2.1\"", "version = \"0.2\""),
        ("branch = \"main\"", "branch = \"main\"\ntag = \"x\""),
    ] {
        assert!(text.contains(from) && Lock::parse("fyke.lock", &text.replacen(from, to, 1)).is_err(), "{from}");
    }
}

#[test]
fn a_lock_fits_a_manifest_or_says_why_not() {
    let text = |needs: &str| Manifest::parse("fyke.toml", &format!("{HEAD}[dependencies]\n{needs}")).unwrap();
    let a = |rest: &str| text(&format!("a = {{ git = \"https://example.org/a\", {rest} }}\n"));
    let there = lock(vec![locked("a", "1.1.0", &["b"]), locked("b", "1.0.0", &[])]);
    assert_eq!(there.misfit(&a("version = \"1.0\"")), None);
    for (manifest, why) in [
        (a("version = \"1.2\""), "it has a 1.1.0, and 1.2.0 is the least"),
        (a("version = \"2.0\""), "it has a 1.1.0, and 2.0.0 is the least"),
        (a("tag = \"v1.1.0\""), "it has a at 1.1.0, and tag v1.1.0 is asked for"),
        (text("a = { path = \"a\" }\n"), "a comes from https://example.org/a in it, and a is asked for"),
        (text("c = { path = \"c\" }\n"), "c is not in it"),
        (text(""), "a is in it, and nobody needs it"),
    ] {
        assert_eq!(there.misfit(&manifest).as_deref(), Some(why));
    }
}

#[test]
fn a_later_lock_is_looked_at() {
    let before = lock(vec![Entry { signed: Some("A".into()), ..locked("a", "1.0.0", &[]) }]);
    let later = |change: &dyn Fn(&mut Entry)| {
        let mut entry = Entry { signed: Some("A".into()), ..locked("a", "1.0.0", &[]) };
        change(&mut entry);
        lock(vec![entry])
    };
    let why = |change: &dyn Fn(&mut Entry)| before.is_followed_by(&later(change)).unwrap_err().why;
    assert_eq!(before.is_followed_by(&later(&|_| {})), Ok(()));
    let moved = why(&|entry| entry.revision = Some("b".repeat(40).parse().unwrap()));
    assert_eq!(moved, "its tag was aaaaaaaaaaaa, and has been moved to bbbbbbbbbbbb");
    assert_eq!(why(&|entry| entry.signed = None), "that was signed by the key A, and this is signed by nobody");
    assert!(why(&|entry| entry.signed = Some("B".into())).contains("by the key B"));
    let newer = lock(vec![locked("a", "1.1.0", &[]), locked("b", "1.0.0", &[])]);
    assert_eq!(newer.goes_back(&before).as_deref(), Some("a would go back from 1.1.0 to 1.0.0: the project needs 1.0.0"));
    assert_eq!(before.goes_back(&newer), None);
    let asks = |permissions: &[&str]| {
        let allow: Vec<Permission> = permissions.iter().map(|text| text.parse().unwrap()).collect();
        later(&|entry| entry.permissions.allow = allow.clone())
    };
    let more = |had: &[&str], now: &[&str]| {
        asks(had).wants_more(&asks(now)).into_iter().flat_map(|(_, all)| all).map(|p| p.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(more(&["iptables: filter"], &["iptables: filter/INPUT"]), Vec::<String>::new());
    assert_eq!(more(&["iptables: filter"], &["raw", "iptables: nat"]), ["raw", "iptables: nat/*"]);
}

#[test]
fn a_manifest_is_changed_where_it_has_to_be() {
    let text = "# Ours.\nname = \"x\"   # short\nversion = \"1.0.0\"\n\n[dependencies]\n# the old one\na = { path = \"a\" }\n";
    let mut edit = edit::Edit::of("fyke.toml", text).unwrap();
    let (name, source) = ("b".parse().unwrap(), need("b", "1.2").source);
    edit.depend(&name, &source);
    edit.grant(&name, &["raw".parse().unwrap(), "exec: curl".parse().unwrap()]);
    edit.grant(&name, &["raw".parse().unwrap()]);
    edit.trust("team", &KEY.parse().unwrap());
    edit.require(true);
    let changed = edit.to_string();
    assert!(changed.starts_with(text), "{changed}");
    let manifest = Manifest::parse("fyke.toml", &changed).unwrap();
    assert_eq!(manifest.dependencies[&name].source, source);
    assert_eq!(manifest.grants[&name].allow.iter().map(ToString::to_string).collect::<Vec<_>>(), ["raw", "exec: curl"]);
    assert!(manifest.trust.required && manifest.trust.keys["team"].id() == "A94F63788768A8C2");
    edit.forget(&name);
    assert!(edit.distrust("team") && !edit.distrust("team"));
    edit.require(false);
    let back = Manifest::parse("fyke.toml", &edit.to_string()).unwrap();
    assert!(back.grants.is_empty() && back.dependencies.len() == 1 && back.trust.keys.is_empty(), "{edit}");
}
