// SPDX-License-Identifier: MPL-2.0
//! What the trait promises of an SFU, asked of each connector beside its real SFU. Two phones and two people
//! by WebRTC are in one room and speak in turn: everybody hears the three others, whole and at their level,
//! never themselves, and nobody in the place of somebody else. They have the names they came with, who speaks is
//! told, and so is who is muted; who leaves is gone within a second.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sip_worker::calls::Event;
use sip_worker::measure::Wave;
use sip_worker::measure::steady::steadily;
use sip_worker::sfu::{Content, Data, ParticipantId, Sfu as _, SfuError, TrackId};
use sip_worker::webrtc::participant::{RoomParticipant, Seen};
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::house::House;
use sipbridge_tests::http::ask;
use sipbridge_tests::janus::{self, Janus};
use sipbridge_tests::room::{called, connector, join};
use sipbridge_tests::rtp_gateway::Gateway;
use sipbridge_tests::scene::{GONE_WITHIN, NUMBER, ROOM, open_house};
use sipbridge_tests::turns::Turns;
use sipbridge_tests::videoroom::VideoRoom;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SCENARIO: &str = "an_sfu_keeps_its_promises";
/// Everybody is connected to everybody by then, also on a busy machine.
const UNTIL_ALL_ARE_THERE: Duration = Duration::from_secs(4);
const SOON: Duration = Duration::from_secs(5);
const MUTED_WITHIN: Duration = Duration::from_secs(1);

/// In the order in which they speak; the first two by phone.
const NAMES: [&str; 4] = ["alice", "bob", "ann", "ben"];

#[test]
fn the_embedded_sfu_does() -> Result<()> {
    let media = IpAddr::from(Ipv4Addr::LOCALHOST);
    steadily(|| scenario("embedded", media, "kind = \"embedded\""))
}

#[test]
fn janus_does() -> Result<()> {
    steadily(|| {
        let runtime = tokio::runtime::Runtime::new()?;
        let janus = runtime.block_on(Janus::start(janus::Options::default()))?;
        let lines = format!(
            "kind = \"janus\"\nurl = \"{}\"\nroom_create = true",
            janus.url()
        );
        scenario("janus", janus.media(), &lines)
    })
}

/// Janus' own remote publishers and forwarders, which a server of ours sets up for the phones.
#[test]
fn plain_rtp_does() -> Result<()> {
    steadily(|| {
        let runtime = tokio::runtime::Runtime::new()?;
        let janus = runtime.block_on(Janus::start(janus::Options::default()))?;
        let gateway = Gateway::start(&janus, ROOM)?;
        let lines = format!(
            "kind = \"rtp\"\nurl = \"{}\"\naddress = \"127.0.0.1\"",
            gateway.url()
        );
        let folder = format!("{SCENARIO}/rtp");
        let house = House::open(&folder, janus.media(), &lines, &open_house("at-once"))?;
        told(
            &folder,
            &house.with_door(Arc::new(connector(&janus))),
            false,
            &[],
        )
    })
}

/// A phone in this house, and Ann.
fn phone_and_ann(folder: &str, house: &House) -> Result<(Baresip, RoomParticipant)> {
    let ann = house.join(ROOM, called("ann"))?;
    let silence = Wave::silence(8_000, Duration::from_secs(60));
    let mut phone = Baresip::start(folder, &Options::new("alice", &silence))?;
    phone.dial(&house.uri(NUMBER))?;
    phone.wait_established(Duration::from_secs(10))?;
    house.wait(ann.hears("alice", SOON))?;
    Ok((phone, ann))
}

