//! A request to a group: read, apply by the rules, write the record and all that belongs to it.

use super::change::{Change, Fault, column, to_json};
use super::facts;
use reboot_core::group::{Group, HistoryEntry, Refusal, Request, Side, apply};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::undo::Undo;
use reboot_core::write::Written;
use rusqlite::params;

/// Lines of history kept for each group.
pub(super) const HISTORY_MAX: i64 = 10_000;

fn millis(secs: u64) -> u64 {
    secs.saturating_mul(1000)
}

// === impl Change ===

impl Change<'_> {
    /// Asks a group, and writes what the rules answer.
    pub(super) fn ask(
        &mut self,
        name: &GroupName,
        create_with_max: Option<u32>,
        request: &Request,
    ) -> Result<Written, Fault> {
        let stored = self.group(name)?;
        let group = match &stored {
            Some(group) => group.clone(),
            None => self.create(name, create_with_max)?,
        };
        let facts = facts::facts(self.conn, self.now, name, &group, &request.action)?;
        let applied = apply(&group, request, &facts).map_err(Fault::Refused)?;
        if stored.as_ref() != Some(&applied.group) {
            self.put_group(name, &applied.group)?;
        }
        for side in &applied.sides {
            self.put_side(name, &request.at, side)?;
        }
        Ok(Written::Granted(applied.reply))
    }

    fn create(&self, name: &GroupName, max: Option<u32>) -> Result<Group, Fault> {
        let claiming = facts::claiming(self.conn, name)?;
        let Some(max) = max else {
            return Err(Fault::Refused(match claiming.is_empty() {
                true => Refusal::NoGroup {
                    group: name.clone(),
                },
                false => Refusal::GroupLost { nodes: claiming },
            }));
        };
        let sql = "SELECT epoch FROM meta";
        let epoch: i64 = self.conn.query_row(sql, [], |row| row.get(0))?;
        Group::create(max, epoch.unsigned_abs(), &claiming).map_err(Fault::Refused)
    }

    /// Stores a group's record.
    pub(super) fn put_group(&mut self, name: &GroupName, group: &Group) -> Result<(), Fault> {
        group
            .check()
            .map_err(|error| Fault::Broken(format!("group {name}: {error}")))?;
        let sql = "INSERT OR REPLACE INTO groups VALUES(?1, ?2)";
        self.run(sql, params![name.as_str(), group.to_json()])?;
        self.is_news = true;
        Ok(())
    }

    /// Stores what belongs into the same commit as the record.
    pub(super) fn put_side(
        &mut self,
        group: &GroupName,
        at: &str,
        side: &Side,
    ) -> Result<(), Fault> {
        let name = group.as_str();
        match side {
            Side::StartCooldown { node, secs } => {
                self.start("cooldown", name, 0, Some(node), at, millis(*secs))?;
            }
            Side::StartDeadline { number, secs } => {
                self.start("deadline", name, column(*number), None, at, millis(*secs))?;
            }
            Side::EndDeadline { number } => {
                let sql = "DELETE FROM timers
                           WHERE kind = 'deadline' AND name = ?1 AND number = ?2";
                self.run(sql, params![name, column(*number)])?;
            }
            Side::MarkReboot { node, keep } => self.mark(node, at, *keep)?,
            Side::OweUndo { node, undo } => self.owe(node, undo)?,
            Side::History(entry) => self.put_history(group, entry)?,
        }
        self.is_news = true;
        Ok(())
    }

    fn start(
        &self,
        kind: &str,
        name: &str,
        number: i64,
        node: Option<&NodeName>,
        at: &str,
        duration_ms: u64,
    ) -> Result<(), Fault> {
        let sql = "INSERT OR REPLACE INTO timers VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let node = node.map(NodeName::as_str);
        let (duration, ends) = (column(duration_ms), self.ends(duration_ms));
        self.run(sql, params![kind, name, number, node, at, duration, ends])?;
        Ok(())
    }

    fn mark(&self, node: &NodeName, at: &str, keep: u32) -> Result<(), Fault> {
        let sql = "SELECT coalesce(max(number), 0) + 1 FROM timers
                   WHERE kind = 'mark' AND name = ?1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let number: i64 = statement.query_row([node.as_str()], |row| row.get(0))?;
        let ttl_ms = self.marks_ttl_ms.unsigned_abs();
        self.start("mark", node.as_str(), number, None, at, ttl_ms)?;
        let sql = "DELETE FROM timers WHERE kind = 'mark' AND name = ?1 AND number <= ?2";
        self.run(sql, params![node.as_str(), number - i64::from(keep)])?;
        Ok(())
    }

    fn owe(&self, node: &NodeName, undo: &Undo) -> Result<(), Fault> {
        let mut owed = self.owed(node)?;
        owed.merge(undo);
        let sql = "INSERT INTO nodes VALUES(?1, NULL, ?2, 0, 0)
                   ON CONFLICT DO UPDATE SET owed = excluded.owed";
        self.run(sql, params![node.as_str(), to_json(&owed)?])?;
        Ok(())
    }

    pub(super) fn put_history(&self, group: &GroupName, entry: &HistoryEntry) -> Result<(), Fault> {
        let sql = "SELECT coalesce(max(number), 0) + 1 FROM history WHERE group_name = ?1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let number: i64 = statement.query_row([group.as_str()], |row| row.get(0))?;
        let sql = "INSERT INTO history VALUES(?1, ?2, ?3)";
        self.run(sql, params![group.as_str(), number, to_json(entry)?])?;
        let sql = "DELETE FROM history WHERE group_name = ?1 AND number <= ?2";
        self.run(sql, params![group.as_str(), number - HISTORY_MAX])?;
        Ok(())
    }
}
