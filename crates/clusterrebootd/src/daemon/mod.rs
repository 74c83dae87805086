//! The daemon: wiring, signals, reload, service manager.

mod assemble;
mod diagnose;
mod failpoints;
mod observe;
mod run;
mod signals;
mod systemd;
mod unreachable;

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
use std::time::Duration;

/// How long threads that look at files may take to end.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);
/// How long such a thread waits for more to look at. Ten seconds, as the runtime has it, would
/// wake the idle daemon once more after each pass, only to end the thread.
const IDLE_THREAD_LIMIT: Duration = Duration::from_millis(2);
/// How many controls may wait for the agent.
const CONTROLS_MAX: usize = 8;

/// Runs a future on a current-thread runtime: the daemon waits nearly always, and stays small.
///
/// # Errors
/// When the runtime cannot start, and what the future fails with.
pub(crate) fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_keep_alive(IDLE_THREAD_LIMIT)
        .build()
        .context("the runtime cannot start")?;
    let result = runtime.block_on(future);
    // A thread that hangs on a network mount must not hold up the end of the process.
    runtime.shutdown_timeout(FAREWELL_LIMIT);
    result
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
