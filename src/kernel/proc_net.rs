//! Sockets as /proc/net lists them, see proc_pid_net(5): for what a kernel has no sock_diag(7) of. It tells less, and takes longer.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::sockets::{End, Id, Proto, Socket, State};

/// Lists the sockets of TCP, UDP or raw of the network namespace of the calling thread.
pub fn sockets(proto: Proto) -> Vec<Socket> {
    let files = ["", "6"].map(|family| fs::read_to_string(format!("/proc/thread-self/net/{proto}{family}")).unwrap_or_default());
    files.iter().flat_map(|text| text.lines().skip(1)).filter_map(|line| read(proto, line)).collect()
}

/// Reads a line.
fn read(proto: Proto, line: &str) -> Option<Socket> {
    let fields: Vec<&str> = line.split_whitespace().take(10).collect();
    let [_, local, peer, state, queues, _, _, uid, _, inode] = fields[..] else { return None };
    let (send_q, recv_q) = queues.split_once(':')?;
    let hex = |digits: &str| u32::from_str_radix(digits, 16).ok();
    let inode: u64 = inode.parse().ok()?;
    Some(Socket {
        proto,
        kind: None,
        state: State::of(u8::from_str_radix(state, 16).ok()?)?,
        local: end(local)?,
        peer: end(peer)?,
        interface: None,
        recv_q: hex(recv_q)?,
        send_q: hex(send_q)?,
        uid: uid.parse().ok()?,
        inode,
        peer_inode: None,
        mark: None,
        cgroup: None,
        timer: None,
        details: None,
        id: Id::Plain(u32::try_from(inode).unwrap_or(0), [0; 8]),
    })
}

/// Reads `020200C0:C366`: the address in words of the machine's byte order, the port as a number.
fn end(text: &str) -> Option<End> {
    let (address, port) = text.split_once(':')?;
    let words =
        address.as_bytes().chunks(8).map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok().map(u32::to_ne_bytes));
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    let address = match bytes.len() {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        _ => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)),
    };
    Some(End::Inet(address, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let number = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let (here, peer) = (number([192, 0, 2, 1]), number([192, 0, 2, 2]));
        let mapped = format!("0000000000000000{}", number([0, 0, 255, 255]));
        let line = |state: &str| {
            format!(
                "   3: {mapped}{here}:0016 {mapped}{peer}:C366 {state} 00000002:00000001 02:000A 00000000  1000        0 4711 2 0000 20 4"
            )
        };
        let socket = read(Proto::Tcp, &line("01")).unwrap();
        let told = socket.to_string();
        assert_eq!(told, "tcp established [::ffff:192.0.2.1]:22 to [::ffff:192.0.2.2]:50022");
        assert_eq!((socket.inode, socket.uid, socket.recv_q, socket.send_q), (4711, 1000, 1, 2));
        assert_eq!((read(Proto::Tcp, &line("06")).unwrap().state, read(Proto::Tcp, &line("FF"))), (State::TimeWait, None));
        let v6 = format!("{}{}{}{}", number([0x20, 1, 0xd, 0xb8]), number([0; 4]), number([0; 4]), number([0, 0, 0, 2]));
        assert_eq!(end(&format!("{v6}:0016")).unwrap().to_string(), "[2001:db8::2]:22");
        for bad in ["", ":", "zz:16", "0102030405060708:16"] {
            assert_eq!(end(bad), None, "{bad}");
        }
    }
}
