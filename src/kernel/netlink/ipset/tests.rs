#![allow(clippy::unwrap_used)]

use super::*;
use crate::kernel::netlink::message::answers;
use crate::model::ipset::{Definition, Member};

fn name(name: &str) -> SetName {
    name.parse().unwrap()
}

/// Sent by ipset 7.17 for `create home hash:net timeout 600 maxelem 1000 counters comment`.
#[rustfmt::skip]
const CREATE: &[u8] = &[
    100, 0, 0, 0,  0x02, 0x06,  0x05, 0x06,  9, 0, 0, 0,  0, 0, 0, 0, // CREATE; REQUEST | ACK | CREATE | EXCL
    2, 0, 0, 0,                                                       // AF_INET, NFNETLINK_V0
    5, 0, 1, 0,  7, 0, 0, 0,                                          // PROTOCOL
    9, 0, 2, 0,  b'h', b'o', b'm', b'e', 0, 0, 0, 0,                  // SETNAME
    13, 0, 3, 0,  b'h', b'a', b's', b'h', b':', b'n', b'e', b't', 0, 0, 0, 0, // TYPENAME
    5, 0, 4, 0,  7, 0, 0, 0,                                          // REVISION
    5, 0, 5, 0,  2, 0, 0, 0,                                          // FAMILY
    28, 0, 7, 0x80,                                                   // DATA
    8, 0, 6, 0x40,  0, 0, 2, 0x58,                                    //   TIMEOUT
    8, 0, 8, 0x40,  0, 0, 0, 0x18,                                    //   CADT_FLAGS: counters, comment
    8, 0, 0x13, 0x40,  0, 0, 3, 0xe8,                                 //   MAXELEM
];

/// Sent by `ipset restore` for two lines `add home 10.0.0.0/8` and `add home 10.1.0.0/16`.
#[rustfmt::skip]
const ADD: &[u8] = &[
    116, 0, 0, 0,  0x09, 0x06,  0x05, 0x02,  9, 0, 0, 0,  0, 0, 0, 0, // ADD; REQUEST | ACK | EXCL
    2, 0, 0, 0,
    5, 0, 1, 0,  7, 0, 0, 0,
    9, 0, 2, 0,  b'h', b'o', b'm', b'e', 0, 0, 0, 0,
    8, 0, 9, 0x40,  0, 0, 0, 1,                                       // LINENO of the first
    68, 0, 8, 0x80,                                                   // ADT
    32, 0, 7, 0x80,                                                   //   DATA
    12, 0, 1, 0x80,  8, 0, 1, 0x40,  10, 0, 0, 0,                     //     IP: IPADDR_IPV4
    5, 0, 3, 0,  8, 0, 0, 0,                                          //     CIDR
    8, 0, 9, 0x40,  0, 0, 0, 1,                                       //     LINENO
    32, 0, 7, 0x80,
    12, 0, 1, 0x80,  8, 0, 1, 0x40,  10, 1, 0, 0,
    5, 0, 3, 0,  16, 0, 0, 0,
    8, 0, 9, 0x40,  0, 0, 0, 2,
];

/// Sent inside of DATA by `ipset add home 192.0.2.0/24 timeout 60 comment hi nomatch`.
#[rustfmt::skip]
const ENTRY: &[u8] = &[
    12, 0, 1, 0x80,  8, 0, 1, 0x40,  192, 0, 2, 0,
    5, 0, 3, 0,  24, 0, 0, 0,
    8, 0, 6, 0x40,  0, 0, 0, 60,                                      // TIMEOUT
    8, 0, 8, 0x40,  0, 0, 0, 4,                                       // CADT_FLAGS: nomatch
    7, 0, 0x1a, 0,  b'h', b'i', 0, 0,                                 // COMMENT
];

