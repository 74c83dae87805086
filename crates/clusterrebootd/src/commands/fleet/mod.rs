//! `fleet`: every node, holding one back, asking one to reboot, forgetting the ones that are gone.

mod forget;
mod hold_back;
mod list;
mod reboot;

use super::operator::{look, open, with_settings};
use crate::cli::{FleetArgs, FleetCommand};
use crate::config::Settings;
use crate::daemon;
use crate::exit::ExitCode;
use anyhow::Result;
use reboot_core::fleet::NodeEntry;
use reboot_core::undo::Undo;

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
        FleetCommand::List { output } => {
            list::list(store.as_ref(), settings, &fleet, *output).await
        }
        FleetCommand::HoldBack {
            node,
            reason,
            until,
            group,
        } => {
            let order = hold_back::Order {
                node,
                reason,
                until: until.as_deref(),
                group: group.as_ref(),
            };
            hold_back::hold_back(store.as_ref(), settings, &fleet, &order).await
        }
        FleetCommand::LetGo { node } => {
            hold_back::let_go(store.as_ref(), settings, &fleet, node).await
        }
        FleetCommand::Reboot {
            node,
            reason: Some(reason),
            at,
            cancel: _,
        } => reboot::order(store.as_ref(), &fleet, node, reason, *at).await,
        FleetCommand::Reboot { node, .. } => reboot::cancel(store.as_ref(), &fleet, node).await,
        FleetCommand::Forget { node, yes } => {
            forget::forget(store.as_ref(), &fleet, node, *yes).await
        }
    }
}

fn health(entry: Option<&NodeEntry>) -> &'static str {
    match entry.map(|entry| (entry.is_fresh, entry.record.health.healthy)) {
        None => "unknown",
        Some((false, _)) => "stale",
        Some((true, true)) => "healthy",
        Some((true, false)) => "unhealthy",
    }
}

/// All that keeps the node, why it is unhealthy, and what is to be undone there.
fn remarks(entry: Option<&NodeEntry>, owed: &Undo) -> String {
    let mut remarks = Vec::new();
    if let Some(entry) = entry {
        remarks.extend(entry.record.waiting_for.iter().cloned());
        let health = &entry.record.health;
        if !health.healthy {
            remarks.push(format!("unhealthy at {}: {}", health.stage, health.reason));
        }
    }
    if !owed.is_empty() {
        remarks.push(format!("a broken hold left undone: {}", listed(owed)));
    }
    match remarks.is_empty() {
        true => "-".to_owned(),
        false => remarks.join("; "),
    }
}

fn listed(undo: &Undo) -> String {
    let names: Vec<&str> = undo.newest_first().collect();
    names.join(", ")
}
