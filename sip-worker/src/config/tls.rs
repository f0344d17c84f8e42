// SPDX-License-Identifier: MPL-2.0
//! `[sip] tls` and `[http] tls`: the files, read and held against each other here, so that what is wrong with one has
//! its line.

use sip_ua::agent::{Tls, TlsFiles};

use super::path_in;
use crate::document::Section;

/// `[http] tls`: a certificate to show, and nobody to believe.
pub(super) fn shown(section: Section<'_>) -> TlsFiles {
    if !section.has("cert_file") && !section.has("key_file") {
        section.find("`cert_file` is missing");
    }
    files(section, false)
}

/// `[sip] tls`
pub(super) fn tls(section: Section<'_>) -> TlsFiles {
    files(section, true)
}

fn files(mut section: Section<'_>, believes: bool) -> TlsFiles {
    let mut stated = Vec::new();
    let mut file = |key: &str| {
        let path = section.string(key)?;
        let file = path_in(&section, &path.value);
        stated.push((file.clone(), path.at));
        Some(file)
    };
    let mut files = TlsFiles {
        cert_file: file("cert_file"),
        key_file: file("key_file"),
        ..TlsFiles::default()
    };
    if believes {
        files.client_ca_file = file("client_ca_file");
        files.ca_file = file("ca_file");
    }
    section.refused(
        "key",
        "a key does not stand in the configuration; name a file in `key_file`",
    );
    match (&files.cert_file, &files.key_file) {
        (Some(_), None) => section.find("`key_file` is missing"),
        (None, Some(_)) => section.find("`cert_file` is missing"),
        (None, None) if files.client_ca_file.is_some() => section.find(
            "`client_ca_file` is for those that connect, who are shown the certificate in \
             `cert_file`, and that is missing",
        ),
        _ => {
            if let Err(error) = Tls::load(files.clone()) {
                let at = stated
                    .into_iter()
                    .find(|(file, _)| error.file() == Some(file))
                    .map_or(section.at(), |(_, at)| at);
                section.document().find(at, error.to_string());
            }
        }
    }
    section.finish();
    files
}
