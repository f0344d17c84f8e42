// SPDX-License-Identifier: MPL-2.0
//! DTLS-SRTP and ICE in offers and answers: who begins the handshake, who nominates, and what is refused.

use super::*;

const DIGEST: &str = "AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:\
                      AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB:AB";

fn ice(lite: bool) -> LocalIce {
    LocalIce {
        credentials: IceCredentials::random(),
        lite,
        candidates: vec!["candidate:1 1 udp 2130706175 198.51.100.1 10000 typ host".to_owned()],
    }
}

/// A side with a handshake; `byte` tells its certificate from others.
fn with(byte: u8, ice: Option<LocalIce>) -> LocalMedia {
    LocalMedia {
        dtls: Some(LocalDtls {
            fingerprint: vec![byte; 32],
            ice,
            role: None,
            tls_id: TlsId::random(),
        }),
        feedback: true,
        ..local()
    }
}

/// What a browser offers.
fn browser(more: &[&str]) -> Vec<u8> {
    let fingerprint = format!("a=fingerprint:sha-256 {DIGEST}");
    let mut lines = vec![
        "v=0",
        "o=- 7 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE audio video",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
        "c=IN IP4 0.0.0.0",
        "a=rtpmap:111 opus/48000/2",
        "a=mid:audio",
        "a=rtcp-mux",
        &fingerprint,
    ];
    lines.extend_from_slice(more);
    lines.extend_from_slice(&[
        "m=video 9 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 0.0.0.0",
        "a=mid:video",
    ]);
    sdp(&lines)
}

const CHECKED: [&str; 4] = [
    "a=setup:actpass",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:0123456789012345678901",
    "a=candidate:1 1 udp 2113937151 203.0.113.4 40000 typ host",
];

#[test]
fn two_sides_agree_on_one_handshake_and_one_that_nominates() {
    // Lite at the caller and at the callee; who controls at the caller, at the callee (none: no checks).
    let rows = [
        (false, false, Some((true, false))),
        (false, true, Some((true, false))),
        (true, false, Some((false, true))),
        (true, true, None),
    ];
    for (at_caller, at_callee, control) in rows {
        let (caller, callee) = (with(1, Some(ice(at_caller))), with(2, Some(ice(at_callee))));
        let offered = offer(&caller);
        let lines = text(&offered);
        assert!(lines.contains(" UDP/TLS/RTP/SAVPF "), "{lines}");
        assert!(lines.contains("a=setup:actpass"), "{lines}");
        assert!(lines.contains("a=group:BUNDLE 0"), "{lines}");
        assert_eq!(lines.contains("a=ice-lite"), at_caller, "{lines}");
        let (answered, callees) = answer(&callee, &offered).unwrap();
        assert!(text(&answered).contains("a=setup:passive"));
        let callers = accept_answer(&caller, &offered, &answered).unwrap();
        let (callers, callees) = (callers.dtls.unwrap(), callees.dtls.unwrap());
        assert_eq!(callers.fingerprint, [2; 32]);
        assert_eq!(callees.fingerprint, [1; 32]);
        assert!(callers.active && !callees.active);
        let both = callers.ice.as_ref().zip(callees.ice.as_ref());
        let found = both.map(|(callers, callees)| (callers.controlling, callees.controlling));
        assert_eq!(found, control, "{at_caller} {at_callee}");
        if let Some((callers, callees)) = both {
            assert_eq!(callers.local, callees.remote);
            assert_eq!(callers.remote, callees.local);
            assert_eq!(callers.candidates, ice(false).candidates);
        }
    }
}

#[test]
fn a_browsers_offer_is_answered_in_its_bundle() {
    let ours = with(2, Some(ice(true)));
    let (answered, agreed) = answer(&ours, &browser(&CHECKED)).unwrap();
    assert!(text(&answered).contains("a=group:BUNDLE audio\r\n"));
    assert_eq!(
        lines_starting(&answered, "a=mid"),
        ["a=mid:audio", "a=mid:video"]
    );
    assert_eq!(
        lines_starting(&answered, "m="),
        [
            "m=audio 10000 UDP/TLS/RTP/SAVPF 111 0",
            "m=video 0 UDP/TLS/RTP/SAVPF 96"
        ]
    );
    assert_eq!(
        agreed.direction,
        Direction::SendRecv,
        "no address is no hold"
    );
    let dtls = agreed.dtls.unwrap();
    assert_eq!(dtls.fingerprint, [0xab; 32]);
    let ice = dtls.ice.unwrap();
    assert_eq!(ice.remote.ufrag, "abcd");
    assert_eq!(
        ice.candidates,
        ["candidate:1 1 udp 2113937151 203.0.113.4 40000 typ host"]
    );
    assert!(!format!("{ice:?}").contains("0123456789"), "a secret");
}

