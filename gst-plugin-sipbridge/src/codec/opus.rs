// SPDX-License-Identifier: MPL-2.0
//! Opus on libopus's single-stream API: GStreamer's own elements go through the multistream one,
//! which executes a trapping instruction at every frame on a virtual machine.

use opusic_c::{Application, Bandwidth, Bitrate, Channels, ErrorCode, InbandFec, SampleRate};

use super::opus_state::State;
use super::{CodecError, OpusAudioType, OpusSettings};

/// RTP clock units in 2.5 ms, the grain of Opus.
const GRAIN: u32 = 120;

/// The longest packet (RFC 6716 section 3.2.5): 120 ms at 48 kHz.
const PACKET_MAX: u32 = 5_760;

/// The largest packet we write. RFC 6716 allows 1275 bytes a frame; speech needs a tenth.
const BYTES_MAX: usize = 1_275;

/// A packet this small carries no speech: the encoder is in DTX.
const DTX_BYTES: usize = 2;

fn rate(rate_hz: u32) -> Result<SampleRate, CodecError> {
    match rate_hz {
        8_000 => Ok(SampleRate::Hz8000),
        16_000 => Ok(SampleRate::Hz16000),
        48_000 => Ok(SampleRate::Hz48000),
        other => Err(CodecError::Rate(other)),
    }
}

fn refused(what: &'static str) -> impl Fn(ErrorCode) -> CodecError {
    move |error| CodecError::Opus(what, error.message())
}

/// How much audio an Opus packet holds, in samples at 48 kHz (RFC 6716 section 3); `None`: it is
/// no Opus packet.
pub fn packet_samples(packet: &[u8]) -> Option<u32> {
    if packet.is_empty() {
        return None;
    }
    opusic_c::utils::get_nb_samples(packet, SampleRate::Hz48000)
        .ok()
        .map(|samples| samples as u32)
}

/// Whether a packet carries a copy of the one before it for forward error correction (the LBRR flag,
/// RFC 6716 section 4.2.4). Of packets with more than two frames only libopus itself knows.
pub fn carries_copy(packet: &[u8]) -> bool {
    let [toc, rest @ ..] = packet else {
        return false;
    };
    // The configurations of SILK and of hybrid frames; CELT has no copies.
    let config = toc >> 3;
    if config >= 16 {
        return false;
    }
    // Where the first frame begins (RFC 6716 section 3.2).
    let first = match (toc & 3, rest) {
        (0 | 1, [first, ..]) => first,
        (2, [length, first, ..]) if *length < 252 => first,
        (2, [_, _, first, ..]) => first,
        _ => return false,
    };
    first >> (7 - activity_bits(config)) & 1 == 1
}

/// Whether a packet says that nothing in it is a voice (the VAD flags, RFC 6716 section 4.2.3): one frame
/// of mono SILK, with or without CELT above it. Of others that cannot be said from outside.
pub fn has_no_voice(packet: &[u8]) -> bool {
    let [toc, first, ..] = packet else {
        return false;
    };
    let (config, stereo_and_count) = (toc >> 3, toc & 7);
    if config >= 16 || stereo_and_count != 0 {
        return false;
    }
    first >> (8 - activity_bits(config)) == 0
}

/// How many voice-activity bits a frame of SILK begins with: one for each 20 ms, of 10, 20, 40, 60 ms.
fn activity_bits(config: u8) -> u8 {
    match config {
        0..12 if config % 4 == 2 => 2,
        0..12 if config % 4 == 3 => 3,
        _ => 1,
    }
}

/// One to three frames of silence at 20 ms each: full-band CELT, mono, coded as silent. Returns
/// their length in RTP clock units.
pub(super) fn silence(samples: u32, payload: &mut Vec<u8>) -> u32 {
    match samples / 960 {
        2 => {
            payload.extend_from_slice(&[0xf9, 0xff, 0xfe, 0xff, 0xfe]);
            1_920
        }
        3 => {
            payload.extend_from_slice(&[0xfb, 0x03, 0xff, 0xfe, 0xff, 0xfe, 0xff, 0xfe]);
            2_880
        }
        0 => {
            payload.extend_from_slice(&[0xf0, 0xff, 0xfe]);
            480
        }
        _ => {
            payload.extend_from_slice(&[0xf8, 0xff, 0xfe]);
            960
        }
    }
}

