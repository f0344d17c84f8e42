// SPDX-License-Identifier: MPL-2.0
//! What goes wrong is told in a sentence, with the time of the next try, and mends by itself.

use std::time::Duration;

use sip_ua::registration::RegistrationState;

use crate::pair::{Fate, MINUTE, Pair, Side, ms};
use crate::registering::{account, pair_with};

fn failure(pair: &Pair) -> (Option<u16>, String, Duration) {
    match pair.registration() {
        RegistrationState::Failed {
            status,
            reason,
            retry_at,
        } => (*status, reason.clone(), *retry_at - pair.now),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wrong_password_is_not_tried_again_for_minutes() {
    let mut pair = pair_with(Default::default());
    pair.register(account("guess", 600));
    pair.run(ms(200));
    let (status, reason, wait) = failure(&pair);
    assert_eq!(status, Some(401));
    assert!(reason.contains("realm \"here\""), "{reason}");
    assert!(!reason.contains("guess"), "{reason}");
    assert!(wait > 2 * MINUTE, "{wait:?}");
    assert_eq!(pair.count(Side::Alice, "REGISTER"), 2);
    assert!(pair.bound("alice").is_empty());
}

#[test]
fn a_registrar_that_comes_back_is_found_again() {
    let mut pair = pair_with(Default::default());
    pair.wire = Box::new(|_| Fate::Lose);
    pair.register(account("secret", 600));
    pair.run(Duration::from_secs(33));
    let (status, reason, wait) = failure(&pair);
    assert_eq!(status, None);
    assert!(reason.contains("192.0.2.2:5070 did not answer"), "{reason}");
    assert!(wait <= Duration::from_secs(5), "{wait:?}");
    pair.run(10 * MINUTE);
    pair.wire = Box::new(|_| Fate::Deliver);
    pair.run(6 * MINUTE);
    assert!(matches!(
        pair.registration(),
        RegistrationState::Registered { .. }
    ));
    assert_eq!(pair.bound("alice").len(), 1);
}

#[test]
fn a_name_that_is_not_found_is_looked_for_again() {
    let mut pair = pair_with(Default::default());
    pair.registrar_found = Err("the host pbx.example has no address".to_owned());
    pair.register(account("secret", 600));
    pair.run(ms(10));
    assert!(failure(&pair).1.contains("pbx.example"));
    assert!(pair.messages.is_empty());
    pair.registrar_found = Ok(());
    pair.run(Duration::from_secs(6));
    assert!(matches!(
        pair.registration(),
        RegistrationState::Registered { .. }
    ));
}

#[test]
fn a_lossy_wire_does_not_end_it() {
    let mut pair = pair_with(Default::default());
    let mut n = 0;
    pair.wire = Box::new(move |_| {
        n += 1;
        if n % 3 == 0 {
            Fate::Lose
        } else {
            Fate::Deliver
        }
    });
    pair.register(account("secret", 120));
    pair.run(ms(20_000));
    for _ in 0..30 {
        pair.run(MINUTE);
        assert_eq!(pair.bound("alice").len(), 1, "{}", pair.ladder.join("\n"));
    }
}
