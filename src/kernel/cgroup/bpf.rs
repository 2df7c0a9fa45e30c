//! Programs at groups, through bpf(2): loaded, attached, found again, detached. The layouts are those of `linux/bpf.h`.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use crate::kernel::errno;
use crate::model::cgroup::{Direction, Filter, Program};
use crate::model::{Fault, Kind};

/// `enum bpf_cmd`.
mod command {
    pub(super) const PROG_LOAD: libc::c_int = 5;
    pub(super) const PROG_ATTACH: libc::c_int = 8;
    pub(super) const PROG_DETACH: libc::c_int = 9;
    pub(super) const PROG_GET_FD_BY_ID: libc::c_int = 13;
    pub(super) const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
    pub(super) const PROG_QUERY: libc::c_int = 16;
}

/// `BPF_PROG_TYPE_CGROUP_SKB`.
const CGROUP_SKB: u32 = 8;
/// `BPF_F_ALLOW_MULTI`: others may be attached beside it.
const ALLOW_MULTI: u32 = 2;
/// The most programs that a group can have of one type (`BPF_CGROUP_MAX_PROGS`).
const MOST: usize = 64;
/// Where the name stands in `struct bpf_prog_info`, and how long it is.
const NAME: (usize, usize) = (64, 16);

/// The fields of a call, one behind the other as `union bpf_attr` has them.
struct Attributes(Vec<u8>);

impl Attributes {
    fn new() -> Self {
        Self(Vec::with_capacity(80))
    }

    fn number(mut self, value: u32) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn fd(self, fd: &impl AsRawFd) -> Self {
        self.number(fd.as_raw_fd() as u32)
    }

    fn pointer<T: ?Sized>(mut self, value: *const T) -> Self {
        self.0.extend((value.cast::<u8>() as u64).to_ne_bytes());
        self
    }

    fn bytes<const N: usize>(mut self, value: [u8; N]) -> Self {
        self.0.extend(value);
        self
    }

    /// Calls bpf(2). What the fields point to has to be there as the kernel reads or writes it.
    unsafe fn call(&mut self, command: libc::c_int) -> nix::Result<libc::c_int> {
        // SAFETY: the buffer is as long as is said; for what it points to the caller answers.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command, self.0.as_mut_ptr(), self.0.len()) };
        Errno::result(result).map(|result| result as libc::c_int)
    }

    unsafe fn open(&mut self, command: libc::c_int) -> nix::Result<OwnedFd> {
        // SAFETY: as of `call`; the commands that this is used for give a descriptor, which is ours.
        unsafe { self.call(command).map(|fd| OwnedFd::from_raw_fd(fd)) }
    }
}

fn attach_type(direction: Direction) -> u32 {
    match direction {
        Direction::Ingress => 0,
        Direction::Egress => 1,
    }
}

/// One instruction: operation, registers (target in the low half), jump, number.
fn instruction(operation: u8, registers: u8, jump: i16, number: i32) -> [u8; 8] {
    let (jump, number) = (jump.to_ne_bytes(), number.to_ne_bytes());
    [operation, registers, jump[0], jump[1], number[0], number[1], number[2], number[3]]
}

/// Ends the program: 0 drops the packet, 1 lets it pass.
fn verdict(passes: bool) -> [[u8; 8]; 2] {
    [instruction(0xb7, 0, 0, i32::from(passes)), instruction(0x95, 0, 0, 0)]
}

/// Writes a program.
fn instructions(filter: &Filter) -> Vec<[u8; 8]> {
    match filter {
        Filter::All => verdict(false).to_vec(),
        Filter::Sockets(cookies) => {
            // r0 = bpf_get_socket_cookie(r1), which is the packet.
            let mut code = vec![instruction(0x85, 0, 0, 46)];
            search(cookies, &mut code);
            code
        }
    }
}

/// Looks for r0 among sorted cookies, halving them: thousands take a dozen steps.
fn search(cookies: &[u64], code: &mut Vec<[u8; 8]>) {
    let Some((below, [middle, above @ ..])) = cookies.split_at_checked(cookies.len() / 2) else {
        return code.extend(verdict(true));
    };
    // r1 = middle, in two halves
    code.extend([instruction(0x18, 1, 0, *middle as i32), instruction(0, 0, 0, (*middle >> 32) as i32)]);
    // if r0 != r1, on behind the verdict
    code.push(instruction(0x5d, 0x10, 2, 0));
    code.extend(verdict(false));
    // if r0 > r1, on behind the lower half; its length is known later
    let jump = code.len();
    code.push(instruction(0x2d, 0x10, 0, 0));
    search(below, code);
    let length = code.len() - jump - 1;
    code[jump] = instruction(0x2d, 0x10, length as i16, 0);
    search(above, code);
}

