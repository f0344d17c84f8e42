// SPDX-License-Identifier: MPL-2.0
//! A packet transform with its session keys: RFC 3711 section 4, RFC 6188, RFC 7714. The ciphers are
//! RustCrypto's.

use std::fmt;

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sip_ua::sdp::{MasterKey, Suite};
use zeroize::Zeroizing;

use super::Refused;

/// Bytes of an RTCP packet that are never encrypted: its first header and SSRC.
const RTCP_CLEAR: usize = 8;

/// The word after an RTCP packet: whether it is encrypted, and its index.
const INDEX_WORD: usize = 4;
const ENCRYPTED: u32 = 1 << 31;

const SHA1_TAG_80: usize = 10;
const SHA1_TAG_32: usize = 4;
const GCM_TAG: usize = 16;

/// The labels of session keys (RFC 3711 section 4.3.2); those of RTCP follow by three.
const LABEL_ENCRYPTION: u8 = 0;
const LABEL_AUTHENTICATION: u8 = 1;
const LABEL_SALT: u8 = 2;
const LABELS_OF_RTCP: u8 = 3;

/// Which packet of a stream it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) ssrc: u32,
    /// Of RTP roll-over counter and sequence number, 48 bits; of RTCP its index, 31 bits.
    pub(super) index: u64,
}

/// The transforms of one direction.
pub(super) struct Ciphers {
    rtp: Transform,
    rtcp: Transform,
    /// The identifier of the key that stands in each packet; empty: none.
    mki: Vec<u8>,
}

impl fmt::Debug for Ciphers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ciphers(***)")
    }
}

impl Ciphers {
    pub(super) fn new(master: &MasterKey) -> Ciphers {
        Ciphers {
            rtp: Transform::new(master, false),
            rtcp: Transform::new(master, true),
            mki: master.mki().to_vec(),
        }
    }

    /// Encrypts and authenticates an RTP packet whose payload begins at `payload`.
    pub(super) fn protect_rtp(
        &self,
        packet: &mut Vec<u8>,
        payload: usize,
        place: Place,
    ) -> Result<(), Refused> {
        match &self.rtp {
            Transform::Cm(cm) => {
                cm.encrypt(packet, payload, place);
                let roc = (place.index >> 16) as u32;
                let tag = cm.tag(packet, &roc.to_be_bytes());
                packet.extend_from_slice(&self.mki);
                packet.extend_from_slice(tag.get(..cm.tag_length).unwrap_or_default());
            }
            Transform::Gcm(gcm) => {
                let (header, body) = packet
                    .split_at_mut_checked(payload)
                    .ok_or(Refused::Malformed)?;
                let tag = gcm.encrypt(gcm.nonce(place), header, body)?;
                packet.extend_from_slice(&tag);
                packet.extend_from_slice(&self.mki);
            }
        }
        Ok(())
    }

    /// The other way round. On error the packet is as it was.
    pub(super) fn unprotect_rtp(
        &self,
        packet: &mut Vec<u8>,
        payload: usize,
        place: Place,
    ) -> Result<(), Refused> {
        match &self.rtp {
            Transform::Cm(cm) => {
                let (body, tag) = split_tag(packet, cm.tag_length)?;
                let end = self.before_mki(body, payload)?;
                let roc = (place.index >> 16) as u32;
                cm.verify(body.get(..end), &roc.to_be_bytes(), tag)?;
                packet.truncate(end);
                cm.encrypt(packet, payload, place);
            }
            Transform::Gcm(gcm) => {
                let end = self.before_mki(packet, payload + GCM_TAG)?;
                let (header, rest) = packet
                    .split_at_mut_checked(payload)
                    .ok_or(Refused::Malformed)?;
                let body = rest.get_mut(..end - payload).ok_or(Refused::Malformed)?;
                gcm.decrypt(gcm.nonce(place), header, body)?;
                packet.truncate(end - GCM_TAG);
            }
        }
        Ok(())
    }