/// Decodes mono, at 8000, 16000 or 48000 Hz.
pub struct OpusDecoder {
    state: State,
    /// What the decoder was before the concealment that is going on.
    before: Option<Box<[u128]>>,
    conceals: bool,
    rate_hz: u32,
    scratch: Vec<i16>,
}

impl OpusDecoder {
    /// A decoder that gives samples at this rate.
    pub fn new(rate_hz: u32) -> Result<OpusDecoder, CodecError> {
        rate(rate_hz)?;
        Ok(OpusDecoder {
            state: State::new(rate_hz).map_err(refused("make a decoder"))?,
            before: None,
            conceals: false,
            rate_hz,
            scratch: vec![0; (PACKET_MAX / (48_000 / rate_hz)) as usize],
        })
    }

    /// The rate of the samples it gives.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Appends the samples of one packet to `pcm`. What cannot be decoded is concealed.
    pub fn decode(&mut self, packet: &[u8], pcm: &mut Vec<i16>) {
        let length = packet_samples(packet).unwrap_or(960);
        if packet.len() <= 1 {
            // A frame that was left out (RFC 6716 section 3.2.1): what libopus makes of it is concealment.
            return self.conceal(length, None, pcm);
        }
        match self.state.decode(Some(packet), &mut self.scratch, false) {
            Ok(samples) => {
                self.conceals = false;
                self.give(samples, pcm);
            }
            Err(_) => self.conceal(length, None, pcm),
        }
    }

    /// Appends what stands in for `samples` 48 kHz samples that were lost: from the copy in `next`
    /// where that carries one (forward error correction), else by concealment.
    pub fn conceal(&mut self, samples: u32, next: Option<&[u8]>, pcm: &mut Vec<i16>) {
        let samples = (samples.div_ceil(GRAIN) * GRAIN).clamp(GRAIN, PACKET_MAX);
        let wanted = (samples / (48_000 / self.rate_hz)) as usize;
        let Some(scratch) = self.scratch.get_mut(..wanted) else {
            return;
        };
        if !std::mem::replace(&mut self.conceals, true) {
            self.state.save(&mut self.before);
        }
        match self.state.decode(next, scratch, next.is_some()) {
            Ok(samples) => self.give(samples, pcm),
            Err(_) => pcm.resize(pcm.len() + wanted, 0),
        }
    }

    /// Forgets what it concealed since the last packet: nothing was lost, the next one was late, or the
    /// far end had paused.
    pub fn forget_concealment(&mut self) {
        if std::mem::take(&mut self.conceals)
            && let Some(before) = &self.before
        {
            self.state.restore(before);
        }
    }

    fn give(&self, samples: usize, pcm: &mut Vec<i16>) {
        pcm.extend_from_slice(self.scratch.get(..samples).unwrap_or_default());
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        self.conceals = false;
        // libopus documents no way for this to fail.
        let _ = self.state.reset();
    }
}

/// Encodes mono, from 8000, 16000 or 48000 Hz.
pub struct OpusEncoder {
    encoder: opusic_c::Encoder,
    rate_hz: u32,
    scratch: Vec<u16>,
    dtx: bool,
}

impl OpusEncoder {
    /// An encoder for samples at this rate.
    pub fn new(rate_hz: u32, settings: OpusSettings) -> Result<OpusEncoder, CodecError> {
        let application = match settings.audio_type {
            OpusAudioType::Voice => Application::Voip,
            OpusAudioType::Generic => Application::Audio,
        };
        let encoder = opusic_c::Encoder::new(Channels::Mono, rate(rate_hz)?, application)
            .map_err(refused("make an encoder"))?;
        let mut encoder = OpusEncoder {
            encoder,
            rate_hz,
            scratch: Vec::with_capacity(960),
            dtx: settings.dtx,
        };
        encoder.set(settings)?;
        Ok(encoder)
    }

