// SPDX-License-Identifier: MPL-2.0
//! Who may speak to the API: the token, the Host and the Origin.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::room_token::{RoomTokens, room_of};
use crate::problem::Problem;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or made.
    #[error("[http] token_file {path}: {source}")]
    File {
        /// As configured.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file is readable by others.
    #[error(
        "[http] token_file {path} can be read by others (mode {mode:o}); run: chmod 600 {path}"
    )]
    Open {
        /// As configured.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds nothing of use.
    #[error("[http] token_file {path} must hold one line of 16 or more visible characters")]
    Weak {
        /// As configured.
        path: String,
    },
}

/// Reads the API's token, or makes one (mode 600) where the file does not exist.
pub fn token(path: &Path) -> Result<SecretString, TokenError> {
    let shown = || path.display().to_string();
    let failed = |source| TokenError::File {
        path: shown(),
        source,
    };
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(mut file) => {
            let token = new_token();
            file.write_all(token.expose_secret().as_bytes())
                .and_then(|()| file.write_all(b"\n"))
                .map_err(failed)?;
            Ok(token)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
            if mode & 0o077 != 0 {
                return Err(TokenError::Open {
                    path: shown(),
                    mode,
                });
            }
            let text = fs::read_to_string(path).map_err(failed)?;
            let token = text.trim();
            if token.len() < 16 || !token.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(TokenError::Weak { path: shown() });
            }
            Ok(SecretString::from(token.to_owned()))
        }
        Err(error) => Err(failed(error)),
    }
}

/// 128 random bits, as text that can stand in a header and in a link.
pub fn new_token() -> SecretString {
    SecretString::from(format!("{:032x}", rand::random::<u128>()))
}

/// What every request is held against.
#[derive(Clone)]
pub struct Guard {
    /// Hashed, so that comparing takes the same time whatever the length.
    token: [u8; 32],
    rooms: RoomTokens,
}

impl Guard {
    /// Lets in whoever has this token.
    pub fn new(token: &SecretString) -> Guard {
        Guard {
            token: hashed(token.expose_secret()),
            rooms: RoomTokens::new(token),
        }
    }

    /// The API's token opens all, a room's token what is about that room.
    fn admits(&self, path: &str, headers: &HeaderMap) -> bool {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, token)| token.trim());
        let given = hashed(given);
        let of_room = room_of(path).map(|room| hashed(self.rooms.of(room).expose_secret()));
        let fits = |token: &[u8; 32]| bool::from(given.ct_eq(token));
        fits(&self.token) || of_room.as_ref().is_some_and(fits)
    }
}

fn hashed(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The page's own file, the two probes, and what WHIP and WHEP take (RFC 9725 section 4.2); everything else
/// needs a token.
fn is_public(method: &Method, path: &str) -> bool {
    let asks_what_is_taken = *method == Method::OPTIONS && room_of(path).is_some();
    matches!(path, "/" | "/healthz" | "/readyz") || asks_what_is_taken
}

/// A name that a web page elsewhere could make point at us is refused: only `localhost` and
/// addresses are taken, which is how a browser is kept from being rebound to this port.
fn host_is_ours(host: &str) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _port)) => name,
        None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

fn origin_is_host(origin: &str, host: &str) -> bool {
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

fn refusal(guard: &Guard, request: &Request) -> Option<Problem> {
    let text = |name| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or("\0"))
    };
    let host = text(header::HOST).unwrap_or("");
    if !host_is_ours(host) {
        return Some(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this Host is not ours",
            "use the address or localhost in the URL, not a name",
        ));
    }
    if text(header::ORIGIN).is_some_and(|origin| !origin_is_host(origin, host)) {
        return Some(Problem::new(
            StatusCode::FORBIDDEN,
            "requests from pages of other origins are refused",
            "open the page that this worker serves at /",
        ));
    }
    let path = request.uri().path();
    if is_public(request.method(), path) || guard.admits(path, request.headers()) {
        return None;
    }
    Some(Problem::new(
        StatusCode::UNAUTHORIZED,
        "this needs the token",
        "send 'Authorization: Bearer TOKEN' with the content of [http] token_file",
    ))
}

