//! Signatures: what was signed by the right key runs, and nothing else does where that is wanted.

use super::yard::Yard;

const MANIFEST: &str = "modules = [\"limits\"]\n";
const MODULE: &str = "fn most() { 3 }\n";
const KEY: &str = "RWTCqGiHeGNPqY35VG/Ky1qjSiVW/tA1OMz71MM8RjvKDyiXnsi12fz5";
const OTHER_KEY: &str = "RWRqgOdy9iWZa813g16RBqijc056oTHMSSjZA++ksgFN8nJuuLUY00dR";
const SIGNED: &str = "untrusted comment: signature of a team
RUTCqGiHeGNPqUhneDTwjn0uNTsVzcBalvE0af8VNDwXxhOC6/MC+IP/89RjP4xCll/xuhcl2SkisHk6R7GafAKKZ6Pp5cDrZws=
trusted comment: timestamp:0
na6sT2zr8DymIpyzrMvrthwxpM837hOr9nLMjrQyMB1NrGFN42XMVbjExHTGU6eKGQHOzl9800zpkmcys5FQBg==
";
const PRINT: &str = "//! Prints.\n//! risk: reads\nimport \"teamlib/limits\" as limits;\nprint(limits::most());\n";

#[test]
fn a_project_can_demand_the_signature_of_a_team() {
    let yard = Yard::new();
    yard.release("teamlib", "1.0.0", MANIFEST, &[("limits.rhai", MODULE), ("fyke.minisig", SIGNED)]);
    yard.project("project");
    yard.write("project/print.rhai", PRINT);
    yard.refused("project", &["trust", "--require", "yes"], 2, "there is no key that could have made one");
    yard.well("project", &["trust", "other-team", OTHER_KEY]);
    yard.well("project", &["trust", "--require", "yes"]);
    // A wrong signature names both keys.
    let said = yard.refused("project", &["add", "../teamlib.git"], 5, "it is signed by the key A94F63788768A8C2");
    assert!(said.err.contains("(other-team)"), "{said:?}");
    yard.write("minisign.pub", format!("untrusted comment: minisign public key\n{KEY}\n"));
    let said = yard.well("project", &["trust", "net-team", "../minisign.pub"]);
    assert!(said.out.contains("net-team") && said.out.contains("A94F63788768A8C2"), "{said:?}");
    yard.well("project", &["add", "../teamlib.git"]);
    assert!(yard.read("project/fyke.lock").contains("signed = \"A94F63788768A8C2\""));
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "3\n");
    // A key that is no longer trusted, and one that takes the name of another.
    yard.refused("project", &["trust", "net-team", OTHER_KEY], 1, "`fyke trust --remove net-team` forgets it first");
    yard.well("project", &["trust", "--remove", "net-team"]);
    yard.refused("project", &["run", "print.rhai"], 5, "it is signed by the key A94F63788768A8C2");
    yard.well("project", &["trust", "--require", "no"]);
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "3\n");
}

#[test]
fn what_was_signed_stays_signed() {
    let yard = Yard::new();
    yard.release("teamlib", "1.0.0", MANIFEST, &[("limits.rhai", MODULE), ("fyke.minisig", SIGNED)]);
    yard.project("project");
    yard.well("project", &["trust", "net-team", KEY]);
    yard.well("project", &["add", "../teamlib.git"]);
    std::fs::remove_file(yard.path("teamlib/fyke.minisig")).unwrap();
    yard.release("teamlib", "1.1.0", MANIFEST, &[]);
    yard.refused("project", &["update"], 5, "that was signed by the key A94F63788768A8C2, and this is signed by nobody");
    // A signature of something else is none.
    yard.release("teamlib", "1.2.0", MANIFEST, &[("fyke.minisig", SIGNED)]);
    yard.refused("project", &["update"], 5, "is not one of this content");
    // Taken out of the cache, or changed there, it is missed.
    let cache = yard.path("home/.cache/fyke/packages");
    yard.write("project/print.rhai", PRINT);
    for entry in std::fs::read_dir(&cache).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        // The one without a signature was looked at, too.
        let Some(at) = bytes.windows(9).position(|bytes| bytes == b"untrusted") else { continue };
        let mut other = bytes.clone();
        other[at + 40] ^= 1;
        std::fs::write(&path, &other).unwrap();
        let said = yard.fyke("project", &["run", "print.rhai"]);
        assert!(said.code == Some(5) && said.out.is_empty(), "{said:?}");
        std::fs::write(&path, &bytes).unwrap();
    }
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "3\n");
}
