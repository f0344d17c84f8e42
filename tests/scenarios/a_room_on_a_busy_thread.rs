// SPDX-License-Identifier: MPL-2.0
//! A room whose media thread has as much to do as it may takes nobody more, in or out, though other threads idle:
//! what is late is late for everybody in it. Another room does.

use anyhow::{Context as _, Result, ensure};
use gst::prelude::*;
use gstsipbridge::context::{Context, MAX_WAIT};
use sipbridge_tests::house::{House, Lines};
use sipbridge_tests::http::ask;
use sipbridge_tests::raw::Raw;
use sipbridge_tests::scene::{NUMBER, ROOM, trunk_to};
use sipbridge_tests::toil::keep_busy;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const SCENARIO: &str = "a_room_on_a_busy_thread";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                   m=audio 40000 RTP/AVP 0\r\n";
const OTHER: &str = "2000";
const THREAD: &str = "of-the-room";
const PATIENCE: Duration = Duration::from_secs(10);

fn call(raw: &Raw, number: &str) -> Result<String> {
    let invite = raw.request("INVITE", number, SDP);
    raw.send(invite.as_bytes())?;
    let answer = raw.final_answer_to(&invite, PATIENCE)?;
    let answer = answer.context("no answer")?;
    Ok(answer.split(' ').nth(1).unwrap_or_default().to_owned())
}

#[test]
fn a_room_on_a_busy_thread() -> Result<()> {
    let media = IpAddr::from(Ipv4Addr::LOCALHOST);
    let lines = Lines {
        media: "contexts = 2",
        ..Lines::default()
    };
    let tables = format!(
        "{}
[[route]]
to = \"{OTHER}\"
room = \"other\"
answer = \"at-once\"
",
        trunk_to("sip:phone@127.0.0.1:9")
    );
    let house = House::open_with(SCENARIO, media, lines, "kind = \"embedded\"", &tables)?;
    let raw = Raw::open(house.sip())?;
    ensure!(call(&raw, NUMBER)? == "200", "a room that is idle");

    // The room goes to a thread of its own, which somebody else keeps busy.
    let thread = Context::acquire(THREAD, MAX_WAIT)?;
    let pipelines = house.pipelines(ROOM);
    let mixers = pipelines
        .first()
        .context("the room has media")?
        .iterate_all_by_element_factory_name("sipmixer")
        .next();
    let mixer = mixers.ok().flatten().context("which are mixed")?;
    mixer.set_property("context", THREAD);
    ensure!(
        call(&raw, NUMBER)? == "200",
        "a room that is idle elsewhere"
    );
    let _busy = keep_busy(&thread, 0.96);
    let deadline = Instant::now() + PATIENCE;
    while thread.stats().load_permille < 900 {
        ensure!(Instant::now() < deadline, "{:?}", thread.stats());
        std::thread::sleep(Duration::from_millis(100));
    }

    ensure!(call(&raw, NUMBER)? == "503", "a room that is busy");
    let bearer = format!("Bearer {}", house.token());
    let headers = [("Authorization", bearer.as_str())];
    let calls = ask(house.http(), "GET", "/v1/calls", &headers, "")?.body;
    ensure!(calls.contains(THREAD), "{calls}");
    let headers = [headers[0], ("Content-Type", "application/json")];
    let dial = format!("{{\"to\": \"+15550123\", \"room\": \"{ROOM}\"}}");
    let answer = ask(house.http(), "POST", "/v1/calls", &headers, &dial)?;
    ensure!(
        answer.status == 503 && answer.body.contains(THREAD),
        "{answer:?}"
    );

    ensure!(call(&raw, OTHER)? == "200", "another room");
    Ok(())
}
