// SPDX-License-Identifier: MPL-2.0
//! The process that answers calls for us: 180, then 200 with SDP negotiated, and nothing else. What it
//! takes is what `sip-ua` takes.
//!
//! Each line on standard input is answered by a line of JSON.

use std::io::BufRead as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sip_ua::agent::{
    Agent, AgentConfig, CallEvent, CallEvents, EndCause, IncomingCall, Limits, Listen, Transport,
    Verdict,
};
use sip_ua::memory;
use sip_ua::sdp::{self, Codec, LocalMedia};
use tokio::sync::mpsc;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// No media flow: where they would.
const RTP_PORT: u16 = 30_000;

/// More than any load makes it hold.
const LIMITS: Limits = Limits {
    max_calls: 100_000,
    max_transactions: 2_000_000,
};

/// What it says of itself.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct State {
    pub udp: Option<SocketAddr>,
    pub tcp: Option<SocketAddr>,
    /// Calls that were answered and hung up by the caller.
    pub hung_up: u64,
    pub dialogs: usize,
    /// Transactions that callers began, finished ones as long as they must be remembered.
    pub transactions: usize,
}

/// Serves standard input until it ends.
pub fn run() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // As a task: whatever wakes the future that `block_on` itself runs costs a system call.
    runtime.block_on(async { tokio::spawn(serve()).await? })
}

async fn serve() -> Result<()> {
    let (agent, mut calls) = bind().await?;
    let hung_up = Arc::new(AtomicU64::new(0));
    let watched = agent.clone();
    tokio::spawn(memory::give_back_after_crowds(move || {
        Some(watched.stats().load())
    }));
    let mut questions = lines_of_input();
    loop {
        tokio::select! {
            Some(call) = calls.recv() => {
                tokio::spawn(listen(answer(call), hung_up.clone()));
            }
            question = questions.recv() => match question {
                Some(()) => println!("{}", serde_json::to_string(&state(&agent, &hung_up))?),
                None => break,
            },
        }
    }
    agent.close(Duration::from_secs(1)).await;
    Ok(())
}

async fn bind() -> Result<(Agent, mpsc::Receiver<IncomingCall>)> {
    let listen = [Transport::Udp, Transport::Tcp].map(|transport| Listen {
        transport,
        addr: SocketAddr::new(HERE, 0),
    });
    let config = AgentConfig {
        listen: listen.to_vec(),
        screen: Arc::new(|_, _| Verdict::Allow),
        limits: LIMITS,
        ..AgentConfig::default()
    };
    Ok(Agent::bind(config).await?)
}

/// The lines of standard input, read on a thread of their own, for reading them blocks.
fn lines_of_input() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut lines = std::io::stdin().lock().lines().map_while(Result::ok);
        while lines.next().is_some() && sender.blocking_send(()).is_ok() {}
    });
    receiver
}

/// Answers a call, and returns what is heard of it.
fn answer(incoming: IncomingCall) -> CallEvents {
    let IncomingCall { request, call, .. } = incoming;
    call.handle.ring(None);
    let media = LocalMedia::new(HERE, RTP_PORT, vec![Codec::Opus, Codec::Pcma, Codec::Pcmu]);
    match sdp::answer(&media, &request.body) {
        Ok((answer, _)) => call.handle.accept(answer),
        Err(error) => call.handle.reject(error.sip_code(), None),
    }
    call.events
}

/// The call lasts as long as somebody listens.
async fn listen(mut events: CallEvents, hung_up: Arc<AtomicU64>) {
    while let Some(event) = events.recv().await {
        if matches!(event, CallEvent::Ended(end) if end.cause == EndCause::HungUp) {
            hung_up.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn state(agent: &Agent, hung_up: &AtomicU64) -> State {
    let stats = agent.stats();
    let listens = |transport| {
        let mut all = agent.listeners().iter();
        all.find(|listener| listener.transport == transport)
            .map(|listener| listener.addr)
    };
    State {
        udp: listens(Transport::Udp),
        tcp: listens(Transport::Tcp),
        hung_up: hung_up.load(Ordering::Relaxed),
        dialogs: stats.dialogs,
        transactions: stats.server_transactions,
    }
}
