// SPDX-License-Identifier: MPL-2.0
//! What the user of a user agent may do with a call, a letter each.

use std::time::Instant;

use sip_ua::endpoint::{CallId, Endpoint, TransferTo};
use sip_ua::wire::Uri;

use super::pair::{ANSWER, OFFER};
use crate::script::number;

/// `with` says more of it: a description, a status, whom to transfer to. `calls` are all there are, the
/// newest last.
pub(super) fn act(
    endpoint: &mut Endpoint,
    now: Instant,
    letter: u8,
    with: &[u8],
    id: CallId,
    calls: &[CallId],
) {
    let status = number(with) as u16;
    let or = |default: &[u8]| match with.is_empty() {
        true => default.to_vec(),
        false => with.to_vec(),
    };
    match letter {
        b'r' => endpoint.ring(now, id, (!with.is_empty()).then(|| with.to_vec())),
        b'R' => endpoint.ring(now, id, Some(ANSWER.to_vec())),
        b'a' => endpoint.accept(now, id, or(ANSWER)),
        b'j' => endpoint.reject(now, id, status, None),
        b'h' => endpoint.hangup(now, id, None),
        b'o' => endpoint.reoffer(now, id, or(OFFER)),
        b'p' if status > 0 => endpoint.answer_reoffer(now, id, Err(status)),
        b'p' => endpoint.answer_reoffer(now, id, Ok(or(ANSWER))),
        b'i' => {
            let content_type = String::from_utf8(or(b"text/plain"));
            endpoint.info(
                now,
                id,
                &content_type.unwrap_or_default(),
                b"hello".to_vec(),
            );
        }
        b'x' => {
            if let Ok(uri) = Uri::parse(or(b"sip:carol@192.0.2.9").trim_ascii()) {
                endpoint.transfer(now, id, TransferTo::Uri(uri));
            }
        }
        b'X' => {
            let other = calls.iter().rev().nth(status.into());
            endpoint.transfer(now, id, TransferTo::Call(*other.unwrap_or(&id)));
        }
        b'P' => endpoint.permit_transfers(id, true),
        b'q' if status > 0 => endpoint.answer_transfer(now, id, Err(status)),
        b'q' => endpoint.answer_transfer(now, id, Ok(())),
        b'n' => endpoint.notify_transfer(now, id, status, None),
        _ => {}
    }
}
