// SPDX-License-Identifier: MPL-2.0
//! The two halves of RFC 3264: answering an offer (section 6), taking an answer (section 7).

use super::SdpError;
use super::media::{Codec, LocalMedia, Negotiated, OpusFmtp};
use super::read::{Description, Format, FormatKind, MediaLine};
use super::secure::{self, Keyed, Keying};
use super::write::{OurFormat, audio, declined, write};

/// Answers an offer: the bytes to send, and what they agree on.
///
/// Every media line is answered in its place; the first usable audio line is taken and all others
/// are declined with port 0. Codecs are listed, and the one to send chosen, in the order of the
/// offer (RFC 3264 section 6.1), out of those in `local.codecs`.
pub fn answer(local: &LocalMedia, offer: &[u8]) -> Result<(Vec<u8>, Negotiated), SdpError> {
    let offer = Description::parse(offer)?;
    let mut refused = None;
    for index in usable_audio(local, &offer)? {
        let Some(line) = offer.line(index) else {
            continue;
        };
        match answer_line(local, &line) {
            Ok((formats, keying, negotiated)) => {
                let body = write_answer(local, &offer, index, &formats, &keying, &negotiated);
                return Ok((body, negotiated));
            }
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or(SdpError::NoMedia))
}

/// Whether an offer wants keys from a handshake (UDP/TLS/RTP/SAVPF, RFC 5764) for its audio, and nothing else.
/// What cannot be read wants nothing.
pub fn wants_handshake(offer: &[u8]) -> bool {
    let Ok(offer) = Description::parse(offer) else {
        return false;
    };
    let mut profiles = offer
        .media()
        .filter(|line| line.is_audio() && line.media.port != 0)
        .map(|line| line.is_dtls())
        .peekable();
    profiles.peek().is_some() && profiles.all(|shakes| shakes)
}

fn answer_line(
    local: &LocalMedia,
    line: &MediaLine<'_>,
) -> Result<(Vec<OurFormat>, Keying, Negotiated), SdpError> {
    let (keying, keyed) = secure::take(local, line)?;
    let mut formats = Vec::new();
    for format in line.formats() {
        match format.kind {
            FormatKind::Audio(codec) if local.codecs.contains(&codec) => {
                formats.push(OurFormat::Audio(format.pt, codec));
            }
            FormatKind::TelephoneEvent(rate) if local.telephone_event => {
                formats.push(OurFormat::TelephoneEvent(format.pt, rate));
            }
            FormatKind::ComfortNoise if local.comfort_noise => {
                formats.push(OurFormat::ComfortNoise(format.pt));
            }
            _ => {}
        }
    }
    let direction = local.direction.intersect(line.direction().reversed());
    // The far end sends with the numbers it offered: what it may send is what it may get.
    let rtcp_mux = local.rtcp_mux && line.rtcp_mux();
    let negotiated = agreed(local, line, direction, &formats, &formats, rtcp_mux, keyed)?;
    formats.retain(|format| match format {
        OurFormat::Audio(..) => true,
        OurFormat::ComfortNoise(_) => !negotiated.comfort_noise_receive.is_empty(),
        OurFormat::TelephoneEvent(pt, rate) => {
            negotiated.telephone_event_receive.contains(&(*pt, *rate))
        }
    });
    Ok((formats, keying, negotiated))
}

fn write_answer(
    local: &LocalMedia,
    offer: &Description,
    taken: usize,
    formats: &[OurFormat],
    keying: &Keying,
    negotiated: &Negotiated,
) -> Vec<u8> {
    let medias = offer
        .media()
        .enumerate()
        .map(|(index, offered)| {
            if index == taken {
                audio(
                    local,
                    &offered.media.proto,
                    negotiated.direction,
                    negotiated.rtcp_mux,
                    formats,
                    keying,
                )
            } else {
                declined(offered.media)
            }
        })
        .collect();
    // What is not offered as a bundle is not answered as one (RFC 8843 section 7.3).
    let line = offer.line(taken);
    let bundled = line.filter(|line| local.dtls.is_some() && line.is_bundled());
    write(local, medias, bundled.as_ref().and_then(MediaLine::mid))
}

/// Takes the answer to an offer of ours.
///
/// What comes in is read by the numbers of our offer, what goes out is sent with those of the
/// answer: the two may differ (RFC 3264 section 6.1).
pub fn accept_answer(
    local: &LocalMedia,
    offer_sent: &[u8],
    answer: &[u8],
) -> Result<Negotiated, SdpError> {
    let sent = Description::parse(offer_sent)?;
    let answer = Description::parse(answer)?;
    let (index, ours) = sent
        .media()
        .enumerate()
        .find(|(_, line)| line.is_audio() && line.media.port != 0)
        .ok_or_else(|| SdpError::AnswerMismatch("we offered no audio".to_owned()))?;

    if answer.media().len() == 0 {
        return Err(SdpError::NoMedia);
    }
    let line = answer
        .line(index)
        .filter(MediaLine::is_audio)
        .ok_or_else(|| {
            SdpError::AnswerMismatch(format!("its m= line {} is not our audio", index + 1))
        })?;
    if line.media.port == 0 {
        return Err(SdpError::AudioDisabled);
    }
    if !usable(local, &line) {
        let profile = line.media.proto.clone();
        return Err(secure::unspoken(local, &[profile]));
    }
    let keyed = secure::taken(local, &ours, &line)?;

    let offered = ours.formats();
    let receive: Vec<OurFormat> = offered.iter().filter_map(known).collect();
    // An answerer that leaves out the rtpmap of a dynamic number means ours.
    let send: Vec<OurFormat> = line
        .formats()
        .iter()
        .filter_map(|format| match format.kind {
            FormatKind::Unmapped => known(offered.iter().find(|ours| ours.pt == format.pt)?),
            _ => known(format),
        })
        .filter(|format| match format {
            OurFormat::Audio(_, codec) => local.codecs.contains(codec),
            OurFormat::ComfortNoise(_) => local.comfort_noise,
            OurFormat::TelephoneEvent(..) => local.telephone_event,
        })
        .collect();
    let direction = ours.direction().intersect(line.direction().reversed());
    let rtcp_mux = ours.rtcp_mux() && line.rtcp_mux();
    agreed(local, &line, direction, &send, &receive, rtcp_mux, keyed)
}

fn known(format: &Format) -> Option<OurFormat> {
    match format.kind {
        FormatKind::Audio(codec) => Some(OurFormat::Audio(format.pt, codec)),
        FormatKind::TelephoneEvent(rate) => Some(OurFormat::TelephoneEvent(format.pt, rate)),
        FormatKind::ComfortNoise => Some(OurFormat::ComfortNoise(format.pt)),
        FormatKind::Unmapped | FormatKind::Unknown => None,
    }
}

/// Whether the line asks for a transport we have.
fn usable(local: &LocalMedia, line: &MediaLine<'_>) -> bool {
    secure::speaks(local, line) && (local.rtcp_mux || !line.rtcp_mux_only())
}

/// The audio lines that could carry the call, or why none can.
fn usable_audio(local: &LocalMedia, offer: &Description) -> Result<Vec<usize>, SdpError> {
    if offer.media().len() == 0 {
        return Err(SdpError::NoMedia);
    }
    if !offer.media().any(|line| line.is_audio()) {
        let kinds: Vec<String> = offer.media().map(|line| line.media.media.clone()).collect();
        return Err(SdpError::NoAudio(kinds.join(", ")));
    }
    let mut indices = Vec::new();
    let mut profiles: Vec<String> = Vec::new();
    for (index, line) in offer.media().enumerate() {
        if !line.is_audio() || line.media.port == 0 {
            continue;
        }
        if usable(local, &line) {
            indices.push(index);
        } else if !profiles.contains(&line.media.proto) {
            profiles.push(line.media.proto.clone());
        }
    }
    match (indices.is_empty(), profiles.is_empty()) {
        (false, _) => Ok(indices),
        (true, false) => Err(secure::unspoken(local, &profiles)),
        (true, true) => Err(SdpError::AudioDisabled),
    }
}

/// What follows from the far end's line, given what may be sent to it and what may come from it.
fn agreed(
    local: &LocalMedia,
    line: &MediaLine<'_>,
    direction: super::Direction,
    send: &[OurFormat],
    receive: &[OurFormat],
    rtcp_mux: bool,
    keyed: Keyed,
) -> Result<Negotiated, SdpError> {
    let (send_pt, codec) = audio_of(send)
        .next()
        .ok_or_else(|| SdpError::NoCommonCodec {
            offered: line.format_names(),
            ours: local.codecs.clone(),
        })?;
    let remote_rtp = line.rtp()?;
    let remote = remote_rtp.ip();
    let counts = !remote.is_unspecified() && !keyed.checked();
    if counts && remote.is_ipv4() != local.address.is_ipv4() {
        return Err(SdpError::AddressFamily {
            remote,
            local: local.address,
        });
    }

    let mut receive_audio: Vec<(u8, Codec)> = audio_of(receive).collect();
    // Stable: what we send is what we most likely get.
    receive_audio.sort_by_key(|(_, known)| *known != codec);
    Ok(Negotiated {
        remote_rtp,
        remote_rtcp: if rtcp_mux {
            remote_rtp
        } else {
            line.rtcp(remote_rtp)
        },
        rtcp_mux,
        direction,
        codec,
        send_pt,
        telephone_event_send: events_for(&[(send_pt, codec)], send).first().copied(),
        telephone_event_receive: events_for(&receive_audio, receive),
        comfort_noise_send: noise_for(&[(send_pt, codec)], send).first().copied(),
        comfort_noise_receive: noise_for(&receive_audio, receive),
        receive: receive_audio,
        srtp: keyed.srtp,
        dtls: keyed.dtls,
        ptime_ms: ptime_ms(
            codec,
            line.ptime_ms()
                .filter(|ms| *ms > 0)
                .unwrap_or(local.ptime_ms.into()),
            line.max_ptime_ms(),
        ),
        opus_fmtp: audio_of(send)
            .find(|(_, codec)| *codec == Codec::Opus)
            .map_or_else(OpusFmtp::default, |(pt, _)| line.opus_fmtp(pt)),
    })
}

fn audio_of(formats: &[OurFormat]) -> impl Iterator<Item = (u8, Codec)> + '_ {
    formats.iter().filter_map(|format| match format {
        OurFormat::Audio(pt, codec) => Some((*pt, *codec)),
        OurFormat::ComfortNoise(_) | OurFormat::TelephoneEvent(..) => None,
    })
}

