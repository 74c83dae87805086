//! What the tables know, as the rules ask for it.

use super::change::{Fault, from_json, number};
use reboot_core::group::{Action, Cooldown, Facts, Group, Identity, Pause, Presence};
use reboot_core::id::{GroupName, NodeName, SessionId};
use reboot_core::order::Order;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeSet;

/// Reads a group's stored record.
pub(super) fn group_of(name: &str, text: &str) -> Result<Group, Fault> {
    Group::from_json(text).map_err(|error| Fault::Broken(format!("group {name}: {error}")))
}

/// A stored name.
pub(super) fn name_of<T>(
    what: &str,
    text: String,
    new: impl FnOnce(String) -> Result<T, reboot_core::id::BadName>,
) -> Result<T, Fault> {
    new(text).map_err(|error| Fault::Broken(format!("{what}: {error}; restore a backup")))
}

/// Whether a lease is alive.
pub(super) fn is_alive(
    conn: &Connection,
    session: &SessionId,
    now: i64,
) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT 1 FROM sessions WHERE session = ?1 AND expires_ms > ?2";
    conn.prepare_cached(sql)?
        .exists(params![session.as_str(), now])
}

/// Whether any claim stands on a lease of this name.
pub(super) fn claims_on(conn: &Connection, session: &SessionId) -> Result<bool, Fault> {
    // Names have no character that JSON would write in another way.
    let sql = "SELECT name, record FROM groups WHERE instr(record, ?1)";
    let is_it = |group: &Group| {
        let mut holds = group.holds.iter();
        holds.any(|hold| !hold.phase.is_durable() && &hold.session == session)
    };
    Ok(groups_with(conn, sql, session.as_str())?
        .iter()
        .any(|(_, group)| is_it(group)))
}

fn groups_with(conn: &Connection, sql: &str, needle: &str) -> Result<Vec<(String, Group)>, Fault> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([needle], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    let mut groups = Vec::new();
    for row in rows {
        let (name, text) = row?;
        let group = group_of(&name, &text)?;
        groups.push((name, group));
    }
    Ok(groups)
}

/// The nodes whose own records say that they hold in a group.
pub(super) fn claiming(conn: &Connection, group: &GroupName) -> Result<Vec<NodeName>, Fault> {
    let sql = "SELECT node FROM nodes WHERE record ->> 'group' = ?1
               AND record ->> 'hold' IS NOT NULL ORDER BY node";
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map([group.as_str()], |row| row.get::<_, String>(0))?;
    rows.map(|row| name_of("a node", row?, NodeName::new))
        .collect()
}

/// The facts that a request meets in this very transaction.
pub(super) fn facts(
    conn: &Connection,
    now: i64,
    name: &GroupName,
    group: &Group,
    action: &Action,
) -> Result<Facts, Fault> {
    let mut facts = Facts {
        sessions: sessions(conn, now, group, action)?,
        cooldown: cooldown(conn, now, name)?,
        pause: pause(conn, now)?,
        ..Facts::default()
    };
    let Some(node) = action.node() else {
        return Ok(facts);
    };
    facts.presences = presences(conn, now, Some(node))?;
    facts.marks = marks(conn, now, node)?;
    facts.others_waiting = others_waiting(conn, name, node)?;
    if action.takes_a_slot() {
        facts.holds_in = holds_in(conn, now, name, node)?;
    }
    Ok(facts)
}

fn sessions(
    conn: &Connection,
    now: i64,
    group: &Group,
    action: &Action,
) -> Result<BTreeSet<SessionId>, Fault> {
    let claimed = group.holds.iter().filter(|hold| !hold.phase.is_durable());
    let mut named: BTreeSet<&SessionId> = claimed.map(|hold| &hold.session).collect();
    named.extend(group.leases_of_pauses());
    match action {
        Action::Claim(claim) => named.insert(&claim.session),
        Action::Adopt { session, .. } => named.insert(session),
        _ => false,
    };
    let mut alive = BTreeSet::new();
    for session in named {
        if is_alive(conn, session, now)? {
            alive.insert(session.clone());
        }
    }
    Ok(alive)
}

