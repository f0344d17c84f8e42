// SPDX-License-Identifier: MPL-2.0
//! What is sent: speech, and sweeps whose place in time can be found again, as frames of 20 ms.

use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use gstsipbridge::codec::{Decoder, Encoder, OpusAudioType, OpusEncoder, OpusLimits, OpusSettings};
use sip_ua::sdp::Codec;
use sipbridge_measure::{PHONE_SPEECH, ROOM_SPEECH, Wave};

/// The rate at which everything is compared.
pub const RATE_HZ: u32 = 8_000;

/// The Opus that a good far end sends: what browsers do.
pub const OPUS: OpusSettings = OpusSettings {
    audio_type: OpusAudioType::Voice,
    complexity: 9,
    bitrate_bps: 32_000,
    inband_fec: true,
    packet_loss_percent: 0,
    dtx: false,
    limits: OpusLimits::NONE,
};

/// A sweep comes once in so many frames …
pub const PERIOD_FRAMES: usize = 12;
/// … and is this long.
const SWEEP_MS: usize = 30;

/// In a conversation each side has a turn this often …
pub const TURN: Duration = Duration::from_millis(TURN_MS as u64);
const TURN_MS: usize = 10_000;
/// … and talks for so long.
const TALKS_MS: usize = 4_500;

/// What a stream says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sound {
    /// A man reads.
    Phone,
    /// A woman reads.
    Room,
    /// Sweeps over faint noise.
    Sweeps,
    /// Nothing but that noise.
    Rest,
    /// The man reads when it is his turn, 45 % of the time.
    PhoneInTurn,
    /// The woman reads when he does not, as much of the time.
    RoomInTurn,
}

impl Sound {
    /// Pauses are not sent in codecs that can leave them out.
    fn has_pauses(self) -> bool {
        matches!(self, Sound::PhoneInTurn | Sound::RoomInTurn)
    }
}

/// Frames in a codec, sent round and round. An empty one is not sent (DTX).
pub struct Media {
    pub codec: Codec,
    pub frames: Vec<Vec<u8>>,
    /// Far ends may leave pauses out of it.
    pub has_pauses: bool,
}

impl Media {
    /// RTP clock units in a frame.
    pub fn step(&self) -> u32 {
        self.codec.clock_rate() / 50
    }
}

/// All that may be sent.
pub struct Speech {
    phone: Wave,
    room: Wave,
    sweeps: Wave,
    rest: Wave,
    phone_in_turn: Wave,
    room_in_turn: Wave,
}

impl Speech {
    pub fn load() -> Result<Speech> {
        let (phone, room) = (Wave::from_wav(PHONE_SPEECH)?, Wave::from_wav(ROOM_SPEECH)?);
        Ok(Speech {
            phone_in_turn: in_turn(&phone, 0),
            room_in_turn: in_turn(&room, TURN_MS / 2),
            phone,
            room,
            sweeps: sweeps(9_000.0),
            rest: sweeps(0.0),
        })
    }

    /// The samples of a sound, a whole number of frames of them.
    pub fn wave(&self, sound: Sound) -> &Wave {
        match sound {
            Sound::Phone => &self.phone,
            Sound::Room => &self.room,
            Sound::Sweeps => &self.sweeps,
            Sound::Rest => &self.rest,
            Sound::PhoneInTurn => &self.phone_in_turn,
            Sound::RoomInTurn => &self.room_in_turn,
        }
    }

    /// A sound in a codec.
    pub fn encode(&self, sound: Sound, codec: Codec) -> Result<Arc<Media>> {
        // Microphones of WebRTC run at 48 kHz.
        let rate_hz = match codec {
            Codec::Opus => 48_000,
            other => other.audio_rate(),
        };
        let wave = self.wave(sound).resampled(rate_hz);
        let opus = OpusSettings {
            dtx: sound.has_pauses(),
            ..OPUS
        };
        let mut encoder = match codec {
            Codec::Opus => Encoder::Opus(Box::new(OpusEncoder::new(rate_hz, opus)?)),
            other => Encoder::new(other, rate_hz, OPUS)?,
        };
        let frames = wave
            .samples
            .chunks_exact(rate_hz as usize / 50)
            .map(|pcm| {
                let mut payload = Vec::new();
                encoder.encode(pcm, &mut payload);
                payload
            })
            .collect();
        Ok(Arc::new(Media {
            codec,
            frames,
            has_pauses: sound.has_pauses(),
        }))
    }
}

/// Decodes what was sent or received. A hole in the sequence is concealed, so that time stays right.
pub struct Ear {
    decoder: Decoder,
    codec: Codec,
    pcm: Vec<i16>,
}

