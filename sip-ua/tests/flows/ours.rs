// SPDX-License-Identifier: MPL-2.0
//! Our side of a flow, and sipp at the other.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use sip_ua::agent::{
    Agent, AgentConfig, AgentStats, Call, CallEvent, End, EndCause, EndedBy, IncomingCall,
    OutgoingCall, Verdict,
};
use sip_ua::sdp::{self, Codec, Direction, LocalMedia, SessionId};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::script;
use crate::sipp::Sipp;

pub const LONG: Duration = Duration::from_secs(60);

/// Where we hear: nothing is ever sent there.
pub const PORT: u16 = 40_000;

pub struct Ours {
    pub agent: Agent,
    calls: mpsc::Receiver<IncomingCall>,
}

impl Ours {
    pub async fn new() -> Ours {
        Ours::with(AgentConfig {
            screen: Arc::new(|_, _| Verdict::Allow),
            ..AgentConfig::default()
        })
        .await
    }

    pub async fn with(config: AgentConfig) -> Ours {
        let (agent, calls) = Agent::bind(config).await.unwrap();
        Ours { agent, calls }
    }

    /// sipp calls us by this flow.
    pub fn called_by(&self, flow: &str) -> Peer {
        let target = self.agent.local_addr().to_string();
        Peer::start(flow, &["-s", "alice", &target])
    }

    /// The call that came.
    pub async fn call(&mut self) -> IncomingCall {
        let call = timeout(LONG, self.calls.recv()).await;
        call.expect("in time").expect("a call")
    }

    /// A call that came and was answered, with what sipp offered.
    pub async fn answered(&mut self) -> Call {
        let incoming = self.call().await;
        answered(incoming, false).await
    }

    /// One that sipp may transfer, and take the place of.
    pub async fn answered_for_transfers(&mut self) -> Call {
        let incoming = self.call().await;
        answered(incoming, true).await
    }

    /// One that takes the place of another, which ends.
    pub async fn answered_in_place_of(&mut self, first: &mut Call) -> Call {
        let incoming = self.call().await;
        assert_eq!(incoming.replaces, Some(first.handle.id()));
        let (call, end) = tokio::join!(answered(incoming, true), ended(first));
        assert_eq!(end.cause, EndCause::Replaced);
        call
    }

    /// What sipp asked for came to no call.
    pub fn nobody_calls(&mut self) {
        assert!(self.calls.try_recv().is_err());
    }

    /// Calls sipp, which answers.
    pub async fn calls(&self, peer: &Peer) -> Call {
        let mut call = self.agent.dial(to(peer));
        ringing(&mut call).await;
        expect(&mut call, |event| {
            matches!(event, CallEvent::Answered { sdp: Some(_) })
        })
        .await;
        call
    }

    /// It is over: nothing is left here, and all of it went by the flow over there.
    pub async fn finish(self, peers: impl IntoIterator<Item = Peer>) {
        for peer in peers {
            peer.was_content().await;
        }
        self.agent.close(LONG).await;
        assert_eq!(self.agent.stats(), AgentStats::default());
    }
}

async fn answered(incoming: IncomingCall, transfers: bool) -> Call {
    let IncomingCall {
        request, mut call, ..
    } = incoming;
    call.handle.permit_transfers(transfers);
    call.handle.ring(None);
    call.handle.accept(answer(&request.body));
    expect(&mut call, |event| {
        matches!(event, CallEvent::Confirmed { .. })
    })
    .await;
    call
}

/// The headers of an INVITE to us that is to take the place of this call (RFC 3891), by what the messages
/// so far say of it.
pub fn replacing(call: &Call) -> String {
    let tag = |message: &str, name: &str| {
        let line = message.lines().find(|line| line.starts_with(name))?;
        let (_, tag) = line.split_once(";tag=")?;
        Some(tag.split(';').next().unwrap_or_default().to_owned())
    };
    let steps = call.handle.ladder();
    let tags = steps.iter().find_map(|step| {
        let from = tag(&step.message, "From:")?;
        let to = tag(&step.message, "To:")?;
        let we_asked = step.sent != step.message.starts_with("SIP/2.0");
        Some(if we_asked { (from, to) } else { (to, from) })
    });
    let (ours, theirs) = tags.expect("a dialog");
    let call_id = call.handle.sip_call_id();
    format!("Require: replaces | Replaces: {call_id};to-tag={ours};from-tag={theirs}")
}

