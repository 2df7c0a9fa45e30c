//! What ip(8) lists of a namespace, as text in which equal states are equal.

use serde_json::Value;

use super::world::tool;

/// Gives what ip(8) lists of links, addresses, neighbours, routes and rules, each as a line of its own, sorted: without what the kernel makes and
/// changes by itself.
pub(crate) fn links() -> Vec<String> {
    let list =
        |words: &[&str]| -> Vec<Value> { serde_json::from_str(&tool("ip", &[&["-j", "-d"], words].concat(), "")).unwrap_or_default() };
    let mut lines = Vec::new();
    let mut add = |what: &str, value: &Value| lines.push(format!("{what} {value}"));
    for mut link in list(&["address"]) {
        let addresses = link.as_object_mut().unwrap().remove("addr_info").unwrap_or_default();
        add("link", &plain_link(&link));
        for mut address in addresses.as_array().cloned().unwrap_or_default() {
            let of_kernel = address["scope"] == "link" && address["family"] == "inet6";
            ["tentative", "dadfailed", "protocol"].into_iter().for_each(|volatile| drop(address.as_object_mut().unwrap().remove(volatile)));
            if !of_kernel {
                add(&format!("address of {}", link["ifindex"]), &address);
            }
        }
    }
    for family in ["-4", "-6"] {
        for mut route in list(&[family, "route", "show", "table", "all"]) {
            route.as_object_mut().unwrap().remove("flags");
            if !["kernel", "ra"].iter().any(|proto| route["protocol"] == **proto) {
                add("route", &route);
            }
        }
        list(&[family, "rule"]).iter().for_each(|rule| add("rule", rule));
    }
    list(&["neighbour", "show", "nud", "permanent"]).iter().for_each(|neighbour| add("neighbour", neighbour));
    lines.sort();
    lines
}

/// Leaves of a link what somebody can set.
fn plain_link(link: &Value) -> Value {
    let mut plain = serde_json::Map::new();
    for key in ["ifindex", "ifname", "link", "link_index", "mtu", "master", "txqlen", "address", "ifalias", "promiscuity"] {
        link.get(key).into_iter().for_each(|value| drop(plain.insert(key.to_owned(), value.clone())));
    }
    let chosen = ["UP", "NOARP", "PROMISC", "MULTICAST", "ALLMULTI"];
    let flags = link["flags"].as_array().into_iter().flatten().filter(|flag| chosen.iter().any(|chosen| **flag == **chosen));
    plain.insert("flags".into(), flags.cloned().collect());
    let moving = |key: &str| ["timer", "_id", "topology", "root", "fdb_n"].iter().any(|part| key.contains(part));
    let mut info = link["linkinfo"].clone();
    if let Some(data) = info.get_mut("info_data").and_then(Value::as_object_mut) {
        data.retain(|key, _| !moving(key) || key == "id");
    }
    info.as_object_mut().into_iter().for_each(|info| drop(info.remove("info_slave_data")));
    plain.insert("linkinfo".into(), info);
    Value::Object(plain)
}
