// SPDX-License-Identifier: MPL-2.0
//! One rule a row: what an offer says, and what we answer.

use super::*;

#[test]
fn our_offer_is_what_every_phone_reads() {
    let expected = sdp(&[
        "v=0",
        "o=- 7 1 IN IP4 198.51.100.1",
        "s=-",
        "c=IN IP4 198.51.100.1",
        "t=0 0",
        "m=audio 10000 RTP/AVP 111 8 0 13 101 110",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 useinbandfec=1",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:13 CN/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=rtpmap:110 telephone-event/48000",
        "a=fmtp:110 0-15",
        "a=ptime:20",
        "a=rtcp-mux",
        "a=sendrecv",
    ]);
    assert_eq!(text(&offer(&local())), text(&expected));
}

#[test]
fn an_offer_over_ipv6_says_so() {
    let local = LocalMedia::new("2001:db8::1".parse().unwrap(), 4_000, vec![Codec::Pcmu]);
    let offer = offer(&local);
    assert_eq!(lines_starting(&offer, "c="), ["c=IN IP6 2001:db8::1"]);
    assert_eq!(
        lines_starting(&offer, "m="),
        ["m=audio 4000 RTP/AVP 0 13 101"]
    );
}

#[test]
fn codecs_are_read_as_phones_write_them() {
    // media lines; the codec and number we send; what may come in.
    type Row = (&'static [&'static str], Codec, u8, &'static [(u8, Codec)]);
    let rows: &[Row] = &[
        // Static numbers need no rtpmap.
        (
            &["m=audio 4000 RTP/AVP 0"],
            Codec::Pcmu,
            0,
            &[(0, Codec::Pcmu)],
        ),
        // The offer's order decides, not ours.
        (
            &["m=audio 4000 RTP/AVP 0 8 96", "a=rtpmap:96 OPUS/48000/2"],
            Codec::Pcmu,
            0,
            &[(0, Codec::Pcmu), (8, Codec::Pcma), (96, Codec::Opus)],
        ),
        // What we do not know is passed over.
        (
            &["m=audio 4000 RTP/AVP 18 4 99 8", "a=rtpmap:99 speex/16000"],
            Codec::Pcma,
            8,
            &[(8, Codec::Pcma)],
        ),
        // G.711 at a dynamic number; one channel may be stated.
        (
            &["m=audio 4000 RTP/AVP 100", "a=rtpmap:100 pcmu/8000/1"],
            Codec::Pcmu,
            100,
            &[(100, Codec::Pcmu)],
        ),
        // The same name at another rate or with two channels is another codec.
        (
            &[
                "m=audio 4000 RTP/AVP 100 101 8",
                "a=rtpmap:100 PCMU/16000",
                "a=rtpmap:101 PCMA/8000/2",
            ],
            Codec::Pcma,
            8,
            &[(8, Codec::Pcma)],
        ),
        // Opus without its two channels, spaces around, a number twice, one out of range.
        (
            &[
                "m=audio  4000  RTP/AVP  97  97  300",
                "a=rtpmap:97 opus/48000 ",
            ],
            Codec::Opus,
            97,
            &[(97, Codec::Opus)],
        ),
        // A broken rtpmap costs its format only.
        (
            &[
                "m=audio 4000 RTP/AVP 97 0",
                "a=rtpmap:97 opus",
                "a=rtpmap:x y/1",
            ],
            Codec::Pcmu,
            0,
            &[(0, Codec::Pcmu)],
        ),
        // A port range is read as its first port.
        (
            &["m=audio 4000/2 RTP/AVP 8"],
            Codec::Pcma,
            8,
            &[(8, Codec::Pcma)],
        ),
        // RTP/AVPF without feedback is RTP/AVP.
        (
            &["m=audio 4000 RTP/AVPF 8"],
            Codec::Pcma,
            8,
            &[(8, Codec::Pcma)],
        ),
        // The second audio line, where the first shares no codec with us.
        (
            &["m=audio 4000 RTP/AVP 18", "m=audio 4000 RTP/AVP 8"],
            Codec::Pcma,
            8,
            &[(8, Codec::Pcma)],
        ),
    ];
    for (media, codec, pt, receive) in rows {
        let (_, agreed) = answer(&local(), &with_media(media)).unwrap();
        assert_eq!(agreed.codec, *codec, "{media:?}");
        assert_eq!(agreed.send_pt, *pt, "{media:?}");
        assert_eq!(agreed.receive, *receive, "{media:?}");
        assert_eq!(agreed.remote_rtp, "192.0.2.9:4000".parse().unwrap());
    }
}

