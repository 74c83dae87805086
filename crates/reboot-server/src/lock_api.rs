//! The HTTP lock API of the early k8s-reboot-coordinator: `POST {base}/api/v1/lock` and
//! `POST {base}/api/v1/unlock`, made for shell scripts. Every answer is a text that ends in a
//! newline.

use crate::client::Client;
use crate::desk::{Desk, Wait, Wish};
use crate::kind::{Kind, Refused};
use crate::parking::Parking;
use crate::reading::read_body;
use crate::settings::Limits;
use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use reboot_core::id::{GroupName, NodeName};
use std::sync::Arc;

/// The name under which its holds stand in the record.
pub const PROTOCOL: &str = "lock-api";

/// A status and a text.
type Answer = (StatusCode, String);

/// What a script sends.
#[derive(Debug, Default)]
struct Form {
    hostname: Option<String>,
    wait: Option<String>,
}

/// Both routes.
pub(crate) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/api/v1/lock", post(lock))
        .route("/api/v1/unlock", post(unlock))
}

async fn lock(
    State(desk): State<Arc<Desk>>,
    client: Client,
    parking: Parking,
    request: Request,
) -> Result<Response, Answer> {
    let form = Form::read(request, &desk.settings().limits).await?;
    let (id, wait) = (form.host()?, form.wait()?);
    let node = desk.settings().node_of(&id);
    client.as_one_of(&node, &id).map_err(refusal)?;
    let wish = Wish {
        group: GroupName::default(),
        id,
        node,
        protocol: PROTOCOL,
        wait,
        client,
    };
    let answer = |wish: &Wish, admitted: Result<u64, Refused>| {
        let said = |_| format!("{} holds the reboot lock\n", wish.id);
        admitted.map(said).map_err(refusal).into_response()
    };
    Ok(desk.admit_answered(wish, parking, answer).await)
}

async fn unlock(
    State(desk): State<Arc<Desk>>,
    client: Client,
    request: Request,
) -> Result<Answer, Answer> {
    let form = Form::read(request, &desk.settings().limits).await?;
    let id = form.host()?;
    let node = desk.settings().node_of(&id);
    client.as_one_of(&node, &id).map_err(refusal)?;
    let released = desk.steady(&GroupName::default(), &id, &client).await;
    let text = match released.map_err(refusal)? {
        true => format!("{id} gave the reboot lock back\n"),
        false => format!("{id} did not hold the reboot lock\n"),
    };
    Ok((StatusCode::OK, text))
}

/// A slot that is not to be had is a conflict here.
fn refusal(refused: Refused) -> Answer {
    let status = match refused.kind.status() {
        StatusCode::LOCKED => StatusCode::CONFLICT,
        status => status,
    };
    (status, format!("{}\n", refused.value))
}

fn bad(text: &str) -> Answer {
    refusal(Kind::DecodeError.because(text))
}

// === impl Form ===

impl Form {
    async fn read(request: Request, limits: &Limits) -> Result<Self, Answer> {
        let (parts, body) = request.into_parts();
        let body = read_body(body, limits).await.map_err(refusal)?;
        let content_type = parts.headers.get(CONTENT_TYPE);
        let is_multipart =
            content_type.is_some_and(|it| it.as_bytes().starts_with(b"multipart/form-data"));
        let mut form = Self::default();
        if !is_multipart {
            for (name, value) in form_urlencoded::parse(&body) {
                form.put(&name, value.into_owned())?;
            }
            return Ok(form);
        }
        let broken = |error: &dyn std::fmt::Display| bad(&format!("the form is broken: {error}"));
        let request = Request::from_parts(parts, Body::from(body));
        let parts = Multipart::from_request(request, &()).await;
        let mut parts = parts.map_err(|error| broken(&error))?;
        while let Some(field) = parts.next_field().await.map_err(|error| broken(&error))? {
            let name = field.name().unwrap_or_default().to_owned();
            let value = field.text().await.map_err(|error| broken(&error))?;
            form.put(&name, value)?;
        }
        Ok(form)
    }

    fn put(&mut self, name: &str, value: String) -> Result<(), Answer> {
        let place = match name {
            "hostname" => &mut self.hostname,
            "wait" => &mut self.wait,
            _ => return Ok(()),
        };
        match place.replace(value) {
            Some(_) => Err(bad(&format!(
                "the field {name} is there twice: send it once"
            ))),
            None => Ok(()),
        }
    }

    fn host(&self) -> Result<NodeName, Answer> {
        let Some(host) = &self.hostname else {
            return Err(bad("the field hostname is missing: send the host's name"));
        };
        NodeName::new(host.clone()).map_err(|error| bad(&format!("the field hostname: {error}")))
    }

    fn wait(&self) -> Result<Wait, Answer> {
        match self.wait.as_deref() {
            None | Some("true") => Ok(Wait::Forever),
            Some("false") => Ok(Wait::Never),
            Some(_) => Err(bad("the field wait is true or false")),
        }
    }
}
