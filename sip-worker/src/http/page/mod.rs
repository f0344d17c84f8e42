// SPDX-License-Identifier: MPL-2.0
//! The pages: `/`, by which people take part in a room, and `/calls`, which shows the operator all calls. They
//! hold no data themselves and ask the API with the token of their link, so they may be shown to anybody.
//!
//! Each is one document. What runs in it carries the answer's nonce, and nothing is loaded from elsewhere.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

/// `GET /`
pub async fn join() -> Response {
    let script = [
        include_str!("api.js"),
        include_str!("session.js"),
        include_str!("people.js"),
        include_str!("join.js"),
    ];
    let html = include_str!("join.html")
        .replace("{{style}}", include_str!("join.css"))
        .replace("{{script}}", &script.concat());
    shown(&html, "microphone=(self)")
}

/// `GET /calls`
pub async fn calls() -> Response {
    shown(include_str!("calls.html"), "microphone=()")
}

fn shown(html: &str, permissions: &'static str) -> Response {
    let nonce = format!("{:032x}", rand::random::<u128>());
    // Only what carries this answer's nonce runs; names put into the page as text stay text.
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    let permissions = [("permissions-policy", permissions)];
    (
        headers,
        permissions,
        Html(html.replace("{{nonce}}", &nonce)),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: [&str; 6] = [
        include_str!("calls.html"),
        include_str!("join.html"),
        include_str!("api.js"),
        include_str!("session.js"),
        include_str!("people.js"),
        include_str!("join.js"),
    ];

    #[test]
    fn the_pages_never_write_markup_from_data() {
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "setHTML",
            "eval(",
        ] {
            assert!(PARTS.iter().all(|part| !part.contains(way)), "{way}");
        }
    }

    #[test]
    fn the_pages_load_nothing_from_elsewhere() {
        let with_style = PARTS.into_iter().chain([include_str!("join.css")]);
        for part in with_style {
            for way in ["src=", "@import", "url(", "http:", "https:", "style="] {
                assert!(!part.contains(way), "{way}");
            }
        }
    }

    #[tokio::test]
    async fn what_runs_carries_the_nonce_of_its_answer() {
        for page in [join().await, calls().await] {
            let policy = page.headers()[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap();
            let nonce = policy
                .split("'nonce-")
                .nth(1)
                .unwrap()
                .split('\'')
                .next()
                .unwrap();
            let nonce = format!("nonce=\"{nonce}\"");
            let body = axum::body::to_bytes(page.into_body(), 1 << 20)
                .await
                .unwrap();
            let html = String::from_utf8(body.to_vec()).unwrap();
            assert!(!html.contains("{{"), "a part is missing");
            assert_eq!(
                html.matches("<script").count(),
                html.matches(&format!("<script {nonce}")).count()
            );
            assert_eq!(
                html.matches("<style").count(),
                html.matches(&format!("<style {nonce}")).count()
            );
        }
    }
}