    /// The rate of the samples it takes.
    pub fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    /// Changes its settings, but for the audio type; what was encoded before is not affected.
    pub fn set(&mut self, settings: OpusSettings) -> Result<(), CodecError> {
        let bitrate_bps = settings.bitrate_at(self.rate_hz);
        let OpusSettings {
            audio_type: _,
            complexity,
            bitrate_bps: _,
            inband_fec,
            packet_loss_percent,
            dtx,
            limits,
        } = settings;
        self.dtx = dtx;
        let encoder = &mut self.encoder;
        encoder
            .set_complexity(complexity.min(10))
            .map_err(refused("set the complexity"))?;
        encoder
            .set_bitrate(match bitrate_bps {
                0 => Bitrate::Auto,
                bps => Bitrate::Value(bps),
            })
            .map_err(refused("set the bit rate"))?;
        encoder
            .set_vbr(!limits.cbr)
            .map_err(refused("set a constant bit rate"))?;
        encoder
            .set_max_bandwidth(match limits.playback_rate_hz {
                ..12_000 => Bandwidth::Narrow,
                12_000..16_000 => Bandwidth::Medium,
                16_000..24_000 => Bandwidth::Wide,
                24_000..48_000 => Bandwidth::Superwide,
                48_000.. => Bandwidth::Full,
            })
            .map_err(refused("set the bandwidth"))?;
        encoder
            .set_inband_fec(if inband_fec {
                InbandFec::Mode1
            } else {
                InbandFec::Off
            })
            .map_err(refused("set forward error correction"))?;
        encoder
            .set_packet_loss(packet_loss_percent.min(100))
            .map_err(refused("set the expected loss"))?;
        encoder
            .set_dtx(dtx)
            .map_err(refused("set discontinuous transmission"))
    }

    /// Appends one packet. `pcm` must be 2.5, 5, 10, 20, 40 or 60 ms long. Nothing is appended for
    /// audio that DTX leaves out.
    pub fn encode(&mut self, pcm: &[i16], packet: &mut Vec<u8>) {
        self.scratch.clear();
        self.scratch.extend(pcm.iter().map(|sample| *sample as u16));
        let before = packet.len();
        packet.resize(before + BYTES_MAX, 0);
        let written = packet
            .get_mut(before..)
            .map(|room| self.encoder.encode_to_slice(&self.scratch, room));
        let length = match written {
            Some(Ok(length)) if !(self.dtx && length <= DTX_BYTES) => length,
            _ => 0,
        };
        packet.truncate(before + length);
    }

    /// As [`OpusEncoder::encode`], but the packet leans on none before it: a decoder that has heard
    /// the same audio from another encoder goes on with it unharmed.
    pub fn encode_afresh(&mut self, pcm: &[i16], packet: &mut Vec<u8>) {
        // libopus documents no way for this to fail.
        let _ = self.encoder.set_prediction_disabled(true);
        self.encode(pcm, packet);
        let _ = self.encoder.set_prediction_disabled(false);
    }

    /// Samples at its rate by which its output lags.
    pub fn look_ahead(&mut self) -> u32 {
        self.encoder.get_look_ahead().unwrap_or(0)
    }

