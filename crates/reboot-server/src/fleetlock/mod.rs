//! The FleetLock protocol: `POST {base}/v1/pre-reboot` and `POST {base}/v1/steady-state`.
//!
//! A client takes any 2xx on pre-reboot as "granted, reboot now", and follows redirects: so there
//! is one 2xx, for a committed hold, and no redirect.

mod wire;

pub use wire::Params;

use crate::client::Client;
use crate::desk::{Desk, Wait, Wish};
use crate::doors::Why;
use crate::kind::{Kind, Refused};
use crate::parking::Parking;
use crate::reading::read_body;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, StatusCode};
use std::sync::Arc;

/// The name under which its holds stand in the record.
pub const PROTOCOL: &str = "fleetlock";

/// Both routes.
pub(crate) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/v1/pre-reboot", any(pre_reboot))
        .route("/v1/steady-state", any(steady_state))
}

async fn pre_reboot(
    State(desk): State<Arc<Desk>>,
    client: Client,
    parking: Parking,
    request: Request,
) -> Result<Response, Refused> {
    let Params { id, group } = params(&desk, request).await?;
    let node = desk.settings().node_of(&id);
    client.as_one_of(&node, &id)?;
    let wish = Wish {
        group,
        id,
        node,
        protocol: PROTOCOL,
        wait: Wait::AsConfigured,
        client,
    };
    let answer = |_: &Wish, admitted: Result<u64, _>| admitted.map(|_| ()).into_response();
    Ok(desk.admit_answered(wish, parking, answer).await)
}

async fn steady_state(
    State(desk): State<Arc<Desk>>,
    client: Client,
    request: Request,
) -> Result<(), Refused> {
    let Params { id, group } = params(&desk, request).await?;
    client.as_one_of(&desk.settings().node_of(&id), &id)?;
    desk.steady(&group, &id, &client).await.map(|_| ())
}

async fn params(desk: &Desk, request: Request) -> Result<Params, Refused> {
    if request.method() != Method::POST {
        let text = format!("{} is not possible here: use POST", request.method());
        return Err(Kind::MethodNotAllowed.because(text));
    }
    wire::header(request.headers())?;
    let limits = &desk.settings().limits;
    Params::read(&read_body(request.into_body(), limits).await?)
}

// === impl Refused ===

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(wire::error_body(&self)));
        *response.status_mut() = self.kind.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            let headers = response.headers_mut();
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
        }
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            // Within a second every address may ask at least once more.
            let headers = response.headers_mut();
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        Why::leave(&mut response, &self);
        response
    }
}
