//! The whole fleet out of one look at the keys.

use crate::client::KeyValue;
use crate::keys::{Keys, Range, is_default, leaf};
use crate::reading::{Reading, Snapshot};
use crate::record::{self, Found, Stored};
use crate::semaphore::{self, Semaphore};
use reboot_core::boot::BootIdentity;
use reboot_core::fleet::{Fleet, GroupEntry, Health, NodeEntry, NodeRecord};
use reboot_core::group::{Cooldown, Facts, Group, Hold, Identity, Pause, Presence};
use reboot_core::id::{GroupName, Instance, MachineId, NodeName, SessionId};
use reboot_core::line::{Line, Ticket};
use reboot_core::order::Order;
use reboot_core::undo::Undo;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A value that cannot be used: which key, what is wrong, what to do.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "{key} in etcd cannot be read ({why}): look at it with `etcdctl get {key}`, then mend it by \
     hand or restore a backup"
)]
pub(crate) struct Broken {
    pub(crate) key: String,
    pub(crate) why: String,
}

/// What stands under a session's key.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionValue {
    #[serde(flatten)]
    pub(crate) identity: Identity,
    pub(crate) session: SessionId,
    pub(crate) ttl_sec: i64,
}

/// What stands under a cooldown's key, as the original has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CooldownValue {
    pub(crate) node: NodeName,
    pub(crate) started_at: String,
    pub(crate) duration_sec: u64,
}

/// What the original says of its health; its nodes have no more.
#[derive(Deserialize)]
struct OriginalHealth {
    node: NodeName,
    #[serde(flatten)]
    health: Health,
    #[serde(default)]
    reported_at: String,
}

/// What is read for a look at the fleet.
pub(crate) fn reading(keys: &Keys) -> Reading {
    let group = GroupName::default();
    let document = keys.semaphore(&group).map(Range::one);
    let documents = keys.semaphores().map(Range::under);
    let old = document.into_iter().chain(documents);
    old.fold(Reading::default(), Reading::with)
        .with(Range::one(keys.record(&group)))
        .with(Range::under(keys.lock_directory(&group)))
        .with(Range::one(keys.cooldown(&group)))
        .with(Range::under(keys.groups()))
        .with(Range::under(keys.lines()))
        .with(Range::under(keys.all_sessions()))
        .with(Range::under(keys.all_health()))
        .with_keys(Range::under(keys.nodes()))
        .with_keys(Range::under(keys.all_marks()))
        .with_keys(Range::under(keys.all_deadlines()))
        .with(Range::under(keys.all_owed()))
        .with(Range::under(keys.all_orders()))
        .with(Range::one(keys.pause()))
}

/// A snapshot, and what its keys are called.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) snapshot: &'a Snapshot,
}

// === impl View ===

