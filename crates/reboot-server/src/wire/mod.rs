//! The store over HTTP, for daemons of ours: the server side of [`reboot_store::wire`].

mod ears;
mod mark;
mod subject;
#[cfg(test)]
mod tests;
mod watch;

use crate::audit::{Audit, Deed, NoAudit};
use crate::desk::unknown_group;
use crate::doors::{Doors, Needs, Who, Why, behind};
use crate::kind::{Kind, Refused};
use crate::parking::Parking;
use crate::peer::Peer;
use crate::reading::read_body;
use crate::settings::Limits;
use crate::view::View;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use reboot_core::group::{Presence, Refusal};
use reboot_core::id::GroupName;
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::Store;
use reboot_store::wire::{
    CHANGED_PATH, ChangedAnswer, ChangedQuestion, HISTORY_MAX, HISTORY_PATH, HOLD_SECS_MAX,
    HistoryAnswer, LOOK_PATH, Problem, VERSION, WRITE_PATH, WriteAnswer, WriteQuestion,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::future::ready;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch as channel;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use watch::Watch;

/// Whose the groups are that nodes ask for slots in.
pub trait Owner: Send + Sync {
    /// The rule for a group that is to be made.
    fn first_slots(&self, group: &GroupName) -> FirstSlots;
}

/// How many slots a group begins with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FirstSlots {
    /// So many, whatever is asked.
    Owned(u32),
    /// As many as are asked for.
    AsAsked,
    /// Nodes make no such group here; operators may.
    Closed,
}

/// Nobody's: the first claim makes a group as it asks.
pub struct Nobody;

impl Owner for Nobody {
    fn first_slots(&self, _: &GroupName) -> FirstSlots {
        FirstSlots::AsAsked
    }
}

/// The store's verbs over HTTP.
pub struct Wire {
    view: Arc<View>,
    watch: Arc<Watch>,
    limits: Limits,
    closing: channel::Receiver<bool>,
    doors: Arc<Doors>,
    audit: Arc<dyn Audit>,
    owner: Arc<dyn Owner>,
    follower: JoinHandle<()>,
}

/// An answer that is none.
enum No {
    /// Of the store.
    Trouble(Trouble),
    /// Of the server.
    Refused(Refused),
}

#[derive(Deserialize)]
struct HistoryQuery {
    group: GroupName,
    limit: Option<usize>,
}

// === impl Wire ===

impl Wire {
    /// The verbs of the store behind this view, which somebody else keeps new
    /// ([`View::follow`]). Once `closing` is true every wait ends: who waits asks again, elsewhere
    /// or later. Nobody is asked who they are. Call it inside a tokio runtime.
    pub fn open(view: Arc<View>, limits: Limits, closing: channel::Receiver<bool>) -> Arc<Self> {
        let (doors, audit) = (Arc::new(Doors::open()), Arc::new(NoAudit));
        Self::open_behind(view, limits, closing, (doors, audit, Arc::new(Nobody)))
    }

    /// The same behind doors, with a record of every change, and groups that are somebody's.
    pub fn open_behind(
        view: Arc<View>,
        limits: Limits,
        closing: channel::Receiver<bool>,
        (doors, audit, owner): (Arc<Doors>, Arc<dyn Audit>, Arc<dyn Owner>),
    ) -> Arc<Self> {
        let watch = Arc::new(Watch::new(view.clone()));
        let follower = tokio::spawn(follow(view.clone(), Arc::downgrade(&watch)));
        Arc::new(Self {
            view,
            watch,
            limits,
            closing,
            doors,
            audit,
            owner,
            follower,
        })
    }

    /// How many wait for a change.
    pub fn waiting(&self) -> usize {
        self.watch.waiting()
    }

    async fn commit(
        &self,
        who: &Who,
        from: Option<SocketAddr>,
        mut write: Write,
    ) -> Result<Written, No> {
        let is_closed = self.own(&mut write);
        let answer = self.view.write(write.clone()).await;
        if let Ok(written) = &answer {
            self.watch.hint(&write, written);
        }
        if let Some(deed) = Deed::of(who, from, &write, &answer) {
            self.audit.done(&deed);
        }
        match answer {
            Err(Trouble::Refused(Refusal::NoGroup { group })) if is_closed => {
                Err(unknown_group(&group).into())
            }
            answer => Ok(answer?),
        }
    }

