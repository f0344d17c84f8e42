// SPDX-License-Identifier: MPL-2.0
//! Writing our offers, and the parts answers are made of.

use std::fmt::Write as _;
use std::net::IpAddr;

use sdp_types::{Attribute, Connection, Media, Origin, RtcpMux, Session, Time};

use super::dtls::{self, Setup};
use super::read::{COMFORT_NOISE_PT, Description, FormatKind};
use super::secure::Keying;
use super::{Codec, Direction, LocalMedia, LocalSrtp};

/// The payload types of digits in a fresh offer; 101 is what nearly every telephone uses.
const TELEPHONE_EVENT_PTS: [(u32, u8); 3] = [(8_000, 101), (16_000, 108), (48_000, 110)];

/// The payload type a codec has in a fresh offer. Opus as browsers number it.
fn usual_pt(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::L16 => 112,
        Codec::Opus => 111,
    }
}

/// The name of our audio line in a bundle (RFC 8843).
const MID: &str = "0";

/// A payload type with its meaning, as it stands in a description of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OurFormat {
    Audio(u8, Codec),
    ComfortNoise(u8),
    TelephoneEvent(u8, u32),
}

impl OurFormat {
    fn pt(self) -> u8 {
        match self {
            OurFormat::Audio(pt, _)
            | OurFormat::ComfortNoise(pt)
            | OurFormat::TelephoneEvent(pt, _) => pt,
        }
    }
}

/// The first offer of a dialog.
pub fn offer(local: &LocalMedia) -> Vec<u8> {
    let bundle = local.dtls.is_some().then_some(MID);
    write(local, vec![fresh_audio(local)], bundle)
}

/// The audio line of an offer that follows no other.
///
/// Keys in a plain profile mean SRTP for who knows of them, and plain RTP for who does not (RFC 8643).
fn fresh_audio(local: &LocalMedia) -> Media {
    let required = local.srtp.as_ref().is_some_and(|srtp| srtp.required);
    let proto = match (required, local.feedback) {
        (_, false) if local.dtls.is_some() => "UDP/TLS/RTP/SAVP",
        (_, true) if local.dtls.is_some() => "UDP/TLS/RTP/SAVPF",
        (false, false) => "RTP/AVP",
        (false, true) => "RTP/AVPF",
        (true, false) => "RTP/SAVP",
        (true, true) => "RTP/SAVPF",
    };
    let formats = formats(local, &[]);
    let keying = offered_keying(local, Some(MID));
    audio(
        local,
        proto,
        local.direction,
        local.rtcp_mux,
        &formats,
        &keying,
    )
}

fn offered_keying(local: &LocalMedia, mid: Option<&str>) -> Keying {
    if local.dtls.is_some() {
        return Keying::Handshake {
            setup: Setup::ActPass,
            mid: mid.map(str::to_owned),
            ice: true,
            named: true,
        };
    }
    let srtp = local.srtp.as_ref();
    Keying::Described(srtp.map(LocalSrtp::offered).unwrap_or_default())
}

/// A later offer in the same dialog: hold, resume, a moved address, other codecs.
///
/// `previous` is the description we sent last, offer or answer. RFC 3264 section 8 asks that its
/// media lines stay where they are (declined ones with port 0) and that a payload type never
/// changes its meaning; both are taken from there.
pub fn reoffer(local: &LocalMedia, previous: &[u8]) -> Vec<u8> {
    let Ok(previous) = Description::parse(previous) else {
        return offer(local);
    };
    let mut medias = Vec::new();
    let mut placed = false;
    let mut bundle = None;
    for line in previous.media() {
        if placed || !line.is_audio() || line.media.port == 0 {
            medias.push(declined(line.media));
            continue;
        }
        placed = true;
        let mapped: Vec<OurFormat> = line
            .formats()
            .into_iter()
            .filter_map(|format| match format.kind {
                FormatKind::Audio(codec) => Some(OurFormat::Audio(format.pt, codec)),
                FormatKind::TelephoneEvent(rate) => {
                    Some(OurFormat::TelephoneEvent(format.pt, rate))
                }
                FormatKind::ComfortNoise => Some(OurFormat::ComfortNoise(format.pt)),
                FormatKind::Unmapped | FormatKind::Unknown => None,
            })
            .collect();
        let formats = formats(local, &mapped);
        let proto = &line.media.proto;
        bundle = line.mid().map(str::to_owned);
        let keying = offered_keying(local, bundle.as_deref());
        medias.push(audio(
            local,
            proto,
            local.direction,
            local.rtcp_mux,
            &formats,
            &keying,
        ));
    }
    if !placed {
        bundle = Some(MID.to_owned());
        medias.push(fresh_audio(local));
    }
    let bundle = bundle.filter(|_| local.dtls.is_some());
    write(local, medias, bundle.as_deref())
}