#[test]
fn who_offers_no_ice_is_answered_with_none() {
    let (caller, callee) = (with(1, None), with(2, Some(ice(false))));
    let offered = offer(&caller);
    let (answered, callees) = answer(&callee, &offered).unwrap();
    assert!(!text(&answered).contains("a=ice"), "{}", text(&answered));
    let callees_keys = callees.dtls.unwrap();
    assert_eq!(callees_keys.ice, None);
    assert_eq!(callees.remote_rtp.port(), 10_000);
    let callers = accept_answer(&caller, &offered, &answered).unwrap();
    assert_eq!(callers.dtls.unwrap().ice, None);
}

#[test]
fn an_offer_that_leaves_no_choice_is_heeded_and_a_role_is_kept() {
    for (offered, role, answered) in [
        ("a=setup:active", None, "a=setup:passive"),
        ("a=setup:passive", None, "a=setup:active"),
        ("a=setup:actpass", None, "a=setup:passive"),
        ("a=setup:actpass", Some(Setup::Active), "a=setup:active"),
        ("a=setup:active", Some(Setup::Active), "a=setup:passive"),
    ] {
        let mut ours = with(2, Some(ice(false)));
        ours.dtls.as_mut().unwrap().role = role;
        let mut lines = CHECKED;
        lines[0] = offered;
        let (body, agreed) = answer(&ours, &browser(&lines)).unwrap();
        assert_eq!(lines_starting(&body, "a=setup"), [answered], "{offered}");
        assert_eq!(agreed.dtls.unwrap().active, answered == "a=setup:active");
    }
}

#[test]
fn who_answers_and_does_not_say_who_begins_waits() {
    let (caller, callee) = (with(1, Some(ice(false))), with(2, Some(ice(false))));
    let offered = offer(&caller);
    let (answered, _) = answer(&callee, &offered).unwrap();
    let said = text(&answered).replace("a=setup:passive\r\n", "");
    let agreed = accept_answer(&caller, &offered, said.as_bytes()).unwrap();
    assert!(agreed.dtls.unwrap().active);
    assert_eq!(
        lines_starting(&offered, "a=ice-options"),
        ["a=ice-options:ice2 trickle"]
    );
}

#[test]
fn a_later_offer_keeps_the_name_and_the_profile() {
    let (caller, callee) = (with(1, Some(ice(false))), with(2, Some(ice(false))));
    let (answered, _) = answer(&callee, &browser(&CHECKED)).unwrap();
    let again = reoffer(&callee, &answered);
    assert!(text(&again).contains("a=group:BUNDLE audio\r\n"));
    assert!(text(&again).contains("a=setup:actpass"));
    assert_eq!(
        lines_starting(&again, "m=video"),
        ["m=video 0 UDP/TLS/RTP/SAVPF 96"]
    );
    let offered = offer(&caller);
    assert_eq!(text(&reoffer(&caller, &offered)), text(&offered));
}

#[test]
fn an_association_is_named_and_goes_on_by_its_name() {
    let (caller, callee) = (with(1, Some(ice(false))), with(2, Some(ice(false))));
    let offered = offer(&caller);
    let (answered, callees) = answer(&callee, &offered).unwrap();
    let callers = accept_answer(&caller, &offered, &answered).unwrap();
    let name = |local: &LocalMedia| local.dtls.as_ref().unwrap().tls_id.clone();
    let ids = [name(&caller), name(&callee)];
    for (said, id) in [(&offered, &ids[0]), (&answered, &ids[1])] {
        assert_eq!(lines_starting(said, "a=tls-id"), [format!("a=tls-id:{id}")]);
    }
    let (callers, callees) = (callers.dtls.unwrap(), callees.dtls.unwrap());
    assert_eq!(callers.tls_ids, Some(ids.clone()));
    let [first, second] = ids;
    assert_eq!(callees.tls_ids, Some([second, first]));

    // What is another of it, and whether it goes on all the same.
    type Change = fn(&mut DtlsKeys);
    let rows: [(Change, bool); 6] = [
        (|_| {}, true),
        (
            |keys| keys.tls_ids.as_mut().unwrap()[1] = TlsId::random(),
            false,
        ),
        (|keys| keys.tls_ids = None, true),
        (|keys| keys.fingerprint = vec![9; 32], false),
        (|keys| keys.active = !keys.active, false),
        (
            |keys| keys.ice.as_mut().unwrap().remote = IceCredentials::random(),
            true,
        ),
    ];
    for (row, (change, goes_on)) in rows.into_iter().enumerate() {
        let mut next = (*callers).clone();
        change(&mut next);
        assert_eq!(callers.goes_on(&next), goes_on, "{row}");
        assert_eq!(next.goes_on(&callers), goes_on, "{row} and back");
    }
}

