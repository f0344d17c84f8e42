// SPDX-License-Identifier: MPL-2.0
//! Reading a description: what its media lines say, session-level lines applied.
//!
//! Only `m=`, `c=` and `a=` decide about media. All other lines are left out before parsing, so
//! that an `o=` with a date in it, a Latin-1 session name or a broken `b=` cannot cost the call.

use std::net::{IpAddr, SocketAddr};

use sdp_types::{Attribute, Connection, Media, Rtcp, RtpMap, Session};

use super::sdes::CryptoLine;
use super::{Codec, Direction, OpusFmtp, SdpError};

/// More media lines than any device sends; the answer must hold as many.
const MEDIA_LIMIT: usize = 32;

/// The payload type of comfort noise at 8000 Hz (RFC 3551 section 6).
pub(super) const COMFORT_NOISE_PT: u8 = 13;

/// A session description as the far end (or we, earlier) wrote it.
#[derive(Debug)]
pub(super) struct Description {
    session: Session,
}

/// One media line with what the session level adds to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct MediaLine<'a> {
    session: &'a Session,
    pub(super) media: &'a Media,
}

/// One payload type of a media line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) pt: u8,
    pub(super) kind: FormatKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FormatKind {
    Audio(Codec),
    /// RFC 4733, at this clock rate.
    TelephoneEvent(u32),
    /// RFC 3389, at the clock rate of G.711 and G.722.
    ComfortNoise,
    /// A dynamic payload type without `a=rtpmap`: known only from the other description.
    Unmapped,
    Unknown,
}

impl Description {
    pub(super) fn parse(bytes: &[u8]) -> Result<Description, SdpError> {
        let session = Session::parse(&media_lines_only(bytes))
            .map_err(|error| SdpError::Unreadable(error.to_string()))?;
        if session.medias.len() > MEDIA_LIMIT {
            return Err(SdpError::TooManyMedia {
                found: session.medias.len(),
                limit: MEDIA_LIMIT,
            });
        }
        Ok(Description { session })
    }

    pub(super) fn media(&self) -> impl ExactSizeIterator<Item = MediaLine<'_>> {
        self.session.medias.iter().map(|media| MediaLine {
            session: &self.session,
            media,
        })
    }

    pub(super) fn line(&self, index: usize) -> Option<MediaLine<'_>> {
        self.media().nth(index)
    }
}

/// Drops what does not concern media; an unknown line stands in for it, so that the line numbers
/// of errors stay those of the text.
fn media_lines_only(bytes: &[u8]) -> Vec<u8> {
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    let mut kept = Vec::with_capacity(end);
    for line in bytes[..end].split(|byte| *byte == b'\n') {
        let line = line.trim_ascii_end();
        match line {
            [b'v' | b'm' | b'c', b'=', value @ ..] => {
                kept.extend_from_slice(&line[..2]);
                let fields = value
                    .split(u8::is_ascii_whitespace)
                    .filter(|field| !field.is_empty());
                for (position, field) in fields.enumerate() {
                    if position > 0 {
                        kept.push(b' ');
                    }
                    kept.extend_from_slice(field);
                }
            }
            [b'a', b'=', ..] if std::str::from_utf8(line).is_ok() => kept.extend_from_slice(line),
            [key, b'=', ..] if key.is_ascii_alphabetic() => kept.extend_from_slice(b"x="),
            _ => kept.extend_from_slice(line),
        }
        kept.push(b'\n');
    }
    kept
}

impl<'a> MediaLine<'a> {
    pub(super) fn is_audio(&self) -> bool {
        self.media.media.eq_ignore_ascii_case("audio")
    }

    /// Whether the profile is plain RTP. RTP/AVPF is: an answerer who states no `a=rtcp-fb` uses no
    /// feedback (RFC 4585 section 4.2).
    pub(super) fn is_plain_rtp(&self) -> bool {
        ["RTP/AVP", "RTP/AVPF"]
            .iter()
            .any(|plain| self.media.proto.eq_ignore_ascii_case(plain))
    }

    /// Whether the far end can take RTP and RTCP on one port (RFC 5761 section 5.1.1).
    pub(super) fn rtcp_mux(&self) -> bool {
        self.attribute("rtcp-mux").is_some() || self.rtcp_mux_only()
    }

    /// Whether it can do nothing else (RFC 8858).
    pub(super) fn rtcp_mux_only(&self) -> bool {
        self.attribute("rtcp-mux-only").is_some()
    }

    /// Whether the profile is SRTP with keys in the description.
    pub(super) fn is_secure_rtp(&self) -> bool {
        ["RTP/SAVP", "RTP/SAVPF"]
            .iter()
            .any(|secure| self.media.proto.eq_ignore_ascii_case(secure))
    }

