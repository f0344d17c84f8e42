// SPDX-License-Identifier: MPL-2.0
//! GObject plumbing of `rtcbin`.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_webrtc::{
    WebRTCICEConnectionState, WebRTCICEGatheringState, WebRTCPeerConnectionState, WebRTCSDPType,
    WebRTCSessionDescription, WebRTCSignalingState,
};

use super::error::SessionError;
use super::operations::Operations;
use super::pad::SinkPad;
use super::session::{Session, Sink};
use super::settings::{self, Settings};
use super::signals;
use super::steps::boxed;
use super::task::Command;
use crate::handover::Outlet as _;
use crate::rtc::{IceState, SignalingState};

pub(super) static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "rtcbin",
        gst::DebugColorFlags::empty(),
        Some("A WebRTC connection for audio"),
    )
});

/// What the read-only properties say.
pub(super) struct States {
    pub(super) connection: WebRTCPeerConnectionState,
    pub(super) ice: WebRTCICEConnectionState,
    pub(super) gathering: WebRTCICEGatheringState,
    pub(super) signaling: WebRTCSignalingState,
}

impl Default for States {
    fn default() -> States {
        States {
            connection: WebRTCPeerConnectionState::New,
            ice: WebRTCICEConnectionState::New,
            gathering: WebRTCICEGatheringState::New,
            signaling: WebRTCSignalingState::Stable,
        }
    }
}

pub struct RtcBin {
    settings: Mutex<Settings>,
    states: Mutex<States>,
    session: Mutex<Session>,
    operations: Operations,
}

/// The descriptions that can be read.
const DESCRIPTIONS: [(&str, &str); 6] = [
    (
        "local-description",
        "Our description: the pending one, else the one that holds",
    ),
    (
        "remote-description",
        "Their description: the pending one, else the one that holds",
    ),
    ("current-local-description", "Our description that holds"),
    ("current-remote-description", "Their description that holds"),
    (
        "pending-local-description",
        "Our description that waits for its other half",
    ),
    (
        "pending-remote-description",
        "Their description that waits for its other half",
    ),
];

impl super::RtcBin {
    pub(super) fn operations(&self) -> &Operations {
        &self.imp().operations
    }

    pub(super) fn queue(&self, operation: impl FnOnce(&super::RtcBin) + Send + 'static) {
        self.operations().push(self, operation);
    }

    pub(super) fn set_gathering(&self, state: WebRTCICEGatheringState) {
        self.imp().states().gathering = state;
        self.notify("ice-gathering-state");
    }

    pub(super) fn set_ice(&self, state: IceState) {
        self.imp().states().ice = match state {
            IceState::New => WebRTCICEConnectionState::New,
            IceState::Checking => WebRTCICEConnectionState::Checking,
            IceState::Connected => WebRTCICEConnectionState::Connected,
            IceState::Completed => WebRTCICEConnectionState::Completed,
            IceState::Disconnected => WebRTCICEConnectionState::Disconnected,
            IceState::Failed => WebRTCICEConnectionState::Failed,
            IceState::Closed => WebRTCICEConnectionState::Closed,
        };
        self.notify("ice-connection-state");
    }

    /// A description was applied, or refused.
    pub(super) fn tell_signaling(&self, local: bool) {
        let state = match self.imp().session().negotiation().state() {
            SignalingState::Stable => WebRTCSignalingState::Stable,
            SignalingState::HaveLocalOffer => WebRTCSignalingState::HaveLocalOffer,
            SignalingState::HaveRemoteOffer => WebRTCSignalingState::HaveRemoteOffer,
        };
        let before = std::mem::replace(&mut self.imp().states().signaling, state);
        if before != state {
            self.notify("signaling-state");
        }
        self.notify(if local {
            "local-description"
        } else {
            "remote-description"
        });
    }
}

