// SPDX-License-Identifier: MPL-2.0
//! What carries media between us and an SFU: WebRTC, or RTP without it. Which one it is, the media graph says.

use tokio::sync::mpsc;

use crate::sfu::Candidate;
use crate::webrtc::{LinkStats, PeerConfig, PeerError, PeerEvent};
use crate::{plain, webrtc};

/// One connection. Dropping it lets nothing through any more.
pub enum Peer {
    Webrtc(webrtc::Peer),
    Plain(plain::Peer),
}

/// Measures a connection.
pub enum Probe {
    Webrtc(webrtc::Probe),
    Plain(plain::Probe),
}

impl Peer {
    /// Takes charge of a connection's element. Do this before it leaves NULL.
    pub fn new(
        element: &gst::Element,
        config: PeerConfig,
    ) -> Result<(Peer, mpsc::UnboundedReceiver<PeerEvent>), PeerError> {
        if plain::is_one(element) {
            let (peer, events) = plain::Peer::new(element, config)?;
            return Ok((Peer::Plain(peer), events));
        }
        let (peer, events) = webrtc::Peer::new(element, config)?;
        Ok((Peer::Webrtc(peer), events))
    }

    /// Makes an offer, whole.
    pub async fn create_offer(&self) -> Result<String, PeerError> {
        match self {
            Peer::Webrtc(peer) => peer.create_offer().await,
            Peer::Plain(peer) => peer.create_offer().await,
        }
    }

    /// The same, to hear and not to be heard.
    pub async fn create_offer_to_hear(&self) -> Result<String, PeerError> {
        match self {
            Peer::Webrtc(peer) => peer.create_offer_to_hear().await,
            Peer::Plain(peer) => peer.create_offer().await,
        }
    }

    /// Applies the answer to that offer.
    pub async fn accept_answer(&self, answer: &str) -> Result<(), PeerError> {
        match self {
            Peer::Webrtc(peer) => peer.accept_answer(answer).await,
            Peer::Plain(peer) => peer.accept_answer(answer).await,
        }
    }

    /// Applies an offer and answers it.
    pub async fn answer(&self, offer: &str) -> Result<String, PeerError> {
        match self {
            Peer::Webrtc(peer) => peer.answer(offer).await,
            Peer::Plain(peer) => peer.answer(offer).await,
        }
    }

    /// Takes a candidate of the far end.
    pub fn add_candidate(&self, candidate: &Candidate) {
        if let Peer::Webrtc(peer) = self {
            peer.add_candidate(candidate);
        }
    }

    /// Is media allowed to flow?
    pub fn is_verified(&self) -> bool {
        match self {
            Peer::Webrtc(peer) => peer.is_verified(),
            Peer::Plain(peer) => peer.is_verified(),
        }
    }

    /// For measuring it, beside whatever else is done with it.
    pub fn probe(&self) -> Probe {
        match self {
            Peer::Webrtc(peer) => Probe::Webrtc(peer.probe()),
            Peer::Plain(peer) => Probe::Plain(peer.probe()),
        }
    }
}

impl Probe {
    /// What it counts now; none where it does not say.
    pub async fn read(&self) -> Option<LinkStats> {
        match self {
            Probe::Webrtc(probe) => probe.read().await,
            Probe::Plain(probe) => probe.read(),
        }
    }
}
