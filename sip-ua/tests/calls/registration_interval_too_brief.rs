// SPDX-License-Identifier: MPL-2.0
//! 423: the registrar names its minimum, and that is asked for from then on.

use std::time::Duration;

use sip_ua::registrar::Config;
use sip_ua::registration::RegistrationState;

use crate::pair::{MINUTE, Side, ms};
use crate::registering::{account, pair_with};

#[test]
fn the_minimum_is_taken_at_once_and_remembered() {
    let mut pair = pair_with(Config {
        min_expires: Duration::from_secs(120),
        ..Config::default()
    });
    pair.register(account("secret", 30));
    pair.run(ms(200));
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 423"), 1);
    assert!(matches!(
        pair.registration(),
        RegistrationState::Registered { .. }
    ));
    let left = pair.bound("alice")[0].expires_at - pair.now;
    assert!(left > Duration::from_secs(119) && left <= Duration::from_secs(120));
    pair.run(10 * MINUTE);
    assert_eq!(pair.count(Side::Bob, "SIP/2.0 423"), 1);
    assert_eq!(pair.bound("alice").len(), 1);
}
