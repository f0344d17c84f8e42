// SPDX-License-Identifier: MPL-2.0
//! Phones that an SFU does not let in: what they are told, what the worker says of it, and that nothing of them stays.

use crate::raw::Raw;
use crate::resources::Resources;
use crate::scene::{NUMBER, open_house};
use crate::worker::{Settings, Worker};
use anyhow::{Context as _, Result, anyhow, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(15);
/// So many calls more, at once, would show what one leaves behind.
const MORE: usize = 3;
const PHONE: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                     m=audio 40000 RTP/AVP 0\r\n";

/// Reads events until so many calls have ended: why each did, and all that was told.
fn told_of_ends(
    mut lines: impl Iterator<Item = std::io::Result<String>>,
    calls: usize,
) -> Result<(BTreeMap<String, Value>, String)> {
    let (mut ended, mut told) = (BTreeMap::new(), String::new());
    while ended.len() < calls {
        let line = lines
            .next()
            .with_context(|| format!("no more events after {told}"))??;
        told += &format!("{line}\n");
        let event = line.strip_prefix("data:").unwrap_or_default();
        let event: Value = serde_json::from_str(event).unwrap_or_default();
        let call = &event["call"];
        if let Some(id) = call["id"].as_str().filter(|_| call["state"] == "ended") {
            ended.insert(id.to_owned(), call["why"].clone());
        }
    }
    Ok((ended, told))
}

/// Something that is to hold.
pub type Story<'a> = Box<dyn FnOnce() -> Result<()> + Send + 'a>;

/// Tells stories at the same time, for in most of them one waits.
pub fn side_by_side(stories: Vec<Story<'_>>) -> Result<()> {
    std::thread::scope(|scope| {
        let told: Vec<_> = stories
            .into_iter()
            .map(|story| scope.spawn(story))
            .collect();
        told.into_iter().try_for_each(|one| {
            one.join()
                .unwrap_or_else(|_| Err(anyhow!("a story panicked")))
        })
    })
}

/// A worker whose SFU lets nobody in.
pub struct Refusing {
    pub worker: Worker,
}

/// What came of a call.
pub struct Refused {
    /// What the phone was told.
    pub code: String,
    /// The worker's sentence.
    pub why: String,
    /// All that the worker logged, and told of its calls by its events.
    pub log: String,
}

impl Refused {
    /// Fails unless the phone was told this, and the worker says that.
    pub fn with(&self, code: u16, says: &str) -> Result<()> {
        let (told, why) = (&self.code, &self.why);
        ensure!(
            *told == code.to_string() && why.contains(says),
            "{told} {why}"
        );
        Ok(())
    }
}

impl Refusing {
    /// With these lines of its `[[sfu]]`, and WebRTC on the address `ice`.
    pub fn start(scenario: &str, ice: IpAddr, sfu: &str) -> Result<Refusing> {
        let settings = Settings {
            tables: format!(
                "[[sfu]]\nname = \"main\"\n{sfu}\n\n{}",
                open_house("at-once")
            ),
            unready: true,
            ..Settings::default()
        };
        let worker = Worker::start_with(scenario, ice, &settings)?;
        Ok(Refusing { worker })
    }

    /// Phones call, first one and then some at once; all fare alike, and leave nothing.
    pub fn dialled(&self) -> Result<Refused> {
        let worker = &self.worker;
        let events = worker.get(Some(worker.token()), "/v1/events")?;
        let mut events = BufReader::new(events).lines();
        // Whatever happens from now on is told.
        events.find(|line| line.as_deref().is_ok_and(str::is_empty));
        let code = self.calls(1)?;
        let runtime = tokio::runtime::Runtime::new()?;
        let settled = |goal| runtime.block_on(Resources::settled(worker.pid(), goal));
        let before = settled(None)?;
        let codes = self.calls(MORE)?;
        ensure!(
            codes.iter().all(|one| *one == code[0]),
            "{code:?}, and then {codes:?}"
        );
        let calls = worker.until_calls("are refused", SOON, |calls| {
            calls.len() == 1 + MORE && calls.iter().all(|call| call["state"] == "ended")
        })?;
        let why = calls[0]["why"].as_str().unwrap_or_default().to_owned();
        let after = settled(Some(&before))?;
        ensure!(
            after.descriptors <= before.descriptors && after.threads <= before.threads,
            "{before} after one call, {after} after {MORE} more"
        );
        let (ended, told) = told_of_ends(events, 1 + MORE)?;
        for call in &calls {
            let id = call["id"].as_str().unwrap_or_default();
            ensure!(
                ended.get(id) == Some(&call["why"]),
                "{call} is told as {ended:?}"
            );
        }
        let log = std::fs::read_to_string(worker.log())?;
        ensure!(
            log.contains(&why.replace('"', "\\\"")),
            "{why} is not in the log"
        );
        for port in worker.media_ports() {
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))
                .with_context(|| format!("port {port} is still in use"))?;
        }
        Ok(Refused {
            code: code[0].clone(),
            why,
            log: log + &told,
        })
    }

    /// So many phones call at once; returns what each is told.
    fn calls(&self, phones: usize) -> Result<Vec<String>> {
        let mut calling = Vec::new();
        for _ in 0..phones {
            let phone = Raw::open(self.worker.sip())?;
            let invite = phone.request("INVITE", NUMBER, PHONE);
            phone.send(invite.as_bytes())?;
            calling.push((phone, invite));
        }
        calling
            .into_iter()
            .map(|(phone, invite)| {
                let answer = phone.final_answer_to(&invite, PATIENCE)?;
                let answer = answer.context("no answer")?;
                Ok(answer.split(' ').nth(1).unwrap_or_default().to_owned())
            })
            .collect()
    }
}
