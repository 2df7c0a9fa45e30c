//! What scripts do with durations, rates, sizes, addresses, prefixes and JSON, without a kernel.

use fyke::host::{Host, Mode, Setup, Value};
use fyke::model::Kind;
use fyke::transaction::Door;

fn eval(script: &str) -> Result<Value, (Kind, String)> {
    let mut host = Host::open(Setup::new(Mode::Run, Door::over_nothing()));
    host.eval(script).map_err(|fault| (fault.kind, fault.to_string()))
}

#[test]
fn what_is_so() {
    for script in [
        r#"duration("1h") * 2 - duration("30min") == duration("1h30m")"#,
        r#"duration("1s") * 0.5 == duration(0.5) && 3 * duration(2) == duration("6s")"#,
        r#"duration("1h") / duration("1min") == 60.0 && duration("90s").seconds == 90.0"#,
        r#"let span = duration("1s"); span += duration("1s"); span == duration("2s")"#,
        r#"rate("10mbit") * duration("1s") == size(1250000) && rate("8kbit").bits == 8000"#,
        r#"size("1mb") / duration("1s") == rate("8388608bit") && size("1mb") / rate("1mbps") > duration("1s")"#,
        r#"address("10.0.0.255") + 1 == address("10.0.1.0") && address("::2") - address("::1") == 1"#,
        r#"address("10.0.0.1") != address("10.0.0.2") && [address("::1")].contains(address("::1"))"#,
        r#"let a = prefix("10.0.0.0/8"); address("10.9.8.7") in a && "10.9.0.0/16" in a && !("11.0.0.0/8" in a)"#,
        r#"let a = prefix("2001:db8::/32"); a.broadcast == () && a.length == 32 && a.family == "ipv6" && a.network.family == "ipv6""#,
        r#"prefix("192.0.2.0/24").hosts().len() == 254 && prefix("192.0.2.0/24").subnets(26)[3] == prefix("192.0.2.192/26")"#,
        r#"prefix(address("192.0.2.9"), 29) == prefix("192.0.2.8/29") && prefix(prefix("::/0")) == prefix("::/0")"#,
        r#"address("192.168.1.1").is_private && address("127.0.0.1").is_loopback && address("ff02::1").is_multicast"#,
        r#"let all = [prefix("10.0.0.0/8"), prefix("9.0.0.0/8")]; all.sort(|a, b| a < b); all[0] == prefix("9.0.0.0/8")"#,
        r#"duration("5s") < "10s" && "10s" > duration("5s") && rate("1mbit") >= "1000kbit" && "1kb" <= size(1024)"#,
        r#"address("::1") == "::1" && "10.0.0.0/8" != prefix("10.0.0.0/9") && ["::1"].contains(address("::1"))"#,
        r#"`${rate("1500kbit")} ${size("64kb")} ${prefix("::/0")}` == "1500kbit 64kb ::/0""#,
        r#""-s " + prefix("10.0.0.0/8") == "-s 10.0.0.0/8""#,
        r#"to_json([duration("1s"), address("::1"), (), 1.5, 'x']) == `["1s","::1",null,1.5,"x"]`"#,
        r#"let all = parse_json(`[1, 2.5, null, {"a": [true]}]`); all[2] == () && all[3].a[0] && all == parse_json(to_json(all))"#,
        r#"parse_json("9223372036854775807") == 9223372036854775807 && type_of(parse_json("9223372036854775808")) == "f64""#,
    ] {
        assert_eq!(eval(script), Ok(Value::Bool(true)), "{script}");
    }
    assert_eq!(eval(r#"#{ net: prefix("10.0.0.0/8") }"#).unwrap().json().to_string(), r#"{"net":"10.0.0.0/8"}"#);
}

#[test]
fn what_is_refused() {
    for (script, why) in [
        (r#"duration("5")"#, "a unit is missing"),
        ("duration(-1)", "it is negative"),
        (r#"duration("1s") - duration("2s")"#, "cannot take 2s from 1s: a duration is never negative"),
        (r#"duration("1s") / 0"#, "a year"),
        (r#"duration("0s") / 0"#, "that is no number"),
        (r#"rate("10mb")"#, "\"mb\" is no unit of rate"),
        ("rate(-1)", "cannot use -1 as a rate: it is negative"),
        (r#"rate("9tbit") * 9e9"#, "more than"),
        (r#"size("1kb") / rate("0bit")"#, "it never ends"),
        ("size([])", "cannot use a value as a size: it is of type array"),
        (r#"address("localhost")"#, "it is neither four decimal numbers nor an IPv6 address"),
        (r#"address("255.255.255.255") + 1"#, "IPv4 has no such address"),
        (r#"address("::1") - address("1.2.3.4")"#, "they are of two families"),
        (r#"prefix("10.0.0.1/8")"#, "bits are set behind the first 8"),
        (r#"prefix("10.0.0.0/8").hosts()"#, "it has 2^24 addresses"),
        (r#"prefix("10.0.0.0/8").contains("10.0.0.1/8")"#, "bits are set behind"),
        (r#"prefix("10.0.0.0", 33)"#, "a number from 0 to 32"),
        (r#"parse_json("{'a': 1}")"#, "key must be a string at line 1 column 2"),
        (r#"parse_json("[1] 2")"#, "trailing characters"),
    ] {
        let (kind, said) = eval(script).unwrap_err();
        assert!(kind == Kind::Input && said.contains(why), "{script}: {kind:?} {said}");
    }
    assert_eq!(eval(r#"let kind = (); try { prefix("x") } catch (e) { kind = e.kind; } kind"#), Ok(Value::Text("input".into())));
    let deep = "let a = []; for i in 0..200 { a = [a]; } to_json(a)";
    assert_eq!(eval(deep).unwrap_err().0, Kind::Limit);
    assert_eq!(eval(r#"duration("1s") == size("1kb") || prefix("::/0") == "nothing" || 5 == rate(5)"#), Ok(Value::Bool(false)));
    for unlike in [r#"duration("1s") < size("1kb")"#, r#"rate("1mbit") >= 5"#, r#""1x" > size("1kb")"#, r#"() < prefix("::/0")"#] {
        let (kind, said) = eval(unlike).unwrap_err();
        assert!(kind == Kind::Input && said.contains("cannot compare"), "{unlike}: {said}");
    }
    assert!(eval(r#"rate("1mbit") + size("1kb")"#).is_err());
}

/// A script's own function stays possible where fyke's is a method, and is told where it would replace one.
#[test]
fn names_are_told_apart() {
    assert_eq!(eval("fn hosts(list) { list.len() } hosts([1, 2])"), Ok(Value::Int(2)));
    assert!(eval("fn prefix(x) { x } prefix(1)").unwrap_err().1.contains("define the function `prefix`"));
    let caught = r#"fn hosts() { 1 } prefix("10.0.0.0/30").hosts()"#;
    assert!(eval(caught).unwrap_err().1.contains("define the function `hosts`"));
    assert_eq!(eval("let rate = 1; let size = 2; let prefix = 3; rate + size + prefix"), Ok(Value::Int(6)));
}
