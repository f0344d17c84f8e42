// SPDX-License-Identifier: MPL-2.0
//! One WebRTC connection, on the `webrtcbin` or `rtcbin` that a media graph brought along.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst_webrtc::{
    WebRTCICEGatheringState, WebRTCPeerConnectionState, WebRTCSDPType, WebRTCSessionDescription,
};
use tokio::sync::{mpsc, oneshot, watch};

use super::description::{self, DescriptionError};
use super::gate::Gate;
use super::kind::Kind;
use super::relay::Relay;
use super::stats::{self, LinkStats};
use crate::plain::PlainConfig;
use crate::sfu::Candidate;

/// How a [`Peer`] reaches the other side.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Local addresses to offer; none: all but loopback.
    pub addresses: Vec<IpAddr>,
    /// What the world reaches the local address of its kind (IPv4, IPv6) by.
    pub advertise: Option<IpAddr>,
    /// `stun://host:port`
    pub stun: Option<String>,
    /// The relay that it may use.
    pub relay: Option<Relay>,
    /// The depth of the jitter buffers.
    pub latency: Duration,
    /// How long to collect candidates before a description goes out with those found so far.
    pub gathering: Duration,
    /// How long webrtcbin may take for one step of the negotiation.
    pub patience: Duration,
    /// The RTP source of what is sent, where that is sent already; else one is chosen.
    pub ssrc: Option<u32>,
    /// What counts where the graph has plain RTP in place of WebRTC.
    pub plain: PlainConfig,
}

impl Default for PeerConfig {
    fn default() -> Self {
        PeerConfig {
            addresses: Vec::new(),
            advertise: None,
            stun: None,
            relay: None,
            latency: Duration::from_millis(40),
            gathering: Duration::from_secs(2),
            patience: Duration::from_secs(5),
            ssrc: None,
            plain: PlainConfig::default(),
        }
    }
}

impl PeerConfig {
    /// With this server to find the address outside by, where one is named.
    pub fn with_stun(self, server: Option<String>) -> PeerConfig {
        PeerConfig {
            stun: server.or(self.stun),
            ..self
        }
    }
}

/// What happens to a [`Peer`] after its negotiation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// A candidate found after the description went out.
    Candidate(Candidate),
    /// Connected, and the far end is who it should be: media flows.
    Connected,
    /// It will not connect, or is no longer; the sentence says why. No media flows.
    Failed(String),
    /// The far end closed the connection.
    Closed,
}

