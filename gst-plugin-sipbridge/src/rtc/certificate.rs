// SPDX-License-Identifier: MPL-2.0
//! Who we are: one certificate a process, for making one is the dearest part of a connection.

use std::sync::{Arc, OnceLock};

use str0m::config::{CryptoProvider, DtlsCert};
use str0m::ice::IceCreds;

use super::crypto;
use super::description::Credentials;

/// A self-signed certificate and its fingerprint.
#[derive(Clone)]
pub struct Certificate {
    inner: Arc<Inner>,
}

struct Inner {
    certificate: DtlsCert,
    fingerprint: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl Certificate {
    /// The one of this process; `None` where the system gives no randomness to make it of.
    pub fn of_process() -> Option<Certificate> {
        static OURS: OnceLock<Option<Certificate>> = OnceLock::new();
        OURS.get_or_init(Certificate::generate).clone()
    }

    /// A new one.
    pub fn generate() -> Option<Certificate> {
        let provider = Arc::new(crypto::provider());
        let certificate = crypto::generate_certificate()
            .inspect_err(|error| tracing::error!(%error, "no DTLS certificate can be made"))
            .ok()?;
        let digest = provider.sha256_provider.sha256(&certificate.certificate);
        Some(Certificate {
            inner: Arc::new(Inner {
                certificate,
                fingerprint: digest.to_vec(),
                provider,
            }),
        })
    }

    /// Its SHA-256.
    pub fn fingerprint(&self) -> &[u8] {
        &self.inner.fingerprint
    }

    pub(super) fn dtls(&self) -> DtlsCert {
        self.inner.certificate.clone()
    }

    pub(super) fn provider(&self) -> Arc<CryptoProvider> {
        self.inner.provider.clone()
    }
}

/// Fresh ICE credentials.
pub fn credentials() -> Credentials {
    let IceCreds { ufrag, pass } = IceCreds::new();
    Credentials {
        ufrag,
        password: pass,
    }
}
