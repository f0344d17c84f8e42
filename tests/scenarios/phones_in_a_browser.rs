// SPDX-License-Identifier: MPL-2.0
//! SIP.js and JsSIP in Chromium, over a WebSocket with TLS, with the worker as their only server: they
//! register, ask, are refused a number that leads nowhere, call a room and are called into it, hear each other there
//! by DTLS-SRTP and ICE, and leave. Who offers plain RTP instead is answered with that, and who has an address as
//! telephones have is offered it; nobody sends any.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sipbridge_tests::browser_phone::{HOST, Makers, PATIENCE, Phone, USERS, tables};
use sipbridge_tests::scene::ROOM;
use sipbridge_tests::together::together;
use sipbridge_tests::worker::{Settings, Worker};
use sipbridge_tests::{certificate, out_dir};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

const SCENARIO: &str = "phones_in_a_browser";
const NOBODY: &str = "4711";
const SOON: Duration = Duration::from_secs(5);

/// Where all of them wait for each other.
#[derive(Default)]
struct Meeting {
    came: Mutex<usize>,
    all: Condvar,
}

impl Meeting {
    /// `times`: how often they have met then.
    fn wait(&self, times: usize) -> Result<()> {
        let mut came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        *came += 1;
        self.all.notify_all();
        let waits = |came: &mut usize| *came < times * USERS.len();
        let (came, waited) = self
            .all
            .wait_timeout_while(came, PATIENCE, waits)
            .unwrap_or_else(PoisonError::into_inner);
        drop(came);
        ensure!(!waited.timed_out(), "the other one does not come");
        Ok(())
    }
}

/// A page, and the worker that its phone talks to.
struct Story<'a> {
    worker: &'a Worker,
    phone: Phone<'a>,
    meeting: &'a Meeting,
}

#[test]
fn phones_in_a_browser() -> Result<()> {
    let makers = Makers::install(SCENARIO, include_str!("phones_in_a_browser.js"))?;
    let settings = Settings {
        tls: true,
        tables: format!(
            "[[sfu]]
name = \"main\"
kind = \"embedded\"

{}",
            tables(SCENARIO)?
        ),
        ..Settings::default()
    };
    let pin = certificate::make(&out_dir(SCENARIO), HOST)?.pin;
    let worker = Worker::start_with(SCENARIO, HOST, &settings)?;
    let meeting = Meeting::default();
    together(&USERS, |user| {
        let server = format!("wss://{}", worker.sip_over_websocket());
        let believes = format!("--ignore-certificate-errors-spki-list={pin}");
        let phone = makers.open(user, &server, &format!("&nobody={NOBODY}"), &[believes])?;
        let story = Story {
            worker: &worker,
            phone,
            meeting: &meeting,
        };
        story.passes().context(user.name)
    })?;
    Ok(())
}

impl Story<'_> {
    fn passes(&self) -> Result<()> {
        let Story { worker, phone, .. } = self;
        let name = phone.user.name;
        let registered = phone.told("/registered")?;
        let contacts = self.contacts()?;
        ensure!(contacts.len() == 1, "{contacts:?}");
        registered.heard()?;

        self.tells("/options", "200")?;
        self.tells("/refused-for-number", "404")?;

        let answered = phone.told("/answered-in-plain")?;
        for line in ["m=audio ", " RTP/AVP 0 101\r\n", "a=sendrecv\r\n"] {
            ensure!(answered.body.contains(line), "{}", answered.body);
        }
        let call = self.until("active", |call| call["user"] == name)?;
        let id = call["id"].clone();
        answered.heard()?;
        let call = self.until("ended", |call| call["id"] == id)?;
        ensure!(call["why"] == "the far end hung up", "{call}");

        let answered = phone.told("/answered")?;
        for line in [
            " UDP/TLS/RTP/SAVPF ",
            "a=fingerprint:sha-256 ",
            "a=candidate:",
        ] {
            ensure!(answered.body.contains(line), "{}", answered.body);
        }
        answered.heard()?;
        self.hears_the_other(1)?;

        phone.told("/waits")?.heard()?;
        let id = worker.call(&self.wanted())?;
        let called = phone.told("/called")?;
        ensure!(called.body.starts_with("answered\n"), "{}", called.body);
        for line in [" UDP/TLS/RTP/SAVPF ", "a=tls-id:"] {
            ensure!(called.body.contains(line), "{}", called.body);
        }
        self.until("active", |call| call["id"] == *id)?;
        called.heard()?;
        self.hears_the_other(2)?;
        worker.until_call("are known to be encrypted", SOON, |call| {
            call["id"] == *id && call["media"]["phone"]["srtp"].is_string()
        })?;
        worker.hang_up(&id)?;
        phone.told("/hung-up")?.heard()?;

        let unregistered = phone.told("/unregistered")?;
        let contacts = self.contacts()?;
        ensure!(contacts.is_empty(), "{contacts:?}");
        unregistered.heard()?;
        self.is_called_as_a_telephone()
    }

    /// Not who has a WebSocket is a browser, but who has no address.
    fn is_called_as_a_telephone(&self) -> Result<()> {
        self.phone.told("/waits-as-telephone")?.heard()?;
        let id = self.worker.call(&self.wanted())?;
        let called = self.phone.told("/called-in-plain")?;
        ensure!(called.body.starts_with("answered\n"), "{}", called.body);
        ensure!(called.body.contains(" RTP/AVP "), "{}", called.body);
        called.heard()?;
        self.until("active", |call| call["id"] == *id)?;
        self.worker.hang_up(&id)?;
        self.phone.told("/telephone-hung-up")?.heard()
    }

    /// And the other one this one: nobody leaves before that.
    fn hears_the_other(&self, times: usize) -> Result<()> {
        let name = self.phone.user.name;
        let other = USERS.iter().find(|other| other.name != name);
        let told = self.phone.hears(other.context("another")?.hz)?;
        self.meeting.wait(times)?;
        told.heard()
    }

    fn tells(&self, path: &str, wanted: &str) -> Result<()> {
        let told = self.phone.told(path)?;
        ensure!(told.body == wanted, "{path}: {}", told.body);
        told.heard()
    }

    fn wanted(&self) -> Value {
        let name = self.phone.user.name;
        json!({ "to": name, "room": ROOM, "participant": format!("{name}-called"), "name": name })
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
        let ours = users
            .iter()
            .find(|user| user["user"] == self.phone.user.name);
        let contacts = ours.and_then(|user| user["contacts"].as_array());
        contacts.cloned().with_context(|| told.to_string())
    }
}
