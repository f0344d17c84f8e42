// SPDX-License-Identifier: MPL-2.0
//! Keys in offers and answers: who takes them, who insists, and what peers make of them.

use super::*;

const KEY_30: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

fn with(policy: SrtpPolicy) -> LocalMedia {
    LocalMedia {
        srtp: LocalSrtp::new(policy),
        ..local()
    }
}

fn crypto(sdp: &[u8]) -> Vec<String> {
    lines_starting(sdp, "a=crypto")
        .iter()
        .map(|line| line.split(" inline:").next().unwrap().to_owned())
        .collect()
}

fn profile(sdp: &[u8]) -> String {
    let line = lines_starting(sdp, "m=").remove(0);
    line.split(' ').nth(2).unwrap().to_owned()
}

#[test]
fn who_offers_what_and_who_takes_it() {
    use SrtpPolicy::{Off, Optional, Required};
    // caller, callee; the offer's profile, and whether the call is encrypted (none: refused).
    let rows = [
        (Off, Off, "RTP/AVP", Some(false)),
        (Off, Optional, "RTP/AVP", Some(false)),
        (Off, Required, "RTP/AVP", None),
        (Optional, Off, "RTP/AVP", Some(false)),
        (Optional, Optional, "RTP/AVP", Some(true)),
        (Optional, Required, "RTP/AVP", Some(true)),
        (Required, Off, "RTP/SAVP", None),
        (Required, Optional, "RTP/SAVP", Some(true)),
        (Required, Required, "RTP/SAVP", Some(true)),
    ];
    for (at_caller, at_callee, proto, encrypted) in rows {
        let (caller, callee) = (with(at_caller), with(at_callee));
        let offered = offer(&caller);
        assert_eq!(profile(&offered), proto);
        let answered = answer(&callee, &offered);
        let Some(encrypted) = encrypted else {
            assert_eq!(answered.unwrap_err().sip_code(), 488);
            continue;
        };
        let (answered, callees) = answered.unwrap();
        assert_eq!(profile(&answered), proto);
        let callers = accept_answer(&caller, &offered, &answered).unwrap();
        let (ours, theirs) = (callers.srtp, callees.srtp);
        assert_eq!(ours.is_some(), encrypted, "{at_caller:?} {at_callee:?}");
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            assert_eq!(ours.suite(), Suite::AeadAes256Gcm);
            assert_eq!(ours.send, theirs.receive);
            assert_eq!(ours.receive, theirs.send);
            assert_ne!(ours.send, ours.receive);
        }
    }
}

#[test]
fn every_suite_is_taken_by_the_name_it_was_offered_with() {
    let names = Suite::ALL.map(Suite::name);
    for name in names.into_iter().chain(["AES_CM_256_HMAC_SHA1_80"]) {
        let suite = Suite::from_name(name).unwrap();
        let mut line = String::new();
        let key = LocalSrtp::new(SrtpPolicy::Required).unwrap();
        for offered in key.offered() {
            if offered.key.suite() == suite {
                line = offered.write();
            }
        }
        if line.is_empty() {
            let length = suite.key_length() + suite.salt_length();
            let key = data_encoding::BASE64.encode(&vec![5; length]);
            line = format!("12 {name} inline:{key}|2^31");
        }
        let line = format!("a=crypto:{line}");
        let offered = with_media(&["m=audio 4000 RTP/SAVP 8", &line]);
        let (answered, agreed) = answer(&with(SrtpPolicy::Optional), &offered).unwrap();
        let taken = line.split(" inline:").next().unwrap();
        assert_eq!(crypto(&answered), [taken]);
        assert_eq!(agreed.srtp.unwrap().suite(), suite);
    }
}

#[test]
fn the_first_key_that_can_be_used_is_taken() {
    let offered = with_media(&[
        "m=audio 4000 RTP/SAVP 8",
        &format!("a=crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY_30}"),
        &format!("a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30} UNENCRYPTED_SRTCP"),
        &format!("a=crypto:3 AES_CM_128_HMAC_SHA1_32 inline:{KEY_30}|2^20|1:4"),
        &format!("a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}"),
    ]);
    let (answered, agreed) = answer(&with(SrtpPolicy::Required), &offered).unwrap();
    assert_eq!(crypto(&answered), ["a=crypto:3 AES_CM_128_HMAC_SHA1_32"]);
    let keys = agreed.srtp.unwrap();
    assert_eq!(keys.receive.mki(), [0, 0, 0, 1]);
    assert!(keys.send.mki().is_empty(), "ours has no identifier");
}

#[test]
fn why_an_offer_is_refused() {
    use SrtpPolicy::{Off, Optional, Required};
    let strange = format!("a=crypto:1 F8_128_HMAC_SHA1_80 inline:{KEY_30}");
    let rows: &[(SrtpPolicy, &[&str], &str)] = &[
        (Off, &["m=audio 4000 RTP/SAVP 8"], "SRTP is off here"),
        (Optional, &["m=audio 4000 RTP/SAVP 8"], "no a=crypto line"),
        (Optional, &["m=audio 4000 RTP/SAVP 8", &strange], "F8_128"),
        (Required, &["m=audio 4000 RTP/AVP 8"], "SRTP is required"),
        (Required, &["m=audio 4000 RTP/AVP 8", &strange], "F8_128"),
        (Required, &["m=audio 4000 UDP/TLS/RTP/SAVP 8"], "UDP/TLS"),
    ];
    for (policy, media, sentence) in rows {
        let error = answer(&with(*policy), &with_media(media)).unwrap_err();
        assert_eq!(error.sip_code(), 488);
        assert!(error.to_string().contains(sentence), "{error}");
        assert!(!error.to_string().contains(KEY_30), "{error}");
    }
}

