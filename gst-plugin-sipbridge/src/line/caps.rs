// SPDX-License-Identifier: MPL-2.0
//! The caps of both elements, and the media formats they stand for.

use std::sync::LazyLock;

use sip_ua::sdp::Codec;

use crate::media::Format;

/// Raw first, so that who does not care gets what everything understands.
pub(crate) static TEMPLATE: LazyLock<gst::Caps> = LazyLock::new(|| {
    gst::Caps::builder_full()
        .structure(
            gst::Structure::builder("audio/x-raw")
                .field("format", "S16LE")
                .field("layout", "interleaved")
                .field("rate", gst::List::new([8_000, 16_000, 48_000]))
                .field("channels", 1)
                .build(),
        )
        .structure(telephone("audio/x-alaw", 8_000))
        .structure(telephone("audio/x-mulaw", 8_000))
        .structure(telephone("audio/G722", 16_000))
        .structure(l16())
        .structure(
            gst::Structure::builder("audio/x-opus")
                .field("channel-mapping-family", 0)
                .build(),
        )
        .structure(
            gst::Structure::builder("application/x-rtp")
                .field("media", "audio")
                .field(
                    "encoding-name",
                    gst::List::new(["PCMA", "PCMU", "G722", "L16", "OPUS"]),
                )
                .build(),
        )
        .build()
});

pub(crate) fn telephone(name: &str, rate_hz: i32) -> gst::Structure {
    gst::Structure::builder(name)
        .field("rate", rate_hz)
        .field("channels", 1)
        .build()
}

/// The pads of an element that codes from one form to another.
pub(crate) fn codec_templates(sink: gst::Caps, src: gst::Caps) -> Vec<gst::PadTemplate> {
    [
        ("sink", gst::PadDirection::Sink, sink),
        ("src", gst::PadDirection::Src, src),
    ]
    .into_iter()
    .filter_map(|(name, direction, caps)| {
        gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps).ok()
    })
    .collect()
}

/// What L16's packets hold; `rtpL16pay` and `rtpL16depay` call it the same.
fn l16() -> gst::Structure {
    gst::Structure::builder("audio/x-raw")
        .field("format", "S16BE")
        .field("layout", "interleaved")
        .field("rate", 16_000)
        .field("channels", 1)
        .build()
}

/// What audio of this format says about itself.
pub(crate) fn caps_of(format: Format) -> gst::Caps {
    match format {
        Format::Raw { rate_hz } => gst::Caps::builder("audio/x-raw")
            .field("format", "S16LE")
            .field("layout", "interleaved")
            .field("rate", i32::try_from(rate_hz).unwrap_or(48_000))
            .field("channels", 1)
            .build(),
        Format::Encoded(Codec::Pcma) => gst::Caps::from(telephone("audio/x-alaw", 8_000)),
        Format::Encoded(Codec::Pcmu) => gst::Caps::from(telephone("audio/x-mulaw", 8_000)),
        Format::Encoded(Codec::G722) => gst::Caps::from(telephone("audio/G722", 16_000)),
        Format::Encoded(Codec::L16) => gst::Caps::from(l16()),
        Format::Encoded(Codec::Opus) => gst::Caps::builder("audio/x-opus")
            .field("rate", 48_000)
            .field("channels", 1)
            .field("channel-mapping-family", 0)
            .field("stream-count", 1)
            .field("coupled-count", 0)
            .build(),
        Format::Rtp {
            codec,
            payload_type,
        } => gst::Caps::builder("application/x-rtp")
            .field("media", "audio")
            .field(
                "clock-rate",
                i32::try_from(codec.clock_rate()).unwrap_or(8_000),
            )
            .field("encoding-name", codec.name().to_ascii_uppercase())
            .field("payload", i32::from(payload_type))
            .build(),
    }
}

/// All that a call takes, packets of its own codec first.
pub(crate) fn preferring(codec: Option<Codec>) -> gst::Caps {
    let Some(codec) = codec else {
        return TEMPLATE.clone();
    };
    let own = |structure: &gst::StructureRef| {
        structure.name() != "application/x-rtp"
            && read(structure, codec.audio_rate(), codec) == Some(Format::Encoded(codec))
    };
    let first = TEMPLATE.iter().filter(|structure| own(structure));
    let others = TEMPLATE.iter().filter(|structure| !own(structure));
    first
        .chain(others)
        .fold(gst::Caps::builder_full(), |caps, structure| {
            caps.structure(structure.to_owned())
        })
        .build()
}

/// The format that fixed caps stand for.
pub(crate) fn format_of(caps: &gst::CapsRef) -> Option<Format> {
    let structure = caps.structure(0)?;
    read(structure, 8_000, Codec::Pcma)
}

