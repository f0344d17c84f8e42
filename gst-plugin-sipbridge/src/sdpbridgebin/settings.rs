// SPDX-License-Identifier: MPL-2.0
//! The properties, and what a bridge is made of after them.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use gst::glib;
use gst::prelude::*;

use super::profiles;
use super::side::{SideFault, SideOptions};
use crate::bridge::{ExchangeConfig, SideConfig};
use crate::media::bridge::Side;
use crate::property::{contexts, flag_on, ports, put, text_or, uint};

const DEFAULT_NAME: &str = "-";
const DEFAULT_PORTS: &str = "10000-20000";
const DEFAULT_OFFER_TIMEOUT_S: u32 = 300;

#[derive(Debug, Clone)]
pub(super) struct Settings {
    profile: String,
    sides: [Option<gst::Structure>; 2],
    name: String,
    transcode: bool,
    media_ports: String,
    offer_timeout_s: u32,
    media_timeout_s: u32,
    pub(super) context: Option<String>,
    context_wait_ms: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            profile: profiles::DEFAULT.to_owned(),
            sides: [None, None],
            name: DEFAULT_NAME.to_owned(),
            transcode: true,
            media_ports: DEFAULT_PORTS.to_owned(),
            offer_timeout_s: DEFAULT_OFFER_TIMEOUT_S,
            media_timeout_s: 0,
            context: None,
            context_wait_ms: 5,
        }
    }
}

/// A property holds what cannot be used. The sentence names it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SettingsError {
    #[error("profile: there is no {0:?}; {known} there are", known = profiles::names().join(", "))]
    Profile(String),
    #[error("side-{}: {fault}", .side.name())]
    Side { side: Side, fault: SideFault },
    #[error("sdp-name: {0:?} cannot stand in a line of SDP")]
    Name(String),
    #[error("media-ports is {0:?}; a range such as 10000-20000 is wanted")]
    Ports(String),
}

/// What a bridge is opened with.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// The local addresses of sides A and B; the ports in `exchange` are still to come.
    pub(super) bind: [IpAddr; 2],
    pub(super) ports: RangeInclusive<u16>,
    pub(super) exchange: ExchangeConfig,
    pub(super) media_timeout: Duration,
}

impl Settings {
    pub(super) fn context_wait(&self) -> Duration {
        Duration::from_millis(u64::from(self.context_wait_ms))
    }

    /// All of it, checked.
    pub(super) fn plan(&self) -> Result<Plan, SettingsError> {
        let profile = profiles::find(&self.profile);
        let [usual_a, usual_b] =
            profile.ok_or_else(|| SettingsError::Profile(self.profile.clone()))?;
        if self.name.is_empty() || self.name.contains(['\r', '\n', '\0']) {
            return Err(SettingsError::Name(self.name.clone()));
        }
        let ports = ports(&self.media_ports)
            .ok_or_else(|| SettingsError::Ports(self.media_ports.clone()))?;
        let (bind_a, a) = self.side(Side::A, &usual_a)?;
        let (bind_b, b) = self.side(Side::B, &usual_b)?;
        Ok(Plan {
            bind: [bind_a, bind_b],
            ports,
            exchange: ExchangeConfig {
                sides: [a, b],
                transcode: self.transcode,
                name: self.name.clone(),
                patience: Duration::from_secs(self.offer_timeout_s.into()),
            },
            media_timeout: Duration::from_secs(self.media_timeout_s.into()),
        })
    }

    fn side(&self, side: Side, usual: &SideOptions) -> Result<(IpAddr, SideConfig), SettingsError> {
        let structure = self.sides[side.index()].as_deref();
        let config = SideOptions::read(structure).and_then(|said| said.or(usual).config());
        config.map_err(|fault| SettingsError::Side { side, fault })
    }
}

