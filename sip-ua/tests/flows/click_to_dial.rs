// SPDX-License-Identifier: MPL-2.0
//! RFC 5359 §2.18: a page asks a telephone to call somebody (REFER outside of any call). Ours transfers
//! calls alone: whoever clicks asks the app around it.

use crate::ours::Ours;

/// sipp asks us to call there, and we will not.
pub async fn refers(to: &str) {
    let mut ours = Ours::new().await;
    let sipp = ours.called_by(&format!(
        "> REFER | Refer-To: <{to}> | Referred-By: <sip:page@example.org>
         < 603"
    ));
    sipp.was_content().await;
    ours.nobody_calls();
    ours.finish([]).await;
}

pub async fn sipp_clicks() {
    refers("sip:carol@example.org").await;
}
