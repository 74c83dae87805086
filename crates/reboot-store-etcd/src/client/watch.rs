//! Watches: several ranges on one stream, which lives as long as its server.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use thiserror::Error;
use tokio::sync::oneshot;
use tonic::{Status, Streaming};

use super::fault::Fault;
use super::fresh::Newest;
use super::pb;
use super::pb::watch_create_request::FilterType;
use super::pb::watch_request::RequestUnion;
use super::txn::KeyValue;

/// What to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchRange {
    /// The key, or the first of the range.
    pub key: Vec<u8>,
    /// Where the range ends, itself not in it.
    pub end: Option<Vec<u8>>,
    /// The first revision to tell of: one more than that of the look before. 0 for "from now on".
    pub from_revision: i64,
    /// Whether to tell of keys that are put.
    pub puts: bool,
    /// Whether to tell of keys that are deleted.
    pub deletes: bool,
    /// Whether to tell what a key was before.
    pub previous: bool,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which.
    pub kind: EventKind,
    /// The key; of a deletion without value, its `mod_revision` that of the deletion.
    pub kv: KeyValue,
    /// The key as it was before, where that was asked for and is still known.
    pub previous: Option<KeyValue>,
}

/// Which change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// The key was put.
    Put,
    /// The key was deleted, or its lease ended.
    Delete,
}

/// Why a watch tells no more. Look again, then watch anew from there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WatchEnd {
    /// The history that it asked for is no longer kept.
    #[error("etcd has compacted its history up to revision {revision}: look, and watch from there")]
    Compacted {
        /// The first revision that is still kept.
        revision: i64,
    },
    /// The stream ended: its server stopped, lost its leader, or does not let us.
    #[error("the watch is lost: {0}")]
    Lost(Fault),
}

/// Changes as they come. It ends when it is dropped.
pub struct Watch {
    answers: Streaming<pb::WatchResponse>,
    endpoint: String,
    /// The newest revision at which a range of it began.
    since: i64,
    /// Answers that came before every range was acknowledged.
    early: VecDeque<pb::WatchResponse>,
    /// Reads that follow show no less than was told here.
    newest: Arc<Newest>,
    /// Ends the asking side of the stream when dropped, and with it the watches in the server.
    _open: oneshot::Sender<()>,
}

/// The asking side: what is asked for, then nothing, until the watch is dropped.
pub(super) struct Asking {
    requests: VecDeque<pb::WatchRequest>,
    open: oneshot::Receiver<()>,
}

/// Why a watch was not set up.
pub(super) enum NoWatch {
    Status(Status),
    Canceled(pb::WatchResponse),
    Over,
}

// === impl Watch ===

impl Watch {
    /// The asking side for some ranges, and what keeps it open.
    pub(super) fn ask(ranges: &[WatchRange]) -> (Asking, oneshot::Sender<()>) {
        let (keep, open) = oneshot::channel();
        let requests = ranges.iter().map(WatchRange::encode).collect();
        (Asking { requests, open }, keep)
    }

    /// Waits until each of `ranges` is acknowledged.
    pub(super) async fn establish(
        mut answers: Streaming<pb::WatchResponse>,
        endpoint: String,
        ranges: usize,
        open: oneshot::Sender<()>,
        newest: Arc<Newest>,
    ) -> Result<Self, NoWatch> {
        let mut early = VecDeque::new();
        let (mut acknowledged, mut since) = (0, 0);
        while acknowledged < ranges {
            let answer = answers.message().await.map_err(NoWatch::Status)?;
            let answer = answer.ok_or(NoWatch::Over)?;
            if answer.created && answer.canceled && answer.compact_revision == 0 {
                return Err(NoWatch::Canceled(answer));
            }
            if answer.created {
                acknowledged += 1;
                since = since.max(answer.header.as_ref().map_or(0, |it| it.revision));
            }
            if !answer.created || answer.canceled {
                early.push_back(answer);
            }
        }
        Ok(Self {
            answers,
            endpoint,
            since,
            early,
            newest,
            _open: open,
        })
    }

    /// Where it is served.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The store's revision when the last of its ranges was set up. A range that begins "from now
    /// on" tells all that came later.
    #[must_use]
    pub fn since(&self) -> i64 {
        self.since
    }

    /// The next changes, at least one, in the order of their revisions within a range. It may be
    /// dropped while it waits: nothing is lost.
    ///
    /// # Errors
    /// When the watch is over. It stays so.
    pub async fn next(&mut self) -> Result<Vec<Event>, WatchEnd> {
        loop {
            let answer = match self.early.pop_front() {
                Some(early) => early,
                None => self.receive().await?,
            };
            if answer.compact_revision > 0 {
                return Err(WatchEnd::Compacted {
                    revision: answer.compact_revision,
                });
            }
            if answer.canceled {
                return Err(self.lost(&answer.cancel_reason));
            }
            let events: Vec<_> = answer
                .events
                .into_iter()
                .filter_map(Event::decode)
                .collect();
            if let Some(last) = events.last() {
                self.newest.note_change(last.kv.mod_revision);
                return Ok(events);
            }
        }
    }

    async fn receive(&mut self) -> Result<pb::WatchResponse, WatchEnd> {
        match self.answers.message().await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(self.lost("etcd ended it")),
            Err(status) => Err(self.lost(status.message())),
        }
    }

    fn lost(&self, cause: &str) -> WatchEnd {
        let text = format!("etcd at {} watches no more: {cause}", self.endpoint);
        WatchEnd::Lost(Fault::Unavailable(text))
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

// === impl WatchRange ===

impl WatchRange {
    fn encode(&self) -> pb::WatchRequest {
        let mut filters = Vec::new();
        if !self.puts {
            filters.push(FilterType::Noput.into());
        }
        if !self.deletes {
            filters.push(FilterType::Nodelete.into());
        }
        let create = pb::WatchCreateRequest {
            key: self.key.clone(),
            range_end: self.end.clone().unwrap_or_default(),
            start_revision: self.from_revision,
            filters,
            prev_kv: self.previous,
        };
        pb::WatchRequest {
            request_union: Some(RequestUnion::CreateRequest(create)),
        }
    }
}

// === impl Event ===

impl Event {
    fn decode(event: pb::Event) -> Option<Self> {
        let kind = match event.r#type() {
            pb::event::EventType::Put => EventKind::Put,
            pb::event::EventType::Delete => EventKind::Delete,
        };
        Some(Self {
            kind,
            kv: KeyValue::decode(event.kv?),
            previous: event.prev_kv.map(KeyValue::decode),
        })
    }
}

// === impl Asking ===

impl tokio_stream::Stream for Asking {
    type Item = pb::WatchRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(request) = self.requests.pop_front() {
            return Poll::Ready(Some(request));
        }
        Pin::new(&mut self.open).poll(context).map(|_| None)
    }
}
