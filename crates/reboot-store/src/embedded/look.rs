//! The whole fleet out of the tables, and what a waiter must be woken by.

use super::change::{Fault, from_json, number};
use super::facts;
use crate::Interest;
use reboot_core::fleet::{Fleet, GroupEntry, NodeEntry};
use reboot_core::group::{Facts, HistoryEntry, Pause};
use reboot_core::id::{GroupName, NodeName, SessionId};
use reboot_core::line::{Line, Ticket};
use reboot_core::order::Order;
use reboot_core::undo::Undo;
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, BTreeSet};

/// What `changed` needs to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Peek {
    /// The store's revision.
    pub(super) revision: u64,
    /// The order of whoever asks, for whoever waits for one.
    pub(super) order: Option<Order>,
    /// When the next lease or timer of interest ends, on the boot-time clock.
    pub(super) next_end_ms: Option<i64>,
}

// === impl Peek ===

impl Peek {
    /// Whether it shows something else than whoever waits for this has seen.
    pub(super) fn is_news(&self, interest: &Interest, seen: u64) -> bool {
        match interest {
            Interest::Order { known, .. } => self.order != *known,
            Interest::Slot { .. } | Interest::Everything => self.revision != seen,
        }
    }
}

/// The revision that the store stands at.
pub(super) fn revision(conn: &Connection) -> Result<u64, rusqlite::Error> {
    let sql = "SELECT revision FROM meta";
    let revision: i64 = conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(number(revision))
}

/// Whether a lease or timer has ended whose end nobody has written down yet.
pub(super) fn is_sweep_due(conn: &Connection, now: i64) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT EXISTS(SELECT 1 FROM sessions WHERE expires_ms <= ?1)
               OR EXISTS(SELECT 1 FROM timers WHERE expires_ms <= ?1)";
    conn.prepare_cached(sql)?.query_row([now], |row| row.get(0))
}

/// The fleet; call it inside a transaction for one consistent look.
pub(super) fn fleet(conn: &Connection, now: i64) -> Result<Fleet, Fault> {
    let presences = facts::presences(conn, now, None)?;
    let alive = Facts {
        sessions: presences.iter().map(|one| one.session.clone()).collect(),
        ..Facts::default()
    };
    Ok(Fleet {
        revision: revision(conn)?,
        groups: groups(conn, now, &alive)?,
        nodes: nodes(conn, now)?,
        owed: owed(conn)?,
        orders: orders(conn)?,
        presences,
        pause: facts::pause(conn, now)?,
    })
}

fn groups(
    conn: &Connection,
    now: i64,
    alive: &Facts,
) -> Result<BTreeMap<GroupName, GroupEntry>, Fault> {
    let mut lines = lines(conn, &alive.sessions)?;
    let mut deadlines = deadlines(conn, now)?;
    let mut groups = BTreeMap::new();
    let mut statement = conn.prepare_cached("SELECT name, record FROM groups")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (text, record): (String, String) = (row.get(0)?, row.get(1)?);
        let (group, _) = facts::group_of(&text, &record)?.swept(alive);
        let line = Line::of(lines.remove(&text).unwrap_or_default());
        let within_deadline = deadlines.remove(&text).unwrap_or_default();
        let name = facts::name_of("a group", text, GroupName::new)?;
        let cooldown = facts::cooldown(conn, now, &name)?;
        let entry = GroupEntry {
            group,
            line,
            cooldown,
            within_deadline,
            foreign: Vec::new(),
        };
        groups.insert(name, entry);
    }
    Ok(groups)
}

fn lines(
    conn: &Connection,
    alive: &BTreeSet<SessionId>,
) -> Result<BTreeMap<String, Vec<Ticket>>, Fault> {
    let mut lines: BTreeMap<String, Vec<Ticket>> = BTreeMap::new();
    let mut statement = conn.prepare_cached("SELECT group_name, ticket FROM tickets")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (group, text): (String, String) = (row.get(0)?, row.get(1)?);
        let ticket: Ticket = from_json("a ticket", &text)?;
        if alive.contains(&ticket.session) {
            lines.entry(group).or_default().push(ticket);
        }
    }
    Ok(lines)
}

fn deadlines(conn: &Connection, now: i64) -> Result<BTreeMap<String, BTreeSet<u64>>, Fault> {
    let mut deadlines: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    let sql = "SELECT name, number FROM timers WHERE kind = 'deadline' AND expires_ms > ?1";
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([now])?;
    while let Some(row) = rows.next()? {
        let numbers = deadlines.entry(row.get(0)?).or_default();
        numbers.insert(number(row.get(1)?));
    }
    Ok(deadlines)
}

