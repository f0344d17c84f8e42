// SPDX-License-Identifier: MPL-2.0
//! The real `sip-worker` program with a configuration of its own, and its HTTP API.

use crate::process::Process;
use crate::{out_dir, ports};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::fmt::Debug;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(20);
/// How often a fact is asked for.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// What is said of a worker beyond its ports.
#[derive(Default)]
pub struct Settings {
    /// More lines of `[sip]`.
    pub sip: String,
    /// More lines of `[media]`.
    pub media: String,
    /// More lines of `[http]`.
    pub http: String,
    /// More lines of `[ice]`.
    pub ice: String,
    /// The `[[sfu]]`, `[[trunk]]` and `[[route]]`.
    pub tables: String,
    /// It speaks TLS, over WebSockets too, with what [`certificate::make`](crate::certificate::make) has put into the
    /// scenario's folder.
    pub tls: bool,
    /// It takes WebSockets without TLS; with [`tls`](Settings::tls) they have it.
    pub websocket: bool,
    /// What it finds in its environment.
    pub environment: Vec<(&'static str, String)>,
    /// Its SFU lets nobody in: it never says that it is ready, and takes calls all the same.
    pub unready: bool,
}

pub struct Worker {
    sip: SocketAddr,
    http: SocketAddr,
    media: RangeInclusive<u16>,
    /// What answers once it has started.
    sign: &'static str,
    token: String,
    token_file: PathBuf,
    config: PathBuf,
    environment: Vec<(&'static str, String)>,
    process: Process,
}

/// The worker's program.
pub fn program() -> Result<PathBuf> {
    built("sip-worker")
}

/// A program that `cargo build` put beside the folder of this test.
pub fn built(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test
        .parent()
        .and_then(Path::parent)
        .context("the test runs outside a target folder")?;
    let program = folder.join(name);
    if !program.is_file() {
        bail!(
            "{} is missing: run cargo build --workspace --bins first (./dev test does)",
            program.display()
        );
    }
    Ok(program)
}

/// The ports beside, which nobody else is given.
fn over_tls(sip: SocketAddr) -> SocketAddr {
    SocketAddr::new(sip.ip(), sip.port() + 1)
}

fn over_websocket(sip: SocketAddr) -> SocketAddr {
    SocketAddr::new(sip.ip(), sip.port() + 2)
}

/// Runs `sip-worker` with these arguments until it ends.
pub fn run_once(arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(program()?).args(arguments).output()?)
}

impl Worker {
    /// Starts a worker on free ports, WebRTC on the address `ice`. `tables` are the `[[sfu]]`,
    /// `[[trunk]]` and `[[route]]` of its configuration.
    pub fn start(scenario: &str, ice: IpAddr, tables: &str) -> Result<Worker> {
        let settings = Settings {
            tables: tables.to_owned(),
            ..Settings::default()
        };
        Worker::start_with(scenario, ice, &settings)
    }

