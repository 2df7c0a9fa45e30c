//! A recipe from plan to undo, through the program, in network namespaces of its own.

use serde_json::Value;

use crate::program::{Folder, fyke, inside, is_root, shell};

const RECIPE: &str = "\
//! Drops what comes from a network.
//! needs: iptables, ip6tables
//! risk: disrupts
let port = param(\"port\", 22, \"TCP port\", #{ key: true });
let fail = param(\"fail\", false, \"fail at the end\");
for filter in [iptables::table(\"filter\"), ip6tables::table(\"filter\")] {
    let drop = filter.ensure_chain(`DROP-${port}`);
    drop.ensure([\"-m limit --limit 6/min -j LOG --log-prefix 'it is: '\", \"-j DROP\"]);
    filter.chain(\"INPUT\").ensure_first(`-p tcp --dport ${port} -j DROP-${port}`);
    filter.chain(\"FORWARD\").set_policy(\"DROP\");
}
if fail { throw \"as it was asked\"; }
";

#[test]
fn what_is_planned_is_what_is_done_and_what_the_commands_do() {
    let folder = Folder::new();
    let recipe = folder.file("drop.rhai", RECIPE);
    let commands = fyke(["--sandbox", "plan", "--commands", &recipe]);
    assert_eq!((commands.code, commands.err.as_str()), (Some(0), ""), "{commands:?}");
    let by_commands = inside(&format!("{}\ndump", commands.out));
    let by_run = inside(&format!("$FYKE run {recipe}; dump"));
    assert!(by_run.out.contains("-A INPUT -p tcp -m tcp --dport 22 -j DROP-22"), "{by_run:?}");
    assert_eq!(by_commands.out, by_run.out, "{by_commands:?}");
    let plan = fyke(["--sandbox", "plan", &recipe]);
    let wanted = "\
filter (IPv4 and IPv6)
  + chain DROP-22
      + 1  -m limit --limit 6/min -j LOG --log-prefix \"it is: \"
      + 2  -j DROP
    chain FORWARD
      ~ policy ACCEPT becomes DROP
    chain INPUT
      + 1  -p tcp -m tcp --dport 22 -j DROP-22
8 to add, 2 to change
";
    assert_eq!(plan.out, wanted);
}

#[test]
fn a_run_can_be_repeated_shown_and_lifted() {
    let folder = Folder::new();
    let recipe = folder.file("drop.rhai", RECIPE);
    for backend in ["nft", "legacy"] {
        let said = inside(&format!(
            "export BACKEND={backend}; iptables-$BACKEND -A INPUT -s 192.0.2.7 -j ACCEPT
             # Once touched, a legacy table stays registered for good.
             ip6tables-$BACKEND -n -L >/dev/null; before=$(dump)
             fyke() {{ $FYKE --backend $BACKEND \"$@\"; }}
             fyke run {recipe} 2>&1 | sed 's/undo .*/undo/'
             fyke run {recipe} 2>&1
             fyke plan --exit-code {recipe}; echo $?
             fyke plan --exit-code {recipe} --port 23 >/dev/null; echo $?
             iptables-$BACKEND -A INPUT -s 192.0.2.8 -j ACCEPT
             fyke history | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4-
             fyke undo last | sed 's/lifted .*:/lifted:/'; fyke undo last 2>/dev/null; echo $?
             iptables-$BACKEND -D INPUT -s 192.0.2.8 -j ACCEPT
             test \"$before\" = \"$(dump)\" && echo as before"
        ));
        let wanted = "\
10 changes; lift with: fyke undo
nothing changed
nothing would change
0
6
drop/22 root 10 done
lifted: 2 changed, 8 taken out
2
as before
";
        assert_eq!(said.out, wanted, "{backend}: {said:?}");
    }
}

#[test]
fn a_run_that_fails_leaves_nothing() {
    let folder = Folder::new();
    let recipe = folder.file("drop.rhai", RECIPE);
    let said = inside(&format!("before=$(dump); $FYKE run {recipe} --fail; echo $?; test \"$before\" = \"$(dump)\" && echo as before"));
    assert_eq!(said.out, "1\nas before\n", "{said:?}");
    assert!(said.err.contains("cannot run drop: as it was asked"), "{said:?}");
}

#[test]
fn a_run_that_eats_all_memory_leaves_nothing() {
    let folder = Folder::new();
    let eats = "let all = []; loop { let s = \"x\"; s.pad(1000000, 'y'); all.push(s); }";
    let recipe = folder.file("eats.rhai", format!("iptables::table(\"filter\").chain(\"INPUT\").append(\"-j DROP\"); commit();\n{eats}\n"));
    let said = inside(&format!("before=$(dump); $FYKE run {recipe}; echo $?; test \"$before\" = \"$(dump)\" && ls /run/fyke"));
    assert_eq!(said.out, "8\njournal\n", "{said:?}");
    assert!(said.err.contains("memory"), "{said:?}");
}

#[test]
fn a_run_that_still_runs_is_not_undone() {
    let folder = Folder::new();
    let recipe =
        folder.file("waits.rhai", "iptables::table(\"filter\").chain(\"INPUT\").append(\"-j DROP\"); commit();\nprint(1); sleep(60);\n");
    let said = inside(&format!(
        "$FYKE run {recipe} >/run/out 2>/dev/null & until grep -q 1 /run/out; do sleep 0.01; done
         $FYKE undo last; echo $?; $FYKE recover; echo $?; kill $!; wait $!; echo $?"
    ));
    assert_eq!(said.out, "4\n0\n143\n", "{said:?}");
    assert!(said.err.contains("held by fyke (pid") && said.err.contains("nothing to recover"), "{said:?}");
}

#[test]
fn an_ordinary_user_plans_and_runs_in_the_sandbox_only() {
    let folder = Folder::new();
    let recipe = folder.file("drop.rhai", RECIPE);
    let user = if is_root() {
        // The build folder of root is no place for others.
        std::fs::copy(env!("CARGO_BIN_EXE_fyke"), folder.path().join("fyke")).unwrap();
        format!(
            "chmod -R a+rX {0}; FYKE={0}/fyke; as() {{ setpriv --reuid=65534 --regid=65534 --clear-groups env -u XDG_RUNTIME_DIR \"$@\"; }}",
            folder.path().display()
        )
    } else {
        "as() { \"$@\"; }".to_owned()
    };
    let said = shell(&format!("{user}; as $FYKE plan {recipe}; echo $?; as $FYKE --sandbox run {recipe} 2>&1 | sed 's/undo .*/undo/'"));
    assert_eq!(said.out, "5\n10 changes, gone with the sandbox\n", "{said:?}");
    assert!(said.err.contains("CAP_NET_ADMIN") && said.err.contains("--sandbox"), "{said:?}");
}

#[test]
fn a_plan_is_a_document() {
    let folder = Folder::new();
    let said = fyke(["--json", "--sandbox", "plan", "--commands", &folder.file("drop.rhai", RECIPE)]);
    let plan: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&plan["complete"], &plan["exit"]), (&Value::from(true), &Value::from(0)));
    assert_eq!((plan["changes"].as_array().unwrap().len(), plan["commands"].as_array().unwrap().len()), (10, 10));
}
