//! Whether the server lives, and whether it can serve.

use crate::desk::Desk;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use std::sync::Arc;

/// `/healthz`, `/-/healthy` and `/readyz`.
pub(crate) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/healthz", get(alive))
        .route("/-/healthy", get(alive))
        .route("/readyz", get(ready))
}

/// It answers: it lives. A store that is away is no reason to restart the server.
async fn alive() -> &'static str {
    "ok\n"
}

async fn ready(State(desk): State<Arc<Desk>>) -> (StatusCode, String) {
    match desk.view().recent().await {
        Ok(_) => (StatusCode::OK, "ok\n".to_owned()),
        Err(refused) => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{}\n", refused.value),
        ),
    }
}
