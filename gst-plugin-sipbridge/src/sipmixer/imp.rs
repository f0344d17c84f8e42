// SPDX-License-Identifier: MPL-2.0
//! GObject plumbing of `sipmixer`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::participant::{Participant, SipMixerPad};
use super::settings::{self, Settings};
use super::task::{Room, Shared};
use super::{CAT, MINUS_CAPS, SINK_CAPS};
use crate::context::{Context, ContextError, TaskHandle};
use crate::media::figures::put_context;

#[derive(Default)]
pub(super) struct State {
    pub(super) context: Option<Context>,
    task: Option<TaskHandle>,
    pub(super) next_number: u32,
}

#[derive(Default)]
pub struct SipMixer {
    settings: Mutex<Settings>,
    state: Mutex<State>,
    pub(super) shared: Arc<Shared>,
}

impl SipMixer {
    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn acquire_context(&self) -> Result<Context, ContextError> {
        let (name, wait) = {
            let settings = self.settings();
            (settings.context.clone(), settings.context_wait())
        };
        match name {
            Some(name) => Context::acquire(&name, wait),
            None => Context::default_for_new_call(),
        }
    }

    fn open(&self) -> Result<(), gst::StateChangeError> {
        let context = self.acquire_context().map_err(|error| {
            gst::element_imp_error!(self, gst::CoreError::Thread, ("{error}"));
            gst::StateChangeError
        })?;
        self.state().context = Some(context);
        Ok(())
    }

    /// The room moves to where the settings say now.
    fn move_room(&self) {
        if self.state().task.is_none() {
            return;
        }
        match self.acquire_context() {
            Ok(context) => self.move_to(&context),
            Err(error) => gst::warning!(CAT, imp = self, "the room stays where it is: {error}"),
        }
    }

    /// The room, if there is one, moves there.
    pub(super) fn move_to(&self, context: &Context) {
        let mut state = self.state();
        if let Some(task) = &state.task {
            task.move_to(context);
            state.context = Some(context.clone());
        }
    }

    fn start(&self) {
        *self.shared.settings() = self.settings().mixer;
        self.shared.changed();
        let room = Room::new(self.obj().upcast_ref(), self.shared.clone());
        let element = self.obj().downgrade();
        let on_panic = Box::new(move |said: &str| {
            if let Some(element) = element.upgrade() {
                gst::element_error!(
                    element,
                    gst::CoreError::Failed,
                    ("The mixer failed"),
                    ["panic: {said}"]
                );
            }
        });
        let mut state = self.state();
        if let Some(context) = &state.context {
            let task = context.add_task(|_| Box::new(room), Some(on_panic));
            state.task = Some(task);
        }
    }

    fn stop(&self) {
        let task = self.state().task.take();
        if let Some(task) = task {
            task.remove();
        }
    }

    fn set_playing(&self, playing: bool) {
        self.shared.playing.store(playing, Ordering::Release);
        let participants = self.shared.participants().clone();
        for participant in participants {
            participant.intake.set_playing(playing);
            if playing {
                self.negotiate(&participant);
            } else {
                participant.output.pause();
            }
        }
    }

    /// Asks what follows a minus pad how it listens.
    pub(super) fn negotiate(&self, participant: &Participant) {
        if !self.shared.playing.load(Ordering::Acquire) {
            return;
        }
        let (handover, rate_max) = {
            let settings = self.settings();
            (settings.handover, settings.mixer.rate_max)
        };
        participant.output.prepare(handover);
        let how = participant.output.negotiate(rate_max);
        gst::debug!(
            CAT,
            imp = self,
            "participant {} listens: {how:?}",
            participant.number
        );
        participant.set_listening(how);
    }

