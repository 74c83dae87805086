//! `fleet forget`: a node that was removed blocks the others no longer.

use super::{health, listed, remarks};
use crate::commands::operator::{commit, confirm};
use crate::commands::table::seconds;
use crate::console::print_text;
use crate::exit::ExitCode;
use crate::plain::plain;
use anyhow::{Result, bail};
use reboot_core::fleet::{Fleet, NodeEntry};
use reboot_core::id::NodeName;
use reboot_core::undo::Undo;
use reboot_core::write::Write;
use reboot_store::Store;

pub(super) async fn forget(
    store: &dyn Store,
    fleet: &Fleet,
    name: &str,
    is_sure: bool,
) -> Result<ExitCode> {
    let node = NodeName::new(name)?;
    if let Some((group, hold)) = fleet.holds_of(&node).next() {
        bail!(
            "{node} holds a slot of group {group} ({}): break that first with `clusterrebootd \
             lock unlock {node} --group {group}`, once the machine is surely off",
            hold.phase
        );
    }
    let (entry, owed) = (fleet.nodes.get(&node), fleet.owed_by(&node));
    if entry.is_none() && owed.is_empty() {
        bail!("no node {node} is known: see `clusterrebootd fleet list`");
    }
    let last = entry.map_or("never".to_owned(), |it| seconds(&it.record.reported_at));
    let is_fresh = entry.is_some_and(|entry| entry.is_fresh);
    if is_fresh && !is_sure {
        bail!(
            "{node} may be alive (last report: {last}) and come back with its next report: stop \
             its daemon first, or add --yes to forget the reboots of its last day{}",
            match owed.is_empty() {
                true => String::new(),
                false => format!(", and what a broken hold left undone: {}", listed(&owed)),
            }
        );
    }
    let state = health(entry);
    confirm(
        &format!(
            "{node}: {state}, last report: {last}, {}",
            plain(&remarks(entry, &owed))
        ),
        &question(&node, entry, &owed),
        is_sure,
    )?;
    commit(store, Write::Forget { node: node.clone() }).await?;
    let mut text = format!("forgot {node}\n");
    if is_fresh {
        text.push_str("if it is alive, its next report brings it back\n");
    }
    if !owed.is_empty() {
        text.push_str(&format!("undo by hand, if it returns: {}\n", listed(&owed)));
    }
    Ok(print_text(&text, ExitCode::Success))
}

fn question(node: &NodeName, entry: Option<&NodeEntry>, owed: &Undo) -> String {
    let mut what = Vec::new();
    if let Some(entry) = entry {
        what.push("its record".to_owned());
        what.push(format!("its {} reboots of the last day", entry.marks));
    }
    if !owed.is_empty() {
        what.push(format!(
            "what is still to be undone there ({})",
            listed(owed)
        ));
    }
    format!("Forget {node}: {}?", what.join(", "))
}
