// SPDX-License-Identifier: MPL-2.0
//! The URI of an element: `sip:user@host:port;transport=udp?X-Room=1` (RFC 3261 section 19.1).

use sip_ua::wire::{Scheme, Uri};

/// Whom to call, with the headers that stood in the URI.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

/// The URI cannot be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("{0}")]
    Bad(String),
    #[error("{0}: it is not a sip: URI")]
    Scheme(String),
    #[error("{0} is not built yet: only sip: over UDP and TCP can be called")]
    Transport(&'static str),
    #[error("a password does not belong in a URI: set agent::password or agent::password-file")]
    Password,
    #[error("the header {0} may not be set in a URI: X-… and User-to-User may")]
    Header(String),
    #[error("the header {0} in the URI has a value that cannot stand in a message")]
    Value(String),
}

impl Target {
    pub(crate) fn parse(text: &str) -> Result<Target, TargetError> {
        let mut uri =
            Uri::parse(text.as_bytes()).map_err(|error| TargetError::Bad(error.to_string()))?;
        match uri.scheme {
            Scheme::Sip => {}
            Scheme::Sips => return Err(TargetError::Transport("sips: (TLS)")),
            _ => return Err(TargetError::Scheme(text.to_owned())),
        }
        if uri.password.is_some() {
            return Err(TargetError::Password);
        }
        let transport = uri.params.get("transport").map(<[u8]>::to_ascii_lowercase);
        match transport.as_deref() {
            None | Some(b"udp" | b"tcp") => {}
            Some(b"tls") => return Err(TargetError::Transport("transport=tls")),
            Some(b"ws" | b"wss") => return Err(TargetError::Transport("transport=ws")),
            Some(other) => {
                let other = String::from_utf8_lossy(other);
                return Err(TargetError::Bad(format!("transport={other} is not known")));
            }
        }
        let headers = match uri.headers.take() {
            Some(raw) => headers(&raw)?,
            None => Vec::new(),
        };
        Ok(Target { uri, headers })
    }
}

fn headers(raw: &[u8]) -> Result<Vec<(String, Vec<u8>)>, TargetError> {
    raw.split(|byte| *byte == b'&')
        .filter(|field| !field.is_empty())
        .map(|field| {
            let (name, value) = match field.iter().position(|byte| *byte == b'=') {
                Some(at) => (&field[..at], &field[at + 1..]),
                None => (field, &[][..]),
            };
            let name = String::from_utf8_lossy(&unescape(name)).into_owned();
            check_header(&name, &unescape(value))
        })
        .collect()
}

/// Whether an application may add this header to an INVITE, and its value is one line.
pub(crate) fn check_header(name: &str, value: &[u8]) -> Result<(String, Vec<u8>), TargetError> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!%*+`'~".contains(&byte);
    let lower = name.to_ascii_lowercase();
    let free = lower.len() > 2 && lower.starts_with("x-") || lower == "user-to-user";
    if !free || !name.bytes().all(token) {
        return Err(TargetError::Header(name.to_owned()));
    }
    if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err(TargetError::Value(name.to_owned()));
    }
    Ok((name.to_owned(), value.to_vec()))
}

/// `%XX` for what stands there; what is no such thing stays.
pub(crate) fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%')
            .then(|| after.get(..2))
            .flatten()
            .and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        match escaped {
            Some(value) => {
                plain.push(value);
                rest = &after[2..];
            }
            None => {
                plain.push(byte);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_leave_the_uri_and_are_unescaped() {
        let target =
            Target::parse("sip:bob@192.0.2.1:5070;transport=udp?X-Room=a%20b&X-Id=7").unwrap();
        assert_eq!(
            target.uri.to_bytes(),
            b"sip:bob@192.0.2.1:5070;transport=udp"
        );
        let expected = vec![
            ("X-Room".to_owned(), b"a b".to_vec()),
            ("X-Id".to_owned(), b"7".to_vec()),
        ];
        assert_eq!(target.headers, expected);
    }

    #[test]
    fn what_is_not_built_is_refused_by_name() {
        for (uri, word) in [
            ("sips:bob@192.0.2.1", "sips:"),
            ("sip:bob@192.0.2.1;transport=tls", "transport=tls"),
            ("sip:bob@192.0.2.1;transport=WS", "transport=ws"),
        ] {
            let error = Target::parse(uri).unwrap_err();
            assert!(matches!(error, TargetError::Transport(_)), "{uri}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn no_password_no_foreign_header_no_line_break() {
        assert_eq!(
            Target::parse("sip:bob:secret@192.0.2.1").unwrap_err(),
            TargetError::Password
        );
        for header in [
            "From=x",
            "Contact=x",
            "X-=1",
            "P-Asserted-Identity=x",
            "body=x",
        ] {
            let error = Target::parse(&format!("sip:bob@192.0.2.1?{header}")).unwrap_err();
            assert!(matches!(error, TargetError::Header(_)), "{header}");
        }
        let error = Target::parse("sip:bob@192.0.2.1?X-A=1%0d%0aVia:%20x").unwrap_err();
        assert!(matches!(error, TargetError::Value(_)));
        assert!(matches!(
            Target::parse("tel:+1555").unwrap_err(),
            TargetError::Scheme(_)
        ));
    }
}
