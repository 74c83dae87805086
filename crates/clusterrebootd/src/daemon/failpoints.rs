//! Where this daemon is to be killed by a test: a variable that only debug builds know.

use anyhow::Result;
use reboot_agent::Failpoints;

/// The variable with the plan; what it may say is at [`Failpoints::parse`].
#[cfg(debug_assertions)]
const VARIABLE: &str = "CLUSTERREBOOTD_FAILPOINTS";

/// The plan of this process.
///
/// # Errors
/// When the plan makes no sense: a test must not believe that it struck.
#[cfg(debug_assertions)]
#[allow(clippy::disallowed_methods)] // the binary is the one place that reads the environment
pub(super) fn failpoints() -> Result<Failpoints> {
    use anyhow::Context;
    match std::env::var(VARIABLE) {
        Ok(plan) => Failpoints::parse(&plan).context(VARIABLE),
        Err(_) => Ok(Failpoints::default()),
    }
}

/// There are none in this build.
///
/// # Errors
/// Never.
#[cfg(not(debug_assertions))]
pub(super) fn failpoints() -> Result<Failpoints> {
    Ok(Failpoints::default())
}
