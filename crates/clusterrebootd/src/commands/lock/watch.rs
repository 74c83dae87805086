//! `lock status --watch`: the status anew whenever it changes, until a signal or a reader that
//! goes away ends it.

use super::Desk;
use super::status::{Shown, View};
use crate::cli::LockFormat;
use crate::commands::operator::in_words;
use crate::console::{complain, print_while_read};
use crate::exit::ExitCode;
use anyhow::{Context, Result};
use reboot_store::Interest;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

/// How soon a store that failed is asked again, and how long at most between two tries.
const AGAIN_MIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(30);
/// The net under every wake-up.
const NET: Duration = Duration::from_secs(10);

/// What was printed so far.
#[derive(Default)]
struct Printed {
    report: String,
    warnings: Vec<String>,
}

// === impl Desk ===

impl Desk<'_> {
    /// Shows the status whenever it changes. SIGINT and SIGTERM end it well.
    pub(super) async fn watch(&self, view: View) -> Result<ExitCode> {
        let listen = |kind| signal(kind).context("signals cannot be handled here");
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut terminate = listen(SignalKind::terminate())?;
        tokio::select! {
            _ = interrupt.recv() => Ok(ExitCode::Success),
            _ = terminate.recv() => Ok(ExitCode::Success),
            end = self.watch_for_ever(view) => end,
        }
    }

    async fn watch_for_ever(&self, view: View) -> Result<ExitCode> {
        let mut printed = Printed::default();
        let mut shown = self.show(view).await?;
        let mut again = AGAIN_MIN;
        loop {
            if let ControlFlow::Break(exit) = printed.print(view, &shown) {
                return Ok(exit);
            }
            loop {
                match self.next(view, &shown).await {
                    Ok(next) => {
                        shown = next;
                        again = AGAIN_MIN;
                        break;
                    }
                    Err(error) => complain(&format!("{error:#}: trying again")),
                }
                sleep(again).await;
                again = AGAIN_MAX.min(again * 2);
            }
        }
    }

    async fn next(&self, view: View, shown: &Shown) -> Result<Shown> {
        tokio::select! {
            changed = self.store.changed(&Interest::Everything, shown.revision) => {
                changed.map_err(in_words)?;
            }
            () = sleep(NET) => {}
        }
        self.show(view).await
    }
}

// === impl Printed ===

impl Printed {
    /// Prints what is new. Breaks when nobody reads any more, or nothing can be written.
    fn print(&mut self, view: View, shown: &Shown) -> ControlFlow<ExitCode> {
        if shown.warnings != self.warnings {
            shown.warnings.iter().for_each(|warning| complain(warning));
            self.warnings.clone_from(&shown.warnings);
        }
        if shown.report == self.report {
            return ControlFlow::Continue(());
        }
        let is_first = self.report.is_empty();
        self.report.clone_from(&shown.report);
        let gap = match is_first || view.output == LockFormat::Json {
            true => "",
            false => "\n",
        };
        print_while_read(format!("{gap}{}", shown.report).as_bytes())
    }
}
