// SPDX-License-Identifier: MPL-2.0
//! What a participant says: PCM at given instants, silence in between, as a microphone would.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use tokio::sync::mpsc;

use super::running::Running;
use super::{Peer, PeerConfig, PeerError, PeerEvent};
use crate::measure::Wave;

/// The rate at which a participant speaks; other rates are brought to it first.
pub const RATE_HZ: u32 = 48_000;
const FRAME: Duration = Duration::from_millis(20);
const FRAME_SAMPLES: usize = 960;

const PIPELINE: &str = "appsrc name=mouth is-live=true format=time \
    caps=audio/x-raw,format=S16LE,layout=interleaved,rate=48000,channels=1 \
    ! opusenc bitrate=32000 complexity=3 ! rtpopuspay pt=111 \
    ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! webrtcbin name=publish";

/// A microphone that publishes.
pub(super) struct Mouth {
    pub(super) peer: Peer,
    said: Arc<Mutex<Vec<Saying>>>,
    _running: Running,
}

struct Saying {
    from: Instant,
    samples: Vec<i16>,
}

impl Mouth {
    pub(super) async fn open(
        config: PeerConfig,
    ) -> Result<(Mouth, mpsc::UnboundedReceiver<PeerEvent>), PeerError> {
        let running = Running::parse(PIPELINE)?;
        let (peer, events) = Peer::new(&running.element("publish")?, config)?;
        let source = running
            .element("mouth")?
            .downcast::<gst_app::AppSrc>()
            .map_err(|_| PeerError::Step {
                step: "build its pipeline",
                reason: "its mouth is no appsrc".to_owned(),
            })?;
        let said: Arc<Mutex<Vec<Saying>>> = Arc::default();
        let frames = Mutex::new(Frames {
            said: said.clone(),
            epoch: None,
            next: None,
        });
        source.set_callbacks(
            gst_app::AppSrcCallbacks::builder()
                .need_data(move |source, _| {
                    if let Some(buffer) = lock(&frames).next(source) {
                        // Refused only while the pipeline stops.
                        let _ = source.push_buffer(buffer);
                    }
                })
                .build(),
        );
        running.play().await?;
        let mouth = Mouth {
            peer,
            said,
            _running: running,
        };
        Ok((mouth, events))
    }

    /// Says `wave`, its first sample `from` this instant on.
    pub(super) fn say(&self, wave: &Wave, from: Instant) {
        let samples = wave.resampled(RATE_HZ).samples;
        lock(&self.said).push(Saying { from, samples });
    }

    pub(super) fn hush(&self) {
        lock(&self.said).clear();
    }
}

struct Frames {
    said: Arc<Mutex<Vec<Saying>>>,
    /// When running time was 0. Read once: both clocks are the system's monotonic one.
    epoch: Option<Instant>,
    /// The running time of the next frame.
    next: Option<gst::ClockTime>,
}

impl Frames {
    /// The next frame, once all of it has sounded: waits on the pipeline's clock.
    fn next(&mut self, source: &gst_app::AppSrc) -> Option<gst::Buffer> {
        let (clock, base) = (source.clock()?, source.base_time()?);
        let running = clock.time().checked_sub(base)?;
        let epoch = match self.epoch {
            Some(epoch) => epoch,
            None => Instant::now().checked_sub(running.into())?,
        };
        self.epoch = Some(epoch);
        let frame = gst::ClockTime::from_nseconds(FRAME.as_nanos() as u64);
        let start = match self.next {
            // The machine was busy: leave out what nobody can hear in time any more.
            Some(next) if running < next + frame * 10 => next,
            _ => running,
        };
        self.next = Some(start + frame);
        let _ = clock.new_single_shot_id(base + start + frame).wait();

        let samples = mix(&lock(&self.said), epoch + Duration::from(start));
        let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(start);
            buffer.set_duration(frame);
        }
        Some(buffer)
    }
}

/// What is said in the frame that begins at `began`.
fn mix(said: &[Saying], began: Instant) -> Vec<i16> {
    let mut frame = vec![0i16; FRAME_SAMPLES];
    for saying in said {
        let offset = samples_between(saying.from, began);
        for (index, sample) in (offset..).zip(frame.iter_mut()) {
            let spoken = usize::try_from(index)
                .ok()
                .and_then(|at| saying.samples.get(at));
            *sample = sample.saturating_add(spoken.copied().unwrap_or(0));
        }
    }
    frame
}

/// From `a` to `b`, which may be earlier.
fn samples_between(a: Instant, b: Instant) -> i64 {
    let seconds = if b >= a {
        (b - a).as_secs_f64()
    } else {
        -(a - b).as_secs_f64()
    };
    (seconds * f64::from(RATE_HZ)).round() as i64
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_join_without_a_seam() {
        let from = Instant::now();
        let samples: Vec<i16> = (0..3000).collect();
        let said = [Saying { from, samples }];
        let began = from - Duration::from_micros(7_300);
        let frames: Vec<i16> = (0..4).flat_map(|n| mix(&said, began + FRAME * n)).collect();
        let first = frames.iter().position(|s| *s != 0).unwrap() - 1;
        assert_eq!(first, 350, "7.3 ms of silence first");
        let heard = &frames[first..first + 3000];
        assert!(heard.iter().copied().eq(0..3000));
        assert!(frames[first + 3000..].iter().all(|s| *s == 0));
    }
}
