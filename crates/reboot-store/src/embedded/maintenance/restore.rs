//! A restore: the backup becomes the store, in a new epoch, and everybody waits for an operator.

use super::backup::{copy, refuse_unsound};
use super::check::{Report, check};
use crate::embedded::change::{Change, Fault, column, from_json, to_json};
use crate::embedded::database::ORDERS;
use crate::embedded::error::StoreError;
use crate::embedded::facts::name_of;
use crate::embedded::file::{self, FileIdentity, Lock, beside};
use crate::embedded::worker::error_of;
use reboot_core::group::{Action, Facts, Pause, Request, apply};
use reboot_core::id::{GroupName, RequestId, SessionId};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Who restores, and why; recorded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Why {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When, for people (RFC 3339).
    pub at: String,
}

/// What a restore did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Restored {
    /// The epoch that begins.
    pub epoch: u64,
    /// Every group; each is paused until an operator resumes it.
    pub paused: Vec<GroupName>,
    /// Claims that stood in the backup and are gone: nothing was disturbed under them.
    pub dropped_claims: usize,
    /// Where the former database is kept, when there was one.
    pub kept: Option<PathBuf>,
}

/// Epoch and revision that nobody may see fall.
struct Marks {
    epoch: u64,
    revision: u64,
}

/// Makes the backup `from` the store at `path`.
///
/// The new epoch is higher than that of the backup and of the present store; claims, tickets
/// and leases are dropped, durable holds stay, every group is paused. The present database is
/// kept aside. After a power loss in between the store is missing, which it says, and the
/// restore can be run again.
///
/// # Errors
/// When the backup is not sound, or any process has the store open.
pub fn restore(from: &Path, path: &Path, why: &Why) -> Result<Restored, StoreError> {
    file::refuse_network(path)?;
    refuse_unsound(from)?;
    let lock = Lock::alone(path)?;
    let next = next_marks(from, path)?;
    let fresh = beside(path, ".restoring");
    copy(from, &fresh)?;
    let mut restored = rewrite(&fresh, &next, why)?;
    file::sync_file(&fresh)?;
    lock.mark()?;
    restored.kept = set_aside(path)?;
    file::rename(&fresh, path)?;
    file::sync_directory(path)?;
    Ok(restored)
}

fn next_marks(from: &Path, path: &Path) -> Result<Marks, StoreError> {
    let backup = check(from)?;
    // A present store that is not sound is what a restore is for.
    let present = check(path).ok().filter(Report::can_count);
    let of_present = present.map_or((0, 0), |report| (report.epoch, report.revision));
    Ok(Marks {
        epoch: backup.epoch.max(of_present.0) + 1,
        revision: backup.revision.max(of_present.1) + 1,
    })
}

fn rewrite(fresh: &Path, next: &Marks, why: &Why) -> Result<Restored, StoreError> {
    let sql = |error| StoreError::sql(fresh, &error);
    let mut conn = Connection::open(fresh).map_err(sql)?;
    conn.pragma_update(None, "synchronous", "full")
        .map_err(sql)?;
    let transaction = conn.transaction().map_err(sql)?;
    let restored = rewrite_tables(&transaction, next, why);
    let restored = restored.map_err(|fault| error_of(fresh, fault))?;
    transaction.commit().map_err(sql)?;
    Ok(restored)
}

fn rewrite_tables(conn: &Connection, next: &Marks, why: &Why) -> Result<Restored, Fault> {
    // No boot has this id: leases and timers run in full from the first open on.
    let sql = "UPDATE meta SET epoch = ?1, revision = ?2, boot_id = ''";
    conn.execute(sql, params![column(next.epoch), column(next.revision)])?;
    let alive = sessions(conn)?;
    keep_pause_of_fleet(conn, &alive)?;
    conn.execute_batch("DELETE FROM sessions; DELETE FROM tickets;")?;
    // One that was taken back since must not come to life again.
    conn.execute_batch(&format!("{ORDERS} DELETE FROM orders;"))?;
    let mut restored = Restored {
        epoch: next.epoch,
        paused: Vec::new(),
        dropped_claims: 0,
        kept: None,
    };
    for name in group_names(conn)? {
        restored.dropped_claims += pause(conn, &name, next, why, &alive)?;
        restored.paused.push(name);
    }
    Ok(restored)
}

