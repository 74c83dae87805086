//! Whether the server lives, and whether it can serve.

use crate::desk::Desk;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use std::sync::Arc;

const ALIVE: [&str; 2] = ["/healthz", "/-/healthy"];
const READY: &str = "/readyz";

/// `/healthz`, `/-/healthy` and `/readyz`.
pub(crate) fn routes() -> Router<Arc<Desk>> {
    let alive = ALIVE
        .iter()
        .fold(Router::new(), |routes, path| routes.route(path, get(alive)));
    alive.route(READY, get(ready))
}

/// Whether a path under this prefix is one of them. No flood of others may make a server look
/// dead: they do not count among an address's requests, and none of them asks the store each time.
pub(crate) fn is_asked(prefix: &str, path: &str) -> bool {
    let path = path.strip_prefix(prefix);
    path.is_some_and(|path| path == READY || ALIVE.contains(&path))
}

/// It answers: it lives. A store that is away is no reason to restart the server.
async fn alive() -> &'static str {
    "ok\n"
}

async fn ready(State(desk): State<Arc<Desk>>) -> (StatusCode, String) {
    let why = match desk.view().recent().await {
        Ok(_) => desk.view().failed_write(),
        Err(refused) => Some(refused.value),
    };
    match why {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}
