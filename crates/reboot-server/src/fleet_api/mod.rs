//! The fleet API: what an operator's programs see and do. It is described by the OpenAPI document
//! that it serves itself.

mod deeds;
mod document;
mod error;
mod events;
mod orders;
mod reads;
mod shape;

pub(crate) use error::Problem;

use crate::desk::Desk;
use crate::doors::{KnownBy, Who};
use axum::extract::State;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use std::sync::Arc;
use utoipa::OpenApi;
use utoipa::openapi::ServerBuilder;

/// What schema-driven programs read.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "clusterrebootd fleet API",
        description = "Who reboots, who waits and why; and what an operator does about it. Any \
                       other method of a path is answered 405, with those there are in Allow.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        reads::fleet,
        reads::groups,
        reads::group,
        reads::history,
        reads::nodes,
        reads::node,
        events::events,
        deeds::set_max,
        deeds::pause_group,
        deeds::resume_group,
        deeds::hold_back,
        deeds::let_go,
        deeds::unlock,
        deeds::pause_fleet,
        deeds::resume_fleet,
        deeds::forget,
        orders::order,
        orders::cancel,
        document::lock,
        document::unlock,
    )
)]
struct Document;

/// All of it, under `/api/v1`.
pub(crate) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/api/v1/openapi.json", get(document))
        .route("/api/v1/fleet", get(reads::fleet))
        .route("/api/v1/groups", get(reads::groups))
        .route("/api/v1/groups/{group}", get(reads::group))
        .route("/api/v1/groups/{group}/history", get(reads::history))
        .route("/api/v1/groups/{group}/max", put(deeds::set_max))
        .route("/api/v1/groups/{group}/pause", post(deeds::pause_group))
        .route("/api/v1/groups/{group}/resume", post(deeds::resume_group))
        .route(
            "/api/v1/groups/{group}/nodes/{node}/hold-back",
            post(deeds::hold_back),
        )
        .route(
            "/api/v1/groups/{group}/nodes/{node}/let-go",
            post(deeds::let_go),
        )
        .route(
            "/api/v1/groups/{group}/holds/{number}/unlock",
            post(deeds::unlock),
        )
        .route("/api/v1/pause", post(deeds::pause_fleet))
        .route("/api/v1/resume", post(deeds::resume_fleet))
        .route("/api/v1/nodes", get(reads::nodes))
        .route(
            "/api/v1/nodes/{node}",
            get(reads::node).delete(deeds::forget),
        )
        .route(
            "/api/v1/nodes/{node}/reboot",
            post(orders::order).delete(orders::cancel),
        )
        .route("/api/v1/events", get(events::events))
}

async fn document(State(desk): State<Arc<Desk>>, who: Who) -> Json<utoipa::openapi::OpenApi> {
    let mut document = Document::openapi();
    document::complete(&mut document, who.known_by != KnownBy::Nothing);
    let base = match desk.settings().base_path.as_str() {
        "" => "/".to_owned(),
        base => base.to_owned(),
    };
    document.servers = Some(vec![ServerBuilder::new().url(base).build()]);
    Json(document)
}