    /// Encrypts and authenticates a compound RTCP packet.
    pub(super) fn protect_rtcp(&self, packet: &mut Vec<u8>, place: Place) -> Result<(), Refused> {
        let word = (place.index as u32 | ENCRYPTED).to_be_bytes();
        match &self.rtcp {
            Transform::Cm(cm) => {
                cm.encrypt(packet, RTCP_CLEAR, place);
                packet.extend_from_slice(&word);
                let tag = cm.tag(packet, &[]);
                packet.extend_from_slice(&self.mki);
                packet.extend_from_slice(tag.get(..cm.tag_length).unwrap_or_default());
            }
            Transform::Gcm(gcm) => {
                let (header, body) = packet
                    .split_at_mut_checked(RTCP_CLEAR)
                    .ok_or(Refused::Malformed)?;
                let aad = rtcp_aad(header, word);
                let tag = gcm.encrypt(gcm.nonce(place), &aad, body)?;
                packet.extend_from_slice(&tag);
                packet.extend_from_slice(&word);
                packet.extend_from_slice(&self.mki);
            }
        }
        Ok(())
    }

    /// The other way round, once [`Ciphers::rtcp_index`] has been judged. On error the packet is as
    /// it was.
    pub(super) fn unprotect_rtcp(&self, packet: &mut Vec<u8>, place: Place) -> Result<(), Refused> {
        let end = self.rtcp_word(packet)?;
        let word = (place.index as u32 | ENCRYPTED).to_be_bytes();
        match &self.rtcp {
            Transform::Cm(cm) => {
                let (body, tag) = split_tag(packet, cm.tag_length)?;
                cm.verify(body.get(..end + INDEX_WORD), &[], tag)?;
                packet.truncate(end);
                cm.encrypt(packet, RTCP_CLEAR, place);
            }
            Transform::Gcm(gcm) => {
                let body_end = end.checked_sub(GCM_TAG).ok_or(Refused::Malformed)?;
                let (header, rest) = packet
                    .split_at_mut_checked(RTCP_CLEAR)
                    .ok_or(Refused::Malformed)?;
                let aad = rtcp_aad(header, word);
                let body = rest.get_mut(..end - RTCP_CLEAR).ok_or(Refused::Malformed)?;
                gcm.decrypt(gcm.nonce(place), &aad, body)?;
                packet.truncate(body_end);
            }
        }
        Ok(())
    }

    /// The index that a protected RTCP packet says it has. One that is not encrypted is none of ours:
    /// nobody agreed to that (RFC 4568 section 6.3.2).
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Result<u64, Refused> {
        let at = self.rtcp_word(packet)?;
        let word = packet
            .get(at..)
            .and_then(|rest| rest.first_chunk())
            .ok_or(Refused::Malformed)?;
        let word = u32::from_be_bytes(*word);
        if word & ENCRYPTED == 0 {
            return Err(Refused::Forged);
        }
        Ok(u64::from(word & !ENCRYPTED))
    }

    /// Where the word with the index begins.
    fn rtcp_word(&self, packet: &[u8]) -> Result<usize, Refused> {
        let (tail, least) = match &self.rtcp {
            Transform::Cm(cm) => (cm.tag_length, RTCP_CLEAR),
            Transform::Gcm(_) => (0, RTCP_CLEAR + GCM_TAG),
        };
        let body = packet
            .len()
            .checked_sub(tail)
            .and_then(|length| packet.get(..length))
            .ok_or(Refused::Malformed)?;
        self.before_mki(body, least + INDEX_WORD)
            .map(|end| end - INDEX_WORD)
    }

    /// Where the key's identifier begins, at `least` or later.
    fn before_mki(&self, packet: &[u8], least: usize) -> Result<usize, Refused> {
        let end = packet
            .len()
            .checked_sub(self.mki.len())
            .filter(|end| *end >= least)
            .ok_or(Refused::Malformed)?;
        if packet.ends_with(&self.mki) {
            Ok(end)
        } else {
            Err(Refused::Forged)
        }
    }
}

