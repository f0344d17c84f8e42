// SPDX-License-Identifier: MPL-2.0
//! A real SFU: Debian's Janus as a child process.

use anyhow::Result;
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use sip_worker::demo::janus::{Janus, Options};

const AN_HOUR: Duration = Duration::from_secs(3_600);

/// A token as Janus has them signed with its `token_auth_secret`: good for this plugin, for an hour.
pub fn signed_token(secret: &str, plugin: &str) -> Result<String> {
    let until = (SystemTime::now() + AN_HOUR).duration_since(UNIX_EPOCH)?;
    let says = format!("{},janus,{plugin}", until.as_secs());
    let mut signature = Hmac::<Sha1>::new_from_slice(secret.as_bytes())?;
    signature.update(says.as_bytes());
    let signature = BASE64.encode(&signature.finalize().into_bytes());
    Ok(format!("{says}:{signature}"))
}
