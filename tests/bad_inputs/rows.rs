//! The rows of the table of bad inputs: what is refused, what is taken, and what is proved elsewhere.

/// Scripts that must exit with 2: the row, words of the fault, and calls in which `filter`, `input` (IPv4) and `input6` are at hand.
pub(super) const REFUSED: &[(&str, &str, &[&str])] = &[
    ("R01", "it has 29 bytes, and 28 is the most", &[r#"filter.new_chain("xxxxxxxxxxxxxxxxxxxxxxxxxxxxx")"#]),
    (
        "R02",
        "as the name of a chain: ",
        &[
            r#"filter.new_chain("")"#,
            r#"filter.new_chain("-x")"#,
            r#"filter.new_chain("!x")"#,
            r#"filter.new_chain("a b")"#,
            r#"filter.new_chain("a\nb")"#,
            r#"filter.new_chain("ACCEPT")"#,
        ],
    ),
    ("R03", "only letters, digits", &[r#"filter.new_chain("a/b")"#, r#"filter.new_chain("a;rm")"#, r#"filter.new_chain("ü")"#]),
    ("R06", "15 is the most", &[r#"input.append(#{ in_interface: "a234567890123456" })"#, r#"input.append("-o a234567890123456")"#]),
    (
        "R07",
        "as the name of an interface: ",
        &[
            r#"input.append(#{ in_interface: "a b" })"#,
            r#"input.append(#{ in_interface: "a/b" })"#,
            r#"input.append(#{ in_interface: "." })"#,
            r#"input.append(#{ out_interface: ".." })"#,
            r#"input.append(#{ in_interface: "a:b" })"#,
            r#"input.append("-i 'a b'")"#,
            r#"input.append("-i a/b")"#,
            r#"input.append("--in-interface ..")"#,
            r#"input.append("! -i a:b")"#,
        ],
    ),
    ("R08", "only at the end", &[r#"input.append(#{ in_interface: "eth0+x" })"#, r#"input.append("-i eth0+x")"#]),
    (
        "R09",
        "as a port: a port is a number from 0 to 65535",
        &[
            r#"input.append(#{ proto: "tcp", dport: 65536 })"#,
            r#"input.append(#{ proto: "tcp", dport: -1 })"#,
            r#"input.append(#{ proto: "tcp", dport: 2147483648 })"#,
            r#"input.append(#{ proto: "tcp", dport: 9223372036854775807 })"#,
            r#"input.append(#{ proto: "tcp", dport: "NaN" })"#,
            r#"input.append(#{ proto: "tcp", dport: "22;id" })"#,
            r#"input.append(#{ proto: "tcp", dport: "22 " })"#,
            r#"input.append(#{ proto: "tcp", dport: "٢٢" })"#,
        ],
    ),
    (
        "R09",
        "use a port: it is",
        &[
            r#"input.append(#{ proto: "tcp", dport: 1.5 })"#,
            r#"input.append(#{ proto: "tcp", dport: 18446744073709551616 })"#,
            r#"input.append(#{ proto: "tcp", dport: true })"#,
        ],
    ),
    ("R11", "as a port: ", &[r#"input.append(#{ proto: "tcp", dport: " 22" })"#, r#"input.append(#{ proto: "tcp", dport: "0x16" })"#]),
    (
        "R12",
        "the wrong way round",
        &[
            r#"input.append(#{ proto: "tcp", dport: "22:21" })"#,
            r#"input.append(#{ proto: "tcp", dport: 22..=21 })"#,
            r#"input.append(#{ proto: "tcp", dport: 22..22 })"#,
            r#"input.append("-p tcp --dport 22:21")"#,
            r#"input.append("-p tcp -m multiport --dports 1,4:3")"#,
            r#"input.append("-m length --length 4:3")"#,
            r#"input.append("-m iprange --src-range 1.2.3.5-1.2.3.4")"#,
        ],
    ),
    (
        "R13",
        "cannot use ",
        &[
            r#"input.append(#{ proto: "tcp", dport: ":" })"#,
            r#"input.append(#{ proto: "tcp", dport: "5:" })"#,
            r#"input.append(#{ proto: "tcp", dport: ":5" })"#,
            r#"input.append(#{ proto: "tcp", dport: "1-2-3" })"#,
            r#"input.append(#{ proto: "tcp", dport: "1,,2" })"#,
            r#"input.append(#{ proto: "tcp", dport: "" })"#,
            r#"input.append(#{ proto: "tcp", dport: [] })"#,
        ],
    ),
    (
        "R16",
        "it is neither four decimal numbers nor an IPv6 address",
        &[
            r#"input.append(#{ source: "1.2.3" })"#,
            r#"input.append(#{ source: "127.1" })"#,
            r#"input.append(#{ source: "010.0.0.1" })"#,
            r#"input.append(#{ source: "0x7f000001" })"#,
            r#"input.append(#{ source: "" })"#,
            r#"input.append("-s 1.2.3")"#,
            r#"input.append("-d 010.0.0.1")"#,
        ],
    ),
    (
        "R17",
        "as an address or prefix: its ",
        &[
            r#"input.append(#{ source: "1.2.3.4/33" })"#,
            r#"input.append(#{ source: "1.2.3.4/-1" })"#,
            r#"input.append(#{ source: "1.2.3.4/255.0.255.0" })"#,
            r#"input.append("-s 1.2.3.4/255.0.255.0")"#,
            r#"input6.append(#{ source: "2001:db8::/129" })"#,
        ],
    ),
    (
        "R19",
        "names are not looked up",
        &[
            r#"input.append(#{ source: "localhost" })"#,
            r#"input.append("-s localhost")"#,
            r#"input.append("-d www.example.net")"#,
            r#"input.append("-slocalhost")"#,
            r#"input.append("--sourc=localhost")"#,
        ],
    ),
    (
        "R20",
        "cannot use ",
        &[
            r#"input.append(#{ source: "2001:db8::1" })"#,
            r#"input.append("-s 2001:db8::1")"#,
            r#"input6.append(#{ source: "192.0.2.1" })"#,
            r#"input6.append(#{ source: "::ffff:1.2.3.4" })"#,
            r#"input6.append(#{ source: "fe80::1%eth0" })"#,
        ],
    ),
    (
        "R21",
        "it holds the control character '\\n'",
        &[
            r#"input.append(#{ comment: "x\"\n-A INPUT -j ACCEPT\n#", jump: "DROP" })"#,
            r#"input.append("-m comment --comment 'x\"\n-A INPUT -j ACCEPT\n#' -j DROP")"#,
        ],
    ),
    (
        "R23",
        "cannot use ",
        &[
            r#"input.append(#{ jump: "LOG", log_prefix: "a\nb" })"#,
            r#"input.append("-j LOG --log-prefix 'a\nb'")"#,
            r#"input.append(#{ recent: #{ set: true, name: "a\nb" } })"#,
            r#"input.append("-m recent --set --name 'a\nb'")"#,
            r#"input.append("-m string --algo bm --string 'a\nb'")"#,
            r#"input.append("-m string --algo bm --string 'a\x00b'")"#,
            r#"input.append("-m set --match-set 'a\nb' src")"#,
            r#"input.append("-j NFLOG --nflog-prefix 'a\nb'")"#,
        ],
    ),
    (
        "R24",
        "are the most",
        &[
            r#"let c = ""; c.pad(300, 'x'); input.append(#{ comment: c })"#,
            r#"let c = ""; c.pad(300, 'x'); input.append(`-m comment --comment ${c}`)"#,
            r#"let c = ""; c.pad(40, 'x'); input.append(#{ jump: "LOG", log_prefix: c })"#,
            r#"let c = ""; c.pad(40, 'x'); input.append(`-j LOG --log-prefix ${c}`)"#,
        ],
    ),
    (
        "R26",
        "cannot use ",
        &[
            r#"input.append(#{ source: "1.2.3.4 -j ACCEPT" })"#,
            r#"input.append("-s '1.2.3.4 -j ACCEPT'")"#,
            r#"input.append(#{ in_interface: "-j" })"#,
            r#"input.append(#{ jump: "-j" })"#,
            r#"input.append(#{ proto: "-j" })"#,
        ],
    ),
    (
        "R27",
        "is fyke's own",
        &[
            r#"input.append("-t nat -j ACCEPT")"#,
            r#"input.append("-tnat -j ACCEPT")"#,
            r#"input.append("--tab nat -j ACCEPT")"#,
            r#"input.append("-A FORWARD")"#,
            r#"input.append("-D INPUT 1")"#,
            r#"input.append("-F")"#,
            r#"input.append("-j ACCEPT -w")"#,
            r#"input.append("-M /bin/sh")"#,
            r#"input.append("--modprobe=/bin/sh")"#,
            r#"input.append("--set-counters 1 1")"#,
            r#"input.append(#{ words: "-t nat", jump: "ACCEPT" })"#,
        ],
    ),
    (
        "R28",
        "cannot ",
        &[
            r#"input.append(#{ recent: #{ update: true, seconds: "-5s", hitcount: 3 } })"#,
            r#"input.append(#{ recent: #{ update: true, seconds: "0", hitcount: 3 } })"#,
            r#"input.append(#{ recent: #{ update: true, seconds: "5 minutes", hitcount: 3 } })"#,
            r#"input.append(#{ recent: #{ update: true, seconds: "1h-1m", hitcount: 3 } })"#,
            r#"input.append(#{ recent: #{ update: true, seconds: "NaN", hitcount: 3 } })"#,
            r#"input.append(#{ recent: #{ update: true, seconds: "9223372036854775808ms", hitcount: 3 } })"#,
            r#"input.append(#{ recent: #{ update: true, seconds: "1e400s", hitcount: 3 } })"#,
            r#"sleep("-5s")"#,
            r#"sleep("5 minutes")"#,
            r#"sleep(-1)"#,
            r#"sleep(0.0 / 0.0)"#,
        ],
    ),
    (
        "R29",
        "as a limit: ",
        &[
            r#"input.append(#{ limit: "nonsense" })"#,
            r#"input.append(#{ limit: "-1/s" })"#,
            r#"input.append(#{ limit: "1e400/s" })"#,
            r#"input.append(#{ limit: "0/s" })"#,
        ],
    ),
    ("R34", "a mark is a number of 32 bits", &[r#"input.append(#{ mark: 8589934591 })"#, r#"input.append(#{ mark: -1 })"#]),
    (
        "R43",
        "cannot use place ",
        &[
            "input.delete_at(0)",
            "input.delete_at(-1)",
            "input.delete_at(2147483648)",
            "input.replace(9, \"-j DROP\")",
            "input.insert(9, \"-j DROP\")",
        ],
    ),
    (
        "strict",
        "there is no such key",
        &[
            r#"input.append(#{ proto: "tcp", dprt: 1 })"#,
            r#"input.append(#{ recent: #{ sets: true } })"#,
            r#"input.append(#{ limit: #{ rates: "1/s" } })"#,
        ],
    ),
    (
        "strict",
        "cannot use ",
        &[
            "input.append(5)",
            "input.append(())",
            r#"iptables::table("nope")"#,
            r#"input.set_policy("REJECT")"#,
            r#"iptables::recent("a/b")"#,
            r#"iptables::recent("x").remove("1.2.3")"#,
        ],
    ),
];

/// Rules that are taken, each as the kernel then lists it.
pub(super) const TAKEN: &[(&str, &str, &str)] = &[
    ("R10", r#"#{ proto: "tcp", dport: 0 }"#, "-p tcp -m tcp --dport 0"),
    ("R11", r#"#{ proto: "tcp", dport: "026" }"#, "-p tcp -m tcp --dport 26"),
    ("R18", r#"#{ source: "1.2.3.4/8" }"#, "-s 1.0.0.0/8"),
    ("R24", r#""-j LOG --log-prefix xxxxxxxxxxxxxxxxxxxxxxxxxxxxx""#, "-j LOG --log-prefix xxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
    (
        "R25",
        r#"#{ comment: "; rm -rf / $(id) `id` | sh && x", jump: "DROP" }"#,
        r#"-m comment --comment "; rm -rf / $(id) `id` | sh && x" -j DROP"#,
    ),
    ("R26", r#"#{ comment: "-j", jump: "DROP" }"#, "-m comment --comment -j -j DROP"),
];

/// Rows that other tests prove.
pub(super) const ELSEWHERE: &[(&str, &str)] = &[
    ("R45", "kernel::guard"),
    ("R48", "kernel::rollback"),
    ("R49", "kernel::company::two_at_once_lose_nothing"),
    ("C01", "cli::a_misuse_exits_with_2_and_says_so_on_standard_error_only"),
    ("C02", "cli::what_is_no_recipe_is_refused_at_once"),
    ("C03", "cli::lost_output_is_no_success_and_no_panic"),
    ("C16", "kernel::confirm::who_confirms_too_late_or_elsewhere_is_told"),
    ("C17", "kernel::confirm::a_watcher_is_deaf_to_signals, and its neighbours"),
    ("C18", "kernel::confirm::deadlines_count_from_the_boot; the wall clock is not asked"),
    ("C05", "cli::borrowed_rights_are_refused"),
    ("C07", "cli::odd_words_are_carried_or_refused_but_never_mistaken"),
    ("C08", "cli"),
    ("C15", "kernel::company::a_later_run_that_builds_on_it_is_named"),
    ("C20", "kernel::company::the_holder_of_the_lock_is_named"),
    ("S11", "host::tests::imports_do_not_leave_the_folder"),
    ("S15", "cli::a_recipe_that_does_nothing_is_one"),
    ("S19", "kernel::rollback::a_script_that_throws_leaves_nothing, host::tests"),
    ("S21", "host::tests::host_functions_cannot_be_replaced"),
    ("S22", "host::tests: the language suite"),
];

/// Rows that the scripts of the hostile suite stand for.
pub(super) const HOSTILE: &[&str] =
    &["S01", "S02", "S03", "S04", "S05", "S06", "S07", "S08", "S09", "S10", "S12", "S13", "S14", "S16", "S17", "S18", "S20"];

/// Rows that no test proves yet, with the reason.
pub(super) const LATER: &[(&str, &str)] = &[
    ("R14", "sets of ports are values of a later room"),
    ("R15", "ports are reserved by a later room"),
    ("R30", "tc is a later room"),
    ("R31", "tc is a later room"),
    ("R44", "a million rules take minutes with a debug build"),
    ("C09", "nothing asks for a permission yet"),
    ("C10", "nothing asks for a permission yet"),
    ("C21", "nothing reads dumps of rtnetlink yet; those of nf_tables are proved in kernel::xtables"),
    ("C22", "there is no REPL yet"),
];
