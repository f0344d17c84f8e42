// SPDX-License-Identifier: MPL-2.0
//! Both ends of a dialog, from first offer to the last re-offer.

use super::*;

fn pair(caller: &LocalMedia, callee: &LocalMedia) -> (Negotiated, Negotiated, Vec<u8>, Vec<u8>) {
    let offered = offer(caller);
    let (answered, at_callee) = answer(callee, &offered).unwrap();
    let at_caller = accept_answer(caller, &offered, &answered).unwrap();
    (at_caller, at_callee, offered, answered)
}

fn other() -> LocalMedia {
    LocalMedia::new(
        "203.0.113.5".parse().unwrap(),
        20_000,
        vec![Codec::Pcmu, Codec::Opus],
    )
}

#[test]
fn both_ends_agree() {
    let (at_caller, at_callee, ..) = pair(&local(), &other());
    assert_eq!(at_caller.codec, Codec::Opus);
    assert_eq!(at_callee.codec, Codec::Opus);
    assert_eq!(at_caller.remote_rtp, "203.0.113.5:20000".parse().unwrap());
    assert!(at_caller.rtcp_mux && at_callee.rtcp_mux);
    assert_eq!(at_caller.remote_rtcp, at_caller.remote_rtp);
    assert_eq!(at_callee.remote_rtp, "198.51.100.1:10000".parse().unwrap());
    assert_eq!(at_caller.telephone_event_send, Some((110, 48_000)));
    assert_eq!(
        at_callee.telephone_event_receive,
        [(101, 8_000), (110, 48_000)]
    );
    assert!(at_caller.opus_fmtp.use_inband_fec);
    assert_eq!(at_callee.receive, [(111, Codec::Opus), (0, Codec::Pcmu)]);
}

#[test]
fn each_side_sends_with_the_others_numbers() {
    let offered = offer(&local());
    let answered = with_media(&[
        "m=audio 4000 RTP/AVP 96 97",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:97 telephone-event/48000",
    ]);
    let agreed = accept_answer(&local(), &offered, &answered).unwrap();
    assert_eq!(agreed.send_pt, 96);
    assert_eq!(agreed.receive.first(), Some(&(111, Codec::Opus)));
    assert_eq!(agreed.telephone_event_send, Some((97, 48_000)));
    assert!(agreed.telephone_event_receive.contains(&(110, 48_000)));
}

#[test]
fn an_answer_without_rtpmap_means_our_numbers() {
    let answered = with_media(&["m=audio 4000 RTP/AVP 111 110"]);
    let agreed = accept_answer(&local(), &offer(&local()), &answered).unwrap();
    assert_eq!((agreed.codec, agreed.send_pt), (Codec::Opus, 111));
    assert_eq!(agreed.telephone_event_send, Some((110, 48_000)));
}

#[test]
fn the_first_codec_of_the_answer_is_sent() {
    let answered = with_media(&["m=audio 4000 RTP/AVP 0 8"]);
    let agreed = accept_answer(&local(), &offer(&local()), &answered).unwrap();
    assert_eq!(agreed.codec, Codec::Pcmu);
    assert_eq!(agreed.receive.first(), Some(&(0, Codec::Pcmu)));
    assert_eq!(
        agreed.receive.len(),
        3,
        "until then the others may still come"
    );
}

#[test]
fn answers_that_do_not_fit_are_refused() {
    let offered = offer(&local());
    let rows: &[(&[&str], &str)] = &[
        (&[], "no m= line"),
        (&["m=audio 0 RTP/AVP 0"], "port 0"),
        (&["m=video 4000 RTP/AVP 96"], "m= line 1 is not our audio"),
        (&["m=audio 4000 RTP/AVP 18"], "no common codec"),
        (&["m=audio 4000 RTP/SAVP 0"], "RTP/SAVP"),
        (
            &["m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:db8::1"],
            "IP versions",
        ),
    ];
    for (media, sentence) in rows {
        let error = accept_answer(&local(), &offered, &with_media(media)).unwrap_err();
        assert!(error.to_string().contains(sentence), "{error}");
    }
}

