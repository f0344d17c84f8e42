// SPDX-License-Identifier: MPL-2.0
//! Two legs and a wire between them, in virtual time.

mod clean_line;
mod clocks_drift;
mod codec_changes;
mod comfort_noise;
mod digits_are_told_once;
mod dtx_pauses;
mod encrypted;
mod hold_is_hold;
mod jitter;
pub(crate) mod line;
mod loss;
mod one_port;
mod peer_that_never_speaks;
mod quality_is_an_opinion;
mod reordered_and_doubled;
mod reports_measure_the_line;
mod sequence_restarts;
mod silence_ends_a_call;
mod strangers;
mod unusual_ptime;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtp_types::RtpPacket;
use sip_ua::sdp::{Codec, Direction, Negotiated};

use self::line::Line;
use super::digits::Heard;
use super::*;

const MS: Duration = Duration::from_millis(1);

/// What was played in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Played {
    /// The packet with this number, counted by its sender.
    Packet {
        number: u32,
        talkspurt: bool,
    },
    /// Concealment; whether the packet after it was there to help.
    Lost {
        helped: bool,
    },
    /// The far end's silence, as it says it sounds.
    Noise {
        level_db: u8,
    },
    Silence,
}

/// A sender, a line and a receiver.
struct Story {
    begin: Instant,
    now: Instant,
    line: Line,
    alice: Leg,
    bob: Leg,
    negotiated: Negotiated,
    /// Alice's packet time, and by how many millionths her clock is fast.
    ptime_ms: u32,
    drift_ppm: i64,
    talking: bool,
    /// Whether what Bob hears is quiet, as his decoder would find, and whether he can play faster and
    /// slower.
    quiet: bool,
    elastic: bool,
    next_packet: Instant,
    /// For how long Bob's thread sleeps at most before it looks at what came and is due.
    sleeps_ms: u64,
    wakes: Instant,
    next_tick: Instant,
    /// Audio Bob took and has not played yet.
    held: Duration,
    number: u32,
    on_the_way: BTreeMap<(Instant, u32), Vec<u8>>,
    packets: u32,
    /// How often audio was made shorter or longer.
    changes: u32,
    heard: Vec<(Duration, Played)>,
    events: Vec<LegEvent>,
}

const ALICE: &str = "192.0.2.1:4000";
const BOB: &str = "192.0.2.2:5000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn agreement(with: &str, codec: Codec) -> Negotiated {
    let remote_rtp = address(with);
    Negotiated {
        remote_rtp,
        remote_rtcp: SocketAddr::new(remote_rtp.ip(), remote_rtp.port() + 1),
        rtcp_mux: false,
        comfort_noise_send: None,
        comfort_noise_receive: Vec::new(),
        direction: Direction::SendRecv,
        codec,
        send_pt: if codec == Codec::Opus { 111 } else { 0 },
        receive: vec![(0, Codec::Pcmu), (111, Codec::Opus)],
        telephone_event_send: Some((101, codec.clock_rate())),
        telephone_event_receive: vec![(101, codec.clock_rate())],
        ptime_ms: 20,
        srtp: None,
        dtls: None,
        opus_fmtp: sip_ua::sdp::OpusFmtp::OURS,
    }
}

fn config(ssrc: u32, latency: Duration) -> LegConfig {
    LegConfig {
        ssrc,
        // Both wrap soon.
        sequence: 65_500,
        timestamp: u32::MAX - 8_000,
        cname: format!("leg-{ssrc}"),
        ntp_epoch: 3_900_000_000 << 32,
        latency,
        silent_peer: Duration::from_secs(30),
        media_timeout: Duration::ZERO,
    }
}

fn leg(now: Instant, ssrc: u32, latency: Duration) -> Leg {
    Leg::new(now, config(ssrc, latency))
}

impl Story {
    fn new(line: Line) -> Story {
        Story::with_latency(line, 60 * MS)
    }

    fn with_latency(line: Line, latency: Duration) -> Story {
        let now = Instant::now();
        let (mut alice, mut bob) = (leg(now, 1, latency), leg(now, 2, latency));
        alice.apply(now, &agreement(BOB, Codec::Pcmu));
        let negotiated = agreement(ALICE, Codec::Pcmu);
        bob.apply(now, &negotiated);
        Story {
            begin: now,
            now,
            line,
            alice,
            bob,
            negotiated,
            ptime_ms: 20,
            drift_ppm: 0,
            talking: true,
            quiet: false,
            elastic: false,
            next_packet: now,
            sleeps_ms: 0,
            wakes: now,
            next_tick: now + 7 * MS,
            held: Duration::ZERO,
            number: 0,
            on_the_way: BTreeMap::new(),
            packets: 0,
            changes: 0,
            heard: Vec::new(),
            events: Vec::new(),
        }
    }

    fn elapsed(&self) -> Duration {
        self.now - self.begin
    }