/// The format for a peer that takes `allowed`: the first it names, at the rate nearest to the call's
/// own, so that nothing is resampled that need not be.
pub(crate) fn choose(allowed: &gst::CapsRef, native_rate_hz: u32, codec: Codec) -> Option<Format> {
    let common = allowed.intersect_with_mode(&TEMPLATE, gst::CapsIntersectMode::First);
    common
        .iter()
        .find_map(|structure| read(structure, native_rate_hz, codec))
}

fn read(structure: &gst::StructureRef, native_rate_hz: u32, codec: Codec) -> Option<Format> {
    match structure.name().as_str() {
        "audio/x-raw" if structure.get("format") == Ok("S16BE") => {
            Some(Format::Encoded(Codec::L16))
        }
        "audio/x-raw" => {
            let mut fixed = structure.to_owned();
            fixed.fixate_field_nearest_int("rate", i32::try_from(native_rate_hz).ok()?);
            let rate = fixed.get::<i32>("rate").ok()?;
            Some(Format::Raw {
                rate_hz: u32::try_from(rate).ok()?,
            })
        }
        "audio/x-alaw" => Some(Format::Encoded(Codec::Pcma)),
        "audio/x-mulaw" => Some(Format::Encoded(Codec::Pcmu)),
        "audio/G722" => Some(Format::Encoded(Codec::G722)),
        "audio/x-opus" => Some(Format::Encoded(Codec::Opus)),
        "application/x-rtp" => {
            let codec = match structure.get::<&str>("encoding-name") {
                Ok(name) => Codec::from_name(name)?,
                Err(_) => codec,
            };
            let payload_type = structure
                .get::<i32>("payload")
                .ok()
                .and_then(|payload| u8::try_from(payload).ok())
                .filter(|payload| *payload < 128)
                .or(codec.static_pt())
                .unwrap_or(96);
            Some(Format::Rtp {
                codec,
                payload_type,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_follows_the_rate_of_the_call() {
        gst::init().unwrap();
        let any = gst::Caps::new_any();
        assert_eq!(
            choose(&any, 8_000, Codec::Pcma),
            Some(Format::Raw { rate_hz: 8_000 })
        );
        assert_eq!(
            choose(&any, 48_000, Codec::Opus),
            Some(Format::Raw { rate_hz: 48_000 })
        );
        let wide = gst::Caps::builder("audio/x-raw")
            .field("rate", 16_000)
            .build();
        assert_eq!(
            choose(&wide, 8_000, Codec::Pcma),
            Some(Format::Raw { rate_hz: 16_000 })
        );
    }

    #[test]
    fn downstream_picks_the_codec_whatever_the_call_speaks() {
        gst::init().unwrap();
        let opus = gst::Caps::builder("audio/x-opus").build();
        assert_eq!(
            choose(&opus, 8_000, Codec::Pcmu),
            Some(Format::Encoded(Codec::Opus))
        );
        let rtp = gst::Caps::builder("application/x-rtp")
            .field("payload", 100)
            .build();
        let expected = Format::Rtp {
            codec: Codec::Pcmu,
            payload_type: 100,
        };
        assert_eq!(choose(&rtp, 8_000, Codec::Pcmu), Some(expected));
        let video = gst::Caps::builder("video/x-raw").build();
        assert_eq!(choose(&video, 8_000, Codec::Pcmu), None);
    }

    #[test]
    fn a_call_prefers_its_own_codec_and_takes_all() {
        gst::init().unwrap();
        for codec in [
            Codec::Opus,
            Codec::G722,
            Codec::Pcma,
            Codec::Pcmu,
            Codec::L16,
        ] {
            let caps = preferring(Some(codec));
            assert!(caps.is_subset(&TEMPLATE) && TEMPLATE.is_subset(&caps));
            let chosen = choose(&caps, 48_000, Codec::Opus);
            // `choose` goes by the order of who is asked.
            assert_eq!(chosen, Some(Format::Encoded(codec)));
        }
        assert!(preferring(None).is_strictly_equal(&TEMPLATE));
    }

    #[test]
    fn every_format_says_caps_that_mean_it() {
        gst::init().unwrap();
        for format in [
            Format::Raw { rate_hz: 16_000 },
            Format::Encoded(Codec::Pcma),
            Format::Encoded(Codec::Pcmu),
            Format::Encoded(Codec::G722),
            Format::Encoded(Codec::L16),
            Format::Encoded(Codec::Opus),
            Format::Rtp {
                codec: Codec::Opus,
                payload_type: 111,
            },
        ] {
            let caps = caps_of(format);
            assert!(caps.can_intersect(&TEMPLATE), "{caps}");
            assert_eq!(format_of(&caps), Some(format));
        }
    }
}
