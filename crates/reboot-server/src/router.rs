//! Every route, in one place.

use crate::audit::{Audit, NoAudit};
use crate::desk::Desk;
use crate::doors::{Doors, behind, for_operators};
use crate::origin::{self, Names};
use crate::wire::{self, Wire};
use crate::{fleet_api, fleetlock, health, lock_api, metrics, page};
use axum::{Extension, Router};
use http::StatusCode;
use std::sync::Arc;

/// All routes under the settings' prefix, open to everybody. There is no redirect among them: the
/// page is at the prefix with and without a slash behind it. Call it inside a tokio runtime.
pub fn router(desk: Arc<Desk>) -> Router {
    let (doors, audit) = (Arc::new(Doors::open()), Arc::new(NoAudit));
    router_behind(desk, doors, audit, Names::Any)
}

/// The same for those who come in by these doors, under these names if they are browsers, with a
/// record of what daemons change. Only whether the server lives is told to everybody.
pub fn router_behind(
    desk: Arc<Desk>,
    doors: Arc<Doors>,
    audit: Arc<dyn Audit>,
    names: Names,
) -> Router {
    let settings = desk.settings();
    let prefix = settings.base_path.as_str().to_owned();
    let (view, limits) = (desk.view().clone(), settings.limits.clone());
    let closing = desk.closing();
    let guards = (doors.clone(), audit.clone(), desk.clone() as _);
    let wire = Wire::open_behind(view, limits, closing, guards);
    let routes = Router::new()
        .merge(fleetlock::routes())
        .merge(lock_api::routes())
        .merge(metrics::routes())
        .merge(wire::routes(wire))
        .merge(page::routes())
        .merge(for_operators(fleet_api::routes()));
    let routes = origin::guarded(names, routes);
    let slashed = behind(doors.clone(), page::at(&format!("{prefix}/")));
    let slashed = slashed.layer(Extension(audit.clone()));
    let routes = behind(doors, routes).layer(Extension(audit));
    let routes = routes.merge(health::routes());
    let all = match prefix.is_empty() {
        true => routes,
        false => Router::new().nest(&prefix, routes).merge(slashed),
    };
    all.fallback(nothing_here).with_state(desk)
}

async fn nothing_here() -> (StatusCode, &'static str) {
    (
        StatusCode::NOT_FOUND,
        "nothing is here: see the documentation for the paths\n",
    )
}
