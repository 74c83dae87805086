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
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode};
use percent_encoding::percent_decode;
use reboot_core::id::{GroupName, NodeName};
use std::sync::Arc;

/// The name under which its holds stand in the record.
pub const PROTOCOL: &str = "lock-api";

const LOCK_PATH: &str = "/api/v1/lock";
const UNLOCK_PATH: &str = "/api/v1/unlock";
const MULTIPART: &[u8] = b"multipart/form-data";

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
        .route(LOCK_PATH, post(lock))
        .route(UNLOCK_PATH, post(unlock))
        .method_not_allowed_fallback(wrong_method)
}

/// Whether a path is one of these, whatever prefix it has.
pub(crate) fn is_at(path: &str) -> bool {
    path.ends_with(LOCK_PATH) || path.ends_with(UNLOCK_PATH)
}

async fn wrong_method(method: Method) -> Answer {
    let text = format!("{method} is not possible here: use POST");
    refusal(Kind::MethodNotAllowed.because(text))
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
pub(crate) fn refusal(refused: Refused) -> Answer {
    let status = match refused.kind.status() {
        StatusCode::LOCKED => StatusCode::CONFLICT,
        status => status,
    };
    (status, format!("{}\n", refused.value))
}

fn bad(text: &str) -> Answer {
    refusal(Kind::DecodeError.because(text))
}

fn is_multipart(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    let start = content_type.and_then(|it| it.get(..MULTIPART.len()));
    start.is_some_and(|start| start.eq_ignore_ascii_case(MULTIPART))
}

/// Half of a pair of a form, as the bytes that it stands for.
fn decoded(half: &[u8]) -> Vec<u8> {
    let plus_is_space = |byte: &u8| if *byte == b'+' { b' ' } else { *byte };
    let half: Vec<u8> = half.iter().map(plus_is_space).collect();
    percent_decode(&half).collect()
}

// === impl Form ===

impl Form {
    async fn read(request: Request, limits: &Limits) -> Result<Self, Answer> {
        let (parts, body) = request.into_parts();
        let body = read_body(body, limits).await.map_err(refusal)?;
        if is_multipart(&parts.headers) {
            let request = Request::from_parts(parts, Body::from(body));
            return Self::of_multipart(request).await;
        }
        let mut form = Self::default();
        for pair in body.split(|byte| *byte == b'&') {
            let mut halves = pair.splitn(2, |byte| *byte == b'=').map(decoded);
            let (name, value) = (halves.next(), halves.next());
            form.put(&name.unwrap_or_default(), value.unwrap_or_default())?;
        }
        Ok(form)
    }

    async fn of_multipart(request: Request) -> Result<Self, Answer> {
        let broken = |error: &dyn std::fmt::Display| bad(&format!("the form is broken: {error}"));
        let parts = Multipart::from_request(request, &()).await;
        let mut parts = parts.map_err(|error| broken(&error))?;
        let mut form = Self::default();
        while let Some(field) = parts.next_field().await.map_err(|error| broken(&error))? {
            let name = field.name().unwrap_or_default().to_owned();
            let value = field.bytes().await.map_err(|error| broken(&error))?;
            form.put(name.as_bytes(), value.to_vec())?;
        }
        Ok(form)
    }

    /// Takes a field. Nothing is put in the place of broken bytes: two names would become one.
    fn put(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), Answer> {
        let (name, place) = match name {
            b"hostname" => ("hostname", &mut self.hostname),
            b"wait" => ("wait", &mut self.wait),
            _ => return Ok(()),
        };
        let value = String::from_utf8(value)
            .map_err(|_| bad(&format!("the field {name} is no UTF-8: send it as that")))?;
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
