// SPDX-License-Identifier: MPL-2.0
//! Re-offers move the call from codec to codec: both sides' formats stay, and nobody notices.

use super::*;

#[test]
fn from_pcmu_through_every_codec_at_16_khz() {
    asserted_steadily(|| {
        let (_context, a, b) = call(Codec::Pcmu);
        let rate_hz = 16_000;
        let heard = b.listen(Format::Raw { rate_hz });
        let _mouth = Mouth::speak(&a, rate_hz, 440.0);
        for codec in [
            Codec::Pcmu,
            Codec::Opus,
            Codec::Pcma,
            Codec::G722,
            Codec::L16,
        ] {
            a.agree(b.media.local_rtp(), codec);
            b.agree(a.media.local_rtp(), codec);
            b.wait_for(|event| *event == MediaEvent::CodecChanged(codec));
            while heard.try_recv().is_ok() {}
            let pcm = listen_to(&heard, Duration::from_millis(1_200), rate_hz);
            let found = pitch(&pcm[pcm.len() / 2..], rate_hz);
            assert!((found - 440.0).abs() < 15.0, "{codec}: {found}");
        }
    });
}
