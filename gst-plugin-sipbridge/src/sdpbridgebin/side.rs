// SPDX-License-Identifier: MPL-2.0
//! The structures of the properties `side-a` and `side-b`: what is spoken on a side.

use std::net::{IpAddr, SocketAddr};

use gst::glib;
use sip_ua::sdp::{Codec, SrtpPolicy};

use crate::bridge::{DtlsConfig, IcePolicy, SideConfig};
use crate::rtc::leading_out;

const KEYS: [&str; 10] = [
    "srtp",
    "dtls",
    "ice",
    "feedback",
    "rtcp-mux",
    "codecs",
    "ptime",
    "address",
    "advertise",
    "peer",
];

/// What is spoken on a side, as far as somebody says; the words are those of the properties `side-a` and `side-b`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SideOptions {
    /// Keys in the descriptions.
    pub srtp: Option<SrtpPolicy>,
    /// Keys from a handshake, and nothing else.
    pub dtls: Option<bool>,
    /// How the far end is found then.
    pub ice: Option<IcePolicy>,
    /// Whether first offers have a profile with feedback.
    pub feedback: Option<bool>,
    /// Whether RTCP may share the port of RTP.
    pub rtcp_mux: Option<bool>,
    /// What may be spoken, the best first. Never empty.
    pub codecs: Option<Vec<Codec>>,
    /// The packet time, 10 to 60 milliseconds.
    pub ptime_ms: Option<u8>,
    /// The local address.
    pub address: Option<IpAddr>,
    /// What descriptions say in its place.
    pub advertise: Option<IpAddr>,
    /// Whom signalling is spoken with.
    pub peer: Option<IpAddr>,
}

/// What cannot be said of a side.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SideFault {
    #[error("there is no key {0:?}; {known} there are", known = KEYS.join(", "))]
    Key(String),
    #[error("{0} should be {1}")]
    Type(&'static str, &'static str),
    #[error("{0} is {1:?}, which is no IP address")]
    Address(&'static str, String),
    #[error(
        "advertise is {advertise}, and the local address {address}: one is IPv4, the other IPv6"
    )]
    Family { advertise: IpAddr, address: IpAddr },
    #[error("srtp is {0:?}; off, optional and required there are")]
    Srtp(String),
    #[error("ice is {0:?}; off, lite and full there are")]
    Ice(String),
    #[error("srtp is {0:?} and dtls is true: keys come from descriptions or from a handshake")]
    BothKeys(&'static str),
    #[error("ice is {0:?} without dtls=true: checks go with a handshake")]
    IceAlone(&'static str),
    #[error("rtcp-mux is false and dtls is true: with a handshake RTCP shares the port of RTP")]
    DtlsWithoutMux,
    #[error("dtls is true, and no certificate can be made on this system")]
    NoCertificate,
    #[error("codecs: {0:?} is not known; opus, g722, pcma, pcmu and l16 are")]
    Codec(String),
    #[error("codecs is empty: name at least one")]
    NoCodec,
    #[error("ptime is {0}; 10 to 60 ms can be asked for")]
    Ptime(u32),
}

impl SideOptions {
    /// What a structure says.
    pub(super) fn read(structure: Option<&gst::StructureRef>) -> Result<SideOptions, SideFault> {
        let said = Said(structure);
        said.check_keys()?;
        Ok(SideOptions {
            srtp: said.named("srtp", SrtpPolicy::from_name, SideFault::Srtp)?,
            dtls: said.get("dtls", "a boolean")?,
            ice: said.named("ice", IcePolicy::from_name, SideFault::Ice)?,
            feedback: said.get("feedback", "a boolean")?,
            rtcp_mux: said.get("rtcp-mux", "a boolean")?,
            codecs: said.codecs()?,
            ptime_ms: said.ptime()?,
            address: said.address("address")?,
            advertise: said.address("advertise")?,
            peer: said.address("peer")?,
        })
    }

    /// The same, and what is usual where it says nothing. Who asks for a handshake asks for no keys in descriptions,
    /// and who wants none for no checks.
    pub(super) fn or(self, usual: &SideOptions) -> SideOptions {
        SideOptions {
            srtp: self.srtp.or(usual.srtp.filter(|_| self.dtls != Some(true))),
            dtls: self.dtls.or(usual.dtls),
            ice: self.ice.or(usual.ice.filter(|_| self.dtls != Some(false))),
            feedback: self.feedback.or(usual.feedback),
            rtcp_mux: self.rtcp_mux.or(usual.rtcp_mux),
            codecs: self.codecs.or_else(|| usual.codecs.clone()),
            ptime_ms: self.ptime_ms.or(usual.ptime_ms),
            address: self.address.or(usual.address),
            advertise: self.advertise.or(usual.advertise),
            peer: self.peer.or(usual.peer),
        }
    }

    /// The local address, and what is spoken there.
    pub(super) fn config(&self) -> Result<(IpAddr, SideConfig), SideFault> {
        let bind = self.address.unwrap_or_else(usual_address);
        let reached = self.advertise.unwrap_or(bind);
        if reached.is_ipv4() != bind.is_ipv4() {
            return Err(SideFault::Family {
                advertise: reached,
                address: bind,
            });
        }
        let peer = self.peer.unwrap_or(bind);
        let mut config = SideConfig::new(SocketAddr::new(reached, 0), peer);
        (config.srtp, config.dtls) = self.keys()?;
        // Who shakes hands speaks with feedback: so do all browsers.
        config.feedback = self.feedback.unwrap_or(config.dtls.is_some());
        config.rtcp_mux = self.rtcp_mux.unwrap_or(config.rtcp_mux);
        if config.dtls.is_some() && !config.rtcp_mux {
            return Err(SideFault::DtlsWithoutMux);
        }
        config.codecs.clone_from(&self.codecs);
        config.ptime_ms = self.ptime_ms;
        Ok((bind, config))
    }

    fn keys(&self) -> Result<(SrtpPolicy, Option<DtlsConfig>), SideFault> {
        let srtp = self.srtp.unwrap_or_default();
        if !self.dtls.unwrap_or(false) {
            return match self.ice {
                Some(ice @ (IcePolicy::Lite | IcePolicy::Full)) => {
                    Err(SideFault::IceAlone(ice.name()))
                }
                _ => Ok((srtp, None)),
            };
        }
        if srtp != SrtpPolicy::Off {
            return Err(SideFault::BothKeys(srtp.name()));
        }
        let dtls = DtlsConfig::of_process(self.ice.unwrap_or(IcePolicy::Full));
        Ok((srtp, Some(dtls.ok_or(SideFault::NoCertificate)?)))
    }
}

/// Where most of this machine's packets leave from.
fn usual_address() -> IpAddr {
    let loopback = IpAddr::from([127, 0, 0, 1]);
    leading_out().first().copied().unwrap_or(loopback)
}

struct Said<'a>(Option<&'a gst::StructureRef>);

