// SPDX-License-Identifier: MPL-2.0
//! The properties that `sipsrc`, `sipsink` and `sipbin` share.

use std::time::Duration;

use gst::glib;
use gst::prelude::*;
use sip_ua::sdp::{Codec, SrtpPolicy};

use super::target::{TargetError, check_header};
use crate::agent::SipAgent;
use crate::call::{DEFAULT_CODECS, DtlsPolicy, DtmfMode};
use crate::property::{flag, text, uint};

/// Whether an element calls or is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstSipMode")]
pub enum Mode {
    /// Calls `uri`.
    #[default]
    #[enum_value(name = "Call the uri", nick = "caller")]
    Caller,
    /// Waits to be called.
    #[enum_value(name = "Wait to be called", nick = "listener")]
    Listener,
}

/// Whether media are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstSipSrtp")]
pub enum Srtp {
    /// Plain RTP.
    #[default]
    #[enum_value(name = "Plain RTP; offers of SRTP alone are refused", nick = "off")]
    Off,
    /// Encrypted where the far end can.
    #[enum_value(name = "SRTP where the far end can, else plain RTP", nick = "optional")]
    Optional,
    /// Encrypted or not at all.
    #[enum_value(name = "SRTP or no call", nick = "required")]
    Required,
}

impl From<Srtp> for SrtpPolicy {
    fn from(srtp: Srtp) -> SrtpPolicy {
        match srtp {
            Srtp::Off => SrtpPolicy::Off,
            Srtp::Optional => SrtpPolicy::Optional,
            Srtp::Required => SrtpPolicy::Required,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct LineSettings {
    pub(crate) uri: Option<String>,
    pub(crate) call: Option<String>,
    pub(crate) agent: Option<SipAgent>,
    pub(crate) mode: Mode,
    pub(crate) auto_answer: bool,
    pub(crate) keep_listening: bool,
    pub(crate) codecs: Vec<String>,
    pub(crate) srtp: Srtp,
    pub(crate) dtls: DtlsPolicy,
    pub(crate) latency_ms: u32,
    pub(crate) ptime_ms: u32,
    pub(crate) dtx: bool,
    pub(crate) ring_timeout_s: u32,
    pub(crate) follow_redirects: bool,
    pub(crate) allow_transfer: bool,
    pub(crate) media_timeout_s: u32,
    pub(crate) dtmf: DtmfMode,
    pub(crate) context: Option<String>,
    pub(crate) context_wait_ms: u32,
    pub(crate) extra_headers: Option<gst::Structure>,
}

const DEFAULT_LATENCY_MS: u32 = 200;
pub(crate) const DEFAULT_PTIME_MS: u32 = 20;
const DEFAULT_RING_TIMEOUT_S: u32 = 60;
const DEFAULT_CONTEXT_WAIT_MS: u32 = 5;

impl Default for LineSettings {
    fn default() -> LineSettings {
        LineSettings {
            uri: None,
            call: None,
            agent: None,
            mode: Mode::default(),
            auto_answer: false,
            keep_listening: false,
            codecs: DEFAULT_CODECS
                .map(|codec| codec.name().to_ascii_lowercase())
                .to_vec(),
            srtp: Srtp::default(),
            dtls: DtlsPolicy::default(),
            latency_ms: DEFAULT_LATENCY_MS,
            ptime_ms: DEFAULT_PTIME_MS,
            dtx: false,
            ring_timeout_s: DEFAULT_RING_TIMEOUT_S,
            follow_redirects: false,
            allow_transfer: false,
            media_timeout_s: 0,
            dtmf: DtmfMode::default(),
            context: None,
            context_wait_ms: DEFAULT_CONTEXT_WAIT_MS,
            extra_headers: None,
        }
    }
}

/// The shared properties, in the order gst-inspect shows them.
pub(crate) fn properties() -> Vec<glib::ParamSpec> {
    vec![
        text(
            "uri",
            "URI",
            "Whom to call: sip:user@host:port?X-Header=value; never with a password",
        ),
        text(
            "call",
            "Call",
            "Name of the call; elements of one process that name the same call share it",
        ),
        glib::ParamSpecObject::builder::<SipAgent>("agent")
            .nick("Agent")
            .blurb("The user agent to call or be called through; its properties as agent::NAME")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("mode", Mode::default())
            .nick("Mode")
            .blurb("Whether to call or to wait to be called; who may call is agent::accept-from")
            .mutable_ready()
            .build(),
        flag(
            "auto-answer",
            "Auto answer",
            "Answer calls at once instead of on the action signal answer",
        ),
        flag(
            "keep-listening",
            "Keep listening",
            "In listener mode, wait for another call after one ended instead of EOS",
        ),
        gst::ParamSpecArray::builder("codecs")
            .nick("Codecs")
            .blurb("Codecs to agree on, most wanted first: opus, g722, pcma, pcmu, l16")
            .element_spec(
                &glib::ParamSpecString::builder("codec")
                    .nick("Codec")
                    .blurb("opus, g722, pcma, pcmu or l16")
                    .build(),
            )
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("srtp", Srtp::default())
            .nick("SRTP")
            .blurb("Whether media are encrypted: SRTP with keys in the SDP (RFC 4568)")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("dtls", DtlsPolicy::default())
            .nick("DTLS")
            .blurb("Whether media are encrypted with keys from a handshake, and found by ICE, as browsers want it (RFC 5763)")
            .mutable_ready()
            .build(),
        uint(
            "latency",
            "Latency",
            "The most delay of the jitter buffer, in milliseconds; it uses no more than the network asks for",
            20..=2_000,
            DEFAULT_LATENCY_MS,
        ),
        uint(
            "ptime",
            "Packet time",
            "Milliseconds of audio in a packet, unless the far end wants another",
            10..=60,
            DEFAULT_PTIME_MS,
        ),
        flag(
            "dtx",
            "Discontinuous transmission",
            "Send no pauses where the far end understands it: comfort noise instead, in Opus a packet now and then",
        ),
        uint(
            "ring-timeout",
            "Ring timeout",
            "Seconds a call may ring before it is given up",
            1..=600,
            DEFAULT_RING_TIMEOUT_S,
        ),
        flag(
            "follow-redirects",
            "Follow redirects",
            "Let whoever is called send the call on (300 to 302), to anybody: for far ends that are trusted with that",
        ),
        flag(
            "allow-transfer",
            "Allow transfer",
            "Let the far end ask for transfers (REFER): transfer-requested decides. Else it is told 603",
        ),
        uint(
            "media-timeout",
            "Media timeout",
            "Seconds after which a call ends whose far end ought to send and does not; 0: never",
            0..=86_400,
            0,
        ),
        glib::ParamSpecEnum::builder_with_default("dtmf", DtmfMode::default())
            .nick("DTMF")
            .blurb("How digits go to the far end; tones are listened for with inband, and with auto where the far end knows no events")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("context")
            .nick("Context")
            .blurb(
                "Name of the media thread; elements with the same name share it. \
                 Default: the least loaded. A running call moves to the thread that is named",
            )
            .mutable_playing()
            .build(),
        uint(
            "context-wait",
            "Context wait",
            "Milliseconds the named media thread may sleep to gather work",
            0..=5,
            DEFAULT_CONTEXT_WAIT_MS,
        ),
        glib::ParamSpecBoxed::builder::<gst::Structure>("extra-headers")
            .nick("Extra headers")
            .blurb("Headers to add to the INVITE, one a field: X-… and User-to-User")
            .mutable_ready()
            .build(),
    ]
}

pub(crate) fn stats_property() -> glib::ParamSpec {
    glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
        .nick("Statistics")
        .blurb("Packets, loss, jitter, round trip, codec and address of the call; times in milliseconds")
        .read_only()
        .build()
}

/// A property holds what cannot be used. The sentence names it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("codecs: \"{0}\" is not known; opus, g722, pcma, pcmu and l16 are")]
    Codec(String),
    #[error("codecs is empty: name at least one of opus, g722, pcma, pcmu, l16")]
    NoCodec,
    #[error("extra-headers: {0}")]
    Header(#[from] TargetError),
    #[error("extra-headers: {0} is no text")]
    NoText(String),
}

impl LineSettings {
    /// `false`: it is not one of the shared properties.
    pub(crate) fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        fn put<'v, T: glib::value::FromValue<'v>>(place: &mut T, value: &'v glib::Value) {
            if let Ok(value) = value.get::<T>() {
                *place = value;
            }
        }
        match name {
            "uri" => {
                self.uri = value
                    .get::<Option<String>>()
                    .ok()
                    .flatten()
                    .filter(|t| !t.is_empty())
            }
            "call" => {
                self.call = value
                    .get::<Option<String>>()
                    .ok()
                    .flatten()
                    .filter(|t| !t.is_empty())
            }
            "agent" => self.agent = value.get::<Option<SipAgent>>().ok().flatten(),
            "mode" => put(&mut self.mode, value),
            "auto-answer" => put(&mut self.auto_answer, value),
            "keep-listening" => put(&mut self.keep_listening, value),
            "codecs" => {
                if let Ok(array) = value.get::<gst::ArrayRef>() {
                    self.codecs = array.iter().filter_map(|codec| codec.get().ok()).collect();
                }
            }
            "srtp" => put(&mut self.srtp, value),
            "dtls" => put(&mut self.dtls, value),
            "latency" => put(&mut self.latency_ms, value),
            "ptime" => put(&mut self.ptime_ms, value),
            "dtx" => put(&mut self.dtx, value),
            "ring-timeout" => put(&mut self.ring_timeout_s, value),
            "follow-redirects" => put(&mut self.follow_redirects, value),
            "allow-transfer" => put(&mut self.allow_transfer, value),
            "media-timeout" => put(&mut self.media_timeout_s, value),
            "dtmf" => put(&mut self.dtmf, value),
            "context" => {
                self.context = value
                    .get::<Option<String>>()
                    .ok()
                    .flatten()
                    .filter(|t| !t.is_empty());
            }
            "context-wait" => put(&mut self.context_wait_ms, value),
            "extra-headers" => self.extra_headers = value.get().ok().flatten(),
            _ => return false,
        }
        true
    }

    pub(crate) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "uri" => self.uri.to_value(),
            "call" => self.call.to_value(),
            "agent" => self.agent.to_value(),
            "mode" => self.mode.to_value(),
            "auto-answer" => self.auto_answer.to_value(),
            "keep-listening" => self.keep_listening.to_value(),
            "codecs" => gst::Array::new(&self.codecs).to_value(),
            "srtp" => self.srtp.to_value(),
            "dtls" => self.dtls.to_value(),
            "latency" => self.latency_ms.to_value(),
            "ptime" => self.ptime_ms.to_value(),
            "dtx" => self.dtx.to_value(),
            "ring-timeout" => self.ring_timeout_s.to_value(),
            "follow-redirects" => self.follow_redirects.to_value(),
            "allow-transfer" => self.allow_transfer.to_value(),
            "media-timeout" => self.media_timeout_s.to_value(),
            "dtmf" => self.dtmf.to_value(),
            "context" => self.context.to_value(),
            "context-wait" => self.context_wait_ms.to_value(),
            "extra-headers" => self.extra_headers.to_value(),
            _ => return None,
        })
    }

    pub(crate) fn codecs(&self) -> Result<Vec<Codec>, SettingsError> {
        if self.codecs.is_empty() {
            return Err(SettingsError::NoCodec);
        }
        self.codecs
            .iter()
            .map(|name| Codec::from_name(name).ok_or_else(|| SettingsError::Codec(name.clone())))
            .collect()
    }

    pub(crate) fn headers(&self) -> Result<Vec<(String, Vec<u8>)>, SettingsError> {
        let Some(structure) = &self.extra_headers else {
            return Ok(Vec::new());
        };
        structure
            .iter()
            .map(|(name, value)| {
                let text = value
                    .transform::<String>()
                    .ok()
                    .and_then(|text| text.get::<String>().ok())
                    .ok_or_else(|| SettingsError::NoText(name.to_string()))?;
                Ok(check_header(name, text.as_bytes())?)
            })
            .collect()
    }

    pub(crate) fn context_wait(&self) -> Duration {
        Duration::from_millis(self.context_wait_ms.into())
    }

    pub(crate) fn ring_timeout(&self) -> Duration {
        Duration::from_secs(self.ring_timeout_s.into())
    }
}
