// SPDX-License-Identifier: MPL-2.0
//! Who is there is told to everybody, and nothing is left of who has gone.

use super::*;
use crate::sfu::embedded::link::Restart;
use crate::sfu::{Candidate, Data, ParticipantId};

#[test]
fn everybody_is_told_of_everybody_else() {
    let mut world = World::new();
    let mut ann = world.join("ann");
    world.publish(&ann);
    let mut bob = world.join("bob");
    assert_eq!(bob.told(), ["ann joined", "+ann"]);
    let (_, connection) = world.publish(&bob);
    assert_eq!(ann.told(), ["bob joined", "+bob"]);
    let now = world.now;
    world.exchange.closed(now, bob.member, &connection).unwrap();
    assert_eq!(ann.told(), ["-bob"]);
    world.publish(&bob);
    world.exchange.leave(now, bob.member);
    world.exchange.leave(now, bob.member);
    assert_eq!(ann.told(), ["+bob", "-bob", "bob left"]);
    assert!(bob.events.is_closed());
}

#[test]
fn who_vanishes_is_closed_and_the_others_hear_of_it() {
    let mut world = World::new();
    let (mut ann, mut bob) = (world.join("ann"), world.join("bob"));
    let (by_bob, _) = world.publish(&bob);
    ann.told();
    world.cut.push(by_bob);
    world.run(Duration::from_secs(40));
    assert_eq!(ann.told(), ["-bob"]);
    let told = bob.told();
    assert!(
        told.last().is_some_and(|last| last.starts_with("closed: ")),
        "{told:?}"
    );
    let view = world.exchange.rooms.watch("lobby").unwrap();
    assert!(!view.borrow().participants[1].speaks);
}

#[test]
fn what_is_told_reaches_whom_it_is_for() {
    let mut world = World::new();
    let (mut ann, mut bob, mut cid) = (world.join("ann"), world.join("bob"), world.join("cid"));
    let mut elsewhere = world.try_join("attic", "ann").unwrap();
    for person in [&mut ann, &mut bob, &mut cid] {
        person.told();
    }
    let data = |person: &mut Person| match person.events.try_recv() {
        Ok(SfuEvent::Data { from, data }) => Some((from, data)),
        _ => None,
    };
    let bobs = Some(ParticipantId("bob".to_owned()));
    let key = Data::key('5', Some(160));
    world.exchange.rooms.send(bob.member, &key).unwrap();
    assert_eq!(data(&mut ann), Some((bobs.clone(), key.clone())));
    assert_eq!(data(&mut cid), Some((bobs.clone(), key.clone())));
    let for_ann = key.to(ParticipantId("ann".to_owned()));
    world.exchange.rooms.send(bob.member, &for_ann).unwrap();
    assert_eq!(data(&mut ann), Some((bobs, for_ann.clone())));
    for person in [&mut bob, &mut cid, &mut elsewhere] {
        assert_eq!(data(person), None);
    }
    let now = world.now;
    world.exchange.leave(now, bob.member);
    let late = world.exchange.rooms.send(bob.member, &for_ann);
    assert!(matches!(late, Err(SfuError::Lost { .. })), "{late:?}");
}

#[test]
fn changed_attributes_are_told_whole_and_once() {
    let mut world = World::new();
    let (mut ann, bob) = (world.join("ann"), world.join("bob"));
    ann.told();
    let mut change = |key: &str, value: &str| {
        let change = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let rooms = &mut world.exchange.rooms;
        rooms.change_attributes(bob.member, change).unwrap();
        match ann.events.try_recv() {
            Ok(SfuEvent::AttributesChanged { attributes, .. }) => Some(attributes),
            _ => None,
        }
    };
    assert_eq!(change("a", "1").unwrap().len(), 1);
    assert_eq!(change("b", "2").unwrap().len(), 2);
    assert_eq!(change("b", "2"), None, "nothing new");
    let left = change("a", "").unwrap();
    assert_eq!(left, BTreeMap::from([("b".to_owned(), "2".to_owned())]));
}

#[test]
fn rooms_are_apart_and_full_ones_shut() {
    let mut world = World::with(EmbeddedConfig {
        rooms: vec!["lobby".to_owned(), "team-*".to_owned()],
        max_participants: 2,
        ..EmbeddedConfig::new("main")
    });
    let mut ann = world.try_join("lobby", "ann").unwrap();
    world.try_join("team-1", "ann").unwrap();
    assert!(ann.told().is_empty());
    let code = |refused: Result<Person, SfuError>| refused.err().unwrap().sip_code();
    assert_eq!(code(world.try_join("attic", "bob")), 404);
    assert_eq!(
        code(world.try_join("lobby", "ann")),
        486,
        "the name is taken"
    );
    world.try_join("lobby", "bob").unwrap();
    let full = world.try_join("lobby", "carl");
    assert!(matches!(full, Err(SfuError::Full { .. })));
}

