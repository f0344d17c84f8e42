// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.6: whoever transfers a call tells the one it goes to by a message, with a link whose call
//! takes the place of theirs. Ours takes no messages, and says so.

use crate::ours::Ours;

pub async fn sipp_writes_to_us() {
    let ours = Ours::new().await;
    let sipp = ours.called_by(
        "> MESSAGE
         < 405 Allow:.*INVITE",
    );
    ours.finish([sipp]).await;
}
