// SPDX-License-Identifier: MPL-2.0
//! Tokens that open one room and nothing else: for whoever shall talk there, and not look around.
//!
//! They follow from the API's token, the room's name and what they allow, so that there is nothing to keep;
//! with another API token all of them are others. A token that allows more than to talk says so itself:
//! `host~NAME~…`, `NAME` being what its holder is called in the room, or nothing.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::text;

/// 128 bits of it are as hard to guess as the API's token.
const BYTES: usize = 16;
/// Stands in no name.
const BETWEEN: char = '~';

/// What somebody may do in a room.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Talk and hear.
    #[default]
    Guest,
    /// Also accept, mute and hang up phones, send digits to them, and dial out.
    Host,
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Role::Guest => "guest",
            Role::Host => "host",
        }
    }
}

/// What a room's token says of its holder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pass {
    /// What they may do.
    #[serde(default)]
    pub role: Role,
    /// What they are called in the room; whatever they like where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Pass {
    /// The one that a token claims to be of.
    fn claimed(token: &str) -> Option<Pass> {
        let Some((role, rest)) = token.split_once(BETWEEN) else {
            return Some(Pass::default());
        };
        let role = match role {
            "guest" => Role::Guest,
            "host" => Role::Host,
            _ => return None,
        };
        let (name, _) = rest.split_once(BETWEEN)?;
        let named = || text::name("name", name).is_ok().then(|| name.to_owned());
        let name = match name.is_empty() {
            true => None,
            false => Some(named()?),
        };
        Some(Pass { role, name })
    }
}

/// The tokens of all rooms.
#[derive(Clone)]
pub struct RoomTokens {
    key: hmac::digest::Key<Hmac<Sha256>>,
}

impl RoomTokens {
    /// Those that follow from the API's token.
    pub fn new(token: &SecretString) -> RoomTokens {
        RoomTokens { key: key(token) }
    }

    /// The token of this room that says this of its holder.
    pub fn of(&self, room: &str, pass: &Pass) -> SecretString {
        let mut keyed = Hmac::<Sha256>::new(&self.key);
        let mut text = String::with_capacity(2 * BYTES);
        if *pass == Pass::default() {
            keyed.update(b"sipbridge room ");
        } else {
            let name = pass.name.as_deref().unwrap_or_default();
            let says = format!("{}{BETWEEN}{name}{BETWEEN}", pass.role.as_str());
            keyed.update(b"sipbridge pass ");
            keyed.update(says.as_bytes());
            text = says;
        }
        keyed.update(room.as_bytes());
        for byte in keyed.finalize().into_bytes().iter().take(BYTES) {
            // Writing into a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        SecretString::from(text)
    }

    /// What a token says of its holder, if it is one of this room.
    pub fn read(&self, room: &str, given: &str) -> Option<Pass> {
        let pass = Pass::claimed(given)?;
        let wanted = self.of(room, &pass);
        let same = given.as_bytes().ct_eq(wanted.expose_secret().as_bytes());
        bool::from(same).then_some(pass)
    }
}

/// A key of HMAC's own size.
fn key(token: &SecretString) -> hmac::digest::Key<Hmac<Sha256>> {
    use sha2::Digest as _;
    let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
    let digest = Sha256::digest(token.expose_secret());
    key.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    key
}

/// What a path of the API is about, where a room's token may open it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Door<'a> {
    /// The room, as it stands there.
    pub(super) room: &'a str,
    /// Who may enter.
    pub(super) role: Role,
}

impl Door<'_> {
    pub(super) fn of(path: &str) -> Option<Door<'_>> {
        for prefix in ["/whip/", "/whep/"] {
            if let Some(rest) = path.strip_prefix(prefix) {
                let room = rest.split('/').next()?;
                let role = Role::Guest;
                return Some(Door { room, role });
            }
        }
        let rest = path.strip_prefix("/v1/rooms/")?;
        let mut parts = rest.split('/');
        let room = parts.next()?;
        let role = match parts.next() {
            None | Some("events" | "data") => Role::Guest,
            Some("calls") => Role::Host,
            Some(_) => return None,
        };
        Some(Door { room, role })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(api: &str) -> RoomTokens {
        RoomTokens::new(&SecretString::from(api.to_owned()))
    }

    fn pass(role: Role, name: &str) -> Pass {
        let name = (!name.is_empty()).then(|| name.to_owned());
        Pass { role, name }
    }

    #[test]
    fn each_room_has_its_own_and_another_worker_others() {
        let of = |api: &str, room: &str| {
            let token = tokens(api).of(room, &Pass::default());
            token.expose_secret().to_owned()
        };
        let lobby = of("0123456789abcdef", "lobby");
        assert_eq!(lobby.len(), 32);
        assert_eq!(lobby, of("0123456789abcdef", "lobby"));
        assert_ne!(lobby, of("0123456789abcdef", "attic"));
        assert_ne!(lobby, of("another-api-token", "lobby"));
    }

    #[test]
    fn a_token_says_what_its_holder_may_and_is_called_and_no_other_does() {
        let tokens = tokens("0123456789abcdef");
        for pass in [
            Pass::default(),
            pass(Role::Guest, "ann"),
            pass(Role::Host, ""),
            pass(Role::Host, "ann"),
        ] {
            let token = tokens.of("lobby", &pass);
            let token = token.expose_secret();
            assert_eq!(tokens.read("lobby", token).as_ref(), Some(&pass), "{token}");
            assert_eq!(tokens.read("attic", token), None, "{token}");
        }
        let guest = tokens.of("lobby", &pass(Role::Guest, "ann"));
        let guest = guest.expose_secret();
        for forged in [
            guest.replace("guest", "host"),
            guest.replace("ann", "bob"),
            guest.replace("guest~ann~", ""),
            guest.replace("guest", "chief"),
            guest.replace("ann", "a b"),
            format!("host~~{}", &guest["guest~ann~".len()..]),
            "host".to_owned(),
            "host~ann".to_owned(),
            String::new(),
        ] {
            assert_eq!(tokens.read("lobby", &forged), None, "{forged}");
        }
    }

    #[test]
    fn what_a_path_is_about() {
        let door = |room, role| Some(Door { room, role });
        for (path, about) in [
            ("/whip/lobby", door("lobby", Role::Guest)),
            ("/whep/lobby/0123", door("lobby", Role::Guest)),
            ("/v1/rooms/lobby", door("lobby", Role::Guest)),
            ("/v1/rooms/lobby/events", door("lobby", Role::Guest)),
            ("/v1/rooms/lobby/calls", door("lobby", Role::Host)),
            ("/v1/rooms/lobby/calls/01/mute", door("lobby", Role::Host)),
            ("/v1/rooms/lobby/token", None),
            ("/v1/rooms/a/b/events", None),
            ("/v1/rooms", None),
            ("/v1/calls", None),
            ("/", None),
        ] {
            assert_eq!(Door::of(path), about, "{path}");
        }
    }
}
