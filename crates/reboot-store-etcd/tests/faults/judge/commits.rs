//! Each commit is what the rules make of the one before and of one recorded request.

use super::{Asked, Case, Commit, Rule};
use crate::past::Stand;
use reboot_core::group::{Applied, Group, HistoryEntry, Hold, Refusal, Side, apply};
use reboot_core::id::GroupName;
use reboot_core::undo::Undo;

/// What the judgement of one commit needs.
struct Checked<'c> {
    name: &'c GroupName,
    before: Group,
    /// The commit before; at the first one, nothing had happened.
    since: i64,
    history: u64,
    commit: &'c Commit,
}

// === impl Case ===

impl Case<'_> {
    pub(super) fn judge_commits(&mut self) {
        for name in crate::groups() {
            let commits = std::mem::take(self.commits.get_mut(&name).unwrap());
            for commit in &commits {
                self.verdict.figures.commits += 1;
                self.judge_versions(&name, commit);
                self.judge_commit(&name, commit);
                self.judge_dress(&name, &commit.after);
            }
            self.commits.insert(name, commits);
        }
    }

    /// etcd counts how often a key was put: so we know that no state of it is missing.
    fn judge_versions(&mut self, name: &GroupName, commit: &Commit) {
        let before = commit.before.as_ref().map_or(0, |stand| stand.version);
        let after = &commit.after;
        if after.version != before + 1 {
            let text = format!(
                "group {name} at revision {}: version {} follows {before}",
                after.revision, after.version
            );
            self.object(Rule::Unbroken, text);
        }
    }

    fn judge_commit(&mut self, name: &GroupName, commit: &Commit) {
        let revision = commit.after.revision;
        let before = commit.before.as_ref().map(|stand| stand.group.clone());
        let checked = Checked {
            name,
            before: before.unwrap_or_else(created),
            since: commit.before.as_ref().map_or(0, |stand| stand.revision),
            history: commit.before.as_ref().map_or(0, |stand| stand.history),
            commit,
        };
        let Some(asked) = self.request_of(commit) else {
            let text = format!("group {name} at revision {revision} names no recorded request");
            return self.object(Rule::Sequential, text);
        };
        match self.explain(&checked, asked) {
            Err(why) => {
                let verb = asked.request.action.verb();
                let text = format!("{verb} in group {name} at revision {revision}: {why}");
                self.object(Rule::Sequential, text);
            }
            Ok((applied, late)) => {
                if let Some(why) = late {
                    let what = format!("{}: {why}", asked.request.action.verb());
                    *self.verdict.figures.late_facts.entry(what).or_default() += 1;
                }
                self.count(&applied);
                if let Err(why) = self.whole(&checked, &applied) {
                    let text = format!("group {name} at revision {revision}: {why}");
                    self.object(Rule::Whole, text);
                }
            }
        }
    }

    /// By the facts right before the commit. Two of them may have changed since the look, and are
    /// taken as of a moment since the commit before: another's claim may be dead already and is
    /// swept by the next one, and the line only serves liveness.
    fn explain(
        &self,
        it: &Checked<'_>,
        asked: &Asked<'_>,
    ) -> Result<(Applied, Option<&'static str>), String> {
        let revision = it.commit.after.revision;
        let mut late = None;
        for at in self.past.revisions(it.since, revision - 1) {
            let facts = self.past.facts(it.name, &it.before, asked.request, at);
            let applied = apply(&it.before, asked.request, &facts);
            match applied {
                Ok(applied) if applied.group == it.commit.after.group => {
                    return Ok((applied, late));
                }
                Ok(applied) if applied.group.holds.len() < it.commit.after.group.holds.len() => {
                    late.get_or_insert("another's claim, whose lease had just ended, was kept");
                }
                Ok(applied) => return Err(unlike(&applied.group, &it.commit.after.group)),
                Err(Refusal::OthersWait { .. }) => {
                    late.get_or_insert("somebody had just joined the line");
                }
                Err(refusal) => return Err(format!("the rules refuse it: {refusal}")),
            }
        }
        Err(late.unwrap_or("nothing had happened before it").to_owned())
    }

    fn count(&mut self, applied: &Applied) {
        for side in &applied.sides {
            if let Side::History(entry) = side {
                let verbs = &mut self.verdict.figures.verbs;
                *verbs.entry(entry.event.clone()).or_default() += 1;
            }
        }
    }

    /// What belongs to the commit happened at its very revision.
    fn whole(&self, it: &Checked<'_>, applied: &Applied) -> Result<(), String> {
        let mut line = it.history;
        for side in &applied.sides {
            if let Side::History(entry) = side {
                line += 1;
                self.history_line(it, line, entry)?;
            } else {
                self.side(it, side)?;
            }
        }
        match it.commit.after.history == line {
            true => Ok(()),
            false => Err(format!(
                "{} lines of history, not {line}",
                it.commit.after.history
            )),
        }
    }

    fn history_line(
        &self,
        it: &Checked<'_>,
        number: u64,
        expected: &HistoryEntry,
    ) -> Result<(), String> {
        let key = self.past.keys.history_line(it.name, number);
        let line = self.past.changed(&key, it.commit.after.revision);
        let text = line.and_then(|version| version.value.as_deref());
        let entry = text.and_then(|text| serde_json::from_str::<HistoryEntry>(text).ok());
        match entry.as_ref() == Some(expected) {
            true => Ok(()),
            false => Err(format!("{key} is {entry:?}, not {expected:?}")),
        }
    }

    fn side(&self, it: &Checked<'_>, side: &Side) -> Result<(), String> {
        let (keys, at) = (&self.past.keys, it.commit.after.revision);
        let is_leased = |key: &str| {
            let put = self.past.changed(key, at);
            put.is_some_and(|version| version.value.is_some() && version.lease != 0)
        };
        let asked = self.request_of(it.commit);
        let stands = match side {
            Side::StartCooldown { node, secs } => {
                let cooldown = self.past.cooldown(it.name, at);
                let is_it =
                    cooldown.is_some_and(|it| it.node == *node && it.duration_secs == *secs);
                is_it && is_leased(&keys.cooldown(it.name))
            }
            Side::StartDeadline { number, .. } => is_leased(&keys.deadline(it.name, *number)),
            Side::EndDeadline { number } => self
                .past
                .get(&keys.deadline(it.name, *number), at)
                .is_none(),
            Side::MarkReboot { node, .. } => {
                asked.is_some_and(|asked| is_leased(&keys.mark(node, &asked.request.id)))
            }
            Side::OweUndo { node, undo } => self.owes(&keys.owed(node), undo, at),
            Side::History(_) => true,
        };
        match stands {
            true => Ok(()),
            false => Err(format!("{side:?} is not in the commit")),
        }
    }

    fn owes(&self, key: &str, undo: &Undo, at: i64) -> bool {
        let put = self.past.changed(key, at);
        let text = put.and_then(|version| version.value.as_deref());
        let owed = text.and_then(|text| serde_json::from_str::<Undo>(text).ok());
        owed.is_some_and(|owed| undo.left_after(&owed).is_empty())
    }

    /// Beside the record stand a key for each hold, and a second copy of the default group's.
    fn judge_dress(&mut self, name: &GroupName, stand: &Stand) {
        let (keys, at) = (&self.past.keys, stand.revision);
        let holds = &stand.group.holds;
        let prefix = keys.holders(name);
        let held = i64::try_from(holds.len()).unwrap();
        let record = self.past.changed(&keys.record(name), at);
        let copy = self.past.changed(&keys.copy(name), at);
        let mut wrong = Vec::new();
        for (node, version) in self.past.under(&prefix, at) {
            let hold = holds.iter().find(|hold| hold.node.as_str() == node);
            match hold {
                None => wrong.push(format!("{node} stands there and does not hold")),
                Some(hold) if hold.phase.is_durable() != (version.lease == 0) => {
                    wrong.push(format!(
                        "the key of {node} hangs on lease {}",
                        version.lease
                    ));
                }
                Some(_) => {}
            }
        }
        wrong.extend(self.missing_holders(&prefix, holds, at));
        if stand.semaphore != i64::from(stand.group.max) - held {
            wrong.push(format!("semaphore is {}", stand.semaphore));
        }
        if record.map(|it| &it.value) != copy.map(|it| &it.value) {
            wrong.push("its second copy is another".to_owned());
        }
        for why in wrong {
            self.object(Rule::Whole, format!("group {name} at revision {at}: {why}"));
        }
    }

    /// Durable holds whose own key is not there; a claim's goes with its lease.
    fn missing_holders(&self, prefix: &str, holds: &[Hold], at: i64) -> Vec<String> {
        let durable = holds.iter().filter(|hold| hold.phase.is_durable());
        let is_missing = |hold: &&Hold| {
            self.past
                .get(&format!("{prefix}{}", hold.node), at)
                .is_none()
        };
        durable
            .filter(is_missing)
            .map(|hold| format!("{} holds and has no key", hold.node))
            .collect()
    }
}

/// What stands before the first commit: a group that is made in it.
pub(super) fn created() -> Group {
    Group::create(crate::SLOTS, 1, &[]).unwrap()
}

fn unlike(made: &Group, found: &Group) -> String {
    format!("the rules make {made:?} of it, not {found:?}")
}