impl View<'_> {
    /// The fleet; cooldowns have all of their time left.
    pub(crate) fn fleet(&self) -> Result<Fleet, Broken> {
        let presences = self.presences(&self.keys.all_sessions())?;
        let mut groups = BTreeMap::new();
        for name in self.group_names() {
            if let Some(entry) = self.group_entry(&name)? {
                groups.insert(name, entry);
            }
        }
        Ok(Fleet {
            revision: u64::try_from(self.snapshot.revision).unwrap_or(0),
            owed: self.all_owed()?,
            orders: self.all_orders()?,
            groups,
            nodes: self.nodes()?,
            presences,
            pause: self.pause()?,
        })
    }

    /// Every group of which something is read.
    pub(crate) fn group_names(&self) -> BTreeSet<GroupName> {
        let prefix = self.keys.groups();
        let records = self.snapshot.under(&prefix);
        let names = records.filter(|(rest, _)| !rest.contains('/'));
        let mut names: BTreeSet<GroupName> = names
            .filter_map(|(rest, _)| GroupName::new(rest).ok())
            .collect();
        if let Some(prefix) = self.keys.semaphores() {
            let documents = self.snapshot.under(&prefix);
            let old = documents.filter_map(|(rest, _)| rest.strip_suffix("/semaphore"));
            names.extend(old.filter_map(|rest| GroupName::new(rest).ok()));
        }
        names.insert(GroupName::default());
        names
    }

    fn group_entry(&self, name: &GroupName) -> Result<Option<GroupEntry>, Broken> {
        let Some(stored) = self.record(name)? else {
            return self.originals_alone(name);
        };
        let alive = Facts {
            sessions: self.claims_alive(name, &stored.group),
            ..Facts::default()
        };
        let (group, _) = stored.group.swept(&alive);
        Ok(Some(GroupEntry {
            within_deadline: self.within_deadline(name, &group),
            cooldown: self.cooldown(name)?,
            line: self.line(name)?,
            foreign: self.foreign(name, Some(&stored.group)),
            group,
        }))
    }

    /// A group that is not made yet while the original holds its one slot. None where nodes say
    /// that they hold in it: then its record is lost.
    fn originals_alone(&self, name: &GroupName) -> Result<Option<GroupEntry>, Broken> {
        let foreign = self.foreign(name, None);
        let nodes = match foreign.is_empty() {
            true => return Ok(None),
            false => self.nodes()?,
        };
        let holding = nodes.into_iter().filter(|(_, it)| {
            let record = &it.record;
            record.group == *name && record.hold.is_some()
        });
        let holding = Vec::from_iter(holding.map(|(node, _)| node));
        let Ok(group) = Group::create(1, 0, &holding) else {
            return Ok(None);
        };
        Ok(Some(GroupEntry {
            within_deadline: BTreeSet::new(),
            cooldown: self.cooldown(name)?,
            line: self.line(name)?,
            foreign,
            group,
        }))
    }

    /// A group's record, as all programs that write it have it.
    pub(crate) fn record(&self, group: &GroupName) -> Result<Option<Stored>, Broken> {
        let own = self.own_record(group)?;
        let Some((key, document)) = self.semaphore(group)? else {
            return Ok(own);
        };
        let swapped_at = self.swapped_at(group, &key);
        let corrected = match own {
            Some(own) if self.is_made_anew(group, &key) => document.join(own, swapped_at),
            own => document.correct(own, swapped_at),
        };
        corrected.map(Some).map_err(|why| Broken { key, why })
    }

    /// Whether a document was deleted and made again since our last commit, which writes both. Then
    /// it says nothing of our holds: nobody unlocked them.
    fn is_made_anew(&self, group: &GroupName, document: &str) -> bool {
        let made = self.snapshot.get(document).map(|kv| kv.create_revision);
        made.is_some_and(|made| made > self.snapshot.mod_revision(&self.keys.record(group)))
    }

    /// When another program wrote a document after our last commit, if one did. A commit of ours
    /// writes record and document at once.
    fn swapped_at(&self, group: &GroupName, document: &str) -> Option<u64> {
        let ours = [self.keys.record(group), self.keys.copy(group)];
        let ours = ours.iter().map(|key| self.snapshot.mod_revision(key));
        let theirs = self.snapshot.mod_revision(document);
        let is_newer = theirs > ours.max().unwrap_or(0);
        is_newer.then(|| theirs.unsigned_abs())
    }

    /// The old command's document of a group, with its key.
    pub(crate) fn semaphore(
        &self,
        group: &GroupName,
    ) -> Result<Option<(String, Semaphore)>, Broken> {
        let Some(key) = self.keys.semaphore(group) else {
            return Ok(None);
        };
        match self.snapshot.get(&key).map(|kv| Semaphore::read(&kv.value)) {
            None => Ok(None),
            Some(Ok(document)) => Ok(Some((key, document))),
            Some(Err(why)) => Err(Broken { key, why }),
        }
    }

    /// Our own record: the copy of it where the original wrote over it, or took its own away.
    fn own_record(&self, group: &GroupName) -> Result<Option<Stored>, Broken> {
        match self.ours(group, self.keys.record(group))? {
            None if is_default(group) => self.ours(group, self.keys.copy(group)),
            ours => Ok(ours),
        }
    }

    /// Whether a group's record stands where it should, so that its copy does not count.
    pub(crate) fn is_ours(&self, group: &GroupName) -> bool {
        let found = self.snapshot.record(&self.keys.record(group));
        found.is_some_and(|it| matches!(*it, Ok(Found::Ours(_))))
    }

    /// The record under a key, if it is one of ours.
    fn ours(&self, group: &GroupName, key: String) -> Result<Option<Stored>, Broken> {
        match self.snapshot.record(&key).as_deref() {
            Some(Ok(Found::Ours(stored))) => Ok(Some((**stored).clone())),
            Some(Ok(Found::Foreign { .. })) | None => Ok(None),
            Some(Err(why)) => Err(Broken {
                why: format!("group {group}: {why}"),
                key,
            }),
        }
    }

    /// The sessions of those claims whose own key, on the claim's lease, is still there.
    pub(crate) fn claims_alive(&self, name: &GroupName, group: &Group) -> BTreeSet<SessionId> {
        let is_there = |hold: &&Hold| {
            let key = self.keys.holder(name, &hold.node);
            self.snapshot.get(&key).is_some_and(|kv| kv.lease != 0)
        };
        let claims = group.holds.iter().filter(|hold| !hold.phase.is_durable());
        claims
            .filter(is_there)
            .map(|hold| hold.session.clone())
            .chain(self.pauses_alive())
            .collect()
    }

    /// The sessions of pauses that last.
    pub(crate) fn pauses_alive(&self) -> impl Iterator<Item = SessionId> {
        let prefix = self.keys.sessions(&Pause::keeper());
        let sessions = self.snapshot.under(&prefix);
        let names = sessions.filter_map(|(name, _)| SessionId::new(name).ok());
        names.collect::<Vec<_>>().into_iter()
    }

    /// Who holds by the original's rules: the oldest key below the lock key, where it is none of
    /// ours. The others wait; only one of them ever holds. The key of a hold that is not in the
    /// group's record (any more) keeps nobody waiting: it goes with that record.
    pub(crate) fn foreign(&self, name: &GroupName, group: Option<&Group>) -> Vec<NodeName> {
        let prefix = self.keys.lock_directory(name);
        let is_held = |node: &str| {
            group.is_none_or(|group| group.holds.iter().any(|hold| hold.node.as_str() == node))
        };
        let in_mutex = self.snapshot.under(&prefix).filter(|(rest, kv)| {
            rest.strip_prefix("holders/").is_some_and(is_held) || is_foreign(rest, kv)
        });
        let oldest = in_mutex.min_by_key(|(_, kv)| kv.create_revision);
        let foreign = oldest.filter(|(rest, kv)| is_foreign(rest, kv));
        let name = foreign.map(|(rest, kv)| self.foreign_name(name, rest, &kv.value));
        name.into_iter().collect()
    }

    fn foreign_name(&self, group: &GroupName, rest: &str, value: &[u8]) -> NodeName {
        let named = |value: &[u8]| match record::read(value) {
            Ok(Found::Foreign { node }) => node,
            _ => None,
        };
        let in_lock = self.snapshot.get(&self.keys.record(group));
        let name = named(value).or_else(|| named(&in_lock?.value));
        let name = name.and_then(|name| NodeName::new(name).ok());
        let lease = || {
            let plain: String = rest.chars().filter(char::is_ascii_alphanumeric).collect();
            NodeName::new(format!("lease-{plain}")).ok()
        };
        name.or_else(lease)
            .or_else(|| NodeName::new("foreign").ok())
            .unwrap_or_else(|| unreachable!("\"foreign\" is a name"))
    }

    fn within_deadline(&self, name: &GroupName, group: &Group) -> BTreeSet<u64> {
        let prefix = format!("{}{name}/", self.keys.all_deadlines());
        let numbers = self.snapshot.under(&prefix);
        let running = numbers.filter_map(|(rest, _)| rest.parse().ok());
        let foreign = group
            .holds
            .iter()
            .filter(|hold| semaphore::is_foreign(hold));
        running.chain(foreign.map(|hold| hold.number)).collect()
    }

    /// The group's cooldown, with all of its time left.
    pub(crate) fn cooldown(&self, group: &GroupName) -> Result<Option<Cooldown>, Broken> {
        let value = self.json::<CooldownValue>(&self.keys.cooldown(group))?;
        Ok(value.map(|value| Cooldown {
            node: value.node,
            duration_secs: value.duration_sec,
            remaining_ms: value.duration_sec.saturating_mul(1000),
            started_at: value.started_at,
        }))
    }

    /// The line, in the order in which its tickets were made.
    pub(crate) fn line(&self, group: &GroupName) -> Result<Line, Broken> {
        let prefix = self.keys.line(group);
        let mut tickets = Vec::new();
        for (rest, kv) in self.snapshot.under(&prefix) {
            let mut ticket: Ticket = parse(&format!("{prefix}{rest}"), &kv.value)?;
            ticket.number = u64::try_from(kv.create_revision).unwrap_or(0);
            tickets.push(ticket);
        }
        Ok(Line::of(tickets))
    }

    /// The agents whose sessions stand below a prefix.
    pub(crate) fn presences(&self, prefix: &str) -> Result<Vec<Presence>, Broken> {
        let sessions = self.snapshot.under(prefix);
        sessions
            .map(|(rest, kv)| {
                let value: SessionValue = parse(&format!("{prefix}{rest}"), &kv.value)?;
                Ok(Presence {
                    identity: value.identity,
                    session: value.session,
                    remaining_ms: value.ttl_sec.unsigned_abs().saturating_mul(1000),
                })
            })
            .collect()
    }

    /// How many others than this node wait in a group's line.
    pub(crate) fn waiting_beside(&self, group: &GroupName, node: &NodeName) -> usize {
        let prefix = self.keys.line(group);
        let others = self.snapshot.under(&prefix);
        others.filter(|(rest, _)| *rest != node.as_str()).count()
    }

    /// Every node, by its own words.
    pub(crate) fn nodes(&self) -> Result<BTreeMap<NodeName, NodeEntry>, Broken> {
        let prefix = self.keys.all_health();
        let mut nodes = BTreeMap::new();
        for (rest, kv) in self.snapshot.under(&prefix) {
            let key = format!("{prefix}{rest}");
            let Some(name) = leaf(&key, &prefix) else {
                continue;
            };
            let node = NodeName::new(name).map_err(|error| Broken {
                key: key.clone(),
                why: error.to_string(),
            })?;
            let (record, is_foreign) = node_record(&key, &kv.value)?;
            let is_fresh = is_foreign || self.snapshot.get(&self.keys.node(&node)).is_some();
            let entry = NodeEntry {
                record,
                is_fresh,
                marks: self.marks(&node),
            };
            nodes.insert(node, entry);
        }
        Ok(nodes)
    }

    /// Reboots of a node whose marks have not ended.
    pub(crate) fn marks(&self, node: &NodeName) -> u32 {
        let prefix = self.keys.marks(node);
        u32::try_from(self.snapshot.under(&prefix).count()).unwrap_or(u32::MAX)
    }

    /// The keys and leases of all marks of a node but so many of the latest, oldest first.
    pub(crate) fn marks_before_the_last(&self, node: &NodeName, count: u32) -> Vec<(String, i64)> {
        let prefix = self.keys.marks(node);
        let mut marks = Vec::from_iter(self.snapshot.under(&prefix));
        marks.sort_unstable_by_key(|(_, kv)| kv.create_revision);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        marks.truncate(marks.len().saturating_sub(count));
        let marks = marks.into_iter();
        marks
            .map(|(rest, kv)| (format!("{prefix}{rest}"), kv.lease))
            .collect()
    }

    /// What broken holds left to be undone. A break by another program counts from the commit on
    /// that notes it: before, nothing could note that it was undone.
    fn all_owed(&self) -> Result<BTreeMap<NodeName, Undo>, Broken> {
        let prefix = self.keys.all_owed();
        let mut all = BTreeMap::new();
        for (rest, kv) in self.snapshot.under(&prefix) {
            let undo: Undo = parse(&format!("{prefix}{rest}"), &kv.value)?;
            if let Ok(node) = NodeName::new(rest)
                && !undo.is_empty()
            {
                all.insert(node, undo);
            }
        }
        Ok(all)
    }

    fn all_orders(&self) -> Result<BTreeMap<NodeName, Order>, Broken> {
        let prefix = self.keys.all_orders();
        let mut all = BTreeMap::new();
        for (rest, kv) in self.snapshot.under(&prefix) {
            let order = parse(&format!("{prefix}{rest}"), &kv.value)?;
            if let Ok(node) = NodeName::new(rest) {
                all.insert(node, order);
            }
        }
        Ok(all)
    }

    /// What is ordered of a node.
    pub(crate) fn order(&self, node: &NodeName) -> Result<Option<Order>, Broken> {
        self.json(&self.keys.order(node))
    }

    /// What broken holds left to be undone on a node.
    pub(crate) fn owed(&self, node: &NodeName) -> Result<Undo, Broken> {
        Ok(self.json(&self.keys.owed(node))?.unwrap_or_default())
    }

    /// The fleet's pause, while it lasts.
    pub(crate) fn pause(&self) -> Result<Option<Pause>, Broken> {
        let pause: Option<Pause> = self.json(&self.keys.pause())?;
        let alive = self.pauses_alive().collect();
        Ok(pause.filter(|it| !it.is_over(&alive)))
    }

    fn json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Broken> {
        let kv = self.snapshot.get(key);
        kv.map(|kv| parse(key, &kv.value)).transpose()
    }
}

