// SPDX-License-Identifier: MPL-2.0
//! Who says what is told by tones, each of a pitch of its own: an ear knows when it heard which.

use anyhow::{Context as _, Result, bail};
use gst_app::{AppSink, AppSinkCallbacks};
use sipbridge_browser::share_of;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

/// The rate that it hears at.
pub const RATE_HZ: u32 = 8_000;
/// What is judged at a time: 20 ms.
const FRAME: usize = 160;
/// Less is silence.
const LOUD: i16 = 500;
/// So much of what is heard must be one tone.
const PURE: f64 = 0.7;
/// A tone is heard once so many frames in a row are of it.
const SURE: usize = 3;

/// What was heard of a moment: the pitch of a tone, or none.
type Moment = (Instant, Option<u32>);

/// Shared by whatever is heard one after the other.
#[derive(Clone)]
pub struct Ear {
    pitches: Arc<[u32]>,
    heard: Arc<Mutex<Vec<Moment>>>,
    told: watch::Sender<()>,
}

impl Ear {
    /// One that knows tones of these pitches.
    pub fn of(pitches: &[u32]) -> Ear {
        Ear {
            pitches: pitches.into(),
            heard: Arc::default(),
            told: watch::Sender::new(()),
        }
    }

    /// Listens at an appsink, which has one channel of samples at [`RATE_HZ`].
    pub fn listen(&self, appsink: &AppSink) {
        let ear = self.clone();
        let mut left = Vec::new();
        let hear = move |appsink: &AppSink| {
            let sample = appsink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
            let buffer = sample.buffer().ok_or(gst::FlowError::Error)?;
            let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
            let pairs = map.chunks_exact(2);
            left.extend(pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
            let whole = left.len() - left.len() % FRAME;
            ear.hear(left.drain(..whole).as_slice());
            Ok(gst::FlowSuccess::Ok)
        };
        appsink.set_callbacks(AppSinkCallbacks::builder().new_sample(hear).build());
    }

    fn hear(&self, samples: &[i16]) {
        let now = Instant::now();
        let frames = samples.chunks_exact(FRAME);
        let moments = frames.map(|frame| (now, self.pitch_of(frame)));
        self.moments().extend(moments);
        self.told.send_replace(());
    }

    fn pitch_of(&self, frame: &[i16]) -> Option<u32> {
        let loudest = frame.iter().map(|sample| sample.saturating_abs()).max();
        loudest.filter(|loudest| *loudest >= LOUD)?;
        let is_it = |pitch: &&u32| share_of(f64::from(**pitch), frame, RATE_HZ) > PURE;
        self.pitches.iter().find(is_it).copied()
    }

    fn moments(&self) -> MutexGuard<'_, Vec<Moment>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When this tone was heard from `since` on, at the first: once it was heard for a while.
    fn first(&self, pitch: u32, since: Instant) -> Option<Instant> {
        let moments = self.moments();
        let from = moments.partition_point(|(at, _)| *at < since);
        let mut windows = moments[from..].windows(SURE);
        let sure =
            windows.find(|moments| moments.iter().all(|(_, heard)| *heard == Some(pitch)))?;
        Some(sure[0].0)
    }

    /// When this tone was heard last.
    fn last(&self, pitch: u32) -> Option<Instant> {
        let moments = self.moments();
        let mut backwards = moments.iter().rev();
        let last = backwards.find(|(_, heard)| *heard == Some(pitch));
        last.map(|(at, _)| *at)
    }

    /// Waits until this tone is heard, from `since` on.
    pub async fn until_heard(
        &self,
        pitch: u32,
        since: Instant,
        patience: Duration,
    ) -> Result<Instant> {
        let mut told = self.told.subscribe();
        let heard = async {
            loop {
                told.mark_unchanged();
                if let Some(at) = self.first(pitch, since) {
                    return at;
                }
                // The sender is this ear's own.
                let _ = told.changed().await;
            }
        };
        let heard = timeout(patience, heard).await;
        heard.with_context(|| format!("{pitch} Hz are not heard within {patience:?}"))
    }

    /// Waits until this tone was not heard for so long.
    pub async fn until_not_heard(
        &self,
        pitch: u32,
        for_so_long: Duration,
        patience: Duration,
    ) -> Result<()> {
        let (begun, deadline) = (Instant::now(), Instant::now() + patience);
        loop {
            let last = self.last(pitch).unwrap_or(begun).max(begun);
            let over = last + for_so_long;
            if over <= Instant::now() {
                return Ok(());
            }
            if over > deadline {
                bail!("{pitch} Hz are still heard after {patience:?}");
            }
            sleep_until(over.into()).await;
        }
    }

    /// Fails where this tone is heard from `since` on.
    pub fn assert_not_heard(&self, pitch: u32, since: Instant) -> Result<()> {
        match self.first(pitch, since) {
            Some(at) => bail!("{pitch} Hz are heard after {:?}", at - since),
            None => Ok(()),
        }
    }

    /// For how long none of these tones was heard at most, between two moments.
    pub fn longest_gap(&self, pitches: &[u32], from: Instant, to: Instant) -> Duration {
        let moments = self.moments();
        let within = moments.iter().filter(|(at, _)| (from..to).contains(at));
        let of_these = within.filter(|(_, heard)| heard.is_some_and(|one| pitches.contains(&one)));
        let (mut before, mut longest) = (from, Duration::ZERO);
        for at in of_these.map(|(at, _)| *at).chain([to]) {
            longest = longest.max(at - before);
            before = at;
        }
        longest
    }
}