/// Numbers for all we can speak, keeping those in use.
fn formats(local: &LocalMedia, mapped: &[OurFormat]) -> Vec<OurFormat> {
    let mut formats: Vec<OurFormat> = Vec::new();
    let free = |formats: &[OurFormat], wanted: u8| {
        let taken = |pt: u8| mapped.iter().chain(formats).any(|format| format.pt() == pt);
        std::iter::once(wanted)
            .chain(96..=127)
            .find(|pt| !taken(*pt))
    };
    for codec in &local.codecs {
        let kept = mapped
            .iter()
            .find(|format| matches!(format, OurFormat::Audio(_, known) if known == codec));
        let wanted = usual_pt(*codec);
        let fresh = || Some(OurFormat::Audio(free(&formats, wanted)?, *codec));
        if let Some(format) = kept.copied().or_else(fresh)
            && !formats.contains(&format)
        {
            formats.push(format);
        }
    }
    if local.comfort_noise && local.codecs.iter().any(|codec| codec.clock_rate() == 8_000) {
        let kept = mapped
            .iter()
            .find(|format| matches!(format, OurFormat::ComfortNoise(_)));
        let fresh = || Some(OurFormat::ComfortNoise(free(&formats, COMFORT_NOISE_PT)?));
        if let Some(format) = kept.copied().or_else(fresh) {
            formats.push(format);
        }
    }
    if local.telephone_event {
        for (rate, wanted) in TELEPHONE_EVENT_PTS {
            if !local.codecs.iter().any(|codec| codec.clock_rate() == rate) {
                continue;
            }
            let kept = mapped.iter().find(
                |format| matches!(format, OurFormat::TelephoneEvent(_, known) if *known == rate),
            );
            let fresh = || Some(OurFormat::TelephoneEvent(free(&formats, wanted)?, rate));
            if let Some(format) = kept.copied().or_else(fresh) {
                formats.push(format);
            }
        }
    }
    formats
}

/// Our audio line.
pub(super) fn audio(
    local: &LocalMedia,
    proto: &str,
    direction: Direction,
    rtcp_mux: bool,
    formats: &[OurFormat],
    keying: &Keying,
) -> Media {
    let mut numbers = String::with_capacity(4 * formats.len());
    for format in formats {
        let blank = if numbers.is_empty() { "" } else { " " };
        // Writing to memory has no way to fail.
        let _ = write!(numbers, "{blank}{}", format.pt());
    }
    let mut media = empty_media("audio", proto, numbers);
    // Two for each format, and what follows them.
    media.attributes.reserve_exact(2 * formats.len() + 3);
    media.port = local.rtp_port;
    for format in formats {
        match format {
            OurFormat::Audio(pt, Codec::Opus) => {
                media.add_attribute_with_value("rtpmap", format_args!("{pt} opus/48000/2"));
                let parameters = local.opus_fmtp.write();
                if !parameters.is_empty() {
                    media.add_attribute_with_value("fmtp", format_args!("{pt} {parameters}"));
                }
            }
            OurFormat::Audio(pt, codec) => {
                let (name, rate) = (codec.name(), codec.clock_rate());
                media.add_attribute_with_value("rtpmap", format_args!("{pt} {name}/{rate}"));
            }
            OurFormat::ComfortNoise(pt) => {
                media.add_attribute_with_value("rtpmap", format_args!("{pt} CN/8000"));
            }
            OurFormat::TelephoneEvent(pt, rate) => {
                media.add_attribute_with_value(
                    "rtpmap",
                    format_args!("{pt} telephone-event/{rate}"),
                );
                media.add_attribute_with_value("fmtp", format_args!("{pt} 0-15"));
            }
        }
    }
    match (keying, &local.dtls) {
        (Keying::Described(keys), _) => {
            for key in keys {
                media.add_attribute_with_value("crypto", key.write());
            }
        }
        (
            Keying::Handshake {
                setup,
                mid,
                ice,
                named,
            },
            Some(ours),
        ) => {
            dtls::write(&mut media, ours, *setup, mid.as_deref(), (*ice, *named));
        }
        (Keying::Handshake { .. }, None) => {}
    }
    media.add_attribute_with_value("ptime", local.ptime_ms);
    if rtcp_mux {
        media.add_attribute(RtcpMux);
    }
    media.attributes.push(Attribute::new(direction));
    media
}

/// A media line refused: port 0, the rest as offered (RFC 3264 section 6), its name
/// (RFC 5888) included.
pub(super) fn declined(offered: &Media) -> Media {
    let mut media = empty_media(&offered.media, &offered.proto, offered.fmt.clone());
    let mut attributes = offered.attributes.iter();
    let mid = attributes.find(|attribute| attribute.attribute.eq_ignore_ascii_case("mid"));
    media.attributes.extend(mid.cloned());
    media
}

fn empty_media(media: &str, proto: &str, fmt: String) -> Media {
    Media {
        media: media.to_owned(),
        port: 0,
        num_ports: None,
        proto: proto.to_owned(),
        fmt,
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

/// The whole description around these media lines; `bundle` is the name of the one that is bundled.
pub(super) fn write(local: &LocalMedia, medias: Vec<Media>, bundle: Option<&str>) -> Vec<u8> {
    let address: IpAddr = local.address;
    let origin = Origin::with_ip_addr(local.session.id, local.session.version, address);
    let mut session = Session::new(origin, local.name.clone());
    session.connection = Some(Connection::from_ip_addr(address));
    session.times = vec![Time::new(0, 0)];
    if let Some(mid) = bundle {
        session.add_attribute_with_value("group", format!("BUNDLE {mid}"));
    }
    let ice = local.dtls.as_ref().and_then(|dtls| dtls.ice.as_ref());
    if let Some(ice) = ice
        && medias.iter().any(|media| media.has_attribute("ice-ufrag"))
    {
        if ice.lite {
            session.add_attribute_from_str("ice-lite");
        }
        // As RFC 8445 has it (RFC 8839 section 4.3.1), and candidates may come after the description (RFC 8840).
        session.add_attribute_with_value("ice-options", "ice2 trickle");
    }
    session.medias = medias;
    let mut bytes = Vec::with_capacity(512);
    // Writing to memory has no way to fail.
    let _ = session.write(&mut bytes);
    bytes
}
