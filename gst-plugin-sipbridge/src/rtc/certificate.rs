// SPDX-License-Identifier: MPL-2.0
//! Who we are: one certificate a process, for making one is the dearest part of a connection.

use std::sync::{Arc, OnceLock};

use is::IceCreds;
use sha2::{Digest, Sha256};

use super::description::Credentials;
use super::dtls::{DtlsCertificate, generate_certificate};

/// A self-signed certificate and its fingerprint.
#[derive(Clone)]
pub struct Certificate {
    inner: Arc<Inner>,
}

struct Inner {
    certificate: DtlsCertificate,
    fingerprint: Vec<u8>,
}

impl Certificate {
    /// The one of this process; `None` where the system gives no randomness to make it of.
    pub fn of_process() -> Option<Certificate> {
        static OURS: OnceLock<Option<Certificate>> = OnceLock::new();
        OURS.get_or_init(Certificate::generate).clone()
    }

    /// A new one.
    pub fn generate() -> Option<Certificate> {
        let certificate = generate_certificate()
            .inspect_err(|error| tracing::error!(%error, "no DTLS certificate can be made"))
            .ok()?;
        Some(Certificate {
            inner: Arc::new(Inner {
                fingerprint: fingerprint(&certificate.certificate),
                certificate,
            }),
        })
    }

    /// Its SHA-256.
    pub fn fingerprint(&self) -> &[u8] {
        &self.inner.fingerprint
    }

    pub(super) fn dtls(&self) -> &DtlsCertificate {
        &self.inner.certificate
    }
}

/// The SHA-256 of a certificate (DER).
pub(super) fn fingerprint(certificate: &[u8]) -> Vec<u8> {
    Sha256::digest(certificate).to_vec()
}

/// Fresh ICE credentials.
pub fn credentials() -> Credentials {
    let IceCreds { ufrag, pass } = IceCreds::new();
    Credentials {
        ufrag,
        password: pass,
    }
}
