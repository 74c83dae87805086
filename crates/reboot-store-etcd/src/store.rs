//! The store that other crates see.

use crate::ask::{Asking, broken};
use crate::client::{Client, Fault};
use crate::keys::{DEFAULT_LOCK_KEY, Keys, Range};
use crate::look::{View, parse, reading};
use crate::memory::Memory;
use crate::reading::Reading;
use crate::spares::Spares;
use crate::turns::Turns;
use crate::waiting::Lines;
use async_trait::async_trait;
use reboot_core::fleet::Fleet;
use reboot_core::group::{HistoryEntry, fleet_note};
use reboot_core::id::GroupName;
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::{Interest, Store};
use std::sync::Mutex;

/// Under which keys a fleet's state stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Layout {
    /// As the original clusterrebootd has them.
    Native {
        /// Beneath which prefix everything stands; empty is none.
        namespace: String,
        /// Where the default group's record stands, beneath the namespace.
        lock_key: String,
    },
    /// As the old reboot lock command has them.
    Rebootlock,
}

/// For how long a reboot counts towards the daily cap.
const MARKS_TTL_MS: u64 = 24 * 60 * 60 * 1000;

/// A fleet's state in etcd.
pub struct EtcdStore {
    pub(crate) client: Client,
    pub(crate) keys: Keys,
    pub(crate) marks_ttl_ms: u64,
    /// The lines as the last looks saw them, to know whom a waiter stands behind.
    pub(crate) lines: Mutex<Lines>,
    /// What this process saw last.
    pub(crate) memory: Memory,
    /// Leases that stand ready.
    pub(crate) spares: Option<Spares>,
    /// Who of this process commits to a group now.
    pub(crate) turns: Turns,
}

// === impl Layout ===

impl Default for Layout {
    fn default() -> Self {
        Self::Native {
            namespace: String::new(),
            lock_key: DEFAULT_LOCK_KEY.to_owned(),
        }
    }
}

/// What a fault of etcd means to the rules.
pub(crate) fn trouble(fault: Fault) -> Trouble {
    match fault {
        fault if fault.may_have_happened() => Trouble::Unknown(fault.to_string()),
        fault => Trouble::Unavailable(fault.to_string()),
    }
}

// === impl EtcdStore ===

impl EtcdStore {
    /// A fleet's place in etcd. Nothing is asked of etcd yet.
    pub fn new(client: Client, layout: &Layout) -> Self {
        Self {
            client,
            keys: match layout {
                Layout::Native {
                    namespace,
                    lock_key,
                } => Keys::new(namespace, lock_key),
                Layout::Rebootlock => Keys::of_rebootlock(),
            },
            marks_ttl_ms: MARKS_TTL_MS,
            lines: Mutex::default(),
            memory: Memory::of_one(),
            spares: None,
            turns: Turns::default(),
        }
    }

    /// The same, with reboots that count towards the daily cap for another time: for tests that
    /// do not wait a day.
    #[must_use]
    pub fn with_marks_ttl_ms(mut self, marks_ttl_ms: u64) -> Self {
        self.marks_ttl_ms = marks_ttl_ms;
        self
    }

    /// The same, for a process that asks for many nodes: it remembers what it saw of all of them,
    /// and has leases ready for the timers of the next requests.
    #[must_use]
    pub fn for_many_nodes(self) -> Self {
        Self {
            memory: Memory::of_all(),
            spares: Some(Spares::new(self.client.clone())),
            ..self
        }
    }

    /// The names of all its keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// How much of each running cooldown is left is known to its lease alone.
    async fn measure_cooldowns(&self, fleet: &mut Fleet, view: &View<'_>) -> Result<(), Trouble> {
        for (name, entry) in &mut fleet.groups {
            let kv = view.snapshot.get(&self.keys.cooldown(name));
            if let (Some(cooldown), Some(kv)) = (&mut entry.cooldown, kv) {
                let life = self.client.time_to_live(kv.lease).await.map_err(trouble)?;
                let left_secs = life.map_or(0, |life| life.remaining_secs.max(0));
                cooldown.remaining_ms = left_secs.unsigned_abs().saturating_mul(1000);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for EtcdStore {
    fn describe(&self) -> String {
        let record = self.keys.record(&GroupName::default());
        format!("etcd at {}, {record}", self.client.endpoints().join(","))
    }

    async fn write(&self, write: Write) -> Result<Written, Trouble> {
        match &write {
            Write::OpenSession {
                session,
                identity,
                ttl_ms,
            } => self.open_session(session, identity, *ttl_ms).await,
            Write::KeepSession { session } => self.keep_session(session).await,
            Write::EndSession { session } => self.end_session(session).await,
            Write::EndInstance { instance } => self.end_instance(instance).await,
            Write::Publish {
                record,
                stale_after_ms,
            } => self.publish(record, *stale_after_ms).await,
            Write::Forget { node } => self.forget(node).await,
            Write::Undone { node, undone } => self.undone(node, undone).await,
            Write::Order { node, group, order } => self.order(node, group, order).await,
            Write::EndOrder {
                node,
                group,
                order,
                end,
                at,
            } => {
                let note = order.end_note(node, end, at);
                self.end_order(node, group, order, &note).await
            }
            Write::Join { group, ticket } => self.join(group, ticket).await,
            Write::Leave { group, node } => self.leave(group, node).await,
            Write::Ask {
                group,
                create_with_max,
                request,
            } => {
                Asking::new(self, group, *create_with_max, request)
                    .run()
                    .await
            }
            Write::PauseFleet { pause, by, at } => {
                self.pause_fleet(pause.as_ref(), &fleet_note(pause.as_ref(), by, at))
                    .await
            }
        }
    }

    async fn look(&self) -> Result<Fleet, Trouble> {
        let begun = self.memory.begin_look();
        let snapshot = reading(&self.keys)
            .read(&self.client)
            .await
            .map_err(trouble)?;
        let view = View {
            keys: &self.keys,
            snapshot: &snapshot,
        };
        let mut fleet = view.fleet().map_err(broken)?;
        self.measure_cooldowns(&mut fleet, &view).await?;
        if let Ok(mut lines) = self.lines.lock() {
            lines.note(&fleet);
        }
        self.memory.note_look(&self.keys, snapshot, begun);
        Ok(fleet)
    }

    async fn changed(&self, interest: &Interest, seen: u64) -> Result<(), Trouble> {
        self.wait(interest, seen).await
    }

    async fn history(&self, group: &GroupName, limit: usize) -> Result<Vec<HistoryEntry>, Trouble> {
        let newest = Reading::default().with(Range::one(self.keys.record(group)));
        let newest = newest.with(Range::one(self.keys.copy(group)));
        let snapshot = newest.read(&self.client).await.map_err(trouble)?;
        let view = View {
            keys: &self.keys,
            snapshot: &snapshot,
        };
        let Some(stored) = view.record(group).map_err(broken)? else {
            return Ok(Vec::new());
        };
        let limit = u64::try_from(limit).unwrap_or(u64::MAX);
        let first = stored.history.saturating_sub(limit).saturating_add(1);
        let prefix = self.keys.history(group);
        let lines = Reading::default().with(Range {
            from: self.keys.history_line(group, first),
            end: Range::under(&prefix).end,
        });
        let snapshot = lines.read(&self.client).await.map_err(trouble)?;
        let lines = snapshot.under(&prefix);
        lines
            .map(|(rest, kv)| parse(&format!("{prefix}{rest}"), &kv.value).map_err(broken))
            .collect()
    }
}
