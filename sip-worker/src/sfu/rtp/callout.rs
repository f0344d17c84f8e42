// SPDX-License-Identifier: MPL-2.0
//! The operator's server is asked: what it answers, and what that means to a call.

use std::fmt::Display;
use std::net::IpAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use hyper::Response;
use hyper::body::Incoming;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use sip_ua::agent::Tls;
use tokio::time::timeout;
use url::Url;

use super::http::Server;
use super::message::{ATTRIBUTES, DATA, Request, Who};
use crate::sfu::SfuError;
use crate::sfu::wire::{self, Failure};

/// Longer answers, and longer lines of news, are nonsense.
pub(super) const LONGEST: usize = 1 << 20;

/// Whom to ask.
#[derive(Clone, Debug)]
pub struct CallOut {
    /// `http://HOST:PORT/PATH`, or `https:` of the same form
    pub url: Url,
    /// What lets us ask.
    pub token: Option<SecretString>,
    /// Whose word counts for the certificate of an `https:`.
    pub tls: Tls,
    /// How long an answer may take.
    pub patience: Duration,
}

/// Asks.
pub(super) struct Caller {
    sfu: String,
    config: CallOut,
    server: Server,
    advertise: Option<IpAddr>,
}

impl Caller {
    pub(super) fn new(sfu: &str, config: CallOut, advertise: Option<IpAddr>) -> Caller {
        Caller {
            sfu: sfu.to_owned(),
            server: Server::new(
                config.url.clone(),
                config.token.as_ref(),
                config.tls.clone(),
            ),
            config,
            advertise,
        }
    }

    pub(super) fn sfu(&self) -> String {
        self.sfu.clone()
    }

    pub(super) fn nonsense(&self, request: &'static str, reason: impl Display) -> SfuError {
        SfuError::Nonsense {
            sfu: self.sfu(),
            request,
            reason: reason.to_string(),
        }
    }

    fn failed(&self, request: &'static str, failure: Failure) -> SfuError {
        match failure {
            Failure::Unreachable(reason) => SfuError::Unreachable {
                sfu: self.sfu(),
                url: self.config.url.origin().ascii_serialization(),
                reason,
            },
            Failure::Late => self.late(request),
            Failure::Nonsense(reason) => self.nonsense(request, reason),
        }
    }

    fn late(&self, request: &'static str) -> SfuError {
        SfuError::Timeout {
            sfu: self.sfu(),
            request,
            after: self.config.patience,
        }
    }

    /// Does what is asked, in time.
    pub(super) async fn in_time<T>(
        &self,
        request: &'static str,
        asked: impl Future<Output = Result<T, SfuError>>,
    ) -> Result<T, SfuError> {
        let asked = timeout(self.config.patience, asked).await;
        asked.map_err(|_| self.late(request))?
    }

    /// Is anybody there?
    pub(super) async fn check(&self) -> Result<(), SfuError> {
        self.reached("connect", self.server.reach()).await
    }

    /// By which address the SFU is to reach sockets that are bound to any of this kind (IPv4, IPv6): unless we are
    /// told, by that from which packets leave for its server.
    pub(super) async fn local(&self, bound: IpAddr) -> Result<IpAddr, SfuError> {
        match self.advertise {
            Some(advertised) => Ok(advertised),
            None => {
                let found = self.server.address_towards(bound);
                self.reached("resolve", found).await
            }
        }
    }

    async fn reached<T>(
        &self,
        request: &'static str,
        reached: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, SfuError> {
        let reached = async {
            reached
                .await
                .map_err(|failure| self.failed(request, failure))
        };
        self.in_time(request, reached).await
    }

    /// Asks; the answer is a success, and its body still to come.
    pub(super) async fn open(&self, request: &Request<'_>) -> Result<Response<Incoming>, SfuError> {
        let action = request.action;
        let json = serde_json::to_string(request).map_err(|why| self.nonsense(action, why))?;
        let asked = async {
            let answer = self.server.post(json).await;
            let answer = answer.map_err(|failure| self.failed(action, failure))?;
            match answer.status().as_u16() {
                200..300 => Ok(answer),
                status => {
                    let reason = self.reason(answer).await;
                    Err(self.refusal(request, status, reason))
                }
            }
        };
        self.in_time(action, asked).await
    }

    /// Asks, and reads all of the answer.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        request: &Request<'_>,
    ) -> Result<T, SfuError> {
        let answer = self.open(request).await?;
        let read = async {
            let body = self.whole(request.action, answer).await?;
            let read = serde_json::from_slice(&body);
            read.map_err(|why| self.nonsense(request.action, wire::told_wrong(&why)))
        };
        self.in_time(request.action, read).await
    }

    /// Tells; whatever a success says is not looked at.
    pub(super) async fn tell(&self, request: &Request<'_>) -> Result<(), SfuError> {
        self.open(request).await.map(drop)
    }

    pub(super) async fn whole(
        &self,
        request: &'static str,
        answer: Response<Incoming>,
    ) -> Result<Vec<u8>, SfuError> {
        let body = to_bytes(Body::new(answer.into_body()), LONGEST).await;
        let body = body.map_err(|why| self.nonsense(request, why))?;
        Ok(body.to_vec())
    }

    /// What a refusal says of itself, best in its `error`.
    async fn reason(&self, answer: Response<Incoming>) -> String {
        let status = answer.status();
        let body = self.whole("error", answer).await.unwrap_or_default();
        let said = String::from_utf8(body).unwrap_or_default();
        wire::reason(status, &said, self.config.token.as_ref())
    }

    fn refusal(&self, request: &Request<'_>, status: u16, reason: String) -> SfuError {
        let (sfu, room) = (self.sfu(), request.room.to_owned());
        match (status, request.track) {
            (501, _) if matches!(request.action, DATA | ATTRIBUTES) => SfuError::Unsupported {
                sfu,
                what: "pass that on: its server says so",
            },
            (401 | 403, _) => SfuError::Forbidden { sfu, reason },
            (404, Some(track)) => SfuError::NoSuchTrack {
                sfu,
                track: track.to_owned(),
            },
            (404, None) => SfuError::NoSuchRoom {
                sfu,
                room,
                detail: reason,
            },
            (409, _) => SfuError::Taken {
                sfu,
                room,
                participant: match &request.participant {
                    Who::Whole { id, .. } | Who::Id(id) => (*id).to_owned(),
                },
            },
            (429, _) => SfuError::Full { sfu, room, reason },
            _ => SfuError::Refused {
                sfu,
                request: request.action,
                code: status.into(),
                reason,
            },
        }
    }
}
