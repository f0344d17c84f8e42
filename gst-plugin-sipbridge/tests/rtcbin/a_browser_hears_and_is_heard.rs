// SPDX-License-Identifier: MPL-2.0
//! Chromium, headless, on the other side. Its page is served, and its descriptions are taken, over HTTP.
//! It hides its addresses behind `.local` names, as it does from every page without a microphone.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst_webrtc::{WebRTCSDPType, WebRTCSessionDescription};

use crate::app::{App, RTCBIN, described, text};
use crate::kit::RATE_HZ;

/// What the page says, and what it is told.
const PAGES_HZ: f64 = 700.0;
const OURS_HZ: u32 = 1_000;

/// A browser takes its time to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Browser {
    process: Child,
    profile: PathBuf,
}

impl Browser {
    fn open(address: &str) -> Browser {
        let name: String = address.chars().filter(|c| c.is_alphanumeric()).collect();
        let profile = std::env::temp_dir().join(format!("rtcbin-{}-{name}", std::process::id()));
        let process = Command::new("chromium")
            .args([
                "--headless=new",
                // The sandbox wants more rights than a test in a container has; the page is ours.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-extensions",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                "--mute-audio",
                "--autoplay-policy=no-user-gesture-required",
                "--allow-loopback-in-peer-connection",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(address)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("chromium (./dev setup installs it): {error}"));
        Browser { process, profile }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its renderers too: they are of its process group.
        let group = -(self.process.id() as libc::pid_t);
        // SAFETY: kill takes numbers alone, and the group is the one made above.
        unsafe { libc::kill(group, libc::SIGKILL) };
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

/// A request: path and body.
fn request(stream: &TcpStream) -> std::io::Result<(String, String)> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok((path, String::from_utf8_lossy(&body).into_owned()))
}

fn respond(mut stream: &TcpStream, body: &str) -> std::io::Result<()> {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

/// How much of the last quarter of a second is this tone.
fn share_of(tone_hz: f64, heard: &[i16]) -> f64 {
    let last = &heard[heard.len().saturating_sub(RATE_HZ / 4)..];
    let (mut real, mut imaginary, mut power) = (0.0, 0.0, 0.0);
    for (n, sample) in last.iter().enumerate() {
        let (angle, sample) = (
            std::f64::consts::TAU * tone_hz * n as f64 / RATE_HZ as f64,
            f64::from(*sample),
        );
        real += sample * angle.cos();
        imaginary += sample * angle.sin();
        power += sample * sample;
    }
    2.0 * (real * real + imaginary * imaginary) / (last.len().max(1) as f64 * power.max(1.0))
}

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
            "/" => return include_str!("page.html").to_owned(),
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
            "/error" => panic!("the page fails: {body}"),
            _ => {}
        }
        String::new()
    }

    fn both_hear(&self) -> bool {
        let there = self
            .browser_hears
            .is_some_and(|hz| hz.abs_diff(OURS_HZ) < 30);
        there && share_of(PAGES_HZ, &self.app.heard(0)) > 0.8
    }
}

/// Whoever connects, for as long as somebody asks.
fn visits(listener: TcpListener) -> Receiver<TcpStream> {
    let (tell, visits) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if tell.send(stream).is_err() {
                return;
            }
        }
    });
    visits
}

fn talk(role: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
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
    let address = listener.local_addr().unwrap();
    let _browser = Browser::open(&format!("http://{address}/{role}"));
    let deadline = Instant::now() + PATIENCE;
    let visits = visits(listener);
    while !talk.both_hear() {
        // The page comes again and again, to say what it hears.
        let patience = deadline.saturating_duration_since(Instant::now());
        let Ok(stream) = visits.recv_timeout(patience) else {
            panic!("not in time: {:#?}", talk.log);
        };
        // A connection that the browser opened ahead and did not use is none.
        if let Ok((path, body)) = request(&stream) {
            let reply = talk.reply(&path, &body);
            let _ = respond(&stream, &reply);
        }
    }
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