/// Whether a key below a lock key is one of the original's, by the rest of its name.
fn is_foreign(rest: &str, kv: &KeyValue) -> bool {
    let is_ours = rest.starts_with("holders/") || rest == "reboot_cooldown";
    kv.lease != 0 && !is_ours && !rest.is_empty()
}

/// A node's record; whether it is one of the original's, which never ends by itself.
fn node_record(key: &str, value: &[u8]) -> Result<(NodeRecord, bool), Broken> {
    let ours: Result<NodeRecord, _> = serde_json::from_slice(value);
    let error = match ours {
        Ok(record) => return Ok((record, false)),
        Err(error) => error,
    };
    let is_ours = serde_json::from_slice::<serde_json::Value>(value)
        .is_ok_and(|value| value.get("machineID").is_some());
    if is_ours {
        return Err(Broken {
            key: key.to_owned(),
            why: error.to_string(),
        });
    }
    let original: OriginalHealth = parse(key, value)?;
    let broken = |error: reboot_core::id::BadName| Broken {
        key: key.to_owned(),
        why: error.to_string(),
    };
    let record = NodeRecord {
        machine_id: MachineId::new(original.node.as_str()).map_err(broken)?,
        instance: Instance::new(NodeRecord::ORIGINAL).map_err(broken)?,
        node: original.node,
        boot: BootIdentity::of_boot("unknown"),
        group: GroupName::default(),
        health: original.health,
        reported_at: original.reported_at,
        activity: "runs the original program".to_owned(),
        need: None,
        waiting_for: Vec::new(),
        hold: None,
        extra: serde_json::Map::new(),
    };
    Ok((record, true))
}

/// Reads a value; the error names its key.
pub(crate) fn parse<T: DeserializeOwned>(key: &str, value: &[u8]) -> Result<T, Broken> {
    serde_json::from_slice(value).map_err(|error| Broken {
        key: key.to_owned(),
        why: error.to_string(),
    })
}
