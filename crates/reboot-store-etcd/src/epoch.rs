//! A new epoch: what an operator begins after etcd was put back from a snapshot. Whoever has seen
//! more than the snapshot knows refuses to act until then.

use crate::ask::{broken, usual_reading};
use crate::commit::{Batch, to_json};
use crate::keys::Range;
use crate::look::View;
use crate::reading::{Reading, Snapshot};
use crate::store::{EtcdStore, trouble};
use reboot_core::group::{HistoryEntry, Hold, Pause, Phase};
use reboot_core::id::GroupName;
use reboot_core::write::Trouble;

/// How often a race may be lost.
const RACES_MAX: usize = 20;

/// What began.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Begun {
    /// The epoch.
    pub epoch: u64,
    /// The groups that are paused now.
    pub paused: Vec<GroupName>,
    /// Claims that were dropped.
    pub dropped_claims: usize,
}

// === impl EtcdStore ===

impl EtcdStore {
    /// Begins an epoch that is newer than that of any group here: claims, tickets and sessions
    /// are dropped, durable holds stay, and every group is paused. Running daemons open new
    /// sessions.
    ///
    /// # Errors
    /// When etcd cannot be asked, or a record cannot be read; then nothing has begun.
    pub async fn begin_epoch(&self, pause: &Pause, at: &str) -> Result<Begun, Trouble> {
        self.end_sessions().await?;
        for _ in 0..RACES_MAX {
            let reading = usual_reading(&self.keys, None).with(Range::under(self.keys.all_owed()));
            let snapshot = reading.read(&self.client).await.map_err(trouble)?;
            let (begun, batch) = self.beginning(&snapshot, pause, at)?;
            if batch.commit(&self.client).await? {
                return Ok(begun);
            }
        }
        Err(Trouble::Unavailable(
            "the groups change faster than etcd answers: try again".to_owned(),
        ))
    }

    /// Ends all but those of pauses: what stands on one stands until the epoch has begun, and
    /// from then on without. Nobody renews those, so they end by themselves.
    async fn end_sessions(&self) -> Result<(), Trouble> {
        let prefix = self.keys.all_sessions();
        let reading = Reading::default().with_keys(Range::under(&prefix));
        let snapshot = reading.read(&self.client).await.map_err(trouble)?;
        let of_pauses = format!("{}/", Pause::keeper());
        let sessions = snapshot.under(&prefix);
        for (_, kv) in sessions.filter(|(rest, _)| !rest.starts_with(&of_pauses)) {
            self.client.revoke(kv.lease).await.map_err(trouble)?;
        }
        Ok(())
    }

    fn beginning(
        &self,
        snapshot: &Snapshot,
        pause: &Pause,
        at: &str,
    ) -> Result<(Begun, Batch), Trouble> {
        let view = View {
            keys: &self.keys,
            snapshot,
        };
        let mut groups = Vec::new();
        for name in view.group_names() {
            if let Some(stored) = view.record(&name).map_err(broken)? {
                groups.push((name, stored));
            }
        }
        let newest = groups.iter().map(|(_, stored)| stored.group.epoch).max();
        let mut begun = Begun {
            epoch: newest.unwrap_or(0) + 1,
            paused: Vec::new(),
            dropped_claims: 0,
        };
        let mut batch = Batch::default();
        let alive = view.pauses_alive().collect();
        let of_fleet = self.keys.pause();
        batch
            .compares
            .push(snapshot.unchanged(&Range::one(of_fleet.clone())));
        // One that was taken back since must not come to life again.
        batch.delete_under(self.keys.all_orders());
        if let Some(mut pause) = view.pause().map_err(broken)? {
            pause.outlast_its_lease();
            batch.put(of_fleet, to_json(&pause)?, 0);
        }
        let records = self.keys.all_records();
        let unchanged = records.iter().map(|range| snapshot.unchanged(range));
        batch.compares.extend(unchanged);
        let note = HistoryEntry {
            at: at.to_owned(),
            event: "restore".to_owned(),
            node: None,
            number: None,
            detail: format!("{}: {}, epoch {}", pause.by, pause.reason, begun.epoch),
        };
        for (name, mut stored) in groups {
            let is_claim = |hold: &Hold| hold.phase == Phase::Claimed;
            let (claims, holds) = stored.group.holds.into_iter().partition(is_claim);
            stored.group.holds = holds;
            begun.dropped_claims += Vec::len(&claims);
            for hold in claims.iter().chain(&stored.ended) {
                batch.delete(self.keys.holder(&name, &hold.node));
                batch.delete(self.keys.deadline(&name, hold.number));
            }
            stored.group.epoch = begun.epoch;
            stored.group.keep_held_back(&alive);
            stored.group.pause = Some(pause.clone());
            for hold in std::mem::take(&mut stored.ended) {
                batch.put_owed(&view, &hold.node, &hold.undo)?;
            }
            batch.put_history(&self.keys, &name, &mut stored, &note)?;
            batch.put_record(&view, &name, &stored)?;
            begun.paused.push(name);
        }
        Ok((begun, batch))
    }
}
