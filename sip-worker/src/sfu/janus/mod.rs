// SPDX-License-Identifier: MPL-2.0
//! Janus' VideoRoom, over its WebSocket API.

use std::time::Duration;

use secrecy::SecretString;

/// Where a Janus is and how it lets us in.
#[derive(Clone, Debug)]
pub struct JanusConfig {
    /// The name in the configuration.
    pub name: String,
    /// `ws://host:port/path` or `wss://…`
    pub url: String,
    /// `apisecret` of its core.
    pub api_secret: Option<SecretString>,
    /// A token of its token authentication.
    pub token: Option<SecretString>,
    /// The PIN of its rooms.
    pub pin: Option<SecretString>,
    /// `admin_key` of its VideoRoom, which it may want for the creation of rooms.
    pub admin_key: Option<SecretString>,
    /// Create a room that is not there, and destroy it when the last leaves.
    pub room_create: bool,
    /// Are rooms named (`string_ids = true` in its VideoRoom) or numbered? `None`: ask.
    pub string_ids: Option<bool>,
    /// How long it may take to answer.
    pub patience: Duration,
}

impl JanusConfig {
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        JanusConfig {
            name: name.into(),
            url: url.into(),
            api_secret: None,
            token: None,
            pin: None,
            admin_key: None,
            room_create: false,
            string_ids: None,
            patience: Duration::from_secs(5),
        }
    }
}
