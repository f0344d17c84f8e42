// SPDX-License-Identifier: MPL-2.0
//! SRTP on the line: a call sounds as it does without, and nobody else can have a part in it.

use sip_ua::sdp::{MasterKey, SrtpKeys, Suite};

use super::*;

/// Keys of the far end and of ours, as Alice has them and as Bob has them.
fn keys(suite: Suite) -> (SrtpKeys, SrtpKeys) {
    let (alices, bobs) = (MasterKey::random(suite), MasterKey::random(suite));
    let at_alice = SrtpKeys {
        send: alices.clone(),
        receive: bobs.clone(),
    };
    let at_bob = SrtpKeys {
        send: bobs,
        receive: alices,
    };
    (at_alice, at_bob)
}

impl Story {
    /// Puts keys into force on both sides.
    fn agree(&mut self, (at_alice, at_bob): &(SrtpKeys, SrtpKeys)) {
        let with = |with: &str, keys: &SrtpKeys| Negotiated {
            srtp: Some(keys.clone()),
            ..agreement(with, Codec::Pcmu)
        };
        self.alice.apply(self.now, &with(BOB, at_alice));
        self.negotiated = with(ALICE, at_bob);
        self.bob.apply(self.now, &self.negotiated);
    }

    fn encrypted(line: Line, suite: Suite) -> Story {
        let mut story = Story::new(line);
        story.agree(&keys(suite));
        story
    }
}

#[test]
fn a_bad_line_is_heard_as_without() {
    let line = || Line {
        jitter: 30 * MS,
        doubled_percent: 5,
        reorders: true,
        ..Line::lossy(3)
    };
    let mut plain = Story::new(line());
    plain.run(Duration::from_secs(30));
    for suite in Suite::ALL {
        let mut story = Story::encrypted(line(), suite);
        story.run(Duration::from_secs(30));
        assert_eq!(story.heard, plain.heard, "{suite}");
        let stats = story.bob.stats();
        assert_eq!(stats.forged + stats.malformed, 0);
        assert!(stats.replayed > 40, "the doubled ones: {}", stats.replayed);
        assert_eq!(stats.srtp_suite, Some(suite));
    }
}

#[test]
fn nothing_can_be_read_on_the_line() {
    for suite in Suite::ALL {
        let mut story = Story::encrypted(Line::clean(), suite);
        for _ in 0..100 {
            let datagram = story.alice.send_audio(&[0x7f; 160], 160).unwrap();
            let payload = &datagram.bytes[12..];
            assert!(payload.windows(4).all(|bytes| bytes != [0x7f; 4]));
        }
        let report = story.alice.goodbye(story.now).unwrap().bytes.to_vec();
        assert!(!report.windows(5).any(|bytes| bytes == b"leg-1"));
    }
}

#[test]
fn reports_go_both_ways() {
    for suite in Suite::ALL {
        let Story {
            mut now,
            mut alice,
            mut bob,
            ..
        } = Story::encrypted(Line::clean(), suite);
        for _ in 0..1_000 {
            now += 20 * MS;
            let said = alice.send_audio(&[0; 160], 160).unwrap().bytes.to_vec();
            bob.receive_rtp(now, address(ALICE), &said);
            let answer = bob.send_audio(&[0; 160], 160).unwrap().bytes.to_vec();
            alice.receive_rtp(now, address(BOB), &answer);
            if let Some(report) = alice.timeout(now) {
                let report = report.bytes.to_vec();
                bob.receive_rtcp(now, address("192.0.2.1:4001"), &report);
            }
            if let Some(report) = bob.timeout(now) {
                let report = report.bytes.to_vec();
                // On the port of RTP: RFC 5761's way, which some use unasked.
                alice.receive_rtp(now, address(BOB), &report);
            }
        }
        for leg in [&alice, &bob] {
            let stats = leg.stats();
            assert!(stats.round_trip.is_some(), "{suite}");
            assert_eq!(stats.forged + stats.malformed + stats.foreign, 0);
        }
    }
}

#[test]
fn forged_changed_repeated_and_plain_packets_do_no_harm() {
    let mut story = Story::encrypted(Line::clean(), Suite::AesCm128HmacSha1Tag80);
    let mut attacker = leg(story.now, 666, MS);
    attacker.apply(
        story.now,
        &Negotiated {
            srtp: Some(keys(Suite::AesCm128HmacSha1Tag80).0),
            ..agreement(BOB, Codec::Pcmu)
        },
    );
    let mut plain = leg(story.now, 667, MS);
    plain.apply(story.now, &agreement(BOB, Codec::Pcmu));
    story.run(Duration::from_secs(1));
    story.chapter();
    let before = story.bob.stats();
    let mut injected = 0;
    let mut recorded: Vec<Vec<u8>> = Vec::new();
    for round in 0..200 {
        recorded.extend(story.on_the_way.values().cloned());
        let now = story.now;
        let mut inject = |bytes: &[u8]| story.bob.receive_rtp(now, address(ALICE), bytes);
        inject(attacker.send_audio(&[9; 160], 160).unwrap().bytes);
        inject(plain.send_audio(&[9; 160], 160).unwrap().bytes);
        injected += 2;
        if let Some(mut packet) = recorded.last().cloned() {
            let at = round % packet.len();
            packet[at] ^= 0x40;
            inject(&packet);
            injected += 1;
        }
        // The window holds 128 packets; these are in it or before it.
        if round >= 20 {
            inject(&recorded[round / 2]);
            injected += 1;
        }
        story.run(20 * MS);
    }
    let stats = story.bob.stats();
    assert_eq!(story.lost() + story.silent(), 0);
    assert!(rising(&story.numbers()));
    let refused = |stats: &LegStats| stats.forged + stats.replayed + stats.malformed;
    assert_eq!(refused(&stats) - refused(&before), injected);
    assert!(stats.forged >= 400 && stats.replayed > 180);
    assert_eq!(stats.packets_received - before.packets_received, 200);
    assert_eq!(stats.foreign, 0);
}

