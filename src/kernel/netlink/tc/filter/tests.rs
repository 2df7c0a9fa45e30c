#![allow(clippy::unwrap_used)]

use super::tool::{self, Sent};
use super::*;
use crate::kernel::netlink::message::answers;
use crate::model::tc::action::{self, Key as ActionKey};
use crate::model::tc::filter::{Command, Verb};

/// The one device of a fresh namespace.
pub(super) struct Lo;

impl Links for Lo {
    fn name(&self, index: u32) -> Option<String> {
        (index == 1).then(|| "lo".to_owned())
    }

    fn index(&self, name: &str) -> Option<u32> {
        (name == "lo").then_some(1)
    }
}

/// What is sent for a command about a filter, without any number that is chosen of what is there.
pub(super) fn filter_of(command: &Command) -> Result<Sent, Fault> {
    let nothing = Filter::new("", 0, Attributes::default(), Vec::new());
    let filter = command.filter.as_ref().unwrap_or(&nothing);
    let key = Key {
        parent: command.place.parent.unwrap_or(Handle::NONE),
        chain: 0,
        looks: !filter::is_table(command.handle),
        prio: command.place.prio.unwrap_or(0),
        protocol: command.told_protocol(),
        handle: command.handle,
    };
    let deed = match command.verb {
        Verb::Add => Deed::Add,
        Verb::Change => Deed::Change,
        Verb::Replace => Deed::Replace,
        Verb::Delete => Deed::Del,
    };
    let order = Order::filter(deed, 1, &key, filter, None, &Lo)?;
    let mut messages = Messages::new();
    order.write(&mut messages, 1);
    Ok(sent(&messages))
}

/// What is sent for a command about actions, one after the other.
pub(super) fn actions_of(command: &action::Command) -> Result<Vec<Sent>, Fault> {
    let one = |write: &dyn Fn(&mut Messages) -> Result<(), Fault>| {
        let mut messages = Messages::new();
        write(&mut messages).map(|()| sent(&messages))
    };
    match command {
        action::Command::Set(verb, list) => {
            let deed = if *verb == Verb::Add { Deed::Add } else { Deed::Replace };
            list.iter().map(|action| one(&|m| set_action(m, 1, deed, action, &Lo))).collect()
        }
        action::Command::Delete(keys) => keys
            .iter()
            .map(|key: &ActionKey| {
                one(&|m| {
                    del_action(m, 1, &key.kind, key.index);
                    Ok(())
                })
            })
            .collect(),
        action::Command::Flush(_) => Ok(Vec::new()),
    }
}

fn sent(messages: &Messages) -> Sent {
    let answer = answers(messages.bytes()).next().unwrap();
    Sent { kind: answer.kind, body: answer.body.to_vec() }
}

/// Says what of one message is not in the other, and what is in the other only. Types are compared without their flags, and in any order. Of what
/// is taken away only the head counts.
pub(super) fn differences(head: usize, theirs: &Sent, ours: &Sent) -> Vec<String> {
    let mut found = Vec::new();
    if theirs.kind != ours.kind {
        found.push(format!("type {}, not {}", ours.kind, theirs.kind));
    }
    let is_del = theirs.kind == Noun::Filter.del();
    let (theirs, ours) = (&theirs.body, &ours.body);
    if theirs.get(..head) != ours.get(..head) {
        found.push(format!("head {:02x?}, not {:02x?}", &ours[..head], &theirs[..head]));
    }
    if is_del {
        return found;
    }
    differ(&Attributes::read(&theirs[head..]), &Attributes::read(&ours[head..]), "", &mut found);
    found
}

fn differ(theirs: &Attributes, ours: &Attributes, path: &str, found: &mut Vec<String>) {
    let (mut theirs, mut ours) = (theirs.clone(), ours.clone());
    theirs.sort();
    ours.sort();
    let (theirs, ours): (Vec<_>, Vec<_>) = (theirs.iter().collect(), ours.iter().collect());
    let kinds = |list: &[(u16, &[u8])]| list.iter().map(|(kind, _)| *kind).collect::<Vec<_>>();
    if kinds(&theirs) != kinds(&ours) {
        found.push(format!("{path}: {:?}, not {:?}", kinds(&ours), kinds(&theirs)));
        return;
    }
    for ((kind, theirs), (_, ours)) in theirs.into_iter().zip(ours) {
        // How often a mark was found tc(8) leaves to chance.
        let is_mark = path == "/2" && kind == 10 && theirs.len() == 12;
        let (theirs, ours) = if is_mark { (&theirs[..8], &ours[..8]) } else { (theirs, ours) };
        if theirs != ours {
            let path = format!("{path}/{kind}");
            match (whole(theirs), whole(ours)) {
                (Some(theirs), Some(ours)) => differ(&theirs, &ours, &path, found),
                _ => found.push(format!("{path}: {ours:02x?}, not {theirs:02x?}")),
            }
        }
    }
}

