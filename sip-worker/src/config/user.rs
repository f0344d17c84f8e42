// SPDX-License-Identifier: MPL-2.0
//! `[[user]]` and `[registrar]`: softphones that register here.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use gstsipbridge::call::{DEFAULT_CODECS, DtlsPolicy, DtmfMode};
use secrecy::SecretString;
use sip_ua::digest::Algorithm;
use sip_ua::registrar;
use sip_ua::sdp::{Codec, SrtpPolicy};

use super::Overload;
use super::duration::duration;
use super::secret::secret;
use super::value::{codec, dtls, dtmf, number, srtp, text};
use crate::document::Section;

/// `[[user]]`: a softphone that registers here.
#[derive(Debug, Clone)]
pub struct User {
    /// The user part of its address, and what it authenticates as.
    pub name: String,
    /// Its password.
    pub password: SecretString,
    /// Calls at one time.
    pub max_calls: Option<u32>,
    /// What it hears of a call that is one too many.
    pub overload: Overload,
    /// The longest a call may last.
    pub max_duration: Option<Duration>,
    /// It may have its calls transferred (REFER), and others take their place (Replaces).
    pub accept_transfers: bool,
    /// Codecs in order of preference.
    pub codecs: Vec<Codec>,
    /// Whether media are encrypted.
    pub srtp: SrtpPolicy,
    /// Whether their keys come from a handshake instead.
    pub dtls: DtlsPolicy,
    /// How digits reach it.
    pub dtmf: DtmfMode,
}

/// `[registrar]`: how users register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registrar {
    /// What a phone shows where it asks for the password.
    pub realm: String,
    /// Digest algorithms, strongest first.
    pub algorithms: Vec<Algorithm>,
    /// Intervals and contacts.
    pub bounds: registrar::Config,
}

impl Default for Registrar {
    fn default() -> Registrar {
        Registrar {
            realm: "sipbridge".to_owned(),
            // Some phones (baresip 1.0) give up where SHA-256 is offered beside it.
            algorithms: vec![Algorithm::MD5],
            bounds: registrar::Config::default(),
        }
    }
}

pub(super) fn all(sections: Vec<Section<'_>>) -> Vec<Arc<User>> {
    let mut users = Vec::new();
    let mut names = HashSet::new();
    for section in sections {
        let (at, document) = (section.at(), section.document());
        let Some(user) = user(section) else {
            continue;
        };
        if !names.insert(user.name.clone()) {
            document.find(
                at,
                format!("another [[user]] is named \"{}\" already", user.name),
            );
        }
        users.push(Arc::new(user));
    }
    users
}

fn user(mut section: Section<'_>) -> Option<User> {
    let stated = section.has("name");
    let name = section.parsed("name", |name| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+');
        if (1..=64).contains(&name.len()) && name.chars().all(allowed) {
            Ok(name.to_owned())
        } else {
            Err(format!("\"{name}\" is not 1 to 64 of A-Z a-z 0-9 . _ - +"))
        }
    });
    match &name {
        Some(name) => section.rename(format!("[[user]] \"{name}\"")),
        None if !stated => section.find("`name` is missing"),
        None => {}
    }
    let has_password = section.has("password_file") || section.has("password_env");
    let password = secret(&mut section, "password");
    if !has_password {
        section.find("`password_file` is missing");
    }
    let user = User {
        name: name.clone().unwrap_or_default(),
        password: password.clone().unwrap_or_default(),
        max_calls: number(section.integer("max_calls", 1..=1_000_000)),
        overload: Overload::read(&mut section),
        max_duration: duration(&mut section, "max_duration", 1),
        accept_transfers: section.boolean("accept_transfers").unwrap_or(false),
        codecs: section
            .parsed_list("codecs", codec)
            .unwrap_or_else(|| DEFAULT_CODECS.to_vec()),
        srtp: srtp(&mut section),
        dtls: dtls(&mut section),
        dtmf: dtmf(&mut section),
    };
    if user.codecs.is_empty() {
        section.find("`codecs` is empty: no call could be agreed on");
    }
    section.finish();
    (name.is_some() && password.is_some()).then_some(user)
}

pub(super) fn registrar(section: Option<Section<'_>>) -> Registrar {
    let mut registrar = Registrar::default();
    let Some(mut section) = section else {
        return registrar;
    };
    if let Some(realm) = text(&mut section, "realm") {
        registrar.realm = realm;
    }
    if let Some(algorithms) = section.parsed_list("algorithms", algorithm) {
        if algorithms.is_empty() {
            section.find("`algorithms` is empty: nobody could register");
        }
        registrar.algorithms = algorithms;
    }
    let bounds = &mut registrar.bounds;
    if let Some(min) = duration(&mut section, "min_expires", 1) {
        bounds.min_expires = min;
    }
    if let Some(max) = duration(&mut section, "max_expires", 1) {
        bounds.max_expires = max;
    }
    if let Some(contacts) = section.integer("max_contacts", 1..=100) {
        bounds.max_contacts = usize::try_from(contacts).unwrap_or(1);
    }
    if bounds.min_expires > bounds.max_expires {
        section.find("`min_expires` is longer than `max_expires`");
    }
    section.finish();
    registrar
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    [Algorithm::MD5, Algorithm::SHA_256, Algorithm::SHA_512_256]
        .into_iter()
        .find(|known| known.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| format!("\"{name}\" is none of \"MD5\", \"SHA-256\", \"SHA-512-256\""))
}
