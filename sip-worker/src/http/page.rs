// SPDX-License-Identifier: MPL-2.0
//! The page at `/`: live calls and a button to hang up. It holds no data itself and asks the API
//! with the token of its link, so it may be shown to anybody.

use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

/// `GET /`
pub async fn page() -> Response {
    let nonce = format!("{:032x}", rand::random::<u128>());
    // Only what carries this answer's nonce runs; names put into the page as text stay text.
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let html = include_str!("page.html").replace("{{nonce}}", &nonce);
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, Html(html)).into_response()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_never_writes_markup_from_data() {
        let html = include_str!("page.html");
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
        ] {
            assert!(!html.contains(way), "{way}");
        }
    }
}