    fn stats(&self) -> gst::Structure {
        let figures = self.shared.figures();
        let participants = self.shared.participants().len();
        // application/x-sipmixer-stats: the property `stats`. `participants` are those who have pads,
        // `ticks` how often the room was mixed, `ticks-skipped` how often it was too late for that: while
        // that grows, the room is more than its media thread carries. What the last tick took: `voices`
        // in the mix, `sharing` who hear the mix of all the silent, `own-encodes` for one listener each,
        // `shared-encodes` for many. `rate` is the room's, in Hz;
        // `load` the share of its media thread's time that mixing took in the last second, 0 to 1. `context`
        // is that thread, `context-load` the share of the last second it worked, `context-late` the most
        // milliseconds that any tick on it was ever late, and `context-overruns` how many were by more than
        // 20.
        let stats = gst::Structure::builder("application/x-sipmixer-stats")
            .field("participants", participants as u32)
            .field("ticks", figures.ticks)
            .field("ticks-skipped", figures.skipped)
            .field("voices", figures.work.voices)
            .field("sharing", figures.work.sharing)
            .field("own-encodes", figures.work.own_encodes)
            .field("shared-encodes", figures.work.shared_encodes)
            .field("rate", figures.room_hz)
            .field("load", figures.load);
        let context = self.state().context.clone();
        match context {
            Some(context) => put_context(stats, &context).build(),
            None => stats.build(),
        }
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SipMixer {
    const NAME: &'static str = "GstSipMixer";
    type Type = super::SipMixer;
    type ParentType = gst::Element;
    type Interfaces = (gst::ChildProxy,);
}

impl ObjectImpl for SipMixer {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(settings::properties);
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let (mixer, comfort) = {
            let mut settings = self.settings();
            if let Err(error) = settings.set(pspec.name(), value) {
                gst::error!(CAT, imp = self, "{}: {error}", pspec.name());
            }
            (settings.mixer, settings.comfort_noise)
        };
        *self.shared.settings() = mixer;
        self.shared.comfort.store(comfort, Ordering::Release);
        self.shared.changed();
        if pspec.name() == "context" {
            self.move_room();
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == "stats" {
            return self.stats().to_value();
        }
        self.settings()
            .get(pspec.name())
            .unwrap_or_else(|| pspec.default_value().clone())
    }
}

impl GstObjectImpl for SipMixer {}

impl ElementImpl for SipMixer {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Conference mixer",
                "Audio/Mixer",
                "A conference: everyone hears everyone else, and nobody themselves",
                "The sipbridge developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let sink = gst::PadTemplate::with_gtype(
                "sink_%u",
                gst::PadDirection::Sink,
                gst::PadPresence::Request,
                &SINK_CAPS,
                SipMixerPad::static_type(),
            );
            let minus = gst::PadTemplate::new(
                "minus_%u",
                gst::PadDirection::Src,
                gst::PadPresence::Sometimes,
                &MINUS_CAPS,
            );
            [sink, minus].into_iter().flatten().collect()
        });
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        _caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let (load, most) = (self.shared.figures().load, self.settings().max_load);
        if load >= most {
            // A room that is late is late for everybody in it.
            gst::element_imp_warning!(
                self,
                gst::ResourceError::NoSpaceLeft,
                (
                    "Nobody more is let into the room: mixing takes {:.0} % of its media thread's time, and max-load is {:.0} %",
                    load * 100.0,
                    most * 100.0
                )
            );
            return None;
        }
        self.add_participant(template, name)
            .map(|sink| sink.upcast())
    }

    fn release_pad(&self, pad: &gst::Pad) {
        if let Some(sink) = pad.downcast_ref::<SipMixerPad>() {
            self.remove_participant(sink);
        }
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        gst::trace!(CAT, imp = self, "{transition:?}");
        match transition {
            gst::StateChange::NullToReady => self.open()?,
            gst::StateChange::PlayingToPaused => self.set_playing(false),
            gst::StateChange::PausedToReady => self.stop(),
            _ => {}
        }
        let mut success = self.parent_change_state(transition)?;
        match transition {
            gst::StateChange::ReadyToPaused => {
                self.start();
                success = gst::StateChangeSuccess::NoPreroll;
            }
            gst::StateChange::PausedToPlaying => self.set_playing(true),
            gst::StateChange::PlayingToPaused => success = gst::StateChangeSuccess::NoPreroll,
            gst::StateChange::ReadyToNull => self.state().context = None,
            _ => {}
        }
        Ok(success)
    }
}

impl ChildProxyImpl for SipMixer {
    fn child_by_index(&self, index: u32) -> Option<glib::Object> {
        let pads = self.obj().pads();
        pads.into_iter().nth(index as usize).map(|pad| pad.upcast())
    }

    fn child_by_name(&self, name: &str) -> Option<glib::Object> {
        self.obj().static_pad(name).map(|pad| pad.upcast())
    }

    fn children_count(&self) -> u32 {
        u32::from(self.obj().num_pads())
    }
}
