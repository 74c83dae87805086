//! What happens, as it happens: server-sent events.

use crate::desk::Desk;
use crate::view::{Seen, Sight};
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};
use utoipa::ToSchema;

/// Something changed: look again.
#[derive(Serialize, ToSchema)]
struct Change {
    /// The revision that a look shows now.
    revision: u64,
    /// Whether the store answers.
    store_up: bool,
}

/// Tells of every change until the client goes away
///
/// Events named `fleet`, each with a JSON document: the revision that a look shows now; the same
/// as before when nodes only say something else. The first comes at once.
#[utoipa::path(get, path = "/api/v1/events", responses(
    (status = 200, body = String, content_type = "text/event-stream"),
))]
pub(super) async fn events(
    State(desk): State<Arc<Desk>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut last = None;
    let changes = WatchStream::new(desk.view().looks()).filter_map(move |seen| {
        let change = change(&seen);
        let words = seen.as_ref().map_or(0, Sight::words);
        let now = (change.revision, change.store_up, words);
        let is_new = last.replace(now) != Some(now);
        is_new.then(|| Ok(event(&change)))
    });
    Sse::new(changes).keep_alive(KeepAlive::default())
}

fn change(seen: &Seen) -> Change {
    Change {
        revision: seen.as_ref().map_or(0, |sight| sight.fleet.revision),
        store_up: seen.is_ok(),
    }
}

fn event(change: &Change) -> Event {
    let event = Event::default().event("fleet");
    event.json_data(change).unwrap_or_default()
}
