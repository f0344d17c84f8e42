// SPDX-License-Identifier: MPL-2.0
//! Phones whose keys come from a handshake, and whose addresses come from checks or from descriptions: the
//! bridge hears them, and nobody hears anything before.

use sip_ua::sdp::{DtlsKeys, IceAgreed, IceCredentials, TlsId};

use super::*;
use crate::leg::Relayed;
use crate::media::paths::Paths;
use crate::rtc::Certificate;

const CAROL: &str = "192.0.2.3:7000";

struct Flying {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

struct Line<'a> {
    from: SocketAddr,
    flying: &'a mut Vec<Flying>,
}

impl Wire for Line<'_> {
    fn send(&mut self, datagram: Datagram<'_>) {
        self.flying.push(Flying {
            from: self.from,
            to: datagram.to,
            bytes: datagram.bytes.to_vec(),
        });
    }
}

/// A leg and how it finds its far end.
struct End {
    at: SocketAddr,
    leg: Leg,
    paths: Paths,
    heard: usize,
    failed: Option<String>,
}

impl End {
    fn new(now: Instant, at: &str) -> End {
        let config = leg_config(&MediaConfig::default());
        End {
            at: address(at),
            leg: Leg::new(now, config).bridged(),
            paths: Paths::new(now, address(at)),
            heard: 0,
            failed: None,
        }
    }

    fn agree(&mut self, now: Instant, party: usize, agreed: &Negotiated) {
        self.leg.apply(now, agreed);
        let paths = &mut self.paths;
        paths.agree(now, party, agreed, &mut self.leg).unwrap();
    }

    fn step(&mut self, now: Instant, came: &[Flying], flying: &mut Vec<Flying>) {
        for datagram in came.iter().filter(|datagram| datagram.to == self.at) {
            let (from, bytes) = (datagram.from, &datagram.bytes);
            self.paths.receive(now, from, bytes, &mut self.leg);
        }
        while let Some(relayed) = self.leg.relay(now) {
            self.heard += usize::from(matches!(relayed, Relayed::Frame { .. }));
        }
        self.paths.timeout(now);
        let mut line = Line {
            from: self.at,
            flying,
        };
        let failed = self.paths.settle(now, &mut self.leg, &mut line);
        self.failed = self.failed.take().or(failed);
    }
}

/// The bridge's side, and the phones that it may be agreed with.
struct Meeting {
    now: Instant,
    bridge: End,
    phones: Vec<End>,
    flying: Vec<Flying>,
    /// Nothing arrives any more.
    cut: bool,
}

impl Meeting {
    fn new(phones: &[&str]) -> Meeting {
        let now = Instant::now();
        Meeting {
            now,
            bridge: End::new(now, BRIDGE),
            phones: phones.iter().map(|at| End::new(now, at)).collect(),
            flying: Vec::new(),
            cut: false,
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            let mut came = std::mem::take(&mut self.flying);
            if self.cut {
                came.clear();
            }
            for each in self.phones.iter_mut().chain([&mut self.bridge]) {
                each.step(self.now, &came, &mut self.flying);
            }
            self.now += 5 * MS;
        }
    }

    /// Bridge and phone agree on this, each as it sees it.
    fn agree(&mut self, phone: usize, [at_bridge, at_phone]: &[DtlsKeys; 2]) {
        let end = &mut self.phones[phone];
        end.agree(self.now, 0, &secured(address(BRIDGE), at_phone));
        let agreed = secured(end.at, at_bridge);
        self.bridge.agree(self.now, phone, &agreed);
    }

    /// The phone says so many packets; how many of them the bridge hears.
    fn says(&mut self, phone: usize, packets: usize) -> usize {
        let before = self.bridge.heard;
        for _ in 0..packets {
            let end = &mut self.phones[phone];
            if let Some(datagram) = end.leg.send_audio(&[0x55; 160], 160) {
                let mut line = Line {
                    from: end.at,
                    flying: &mut self.flying,
                };
                line.send(datagram);
            }
            self.run(PTIME);
        }
        self.run(PTIME);
        self.bridge.heard - before
    }
}

fn secured(with: SocketAddr, dtls: &DtlsKeys) -> Negotiated {
    let with = with.to_string();
    Negotiated {
        remote_rtcp: address(&with),
        rtcp_mux: true,
        dtls: Some(Box::new(dtls.clone())),
        ..agreement(&with, Codec::Pcma)
    }
}

/// What bridge and phone agree on without checks.
fn described() -> [DtlsKeys; 2] {
    let certificate = Certificate::of_process().unwrap();
    [false, true].map(|active| DtlsKeys {
        fingerprint: certificate.fingerprint().to_vec(),
        active,
        ice: None,
        tls_ids: None,
    })
}

