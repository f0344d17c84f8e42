// SPDX-License-Identifier: MPL-2.0
//! People who cannot be reached come by a relay: coturn, over UDP and TCP, with the credentials that the worker
//! hands out; these open its TLS port, too. And people who have IPv6 alone meet phones that have IPv4 alone.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sip_worker::measure::steady::steadily;
use sip_worker::webrtc::participant::RoomParticipant;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::coturn::Coturn;
use sipbridge_tests::house::{House, Lines};
use sipbridge_tests::http::ask;
use sipbridge_tests::offer::offer;
use sipbridge_tests::out_dir;
use sipbridge_tests::room::called;
use sipbridge_tests::scene::{NUMBER, ROOM, open_house};
use sipbridge_tests::speech::Speech;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

const SCENARIO: &str = "awkward_networks";
const SOON: Duration = Duration::from_secs(10);
const SECRET: &str = "what only coturn and the worker know";
const EMBEDDED: &str = "kind = \"embedded\"";

#[test]
fn people_come_by_coturn() -> Result<()> {
    let folder = format!("{SCENARIO}/coturn");
    let coturn = Coturn::start(&folder, SECRET)?;
    std::fs::write(out_dir(&folder).join("turn-secret"), SECRET)?;
    let ice = format!(
        "turn = {:?}\nturn_secret_file = \"turn-secret\"",
        coturn.urls()
    );
    let media = IpAddr::from(Ipv4Addr::LOCALHOST);
    let lines = Lines {
        ice: &ice,
        ..Lines::default()
    };
    let house = House::open_with(&folder, media, lines, EMBEDDED, &open_house("at-once"))?;
    let servers = ice_servers(&house)?;
    let [udp, tcp, tls] = &servers[..] else {
        anyhow::bail!("{} ICE servers", servers.len());
    };
    for (name, server) in [("udp", udp), ("tcp", tcp)] {
        steadily(|| {
            let relay = by_webrtcbin(server)?;
            let ann = house.join_by_relay(ROOM, called("ann"), &relay)?;
            meets_a_phone(&format!("{folder}/{name}"), &house, ann)
        })?;
    }
    let word = |of: &str| tls[of].as_str().context("credentials");
    coturn.relays_over_tls(word("username")?, word("credential")?)?;
    // Whoever made them up gets nothing.
    let forged = coturn.relays_over_tls(word("username")?, "c2lwYnJpZGdl");
    ensure!(forged.is_err(), "any password opens coturn");
    Ok(())
}

#[test]
fn people_with_ipv6_alone_meet_phones_with_ipv4_alone() -> Result<()> {
    let folder = format!("{SCENARIO}/ipv6");
    steadily(|| {
        let media = IpAddr::from(Ipv6Addr::LOCALHOST);
        let house = House::open(&folder, media, EMBEDDED, &open_house("at-once"))?;
        let ann = house.join(ROOM, called("ann"))?;
        meets_a_phone(&folder, &house, ann)
    })
}

/// What somebody who enters the room is told, by WHIP as by the room itself.
fn ice_servers(house: &House) -> Result<Vec<Value>> {
    let bearer = format!("Bearer {}", house.token());
    let authorized = ("Authorization", &*bearer);
    let room = format!("/v1/rooms/{ROOM}");
    let shown = ask(house.http(), "GET", &room, &[authorized], "")?;
    let shown: Value = serde_json::from_str(&shown.body)?;
    let servers = shown["ice_servers"].as_array().context("ICE servers")?;
    let sdp = ("Content-Type", "application/sdp");
    let whip = ask(
        house.http(),
        "POST",
        "/whip/attic",
        &[authorized, sdp],
        &offer("sendonly"),
    )?;
    let link = whip.header("Link").context("a Link header")?;
    ensure!(
        link.contains("; username=\"") && link.contains("; credential=\""),
        "{link}"
    );
    Ok(servers.clone())
}

/// `turn:HOST?transport=x` and its credentials as webrtcbin wants them.
fn by_webrtcbin(server: &Value) -> Result<String> {
    let word = |of: &str| server[of].as_str().context("an ICE server");
    let rest = word("urls")?
        .strip_prefix("turn:")
        .context("a TURN server")?;
    let escaped =
        |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let (username, credential) = (escaped(word("username")?), escaped(word("credential")?));
    Ok(format!("turn://{username}:{credential}@{rest}"))
}

/// Both speak and hear each other.
fn meets_a_phone(folder: &str, house: &House, ann: RoomParticipant) -> Result<()> {
    let (phone_says, room_says) = (Speech::phone()?, Speech::room()?);
    let length = phone_says.wave.duration().max(room_says.wave.duration());
    let says = phone_says.between(Duration::from_secs(3), length);
    let mut phone = Baresip::start(folder, &Options::new("bob", &says))?;
    phone.dial(&house.uri(NUMBER))?;
    phone.wait_established(SOON)?;
    let heard = house.wait(ann.hears("bob", SOON))?;
    ann.say(&room_says.wave, Instant::now() + Duration::from_secs(1));
    phone.wait_closed(Duration::from_secs(40))?;
    phone_says.assert_heard_in(&heard.recording.wave(), folder, "phone to room")?;
    room_says.assert_heard_in(&phone.into_heard()?, folder, "room to phone")?;
    house.wait(ann.leave());
    Ok(())
}
