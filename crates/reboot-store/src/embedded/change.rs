//! One write inside a transaction: its effect on the tables, decided by the core's rules.

use super::facts;
use reboot_core::fleet::NodeRecord;
use reboot_core::group::{Group, Identity, Pause, Refusal, fleet_note};
use reboot_core::id::{GroupName, Instance, NodeName, SessionId};
use reboot_core::line::Ticket;
use reboot_core::order::Order;
use reboot_core::undo::Undo;
use reboot_core::write::{Write, Written};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a write inside a transaction goes no further.
pub(super) enum Fault {
    /// By the rules.
    Refused(Refusal),
    /// A record that cannot be used.
    Broken(String),
    /// The database fails: the whole transaction is off.
    Sql(rusqlite::Error),
}

/// One write in the making.
pub(super) struct Change<'t> {
    /// The transaction.
    pub(super) conn: &'t Connection,
    /// The boot-time clock at the transaction's start, in milliseconds.
    pub(super) now: i64,
    /// For how long a reboot counts, in milliseconds.
    pub(super) marks_ttl_ms: i64,
    /// Whether somebody may wait for this.
    pub(super) is_news: bool,
}

/// A text for a column.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| Fault::Broken(error.to_string()))
}

/// A stored text; `what` names it in the error.
pub(super) fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| {
        Fault::Broken(format!(
            "{what} cannot be read ({error}): restore a backup, or mend it by hand"
        ))
    })
}

