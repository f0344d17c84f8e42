// SPDX-License-Identifier: MPL-2.0
//! A provider that does not do what it should: each way ends in one clear sentence in the API, and in the
//! right class of GStreamer error in `sipbin`.

use anyhow::{Context as _, Result, bail};
use gst::prelude::*;
use serde_json::json;
use sipbridge_tests::provider::{Manner, Nonce, Provider};
use sipbridge_tests::put;
use sipbridge_tests::scene::{GONE_WITHIN, ROOM, Scene, trunk_to};
use sipbridge_tests::together::together;
use std::time::Duration;

const SCENARIO: &str = "provider_refuses";
const PASSWORD: &str = "open sesame";
/// An INVITE that nobody answers is given up after 32 s (timer B).
const PATIENCE: Duration = Duration::from_secs(40);
const SOON: Duration = Duration::from_secs(2);

struct Case {
    /// The number to call, which is also the case's name.
    number: &'static str,
    manner: Manner,
    /// Whether we have a user name and password for it.
    account: bool,
    /// What the sentence says.
    says: &'static str,
    code: u16,
    error: gst::ResourceError,
    /// The last request of ours; nothing may be left open.
    last: &'static str,
}

const CASES: [Case; 14] = [
    Case {
        number: "unauthorized",
        manner: Manner::Challenge(401, Nonce::Another),
        account: false,
        says: "asks for a user name and password",
        code: 401,
        error: gst::ResourceError::NotAuthorized,
        last: "ACK",
    },
    Case {
        number: "proxy-unauthorized",
        manner: Manner::Challenge(407, Nonce::Another),
        account: false,
        says: "asks for a user name and password",
        code: 407,
        error: gst::ResourceError::NotAuthorized,
        last: "ACK",
    },
    Case {
        number: "wrong-nonce",
        manner: Manner::Challenge(401, Nonce::Another),
        account: true,
        says: "refused the user name or password for realm \"provider.example\"",
        code: 401,
        error: gst::ResourceError::NotAuthorized,
        last: "ACK",
    },
    Case {
        number: "wrong-nonce-of-a-proxy",
        manner: Manner::Challenge(407, Nonce::Another),
        account: true,
        says: "refused the user name or password for realm \"provider.example\"",
        code: 407,
        error: gst::ResourceError::NotAuthorized,
        last: "ACK",
    },
    Case {
        number: "stale-nonces",
        manner: Manner::Challenge(401, Nonce::Stale),
        account: true,
        says: "keeps asking for credentials",
        code: 401,
        error: gst::ResourceError::NotAuthorized,
        last: "ACK",
    },
    Case {
        number: "no-nonce",
        manner: Manner::Challenge(401, Nonce::Missing),
        account: true,
        says: "has no nonce",
        code: 401,
        error: gst::ResourceError::NotAuthorized,
        last: "ACK",
    },
    Case {
        number: "unauthorized-without-challenge",
        manner: Manner::Refuse(401, "Unauthorized"),
        account: true,
        says: "names no challenge",
        code: 401,
        error: gst::ResourceError::NotAuthorized,
        last: "ACK",
    },
    Case {
        number: "forbidden",
        manner: Manner::Refuse(403, "Forbidden"),
        account: true,
        says: "403 Forbidden",
        code: 403,
        error: gst::ResourceError::NotAuthorized,
        last: "ACK",
    },
    Case {
        number: "not-found",
        manner: Manner::Refuse(404, "Not Found"),
        account: true,
        says: "404 Not Found",
        code: 404,
        error: gst::ResourceError::NotFound,
        last: "ACK",
    },
    Case {
        number: "busy",
        manner: Manner::Refuse(486, "Busy Here"),
        account: true,
        says: "486 Busy Here",
        code: 486,
        error: gst::ResourceError::Busy,
        last: "ACK",
    },
    Case {
        number: "unavailable",
        manner: Manner::Refuse(503, "Service Unavailable"),
        account: true,
        says: "503 Service Unavailable",
        code: 503,
        error: gst::ResourceError::Failed,
        last: "ACK",
    },
    Case {
        number: "nothing",
        manner: Manner::Nothing,
        account: true,
        says: "did not answer our INVITE within 32 s",
        code: 408,
        error: gst::ResourceError::Failed,
        last: "INVITE",
    },
    Case {
        number: "without-sdp",
        manner: Manner::WithoutSdp,
        account: true,
        says: "answered without SDP",
        code: 488,
        error: gst::ResourceError::Failed,
        last: "BYE",
    },
    Case {
        number: "nonsense-for-sdp",
        manner: Manner::WithNonsense,
        account: true,
        says: "no media could be agreed on",
        code: 488,
        error: gst::ResourceError::Failed,
        last: "BYE",
    },
];

fn provider() -> Result<Provider> {
    let manners: Vec<_> = CASES
        .iter()
        .map(|case| (case.number, case.manner))
        .collect();
    Provider::start(&manners)
}

