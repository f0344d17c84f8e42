// SPDX-License-Identifier: MPL-2.0
//! What a server's answers mean (RFC 9725, WHEP). No I/O here.

use axum::http::{StatusCode, header};
use secrecy::SecretString;
use url::Url;

use super::http::{Failure, Reply};
use crate::sfu::{SfuError, wire};

pub(super) const SDP: &str = "application/sdp";
pub(super) const SDPFRAG: &str = "application/trickle-ice-sdpfrag";

/// Whom a request was for.
pub(super) struct About<'a> {
    pub(super) sfu: &'a str,
    pub(super) room: &'a str,
    pub(super) token: Option<&'a SecretString>,
    /// What was asked for, in a word.
    pub(super) request: &'static str,
    pub(super) endpoint: &'a Url,
    pub(super) patience: std::time::Duration,
}

/// A session that a server made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) description: String,
    pub(super) url: Url,
    pub(super) etag: Option<String>,
    /// Whether it takes candidates that come later.
    pub(super) patches: bool,
    pub(super) stun: Option<String>,
}

/// What came of a POST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Posted {
    Answered(Made),
    /// WHEP: it does not take our offer, and makes one itself.
    Counter(Made),
    /// WHEP: it does not take our offer, and says no more.
    NotAcceptable,
}

impl About<'_> {
    /// Reads the answer to a POST.
    pub(super) fn posted(&self, reply: &Reply) -> Result<Posted, SfuError> {
        match reply.status {
            StatusCode::CREATED | StatusCode::OK => self.made(reply).map(Posted::Answered),
            StatusCode::NOT_ACCEPTABLE if reply.text_of(SDP).is_some() => {
                self.made(reply).map(Posted::Counter)
            }
            StatusCode::NOT_ACCEPTABLE => Ok(Posted::NotAcceptable),
            _ => Err(self.refusal(reply)),
        }
    }

    fn made(&self, reply: &Reply) -> Result<Made, SfuError> {
        let description = reply
            .text_of(SDP)
            .ok_or_else(|| self.nonsense("its answer is no session description"))?;
        if !description.starts_with("v=0") {
            return Err(self.nonsense("its answer does not begin as a session description"));
        }
        // RFC 9725 section 4.2
        let location = reply
            .header(header::LOCATION)
            .ok_or_else(|| self.nonsense("no Location says where the session is"))?;
        let url = reply.url.join(location).ok();
        let url = url.filter(|url| url.scheme() == reply.url.scheme() || url.scheme() == "https");
        let url = url.ok_or_else(|| self.nonsense("its Location is no place to go to"))?;
        let etag = reply.header(header::ETAG).map(str::to_owned);
        let patches = reply.header(header::HeaderName::from_static("accept-patch"));
        Ok(Made {
            description: description.to_owned(),
            url,
            patches: etag.is_some() || patches.is_some_and(|kinds| kinds.contains(SDPFRAG)),
            etag,
            stun: stun(reply),
        })
    }

    /// What a status means that is no success.
    pub(super) fn refusal(&self, reply: &Reply) -> SfuError {
        let (sfu, room) = (self.sfu.to_owned(), self.room.to_owned());
        let reason = self.reason(reply);
        match reply.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => SfuError::Forbidden { sfu, reason },
            StatusCode::NOT_FOUND | StatusCode::GONE => SfuError::NoSuchRoom {
                sfu,
                room,
                detail: reason,
            },
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => {
                SfuError::Full { sfu, room, reason }
            }
            status if status.is_success() || status.is_redirection() => {
                self.nonsense(&format!("{reason}, where 201 was due"))
            }
            status => SfuError::Refused {
                sfu,
                request: self.request,
                code: i64::from(status.as_u16()),
                reason,
            },
        }
    }

    /// Why there is no answer at all.
    pub(super) fn failure(&self, failure: Failure) -> SfuError {
        let sfu = self.sfu.to_owned();
        match failure {
            Failure::Unreachable(reason) => SfuError::Unreachable {
                sfu,
                url: self.endpoint.origin().ascii_serialization(),
                reason,
            },
            Failure::Late => SfuError::Timeout {
                sfu,
                request: self.request,
                after: self.patience,
            },
            Failure::Nonsense(reason) => self.nonsense(&reason),
        }
    }

    fn nonsense(&self, reason: &str) -> SfuError {
        SfuError::Nonsense {
            sfu: self.sfu.to_owned(),
            request: self.request,
            reason: reason.to_owned(),
        }
    }

    /// Status and, where the server says more in a line of text, that.
    fn reason(&self, reply: &Reply) -> String {
        let said = ["text/plain", "application/json", "application/problem+json"];
        let said = said.into_iter().find_map(|kind| reply.text_of(kind));
        wire::reason(reply.status, said.unwrap_or_default(), self.token)
    }
}

