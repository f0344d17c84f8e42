// SPDX-License-Identifier: MPL-2.0
//! A room of the embedded SFU: who is there and which calls are in it, as it changes, and the tokens that
//! open it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::sse::{Event as Line, KeepAlive, Sse};
use axum::{Extension, Json};
use futures_util::stream::{self, Stream};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::guard::Admitted;
use super::room_token::{Pass, Role, RoomTokens};
use super::whip::Desk;
use super::{ice, text, whip};
use crate::calls::{CallInfo, Direction, Event, State as CallState};
use crate::problem::Problem;
use crate::sfu::data::ToldForm;
use crate::sfu::embedded::{PersonView, RoomView};
use crate::sfu::{Session as _, Sfu as _};
use crate::worker::Worker;

/// Who looks at a room.
#[derive(Clone)]
pub struct Onlooker {
    worker: Arc<Worker>,
    sfu: String,
    room: String,
    pass: Pass,
    /// The participant they are themselves.
    me: Option<String>,
}

/// A room as somebody sees it.
#[derive(Serialize)]
pub struct RoomShown<'a> {
    /// What they are called there, and may do.
    you: &'a Pass,
    /// The participant that they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    me: Option<&'a str>,
    /// In the order of their coming.
    participants: Vec<PersonView>,
    /// Running calls, and one that has just ended.
    calls: Vec<RoomCall>,
    /// For a connection with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ice_servers: Vec<ice::Server>,
}

/// A call in a room, as the room may see it: who it is with stands at its participant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RoomCall {
    /// Names it.
    pub id: String,
    /// The participant that the phone is.
    pub participant: String,
    /// Who placed it.
    pub direction: Direction,
    /// Where it stands.
    pub state: CallState,
    /// It rings, and you may accept or decline it.
    pub rings: bool,
    /// The room does not hear the phone, by wish.
    pub muted: bool,
    /// It is on hold, by whichever side.
    pub held: bool,
    /// How long it has been active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// The SIP status that ended it; told to hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// How it ended; told to hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What may stand behind the `?`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Manner {
    /// Who looks, where the token leaves that open.
    pub(super) name: Option<String>,
    /// Their WHIP session.
    pub(super) participant: Option<String>,
}

impl Onlooker {
    /// Whoever has the API's token may do everything a host may, under any name.
    pub(super) fn new(
        worker: Arc<Worker>,
        room: String,
        admitted: Admitted,
        name: Option<String>,
    ) -> Result<Onlooker, Problem> {
        text::name("room", &room)?;
        let pass = match admitted {
            Admitted::Room(pass) => pass,
            Admitted::All | Admitted::Public => Pass {
                role: Role::Host,
                name,
            },
        };
        let sfu = whip::embedded(&worker)?.name().to_owned();
        Ok(Onlooker {
            worker,
            sfu,
            room,
            pass,
            me: None,
        })
    }

    /// A call that is in this room.
    pub(super) fn call(&self, id: &str) -> Result<CallInfo, Problem> {
        let call = self.worker.calls.get(id);
        call.filter(|call| self.is_here(call))
            .ok_or_else(|| Problem::no_such_call(id))
    }

    pub(super) fn shown(&self, call: &CallInfo) -> RoomCall {
        let hosts = self.is_host();
        RoomCall {
            id: call.id.clone(),
            participant: call.participant.clone(),
            direction: call.direction,
            state: call.state,
            rings: self.is_rung(call),
            muted: call.muted,
            held: call.held || call.held_by_phone,
            seconds: call.seconds,
            code: call.code.filter(|_| hosts),
            why: call.why.clone().filter(|_| hosts),
        }
    }

    /// Whether this call rings for them.
    pub(super) fn is_rung(&self, call: &CallInfo) -> bool {
        let name = self.pass.name.as_deref();
        self.is_host() && call.state != CallState::Ended && call.rings_for(name)
    }

    /// Whether they may do something to the room's phones.
    pub(super) fn is_host(&self) -> bool {
        self.pass.role == Role::Host
    }

    pub(super) fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }

    pub(super) fn room(&self) -> &str {
        &self.room
    }

    pub(super) fn sfu(&self) -> &str {
        &self.sfu
    }

    /// As it stands in a sentence.
    pub(super) fn name(&self) -> &str {
        self.pass.name.as_deref().unwrap_or("somebody in the room")
    }

    fn is_here(&self, call: &CallInfo) -> bool {
        call.sfu == self.sfu && call.room == self.room
    }

    async fn watch(&self) -> Result<watch::Receiver<RoomView>, Problem> {
        let watched = whip::embedded(&self.worker)?.watch(&self.room).await;
        watched.map_err(|error| whip::refusal(&error))
    }

    fn sees(&self, view: &RoomView, ended: Option<&CallInfo>) -> RoomShown<'_> {
        let running = self.worker.calls.running_in(&self.sfu, &self.room);
        let calls = running.iter().chain(ended);
        RoomShown {
            you: &self.pass,
            me: self.me.as_deref(),
            participants: view.participants.clone(),
            calls: calls.map(|call| self.shown(call)).collect(),
            ice_servers: Vec::new(),
        }
    }
}

