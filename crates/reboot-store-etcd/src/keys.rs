//! Where everything stands in etcd: the keys of the original, and ours beside them.

use reboot_core::id::{GroupName, MachineId, NodeName, RequestId, SessionId};

/// The lock key of the original.
pub const DEFAULT_LOCK_KEY: &str = "/cluster/clusterrebootd/lock";

/// What stands right below the namespace, but for the lock key: no part of it may be called so
/// that stands there too.
pub const OWN_NAMES: [&str; 12] = [
    "cluster_health",
    "deadlines",
    "groups",
    "history",
    "marks",
    "nodes",
    "orders",
    "owed",
    "pause",
    "queue",
    "reboot_cooldown",
    "sessions",
];

/// The names of all keys of one fleet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Keys {
    /// Empty, or a slash and the namespace.
    namespace: String,
    /// The default group's record.
    lock: String,
    /// Whether the old command's documents stand beside the records.
    has_semaphores: bool,
}

/// Where the old command keeps all it has.
const REBOOTLOCK: &str = "coreos.com/updateengine/rebootlock";

/// Keys from the first up to, and without, the second.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Range {
    /// The first key.
    pub from: String,
    /// The first key behind it; `None` is the one key alone.
    pub end: Option<String>,
}

// === impl Range ===

impl Range {
    /// One key.
    pub fn one(key: impl Into<String>) -> Self {
        let from = key.into();
        Self { from, end: None }
    }

    /// Whether all of another range is in it.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        match (&self.end, &other.end) {
            (Some(end), Some(other_end)) => self.from <= other.from && other_end <= end,
            (Some(_), None) => self.holds(&other.from),
            (None, None) => self.from == other.from,
            (None, Some(_)) => false,
        }
    }

    /// Whether a key is in it.
    pub fn holds(&self, key: &str) -> bool {
        match &self.end {
            None => key == self.from,
            Some(end) => key >= self.from.as_str() && key < end.as_str(),
        }
    }

    /// All keys that begin so; the prefix ends with a slash.
    pub fn under(prefix: impl Into<String>) -> Self {
        let from = prefix.into();
        let stem = from.strip_suffix('/').unwrap_or(&from);
        let end = Some(format!("{stem}0")); // the character behind the slash
        Self { from, end }
    }
}

// === impl Keys ===

impl Keys {
    /// The keys of a namespace and lock key, as the original writes both: slashes at the
    /// outside of the namespace and at the front of the lock key do not matter.
    pub fn new(namespace: &str, lock_key: &str) -> Self {
        let inner = namespace.trim_matches('/');
        let namespace = match inner {
            "" => String::new(),
            inner => format!("/{inner}"),
        };
        let lock = format!("{namespace}/{}", lock_key.trim_start_matches('/'));
        Self {
            namespace,
            lock,
            has_semaphores: false,
        }
    }

    /// The keys of the old reboot lock command, and ours beside them.
    pub fn of_rebootlock() -> Self {
        let namespace = format!("{REBOOTLOCK}/clusterrebootd");
        Self {
            lock: format!("{namespace}/lock"),
            namespace,
            has_semaphores: true,
        }
    }

    /// The old command's document of a group.
    pub fn semaphore(&self, group: &GroupName) -> Option<String> {
        let of_group = || match is_default(group) {
            true => format!("{REBOOTLOCK}/semaphore"),
            false => format!("{REBOOTLOCK}/groups/{group}/semaphore"),
        };
        self.has_semaphores.then(of_group)
    }

    /// Above the old command's documents of all groups but the default one.
    pub fn semaphores(&self) -> Option<String> {
        let above = || format!("{REBOOTLOCK}/groups/");
        self.has_semaphores.then(above)
    }

    /// Where the old command looks for a holder's machine.
    pub fn machine(&self, machine: &MachineId) -> Option<String> {
        let key = || format!("{REBOOTLOCK}/holders/{machine}");
        self.has_semaphores.then(key)
    }

    fn at(&self, rest: &str) -> String {
        format!("{}/{rest}", self.namespace)
    }

    /// The record of a group.
    pub fn record(&self, group: &GroupName) -> String {
        match is_default(group) {
            true => self.lock.clone(),
            false => self.copy(group),
        }
    }

    /// A second copy of the default group's record, which the original does not overwrite; of
    /// any other group the record itself.
    pub fn copy(&self, group: &GroupName) -> String {
        format!("{}{group}", self.groups())
    }

    /// Above all groups' records but the default one's.
    pub fn groups(&self) -> String {
        self.at("groups/")
    }

