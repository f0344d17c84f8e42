// SPDX-License-Identifier: MPL-2.0
//! RFC 3665 §3.11: who is called is not there at present.

use sip_ua::agent::EndCause;

use crate::busy::{refused, refuses};

pub async fn we_are_not_there() {
    refused(480).await;
}

pub async fn sipp_is_not_there() {
    refuses(480, EndCause::NoAnswer).await;
}
