// SPDX-License-Identifier: MPL-2.0
//! What the action signals do, one after the other, and what the connection tells.

use std::sync::Arc;

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_webrtc::{
    WebRTCICEGatheringState, WebRTCPeerConnectionState, WebRTCSDPType, WebRTCSessionDescription,
};

use super::RtcBin;
use super::error::SessionError;
use super::imp::CAT;
use super::relays::RelayServer;
use super::session::resolve;
use super::source::Source;
use super::stats;
use super::stream::Identity;
use super::task::{Command, Counting, Notice, Shared};
use super::turn::TurnServer;
use crate::handover::Outlet as _;
use crate::rtc::description::{Description, Direction};
use crate::rtc::{TransportEvent, TransportState};

/// What webrtcbin calls the reply to a promise.
const REPLY: &str = "application/x-gst-promise";

impl RtcBin {
    pub(super) fn create(&self, kind: WebRTCSDPType, restart: bool, promise: Option<gst::Promise>) {
        self.queue(move |element| {
            element.ask_upstream();
            let created = {
                let mut session = element.imp().session();
                match kind {
                    WebRTCSDPType::Offer => session.create_offer(restart),
                    _ => session.create_answer(),
                }
            };
            let field = if kind == WebRTCSDPType::Offer {
                "offer"
            } else {
                "answer"
            };
            let described = created.and_then(|description| boxed(kind, &description));
            reply(
                element,
                promise,
                described.map(|described| {
                    Some(
                        gst::Structure::builder(REPLY)
                            .field(field, described)
                            .build(),
                    )
                }),
            );
        });
    }

    pub(super) fn apply_description(
        &self,
        local: bool,
        description: &WebRTCSessionDescription,
        promise: Option<gst::Promise>,
    ) {
        let kind = description.type_();
        let text = description.sdp().as_text();
        self.queue(move |element| {
            let text = text.unwrap_or_default();
            gst::debug!(
                CAT,
                obj = element,
                "{} {kind:?}",
                if local { "our" } else { "their" }
            );
            if local {
                element.apply_local(kind, &text, promise);
            } else {
                let applied = element.imp().session().set_remote(kind, &text);
                let applied = applied.map(|()| None);
                element.tell_signaling(false);
                reply(element, promise, applied);
            }
            element.check_needed();
        });
    }

    fn apply_local(&self, kind: WebRTCSDPType, text: &str, promise: Option<gst::Promise>) {
        let settings = self.imp().settings().clone();
        let applied = self.imp().session().set_local(kind, text, &settings);
        self.tell_signaling(true);
        let applied = match applied {
            Ok(applied) => applied,
            Err(error) => return reply(self, promise, Err(error)),
        };
        if applied.gathering {
            self.set_gathering(WebRTCICEGatheringState::Gathering);
        }
        reply(self, promise, Ok(None));
        for candidate in &applied.candidates {
            self.emit_by_name::<()>("on-ice-candidate", &[&(applied.line as u32), candidate]);
        }
        if applied.stun.is_some() || applied.turn.is_some() {
            // Beside the chain: a name service that is slow must hold up nothing.
            // Of this session alone: there may be another by the time they are found.
            let shared = self.imp().session().shared();
            self.call_async(move |element| {
                if let Some(shared) = shared {
                    element.ask_servers(&shared, applied.stun, applied.turn);
                }
            });
        }
    }

    /// Has the connection ask who may know more candidates.
    fn ask_servers(&self, shared: &Shared, stun: Option<(String, u16)>, turn: Option<TurnServer>) {
        let mut commands = Vec::new();
        if let Some((host, port)) = stun {
            commands.extend(resolve(&host, port).into_iter().map(Command::Stun));
        }
        if let Some(turn) = turn {
            let identity = turn.encrypted.then(|| Identity::new(&turn.host));
            match identity.transpose() {
                Ok(identity) => {
                    let found = resolve(&turn.host, turn.port);
                    if found.is_empty() {
                        gst::element_warning!(
                            self,
                            gst::ResourceError::NotFound,
                            (
                                "No address at the TURN server {}: it is not found",
                                turn.host
                            )
                        );
                    }
                    commands.extend(found.into_iter().map(|address| {
                        Command::Relay(Box::new(RelayServer {
                            address,
                            over: turn.over,
                            identity: identity.clone(),
                            login: turn.login.clone(),
                        }))
                    }));
                }
                Err(error) => {
                    gst::element_warning!(
                        self,
                        gst::ResourceError::OpenReadWrite,
                        ("No address at the TURN server {}: {error}", turn.host)
                    );
                }
            }
        }
        commands.push(Command::NoMoreServers);
        commands
            .into_iter()
            .for_each(|command| shared.command(command));
    }

