// SPDX-License-Identifier: MPL-2.0
//! Comfort noise (RFC 3389) is agreed on beside the codecs whose clock it shares.

use super::*;

#[test]
fn noise_goes_with_codecs_of_its_clock() {
    type Row = (
        &'static [&'static str],
        Option<u8>,
        &'static [u8],
        &'static str,
    );
    let rows: &[Row] = &[
        // A static number needs no rtpmap.
        (&["m=audio 4000 RTP/AVP 0 13"], Some(13), &[13], "0 13"),
        (
            &["m=audio 4000 RTP/AVP 8 97", "a=rtpmap:97 cn/8000"],
            Some(97),
            &[97],
            "8 97",
        ),
        (&["m=audio 4000 RTP/AVP 0"], None, &[], "0"),
        // Opus is silent in its own way.
        (
            &["m=audio 4000 RTP/AVP 96 13", "a=rtpmap:96 opus/48000/2"],
            None,
            &[],
            "96",
        ),
        // G.711 may still come in.
        (
            &["m=audio 4000 RTP/AVP 96 0 13", "a=rtpmap:96 opus/48000/2"],
            None,
            &[13],
            "96 0 13",
        ),
        // Noise of another clock.
        (
            &["m=audio 4000 RTP/AVP 0 98", "a=rtpmap:98 CN/16000"],
            None,
            &[],
            "0",
        ),
    ];
    for (media, send, receive, answered) in rows {
        let (body, agreed) = answer(&local(), &with_media(media)).unwrap();
        assert_eq!(agreed.comfort_noise_send, *send, "{media:?}");
        assert_eq!(agreed.comfort_noise_receive, *receive, "{media:?}");
        let line = format!("m=audio 10000 RTP/AVP {answered}");
        assert_eq!(lines_starting(&body, "m="), [line]);
        let without = LocalMedia {
            comfort_noise: false,
            ..local()
        };
        let (body, agreed) = answer(&without, &with_media(media)).unwrap();
        assert_eq!(agreed.comfort_noise_send, None);
        assert!(!text(&body).contains("CN/8000"));
    }
}

#[test]
fn noise_alone_is_no_call() {
    let offer = with_media(&["m=audio 4000 RTP/AVP 13"]);
    assert!(matches!(
        answer(&local(), &offer),
        Err(SdpError::NoCommonCodec { .. })
    ));
}

#[test]
fn an_answer_without_it_gets_none() {
    let ours = offer(&local());
    let without = with_media(&["m=audio 4000 RTP/AVP 0"]);
    let agreed = accept_answer(&local(), &ours, &without).unwrap();
    assert_eq!(agreed.comfort_noise_send, None);
    // We said that we take it.
    assert_eq!(agreed.comfort_noise_receive, [13]);
    let with = with_media(&["m=audio 4000 RTP/AVP 0 13"]);
    let agreed = accept_answer(&local(), &ours, &with).unwrap();
    assert_eq!(agreed.comfort_noise_send, Some(13));
}

#[test]
fn the_packet_time_is_ours_where_the_far_end_has_no_wish() {
    let ours = LocalMedia {
        ptime_ms: 40,
        ..local()
    };
    let answer_of = |lines: &[&str]| {
        let (_, agreed) = answer(&ours, &with_media(lines)).unwrap();
        agreed.ptime_ms
    };
    assert_eq!(answer_of(&["m=audio 4000 RTP/AVP 0"]), 40);
    assert_eq!(answer_of(&["m=audio 4000 RTP/AVP 0", "a=ptime:20"]), 20);
    assert_eq!(answer_of(&["m=audio 4000 RTP/AVP 0", "a=maxptime:30"]), 30);
}