#[test]
fn directions_are_answered_reversed() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    // session level, media level, what we want, what we do.
    let rows = [
        ("", "", SendRecv, SendRecv),
        ("", "a=sendrecv", SendRecv, SendRecv),
        ("", "a=sendonly", SendRecv, RecvOnly),
        ("", "a=recvonly", SendRecv, SendOnly),
        ("", "a=inactive", SendRecv, Inactive),
        ("a=sendonly", "", SendRecv, RecvOnly),
        ("a=sendonly", "a=sendrecv", SendRecv, SendRecv),
        ("", "a=SendOnly", SendRecv, RecvOnly),
        ("", "a=sendonly", SendOnly, Inactive),
        ("", "a=sendrecv", SendOnly, SendOnly),
        ("", "a=recvonly", RecvOnly, Inactive),
        // RFC 2543's hold, at the media's own c= line, IPv4 and IPv6.
        ("", "c=IN IP4 0.0.0.0", SendRecv, RecvOnly),
        ("", "c=IN IP6 ::", SendRecv, RecvOnly),
        ("a=recvonly", "c=IN IP4 0.0.0.0", SendRecv, Inactive),
        ("a=inactive", "c=IN IP4 0.0.0.0", SendRecv, Inactive),
    ];
    for (session, media, ours, expected) in rows {
        let offer = sdp(&[
            "v=0",
            "o=- 1 1 IN IP4 192.0.2.9",
            "s=-",
            "c=IN IP4 192.0.2.9",
            "t=0 0",
            if session.is_empty() {
                "a=tool:x"
            } else {
                session
            },
            "m=audio 4000 RTP/AVP 0",
            if media.is_empty() {
                "a=unheard-of:1"
            } else {
                media
            },
        ]);
        let local = LocalMedia {
            direction: ours,
            ..local()
        };
        let (body, agreed) = answer(&local, &offer).unwrap();
        assert_eq!(agreed.direction, expected, "{session} {media} {ours}");
        assert_eq!(
            lines_starting(&body, &format!("a={expected}")).len(),
            1,
            "{}",
            text(&body)
        );
        if agreed.direction.sends() {
            assert!(!agreed.remote_rtp.ip().is_unspecified());
        }
    }
}

#[test]
fn digits_come_at_the_clock_rate_of_the_codec() {
    let both = [
        "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:110 telephone-event/48000",
    ];
    // formats, what we send with, what may come in.
    type Row = (
        &'static str,
        &'static [&'static str],
        Option<(u8, u32)>,
        &'static [(u8, u32)],
    );
    let rows: &[Row] = &[
        ("0 101", &[], Some((101, 8_000)), &[(101, 8_000)]),
        ("0 101 110", &[], Some((101, 8_000)), &[(101, 8_000)]),
        ("96 101 110", &[], Some((110, 48_000)), &[(110, 48_000)]),
        (
            "96 0 101 110",
            &[],
            Some((110, 48_000)),
            &[(101, 8_000), (110, 48_000)],
        ),
        // Opus with events at 8000 alone, as baresip offers it.
        ("96 101", &[], Some((101, 8_000)), &[(101, 8_000)]),
        ("0", &[], None, &[]),
        // A wider range of events and none stated are the same to us.
        (
            "0 101",
            &["a=fmtp:101 0-16,32"],
            Some((101, 8_000)),
            &[(101, 8_000)],
        ),
    ];
    for (formats, more, send, receive) in rows {
        let line = format!("m=audio 4000 RTP/AVP {formats}");
        let mut media = vec![line.as_str(), "a=rtpmap:96 opus/48000/2"];
        media.extend(both);
        media.extend_from_slice(more);
        let (body, agreed) = answer(&local(), &with_media(&media)).unwrap();
        assert_eq!(agreed.telephone_event_send, *send, "{formats}");
        assert_eq!(agreed.telephone_event_receive, *receive, "{formats}");
        for (pt, _) in *receive {
            assert!(text(&body).contains(&format!("a=fmtp:{pt} 0-15\r\n")));
        }
        let without = LocalMedia {
            telephone_event: false,
            ..local()
        };
        let (body, agreed) = answer(&without, &with_media(&media)).unwrap();
        assert_eq!(agreed.telephone_event_send, None);
        assert!(!text(&body).contains("telephone-event"));
    }
}

