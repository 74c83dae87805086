//! What an operator does. All of it is recorded with who and from where.

use super::error::Problem;
use super::reads::{known, no_node};
use super::shape::{MaxChanged, MaxWish, PauseWish, UnlockWish};
use crate::desk::Desk;
use crate::object::Object;
use crate::operator::Operator;
use crate::reading::read_body;
use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use http::StatusCode;
use reboot_core::id::{GroupName, NodeName};
use reboot_core::write::Write;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Change the number of slots; whoever holds keeps its slot
#[utoipa::path(put, path = "/api/v1/groups/{group}/max",
    params(("group" = String, Path, pattern = "^[a-zA-Z0-9.-]{1,253}$")),
    request_body = MaxWish, responses(
    (status = 200, body = MaxChanged),
    (status = 400, body = Problem, description = "not what the document says"),
    (status = 404, body = Problem, description = "there is no such group"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn set_max(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(group): Path<String>,
    body: Body,
) -> Result<Json<MaxChanged>, Problem> {
    let group = GroupName::new(group)?;
    let wish: MaxWish = read(&desk, body).await?;
    let (old, new) = operator.set_max(&desk, group, wish.max).await?;
    Ok(Json(MaxChanged { old, new }))
}

/// Stop a group: no claim and no reboot begins
#[utoipa::path(post, path = "/api/v1/groups/{group}/pause",
    params(("group" = String, Path, pattern = "^[a-zA-Z0-9.-]{1,253}$")),
    request_body = PauseWish, responses(
    (status = 204, description = "paused"),
    (status = 400, body = Problem, description = "not what the document says"),
    (status = 409, body = Problem, description = "its end is over already"),
    (status = 404, body = Problem, description = "there is no such group"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn pause_group(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(group): Path<String>,
    body: Body,
) -> Result<StatusCode, Problem> {
    let group = GroupName::new(group)?;
    let wish: PauseWish = read(&desk, body).await?;
    known(&desk, &group).await?;
    let (why, until) = (wish.reason, wish.until);
    operator.pause(&desk, Some(group), why, until).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let a group go on
#[utoipa::path(post, path = "/api/v1/groups/{group}/resume",
    params(("group" = String, Path, pattern = "^[a-zA-Z0-9.-]{1,253}$")),
    responses(
    (status = 204, description = "it goes on"),
    (status = 400, body = Problem, description = "no name of a group"),
    (status = 404, body = Problem, description = "there is no such group"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn resume_group(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(group): Path<String>,
) -> Result<StatusCode, Problem> {
    let group = GroupName::new(group)?;
    operator.resume(&desk, Some(group)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Keep one node from a slot, and from going down under one it has
///
/// One that is down already comes back all the same.
#[utoipa::path(post, path = "/api/v1/groups/{group}/nodes/{node}/hold-back",
    params(("group" = String, Path, pattern = "^[a-zA-Z0-9.-]{1,253}$"),
        ("node" = String, Path, pattern = "^[!-.0-~]{1,253}$")),
    request_body = PauseWish, responses(
    (status = 204, description = "held back"),
    (status = 400, body = Problem, description = "not what the document says"),
    (status = 404, body = Problem, description = "there is no such group"),
    (status = 409, body = Problem, description = "its end is over, or too many are held back"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn hold_back(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path((group, node)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, Problem> {
    let whom = (GroupName::new(group)?, NodeName::new(node)?);
    let wish: PauseWish = read(&desk, body).await?;
    known(&desk, &whom.0).await?;
    let (why, until) = (wish.reason, wish.until);
    operator.hold_back(&desk, whom, why, until).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hold a node back no longer; one that is not held back may be let go too
#[utoipa::path(post, path = "/api/v1/groups/{group}/nodes/{node}/let-go",
    params(("group" = String, Path, pattern = "^[a-zA-Z0-9.-]{1,253}$"),
        ("node" = String, Path, pattern = "^[!-.0-~]{1,253}$")),
    responses(
    (status = 204, description = "nothing holds it back"),
    (status = 400, body = Problem, description = "no name of a group, or none of a node"),
    (status = 404, body = Problem, description = "there is no such group"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn let_go(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path((group, node)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let whom = (GroupName::new(group)?, NodeName::new(node)?);
    operator.let_go(&desk, whom).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End the hold of a node that is gone for good, or well
///
/// The node may still go down late: be sure that it is off, or well, first.
#[utoipa::path(post, path = "/api/v1/groups/{group}/holds/{number}/unlock",
    params(("group" = String, Path, pattern = "^[a-zA-Z0-9.-]{1,253}$"), ("number" = u64, Path)),
    request_body = UnlockWish, responses(
    (status = 204, description = "its slot is free"),
    (status = 400, body = Problem, description = "not what the document says"),
    (status = 404, body = Problem, description = "there is no such group or hold"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn unlock(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path((group, number)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, Problem> {
    let group = GroupName::new(group)?;
    let number = number.parse().map_err(|_| {
        Problem::bad_request(format!("{number:?} is no hold's number: see who holds"))
    })?;
    let wish: UnlockWish = read(&desk, body).await?;
    operator.unlock(&desk, group, number, wish.reason).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stop the whole fleet: no claim and no reboot begins
#[utoipa::path(post, path = "/api/v1/pause", request_body = PauseWish, responses(
    (status = 204, description = "paused"),
    (status = 400, body = Problem, description = "not what the document says"),
    (status = 409, body = Problem, description = "its end is over already"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn pause_fleet(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    body: Body,
) -> Result<StatusCode, Problem> {
    let wish: PauseWish = read(&desk, body).await?;
    operator.pause(&desk, None, wish.reason, wish.until).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let the fleet go on; groups that are paused by themselves stay so
#[utoipa::path(post, path = "/api/v1/resume", responses(
    (status = 204, description = "it goes on"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn resume_fleet(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
) -> Result<StatusCode, Problem> {
    operator.resume(&desk, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget a node that was removed: its record blocks the others no longer
#[utoipa::path(delete, path = "/api/v1/nodes/{node}",
    params(("node" = String, Path, pattern = "^[!-.0-~]{1,253}$")), responses(
    (status = 204, description = "forgotten"),
    (status = 400, body = Problem, description = "no name of a node"),
    (status = 404, body = Problem, description = "it has never reported"),
    (status = 409, body = Problem, description = "it is there, or holds a slot"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn forget(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(node): Path<String>,
) -> Result<StatusCode, Problem> {
    let node = NodeName::new(node)?;
    let fleet = desk.view().fresh().await?.fleet;
    let entry = fleet.nodes.get(&node).ok_or_else(|| no_node(&node))?;
    let is_there = entry.is_fresh || !fleet.presences_of(&node).is_empty();
    if let Some((group, hold)) = fleet.holds_of(&node).next() {
        let number = hold.number;
        return Err(Problem::conflict(format!(
            "{node} holds slot number {number} of group {group}: unlock that first"
        )));
    }
    if is_there {
        return Err(Problem::conflict(format!(
            "{node} is alive: stop its daemon first"
        )));
    }
    operator.commit(&desk, Write::Forget { node }).await?;
    Ok(StatusCode::NO_CONTENT)
}

// === what they have in common ===

pub(super) async fn read<T: DeserializeOwned>(desk: &Desk, body: Body) -> Result<T, Problem> {
    let body = read_body(body, &desk.settings().limits).await?;
    let read = serde_json::from_slice(&body).map(|Object(read)| read);
    read.map_err(|error| {
        Problem::bad_request(format!("the body is not what the document says: {error}"))
    })
}
