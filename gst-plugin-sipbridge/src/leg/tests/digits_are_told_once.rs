// SPDX-License-Identifier: MPL-2.0
//! RFC 4733 both ways: each digit once, whatever the line does, with its length.

use super::*;

#[test]
fn a_number_is_dialled_over_a_bad_line() {
    let mut story = Story::new(Line {
        jitter: 15 * MS,
        reorders: true,
        doubled_percent: 20,
        loss_percent: 5,
        ..Line::clean()
    });
    story.run(Duration::from_secs(1));
    story.alice.queue_digits("0123456789*#ABCD", 120).unwrap();
    story.run(Duration::from_secs(6));
    let digits: String = story.digits().iter().map(|(digit, _)| *digit).collect();
    assert_eq!(digits, "0123456789*#ABCD");
    assert!(story.digits().iter().all(|(_, ms)| (80..=120).contains(ms)));
}

#[test]
fn its_length_is_exact_on_a_clean_line() {
    let mut story = Story::new(Line::clean());
    story.alice.queue_digits("5", 100).unwrap();
    story.alice.queue_digits("5", 250).unwrap();
    story.run(Duration::from_secs(1));
    assert_eq!(story.digits(), [('5', 100), ('5', 250)]);
}

#[test]
fn audio_goes_on_after_a_digit_as_if_nothing_was_lost() {
    let mut story = Story::new(Line::clean());
    story.run(Duration::from_secs(1));
    story.alice.queue_digits("7", 200).unwrap();
    story.run(Duration::from_secs(1));
    assert_eq!(story.digits(), [('7', 200)]);
    assert!(rising(&story.numbers()));
    assert_eq!(story.bob.stats().lost, 0);
    assert!(story.lost() <= 2, "{}", story.lost());
}

#[test]
fn a_digit_whose_end_was_lost_is_told_after_a_moment() {
    let mut story = Story::new(Line::clean());
    story.alice.queue_digits("9", 400).unwrap();
    story.run(Duration::from_millis(300));
    story.line.loss_percent = 100;
    story.run(Duration::from_millis(200));
    story.line.loss_percent = 0;
    assert!(story.digits().is_empty());
    story.run(Duration::from_millis(300));
    let [(digit, ms)] = story.digits()[..] else {
        panic!("{:?}", story.digits());
    };
    assert_eq!(digit, '9');
    assert!((250..=320).contains(&ms), "{ms}");
}

#[test]
fn a_long_digit_goes_on_past_what_16_bits_can_say() {
    let mut story = Story::new(Line::clean());
    let now = story.now;
    story.alice.apply(now, &agreement(BOB, Codec::Pcmu));
    // At 48 kHz one segment holds 1.365 s.
    let mut sender = DigitSender::default();
    sender.queue("4", 3_000).unwrap();
    let mut receiver = DigitReceiver::default();
    let mut heard = Vec::new();
    let mut timestamp = 1_000u32;
    while !sender.is_idle() {
        let packet = sender.step(timestamp, 960, 48_000).unwrap();
        heard.extend(receiver.receive(now, packet.timestamp, 48_000, &packet.payload));
        timestamp += 960;
    }
    let [
        Heard {
            digit: '4',
            duration_ms,
        },
    ] = heard[..]
    else {
        panic!("{heard:?}");
    };
    assert_eq!(duration_ms, 3_000);
}

#[test]
fn packets_of_a_digit_are_as_the_rfc_has_them() {
    let now = Instant::now();
    let mut leg = leg(now, 1, 60 * MS);
    leg.apply(now, &agreement(BOB, Codec::Pcmu));
    leg.queue_digits("#", 60).unwrap();
    let mut seen = Vec::new();
    while let Some(datagram) = leg.send_digit(160) {
        let packet = RtpPacket::parse(datagram.bytes).unwrap();
        assert_eq!(packet.payload_type(), 101);
        seen.push((
            packet.timestamp(),
            packet.marker_bit(),
            packet.payload().to_vec(),
        ));
    }
    let begin = u32::MAX - 8_000;
    let expected = [
        (begin, true, vec![11, 10, 0, 160]),
        (begin, false, vec![11, 10, 1, 64]),
        (begin, false, vec![11, 0x8a, 1, 224]),
        (begin, false, vec![11, 0x8a, 1, 224]),
        (begin, false, vec![11, 0x8a, 1, 224]),
    ];
    assert_eq!(seen, expected);
    assert_eq!(leg.poll_event(), Some(LegEvent::Sending));
    assert_eq!(leg.poll_event(), Some(LegEvent::DigitsSent));
    // The next audio packet's timestamp counts the digit's packets.
    let audio = leg.send_audio(&[0; 160], 160).unwrap().bytes.to_vec();
    let audio = RtpPacket::parse(&audio).unwrap();
    assert_eq!(audio.timestamp(), begin.wrapping_add(5 * 160));
    assert!(audio.marker_bit());
}

#[test]
fn digits_need_an_agreement() {
    let now = Instant::now();
    let mut leg = leg(now, 1, 60 * MS);
    assert_eq!(leg.queue_digits("1", 100), Err(DigitsError::NotNegotiated));
    let mut agreed = agreement(BOB, Codec::Pcmu);
    agreed.telephone_event_send = None;
    leg.apply(now, &agreed);
    assert_eq!(leg.queue_digits("1", 100), Err(DigitsError::NotNegotiated));
}