    /// A group that is to be made begins as its owner says, not as the asker does. Whether nodes
    /// make no such group here.
    fn own(&self, write: &mut Write) -> bool {
        let is_operators = Needs::of(write) == Needs::Operator;
        let Write::Ask {
            group,
            create_with_max: first @ Some(_),
            ..
        } = write
        else {
            return false;
        };
        match self.owner.first_slots(group) {
            FirstSlots::Owned(slots) => *first = Some(slots),
            FirstSlots::Closed if !is_operators => *first = None,
            FirstSlots::AsAsked | FirstSlots::Closed => {}
        }
        first.is_none()
    }

    /// Refuses what somebody may not ask for.
    async fn refuse(&self, who: &Who, write: &Write) -> Result<(), No> {
        match Needs::of(write) {
            Needs::Operator => Ok(who.as_operator()?),
            Needs::Node(node) => Ok(who.for_node(&node)?),
            Needs::OwnerOf(session) => {
                let is_it = |it: &Presence| it.session == session;
                // The most frequent question, and one that takes nothing from anybody.
                if matches!(write, Write::KeepSession { .. }) && self.is_known_as_own(who, is_it) {
                    return Ok(());
                }
                self.refuse_stranger(who, is_it).await
            }
            Needs::OwnerOfRun(run) => {
                let is_it = |it: &Presence| it.identity.instance == run;
                self.refuse_stranger(who, is_it).await
            }
        }
    }

    /// Whether the newest look shows agents for which somebody acts, and no others. Without a look
    /// nothing is known; an operator acts for all.
    fn is_known_as_own(&self, who: &Who, is_it: impl Fn(&Presence) -> bool) -> bool {
        if who.as_operator().is_ok() {
            return true;
        }
        let Ok(shown) = self.watch.catch_up() else {
            return false;
        };
        let mut agents = shown
            .fleet
            .presences
            .iter()
            .filter(|it| is_it(it))
            .peekable();
        let is_there = agents.peek().is_some();
        is_there && agents.all(|it| acts_for(who, it).is_ok())
    }

    /// Refuses who does not act for those whose agents these are, by a look that begins now: an
    /// older one may show whose they were. Of agents that are not there nothing can be taken.
    async fn refuse_stranger(
        &self,
        who: &Who,
        is_it: impl Fn(&Presence) -> bool,
    ) -> Result<(), No> {
        who.as_node()?;
        if who.as_operator().is_ok() {
            return Ok(());
        }
        let shown = self.watch.look().await?;
        let mut agents = shown.fleet.presences.iter().filter(|it| is_it(it));
        Ok(agents.try_for_each(|it| acts_for(who, it))?)
    }

