// SPDX-License-Identifier: MPL-2.0
//! Certificates and keys (RFC 3261 §26): what this side shows, and whom it believes.
//!
//! [`refusal`]: what was wrong with a certificate, in a sentence.

mod read;
mod refusal;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

pub(super) use refusal::refusal;

/// The files, PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// What this side shows, to those that connect and to those that ask for it: its certificate
    /// first, then those that lead to an authority.
    pub cert_file: Option<PathBuf>,
    /// The key of the first.
    pub key_file: Option<PathBuf>,
    /// Who connects must show a certificate that one of these authorities signed.
    pub client_ca_file: Option<PathBuf>,
    /// Authorities that are believed besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    #[error("{} cannot be read: {source}", file.display())]
    Read {
        file: PathBuf,
        source: std::io::Error,
    },
    #[error("{} holds no certificate (PEM)", .0.display())]
    NoCertificate(PathBuf),
    #[error("{} holds no private key (PEM, without a password)", .0.display())]
    NoKey(PathBuf),
    #[error("{} is damaged: {why}", file.display())]
    Damaged { file: PathBuf, why: String },
    #[error("the key in {} does not belong to the certificate in {}", key.display(), cert.display())]
    OtherKey { key: PathBuf, cert: PathBuf },
    #[error("a certificate without its key, or a key without its certificate")]
    Half,
    #[error("certificates of clients are wanted, but this side has none of its own")]
    OnlyClients,
}

impl TlsError {
    /// The file at fault, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            TlsError::Read { file, .. }
            | TlsError::NoCertificate(file)
            | TlsError::NoKey(file)
            | TlsError::Damaged { file, .. }
            | TlsError::OtherKey { key: file, .. } => Some(file),
            TlsError::Half | TlsError::OnlyClients => None,
        }
    }
}

/// What an agent needs for TLS. Clones are one and the same: what [`reload`](Tls::reload) finds
/// counts for all, from the next connection on. The default believes the system's authorities and
/// has no certificate, which suffices for connections out.
#[derive(Clone, Default)]
pub struct Tls {
    files: Arc<TlsFiles>,
    held: Arc<Mutex<Held>>,
}

#[derive(Default)]
struct Held {
    server: Option<Arc<ServerConfig>>,
    /// Made when it is needed first: most agents never open a connection over TLS, and the system's
    /// authorities take their time to read.
    client: Option<Arc<ClientConfig>>,
    shown: Option<Shown>,
    believed: Vec<CertificateDer<'static>>,
}

/// A certificate with its chain and key.
struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Tls {
    /// Reads all files, and holds them against each other.
    pub fn load(files: TlsFiles) -> Result<Tls, TlsError> {
        let held = Held::load(&files)?;
        Ok(Tls {
            files: Arc::new(files),
            held: Arc::new(Mutex::new(held)),
        })
    }

    /// Reads the files again, for the connections to come. Where one of them cannot be used all
    /// stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let held = Held::load(&self.files)?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
        Ok(())
    }

    /// Whether somebody who connects can be shown a certificate.
    pub fn has_certificate(&self) -> bool {
        self.server().is_some()
    }

    /// Why no connection came about, in a sentence that follows "cannot be reached: ".
    pub fn refusal(error: &io::Error) -> String {
        refusal(error)
    }

    /// What connections in are taken with, also those of protocols other than SIP; `None` without a
    /// certificate.
    pub fn server(&self) -> Option<Arc<ServerConfig>> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.server.clone()
    }

    /// What connections out are opened with, also those of protocols other than SIP. May take a while
    /// the first time: the system's authorities are read.
    pub fn client(&self) -> Result<Arc<ClientConfig>, String> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &held.client {
            return Ok(client.clone());
        }
        let client = held.new_client().map_err(|error| error.to_string())?;
        Ok(held.client.insert(Arc::new(client)).clone())
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.files).finish()
    }
}

fn provider() -> Arc<CryptoProvider> {
    // Named wherever it is needed: a process may hold several, and then has no default.
    Arc::new(ring::default_provider())
}

impl Held {
    fn load(files: &TlsFiles) -> Result<Held, TlsError> {
        let authorities = |file: &Option<PathBuf>| match file {
            Some(file) => read::certificates(file),
            None => Ok(Vec::new()),
        };
        let mut held = Held {
            believed: authorities(&files.ca_file)?,
            ..Held::default()
        };
        // An authority that cannot be used shows here, and not in the first call.
        if let Some(file) = &files.ca_file {
            read::store(file, &held.believed)?;
        }
        let (cert, key) = match (&files.cert_file, &files.key_file) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) if files.client_ca_file.is_some() => return Err(TlsError::OnlyClients),
            (None, None) => return Ok(held),
            _ => return Err(TlsError::Half),
        };
        let shown = Shown {
            chain: read::certificates(cert)?,
            key: read::key(key)?,
        };
        let damaged = |file: &Path, error: rustls::Error| TlsError::Damaged {
            file: file.to_owned(),
            why: error.to_string(),
        };
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| damaged(cert, error))?;
        let builder = match &files.client_ca_file {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let roots = read::store(file, &read::certificates(file)?)?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots.into(), provider())
                        .build()
                        .map_err(|error| TlsError::Damaged {
                            file: file.clone(),
                            why: error.to_string(),
                        })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let server = builder.with_single_cert(shown.chain.clone(), shown.key.clone_key());
        held.server = Some(Arc::new(server.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => TlsError::OtherKey {
                key: key.clone(),
                cert: cert.clone(),
            },
            rustls::Error::InvalidCertificate(_) => damaged(cert, error),
            error => damaged(key, error),
        })?));
        held.shown = Some(shown);
        Ok(held)
    }

    fn new_client(&self) -> Result<ClientConfig, rustls::Error> {
        let mut roots = RootCertStore::empty();
        let system = rustls_native_certs::load_native_certs();
        for error in system.errors {
            tracing::debug!(%error, "an authority of the system was passed over");
        }
        roots.add_parsable_certificates(system.certs);
        roots.add_parsable_certificates(self.believed.iter().cloned());
        if roots.is_empty() {
            tracing::warn!(
                "neither the system nor a ca_file names an authority: no certificate will be believed"
            );
        }
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        match &self.shown {
            Some(shown) => {
                builder.with_client_auth_cert(shown.chain.clone(), shown.key.clone_key())
            }
            None => Ok(builder.with_no_client_auth()),
        }
    }
}
