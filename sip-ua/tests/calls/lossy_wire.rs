// SPDX-License-Identifier: MPL-2.0
//! Calls over a wire that loses, repeats and reorders: each still comes up and comes down.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sip_ua::endpoint::CallEvent;

use crate::pair::{ANSWER, Fate, MINUTE, Pair, Side, ms};

#[test]
fn a_hundred_calls_survive_loss_repetition_and_reordering() {
    for seed in 0..100 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut pair = Pair::new();
        pair.wire = Box::new(move |_| match rng.next_u32() % 10 {
            0 | 1 => Fate::Lose,
            2 => Fate::Twice,
            3 => Fate::Late(ms(u64::from(rng.next_u32() % 900))),
            _ => Fate::Deliver,
        });
        let a = pair.dial();
        pair.run(ms(20_000));
        assert_eq!(
            pair.incoming.len(),
            1,
            "one INVITE is one call (seed {seed})"
        );
        let b = pair.bobs_call();
        pair.act(Side::Bob, |bob, now| bob.ring(now, b, None));
        pair.run(ms(1_000));
        pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
        pair.run(ms(30_000));
        let story = pair.ladder.join("\n");
        assert!(
            pair.events(Side::Alice, a).contains(&CallEvent::Answered {
                sdp: Some(ANSWER.to_vec())
            }),
            "seed {seed}\n{story}"
        );
        assert_eq!(
            pair.events(Side::Bob, b),
            [CallEvent::Confirmed { sdp: None }],
            "seed {seed}\n{story}"
        );
        pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
        pair.run(MINUTE * 2);
        pair.end(Side::Alice, a);
        pair.assert_empty();
    }
}
