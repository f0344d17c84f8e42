// SPDX-License-Identifier: MPL-2.0
//! What each side is told, and what is agreed on.

use super::*;

#[test]
fn each_side_sees_the_bridge_and_not_the_other() {
    let mut story = Story::plain(&[Codec::Pcma], &[Codec::Pcma]);
    let agreed = story.call();
    for (description, port) in [(&agreed.offer, 7000), (&agreed.answer, 6000)] {
        let said = text(description);
        assert!(said.contains("192.0.2.9"), "{said}");
        assert!(!said.contains("198.51.100.1"), "{said}");
        assert!(lines(description, "m=audio")[0].contains(&port.to_string()));
    }
    let [a, b] = &agreed.bridge;
    assert_eq!(a.remote_rtp.port(), 4000);
    assert_eq!(b.remote_rtp.port(), 5000);
    assert_eq!(agreed.alice.remote_rtp.port(), 6000);
    assert_eq!(agreed.bob.remote_rtp.port(), 7000);
    assert_eq!(story.exchange.tag(Side::A), Some("alice"));
    assert_eq!(story.exchange.tag(Side::B), Some("bob"));
}

#[test]
fn the_callers_codecs_come_first_and_what_was_chosen_passes() {
    let mut story = Story::plain(&[Codec::Pcma, Codec::Opus], &[Codec::Opus]);
    let agreed = story.call();
    assert_eq!(
        lines(&agreed.offer, "a=rtpmap:8 "),
        ["a=rtpmap:8 PCMA/8000"]
    );
    assert!(lines(&agreed.offer, "m=audio")[0].starts_with("m=audio 7000 RTP/AVP 8 111 9 0"));
    let [a, b] = &agreed.bridge;
    assert_eq!((a.codec, b.codec), (Codec::Opus, Codec::Opus));
    assert_eq!(agreed.alice.codec, Codec::Opus);
}

#[test]
fn codecs_that_differ_are_transcoded() {
    let mut story = Story::plain(&[Codec::Pcmu], &[Codec::Opus]);
    let agreed = story.call();
    let [a, b] = &agreed.bridge;
    assert_eq!((a.codec, b.codec), (Codec::Pcmu, Codec::Opus));
    // Digits cross at each side's own clock rate.
    assert_eq!(a.telephone_event_send.map(|(_, hz)| hz), Some(8_000));
    assert_eq!(b.telephone_event_send.map(|(_, hz)| hz), Some(48_000));
}

#[test]
fn a_side_is_offered_the_codecs_that_it_may_speak_in_their_order() {
    let mut config = config();
    config.sides[1].codecs = Some(vec![Codec::G722, Codec::Pcma]);
    let (alice, bob) = (
        Phone::new(4000, &[Codec::Pcmu, Codec::Pcma]),
        Phone::new(5000, &Codec::ALL),
    );
    let mut story = Story::new(config.clone(), alice, bob);
    let agreed = story.call();
    assert!(lines(&agreed.offer, "m=audio")[0].starts_with("m=audio 7000 RTP/AVP 9 8 "));
    assert_eq!(agreed.bob.codec, Codec::G722);
    assert_eq!(agreed.alice.codec, Codec::Pcmu, "what she likes best");

    // Without transcoding it is a filter.
    config.transcode = false;
    let (alice, bob) = (
        Phone::new(4000, &[Codec::Pcmu, Codec::Pcma]),
        Phone::new(5000, &Codec::ALL),
    );
    let agreed = Story::new(config, alice, bob).call();
    assert_eq!(
        (agreed.alice.codec, agreed.bob.codec),
        (Codec::Pcma, Codec::Pcma)
    );
}

#[test]
fn keys_are_each_sides_own() {
    let mut config = config();
    config.sides[0].srtp = SrtpPolicy::Required;
    let alice = Phone::secure(4000, &[Codec::Pcma]);
    let mut story = Story::new(config, alice, Phone::new(5000, &[Codec::Pcma]));
    let agreed = story.call();
    assert_eq!(lines(&agreed.offer, "a=crypto"), Vec::<&str>::new());
    assert!(lines(&agreed.offer, "m=audio")[0].contains(" RTP/AVP "));
    let [a, b] = &agreed.bridge;
    let (ours, theirs) = (
        a.srtp.as_ref().unwrap(),
        agreed.alice.srtp.as_ref().unwrap(),
    );
    assert_eq!((&ours.send, &ours.receive), (&theirs.receive, &theirs.send));
    assert_eq!(b.srtp, None);
}

#[test]
fn profiles_with_feedback_are_offered_and_taken() {
    for (secure, profile) in [(false, "RTP/AVPF"), (true, "RTP/SAVPF")] {
        let mut config = config();
        config.sides[1].feedback = true;
        let mut bob = Phone::new(5000, &[Codec::Pcma]);
        if secure {
            config.sides[1].srtp = SrtpPolicy::Required;
            bob = Phone::secure(5000, &[Codec::Pcma]);
        }
        let mut alice = Phone::new(4000, &[Codec::Pcma]);
        alice.local.feedback = true;
        let agreed = Story::new(config, alice, bob).call();
        let offered = lines(&agreed.offer, "m=audio")[0];
        assert!(offered.contains(&format!(" {profile} ")), "{offered}");
        // Alice is answered in the profile that she offered.
        assert!(lines(&agreed.answer, "m=audio")[0].contains(" RTP/AVPF "));
        assert_eq!(agreed.bridge[1].srtp.is_some(), secure);
    }
}