#[test]
fn packet_times_fit_the_codec() {
    let opus = "m=audio 4000 RTP/AVP 96";
    let g711 = "m=audio 4000 RTP/AVP 0";
    let rows: &[(&str, &[&str], u8)] = &[
        (g711, &[], 20),
        (g711, &["a=ptime:30"], 30),
        (g711, &["a=ptime:10"], 10),
        (g711, &["a=ptime:60", "a=maxptime:40"], 40),
        (g711, &["a=maxptime:10"], 10),
        (g711, &["a=ptime:120"], 60),
        (g711, &["a=ptime:25"], 20),
        (g711, &["a=ptime:5"], 10),
        (g711, &["a=ptime:0"], 20),
        (g711, &["a=ptime:20.0"], 20),
        (g711, &["a=ptime:junk"], 20),
        (g711, &["a=ptime:99999999999999"], 20),
        (opus, &["a=ptime:30"], 20),
        (opus, &["a=ptime:50"], 40),
        (opus, &["a=ptime:60"], 60),
    ];
    for (line, more, expected) in rows {
        let mut media = vec![*line, "a=rtpmap:96 opus/48000/2"];
        media.extend_from_slice(more);
        let (_, agreed) = answer(&local(), &with_media(&media)).unwrap();
        assert_eq!(agreed.ptime_ms, *expected, "{line} {more:?}");
    }
}

#[test]
fn opus_parameters_are_heeded() {
    let fmtp = |parameters: &str| {
        let line = format!("a=fmtp:96 {parameters}");
        let media = ["m=audio 4000 RTP/AVP 96", "a=rtpmap:96 opus/48000/2", &line];
        answer(&local(), &with_media(&media)).unwrap().1.opus_fmtp
    };
    assert_eq!(fmtp("x=y"), OpusFmtp::default());
    let all = fmtp(
        "stereo=1; sprop-stereo=1;UseInbandFEC=1;usedtx=1;cbr=1;maxplaybackrate=16000;maxaveragebitrate=24000",
    );
    let expected = OpusFmtp {
        stereo: true,
        sprop_stereo: true,
        use_inband_fec: true,
        use_dtx: true,
        cbr: true,
        max_playback_rate_hz: 16_000,
        max_average_bitrate: Some(24_000),
    };
    assert_eq!(all, expected);
    let odd = fmtp("maxplaybackrate=1;maxaveragebitrate=4000000000;stereo;=;;");
    assert_eq!(odd.max_playback_rate_hz, 8_000);
    assert_eq!(odd.max_average_bitrate, Some(510_000));
}

#[test]
fn opus_parameters_are_said_as_they_are_read() {
    let all = OpusFmtp {
        stereo: true,
        sprop_stereo: true,
        use_inband_fec: true,
        use_dtx: true,
        cbr: true,
        max_playback_rate_hz: 16_000,
        max_average_bitrate: Some(24_000),
    };
    for wanted in [OpusFmtp::default(), OpusFmtp::OURS, all] {
        let caller = LocalMedia {
            opus_fmtp: wanted,
            ..local()
        };
        let (_, agreed) = answer(&local(), &offer(&caller)).unwrap();
        assert_eq!(agreed.opus_fmtp, wanted);
    }
}

