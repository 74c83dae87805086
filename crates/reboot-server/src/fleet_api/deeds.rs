//! What an operator does. All of it is recorded with who and from where.

use super::error::Problem;
use super::reads::{no_group, no_node};
use super::shape::{MaxChanged, MaxWish, PauseWish, UnlockWish};
use crate::clock::time_of_day;
use crate::desk::Desk;
use crate::peer::Peer;
use crate::reading::read_body;
use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use http::StatusCode;
use jiff::Timestamp;
use reboot_core::boot::BootIdentity;
use reboot_core::group::{Action, Identity, Pause, Reply, Request};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, RequestId, SessionId};
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::Store;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use uuid::Uuid;

/// The longest reason, in characters.
const REASON_MAX: usize = 1_000;

/// Change the number of slots; whoever holds keeps its slot
#[utoipa::path(put, path = "/api/v1/groups/{group}/max", params(("group" = String, Path, pattern = "^[a-zA-Z0-9.-]{1,253}$")),
    request_body = MaxWish, responses(
    (status = 200, body = MaxChanged),
    (status = 400, body = Problem, description = "not what the document says"),
    (status = 404, body = Problem, description = "there is no such group"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn set_max(
    State(desk): State<Arc<Desk>>,
    Extension(peer): Extension<Peer>,
    Path(group): Path<String>,
    body: Body,
) -> Result<Json<MaxChanged>, Problem> {
    let group = GroupName::new(group)?;
    let wish: MaxWish = read(&desk, body).await?;
    let action = Action::SetMax {
        max: wish.max,
        by: who(&peer),
    };
    match ask(&desk, group, action).await? {
        Reply::MaxChanged { old, new } => Ok(Json(MaxChanged { old, new })),
        _ => Err(odd()),
    }
}

/// Stop a group: no claim and no reboot begins
#[utoipa::path(post, path = "/api/v1/groups/{group}/pause", params(("group" = String, Path, pattern = "^[a-zA-Z0-9.-]{1,253}$")),
    request_body = PauseWish, responses(
    (status = 204, description = "paused"),
    (status = 400, body = Problem, description = "not what the document says"),
    (status = 409, body = Problem, description = "its end is over already"),
    (status = 404, body = Problem, description = "there is no such group"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn pause_group(
    State(desk): State<Arc<Desk>>,
    Extension(peer): Extension<Peer>,
    Path(group): Path<String>,
    body: Body,
) -> Result<StatusCode, Problem> {
    let group = GroupName::new(group)?;
    let wish: PauseWish = read(&desk, body).await?;
    known(&desk, &group).await?;
    let pause = pause(&desk, &peer, wish).await?;
    ask(&desk, group, Action::Pause(pause)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let a group go on
#[utoipa::path(post, path = "/api/v1/groups/{group}/resume", params(("group" = String, Path, pattern = "^[a-zA-Z0-9.-]{1,253}$")),
    responses(
    (status = 204, description = "it goes on"),
    (status = 400, body = Problem, description = "no name of a group"),
    (status = 404, body = Problem, description = "there is no such group"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn resume_group(
    State(desk): State<Arc<Desk>>,
    Extension(peer): Extension<Peer>,
    Path(group): Path<String>,
) -> Result<StatusCode, Problem> {
    let group = GroupName::new(group)?;
    ask(&desk, group, Action::Resume { by: who(&peer) }).await?;
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
    Extension(peer): Extension<Peer>,
    Path((group, number)): Path<(String, String)>,
    body: Body,
) -> Result<StatusCode, Problem> {
    let group = GroupName::new(group)?;
    let number = number.parse().map_err(|_| {
        Problem::bad_request(format!("{number:?} is no hold's number: see who holds"))
    })?;
    let wish: UnlockWish = read(&desk, body).await?;
    let action = Action::Break {
        number,
        by: who(&peer),
        reason: reason(wish.reason)?,
    };
    ask(&desk, group, action).await?;
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
    Extension(peer): Extension<Peer>,
    body: Body,
) -> Result<StatusCode, Problem> {
    let wish: PauseWish = read(&desk, body).await?;
    let pause = pause(&desk, &peer, wish).await?;
    let write = Write::pause_fleet(Some(pause), who(&peer), time_of_day());
    commit(&desk, write).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Let the fleet go on; groups that are paused by themselves stay so
#[utoipa::path(post, path = "/api/v1/resume", responses(
    (status = 204, description = "it goes on"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn resume_fleet(
    State(desk): State<Arc<Desk>>,
    Extension(peer): Extension<Peer>,
) -> Result<StatusCode, Problem> {
    let write = Write::pause_fleet(None, who(&peer), time_of_day());
    commit(&desk, write).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Forget a node that was removed: its record blocks the others no longer
#[utoipa::path(delete, path = "/api/v1/nodes/{node}", params(("node" = String, Path, pattern = "^[!-.0-~]{1,253}$")), responses(
    (status = 204, description = "forgotten"),
    (status = 400, body = Problem, description = "no name of a node"),
    (status = 404, body = Problem, description = "it has never reported"),
    (status = 409, body = Problem, description = "it is there, or holds a slot"),
    (status = 503, body = Problem, description = "the store does not answer"),
))]
pub(super) async fn forget(
    State(desk): State<Arc<Desk>>,
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
    commit(&desk, Write::Forget { node }).await?;
    Ok(StatusCode::NO_CONTENT)
}

// === what they have in common ===

async fn read<T: DeserializeOwned>(desk: &Desk, body: Body) -> Result<T, Problem> {
    let body = read_body(body, &desk.settings().limits).await?;
    serde_json::from_slice(&body).map_err(|error| {
        Problem::bad_request(format!("the body is not what the document says: {error}"))
    })
}

fn reason(text: String) -> Result<String, Problem> {
    let is_told = !text.trim().is_empty();
    match is_told && text.chars().count() <= REASON_MAX {
        true => Ok(text),
        false => Err(Problem::bad_request(format!(
            "say why, in 1 to {REASON_MAX} characters"
        ))),
    }
}

fn who(peer: &Peer) -> String {
    format!("API client at {}", peer.address.ip())
}

async fn known(desk: &Desk, group: &GroupName) -> Result<(), Problem> {
    let fleet = desk.view().recent().await?.fleet;
    let is_known = fleet.groups.contains_key(group);
    is_known.then_some(()).ok_or_else(|| no_group(group))
}

/// The pause; one with an end stands on a lease that nobody renews.
async fn pause(desk: &Desk, peer: &Peer, wish: PauseWish) -> Result<Pause, Problem> {
    let session = match &wish.until {
        Some(until) => Some(open_until(desk, until).await?),
        None => None,
    };
    Ok(Pause {
        by: who(peer),
        reason: reason(wish.reason)?,
        until: wish.until,
        session,
    })
}

async fn open_until(desk: &Desk, until: &str) -> Result<SessionId, Problem> {
    let words = |why: &str| format!("until {until:?}: {why}, such as 2026-12-24T06:00:00Z");
    let at: Result<Timestamp, _> = until.parse();
    let at = at.map_err(|_| Problem::bad_request(words("write a time")))?;
    let left = at.duration_since(Timestamp::now()).as_millis();
    let Some(ttl_ms) = u64::try_from(left).ok().filter(|left| *left > 0) else {
        return Err(Problem::conflict(words(
            "that is over: name a time to come",
        )));
    };
    let session = SessionId::new(format!("pause-{}", Uuid::new_v4()))?;
    let open = Write::OpenSession {
        session: session.clone(),
        identity: Identity {
            node: Pause::keeper(),
            machine_id: MachineId::new("operator")?,
            boot: BootIdentity::of_boot("operator"),
            instance: Instance::new("operator")?,
        },
        ttl_ms,
    };
    commit(desk, open).await?;
    Ok(session)
}

async fn ask(desk: &Desk, group: GroupName, action: Action) -> Result<Reply, Problem> {
    let write = Write::Ask {
        group,
        create_with_max: None,
        request: Request {
            id: RequestId::new(Uuid::new_v4().to_string())?,
            at: time_of_day(),
            action,
        },
    };
    match commit(desk, write).await? {
        Written::Granted(reply) => Ok(reply),
        Written::Done | Written::Ticket(_) => Err(odd()),
    }
}

async fn commit(desk: &Desk, write: Write) -> Result<Written, Trouble> {
    desk.view().write(write).await
}

fn odd() -> Problem {
    Trouble::Broken("the store answered something else: report this".to_owned()).into()
}
