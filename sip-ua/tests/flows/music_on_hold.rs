// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.3: who is held hears music: the call of a music server takes the place of the one on hold
//! (Replaces), and a new one of whoever held takes the place of the music's.

use crate::hold::follow;
use crate::ours::{Ours, hung_up, replacing};

/// Ours is in a call whose place sipp's next one takes, and of that the one after.
pub async fn handed_on(held: bool) {
    let mut ours = Ours::new().await;
    let first = match held {
        true => {
            "calls
             holds
             is hung up"
        }
        false => {
            "calls
             is hung up"
        }
    };
    let bob = ours.called_by(first);
    let mut with_bob = ours.answered_for_transfers().await;
    if held {
        follow(&mut with_bob).await;
    }
    let server = ours.called_by(&format!(
        "calls | {}
         is hung up",
        replacing(&with_bob)
    ));
    let mut with_server = ours.answered_in_place_of(&mut with_bob).await;
    let back = ours.called_by(&format!(
        "calls | {}
         hangs up",
        replacing(&with_server)
    ));
    let mut with_back = ours.answered_in_place_of(&mut with_server).await;
    hung_up(&mut with_back).await;
    ours.finish([bob, server, back]).await;
}

pub async fn sipp_plays_us_music() {
    handed_on(true).await;
}
