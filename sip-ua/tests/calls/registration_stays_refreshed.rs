// SPDX-License-Identifier: MPL-2.0
//! A registration outlives its bindings by refreshing them, and takes the last one back.

use sip_ua::registration::RegistrationState;

use crate::pair::{MINUTE, Side, ms};
use crate::registering::{account, pair_with};

#[test]
fn it_is_bound_at_every_moment_of_two_hours_and_gone_afterwards() {
    let mut pair = pair_with(Default::default());
    let id = pair.register(account("secret", 600));
    pair.run(ms(100));
    for _ in 0..120 {
        let bound = pair.bound("alice");
        assert_eq!(bound.len(), 1, "{}", pair.ladder.join("\n"));
        assert_eq!(bound[0].contact.to_string(), "sip:alice@192.0.2.1:5060");
        assert_eq!(bound[0].hop.addr, Side::Alice.addr());
        pair.run(MINUTE);
    }
    let refreshes = pair.count(Side::Alice, "REGISTER");
    // One each nine minutes or so; a challenge where the nonce is used up.
    assert!((13..=30).contains(&refreshes), "{refreshes}");
    let request = pair.request(Side::Alice, "REGISTER");
    assert_eq!(request.uri.to_string(), "sip:192.0.2.2:5070");
    assert!(request.headers.contains("Authorization"));

    pair.act(Side::Alice, |alice, now| alice.unregister(now, id));
    pair.run(ms(100));
    assert!(pair.bound("alice").is_empty());
    assert_eq!(*pair.registration(), RegistrationState::Unregistered);
    pair.run(MINUTE);
    pair.assert_empty();
}

#[test]
fn stopped_while_the_first_request_is_under_way_it_leaves_nothing_behind() {
    let mut pair = pair_with(Default::default());
    let id = pair.register(account("secret", 600));
    pair.act(Side::Alice, |alice, now| alice.unregister(now, id));
    pair.run(MINUTE);
    assert!(pair.bound("alice").is_empty());
    assert_eq!(*pair.registration(), RegistrationState::Unregistered);
    pair.assert_empty();
}