/// A column's milliseconds or number; what does not fit is as good as for ever.
pub(super) fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The other way; what we write is never negative.
pub(super) fn number(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

// === impl Fault ===

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

// === impl Change ===

impl<'t> Change<'t> {
    /// One that has changed nothing yet.
    pub(super) fn new(conn: &'t Connection, now: i64, marks_ttl_ms: i64) -> Self {
        Self {
            conn,
            now,
            marks_ttl_ms,
            is_news: false,
        }
    }

    /// Carries a write out.
    pub(super) fn apply(&mut self, write: &Write) -> Result<Written, Fault> {
        match write {
            Write::OpenSession {
                session,
                identity,
                ttl_ms,
            } => self.open_session(session, identity, *ttl_ms)?,
            Write::KeepSession { session } => self.keep_session(session)?,
            Write::EndSession { session } => self.end_sessions("session", session.as_str())?,
            Write::EndInstance { instance } => self.end_instance(instance)?,
            Write::Publish {
                record,
                stale_after_ms,
            } => self.publish(record, *stale_after_ms)?,
            Write::Forget { node } => self.forget(node)?,
            Write::Undone { node, undone } => self.undone(node, undone)?,
            Write::Order { node, group, order } => {
                self.put_order(node, order)?;
                self.put_history(group, &order.note(node))?;
            }
            Write::EndOrder {
                node,
                group,
                order,
                end,
                at,
            } => {
                if self.drop_order(node, order)? {
                    self.put_history(group, &order.end_note(node, end, at))?;
                }
            }
            Write::Join { group, ticket } => return self.join(group, ticket),
            Write::Leave { group, node } => self.leave(group, node)?,
            Write::Ask {
                group,
                create_with_max,
                request,
            } => return self.ask(group, *create_with_max, request),
            Write::PauseFleet { pause, by, at } => self.pause_fleet(pause.as_ref(), by, at)?,
        }
        Ok(Written::Done)
    }

    /// The end of a lease or timer in passing; `expires_ms` as stored.
    pub(super) fn ends(&self, duration_ms: u64) -> i64 {
        self.now.saturating_add(column(duration_ms))
    }

    /// Runs a statement, and tells whether it changed anything.
    pub(super) fn run(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<bool, rusqlite::Error> {
        Ok(self.conn.prepare_cached(sql)?.execute(params)? > 0)
    }

    /// Takes away what has ended: leases with their tickets, and timers.
    pub(super) fn sweep(&mut self) -> Result<(), rusqlite::Error> {
        let sessions = self.run("DELETE FROM sessions WHERE expires_ms <= ?1", [self.now])?;
        let timers = self.run("DELETE FROM timers WHERE expires_ms <= ?1", [self.now])?;
        if sessions {
            self.drop_tickets()?;
        }
        self.is_news |= sessions || timers;
        Ok(())
    }

    fn drop_tickets(&self) -> Result<bool, rusqlite::Error> {
        let sql = "DELETE FROM tickets WHERE session NOT IN (SELECT session FROM sessions)";
        self.run(sql, [])
    }

    fn open_session(
        &mut self,
        session: &SessionId,
        identity: &Identity,
        ttl_ms: u64,
    ) -> Result<(), Fault> {
        let text = to_json(identity)?;
        let sql = "SELECT identity FROM sessions WHERE session = ?1";
        let alive: Option<String> = self
            .conn
            .prepare_cached(sql)?
            .query_row([session.as_str()], |row| row.get(0))
            .optional()?;
        let is_reused = match &alive {
            Some(alive) => from_json::<Identity>("a session", alive)? != *identity,
            // A dead claim must not come to life again under a lease of the same name.
            None => facts::claims_on(self.conn, session)?,
        };
        if is_reused {
            return Err(Fault::Refused(Refusal::SessionEnded));
        }
        self.run(
            "INSERT INTO sessions VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE
             SET duration_ms = excluded.duration_ms, expires_ms = excluded.expires_ms",
            params![
                session.as_str(),
                identity.node.as_str(),
                identity.instance.as_str(),
                text,
                column(ttl_ms),
                self.ends(ttl_ms)
            ],
        )?;
        self.is_news |= alive.is_none();
        Ok(())
    }

    fn keep_session(&self, session: &SessionId) -> Result<(), Fault> {
        let sql = "UPDATE sessions SET expires_ms = ?2 + duration_ms WHERE session = ?1";
        match self.run(sql, params![session.as_str(), self.now])? {
            true => Ok(()),
            false => Err(Fault::Refused(Refusal::SessionEnded)),
        }
    }

    fn end_instance(&mut self, instance: &Instance) -> Result<(), Fault> {
        self.end_sessions("instance", instance.as_str())
    }

    fn end_sessions(&mut self, column: &'static str, name: &str) -> Result<(), Fault> {
        let sql = format!("DELETE FROM sessions WHERE {column} = ?1");
        if self.run(&sql, [name])? {
            self.drop_tickets()?;
            self.is_news = true;
        }
        Ok(())
    }

    fn publish(&mut self, record: &NodeRecord, stale_after_ms: u64) -> Result<(), Fault> {
        let node = record.node.as_str();
        let sql = "SELECT record, expires_ms FROM nodes WHERE node = ?1";
        let before: Option<(Option<String>, i64)> = self
            .conn
            .prepare_cached(sql)?
            .query_row([node], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        self.is_news |= match before {
            Some((Some(text), expires_ms)) if expires_ms > self.now => {
                // A broken record is replaced by its node's own new word.
                let before = serde_json::from_str::<NodeRecord>(&text);
                before.map_or(true, |before| is_news(&before, record))
            }
            _ => true,
        };
        self.run(
            "INSERT INTO nodes VALUES(?1, ?2, '[]', ?3, ?4) ON CONFLICT DO UPDATE
             SET record = excluded.record, duration_ms = excluded.duration_ms,
                 expires_ms = excluded.expires_ms",
            params![
                node,
                to_json(record)?,
                column(stale_after_ms),
                self.ends(stale_after_ms)
            ],
        )?;
        Ok(())
    }

    fn forget(&mut self, node: &NodeName) -> Result<(), Fault> {
        let node = node.as_str();
        let record = self.run("DELETE FROM nodes WHERE node = ?1", [node])?;
        let sql = "DELETE FROM timers WHERE kind = 'mark' AND name = ?1";
        let marks = self.run(sql, [node])?;
        let order = self.run("DELETE FROM orders WHERE node = ?1", [node])?;
        self.is_news |= record || marks || order;
        Ok(())
    }

    fn undone(&mut self, node: &NodeName, undone: &Undo) -> Result<(), Fault> {
        let owed = self.owed(node)?;
        let left = owed.left_after(undone);
        if left != owed {
            let sql = "UPDATE nodes SET owed = ?2 WHERE node = ?1";
            self.run(sql, params![node.as_str(), to_json(&left)?])?;
            self.is_news = true;
        }
        Ok(())
    }

    /// What a broken hold left to be undone on a node.
    pub(super) fn owed(&self, node: &NodeName) -> Result<Undo, Fault> {
        let sql = "SELECT owed FROM nodes WHERE node = ?1";
        let text: Option<String> = self
            .conn
            .prepare_cached(sql)?
            .query_row([node.as_str()], |row| row.get(0))
            .optional()?;
        match text {
            Some(text) => from_json(&format!("what is owed to {node}"), &text),
            None => Ok(Undo::default()),
        }
    }

    fn put_order(&mut self, node: &NodeName, order: &Order) -> Result<(), Fault> {
        let sql = "INSERT OR REPLACE INTO orders VALUES(?1, ?2)";
        self.run(sql, params![node.as_str(), to_json(order)?])?;
        self.is_news = true;
        Ok(())
    }

    /// Drops the order of a node, if it is this one; whether it was.
    fn drop_order(&mut self, node: &NodeName, order: &Order) -> Result<bool, Fault> {
        if facts::order(self.conn, node)?.as_ref() != Some(order) {
            return Ok(false);
        }
        self.run("DELETE FROM orders WHERE node = ?1", [node.as_str()])?;
        self.is_news = true;
        Ok(true)
    }

    fn join(&mut self, group: &GroupName, ticket: &Ticket) -> Result<Written, Fault> {
        if !facts::is_alive(self.conn, &ticket.session, self.now)? {
            return Err(Fault::Refused(Refusal::SessionEnded));
        }
        self.refuse_holder(group, &ticket.node)?;
        let sql = "SELECT number, ticket FROM tickets WHERE group_name = ?1 AND node = ?2";
        let waiting: Option<(i64, String)> = self
            .conn
            .prepare_cached(sql)?
            .query_row(params![group.as_str(), ticket.node.as_str()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?;
        let place = match &waiting {
            Some((place, _)) => *place,
            None => self.next_ticket()?,
        };
        let mut ticket = ticket.clone();
        ticket.number = number(place);
        let text = to_json(&ticket)?;
        if waiting.as_ref().map(|(_, text)| text) != Some(&text) {
            self.run(
                "INSERT OR REPLACE INTO tickets VALUES(?1, ?2, ?3, ?4, ?5)",
                params![
                    group.as_str(),
                    ticket.node.as_str(),
                    place,
                    ticket.session.as_str(),
                    text
                ],
            )?;
            self.is_news = true;
        }
        Ok(Written::Ticket(ticket.number))
    }

    fn refuse_holder(&self, group: &GroupName, node: &NodeName) -> Result<(), Fault> {
        let Some(group) = self.group(group)? else {
            return Ok(());
        };
        match group.hold_of(node) {
            Some(hold)
                if hold.phase.is_durable()
                    || facts::is_alive(self.conn, &hold.session, self.now)? =>
            {
                Err(Fault::Refused(hold.already_holds()))
            }
            _ => Ok(()),
        }
    }

    fn next_ticket(&self) -> Result<i64, rusqlite::Error> {
        let sql = "UPDATE meta SET last_ticket = last_ticket + 1 RETURNING last_ticket";
        self.conn.query_row(sql, [], |row| row.get(0))
    }

    fn leave(&mut self, group: &GroupName, node: &NodeName) -> Result<(), Fault> {
        let sql = "DELETE FROM tickets WHERE group_name = ?1 AND node = ?2";
        self.is_news |= self.run(sql, params![group.as_str(), node.as_str()])?;
        Ok(())
    }

    fn pause_fleet(&mut self, pause: Option<&Pause>, by: &str, at: &str) -> Result<(), Fault> {
        let text = pause.map(to_json).transpose()?;
        let sql = "UPDATE meta SET pause = ?1 WHERE pause IS NOT ?1";
        if !self.run(sql, [text])? {
            return Ok(());
        }
        self.is_news = true;
        let note = fleet_note(pause, by, at);
        for group in self.group_names()? {
            self.put_history(&group, &note)?;
        }
        Ok(())
    }

    fn group_names(&self) -> Result<Vec<GroupName>, Fault> {
        let mut statement = self.conn.prepare_cached("SELECT name FROM groups")?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        let name = |text: Result<String, _>| facts::name_of("a group", text?, GroupName::new);
        names.map(name).collect()
    }

    /// Reads a group's record; `None` when there is none.
    pub(super) fn group(&self, name: &GroupName) -> Result<Option<Group>, Fault> {
        let sql = "SELECT record FROM groups WHERE name = ?1";
        let text: Option<String> = self
            .conn
            .prepare_cached(sql)?
            .query_row([name.as_str()], |row| row.get(0))
            .optional()?;
        text.map(|text| facts::group_of(name.as_str(), &text))
            .transpose()
    }
}

/// Whether a published record says something that others act on, or only that it is alive.
fn is_news(before: &NodeRecord, after: &NodeRecord) -> bool {
    let said = |record: &NodeRecord| {
        let NodeRecord {
            machine_id,
            boot,
            instance,
            group,
            health,
            hold,
            ..
        } = record.clone();
        (machine_id, boot, instance, group, health.healthy, hold)
    };
    said(before) != said(after)
}
