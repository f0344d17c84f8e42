// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.12: a proxy looks for who is called at one place after the other.

use crate::call_forwarding::forwarded;

pub async fn sipp_is_found_at_the_third_place() {
    let said = [
        (180, "desk"),
        (181, "proxy"),
        (180, "home"),
        (181, "proxy"),
        (180, "mobile"),
    ];
    forwarded(&said).await;
}