    /// Where all groups' records stand, and the old command's documents: a few ranges, for etcd
    /// takes only so many comparisons in one transaction.
    pub(crate) fn all_records(&self) -> Vec<Range> {
        let default = GroupName::default();
        let records = [
            Range::one(self.record(&default)),
            Range::under(self.groups()),
        ];
        let document = self.semaphore(&default).map(Range::one);
        let documents = self.semaphores().map(Range::under);
        let old = document.into_iter().chain(documents);
        records.into_iter().chain(old).collect()
    }

    /// Above what the original's mutex takes for its own: our holders, and its waiters.
    pub fn lock_directory(&self, group: &GroupName) -> String {
        format!("{}/", self.record(group))
    }

    /// Above a group's holders.
    pub fn holders(&self, group: &GroupName) -> String {
        format!("{}/holders/", self.record(group))
    }

    /// A hold, while it lasts.
    pub fn holder(&self, group: &GroupName, node: &NodeName) -> String {
        format!("{}{node}", self.holders(group))
    }

    /// A group's cooldown.
    pub fn cooldown(&self, group: &GroupName) -> String {
        match is_default(group) {
            true => self.at("reboot_cooldown"),
            false => format!("{}/reboot_cooldown", self.record(group)),
        }
    }

    /// Above all groups' lines.
    pub fn lines(&self) -> String {
        self.at("queue/")
    }

    /// Above a group's tickets.
    pub fn line(&self, group: &GroupName) -> String {
        format!("{}{group}/", self.lines())
    }

    /// A node's ticket.
    pub fn ticket(&self, group: &GroupName, node: &NodeName) -> String {
        format!("{}{node}", self.line(group))
    }

    /// Above what every node says of its health.
    pub fn all_health(&self) -> String {
        self.at("cluster_health/")
    }

    /// What a node says of its health, and all else; stands on no lease.
    pub fn health(&self, node: &NodeName) -> String {
        format!("{}{node}", self.all_health())
    }

    /// Above every node's record.
    pub fn nodes(&self) -> String {
        self.at("nodes/")
    }

    /// A node's record, on a lease: there while its last word is fresh.
    pub fn node(&self, node: &NodeName) -> String {
        format!("{}{node}", self.nodes())
    }

    /// Above all sessions.
    pub fn all_sessions(&self) -> String {
        self.at("sessions/")
    }

    /// Above the sessions under a node's name.
    pub fn sessions(&self, node: &NodeName) -> String {
        format!("{}{node}/", self.all_sessions())
    }

    /// A session, on its lease.
    pub fn session(&self, node: &NodeName, session: &SessionId) -> String {
        format!("{}{session}", self.sessions(node))
    }

    /// Above all marks of reboots.
    pub fn all_marks(&self) -> String {
        self.at("marks/")
    }

    /// Above the marks of a node's reboots.
    pub fn marks(&self, node: &NodeName) -> String {
        format!("{}{node}/", self.all_marks())
    }

    /// The mark of a reboot, by the request that fenced it; on a lease of a day.
    pub fn mark(&self, node: &NodeName, request: &RequestId) -> String {
        format!("{}{request}", self.marks(node))
    }

    /// Above all deadlines.
    pub fn all_deadlines(&self) -> String {
        self.at("deadlines/")
    }

    /// A hold's deadline, on a lease: gone once the hold is overdue.
    pub fn deadline(&self, group: &GroupName, number: u64) -> String {
        format!("{}{group}/{number}", self.all_deadlines())
    }

    /// Above what broken holds left to be undone.
    pub fn all_owed(&self) -> String {
        self.at("owed/")
    }

    /// What broken holds left to be undone on a node.
    pub fn owed(&self, node: &NodeName) -> String {
        format!("{}{node}", self.all_owed())
    }

    /// Above what is ordered of nodes.
    pub fn all_orders(&self) -> String {
        self.at("orders/")
    }

    /// What is ordered of a node.
    pub fn order(&self, node: &NodeName) -> String {
        format!("{}{node}", self.all_orders())
    }

    /// The fleet's pause.
    pub fn pause(&self) -> String {
        self.at("pause")
    }

    /// Above a group's history.
    pub fn history(&self, group: &GroupName) -> String {
        format!("{}{group}/", self.at("history/"))
    }

    /// A line of a group's history.
    pub fn history_line(&self, group: &GroupName, number: u64) -> String {
        format!("{}{number:012}", self.history(group))
    }

