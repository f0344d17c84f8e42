// SPDX-License-Identifier: MPL-2.0
//! What nobody is known for is not answered, and harms nobody.

use super::*;

#[test]
fn garbage_is_not_answered() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let (by_ann, _) = world.publish(&ann);
    let (to_bob, _) = world.listen(&bob, 1);
    let host = HOST.parse().unwrap();
    let stranger = SocketAddr::from(([203, 0, 113, 9], 4_000));
    let mut noise = 0x9e37_79b9_u32;
    let mut garbage = |length: usize| -> Vec<u8> {
        let next = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        };
        std::iter::repeat_with(next).take(length).collect()
    };
    let from_ann = world.ends[&by_ann].address;
    for round in 0..2_000 {
        let mut bytes = garbage(round % 200);
        if let Some(first) = bytes.first_mut() {
            // Each of what shares the port: STUN, DTLS, SRTP.
            *first = [0, 22, 128][round % 3];
        }
        for from in [stranger, from_ann] {
            world.exchange.receive(world.now, host, from, &bytes);
        }
        world
            .exchange
            .send(|datagram| assert_ne!(datagram.to, stranger));
    }
    world.say(3, &[(by_ann, 20, b"still there")]);
    assert_eq!(words(&world.ends[&to_bob].heard(0)), ["still there"]);
}
