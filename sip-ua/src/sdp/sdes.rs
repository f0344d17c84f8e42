// SPDX-License-Identifier: MPL-2.0
//! Keys for SRTP in the description: SDP security descriptions (RFC 4568), with the crypto suites of
//! RFC 4568, RFC 6188 and RFC 7714.
//!
//! The attribute says with which key its writer protects what it sends; each side names its own.

use std::fmt;

use data_encoding::{BASE64, BASE64_NOPAD};
use zeroize::Zeroizing;

/// The longest master key with its salt: AES-256 and 112 bits.
const MASTER_MAX: usize = 46;

/// More `a=crypto` lines than anybody has suites.
const LINES_MAX: usize = 32;

/// Longer key identifiers are allowed (RFC 4568 section 6.1), but nobody uses them.
const MKI_MAX: usize = 16;

/// Whether media are encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SrtpPolicy {
    /// Plain RTP; offers of SRTP alone are refused.
    #[default]
    Off,
    /// Encrypted where the far end can: offered beside plain RTP (RFC 8643), taken where offered.
    Optional,
    /// Encrypted or not at all.
    Required,
}

impl SrtpPolicy {
    /// Every policy there is.
    pub const ALL: [SrtpPolicy; 3] = [SrtpPolicy::Off, SrtpPolicy::Optional, SrtpPolicy::Required];

    /// The word for it in configurations.
    pub fn name(self) -> &'static str {
        match self {
            SrtpPolicy::Off => "off",
            SrtpPolicy::Optional => "optional",
            SrtpPolicy::Required => "required",
        }
    }

    /// The policy of this name.
    pub fn from_name(name: &str) -> Option<SrtpPolicy> {
        SrtpPolicy::ALL
            .into_iter()
            .find(|policy| policy.name() == name)
    }
}

/// A crypto suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES in counter mode, 128 bits, and an 80-bit tag: what every implementation has.
    AesCm128HmacSha1Tag80,
    /// The same with a 32-bit tag on RTP.
    AesCm128HmacSha1Tag32,
    /// AES in counter mode, 256 bits, and an 80-bit tag (RFC 6188).
    Aes256CmHmacSha1Tag80,
    /// The same with a 32-bit tag on RTP.
    Aes256CmHmacSha1Tag32,
    /// AES-GCM, 128 bits (RFC 7714).
    AeadAes128Gcm,
    /// AES-GCM, 256 bits (RFC 7714).
    AeadAes256Gcm,
}

impl Suite {
    /// Every suite there is.
    pub const ALL: [Suite; 6] = [
        Suite::AeadAes256Gcm,
        Suite::AeadAes128Gcm,
        Suite::Aes256CmHmacSha1Tag80,
        Suite::AesCm128HmacSha1Tag80,
        Suite::Aes256CmHmacSha1Tag32,
        Suite::AesCm128HmacSha1Tag32,
    ];

    /// What we offer. The others are taken where they are offered: an INVITE with all of them would be
    /// too long for UDP (RFC 3261 section 18.1.1).
    pub const OFFERED: [Suite; 3] = [
        Suite::AeadAes256Gcm,
        Suite::AeadAes128Gcm,
        Suite::AesCm128HmacSha1Tag80,
    ];

    /// Its registered name.
    pub fn name(self) -> &'static str {
        match self {
            Suite::AesCm128HmacSha1Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1Tag32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::Aes256CmHmacSha1Tag80 => "AES_256_CM_HMAC_SHA1_80",
            Suite::Aes256CmHmacSha1Tag32 => "AES_256_CM_HMAC_SHA1_32",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of this name. Older implementations write the AES-256 names in the order of the
    /// AES-128 ones.
    pub fn from_name(name: &str) -> Option<Suite> {
        let registered = |suite: &Suite| suite.name().eq_ignore_ascii_case(name);
        Suite::ALL.into_iter().find(registered).or_else(|| {
            let swapped = name
                .to_ascii_uppercase()
                .strip_prefix("AES_CM_256_")
                .map(|rest| format!("AES_256_CM_{rest}"))?;
            Suite::ALL.into_iter().find(|suite| suite.name() == swapped)
        })
    }

    /// Bytes of the master key.
    pub fn key_length(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1Tag80 | Suite::AesCm128HmacSha1Tag32 | Suite::AeadAes128Gcm => {
                16
            }
            Suite::Aes256CmHmacSha1Tag80 | Suite::Aes256CmHmacSha1Tag32 | Suite::AeadAes256Gcm => {
                32
            }
        }
    }

    /// Bytes of the master salt.
    pub fn salt_length(self) -> usize {
        match self {
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => 12,
            _ => 14,
        }
    }

