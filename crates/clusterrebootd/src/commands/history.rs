//! `history`: what happened to a group.

use super::operator::{open, with_settings};
use crate::cli::{HistoryArgs, OutputFormat};
use crate::config::Settings;
use crate::console::{print_json, print_then};
use crate::daemon;
use crate::exit::ExitCode;
use anyhow::{Result, anyhow};
use reboot_core::group::HistoryEntry;
use serde_json::json;

/// Runs the command.
pub(super) fn run(args: &HistoryArgs) -> ExitCode {
    with_settings(&args.config.config, |settings| {
        daemon::block_on(show(settings, args))
    })
}

async fn show(settings: &Settings, args: &HistoryArgs) -> Result<ExitCode> {
    let store = open(settings)?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let history = store.history(&settings.group, limit).await;
    let history = history.map_err(|trouble| anyhow!("{trouble}"))?;
    Ok(match args.output {
        OutputFormat::Json => print_json(
            &json!({"group": settings.group, "history": history}),
            ExitCode::Success,
        ),
        OutputFormat::Text => print_then(as_table(&history).as_bytes(), ExitCode::Success),
    })
}

fn as_table(history: &[HistoryEntry]) -> String {
    let mut text = format!(
        "{:<32} {:<8} {:<20} {:<6} {}\n",
        "TIME", "EVENT", "NODE", "HOLD", "DETAIL"
    );
    for entry in history {
        let node = entry.node.as_ref().map_or("-", |node| node.as_str());
        let hold = entry
            .number
            .map_or("-".to_owned(), |number| number.to_string());
        let line = format!(
            "{:<32} {:<8} {node:<20} {hold:<6} {}",
            entry.at, entry.event, entry.detail
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