#[test]
fn what_cannot_be_taken_leaves_nothing_behind() {
    let mut world = World::new();
    let (ann, mut bob) = (world.join("ann"), world.join("bob"));
    bob.told();
    let now = world.now;
    let refused = |error: SfuError| match error {
        SfuError::Refused { code, .. } => code,
        other => panic!("{other}"),
    };
    let garbage = world.exchange.publish(now, ann.member, "no offer");
    assert_eq!(refused(garbage.unwrap_err()), 400);
    let mut deaf = End::new(1);
    deaf.negotiation
        .add_receiver(Direction::RecvOnly, vec![opus(96)]);
    let offer = deaf.offer(now);
    let wrong_way = world.exchange.publish(now, ann.member, &offer);
    assert_eq!(refused(wrong_way.unwrap_err()), 422);
    let other_codec = offer.replace("opus/48000/2", "speex/8000");
    let no_opus = world.exchange.listen(now, ann.member, &other_codec);
    assert_eq!(refused(no_opus.unwrap_err()), 422);
    assert!(bob.told().is_empty());
    assert_eq!(world.exchange.due(), None);
    let gone = world
        .exchange
        .subscribe(now, ann.member, &TrackId("x/1".to_owned()));
    assert!(matches!(gone, Err(SfuError::NoSuchTrack { .. })));
}

#[test]
fn ice_restarts_and_goes_on() {
    let mut world = World::new();
    let (ann, bob) = (world.join("ann"), world.join("bob"));
    let (by_ann, connection) = world.publish(&ann);
    let (to_bob, _) = world.listen(&bob, 1);
    world.say(3, &[(by_ann, 20, b"before")]);
    let now = world.now;
    let end = world.ends.get_mut(&by_ann).unwrap();
    let anew = credentials();
    end.negotiation.restart_ice(anew.clone());
    let host = gstsipbridge::rtc::host_candidate(end.address).unwrap();
    end.negotiation.add_candidate(host.clone());
    end.offer(now);
    let restart = Restart {
        credentials: anew,
        candidates: vec![host],
    };
    let ours = world
        .exchange
        .restart(now, ann.member, &connection, restart)
        .unwrap();
    // What the page does with the fragment: the answer it has, with what is new.
    let end = world.ends.get_mut(&by_ann).unwrap();
    let mut answer = end.negotiation.current_remote().cloned().unwrap();
    answer.sections[0].ice = Some(ours.credentials.clone());
    assert_eq!(answer.sections[0].candidates, ours.candidates);
    end.accept(now, &answer.to_string());
    world.run(Duration::from_secs(12));
    world.say(3, &[(by_ann, 20, b"after")]);
    assert_eq!(words(&world.ends[&to_bob].heard(0)), ["before", "after"]);
}

#[test]
fn a_candidate_that_comes_later_is_checked() {
    let mut world = World::new();
    let ann = world.join("ann");
    let mut end = End::new(20_001);
    let sender = Sender {
        ssrc: 1,
        msid: "a b".to_owned(),
    };
    let track = end.negotiation.add_sender(sender, vec![opus(111)]);
    end.negotiation.set_direction(track, Direction::SendOnly);
    // As a browser offers that has not looked where it is yet.
    let offer = end.offer(world.now);
    let (found, told): (Vec<&str>, Vec<&str>) = offer
        .lines()
        .partition(|line| line.starts_with("a=candidate:"));
    let offer = told.join("\r\n") + "\r\n";
    let offer = offer.replace("a=end-of-candidates\r\n", "");
    let published = world.exchange.publish(world.now, ann.member, &offer);
    let connection = published.unwrap().connection;
    // Nobody else is here: whatever is sent is sent to Ann.
    let checked = |world: &mut World| {
        let mut to = Vec::new();
        for _ in 0..100 {
            world.now += Duration::from_millis(5);
            world.exchange.timeout(world.now);
            world.exchange.send(|datagram| to.push(datagram.to));
        }
        to
    };
    assert_eq!(checked(&mut world), []);
    let candidate = Candidate {
        mline_index: 0,
        mid: Some("0".to_owned()),
        candidate: found[0].trim_start_matches("a=").to_owned(),
    };
    let now = world.now;
    world
        .exchange
        .trickled(now, ann.member, &connection, &candidate)
        .unwrap();
    let checked = checked(&mut world);
    assert!(checked.contains(&end.address), "{checked:?}");
}

#[test]
fn an_sfu_that_ends_tells_everybody() {
    let mut world = World::new();
    let mut ann = world.join("ann");
    drop(world);
    let last = ann.events.try_recv();
    assert!(matches!(last, Ok(SfuEvent::Lost(_))), "{last:?}");
    assert!(ann.events.try_recv().is_err());
}
