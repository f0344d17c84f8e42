// SPDX-License-Identifier: MPL-2.0
//! DTLS-SRTP (RFC 5763, RFC 8842) and ICE (RFC 8839) in the description.
//!
//! A description names the certificate that its writer will show, who begins the handshake and, where
//! there is ICE, what connectivity checks are made with and where they go.

use std::fmt;
use std::ops::RangeInclusive;

use data_encoding::BASE64;
use sdp_types::Media;

use super::read::MediaLine;
use super::secure::{Keyed, Keying};
use super::{LocalMedia, SdpError};

/// RFC 8839 section 5.4: no longer than this are `ice-ufrag` and `ice-pwd`, so that a check has room
/// for them.
const CREDENTIAL_MAX: usize = 256;

/// RFC 8445 section 5.1 says no number; a peer has a few interfaces.
const CANDIDATES_MAX: usize = 100;

/// Bytes of a SHA-256.
const DIGEST: usize = 32;

/// RFC 8842 section 4: of so many letters is a name of an association.
const TLS_ID_LENGTH: RangeInclusive<usize> = 20..=255;

/// Who begins the DTLS handshake (RFC 8842 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Setup {
    /// Either; what an offer says.
    #[default]
    ActPass,
    /// The writer begins.
    Active,
    /// The writer waits.
    Passive,
}

impl Setup {
    /// The value of `a=setup`.
    pub fn name(self) -> &'static str {
        match self {
            Setup::ActPass => "actpass",
            Setup::Active => "active",
            Setup::Passive => "passive",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Setup> {
        [Setup::ActPass, Setup::Active, Setup::Passive]
            .into_iter()
            .find(|setup| setup.name().eq_ignore_ascii_case(name.trim()))
    }
}

/// What STUN checks are made and answered with (RFC 8839 section 5.4). Its `Debug` keeps the password to
/// itself.
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// `a=ice-ufrag`
    pub ufrag: String,
    /// `a=ice-pwd`
    pub password: String,
}

impl IceCredentials {
    /// Fresh ones: 48 and 144 bits of randomness in letters that ICE allows (RFC 8839 section 5.4 asks for
    /// 24 and 128).
    pub fn random() -> IceCredentials {
        IceCredentials {
            ufrag: BASE64.encode(&rand::random::<[u8; 6]>()),
            password: BASE64.encode(&rand::random::<[u8; 18]>()),
        }
    }

    /// Those of both attributes; `None` where one of them is missing, empty or too long.
    pub fn read(ufrag: Option<&str>, password: Option<&str>) -> Option<IceCredentials> {
        let usable = |value: Option<&str>| {
            let value = value.map(str::trim)?;
            let fits = (1..=CREDENTIAL_MAX).contains(&value.len());
            fits.then(|| value.to_owned())
        };
        Some(IceCredentials {
            ufrag: usable(ufrag)?,
            password: usable(password)?,
        })
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IceCredentials({})", self.ufrag)
    }
}

/// What one end calls the association that a handshake makes (`a=tls-id`, RFC 8842 section 4): with another name it
/// asks for another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsId(String);

impl TlsId {
    /// A fresh one: 144 bits of randomness (RFC 8842 section 4 asks for 120).
    pub fn random() -> TlsId {
        TlsId(BASE64.encode(&rand::random::<[u8; 18]>()))
    }

    /// The value of the attribute; `None` where it cannot be one.
    pub fn read(value: &str) -> Option<TlsId> {
        let value = value.trim();
        let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'-' | b'_');
        let is_one = TLS_ID_LENGTH.contains(&value.len()) && value.bytes().all(letter);
        is_one.then(|| TlsId(value.to_owned()))
    }
}

impl fmt::Display for TlsId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Our side of ICE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalIce {
    /// Ours.
    pub credentials: IceCredentials,
    /// We answer checks and make none (RFC 8445 section 2.5).
    pub lite: bool,
    /// Where we may be reached: values of `a=candidate`, with that word.
    pub candidates: Vec<String>,
}

/// Our side of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalDtls {
    /// The SHA-256 of our certificate.
    pub fingerprint: Vec<u8>,
    /// None: the handshake is made with the address that the description names.
    pub ice: Option<LocalIce>,
    /// Who we were in a handshake before. What exists goes on (RFC 8842 section 5.5).
    pub role: Option<Setup>,
    /// What we call the association.
    pub tls_id: TlsId,
}

