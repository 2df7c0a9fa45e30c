//! The rows about traffic control: rates, times, handles and places that cannot be.

/// Scripts that must exit with 2: the row, words of the fault, and calls.
pub(super) const QUEUES: &[(&str, &str, &[&str])] = &[
    (
        "R29",
        "as rate of tbf: ",
        &[
            r#"tc::qdisc("add dev eth0 root tbf rate nonsense burst 5kb limit 9kb")"#,
            r#"tc::qdisc("add dev eth0 root tbf rate -1mbit burst 5kb limit 9kb")"#,
            r#"tc::qdisc("add dev eth0 root tbf rate 1e400bit burst 5kb limit 9kb")"#,
            r#"tc::qdisc("add dev eth0 root tbf rate 0 burst 5kb limit 9kb")"#,
            r#"tc::qdisc(["add dev eth0 ingress", "add dev eth0 root tbf rate 99999999tbit burst 5kb limit 9kb"])"#,
            r#"tc::device("eth0").add("root", #{ kind: "tbf", rate: "NaN", burst: "5kb", limit: "9kb" })"#,
        ],
    ),
    (
        "R29",
        "burst",
        &[
            r#"tc::qdisc("add dev eth0 root tbf rate 1mbit burst 0 limit 9kb")"#,
            r#"tc::qdisc("add dev eth0 root tbf rate 1mbit burst -5 limit 9kb")"#,
            r#"tc::qdisc("add dev eth0 root tbf rate 8bit burst 9gb limit 9kb")"#,
            r#"tc::qdisc("add dev eth0 root tbf rate 1mbit limit 9kb")"#,
        ],
    ),
    (
        "R30",
        "of netem: ",
        &[
            r#"tc::qdisc("add dev eth0 root netem loss 101%")"#,
            r#"tc::qdisc("add dev eth0 root netem loss -1%")"#,
            r#"tc::qdisc("add dev eth0 root netem loss 100.0001%")"#,
            r#"tc::qdisc("add dev eth0 root netem loss NaN")"#,
            r#"tc::qdisc("add dev eth0 root netem delay 4294967296us")"#,
            r#"tc::qdisc("add dev eth0 root netem delay -5s")"#,
            r#"tc::qdisc("add dev eth0 root netem delay 1e400s")"#,
            r#"tc::qdisc("add dev eth0 root netem delay '100ms'")"#,
            r#"tc::qdisc("add dev eth0 root netem limit 0")"#,
            r#"tc::qdisc("add dev eth0 root netem limit 4294967296")"#,
            r#"tc::qdisc("add dev eth0 root netem delay 1ms 1ms distribution ../../etc/passwd")"#,
        ],
    ),
    ("R30", "it is more than 100%", &[r#"tc::device("eth0").ensure("root", #{ kind: "netem", loss: 101 })"#]),
    ("R30", "delay", &[r#"tc::device("eth0").ensure("root", #{ kind: "netem", jitter: "1ms" })"#]),
    (
        "R31",
        "as the handle of a qdisc: ",
        &[
            r#"tc::qdisc("add dev eth0 root handle 10000: pfifo")"#,
            r#"tc::qdisc("add dev eth0 root handle 1:5 pfifo")"#,
            r#"tc::qdisc("add dev eth0 root handle x: pfifo")"#,
        ],
    ),
    ("R31", "has the handle ffff: already", &[r#"tc::qdisc(["add dev eth0 ingress", "add dev eth0 root handle ffff: pfifo"])"#]),
    (
        "R31",
        "and not 0",
        &[
            r#"tc::class("add dev eth0 parent 1: classid 1:0 htb rate 1mbit")"#,
            r#"tc::class("add dev eth0 parent 1: classid :5 htb rate 1mbit")"#,
        ],
    ),
    (
        "R31",
        "there is no ",
        &[
            r#"tc::class("add dev eth0 parent 1: classid 1:5 htb rate 1mbit")"#,
            r#"tc::qdisc("add dev eth0 parent 1:5 pfifo")"#,
            r#"tc::qdisc("add dev eth9 root pfifo")"#,
            r#"tc::qdisc("add dev eth0 root handle 1: htb"); tc::class("add dev eth0 parent 1:7 classid 1:5 htb rate 1mbit")"#,
            r#"tc::qdisc("del dev eth0 root")"#,
        ],
    ),
    (
        "R31",
        "would be a circle",
        &[
            r#"tc::qdisc("add dev eth0 root handle 1: htb"); tc::class("add dev eth0 parent 1:5 classid 1:5 htb rate 1mbit")"#,
            r#"tc::qdisc("add dev eth0 root handle 1: htb"); tc::class(["add dev eth0 classid 1:5 htb rate 1mbit", "add dev eth0 parent 1:5 classid 1:6 htb rate 1mbit"]);
               tc::class("change dev eth0 parent 1:6 classid 1:5 htb rate 1mbit")"#,
        ],
    ),
    (
        "R31",
        "is missing",
        &[
            r#"tc::qdisc("add root pfifo")"#,
            r#"tc::qdisc("add dev eth0 pfifo")"#,
            r#"tc::qdisc("add dev eth0 root")"#,
            r#"tc::qdisc("add dev eth0 root tbf rate")"#,
            r#"tc::class("add dev eth0 parent 1: htb rate 1mbit")"#,
            r#"tc::class("add dev eth0 parent 1: classid 1:5 htb")"#,
            r#"tc::device("eth0").add("root", #{ delay: "1ms" })"#,
        ],
    ),
    (
        "R31",
        "is not one of its words",
        &[
            r#"tc::qdisc("put dev eth0 root pfifo")"#,
            r#"tc::qdisc("add dev eth0 root pfifo limt 5")"#,
            r#"tc::qdisc("add dev eth0 root netem delay 1ms reboot")"#,
            r#"tc::device("eth0").add("root", #{ kind: "netem", dely: "1ms" })"#,
            r#"tc::qdisc("add dev eth0 ingress limit 5")"#,
        ],
    ),
];