/// Loads a program.
fn load(filter: &Filter, direction: Direction) -> nix::Result<OwnedFd> {
    let code = instructions(filter);
    let mut name = [0; NAME.1];
    filter.name().bytes().zip(&mut name[..NAME.1 - 1]).for_each(|(byte, place)| *place = byte);
    let mut attributes = Attributes::new()
        .number(CGROUP_SKB)
        .number(code.len() as u32)
        .pointer(code.as_ptr())
        .pointer(c"Dual MIT/GPL".as_ptr())
        // No log, no version of the kernel, no flags.
        .bytes([0; 24])
        .bytes(name)
        .number(0)
        .number(attach_type(direction));
    // SAFETY: code and licence outlive the call.
    unsafe { attributes.open(command::PROG_LOAD) }
}

/// Tells why no program can be loaded here.
pub fn lacks() -> Option<Fault> {
    let tried = "load a program for a cgroup";
    load(&Filter::All, Direction::Egress).err().map(|error| refused(tried.to_owned(), error))
}

/// Lists the programs that are attached to a group, by number and name. To ask for a name takes more than to ask for the numbers.
pub(super) fn attached(folder: &OwnedFd, direction: Direction) -> nix::Result<Vec<(u32, String)>> {
    let mut ids = [0u32; MOST];
    let mut attributes = Attributes::new()
        .fd(folder)
        .number(attach_type(direction))
        .number(0)
        .number(0)
        .pointer(ids.as_mut_ptr())
        .number(MOST as u32)
        .number(0);
    // SAFETY: there is room for as many numbers as is said.
    unsafe { attributes.call(command::PROG_QUERY)? };
    let count = attributes.0.get(24..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_ne_bytes(*bytes));
    let named = |id: u32| match by_id(id).and_then(|program| name(&program)) {
        Ok(name) => Some(Ok((id, name))),
        // It is gone by now.
        Err(Errno::ENOENT) => None,
        Err(error) => Some(Err(error)),
    };
    ids.into_iter().take(count as usize).filter_map(named).collect()
}

fn by_id(id: u32) -> nix::Result<OwnedFd> {
    // SAFETY: it points to nothing.
    unsafe { Attributes::new().number(id).number(0).number(0).open(command::PROG_GET_FD_BY_ID) }
}

