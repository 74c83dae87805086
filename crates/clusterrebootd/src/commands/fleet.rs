//! `fleet`: every node, and forgetting the ones that are gone.

use super::operator::{commit, confirm, open, with_settings};
use crate::cli::{FleetArgs, FleetCommand, OutputFormat};
use crate::config::Settings;
use crate::console::{print_json, print_then};
use crate::daemon;
use crate::exit::ExitCode;
use anyhow::{Result, anyhow, bail};
use reboot_core::fleet::{Fleet, NodeEntry};
use reboot_core::id::NodeName;
use reboot_core::write::Write;
use reboot_store::Store;
use serde_json::{Value, json};

/// Runs the command.
pub(super) fn run(args: &FleetArgs) -> ExitCode {
    with_settings(&args.config, |settings| {
        daemon::block_on(carry_out(settings, args))
    })
}

async fn carry_out(settings: &Settings, args: &FleetArgs) -> Result<ExitCode> {
    let store = open(settings)?;
    let fleet = store.look().await.map_err(|trouble| anyhow!("{trouble}"))?;
    match &args.command {
        FleetCommand::List {
            output: OutputFormat::Text,
        } => Ok(print_then(as_table(&fleet).as_bytes(), ExitCode::Success)),
        FleetCommand::List {
            output: OutputFormat::Json,
        } => {
            let nodes: Vec<Value> = fleet
                .nodes
                .values()
                .map(|entry| as_json(&fleet, entry))
                .collect();
            Ok(print_json(&json!({ "nodes": nodes }), ExitCode::Success))
        }
        FleetCommand::Forget { node, yes } => forget(store.as_ref(), &fleet, node, *yes).await,
    }
}

fn as_table(fleet: &Fleet) -> String {
    let mut text = format!(
        "{:<20} {:<12} {:<11} {:<10} {:<8} {}\n",
        "NODE", "GROUP", "HEALTH", "ACTIVITY", "REBOOTS", "NEED AND WHAT IT WAITS FOR"
    );
    for entry in fleet.nodes.values() {
        let record = &entry.record;
        let need = record.need.as_deref().unwrap_or("-");
        let waits = record.waiting_for.join("; ");
        text.push_str(&format!(
            "{:<20} {:<12} {:<11} {:<10} {:<8} {need}{}{waits}\n",
            record.node,
            record.group,
            health(entry),
            record.activity,
            entry.marks,
            if waits.is_empty() { "" } else { ": " },
        ));
    }
    text
}

fn health(entry: &NodeEntry) -> &'static str {
    match (entry.is_fresh, entry.record.health.healthy) {
        (false, _) => "stale",
        (true, true) => "healthy",
        (true, false) => "unhealthy",
    }
}

fn as_json(fleet: &Fleet, entry: &NodeEntry) -> Value {
    let mut value = serde_json::to_value(&entry.record).unwrap_or_default();
    let holds = fleet
        .holds_of(&entry.record.node)
        .map(|(group, hold)| json!({"group": group, "number": hold.number, "phase": hold.phase}));
    value["holds"] = holds.collect();
    value["fresh"] = json!(entry.is_fresh);
    value["reboots_last_day"] = json!(entry.marks);
    value["owed"] = json!(entry.owed);
    value
}

async fn forget(store: &dyn Store, fleet: &Fleet, name: &str, is_sure: bool) -> Result<ExitCode> {
    let node = NodeName::new(name)?;
    if let Some((group, hold)) = fleet.holds_of(&node).next() {
        bail!(
            "{node} holds a slot of group {group} ({}): break that first with `clusterrebootd \
             lock unlock {node}`, once the machine is surely off",
            hold.phase
        );
    }
    if !fleet.nodes.contains_key(&node) {
        bail!("no node {node} is known: see `clusterrebootd fleet list`");
    }
    confirm(
        &format!("forget {node}, its health record and its reboots?"),
        is_sure,
    )?;
    commit(store, Write::Forget { node: node.clone() }).await?;
    Ok(print_then(
        format!("forgot {node}\n").as_bytes(),
        ExitCode::Success,
    ))
}
