// SPDX-License-Identifier: MPL-2.0
//! The ICE servers that whoever enters a room by WebRTC is told of, TURN servers with credentials.

use std::time::SystemTime;

use axum::http::HeaderValue;
use serde::Serialize;

use crate::config::Ice;

/// One of them, as `RTCIceServer` has it. What it holds opens a relay: it has no `Debug`.
#[derive(Serialize)]
pub(super) struct Server {
    urls: String,
    #[serde(flatten)]
    credentials: Option<Credentials>,
}

#[derive(Serialize, Clone)]
struct Credentials {
    username: String,
    credential: String,
}

/// Those that are configured.
pub(super) fn servers(ice: &Ice) -> Vec<Server> {
    servers_at(ice, SystemTime::now())
}

fn servers_at(ice: &Ice, now: SystemTime) -> Vec<Server> {
    let stun = ice.stun.iter().map(|server| (server, None));
    let turn = ice.turn.iter().flat_map(|turn| {
        let credentials = turn.credentials(now).map(|given| Credentials {
            username: given.username,
            credential: given.credential,
        });
        turn.urls.iter().map(move |url| (url, credentials.clone()))
    });
    stun.chain(turn)
        .map(|(url, credentials)| Server {
            urls: url.clone(),
            credentials,
        })
        .collect()
}

impl Server {
    /// As WHIP and WHEP tell of it (RFC 9725 section 4.6).
    pub(super) fn link(&self) -> Option<HeaderValue> {
        let mut link = format!("<{}>; rel=\"ice-server\"", self.urls);
        if let Some(given) = &self.credentials {
            link += &format!(
                "; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
                given.username, given.credential
            );
        }
        let mut link = HeaderValue::from_str(&link).ok()?;
        link.set_sensitive(self.credentials.is_some());
        Some(link)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::config::Turn;

    #[test]
    fn credentials_are_what_coturn_expects() {
        let ice = Ice {
            stun: vec!["stun:192.0.2.1:3478".to_owned()],
            turn: Some(Turn {
                urls: vec!["turn:192.0.2.1:3478?transport=udp".to_owned()],
                secret: "north".to_owned().into(),
                lasts: Duration::from_secs(3_600),
                policy: None,
            }),
            ..Ice::default()
        };
        let told = servers_at(&ice, UNIX_EPOCH + Duration::from_secs(1_433_892_129));
        let [stun, turn] = &told[..] else {
            panic!("{} servers", told.len());
        };
        assert_eq!(
            stun.link().unwrap(),
            "<stun:192.0.2.1:3478>; rel=\"ice-server\""
        );
        // By: printf 1433895729:sipbridge | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(
            turn.link().unwrap(),
            "<turn:192.0.2.1:3478?transport=udp>; rel=\"ice-server\"; username=\"1433895729:sipbridge\"; \
             credential=\"F3Lpu/K7av1JbSZHGI9DqO+WUwg=\"; credential-type=\"password\""
        );
        assert!(turn.link().unwrap().is_sensitive());
        let json = serde_json::to_value(turn).unwrap();
        assert_eq!(json["username"], "1433895729:sipbridge");
        assert_eq!(json["urls"], "turn:192.0.2.1:3478?transport=udp");
    }
}
