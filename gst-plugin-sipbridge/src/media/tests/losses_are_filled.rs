// SPDX-License-Identifier: MPL-2.0
//! Ten percent of the packets are lost: the holes they leave are filled, in every codec, and Opus's
//! copies take the place of packets.

use super::wired::*;
use super::*;
use crate::codec::OpusSettings;
use crate::leg::tests::line::Line;

fn over_a_lossy_line(codec: Codec, rate_hz: u32) -> (f64, LegStats) {
    let mut wired = Wired::new(Setup {
        format: Format::Raw { rate_hz },
        opus: OpusSettings {
            packet_loss_percent: 10,
            bitrate_bps: 24_000,
            ..OpusSettings::default()
        },
        ..Setup::new(Line::clean(), codec)
    });
    wired.say(Duration::from_secs(2), voice);
    wired.heard();
    wired.line.loss_percent = 10;
    wired.say(Duration::from_secs(20), voice);
    let heard = wired.heard();
    // Pieces of 10 ms, at whatever rate.
    let thinned: Vec<i16> = heard
        .iter()
        .step_by(rate_hz as usize / 8_000)
        .copied()
        .collect();
    (holes(&thinned), wired.bob.stats())
}

#[test]
fn in_every_codec() {
    for (codec, rate_hz) in [
        (Codec::Pcmu, 8_000),
        (Codec::Pcma, 8_000),
        (Codec::G722, 16_000),
        (Codec::L16, 16_000),
        (Codec::Opus, 8_000),
    ] {
        let (holes, stats) = over_a_lossy_line(codec, rate_hz);
        assert!((60..150).contains(&stats.lost), "{}", stats.lost);
        // Unfilled, one piece in ten would be empty.
        assert!(holes < 0.02, "{codec}: {holes}");
    }
}

#[test]
fn opus_waits_for_copies_and_uses_them() {
    let (_, stats) = over_a_lossy_line(Codec::Opus, 8_000);
    // Two in a row leave the first without a copy, and libopus copies only what it takes for speech.
    let recovered = stats.recovered_frames as f64 / stats.lost as f64;
    assert!(
        recovered > 0.4,
        "{} of {}",
        stats.recovered_frames,
        stats.lost
    );
    assert!(stats.depth_ms < 65.0, "{}", stats.depth_ms);
    let mos = stats.mos.unwrap();
    assert!(mos > 4.0, "{mos}");
}

/// Opus that is passed on as it came has a gap for what was lost, in its place: whoever decodes it conceals it.
#[test]
fn what_is_passed_on_has_gaps_instead() {
    let mut wired = Wired::new(Setup {
        format: Format::Encoded(Codec::Opus),
        ..Setup::new(Line::lossy(10), Codec::Opus)
    });
    wired.say(Duration::from_secs(20), voice);
    let mut next: Option<gst::ClockTime> = None;
    let mut gaps = 0;
    for frame in wired.frames() {
        let (pts, duration) = match frame {
            OutFrame::Audio(buffer) => (buffer.pts().unwrap(), buffer.duration().unwrap()),
            OutFrame::Gap {
                pts,
                duration,
                lost,
            } => {
                gaps += u64::from(lost);
                (pts, duration)
            }
        };
        assert!(next.is_none_or(|next| next == pts), "{next:?} {pts}");
        next = Some(pts + duration);
    }
    let stats = wired.bob.stats();
    assert!((60..150).contains(&stats.lost), "{}", stats.lost);
    assert_eq!(gaps, stats.concealed_frames);
    assert!(gaps >= 60, "{gaps}");
}
