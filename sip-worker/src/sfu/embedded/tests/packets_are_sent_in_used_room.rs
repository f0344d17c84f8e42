// SPDX-License-Identifier: MPL-2.0
//! Whatever is sent to somebody is written where the packet before it was: a packet that goes out asks for no memory.

use super::*;

const LONG: usize = 1_000;

/// Somebody says this; how much room each packet had that came of it.
fn rooms(world: &mut World, by: u16, words: &[u8]) -> Vec<usize> {
    world.now += STEP;
    let end = world.ends.get_mut(&by).unwrap();
    assert!(end.say(world.now, 20, words));
    let mut sent = Vec::new();
    loop {
        match end.transport.poll() {
            Action::Send { to, bytes, .. } => sent.push((to, bytes)),
            Action::Wait(_) => break,
            _ => {}
        }
    }
    for (to, bytes) in sent {
        let from = world.ends[&by].address;
        world.exchange.receive(world.now, to, from, &bytes);
    }
    let mut rooms = Vec::new();
    world
        .exchange
        .send(|datagram| rooms.push(datagram.bytes.capacity()));
    rooms
}

#[test]
fn by_each_of_many_listeners() {
    let mut world = World::new();
    let ann = world.join("ann");
    let (by_ann, _) = world.publish(&ann);
    let others = ["bob", "carl", "dora"].map(|name| world.join(name));
    for other in &others {
        world.listen(other, 1);
    }
    world.say(10, &[(by_ann, 20, b"first words")]);
    assert_eq!(rooms(&mut world, by_ann, &[7; LONG]).len(), 3);
    for _ in 0..5 {
        let rooms = rooms(&mut world, by_ann, b"short");
        assert_eq!(rooms.len(), 3);
        assert!(rooms.iter().all(|room| *room > LONG), "{rooms:?}");
    }
}
