//! What is played, each on three machines that are up and well, which it leaves so.

mod broken;
mod guide;
mod killed;
mod late;
mod roll;
mod sick;
mod soft;
mod upgrade;

use super::fleet::Fleet;

/// A story with a good end.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    /// What it shows, in a few words.
    pub(super) shows: &'static str,
    pub(super) play: fn(&mut Fleet) -> anyhow::Result<()>,
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "roll",
        shows: "three need a reboot at once, and go one after the other",
        play: roll::play,
    },
    Scenario {
        name: "late",
        shows: "one loses power amid its reboot and comes back late; nobody goes meanwhile",
        play: late::play,
    },
    Scenario {
        name: "broken",
        shows: "one loses power amid its reboot for good, until an operator unlocks it",
        play: broken::play,
    },
    Scenario {
        name: "killed",
        shows: "a daemon is killed while its node drains",
        play: killed::play,
    },
    Scenario {
        name: "sick",
        shows: "a check that fails after a reboot stops the roll until it passes",
        play: sick::play,
    },
    Scenario {
        name: "soft",
        shows: "user space alone is restarted, and the kernel stays",
        play: soft::play,
    },
    Scenario {
        name: "guide",
        shows: "kill switch, inhibitor, a boot that fails its check: by the guide's own lines",
        play: guide::play,
    },
    Scenario {
        name: "upgrade",
        shows: "the package is upgraded on all three during a roll",
        play: upgrade::play,
    },
];
