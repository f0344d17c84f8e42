// SPDX-License-Identifier: MPL-2.0
//! What the phone says: a file in real time, then silence until the call is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gst_app::AppSrc;
use serde_json::json;

use super::level::Meter;
use super::lines::{Lines, monotonic_us};
use crate::measure::Wave;

/// One push.
const FRAME: Duration = Duration::from_millis(20);

/// Talks into a call, from a thread of its own, until dropped.
pub struct Speaker {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Speaker {
    /// Begins to talk, and tells when.
    pub fn start(
        source: AppSrc,
        wave: Wave,
        repeat: bool,
        meter: Arc<Meter>,
        lines: Lines,
    ) -> Speaker {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = stop.clone();
            move || talk(&source, &wave, repeat, &meter, lines, &stop)
        });
        Speaker {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It breaks down only where there is nobody left to talk to.
            let _ = thread.join();
        }
    }
}

fn talk(
    source: &AppSrc,
    wave: &Wave,
    repeat: bool,
    meter: &Meter,
    lines: Lines,
    stop: &AtomicBool,
) {
    let per_frame = (f64::from(wave.rate_hz) * FRAME.as_secs_f64()) as usize;
    let start = Instant::now();
    lines.tell_at(
        monotonic_us(),
        "playing",
        json!({ "seconds": wave.duration().as_secs_f64() }),
    );
    let mut frame = Vec::with_capacity(per_frame * 2);
    let mut told = false;
    let mut position = 0;
    for number in 0u32.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        frame.clear();
        for _ in 0..per_frame {
            if repeat && position >= wave.samples.len() {
                position = 0;
            }
            frame.push(wave.samples.get(position).copied().unwrap_or(0));
            position += 1;
        }
        meter.take(&frame);
        let bytes: Vec<u8> = frame
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        // Time-stamped by the source as it takes it; refused once the call is over.
        if source.push_buffer(gst::Buffer::from_slice(bytes)).is_err() {
            return;
        }
        if !told && position >= wave.samples.len() {
            lines.tell("played", json!({}));
            told = true;
        }
        // Against the start and not against the last frame, so that no lateness adds up.
        thread::sleep((FRAME * (number + 1)).saturating_sub(start.elapsed()));
    }
}
