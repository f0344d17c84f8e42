// SPDX-License-Identifier: MPL-2.0
//! Authorities and certificates, made for one test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use sip_ua::agent::{Tls, TlsFiles};

/// An authority, and the folder of all that it signs.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    pub fn new() -> Authority {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let name = format!("Authority {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(folder.join("ca.pem"), certificate.pem()).unwrap();
        Authority {
            issuer: Issuer::new(params, key),
            folder,
        }
    }

    /// The file with its own certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    pub fn cert(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    fn write(&self, certificate: &rcgen::Certificate, key: &KeyPair) -> TlsFiles {
        std::fs::write(self.cert(), certificate.pem()).unwrap();
        std::fs::write(self.key(), key.serialize_pem()).unwrap();
        TlsFiles {
            cert_file: Some(self.cert()),
            key_file: Some(self.key()),
            ..TlsFiles::default()
        }
    }

    /// A certificate of this host, in the place of the one before.
    pub fn signs(&self, host: &str) -> TlsFiles {
        self.signs_until(host, 2090)
    }

    /// One that is valid until that year begins.
    pub fn signs_until(&self, host: &str, year: i32) -> TlsFiles {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.write(&certificate, &key)
    }

    /// One that nobody but itself vouches for.
    pub fn signs_nothing(&self, host: &str) -> TlsFiles {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, host);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        self.write(&certificate, &key)
    }

    /// Who believes this authority and shows nothing.
    pub fn believer(&self) -> Tls {
        load(TlsFiles {
            ca_file: Some(self.ca()),
            ..TlsFiles::default()
        })
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        // What is left is thrown away with the build.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub fn load(files: TlsFiles) -> Tls {
    Tls::load(files).unwrap_or_else(|error| panic!("{error}"))
}
