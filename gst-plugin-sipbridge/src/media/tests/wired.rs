// SPDX-License-Identifier: MPL-2.0
//! What is said at one end of a bad line and heard at the other, codecs and all, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::ears::Ears;
use super::super::feed::Feed;
use super::super::input::{AudioIn, SharedQueue};
use super::super::output::Output;
use super::super::pace::{Pace, Wire};
use super::*;
use crate::codec::OpusSettings;
use crate::leg::tests::line::Line;
use crate::leg::{Datagram, Leg, LegConfig};
use crate::tones::Press;

const ALICE: &str = "192.0.2.1:4000";
const BOB: &str = "192.0.2.2:5000";

/// The clock of Bob's pipeline, which is that of the story.
struct Pipeline {
    running_us: Arc<AtomicU64>,
    frames: Sender<OutFrame>,
}

impl AudioOut for Pipeline {
    fn running_time(&self) -> Option<gst::ClockTime> {
        let us = self.running_us.load(Ordering::Relaxed);
        Some(gst::ClockTime::from_useconds(us))
    }

    fn frame(&mut self, frame: OutFrame) {
        // A test that has heard enough has left.
        let _ = self.frames.send(frame);
    }
}

#[derive(Default)]
struct Sent(Vec<Vec<u8>>);

impl Wire for Sent {
    fn send(&mut self, datagram: Datagram<'_>) {
        self.0.push(datagram.bytes.to_vec());
    }
}

/// How both ends are set up.
pub(super) struct Setup {
    pub(super) line: Line,
    pub(super) codec: Codec,
    pub(super) ptime_ms: u8,
    pub(super) dtx: bool,
    pub(super) opus: OpusSettings,
    /// The form Bob's audio comes out in.
    pub(super) format: Format,
}

impl Setup {
    pub(super) fn new(line: Line, codec: Codec) -> Setup {
        Setup {
            line,
            codec,
            ptime_ms: 20,
            dtx: false,
            opus: OpusSettings::default(),
            format: Format::Raw { rate_hz: 8_000 },
        }
    }
}

/// Alice, a line, and Bob.
pub(super) struct Wired {
    now: Instant,
    running_us: Arc<AtomicU64>,
    pub(super) line: Line,
    alice: Leg,
    feed: Feed,
    pace: Pace,
    input: AudioIn,
    sample: u32,
    /// Payloads Alice sent.
    pub(super) sent: Vec<Vec<u8>>,
    on_the_way: BTreeMap<(Instant, u32), Vec<u8>>,
    packets: u32,
    pub(super) bob: Leg,
    output: Output,
    frames: Receiver<OutFrame>,
    /// Bob's media thread does not run before.
    held_up: Instant,
    /// Where what he hears next belongs.
    next: Option<gst::ClockTime>,
    _end: End,
}

impl Wired {
    pub(super) fn new(setup: Setup) -> Wired {
        gst::init().unwrap();
        let context = Context::acquire("media-test", MAX_WAIT).unwrap();
        // Lends its notifier only.
        let end = End::open(&context);
        let queue = SharedQueue::default();
        let input = AudioIn {
            queue: queue.clone(),
            notifier: end.media.input().notifier,
        };
        let now = Instant::now();
        let leg = |ssrc, with: &str| {
            let config = LegConfig {
                ssrc,
                sequence: 65_000,
                timestamp: 7,
                cname: String::new(),
                ntp_epoch: 0,
                latency: Duration::from_millis(200),
                silent_peer: Duration::from_secs(3_600),
                media_timeout: Duration::ZERO,
            };
            let mut leg = Leg::new(now, config);
            let mut agreed = agreement(with.parse().unwrap(), setup.codec);
            agreed.ptime_ms = setup.ptime_ms;
            agreed.comfort_noise_send = Some(13);
            leg.apply(now, &agreed);
            leg
        };
        let (alice, bob) = (leg(1, BOB), leg(2, ALICE));
        let running_us = Arc::new(AtomicU64::new(0));
        let (say, frames) = channel();
        let sink = Box::new(Pipeline {
            running_us: running_us.clone(),
            frames: say,
        });
        Wired {
            now,
            running_us,
            line: setup.line,
            alice,
            feed: Feed::new(queue, setup.opus, setup.dtx),
            pace: Pace::new(),
            input,
            sample: 0,
            sent: Vec::new(),
            on_the_way: BTreeMap::new(),
            packets: 0,
            bob,
            output: Output::new(now, 7_000, setup.format, sink, setup.opus),
            frames,
            held_up: now,
            next: None,
            _end: end,
        }
    }

