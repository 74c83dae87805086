//! What an operator does on the page: forms that work without JavaScript. Only the page itself
//! may send them.

use crate::desk::Desk;
use crate::fleet_api::Problem;
use crate::operator::{BadWish, Operator};
use crate::origin::Sender;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Router, middleware};
use http::StatusCode;
use reboot_core::id::{BadName, GroupName, NodeName};
use serde::Deserialize;
use std::sync::Arc;

/// What the forms send; each sends some of it.
#[derive(Deserialize)]
struct Sent {
    /// Empty is the fleet.
    #[serde(default)]
    group: String,
    #[serde(default)]
    node: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    until: String,
    #[serde(default)]
    max: String,
    #[serde(default)]
    number: String,
}

/// Why nothing was done.
enum Undone {
    Wish(BadWish),
    Form(String),
}

/// The forms' targets.
pub(super) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/act/pause", post(pause))
        .route("/act/resume", post(resume))
        .route("/act/hold-back", post(hold_back))
        .route("/act/let-go", post(let_go))
        .route("/act/reboot", post(reboot))
        .route("/act/cancel-reboot", post(cancel_reboot))
        .route("/act/max", post(set_max))
        .route("/act/unlock", post(unlock))
        .layer(middleware::from_fn(from_the_page_only))
}

type Answer = Result<Redirect, Undone>;
type Fields = Result<Form<Sent>, FormRejection>;

async fn pause(State(desk): State<Arc<Desk>>, operator: Operator, form: Fields) -> Answer {
    let sent = sent(form)?;
    let (group, until) = (sent.group_or_fleet()?, sent.until());
    operator.pause(&desk, group, sent.reason, until).await?;
    Ok(back(&desk))
}

async fn hold_back(State(desk): State<Arc<Desk>>, operator: Operator, form: Fields) -> Answer {
    let sent = sent(form)?;
    let (whom, until) = (sent.node_of_group()?, sent.until());
    operator.hold_back(&desk, whom, sent.reason, until).await?;
    Ok(back(&desk))
}

async fn let_go(State(desk): State<Arc<Desk>>, operator: Operator, form: Fields) -> Answer {
    let whom = sent(form)?.node_of_group()?;
    operator.let_go(&desk, whom).await?;
    Ok(back(&desk))
}

async fn reboot(State(desk): State<Arc<Desk>>, operator: Operator, form: Fields) -> Answer {
    let sent = sent(form)?;
    let (node, start) = (NodeName::new(sent.node.trim())?, sent.until());
    operator.order(&desk, &node, sent.reason, start).await?;
    Ok(back(&desk))
}

async fn cancel_reboot(State(desk): State<Arc<Desk>>, operator: Operator, form: Fields) -> Answer {
    let node = NodeName::new(sent(form)?.node.trim())?;
    operator.cancel_order(&desk, &node).await?;
    Ok(back(&desk))
}

async fn resume(State(desk): State<Arc<Desk>>, operator: Operator, form: Fields) -> Answer {
    let group = sent(form)?.group_or_fleet()?;
    operator.resume(&desk, group).await?;
    Ok(back(&desk))
}

async fn set_max(State(desk): State<Arc<Desk>>, operator: Operator, form: Fields) -> Answer {
    let sent = sent(form)?;
    let max = sent.max.trim().parse();
    let max = max.map_err(|_| Undone::Form(format!("{:?} is no number of slots", sent.max)))?;
    let group = GroupName::new(sent.group)?;
    operator.set_max(&desk, group, max).await?;
    Ok(back(&desk))
}

async fn unlock(State(desk): State<Arc<Desk>>, operator: Operator, form: Fields) -> Answer {
    let sent = sent(form)?;
    let number = sent.number.parse();
    let number = number.map_err(|_| Undone::Form(format!("{:?} is no hold", sent.number)))?;
    let group = GroupName::new(sent.group)?;
    operator.unlock(&desk, group, number, sent.reason).await?;
    Ok(back(&desk))
}

fn sent(form: Fields) -> Result<Sent, Undone> {
    let form = form.map_err(|error| Undone::Form(error.body_text()))?;
    Ok(form.0)
}

fn back(desk: &Desk) -> Redirect {
    Redirect::to(&format!("{}/", desk.settings().base_path.as_str()))
}

/// Another site must not send these forms with this browser's credentials.
async fn from_the_page_only(
    request: axum::extract::Request,
    next: middleware::Next,
) -> Result<Response, (StatusCode, &'static str)> {
    match Sender::of(request.headers()) {
        Sender::OwnPage => Ok(next.run(request).await),
        Sender::Program | Sender::Person | Sender::Elsewhere => Err((
            StatusCode::FORBIDDEN,
            "only the page itself may send this: open it, or use /api/v1\n",
        )),
    }
}

// === impl Sent ===

impl Sent {
    fn until(&self) -> Option<String> {
        (!self.until.is_empty()).then(|| self.until.clone())
    }

    fn node_of_group(&self) -> Result<(GroupName, NodeName), BadName> {
        let node = NodeName::new(self.node.trim())?;
        Ok((GroupName::new(self.group.as_str())?, node))
    }

    fn group_or_fleet(&self) -> Result<Option<GroupName>, BadName> {
        match self.group.as_str() {
            "" => Ok(None),
            name => GroupName::new(name).map(Some),
        }
    }
}

// === impl Undone ===

impl From<BadWish> for Undone {
    fn from(wish: BadWish) -> Self {
        Self::Wish(wish)
    }
}

impl From<BadName> for Undone {
    fn from(error: BadName) -> Self {
        Self::Form(error.to_string())
    }
}

impl IntoResponse for Undone {
    fn into_response(self) -> Response {
        let (status, why) = match self {
            Self::Wish(wish) => Problem::from(wish).in_words(),
            Self::Form(why) => (StatusCode::BAD_REQUEST, why),
        };
        let text = format!("Nothing was done: {why}.\nGo back and try again.\n");
        (status, text).into_response()
    }
}