#[test]
fn rtcp_goes_where_the_far_end_says() {
    let rows = [
        ("a=x", "192.0.2.9:4001"),
        ("a=rtcp:5003", "192.0.2.9:5003"),
        ("a=rtcp:5003 IN IP4 192.0.2.77", "192.0.2.77:5003"),
        ("a=rtcp:5003 IN IP4 224.0.0.1", "192.0.2.9:5003"),
        ("a=rtcp:junk", "192.0.2.9:4001"),
        ("a=rtcp", "192.0.2.9:4001"),
    ];
    for (line, expected) in rows {
        let offer = with_media(&["m=audio 4000 RTP/AVP 0", line]);
        let (_, agreed) = answer(&local(), &offer).unwrap();
        assert_eq!(agreed.remote_rtcp, expected.parse().unwrap(), "{line}");
    }
    let (_, agreed) = answer(&local(), &with_media(&["m=audio 65535 RTP/AVP 0"])).unwrap();
    assert_eq!(agreed.remote_rtcp.port(), 0);
}

#[test]
fn every_media_line_is_answered_in_its_place() {
    let offer = with_media(&[
        "m=video 4010 RTP/AVP 96 97",
        "a=rtpmap:96 H264/90000",
        "m=audio 4020 RTP/SAVP 0",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5",
        "m=audio 0 RTP/AVP 0",
        "m=audio 4030 RTP/AVP 8",
        "m=audio 4040 RTP/AVP 0",
        "m=image 4050 udptl t38",
        "m=application 9 UDP/BFCP *",
    ]);
    let (body, agreed) = answer(&local(), &offer).unwrap();
    assert_eq!(
        lines_starting(&body, "m="),
        [
            "m=video 0 RTP/AVP 96 97",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 0 RTP/AVP 0",
            "m=audio 10000 RTP/AVP 8",
            "m=audio 0 RTP/AVP 0",
            "m=image 0 udptl t38",
            "m=application 0 UDP/BFCP *",
        ]
    );
    assert!(!text(&body).contains("crypto"));
    assert_eq!(agreed.remote_rtp.port(), 4_030);
}

#[test]
fn what_browsers_add_is_neither_taken_nor_harmful() {
    let offer = with_media(&[
        "a=group:BUNDLE 0",
        "m=audio 4000 RTP/AVP 0",
        "a=mid:0",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789012345678901",
        "a=candidate:1 1 UDP 2130706431 192.0.2.9 4000 typ host",
        "a=ssrc:1 cname:x",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=rtcp-fb:* nack",
        "a=\u{e9}\u{1f600}",
    ]);
    let (body, _) = answer(&local(), &offer).unwrap();
    for unwanted in ["ice", "BUNDLE", "mid", "extmap", "rtcp-fb"] {
        assert!(!text(&body).contains(unwanted), "{unwanted}");
    }
}

#[test]
fn wide_band_codecs_are_read_and_written() {
    let local = LocalMedia {
        codecs: vec![Codec::G722, Codec::L16],
        ..local()
    };
    // G.722 says 8000 Hz and means 16000 (RFC 3551 section 4.5.2).
    let offered = ["m=audio 4000 RTP/AVP 9 97", "a=rtpmap:97 L16/16000"];
    let (_, agreed) = answer(&local, &with_media(&offered)).unwrap();
    assert_eq!((agreed.codec, agreed.send_pt), (Codec::G722, 9));
    assert_eq!(agreed.codec.clock_rate(), 8_000);
    assert_eq!(agreed.codec.audio_rate(), 16_000);
    assert_eq!(agreed.receive, [(9, Codec::G722), (97, Codec::L16)]);
    let offer = offer(&local);
    assert_eq!(
        lines_starting(&offer, "m="),
        ["m=audio 10000 RTP/AVP 9 112 13 101 108"]
    );
    assert_eq!(
        lines_starting(&offer, "a=rtpmap:"),
        [
            "a=rtpmap:9 G722/8000",
            "a=rtpmap:112 L16/16000",
            "a=rtpmap:13 CN/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=rtpmap:108 telephone-event/16000",
        ]
    );
}

