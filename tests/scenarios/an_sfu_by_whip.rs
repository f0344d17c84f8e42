// SPDX-License-Identifier: MPL-2.0
//! What the trait promises of an SFU, by WHIP and WHEP: each of two phones and two people speaks at an endpoint of
//! their own, and hears those of the others. They speak in turn: everybody hears the three others, whole and at
//! their level, never themselves, and nobody in the place of somebody else. Who leaves is gone within a second.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::house::House;
use sipbridge_tests::room::called;
use sipbridge_tests::scene::{GONE_WITHIN, NUMBER, ROOM, open_house};
use sipbridge_tests::turns::Turns;
use sipbridge_tests::whip::Elsewhere;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

const SCENARIO: &str = "an_sfu_by_whip";
/// Everybody is connected to everybody by then, also on a busy machine.
const UNTIL_ALL_ARE_THERE: Duration = Duration::from_secs(6);
/// In the order in which they speak; the first two by phone.
const NAMES: [&str; 4] = ["alice", "bob", "ann", "ben"];
/// Where each speaks.
const SPEAKS: &str = "{room}.{participant}?name={name}";

#[test]
fn an_sfu_by_whip() -> Result<()> {
    steadily(scenario)
}

fn scenario() -> Result<()> {
    let elsewhere = Elsewhere::start(SCENARIO)?;
    let people = ["{room}.ann", "{room}.ben"];
    let lines = elsewhere.lines(SPEAKS, &people);
    let media = Ipv4Addr::LOCALHOST.into();
    let house = House::open(
        &format!("{SCENARIO}/house"),
        media,
        &lines,
        &open_house("at-once"),
    )?;
    let turns = Turns::of(SCENARIO, NAMES)?;
    let turn = turns.length();

    let mut phones = Vec::new();
    for (place, name) in (0..).zip(&NAMES[..2]) {
        let before = UNTIL_ALL_ARE_THERE + turn * place;
        let plays = turns
            .says(place as usize)
            .between(before, turn * (4 - place));
        phones.push(Baresip::start(SCENARIO, &Options::new(name, &plays))?);
    }
    let join = |name: &'static str| {
        let others = NAMES.iter().filter(|other| **other != name);
        let heard: Vec<_> = others.map(|other| format!("{{room}}.{other}")).collect();
        let heard: Vec<_> = heard.iter().map(String::as_str).collect();
        house.wait(elsewhere.join(ROOM, called(name), SPEAKS, &heard))
    };
    let (ann, ben) = (join("ann")?, join("ben")?);
    for phone in &mut phones {
        phone.dial(&house.uri(NUMBER))?;
    }
    for phone in &mut phones {
        phone.wait_established(Duration::from_secs(10))?;
    }
    let answered = Instant::now();
    for name in NAMES {
        ensure!(
            speakers(&elsewhere, name)? == [name],
            "who speaks as {name}"
        );
    }
    for (place, somebody) in (2..).zip([&ann, &ben]) {
        let then = answered + UNTIL_ALL_ARE_THERE + turn * place;
        somebody.say(&turns.says(place as usize).wave, then);
    }
    for phone in &mut phones {
        phone.wait_closed(Duration::from_secs(40))?;
    }
    for name in &NAMES[..2] {
        let since = Instant::now();
        while !speakers(&elsewhere, name)?.is_empty() {
            ensure!(since.elapsed() < GONE_WITHIN, "{name} does not leave");
        }
    }

    for (me, somebody) in [("ann", &ann), ("ben", &ben)] {
        let heard = somebody.seen().heard;
        let others = NAMES.iter().filter(|other| **other != me);
        for other in others {
            let of = |who: &str| who.ends_with(&format!("{{room}}.{other}"));
            let seen = somebody.seen();
            let track = seen.people.iter().find(|person| of(&person.who.name));
            let track = track.context("an endpoint is somebody")?.who.id.clone();
            let heard = heard.iter().rev().find(|one| one.participant.0 == track);
            let heard = heard.with_context(|| format!("{me} does not hear {other}"))?;
            turns.one_is_heard(me, other, &heard.recording.wave())?;
        }
    }
    house.wait(ann.leave());
    ensure!(speakers(&elsewhere, "ann")?.is_empty());
    for (phone, me) in phones.into_iter().zip(NAMES) {
        let heard = phone.into_heard().context("a phone's recording")?;
        turns.others_are_heard(me, &heard)?;
    }
    let log = std::fs::read_to_string(elsewhere.worker.log())?;
    ensure!(
        !log.contains(elsewhere.worker.token()),
        "the token is in the log"
    );
    house.wait(ben.leave());
    drop(house);
    let (_, told) = elsewhere.worker.ask("GET", "/v1/rooms/lobby.alice", None)?;
    ensure!(
        told["participants"].as_array().is_some_and(Vec::is_empty),
        "{told}"
    );
    Ok(())
}

/// The names of those who speak at somebody's endpoint.
fn speakers(elsewhere: &Elsewhere, of: &str) -> Result<Vec<String>> {
    let (status, room) = elsewhere
        .worker
        .ask("GET", &format!("/v1/rooms/{ROOM}.{of}"), None)?;
    ensure!(status == 200, "{status} {room}");
    let people = room["participants"].as_array().into_iter().flatten();
    let speak = people.filter(|person| person["speaks"] == true);
    let name = |person: &Value| person["name"].as_str().unwrap_or_default().to_owned();
    Ok(speak.map(name).collect())
}
