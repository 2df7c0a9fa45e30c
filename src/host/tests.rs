//! The host as a whole: the language, hostile scripts, positions, imports.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::*;
use crate::model::Kind;

fn host() -> Host {
    Host::open(Setup::new(Mode::Run, Door::over_nothing()))
}

fn eval(text: &str) -> Result<Value, Fault> {
    host().eval(text)
}

fn fault(text: &str) -> Fault {
    eval(text).expect_err(text)
}

/// Says a fault in one line: position, text, hint.
pub(super) fn told(f: &Fault) -> String {
    let at = f.origin.as_ref().map_or_else(String::new, |o| format!("{}: ", o.at));
    let calls: String = f.origin.iter().flat_map(|o| o.frames.iter()).map(|f| format!(" <- {} at {}", f.function, f.called_at)).collect();
    format!("{at}{f}{}{calls}", f.hint.as_ref().map_or_else(String::new, |h| format!(" ({h})")))
}

/// A folder of its own for each test.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = std::env::temp_dir().join(format!("fyke-host-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        for (file, text) in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn run(&self, file: &str) -> Result<Value, Fault> {
        host().run(&Recipe::read(&format!("{}/{file}", self.0.display())).unwrap(), &[])
    }

    /// The fault of a recipe, with the folder taken out of the paths.
    fn told(&self, file: &str) -> String {
        told(&self.run(file).expect_err(file))
            .replace(&format!("{}/", self.0.display()), "")
            .replace(&self.0.display().to_string(), "FOLDER")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn values_come_back() {
    assert_eq!(eval("1 + 1").unwrap(), Value::Int(2));
    assert_eq!(eval("").unwrap(), Value::Unit);
    assert_eq!(eval("// only a comment").unwrap(), Value::Unit);
    let mut host = host();
    host.eval("let x = 40;").unwrap();
    assert_eq!(host.eval("x").unwrap_or(Value::Unit), Value::Int(40));
}

#[test]
fn parameters_reach_the_script() {
    let recipe = Recipe::inline("x", "let port = param(\"port\", 22, \"TCP port\", #{ key: true }); `${port} ${instance()}`");
    let mut host = host();
    assert_eq!(host.run(&recipe, &[]).unwrap().to_string(), "22 22");
    assert_eq!(host.run(&recipe, &["--port".into(), "80".into()]).unwrap().to_string(), "80 80");
    assert_eq!(host.call().instance, "80");
    assert_eq!(host.run(&recipe, &["--prot".into()]).unwrap_err().kind, Kind::Input);
}

#[test]
fn a_script_may_exit_with_its_own_code() {
    let mut host = host();
    assert_eq!(host.eval("exit(64); 1").unwrap(), Value::Unit);
    assert_eq!(host.exit_code(), Some(64));
    assert_eq!(told(&fault("exit(1)")), "<eval>:1:1: cannot exit with 1: a script may exit with 0 and with 64 to 113");
}

#[test]
fn faults_say_where_and_what_to_do() {
    let at = |text: &str| told(&fault(text));
    assert_eq!(at("let port = 1;\nprot + 1"), "<eval>:2:1: cannot read <eval>: the variable `prot` is not defined (did you mean `port`?)");
    assert_eq!(at("lenn(\"x\")"), "<eval>:1:1: cannot evaluate the expression: there is no function lenn(string) (did you mean `len`?)");
    assert!(at("\"x\".set(1, 2)").ends_with("(there is set(string: string, index: int, character: char), set(array: array, index: int, value: any), set(blob: blob, index: int, value: int), set(map: map, property: string, value: any))"), "{}", at("\"x\".set(1, 2)"));
    assert_eq!(at("throw \"no luck\""), "<eval>:1:1: cannot evaluate the expression: no luck");
    let refused = fault("throw #{ kind: \"input\", message: \"not that\", hint: \"this\" }");
    assert_eq!((refused.kind, told(&refused).as_str()), (Kind::Input, "<eval>:1:1: cannot evaluate the expression: not that (this)"));
    assert_eq!(fault("throw #{ kind: \"busy\", message: \"\" }").kind, Kind::Script);
    assert_eq!(at("throw #{a: [1, 2]}"), "<eval>:1:1: cannot evaluate the expression: it threw #{a: [1, 2]}");
    assert_eq!(at("throw ()"), "<eval>:1:1: cannot evaluate the expression: it threw ()");
    assert_eq!(at("eval(\"1\")"), "<eval>:1:1: cannot read <eval>: `eval` is not available in recipes");
    assert_eq!(
        at("fn f() { x }\nlet x = 1;\nf()"),
        "<eval>:1:10: cannot read <eval>: the variable `x` is not defined (a function sees no variable from outside: give `x` as a parameter, or \
         make it a constant and say global::x)"
    );
    assert_eq!(
        at("let m = #{a: 1};\nm.b"),
        "<eval>:2:3: cannot evaluate the expression: the map has no `b` (test with `\"b\" in map`, or read with map.get(\"b\"))"
    );
    assert_eq!(
        at("fn f(n) { f(n + 1) }\nf(0)").split(" <- ").next().unwrap(),
        "<eval>:2:1: cannot evaluate the expression: its calls nest too deep (is there a recursion without an end?)"
    );
    assert_eq!(
        at("fn inner(x) {\n  x / 0\n}\nfn outer() { inner(1) }\nouter();"),
        "<eval>:2:5: cannot evaluate the expression: division by zero: 1 / 0 <- inner at <eval>:4:14 <- outer at <eval>:5:1"
    );
    assert_eq!(
        at("let а = 1;"),
        "<eval>:1:5: cannot read <eval>: the character 'а' (U+0430) cannot stand here; names are ASCII letters, digits and `_`"
    );
    assert_eq!(
        at("let x = foo::bar();"),
        "<eval>:1:9: cannot read <eval>: there is no room or module `foo` (import it: import \"std:foo\" as foo;)"
    );
}

#[test]
fn native_faults_are_caught_as_maps_and_thrown_again_whole() {
    let caught = eval("try { sleep(-1) } catch (e) { return `${e.kind} ${e.line}:${e.column} ${e.why}`; }").unwrap();
    assert_eq!(caught.to_string(), "input 1:7 it is negative");
    let again = fault("try {\n  sleep(-1)\n} catch (e) {\n  throw e;\n}");
    assert_eq!(told(&again), "<eval>:2:3: cannot sleep for -1: it is negative");
    assert_eq!(again.kind, Kind::Input);
    let deep = fault("fn nap(n) { sleep(n) }\n[1].map(|x| nap(-x))");
    assert_eq!(
        told(&deep),
        "<eval>:1:13: cannot sleep for -1: it is negative <- nap at <eval>:2:13 <- closure at <eval>:2:5 <- map at <eval>:2:5"
    );
}

#[test]
fn numbers_do_not_wrap() {
    assert_eq!(fault("9223372036854775807 + 1").kind, Kind::Script);
    assert_eq!(fault("(-9223372036854775807 - 1) / -1").kind, Kind::Script);
    assert_eq!(told(&fault("let x = 1 << 100000;")), "<eval>:1:14: cannot shift by 100000: an integer has 64 bits");
    assert_eq!(eval("1 << 63 >> 63").unwrap(), Value::Int(-1));
    for json in ["[".repeat(100_000).as_str(), "{\"a\": 1e999}"] {
        assert_eq!(fault(&format!("parse_json(`{json}`)")).kind, Kind::Input);
    }
}

#[test]
fn what_a_plan_cannot_know_is_not_caught() {
    let text = "let input = iptables::table(\"filter\").chain(\"INPUT\");\ninput.append(\"-j DROP\");\ntry {\n  input.list()[0].packets\n} catch {}\n2";
    let fault = Host::open(Setup::new(Mode::Plan, Door::over_nothing())).eval(text).unwrap_err();
    assert_eq!((fault.kind, fault.origin.as_ref().unwrap().at.line), (Kind::Unknown, 4));
}

#[test]
fn sleeps_are_refused_or_cut() {
    assert_eq!(fault("sleep(0.0 / 0.0)").why, "it is not a number");
    let mut setup = Setup::new(Mode::Run, Door::over_nothing());
    setup.deadline = Some(Instant::now() + Duration::from_millis(50));
    let began = Instant::now();
    let fault = Host::open(setup).eval("try { sleep(3600) } catch {} loop {}").unwrap_err();
    assert_eq!((fault.kind, fault.why.as_str()), (Kind::Limit, "the deadline is over"));
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(Host::open(Setup::new(Mode::Plan, Door::over_nothing())).eval("sleep(3600)").is_ok());
    let mut setup = Setup::new(Mode::Run, Door::over_nothing());
    setup.stop = Arc::new(|| Some(Fault::new(Kind::Interrupted, "run", "interrupted")));
    assert_eq!(Host::open(setup).eval("loop {}").unwrap_err().kind, Kind::Interrupted);
}

#[test]
fn output_is_bounded_and_escaped() {
    let printed = Arc::new(Mutex::new(String::new()));
    let into = printed.clone();
    let mut setup = Setup::new(Mode::Run, Door::over_nothing());
    setup.output = Output { sink: Arc::new(move |line| into.lock().unwrap().push_str(line)), escape: true };
    setup.limits.output = 1000;
    let fault = Host::open(setup).eval("print(\"\\x1b[2J\u{202e}\"); loop { print(\"xxxxxxxxxxxxxxxx\"); }").unwrap_err();
    assert_eq!((fault.kind, fault.why.as_str()), (Kind::Limit, "it printed more than it may"));
    assert!(printed.lock().unwrap().starts_with("\\u{1b}[2J\\u{202e}xxx"));
    assert!(printed.lock().unwrap().len() < 1100);
}

#[test]
fn host_functions_cannot_be_replaced() {
    assert_eq!(
        told(&fault("let a = 1;\nfn sleep(x) { x }")),
        "<eval>:2:13: cannot define the function `sleep`: fyke has a function or a room of this name (give it another name)"
    );
    for text in ["fn print(x) { x }", "fn param(a, b, c) { 1 }", "fn param() { 1 }", "fn call(x) { x }"] {
        assert_eq!(fault(text).kind, Kind::Input, "{text}");
    }
    assert_eq!(
        fault("let c = iptables::table(\"filter\").chain(\"INPUT\");\nfn append(rule) { rule }\nc.append(\"-j DROP\");").tried,
        "define the function `append`"
    );
    assert!(eval("fn append(x) { this + x } \"a\".append(\"b\")").is_ok());
    assert!(eval("fn mine(x) { x } let sleep = 1; mine(sleep)").is_ok());
}

#[test]
fn no_name_of_ours_is_reserved() {
    let host = host();
    for known in reflect::own(&host.engine) {
        assert!(Engine::new_raw().compile(format!("let {} = 1;", known.name)).is_ok(), "{} is a reserved word", known.name);
    }
    for room in crate::bind::ROOMS {
        assert!(Engine::new_raw().compile(format!("let {} = 1;", room.name)).is_ok(), "{} is a reserved word", room.name);
    }
}

#[test]
fn examples_of_the_reference_run() {
    for function in reflect::functions() {
        let example = function.example().unwrap_or_default();
        match host().eval(&example) {
            // Counters, lists and canonical rules are a real kernel's.
            Err(f) if matches!(f.kind, Kind::Unknown | Kind::NotFound | Kind::Unsupported | Kind::Skipped) => {
                eprintln!("needs a kernel: {}: {}", function.signature(), told(&f))
            }
            result => drop(result.unwrap_or_else(|f| panic!("{}: {}", function.signature(), told(&f)))),
        }
    }
}

#[test]
fn imports_are_found_beside_the_recipe() {
    let folder = Folder::new(
        "imports",
        &[
            ("main.rhai", "import \"lib/a\" as a; import \"./lib/b.v2\" as b; a::two() + b::three()"),
            ("lib/a.rhai", "import \"b.v2\" as b; fn two() { 2 }"),
            ("lib/b.v2.rhai", "fn three() { 3 }"),
        ],
    );
    assert_eq!(folder.run("main.rhai").unwrap_or_else(|f| panic!("{}", told(&f))), Value::Int(5));
}

#[test]
fn positions_are_right_through_modules_and_closures() {
    let folder = Folder::new(
        "positions",
        &[
            ("main.rhai", "import \"lib\" as lib;\n\nlet list = [1];\nlib::each(list, |x| {\n    x / 0\n});"),
            ("lib.rhai", "// a line\n// another\nfn each(list, act) {\n    for x in list {\n        act.call(x);\n    }\n}"),
            ("broken.rhai", "import \"lib\" as lib;\nimport \"syntax\" as s;"),
            ("syntax.rhai", "let x = ;"),
            ("throws.rhai", "import \"late\" as late;"),
            ("late.rhai", "\n\n  throw \"too late\";"),
            ("native.rhai", "import \"lib\" as lib;\nlib::each([-1], |x| sleep(x));"),
        ],
    );
    assert_eq!(
        folder.told("main.rhai"),
        "main.rhai:5:7: cannot run main: division by zero: 1 / 0 <- closure at lib.rhai:5:13 <- each at main.rhai:4:6"
    );
    assert_eq!(folder.told("broken.rhai"), "syntax.rhai:1:9: cannot read syntax.rhai: unexpected `;`");
    assert_eq!(folder.told("throws.rhai"), "late.rhai:3:3: cannot run throws: too late <- import \"late\" at throws.rhai:1:8");
    assert_eq!(
        folder.told("native.rhai"),
        "native.rhai:2:21: cannot sleep for -1: it is negative <- closure at lib.rhai:5:13 <- each at native.rhai:2:6"
    );
}

#[test]
fn import_cycles_are_spelled_out() {
    let folder = Folder::new(
        "cycles",
        &[("a.rhai", "import \"b\" as b;"), ("b.rhai", "import \"a\" as a;"), ("self.rhai", "import \"self\" as s;")],
    );
    assert_eq!(
        folder.told("a.rhai"),
        "b.rhai:1:8: cannot import \"a.rhai\": the imports form a cycle: a.rhai -> b.rhai -> a.rhai <- import \"b\" at a.rhai:1:8"
    );
    assert_eq!(folder.told("self.rhai"), "self.rhai:1:8: cannot import \"self.rhai\": the imports form a cycle: self.rhai -> self.rhai");
}

#[test]
fn imports_do_not_leave_the_folder() {
    let folder = Folder::new(
        "escapes",
        &[
            ("secret.rhai", "fn x() { 1 }"),
            ("in/abs.rhai", "import \"/etc/passwd\" as x;"),
            ("in/up.rhai", "import \"../secret\" as x;"),
            ("in/link.rhai", "import \"way/secret\" as x;"),
            ("in/none.rhai", "import \"nothing\" as x;"),
            ("in/std.rhai", "import \"std:nonesuch\" as x;"),
            ("in/dir.rhai", "import \"sub\" as x;"),
            ("in/sub.rhai/x", ""),
        ],
    );
    std::os::unix::fs::symlink("..", folder.0.join("in/way")).unwrap();
    for (file, what) in [("abs", "/etc/passwd"), ("up", "../secret"), ("link", "way/secret")] {
        assert_eq!(
            folder.told(&format!("in/{file}.rhai")),
            format!("in/{file}.rhai:1:8: cannot import \"{what}\": it is outside of the recipe's folder in")
        );
    }
    assert_eq!(folder.told("in/none.rhai"), "in/none.rhai:1:8: cannot import \"nothing\": there is no such file");
    assert_eq!(folder.told("in/std.rhai"), "in/std.rhai:1:8: cannot import \"std:nonesuch\": the standard library has no such module");
    assert_eq!(folder.told("in/dir.rhai"), "in/dir.rhai:1:8: cannot read in/sub.rhai: it is a directory");
    assert_eq!(
        told(&fault("import \"x\" as x;")),
        "<eval>:1:8: cannot import \"x\": <eval> lies in no folder (only std: modules and packages of the project can be imported here)"
    );
}

/// Scripts that Rhai cannot end by itself: the guardian's deadline and memory cap do.
const NEED_THE_GUARDIAN: [&str; 8] = [
    "curry_doubling",
    "map_of_strings",
    "native_filter",
    "native_indexof",
    "native_replace",
    "native_sort",
    "nested_compare",
    "nested_tostring",
];

/// Scripts that do nothing bad.
const HARMLESS: [&str; 9] = ["ansi_print", "bidi_print", "bom", "comment_only", "comments", "crlf", "empty", "nul_string", "shebang"];

/// Scripts that are only slow.
const SLOW: [&str; 1] = ["nested_drop"];

#[test]
fn hostile_scripts_end_as_faults() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/suites/hostile/rhai");
    let Ok(scripts) = fs::read_dir(&folder) else {
        return eprintln!("skipped: {} is not here", folder.display());
    };
    let names = scripts.map(|e| e.unwrap().path()).filter(|p| !NEED_THE_GUARDIAN.iter().any(|n| p.file_stem().unwrap() == *n));
    for path in names {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let ran = std::thread::Builder::new().stack_size(256 << 20).spawn(move || {
            let mut setup = Setup::new(Mode::Run, Door::over_nothing());
            setup.deadline = Some(Instant::now() + Duration::from_secs(1));
            setup.limits = Limits::alone();
            Recipe::read(path.to_str().unwrap()).and_then(|recipe| Host::open(setup).run(&recipe, &[]))
        });
        let result = ran.unwrap().join().unwrap_or_else(|_| panic!("{name} panicked"));
        match result {
            Ok(_) => assert!(HARMLESS.contains(&name.as_str()) || SLOW.contains(&name.as_str()), "{name} ended well"),
            Err(f) => {
                assert!(!HARMLESS.contains(&name.as_str()), "{name}: {f}");
                eprintln!("{name}: {}", told(&f).chars().take(200).collect::<String>());
            }
        }
    }
}

