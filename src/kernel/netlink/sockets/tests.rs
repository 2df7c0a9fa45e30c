use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;

use proptest::prelude::*;

use super::*;
use crate::model::sockets::tests::any_case;
use crate::model::sockets::{End, Side, State, Timer};

/// What `ss -tnie` was answered about a connection on Linux 6.18, from `struct inet_diag_msg` on.
fn captured() -> Vec<u8> {
    let mut body = vec![2, 1, 2, 0]; // AF_INET, ESTABLISHED, the keepalive timer runs, tried never
    body.extend([0x00, 0x16, 0xc3, 0x66]); // ports 22 and 50022
    body.extend([192, 0, 2, 1]); // the own address, in the first of four words
    body.extend([0; 12]);
    body.extend([192, 0, 2, 7]); // the far one
    body.extend([0; 12]);
    body.extend(0u32.to_ne_bytes()); // bound to no interface
    body.extend([0x11, 0x22, 0, 0, 0, 0, 0, 0]); // the cookie
    body.extend(7_200_000u32.to_ne_bytes()); // the timer is over in two hours
    body.extend(5u32.to_ne_bytes()); // to be read
    body.extend(48u32.to_ne_bytes()); // to be acknowledged
    body.extend(1000u32.to_ne_bytes()); // uid
    body.extend(4711u32.to_ne_bytes()); // inode
    body.extend([12, 0, 4, 0]); // INET_DIAG_CONG, a text
    body.extend(*b"cubic\0\0\0");
    body.extend([40, 0, 7, 0]); // INET_DIAG_SKMEMINFO, nine words
    (1..=9u32).for_each(|word| body.extend((word * 1000).to_ne_bytes()));
    body.extend([8, 0, 15, 0]); // INET_DIAG_MARK
    body.extend(7u32.to_ne_bytes());
    body.extend([12, 0, 21, 0]); // INET_DIAG_CGROUP_ID
    body.extend(1u64.to_ne_bytes());
    body.extend([76, 0, 2, 0]); // INET_DIAG_INFO, of a kernel that knew only the first 72 bytes of it
    let mut info = [0; 72];
    info[0] = 1; // the state
    info[2] = 3; // retransmits
    info[68..72].copy_from_slice(&20_125u32.to_ne_bytes()); // rtt
    body.extend(info);
    body
}

#[test]
fn a_message_is_taken_apart() {
    let socket = inet::read(Proto::Tcp, &captured(), &mut Names::default()).unwrap();
    assert_eq!(socket.to_string(), "tcp established 192.0.2.1:22 to 192.0.2.7:50022");
    assert_eq!((socket.recv_q, socket.send_q, socket.uid, socket.inode), (5, 48, 1000, 4711));
    assert_eq!(socket.timer, Some(Timer { name: "keepalive", left: 7_200_000, tries: 0 }));
    assert_eq!((socket.mark, socket.cgroup), (Some(7), Some(1)));
    let details = socket.details.unwrap();
    assert_eq!(details.congestion.as_deref(), Some("cubic"));
    assert_eq!((details.memory[0], details.memory[8]), (("rmem_alloc", 1000), ("drops", 9000)));
    let info = |name: &str| details.info.iter().find(|(of, _)| *of == name).map(|(_, value)| *value);
    assert_eq!((info("retransmits"), info("rtt"), info("rttvar")), (Some(3), Some(20_125), None));
}

