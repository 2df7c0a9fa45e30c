//! The rows about control groups and processes: paths, class ids and numbers that cannot be.

/// Scripts that must exit with 2: the row, words of the fault, and calls.
pub(super) const GROUPS: &[(&str, &str, &[&str])] = &[
    (
        "R38",
        "as the path of a cgroup",
        &[
            r#"cgroup::group("../..")"#,
            r#"cgroup::new_group("/a/../../b")"#,
            r#"cgroup::ensure_group("/sys/fs/cgroup/x")"#,
            r#"cgroup::delete_group("/a\x00b")"#,
            r#"cgroup::find("/a//b")"#,
            r#"let path = "/"; path.pad(4096, 'a'); cgroup::group(path)"#,
            r#"let path = "/"; path.pad(257, 'a'); cgroup::group(path)"#,
            r#"cgroup::group("")"#,
        ],
    ),
    (
        "R40",
        "as a class id",
        &[
            r#"cgroup::group("/").ensure_class_id(-5)"#,
            r#"cgroup::group("/").ensure_class_id("-5")"#,
            r#"cgroup::group("/").ensure_class_id("1e9")"#,
            r#"cgroup::group("/").ensure_class_id("18446744073709551616")"#,
            r#"cgroup::group("/").ensure_class_id("max ")"#,
            r#"cgroup::group("/").ensure_class_id(4294967296)"#,
        ],
    ),
    (
        "R41",
        "as the number of a process",
        &[
            "process::get(0)",
            "process::get(-1)",
            "process::find(4194305)",
            "cgroup::group(\"/\").add(0)",
            "cgroup::group(\"/\").add([9223372036854775807])",
        ],
    ),
    ("R41", "it is the first process", &["cgroup::group(\"/\").add(1)"]),
    ("cgroup", "as a way to block a cgroup", &[r#"cgroup::lacks("bfp")"#, r#"cgroup::group("/").prove_blocked("")"#]),
    (
        "cgroup",
        "cannot ",
        &[
            r#"cgroup::group("/").add("1")"#,
            r#"cgroup::group("/").add([1.5])"#,
            r#"cgroup::group("/").ensure_drop_of([])"#,
            r#"cgroup::group("/").ensure_drop_of(["x"])"#,
            r#"process::by_name("")"#,
            r#"process::by_name("/bin/sh")"#,
            r#"process::by_port(0)"#,
            r#"process::by_port(65536)"#,
            r#"process::run_isolated([])"#,
            r#"process::run_isolated(["true", 1.5])"#,
        ],
    ),
];