/// The comfort noise that goes with these codecs: its clock must be theirs (RFC 3389 section 5).
/// Opus has silence of its own (RFC 7587 section 3.1.3).
fn noise_for(codecs: &[(u8, Codec)], formats: &[OurFormat]) -> Vec<u8> {
    if !codecs.iter().any(|(_, codec)| codec.clock_rate() == 8_000) {
        return Vec::new();
    }
    let numbers = formats.iter().filter_map(|format| match format {
        OurFormat::ComfortNoise(pt) => Some(*pt),
        _ => None,
    });
    numbers.collect()
}

/// The events that go with these codecs: RFC 4733 section 2.1 wants the audio's clock rate.
///
/// Some stacks (baresip) offer 8000 Hz alone beside Opus and mean it. Digits at the wrong rate beat
/// no digits, so where no rate fits, what there is is taken.
fn events_for(codecs: &[(u8, Codec)], formats: &[OurFormat]) -> Vec<(u8, u32)> {
    let all = || {
        formats.iter().filter_map(|format| match format {
            OurFormat::TelephoneEvent(pt, rate) => Some((*pt, *rate)),
            OurFormat::Audio(..) | OurFormat::ComfortNoise(_) => None,
        })
    };
    let fits = |(_, rate): &(u8, u32)| codecs.iter().any(|(_, codec)| codec.clock_rate() == *rate);
    let fitting: Vec<(u8, u32)> = all().filter(fits).collect();
    match fitting.is_empty() {
        true => all().collect(),
        false => fitting,
    }
}

/// The packet time to send with: what the far end asks for, or else we do, within its limit, in a
/// length the codec has frames for.
fn ptime_ms(codec: Codec, wanted: u32, limit: Option<u32>) -> u8 {
    let lengths: &[u8] = match codec {
        Codec::Pcmu | Codec::Pcma | Codec::G722 => &[60, 50, 40, 30, 20, 10],
        // More would not fit an Ethernet frame.
        Codec::L16 => &[40, 30, 20, 10],
        Codec::Opus => &[60, 40, 20, 10],
    };
    let most = limit
        .filter(|ms| *ms > 0)
        .map_or(wanted, |limit| limit.min(wanted));
    lengths
        .iter()
        .copied()
        .find(|length| u32::from(*length) <= most)
        .unwrap_or(10)
}
