// SPDX-License-Identifier: MPL-2.0
//! SIP.js and JsSIP in Chromium, over a WebSocket without TLS, with a room of Janus behind the worker: they register,
//! call the room and are called from it, hear who is there by DTLS-SRTP and ICE, and are heard.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sip_worker::webrtc::participant::{Heard, MOUTH_HZ};
use sipbridge_browser::share_of;
use sipbridge_tests::browser_phone::{Makers, PATIENCE, Phone, USERS, tables};
use sipbridge_tests::join_page::tone;
use sipbridge_tests::scene::{ROOM, Scene, Setup, Somebody};
use std::time::{Duration, Instant};

const SCENARIO: &str = "phones_in_a_browser_reach_janus";
const SOON: Duration = Duration::from_secs(10);
/// How long a tone is listened to, and how much of its end is left out: the last of it may be on its way.
const LISTENS: Duration = Duration::from_secs(2);
const JUDGED: Duration = Duration::from_secs(1);
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// What who is in the room says.
const HOSTS_HZ: f64 = 440.0;

#[test]
fn phones_in_a_browser_reach_janus() -> Result<()> {
    let makers = Makers::install(SCENARIO, include_str!("phones_in_a_browser_reach_janus.js"))?;
    let setup = Setup {
        websocket: true,
        ..Setup::default()
    };
    let scene = Scene::open_with(SCENARIO, &tables(SCENARIO)?, setup)?;
    let host = scene.join("host")?;
    let server = format!("ws://{}", scene.worker.sip_over_websocket());
    for user in &USERS {
        let story = Story {
            scene: &scene,
            host: &host,
            phone: makers.open(user, &server, "", &[])?,
        };
        story.passes().context(user.name)?;
    }
    Ok(())
}

/// A page, and who is in the room.
struct Story<'a> {
    scene: &'a Scene,
    host: &'a Somebody<'a>,
    phone: Phone<'a>,
}

impl Story<'_> {
    fn passes(&self) -> Result<()> {
        let Story { scene, phone, .. } = self;
        let name = phone.user.name;
        let registered = phone.told("/registered")?;
        let (_, told) = scene.worker.ask("GET", "/v1/registrations", None)?;
        let users = told["users"].as_array().context("users")?;
        let ours = users.iter().find(|user| user["user"] == name);
        let address = ours.and_then(|user| user.pointer("/contacts/0/address")?.as_str());
        ensure!(
            address.is_some_and(|address| address.starts_with("ws:")),
            "{told}"
        );
        registered.heard()?;

        let answered = phone.told("/answered")?;
        ensure!(
            answered.body.contains(" UDP/TLS/RTP/SAVPF "),
            "{}",
            answered.body
        );
        answered.heard()?;
        self.hear_each_other(name)?;

        phone.told("/waits")?.heard()?;
        let called = format!("{name}-called");
        let wanted = json!({ "to": name, "room": ROOM, "participant": called, "name": called });
        let id = scene.worker.call(&wanted)?;
        let told = phone.told("/called")?;
        ensure!(told.body.starts_with("answered\n"), "{}", told.body);
        ensure!(told.body.contains(" UDP/TLS/RTP/SAVPF "), "{}", told.body);
        told.heard()?;
        self.hear_each_other(&called)?;
        self.is_encrypted(&id)?;
        scene.worker.hang_up(&id)?;
        phone.told("/hung-up")?.heard()
    }

    /// The page hears who is in the room, who hears it by this name.
    fn hear_each_other(&self, name: &str) -> Result<()> {
        let (scene, host) = (self.scene, self.host);
        host.say(&tone(HOSTS_HZ, MOUTH_HZ, PATIENCE), Instant::now());
        let told = self.phone.hears(HOSTS_HZ)?;
        host.hush();
        let Heard { recording, .. } = scene.wait(host.hears(name, SOON))?;
        scene.wait(recording.lasts(LISTENS));
        let end = Instant::now();
        let heard = recording.between(end - JUDGED, end - ON_ITS_WAY);
        let share = share_of(self.phone.user.hz, &heard.samples, heard.rate_hz);
        ensure!(
            share > 0.8,
            "of what the room hears, {share:.2} is the page's"
        );
        told.heard()
    }

    fn is_encrypted(&self, id: &str) -> Result<Value> {
        let what = "are known to be encrypted";
        self.scene.worker.until_call(what, SOON, |call| {
            call["id"] == *id && call["media"]["phone"]["srtp"].is_string()
        })
    }
}