    async fn hold(&self, question: &ChangedQuestion) -> Result<bool, Trouble> {
        let mark = question.mark.as_ref().and_then(|it| it.parse().ok());
        let changed = self.watch.changed(&question.interest, question.seen, mark);
        let secs = question.hold_secs.unwrap_or(HOLD_SECS_MAX);
        let hold = Duration::from_secs(secs.min(HOLD_SECS_MAX));
        let mut closing = self.closing.clone();
        tokio::select! {
            changed = timeout(hold, changed) => changed.map_or(Ok(false), |it| it.map(|()| true)),
            Ok(_) = closing.wait_for(|closing| *closing) => Ok(false),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

fn acts_for(who: &Who, agent: &Presence) -> Result<(), Refused> {
    match Needs::node(&agent.identity.node) {
        Needs::Node(node) => who.for_node(&node),
        _ => who.as_operator(),
    }
}

/// Takes note of every look, for as long as somebody may wait for one.
async fn follow(view: Arc<View>, watch: Weak<Watch>) {
    let mut looks = view.looks();
    loop {
        let Some(watch) = watch.upgrade() else {
            return;
        };
        // Without a look there is nothing to tell: who waits, waits on.
        let _ = watch.catch_up();
        drop(watch);
        if looks.changed().await.is_err() {
            return;
        }
    }
}

/// The routes, for any router to take in.
pub fn routes<S>(wire: Arc<Wire>) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let doors = wire.doors.clone();
    let routes = Router::new()
        .route(WRITE_PATH, post(write))
        .route(LOOK_PATH, get(look))
        .route(CHANGED_PATH, post(changed))
        .route(HISTORY_PATH, get(history))
        .method_not_allowed_fallback(wrong_method)
        .with_state(wire);
    behind(doors, routes)
}

async fn write(
    State(wire): State<Arc<Wire>>,
    peer: Option<Extension<Peer>>,
    who: Who,
    body: Body,
) -> Result<Response, No> {
    let WriteQuestion { write, .. } = wire.question(body).await?;
    wire.refuse(&who, &write).await?;
    let from = peer.map(|peer| peer.address);
    // In a task of its own: it comes to its end though the client goes away meanwhile.
    let written = tokio::spawn(async move { wire.commit(&who, from, write).await }).await;
    let lost = |_| {
        No::Trouble(Trouble::Unknown(
            "the server is about to end: look".to_owned(),
        ))
    };
    let written = written.map_err(lost)??;
    Ok(json(&WriteAnswer {
        version: VERSION,
        written,
    }))
}

async fn look(State(wire): State<Arc<Wire>>, _: Who, headers: HeaderMap) -> Result<Response, No> {
    let shown = wire.watch.look().await?;
    let tag = format!("\"{}\"", shown.mark);
    let known = headers.get(IF_NONE_MATCH);
    if known.is_some_and(|it| it.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    let answer = text(StatusCode::OK, shown.answer()?);
    Ok(([(ETAG, tag)], answer).into_response())
}

async fn changed(
    State(wire): State<Arc<Wire>>,
    _: Who,
    parking: Parking,
    body: Body,
) -> Result<Response, No> {
    let question: ChangedQuestion = wire.question(body).await?;
    let answer = async move {
        let changed = wire.hold(&question).await;
        let said = changed.map(|changed| {
            json(&ChangedAnswer {
                version: VERSION,
                changed,
            })
        });
        said.map_err(No::from).into_response()
    };
    Ok(parking.answer(answer, ready(())).await)
}

async fn history(
    State(wire): State<Arc<Wire>>,
    _: Who,
    query: Result<Query<HistoryQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, No> {
    let Query(query) = query.map_err(|error| {
        Kind::DecodeError.because(format!("{}: give group, and limit", error.body_text()))
    })?;
    let limit = query.limit.unwrap_or(HISTORY_MAX).min(HISTORY_MAX);
    let history = wire.view.history(&query.group, limit).await?;
    Ok(json(&HistoryAnswer {
        version: VERSION,
        history,
    }))
}

async fn wrong_method() -> No {
    No::Refused(Kind::MethodNotAllowed.because("see the Allow header for what is possible here"))
}

// === impl Wire ===

impl Wire {
    /// A question of a version that we know.
    async fn question<Q: DeserializeOwned>(&self, body: Body) -> Result<Q, No> {
        #[derive(Deserialize)]
        struct Envelope {
            version: u32,
        }
        let body = read_body(body, &self.limits).await?;
        let bad = |error: serde_json::Error| {
            Kind::DecodeError.because(format!("the question cannot be read: {error}"))
        };
        let Envelope { version } = serde_json::from_slice(&body).map_err(bad)?;
        if version != VERSION {
            return Err(No::Refused(Kind::DecodeError.because(format!(
                "the question is of version {version}, this server speaks {VERSION}: update it"
            ))));
        }
        Ok(serde_json::from_slice(&body).map_err(bad)?)
    }
}

// === impl No ===

impl From<Trouble> for No {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Refused> for No {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        match self {
            Self::Trouble(trouble) => problem(status_of(&trouble), &Problem::of(&trouble)),
            Self::Refused(refused) => {
                let told = Problem::new(refused.kind.name(), refused.value.clone());
                let mut response = problem(refused.kind.status(), &told);
                Why::leave(&mut response, &refused);
                response
            }
        }
    }
}

fn problem(status: StatusCode, problem: &Problem) -> Response {
    let body = serde_json::to_vec(problem).unwrap_or_default();
    text(status, Bytes::from(body))
}

fn status_of(trouble: &Trouble) -> StatusCode {
    match trouble {
        Trouble::Refused(_) => StatusCode::CONFLICT,
        Trouble::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        Trouble::Unknown(_) => StatusCode::GATEWAY_TIMEOUT,
        Trouble::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn json(answer: &impl Serialize) -> Response {
    match serde_json::to_vec(answer) {
        Ok(body) => text(StatusCode::OK, Bytes::from(body)),
        Err(error) => No::Trouble(Trouble::Unknown(error.to_string())).into_response(),
    }
}

fn text(status: StatusCode, body: Bytes) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}
