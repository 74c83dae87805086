//! `fleet list`: every node, what it does and what it waits for.

use super::{health, remarks};
use crate::cli::FleetFormat;
use crate::commands::operator::{in_words, max_warnings, said, said_of};
use crate::commands::paint::{Paint, Tone};
use crate::commands::table::{seconds, table};
use crate::config::Settings;
use crate::console::{complain, print_json, print_then};
use crate::exit::ExitCode;
use anyhow::Result;
use reboot_core::fleet::{Fleet, NodeEntry};
use reboot_core::group::Hold;
use reboot_core::id::{GroupName, NodeName};
use reboot_core::line::Ticket;
use reboot_store::Store;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// So many lines of a group's history are looked through for reboots; more than a store keeps.
const HISTORY_MAX: usize = 100_000;

/// All that is known of one node.
struct Row<'a> {
    node: &'a NodeName,
    entry: Option<&'a NodeEntry>,
    group: Option<&'a GroupName>,
    hold: Option<&'a Hold>,
    is_overdue: bool,
    /// Its place in line, the first is 1.
    ticket: Option<(usize, &'a Ticket)>,
    /// When it was back from the last reboot that its group's history tells of.
    last_reboot: Option<&'a str>,
    waits_for: String,
}

pub(super) async fn list(
    store: &dyn Store,
    settings: &Settings,
    fleet: &Fleet,
    output: FleetFormat,
) -> Result<ExitCode> {
    let returns = returns(store, fleet).await?;
    let nodes = nodes(fleet);
    let rows: Vec<Row<'_>> = nodes
        .into_iter()
        .map(|node| row(fleet, &returns, node))
        .collect();
    let warnings = max_warnings(settings, fleet);
    let text = match output {
        FleetFormat::Json => {
            let nodes: Vec<Value> = rows.iter().map(|row| as_json(fleet, row)).collect();
            let report = json!({"nodes": nodes, "pause": fleet.pause, "warnings": warnings});
            return Ok(print_json(&report, ExitCode::Success));
        }
        FleetFormat::Text => in_brief(&rows),
        FleetFormat::Wide => in_full(&rows),
    };
    warnings.iter().for_each(|warning| complain(warning));
    let text = text + &pauses(fleet);
    Ok(print_then(text.as_bytes(), ExitCode::Success))
}

/// Every node that has reported, every holder, who is held back, and who has something left to be
/// undone.
fn nodes(fleet: &Fleet) -> BTreeSet<&NodeName> {
    let holds = fleet.groups.values().flat_map(|entry| &entry.group.holds);
    let holders = holds.map(|hold| &hold.node);
    let known = fleet.nodes.keys().chain(fleet.owed.keys());
    let groups = fleet.groups.values();
    let held_back = groups.flat_map(|entry| entry.group.held_back.keys());
    let ordered = fleet.orders.keys();
    known
        .chain(holders)
        .chain(held_back)
        .chain(ordered)
        .collect()
}

/// When each node was back from its last reboot, as the groups' histories tell.
async fn returns(store: &dyn Store, fleet: &Fleet) -> Result<BTreeMap<NodeName, String>> {
    let mut returns: BTreeMap<NodeName, String> = BTreeMap::new();
    for group in fleet.groups.keys() {
        let history = store.history(group, HISTORY_MAX).await;
        for entry in history.map_err(in_words)? {
            if let ("return", Some(node)) = (entry.event.as_str(), entry.node) {
                returns.insert(node, entry.at);
            }
        }
    }
    Ok(returns)
}

fn row<'a>(
    fleet: &'a Fleet,
    returns: &'a BTreeMap<NodeName, String>,
    node: &'a NodeName,
) -> Row<'a> {
    let entry = fleet.nodes.get(node);
    let held = fleet.holds_of(node).next();
    let waiting = fleet.groups.iter().find_map(|(name, group)| {
        let tickets = group.line.tickets().iter().enumerate();
        let mut mine = tickets.filter(|(_, ticket)| ticket.node == *node);
        mine.next().map(|(at, ticket)| (name, (at + 1, ticket)))
    });
    let by_record = entry.map(|entry| &entry.record.group);
    let by_hold = held.map(|(group, _)| group);
    let is_overdue = held.is_some_and(|(group, hold)| fleet.groups[group].is_overdue(hold));
    Row {
        node,
        entry,
        group: by_record.or(by_hold).or(waiting.map(|(group, _)| group)),
        hold: held.map(|(_, hold)| hold),
        is_overdue,
        ticket: waiting.map(|(_, ticket)| ticket),
        last_reboot: returns.get(node).map(String::as_str),
        waits_for: remarks(entry, &fleet.owed_by(node)),
    }
}

// === impl Row ===

