//! `lock status`: slots, holders and who waits.

use super::{Desk, look};
use crate::cli::LockFormat;
use crate::commands::operator::{known_group, max_warnings, other_max, said};
use crate::commands::paint::{Paint, Tone};
use crate::commands::table::{seconds, table};
use crate::console::{complain, print_then};
use crate::exit::ExitCode;
use crate::plain::plain;
use anyhow::Result;
use reboot_core::fleet::{Fleet, GroupEntry};
use reboot_core::group::Hold;
use reboot_core::id::GroupName;
use reboot_core::line::{Line, Ticket};
use serde_json::{Value, json};

/// Where nobody has asked for a slot yet.
const NO_GROUPS: &str = "no group yet: the first claim of one of its nodes makes it\n";

/// What is to be shown, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub(super) all_groups: bool,
    pub(super) output: LockFormat,
    /// One look after the other.
    pub(super) is_watch: bool,
}

/// What a look showed.
pub(super) struct Shown {
    /// The report, without what goes between two of them.
    pub(super) report: String,
    /// What the report has no place for.
    pub(super) warnings: Vec<String>,
    /// The store's revision at the look.
    pub(super) revision: u64,
}

// === impl Desk ===

impl Desk<'_> {
    pub(super) async fn status(&self, view: View) -> Result<ExitCode> {
        let shown = self.show(view).await?;
        shown.warnings.iter().for_each(|warning| complain(warning));
        Ok(print_then(shown.report.as_bytes(), ExitCode::Success))
    }

    /// One look, as it is to be shown.
    pub(super) async fn show(&self, view: View) -> Result<Shown> {
        let mut fleet = look(self.store).await?;
        if !view.all_groups {
            self.keep_one_group(&mut fleet)?;
        }
        let warnings = max_warnings(self.settings, &fleet);
        let report = match view.output {
            LockFormat::Json => match (self.as_json(&fleet, &warnings), view.is_watch) {
                // A document a line, for programs that read line by line.
                (value, true) => format!("{value}\n"),
                (value, false) => format!("{value:#}\n"),
            },
            LockFormat::Text => as_texts(&fleet, view.all_groups),
            LockFormat::Wide => self.as_wide(&fleet),
        };
        let is_text = view.output == LockFormat::Text;
        Ok(Shown {
            report,
            warnings: warnings.into_iter().filter(|_| is_text).collect(),
            revision: fleet.revision,
        })
    }

    /// Leaves only the group that is meant. This configuration's own that is not made yet is shown
    /// as its first claim would make it.
    fn keep_one_group(&self, fleet: &mut Fleet) -> Result<()> {
        let name = self.group();
        let entry = match (fleet.groups.remove(name), self.create_with_max(name)) {
            (Some(entry), _) => entry,
            (None, Some(max)) => fleet.unmade(name, max)?,
            (None, None) => return known_group(fleet, name),
        };
        fleet.groups = [(name.clone(), entry)].into();
        Ok(())
    }
}

/// May be negative, after a lowering: nobody is evicted.
fn available(entry: &GroupEntry) -> i64 {
    let taken = entry.group.holds.len() + entry.foreign.len();
    i64::from(entry.group.max) - i64::try_from(taken).unwrap_or(i64::MAX)
}

fn head(entry: &GroupEntry) -> String {
    let (available, max) = (available(entry), entry.group.max);
    format!("Available: {available}\nMax: {max}\n")
}

// === as the old command did ===

fn as_texts(fleet: &Fleet, are_named: bool) -> String {
    if fleet.groups.is_empty() {
        return NO_GROUPS.to_owned();
    }
    let text = |(name, entry): (&GroupName, &GroupEntry)| match are_named {
        true => format!("Group: {name}\n{}", as_text(entry)),
        false => as_text(entry),
    };
    let texts: Vec<String> = fleet.groups.iter().map(text).collect();
    texts.join("\n")
}

/// Byte by byte what the old command printed.
fn as_text(entry: &GroupEntry) -> String {
    let mut text = head(entry);
    let holders = entry.group.holds.iter().map(|it| it.machine_id.to_string());
    let foreign = entry.foreign.iter().map(ToString::to_string);
    let all: Vec<String> = holders.chain(foreign).map(|name| plain(&name)).collect();
    if !all.is_empty() {
        text.push_str(&format!("\nMACHINE ID\n{}\n", all.join("\n")));
    }
    text
}

// === for people ===

