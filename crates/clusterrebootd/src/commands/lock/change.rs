//! `lock set-max`, `lock pause` and `lock resume`.

use super::{Desk, commit, look, who};
use crate::commands::operator::known_group;
use crate::commands::operator::{commit_stop, end_timer, now, stop};
use crate::console::print_text;
use crate::exit::ExitCode;
use crate::plain::plain;
use anyhow::{Result, bail};
use reboot_core::fleet::Fleet;
use reboot_core::group::{Action, Reply};
use reboot_core::id::GroupName;
use reboot_core::write::Write;

// === impl Desk ===

impl Desk<'_> {
    pub(super) async fn set_max(&self, max: u32) -> Result<ExitCode> {
        let action = Action::SetMax { max, by: who() };
        match self.ask(self.group(), action).await? {
            Reply::MaxChanged { old, new } => Ok(print_text(
                &format!("Old: {old}\nNew: {new}\n"),
                ExitCode::Success,
            )),
            _ => bail!("the store answered something else"),
        }
    }

    /// Stops the fleet, or the chosen group, until it is resumed or until a time.
    pub(super) async fn pause(&self, reason: &str, until: Option<&str>) -> Result<ExitCode> {
        let pause = stop(self.store, reason, until).await?;
        let until = match &pause.until {
            Some(until) => format!(" before it ends by itself at {until}"),
            None => String::new(),
        };
        let (write, what, option) = match self.chosen {
            Some(group) => (
                self.asking(group, Action::Pause(pause.clone()))?,
                format!("group {group}"),
                format!(" --group {group}"),
            ),
            None => (
                Write::pause_fleet(Some(pause.clone()), who(), now()),
                "the fleet".to_owned(),
                String::new(),
            ),
        };
        commit_stop(self.store, write, &pause).await?;
        let text = format!(
            "paused {what}; `{} resume{option}` lets it go on{until}\n",
            self.called.lock()
        );
        Ok(print_text(&text, ExitCode::Success))
    }

    /// Ends the pause of the fleet and of every group, or of the one group that is named.
    pub(super) async fn resume(&self) -> Result<ExitCode> {
        let fleet = look(self.store).await?;
        if let Some(group) = self.chosen {
            known_group(&fleet, group)?;
        }
        let mut lines = Vec::new();
        if let (None, Some(pause)) = (self.chosen, &fleet.pause) {
            commit(self.store, Write::pause_fleet(None, who(), now())).await?;
            end_timer(self.store, pause).await;
            lines.push("resumed the fleet".to_owned());
        }
        let meant = |name: &GroupName| self.chosen.is_none_or(|chosen| chosen == name);
        for (name, entry) in fleet.groups.iter().filter(|(name, _)| meant(name)) {
            if let Some(pause) = &entry.group.pause {
                self.ask(name, Action::Resume { by: who() }).await?;
                end_timer(self.store, pause).await;
                lines.push(format!("resumed group {name}"));
            }
        }
        if lines.is_empty() {
            lines.push("nothing was paused".to_owned());
        }
        lines.extend(self.still_stopped(&fleet));
        let text = lines.join("\n") + "\n";
        Ok(print_text(&text, ExitCode::Success))
    }

    /// What keeps nodes from going on all the same.
    fn still_stopped(&self, fleet: &Fleet) -> Vec<String> {
        let (chosen, lock) = (self.chosen, self.called.lock());
        let mut lines = Vec::new();
        if let (Some(_), Some(pause)) = (chosen, &fleet.pause) {
            let why = plain(&format!("{} ({})", pause.by, pause.reason));
            lines.push(format!(
                "the fleet is still paused by {why}: `{lock} resume`"
            ));
        }
        for (name, entry) in &fleet.groups {
            if entry.group.max == 0 && chosen.is_none_or(|chosen| chosen == name) {
                lines.push(format!(
                    "group {name} has no slots: `{lock} set-max 1 --group {name}`"
                ));
            }
        }
        lines
    }
}