/// Reads bytes as attributes, if they are nothing else.
fn whole(bytes: &[u8]) -> Option<Attributes> {
    let read = Attributes::read(bytes);
    let is_whole = !read.is_empty() && read.bytes().len() == bytes.len() && read.iter().all(|(kind, _)| kind > 0 && kind < 128);
    is_whole.then_some(read)
}

const FILTERS: &[&str] = &[
    "add dev lo parent 1: protocol ip prio 1 u32 match ip dst 10.0.0.1 flowid 1:1",
    "add dev lo parent 1: protocol ip prio 1 u32 match ip src 10.0.0.0/8 match ip dport 80 0xffff flowid 1:10",
    "add dev lo parent 1: protocol ip prio 1 u32 match ip sport 53 0xffff match ip protocol 17 0xff classid 1:2",
    "add dev lo parent 1: protocol ip u32 match ip tos 0x10 0xff match ip ihl 0x5 0xf flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match ip nofrag match ip icmp_type 8 0xff flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match ip firstfrag flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match ip df flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match ip mf flowid 1:1",
    "add dev lo parent 1: protocol ipv6 prio 2 u32 match ip6 dst 2001:db8::/32 flowid 1:1",
    "add dev lo parent 1: protocol ipv6 u32 match ip6 src 2001:db8:1:2::3/128 match ip6 dport 443 0xffff flowid 1:1",
    "add dev lo parent 1: protocol ipv6 u32 match ip6 src 2001:db8:1:2::/63 match ip6 priority 0x10 0xff flowid 1:1",
    "add dev lo parent 1: protocol ipv6 u32 match ip6 flowlabel 0x12345 0xfffff match ip6 protocol 6 0xff flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match tcp dst 22 0xffff match tcp src 1024 0xfc00 flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match udp dst 53 0xffff flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match icmp type 8 0xff match icmp code 0 0xff flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match u32 0x0a000001 0xffffffff at 16 flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match u16 0x0050 0xffff at 22 match u8 0x06 0xff at 9 flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match u8 0x10 0xff at nexthdr+13 flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match u16 0x16 0xffff at nexthdr+2 flowid 1:1",
    "add dev lo parent 1: protocol all u32 match ether src 02:00:00:00:00:01 flowid 1:1",
    "add dev lo parent 1: protocol all u32 match ether dst 02:00:00:00:00:01 flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match mark 0x10 0xff flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match ip src any flowid 1:1",
    "add dev lo parent 1: prio 5 handle 2: u32 divisor 256",
    "add dev lo parent 1: protocol ip prio 5 u32 ht 2:7: match ip src 10.0.0.7 flowid 1:1",
    "add dev lo parent 1: protocol ip prio 5 u32 ht 800:: match ip src 10.0.0.0/24 hashkey mask 0x000000ff at 12 link 2:",
    "add dev lo parent 1: protocol ip prio 5 u32 ht 2: sample ip src 10.0.0.7 match ip src 10.0.0.7 flowid 1:1",
    "add dev lo parent 1: protocol ip prio 5 u32 ht 2: sample u32 0x10203040 ff00ff match u8 0 0 classid 1:1",
    "add dev lo parent 1: protocol ip prio 5 u32 match ip protocol 6 0xff link 1: offset at 0 mask 0x0f00 shift 6 plus 0 eat",
    "add dev lo parent 1: protocol ip prio 5 u32 order 5 match u8 0 0 flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match u8 0 0 indev lo flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match u8 0 0 skip_hw flowid 1:1",
    "add dev lo parent 1: protocol ip u32 match u8 0 0 police rate 1mbit burst 10k drop flowid 1:1",
    "add dev lo ingress protocol ip u32 match u8 0 0 action drop",
    "add dev lo ingress protocol ip u32 match u8 0 0 action mirred egress redirect dev lo",
    "add dev lo ingress protocol ip u32 match u8 0 0 action mirred egress mirror dev lo pipe action drop",
    "add dev lo egress protocol ip u32 match u8 0 0 action mirred ingress redirect dev lo",
    "add dev lo ingress protocol ip u32 match u8 0 0 action mirred ingress mirror dev lo continue index 7",
    "replace dev lo ingress protocol ip prio 3 handle ::800 u32 match u8 0 0 action pass",
    "change dev lo ingress protocol ip prio 3 handle 1 flower action pass",
    "del dev lo parent 1: protocol ip prio 1 u32",
    "del dev lo ingress prio 1 handle 1 flower",
    "add dev lo ingress matchall action drop",
    "add dev lo ingress prio 7 handle 3 matchall skip_sw classid 1:1 action pass",
    "add dev lo ingress matchall action police rate 1mbit burst 10k conform-exceed drop/pass",
    "add dev lo ingress matchall action police rate 10gbit burst 1m mtu 64kb conform-exceed drop / pipe",
    "add dev lo ingress matchall action police rate 100gbit burst 10m drop",
    "add dev lo ingress matchall action police rate 1mbit burst 10k peakrate 2mbit mtu 1500 overhead 14 mpu 64 linklayer atm reclassify",
    "add dev lo ingress matchall action police avrate 1mbit mtu 2k continue",
    "add dev lo ingress matchall action police pkts_rate 1000 pkts_burst 200 conform-exceed drop",
    "add dev lo ingress matchall action police index 5",
    "add dev lo ingress matchall action gact drop random netrand pass 5",
    "add dev lo ingress matchall action pass random determ drop 100 index 9",
    "add dev lo ingress matchall action goto chain 42",
    "add dev lo ingress matchall action jump 2 action drop action trap",
    "add dev lo ingress matchall action gact index 12",
    "add dev lo ingress matchall action skbedit mark 5 pipe action skbedit priority 1:10 queue_mapping 3",
    "add dev lo ingress matchall action skbedit mark 0x5/0xff ptype host inheritdsfield pass index 2",
    "add dev lo ingress matchall action vlan pop",
    "add dev lo ingress matchall action vlan push id 100",
    "add dev lo ingress matchall action vlan push id 100 protocol 802.1ad priority 5 pipe",
    "add dev lo ingress matchall action vlan modify id 7 protocol 802.1Q",
    "add dev lo ingress matchall action vlan push_eth dst_mac 02:00:00:00:00:01 src_mac 02:00:00:00:00:02",
    "add dev lo ingress matchall action nat egress 10.0.0.0/8 192.0.2.1 pass",
    "add dev lo ingress matchall action nat ingress 192.0.2.1/32 10.0.0.1",
    "add dev lo ingress matchall action csum ip4h and tcp or udp pipe index 3",
    "add dev lo ingress matchall action connmark zone 5 continue index 8",
    "add dev lo ingress matchall action ctinfo dscp 0xfc000000 0x01000000 cpmark 0xff zone 3 pass",
    "add dev lo ingress matchall action ctinfo cpmark",
    "add dev lo ingress matchall action ct commit zone 7 mark 0x42/0xf0 nat src addr 192.0.2.1-192.0.2.9 port 1000-2000 pipe",
    "add dev lo ingress matchall action ct commit force nat dst addr 2001:db8::1 port 80",
    "add dev lo ingress matchall action ct clear",
    "add dev lo ingress matchall action ct label 0011/00ff zone 1",
    "add dev lo ingress matchall action sample rate 100 group 5 trunc 128",
    "add dev lo ingress matchall action tunnel_key set src_ip 192.0.2.1 dst_ip 192.0.2.2 id 42 dst_port 4789 nocsum tos 0x10 ttl 64",
    "add dev lo ingress matchall action tunnel_key set src_ip 2001:db8::1 dst_ip 2001:db8::2 id 42 geneve_opts 0102:80:00880022,0408:42:00400076",
    "add dev lo ingress matchall action tunnel_key set src_ip 192.0.2.1 dst_ip 192.0.2.2 id 1 vxlan_opts 0x1234",
    "add dev lo ingress matchall action tunnel_key set src_ip 192.0.2.1 dst_ip 192.0.2.2 id 1 erspan_opts 2:0:1:4",
    "add dev lo ingress matchall action tunnel_key unset",
    "add dev lo ingress matchall action pedit munge offset 12 u32 set 0x90abcdef",
    "add dev lo ingress matchall action pedit ex munge ip ttl decrement munge tcp dport set 22 pipe action csum ip and tcp",
    "add dev lo ingress matchall action pedit ex munge eth dst set 02:00:00:00:00:01 munge eth src set 02:00:00:00:00:02",
    "add dev lo ingress matchall action ife encode allow mark use prio 5 type 0xed3e dst 02:00:00:00:00:01 pipe",
    "add dev lo ingress matchall action ife decode reclassify",
    "add dev lo ingress matchall action gate base-time 200s cycle-time 2ms clockid TAI sched-entry open 1ms -1 8000 sched-entry close 1ms",
    "add dev lo ingress matchall action bpf bytecode '1,6 0 0 4294967295' drop index 4",
    "add dev lo ingress matchall action drop cookie aabbcc hw_stats delayed no_percpu skip_hw",
    "add dev lo parent 1: handle 6 fw classid 1:6",
    "add dev lo parent 1: protocol ip prio 2 handle 0x6/0xff fw classid 1:6 indev lo",
    "add dev lo parent 1: handle 7 fw action drop",
    "add dev lo parent 1: protocol ip prio 2 basic match 'cmp(u16 at 3 layer 2 mask 0xff00 gt 20)' classid 1:1",
    "add dev lo parent 1: basic match 'meta(nf_mark mask 0xf eq 4) and not (u32(u16 0x1122 0xffff at nexthdr+4) or nbyte(\"ab\\x20c\" at 12 layer 1))' classid 1:1",
    "add dev lo parent 1: basic match 'meta(pkt_len gt 1000)' and 'not meta(priority eq 3)' classid 1:1",
    "add dev lo parent 1: basic match '(cmp(u8 at 0 eq 1) and cmp(u8 at 1 eq 2)) or (cmp(u8 at 2 lt 3) and (cmp(u8 at 3 trans eq 4) or cmp(u32 at 4 eq 5)))' flowid 1:1",
    "add dev lo parent 1: handle 5 basic police rate 1mbit burst 10k drop classid 1:1",
    "add dev lo parent 1: protocol ip handle 1 cgroup",
    "add dev lo parent 1: protocol ip handle 1 cgroup match 'meta(rt_iif eq 1)' action drop",
    "add dev lo parent 1: protocol ip prio 100 route from 1 to 10 classid 1:10",
    "add dev lo parent 1: protocol ip prio 100 route fromif lo to 10 classid 1:10",
    "add dev lo parent 1: protocol ip prio 100 route to 7 classid 1:10 action pass",
    "add dev lo parent 1: protocol ip handle 1 prio 1 flow map key dst and 0xff",
    "add dev lo parent 1: protocol ip handle 1 prio 1 flow map key dst or 0xff xor 0xf0 rshift 2 addend -5 divisor 16 baseclass 1:1",
    "add dev lo parent 1: protocol ip handle 1 prio 1 flow hash keys src,dst,proto,proto-dst divisor 1024 perturb 10",
    "add dev lo parent 1: protocol ip prio 1 bpf bytecode '4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0' flowid 1:1",
    "add dev lo ingress protocol ip bpf run bytecode '1,6 0 0 0' direct-action skip_hw action drop",
    "add dev lo ingress protocol ip flower",
    "add dev lo ingress protocol ip prio 9 handle 0x10 flower ip_proto tcp dst_ip 192.0.2.0/24 src_ip 10.0.0.1 dst_port 80 src_port 1024-2048 action drop",
    "add dev lo ingress protocol ipv6 flower ip_proto udp dst_ip 2001:db8::/33 dst_port 53/0xfff0 classid 1:1",
    "add dev lo ingress protocol ip flower ip_proto icmp type 8 code 0/15 action drop",
    "add dev lo ingress protocol ipv6 flower ip_proto icmpv6 type 128 action drop",
    "add dev lo ingress protocol ip flower ip_proto sctp src_port 7 ip_tos 0x10/ff ip_ttl 64 ip_flags nofirstfrag/frag action drop",
    "add dev lo ingress protocol ip flower ip_proto 2f action drop",
    "add dev lo ingress protocol all flower dst_mac 02:00:00:00:00:01/24 src_mac 02:00:00:00:00:02/ff:ff:00:00:00:00 indev lo action drop",
    "add dev lo ingress protocol ip flower ip_proto tcp tcp_flags 0x12/0x17 verbose action drop",
    "add dev lo ingress protocol 802.1Q flower vlan_id 100 vlan_prio 3 vlan_ethtype ipv4 dst_ip 192.0.2.1 action drop",
    "add dev lo ingress protocol 802.1ad flower vlan_id 1 vlan_ethtype 802.1q cvlan_id 2 cvlan_prio 1 cvlan_ethtype ip ip_proto tcp action drop",
    "add dev lo ingress protocol all flower num_of_vlans 2 vlan_id 5 action drop",
    "add dev lo ingress protocol arp flower arp_op request arp_tip 192.0.2.1 arp_sip 10.0.0.0/8 arp_sha 02:00:00:00:00:01 arp_tha 00:00:00:00:00:00 action drop",
    "add dev lo ingress protocol mpls_uc flower mpls_label 100 mpls_tc 3 mpls_bos 1 mpls_ttl 64 action drop",
    "add dev lo ingress protocol mpls_uc flower mpls lse depth 1 label 7 ttl 5 lse depth 2 tc 1 bos 1 action drop",
    "add dev lo ingress protocol ip flower ct_state +trk+est-inv ct_zone 5/0xff ct_mark 0x10/0xf0 ct_label 0011/00ff action drop",
    "add dev lo ingress protocol ip flower enc_dst_ip 192.0.2.1 enc_src_ip 192.0.2.0/24 enc_key_id 42 enc_dst_port 4789 enc_tos 8 enc_ttl 64/f0 action drop",
    "add dev lo ingress protocol ip flower enc_dst_ip 2001:db8::1 geneve_opts 0102:80:00800022,0408:42:00400076 action drop",
    "add dev lo ingress protocol ip flower vxlan_opts 0x10/0xff action drop",
    "add dev lo ingress protocol ip flower erspan_opts 1:7:: action drop",
    "add dev lo ingress protocol ip flower gtp_opts 01:0a/ff:ff action drop",
    "add dev lo ingress protocol ppp_ses flower pppoe_sid 7 ppp_proto ip dst_ip 192.0.2.1 action drop",
    "add dev lo parent 1:2 protocol ip flower hw_tc 3",
];

