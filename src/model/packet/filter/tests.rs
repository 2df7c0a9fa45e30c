use super::*;
use crate::model::packet::Value;

fn filter(entries: &[(&str, Value)]) -> Filter {
    Filter::read(&entries.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect::<Vec<_>>()).unwrap()
}

fn refused(key: &str, value: Value) -> String {
    let fault = Filter::read(&[(key.to_owned(), value)]).unwrap_err();
    format!("{fault}; {}", fault.hint.as_deref().unwrap_or_default())
}

#[test]
fn filters_are_told_in_the_words_of_tcpdump() {
    let told = |entries: &[(&str, Value)]| filter(entries).to_string();
    assert_eq!(told(&[]), "");
    assert_eq!(told(&[("host", Value::text("192.0.2.1")), ("port", Value::Number(80))]), "host 192.0.2.1 and port 80");
    assert_eq!(
        told(&[("src", Value::text("192.0.2.0/24")), ("dport", Value::text("80-90"))]),
        "src net 192.0.2.0/24 and dst portrange 80-90"
    );
    let two = Value::List(vec![Value::text("tcp"), Value::text("icmp")]);
    assert_eq!(told(&[("proto", two)]), "(ip proto 6 or ip6 proto 6) or ip proto 1");
    let not = Value::map([("port", Value::Number(22)), ("proto", Value::text("arp"))]);
    assert_eq!(told(&[("not", not), ("vlan", Value::Number(7))]), "vlan 7 and not (port 22 and arp)");
}

#[test]
fn what_is_no_filter_is_refused() {
    assert!(refused("famly", Value::text("ipv4")).ends_with("there is no such key; did you mean `family`?"));
    assert!(refused("host", Value::text("192.0.2.1/24")).contains("bits are set behind the first 24"));
    assert!(refused("port", Value::Number(65_536)).contains("a port is a number from 0 to 65535"));
    assert!(refused("port", Value::List(Vec::new())).contains("the list is empty"));
    assert!(refused("proto", Value::text("tpc")).contains("did you mean `tcp`?"));
    assert!(refused("proto", Value::text("ipv6")).ends_with("family: \"ipv6\""));
    assert!(refused("vlan", Value::Number(4096)).contains("from 0 to 4095"));
    assert!(refused("not", Value::Number(1)).contains("`not: #{ port: 22 }`"));
    let tag = filter(&[("vlan", Value::Number(1))]);
    assert!(tag.program(Begin::Ip).is_err() && tag.program(Begin::Cooked).is_ok());
}

#[test]
fn programs_jump_forwards_and_end() {
    let hosts = |count: u32| Value::List((0..count).map(|n| Value::Address(std::net::Ipv4Addr::from(n << 8).into())).collect());
    for entries in [&[][..], &[("host", hosts(1))], &[("host", hosts(60)), ("vlan", Value::Number(1))]] {
        for begin in [Begin::Frame, Begin::Cooked] {
            let program = filter(entries).program(begin).unwrap();
            for (at, ins) in program.iter().enumerate().filter(|(_, ins)| ins.code & 7 == 5) {
                let furthest = if ins.code == 5 { ins.k as usize } else { ins.jt.max(ins.jf).into() };
                assert!(at + 1 + furthest < program.len(), "{at}: {ins:?}");
            }
            assert_eq!(program.last().unwrap().code, 6);
        }
    }
    let fault = filter(&[("host", hosts(2000))]).program(Begin::Frame).unwrap_err();
    assert!(fault.why.ends_with("instructions, and the kernel takes 4096"), "{fault}");
}
