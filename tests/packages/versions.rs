//! Versions: which one is taken, what the lock says of it, and what cannot be.

use super::yard::{NUMBER, Yard, flat, number, printer};

fn two_releases(yard: &Yard) {
    yard.release("teamlib", "1.0.0", NUMBER, &[("numbers.rhai", &number(1))]);
    yard.release("teamlib", "1.1.0", NUMBER, &[("numbers.rhai", &number(2))]);
    yard.project("project");
    yard.write("project/print.rhai", printer("teamlib"));
}

#[test]
fn the_version_that_was_asked_for_is_taken_until_somebody_updates() {
    let yard = Yard::new();
    two_releases(&yard);
    yard.well("project", &["add", "--at-least", "1.0.0", "../teamlib.git"]);
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "1\n");
    // Nothing newer comes in by itself.
    yard.well("project", &["fetch"]);
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "1\n");
    let said = yard.well("project", &["update"]);
    assert!(said.err.contains("teamlib 1.0.0 -> 1.1.0"), "{said:?}");
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "2\n");
    assert!(yard.read("project/fyke.toml").contains("version = \"1.1.0\""));
    assert!(yard.well("project", &["update"]).err.contains("everything is as late as it can be"));
    // Another major number is offered, not taken.
    yard.release("teamlib", "2.0.0", NUMBER, &[("numbers.rhai", &number(3))]);
    let said = yard.well("project", &["update", "teamlib"]);
    assert!(said.err.contains("teamlib 2.0.0 is there, too"), "{said:?}");
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "2\n");
    let tree = yard.well("project", &["tree"]).out;
    assert!(tree.starts_with("project 0.1.0\n└── teamlib 1.1.0  ../teamlib.git  "), "{tree}");
    yard.well("project", &["remove", "teamlib"]);
    yard.refused("project", &["run", "print.rhai"], 2, "if teamlib is a package: `fyke add` adds it to fyke.toml");
}

#[test]
fn a_diamond_is_one_package_and_a_circle_is_none() {
    let yard = Yard::new();
    two_releases(&yard);
    let needs = |name: &str, version: &str| {
        format!(
            "{NUMBER}[dependencies]\n{name} = {{ git = \"{}\", version = \"{version}\" }}\n",
            yard.path(&format!("{name}.git")).display()
        )
    };
    let through = "import \"teamlib/numbers\" as inner;\nfn number() { import \"teamlib/numbers\" as inner; inner::number() }\n";
    yard.release("left", "1.0.0", &needs("teamlib", "1.0"), &[("numbers.rhai", through)]);
    yard.release("right", "1.0.0", &needs("teamlib", "1.1"), &[("numbers.rhai", through)]);
    yard.well("project", &["add", "../left.git"]);
    yard.write("project/print.rhai", printer("left"));
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "1\n");
    yard.well("project", &["add", "../right.git"]);
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "2\n");
    let tree = flat(&yard.well("project", &["tree"]).out);
    assert!(tree.contains("left 1.0.0 needs 1.0.0; right 1.0.0 needs 1.1.0: the greatest is taken"), "{tree}");
    // What a package needs is its own: the project sees none of it.
    yard.refused("project", &["eval", "import \"teamlib/numbers\" as n; n::number()"], 2, "cannot import \"teamlib/numbers\"");
    // A circle is named.
    yard.release("ping", "1.0.0", &needs("pong", "1.0"), &[("numbers.rhai", &number(1))]);
    yard.release("pong", "1.0.0", &needs("ping", "1.0"), &[("numbers.rhai", &number(1))]);
    let before = yard.files("project");
    yard.refused("project", &["add", "../ping.git"], 2, "they need each other in a circle: ping -> pong -> ping");
    // Two that cannot stand for each other.
    yard.release("teamlib", "2.0.0", NUMBER, &[("numbers.rhai", &number(3))]);
    yard.release("late", "1.0.0", &needs("teamlib", "2.0"), &[("numbers.rhai", through)]);
    let said = yard.refused(
        "project",
        &["add", "../late.git"],
        2,
        "cannot choose a version of teamlib: these versions cannot stand for each other",
    );
    assert!(flat(&said.err).contains("late 1.0.0 needs 2.0.0"), "{said:?}");
    assert_eq!(yard.files("project"), before);
}

