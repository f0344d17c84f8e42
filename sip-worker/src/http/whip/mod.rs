// SPDX-License-Identifier: MPL-2.0
//! WHIP (RFC 9725) and WHEP: browsers and other programs speak and listen in rooms of the embedded SFU, with
//! one request for an offer and its answer.
//!
//! - [`rules`]: what a request asks for, and why it is refused; [`fragment`]: what a PATCH brings
//! - [`desk`]: the sessions that are up
//!
//! Whoever speaks by WHIP may name that session to WHEP (`?participant=`), and hears as the same participant,
//! everybody but themselves.

mod desk;
mod fragment;
mod rules;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::guard::Admitted;
use super::room_token::Pass;
use super::{Service, ice, text};
use crate::problem::Problem;
use crate::sfu::embedded::{Embedded, Stay};
use crate::sfu::{Participant, Published, Session as _, SfuError};
use crate::worker::Worker;
pub use desk::{Desk, Endpoint};
use desk::{Session, Told, new_etag};
use fragment::Fragment;
use rules::Change;
pub(in crate::http) use rules::refusal;

/// Who somebody is that does not say.
const SPEAKER: &str = "Guest";
const LISTENER: &str = "Listener";

type Outcome = Result<Response, Problem>;

/// What may stand behind the `?` of a POST.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manner {
    /// What the others see.
    name: Option<String>,
    /// A WHIP session, to listen as the same participant.
    participant: Option<String>,
}

/// A POST that may be answered: who comes to which room, with which offer.
pub struct Visit {
    worker: Arc<Worker>,
    desk: Desk,
    room: String,
    manner: Manner,
    offer: String,
}

impl FromRequest<Service> for Visit {
    type Rejection = Response;

    async fn from_request(request: Request, service: &Service) -> Result<Visit, Response> {
        let (mut parts, body) = request.into_parts();
        let room = Path::<String>::from_request_parts(&mut parts, service).await;
        let Path(room) = room.map_err(IntoResponse::into_response)?;
        let manner = Query::<Manner>::from_request_parts(&mut parts, service).await;
        let Query(mut manner) = manner.map_err(IntoResponse::into_response)?;
        if let Some(Admitted::Room(Pass {
            name: Some(name), ..
        })) = parts.extensions.get()
        {
            manner.name = Some(name.clone());
        }
        let headers = parts.headers.clone();
        let body = Bytes::from_request(Request::from_parts(parts, body), service).await;
        let body = body.map_err(IntoResponse::into_response)?;
        let offer = offer(&room, &headers, &body).map_err(IntoResponse::into_response)?;
        Ok(Visit {
            offer: offer.to_owned(),
            worker: service.worker.clone(),
            desk: service.desk.clone(),
            room,
            manner,
        })
    }
}

/// `POST /whip/{room}`
pub async fn speak(visit: Visit) -> Outcome {
    if visit.manner.participant.is_some() {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "whoever speaks is a participant of their own",
            "leave 'participant' to WHEP",
        ));
    }
    let (stay, told) = visit.enter(SPEAKER).await?;
    let published = stay.publish(&visit.offer).await;
    visit
        .created(Endpoint::Whip, (stay, told), published, true)
        .await
}

/// `POST /whep/{room}`
pub async fn listen(visit: Visit) -> Outcome {
    let (who, owns) = match &visit.manner.participant {
        Some(id) => {
            let speaker = visit.desk.speaker(&visit.room, id);
            (speaker.ok_or_else(no_such_session)?, false)
        }
        None => (visit.enter(LISTENER).await?, true),
    };
    let published = who.0.listen(&visit.offer).await;
    visit.created(Endpoint::Whep, who, published, owns).await
}

/// `OPTIONS /whip/{room}` and `/whep/{room}`: what a POST may bring (RFC 9725 section 4.2).
pub async fn options() -> impl IntoResponse {
    (StatusCode::NO_CONTENT, [("accept-post", rules::SDP)])
}

