//! The runner's side: what the forked child sets up, and how it says why it ends.
#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{ptr, thread};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use nix::unistd::{Pid, getppid};

use super::limits::Limits;
use super::page::{Cause, Page};
use super::signals;
use crate::kernel::errno;
use crate::model::{Fault, Kind};

/// The page to leave last words in; null in every process but a runner.
static PAGE: AtomicPtr<Page> = AtomicPtr::new(ptr::null_mut());
static STACK_TOP: AtomicUsize = AtomicUsize::new(0);
static STACK_SIZE: AtomicUsize = AtomicUsize::new(0);
static PANIC: Mutex<String> = Mutex::new(String::new());

/// More than any guard area, and more than one frame of ours may skip below it.
const BELOW_STACK: usize = 1 << 20;

/// Runs the runner in the freshly forked child, and ends the process with its status.
pub(super) fn run(guardian: Pid, mask: &SigSet, limits: &Limits, page: &'static Page, work: impl FnOnce(&'static Page) -> u8) -> ! {
    let work = AssertUnwindSafe(|| match prepare(guardian, mask, limits, page) {
        Ok(()) => work(page),
        Err(fault) => {
            page.say(Cause::Unready, &fault.to_string());
            fault.kind.exit_code()
        }
    });
    let code = catch_unwind(work).unwrap_or_else(|_| {
        page.say(Cause::Panic, &panic_words());
        1
    });
    std::process::exit(i32::from(code))
}

fn prepare(guardian: Pid, mask: &SigSet, limits: &Limits, page: &'static Page) -> Result<(), Fault> {
    let fail = |error| errno::fault("start the runner", error);
    set_pdeathsig(Signal::SIGTERM).map_err(fail)?;
    signals::listen()?;
    if getppid() != guardian {
        // It died before it could be watched.
        raise(Signal::SIGTERM).map_err(fail)?;
    }
    PAGE.store(ptr::from_ref(page).cast_mut(), Ordering::Release);
    std::panic::set_hook(Box::new(|panic| *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string()));
    let action = SigAction::new(SigHandler::SigAction(on_segv), SaFlags::SA_SIGINFO | SaFlags::SA_ONSTACK, SigSet::empty());
    // SAFETY: the handler is async-signal-safe; the standard library gives every thread the alternative stack that it runs on.
    unsafe { sigaction(Signal::SIGSEGV, &action) }.map_err(fail)?;
    limits.apply()?;
    mask.thread_set_mask().map_err(fail)
}

/// Takes the message and place of the last panic out of what the hook noted.
fn panic_words() -> String {
    let words = std::mem::take(&mut *PANIC.lock().unwrap_or_else(PoisonError::into_inner));
    words.replace('\n', " ").trim().to_owned()
}

/// Ends a runner that cannot go on, with its last words; returns in any other process. Takes no memory, no lock and little stack.
pub(super) fn leave(cause: Cause) {
    // SAFETY: the pointer is null, or points to the page, which is never unmapped.
    let page = unsafe { PAGE.load(Ordering::Acquire).as_ref() };
    if let Some(page) = page {
        page.say(cause, "");
        // SAFETY: _exit(2) is async-signal-safe. No destructor may run any more, and none is relied on.
        unsafe { libc::_exit(i32::from(Kind::Limit.exit_code())) };
    }
}

/// Tells an overflow of the script's stack from any other bad access. For the latter the signal's default action ends the process.
extern "C" fn on_segv(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a valid siginfo, and for SIGSEGV it holds an address.
    let address = unsafe { (*info).si_addr() } as usize;
    let top = STACK_TOP.load(Ordering::Acquire);
    let bottom = top.saturating_sub(STACK_SIZE.load(Ordering::Acquire) + BELOW_STACK);
    if (bottom..top).contains(&address) {
        leave(Cause::Stack);
    }
    // SAFETY: signal(2) is async-signal-safe; the access is repeated on return, and kills the process.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}

/// Runs work on a thread with a stack of so many bytes, and waits for it; a panic in it becomes a fault. An overflow of that stack
/// ends a runner as [`Ending::StackOverflow`](super::Ending::StackOverflow).
///
/// Requests to stop are delivered to that thread alone, so that they interrupt the system call it is in.
pub fn with_big_stack<T: Send>(bytes: usize, work: impl FnOnce() -> T + Send) -> Result<T, Fault> {
    let tried = "finish the run";
    let asked = signals::of_the_script();
    thread::scope(|scope| {
        let script = thread::Builder::new().name("script".into()).stack_size(bytes).spawn_scoped(scope, move || {
            let top = 0u8;
            STACK_SIZE.store(bytes, Ordering::Release);
            STACK_TOP.store(ptr::from_ref(&top) as usize, Ordering::Release);
            work()
        });
        let script = script.map_err(|error| errno::fault("start the thread of the script", error))?;
        let mask = SigSet::thread_get_mask().map_err(|error| errno::fault(tried, error))?;
        asked.thread_block().map_err(|error| errno::fault(tried, error))?;
        let result = script.join();
        mask.thread_set_mask().map_err(|error| errno::fault(tried, error))?;
        result.map_err(|panic| {
            let words = Some(panic_words()).filter(|words| !words.is_empty());
            let payload = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
            let words = words.or(payload).unwrap_or_else(|| "a panic without words".into());
            Fault::new(Kind::System, tried, format!("fyke itself failed: {words}")).hint("this is a defect of fyke, please report it")
        })
    })
}
