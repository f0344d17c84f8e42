// SPDX-License-Identifier: MPL-2.0
//! One plain connection, on the bin that a media graph brought along.

use std::sync::{Arc, Mutex, PoisonError};

use gst::glib;
use gst::prelude::*;
use gstsipbridge::srtp::Srtp;
use sip_ua::sdp::{MasterKey, SrtpKeys};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::description::Description;
use super::origin::Origin;
use super::ports::{Bound, Sockets};
use super::wire::{Agreed, Wire};
use super::{PlainConfig, rtpbin, stats};
use crate::webrtc::{LinkStats, PeerConfig, PeerError, PeerEvent};

/// A far end may begin anew, each time by another SSRC. For each of them `rtpbin` has a jitter buffer with a thread.
const SOURCES_MAX: u32 = 64;

/// A plain connection. Dropping it lets nothing through any more; its elements belong to the graph, and their
/// ports go with them.
pub struct Peer {
    sockets: Arc<Sockets>,
    rtpbin: gst::Element,
    wire: Wire,
    config: PlainConfig,
    /// What we send has this, where we send.
    ssrc: Option<u32>,
    key: Option<MasterKey>,
    /// The payload type that comes, once known.
    payload_type: Arc<Mutex<u8>>,
    handlers: Vec<glib::SignalHandlerId>,
    /// Nothing happens to it by itself; while it is there, its events have not ended.
    _events: mpsc::UnboundedSender<PeerEvent>,
}

/// Measures a connection.
pub struct Probe(gst::Element);

impl Probe {
    /// What it counts now.
    pub fn read(&self) -> Option<LinkStats> {
        stats::read(&self.0)
    }
}

fn failed(step: &'static str) -> impl Fn(String) -> PeerError {
    move |reason| PeerError::Step { step, reason }
}

impl Peer {
    /// Takes charge of a plain bin with an `rtpbin` in it. Do this before it leaves NULL.
    pub fn new(
        element: &gst::Element,
        config: PeerConfig,
    ) -> Result<(Peer, mpsc::UnboundedReceiver<PeerEvent>), PeerError> {
        let broken = || PeerError::NoConnection(element.name().to_string());
        let bin = element.downcast_ref::<gst::Bin>().ok_or_else(broken)?;
        let rtpbin = rtpbin(bin).ok_or_else(broken)?;
        let sockets = Sockets::of(bin).ok_or_else(broken)?;
        let wire = Wire::default();
        wire.stand_between(&sockets, &rtpbin);
        rtpbin.set_property("max-streams", SOURCES_MAX);
        let payload_type = Arc::new(Mutex::new(config.plain.payload_type));
        let sends = !element.sink_pads().is_empty();
        let handlers = vec![
            comes_out(bin, &rtpbin),
            is_opus(&rtpbin, payload_type.clone()),
        ];
        let (events, receiver) = mpsc::unbounded_channel();
        let peer = Peer {
            sockets: Arc::new(sockets),
            rtpbin,
            wire,
            ssrc: sends.then(|| config.ssrc.unwrap_or_else(rand::random)),
            key: config.plain.suite.map(MasterKey::random),
            config: config.plain,
            payload_type,
            handlers,
            _events: events,
        };
        Ok((peer, receiver))
    }

    /// Says where we are, and binds the ports for it.
    pub async fn create_offer(&self) -> Result<String, PeerError> {
        let bound = self.bind(None).await?;
        Ok(self.described(bound, self.config.payload_type).write())
    }

    /// Applies the answer to [`Peer::create_offer`]'s offer.
    pub async fn accept_answer(&self, answer: &str) -> Result<(), PeerError> {
        self.agree(&read(answer)?)
    }

    /// Goes where an offer wants us to be, and says so.
    pub async fn answer(&self, offer: &str) -> Result<String, PeerError> {
        let offer = read(offer)?;
        let bound = self.bind(offer.yours).await?;
        self.agree(&offer)?;
        Ok(self.described(bound, offer.payload_type).write())
    }

    /// Is media allowed to flow?
    pub fn is_verified(&self) -> bool {
        self.wire.is_open()
    }

    /// For measuring it.
    pub fn probe(&self) -> Probe {
        Probe(self.rtpbin.clone())
    }

