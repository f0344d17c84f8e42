// SPDX-License-Identifier: MPL-2.0
//! How an address at a relay is asked for (RFC 8656 section 7): what `turn-client-proto` leaves to be seen from
//! outside. It takes the refusal of a login for one more challenge and asks on for most of a minute, and an
//! address that is asked for and not given yet it cannot give back.

use turn_client_proto::stun::auth::LongTermClientAuth;
use turn_client_proto::types::TurnCredentials;
use turn_client_proto::types::attribute::Lifetime;
use turn_client_proto::types::message::REFRESH;
use turn_client_proto::types::stun::attribute::ErrorCode;
use turn_client_proto::types::stun::message::{IntegrityAlgorithm, Message, MessageWriteVec};
use turn_client_proto::types::stun::prelude::*;

use super::relay::RelayLogin;

/// The types of a request for an address, and of its refusal.
const ALLOCATE: [u8; 2] = [0x00, 0x03];
const REFUSAL: [u8; 2] = [0x01, 0x13];

/// The type of the refusal of more time.
const NO_MORE: [u8; 2] = [0x01, 0x14];

/// Where the transaction's number stands in a message.
const TRANSACTION: std::ops::Range<usize> = 8..20;

/// The requests for one address, and the challenge that the last of them answers.
pub(super) struct Asking {
    login: RelayLogin,
    /// The last request's transaction.
    transaction: Vec<u8>,
    challenge: Option<Vec<u8>>,
}

impl Asking {
    pub(super) fn new(login: &RelayLogin) -> Asking {
        Asking {
            login: login.clone(),
            transaction: Vec::new(),
            challenge: None,
        }
    }

    /// This is sent to the server.
    pub(super) fn asks(&mut self, sent: &[u8]) {
        if sent.starts_with(&ALLOCATE)
            && let Some(transaction) = sent.get(TRANSACTION)
        {
            self.transaction.clear();
            self.transaction.extend_from_slice(transaction);
        }
    }

    /// This came, and the client made something of it.
    pub(super) fn answered(&mut self, came: &[u8]) {
        if came.starts_with(&REFUSAL) {
            self.challenge = Some(came.to_vec());
        }
    }

    /// Whether this, of which the client made nothing, says that whoever asked last is not known.
    pub(super) fn is_refused_by(&self, came: &[u8]) -> bool {
        let is_answer = came.starts_with(&REFUSAL)
            && !self.transaction.is_empty()
            && came.get(TRANSACTION) == Some(&self.transaction);
        is_answer && code_of(came) == Some(ErrorCode::UNAUTHORIZED)
    }

    /// There is an address.
    pub(super) fn is_over(&mut self) {
        self.transaction.clear();
        self.challenge = None;
    }

    /// What gives an address back that may be given to the last request: it was signed, and whoever gives one
    /// reads this next.
    pub(super) fn withdrawal(&self) -> Option<Vec<u8>> {
        let challenge = Message::from_bytes(self.challenge.as_ref()?).ok()?;
        let mut auth = LongTermClientAuth::new();
        auth.set_supported_integrity(IntegrityAlgorithm::Sha1);
        let RelayLogin { username, password } = &self.login;
        auth.set_credentials(TurnCredentials::new(username, password).into());
        auth.validate_incoming_message(&challenge).ok()?;
        let mut refresh = Message::builder_request(REFRESH, MessageWriteVec::new());
        refresh.add_attribute(&Lifetime::new(0)).ok()?;
        Some(auth.sign_outgoing_message(refresh).ok()?.finish())
    }
}

/// Whether this, which the client found to be the server's, says that it knows no address of ours: it began anew
/// since. The client goes on with it until its time is up.
pub(super) fn says_taken_back(came: &[u8]) -> bool {
    came.starts_with(&NO_MORE) && code_of(came) == Some(ErrorCode::ALLOCATION_MISMATCH)
}

/// The code of an error (RFC 8489 section 14.8).
fn code_of(message: &[u8]) -> Option<u16> {
    let message = Message::from_bytes(message).ok()?;
    let code = message.attribute::<ErrorCode>().ok()?;
    Some(code.code())
}
