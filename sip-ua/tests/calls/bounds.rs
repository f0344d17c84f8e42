// SPDX-License-Identifier: MPL-2.0
//! Ceilings: one call too many, and a flood of strangers.

use sip_ua::endpoint::Limits;
use sip_ua::wire::HeaderName;

use crate::pair::{MINUTE, Pair, Side, endpoint, endpoint_with, everyone, ms};
use crate::peer::{read_response, request, stranger};

#[test]
fn one_call_too_many_gets_503_with_retry_after() {
    let limits = Limits {
        max_calls: 2,
        ..Limits::default()
    };
    let mut pair = Pair::of(
        endpoint(1, everyone()),
        endpoint_with(2, everyone(), limits),
    );
    for _ in 0..3 {
        pair.dial();
    }
    pair.run(ms(50));
    assert_eq!(pair.incoming.len(), 2);
    let refused = pair.response(Side::Bob, "SIP/2.0 503");
    assert!(refused.headers.contains(HeaderName::RetryAfter));
    // When one ends there is room again.
    let b = pair.incoming[0].1;
    pair.act(Side::Bob, |bob, now| bob.reject(now, b, 486, None));
    pair.run(ms(10_000));
    pair.dial();
    pair.run(ms(50));
    assert_eq!(pair.incoming.len(), 3);
}

#[test]
fn what_is_refused_leaves_no_memory_behind() {
    let mut pair = Pair::new();
    for at in 0..2_000 {
        let more: &[&str] = match at % 4 {
            0 => &["Require: x"],
            1 => &["To: <sip:bob@192.0.2.2>;tag=unknown"],
            _ => &[],
        };
        let method = ["INVITE", "BYE", "REFER", "OPTIONS"][at % 4];
        pair.inject(
            Side::Bob,
            stranger(),
            &request(method, &format!("n{at}"), more, ""),
        );
    }
    assert_eq!(pair.strays.len(), 2_000);
    pair.assert_empty();
}

#[test]
fn transactions_have_a_ceiling_too() {
    let limits = Limits {
        max_transactions: 3,
        ..Limits::default()
    };
    let mut pair = Pair::of(
        endpoint(1, everyone()),
        endpoint_with(2, everyone(), limits),
    );
    for at in 0..5 {
        pair.inject(
            Side::Bob,
            stranger(),
            &request("INVITE", &format!("n{at}"), &[], ""),
        );
    }
    assert_eq!(pair.incoming.len(), 3);
    assert_eq!(read_response(&pair.strays[0].1).status, 503);
    for at in 0..3 {
        let b = pair.incoming[at].1;
        pair.act(Side::Bob, |bob, now| bob.reject(now, b, 480, None));
    }
    pair.run(MINUTE);
    pair.assert_empty();
}
