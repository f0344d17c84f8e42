// SPDX-License-Identifier: MPL-2.0
//! The two pads of a participant, `sink_%u` and `minus_%u`, and what they have in common.

use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;

use super::intake::Intake;
use super::output::Output;
use crate::media::Format;
use crate::mixer::Listening;

/// What the tick, the pads and the application share of one participant.
pub(super) struct Participant {
    pub(super) number: u32,
    pub(super) intake: Intake,
    pub(super) output: Arc<Output>,
    pub(super) muted: AtomicBool,
    speaking: AtomicBool,
    /// In hundredths of a dB.
    level: AtomicI32,
    live: Mutex<Option<bool>>,
    /// How the participant listens, for the next tick to take up.
    wanted: Mutex<Option<(Format, Listening)>>,
    changes: AtomicU64,
}

impl Participant {
    pub(super) fn new(number: u32, output: Arc<Output>) -> Arc<Participant> {
        Arc::new(Participant {
            number,
            intake: Intake::default(),
            output,
            muted: AtomicBool::new(false),
            speaking: AtomicBool::new(false),
            level: AtomicI32::new(-10_000),
            live: Mutex::default(),
            wanted: Mutex::default(),
            changes: AtomicU64::new(0),
        })
    }

    fn wanted(&self) -> MutexGuard<'_, Option<(Format, Listening)>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on the participant listens so.
    pub(super) fn set_listening(&self, how: Option<(Format, Listening)>) {
        *self.wanted() = how;
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// How the participant listens, if that changed since `seen`.
    pub(super) fn changed_listening(&self, seen: &mut u64) -> Option<Option<(Format, Listening)>> {
        let changes = self.changes.load(Ordering::Acquire);
        (std::mem::replace(seen, changes) != changes).then(|| *self.wanted())
    }

    /// A new stream comes in.
    pub(super) fn forget_upstream(&self) {
        *self.live() = None;
    }

    fn live(&self) -> MutexGuard<'_, Option<bool>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what comes in is live; asked once a stream.
    pub(super) fn is_live(&self, sink: &gst::Pad) -> bool {
        if let Some(live) = *self.live() {
            return live;
        }
        let mut query = gst::query::Latency::new();
        let live = sink.peer_query(&mut query) && query.result().0;
        *self.live() = Some(live);
        live
    }

    pub(super) fn tell(&self, speaking: bool, level_dbfs: f32) {
        self.speaking.store(speaking, Ordering::Relaxed);
        self.level
            .store((level_dbfs * 100.0) as i32, Ordering::Relaxed);
    }

    fn stats(&self) -> Option<gst::Structure> {
        let track = self.intake.track()?;
        // application/x-sipmixer-track-stats: the property `stats` of a sink pad that takes RTP. `packets`
        // came, of these `late` too late to be heard and `malformed` were none of the codec; `missed` were
        // not there when they were due. `delay` is how long a packet waits at present, in nanoseconds.
        let stats = gst::Structure::builder("application/x-sipmixer-track-stats")
            .field("packets", track.packets)
            .field("late", track.late)
            .field("malformed", track.malformed)
            .field("missed", track.missed)
            .field("delay", track.delay.as_nanos() as u64)
            .build();
        Some(stats)
    }

    pub(super) fn is_speaking(&self) -> bool {
        self.speaking.load(Ordering::Relaxed)
    }

    /// Whether the room hears what this participant does not say, too: for half a second after each word.
    pub(super) fn is_heard(&self) -> bool {
        self.is_speaking()
    }

    pub(super) fn level_dbfs(&self) -> f64 {
        f64::from(self.level.load(Ordering::Relaxed)) / 100.0
    }
}

mod imp {
    use std::sync::{LazyLock, OnceLock};

    use gst::subclass::prelude::*;

    use super::*;

    #[derive(Default)]
    pub struct SipMixerPad {
        pub(in crate::sipmixer) participant: OnceLock<Arc<Participant>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for SipMixerPad {
        const NAME: &'static str = "GstSipMixerPad";
        type Type = super::SipMixerPad;
        type ParentType = gst::Pad;
    }

    impl ObjectImpl for SipMixerPad {
        fn properties() -> &'static [glib::ParamSpec] {
            static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
                vec![
                    glib::ParamSpecBoolean::builder("mute")
                        .nick("Mute")
                        .blurb("Keep this participant out of what the others hear")
                        .mutable_playing()
                        .build(),
                    glib::ParamSpecBoolean::builder("speaking")
                        .nick("Speaking")
                        .blurb("Whether this participant speaks: now, or half a second ago")
                        .read_only()
                        .build(),
                    glib::ParamSpecDouble::builder("level")
                        .nick("Level")
                        .blurb("How loud this participant is, in dBFS")
                        .minimum(-100.0)
                        .maximum(0.0)
                        .default_value(-100.0)
                        .read_only()
                        .build(),
                    glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                        .nick("Statistics")
                        .blurb("What the jitter buffer of this participant counts; nothing where raw audio comes")
                        .read_only()
                        .build(),
                ]
            });
            PROPERTIES.as_ref()
        }

        fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
            if let ("mute", Ok(mute), Some(participant)) =
                (pspec.name(), value.get(), self.participant.get())
            {
                participant.muted.store(mute, Ordering::Relaxed);
            }
        }

        fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
            let participant = self.participant.get();
            match (pspec.name(), participant) {
                ("mute", Some(participant)) => participant.muted.load(Ordering::Relaxed).to_value(),
                ("speaking", Some(participant)) => participant.is_speaking().to_value(),
                ("level", Some(participant)) => {
                    participant.level_dbfs().clamp(-100.0, 0.0).to_value()
                }
                ("stats", Some(participant)) => participant.stats().to_value(),
                _ => pspec.default_value().clone(),
            }
        }
    }

    impl GstObjectImpl for SipMixerPad {}
    impl PadImpl for SipMixerPad {}
}

glib::wrapper! {
    /// The `sink_%u` pad of a `sipmixer`.
    pub struct SipMixerPad(ObjectSubclass<imp::SipMixerPad>) @extends gst::Pad, gst::Object;
}

impl SipMixerPad {
    /// Before the pad is added, once.
    pub(super) fn belong_to(&self, participant: &Arc<Participant>) {
        use gst::subclass::prelude::ObjectSubclassIsExt;
        let _ = self.imp().participant.set(participant.clone());
    }

    pub(super) fn participant(&self) -> Option<Arc<Participant>> {
        use gst::subclass::prelude::ObjectSubclassIsExt;
        self.imp().participant.get().cloned()
    }
}
