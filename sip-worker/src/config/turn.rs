// SPDX-License-Identifier: MPL-2.0
//! TURN servers of `[ice]`, and what opens them: credentials that last for a while, made from the secret that we
//! share with them ("A REST API for access to TURN services", draft-uberti-behave-turn-rest, which coturn calls
//! `use-auth-secret`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;

use super::duration::duration;
use super::secret::secret;
use super::value::is_server;
use crate::document::Section;

/// How long credentials last: an allocation that is in use needs them as long as it lasts.
const LASTS: Duration = Duration::from_secs(86_400);

/// TURN servers that people may use, with credentials that we make for them.
#[derive(Debug, Clone)]
pub struct Turn {
    /// `turn:host:port?transport=udp` and the like.
    pub urls: Vec<String>,
    /// What we share with them.
    pub secret: SecretString,
    /// How long credentials last.
    pub lasts: Duration,
    /// Whether connections of ours use the first of them, too.
    pub policy: Option<TurnPolicy>,
}

/// How connections of ours use a TURN server; as `RTCIceTransportPolicy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnPolicy {
    /// Beside all other ways.
    All,
    /// And no other way.
    Relay,
}

/// What opens a server. It has no `Debug`.
#[derive(Clone)]
pub struct TurnCredentials {
    /// Until when they last, and whose they are.
    pub username: String,
    /// The password.
    pub credential: String,
}

impl Turn {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Turn> {
        let stated = section.has("turn");
        let urls = section.parsed_list("turn", |text| {
            let server = text.strip_prefix("turn:").or(text.strip_prefix("turns:"));
            let (server, transport) = match server.unwrap_or_default().split_once('?') {
                Some((server, transport)) => (server, Some(transport)),
                None => (server.unwrap_or_default(), None),
            };
            let known = matches!(transport, None | Some("transport=udp" | "transport=tcp"));
            match is_server(server) && known {
                true => Ok(text.to_owned()),
                false => Err(format!(
                    "\"{text}\" is not of the form turn:HOST:PORT?transport=udp, turn:…?transport=tcp or turns:…?transport=tcp"
                )),
            }
        });
        let secret = secret(section, "turn_secret");
        for lonely in ["turn_lasts", "turn_policy"] {
            if !stated && section.has(lonely) {
                section.find(format!("`{lonely}` is of no use without `turn`"));
            }
        }
        let lasts = duration(section, "turn_lasts", 60).unwrap_or(LASTS);
        let policy = section.parsed("turn_policy", |text| match text {
            "all" => Ok(TurnPolicy::All),
            "relay" => Ok(TurnPolicy::Relay),
            _ => Err(format!("\"{text}\" is none of \"all\", \"relay\"")),
        });
        match (urls, secret) {
            (Some(urls), Some(secret)) if !urls.is_empty() => Some(Turn {
                urls,
                secret,
                lasts,
                policy,
            }),
            (_, None) if stated => {
                section.find("`turn` wants the secret that its servers share with us: `turn_secret_file` or `turn_secret_env`");
                None
            }
            (_, Some(_)) if !stated => {
                section.find("`turn_secret` is of no use without `turn`");
                None
            }
            _ => None,
        }
    }

    /// Credentials that are good from now on.
    pub fn credentials(&self, now: SystemTime) -> Option<TurnCredentials> {
        let until = now.duration_since(UNIX_EPOCH).ok()? + self.lasts;
        let username = format!("{}:sipbridge", until.as_secs());
        let secret = self.secret.expose_secret().as_bytes();
        // Of whatever length.
        let mut mac = Hmac::<Sha1>::new_from_slice(secret).ok()?;
        mac.update(username.as_bytes());
        let credential = BASE64.encode(&mac.finalize().into_bytes());
        Some(TurnCredentials {
            username,
            credential,
        })
    }

    /// The first server with what opens it, as GStreamer's elements take it.
    pub fn first_with_credentials(&self, now: SystemTime) -> Option<SecretString> {
        let (scheme, rest) = self.urls.first()?.split_once(':')?;
        let TurnCredentials {
            username,
            credential,
        } = self.credentials(now)?;
        let (username, credential) = (escaped(&username), escaped(&credential));
        Some(format!("{scheme}://{username}:{credential}@{rest}").into())
    }
}

/// With all that could mean something in a URI escaped.
fn escaped(text: &str) -> String {
    let shown = |byte: u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gstreamer_is_told_of_the_first_with_its_credentials() {
        let turn = Turn {
            urls: vec![
                "turns:[2001:db8::1]:5349?transport=tcp".to_owned(),
                "turn:192.0.2.1".to_owned(),
            ],
            secret: "north".to_owned().into(),
            lasts: Duration::from_secs(3_600),
            policy: Some(TurnPolicy::Relay),
        };
        let now = UNIX_EPOCH + Duration::from_secs(1_433_892_129);
        let url = turn.first_with_credentials(now).unwrap();
        // By: printf 1433895729:sipbridge | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(
            url.expose_secret(),
            "turns://1433895729%3Asipbridge:F3Lpu%2FK7av1JbSZHGI9DqO%2BWUwg%3D@[2001:db8::1]:5349?transport=tcp"
        );
        assert!(!format!("{turn:?}").contains("north"));
    }
}