/// `PATCH /whip/{room}/{id}` and `/whep/{room}/{id}`
pub async fn change(
    State(desk): State<Desk>,
    OriginalUri(uri): OriginalUri,
    Path((room, id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Outcome {
    let session = session(&desk, &uri, &room, &id)?;
    match rules::change(&headers, &session.etag, &body)? {
        Change::Trickle(fragment) => {
            for candidate in &fragment.candidates {
                let trickled = session.stay.trickle(&session.connection, Some(candidate));
                trickled.await.map_err(|error| rules::refusal(&error))?;
            }
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        Change::Restart(restart) => {
            let restarted = session.stay.restart(&session.connection, restart).await;
            let ours = restarted.map_err(|error| rules::refusal(&error))?;
            let headers = [
                (header::CONTENT_TYPE, rules::SDPFRAG.to_owned()),
                (header::ETAG, desk.restarted(&id)),
            ];
            let body = Fragment::restarted(&ours.credentials, &ours.candidates);
            Ok((StatusCode::OK, headers, body).into_response())
        }
    }
}

/// `DELETE /whip/{room}/{id}` and `/whep/{room}/{id}`
pub async fn end(
    State(desk): State<Desk>,
    OriginalUri(uri): OriginalUri,
    Path((room, id)): Path<(String, String)>,
) -> Outcome {
    let session = session(&desk, &uri, &room, &id)?;
    desk.remove(&id);
    if session.owns {
        session.stay.leave().await;
    } else {
        // It may have ended meanwhile, which is as well.
        let _ = session.stay.close(&session.connection).await;
    }
    Ok(StatusCode::OK.into_response())
}

fn session(desk: &Desk, uri: &Uri, room: &str, id: &str) -> Result<Session, Problem> {
    let endpoint = match uri.path().starts_with("/whip/") {
        true => Endpoint::Whip,
        false => Endpoint::Whep,
    };
    desk.get(endpoint, room, id).ok_or_else(no_such_session)
}

/// The SFU whose rooms these are.
pub(super) fn embedded(worker: &Worker) -> Result<&Arc<Embedded>, Problem> {
    worker.embedded().ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "this worker has no rooms of its own",
            "configure an [[sfu]] of kind \"embedded\"",
        )
    })
}

fn offer<'a>(room: &str, headers: &HeaderMap, body: &'a [u8]) -> Result<&'a str, Problem> {
    text::name("room", room)?;
    rules::offered(headers)?;
    std::str::from_utf8(body).map_err(|error| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("the offer is no text: {error}"),
            "send SDP (RFC 8866)",
        )
    })
}

fn named(name: Option<&str>, otherwise: &str) -> Result<Participant, Problem> {
    let name = name.filter(|name| !name.trim().is_empty());
    let name = text::one_line("name", name.unwrap_or(otherwise))?;
    Ok(Participant {
        name: name.to_owned(),
        ..Participant::default()
    })
}

impl Visit {
    async fn enter(&self, otherwise: &str) -> Result<(Arc<Stay>, Told), Problem> {
        let who = named(self.manner.name.as_deref(), otherwise)?;
        let entered = embedded(&self.worker)?.enter(&self.room, who).await;
        let (stay, events) = entered.map_err(|error| rules::refusal(&error))?;
        let told = self.desk.follow(&stay, events);
        Ok((stay, told))
    }

    /// Answers once the SFU has; who came with the session goes with it where it `owns` them.
    async fn created(
        &self,
        endpoint: Endpoint,
        (stay, told): (Arc<Stay>, Told),
        published: Result<Published, SfuError>,
        owns: bool,
    ) -> Outcome {
        let published = published.map_err(|error| rules::refusal(&error))?;
        let etag = new_etag();
        let taken_in = self.desk.insert(Session {
            endpoint,
            room: self.room.clone(),
            stay,
            told,
            connection: published.connection,
            owns,
            etag: etag.clone(),
        });
        let id = taken_in.await.ok_or_else(|| {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the session was over as soon as it was there",
                "try again",
            )
        })?;
        let location = format!("/{}/{}/{id}", endpoint.name(), self.room);
        let headers = [
            (header::CONTENT_TYPE, rules::SDP.to_owned()),
            (header::LOCATION, location),
            (header::ETAG, etag),
            (header::CACHE_CONTROL, "no-store".to_owned()),
        ];
        let accepts = [("accept-patch", rules::SDPFRAG)];
        let created = (StatusCode::CREATED, headers, accepts, published.answer);
        let mut response = created.into_response();
        for server in ice::servers(&self.worker.config.ice) {
            if let Some(link) = server.link() {
                response.headers_mut().append(header::LINK, link);
            }
        }
        Ok(response)
    }
}

pub(super) fn no_such_session() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "there is no such session (any more)",
        "begin one with a POST to its room",
    )
}