#[test]
fn a_key_that_nobody_here_wants_is_passed_over() {
    let offered = with_media(&[
        "m=audio 4000 RTP/AVP 8",
        &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}"),
    ]);
    let (answered, agreed) = answer(&local(), &offered).unwrap();
    assert!(crypto(&answered).is_empty());
    assert_eq!(agreed.srtp, None);
}

#[test]
fn of_a_secure_and_a_plain_line_the_usable_one_is_taken() {
    let offered = with_media(&[
        "m=audio 4000 RTP/SAVP 8",
        &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_30}"),
        "m=audio 4000 RTP/AVP 8",
    ]);
    let lines = |policy| {
        let (answered, agreed) = answer(&with(policy), &offered).unwrap();
        let lines = lines_starting(&answered, "m=");
        let lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
        (lines, agreed.srtp.is_some())
    };
    let (secure, encrypted) = lines(SrtpPolicy::Optional);
    assert_eq!(secure, ["m=audio 10000 RTP/SAVP 8", "m=audio 0 RTP/AVP 8"]);
    assert!(encrypted);
    let (plain, encrypted) = lines(SrtpPolicy::Off);
    assert_eq!(plain, ["m=audio 0 RTP/SAVP 8", "m=audio 10000 RTP/AVP 8"]);
    assert!(!encrypted);
}

#[test]
fn answers_of_real_peers() {
    let answer_with = |proto: &str, tag: u32, suite: &str| {
        with_media(&[
            &format!("m=audio 4000 {proto} 8"),
            &format!("a=crypto:{tag} {suite} inline:{KEY_30}"),
        ])
    };
    let caller = with(SrtpPolicy::Optional);
    let offered = offer(&caller);
    for (proto, tag, suite, agreed) in [
        ("RTP/AVP", 3, "AES_CM_128_HMAC_SHA1_80", true),
        // Some answer keys in a plain profile with the secure one.
        ("RTP/SAVP", 3, "AES_CM_128_HMAC_SHA1_80", true),
        ("RTP/AVP", 1, "AES_CM_128_HMAC_SHA1_80", false),
        ("RTP/AVP", 9, "AES_CM_128_HMAC_SHA1_80", false),
        ("RTP/AVP", 3, "AES_CM_128_HMAC_SHA1_32", false),
    ] {
        let answered = answer_with(proto, tag, suite);
        match accept_answer(&caller, &offered, &answered) {
            Ok(negotiated) => {
                assert!(agreed, "{proto} {tag} {suite}");
                let keys = negotiated.srtp.unwrap();
                assert_eq!(keys.suite(), Suite::AesCm128HmacSha1Tag80);
            }
            Err(error) => {
                assert!(!agreed, "{proto} {tag} {suite}: {error}");
                assert!(error.to_string().contains("a=crypto"), "{error}");
            }
        }
    }
    // Who insists takes no answer without a key.
    let caller = with(SrtpPolicy::Required);
    for proto in ["RTP/SAVP", "RTP/AVP"] {
        let plain = with_media(&[&format!("m=audio 4000 {proto} 8")]);
        let error = accept_answer(&caller, &offer(&caller), &plain).unwrap_err();
        assert_eq!(error, SdpError::SrtpRequired);
    }
}

#[test]
fn keys_and_profile_stay_through_a_call() {
    let mut caller = with(SrtpPolicy::Required);
    let callee = with(SrtpPolicy::Optional);
    let first = offer(&caller);
    let (answered, before) = answer(&callee, &first).unwrap();
    caller.direction = Direction::SendOnly;
    let hold = reoffer(&caller, &first);
    assert_eq!(profile(&hold), "RTP/SAVP");
    let (_, held) = answer(&callee, &hold).unwrap();
    assert_eq!(held.srtp, before.srtp);
    // The side that answered offers: still in the secure profile, and with the key it sends with.
    let again = reoffer(&callee, &answered);
    assert_eq!(profile(&again), "RTP/SAVP");
    let (_, after) = answer(&caller, &again).unwrap();
    let (before, after) = (before.srtp.unwrap(), after.srtp.unwrap());
    assert_eq!(after.receive, before.send);
    assert_eq!(after.send, before.receive);
}

#[test]
fn other_keys_are_another_agreement() {
    let mut caller = with(SrtpPolicy::Required);
    let callee = with(SrtpPolicy::Required);
    let first = offer(&caller);
    let (_, before) = answer(&callee, &first).unwrap();
    caller.srtp.as_mut().unwrap().renew();
    let (_, after) = answer(&callee, &reoffer(&caller, &first)).unwrap();
    let (before, after) = (before.srtp.unwrap(), after.srtp.unwrap());
    assert_ne!(after.receive, before.receive);
    assert_eq!(after.send, before.send);
}

#[test]
fn no_key_is_shown() {
    let local = with(SrtpPolicy::Required);
    let (_, negotiated) = answer(&with(SrtpPolicy::Required), &offer(&local)).unwrap();
    for shown in [format!("{local:?}"), format!("{negotiated:?}")] {
        for line in lines_starting(&offer(&local), "a=crypto") {
            let key = line.split("inline:").nth(1).unwrap();
            assert!(!shown.contains(key));
        }
        assert!(shown.contains("***"), "{shown}");
    }
}