pub(super) fn properties() -> Vec<glib::ParamSpec> {
    let side = |name, nick, blurb| {
        glib::ParamSpecBoxed::builder::<gst::Structure>(name)
            .nick(nick)
            .blurb(blurb)
            .mutable_ready()
            .build()
    };
    let [context, context_wait] = contexts();
    vec![
        text_or(
            "profile",
            "Profile",
            "What is spoken on both sides: rtp_passthrough, srtp_to_rtp, rtp_to_srtp, ws_to_rtp or wss_to_rtp",
            profiles::DEFAULT,
        ),
        side(
            "side-a",
            "Side A",
            "What is spoken with who offers first, where it differs from the profile; the keys are in the description",
        ),
        side("side-b", "Side B", "The same for whoever answers that"),
        text_or(
            "sdp-name",
            "SDP name",
            "The session's name in all descriptions (s=), in place of what the far ends call it",
            DEFAULT_NAME,
        ),
        flag_on(
            "transcode",
            "Transcode",
            "Offer a side codecs that the other did not offer, and transcode where one of them is chosen",
        ),
        text_or(
            "media-ports",
            "Media ports",
            "Range of local UDP ports for media",
            DEFAULT_PORTS,
        ),
        uint(
            "offer-timeout",
            "Offer timeout",
            "After how many seconds an offer that nobody answered is given up, and if it was the first, the bridge with it",
            1..=86_400,
            DEFAULT_OFFER_TIMEOUT_S,
        ),
        uint(
            "media-timeout",
            "Media timeout",
            "After how many seconds without media of a side that ought to send it is told so (sdp-bridge-silent); 0: never",
            0..=86_400,
            0,
        ),
        context,
        context_wait,
    ]
}

impl Settings {
    pub(super) fn set(&mut self, name: &str, value: &glib::Value) {
        match name {
            "profile" => put_text(&mut self.profile, value, profiles::DEFAULT),
            "side-a" => put(&mut self.sides[0], value),
            "side-b" => put(&mut self.sides[1], value),
            "sdp-name" => put_text(&mut self.name, value, DEFAULT_NAME),
            "transcode" => put(&mut self.transcode, value),
            "media-ports" => put_text(&mut self.media_ports, value, DEFAULT_PORTS),
            "offer-timeout" => put(&mut self.offer_timeout_s, value),
            "media-timeout" => put(&mut self.media_timeout_s, value),
            "context" => put(&mut self.context, value),
            "context-wait" => put(&mut self.context_wait_ms, value),
            _ => {}
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "profile" => self.profile.to_value(),
            "side-a" => self.sides[0].to_value(),
            "side-b" => self.sides[1].to_value(),
            "sdp-name" => self.name.to_value(),
            "transcode" => self.transcode.to_value(),
            "media-ports" => self.media_ports.to_value(),
            "offer-timeout" => self.offer_timeout_s.to_value(),
            "media-timeout" => self.media_timeout_s.to_value(),
            "context" => self.context.to_value(),
            "context-wait" => self.context_wait_ms.to_value(),
            _ => return None,
        })
    }
}

/// Nothing means the default.
fn put_text(place: &mut String, value: &glib::Value, default: &str) {
    if let Ok(text) = value.get::<Option<String>>() {
        *place = text.unwrap_or_else(|| default.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use sip_ua::sdp::SrtpPolicy;

    use super::*;

    fn refused(settings: &Settings) -> String {
        settings.plan().unwrap_err().to_string()
    }

    #[test]
    fn profiles_go_by_name() {
        for (name, [a, b]) in [
            ("rtp_passthrough", ["RTP", "RTP"]),
            ("srtp_to_rtp", ["SRTP", "RTP"]),
            ("rtp_to_srtp", ["RTP", "SRTP"]),
            ("ws_to_rtp", ["DTLS", "RTP"]),
            ("wss_to_rtp", ["DTLS", "RTP"]),
        ] {
            let settings = Settings {
                profile: name.to_owned(),
                ..Settings::default()
            };
            let plan = settings.plan().unwrap();
            let found = plan
                .exchange
                .sides
                .map(|side| match (side.dtls, side.srtp) {
                    (Some(_), SrtpPolicy::Off) => "DTLS",
                    (None, SrtpPolicy::Required) => "SRTP",
                    (None, SrtpPolicy::Off) => "RTP",
                    _ => "something else",
                });
            assert_eq!(found, [a, b], "{name}");
        }
        let settings = Settings {
            profile: "any".to_owned(),
            ..Settings::default()
        };
        let said = refused(&settings);
        assert!(
            said.contains("\"any\"") && said.contains("wss_to_rtp"),
            "{said}"
        );
    }

    #[test]
    fn what_cannot_be_is_named() {
        gst::init().unwrap();
        let sides = [None, Some("side, sdes=off".parse().unwrap())];
        let settings = Settings {
            sides,
            ..Settings::default()
        };
        let said = refused(&settings);
        assert!(
            said.starts_with("side-b: there is no key \"sdes\""),
            "{said}"
        );
        let settings = Settings {
            name: "a\r\nc=IN IP4 192.0.2.1".to_owned(),
            ..Settings::default()
        };
        assert!(refused(&settings).contains("sdp-name"));
        let settings = Settings {
            media_ports: "many".to_owned(),
            ..Settings::default()
        };
        assert!(refused(&settings).contains("media-ports"));
    }
}
