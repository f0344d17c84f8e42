// SPDX-License-Identifier: MPL-2.0
//! Callers who open a connection for each call, faster than sipp can. They say what its scenario says.

use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use sip_ua::transport::{Frame, Framer};
use sip_ua::wire::{HeaderName, Message, Response, read_framed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::sipp::{Caller, Counts, SHORT_MAX};
use crate::machine;

/// How often it is looked whether calls are due.
const TICK: Duration = Duration::from_millis(1);

/// How long a call may take beyond its stay: Timer B (RFC 3261 §17.1.1.2).
const PATIENCE: Duration = Duration::from_secs(32);

/// What arrives at once.
const ROOM: usize = 4_096;

const OFFER: &str = "v=0\r\n\
    o=- 2208988800 1 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    c=IN IP4 127.0.0.1\r\n\
    t=0 0\r\n\
    m=audio 20000 RTP/AVP 8 0 101\r\n\
    a=rtpmap:8 PCMA/8000\r\n\
    a=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\n\
    a=fmtp:101 0-16\r\n\
    a=ptime:20\r\n\
    a=sendrecv\r\n";

/// A thread that calls.
pub struct Dialing(JoinHandle<Result<Counts>>);

impl Dialing {
    pub fn start(caller: Caller, core: usize) -> Dialing {
        Dialing(std::thread::spawn(move || dial(caller, core)))
    }

    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits until all calls are over.
    pub fn finish(self) -> Result<Counts> {
        let counts = self.0.join();
        counts.map_err(|_| anyhow!("the thread that calls has panicked"))?
    }
}

fn dial(caller: Caller, core: usize) -> Result<Counts> {
    machine::pin(core)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let began = Instant::now();
    let mut counts = runtime.block_on(all(caller));
    counts.cpu = machine::thread_cpu_time();
    counts.cpu_percent = 100.0 * counts.cpu.as_secs_f64() / began.elapsed().as_secs_f64();
    Ok(counts)
}

/// All calls, each begun when it is due.
async fn all(caller: Caller) -> Counts {
    let mut counts = Counts::default();
    let mut waited = Duration::ZERO;
    let mut count = |outcome: Result<Result<Duration>, JoinError>| match outcome {
        Ok(Ok(set_up)) => waited += set_up,
        _ => counts.failed += 1,
    };
    let mut calls = JoinSet::new();
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let began = Instant::now();
    let mut begun = 0;
    while begun < caller.calls {
        tick.tick().await;
        let due = began.elapsed().as_secs_f64() * f64::from(caller.calls_a_second);
        while begun < caller.calls.min(due as u64 + 1) {
            calls.spawn(call(caller.to, begun, caller.stay));
            begun += 1;
        }
        while let Some(outcome) = calls.try_join_next() {
            count(outcome);
        }
    }
    let took = began.elapsed().as_secs_f64().max(TICK.as_secs_f64());
    while let Some(outcome) = calls.join_next().await {
        count(outcome);
    }
    let done = caller.calls.saturating_sub(counts.failed).max(1);
    counts.calls = caller.calls;
    counts.set_up_ms = waited.as_secs_f64() * 1_000.0 / done as f64;
    counts.calls_a_second = caller.calls as f64 / took;
    counts.late = counts.calls_a_second < f64::from(caller.calls_a_second) * (1.0 - SHORT_MAX);
    counts
}

/// One call; how long it took until it was answered.
async fn call(to: SocketAddr, number: u64, stay: Duration) -> Result<Duration> {
    let whole = timeout(PATIENCE + stay, talk(to, number, stay));
    whole.await.context("it takes too long")?
}

async fn talk(to: SocketAddr, number: u64, stay: Duration) -> Result<Duration> {
    let began = Instant::now();
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    let mut line = Line {
        own: stream.local_addr()?,
        stream,
        to,
        number,
        framer: Framer::default(),
    };
    let listed = format!("<sip:bench@{to}>");
    let called = format!("sip:bench@{to}");
    line.ask("INVITE", 1, &called, &listed, OFFER).await?;
    let answer = line.success().await?;
    let set_up = began.elapsed();
    let text = |name| {
        let value = answer.headers.get(name).unwrap_or_default();
        String::from_utf8_lossy(value).into_owned()
    };
    let (tagged, contact) = (text(HeaderName::To), text(HeaderName::Contact));
    let within = contact.split(['<', '>']).nth(1);
    let within = within.context("the answer has no Contact")?;
    line.ask("ACK", 1, within, &tagged, "").await?;
    sleep(stay).await;
    line.ask("BYE", 2, within, &tagged, "").await?;
    line.success().await?;
    Ok(set_up)
}

/// A call's connection.
struct Line {
    stream: TcpStream,
    own: SocketAddr,
    to: SocketAddr,
    number: u64,
    framer: Framer,
}

impl Line {
    async fn ask(
        &mut self,
        method: &str,
        number: u32,
        uri: &str,
        to: &str,
        body: &str,
    ) -> Result<()> {
        let (own, call) = (self.own, self.number);
        let described = match body.is_empty() {
            true => "",
            false => "Content-Type: application/sdp\r\n",
        };
        let text = format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/TCP {own};branch=z9hG4bK-{call}-{method}\r\n\
             From: \"A caller\" <sip:+15550100@{own}>;tag=t{call}\r\n\
             To: {to}\r\n\
             Call-ID: {call}-{own}\r\n\
             CSeq: {number} {method}\r\n\
             Contact: <sip:+15550100@{own};transport=TCP>\r\n\
             Max-Forwards: 70\r\n\
             User-Agent: bench\r\n\
             {described}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Ok(self.stream.write_all(text.as_bytes()).await?)
    }

    /// The 200 that comes after provisional responses.
    async fn success(&mut self) -> Result<Response> {
        let mut room = [0; ROOM];
        loop {
            while let Some(frame) = self.framer.poll_frame() {
                let Frame::Message(octets) = frame else {
                    bail!("{} says what is no message", self.to);
                };
                match read_framed(&octets)? {
                    Message::Response(response) if response.status < 200 => {}
                    Message::Response(response) => {
                        let status = response.status;
                        ensure!(status == 200, "the call is refused: {status}");
                        return Ok(response);
                    }
                    Message::Request(request) => bail!("{} asks: {}", self.to, request.method),
                }
            }
            let length = self.stream.read(&mut room).await?;
            ensure!(length > 0, "{} has closed the connection", self.to);
            self.framer.push(room.get(..length).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sip_ua::agent::{Agent, AgentConfig, IncomingCall, Listen, Transport, Verdict};
    use tokio::sync::mpsc;

    use super::super::Way;
    use super::*;

    async fn agent() -> (Agent, mpsc::Receiver<IncomingCall>) {
        let config = AgentConfig {
            listen: vec![Listen {
                transport: Transport::Tcp,
                addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            }],
            screen: Arc::new(|_, _| Verdict::Allow),
            ..AgentConfig::default()
        };
        Agent::bind(config).await.unwrap()
    }

    #[tokio::test]
    async fn each_call_is_counted_with_what_became_of_it() {
        let (agent, mut incoming) = agent().await;
        let caller = Caller {
            way: Way::TcpEach,
            to: agent.local_addr(),
            calls: 20,
            calls_a_second: 100,
            stay: Duration::from_millis(10),
        };
        let answered = async {
            for number in 0..caller.calls {
                let IncomingCall { call, .. } = incoming.recv().await.unwrap();
                match number % 4 {
                    0 => call.handle.reject(486, None),
                    _ => {
                        call.handle.ring(None);
                        call.handle.accept(OFFER.into());
                    }
                }
                tokio::spawn(async move {
                    let mut events = call.events;
                    while events.recv().await.is_some() {}
                });
            }
        };
        let (counts, ()) = tokio::join!(all(caller), answered);
        assert_eq!((counts.calls, counts.failed), (20, 5));
        assert!(counts.set_up_ms > 0.0 && counts.calls_a_second > 0.0);
        agent.close(Duration::from_secs(5)).await;
        assert_eq!(agent.stats().connections, 0);
    }

    #[tokio::test]
    async fn nobody_there_is_a_failed_call() {
        let (agent, _incoming) = agent().await;
        let to = agent.local_addr();
        agent.close(Duration::ZERO).await;
        let caller = Caller {
            way: Way::TcpEach,
            to,
            calls: 3,
            calls_a_second: 100,
            stay: Duration::ZERO,
        };
        assert_eq!(all(caller).await.failed, 3);
    }
}