/// The handshake that was agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DtlsKeys {
    /// The SHA-256 of the certificate that the far end must show.
    pub fingerprint: Vec<u8>,
    /// Whether we begin the handshake.
    pub active: bool,
    /// Checks that find the way to the far end; none: it is where its description says.
    pub ice: Option<IceAgreed>,
    /// What both ends call the association, ours first; none where theirs has no name for it.
    pub tls_ids: Option<[TlsId; 2]>,
}

impl DtlsKeys {
    /// Whether the association goes on with what was agreed on next, so far as the far end stays where it is (RFC
    /// 8842 section 3.1). Other credentials of ICE are no reason for another one, though section 4 has them so where
    /// there is no name: browsers have none, and restart their checks alone.
    pub fn goes_on(&self, next: &DtlsKeys) -> bool {
        let both = self.tls_ids.as_ref().zip(next.tls_ids.as_ref());
        both.is_none_or(|(before, now)| before == now)
            && self.fingerprint == next.fingerprint
            && self.active == next.active
            && self.ice.is_some() == next.ice.is_some()
    }
}

/// The checks that were agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceAgreed {
    /// Ours.
    pub local: IceCredentials,
    /// Theirs.
    pub remote: IceCredentials,
    /// We answer checks and make none.
    pub lite: bool,
    /// Whether we nominate (RFC 8445 section 6.1.1).
    pub controlling: bool,
    /// Where the far end may be reached, as far as it has said yet: values of `a=candidate`, with that
    /// word.
    pub candidates: Vec<String>,
}

/// The digest of an `a=fingerprint` value; `None` where it is none of SHA-256.
pub fn read_fingerprint(value: &str) -> Option<Vec<u8>> {
    let (hash, digest) = value.trim().split_once(' ')?;
    if !hash.eq_ignore_ascii_case("sha-256") {
        return None;
    }
    let digest = digest
        .trim()
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect::<Option<Vec<u8>>>()?;
    (digest.len() == DIGEST).then_some(digest)
}

/// The value of `a=fingerprint` for a SHA-256.
pub fn write_fingerprint(digest: &[u8]) -> String {
    let bytes: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("sha-256 {}", bytes.join(":"))
}

impl MediaLine<'_> {
    /// Whether the profile is SRTP with keys from a handshake (RFC 5764 section 8).
    pub(super) fn is_dtls(&self) -> bool {
        is_dtls(&self.media.proto)
    }

    /// What its writer checks with, where it does ICE.
    pub(super) fn ice(&self) -> Option<IceCredentials> {
        IceCredentials::read(self.value("ice-ufrag"), self.value("ice-pwd"))
    }

    /// Its name in a bundle (RFC 5888).
    pub(super) fn mid(&self) -> Option<&str> {
        let mid = self.own_values("mid").next().map(str::trim);
        mid.filter(|mid| !mid.is_empty())
    }

    /// Whether it is in a bundle (RFC 8843).
    pub(super) fn is_bundled(&self) -> bool {
        let Some(mid) = self.mid() else {
            return false;
        };
        self.session_values("group").any(|group| {
            let mut words = group.split_ascii_whitespace();
            words.next() == Some("BUNDLE") && words.any(|word| word == mid)
        })
    }

    fn setup(&self) -> Option<Setup> {
        Setup::from_name(self.value("setup")?)
    }

    /// The first that we can compare with: a line's own count before the session's.
    fn fingerprint(&self) -> Option<Vec<u8>> {
        let own = self.own_values("fingerprint");
        let session = self.session_values("fingerprint");
        own.chain(session).find_map(read_fingerprint)
    }

    fn tls_id(&self) -> Option<TlsId> {
        self.own_values("tls-id").find_map(TlsId::read)
    }

    fn candidates(&self) -> Vec<String> {
        self.own_values("candidate")
            .take(CANDIDATES_MAX)
            .map(|value| format!("candidate:{}", value.trim()))
            .collect()
    }
}

