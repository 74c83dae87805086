//! Exit codes: the one place that help, manual pages, reference and commands take them from.

/// What the process tells whoever started it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ExitCode {
    /// Done, or nothing to do.
    Success,
    /// Set-up or a pass failed.
    RuntimeFailure,
    /// The configuration does not pass the checks, or cannot be read.
    InvalidConfig,
    /// The health script, a hook or a cluster policy blocks.
    HealthBlocked,
    /// No slot was to be had.
    NoSlot,
    /// The kill switch file exists.
    KillSwitch,
    /// A detector failed while all were tried.
    DetectorFailed,
    /// The command line makes no sense.
    Usage,
}

// === impl ExitCode ===

impl ExitCode {
    /// Every code, in the order of their numbers.
    pub const ALL: &'static [Self] = &[
        Self::Success,
        Self::RuntimeFailure,
        Self::InvalidConfig,
        Self::HealthBlocked,
        Self::NoSlot,
        Self::KillSwitch,
        Self::DetectorFailed,
        Self::Usage,
    ];

    /// The number. 64 is `EX_USAGE` of sysexits.h(3head).
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::RuntimeFailure => 1,
            Self::InvalidConfig => 2,
            Self::HealthBlocked => 3,
            Self::NoSlot => 4,
            Self::KillSwitch => 5,
            Self::DetectorFailed => 6,
            Self::Usage => 64,
        }
    }

    /// The code with this number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|exit| exit.code() == code)
    }

    /// What it means, for operators.
    pub fn doc(self) -> &'static str {
        match self {
            Self::Success => "success: nothing to do, prerequisites satisfied, or valid",
            Self::RuntimeFailure => "runtime failure: set-up or the pass itself failed",
            Self::InvalidConfig => "invalid configuration, or one that cannot be read",
            Self::HealthBlocked => "blocked by health: the script, a hook or a cluster policy",
            Self::NoSlot => "no slot: others hold them all, or the store is out of reach",
            Self::KillSwitch => "the kill switch file exists",
            Self::DetectorFailed => "a detector failed",
            Self::Usage => "usage error: unknown command or flag",
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(exit: ExitCode) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reboot_core::outcome::Outcome;

    #[test]
    fn every_code_has_its_own_number() {
        for exit in ExitCode::ALL {
            assert_eq!(ExitCode::from_code(exit.code()), Some(*exit));
        }
    }

    #[test]
    fn every_outcome_ends_in_a_documented_code() {
        for outcome in Outcome::ALL {
            assert!(
                ExitCode::from_code(outcome.exit_code()).is_some(),
                "{outcome}"
            );
        }
    }
}
