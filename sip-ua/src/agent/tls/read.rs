// SPDX-License-Identifier: MPL-2.0
//! Certificates and keys out of files.

use std::path::Path;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

fn octets(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|source| TlsError::Read {
        file: file.to_owned(),
        source,
    })
}

fn damaged(file: &Path, why: impl ToString) -> TlsError {
    TlsError::Damaged {
        file: file.to_owned(),
        why: why.to_string(),
    }
}

/// At least one.
pub(super) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = octets(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| damaged(file, error))?;
    match found.is_empty() {
        true => Err(TlsError::NoCertificate(file.to_owned())),
        false => Ok(found),
    }
}

pub(super) fn key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = zeroize::Zeroizing::new(octets(file)?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(file.to_owned()),
        error => damaged(file, error),
    })
}

/// Every one of them has to be of use, or who wrote the file is mistaken about it.
pub(super) fn store(
    file: &Path,
    certificates: &[CertificateDer<'static>],
) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store
            .add(certificate.clone())
            .map_err(|error| damaged(file, error))?;
    }
    Ok(store)
}