/// Whoever has no token is told what kind is wanted (RFC 6750 section 3).
fn refused(problem: Problem) -> Response {
    let unauthorized = problem.status == StatusCode::UNAUTHORIZED;
    let mut response = problem.into_response();
    if unauthorized {
        let scheme = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
    }
    response
}

/// Middleware in front of every route.
pub async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match refusal(&guard, &request) {
        Some(problem) => refused(problem),
        None => next.run(request).await,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn verdict(host: &str, path: &str, headers: &[(&str, &str)]) -> Option<StatusCode> {
        let guard = Guard::new(&SecretString::from("0123456789abcdef".to_owned()));
        let mut request = Request::builder().uri(path).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        refusal(&guard, &request.body(Body::empty()).unwrap()).map(|problem| problem.status)
    }

    #[test]
    fn the_token_opens_all_and_three_paths_need_none() {
        let good = ("authorization", "bearer 0123456789abcdef");
        assert_eq!(verdict("127.0.0.1:8080", "/v1/calls", &[good]), None);
        assert_eq!(verdict("127.0.0.1:8080", "/healthz", &[]), None);
        assert_eq!(verdict("127.0.0.1:8080", "/", &[]), None);
        for headers in [
            &[][..],
            &[("authorization", "Bearer 0123456789abcdeX")],
            &[("authorization", "0123456789abcdef")],
        ] {
            assert_eq!(
                verdict("127.0.0.1:8080", "/metrics", headers),
                Some(StatusCode::UNAUTHORIZED)
            );
        }
    }

    #[test]
    fn a_rebound_name_or_a_foreign_page_is_refused_even_with_the_token() {
        let good = ("authorization", "Bearer 0123456789abcdef");
        for host in [
            "evil.example",
            "evil.example:8080",
            "",
            "127.0.0.1.evil.example",
        ] {
            assert_eq!(
                verdict(host, "/v1/calls", &[good]),
                Some(StatusCode::MISDIRECTED_REQUEST),
                "{host}"
            );
        }
        for host in ["localhost:1", "[::1]:8080", "10.0.0.1"] {
            assert_eq!(verdict(host, "/v1/calls", &[good]), None, "{host}");
        }
        let foreign = ("origin", "http://evil.example");
        assert_eq!(
            verdict("127.0.0.1:8080", "/", &[good, foreign]),
            Some(StatusCode::FORBIDDEN)
        );
        let own = ("origin", "http://127.0.0.1:8080");
        assert_eq!(verdict("127.0.0.1:8080", "/v1/calls", &[good, own]), None);
    }

    #[test]
    fn a_rooms_token_opens_that_room_and_nothing_else() {
        let tokens = RoomTokens::new(&SecretString::from("0123456789abcdef".to_owned()));
        let bearer = format!("Bearer {}", tokens.of("lobby").expose_secret());
        let good = ("authorization", &*bearer);
        let host = "127.0.0.1:8080";
        for path in ["/whip/lobby", "/whep/lobby/0123", "/v1/rooms/lobby/events"] {
            assert_eq!(verdict(host, path, &[good]), None, "{path}");
            let nobody = verdict(host, path, &[]);
            assert_eq!(nobody, Some(StatusCode::UNAUTHORIZED), "{path}");
        }
        for path in [
            "/whip/attic",
            "/whip/lobby2",
            "/v1/rooms/attic/events",
            "/v1/rooms/lobby/token",
            "/v1/calls",
            "/v1/events",
            "/metrics",
        ] {
            let elsewhere = verdict(host, path, &[good]);
            assert_eq!(elsewhere, Some(StatusCode::UNAUTHORIZED), "{path}");
        }
    }

    #[test]
    fn a_token_file_is_made_private_and_an_open_one_refused() {
        let path =
            std::env::temp_dir().join(format!("sipbridge-token-{:x}", rand::random::<u64>()));
        let made = token(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(token(&path).unwrap().expose_secret(), made.expose_secret());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            token(&path),
            Err(TokenError::Open { mode: 0o644, .. })
        ));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short\n").unwrap();
        assert!(matches!(token(&path), Err(TokenError::Weak { .. })));
        fs::remove_file(&path).unwrap();
    }
}
