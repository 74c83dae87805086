//! Every route, in one place.

use crate::desk::Desk;
use crate::wire::{self, Wire};
use crate::{fleet_api, fleetlock, health, lock_api, metrics, page};
use axum::Router;
use http::StatusCode;
use std::sync::Arc;

/// All routes under the settings' prefix. There is no redirect among them. Call it inside a tokio
/// runtime.
pub fn router(desk: Arc<Desk>) -> Router {
    let settings = desk.settings();
    let prefix = settings.base_path.as_str().to_owned();
    let wire = Wire::open(desk.view().clone(), settings.limits.clone(), desk.closing());
    let routes = Router::new()
        .merge(fleetlock::routes())
        .merge(lock_api::routes())
        .merge(health::routes())
        .merge(metrics::routes())
        .merge(wire::routes(wire))
        .merge(page::routes())
        .merge(fleet_api::routes());
    let all = match prefix.is_empty() {
        true => routes,
        false => Router::new().nest(&prefix, routes),
    };
    all.fallback(nothing_here).with_state(desk)
}

async fn nothing_here() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "nothing is here: see the documentation for the paths\n",
    )
}
