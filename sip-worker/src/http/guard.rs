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

use super::cors::{self, Origins};
use super::room_token::{Door, Pass, Role, RoomTokens};
use crate::config::Http;
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

/// What a request's token opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// Everything: it is the API's.
    All,
    /// What is about one room, as this says.
    Room(Pass),
    /// What needs none.
    Public,
}

/// What every request is held against.
#[derive(Clone)]
pub struct Guard {
    /// Hashed, so that comparing takes the same time whatever the length.
    token: [u8; 32],
    rooms: RoomTokens,
    origins: Origins,
    /// Names that lead here, besides addresses and `localhost`.
    hosts: Vec<String>,
}

impl Guard {
    /// Lets in whoever has this token.
    pub fn new(token: &SecretString, config: &Http) -> Guard {
        Guard {
            token: hashed(token.expose_secret()),
            rooms: RoomTokens::new(token),
            origins: Origins::new(&config.origins),
            hosts: config.hosts.clone(),
        }
    }

    /// The API's token opens all, a room's token what is about that room.
    fn admits(&self, path: &str, headers: &HeaderMap) -> Option<Admitted> {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map_or("", |(_, token)| token.trim());
        if bool::from(hashed(given).ct_eq(&self.token)) {
            return Some(Admitted::All);
        }
        let pass = self.rooms.read(Door::of(path)?.room, given)?;
        Some(Admitted::Room(pass))
    }

    /// A name that a web page elsewhere could make point at us is refused: `localhost`, addresses and the
    /// configured names are taken, which is how a browser is kept from being rebound to this port.
    fn is_ours(&self, host: &str) -> bool {
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, _port)) => name,
            None => host.rsplit_once(':').map_or(host, |(name, _port)| name),
        };
        let named = |known: &String| name.eq_ignore_ascii_case(known);
        name.eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok()
            || self.hosts.iter().any(named)
    }
}

fn hashed(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The pages' own files, the two probes, and what WHIP and WHEP take (RFC 9725 section 4.2); everything else
/// needs a token.
fn is_public(method: &Method, path: &str) -> bool {
    let asks_what_is_taken = *method == Method::OPTIONS && Door::of(path).is_some();
    matches!(path, "/" | "/calls" | "/healthz" | "/readyz") || asks_what_is_taken
}

fn origin_is_host(origin: &str, host: &str) -> bool {
    let authority = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// What a request is let in as.
fn verdict(guard: &Guard, request: &Request) -> Result<Admitted, Problem> {
    let text = |name| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or("\0"))
    };
    let host = text(header::HOST).unwrap_or("");
    if !guard.is_ours(host) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this Host is not ours",
            "use the address or localhost in the URL, or put the name into [http] hosts",
        ));
    }
    let path = request.uri().path();
    let door = Door::of(path);
    let foreign = text(header::ORIGIN).filter(|origin| !origin_is_host(origin, host));
    if foreign.is_some_and(|origin| door.is_none() || !guard.origins.admit(origin)) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "requests from pages of other origins are refused",
            "open the page that this worker serves at /, or put the origin into [http] origins",
        ));
    }
    match guard.admits(path, request.headers()) {
        Some(Admitted::Room(pass))
            if door.is_some_and(|door| door.role == Role::Host) && pass.role != Role::Host =>
        {
            Err(Problem::new(
                StatusCode::FORBIDDEN,
                "this token lets you talk, and not do this",
                "ask for a token with the role host",
            ))
        }
        Some(admitted) => Ok(admitted),
        None if is_public(request.method(), path) => Ok(Admitted::Public),
        None => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "this needs the token",
            "send 'Authorization: Bearer TOKEN' with the content of [http] token_file",
        )),
    }
}

