// SPDX-License-Identifier: MPL-2.0
//! Agreeing on SRTP: RFC 4568 section 7.1, RFC 8643 for keys in a plain profile, RFC 5763 for a handshake.

use super::dtls::{self, DtlsKeys, Setup, is_dtls};
use super::read::MediaLine;
use super::sdes::{CryptoLine, SrtpKeys};
use super::{LocalMedia, SdpError};

/// What a media line of ours says of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Keying {
    /// `a=crypto`; no line: plain RTP.
    Described(Vec<CryptoLine>),
    /// They come from a handshake.
    Handshake {
        /// Who begins it.
        setup: Setup,
        /// The line's name.
        mid: Option<String>,
        /// Whether it says what checks are made with.
        ice: bool,
        /// Whether it says what the association is called.
        named: bool,
    },
}

/// What was agreed on about keys; neither: plain RTP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Keyed {
    pub(super) srtp: Option<SrtpKeys>,
    pub(super) dtls: Option<Box<DtlsKeys>>,
}

impl Keyed {
    fn described(keys: SrtpKeys) -> Keyed {
        Keyed {
            srtp: Some(keys),
            dtls: None,
        }
    }

    /// Whether connectivity checks find the way, and not the description.
    pub(super) fn checked(&self) -> bool {
        self.dtls.as_ref().is_some_and(|dtls| dtls.ice.is_some())
    }
}

/// Whether the line's profile is one we speak.
pub(super) fn speaks(local: &LocalMedia, line: &MediaLine<'_>) -> bool {
    if local.dtls.is_some() {
        return line.is_dtls();
    }
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
        _ if local.dtls.is_some() => SdpError::DtlsRequired(all),
        None if profiles.iter().any(secure) => SdpError::SrtpOff(all),
        _ if profiles.iter().any(|profile| is_dtls(profile)) => SdpError::DtlsOff(all),
        _ => SdpError::Profile(all),
    }
}

/// Takes the handshake that is offered, or else the first offered key that can be used, for offers list
/// them by preference. Returns what the answer says, and what that agrees on.
pub(super) fn take(local: &LocalMedia, line: &MediaLine<'_>) -> Result<(Keying, Keyed), SdpError> {
    if let Some(ours) = &local.dtls {
        return dtls::take(local, ours, line);
    }
    let unkeyed = (Keying::Described(Vec::new()), Keyed::default());
    let Some(srtp) = &local.srtp else {
        return Ok(unkeyed);
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
        Some((ours, keys)) => Ok((Keying::Described(vec![ours]), Keyed::described(keys))),
        None => plain(local, line).map(|()| unkeyed),
    }
}

/// What the answer took of our offer.
pub(super) fn taken(
    local: &LocalMedia,
    ours: &MediaLine<'_>,
    line: &MediaLine<'_>,
) -> Result<Keyed, SdpError> {
    if let Some(dtls) = &local.dtls {
        return dtls::taken(local, dtls, line);
    }
    if local.srtp.is_none() {
        return Ok(Keyed::default());
    }
    let theirs = line.crypto();
    if theirs.is_empty() {
        return plain(local, line).map(|()| Keyed::default());
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
        .map(Keyed::described)
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
