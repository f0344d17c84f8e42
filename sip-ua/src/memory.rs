// SPDX-License-Identifier: MPL-2.0
//! Memory that a crowd needed, given back to the system when it has gone. glibc keeps what is freed, for
//! it lies in small pieces between others that are still used.
//!
//! It is for whoever runs the process: the user agent does nothing of this by itself.

use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval};

/// Finished transactions are remembered for longer (RFC 3261 §17), so no crowd passes unseen.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Who leaves so fast that this part of them was still there at the last look, a half, is still leaving: memory
/// is given back when the last ones have gone, too, for each of them holds a page.
const STILL_LEAVING: usize = 2;

/// Between two times that memory is given back: it takes milliseconds, in which whoever allocates
/// from the same arena waits.
const REST: Duration = Duration::from_secs(30);

/// Fewer need no memory to speak of.
const FEW: usize = 256;

/// How much of a crowd may still be there when it is said to have gone: one in so many.
const STRAGGLERS: usize = 16;

/// Tells when a crowd has gone.
#[derive(Debug, Default)]
pub struct Crowd {
    most: usize,
    /// At the last look.
    last: usize,
    rests_until: Option<Instant>,
}

impl Crowd {
    /// `load` is what there is now, calls and transactions or whatever takes memory. True: most of what
    /// there was since the last time this was true has gone.
    pub fn has_gone(&mut self, now: Instant, load: usize) -> bool {
        self.most = self.most.max(load);
        let last = std::mem::replace(&mut self.last, load);
        let rests = self.rests_until.is_some_and(|until| now < until);
        let leaves = load > 0 && load < last / STILL_LEAVING;
        if rests || leaves || self.most < FEW || load > self.most / STRAGGLERS {
            return false;
        }
        self.most = load;
        self.rests_until = Some(now + REST);
        true
    }
}

/// Gives memory back whenever a crowd has gone, until `load` has nothing more to tell.
///
/// Must be called within a tokio runtime.
pub async fn give_back_after_crowds(load: impl Fn() -> Option<usize>) {
    let mut crowd = Crowd::default();
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        look.tick().await;
        let Some(load) = load() else { return };
        if crowd.has_gone(Instant::now(), load) {
            // On a thread where nobody waits for it; its end is nobody's business.
            drop(tokio::task::spawn_blocking(give_back));
        }
    }
}

/// Gives freed memory back to the system; nothing where the C library is not glibc, which alone keeps
/// it so. Takes some milliseconds for each hundred megabytes.
pub fn give_back() {
    let began = Instant::now();
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it may be called at any time from any thread, and touches no memory that is in use.
    unsafe {
        libc::malloc_trim(0)
    };
    tracing::debug!(took = ?began.elapsed(), "freed memory is given back");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_has_gone_once_and_not_more_than_twice_a_minute() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut crowd = Crowd::default();
        for (seconds, load, gone) in [
            (0, 200, false),
            (10, 0, false),
            (20, 10_000, false),
            (30, 3_000, false),
            // Still fewer every moment.
            (40, 600, false),
            (50, 500, true),
            (55, 0, false),
            (70, 5_000, false),
            (75, 0, false),
            (80, 0, true),
            (90, 0, false),
            (1_000, 255, false),
            (1_010, 0, false),
        ] {
            assert_eq!(crowd.has_gone(at(seconds), load), gone, "{seconds}");
        }
    }
}
