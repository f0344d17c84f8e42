// SPDX-License-Identifier: MPL-2.0
//! A one-to-one NAT stands in front of the SFU: its candidates name the address outside, and nobody has to know
//! the one inside.

use super::*;

/// What somebody is told of where the SFU is.
fn told(world: &World, port: u16) -> Vec<String> {
    let theirs = world.ends[&port].negotiation.current_remote().unwrap();
    theirs.sections[0].candidates.clone()
}

#[test]
fn phones_of_this_machine_are_told_the_address_that_it_has() {
    let mut world = World::with(EmbeddedConfig {
        advertise: Some([203, 0, 113, 7].into()),
        ..EmbeddedConfig::new("main")
    });
    // They are on this side of the NAT.
    world.outside = None;
    let phone = world.join("phone");
    world.exchange.rooms.member(phone.member).unwrap().is_inside = true;
    let (mouth, _) = world.publish(&phone);
    let told = told(&world, mouth);
    assert!(told[0].contains(" 192.0.2.1 7000 typ host"), "{told:?}");
}

#[test]
fn people_outside_hear_each_other_by_the_advertised_address() {
    let mut world = World::with(EmbeddedConfig {
        advertise: Some([203, 0, 113, 7].into()),
        ..EmbeddedConfig::new("main")
    });
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let (mouth, _) = world.publish(&ann);
    let (ear, _) = world.listen(&bob, 1);
    for port in [mouth, ear] {
        let told = told(&world, port);
        assert_eq!(told.len(), 1);
        assert!(told[0].contains(" 203.0.113.7 7000 typ host"), "{told:?}");
    }
    world.say(5, &[(mouth, 10, b"hello")]);
    assert_eq!(words(&world.ends[&ear].heard(0)), ["hello"]);
}
