// SPDX-License-Identifier: MPL-2.0
//! Chromium, headless, on the other side. Its page is served, and its descriptions are taken, over HTTP.
//! It hides its addresses behind `.local` names, as it does from every page without a microphone.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};
use sipbridge_browser::{Browser, Pages, share_of};

use crate::app::{App, described, text};
use crate::kit::RATE_HZ;

/// What the page says, and what it is told.
const PAGES_HZ: f64 = 700.0;
pub const OURS_HZ: u32 = 1_000;

/// What browsers call Opus.
const OPUS: usize = 111;

/// A browser takes its time to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a page begins with.
#[derive(Clone, Copy)]
pub enum Role {
    Answers,
    Offers,
}

/// The same application as everywhere, and a page that it talks with.
pub struct Talk {
    pub app: App,
    /// The tone that the page hears loudest on each of its tracks.
    hears: BTreeMap<usize, u32>,
    /// The ICE user name that the page uses, and the one in its last description.
    used: String,
    described: String,
    /// What the page is to do next.
    turn: Option<&'static str>,
    restarts: bool,
    log: Vec<String>,
    pages: Pages,
    _browser: Browser,
    _folder: Folder,
}

/// Goes after the browser that works in it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A track that is a tone.
pub fn tone(number: usize, hz: u32) -> String {
    format!(
        "audiotestsrc name=tone{number} is-live=true wave=sine freq={hz} samplesperbuffer=960 \
         ! audio/x-raw,rate=48000,channels=1 ! opusenc ! rtpopuspay pt={} ! rtc.sink_{number}",
        OPUS + number
    )
}

fn ufrag(description: &str) -> String {
    let mut lines = description.lines();
    let value = lines.find_map(|line| line.strip_prefix("a=ice-ufrag:"));
    value.unwrap_or_default().trim().to_owned()
}

impl Talk {
    /// The application plays, and a browser opens the page.
    pub fn open(app: App, role: Role) -> Talk {
        let page = include_bytes!("page.html");
        let pages = Pages::open(Box::new(|path| path.is_empty().then(|| page.to_vec()))).unwrap();
        app.play();
        app.wait_described("sink_0");
        let name: String = pages.url("").chars().filter(|c| c.is_numeric()).collect();
        let folder = std::env::temp_dir().join(format!("rtcbin-{}-{name}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let role = match role {
            Role::Answers => "#answers",
            Role::Offers => "#offers",
        };
        let browser = Browser::open(&folder, &pages.url(role), &[]).unwrap();
        Talk {
            app,
            hears: BTreeMap::new(),
            used: String::new(),
            described: String::new(),
            turn: None,
            restarts: false,
            log: Vec::new(),
            pages,
            _browser: browser,
            _folder: Folder(folder),
        }
    }

    /// Answers the page until this is so. It comes again and again, to say what it hears.
    pub fn until(&mut self, what: &str, is_so: impl Fn(&Talk) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            let patience = deadline.saturating_duration_since(Instant::now());
            let told = match self.pages.told(patience) {
                Ok(told) if !patience.is_zero() => told,
                Ok(_) => panic!("{what}: {:#?}", self.log),
                Err(error) => panic!("{what}: {error:#}: {:#?}", self.log),
            };
            let reply = self.reply(&told.path, &told.body);
            let _ = told.answer("text/plain", &reply, None);
        }
    }

    /// The page takes this turn next, and is then to be understood anew.
    pub fn turn(&mut self, turn: &'static str) {
        self.turn = Some(turn);
        self.hears.clear();
        self.used.clear();
    }

    /// As [`turn`](Self::turn): who serves the page offers new ICE credentials.
    pub fn restart(&mut self) {
        self.restarts = true;
        self.turn("answers");
    }

    fn make(&self, made: &WebRTCSessionDescription) -> String {
        assert_eq!(self.app.apply("set-local-description", made), None);
        text(&self.app.gathered())
    }

    fn take(&mut self, kind: WebRTCSDPType, theirs: &str) {
        self.described = ufrag(theirs);
        let theirs = described(kind, theirs);
        assert_eq!(self.app.apply("set-remote-description", &theirs), None);
    }

    fn reply(&mut self, path: &str, body: &str) -> String {
        let first = body.lines().next().unwrap_or_default();
        self.log.push(format!("{path} {first}"));
        match path {
            "/offer-me" => {
                let offer = match std::mem::take(&mut self.restarts) {
                    true => self.app.create_restart(),
                    false => self.app.create(WebRTCSDPType::Offer),
                };
                return self.make(&offer);
            }
            "/answer" => self.take(WebRTCSDPType::Answer, body),
            "/answer-me" => {
                self.take(WebRTCSDPType::Offer, body);
                return self.make(&self.app.create(WebRTCSDPType::Answer));
            }
            "/candidate" => self
                .app
                .rtc
                .emit_by_name::<()>("add-ice-candidate", &[&0_u32, &body]),
            "/heard" => {
                let mut words = body.split(' ');
                let mut number = || words.next()?.parse::<u32>().ok();
                if let (Some(track), Some(hz)) = (number(), number()) {
                    self.hears.insert(track as usize, hz);
                }
                self.used = words.next().unwrap_or_default().to_owned();
                return self.turn.take().unwrap_or_default().to_owned();
            }
            _ => {}
        }
        String::new()
    }

    /// Whether the page hears this on its track.
    pub fn hears(&self, track: usize, hz: u32) -> bool {
        let heard = self.hears.get(&track);
        heard.is_some_and(|heard| heard.abs_diff(hz) < 30)
    }

    /// Whether the page was heard last.
    pub fn is_heard(&self) -> bool {
        let heard = self.app.heard(0);
        let last = &heard[heard.len().saturating_sub(RATE_HZ / 4)..];
        share_of(PAGES_HZ, last, RATE_HZ as u32) > 0.8
    }

    /// Whether the page talks by the ICE credentials of its last description.
    pub fn is_anew(&self) -> bool {
        !self.used.is_empty() && self.used == self.described
    }

    /// Our user name of ICE.
    pub fn own(&self) -> String {
        let ours: WebRTCSessionDescription = self.app.rtc.property("local-description");
        ufrag(&text(&ours))
    }

    /// It did hide, and nothing went wrong.
    pub fn went_well(&self) {
        let hidden = self.log.iter().filter(|line| line.contains(".local "));
        assert!(hidden.count() > 0, "{:#?}", self.log);
        self.app.line.no_errors();
    }
}
