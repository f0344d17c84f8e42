// SPDX-License-Identifier: MPL-2.0
//! Whoever hears, hears all others and not themselves: by one connection with several lines, as browsers do,
//! or by one for each track, as phones do.

use super::*;

#[test]
fn by_lines_and_by_tracks() {
    let mut world = World::new();
    let (ann, bob, mut carl) = (world.join("ann"), world.join("bob"), world.join("carl"));
    let (by_ann, _) = world.publish(&ann);
    let (by_bob, _) = world.publish(&bob);
    let (to_ann, _) = world.listen(&ann, 2);
    let tracks: Vec<TrackId> = std::iter::from_fn(|| carl.events.try_recv().ok())
        .filter_map(|event| match event {
            SfuEvent::TrackAdded(track) => Some(track.id),
            _ => None,
        })
        .collect();
    let to_carl: Vec<u16> = tracks
        .iter()
        .map(|track| world.subscribe(&carl, track))
        .collect();

    world.say(
        10,
        &[
            (by_ann, 20, b"ann says this"),
            (by_bob, 90, b"bob says that"),
        ],
    );
    assert_eq!(words(&world.ends[&to_ann].heard(0)), ["bob says that"]);
    assert_eq!(world.ends[&to_ann].packets.len(), 10);
    assert_eq!(words(&world.ends[&to_carl[0]].heard(0)), ["ann says this"]);
    assert_eq!(words(&world.ends[&to_carl[1]].heard(0)), ["bob says that"]);
    for end in [to_ann, to_carl[0], to_carl[1]] {
        let heard = &world.ends[&end].packets;
        let gaps = heard
            .windows(2)
            .map(|two| two[1].sequence - two[0].sequence);
        assert!(
            gaps.clone().all(|gap| gap == 1),
            "{:?}",
            gaps.collect::<Vec<_>>()
        );
    }
    // RFC 6464: what the speaker said of their loudness.
    assert_eq!(world.ends[&to_ann].packets[0].level, Some((90, false)));
}

#[test]
fn who_talks_is_told_and_lighted() {
    let mut world = World::new();
    let (ann, mut bob) = (world.join("ann"), world.join("bob"));
    let (by_ann, connection) = world.publish(&ann);
    let view = world.exchange.rooms.watch("lobby").unwrap();
    bob.told();
    world.say(10, &[(by_ann, 20, b"some words that are loud")]);
    assert_eq!(bob.told(), ["ann talks true"]);
    assert!(view.borrow().participants[0].talking);
    world.run(Duration::from_secs(1));
    assert_eq!(bob.told(), ["ann talks false"]);
    world.say(10, &[(by_ann, 20, b"some words that are loud")]);
    world
        .exchange
        .muted(world.now, ann.member, &connection, true)
        .unwrap();
    world.say(10, &[(by_ann, 20, b"some words that are loud")]);
    let told = ["ann talks true", "ann talks false", "ann muted true"];
    assert_eq!(bob.told(), told);
    let seen = view.borrow().participants[0].clone();
    assert_eq!((seen.muted, seen.talking, seen.speaks), (true, false, true));
}

#[test]
fn who_mutes_is_told_to_all_others_and_to_those_who_come_later() {
    let mut world = World::new();
    let (mut ann, mut bob) = (world.join("ann"), world.join("bob"));
    let (_, connection) = world.publish(&ann);
    bob.told();
    ann.told();
    let mute = |world: &mut World, muted| {
        let (now, member) = (world.now, ann.member);
        let muted = world.exchange.muted(now, member, &connection, muted);
        muted.unwrap();
    };
    mute(&mut world, true);
    mute(&mut world, true);
    assert_eq!(bob.told(), ["ann muted true"], "said twice is told once");
    let mut carl = world.join("carl");
    let there = ["ann joined", "+ann", "ann muted true", "bob joined"];
    assert_eq!(carl.told(), there);
    bob.told();
    mute(&mut world, false);
    assert_eq!(bob.told(), ["ann muted false"]);
    assert_eq!(carl.told(), ["ann muted false"]);
    assert_eq!(world.join("dora").told().join(" ").find("muted"), None);
    assert_eq!(ann.told().join(" ").find("muted"), None, "ann knows it");
}

#[test]
fn a_muted_track_is_not_heard() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let (by_ann, connection) = world.publish(&ann);
    let (to_bob, _) = world.listen(&bob, 1);
    let say = |world: &mut World, words: &[u8]| world.say(3, &[(by_ann, 20, words)]);
    say(&mut world, b"before");
    let mute = |world: &mut World, muted| {
        let now = world.now;
        world
            .exchange
            .muted(now, ann.member, &connection, muted)
            .unwrap();
    };
    mute(&mut world, true);
    say(&mut world, b"meanwhile");
    mute(&mut world, false);
    say(&mut world, b"after");
    assert_eq!(words(&world.ends[&to_bob].heard(0)), ["before", "after"]);
}
