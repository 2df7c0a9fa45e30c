use super::*;

fn permission(text: &str) -> Permission {
    text.parse().unwrap()
}

fn party(name: &str, allow: &[&str], deny: &[&str]) -> Arc<Party> {
    let list = |lines: &[&str]| lines.iter().map(|line| permission(line)).collect();
    let rights = Rights::of(Grants { allow: list(allow), deny: list(deny) });
    Arc::new(Party::new(name, rights, Place::new(format!("grants.{name}"), "fyke.toml")))
}

fn callers(parties: &[&Arc<Party>]) -> Callers {
    parties.iter().map(|party| (*party).clone()).collect()
}

fn told(gate: &Gate, inside: &[&Arc<Party>], asked: &str) -> String {
    match gate.pass(&callers(inside), &Uses::of(permission(asked)), None) {
        Ok(()) => "passes".into(),
        Err(fault) => format!("{}: {fault}; {}", fault.kind.name(), fault.hint.as_deref().unwrap_or_default()),
    }
}

#[test]
fn rights_are_those_of_all_who_take_part() {
    let gate = Gate::open();
    let (a, b) = (party("a", &["tc: eth0", "link"], &[]), party("b", &["tc", "raw"], &["tc: eth1"]));
    assert!(gate.is_open(&callers(&[])) && !gate.is_open(&callers(&[&a])));
    assert_eq!(told(&gate, &[&a], "tc: eth0"), "passes");
    assert_eq!(
        told(&gate, &[&a], "tc: eth1"),
        "permission: cannot change what queues on eth1: a has no permission `tc: eth1`; add \"tc: eth1\" to `allow` of [grants.a] in fyke.toml"
    );
    for order in [[&a, &b], [&b, &a]] {
        assert_eq!(told(&gate, &order, "tc: eth0"), "passes");
        assert!(told(&gate, &order, "tc: eth1").contains("`tc: eth1` is denied to b; the denial is in `deny` of [grants.b] in fyke.toml"));
        assert!(told(&gate, &order, "link: eth0").contains("b has no permission"));
        assert!(told(&gate, &order, "raw").contains("a has no permission"));
    }
    assert_eq!(told(&gate, &[&a], "link: eth0"), "passes");
    assert_eq!(told(&gate, &[], "exec: sh"), "passes");
    assert!(told(&gate, &[&Arc::new(Party::nobody())], "raw").contains("code of unknown origin has no permission"));
}

#[test]
fn the_command_line_holds_a_recipe_to_what_it_names_unless_its_project_declares() {
    let list = |lines: &[&str]| lines.iter().map(|line| permission(line)).collect::<Vec<_>>();
    let line = |allow: &[&str], deny: &[&str]| Gate::new(Grants { allow: list(allow), deny: list(deny) }, None, None);
    let declared = || Some((Grants { allow: list(&["tc"]), deny: list(&["tc: eth1"]) }, Place::new("permissions", "fyke.toml")));
    assert!(line(&[], &[]).is_open(&callers(&[])));
    let narrow = line(&["raw"], &["raw", "link"]);
    assert!(told(&narrow, &[], "tc: eth0").ends_with("the recipe has no permission `tc: eth0`; say --allow 'tc: eth0'"));
    assert!(told(&narrow, &[], "raw").ends_with("`raw` is denied to the recipe; leave --deny 'raw' out"));
    let wide = line(&["raw"], &[]);
    wide.declare(declared());
    assert_eq!((told(&wide, &[], "raw"), told(&wide, &[], "tc: eth0")), ("passes".to_owned(), "passes".to_owned()));
    assert!(told(&wide, &[], "tc: eth1").ends_with("the denial is in `deny` of [permissions] in fyke.toml"));
    assert!(told(&wide, &[], "link: eth0").ends_with("add \"link: eth0\" to `allow` of [permissions] in fyke.toml"));
    // Nothing on the line widens a package.
    assert!(told(&wide, &[&party("a", &[], &[])], "raw").contains("a has no permission"));
}

#[test]
fn what_changes_along_is_only_denied() {
    let uses =
        Uses { needs: vec![permission("sysctl: net.ipv4.ip_forward")], touches: vec![permission("sysctl: net.ipv4.conf.*.forwarding")] };
    let passes = |deny: &[&str]| Gate::open().pass(&callers(&[&party("a", &["sysctl: net.ipv4.ip_forward"], deny)]), &uses, None).is_ok();
    assert!(passes(&[]));
    assert!(!passes(&["sysctl: net.ipv4.conf.eth0.forwarding"]));
}

#[test]
fn somebody_is_asked_for_what_is_lacking_and_for_nothing_else() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = asked.clone();
    let ask = move |name: &str, permission: &Permission| {
        notes.lock().unwrap().push(format!("{name} {permission}"));
        Ok(match permission.to_string().as_str() {
            "tc: eth0" => Reply::Yes,
            "tc: eth1" => Reply::Always,
            _ => Reply::No,
        })
    };
    let gate = Gate::new(Grants::default(), Some(Box::new(ask)), None);
    let (a, b) = (party("a", &[], &["raw"]), party("b", &["tc: eth0"], &[]));
    for (what, passes) in [
        ("tc: eth0", true),
        ("tc: eth0", true),
        ("tc: eth1", true),
        ("tc: eth1", true),
        ("tc: eth2", false),
        ("tc: eth2", false),
        ("raw", false),
    ] {
        assert_eq!(told(&gate, &[&a, &b], what) == "passes", passes, "{what}");
    }
    // Once is once, always is asked of each, no is not asked again, and nobody is asked for what is denied.
    let expected = ["a tc: eth0", "a tc: eth0", "b tc: eth1", "a tc: eth1", "b tc: eth2"];
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[test]
fn uses_are_written_down_or_not_done() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let notes = lines.clone();
    let audit = move |line: &Value| {
        notes.lock().unwrap().push(line.to_string());
        if notes.lock().unwrap().len() > 2 { Err(Fault::new(Kind::System, "write", "the disk is full")) } else { Ok(()) }
    };
    let gate = Gate::new(Grants::default(), None, Some(Box::new(audit)));
    let (nobody, a) = (callers(&[]), callers(&[&party("a", &[], &["tc"])]));
    assert!(!gate.is_open(&nobody));
    let origin = Origin::at("x.rhai", 3, 5);
    gate.pass(&nobody, &Uses::of(permission("raw")), Some(&origin)).unwrap();
    gate.pass(&a, &Uses::of(permission("tc: eth0")), Some(&origin)).unwrap_err();
    assert_eq!(gate.pass(&a, &Uses::of(permission("raw")), None).unwrap_err().why, "the disk is full");
    assert_eq!(
        lines.lock().unwrap()[..2],
        [
            r#"{"granted":true,"permission":"raw","code":["the recipe"],"at":"x.rhai:3:5","refused":null}"#,
            r#"{"granted":false,"permission":"tc: eth0","code":["the recipe","a"],"at":"x.rhai:3:5","refused":{"by":"a","denied":"tc"}}"#,
        ]
    );
}