    fn master_length(self) -> usize {
        self.key_length() + self.salt_length()
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A master key with its salt. Its `Debug` keeps it to itself, and its memory is cleared.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey {
    suite: Suite,
    bytes: Zeroizing<[u8; MASTER_MAX]>,
    mki: Vec<u8>,
}

impl MasterKey {
    /// A fresh key.
    pub fn random(suite: Suite) -> MasterKey {
        let mut bytes = Zeroizing::new([0; MASTER_MAX]);
        bytes
            .iter_mut()
            .take(suite.master_length())
            .for_each(|byte| *byte = rand::random());
        MasterKey {
            suite,
            bytes,
            mki: Vec::new(),
        }
    }

    /// The key and salt of `suite` as they follow each other in the attribute; `None`: they are not as
    /// long as the suite's.
    pub fn from_bytes(suite: Suite, key_and_salt: &[u8]) -> Option<MasterKey> {
        if key_and_salt.len() != suite.master_length() {
            return None;
        }
        let mut bytes = Zeroizing::new([0; MASTER_MAX]);
        bytes
            .iter_mut()
            .zip(key_and_salt)
            .for_each(|(place, byte)| *place = *byte);
        Some(MasterKey {
            suite,
            bytes,
            mki: Vec::new(),
        })
    }

    /// Reads what [`MasterKey::inline`] writes.
    pub fn from_inline(suite: Suite, text: &str) -> Option<MasterKey> {
        let bytes = Zeroizing::new(BASE64.decode(text.as_bytes()).ok()?);
        MasterKey::from_bytes(suite, &bytes)
    }

    /// The same key, whose user puts this identifier into each packet.
    #[must_use]
    pub fn with_mki(self, mki: &[u8]) -> MasterKey {
        MasterKey {
            mki: mki.to_vec(),
            ..self
        }
    }

    /// The suite it is for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The master key.
    pub fn key(&self) -> &[u8] {
        self.bytes
            .get(..self.suite.key_length())
            .unwrap_or_default()
    }

    /// The master salt.
    pub fn salt(&self) -> &[u8] {
        self.bytes
            .get(self.suite.key_length()..self.suite.master_length())
            .unwrap_or_default()
    }

    /// The identifier its user puts into each packet (RFC 3711 section 3.1); empty: none.
    pub fn mki(&self) -> &[u8] {
        &self.mki
    }

    /// Key and salt as the attribute has them: base64. This is the secret itself.
    pub fn inline(&self) -> String {
        let master = self
            .bytes
            .get(..self.suite.master_length())
            .unwrap_or_default();
        BASE64.encode(master)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({}, ***)", self.suite)
    }
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrtpKeys {
    /// Protects what we send.
    pub send: MasterKey,
    /// Protects what the far end sends.
    pub receive: MasterKey,
}

impl SrtpKeys {
    /// The suite of both directions.
    pub fn suite(&self) -> Suite {
        self.send.suite
    }
}

/// Our side of SRTP: whether we insist, and our keys. They stay the same from description to
/// description, so that one that is merely repeated changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalSrtp {
    /// Whether a call without SRTP is no call.
    pub required: bool,
    keys: [MasterKey; Suite::ALL.len()],
}

impl LocalSrtp {
    /// Fresh keys; `None` where the policy is not to use any.
    pub fn new(policy: SrtpPolicy) -> Option<LocalSrtp> {
        (policy != SrtpPolicy::Off).then(|| LocalSrtp {
            required: policy == SrtpPolicy::Required,
            keys: Suite::ALL.map(MasterKey::random),
        })
    }

    /// Other keys from now on.
    pub fn renew(&mut self) {
        self.keys = Suite::ALL.map(MasterKey::random);
    }

    pub(super) fn key(&self, suite: Suite) -> Option<&MasterKey> {
        self.keys.iter().find(|key| key.suite == suite)
    }

    /// The lines of an offer.
    pub(super) fn offered(&self) -> Vec<CryptoLine> {
        Suite::OFFERED
            .iter()
            .zip(1..)
            .filter_map(|(suite, tag)| {
                Some(CryptoLine {
                    tag,
                    suite_name: suite.name().to_owned(),
                    key: self.key(*suite)?.clone(),
                })
            })
            .collect()
    }
}

/// An `a=crypto` line that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CryptoLine {
    pub(super) tag: u32,
    /// As its writer spells it: an answer repeats that.
    pub(super) suite_name: String,
    pub(super) key: MasterKey,
}

impl CryptoLine {
    /// Reads the attribute's value. `None`: the line is broken, or asks for what we do not have; the
    /// others may do (RFC 4568 section 7.1.2).
    pub(super) fn read(value: &str) -> Option<CryptoLine> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next()?;
        let suite_name = words.next()?;
        let keys = words.next()?;
        // Session parameters change how packets look. A hint about the replay window does not.
        if !words.all(|word| word.to_ascii_uppercase().starts_with("WSH=")) {
            return None;
        }
        let suite = Suite::from_name(suite_name)?;
        Some(CryptoLine {
            tag: tag.parse().ok()?,
            suite_name: suite_name.to_owned(),
            key: read_key(suite, keys)?,
        })
    }

