// SPDX-License-Identifier: MPL-2.0
//! Somebody on the join page, in a browser with a microphone that speaks, and the worker it comes from.

use crate::baresip::{Baresip, Options};
use crate::out_dir;
use crate::scene::ROOM;
use crate::speech::Speech;
use crate::worker::{Settings, Worker};
use anyhow::{Context as _, Result, ensure};
use sip_worker::measure::Wave;
use sipbridge_browser::{Browser, Page};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// For what takes a browser, a worker and a phone on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);
/// Wide and high.
const WINDOWS: [(u32, u32); 2] = [(390, 844), (1280, 800)];
const RATE_HZ: u32 = 48_000;

/// How often a second what the page plays crosses zero upwards, over a stretch in which all of it is loud.
const HEARS: &str = "async () => {
  const size = 8192;
  const audio = new AudioContext({ sampleRate: 48000, sinkId: { type: 'none' } });
  await audio.resume();
  const analyser = new AnalyserNode(audio, { fftSize: size });
  for (const voice of document.querySelectorAll('#voices audio')) {
    new MediaStreamAudioSourceNode(audio, { mediaStream: voice.srcObject }).connect(analyser);
  }
  const samples = new Float32Array(size);
  let before = NaN;
  for (const end = performance.now() + 15000; performance.now() < end; ) {
    // Longer than what is looked at.
    await new Promise((again) => setTimeout(again, 200));
    analyser.getFloatTimeDomainData(samples);
    const loud = samples.every((_, n) => n % 200 || samples.subarray(n, n + 200).some((s) => Math.abs(s) > 0.02));
    const hz = (samples.filter((s, n) => n && s < 0 !== samples[n - 1] < 0).length / 2) * (48000 / size);
    // Twice the same: a jitter buffer that is still finding its depth stretches what it plays.
    if (loud && Math.abs(hz - before) < 10) {
      await audio.close();
      return hz;
    }
    before = loud ? hz : NaN;
  }
}";

/// The microphone's sound goes out as it is: what a browser takes for noise in a voice, a marker is made of.
const AS_IT_IS: &str = "(() => {
  const devices = navigator.mediaDevices;
  const real = devices.getUserMedia.bind(devices);
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  devices.getUserMedia = () => real({ audio: plain });
})()";

pub struct JoinPage {
    scenario: &'static str,
    pub page: Page,
    /// What the microphone says, over and over.
    pub says: Speech,
    _browser: Browser,
    /// Last, so that nobody misses it.
    pub worker: Worker,
}

impl JoinPage {
    /// Starts a worker with rooms of its own, of which this is said beside, and a browser on an empty page.
    pub fn open(scenario: &'static str, sfu: &str, tables: &str) -> Result<JoinPage> {
        let settings = Settings {
            tables: format!("[[sfu]]\nname = \"main\"\nkind = \"embedded\"\n{sfu}\n\n{tables}"),
            ..Settings::default()
        };
        let worker = Worker::start_with(scenario, IpAddr::from(Ipv4Addr::LOCALHOST), &settings)?;
        let says = Speech::room()?;
        let microphone = out_dir(scenario).join("microphone.wav");
        let pause = Duration::from_millis(500);
        says.between(pause, pause)
            .resampled(RATE_HZ)
            .write(&microphone)?;
        let browser = Browser::speaking(&out_dir(scenario), "about:blank", &microphone, &[])?;
        let page = browser.page()?;
        Ok(JoinPage {
            scenario,
            page,
            says,
            _browser: browser,
            worker,
        })
    }

    /// The link of a token that is asked for in these words.
    pub fn link(&self, room: &str, pass: &str) -> Result<String> {
        let path = format!("/v1/rooms/{room}/token?{pass}");
        let (status, told) = self.worker.ask("GET", &path, None)?;
        ensure!(status == 200, "{status} {told}");
        let page = told["page"].as_str().context("a link")?;
        Ok(format!("{}{page}", self.worker.url()))
    }

    /// Opens a host's link, comes in as `name`, and waits until the room is there.
    pub fn join(&mut self, name: &str) -> Result<()> {
        let link = self.link(ROOM, &format!("role=host&name={name}"))?;
        self.page.go(&link)?;
        self.enter()
    }

    /// Comes in by the form that is open.
    pub fn enter(&mut self) -> Result<()> {
        enter(&mut self.page)
    }

    /// Waits until something is true of the page.
    pub fn sees(&mut self, expression: &str) -> Result<()> {
        self.page.until(expression, SOON).map(drop)
    }

    /// The tone that it hears, in Hz.
    pub fn hears_hz(&mut self) -> Result<f64> {
        hears_hz(&mut self.page)
    }

    /// Looks at the page on a phone and on a desk, in the light and in the dark; keeps what was seen. The same controls
    /// are on all of them.
    pub fn look(&mut self, what: &str) -> Result<()> {
        let mut everywhere = None;
        for (width, height) in WINDOWS {
            for (dark, name) in [(true, "dark"), (false, "light")] {
                self.page.resize(width, height, dark)?;
                let checked = self.page.is_well_laid_out(width);
                self.page
                    .screenshot(&self.picture(&format!("{what}-{width}-{name}")))?;
                checked.with_context(|| format!("{what} at {width} pixels"))?;
                let controls = self.page.controls()?;
                let others = everywhere.get_or_insert_with(|| controls.clone());
                ensure!(
                    !controls.is_empty() && controls == *others,
                    "{what} at {width} pixels has {controls:?}, elsewhere it has {others:?}"
                );
            }
        }
        Ok(())
    }

    fn picture(&self, name: &str) -> PathBuf {
        out_dir(self.scenario).join(format!("{name}.png"))
    }
}

/// Comes in by the form that is open on a page, and waits until the room is there.
pub fn enter(page: &mut Page) -> Result<()> {
    page.eval(AS_IT_IS)?;
    page.click("#join")?;
    let inside = format!("{} && {}", shows("#room"), card(""));
    page.until(&inside, SOON).map(drop)
}

/// The tone that a page plays, in Hz.
pub fn hears_hz(page: &mut Page) -> Result<f64> {
    let hz = page.until(&format!("({HEARS})()"), SOON)?;
    hz.as_f64().context("a frequency")
}

/// Whether an element is to be seen.
pub fn shows(selector: &str) -> String {
    format!("document.querySelector({selector:?})?.checkVisibility()")
}

/// Somebody in the room whose card says this.
pub fn card(text: &str) -> String {
    format!(
        "[...document.querySelectorAll('#people .card')].find((card) => card.innerText.includes({text:?}))"
    )
}

/// A phone that says a tone and answers by itself.
pub fn phone(scenario: &str, name: &str, tone_hz: f64) -> Result<Baresip> {
    let says = tone(tone_hz, 8_000, Duration::from_secs(120));
    let options = Options {
        auto_answer: true,
        ..Options::new(name, &says)
    };
    Baresip::start(scenario, &options)
}

/// A tone at this sampling rate.
pub fn tone(tone_hz: f64, rate_hz: u32, length: Duration) -> Wave {
    let mut wave = Wave::silence(rate_hz, length);
    for (n, sample) in wave.samples.iter_mut().enumerate() {
        let angle = std::f64::consts::TAU * tone_hz * n as f64 / f64::from(rate_hz);
        *sample = (8_000.0 * angle.sin()) as i16;
    }
    wave
}
