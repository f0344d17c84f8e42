// SPDX-License-Identifier: MPL-2.0
//! One WebRTC connection, on a webrtcbin that a media graph brought along.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use gst_webrtc::{
    WebRTCBundlePolicy, WebRTCDTLSTransportState, WebRTCICEGatheringState,
    WebRTCPeerConnectionState, WebRTCRTPTransceiver, WebRTCRTPTransceiverDirection, WebRTCSDPType,
    WebRTCSessionDescription,
};
use tokio::sync::{mpsc, oneshot, watch};

use super::description::{self, DescriptionError, SectionFingerprints};
use super::gate::Gate;
use super::stats::{self, LinkStats};
use crate::sfu::Candidate;

/// How a [`Peer`] reaches the other side.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Local addresses to offer; none: all but loopback.
    pub addresses: Vec<IpAddr>,
    /// `stun://host:port`
    pub stun: Option<String>,
    /// The depth of the jitter buffers.
    pub latency: Duration,
    /// How long to collect candidates before a description goes out with those found so far.
    pub gathering: Duration,
    /// How long webrtcbin may take for one step of the negotiation.
    pub patience: Duration,
    /// The RTP source of what is sent, where that is sent already; else one is chosen.
    pub ssrc: Option<u32>,
}

impl Default for PeerConfig {
    fn default() -> Self {
        PeerConfig {
            addresses: Vec::new(),
            stun: None,
            latency: Duration::from_millis(40),
            gathering: Duration::from_secs(2),
            patience: Duration::from_secs(5),
            ssrc: None,
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
    #[error("element {0:?} is not a webrtcbin")]
    NotWebrtcbin(String),
    #[error("webrtcbin did not finish {step:?} within {after:?}")]
    Timeout { step: &'static str, after: Duration },
    #[error("webrtcbin failed to {step}: {reason}")]
    Step { step: &'static str, reason: String },
    #[error("cannot read the remote description: {0}")]
    Unreadable(String),
    #[error(transparent)]
    Description(#[from] DescriptionError),
    #[error("no local address to connect from{0}")]
    NoCandidates(String),
    #[error("{0} is not an address of this machine that ICE could use")]
    Address(IpAddr),
}

/// Opus as WebRTC has it; used where the graph does not say otherwise.
const OPUS: &str = "application/x-rtp, media=audio, encoding-name=OPUS, payload=111, \
    clock-rate=48000, encoding-params=(string)2, minptime=(string)10, useinbandfec=(string)1";

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
    promised: Mutex<Vec<SectionFingerprints>>,
    transceivers: Mutex<Vec<WebRTCRTPTransceiver>>,
    gathering: watch::Sender<Gathering>,
    /// Our description is out: candidates found from now on are trickled.
    described: AtomicBool,
    /// Failed or Closed has been said.
    over: AtomicBool,
}

impl Peer {
    /// Takes charge of `webrtcbin`. Do this before it leaves NULL: before media flows through it.
    pub fn new(
        webrtcbin: &gst::Element,
        config: PeerConfig,
    ) -> Result<(Peer, mpsc::UnboundedReceiver<PeerEvent>), PeerError> {
        if webrtcbin.factory().is_none_or(|f| f.name() != "webrtcbin") {
            return Err(PeerError::NotWebrtcbin(webrtcbin.name().to_string()));
        }
        webrtcbin.set_property("bundle-policy", WebRTCBundlePolicy::MaxBundle);
        webrtcbin.set_property("latency", config.latency.as_millis() as u32);
        if let Some(stun) = &config.stun {
            webrtcbin.set_property("stun-server", stun);
        }
        use_addresses(webrtcbin, &config.addresses)?;

        let (events, receiver) = mpsc::unbounded_channel();
        let (gathering, watcher) = watch::channel(Gathering::default());
        let inner = Arc::new(Inner {
            bin: webrtcbin.clone(),
            config,
            gate: Gate::default(),
            events,
            promised: Mutex::default(),
            transceivers: Mutex::default(),
            gathering,
            described: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let handlers = inner.listen();
        for pad in webrtcbin.pads() {
            inner.gate.guard(&pad);
            if let Some(transceiver) = pad.property::<Option<WebRTCRTPTransceiver>>("transceiver") {
                prefer_opus(&pad, &transceiver, inner.config.ssrc);
                inner.keep(transceiver);
            }
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
        for transceiver in self.inner.transceivers() {
            transceiver.set_direction(WebRTCRTPTransceiverDirection::Sendonly);
        }
        let offer = self.inner.create("create-offer", "offer").await?;
        self.describe(offer).await
    }

    /// Applies the answer to [`Peer::create_offer`]'s offer.
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
        *lock(&self.inner.promised) = promised;
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
            return Err(PeerError::NoCandidates(
                match &self.inner.config.addresses[..] {
                    [] => String::new(),
                    some => format!(" among {some:?}"),
                },
            ));
        }
        self.inner.described.store(true, Ordering::Release);
        let local: Option<WebRTCSessionDescription> = self.inner.bin.property("local-description");
        local
            .and_then(|description| description.sdp().as_text().ok())
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
        vec![
            bin.connect_pad_added({
                let gate = self.gate.clone();
                move |_, pad| gate.guard(pad)
            }),
            bin.connect("on-new-transceiver", false, {
                let inner = weak();
                move |values| {
                    let transceiver = values.get(1).and_then(|v| v.get().ok());
                    if let (Some(inner), Some(transceiver)) = (inner.upgrade(), transceiver) {
                        inner.keep(transceiver);
                    }
                    None
                }
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
        ]
    }

    fn candidate(&self, mline_index: u32, candidate: String) {
        self.gathering.send_modify(|g| g.candidates += 1);
        if self.described.load(Ordering::Acquire) {
            let _ = self.events.send(PeerEvent::Candidate(Candidate {
                mline_index,
                mid: None,
                candidate,
            }));
        }
    }

    fn connection(&self, state: WebRTCPeerConnectionState) {
        match state {
            WebRTCPeerConnectionState::Connected => match self.verify() {
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

    /// Compares every connected transport's certificate with what the signalling promised.
    fn verify(&self) -> Result<(), String> {
        let promised = lock(&self.promised);
        let mut verified = 0;
        for transceiver in self.transceivers() {
            let section = transceiver.mlineindex() as usize;
            let transport = transceiver
                .sender()
                .and_then(|s| s.transport())
                .or_else(|| transceiver.receiver().and_then(|r| r.transport()));
            let (Some(Some(fingerprints)), Some(transport)) = (promised.get(section), transport)
            else {
                continue;
            };
            if transport.state() != WebRTCDTLSTransportState::Connected {
                continue;
            }
            let certificate = transport
                .remote_certificate()
                .ok_or("the far end showed no certificate in the DTLS handshake")?;
            match description::certificate_matches(&certificate, fingerprints) {
                Ok(true) => verified += 1,
                Ok(false) => {
                    return Err("the far end is not who the signalling said: its DTLS certificate does not have the fingerprint of the remote description".into());
                }
                Err(e) => return Err(e.to_string()),
            }
        }
        if verified == 0 {
            return Err("connected, but nothing shows who the far end is".into());
        }
        Ok(())
    }

    /// Keeps a transceiver at hand. (`get-transceivers` returns what the bindings cannot read.)
    fn keep(&self, transceiver: WebRTCRTPTransceiver) {
        let mut transceivers = lock(&self.transceivers);
        if !transceivers.contains(&transceiver) {
            transceivers.push(transceiver);
        }
    }

    fn transceivers(&self) -> Vec<WebRTCRTPTransceiver> {
        lock(&self.transceivers).clone()
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

/// Says what is sent, for webrtcbin would otherwise wait for the caps of media that does not flow yet.
fn prefer_opus(pad: &gst::Pad, transceiver: &WebRTCRTPTransceiver, ssrc: Option<u32>) {
    if transceiver.codec_preferences().is_some() {
        return;
    }
    let Ok(mut caps) = OPUS.parse::<gst::Caps>() else {
        return;
    };
    // The description has to name the SSRC: Janus drops what it cannot tell by that. The payloader
    // takes it from here, unless it has begun already.
    let begun = pad
        .current_caps()
        .and_then(|caps| caps.structure(0)?.get::<u32>("ssrc").ok());
    let ssrc = begun.or(ssrc).unwrap_or_else(rand::random);
    caps.make_mut().set("ssrc", ssrc);
    transceiver.set_codec_preferences(Some(&caps));
}

fn use_addresses(webrtcbin: &gst::Element, addresses: &[IpAddr]) -> Result<(), PeerError> {
    let agent: gst::Object = webrtcbin.property("ice-agent");
    for address in addresses {
        if !agent.emit_by_name::<bool>("add-local-ip-address", &[&address.to_string()]) {
            return Err(PeerError::Address(*address));
        }
    }
    // libnice asks the router for port mappings by multicast unless told not to.
    if agent.find_property("agent").is_some() {
        let nice: Option<glib::Object> = agent.property("agent");
        if let Some(nice) = nice.filter(|n| n.find_property("upnp").is_some()) {
            nice.set_property("upnp", false);
        }
    }
    Ok(())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
