//! `lock status`: slots, holders and who waits.

use super::{Desk, look};
use crate::cli::LockFormat;
use crate::commands::operator::known_group;
use crate::commands::table::{seconds, table};
use crate::console::{print_json, print_then};
use crate::exit::ExitCode;
use anyhow::{Result, anyhow};
use reboot_core::fleet::{Fleet, GroupEntry};
use reboot_core::group::{Group, Hold, Pause};
use reboot_core::id::{GroupName, NodeName};
use reboot_core::line::Line;
use serde_json::{Value, json};
use std::collections::BTreeSet;

// === impl Desk ===

impl Desk<'_> {
    pub(super) async fn status(&self, all_groups: bool, output: LockFormat) -> Result<ExitCode> {
        let mut fleet = look(self.store).await?;
        if !all_groups {
            self.keep_one_group(&mut fleet)?;
        }
        let groups = fleet.groups.iter();
        let text = match output {
            LockFormat::Json => {
                let groups: Vec<Value> = groups.map(|(name, entry)| as_json(name, entry)).collect();
                let report = json!({"groups": groups, "pause": fleet.pause});
                return Ok(print_json(&report, ExitCode::Success));
            }
            LockFormat::Text => {
                let texts = groups.map(|(name, entry)| as_text(name, entry, all_groups));
                texts.collect::<Vec<_>>().join("\n")
            }
            LockFormat::Wide => {
                let texts = groups.map(|(name, entry)| as_tables(name, entry));
                let pause = fleet.pause.as_ref();
                let pause = pause.map(|pause| format!("The fleet is paused {}\n", said(pause)));
                pause
                    .into_iter()
                    .chain(texts)
                    .collect::<Vec<_>>()
                    .join("\n")
            }
        };
        Ok(print_then(text.as_bytes(), ExitCode::Success))
    }

    /// Leaves only the group that is meant. This configuration's own that is not made yet is shown
    /// as its first claim would make it.
    fn keep_one_group(&self, fleet: &mut Fleet) -> Result<()> {
        let name = self.group();
        let entry = match (fleet.groups.remove(name), self.create_with_max(name)) {
            (Some(entry), _) => entry,
            (None, Some(max)) => unmade(fleet, name, max)?,
            (None, None) => return known_group(fleet, name),
        };
        fleet.groups = [(name.clone(), entry)].into();
        Ok(())
    }
}

fn unmade(fleet: &Fleet, name: &GroupName, max: u32) -> Result<GroupEntry> {
    let records = fleet.nodes.values().map(|entry| &entry.record);
    let claiming = records.filter(|record| record.group == *name && record.hold.is_some());
    let claiming: Vec<NodeName> = claiming.map(|record| record.node.clone()).collect();
    let group = Group::create(max, 0, &claiming).map_err(|refusal| anyhow!("{refusal}"))?;
    Ok(GroupEntry {
        group,
        line: Line::of(Vec::new()),
        cooldown: None,
        within_deadline: BTreeSet::new(),
        foreign: Vec::new(),
    })
}

fn available(group: &Group) -> i64 {
    i64::from(group.max) - i64::try_from(group.holds.len()).unwrap_or(i64::MAX)
}

/// Byte by byte what the old command printed.
fn as_text(name: &GroupName, entry: &GroupEntry, is_named: bool) -> String {
    let mut text = head(name, &entry.group, is_named);
    if !entry.group.holds.is_empty() {
        text.push_str("\nMACHINE ID\n");
    }
    for hold in &entry.group.holds {
        text.push_str(&format!("{}\n", hold.machine_id));
    }
    text
}

fn head(name: &GroupName, group: &Group, is_named: bool) -> String {
    let title = match is_named {
        true => format!("Group: {name}\n"),
        false => String::new(),
    };
    format!(
        "{title}Available: {}\nMax: {}\n",
        available(group),
        group.max
    )
}

fn as_tables(name: &GroupName, entry: &GroupEntry) -> String {
    let mut text = head(name, &entry.group, true);
    if let Some(pause) = &entry.group.pause {
        text.push_str(&format!("Paused: {}\n", said(pause)));
    }
    if let Some(cooldown) = &entry.cooldown {
        let left_secs = cooldown.remaining_ms.div_ceil(1000);
        text.push_str(&format!("Cooldown: {left_secs} s left\n"));
    }
    if !entry.group.holds.is_empty() {
        text.push_str(&format!("\n{}", holders(entry)));
    }
    if !entry.line.tickets().is_empty() {
        text.push_str(&format!("\n{}", waiters(&entry.line)));
    }
    text
}

fn said(pause: &Pause) -> String {
    let until = pause.until.as_ref();
    let until = until.map_or(String::new(), |until| format!(" until {until}"));
    format!("by {}{until}: {}", pause.by, pause.reason)
}

fn holders(entry: &GroupEntry) -> String {
    let row = |hold: &Hold| {
        [
            hold.machine_id.to_string(),
            hold.node.to_string(),
            hold.phase.to_string(),
            hold.number.to_string(),
            seconds(&hold.acquired_at),
            hold.boot.to_string(),
            match entry.is_overdue(hold) {
                true => "OVERDUE".to_owned(),
                false => "no".to_owned(),
            },
        ]
    };
    let rows: Vec<[String; 7]> = entry.group.holds.iter().map(row).collect();
    let titles = [
        "MACHINE ID",
        "NODE",
        "PHASE",
        "HOLD",
        "SINCE",
        "BOOT",
        "OVERDUE",
    ];
    table(titles, &rows)
}

fn waiters(line: &Line) -> String {
    let row = |(place, ticket): (usize, &reboot_core::line::Ticket)| {
        [
            (place + 1).to_string(),
            ticket.node.to_string(),
            seconds(&ticket.since),
        ]
    };
    let rows: Vec<[String; 3]> = line.tickets().iter().enumerate().map(row).collect();
    table(["WAITS", "NODE", "SINCE"], &rows)
}

fn as_json(name: &GroupName, entry: &GroupEntry) -> Value {
    let hold = |hold: &Hold| {
        let mut value = serde_json::to_value(hold).unwrap_or_default();
        value["group"] = json!(name);
        value["overdue"] = json!(entry.is_overdue(hold));
        value
    };
    json!({
        "group": name,
        "max": entry.group.max,
        "available": available(&entry.group),
        "pause": entry.group.pause,
        "holds": entry.group.holds.iter().map(hold).collect::<Vec<_>>(),
        "line": entry.line.tickets(),
        "cooldown_left_ms": entry.cooldown.as_ref().map(|cooldown| cooldown.remaining_ms),
    })
}
