// SPDX-License-Identifier: MPL-2.0
//! Answers every call: 180, then 200 with SDP negotiated for an RTP port of its own that lives as
//! long as the call. A target for load, and the smallest complete use of the agent.
//!
//! ```sh
//! cargo run -p sip-ua --example answerer
//! ```
//!
//! It listens on UDP and TCP; the first line it prints is `listening on ADDRESS`. Each line on standard input is answered by a
//! line of JSON with counters; `settled` is answered when no call, dialog or transaction is left.
//! The end of the input ends it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sip_ua::agent::{
    Agent, AgentConfig, AgentStats, CallEvent, EndCause, IncomingCall, Listen, Transport, Verdict,
};
use sip_ua::sdp::{self, Codec, LocalMedia};
use tokio::sync::mpsc;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[derive(Default)]
struct Counters {
    taken: AtomicU64,
    hung_up: AtomicU64,
    failed: AtomicU64,
    ports: AtomicU64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = [Transport::Udp, Transport::Tcp].map(|transport| Listen {
        transport,
        addr: SocketAddr::new(ADDRESS, 0),
    });
    let config = AgentConfig {
        listen: listen.to_vec(),
        screen: Arc::new(|_, _| Verdict::Allow),
        ..AgentConfig::default()
    };
    let (agent, mut calls) = Agent::bind(config).await?;
    println!("listening on {}", agent.local_addr());

    let counters = Arc::new(Counters::default());
    let mut commands = lines_of_input();
    loop {
        tokio::select! {
            Some(call) = calls.recv() => {
                tokio::spawn(answer(call, counters.clone()));
            }
            command = commands.recv() => match command.as_deref() {
                None => break,
                Some("settled") => {
                    tokio::spawn(report_when_settled(agent.clone(), counters.clone()));
                }
                Some(_) => report(&agent, &counters),
            },
        }
    }
    agent.close(Duration::from_secs(2)).await;
    Ok(())
}

/// The lines of standard input, read on a thread of their own, for reading them blocks.
fn lines_of_input() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

async fn answer(incoming: IncomingCall, counters: Arc<Counters>) {
    counters.taken.fetch_add(1, Ordering::Relaxed);
    let mut call = incoming.call;
    call.handle.ring(None);
    // Held until the call has ended: the port that the answer names.
    let Ok(rtp) = UdpSocket::bind((ADDRESS, 0)) else {
        counters.failed.fetch_add(1, Ordering::Relaxed);
        return call.handle.reject(503, Some("No Media Port"));
    };
    counters.ports.fetch_add(1, Ordering::Relaxed);
    let port = rtp.local_addr().map_or(0, |addr| addr.port());
    let media = LocalMedia::new(ADDRESS, port, vec![Codec::Opus, Codec::Pcma, Codec::Pcmu]);
    match sdp::answer(&media, &incoming.request.body) {
        Ok((answer, _)) => call.handle.accept(answer),
        Err(error) => call
            .handle
            .reject(error.sip_code(), Some("Not Acceptable Here")),
    }
    while let Some(event) = call.events.recv().await {
        if let CallEvent::Ended(end) = event {
            let counter = match end.cause {
                EndCause::HungUp => &counters.hung_up,
                _ => &counters.failed,
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }
    drop(rtp);
    counters.ports.fetch_sub(1, Ordering::Relaxed);
}

async fn report_when_settled(agent: Agent, counters: Arc<Counters>) {
    let mut look = tokio::time::interval(Duration::from_millis(50));
    loop {
        look.tick().await;
        let AgentStats {
            calls,
            dialogs,
            client_transactions,
            server_transactions,
            ..
        } = agent.stats();
        if calls + dialogs + client_transactions + server_transactions == 0
            && counters.ports.load(Ordering::Relaxed) == 0
        {
            return report(&agent, &counters);
        }
    }
}

fn report(agent: &Agent, counters: &Counters) {
    let stats = agent.stats();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{{\"taken\":{},\"hung_up\":{},\"failed\":{},\"ports\":{},\"calls\":{},\"dialogs\":{},\
         \"client_transactions\":{},\"server_transactions\":{},\"descriptors\":{},\"threads\":{},\
         \"resident_kib\":{}}}",
        count(&counters.taken),
        count(&counters.hung_up),
        count(&counters.failed),
        count(&counters.ports),
        stats.calls,
        stats.dialogs,
        stats.client_transactions,
        stats.server_transactions,
        entries("/proc/self/fd"),
        entries("/proc/self/task"),
        resident_kib(),
    );
}

fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}
