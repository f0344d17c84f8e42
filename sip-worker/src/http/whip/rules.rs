// SPDX-License-Identifier: MPL-2.0
//! What a request of WHIP (RFC 9725) or WHEP asks for, and why it is refused. No I/O here.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};

use super::fragment::Fragment;
use crate::problem::Problem;
use crate::sfu::SfuError;
use crate::sfu::embedded::Restart;

pub(super) const SDP: &str = "application/sdp";
pub(super) const SDPFRAG: &str = "application/trickle-ice-sdpfrag";

/// What a PATCH asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Candidates of the session as it is.
    Trickle(Fragment),
    /// A new ICE session.
    Restart(Restart),
}

/// Whether a POST may be read: it brings SDP, and takes SDP.
pub(super) fn offered(headers: &HeaderMap) -> Result<(), Problem> {
    brings(headers, SDP)?;
    if !accepts(headers, SDP) {
        return Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            format!("an offer is answered in {SDP} and nothing else"),
            format!("send 'Accept: {SDP}'"),
        ));
    }
    Ok(())
}

/// What a PATCH of the session with this entity tag asks for (RFC 9725 section 4.3).
pub(super) fn change(headers: &HeaderMap, etag: &str, body: &[u8]) -> Result<Change, Problem> {
    brings(headers, SDPFRAG)?;
    let Some(condition) = text(headers, header::IF_MATCH) else {
        return Err(Problem::new(
            StatusCode::PRECONDITION_REQUIRED,
            "it is not said which ICE session this is about",
            "send 'If-Match' with the ETag of the answer, or * for a new ICE session",
        ));
    };
    // The RFCs write it both ways: as RFC 9110 has it, and like a tag.
    let restarts = matches!(condition.trim(), "*" | "\"*\"");
    let is_ours = condition.split(',').any(|tag| tag.trim() == etag);
    if !restarts && !is_ours {
        return Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "this is about another ICE session than the present one",
            "send 'If-Match' with the latest ETag",
        ));
    }
    let fragment = std::str::from_utf8(body)
        .map_err(|error| error.to_string())
        .and_then(|text| Fragment::read(text).map_err(|error| error.to_string()))
        .map_err(|error| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("the body is no fragment: {error}"),
                "RFC 8840 section 9 says what is",
            )
        })?;
    if !restarts {
        return Ok(Change::Trickle(fragment));
    }
    let Some(credentials) = fragment.credentials else {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "a new ICE session needs new credentials",
            "put a=ice-ufrag and a=ice-pwd into the fragment",
        ));
    };
    let candidates = fragment.candidates.into_iter();
    Ok(Change::Restart(Restart {
        credentials,
        candidates: candidates.map(|found| found.candidate).collect(),
    }))
}

/// What the SFU's refusal means over HTTP.
pub(in crate::http) fn refusal(error: &SfuError) -> Problem {
    let (status, hint) = match error {
        SfuError::NoSuchRoom { .. } => (StatusCode::NOT_FOUND, "the configuration names the rooms"),
        SfuError::NoSuchTrack { .. } => (StatusCode::NOT_FOUND, "the session is over"),
        SfuError::Taken { .. } => (StatusCode::CONFLICT, "take another name"),
        // 503 would be of the server; whoever bridges a telephone here tells it that the room is busy.
        SfuError::Full { .. } => (StatusCode::CONFLICT, "try again when somebody has left"),
        SfuError::Forbidden { .. } => (StatusCode::FORBIDDEN, "ask whoever runs this worker"),
        SfuError::Refused { code: 400, .. } => (StatusCode::BAD_REQUEST, "send an SDP offer"),
        SfuError::Refused { .. } => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "offer Opus over DTLS-SRTP and ICE, in the right direction",
        ),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "try again later"),
    };
    Problem::new(status, error.to_string(), hint)
}

fn brings(headers: &HeaderMap, wanted: &'static str) -> Result<(), Problem> {
    let kind = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    // Parameters change nothing.
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case(wanted) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "this takes another media type",
        format!("send 'Content-Type: {wanted}'"),
    ))
}

fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let Some(accepted) = text(headers, header::ACCEPT) else {
        return true;
    };
    accepted.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let refused = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        let fits = [wanted, "application/*", "*/*"];
        !refused && fits.iter().any(|fit| kind.eq_ignore_ascii_case(fit))
    })
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = all.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, value.parse().unwrap())
        });
        pairs.collect()
    }

    fn verdict<T: std::fmt::Debug>(outcome: Result<T, Problem>) -> u16 {
        outcome.map_or_else(|problem| problem.status.as_u16(), |_| 200)
    }

    #[test]
    fn an_offer_is_sdp_for_whoever_takes_sdp() {
        let sdp = ("content-type", "application/sdp");
        for (all, status) in [
            (vec![sdp], 200),
            (
                vec![("content-type", "Application/SDP; charset=utf-8")],
                200,
            ),
            (
                vec![sdp, ("accept", "text/html, application/sdp;q=0.5")],
                200,
            ),
            (vec![sdp, ("accept", "*/*")], 200),
            (vec![sdp, ("accept", "application/json")], 406),
            (
                vec![sdp, ("accept", "application/sdp;q=0, text/plain")],
                406,
            ),
            (vec![("content-type", "application/json")], 415),
            (vec![], 415),
        ] {
            assert_eq!(verdict(offered(&headers(&all))), status, "{all:?}");
        }
    }

    #[test]
    fn a_patch_says_which_session_it_means() {
        let kind = ("content-type", SDPFRAG);
        let whole = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n";
        for (all, body, status) in [
            (vec![kind, ("if-match", "\"one\"")], whole, 200),
            (vec![kind, ("if-match", "\"zero\", \"one\"")], "", 200),
            (vec![kind, ("if-match", "*")], whole, 200),
            (vec![kind, ("if-match", "\"*\"")], whole, 200),
            (
                vec![kind, ("if-match", "*")],
                "a=end-of-candidates\r\n",
                422,
            ),
            (vec![kind, ("if-match", "\"two\"")], whole, 412),
            (vec![kind, ("if-match", "\"one\"")], "nonsense", 400),
            (vec![kind], whole, 428),
            (vec![("if-match", "\"one\"")], whole, 415),
        ] {
            let outcome = change(&headers(&all), "\"one\"", body.as_bytes());
            assert_eq!(verdict(outcome), status, "{all:?} {body:?}");
        }
        let binary = change(&headers(&[kind, ("if-match", "*")]), "\"one\"", &[0xff]);
        assert_eq!(verdict(binary), 400);
    }

    #[test]
    fn refusals_have_their_status() {
        let refused = |code| SfuError::Refused {
            sfu: "main".to_owned(),
            request: "publish",
            code,
            reason: String::new(),
        };
        let full = SfuError::Full {
            sfu: "main".to_owned(),
            room: "lobby".to_owned(),
            reason: String::new(),
        };
        let statuses = [refused(400), refused(422), full].map(|error| refusal(&error).status);
        assert_eq!(statuses.map(|status| status.as_u16()), [400, 422, 409]);
    }
}