    /// As [`Worker::start`], with more to say.
    pub fn start_with(scenario: &str, ice: IpAddr, settings: &Settings) -> Result<Worker> {
        let folder = out_dir(scenario);
        std::fs::create_dir_all(&folder)?;
        let sip = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free_run(4)));
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let rtp = ports::free_run(40);
        let token_file = folder.join("token");
        let _ = std::fs::remove_file(&token_file);
        let config = folder.join("sip-worker.toml");
        let (tls, websocket) = (over_tls(sip), over_websocket(sip));
        let listens = match (settings.tls, settings.websocket) {
            (true, _) => format!(
                ", \"tls:{tls}\", \"wss:{websocket}\"]
tls = {{ cert_file = \"cert.pem\", key_file = \"key.pem\" }}"
            ),
            (false, true) => format!(", \"ws:{websocket}\"]"),
            (false, false) => "]".to_owned(),
        };
        let text = format!(
            "[sip]
listen = [\"udp:{sip}\", \"tcp:{sip}\"{listens}
{}

[media]
ports = \"{rtp}-{}\"
{}

[http]
listen = \"{http}\"
token_file = \"{}\"
figures_every = \"1s\"
{}

[ice]
addresses = [\"{ice}\"]
{}

{}",
            settings.sip,
            rtp + 39,
            settings.media,
            token_file.display(),
            settings.http,
            settings.ice,
            settings.tables
        );
        std::fs::write(&config, text)?;
        let sign = match settings.unready {
            true => "/healthz",
            false => "/readyz",
        };
        let process = launch(&config, &settings.environment, http, sign)?;
        let token = std::fs::read_to_string(&token_file)?.trim().to_owned();
        Ok(Worker {
            sip,
            http,
            media: rtp..=rtp + 39,
            sign,
            token,
            token_file,
            config,
            environment: settings.environment.clone(),
            process,
        })
    }

    /// Ends it, and starts it anew as it was.
    pub fn restart(&mut self) -> Result<()> {
        self.process.terminate()?;
        self.revive()
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) -> Result<()> {
        self.process.signal(libc::SIGKILL);
        self.process.wait(START).map(drop)
    }

    /// Starts it anew as it was, after [`Worker::kill`].
    pub fn revive(&mut self) -> Result<()> {
        self.process = launch(&self.config, &self.environment, self.http, self.sign)?;
        Ok(())
    }

    /// What to dial to reach `user` at this worker.
    pub fn uri(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.sip)
    }

    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    /// Where it listens for TLS.
    pub fn sip_over_tls(&self) -> SocketAddr {
        over_tls(self.sip)
    }

    /// Where it listens for WebSockets, over TLS or not.
    pub fn sip_over_websocket(&self) -> SocketAddr {
        over_websocket(self.sip)
    }

    /// As [`Worker::uri`], over TLS.
    pub fn uri_over_tls(&self, user: &str) -> String {
        format!("sip:{user}@{};transport=tls", over_tls(self.sip))
    }

    /// Where its API is.
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The same, as an address.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// What opens it.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The file that holds the token.
    pub fn token_file(&self) -> &Path {
        &self.token_file
    }

    /// The ports that its phones' media may use.
    pub fn media_ports(&self) -> RangeInclusive<u16> {
        self.media.clone()
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Where what it logs stands.
    pub fn log(&self) -> &Path {
        self.process.log()
    }

    /// SIGHUP: it shall read media graphs and certificates again.
    pub fn reload(&self) {
        self.process.signal(libc::SIGHUP);
    }

    /// The first line of its log that contains `text`; waits for it.
    pub fn wait_for_line(&self, text: &str, patience: Duration) -> Result<String> {
        self.process.wait_for_line(text, patience)
    }

    /// Asks the API: the status and the JSON of its answer.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        exchange(self.http, Some(&self.token), method, path, body)
    }

    /// As [`Worker::ask`], without the token.
    pub fn ask_without_token(&self, method: &str, path: &str) -> Result<(u16, Value)> {
        exchange(self.http, None, method, path, None)
    }

    /// Sends a GET with any token or none; what comes back, its head included, is left to be read.
    pub fn get(&self, token: Option<&str>, path: &str) -> Result<TcpStream> {
        request(self.http, token, "GET", path, None)
    }

    /// Its `/metrics`.
    pub fn metrics(&self) -> Result<String> {
        let mut metrics = String::new();
        self.get(Some(&self.token), "/metrics")?
            .read_to_string(&mut metrics)?;
        Ok(metrics)
    }

    /// All calls, also those that ended lately.
    pub fn calls(&self) -> Result<Vec<Value>> {
        let (status, answer) = self.ask("GET", "/v1/calls", None)?;
        match answer["calls"].as_array() {
            Some(calls) if status == 200 => Ok(calls.clone()),
            _ => bail!("GET /v1/calls: {status} {answer}"),
        }
    }

    /// Has it call somebody, and returns the id of the call.
    pub fn call(&self, wanted: &Value) -> Result<String> {
        let (status, call) = self.ask("POST", "/v1/calls", Some(wanted))?;
        match call["id"].as_str() {
            Some(id) if status == 201 => Ok(id.to_owned()),
            _ => bail!("POST /v1/calls: {status} {call}"),
        }
    }

    /// The same, and waits until it is answered: after how many milliseconds.
    pub fn reaches(&self, wanted: &Value, patience: Duration) -> Result<(String, f64)> {
        let id = self.call(wanted)?;
        let up = self.until_call("is answered", patience, |call| {
            call["id"] == *id && call["answered_after_ms"].is_number()
        })?;
        let took = up["answered_after_ms"].as_f64();
        Ok((id, took.context("it was answered")?))
    }

    /// Has it hang up.
    pub fn hang_up(&self, id: &str) -> Result<()> {
        match self.ask("DELETE", &format!("/v1/calls/{id}"), None)? {
            (200..300, _) => Ok(()),
            (status, answer) => bail!("DELETE /v1/calls/{id}: {status} {answer}"),
        }
    }

    /// Waits until one of the calls satisfies `wanted`, and returns it.
    pub fn until_call(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let found = self.until_calls(what, patience, |calls| calls.iter().any(&wanted))?;
        let call = found.into_iter().find(|call| wanted(call));
        call.context("it was there a moment ago")
    }

    /// Waits until all of its trunks that register are registered, and returns what it tells of that.
    pub fn until_registered(&self, patience: Duration) -> Result<Value> {
        let ask = || self.ask("GET", "/v1/registrations", None);
        let registered = |(status, told): &(u16, Value)| {
            let trunks = told["trunks"].as_array().filter(|_| *status == 200);
            trunks.is_some_and(|all| all.iter().all(|trunk| trunk["state"] == "registered"))
        };
        until("no registrations", patience, ask, registered).map(|(_, told)| told)
    }

    /// Waits until all calls together satisfy `wanted`, and returns them.
    pub fn until_calls(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&[Value]) -> bool,
    ) -> Result<Vec<Value>> {
        let otherwise = format!("no calls that {what}");
        until(&otherwise, patience, || self.calls(), |calls| wanted(calls))
    }
}

/// Starts the program, and waits until it shows this sign of taking calls.
fn launch(
    config: &Path,
    environment: &[(&'static str, String)],
    http: SocketAddr,
    sign: &str,
) -> Result<Process> {
    let mut command = Command::new(program()?);
    command.arg("run").arg("--config").arg(config);
    for (name, value) in environment {
        command.env(name, value);
    }
    let log = config.with_file_name("sip-worker.log");
    let mut process = Process::start("sip-worker", command, &log)?;
    let deadline = Instant::now() + START;
    while !matches!(exchange(http, None, "GET", sign, None), Ok((200, _))) {
        if Instant::now() > deadline || process.wait(ASK_EVERY).is_ok() {
            bail!(
                "sip-worker did not become ready; see {}\n{}",
                process.log().display(),
                process.printed()
            );
        }
    }
    Ok(process)
}

/// Asks until it is told what is wanted: the worker has an event for what happens, none for its figures.
fn until<T: Debug>(
    otherwise: &str,
    patience: Duration,
    ask: impl Fn() -> Result<T>,
    wanted: impl Fn(&T) -> bool,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        let told = ask()?;
        if wanted(&told) {
            return Ok(told);
        }
        if Instant::now() > deadline {
            bail!("{otherwise} within {patience:?}: {told:?}");
        }
        std::thread::sleep(ASK_EVERY);
    }
}

/// Whether what somebody says in the room has begun to come to this call.
pub fn room_is_heard(call: &Value) -> bool {
    let heard = call.pointer("/media/room/heard/0/received/packets");
    heard.and_then(Value::as_u64).is_some_and(|came| came > 0)
}

fn request(
    to: SocketAddr,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let token = token
        .map(|token| format!("Authorization: Bearer {token}\r\n"))
        .unwrap_or_default();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\n{token}Content-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(stream)
}

fn exchange(
    to: SocketAddr,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, Value)> {
    let mut stream = request(to, token, method, path, body)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).context("no HTTP status")?.parse()?;
    Ok((status, serde_json::from_str(body).unwrap_or_default()))
}