impl RtcBin {
    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn states(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> Result<(), SessionError> {
        let element = self.obj();
        *self.states() = States::default();
        let settings = self.settings().clone();
        self.session().start(&settings, &element)
    }

    /// Ends the connection, waiting until its sockets are closed.
    fn stop(&self) {
        let task = self.session().stop();
        if let Some(task) = task {
            task.remove();
        }
        *self.states() = States {
            connection: WebRTCPeerConnectionState::Closed,
            ice: WebRTCICEConnectionState::Closed,
            ..States::default()
        };
    }

    /// Takes the source pads away.
    fn remove_sources(&self) {
        let (sources, shared) = {
            let mut session = self.session();
            session.flowing = false;
            (std::mem::take(&mut session.sources), session.shared())
        };
        if let Some(shared) = shared {
            shared.command(Command::NoSources);
        }
        for (_, source) in sources {
            let removed = source
                .pad()
                .set_active(false)
                .and_then(|()| self.obj().remove_pad(source.pad()));
            if let Err(error) = removed {
                gst::debug!(CAT, imp = self, "a pad had gone: {error}");
            }
        }
    }

    fn sink_chain(&self, sink: &Sink, buffers: impl IntoIterator<Item = gst::Buffer>) {
        // Until something is agreed on, it goes nowhere.
        if let Some(line) = sink.line()
            && let Some(shared) = sink.shared()
        {
            shared.push(line, buffers);
        }
    }

    fn sink_event(&self, pad: &SinkPad, event: &gst::Event) -> bool {
        match event.view() {
            gst::EventView::Caps(caps) => {
                self.session().set_caps(pad, caps.caps());
                self.obj().check_later();
            }
            gst::EventView::Eos(_) => self.on_eos(pad, true),
            gst::EventView::StreamStart(_) | gst::EventView::FlushStop(_) => {
                self.on_eos(pad, false);
            }
            _ => {}
        }
        true
    }

    /// As a sink, the element says when all that was to be sent has come.
    fn on_eos(&self, pad: &SinkPad, ended: bool) {
        let all = {
            let mut session = self.session();
            if let Some(entry) = session.sinks.iter_mut().find(|entry| entry.pad == *pad) {
                entry.ended = ended;
            }
            session.sinks.iter().all(|entry| entry.ended)
        };
        if ended && all {
            let message = gst::message::Eos::builder().src(&*self.obj()).build();
            if let Err(error) = self.obj().post_message(message) {
                gst::debug!(CAT, imp = self, "nobody hears of the end: {error}");
            }
        }
    }

    fn description(&self, name: &str) -> Option<WebRTCSessionDescription> {
        let session = self.session();
        let negotiation = session.negotiation();
        let (pending, current) = if name.contains("local") {
            (negotiation.pending_local(), negotiation.current_local())
        } else {
            (
                negotiation.pending_remote().cloned(),
                negotiation.current_remote().cloned(),
            )
        };
        let waits = match (name.starts_with("pending"), name.starts_with("current")) {
            (true, _) => true,
            (_, true) => false,
            _ => pending.is_some(),
        };
        let description = if waits { pending } else { current }?;
        // What waits is always the first half.
        let kind = if waits || negotiation.is_offerer() == name.contains("local") {
            WebRTCSDPType::Offer
        } else {
            WebRTCSDPType::Answer
        };
        boxed(kind, &description).ok()
    }

    fn new_sink(&self, template: &gst::PadTemplate, name: &str) -> (SinkPad, Arc<Sink>) {
        let sink = Sink::new();
        let (single, list) = (sink.clone(), sink.clone());
        let pad = gst::PadBuilder::<SinkPad>::from_template(template)
            .name(name)
            .chain_function(move |_, parent, buffer| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |rtc| {
                        rtc.sink_chain(&single, [buffer]);
                        Ok(gst::FlowSuccess::Ok)
                    },
                )
            })
            .chain_list_function(move |_, parent, buffers| {
                Self::catch_panic_pad_function(
                    parent,
                    || Err(gst::FlowError::Error),
                    |rtc| {
                        rtc.sink_chain(&list, buffers.iter_owned());
                        Ok(gst::FlowSuccess::Ok)
                    },
                )
            })
            .event_function(|pad, parent, event| {
                Self::catch_panic_pad_function(parent, || false, |rtc| rtc.sink_event(pad, &event))
            })
            // What goes in here does not come out there.
            .iterate_internal_links_function(|_, _| gst::Iterator::from_vec(Vec::new()))
            .build();
        (pad, sink)
    }
}

#[glib::object_subclass]
impl ObjectSubclass for RtcBin {
    const NAME: &'static str = "GstRtcBin";
    type Type = super::RtcBin;
    type ParentType = gst::Element;

    fn new() -> RtcBin {
        RtcBin {
            settings: Mutex::default(),
            states: Mutex::default(),
            session: Mutex::new(Session::new(false)),
            operations: Operations::default(),
        }
    }
}

impl ObjectImpl for RtcBin {
    fn constructed(&self) {
        self.parent_constructed();
        self.obj().set_element_flags(gst::ElementFlags::SOURCE);
    }