/// What an onlooker waits for.
struct Watched {
    onlooker: Onlooker,
    view: watch::Receiver<RoomView>,
    calls: broadcast::Receiver<Event>,
    /// What they are told as the participant that they are; none where they are none.
    told: Option<broadcast::Receiver<ToldForm>>,
    stopping: watch::Receiver<bool>,
}

impl Watched {
    /// The room after its next change, or what a participant told them; `None` when there are no more.
    async fn next(&mut self) -> Option<Line> {
        let mut ended = None;
        loop {
            tokio::select! {
                // Without this an open stream would keep the server from closing.
                _ = self.stopping.wait_for(|stop| *stop) => return None,
                changed = self.view.changed() => changed.ok()?,
                told = next_told(&mut self.told) => {
                    return Line::default().event("data").json_data(told).ok();
                }
                event = self.calls.recv() => match event {
                    Ok(Event::Call { call }) if self.onlooker.is_here(&call) => {
                        ended = (call.state == CallState::Ended).then_some(call);
                    }
                    Ok(_) => continue,
                    // What was missed shows in what there is.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                },
            }
            let view = self.view.borrow_and_update();
            return Line::default()
                .json_data(self.onlooker.sees(&view, ended.as_deref()))
                .ok();
        }
    }
}

/// What somebody is told next; never anything where they are no participant (any more).
async fn next_told(told: &mut Option<broadcast::Receiver<ToldForm>>) -> ToldForm {
    while let Some(telling) = told {
        match telling.recv().await {
            Ok(said) => return said,
            // What was missed is known to nobody any more.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => *told = None,
        }
    }
    std::future::pending().await
}

/// `GET /v1/rooms/{room}`
pub async fn room(
    State(worker): State<Arc<Worker>>,
    Extension(admitted): Extension<Admitted>,
    Path(room): Path<String>,
    Query(manner): Query<Manner>,
) -> Result<impl IntoResponse, Problem> {
    let onlooker = Onlooker::new(worker, room, admitted, manner.name)?;
    let view = onlooker.watch().await?;
    let mut shown = onlooker.sees(&view.borrow(), None);
    shown.ice_servers = ice::servers(&onlooker.worker.config.ice);
    Ok(Json(json!(shown)))
}

/// `GET /v1/rooms/{room}/events`: the room as it is, again at each change; and what is told to the participant that
/// whoever asks is.
pub async fn events(
    State(worker): State<Arc<Worker>>,
    State(desk): State<Desk>,
    Extension(admitted): Extension<Admitted>,
    Path(room): Path<String>,
    Query(manner): Query<Manner>,
) -> Result<Sse<impl Stream<Item = Result<Line, Infallible>>>, Problem> {
    let mut onlooker = Onlooker::new(worker, room, admitted, manner.name)?;
    let session = manner.participant.as_deref();
    let speaker = session.and_then(|session| desk.speaker(&onlooker.room, session));
    // Whoever looks keeps nobody in the room.
    let (me, told) = speaker
        .map(|(stay, told)| (stay.me().0, told.subscribe()))
        .unzip();
    onlooker.me = me;
    let mut view = onlooker.watch().await?;
    view.mark_changed();
    let watched = Watched {
        view,
        calls: onlooker.worker.calls.subscribe(),
        stopping: onlooker.worker.stopping(),
        told,
        onlooker,
    };
    let lines = stream::unfold(watched, |mut watched| async {
        let line = watched.next().await?;
        Some((Ok(line), watched))
    });
    Ok(Sse::new(lines).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

/// `GET /v1/rooms/{room}/token`: what lets somebody into this room, and do no more than is asked for.
pub async fn token(
    State(worker): State<Arc<Worker>>,
    State(tokens): State<RoomTokens>,
    Path(room): Path<String>,
    Query(pass): Query<Pass>,
) -> Result<impl IntoResponse, Problem> {
    text::name("room", &room)?;
    if let Some(name) = &pass.name {
        text::name("name", name)?;
    }
    whip::embedded(&worker)?;
    let token = tokens.of(&room, &pass);
    let token = token.expose_secret();
    let told = json!({ "token": token, "page": format!("/#room={room}&token={token}") });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(told)))
}
