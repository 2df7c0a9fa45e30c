//! Conditions as the little programs that inet_diag runs for every socket, so that what nobody asked for is not carried over.
//!
//! An instruction (`struct inet_diag_bc_op`) has a code, the distance to the next one where it is so, and that where it is not. Who comes out exactly at
//! the end is listed; who jumps four bytes beyond it is not. iproute2's ss.c was the first to write them.

use std::net::IpAddr;

use crate::model::net::Ports;
use crate::model::sockets::{Expr, Side};

/// `INET_DIAG_BC_JMP` and its like.
mod code {
    pub(super) const JMP: u8 = 1;
    pub(super) const S_GE: u8 = 2;
    pub(super) const S_LE: u8 = 3;
    pub(super) const D_GE: u8 = 4;
    pub(super) const D_LE: u8 = 5;
    pub(super) const S_COND: u8 = 7;
    pub(super) const D_COND: u8 = 8;
    pub(super) const MARK_COND: u8 = 10;
}

/// The bytes of an instruction.
const STEP: usize = 4;
/// The most bytes of a program: a distance has 16 bits.
const MOST: usize = 60_000;

/// Writes a program that lets pass at least what fulfils all conditions; none where there is nothing that it could decide.
pub(super) fn of(all: &[Expr]) -> Option<Vec<u8>> {
    let parts = all.iter().flat_map(|expr| if let Expr::And(parts) = expr { &parts[..] } else { std::slice::from_ref(expr) });
    let program = parts.filter_map(expr).reduce(and).filter(|program| !program.is_empty())?;
    (program.len() < MOST).then_some(program)
}

/// Writes the program of a condition; none where inet_diag has no words for it.
fn expr(of: &Expr) -> Option<Vec<u8>> {
    match of {
        Expr::Port(side, ports) => Some(range(*side, *ports)),
        Expr::Address(side, prefix) => Some(host(*side, prefix.network().0, prefix.length())),
        Expr::Mark(mark, mask) => {
            let mut program = step(code::MARK_COND, 3 * STEP);
            program.extend(mark.to_ne_bytes());
            program.extend(mask.to_ne_bytes());
            Some(program)
        }
        Expr::Name(..) | Expr::Interface(_) => None,
        Expr::And(all) => all.iter().map(expr).collect::<Option<Vec<_>>>()?.into_iter().reduce(and),
        Expr::Or(any) => any.iter().map(expr).collect::<Option<Vec<_>>>()?.into_iter().reduce(or),
        Expr::Not(inner) => expr(inner).map(not),
    }
}

/// Writes an instruction of some bytes: where it is so, it goes on behind it; where it is not, it leaves.
fn step(code: u8, len: usize) -> Vec<u8> {
    instruction(code, len, len + STEP)
}

fn instruction(code: u8, yes: usize, no: usize) -> Vec<u8> {
    let mut bytes = vec![code, yes as u8];
    bytes.extend((no as u16).to_ne_bytes());
    bytes
}

fn range(side: Side, ports: Ports) -> Vec<u8> {
    let (least, most) = if side == Side::Local { (code::S_GE, code::S_LE) } else { (code::D_GE, code::D_LE) };
    // The port stands where a second instruction has its distance.
    let bound = |code: u8, port: u16| [step(code, 2 * STEP), instruction(0, 0, port.into())].concat();
    and(bound(least, ports.first), bound(most, ports.last))
}

/// Writes `struct inet_diag_hostcond` with any port.
fn host(side: Side, address: IpAddr, length: u8) -> Vec<u8> {
    let (family, bytes) = match address {
        IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
    };
    let mut program = step(if side == Side::Local { code::S_COND } else { code::D_COND }, 3 * STEP + bytes.len());
    program.extend([family as u8, length, 0, 0]);
    program.extend((-1i32).to_ne_bytes());
    program.extend(bytes);
    program
}

/// Lets pass what both let pass: who leaves the first one leaves the second, too.
fn and(mut first: Vec<u8>, second: Vec<u8>) -> Vec<u8> {
    let mut at = 0;
    while at < first.len() {
        let no = usize::from(u16::from_ne_bytes([first[at + 2], first[at + 3]]));
        if no == first.len() - at + STEP {
            let further = (no + second.len()).min(usize::from(u16::MAX)) as u16;
            first[at + 2..at + 4].copy_from_slice(&further.to_ne_bytes());
        }
        at += usize::from(first[at + 1]).max(STEP);
    }
    first.extend(second);
    first
}

/// Lets pass what one of them lets pass: who leaves the first one comes to the second, and who comes out of it jumps over that.
fn or(mut first: Vec<u8>, second: Vec<u8>) -> Vec<u8> {
    first.extend(instruction(code::JMP, STEP, (second.len() + STEP).min(usize::from(u16::MAX))));
    first.extend(second);
    first
}

/// Lets pass what does not come out of it.
fn not(mut program: Vec<u8>) -> Vec<u8> {
    program.extend(instruction(code::JMP, STEP, 2 * STEP));
    program
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Runs a program as the kernel does, for a socket of IPv4 with these ports.
    pub(in super::super) fn passes(program: &[u8], local: (IpAddr, u16), peer: (IpAddr, u16), mark: u32) -> bool {
        let (mut at, len) = (0, program.len());
        while at < len {
            let op = &program[at..];
            let port = || u16::from_ne_bytes([op[6], op[7]]);
            let cond = |(address, _): (IpAddr, u16)| {
                let bits = |address: IpAddr| match address {
                    IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
                    IpAddr::V6(address) => address.to_bits(),
                };
                let bytes: Vec<u8> = op[12..usize::from(op[1])].to_vec();
                let of = match <[u8; 4]>::try_from(&bytes[..]) {
                    Ok(v4) => IpAddr::from(v4),
                    Err(_) => IpAddr::from(<[u8; 16]>::try_from(&bytes[..]).unwrap()),
                };
                of.is_ipv4() == address.is_ipv4() && (op[5] == 0 || (bits(of) ^ bits(address)) >> (128 - u32::from(op[5])) == 0)
            };
            let yes = match op[0] {
                code::JMP => false,
                code::S_GE => local.1 >= port(),
                code::S_LE => local.1 <= port(),
                code::D_GE => peer.1 >= port(),
                code::D_LE => peer.1 <= port(),
                code::S_COND => cond(local),
                code::D_COND => cond(peer),
                _ => mark & u32::from_ne_bytes([op[8], op[9], op[10], op[11]]) == u32::from_ne_bytes([op[4], op[5], op[6], op[7]]),
            };
            at += if yes { usize::from(op[1]) } else { usize::from(u16::from_ne_bytes([op[2], op[3]])) };
        }
        at == len
    }

    #[test]
    fn a_range_is_two_instructions_of_eight_bytes() {
        let program = expr(&Expr::Port(Side::Local, Ports { first: 22, last: 22 })).unwrap();
        // S_GE, on after 8, off after 20 (four bytes beyond the end); 22. S_LE, on after 8, off after 12; 22.
        assert_eq!(program, [2, 8, 20, 0, 0, 0, 22, 0, 3, 8, 12, 0, 0, 0, 22, 0]);
        let negated = expr(&Expr::Not(Box::new(Expr::Port(Side::Local, Ports { first: 22, last: 22 })))).unwrap();
        // A jump behind it, by eight: who comes out of it is led beyond the end.
        assert_eq!(negated[16..], [1, 4, 8, 0]);
        assert!(of(&[]).is_none() && of(&[Expr::Interface("lo".into())]).is_none());
    }
}
