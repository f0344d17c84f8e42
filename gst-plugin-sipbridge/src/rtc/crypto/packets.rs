// SPDX-License-Identifier: MPL-2.0
//! Ciphers for packets and hashes, by RustCrypto.

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
use sha2::{Digest, Sha256};
use str0m::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80Cipher, CryptoError, Sha1HmacProvider,
    Sha1Provider, Sha256Provider, SrtpProvider, SupportedAeadAes128Gcm, SupportedAeadAes256Gcm,
    SupportedAes128CmSha1_80,
};

const GCM_TAG: usize = 16;

/// The one name for all of it.
#[derive(Debug)]
pub(super) struct Packets;

impl SrtpProvider for Packets {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        &Packets
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Packets
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &Packets
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        let key = key.first_chunk::<16>().copied().unwrap_or_default();
        one_block(&Aes128::new(&key.into()), input, output);
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        let key = key.first_chunk::<32>().copied().unwrap_or_default();
        one_block(&Aes256::new(&key.into()), input, output);
    }
}

/// Encrypts one block; a caller whose output is longer leaves room for padding it does not use.
fn one_block<C>(aes: &C, input: &[u8], output: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    let mut block = input
        .first_chunk::<16>()
        .copied()
        .unwrap_or_default()
        .into();
    aes.encrypt_block(&mut block);
    output
        .iter_mut()
        .zip(block)
        .for_each(|(out, byte)| *out = byte);
}

impl SupportedAes128CmSha1_80 for Packets {
    fn create_cipher(&self, key: [u8; 16], _encrypt: bool) -> Box<dyn Aes128CmSha1_80Cipher> {
        Box::new(CounterMode(Aes128::new(&key.into())))
    }
}

impl SupportedAeadAes128Gcm for Packets {
    fn create_cipher(&self, key: [u8; 16], _encrypt: bool) -> Box<dyn AeadAes128GcmCipher> {
        Box::new(Gcm(Aes128Gcm::new(&key.into())))
    }
}

impl SupportedAeadAes256Gcm for Packets {
    fn create_cipher(&self, key: [u8; 32], _encrypt: bool) -> Box<dyn AeadAes256GcmCipher> {
        Box::new(Gcm(Aes256Gcm::new(&key.into())))
    }
}

struct CounterMode(Aes128);

impl fmt::Debug for CounterMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CounterMode(***)")
    }
}

impl Aes128CmSha1_80Cipher for CounterMode {
    fn encrypt(
        &mut self,
        iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        let data = room(output, input.len())?;
        data.copy_from_slice(input);
        CtrCore::<&Aes128, Ctr128BE>::inner_iv_init(&self.0, &(*iv).into())
            .apply_keystream_partial(data.into());
        Ok(())
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 16],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), CryptoError> {
        self.encrypt(iv, input, output)
    }
}

struct Gcm<C>(C);

impl<C> fmt::Debug for Gcm<C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Gcm(***)")
    }
}

/// The same for both lengths of key: their traits differ in name only.
macro_rules! gcm {
    ($cipher:ty, $of:ident) => {
        impl $of for Gcm<$cipher> {
            fn encrypt(
                &mut self,
                iv: &[u8; 12],
                aad: &[u8],
                input: &[u8],
                output: &mut [u8],
            ) -> Result<(), CryptoError> {
                let (data, tag) = room(output, input.len() + GCM_TAG)?.split_at_mut(input.len());
                data.copy_from_slice(input);
                let made = self
                    .0
                    .encrypt_inout_detached(&(*iv).into(), aad, data.into())
                    .map_err(|_| refused("a packet is too long to encrypt"))?;
                tag.copy_from_slice(&made);
                Ok(())
            }

            fn decrypt(
                &mut self,
                iv: &[u8; 12],
                aads: &[&[u8]],
                input: &[u8],
                output: &mut [u8],
            ) -> Result<usize, CryptoError> {
                let (input, tag) = input
                    .split_last_chunk::<GCM_TAG>()
                    .ok_or_else(|| refused("a packet is shorter than its tag"))?;
                let data = room(output, input.len())?;
                data.copy_from_slice(input);
                // RTCP's come in two parts, its header and its index.
                let (mut joined, mut length) = ([0; 64], 0);
                let aad = match aads {
                    [only] => *only,
                    parts => {
                        for byte in parts.iter().copied().flatten() {
                            *joined
                                .get_mut(length)
                                .ok_or_else(|| refused("a header is too long"))? = *byte;
                            length += 1;
                        }
                        joined.get(..length).unwrap_or_default()
                    }
                };
                self.0
                    .decrypt_inout_detached(&(*iv).into(), aad, data.into(), &(*tag).into())
                    .map_err(|_| refused("a packet is not authentic"))?;
                Ok(input.len())
            }
        }
    };
}