#[test]
fn every_kind_of_source_can_be_had() {
    let yard = Yard::new();
    two_releases(&yard);
    let prints = |words: &[&str], out: &str| {
        yard.project("project");
        let _ = std::fs::remove_file(yard.path("project/fyke.lock"));
        yard.well("project", &[&["add"], words].concat());
        assert_eq!(yard.well("project", &["run", "print.rhai"]).out, out, "{words:?}");
        yard.well("project", &["fetch", "--frozen"]);
    };
    let revision = yard.git("teamlib", &["rev-parse", "v1.0.0^{commit}"]);
    let absolute = yard.path("teamlib.git").display().to_string();
    prints(&["../teamlib.git"], "2\n");
    prints(&[&absolute], "2\n");
    prints(&[&format!("file://{absolute}")], "2\n");
    prints(&["--tag", "v1.0.0", "../teamlib.git"], "1\n");
    prints(&["--branch", "main", "../teamlib.git"], "2\n");
    prints(&["--rev", revision.trim(), "../teamlib.git"], "1\n");
    prints(&["../teamlib"], "2\n");
    // An archive that publish made, and what it says of it.
    yard.write("teamlib/fyke.toml", yard.read("teamlib/fyke.toml") + "description = \"Numbers.\"\nlicense = \"MIT\"\n");
    yard.refused("teamlib", &["publish"], 6, "is not as it is committed");
    yard.git("teamlib", &["commit", "--quiet", "--all", "--message", "more words"]);
    yard.refused("teamlib", &["publish"], 6, "the tag v1.1.0 stands for");
    yard.write("teamlib/fyke.toml", yard.read("teamlib/fyke.toml").replace("1.1.0", "1.2.0"));
    yard.git("teamlib", &["commit", "--quiet", "--all", "--message", "1.2.0"]);
    let said = yard.well("teamlib", &["--json", "publish", "--tag"]);
    let made: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((made["tag"].as_str(), made["commit"]["tagged"].as_bool()), (Some("v1.2.0"), Some(true)));
    assert_eq!(yard.git("teamlib", &["rev-parse", "v1.2.0"]), yard.git("teamlib", &["rev-parse", "HEAD"]));
    prints(&["../teamlib/dist/teamlib-1.2.0.tar.gz"], "2\n");
    assert!(yard.read("project/fyke.lock").contains(made["content"].as_str().unwrap()));
    // The same again is the same, and other programs agree.
    let first = std::fs::read(yard.path("teamlib/dist/teamlib-1.2.0.tar.gz")).unwrap();
    yard.well("teamlib", &["publish"]);
    assert_eq!(std::fs::read(yard.path("teamlib/dist/teamlib-1.2.0.tar.gz")).unwrap(), first);
    let script = "cd \"$0\" && mkdir x && tar -C x -xf dist/teamlib-1.2.0.tar.gz && cd x && sha256sum --check --strict ../dist/*.sums && cd .. && rm -r x \
                  && sha256sum dist/*.sums && sha256sum dist/*.gz";
    let output = std::process::Command::new("bash").args(["-c", script]).arg(yard.path("teamlib")).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert!(
        told.contains(made["content"].as_str().unwrap().trim_start_matches("sha256:")) && told.contains(made["sha256"].as_str().unwrap()),
        "{told}"
    );
}

#[test]
fn a_vendored_project_needs_nothing_else() {
    let yard = Yard::new();
    two_releases(&yard);
    yard.well("project", &["add", "../teamlib.git"]);
    yard.well("project", &["vendor"]);
    std::fs::remove_dir_all(yard.path("home/.cache")).unwrap();
    std::fs::rename(yard.path("teamlib.git"), yard.path("gone.git")).unwrap();
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "2\n");
    yard.well("project", &["fetch", "--frozen"]);
    let module = yard.read("project/vendor/teamlib/numbers.rhai");
    yard.write("project/vendor/teamlib/numbers.rhai", number(66));
    yard.refused("project", &["run", "print.rhai"], 6, "and fyke.lock says sha256:");
    yard.write("project/vendor/teamlib/numbers.rhai", module);
    yard.write("project/vendor/teamlib/more.rhai", "");
    yard.refused("project", &["run", "print.rhai"], 6, "and fyke.lock says sha256:");
    std::fs::remove_dir_all(yard.path("project/vendor")).unwrap();
    yard.refused("project", &["run", "print.rhai"], 2, "`fyke fetch` gets what the lock names");
    yard.refused("project", &["fetch", "--frozen"], 2, "nothing is to be fetched");
    std::fs::rename(yard.path("gone.git"), yard.path("teamlib.git")).unwrap();
    yard.well("project", &["fetch", "--locked"]);
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "2\n");
    // A lock that is not there, or not what the manifest asks for, is not made up.
    let lock = yard.read("project/fyke.lock");
    std::fs::remove_file(yard.path("project/fyke.lock")).unwrap();
    yard.refused("project", &["fetch", "--frozen"], 2, "there is no fyke.lock");
    yard.refused("project", &["run", "print.rhai"], 2, "there is no fyke.lock");
    yard.write("project/fyke.lock", &lock);
    yard.write("project/fyke.toml", yard.read("project/fyke.toml").replace("1.1.0", "1.0.0"));
    yard.well("project", &["fetch", "--locked"]);
    yard.write("project/fyke.toml", yard.read("project/fyke.toml").replace("1.0.0", "1.2.0"));
    yard.refused("project", &["fetch", "--locked"], 6, "it has teamlib 1.1.0, and 1.2.0 is the least");
    yard.refused("project", &["run", "print.rhai"], 6, "it has teamlib 1.1.0, and 1.2.0 is the least");
}