/// The page elsewhere that asks, where pages of its origin may.
fn guest_origin(guard: &Guard, request: &Request) -> Option<HeaderValue> {
    let origin = request.headers().get(header::ORIGIN)?;
    let admitted = origin.to_str().is_ok_and(|text| guard.origins.admit(text));
    let about_a_room = Door::of(request.uri().path()).is_some();
    (admitted && about_a_room).then(|| origin.clone())
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
pub async fn check(State(guard): State<Guard>, mut request: Request, next: Next) -> Response {
    let origin = guest_origin(&guard, &request);
    let mut response = match verdict(&guard, &request) {
        Ok(admitted) => match origin.as_ref().and_then(|_| cors::preflight(&request)) {
            Some(told) => told,
            None => {
                request.extensions_mut().insert(admitted);
                next.run(request).await
            }
        },
        Err(problem) => refused(problem),
    };
    if let Some(origin) = origin {
        cors::show(response.headers_mut(), &origin);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn guard() -> Guard {
        let config = Http {
            origins: vec!["https://app.example".to_owned()],
            hosts: vec!["bridge.example".to_owned()],
            ..Http::new("127.0.0.1:8080".parse().unwrap(), "token".into())
        };
        Guard::new(&SecretString::from("0123456789abcdef".to_owned()), &config)
    }

    fn request(method: Method, host: &str, path: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn verdict(host: &str, path: &str, headers: &[(&str, &str)]) -> Option<StatusCode> {
        let asked = request(Method::GET, host, path, headers);
        super::verdict(&guard(), &asked).err().map(|p| p.status)
    }

    #[test]
    fn the_token_opens_all_and_four_paths_need_none() {
        let good = ("authorization", "bearer 0123456789abcdef");
        assert_eq!(verdict("127.0.0.1:8080", "/v1/calls", &[good]), None);
        assert_eq!(verdict("127.0.0.1:8080", "/healthz", &[]), None);
        assert_eq!(verdict("127.0.0.1:8080", "/", &[]), None);
        assert_eq!(verdict("127.0.0.1:8080", "/calls", &[]), None);
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
        for host in [
            "localhost:1",
            "[::1]:8080",
            "10.0.0.1",
            "Bridge.example:443",
        ] {
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
        let of = |role| {
            let token = tokens.of("lobby", &Pass { role, name: None });
            format!("Bearer {}", token.expose_secret())
        };
        let bearer = of(Role::Guest);
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
        let calls = "/v1/rooms/lobby/calls";
        assert_eq!(verdict(host, calls, &[good]), Some(StatusCode::FORBIDDEN));
        let hosts = of(Role::Host);
        let hosts = ("authorization", &*hosts);
        assert_eq!(verdict(host, calls, &[hosts]), None);
        let attic = verdict(host, "/v1/rooms/attic/calls", &[hosts]);
        assert_eq!(attic, Some(StatusCode::UNAUTHORIZED));
    }

    #[test]
    fn pages_of_configured_origins_may_ask_about_rooms_and_nothing_else() {
        let good = ("authorization", "Bearer 0123456789abcdef");
        let app = ("origin", "https://app.example");
        let host = "127.0.0.1:8080";
        assert_eq!(verdict(host, "/whip/lobby", &[good, app]), None);
        assert_eq!(verdict(host, "/v1/rooms/lobby/events", &[good, app]), None);
        let refused = Some(StatusCode::FORBIDDEN);
        assert_eq!(verdict(host, "/v1/calls", &[good, app]), refused);
        let other = ("origin", "https://other.example");
        assert_eq!(verdict(host, "/whip/lobby", &[good, other]), refused);

        let wants = ("access-control-request-method", "PATCH");
        let asked = request(Method::OPTIONS, host, "/whip/lobby/0123", &[app, wants]);
        assert_eq!(super::verdict(&guard(), &asked), Ok(Admitted::Public));
        assert_eq!(
            guest_origin(&guard(), &asked).unwrap(),
            "https://app.example"
        );
        assert!(cors::preflight(&asked).is_some());
        let asked = request(Method::OPTIONS, host, "/whip/lobby", &[]);
        assert!(cors::preflight(&asked).is_none());
        assert_eq!(guest_origin(&guard(), &asked), None);
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
