// SPDX-License-Identifier: MPL-2.0
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use sip_ua::sdp::Codec;

use super::output::{Begun, Output, Tap};
use crate::call::{Call, CallEnd, CallNotice, EndedBy};
use crate::handover::{self, Handover};
use crate::line::{self, Line, LineError, LineUser, caps, errors};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sipsrc",
        gst::DebugColorFlags::empty(),
        Some("What the far end of a call says"),
    )
});

/// One packet time at most: frames leave the jitter buffer in steps of 20 ms.
const LATENCY: gst::ClockTime = gst::ClockTime::from_mseconds(20);

pub struct SipSrc {
    pad: gst::Pad,
    line: OnceLock<Arc<Line>>,
    output: OnceLock<Arc<Output>>,
    handover: Mutex<Handover>,
}

struct User(glib::WeakRef<super::SipSrc>);

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
        true
    }
}

impl SipSrc {
    pub(crate) fn line(&self) -> &Arc<Line> {
        self.line
            .get_or_init(|| Line::new(User(self.obj().downgrade())))
    }

    fn output(&self) -> &Arc<Output> {
        self.output
            .get_or_init(|| Output::new(&self.pad, self.obj().upcast_ref()))
    }

    fn handover(&self) -> MutexGuard<'_, Handover> {
        self.handover.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn play(&self) -> Result<(), LineError> {
        let handover = *self.handover();
        if let Err(error) = self.output().play(handover) {
            gst::error!(CAT, imp = self, "cannot start the pad's task: {error}");
        }
        self.line().start()?;
        if let Some(call) = self.line().call().filter(|call| call.has_media())
            && let Some(CallNotice::Media { codec, .. }) = call.media_notice()
        {
            self.connect(&call, codec);
        }
        Ok(())
    }

    /// Lets go of the call, whose media must push here no more.
    fn leave(&self) {
        if let Some(call) = self.line().call() {
            call.set_output(None);
        }
        self.line().stop();
    }

    fn on_notice(&self, call: &Arc<Call>, notice: &CallNotice) {
        gst::debug!(CAT, imp = self, "{}: {notice:?}", call.name());
        match notice {
            CallNotice::Media { codec, .. } => self.connect(call, codec),
            CallNotice::Digit {
                digit,
                duration_ms,
                form,
            } => {
                let events = line::dtmf_events(call.name(), *digit, *duration_ms, *form);
                self.output().tell(events.into_iter().flatten());
            }
            CallNotice::Ended(end) => self.on_end(end),
            _ => {}
        }
    }

