//! Every key at every revision, and what the rules would have been told then.

use crate::journal::Moment;
use crate::recorder::Change;
use reboot_core::group::{
    Action, Cooldown, Facts, Group, Hold, Identity, Pause, Presence, Request,
};
use reboot_core::id::{GroupName, NodeName, SessionId};
use reboot_store_etcd::keys::Keys;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// One state of a key.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) revision: i64,
    pub(crate) value: Option<String>,
    pub(crate) version: i64,
    pub(crate) lease: i64,
}

/// Every key at every revision.
pub(crate) struct Past {
    pub(crate) keys: Keys,
    versions: BTreeMap<String, Vec<Version>>,
    /// Each revision, and when it was told.
    pub(crate) told: Vec<(i64, Moment)>,
}

/// A group's record as one commit left it.
#[derive(Clone, Debug)]
pub(crate) struct Stand {
    pub(crate) revision: i64,
    pub(crate) version: i64,
    pub(crate) group: Group,
    /// The number of the newest line of history.
    pub(crate) history: u64,
    /// What it says for operators of the old programs.
    pub(crate) semaphore: i64,
}

#[derive(Deserialize)]
struct SessionValue {
    #[serde(flatten)]
    identity: Identity,
    session: SessionId,
    ttl_sec: u64,
}

#[derive(Deserialize)]
struct CooldownValue {
    node: NodeName,
    started_at: String,
    duration_sec: u64,
}

// === impl Past ===

impl Past {
    pub(crate) fn new(keys: Keys, changes: &[Change]) -> Self {
        let mut versions = BTreeMap::<String, Vec<Version>>::new();
        let mut told = Vec::<(i64, Moment)>::new();
        for change in changes {
            let of_key = versions.entry(change.key.clone()).or_default();
            of_key.push(Version {
                revision: change.revision,
                value: change.value.clone(),
                version: change.version,
                lease: change.lease,
            });
            if told.last().is_none_or(|(last, _)| *last != change.revision) {
                told.push((change.revision, change.seen));
            }
        }
        Self {
            keys,
            versions,
            told,
        }
    }

    /// A key as it stood at a revision.
    pub(crate) fn get(&self, key: &str, at: i64) -> Option<&Version> {
        self.versions.get(key).and_then(|all| standing(all, at))
    }

    /// What became of a key in the very commit; nothing if it was left alone.
    pub(crate) fn changed(&self, key: &str, at: i64) -> Option<&Version> {
        let all = self.versions.get(key)?;
        let found = all.binary_search_by_key(&at, |version| version.revision);
        found.ok().map(|at| &all[at])
    }

