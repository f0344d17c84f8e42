// SPDX-License-Identifier: MPL-2.0
//! The phone leg, in virtual time: RTP and RTCP from the far end and from strangers, agreements that
//! change, and a decoder that plays what comes. What it sends is for somebody, and its queues stay short.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use gstsipbridge::codec::Decoder;
use gstsipbridge::leg::{Leg, LegConfig, Listener, Playable as _, Playout};
use sip_ua::sdp::{Codec, Direction, MasterKey, Negotiated, SrtpKeys, Suite};

use crate::script::{number, step, steps};
use crate::{Target, Traits};

pub(super) const TARGET: Target = Target {
    name: "leg",
    about: "RTP and RTCP into a phone leg, and a decoder behind it",
    seeds,
    words: &[
        "%%p\n",
        "%%q\n",
        "%%c\n",
        "%%t\n20",
        "%%t\n5000",
        "%%n\n1",
        "%%n\n7",
        "%%a\n",
        "%%k\n5",
        "%%r\n",
        "\u{0}\u{1}",
        "\u{7f}",
    ],
    short: 800,
    run,
};

const MOST_STEPS: usize = 300;
const TICK: Duration = Duration::from_millis(20);
const RATE_HZ: u32 = 48_000;

fn far() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000))
}

fn stranger() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 77], 4002))
}

/// One of the things that may have been agreed on.
fn agreement(which: u64, with: SocketAddr, mirrored: bool) -> Negotiated {
    let codecs = [Codec::Pcmu, Codec::Opus, Codec::G722, Codec::L16];
    let codec = codecs[which as usize % codecs.len()];
    let directions = [
        Direction::SendRecv,
        Direction::SendOnly,
        Direction::Inactive,
        Direction::RecvOnly,
    ];
    let receive = vec![
        (0, Codec::Pcmu),
        (8, Codec::Pcma),
        (9, Codec::G722),
        (96, Codec::L16),
        (111, Codec::Opus),
    ];
    let send_pt = receive
        .iter()
        .find(|(_, known)| *known == codec)
        .map_or(0, |(pt, _)| *pt);
    let keys = (which / 16 % 2 == 1).then(|| {
        let key = |octet: u8| {
            let suite = Suite::AesCm128HmacSha1Tag80;
            MasterKey::from_bytes(suite, &[octet; 30]).unwrap()
        };
        let (send, receive) = if mirrored {
            (key(1), key(2))
        } else {
            (key(2), key(1))
        };
        SrtpKeys { send, receive }
    });
    Negotiated {
        remote_rtp: with,
        remote_rtcp: SocketAddr::new(with.ip(), with.port() + 1),
        rtcp_mux: which % 2 == 1,
        comfort_noise_send: Some(13),
        comfort_noise_receive: vec![13],
        direction: directions[which as usize / 4 % directions.len()],
        codec,
        send_pt,
        receive,
        telephone_event_send: Some((101, codec.clock_rate())),
        telephone_event_receive: vec![(101, 8_000), (102, 48_000)],
        ptime_ms: 20,
        srtp: keys,
        dtls: None,
        opus_fmtp: Default::default(),
    }
}

fn leg(now: Instant, ssrc: u32) -> Leg {
    let config = LegConfig {
        ssrc,
        sequence: 65_520,
        timestamp: u32::MAX - 4_000,
        cname: format!("leg-{ssrc}"),
        ntp_epoch: 3_900_000_000 << 32,
        latency: Duration::from_millis(100),
        silent_peer: Duration::from_secs(30),
        media_timeout: Duration::from_secs(60),
    };
    Leg::new(now, config)
}

/// What a far end of the same make sends.
fn seeds() -> Vec<Vec<u8>> {
    [0_u64, 1, 2, 3, 16, 17].into_iter().map(story).collect()
}

fn story(which: u64) -> Vec<u8> {
    let mut now = Instant::now();
    let mut far = leg(now, 7);
    let theirs = agreement(which, SocketAddr::from(([192, 0, 2, 2], 5000)), true);
    far.apply(now, &theirs);
    let samples = theirs.codec.clock_rate() / 50;
    let payload = match theirs.codec {
        Codec::L16 => vec![1; 640],
        Codec::Opus => vec![0xf8, 0xff, 0xfe],
        _ => vec![0x7f; 160],
    };
    far.queue_digits("5#", 100).expect("they were agreed on");
    let mut story = step('n', which.to_string());
    for number in 0..60 {
        now += TICK;
        let packet = match far.send_digit(samples) {
            Some(datagram) => Some(datagram.bytes.to_vec()),
            None if number % 20 == 19 => far
                .send_noise(&[40], samples)
                .map(|datagram| datagram.bytes.to_vec()),
            None => far
                .send_audio(&payload, samples)
                .map(|datagram| datagram.bytes.to_vec()),
        };
        if let Some(packet) = packet {
            story.extend(step('p', packet));
        }
        story.extend(step('t', "20"));
    }
    for _ in 0..2 {
        now += Duration::from_secs(6);
        if let Some(report) = far.timeout(now) {
            story.extend(step('c', report.bytes));
        }
        story.extend(step('t', "3000"));
    }
    if let Some(report) = far.goodbye(now) {
        story.extend(step('c', report.bytes));
    }
    story
}