fn nodes(conn: &Connection, now: i64) -> Result<BTreeMap<NodeName, NodeEntry>, Fault> {
    let sql = "SELECT node, record, nodes.expires_ms > ?1,
                 (SELECT count(*) FROM timers
                  WHERE kind = 'mark' AND name = nodes.node AND timers.expires_ms > ?1)
               FROM nodes WHERE record IS NOT NULL";
    let mut nodes = BTreeMap::new();
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([now])?;
    while let Some(row) = rows.next()? {
        let (text, record): (String, String) = (row.get(0)?, row.get(1)?);
        let entry = NodeEntry {
            record: from_json(&format!("the record of node {text}"), &record)?,
            is_fresh: row.get(2)?,
            marks: row.get(3)?,
        };
        nodes.insert(facts::name_of("a node", text, NodeName::new)?, entry);
    }
    Ok(nodes)
}

/// What broken holds left, on nodes with a record or without.
fn owed(conn: &Connection) -> Result<BTreeMap<NodeName, Undo>, Fault> {
    let sql = "SELECT node, owed FROM nodes WHERE owed <> '[]'";
    let mut all = BTreeMap::new();
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (text, owed): (String, String) = (row.get(0)?, row.get(1)?);
        let owed: Undo = from_json(&format!("what is owed to {text}"), &owed)?;
        if !owed.is_empty() {
            all.insert(facts::name_of("a node", text, NodeName::new)?, owed);
        }
    }
    Ok(all)
}

/// What is ordered, by node.
fn orders(conn: &Connection) -> Result<BTreeMap<NodeName, Order>, Fault> {
    let mut orders = BTreeMap::new();
    let mut statement = conn.prepare_cached("SELECT node, ordered FROM orders")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (text, order): (String, String) = (row.get(0)?, row.get(1)?);
        let order: Order = from_json(&format!("the order of {text}"), &order)?;
        orders.insert(facts::name_of("a node", text, NodeName::new)?, order);
    }
    Ok(orders)
}

/// The newest lines of a group's history, oldest first.
pub(super) fn history(
    conn: &Connection,
    group: &GroupName,
    limit: usize,
) -> Result<Vec<HistoryEntry>, Fault> {
    let sql = "SELECT entry FROM history WHERE group_name = ?1 ORDER BY number DESC LIMIT ?2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params![group.as_str(), limit], |row| row.get(0))?;
    let mut entries = Vec::new();
    for text in rows {
        let text: String = text?;
        entries.push(from_json("a line of history", &text)?);
    }
    entries.reverse();
    Ok(entries)
}

/// The revision, and when a waiter should look again though nobody writes.
pub(super) fn peek(
    conn: &Connection,
    now: i64,
    interest: &Interest,
) -> Result<Peek, rusqlite::Error> {
    let (next_end_ms, order) = match interest {
        Interest::Slot { group, node } => (next_end_for(conn, group, node)?, None),
        // A look tells what is wrong with one that cannot be read.
        Interest::Order { node, .. } => (None, facts::order(conn, node).ok().flatten()),
        Interest::Everything => (next_end(conn, now)?, None),
    };
    Ok(Peek {
        revision: revision(conn)?,
        order,
        next_end_ms,
    })
}

/// The end of whatever ends next.
fn next_end(conn: &Connection, now: i64) -> Result<Option<i64>, rusqlite::Error> {
    let sql = "SELECT min(ends) FROM (
        SELECT min(expires_ms) AS ends FROM timers
      UNION ALL
        SELECT min(expires_ms) FROM sessions
      UNION ALL
        SELECT min(expires_ms) FROM nodes WHERE expires_ms > ?1
    )";
    conn.prepare_cached(sql)?.query_row([now], |row| row.get(0))
}

/// The end of a holder's, a predecessor's or a pause's lease, of a timer of the group, of the
/// node's own reboot marks, or of a former run under the node's name.
fn next_end_for(
    conn: &Connection,
    group: &GroupName,
    node: &NodeName,
) -> Result<Option<i64>, rusqlite::Error> {
    let sql = "SELECT min(ends) FROM (
        SELECT expires_ms AS ends FROM timers
        WHERE (kind <> 'mark' AND name = ?1) OR (kind = 'mark' AND name = ?2)
      UNION ALL
        SELECT sessions.expires_ms FROM groups, json_each(groups.record, '$.holds') AS hold
        JOIN sessions ON sessions.session = hold.value ->> 'session'
        WHERE groups.name = ?1 AND hold.value ->> 'phase' = 'claimed'
          AND hold.value ->> 'node' <> ?2
      UNION ALL
        SELECT sessions.expires_ms FROM tickets JOIN sessions USING(session)
        WHERE tickets.group_name = ?1 AND tickets.number < coalesce(
          (SELECT number FROM tickets WHERE group_name = ?1 AND node = ?2), 0)
      UNION ALL
        SELECT min(expires_ms) FROM sessions WHERE node = ?2 HAVING count(*) > 1
      UNION ALL
        SELECT min(expires_ms) FROM sessions WHERE node = ?3
    )";
    let keeper = Pause::keeper();
    let params = params![group.as_str(), node.as_str(), keeper.as_str()];
    conn.prepare_cached(sql)?
        .query_row(params, |row| row.get(0))
}