/// Keys and how far a call is are told to the room, and a key that is for a phone is heard by it.
#[test]
fn the_embedded_sfu_tells_what_is_no_sound() -> Result<()> {
    let folder = format!("{SCENARIO}/embedded-data");
    let media = IpAddr::from(Ipv4Addr::LOCALHOST);
    let tables = open_house("at-once");
    let house = House::open(
        &folder,
        media,
        "kind = \"embedded\"\ntell_keys = true",
        &tables,
    )?;
    let (mut phone, ann) = phone_and_ann(&folder, &house)?;
    let is_active = |seen: &Seen| {
        let who = &seen.person("alice")?.who;
        (who.attributes.get("sip.callStatus")? == "active").then(|| ParticipantId(who.id.clone()))
    };
    let alice = house.wait(ann.until("the call's status", SOON, is_active))?;
    phone.send_digit('7')?;
    let pressed = |seen: &Seen| {
        let (from, data) = seen.told.first()?;
        Some((from.clone(), data.content.clone()))
    };
    let (from, key) = house.wait(ann.until("a key", SOON, pressed))?;
    ensure!(from.as_ref() == Some(&alice), "{from:?} pressed a key");
    ensure!(
        matches!(key, Content::Key { digit: '7', .. }),
        "another key"
    );

    // Told to everybody, it is no phone's.
    house.wait(ann.tell(&Data::key('1', None)))?;
    house.wait(ann.tell(&Data::key('9', Some(100)).to(alice)))?;
    assert_eq!(phone.wait_digit(SOON)?, "9");
    Ok(())
}

/// A phone that is muted is seen to be, also by those who come later.
#[test]
fn the_embedded_sfu_tells_who_is_muted() -> Result<()> {
    let folder = format!("{SCENARIO}/embedded-mute");
    let media = IpAddr::from(Ipv4Addr::LOCALHOST);
    let tables = open_house("at-once");
    let house = House::open(&folder, media, "kind = \"embedded\"", &tables)?;
    let (_phone, ann) = phone_and_ann(&folder, &house)?;
    let entrusted = format!("Bearer {}", house.token());
    let entrusted = [("Authorization", &*entrusted)];
    let calls = ask(house.http(), "GET", "/v1/calls", &entrusted, "")?;
    let calls: Value = serde_json::from_str(&calls.body)?;
    let id = calls.pointer("/calls/0/id").and_then(Value::as_str);
    let id = id.with_context(|| calls.to_string())?;
    let put = |what: &str| -> Result<()> {
        let path = format!("/v1/calls/{id}/{what}");
        let done = ask(house.http(), "POST", &path, &entrusted, "")?;
        ensure!((200..300).contains(&done.status), "{done:?}");
        Ok(())
    };
    let is_muted = |seen: &Seen| seen.is_muted("alice").then_some(());
    ensure!(is_muted(&ann.seen()).is_none());
    put("mute")?;
    house.wait(ann.until("a muted phone", MUTED_WITHIN, is_muted))?;
    let ben = house.join(ROOM, called("ben"))?;
    house.wait(ben.until("a muted phone", SOON, is_muted))?;
    put("unmute")?;
    for somebody in [&ann, &ben] {
        let is_heard = |seen: &Seen| (!seen.is_muted("alice")).then_some(());
        house.wait(somebody.until("a phone as before", MUTED_WITHIN, is_heard))?;
    }
    Ok(())
}

/// Whom a moderator mutes, that is: who mutes themselves is told to nobody.
#[test]
fn janus_tells_who_is_muted() -> Result<()> {
    gst::init()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let janus = Janus::start(janus::Options::default()).await?;
        let desk = VideoRoom::open(&janus, |_| {}).await?;
        desk.create(ROOM, 20, None).await?;
        let ann = join(&janus, ROOM, "ann").await?;
        let ben = join(&janus, ROOM, "ben").await?;
        let heard = ann.hears("ben", SOON).await?;
        let (id, mid) = heard
            .track
            .0
            .rsplit_once('/')
            .context("a track of Janus'")?;
        for muted in [true, false] {
            let moderate =
                json!({"request": "moderate", "room": ROOM, "id": id, "mid": mid, "mute": muted});
            desk.message(moderate).await?;
            let as_it_is = |seen: &Seen| (seen.is_muted("ben") == muted).then_some(());
            ann.until("what the moderator did", MUTED_WITHIN, as_it_is)
                .await?;
            if muted {
                let cid = join(&janus, ROOM, "cid").await?;
                cid.until("a muted ben", SOON, as_it_is).await?;
                cid.leave().await;
            }
        }
        ben.leave().await;
        ann.leave().await;
        Ok(())
    })
}

