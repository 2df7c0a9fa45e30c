//! Maps of typed values and the words that they become.

use super::*;

fn t(text: &str) -> Value {
    Value::Text(text.into())
}

fn map(entries: &[(&str, Value)]) -> Map {
    entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect()
}

fn line(entries: &[(&str, Value)]) -> String {
    words(&map(entries), Family::V4).unwrap().to_string()
}

#[test]
fn a_map_becomes_words_in_the_order_of_the_tool() {
    let recent = Value::Map(map(&[
        ("update", Value::Bool(true)),
        ("seconds", t("4min")),
        ("hitcount", Value::Int(4)),
        ("name", t("ssh")),
        ("mask", Value::Int(24)),
    ]));
    let rule = [
        ("jump", t("DROP")),
        ("dport", Value::Int(22)),
        ("proto", t("tcp")),
        ("source", t("! 10.0.0.1/8")),
        ("state", t("NEW")),
        ("recent", recent),
    ];
    assert_eq!(
        line(&rule),
        "! -s 10.0.0.0/8 -p tcp --dport 22 -m conntrack --ctstate NEW -m recent --update --seconds 240 --hitcount 4 --name ssh --mask 255.255.255.0 --rsource -j DROP"
    );
    assert_eq!(line(&[("match_set", t("blocked src")), ("jump", t("DROP"))]), "-m set --match-set blocked src -j DROP");
    assert_eq!(line(&[("match_set", t("! pairs src,dst"))]), "-m set ! --match-set pairs src,dst");
    assert_eq!(
        line(&[("proto", t("udp")), ("dport", Value::List(vec![Value::Int(53), Value::Range(100, 200)]))]),
        "-p udp -m multiport --dports 53,100:200"
    );
    assert_eq!(
        line(&[
            ("limit", Value::Map(map(&[("rate", t("5/minute")), ("burst", Value::Int(2))]))),
            ("jump", t("LOG")),
            ("log_prefix", t("a b: "))
        ]),
        "-m limit --limit 5/minute --limit-burst 2 -j LOG --log-prefix \"a b: \""
    );
    assert_eq!(line(&[("in_interface", t("")), ("jump", t("RETURN"))]), "-j RETURN");
}

#[test]
fn the_family_changes_what_differs() {
    let rule = map(&[("recent", Value::Map(map(&[("set", Value::Bool(true)), ("mask", Value::Int(64))])))]);
    assert_eq!(words(&rule, Family::V6).unwrap().as_str(), "-m recent --set --mask ffff:ffff:ffff:ffff:: --rsource");
    assert!(words(&rule, Family::V4).is_err());
    assert!(words(&map(&[("source", t("::1"))]), Family::V4).is_err());
    assert_eq!(family(&map(&[("source", t("! ::1"))])).unwrap(), Some(Family::V6));
}

#[test]
fn a_map_is_strict() {
    for (key, value) in [
        ("dports", Value::Int(22)),
        ("dport", Value::Int(65536)),
        ("dport", t("ssh")),
        ("dport", Value::Range(22, 21)),
        ("dport", Value::List(vec![])),
        ("source", t("example.org")),
        ("source", Value::Int(1)),
        ("in_interface", t("a/b")),
        ("jump", t("-F")),
        ("jump", t("A B")),
        ("comment", t("x\"\n-A INPUT -j ACCEPT\n#")),
        ("comment", t(&"x".repeat(256))),
        ("log_prefix", t(&"x".repeat(30))),
        ("state", t("new")),
        ("limit", t("0/second")),
        ("limit", t("5 per minute")),
        ("mark", t("0x1ffffffff")),
        ("mark", Value::Int(-1)),
        ("proto", t("256")),
        ("recent", Value::Map(map(&[("set", Value::Bool(true)), ("update", Value::Bool(true))]))),
        ("recent", Value::Map(map(&[("name", t("x"))]))),
        ("recent", Value::Map(map(&[("set", Value::Bool(true)), ("name", t("a/b"))]))),
        ("recent", Value::Map(map(&[("update", Value::Bool(true)), ("seconds", t("0s"))]))),
        ("recent", Value::Map(map(&[("update", Value::Bool(true)), ("hitcount", Value::Int(0))]))),
        ("words", t("-t nat")),
    ] {
        assert!(words(&map(&[(key, value.clone())]), Family::V4).is_err(), "{key}: {value:?}");
    }
}
