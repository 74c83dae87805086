//! What etcd did: every change below the fleet's prefix, in the order of its revisions. The other
//! half of the evidence.

use crate::journal::{Journal, Moment};
use reboot_store_etcd::client::{Client, Event, EventKind, Options, Watch, WatchRange, prefix_end};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// A member that is silent for so long is left for the next one.
const SILENCE: Duration = Duration::from_millis(700);

/// A change of one key.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: i64,
    pub(crate) key: String,
    /// Nothing: the key is gone.
    pub(crate) value: Option<String>,
    /// How often it was put since it was made.
    pub(crate) version: i64,
    pub(crate) lease: i64,
    /// When the recorder was told: it had happened by then.
    pub(crate) seen: Moment,
}

/// Writes down all that happens below a prefix.
pub(crate) struct Recorder {
    changes: Arc<Mutex<Vec<Change>>>,
    revision: watch::Receiver<i64>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

struct Hand {
    clients: Vec<Client>,
    prefix: Vec<u8>,
    next: i64,
    journal: Arc<Journal>,
    changes: Arc<Mutex<Vec<Change>>>,
    revision: watch::Sender<i64>,
    stop: Arc<AtomicBool>,
}

// === impl Recorder ===

impl Recorder {
    /// Records from the first revision on.
    pub(crate) fn start(endpoints: &[String], prefix: &str, journal: Arc<Journal>) -> Self {
        let client = |endpoint: &String| {
            Client::new(Options {
                call_timeout: Duration::from_secs(1),
                connect_timeout: Duration::from_millis(500),
                ..Options::new([endpoint])
            })
            .unwrap()
        };
        let (told, revision) = watch::channel(0);
        let stop = Arc::new(AtomicBool::new(false));
        let changes = Arc::<Mutex<Vec<Change>>>::default();
        let hand = Hand {
            clients: endpoints.iter().map(client).collect(),
            prefix: prefix.as_bytes().to_vec(),
            next: 1,
            journal,
            changes: changes.clone(),
            revision: told,
            stop: stop.clone(),
        };
        Self {
            changes,
            revision,
            stop,
            task: tokio::spawn(hand.record()),
        }
    }

    /// Up to where all is written down.
    pub(crate) fn revision(&self) -> watch::Receiver<i64> {
        self.revision.clone()
    }

    /// Everything, once it is written down up to a revision.
    pub(crate) async fn finish(mut self, revision: i64) -> Vec<Change> {
        let reached = self.revision.wait_for(|seen| *seen >= revision);
        timeout(Duration::from_secs(60), reached)
            .await
            .expect("the recorder hears of everything")
            .unwrap();
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
        std::mem::take(&mut *self.changes.lock().unwrap())
    }
}

// === impl Hand ===

impl Hand {
    async fn record(mut self) {
        for at in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let client = self.clients[at % self.clients.len()].clone();
            let range = WatchRange {
                key: self.prefix.clone(),
                end: Some(prefix_end(&self.prefix)),
                from_revision: self.next,
                puts: true,
                deletes: true,
                previous: false,
            };
            match client.watch(vec![range]).await {
                Ok(watch) => self.listen(watch).await,
                Err(_) => tokio::task::yield_now().await, // the next member may tell
            }
        }
    }

    /// Until the watch ends, or is silent.
    async fn listen(&mut self, mut watch: Watch) {
        while let Ok(Ok(events)) = timeout(SILENCE, watch.next()).await {
            self.write_down(events);
        }
    }

    fn write_down(&mut self, events: Vec<Event>) {
        let seen = self.journal.now();
        let mut changes = self.changes.lock().unwrap();
        for event in events {
            let kv = event.kv;
            self.next = kv.mod_revision + 1;
            changes.push(Change {
                revision: kv.mod_revision,
                key: String::from_utf8(kv.key).unwrap(),
                value: match event.kind {
                    EventKind::Put => Some(String::from_utf8(kv.value).unwrap()),
                    EventKind::Delete => None,
                },
                version: kv.version,
                lease: kv.lease,
                seen,
            });
        }
        drop(changes);
        self.revision.send_replace(self.next - 1);
    }
}