    /// Every key below a prefix that stood at a revision.
    pub(crate) fn under<'a>(
        &'a self,
        prefix: &'a str,
        at: i64,
    ) -> impl Iterator<Item = (&'a str, &'a Version)> {
        let from = self.versions.range(prefix.to_owned()..);
        from.map_while(move |(key, all)| Some((key.strip_prefix(prefix)?, all)))
            .filter_map(move |(rest, all)| Some((rest, standing(all, at)?)))
    }

    /// Every state that a key ever had.
    pub(crate) fn all(&self, key: &str) -> &[Version] {
        self.versions.get(key).map_or(&[], Vec::as_slice)
    }

    /// Revisions at which anything changed, from one up to another, newest first.
    pub(crate) fn revisions(&self, from: i64, to: i64) -> impl Iterator<Item = i64> {
        let start = self.told.partition_point(|(revision, _)| *revision < from);
        let end = self.told.partition_point(|(revision, _)| *revision <= to);
        let span = &self.told[start.min(end)..end];
        span.iter().rev().map(|(revision, _)| *revision)
    }

    /// The newest revision that had surely happened at a moment.
    pub(crate) fn surely_by(&self, moment: Moment) -> i64 {
        let end = self.told.partition_point(|(_, seen)| *seen < moment);
        end.checked_sub(1).map_or(0, |at| self.told[at].0)
    }

    /// What the rules are told of a request at a revision.
    pub(crate) fn facts(&self, name: &GroupName, group: &Group, ask: &Request, at: i64) -> Facts {
        let keys = &self.keys;
        let mut facts = Facts {
            cooldown: self.cooldown(name, at),
            pause: self.value::<Pause>(&keys.pause(), at),
            ..self.alive(name, group, at)
        };
        let Some(node) = ask.action.node() else {
            return facts;
        };
        let sessions = keys.sessions(node);
        let presences = self.under(&sessions, at);
        facts.presences = presences.map(|(_, version)| presence(version)).collect();
        let own = facts.presences.iter().map(|it| it.session.clone());
        facts.sessions.extend(own);
        facts.marks = u32::try_from(self.under(&keys.marks(node), at).count()).unwrap();
        let line = keys.line(name);
        let others = self.under(&line, at).filter(|(it, _)| *it != node.as_str());
        facts.others_waiting = others.count();
        if matches!(ask.action, Action::Claim(_)) {
            facts.holds_in = self.holds_in(name, node, at);
        }
        facts
    }

    /// Which claims stand on a lease that has not ended.
    pub(crate) fn alive(&self, name: &GroupName, group: &Group, at: i64) -> Facts {
        let claims = group.holds.iter().filter(|hold| !hold.phase.is_durable());
        let is_leased = |hold: &&Hold| {
            let holder = self.get(&self.keys.holder(name, &hold.node), at);
            holder.is_some_and(|version| version.lease != 0)
        };
        Facts {
            sessions: claims
                .filter(is_leased)
                .map(|it| it.session.clone())
                .collect(),
            ..Facts::default()
        }
    }

    pub(crate) fn cooldown(&self, name: &GroupName, at: i64) -> Option<Cooldown> {
        let value: CooldownValue = self.value(&self.keys.cooldown(name), at)?;
        Some(Cooldown {
            node: value.node,
            duration_secs: value.duration_sec,
            remaining_ms: value.duration_sec * 1000,
            started_at: value.started_at,
        })
    }

    /// A group's record as it stood.
    pub(crate) fn record(&self, name: &GroupName, at: i64) -> Option<Stand> {
        self.get(&self.keys.record(name), at).map(stand)
    }

    fn holds_in(&self, besides: &GroupName, node: &NodeName, at: i64) -> Option<GroupName> {
        let others = crate::groups().into_iter().filter(|it| it != besides);
        others.into_iter().find(|name| {
            let Some(stand) = self.record(name, at) else {
                return false;
            };
            let alive = self.alive(name, &stand.group, at);
            stand.group.swept(&alive).0.hold_of(node).is_some()
        })
    }

    fn value<T: DeserializeOwned>(&self, key: &str, at: i64) -> Option<T> {
        let version = self.get(key, at)?;
        Some(serde_json::from_str(version.value.as_ref()?).unwrap())
    }
}

fn standing(all: &[Version], at: i64) -> Option<&Version> {
    let end = all.partition_point(|version| version.revision <= at);
    let last = all.get(end.checked_sub(1)?)?;
    last.value.is_some().then_some(last)
}

fn presence(version: &Version) -> Presence {
    let text = version.value.as_deref().unwrap();
    let value: SessionValue = serde_json::from_str(text).unwrap();
    Presence {
        identity: value.identity,
        session: value.session,
        remaining_ms: value.ttl_sec * 1000,
    }
}

/// Reads a record as an outsider would: our fields, and those for operators of old programs.
pub(crate) fn stand(version: &Version) -> Stand {
    let text = version.value.as_deref().unwrap();
    let mut value: Value = serde_json::from_str(text).unwrap();
    let fields = value.as_object_mut().unwrap();
    let history = fields.remove("history").unwrap().as_u64().unwrap();
    let semaphore = fields.remove("semaphore").unwrap().as_i64().unwrap();
    fields.remove("holders").unwrap();
    for hold in fields.get_mut("holds").unwrap().as_array_mut().unwrap() {
        hold.as_object_mut().unwrap().remove("startTime").unwrap();
    }
    Stand {
        revision: version.revision,
        version: version.version,
        group: Group::from_json(&value.to_string()).unwrap(),
        history,
        semaphore,
    }
}
