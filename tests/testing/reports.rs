//! What is written for other programs.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use super::{no_sandbox, test, with_tests};
use crate::packages::yard::Yard;

fn project() -> Yard {
    let yard = with_tests(
        "fn test_a() { print(\"not < told\"); }\nfn test_b() { print(\"\\x1b[1m<b>\"); throw \"a < b && \\x07\"; }\nfn test_c() { test::skip(\"no \\\"card\\\"\"); }\n\
         fn test_d() { sys::run([\"ip\", \"netns\", \"add\", \"mine\"]); }\n",
    );
    yard.write("project/other_test.rhai", "fn test_e() {}\n");
    yard
}

/// Prints what a reader of XML finds in a report, a line for each.
const READER: &str = "
import sys, xml.etree.ElementTree as tree
top = tree.parse(sys.argv[1]).getroot()
print(top.tag, top.get('tests'), top.get('failures'), top.get('skipped'))
for suite in top:
    print(suite.tag, suite.get('name'), suite.get('tests'), suite.get('failures'), suite.get('skipped'), float(suite.get('time')) > 0)
    for case in suite:
        print(case.tag, case.get('classname'), case.get('name'), case.get('line'), float(case.get('time')) > 0)
        for part in case:
            print('-', part.tag, repr(part.get('message')), repr((part.text or '').strip().split('\\n')[0]))
";

const READ: &str = r#"testsuites 5 2 1
testsuite other_test.rhai 1 0 0 True
testcase other_test.rhai test_e 1 True
testsuite some_test.rhai 4 2 1 True
testcase some_test.rhai test_a 1 True
- system-out None 'not < told'
testcase some_test.rhai test_b 2 True
- failure 'cannot run test_b: a < b && \\u{7}' 'error[script]: cannot run test_b: a < b && \\u{7}'
- system-out None '\\u{1b}[1m<b>'
testcase some_test.rhai test_c 3 True
- skipped 'no "card"' ''
testcase some_test.rhai test_d 4 True
- failure 'cannot leave the network as it was: this is left when all is lifted' 'error[incomplete]: cannot leave the network as it was: this is left when all is lifted'
"#;

#[test]
fn a_report_is_read_by_other_programs() {
    if no_sandbox() {
        return;
    }
    let yard = project();
    assert_eq!(test(&yard, &["--junit", "report.xml"]).code, Some(1));
    let report = yard.read("project/report.xml");
    assert!(report.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"fyke\" tests=\"5\" "), "{report}");
    assert!(!report.chars().any(|c| c.is_control() && c != '\n'), "{report:?}");
    let Ok(read) = Command::new("python3").args(["-c", READER]).arg(yard.path("project/report.xml")).output() else {
        return println!("skipped: the reader of XML is that of python3, which is not here");
    };
    assert_eq!(String::from_utf8_lossy(&read.stdout), READ, "{}", String::from_utf8_lossy(&read.stderr));
}

#[test]
fn one_document_tells_all() {
    if no_sandbox() {
        return;
    }
    let said = test(&project(), &["--json"]);
    let document: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, said.err.as_str()), (Some(1), ""), "{said:?}");
    let counts = ["passed", "failed", "skipped", "not_run", "exit"].map(|key| document[key].clone());
    assert_eq!(counts, [2, 2, 1, 0, 1].map(Value::from));
    let tests = document["tests"].as_array().unwrap();
    let outcomes: Vec<&Value> = tests.iter().map(|test| &test["outcome"]).collect();
    assert_eq!(outcomes, ["passed", "passed", "failed", "skipped", "failed"]);
    assert_eq!(tests[2]["faults"][0]["origin"]["at"], json!({ "file": "some_test.rhai", "line": 2, "column": 36 }));
    assert_eq!((&tests[2]["printed"], &tests[2]["line"]), (&json!("\u{1b}[1m<b>\n"), &json!(2)));
    assert_eq!(tests[3]["reason"], "no \"card\"");
    assert_eq!(tests[4]["left"]["changes"].as_array().unwrap().len(), 1, "{}", tests[4]);
}

#[test]
fn a_report_takes_the_place_of_no_script_and_none_is_left_of_a_former_run() {
    let yard = project();
    let said = test(&yard, &["--junit", "other_test.rhai"]);
    assert!(said.code == Some(2) && said.err.contains("a report would replace"), "{said:?}");
    yard.write("project/report.xml", "of yesterday");
    assert_eq!(test(&yard, &["--junit", "report.xml", "--filter", "nothing_of_the_kind"]).code, Some(2));
    let report = std::fs::read_to_string(yard.path("project/report.xml")).unwrap();
    assert!(report.contains("<testsuites") && !report.contains("<testcase"), "{report}");
}

#[test]
fn others_read_a_report_as_the_umask_has_it() {
    let yard = with_tests("fn test_a() {}\n");
    let mode = |umask: &str, file: &str| {
        let script = format!("umask {umask}; exec \"$0\" test --filter zzz --junit {file}");
        let mut command = Command::new("sh");
        command.args(["-c", &script]).arg(crate::program::binary());
        assert_eq!(yard.settle(command, "project").output().unwrap().status.code(), Some(2));
        yard.path("project").join(file).metadata().unwrap().permissions().mode() & 0o777
    };
    assert_eq!([mode("022", "a.xml"), mode("027", "b.xml"), mode("0", "c.xml")], [0o644, 0o640, 0o644]);
    std::os::unix::fs::symlink("a.xml", yard.path("project/link.xml")).unwrap();
    yard.refused("project", &["test", "--junit", "link.xml"], 2, "cannot write link.xml: it is a symbolic link");
}
