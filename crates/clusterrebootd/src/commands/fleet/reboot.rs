//! `fleet reboot`: asks a node to reboot, or takes that back.

use super::remarks;
use crate::commands::operator::{commit, look, now, who};
use crate::console::print_text;
use crate::exit::ExitCode;
use crate::plain::plain;
use anyhow::{Result, bail};
use jiff::Timestamp;
use reboot_core::fleet::Fleet;
use reboot_core::id::NodeName;
use reboot_core::order::{Order, OrderEnd};
use reboot_core::undo::Undo;
use reboot_core::write::Write;
use reboot_store::Store;

/// Orders a reboot, in place of any former order.
pub(super) async fn order(
    store: &dyn Store,
    fleet: &Fleet,
    node: &str,
    reason: &str,
    not_before: Option<Timestamp>,
) -> Result<ExitCode> {
    let node = NodeName::new(node)?;
    let (boot, group) = fleet.orderable(&node)?;
    let order = Order {
        by: who(),
        reason: reason.to_owned(),
        at: now(),
        not_before,
        boot,
        extra: Default::default(),
    };
    let write = Write::Order {
        node: node.clone(),
        group,
        order,
    };
    commit(store, write).await?;
    let start = not_before.map_or(String::new(), |start| format!(", not before {start}"));
    let text = format!(
        "ordered a reboot of {node}{start}, through every gate like any other; `clusterrebootd \
         fleet reboot {node} --cancel` takes it back\n{}",
        obstacles(fleet, &node)
    );
    Ok(print_text(&text, ExitCode::Success))
}

/// Takes the order back that stands.
pub(super) async fn cancel(store: &dyn Store, fleet: &Fleet, node: &str) -> Result<ExitCode> {
    let node = NodeName::new(node)?;
    let Some(order) = fleet.orders.get(&node) else {
        let text = format!("nothing was ordered of {node}\n");
        return Ok(print_text(&text, ExitCode::Success));
    };
    let group = fleet.nodes.get(&node).map(|entry| &entry.record.group);
    let end = Write::EndOrder {
        node: node.clone(),
        group: group.cloned().unwrap_or_default(),
        order: order.clone(),
        end: OrderEnd::Cancelled { by: who() },
        at: now(),
    };
    commit(store, end).await?;
    let fleet = look(store).await?;
    if let Some(newer) = fleet.orders.get(&node) {
        bail!(
            "{node} was asked anew meanwhile: {}; take that back too if you mean it",
            plain(&newer.words())
        );
    }
    let late = match is_going_down(&fleet, &node) {
        true => format!("{node} is past the last gate: it goes down all the same\n"),
        false => String::new(),
    };
    let text = format!(
        "{node} is no longer to reboot; it was {}\n{late}",
        plain(&order.words())
    );
    Ok(print_text(&text, ExitCode::Success))
}

/// What an operator should know who waits for the reboot.
fn obstacles(fleet: &Fleet, node: &NodeName) -> String {
    let entry = fleet.nodes.get(node);
    let held_back = fleet.groups.values();
    let stops = held_back.filter_map(|group| group.group.held_back.get(node));
    let mut lines: Vec<String> = stops.map(|stop| stop.words_of_node(node)).collect();
    match entry {
        _ if is_going_down(fleet, node) => {
            lines.push(format!(
                "{node} is going down already: that fulfils the order"
            ));
        }
        Some(entry) if !entry.is_fresh => {
            let at = &entry.record.reported_at;
            lines.push(format!(
                "{node} has been silent since {at}: a reboot that it had since fulfils the order"
            ));
        }
        Some(entry) if !entry.record.waiting_for.is_empty() => {
            lines.push(format!(
                "so far it waits: {}",
                remarks(Some(entry), &Undo::default())
            ));
        }
        _ => {}
    }
    lines.iter().map(|line| plain(line) + "\n").collect()
}

fn is_going_down(fleet: &Fleet, node: &NodeName) -> bool {
    fleet.holds_of(node).any(|(_, hold)| hold.fenced)
}
