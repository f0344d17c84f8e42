// SPDX-License-Identifier: MPL-2.0
//! A worker whose pages are served over HTTPS, with a certificate that nobody but its own key has signed, and people
//! who come to them, each in a browser of their own with a microphone that says a tone.

use crate::join_page::{SOON, enter, tone};
use crate::process::Process;
use crate::scene::ROOM;
use crate::worker::program;
use crate::{certificate, out_dir, ports};
use anyhow::{Context as _, Result, ensure};
use sipbridge_browser::{Browser, Page};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

/// Of whole waves, so that it goes on where it ends.
const MICROPHONE: Duration = Duration::from_secs(2);
const RATE_HZ: u32 = 48_000;

pub struct Site {
    scenario: &'static str,
    sip: SocketAddr,
    http: SocketAddr,
    url: String,
    token: String,
    /// What browsers are told of its key.
    pin: String,
    _worker: Process,
}

/// Somebody in the room.
pub struct Visitor {
    pub page: Page,
    _browser: Browser,
}

impl Site {
    /// Pages and WebRTC at `host`, with these more lines of `[ice]` and these trunks and routes. Phones reach it
    /// on loopback.
    pub fn open(scenario: &'static str, host: IpAddr, ice: &str, tables: &str) -> Result<Site> {
        let folder = out_dir(scenario);
        std::fs::create_dir_all(&folder)?;
        let pin = certificate::self_made(&folder, host)?;
        let sip = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let http = SocketAddr::new(host, ports::free());
        let rtp = ports::free_run(4);
        let config = folder.join("sip-worker.toml");
        let text = format!(
            "[sip]
listen = [\"udp:{sip}\"]

[media]
ports = \"{rtp}-{}\"

[http]
listen = \"{http}\"
token_file = \"token\"
tls = {{ cert_file = \"http.pem\", key_file = \"http.key\" }}

[ice]
addresses = [\"{host}\"]
{ice}

[[sfu]]
name = \"main\"
kind = \"embedded\"

{tables}",
            rtp + 3
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new(program()?);
        command.arg("run").arg("--config").arg(&config);
        let worker = Process::start("sip-worker", command, &folder.join("sip-worker.log"))?;
        let url = format!("https://{http}");
        worker.wait_for_line("taking calls", SOON)?;
        worker.wait_for_line(&url, SOON)?;
        let token = std::fs::read_to_string(folder.join("token"))?;
        Ok(Site {
            scenario,
            sip,
            http,
            url,
            token: token.trim().to_owned(),
            pin,
            _worker: worker,
        })
    }

    /// What to dial to reach `user` at its worker.
    pub fn uri(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.sip)
    }

    /// As it is to whoever reaches its host by another address.
    pub fn reached_at(self, host: IpAddr) -> Site {
        Site {
            url: format!("https://{}", SocketAddr::new(host, self.http.port())),
            ..self
        }
    }

    /// Somebody comes in, whose microphone says a tone.
    pub fn visited(&self, name: &str, tone_hz: f64) -> Result<Visitor> {
        self.visited_by(name, tone_hz, &[])
    }

    /// The same, by a browser that is told so much more.
    pub fn visited_by(&self, name: &str, tone_hz: f64, more: &[String]) -> Result<Visitor> {
        let folder = out_dir(self.scenario).join(name);
        std::fs::create_dir_all(&folder)?;
        let says = folder.join("microphone.wav");
        tone(tone_hz, RATE_HZ, MICROPHONE).write(&says)?;
        let believes = format!("--ignore-certificate-errors-spki-list={}", self.pin);
        let told: Vec<String> = more.iter().cloned().chain([believes]).collect();
        let browser = Browser::speaking(&folder, "about:blank", &says, &told)?;
        let mut page = browser.page()?;
        page.go(&self.url)?;
        ensure!(
            page.eval("isSecureContext && location.protocol === 'https:'")? == true,
            "the page is not trusted"
        );
        let asked = format!(
            "fetch('/v1/rooms/{ROOM}/token?role=host&name={name}', {{ headers: {{ Authorization: 'Bearer {}' }} }})
             .then((answer) => answer.json())",
            self.token
        );
        let told = page.eval(&asked)?;
        let link = told["page"].as_str().with_context(|| told.to_string())?;
        page.go(&format!("{}{link}", self.url))?;
        enter(&mut page)?;
        Ok(Visitor {
            page,
            _browser: browser,
        })
    }
}
