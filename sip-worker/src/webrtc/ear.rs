// SPDX-License-Identifier: MPL-2.0
//! What a participant hears of one track, placed in time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_app::prelude::BaseSinkExt;
use tokio::sync::{Notify, mpsc};

use super::running::Running;
use super::{Peer, PeerConfig, PeerError, PeerEvent};
use crate::measure::Wave;

// With sync, as a loudspeaker would: what is late is late.
const PIPELINE: &str = "webrtcbin name=subscribe ! rtpopusdepay ! opusdec ! audioconvert \
    ! audioresample ! audio/x-raw,format=S16LE,layout=interleaved,channels=1 \
    ! appsink name=ear sync=true max-buffers=50";

/// A loudspeaker and a recorder for one track.
pub(super) struct Ear {
    pub(super) peer: Peer,
    pub(super) recording: Arc<Recording>,
    _running: Running,
}

impl Ear {
    pub(super) async fn open(
        config: PeerConfig,
        rate_hz: u32,
    ) -> Result<(Ear, mpsc::UnboundedReceiver<PeerEvent>), PeerError> {
        let running = Running::parse(PIPELINE)?;
        let (peer, events) = Peer::new(&running.element("subscribe")?, config)?;
        let sink = running
            .element("ear")?
            .downcast::<gst_app::AppSink>()
            .map_err(|_| PeerError::Step {
                step: "build its pipeline",
                reason: "its ear is no appsink".to_owned(),
            })?;
        let caps = gst::Caps::builder("audio/x-raw")
            .field("rate", rate_hz as i32)
            .build();
        sink.set_caps(Some(&caps));
        let recording = Arc::new(Recording::new(rate_hz));
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample({
                    let recording = recording.clone();
                    let mut epoch = None;
                    move |sink| {
                        let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                        take(sink, &sample, &mut epoch, &recording);
                        Ok(gst::FlowSuccess::Ok)
                    }
                })
                .build(),
        );
        running.play().await?;
        let ear = Ear {
            peer,
            recording,
            _running: running,
        };
        Ok((ear, events))
    }
}

/// Puts one buffer where it sounded.
fn take(
    sink: &gst_app::AppSink,
    sample: &gst::Sample,
    epoch: &mut Option<Instant>,
    recording: &Recording,
) -> Option<()> {
    let buffer = sample.buffer()?;
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    let running = segment.to_running_time(buffer.pts()?)?;
    let epoch = match *epoch {
        Some(epoch) => epoch,
        None => {
            let now = sink.clock()?.time().checked_sub(sink.base_time()?)?;
            *epoch.insert(Instant::now().checked_sub(now.into())?)
        }
    };
    let map = buffer.map_readable().ok()?;
    let samples: Vec<i16> = map
        .chunks_exact(2)
        .map(|b| i16::from_le_bytes([b[0], b[1]]))
        .collect();
    // The bindings of this version do not say that an appsink is a base sink; GObject knows.
    let base = sink.upcast_ref::<gst::Element>();
    let latency = base
        .downcast_ref::<gst_app::gst_base::BaseSink>()?
        .latency();
    recording.push(epoch + Duration::from(running + latency), &samples);
    Some(())
}

/// What was heard, with silence where nothing was.
#[derive(Debug)]
pub struct Recording {
    rate_hz: u32,
    tape: Mutex<Tape>,
    grew: Notify,
}

#[derive(Debug, Default)]
struct Tape {
    from: Option<Instant>,
    samples: Vec<i16>,
    /// Mean square of the last buffer.
    power: f32,
    last: Option<Instant>,
}

/// Jitter buffers move time stamps a little to follow the sender's clock; no seam for so little.
const SLACK: Duration = Duration::from_millis(10);
/// A level that old is silence.
const LEVEL_AGE: Duration = Duration::from_millis(200);

impl Recording {
    fn new(rate_hz: u32) -> Recording {
        Recording {
            rate_hz,
            tape: Mutex::default(),
            grew: Notify::new(),
        }
    }

