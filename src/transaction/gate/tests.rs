use super::*;

fn permission(text: &str) -> Permission {
    text.parse().unwrap()
}

fn party(name: &str, allow: &[&str], deny: &[&str]) -> Arc<Party> {
    let list = |lines: &[&str]| lines.iter().map(|line| permission(line)).collect();
    let rights = Rights::of(Grants { allow: list(allow), deny: list(deny) });
    Arc::new(Party::new(name, rights, Place::new(format!("grants.{name}"), "fyke.toml")))
}

fn told(gate: &Gate, asked: &str) -> String {
    match gate.pass(&Uses::of(permission(asked)), None) {
        Ok(()) => "passes".into(),
        Err(fault) => format!("{}: {fault}; {}", fault.kind.name(), fault.hint.unwrap_or_default()),
    }
}

#[test]
fn rights_are_those_of_all_who_take_part() {
    let gate = Gate::open();
    assert!(gate.is_open());
    let (a, b) = (party("a", &["tc: eth0", "link"], &[]), party("b", &["tc", "raw"], &["tc: eth1"]));
    let in_a = gate.enter(&a);
    assert_eq!(told(&gate, "tc: eth0"), "passes");
    assert_eq!(
        told(&gate, "tc: eth1"),
        "permission: cannot change what queues on eth1: a has no permission `tc: eth1`; add \"tc: eth1\" to `allow` of [grants.a] in fyke.toml"
    );
    {
        let in_b = gate.enter(&b);
        assert_eq!(told(&gate, "tc: eth0"), "passes");
        assert!(told(&gate, "tc: eth1").contains("`tc: eth1` is denied to b; the denial is in `deny` of [grants.b] in fyke.toml"));
        assert!(told(&gate, "link: eth0").contains("b has no permission"));
        assert!(told(&gate, "raw").contains("a has no permission"));
        // Called back: it is there twice, and leaves once.
        drop((gate.enter(&a), gate.enter(&b)));
        assert!(told(&gate, "raw").contains("a has no permission"));
        drop(in_b);
    }
    assert_eq!(told(&gate, "link: eth0"), "passes");
    drop(in_a);
    assert!(gate.is_open());
    assert_eq!(told(&gate, "exec: sh"), "passes");
}

#[test]
fn the_command_line_holds_a_recipe_to_what_it_names_unless_its_project_declares() {
    let list = |lines: &[&str]| lines.iter().map(|line| permission(line)).collect::<Vec<_>>();
    let line = |allow: &[&str], deny: &[&str]| Gate::new(Grants { allow: list(allow), deny: list(deny) }, None, None);
    let declared = || Some((Grants { allow: list(&["tc"]), deny: list(&["tc: eth1"]) }, Place::new("permissions", "fyke.toml")));
    assert!(line(&[], &[]).is_open());
    let narrow = line(&["raw"], &["raw", "link"]);
    assert!(told(&narrow, "tc: eth0").ends_with("the recipe has no permission `tc: eth0`; say --allow 'tc: eth0'"));
    assert!(told(&narrow, "raw").ends_with("`raw` is denied to the recipe; leave --deny 'raw' out"));
    let wide = line(&["raw"], &[]);
    wide.declare(declared());
    assert_eq!((told(&wide, "raw"), told(&wide, "tc: eth0")), ("passes".to_owned(), "passes".to_owned()));
    assert!(told(&wide, "tc: eth1").ends_with("the denial is in `deny` of [permissions] in fyke.toml"));
    assert!(told(&wide, "link: eth0").ends_with("add \"link: eth0\" to `allow` of [permissions] in fyke.toml"));
    // Nothing on the line widens a package.
    let _inside = wide.enter(&party("a", &[], &[]));
    assert!(told(&wide, "raw").contains("a has no permission"));
}

#[test]
fn who_panics_has_left() {
    let gate = Gate::open();
    let a = party("a", &[], &[]);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _inside = gate.enter(&a);
        panic!("in a native function");
    }));
    assert!(panicked.is_err() && gate.is_open());
}

#[test]
fn what_changes_along_is_only_denied() {
    let rights = |deny: &[&str]| {
        let gate = Gate::new(Grants::default(), None, None);
        (gate.clone(), gate.enter(&party("a", &["sysctl: net.ipv4.ip_forward"], deny)))
    };
    let uses =
        Uses { needs: vec![permission("sysctl: net.ipv4.ip_forward")], touches: vec![permission("sysctl: net.ipv4.conf.*.forwarding")] };
    let (gate, _inside) = rights(&[]);
    assert!(gate.pass(&uses, None).is_ok());
    let (gate, _inside) = rights(&["sysctl: net.ipv4.conf.eth0.forwarding"]);
    assert!(gate.pass(&uses, None).is_err());
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
    let _inside = gate.enter(&party("a", &[], &["raw"]));
    let _deeper = gate.enter(&party("b", &["tc: eth0"], &[]));
    for (what, passes) in [
        ("tc: eth0", true),
        ("tc: eth0", true),
        ("tc: eth1", true),
        ("tc: eth1", true),
        ("tc: eth2", false),
        ("tc: eth2", false),
        ("raw", false),
    ] {
        assert_eq!(told(&gate, what) == "passes", passes, "{what}");
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
    assert!(!gate.is_open());
    let origin = Origin::at("x.rhai", 3, 5);
    gate.pass(&Uses::of(permission("raw")), Some(&origin)).unwrap();
    let _inside = gate.enter(&party("a", &[], &["tc"]));
    gate.pass(&Uses::of(permission("tc: eth0")), Some(&origin)).unwrap_err();
    assert_eq!(gate.pass(&Uses::of(permission("raw")), None).unwrap_err().why, "the disk is full");
    assert_eq!(
        lines.lock().unwrap()[..2],
        [
            r#"{"granted":true,"permission":"raw","code":["the recipe"],"at":"x.rhai:3:5","refused":null}"#,
            r#"{"granted":false,"permission":"tc: eth0","code":["the recipe","a"],"at":"x.rhai:3:5","refused":{"by":"a","denied":"tc"}}"#,
        ]
    );
}
