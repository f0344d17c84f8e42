// SPDX-License-Identifier: MPL-2.0
//! Two far ends that hear each other: what one sends is passed on to the other as it comes, in its codec.
//!
//! Both legs are one [`Task`](crate::context::Task). A packet that comes leaves on the spot, decoded
//! and encoded anew only where the codecs differ; no jitter buffer, queue or tick is on its way, for
//! whoever listens has a jitter buffer. Digits (RFC 4733) are passed on once they are whole.

mod instead;
mod lengths;
mod tap;
mod task;
#[cfg(test)]
mod tests;
mod way;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use sip_ua::sdp::Negotiated;

pub use self::instead::{Passing, Recording};
pub use self::tap::Listener;
use self::task::{Agreements, Bridge, Command};
use self::way::Codecs;
use super::api::{DigitsError, LegStats, MediaConfig, MediaError, MediaEvent};
use super::sockets;
use crate::context::{Context, Mailbox, TaskHandle};
use crate::leg::check_digits;

/// One of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first: by custom, who calls.
    A,
    /// The second.
    B,
}

impl Side {
    /// Both, in order.
    pub const BOTH: [Side; 2] = [Side::A, Side::B];

    /// The one across.
    pub fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }

    /// As messages and settings call it.
    pub fn name(self) -> &'static str {
        match self {
            Side::A => "a",
            Side::B => "b",
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Side::A => 0,
            Side::B => 1,
        }
    }
}

/// Where a bridge's events go: on the context's thread, so a receiver must not block.
pub type BridgeEvents = Box<dyn FnMut(Side, MediaEvent) + Send>;

/// What the handle and the task share. Nothing in it is held for longer than a moment.
struct Shared {
    commands: Mailbox<Command>,
    stats: Mutex<[LegStats; 2]>,
    events: Mutex<BridgeEvents>,
}

impl Shared {
    fn tell(&self, side: Side, event: MediaEvent) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events(side, event);
    }
}

/// Opens the sockets of both sides and starts the bridge on `context`. Nothing is sent to a side before
/// [`BridgeHandle::apply`].
pub fn open(
    context: &Context,
    configs: [MediaConfig; 2],
    events: BridgeEvents,
) -> Result<BridgeHandle, MediaError> {
    let [a, b] = &configs;
    let pairs = [
        sockets::open(a.bind, &a.ports)?,
        sockets::open(b.bind, &b.ports)?,
    ];
    let local = [pairs[0].local, pairs[1].local];
    let shared = Arc::new(Shared {
        commands: Mailbox::default(),
        stats: Mutex::default(),
        events: Mutex::new(events),
    });
    let bridge = Bridge::new(context.clock().now(), pairs, &configs, shared.clone());
    let told = shared.clone();
    let on_panic = Box::new(move |said: &str| {
        for side in Side::BOTH {
            told.tell(
                side,
                MediaEvent::Failed(format!("the bridge of this call failed: {said}")),
            );
        }
    });
    let task = context.add_task(|_| Box::new(bridge), Some(on_panic));
    Ok(BridgeHandle {
        local,
        task,
        shared,
        agreed: Mutex::default(),
        configs,
    })
}

/// Steers a bridge. Dropping it closes the bridge without waiting.
pub struct BridgeHandle {
    local: [SocketAddr; 2],
    task: TaskHandle,
    shared: Arc<Shared>,
    agreed: Mutex<[Option<Negotiated>; 2]>,
    configs: [MediaConfig; 2],
}

impl BridgeHandle {
    /// Where RTP of this side is received; RTCP is the next port.
    pub fn local_rtp(&self, side: Side) -> SocketAddr {
        self.local[side.index()]
    }

    /// Puts what offer and answer agreed on with this side into force, at the first time and at each
    /// re-offer. Brings up the codecs it needs, so it is not for the context's own thread. On an error all is as
    /// it was.
    pub fn apply(&self, side: Side, negotiated: Negotiated) -> Result<(), MediaError> {
        let news = Some((0, Box::new(negotiated)));
        self.agree(match side {
            Side::A => [news, None],
            Side::B => [None, news],
        })
    }

    /// The same for both sides, and all or nothing. `parties`: with whom, by number, for several may answer: each
    /// has a handshake of its own, and whoever was agreed with last is heard.
    pub fn apply_both(
        &self,
        parties: [usize; 2],
        negotiated: [Negotiated; 2],
    ) -> Result<(), MediaError> {
        let ([of_a, of_b], [a, b]) = (parties, negotiated);
        self.agree([Some((of_a, Box::new(a))), Some((of_b, Box::new(b)))])
    }

    fn agree(&self, news: Agreements) -> Result<(), MediaError> {
        let mut agreed = self.agreed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut after = agreed.clone();
        for (after, news) in after.iter_mut().zip(&news) {
            if let Some((_, negotiated)) = news {
                *after = Some(Negotiated::clone(negotiated));
            }
        }
        let codecs = |from: Side| match (&after[from.index()], &after[from.other().index()]) {
            (Some(heard), Some(said)) => {
                let towards = &self.configs[from.other().index()];
                Codecs::new(heard.codec, said, towards).map(Some)
            }
            _ => Ok(None),
        };
        let codecs = [codecs(Side::A)?, codecs(Side::B)?];
        *agreed = after;
        self.command(Command::Apply(news, Box::new(codecs)));
        Ok(())
    }

    /// A candidate of somebody with whom something was agreed on, that came after the description (RFC 8840).
    pub fn add_candidate(&self, side: Side, party: usize, candidate: &str) {
        self.command(Command::Candidate(side, party, candidate.to_owned()));
    }

    /// What becomes of what this side says.
    pub fn set_passing(&self, side: Side, passing: Passing) {
        self.command(Command::Pass(side, passing));
    }

    /// Lets somebody hear what this side says, or nobody any more. Whatever becomes of it on its way to the
    /// other one: it is heard as it came.
    pub fn set_listener(&self, side: Side, listener: Option<Listener>) {
        self.command(Command::Listen(side, listener));
    }

    /// Plays this to a side, once or again and again, in place of what the other one says; `None`: nothing more.
    pub fn play(&self, side: Side, recording: Option<(Recording, bool)>) {
        self.command(Command::Play(side, recording));
    }

    /// Sends a side digits (RFC 4733), each `duration_ms` long.
    pub fn play_digits(
        &self,
        side: Side,
        digits: &str,
        duration_ms: u32,
    ) -> Result<(), DigitsError> {
        check_digits(digits)?;
        let agreed = self.agreed.lock().unwrap_or_else(PoisonError::into_inner);
        let agreed = agreed[side.index()].as_ref();
        if agreed.is_none_or(|agreed| agreed.telephone_event_send.is_none()) {
            return Err(DigitsError::NotNegotiated);
        }
        self.command(Command::Digits(side, digits.to_owned(), duration_ms));
        Ok(())
    }

    /// The counters of one side's leg.
    pub fn stats(&self, side: Side) -> LegStats {
        self.shared
            .stats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)[side.index()]
        .clone()
    }

    /// The context it runs on.
    pub fn context(&self) -> Context {
        self.task.context()
    }

    /// Goes on running on another context. Not a packet is lost on the way.
    pub fn move_to(&self, context: &Context) {
        self.task.move_to(context);
    }

    /// Says goodbye to both (RTCP BYE) and returns when sockets are closed and ports free again.
    pub fn close(self) {
        self.task.remove();
    }

    fn command(&self, command: Command) {
        self.shared.commands.post(command);
        self.task.notify();
    }
}
