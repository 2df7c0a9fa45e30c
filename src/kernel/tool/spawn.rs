//! The start of a tool: what posix_spawn(3) does, and what it cannot do.
//!
//! fork(2) copies page tables: 0.4 ms for a process of 10 MB, 2 ms for one of 50 MB, and a loaded ruleset is that large. A child that
//! shares our memory until it execs costs neither, but `Command` takes that path only without `pre_exec`, and so without a parent death
//! signal, limits and a network namespace.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::unistd::{Pid, getpid};

use crate::kernel::process::limits::{self, Inherited};

const STACK: usize = 64 << 10;

/// A program, ready to be started.
pub(super) struct Program<'a> {
    pub(super) path: CString,
    pub(super) args: Vec<CString>,
    pub(super) env: Vec<CString>,
    /// What becomes its standard input, output and error.
    pub(super) stdio: [&'a OwnedFd; 3],
    pub(super) netns: Option<RawFd>,
    /// What it sees in the place of other files, if it sees the system as one in its network namespace.
    pub(super) covers: Option<Vec<[CString; 2]>>,
}

/// A started program: its process, and a descriptor that becomes readable when it ends.
pub(super) struct Child {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
}

/// What the child needs, without a pointer that it would have to follow through an allocator.
struct Orders {
    path: *const libc::c_char,
    args: *const *const libc::c_char,
    env: *const *const libc::c_char,
    stdio: [RawFd; 3],
    netns: Option<RawFd>,
    /// The pairs of `covers`, and behind the last one a null.
    covers: *const [*const libc::c_char; 2],
    limits: Option<&'static Inherited>,
    parent: libc::pid_t,
    error: AtomicI32,
}

/// Starts a program. It dies with the thread that started it, and has the signals, limits and descriptors that a program expects: only
/// standard input, output and error, and the run lock, which is open for it on purpose.
pub(super) fn spawn(program: &Program<'_>) -> nix::Result<Child> {
    let pointers =
        |strings: &[CString]| -> Vec<*const libc::c_char> { strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect() };
    let (args, env) = (pointers(&program.args), pointers(&program.env));
    let pairs: Option<Vec<[*const libc::c_char; 2]>> = program.covers.as_ref().map(|covers| {
        let pairs = covers.iter().map(|[own, common]| [own.as_ptr(), common.as_ptr()]);
        pairs.chain([[ptr::null(); 2]]).collect()
    });
    let orders = Orders {
        path: program.path.as_ptr(),
        args: args.as_ptr(),
        env: env.as_ptr(),
        stdio: program.stdio.map(AsRawFd::as_raw_fd),
        netns: program.netns,
        covers: pairs.as_ref().map_or(ptr::null(), |pairs| pairs.as_ptr()),
        limits: limits::inherited(),
        parent: getpid().as_raw(),
        error: AtomicI32::new(0),
    };
    // No handler of ours may run in the child, where it would write to our memory.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let child = clone(&orders);
    mask.thread_set_mask()?;
    let child = child?;
    match orders.error.load(Ordering::Acquire) {
        0 => Ok(child),
        number => {
            let _ = nix::sys::wait::waitpid(child.pid, None);
            Err(Errno::from_raw(number))
        }
    }
}

fn clone(orders: &Orders) -> nix::Result<Child> {
    // u128 for the alignment that the ABI asks of a stack.
    let mut stack = vec![0u128; STACK / size_of::<u128>()];
    let mut pidfd: libc::c_int = -1;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: the child runs `obey` on a stack of its own and shares our memory; CLONE_VFORK keeps this thread, with all that the orders
    // point to, in place until the child has called execve or _exit. With CLONE_PIDFD the fifth argument takes the descriptor.
    let pid =
        unsafe { libc::clone(obey, stack.as_mut_ptr_range().end.cast(), flags, ptr::from_ref(orders).cast_mut().cast(), &raw mut pidfd) };
    let pid = Errno::result(pid)?;
    // SAFETY: the kernel has just opened it for us.
    Ok(Child { pid: Pid::from_raw(pid), pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// The child. System calls only: its memory is its parent's, and other threads of the parent may hold any lock.
extern "C" fn obey(orders: *mut libc::c_void) -> libc::c_int {
    // SAFETY: `clone` passes a reference to orders that outlive this call.
    let orders = unsafe { &*orders.cast::<Orders>() };
    // SAFETY: plain system calls on valid pointers.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        let nothing: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const nothing, ptr::null_mut());
        if enter(orders) {
            libc::execve(orders.path, orders.args, orders.env);
        }
        orders.error.store(*libc::__errno_location(), Ordering::Release);
        libc::_exit(127)
    }
}

/// Does what is between the clone and the exec; false, with errno, when something failed.
///
/// # Safety
///
/// For the child of `clone` only.
unsafe fn enter(orders: &Orders) -> bool {
    // SAFETY: as of `obey`.
    unsafe {
        // A process group of its own, so that Ctrl-C reaches the run, and not the tool that is in the middle of writing a table.
        let mut fine = libc::setpgid(0, 0) == 0 && libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == 0;
        if libc::getppid() != orders.parent {
            libc::_exit(127);
        }
        for (resource, (soft, hard)) in orders.limits.into_iter().flatten() {
            let limit = libc::rlimit { rlim_cur: *soft, rlim_max: *hard };
            fine = fine && libc::setrlimit(*resource as _, &raw const limit) == 0;
        }
        if let Some(netns) = orders.netns {
            fine = fine && libc::setns(netns, libc::CLONE_NEWNET) == 0;
        }
        fine = fine && (orders.covers.is_null() || cover(orders.covers));
        for (target, source) in (0..).zip(orders.stdio) {
            fine = fine && libc::dup2(source, target) == target;
        }
        fine
    }
}

/// Gives the child files of its own, as ip-netns(8) exec does it (netns_switch() of iproute2, lib/namespace.c): its own /sys, which shows the
/// interfaces of its network namespace, and files in the place of others.
///
/// # Safety
///
/// For the child of `clone` only; the pairs end with a null.
unsafe fn cover(mut pair: *const [*const libc::c_char; 2]) -> bool {
    const SYS: *const libc::c_char = c"/sys".as_ptr();
    // SAFETY: as of `obey`; the pairs outlive the child as its orders do.
    unsafe {
        let nothing = ptr::null();
        // Mounts of the machine still come in, none of these goes out.
        let mut fine = libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(nothing, c"/".as_ptr(), nothing, libc::MS_SLAVE | libc::MS_REC, nothing.cast()) == 0;
        // A read-only /sys that cannot be taken away can be covered by a read-only one only; in a user namespace perhaps by none at all, and
        // then the program sees that of the machine.
        libc::umount2(SYS, libc::MNT_DETACH);
        let show = |flags| libc::mount(c"netns".as_ptr(), SYS, c"sysfs".as_ptr(), flags, nothing.cast()) == 0;
        let _ = show(0) || show(libc::MS_RDONLY);
        while !(*pair)[0].is_null() {
            fine = fine && libc::mount((*pair)[0], (*pair)[1], nothing, libc::MS_BIND, nothing.cast()) == 0;
            pair = pair.add(1);
        }
        fine
    }
}
