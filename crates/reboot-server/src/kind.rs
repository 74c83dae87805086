//! Why a client is refused: FleetLock's closed set of kinds, each with its status.

use http::StatusCode;
use reboot_core::group::Refusal;
use reboot_core::write::Trouble;
use std::fmt;

/// Why a client is refused. The set is closed: clients make labels of it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Something other than POST.
    MethodNotAllowed,
    /// No header `fleet-lock-protocol: true`.
    MissingHeader,
    /// The body is not what the protocol says.
    DecodeError,
    /// The group is empty or outside the pattern.
    InvalidGroup,
    /// The group is not configured, and groups are closed.
    UnknownGroup,
    /// Others have the slots, or come first.
    LockHeld,
    /// The slot is there; the node is not drained yet.
    WaitingForDrain,
    /// An operator stopped the group or the fleet, or holds this node back.
    Paused,
    /// Outside the maintenance windows.
    WindowClosed,
    /// A cooldown runs, or the node was rebooted often enough today.
    Cooldown,
    /// The rest of the fleet is not well enough.
    BlockedByHealth,
    /// Who asks has not said who it is, or not rightly.
    Unauthorized,
    /// Who asks may not.
    Forbidden,
    /// Too many requests.
    TooManyRequests,
    /// The store cannot be used now.
    StoreUnavailable,
    /// A bug, or a record that nobody can read.
    InternalError,
}

/// Every kind, in the order of the specification.
pub const KINDS: [Kind; 16] = [
    Kind::MethodNotAllowed,
    Kind::MissingHeader,
    Kind::DecodeError,
    Kind::InvalidGroup,
    Kind::UnknownGroup,
    Kind::LockHeld,
    Kind::WaitingForDrain,
    Kind::Paused,
    Kind::WindowClosed,
    Kind::Cooldown,
    Kind::BlockedByHealth,
    Kind::Unauthorized,
    Kind::Forbidden,
    Kind::TooManyRequests,
    Kind::StoreUnavailable,
    Kind::InternalError,
];

/// A refusal: its kind, and what to do about it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{kind}: {value}")]
pub struct Refused {
    /// Which.
    pub kind: Kind,
    /// What is the matter and what to do; never empty.
    pub value: String,
}

// === impl Kind ===

impl Kind {
    /// The name on the wire, in logs and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::MethodNotAllowed => "method_not_allowed",
            Self::MissingHeader => "missing_header",
            Self::DecodeError => "decode_error",
            Self::InvalidGroup => "invalid_group",
            Self::UnknownGroup => "unknown_group",
            Self::LockHeld => "lock_held",
            Self::WaitingForDrain => "waiting_for_drain",
            Self::Paused => "paused",
            Self::WindowClosed => "window_closed",
            Self::Cooldown => "cooldown",
            Self::BlockedByHealth => "blocked_by_health",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::TooManyRequests => "too_many_requests",
            Self::StoreUnavailable => "store_unavailable",
            Self::InternalError => "internal_error",
        }
    }

    /// The status it is answered with.
    pub fn status(self) -> StatusCode {
        match self {
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::MissingHeader | Self::DecodeError | Self::InvalidGroup => StatusCode::BAD_REQUEST,
            Self::UnknownGroup => StatusCode::NOT_FOUND,
            Self::LockHeld
            | Self::WaitingForDrain
            | Self::Paused
            | Self::WindowClosed
            | Self::Cooldown
            | Self::BlockedByHealth => StatusCode::LOCKED,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::InternalError => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The refusal of this kind.
    pub fn because(self, value: impl Into<String>) -> Refused {
        let value = value.into();
        Refused { kind: self, value }
    }

    fn of_refusal(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Paused { .. } | Refusal::HeldBack { .. } => Self::Paused,
            Refusal::CooldownRunning { .. }
            | Refusal::DailyCap { .. }
            | Refusal::UnfencedHolder { .. } => Self::Cooldown,
            Refusal::GroupLost { .. } | Refusal::UnknownFeature { .. } => Self::StoreUnavailable,
            Refusal::NoGroup { .. } => Self::UnknownGroup,
            Refusal::BadMax { .. } | Refusal::NothingToBreak { .. } | Refusal::TooManyHeldBack => {
                Self::InternalError
            }
            Refusal::Full { .. }
            | Refusal::LockedOut { .. }
            | Refusal::OthersWait { .. }
            | Refusal::AlreadyHolds { .. }
            | Refusal::HoldsElsewhere { .. }
            | Refusal::MachineHolds { .. }
            | Refusal::SessionEnded
            | Refusal::HoldGone { .. }
            | Refusal::NotOwner { .. }
            | Refusal::OtherMachine { .. }
            | Refusal::WrongPhase { .. }
            | Refusal::IdentityConflict { .. }
            | Refusal::SameBoot { .. }
            | Refusal::OtherBoot { .. }
            | Refusal::FormerAlive { .. }
            | Refusal::NotUndone { .. } => Self::LockHeld,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl Refused ===

impl From<&Refusal> for Refused {
    fn from(refusal: &Refusal) -> Self {
        Kind::of_refusal(refusal).because(refusal.to_string())
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Refused(refusal) => Self::from(&refusal),
            Trouble::Unavailable(text) | Trouble::Unknown(text) => {
                Kind::StoreUnavailable.because(text)
            }
            Trouble::Broken(text) => Kind::InternalError.because(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_kinds_are_the_specification_s() {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name()).collect();
        let specified = "method_not_allowed missing_header decode_error invalid_group \
                         unknown_group lock_held waiting_for_drain paused window_closed cooldown \
                         blocked_by_health unauthorized forbidden too_many_requests \
                         store_unavailable internal_error";
        assert_eq!(names, specified.split_whitespace().collect::<Vec<_>>());
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), KINDS.len());
    }

    #[test]
    fn no_refusal_is_a_success_or_a_redirect() {
        for kind in KINDS {
            let status = kind.status();
            assert!(
                status.is_client_error() || status.is_server_error(),
                "{kind}"
            );
        }
    }
}