impl Ear {
    pub fn new(codec: Codec, rate_hz: u32) -> Result<Ear> {
        Ok(Ear {
            decoder: Decoder::new(codec, rate_hz)?,
            codec,
            pcm: Vec::new(),
        })
    }

    /// The samples of one packet.
    pub fn hear(&mut self, payload: &[u8]) -> &[i16] {
        self.pcm.clear();
        self.decoder.decode(payload, &mut self.pcm);
        &self.pcm
    }

    /// What stands in for a lost packet of 20 ms.
    pub fn miss(&mut self) -> &[i16] {
        self.pcm.clear();
        let samples = self.codec.clock_rate() / 50;
        self.decoder.conceal(samples, None, &mut self.pcm);
        &self.pcm
    }
}

/// Where a sweep's frequency is within it.
fn sweep(rate_hz: u32, n: usize) -> f64 {
    let length = SWEEP_MS as f64 / 1_000.0;
    let t = n as f64 / f64::from(rate_hz);
    let (from, to) = (500.0, 2_800.0);
    let turns = from * t + (to - from) * t * t / (2.0 * length);
    let ramp = (t.min(length - t) / 0.003).clamp(0.0, 1.0);
    ramp * f64::sin(turns * TAU)
}

/// One sweep, as it is looked for.
pub fn template() -> Vec<f32> {
    (0..RATE_HZ as usize * SWEEP_MS / 1_000)
        .map(|n| sweep(RATE_HZ, n) as f32)
        .collect()
}

/// Three turns of a conversation, the first after `wait_ms`: speech, and faint noise all the time.
fn in_turn(speech: &Wave, wait_ms: usize) -> Wave {
    const TURNS: usize = 3;
    let mut words = speech.samples.iter().cycle();
    let per_ms = speech.rate_hz as usize / 1_000;
    let mut faint = Faint(1);
    let samples = (0..TURNS * TURN_MS * per_ms)
        .map(|n| {
            let into_ms = (n / per_ms + TURN_MS - wait_ms) % TURN_MS;
            let word = (into_ms < TALKS_MS).then(|| words.next()).flatten();
            (faint.next() as i16).saturating_add(word.copied().unwrap_or(0))
        })
        .collect();
    Wave {
        rate_hz: speech.rate_hz,
        samples,
    }
}

/// A little noise, which keeps every codec and every silence detector awake.
struct Faint(u32);

impl Faint {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(self.0 >> 16) / 65_536.0 * 80.0 - 40.0
    }
}

/// Sweeps of this size in faint noise.
fn sweeps(size: f64) -> Wave {
    const SPEECH_RATE_HZ: u32 = 16_000;
    let frame = SPEECH_RATE_HZ as usize / 50;
    let mut faint = Faint(1);
    let samples = (0..PERIOD_FRAMES * 50 * frame)
        .map(|n| {
            let into = n % (PERIOD_FRAMES * frame);
            let loud = if into < SPEECH_RATE_HZ as usize * SWEEP_MS / 1_000 {
                size * sweep(SPEECH_RATE_HZ, into)
            } else {
                0.0
            };
            (faint.next() + loud) as i16
        })
        .collect();
    Wave {
        rate_hz: SPEECH_RATE_HZ,
        samples,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_can_be_sent_in_both_codecs() {
        gst::init().unwrap();
        let speech = Speech::load().unwrap();
        for sound in [Sound::Phone, Sound::Room, Sound::Sweeps] {
            for codec in [Codec::Pcmu, Codec::Opus] {
                let media = speech.encode(sound, codec).unwrap();
                assert!(media.frames.len() > 300, "{sound:?} {codec}");
                assert!(media.frames.iter().all(|frame| frame.len() > 2));
            }
        }
    }

    #[test]
    fn a_conversation_is_one_at_a_time_and_leaves_pauses_out_in_opus() {
        gst::init().unwrap();
        let speech = Speech::load().unwrap();
        let sent = |sound| {
            let opus = speech.encode(sound, Codec::Opus).unwrap();
            opus.frames
                .iter()
                .map(|frame| !frame.is_empty())
                .collect::<Vec<_>>()
        };
        let (phone, room) = (sent(Sound::PhoneInTurn), sent(Sound::RoomInTurn));
        for side in [&phone, &room] {
            let share = side.iter().filter(|sent| **sent).count() as f64 / side.len() as f64;
            // libopus takes its time to believe that what is left is noise.
            assert!((0.45..0.70).contains(&share), "{share}");
        }
        let both = phone.iter().zip(&room).filter(|(a, b)| **a && **b).count();
        // All of it would be, if they talked at the same time.
        assert!(both * 4 < phone.len(), "{both} of {}", phone.len());
        let pcmu = speech.encode(Sound::PhoneInTurn, Codec::Pcmu).unwrap();
        assert!(pcmu.frames.iter().all(|frame| frame.len() == 160));
    }
}
