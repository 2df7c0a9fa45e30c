//! What is left out of requests, and is needed to know their answers.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;

use super::super::{Draft, Stack, Value};
use crate::model::Fault;

/// Fills in what the kernel would choose: the source address, the own port, the id of an echo request; and the id of a question of DNS. `end` gives the own end of packets to a host.
pub fn fill(mut stack: Stack, mut end: impl FnMut(IpAddr) -> Result<(IpAddr, u16), Fault>) -> Result<Stack, Fault> {
    let mut own = None;
    // Nobody off the path is to guess it.
    let random = || RandomState::new().hash_one(0) & 0xffff;
    for layer in stack.layers.iter_mut().filter(|layer| !layer.was_read()) {
        let name = match layer.protocol.name {
            "ipv4" | "ipv6" => {
                own = layer.value("dst").and_then(Value::address).map(&mut end).transpose()?;
                "src"
            }
            "tcp" | "udp" => "sport",
            "icmp" | "icmpv6" if is_echo(layer) => "id",
            "dns" if !layer.has("id") => {
                *layer = layer.with("id", Value::Number(random()))?;
                continue;
            }
            _ => continue,
        };
        if let Some((address, port)) = own.filter(|_| !layer.has(name)) {
            let value = if name == "src" { Value::Address(address) } else { Value::Number(port.into()) };
            *layer = layer.with(name, value)?;
        }
    }
    Ok(stack)
}

/// Tells whether a layer is an echo request: it is, unless something else is given.
fn is_echo(layer: &Draft) -> bool {
    layer.value("type").is_none_or(|kind| match kind {
        Value::Text(name) => name == "echo-request",
        kind => matches!((layer.protocol.name, kind.number()), ("icmp", Some(8)) | ("icmpv6", Some(128))),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::packet::named;

    fn filled(layers: &[(&str, &[(&str, Value)])]) -> Vec<String> {
        let layer = |(name, fields): &(&str, &[(&str, Value)])| {
            let given = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            Draft::new(named(name).unwrap(), given).unwrap()
        };
        let stack = Stack { layers: layers.iter().map(layer).collect(), payload: Vec::new() };
        let stack = fill(stack, |_| Ok(("192.0.2.1".parse().unwrap(), 40000))).unwrap();
        stack.layers.iter().flat_map(|layer| layer.given().iter().map(|(name, value)| format!("{name} {value}"))).collect()
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        let (to, n) = (("dst", Value::text("192.0.2.2")), Value::Number);
        let to = std::slice::from_ref(&to);
        assert_eq!(filled(&[("ipv4", to), ("icmp", &[])]), ["dst 192.0.2.2", "src 192.0.2.1", "id 40000"]);
        assert_eq!(filled(&[("ipv4", to), ("icmp", &[("type", n(13))])]), ["dst 192.0.2.2", "src 192.0.2.1", "type 13"]);
        assert_eq!(filled(&[("ipv4", to), ("tcp", &[("sport", n(7))])]), ["dst 192.0.2.2", "src 192.0.2.1", "sport 7"]);
        let given = [to[0].clone(), ("src", Value::text("192.0.2.9"))];
        assert_eq!(filled(&[("ipv4", &given), ("udp", &[])]), ["dst 192.0.2.2", "src 192.0.2.9", "sport 40000"]);
        assert_eq!(filled(&[("ethernet", &[]), ("arp", &[])]), Vec::<String>::new());
        assert_eq!(filled(&[("ipv4", &[]), ("udp", &[])]), Vec::<String>::new(), "nobody knows where it goes");
    }
}
