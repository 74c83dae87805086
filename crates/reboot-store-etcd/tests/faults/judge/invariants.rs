//! The invariants, looked for in the commits alone, not by the rules that made them.

use super::{Asked, Case, Commit, Rule};
use reboot_core::group::{Action, Hold, Phase, Way};
use reboot_core::id::{GroupName, NodeName};
use std::collections::BTreeSet;

// === impl Case ===

impl Case<'_> {
    pub(super) fn judge_invariants(&mut self) {
        let mut found = Vec::new();
        for (name, commits) in &self.commits {
            for commit in commits {
                let (rule, at) = (&mut found, commit.after.revision);
                let mut say = |which: Rule, text: String| {
                    rule.push((which, format!("group {name} at revision {at}: {text}")));
                };
                if let Some(text) = over_full(commit) {
                    say(Rule::I1, text);
                }
                if let Some(text) = falls_back(commit) {
                    say(Rule::I5, text);
                }
                let asked = self.request_of(commit);
                for hold in ended(commit).filter(|hold| hold.phase.is_durable()) {
                    if !may_end(hold, asked) {
                        say(
                            Rule::I3,
                            format!("{hold:?} ended by {:?}", asked.map(action)),
                        );
                    }
                    if let Some(left) = self.not_undone(hold, asked, at) {
                        say(Rule::I8, format!("hold {}: {left}", hold.number));
                    }
                }
                for node in self.twice(name, commit) {
                    say(Rule::I9, format!("{node} holds in two groups"));
                }
            }
            found.extend(self.too_close(name, commits));
        }
        self.verdict.figures.cooldowns = self.cooldowns();
        for (rule, text) in found {
            self.object(rule, text);
        }
    }

    /// What a hold changed on its node was undone before, or is owed after a break.
    fn not_undone(&self, hold: &Hold, asked: Option<&Asked<'_>>, at: i64) -> Option<String> {
        let left = match &asked?.request.action {
            Action::Release { undone, .. } => hold.undo.left_after(undone),
            _ => {
                let key = self.past.keys.owed(&hold.node);
                let owed = self.past.get(&key, at);
                let text = owed.and_then(|version| version.value.as_deref());
                let owed = text.and_then(|text| serde_json::from_str(text).ok());
                hold.undo.left_after(&owed.unwrap_or_default())
            }
        };
        (!left.is_empty()).then(|| format!("{left:?} is left changed"))
    }

    /// Nodes that hold here and in another group, dead claims not counted.
    fn twice(&self, name: &GroupName, commit: &Commit) -> BTreeSet<NodeName> {
        let at = commit.after.revision;
        let alive = |name: &GroupName| -> BTreeSet<NodeName> {
            let Some(stand) = self.stand(name, at) else {
                return BTreeSet::new();
            };
            let facts = self.past.alive(name, &stand.group, at);
            let (group, _) = stand.group.swept(&facts);
            group.holds.into_iter().map(|hold| hold.node).collect()
        };
        let here = alive(name);
        let others = self.commits.keys().filter(|it| *it != name);
        others
            .flat_map(|other| {
                alive(other)
                    .intersection(&here)
                    .cloned()
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Fences less than the earlier one's interval apart. A fence happened after it was asked
    /// for, and before it was granted: what is less between those is surely too close.
    fn too_close(&self, name: &GroupName, commits: &[Commit]) -> Vec<(Rule, String)> {
        let mut found = Vec::new();
        let mut earlier: Option<(u64, u64)> = None; // when it was asked for, its interval
        for commit in commits {
            let Some((asked, hold)) = self.fenced(commit) else {
                continue;
            };
            let granted = asked.granted().map(|moment| moment.ms);
            if let (Some((since, secs)), Some(granted)) = (earlier, granted)
                && granted < since + secs * 1000
            {
                let text = format!(
                    "group {name} at revision {}: fenced {} ms after a fence with {secs} s",
                    commit.after.revision,
                    granted.saturating_sub(since)
                );
                found.push((Rule::I6, text));
            }
            if hold.interval_secs > 0 {
                earlier = Some((asked.asked().ms, hold.interval_secs));
            }
            let before = commit.after.revision - 1;
            if self.past.cooldown(name, before).is_some() {
                let text = format!("group {name} at revision {before}: fenced in a cooldown");
                found.push((Rule::I6, text));
            }
        }
        found
    }

    /// The hold that a commit fenced, unless it was fenced before.
    fn fenced<'c>(&self, commit: &'c Commit) -> Option<(&Asked<'_>, &'c Hold)> {
        let asked = self.request_of(commit)?;
        let Action::Fence { owner, .. } = &asked.request.action else {
            return None;
        };
        let stood = commit.before.as_ref()?.group.hold_of(&owner.node)?;
        let is_first = stood.phase != Phase::Rebooting;
        let hold = commit.after.group.hold_of(&owner.node)?;
        is_first.then_some((asked, hold))
    }

    /// Fences that started a cooldown.
    fn cooldowns(&self) -> u64 {
        let all = self.commits.values().flatten();
        let fences = all.filter_map(|commit| self.fenced(commit));
        let with_interval = fences.filter(|(_, hold)| hold.interval_secs > 0);
        u64::try_from(with_interval.count()).unwrap()
    }
}

fn action<'a>(asked: &'a Asked<'_>) -> &'a Action {
    &asked.request.action
}

/// Holds that a commit took away.
fn ended(commit: &Commit) -> impl Iterator<Item = &Hold> {
    let before = commit.before.iter().flat_map(|stand| &stand.group.holds);
    let is_gone = |number: u64| {
        let after = &commit.after.group.holds;
        after.iter().all(|hold| hold.number != number)
    };
    before.filter(move |hold| is_gone(hold.number))
}

/// More hold than may, and one of them is new.
fn over_full(commit: &Commit) -> Option<String> {
    let group = &commit.after.group;
    let generation = commit.before.as_ref().map_or(0, |it| it.group.generation);
    let grants = group.holds.iter().any(|hold| hold.number > generation);
    let held = group.holds.len();
    (grants && held > group.max as usize)
        .then(|| format!("granted though {held} hold and max is {}", group.max))
}

fn falls_back(commit: &Commit) -> Option<String> {
    let before = commit.before.as_ref()?.group.mark();
    let after = commit.after.group.mark();
    let held = commit.before.as_ref()?.group.holds.iter();
    let known: BTreeSet<u64> = held.map(|hold| hold.number).collect();
    let now = commit.after.group.holds.iter();
    let mut fresh = now.filter(|hold| !known.contains(&hold.number));
    let is_stale = fresh.any(|hold| hold.number <= before.1);
    (after < before || is_stale).then(|| format!("{after:?} follows {before:?}"))
}

/// The three ways out of a durable hold.
fn may_end(hold: &Hold, asked: Option<&Asked<'_>>) -> bool {
    match asked.map(action) {
        Some(Action::Break { number, .. }) => *number == hold.number,
        Some(Action::Release {
            owner, way, boot, ..
        }) => {
            let is_own = owner.number == hold.number
                && owner.node == hold.node
                && owner.instance == hold.instance;
            let is_back = hold.boot.differs_from(boot);
            let is_way = match way {
                Way::Returned => is_back && hold.phase == Phase::Returned,
                Way::NeverIssued => !is_back,
                Way::GivenBack => false,
            };
            is_own && is_way
        }
        _ => false,
    }
}
