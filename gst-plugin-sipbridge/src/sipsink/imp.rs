// SPDX-License-Identifier: MPL-2.0
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use sip_ua::sdp::Codec;

use super::input::{self, Timing};
use super::pacer::{Interrupt, Pacer};
use crate::call::{Call, CallEnd, CallNotice, EndedBy};
use crate::context::on_context_thread;
use crate::line::{self, Line, LineError, LineUser, caps, errors};
use crate::media::{AudioIn, Format, Pushed};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sipsink",
        gst::DebugColorFlags::empty(),
        Some("What is said to the far end of a call"),
    )
});

/// What still waits in the call's input when the last audio was pushed: it is heard before we hang up.
const DRAIN: gst::ClockTime = gst::ClockTime::from_mseconds(100);

struct Settings {
    mute: bool,
    hangup_on_eos: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            mute: false,
            hangup_on_eos: super::DEFAULT_HANGUP_ON_EOS,
        }
    }
}

#[derive(Default)]
struct State {
    format: Option<Format>,
    input: Option<AudioIn>,
    /// The codec of the call, once it has one.
    codec: Option<Codec>,
    timing: Timing,
    latency: gst::ClockTime,
    /// EOS was posted.
    ended: bool,
    /// The sequence number of the EOS event, which its message carries.
    eos_seqnum: Option<gst::Seqnum>,
}

pub struct SipSink {
    pad: gst::Pad,
    line: OnceLock<Arc<Line>>,
    pacer: Pacer,
    settings: Mutex<Settings>,
    state: Mutex<State>,
}

struct User(glib::WeakRef<super::SipSink>);

impl LineUser for User {
    fn element(&self) -> Option<gst::Element> {
        self.0.upgrade().map(|element| element.upcast())
    }

    fn on_notice(&self, call: &Arc<Call>, notice: &CallNotice) {
        if let Some(element) = self.0.upgrade() {
            element.imp().on_notice(call, notice);
        }
    }

    fn reports_foreign_calls(&self) -> bool {
        false
    }
}