/// The kernel's listing of a set made like that, with one element.
#[rustfmt::skip]
const LISTED: &[u8] = &[
    2, 0, 0, 0,
    5, 0, 1, 0,  7, 0, 0, 0,
    9, 0, 2, 0,  b'h', b'o', b'm', b'e', 0, 0, 0, 0,
    13, 0, 3, 0,  b'h', b'a', b's', b'h', b':', b'n', b'e', b't', 0, 0, 0, 0,
    5, 0, 5, 0,  2, 0, 0, 0,
    5, 0, 4, 0,  7, 0, 0, 0,
    6, 0, 0xb, 0x40,  0, 0, 0, 0,                                     // INDEX
    76, 0, 7, 0x80,
    8, 0, 0x12, 0x40,  0, 0, 4, 0,                                    //   HASHSIZE
    8, 0, 0x13, 0x40,  0, 0, 3, 0xe8,                                 //   MAXELEM
    5, 0, 0x15, 0,  12, 0, 0, 0,                                      //   BUCKETSIZE
    8, 0, 0x11, 0x40,  0x9a, 0x21, 0x91, 2,                           //   INITVAL
    8, 0, 0x19, 0x40,  0, 0, 0, 0,                                    //   REFERENCES
    8, 0, 0x1a, 0x40,  0, 0, 3, 0x2b,                                 //   MEMSIZE
    8, 0, 0x18, 0x40,  0, 0, 0, 1,                                    //   ELEMENTS
    8, 0, 6, 0x40,  0, 0, 2, 0x58,                                    //   TIMEOUT
    8, 0, 8, 0x40,  0, 0, 0, 0x18,                                    //   CADT_FLAGS
    76, 0, 8, 0x80,
    72, 0, 7, 0x80,
    12, 0, 1, 0x80,  8, 0, 1, 0,  192, 0, 2, 0,                       //     without NLA_F_NET_BYTEORDER
    5, 0, 3, 0,  24, 0, 0, 0,
    8, 0, 8, 0x40,  0, 0, 0, 4,
    8, 0, 6, 0x40,  0, 0, 0, 59,
    12, 0, 0x18, 0x40,  0, 0, 0, 0, 0, 0, 0, 0,                       //     BYTES
    12, 0, 0x19, 0x40,  0, 0, 0, 0, 0, 0, 0, 2,                       //     PACKETS
    7, 0, 0x1a, 0,  b'h', b'i', 0, 0,
];

fn home() -> Definition {
    "hash:net timeout 600 maxelem 1000 counters comment".parse().unwrap()
}

fn members(set: &str, text: &str) -> Vec<Member> {
    set.parse::<Definition>().unwrap().members(text).unwrap()
}

#[test]
fn a_set_is_made_in_the_words_of_ipset() {
    let mut messages = Messages::new();
    assert_eq!(write::order(&mut messages, &[Step::Create(name("home"), home())], 9, 7, 7), 1);
    assert_eq!(messages.bytes(), CREATE);
}

#[test]
fn elements_of_a_set_go_in_one_message() {
    let add = |set: &str, text: &str| Step::Add(name(set), members("hash:net", text).remove(0), None);
    let steps = [add("home", "10.0.0.0/8"), add("home", "10.1.0.0/16"), add("other", "10.0.0.0/8")];
    let mut messages = Messages::new();
    assert_eq!(write::order(&mut messages, &steps, 9, 7, 0), 2);
    assert_eq!(messages.bytes(), ADD);
}

#[test]
fn what_is_kept_about_an_element_is_said_in_the_words_of_ipset() {
    let member = home().members("192.0.2.0/24 timeout 60 comment hi nomatch").unwrap().remove(0);
    let mut messages = Messages::new();
    write::one(&mut messages, &member.element, Some(&member.entry), None);
    assert_eq!(messages.bytes(), ENTRY);
}

#[test]
fn a_message_is_never_longer_than_its_length_can_say() {
    let comment = "x".repeat(255);
    let all = members("hash:ip comment", &format!("10.0.0.0/20 comment {comment}"));
    let steps: Vec<_> = all.into_iter().map(|member| Step::Put(name("a"), member)).collect();
    let mut messages = Messages::new();
    let taken = write::order(&mut messages, &steps, 1, 7, 0);
    assert!((50..steps.len()).contains(&taken) && messages.bytes().len() < 60_000);
    let body = answers(messages.bytes()).next().unwrap().body.to_vec();
    assert_eq!(attributes(find(&body[4..], attribute::ADT).unwrap()).count(), taken);
}

#[test]
fn a_listing_is_read() {
    let mut reader = read::Reader::default();
    reader.message(LISTED);
    let sets = reader.sets();
    let set = &sets.sets[&name("home")];
    assert!(set.definition.agrees(&home()));
    assert_eq!((set.definition.tuning.initval, set.about.memory), (Some(0x9a21_9102), 811));
    let shown: Vec<_> = set.members.iter().map(|(element, entry)| format!("{element}{entry}")).collect();
    assert_eq!(shown, ["192.0.2.0/24 timeout 59 nomatch packets 2 bytes 0 comment \"hi\""]);
}

#[test]
fn what_is_not_understood_is_named_and_not_guessed() {
    let mut body = LISTED.to_vec();
    let at = body.windows(3).position(|part| part == b"net").unwrap();
    body[at..at + 3].copy_from_slice(b"moo");
    let mut reader = read::Reader::default();
    reader.message(&body);
    assert_eq!(reader.sets().opaque["home"], "its type \"hash:moo\" is not known");
}

proptest::proptest! {
    #[test]
    fn no_bytes_are_too_odd_to_be_read(at in 0..LISTED.len(), byte: u8) {
        let mut body = LISTED.to_vec();
        body[at] = byte;
        let mut reader = read::Reader::default();
        reader.message(&body);
        reader.message(&body[at..]);
        let _ = reader.sets();
    }
}
