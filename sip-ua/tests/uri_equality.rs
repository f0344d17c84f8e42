// SPDX-License-Identifier: MPL-2.0
//! The examples of RFC 3261 section 19.1.4 and RFC 3966 section 4.

#![allow(clippy::unwrap_used)]

use sip_ua::wire::Uri;

fn equal(a: &str, b: &str) -> bool {
    let (a, b): (Uri, Uri) = (a.parse().unwrap(), b.parse().unwrap());
    let (there, back) = (a == b, b == a);
    assert_eq!(there, back, "{a} and {b}: equality is symmetric");
    there
}

#[test]
fn these_are_equal() {
    for (a, b) in [
        (
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:carol@chicago.com;newparam=5",
            "sip:carol@chicago.com;security=on",
        ),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:DB8::1]", "sip:a@[2001:db8:0:0::1]"),
        ("tel:+1-201-555-0123", "TEL:+1(201)555.0123"),
        (
            "tel:7042;phone-context=example.com",
            "tel:7042;Phone-Context=EXAMPLE.com",
        ),
    ] {
        assert!(equal(a, b), "{a} and {b}");
    }
}

#[test]
fn these_are_not() {
    for (a, b) in [
        (
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
        ),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        (
            "sip:bob@biloxi.com",
            "sip:bob@biloxi.com:6000;transport=tcp",
        ),
        (
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
        ),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:bob:secret@biloxi.com"),
        (
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;security=off",
        ),
        ("sip:biloxi.com", "sip:bob@biloxi.com"),
        ("tel:+12015550123", "tel:12015550123"),
        ("tel:7042;phone-context=example.com", "tel:7042"),
    ] {
        assert!(!equal(a, b), "{a} and {b}");
    }
}

#[test]
fn these_are_no_uris() {
    for text in [
        "",
        "sip",
        "sip:",
        "sip:@host",
        "sip:a@",
        "sip:a@host:",
        "sip:a@host:65536",
        "sip:a@host:50 60",
        "sip:a@[2001:db8::1",
        "sip:a@2001:db8::1",
        "sip:a@[host]",
        "sip:a@ho st",
        "sip:a@b@c",
        "sip:a@host;=x",
        "sip:a@host;;",
        "<sip:a@host>",
        "sip:\"a\"@host",
        "1sip:a@host",
        ":a@host",
    ] {
        assert!(text.parse::<Uri>().is_err(), "{text}");
    }
}
