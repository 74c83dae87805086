//! Boot identity: how we know that a machine really went down and came back.
//!
//! Sources: `random/boot_id` in proc(5); `SoftRebootsCount` of org.freedesktop.systemd1(5).

use serde::{Deserialize, Serialize};
use std::fmt;

/// The kernel's boot id and, where it is known, systemd's count of soft reboots since.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct BootIdentity {
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Soft reboots since that boot; `None` where systemd does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft_reboots: Option<u64>,
}

// === impl BootIdentity ===

impl BootIdentity {
    /// An identity without a known soft-reboot count.
    pub fn of_boot(boot_id: impl Into<String>) -> Self {
        Self {
            boot_id: boot_id.into(),
            soft_reboots: None,
        }
    }

    /// Whether the two are certainly different boots: the boot ids differ, or both soft-reboot
    /// counts are known and differ. An unknown count never proves a reboot.
    pub fn differs_from(&self, other: &Self) -> bool {
        self.boot_id != other.boot_id
            || matches!((self.soft_reboots, other.soft_reboots), (Some(a), Some(b)) if a != b)
    }
}

impl fmt::Display for BootIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.soft_reboots {
            Some(count) => write!(f, "{}+{count}", self.boot_id),
            None => f.write_str(&self.boot_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(id: &str, soft_reboots: Option<u64>) -> BootIdentity {
        BootIdentity {
            boot_id: id.to_owned(),
            soft_reboots,
        }
    }

    #[test]
    fn only_certain_differences_count() {
        let table = [
            (boot("a", None), boot("b", None), true),
            (boot("a", None), boot("a", None), false),
            (boot("a", Some(0)), boot("a", Some(1)), true),
            (boot("a", Some(0)), boot("a", Some(0)), false),
            (boot("a", None), boot("a", Some(1)), false),
            (boot("a", Some(3)), boot("b", Some(3)), true),
        ];
        for (left, right, expected) in table {
            assert_eq!(left.differs_from(&right), expected, "{left} / {right}");
            assert_eq!(right.differs_from(&left), expected, "{right} / {left}");
        }
    }
}
