//! Why a node wants to reboot, and what it remembers of its last reboot.

use serde::{Deserialize, Serialize};

/// What one run of all detectors found.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Detection {
    /// The detectors that ask for a reboot, in their configured order.
    pub fired: Vec<String>,
    /// What they saw, as one fingerprint: equal while nothing changes.
    pub fingerprint: String,
    /// The detectors that failed, with the reason.
    pub failed: Vec<String>,
}

/// The need that the last fenced reboot of this node was for.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Satisfied {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Whether the detectors were quiet since.
    pub was_clear_since: bool,
}

// === impl Detection ===

impl Detection {
    /// Whether the node needs a reboot.
    pub fn is_needed(&self) -> bool {
        !self.fired.is_empty()
    }
}

// === impl Satisfied ===

impl Satisfied {
    /// Whether this detection is the need that the reboot should have ended: it fires again
    /// with the same fingerprint and was never clear since.
    pub fn is_repeated_by(&self, detection: &Detection) -> bool {
        detection.is_needed() && !self.was_clear_since && detection.fingerprint == self.fingerprint
    }

    /// Learns from a later look.
    pub fn observe(&mut self, detection: &Detection) {
        if detection.failed.is_empty() && detection.fingerprint != self.fingerprint {
            self.was_clear_since = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detection(fired: &[&str], fingerprint: &str) -> Detection {
        let fired = fired.iter().map(|&name| name.to_owned()).collect();
        Detection {
            fired,
            fingerprint: fingerprint.to_owned(),
            failed: Vec::new(),
        }
    }

    #[test]
    fn a_need_that_outlives_its_reboot_is_noticed() {
        let mut satisfied = Satisfied {
            fingerprint: "kernel-6.1".to_owned(),
            was_clear_since: false,
        };
        let same = detection(&["kernel"], "kernel-6.1");
        assert!(satisfied.is_repeated_by(&same));
        assert!(!satisfied.is_repeated_by(&detection(&["kernel"], "kernel-6.2")));
        satisfied.observe(&same);
        assert!(satisfied.is_repeated_by(&same));
        satisfied.observe(&detection(&[], ""));
        assert!(!satisfied.is_repeated_by(&same), "it was clear in between");
    }
}
