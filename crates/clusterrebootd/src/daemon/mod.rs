//! The daemon: wiring, signals, reload, service manager.

mod assemble;
mod diagnose;
mod observe;
mod run;
mod signals;
mod systemd;

use assemble::{agent_settings, identify, node};
pub(crate) use assemble::{detectors, open_store};

pub(crate) use diagnose::diagnose;
pub(crate) use run::serve;

use anyhow::{Context, Result};
use reboot_core::agent::Notebook;
use reboot_core::group::Identity;
use reboot_core::id::Instance;
use reboot_host::journal::{self, NodeLock, Previous};
use std::path::Path;

/// How many controls may wait for the agent.
const CONTROLS_MAX: usize = 8;

/// A current-thread runtime: the daemon waits nearly always, and stays small.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot start")
}

/// Takes the node's lock; the former run, if it died in this very boot, is proven dead by it.
pub(crate) fn take_lock(dir: &Path, identity: &Identity) -> Result<(NodeLock, Option<Instance>)> {
    let lock = NodeLock::take(dir, &identity.instance, &identity.boot)?;
    let is_this_boot = |former: &&Previous| !former.boot.differs_from(&identity.boot);
    let former = lock
        .previous()
        .filter(is_this_boot)
        .map(|former| former.instance.clone());
    Ok((lock, former))
}

/// Reads what this node knows of itself.
pub(crate) fn read_notebook(dir: &Path) -> Result<Notebook> {
    Ok(journal::load(dir)?.unwrap_or_default())
}