/// The same with checks, from this address; the phone's side is full, and the bridge's lite or not.
fn checked(phone: &str, ours: &IceCredentials, lite: bool) -> [DtlsKeys; 2] {
    let theirs = IceCredentials::random();
    let candidate = |at: &str| {
        let at = address(at);
        format!(
            "candidate:1 1 udp 2113937151 {} {} typ host",
            at.ip(),
            at.port()
        )
    };
    let [mut at_bridge, mut at_phone] = described();
    at_bridge.ice = Some(IceAgreed {
        local: ours.clone(),
        remote: theirs.clone(),
        lite,
        controlling: false,
        candidates: vec![candidate(phone)],
    });
    at_phone.ice = Some(IceAgreed {
        local: theirs,
        remote: ours.clone(),
        lite: false,
        controlling: true,
        candidates: vec![candidate(BRIDGE)],
    });
    [at_bridge, at_phone]
}

#[test]
fn a_phone_is_heard_with_checks_and_without() {
    let ours = IceCredentials::random();
    for agreed in [
        described(),
        checked(ALICE, &ours, false),
        checked(ALICE, &ours, true),
    ] {
        let mut meeting = Meeting::new(&[ALICE]);
        meeting.agree(0, &agreed);
        meeting.run(Duration::from_secs(2));
        assert_eq!(meeting.says(0, 50), 50);
        let stats = meeting.bridge.leg.stats();
        assert!(stats.srtp_suite.is_some());
        assert_eq!(stats.remote, Some(address(ALICE)));
        assert_eq!(stats.forged + stats.malformed, 0);
        assert!(meeting.bridge.leg.sends());
    }
}

#[test]
fn what_came_before_the_answer_is_kept() {
    let [at_bridge, at_phone] = described();
    let mut meeting = Meeting::new(&[ALICE]);
    let end = &mut meeting.phones[0];
    end.agree(meeting.now, 0, &secured(address(BRIDGE), &at_phone));
    // The phone begins the handshake, and sends it again only after a second of the system's clock.
    meeting.run(Duration::from_millis(100));
    let agreed = secured(address(ALICE), &at_bridge);
    meeting.bridge.agree(meeting.now, 0, &agreed);
    meeting.run(Duration::from_millis(200));
    assert_eq!(meeting.says(0, 10), 10);
}

#[test]
fn nothing_is_said_and_nothing_heard_before_there_are_keys() {
    let mut meeting = Meeting::new(&[ALICE]);
    meeting.agree(0, &checked(ALICE, &IceCredentials::random(), false));
    let now = meeting.now;
    let mut plain = Leg::new(now, leg_config(&MediaConfig::default()));
    plain.apply(now, &agreement(BRIDGE, Codec::Pcma));
    let said = plain.send_audio(&[0x55; 160], 160).unwrap().bytes.to_vec();
    let leg = &mut meeting.bridge.leg;
    leg.receive_rtp(now, address(ALICE), &said);
    assert!(leg.relay(now).is_none());
    assert!(leg.send_audio(&[0x55; 160], 160).is_none());
    assert!(leg.goodbye(now).is_none(), "no plain RTCP");
    // And not by hold and resume either.
    let held = Negotiated {
        direction: Direction::Inactive,
        ..leg.negotiated().unwrap().clone()
    };
    leg.apply(now, &held);
    assert!(leg.send_audio(&[0x55; 160], 160).is_none());
    assert!(leg.timeout(now + Duration::from_secs(20)).is_none());
}

#[test]
fn plain_packets_are_nobodys_once_there_are_keys() {
    let mut meeting = Meeting::new(&[ALICE]);
    meeting.agree(0, &described());
    meeting.run(Duration::from_secs(1));
    let now = meeting.now;
    let mut plain = Leg::new(now, leg_config(&MediaConfig::default()));
    plain.apply(now, &agreement(BRIDGE, Codec::Pcma));
    let said = plain.send_audio(&[0x55; 160], 160).unwrap().bytes.to_vec();
    let bridge = &mut meeting.bridge;
    bridge
        .paths
        .receive(now, address(ALICE), &said, &mut bridge.leg);
    assert!(bridge.leg.relay(now).is_none());
    assert_eq!(bridge.leg.stats().forged, 1);
    // From elsewhere it does not even come so far.
    bridge
        .paths
        .receive(now, address(CAROL), &said, &mut bridge.leg);
    assert_eq!(bridge.leg.stats().forged, 1);
}

