// SPDX-License-Identifier: MPL-2.0
//! Any SFU that takes and gives plain RTP, or SRTP: mediasoup's PlainTransport, Janus' `rtp_forward` and remote
//! publishers, a GStreamer pipeline.
//!
//! These have no protocol in common by which rooms are entered. So either somebody is asked who knows the SFU:
//! a server of the operator's, by HTTP ([`callout`]). Or everything is settled beforehand ([`lines`]).
//!
//! Each flow has a connection of its own, described as [`crate::plain::Description`] has it.

mod callout;
mod http;
mod lines;
mod message;
mod news;
mod roster;
mod session;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

pub use callout::CallOut;
pub use lines::Line;

use super::janus::OUTAGE_PATIENCE;
use super::{BoxFuture, Joined, Participant, Sfu, SfuError};
use crate::plain::PlainConfig;
use callout::Caller;
use lines::Lines;

/// How long the server that is asked may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// An SFU that is reached by RTP.
#[derive(Clone, Debug)]
pub struct RtpConfig {
    /// The name in the configuration.
    pub name: String,
    pub way: Way,
    /// What counts for its connections.
    pub plain: PlainConfig,
    /// By which address the SFU reaches us, where that is not the local one.
    pub advertise: Option<IpAddr>,
    /// How long a call waits for it while it is away.
    pub outage_patience: Duration,
}

impl RtpConfig {
    pub fn new(name: impl Into<String>, way: Way) -> RtpConfig {
        RtpConfig {
            name: name.into(),
            way,
            plain: PlainConfig::default(),
            advertise: None,
            outage_patience: OUTAGE_PATIENCE,
        }
    }
}

/// How it is known where to send to, and where to listen.
#[derive(Clone, Debug)]
pub enum Way {
    CallOut(CallOut),
    Lines(Vec<Line>),
}

/// The connector.
pub struct Rtp {
    config: RtpConfig,
    inner: Inner,
}

enum Inner {
    CallOut(Arc<Caller>),
    Lines(Arc<Lines>),
}

impl Rtp {
    /// Nobody is asked before there is a call.
    pub fn new(config: RtpConfig) -> Rtp {
        let inner = match &config.way {
            Way::CallOut(callout) => Inner::CallOut(Arc::new(Caller::new(
                &config.name,
                callout.clone(),
                config.advertise,
            ))),
            Way::Lines(lines) => Inner::Lines(Arc::new(Lines::new(
                &config.name,
                lines.clone(),
                config.plain.payload_type,
            ))),
        };
        Rtp { config, inner }
    }
}

impl Sfu for Rtp {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn outage_patience(&self) -> Duration {
        self.config.outage_patience
    }

    fn is_heard_alike(&self) -> bool {
        // What comes by a line is for who is on it.
        matches!(self.inner, Inner::CallOut(_))
    }

    fn check(&self) -> BoxFuture<'_, Result<(), SfuError>> {
        Box::pin(async {
            match &self.inner {
                Inner::CallOut(caller) => caller.check().await,
                Inner::Lines(_) => Ok(()),
            }
        })
    }

    fn join(&self, room: &str, who: Participant) -> BoxFuture<'_, Result<Joined, SfuError>> {
        let room = room.to_owned();
        Box::pin(async move {
            match &self.inner {
                Inner::CallOut(caller) => session::join(caller.clone(), room, who).await,
                Inner::Lines(lines) => lines.join(&room, &who),
            }
        })
    }
}
