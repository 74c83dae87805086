//! What a server is told: checked values, without a file and without an environment.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use reboot_core::fleet::{Fleet, GroupEntry};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::policy::Policies;
use reboot_core::window::{Verdict, Windows};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the server's own configuration says of one group.
#[derive(Clone, Debug)]
pub struct GroupRules {
    /// Slots; 0 pauses.
    pub max: u32,
    /// When a client may be admitted.
    pub windows: Windows,
    /// The zone whose wall clock the windows mean.
    pub zone: TimeZone,
    /// The cooldown after an admission, in seconds; 0 is none.
    pub interval_secs: u64,
    /// What the rest of the fleet must be like.
    pub policies: Policies,
    /// For how long a request waits for a slot, in seconds; 0 answers at once.
    pub wait_secs: u64,
    /// How often a node may be admitted in a day.
    pub max_reboots_per_day: u32,
    /// After how many seconds a hold counts as overdue.
    pub deadline_secs: u64,
}

/// What no client may exceed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The longest body of a request, in bytes.
    pub request_bytes: usize,
    /// Requests a second that one address may make in the long run; 0 is without limit.
    pub requests_per_second: u32,
    /// Connections at once; more wait in the kernel's queue.
    pub connections: usize,
    /// Connections that one address may have at once; 0 is without limit.
    pub connections_per_address: usize,
    /// How long a client may take to send a request's head, and again its body; and how long
    /// it may leave an answer unread.
    pub patience: Duration,
}

/// The prefix of every route: empty, or `/` and segments without a last slash.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BasePath(String);

/// Why a text is no prefix.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "base path {0:?} is no path: begin with a slash and use letters, digits, dots, dashes, \
     underscores and slashes"
)]
pub struct BadBasePath(pub String);

/// Everything a server is told.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// The prefix of every route.
    pub base_path: BasePath,
    /// The groups that the configuration owns.
    pub groups: BTreeMap<GroupName, GroupRules>,
    /// The rules of groups that it does not name; `None` keeps those out.
    pub open_groups: Option<GroupRules>,
    /// The nodes that clients are, by what they call themselves; others are called as they say.
    pub node_names: BTreeMap<NodeName, NodeName>,
    /// What no client may exceed.
    pub limits: Limits,
}

// === impl GroupRules ===

impl GroupRules {
    /// Rules with so many slots and nothing else.
    pub fn of_max(max: u32) -> Self {
        Self {
            max,
            windows: Windows::default(),
            zone: TimeZone::UTC,
            interval_secs: 0,
            policies: Policies::default(),
            wait_secs: 0,
            max_reboots_per_day: 10,
            deadline_secs: 30 * 60,
        }
    }

    /// Whether no client may be admitted at this time.
    pub(crate) fn is_shut(&self, now: Timestamp) -> bool {
        self.windows.verdict(now, &self.zone) != Verdict::Allowed
    }
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes: 64 * 1024,
            requests_per_second: 1_000,
            connections: 20_000,
            connections_per_address: 10_000,
            patience: Duration::from_secs(30),
        }
    }
}

// === impl BasePath ===

impl BasePath {
    /// Checks a prefix; `/` and the empty text are none.
    ///
    /// # Errors
    /// [`BadBasePath`] when it is no plain path.
    pub fn new(text: &str) -> Result<Self, BadBasePath> {
        let path = text.trim_end_matches('/');
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
        let is_good = path.is_empty() || path.starts_with('/');
        if !is_good || !path.chars().all(is_plain) || path.contains("//") {
            return Err(BadBasePath(text.to_owned()));
        }
        Ok(Self(path.to_owned()))
    }

    /// The prefix; empty when there is none.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// === impl ServerSettings ===

impl ServerSettings {
    /// One group of so many slots, and nothing else.
    pub fn of_group(group: GroupName, rules: GroupRules) -> Self {
        Self {
            base_path: BasePath::default(),
            groups: BTreeMap::from([(group, rules)]),
            open_groups: None,
            node_names: BTreeMap::new(),
            limits: Limits::default(),
        }
    }

    /// The node that a client is which calls itself so.
    pub fn node_of(&self, id: &NodeName) -> NodeName {
        self.node_names.get(id).unwrap_or(id).clone()
    }

    /// The node that an operator means: one that is named so, or else the one that calls itself
    /// so.
    pub fn node_meant(&self, name: &NodeName) -> NodeName {
        let is_a_node = self.node_names.values().any(|node| node == name);
        match is_a_node {
            true => name.clone(),
            false => self.node_of(name),
        }
    }

    /// The rules of a group; `None` when it is not known here.
    pub fn rules_of(&self, group: &GroupName) -> Option<&GroupRules> {
        self.groups.get(group).or(self.open_groups.as_ref())
    }

    /// Every group of a fleet. Those of the configuration that nobody has made yet are as their
    /// first claim would make them; one that no claim can make is left out.
    pub fn groups_of<'a>(
        &'a self,
        fleet: &'a Fleet,
    ) -> BTreeMap<&'a GroupName, Cow<'a, GroupEntry>> {
        let unmade = self.groups.iter().filter_map(|(name, rules)| {
            let is_made = fleet.groups.contains_key(name);
            let entry = (!is_made).then(|| fleet.unmade(name, rules.max).ok())??;
            Some((name, Cow::Owned(entry)))
        });
        let made = fleet.groups.iter();
        let made = made.map(|(name, entry)| (name, Cow::Borrowed(entry)));
        made.chain(unmade).collect()
    }

    /// The slots to make a missing group with, as an operator's change does: only those that the
    /// configuration names, for the name of any other may be misspelt.
    pub(crate) fn create_with_max(&self, group: &GroupName) -> Option<u32> {
        self.groups.get(group).map(|rules| rules.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_a_nodes_means_that_node() {
        let node = |name: &str| NodeName::new(name).unwrap();
        let mut settings = ServerSettings::of_group(GroupName::default(), GroupRules::of_max(1));
        settings.node_names = BTreeMap::from([(node("a"), node("b")), (node("b"), node("c"))]);
        for (name, meant) in [("a", "b"), ("b", "b"), ("c", "c"), ("d", "d")] {
            assert_eq!(settings.node_meant(&node(name)), node(meant), "{name}");
        }
    }

    #[test]
    fn a_base_path_is_a_plain_path() {
        for (text, path) in [("", ""), ("/", ""), ("/a", "/a"), ("/a/b/", "/a/b")] {
            assert_eq!(BasePath::new(text).unwrap().as_str(), path);
        }
        for text in ["a", "/{x}", "/a b", "/*", "/a//b", "/ä", "/a?b"] {
            assert!(BasePath::new(text).is_err(), "{text}");
        }
    }
}
