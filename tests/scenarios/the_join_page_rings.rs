// SPDX-License-Identifier: MPL-2.0
//! A call rings in the browser of whom its route names, who accepts it or declines it; where nobody does
//! either, the phone hears 480.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sipbridge_tests::baresip::{Baresip, Options};
use sipbridge_tests::http::ask;
use sipbridge_tests::join_page::{JoinPage, SOON, card, shows, tone};
use sipbridge_tests::scene::ROOM;
use std::time::Duration;

const SCENARIO: &str = "the_join_page_rings";
const PHONES_HZ: f64 = 800.0;
const ROUTES: &str = "[[trunk]]
name = \"phones\"
allow = [\"127.0.0.0/8\"]

[[route]]
to = \"2000\"
room = \"lobby\"
answer = \"on-accept\"
ring = [\"Ann\"]

[[route]]
to = \"3000\"
room = \"lobby\"
answer = \"on-accept\"
ring = [\"Bert\", \"desk-*\"]
ring_for = \"2s\"
";

#[test]
fn a_call_rings_on_the_page() -> Result<()> {
    let mut ann = JoinPage::open(SCENARIO, "", ROUTES)?;
    ann.join("Ann")?;
    let says = tone(PHONES_HZ, 8_000, Duration::from_secs(120));
    let named = Options {
        display: Some("Front desk"),
        ..Options::new("alice", &says)
    };
    let mut alice = Baresip::start(SCENARIO, &named)?;

    let anns = ann.worker.uri("2000");
    alice.dial(&anns)?;
    alice.wait_ringing(SOON)?;
    // Its number stands below what it calls itself.
    ann.sees("document.querySelector('#ringing').innerText.includes('Front desk\\nalice')")?;
    ann.sees("document.title.includes('Front desk')")?;
    ann.look("ringing")?;
    ann.page.click("[data-act=accept]")?;
    alice.wait_established(SOON)?;
    let hers = card("Front desk\nalice · ");
    ann.sees(&format!("{hers}?.matches('.talking')"))?;
    let hz = ann.hears_hz()?;
    ensure!((hz - PHONES_HZ).abs() < 15.0, "the page hears {hz} Hz");
    alice.hang_up()?;
    alice.wait_closed(SOON)?;
    ann.sees(&format!("!{hers}"))?;

    alice.dial(&anns)?;
    alice.wait_ringing(SOON)?;
    ann.page.click("[data-act=decline]")?;
    let told = alice.wait_closed(SOON)?;
    ensure!(told.contains("603"), "{told}");
    ann.sees("!document.querySelector('#ringing').firstChild")?;

    // It is nobody's who is there.
    alice.dial(&ann.worker.uri("3000"))?;
    alice.wait_ringing(SOON)?;
    ann.sees(&card("is calling"))?;
    ensure!(ann.page.eval(&shows("#ringing .card"))? != true);
    let id = ann
        .worker
        .until_call("rings", SOON, |call| call["state"] == "ringing")?;
    let id = id["id"].as_str().context("an id")?;
    ensure!(accepts(&ann, "role=host&name=Ann", id)? == 403);
    ensure!(accepts(&ann, "role=guest&name=Bert", id)? == 403);
    let told = alice.wait_closed(SOON)?;
    ensure!(told.contains("480"), "{told}");
    ensure!(accepts(&ann, "role=host&name=Bert", id)? == 409);
    ann.worker.until_call("says why", SOON, |call| {
        let why = call["why"].as_str().unwrap_or_default();
        call["id"] == *id && why == "it rang for 2 s and nobody accepted"
    })?;
    Ok(())
}

/// The status of an attempt to accept a call with such a token.
fn accepts(ann: &JoinPage, pass: &str, call: &str) -> Result<u16> {
    let path = format!("/v1/rooms/{ROOM}/token?{pass}");
    let (_, told): (u16, Value) = ann.worker.ask("GET", &path, None)?;
    let bearer = format!("Bearer {}", told["token"].as_str().context("a token")?);
    let path = format!("/v1/rooms/{ROOM}/calls/{call}/accept");
    let answer = ask(
        ann.worker.http(),
        "POST",
        &path,
        &[("Authorization", &bearer)],
        "",
    )?;
    Ok(answer.status)
}