impl SipSink {
    pub(crate) fn line(&self) -> &Arc<Line> {
        self.line
            .get_or_init(|| Line::new(User(self.obj().downgrade())))
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn on_notice(&self, call: &Arc<Call>, notice: &CallNotice) {
        gst::debug!(CAT, imp = self, "{}: {notice:?}", call.name());
        match notice {
            // With keep-listening a call follows one that ended.
            CallNotice::State { .. } => {
                call.set_mute(self.settings().mute);
                self.pacer.set_over(false);
                self.connect(call);
            }
            CallNotice::Media { .. } => self.connect(call),
            CallNotice::Ended(end) => self.on_end(end),
            CallNotice::FirstMedia
            | CallNotice::Digit { .. }
            | CallNotice::Transfer { .. }
            | CallNotice::TransferRequested(_) => {}
        }
    }

    fn connect(&self, call: &Arc<Call>) {
        if !call.has_media() {
            return;
        }
        // First, so that who can give the call's own codec gives it from the beginning.
        if let Some(CallNotice::Media { codec, .. }) = call.media_notice() {
            self.ask_for(Codec::from_name(codec));
        }
        if self.state().input.is_none() {
            self.state().input = call.input();
            self.pacer.set_connected(true);
        }
    }

    /// Who can give the call's own codec may do so from now on: a mixer encodes it once for many.
    fn ask_for(&self, codec: Option<Codec>) {
        let before = std::mem::replace(&mut self.state().codec, codec);
        if before != codec {
            // Upstream may not be linked, or not care.
            let _ = self.pad.push_event(gst::event::Reconfigure::new());
        }
    }

    fn on_end(&self, end: &CallEnd) {
        self.state().input = None;
        self.pacer.set_connected(false);
        if !self.line().ends_with_call() {
            return;
        }
        self.pacer.set_over(true);
        let outbound = self.line().call().is_some_and(|call| !call.is_inbound());
        if self.line().owns_call() && outbound && !end.was_answered && end.by != EndedBy::Local {
            errors::post(self.obj().upcast_ref(), end);
        }
        self.post_eos();
    }

    /// As sinks do: once a stream, and only in PLAYING; what comes earlier is told then.
    fn post_eos(&self) {
        if !self.pacer.is_playing() {
            return;
        }
        let seqnum = {
            let mut state = self.state();
            if std::mem::replace(&mut state.ended, true) {
                return;
            }
            state.eos_seqnum
        };
        let obj = self.obj();
        let message = gst::message::Eos::builder()
            .src(&*obj)
            .seqnum_if_some(seqnum)
            .build();
        // A bus that is flushing has nobody to tell.
        let _ = obj.post_message(message);
    }

    fn sink_chain(&self, buffer: gst::Buffer) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some(format) = self.state().format else {
            return Err(gst::FlowError::NotNegotiated);
        };
        if on_context_thread() {
            if self.pacer.is_playing() {
                self.push(format, buffer)?;
            }
            return Ok(gst::FlowSuccess::Ok);
        }
        let live = self.upstream_is_live();
        if !goes_on(self.pacer.ready(live))? {
            return Ok(gst::FlowSuccess::Ok);
        }
        let length = input::duration(format, &buffer);
        let start = self.state().timing.running_time(&buffer, length);
        for (later, piece) in input::pieces(format, buffer) {
            let target = self.due(start + later, live);
            let waited = self.pacer.wait_until(self.obj().upcast_ref(), target, live);
            if !goes_on(waited)? {
                break;
            }
            self.push(format, piece)?;
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// Live audio is due after the pipeline's latency; a file begins with the call.
    fn due(&self, running_time: gst::ClockTime, live: bool) -> gst::ClockTime {
        let now = self.obj().current_running_time();
        let mut state = self.state();
        if live {
            running_time + state.latency
        } else {
            state.timing.shifted(running_time, now)
        }
    }

    fn push(&self, format: Format, buffer: gst::Buffer) -> Result<(), gst::FlowError> {
        // Before the far end answers, nobody hears what a live source says.
        let Some(input) = self.state().input.clone() else {
            let over = self.line().call().is_some_and(|call| call.is_over());
            return if over && self.line().ends_with_call() {
                Err(gst::FlowError::Eos)
            } else {
                Ok(())
            };
        };
        match input.push(format, buffer) {
            Pushed::Queued => Ok(()),
            Pushed::Overflowed => {
                gst::debug!(CAT, imp = self, "audio comes faster than it can be sent");
                Ok(())
            }
            // The end of the call is on its way and says what follows.
            Pushed::Closed => Ok(()),
        }
    }

    fn upstream_is_live(&self) -> bool {
        if let Some(live) = self.state().timing.live {
            return live;
        }
        let mut query = gst::query::Latency::new();
        let live = self.pad.peer_query(&mut query) && query.result().0;
        self.state().timing.live = Some(live);
        live
    }

    fn sink_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        gst::log!(CAT, imp = self, "{event:?}");
        match event.view() {
            gst::EventView::Caps(caps) => {
                let format = caps::format_of(caps.caps());
                self.state().format = format;
                return format.is_some();
            }
            gst::EventView::Segment(segment) => {
                let mut state = self.state();
                state.timing = Timing::default();
                if let Some(segment) = segment.segment().downcast_ref::<gst::ClockTime>() {
                    state.timing.segment = segment.clone();
                }
                return true;
            }
            gst::EventView::FlushStart(_) => {
                self.pacer.set_flushing(true);
                let input = self.state().input.clone();
                if let Some(input) = input {
                    input.flush();
                }
            }
            gst::EventView::FlushStop(_) => {
                {
                    let mut state = self.state();
                    state.timing = Timing::default();
                    state.ended = false;
                }
                self.pacer.set_flushing(false);
            }
            gst::EventView::Eos(eos) => {
                self.on_eos(eos.seqnum());
                return true;
            }
            gst::EventView::CustomDownstream(_) | gst::EventView::CustomDownstreamOob(_)
                if self.line().on_event(&event) =>
            {
                return true;
            }
            _ => {}
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    /// The stream is over when its last sound was sent.
    fn on_eos(&self, seqnum: gst::Seqnum) {
        self.state().eos_seqnum = Some(seqnum);
        if !on_context_thread() {
            let end = self.state().timing.end();
            let live = self.upstream_is_live();
            let drained = match end {
                Some(end) => self
                    .pacer
                    .wait_until(self.obj().upcast_ref(), end + DRAIN, live),
                None => self.pacer.ready(live),
            };
            if drained == Err(Interrupt::Flushing) {
                return;
            }
        }
        let hangs_up = self.settings().hangup_on_eos;
        if hangs_up {
            self.line().hangup(0, None);
        }
        self.post_eos();
    }

    fn sink_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        if let gst::QueryViewMut::Caps(query) = query.view_mut() {
            let codec = self.state().codec;
            let caps = caps::preferring(codec);
            match query.filter() {
                Some(filter) => {
                    // In our order, not in the asker's.
                    let mode = gst::CapsIntersectMode::First;
                    query.set_result(&caps.intersect_with_mode(filter, mode));
                }
                None => query.set_result(&caps),
            }
            return true;
        }
        gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }

    fn activate(&self, active: bool) {
        if active {
            *self.state() = State::default();
            self.pacer.set_over(false);
            self.pacer.set_connected(false);
        }
        self.pacer.set_flushing(!active);
    }

    fn fail(&self, error: &LineError) -> gst::StateChangeError {
        gst::element_imp_error!(self, error.resource(), ("{error}"));
        gst::StateChangeError
    }
}

/// Whether a buffer is still wanted after its wait.
fn goes_on(waited: Result<(), Interrupt>) -> Result<bool, gst::FlowError> {
    match waited {
        Ok(()) => Ok(true),
        Err(Interrupt::Paused) => Ok(false),
        Err(Interrupt::Flushing) => Err(gst::FlowError::Flushing),
        Err(Interrupt::Over) => Err(gst::FlowError::Eos),
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SipSink {
    const NAME: &'static str = "GstSipSink";
    type Type = super::SipSink;
    type ParentType = gst::Element;
    type Interfaces = (gst::URIHandler, gst::ChildProxy);

    #[expect(clippy::expect_used, reason = "the template is registered below")]
    fn with_class(klass: &Self::Class) -> Self {
        let template = klass
            .pad_template("sink")
            .expect("invariant: registered below"); // invariant
        let pad = gst::Pad::builder_from_template(&template)
            .chain_function(|_pad, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |sink| sink.sink_chain(buffer),
                )
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |sink| sink.sink_event(pad, event))
            })
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |sink| sink.sink_query(pad, query))
            })
            .activatemode_function(|_pad, parent, _mode, active| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(CAT, "panic while activating")),
                    |sink| {
                        sink.activate(active);
                        Ok(())
                    },
                )
            })
            .build();
        SipSink {
            pad,
            line: OnceLock::new(),
            pacer: Pacer::default(),
            settings: Mutex::default(),
            state: Mutex::default(),
        }
    }
}

