// SPDX-License-Identifier: MPL-2.0
//! What handles ask of the agent's task.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use super::call::Shared;
use super::events::EventSender;
use super::registration::Remote;
use crate::endpoint::{CallId, Outgoing, Reason, TransferTo};
use crate::registration::{Account, RegistrationId, RegistrationState};
use crate::transport::Hop;
use crate::watch::{WatchConfig, WatchId, WatchState};
use crate::wire::Uri;

/// One request to the task that owns the sockets.
pub(super) enum Command {
    Dial(Box<Dial>),
    Ring {
        id: CallId,
        sdp: Option<Vec<u8>>,
    },
    Accept {
        id: CallId,
        sdp: Vec<u8>,
    },
    Reject {
        id: CallId,
        status: u16,
        reason: Option<String>,
        retry_after: Option<Duration>,
    },
    Hangup {
        id: CallId,
        reason: Option<Reason>,
    },
    Reoffer {
        id: CallId,
        sdp: Vec<u8>,
    },
    AnswerReoffer {
        id: CallId,
        answer: Result<Vec<u8>, u16>,
    },
    Info {
        id: CallId,
        content_type: String,
        body: Vec<u8>,
    },
    PermitTransfers {
        id: CallId,
        permitted: bool,
    },
    Transfer {
        id: CallId,
        to: Box<TransferTo>,
    },
    AnswerTransfer {
        id: CallId,
        answer: Result<(), u16>,
    },
    NotifyTransfer {
        id: CallId,
        status: u16,
        reason: Option<String>,
    },
    Register(Box<Register>),
    Located {
        id: RegistrationId,
        found: Result<Vec<Hop>, String>,
    },
    TargetLocated {
        id: CallId,
        found: Result<Vec<Hop>, String>,
    },
    HopLocated {
        id: CallId,
        uri: Uri,
        found: Result<Vec<Hop>, String>,
    },
    Unregister {
        id: RegistrationId,
    },
    Watch(Box<Watch>),
    WatchedLocated {
        id: WatchId,
        found: Result<Vec<Hop>, String>,
    },
    Unwatch {
        id: WatchId,
    },
    /// The last clone of the agent is gone.
    Retire,
    Close {
        patience: Duration,
        done: oneshot::Sender<()>,
    },
}

/// A call to make, with where its events go.
pub(super) struct Dial {
    pub(super) outgoing: Outgoing,
    /// The servers to send to, best first, or why none was found.
    pub(super) destinations: Result<Vec<Hop>, String>,
    pub(super) shared: Arc<Shared>,
    pub(super) events: EventSender,
}

/// A registration to begin, with where its news go.
pub(super) struct Register {
    pub(super) id: RegistrationId,
    pub(super) account: Account,
    /// Whose host is looked up where there is no `next_hop`.
    pub(super) towards: Uri,
    pub(super) next_hop: Option<Hop>,
    pub(super) state: watch::Sender<RegistrationState>,
    pub(super) remote: Remote,
}

/// Servers to watch, with where the news of them go.
pub(super) struct Watch {
    pub(super) id: WatchId,
    pub(super) config: WatchConfig,
    pub(super) state: watch::Sender<WatchState>,
}

/// The way to the task. Unbounded, since only this program's own code can fill it, and it must never
/// make a caller wait.
#[derive(Clone)]
pub(super) struct Commands {
    sender: mpsc::UnboundedSender<Command>,
}

impl Commands {
    pub(super) fn new() -> (Commands, mpsc::UnboundedReceiver<Command>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Commands { sender }, receiver)
    }

    /// An agent that is gone has ended its calls: nothing is left to ask for.
    pub(super) fn send(&self, command: Command) {
        let _ = self.sender.send(command);
    }
}