fn group_names(conn: &Connection) -> Result<Vec<GroupName>, Fault> {
    let mut statement = conn.prepare("SELECT name FROM groups ORDER BY name")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let name = |text| name_of("a group", text, GroupName::new);
    rows.map(|row| name(row?)).collect()
}

/// The leases that the backup knows.
fn sessions(conn: &Connection) -> Result<BTreeSet<SessionId>, Fault> {
    let mut statement = conn.prepare("SELECT session FROM sessions")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let name = |text| name_of("a session", text, SessionId::new);
    rows.map(|row| name(row?)).collect()
}

/// A pause of the fleet with an end lasts on, without one.
fn keep_pause_of_fleet(conn: &Connection, alive: &BTreeSet<SessionId>) -> Result<(), Fault> {
    let sql = "SELECT pause FROM meta";
    let text: Option<String> = conn.query_row(sql, [], |row| row.get(0))?;
    let Some(text) = text else {
        return Ok(());
    };
    let mut pause: Pause = from_json("the fleet's pause", &text)?;
    if !pause.is_over(alive) {
        pause.outlast_its_lease();
        conn.execute("UPDATE meta SET pause = ?1", [to_json(&pause)?])?;
    }
    Ok(())
}

/// Pauses a group by the rules, which also take away its claims: no lease is alive.
fn pause(
    conn: &Connection,
    name: &GroupName,
    next: &Marks,
    why: &Why,
    alive: &BTreeSet<SessionId>,
) -> Result<usize, Fault> {
    let mut change = Change::new(conn, 0, 0);
    let Some(mut group) = change.group(name)? else {
        return Ok(0);
    };
    let before = group.holds.len();
    group.epoch = next.epoch;
    group.keep_held_back(alive);
    let request = Request {
        id: RequestId::new(format!("restore-{}", next.epoch))
            .map_err(|error| Fault::Broken(error.to_string()))?,
        at: why.at.clone(),
        action: Action::Pause(Pause {
            by: why.by.clone(),
            reason: reason(why, group.pause.as_ref()),
            until: None,
            session: None,
        }),
    };
    let applied = apply(&group, &request, &Facts::default()).map_err(Fault::Refused)?;
    change.put_group(name, &applied.group)?;
    for side in &applied.sides {
        change.put_side(name, &why.at, side)?;
    }
    Ok(before - applied.group.holds.len())
}

fn reason(why: &Why, former: Option<&Pause>) -> String {
    let former = former.map_or(String::new(), |pause| {
        format!("; before, {} had paused it: {}", pause.by, pause.reason)
    });
    format!(
        "restored from a backup ({}): say who is down (`clusterrebootd lock status`), `unlock` \
         what is not, then `resume`{former}",
        why.reason
    )
}

/// Puts the present database and its log out of the way: a log never meets another database.
fn set_aside(path: &Path) -> Result<Option<PathBuf>, StoreError> {
    let is_there = |suffix: &str| FileIdentity::of(&beside(path, suffix)).map(|it| it.is_some());
    let (database, log) = (is_there("")?, is_there("-wal")?);
    if !database && !log {
        return Ok(None);
    }
    let kept = free_name(path)?;
    if database {
        file::rename(path, &kept)?;
    }
    if log {
        file::rename(&beside(path, "-wal"), &beside(&kept, "-wal"))?;
    }
    file::remove(&beside(path, "-shm"))?;
    file::sync_directory(path)?;
    Ok(Some(kept))
}

fn free_name(path: &Path) -> Result<PathBuf, StoreError> {
    let mut number = 1;
    loop {
        let name = beside(path, &format!(".before-restore-{number}"));
        let log = beside(&name, "-wal");
        if FileIdentity::of(&name)?.is_none() && FileIdentity::of(&log)?.is_none() {
            return Ok(name);
        }
        number += 1;
    }
}