impl Desk<'_> {
    fn as_wide(&self, fleet: &Fleet) -> String {
        let paint = Paint::of_stdout();
        let pause = fleet.pause.as_ref().map(|pause| {
            let line = format!("The fleet is paused {}", said(pause));
            paint.line(Tone::Warning, &line) + "\n"
        });
        let groups = fleet.groups.iter();
        let groups = groups.map(|(name, entry)| self.as_tables(paint, name, entry));
        let none = fleet.groups.is_empty().then(|| NO_GROUPS.to_owned());
        let parts: Vec<String> = pause.into_iter().chain(groups).chain(none).collect();
        parts.join("\n")
    }

    fn as_tables(&self, paint: Paint, name: &GroupName, entry: &GroupEntry) -> String {
        let mut text = format!("Group: {name}\n{}", head(entry));
        if let Some(max) = other_max(self.settings, name, &entry.group) {
            let line = format!("Max in this configuration: {max} (the group's counts)");
            text.push_str(&(paint.line(Tone::Warning, &line) + "\n"));
        }
        if let Some(pause) = &entry.group.pause {
            let line = format!("Paused: {}", said(pause));
            text.push_str(&(paint.line(Tone::Warning, &line) + "\n"));
        }
        if let Some(cooldown) = &entry.cooldown {
            let left_secs = cooldown.remaining_ms.div_ceil(1000);
            let node = &cooldown.node;
            text.push_str(&format!(
                "Cooldown: {left_secs} s left, started by {}\n",
                plain(node.as_str())
            ));
        }
        if !entry.group.holds.is_empty() {
            text.push_str(&format!("\n{}", holders(paint, entry)));
        }
        for name in &entry.foreign {
            let name = plain(name.as_str());
            text.push_str(&format!("\nA slot is taken by another program: {name}\n"));
        }
        if !entry.line.tickets().is_empty() {
            text.push_str(&format!("\n{}", waiters(paint, &entry.line)));
        }
        text
    }
}

fn holders(paint: Paint, entry: &GroupEntry) -> String {
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
    let holds = &entry.group.holds;
    let rows: Vec<[String; 7]> = holds.iter().map(row).collect();
    let titles = [
        "MACHINE ID",
        "NODE",
        "PHASE",
        "HOLD",
        "SINCE",
        "BOOT",
        "OVERDUE",
    ];
    paint.table(&table(titles, &rows), |row| {
        let is_overdue = holds.get(row).is_some_and(|hold| entry.is_overdue(hold));
        is_overdue.then_some(Tone::Alarm)
    })
}

fn waiters(paint: Paint, line: &Line) -> String {
    let row = |(place, ticket): (usize, &Ticket)| {
        [
            (place + 1).to_string(),
            ticket.node.to_string(),
            seconds(&ticket.since),
        ]
    };
    let rows: Vec<[String; 3]> = line.tickets().iter().enumerate().map(row).collect();
    paint.table(&table(["WAITS", "NODE", "SINCE"], &rows), |_| None)
}

// === for programs ===

impl Desk<'_> {
    fn as_json(&self, fleet: &Fleet, warnings: &[String]) -> Value {
        let groups = fleet.groups.iter();
        let groups = groups.map(|(name, entry)| self.group_as_json(name, entry));
        json!({
            "groups": groups.collect::<Vec<_>>(),
            "pause": fleet.pause,
            "warnings": warnings,
        })
    }

    fn group_as_json(&self, name: &GroupName, entry: &GroupEntry) -> Value {
        let hold = |hold: &Hold| {
            let mut value = serde_json::to_value(hold).unwrap_or_default();
            value["group"] = json!(name);
            value["overdue"] = json!(entry.is_overdue(hold));
            value
        };
        let is_own = *name == self.settings.group;
        let written = self.settings.max_as_written.filter(|_| is_own);
        json!({
            "group": name,
            "max": entry.group.max,
            "max_in_configuration": written,
            "available": available(entry),
            "pause": entry.group.pause,
            "holds": entry.group.holds.iter().map(hold).collect::<Vec<_>>(),
            "foreign": entry.foreign,
            "line": entry.line.tickets(),
            "cooldown_left_ms": entry.cooldown.as_ref().map(|cooldown| cooldown.remaining_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reboot_core::id::NodeName;

    #[test]
    fn slots_that_other_programs_take_are_shown_as_taken() {
        let mut entry = Fleet::default().unmade(&GroupName::default(), 2).unwrap();
        entry.foreign = vec![NodeName::new("locksmith").unwrap()];
        assert_eq!(
            as_text(&entry),
            "Available: 1\nMax: 2\n\nMACHINE ID\nlocksmith\n"
        );
        entry.group.max = 0;
        assert_eq!(available(&entry), -1);
    }
}