impl<'a> Said<'a> {
    fn check_keys(&self) -> Result<(), SideFault> {
        let mut keys = self.0.into_iter().flat_map(|structure| structure.fields());
        match keys.find(|key| !KEYS.contains(&key.as_str())) {
            Some(key) => Err(SideFault::Key(key.to_string())),
            None => Ok(()),
        }
    }

    fn get<T: glib::value::FromValue<'a>>(
        &self,
        key: &'static str,
        kind: &'static str,
    ) -> Result<Option<T>, SideFault> {
        let Some(structure) = self.0 else {
            return Ok(None);
        };
        let value = structure.get_optional(key);
        value.map_err(|_| SideFault::Type(key, kind))
    }

    fn address(&self, key: &'static str) -> Result<Option<IpAddr>, SideFault> {
        let Some(text) = self.get::<String>(key, "a string")? else {
            return Ok(None);
        };
        match text.parse() {
            Ok(address) => Ok(Some(address)),
            Err(_) => Err(SideFault::Address(key, text)),
        }
    }

    fn named<T>(
        &self,
        key: &'static str,
        from_name: impl FnOnce(&str) -> Option<T>,
        fault: impl FnOnce(String) -> SideFault,
    ) -> Result<Option<T>, SideFault> {
        let Some(name) = self.get::<String>(key, "a string")? else {
            return Ok(None);
        };
        match from_name(&name) {
            Some(known) => Ok(Some(known)),
            None => Err(fault(name)),
        }
    }

    fn codecs(&self) -> Result<Option<Vec<Codec>>, SideFault> {
        let kind = "an array of strings";
        let Some(names) = self.get::<gst::Array>("codecs", kind)? else {
            return Ok(None);
        };
        let mut codecs = Vec::new();
        for name in names.as_slice() {
            let name: &str = name.get().map_err(|_| SideFault::Type("codecs", kind))?;
            let codec = Codec::from_name(name).ok_or_else(|| SideFault::Codec(name.to_owned()))?;
            if !codecs.contains(&codec) {
                codecs.push(codec);
            }
        }
        match codecs.is_empty() {
            true => Err(SideFault::NoCodec),
            false => Ok(Some(codecs)),
        }
    }

    fn ptime(&self) -> Result<Option<u8>, SideFault> {
        // A launch line makes signed numbers.
        let signed = self.get::<i32>("ptime", "a number").ok().flatten();
        let ms = match signed.and_then(|ms| u32::try_from(ms).ok()) {
            Some(ms) => Some(ms),
            None => self.get::<u32>("ptime", "an unsigned integer")?,
        };
        let Some(ms) = ms else {
            return Ok(None);
        };
        match u8::try_from(ms) {
            Ok(ms @ 10..=60) => Ok(Some(ms)),
            _ => Err(SideFault::Ptime(ms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(side: &str) -> Result<(IpAddr, SideConfig), SideFault> {
        gst::init().unwrap();
        let structure: gst::Structure = side.parse().unwrap();
        SideOptions::read(Some(&structure))?.config()
    }

    #[test]
    fn a_side_is_what_its_structure_says() {
        let (bind, side) = read(
            "side, address=127.0.0.2, advertise=203.0.113.7, peer=203.0.113.1, srtp=optional, \
             feedback=true, rtcp-mux=false, ptime=30, codecs=(string)<opus, PCMA>",
        )
        .unwrap();
        assert_eq!(bind.to_string(), "127.0.0.2");
        assert_eq!(side.reached_at.ip().to_string(), "203.0.113.7");
        assert_eq!(side.peer.to_string(), "203.0.113.1");
        assert_eq!(side.srtp, SrtpPolicy::Optional);
        assert!(side.feedback && !side.rtcp_mux);
        assert_eq!(side.codecs, Some(vec![Codec::Opus, Codec::Pcma]));
        assert_eq!(side.ptime_ms, Some(30));
    }

    #[test]
    fn what_it_does_not_say_is_as_the_profile_has_it() {
        let usual = SideOptions {
            srtp: Some(SrtpPolicy::Required),
            ..SideOptions::default()
        };
        let (bind, side) = SideOptions::default().or(&usual).config().unwrap();
        assert_eq!(side.srtp, SrtpPolicy::Required);
        assert!(side.rtcp_mux && !side.feedback);
        assert_eq!((side.codecs, side.ptime_ms), (None, None));
        assert_eq!((side.reached_at.ip(), side.peer), (bind, bind));
    }

    #[test]
    fn what_it_says_of_keys_takes_the_place_of_all_that_is_usual() {
        let secure = SideOptions {
            srtp: Some(SrtpPolicy::Required),
            ..SideOptions::default()
        };
        let shaking = SideOptions {
            dtls: Some(true),
            ice: Some(IcePolicy::Lite),
            ..SideOptions::default()
        };
        let says = |dtls| SideOptions {
            dtls: Some(dtls),
            ..SideOptions::default()
        };
        let (_, side) = says(true).or(&secure).config().unwrap();
        assert!(side.dtls.is_some());
        let (_, side) = says(false).or(&secure).config().unwrap();
        assert_eq!((side.srtp, side.dtls), (SrtpPolicy::Required, None));
        let (_, side) = says(false).or(&shaking).config().unwrap();
        assert_eq!((side.srtp, side.dtls), (SrtpPolicy::Off, None));
        let error = secure.or(&shaking).config().unwrap_err();
        assert!(
            error.to_string().contains("srtp is \"required\""),
            "{error}"
        );
    }

    #[test]
    fn a_handshake_comes_with_checks_and_feedback() {
        for (side, ice, feedback) in [
            ("side, dtls=true", IcePolicy::Full, true),
            ("side, dtls=true, ice=lite", IcePolicy::Lite, true),
            (
                "side, dtls=true, ice=off, feedback=false",
                IcePolicy::Off,
                false,
            ),
        ] {
            let (_, config) = read(side).unwrap();
            let dtls = config.dtls.unwrap();
            assert_eq!((dtls.ice, config.feedback), (ice, feedback), "{side}");
            assert_eq!(dtls.fingerprint.len(), 32);
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (side, words) in [
            ("side, bundle=true", "no key \"bundle\"; srtp, dtls"),
            ("side, ice=full", "without dtls=true"),
            ("side, dtls=true, ice=half", "\"half\""),
            ("side, dtls=true, srtp=optional", "srtp is \"optional\""),
            ("side, dtls=true, rtcp-mux=false", "rtcp-mux is false"),
            ("side, address=eth0", "\"eth0\""),
            ("side, address=(int)7", "address should be a string"),
            ("side, address=127.0.0.1, advertise=(string)::1", "IPv6"),
            ("side, srtp=maybe", "\"maybe\""),
            ("side, codecs=(string)<gsm>", "\"gsm\""),
            ("side, codecs=opus", "array"),
            ("side, ptime=5", "is 5"),
            ("side, ptime=often", "ptime should be"),
            ("side, rtcp-mux=often", "rtcp-mux should be"),
        ] {
            let said = read(side).unwrap_err().to_string();
            assert!(said.contains(words), "{side}: {said}");
        }
    }
}