    /// Alice says this, sample by sample at 8 kHz, for a while.
    pub(super) fn say(&mut self, time: Duration, mut voice: impl FnMut(u32) -> i16) {
        for ms in 0..time.as_millis() {
            if ms % 20 == 0 {
                let bytes: Vec<u8> = (self.sample..self.sample + 160)
                    .flat_map(|sample| voice(sample).to_le_bytes())
                    .collect();
                self.sample += 160;
                let format = Format::Raw { rate_hz: 8_000 };
                self.input.push(format, gst::Buffer::from_slice(bytes));
            }
            self.pass();
        }
    }

    /// Alice's next packet was encoded elsewhere; it lasts so long.
    pub(super) fn pass_on(&mut self, codec: Codec, packet: Vec<u8>, time: Duration) {
        let packet = gst::Buffer::from_slice(packet);
        self.input.push(Format::Encoded(codec), packet);
        self.wait(time);
    }

    /// Alice presses keys, which are heard as tones, each this long.
    pub(super) fn press(&mut self, digits: &str, ms: u32) {
        self.feed.queue_tones(digits, ms);
    }

    /// Bob listens for keys.
    pub(super) fn listen(&mut self) {
        self.output.set_ears(Some(Ears::default()));
    }

    /// The keys that Bob heard since the last call.
    pub(super) fn presses(&mut self) -> Vec<Press> {
        let ears = self.output.ears().unwrap();
        std::iter::from_fn(|| ears.poll()).collect()
    }

    /// Nothing is said for a while.
    pub(super) fn wait(&mut self, time: Duration) {
        for _ in 0..time.as_millis() {
            self.pass();
        }
    }

    /// A millisecond.
    fn pass(&mut self) {
        self.now += Duration::from_millis(1);
        self.running_us.fetch_add(1_000, Ordering::Relaxed);
        let mut sent = Sent::default();
        self.pace
            .run(self.now, &mut self.alice, &mut self.feed, &mut sent);
        for bytes in sent.0 {
            for at in self.line.carry(self.now) {
                self.packets += 1;
                self.on_the_way.insert((at, self.packets), bytes.clone());
            }
            let packet = rtp_types::RtpPacket::parse(&bytes).unwrap();
            self.sent.push(packet.payload().to_vec());
        }
        if self.now < self.held_up {
            return;
        }
        while let Some((&(at, number), _)) = self.on_the_way.first_key_value()
            && at <= self.now
        {
            let bytes = self.on_the_way.remove(&(at, number)).unwrap();
            self.bob
                .receive_rtp(self.now, ALICE.parse().unwrap(), &bytes);
        }
        self.output.tick(self.now, &mut self.bob);
        assert!(self.output.failed().is_none());
    }

    /// From now on Bob's media thread does not run for a while.
    pub(super) fn hold_up(&mut self, time: Duration) {
        self.held_up = self.now + time;
    }

    /// What Bob's audio came out as since the last call.
    pub(super) fn frames(&mut self) -> Vec<OutFrame> {
        self.frames.try_iter().collect()
    }

    /// What Bob heard since the last call, with silence where time was skipped.
    pub(super) fn heard(&mut self) -> Vec<i16> {
        let mut pcm = Vec::new();
        for frame in self.frames.try_iter() {
            if let OutFrame::Audio(buffer) = frame {
                let at = buffer.pts().unwrap();
                let skipped = at
                    - self
                        .next
                        .replace(at + buffer.duration().unwrap())
                        .unwrap_or(at);
                pcm.resize(pcm.len() + skipped.useconds() as usize * 8 / 1_000, 0);
                let map = buffer.map_readable().unwrap();
                crate::codec::chain::append_samples(&map, &mut pcm);
            }
        }
        pcm
    }
}

/// A voice that does not pause: twenty harmonics of a pitch that goes up and down, at −20 dB.
pub(super) fn voice(sample: u32) -> i16 {
    let t = f64::from(sample) / 8_000.0;
    let phase =
        std::f64::consts::TAU * 120.0 * t - 40.0 * f64::cos(std::f64::consts::TAU * 0.5 * t);
    let sum: f64 = (1..=20)
        .map(|harmonic| f64::sin(phase * f64::from(harmonic)) / f64::from(harmonic))
        .sum();
    (sum * 3_500.0) as i16
}

/// How loud it is, over all.
pub(super) fn loudness(pcm: &[i16]) -> f64 {
    let power: f64 = pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (power / pcm.len().max(1) as f64).sqrt()
}

/// The share of 10 ms pieces that are far quieter than the whole: holes.
pub(super) fn holes(pcm: &[i16]) -> f64 {
    let whole = loudness(pcm);
    let pieces: Vec<_> = pcm.chunks_exact(80).collect();
    let holes = pieces.iter().filter(|piece| loudness(piece) < whole * 0.3);
    holes.count() as f64 / pieces.len().max(1) as f64
}