    /// Leads the call's audio to the pad.
    fn connect(&self, call: &Arc<Call>, codec: &str) {
        let codec = Codec::from_name(codec).unwrap_or(Codec::Pcmu);
        match self.output().begin(call.native_rate_hz(), codec) {
            Begun::Format(format) => {
                call.set_output(Some((format, Box::new(Tap::new(self.output())))));
            }
            // A call made elsewhere may be up before we play.
            Begun::NotYet => {}
            Begun::NoFormat(allowed) => gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ("What is downstream takes none of the formats of a call"),
                ["allowed caps: {allowed}"]
            ),
        }
    }

    fn on_end(&self, end: &CallEnd) {
        if !self.line().ends_with_call() {
            return;
        }
        let owned_failure = self.line().owns_call() && end.by != EndedBy::Local;
        let outbound = self.line().call().is_some_and(|call| !call.is_inbound());
        if owned_failure && outbound && !end.was_answered {
            errors::post(self.obj().upcast_ref(), end);
        } else if owned_failure && end.by == EndedBy::Network {
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Failed,
                ("The call was lost: {}", end.reason)
            );
        }
        self.output().end();
    }

    fn src_query(&self, pad: &gst::Pad, query: &mut gst::QueryRef) -> bool {
        handover::answer_as_live(query, LATENCY)
            || gst::Pad::query_default(pad, Some(&*self.obj()), query)
    }

    fn src_event(&self, pad: &gst::Pad, event: gst::Event) -> bool {
        if event.type_() == gst::EventType::CustomUpstream && self.line().on_event(&event) {
            return true;
        }
        gst::Pad::event_default(pad, Some(&*self.obj()), event)
    }

    fn activate(&self, active: bool) -> Result<(), gst::LoggableError> {
        if active {
            self.output().open();
            return Ok(());
        }
        self.output().close();
        handover::stop_task(self.output())
            .map_err(|error| gst::loggable_error!(CAT, "cannot stop the pad's task: {error}"))
    }

    fn fail(&self, error: &LineError) -> gst::StateChangeError {
        gst::element_imp_error!(self, error.resource(), ("{error}"));
        gst::StateChangeError
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SipSrc {
    const NAME: &'static str = "GstSipSrc";
    type Type = super::SipSrc;
    type ParentType = gst::Element;
    type Interfaces = (gst::URIHandler, gst::ChildProxy);

    #[expect(clippy::expect_used, reason = "the template is registered below")]
    fn with_class(klass: &Self::Class) -> Self {
        let template = klass
            .pad_template("src")
            .expect("invariant: registered below"); // invariant
        let pad = gst::Pad::builder_from_template(&template)
            .query_function(|pad, parent, query| {
                Self::catch_panic_pad_function(parent, || false, |src| src.src_query(pad, query))
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |src| src.src_event(pad, event))
            })
            .activatemode_function(|_, parent, _mode, active| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::loggable_error!(CAT, "panic while activating")),
                    |src| src.activate(active),
                )
            })
            .build();
        SipSrc {
            pad,
            line: OnceLock::new(),
            output: OnceLock::new(),
            handover: Mutex::default(),
        }
    }
}

impl ObjectImpl for SipSrc {
    fn constructed(&self) {
        self.parent_constructed();
        let obj = self.obj();
        obj.set_element_flags(gst::ElementFlags::SOURCE);
        if let Err(error) = obj.add_pad(&self.pad) {
            gst::error!(CAT, imp = self, "cannot add the pad: {error}");
        }
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            line::signals(|value| Some(value.get::<super::SipSrc>().ok()?.imp().line().clone()))
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
        if pspec.name() == "handover" {
            if let Ok(handover) = value.get() {
                *self.handover() = handover;
            }
        } else if !self.line().set_property(pspec.name(), value) {
            gst::error!(CAT, imp = self, "no property {}", pspec.name());
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == "handover" {
            return self.handover().to_value();
        }
        self.line()
            .property(pspec.name())
            .unwrap_or_else(|| pspec.default_value().clone())
    }
}

impl GstObjectImpl for SipSrc {}

impl ElementImpl for SipSrc {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "SIP call source",
                "Source/Network/Audio",
                "What the far end of a telephone call says",
                "The sipbridge developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            gst::PadTemplate::new(
                "src",
                gst::PadDirection::Src,
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
            gst::StateChange::PlayingToPaused => self.output().pause(),
            gst::StateChange::PausedToReady => {
                self.output().close();
                self.leave();
            }
            _ => {}
        }
        let mut success = self.parent_change_state(transition)?;
        match transition {
            gst::StateChange::ReadyToPaused => {
                self.line().prepare();
                success = gst::StateChangeSuccess::NoPreroll;
            }
            gst::StateChange::PausedToPlaying => self.play().map_err(|error| self.fail(&error))?,
            gst::StateChange::PlayingToPaused => success = gst::StateChangeSuccess::NoPreroll,
            gst::StateChange::ReadyToNull => self.line().close(),
            _ => {}
        }
        Ok(success)
    }

    fn send_event(&self, event: gst::Event) -> bool {
        if self.line().on_event(&event) {
            return true;
        }
        // An application that ends the stream here (gst-launch -e) ends the call.
        if event.type_() == gst::EventType::Eos {
            self.line().hangup(0, None);
            self.output().end();
            return true;
        }
        self.parent_send_event(event)
    }
}

line::interfaces::shows_its_agent!(SipSrc);
line::interfaces::handles_sip_uris!(SipSrc, Src);
