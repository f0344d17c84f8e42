// SPDX-License-Identifier: MPL-2.0
//! Chromium, headless, on the other side. Its page is served, and its descriptions are taken, over HTTP.
//! It hides its addresses behind `.local` names, as it does from every page without a microphone.

use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};
use sipbridge_browser::{Browser, Pages, share_of};

use crate::app::{App, RTCBIN, described, text};
use crate::kit::RATE_HZ;

/// What the page says, and what it is told.
const PAGES_HZ: f64 = 700.0;
const OURS_HZ: u32 = 1_000;

/// A browser takes its time to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Talk {
    app: App,
    browser_hears: Option<u32>,
    log: Vec<String>,
}

impl Talk {
    /// Our description, with candidates.
    fn ours(&self) -> String {
        let ours: WebRTCSessionDescription = self.app.rtc.property("local-description");
        text(&ours)
    }

    fn make(&self, kind: WebRTCSDPType) -> String {
        let made = self.app.create(kind);
        assert_eq!(self.app.apply("set-local-description", &made), None);
        self.ours()
    }

    fn take(&self, kind: WebRTCSDPType, theirs: &str) {
        let theirs = described(kind, theirs);
        assert_eq!(self.app.apply("set-remote-description", &theirs), None);
    }

    fn reply(&mut self, path: &str, body: &str) -> String {
        self.log.push(format!(
            "{path} {}",
            body.lines().next().unwrap_or_default()
        ));
        match path {
            "/offer-me" => return self.make(WebRTCSDPType::Offer),
            "/answer" => self.take(WebRTCSDPType::Answer, body),
            "/answer-me" => {
                self.take(WebRTCSDPType::Offer, body);
                return self.make(WebRTCSDPType::Answer);
            }
            "/candidate" => self
                .app
                .rtc
                .emit_by_name::<()>("add-ice-candidate", &[&0_u32, &body]),
            "/heard" => self.browser_hears = body.parse().ok(),
            _ => {}
        }
        String::new()
    }

    fn both_hear(&self) -> bool {
        let there = self
            .browser_hears
            .is_some_and(|hz| hz.abs_diff(OURS_HZ) < 30);
        let heard = self.app.heard(0);
        let last = &heard[heard.len().saturating_sub(RATE_HZ / 4)..];
        there && share_of(PAGES_HZ, last, RATE_HZ as u32) > 0.8
    }
}

fn talk(role: &str) {
    let page = include_bytes!("page.html");
    let pages = Pages::open(Box::new(|path| path.is_empty().then(|| page.to_vec()))).unwrap();
    let launch = format!(
        "rtcbin name=rtc local-addresses=127.0.0.1 \
         audiotestsrc is-live=true wave=sine freq={OURS_HZ} samplesperbuffer=960 \
         ! audio/x-raw,rate=48000,channels=1 ! opusenc ! rtpopuspay ! rtc.sink_0"
    );
    let mut talk = Talk {
        app: App::new(RTCBIN, &launch),
        browser_hears: None,
        log: Vec::new(),
    };
    talk.app.play();
    let name: String = pages.url("").chars().filter(|c| c.is_numeric()).collect();
    let folder = std::env::temp_dir().join(format!("rtcbin-{}-{name}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let browser = Browser::open(&folder, &pages.url(role), &[]).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !talk.both_hear() {
        // The page comes again and again, to say what it hears.
        let patience = deadline.saturating_duration_since(Instant::now());
        let told = match pages.told(patience) {
            Ok(told) => told,
            Err(error) => panic!("{error:#}: {:#?}", talk.log),
        };
        let reply = talk.reply(&told.path, &told.body);
        let _ = told.answer("text/plain", &reply, None);
    }
    drop(browser);
    let _ = std::fs::remove_dir_all(folder);
    let hidden = talk.log.iter().filter(|line| line.contains(".local "));
    assert!(hidden.count() > 0, "{:#?}", talk.log);
    talk.app.line.no_errors();
}

#[test]
fn who_answers_an_offer() {
    talk("");
}

#[test]
fn who_offers() {
    talk("#offers");
}
