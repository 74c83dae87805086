//! `lock unlock`: breaking the hold of a machine that went away for good.

use super::{Desk, look, who};
use crate::commands::operator::confirm;
use crate::console::print_then;
use crate::exit::ExitCode;
use anyhow::{Result, bail};
use reboot_core::fleet::Fleet;
use reboot_core::group::{Action, Hold};
use reboot_core::id::GroupName;

// === impl Desk ===

impl Desk<'_> {
    pub(super) async fn unlock(&self, id: &str, reason: &str, is_sure: bool) -> Result<ExitCode> {
        let fleet = look(self.store).await?;
        let group = self.group();
        let hold = meant(&fleet, group, id)?;
        let what = described(hold);
        let shown = format!("{what}{}", findings(&fleet, hold));
        confirm(
            &shown,
            "Is the machine really off, and shall the hold be broken?",
            is_sure,
        )?;
        // By its number: a hold that is claimed meanwhile is another one.
        let action = Action::Break {
            number: hold.number,
            by: who(),
            reason: reason.to_owned(),
        };
        self.ask(group, action).await?;
        Ok(print_then(
            format!("broken: {shown}\n").as_bytes(),
            ExitCode::Success,
        ))
    }
}

/// The one hold that bears this name of a node or machine.
fn meant<'a>(fleet: &'a Fleet, group: &GroupName, id: &str) -> Result<&'a Hold> {
    let holds = |name: &GroupName| fleet.groups.get(name).map(|it| it.group.holds.as_slice());
    let holds_here = holds(group).unwrap_or_default();
    if let Some(hold) = holds_here.iter().find(|hold| hold.node.as_str() == id) {
        return Ok(hold);
    }
    let is_it = |hold: &&Hold| hold.machine_id.as_str() == id || hold.node.as_str() == id;
    let found: Vec<&Hold> = holds_here.iter().filter(is_it).collect();
    match found.as_slice() {
        [hold] => Ok(hold),
        [] => {
            let mut others = fleet.groups.keys().filter(|name| *name != group);
            let there =
                others.find(|name| holds(name).unwrap_or_default().iter().any(|it| is_it(&it)));
            match there {
                Some(other) => bail!(
                    "{id} holds no slot of group {group}, but one of group {other}: add \
                     --group {other}"
                ),
                None => bail!(
                    "{id} holds no slot of group {group}: see `clusterrebootd lock status -o wide`"
                ),
            }
        }
        several => {
            let nodes: Vec<&str> = several.iter().map(|hold| hold.node.as_str()).collect();
            bail!(
                "{id} is the machine id of {}: name the node",
                nodes.join(" and of ")
            )
        }
    }
}

fn described(hold: &Hold) -> String {
    format!(
        "hold {} of {} ({}), {} since {}",
        hold.number, hold.node, hold.machine_id, hold.phase, hold.acquired_at
    )
}

/// What should make an operator think twice.
fn findings(fleet: &Fleet, hold: &Hold) -> String {
    let mut text = String::new();
    let record = fleet.nodes.get(&hold.node);
    let is_fresh = record.is_some_and(|entry| entry.is_fresh);
    if is_fresh || !fleet.presences_of(&hold.node).is_empty() {
        let last = record.map_or("not reported yet", |entry| &entry.record.reported_at);
        text.push_str(&format!(
            "\nits daemon may be alive (last report: {last}): the machine may still go down"
        ));
    }
    if !hold.undo.is_empty() {
        let left: Vec<&str> = hold.undo.newest_first().collect();
        text.push_str(&format!(
            "\nleft as it is until its daemon runs again: {}",
            left.join(", ")
        ));
    }
    text
}
