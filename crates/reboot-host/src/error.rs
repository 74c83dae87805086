//! Everything that can go wrong on the node, each with what to do next.

use std::io;
use std::path::{Path, PathBuf};

/// Why the node could not be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file or directory could not be read.
    #[error("{}: cannot read: {cause}: {}", .path.display(), advice(.cause))]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said; the message has it already.
        cause: io::Error,
    },
    /// A file or directory could not be written, synced or locked.
    #[error("{}: cannot {action}: {cause}: {}", .path.display(), advice(.cause))]
    Write {
        /// Which.
        path: PathBuf,
        /// What was being done to it, as a verb.
        action: &'static str,
        /// What the system said; the message has it already.
        cause: io::Error,
    },
    /// A file's content is not what it should be; it is left as it is.
    #[error("{}: {cause}: {todo}", .path.display())]
    Broken {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
        /// What to do about it.
        todo: &'static str,
    },
    /// Another agent of this node is running.
    #[error(
        "{}: another agent runs on this node ({}): stop it, or give this one a state directory \
         of its own",
        .path.display(), holder(.pid)
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, where it said so.
        pid: Option<u32>,
    },
    /// A name of a change is not a hook's file name.
    #[error("{name:?} is not the name of a hook: it must be a file name without a slash")]
    NotAHook {
        /// The name.
        name: String,
    },
    /// A call over the system bus could not be made, or was refused: nothing was done.
    #[error("{call} over the system bus failed: {cause}: check that {service} is running")]
    Bus {
        /// The call.
        call: &'static str,
        /// Who should have answered.
        service: &'static str,
        /// What the bus or the service said.
        cause: String,
    },
    /// A call over the system bus was made and its answer did not come: it may be carried out.
    #[error(
        "{call} over the system bus may or may not be carried out: {cause}: see the journal of \
         {service}"
    )]
    BusUnknown {
        /// The call.
        call: &'static str,
        /// Who should have answered.
        service: &'static str,
        /// What became of the answer.
        cause: String,
    },
}

// === impl HostError ===

impl HostError {
    /// The name in logs and metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Broken { .. } => "broken",
            Self::Locked { .. } => "locked",
            Self::NotAHook { .. } => "not_a_hook",
            Self::Bus { .. } => "bus",
            Self::BusUnknown { .. } => "bus_unknown",
        }
    }

    pub(crate) fn read(path: &Path, cause: io::Error) -> Self {
        let path = path.to_owned();
        Self::Read { path, cause }
    }

    pub(crate) fn write(path: &Path, action: &'static str, cause: io::Error) -> Self {
        let path = path.to_owned();
        Self::Write {
            path,
            action,
            cause,
        }
    }
}

fn holder(pid: &Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "it did not say which process it is".to_owned(),
    }
}

/// What to do about an error of the file system.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::NotFound => "check that it exists",
        Kind::PermissionDenied => "run the daemon as root, or let its user in",
        Kind::StorageFull | Kind::QuotaExceeded => "free some space on its file system",
        Kind::ReadOnlyFilesystem => "make its file system writable, or choose another directory",
        Kind::NotADirectory => "something in the path is not a directory, move it away",
        Kind::IsADirectory => "a file is expected there, move the directory away",
        Kind::FileTooLarge => "find out what made it grow",
        _ => "check the file system it is on",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_thing_the_cause_and_what_to_do() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = HostError::write(Path::new("/var/lib/x"), "write", full);
        assert_eq!(
            error.to_string(),
            "/var/lib/x: cannot write: no storage space: free some space on its file system"
        );
        assert!(
            std::error::Error::source(&error).is_none(),
            "it is told once"
        );
        assert_eq!(error.kind(), "write");
        let path = PathBuf::from("/l");
        let locked = HostError::Locked { path, pid: Some(7) };
        assert!(locked.to_string().contains("(process 7): stop it"));
    }
}