#[test]
fn the_language_is_whole() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/suites/rhai/cases.jsonl");
    let Ok(cases) = fs::read_to_string(&file) else {
        return eprintln!("skipped: {} is not here", file.display());
    };
    let (mut right, mut wrong) = (0, Vec::new());
    for case in cases.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()).filter(|c| c["stock"] == true) {
        let script = case["script"].as_str().unwrap();
        // What fyke takes away on purpose: `eval`, and functions that see the variables of their caller.
        if script.contains("eval(") || script.contains("foo!(") {
            continue;
        }
        let text = script.to_owned();
        let ran = std::thread::Builder::new().stack_size(64 << 20).spawn(move || {
            let mut setup = Setup::new(Mode::Run, Door::over_nothing());
            setup.deadline = Some(Instant::now() + Duration::from_secs(5));
            Host::open(setup).eval(&text).map(|v| v.json()).map_err(|f| told(&f))
        });
        match (case["kind"].as_str().unwrap(), ran.unwrap().join().unwrap(), case["expect"].as_str().and_then(expected)) {
            ("error", Err(_), _) => right += 1,
            ("value", Ok(got), Some(expect)) if got == expect || got.as_f64().is_some_and(|f| Some(f) == expect.as_f64()) => right += 1,
            // The value is written as Rust that is no literal.
            ("value", Ok(_), None) => {}
            (_, got, expect) => wrong.push(format!("{script:?}: {got:?} and not {expect:?}")),
        }
    }
    assert!(wrong.is_empty() && right > 180, "{right} right, wrong: {wrong:#?}");
}

/// Reads an expected value, where it is a literal in Rust as in JSON. One of them is of a 32-bit build.
fn expected(rust: &str) -> Option<serde_json::Value> {
    if rust == "-1" { None } else { serde_json::from_str(&rust.replace('_', "")).ok() }
}
