//! What is going to be changed is in the journal before the kernel hears of it.

use std::fs;

use rusqlite::{Connection, OpenFlags};

use super::sweep::Stage;
use super::tracer::Entry;

/// The beginning of a batch for nf_tables (linux/netfilter/nfnetlink.h).
const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
/// The messages of ipset that change something: create, destroy, flush, rename, swap, add and del (linux/netfilter/ipset/ip_set.h).
const SETS_CHANGE: [u16; 7] = [2, 3, 4, 5, 6, 9, 10];
const NFNL_SUBSYS_IPSET: u16 = 6;
/// What replaces a table of x_tables, in either family (linux/netfilter/x_tables.h).
const XT_SO_SET_REPLACE: u64 = 64;

/// Looks into the journal, as another process sees it, at each call that changes the kernel.
pub(super) fn of_a_run(stage: &Stage<'_>) {
    for words in [stage.run(), vec!["undo", "last"]] {
        let (mut seen, mut lacking) = (0, Vec::new());
        let trace = stage.watch(&words, &mut |entry| {
            if changes(entry) && entry.is_here() {
                seen += 1;
                if intended() == 0 {
                    lacking.push(entry.call.to_string());
                }
            }
        });
        println!("{} of {stage}: calls that change something {seen}, in the journal before {}", words[0], seen - lacking.len());
        assert_eq!((trace.said.code, lacking), (Some(0), Vec::new()), "{:?}", trace.said);
        assert!(seen > 0);
    }
    stage.reset();
}

/// Tells whether a call changes what iptables sets, a set, a link, a route, a queue, a kernel parameter, a control group or the name of a namespace, or starts a
/// program that is going to.
fn changes(entry: &Entry) -> bool {
    let [first, second, third] = entry.arguments();
    match entry.call.number {
        libc::SYS_sendto => begins_a_batch(entry, second),
        libc::SYS_sendmsg => begins_a_batch(entry, pointer(entry, pointer(entry, second + 16))),
        libc::SYS_setsockopt => [libc::IPPROTO_IP, libc::IPPROTO_IPV6].contains(&(second as i32)) && third == XT_SO_SET_REPLACE,
        libc::SYS_write => fs::read_link(format!("/proc/{}/fd/{first}", entry.thread))
            .is_ok_and(|path| path.starts_with("/proc/sys/net") || path.ends_with("cgroup.procs")),
        libc::SYS_mount => is_of_namespaces(&text(entry, second)),
        libc::SYS_umount2 => is_of_namespaces(&text(entry, first)),
        libc::SYS_execve => text(entry, first).ends_with("-restore"),
        // Only groups are made and taken away in this way; programs are attached and detached.
        libc::SYS_mkdirat | libc::SYS_unlinkat => true,
        libc::SYS_bpf => [8, 9].contains(&first),
        _ => false,
    }
}

/// Tells whether a namespace is mounted on this file, or kept aside there.
fn is_of_namespaces(path: &str) -> bool {
    ["/run/netns/", "/run/fyke/netns/"].iter().any(|folder| path.starts_with(folder))
}

/// The messages of rtnetlink (linux/rtnetlink.h): of each four, the first makes, the second takes away, the third asks, the fourth sets.
const RTM: std::ops::Range<u16> = 16..96;
const RTM_ASKS: u16 = 2;
const NLM_F_DUMP: u16 = libc::NLM_F_DUMP as u16;

/// Tells whether a netlink message begins a batch for nf_tables, or changes sets, links, routes, rules or queues.
fn begins_a_batch(entry: &Entry, at: u64) -> bool {
    let mut head = [0; 8];
    let whole = entry.memory(at, &mut head) == head.len();
    let (kind, flags) = (u16::from_ne_bytes([head[4], head[5]]), u16::from_ne_bytes([head[6], head[7]]));
    // A list is asked for by sock_diag(7) with a number that makes an address here.
    let asks = flags & NLM_F_DUMP == NLM_F_DUMP;
    let of_routes = RTM.contains(&kind) && kind & 3 != RTM_ASKS && !asks;
    whole && (kind == NFNL_MSG_BATCH_BEGIN || of_routes || (kind >> 8 == NFNL_SUBSYS_IPSET && SETS_CHANGE.contains(&(kind & 0xff))))
}

fn pointer(entry: &Entry, at: u64) -> u64 {
    let mut bytes = [0; 8];
    entry.memory(at, &mut bytes);
    u64::from_ne_bytes(bytes)
}

fn text(entry: &Entry, at: u64) -> String {
    let mut bytes = [0; 64];
    let read = entry.memory(at, &mut bytes);
    bytes[..read].split(|byte| *byte == 0).next().map(|text| String::from_utf8_lossy(text).into_owned()).unwrap_or_default()
}

/// Counts the batches that are written down and not yet done.
fn intended() -> i64 {
    let Ok(journal) = Connection::open_with_flags("/run/fyke/journal", OpenFlags::SQLITE_OPEN_READ_ONLY) else { return 0 };
    let sql = "SELECT count(*) FROM batches JOIN runs ON runs.id = run WHERE batches.state = 'intended' AND runs.state = 'running'";
    journal.query_row(sql, [], |row| row.get(0)).unwrap_or(0)
}