#[test]
fn hold_and_resume_keep_session_and_numbers() {
    let mut caller = local();
    let mut callee = other();
    let (_, _, _, answered) = pair(&caller, &callee);

    // The callee, whose last description was an answer, holds the caller with music.
    callee.direction = Direction::SendOnly;
    callee.session = callee.session.next();
    let hold = reoffer(&callee, &answered);
    assert_eq!(
        lines_starting(&hold, "m="),
        ["m=audio 20000 RTP/AVP 0 111 13 101 110"]
    );
    caller.session = caller.session.next();
    let (held, at_caller) = answer(&caller, &hold).unwrap();
    let at_callee = accept_answer(&callee, &hold, &held).unwrap();
    assert_eq!(at_caller.direction, Direction::RecvOnly);
    assert_eq!(at_callee.direction, Direction::SendOnly);
    assert_eq!(lines_starting(&held, "o="), ["o=- 7 2 IN IP4 198.51.100.1"]);

    callee.direction = Direction::SendRecv;
    callee.session = callee.session.next();
    let resume = reoffer(&callee, &hold);
    caller.session = caller.session.next();
    let (resumed, at_caller) = answer(&caller, &resume).unwrap();
    assert_eq!(at_caller.direction, Direction::SendRecv);
    assert_eq!(
        lines_starting(&resumed, "o="),
        ["o=- 7 3 IN IP4 198.51.100.1"]
    );
    assert_ne!(lines_starting(&hold, "o="), lines_starting(&resume, "o="));
}

#[test]
fn a_held_side_that_holds_too_leaves_nothing_flowing() {
    let caller = LocalMedia {
        direction: Direction::SendOnly,
        ..local()
    };
    let callee = LocalMedia {
        direction: Direction::SendOnly,
        ..other()
    };
    let (at_caller, at_callee, ..) = pair(&caller, &callee);
    assert_eq!(at_caller.direction, Direction::Inactive);
    assert_eq!(at_callee.direction, Direction::Inactive);
}

#[test]
fn media_moves_with_a_reoffer() {
    let (_, at_callee, offered, _) = pair(&local(), &other());
    assert_eq!(at_callee.remote_rtp.port(), 10_000);
    let moved = LocalMedia {
        address: "198.51.100.99".parse().unwrap(),
        rtp_port: 12_000,
        session: local().session.next(),
        ..local()
    };
    let (_, at_callee) = answer(&other(), &reoffer(&moved, &offered)).unwrap();
    assert_eq!(at_callee.remote_rtp, "198.51.100.99:12000".parse().unwrap());
}

#[test]
fn a_reoffer_changes_the_codec() {
    let (at_caller, _, offered, _) = pair(&local(), &other());
    assert_eq!(at_caller.codec, Codec::Opus);
    let narrow = LocalMedia {
        codecs: vec![Codec::Pcmu],
        ..local()
    };
    let again = reoffer(&narrow, &offered);
    assert_eq!(
        lines_starting(&again, "m="),
        ["m=audio 10000 RTP/AVP 0 13 101"]
    );
    let (_, at_callee) = answer(&other(), &again).unwrap();
    assert_eq!(at_callee.codec, Codec::Pcmu);
    assert_eq!(at_callee.telephone_event_send, Some((101, 8_000)));
}

#[test]
fn a_reoffer_keeps_every_line_and_the_meaning_of_every_number() {
    // We answered this: video declined, and 111 and 101 the other way round from ours.
    let first = with_media(&[
        "m=video 4002 RTP/AVP 96",
        "m=audio 4000 RTP/AVP 101 111",
        "a=rtpmap:101 opus/48000/2",
        "a=rtpmap:111 telephone-event/48000",
    ]);
    let (answered, _) = answer(&local(), &first).unwrap();
    let again = reoffer(&local(), &answered);
    assert_eq!(
        lines_starting(&again, "m="),
        [
            "m=video 0 RTP/AVP 96",
            "m=audio 10000 RTP/AVP 101 8 0 13 96 111"
        ]
    );
    for line in [
        "a=rtpmap:101 opus/48000/2",
        "a=rtpmap:111 telephone-event/48000",
        "a=rtpmap:96 telephone-event/8000",
    ] {
        assert!(text(&again).contains(line), "{line}");
    }
    let answer_to_it = with_media(&["m=video 0 RTP/AVP 96", "m=audio 4000 RTP/AVP 101"]);
    let agreed = accept_answer(&local(), &again, &answer_to_it).unwrap();
    assert_eq!((agreed.codec, agreed.send_pt), (Codec::Opus, 101));
}

#[test]
fn a_reoffer_after_something_unreadable_starts_afresh() {
    assert_eq!(reoffer(&local(), b"\xff"), offer(&local()));
    let no_audio = with_media(&["m=video 0 RTP/AVP 96"]);
    assert_eq!(lines_starting(&reoffer(&local(), &no_audio), "m=").len(), 2);
}

#[test]
fn a_delayed_offer_is_our_offer_and_their_answer() {
    // INVITE without SDP: the 200 carries our offer, the ACK their answer (RFC 3261 section 13.2.1).
    let ours = offer(&local());
    let theirs = with_media(&[
        "m=audio 4000 RTP/AVP 8 101",
        "a=rtpmap:101 telephone-event/8000",
    ]);
    let agreed = accept_answer(&local(), &ours, &theirs).unwrap();
    assert_eq!(agreed.codec, Codec::Pcma);
    assert_eq!(agreed.telephone_event_send, Some((101, 8_000)));
}
