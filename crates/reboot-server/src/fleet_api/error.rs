//! Why a request to the fleet API has no good answer.

use super::reads::missing_group;
use crate::operator::BadWish;
use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use reboot_core::group::Refusal;
use reboot_core::id::BadName;
use reboot_core::order::CannotOrder;
use reboot_core::write::Trouble;
use serde::Serialize;
use utoipa::ToSchema;

/// An answer that is none.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// What it is, for programs: `bad_request`, `not_found`, `store_unavailable`, or the name of
    /// the rule that refuses.
    kind: String,
    /// What the matter is and what to do, for people.
    value: String,
    #[serde(skip)]
    status: StatusCode,
}

// === impl Problem ===

impl Problem {
    pub(super) fn bad_request(value: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", value)
    }

    pub(super) fn not_found(value: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", value)
    }

    pub(super) fn conflict(value: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", value)
    }

    /// What to say and with which status, for those who do not read JSON.
    pub(crate) fn in_words(self) -> (StatusCode, String) {
        (self.status, self.value)
    }

    fn new(status: StatusCode, kind: &str, value: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            value: value.into(),
            status,
        }
    }
}

impl From<BadName> for Problem {
    fn from(error: BadName) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::NoGroup { .. } | Refusal::NothingToBreak { .. } => StatusCode::NOT_FOUND,
            Refusal::BadMax { .. } => StatusCode::BAD_REQUEST,
            _ => StatusCode::CONFLICT,
        };
        let text = match &refusal {
            Refusal::NoGroup { group } => missing_group(group),
            other => other.to_string(),
        };
        Self::new(status, refusal.kind(), text)
    }
}

impl From<Trouble> for Problem {
    fn from(trouble: Trouble) -> Self {
        let text = trouble.to_string();
        let away = StatusCode::SERVICE_UNAVAILABLE;
        match trouble {
            Trouble::Refused(refusal) => refusal.into(),
            Trouble::Unavailable(_) => Self::new(away, "store_unavailable", text),
            Trouble::Unknown(_) => {
                let text = format!("{text}: it may have been done, look before you ask again");
                Self::new(away, "unknown", text)
            }
            Trouble::Broken(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "broken", text),
        }
    }
}

impl From<BadWish> for Problem {
    fn from(wish: BadWish) -> Self {
        let text = wish.to_string();
        match wish {
            BadWish::Reason(_) | BadWish::Until(_) | BadWish::Time(_) | BadWish::Name(_) => {
                Self::bad_request(text)
            }
            BadWish::Order(CannotOrder::Unknown(_)) => Self::not_found(text),
            BadWish::Order(cannot) => Self::new(StatusCode::CONFLICT, cannot.kind(), text),
            BadWish::Over(_) | BadWish::AskedAnew(..) => Self::conflict(text),
            BadWish::Trouble(trouble) => trouble.into(),
        }
    }
}

impl From<crate::kind::Refused> for Problem {
    fn from(refused: crate::kind::Refused) -> Self {
        Self::new(refused.kind.status(), refused.kind.name(), refused.value)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self)).into_response()
    }
}
