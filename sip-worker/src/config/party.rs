// SPDX-License-Identifier: MPL-2.0
//! Whom a call is with, as far as the configuration knows them.

use std::sync::Arc;
use std::time::Duration;

use gstsipbridge::call::{DtlsPolicy, DtmfMode};
use sip_ua::sdp::{Codec, SrtpPolicy};

use super::{Overload, Trunk, User};
use crate::headers::Passing;
use crate::numbers::Numbers;

/// The far end of a call: a trunk, or a user who registers here.
#[derive(Debug, Clone)]
pub enum Party {
    /// `[[trunk]]`
    Trunk(Arc<Trunk>),
    /// `[[user]]`
    User(Arc<User>),
}

impl Party {
    /// The trunk's name, if it is one.
    pub fn trunk(&self) -> Option<&str> {
        match self {
            Party::Trunk(trunk) => Some(&trunk.name),
            Party::User(_) => None,
        }
    }

    /// What is configured of the trunk, if it is one.
    pub fn trunk_config(&self) -> Option<&Trunk> {
        match self {
            Party::Trunk(trunk) => Some(trunk),
            Party::User(_) => None,
        }
    }

    /// Which headers of its calls are passed on.
    pub fn passing(&self) -> Passing<'_> {
        let trunk = self.trunk_config();
        Passing(trunk.and_then(|trunk| trunk.headers_in.as_deref()))
    }

    /// How numbers are written there, where that is known.
    pub fn numbers(&self) -> Option<&Numbers> {
        self.trunk_config()?.numbers.as_ref()
    }

    /// The user's name, if it is one.
    pub fn user(&self) -> Option<&str> {
        match self {
            Party::Trunk(_) => None,
            Party::User(user) => Some(&user.name),
        }
    }

    /// As it is called in sentences, and counted by: `trunk 'carrier'`.
    pub fn label(&self) -> String {
        match self {
            Party::Trunk(trunk) => format!("trunk '{}'", trunk.name),
            Party::User(user) => format!("user '{}'", user.name),
        }
    }

    /// Calls at one time.
    pub fn max_calls(&self) -> Option<u32> {
        match self {
            Party::Trunk(trunk) => trunk.max_calls,
            Party::User(user) => user.max_calls,
        }
    }

    /// New calls in a second.
    pub fn max_cps(&self) -> Option<u32> {
        match self {
            Party::Trunk(trunk) => trunk.max_cps,
            Party::User(_) => None,
        }
    }

    /// What it hears of a call that is one too many, as far as that is its own.
    pub fn overload(&self) -> Overload {
        match self {
            Party::Trunk(trunk) => trunk.overload,
            Party::User(user) => user.overload,
        }
    }

    /// The longest a call may last.
    pub fn max_duration(&self) -> Option<Duration> {
        match self {
            Party::Trunk(trunk) => trunk.max_duration,
            Party::User(user) => user.max_duration,
        }
    }

    /// Whether it may have its calls transferred.
    pub fn accepts_transfers(&self) -> bool {
        match self {
            Party::Trunk(trunk) => trunk.accept_transfers,
            Party::User(user) => user.accept_transfers,
        }
    }

    /// Codecs in order of preference.
    pub fn codecs(&self) -> &[Codec] {
        match self {
            Party::Trunk(trunk) => &trunk.codecs,
            Party::User(user) => &user.codecs,
        }
    }

    /// Whether media are encrypted.
    pub fn srtp(&self) -> SrtpPolicy {
        match self {
            Party::Trunk(trunk) => trunk.srtp,
            Party::User(user) => user.srtp,
        }
    }

    /// Whether their keys come from a handshake instead.
    pub fn dtls(&self) -> DtlsPolicy {
        match self {
            Party::Trunk(trunk) => trunk.dtls,
            Party::User(user) => user.dtls,
        }
    }

    /// How digits reach it.
    pub fn dtmf(&self) -> DtmfMode {
        match self {
            Party::Trunk(trunk) => trunk.dtmf,
            Party::User(user) => user.dtmf,
        }
    }
}
