// SPDX-License-Identifier: MPL-2.0
//! Where more are there than somebody has lines, whoever talks is heard, as one unbroken stream.

use super::*;

#[test]
fn one_line_is_enough_for_two_who_take_turns() {
    let mut world = World::new();
    let (ann, bob, carl) = (world.join("ann"), world.join("bob"), world.join("carl"));
    let (by_ann, _) = world.publish(&ann);
    let (by_bob, _) = world.publish(&bob);
    let (to_carl, _) = world.listen(&carl, 1);
    let quiet = 90;
    world.say(10, &[(by_ann, 20, b"ann"), (by_bob, quiet, b"hum")]);
    world.say(10, &[(by_ann, quiet, b"hum"), (by_bob, 20, b"bob")]);
    world.say(10, &[(by_ann, 20, b"ann"), (by_bob, quiet, b"hum")]);
    let end = &world.ends[&to_carl];
    let spoken: Vec<&[u8]> = end.heard(0).into_iter().filter(|w| *w != b"hum").collect();
    // Ann did not pause for long enough to begin again, as far as her voice goes.
    assert_eq!(words(&spoken), ["ann", "bob"]);
    world.run(Duration::from_secs(1));
    world.say(10, &[(by_ann, 20, b"ann")]);
    let end = &world.ends[&to_carl];
    assert_eq!(words(&end.heard(0)).last(), Some(&"ann"));

    let sources: Vec<u32> = end.packets.iter().map(|packet| packet.ssrc).collect();
    assert!(sources.iter().all(|ssrc| *ssrc == sources[0]));
    for two in end.packets.windows(2) {
        assert_eq!(two[1].sequence, two[0].sequence + 1);
        let step = two[1].timestamp.wrapping_sub(two[0].timestamp);
        assert!((960..=96_000).contains(&step), "{step}");
    }
}

#[test]
fn a_line_that_is_free_again_is_somebody_elses() {
    let mut world = World::new();
    let (ann, bob, carl) = (world.join("ann"), world.join("bob"), world.join("carl"));
    let (to_carl, _) = world.listen(&carl, 1);
    world.publish(&ann);
    let (by_bob, _) = world.publish(&bob);
    world.say(3, &[(by_bob, 90, b"unheard")]);
    let now = world.now;
    world.exchange.leave(now, ann.member);
    world.say(3, &[(by_bob, 90, b"heard")]);
    assert_eq!(words(&world.ends[&to_carl].heard(0)), ["heard"]);
}
