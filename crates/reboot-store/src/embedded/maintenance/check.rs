//! Whether a store is whole: its pages, its format, and every record in it.

use crate::embedded::change::{Fault, from_json, number};
use crate::embedded::database::{FORMAT, open_to_read};
use crate::embedded::error::StoreError;
use crate::embedded::facts::group_of;
use reboot_core::fleet::NodeRecord;
use reboot_core::group::{HistoryEntry, Identity};
use reboot_core::line::Ticket;
use reboot_core::order::Order;
use reboot_core::undo::Undo;
use rusqlite::Connection;
use std::path::Path;

/// What a check found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// The format of the store.
    pub format: i64,
    /// Its epoch.
    pub epoch: u64,
    /// Its revision.
    pub revision: u64,
    /// How many groups it has.
    pub groups: usize,
    /// How many nodes it knows.
    pub nodes: usize,
    /// Everything that is wrong, in words; nothing when the store is sound.
    pub problems: Vec<String>,
}

/// Past what ever was counted; what grows must have room to grow.
const COUNT_END: i64 = 1 << 53;

/// Checks a store, or a backup of one. Opens for reading only, also beside a running daemon.
///
/// # Errors
/// When the file cannot be opened as a store at all; what is wrong inside is in the report.
pub fn check(path: &Path) -> Result<Report, StoreError> {
    let mut conn = open_to_read(path)?;
    let transaction = conn
        .transaction()
        .map_err(|error| StoreError::sql(path, &error))?;
    let mut report = Report {
        format: FORMAT,
        epoch: 0,
        revision: 0,
        groups: 0,
        nodes: 0,
        problems: Vec::new(),
    };
    if let Err(error) = report.look(&transaction) {
        report.problems.push(error.to_string());
    }
    Ok(report)
}

// === impl Report ===

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether the next epoch and revision are higher than these.
    pub(super) fn can_count(&self) -> bool {
        self.epoch.max(self.revision) < number(COUNT_END)
    }

    fn look(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let mut pages = conn.prepare("PRAGMA integrity_check")?;
        let lines = pages.query_map([], |row| row.get::<_, String>(0))?;
        for line in lines {
            self.problems
                .extend(Some(line?).filter(|line| line != "ok"));
        }
        self.look_at_meta(conn)?;
        self.groups = self.records(conn, "SELECT name, record FROM groups", |name, text| {
            group_of(name, text).map(drop)
        })?;
        self.nodes = self.records(
            conn,
            "SELECT node, record FROM nodes WHERE record IS NOT NULL",
            |name, text| {
                from_json::<NodeRecord>(&format!("the record of node {name}"), text).map(drop)
            },
        )?;
        self.records(conn, "SELECT node, owed FROM nodes", |name, text| {
            from_json::<Undo>(&format!("what is owed to {name}"), text).map(drop)
        })?;
        if conn.table_exists(None, "orders")? {
            self.records(conn, "SELECT node, ordered FROM orders", |name, text| {
                from_json::<Order>(&format!("the order of {name}"), text).map(drop)
            })?;
        }
        self.records(
            conn,
            "SELECT session, identity FROM sessions",
            |name, text| from_json::<Identity>(&format!("session {name}"), text).map(drop),
        )?;
        self.records(conn, "SELECT node, ticket FROM tickets", |name, text| {
            from_json::<Ticket>(&format!("the ticket of {name}"), text).map(drop)
        })?;
        self.records(
            conn,
            "SELECT group_name, entry FROM history",
            |name, text| {
                from_json::<HistoryEntry>(&format!("the history of {name}"), text).map(drop)
            },
        )?;
        Ok(())
    }

    fn look_at_meta(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let names = ["epoch", "revision", "last_ticket"];
        let sql = "SELECT epoch, revision, last_ticket FROM meta";
        let meta: [i64; 3] =
            conn.query_row(sql, [], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?]))?;
        for (name, value) in names.iter().zip(meta) {
            if !(0..COUNT_END).contains(&value) {
                self.problems.push(format!(
                    "meta: {name} is {value}, which counting never reaches: restore a backup"
                ));
            }
        }
        (self.epoch, self.revision) = (number(meta[0]), number(meta[1]));
        Ok(())
    }

    /// Reads every record of a table; returns how many there are.
    fn records(
        &mut self,
        conn: &Connection,
        sql: &str,
        read: impl Fn(&str, &str) -> Result<(), Fault>,
    ) -> rusqlite::Result<usize> {
        let mut statement = conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let (name, text): (String, String) = (row.get(0)?, row.get(1)?);
            count += 1;
            match read(&name, &text) {
                Err(Fault::Broken(cause)) => self.problems.push(cause),
                Err(Fault::Sql(error)) => return Err(error),
                Err(Fault::Refused(_)) | Ok(()) => {}
            }
        }
        Ok(count)
    }
}