/// The cooldown of a group, while it runs.
pub(super) fn cooldown(
    conn: &Connection,
    now: i64,
    group: &GroupName,
) -> Result<Option<Cooldown>, Fault> {
    let sql = "SELECT node, started_at, duration_ms, expires_ms FROM timers
               WHERE kind = 'cooldown' AND name = ?1 AND expires_ms > ?2";
    let row = conn
        .prepare_cached(sql)?
        .query_row(params![group.as_str(), now], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((node, started_at, duration_ms, expires_ms)) = row else {
        return Ok(None);
    };
    let (duration_ms, expires_ms): (i64, i64) = (duration_ms, expires_ms);
    Ok(Some(Cooldown {
        node: name_of("a cooldown", node, NodeName::new)?,
        duration_secs: number(duration_ms) / 1000,
        remaining_ms: number(expires_ms - now),
        started_at,
    }))
}

/// The fleet's pause, while it lasts.
pub(super) fn pause(conn: &Connection, now: i64) -> Result<Option<Pause>, Fault> {
    let sql = "SELECT pause FROM meta";
    let text: Option<String> = conn.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    let Some(text) = text else {
        return Ok(None);
    };
    let pause: Pause = from_json("the fleet's pause", &text)?;
    let mut alive = BTreeSet::new();
    if let Some(session) = &pause.session
        && is_alive(conn, session, now)?
    {
        alive.insert(session.clone());
    }
    Ok(Some(pause).filter(|it| !it.is_over(&alive)))
}

/// What is ordered of a node.
pub(super) fn order(conn: &Connection, node: &NodeName) -> Result<Option<Order>, Fault> {
    let sql = "SELECT ordered FROM orders WHERE node = ?1";
    let text: Option<String> = conn
        .prepare_cached(sql)?
        .query_row([node.as_str()], |row| row.get(0))
        .optional()?;
    text.map(|text| from_json(&format!("the order of {node}"), &text))
        .transpose()
}

/// The agents that are alive, of one node or of all.
pub(super) fn presences(
    conn: &Connection,
    now: i64,
    node: Option<&NodeName>,
) -> Result<Vec<Presence>, Fault> {
    let text = |row: &Row<'_>| -> rusqlite::Result<(String, String, i64)> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    };
    let select = "SELECT session, identity, expires_ms FROM sessions WHERE expires_ms > ?1";
    let rows: Vec<(String, String, i64)> = match node {
        Some(node) => conn
            .prepare_cached(&format!("{select} AND node = ?2"))?
            .query_map(params![now, node.as_str()], text)?
            .collect::<Result<_, _>>()?,
        None => conn
            .prepare_cached(select)?
            .query_map([now], text)?
            .collect::<Result<_, _>>()?,
    };
    let presence = |(session, identity, expires_ms): (String, String, i64)| {
        Ok(Presence {
            identity: from_json::<Identity>(&format!("session {session}"), &identity)?,
            session: name_of("a session", session, SessionId::new)?,
            remaining_ms: number(expires_ms - now),
        })
    };
    rows.into_iter().map(presence).collect()
}

fn marks(conn: &Connection, now: i64, node: &NodeName) -> Result<u32, Fault> {
    let sql = "SELECT count(*) FROM timers WHERE kind = 'mark' AND name = ?1 AND expires_ms > ?2";
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_row(params![node.as_str(), now], |row| row.get(0))?)
}

fn others_waiting(conn: &Connection, group: &GroupName, node: &NodeName) -> Result<usize, Fault> {
    let sql = "SELECT count(*) FROM tickets WHERE group_name = ?1 AND node <> ?2";
    let mut statement = conn.prepare_cached(sql)?;
    let count: i64 =
        statement.query_row(params![group.as_str(), node.as_str()], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(usize::MAX))
}

/// Another group in which a node holds. A claim whose lease is gone is none.
fn holds_in(
    conn: &Connection,
    now: i64,
    group: &GroupName,
    node: &NodeName,
) -> Result<Option<GroupName>, Fault> {
    let sql = "SELECT name, record FROM groups WHERE instr(record, ?1)";
    // As JSON writes it, quotes and all.
    let needle = super::change::to_json(node)?;
    for (name, other) in groups_with(conn, sql, &needle)? {
        let Some(hold) = other.hold_of(node).filter(|_| name != group.as_str()) else {
            continue;
        };
        if hold.phase.is_durable() || is_alive(conn, &hold.session, now)? {
            return name_of("a group", name, GroupName::new).map(Some);
        }
    }
    Ok(None)
}
