// SPDX-License-Identifier: MPL-2.0
//! What the API says when it does not do what it was asked: `{"error": …, "hint": …}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// HTTP status.
    #[serde(skip)]
    pub status: StatusCode,
    /// What is wrong, in one sentence.
    pub error: String,
    /// What to do about it.
    pub hint: String,
}

impl Problem {
    /// A problem with its remedy.
    pub fn new(status: StatusCode, error: impl Into<String>, hint: impl Into<String>) -> Problem {
        Problem {
            status,
            error: error.into(),
            hint: hint.into(),
        }
    }

    /// There is no such call.
    pub fn no_such_call(id: &str) -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is no call {id:?}"),
            "GET /v1/calls lists them",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}
