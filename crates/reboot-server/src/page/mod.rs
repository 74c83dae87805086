//! The dashboard: one page from the binary, readable without JavaScript and live with it. It
//! shows what the newest look showed; nothing on it is fetched from anywhere else.

mod actions;
mod board;
mod history;
mod week;
mod words;

use crate::desk::Desk;
use crate::doors::{Role, Who};
use crate::view::Seen;
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use board::Board;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use std::num::ParseIntError;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// For how long a page that waits for news is held.
const HELD: Duration = Duration::from_secs(25);
/// Nothing from elsewhere, no frame around it, no script but its own.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("assets/board.css");
const SCRIPT: &str = include_str!("assets/board.js");

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    base: &'a str,
    may_act: bool,
    board: &'a Board,
}

#[derive(Template)]
#[template(path = "board.html")]
struct Fragment<'a> {
    base: &'a str,
    may_act: bool,
    board: &'a Board,
}

/// What the page has seen already.
#[derive(Deserialize)]
struct Known {
    seen: Option<SeenOnPage>,
}

/// A look's revision, and how often those who wait at this server had moved and nodes had said
/// something else: `12.3`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct SeenOnPage {
    revision: u64,
    moves: u64,
}

/// `/`, the part of it that changes, and what it is drawn with.
pub(crate) fn routes() -> Router<Arc<Desk>> {
    Router::new()
        .route("/", get(page))
        .route("/board", get(fragment))
        .route("/assets/board.css", get(style))
        .route("/assets/board.js", get(script))
        .merge(actions::routes())
}

/// The page alone at this path: nested routes have none at a prefix with a slash behind it.
pub(crate) fn at(path: &str) -> Router<Arc<Desk>> {
    Router::new().route(path, get(page))
}

async fn page(State(desk): State<Arc<Desk>>, who: Who) -> Response {
    let board = look(&desk).await;
    let settings = desk.settings();
    let page = Page {
        base: settings.base_path.as_str(),
        may_act: who.role == Role::Operator,
        board: &board,
    };
    html(page.render())
}

/// The board alone, as soon as it differs from what the page has; 204 when nothing happened for
/// a while.
async fn fragment(State(desk): State<Arc<Desk>>, who: Who, Query(known): Query<Known>) -> Response {
    if let Some(seen) = known.seen
        && timeout(HELD, news(&desk, &seen)).await.is_err()
    {
        return StatusCode::NO_CONTENT.into_response();
    }
    let board = look(&desk).await;
    let settings = desk.settings();
    let fragment = Fragment {
        base: settings.base_path.as_str(),
        may_act: who.role == Role::Operator,
        board: &board,
    };
    html(fragment.render())
}

/// Answers when the board differs from what the page has seen.
async fn news(desk: &Desk, seen: &SeenOnPage) {
    let (mut looks, mut moves) = (desk.view().looks(), desk.moves());
    let shown = |look: &Seen| {
        let look = look.as_ref().ok();
        look.map_or((0, 0), |sight| (sight.fleet.revision, sight.words()))
    };
    loop {
        let (revision, words) = shown(&looks.borrow_and_update());
        let moves_now = *moves.borrow_and_update();
        if (revision, moves_now + words) != (seen.revision, seen.moves) {
            return;
        }
        // Both senders live as long as the desk.
        tokio::select! {
            _ = looks.changed() => {}
            _ = moves.changed() => {}
        }
    }
}

async fn look(desk: &Desk) -> Board {
    Board::of(desk, Timestamp::now()).await
}

// === impl SeenOnPage ===

impl TryFrom<String> for SeenOnPage {
    type Error = ParseIntError;

    fn try_from(text: String) -> Result<Self, ParseIntError> {
        let (revision, moves) = text.split_once('.').unwrap_or((&text, "0"));
        Ok(Self {
            revision: revision.parse()?,
            moves: moves.parse()?,
        })
    }
}

async fn style() -> Response {
    asset("text/css; charset=utf-8", STYLE)
}

async fn script() -> Response {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let age = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    guarded(([kind, age], text).into_response())
}

fn html(text: askama::Result<String>) -> Response {
    let Ok(text) = text else {
        let text = "the page cannot be drawn: report this\n";
        return (StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
    };
    let mut response = guarded(Html(text).into_response());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn guarded(mut response: Response) -> Response {
    let policy = HeaderValue::from_static(POLICY);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}
