//! Asking a node to reboot.

use super::deeds::read;
use super::error::Problem;
use super::shape::OrderWish;
use crate::desk::Desk;
use crate::operator::Operator;
use axum::body::Body;
use axum::extract::{Path, State};
use http::StatusCode;
use reboot_core::id::NodeName;
use std::sync::Arc;

/// Ask a node to reboot, now or at a time, in place of what was asked before
///
/// It passes every gate like any other reboot: windows, health, cooldown, pauses, a free slot.
/// Whatever reboot it has from now on fulfils it.
#[utoipa::path(post, path = "/api/v1/nodes/{node}/reboot",
    params(("node" = String, Path, pattern = "^[!-.0-~]{1,253}$")),
    request_body = OrderWish, responses(
    (status = 204, description = "it is asked"),
    (status = 400, body = Problem, description = "not what the document says"),
    (status = 404, body = Problem, description = "it has never reported"),
    (status = 409, body = Problem, description = "it runs no daemon that can be asked"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn order(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(node): Path<String>,
    body: Body,
) -> Result<StatusCode, Problem> {
    let node = NodeName::new(node)?;
    let wish: OrderWish = read(&desk, body).await?;
    operator
        .order(&desk, &node, wish.reason, wish.not_before)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take back what was asked; of a node of which nothing is asked too
///
/// One that is past the last gate goes down all the same.
#[utoipa::path(delete, path = "/api/v1/nodes/{node}/reboot",
    params(("node" = String, Path, pattern = "^[!-.0-~]{1,253}$")), responses(
    (status = 204, description = "nothing is asked of it"),
    (status = 400, body = Problem, description = "no name of a node"),
    (status = 409, body = Problem, description = "another order came meanwhile"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn cancel(
    State(desk): State<Arc<Desk>>,
    operator: Operator,
    Path(node): Path<String>,
) -> Result<StatusCode, Problem> {
    operator.cancel_order(&desk, &NodeName::new(node)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
