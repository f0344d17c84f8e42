// SPDX-License-Identifier: MPL-2.0
//! The delay that we add, from RTP in to RTP out, jitter buffer and codecs included: an impulse in
//! G.711 is found in Opus. The media thread sleeps for 5 ms at a time, as it may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::output::Output;
use super::*;
use crate::codec::{Decoder, OpusSettings};
use crate::leg::{Leg, LegConfig};

const WAIT_MS: u64 = 5;

struct Pipeline {
    running_ms: Arc<AtomicU64>,
    frames: Sender<(u64, Option<Vec<u8>>)>,
}

impl AudioOut for Pipeline {
    fn running_time(&self) -> Option<gst::ClockTime> {
        Some(gst::ClockTime::from_mseconds(
            self.running_ms.load(Ordering::Relaxed),
        ))
    }

    fn frame(&mut self, frame: OutFrame) {
        let bytes = match frame {
            OutFrame::Audio(buffer) => Some(buffer.map_readable().unwrap().to_vec()),
            OutFrame::Gap { .. } => None,
        };
        let at = self.running_ms.load(Ordering::Relaxed);
        let _ = self.frames.send((at, bytes));
    }
}

fn leg(now: Instant, ssrc: u32, with: &str) -> Leg {
    let config = LegConfig {
        ssrc,
        sequence: 1,
        timestamp: 1,
        cname: String::new(),
        ntp_epoch: 0,
        latency: Duration::from_millis(200),
        silent_peer: Duration::from_secs(3_600),
        media_timeout: Duration::ZERO,
    };
    let mut leg = Leg::new(now, config);
    leg.apply(now, &agreement(with.parse().unwrap(), Codec::Pcmu));
    leg
}

/// Where the loudest sample is, in milliseconds.
fn peak_ms(pcm: &[i16]) -> f64 {
    let loudest = pcm.iter().enumerate().max_by_key(|(_, s)| s.unsigned_abs());
    loudest.unwrap().0 as f64 / 8.0
}

/// The delay of an impulse where packets come so much after a tick.
fn delay_ms(phase_ms: u64) -> f64 {
    let begin = Instant::now();
    let (mut alice, mut bob) = (
        leg(begin, 1, "192.0.2.2:5000"),
        leg(begin, 2, "192.0.2.1:4000"),
    );
    let running_ms = Arc::new(AtomicU64::new(0));
    let (say, frames) = channel();
    let sink = Box::new(Pipeline {
        running_ms: running_ms.clone(),
        frames: say,
    });
    let format = Format::Encoded(Codec::Opus);
    let mut output = Output::new(begin, 0, format, sink, OpusSettings::default());
    let mut arrived_ms = 0.0;
    // What came since the thread last looked.
    let mut waiting: Vec<Vec<u8>> = Vec::new();
    for ms in 0..4_000u64 {
        if ms % 20 == phase_ms {
            let mut payload = [0xffu8; 160];
            if ms / 20 == 150 {
                // A millisecond of the loudest there is.
                payload[80..88].fill(0x80);
                arrived_ms = ms as f64 + 84.0 / 8.0;
            }
            waiting.push(alice.send_audio(&payload, 160).unwrap().bytes.to_vec());
        }
        if ms % WAIT_MS == 0 {
            let now = begin + Duration::from_millis(ms);
            running_ms.store(ms, Ordering::Relaxed);
            for bytes in waiting.drain(..) {
                bob.receive_rtp(now, "192.0.2.1:4000".parse().unwrap(), &bytes);
            }
            output.tick(now, &mut bob);
        }
    }
    let mut decoder = Decoder::new(Codec::Opus, 8_000).unwrap();
    let mut heard = Vec::new();
    let mut begins = None;
    for (at, bytes) in frames.try_iter() {
        if at < 2_900 {
            continue;
        }
        let begun = *begins.get_or_insert(at);
        // A gap is as long as it lasts.
        heard.resize((at - begun) as usize * 8, 0);
        if let Some(bytes) = bytes {
            decoder.decode(&bytes, &mut heard);
        }
    }
    begins.unwrap() as f64 + peak_ms(&heard) - arrived_ms
}

#[test]
fn forty_milliseconds_at_most_in_the_middle() {
    gst::init().unwrap();
    let mut delays: Vec<f64> = (0..20).map(delay_ms).collect();
    delays.sort_by(f64::total_cmp);
    let median = delays[delays.len() / 2];
    assert!(median <= 40.0, "{delays:?}");
    assert!(delays[0] > 10.0 && delays[19] < 50.0, "{delays:?}");
}