/// Unless the configuration says so: a key may be one of a PIN.
#[test]
fn nobody_is_told_keys_who_is_not_meant_to_know() -> Result<()> {
    let folder = format!("{SCENARIO}/embedded-keys");
    let media = IpAddr::from(Ipv4Addr::LOCALHOST);
    let tables = open_house("at-once");
    let house = House::open(&folder, media, "kind = \"embedded\"", &tables)?;
    let (mut phone, ann) = phone_and_ann(&folder, &house)?;
    let mut events = house.events();
    phone.send_digit('7')?;
    house.wait(async {
        let pressed = async {
            while !matches!(events.recv().await?, Event::Dtmf { digit: '7', .. }) {}
            Ok::<_, anyhow::Error>(())
        };
        tokio::time::timeout(SOON, pressed).await?
    })?;
    phone.hang_up()?;
    house.wait(ann.until("the phone is gone", SOON, |seen| {
        seen.person("alice")?.left.map(drop)
    }))?;
    ensure!(ann.seen().told.is_empty(), "{:?}", ann.seen().told);
    Ok(())
}

#[test]
fn a_server_that_is_asked_tells_what_is_no_sound() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let janus = runtime.block_on(Janus::start(janus::Options::default()))?;
    let gateway = Gateway::start(&janus, ROOM)?;
    let lines = format!(
        "kind = \"rtp\"\nurl = \"{}\"\naddress = \"127.0.0.1\"\ntell_keys = true",
        gateway.url()
    );
    let folder = format!("{SCENARIO}/rtp-data");
    let house = House::open(&folder, janus.media(), &lines, &open_house("at-once"))?;
    let house = house.with_door(Arc::new(connector(&janus)));
    let mut told = gateway.told();
    let (mut phone, _ann) = phone_and_ann(&folder, &house)?;
    let mut until = |what: &str, fits: &dyn Fn(&Value) -> bool| -> Result<Value> {
        let told = told.wait_for(|told| told.iter().any(fits));
        let told = runtime.block_on(async { tokio::time::timeout(SOON, told).await });
        let told = told.with_context(|| format!("nobody tells {what}"))??;
        told.iter().find(|one| fits(one)).cloned().context("told")
    };
    let active = until("how far the call is", &|one| {
        one["attributes"]["sip.callStatus"] == "active"
    })?;
    phone.send_digit('7')?;
    let key = until("of a key", &|one| one["data"]["digit"] == "7")?;
    ensure!(key["participant"] == active["participant"], "{key}");

    gateway.tell(&json!({"data": {"digit": "1"}}));
    gateway.tell(&json!({"data": {"digit": "9", "ms": 100, "to": [key["participant"]]}}));
    assert_eq!(phone.wait_digit(SOON)?, "9");
    Ok(())
}

/// VideoRoom has data channels alone, which we do not: it says so.
#[test]
fn janus_says_that_it_tells_no_more_than_sound() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let janus = Janus::start(janus::Options::default()).await?;
        let ann = connector(&janus).join(ROOM, called("ann")).await?.session;
        let told = ann.send(&Data::key('1', None)).await;
        ensure!(
            matches!(told, Err(SfuError::Unsupported { .. })),
            "{told:?}"
        );
        let status = [("sip.callStatus".to_owned(), "active".to_owned())].into();
        let told = ann.change_attributes(&status).await;
        ensure!(
            matches!(told, Err(SfuError::Unsupported { .. })),
            "{told:?}"
        );
        ann.leave().await;
        Ok(())
    })
}

fn scenario(kind: &str, media: IpAddr, sfu: &str) -> Result<()> {
    let folder = format!("{SCENARIO}/{kind}");
    let house = House::open(&folder, media, sfu, &open_house("at-once"))?;
    let talkers: &[&str] = match kind {
        "embedded" => &NAMES,
        // It tells by the levels that come with the packets; our people's have none.
        _ => &NAMES[..2],
    };
    told(&folder, &house, kind == "embedded", talkers)
}