    /// The attribute's value.
    pub(super) fn write(&self) -> String {
        format!(
            "{} {} inline:{}",
            self.tag,
            self.suite_name,
            self.key.inline()
        )
    }

    /// The usable ones of these values.
    pub(super) fn all<'a>(values: impl Iterator<Item = &'a str>) -> Vec<CryptoLine> {
        values
            .take(LINES_MAX)
            .filter_map(CryptoLine::read)
            .collect()
    }
}

/// `inline:KEY[|LIFETIME][|MKI:LENGTH]`; one key a line.
fn read_key(suite: Suite, text: &str) -> Option<MasterKey> {
    let inline = text
        .get(..7)
        .filter(|method| method.eq_ignore_ascii_case("inline:"))
        .and_then(|_| text.get(7..))?;
    // Which of several keys is in use would be told by their identifiers in the packets.
    if inline.contains(';') {
        return None;
    }
    let mut fields = inline.split('|');
    let encoded = fields.next()?.trim_end_matches('=');
    let decoded = Zeroizing::new(BASE64_NOPAD.decode(encoded.as_bytes()).ok()?);
    let mut key = MasterKey::from_bytes(suite, &decoded)?;
    for field in fields {
        match field.split_once(':') {
            Some((value, length)) => key = key.with_mki(&read_mki(value, length)?),
            // How long its writer will use it is the writer's affair.
            None if is_lifetime(field) => {}
            None => return None,
        }
    }
    Some(key)
}

/// A decimal number, as a big-endian number of so many bytes.
fn read_mki(value: &str, length: &str) -> Option<Vec<u8>> {
    let length: usize = length.parse().ok()?;
    let value: u128 = value.parse().ok()?;
    if !(1..=MKI_MAX).contains(&length) {
        return None;
    }
    let bytes = value.to_be_bytes();
    let (rest, mki) = bytes.split_at(bytes.len() - length);
    rest.iter().all(|byte| *byte == 0).then(|| mki.to_vec())
}

/// `2^20`, or a plain number.
fn is_lifetime(text: &str) -> bool {
    let digits = text.strip_prefix("2^").unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_to_themselves() {
        let key = MasterKey::random(Suite::AeadAes256Gcm);
        let line = CryptoLine {
            tag: 1,
            suite_name: key.suite().to_string(),
            key,
        };
        assert!(!format!("{line:?}").contains(&line.key.inline()));
        assert_eq!(
            format!("{:?}", line.key),
            "MasterKey(AEAD_AES_256_GCM, ***)"
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        for suite in Suite::ALL {
            let line = CryptoLine {
                tag: 7,
                suite_name: suite.name().to_owned(),
                key: MasterKey::random(suite),
            };
            assert_eq!(CryptoLine::read(&line.write()), Some(line));
        }
    }

    #[test]
    fn lines_of_real_phones() {
        // RFC 4568 section 6.1's own, with a lifetime and a key identifier.
        let line = CryptoLine::read(
            "1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4",
        )
        .unwrap();
        assert_eq!(line.key.key(), b"wDfvg&T+)xG7@fb5");
        assert_eq!(line.key.salt(), b"jU,RaA}\\|p0%*#");
        assert_eq!(line.key.mki(), [0, 0, 0, 1]);
        // Without padding; the other spelling; a window hint.
        let key = BASE64_NOPAD.encode(&[9; 46]);
        let line =
            CryptoLine::read(&format!("3 AES_CM_256_HMAC_SHA1_80 inline:{key} WSH=128")).unwrap();
        assert_eq!(line.key.suite(), Suite::Aes256CmHmacSha1Tag80);
        assert_eq!(line.suite_name, "AES_CM_256_HMAC_SHA1_80");
    }

    #[test]
    fn lines_that_cannot_be_used() {
        let key = BASE64.encode(&[9; 30]);
        for line in [
            String::new(),
            "1".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80".to_owned(),
            format!("x AES_CM_128_HMAC_SHA1_80 inline:{key}"),
            format!("1 F8_128_HMAC_SHA1_80 inline:{key}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 outline:{key}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 ïnline:{key}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key};inline:{key}|2^20|1:1"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key} KDR=1"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}|1:0"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}|300:1"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}|1:129"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}|soon"),
            // The length of another suite's key.
            format!("1 AEAD_AES_128_GCM inline:{key}"),
            "1 AES_CM_128_HMAC_SHA1_80 inline:?".to_owned(),
        ] {
            assert_eq!(CryptoLine::read(&line), None, "{line}");
        }
    }
}