impl Row<'_> {
    /// How far its hold is, or what it says it does.
    fn phase(&self) -> String {
        match (self.hold, self.is_overdue) {
            (Some(hold), true) => format!("{}, OVERDUE", hold.phase),
            (Some(hold), false) => hold.phase.to_string(),
            (None, _) => self.said(|entry| entry.record.activity.clone()),
        }
    }

    fn said(&self, what: impl Fn(&NodeEntry) -> String) -> String {
        self.entry.map_or_else(dash, what)
    }

    fn group(&self) -> String {
        self.group.map_or_else(dash, ToString::to_string)
    }

    fn need(&self) -> String {
        self.said(|entry| entry.record.need.clone().unwrap_or_else(dash))
    }

    fn waits_since(&self) -> String {
        let said =
            |(place, ticket): (usize, &Ticket)| format!("{} (#{place})", seconds(&ticket.since));
        self.ticket.map_or_else(dash, said)
    }

    fn last_reboot(&self) -> String {
        self.last_reboot.map_or_else(dash, seconds)
    }

    fn tone(&self) -> Option<Tone> {
        match health(self.entry) {
            _ if self.is_overdue => Some(Tone::Alarm),
            "unhealthy" | "stale" => Some(Tone::Warning),
            _ => None,
        }
    }
}

fn dash() -> String {
    "-".to_owned()
}

// === for people ===

fn in_brief(rows: &[Row<'_>]) -> String {
    let titles = [
        "NODE",
        "GROUP",
        "HEALTH",
        "PHASE",
        "NEED",
        "WAITS SINCE",
        "LAST REBOOT",
        "WAITS FOR",
    ];
    let cells = |row: &Row<'_>| {
        [
            row.node.to_string(),
            row.group(),
            health(row.entry).to_owned(),
            row.phase(),
            row.need(),
            row.waits_since(),
            row.last_reboot(),
            row.waits_for.clone(),
        ]
    };
    painted(titles, rows, cells)
}

fn in_full(rows: &[Row<'_>]) -> String {
    let titles = [
        "NODE",
        "GROUP",
        "HEALTH",
        "PHASE",
        "HOLD",
        "ACTIVITY",
        "NEED",
        "WAITS SINCE",
        "LAST REBOOT",
        "REBOOTS",
        "REPORTED",
        "BOOT",
        "WAITS FOR",
    ];
    let cells = |row: &Row<'_>| {
        [
            row.node.to_string(),
            row.group(),
            health(row.entry).to_owned(),
            row.phase(),
            row.hold.map_or_else(dash, |hold| hold.number.to_string()),
            row.said(|entry| entry.record.activity.clone()),
            row.need(),
            row.waits_since(),
            row.last_reboot(),
            row.said(|entry| entry.marks.to_string()),
            row.entry.map_or("never".to_owned(), |entry| {
                seconds(&entry.record.reported_at)
            }),
            row.said(|entry| entry.record.boot.to_string()),
            row.waits_for.clone(),
        ]
    };
    painted(titles, rows, cells)
}

fn painted<const N: usize>(
    titles: [&str; N],
    rows: &[Row<'_>],
    cells: impl Fn(&Row<'_>) -> [String; N],
) -> String {
    let lines: Vec<[String; N]> = rows.iter().map(cells).collect();
    let tone = |at: usize| rows.get(at).and_then(Row::tone);
    Paint::of_stdout().table(&table(titles, &lines), tone)
}

/// Who stopped what, and who ordered what, below the table.
fn pauses(fleet: &Fleet) -> String {
    let of_fleet = fleet.pause.iter();
    let of_fleet = of_fleet.map(|pause| format!("The fleet is paused {}", said(pause)));
    let of_groups = fleet.groups.iter().filter_map(|(name, entry)| {
        let pause = entry.group.pause.as_ref()?;
        Some(format!("Group {name} is paused {}", said(pause)))
    });
    let of_nodes = fleet.groups.values().flat_map(|entry| {
        let held_back = entry.group.held_back.iter();
        held_back.map(|(node, stop)| format!("{node} is held back {}", said_of(stop)))
    });
    let orders = fleet.orders.iter();
    let orders = orders.map(|(node, order)| format!("{node} is to reboot: {}", order.words()));
    let paint = Paint::of_stdout();
    let lines: Vec<String> = of_fleet
        .chain(of_groups)
        .chain(of_nodes)
        .chain(orders)
        .map(|line| paint.line(Tone::Warning, &line) + "\n")
        .collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!("\n{}", lines.concat()),
    }
}

// === for programs ===

fn as_json(fleet: &Fleet, row: &Row<'_>) -> Value {
    let record = row.entry.map(|entry| &entry.record);
    let mut value = record.map_or_else(
        || json!({"node": row.node, "group": row.group}),
        |record| serde_json::to_value(record).unwrap_or_default(),
    );
    let holds = fleet
        .holds_of(row.node)
        .map(|(group, hold)| json!({"group": group, "number": hold.number, "phase": hold.phase}));
    value["holds"] = holds.collect();
    value["overdue"] = json!(row.is_overdue);
    value["place_in_line"] = json!(row.ticket.map(|(place, _)| place));
    value["waits_since"] = json!(row.ticket.map(|(_, ticket)| &ticket.since));
    value["last_reboot"] = json!(row.last_reboot);
    value["reported"] = json!(row.entry.is_some());
    value["fresh"] = json!(row.entry.is_some_and(|entry| entry.is_fresh));
    value["reboots_last_day"] = json!(row.entry.map(|entry| entry.marks));
    let mut held_back = fleet.groups.values();
    value["held_back"] = json!(held_back.find_map(|entry| entry.group.held_back.get(row.node)));
    value["order"] = json!(fleet.orders.get(row.node));
    value["owed"] = json!(fleet.owed_by(row.node));
    value
}
