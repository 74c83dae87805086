//! `version`: the build metadata.

use super::{print_json, print_then};
use crate::cli::{OutputFormat, VersionArgs};
use crate::exit::ExitCode;
use serde_json::json;
use std::env::consts::{ARCH, OS};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit the binary was built from, as the release build tells it.
const COMMIT: Option<&str> = option_env!("CLUSTERREBOOTD_COMMIT");
/// The commit's date, as the release build tells it.
const BUILD_DATE: Option<&str> = option_env!("CLUSTERREBOOTD_BUILD_DATE");

/// Runs the command.
pub(super) fn run(args: &VersionArgs) -> ExitCode {
    match args.output {
        OutputFormat::Text => print_then(text().as_bytes(), ExitCode::Success),
        OutputFormat::Json => print_json(
            &json!({
                "version": VERSION, "commit": COMMIT, "date": BUILD_DATE, "os": OS, "arch": ARCH,
            }),
            ExitCode::Success,
        ),
    }
}

pub(super) fn text() -> String {
    let commit = COMMIT.unwrap_or("unknown");
    let date = BUILD_DATE.unwrap_or("unknown");
    format!("clusterrebootd {VERSION} (commit {commit}, built {date}, {OS}/{ARCH})\n")
}