    async fn bind(&self, port: Option<u16>) -> Result<Bound, PeerError> {
        let (sockets, config) = (self.sockets.clone(), self.config.clone());
        let bound = spawn_blocking(move || sockets.bind(&config, port)).await;
        let bound = bound.unwrap_or_else(|error| Err(error.to_string()));
        bound.map_err(failed("bind its ports"))
    }

    fn described(&self, bound: Bound, payload_type: u8) -> Description {
        Description {
            address: bound.address,
            port: bound.rtp,
            rtcp_port: Some(bound.rtcp),
            ssrc: self.ssrc,
            key: self.key.clone(),
            ..Description::of(payload_type)
        }
    }

    /// From now on media flows.
    fn agree(&self, far: &Description) -> Result<(), PeerError> {
        let refuse = |reason: String| Err(failed("agree with the far end")(reason));
        let keys = match (&self.key, &far.key) {
            (None, None) => None,
            (Some(ours), Some(theirs)) if ours.suite() == theirs.suite() => Some(SrtpKeys {
                send: ours.clone(),
                receive: theirs.clone(),
            }),
            _ => {
                let reason = "one side wants SRTP and the other none, or by another suite";
                return refuse(reason.to_owned());
            }
        };
        let (address, ours) = (far.address.to_canonical(), self.config.local());
        let nowhere = address.is_unspecified();
        if self.ssrc.is_some() && (far.port == 0 || nowhere) {
            return refuse("it does not say where to send to".to_owned());
        }
        if !nowhere && address.is_ipv4() != ours.is_ipv4() {
            return refuse(format!(
                "it is at {address}, and our sockets are at {ours}: one is IPv4, the other IPv6"
            ));
        }
        *self
            .payload_type
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = far.payload_type;
        let reports = far.rtcp_port.unwrap_or(far.port);
        let sockets = &self.sockets;
        for (out, port) in [(sockets.rtp_out(), far.port), (sockets.rtcp_out(), reports)] {
            if let Some(out) = out.filter(|_| port != 0 && !nowhere) {
                out.set_property("host", address.to_string());
                out.set_property("port", i32::from(port));
            }
        }
        self.wire.open(Agreed {
            payload_type: far.payload_type,
            ssrc: far.ssrc.or(self.ssrc),
            srtp: keys.as_ref().map(Srtp::new),
            origin: Origin::of(far.address, keys.is_some()),
            reports: reports != 0 && !nowhere,
        });
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.wire.shut();
        for handler in self.handlers.drain(..) {
            self.rtpbin.disconnect(handler);
        }
    }
}

fn read(description: &str) -> Result<Description, PeerError> {
    let read = Description::read(description);
    read.map_err(|error| PeerError::Unreadable(error.to_string()))
}

/// What comes out of `rtpbin` comes out of its bin: of the latest source, if it is another than before.
fn comes_out(bin: &gst::Bin, rtpbin: &gst::Element) -> glib::SignalHandlerId {
    let bin = bin.downgrade();
    rtpbin.connect_pad_added(move |_, pad| {
        let Some(bin) = bin.upgrade() else { return };
        if pad.direction() != gst::PadDirection::Src || !pad.name().starts_with("recv_rtp_src_") {
            return;
        }
        if let Some(ghost) = bin.static_pad("src").and_downcast::<gst::GhostPad>() {
            if let Err(error) = ghost.set_target(Some(pad)) {
                tracing::warn!(%error, "another source of a track cannot take the first one's place");
            }
            return;
        }
        let led = gst::GhostPad::builder_with_target(pad).map(|ghost| ghost.name("src").build());
        let led = led.and_then(|ghost| {
            ghost.set_active(true)?;
            bin.add_pad(&ghost)
        });
        if let Err(error) = led {
            tracing::warn!(%error, "a track's pad does not come out of its bin");
        }
    })
}

/// Tells what the payload type that comes stands for. No other gets that far.
fn is_opus(rtpbin: &gst::Element, payload_type: Arc<Mutex<u8>>) -> glib::SignalHandlerId {
    rtpbin.connect("request-pt-map", false, move |_| {
        let payload_type = *payload_type.lock().unwrap_or_else(PoisonError::into_inner);
        let caps = gst::Caps::builder("application/x-rtp")
            .field("media", "audio")
            .field("encoding-name", "OPUS")
            .field("clock-rate", 48_000)
            .field("payload", i32::from(payload_type))
            .build();
        Some(caps.to_value())
    })
}
