// SPDX-License-Identifier: MPL-2.0
//! People in a room of a real SFU, who speak and record what they hear.

use sip_worker::sfu::Participant;
pub use sip_worker::sfu::janus::{Janus as Connector, JanusConfig};
pub use sip_worker::webrtc::PeerConfig;
pub use sip_worker::webrtc::participant::{
    Heard, MOUTH_HZ, Options, ParticipantError, Presence, Recording, RoomParticipant, Seen,
};

use crate::janus::Janus;

/// How people take part unless a scenario says otherwise: by the one address that Janus uses.
pub fn options(janus: &Janus) -> Options {
    Options {
        peer: PeerConfig {
            addresses: vec![janus.media()],
            ..PeerConfig::default()
        },
        ..Options::default()
    }
}

/// Somebody by name and nothing else.
pub fn called(name: &str) -> Participant {
    Participant {
        id: name.to_owned(),
        name: name.to_owned(),
        ..Participant::default()
    }
}

/// A connection of its own to `janus`, which makes rooms at will.
pub fn connector(janus: &Janus) -> Connector {
    Connector::new(janus.config("janus"))
}

/// Enters a room as a speaker and listener, by a connection of its own.
pub async fn join(
    janus: &Janus,
    room: &str,
    name: &str,
) -> Result<RoomParticipant, ParticipantError> {
    RoomParticipant::join(&connector(janus), room, called(name), options(janus)).await
}
