//! One look at a path: whether something is there, and whether it is still the same.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::Semaphore;

/// How long a look may take. Only a hung network mount takes longer than a moment.
const DEADLINE: Duration = Duration::from_secs(10);

/// How many looks may hang at once: each holds a thread, and others need threads too.
const HANGING_MAX: usize = 8;

static LOOKS: Semaphore = Semaphore::const_new(HANGING_MAX);

/// What is at a path; two looks that see the same give equal values.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Looks at a path itself, not at what a symbolic link there points to. `None`: nothing is there.
pub(crate) fn look(path: &Path) -> io::Result<Option<Seen>> {
    match path.symlink_metadata() {
        Ok(metadata) => Ok(Some(Seen {
            device: metadata.dev(),
            inode: metadata.ino(),
            size_bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Like [`look`] on a thread of its own, so that a mount that hangs does not stop the runtime.
pub(crate) async fn look_aside(path: PathBuf) -> io::Result<Option<Seen>> {
    let looking = async move {
        // The limit is never closed; were it, looking without it would be right.
        let permit = LOOKS.acquire().await.ok();
        let looking = tokio::task::spawn_blocking(move || {
            let _until_it_answers = permit;
            look(&path)
        });
        looking
            .await
            .unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
    };
    tokio::time::timeout(DEADLINE, looking)
        .await
        .unwrap_or_else(|_| Err(no_answer()))
}

fn no_answer() -> io::Error {
    let text = format!("the file system did not answer within {DEADLINE:?}");
    io::Error::new(io::ErrorKind::TimedOut, text)
}

/// A path through something that is not a directory leads nowhere, like a missing one.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

// === impl Seen ===

impl Seen {
    /// Sixteen hexadecimal digits that stay the same as long as the file does.
    pub(crate) fn fingerprint(&self) -> String {
        fingerprint(format!("{self:?}").as_bytes())
    }
}

/// FNV-1a, 64 bits, in hexadecimal: tells changes apart, resists nobody.
pub(crate) fn fingerprint(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(fingerprint(b""), "cbf29ce484222325");
        assert_eq!(fingerprint(b"foobar"), "85944171f73967e8");
    }
}
