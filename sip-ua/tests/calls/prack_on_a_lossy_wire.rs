// SPDX-License-Identifier: MPL-2.0
//! Early media, an offer of either side and the answer, over a wire that loses, repeats and reorders.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sip_ua::endpoint::CallEvent;

use crate::pair::{ANSWER, Fate, MINUTE, OFFER, Pair, Side, ms};

#[test]
fn a_hundred_calls_with_early_media_come_up_and_leave_nothing_behind() {
    for seed in 0..100 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut plan = StdRng::seed_from_u64(1_000 + seed);
        let mut soon = move |most: u32| ms(u64::from(plan.next_u32() % most));
        let mut pair = Pair::new();
        pair.wire = Box::new(move |_| match rng.next_u32() % 10 {
            0 | 1 => Fate::Lose,
            2 => Fate::Twice,
            3 => Fate::Late(ms(u64::from(rng.next_u32() % 900))),
            _ => Fate::Deliver,
        });
        let a = pair.dial();
        pair.run(ms(10_000));
        let b = pair.bobs_call();
        pair.act(Side::Bob, |bob, now| {
            bob.ring(now, b, Some(ANSWER.to_vec()))
        });
        pair.run(soon(3_000));
        let (side, ours, theirs) = match seed % 2 {
            0 => (Side::Alice, a, b),
            _ => (Side::Bob, b, a),
        };
        pair.act(side, |endpoint, now| {
            endpoint.reoffer(now, ours, OFFER.to_vec())
        });
        pair.run(soon(2_000));
        pair.act(Side::Bob, |bob, now| bob.accept(now, b, ANSWER.to_vec()));
        // Whoever is offered something answers at once.
        let mut answered = 0;
        for _ in 0..600 {
            pair.run(ms(50));
            let offers = |event: &&CallEvent| matches!(event, CallEvent::Reoffer { .. });
            let offered = pair
                .events(side.other(), theirs)
                .iter()
                .filter(offers)
                .count();
            if offered > answered {
                answered = offered;
                pair.act(side.other(), |endpoint, now| {
                    endpoint.answer_reoffer(now, theirs, Ok(ANSWER.to_vec()))
                });
            }
        }
        let story = pair.ladder.join("\n");
        let up = |event: &CallEvent| matches!(event, CallEvent::Answered { .. });
        let answers = pair.events(Side::Alice, a).iter().filter(|e| up(e)).count();
        assert_eq!(answers, 1, "seed {seed}\n{story}");
        let confirmed = CallEvent::Confirmed { sdp: None };
        assert!(
            pair.events(Side::Bob, b).contains(&confirmed),
            "seed {seed}\n{story}"
        );
        // The offer was taken, before the answer or after it.
        let taken = |event: &CallEvent| matches!(event, CallEvent::ReofferAnswered { .. });
        assert!(
            pair.events(side, ours).iter().any(taken),
            "seed {seed}\n{:?}\n{story}",
            pair.events(side, ours)
        );
        pair.act(Side::Bob, |bob, now| bob.hangup(now, b, None));
        pair.run(MINUTE * 3);
        pair.end(Side::Alice, a);
        pair.assert_empty();
    }
}