fn split_tag(packet: &[u8], length: usize) -> Result<(&[u8], &[u8]), Refused> {
    packet
        .len()
        .checked_sub(length)
        .and_then(|at| packet.split_at_checked(at))
        .ok_or(Refused::Malformed)
}

/// The first header with the SSRC, and the word with the index (RFC 7714 section 9.2).
fn rtcp_aad(header: &[u8], word: [u8; INDEX_WORD]) -> [u8; RTCP_CLEAR + INDEX_WORD] {
    let mut aad = [0; RTCP_CLEAR + INDEX_WORD];
    aad.iter_mut()
        .zip(header.iter().chain(&word))
        .for_each(|(place, byte)| *place = *byte);
    aad
}

enum Transform {
    Cm(Box<Cm>),
    Gcm(Box<Gcm>),
}

impl Transform {
    fn new(master: &MasterKey, rtcp: bool) -> Transform {
        let labels = if rtcp { LABELS_OF_RTCP } else { 0 };
        let mut key = Zeroizing::new([0; 32]);
        let (key, _) = key.split_at_mut(master.key().len().min(32));
        derive(master, LABEL_ENCRYPTION + labels, key);
        let mut salt = [0; 14];
        let (own, _) = salt.split_at_mut(master.salt().len().min(14));
        derive(master, LABEL_SALT + labels, own);
        match master.suite() {
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => {
                Transform::Gcm(Box::new(Gcm::new(key, salt)))
            }
            suite => {
                // 20 bytes, filled up as HMAC does.
                let mut authentication = Zeroizing::new([0; 64]);
                let (own, _) = authentication.split_at_mut(20);
                derive(master, LABEL_AUTHENTICATION + labels, own);
                let short = matches!(
                    suite,
                    Suite::AesCm128HmacSha1Tag32 | Suite::Aes256CmHmacSha1Tag32
                );
                Transform::Cm(Box::new(Cm {
                    aes: Aes::new(key),
                    salt,
                    hmac: Hmac::new(&(*authentication).into()),
                    // RTCP has the long tag in all suites (RFC 4568 section 6.2.2).
                    tag_length: if short && !rtcp {
                        SHA1_TAG_32
                    } else {
                        SHA1_TAG_80
                    },
                }))
            }
        }
    }
}

/// A session key: the keystream of the master key from a place that the label gives (RFC 3711 section
/// 4.3). A 96-bit salt is filled up with zeros (RFC 7714 section 11).
fn derive(master: &MasterKey, label: u8, out: &mut [u8]) {
    let mut iv = [0; 16];
    iv.iter_mut()
        .zip(master.salt())
        .for_each(|(place, byte)| *place = *byte);
    iv[7] ^= label;
    out.fill(0);
    Aes::new(master.key()).keystream(iv, out);
}

enum Aes {
    Bits128(Aes128),
    Bits256(Aes256),
}

impl Aes {
    /// A key of 16 or 32 bytes.
    fn new(key: &[u8]) -> Aes {
        match key.first_chunk::<32>() {
            Some(key) => Aes::Bits256(Aes256::new(key.into())),
            None => {
                let key = key.first_chunk::<16>().copied().unwrap_or_default();
                Aes::Bits128(Aes128::new(&key.into()))
            }
        }
    }

    fn keystream(&self, iv: [u8; 16], data: &mut [u8]) {
        match self {
            Aes::Bits128(aes) => counter_mode(aes, iv, data),
            Aes::Bits256(aes) => counter_mode(aes, iv, data),
        }
    }
}

fn counter_mode<C>(aes: &C, iv: [u8; 16], data: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    CtrCore::<&C, Ctr128BE>::inner_iv_init(aes, &iv.into()).apply_keystream_partial(data.into());
}

/// AES in counter mode, and HMAC-SHA1.
struct Cm {
    aes: Aes,
    salt: [u8; 14],
    hmac: Hmac<Sha1>,
    tag_length: usize,
}