    /// The values of the line's own `a=crypto` attributes; there are none for the whole session
    /// (RFC 4568 section 4).
    fn crypto_values(self) -> impl Iterator<Item = &'a str> {
        self.own_values("crypto")
    }

    /// The values of the line's own attributes of this name.
    pub(super) fn own_values(self, name: &'static str) -> impl Iterator<Item = &'a str> {
        values(&self.media.attributes, name)
    }

    /// The values of the session's attributes of this name.
    pub(super) fn session_values(self, name: &'static str) -> impl Iterator<Item = &'a str> {
        values(&self.session.attributes, name)
    }

    /// Whether the session has an attribute of this name.
    pub(super) fn session_has(self, name: &str) -> bool {
        let mut attributes = self.session.attributes.iter();
        attributes.any(|attribute| attribute.attribute.eq_ignore_ascii_case(name))
    }

    /// The value of the line's attribute, else of the session's.
    pub(super) fn value(self, name: &str) -> Option<&'a str> {
        self.attribute(name)?.value.as_deref()
    }

    /// Those of its keys that can be used.
    pub(super) fn crypto(&self) -> Vec<CryptoLine> {
        CryptoLine::all(self.crypto_values())
    }

    /// The names of all its suites, for messages.
    pub(super) fn suite_names(&self) -> Vec<String> {
        self.crypto_values()
            .filter_map(|value| value.split_ascii_whitespace().nth(1))
            .map(str::to_owned)
            .collect()
    }

    /// The media line's attribute, else the session's.
    fn attribute(&self, name: &str) -> Option<&'a Attribute> {
        let named = |attribute: &&Attribute| attribute.attribute.eq_ignore_ascii_case(name);
        let own = self.media.attributes.iter().find(named);
        own.or_else(|| self.session.attributes.iter().find(named))
    }

    fn number(&self, name: &str) -> Option<u32> {
        let value = self.attribute(name)?.value.as_deref()?.trim();
        // Some devices write 20.0 or "20 ms".
        let digits = value.find(|c: char| !c.is_ascii_digit());
        value[..digits.unwrap_or(value.len())].parse().ok()
    }

    pub(super) fn ptime_ms(&self) -> Option<u32> {
        self.number("ptime")
    }

    pub(super) fn max_ptime_ms(&self) -> Option<u32> {
        self.number("maxptime")
    }

    fn connection(&self) -> Option<&'a Connection> {
        let own = self.media.connections.first();
        own.or(self.session.connection.as_ref())
    }

    /// Where the far end wants its media.
    pub(super) fn rtp(&self) -> Result<SocketAddr, SdpError> {
        let text = &self
            .connection()
            .ok_or(SdpError::NoAddress)?
            .connection_address;
        let address = unicast(text).ok_or_else(|| SdpError::Address(text.clone()))?;
        Ok(SocketAddr::new(address, self.media.port))
    }

    /// Where it wants its RTCP (RFC 3605); port 0 where there is no port left for it.
    pub(super) fn rtcp(&self, rtp: SocketAddr) -> SocketAddr {
        let stated = self
            .attribute("rtcp")
            .and_then(|attribute| attribute.value.as_deref()?.trim().parse::<Rtcp>().ok());
        let Some(stated) = stated else {
            let port = rtp.port().checked_add(1).unwrap_or(0);
            return SocketAddr::new(rtp.ip(), port);
        };
        let address = stated.connection_address.as_deref().and_then(unicast);
        SocketAddr::new(address.unwrap_or(rtp.ip()), stated.port)
    }

    /// The direction the writer of this description means for itself.
    pub(super) fn direction(&self) -> Direction {
        let of = |attributes: &[Attribute]| {
            attributes.iter().find_map(|attribute| {
                [
                    Direction::SendRecv,
                    Direction::SendOnly,
                    Direction::RecvOnly,
                    Direction::Inactive,
                ]
                .into_iter()
                .find(|direction| attribute.attribute.eq_ignore_ascii_case(direction.as_str()))
            })
        };
        let stated = of(&self.media.attributes)
            .or_else(|| of(&self.session.attributes))
            .unwrap_or_default();
        // Candidates say where it is: no address at all is what most write then (RFC 8839 section 4.3.1).
        if self.is_dtls() && self.ice().is_some() {
            return stated;
        }
        // RFC 2543's hold: nothing may be sent to that address (RFC 3264 section 8.4).
        let old_hold = self
            .connection()
            .and_then(|connection| unicast(&connection.connection_address))
            .is_some_and(|address| address.is_unspecified());
        if old_hold {
            stated.intersect(Direction::SendOnly)
        } else {
            stated
        }
    }

    /// The payload types in the order of preference, each once.
    pub(super) fn formats(&self) -> Vec<Format> {
        let kinds = self.mapped().into_iter();
        let formats = kinds.map(|(pt, map)| Format {
            pt,
            kind: kind_of(pt, map.as_ref()),
        });
        formats.collect()
    }

    /// Its payload types as the far end calls them, for messages.
    pub(super) fn format_names(&self) -> Vec<String> {
        let mapped = self.mapped().into_iter();
        mapped.map(|(pt, map)| name_of(pt, map.as_ref())).collect()
    }

    /// Its payload types, each once, and what is said of them.
    fn mapped(&self) -> Vec<(u8, Option<RtpMap>)> {
        let mut maps: Vec<RtpMap> = self
            .own_values("rtpmap")
            .filter_map(|value| value.trim().parse().ok())
            .collect();
        let mut mapped: Vec<(u8, Option<RtpMap>)> = Vec::new();
        let numbers = self.media.fmt.split_ascii_whitespace();
        for pt in numbers.filter_map(|number| number.parse::<u8>().ok()) {
            if pt > 127 || mapped.iter().any(|(known, _)| *known == pt) {
                continue;
            }
            let map = maps.iter().position(|map| map.payload_type == pt);
            mapped.push((pt, map.map(|at| maps.remove(at))));
        }
        mapped
    }

    /// What the far end says about its Opus at this payload type.
    pub(super) fn opus_fmtp(&self, pt: u8) -> OpusFmtp {
        let mut fmtp = OpusFmtp::default();
        for (name, value) in self
            .fmtp(pt)
            .unwrap_or_default()
            .split(';')
            .map(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                (name.trim().to_ascii_lowercase(), value.trim())
            })
        {
            match name.as_str() {
                "stereo" => fmtp.stereo = value == "1",
                "sprop-stereo" => fmtp.sprop_stereo = value == "1",
                "useinbandfec" => fmtp.use_inband_fec = value == "1",
                "usedtx" => fmtp.use_dtx = value == "1",
                "cbr" => fmtp.cbr = value == "1",
                "maxplaybackrate" => {
                    if let Ok(rate) = value.parse::<u32>() {
                        fmtp.max_playback_rate_hz = rate.clamp(8_000, 48_000);
                    }
                }
                "maxaveragebitrate" => {
                    // The range RFC 7587 section 6.1 gives.
                    fmtp.max_average_bitrate = value
                        .parse::<u32>()
                        .ok()
                        .map(|rate| rate.clamp(6_000, 510_000));
                }
                _ => {}
            }
        }
        fmtp
    }

    fn fmtp(&self, pt: u8) -> Option<&'a str> {
        self.media
            .attributes
            .iter()
            .filter(|attribute| attribute.attribute.eq_ignore_ascii_case("fmtp"))
            .filter_map(|attribute| attribute.value.as_deref()?.trim().split_once(' '))
            .find(|(number, _)| number.parse() == Ok(pt))
            .map(|(_, parameters)| parameters)
    }
}