#[test]
fn ports_are_shared_with_rtcp_where_that_side_does() {
    let mut config = config();
    config.sides[1].rtcp_mux = false;
    let (alice, bob) = (
        Phone::new(4000, &[Codec::Pcma]),
        Phone::new(5000, &[Codec::Pcma]),
    );
    let agreed = Story::new(config, alice, bob).call();
    assert_eq!(agreed.bridge.map(|side| side.rtcp_mux), [true, false]);
    assert_eq!((agreed.alice.rtcp_mux, agreed.bob.rtcp_mux), (true, false));
}

#[test]
fn one_speaks_ipv4_and_the_other_ipv6() {
    let mut config = config();
    config.sides[1].reached_at = SocketAddr::new(ip("2001:db8::9"), 7000);
    let mut bob = Phone::new(5000, &[Codec::Pcma]);
    bob.local.address = ip("2001:db8::2");
    let alice = Phone::new(4000, &[Codec::Pcma]);
    let agreed = Story::new(config, alice, bob).call();
    let [a, b] = &agreed.bridge;
    assert!(a.remote_rtp.is_ipv4() && b.remote_rtp.is_ipv6());
}

#[test]
fn digits_are_not_asked_for_where_they_could_not_go_on() {
    let (mut alice, mut bob) = (
        Phone::new(4000, &[Codec::Pcma]),
        Phone::new(5000, &[Codec::Pcma]),
    );
    bob.local.telephone_event = false;
    bob.local.comfort_noise = false;
    let agreed = Story::new(config(), alice, bob).call();
    assert_eq!(agreed.alice.telephone_event_send, None);
    assert_eq!(agreed.alice.comfort_noise_send, None);

    alice = Phone::new(4000, &[Codec::Pcma]);
    alice.local.telephone_event = false;
    let bob = Phone::new(5000, &[Codec::Pcma]);
    let agreed = Story::new(config(), alice, bob).call();
    assert_eq!(lines(&agreed.offer, "a=rtpmap:101"), Vec::<&str>::new());
}

#[test]
fn packet_times_cross_or_are_what_that_side_is_set_to() {
    let mut alice = Phone::new(4000, &[Codec::Pcma]);
    alice.local.ptime_ms = 40;
    let agreed = Story::new(config(), alice, Phone::new(5000, &[Codec::Pcma])).call();
    assert_eq!(lines(&agreed.offer, "a=ptime"), ["a=ptime:40"]);
    assert_eq!(agreed.bob.ptime_ms, 40);

    let mut config = config();
    config.sides[1].ptime_ms = Some(30);
    let (alice, bob) = (
        Phone::new(4000, &[Codec::Pcma]),
        Phone::new(5000, &[Codec::Pcma]),
    );
    let agreed = Story::new(config, alice, bob).call();
    assert_eq!(agreed.bob.ptime_ms, 30);
}

#[test]
fn parameters_of_opus_cross_where_it_passes() {
    let stereo = OpusFmtp {
        stereo: true,
        max_average_bitrate: Some(96_000),
        ..OpusFmtp::default()
    };
    let mut alice = Phone::new(4000, &[Codec::Pcmu, Codec::Opus]);
    alice.local.opus_fmtp = stereo;
    let mut bob = Phone::new(5000, &[Codec::Opus]);
    bob.local.opus_fmtp.use_dtx = true;
    let agreed = Story::new(config(), alice, bob).call();
    assert_eq!(agreed.bob.opus_fmtp, stereo);
    assert!(agreed.alice.opus_fmtp.use_dtx && agreed.alice.opus_fmtp.use_inband_fec);

    // Transcoded audio is mono.
    let mut alice = Phone::new(4000, &[Codec::Opus]);
    alice.local.opus_fmtp = stereo;
    let agreed = Story::new(config(), alice, Phone::new(5000, &[Codec::Pcmu])).call();
    assert_eq!(agreed.alice.opus_fmtp, OpusFmtp::OURS);
}

#[test]
fn the_session_has_the_name_that_it_is_given() {
    let config = ExchangeConfig {
        name: "calls of example.com".to_owned(),
        ..config()
    };
    let (alice, bob) = (
        Phone::new(4000, &[Codec::Pcma]),
        Phone::new(5000, &[Codec::Pcma]),
    );
    let agreed = Story::new(config, alice, bob).call();
    for description in [&agreed.offer, &agreed.answer] {
        assert_eq!(lines(description, "s="), ["s=calls of example.com"]);
        assert!(lines(description, "o=")[0].starts_with("o=- "));
    }
}
