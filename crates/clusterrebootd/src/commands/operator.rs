//! What the operator commands share: the store, the question, the name of who asks.

use super::validate;
use crate::config::{Settings, StoreSettings};
use crate::console::complain;
use crate::daemon;
use crate::exit::ExitCode;
use anyhow::{Result, bail};
use jiff::Timestamp;
use reboot_core::id::RequestId;
use reboot_core::write::{Trouble, Write, Written};
use reboot_store::Store;
use std::io::{BufRead, IsTerminal, Write as _, stderr, stdin};
use std::path::Path;
use std::sync::Arc;

/// Reads the configuration, then runs the command; every failure is told and is exit 1.
pub(super) fn with_settings(
    config: &Path,
    run: impl FnOnce(&Settings) -> Result<ExitCode>,
) -> ExitCode {
    let settings = match Settings::load(config) {
        Ok(settings) => settings,
        Err(problems) => return validate::refuse(&problems),
    };
    run(&settings).unwrap_or_else(|error| {
        complain(&format!("{error:#}"));
        ExitCode::RuntimeFailure
    })
}

/// Opens the store of a fleet that is there; none is made for a look.
pub(super) fn open(settings: &Settings) -> Result<Arc<dyn Store>> {
    if let StoreSettings::Embedded { path } = &settings.store
        && !path.exists()
    {
        bail!(
            "no store at {}: does the daemon run with this configuration?",
            path.display()
        );
    }
    daemon::open_store(&settings.store)
}

/// Commits one change. A store that says no answers why and what to do.
pub(super) async fn commit(store: &dyn Store, write: Write) -> Result<Written> {
    store.write(write).await.map_err(|trouble| match trouble {
        Trouble::Unknown(why) => anyhow::anyhow!("{why}: look whether it was done before retrying"),
        other => anyhow::anyhow!("{other}"),
    })
}

/// An id of its own for a request.
pub(super) fn request_id() -> Result<RequestId> {
    Ok(RequestId::new(format!(
        "operator.{}",
        uuid::Uuid::new_v4().simple()
    ))?)
}

/// The time, for people.
pub(super) fn now() -> String {
    Timestamp::now().to_string()
}

/// Who asks: the user and the machine.
#[allow(clippy::disallowed_methods)] // the binary is the one place that reads the environment
pub(super) fn who() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    let user = user.unwrap_or_else(|_| format!("uid {}", nix::unistd::Uid::current()));
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{}", host.trim())
}

/// Asks on a terminal; elsewhere only `--yes` will do.
pub(super) fn confirm(question: &str, is_sure: bool) -> Result<()> {
    if is_sure {
        return Ok(());
    }
    if !stdin().is_terminal() {
        bail!("not without being asked: add --yes, or run it on a terminal");
    }
    write!(stderr(), "{question} [y/N] ")?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => bail!("nothing was changed"),
    }
}
