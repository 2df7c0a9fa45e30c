//! Programs of the classic packet filter, as tc(8) and `tcpdump -ddd` write them: `4,40 0 0 12,21 0 1 2048,6 0 0 1,6 0 0 0`.

use std::fmt::Write as _;

use super::argv::Argv;
use crate::model::{Fault, Kind};

/// How long a program is at most, in instructions.
const MOST: usize = 4096;

/// Reads `bytecode '…'`, and gives the instructions as the kernel has them.
pub fn read(argv: &mut Argv) -> Result<Vec<u8>, Fault> {
    const OTHERS: &[&str] = &["object-file", "object-pinned", "bytecode-file", "fd", "pinned"];
    if OTHERS.iter().any(|word| argv.is(word)) {
        let why = "fyke cannot load programs out of files, and could not put them back";
        return Err(Fault::new(Kind::Unsupported, argv.refuse("").tried, why).hint("bytecode '…', as `tcpdump -ddd` prints it"));
    }
    if !argv.take_short(&["bytecode", "bc"]) {
        return Err(argv.refuse("`bpf` needs a program: bytecode '1,6 0 0 1'"));
    }
    let word = argv.next_word()?;
    instructions(&word).ok_or_else(|| argv.odd("no program: a count, and so many instructions CODE JT JF K, with commas between"))
}

fn instructions(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.trim().trim_end_matches(',').split(',');
    let count: usize = parts.next()?.trim().parse().ok()?;
    let mut code = Vec::new();
    for part in parts {
        let numbers: Vec<&str> = part.split_whitespace().collect();
        let [op, jump_true, jump_false, value] = numbers[..] else { return None };
        code.extend(op.parse::<u16>().ok()?.to_ne_bytes());
        code.extend([jump_true.parse::<u8>().ok()?, jump_false.parse::<u8>().ok()?]);
        code.extend(value.parse::<u32>().ok()?.to_ne_bytes());
    }
    (count > 0 && count <= MOST && code.len() == count * 8).then_some(code)
}

/// Shows a program.
pub fn shown(code: &[u8]) -> String {
    let mut text = format!("bytecode '{}", code.len() / 8);
    for one in code.chunks_exact(8) {
        let (op, value) = (u16::from_ne_bytes([one[0], one[1]]), u32::from_ne_bytes([one[4], one[5], one[6], one[7]]));
        let _ = write!(text, ",{op} {} {} {value}", one[2], one[3]);
    }
    text + "'"
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_read_and_shown() {
        let text = "bytecode '4,40 0 0 12,21 0 1 2048,6 0 0 262144,6 0 0 0'";
        let code = read(&mut Argv::read(text).unwrap()).unwrap();
        assert_eq!((code.len(), shown(&code)), (32, text.to_owned()));
        for odd in ["bytecode '2,6 0 0 0'", "bytecode '0,'", "bytecode '1,6 0 0'", "bytecode '1,6 0 256 0'", "bytecode x", "bytecode", "x"]
        {
            assert!(read(&mut Argv::read(odd).unwrap()).is_err(), "{odd}");
        }
        assert_eq!(read(&mut Argv::read("object-file x").unwrap()).unwrap_err().kind, Kind::Unsupported);
    }
}
