// SPDX-License-Identifier: MPL-2.0
//! What a connection may be made of: `webrtcbin`, of any GStreamer from 1.22 on, or `rtcbin`. Both are
//! driven alike; here is where they differ.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gst::glib;
use gst::prelude::*;
use gst_webrtc::{
    WebRTCBundlePolicy, WebRTCDTLSTransportState, WebRTCICETransportPolicy, WebRTCRTPTransceiver,
    WebRTCRTPTransceiverDirection,
};
use secrecy::ExposeSecret;

use super::description::{self, SectionFingerprints};
use super::peer::{PeerConfig, PeerError};

/// Opus as WebRTC has it; used where the graph does not say otherwise.
const OPUS: &str = "application/x-rtp, media=audio, encoding-name=OPUS, payload=111, \
    clock-rate=48000, encoding-params=(string)2, minptime=(string)10, useinbandfec=(string)1";

/// The element's make.
pub(super) enum Kind {
    /// It has no check of who is at the far end before 1.28.5: we compare.
    Webrtcbin {
        promised: Mutex<Vec<SectionFingerprints>>,
        transceivers: Mutex<Vec<WebRTCRTPTransceiver>>,
    },
    /// It connects to nobody else than the description named.
    Rtcbin,
}

impl Kind {
    pub(super) fn of(element: &gst::Element) -> Option<Kind> {
        match element.factory()?.name().as_str() {
            "webrtcbin" => Some(Kind::Webrtcbin {
                promised: Mutex::default(),
                transceivers: Mutex::default(),
            }),
            "rtcbin" => Some(Kind::Rtcbin),
            _ => None,
        }
    }

    /// Sets what is set before it starts.
    pub(super) fn prepare(
        &self,
        element: &gst::Element,
        config: &PeerConfig,
    ) -> Result<(), PeerError> {
        if let Some(stun) = &config.stun {
            element.set_property("stun-server", stun);
        }
        if let Some(relay) = &config.relay {
            if let Some(url) = relay.url() {
                element.set_property("turn-server", url.expose_secret());
            }
            if relay.is_only_way() {
                element.set_property("ice-transport-policy", WebRTCICETransportPolicy::Relay);
            }
        }
        match self {
            Kind::Webrtcbin { .. } => {
                element.set_property("bundle-policy", WebRTCBundlePolicy::MaxBundle);
                element.set_property("latency", config.latency.as_millis() as u32);
                use_addresses(element, &config.addresses)
            }
            Kind::Rtcbin => {
                if !config.addresses.is_empty() {
                    let addresses: Vec<String> =
                        config.addresses.iter().map(ToString::to_string).collect();
                    element.set_property("local-addresses", addresses.join(","));
                }
                if let Some(address) = config.advertise {
                    element.set_property("advertise", address.to_string());
                }
                Ok(())
            }
        }
    }

    pub(super) fn has_transceivers(&self) -> bool {
        matches!(self, Kind::Webrtcbin { .. })
    }

    /// A pad that something will be sent by.
    pub(super) fn sends(&self, pad: &gst::Pad, ssrc: Option<u32>) {
        if self.has_transceivers()
            && let Some(transceiver) = pad.property::<Option<WebRTCRTPTransceiver>>("transceiver")
        {
            prefer_opus(pad, &transceiver, ssrc);
            self.keep(transceiver);
        }
    }

    /// The offer to come is to send, and to receive nothing.
    pub(super) fn only_sends(&self, element: &gst::Element) {
        let direction = WebRTCRTPTransceiverDirection::Sendonly;
        match self {
            Kind::Webrtcbin { transceivers, .. } => {
                for transceiver in lock(transceivers).iter() {
                    transceiver.set_direction(direction);
                }
            }
            Kind::Rtcbin => {
                for pad in element.sink_pads() {
                    pad.set_property("track-direction", direction);
                }
            }
        }
    }

    /// The offer to come is to receive one track of Opus.
    pub(super) fn only_hears(&self, element: &gst::Element) -> Result<(), PeerError> {
        let direction = WebRTCRTPTransceiverDirection::Recvonly;
        let step = "add a transceiver";
        let caps = OPUS.parse::<gst::Caps>().map_err(|error| PeerError::Step {
            step,
            reason: error.to_string(),
        })?;
        // An rtcbin returns none, for it has none.
        let transceiver = element
            .emit_by_name::<Option<WebRTCRTPTransceiver>>("add-transceiver", &[&direction, &caps]);
        if let Some(transceiver) = transceiver {
            self.keep(transceiver);
        }
        Ok(())
    }

    /// The far end is whoever has these certificates.
    pub(super) fn promise(&self, fingerprints: Vec<SectionFingerprints>) {
        if let Kind::Webrtcbin { promised, .. } = self {
            *lock(promised) = fingerprints;
        }
    }

    /// Keeps a transceiver at hand. (`get-transceivers` returns what the bindings cannot read.)
    pub(super) fn keep(&self, transceiver: WebRTCRTPTransceiver) {
        if let Kind::Webrtcbin { transceivers, .. } = self {
            let mut transceivers = lock(transceivers);
            if !transceivers.contains(&transceiver) {
                transceivers.push(transceiver);
            }
        }
    }

    /// Compares every connected transport's certificate with what the signalling promised.
    pub(super) fn verify(&self) -> Result<(), String> {
        let Kind::Webrtcbin {
            promised,
            transceivers,
        } = self
        else {
            return Ok(());
        };
        let promised = lock(promised);
        let mut verified = 0;
        for transceiver in lock(transceivers).iter() {
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
