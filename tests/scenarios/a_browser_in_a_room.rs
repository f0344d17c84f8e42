// SPDX-License-Identifier: MPL-2.0
//! Chromium speaks in a room of the embedded SFU by WHIP and listens by WHEP, as one participant: it hears
//! who is there, is heard, and is gone from the room when its processes are killed.

use anyhow::{Context as _, Result, ensure};
use sip_worker::webrtc::participant::{Heard, MOUTH_HZ, Seen};
use sipbridge_browser::{Browser, Pages, share_of};
use sipbridge_tests::house::House;
use sipbridge_tests::http::{Answer, ask};
use sipbridge_tests::join_page::tone;
use sipbridge_tests::out_dir;
use sipbridge_tests::room::called;
use sipbridge_tests::scene::ROOM;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const SCENARIO: &str = "a_browser_in_a_room";
const PAGE: &str = include_str!("a_browser_in_a_room.html");
const PAGES_HZ: f64 = 700.0;
const OURS_HZ: f64 = 1_000.0;
/// A browser takes its time to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// As exactly as the page counts.
const CLOSE_HZ: f64 = 12.0;
/// It is known to be gone once it answers no checks any more.
const GONE: Duration = Duration::from_secs(60);

#[test]
fn a_browser_hears_and_is_heard_in_a_room() -> Result<()> {
    let media = IpAddr::from(Ipv4Addr::LOCALHOST);
    let house = House::open(SCENARIO, media, "kind = \"embedded\"", "")?;
    let ann = house.join(ROOM, called("ann"))?;
    ann.say(&tone(OURS_HZ, MOUTH_HZ, PATIENCE), Instant::now());

    let pages = Pages::open(Box::new(|path| path.is_empty().then(|| PAGE.into())))?;
    let browser = Browser::open(&out_dir(SCENARIO), &pages.url(""), &[])?;
    let hz = hears(&pages, &house)?;
    ensure!(
        (hz - OURS_HZ).abs() < CLOSE_HZ,
        "the browser hears {hz} Hz; {PAGES_HZ} Hz would be itself"
    );
    let Heard { recording, .. } = house.wait(ann.hears("Browser", PATIENCE))?;
    house.wait(recording.lasts(Duration::from_secs(2)));
    let end = Instant::now();
    let heard = recording.between(
        end - Duration::from_secs(1),
        end - Duration::from_millis(200),
    );
    let share = share_of(PAGES_HZ, &heard.samples, heard.rate_hz);
    ensure!(
        share > 0.8,
        "of what ann hears, {share:.2} is the browser's tone"
    );

    drop(browser);
    let gone = |seen: &Seen| (!seen.is_here("Browser")).then_some(());
    Ok(house.wait(ann.until("the browser gone", GONE, gone))?)
}

/// Passes the page's offers on, until it hears something.
fn hears(pages: &Pages, house: &House) -> Result<f64> {
    loop {
        let told = pages.told(PATIENCE)?;
        if told.path == "/heard" {
            return told.body.parse().context("a frequency");
        }
        let answer = pass_on(house, &told.path, &told.body)?;
        ensure!(answer.status == 201, "{}: {answer:?}", told.path);
        told.answer("application/sdp", &answer.body, answer.header("location"))?;
    }
}

fn pass_on(house: &House, path: &str, offer: &str) -> Result<Answer> {
    let bearer = format!("Bearer {}", house.token());
    let headers = [
        ("Authorization", &*bearer),
        ("Content-Type", "application/sdp"),
    ];
    ask(house.http(), "POST", path, &headers, offer)
}