    /// When the first sample sounded.
    pub fn from(&self) -> Option<Instant> {
        lock(&self.tape).from
    }

    /// Waits for the first sample.
    pub async fn begun(&self) {
        self.lasts(Duration::ZERO).await;
    }

    /// Waits until something sounded so long after the first sample.
    pub async fn lasts(&self, length: Duration) {
        loop {
            let grew = self.grew.notified();
            if self.from().is_some() && lock(&self.tape).samples.len() >= self.count(length) {
                return;
            }
            grew.await;
        }
    }

    /// Everything heard so far, from [`Recording::from`] on.
    pub fn wave(&self) -> Wave {
        Wave {
            rate_hz: self.rate_hz,
            samples: lock(&self.tape).samples.clone(),
        }
    }

    /// What sounded from one instant to another; silence where nothing did.
    pub fn between(&self, from: Instant, to: Instant) -> Wave {
        let mut wave = Wave::silence(self.rate_hz, to.saturating_duration_since(from));
        let tape = lock(&self.tape);
        if let Some(began) = tape.from {
            let skip = self.count(from.saturating_duration_since(began));
            let lead = self.count(began.saturating_duration_since(from));
            let heard = tape.samples.iter().skip(skip);
            for (target, sample) in wave.samples.iter_mut().skip(lead).zip(heard) {
                *target = *sample;
            }
        }
        wave
    }

    /// The level of what sounds now, in dBFS.
    pub fn level_db(&self) -> f32 {
        let tape = lock(&self.tape);
        match tape.last {
            Some(last) if last.elapsed() < LEVEL_AGE => {
                10.0 * (tape.power / 32768.0f32.powi(2)).max(1e-10).log10()
            }
            _ => -100.0,
        }
    }

    fn count(&self, time: Duration) -> usize {
        (time.as_secs_f64() * f64::from(self.rate_hz)).round() as usize
    }

    fn push(&self, at: Instant, samples: &[i16]) {
        let mut tape = lock(&self.tape);
        let from = *tape.from.get_or_insert(at);
        let position = self.count(at.saturating_duration_since(from));
        let slack = self.count(SLACK);
        let end = tape.samples.len();
        if position > end + slack {
            tape.samples.resize(position, 0);
        }
        let overlap = if position + slack < end {
            end - position
        } else {
            0
        };
        tape.samples.extend(samples.iter().skip(overlap));
        let squares: f32 = samples.iter().map(|s| f32::from(*s).powi(2)).sum();
        tape.power = squares / samples.len().max(1) as f32;
        tape.last = Some(Instant::now());
        self.grew.notify_waiters();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn nothing_arriving_is_silence_and_a_trembling_stamp_is_no_seam() {
        let start = Instant::now();
        let recording = Recording::new(1000);
        recording.push(start, &[1; 20]);
        recording.push(start + 23 * MS, &[2; 20]);
        recording.push(start + 100 * MS, &[3; 20]);
        let wave = recording.wave();
        assert_eq!(wave.samples[..40], [[1; 20], [2; 20]].concat());
        assert_eq!(wave.samples[40..100], [0; 60]);
        assert_eq!(wave.samples[100..], [3; 20]);
    }

    #[test]
    fn a_stretch_of_it_is_filled_up_on_both_sides() {
        let start = Instant::now();
        let recording = Recording::new(1000);
        recording.push(start, &[1; 20]);
        let around = recording.between(start - 5 * MS, start + 30 * MS);
        assert_eq!(around.samples, [&[0; 5][..], &[1; 20], &[0; 10]].concat());
        let inside = recording.between(start + 5 * MS, start + 9 * MS);
        assert_eq!(inside.samples, [1; 4]);
    }

    #[test]
    fn what_overlaps_is_heard_once() {
        let start = Instant::now();
        let recording = Recording::new(1000);
        recording.push(start, &[1; 40]);
        recording.push(start + 20 * MS, &[2; 40]);
        let wave = recording.wave();
        assert_eq!(wave.samples.len(), 60);
        assert_eq!(wave.samples[40..], [2; 20]);
    }
}
