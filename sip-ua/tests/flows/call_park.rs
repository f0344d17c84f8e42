// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.15: a call is parked at a server, and taken from there by somebody else.

use crate::click_to_dial::refers;
use crate::music_on_hold::handed_on;

pub async fn sipp_parks_us_and_fetches_us() {
    handed_on(false).await;
}

/// Whoever parks asks the server, outside of any call.
pub async fn we_are_no_place_to_park() {
    refers("sip:alice@example.org?Replaces=spoken%40example.org%3Bto-tag%3Da%3Bfrom-tag%3Db").await;
}
