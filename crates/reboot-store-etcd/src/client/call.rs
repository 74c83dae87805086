//! What can be asked of etcd.

use std::sync::Arc;

use tonic::Status;

use super::connection::Connection;
use super::fault::Fault;
use super::fresh::{Newest, Read};
use super::journey::Errand;
use super::judge::{self, Asked};
use super::lease::{Granted, LeaseLife};
use super::pb;
use super::rpc::{Call, Extras};
use super::txn::{Op, OpResult, Txn, TxnAnswer};
use super::watch::{NoWatch, Watch, WatchRange};
use super::{Client, Inner};

/// One message out, one answer back.
struct Unary<M>(M);

/// Renews a lease, on a stream of its own that is as short as a call.
struct KeepAlive {
    id: i64,
}

/// Sets up a watch.
struct SetUpWatch {
    ranges: Vec<WatchRange>,
    newest: Arc<Newest>,
}

// === impl Client ===

impl Client {
    /// Compares, and does one thing or the other, all of it or nothing.
    ///
    /// # Errors
    /// See [`Fault`]. A transaction that only reads never ends in [`Fault::Unknown`].
    pub async fn txn(&self, txn: Txn) -> Result<TxnAnswer, Fault> {
        let asked = Asked {
            what: describe(&txn),
            repeatable: !txn.writes(),
        };
        let ranges = txn.lone_ranges();
        let answer = match self.ask(&asked, txn.encode()).await {
            Err(Fault::NoSpace(_)) if !ranges.is_empty() => {
                return self.read_singly(ranges, &asked).await;
            }
            answer => answer?,
        };
        TxnAnswer::decode(answer).ok_or_else(|| {
            let text =
                "the answer to a transaction does not hold together: check that this is etcd";
            match asked.repeatable {
                true => Fault::Refused(text.to_owned()),
                false => Fault::Unknown(text.to_owned()),
            }
        })
    }

    /// A write is always up to date; whoever reads may be told of the past.
    async fn ask(&self, asked: &Asked, txn: pb::TxnRequest) -> Result<pb::TxnResponse, Fault> {
        if asked.repeatable {
            return self.inner.read(asked, txn).await;
        }
        let answer = self.inner.journey(asked, &Unary(txn)).await?;
        self.inner.newest.note::<pb::TxnRequest>(&answer);
        Ok(answer)
    }

    /// Reads ranges one after the other, those that do not say otherwise as of the first: when it
    /// is full, etcd 3.5.1 refuses transactions even if they only read.
    async fn read_singly(
        &self,
        ranges: Vec<pb::RangeRequest>,
        asked: &Asked,
    ) -> Result<TxnAnswer, Fault> {
        let mut read = TxnAnswer {
            succeeded: true,
            revision: 0,
            results: Vec::new(),
        };
        for mut range in ranges {
            if range.revision == 0 {
                range.revision = read.revision;
            }
            let answer = self.inner.read(asked, range).await?;
            if read.revision == 0 {
                read.revision = answer.header.as_ref().map_or(0, |header| header.revision);
            }
            read.results.push(OpResult::range(answer));
        }
        Ok(read)
    }