const ACTIONS: &[&str] = &[
    "add action police rate 1mbit burst 10k index 1",
    "add action drop index 5",
    "add action gact pass random determ drop 10 index 6 cookie 0102",
    "replace action mirred egress redirect dev lo index 3",
    "change action skbedit mark 7/0xff index 4",
    "del action gact index 5",
    "add action vlan push id 5 index 9 no_percpu",
];

/// What the installed tool sends for a command, to the byte, fyke sends; and what is shown of it is read as the same.
#[test]
fn what_tc_sends_for_filters_is_sent() {
    if !tool::is_there() {
        return;
    }
    let lines: Vec<String> = FILTERS.iter().map(|line| format!("filter {line}")).collect();
    let found = tool::sends(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let mut faults = Vec::new();
    for (line, theirs) in FILTERS.iter().zip(found) {
        let Some(theirs) = theirs else {
            faults.push(format!("tc refuses {line}"));
            continue;
        };
        let command: Command = match line.parse() {
            Ok(command) => command,
            Err(fault) => {
                faults.push(format!("{line}\n    {fault}"));
                continue;
            }
        };
        let ours = filter_of(&command).unwrap();
        let odd = differences(Head::SIZE, &theirs, &ours);
        if !odd.is_empty() {
            faults.push(format!("{line}\n    {}", odd.join("\n    ")));
        }
        faults.extend(comes_back(line, &command, &theirs));
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), FILTERS.len(), faults.join("\n"));
}

