// SPDX-License-Identifier: MPL-2.0
//! A phone, one direction of a bridge, and another phone, in virtual time.

mod codecs_differ;
mod digits_pass_once;
mod floods_stay_small;
mod handshakes_find_keys;
mod holes_wait_a_moment;
mod packets_change_length;
mod pauses_keep_time;
mod same_codec_passes;
mod somebody_listens_in;
mod something_is_said_instead;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtp_types::RtpPacket;
use sip_ua::sdp::{Codec, Direction, Negotiated};

use super::super::api::MediaConfig;
use super::super::pace::Wire;
use super::super::task::leg_config;
use super::way::{Codecs, Way};
use crate::codec::{Encoder, OpusSettings};
use crate::leg::{Datagram, Leg};

const MS: Duration = Duration::from_millis(1);
const PTIME: Duration = Duration::from_millis(20);
const ALICE: &str = "192.0.2.1:4000";
const BOB: &str = "192.0.2.2:5000";
const BRIDGE: &str = "192.0.2.9:6000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn agreement(with: &str, codec: Codec) -> Negotiated {
    let remote_rtp = address(with);
    Negotiated {
        remote_rtp,
        remote_rtcp: SocketAddr::new(remote_rtp.ip(), remote_rtp.port() + 1),
        rtcp_mux: false,
        direction: Direction::SendRecv,
        codec,
        send_pt: payload_type(codec),
        receive: Codec::ALL
            .iter()
            .map(|codec| (payload_type(*codec), *codec))
            .collect(),
        telephone_event_send: Some((101, codec.clock_rate())),
        telephone_event_receive: vec![(101, codec.clock_rate())],
        comfort_noise_send: Some(13),
        comfort_noise_receive: vec![13],
        ptime_ms: 20,
        srtp: None,
        dtls: None,
        opus_fmtp: sip_ua::sdp::OpusFmtp::OURS,
    }
}

fn payload_type(codec: Codec) -> u8 {
    match codec {
        Codec::Pcmu => 0,
        Codec::Pcma => 8,
        Codec::G722 => 9,
        Codec::L16 => 112,
        Codec::Opus => 111,
    }
}

/// A packet that left the bridge.
struct Sent {
    at: Duration,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

struct Out<'a> {
    at: Duration,
    sent: &'a mut Vec<Sent>,
}

impl Wire for Out<'_> {
    fn send(&mut self, datagram: Datagram<'_>) {
        assert_eq!(datagram.to, address(BOB));
        let packet = RtpPacket::parse(datagram.bytes).unwrap();
        self.sent.push(Sent {
            at: self.at,
            payload_type: packet.payload_type(),
            sequence: packet.sequence_number(),
            timestamp: packet.timestamp(),
            marker: packet.marker_bit(),
            payload: packet.payload().to_vec(),
        });
    }
}

/// Alice speaks to the bridge's one side; what leaves by the other is kept.
struct Story {
    begin: Instant,
    now: Instant,
    alice: Leg,
    from: Leg,
    to: Leg,
    way: Way,
    sent: Vec<Sent>,
}

impl Story {
    fn new(heard: Codec, said: Codec) -> Story {
        Story::with(heard, said, MediaConfig::default())
    }

    /// `towards`: how the side that hears is configured.
    fn with(heard: Codec, said: Codec, towards: MediaConfig) -> Story {
        gst::init().unwrap();
        let now = Instant::now();
        let config = leg_config(&MediaConfig::default());
        let mut alice = Leg::new(now, config.clone());
        alice.apply(now, &agreement(BRIDGE, heard));
        let mut from = Leg::new(now, config.clone()).bridged();
        from.apply(now, &agreement(ALICE, heard));
        let mut to = Leg::new(now, config).bridged();
        to.apply(now, &agreement(BOB, said));
        Story {
            begin: now,
            now,
            alice,
            from,
            to,
            way: Way::new(&towards),
            sent: Vec::new(),
        }
    }

    /// A packet of Alice's, not yet on its way.
    fn say(&mut self, payload: &[u8], samples: u32) -> Vec<u8> {
        let datagram = self.alice.send_audio(payload, samples).unwrap();
        datagram.bytes.to_vec()
    }

    /// It comes to the bridge.
    fn arrive(&mut self, packet: &[u8]) {
        self.from.receive_rtp(self.now, address(ALICE), packet);
        self.run();
    }

    fn run(&mut self) {
        let mut out = Out {
            at: self.now - self.begin,
            sent: &mut self.sent,
        };
        self.way
            .run(self.now, &mut self.from, &mut self.to, &mut out);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }
}

/// A sine of 440 Hz, packet for packet.
fn tone(rate_hz: u32, number: usize) -> Vec<i16> {
    let length = rate_hz as usize / 50;
    (number * length..(number + 1) * length)
        .map(|at| {
            let t = at as f64 / f64::from(rate_hz);
            (f64::sin(t * 440.0 * std::f64::consts::TAU) * 8_000.0) as i16
        })
        .collect()
}

/// That sine in a codec, so many packets of it.
fn spoken(codec: Codec, packets: usize) -> Vec<Vec<u8>> {
    let settings = OpusSettings::default();
    let mut encoder = Encoder::new(codec, codec.audio_rate(), settings).unwrap();
    (0..packets)
        .map(|number| {
            let mut payload = Vec::new();
            encoder.encode(&tone(codec.audio_rate(), number), &mut payload);
            payload
        })
        .collect()
}

fn samples(codec: Codec) -> u32 {
    codec.clock_rate() / 50
}