    /// Forgets the past.
    pub fn reset(&mut self) {
        // libopus documents no way for this to fail.
        let _ = self.encoder.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sip_ua::sdp::OpusFmtp;
    use sipbridge_measure::{Marker, PHONE_SPEECH, Wave};
    use std::time::Duration;

    fn tone(rate_hz: u32, frame: u32) -> Vec<i16> {
        let samples = rate_hz / 50;
        (0..samples)
            .map(|i| {
                let t = f64::from(frame * samples + i) / f64::from(rate_hz);
                (f64::sin(t * 440.0 * std::f64::consts::TAU) * 8_000.0) as i16
            })
            .collect()
    }

    fn energy(pcm: &[i16]) -> f64 {
        let sum: f64 = pcm.iter().map(|s| f64::from(*s) * f64::from(*s)).sum();
        (sum / pcm.len().max(1) as f64).sqrt()
    }

    #[test]
    fn silence_of_every_packet_time_is_silent_and_as_long() {
        for (samples, length) in [(480, 480), (960, 960), (1_920, 1_920), (2_880, 2_880)] {
            let mut packet = Vec::new();
            assert_eq!(silence(samples, &mut packet), length);
            assert_eq!(packet_samples(&packet), Some(length));
            let mut pcm = Vec::new();
            OpusDecoder::new(48_000).unwrap().decode(&packet, &mut pcm);
            assert_eq!(pcm.len(), length as usize);
            assert!(pcm.iter().all(|sample| sample.abs() <= 1));
        }
    }

    #[test]
    fn a_tone_survives_at_every_rate() {
        for rate_hz in [8_000, 16_000, 48_000] {
            let mut encoder = OpusEncoder::new(rate_hz, OpusSettings::default()).unwrap();
            let mut decoder = OpusDecoder::new(rate_hz).unwrap();
            let mut pcm = Vec::new();
            let mut packet = Vec::new();
            for frame in 0..50 {
                packet.clear();
                encoder.encode(&tone(rate_hz, frame), &mut packet);
                assert_eq!(packet_samples(&packet), Some(960));
                decoder.decode(&packet, &mut pcm);
            }
            assert_eq!(pcm.len() as u32, rate_hz);
            let level = energy(&pcm[pcm.len() / 2..]);
            assert!((4_500.0..=6_500.0).contains(&level), "{rate_hz}: {level}");
        }
    }

    /// libopus's own choice for a telephone's voice is 10 kb/s.
    #[test]
    fn speech_gets_the_bits_it_needs() {
        for (rate_hz, least, most) in [(8_000, 18_000, 25_000), (16_000, 25_000, 34_000)] {
            let speech = Wave::from_wav(PHONE_SPEECH).unwrap().resampled(rate_hz);
            let mut encoder = OpusEncoder::new(rate_hz, OpusSettings::default()).unwrap();
            let mut packets = Vec::new();
            let frames = speech.samples.chunks_exact(rate_hz as usize / 50);
            let count = frames.len();
            frames.for_each(|frame| encoder.encode(frame, &mut packets));
            let bps = packets.len() * 8 * 50 / count;
            assert!((least..=most).contains(&bps), "{rate_hz} Hz: {bps} b/s");
        }
    }

    #[test]
    fn forward_error_correction_beats_concealment() {
        let settings = OpusSettings {
            packet_loss_percent: 20,
            bitrate_bps: 32_000,
            ..OpusSettings::default()
        };
        // A tone that comes up in the very packet that is lost: only its copy knows of it.
        let mut encoder = OpusEncoder::new(16_000, settings).unwrap();
        let packets: Vec<Vec<u8>> = (0..30)
            .map(|frame| {
                let mut packet = Vec::new();
                let pcm = if frame < 20 {
                    vec![0; 320]
                } else {
                    tone(16_000, frame)
                };
                encoder.encode(&pcm, &mut packet);
                packet
            })
            .collect();
        let lost = 21;
        let heard = |fec: bool| {
            let mut decoder = OpusDecoder::new(16_000).unwrap();
            let mut pcm = Vec::new();
            for packet in &packets[..lost - 1] {
                decoder.decode(packet, &mut pcm);
            }
            pcm.clear();
            let next = packets[lost].as_slice();
            decoder.conceal(960, fec.then_some(next), &mut pcm);
            assert_eq!(pcm.len(), 320);
            energy(&pcm)
        };
        let (with, without) = (heard(true), heard(false));
        assert!(with > 1_000.0, "{with}");
        assert!(without < with / 4.0, "{without} {with}");
    }

    /// Sweeps, of which every tenth packet comes late: something is made up first.
    fn with_late_packets(forgets: bool) -> (Vec<i16>, Vec<i16>) {
        let mut encoder = OpusEncoder::new(8_000, OpusSettings::default()).unwrap();
        let [mut punctual, mut late] = [0; 2].map(|_| OpusDecoder::new(8_000).unwrap());
        let (mut expected, mut heard) = (Vec::new(), Vec::new());
        let mut said = Wave::silence(8_000, Duration::from_secs(1));
        said.push(&Marker::new(1).wave(8_000));
        for (number, frame) in said.samples.chunks_exact(160).enumerate() {
            let mut packet = Vec::new();
            encoder.encode(frame, &mut packet);
            punctual.decode(&packet, &mut expected);
            if number % 10 == 9 {
                let mut made_up = Vec::new();
                late.conceal(960, None, &mut made_up);
                late.conceal(960, None, &mut made_up);
                assert_eq!(made_up.len(), 320);
            }
            if forgets {
                late.forget_concealment();
            }
            late.decode(&packet, &mut heard);
        }
        (expected, heard)
    }

    #[test]
    fn what_was_never_lost_leaves_no_trace() {
        let (expected, heard) = with_late_packets(true);
        assert_eq!(heard, expected);
        // It would: by several times the level of what was said.
        let (expected, heard) = with_late_packets(false);
        assert!(energy(&heard) > 2.0 * energy(&expected));
    }

    #[test]
    fn whatever_sounds_is_coded_as_music_until_copies_are_worth_more() {
        use OpusAudioType::{Generic, Voice};
        let cases = [
            (Voice, 5, false),
            (Generic, 5, true),
            (Voice, 20, false),
            (Generic, 20, false),
        ];
        for (audio_type, packet_loss_percent, expected) in cases {
            let settings = OpusSettings {
                audio_type,
                packet_loss_percent,
                ..OpusSettings::default()
            };
            let mut encoder = OpusEncoder::new(48_000, settings).unwrap();
            let mut packet = Vec::new();
            for frame in 0..10 {
                packet.clear();
                encoder.encode(&tone(48_000, frame), &mut packet);
            }
            // CELT alone (RFC 6716 section 3.1).
            assert_eq!(packet[0] >> 3 >= 16, expected, "{settings:?}");
        }
    }

    #[test]
    fn a_copy_is_seen_from_outside() {
        for (inband_fec, expected) in [(true, true), (false, false)] {
            let settings = OpusSettings {
                packet_loss_percent: 20,
                bitrate_bps: 24_000,
                inband_fec,
                ..OpusSettings::default()
            };
            let mut encoder = OpusEncoder::new(16_000, settings).unwrap();
            let copies = (0..50)
                .filter(|frame| {
                    let mut packet = Vec::new();
                    encoder.encode(&tone(16_000, *frame), &mut packet);
                    carries_copy(&packet)
                })
                .count();
            assert_eq!(copies > 20, expected, "{copies}");
            assert!(expected || copies == 0, "{copies}");
        }
        for byte in 0..=255u8 {
            assert!(!carries_copy(&[]) && !carries_copy(&[byte]));
            assert!(!has_no_voice(&[]) && !has_no_voice(&[byte]));
            carries_copy(&[byte, byte]);
            has_no_voice(&[byte, byte]);
        }
    }

    /// The lengths of packets of speech for a far end that says this of its Opus, and whether they carry copies.
    fn spoken_to(fmtp: OpusFmtp, settings: OpusSettings) -> (Vec<usize>, bool) {
        let rate_hz = 48_000;
        let speech = Wave::from_wav(PHONE_SPEECH).unwrap().resampled(rate_hz);
        let mut encoder = OpusEncoder::new(rate_hz, settings.heeding(&fmtp)).unwrap();
        let frames = speech.samples.chunks_exact(rate_hz as usize / 50);
        let packets: Vec<Vec<u8>> = frames
            .map(|frame| {
                let mut packet = Vec::new();
                encoder.encode(frame, &mut packet);
                packet
            })
            .collect();
        let lengths = packets.iter().map(Vec::len).collect();
        (lengths, packets.iter().any(|packet| carries_copy(packet)))
    }

    #[test]
    fn a_far_end_gets_no_more_than_it_wants() {
        let settings = OpusSettings {
            packet_loss_percent: 20,
            bitrate_bps: 32_000,
            ..OpusSettings::default()
        };
        let bps = |lengths: &[usize]| lengths.iter().sum::<usize>() * 8 * 50 / lengths.len();
        let (free, copies) = spoken_to(OpusFmtp::OURS, settings);
        assert!(bps(&free) > 20_000, "{}", bps(&free));
        assert!(copies);

        let (_, copies) = spoken_to(OpusFmtp::default(), settings);
        assert!(!copies, "it cannot use them");

        let few = OpusFmtp {
            max_average_bitrate: Some(12_000),
            ..OpusFmtp::OURS
        };
        for bitrate_bps in [0, 32_000] {
            let settings = OpusSettings {
                bitrate_bps,
                ..settings
            };
            let (lengths, _) = spoken_to(few, settings);
            assert!(bps(&lengths) < 15_000, "{}", bps(&lengths));
        }
        let more = OpusFmtp {
            max_average_bitrate: Some(510_000),
            ..OpusFmtp::OURS
        };
        let (lengths, _) = spoken_to(more, settings);
        assert!(
            bps(&lengths) < 40_000,
            "a limit is no wish: {}",
            bps(&lengths)
        );
    }

    #[test]
    fn a_constant_bit_rate_is_constant() {
        let constant = OpusFmtp {
            cbr: true,
            ..OpusFmtp::OURS
        };
        let (lengths, _) = spoken_to(constant, OpusSettings::default());
        let (first, rest) = lengths.split_first().unwrap();
        assert!(rest.iter().all(|length| length == first), "{lengths:?}");
        let (lengths, _) = spoken_to(OpusFmtp::OURS, OpusSettings::default());
        assert!(lengths.iter().any(|length| *length != lengths[0]));
    }

    #[test]
    fn nothing_is_coded_that_is_not_played() {
        // By the configuration of a packet (RFC 6716 section 3.1).
        let rate_of = |config| match config {
            0..=3 | 16..=19 => 8_000,
            4..=7 => 12_000,
            8..=11 | 20..=23 => 16_000,
            12 | 13 | 24..=27 => 24_000,
            _ => 48_000,
        };
        // What is not speech is coded at no 12 kHz (RFC 6716 section 2): the next one holds it whole.
        let cases = [
            (OpusAudioType::Voice, 24_000, 12_000),
            (OpusAudioType::Generic, 64_000, 16_000),
        ];
        for (audio_type, bitrate_bps, for_12_khz) in cases {
            for (max_playback_rate_hz, wanted) in [
                (8_000, 8_000),
                (12_000, for_12_khz),
                (16_000, 16_000),
                (24_000, 24_000),
            ] {
                let settings = OpusSettings {
                    bitrate_bps,
                    audio_type,
                    ..OpusSettings::default()
                };
                let fmtp = OpusFmtp {
                    max_playback_rate_hz,
                    ..OpusFmtp::OURS
                };
                let mut encoder = OpusEncoder::new(48_000, settings.heeding(&fmtp)).unwrap();
                let mut widest = 0;
                for frame in 0..20 {
                    let mut packet = Vec::new();
                    encoder.encode(&tone(48_000, frame), &mut packet);
                    widest = widest.max(rate_of(packet[0] >> 3));
                }
                assert!(
                    widest <= wanted,
                    "{audio_type:?}: {widest} for {max_playback_rate_hz}"
                );
            }
        }
    }

    #[test]
    fn garbage_is_concealed() {
        let mut decoder = OpusDecoder::new(8_000).unwrap();
        let mut pcm = Vec::new();
        for byte in 0..=255u8 {
            decoder.decode(&[byte, 1, 2, 3, byte], &mut pcm);
        }
        assert_eq!(packet_samples(&[]), None);
        decoder.decode(&[], &mut pcm);
    }

    #[test]
    fn dtx_sends_next_to_nothing_in_silence() {
        let settings = OpusSettings {
            dtx: true,
            ..OpusSettings::default()
        };
        let mut encoder = OpusEncoder::new(8_000, settings).unwrap();
        let sent = (0..100)
            .filter(|_| {
                let mut packet = Vec::new();
                encoder.encode(&[0; 160], &mut packet);
                !packet.is_empty()
            })
            .count();
        assert!(sent < 40, "{sent} of 100 packets of silence were sent");
    }
}