fn told(folder: &str, house: &House, has_attributes: bool, talkers: &[&str]) -> Result<()> {
    let turns = Turns::of(folder, NAMES)?;
    let turn = turns.length();
    let ann = house.join(ROOM, called("ann"))?;
    let ben = house.join(ROOM, called("ben"))?;
    refuses_what_it_should(house)?;

    let mut phones = Vec::new();
    for (place, name) in (0..).zip(&NAMES[..2]) {
        let before = UNTIL_ALL_ARE_THERE + turn * place;
        let plays = turns
            .says(place as usize)
            .between(before, turn * (4 - place));
        phones.push(Baresip::start(folder, &Options::new(name, &plays))?);
    }
    for phone in &mut phones {
        phone.dial(&house.uri(NUMBER))?;
    }
    for phone in &mut phones {
        phone.wait_established(Duration::from_secs(10))?;
    }
    let answered = Instant::now();
    let mut tracks = Vec::new();
    for (me, somebody) in [("ann", &ann), ("ben", &ben)] {
        for other in NAMES.iter().filter(|other| **other != me) {
            let heard = house.wait(somebody.hears(other, SOON))?;
            tracks.push((me, *other, heard.recording));
        }
        ensure!(
            somebody.seen().heard_of(me).is_none(),
            "{me} is offered their own voice"
        );
    }
    for name in &NAMES[..2] {
        is_who_calls(&ann, name, has_attributes)?;
    }
    for (place, somebody) in (2..).zip([&ann, &ben]) {
        somebody.say(
            &turns.says(place as usize).wave,
            answered + UNTIL_ALL_ARE_THERE + turn * place,
        );
    }
    // The first hangs up where its file ends, well after the last has spoken.
    for phone in &mut phones {
        phone.wait_closed(Duration::from_secs(40))?;
    }
    let seen = ann.seen();
    for name in talkers.iter().filter(|name| **name != "ann") {
        ensure!(seen.has_talked(name), "nobody was told that {name} speaks");
    }
    for name in &NAMES[..2] {
        gone(house, &ann, name)?;
        gone(house, &ben, name)?;
    }
    house.wait(ann.leave());
    gone(house, &ben, "ann")?;

    for (me, other, recording) in &tracks {
        turns.one_is_heard(me, other, &recording.wave())?;
    }
    for (phone, me) in phones.into_iter().zip(NAMES) {
        let heard = phone.into_heard().context("a phone's recording")?;
        turns.others_are_heard(me, &heard)?;
    }
    Ok(())
}

/// Nobody enters under a name that is taken, or hears a track that is not there.
fn refuses_what_it_should(house: &House) -> Result<()> {
    let sfu = house.sfu()?;
    let again = house.wait(sfu.join(ROOM, called("ann")));
    ensure!(
        matches!(again, Err(SfuError::Taken { .. })),
        "a second ann is let in"
    );
    let guest = house.wait(sfu.join(ROOM, called("guest")))?;
    ensure!(guest.session.me() == ParticipantId("guest".to_owned()));
    let nothing = TrackId("nobody/0".to_owned());
    let refused = house.wait(guest.session.subscribe(&nothing));
    ensure!(
        matches!(&refused, Err(error) if error.sip_code() == 404),
        "a track of nobody is {refused:?}"
    );
    house.wait(guest.session.leave());
    // Who has left may come again, at once.
    let guest = house.wait(sfu.join(ROOM, called("guest")))?;
    house.wait(guest.session.leave());
    Ok(())
}

/// A phone has the name it called with, and what else there is to know of its call, where the SFU passes it on
/// (Janus from 1.2 on).
fn is_who_calls(of: &RoomParticipant, name: &str, has_attributes: bool) -> Result<()> {
    let seen = of.seen();
    let phone = seen.person(name).context("the phone is in the room")?;
    let attributes = &phone.who.attributes;
    let is = |key: &str, value: &str| attributes.get(key).is_some_and(|said| said == value);
    if has_attributes || !attributes.is_empty() {
        ensure!(
            is("sip.phoneNumber", name)
                && is("sip.trunkPhoneNumber", NUMBER)
                && attributes.contains_key("sip.callID"),
            "{name} has the attributes {attributes:?}"
        );
    }
    Ok(())
}

fn gone(house: &House, of: &RoomParticipant, name: &str) -> Result<()> {
    let what = format!("{name} gone from the room");
    let gone = |seen: &Seen| (seen.person(name).is_some() && !seen.is_here(name)).then_some(());
    Ok(house.wait(of.until(&what, GONE_WITHIN, gone))?)
}
