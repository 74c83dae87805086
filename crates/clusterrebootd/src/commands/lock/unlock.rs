//! `lock unlock`: breaking the hold of a machine that went away for good.

use super::{Desk, look, who};
use crate::called::Called;
use crate::commands::operator::confirm;
use crate::commands::table::seconds;
use crate::console::{print_text, tell};
use crate::exit::ExitCode;
use anyhow::{Result, bail};
use nix::unistd::Uid;
use reboot_core::fleet::{Fleet, GroupEntry};
use reboot_core::group::{Action, Hold};
use reboot_core::id::GroupName;
use std::io::{IsTerminal, stdin};

/// What the command line says about a break.
pub(super) struct Order<'a> {
    /// A node's name or a machine id.
    pub(super) id: &'a str,
    /// Why.
    pub(super) reason: Option<&'a str>,
    /// Do not ask.
    pub(super) is_sure: bool,
}

// === impl Desk ===

impl Desk<'_> {
    pub(super) async fn unlock(&self, order: &Order<'_>) -> Result<ExitCode> {
        let fleet = look(self.store).await?;
        let group = self.group();
        let hold = meant(&fleet, group, order.id)?;
        let shown = described(&fleet, group, hold);
        // Scripts of old call it without a terminal, and were never asked.
        let is_old_script = self.called == Called::Rebootlockctl && !stdin().is_terminal();
        confirm(
            &shown,
            "Is the machine really off, and shall the hold be broken?",
            order.is_sure || is_old_script,
        )?;
        // By its number: a hold that is claimed meanwhile is another one.
        let action = Action::Break {
            number: hold.number,
            by: who(),
            reason: reason(order, is_old_script),
        };
        self.ask(group, action).await?;
        let report = format!("broken: {shown}");
        match self.called {
            Called::Clusterrebootd => {
                let report = format!("{report}\n");
                Ok(print_text(&report, ExitCode::Success))
            }
            // The old command said nothing on stdout.
            Called::Rebootlockctl => {
                tell(&report);
                Ok(ExitCode::Success)
            }
        }
    }
}

/// Why, for the history: the operator's words, or what is known of a script that gives none.
fn reason(order: &Order<'_>, is_old_script: bool) -> String {
    match (order.reason, is_old_script) {
        (Some(reason), _) => reason.to_owned(),
        (None, true) => {
            let arguments: Vec<String> = std::env::args_os()
                .map(|argument| argument.to_string_lossy().into_owned())
                .collect();
            format!("uid {} ran: {}", Uid::current(), arguments.join(" "))
        }
        (None, false) => "no reason given".to_owned(),
    }
}

/// The one hold that bears this name of a node or machine.
fn meant<'a>(fleet: &'a Fleet, group: &GroupName, id: &str) -> Result<&'a Hold> {
    let is_it = |hold: &&Hold| hold.machine_id.as_str() == id || hold.node.as_str() == id;
    let found = |name: &GroupName| -> Vec<&'a Hold> {
        let entry = fleet.groups.get(name);
        let holds = entry.map_or(&[][..], |entry| &entry.group.holds);
        holds.iter().filter(is_it).collect()
    };
    match found(group).as_slice() {
        [hold] => Ok(hold),
        [] if is_foreign(fleet, group, id) => bail!(
            "{id} holds by the rules of another program, whose lock this command does not break: \
             stop that program there; should the machine be gone, the lock ends with its lease"
        ),
        [] => {
            let mut others = fleet.groups.keys().filter(|name| *name != group);
            match others.find(|name| !found(name).is_empty()) {
                Some(other) => bail!(
                    "{id} holds no slot of group {group}, but one of group {other}: add \
                     --group {other}"
                ),
                None => bail!(
                    "{id} holds no slot of group {group}: see who does with `{} status -o wide`",
                    Called::now().lock()
                ),
            }
        }
        several => {
            let choices: Vec<String> = several.iter().map(|hold| choice(id, hold)).collect();
            bail!(
                "{id} may mean {} holds: choose one of\n  {}",
                several.len(),
                choices.join("\n  ")
            )
        }
    }
}

/// Whether another program takes a slot under this name.
fn is_foreign(fleet: &Fleet, group: &GroupName, id: &str) -> bool {
    let entry = fleet.groups.get(group);
    entry.is_some_and(|entry| entry.foreign.iter().any(|name| name.as_str() == id))
}

/// The name that tells one of several from the others, and what it is.
fn choice(id: &str, hold: &Hold) -> String {
    let name = match hold.node.as_str() == id {
        true => hold.machine_id.as_str(),
        false => hold.node.as_str(),
    };
    format!("{name} ({})", title(hold))
}

fn title(hold: &Hold) -> String {
    format!(
        "hold {} of {} ({}), {}, held since {}",
        hold.number,
        hold.node,
        hold.machine_id,
        hold.phase,
        seconds(&hold.acquired_at)
    )
}

/// All that an operator should have read before breaking it.
fn described(fleet: &Fleet, group: &GroupName, hold: &Hold) -> String {
    let entry = fleet.groups.get(group);
    let overdue = match entry.is_some_and(|entry| entry.is_overdue(hold)) {
        true => "yes",
        false => "no",
    };
    let boot = &hold.boot;
    let mut text = format!(
        "{}\n  group: {group}\n  boot: {boot}\n  overdue: {overdue}",
        title(hold)
    );
    for finding in findings(fleet, entry, hold) {
        text.push_str(&format!("\n  {finding}"));
    }
    text
}

/// What should make an operator think twice.
fn findings(fleet: &Fleet, entry: Option<&GroupEntry>, hold: &Hold) -> Vec<String> {
    let mut findings = Vec::new();
    if !hold.undo.is_empty() {
        let left: Vec<&str> = hold.undo.newest_first().collect();
        findings.push(format!(
            "changed there, and left as it is until its daemon runs again: {}",
            left.join(", ")
        ));
    }
    let record = fleet.nodes.get(&hold.node);
    let is_fresh = record.is_some_and(|entry| entry.is_fresh);
    if is_fresh || !fleet.presences_of(&hold.node).is_empty() {
        let last = record.map_or("not reported yet".to_owned(), |entry| {
            seconds(&entry.record.reported_at)
        });
        findings.push(format!(
            "its daemon may be alive (last report: {last}): the machine may still go down"
        ));
    }
    if let Some(next) = entry.and_then(|entry| entry.line.tickets().first()) {
        findings.push(format!("next in line: {}", next.node));
    }
    findings
}
