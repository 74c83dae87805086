//! Waiting for what machines do in their own time.

use std::time::{Duration, Instant};

use anyhow::bail;

/// Long for an emulated machine on a busy host; a machine that hangs is told from a slow one.
pub(super) const PATIENCE: Duration = Duration::from_secs(900);

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Looks again and again until there is what is waited for.
///
/// # Errors
/// When the look fails, or it is not there within [`PATIENCE`]; named by `what`.
pub(super) fn until<T>(
    what: &str,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("not within {} s: {what}", PATIENCE.as_secs());
        }
        pause(LOOK_EVERY);
    }
}

/// Lets time pass for others.
#[allow(clippy::disallowed_methods)] // the machines are other processes, and run on by themselves
fn pause(span: Duration) {
    std::thread::sleep(span);
}
