// SPDX-License-Identifier: MPL-2.0
//! A thousand calls that end in every way, and then nothing is left of them.

use sip_ua::endpoint::CallEvent;

use crate::pair::{ANSWER, Fate, MINUTE, OFFER, Pair, Side, ms};

#[test]
fn no_call_dialog_transaction_or_timer_stays() {
    let mut pair = Pair::new();
    let mut dice = 0_u32;
    // Every seventh datagram is lost.
    pair.wire = Box::new(move |_| {
        dice += 1;
        if dice.is_multiple_of(7) {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    let mut calls = Vec::new();
    for at in 0..1_000 {
        let a = pair.dial();
        calls.push(a);
        pair.run(ms(20));
        let Some((_, b, _)) = pair.incoming.pop() else {
            continue;
        };
        match at % 5 {
            0 => pair.act(Side::Bob, |bob, now| bob.reject(now, b, 486, None)),
            1 => pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None)),
            2 => {
                pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
                pair.act(Side::Alice, |alice, now| alice.hangup(now, a, None));
            }
            _ => {
                pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
                pair.run(ms(30));
                pair.act(Side::Alice, |alice, now| {
                    alice.reoffer(now, a, OFFER.to_vec())
                });
                pair.run(ms(15));
                pair.act(Side::Bob, |bob, now| {
                    bob.answer_reoffer(now, b, Ok(ANSWER.to_vec()))
                });
                pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
            }
        }
    }
    pair.run(MINUTE);
    // What the loss left ringing at either side is hung up.
    for side in [Side::Alice, Side::Bob] {
        for id in pair.side(side).live_calls() {
            pair.act(side, |endpoint, now| endpoint.hangup(now, id, None));
        }
    }
    pair.run(MINUTE * 3);
    for a in calls {
        let ends = pair
            .events(Side::Alice, a)
            .iter()
            .filter(|e| matches!(e, CallEvent::Ended(_)));
        assert_eq!(ends.count(), 1);
    }
    pair.assert_empty();
}