#[test]
fn who_does_not_name_the_association_is_told_no_name() {
    let ours = with(2, Some(ice(false)));
    let long = "x".repeat(256);
    for value in [
        "",
        "short",
        "nineteen-letters-19",
        "with a blank in so many",
        &long,
    ] {
        let line = format!("a=tls-id:{value}");
        let mut lines = CHECKED.to_vec();
        lines.push(&line);
        let (answered, agreed) = answer(&ours, &browser(&lines)).unwrap();
        assert!(!text(&answered).contains("tls-id"), "{value}");
        assert_eq!(agreed.dtls.unwrap().tls_ids, None, "{value}");
    }
    assert!(TlsId::read(&TlsId::random().to_string()).is_some());
    assert_ne!(TlsId::random(), TlsId::random());
}

#[test]
fn what_is_refused_and_why() {
    let ours = with(2, Some(ice(false)));
    let without = |left_out: &str| {
        let offered = browser(&CHECKED);
        let lines = text(&offered).split("\r\n");
        let kept: Vec<&str> = lines.filter(|line| !line.starts_with(left_out)).collect();
        kept.join("\r\n").into_bytes()
    };
    let refusal = |local: &LocalMedia, offer: &[u8]| answer(local, offer).unwrap_err();
    assert_eq!(
        refusal(&ours, &without("a=fingerprint")),
        SdpError::NoFingerprint
    );
    assert_eq!(
        refusal(&ours, &without("a=rtcp-mux")),
        SdpError::DtlsWithoutMux
    );
    assert_eq!(
        refusal(&with(2, None), &browser(&CHECKED)),
        SdpError::IceOff
    );
    let plain = offer(&local());
    assert_eq!(
        refusal(&ours, &plain),
        SdpError::DtlsRequired("RTP/AVP".to_owned())
    );
    assert_eq!(
        refusal(&local(), &browser(&CHECKED)),
        SdpError::DtlsOff("UDP/TLS/RTP/SAVPF".to_owned())
    );
    let offered = offer(&ours);
    let (answered, _) = answer(&with(1, Some(ice(false))), &offered).unwrap();
    let open = text(&answered).replace("a=setup:passive", "a=setup:actpass");
    assert_eq!(
        accept_answer(&ours, &offered, open.as_bytes()),
        Err(SdpError::OpenSetup)
    );
}

#[test]
fn what_an_attribute_has_to_be_like() {
    let digest = [0x5a; 32];
    let value = write_fingerprint(&digest);
    assert_eq!(read_fingerprint(&value), Some(digest.to_vec()));
    for broken in ["", "sha-256", "sha-1 5A", "sha-256 5A:5B", "sha-256 XY"] {
        assert_eq!(read_fingerprint(broken), None, "{broken}");
    }
    let long = "x".repeat(257);
    for (ufrag, password) in [
        (None, Some("p")),
        (Some("u"), None),
        (Some(" "), Some("p")),
        (Some(long.as_str()), Some("p")),
    ] {
        assert_eq!(IceCredentials::read(ufrag, password), None);
    }
    let random = IceCredentials::random();
    assert_eq!((random.ufrag.len(), random.password.len()), (8, 24));
    assert_ne!(random, IceCredentials::random());
}

#[test]
fn whether_a_handshake_is_wanted_is_known_before_an_answer_is_made() {
    assert!(wants_handshake(&browser(&CHECKED)));
    for (media, wanted) in [
        (&["m=audio 4000 RTP/AVP 0"][..], false),
        (&["m=audio 4000 UDP/TLS/RTP/SAVP 0"], true),
        // Who could do without is not made to.
        (
            &["m=audio 4000 UDP/TLS/RTP/SAVPF 0", "m=audio 4002 RTP/AVP 0"],
            false,
        ),
        (
            &["m=audio 0 RTP/AVP 0", "m=audio 4002 UDP/TLS/RTP/SAVPF 0"],
            true,
        ),
        (&["m=video 4000 UDP/TLS/RTP/SAVPF 96"], false),
        (&[], false),
    ] {
        assert_eq!(wants_handshake(&with_media(media)), wanted, "{media:?}");
    }
    assert!(!wants_handshake(b"no description"));
}