/// The STUN server that `Link` names (RFC 9725 section 4.6), as GStreamer writes it.
pub(super) fn stun(reply: &Reply) -> Option<String> {
    let links = reply.headers.get_all(header::LINK).iter();
    let values = links.filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).find_map(|link| {
        let (target, params) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_server = params.split(';').any(|param| {
            let (name, value) = param.split_once('=').unwrap_or((param, ""));
            let rel = name.trim().eq_ignore_ascii_case("rel");
            rel && value.trim().trim_matches('"') == "ice-server"
        });
        let server = target.strip_prefix("stun:").filter(|_| is_server)?;
        let server = server.split('?').next()?;
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        let named = !server.is_empty() && server.chars().all(fits);
        let port = server
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        named.then(|| match port {
            true => format!("stun://{server}"),
            false => format!("stun://{server}:3478"),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderMap, HeaderName, HeaderValue};
    use std::time::Duration;

    fn reply(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Reply {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        Reply {
            url: "https://sfu.example/whip/lobby?key=k".parse().unwrap(),
            status: StatusCode::from_u16(status).unwrap(),
            headers: all,
            body: body.as_bytes().to_vec(),
        }
    }

    fn posted(reply: &Reply) -> Result<Posted, SfuError> {
        let token = SecretString::from("sesame".to_owned());
        let about = About {
            sfu: "main",
            room: "lobby",
            token: Some(&token),
            request: "whip",
            endpoint: &reply.url,
            patience: Duration::from_secs(5),
        };
        about.posted(reply)
    }

    const IS_SDP: (&str, &str) = ("content-type", "application/sdp");

    #[test]
    fn a_session_is_where_its_location_says() {
        let links = [
            IS_SDP,
            ("location", "/session/7"),
            ("etag", "\"one\""),
            (
                "link",
                "<turn:t.example?transport=udp>; rel=\"ice-server\"; username=\"u\"",
            ),
            (
                "link",
                "<stun:s.example>; rel=\"next\", <stun:stun.example:3479>; rel=ice-server",
            ),
        ];
        let Ok(Posted::Answered(made)) = posted(&reply(201, &links, "v=0\r\n")) else {
            panic!("it is a session");
        };
        assert_eq!(made.url.as_str(), "https://sfu.example/session/7");
        assert_eq!(made.etag.as_deref(), Some("\"one\""));
        assert_eq!(made.stun.as_deref(), Some("stun://stun.example:3479"));
        assert!(made.patches);
    }

    #[test]
    fn a_counter_offer_is_one() {
        let headers = [IS_SDP, ("location", "https://other.example/session/7")];
        let counter = posted(&reply(406, &headers, "v=0\r\n")).unwrap();
        assert!(matches!(&counter, Posted::Counter(made) if made.url.path() == "/session/7"));
        assert_eq!(posted(&reply(406, &[], "")).unwrap(), Posted::NotAcceptable);
    }

    #[test]
    fn each_refusal_has_its_answer_for_the_phone() {
        for (status, code, label) in [
            (401, 403, "forbidden"),
            (403, 403, "forbidden"),
            (404, 404, "no_such_room"),
            (410, 404, "no_such_room"),
            (409, 486, "full"),
            (429, 486, "full"),
            (400, 503, "refused"),
            (422, 503, "refused"),
            (500, 503, "refused"),
            (503, 503, "refused"),
            (204, 503, "nonsense"),
            (302, 503, "nonsense"),
        ] {
            let error = posted(&reply(status, &[], "")).unwrap_err();
            assert_eq!((error.sip_code(), error.label()), (code, label), "{status}");
        }
    }

    #[test]
    fn nonsense_is_called_so() {
        let place = ("location", "/session/7");
        for (headers, body) in [
            (vec![IS_SDP], "v=0\r\n"),
            (vec![place], "v=0\r\n"),
            (vec![IS_SDP, place], "<html>"),
            (
                vec![IS_SDP, ("location", "http://sfu.example/7")],
                "v=0\r\n",
            ),
            (
                vec![IS_SDP, ("location", "mailto:me@sfu.example")],
                "v=0\r\n",
            ),
        ] {
            let error = posted(&reply(201, &headers, body)).unwrap_err();
            assert_eq!(error.label(), "nonsense", "{headers:?} {body:?}");
        }
    }

    #[test]
    fn a_servers_words_are_one_line_without_the_token() {
        let kind = ("content-type", "application/json");
        let body = r#"{"error":"no token \"sesame\"\nhere","code":7}"#;
        let error = posted(&reply(403, &[kind], body)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the SFU main does not let us in: 403 Forbidden: no token \"***\" here"
        );
        let long = "x".repeat(10_000);
        let error = posted(&reply(500, &[("content-type", "text/plain")], &long)).unwrap_err();
        assert!(error.to_string().len() < 300);
    }
}