    /// Puts a datagram of Alice's on the line.
    fn carry(&mut self, bytes: Vec<u8>) {
        for at in self.line.carry(self.now) {
            self.packets += 1;
            self.on_the_way.insert((at, self.packets), bytes.clone());
        }
    }

    /// What Alice says: G.711 whose first bytes are the number of the packet.
    fn say(&mut self) {
        let samples = 8 * self.ptime_ms;
        let mut payload = vec![0x7f; samples as usize];
        payload[..4].copy_from_slice(&self.number.to_be_bytes());
        self.number += 1;
        let datagram = match self.alice.send_digit(samples) {
            Some(datagram) => Some(datagram.bytes.to_vec()),
            None if self.talking => self
                .alice
                .send_audio(&payload, samples)
                .map(|datagram| datagram.bytes.to_vec()),
            None => {
                self.alice.pass(samples);
                None
            }
        };
        if let Some(bytes) = datagram {
            self.carry(bytes);
        }
    }

    fn step(&mut self) {
        self.now += MS;
        while self.next_packet <= self.now {
            self.say();
            let us = i64::from(self.ptime_ms) * (1_000_000 - self.drift_ppm);
            self.next_packet += Duration::from_nanos(us as u64);
        }
        if self.wakes > self.now {
            return;
        }
        let slept = self.sleeps_ms > 0;
        self.wakes = self.now + MS * (self.line.roll(self.sleeps_ms) as u32 + u32::from(slept));
        while let Some((&(at, number), _)) = self.on_the_way.first_key_value()
            && at <= self.now
        {
            let bytes = self.on_the_way.remove(&(at, number)).unwrap();
            let seen = if slept { self.now } else { at };
            self.bob.receive_rtp(seen, address(ALICE), &bytes);
        }
        if self.bob.next_timeout().is_some_and(|at| at <= self.now) {
            self.bob.timeout(self.now);
        }
        if self.next_tick <= self.now {
            self.tick();
            self.next_tick += 20 * MS;
        }
        while let Some(event) = self.bob.poll_event() {
            self.events.push(event);
        }
    }

    /// What a decoder would do each 20 ms.
    fn tick(&mut self) {
        while self.held < 20 * MS {
            let at = self.elapsed();
            let hz = u64::from(self.bob.jitter.clock_hz());
            let length = |samples: u32| Duration::from_micros(u64::from(samples) * 1_000_000 / hz);
            let listener = Listener {
                quiet: self.quiet,
                elastic: self.elastic,
                held: self.held,
            };
            let (played, lasts) = match self.bob.playout(self.now, listener) {
                Playout::Frame(frame) => {
                    // A voice of 125 Hz: whole periods of 8 ms come and go.
                    let change = match frame.tempo {
                        Tempo::Shorten { most_us, .. } if most_us >= 8_000 => -8,
                        Tempo::Shorten { .. } | Tempo::Keep => 0,
                        Tempo::Lengthen => 8,
                    };
                    let number = frame.payload.first_chunk::<4>().copied();
                    let played = Played::Packet {
                        number: number.map_or(u32::MAX, u32::from_be_bytes),
                        talkspurt: frame.talkspurt,
                    };
                    let samples = i64::from(frame.samples) + change * hz as i64 / 1_000;
                    self.changes += u32::from(change != 0);
                    (played, length(samples as u32))
                }
                Playout::Lost { samples, next, .. } => {
                    let helped = next.is_some();
                    (Played::Lost { helped }, length(samples))
                }
                Playout::Noise(noise) => (
                    Played::Noise {
                        level_db: noise.level_db(),
                    },
                    20 * MS - self.held,
                ),
                Playout::Silence => (Played::Silence, 20 * MS - self.held),
            };
            self.heard.push((at, played));
            self.held += lasts;
        }
        self.held -= 20 * MS;
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    fn numbers(&self) -> Vec<u32> {
        self.heard
            .iter()
            .filter_map(|(_, played)| match played {
                Played::Packet { number, .. } => Some(*number),
                _ => None,
            })
            .collect()
    }

    fn count(&self, wanted: impl Fn(&Played) -> bool) -> usize {
        self.heard
            .iter()
            .filter(|(_, played)| wanted(played))
            .count()
    }

    fn lost(&self) -> usize {
        self.count(|played| matches!(played, Played::Lost { .. }))
    }

    fn silent(&self) -> usize {
        self.count(|played| *played == Played::Silence)
    }

    fn digits(&self) -> Vec<(char, u32)> {
        self.events
            .iter()
            .filter_map(|event| match event {
                LegEvent::Digit { digit, duration_ms } => Some((*digit, *duration_ms)),
                _ => None,
            })
            .collect()
    }

    /// Forgets what was heard so far: what follows is another chapter.
    fn chapter(&mut self) {
        self.heard.clear();
        self.events.clear();
    }
}

/// Whether numbers only go up.
fn rising(numbers: &[u32]) -> bool {
    numbers.windows(2).all(|pair| pair[0] < pair[1])
}
