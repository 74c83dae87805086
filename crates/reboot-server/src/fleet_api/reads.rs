//! What can be seen.

use super::error::Problem;
use super::shape::{FleetView, GroupView, HistoryView, NodeView};
use super::shape::{groups as group_views, nodes as node_views};
use crate::desk::Desk;
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use reboot_core::fleet::Fleet;
use reboot_core::id::{GroupName, NodeName};
use reboot_store::Store;
use serde::Deserialize;
use std::sync::Arc;
use utoipa::IntoParams;

/// So many lines of history are answered at once.
const HISTORY_MAX: usize = 10_000;
const HISTORY_USUAL: usize = 100;

/// How much of the history.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Newest {
    /// The newest lines, at most so many.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
}

pub(super) async fn look(desk: &Desk) -> Result<Arc<Fleet>, Problem> {
    Ok(desk.view().current().await?.fleet)
}

/// The whole fleet
#[utoipa::path(get, path = "/api/v1/fleet", responses(
    (status = 200, body = FleetView),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn fleet(State(desk): State<Arc<Desk>>) -> Result<Json<FleetView>, Problem> {
    let fleet = look(&desk).await?;
    Ok(Json(FleetView::of(&fleet, &desk).await))
}

/// Every group
#[utoipa::path(get, path = "/api/v1/groups", responses(
    (status = 200, body = Vec<GroupView>),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn groups(State(desk): State<Arc<Desk>>) -> Result<Json<Vec<GroupView>>, Problem> {
    let fleet = look(&desk).await?;
    Ok(Json(group_views(&fleet, &desk).await))
}

/// One group
#[utoipa::path(get, path = "/api/v1/groups/{group}",
    params(("group" = String, Path, pattern = "^[a-zA-Z0-9.-]{1,253}$")), responses(
    (status = 200, body = GroupView),
    (status = 400, body = Problem, description = "no name of a group"),
    (status = 404, body = Problem, description = "there is no such group"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn group(
    State(desk): State<Arc<Desk>>,
    Path(group): Path<String>,
) -> Result<Json<GroupView>, Problem> {
    let group = GroupName::new(group)?;
    let (fleet, settings) = (look(&desk).await?, desk.settings());
    let groups = settings.groups_of(&fleet);
    let entry = groups.get(&group).ok_or_else(|| no_group(&group))?;
    Ok(Json(GroupView::of(&fleet, &group, entry, &desk).await))
}

/// What happened in a group, oldest first
#[utoipa::path(
    get,
    path = "/api/v1/groups/{group}/history",
    params(("group" = String, Path, pattern = "^[a-zA-Z0-9.-]{1,253}$"), Newest),
    responses(
        (status = 200, body = Vec<HistoryView>),
        (status = 400, body = Problem, description = "no name of a group, or no limit"),
        (status = 404, body = Problem, description = "there is no such group"),
        (status = 503, body = Problem, description = "the store does not answer"),
    )
)]
pub(super) async fn history(
    State(desk): State<Arc<Desk>>,
    Path(group): Path<String>,
    newest: Result<Query<Newest>, QueryRejection>,
) -> Result<Json<Vec<HistoryView>>, Problem> {
    let Query(newest) = newest.map_err(|error| Problem::bad_request(error.body_text()))?;
    let group = GroupName::new(group)?;
    let limit = newest.limit.unwrap_or(HISTORY_USUAL);
    if !(1..=HISTORY_MAX).contains(&limit) {
        let text = format!("limit is {limit}: ask for 1 to {HISTORY_MAX} lines");
        return Err(Problem::bad_request(text));
    }
    known(&desk, &group).await?;
    let lines = desk.view().history(&group, limit).await?;
    Ok(Json(lines.into_iter().map(HistoryView::from).collect()))
}

/// Every node that has reported
#[utoipa::path(get, path = "/api/v1/nodes", responses(
    (status = 200, body = Vec<NodeView>),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn nodes(State(desk): State<Arc<Desk>>) -> Result<Json<Vec<NodeView>>, Problem> {
    Ok(Json(node_views(&*look(&desk).await?)))
}

/// One node
#[utoipa::path(get, path = "/api/v1/nodes/{node}",
    params(("node" = String, Path, pattern = "^[!-.0-~]{1,253}$")), responses(
    (status = 200, body = NodeView),
    (status = 400, body = Problem, description = "no name of a node"),
    (status = 404, body = Problem, description = "it has never reported"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn node(
    State(desk): State<Arc<Desk>>,
    Path(node): Path<String>,
) -> Result<Json<NodeView>, Problem> {
    let node = NodeName::new(node)?;
    let fleet = look(&desk).await?;
    let entry = fleet.nodes.get(&node).ok_or_else(|| no_node(&node))?;
    Ok(Json(NodeView::of(&fleet, &node, entry)))
}

/// Refuses a group that is neither in the store nor in the configuration.
pub(super) async fn known(desk: &Desk, group: &GroupName) -> Result<(), Problem> {
    let (fleet, settings) = (look(desk).await?, desk.settings());
    let is_known = fleet.groups.contains_key(group) || settings.groups.contains_key(group);
    is_known.then_some(()).ok_or_else(|| no_group(group))
}

/// The same on the page and in the API: clients are let in by the configuration, daemons make
/// theirs.
pub(crate) fn missing_group(group: &GroupName) -> String {
    format!(
        "there is no group {group}: name it under groups in the server's configuration; or the \
         first claim of a daemon of it makes it"
    )
}

pub(super) fn no_group(group: &GroupName) -> Problem {
    Problem::not_found(missing_group(group))
}

pub(super) fn no_node(node: &NodeName) -> Problem {
    Problem::not_found(format!("{node} has never reported: is it spelt so?"))
}