#[test]
fn a_new_package_is_good_from_its_first_line() {
    let yard = Yard::new();
    yard.well(".", &["new", "first-lib"]);
    assert!(yard.well("first-lib", &["check"]).out.ends_with("first-lib 0.1.0: 4 files, all good\n"));
    assert!(yard.well("first-lib", &["test"]).out.starts_with("pass  first_lib_test.rhai::test_a_rule_is_counted\n"));
    assert!(yard.well("first-lib", &["test", "--doc"]).out.starts_with("pass  first_lib.rhai::rules (example)\n"));
    for file in ["first_lib.rhai", "first_lib_test.rhai", "show.rhai"] {
        let said = yard.well(".", &["check", &format!("first-lib/{file}")]);
        assert_eq!((said.out, said.err), (format!("first-lib/{file}: good\n"), String::new()));
    }
    let said = yard.well("first-lib", &["--sandbox", "run", "show.rhai"]);
    assert_eq!(said.out, "INPUT has 0 rules\n");
    yard.refused(".", &["new", "first-lib"], 1, "there is a fyke.toml already");
    yard.refused(".", &["new", "Bad Name"], 2, "`--name` gives it another name");
    assert!(!yard.path("Bad Name").exists());
    yard.well(".", &["new", "deep/below/../lib"]);
    assert!(yard.read("deep/lib/fyke.toml").starts_with("name = \"lib\"\n"));
    yard.refused("first-lib", &["publish"], 2, "its manifest has no `description`");
    yard.project("project");
    let said = yard.well("project", &["add", "../first-lib"]);
    assert!(said.out.contains("../first-lib"), "{said:?}");
    assert_eq!(yard.well("project", &["--sandbox", "run", "first-lib/show", "--chain", "OUTPUT"]).out, "OUTPUT has 0 rules\n");
    assert!(yard.well("project", &["help", "first-lib/show"]).out.contains("Show how many rules a chain has."));
    yard.refused("project", &["run", "first-lib/shw"], 2, "did you mean `show`?");
    // What changes in the folder is taken when somebody says so.
    yard.write("first-lib/first_lib.rhai", "/// Gives a number.\nfn rules(chain) { 7 }\n");
    yard.refused("project", &["--sandbox", "run", "first-lib/show"], 6, "`fyke update first-lib` takes it as it is now");
    yard.well("project", &["update", "first-lib"]);
    assert_eq!(yard.well("project", &["--sandbox", "run", "first-lib/show"]).out, "INPUT has 7 rules\n");
}

#[test]
fn faults_in_a_package_name_its_file_and_the_calls() {
    let yard = Yard::new();
    yard.release("teamlib", "1.0.0", NUMBER, &[("numbers.rhai", "/// Fails.\nfn number() {\n    throw \"no number today\"\n}\n")]);
    yard.project("project");
    yard.write("project/print.rhai", printer("teamlib"));
    yard.well("project", &["add", "../teamlib.git"]);
    let said = yard.fyke("project", &["run", "print.rhai"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("teamlib@1.0.0/numbers.rhai:3:5") && said.err.contains("in number, called from print.rhai:4:"), "{said:?}");
    yard.write("project/print.rhai", printer("teamlib").replace("numbers\" as", "numbrs\" as"));
    yard.refused("project", &["run", "print.rhai"], 2, "did you mean `numbers`?");
    yard.refused("project", &["check", "print.rhai"], 2, "teamlib 1.0.0 gives no module \"numbrs\"");
    // A file and a package of one name are not guessed between.
    yard.write("project/print.rhai", printer("teamlib"));
    yard.write("project/teamlib/numbers.rhai", number(5));
    yard.refused("project", &["run", "print.rhai"], 2, "the file is \"./teamlib/numbers\"");
    yard.write("project/print.rhai", printer("./teamlib"));
    assert_eq!(yard.well("project", &["run", "print.rhai"]).out, "5\n");
}
