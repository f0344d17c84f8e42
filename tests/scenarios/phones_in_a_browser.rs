// SPDX-License-Identifier: MPL-2.0
//! SIP.js and JsSIP in Chromium, over a WebSocket with TLS, with the worker as their only server: they
//! register, ask, are refused what the worker does not speak, call a room and are called, and leave. Their
//! own media are not spoken on a phone's side of a call, and each side refuses the other's; so the calls
//! that come about are plain RTP in words, and nobody sends it.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sipbridge_browser::{Browser, Pages, Told};
use sipbridge_tests::modules;
use sipbridge_tests::scene::{NUMBER, ROOM};
use sipbridge_tests::worker::{Settings, Worker};
use sipbridge_tests::{certificate, out_dir};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const SCENARIO: &str = "phones_in_a_browser";
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const NOBODY: &str = "4711";
const SOON: Duration = Duration::from_secs(5);
/// A browser takes its time on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody with a phone in a browser.
struct User {
    name: &'static str,
    library: &'static str,
    /// What it says to a call whose media a browser does not speak.
    refuses: u16,
}

const USERS: [User; 2] = [
    User {
        name: "sam",
        library: "sipjs",
        refuses: 480,
    },
    User {
        name: "jess",
        library: "jssip",
        refuses: 488,
    },
];

/// A page, and the worker that its phone talks to.
struct Story<'a> {
    worker: &'a Worker,
    pages: Pages,
    user: &'a User,
}

#[test]
fn phones_in_a_browser() -> Result<()> {
    let modules = modules::install(
        SCENARIO,
        include_str!("phones_in_a_browser/package.json"),
        include_str!("phones_in_a_browser/package-lock.json"),
    )?;
    let folder = out_dir(SCENARIO);
    std::fs::write(folder.join("password"), "open-sesame")?;
    let pin = certificate::make(&folder, HOST)?.pin;
    let users = USERS.each_ref().map(|User { name, .. }| {
        format!("[[user]]\nname = \"{name}\"\npassword_file = \"password\"\n\n")
    });
    let settings = Settings {
        tls: true,
        tables: format!(
            "[[sfu]]
name = \"main\"
kind = \"embedded\"

{}[[route]]
user = \"*\"
to = \"{NUMBER}\"
room = \"{ROOM}\"
answer = \"at-once\"
",
            users.concat()
        ),
        ..Settings::default()
    };
    let worker = Worker::start_with(SCENARIO, HOST, &settings)?;
    for user in &USERS {
        let modules = modules.clone();
        let pages = Pages::open(Box::new(move |path| {
            Some(match path {
                "" => include_bytes!("phones_in_a_browser/page.html").to_vec(),
                "page.js" => include_bytes!("phones_in_a_browser/page.js").to_vec(),
                "media.js" => include_bytes!("phones_in_a_browser/media.js").to_vec(),
                "sipjs.js" => include_bytes!("phones_in_a_browser/sipjs.js").to_vec(),
                "jssip.js" => include_bytes!("phones_in_a_browser/jssip.js").to_vec(),
                _ => std::fs::read(modules.join(path.strip_prefix("modules/")?)).ok()?,
            })
        }))?;
        let address = pages.url(&format!(
            "?library={}&user={}&password=open-sesame&number={NUMBER}&nobody={NOBODY}\
             &domain={HOST}&server=wss://{}",
            user.library,
            user.name,
            worker.sip_over_websocket()
        ));
        let believes = format!("--ignore-certificate-errors-spki-list={pin}");
        let _browser = Browser::open(&folder, &address, &[believes])?;
        let story = Story {
            worker: &worker,
            pages,
            user,
        };
        story.passes().context(user.name)?;
    }
    Ok(())
}

impl Story<'_> {
    fn passes(&self) -> Result<()> {
        let Story { worker, user, .. } = *self;
        let registered = self.told("/registered")?;
        let contacts = self.contacts()?;
        ensure!(contacts.len() == 1, "{contacts:?}");
        registered.heard()?;

        self.tells("/options", "200")?;
        // DTLS is not spoken on this side; that is said before anything else is looked at.
        self.tells("/refused-for-media", "488")?;
        self.tells("/refused-for-number", "404")?;

        self.told("/waits-with-media")?.heard()?;
        let id = worker.call(&self.wanted())?;
        let call = self.until("ended", |call| call["id"] == *id)?;
        ensure!(call["code"] == user.refuses, "{call}");
        let told = self.told("/called-with-media")?;
        ensure!(told.body.starts_with("refused"), "{}", told.body);
        told.heard()?;

        let answered = self.told("/answered")?;
        for line in ["m=audio ", " RTP/AVP 0 101\r\n", "a=sendrecv\r\n"] {
            ensure!(answered.body.contains(line), "{}", answered.body);
        }
        let call = self.until("active", |call| call["user"] == user.name)?;
        let id = call["id"].clone();
        answered.heard()?;
        let call = self.until("ended", |call| call["id"] == id)?;
        ensure!(call["why"] == "the far end hung up", "{call}");

        self.told("/waits")?.heard()?;
        let id = worker.call(&self.wanted())?;
        let called = self.told("/called")?;
        ensure!(called.body.starts_with("answered\n"), "{}", called.body);
        ensure!(called.body.contains("\nm=audio "), "{}", called.body);
        self.until("active", |call| call["id"] == *id)?;
        called.heard()?;
        worker.hang_up(&id)?;
        self.told("/hung-up")?.heard()?;

        let unregistered = self.told("/unregistered")?;
        let contacts = self.contacts()?;
        ensure!(contacts.is_empty(), "{contacts:?}");
        unregistered.heard()
    }

    /// The next that the page tells.
    fn told(&self, wanted: &str) -> Result<Told> {
        let told = self.pages.told(PATIENCE)?;
        ensure!(told.path == wanted, "{} ({})", told.path, told.body);
        Ok(told)
    }

    fn tells(&self, path: &str, wanted: &str) -> Result<()> {
        let told = self.told(path)?;
        ensure!(told.body == wanted, "{path}: {}", told.body);
        told.heard()
    }

    fn wanted(&self) -> Value {
        json!({ "to": self.user.name, "room": ROOM, "participant": "guest", "name": "Guest" })
    }

    /// Waits until a call that is meant is in this state.
    fn until(&self, state: &str, meant: impl Fn(&Value) -> bool) -> Result<Value> {
        let what = format!("are {state}");
        self.worker
            .until_call(&what, SOON, |call| meant(call) && call["state"] == state)
    }

    /// Where the user is registered.
    fn contacts(&self) -> Result<Vec<Value>> {
        let (_, told) = self.worker.ask("GET", "/v1/registrations", None)?;
        let users = told["users"].as_array().context("users")?;
        let ours = users.iter().find(|user| user["user"] == self.user.name);
        let contacts = ours.and_then(|user| user["contacts"].as_array());
        contacts.cloned().with_context(|| told.to_string())
    }
}
