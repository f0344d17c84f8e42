// SPDX-License-Identifier: MPL-2.0
//! A certificate that nobody but this machine has signed, for HTTPS on a first look around.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context;

/// Writes `cert.pem` and `key.pem` for these addresses.
pub(super) fn make(folder: &Path, addresses: &[IpAddr]) -> anyhow::Result<()> {
    let names = addresses.iter().map(ToString::to_string);
    let names: Vec<String> = names.chain(["localhost".to_owned()]).collect();
    let made = rcgen::generate_simple_self_signed(names).context("no certificate can be made")?;
    write(&folder.join("cert.pem"), &made.cert.pem())?;
    write(&folder.join("key.pem"), &made.signing_key.serialize_pem())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