    pub(super) fn add_candidate(&self, candidate: String) {
        self.queue(move |element| {
            let shared = element.imp().session().shared();
            if let Some(shared) = shared {
                shared.command(Command::Candidate(candidate));
            }
        });
    }

    pub(super) fn add_transceiver(&self, direction: Direction, caps: Option<gst::Caps>) {
        // At once: an offer asked for next has it.
        self.imp().session().add_receiver(direction, caps.as_ref());
        self.check_later();
    }

    pub(super) fn count(&self, pad: Option<gst::Pad>, promise: gst::Promise) {
        self.queue(move |element| {
            let (shared, line) = {
                let session = element.imp().session();
                (
                    session.shared(),
                    pad.as_ref().map(|pad| session.line_of(pad)),
                )
            };
            let asker = element.downgrade();
            let counting = Counting::new(move |snapshot| {
                let Some(element) = asker.upgrade() else {
                    promise.reply(None);
                    return;
                };
                element.queue(move |element| {
                    let clocks = element.imp().session().clocks();
                    let clock = |line| {
                        let known = clocks.iter().find(|(l, _)| *l == line);
                        known.map_or(48_000, |(_, clock_hz)| *clock_hz)
                    };
                    // A pad without a line counts nothing.
                    let line = line.map(|line| line.unwrap_or(usize::MAX));
                    promise.reply(Some(stats::reply(&snapshot, line, clock)));
                });
            });
            if let Some(shared) = shared {
                shared.command(Command::Stats(counting));
            }
        });
    }

    /// Has the application told that an offer is due, if one may be. Who is stopped needs none, and must not be
    /// held by a thread: its pads are released when it is disposed of, too, and whoever gives up the last hold on
    /// it expects nobody beside them (GLib before 2.80 reads what is freed by then).
    pub(super) fn check_later(&self) {
        if self.imp().session().may_need_negotiation() {
            self.queue(RtcBin::check_needed);
        }
    }

    /// Tells the application that an offer is due.
    pub(super) fn check_needed(&self) {
        if self.imp().session().needs_negotiation() {
            self.emit_by_name::<()>("on-negotiation-needed", &[]);
        }
    }

    /// From the media thread: nothing here may take long, so all of it is done later.
    pub(super) fn noticed(&self, number: u64, notice: Notice) {
        self.queue(move |element| {
            if element.imp().session().number() != number {
                return;
            }
            gst::debug!(CAT, obj = element, "{notice:?}");
            match notice {
                Notice::Transport(TransportEvent::Ice(state)) => element.set_ice(state),
                Notice::Transport(TransportEvent::State(state, reason)) => {
                    element.set_connection(state, reason);
                }
                Notice::Candidate(candidate) => {
                    let line = element.imp().session().add_candidate(&candidate);
                    element.emit_by_name::<()>("on-ice-candidate", &[&(line as u32), &candidate]);
                }
                Notice::Gathered => {
                    element.imp().session().candidates_complete();
                    element.set_gathering(WebRTCICEGatheringState::Complete);
                }
                Notice::NoRelay {
                    server,
                    reason,
                    lost,
                } => {
                    element.imp().session().unrelayed(lost.as_deref());
                    gst::element_warning!(
                        element,
                        gst::ResourceError::OpenReadWrite,
                        ("No address at the TURN server {server}: {reason}")
                    );
                }
                Notice::Track(line) => {
                    if let Err(error) = element.add_source(line) {
                        gst::error!(CAT, obj = element, "no pad for line {line}: {error}");
                    }
                }
            }
        });
    }

