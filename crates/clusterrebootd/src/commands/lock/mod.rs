//! `lock`: the slots as an operator sees and mends them.

mod change;
mod status;
mod unlock;
mod watch;

use super::operator::{commit, look, now, open, request_id, who, with_settings};
use crate::called::Called;
use crate::cli::{LockArgs, LockCommand};
use crate::config::Settings;
use crate::daemon;
use crate::exit::ExitCode;
use anyhow::{Result, bail};
use reboot_core::group::{Action, Reply, Request};
use reboot_core::id::GroupName;
use reboot_core::write::{Write, Written};
use reboot_store::Store;
use status::View;
use unlock::Order;

/// Runs the command.
pub(super) fn run(args: &LockArgs) -> ExitCode {
    with_settings(&args.config, |settings| {
        daemon::block_on(carry_out(settings, args))
    })
}

async fn carry_out(settings: &Settings, args: &LockArgs) -> Result<ExitCode> {
    let store = open(settings)?;
    let desk = Desk {
        store: store.as_ref(),
        settings,
        chosen: args.group.as_ref(),
        called: Called::now(),
    };
    match &args.command {
        LockCommand::Status {
            all_groups,
            output,
            watch,
        } => {
            let view = View {
                all_groups: *all_groups,
                output: *output,
                is_watch: *watch,
            };
            match watch {
                true => desk.watch(view).await,
                false => desk.status(view).await,
            }
        }
        LockCommand::Unlock { id, reason, yes } => {
            let order = Order {
                id,
                reason: reason.as_deref(),
                is_sure: *yes,
            };
            desk.unlock(&order).await
        }
        LockCommand::SetMax { max } => desk.set_max(*max).await,
        LockCommand::Pause { reason, until } => desk.pause(reason, until.as_deref()).await,
        LockCommand::Resume => desk.resume().await,
    }
}

/// Where an operator sits.
struct Desk<'a> {
    store: &'a dyn Store,
    settings: &'a Settings,
    /// The group that the command line names.
    chosen: Option<&'a GroupName>,
    /// By which name the program was called.
    called: Called,
}

// === impl Desk ===

impl Desk<'_> {
    /// The group that is meant.
    fn group(&self) -> &GroupName {
        self.chosen.unwrap_or(&self.settings.group)
    }

    /// The slots to make a missing group with: only this configuration's own, for the name of any
    /// other may be misspelt.
    fn create_with_max(&self, group: &GroupName) -> Option<u32> {
        (*group == self.settings.group).then_some(self.settings.max)
    }

    fn asking(&self, group: &GroupName, action: Action) -> Result<Write> {
        Ok(Write::Ask {
            group: group.clone(),
            create_with_max: match action {
                Action::SetMax { .. } | Action::Pause(_) => self.create_with_max(group),
                _ => None,
            },
            request: Request {
                id: request_id()?,
                at: now(),
                action,
            },
        })
    }

    async fn ask(&self, group: &GroupName, action: Action) -> Result<Reply> {
        match commit(self.store, self.asking(group, action)?).await? {
            Written::Granted(reply) => Ok(reply),
            Written::Done | Written::Ticket(_) => bail!("the store answered something else"),
        }
    }
}
