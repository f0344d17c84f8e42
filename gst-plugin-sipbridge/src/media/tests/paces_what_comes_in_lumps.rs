// SPDX-License-Identifier: MPL-2.0
//! The pace in virtual time: a packet on each arrival, evenly from lumps, silence where nothing
//! comes, and timestamps that fit the clock throughout.

use super::super::feed::Feed;
use super::super::input::{AudioIn, SharedQueue};
use super::super::pace::{Pace, Wire};
use super::*;
use crate::codec::OpusSettings;
use crate::leg::{Datagram, Leg, LegConfig};

/// When each packet was sent, its timestamp, and whether it was silence.
#[derive(Default)]
struct Sent {
    now_ms: u64,
    packets: Vec<(u64, u32, bool)>,
}

impl Wire for Sent {
    fn send(&mut self, datagram: Datagram<'_>) {
        let packet = rtp_types::RtpPacket::parse(datagram.bytes).unwrap();
        let silent = packet.payload().iter().all(|byte| *byte == 0xff);
        self.packets.push((self.now_ms, packet.timestamp(), silent));
    }
}

struct Sending {
    begin: Instant,
    sent: Sent,
    leg: Leg,
    feed: Feed,
    pace: Pace,
    input: AudioIn,
    _end: End,
}

impl Sending {
    fn new() -> Sending {
        let context = Context::acquire("media-test", MAX_WAIT).unwrap();
        // Lends its notifier only.
        let end = End::open(&context);
        let queue = SharedQueue::default();
        let input = AudioIn {
            queue: queue.clone(),
            notifier: end.media.input().notifier,
        };
        let begin = Instant::now();
        let config = LegConfig {
            ssrc: 1,
            sequence: 1,
            timestamp: 0,
            cname: String::new(),
            ntp_epoch: 0,
            latency: Duration::from_millis(60),
            silent_peer: Duration::from_secs(1_000),
            media_timeout: Duration::ZERO,
        };
        let mut leg = Leg::new(begin, config);
        leg.apply(
            begin,
            &Negotiated {
                remote_rtp: "192.0.2.1:4000".parse().unwrap(),
                remote_rtcp: "192.0.2.1:4001".parse().unwrap(),
                rtcp_mux: false,
                comfort_noise_send: None,
                comfort_noise_receive: Vec::new(),
                direction: Direction::SendRecv,
                codec: Codec::Pcmu,
                send_pt: 0,
                receive: vec![(0, Codec::Pcmu)],
                telephone_event_send: None,
                telephone_event_receive: vec![],
                ptime_ms: 20,
                srtp: None,
                dtls: None,
                opus_fmtp: sip_ua::sdp::OpusFmtp::OURS,
            },
        );
        Sending {
            begin,
            sent: Sent::default(),
            leg,
            feed: Feed::new(queue, OpusSettings::default(), false),
            pace: Pace::new(),
            input,
            _end: end,
        }
    }

    fn push(&self, ms: u32) {
        let bytes: Vec<u8> = [0x00, 0x10].repeat(8 * ms as usize);
        let format = Format::Raw { rate_hz: 8_000 };
        self.input.push(format, gst::Buffer::from_slice(bytes));
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms {
            self.sent.now_ms += 1;
            let now = self.begin + Duration::from_millis(self.sent.now_ms);
            self.pace
                .run(now, &mut self.leg, &mut self.feed, &mut self.sent);
        }
    }

    /// Packets since the last call; timestamps must not leave the clock by more than 100 ms.
    fn packets(&mut self) -> Vec<(u64, u32, bool)> {
        for (at, timestamp, _) in &self.sent.packets {
            let off = i64::from(*timestamp / 8) - *at as i64;
            assert!(off.abs() < 100, "{off} ms off at {at} ms");
        }
        std::mem::take(&mut self.sent.packets)
    }
}

#[test]
fn without_input_silence_flows() {
    let mut sending = Sending::new();
    sending.pass(1_000);
    let packets = sending.packets();
    assert!((49..=51).contains(&packets.len()), "{}", packets.len());
    assert!(packets.iter().all(|(_, _, silent)| *silent));
}

#[test]
fn a_live_source_is_sent_on_arrival() {
    let mut sending = Sending::new();
    sending.pass(33);
    sending.packets();
    for frame in 0..100u64 {
        // Up to 6 ms early or late.
        let jitter = frame * 5 % 7;
        sending.pass(jitter);
        sending.push(20);
        sending.pass(1);
        let packets = sending.packets();
        assert!(
            packets.iter().any(|(_, _, silent)| !silent),
            "frame {frame} waits"
        );
        sending.pass(19 - jitter);
    }
    assert_eq!(sending.pace.silence_sent(), 2);
}

#[test]
fn lumps_are_sent_evenly() {
    let mut sending = Sending::new();
    for _ in 0..20 {
        sending.push(256);
        sending.pass(256);
    }
    let packets = sending.packets();
    assert_eq!(packets.len(), 256);
    assert!(packets.iter().all(|(_, _, silent)| !silent));
    for pair in packets.windows(2) {
        assert_eq!(pair[1].1 - pair[0].1, 160);
        let apart = pair[1].0 - pair[0].0;
        assert!((5..=36).contains(&apart), "{apart} ms apart");
    }
}

#[test]
fn input_that_stops_becomes_silence_and_comes_back() {
    let mut sending = Sending::new();
    for _ in 0..50 {
        sending.push(20);
        sending.pass(20);
    }
    sending.packets();
    sending.pass(1_000);
    let silence = sending.packets();
    assert!((44..=47).contains(&silence.len()), "{}", silence.len());
    for _ in 0..50 {
        sending.push(20);
        sending.pass(20);
    }
    let voice = sending.packets();
    assert!(voice.iter().filter(|(_, _, silent)| !silent).count() >= 49);
}
