//! The daemon: wiring, signals, reload, service manager.

mod assemble;
mod diagnose;
mod failpoints;
mod observe;
mod reach;
mod run;
mod signals;
mod stores;
mod systemd;
mod unreachable;

pub(crate) use assemble::{agent_settings, detectors, policies, windows, zone};
use assemble::{identify, node};

pub(crate) use diagnose::diagnose;
pub(crate) use run::serve;
pub(crate) use signals::{Signals, Wish};
pub(crate) use stores::{in_etcd, open_as_daemon, open_store, open_store_of_many};
pub(crate) use systemd::ServiceManager;

use anyhow::{Context, Result};
use reboot_core::agent::Notebook;
use reboot_core::group::Identity;
use reboot_core::id::Instance;
use reboot_host::HostError;
use reboot_host::journal::{self, NodeLock, Previous};
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long threads that look at files may take to end.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);
/// How long such a thread waits for more to look at. Ten seconds, as the runtime has it, would
/// wake the idle daemon once more after each pass, only to end the thread.
const IDLE_THREAD_LIMIT: Duration = Duration::from_millis(2);
/// How long a former run's lock may outlive it.
const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// How soon the lock is asked for again.
const LOCK_AGAIN: Duration = Duration::from_millis(10);
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
///
/// A program that the former run had just started when it was killed holds a copy of its lock
/// until the kernel has closed that for it: so the lock is asked for again, for a moment.
pub(crate) async fn take_lock(
    dir: &Path,
    identity: &Identity,
) -> Result<(NodeLock, Option<Instance>)> {
    let end = Instant::now() + LOCK_PATIENCE;
    let lock = loop {
        match NodeLock::take(dir, &identity.instance, &identity.boot) {
            Err(HostError::Locked { .. }) if Instant::now() < end => sleep(LOCK_AGAIN).await,
            taken => break taken?,
        }
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use reboot_core::boot::BootIdentity;
    use reboot_core::id::{MachineId, NodeName};
    use std::fs::File;

    fn identity() -> Identity {
        Identity {
            node: NodeName::new("n1").unwrap(),
            machine_id: MachineId::new("69d27b356a94476da859461d3a3bc6fd").unwrap(),
            boot: BootIdentity {
                boot_id: "6f746865-72aa-4aaa-8aaa-aaaa00000001".to_owned(),
                soft_reboots: None,
            },
            instance: Instance::new("a").unwrap(),
        }
    }

    #[tokio::test]
    async fn a_lock_that_outlives_its_run_for_a_moment_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let copy = File::create(dir.path().join("agent.lock")).unwrap();
        copy.try_lock().unwrap();
        let identity = identity();
        let let_go = async { drop(copy) }; // polled when the first try has failed
        let (taken, ()) = tokio::join!(biased; take_lock(dir.path(), &identity), let_go);
        let (_lock, former) = taken.unwrap();
        assert_eq!(former, None);
    }

    #[tokio::test]
    async fn a_lock_that_stays_is_refused_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let identity = identity();
        let _running = take_lock(dir.path(), &identity).await.unwrap();
        let error = take_lock(dir.path(), &identity).await.unwrap_err();
        assert!(
            error
                .to_string()
                .contains("another agent runs on this node")
        );
    }
}