    /// Makes a lease of our own choice of `id`.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn grant(&self, id: i64, ttl_secs: i64) -> Result<Granted, Fault> {
        let asked = Asked {
            what: format!("grant lease {id:x}"),
            repeatable: false,
        };
        let request = pb::LeaseGrantRequest { ttl: ttl_secs, id };
        match self.inner.journey(&asked, &Unary(request)).await {
            Ok(answer) => Ok(Granted::New {
                ttl_secs: answer.ttl,
            }),
            Err(Fault::Refused(text)) if text.contains("lease already exists") => {
                Ok(Granted::Exists)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Renews a lease in full and tells how long it lasts now, in seconds. 0: it is gone.
    ///
    /// # Errors
    /// See [`Fault`]; never [`Fault::Unknown`], since it may be asked twice.
    pub async fn keep_alive(&self, id: i64) -> Result<i64, Fault> {
        let asked = Asked {
            what: format!("renew lease {id:x}"),
            repeatable: true,
        };
        match self.inner.journey(&asked, &KeepAlive { id }).await {
            Ok(answer) => Ok(answer.ttl),
            Err(Fault::LeaseGone) => Ok(0),
            Err(fault) => Err(fault),
        }
    }

    /// Ends a lease, and with it every key that hangs on it. False: it was gone already.
    ///
    /// # Errors
    /// See [`Fault`].
    pub async fn revoke(&self, id: i64) -> Result<bool, Fault> {
        let asked = Asked {
            what: format!("revoke lease {id:x}"),
            repeatable: false,
        };
        match self
            .inner
            .journey(&asked, &Unary(pb::LeaseRevokeRequest { id }))
            .await
        {
            Ok(_) => Ok(true),
            Err(Fault::LeaseGone) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// How a lease stands; nothing if it is gone.
    ///
    /// # Errors
    /// See [`Fault`]; never [`Fault::Unknown`].
    pub async fn time_to_live(&self, id: i64) -> Result<Option<LeaseLife>, Fault> {
        let asked = Asked {
            what: format!("look at lease {id:x}"),
            repeatable: true,
        };
        let request = pb::LeaseTimeToLiveRequest { id };
        match self.inner.journey(&asked, &Unary(request)).await {
            Ok(answer) => Ok(LeaseLife::decode(&answer)),
            Err(Fault::LeaseGone) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Watches ranges of keys, all on one stream. When it returns, every one is in place.
    ///
    /// # Errors
    /// See [`Fault`]; never [`Fault::Unknown`].
    pub async fn watch(&self, ranges: Vec<WatchRange>) -> Result<Watch, Fault> {
        if ranges.is_empty() || ranges.iter().any(|range| !range.puts && !range.deletes) {
            let text = "a watch of nothing: name a range, and puts or deletes in each";
            return Err(Fault::Refused(text.to_owned()));
        }
        let keys: Vec<_> = ranges.iter().map(|range| range.key.as_slice()).collect();
        let asked = Asked {
            what: format!("watch {}", list(&keys)),
            repeatable: true,
        };
        let newest = self.inner.newest.clone();
        let errand = SetUpWatch { ranges, newest };
        self.inner.journey(&asked, &errand).await
    }
}

// === impl Inner ===

impl Inner {
    async fn read<M: Read + Sync>(&self, asked: &Asked, message: M) -> Result<M::Answer, Fault>
    where
        M::Answer: Send,
    {
        let read = self.newest.read(message, self.endpoints.len());
        self.journey(asked, &read).await
    }
}

// === impl Unary ===

impl<M: Call> Errand for Unary<M> {
    type Done = M::Answer;

    async fn run(&self, connection: &Connection, extras: Extras) -> Result<M::Answer, Status> {
        connection.wire.unary(self.0.clone(), extras).await
    }
}

// === impl KeepAlive ===

impl Errand for KeepAlive {
    type Done = pb::LeaseKeepAliveResponse;

    async fn run(&self, connection: &Connection, extras: Extras) -> Result<Self::Done, Status> {
        let request = tokio_stream::once(pb::LeaseKeepAliveRequest { id: self.id });
        let mut answers = connection.wire.stream(request, extras).await?;
        let first = answers.message().await?;
        // To its very end, so that it is closed and not torn off.
        while answers.message().await?.is_some() {}
        first.ok_or_else(|| Status::unavailable("the stream ended without an answer"))
    }
}

// === impl SetUpWatch ===

impl Errand for SetUpWatch {
    type Done = Watch;

    async fn run(&self, connection: &Connection, extras: Extras) -> Result<Watch, Status> {
        let (asking, open) = Watch::ask(&self.ranges);
        let answers = connection.wire.stream(asking, extras).await?;
        let endpoint = connection.endpoint.to_string();
        let (count, newest) = (self.ranges.len(), self.newest.clone());
        let watch = Watch::establish(answers, endpoint, count, open, newest).await;
        watch.map_err(NoWatch::into_status)
    }
}

// === impl NoWatch ===

impl NoWatch {
    fn into_status(self) -> Status {
        match self {
            Self::Status(status) => status,
            Self::Canceled(answer) if answer.cancel_reason.contains("permission denied") => {
                judge::vague_denial()
            }
            Self::Canceled(answer) => Status::unavailable(answer.cancel_reason),
            Self::Over => Status::unavailable("the stream ended before the watch was set up"),
        }
    }
}

/// A transaction in a few words, by its first keys: what a permission would be about.
fn describe(txn: &Txn) -> String {
    let verb = if txn.writes() { "write" } else { "read" };
    let ops = txn.then.iter().chain(&txn.otherwise);
    let mut keys: Vec<&[u8]> = ops
        .map(|op| match op {
            Op::Range { key, .. } | Op::Put { key, .. } | Op::Delete { key, .. } => key.as_slice(),
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    format!("{verb} {}", list(&keys))
}

fn list(keys: &[&[u8]]) -> String {
    const SHOWN: usize = 3;
    let names = keys.iter().take(SHOWN);
    let names: Vec<_> = names.map(|key| String::from_utf8_lossy(key)).collect();
    match keys.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more keys", names.join(", ")),
    }
}
