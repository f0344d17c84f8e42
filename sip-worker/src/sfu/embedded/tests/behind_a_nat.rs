// SPDX-License-Identifier: MPL-2.0
//! A one-to-one NAT stands in front of the SFU: its candidates name the address outside, and nobody has to know
//! the one inside.

use super::*;

#[test]
fn people_outside_hear_each_other_by_the_advertised_address() {
    let mut world = World::with(EmbeddedConfig {
        advertise: Some([203, 0, 113, 7].into()),
        ..EmbeddedConfig::new("main")
    });
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let (mouth, _) = world.publish(&ann);
    let (ear, _) = world.listen(&bob, 1);
    let candidates = |world: &World, port| {
        let theirs = world.ends[&port].negotiation.current_remote().unwrap();
        theirs.sections[0].candidates.clone()
    };
    for port in [mouth, ear] {
        let told = candidates(&world, port);
        assert_eq!(told.len(), 1);
        assert!(told[0].contains(" 203.0.113.7 7000 typ host"), "{told:?}");
    }
    world.say(5, &[(mouth, 10, b"hello")]);
    assert_eq!(words(&world.ends[&ear].heard(0)), ["hello"]);
}