#[test]
fn another_key_is_silence_and_is_counted() {
    let mut story = Story::new(Line::clean());
    let (at_alice, _) = keys(Suite::AeadAes128Gcm);
    let (_, at_bob) = keys(Suite::AeadAes128Gcm);
    story.agree(&(at_alice, at_bob));
    story.run(Duration::from_secs(5));
    assert!(story.numbers().is_empty());
    let stats = story.bob.stats();
    assert!((245..=250).contains(&stats.forged), "{}", stats.forged);
    assert_eq!(stats.packets_received, 0);
    assert_eq!(wrong_keys(&mut story), 1, "told once");
}

fn wrong_keys(story: &mut Story) -> usize {
    let events = std::iter::from_fn(|| story.bob.poll_event());
    story.events.extend(events);
    let wrong = |event: &&LegEvent| matches!(event, LegEvent::WrongKey(_));
    story.events.iter().filter(wrong).count()
}

#[test]
fn a_stranger_does_not_make_a_key_wrong() {
    let mut attacker = leg(Instant::now(), 666, MS);
    let (ours, _) = keys(Suite::AesCm128HmacSha1Tag80);
    let secured = Negotiated {
        srtp: Some(ours),
        ..agreement(BOB, Codec::Pcmu)
    };
    attacker.apply(Instant::now(), &secured);
    // From elsewhere while Alice is silent, and from her address once she has spoken.
    for (spoken, from) in [(false, "192.0.2.66:6"), (true, ALICE)] {
        let mut story = Story::new(Line::clean());
        story.agree(&keys(Suite::AesCm128HmacSha1Tag80));
        if spoken {
            story.run(Duration::from_secs(1));
        }
        for _ in 0..500 {
            let forged = attacker.send_audio(&[9; 160], 160).unwrap().bytes.to_vec();
            story.bob.receive_rtp(story.now, address(from), &forged);
            story.now += 20 * MS;
        }
        assert!(story.bob.stats().forged >= 500);
        assert_eq!(wrong_keys(&mut story), 0, "{from}");
    }
}

#[test]
fn the_rest_of_a_former_key_is_forgiven() {
    let mut story = Story::new(Line::clean());
    let (at_alice, _) = keys(Suite::AesCm128HmacSha1Tag80);
    let (_, at_bob) = keys(Suite::AesCm128HmacSha1Tag80);
    story.agree(&(at_alice, at_bob));
    story.run(Duration::from_millis(2_900));
    story.agree(&keys(Suite::AesCm128HmacSha1Tag80));
    story.run(Duration::from_secs(10));
    assert_eq!(wrong_keys(&mut story), 0);
}

#[test]
fn hold_and_a_repeated_agreement_keep_counters() {
    let mut story = Story::new(Line::clean());
    let both = keys(Suite::AesCm128HmacSha1Tag32);
    story.agree(&both);
    for _ in 0..5 {
        // Past a wrap, which a counter begun anew would not survive.
        story.run(Duration::from_secs(2));
        story.agree(&both);
    }
    assert_eq!(story.lost(), 0);
    assert_eq!(story.bob.stats().forged, 0);
    let ssrc = |datagram: Datagram<'_>| datagram.bytes[8..12].to_vec();
    assert_eq!(
        ssrc(story.alice.send_audio(&[0; 160], 160).unwrap()),
        [0, 0, 0, 1]
    );
}

#[test]
fn another_key_during_the_call_is_hardly_heard() {
    let mut story = Story::encrypted(
        Line {
            delay: 80 * MS,
            ..Line::clean()
        },
        Suite::AesCm128HmacSha1Tag80,
    );
    story.run(Duration::from_secs(3));
    for suite in Suite::ALL {
        story.chapter();
        let before = story.bob.stats();
        story.agree(&keys(suite));
        story.run(Duration::from_secs(3));
        // What is on the way still counts; then the stream begins anew with another SSRC, of which the
        // first packet could be a stray.
        let stats = story.bob.stats();
        assert_eq!(stats.forged, before.forged, "{suite}");
        assert!(rising(&story.numbers()));
        let missing = story.lost() + story.silent();
        assert!(missing <= 4, "{missing} packet times at {suite}");
        assert_eq!(stats.srtp_suite, Some(suite));
    }
}

#[test]
fn no_key_meets_a_counter_twice() {
    let mut story = Story::new(Line::clean());
    let both = keys(Suite::AesCm128HmacSha1Tag80);
    let mut ssrcs = Vec::new();
    for _ in 0..3 {
        story.agree(&both);
        story.run(Duration::from_secs(1));
        let sent = story.alice.send_audio(&[0; 160], 160).unwrap();
        ssrcs.push(sent.bytes[8..12].to_vec());
        // A re-offer without keys, and then with the same again: counters began anew.
        story.alice.apply(story.now, &agreement(BOB, Codec::Pcmu));
        story.bob.apply(story.now, &agreement(ALICE, Codec::Pcmu));
        story.run(Duration::from_secs(1));
    }
    ssrcs.sort();
    ssrcs.dedup();
    assert_eq!(ssrcs.len(), 3);
}
