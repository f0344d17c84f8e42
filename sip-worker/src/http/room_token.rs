// SPDX-License-Identifier: MPL-2.0
//! Tokens that open one room and nothing else: for whoever shall talk there, and not dial or look around.
//!
//! They follow from the API's token and the room's name, so that there is nothing to keep; with another API
//! token all of them are others.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// 128 bits of it are as hard to guess as the API's token.
const BYTES: usize = 16;

/// The tokens of all rooms.
#[derive(Clone)]
pub struct RoomTokens {
    keyed: Hmac<Sha256>,
}

impl RoomTokens {
    /// Those that follow from the API's token.
    pub fn new(token: &SecretString) -> RoomTokens {
        let mut keyed = Hmac::<Sha256>::new(&key(token));
        keyed.update(b"sipbridge room ");
        RoomTokens { keyed }
    }

    /// The token of this room.
    pub fn of(&self, room: &str) -> SecretString {
        let mut keyed = self.keyed.clone();
        keyed.update(room.as_bytes());
        let mut text = String::with_capacity(2 * BYTES);
        for byte in keyed.finalize().into_bytes().iter().take(BYTES) {
            // Writing into a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        SecretString::from(text)
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

/// The room that a path of the API is about, as it stands there.
pub(super) fn room_of(path: &str) -> Option<&str> {
    for prefix in ["/whip/", "/whep/"] {
        if let Some(rest) = path.strip_prefix(prefix) {
            return rest.split('/').next();
        }
    }
    let rest = path.strip_prefix("/v1/rooms/")?;
    rest.strip_suffix("/events")
        .filter(|room| !room.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(api: &str) -> RoomTokens {
        RoomTokens::new(&SecretString::from(api.to_owned()))
    }

    #[test]
    fn each_room_has_its_own_and_another_worker_others() {
        let of = |api: &str, room: &str| tokens(api).of(room).expose_secret().to_owned();
        let lobby = of("0123456789abcdef", "lobby");
        assert_eq!(lobby.len(), 32);
        assert_eq!(lobby, of("0123456789abcdef", "lobby"));
        assert_ne!(lobby, of("0123456789abcdef", "attic"));
        assert_ne!(lobby, of("another-api-token", "lobby"));
    }

    #[test]
    fn what_a_path_is_about() {
        for (path, room) in [
            ("/whip/lobby", Some("lobby")),
            ("/whep/lobby/0123", Some("lobby")),
            ("/v1/rooms/lobby/events", Some("lobby")),
            ("/v1/rooms/lobby/token", None),
            ("/v1/rooms/a/b/events", None),
            ("/v1/rooms", None),
            ("/v1/calls", None),
            ("/", None),
        ] {
            assert_eq!(room_of(path), room, "{path}");
        }
    }
}