#[test]
fn who_shows_another_certificate_is_refused() {
    let [mut at_bridge, at_phone] = described();
    at_bridge.fingerprint = vec![7; 32];
    let mut meeting = Meeting::new(&[ALICE]);
    meeting.agree(0, &[at_bridge, at_phone]);
    meeting.run(Duration::from_secs(1));
    let reason = meeting.bridge.failed.take().unwrap();
    assert!(reason.contains("fingerprint"), "{reason}");
    assert_eq!(meeting.says(0, 5), 0);
}

#[test]
fn checks_restart_and_the_keys_stay() {
    let mut meeting = Meeting::new(&[ALICE]);
    meeting.agree(0, &checked(ALICE, &IceCredentials::random(), false));
    meeting.run(Duration::from_secs(2));
    assert_eq!(meeting.says(0, 10), 10);
    meeting.agree(0, &checked(ALICE, &IceCredentials::random(), false));
    assert_eq!(meeting.says(0, 50), 50, "while it restarts");
    // Long after the old checks would have run out.
    meeting.run(Duration::from_secs(60));
    assert_eq!(meeting.says(0, 10), 10);
    assert_eq!(meeting.bridge.failed, None);
}

#[test]
fn another_name_of_the_association_is_another_handshake() {
    let ice = IceCredentials::random();
    for mut agreed in [described(), checked(ALICE, &ice, false)] {
        let mut meeting = Meeting::new(&[ALICE]);
        let name = |agreed: &mut [DtlsKeys; 2]| {
            let (ours, theirs) = (TlsId::random(), TlsId::random());
            agreed[0].tls_ids = Some([ours.clone(), theirs.clone()]);
            agreed[1].tls_ids = Some([theirs, ours]);
        };
        name(&mut agreed);
        meeting.agree(0, &agreed);
        meeting.run(Duration::from_secs(2));
        assert_eq!(meeting.says(0, 10), 10);
        meeting.agree(0, &agreed);
        assert_eq!(meeting.says(0, 10), 10, "the same");
        name(&mut agreed);
        meeting.agree(0, &agreed);
        assert!(!meeting.bridge.leg.sends(), "the keys are gone");
        meeting.run(Duration::from_secs(2));
        assert!(meeting.bridge.leg.sends());
        assert!(meeting.says(0, 10) >= 9);
        assert_eq!(meeting.bridge.failed, None);
    }
}

#[test]
fn a_hold_without_an_address_is_no_other_handshake() {
    let agreed = described();
    let mut meeting = Meeting::new(&[ALICE]);
    meeting.agree(0, &agreed);
    meeting.run(Duration::from_secs(1));
    let held = Negotiated {
        direction: Direction::Inactive,
        ..secured(address("0.0.0.0:4000"), &agreed[0])
    };
    meeting.bridge.agree(meeting.now, 0, &held);
    meeting.run(Duration::from_secs(40));
    assert_eq!(meeting.bridge.failed, None);
    let resumed = secured(address(ALICE), &agreed[0]);
    meeting.bridge.agree(meeting.now, 0, &resumed);
    assert_eq!(meeting.says(0, 10), 10);
}

#[test]
fn a_far_end_that_answers_no_checks_gets_nothing_and_fails() {
    let mut meeting = Meeting::new(&[ALICE]);
    meeting.agree(0, &checked(ALICE, &IceCredentials::random(), false));
    meeting.run(Duration::from_secs(2));
    assert!(meeting.bridge.leg.sends());
    meeting.cut = true;
    meeting.run(Duration::from_secs(31));
    assert!(!meeting.bridge.leg.sends(), "consent has run out");
    meeting.run(Duration::from_secs(25));
    let reason = meeting.bridge.failed.take().unwrap();
    assert!(reason.contains("stopped answering"), "{reason}");
}

#[test]
fn whoever_was_agreed_with_last_is_heard_and_the_first_again() {
    let mut meeting = Meeting::new(&[ALICE, CAROL]);
    // One offer, so one pair of credentials of ours.
    let ours = IceCredentials::random();
    let of_alice = checked(ALICE, &ours, false);
    let of_carol = checked(CAROL, &ours, false);
    meeting.agree(0, &of_alice);
    meeting.run(Duration::from_secs(2));
    assert_eq!(meeting.says(0, 10), 10);
    meeting.agree(1, &of_carol);
    meeting.run(Duration::from_secs(2));
    // A stray packet must not end a stream: the second one counts.
    assert!(meeting.says(1, 10) >= 9);
    assert_eq!(meeting.says(0, 10), 0, "not heard any more");
    // Alice picks up: no other handshake is made.
    meeting
        .bridge
        .agree(meeting.now, 0, &secured(address(ALICE), &of_alice[0]));
    assert!(meeting.says(0, 10) >= 9);
    assert_eq!(meeting.bridge.leg.stats().remote, Some(address(ALICE)));
}
