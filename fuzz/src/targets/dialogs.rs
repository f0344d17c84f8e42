// SPDX-License-Identifier: MPL-2.0
//! Two user agents that do well-formed things in any order, over a wire that loses: each line is a step.
//! Once both have hung up and time has passed, neither holds anything.
//!
//! `A` or `B` says who; a letter says what, a number more of it. The last call of theirs is meant.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use sip_ua::digest::Credentials;
use sip_ua::endpoint::{CallId, Outgoing};
use sip_ua::transaction::Path;

use super::pair::{Fate, OFFER, Pair, Side, outgoing};
use super::user;
use crate::script::number;
use crate::{Target, Traits};

pub(super) const TARGET: Target = Target {
    name: "dialogs",
    about: "two user agents that call, hold, transfer and hang up in any order",
    seeds,
    words: &[
        "Ac\n",
        "Bc\n",
        "AC\n",
        "BC\n",
        "Br\n",
        "BR\n",
        "Ba\n",
        "Aa\n",
        "Bj486\n",
        "Ah\n",
        "Bh\n",
        "Ao\n",
        "Bo\n",
        "Ap\n",
        "Bp\n",
        "Ap488\n",
        "Bp500\n",
        "Ai\n",
        "Bi\n",
        "Ax\n",
        "Bx\n",
        "AX1\n",
        "BX1\n",
        "AP\n",
        "BP\n",
        "Aq\n",
        "Bq603\n",
        "An180\n",
        "Bn200\n",
        "t20\n",
        "t600\n",
        "t4000\n",
        "t33000\n",
        "t1000000\n",
        "l30\n",
        "l0\n",
        "l90\n",
        "w50\n",
    ],
    short: 400,
    run,
};

const MOST_STEPS: usize = 200;

/// A far end that is not there any more is called so often at most.
const MOST_CALLS: usize = 20;

fn seeds() -> Vec<Vec<u8>> {
    let stories = [
        "Ac\nt50\nBr\nt50\nBa\nt50\nAo\nt20\nBp\nt50\nBo\nt20\nAp\nt50\nAi\nBi\nt50\nBh\n",
        "AC\nt50\nBa\nt50\nAa\nt50\nAh\n",
        "Ac\nt50\nBR\nt50\nBa\nt50\nAo\nBo\nt5000\nAp\nBp\nt50\nBh\nAh\n",
        "Ac\nt50\nBr\nt50\nAh\n",
        "Ac\nt50\nBj486\n",
        "Ac\nt50\nBa\nt50\nBP\nAx\nt50\nBq\nt50\nBn180\nt50\nBn200\nt50\n",
        "Ac\nt50\nBa\nt50\nAP\nBx\nt50\nAq603\nt50\nt2000000\nBh\n",
        "Ac\nt50\nBa\nt50\nAc\nt50\nBa\nt50\nBP\nAX1\nt50\nBq\nt50\nBn200\nt50\n",
        "Bc\nt50\nAC\nt50\nAa\nBa\nt50\nt700000\nAh\nBh\n",
        "l40\nAc\nt2000\nBr\nt2000\nBa\nt4000\nAo\nt4000\nBp\nt9000\nBi\nt900\nBh\n",
        "w30\nAc\nt50\nBa\nAh\nt50\nBh\n",
    ];
    stories
        .iter()
        .map(|story| story.as_bytes().to_vec())
        .collect()
}

fn run(input: &[u8], traits: &mut Traits) {
    let mut pair = Pair::new();
    let (loss, late) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let weather = (loss.clone(), late.clone());
    let mut random = SmallRng::seed_from_u64(7);
    pair.wire = Box::new(move |_| match random.random_range(0..100) {
        roll if roll < weather.0.get() => Fate::Lose,
        roll if roll < weather.0.get() + weather.1.get() / 2 => Fate::Twice,
        roll if roll < weather.0.get() + weather.1.get() => {
            Fate::Late(Duration::from_millis(roll * 9))
        }
        _ => Fate::Deliver,
    });
    let mut calls: [Vec<CallId>; 2] = Default::default();
    for line in input.split(|octet| *octet == b'\n').take(MOST_STEPS) {
        let side = match line.first() {
            Some(b'A') => Side::Alice,
            Some(b'B') => Side::Bob,
            Some(b't') => {
                pair.run(Duration::from_millis(number(&line[1..]).min(3_000_000)));
                continue;
            }
            Some(b'l') => {
                loss.set(number(&line[1..]).min(95));
                continue;
            }
            Some(b'w') => {
                late.set(number(&line[1..]).min(60));
                continue;
            }
            _ => continue,
        };
        let own = &mut calls[usize::from(side == Side::Bob)];
        let came: Vec<CallId> = pair
            .incoming
            .iter()
            .filter(|(at, id, _)| *at == side && !own.contains(id))
            .map(|(_, id, _)| *id)
            .collect();
        own.extend(came);
        let (letter, with) = (
            line.get(1).copied().unwrap_or(0),
            line.get(2..).unwrap_or_default(),
        );
        if matches!(letter, b'c' | b'C') && own.len() < MOST_CALLS {
            own.push(dial(&mut pair, side, letter == b'c'));
        }
        if let Some(id) = own.last().copied() {
            pair.act(side, |endpoint, now| {
                user::act(endpoint, now, letter, with, id, own);
            });
        }
        let events = own
            .last()
            .map(|id| pair.events(side, *id))
            .unwrap_or_default();
        traits.step((
            side,
            letter,
            events.len().min(12),
            events.last().map(std::mem::discriminant),
        ));
    }
    loss.set(0);
    late.set(0);
    for side in [Side::Alice, Side::Bob] {
        for id in pair.side(side).live_calls() {
            pair.act(side, |endpoint, now| endpoint.hangup(now, id, None));
        }
    }
    pair.run(Duration::from_secs(3_600));
    pair.assert_empty();
}

fn dial(pair: &mut Pair, from: Side, offer: bool) -> CallId {
    let id = CallId::unique();
    let mut call = Outgoing {
        to: format!("sip:somebody@{}", from.other().addr())
            .parse()
            .unwrap(),
        offer: offer.then(|| OFFER.to_vec()),
        credentials: Some(Credentials::new("alice", "secret")),
        ..outgoing()
    };
    pair.act(from, |endpoint, now| {
        call.sip_call_id = endpoint.new_sip_call_id();
        let way = Path::udp(from.addr(), from.other().addr());
        endpoint.dial(now, id, way, call);
    });
    id
}