/// What any of these sentences must be.
fn assert_is_one_clear_sentence(sentence: &str, case: &Case) {
    let number = case.number;
    assert!(sentence.contains(case.says), "{number}: {sentence}");
    assert!(sentence.chars().count() < 200, "{number}: {sentence}");
    assert!(!sentence.contains(['\r', '\n']), "{number}: {sentence}");
    assert!(!sentence.contains(PASSWORD), "{number}: {sentence}");
    let code = case.code.to_string();
    assert!(
        sentence.matches(&code).count() <= 1,
        "{number} says its status twice: {sentence}"
    );
}

/// Side by side, for each waits for those who never answer.
#[test]
fn worker_and_sipbin_say_why() -> Result<()> {
    together(&[the_api_says_why, sipbin_posts_the_right_error], |why| {
        why()
    })
    .map(|_| ())
}

fn the_api_says_why() -> Result<()> {
    let provider = provider()?;
    let password = put(SCENARIO, "password", PASSWORD)?;
    let uri = provider.address();
    let tables = format!(
        "[[trunk]]
name = \"stranger\"
uri = \"sip:{uri}\"
dial_allow = [\"*\"]

[[trunk]]
name = \"account\"
uri = \"sip:{uri}\"
username = \"alice\"
password_file = \"{}\"
dial_allow = [\"*\"]
",
        password.display()
    );
    let mut scene = Scene::open(SCENARIO, &tables)?;
    let mut calls = Vec::new();
    for case in &CASES {
        let trunk = if case.account { "account" } else { "stranger" };
        let wanted = json!({ "to": case.number, "trunk": trunk, "room": ROOM });
        calls.push(scene.worker.call(&wanted)?);
    }
    for (case, id) in CASES.iter().zip(&calls) {
        scene
            .worker
            .until_call("has ended", PATIENCE, |call| {
                call["id"] == **id && call["state"] == "ended"
            })
            .with_context(|| case.number)?;
        let (status, call) = scene.worker.ask("GET", &format!("/v1/calls/{id}"), None)?;
        assert_eq!(status, 200, "{call}");
        assert_is_one_clear_sentence(call["why"].as_str().unwrap_or_default(), case);
        assert_eq!(call["code"], case.code, "{}: {call}", case.number);
        assert!(call["sip_call_id"].is_string(), "{}: {call}", case.number);
        provider.until(case.number, case.last, SOON)?;
    }
    let log = scene.worker.process().printed();
    assert!(!log.contains(PASSWORD), "passwords stay out of the log");
    Ok(())
}

#[test]
fn who_is_declined_leaves_the_room() -> Result<()> {
    let provider = Provider::start(&[("bob", Manner::Ring)])?;
    let scene = Scene::open(
        "provider_declines",
        &trunk_to(&format!("sip:{}", provider.address())),
    )?;
    let host = scene.join("host")?;
    let wanted = json!({ "to": "bob", "room": ROOM, "name": "Bob" });
    scene.worker.call(&wanted)?;
    host.sees("Bob", SOON)?;
    scene
        .worker
        .until_call("rings", SOON, |call| call["state"] == "ringing")?;
    provider.decline("bob")?;
    host.sees_gone("Bob", GONE_WITHIN)?;
    scene.worker.until_call("was refused", SOON, |call| {
        call["state"] == "ended" && call["code"] == 486
    })?;
    provider.until("bob", "ACK", SOON)?;
    Ok(())
}

fn sipbin_posts_the_right_error() -> Result<()> {
    gst::init()?;
    gstsipbridge::register_once()?;
    let provider = provider()?;
    let mut lines = Vec::new();
    for case in &CASES {
        let account = match case.account {
            true => format!("agent::username=alice agent::password=\"{PASSWORD}\""),
            false => String::new(),
        };
        let launch = format!(
            "sipbin uri=sip:{}@{} {account} ! fakesink",
            case.number,
            provider.address()
        );
        lines.push(Line::play(&launch)?);
    }
    for (case, line) in CASES.iter().zip(&lines) {
        let (error, details) = line.error().with_context(|| case.number)?;
        assert!(error.matches(case.error), "{}: {error:?}", case.number);
        assert_is_one_clear_sentence(&error.to_string(), case);
        assert_eq!(
            details.get::<u32>("sip-code")?,
            u32::from(case.code),
            "{}",
            case.number
        );
        provider.until(case.number, case.last, SOON)?;
    }
    Ok(())
}

/// A pipeline that plays until it is dropped.
struct Line(gst::Element);

impl Line {
    fn play(launch: &str) -> Result<Line> {
        let line = Line(gst::parse::launch(launch)?);
        line.0.set_state(gst::State::Playing)?;
        Ok(line)
    }

    fn error(&self) -> Result<(gst::glib::Error, gst::Structure)> {
        let bus = self.0.bus().context("a pipeline has a bus")?;
        let timeout = gst::ClockTime::from_seconds(PATIENCE.as_secs());
        let message = bus.timed_pop_filtered(timeout, &[gst::MessageType::Error]);
        match message.as_ref().map(|message| message.view()) {
            Some(gst::MessageView::Error(error)) => {
                let details = error.details().context("an error of a call has details")?;
                Ok((error.error(), details.to_owned()))
            }
            _ => bail!("no error within {timeout}"),
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}