    fn signals() -> &'static [glib::subclass::Signal] {
        signals::signals()
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties = settings::properties();
            properties.extend(DESCRIPTIONS.iter().map(|(name, blurb)| {
                glib::ParamSpecBoxed::builder::<WebRTCSessionDescription>(name)
                    .blurb(blurb)
                    .read_only()
                    .build()
            }));
            properties.extend([
                glib::ParamSpecEnum::builder_with_default(
                    "connection-state",
                    WebRTCPeerConnectionState::New,
                )
                .nick("Connection state")
                .blurb("How the connection stands")
                .read_only()
                .build(),
                glib::ParamSpecEnum::builder_with_default(
                    "ice-connection-state",
                    WebRTCICEConnectionState::New,
                )
                .nick("ICE connection state")
                .blurb("How the connectivity checks stand")
                .read_only()
                .build(),
                glib::ParamSpecEnum::builder_with_default(
                    "ice-gathering-state",
                    WebRTCICEGatheringState::New,
                )
                .nick("ICE gathering state")
                .blurb("Whether candidates are still being collected")
                .read_only()
                .build(),
                glib::ParamSpecEnum::builder_with_default(
                    "signaling-state",
                    WebRTCSignalingState::Stable,
                )
                .nick("Signaling state")
                .blurb("How the exchange of descriptions stands")
                .read_only()
                .build(),
            ]);
            properties
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        self.settings().set(pspec.name(), value);
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let name = pspec.name();
        if let Some(value) = self.settings().get(name) {
            return value;
        }
        match name {
            "connection-state" => self.states().connection.to_value(),
            "ice-connection-state" => self.states().ice.to_value(),
            "ice-gathering-state" => self.states().gathering.to_value(),
            "signaling-state" => self.states().signaling.to_value(),
            _ => self.description(name).to_value(),
        }
    }
}

impl GstObjectImpl for RtcBin {}

impl ElementImpl for RtcBin {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "WebRTC connection for audio",
                "Filter/Network/WebRTC",
                "A WebRTC connection for audio on a shared media thread",
                "The sipbridge developers",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let rtp = gst::Caps::new_empty_simple("application/x-rtp");
            let sink = gst::PadTemplate::with_gtype(
                "sink_%u",
                gst::PadDirection::Sink,
                gst::PadPresence::Request,
                &rtp,
                SinkPad::static_type(),
            );
            let source = gst::PadTemplate::new(
                "src_%u",
                gst::PadDirection::Src,
                gst::PadPresence::Sometimes,
                &rtp,
            );
            sink.into_iter().chain(source).collect()
        });
        &TEMPLATES
    }

    fn request_new_pad(
        &self,
        template: &gst::PadTemplate,
        name: Option<&str>,
        caps: Option<&gst::Caps>,
    ) -> Option<gst::Pad> {
        let name = match name.filter(|name| !name.contains('%')) {
            Some(name) => name.to_owned(),
            None => {
                let taken =
                    |number: &u32| self.obj().static_pad(&format!("sink_{number}")).is_some();
                let number = (0_u32..).find(|number| !taken(number))?;
                format!("sink_{number}")
            }
        };
        let (pad, sink) = self.new_sink(template, &name);
        self.session().add_sink(&pad, &sink, caps);
        if self.obj().current_state() > gst::State::Ready {
            pad.set_active(true).ok()?;
        }
        if let Err(error) = self.obj().add_pad(&pad) {
            gst::warning!(CAT, imp = self, "no pad {name}: {error}");
            self.session().remove_sink(&pad);
            return None;
        }
        self.obj().set_element_flags(gst::ElementFlags::SINK);
        self.obj().check_later();
        Some(pad.upcast())
    }

    fn release_pad(&self, pad: &gst::Pad) {
        let Some(pad) = pad.downcast_ref::<SinkPad>() else {
            return;
        };
        let last = {
            let mut session = self.session();
            session.remove_sink(pad);
            session.sinks.is_empty()
        };
        let removed = pad
            .set_active(false)
            .and_then(|()| self.obj().remove_pad(pad));
        if let Err(error) = removed {
            gst::debug!(CAT, imp = self, "a pad had gone: {error}");
        }
        if last {
            self.obj().unset_element_flags(gst::ElementFlags::SINK);
        }
        self.obj().check_later();
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        gst::trace!(CAT, imp = self, "{transition:?}");
        match transition {
            gst::StateChange::NullToReady => self.start().map_err(|error| {
                gst::element_imp_error!(self, gst::ResourceError::Failed, ("{error}"));
                gst::StateChangeError
            })?,
            gst::StateChange::ReadyToPaused => self.session().flowing = true,
            gst::StateChange::PlayingToPaused => {
                if let Some(shared) = self.session().shared() {
                    shared.pauses();
                }
            }
            _ => {}
        }
        let mut success = self.parent_change_state(transition)?;
        match transition {
            gst::StateChange::NullToReady => self.obj().check_later(),
            gst::StateChange::ReadyToPaused | gst::StateChange::PlayingToPaused => {
                success = gst::StateChangeSuccess::NoPreroll;
            }
            gst::StateChange::PausedToPlaying => {
                if let Some(shared) = self.session().shared() {
                    let element = self.obj();
                    shared.plays(element.clock(), element.base_time());
                }
            }
            gst::StateChange::PausedToReady => self.remove_sources(),
            gst::StateChange::ReadyToNull => {
                self.stop();
                self.remove_sources();
            }
            _ => {}
        }
        Ok(success)
    }
}