fn name(program: &OwnedFd) -> nix::Result<String> {
    let mut info = [0u8; NAME.0 + NAME.1];
    let mut attributes = Attributes::new().fd(program).number(info.len() as u32).pointer(info.as_mut_ptr());
    // SAFETY: there is room for as many bytes as is said.
    unsafe { attributes.call(command::OBJ_GET_INFO_BY_FD)? };
    let name = &info[NAME.0..];
    Ok(String::from_utf8_lossy(name.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned())
}

/// Tells whether a program is attached.
pub(super) fn is_attached(folder: &OwnedFd, program: &Program) -> Result<bool, Fault> {
    let name = program.filter.name();
    match attached(folder, program.direction) {
        Ok(found) => Ok(found.iter().any(|(_, other)| *other == name)),
        // A kernel without such programs has none.
        Err(Errno::EINVAL | Errno::ENOSYS) => Ok(false),
        Err(error) => Err(refused(format!("list the programs of cgroup {}", program.group), error)),
    }
}

/// Attaches a program beside those of others.
pub(super) fn attach(folder: &OwnedFd, program: &Program) -> Result<(), Fault> {
    let tried = || format!("attach the {program}");
    if let Filter::Sockets(cookies) = &program.filter
        && cookies.len() > Filter::MOST
    {
        let why = format!("{} sockets are more than the {} that one program can tell apart", cookies.len(), Filter::MOST);
        return Err(Fault::new(Kind::Limit, tried(), why));
    }
    let loaded = load(&program.filter, program.direction).map_err(|error| refused(tried(), error))?;
    let mut attributes = Attributes::new().fd(folder).fd(&loaded).number(attach_type(program.direction)).number(ALLOW_MULTI);
    // SAFETY: it points to nothing.
    unsafe { attributes.call(command::PROG_ATTACH) }.map(drop).map_err(|error| match error {
        // Rights were there to load it.
        Errno::EPERM => Fault::new(Kind::Refused, tried(), "a program of somebody else, here or above, allows none beside it")
            .hint("bpftool cgroup tree shows the programs"),
        error => refused(tried(), error),
    })
}

/// Detaches a program, if it is there.
pub(super) fn detach(folder: &OwnedFd, program: &Program) -> Result<(), Fault> {
    let fail = |error| refused(format!("detach the {program}"), error);
    let name = program.filter.name();
    for (id, _) in attached(folder, program.direction).map_err(fail)?.iter().filter(|(_, other)| *other == name) {
        let found = by_id(*id).map_err(fail)?;
        let mut attributes = Attributes::new().fd(folder).fd(&found).number(attach_type(program.direction)).number(0);
        // SAFETY: it points to nothing.
        match unsafe { attributes.call(command::PROG_DETACH) } {
            Ok(_) | Err(Errno::ENOENT) => {}
            Err(error) => return Err(fail(error)),
        }
    }
    Ok(())
}

fn refused(tried: String, error: Errno) -> Fault {
    match error {
        Errno::EPERM | Errno::EACCES => Fault::new(
            Kind::Permission,
            tried,
            "this takes CAP_BPF and CAP_NET_ADMIN of the machine, or CAP_SYS_ADMIN, to find it again, too",
        )
        .hint("a user namespace has none of them; run it as root of the machine"),
        Errno::EINVAL | Errno::ENOSYS => {
            Fault::new(Kind::Unsupported, tried, "this kernel has no programs at cgroups").hint("it is built without CONFIG_CGROUP_BPF")
        }
        other => errno::fault(tried, other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel does: `r0` is the cookie, and gives whether the packet passes, and after how many steps.
    fn run(code: &[[u8; 8]], cookie: u64) -> (bool, usize) {
        let (mut registers, mut at, mut steps) = ([0u64; 2], 0usize, 0);
        loop {
            let [operation, fields, j0, j1, n0, n1, n2, n3] = code[at];
            let (target, source) = (usize::from(fields & 15), usize::from(fields >> 4));
            let (jump, number) = (i16::from_ne_bytes([j0, j1]), i32::from_ne_bytes([n0, n1, n2, n3]));
            at += 1;
            steps += 1;
            let goes = match operation {
                0x85 => {
                    registers[0] = cookie;
                    false
                }
                0xb7 => {
                    registers[target] = number as u64;
                    false
                }
                0x18 => {
                    let [.., h0, h1, h2, h3] = code[at];
                    registers[target] = u64::from(number as u32) | u64::from(u32::from_ne_bytes([h0, h1, h2, h3])) << 32;
                    at += 1;
                    false
                }
                0x5d => registers[target] != registers[source],
                0x2d => registers[target] > registers[source],
                0x95 => return (registers[0] == 1, steps),
                odd => panic!("operation {odd:#x}"),
            };
            at = if goes { at + jump as usize } else { at };
        }
    }

    #[test]
    fn a_program_knows_its_sockets_and_no_others() {
        for count in [1u64, 2, 3, 7, 100, Filter::MOST as u64] {
            let cookies: Vec<u64> = (0..count).map(|at| (at * 3 + 5) << (at % 3 * 8)).collect();
            let Filter::Sockets(sorted) = Filter::sockets(cookies.clone()) else { panic!("no sockets") };
            let code = instructions(&Filter::Sockets(sorted.clone()));
            for cookie in cookies.iter().step_by(1 + count as usize / 100) {
                assert!(!run(&code, *cookie).0, "{cookie} of {count} passes");
                for near in [cookie - 1, cookie + 1, cookie ^ 1 << 40] {
                    assert_eq!(run(&code, near).0, sorted.binary_search(&near).is_err(), "{near} of {count}");
                }
            }
            assert!(run(&code, u64::MAX).1 < 60 && run(&code, 0).0);
        }
        assert_eq!(run(&instructions(&Filter::All), 7), (false, 2));
    }

    #[test]
    fn a_program_is_known_by_what_it_does() {
        assert_eq!(Filter::sockets([3, 1, 3]), Filter::sockets([1, 3]));
        assert_ne!(Filter::sockets([3]).name(), Filter::All.name());
        assert_eq!(Filter::All.name().len(), 15);
    }

    #[test]
    fn the_kernel_takes_the_programs() {
        if let Some(fault) = lacks() {
            return println!("skipped: {fault}");
        }
        for count in [1, 10, Filter::MOST as u64] {
            assert!(load(&Filter::sockets(0..count), Direction::Ingress).is_ok(), "{count}");
        }
    }
}
