// SPDX-License-Identifier: MPL-2.0
//! A description of media, as offer and as answer: a verdict, and never a line of theirs in ours.

use sip_ua::sdp::{
    Codec, Direction, LocalMedia, LocalSrtp, Negotiated, SdpError, SessionId, SrtpPolicy,
    accept_answer, answer, description_in, offer, reoffer,
};

use super::torture_messages;
use crate::{Target, Traits};

pub(super) const TARGET: Target = Target {
    name: "sdp",
    about: "a description of media, as an offer and as an answer",
    seeds,
    words: &[
        "m=audio 4000 RTP/AVP 0\r\n",
        "m=audio 0 RTP/SAVP 8\r\n",
        "m=video 4010 RTP/AVP 96\r\n",
        "c=IN IP4 0.0.0.0\r\n",
        "c=IN IP6 ::ffff:192.0.2.1\r\n",
        "c=IN IP4 224.2.1.1/127\r\n",
        "a=rtpmap:96 opus/48000/2\r\n",
        "a=rtpmap:101 telephone-event/8000\r\n",
        "a=fmtp:101 0-15\r\n",
        "a=fmtp:96 useinbandfec=1;usedtx=1;maxaveragebitrate=1\r\n",
        "a=ptime:20\r\n",
        "a=maxptime:0\r\n",
        "a=sendonly\r\n",
        "a=inactive\r\n",
        "a=rtcp:0\r\n",
        "a=rtcp-mux\r\n",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4\r\n",
        "a=group:BUNDLE 0\r\n",
        "a=mid:0\r\n",
        "a=setup:active\r\n",
        "a=tls-id:AbCdEfGhIjKlMnOpQrStUvWx\r\n",
        "a=x",
        "G722/8000",
        "--v\r\n",
    ],
    short: 1_000,
    run,
};

fn locals() -> [LocalMedia; 4] {
    let with = |address: &str, codecs: Vec<Codec>, srtp: SrtpPolicy| LocalMedia {
        session: SessionId { id: 7, version: 1 },
        srtp: LocalSrtp::new(srtp),
        ..LocalMedia::new(address.parse().unwrap(), 10_000, codecs)
    };
    let all = vec![Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu];
    [
        with("198.51.100.1", all.clone(), SrtpPolicy::Off),
        with("2001:db8::1", vec![Codec::Pcmu], SrtpPolicy::Off),
        with("198.51.100.1", all.clone(), SrtpPolicy::Optional),
        LocalMedia {
            direction: Direction::SendOnly,
            comfort_noise: false,
            rtcp_mux: false,
            ..with("198.51.100.1", all, SrtpPolicy::Required)
        },
    ]
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = locals().iter().map(offer).collect();
    let answers = locals().into_iter().flat_map(|local| {
        let theirs = locals().into_iter().map(|their| offer(&their));
        theirs
            .filter_map(move |theirs| Some(answer(&local, &theirs).ok()?.0))
            .collect::<Vec<_>>()
    });
    seeds.extend(answers);
    seeds.push(
        b"v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nt=0 0\r\nm=video 4010 RTP/AVP 96 97\r\nm=audio 4030 RTP/AVP 8 101 96\r\n\
        c=IN IP6 ::1\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 stereo=1;maxplaybackrate=16000\r\n\
        a=rtcp:5003 IN IP4 192.0.2.77\r\na=ptime:30\r\na=maxptime:60\r\na=inactive\r\n"
            .to_vec(),
    );
    // The bodies of messages; for the reader of bodies with several parts all of them.
    seeds.extend(torture_messages().filter_map(|message| {
        let at = message.windows(4).position(|part| part == b"\r\n\r\n")?;
        Some(message[at + 4..].to_vec()).filter(|body| !body.is_empty())
    }));
    seeds
}

fn run(theirs: &[u8], traits: &mut Traits) {
    for content_type in [
        &b"multipart/mixed;boundary=v"[..],
        b"application/sdp",
        b"multipart/mixed",
    ] {
        let found = description_in(Some(content_type), theirs);
        traits.see(found.map(|found| found.is_some()).ok());
    }
    for (which, local) in locals().into_iter().enumerate() {
        match answer(&local, theirs) {
            Err(error) => traits.sentence(error),
            Ok((ours, agreed)) => {
                check(&agreed, &local, (which, "answer"), traits);
                clean(&ours);
                // Our own answer can be read, and offered again.
                let again = reoffer(&local, &ours);
                clean(&again);
                let heard = accept_answer(&local, &again, &ours);
                if !numbered_otherwise(&heard, &ours) {
                    heard.expect("our own answer");
                }
            }
        }
        match accept_answer(&local, &offer(&local), theirs) {
            Err(error) => traits.sentence(error),
            Ok(agreed) => check(&agreed, &local, (which, "accept"), traits),
        }
        let _ = accept_answer(&local, theirs, theirs);
        clean(&reoffer(&local, theirs));
    }
}

/// Whether an answer has the tag of their a=crypto line, which our own offer gave to another suite.
fn numbered_otherwise(heard: &Result<Negotiated, SdpError>, answer: &[u8]) -> bool {
    let keyed = answer.windows(9).any(|part| part == b"a=crypto:");
    keyed && matches!(heard, Err(SdpError::AnswerMismatch(why)) if why.contains("a=crypto"))
}

/// No line of a description of ours holds a line of theirs.
fn clean(ours: &[u8]) {
    let text = std::str::from_utf8(ours).expect("our descriptions are text");
    let lines = text
        .strip_suffix("\r\n")
        .expect("the last line ends")
        .split("\r\n");
    for line in lines {
        let (kind, _) = line
            .split_once('=')
            .unwrap_or_else(|| panic!("no line: {line:?}"));
        assert_eq!(kind.len(), 1, "no line: {line:?}");
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
    }
}

fn check(agreed: &Negotiated, local: &LocalMedia, place: (usize, &str), traits: &mut Traits) {
    assert!(
        (10..=60).contains(&agreed.ptime_ms),
        "{} ms",
        agreed.ptime_ms
    );
    assert!(agreed.send_pt < 128);
    assert!(agreed.receive.iter().all(|(pt, _)| *pt < 128));
    assert!(local.codecs.contains(&agreed.codec));
    if agreed.direction.sends() {
        let ip = agreed.remote_rtp.ip();
        assert!(!ip.is_unspecified() && !ip.is_multicast(), "{ip}");
        assert_ne!(agreed.remote_rtp.port(), 0);
        assert_eq!(ip.is_ipv4(), local.address.is_ipv4());
    }
    traits.see((
        place,
        agreed.codec.name(),
        agreed.direction.sends(),
        agreed.direction.receives(),
        agreed.rtcp_mux,
    ));
    traits.see((
        place,
        agreed.telephone_event_send.is_some(),
        agreed.comfort_noise_send.is_some(),
        agreed.srtp.is_some(),
        agreed.ptime_ms,
    ));
    traits.see((
        place,
        agreed.receive.len(),
        agreed.telephone_event_receive.len(),
    ));
}
