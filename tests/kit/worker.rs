// SPDX-License-Identifier: MPL-2.0
//! The real `sip-worker` program with a configuration of its own, and its HTTP API.

use crate::process::Process;
use crate::{out_dir, ports};
use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const START: Duration = Duration::from_secs(20);
/// The API has no event to wait for over a blocking connection; this is how often a changed fact is asked for.
const ASK_EVERY: Duration = Duration::from_millis(20);

pub struct Worker {
    sip: SocketAddr,
    http: SocketAddr,
    token: String,
    process: Process,
}

/// The program that `cargo build` put beside the folder of this test.
pub fn program() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test
        .parent()
        .and_then(Path::parent)
        .context("the test runs outside a target folder")?;
    let program = folder.join("sip-worker");
    if !program.is_file() {
        bail!(
            "{} is missing: run cargo build --package sip-worker first (./dev test does)",
            program.display()
        );
    }
    Ok(program)
}

/// Runs `sip-worker` with these arguments until it ends.
pub fn run_once(arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(program()?).args(arguments).output()?)
}

impl Worker {
    /// Starts a worker on free ports, WebRTC on the address `ice`. `tables` are the `[[sfu]]`,
    /// `[[trunk]]` and `[[route]]` of its configuration.
    pub fn start(scenario: &str, ice: IpAddr, tables: &str) -> Result<Worker> {
        let folder = out_dir(scenario);
        std::fs::create_dir_all(&folder)?;
        let sip = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let rtp = ports::free_run(40);
        let token_file = folder.join("token");
        let _ = std::fs::remove_file(&token_file);
        let config = folder.join("sip-worker.toml");
        let text = format!(
            "[sip]
listen = [\"udp:{sip}\"]

[media]
ports = \"{rtp}-{}\"

[http]
listen = \"{http}\"
token_file = \"{}\"

[ice]
addresses = [\"{ice}\"]

{tables}",
            rtp + 39,
            token_file.display()
        );
        std::fs::write(&config, text)?;
        let mut command = Command::new(program()?);
        command.arg("run").arg("--config").arg(&config);
        let mut process = Process::start("sip-worker", command, &folder.join("sip-worker.log"))?;
        let deadline = Instant::now() + START;
        while !matches!(exchange(http, None, "GET", "/readyz", None), Ok((200, _))) {
            if Instant::now() > deadline || process.wait(ASK_EVERY).is_ok() {
                bail!(
                    "sip-worker did not become ready; see {}\n{}",
                    process.log().display(),
                    process.printed()
                );
            }
        }
        let token = std::fs::read_to_string(&token_file)?.trim().to_owned();
        Ok(Worker {
            sip,
            http,
            token,
            process,
        })
    }

    /// What to dial to reach `user` at this worker.
    pub fn uri(&self, user: &str) -> String {
        format!("sip:{user}@{}", self.sip)
    }

    pub fn sip(&self) -> SocketAddr {
        self.sip
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Asks the API: the status and the JSON of its answer.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value)> {
        exchange(self.http, Some(&self.token), method, path, body)
    }

    /// As [`Worker::ask`], without the token.
    pub fn ask_without_token(&self, method: &str, path: &str) -> Result<(u16, Value)> {
        exchange(self.http, None, method, path, None)
    }

    /// All calls, also those that ended lately.
    pub fn calls(&self) -> Result<Vec<Value>> {
        let (status, answer) = self.ask("GET", "/v1/calls", None)?;
        match answer["calls"].as_array() {
            Some(calls) if status == 200 => Ok(calls.clone()),
            _ => bail!("GET /v1/calls: {status} {answer}"),
        }
    }

    /// Waits until one of the calls satisfies `wanted`, and returns it.
    pub fn until_call(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let deadline = Instant::now() + patience;
        loop {
            let calls = self.calls()?;
            if let Some(call) = calls.iter().find(|call| wanted(call)) {
                return Ok(call.clone());
            }
            if Instant::now() > deadline {
                bail!("no call {what} within {patience:?}: {calls:?}");
            }
            std::thread::sleep(ASK_EVERY);
        }
    }
}

fn exchange(
    to: SocketAddr,
    token: Option<&str>,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, Value)> {
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
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).context("no HTTP status")?.parse()?;
    Ok((status, serde_json::from_str(body).unwrap_or_default()))
}