fn values<'a>(attributes: &'a [Attribute], name: &'static str) -> impl Iterator<Item = &'a str> {
    attributes
        .iter()
        .filter(move |attribute| attribute.attribute.eq_ignore_ascii_case(name))
        .filter_map(|attribute| attribute.value.as_deref())
}

/// RFC 3551 section 6 gives the numbers below 96 their meaning without a rtpmap.
fn static_codec(pt: u8) -> Option<Codec> {
    let mut codecs = Codec::ALL.into_iter();
    codecs.find(|codec| codec.static_pt() == Some(pt))
}

fn name_of(pt: u8, map: Option<&RtpMap>) -> String {
    match (map, static_codec(pt)) {
        (Some(map), _) => format!("{}/{}", map.encoding_name, map.clock_rate),
        (None, Some(codec)) => codec.to_string(),
        (None, None) => format!("payload type {pt}"),
    }
}

fn kind_of(pt: u8, map: Option<&RtpMap>) -> FormatKind {
    let Some(map) = map else {
        return match static_codec(pt) {
            Some(codec) => FormatKind::Audio(codec),
            None if pt == COMFORT_NOISE_PT => FormatKind::ComfortNoise,
            None if pt >= 96 => FormatKind::Unmapped,
            None => FormatKind::Unknown,
        };
    };
    let channels = map.encoding_params.as_deref().unwrap_or("1").trim();
    match Codec::from_name(map.encoding_name.trim()) {
        // Opus must say 2 channels; some stacks leave them out, and mean the same codec.
        Some(Codec::Opus) if map.clock_rate == 48_000 => FormatKind::Audio(Codec::Opus),
        Some(codec) if map.clock_rate == codec.clock_rate() && channels == "1" => {
            FormatKind::Audio(codec)
        }
        None if map.encoding_name.eq_ignore_ascii_case("telephone-event") && map.clock_rate > 0 => {
            FormatKind::TelephoneEvent(map.clock_rate)
        }
        None if map.encoding_name.eq_ignore_ascii_case("CN") && map.clock_rate == 8_000 => {
            FormatKind::ComfortNoise
        }
        _ => FormatKind::Unknown,
    }
}

/// An address one may send to. The unspecified one is let through: it means hold. An IPv4-mapped one
/// is the IPv4 address that it holds (RFC 5118 §4.9).
fn unicast(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.split('/').next()?.parse().ok()?;
    let address = address.to_canonical();
    let multicast = address.is_multicast();
    let broadcast = address == IpAddr::V4(std::net::Ipv4Addr::BROADCAST);
    (!multicast && !broadcast).then_some(address)
}