    /// Everything that a daemon reads or writes, for a role that may do no more.
    pub fn all(&self) -> Vec<Range> {
        let above = [
            format!("{}/", self.lock),
            self.groups(),
            self.lines(),
            self.all_health(),
            self.nodes(),
            self.all_sessions(),
            self.all_marks(),
            self.all_deadlines(),
            self.all_owed(),
            self.all_orders(),
            self.at("history/"),
        ];
        let old = self.has_semaphores.then(|| format!("{REBOOTLOCK}/"));
        let alone = [
            self.lock.clone(),
            self.cooldown(&GroupName::default()),
            self.pause(),
        ];
        let alone = alone.into_iter().map(Range::one);
        let above = above.into_iter().chain(old).map(Range::under);
        alone.chain(above).collect()
    }
}

/// Whether a group is the one that the original knows.
pub(crate) fn is_default(group: &GroupName) -> bool {
    *group == GroupName::default()
}

/// The last part of a key below a prefix, when that is all there is.
pub(crate) fn leaf<'k>(key: &'k str, prefix: &str) -> Option<&'k str> {
    key.strip_prefix(prefix)
        .filter(|rest| !rest.is_empty() && !rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn node() -> NodeName {
        NodeName::new("node-a").unwrap()
    }

    fn other() -> GroupName {
        GroupName::new("web").unwrap()
    }

    #[test]
    fn without_a_namespace_keys_are_those_of_the_original() {
        let keys = Keys::new("", DEFAULT_LOCK_KEY);
        let group = GroupName::default();
        assert_eq!(keys.record(&group), "/cluster/clusterrebootd/lock");
        assert_eq!(
            keys.holder(&group, &node()),
            "/cluster/clusterrebootd/lock/holders/node-a"
        );
        assert_eq!(keys.cooldown(&group), "/reboot_cooldown");
        assert_eq!(keys.health(&node()), "/cluster_health/node-a");
        assert_eq!(keys.node(&node()), "/nodes/node-a");
        assert_eq!(keys.pause(), "/pause");
        assert_eq!(keys.copy(&group), "/groups/default");
    }

    #[test]
    fn slashes_around_a_namespace_do_not_matter() {
        for namespace in ["prod", "/prod", "/prod/", "//prod//"] {
            for lock in ["lock", "/lock", "//lock"] {
                let keys = Keys::new(namespace, lock);
                assert_eq!(keys.record(&GroupName::default()), "/prod/lock");
                assert_eq!(keys.record(&other()), "/prod/groups/web");
                assert_eq!(keys.cooldown(&other()), "/prod/groups/web/reboot_cooldown");
                assert_eq!(
                    keys.holder(&other(), &node()),
                    "/prod/groups/web/holders/node-a"
                );
            }
        }
    }

    #[test]
    fn beside_the_old_command_nothing_begins_with_its_documents() {
        let keys = Keys::of_rebootlock();
        let group = GroupName::default();
        let document = "coreos.com/updateengine/rebootlock/semaphore";
        assert_eq!(keys.semaphore(&group).unwrap(), document);
        let of_web = "coreos.com/updateengine/rebootlock/groups/web/semaphore";
        assert_eq!(keys.semaphore(&other()).unwrap(), of_web);
        let machine = MachineId::new("m1").unwrap();
        let holder = "coreos.com/updateengine/rebootlock/holders/m1";
        assert_eq!(keys.machine(&machine).unwrap(), holder);
        for key in [keys.record(&group), keys.record(&other()), keys.pause()] {
            let ours = "coreos.com/updateengine/rebootlock/clusterrebootd/";
            assert!(key.starts_with(ours), "{key}");
        }
    }

    #[test]
    fn own_names_are_all_there_is_beside_the_lock() {
        let all = Keys::new("", "lock").all();
        let names = all.iter().map(|range| range.from.trim_matches('/'));
        let names: BTreeSet<_> = names.filter(|name| *name != "lock").collect();
        assert_eq!(names, BTreeSet::from(OWN_NAMES));
    }

    #[test]
    fn a_range_ends_right_behind_its_prefix() {
        let range = Range::under("/lock/");
        assert_eq!(range.end.as_deref(), Some("/lock0"));
        assert!(*"/lock-other" < *range.from, "a neighbour is not in it");
        assert!(*"/lock/zz" < *range.end.unwrap());
    }

    #[test]
    fn a_leaf_is_one_part() {
        assert_eq!(leaf("/nodes/a", "/nodes/"), Some("a"));
        assert_eq!(leaf("/nodes/a/b", "/nodes/"), None);
        assert_eq!(leaf("/nodes/", "/nodes/"), None);
        assert_eq!(leaf("/other/a", "/nodes/"), None);
    }
}
