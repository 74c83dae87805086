//! Why a call did not do what it should, by what the caller may conclude from it.

use thiserror::Error;

/// Why a call failed. Each text names the endpoint, the cause and what to check.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// No member could be asked: whatever was asked for surely did not happen.
    #[error("{0}")]
    Unavailable(String),
    /// It was sent and no answer came: it may have happened, or may still. Look before deciding.
    #[error("{0}")]
    Unknown(String),
    /// The login or a permission is missing. It did not happen.
    #[error("{0}")]
    Denied(String),
    /// etcd has no space left. A member may notice only after it did what was asked, so it may
    /// have happened: look before deciding.
    #[error("{0}")]
    NoSpace(String),
    /// The lease that was named is gone. It did not happen.
    #[error("the lease is gone: it expired or was revoked")]
    LeaseGone,
    /// etcd refuses what was asked for, as it would every time. It did not happen.
    #[error("{0}")]
    Refused(String),
}

// === impl Fault ===

impl Fault {
    /// A short name, for logs and metrics.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Unknown(_) => "unknown",
            Self::Denied(_) => "denied",
            Self::NoSpace(_) => "no_space",
            Self::LeaseGone => "lease_gone",
            Self::Refused(_) => "refused",
        }
    }

    /// Whether what was asked for may have happened all the same.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::NoSpace(_))
    }
}