/// Whether the profile is SRTP with keys from a handshake.
pub(super) fn is_dtls(profile: &str) -> bool {
    ["UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"]
        .iter()
        .any(|known| profile.eq_ignore_ascii_case(known))
}

/// Takes the handshake that is offered.
pub(super) fn take(
    local: &LocalMedia,
    ours: &LocalDtls,
    line: &MediaLine<'_>,
) -> Result<(Keying, Keyed), SdpError> {
    let active = match (line.setup(), ours.role) {
        (Some(Setup::Passive), _) => true,
        (Some(Setup::Active), _) => false,
        // What exists goes on. Else the far end begins, for it knows when it is ready to: a first packet
        // that comes before that costs a second.
        (_, role) => role == Some(Setup::Active),
    };
    let keys = agree(local, ours, line, active, false)?;
    let keying = Keying::Handshake {
        setup: if active {
            Setup::Active
        } else {
            Setup::Passive
        },
        mid: line.mid().map(str::to_owned),
        // RFC 8839 section 4.3.2: who offers none is not answered with ICE.
        ice: line.ice().is_some(),
        // RFC 8842 section 5.3: nor with a name of the association.
        named: line.tls_id().is_some(),
    };
    Ok((keying, keys))
}

/// What the answer made of the handshake that we offered.
pub(super) fn taken(
    local: &LocalMedia,
    ours: &LocalDtls,
    line: &MediaLine<'_>,
) -> Result<Keyed, SdpError> {
    let active = match line.setup() {
        // Who answers and says nothing waits (RFC 4145 section 4.1).
        Some(Setup::Passive) | None => true,
        Some(Setup::Active) => false,
        Some(Setup::ActPass) => return Err(SdpError::OpenSetup),
    };
    agree(local, ours, line, active, true)
}

fn agree(
    local: &LocalMedia,
    ours: &LocalDtls,
    line: &MediaLine<'_>,
    active: bool,
    offered: bool,
) -> Result<Keyed, SdpError> {
    let fingerprint = line.fingerprint().ok_or(SdpError::NoFingerprint)?;
    // RTCP on a port of its own has a handshake of its own (RFC 5764).
    if !local.rtcp_mux || !line.rtcp_mux() {
        return Err(SdpError::DtlsWithoutMux);
    }
    let their_lite = line.session_has("ice-lite");
    let ice = match (&ours.ice, line.ice()) {
        // Two who make no checks take each other's word for where they are.
        (Some(ice), Some(remote)) if !(ice.lite && their_lite) => Some(IceAgreed {
            local: ice.credentials.clone(),
            remote,
            lite: ice.lite,
            // Whoever is full where the other is lite; else who offers.
            controlling: if offered {
                !ice.lite
            } else {
                their_lite && !ice.lite
            },
            candidates: line.candidates(),
        }),
        (None, Some(_)) if line.rtp()?.ip().is_unspecified() => return Err(SdpError::IceOff),
        _ => None,
    };
    Ok(Keyed {
        srtp: None,
        dtls: Some(Box::new(DtlsKeys {
            fingerprint,
            active,
            ice,
            tls_ids: line.tls_id().map(|theirs| [ours.tls_id.clone(), theirs]),
        })),
    })
}

/// What our media line says of the handshake.
pub(super) fn write(
    media: &mut Media,
    ours: &LocalDtls,
    setup: Setup,
    mid: Option<&str>,
    (ice, named): (bool, bool),
) {
    media.add_attribute_with_value("setup", setup.name());
    media.add_attribute_with_value("fingerprint", write_fingerprint(&ours.fingerprint));
    if named {
        media.add_attribute_with_value("tls-id", &ours.tls_id);
    }
    if let Some(mid) = mid {
        media.add_attribute_with_value("mid", mid);
    }
    let Some(ice) = ours.ice.as_ref().filter(|_| ice) else {
        return;
    };
    media.add_attribute_with_value("ice-ufrag", &ice.credentials.ufrag);
    media.add_attribute_with_value("ice-pwd", &ice.credentials.password);
    for candidate in &ice.candidates {
        let value = candidate.strip_prefix("candidate:").unwrap_or(candidate);
        media.add_attribute_with_value("candidate", value);
    }
    media.add_attribute_from_str("end-of-candidates");
}
