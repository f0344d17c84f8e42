// SPDX-License-Identifier: MPL-2.0
//! Pages of other origins (CORS): which may ask about a room, and what their browsers have to be told.
//!
//! No request is believed for a cookie's sake, so a page can do here only what its token lets it.

use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What a page's own code may read of an answer besides its body.
const READABLE: &str = "Location, ETag, Link, Accept-Patch, Accept-Post";
const METHODS: &str = "GET, POST, PATCH, DELETE";
const HEADERS: &str = "Authorization, Content-Type, If-Match";
/// A browser need not ask again for so many seconds.
const REMEMBERED_S: &str = "600";

/// The origins of `[http] origins`.
#[derive(Debug, Clone, Default)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Those that are configured; `*` is any.
    pub fn new(configured: &[String]) -> Origins {
        Origins(configured.to_vec())
    }

    /// Whether pages of this origin may ask.
    pub fn admit(&self, origin: &str) -> bool {
        let fits = |known: &String| known == "*" || known.eq_ignore_ascii_case(origin);
        self.0.iter().any(fits)
    }
}

/// The answer to a browser that asks what a page may ask (preflight).
pub fn preflight<B>(request: &Request<B>) -> Option<Response> {
    let asks = request.method() == Method::OPTIONS
        && (request.headers()).contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let told = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (header::ACCESS_CONTROL_MAX_AGE, REMEMBERED_S),
    ];
    asks.then(|| (StatusCode::NO_CONTENT, told).into_response())
}

/// Lets the page of this origin read an answer.
pub fn show(headers: &mut HeaderMap, origin: &HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(READABLE),
    );
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_named_whole_or_not_at_all() {
        let some = Origins::new(&["https://app.example".to_owned()]);
        assert!(some.admit("https://app.example"));
        for other in [
            "http://app.example",
            "https://app.example:8443",
            "https://app.example.evil.example",
            "null",
        ] {
            assert!(!some.admit(other), "{other}");
        }
        assert!(Origins::new(&["*".to_owned()]).admit("https://any.example"));
        assert!(!Origins::default().admit("https://app.example"));
    }
}
