//! Frames in memory that is shared with the kernel (packet(7), PACKET_RX_RING, version 3): blocks of many frames that are handed over as a whole, so
//! that a frame costs no system call and no copy before somebody wants it.
#![allow(unsafe_code)]

use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::options::set;
use crate::model::packet::protocols::cooked::By;

/// A block is handed over when it is full, or when this time is over, in milliseconds.
const PATIENCE: u32 = 20;
const BLOCK: usize = 1 << 20;
const BLOCKS: usize = 32;

/// The shared memory of a socket.
pub(super) struct Ring {
    memory: NonNull<libc::c_void>,
    block: usize,
    /// How many frames of the block are yet to be read, and where the next of them is; none of a block that was not looked into.
    within: Option<(u32, usize)>,
}

/// A frame in the shared memory.
pub(super) struct Frame<'a> {
    /// When it came, since 1970.
    pub(super) at: Duration,
    /// What is kept of it.
    pub(super) bytes: &'a [u8],
    /// How many bytes it had.
    pub(super) length: usize,
    /// The tag that was taken off: its type, and what it says.
    pub(super) tag: Option<(u16, u16)>,
    /// How it came by.
    pub(super) by: By,
}

// SAFETY: the mapping belongs to this value alone, wherever that is.
unsafe impl Send for Ring {}

impl Ring {
    /// Makes the ring of a socket that is not bound yet.
    pub(super) fn new(socket: &OwnedFd) -> nix::Result<Self> {
        set(socket, libc::SOL_PACKET, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as libc::c_int))?;
        let wanted = libc::tpacket_req3 {
            tp_block_size: BLOCK as u32,
            tp_block_nr: BLOCKS as u32,
            tp_frame_size: 2048,
            tp_frame_nr: (BLOCK / 2048 * BLOCKS) as u32,
            tp_retire_blk_tov: PATIENCE,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &wanted)?;
        let length = NonZeroUsize::new(BLOCK * BLOCKS).unwrap_or(NonZeroUsize::MIN);
        // SAFETY: a new mapping at a place that the kernel chooses; it is unmapped when this value is dropped.
        let memory = unsafe { mmap(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, socket.as_fd(), 0) }?;
        Ok(Self { memory, block: 0, within: None })
    }

    fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: every offset that is asked for lies in the mapping: that of a block, or one inside of it that `read` has checked.
        unsafe { self.memory.as_ptr().cast::<u8>().add(self.block * BLOCK + offset) }
    }

    fn status(&self) -> &AtomicU32 {
        // SAFETY: the status stands at a fixed place at the beginning of a block, aligned, and is shared with the kernel.
        unsafe { AtomicU32::from_ptr(self.at(8).cast()) }
    }

    /// Reads plain data of the present block; none where it would end behind it.
    fn read<T: Copy>(&self, offset: usize) -> Option<T> {
        let end = offset.checked_add(size_of::<T>())?;
        // SAFETY: it lies in the block, which the kernel does not touch before it is given back, and is plain data.
        (end <= BLOCK).then(|| unsafe { self.at(offset).cast::<T>().read_unaligned() })
    }

    /// Gives the next frame, if one is there. It is there until the next one is asked for.
    pub(super) fn next(&mut self) -> Option<Frame<'_>> {
        loop {
            let (left, offset) = match self.within {
                Some(within) => within,
                None => {
                    if self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
                        return None;
                    }
                    let head: libc::tpacket_hdr_v1 = self.read(8)?;
                    (head.num_pkts, head.offset_to_first_pkt as usize)
                }
            };
            if left == 0 {
                self.give_back();
                continue;
            }
            let Some(head) = self.read::<libc::tpacket3_hdr>(offset) else {
                self.give_back();
                continue;
            };
            self.within = Some((left - 1, offset + head.tp_next_offset as usize));
            return self.frame(&head, offset);
        }
    }

    fn frame(&self, head: &libc::tpacket3_hdr, offset: usize) -> Option<Frame<'_>> {
        let (start, kept) = (offset + usize::from(head.tp_mac), head.tp_snaplen as usize);
        let address: libc::sockaddr_ll = self.read(offset + size_of::<libc::tpacket3_hdr>().next_multiple_of(libc::TPACKET_ALIGNMENT))?;
        let kept = kept.min(BLOCK.checked_sub(start)?);
        // SAFETY: the bytes lie in the block, which the kernel does not touch before it is given back.
        let bytes = unsafe { std::slice::from_raw_parts(self.at(start), kept) };
        let has_tag = head.tp_status & libc::TP_STATUS_VLAN_VALID != 0;
        let kind = if head.hv1.tp_vlan_tpid == 0 { 0x8100 } else { head.hv1.tp_vlan_tpid };
        Some(Frame {
            at: Duration::new(head.tp_sec.into(), head.tp_nsec.min(999_999_999)),
            bytes,
            length: head.tp_len as usize,
            tag: has_tag.then_some((kind, head.hv1.tp_vlan_tci as u16)),
            by: By {
                ethertype: u16::from_be(address.sll_protocol),
                index: address.sll_ifindex.cast_unsigned(),
                hardware: address.sll_hatype,
                kind: address.sll_pkttype,
                length: address.sll_halen,
                address: address.sll_addr,
            },
        })
    }

    fn give_back(&mut self) {
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.within = None;
        self.block = (self.block + 1) % BLOCKS;
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and no frame outlives it.
        let _ = unsafe { munmap(self.memory, BLOCK * BLOCKS) };
    }
}