#[test]
fn a_question_is_what_ss_asks() {
    // `ss -tn state listening sport = :22`: AF_INET, TCP, the bit of LISTEN, any socket; the program of the filter.
    let filter: Filter = "state listening sport = :22".parse().unwrap();
    let mut messages = Messages::new();
    messages.message(BY_FAMILY, flag::REQUEST | flag::DUMP, 1, |m| inet::ask(m, 2, Proto::Tcp, &filter));
    let bytes = messages.bytes();
    assert_eq!(bytes[..16], [92, 0, 0, 0, 20, 0, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[16..24], [2, 6, 0, 0, 0, 4, 0, 0]);
    assert_eq!((&bytes[24..72], &bytes[72..76]), (&[0; 48][..], &[20, 0, 1, 0][..]));
    assert_eq!(bytes[76..], [2, 8, 20, 0, 0, 0, 22, 0, 3, 8, 12, 0, 0, 0, 22, 0]);
}

#[test]
fn the_question_about_tcp_is_for_both_families() {
    // What iproute2 asks a kernel without sock_diag(7): `struct inet_diag_req` of linux/inet_diag.h.
    let filter: Filter = "state listening sport = :22".parse().unwrap();
    let mut messages = Messages::new();
    messages.message(OF_TCP, flag::REQUEST | flag::DUMP, 1, |m| inet::ask_of_tcp(m, &filter));
    let bytes = messages.bytes();
    assert_eq!(bytes[..16], [96, 0, 0, 0, 18, 0, 1, 3, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!((&bytes[16..68], &bytes[68..76]), (&[0; 52][..], &[0, 4, 0, 0, 0, 0, 0, 0][..]));
    assert_eq!(bytes[76..], [20, 0, 1, 0, 2, 8, 20, 0, 0, 0, 22, 0, 3, 8, 12, 0, 0, 0, 22, 0]);
}

#[test]
fn names_of_files_are_read() {
    let mut body = vec![1, 1, 10, 0]; // AF_UNIX, SOCK_STREAM, LISTEN
    body.extend(33u32.to_ne_bytes()); // inode
    body.extend([9; 8]); // the cookie
    body.extend([7, 0, 0, 0, 0, b'a', b'b', 0]); // UNIX_DIAG_NAME: not a path
    body.extend([12, 0, 4, 0, 2, 0, 0, 0, 128, 0, 0, 0]); // UNIX_DIAG_RQLEN: two wait, of at most 128
    body.extend([8, 0, 7, 0, 0xe8, 3, 0, 0]); // UNIX_DIAG_UID
    let socket = plain::read_unix(&body).unwrap();
    assert_eq!((socket.to_string().as_str(), socket.kind), ("unix listening @ab", Some("stream")));
    assert_eq!((socket.recv_q, socket.send_q, socket.uid, socket.inode), (2, 128, 1000, 33));
    let mut connected =
        Socket { inode: 34, peer_inode: Some(33), local: End::Name("".into()), state: State::Established, ..socket.clone() };
    connected.kind = None;
    let mut both = [socket, connected];
    plain::introduce(&mut both);
    assert_eq!(both[1].to_string(), "unix established * to @ab");
    let packet = [17, 3, 6, 8, 44, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 28, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(plain::read_packet(&packet, &mut Names::default()).unwrap().to_string(), "packet unconnected arp:*");
}

proptest! {
    #[test]
    fn no_answer_is_too_odd(mut body in proptest::collection::vec(any::<u8>(), 0..400), len in 0usize..400) {
        let mut names = Names::default();
        for whole in [captured(), std::mem::take(&mut body)] {
            let cut = &whole[..len.min(whole.len())];
            let _ = (inet::read(Proto::Tcp, cut, &mut names), plain::read_unix(cut), plain::read_packet(cut, &mut names));
        }
    }

    #[test]
    fn the_program_decides_as_the_model_does((all, socket) in any_case()) {
        let Some(program) = bytecode::of(&all) else { return Ok(()) };
        let at = |end: &End| (end.address().unwrap(), end.port().unwrap());
        let passes = bytecode::tests::passes(&program, at(&socket.local), at(&socket.peer), socket.mark.unwrap());
        prop_assert_eq!(passes, all.iter().all(|expr| expr.matches(&socket)));
    }
}

fn of(filter: &str, proto: Proto) -> Vec<Socket> {
    Diag::open().unwrap().list(proto, &filter.parse().unwrap()).unwrap()
}

#[test]
fn a_connection_is_listed_from_both_ends() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = TcpListener::bind(address) else { continue };
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (_far, _) = listener.accept().unwrap();
        let (here, peer) = (near.local_addr().unwrap(), near.peer_addr().unwrap());
        let link = std::fs::read_link(format!("/proc/self/fd/{}", near.as_raw_fd())).unwrap();
        let inode: u64 = link.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        let found = of(&format!("state established sport = :{} dport = :{}", here.port(), peer.port()), Proto::Tcp);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].end(Side::Local), found[0].end(Side::Peer), found[0].inode), (here.to_string(), peer.to_string(), inode));
        let host = if address.starts_with('[') { "[::1]" } else { "127.0.0.1" };
        let from_there = of(&format!("src {host} dst {host}:{} sport = :{}", here.port(), peer.port()), Proto::Tcp);
        assert_eq!(from_there.len(), 1, "{from_there:?}");
        let listening = of(&format!("state listening sport = :{}", peer.port()), Proto::Tcp);
        assert_eq!(listening.len(), 1);
        // What the protocol keeps is read of one socket at a time, too.
        let details = Diag::open().unwrap().details(&found[0]).unwrap().unwrap().details.unwrap();
        assert!(details.info.iter().any(|(name, value)| *name == "rtt" && *value > 0) && details.congestion.is_some());
    }
}

#[test]
fn what_the_kernel_compares_is_what_the_model_compares() {
    let sockets: Vec<UdpSocket> = (0..20).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
    let (one, other) = (ports[3], ports[7]);
    let all = of("", Proto::Udp);
    let mine = |sockets: &[Socket]| sockets.iter().filter(|socket| socket.local.port().is_some_and(|port| ports.contains(&port))).count();
    assert_eq!(mine(&all), 20);
    for words in [
        format!("sport = :{one} or sport = :{other}"),
        format!("not sport = :{one}"),
        format!("( sport >= :{one} and sport <= :{other} ) or ( not ( sport = :{one} or sport = :{other} ) and src 127.0.0.0/8 )"),
        format!("src 127.0.0.0/8 sport != :{one}"),
        format!("not ( src 127.0.0.0/8 and sport != :{one} )"),
        "dst 0.0.0.0/0".to_owned(),
    ] {
        let filter: Filter = words.parse().unwrap();
        let wanted = all.iter().filter(|socket| filter.matches(socket)).cloned().collect::<Vec<_>>();
        assert_eq!(mine(&of(&words, Proto::Udp)), mine(&wanted), "{words}");
    }
    assert!(all.iter().all(|socket| !matches!(socket.local, End::Inet(IpAddr::V4(address), _) if address.is_broadcast())));
}

#[test]
fn sockets_of_files_are_listed() {
    let path = std::env::temp_dir().join(format!("fyke-sockets-{}", std::process::id()));
    let _listener = UnixListener::bind(&path).unwrap();
    let found = of(&format!("state listening src {}", path.display()), Proto::Unix);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(found.iter().map(|socket| (socket.kind, socket.state)).collect::<Vec<_>>(), [(Some("stream"), State::Listening)]);
}