/// Reads what tc(8) has sent as if the kernel told it, shows it, reads what is shown, and says where something got lost.
pub(super) fn comes_back(line: &str, command: &Command, theirs: &Sent) -> Option<String> {
    let asked = command.filter.as_ref()?;
    let (key, mut told) = Listed::read(&theirs.body)?.parts(command.place.parent.unwrap_or_default(), 0, &Lo);
    if command.verb == Verb::Delete {
        return None;
    }
    // The kernel tells the bucket in the handle.
    let mut wanted = asked.clone();
    wanted.options.drop(if asked.kind == "u32" { &[2] } else { &[] });
    if !told.agrees(&wanted) {
        return Some(format!("{line}\n    is read as {told:?}\n    and not as {wanted:?}"));
    }
    told.options.clone_from(&asked.options);
    let shown = format!("handle {} {}", key.words(Some(&told)).rsplit(' ').next()?, told.words(&key));
    let again = Command::of(Verb::Add, command.place.clone(), &shown);
    match again {
        Ok(again) if again.filter.as_ref().is_some_and(|again| again.agrees(asked)) => None,
        other => Some(format!("{line}\n    is shown as {shown}\n    and that is read as {other:?}")),
    }
}

#[test]
fn what_tc_sends_for_actions_is_sent() {
    if !tool::is_there() {
        return;
    }
    let lines: Vec<String> = ACTIONS.iter().map(|line| format!("actions {line}")).collect();
    let found = tool::sends(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    for (line, theirs) in ACTIONS.iter().zip(found) {
        let ours = actions_of(&line.parse().unwrap()).unwrap().remove(0);
        let theirs = theirs.unwrap_or_else(|| panic!("tc refuses {line}"));
        assert_eq!(differences(4, &theirs, &ours), Vec::<String>::new(), "{line}");
    }
}
