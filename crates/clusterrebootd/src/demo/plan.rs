//! What the demo will show: which machines, how many slots, who fails, and how fast time runs.

use crate::cli::DemoArgs;
use std::time::Duration;

/// So much longer than a reboot takes may it take until it is overdue, in seconds.
const MARGIN_SECS: u64 = 7;
/// So many machines share the processor before everything is given more time.
const MACHINES_A_BEAT: u64 = 20;

/// The demo's settings, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Plan {
    /// The machines, `node-1` first.
    pub(super) names: Vec<String>,
    /// How many may be down at once.
    pub(super) slots: u32,
    /// Who does not come back.
    pub(super) fails: Option<String>,
    /// How long a machine is down, in seconds.
    pub(super) down_secs: u64,
    /// Whether the directory is left behind.
    pub(super) keeps: bool,
}

// === impl Plan ===

impl Plan {
    /// Checks the arguments.
    ///
    /// # Errors
    /// A usage error: the machine that shall fail is not one of them.
    pub(crate) fn of(args: &DemoArgs) -> Result<Self, String> {
        let names: Vec<String> = (1..=args.nodes).map(|it| format!("node-{it}")).collect();
        if let Some(name) = args.fail.as_ref().filter(|name| !names.contains(name)) {
            let last = args.nodes;
            return Err(format!(
                "--fail {name}: there is no such machine: name one of node-1 to node-{last}"
            ));
        }
        Ok(Self {
            names,
            slots: args.slots,
            fails: args.fail.clone(),
            down_secs: args.seconds,
            keeps: args.keep,
        })
    }

    /// Whether this machine does not come back.
    pub(super) fn is_failing(&self, name: &str) -> bool {
        self.fails.as_deref() == Some(name)
    }

    /// Between two health records of a machine, in seconds: more in a big fleet, since all of it
    /// runs on one processor.
    pub(super) fn beat_secs(&self) -> u64 {
        1 + self.names.len() as u64 / MACHINES_A_BEAT
    }

    /// After so many seconds a machine that went down is overdue.
    pub(super) fn timeout_secs(&self) -> u64 {
        self.down_secs + MARGIN_SECS + self.beat_secs()
    }

    /// When nothing happens for so long, the roll is stuck.
    pub(super) fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout_secs() + 30 * self.beat_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(nodes: u32, fail: Option<&str>) -> Result<Plan, String> {
        Plan::of(&DemoArgs {
            nodes,
            slots: 1,
            fail: fail.map(str::to_owned),
            seconds: 2,
            keep: false,
        })
    }

    #[test]
    fn only_a_machine_that_is_there_can_fail() {
        assert!(plan(3, Some("node-3")).unwrap().is_failing("node-3"));
        assert!(!plan(3, None).unwrap().is_failing("node-3"));
        let error = plan(3, Some("node-4")).unwrap_err();
        assert!(
            error.contains("node-4") && error.contains("node-1 to node-3"),
            "{error}"
        );
    }

    #[test]
    fn a_reboot_is_over_before_it_is_overdue_and_a_roll_stuck_only_long_after() {
        for nodes in [1, 5, 100] {
            let plan = plan(nodes, None).unwrap();
            assert!(plan.timeout_secs() >= plan.down_secs + 5);
            assert!(plan.patience().as_secs() > 2 * plan.timeout_secs());
        }
    }
}
