// SPDX-License-Identifier: MPL-2.0
//! Packets of 10, 20, 30, 40 and 60 ms, as the far end asks for them: each of that length, and the
//! whole heard at the other end. Those that we never send are heard as well.

use super::wired::*;
use super::*;
use crate::codec::{Encoder, OpusSettings, opus_packet_samples};
use crate::leg::tests::line::Line;

fn tone(sample: u32) -> i16 {
    tone_at(sample, 8_000)
}

fn tone_at(sample: u32, rate_hz: u32) -> i16 {
    let turns = f64::from(sample) / f64::from(rate_hz) * 440.0;
    (f64::sin(turns * std::f64::consts::TAU) * 8_000.0) as i16
}

#[test]
fn every_one_is_sent_and_heard() {
    for (codec, times) in [
        (Codec::Pcmu, &[10, 20, 30, 40, 60][..]),
        (Codec::G722, &[10, 20, 30, 40, 60]),
        (Codec::L16, &[10, 20, 30, 40]),
        (Codec::Opus, &[10, 20, 40, 60]),
    ] {
        for ptime_ms in times {
            let mut wired = Wired::new(Setup {
                ptime_ms: *ptime_ms,
                ..Setup::new(Line::clean(), codec)
            });
            wired.say(Duration::from_secs(4), tone);
            let expected = u32::from(*ptime_ms) * codec.clock_rate() / 1_000;
            for payload in &wired.sent {
                let samples = match codec {
                    Codec::Opus => opus_packet_samples(payload).unwrap(),
                    Codec::L16 => payload.len() as u32 / 2,
                    Codec::Pcmu | Codec::Pcma | Codec::G722 => payload.len() as u32,
                };
                assert_eq!(samples, expected, "{codec} at {ptime_ms} ms");
            }
            let packets = 4_000 / usize::from(*ptime_ms);
            assert!(
                wired.sent.len().abs_diff(packets) <= 4,
                "{}",
                wired.sent.len()
            );
            is_whole(&wired.heard(), codec, *ptime_ms);
        }
    }
}

/// The tone is heard without a gap.
fn is_whole(heard: &[i16], codec: Codec, ptime_ms: u8) {
    let steady = &heard[heard.len() / 2..];
    let found = pitch(steady, 8_000);
    assert!(
        (found - 440.0).abs() < 5.0,
        "{codec} at {ptime_ms} ms: {found}"
    );
    let gap = longest_gap(steady, 8_000);
    assert!(
        gap < Duration::from_millis(5),
        "{codec} at {ptime_ms} ms: {gap:?}"
    );
}

/// The tone in packets of this length at the encoder's rate.
fn packets(codec: Codec, frame_ms: u32, frames: u32) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(codec, 8_000, OpusSettings::default()).unwrap();
    let rate_hz = encoder.rate_hz();
    let length = rate_hz / 1_000 * frame_ms;
    let frame = |number: u32| {
        let samples = number * length..(number + 1) * length;
        let pcm: Vec<i16> = samples.map(|n| tone_at(n, rate_hz)).collect();
        let mut packet = Vec::new();
        encoder.encode(&pcm, &mut packet);
        packet
    };
    (0..frames).map(frame).collect()
}

/// Packets of one frame each as one packet of all of them (RFC 6716 section 3.2.5).
fn joined(packets: &[Vec<u8>]) -> Vec<u8> {
    let toc = packets[0][0];
    let mut joined = vec![toc | 3, 0x80 | packets.len() as u8];
    for packet in packets {
        // One frame in the packet, and all of them of one kind.
        assert_eq!((packet[0], toc & 3), (toc, 0));
        assert!(packet.len() <= 252);
    }
    let (_, all_but_last) = packets.split_last().unwrap();
    joined.extend(all_but_last.iter().map(|packet| packet.len() as u8 - 1));
    joined.extend(packets.iter().flat_map(|packet| &packet[1..]));
    joined
}

#[test]
fn opus_of_three_frames_is_heard() {
    let mut wired = Wired::new(Setup::new(Line::clean(), Codec::Opus));
    for three in packets(Codec::Opus, 10, 400).chunks_exact(3) {
        let packet = joined(three);
        assert_eq!(opus_packet_samples(&packet), Some(1_440));
        wired.pass_on(Codec::Opus, packet, Duration::from_millis(30));
    }
    is_whole(&wired.heard(), Codec::Opus, 30);
}

/// Longer than one Ethernet frame has room for, and all the same somebody's.
#[test]
fn linear_samples_of_sixty_milliseconds_are_heard() {
    let mut wired = Wired::new(Setup::new(Line::clean(), Codec::L16));
    for packet in packets(Codec::L16, 60, 70) {
        wired.pass_on(Codec::L16, packet, Duration::from_millis(60));
    }
    is_whole(&wired.heard(), Codec::L16, 60);
}
