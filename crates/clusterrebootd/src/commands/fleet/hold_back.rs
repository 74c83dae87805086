//! `fleet hold-back` and `fleet let-go`: one node does not reboot for a while.

use crate::commands::operator::{commit, commit_stop, end_timer, now, request_id, stop, who};
use crate::config::Settings;
use crate::console::print_text;
use crate::exit::ExitCode;
use anyhow::{Result, bail};
use reboot_core::fleet::Fleet;
use reboot_core::group::{Action, Request};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::write::Write;
use reboot_store::Store;

/// What is asked of a node.
pub(super) struct Order<'a> {
    pub(super) node: &'a str,
    pub(super) reason: &'a str,
    pub(super) until: Option<&'a str>,
    /// The group that the command line names.
    pub(super) group: Option<&'a GroupName>,
}

pub(super) async fn hold_back(
    store: &dyn Store,
    settings: &Settings,
    fleet: &Fleet,
    order: &Order<'_>,
) -> Result<ExitCode> {
    let node = NodeName::new(order.node)?;
    let Some(group) = order.group.or_else(|| group_of(fleet, &node)) else {
        bail!(
            "no node {node} is known: name its group with --group, or see `clusterrebootd fleet \
             list`"
        );
    };
    let stop = stop(store, order.reason, order.until).await?;
    let action = Action::HoldBack {
        node: node.clone(),
        stop: stop.clone(),
    };
    commit_stop(store, asking(settings, group, action)?, &stop).await?;
    let until = order.until.map_or(String::new(), |until| {
        format!(" before it ends by itself at {until}")
    });
    let held = fleet.holds_of(&node).next();
    let down = match held.is_some_and(|(_, hold)| hold.fenced) {
        true => format!("\n{node} is down already: it comes back, and then does not go again"),
        false => String::new(),
    };
    let unknown = match is_known(fleet, &node) {
        true => String::new(),
        false => format!(
            "\nno node {node} has reported, holds or waits: is it spelt so? A client of a \
             FleetLock server is held back by what it calls itself, or by the name that the \
             server's configuration gives it"
        ),
    };
    let text = format!(
        "holds {node} of group {group} back; `clusterrebootd fleet let-go {node}` lets it \
         go{until}{down}{unknown}\n"
    );
    Ok(print_text(&text, ExitCode::Success))
}

/// In whichever group it is held back.
pub(super) async fn let_go(
    store: &dyn Store,
    settings: &Settings,
    fleet: &Fleet,
    node: &str,
) -> Result<ExitCode> {
    let node = NodeName::new(node)?;
    let mut lines = Vec::new();
    for (name, entry) in &fleet.groups {
        let Some(stop) = entry.group.held_back.get(&node) else {
            continue;
        };
        let (node, by) = (node.clone(), who());
        let line = format!("let {node} of group {name} go");
        let let_go = asking(settings, name, Action::LetGo { node, by })?;
        commit(store, let_go).await?;
        end_timer(store, stop).await;
        lines.push(line);
    }
    if lines.is_empty() {
        lines.push(format!("{node} was not held back"));
    }
    let text = lines.join("\n") + "\n";
    Ok(print_text(&text, ExitCode::Success))
}

/// Whether anything but this command ever named the node.
fn is_known(fleet: &Fleet, node: &NodeName) -> bool {
    let mut groups = fleet.groups.values();
    let has_reported = fleet.nodes.contains_key(node) || fleet.owed.contains_key(node);
    has_reported
        || groups.any(|entry| {
            let mut tickets = entry.line.tickets().iter();
            entry.group.hold_of(node).is_some() || tickets.any(|it| it.node == *node)
        })
}

/// What the node says, or else where it holds.
fn group_of<'a>(fleet: &'a Fleet, node: &'a NodeName) -> Option<&'a GroupName> {
    let by_record = fleet.nodes.get(node).map(|entry| &entry.record.group);
    let by_hold = || fleet.holds_of(node).next().map(|(group, _)| group);
    by_record.or_else(by_hold)
}

fn asking(settings: &Settings, group: &GroupName, action: Action) -> Result<Write> {
    let is_own = *group == settings.group;
    Ok(Write::Ask {
        group: group.clone(),
        create_with_max: is_own.then_some(settings.max),
        request: Request {
            id: request_id()?,
            at: now(),
            action,
        },
    })
}