/// Why a negotiation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    #[error("element {0:?} is neither a webrtcbin nor an rtcbin")]
    NoConnection(String),
    #[error("the WebRTC element did not finish {step:?} within {after:?}")]
    Timeout { step: &'static str, after: Duration },
    #[error("the WebRTC element failed to {step}: {reason}")]
    Step { step: &'static str, reason: String },
    #[error("cannot read the remote description: {0}")]
    Unreadable(String),
    #[error(transparent)]
    Description(#[from] DescriptionError),
    #[error("the TURN server gives no address, and `turn_policy` leaves no other way")]
    NoRelay,
    #[error("no local address to connect from{0}")]
    NoCandidates(String),
    #[error("{0} is not an address of this machine that ICE could use")]
    Address(IpAddr),
}

/// A WebRTC connection. Dropping it shuts its gate; the element belongs to the graph, and goes with it.
pub struct Peer {
    inner: Arc<Inner>,
    gathering: watch::Receiver<Gathering>,
    handlers: Vec<glib::SignalHandlerId>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Gathering {
    candidates: u32,
    complete: bool,
}

struct Inner {
    bin: gst::Element,
    config: PeerConfig,
    gate: Gate,
    events: mpsc::UnboundedSender<PeerEvent>,
    kind: Kind,
    gathering: watch::Sender<Gathering>,
    /// Our description is out: candidates found from now on are trickled.
    described: AtomicBool,
    /// Failed or Closed has been said.
    over: AtomicBool,
}

impl Peer {
    /// Takes charge of a `webrtcbin` or an `rtcbin`. Do this before it leaves NULL: before media flows
    /// through it.
    pub fn new(
        element: &gst::Element,
        config: PeerConfig,
    ) -> Result<(Peer, mpsc::UnboundedReceiver<PeerEvent>), PeerError> {
        let kind =
            Kind::of(element).ok_or_else(|| PeerError::NoConnection(element.name().to_string()))?;
        kind.prepare(element, &config)?;

        let (events, receiver) = mpsc::unbounded_channel();
        let (gathering, watcher) = watch::channel(Gathering::default());
        let inner = Arc::new(Inner {
            bin: element.clone(),
            config,
            gate: Gate::default(),
            events,
            kind,
            gathering,
            described: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let handlers = inner.listen();
        for pad in element.pads() {
            inner.gate.guard(&pad);
            inner.kind.sends(&pad, inner.config.ssrc);
        }
        let peer = Peer {
            inner,
            gathering: watcher,
            handlers,
        };
        Ok((peer, receiver))
    }

    /// Makes an offer to send what is linked to the sink pads. Returns it with its candidates.
    pub async fn create_offer(&self) -> Result<String, PeerError> {
        self.inner.kind.only_sends(&self.inner.bin);
        let offer = self.inner.create("create-offer", "offer").await?;
        self.describe(offer).await
    }

    /// Makes an offer to hear one track. Returns it with its candidates.
    pub async fn create_offer_to_hear(&self) -> Result<String, PeerError> {
        self.inner.kind.only_hears(&self.inner.bin)?;
        let offer = self.inner.create("create-offer", "offer").await?;
        self.describe(offer).await
    }

    /// Applies the answer to an offer of ours.
    pub async fn accept_answer(&self, answer: &str) -> Result<(), PeerError> {
        self.apply_remote(WebRTCSDPType::Answer, answer).await
    }

    /// Applies an offer and answers it. Returns the answer with its candidates.
    pub async fn answer(&self, offer: &str) -> Result<String, PeerError> {
        let offer = description::let_the_far_end_begin(offer);
        self.apply_remote(WebRTCSDPType::Offer, &offer).await?;
        let answer = self.inner.create("create-answer", "answer").await?;
        self.describe(answer).await
    }

    /// Takes a candidate of the far end.
    pub fn add_candidate(&self, candidate: &Candidate) {
        self.inner.bin.emit_by_name::<()>(
            "add-ice-candidate",
            &[&candidate.mline_index, &candidate.candidate],
        );
    }

    /// Is media allowed to flow?
    pub fn is_verified(&self) -> bool {
        self.inner.gate.is_open()
    }

    /// For measuring it, beside whatever else is done with it.
    pub fn probe(&self) -> Probe {
        Probe {
            inner: self.inner.clone(),
        }
    }

    async fn apply_remote(&self, kind: WebRTCSDPType, text: &str) -> Result<(), PeerError> {
        // Before webrtcbin sees it, so that nothing connects that cannot be checked.
        let promised = description::fingerprints(text)?;
        self.inner.kind.promise(promised);
        let repaired = description::repair_directions(text);
        let sdp = gst_sdp::SDPMessage::parse_buffer(repaired.as_bytes())
            .map_err(|e| PeerError::Unreadable(e.to_string()))?;
        let described = WebRTCSessionDescription::new(kind, sdp);
        self.inner
            .step("set-remote-description", |promise| {
                self.inner
                    .bin
                    .emit_by_name::<()>("set-remote-description", &[&described, promise]);
            })
            .await?;
        Ok(())
    }

    /// Makes `description` ours and waits for its candidates.
    async fn describe(&self, description: WebRTCSessionDescription) -> Result<String, PeerError> {
        self.inner
            .step("set-local-description", |promise| {
                self.inner
                    .bin
                    .emit_by_name::<()>("set-local-description", &[&description, promise]);
            })
            .await?;
        let mut gathering = self.gathering.clone();
        let complete = gathering.wait_for(|g| g.complete);
        // In the time given; late ones are trickled.
        let _ = tokio::time::timeout(self.inner.config.gathering, complete).await;
        let found = *self.gathering.borrow();
        if found.candidates == 0 {
            let config = &self.inner.config;
            if config.relay.as_ref().is_some_and(Relay::is_only_way) {
                return Err(PeerError::NoRelay);
            }
            return Err(PeerError::NoCandidates(match &config.addresses[..] {
                [] => String::new(),
                some => format!(" among {some:?}"),
            }));
        }
        self.inner.described.store(true, Ordering::Release);
        let local: Option<WebRTCSessionDescription> = self.inner.bin.property("local-description");
        local
            .and_then(|description| description.sdp().as_text().ok())
            .map(|text| self.inner.told(text))
            .ok_or(PeerError::Step {
                step: "describe itself",
                reason: "it has no local description".into(),
            })
    }
}

/// Measures a connection. Not to be kept: it holds the webrtcbin.
pub struct Probe {
    inner: Arc<Inner>,
}

impl Probe {
    /// What it counts now; none where it does not say.
    pub async fn read(&self) -> Option<LinkStats> {
        let bin = &self.inner.bin;
        let reply = self.inner.step("get-stats", |promise| {
            bin.emit_by_name::<()>("get-stats", &[&None::<gst::Pad>, promise]);
        });
        reply.await.ok().flatten().map(|reply| stats::read(&reply))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::Release);
        self.inner.gate.shut();
        for handler in self.handlers.drain(..) {
            self.inner.bin.disconnect(handler);
        }
    }
}

impl Inner {
    fn listen(self: &Arc<Self>) -> Vec<glib::SignalHandlerId> {
        let bin = &self.bin;
        let weak = || Arc::downgrade(self);
        let mut handlers = vec![
            bin.connect_pad_added({
                let gate = self.gate.clone();
                move |_, pad| gate.guard(pad)
            }),
            bin.connect("on-ice-candidate", false, {
                let inner = weak();
                move |values| {
                    let mline = values.get(1).and_then(|v| v.get::<u32>().ok());
                    let text = values.get(2).and_then(|v| v.get::<String>().ok());
                    if let (Some(inner), Some(mline), Some(text)) = (inner.upgrade(), mline, text) {
                        inner.candidate(mline, text);
                    }
                    None
                }
            }),
            bin.connect_notify(Some("ice-gathering-state"), {
                let inner = weak();
                move |bin, _| {
                    let state: WebRTCICEGatheringState = bin.property("ice-gathering-state");
                    if let Some(inner) = inner.upgrade()
                        && state == WebRTCICEGatheringState::Complete
                    {
                        inner.gathering.send_modify(|g| g.complete = true);
                    }
                }
            }),
            bin.connect_notify(Some("connection-state"), {
                let inner = weak();
                move |bin, _| {
                    if let Some(inner) = Weak::upgrade(&inner) {
                        inner.connection(bin.property("connection-state"));
                    }
                }
            }),
        ];
        if self.kind.has_transceivers() {
            handlers.push(bin.connect("on-new-transceiver", false, {
                let inner = weak();
                move |values| {
                    let transceiver = values.get(1).and_then(|v| v.get().ok());
                    if let (Some(inner), Some(transceiver)) = (inner.upgrade(), transceiver) {
                        inner.kind.keep(transceiver);
                    }
                    None
                }
            }));
        }
        handlers
    }

    /// What the far end is to learn of where we are.
    fn told(&self, text: String) -> String {
        match self.config.advertise {
            Some(address) => description::advertise(&text, address),
            None => text,
        }
    }

    fn candidate(&self, mline_index: u32, candidate: String) {
        self.gathering.send_modify(|g| g.candidates += 1);
        if self.described.load(Ordering::Acquire) {
            let _ = self.events.send(PeerEvent::Candidate(Candidate {
                mline_index,
                mid: None,
                candidate: self.told(candidate),
            }));
        }
    }

    fn connection(&self, state: WebRTCPeerConnectionState) {
        match state {
            WebRTCPeerConnectionState::Connected => match self.kind.verify() {
                Ok(()) => {
                    if !self.over.load(Ordering::Acquire) && !self.gate.is_open() {
                        self.gate.open();
                        let _ = self.events.send(PeerEvent::Connected);
                    }
                }
                Err(reason) => self.end(PeerEvent::Failed(reason)),
            },
            WebRTCPeerConnectionState::Failed => self.end(PeerEvent::Failed(
                "the WebRTC connection failed: no path between the candidates of both sides, or the DTLS handshake broke off".into(),
            )),
            WebRTCPeerConnectionState::Closed => self.end(PeerEvent::Closed),
            _ => {}
        }
    }

    fn end(&self, event: PeerEvent) {
        if self.over.swap(true, Ordering::AcqRel) {
            return;
        }
        self.gate.shut();
        // Not stopped from here: whoever feeds it must be told to cease first.
        let _ = self.events.send(event);
    }

    async fn create(
        &self,
        signal: &'static str,
        field: &'static str,
    ) -> Result<WebRTCSessionDescription, PeerError> {
        let reply = self
            .step(signal, |promise| {
                self.bin
                    .emit_by_name::<()>(signal, &[&None::<gst::Structure>, promise]);
            })
            .await?;
        reply
            .and_then(|reply| reply.get::<WebRTCSessionDescription>(field).ok())
            .ok_or(PeerError::Step {
                step: signal,
                reason: format!("its reply has no {field}"),
            })
    }

    /// Runs one promise to its end without blocking the caller's thread.
    async fn step(
        &self,
        step: &'static str,
        emit: impl FnOnce(&gst::Promise),
    ) -> Result<Option<gst::Structure>, PeerError> {
        let (sender, receiver) = oneshot::channel();
        let promise = gst::Promise::with_change_func(move |reply| {
            let _ = sender.send(reply.map(|r| r.map(|r| r.to_owned())));
        });
        emit(&promise);
        let after = self.config.patience;
        let reply = match tokio::time::timeout(after, receiver).await {
            Err(_) => return Err(PeerError::Timeout { step, after }),
            Ok(Err(_)) => Err("it dropped the promise".to_owned()),
            Ok(Ok(Err(e))) => Err(format!("{e:?}")),
            Ok(Ok(Ok(reply))) => match reply
                .as_ref()
                .and_then(|r| r.get::<glib::Error>("error").ok())
            {
                Some(error) => Err(error.to_string()),
                None => Ok(reply),
            },
        };
        reply.map_err(|reason| PeerError::Step { step, reason })
    }
}