#[test]
fn lines_that_do_not_concern_media_cannot_break_it() {
    let mut offer = b"v=0\no=- 20261121T101010Z 99999999999999999999999999 IN IP4\ns=Caf\xe9\n\
        i=\xff\nb=nonsense\nt=now\nk=clear\nz=1\nr=1\nc=IN IP4 192.0.2.9\nm=audio 4000 RTP/AVP 0\n\
        b=AS\na=caf\xe9:1\n\n"
        .to_vec();
    offer.extend([0, 0]);
    let (body, agreed) = answer(&local(), &offer).unwrap();
    assert_eq!(agreed.codec, Codec::Pcmu);
    assert_eq!(lines_starting(&body, "o="), ["o=- 7 1 IN IP4 198.51.100.1"]);
    assert!(body.ends_with(b"\r\n"));
}

#[test]
fn what_cannot_be_agreed_says_why() {
    let rows: &[(&[&str], u16, &str)] = &[
        (&[], 488, "no m= line"),
        (&["m=audio 0 RTP/AVP 0"], 488, "port 0"),
        (
            &["m=video 4000 RTP/AVP 96", "m=image 1 udptl t38"],
            488,
            "only video, image",
        ),
        (
            &["m=audio 4000 RTP/AVP 18 4", "a=rtpmap:18 G729/8000"],
            488,
            "no common codec: the far end has G729/8000, payload type 4, this side opus, PCMA, PCMU",
        ),
        (
            &[
                "m=audio 4000 RTP/AVP 101",
                "a=rtpmap:101 telephone-event/8000",
            ],
            488,
            "no common codec",
        ),
        (
            &["m=audio 4000 RTP/SAVP 0"],
            488,
            "offered as RTP/SAVP only",
        ),
        (
            &[
                "m=audio 4000 UDP/TLS/RTP/SAVPF 0",
                "m=audio 4000 RTP/SAVP 0",
            ],
            488,
            "UDP/TLS/RTP/SAVPF and RTP/SAVP",
        ),
        (
            &["m=audio 4000 RTP/AVP 0", "c=IN IP4 224.1.1.1/127"],
            488,
            "224.1.1.1/127",
        ),
        (
            &["m=audio 4000 RTP/AVP 0", "c=IN IP4 255.255.255.255"],
            488,
            "255.255.255.255",
        ),
        (
            &["m=audio 4000 RTP/AVP 0", "c=IN IP4 pbx.example"],
            488,
            "pbx.example",
        ),
        (
            &["m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:db8::9"],
            488,
            "different IP versions",
        ),
        (&["m=audio 70000 RTP/AVP 0"], 400, "line 6"),
        (&["m=audio 4000"], 400, "line 6"),
        (&["m=audio 4000 RTP/AVP 0", "no equals sign"], 400, "line 7"),
    ];
    for (media, code, sentence) in rows {
        let error = answer(&local(), &with_media(media)).unwrap_err();
        assert_eq!(error.sip_code(), *code, "{media:?}: {error}");
        assert!(error.to_string().contains(sentence), "{error}");
    }
    let error = answer(&local(), &sdp(&["v=0", "m=audio 4000 RTP/AVP 0"])).unwrap_err();
    assert_eq!(error, SdpError::NoAddress);
    let error = answer(&local(), &with_media(&["m=audio 4000 RTP/AVP 0"; 33])).unwrap_err();
    assert_eq!(
        error,
        SdpError::TooManyMedia {
            found: 33,
            limit: 32
        }
    );
}