/// A call to sipp, with an offer.
pub fn to(peer: &Peer) -> OutgoingCall {
    let to = format!("sip:service@{}", peer.addr()).parse().unwrap();
    OutgoingCall {
        offer: Some(sdp::offer(&media())),
        ring_timeout: LONG,
        ..OutgoingCall::new(to, "sip:alice@127.0.0.1".parse().unwrap())
    }
}

/// What we can hear.
pub fn media() -> LocalMedia {
    LocalMedia {
        session: SessionId { id: 7, version: 1 },
        ..LocalMedia::new(IpAddr::from([127, 0, 0, 1]), PORT, vec![Codec::Pcmu])
    }
}

pub fn holding() -> LocalMedia {
    LocalMedia {
        direction: Direction::SendOnly,
        ..media()
    }
}

pub fn answer(offer: &[u8]) -> Vec<u8> {
    sdp::answer(&media(), offer).expect("an offer of G.711").0
}

/// The next thing that the call tells is one of these.
pub async fn expect(call: &mut Call, wanted: impl Fn(&CallEvent) -> bool) -> CallEvent {
    let event = timeout(LONG, call.events.recv()).await;
    let event = event.expect("in time").expect("the call goes on");
    assert!(wanted(&event), "{event:?}\n{}", ladder(call));
    event
}

/// The far end wants to change the call; returns its offer.
pub async fn reoffered(call: &mut Call) -> Vec<u8> {
    match expect(call, |event| matches!(event, CallEvent::Reoffer { .. })).await {
        CallEvent::Reoffer { sdp: Some(offer) } => offer,
        other => panic!("{other:?}"),
    }
}

/// We change the call, and the far end agrees.
pub async fn reoffer(call: &mut Call, offer: Vec<u8>) {
    call.handle.reoffer(offer);
    expect(call, |event| {
        matches!(event, CallEvent::ReofferAnswered { sdp: Some(_) })
    })
    .await;
}

fn ladder(call: &Call) -> String {
    let steps = call.handle.ladder();
    steps.iter().map(|step| format!("{step:?}\n")).collect()
}

pub async fn ringing(call: &mut Call) {
    expect(call, |event| {
        matches!(event, CallEvent::Progress { status: 180, .. })
    })
    .await;
}

/// The call is over, and nothing else was told before.
pub async fn ended(call: &mut Call) -> End {
    match expect(call, |event| matches!(event, CallEvent::Ended(_))).await {
        CallEvent::Ended(end) => end,
        other => panic!("{other:?}"),
    }
}

/// The far end hangs up.
pub async fn hung_up(call: &mut Call) {
    let end = ended(call).await;
    assert_eq!((end.by, end.cause), (EndedBy::Remote, EndCause::HungUp));
}

/// We hang up.
pub async fn hang_up(call: &mut Call) {
    call.handle.hangup(None);
    let end = ended(call).await;
    assert_eq!((end.by, end.cause), (EndedBy::Local, EndCause::HungUp));
}

/// sipp with a flow of its own.
pub struct Peer {
    sipp: Sipp,
    folder: PathBuf,
}

impl Peer {
    /// sipp waits to be called.
    pub fn waits(flow: &str) -> Peer {
        Peer::start(flow, &[])
    }

    fn start(flow: &str, arguments: &[&str]) -> Peer {
        // Each has an address of its own: they would race for ports.
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("flow-{number}"));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let scenario = file("scenario.xml");
        std::fs::write(&scenario, script::xml(flow)).unwrap();
        let (errors, messages) = (file("errors"), file("messages"));
        let own = [
            "-sf",
            &scenario,
            "-trace_err",
            "-error_file",
            &errors,
            "-trace_msg",
            "-message_file",
            &messages,
        ];
        let arguments: Vec<&str> = own.into_iter().chain(arguments.iter().copied()).collect();
        let at = IpAddr::from([127, 0, 3, number]);
        Peer {
            sipp: Sipp::start(at, &arguments, 1),
            folder,
        }
    }

    pub fn addr(&self) -> SocketAddr {
        self.sipp.addr
    }

    /// It is done, and all went by its flow.
    pub async fn was_content(self) {
        let Peer { sipp, folder } = self;
        let waits = tokio::task::spawn_blocking(|| sipp.was_content());
        if !waits.await.unwrap() {
            let read = |name| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
            panic!("sipp: {}\n{}", read("errors"), read("messages"));
        }
    }
}
