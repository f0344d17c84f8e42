// SPDX-License-Identifier: MPL-2.0
//! A lite agent answers checks and makes none (RFC 8445 section 2.5).

use super::*;

#[test]
fn a_lite_answerer_is_found_by_a_full_one() {
    let mut a = Peer::new("192.0.2.1:5000", false);
    let mut b = Peer::new("192.0.2.2:6000", true);
    a.speaks(11);
    b.speaks(22);
    let mut session = Session::new(a, b);
    session.connect();
    assert!(session.b.negotiation.current_local().unwrap().ice_lite);
    session.talk(10, &[0]);
    assert_eq!((session.a.packets.len(), session.b.packets.len()), (10, 10));
}

#[test]
fn a_lite_offerer_lets_the_answerer_control() {
    let mut a = Peer::new("192.0.2.1:5000", true);
    let mut b = Peer::new("192.0.2.2:6000", false);
    a.speaks(11);
    b.speaks(22);
    let mut session = Session::new(a, b);
    session.connect();
    assert!(
        !session
            .a
            .plan
            .as_ref()
            .unwrap()
            .remote
            .as_ref()
            .unwrap()
            .controlling
    );
    assert!(
        session
            .b
            .plan
            .as_ref()
            .unwrap()
            .remote
            .as_ref()
            .unwrap()
            .controlling
    );
    session.talk(10, &[0]);
    assert_eq!((session.a.packets.len(), session.b.packets.len()), (10, 10));
}
