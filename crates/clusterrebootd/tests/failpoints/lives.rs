//! What a machine goes through, up to and past the points at which it is struck.

use crate::pair::Pair;
use nix::sys::signal::Signal;
use reboot_core::group::Action;
use std::fs;

/// A part of a machine's life, each under one run of its daemon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Life {
    /// From the start to the reboot command, and waiting for it.
    Out,
    /// From the boot to the release, and at rest.
    Back,
    /// After a crash amid draining, in the same boot, to the release.
    Mend,
    /// After a crash amid draining, the hold broken by an operator, until all is undone.
    Debt,
    /// Behind another, until the slot is its own.
    Line,
    /// As `Out`, with notice to the users.
    Notice,
    /// Told to stop, at rest.
    Stop,
}

/// Amid draining, everything changed.
const DRAINED: &str = "pre-hook:after#2";
/// The clock drives this one: when it is there, all that the clock drives has begun.
const TICKED: &str = "keep-session:after#1";

// === impl Life ===

impl Life {
    /// How often the reboot command must have run in the end.
    pub(crate) fn calls(self, is_new_boot: bool, was_issued: bool) -> usize {
        match self {
            Self::Stop => 0,
            Self::Back => 1,
            Self::Out | Self::Mend | Self::Debt | Self::Line | Self::Notice => {
                usize::from(!is_new_boot || was_issued)
            }
        }
    }

    /// All that comes before the run that is struck.
    pub(crate) fn prepare(self, pair: &mut Pair) {
        match self {
            Self::Out => {}
            Self::Back => {
                pair.struck.start();
                pair.bench.wait("it goes down", || pair.struck.has("down"));
                pair.struck.go_down(Signal::SIGTERM);
                pair.struck.remove("sentinel");
                pair.struck.turn_on(&pair.bench);
            }
            Self::Mend => pair.die_at(DRAINED),
            Self::Debt => {
                pair.die_at(DRAINED);
                let number = pair.bench.holds()[0].number;
                pair.bench.ask(
                    "break",
                    Action::Break {
                        number,
                        by: "bench".to_owned(),
                        reason: "it does not come back".to_owned(),
                    },
                );
                fs::write(pair.bench.path().join("broken"), "").unwrap();
            }
            Self::Line => {
                pair.other.start();
                pair.bench.wait("the other goes", || pair.other.has("down"));
            }
            Self::Notice => {
                pair.struck.set("reboot_delay_sec", 1);
            }
            Self::Stop => pair.struck.remove("sentinel"),
        }
    }

    /// What happens to the run that is struck from outside, while it lasts.
    pub(crate) fn go_on(self, pair: &mut Pair) {
        match self {
            Self::Out | Self::Back | Self::Mend | Self::Debt | Self::Notice => {}
            Self::Line => {
                let is_waiting = || pair.has_passed("join-line:after#1");
                let is_dead = || pair.struck.exit_code().is_some();
                pair.bench
                    .wait("it waits in line", || is_waiting() || is_dead());
                pair.other.power_cycle(&pair.bench, Signal::SIGTERM);
            }
            Self::Stop => {
                let is_at_rest = || pair.struck.has_outcome("no_action");
                pair.bench.wait("at rest", is_at_rest);
                pair.struck.signal(Signal::SIGTERM);
            }
        }
    }

    /// Blocks until the run has passed all the points of this life.
    pub(crate) fn wait_for_end(self, pair: &Pair) {
        match self {
            Self::Out | Self::Notice => {
                pair.wait_for("await-command:after#1");
                pair.wait_for(TICKED);
            }
            Self::Back => {
                pair.wait_for("release:after#1");
                pair.wait_for(TICKED);
            }
            Self::Mend => pair.wait_for("release:after#1"),
            Self::Debt => pair.wait_for("pay-debt:after#1"),
            Self::Line => pair.wait_for("leave-line:after#1"),
            Self::Stop => pair.wait_for("exit:before#1"),
        }
    }

    /// Which of the points that were passed are this life's own.
    pub(crate) fn own_points(self, mut passed: Vec<String>) -> Vec<String> {
        let mut cut_after = |last: &str| {
            let end = passed.iter().position(|it| it == last).unwrap();
            passed.truncate(end + 1);
        };
        match self {
            Self::Out | Self::Back => {}
            Self::Mend => cut_after("release:after#1"),
            Self::Debt => cut_after("pay-debt:after#1"),
            Self::Line => {
                cut_after("leave-line:after#1");
                passed.retain(|it| it.contains("-line:") || it.starts_with("claim:"));
            }
            Self::Notice => passed.retain(|it| it.starts_with("wall:")),
            Self::Stop => {
                passed.retain(|it| it.starts_with("end-session:") || it.starts_with("exit:"));
            }
        }
        passed
    }
}