gcm!(Aes128Gcm, AeadAes128GcmCipher);
gcm!(Aes256Gcm, AeadAes256GcmCipher);

fn room(output: &mut [u8], length: usize) -> Result<&mut [u8], CryptoError> {
    output
        .get_mut(..length)
        .ok_or_else(|| refused("there is no room for a packet"))
}

fn refused(why: &str) -> CryptoError {
    CryptoError::Other(why.to_owned())
}

impl Sha1HmacProvider for Packets {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        // A key may have any length: one that is too long is hashed first.
        let Ok(mut hmac) = Hmac::<Sha1>::new_from_slice(key) else {
            return [0; 20];
        };
        for payload in payloads {
            hmac.update(payload);
        }
        hmac.finalize().into_bytes().into()
    }
}

impl Sha1Provider for Packets {
    fn sha1(&self, data: &[u8]) -> [u8; 20] {
        Sha1::digest(data).into()
    }
}

impl Sha256Provider for Packets {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    /// RFC 3711 appendix B.2.
    #[test]
    fn the_keystream_is_the_rfcs() {
        let key: [u8; 16] = bytes("2b7e151628aed2a6abf7158809cf4f3c")
            .try_into()
            .unwrap();
        let iv: [u8; 16] = bytes("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000")
            .try_into()
            .unwrap();
        let mut cipher = SupportedAes128CmSha1_80::create_cipher(&Packets, key, true);
        let mut out = [9; 40];
        cipher.encrypt(&iv, &[0; 32], &mut out).unwrap();
        let wanted = bytes("e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab");
        assert_eq!(out[..32], wanted);
        assert_eq!(out[32..], [9; 8]);
        let mut block = [0; 16];
        Packets.srtp_aes_128_ecb_round(&key, &iv, &mut block);
        assert_eq!(block, wanted[..16]);
    }

    /// RFC 7714 section 16.1.1.
    #[test]
    fn gcm_is_the_rfcs() {
        let key: [u8; 16] = bytes("000102030405060708090a0b0c0d0e0f")
            .try_into()
            .unwrap();
        let iv: [u8; 12] = bytes("51753c6580c2726f20718414").try_into().unwrap();
        let header = bytes("8040f17b8041f8d35501a0b2");
        let text = bytes(
            "47616c6c696120657374206f6d6e6973206469766973612069 6e207061727465732074726573"
                .replace(' ', "")
                .as_str(),
        );
        let wanted = bytes(
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce",
        );
        let mut cipher = SupportedAeadAes128Gcm::create_cipher(&Packets, key, true);
        let mut out = vec![0; text.len() + 16];
        cipher.encrypt(&iv, &header, &text, &mut out).unwrap();
        assert_eq!(out, wanted);
        let mut back = vec![0; out.len()];
        let (first, rest) = header.split_at(5);
        let length = cipher
            .decrypt(&iv, &[first, rest], &out, &mut back)
            .unwrap();
        assert_eq!(back[..length], text);
        out[3] ^= 1;
        assert!(cipher.decrypt(&iv, &[&header], &out, &mut back).is_err());
        assert!(
            cipher
                .decrypt(&iv, &[&header], &[1; 15], &mut back)
                .is_err()
        );
    }

    /// RFC 2202, test cases 2 and 6.
    #[test]
    fn hmac_is_the_rfcs() {
        let mac = Packets.sha1_hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(mac[..], bytes("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"));
        let text = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let mac = Packets.sha1_hmac(&[0xaa; 80], &[text]);
        assert_eq!(mac[..], bytes("aa4ae5e15272d00e95705637ce8a3b55ed402112"));
    }
}
