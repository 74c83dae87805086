//! `fleet`: every node, and forgetting the ones that are gone.

use super::operator::{commit, confirm, look, open, with_settings};
use super::table::{seconds, table};
use crate::cli::{FleetArgs, FleetCommand, OutputFormat};
use crate::config::Settings;
use crate::console::{print_json, print_then};
use crate::daemon;
use crate::exit::ExitCode;
use anyhow::{Result, bail};
use reboot_core::fleet::{Fleet, NodeEntry};
use reboot_core::id::NodeName;
use reboot_core::undo::Undo;
use reboot_core::write::Write;
use reboot_store::Store;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Runs the command.
pub(super) fn run(args: &FleetArgs) -> ExitCode {
    with_settings(&args.config, |settings| {
        daemon::block_on(carry_out(settings, args))
    })
}

async fn carry_out(settings: &Settings, args: &FleetArgs) -> Result<ExitCode> {
    let store = open(settings)?;
    let fleet = look(store.as_ref()).await?;
    match &args.command {
        FleetCommand::List { output } => Ok(list(&fleet, *output)),
        FleetCommand::Forget { node, yes } => forget(store.as_ref(), &fleet, node, *yes).await,
    }
}

// === list ===

fn list(fleet: &Fleet, output: OutputFormat) -> ExitCode {
    let nodes = nodes(fleet);
    match output {
        OutputFormat::Text => {
            let rows: Vec<[String; 9]> = nodes.iter().map(|node| row(fleet, node)).collect();
            let titles = [
                "NODE",
                "GROUP",
                "HEALTH",
                "ACTIVITY",
                "NEED",
                "HOLD",
                "REBOOTS",
                "REPORTED",
                "WAITS FOR",
            ];
            print_then(table(titles, &rows).as_bytes(), ExitCode::Success)
        }
        OutputFormat::Json => {
            let nodes: Vec<Value> = nodes.iter().map(|node| as_json(fleet, node)).collect();
            print_json(&json!({ "nodes": nodes }), ExitCode::Success)
        }
    }
}

/// Every node that has reported, and every holder.
fn nodes(fleet: &Fleet) -> BTreeSet<&NodeName> {
    let holds = fleet.groups.values().flat_map(|entry| &entry.group.holds);
    let holders = holds.map(|hold| &hold.node);
    fleet.nodes.keys().chain(holders).collect()
}

fn row(fleet: &Fleet, node: &NodeName) -> [String; 9] {
    let dash = || "-".to_owned();
    let hold = fleet.holds_of(node).next();
    let phase = hold.map_or_else(dash, |(_, hold)| {
        format!("{} ({})", hold.number, hold.phase)
    });
    let Some(entry) = fleet.nodes.get(node) else {
        let group = hold.map_or_else(dash, |(group, _)| group.to_string());
        let health = "unknown".to_owned();
        let never = "never".to_owned();
        let [activity, need, reboots, waits] = std::array::from_fn(|_| dash());
        return [
            node.to_string(),
            group,
            health,
            activity,
            need,
            phase,
            reboots,
            never,
            waits,
        ];
    };
    let record = &entry.record;
    [
        node.to_string(),
        record.group.to_string(),
        health(entry).to_owned(),
        record.activity.clone(),
        record.need.clone().unwrap_or_else(dash),
        phase,
        entry.marks.to_string(),
        seconds(&record.reported_at),
        remarks(entry, &fleet.owed_by(node)),
    ]
}

fn health(entry: &NodeEntry) -> &'static str {
    match (entry.is_fresh, entry.record.health.healthy) {
        (false, _) => "stale",
        (true, true) => "healthy",
        (true, false) => "unhealthy",
    }
}

/// All that keeps the node, and why it is unhealthy.
fn remarks(entry: &NodeEntry, owed: &Undo) -> String {
    let mut remarks = entry.record.waiting_for.clone();
    let health = &entry.record.health;
    if !health.healthy {
        remarks.push(format!("unhealthy at {}: {}", health.stage, health.reason));
    }
    if !owed.is_empty() {
        let owed: Vec<&str> = owed.newest_first().collect();
        remarks.push(format!("a broken hold left undone: {}", owed.join(", ")));
    }
    match remarks.is_empty() {
        true => "-".to_owned(),
        false => remarks.join("; "),
    }
}

fn as_json(fleet: &Fleet, node: &NodeName) -> Value {
    let entry = fleet.nodes.get(node);
    let record = entry.map(|entry| &entry.record);
    let mut value = record.map_or_else(
        || json!({ "node": node }),
        |record| serde_json::to_value(record).unwrap_or_default(),
    );
    let holds = fleet
        .holds_of(node)
        .map(|(group, hold)| json!({"group": group, "number": hold.number, "phase": hold.phase}));
    value["holds"] = holds.collect();
    value["reported"] = json!(entry.is_some());
    value["fresh"] = json!(entry.is_some_and(|entry| entry.is_fresh));
    value["reboots_last_day"] = json!(entry.map(|entry| entry.marks));
    value["owed"] = json!(fleet.owed_by(node));
    value
}

// === forget ===

async fn forget(store: &dyn Store, fleet: &Fleet, name: &str, is_sure: bool) -> Result<ExitCode> {
    let node = NodeName::new(name)?;
    if let Some((group, hold)) = fleet.holds_of(&node).next() {
        bail!(
            "{node} holds a slot of group {group} ({}): break that first with `clusterrebootd \
             lock unlock {node} --group {group}`, once the machine is surely off",
            hold.phase
        );
    }
    let Some(entry) = fleet.nodes.get(&node) else {
        bail!("no node {node} is known: see `clusterrebootd fleet list`");
    };
    let (last, owed) = (&entry.record.reported_at, fleet.owed_by(&node));
    if entry.is_fresh && !is_sure {
        bail!(
            "{node} may be alive (last report: {last}) and come back with its next report: stop \
             its daemon first, or add --yes to forget the reboots of its last day"
        );
    }
    confirm(
        &format!(
            "{node}: {}, last report: {last}, {}",
            health(entry),
            remarks(entry, &owed)
        ),
        &format!(
            "Forget {node}, its record and its {} reboots of the last day?",
            entry.marks
        ),
        is_sure,
    )?;
    commit(store, Write::Forget { node: node.clone() }).await?;
    let mut text = format!("forgot {node}\n");
    if entry.is_fresh {
        text.push_str("if it is alive, its next report brings it back\n");
    }
    if !owed.is_empty() {
        let owed: Vec<&str> = owed.newest_first().collect();
        text.push_str(&format!(
            "undo by hand, if it returns: {}\n",
            owed.join(", ")
        ));
    }
    Ok(print_then(text.as_bytes(), ExitCode::Success))
}