    /// Asks what will come where nothing came yet: an offer has to say so.
    fn ask_upstream(&self) {
        let pads = self.imp().session().undescribed();
        for pad in pads {
            let caps = pad.current_caps().unwrap_or_else(|| {
                let mut possible = pad.peer_query_caps(None);
                // As the payloader will settle it: the first of each choice.
                if !possible.is_any() && !possible.is_empty() {
                    possible.fixate();
                }
                possible
            });
            self.imp().session().foresee(&pad, &caps);
        }
    }

    fn add_source(&self, line: usize) -> Result<(), glib::BoolError> {
        let (known, first) = {
            let session = self.imp().session();
            if !session.flowing {
                return Ok(());
            }
            (session.source(line), session.received(line))
        };
        let source = match (known, first) {
            // The line was silent for a while.
            (Some(source), _) => source,
            // Agreed away since.
            (None, None) => return Ok(()),
            (None, Some((caps, latency))) => match self.new_source(line, &caps, latency)? {
                Some(source) => source,
                None => return Ok(()),
            },
        };
        let shared = self.imp().session().shared();
        if let Some(shared) = shared {
            shared.command(Command::Source(line, source));
        }
        Ok(())
    }

    fn new_source(
        &self,
        line: usize,
        caps: &gst::Caps,
        latency: gst::ClockTime,
    ) -> Result<Option<Arc<Source>>, glib::BoolError> {
        let template = self
            .pad_template("src_%u")
            .ok_or_else(|| glib::bool_error!("no template"))?;
        let source = Source::new(self.upcast_ref(), &template, line, latency, caps)?;
        self.imp().session().sources.push((line, source.clone()));
        self.add_pad(source.pad())?;
        if self.imp().session().source(line).is_none() {
            // The element was stopped meanwhile, and took away the pads that it had.
            source.pad().set_active(false)?;
            self.remove_pad(source.pad())?;
            return Ok(None);
        }
        source.begin(self.imp().settings().handover)?;
        Ok(Some(source))
    }

    /// The media thread's task is no more.
    pub(super) fn broke(&self, number: u64, said: &str) {
        let reason = format!("the connection's task failed: {said}");
        self.queue(move |element| {
            if element.imp().session().number() != number {
                return;
            }
            element.set_connection(TransportState::Failed, Some(reason));
        });
    }

    fn set_connection(&self, state: TransportState, reason: Option<String>) {
        if let Some(reason) = reason {
            gst::warning!(CAT, obj = self, "{reason}");
        }
        self.imp().session().connected = state == TransportState::Connected;
        self.imp().states().connection = match state {
            TransportState::New => WebRTCPeerConnectionState::New,
            TransportState::Connecting => WebRTCPeerConnectionState::Connecting,
            TransportState::Connected => WebRTCPeerConnectionState::Connected,
            TransportState::Disconnected => WebRTCPeerConnectionState::Disconnected,
            TransportState::Failed => WebRTCPeerConnectionState::Failed,
            TransportState::Closed => WebRTCPeerConnectionState::Closed,
        };
        self.notify("connection-state");
    }
}

/// A description as others take it.
pub(super) fn boxed(
    kind: WebRTCSDPType,
    description: &Description,
) -> Result<WebRTCSessionDescription, SessionError> {
    let text = description.to_string();
    let message = gst_sdp::SDPMessage::parse_buffer(text.as_bytes()).map_err(|error| {
        let unreadable = crate::rtc::description::DescriptionError::Unreadable(error.to_string());
        SessionError::Description(unreadable)
    })?;
    Ok(WebRTCSessionDescription::new(kind, message))
}

fn reply(
    element: &RtcBin,
    promise: Option<gst::Promise>,
    result: Result<Option<gst::Structure>, SessionError>,
) {
    let structure = match result {
        Ok(structure) => structure,
        Err(error) => {
            gst::warning!(CAT, obj = element, "{error}");
            let error = glib::Error::from(error);
            Some(gst::Structure::builder(REPLY).field("error", error).build())
        }
    };
    if let Some(promise) = promise {
        promise.reply(structure);
    }
}