impl Cm {
    /// Both ways (RFC 3711 section 4.1.1).
    fn encrypt(&self, packet: &mut [u8], from: usize, place: Place) {
        let mut iv = [0; 16];
        let (own, _) = iv.split_at_mut(14);
        own.copy_from_slice(&self.salt);
        let ssrc = place.ssrc.to_be_bytes();
        let index = place.index.to_be_bytes();
        iv.iter_mut()
            .skip(4)
            .zip(ssrc.iter().chain(index.iter().skip(2)))
            .for_each(|(place, byte)| *place ^= *byte);
        if let Some(data) = packet.get_mut(from..) {
            self.aes.keystream(iv, data);
        }
    }

    fn tag(&self, packet: &[u8], after: &[u8]) -> [u8; 20] {
        let mut hmac = self.hmac.clone();
        hmac.update(packet);
        hmac.update(after);
        hmac.finalize().into_bytes().into()
    }

    fn verify(&self, packet: Option<&[u8]>, after: &[u8], tag: &[u8]) -> Result<(), Refused> {
        let mut hmac = self.hmac.clone();
        hmac.update(packet.ok_or(Refused::Malformed)?);
        hmac.update(after);
        hmac.verify_truncated_left(tag).map_err(|_| Refused::Forged)
    }
}

enum GcmKey {
    Bits128(Aes128Gcm),
    Bits256(Aes256Gcm),
}

/// AES-GCM.
struct Gcm {
    key: GcmKey,
    salt: [u8; 14],
}

impl Gcm {
    fn new(key: &[u8], salt: [u8; 14]) -> Gcm {
        let key = match key.first_chunk::<32>() {
            Some(key) => GcmKey::Bits256(Aes256Gcm::new(key.into())),
            None => {
                let key = key.first_chunk::<16>().copied().unwrap_or_default();
                GcmKey::Bits128(Aes128Gcm::new(&key.into()))
            }
        };
        Gcm { key, salt }
    }

    /// Two zeros, the SSRC and the index in 48 bits, all over the salt: of RTP (RFC 7714 section 8.1),
    /// and of RTCP too, whose index is shorter (section 9.1).
    fn nonce(&self, place: Place) -> [u8; 12] {
        let mut nonce = [0; 12];
        let ssrc = place.ssrc.to_be_bytes();
        let index = place.index.to_be_bytes();
        let bytes = [0; 2].iter().chain(&ssrc).chain(index.iter().skip(2));
        nonce
            .iter_mut()
            .zip(bytes.zip(&self.salt))
            .for_each(|(place, (byte, salt))| *place = byte ^ salt);
        nonce
    }

    fn encrypt(
        &self,
        nonce: [u8; 12],
        aad: &[u8],
        body: &mut [u8],
    ) -> Result<[u8; GCM_TAG], Refused> {
        let nonce = nonce.into();
        let tag = match &self.key {
            GcmKey::Bits128(key) => key.encrypt_inout_detached(&nonce, aad, body.into()),
            GcmKey::Bits256(key) => key.encrypt_inout_detached(&nonce, aad, body.into()),
        };
        // Only what is longer than 64 gigabytes is not encrypted.
        tag.map(Into::into).map_err(|_| Refused::Malformed)
    }

    /// The tag stands at the body's end.
    fn decrypt(&self, nonce: [u8; 12], aad: &[u8], body: &mut [u8]) -> Result<(), Refused> {
        let (data, tag) = body
            .len()
            .checked_sub(GCM_TAG)
            .and_then(|at| body.split_at_mut_checked(at))
            .ok_or(Refused::Malformed)?;
        let tag: [u8; GCM_TAG] = tag.first_chunk().copied().ok_or(Refused::Malformed)?;
        let (nonce, tag) = (nonce.into(), tag.into());
        match &self.key {
            GcmKey::Bits128(key) => key.decrypt_inout_detached(&nonce, aad, data.into(), &tag),
            GcmKey::Bits256(key) => key.decrypt_inout_detached(&nonce, aad, data.into(), &tag),
        }
        .map_err(|_| Refused::Forged)
    }
}
