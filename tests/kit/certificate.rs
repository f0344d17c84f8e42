// SPDX-License-Identifier: MPL-2.0
//! Certificates for addresses of this machine: signed by an authority, or by nobody but their own key.

use anyhow::Result;
use data_encoding::BASE64;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData as _,
};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where they are, as PEM.
pub struct Files {
    pub ca: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
    /// What a browser is told of the key that it shall believe: the SHA-256 of its SubjectPublicKeyInfo.
    pub pin: String,
}

/// Makes both anew; who believes the one in `ca` believes that whoever has `key` is `address`.
pub fn make(folder: &Path, address: IpAddr) -> Result<Files> {
    make_for(folder, &[address])
}

/// The same for whoever has several addresses.
pub fn make_for(folder: &Path, addresses: &[IpAddr]) -> Result<Files> {
    let names: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    let mut authority = CertificateParams::new(Vec::new())?;
    let name = &mut authority.distinguished_name;
    name.push(DnType::CommonName, "An authority for tests");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate()?;
    let ca = authority.self_signed(&authority_key)?;

    let mut params = CertificateParams::new(names.clone())?;
    let name = &mut params.distinguished_name;
    name.push(DnType::CommonName, names.join(", "));
    let key = KeyPair::generate()?;
    let cert = params.signed_by(&key, &Issuer::new(authority, authority_key))?;

    let files = Files {
        ca: folder.join("ca.pem"),
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
        pin: pin(&key),
    };
    std::fs::write(&files.ca, ca.pem())?;
    std::fs::write(&files.cert, cert.pem())?;
    std::fs::write(&files.key, key.serialize_pem())?;
    Ok(files)
}

/// Writes `http.pem` and `http.key`: a certificate that nobody but its key has signed. Returns what a browser is told
/// of that key, as in [`Files`].
pub fn self_made(folder: &Path, address: IpAddr) -> Result<String> {
    let made = rcgen::generate_simple_self_signed(vec![address.to_string()])?;
    std::fs::write(folder.join("http.pem"), made.cert.pem())?;
    std::fs::write(folder.join("http.key"), made.signing_key.serialize_pem())?;
    Ok(pin(&made.signing_key))
}

/// What a browser is told of the key in this file, as in [`Files`].
pub fn pin_of(key: &Path) -> Result<String> {
    Ok(pin(&KeyPair::from_pem(&std::fs::read_to_string(key)?)?))
}

fn pin(key: &KeyPair) -> String {
    BASE64.encode(&Sha256::digest(key.subject_public_key_info()))
}
