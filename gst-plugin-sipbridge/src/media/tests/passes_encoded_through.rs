// SPDX-License-Identifier: MPL-2.0
//! Encoded audio passes as it is where the call's codec is the same, and is transcoded where not.

use super::wired::{Setup, Wired, voice};
use super::*;
use crate::codec::{Decoder, Encoder, OpusSettings};
use crate::leg::tests::line::Line;

/// Says a tone in Opus into a call of `codec`, and returns what comes out as Opus at the far end.
fn opus_over(codec: Codec) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (_context, a, b) = call(codec);
    let heard = b.listen(Format::Encoded(Codec::Opus));
    b.agree(a.media.local_rtp(), codec);
    let input = a.media.input();
    let mut encoder = Encoder::new(Codec::Opus, 8_000, OpusSettings::default()).unwrap();
    let mut said = Vec::new();
    let mut got = Vec::new();
    let begin = Instant::now();
    let mut next: Option<gst::ClockTime> = None;
    for frame in 0u32..60 {
        let mut pcm = Vec::new();
        crate::codec::chain::append_samples(&tone(8_000, 440.0, frame), &mut pcm);
        let mut packet = Vec::new();
        encoder.encode(&pcm, &mut packet);
        said.push(packet.clone());
        let buffer = gst::Buffer::from_slice(packet);
        input.push(Format::Encoded(Codec::Opus), buffer);
        let due = begin + Duration::from_millis(20) * (frame + 1);
        // The ear's own tick is the pace of this test.
        while Instant::now() < due {
            let Ok(heard) = heard.recv_timeout(due.saturating_duration_since(Instant::now()))
            else {
                break;
            };
            let (pts, duration) = match heard {
                OutFrame::Audio(buffer) => {
                    let map = buffer.map_readable().unwrap();
                    got.push(map.to_vec());
                    (buffer.pts().unwrap(), buffer.duration().unwrap())
                }
                OutFrame::Gap { pts, duration, .. } => (pts, duration),
            };
            assert!(next.is_none_or(|next| pts >= next));
            next = Some(pts + duration);
        }
    }
    (said, got)
}

#[test]
fn opus_in_opus_is_bit_exact() {
    asserted_steadily(|| {
        let (said, got) = opus_over(Codec::Opus);
        let spoken: Vec<_> = got.iter().filter(|packet| packet.len() > 3).collect();
        assert!(spoken.len() > 40, "{} packets", spoken.len());
        assert!(spoken.iter().all(|packet| said.contains(packet)));
    });
}

fn is_still_the_tone(over: Codec) {
    let (_, got) = opus_over(over);
    let mut decoder = Decoder::new(Codec::Opus, 8_000).unwrap();
    let mut pcm = Vec::new();
    for packet in &got {
        decoder.decode(packet, &mut pcm);
    }
    let tail = &pcm[pcm.len().saturating_sub(4_000)..];
    let found = pitch(tail, 8_000);
    assert!((found - 440.0).abs() < 15.0, "{over}: {found}");
}

#[test]
fn opus_over_pcmu_is_still_the_tone() {
    asserted_steadily(|| {
        is_still_the_tone(Codec::Pcmu);
    });
}

#[test]
fn opus_over_g722_is_still_the_tone() {
    asserted_steadily(|| {
        is_still_the_tone(Codec::G722);
    });
}

/// A packet of Opus says nothing of how loud it is; what made it knows.
#[test]
fn what_is_encoded_anew_tells_its_level() {
    let mut wired = Wired::new(Setup {
        format: Format::Encoded(Codec::Opus),
        ..Setup::new(Line::clean(), Codec::Pcmu)
    });
    let levels = |wired: &mut Wired, voice: fn(u32) -> i16| {
        // Until the first of it has come through the jitter buffer.
        wired.say(Duration::from_millis(500), voice);
        wired.frames();
        wired.say(Duration::from_millis(500), voice);
        let frames = wired.frames();
        let buffers = frames.iter().filter_map(|frame| match frame {
            OutFrame::Audio(buffer) => Some(buffer),
            OutFrame::Gap { .. } => None,
        });
        let told = |buffer: &gst::Buffer| {
            let meta = buffer.meta::<gst_audio::AudioLevelMeta>().unwrap();
            (meta.level(), meta.voice_activity())
        };
        let told: Vec<(u8, bool)> = buffers.map(told).collect();
        assert!(told.len() > 20, "{} packets", told.len());
        told
    };
    for (level, is_speech) in levels(&mut wired, voice) {
        // It is said at -20 dB.
        assert!((17..=23).contains(&level) && is_speech, "{level}");
    }
    wired.say(Duration::from_secs(1), |_| 0);
    for (level, is_speech) in levels(&mut wired, |_| 0) {
        assert!(level > 70 && !is_speech, "{level}");
    }
}
