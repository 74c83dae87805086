//! Names of leases: etcd numbers them, and lets us choose the number.

use reboot_core::id::{NodeName, SessionId};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// FNV-1a: the same everywhere and for ever, as every run must find the lease of a name again.
fn stable_hash(parts: &[&str]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}

/// A lease's number: positive, as 0 means none.
fn number(hash: u64) -> i64 {
    let positive = hash & (u64::MAX >> 1);
    i64::try_from(positive.max(1)).unwrap_or(1)
}

/// The lease of a session.
pub(crate) fn of_session(namespace: &str, session: &SessionId) -> i64 {
    number(stable_hash(&["session", namespace, session.as_str()]))
}

/// The lease on which a node's last word stays fresh for so many seconds.
pub(crate) fn of_freshness(namespace: &str, node: &NodeName, secs: i64) -> i64 {
    number(stable_hash(&[
        "fresh",
        namespace,
        node.as_str(),
        &secs.to_string(),
    ]))
}

/// A lease that nobody has had before.
pub(crate) fn fresh() -> i64 {
    number(RandomState::new().build_hasher().finish())
}

/// A duration as etcd leases have it: whole seconds, never shorter.
pub(crate) fn secs(duration_ms: u64) -> i64 {
    // etcd refuses more than 9,000,000,000 s.
    const MOST: u64 = 9_000_000_000;
    i64::try_from(duration_ms.div_ceil(1000).clamp(1, MOST)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_finds_its_lease_again() {
        let session = SessionId::new("lease-1").unwrap();
        assert_eq!(of_session("", &session), of_session("", &session));
        assert_ne!(of_session("", &session), of_session("/prod", &session));
        assert!(of_session("", &session) > 0);
        assert_ne!(fresh(), fresh());
    }

    #[test]
    fn leases_are_never_shorter_than_asked_for() {
        assert_eq!(secs(0), 1);
        assert_eq!(secs(1000), 1);
        assert_eq!(secs(1001), 2);
        assert_eq!(secs(u64::MAX), 9_000_000_000);
    }
}
