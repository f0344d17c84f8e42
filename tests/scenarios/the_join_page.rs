// SPDX-License-Identifier: MPL-2.0
//! Somebody joins by the page, talks with a phone that calls, dials another, talks with it, sends it digits, sees its own,
//! mutes it and themselves, and hangs up; the first one stays. All of it is well laid out on a phone's screen and on a desk's.

use anyhow::{Result, ensure};
use serde_json::Value;
use sipbridge_tests::join_page::{JoinPage, SOON, card, phone, shows};
use sipbridge_tests::out_dir;
use sipbridge_tests::scene::{NUMBER, ROOM, trunk_to};
use std::time::Duration;

const SCENARIO: &str = "the_join_page";
const ALICES_HZ: f64 = 700.0;
const BOBS_HZ: f64 = 1_000.0;
/// As exactly as the page counts.
const CLOSE_HZ: f64 = 15.0;

#[test]
fn somebody_on_the_page_talks_with_a_phone_and_dials_another() -> Result<()> {
    let mut alice = phone(SCENARIO, "alice", ALICES_HZ)?;
    let mut bob = phone(SCENARIO, "bob", BOBS_HZ)?;
    let mut ann = JoinPage::open(SCENARIO, "tell_keys = true", &trunk_to(&bob.uri()))?;
    let link = ann.link(ROOM, "role=host&name=Ann")?;
    ann.page.go(&link)?;
    let address = ann.page.eval("location.href")?;
    ensure!(
        !address.as_str().unwrap_or_default().contains("token"),
        "{address}"
    );
    ann.look("form")?;
    ann.enter()?;
    ann.sees(&card("Ann\nyou"))?;
    ann.look("alone")?;

    alice.dial(&ann.worker.uri(NUMBER))?;
    alice.wait_established(SOON)?;
    ann.sees(&format!("{}?.matches('.talking')", card("alice")))?;
    hears(&mut ann, ALICES_HZ)?;
    // She stays, and lets the others talk.
    ann.page.click("[aria-label='Mute alice']")?;
    ann.sees(&format!("{}?.innerText.includes('muted')", card("alice")))?;

    ann.page.click("#dial")?;
    ann.look("dialling")?;
    ann.page.fill("#number", "bob")?;
    ann.page.click("#call")?;
    bob.wait_established(SOON)?;
    ann.sees(&format!("{}?.matches('.talking')", card("bob")))?;
    ann.look("talking")?;
    hears(&mut ann, BOBS_HZ)?;

    ann.page.click("[aria-label='Keypad for bob']")?;
    ann.look("keypad")?;
    ann.page.click("[data-digit='5']")?;
    ensure!(bob.wait_digit(SOON)? == "5");
    ann.page.press("#")?;
    ensure!(bob.wait_digit(SOON)? == "#");
    ensure!(ann.page.eval("document.querySelector('#pressed').value")? == "5#");
    ann.page.click("#keypad [data-close]")?;
    bob.send_digit('8')?;
    ann.sees(&card("pressed 8"))?;

    let muted =
        |wanted: bool| move |call: &Value| call["direction"] == "out" && call["muted"] == wanted;
    ann.page.click("[aria-label='Mute bob']")?;
    ann.worker.until_call("is muted", SOON, muted(true))?;
    ann.sees(&format!("{}?.innerText.includes('muted')", card("bob")))?;
    ann.page.click("[aria-label='Unmute bob']")?;
    ann.worker.until_call("is not", SOON, muted(false))?;

    // Long enough for all that the microphone says, from wherever in it the call began.
    let whole = 2 * ann.says.wave.duration() + Duration::from_secs(3);
    ann.worker.until_call("has lasted", SOON + whole, |call| {
        call["direction"] == "out" && call["seconds"].as_f64() > Some(whole.as_secs_f64())
    })?;
    ann.page.press("m")?;
    ann.sees("!microphone.enabled && document.querySelector('#mute').ariaPressed === 'true'")?;
    ann.look("muted")?;

    ann.page.click("[aria-label='Hang up bob']")?;
    bob.wait_closed(SOON)?;
    ann.sees(&format!("!{}", card("bob")))?;
    ann.sees("document.querySelector('#notes').innerText.includes('hung up')")?;
    let stays = |call: &Value| call["direction"] == "in" && call["state"] == "active";
    ann.worker.until_call("stays", Duration::ZERO, stays)?;
    alice.hang_up()?;
    ann.sees(&format!("!{}", card("alice")))?;
    ann.page.click("#leave")?;
    ann.sees(&shows("#lobby"))?;
    let (_, room) = ann.worker.ask("GET", &format!("/v1/rooms/{ROOM}"), None)?;
    ensure!(room["participants"] == serde_json::json!([]), "{room}");

    let heard = bob.into_heard()?;
    heard.write(out_dir(SCENARIO).join("bob-heard.wav"))?;
    ensure!(
        ann.says.marker.find(&heard).is_some(),
        "bob does not hear what Ann's microphone says"
    );
    Ok(())
}

/// Fails unless the page plays this tone.
fn hears(ann: &mut JoinPage, tone_hz: f64) -> Result<()> {
    let hz = ann.hears_hz()?;
    ensure!(
        (hz - tone_hz).abs() < CLOSE_HZ,
        "the page hears {hz} Hz, not {tone_hz} Hz"
    );
    Ok(())
}
