// SPDX-License-Identifier: MPL-2.0
//! What a test asks for memory, for tests that have a process of their own: they make [`Counting`] its
//! allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, and a count of what it is asked for.
pub struct Counting;

static ASKED: AtomicUsize = AtomicUsize::new(0);
static HELD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static ASKED_HERE: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all of it is done by the system's allocator; beside that numbers are changed, which takes no memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(1, Relaxed);
        HELD.fetch_add(layout.size(), Relaxed);
        ASKED_HERE.set(ASKED_HERE.get() + 1);
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

/// How often this process asked for memory.
pub fn asked() -> usize {
    ASKED.load(Relaxed)
}

/// How often this thread did.
pub fn asked_here() -> usize {
    ASKED_HERE.get()
}

/// The octets that this process holds.
pub fn held() -> usize {
    HELD.load(Relaxed)
}
