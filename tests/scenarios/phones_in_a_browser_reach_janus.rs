// SPDX-License-Identifier: MPL-2.0
//! SIP.js and JsSIP in Chromium, over a WebSocket without TLS, with a room of Janus behind the worker: they register,
//! call the room and are called from it, hear who is there by DTLS-SRTP and ICE, and are heard.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sip_worker::webrtc::participant::{Heard, MOUTH_HZ};
use sipbridge_browser::{Browser, Pages, Told, share_of};
use sipbridge_tests::join_page::tone;
use sipbridge_tests::scene::{NUMBER, ROOM, Scene, Setup, Somebody};
use sipbridge_tests::{modules, out_dir};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

const SCENARIO: &str = "phones_in_a_browser_reach_janus";
const SOON: Duration = Duration::from_secs(10);
/// A browser takes its time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a tone is listened to, and how much of its end is left out: the last of it may be on its way.
const LISTENS: Duration = Duration::from_secs(2);
const JUDGED: Duration = Duration::from_secs(1);
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// What who is in the room says.
const HOSTS_HZ: f64 = 440.0;
/// As exactly as the page counts.
const CLOSE_HZ: f64 = 12.0;

/// Somebody with a phone in a browser: name, library, and the tone that it says.
const USERS: [(&str, &str, f64); 2] = [("sam", "sipjs", 700.0), ("jess", "jssip", 1_000.0)];

#[test]
fn phones_in_a_browser_reach_janus() -> Result<()> {
    let modules = modules::install(
        SCENARIO,
        include_str!("phones_in_a_browser/package.json"),
        include_str!("phones_in_a_browser/package-lock.json"),
    )?;
    std::fs::write(out_dir(SCENARIO).join("password"), "open-sesame")?;
    let users = USERS
        .map(|(name, ..)| format!("[[user]]\nname = \"{name}\"\npassword_file = \"password\"\n\n"));
    let tables = format!(
        "{}[[route]]
user = \"*\"
to = \"{NUMBER}\"
room = \"{ROOM}\"
answer = \"at-once\"
",
        users.concat()
    );
    let setup = Setup {
        websocket: true,
        ..Setup::default()
    };
    let scene = Scene::open_with(SCENARIO, &tables, setup)?;
    let host = scene.join("host")?;
    for (name, library, hz) in USERS {
        let modules = modules.clone();
        let pages = Pages::open(Box::new(move |path| {
            Some(match path {
                "" => include_bytes!("phones_in_a_browser/page.html").to_vec(),
                "page.js" => include_bytes!("phones_in_a_browser_reach_janus.js").to_vec(),
                "media.js" => include_bytes!("phones_in_a_browser/media.js").to_vec(),
                "sipjs.js" => include_bytes!("phones_in_a_browser/sipjs.js").to_vec(),
                "jssip.js" => include_bytes!("phones_in_a_browser/jssip.js").to_vec(),
                _ => std::fs::read(modules.join(path.strip_prefix("modules/")?)).ok()?,
            })
        }))?;
        let address = pages.url(&format!(
            "?library={library}&user={name}&hz={hz}&password=open-sesame&number={NUMBER}\
             &domain={}&server=ws://{}",
            Ipv4Addr::LOCALHOST,
            scene.worker.sip_over_websocket()
        ));
        let folder = out_dir(SCENARIO).join(name);
        std::fs::create_dir_all(&folder)?;
        let _browser = Browser::open(&folder, &address, &[])?;
        let story = Story {
            scene: &scene,
            host: &host,
            pages,
            name,
            hz,
        };
        story.passes().context(name)?;
    }
    Ok(())
}

/// A page, and who is in the room.
struct Story<'a> {
    scene: &'a Scene,
    host: &'a Somebody<'a>,
    pages: Pages,
    name: &'static str,
    hz: f64,
}

impl Story<'_> {
    fn passes(&self) -> Result<()> {
        let Story { scene, name, .. } = *self;
        let registered = self.told("/registered")?;
        let (_, told) = scene.worker.ask("GET", "/v1/registrations", None)?;
        let users = told["users"].as_array().context("users")?;
        let ours = users.iter().find(|user| user["user"] == name);
        let address = ours.and_then(|user| user.pointer("/contacts/0/address")?.as_str());
        ensure!(
            address.is_some_and(|address| address.starts_with("ws:")),
            "{told}"
        );
        registered.heard()?;

        let answered = self.told("/answered")?;
        ensure!(
            answered.body.contains(" UDP/TLS/RTP/SAVPF "),
            "{}",
            answered.body
        );
        answered.heard()?;
        self.hear_each_other(name)?;

        self.told("/waits")?.heard()?;
        let called = format!("{name}-called");
        let wanted = json!({ "to": name, "room": ROOM, "participant": called, "name": called });
        let id = scene.worker.call(&wanted)?;
        let told = self.told("/called")?;
        ensure!(told.body.starts_with("answered\n"), "{}", told.body);
        ensure!(told.body.contains(" UDP/TLS/RTP/SAVPF "), "{}", told.body);
        told.heard()?;
        self.hear_each_other(&called)?;
        self.is_encrypted(&id)?;
        scene.worker.hang_up(&id)?;
        self.told("/hung-up")?.heard()
    }

    /// The page hears who is in the room, who hears it by this name.
    fn hear_each_other(&self, name: &str) -> Result<()> {
        let (scene, host) = (self.scene, self.host);
        host.say(&tone(HOSTS_HZ, MOUTH_HZ, PATIENCE), Instant::now());
        let told = self.told("/hears")?;
        host.hush();
        let hz: f64 = told.body.parse().context("a frequency")?;
        ensure!(
            (hz - HOSTS_HZ).abs() < CLOSE_HZ,
            "heard are {hz} Hz; {} Hz would be itself",
            self.hz
        );
        let Heard { recording, .. } = scene.wait(host.hears(name, SOON))?;
        scene.wait(recording.lasts(LISTENS));
        let end = Instant::now();
        let heard = recording.between(end - JUDGED, end - ON_ITS_WAY);
        let share = share_of(self.hz, &heard.samples, heard.rate_hz);
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

    /// The next that the page tells.
    fn told(&self, wanted: &str) -> Result<Told> {
        let told = self.pages.told(PATIENCE)?;
        ensure!(told.path == wanted, "{} ({})", told.path, told.body);
        Ok(told)
    }
}