impl ObjectImpl for SipSink {
    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        obj.set_element_flags(gst::ElementFlags::SINK);
        if let Err(error) = obj.add_pad(&self.pad) {
            gst::error!(CAT, imp = self, "cannot add the pad: {error}");
        }
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            line::signals(|value| Some(value.get::<super::SipSink>().ok()?.imp().line().clone()))
        });
        &SIGNALS
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = line::properties();
            properties.extend(super::properties());
            properties.push(line::stats_property());
            properties
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        match (pspec.name(), value.get::<bool>()) {
            ("mute", Ok(mute)) => {
                self.settings().mute = mute;
                if let Some(call) = self.line().call() {
                    call.set_mute(mute);
                }
            }
            ("hangup-on-eos", Ok(hangs_up)) => self.settings().hangup_on_eos = hangs_up,
            (name, _) if self.line().set_property(name, value) => {}
            (name, _) => gst::error!(CAT, imp = self, "no property {name}"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        match pspec.name() {
            "mute" => self.settings().mute.to_value(),
            "hangup-on-eos" => self.settings().hangup_on_eos.to_value(),
            name => self
                .line()
                .property(name)
                .unwrap_or_else(|| pspec.default_value().clone()),
        }
    }
}

impl GstObjectImpl for SipSink {}

impl ElementImpl for SipSink {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "SIP call sink",
                "Sink/Network/Audio",
                "What is said to the far end of a telephone call",
                "The sipbridge developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            gst::PadTemplate::new(
                "sink",
                gst::PadDirection::Sink,
                gst::PadPresence::Always,
                &caps::TEMPLATE,
            )
            .into_iter()
            .collect()
        });
        &TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        gst::trace!(CAT, imp = self, "{transition:?}");
        match transition {
            gst::StateChange::NullToReady => {
                self.line().open().map_err(|error| self.fail(&error))?;
            }
            gst::StateChange::PlayingToPaused => self.pacer.set_playing(false),
            gst::StateChange::PausedToReady => {
                self.pacer.set_flushing(true);
                self.line().stop();
            }
            _ => {}
        }
        let success = self.parent_change_state(transition)?;
        match transition {
            gst::StateChange::ReadyToPaused => self.line().prepare(),
            gst::StateChange::PausedToPlaying => {
                self.pacer.set_playing(true);
                self.line().start().map_err(|error| self.fail(&error))?;
                // A call that ended before we played ends us now.
                if self.line().call().is_some_and(|call| call.is_over())
                    && self.line().ends_with_call()
                {
                    self.post_eos();
                }
            }
            gst::StateChange::ReadyToNull => self.line().close(),
            _ => {}
        }
        Ok(success)
    }

    fn send_event(&self, event: gst::Event) -> bool {
        if self.line().on_event(&event) {
            return true;
        }
        if let gst::EventView::Latency(latency) = event.view() {
            self.state().latency = latency.latency();
        }
        if event.is_upstream() {
            self.pad.push_event(event)
        } else {
            self.parent_send_event(event)
        }
    }

    fn query(&self, query: &mut gst::QueryRef) -> bool {
        if query.type_() == gst::QueryType::Latency {
            return self.pad.peer_query(query);
        }
        self.parent_query(query)
    }
}

line::interfaces::shows_its_agent!(SipSink);
line::interfaces::handles_sip_uris!(SipSink, Sink);
