// SPDX-License-Identifier: MPL-2.0
//! A worker whose network lets nothing out but a relay: its connections to Janus go by coturn, over UDP, TCP and
//! TLS, with credentials of its own making. A phone and somebody in the room hear each other, and coturn has
//! carried every packet.

use anyhow::{Context as _, Result, bail, ensure};
use sip_worker::demo::janus::own_address;
use sip_worker::measure::Wave;
use sip_worker::measure::steady::steadily;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::coturn::Coturn;
use sipbridge_tests::out_dir;
use sipbridge_tests::scene::{GONE_WITHIN, NUMBER, Scene, Setup, open_house};
use sipbridge_tests::speech::Speech;
use sipbridge_tests::together::together;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const SCENARIO: &str = "a_worker_behind_coturn";
const SECRET: &str = "the secret of our own relay";
const SOON: Duration = Duration::from_secs(10);

/// A way to coturn, its place among what coturn is named by, and the worker's graph.
type Way = (&'static str, usize, &'static str);
const WAYS: [[Way; 2]; 2] = [
    [("udp", 0, "room"), ("tcp", 1, "room")],
    [("tls", 2, "room"), ("udp-stock", 0, "room-stock")],
];

/// What was said, and heard of it.
struct Told {
    phone_says: Speech,
    room_says: Speech,
    in_room: Wave,
    by_phone: Wave,
}

#[test]
fn everything_goes_by_the_relay() -> Result<()> {
    WAYS.iter().try_for_each(|two| steadily(|| at_a_time(two)))
}

fn at_a_time(ways: &[Way]) -> Result<()> {
    let told = together(ways, |(way, server, graph)| {
        call(&format!("{SCENARIO}/{way}"), *server, graph).context(*way)
    })?;
    // Only now, for it takes the processor from those who speak.
    for ((way, ..), told) in ways.iter().zip(&told) {
        let folder = format!("{SCENARIO}/{way}");
        let name = |direction| format!("{direction} over {way}");
        told.phone_says
            .assert_heard_in(&told.in_room, &folder, &name("phone to room"))?;
        told.room_says
            .assert_heard_in(&told.by_phone, &folder, &name("room to phone"))?;
    }
    Ok(())
}

fn call(folder: &str, server: usize, graph: &str) -> Result<Told> {
    // Janus leaves loopback out of ICE, and libnice asks nobody there from elsewhere.
    let IpAddr::V4(outside) = own_address()? else {
        bail!("this machine has no IPv4 address");
    };
    let coturn = Coturn::at(folder, SECRET, outside, outside)?;
    let scene = open(folder, &coturn, server, graph, true)?;
    let host = scene.join("host")?;
    let (phone_says, room_says) = (Speech::phone()?, Speech::room()?);
    let plays = phone_says.between(Duration::from_secs(3), Duration::from_secs(5));
    let mut phone = Baresip::start(folder, &Options::new("bob", &plays))?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    phone.wait_established(SOON)?;
    let heard = scene.wait(host.hears("bob", Duration::from_secs(5)))?;
    host.say(
        &room_says.wave,
        Instant::now() + Duration::from_millis(1_500),
    );
    phone.wait_closed(Duration::from_secs(40))?;
    host.sees_gone("bob", GONE_WITHIN)?;
    // Each direction has a connection of its own. What was taken is given back at once, and coturn says how much
    // went through it: 50 packets a second. A webrtcbin gives nothing back (libnice warns of that): it expires.
    if graph == "room" {
        let carried = coturn.until_given_back(2, SOON)?;
        ensure!(
            carried.iter().all(|packets| *packets > 300),
            "coturn carried {carried:?} packets"
        );
    }
    Ok(Told {
        phone_says,
        room_says,
        in_room: heard.recording.wave(),
        by_phone: phone.into_heard().context("the phone's recording")?,
    })
}

/// A worker whose only way is this server; `believed`: who signed the server's certificate is known to its system.
fn open(
    folder: &str,
    coturn: &Coturn,
    server: usize,
    graph: &str,
    believed: bool,
) -> Result<Scene> {
    std::fs::write(out_dir(folder).join("turn-secret"), SECRET)?;
    let authority = out_dir(folder).join("ca.pem").display().to_string();
    let setup = Setup {
        media: format!("pipeline = \"{graph}\""),
        ice: format!(
            "turn = [{:?}]\nturn_secret_file = \"turn-secret\"\nturn_policy = \"relay\"",
            coturn.urls()[server]
        ),
        environment: match believed {
            true => vec![("SSL_CERT_FILE", authority)],
            false => Vec::new(),
        },
        ..Setup::default()
    };
    Scene::open_with(folder, &open_house("at-once"), setup)
}

#[test]
fn whoever_cannot_show_that_it_is_the_relay_is_none() -> Result<()> {
    let folder = &format!("{SCENARIO}/stranger");
    let IpAddr::V4(outside) = own_address()? else {
        bail!("this machine has no IPv4 address");
    };
    let coturn = Coturn::at(folder, SECRET, outside, outside)?;
    let scene = open(folder, &coturn, 2, "room", false)?;
    let says = Speech::phone()?.between(Duration::ZERO, Duration::ZERO);
    let mut phone = Baresip::start(folder, &Options::new("bob", &says))?;
    phone.dial(&scene.worker.uri(NUMBER))?;
    let why = phone.wait_closed(SOON)?;
    ensure!(why.contains("503"), "{why}");
    for line in [
        "No address at the TURN server",
        "the TURN server gives no address",
    ] {
        scene.worker.wait_for_line(line, SOON)?;
    }
    let log = std::fs::read_to_string(scene.worker.log())?;
    ensure!(!log.contains(SECRET), "the secret is in the log");
    Ok(())
}
