// SPDX-License-Identifier: MPL-2.0
//! Agreeing on SRTP: RFC 4568 section 7.1, and RFC 8643 for keys in a plain profile.

use super::read::MediaLine;
use super::sdes::{CryptoLine, SrtpKeys};
use super::{LocalMedia, SdpError};

/// Whether the line's profile is one we speak.
pub(super) fn speaks(local: &LocalMedia, line: &MediaLine<'_>) -> bool {
    line.is_plain_rtp() || (line.is_secure_rtp() && local.srtp.is_some())
}

/// What to say where no line's profile is.
pub(super) fn unspoken(local: &LocalMedia, profiles: &[String]) -> SdpError {
    let all = profiles.join(" and ");
    let secure = |profile: &String| {
        ["RTP/SAVP", "RTP/SAVPF"]
            .iter()
            .any(|known| profile.eq_ignore_ascii_case(known))
    };
    match local.srtp {
        None if profiles.iter().any(secure) => SdpError::SrtpOff(all),
        _ => SdpError::Profile(all),
    }
}

/// Takes the first offered key that can be used, for offers list them by preference. Returns our line
/// of the answer, and the keys; none for plain RTP.
pub(super) fn take(
    local: &LocalMedia,
    line: &MediaLine<'_>,
) -> Result<Option<(CryptoLine, SrtpKeys)>, SdpError> {
    let Some(srtp) = &local.srtp else {
        return Ok(None);
    };
    let taken = line.crypto().into_iter().find_map(|offered| {
        let ours = CryptoLine {
            tag: offered.tag,
            suite_name: offered.suite_name,
            key: srtp.key(offered.key.suite())?.clone(),
        };
        let keys = SrtpKeys {
            send: ours.key.clone(),
            receive: offered.key,
        };
        Some((ours, keys))
    });
    match taken {
        Some(taken) => Ok(Some(taken)),
        None => plain(local, line).map(|()| None),
    }
}

/// What the answer took of our offer.
pub(super) fn taken(
    local: &LocalMedia,
    ours: &MediaLine<'_>,
    line: &MediaLine<'_>,
) -> Result<Option<SrtpKeys>, SdpError> {
    if local.srtp.is_none() {
        return Ok(None);
    }
    let theirs = line.crypto();
    if theirs.is_empty() {
        return plain(local, line).map(|()| None);
    }
    let offered = ours.crypto();
    // The tag says which of ours, and the suite must be that line's.
    theirs
        .into_iter()
        .find_map(|theirs| {
            let ours = offered
                .iter()
                .find(|ours| ours.tag == theirs.tag && ours.key.suite() == theirs.key.suite())?;
            Some(SrtpKeys {
                send: ours.key.clone(),
                receive: theirs.key,
            })
        })
        .map(Some)
        .ok_or_else(|| {
            SdpError::AnswerMismatch("its a=crypto line takes up none that was offered".to_owned())
        })
}

/// Whether the line may do without SRTP.
fn plain(local: &LocalMedia, line: &MediaLine<'_>) -> Result<(), SdpError> {
    let suites = line.suite_names();
    let required = local.srtp.as_ref().is_some_and(|srtp| srtp.required);
    match (line.is_secure_rtp() || required, suites.is_empty()) {
        (false, _) => Ok(()),
        (true, true) => Err(SdpError::SrtpRequired),
        (true, false) => Err(SdpError::NoCommonSuite(suites)),
    }
}