fn run(input: &[u8], traits: &mut Traits) {
    // Decoders resample by it.
    gst::init().expect("GStreamer begins");
    let mut now = Instant::now();
    let mut leg = leg(now, 1);
    leg.apply(now, &agreement(0, far(), false));
    let mut ear = Ear::default();
    for (letter, with) in steps(input).take(MOST_STEPS) {
        match letter {
            b'p' => leg.receive_rtp(now, far(), with),
            b'q' => leg.receive_rtp(now, stranger(), with),
            b'c' => leg.receive_rtcp(now, far(), with),
            b'C' => leg.receive_rtcp(now, stranger(), with),
            b't' => {
                // Nobody plays for longer than that at a time.
                let end = now + Duration::from_millis(number(with).min(10_000));
                while now < end {
                    now += TICK.min(end - now);
                    tick(&mut leg, now, &mut ear, traits);
                }
            }
            b'n' => leg.apply(now, &agreement(number(with) % 32, far(), false)),
            b'a' => {
                let samples = leg
                    .negotiated()
                    .map_or(160, |agreed| agreed.codec.clock_rate() / 50);
                if let Some(sent) = leg.send_audio(with, samples) {
                    assert!(sent.to.port() != 0);
                }
            }
            b'k' => {
                let digits = String::from_utf8_lossy(with);
                let _ = leg.queue_digits(&digits, 100);
            }
            b'r' => leg.restart_playout(),
            _ => {}
        }
        let mut told = 0;
        while let Some(event) = leg.poll_event() {
            traits.step(std::mem::discriminant(&event));
            told += 1;
        }
        assert!(told < 2_000, "{told} events came of a step");
    }
    let stats = leg.stats();
    traits.see((
        stats.malformed.min(3),
        stats.foreign.min(3),
        stats.lost.min(5),
    ));
    traits.see((
        stats.remote_lost.is_some(),
        stats.round_trip.is_some(),
        stats.remote.is_some(),
    ));
    for opinion in [stats.mos, stats.remote_mos].into_iter().flatten() {
        assert!((1.0..=5.0).contains(&opinion), "an opinion of {opinion}");
    }
    let _ = leg.goodbye(now);
}

/// A decoder for the codec that was heard last.
#[derive(Default)]
struct Ear {
    decoder: Option<(Codec, Decoder)>,
    held: Duration,
    pcm: Vec<i16>,
}

impl Ear {
    fn decoder(&mut self, codec: Codec) -> &mut Decoder {
        if self
            .decoder
            .as_ref()
            .is_none_or(|(known, _)| *known != codec)
        {
            let decoder = Decoder::new(codec, RATE_HZ).expect("a decoder");
            self.decoder = Some((codec, decoder));
        }
        &mut self.decoder.as_mut().unwrap().1
    }
}

fn tick(leg: &mut Leg, now: Instant, ear: &mut Ear, traits: &mut Traits) {
    if leg.next_timeout().is_some_and(|at| at <= now)
        && let Some(report) = leg.timeout(now)
    {
        assert!(report.bytes.len() <= 1_500);
    }
    let mut taken = 0;
    while ear.held < TICK {
        taken += 1;
        assert!(taken < 1_000, "a tick never ends");
        let listener = Listener {
            quiet: false,
            elastic: false,
            held: ear.held,
        };
        let mut pcm = std::mem::take(&mut ear.pcm);
        pcm.clear();
        let lasts = match leg.playout(now, listener) {
            Playout::Frame(frame) => {
                traits.step(("frame", frame.codec.name(), frame.talkspurt));
                ear.decoder(frame.codec).decode(frame.payload, &mut pcm);
                Some((frame.samples, frame.codec.clock_rate()))
            }
            Playout::Lost {
                codec,
                samples,
                next,
            } => {
                traits.step(("lost", codec.name(), next.is_some()));
                ear.decoder(codec).conceal(samples, next, &mut pcm);
                Some((samples, codec.clock_rate()))
            }
            Playout::Noise(noise) => {
                traits.step(("noise", noise.level_db()));
                None
            }
            Playout::Silence => None,
        };
        // Nothing that is played at once is longer than a second.
        assert!(pcm.len() <= RATE_HZ as usize, "{} samples", pcm.len());
        ear.pcm = pcm;
        match lasts {
            Some((samples, hz)) => {
                ear.held += Duration::from_micros(u64::from(samples) * 1_000_000 / u64::from(hz));
            }
            None => ear.held = TICK,
        }
    }
    ear.held -= TICK;
}
