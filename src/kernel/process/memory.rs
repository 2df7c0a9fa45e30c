//! The allocator of the program: the system's, which tells the guardian when a runner's memory is used up.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

use super::page::Cause;
use super::runner::leave;

/// The system's allocator, but a runner that gets no more memory ends with its last words instead of an abort.
///
/// The program sets it as its global allocator; an embedding program need not.
#[derive(Clone, Copy, Debug)]
pub struct Capped;

/// By how much the heap grows: 100,000 rules are tens of megabytes.
#[cfg(target_env = "gnu")]
const GROWTH: i32 = 1 << 20;

/// Keeps all threads in the heap of the first one, and lets it grow by much at a time.
///
/// The heap that glibc gives to another thread grows by one page a system call. A script has a thread of its own, for the sake of its stack, and it is
/// the only one that allocates much.
pub fn share_one_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it sets numbers that the allocator reads when a thread allocates for the first time, and when the heap grows.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TOP_PAD, GROWTH);
    }
}

fn checked(start: *mut u8) -> *mut u8 {
    if start.is_null() {
        leave(Cause::Memory);
    }
    start
}

// SAFETY: every call goes to the system's allocator unchanged, under the caller's own promises.
unsafe impl GlobalAlloc for Capped {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        checked(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as promised by the caller.
        checked(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as promised by the caller.
        checked(unsafe { System.realloc(start, layout, size) })
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(start, layout) }
    }
}
