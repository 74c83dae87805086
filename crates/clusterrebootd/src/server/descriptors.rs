//! Open files: every connection is one, and a server that has none left takes nobody in.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// So many are the server's own: its store, listeners, and files that it reads again.
const OWN: u64 = 64;

/// Raises this process's limit to the highest that it may set itself; answers the limit then.
pub(super) fn raised() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return Ok(hard);
    }
    Ok(soft)
}

/// What to say when so many connections are more than the open files allow.
pub(super) fn warning(connections: usize, limit: u64) -> Option<String> {
    let connections = u64::try_from(connections).unwrap_or(u64::MAX);
    let possible = limit.saturating_sub(OWN.min(limit / 2));
    (limit < connections).then(|| {
        format!(
            "limits.connections is {connections}, but this process may have {limit} files open: \
             some {possible} connections are possible; raise LimitNOFILE= of its systemd unit (or \
             ulimit -n), or lower limits.connections"
        )
    })
}

/// So many connections fit, at most those that are asked for: more wait in the kernel's queue
/// instead of failing.
pub(super) fn fitting(connections: usize, limit: u64) -> usize {
    let possible = limit.saturating_sub(OWN.min(limit / 2));
    connections.min(usize::try_from(possible).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_the_server_its_own_files() {
        for (connections, limit, fit) in [
            (20_000, 65_536, 20_000),
            (20_000, 20_000, 19_936),
            (20_000, 1024, 960),
            (20_000, 40, 20),
            (10, 1024, 10),
        ] {
            assert_eq!(fitting(connections, limit), fit, "{connections} of {limit}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_said() {
        assert_eq!(warning(20_000, 65_536), None);
        assert_eq!(warning(1024, 1024), None);
        let text = warning(20_000, 1024).unwrap();
        for part in ["limits.connections is 20000", "1024 files", "LimitNOFILE"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
