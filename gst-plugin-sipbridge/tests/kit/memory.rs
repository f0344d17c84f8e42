// SPDX-License-Identifier: MPL-2.0
//! What media threads ask the allocator for. A test that counts has a process of its own, and makes [`Counting`]
//! its allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use gstsipbridge::context::on_context_thread;

pub struct Counting;

static ASKED: AtomicU64 = AtomicU64::new(0);

// SAFETY: hands everything on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if on_context_thread() {
            ASKED.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// How often they did so far.
pub fn asked() -> u64 {
    ASKED.load(Ordering::Relaxed)
}
